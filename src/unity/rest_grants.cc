// /api/2.1/unity-catalog/permissions and effective-permissions.
#include <algorithm>
#include <cctype>

#include "base/encoding.h"
#include "unity/families.h"

namespace tarn::unity {
namespace {

using http::Call;
using http::Json;

Securable securable_of(Call& call, Unity& u) {
  Securable s{lower_ascii(call.in_path("type")), call.in_path("name")};
  static const std::string kKinds[] = {"metastore", "catalog", "schema", "table", "volume", "function"};
  if (std::find(std::begin(kKinds), std::end(kKinds), s.kind) == std::end(kKinds)) throw http::invalid_parameter("'" + s.kind.substr(0, 60) + "' is not a kind of securable.");
  if (s.kind == "metastore") s.name = "";
  if (!exists(u, s) || !u.grants.sees(call.caller, s, owners_of(u, s))) {
    std::string kind = s.kind;
    for (char& c : kind) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    throw http::RestError(404, kind + "_DOES_NOT_EXIST", kind + " '" + s.name.substr(0, 300) + "' does not exist.");
  }
  return s;
}

int64_t principal_of(Unity& u, const std::string& name) {
  using identity::Kind;
  for (Kind kind : {Kind::kUser, Kind::kServicePrincipal, Kind::kGroup}) {
    if (auto e = u.grants.directory().find(kind, name)) return e->id;
  }
  if (name == "account users") return u.grants.directory().users();
  throw http::RestError(404, "PRINCIPAL_DOES_NOT_EXIST", "Could not find principal with name " + name.substr(0, 200));
}

Json render(Call& call, Unity& u, const Securable& s) {
  std::string only = call.request.method == "GET" ? call.text("principal") : "";
  Json list = Json::array();
  for (const auto& [principal, privileges] : u.grants.direct(s)) {
    auto who = u.grants.directory().get(principal);
    if (who && (only.empty() || who->name == only)) list.push_back({{"principal", who->name}, {"privileges", privileges}});
  }
  return {{"privilege_assignments", list}};
}

}  // namespace

void add_grant_routes(http::RouteTable& table, Unity& u) {
  const std::string path = "/api/*/unity-catalog/permissions/{type}/{name}";
  table.get(path, [&u](Call& call) { return http::json_response(render(call, u, securable_of(call, u))); });
  table.patch(path, [&u](Call& call) {
    Securable s = securable_of(call, u);
    if (!u.grants.allows(call.caller, s, owners_of(u, s), "MANAGE")) throw http::permission_denied("User does not have MANAGE on " + s.kind + " '" + s.name + "'.");
    struct Change {
      int64_t principal;
      std::set<std::string> add, remove;
    };
    std::vector<Change> changes;  // all are checked before any is made
    const Json& wanted = call.at("changes");
    if (!wanted.is_null() && !wanted.is_array()) throw http::invalid_parameter("changes must be an array.");
    for (const auto& c : wanted.is_null() ? Json::array() : wanted) {
      Change change;
      change.principal = principal_of(u, c.is_object() ? c.value("principal", "") : "");
      for (auto [field, set] : {std::pair{"add", &change.add}, std::pair{"remove", &change.remove}}) {
        if (!c.contains(field)) continue;
        for (const auto& p : c[field]) {
          std::string name = p.is_string() ? p.get<std::string>() : "";
          if (!is_privilege(name)) throw http::invalid_parameter("'" + name.substr(0, 60) + "' is not a privilege.");
          set->insert(name);
        }
      }
      changes.push_back(std::move(change));
    }
    for (const auto& c : changes) u.grants.change(s, c.principal, c.add, c.remove);
    call.audit.emplace_back("securable", s.kind + " " + s.name);
    return http::json_response(render(call, u, s));
  });
  table.get("/api/*/unity-catalog/effective-permissions/{type}/{name}", [&u](Call& call) {
    Securable s = securable_of(call, u);
    std::string only = call.text("principal");
    std::map<std::string, Json> by_principal;
    for (const auto& at : lineage(s)) {
      for (const auto& [principal, privileges] : u.grants.direct(at)) {
        auto who = u.grants.directory().get(principal);
        if (!who || (!only.empty() && who->name != only)) continue;
        Json& list = by_principal.try_emplace(who->name, Json::array()).first->second;
        for (const auto& p : privileges) {
          Json j = {{"privilege", p}};
          if (at.kind != s.kind) {
            std::string kind = at.kind;
            for (char& c : kind) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
            j["inherited_from_type"] = kind;
            j["inherited_from_name"] = at.name;
          }
          list.push_back(std::move(j));
        }
      }
    }
    Json list = Json::array();
    for (auto& [name, privileges] : by_principal) list.push_back({{"principal", name}, {"privileges", privileges}});
    return http::json_response({{"privilege_assignments", list}});
  });
}

}  // namespace tarn::unity
