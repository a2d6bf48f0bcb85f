#pragma once
// Threads with a stack deep enough to plan and run a query.
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>

namespace tarn::connect {

// Runs each task on a thread of its own: an idle one, else a new one. Callers bound the number (see FairScheduler). Thread-safe.
// Threads that had nothing to do for ten seconds end. The destructor waits for the running tasks.
class WorkerPool {
 public:
  // The stack is only reserved; pages are used as they are touched.
  explicit WorkerPool(size_t stack_bytes = 64 << 20);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;

  // The task must not throw. Throws std::system_error if the system gives no thread.
  void run(std::function<void()> task);

 private:
  static void* thread_main(void* self);
  void work();

  const size_t stack_bytes_;
  std::mutex mu_;
  std::condition_variable work_cv_, end_cv_;
  std::deque<std::function<void()>> tasks_;  // guarded by mu_
  size_t threads_ = 0, idle_ = 0;            // guarded by mu_
  bool stopping_ = false;                    // guarded by mu_
};

}  // namespace tarn::connect
