// SCIM 2.0 (RFC 7643, 7644) under /api/2.0/preview/scim/v2: users, groups, service principals, and the caller.
#include <algorithm>
#include <charconv>

#include "base/encoding.h"
#include "base/ids.h"
#include "identity/families.h"
#include "identity/scim.h"

namespace tarn::identity {
namespace {

using http::Call;
using http::invalid_parameter;
using http::Response;
using http::RestError;

struct Resource {
  Kind kind;
  const char* plural;
  const char* schema;
  const char* name_field;    // what Entry::name is called; never changes for users and service principals
};
constexpr bool kUnchanged = true;   // stands for a password in what PATCH works on
constexpr Resource kResources[] = {
    {Kind::kUser, "Users", "urn:ietf:params:scim:schemas:core:2.0:User", "userName"},
    {Kind::kServicePrincipal, "ServicePrincipals", "urn:ietf:params:scim:schemas:core:2.0:ServicePrincipal", "applicationId"},
    {Kind::kGroup, "Groups", "urn:ietf:params:scim:schemas:core:2.0:Group", "displayName"},
};

const Resource& resource_of(Kind kind) { return kResources[kind == Kind::kUser ? 0 : kind == Kind::kServicePrincipal ? 1 : 2]; }
std::string ref(const Entry& e) { return std::string(resource_of(e.kind).plural) + "/" + std::to_string(e.id); }

Json references(const std::vector<Entry>& entries, const char* type) {
  Json out = Json::array();
  for (const auto& e : entries) {
    Json r = {{"value", std::to_string(e.id)}, {"display", e.kind == Kind::kGroup ? e.name : e.display_name}, {"$ref", ref(e)}};
    if (type) r["type"] = type;
    out.push_back(std::move(r));
  }
  return out;
}

// What the entry itself has.
Json render_plain(const Entry& e) {
  const Resource& resource = resource_of(e.kind);
  Json j = e.attributes.is_object() ? e.attributes : Json::object();
  j["schemas"] = {resource.schema};
  j["id"] = std::to_string(e.id);
  j["displayName"] = e.kind == Kind::kGroup ? e.name : e.display_name;
  j[resource.name_field] = e.name;
  if (e.kind == Kind::kGroup) j["meta"] = {{"resourceType", "WorkspaceGroup"}};
  else j["active"] = e.active;
  return j;
}

// What other entries say of it: two queries.
void add_references(const Directory& directory, const Entry& e, Json* j) {
  (*j)["groups"] = references(directory.groups_of(e.id), "direct");
  if (e.kind == Kind::kGroup) (*j)["members"] = references(directory.members_of(e.id), nullptr);
}

Json render(const Directory& directory, const Entry& e) {
  Json j = render_plain(e);
  add_references(directory, e, &j);
  return j;
}

int64_t id_of(const std::string& text) {
  int64_t id = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), id);
  return ec == std::errc() && end == text.data() + text.size() ? id : -1;
}

Entry require(const Directory& directory, Kind kind, const std::string& id) {
  auto e = directory.get(kind, id_of(id));
  if (!e) throw RestError(404, "RESOURCE_DOES_NOT_EXIST", std::string(resource_of(kind).plural) + " with id " + id.substr(0, 40) + " not found");
  return *e;
}

// Only what "attributes" or "excludedAttributes" leaves.
void select(Json& j, const std::string& wanted, const std::string& excluded) {
  auto names = [](const std::string& list) {
    std::vector<std::string> out;
    for (size_t at = 0; at <= list.size();) {
      size_t end = std::min(list.find(',', at), list.size());
      std::string name = lower_ascii(list.substr(at, end - at));
      name.erase(std::remove(name.begin(), name.end(), ' '), name.end());
      if (!name.empty()) out.push_back(name.substr(0, name.find('.')));
      at = end + 1;
    }
    return out;
  };
  auto in = [](const std::vector<std::string>& list, const std::string& key) { return std::find(list.begin(), list.end(), lower_ascii(key)) != list.end(); };
  auto keep = names(wanted), drop = names(excluded);
  for (auto it = j.begin(); it != j.end();) {
    bool goes = it.key() != "id" && it.key() != "schemas" && ((!keep.empty() && !in(keep, it.key())) || in(drop, it.key()));
    it = goes ? j.erase(it) : std::next(it);
  }
}

Response list(Call& call, const Directory& directory, Kind kind) {
  int64_t start = std::max<int64_t>(1, call.integer("startIndex", 1)), count = call.integer("count", 100);
  if (count < 0) throw invalid_parameter("count must not be negative.");
  std::string filter_text = call.text("filter"), sort = call.text("sortBy");
  ScimFilter filter = filter_text.empty() ? ScimFilter() : parse_scim_filter(filter_text);
  // References cost queries: unless they decide what is found, they are looked up for the page alone.
  std::string deciding = lower_ascii(filter_text + " " + sort);
  bool early = deciding.find("groups") != std::string::npos || deciding.find("members") != std::string::npos;
  auto entries = directory.list(kind);
  std::vector<std::pair<Json, const Entry*>> found;
  for (const auto& e : entries) {
    if (!filter && sort.empty()) {
      found.emplace_back(Json(), &e);
      continue;
    }
    Json j = early ? render(directory, e) : render_plain(e);
    if (!filter || filter(j)) found.emplace_back(std::move(j), &e);
  }
  if (!sort.empty()) {
    auto key = [&](const Json& j) {
      auto it = std::find_if(j.items().begin(), j.items().end(), [&](const auto& x) { return lower_ascii(x.key()) == lower_ascii(sort); });
      return it == j.items().end() ? std::string() : lower_ascii(it.value().is_string() ? it.value().template get<std::string>() : it.value().dump());
    };
    std::stable_sort(found.begin(), found.end(), [&](const auto& a, const auto& b) { return key(a.first) < key(b.first); });
    if (call.text("sortOrder") == "descending") std::reverse(found.begin(), found.end());
  }
  Json page = Json::array();
  for (size_t i = static_cast<size_t>(start - 1); i < found.size() && static_cast<int64_t>(page.size()) < count; ++i) {
    Json j = render(directory, *found[i].second);
    select(j, call.text("attributes"), call.text("excludedAttributes"));
    page.push_back(std::move(j));
  }
  return http::json_response({{"schemas", {"urn:ietf:params:scim:api:messages:2.0:ListResponse"}}, {"totalResults", found.size()},
                              {"startIndex", start}, {"itemsPerPage", page.size()}, {"Resources", std::move(page)}});
}

// What a client may set, taken over into the entry; what it may not is passed over, as the service does.
void take_over(Entry& e, const Json& j) {
  auto text = [&](const char* name) { return j.contains(name) && j[name].is_string() ? j[name].get<std::string>() : std::string(); };
  if (e.kind != Kind::kGroup) {
    e.display_name = text("displayName");
    if (j.contains("active") && !j["active"].is_null()) {
      const Json& a = j["active"];
      if (a.is_boolean()) e.active = a.get<bool>();
      else if (a.is_string() && (lower_ascii(a.get<std::string>()) == "true" || lower_ascii(a.get<std::string>()) == "false")) e.active = lower_ascii(a.get<std::string>()) == "true";
      else throw invalid_parameter("active must be true or false.");
    }
  } else if (!text("displayName").empty()) {
    e.name = e.display_name = text("displayName");
  }
  for (const char* field : {"entitlements", "roles", "externalId", "name"}) {
    if (j.contains(field) && !j[field].is_null()) e.attributes[field] = j[field];
    else e.attributes.erase(field);
  }
  if (e.kind == Kind::kUser && !e.attributes.contains("emails")) {
    e.attributes["emails"] = Json::array({{{"type", "work"}, {"value", e.name}, {"primary", true}}});
  }
  if (e.kind == Kind::kUser && e.display_name.empty()) {
    const Json& n = e.attributes.contains("name") ? e.attributes["name"] : Json::object();
    std::string given = n.is_object() ? n.value("givenName", "") : "", family = n.is_object() ? n.value("familyName", "") : "";
    e.display_name = !given.empty() && !family.empty() ? given + " " + family : given + family;
    if (e.display_name.empty()) e.display_name = e.name;
  }
}

void set_members(Directory& directory, const Entry& group, const Json& j) {
  if (!j.contains("members")) return;
  const Json& members = j["members"];
  std::vector<int64_t> wanted;
  if (members.is_array()) {
    for (const auto& m : members) {
      std::string value = m.is_object() && m.contains("value") ? (m["value"].is_string() ? m["value"].get<std::string>() : m["value"].dump()) : "";
      int64_t id = id_of(value);
      if (!directory.get(id)) throw invalid_parameter("The member " + value.substr(0, 40) + " does not exist.");
      if (id == group.id) throw invalid_parameter("A group cannot be a member of itself.");
      wanted.push_back(id);
    }
  }
  for (const auto& m : directory.members_of(group.id)) {
    if (std::find(wanted.begin(), wanted.end(), m.id) != wanted.end()) continue;
    if (group.id == directory.users() && m.kind != Kind::kGroup) throw invalid_parameter("Every user is a member of the group users.");
    if (group.id == directory.admins() && !directory.has_other_admin(m.id)) throw invalid_parameter("The last admin cannot leave the group admins.");
    directory.remove_member(group.id, m.id);
  }
  for (int64_t id : wanted) directory.add_member(group.id, id);
}

// The attribute "password" (RFC 7643, 4.1.1) is only written. nullopt: the request leaves it as it is; "": it takes it away.
std::optional<std::string> wanted_password(const Json& j, Kind kind) {
  for (const auto& [name, value] : j.items()) {
    if (lower_ascii(name) != "password" || value == Json(kUnchanged)) continue;
    if (kind != Kind::kUser) throw invalid_parameter("Only users have passwords.");
    if (!value.is_null() && !value.is_string()) throw invalid_parameter("password must be a string.");
    return value.is_null() ? std::string() : value.get<std::string>();
  }
  return std::nullopt;
}

void set_password(Call& call, SignIn& sign_in, const Entry& user, const std::string& password) {
  if (password.empty()) {
    sign_in.passwords.remove(user.id);
    sign_in.sessions.end_all(user.id);
  } else {
    change_password(sign_in, user, password, call.caller.session);
  }
  call.audit.emplace_back("password", password.empty() ? "removed" : "changed");
}

Response create(Call& call, Directory& directory, SignIn& sign_in, Kind kind) {
  const Resource& resource = resource_of(kind);
  Entry e;
  e.kind = kind;
  if (kind == Kind::kServicePrincipal) {
    e.name = call.text("applicationId");
    if (e.name.empty()) e.name = random_uuid();
    if (!is_uuid(e.name)) throw invalid_parameter("applicationId must be a UUID.");
  } else {
    e.name = call.required_text(resource.name_field);
  }
  if (e.name.size() > 255 || e.name.find_first_of("/\\\n\r") != std::string::npos || e.name == "." || e.name == "..") {
    throw invalid_parameter(std::string(resource.name_field) + " is not valid.");
  }
  if (kind == Kind::kUser && e.name.find('@') == std::string::npos) throw invalid_parameter("userName must be an email address.");
  take_over(e, call.fields);
  auto password = wanted_password(call.fields, kind);
  if (password && password->empty()) password.reset();
  if (auto why = password ? Passwords::objection(*password, e.name) : std::nullopt) throw invalid_parameter(*why);
  auto made = directory.create(e);
  if (!made) throw RestError(409, "RESOURCE_CONFLICT", std::string(resource.name_field) + " " + e.name + " already exists in this workspace.");
  if (kind == Kind::kGroup) set_members(directory, *made, call.fields);
  call.audit.emplace_back(resource.name_field, e.name);
  if (password) set_password(call, sign_in, *made, *password);
  return http::json_response(render(directory, *made), 201);
}

Response replace(Call& call, Directory& directory, SignIn& sign_in, Entry e, const Json& wanted, int status) {
  bool was_active = e.active;
  auto password = wanted_password(wanted, e.kind);
  if (auto why = password && !password->empty() ? Passwords::objection(*password, e.name) : std::nullopt) throw invalid_parameter(*why);
  if (e.kind == Kind::kGroup && (e.id == directory.admins() || e.id == directory.users()) && wanted.contains("displayName") && wanted["displayName"] != e.name) {
    throw invalid_parameter("The group " + e.name + " cannot be renamed.");
  }
  take_over(e, wanted);
  if (was_active && !e.active && !directory.has_other_admin(e.id)) throw invalid_parameter("The last admin cannot be made inactive.");
  if (e.kind == Kind::kGroup) {
    auto other = directory.find(Kind::kGroup, e.name);
    if (other && other->id != e.id) throw RestError(409, "RESOURCE_CONFLICT", "The group " + e.name + " already exists.");
  }
  directory.update(e);
  if (password) set_password(call, sign_in, e, *password);
  if (was_active && !e.active) sign_in.sessions.end_all(e.id);   // they do not come back with the user
  if (e.kind == Kind::kGroup) set_members(directory, e, wanted);
  return http::json_response(render(directory, *directory.get(e.id)), status);
}

Response remove(Call& call, Directory& directory, Kind kind) {
  Entry e = require(directory, kind, call.in_path("id"));
  if (e.id == directory.admins() || e.id == directory.users()) throw invalid_parameter("The group " + e.name + " cannot be deleted.");
  if (kind != Kind::kGroup && !directory.has_other_admin(e.id)) throw invalid_parameter("The last admin cannot be deleted.");
  call.audit.emplace_back(resource_of(kind).name_field, e.name);
  directory.remove(e.id);
  Response r;
  r.status = 204;
  return r;
}

}  // namespace

void add_scim_routes(http::RouteTable& table, Directory& directory, SignIn& sign_in) {
  auto add = [&](const char* method, std::string path, http::Access access, http::RouteHandler handler) {
    http::Route r{method, "/api/*/preview/scim/v2" + path, std::move(handler), access, http::ErrorShape::kScim};
    table.add(std::move(r));
  };
  using http::Access;
  add("GET", "/Me", Access::kUser, [&directory](Call& call) {
    Json me = render(directory, *directory.get(call.caller.id));
    me["groups"] = Json::array();
    for (int64_t id : call.caller.groups) {
      if (auto g = directory.get(id)) me["groups"].push_back({{"value", std::to_string(id)}, {"display", g->name}, {"type", "direct"}, {"$ref", ref(*g)}});
    }
    if (call.caller.service) me["userName"] = call.caller.name;
    return http::json_response(me);
  });
  for (const Resource& resource : kResources) {
    std::string path = "/" + std::string(resource.plural);
    Kind kind = resource.kind;
    add("GET", path, Access::kUser, [&directory, kind](Call& call) { return list(call, directory, kind); });
    add("POST", path, Access::kAdmin, [&directory, &sign_in, kind](Call& call) { return create(call, directory, sign_in, kind); });
    add("GET", path + "/{id}", Access::kUser, [&directory, kind](Call& call) {
      Json j = render(directory, require(directory, kind, call.in_path("id")));
      select(j, call.text("attributes"), call.text("excludedAttributes"));
      return http::json_response(j);
    });
    add("PUT", path + "/{id}", Access::kAdmin, [&directory, &sign_in, kind](Call& call) {
      return replace(call, directory, sign_in, require(directory, kind, call.in_path("id")), call.fields, 200);
    });
    add("PATCH", path + "/{id}", Access::kAdmin, [&directory, &sign_in, kind](Call& call) {
      Entry e = require(directory, kind, call.in_path("id"));
      Json wanted = render(directory, e);
      if (kind == Kind::kUser) wanted["password"] = kUnchanged;
      apply_scim_patch(wanted, call.at("Operations"));
      return replace(call, directory, sign_in, e, wanted, 200);
    });
    add("DELETE", path + "/{id}", Access::kAdmin, [&directory, kind](Call& call) { return remove(call, directory, kind); });
  }
}

// The API of groups before SCIM: /api/2.0/groups/….
void add_group_routes(http::RouteTable& table, Directory& directory) {
  auto group_of = [&directory](Call& call, const char* field) {
    auto g = directory.find(Kind::kGroup, call.required_text(field));
    if (!g) throw http::not_found("Group " + call.text(field) + " does not exist.");
    return *g;
  };
  auto member_of = [&directory](Call& call) {
    bool user = call.has("user_name");
    auto e = directory.find(user ? Kind::kUser : Kind::kGroup, user ? call.text("user_name") : call.required_text("group_name"));
    if (!e) throw http::not_found("The user or group does not exist.");
    return *e;
  };
  table.get("/api/*/groups/list", [&directory](Call&) {
    Json names = Json::array();
    for (const auto& g : directory.list(Kind::kGroup)) names.push_back(g.name);
    return http::json_response({{"group_names", names}});
  });
  table.get("/api/*/groups/list-members", [&directory, group_of](Call& call) {
    Json members = Json::array();
    for (const auto& m : directory.members_of(group_of(call, "group_name").id)) members.push_back({{m.kind == Kind::kGroup ? "group_name" : "user_name", m.name}});
    return http::json_response({{"members", members}});
  });
  table.get("/api/*/groups/list-parents", [&directory, member_of](Call& call) {
    Json names = Json::array();
    for (const auto& g : directory.groups_of(member_of(call).id)) names.push_back(g.name);
    return http::json_response({{"group_names", names}});
  });
  table.post("/api/*/groups/create", [&directory](Call& call) {
    std::string name = call.required_text("group_name");
    if (!directory.create({0, Kind::kGroup, name, name})) throw http::already_exists("Group " + name + " already exists.");
    return http::json_response({{"group_name", name}});
  }, http::Access::kAdmin);
  auto change = [&directory, group_of, member_of](Call& call, bool add) {
    Entry g = group_of(call, "parent_name");
    Json wanted = render(directory, g);
    Json op = {{"op", add ? "add" : "remove"}, {"path", "members"}, {"value", Json::array({{{"value", std::to_string(member_of(call).id)}}})}};
    apply_scim_patch(wanted, Json::array({op}));
    set_members(directory, g, wanted);
    return http::ok();
  };
  table.post("/api/*/groups/add-member", [change](Call& call) { return change(call, true); }, http::Access::kAdmin);
  table.post("/api/*/groups/remove-member", [change](Call& call) { return change(call, false); }, http::Access::kAdmin);
  table.post("/api/*/groups/delete", [&directory, group_of](Call& call) {
    Entry g = group_of(call, "group_name");
    if (g.id == directory.admins() || g.id == directory.users()) throw invalid_parameter("The group " + g.name + " cannot be deleted.");
    directory.remove(g.id);
    return http::ok();
  }, http::Access::kAdmin);
}

}  // namespace tarn::identity
