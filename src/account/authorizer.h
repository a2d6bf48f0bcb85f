#pragma once
// Who asks the storage account, and what may they do with it: the account's keys, shared access signatures, bearer tokens.
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "account/sas.h"
#include "http/message.h"
#include "http/principal.h"

namespace tarn::account {

// As the built-in roles Storage Blob Data Reader, Contributor and Owner.
enum class Role { kNone, kReader, kContributor, kOwner };

// Somebody whom a token speaks for.
struct Caller {
  http::Principal principal;
  std::string oid;                   // the object id that ACLs and delegation keys name
  Role role = Role::kNone;
};

struct AccountKeys {
  std::string account;               // 3 to 24 of a-z and 0-9
  std::vector<std::string> keys;     // raw bytes; each of them opens everything
  std::string delegation_seed;       // what user delegation keys are derived from
};

// What a request is about. container "": the account.
struct Address {
  std::string container, path;
  std::string directory;             // of a listing
  bool closing_slash = false;        // the path was written "a/b/"
};

// What the bearer of a request may do.
struct Grant {
  enum class Kind { kKey, kAccountSas, kServiceSas, kDelegatedSas, kToken };
  Kind kind = Kind::kKey;
  Caller caller;                     // of tokens, and who signed a delegated SAS
  Sas sas;
  std::string permissions;           // of a SAS, with those of its stored policy
  std::string scope;                 // of service and delegated SAS: CONTAINER or CONTAINER/PATH
  bool has_principal() const { return kind == Kind::kToken || kind == Kind::kDelegatedSas; }
  std::string owner() const { return has_principal() ? caller.oid : "$superuser"; }

  // resource: s(ervice), c(ontainer) or o(bject); permissions: letters of which one is enough: r a c w d x y l t m e o p. K: only the
  // account's key and owners. StorageError AuthorizationPermissionMismatch or AuthorizationResourceTypeMismatch.
  void require(char resource, const char* any_of) const;
  bool allows(const char* any_of) const;
  // Another path than the request's own (the source of a rename): whether the SAS reaches it.
  void require_scope(const Address& other) const;
};

class Authorizer {
 public:
  struct Hooks {
    std::function<std::optional<Caller>(const std::string& token)> bearer;      // of a valid token for storage
    std::function<std::optional<Caller>(const std::string& oid)> by_object_id;
    // The stored access policies of a container; nullopt if there is none of this name.
    std::function<std::optional<std::vector<std::pair<std::string, Sas>>>(const std::string& container)> policies;
  };
  Authorizer(AccountKeys keys, Hooks hooks) : keys_(std::move(keys)), hooks_(std::move(hooks)) {}

  const std::string& account() const { return keys_.account; }
  // StorageError NoAuthenticationInformation, InvalidAuthenticationInfo, AuthenticationFailed …
  Grant authenticate(const http::Request& request, const Address& address) const;
  // A SAS alone, as x-ms-copy-source and x-ms-rename-source carry it.
  Grant authenticate_sas(const Sas& sas, const http::Request& request, const Address& address) const;
  // The value of a user delegation key, raw.
  std::string delegation_key(const std::string& oid, const std::string& tid, const std::string& start, const std::string& expiry,
                             const std::string& service, const std::string& version) const;

 private:
  Grant shared_key(const http::Request& request, const std::string& credentials, bool lite) const;
  AccountKeys keys_;
  Hooks hooks_;
};

}  // namespace tarn::account
