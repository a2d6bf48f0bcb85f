#include "base/metadata.h"

#include <sys/stat.h>

namespace tarn {
namespace {

constexpr size_t kIdleConnections = 16;   // as many as the listener has threads
constexpr std::string_view kSchemaLock = "schema";

}  // namespace

Metadata::Metadata(std::string database) : database_(std::move(database)), pool_([this] { return connect(); }, kIdleConnections) {
  pool_.lease();   // the file is there from here on
  if (!is_remote()) ::chmod(database_.c_str(), 0600);
  transact(kSchemaLock, [](Connection& db) {
    db.execute_schema("CREATE TABLE IF NOT EXISTS schema_version (room TEXT PRIMARY KEY, version INTEGER NOT NULL)");
  });
}

std::unique_ptr<Connection> Metadata::connect() const {
  return connect_database(database_, [this](Connection& connection) {
    std::shared_ptr<const std::function<void(Connection&)>> check;
    {
      std::lock_guard lock(mu_);
      check = check_;
    }
    if (check) (*check)(connection);
  });
}

void Metadata::admit_with(std::function<void(Connection&)> check) {
  {
    std::lock_guard lock(mu_);
    check_ = std::make_shared<const std::function<void(Connection&)>>(std::move(check));
  }
  disconnect();
}

void Metadata::migrate(std::string_view room, std::span<const char* const> steps) {
  const auto known = static_cast<int64_t>(steps.size());
  for (bool current = false; !current;) {
    current = transact(kSchemaLock, [&](Connection& db) {
      int64_t version = 0;
      Statement query(db, "SELECT version FROM schema_version WHERE room = ?");
      if (query.bind(room).step()) version = query.integer(0);
      query.run();
      if (version > known) throw DatabaseError("HY000", std::string(room) + ": this database was written by a newer program");
      if (version == known) return true;
      db.execute_schema(steps[static_cast<size_t>(version)]);
      Statement(db, "INSERT INTO schema_version VALUES (?, ?) ON CONFLICT (room) DO UPDATE SET version = excluded.version").bind(room).bind(version + 1).run();
      return false;
    });
  }
}

}  // namespace tarn
