#include <doctest/doctest.h>

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "http/rest_error.h"
#include "identity/families.h"

using namespace tarn;
using namespace tarn::identity;

namespace {

struct Fixture {
  std::string folder;
  Metadata metadata;
  Directory directory;
  Passwords passwords;
  WebSessions sessions;
  Fixture()
      : folder([] {
          char name[] = "/tmp/tarn-sign-in-XXXXXX";
          return std::string(::mkdtemp(name));
        }()),
        metadata(folder + "/workspace.db"), directory(metadata), passwords(metadata), sessions(metadata, {.idle_ms = 3'600'000, .lifetime_ms = 7'200'000, .most = 3}) {}
  ~Fixture() { std::filesystem::remove_all(folder); }
  int64_t user(const char* name) {
    Entry e;
    e.name = name;
    return directory.create(e)->id;
  }
};

http::Request from(std::string cookie, std::string method = "POST", bool tls = false) {
  http::Request r;
  r.method = std::move(method);
  r.tls = tls;
  r.headers.add("Host", "tarn.example.org");
  if (!cookie.empty()) r.headers.add("Cookie", std::move(cookie));
  return r;
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a password is its owner's and nobody else's") {
  int64_t ada = user("ada@x.org"), bob = user("bob@x.org");
  CHECK(!passwords.has(ada));
  CHECK(!passwords.check(ada, "whatever"));
  passwords.set(ada, "correct horse");
  CHECK(passwords.has(ada));
  CHECK(passwords.check(ada, "correct horse"));
  for (const char* wrong : {"", "correct hors", "correct horse ", "Correct horse"}) CHECK(!passwords.check(ada, wrong));
  CHECK(!passwords.check(bob, "correct horse"));
  CHECK(!passwords.check(std::nullopt, "correct horse"));
  CHECK(!passwords.check(ada, std::string(1 << 20, 'x')));
  passwords.remove(ada);
  CHECK(!passwords.check(ada, "correct horse"));
}

TEST_CASE_FIXTURE(Fixture, "a hash of other parameters is renewed by its owner's next sign-in, and only by the right password") {
  int64_t ada = user("ada@x.org");
  auto stored = [&] {
    auto db = metadata.lease();
    Statement query(*db, "SELECT hash FROM passwords WHERE owner = ?");
    query.bind(ada).step();
    return query.text(0);
  };
  {  // Argon2id of "hunter2" with 8 MB and one pass, by another implementation (OpenSSL, through Python's cryptography)
    auto db = metadata.lease();
    Statement(*db, "INSERT INTO passwords (owner, hash, changed_ms) VALUES (?, ?, 0)").bind(ada)
        .bind("$argon2id$v=19$m=8192,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$YhuaLt3HubVL80j2nnkjqmalNsnKLSfrp9+7gOtBnY0").run();
  }
  CHECK(!passwords.check(ada, "hunter3"));
  CHECK(stored().find("m=8192,t=1,p=1") != std::string::npos);
  CHECK(passwords.check(ada, "hunter2"));
  CHECK(stored().find("m=65536,t=3,p=1") != std::string::npos);
  CHECK(passwords.check(ada, "hunter2"));
}

TEST_CASE_FIXTURE(Fixture, "who comes when too many wait is sent away, and nobody waits for ever") {
  std::atomic<int> done{0}, refused{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&] {
      try {
        passwords.check(std::nullopt, "x");
        ++done;
      } catch (const TooManyHashes&) {
        ++refused;
      }
    });
  }
  for (auto& t : threads) t.join();
  CHECK(done + refused == 16);
  CHECK(done >= static_cast<int>(HashCost::kAtOnce));
  CHECK(!passwords.check(std::nullopt, "x"));
}

TEST_CASE("tries at many passwords at once are no more than one after the other") {
  LoginThrottle throttle;
  LoginThrottle::Keys keys = {{"a@1", 3}, {"a", 5}};
  for (int i = 0; i < 3; ++i) CHECK(throttle.begin(keys) == 0);
  int wait = throttle.begin(keys);
  CHECK(wait > 0);
  CHECK(wait <= 60);
  throttle.succeeded(keys);
  CHECK(throttle.begin(keys) == 0);
  CHECK(throttle.begin({{"a@2", 3}, {"a", 5}}) == 0);
  CHECK(throttle.begin({{"a@3", 3}, {"a", 5}}) == 0);
  CHECK(throttle.begin({{"a@4", 3}, {"a", 5}}) > 0);   // the name, from wherever
  CHECK(throttle.begin({{"b@1", 3}, {"b", 5}}) == 0);
  CHECK(throttle.begin({{"a@4", 3}}) == 0);            // what was refused has not been counted
}

TEST_CASE_FIXTURE(Fixture, "sessions are found by their cookie alone and end with their user") {
  int64_t ada = user("ada@x.org"), bob = user("bob@x.org");
  std::string a, b, c, d;
  auto first = sessions.begin(ada, "1.2.3.4", std::string(1000, 'x'), &a);
  CHECK(a.size() == 64);
  CHECK(first.agent.size() == 256);
  CHECK(sessions.find(a, true)->owner == ada);
  CHECK(!sessions.find(first.id, true));
  CHECK(!sessions.find("", true));
  CHECK(!sessions.end(bob, first.id));
  sessions.begin(ada, "", "", &b);
  sessions.begin(ada, "", "", &c);
  CHECK(sessions.list(ada).size() == 3);
  auto last = sessions.begin(ada, "", "", &d);   // one more than may be
  CHECK(sessions.list(ada).size() == 3);
  CHECK(sessions.find(d, false)->id == last.id);
  CHECK(sessions.end_all(ada, last.id) == 2);
  CHECK(!sessions.find(b, false));
  CHECK(sessions.find(d, false));
  directory.remove(ada);
  CHECK(!sessions.find(d, false));
}

TEST_CASE("what another site makes a browser send is refused") {
  const std::string value(64, 'a'), cookie = "tarn_session=" + value;
  auto good = [&](http::Request r) {
    r.headers.set(kCsrfHeader, csrf_token(value));
    return r;
  };
  CHECK_NOTHROW(require_own_page(good(from(cookie)), value));
  CHECK_NOTHROW(require_own_page(from(cookie, "GET"), value));
  CHECK_THROWS_AS(require_own_page(from(cookie), value), http::RestError);
  for (const char* method : {"POST", "PUT", "PATCH", "DELETE", "PURGE"}) CHECK_THROWS_AS(require_own_page(from(cookie, method), value), http::RestError);
  for (auto [name, text] : {std::pair{"Origin", "https://evil.org"}, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}}) {
    http::Request r = good(from(cookie));
    r.headers.set(name, text);
    CHECK_THROWS_AS(require_own_page(r, value), http::RestError);
  }
  http::Request socket = from(cookie, "GET");
  socket.upgrade = true;
  CHECK_THROWS_AS(require_own_page(socket, value), http::RestError);
  socket.headers.set("Origin", "https://tarn.example.org");
  CHECK_NOTHROW(require_own_page(socket, value));
  CHECK(csrf_token(value) != csrf_token(std::string(64, 'b')));

  CHECK(session_of(from(cookie)) == value);
  CHECK(session_of(from(cookie, "GET", true)).empty());   // under TLS the name says that the host itself has set it
  CHECK(session_of(from("__Host-" + cookie, "GET", true)) == value);
  CHECK(session_cookie(from("", "POST", true), value, 5) == "__Host-tarn_session=" + value + "; Path=/; HttpOnly; SameSite=Strict; Max-Age=5; Secure");
  CHECK(session_cookie(from(""), "", 0) == "tarn_session=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
}
