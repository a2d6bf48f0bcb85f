#include "workspace/mounts.h"

#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "base/log.h"

namespace tarn::workspace {
namespace {

constexpr const char* kSteps[] = {
    R"(CREATE TABLE mounts (
         path TEXT PRIMARY KEY, source TEXT NOT NULL, encryption_type TEXT NOT NULL, sealed BLOB NOT NULL, creator INTEGER NOT NULL,
         created_ms INTEGER NOT NULL) WITHOUT ROWID;)",
};

std::string sealed_name(const std::string& path) { return "mount" + path; }
MountInfo read(Statement& r) { return {r.text(0), r.text(1), r.text(2), r.integer(3), r.integer(4)}; }
constexpr const char* kColumns = "SELECT path, source, encryption_type, creator, created_ms FROM mounts ";

}  // namespace

Mounts::Mounts(Metadata& metadata, const secrets::Vault& vault) : metadata_(metadata), vault_(vault) { metadata_.migrate("workspace.mounts", kSteps); }

std::vector<MountInfo> Mounts::list() const {
  auto db = metadata_.lease();
  Statement query(*db, std::string(kColumns) + "ORDER BY path");
  std::vector<MountInfo> out;
  while (query.step()) out.push_back(read(query));
  return out;
}

std::optional<MountInfo> Mounts::find(const std::string& path) const {
  auto db = metadata_.lease();
  Statement query(*db, std::string(kColumns) + "WHERE path = ?");
  if (!query.bind(path).step()) return std::nullopt;
  return read(query);
}

std::optional<MountInfo> Mounts::above(const std::string& path) const {
  if (!path.starts_with("/mnt/")) return std::nullopt;
  for (std::string at = path; at.size() > 4; at.resize(at.rfind('/'))) {
    if (auto found = find(at)) return found;
  }
  return std::nullopt;
}

bool Mounts::put(const MountInfo& m, const std::map<std::string, std::string>& settings, bool update) {
  {
    auto db = metadata_.lease();
    std::string sql = "INSERT INTO mounts VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (path) DO ";
    sql += update ? "UPDATE SET source = excluded.source, encryption_type = excluded.encryption_type, sealed = excluded.sealed, creator = excluded.creator, "
                    "created_ms = excluded.created_ms"
                  : "NOTHING";
    Statement(*db, sql).bind(m.path).bind(m.source).bind(m.encryption_type).bind_blob(vault_.seal(nlohmann::json(settings).dump(), sealed_name(m.path)))
        .bind(m.creator).bind(m.created_ms).run();
    if (db->changes() == 0) return false;
  }
  ++version_;
  if (changed_) changed_();
  return true;
}

bool Mounts::remove(const std::string& path) {
  {
    auto db = metadata_.lease();
    Statement(*db, "DELETE FROM mounts WHERE path = ?").bind(path).run();
    if (db->changes() == 0) return false;
  }
  ++version_;
  if (changed_) changed_();
  return true;
}

std::vector<storage::Mount> Mounts::opened() const {
  std::vector<storage::Mount> out;
  auto db = metadata_.lease();
  Statement query(*db, "SELECT path, source, sealed FROM mounts ORDER BY path");
  while (query.step()) {
    storage::Mount m{query.text(0), query.text(1), {}};
    auto settings = vault_.open(query.text(2), sealed_name(m.path));
    if (!settings) {
      log::error("mount_does_not_open", {{"path", m.path}, {"hint", "it was made with another master key"}});
      continue;
    }
    m.settings = nlohmann::json::parse(*settings).get<std::map<std::string, std::string>>();
    out.push_back(std::move(m));
  }
  return out;
}

}  // namespace tarn::workspace
