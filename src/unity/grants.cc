#include "unity/grants.h"

#include <algorithm>

#include "base/encoding.h"

namespace tarn::unity {
namespace {

constexpr const char* kSteps[] = {
    R"(CREATE TABLE grants (
         kind TEXT NOT NULL, name TEXT NOT NULL, principal INTEGER NOT NULL REFERENCES principals (id) ON DELETE CASCADE, privilege TEXT NOT NULL,
         PRIMARY KEY (kind, name, principal, privilege)) WITHOUT ROWID;)",
};
constexpr std::string_view kLock = "unity.grants";
constexpr std::string_view kPrivileges[] = {
    "ALL_PRIVILEGES", "APPLY_TAG", "BROWSE", "CREATE_CATALOG", "CREATE_EXTERNAL_LOCATION", "CREATE_EXTERNAL_TABLE", "CREATE_EXTERNAL_VOLUME", "CREATE_FUNCTION",
    "CREATE_MANAGED_STORAGE", "CREATE_MATERIALIZED_VIEW", "CREATE_MODEL", "CREATE_SCHEMA", "CREATE_STORAGE_CREDENTIAL", "CREATE_TABLE", "CREATE_VOLUME", "EXECUTE",
    "MANAGE", "MODIFY", "READ_FILES", "READ_VOLUME", "REFRESH", "SELECT", "USE_CATALOG", "USE_SCHEMA", "WRITE_FILES", "WRITE_VOLUME", "EXTERNAL_USE_SCHEMA"};

}  // namespace

bool is_privilege(std::string_view name) { return std::find(std::begin(kPrivileges), std::end(kPrivileges), name) != std::end(kPrivileges); }

std::vector<Securable> lineage(const Securable& s) {
  std::vector<Securable> out = {s};
  std::string name = s.name;
  for (size_t dot; (dot = name.rfind('.')) != std::string::npos;) {
    name.resize(dot);
    out.push_back({name.find('.') == std::string::npos ? "catalog" : "schema", name});
  }
  if (s.kind != "metastore") out.push_back({"metastore", ""});
  return out;
}

Grants::Grants(Metadata& metadata, identity::Directory& directory) : metadata_(metadata), directory_(directory) { metadata_.migrate("unity.grants", kSteps); }

std::map<int64_t, std::set<std::string>> Grants::direct(const Securable& s) const {
  auto db = metadata_.lease();
  Statement query(*db, "SELECT principal, privilege FROM grants WHERE kind = ? AND name = ?");
  query.bind(s.kind).bind(lower_ascii(s.name));
  std::map<int64_t, std::set<std::string>> out;
  while (query.step()) out[query.integer(0)].insert(query.text(1));
  return out;
}

void Grants::change(const Securable& s, int64_t principal, const std::set<std::string>& add, const std::set<std::string>& remove) {
  metadata_.transact(kLock, [&](Connection& db) {
    for (const auto& p : remove) {
      Statement(db, "DELETE FROM grants WHERE kind = ? AND name = ? AND principal = ? AND privilege = ?").bind(s.kind).bind(lower_ascii(s.name)).bind(principal).bind(p).run();
    }
    for (const auto& p : add) {
      Statement(db, "INSERT INTO grants VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING").bind(s.kind).bind(lower_ascii(s.name)).bind(principal).bind(p).run();
    }
  });
}

void Grants::forget(const Securable& s) {
  auto db = metadata_.lease();
  std::string name = lower_ascii(s.name);
  Statement(*db, "DELETE FROM grants WHERE (kind = ? AND name = ?) OR (kind <> 'metastore' AND substr(name, 1, length(?)) = ?)")
      .bind(s.kind).bind(name).bind(name + ".").bind(name + ".").run();
}

void Grants::rename(const Securable& from, const Securable& to) {
  std::string before = lower_ascii(from.name), after = lower_ascii(to.name);
  if (before == after) return;
  metadata_.transact(kLock, [&](Connection& db) {
    // What was left under the new name by another object.
    Statement(db, "DELETE FROM grants WHERE kind = ? AND name = ? AND EXISTS (SELECT 1 FROM grants b WHERE b.kind = grants.kind AND b.name = ? "
                  "AND b.principal = grants.principal AND b.privilege = grants.privilege)")
        .bind(from.kind).bind(after).bind(before).run();
    Statement(db, "UPDATE grants SET name = ? WHERE kind = ? AND name = ?").bind(after).bind(from.kind).bind(before).run();
  });
}

bool Grants::owns(const http::Principal& caller, const std::vector<std::string>& owners) const {
  if (caller.admin) return true;
  for (const auto& owner : owners) {
    if (owner.empty()) continue;
    if (owner == caller.name) return true;
    auto group = directory_.find(identity::Kind::kGroup, owner);
    if (group && caller.is(group->id)) return true;
  }
  return false;
}

bool Grants::allows(const http::Principal& caller, const Securable& s, const std::vector<std::string>& owners, std::string_view privilege) const {
  if (owns(caller, owners)) return true;
  for (const auto& at : lineage(s)) {
    for (const auto& [principal, privileges] : direct(at)) {
      if (!caller.is(principal)) continue;
      if (privileges.contains(std::string(privilege)) || privileges.contains("MANAGE")) return true;
      if (privileges.contains("ALL_PRIVILEGES") && privilege != "MANAGE") return true;
    }
  }
  return false;
}

bool Grants::sees(const http::Principal& caller, const Securable& s, const std::vector<std::string>& owners) const {
  if (owns(caller, owners)) return true;
  for (const auto& at : lineage(s)) {
    for (const auto& [principal, privileges] : direct(at)) {
      if (caller.is(principal) && !privileges.empty()) return true;
    }
  }
  auto db = metadata_.lease();
  std::string below = lower_ascii(s.name) + ".";
  Statement query(*db, "SELECT DISTINCT principal FROM grants WHERE kind <> 'metastore' AND substr(name, 1, length(?)) = ?");
  query.bind(below).bind(below);
  while (query.step()) {
    if (caller.is(query.integer(0))) return true;
  }
  return false;
}

}  // namespace tarn::unity
