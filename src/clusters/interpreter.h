#pragma once
// Runs cells of code one after another in a Python process that it starts, watches and, if it must, replaces. What execution contexts,
// notebooks and jobs run on.
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "clusters/driver.h"

namespace tarn::clusters {

// How a cell ended.
struct CellEnd {
  enum class Status { kOk, kError, kExit, kCancelled };
  Status status = Status::kOk;
  std::string value;                          // kExit: what the notebook exits with
  std::string name, message, traceback;       // kError: the exception
};

// What comes of a cell. Called by the interpreter's thread, in order; end() last and once, in every case.
class CellListener {
 public:
  virtual ~CellListener() = default;
  virtual void begin() {}
  // {kind: stream|value|text|html|image|table, …} as python/tarn/driver/__main__.py has it.
  virtual void output(Json output) = 0;
  virtual void event(Json message) {}         // other messages of the driver: task_value
  virtual void end(CellEnd end) = 0;
};

struct InterpreterOptions {
  // What to start, asked before each start; what it throws is why there is none.
  std::function<DriverOptions()> prepare;
  std::chrono::milliseconds start_timeout{120'000};
  // From the interrupt of a cell that is cancelled to the end of its process.
  std::chrono::milliseconds cancel_grace{5'000};
};

// Thread-safe.
class Interpreter {
 public:
  enum class State { kStarting, kReady, kFailed, kEnded };

  explicit Interpreter(InterpreterOptions options);
  ~Interpreter();   // as stop()

  State state(std::string* why = nullptr) const;
  // Runs after what was submitted before. id: unique in this interpreter. After stop() the cell ends as cancelled, at once.
  void submit(std::string id, std::string language, std::string code, std::shared_ptr<CellListener> listener);
  // True if there is such a cell that has not ended. Its end comes through the listener.
  bool cancel(const std::string& id);
  // Kills the process; cells that have not ended are cancelled. Waits for it.
  void stop();

 private:
  struct Cell {
    std::string id, language, code;
    std::shared_ptr<CellListener> listener;
    bool cancelled = false;
  };
  void run();
  void wake();
  bool start();
  void end_current(CellEnd end);
  void handle(const Json& message);
  void lost();
  void fail_waiting(const std::string& why);

  const InterpreterOptions options_;
  int wake_fd_ = -1;
  mutable std::mutex mu_;
  State state_ = State::kStarting;       // guarded by mu_
  std::string why_;                      // guarded by mu_
  std::deque<Cell> waiting_;             // guarded by mu_
  bool stopping_ = false;                // guarded by mu_
  bool cancel_current_ = false;          // guarded by mu_
  std::string current_id_;               // guarded by mu_; empty: nothing runs
  // Of the thread alone.
  std::unique_ptr<Driver> driver_;
  std::shared_ptr<CellListener> current_;
  std::chrono::steady_clock::time_point kill_at_{}, interrupt_at_{};
  bool interrupted_ = false;
  std::thread thread_;
};

}  // namespace tarn::clusters
