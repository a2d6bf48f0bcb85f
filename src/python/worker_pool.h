#pragma once
// Processes that run users' Python functions, and the bytes that go to them and come back.
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace tarn::python {

// What makes two workers interchangeable.
struct Environment {
  std::string session;        // code that one session has loaded is never seen by another
  std::string executable;     // the interpreter; empty: the pool's default
  int64_t memory_mb = 0;      // the most address space a worker may take (RLIMIT_AS); 0: no limit
};

class WorkerPool;
class Parent;

// One leased worker process. Used by one thread. Its end, unless it was given back, kills the process and whatever it has started.
class Worker {
 public:
  ~Worker();
  Worker(const Worker&) = delete;
  // Bytes that will be sent while reading, in order. Never blocks.
  void send(std::string bytes);
  // At least one byte, at most size; sends what is queued meanwhile. 0: the process has ended (see death()). interrupted is asked a few
  // times a second; when it says so WorkerInterrupted is thrown.
  size_t read(char* to, size_t size);
  // Whether read() would return at once; sends what the socket takes.
  bool readable();
  // Whether queued bytes are left.
  bool sending() const { return !queue_.empty(); }
  // Waits until there is something to read or all queued bytes are gone.
  void wait();
  // How the process ended ("it was killed by signal 11 (Segmentation fault)"). Ends it first if it runs.
  std::string death();

  std::function<bool()> interrupted;
  int64_t idle_timeout_ms = 0;   // no byte for so long: the worker is killed (0: never)
  pid_t pid() const { return pid_; }

 private:
  friend class WorkerPool;
  Worker(std::shared_ptr<Parent> parent, Environment environment, int fd, pid_t pid)
      : parent_(std::move(parent)), environment_(std::move(environment)), fd_(fd), pid_(pid) {}
  void pump();
  bool poll(bool for_reading, bool for_writing, int timeout_ms);  // true: readable
  std::shared_ptr<Parent> parent_;
  Environment environment_;
  int fd_;
  pid_t pid_;
  std::deque<std::string> queue_;
  size_t sent_ = 0;              // of queue_.front()
  bool ended_ = false;
  std::string death_;
};

struct WorkerInterrupted : std::exception {};
// No byte came for Worker::idle_timeout_ms.
struct WorkerIdle : std::exception {};

// Thread-safe. Lives as long as the engine.
class WorkerPool {
 public:
  // default_executable: "" looks for one that has what is needed: PYSPARK_PYTHON, $VIRTUAL_ENV, python3, a .venv above the program.
  WorkerPool(std::string default_executable, size_t idle);
  ~WorkerPool();
  // Starts the parent of the default interpreter in the background, so that the first function finds it ready. Queries go first, unless
  // a function waits for it.
  void warm_up(int64_t memory_mb);
  // An idle worker of this environment or a new one. Throws SparkError if the interpreter cannot be started.
  std::unique_ptr<Worker> take(const Environment& environment);
  // After a task that has ended well.
  void give_back(std::unique_ptr<Worker> worker);
  void end_session(const std::string& session);
  // Ends the parents and so all workers.
  void stop();

 private:
  std::shared_ptr<Parent> parent(const std::string& executable, int64_t memory_mb, bool background);
  const std::string default_executable_;
  const size_t idle_limit_;
  std::atomic<pid_t> starting_{0};   // the process that starts in the background
  std::mutex mu_;
  std::map<std::pair<std::string, int64_t>, std::shared_ptr<Parent>> parents_;  // guarded by mu_
  std::vector<std::unique_ptr<Worker>> idle_;                                  // guarded by mu_
  bool stopped_ = false;                                                       // guarded by mu_
};

}  // namespace tarn::python
