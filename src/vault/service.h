#pragma once
// The vault as an HTTP handler: the secrets part of the Key Vault REST API, with its challenge, errors and pages.
#include <functional>
#include <optional>
#include <string>

#include "http/message.h"
#include "http/principal.h"
#include "vault/secret_store.h"

namespace tarn::vault {

// For the audit log: every call, also readings.
struct Outcome {
  const http::Request& request;
  std::string operation;           // "SecretGet" …
  std::string secret;              // its name, "" of lists
  const http::Principal* caller;   // null: nobody
  int status;
  const std::string& code;
};

class Service : public http::Handler {
 public:
  struct Hooks {
    std::function<std::optional<http::Principal>(const std::string& token)> bearer;   // of a valid token for vaults
    std::function<bool(const http::Principal&, std::string_view permission)> allows;  // get, list, set, delete, recover, backup, restore, purge
    std::function<void(const Outcome&)> audit;
  };
  Service(SecretStore& store, std::string name, std::string tenant, Hooks hooks)
      : store_(store), name_(std::move(name)), tenant_(std::move(tenant)), hooks_(std::move(hooks)) {}

  // Whether the request is for the vault: its host is NAME.vault.…, or it asks for /secrets or /deletedsecrets with an api-version.
  bool owns(const http::Request& request) const;
  http::BodyPlan plan(const http::Request& head) override;
  http::Response handle(http::Request& request) override;

 private:
  http::Response answer(const http::Request& request, std::string* operation, std::string* secret, std::optional<http::Principal>* caller);
  SecretStore& store_;
  std::string name_, tenant_;
  Hooks hooks_;
};

bool is_vault_name(const std::string& name);   // 3 to 24 letters, digits and dashes

}  // namespace tarn::vault
