#pragma once
// The workspace's side of a cluster's standard input: lines of JSON, each answered with "ok" when it has been taken in (server/control_channel.h).
#include <chrono>
#include <mutex>
#include <string>

namespace tarn::clusters {

// Thread-safe.
class ControlLink {
 public:
  explicit ControlLink(int fd) : fd_(fd) {}   // takes the descriptor
  ~ControlLink();
  ControlLink(const ControlLink&) = delete;
  // False if the cluster has not answered in this time.
  bool tell(const std::string& line, std::chrono::milliseconds timeout);

 private:
  const int fd_;
  std::mutex mu_;   // one line at a time
};

}  // namespace tarn::clusters
