#pragma once
// A very small HTTP/1.1 server for GET /health and GET /metrics.
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <thread>

namespace tarn::server {

// Serves one request after the other on one thread; a client that is silent for a second is let go.
class MetricsListener {
 public:
  // listen: HOST:PORT, or unix:PATH, which only the owner can open. Throws CommandError if the address cannot be had. health: false answers 503. metrics: Prometheus text.
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

// The metrics that a process serves at unix:PATH, without the prefix tarn_; empty if it does not answer within a second.
std::map<std::string, uint64_t> read_metrics(const std::string& path);

}  // namespace tarn::server
