#pragma once
// The storage account as an HTTP handler: which operation a request is, who may do it, errors in the form of the service asked.
#include <atomic>
#include <functional>
#include <string>

#include "account/authorizer.h"
#include "account/store.h"
#include "http/message.h"

namespace tarn::account {

// What the audit log should know of a request.
struct Outcome {
  const http::Request& request;
  const char* operation;           // "PutBlob", "" if there is none
  const http::Principal* caller;   // null: an account key, or nobody
  int status;
  const std::string& code;         // of the error, or ""
  const Address& address;
  bool write;                      // whether the operation changes something
};

class Service : public http::Handler {
 public:
  Service(Store& store, const Authorizer& authorizer, std::string tenant, std::function<void(const Outcome&)> audit)
      : store_(store), authorizer_(authorizer), tenant_(std::move(tenant)), audit_(std::move(audit)) {}

  // Whether the request is for this account: its host is ACCOUNT.dfs.… or ACCOUNT.blob.…, or its path begins with /ACCOUNT/.
  bool owns(const http::Request& request) const;
  http::BodyPlan plan(const http::Request& head) override;
  http::Response handle(http::Request& request) override;
  // Prometheus text.
  std::string metrics() const;

 private:
  Store& store_;
  const Authorizer& authorizer_;
  std::string tenant_;
  std::function<void(const Outcome&)> audit_;
  std::atomic<uint64_t> requests_{0}, errors_{0}, refused_{0};
};

}  // namespace tarn::account
