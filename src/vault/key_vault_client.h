#pragma once
// Secret scopes that are backed by a key vault: the workspace's own, read in the process, or one elsewhere, read through its REST API with the
// workspace's identity. Addresses come from users, so the hosts are limited, and the identity's secret goes to the configured authority only.
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "secrets/vault.h"
#include "vault/secret_store.h"

namespace tarn::vault {

struct Fetched {
  int status = 0;
  std::string body;
};
// One HTTPS request. Throws std::exception if there is no answer.
using Fetch = std::function<Fetched(const std::string& method, const std::string& url, const std::vector<std::pair<std::string, std::string>>& headers, const std::string& body)>;

struct Identity {
  std::string authority = "https://login.microsoftonline.com";
  std::string tenant, client_id, client_secret;
};

// Thread-safe.
class KeyVaultClient : public secrets::KeyVaultReader {
 public:
  using May = std::function<bool(const http::Principal&, std::string_view permission)>;   // on the workspace's own vault
  // require_outbound: RestError if the server shall not go to this URL; asked of vaults that are not of Azure's clouds.
  using RequireOutbound = std::function<void(const std::string& url)>;
  KeyVaultClient(SecretStore& own, std::string own_name, May may, Identity identity, RequireOutbound require_outbound, Fetch fetch)
      : own_(own), own_name_(std::move(own_name)), may_(std::move(may)), identity_(std::move(identity)), require_outbound_(std::move(require_outbound)), fetch_(std::move(fetch)) {}

  void check_new_scope(const http::Principal& caller, const secrets::Scope& scope) override;
  std::optional<std::string> get(const secrets::Scope& scope, const std::string& key) override;
  std::vector<secrets::SecretMetadata> list(const secrets::Scope& scope) override;

 private:
  bool is_own(const secrets::Scope& scope) const;
  std::string base_url(const secrets::Scope& scope) const;     // "https://host[:port]"; RestError if it may not be asked
  std::string token(const std::string& resource);
  nlohmann::json ask(const secrets::Scope& scope, const std::string& url, bool* missing);

  SecretStore& own_;
  std::string own_name_;
  May may_;
  Identity identity_;
  RequireOutbound require_outbound_;
  Fetch fetch_;
  std::mutex mu_;
  std::string token_, token_resource_;  // guarded by mu_
  int64_t token_until_ms_ = 0;          // guarded by mu_
};

}  // namespace tarn::vault
