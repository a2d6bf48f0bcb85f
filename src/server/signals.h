#pragma once
// SIGTERM and SIGINT as something to wait for.
#include <chrono>
#include <string>

namespace tarn::server {

// Make it before the first thread: threads inherit that these signals do not interrupt them. SIGPIPE is ignored.
class SignalWait {
 public:
  SignalWait();
  ~SignalWait();
  // Waits for the next signal and names it; "" after cancel(). Children that ended come as "SIGCHLD" if watch_children() was called.
  std::string wait();
  // As wait(), for this long at most; "" if none came.
  std::string wait_for(std::chrono::milliseconds time);
  void cancel();
  void watch_children();

 private:
  int signals_ = -1, cancelled_ = -1;
};

}  // namespace tarn::server
