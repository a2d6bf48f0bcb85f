// Partitions, functions and volumes of the catalog.
#include "catalog/catalog_json.h"
#include "catalog/catalog_rows.h"

namespace tarn::catalog {

namespace {

std::string spec_text(const Pairs& spec) {
  std::string out;
  for (auto& [k, v] : spec) out += (out.empty() ? "" : ", ") + k + "=" + v;
  return out;
}

void insert_partition(SqliteConnection& db, const TableInfo& table, const PartitionInfo& p) {
  SqliteStatement(db, "INSERT INTO partitions (table_id, spec, location, parameters, created_ms) VALUES (?,?,?,?,?)")
      .bind(table.id).bind(pairs_to_json(p.spec)).bind(p.location).bind(properties_to_json(p.parameters))
      .bind(p.created_ms ? p.created_ms : now_ms()).run();
}

bool partition_exists(SqliteConnection& db, const TableInfo& table, const Pairs& spec) {
  SqliteStatement s(db, "SELECT 1 FROM partitions WHERE table_id = ? AND spec = ?");
  return s.bind(table.id).bind(pairs_to_json(spec)).step();
}

SparkError partitions_not_found(const TableInfo& table, const Pairs& spec) {
  return SparkError(ErrorKind::kAnalysis, "PARTITIONS_NOT_FOUND",
                    {{"partitionList", "PARTITION (" + spec_text(spec) + ")"}, {"tableName", quoted(table.catalog, table.schema, table.name)}});
}

SparkError partitions_exist(const TableInfo& table, const Pairs& spec) {
  return SparkError(ErrorKind::kAnalysis, "PARTITIONS_ALREADY_EXIST",
                    {{"partitionList", "PARTITION (" + spec_text(spec) + ")"}, {"tableName", quoted(table.catalog, table.schema, table.name)}});
}

constexpr char kFunctionColumns[] =
    "SELECT f.id, c.name, s.name, f.name, f.definition, f.owner, f.created_ms, f.document "
    "FROM functions f JOIN schemas s ON s.id = f.schema_id JOIN catalogs c ON c.id = s.catalog_id ";

FunctionInfo function_of(const SqliteStatement& s) {
  FunctionInfo f;
  f.catalog = s.text(1);
  f.schema = s.text(2);
  f.name = s.text(3);
  f.definition = s.text(4);
  f.owner = s.text(5);
  f.created_ms = s.integer(6);
  function_from_json(s.text(7), &f);
  return f;
}

constexpr char kVolumeColumns[] =
    "SELECT v.id, c.name, s.name, v.name, v.managed, v.location, v.comment, v.owner, v.created_ms "
    "FROM volumes v JOIN schemas s ON s.id = v.schema_id JOIN catalogs c ON c.id = s.catalog_id ";

VolumeInfo volume_of(const SqliteStatement& s) {
  return {s.text(1), s.text(2), s.text(3), s.integer(4) != 0, s.text(5), s.optional_text(6), s.text(7), s.integer(8)};
}

}  // namespace

// ---- partitions

std::vector<PartitionInfo> Catalog::list_partitions(const TableInfo& table) const {
  auto db = pool_->lease();
  SqliteStatement s(*db, "SELECT spec, location, parameters, created_ms FROM partitions WHERE table_id = ? ORDER BY spec");
  s.bind(table.id);
  std::vector<PartitionInfo> out;
  while (s.step()) out.push_back({pairs_from_json(s.text(0)), s.text(1), properties_from_json(s.text(2)), s.integer(3)});
  return out;
}

void Catalog::add_partitions(const TableInfo& table, const std::vector<PartitionInfo>& partitions, bool ignore_if_exists) {
  auto db = pool_->lease();
  SqliteTransaction transaction(*db);
  for (auto& p : partitions) {
    if (partition_exists(*db, table, p.spec)) {
      if (ignore_if_exists) continue;
      throw partitions_exist(table, p.spec);
    }
    insert_partition(*db, table, p);
  }
  transaction.commit();
}

std::vector<PartitionInfo> Catalog::drop_partitions(const TableInfo& table, const std::vector<Pairs>& specs, bool ignore_if_missing) {
  auto db = pool_->lease();
  SqliteTransaction transaction(*db);
  std::vector<PartitionInfo> gone;
  for (auto& spec : specs) {
    SqliteStatement s(*db, "SELECT location, parameters, created_ms FROM partitions WHERE table_id = ? AND spec = ?");
    s.bind(table.id).bind(pairs_to_json(spec));
    if (!s.step()) {
      if (ignore_if_missing) continue;
      throw partitions_not_found(table, spec);
    }
    gone.push_back({spec, s.text(0), properties_from_json(s.text(1)), s.integer(2)});
    SqliteStatement(*db, "DELETE FROM partitions WHERE table_id = ? AND spec = ?").bind(table.id).bind(pairs_to_json(spec)).run();
  }
  transaction.commit();
  return gone;
}

void Catalog::rename_partition(const TableInfo& table, const Pairs& from, PartitionInfo to) {
  auto db = pool_->lease();
  SqliteTransaction transaction(*db);
  if (!partition_exists(*db, table, from)) throw partitions_not_found(table, from);
  if (partition_exists(*db, table, to.spec)) throw partitions_exist(table, to.spec);
  SqliteStatement(*db, "DELETE FROM partitions WHERE table_id = ? AND spec = ?").bind(table.id).bind(pairs_to_json(from)).run();
  insert_partition(*db, table, to);
  transaction.commit();
}

void Catalog::set_partitions(const TableInfo& table, const std::vector<PartitionInfo>& partitions) {
  auto db = pool_->lease();
  SqliteTransaction transaction(*db);
  SqliteStatement(*db, "DELETE FROM partitions WHERE table_id = ?").bind(table.id).run();
  for (auto& p : partitions) insert_partition(*db, table, p);
  transaction.commit();
}

// ---- functions

std::optional<FunctionInfo> Catalog::get_function(std::string_view catalog, std::string_view schema, std::string_view name) const {
  auto db = pool_->lease();
  SqliteStatement s(*db, std::string(kFunctionColumns) + "WHERE c.name_key = ? AND s.name_key = ? AND f.name_key = ?");
  s.bind(lower(catalog)).bind(lower(schema)).bind(lower(name));
  if (!s.step()) return std::nullopt;
  return function_of(s);
}

std::vector<FunctionInfo> Catalog::list_functions(std::string_view catalog, std::string_view schema) const {
  auto db = pool_->lease();
  SchemaRow row = require_schema_row(*db, catalog, schema);
  SqliteStatement s(*db, std::string(kFunctionColumns) + "WHERE f.schema_id = ? ORDER BY f.name_key");
  s.bind(row.id);
  std::vector<FunctionInfo> out;
  while (s.step()) out.push_back(function_of(s));
  return out;
}

bool Catalog::create_function(FunctionInfo info, OnExisting on_existing) {
  auto db = pool_->lease();
  SqliteTransaction transaction(*db);
  SchemaRow schema = require_schema_row(*db, info.catalog, info.schema);
  info.name = stored_name(info.catalog, info.name);
  bool exists;
  {
    SqliteStatement s(*db, "SELECT 1 FROM functions WHERE schema_id = ? AND name_key = ?");
    exists = s.bind(schema.id).bind(lower(info.name)).step();
  }
  if (exists) {
    if (on_existing == OnExisting::kIgnore) return false;
    if (on_existing == OnExisting::kFail) {
      throw analysis_error("ROUTINE_ALREADY_EXISTS", {{"routineName", quoted(info.catalog, info.schema, info.name)},
                                                      {"newRoutineType", "routine"},
                                                      {"existingRoutineType", "routine"}});
    }
    SqliteStatement(*db, "DELETE FROM functions WHERE schema_id = ? AND name_key = ?").bind(schema.id).bind(lower(info.name)).run();
  }
  SqliteStatement s(*db,
                    "INSERT INTO functions (schema_id, name_key, name, definition, owner, created_ms, document) VALUES (?,?,?,?,?,?,?)");
  s.bind(schema.id).bind(lower(info.name)).bind(info.name).bind_blob(info.definition).bind(info.owner);
  s.bind(info.created_ms ? info.created_ms : now_ms()).bind(function_to_json(info)).run();
  transaction.commit();
  return true;
}

bool Catalog::drop_function(std::string_view catalog, std::string_view schema, std::string_view name, bool ignore_if_missing) {
  auto db = pool_->lease();
  SqliteTransaction transaction(*db);
  auto row = find_schema_row(*db, catalog, schema);
  if (!row && !ignore_if_missing) throw schema_not_found(catalog, schema);
  int64_t removed = 0;
  if (row) {
    SqliteStatement(*db, "DELETE FROM functions WHERE schema_id = ? AND name_key = ?").bind(row->id).bind(lower(name)).run();
    removed = db->changes();
  }
  if (removed == 0 && !ignore_if_missing) {
    throw analysis_error("ROUTINE_NOT_FOUND", {{"routineName", quoted(catalog, schema, name)}});
  }
  transaction.commit();
  return removed > 0;
}

// ---- volumes

std::optional<VolumeInfo> Catalog::get_volume(std::string_view catalog, std::string_view schema, std::string_view name) const {
  auto db = pool_->lease();
  SqliteStatement s(*db, std::string(kVolumeColumns) + "WHERE c.name_key = ? AND s.name_key = ? AND v.name_key = ?");
  s.bind(lower(catalog)).bind(lower(schema)).bind(lower(name));
  if (!s.step()) return std::nullopt;
  return volume_of(s);
}

std::vector<VolumeInfo> Catalog::list_volumes(std::string_view catalog, std::string_view schema) const {
  auto db = pool_->lease();
  SchemaRow row = require_schema_row(*db, catalog, schema);
  SqliteStatement s(*db, std::string(kVolumeColumns) + "WHERE v.schema_id = ? ORDER BY v.name_key");
  s.bind(row.id);
  std::vector<VolumeInfo> out;
  while (s.step()) out.push_back(volume_of(s));
  return out;
}

std::optional<VolumeInfo> Catalog::create_volume(VolumeInfo info, bool ignore_if_exists) {
  auto db = pool_->lease();
  SqliteTransaction transaction(*db);
  SchemaRow schema = require_schema_row(*db, info.catalog, info.schema);
  {
    SqliteStatement s(*db, "SELECT 1 FROM volumes WHERE schema_id = ? AND name_key = ?");
    if (s.bind(schema.id).bind(lower(info.name)).step()) {
      if (ignore_if_exists) return std::nullopt;
      throw table_exists(info.catalog, info.schema, info.name);
    }
  }
  info.name = stored_name(info.catalog, info.name);
  info.created_ms = now_ms();
  if (info.location.empty()) info.location = schema.info.location + "/__volumes/" + lower(info.name);
  SqliteStatement s(*db,
                    "INSERT INTO volumes (schema_id, name_key, name, managed, location, comment, owner, created_ms) VALUES (?,?,?,?,?,?,?,?)");
  s.bind(schema.id).bind(lower(info.name)).bind(info.name).bind(info.managed ? 1 : 0).bind(info.location).bind(info.comment);
  s.bind(info.owner).bind(info.created_ms).run();
  transaction.commit();
  return info;
}

std::optional<VolumeInfo> Catalog::drop_volume(std::string_view catalog, std::string_view schema, std::string_view name,
                                               bool ignore_if_missing) {
  auto volume = get_volume(catalog, schema, name);
  if (!volume) {
    if (ignore_if_missing) return std::nullopt;
    throw table_not_found(catalog, schema, name);
  }
  auto db = pool_->lease();
  SqliteTransaction transaction(*db);
  SchemaRow row = require_schema_row(*db, catalog, schema);
  SqliteStatement(*db, "DELETE FROM volumes WHERE schema_id = ? AND name_key = ?").bind(row.id).bind(lower(name)).run();
  transaction.commit();
  return volume;
}

}  // namespace tarn::catalog
