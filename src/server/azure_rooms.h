#pragma once
// The workspace's own cloud resources, wired: the storage account, the key vault and the tokens for both.
#include <functional>
#include <memory>
#include <string>

#include "account/account_file.h"
#include "account/service.h"
#include "http/outbound.h"
#include "http/route.h"
#include "http/virtual_hosts.h"
#include "identity/audit_log.h"
#include "identity/families.h"
#include "secrets/vault.h"
#include "vault/access_policies.h"
#include "vault/key_vault_client.h"
#include "vault/service.h"

namespace tarn::server {

class AzureRooms {
 public:
  struct Parts {
    identity::Directory& directory;
    identity::Credentials& credentials;
    identity::AccessControl& access;
    identity::AuditLog& audit;
    identity::LoginThrottle& throttle;
    Metadata& metadata;
    secrets::Vault& secrets;
    const http::OutboundPolicy& outbound;
  };
  struct Names {
    std::string account, vault;        // of the storage account and the key vault
    std::string tenant;                // a UUID
    vault::Identity identity;          // for key vaults elsewhere
  };
  // The account's keys and data are in the home.
  AzureRooms(Parts parts, const std::string& home, Names names);
  void add_routes(http::RouteTable& table);
  void add_hosts(http::VirtualHosts& hosts);
  std::string metrics() const;
  account::Store& store() { return store_; }

 private:
  std::optional<account::Caller> caller_of(int64_t principal) const;
  bool may(const http::Principal& caller, std::string_view permission) const;   // on the vault
  Parts parts_;
  Names names_;
  account::AccountKeys keys_;
  account::Store store_;
  account::Authorizer authorizer_;
  account::Service service_;
  vault::SecretStore secret_store_;
  vault::AccessPolicies policies_;
  vault::Service vault_service_;
  vault::KeyVaultClient key_vaults_;
};

}  // namespace tarn::server
