#pragma once
// A very small HTTP/1.1 server for GET /health and GET /metrics.
#include <atomic>
#include <functional>
#include <string>
#include <thread>

namespace tarn::server {

// Serves one request after the other on one thread; a client that is silent for a second is let go.
class MetricsListener {
 public:
  // Throws CommandError if the address cannot be had. health: false answers 503. metrics: Prometheus text.
  MetricsListener(const std::string& listen, std::function<bool()> health, std::function<std::string()> metrics);
  ~MetricsListener();
  int port() const { return port_; }

 private:
  void serve();
  void answer(int client);
  int socket_ = -1, port_ = 0;
  int wake_[2] = {-1, -1};
  std::function<bool()> health_;
  std::function<std::string()> metrics_;
  std::thread thread_;
};

}  // namespace tarn::server
