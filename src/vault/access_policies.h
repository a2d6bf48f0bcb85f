#pragma once
// Which permissions on the vault's secrets a principal has: access policies, beside the levels of /api/2.0/permissions/key-vaults.
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/metadata.h"
#include "http/principal.h"

namespace tarn::vault {

// get, list, set, delete, recover, backup, restore, purge
bool is_secret_permission(std::string_view name);

// Thread-safe.
class AccessPolicies {
 public:
  AccessPolicies(Metadata& metadata, std::string vault);
  std::vector<std::pair<int64_t, std::vector<std::string>>> all() const;          // by principal
  std::vector<std::string> of(int64_t principal) const;
  void replace(int64_t principal, const std::vector<std::string>& permissions);   // empty: the policy goes
  // Whether a policy of the caller or of one of his groups has the permission.
  bool allows(const http::Principal& caller, std::string_view permission) const;

 private:
  Metadata& metadata_;
  std::string vault_;
};

}  // namespace tarn::vault
