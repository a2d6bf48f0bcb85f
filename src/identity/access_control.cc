#include "identity/access_control.h"

#include <algorithm>

#include "http/rest_error.h"

namespace tarn::identity {
namespace {

constexpr const char* kSteps[] = {
    R"(CREATE TABLE acl (
         type TEXT NOT NULL, object TEXT NOT NULL, principal INTEGER NOT NULL REFERENCES principals (id) ON DELETE CASCADE,
         level TEXT NOT NULL, PRIMARY KEY (type, object, principal)) WITHOUT ROWID;)",
};
constexpr int kMaxDepth = 200;  // folders in folders

int position(const ObjectType& type, std::string_view level) {
  auto it = std::find(type.levels.begin(), type.levels.end(), level);
  return it == type.levels.end() ? -1 : static_cast<int>(it - type.levels.begin());
}

void put(Connection& db, const ObjectRef& o, int64_t principal, const std::string& level) {
  Statement(db, "INSERT INTO acl VALUES (?, ?, ?, ?) ON CONFLICT (type, object, principal) DO UPDATE SET level = excluded.level")
      .bind(o.type).bind(o.id).bind(principal).bind(level).run();
}

}  // namespace

AccessControl::AccessControl(Metadata& metadata, Directory& directory) : metadata_(metadata), directory_(directory) {
  metadata_.migrate("identity.access", kSteps);
}

void AccessControl::add_type(ObjectType type) {
  std::string name = type.type;
  types_.emplace(std::move(name), std::move(type));
}

const ObjectType* AccessControl::type(std::string_view name) const {
  auto it = types_.find(name);
  return it == types_.end() ? nullptr : &it->second;
}

std::vector<AclEntry> AccessControl::direct(const ObjectRef& object) const {
  auto db = metadata_.lease();
  Statement query(*db, "SELECT principal, level FROM acl WHERE type = ? AND object = ? ORDER BY principal");
  query.bind(object.type).bind(object.id);
  std::vector<AclEntry> out;
  while (query.step()) out.push_back({query.integer(0), query.text(1), std::nullopt});
  return out;
}

std::vector<AclEntry> AccessControl::effective(const ObjectRef& object) const {
  std::vector<AclEntry> out = direct(object);
  const ObjectType* t = type(object.type);
  std::optional<ObjectRef> at = object;
  for (int depth = 0; t && t->parent && depth < kMaxDepth; ++depth) {
    at = t->parent(at->id);
    if (!at) break;
    t = type(at->type);
    for (auto& e : direct(*at)) {
      e.inherited_from = *at;
      out.push_back(std::move(e));
    }
  }
  return out;
}

int AccessControl::level(const http::Principal& caller, const ObjectRef& object) const {
  const ObjectType* t = type(object.type);
  if (!t) return -1;
  if (caller.admin && t->admins_manage) return static_cast<int>(t->levels.size()) - 1;
  int best = -1;
  for (const auto& e : effective(object)) {
    if (caller.is(e.principal)) best = std::max(best, position(*t, e.level));
  }
  return best;
}

bool AccessControl::allows(const http::Principal& caller, const ObjectRef& object, std::string_view wanted) const {
  const ObjectType* t = type(object.type);
  int needed = t ? position(*t, wanted) : -1;
  return needed >= 0 && level(caller, object) >= needed;
}

void AccessControl::require(const http::Principal& caller, const ObjectRef& object, std::string_view wanted, const std::string& what) const {
  if (!allows(caller, object, wanted)) {
    throw http::permission_denied(caller.name + " does not have " + std::string(wanted) + " permissions on " + what + ".");
  }
}

void AccessControl::grant(const ObjectRef& object, int64_t principal, const std::string& level) {
  auto db = metadata_.lease();
  put(*db, object, principal, level);
}

bool AccessControl::revoke(const ObjectRef& object, int64_t principal) {
  auto db = metadata_.lease();
  Statement(*db, "DELETE FROM acl WHERE type = ? AND object = ? AND principal = ?").bind(object.type).bind(object.id).bind(principal).run();
  return db->changes() > 0;
}

void AccessControl::replace(const ObjectRef& object, const std::vector<AclEntry>& entries) {
  metadata_.transact("identity.access", [&](Connection& db) {
    Statement(db, "DELETE FROM acl WHERE type = ? AND object = ?").bind(object.type).bind(object.id).run();
    for (const auto& e : entries) put(db, object, e.principal, e.level);
  });
}

void AccessControl::forget(const ObjectRef& object) {
  auto db = metadata_.lease();
  Statement(*db, "DELETE FROM acl WHERE type = ? AND object = ?").bind(object.type).bind(object.id).run();
}

}  // namespace tarn::identity
