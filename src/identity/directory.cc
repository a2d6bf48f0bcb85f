#include "identity/directory.h"

#include <set>

#include "base/encoding.h"

namespace tarn::identity {
namespace {

constexpr const char* kSteps[] = {
    R"(CREATE TABLE principals (
         id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, name TEXT NOT NULL, display_name TEXT NOT NULL,
         active INTEGER NOT NULL, attributes TEXT NOT NULL, created_ms INTEGER NOT NULL);
       CREATE TABLE memberships (
         group_id INTEGER NOT NULL REFERENCES principals (id) ON DELETE CASCADE,
         member_id INTEGER NOT NULL REFERENCES principals (id) ON DELETE CASCADE, PRIMARY KEY (group_id, member_id)) WITHOUT ROWID;
       CREATE INDEX memberships_member ON memberships (member_id);)",
    "CREATE UNIQUE INDEX principals_name ON principals (kind, lower(name))",
};
constexpr std::string_view kColumns = "SELECT id, kind, name, display_name, active, attributes, created_ms FROM principals ";

Entry read(Statement& row) {
  Entry e;
  e.id = row.integer(0);
  e.kind = static_cast<Kind>(row.integer(1));
  e.name = row.text(2);
  e.display_name = row.text(3);
  e.active = row.integer(4) != 0;
  e.attributes = Json::parse(row.text(5), nullptr, false);
  e.created_ms = row.integer(6);
  return e;
}

std::vector<Entry> all(Statement& query) {
  std::vector<Entry> out;
  while (query.step()) out.push_back(read(query));
  return out;
}

std::optional<Entry> one(Statement& query) {
  if (!query.step()) return std::nullopt;
  return read(query);
}

std::string sql(std::string_view rest) { return std::string(kColumns) + std::string(rest); }

}  // namespace

Directory::Directory(Metadata& metadata) : metadata_(metadata) {
  metadata_.migrate("identity.directory", kSteps);
  for (auto [name, id] : {std::pair{"admins", &admins_}, std::pair{"users", &users_}}) {
    auto group = find(Kind::kGroup, name);
    if (!group) group = create({0, Kind::kGroup, name, name});
    if (!group) group = find(Kind::kGroup, name);   // another process made it meanwhile
    *id = group->id;
  }
}

bool Directory::empty() const {
  auto db = metadata_.lease();
  Statement query(*db, "SELECT 1 FROM principals WHERE kind = 0 LIMIT 1");
  return !query.step();
}

std::optional<Entry> Directory::get(int64_t id) const {
  auto db = metadata_.lease();
  Statement query(*db, sql("WHERE id = ?"));
  return one(query.bind(id));
}

std::optional<Entry> Directory::get(Kind kind, int64_t id) const {
  auto e = get(id);
  return e && e->kind == kind ? e : std::nullopt;
}

std::optional<Entry> Directory::find(Kind kind, std::string_view name) const {
  auto db = metadata_.lease();
  Statement query(*db, sql("WHERE kind = ? AND lower(name) = ?"));
  return one(query.bind(static_cast<int>(kind)).bind(lower_ascii(name)));
}

std::vector<Entry> Directory::list(Kind kind) const {
  auto db = metadata_.lease();
  Statement query(*db, sql("WHERE kind = ? ORDER BY id"));
  return all(query.bind(static_cast<int>(kind)));
}

std::optional<Entry> Directory::create(Entry e) {
  e.created_ms = now_ms();
  auto id = metadata_.transact("identity.directory", [&](Connection& db) {
    Statement insert(db, "INSERT INTO principals (kind, name, display_name, active, attributes, created_ms) VALUES (?, ?, ?, ?, ?, ?) "
                         "ON CONFLICT DO NOTHING RETURNING id");
    insert.bind(static_cast<int>(e.kind)).bind(e.name).bind(e.display_name).bind(e.active ? 1 : 0).bind(e.attributes.dump()).bind(e.created_ms);
    auto made = insert.returned();
    if (made && e.kind != Kind::kGroup) Statement(db, "INSERT INTO memberships VALUES (?, ?)").bind(users_).bind(*made).run();
    return made;
  });
  if (!id) return std::nullopt;
  e.id = *id;
  if (e.kind == Kind::kUser) {
    for (const auto& hook : hooks_) hook(e);
  }
  return e;
}

void Directory::update(const Entry& e) {
  auto db = metadata_.lease();
  Statement(*db, "UPDATE principals SET display_name = ?, active = ?, attributes = ?, name = CASE kind WHEN 2 THEN ? ELSE name END WHERE id = ?")
      .bind(e.display_name).bind(e.active ? 1 : 0).bind(e.attributes.dump()).bind(e.name).bind(e.id).run();
}

void Directory::remove(int64_t id) {
  auto db = metadata_.lease();
  Statement(*db, "DELETE FROM principals WHERE id = ?").bind(id).run();
}

std::vector<Entry> Directory::groups_of(int64_t member) const {
  auto db = metadata_.lease();
  Statement query(*db, sql("WHERE id IN (SELECT group_id FROM memberships WHERE member_id = ?) ORDER BY id"));
  return all(query.bind(member));
}

std::vector<Entry> Directory::members_of(int64_t group) const {
  auto db = metadata_.lease();
  Statement query(*db, sql("WHERE id IN (SELECT member_id FROM memberships WHERE group_id = ?) ORDER BY id"));
  return all(query.bind(group));
}

void Directory::add_member(int64_t group, int64_t member) {
  auto db = metadata_.lease();
  Statement(*db, "INSERT INTO memberships VALUES (?, ?) ON CONFLICT DO NOTHING").bind(group).bind(member).run();
}

void Directory::remove_member(int64_t group, int64_t member) {
  auto db = metadata_.lease();
  Statement(*db, "DELETE FROM memberships WHERE group_id = ? AND member_id = ?").bind(group).bind(member).run();
}

bool Directory::has_other_admin(int64_t id) const {
  for (Kind kind : {Kind::kUser, Kind::kServicePrincipal}) {
    for (const auto& e : list(kind)) {
      if (e.id == id || !e.active) continue;
      auto p = principal(e.id);
      if (p && p->admin) return true;
    }
  }
  return false;
}

std::optional<http::Principal> Directory::principal(int64_t id) const {
  auto entry = get(id);
  if (!entry || !entry->active || entry->kind == Kind::kGroup) return std::nullopt;
  http::Principal p;
  p.id = entry->id;
  p.name = entry->name;
  p.service = entry->kind == Kind::kServicePrincipal;
  auto db = metadata_.lease();
  Statement query(*db, "WITH RECURSIVE up (id) AS (SELECT group_id FROM memberships WHERE member_id = ? "
                       "UNION SELECT m.group_id FROM memberships m JOIN up ON m.member_id = up.id) SELECT id FROM up");
  query.bind(id);
  while (query.step()) p.groups.push_back(query.integer(0));
  p.admin = p.is(admins_);
  return p;
}

void Directory::on_user(std::function<void(const Entry&)> hook) {
  for (const auto& e : list(Kind::kUser)) hook(e);
  hooks_.push_back(std::move(hook));
}

}  // namespace tarn::identity
