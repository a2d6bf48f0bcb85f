#include "clusters/cluster_store.h"

#include <algorithm>

#include "base/encoding.h"
#include "base/log.h"

namespace tarn::clusters {
namespace {

constexpr const char* kSteps[] = {
    R"(CREATE TABLE clusters (
         id TEXT PRIMARY KEY, spec TEXT NOT NULL, creator INTEGER NOT NULL, state INTEGER NOT NULL, message TEXT NOT NULL, reason TEXT NOT NULL,
         created_ms INTEGER NOT NULL, started_ms INTEGER NOT NULL, terminated_ms INTEGER NOT NULL, active_ms INTEGER NOT NULL,
         pinned INTEGER NOT NULL, idempotency_token TEXT UNIQUE);
       CREATE TABLE cluster_events (
         seq INTEGER PRIMARY KEY AUTOINCREMENT, cluster TEXT NOT NULL REFERENCES clusters (id) ON DELETE CASCADE, timestamp_ms INTEGER NOT NULL,
         type TEXT NOT NULL, details TEXT NOT NULL);
       CREATE INDEX cluster_events_cluster ON cluster_events (cluster, seq);
       CREATE TABLE cluster_policies (
         id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, definition TEXT NOT NULL, description TEXT NOT NULL, creator INTEGER NOT NULL,
         created_ms INTEGER NOT NULL);)",
};
constexpr std::string_view kColumns =
    "SELECT id, spec, creator, state, message, reason, created_ms, started_ms, terminated_ms, active_ms, pinned FROM clusters ";

Cluster read(Statement& r) {
  Cluster c;
  c.id = r.text(0);
  c.spec = Json::parse(r.text(1), nullptr, false);
  c.creator = r.integer(2);
  c.state = static_cast<State>(r.integer(3));
  c.message = r.text(4);
  c.reason = Json::parse(r.text(5), nullptr, false);
  c.created_ms = r.integer(6);
  c.started_ms = r.integer(7);
  c.terminated_ms = r.integer(8);
  c.active_ms = r.integer(9);
  c.pinned = r.integer(10) != 0;
  return c;
}

constexpr std::string_view kEventColumns = "SELECT timestamp_ms, type, details, seq FROM cluster_events WHERE cluster = ? ";

std::vector<Event> read_events(Statement& query) {
  std::vector<Event> out;
  while (query.step()) out.push_back({query.integer(0), query.text(1), Json::parse(query.text(2), nullptr, false), query.integer(3)});
  return out;
}

Policy read_policy(Statement& r) { return {r.text(0), r.text(1), r.text(2), r.text(3), r.integer(4), r.integer(5)}; }

}  // namespace

const char* state_name(State state) {
  static constexpr const char* kNames[] = {"PENDING", "RUNNING", "RESTARTING", "RESIZING", "TERMINATING", "TERMINATED", "ERROR"};
  return kNames[static_cast<int>(state)];
}

ClusterStore::ClusterStore(Metadata& metadata) : metadata_(metadata) { metadata_.migrate("clusters", kSteps); }

std::vector<Cluster> ClusterStore::list() const {
  auto db = metadata_.lease();
  Statement query(*db, std::string(kColumns) + "ORDER BY created_ms DESC, id DESC");
  std::vector<Cluster> out;
  while (query.step()) out.push_back(read(query));
  return out;
}

std::optional<Cluster> ClusterStore::get(std::string_view id) const {
  auto db = metadata_.lease();
  Statement query(*db, std::string(kColumns) + "WHERE id = ?");
  if (!query.bind(id).step()) return std::nullopt;
  return read(query);
}

std::optional<Cluster> ClusterStore::by_idempotency_token(const std::string& token) const {
  auto db = metadata_.lease();
  Statement query(*db, std::string(kColumns) + "WHERE idempotency_token = ?");
  if (!query.bind(token).step()) return std::nullopt;
  return read(query);
}

void ClusterStore::insert(const Cluster& c, const std::string& token) {
  auto db = metadata_.lease();
  Statement statement(*db, "INSERT INTO clusters VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  statement.bind(c.id).bind(c.spec.dump()).bind(c.creator).bind(static_cast<int>(c.state)).bind(c.message).bind(c.reason.dump()).bind(c.created_ms)
      .bind(c.started_ms).bind(c.terminated_ms).bind(c.active_ms).bind(c.pinned ? 1 : 0);
  token.empty() ? statement.bind_null() : statement.bind(token);
  statement.run();
}

void ClusterStore::update(const Cluster& c) {
  auto db = metadata_.lease();
  Statement(*db, "UPDATE clusters SET spec = ?, state = ?, message = ?, reason = ?, started_ms = ?, terminated_ms = ?, "
                 "active_ms = CASE WHEN active_ms < ? THEN ? ELSE active_ms END, pinned = ? WHERE id = ?")
      .bind(c.spec.dump()).bind(static_cast<int>(c.state)).bind(c.message).bind(c.reason.dump()).bind(c.started_ms).bind(c.terminated_ms)
      .bind(c.active_ms).bind(c.active_ms).bind(c.pinned ? 1 : 0).bind(c.id).run();
}

void ClusterStore::touch(const std::string& id, int64_t active_ms) {
  auto db = metadata_.lease();
  Statement(*db, "UPDATE clusters SET active_ms = ? WHERE id = ? AND active_ms < ?").bind(active_ms).bind(id).bind(active_ms).run();
}

void ClusterStore::remove(const std::string& id) {
  auto db = metadata_.lease();
  Statement(*db, "DELETE FROM clusters WHERE id = ?").bind(id).run();
}

void ClusterStore::add_event(const std::string& id, const std::string& type, const Json& details) {
  try {
    auto db = metadata_.lease();
    Statement(*db, "INSERT INTO cluster_events (cluster, timestamp_ms, type, details) SELECT id, ?, ?, ? FROM clusters WHERE id = ?")
        .bind(now_ms()).bind(type).bind(details.dump()).bind(id).run();
  } catch (const DatabaseError& e) {
    if (!e.is_unavailable()) throw;
    log::warn("cluster_event_lost", {{"cluster", id}, {"type", type}, {"error", e.what()}});   // what it tells of goes on
  }
}

std::vector<Event> ClusterStore::events(const std::string& id) const {
  auto db = metadata_.lease();
  Statement query(*db, std::string(kEventColumns) + "ORDER BY seq");
  return read_events(query.bind(id));
}

std::vector<Event> ClusterStore::events_after(const std::string& id, int64_t seq, int limit) const {
  auto db = metadata_.lease();
  Statement query(*db, std::string(kEventColumns) + "AND seq > ? ORDER BY seq LIMIT ?");
  return read_events(query.bind(id).bind(seq).bind(limit));
}

std::vector<Event> ClusterStore::last_events(const std::string& id, int limit) const {
  auto db = metadata_.lease();
  Statement query(*db, std::string(kEventColumns) + "ORDER BY seq DESC LIMIT ?");
  auto out = read_events(query.bind(id).bind(limit));
  std::reverse(out.begin(), out.end());
  return out;
}

std::vector<Policy> ClusterStore::policies() const {
  auto db = metadata_.lease();
  Statement query(*db, "SELECT id, name, definition, description, creator, created_ms FROM cluster_policies ORDER BY name");
  std::vector<Policy> out;
  while (query.step()) out.push_back(read_policy(query));
  return out;
}

std::optional<Policy> ClusterStore::policy(std::string_view id) const {
  auto db = metadata_.lease();
  Statement query(*db, "SELECT id, name, definition, description, creator, created_ms FROM cluster_policies WHERE id = ?");
  if (!query.bind(id).step()) return std::nullopt;
  return read_policy(query);
}

bool ClusterStore::put_policy(const Policy& p) {
  auto db = metadata_.lease();
  try {
    Statement(*db, "INSERT INTO cluster_policies VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name, "
                   "definition = excluded.definition, description = excluded.description")
        .bind(p.id).bind(p.name).bind(p.definition).bind(p.description).bind(p.creator).bind(p.created_ms).run();
  } catch (const DatabaseError& e) {
    if (e.is_constraint()) return false;
    throw;
  }
  return true;
}

void ClusterStore::remove_policy(const std::string& id) {
  auto db = metadata_.lease();
  Statement(*db, "DELETE FROM cluster_policies WHERE id = ?").bind(id).run();
}

}  // namespace tarn::clusters
