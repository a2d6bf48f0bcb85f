#pragma once
#include "http/route.h"
#include "identity/access_control.h"
#include "secrets/vault.h"

namespace tarn::secrets {

// /api/2.0/secrets/…
void add_secret_routes(http::RouteTable& table, Vault& vault, identity::AccessControl& access);
// The value of scope/key for a caller with READ. RestError as of secrets/get.
std::string read_secret(const Vault& vault, const identity::AccessControl& access, const http::Principal& caller, const std::string& scope,
                        const std::string& key);

}  // namespace tarn::secrets
