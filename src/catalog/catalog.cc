#include "catalog/catalog.h"

#include <sys/time.h>

#include <algorithm>
#include <regex>

#include "catalog/catalog_json.h"
#include "catalog/catalog_rows.h"
#include "catalog/catalog_schema.h"

namespace tarn::catalog {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool matches_pattern(std::string_view name, std::string_view pattern) {
  size_t begin = pattern.find_first_not_of(" \t\n\r");
  if (begin == std::string_view::npos) return name.empty();
  pattern = pattern.substr(begin, pattern.find_last_not_of(" \t\n\r") - begin + 1);
  while (true) {
    size_t bar = pattern.find('|');
    std::string text;
    for (char c : pattern.substr(0, bar)) {
      if (c == '*') text += ".*";
      else text += c;
    }
    try {
      if (std::regex_match(name.begin(), name.end(), std::regex(text, std::regex::ECMAScript | std::regex::icase))) return true;
    } catch (const std::regex_error&) {
      // As in Spark, a part that is no regular expression matches nothing.
    }
    if (bar == std::string_view::npos) return false;
    pattern.remove_prefix(bar + 1);
  }
}

std::string path_of_location(std::string_view location) {
  if (location.starts_with("file:")) {
    location.remove_prefix(5);
    if (location.starts_with("//")) {
      location.remove_prefix(2);
      size_t slash = location.find('/');
      if (slash != std::string_view::npos) location.remove_prefix(slash);
    }
  }
  return std::string(location);
}

std::string location_of_path(std::string_view path) {
  return path.starts_with("/") ? "file:" + std::string(path) : std::string(path);
}

int64_t now_ms() {
  timeval now{};
  gettimeofday(&now, nullptr);
  return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_usec / 1000;
}

std::string stored_name(std::string_view catalog, std::string_view name) {
  return lower(catalog) == kSessionCatalog ? lower(name) : std::string(name);
}

std::string quoted(std::string_view catalog, std::string_view schema) {
  return quote_identifier(catalog) + "." + quote_identifier(schema);
}
std::string quoted(std::string_view catalog, std::string_view schema, std::string_view name) {
  return quoted(catalog, schema) + "." + quote_identifier(name);
}
SparkError schema_not_found(std::string_view catalog, std::string_view schema) {
  return SparkError(ErrorKind::kNoSuchDatabase, "SCHEMA_NOT_FOUND", {{"schemaName", quoted(catalog, schema)}});
}
SparkError table_not_found(std::string_view catalog, std::string_view schema, std::string_view name) {
  return SparkError(ErrorKind::kNoSuchTable, "TABLE_OR_VIEW_NOT_FOUND",
                    {{"relationName", quoted(catalog, schema, name)}, {"searchPath", "[" + quoted(catalog, schema) + "]"}});
}
SparkError table_exists(std::string_view catalog, std::string_view schema, std::string_view name) {
  return SparkError(ErrorKind::kTableAlreadyExists, "TABLE_OR_VIEW_ALREADY_EXISTS", {{"relationName", quoted(catalog, schema, name)}});
}

namespace {

SparkError catalog_not_found(std::string_view name) {
  return SparkError(ErrorKind::kAnalysis, "CATALOG_NOT_FOUND",
                    {{"catalogName", quote_identifier(name)}, {"config", "\"spark.sql.catalog." + std::string(name) + "\""}});
}

constexpr char kCatalogColumns[] = "SELECT id, name, comment, properties, owner, created_ms FROM catalogs ";

CatalogInfo catalog_of(const SqliteStatement& s) {
  return {s.text(1), s.optional_text(2), properties_from_json(s.text(3)), s.text(4), s.integer(5)};
}

std::optional<std::pair<int64_t, CatalogInfo>> find_catalog_row(SqliteConnection& db, std::string_view name) {
  SqliteStatement s(db, std::string(kCatalogColumns) + "WHERE name_key = ?");
  s.bind(lower(name));
  if (!s.step()) return std::nullopt;
  return std::make_pair(s.integer(0), catalog_of(s));
}

constexpr char kSchemaColumns[] =
    "SELECT s.id, c.name, s.name, s.location, s.comment, s.collation, s.properties, s.owner, s.created_ms "
    "FROM schemas s JOIN catalogs c ON c.id = s.catalog_id ";

SchemaInfo schema_of(const SqliteStatement& s) {
  return {s.text(1), s.text(2), s.text(3), s.optional_text(4), s.optional_text(5), properties_from_json(s.text(6)), s.text(7), s.integer(8)};
}

constexpr char kTableColumns[] =
    "SELECT t.id, c.name, s.name, t.name, t.type, t.provider, t.location, t.owner, t.created_ms, t.document "
    "FROM tables t JOIN schemas s ON s.id = t.schema_id JOIN catalogs c ON c.id = s.catalog_id ";

TableInfo table_of(const SqliteStatement& s) {
  TableInfo t;
  t.id = s.integer(0);
  t.catalog = s.text(1);
  t.schema = s.text(2);
  t.name = s.text(3);
  t.type = static_cast<TableType>(s.integer(4));
  t.provider = s.text(5);
  t.location = s.text(6);
  t.owner = s.text(7);
  t.created_ms = s.integer(8);
  table_from_json(s.text(9), &t);
  return t;
}

std::optional<TableInfo> find_table_row(SqliteConnection& db, int64_t schema_id, std::string_view name) {
  SqliteStatement s(db, std::string(kTableColumns) + "WHERE t.schema_id = ? AND t.name_key = ?");
  s.bind(schema_id).bind(lower(name));
  if (!s.step()) return std::nullopt;
  return table_of(s);
}

void insert_table_row(SqliteConnection& db, int64_t schema_id, TableInfo& t) {
  SqliteStatement s(db,
                    "INSERT INTO tables (schema_id, name_key, name, type, provider, location, owner, created_ms, document) "
                    "VALUES (?,?,?,?,?,?,?,?,?)");
  s.bind(schema_id).bind(lower(t.name)).bind(t.name).bind(static_cast<int>(t.type)).bind(t.provider).bind(t.location).bind(t.owner);
  s.bind(t.created_ms).bind(table_to_json(t)).run();
  t.id = db.last_insert_id();
}

void update_table_row(SqliteConnection& db, const TableInfo& t) {
  SqliteStatement s(db, "UPDATE tables SET type = ?, provider = ?, location = ?, owner = ?, document = ? WHERE id = ?");
  s.bind(static_cast<int>(t.type)).bind(t.provider).bind(t.location).bind(t.owner).bind(table_to_json(t)).bind(t.id).run();
}

}  // namespace

Catalog::Catalog(const std::string& file, std::string warehouse)
    : warehouse_(std::move(warehouse)), pool_(std::make_unique<SqlitePool>(file)) {
  auto db = pool_->lease();
  db->migrate(migrations());
  SqliteTransaction transaction(*db);
  if (!find_catalog_row(*db, kSessionCatalog)) {
    SqliteStatement(*db, "INSERT INTO catalogs (name_key, name, created_ms) VALUES (?,?,?)")
        .bind(kSessionCatalog).bind(kSessionCatalog).bind(now_ms()).run();
    SqliteStatement(*db,
                    "INSERT INTO schemas (catalog_id, name_key, name, location, comment, created_ms) "
                    "VALUES (?, 'default', 'default', ?, 'default database', ?)")
        .bind(db->last_insert_id()).bind(location_of_path(warehouse_)).bind(now_ms()).run();
  }
  transaction.commit();
}

Catalog::~Catalog() = default;

// ---- catalogs

std::vector<CatalogInfo> Catalog::list_catalogs() const {
  auto db = pool_->lease();
  SqliteStatement s(*db, std::string(kCatalogColumns) + "ORDER BY name_key");
  std::vector<CatalogInfo> out;
  while (s.step()) out.push_back(catalog_of(s));
  return out;
}

std::optional<CatalogInfo> Catalog::get_catalog(std::string_view name) const {
  auto db = pool_->lease();
  auto row = find_catalog_row(*db, name);
  if (!row) return std::nullopt;
  return row->second;
}

CatalogInfo Catalog::create_catalog(CatalogInfo info, bool ignore_if_exists) {
  auto db = pool_->lease();
  SqliteTransaction transaction(*db);
  if (auto existing = find_catalog_row(*db, info.name)) {
    if (ignore_if_exists) return existing->second;
    throw SparkError::Plain(ErrorKind::kAnalysis, "[CATALOG_ALREADY_EXISTS] Catalog " + quote_identifier(info.name) + " already exists.");
  }
  info.created_ms = now_ms();
  SqliteStatement(*db, "INSERT INTO catalogs (name_key, name, comment, properties, owner, created_ms) VALUES (?,?,?,?,?,?)")
      .bind(lower(info.name)).bind(info.name).bind(info.comment).bind(properties_to_json(info.properties)).bind(info.owner)
      .bind(info.created_ms).run();
  SqliteStatement(*db, "INSERT INTO schemas (catalog_id, name_key, name, location, owner, created_ms) VALUES (?, 'default', 'default', ?, ?, ?)")
      .bind(db->last_insert_id()).bind(location_of_path(warehouse_ + "/" + lower(info.name) + ".catalog/default.db"))
      .bind(info.owner).bind(info.created_ms).run();
  transaction.commit();
  return info;
}

void Catalog::drop_catalog(std::string_view name, bool ignore_if_missing, bool cascade) {
  auto db = pool_->lease();
  SqliteTransaction transaction(*db);
  auto row = find_catalog_row(*db, name);
  if (!row) {
    if (ignore_if_missing) return;
    throw catalog_not_found(name);
  }
  if (lower(name) == kSessionCatalog) throw not_built("dropping the session catalog");
  auto count = [&](const char* sql) {
    SqliteStatement s(*db, sql);
    s.bind(row->first).step();
    return s.integer(0);
  };
  if (!cascade && (count("SELECT count(*) FROM schemas WHERE catalog_id = ? AND name_key <> 'default'") > 0 ||
                   count("SELECT count(*) FROM tables WHERE schema_id IN (SELECT id FROM schemas WHERE catalog_id = ?)") > 0 ||
                   count("SELECT count(*) FROM functions WHERE schema_id IN (SELECT id FROM schemas WHERE catalog_id = ?)") > 0 ||
                   count("SELECT count(*) FROM volumes WHERE schema_id IN (SELECT id FROM schemas WHERE catalog_id = ?)") > 0)) {
    throw analysis_error("SCHEMA_NOT_EMPTY", {{"schemaName", quote_identifier(row->second.name)}});
  }
  for (const char* table : {"tables", "functions", "volumes"}) {
    SqliteStatement(*db, std::string("DELETE FROM ") + table + " WHERE schema_id IN (SELECT id FROM schemas WHERE catalog_id = ?)")
        .bind(row->first).run();
  }
  SqliteStatement(*db, "DELETE FROM schemas WHERE catalog_id = ?").bind(row->first).run();
  SqliteStatement(*db, "DELETE FROM catalogs WHERE id = ?").bind(row->first).run();
  transaction.commit();
}

// ---- schemas

std::optional<Catalog::SchemaRow> Catalog::find_schema_row(SqliteConnection& db, std::string_view catalog, std::string_view schema) const {
  SqliteStatement s(db, std::string(kSchemaColumns) + "WHERE c.name_key = ? AND s.name_key = ?");
  s.bind(lower(catalog)).bind(lower(schema));
  if (!s.step()) return std::nullopt;
  return SchemaRow{s.integer(0), schema_of(s)};
}

Catalog::SchemaRow Catalog::require_schema_row(SqliteConnection& db, std::string_view catalog, std::string_view schema) const {
  auto row = find_schema_row(db, catalog, schema);
  if (!row) throw schema_not_found(catalog, schema);
  return *row;
}

std::vector<SchemaInfo> Catalog::list_schemas(std::string_view catalog) const {
  auto db = pool_->lease();
  if (!find_catalog_row(*db, catalog)) throw catalog_not_found(catalog);
  SqliteStatement s(*db, std::string(kSchemaColumns) + "WHERE c.name_key = ? ORDER BY s.name_key");
  s.bind(lower(catalog));
  std::vector<SchemaInfo> out;
  while (s.step()) out.push_back(schema_of(s));
  return out;
}

std::optional<SchemaInfo> Catalog::get_schema(std::string_view catalog, std::string_view schema) const {
  auto db = pool_->lease();
  auto row = find_schema_row(*db, catalog, schema);
  if (!row) return std::nullopt;
  return row->info;
}

SchemaInfo Catalog::require_schema(std::string_view catalog, std::string_view schema) const {
  auto info = get_schema(catalog, schema);
  if (!info) throw schema_not_found(catalog, schema);
  return *info;
}

bool Catalog::create_schema(SchemaInfo info, bool ignore_if_exists) {
  auto db = pool_->lease();
  SqliteTransaction transaction(*db);
  auto catalog = find_catalog_row(*db, info.catalog);
  if (!catalog) throw catalog_not_found(info.catalog);
  if (find_schema_row(*db, info.catalog, info.name)) {
    if (ignore_if_exists) return false;
    throw analysis_error("SCHEMA_ALREADY_EXISTS", {{"schemaName", quoted(info.catalog, info.name)}});
  }
  info.name = stored_name(info.catalog, info.name);
  if (info.location.empty()) {
    std::string parent = lower(info.catalog) == kSessionCatalog ? warehouse_ : warehouse_ + "/" + lower(info.catalog) + ".catalog";
    info.location = location_of_path(parent + "/" + lower(info.name) + ".db");
  }
  SqliteStatement(*db,
                  "INSERT INTO schemas (catalog_id, name_key, name, location, comment, collation, properties, owner, created_ms) "
                  "VALUES (?,?,?,?,?,?,?,?,?)")
      .bind(catalog->first).bind(lower(info.name)).bind(info.name).bind(info.location).bind(info.comment).bind(info.collation)
      .bind(properties_to_json(info.properties)).bind(info.owner).bind(now_ms()).run();
  transaction.commit();
  return true;
}

void Catalog::alter_schema(std::string_view catalog, std::string_view schema, const std::function<void(SchemaInfo&)>& change) {
  auto db = pool_->lease();
  SqliteTransaction transaction(*db);
  SchemaRow row = require_schema_row(*db, catalog, schema);
  change(row.info);
  SqliteStatement(*db, "UPDATE schemas SET location = ?, comment = ?, collation = ?, properties = ?, owner = ? WHERE id = ?")
      .bind(row.info.location).bind(row.info.comment).bind(row.info.collation).bind(properties_to_json(row.info.properties))
      .bind(row.info.owner).bind(row.id).run();
  transaction.commit();
}

std::vector<TableInfo> Catalog::drop_schema(std::string_view catalog, std::string_view schema, bool ignore_if_missing, bool cascade) {
  auto db = pool_->lease();
  SqliteTransaction transaction(*db);
  if (lower(catalog) == kSessionCatalog && lower(schema) == kDefaultSchema) {
    throw analysis_error("UNSUPPORTED_FEATURE.DROP_DATABASE", {{"database", quoted(catalog, schema)}});
  }
  auto row = find_schema_row(*db, catalog, schema);
  if (!row) {
    if (ignore_if_missing) return {};
    throw schema_not_found(catalog, schema);
  }
  std::vector<TableInfo> gone;
  SqliteStatement list(*db, std::string(kTableColumns) + "WHERE t.schema_id = ?");
  list.bind(row->id);
  while (list.step()) gone.push_back(table_of(list));
  SqliteStatement others(*db, "SELECT (SELECT count(*) FROM functions WHERE schema_id = ?) + (SELECT count(*) FROM volumes WHERE schema_id = ?)");
  others.bind(row->id).bind(row->id).step();
  if (!cascade && (!gone.empty() || others.integer(0) > 0)) {
    throw analysis_error("SCHEMA_NOT_EMPTY", {{"schemaName", quoted(catalog, schema)}});
  }
  for (const char* table : {"tables", "functions", "volumes"}) {
    SqliteStatement(*db, std::string("DELETE FROM ") + table + " WHERE schema_id = ?").bind(row->id).run();
  }
  SqliteStatement(*db, "DELETE FROM schemas WHERE id = ?").bind(row->id).run();
  transaction.commit();
  return gone;
}

// ---- tables and views

std::optional<TableInfo> Catalog::get_table(std::string_view catalog, std::string_view schema, std::string_view name) const {
  auto db = pool_->lease();
  SqliteStatement s(*db, std::string(kTableColumns) + "WHERE c.name_key = ? AND s.name_key = ? AND t.name_key = ?");
  s.bind(lower(catalog)).bind(lower(schema)).bind(lower(name));
  if (!s.step()) return std::nullopt;
  return table_of(s);
}

std::vector<TableInfo> Catalog::list_tables(std::string_view catalog, std::string_view schema) const {
  auto db = pool_->lease();
  SchemaRow row = require_schema_row(*db, catalog, schema);
  SqliteStatement s(*db, std::string(kTableColumns) + "WHERE t.schema_id = ? ORDER BY t.name_key");
  s.bind(row.id);
  std::vector<TableInfo> out;
  while (s.step()) out.push_back(table_of(s));
  return out;
}

std::optional<TableInfo> Catalog::create_table(TableInfo info, bool ignore_if_exists) {
  auto db = pool_->lease();
  SqliteTransaction transaction(*db);
  SchemaRow schema = require_schema_row(*db, info.catalog, info.schema);
  if (find_table_row(*db, schema.id, info.name)) {
    if (ignore_if_exists) return std::nullopt;
    throw table_exists(info.catalog, info.schema, info.name);
  }
  info.catalog = schema.info.catalog;
  info.schema = schema.info.name;
  info.name = stored_name(info.catalog, info.name);
  if (info.created_ms == 0) info.created_ms = now_ms();
  if (info.location.empty() && info.type == TableType::kManaged) info.location = schema.info.location + "/" + lower(info.name);
  insert_table_row(*db, schema.id, info);
  transaction.commit();
  return info;
}

TableInfo Catalog::replace_table(TableInfo info) {
  auto db = pool_->lease();
  SqliteTransaction transaction(*db);
  SchemaRow schema = require_schema_row(*db, info.catalog, info.schema);
  info.catalog = schema.info.catalog;
  info.schema = schema.info.name;
  info.name = stored_name(info.catalog, info.name);
  if (info.created_ms == 0) info.created_ms = now_ms();
  if (info.location.empty() && info.type == TableType::kManaged) info.location = schema.info.location + "/" + lower(info.name);
  if (auto existing = find_table_row(*db, schema.id, info.name)) {
    SqliteStatement(*db, "DELETE FROM tables WHERE id = ?").bind(existing->id).run();
  }
  insert_table_row(*db, schema.id, info);
  transaction.commit();
  return info;
}

TableInfo Catalog::alter_table(std::string_view catalog, std::string_view schema, std::string_view name,
                               const std::function<void(TableInfo&)>& change) {
  auto db = pool_->lease();
  SqliteTransaction transaction(*db);
  SchemaRow row = require_schema_row(*db, catalog, schema);
  auto table = find_table_row(*db, row.id, name);
  if (!table) throw table_not_found(catalog, schema, name);
  change(*table);
  update_table_row(*db, *table);
  transaction.commit();
  return *table;
}

std::optional<TableInfo> Catalog::drop_table(std::string_view catalog, std::string_view schema, std::string_view name,
                                             bool ignore_if_missing) {
  auto db = pool_->lease();
  SqliteTransaction transaction(*db);
  auto row = find_schema_row(*db, catalog, schema);
  auto table = row ? find_table_row(*db, row->id, name) : std::nullopt;
  if (!table) {
    if (ignore_if_missing) return std::nullopt;
    throw table_not_found(catalog, schema, name);
  }
  SqliteStatement(*db, "DELETE FROM tables WHERE id = ?").bind(table->id).run();
  transaction.commit();
  return table;
}

TableInfo Catalog::rename_table(std::string_view catalog, std::string_view schema, std::string_view name, std::string_view new_schema,
                                std::string_view new_name,
                                const std::function<void(const std::string&, const std::string&)>& move_data) {
  auto db = pool_->lease();
  SqliteTransaction transaction(*db);
  SchemaRow from = require_schema_row(*db, catalog, schema);
  auto table = find_table_row(*db, from.id, name);
  if (!table) throw table_not_found(catalog, schema, name);
  SchemaRow to = require_schema_row(*db, catalog, new_schema);
  if (find_table_row(*db, to.id, new_name)) throw table_exists(catalog, new_schema, new_name);
  std::string kept = stored_name(catalog, new_name);
  std::string old_location = table->location;
  bool moves = table->type == TableType::kManaged && old_location == from.info.location + "/" + lower(table->name);
  if (moves) table->location = to.info.location + "/" + lower(kept);
  SqliteStatement(*db, "UPDATE tables SET schema_id = ?, name_key = ?, name = ?, location = ? WHERE id = ?")
      .bind(to.id).bind(lower(kept)).bind(kept).bind(table->location).bind(table->id).run();
  if (moves) {
    // The partitions of a managed table lie below it.
    std::vector<std::pair<std::string, std::string>> locations;
    SqliteStatement list(*db, "SELECT spec, location FROM partitions WHERE table_id = ?");
    list.bind(table->id);
    while (list.step()) locations.emplace_back(list.text(0), list.text(1));
    for (auto& [spec, location] : locations) {
      if (!location.starts_with(old_location + "/")) continue;
      SqliteStatement(*db, "UPDATE partitions SET location = ? WHERE table_id = ? AND spec = ?")
          .bind(table->location + location.substr(old_location.size())).bind(table->id).bind(spec).run();
    }
    if (move_data) move_data(old_location, table->location);
  }
  table->schema = to.info.name;
  table->name = kept;
  try {
    transaction.commit();
  } catch (...) {
    if (moves && move_data) move_data(table->location, old_location);
    throw;
  }
  return *table;
}

std::string Catalog::default_table_location(std::string_view catalog, std::string_view schema, std::string_view name) const {
  return require_schema(catalog, schema).location + "/" + lower(name);
}

}  // namespace tarn::catalog
