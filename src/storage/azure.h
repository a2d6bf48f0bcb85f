#pragma once
// What the two protocols of Azure Storage share: which account a path is of, and how requests on it are authorized.
#include <memory>
#include <mutex>
#include <string>

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
  explicit AzureStore(const AzureConfig& c) : RestStore(c.limits), c_(c) {}
  HttpRequest request(const std::string& method, const std::string& path) const override;
  HttpRequest container_request(const std::string& method) const;
  void sign(HttpRequest& request) const override;
  std::string error_code(const HttpResponse& response) const override;
  std::string advice(int status, const std::string& code) const override;
  const char* range_header() const override { return "x-ms-range"; }
  // The parameters of a SAS as a query, encoded: for sources of copies and renames.
  std::string sas_query() const;
  std::string bearer_token() const;

  const AzureConfig c_;

 private:
  mutable std::mutex mu_;
  mutable std::string token_;           // guarded by mu_
  mutable int64_t token_until_ms_ = 0;  // guarded by mu_
};

// ETags with their quotes: listings leave them out.
std::string quoted_tag(const std::string& tag);

}  // namespace tarn::storage
