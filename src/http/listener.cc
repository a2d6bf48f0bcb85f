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
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>

#include <fcntl.h>
#include <sys/sendfile.h>

#include <atomic>
#include <cstring>
#include <future>
#include <set>
#include <thread>

#include "base/encoding.h"
#include "base/log.h"
#include "base/rooted_folder.h"
#include "http/listener.h"
#include "http/open_socket.h"
#include "http/rest_error.h"
#include "http/websocket.h"

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using error_code = boost::system::error_code;
template <class T> using awaitable = asio::awaitable<T>;

namespace tarn::http {
namespace {

constexpr size_t kPiece = 256 << 10;
constexpr int64_t kReadAhead = 8 << 20;               // of a file that is sent
constexpr size_t kTurn = 4 << 20;                     // of a file, before other handlers get the thread
constexpr auto kGoodbye = std::chrono::seconds(2);   // for a client to answer a WebSocket's close
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
        if (c->socket) c->socket->close(1001, "the server stops");
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
    std::shared_ptr<OpenSocket> socket;   // once it is a WebSocket
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

  // What is left of a request's body. One whose length is known is read past the parser, straight to where the reader wants it.
  template <class Parser>
  struct Body {
    Parser& parser;
    const bool plain;
    uint64_t rest;         // of a plain one
    explicit Body(Parser& p) : parser(p), plain(!p.is_done() && !p.chunked() && p.content_length()), rest(plain ? *p.content_length() : 0) {}
    bool done() const { return plain ? rest == 0 : parser.is_done(); }
  };

  // A body that a handler reads: each read is a trip to the loop's thread and back.
  template <class Stream, class Parser>
  class StreamedBody : public BodyReader {
   public:
    StreamedBody(Impl& impl, Stream& stream, beast::tcp_stream& lowest, beast::flat_buffer& buffer, Body<Parser>& body, size_t limit)
        : impl_(impl), stream_(stream), lowest_(lowest), buffer_(buffer), body_(body), left_(limit) {}
    size_t read(char* out, size_t size) override {
      return asio::co_spawn(impl_.io, impl_.read_body(stream_, lowest_, buffer_, body_, out, size, left_), asio::use_future).get();
    }

   private:
    Impl& impl_;
    Stream& stream_;
    beast::tcp_stream& lowest_;
    beast::flat_buffer& buffer_;
    Body<Parser>& body_;
    size_t left_;
  };

  // The next piece of a body; 0 at its end.
  template <class Stream, class Parser>
  awaitable<size_t> read_body(Stream& stream, beast::tcp_stream& lowest, beast::flat_buffer& buffer, Body<Parser>& body, char* out, size_t size, size_t& left) {
    if (body.plain) co_return co_await read_plain(stream, lowest, buffer, body.rest, out, size, left);
    Parser& parser = body.parser;
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

  // Fills what the reader gave, to save trips, unless the client takes its time.
  template <class Stream>
  awaitable<size_t> read_plain(Stream& stream, beast::tcp_stream& lowest, beast::flat_buffer& buffer, uint64_t& rest, char* out, size_t size, size_t& left) {
    size_t filled = 0;
    auto late = std::chrono::steady_clock::now() + options.body_timeout;
    while (filled < size && rest > 0 && (filled == 0 || std::chrono::steady_clock::now() < late)) {
      size_t n = static_cast<size_t>(std::min<uint64_t>(size - filled, rest));
      if (buffer.size() > 0) {   // what came with the head
        n = std::min(n, buffer.size());
        std::memcpy(out + filled, buffer.data().data(), n);
        buffer.consume(n);
      } else {
        error_code ec;
        lowest.expires_after(options.body_timeout);
        n = co_await stream.async_read_some(asio::buffer(out + filled, n), into(ec));
        if (ec == beast::error::timeout) throw RestError(408, "REQUEST_TIMEOUT", "The body did not arrive in time.");
        if (ec) throw RestError(400, "MALFORMED_REQUEST", "The body of the request is broken.");
      }
      filled += n;
      rest -= n;
    }
    if (filled > left) throw RestError(413, "REQUEST_TOO_LARGE", "The body of the request is too large.");
    left -= filled;
    co_return filled;
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
      Body<Parser> body(parser);
      bool whole = true;  // the body was read to its end
      std::optional<Response> bad_upgrade;
      try {
        request.upgrade = wants_websocket(request);
        // Frames may follow only when we have said yes. What is here already was sent blindly, through a proxy that understood something else maybe.
        if (request.upgrade && buffer.size() > 0) throw malformed("Data came before the WebSocket was open.");
      } catch (const RestError& e) {
        bad_upgrade = plain_error(e.status(), e.code().c_str(), e.what());
        if (e.status() == 426) bad_upgrade->headers.add("Sec-WebSocket-Version", kWebSocketVersion);
      }
      if (bad_upgrade) {
        response = std::move(*bad_upgrade);
        whole = false;
      } else if (!parse_target(&request)) {
        response = plain_error(400, "MALFORMED_REQUEST", "The URL is not well formed.");
        whole = body.done();
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
          if (lower_ascii(request.headers.get("Expect")) == "100-continue" && !body.done()) {
            lowest.expires_after(options.body_timeout);
            co_await asio::async_write(stream, asio::buffer(std::string_view("HTTP/1.1 100 Continue\r\n\r\n")), into(ec));
            if (ec) co_return;
          }
          if (plan.stream) {
            StreamedBody<Stream, Parser> reader(*this, stream, lowest, buffer, body, plan.limit);
            request.stream = &reader;
            response = co_await call(request);
            whole = body.done();
          } else {
            std::optional<Response> refused;
            try {
              std::vector<char> piece(std::min<size_t>(kPiece, announced ? static_cast<size_t>(*announced) + 1 : kPiece));
              size_t left = plan.limit;
              auto deadline = std::chrono::steady_clock::now() + options.body_timeout + std::chrono::seconds(plan.limit >> 16);
              while (size_t n = co_await read_body(stream, lowest, buffer, body, piece.data(), piece.size(), left)) {
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
      if (response.socket) {
        co_await serve_socket(stream, lowest, connection, parser.get(), std::move(response));
        co_return;
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

  // A WebSocket from its 101 to its end. This coroutine reads; one beside it writes, asks whether the socket is still allowed, and says goodbye.
  template <class Stream, class Message>
  awaitable<void> serve_socket(Stream& stream, beast::tcp_stream& lowest, Connection& connection, const Message& opening, Response response) {
    namespace websocket = beast::websocket;
    using WebSocket = websocket::stream<Stream&>;
    lowest.expires_never();   // the timeouts are the WebSocket's own
    WebSocket ws(stream);
    websocket::stream_base::timeout limits;
    limits.handshake_timeout = options.header_timeout;
    limits.idle_timeout = options.socket_idle;   // a ping goes out after half of it
    limits.keep_alive_pings = true;
    ws.set_option(limits);
    ws.set_option(websocket::stream_base::decorator([&](websocket::response_type& r) {
      for (const auto& [name, value] : response.headers) r.set(name, value);
    }));
    ws.read_message_max(response.socket->max_message);
    ws.auto_fragment(false);
    error_code ec;
    co_await ws.async_accept(opening, into(ec));
    if (ec) co_return;
    ++socket_count;
    asio::steady_timer wake(io), writer_ended(io, std::chrono::steady_clock::time_point::max());
    auto socket = std::make_shared<OpenSocket>(io, wake, [this, &lowest] { ++sockets_cut, lowest.close(); }, response.socket->max_queued);
    struct End {   // also if the loop ends before this does
      Impl& impl;
      Connection& connection;
      OpenSocket& socket;
      End(Impl& i, Connection& c, std::shared_ptr<OpenSocket> s) : impl(i), connection(c), socket(*s) {
        connection.socket = std::move(s);
        ++impl.sockets_open;
      }
      ~End() {
        --impl.sockets_open;
        socket.end();
      }
    } end(*this, connection, socket);
    if (stopped) socket->close(1001, "the server stops");

    auto& handler_of_socket = *response.socket;
    bool reading = true, writing = true;
    auto write = [](Impl& self, WebSocket& ws, beast::tcp_stream& lowest, OpenSocket& socket, asio::steady_timer& wake, const std::function<bool()>& still_allowed,
                    bool& reading, bool& writing, asio::steady_timer& ended) -> awaitable<void> {
      // While it lives, the client has this long to take what is sent; then the connection is cut.
      struct Deadline {
        asio::steady_timer timer;
        std::shared_ptr<bool> met = std::make_shared<bool>(false);   // the timer may be on its way when this ends
        Deadline(Impl& self, beast::tcp_stream& lowest, std::chrono::milliseconds limit) : timer(self.io, limit) {
          timer.async_wait([&self, &lowest, met = met](error_code e) {
            if (!e && !*met) ++self.sockets_cut, lowest.close();
          });
        }
        ~Deadline() { *met = true; }
      };
      try {
        auto recheck = std::chrono::steady_clock::now() + self.options.socket_recheck;
        error_code ec;
        while (reading && !ec) {
          auto next = socket.next();
          if (next.text) {
            Deadline deadline(self, lowest, self.options.socket_idle);
            ws.text(true);
            co_await ws.async_write(asio::buffer(*next.text), into(ec));
            socket.sent(next.text->size());
          } else if (next.code == OpenSocket::kCut) {
            break;
          } else if (next.code) {
            Deadline deadline(self, lowest, kGoodbye);
            websocket::close_reason why(static_cast<websocket::close_code>(next.code), next.reason.substr(0, 123));
            co_await ws.async_close(why, into(ec));
            break;
          } else if (still_allowed && std::chrono::steady_clock::now() >= recheck) {
            bool allowed = false;
            try {
              allowed = co_await asio::co_spawn(self.workers, [&]() -> awaitable<bool> { co_return still_allowed(); }, asio::use_awaitable);
            } catch (const RestError&) {
            }
            if (!allowed) socket.close(1008, "the credential or the right is gone");
            recheck = std::chrono::steady_clock::now() + self.options.socket_recheck;
          } else {
            wake.expires_at(still_allowed ? recheck : std::chrono::steady_clock::time_point::max());
            error_code ignored;
            co_await wake.async_wait(into(ignored));
          }
        }
      } catch (const std::exception& e) {
        log::error("socket_failed", {{"error", e.what()}});
      }
      if (reading) lowest.close();   // the reader waits for nobody
      writing = false;
      ended.cancel();
    };
    asio::co_spawn(io, write(*this, ws, lowest, *socket, wake, response.still_allowed, reading, writing, writer_ended), asio::detached);

    bool failed = !co_await in_worker("opened", [&] { handler_of_socket.opened(socket); });
    beast::flat_buffer message;
    while (!failed && !ec) {
      co_await ws.async_read(message, into(ec));
      if (ec) break;
      std::string_view bytes(static_cast<const char*>(message.data().data()), message.size());
      failed = !co_await in_worker("received", [&] { handler_of_socket.received(bytes, ws.got_text()); });
      message.consume(message.size());
    }
    if (failed) {   // the writer says so; its goodbye is answered or timed
      socket->close(1011, "an internal error occurred");
      while (!ec) {
        message.clear();
        co_await ws.async_read(message, into(ec));
      }
    }
    reading = false;
    wake.cancel();
    error_code ignored;
    if (writing) co_await writer_ended.async_wait(into(ignored));
    connection.socket = nullptr;
    socket->end();
    co_await in_worker("closed", [&] { handler_of_socket.closed(); });
  }

  // Runs it among the handlers; false if it threw.
  template <class F>
  awaitable<bool> in_worker(const char* what, F f) {
    try {
      co_await asio::co_spawn(
          workers, [&]() -> awaitable<void> {
            f();
            co_return;
          },
          asio::use_awaitable);
      co_return true;
    } catch (const std::exception& e) {
      log::error("socket_handler_failed", {{"call", what}, {"error", e.what()}});
      co_return false;
    }
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
    if (response.file && (tls || head || bodiless)) response.source = source_of(response);
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
    if (response.file && !response.source) {
      co_await asio::async_write(stream, asio::buffer(out), into(ec));
      co_return !ec && co_await send_file(lowest, *response.file, response.file_offset, static_cast<int64_t>(response.content_length.value_or(0)));
    }
    if (head || bodiless || !response.source) {
      if (!head && !bodiless) out += response.body;
      co_await asio::async_write(stream, asio::buffer(out), into(ec));
      co_return !ec;
    }
    co_await asio::async_write(stream, asio::buffer(out), into(ec));
    std::vector<char> piece(kPiece);
    uint64_t sent = 0;
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
      sent += n;
      if (n == 0) break;
    }
    co_return !ec && (chunked || sent == response.content_length);   // a short body ends the connection, else the client waits for the rest
  }

  // Tells the disk what is sent next, so that it is read while this is on its way. asked: up to where that was said.
  static void read_ahead(const Descriptor& file, int64_t at, int64_t end, int64_t* asked) {
    *asked = std::max(*asked, at);
    while (*asked < end && *asked < at + kReadAhead) {
      int64_t n = std::min(kReadAhead, end - *asked);
      ::posix_fadvise(file.get(), *asked, n, POSIX_FADV_WILLNEED);
      *asked += n;
    }
  }

  static std::function<size_t(char*, size_t)> source_of(const Response& r) {
    int64_t at = r.file_offset, end = at + static_cast<int64_t>(r.content_length.value_or(0));
    return [file = r.file, at, end, asked = at](char* buffer, size_t size) mutable {
      read_ahead(*file, at, end, &asked);
      size_t n = file->read_at(buffer, static_cast<size_t>(std::min<int64_t>(static_cast<int64_t>(size), end - at)), at);
      at += static_cast<int64_t>(n);
      return n;
    };
  }

  // From the page cache to the socket. sendfile(2) may wait for the disk, so a worker calls it; the wait for the client is the loop's.
  awaitable<bool> send_file(beast::tcp_stream& lowest, const Descriptor& file, int64_t from, int64_t length) {
    off_t at = from;
    int64_t asked = from;
    const int64_t end = from + length;
    error_code ec;
    lowest.socket().native_non_blocking(true, ec);
    // A descriptor of our own: the loop may close the socket while a worker is in sendfile, and its number may be another file's then.
    const Descriptor socket(::fcntl(lowest.socket().native_handle(), F_DUPFD_CLOEXEC, 0));
    while (!ec && at < end) {
      int error = co_await asio::co_spawn(
          workers,
          [&]() -> awaitable<int> {
            for (size_t sent = 0; at < end && sent < kTurn;) {
              read_ahead(file, at, end, &asked);
              ssize_t n = ::sendfile(socket.get(), file.get(), &at, static_cast<size_t>(std::min<int64_t>(end - at, kTurn - static_cast<int64_t>(sent))));
              if (n < 0 && errno == EINTR) continue;
              if (n < 0) co_return errno;
              if (n == 0) co_return EIO;   // the file has become shorter: so does the answer
              sent += static_cast<size_t>(n);
            }
            co_return 0;
          },
          asio::use_awaitable);
      if (error == EAGAIN) co_await wait_writable(lowest.socket(), ec);
      else if (error) co_return false;
    }
    co_return !ec;
  }

  awaitable<void> wait_writable(tcp::socket& socket, error_code& ec) {
    asio::steady_timer timer(io, options.body_timeout);
    auto done = std::make_shared<bool>(false);
    timer.async_wait([&socket, done](error_code e) {
      error_code ignored;
      if (!e && !*done) socket.cancel(ignored);
    });
    co_await socket.async_wait(tcp::socket::wait_write, into(ec));
    *done = true;
  }

  ListenOptions options;
  Handler& handler;
  asio::io_context io{1};
  tcp::acceptor acceptor;
  std::unique_ptr<asio::ssl::context> tls;
  asio::thread_pool workers;
  std::set<Connection*> connections;  // only the loop's thread
  std::atomic<uint64_t> open{0}, accepted{0}, request_count{0}, http2_connections{0}, socket_count{0}, sockets_open{0}, sockets_cut{0};
  std::atomic<bool> stopped{false};
  uint16_t port = 0;
  std::thread thread;
};

Listener::Listener(ListenOptions options, Handler& handler) : impl_(std::make_unique<Impl>(std::move(options), handler)) {}
Listener::~Listener() = default;
uint16_t Listener::port() const { return impl_->port; }
ListenerStats Listener::stats() const { 
  return {impl_->accepted, impl_->open, impl_->request_count, impl_->http2_connections, impl_->socket_count, impl_->sockets_open, impl_->sockets_cut};
}
void Listener::stop(std::chrono::milliseconds grace) { impl_->stop(grace); }

}  // namespace tarn::http
