#include "storage/http_client.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>

#include "base/encoding.h"
#include "base/spark_error.h"

namespace tarn::storage {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kKeepIdle = std::chrono::seconds(20);
constexpr size_t kMaxIdlePerServer = 64;
constexpr size_t kMaxHead = 256 << 10;
constexpr size_t kMaxBody = size_t{2} << 30;

std::string_view trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t' || s.back() == '\r')) s.remove_suffix(1);
  return s;
}

SSL_CTX* tls_context() {
  static SSL_CTX* context = [] {
    // OpenSSL writes with write(): a connection that the other side has closed must not end the process.
    struct sigaction old {};
    if (::sigaction(SIGPIPE, nullptr, &old) == 0 && old.sa_handler == SIG_DFL) ::signal(SIGPIPE, SIG_IGN);
    SSL_CTX* c = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
    SSL_CTX_set_default_verify_paths(c);  // SSL_CERT_FILE and SSL_CERT_DIR count
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY);
    return c;
  }();
  return context;
}

class Connection {
 public:
  Connection(const Url& server, int connect_timeout_ms, int idle_timeout_ms) : idle_ms_(idle_timeout_ms) {
    connect(server, connect_timeout_ms);
    if (server.tls) start_tls(server);
  }
  ~Connection() {
    if (ssl_) SSL_free(ssl_);
    if (fd_ >= 0) ::close(fd_);
  }
  Connection(const Connection&) = delete;

  void set_idle_timeout(int ms) { idle_ms_ = ms; }
  bool answered() const { return answered_; }

  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t n = ssl_ ? tls_write(bytes) : plain_write(bytes);
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }

  // Up to n bytes; 0 at the end.
  size_t read_some(char* out, size_t n) {
    size_t got = ssl_ ? tls_read(out, n) : plain_read(out, n);
    answered_ = answered_ || got > 0;
    return got;
  }

  // Starts the next exchange on a kept connection. False if the other side has closed it or said something unasked.
  bool still_usable() {
    answered_ = false;
    pollfd p{fd_, POLLIN, 0};
    return ::poll(&p, 1, 0) == 0;
  }

  Clock::time_point used;
  std::string buffer;  // bytes read and not yet consumed

 private:
  [[noreturn]] static void lost(const std::string& why) { throw ConnectionError(why, false); }

  void wait(short events, int timeout_ms, const char* what) {
    pollfd p{fd_, events, 0};
    for (;;) {
      int rc = ::poll(&p, 1, timeout_ms);
      if (rc > 0) return;
      if (rc == 0) lost(std::string(what) + " timed out after " + std::to_string(timeout_ms) + " ms");
      if (errno != EINTR) lost(std::strerror(errno));
    }
  }

  void connect(const Url& server, int timeout_ms) {
    // "x.localhost" is this machine (RFC 6761), whether or not the resolver knows.
    std::string host = server.host == "localhost" || server.host.ends_with(".localhost") ? "127.0.0.1" : server.host;
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    int rc = ::getaddrinfo(host.c_str(), std::to_string(server.port).c_str(), &hints, &found);
    if (rc != 0) throw ConnectionError("cannot resolve " + server.host + ": " + ::gai_strerror(rc), rc == EAI_NONAME);
    std::unique_ptr<addrinfo, void (*)(addrinfo*)> free(found, ::freeaddrinfo);
    std::string why = "no address";
    for (addrinfo* a = found; a; a = a->ai_next) {
      fd_ = ::socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      if (fd_ < 0) continue;
      if (::connect(fd_, a->ai_addr, a->ai_addrlen) == 0 || errno == EINPROGRESS) {
        pollfd p{fd_, POLLOUT, 0};
        int ready = ::poll(&p, 1, timeout_ms);
        int error = ready == 0 ? ETIMEDOUT : 0;
        socklen_t length = sizeof error;
        if (ready > 0) ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length);
        if (ready > 0 && error == 0) {
          int on = 1;
          ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
          ::setsockopt(fd_, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
          return;
        }
        why = std::strerror(error);
      } else {
        why = std::strerror(errno);
      }
      ::close(std::exchange(fd_, -1));
    }
    lost("cannot connect to " + server.authority() + ": " + why);
  }

  void start_tls(const Url& server) {
    ssl_ = SSL_new(tls_context());
    SSL_set_fd(ssl_, fd_);
    in6_addr address;
    bool numeric = ::inet_pton(AF_INET, server.host.c_str(), &address) == 1 || ::inet_pton(AF_INET6, server.host.c_str(), &address) == 1;
    if (numeric) {
      X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), server.host.c_str());
    } else {
      SSL_set_tlsext_host_name(ssl_, server.host.c_str());
      SSL_set1_host(ssl_, server.host.c_str());
    }
    for (;;) {
      ERR_clear_error();
      int rc = SSL_connect(ssl_);
      if (rc == 1) return;
      if (!retry(rc, "the TLS handshake")) {
        long verified = SSL_get_verify_result(ssl_);
        if (verified != X509_V_OK) {
          throw ConnectionError("the certificate of " + server.authority() + " is not trusted (" + X509_verify_cert_error_string(verified) +
                                    "); SSL_CERT_FILE names a file of further authorities",
                                true);
        }
        lost("TLS with " + server.authority() + " failed");
      }
    }
  }

  // Waits if that is what OpenSSL asks for; false if it has failed.
  bool retry(int rc, const char* what) {
    switch (SSL_get_error(ssl_, rc)) {
      case SSL_ERROR_WANT_READ: wait(POLLIN, idle_ms_, what); return true;
      case SSL_ERROR_WANT_WRITE: wait(POLLOUT, idle_ms_, what); return true;
      default: return false;
    }
  }

  ssize_t plain_write(std::string_view b) {
    for (;;) {
      ssize_t n = ::send(fd_, b.data(), b.size(), MSG_NOSIGNAL);
      if (n >= 0) return n;
      if (errno == EAGAIN || errno == EWOULDBLOCK) wait(POLLOUT, idle_ms_, "sending");
      else if (errno != EINTR) lost(std::string("the connection broke while sending: ") + std::strerror(errno));
    }
  }
  ssize_t tls_write(std::string_view b) {
    for (;;) {
      ERR_clear_error();
      int n = SSL_write(ssl_, b.data(), static_cast<int>(std::min<size_t>(b.size(), 1 << 20)));
      if (n > 0) return n;
      if (!retry(n, "sending")) lost("the connection broke while sending");
    }
  }
  size_t plain_read(char* out, size_t n) {
    for (;;) {
      ssize_t got = ::recv(fd_, out, n, 0);
      if (got >= 0) return static_cast<size_t>(got);
      if (errno == EAGAIN || errno == EWOULDBLOCK) wait(POLLIN, idle_ms_, "waiting for an answer");
      else if (errno != EINTR) lost(std::string("the connection broke while receiving: ") + std::strerror(errno));
    }
  }
  size_t tls_read(char* out, size_t n) {
    for (;;) {
      ERR_clear_error();
      int got = SSL_read(ssl_, out, static_cast<int>(std::min<size_t>(n, 1 << 20)));
      if (got > 0) return static_cast<size_t>(got);
      if (SSL_get_error(ssl_, got) == SSL_ERROR_ZERO_RETURN) return 0;
      if (!retry(got, "waiting for an answer")) lost("the connection broke while receiving");
    }
  }

  int fd_ = -1, idle_ms_;
  SSL* ssl_ = nullptr;
  bool answered_ = false;
};

class Pool {
 public:
  // reused: whether it has served before.
  std::unique_ptr<Connection> take(const HttpRequest& r, bool fresh, bool& reused) {
    std::string key = key_of(r.server);
    reused = false;
    while (!fresh) {
      std::unique_ptr<Connection> c;
      {
        std::lock_guard lock(mu_);
        auto& idle = idle_[key];
        if (idle.empty()) break;
        c = std::move(idle.back());
        idle.pop_back();
      }
      if (Clock::now() - c->used > kKeepIdle || !c->still_usable()) continue;
      c->set_idle_timeout(r.idle_timeout_ms);
      reused = true;
      return c;
    }
    return std::make_unique<Connection>(r.server, r.connect_timeout_ms, r.idle_timeout_ms);
  }
  void give(const Url& server, std::unique_ptr<Connection> c) {
    c->used = Clock::now();
    std::lock_guard lock(mu_);
    auto& idle = idle_[key_of(server)];
    if (idle.size() < kMaxIdlePerServer) idle.push_back(std::move(c));
  }

 private:
  static std::string key_of(const Url& u) { return (u.tls ? "s" : "p") + u.host + ":" + std::to_string(u.port); }
  std::mutex mu_;
  std::map<std::string, std::vector<std::unique_ptr<Connection>>> idle_;  // guarded by mu_
};

Pool& pool() {
  static auto& p = *new Pool;
  return p;
}

[[noreturn]] void cut_off() { throw ConnectionError("the connection ended within an answer", false); }

// Reads an answer; keep: the connection can serve again.
class ResponseReader {
 public:
  ResponseReader(Connection& c, const HttpRequest& r) : c_(c), r_(r) {}

  HttpResponse read(bool& keep) {
    HttpResponse out;
    do {
      out = head();
    } while (out.status >= 100 && out.status < 200);
    std::string connection = lower_ascii(out.header("connection"));
    keep = connection.find("close") == std::string::npos && !old_;
    if (r_.method == "HEAD" || out.status == 204 || out.status == 304) return out;
    into_ = out.status >= 200 && out.status < 300 ? r_.into : nullptr;
    std::string length = out.header("content-length");
    if (lower_ascii(out.header("transfer-encoding")).find("chunked") != std::string::npos) {
      chunked(out.body);
    } else if (!length.empty()) {
      uint64_t n = 0;
      auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), n);
      if (error != std::errc() || end != length.data() + length.size()) cut_off();
      take(n, out.body);
    } else {
      keep = false;
      until_close(out.body);
    }
    if (into_ && filled_ != r_.into_size) cut_off();
    return out;
  }

 private:
  std::string& buffer() { return c_.buffer; }
  void more() {
    char bytes[16384];
    size_t n = c_.read_some(bytes, sizeof bytes);
    if (n == 0) cut_off();
    buffer().append(bytes, n);
  }
  std::string line() {
    for (size_t from = 0;;) {
      size_t end = buffer().find('\n', from);
      if (end != std::string::npos) {
        std::string out(trim(std::string_view(buffer()).substr(0, end)));
        buffer().erase(0, end + 1);
        return out;
      }
      if (buffer().size() > kMaxHead) throw ConnectionError("an answer's header is too long", true);
      from = buffer().size();
      more();
    }
  }

  HttpResponse head() {
    HttpResponse out;
    std::string status = line();
    if (!status.starts_with("HTTP/1.") || status.size() < 12) throw ConnectionError("the server does not speak HTTP", true);
    old_ = status[7] == '0';
    out.status = std::atoi(status.c_str() + 9);
    size_t total = 0;
    for (std::string l = line(); !l.empty(); l = line()) {
      total += l.size();
      if (total > kMaxHead) throw ConnectionError("an answer's header is too long", true);
      size_t colon = l.find(':');
      if (colon == std::string::npos) continue;
      out.headers.emplace_back(lower_ascii(l.substr(0, colon)), std::string(trim(std::string_view(l).substr(colon + 1))));
    }
    return out;
  }

  void deliver(std::string_view bytes, std::string& body) {
    if (into_) {
      if (bytes.size() > r_.into_size - filled_) cut_off();
      std::memcpy(into_ + filled_, bytes.data(), bytes.size());
    } else {
      if (filled_ + bytes.size() > kMaxBody) throw ConnectionError("an answer is too long", true);
      body.append(bytes);
    }
    filled_ += bytes.size();
  }

  void take(uint64_t n, std::string& body) {
    if (into_ && n > r_.into_size - filled_) cut_off();
    size_t have = static_cast<size_t>(std::min<uint64_t>(n, buffer().size()));
    deliver(std::string_view(buffer()).substr(0, have), body);
    buffer().erase(0, have);
    n -= have;
    if (into_) {  // straight to its place
      while (n > 0) {
        size_t got = c_.read_some(into_ + filled_, static_cast<size_t>(n));
        if (got == 0) cut_off();
        filled_ += got;
        n -= got;
      }
      return;
    }
    if (filled_ + n > kMaxBody) throw ConnectionError("an answer is too long", true);
    size_t at = body.size();
    body.resize(at + n);
    while (n > 0) {
      size_t got = c_.read_some(body.data() + at, static_cast<size_t>(n));
      if (got == 0) cut_off();
      at += got;
      n -= got;
    }
  }

  void chunked(std::string& body) {
    for (;;) {
      std::string size = line();
      uint64_t n = 0;
      auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), n, 16);
      if (error != std::errc()) cut_off();
      if (n == 0) break;
      take(n, body);
      line();
    }
    while (!line().empty()) {
    }
  }

  void until_close(std::string& body) {
    deliver(buffer(), body);
    buffer().clear();
    char bytes[16384];
    while (size_t n = c_.read_some(bytes, sizeof bytes)) deliver({bytes, n}, body);
  }

  Connection& c_;
  const HttpRequest& r_;
  char* into_ = nullptr;
  size_t filled_ = 0;
  bool old_ = false;
};

}  // namespace

std::string percent_encode(std::string_view text, std::string_view keep) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    auto u = static_cast<unsigned char>(c);
    bool plain = (u < 0x80 && std::isalnum(u)) || c == '-' || c == '.' || c == '_' || c == '~' || keep.find(c) != std::string_view::npos;
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[u >> 4];
      out += kHex[u & 15];
    }
  }
  return out;
}

Url Url::parse(const std::string& text) {
  Url u;
  std::string_view rest = text;
  auto bad = [&] { return SparkError::Plain(ErrorKind::kIllegalArgument, "Not an http or https URL with a host: " + text); };
  if (rest.starts_with("https://")) {
    u.tls = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    throw bad();
  }
  size_t slash = std::min(rest.find('/'), rest.size());
  std::string_view authority = rest.substr(0, slash);
  u.path = std::string(rest.substr(slash));
  while (u.path.ends_with('/')) u.path.pop_back();
  u.port = u.tls ? 443 : 80;
  size_t colon = authority.rfind(':'), bracket = authority.rfind(']');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || bracket < colon)) {
    auto digits = authority.substr(colon + 1);
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), u.port);
    if (error != std::errc() || end != digits.data() + digits.size() || u.port <= 0 || u.port > 65535) throw bad();
    authority = authority.substr(0, colon);
  }
  if (authority.starts_with('[') && authority.ends_with(']')) authority = authority.substr(1, authority.size() - 2);
  u.host = std::string(authority);
  if (u.host.empty() || u.host.find_first_of("@ \r\n?#") != std::string::npos || u.path.find_first_of(" \r\n?#") != std::string::npos) throw bad();
  return u;
}

std::string Url::authority() const {
  std::string out = host.find(':') != std::string::npos ? "[" + host + "]" : host;
  return port == (tls ? 443 : 80) ? out : out + ":" + std::to_string(port);
}

void HttpRequest::set_header(const std::string& name, std::string value) {
  for (auto& [k, v] : headers) {
    if (lower_ascii(k) == lower_ascii(name)) {
      v = std::move(value);
      return;
    }
  }
  headers.emplace_back(name, std::move(value));
}

const std::string* HttpRequest::header(std::string_view name) const {
  for (const auto& [k, v] : headers) {
    if (lower_ascii(k) == lower_ascii(name)) return &v;
  }
  return nullptr;
}

std::string HttpRequest::encoded_query() const {
  std::string out;
  for (const auto& [k, v] : query) out += (out.empty() ? "" : "&") + percent_encode(k) + "=" + percent_encode(v);
  return out;
}

std::string HttpResponse::header(std::string_view name) const {
  for (const auto& [k, v] : headers) {
    if (k == name) return v;
  }
  return "";
}

HttpResponse send_http(const HttpRequest& r) {
  std::string head = r.method + " " + r.server.path + r.path;
  if (!r.query.empty()) head += "?" + r.encoded_query();
  head += " HTTP/1.1\r\nHost: " + r.server.authority() + "\r\n";
  for (const auto& [name, value] : r.headers) {
    if (value.find_first_of("\r\n") != std::string::npos) throw ConnectionError("a header holds a line break", true);
    head += name + ": " + value + "\r\n";
  }
  if (!r.body.empty() || r.method == "PUT" || r.method == "POST" || r.method == "PATCH") {
    head += "Content-Length: " + std::to_string(r.body.size()) + "\r\n";
  }
  head += "\r\n";
  // A kept connection may have been closed by the server just now: then nothing came back, and a new one is tried at once.
  for (bool fresh = false;; fresh = true) {
    bool reused = false;
    auto c = pool().take(r, fresh, reused);
    try {
      if (r.body.size() <= 16384) {
        c->write(head + std::string(r.body));
      } else {
        c->write(head);
        c->write(r.body);
      }
      bool keep = false;
      HttpResponse out = ResponseReader(*c, r).read(keep);
      out.resent = fresh;
      if (keep && c->buffer.empty()) pool().give(r.server, std::move(c));
      return out;
    } catch (const ConnectionError& e) {
      if (!reused || c->answered() || e.permanent() || !r.resend) throw;
    }
  }
}

}  // namespace tarn::storage
