#include "identity/credentials.h"

#include <sodium.h>

#include <algorithm>

#include "base/encoding.h"
#include "base/ids.h"

namespace tarn::identity {
namespace {

constexpr const char* kSteps[] = {
    R"(CREATE TABLE tokens (
         id TEXT PRIMARY KEY, digest BLOB NOT NULL UNIQUE, owner INTEGER NOT NULL REFERENCES principals (id) ON DELETE CASCADE,
         creator INTEGER NOT NULL, use INTEGER NOT NULL, comment TEXT NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,
         last_used_ms INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
       CREATE INDEX tokens_owner ON tokens (owner);
       CREATE TABLE principal_secrets (
         id TEXT PRIMARY KEY, owner INTEGER NOT NULL REFERENCES principals (id) ON DELETE CASCADE, digest BLOB NOT NULL,
         created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL) WITHOUT ROWID;)",
    "ALTER TABLE tokens ADD COLUMN audience TEXT NOT NULL DEFAULT ''",
};

constexpr int64_t kWindow = 60'000;   // of a throttle

TokenInfo read(Statement& r) {
  return {r.text(0), r.integer(1), r.integer(2), r.text(3), r.integer(4), r.integer(5), r.integer(6)};
}
constexpr const char* kColumns = "SELECT id, owner, creator, comment, created_ms, expires_ms, last_used_ms FROM tokens WHERE use = 0 "
                                 "AND (expires_ms < 0 OR expires_ms > ?) ";

}  // namespace

Credentials::Credentials(Metadata& metadata) : metadata_(metadata) { metadata_.migrate("identity.credentials", kSteps); }

TokenInfo Credentials::create_token(int64_t owner, int64_t creator, const std::string& comment, int64_t lifetime_seconds, Use use, std::string* value,
                                    std::string_view audience) {
  *value = (use == Use::kPersonal ? "dapi" : "dose") + random_hex(use == Use::kPersonal ? 16 : 32);
  TokenInfo t{random_hex(32), owner, creator, comment, now_ms(), -1, 0};
  if (lifetime_seconds > 0) t.expires_ms = t.created_ms + lifetime_seconds * 1000;
  auto db = metadata_.lease();
  if (use == Use::kOAuth) Statement(*db, "DELETE FROM tokens WHERE expires_ms >= 0 AND expires_ms < ?").bind(t.created_ms).run();
  Statement(*db, "INSERT INTO tokens (id, digest, owner, creator, use, comment, created_ms, expires_ms, audience) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .bind(t.id).bind_blob(sha256(*value)).bind(owner).bind(creator).bind(use == Use::kPersonal ? 0 : 1).bind(comment).bind(t.created_ms)
      .bind(t.expires_ms).bind(audience).run();
  return t;
}

std::optional<int64_t> Credentials::owner_of(std::string_view token, std::string_view audience) {
  if (token.empty() || token.size() > 512) return std::nullopt;
  int64_t now = now_ms();
  auto db = metadata_.lease();
  Statement query(*db, "SELECT id, owner, expires_ms, last_used_ms FROM tokens WHERE digest = ? AND audience = ?");
  query.bind_blob(sha256(token)).bind(audience);
  if (!query.step()) return std::nullopt;
  if (int64_t expires = query.integer(2); expires >= 0 && expires <= now) return std::nullopt;
  int64_t owner = query.integer(1);
  if (now - query.integer(3) > 60'000) {
    std::string id = query.text(0);
    while (query.step()) {}
    Statement(*db, "UPDATE tokens SET last_used_ms = ? WHERE id = ?").bind(now).bind(id).run();
  }
  return owner;
}

std::vector<TokenInfo> Credentials::tokens(std::optional<int64_t> owner) const {
  auto db = metadata_.lease();
  Statement query(*db, std::string(kColumns) + (owner ? "AND owner = ? " : "") + "ORDER BY created_ms, id");
  query.bind(now_ms());
  if (owner) query.bind(*owner);
  std::vector<TokenInfo> out;
  while (query.step()) out.push_back(read(query));
  return out;
}

std::optional<TokenInfo> Credentials::token(std::string_view id) const {
  auto db = metadata_.lease();
  Statement query(*db, std::string(kColumns) + "AND id = ?");
  query.bind(now_ms()).bind(id);
  if (!query.step()) return std::nullopt;
  return read(query);
}

bool Credentials::revoke(std::string_view id) {
  auto db = metadata_.lease();
  Statement(*db, "DELETE FROM tokens WHERE id = ?").bind(id).run();
  return db->changes() > 0;
}

SecretInfo Credentials::create_secret(int64_t owner, int64_t lifetime_seconds, std::string* value) {
  *value = "dose" + random_hex(16);
  SecretInfo s{random_uuid(), owner, hex_encode(sha256(*value)), now_ms(), 0};
  s.expires_ms = s.created_ms + lifetime_seconds * 1000;
  auto db = metadata_.lease();
  Statement(*db, "INSERT INTO principal_secrets VALUES (?, ?, ?, ?, ?)")
      .bind(s.id).bind(owner).bind_blob(sha256(*value)).bind(s.created_ms).bind(s.expires_ms).run();
  return s;
}

std::vector<SecretInfo> Credentials::secrets(int64_t owner) const {
  auto db = metadata_.lease();
  Statement query(*db, "SELECT id, owner, digest, created_ms, expires_ms FROM principal_secrets WHERE owner = ? ORDER BY created_ms, id");
  query.bind(owner);
  std::vector<SecretInfo> out;
  while (query.step()) out.push_back({query.text(0), query.integer(1), hex_encode(query.text(2)), query.integer(3), query.integer(4)});
  return out;
}

bool Credentials::revoke_secret(int64_t owner, std::string_view id) {
  auto db = metadata_.lease();
  Statement(*db, "DELETE FROM principal_secrets WHERE id = ? AND owner = ?").bind(id).bind(owner).run();
  return db->changes() > 0;
}

bool Credentials::check_secret(int64_t owner, std::string_view value) const {
  auto db = metadata_.lease();
  Statement query(*db, "SELECT digest FROM principal_secrets WHERE owner = ? AND expires_ms > ?");
  query.bind(owner).bind(now_ms());
  std::string digest = sha256(value);
  bool good = false;
  while (query.step()) {
    std::string stored = query.text(0);
    good |= stored.size() == digest.size() && sodium_memcmp(stored.data(), digest.data(), digest.size()) == 0;
  }
  return good;
}

int LoginThrottle::seconds_left(const std::string& key, int limit) const {
  auto it = windows_.find(key);
  if (it == windows_.end() || it->second.failures < limit) return 0;
  int64_t left = it->second.start_ms + kWindow - now_ms();
  return left <= 0 ? 0 : static_cast<int>((left + 999) / 1000);
}

void LoginThrottle::count(const std::string& key) {
  int64_t now = now_ms();
  if (windows_.size() > 10'000) {
    std::erase_if(windows_, [&](const auto& w) { return now - w.second.start_ms >= kWindow; });
    if (windows_.size() > 10'000) windows_.clear();  // an attack with many names: forget, do not grow
  }
  Window& w = windows_[key];
  if (now - w.start_ms >= kWindow) w = {now, 0};
  ++w.failures;
}

bool LoginThrottle::blocked(const std::string& key) {
  std::lock_guard lock(mu_);
  return seconds_left(key, limit_) > 0;
}

void LoginThrottle::failed(const std::string& key) {
  std::lock_guard lock(mu_);
  count(key);
}

int LoginThrottle::begin(const Keys& keys) {
  std::lock_guard lock(mu_);
  int left = 0;
  for (const auto& [key, limit] : keys) left = std::max(left, seconds_left(key, limit));
  if (left) return left;
  for (const auto& [key, limit] : keys) count(key);
  return 0;
}

void LoginThrottle::succeeded(const Keys& keys) {
  std::lock_guard lock(mu_);
  for (const auto& [key, limit] : keys) {
    auto it = windows_.find(key);
    if (it != windows_.end() && it->second.failures > 0) --it->second.failures;
  }
}

}  // namespace tarn::identity
