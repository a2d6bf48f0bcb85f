#pragma once
// Personal access tokens, the access tokens that OAuth gives out, and the OAuth secrets of service principals. Only SHA-256 digests are
// stored: the values have 128 random bits and more, so a slow hash would protect nothing.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "identity/directory.h"

namespace tarn::identity {

struct TokenInfo {
  std::string id;
  int64_t owner = 0, creator = 0;
  std::string comment;
  int64_t created_ms = 0;
  int64_t expires_ms = -1;         // -1: never
  int64_t last_used_ms = 0;        // 0: never; kept to the minute
};

struct SecretInfo {
  std::string id;
  int64_t owner = 0;
  std::string digest;              // what clients see as secret_hash
  int64_t created_ms = 0, expires_ms = 0;
};

// Thread-safe.
class Credentials {
 public:
  explicit Credentials(Metadata& metadata);

  enum class Use { kPersonal, kOAuth };
  // *value is the only time that the token can be seen. lifetime_seconds <= 0: for ever.
  // audience: what the token is for; "" is this workspace's APIs.
  TokenInfo create_token(int64_t owner, int64_t creator, const std::string& comment, int64_t lifetime_seconds, Use use, std::string* value,
                         std::string_view audience = "");
  // The owner of a valid token for this audience.
  std::optional<int64_t> owner_of(std::string_view token, std::string_view audience = "");
  std::vector<TokenInfo> tokens(std::optional<int64_t> owner) const;     // personal ones that have not expired
  std::optional<TokenInfo> token(std::string_view id) const;
  bool revoke(std::string_view id);

  SecretInfo create_secret(int64_t owner, int64_t lifetime_seconds, std::string* value);
  std::vector<SecretInfo> secrets(int64_t owner) const;
  bool revoke_secret(int64_t owner, std::string_view id);
  bool check_secret(int64_t owner, std::string_view value) const;

 private:
  Metadata& metadata_;
};

// At most so many failures a minute for each key (a client id, an address). Thread-safe.
class LoginThrottle {
 public:
  explicit LoginThrottle(int failures_a_minute = 10) : limit_(failures_a_minute) {}
  bool blocked(const std::string& key);
  void failed(const std::string& key);

  // The same for tries that are counted before they are made, each under several keys with limits of their own: as many at once get no more tries
  // than one after the other. Seconds until the next is let in; 0: it is counted.
  using Keys = std::vector<std::pair<std::string, int>>;
  int begin(const Keys& keys);
  void succeeded(const Keys& keys);       // it was no failure

 private:
  struct Window {
    int64_t start_ms = 0;
    int failures = 0;
  };
  int seconds_left(const std::string& key, int limit) const;   // under mu_, as count
  void count(const std::string& key);
  int limit_;
  std::mutex mu_;
  std::unordered_map<std::string, Window> windows_;  // guarded by mu_
};

}  // namespace tarn::identity
