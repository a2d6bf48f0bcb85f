#pragma once
// Requests and responses as handlers see them. No HTTP library leaks through here.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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
};

struct Response {
  int status = 200;
  std::string_view reason = {};  // of a table, where clients read it; else the status's own phrase
  Headers headers;
  std::string body;
  // Instead of body: called until it returns 0. content_length: how much comes, else the answer is chunked.
  std::function<size_t(char* buffer, size_t size)> source;
  std::optional<uint64_t> content_length;
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
// Whether brackets outside of strings go deeper than this: a reader that recurses must not meet a million of them.
bool is_nested_deeper(std::string_view json, size_t most);

}  // namespace tarn::http
