#include "http/listener.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "base/rooted_folder.h"
#include "http/rest_error.h"
#include "http/websocket.h"

using namespace tarn::http;
using namespace std::chrono_literals;

namespace {

// Sends back what it gets, and does what the tests tell it.
struct Echo : SocketHandler {
  std::mutex mu;
  std::condition_variable changed;
  std::shared_ptr<Socket> socket;
  bool is_closed = false;
  void opened(std::shared_ptr<Socket> s) override {
    std::lock_guard lock(mu);
    socket = std::move(s);
    changed.notify_all();
  }
  void received(std::string_view message, bool) override {
    if (message == "throw") throw std::runtime_error("as asked");
    socket->send(std::string(message));
  }
  void closed() override {
    std::lock_guard lock(mu);
    is_closed = true;
    changed.notify_all();
  }
  bool wait_closed() {
    std::unique_lock lock(mu);
    return changed.wait_for(lock, 10s, [&] { return is_closed; });
  }
  std::shared_ptr<Socket> wait_open() {
    std::unique_lock lock(mu);
    changed.wait_for(lock, 10s, [&] { return socket != nullptr; });
    return socket;
  }
};

struct Upgrades : Handler {
  std::shared_ptr<Echo> echo = std::make_shared<Echo>();
  std::atomic<bool> allowed{true};
  BodyPlan plan(const Request&) override { return {}; }
  Response handle(Request& request) override {
    Response r;
    if (!request.upgrade) return r;
    r.status = 101;
    r.socket = echo;
    r.still_allowed = [this] { return allowed.load(); };
    r.headers.add("x-request-id", request.id);
    return r;
  }
};

constexpr const char* kOpening = "GET /s HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

struct Client {
  int fd;
  std::string buffer;
  explicit Client(uint16_t port, int receive_buffer = 0) : fd(::socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_buffer) ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in a{};
    a.sin_family = AF_INET, a.sin_port = htons(port), a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd, reinterpret_cast<sockaddr*>(&a), sizeof a) == 0);
  }
  ~Client() { ::close(fd); }
  void send(std::string_view bytes) { CHECK(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size())); }
  // A frame of a client, masked with zeros.
  static std::string frame(unsigned char first, std::string_view payload) {
    std::string out = {static_cast<char>(first)};
    if (payload.size() < 126) out += static_cast<char>(0x80 | payload.size());
    else out += static_cast<char>(0xFE), out += static_cast<char>(payload.size() >> 8), out += static_cast<char>(payload.size() & 255);
    return out + std::string(4, '\0') + std::string(payload);
  }
  bool more() {
    pollfd p{fd, POLLIN, 0};
    char piece[65536];
    ssize_t n = ::poll(&p, 1, 10'000) == 1 ? ::recv(fd, piece, sizeof piece, 0) : -1;
    if (n > 0) buffer.append(piece, static_cast<size_t>(n));
    return n > 0;
  }
  std::string head() {
    while (buffer.find("\r\n\r\n") == std::string::npos && more()) {}
    size_t end = buffer.find("\r\n\r\n");
    std::string out = buffer.substr(0, end);
    buffer.erase(0, end == std::string::npos ? end : end + 4);
    return out;
  }
  // The next frame: its first byte and payload; {0, ""} at the end of the connection.
  std::pair<unsigned char, std::string> next() {
    for (;;) {
      if (buffer.size() >= 2) {
        size_t length = static_cast<unsigned char>(buffer[1]), at = 2;
        if (length == 126 && buffer.size() >= 4) length = static_cast<size_t>(static_cast<unsigned char>(buffer[2])) << 8 | static_cast<unsigned char>(buffer[3]), at = 4;
        if (length != 126 && buffer.size() >= at + length) {
          auto out = std::make_pair(static_cast<unsigned char>(buffer[0]), buffer.substr(at, length));
          buffer.erase(0, at + length);
          return out;
        }
      }
      if (!more()) return {0, ""};
    }
  }
  void open() {
    send(kOpening);
    std::string said = head();
    REQUIRE(said.starts_with("HTTP/1.1 101 "));
    CHECK(said.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") != std::string::npos);   // of RFC 6455, 1.3
  }
};

std::string close_payload(uint16_t code, std::string reason = "") { return std::string{static_cast<char>(code >> 8), static_cast<char>(code & 255)} + reason; }
uint16_t code_of(const std::string& payload) {
  return payload.size() < 2 ? 0 : static_cast<uint16_t>(static_cast<unsigned char>(payload[0]) << 8 | static_cast<unsigned char>(payload[1]));
}

}  // namespace

TEST_CASE("messages, fragments and pings of a client; its goodbye is answered") {
  Upgrades upgrades;
  Listener listener({}, upgrades);
  Client c(listener.port());
  c.open();
  c.send(Client::frame(0x81, "one"));
  CHECK(c.next() == std::make_pair<unsigned char, std::string>(0x81, "one"));
  c.send(Client::frame(0x01, "t") + Client::frame(0x89, "ping") + Client::frame(0x00, "w") + Client::frame(0x80, "o"));   // a ping between fragments
  CHECK(c.next() == std::make_pair<unsigned char, std::string>(0x8A, "ping"));
  CHECK(c.next() == std::make_pair<unsigned char, std::string>(0x81, "two"));
  CHECK(listener.stats().sockets_open == 1);
  c.send(Client::frame(0x88, close_payload(1000, "bye")));
  auto goodbye = c.next();
  CHECK(goodbye.first == 0x88);
  CHECK(code_of(goodbye.second) == 1000);
  ::shutdown(c.fd, SHUT_WR);
  CHECK(c.next().first == 0);
  CHECK(upgrades.echo->wait_closed());
  CHECK(!upgrades.echo->socket->open());
  CHECK(!upgrades.echo->socket->send("too late"));
}

TEST_CASE("frames that RFC 6455 forbids end the connection with their code") {
  struct { std::string bytes; uint16_t code; } cases[] = {
      {std::string("\x81\x01x", 3), 1002},                                  // not masked
      {Client::frame(0x83, "x"), 1002},                                     // an opcode that is not there
      {Client::frame(0xC1, "x"), 1002},                                     // a reserved bit: no extension was agreed on
      {Client::frame(0x09, "x"), 1002},                                     // a ping in fragments
      {Client::frame(0x89, std::string(126, 'x')), 1002},                   // a long ping
      {Client::frame(0x80, "x"), 1002},                                     // goes on with nothing
      {Client::frame(0x01, "x") + Client::frame(0x81, "x"), 1002},          // begins within a message
      {Client::frame(0x81, "\xff\xfe"), 1007},                              // no UTF-8
      {Client::frame(0x88, std::string(1, 'x')), 1002},                     // half a code
      {Client::frame(0x88, close_payload(1005)), 1002},                     // a code that is never sent
      {Client::frame(0x81, std::string(65'535, 'x')) + Client::frame(0x81, "y"), 0},   // as long as it may be
      {std::string("\x81\xff\0\0\0\0\0\1\0\1\0\0\0\0", 14), 1009},          // one byte longer, seen before it comes
      {std::string("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 14), 1009},
      {Client::frame(0x81, "throw"), 1011},
  };
  for (const auto& [bytes, code] : cases) {
    CAPTURE(code);
    Upgrades upgrades;
    Listener listener({}, upgrades);
    Client c(listener.port());
    c.open();
    c.send(bytes);
    auto answer = c.next();
    if (code == 0) {
      CHECK(answer.second.size() == 65'535);
      continue;
    }
    CHECK(answer.first == 0x88);
    CHECK(code_of(answer.second) == code);
    ::shutdown(c.fd, SHUT_WR);
    CHECK(c.next().first == 0);
    CHECK(upgrades.echo->wait_closed());
  }
}

TEST_CASE("who does not answer pings, does not read, or may not any more is cut") {
  SUBCASE("silence") {
    Upgrades upgrades;
    ListenOptions options;
    options.socket_idle = 300ms;
    Listener listener(options, upgrades);
    Client c(listener.port());
    c.open();
    CHECK(c.next().first == 0x89);   // asked first
    CHECK(c.next().first == 0);
    CHECK(upgrades.echo->wait_closed());
  }
  SUBCASE("pongs keep it alive") {
    Upgrades upgrades;
    ListenOptions options;
    options.socket_idle = 300ms;
    Listener listener(options, upgrades);
    Client c(listener.port());
    c.open();
    for (int i = 0; i < 5; ++i) {
      auto ping = c.next();
      REQUIRE(ping.first == 0x89);
      c.send(Client::frame(0x8A, ping.second));
    }
    c.send(Client::frame(0x81, "alive"));
    CHECK(c.next().second == "alive");
  }
  SUBCASE("a full queue") {
    Upgrades upgrades;
    Listener listener({}, upgrades);
    upgrades.echo->max_queued = 256 << 10;
    Client c(listener.port(), 4096);
    c.open();
    auto socket = upgrades.echo->wait_open();
    size_t sent = 0;
    while (socket->send(std::string(10'000, 'x')) && sent < (200u << 20)) {
      sent += 10'000;
      CHECK(socket->queued() <= 256 << 10);
    }
    CHECK(sent < (64u << 20));   // what the kernel took, and the queue
    CHECK(upgrades.echo->wait_closed());
    CHECK(listener.stats().sockets_cut == 1);
    CHECK(socket->queued() == 0);
  }
  SUBCASE("a client that takes nothing, of little") {
    Upgrades upgrades;
    ListenOptions options;
    options.socket_idle = 300ms;
    Listener listener(options, upgrades);
    upgrades.echo->max_queued = 64 << 20;
    Client c(listener.port(), 4096);
    c.open();
    auto socket = upgrades.echo->wait_open();
    for (int i = 0; i < 32; ++i) socket->send(std::string(1 << 20, 'x'));
    CHECK(upgrades.echo->wait_closed());
  }
  SUBCASE("the right is gone") {
    Upgrades upgrades;
    ListenOptions options;
    options.socket_recheck = 50ms;
    Listener listener(options, upgrades);
    Client c(listener.port());
    c.open();
    upgrades.allowed = false;
    auto goodbye = c.next();
    CHECK(goodbye.first == 0x88);
    CHECK(code_of(goodbye.second) == 1008);
  }
}

TEST_CASE("the server's stop says goodbye and does not wait for those who do not answer") {
  Upgrades upgrades;
  auto listener = std::make_unique<Listener>(ListenOptions{}, upgrades);
  Client c(listener->port());
  c.open();
  auto socket = upgrades.echo->wait_open();
  socket->send("the last one");
  auto start = std::chrono::steady_clock::now();
  listener->stop(10s);
  CHECK(std::chrono::steady_clock::now() - start < 5s);
  CHECK(c.next().second == "the last one");
  auto goodbye = c.next();
  CHECK(goodbye.first == 0x88);
  CHECK(code_of(goodbye.second) == 1001);
  CHECK(upgrades.echo->wait_closed());
  listener.reset();
  CHECK(!socket->send("nobody is there"));
  socket->close(1000, "");
}

TEST_CASE("files go out whole, from where they are asked for, to slow clients too; one that became shorter ends the connection") {
  char name[] = "/tmp/tarn-listener-XXXXXX";
  auto file = std::make_shared<tarn::Descriptor>(::mkstemp(name));
  ::unlink(name);
  std::string content;
  for (uint32_t i = 0; content.size() < (9 << 20); ++i) content += std::to_string(i * 2654435761u);
  file->write(content);

  struct Files : Handler {
    std::shared_ptr<tarn::Descriptor> file;
    size_t size = 0;
    BodyPlan plan(const Request&) override { return {1 << 20, false}; }
    Response handle(Request& request) override {
      Response r;
      if (request.method == "POST") {
        r.body = std::to_string(request.body.size());
        return r;
      }
      r.file = file;
      r.file_offset = std::stoll(request.path.substr(1));
      r.content_length = size - static_cast<size_t>(r.file_offset);
      return r;
    }
  } files;
  files.file = file;
  files.size = content.size();
  Listener listener({}, files);
  Client c(listener.port(), 64 << 10);
  auto get = [&](const std::string& method, size_t from, size_t expected) {
    c.send(method + " /" + std::to_string(from) + " HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(c.head().find("Content-Length: " + std::to_string(content.size() - from)) != std::string::npos);
    while (c.buffer.size() < expected && c.more()) {}
    std::string body = c.buffer.substr(0, expected);
    c.buffer.erase(0, expected);
    return body;
  };
  for (size_t from : {size_t{0}, size_t{1}, size_t{4097}, content.size() - 1, content.size()}) CHECK(get("GET", from, content.size() - from) == content.substr(from));
  CHECK(get("HEAD", 5, 0).empty());
  // Bodies that come with the head, after it, and in pieces; the connection goes on behind each.
  for (size_t n : {size_t{0}, size_t{10}, size_t{300'000}, size_t{1 << 20}}) {
    c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(n) + "\r\n\r\n" + std::string(n, 'x') + "GET /7 HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(c.head().starts_with("HTTP/1.1 200"));
    std::string length = std::to_string(n);
    while (c.buffer.size() < length.size() && c.more()) {}
    CHECK(c.buffer.substr(0, length.size()) == length);
    c.buffer.erase(0, length.size());
    CHECK(c.head().starts_with("HTTP/1.1 200"));
    while (c.buffer.size() < content.size() - 7 && c.more()) {}
    CHECK(c.buffer == content.substr(7));
    c.buffer.clear();
  }
  c.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");
  CHECK(c.head().starts_with("HTTP/1.1 200"));
  while (c.buffer.empty() && c.more()) {}
  CHECK(c.buffer == "7");
  c.buffer.clear();
  REQUIRE(::ftruncate(file->get(), 1000) == 0);
  CHECK(get("GET", 0, content.size()) == content.substr(0, 1000));
  CHECK(!c.more());
}

TEST_CASE("openings that are not well formed are refused as HTTP") {
  Upgrades upgrades;
  Listener listener({}, upgrades);
  auto answer = [&](std::string opening) {
    Client c(listener.port());
    c.send(opening);
    std::string head = c.head();
    return head.size() > 12 ? std::stoi(head.substr(9, 3)) : 0;
  };
  auto changed = [](std::string_view from, std::string_view to) {
    std::string o = kOpening;
    o.replace(o.find(from), from.size(), to);
    return o;
  };
  CHECK(answer(kOpening) == 101);
  CHECK(answer(changed("Version: 13", "Version: 8")) == 426);
  CHECK(answer(changed("Sec-WebSocket-Version: 13\r\n", "")) == 426);
  CHECK(answer(changed("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=")) == 400);
  CHECK(answer(changed("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "")) == 400);
  CHECK(answer(changed("GET /s", "POST /s")) == 400);
  CHECK(answer(changed("Host: x", "Host: x\r\nContent-Length: 5")) == 400);
  CHECK(answer(kOpening + Client::frame(0x81, "early")) == 400);
  CHECK(answer(changed("Upgrade: websocket", "Upgrade: h2c")) == 200);   // what we do not know is passed over
  CHECK(answer(changed("keep-alive, Upgrade", "keep-alive")) == 200);
}

TEST_CASE("subprotocols carry a token, which is not said back") {
  Request r;
  r.method = "GET";
  r.upgrade = true;
  CHECK(choose_subprotocol(r).empty());
  r.headers.add("Sec-WebSocket-Protocol", "tarn.bearer.dapi123, tarn.v1");
  CHECK(choose_subprotocol(r) == "tarn.v1");
  CHECK(bearer_of_subprotocols(r) == "dapi123");
  r.headers.set("Sec-WebSocket-Protocol", "tarn.bearer.dapi123");
  CHECK_THROWS_AS(choose_subprotocol(r), RestError);
  r.headers.set("Sec-WebSocket-Protocol", "a b");
  CHECK_THROWS_AS(bearer_of_subprotocols(r), RestError);
  r.headers.set("Sec-WebSocket-Protocol", "graphql-ws");
  CHECK(choose_subprotocol(r).empty());
  r.upgrade = false;
  r.headers.set("Sec-WebSocket-Protocol", "tarn.v1, tarn.bearer.dapi123");
  CHECK(bearer_of_subprotocols(r).empty());
}

TEST_CASE("cookies and origins") {
  Request r;
  r.headers.add("Cookie", "a=1; tarn=two; b=x=y; tarn=three");
  CHECK(cookie_of(r, "tarn") == "two");
  CHECK(cookie_of(r, "b") == "x=y");
  CHECK(cookie_of(r, "c").empty());
  CHECK(!same_origin(r));
  r.headers.add("Host", "x.org:8443");
  r.headers.add("Origin", "http://x.org:8443");
  CHECK(same_origin(r) == true);
  r.tls = true;
  CHECK(same_origin(r) == false);
  r.headers.set("Origin", "https://X.org:8443");
  CHECK(same_origin(r) == true);
  for (const char* other : {"null", "https://x.org", "https://x.org:8443.evil.org", "https://evil.org", "", "https://x.org:84430"}) {
    r.headers.set("Origin", other);
    CHECK(same_origin(r) == false);
  }
}
