// /api/2.0/secrets: scopes, secrets and their access lists.
#include <algorithm>
#include <cctype>
#include <cstring>

#include "base/encoding.h"
#include "secrets/families.h"

namespace tarn::secrets {
namespace {

using http::Call;
using http::invalid_parameter;
using http::Json;
using identity::AccessControl;
using identity::Kind;
using identity::ObjectRef;

constexpr char kType[] = "secret-scopes";
constexpr size_t kMaxValue = 128 << 10;

bool is_name(const std::string& s, const char* more) {
  return !s.empty() && s.size() <= 128 && std::all_of(s.begin(), s.end(), [&](char c) { return std::isalnum(static_cast<unsigned char>(c)) || std::strchr(more, c); });
}

ObjectRef ref(const Scope& scope) { return {kType, std::to_string(scope.id)}; }

Scope require_scope(const Vault& vault, const std::string& name) {
  auto scope = vault.scope(name);
  if (!scope) throw http::not_found("Scope " + name.substr(0, 140) + " does not exist!");
  return *scope;
}

// The scope that a call names, for somebody with this permission.
Scope scope_for(Call& call, const Vault& vault, const AccessControl& access, const char* permission) {
  Scope scope = require_scope(vault, call.required_text("scope"));
  access.require(call.caller, ref(scope), permission, "the secret scope " + scope.name);
  call.audit.emplace_back("scope", scope.name);
  return scope;
}

std::string key_of(Call& call) {
  std::string key = call.text("key");
  if (!is_name(key, "-_.")) throw invalid_parameter("A secret key has 1 to 128 characters out of letters, digits, dashes, underscores and periods.");
  call.audit.emplace_back("key", key);
  return key;
}

int64_t principal_of(Call& call, const AccessControl& access) {
  std::string name = call.required_text("principal");
  for (Kind kind : {Kind::kUser, Kind::kServicePrincipal, Kind::kGroup}) {
    if (auto e = access.directory().find(kind, name)) return e->id;
  }
  throw http::not_found("Principal " + name.substr(0, 140) + " does not exist.");
}

http::RestError read_only() { return http::bad_request("The scope is backed by an Azure Key Vault: change its secrets there."); }

KeyVaultReader& key_vaults(const Vault& vault) {
  if (!vault.key_vaults()) throw http::RestError(501, "NOT_IMPLEMENTED", "This process does not read key vaults.");
  return *vault.key_vaults();
}

std::string secret_value(const Vault& vault, const Scope& scope, const std::string& key) {
  auto value = scope.key_vault ? key_vaults(vault).get(scope, key) : vault.get(scope, key);
  if (!value) throw http::not_found("Secret does not exist with scope: " + scope.name + " and key: " + key);
  return *value;
}

}  // namespace

std::string read_secret(const Vault& vault, const AccessControl& access, const http::Principal& caller, const std::string& scope_name, const std::string& key) {
  Scope scope = require_scope(vault, scope_name);
  access.require(caller, ref(scope), "READ", "the secret scope " + scope.name);
  return secret_value(vault, scope, key);
}

void add_secret_routes(http::RouteTable& table, Vault& vault, AccessControl& access) {
  access.add_type({kType, "secret-scope", {"READ", "WRITE", "MANAGE"},
                   [&vault](const std::string& id) {
                     auto all = vault.scopes();
                     return std::any_of(all.begin(), all.end(), [&](const Scope& s) { return std::to_string(s.id) == id; });
                   },
                   nullptr, true, {"Can list and read secrets", "Can also write secrets", "Can also change permissions"}});

  table.post("/api/*/secrets/scopes/create", [&](Call& call) {
    Scope scope;
    scope.name = call.text("scope");
    if (!is_name(scope.name, "-_.@")) {
      throw invalid_parameter("A scope name has 1 to 128 characters out of letters, digits, dashes, underscores, periods and @.");
    }
    std::string backend = call.text("scope_backend_type", "DATABRICKS");
    const Json& vault_metadata = call.at("backend_azure_keyvault");
    if (backend == "AZURE_KEYVAULT") {
      if (!vault_metadata.is_object()) throw invalid_parameter("backend_azure_keyvault is missing.");
      scope.key_vault = true;
      scope.resource_id = vault_metadata.value("resource_id", "");
      scope.dns_name = vault_metadata.value("dns_name", "");
      if (scope.resource_id.empty() || scope.dns_name.empty()) throw invalid_parameter("backend_azure_keyvault needs resource_id and dns_name.");
      key_vaults(vault).check_new_scope(call.caller, scope);
    } else if (backend != "DATABRICKS") {
      throw invalid_parameter("scope_backend_type must be DATABRICKS or AZURE_KEYVAULT.");
    }
    std::string manager = call.text("initial_manage_principal");
    if (!manager.empty() && manager != "users") throw invalid_parameter("initial_manage_principal must be users.");
    auto made = vault.create_scope(scope);
    if (!made) throw http::already_exists("Scope " + scope.name + " already exists!");
    access.grant(ref(*made), manager.empty() ? call.caller.id : access.directory().users(), "MANAGE");
    call.audit.emplace_back("scope", scope.name);
    return http::ok();
  });
  table.get("/api/*/secrets/scopes/list", [&](Call&) {
    Json list = Json::array();
    for (const auto& s : vault.scopes()) {
      Json j = {{"name", s.name}, {"backend_type", s.key_vault ? "AZURE_KEYVAULT" : "DATABRICKS"}};
      if (s.key_vault) j["keyvault_metadata"] = {{"resource_id", s.resource_id}, {"dns_name", s.dns_name}};
      list.push_back(std::move(j));
    }
    return http::json_response({{"scopes", list}});
  });
  table.post("/api/*/secrets/scopes/delete", [&](Call& call) {
    Scope scope = scope_for(call, vault, access, "MANAGE");
    vault.delete_scope(scope.id);
    access.forget(ref(scope));
    return http::ok();
  });

  table.post("/api/*/secrets/put", [&](Call& call) {
    Scope scope = scope_for(call, vault, access, "WRITE");
    if (scope.key_vault) throw read_only();
    std::string key = key_of(call);
    bool text = call.has("string_value"), raw = call.has("bytes_value");
    if (text == raw) throw http::malformed("Exactly one of string_value and bytes_value must be given.");
    std::string value = text ? call.text("string_value") : "";
    if (raw) {
      auto decoded = base64_decode(call.text("bytes_value"));
      if (!decoded) throw invalid_parameter("bytes_value is not valid base64.");
      value = std::move(*decoded);
    }
    if (value.size() > kMaxValue) throw invalid_parameter("A secret has at most 128 KB.");
    if (vault.put(scope, key, value) == Vault::Put::kFull) throw http::RestError(400, "RESOURCE_LIMIT_EXCEEDED", "A scope has at most 1000 secrets.");
    return http::ok();
  });
  http::Route get{"GET", "/api/*/secrets/get", [&](Call& call) {
    std::string key = key_of(call);  // first: the audit log names it also when the reading is refused
    Scope scope = scope_for(call, vault, access, "READ");
    std::string value = secret_value(vault, scope, key);
    vault.revealed(call.caller.id, value);
    return http::json_response({{"key", key}, {"value", base64_encode(value)}});
  }};
  get.audit_reads = true;
  table.add(std::move(get));
  table.get("/api/*/secrets/list", [&](Call& call) {
    Scope scope = scope_for(call, vault, access, "READ");
    Json list = Json::array();
    for (const auto& s : scope.key_vault ? key_vaults(vault).list(scope) : vault.list(scope)) list.push_back({{"key", s.key}, {"last_updated_timestamp", s.updated_ms}});
    return http::json_response({{"secrets", list}});
  });
  table.post("/api/*/secrets/delete", [&](Call& call) {
    Scope scope = scope_for(call, vault, access, "WRITE");
    if (scope.key_vault) throw read_only();
    std::string key = key_of(call);
    if (!vault.remove(scope, key)) throw http::not_found("Secret does not exist with scope: " + scope.name + " and key: " + key);
    return http::ok();
  });

  table.post("/api/*/secrets/acls/put", [&](Call& call) {
    Scope scope = scope_for(call, vault, access, "MANAGE");
    std::string permission = call.required_text("permission");
    const auto& levels = access.type(kType)->levels;
    if (std::find(levels.begin(), levels.end(), permission) == levels.end()) throw invalid_parameter("permission must be READ, WRITE or MANAGE.");
    access.grant(ref(scope), principal_of(call, access), permission);
    call.audit.emplace_back("principal", call.text("principal"));
    return http::ok();
  });
  auto acl = [&access](const Scope& scope) {
    Json list = Json::array();
    for (const auto& e : access.direct(ref(scope))) {
      if (auto who = access.directory().get(e.principal)) list.push_back({{"principal", who->name}, {"permission", e.level}});
    }
    return list;
  };
  table.get("/api/*/secrets/acls/list", [&vault, &access, acl](Call& call) {
    return http::json_response({{"items", acl(scope_for(call, vault, access, "MANAGE"))}});
  });
  table.get("/api/*/secrets/acls/get", [&vault, &access, acl](Call& call) {
    std::string principal = call.required_text("principal");
    for (const auto& item : acl(scope_for(call, vault, access, "MANAGE"))) {
      if (lower_ascii(item["principal"].get<std::string>()) == lower_ascii(principal)) return http::json_response(item);
    }
    throw http::not_found("Failed to get secret acl for " + principal.substr(0, 140) + ".");
  });
  table.post("/api/*/secrets/acls/delete", [&](Call& call) {
    Scope scope = scope_for(call, vault, access, "MANAGE");
    if (!access.revoke(ref(scope), principal_of(call, access))) throw http::not_found("Failed to delete secret acl: there is none for this principal.");
    return http::ok();
  });
}

}  // namespace tarn::secrets
