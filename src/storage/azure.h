#pragma once
// What the two protocols of Azure Storage share: which account a path is of, and how requests on it are authorized.
#include <memory>
#include <string>

#include "storage/oauth.h"
#include "storage/rest_store.h"

namespace tarn::storage {

struct AzureConfig {
  enum class Auth { kSharedKey, kSas, kOAuth, kAnonymous };
  std::string container, host, account;  // host: "acct.dfs.core.windows.net"
  Url server;
  Auth auth = Auth::kSharedKey;
  std::string key;                                     // decoded
  Pairs sas;                                           // its parameters, decoded
  std::string token_endpoint, client_id, client_secret;
  HttpLimits limits;

  std::string identity() const;
  // Of "abfss://container@account.dfs.core.windows.net/…" with Hadoop's settings: docs/storage.md. Throws SparkError (plain) that names the
  // setting that is missing.
  static AzureConfig of(std::string_view path, const Settings& settings);
};

// Thread-safe.
class AzureStore : public RestStore {
 public:
  void remove_files(const std::vector<std::string>& paths) override;

 protected:
  explicit AzureStore(const AzureConfig& c);
  HttpRequest request(const std::string& method, const std::string& path) const override;
  HttpRequest container_request(const std::string& method) const;
  void sign(HttpRequest& request) const override;
  std::string error_code(const HttpResponse& response) const override;
  std::string advice(int status, const std::string& code) const override;
  const char* range_header() const override { return "x-ms-range"; }
  // The parameters of a SAS as a query, encoded: for sources of copies and renames.
  std::string sas_query() const;

  const AzureConfig c_;
  const AccessToken token_;  // of OAuth
};

// ETags with their quotes: listings leave them out.
std::string quoted_tag(const std::string& tag);

}  // namespace tarn::storage
