#pragma once
// One port for HTTP/1.1 (plain or TLS, keep-alive, streamed bodies, WebSockets) and, by peeking at the first bytes or by ALPN, for HTTP/2, whose
// connections are handed on untouched. Everything of Boost.Beast is in listener.cc: it costs 40 s to compile, once.
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "http/message.h"

namespace tarn::http {

struct ListenOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 0;                                   // 0: a free one
  std::string tls_certificate, tls_key;                // PEM files; both or neither
  unsigned workers = 16;                               // threads in which handlers run
  size_t max_connections = 8192;
  size_t max_header = 64 << 10;
  std::chrono::seconds header_timeout{15};             // from the first wait to the last byte of a head; also of the TLS handshake
  std::chrono::seconds idle_timeout{120};              // between requests of one connection
  std::chrono::seconds body_timeout{30};               // for each piece of a body, in either direction
  std::chrono::milliseconds socket_idle{60'000};       // a WebSocket whose client does not answer pings, or takes nothing, this long is cut
  std::chrono::milliseconds socket_recheck{5'000};     // between two looks at whether a WebSocket is still allowed
  std::function<void(int fd)> http2;                   // takes over a connected, non-blocking socket; without it HTTP/2 is refused
};

struct ListenerStats {
  uint64_t connections = 0, open = 0, requests = 0, http2 = 0;
  uint64_t sockets = 0, sockets_open = 0, sockets_cut = 0;   // WebSockets; cut: clients that did not take what was sent
};

class Listener {
 public:
  // Listens and serves at once. std::runtime_error (one line) if the address or a certificate cannot be used.
  Listener(ListenOptions options, Handler& handler);
  ~Listener();
  uint16_t port() const;
  ListenerStats stats() const;
  // No new connections; idle ones are closed, running requests may take this long.
  void stop(std::chrono::milliseconds grace);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tarn::http
