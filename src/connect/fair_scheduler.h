#pragma once
// A bounded number of running tasks, shared out fairly between their owners.
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>

namespace tarn::connect {

class WorkerPool;

// Invariant: at most max_running tasks run; a free place goes to the waiting owner with the fewest running tasks (the one waiting
// longest among equals), and no owner holds more than three quarters of the places. Thread-safe.
class FairScheduler {
 public:
  FairScheduler(WorkerPool& pool, size_t max_running);

  // Starts the task now or when it is its turn. It must not throw. The id can cancel it while it waits.
  uint64_t submit(const std::string& owner, std::function<void()> task);
  // True if the task was still waiting: it will never run.
  bool remove(uint64_t id);

  size_t running() const;
  size_t waiting() const;

 private:
  struct Waiting {
    uint64_t id;
    std::function<void()> task;
  };
  struct Owner {
    size_t running = 0;
    std::deque<Waiting> queue;
  };
  void start_what_fits();  // mu_ held
  void finished(const std::string& owner);

  WorkerPool& pool_;
  const size_t max_running_, max_per_owner_;
  mutable std::mutex mu_;
  std::map<std::string, Owner> owners_;  // guarded by mu_
  size_t running_ = 0, waiting_ = 0;     // guarded by mu_
  uint64_t next_id_ = 1;                 // guarded by mu_
};

}  // namespace tarn::connect
