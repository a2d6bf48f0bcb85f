#pragma once
// HTTP/1.1 as object stores speak it: one request, one response, on connections that are kept. No redirects, no cookies, no retries
// (those know what a request means: rest_client.h).
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tarn::storage {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// "http://127.0.0.1:9000/base". Throws SparkError (illegal argument) for anything but http and https with a host.
struct Url {
  bool tls = false;
  std::string host;  // without brackets
  int port = 0;
  std::string path;  // before every request's path; "" or "/x", no slash at its end
  static Url parse(const std::string& text);
  std::string authority() const;  // as the Host header has it
};

struct HttpRequest {
  std::string method = "GET";
  Url server;
  std::string path = "/";  // encoded, after server.path
  Pairs query;             // not encoded
  Pairs headers;
  std::string_view body;   // must outlive the call
  // If set, the body of a 2xx answer goes here; one that is longer or shorter is a lost connection.
  char* into = nullptr;
  size_t into_size = 0;
  // False: not sent once more on a new connection where a kept one has ended.
  bool resend = true;
  // Of the sign of life of the other side, not of the whole exchange.
  int connect_timeout_ms = 10'000, idle_timeout_ms = 60'000;

  void set_header(const std::string& name, std::string value);
  const std::string* header(std::string_view name) const;
  std::string encoded_query() const;  // without "?"
};

struct HttpResponse {
  int status = 0;
  Pairs headers;  // names in lower case
  std::string body;
  // Sent once more because a kept connection had ended: the other side may have got it twice.
  bool resent = false;
  std::string header(std::string_view name) const;  // "" if there is none
};

// No answer, or half of one: the name does not resolve, the port is closed, TLS is not trusted, the connection ended, a timeout.
class ConnectionError : public std::runtime_error {
 public:
  // permanent: trying again cannot help (a certificate that is not trusted, a name that does not exist).
  ConnectionError(const std::string& what, bool permanent) : std::runtime_error(what), permanent_(permanent) {}
  bool permanent() const { return permanent_; }

 private:
  bool permanent_;
};

// Thread-safe. Throws ConnectionError.
HttpResponse send_http(const HttpRequest& request);

// Percent-encoding of all but letters, digits, "-._~" and the characters of `keep`.
std::string percent_encode(std::string_view text, std::string_view keep = {});

}  // namespace tarn::storage
