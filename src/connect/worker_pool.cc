#include "connect/worker_pool.h"

#include <pthread.h>
#include <signal.h>

#include <chrono>
#include <system_error>

namespace tarn::connect {

WorkerPool::WorkerPool(size_t stack_bytes) : stack_bytes_(stack_bytes) {}

WorkerPool::~WorkerPool() {
  std::unique_lock lock(mu_);
  stopping_ = true;
  work_cv_.notify_all();
  end_cv_.wait(lock, [&] { return threads_ == 0; });
}

void WorkerPool::run(std::function<void()> task) {
  std::lock_guard lock(mu_);
  tasks_.push_back(std::move(task));
  if (idle_ >= tasks_.size()) {
    work_cv_.notify_one();
    return;
  }
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, stack_bytes_);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t thread;
  int error = pthread_create(&thread, &attributes, &WorkerPool::thread_main, this);
  pthread_attr_destroy(&attributes);
  if (error) {
    tasks_.pop_back();
    throw std::system_error(error, std::generic_category(), "cannot start a thread");
  }
  ++threads_;
}

void* WorkerPool::thread_main(void* self) {
  static_cast<WorkerPool*>(self)->work();
  return nullptr;
}

void WorkerPool::work() {
  std::unique_lock lock(mu_);
  for (;;) {
    if (tasks_.empty()) {
      if (stopping_) break;
      ++idle_;
      bool woken = work_cv_.wait_for(lock, std::chrono::seconds(10), [&] { return !tasks_.empty() || stopping_; });
      --idle_;
      if (!woken) break;
      continue;
    }
    auto task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    task = nullptr;  // what it holds ends here, not under the lock
    lock.lock();
  }
  if (--threads_ == 0) end_cv_.notify_all();
}

}  // namespace tarn::connect
