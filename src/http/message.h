#pragma once
// Requests and responses as handlers see them. No HTTP library leaks through here.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tarn {
class Descriptor;
}

namespace tarn::http {

// In the order of arrival; names compare without regard to case.
class Headers {
 public:
  void add(std::string name, std::string value) { all_.emplace_back(std::move(name), std::move(value)); }
  void set(const std::string& name, std::string value);
  const std::string* find(std::string_view name) const;
  std::string get(std::string_view name) const;  // "" if missing
  auto begin() const { return all_.begin(); }
  auto end() const { return all_.end(); }

 private:
  std::vector<std::pair<std::string, std::string>> all_;
};

// A body as it comes in. Used by the handler's thread only, while the handler runs.
class BodyReader {
 public:
  virtual ~BodyReader() = default;
  // Waits for more and copies at most size bytes; 0 at the end. RestError if the client is too slow or went away.
  virtual size_t read(char* buffer, size_t size) = 0;
};

struct Request {
  std::string method;
  std::string target;                    // as sent
  std::string path;                      // the target without its query; still escaped
  std::vector<std::pair<std::string, std::string>> query;  // decoded
  Headers headers;
  std::string body;                      // whole, unless the route streams
  BodyReader* stream = nullptr;          // of routes that stream
  std::string peer;                      // address of the client
  bool tls = false;
  std::string id;                        // random; goes into logs and error answers
  bool upgrade = false;                  // asks for a WebSocket, well-formed (http/websocket.h)
  bool recheck = false;                  // asked again for a connection that is open: no new use of its credential
};

// A WebSocket connection (RFC 6455) as its handler sees it. Thread-safe; nothing here blocks.
class Socket {
 public:
  virtual ~Socket() = default;
  // Queues a text message. False if the connection is over, or if so much waits that the client must be given up: then it is cut.
  virtual bool send(std::string text) = 0;
  // Says goodbye when what is queued has gone out. code: of RFC 6455, 7.4; reason: at most 123 bytes.
  virtual void close(uint16_t code, std::string reason) = 0;
  virtual bool open() const = 0;
  virtual size_t queued() const = 0;     // bytes that the client has not taken yet
};

struct Principal;

// What becomes of one WebSocket connection: opened, then any number of messages, then closed. Called by the listener's workers, one call at
// a time, except allowed(), which may be called beside the others. An exception ends the connection with 1011.
class SocketHandler {
 public:
  virtual ~SocketHandler() = default;
  virtual void opened(std::shared_ptr<Socket> socket) = 0;
  // A whole message. text: it is UTF-8.
  virtual void received(std::string_view message, bool text) = 0;
  virtual void closed() = 0;
  // Whether the caller still has the rights that the connection was opened with; asked every few seconds.
  virtual bool allowed(const Principal& caller) { return true; }
  size_t max_message = 64 << 10;         // longer ones end the connection with 1009
  size_t max_queued = 1 << 20;           // see Socket::send
};

struct Response {
  int status = 200;
  std::string_view reason = {};  // of a table, where clients read it; else the status's own phrase
  Headers headers;
  std::string body;
  // Instead of body: called until it returns 0. content_length: how much comes, else the answer is chunked.
  std::function<size_t(char* buffer, size_t size)> source;
  std::optional<uint64_t> content_length;
  // Instead of body: content_length bytes of a file from this offset on, which do not pass through this process if the connection is plain.
  std::shared_ptr<const Descriptor> file;
  int64_t file_offset = 0;
  // Instead of all of them, for a request with upgrade: the connection becomes a WebSocket with these headers. still_allowed: asked now and then by a
  // worker; when it is false the connection ends with 1008.
  std::shared_ptr<SocketHandler> socket;
  std::function<bool()> still_allowed;
};

// What to do with the body of a request whose head has arrived.
struct BodyPlan {
  size_t limit = 0;      // bytes; longer bodies are answered with 413
  bool stream = false;   // hand it over piece by piece
};

// The one interface between the listener and everything above it. Called from many threads.
class Handler {
 public:
  virtual ~Handler() = default;
  virtual BodyPlan plan(const Request& head) = 0;
  virtual Response handle(Request& request) = 0;
};

// The query of a target in the order of arrival, decoded. plus_is_space: read + as forms do. nullopt if an escape is broken or a text no UTF-8.
std::optional<std::vector<std::pair<std::string, std::string>>> decoded_query(std::string_view target, bool plus_is_space);
// Splits a target into path and decoded query. False if an escape is broken.
bool parse_target(Request* request);
const char* reason_phrase(int status);
// The value of a cookie of the request; "" if it was not sent. Of two with one name the first, which has the longer path (RFC 6265, 5.4).
std::string cookie_of(const Request& request, std::string_view name);
// Whether the page that sent the request is one of ours, by its Origin (RFC 6454) and the host that the request went to. nullopt: no Origin was sent.
// Ports count, other than for SameSite. Behind a proxy that ends TLS the page is https and the request is not.
std::optional<bool> same_origin(const Request& request);
// Whether brackets outside of strings go deeper than this: a reader that recurses must not meet a million of them.
bool is_nested_deeper(std::string_view json, size_t most);

}  // namespace tarn::http
