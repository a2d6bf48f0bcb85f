#pragma once
// What a browser that has signed in holds: a cookie with 256 random bits, of which only the digest is stored. A session ends when it was not used
// for a while, some time after it began in any case, and when its user's password changes or the user goes.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/metadata.h"
#include "http/message.h"

namespace tarn::identity {

struct WebSession {
  std::string id;                  // names it to its user; opens nothing
  int64_t owner = 0;
  int64_t created_ms = 0, used_ms = 0;   // used_ms is kept to the minute
  std::string peer, agent;         // from where, with what it was begun
};

struct SessionLimits {
  int64_t idle_ms = 8LL * 3600 * 1000, lifetime_ms = 7LL * 24 * 3600 * 1000;
  size_t most = 50;                // of one user; the one that was not used for the longest time goes
};

// Thread-safe.
class WebSessions {
 public:
  WebSessions(Metadata& metadata, SessionLimits limits);

  // *value is for the cookie.
  WebSession begin(int64_t owner, const std::string& peer, const std::string& agent, std::string* value);
  // The session of a cookie that is still good. use: it counts as used now.
  std::optional<WebSession> find(std::string_view value, bool use);
  std::vector<WebSession> list(int64_t owner) const;
  bool end(int64_t owner, std::string_view id);
  // How many there were. keep: the id of one that stays.
  int64_t end_all(int64_t owner, std::string_view keep = "");
  const SessionLimits& limits() const { return limits_; }
  int64_t expires_ms(const WebSession& s) const;

 private:
  Metadata& metadata_;
  const SessionLimits limits_;
};

// The cookie. Under TLS its name makes browsers refuse it from other hosts and without TLS (RFC 6265bis, 4.1.3.2).
std::string session_of(const http::Request& request);                    // its value; "" if there is none
std::string session_cookie(const http::Request& request, const std::string& value, int64_t seconds);   // for Set-Cookie; "" and 0: away with it
// What a page sends back in the header kCsrfHeader with everything that changes something: only who could read an answer of ours knows it.
constexpr const char* kCsrfHeader = "X-Tarn-Csrf";
std::string csrf_token(std::string_view session_value);
// RestError 403 unless a request that came with this cookie is from a page of ours: it changes something, or opens a WebSocket.
void require_own_page(const http::Request& request, std::string_view session_value);
// The part of it that holds before there is a session: RestError 403 for what another site made a browser send.
void refuse_other_sites(const http::Request& request);

}  // namespace tarn::identity
