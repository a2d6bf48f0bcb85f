#pragma once
// What a workspace tells a cluster of its own while it runs. Lines of JSON on standard input, a socket; each is answered with "ok".
//   {"version": 3, "mounts": [{"path": "/mnt/lake", "source": "abfss://…", "settings": {…}}]}
// Secrets come this way: neither the list of processes, nor a file, nor a session's settings has them.
#include <thread>

namespace tarn::server {

class ControlChannel {
 public:
  explicit ControlChannel(int fd);   // reads until the other side is gone
  ~ControlChannel();                 // stops reading

 private:
  void run();
  const int fd_;
  std::thread thread_;
};

}  // namespace tarn::server
