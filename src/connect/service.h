#pragma once
// The door of this room: a Spark Connect endpoint over an Engine.
#include <chrono>
#include <memory>
#include <string>

namespace tarn::engine {
class Engine;
}

namespace tarn::connect {

struct ConnectOptions {
  std::string listen = "127.0.0.1:15002";   // host:port; port 0 picks a free one
  std::string token_file;                   // empty: no token, then only loopback addresses are allowed
  std::string tls_certificate, tls_key;     // PEM files; both or neither
  size_t max_operations = 0;                // running at once; 0: four a core, at least 16
  std::chrono::milliseconds session_timeout = std::chrono::minutes(60);   // spark.connect.session.manager.defaultSessionTimeout
  std::chrono::milliseconds detached_timeout = std::chrono::minutes(5);   // spark.connect.execute.manager.detachedTimeout
  std::chrono::milliseconds max_stream_duration = std::chrono::minutes(2);
  uint64_t max_stream_bytes = 1ull << 30;
  size_t max_unsent_bytes = 64 << 20;       // of one operation whose client is behind
};

struct ConnectStats {
  size_t sessions = 0, operations_running = 0, operations_waiting = 0, operations_held = 0;
  uint64_t operations_started = 0, operations_failed = 0, operations_cancelled = 0, rows_sent = 0, streams_opened = 0, requests = 0,
           requests_refused = 0;
};

// Thread-safe.
class ConnectServer {
 public:
  // Listens and serves. Throws std::invalid_argument for options that do not go together, std::runtime_error or IoError (one line each)
  // if the address is in use or a file cannot be read. The engine must outlive the server.
  ConnectServer(engine::Engine& engine, ConnectOptions options);
  ~ConnectServer();

  int port() const;
  std::string host() const;
  ConnectStats stats() const;
  // Refuses new plans, waits this long for the running ones, then cancels them and ends every session. A second call (from another
  // thread) ends the waiting.
  void stop(std::chrono::milliseconds grace);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// True for 127.x.x.x, ::1 and localhost.
bool is_loopback(const std::string& host);

}  // namespace tarn::connect
