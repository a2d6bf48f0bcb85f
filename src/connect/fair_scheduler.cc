#include "connect/fair_scheduler.h"

#include <algorithm>
#include <system_error>

#include "connect/worker_pool.h"

namespace tarn::connect {

FairScheduler::FairScheduler(WorkerPool& pool, size_t max_running)
    : pool_(pool), max_running_(std::max<size_t>(max_running, 1)), max_per_owner_(std::max<size_t>(max_running_ * 3 / 4, 1)) {}

uint64_t FairScheduler::submit(const std::string& owner, std::function<void()> task) {
  std::lock_guard lock(mu_);
  uint64_t id = next_id_++;
  owners_[owner].queue.push_back({id, std::move(task)});
  ++waiting_;
  start_what_fits();
  return id;
}

bool FairScheduler::remove(uint64_t id) {
  std::function<void()> dropped;  // ends outside the lock
  std::lock_guard lock(mu_);
  for (auto it = owners_.begin(); it != owners_.end(); ++it) {
    auto& queue = it->second.queue;
    auto found = std::find_if(queue.begin(), queue.end(), [&](const Waiting& w) { return w.id == id; });
    if (found == queue.end()) continue;
    dropped = std::move(found->task);
    queue.erase(found);
    --waiting_;
    if (queue.empty() && it->second.running == 0) owners_.erase(it);
    return true;
  }
  return false;
}

void FairScheduler::start_what_fits() {
  while (running_ < max_running_) {
    auto best = owners_.end();
    for (auto it = owners_.begin(); it != owners_.end(); ++it) {
      const Owner& o = it->second;
      if (o.queue.empty() || o.running >= max_per_owner_) continue;
      if (best == owners_.end() || o.running < best->second.running ||
          (o.running == best->second.running && o.queue.front().id < best->second.queue.front().id)) {
        best = it;
      }
    }
    if (best == owners_.end()) return;
    try {
      pool_.run([this, owner = best->first, task = best->second.queue.front().task]() mutable {
        task();
        task = nullptr;
        finished(owner);
      });
    } catch (const std::system_error&) {
      // No thread to be had: it waits until another task ends, or fails if there is none.
      if (running_ > 0) return;
      best->second.queue.pop_front();
      --waiting_;
      throw;
    }
    best->second.queue.pop_front();
    ++best->second.running;
    ++running_;
    --waiting_;
  }
}

void FairScheduler::finished(const std::string& owner) {
  std::lock_guard lock(mu_);
  --running_;
  auto it = owners_.find(owner);
  if (--it->second.running == 0 && it->second.queue.empty()) owners_.erase(it);
  start_what_fits();
}

size_t FairScheduler::running() const {
  std::lock_guard lock(mu_);
  return running_;
}

size_t FairScheduler::waiting() const {
  std::lock_guard lock(mu_);
  return waiting_;
}

}  // namespace tarn::connect
