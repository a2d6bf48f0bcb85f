#include "base/metadata.h"

#include <sys/stat.h>

namespace tarn {

Metadata::Metadata(const std::string& file) : pool_(file) {
  auto db = pool_.lease();
  ::chmod(file.c_str(), 0600);
  db->execute("CREATE TABLE IF NOT EXISTS schema_version (room TEXT PRIMARY KEY, version INTEGER NOT NULL)");
}

void Metadata::migrate(std::string_view room, std::span<const char* const> steps) {
  auto db = pool_.lease();
  for (;;) {
    SqliteTransaction transaction(*db);
    int64_t version = 0;
    {
      SqliteStatement query(*db, "SELECT version FROM schema_version WHERE room = ?");
      query.bind(room);
      if (query.step()) version = query.integer(0);
    }
    auto known = static_cast<int64_t>(steps.size());
    if (version > known) throw SqliteError(0, std::string(room) + ": this database was written by a newer program");
    if (version == known) return;
    db->execute(steps[static_cast<size_t>(version)]);
    SqliteStatement(*db, "INSERT INTO schema_version VALUES (?, ?) ON CONFLICT (room) DO UPDATE SET version = excluded.version")
        .bind(room).bind(version + 1).run();
    transaction.commit();
  }
}

}  // namespace tarn
