#pragma once
#include "http/route.h"
#include "identity/directory.h"
#include "vault/access_policies.h"

namespace tarn::vault {

// The part of Azure Resource Manager that access policies need: reading the vault, and
// PUT /subscriptions/…/resourceGroups/…/providers/Microsoft.KeyVault/vaults/NAME/accessPolicies/add|replace|remove. Admins only.
void add_policy_routes(http::RouteTable& table, AccessPolicies& policies, const identity::Directory& directory, const std::string& vault, const std::string& tenant);

}  // namespace tarn::vault
