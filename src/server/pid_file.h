#pragma once
// Which process runs for a home. The lock, not the number in the file, is the truth.
#include <optional>
#include <string>

#include <sys/types.h>

namespace tarn::server {

// Held by a running cluster or server for as long as it lives; the system drops it even after kill -9.
class PidFile {
 public:
  // CommandError if another process holds it, or the file cannot be written.
  explicit PidFile(const std::string& path);
  ~PidFile();
  PidFile(const PidFile&) = delete;
  // Where clients find it; others read it with running().
  void publish(const std::string& address);

 private:
  std::string path_;
  int fd_ = -1;
};

struct RunningProcess {
  pid_t pid = 0;         // as the kernel knows the lock's holder: never a number that was reused
  std::string address;   // empty until it is ready
};
std::optional<RunningProcess> running(const std::string& path);

}  // namespace tarn::server
