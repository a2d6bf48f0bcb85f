#include <limits>
#include <utility>  // before Boost 1.74, which forgets it

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

#include <atomic>
#include <future>
#include <set>
#include <thread>

#include "base/encoding.h"
#include "base/log.h"
#include "http/listener.h"
#include "http/rest_error.h"

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using error_code = boost::system::error_code;
template <class T> using awaitable = asio::awaitable<T>;

namespace tarn::http {
namespace {

constexpr size_t kPiece = 256 << 10;
auto into(error_code& ec) { return asio::redirect_error(asio::use_awaitable, ec); }

Response plain_error(int status, const char* code, const std::string& message) {
  Response r;
  r.status = status;
  r.headers.add("Content-Type", "application/json");
  r.body = std::string("{\"error_code\":\"") + code + "\",\"message\":\"" + message + "\"}";
  return r;
}

}  // namespace

class Listener::Impl {
 public:
  Impl(ListenOptions o, Handler& h) : options(std::move(o)), handler(h), acceptor(io), workers(options.workers) {
    if (!options.tls_certificate.empty()) prepare_tls();
    error_code ec;
    std::string host = options.host;
    if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
    tcp::resolver resolver(io);
    auto found = resolver.resolve(host, std::to_string(options.port), tcp::resolver::passive | tcp::resolver::numeric_service, ec);
    auto fail = [&](const error_code& e) { throw std::runtime_error("cannot listen on " + options.host + ":" + std::to_string(options.port) + ": " + e.message()); };
    if (ec || found.empty()) fail(ec);
    tcp::endpoint endpoint = *found.begin();
    acceptor.open(endpoint.protocol(), ec);
    if (!ec) acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
    if (!ec) acceptor.bind(endpoint, ec);
    if (!ec) acceptor.listen(1024, ec);
    if (ec) fail(ec);
    port = acceptor.local_endpoint().port();
    asio::co_spawn(io, accept(), asio::detached);
    thread = std::thread([this] {
      for (;;) {
        try {
          io.run();
          return;
        } catch (const std::exception& e) {
          log::error("http_loop", {{"error", e.what()}});
        }
      }
    });
  }

  ~Impl() {
    stop(std::chrono::milliseconds(0));
  }

  void stop(std::chrono::milliseconds grace) {
    if (stopped.exchange(true)) return;
    asio::post(io, [this] {
      error_code ignored;
      acceptor.close(ignored);
      for (auto* c : connections) {
        if (c->idle) c->stream->close();
      }
    });
    auto end = std::chrono::steady_clock::now() + grace;
    while (open.load() > 0 && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    asio::post(io, [this] {
      for (auto* c : connections) c->stream->close();
    });
    // Handlers that run are waited for; their reads fail now that the sockets are closed.
    for (int i = 0; i < 2000 && open.load() > 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    io.stop();
    thread.join();
    workers.stop();
    workers.join();
  }

  // One connection, known to stop().
  struct Connection {
    Impl& impl;
    beast::tcp_stream* stream;
    bool idle = true;
    Connection(Impl& i, beast::tcp_stream* s) : impl(i), stream(s) {
      impl.connections.insert(this);
      ++impl.open;
    }
    ~Connection() {
      impl.connections.erase(this);
      --impl.open;
    }
  };

  void prepare_tls() {
    tls = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_server);
    error_code ec;
    tls->use_certificate_chain_file(options.tls_certificate, ec);
    if (ec) throw std::runtime_error("cannot use the certificate " + options.tls_certificate + ": " + ec.message());
    tls->use_private_key_file(options.tls_key, asio::ssl::context::pem, ec);
    if (ec) throw std::runtime_error("cannot use the key " + options.tls_key + ": " + ec.message());
    SSL_CTX_set_min_proto_version(tls->native_handle(), TLS1_2_VERSION);
    SSL_CTX_set_options(tls->native_handle(), SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    // Browsers and curl offer both: they get HTTP/1.1. gRPC offers h2 alone.
    SSL_CTX_set_alpn_select_cb(
        tls->native_handle(),
        [](SSL*, const unsigned char** out, unsigned char* length, const unsigned char* in, unsigned in_length, void*) {
          static const unsigned char kOurs[] = "\x08http/1.1\x02h2";
          unsigned char* chosen = nullptr;
          if (SSL_select_next_proto(&chosen, length, kOurs, sizeof kOurs - 1, in, in_length) != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_NOACK;
          *out = chosen;
          return SSL_TLSEXT_ERR_OK;
        },
        nullptr);
  }

  awaitable<void> accept() {
    while (!stopped) {
      error_code ec;
      tcp::socket socket = co_await acceptor.async_accept(into(ec));
      if (stopped) co_return;
      if (ec) {  // out of descriptors, most likely: let some go first
        log::warn("accept_failed", {{"error", ec.message()}});
        asio::steady_timer pause(io, std::chrono::milliseconds(50));
        co_await pause.async_wait(into(ec));
        continue;
      }
      ++accepted;
      if (open.load() >= options.max_connections) continue;  // closed here
      error_code ignored;
      socket.set_option(tcp::no_delay(true), ignored);
      asio::co_spawn(io, serve(std::move(socket)), asio::detached);
    }
  }

  awaitable<void> serve(tcp::socket socket) {
    try {
      if (tls) co_await serve_tls(std::move(socket));
      else co_await serve_plain(std::move(socket));
    } catch (const std::exception& e) {
      log::debug("connection_ended", {{"why", e.what()}});
    }
  }

  // True if the client speaks HTTP/2 without TLS: its first bytes are "PRI".
  awaitable<bool> begins_http2(tcp::socket& socket) {
    auto end = std::chrono::steady_clock::now() + options.header_timeout;
    for (;;) {
      error_code ec;
      asio::steady_timer timer(io, end);
      auto gone = std::make_shared<bool>(false);
      timer.async_wait([&socket, gone](error_code e) {
        if (!e && !*gone) {
          error_code ignored;
          socket.cancel(ignored);
        }
      });
      co_await socket.async_wait(tcp::socket::wait_read, into(ec));
      *gone = true;
      timer.cancel();
      if (ec) throw std::runtime_error("no request");
      char first[3];
      ssize_t n = ::recv(socket.native_handle(), first, sizeof first, MSG_PEEK | MSG_DONTWAIT);
      if (n <= 0) throw std::runtime_error("closed");
      if (std::string_view(first, static_cast<size_t>(n)) != std::string_view("PRI").substr(0, static_cast<size_t>(n))) co_return false;
      if (n == 3) co_return true;
      if (std::chrono::steady_clock::now() > end) throw std::runtime_error("no request");
      asio::steady_timer pause(io, std::chrono::milliseconds(5));
      co_await pause.async_wait(into(ec));
    }
  }

  awaitable<void> serve_plain(tcp::socket socket) {
    {
      beast::tcp_stream probe(std::move(socket));
      Connection connection(*this, &probe);
      bool http2 = co_await begins_http2(probe.socket());
      if (http2) {
        if (!options.http2) co_return;
        ++http2_connections;
        tcp::socket taken = probe.release_socket();
        taken.native_non_blocking(true);
        options.http2(taken.release());
        co_return;
      }
      co_await requests(probe, probe, connection);
    }
  }

  awaitable<void> serve_tls(tcp::socket socket) {
    beast::ssl_stream<beast::tcp_stream> stream(std::move(socket), *tls);
    Connection connection(*this, &stream.next_layer());
    stream.next_layer().expires_after(options.header_timeout);
    error_code ec;
    co_await stream.async_handshake(asio::ssl::stream_base::server, into(ec));
    if (ec) co_return;
    const unsigned char* name = nullptr;
    unsigned length = 0;
    SSL_get0_alpn_selected(stream.native_handle(), &name, &length);
    if (std::string_view(reinterpret_cast<const char*>(name), length) == "h2") {
      if (!options.http2) co_return;
      ++http2_connections;
      co_await pump_http2(stream);
      co_return;
    }
    co_await requests(stream, stream.next_layer(), connection);
    stream.next_layer().expires_after(std::chrono::seconds(2));
    co_await stream.async_shutdown(into(ec));
  }

  // gRPC gets one end of a socket pair, the TLS stream is copied to and from the other.
  awaitable<void> pump_http2(beast::ssl_stream<beast::tcp_stream>& stream) {
    using local = asio::local::stream_protocol;
    auto ours = std::make_shared<local::socket>(io);
    local::socket theirs(io);
    asio::local::connect_pair(*ours, theirs);
    theirs.native_non_blocking(true);
    options.http2(theirs.release());
    stream.next_layer().expires_never();
    bool up_done = false;
    asio::steady_timer both(io, std::chrono::steady_clock::time_point::max());
    auto up = [](beast::ssl_stream<beast::tcp_stream>& from, std::shared_ptr<local::socket> to, bool& done, asio::steady_timer& signal) -> awaitable<void> {
      std::vector<char> buffer(64 << 10);
      error_code ec;
      while (!ec) {
        size_t n = co_await from.async_read_some(asio::buffer(buffer), into(ec));
        if (n) co_await asio::async_write(*to, asio::buffer(buffer.data(), n), into(ec));
      }
      error_code ignored;
      to->shutdown(local::socket::shutdown_both, ignored);
      done = true;
      signal.cancel();
    };
    asio::co_spawn(io, up(stream, ours, up_done, both), asio::detached);
    std::vector<char> buffer(64 << 10);
    error_code ec;
    while (!ec) {
      size_t n = co_await ours->async_read_some(asio::buffer(buffer), into(ec));
      if (n) co_await asio::async_write(stream, asio::buffer(buffer.data(), n), into(ec));
    }
    stream.next_layer().close();
    error_code ignored;
    if (!up_done) co_await both.async_wait(into(ignored));  // the other direction uses the stream
  }

  // A body that a handler reads: each read is a trip to the loop's thread and back.
  template <class Stream, class Parser>
  class StreamedBody : public BodyReader {
   public:
    StreamedBody(Impl& impl, Stream& stream, beast::tcp_stream& lowest, beast::flat_buffer& buffer, Parser& parser, size_t limit)
        : impl_(impl), stream_(stream), lowest_(lowest), buffer_(buffer), parser_(parser), left_(limit) {}
    size_t read(char* out, size_t size) override {
      return asio::co_spawn(impl_.io, impl_.read_body(stream_, lowest_, buffer_, parser_, out, size, left_), asio::use_future).get();
    }

   private:
    Impl& impl_;
    Stream& stream_;
    beast::tcp_stream& lowest_;
    beast::flat_buffer& buffer_;
    Parser& parser_;
    size_t left_;
  };

  // The next piece of a body; 0 at its end.
  template <class Stream, class Parser>
  awaitable<size_t> read_body(Stream& stream, beast::tcp_stream& lowest, beast::flat_buffer& buffer, Parser& parser, char* out, size_t size, size_t& left) {
    while (!parser.is_done()) {
      parser.get().body().data = out;
      parser.get().body().size = size;
      parser.get().body().more = true;
      error_code ec;
      lowest.expires_after(options.body_timeout);
      co_await beast::http::async_read_some(stream, buffer, parser, into(ec));
      if (ec == beast::http::error::need_buffer) ec = {};
      if (ec == beast::error::timeout) throw RestError(408, "REQUEST_TIMEOUT", "The body did not arrive in time.");
      if (ec) throw RestError(400, "MALFORMED_REQUEST", "The body of the request is broken.");
      size_t n = size - parser.get().body().size;
      if (n > left) throw RestError(413, "REQUEST_TOO_LARGE", "The body of the request is too large.");
      left -= n;
      if (n) co_return n;
    }
    co_return 0;
  }

  template <class Stream>
  awaitable<void> requests(Stream& stream, beast::tcp_stream& lowest, Connection& connection) {
    using Parser = beast::http::request_parser<beast::http::buffer_body>;
    error_code ec;
    std::string peer = lowest.socket().remote_endpoint(ec).address().to_string();
    beast::flat_buffer buffer;
    for (bool first = true; !stopped; first = false) {
      Parser parser;
      parser.header_limit(static_cast<uint32_t>(options.max_header));
      parser.body_limit(std::numeric_limits<uint64_t>::max());  // ours are per route; boost::none refuses every body in 1.74
      connection.idle = buffer.size() == 0;
      if (!first && buffer.size() == 0) {  // the head's time counts from its first byte
        lowest.expires_after(options.idle_timeout);
        size_t n = co_await stream.async_read_some(buffer.prepare(16 << 10), into(ec));
        if (ec) co_return;
        buffer.commit(n);
      }
      lowest.expires_after(options.header_timeout);
      co_await beast::http::async_read_header(stream, buffer, parser, into(ec));
      connection.idle = false;
      if (ec == beast::http::error::header_limit) {
        co_await send(stream, lowest, plain_error(431, "BAD_REQUEST", "The head of the request is too large."), false, false);
        co_return;
      }
      if (ec && ec.category() == make_error_code(beast::http::error::bad_method).category() && ec != beast::http::error::end_of_stream) {
        co_await send(stream, lowest, plain_error(400, "MALFORMED_REQUEST", "The request is not HTTP/1.1: " + ec.message() + "."), false, false);
        co_return;
      }
      if (ec) co_return;
      ++request_count;
      Request request;
      request.id = random_hex(8);
      request.peer = peer;
      request.tls = tls != nullptr;
      request.method = std::string(parser.get().method_string());
      request.target = std::string(parser.get().target());
      for (const auto& field : parser.get()) request.headers.add(std::string(field.name_string()), std::string(field.value()));
      bool keep = parser.get().keep_alive(), head = request.method == "HEAD";
      Response response;
      bool whole = true;  // the body was read to its end
      if (!parse_target(&request)) {
        response = plain_error(400, "MALFORMED_REQUEST", "The URL is not well formed.");
        whole = parser.is_done();
      } else {
        BodyPlan plan = handler.plan(request);
        auto announced = parser.content_length();
        if (announced && *announced > plan.limit) {
          // 413 comes from the handler's own answer when it wants no body at all (401, 404), so ask it first.
          request.body.clear();
          if (plan.limit == 0) response = co_await call(request);
          else response = plain_error(413, "REQUEST_TOO_LARGE", "The body of the request is too large.");
          whole = false;
        } else {
          if (lower_ascii(request.headers.get("Expect")) == "100-continue" && !parser.is_done()) {
            lowest.expires_after(options.body_timeout);
            co_await asio::async_write(stream, asio::buffer(std::string_view("HTTP/1.1 100 Continue\r\n\r\n")), into(ec));
            if (ec) co_return;
          }
          if (plan.stream) {
            StreamedBody<Stream, Parser> body(*this, stream, lowest, buffer, parser, plan.limit);
            request.stream = &body;
            response = co_await call(request);
            whole = parser.is_done();
          } else {
            std::optional<Response> refused;
            try {
              std::vector<char> piece(std::min<size_t>(kPiece, announced ? static_cast<size_t>(*announced) + 1 : kPiece));
              size_t left = plan.limit;
              auto deadline = std::chrono::steady_clock::now() + options.body_timeout + std::chrono::seconds(plan.limit >> 16);
              while (size_t n = co_await read_body(stream, lowest, buffer, parser, piece.data(), piece.size(), left)) {
                request.body.append(piece.data(), n);
                if (std::chrono::steady_clock::now() > deadline) throw RestError(408, "REQUEST_TIMEOUT", "The body did not arrive in time.");
              }
            } catch (const RestError& e) {
              refused = plain_error(e.status(), e.code().c_str(), e.what());
            }
            if (refused) {
              response = std::move(*refused);
              whole = false;
            } else {
              response = co_await call(request);
            }
          }
        }
      }
      keep = keep && whole && !stopped;
      bool sent = co_await send(stream, lowest, std::move(response), keep, head);
      if (!sent) co_return;
      if (!keep) {
        if (!whole) co_await drain(stream, lowest);
        co_return;
      }
    }
  }

  awaitable<Response> call(Request& request) {
    co_return co_await asio::co_spawn(
        workers, [this, &request]() -> awaitable<Response> { co_return handler.handle(request); }, asio::use_awaitable);
  }

  // Lets a client that still sends read our answer before the connection ends.
  template <class Stream>
  awaitable<void> drain(Stream& stream, beast::tcp_stream& lowest) {
    error_code ec;
    if (!tls) lowest.socket().shutdown(tcp::socket::shutdown_send, ec);
    std::vector<char> waste(64 << 10);
    lowest.expires_after(std::chrono::seconds(2));
    for (size_t total = 0; !ec && total < (16u << 20);) total += co_await stream.async_read_some(asio::buffer(waste), into(ec));
  }

  template <class Stream>
  awaitable<bool> send(Stream& stream, beast::tcp_stream& lowest, Response response, bool keep, bool head) {
    bool bodiless = response.status == 204 || response.status == 304;
    bool chunked = response.source && !response.content_length && !bodiless;
    std::string out = "HTTP/1.1 " + std::to_string(response.status) + " ";
    out.append(response.reason.empty() ? reason_phrase(response.status) : response.reason).append("\r\n");
    for (const auto& [name, value] : response.headers) {
      out += name + ": ";
      for (char c : value) {
        if (c != '\r' && c != '\n') out += c;
      }
      out += "\r\n";
    }
    if (chunked) out += "Transfer-Encoding: chunked\r\n";
    else if (!bodiless) out += "Content-Length: " + std::to_string(response.content_length ? *response.content_length : response.body.size()) + "\r\n";
    if (!keep) out += "Connection: close\r\n";
    out += "\r\n";
    error_code ec;
    lowest.expires_after(options.body_timeout);
    if (head || bodiless || !response.source) {
      if (!head && !bodiless) out += response.body;
      co_await asio::async_write(stream, asio::buffer(out), into(ec));
      co_return !ec;
    }
    co_await asio::async_write(stream, asio::buffer(out), into(ec));
    std::vector<char> piece(kPiece);
    while (!ec) {
      size_t n;
      try {
        n = co_await asio::co_spawn(workers, [&]() -> awaitable<size_t> { co_return response.source(piece.data(), piece.size()); }, asio::use_awaitable);
      } catch (const std::exception& e) {
        log::error("response_source_failed", {{"error", e.what()}});
        co_return false;  // the client sees a short body
      }
      lowest.expires_after(options.body_timeout);
      if (chunked) {
        char size[32];
        int length = std::snprintf(size, sizeof size, "%zx\r\n", n);
        std::string frame(size, static_cast<size_t>(length));
        frame.append(piece.data(), n).append("\r\n");
        co_await asio::async_write(stream, asio::buffer(frame), into(ec));
      } else if (n) {
        co_await asio::async_write(stream, asio::buffer(piece.data(), n), into(ec));
      }
      if (n == 0) break;
    }
    co_return !ec;
  }

  ListenOptions options;
  Handler& handler;
  asio::io_context io{1};
  tcp::acceptor acceptor;
  std::unique_ptr<asio::ssl::context> tls;
  asio::thread_pool workers;
  std::set<Connection*> connections;  // only the loop's thread
  std::atomic<uint64_t> open{0}, accepted{0}, request_count{0}, http2_connections{0};
  std::atomic<bool> stopped{false};
  uint16_t port = 0;
  std::thread thread;
};

Listener::Listener(ListenOptions options, Handler& handler) : impl_(std::make_unique<Impl>(std::move(options), handler)) {}
Listener::~Listener() = default;
uint16_t Listener::port() const { return impl_->port; }
ListenerStats Listener::stats() const { return {impl_->accepted, impl_->open, impl_->request_count, impl_->http2_connections}; }
void Listener::stop(std::chrono::milliseconds grace) { impl_->stop(grace); }

}  // namespace tarn::http
