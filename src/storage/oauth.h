#pragma once
// Access tokens of an OAuth 2 token endpoint.
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "storage/http_client.h"

namespace tarn::storage {

// A token that is asked for when it is needed, and again before it ends. Thread-safe.
class AccessToken {
 public:
  // endpoint: http or https. form: what is posted, made anew for each request. refused: what the user can do about a refusal.
  AccessToken(std::string endpoint, std::function<Pairs()> form, std::string refused)
      : endpoint_(std::move(endpoint)), form_(std::move(form)), refused_(std::move(refused)) {}
  // IoError: kPermission if the endpoint says no, kOther if it does not answer.
  std::string get() const;

 private:
  const std::string endpoint_;
  const std::function<Pairs()> form_;
  const std::string refused_;
  mutable std::mutex mu_;
  mutable std::string token_;        // guarded by mu_
  mutable int64_t until_ms_ = 0;     // guarded by mu_
};

// A JSON Web Token of these claims (JSON), signed with RS256 (RFC 7515). pem: an RSA key. Throws SparkError (illegal argument) that does not
// show the key if it is none.
std::string signed_jwt(const std::string& pem, const std::string& key_id, const std::string& claims);

}  // namespace tarn::storage
