#include "identity/web_sessions.h"

#include <sodium.h>

#include <algorithm>

#include "base/encoding.h"
#include "http/rest_error.h"

namespace tarn::identity {
namespace {

constexpr const char* kSteps[] = {
    R"(CREATE TABLE web_sessions (
         id TEXT PRIMARY KEY, digest BLOB NOT NULL UNIQUE, owner INTEGER NOT NULL REFERENCES principals (id) ON DELETE CASCADE,
         created_ms INTEGER NOT NULL, used_ms INTEGER NOT NULL, peer TEXT NOT NULL, agent TEXT NOT NULL);
       CREATE INDEX web_sessions_owner ON web_sessions (owner, used_ms);)",
};
constexpr std::string_view kColumns = "SELECT id, owner, created_ms, used_ms, peer, agent FROM web_sessions ";
constexpr const char *kCookie = "tarn_session", *kTlsCookie = "__Host-tarn_session";
constexpr int64_t kUseStep = 60'000;

WebSession read(Statement& r) { return {r.text(0), r.integer(1), r.integer(2), r.integer(3), r.text(4), r.text(5)}; }

http::RestError other_site() { return http::permission_denied("The request comes from a page of another site."); }

// With TLS, or through a proxy that ends it: pages say so in their Origin.
bool is_secure(const http::Request& request) { return request.tls || request.headers.get("Origin").starts_with("https://"); }

}  // namespace

WebSessions::WebSessions(Metadata& metadata, SessionLimits limits) : metadata_(metadata), limits_(limits) { metadata_.migrate("identity.web_sessions", kSteps); }

int64_t WebSessions::expires_ms(const WebSession& s) const { return std::min(s.used_ms + limits_.idle_ms, s.created_ms + limits_.lifetime_ms); }

WebSession WebSessions::begin(int64_t owner, const std::string& peer, const std::string& agent, std::string* value) {
  *value = random_hex(32);
  int64_t now = now_ms();
  WebSession s{random_hex(16), owner, now, now, peer, agent.substr(0, 256)};
  auto db = metadata_.lease();
  Statement(*db, "DELETE FROM web_sessions WHERE used_ms < ? OR created_ms < ?").bind(now - limits_.idle_ms).bind(now - limits_.lifetime_ms).run();
  Statement(*db, "DELETE FROM web_sessions WHERE owner = ? AND id NOT IN (SELECT id FROM web_sessions WHERE owner = ? ORDER BY used_ms DESC, id LIMIT ?)")
      .bind(owner).bind(owner).bind(static_cast<int64_t>(limits_.most) - 1).run();
  Statement(*db, "INSERT INTO web_sessions (id, digest, owner, created_ms, used_ms, peer, agent) VALUES (?, ?, ?, ?, ?, ?, ?)")
      .bind(s.id).bind_blob(sha256(*value)).bind(owner).bind(now).bind(now).bind(s.peer).bind(s.agent).run();
  return s;
}

std::optional<WebSession> WebSessions::find(std::string_view value, bool use) {
  if (value.size() != 64) return std::nullopt;
  int64_t now = now_ms();
  auto db = metadata_.lease();
  std::optional<WebSession> s;
  {
    Statement query(*db, std::string(kColumns) + "WHERE digest = ?");
    query.bind_blob(sha256(value));
    if (query.step()) s = read(query);
  }
  if (!s || expires_ms(*s) <= now) return std::nullopt;
  if (use && now - s->used_ms > std::min(kUseStep, limits_.idle_ms / 4)) {
    s->used_ms = now;
    Statement(*db, "UPDATE web_sessions SET used_ms = ? WHERE id = ?").bind(now).bind(s->id).run();
  }
  return s;
}

std::vector<WebSession> WebSessions::list(int64_t owner) const {
  int64_t now = now_ms();
  auto db = metadata_.lease();
  Statement query(*db, std::string(kColumns) + "WHERE owner = ? AND used_ms >= ? AND created_ms >= ? ORDER BY created_ms, id");
  query.bind(owner).bind(now - limits_.idle_ms).bind(now - limits_.lifetime_ms);
  std::vector<WebSession> out;
  while (query.step()) out.push_back(read(query));
  return out;
}

bool WebSessions::end(int64_t owner, std::string_view id) {
  auto db = metadata_.lease();
  Statement(*db, "DELETE FROM web_sessions WHERE owner = ? AND id = ?").bind(owner).bind(id).run();
  return db->changes() > 0;
}

int64_t WebSessions::end_all(int64_t owner, std::string_view keep) {
  auto db = metadata_.lease();
  Statement(*db, "DELETE FROM web_sessions WHERE owner = ? AND id <> ?").bind(owner).bind(keep).run();
  return db->changes();
}

std::string session_of(const http::Request& request) {
  std::string value = http::cookie_of(request, kTlsCookie);
  // Under TLS the plain name is not ours: another host of the domain could have set it.
  return value.empty() && !request.tls ? http::cookie_of(request, kCookie) : value;
}

std::string session_cookie(const http::Request& request, const std::string& value, int64_t seconds) {
  bool secure = is_secure(request);
  return std::string(secure ? kTlsCookie : kCookie) + "=" + value + "; Path=/; HttpOnly; SameSite=Strict; Max-Age=" + std::to_string(seconds) + (secure ? "; Secure" : "");
}

std::string csrf_token(std::string_view session_value) { return hex_encode(sha256("tarn csrf " + std::string(session_value))); }

void refuse_other_sites(const http::Request& request) {
  std::string site = request.headers.get("Sec-Fetch-Site");
  // "same-site" is another port of this host, or another host of the domain.
  if (!site.empty() && site != "same-origin" && site != "none") throw other_site();
  if (!http::same_origin(request).value_or(true)) throw other_site();
}

void require_own_page(const http::Request& request, std::string_view session_value) {
  if (request.upgrade) {   // browsers always send the Origin, and no header of a page's choice
    if (!http::same_origin(request).value_or(false)) throw other_site();
    return;
  }
  if (request.method == "GET" || request.method == "HEAD" || request.method == "OPTIONS") return;
  refuse_other_sites(request);
  std::string sent = request.headers.get(kCsrfHeader), wanted = csrf_token(session_value);
  if (sent.size() != wanted.size() || sodium_memcmp(sent.data(), wanted.data(), wanted.size()) != 0) {
    throw http::permission_denied(std::string("With a cookie, what changes something needs the header ") + kCsrfHeader + ".");
  }
}

}  // namespace tarn::identity
