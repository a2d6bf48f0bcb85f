#include "vault/secret_store.h"

#include "base/encoding.h"

namespace tarn::vault {
namespace {

using nlohmann::json;

constexpr const char* kSteps[] = {
    R"(CREATE TABLE key_vault_secrets (
         id INTEGER PRIMARY KEY AUTOINCREMENT, vault TEXT NOT NULL, name TEXT NOT NULL, deleted INTEGER, purge INTEGER);
       CREATE TABLE key_vault_versions (
         row INTEGER PRIMARY KEY AUTOINCREMENT, secret INTEGER NOT NULL REFERENCES key_vault_secrets (id) ON DELETE CASCADE, version TEXT NOT NULL,
         sealed BLOB NOT NULL, content_type TEXT NOT NULL, tags TEXT NOT NULL, enabled INTEGER NOT NULL, not_before INTEGER, expires INTEGER,
         created INTEGER NOT NULL, updated INTEGER NOT NULL, UNIQUE (secret, version));)",
    "CREATE UNIQUE INDEX key_vault_secrets_name ON key_vault_secrets (vault, lower(name))",
};

constexpr const char* kColumns = "SELECT v.row, s.name, v.version, v.sealed, v.content_type, v.tags, v.enabled, v.not_before, v.expires, v.created, v.updated, "
                                 "s.deleted, s.purge FROM key_vault_versions v JOIN key_vault_secrets s ON s.id = v.secret ";
constexpr const char* kIsLatest = "v.row = (SELECT max(row) FROM key_vault_versions WHERE secret = s.id) ";

SecretVersion read(const Statement& q) {
  SecretVersion s;
  s.row = q.integer(0);
  s.name = q.text(1);
  s.version = q.text(2);
  s.content_type = q.text(4);
  s.tags = json::parse(q.text(5)).get<std::map<std::string, std::string>>();
  s.enabled = q.integer(6) != 0;
  if (!q.is_null(7)) s.not_before = q.integer(7);
  if (!q.is_null(8)) s.expires = q.integer(8);
  s.created = q.integer(9);
  s.updated = q.integer(10);
  return s;
}

void bind_optional(Statement& q, const std::optional<int64_t>& v) { v ? q.bind(*v) : q.bind_null(); }

// The number of its row.
int64_t insert_version(Connection& db, int64_t secret, const SecretVersion& s, const std::string& sealed) {
  Statement insert(db, "INSERT INTO key_vault_versions (secret, version, sealed, content_type, tags, enabled, not_before, expires, created, updated) "
                       "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING row");
  insert.bind(secret).bind(s.version).bind_blob(sealed).bind(s.content_type).bind(json(s.tags).dump()).bind(s.enabled ? 1 : 0);
  bind_optional(insert, s.not_before);
  bind_optional(insert, s.expires);
  return insert.bind(s.created).bind(s.updated).returned().value();
}

}  // namespace

SecretStore::SecretStore(Metadata& metadata, const secrets::MasterKey& key, std::string vault) : metadata_(metadata), key_(key), vault_(std::move(vault)) {
  metadata_.migrate("vault", kSteps);
}

std::string SecretStore::sealed_name(const std::string& name, const std::string& version) const {
  return "key vault/" + lower_ascii(vault_) + "/" + lower_ascii(name) + "/" + version;
}

void SecretStore::sweep(Connection& db) const {
  Statement(db, "DELETE FROM key_vault_secrets WHERE purge IS NOT NULL AND purge < ?").bind(now_ms() / 1000).run();
}

State SecretStore::state(const std::string& name) const {
  auto db = metadata_.lease();
  sweep(*db);
  Statement q(*db, "SELECT deleted FROM key_vault_secrets WHERE vault = ? AND lower(name) = ?");
  if (!q.bind(vault_).bind(lower_ascii(name)).step()) return State::kNone;
  return q.is_null(0) ? State::kActive : State::kDeleted;
}

SecretVersion SecretStore::set(SecretVersion s) {
  s.version = random_hex(16);
  s.created = s.updated = now_ms() / 1000;
  metadata_.transact("vault", [&](Connection& db) {
    Statement(db, "INSERT INTO key_vault_secrets (vault, name) VALUES (?, ?) ON CONFLICT DO NOTHING").bind(vault_).bind(s.name).run();
    Statement id(db, "SELECT id, name FROM key_vault_secrets WHERE vault = ? AND lower(name) = ? AND deleted IS NULL");
    if (!id.bind(vault_).bind(lower_ascii(s.name)).step()) throw std::runtime_error("the secret was deleted meanwhile");
    s.name = id.text(1);   // as it was first written
    s.row = insert_version(db, id.integer(0), s, key_.seal(s.value, sealed_name(s.name, s.version)));
  });
  return s;
}

std::optional<SecretVersion> SecretStore::get(const std::string& name, const std::string& version, bool with_value) const {
  auto db = metadata_.lease();
  Statement q(*db, std::string(kColumns) + "WHERE s.vault = ? AND lower(s.name) = ? AND s.deleted IS NULL AND (? = '' OR v.version = ?) ORDER BY v.row DESC LIMIT 1");
  std::string wanted = lower_ascii(version);
  if (!q.bind(vault_).bind(lower_ascii(name)).bind(wanted).bind(wanted).step()) return std::nullopt;
  SecretVersion s = read(q);
  if (with_value) {
    auto value = key_.open(q.text(3), sealed_name(s.name, s.version));
    if (!value) throw std::runtime_error("a secret of the key vault cannot be opened: was it sealed with another master key?");
    s.value = std::move(*value);
  }
  return s;
}

void SecretStore::update(const SecretVersion& s) {
  auto db = metadata_.lease();
  Statement q(*db, "UPDATE key_vault_versions SET content_type = ?, tags = ?, enabled = ?, not_before = ?, expires = ?, updated = ? WHERE row = ?");
  q.bind(s.content_type).bind(json(s.tags).dump()).bind(s.enabled ? 1 : 0);
  bind_optional(q, s.not_before);
  bind_optional(q, s.expires);
  q.bind(s.updated).bind(s.row).run();
}

std::vector<SecretVersion> SecretStore::versions(const std::string& name, const std::string& after, size_t limit) const {
  auto db = metadata_.lease();
  Statement q(*db, std::string(kColumns) + "WHERE s.vault = ? AND lower(s.name) = ? AND s.deleted IS NULL AND v.version > ? ORDER BY v.version LIMIT ?");
  q.bind(vault_).bind(lower_ascii(name)).bind(after).bind(static_cast<int64_t>(limit));
  std::vector<SecretVersion> out;
  while (q.step()) out.push_back(read(q));
  return out;
}

std::vector<SecretVersion> SecretStore::latest(const std::string& after, size_t limit) const {
  auto db = metadata_.lease();
  Statement q(*db, std::string(kColumns) + "WHERE s.vault = ? AND s.deleted IS NULL AND lower(s.name) > ? AND " + kIsLatest + "ORDER BY lower(s.name) LIMIT ?");
  q.bind(vault_).bind(lower_ascii(after)).bind(static_cast<int64_t>(limit));
  std::vector<SecretVersion> out;
  while (q.step()) out.push_back(read(q));
  return out;
}

std::optional<DeletedSecret> SecretStore::remove(const std::string& name) {
  int64_t now = now_ms() / 1000;
  {
    auto db = metadata_.lease();
    Statement(*db, "UPDATE key_vault_secrets SET deleted = ?, purge = ? WHERE vault = ? AND lower(name) = ? AND deleted IS NULL")
        .bind(now).bind(static_cast<int64_t>(now + kRecoverableDays * 86400)).bind(vault_).bind(lower_ascii(name)).run();
    if (db->changes() == 0) return std::nullopt;
  }
  return deleted(name);
}

std::optional<DeletedSecret> SecretStore::deleted(const std::string& name) const {
  auto db = metadata_.lease();
  sweep(*db);
  Statement q(*db, std::string(kColumns) + "WHERE s.vault = ? AND lower(s.name) = ? AND s.deleted IS NOT NULL AND " + kIsLatest);
  if (!q.bind(vault_).bind(lower_ascii(name)).step()) return std::nullopt;
  return DeletedSecret{read(q), q.integer(11), q.integer(12)};
}

std::vector<DeletedSecret> SecretStore::all_deleted(const std::string& after, size_t limit) const {
  auto db = metadata_.lease();
  sweep(*db);
  Statement q(*db, std::string(kColumns) + "WHERE s.vault = ? AND s.deleted IS NOT NULL AND lower(s.name) > ? AND " + kIsLatest + "ORDER BY lower(s.name) LIMIT ?");
  q.bind(vault_).bind(lower_ascii(after)).bind(static_cast<int64_t>(limit));
  std::vector<DeletedSecret> out;
  while (q.step()) out.push_back({read(q), q.integer(11), q.integer(12)});
  return out;
}

bool SecretStore::recover(const std::string& name) {
  auto db = metadata_.lease();
  Statement(*db, "UPDATE key_vault_secrets SET deleted = NULL, purge = NULL WHERE vault = ? AND lower(name) = ? AND deleted IS NOT NULL").bind(vault_).bind(lower_ascii(name)).run();
  return db->changes() > 0;
}

bool SecretStore::purge(const std::string& name) {
  auto db = metadata_.lease();
  Statement(*db, "DELETE FROM key_vault_secrets WHERE vault = ? AND lower(name) = ? AND deleted IS NOT NULL").bind(vault_).bind(lower_ascii(name)).run();
  return db->changes() > 0;
}

std::optional<std::string> SecretStore::backup(const std::string& name) const {
  auto db = metadata_.lease();
  Statement q(*db, std::string(kColumns) + "WHERE s.vault = ? AND lower(s.name) = ? AND s.deleted IS NULL ORDER BY v.row");
  q.bind(vault_).bind(lower_ascii(name));
  json all = json::array();
  std::string spelled;
  while (q.step()) {
    SecretVersion s = read(q);
    auto value = key_.open(q.text(3), sealed_name(s.name, s.version));
    if (!value) throw std::runtime_error("a secret of the key vault cannot be opened: was it sealed with another master key?");
    json j = {{"version", s.version}, {"value", base64_encode(*value)}, {"type", s.content_type}, {"tags", s.tags}, {"enabled", s.enabled}, {"created", s.created}, {"updated", s.updated}};
    if (s.not_before) j["nbf"] = *s.not_before;
    if (s.expires) j["exp"] = *s.expires;
    all.push_back(std::move(j));
    spelled = s.name;
  }
  if (all.empty()) return std::nullopt;
  return key_.seal(json({{"name", spelled}, {"versions", all}}).dump(), "key vault backup");
}

SecretStore::Restored SecretStore::restore(std::string_view sealed, SecretVersion* latest) {
  auto text = key_.open(sealed, "key vault backup");
  if (!text) return Restored::kNotOurs;
  json j = json::parse(*text);
  std::string name = j["name"].get<std::string>();
  bool free = metadata_.transact("vault", [&](Connection& db) {
    auto id = Statement(db, "INSERT INTO key_vault_secrets (vault, name) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING id").bind(vault_).bind(name).returned();
    if (!id) return false;
    for (const auto& v : j["versions"]) {
      SecretVersion s;
      s.version = v["version"].get<std::string>();
      s.content_type = v["type"].get<std::string>();
      s.tags = v["tags"].get<std::map<std::string, std::string>>();
      s.enabled = v["enabled"].get<bool>();
      if (v.contains("nbf")) s.not_before = v["nbf"].get<int64_t>();
      if (v.contains("exp")) s.expires = v["exp"].get<int64_t>();
      s.created = v["created"].get<int64_t>();
      s.updated = v["updated"].get<int64_t>();
      insert_version(db, *id, s, key_.seal(base64_decode(v["value"].get<std::string>()).value_or(""), sealed_name(name, s.version)));
    }
    return true;
  });
  if (!free) return Restored::kNameTaken;
  *latest = *get(name, "", false);
  return Restored::kDone;
}

}  // namespace tarn::vault
