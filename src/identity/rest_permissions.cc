// /api/2.0/permissions/{type}/{id}: one implementation for every kind of object that AccessControl knows.
#include <algorithm>
#include <map>

#include "identity/families.h"

namespace tarn::identity {
namespace {

using http::Call;

const ObjectType& type_of(const AccessControl& access, Call& call, ObjectRef* object) {
  *object = {call.in_path("type"), call.in_path("id")};
  const ObjectType* type = access.type(object->type);
  if (!type) throw http::invalid_parameter("'" + object->type.substr(0, 60) + "' is not a supported object type.");
  if (!type->exists(object->id)) throw http::not_found(type->singular + " " + object->id.substr(0, 80) + " does not exist.");
  return *type;
}

std::string path_of(const ObjectRef& o) { return "/" + o.type + "/" + o.id; }

Json render(const AccessControl& access, const ObjectType& type, const ObjectRef& object) {
  std::vector<AclEntry> entries = access.effective(object);
  if (type.admins_manage) {
    // Shown as inherited from the root of the family, as the service does.
    entries.push_back({access.directory().admins(), type.levels.back(), ObjectRef{type.type == "notebooks" || type.type == "files" ? "directories" : type.type, ""}});
  }
  Json list = Json::array();
  std::map<int64_t, size_t> place;
  for (const auto& e : entries) {
    auto who = access.directory().get(e.principal);
    if (!who) continue;
    auto [it, is_new] = place.emplace(e.principal, list.size());
    if (is_new) {
      Json item = {{who->kind == Kind::kUser ? "user_name" : who->kind == Kind::kGroup ? "group_name" : "service_principal_name", who->name},
                   {"all_permissions", Json::array()}};
      if (who->kind != Kind::kGroup) item["display_name"] = who->display_name;
      list.push_back(std::move(item));
    }
    Json permission = {{"permission_level", e.level}, {"inherited", e.inherited_from.has_value()}};
    if (e.inherited_from) permission["inherited_from_object"] = {path_of(*e.inherited_from)};
    list[it->second]["all_permissions"].push_back(std::move(permission));
  }
  return {{"object_id", path_of(object)}, {"object_type", type.singular}, {"access_control_list", list}};
}

std::vector<AclEntry> requested(const AccessControl& access, const ObjectType& type, Call& call) {
  std::vector<AclEntry> out;
  const Json& list = call.at("access_control_list");
  if (list.is_null()) return out;
  if (!list.is_array()) throw http::invalid_parameter("access_control_list must be an array.");
  for (const auto& item : list) {
    if (!item.is_object()) throw http::invalid_parameter("An entry of access_control_list must be an object.");
    AclEntry e;
    int named = 0;
    for (auto [field, kind] : {std::pair{"user_name", Kind::kUser}, std::pair{"group_name", Kind::kGroup}, std::pair{"service_principal_name", Kind::kServicePrincipal}}) {
      if (!item.contains(field) || !item[field].is_string()) continue;
      ++named;
      auto who = access.directory().find(kind, item[field].get<std::string>());
      if (!who) throw http::not_found("Principal " + item[field].get<std::string>().substr(0, 100) + " does not exist.");
      e.principal = who->id;
    }
    if (named != 1) throw http::invalid_parameter("An entry needs exactly one of user_name, group_name and service_principal_name.");
    e.level = item.contains("permission_level") && item["permission_level"].is_string() ? item["permission_level"].get<std::string>() : "";
    if (std::find(type.levels.begin(), type.levels.end(), e.level) == type.levels.end()) {
      throw http::invalid_parameter("'" + e.level.substr(0, 60) + "' is not a permission level of " + type.singular + ".");
    }
    out.push_back(std::move(e));
  }
  return out;
}

}  // namespace

void add_permission_routes(http::RouteTable& table, AccessControl& access) {
  const std::string path = "/api/*/permissions/{type}/{id}";
  table.get(path, [&access](Call& call) {
    ObjectRef object;
    const ObjectType& type = type_of(access, call, &object);
    access.require(call.caller, object, type.levels.front(), type.singular + " " + object.id);
    return http::json_response(render(access, type, object));
  });
  table.get(path + "/permissionLevels", [&access](Call& call) {
    ObjectRef object;
    const ObjectType& type = type_of(access, call, &object);
    access.require(call.caller, object, type.levels.front(), type.singular + " " + object.id);
    Json levels = Json::array();
    for (size_t i = 0; i < type.levels.size(); ++i) {
      levels.push_back({{"permission_level", type.levels[i]}, {"description", i < type.descriptions.size() ? type.descriptions[i] : type.levels[i]}});
    }
    return http::json_response({{"permission_levels", levels}});
  });
  auto change = [&access](Call& call, bool replace) {
    ObjectRef object;
    const ObjectType& type = type_of(access, call, &object);
    bool allowed = type.levels.size() == 1 ? call.caller.admin : access.allows(call.caller, object, type.levels.back());
    if (!allowed) throw http::permission_denied(call.caller.name + " does not have " + type.levels.back() + " permissions on " + type.singular + " " + object.id + ".");
    auto entries = requested(access, type, call);
    if (replace) access.replace(object, entries);
    else for (const auto& e : entries) access.grant(object, e.principal, e.level);
    call.audit.emplace_back("object", path_of(object));
    return http::json_response(render(access, type, object));
  };
  table.patch(path, [change](Call& call) { return change(call, false); });
  table.put(path, [change](Call& call) { return change(call, true); });
}

}  // namespace tarn::identity
