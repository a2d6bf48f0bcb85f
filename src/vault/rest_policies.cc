#include <algorithm>
#include <set>

#include "base/encoding.h"
#include "identity/families.h"
#include "vault/families.h"
#include "vault/secret_store.h"

namespace tarn::vault {
namespace {

using http::Call;
using http::Json;
using http::RestError;

Json policies_json(const AccessPolicies& policies, const identity::Directory& directory, const std::string& tenant) {
  Json list = Json::array();
  for (const auto& [principal, permissions] : policies.all()) {
    auto who = directory.get(principal);
    if (!who) continue;
    list.push_back({{"tenantId", tenant}, {"objectId", identity::object_id(*who)}, {"permissions", {{"secrets", permissions}, {"keys", Json::array()}, {"certificates", Json::array()}}}});
  }
  return list;
}

}  // namespace

void add_policy_routes(http::RouteTable& table, AccessPolicies& policies, const identity::Directory& directory, const std::string& vault, const std::string& tenant) {
  const std::string path = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.KeyVault/vaults/{vault}";
  auto check_vault = [vault](Call& call) {
    if (lower_ascii(call.in_path("vault")) != vault) throw RestError(404, "ResourceNotFound", "The vault " + call.in_path("vault").substr(0, 40) + " was not found.");
  };
  table.get(path, [&policies, &directory, vault, tenant, check_vault](Call& call) {
    check_vault(call);
    return http::json_response({{"id", call.request.path}, {"name", vault}, {"type", "Microsoft.KeyVault/vaults"}, {"location", "local"},
                                {"properties", {{"tenantId", tenant}, {"sku", {{"family", "A"}, {"name", "standard"}}}, {"enableSoftDelete", true}, {"softDeleteRetentionInDays", kRecoverableDays},
                                                {"accessPolicies", policies_json(policies, directory, tenant)}}}});
  }, http::Access::kAdmin);
  table.put(path + "/accessPolicies/{operation}", [&policies, &directory, tenant, check_vault](Call& call) {
    check_vault(call);
    std::string operation = lower_ascii(call.in_path("operation"));
    if (operation != "add" && operation != "replace" && operation != "remove") throw http::invalid_parameter("The operation is add, replace or remove.");
    const Json& properties = call.at("properties");
    const Json& entries = properties.is_object() && properties.contains("accessPolicies") ? properties["accessPolicies"] : Json();
    if (!entries.is_array()) throw http::invalid_parameter("properties.accessPolicies is missing.");
    std::vector<std::pair<int64_t, std::set<std::string>>> wanted;
    for (const auto& e : entries) {
      std::string oid = e.is_object() ? e.value("objectId", "") : "";
      auto who = identity::find_object(directory, oid);
      if (!who) throw RestError(400, "BadRequest", "There is no principal with the object ID " + oid.substr(0, 40) + ".");
      std::set<std::string> permissions;
      const Json given = e.value("permissions", Json::object());
      if (given.is_object() && given.contains("secrets")) {
        for (const auto& p : given["secrets"]) {
          std::string name = p.is_string() ? lower_ascii(p.get<std::string>()) : "";
          if (name == "all") {
            for (const char* each : {"get", "list", "set", "delete", "recover", "backup", "restore", "purge"}) permissions.insert(each);
          } else if (is_secret_permission(name)) {
            permissions.insert(name);
          } else {
            throw http::invalid_parameter("A permission on secrets is get, list, set, delete, recover, backup, restore, purge or all.");
          }
        }
      }
      wanted.emplace_back(who->id, std::move(permissions));
    }
    for (auto& [principal, permissions] : wanted) {
      auto now = policies.of(principal);
      std::set<std::string> result(now.begin(), now.end());
      if (operation == "replace") result = permissions;
      else if (operation == "add") result.insert(permissions.begin(), permissions.end());
      else if (permissions.empty()) result.clear();
      else for (const auto& p : permissions) result.erase(p);
      policies.replace(principal, {result.begin(), result.end()});
      call.audit.emplace_back("principal", std::to_string(principal));
    }
    return http::json_response({{"id", call.request.path}, {"type", "Microsoft.KeyVault/vaults/accessPolicies"},
                                {"properties", {{"accessPolicies", policies_json(policies, directory, tenant)}}}});
  }, http::Access::kAdmin);
}

}  // namespace tarn::vault
