// ALTER TABLE and ALTER VIEW … RENAME/PROPERTIES. Source: ResolveSessionCatalog, AlterTable…Command.
#include <algorithm>

#include "engine/commands/alter.h"
#include "engine/commands/delta_tables.h"
#include "engine/commands/handlers.h"
#include "engine/commands/partitions.h"
#include "engine/commands/support.h"
#include "engine/commands/table_data.h"
#include "engine/commands/table_definition.h"
#include "plan/collation.h"
#include "plan/session_conf.h"
#include "sql/parser.h"
#include "storage/path.h"
#include "tarn/sql.pb.h"

namespace tarn::engine::commands {

using catalog::lower;
using plan::DataType;
using plan::StructField;

namespace {

void change_entry(const catalog::TableInfo& table, CommandHost& host, const std::function<void(catalog::TableInfo&)>& change) {
  host.analyzer().catalog.alter_table(table.catalog, table.schema, table.name, change);
  data_changed(table, host);
}

void set_properties(catalog::TableInfo& t, const sql::AlterTable::Properties& list) {
  for (auto& p : list.properties()) {
    if (p.key() == "comment") t.comment = p.value();
    else t.properties[p.key()] = p.value();
  }
}

void unset_properties(catalog::TableInfo& t, const sql::AlterTable::UnsetProperties& list) {
  for (auto& key : list.keys()) {
    if (key == "comment") t.comment.reset();
    else t.properties.erase(key);
  }
}

const char* action_name(const sql::AlterTable& alter) {
  switch (alter.action_case()) {
    case sql::AlterTable::kAddColumns: return "ALTER TABLE ... ADD COLUMNS";
    case sql::AlterTable::kRenameColumn: return "ALTER TABLE ... RENAME COLUMN";
    case sql::AlterTable::kDropColumns: return "ALTER TABLE ... DROP COLUMNS";
    case sql::AlterTable::kReplaceColumns: return "ALTER TABLE ... REPLACE COLUMNS";
    case sql::AlterTable::kAlterColumns: return "ALTER TABLE ... ALTER COLUMN";
    case sql::AlterTable::kSetProperties: return "ALTER TABLE ... SET TBLPROPERTIES";
    case sql::AlterTable::kUnsetProperties: return "ALTER TABLE ... UNSET TBLPROPERTIES";
    case sql::AlterTable::kSetSerde: return "ALTER TABLE ... SET [SERDE|SERDEPROPERTIES]";
    case sql::AlterTable::kAddPartitions: return "ALTER TABLE ... ADD PARTITION ...";
    case sql::AlterTable::kRenamePartition: return "ALTER TABLE ... RENAME TO PARTITION";
    case sql::AlterTable::kDropPartitions: return "ALTER TABLE ... DROP PARTITION ...";
    case sql::AlterTable::kSetLocation: return "ALTER TABLE ... SET LOCATION ...";
    case sql::AlterTable::kRecoverPartitions: return "ALTER TABLE ... RECOVER PARTITIONS";
    default: return "ALTER TABLE";
  }
}

void rename_temp_view(const TempName& from, const std::vector<std::string>& to_parts, CommandHost& host) {
  auto rename = [&](std::map<std::string, plan::TempView>& views) {
    std::string to = lower(to_parts.back());
    if (views.count(to)) {
      throw SparkError(ErrorKind::kTempTableAlreadyExists, "TEMP_TABLE_OR_VIEW_ALREADY_EXISTS", {{"relationName", quote_identifier(to_parts)}});
    }
    auto node = views.extract(from.key);
    if (node.empty()) return;
    node.key() = to;
    views.insert(std::move(node));
  };
  if (from.global) {
    std::lock_guard lock(host.analyzer().global_views.mu);
    rename(host.analyzer().global_views.views);
  } else {
    if (to_parts.size() > 1) {
      throw analysis_error("_LEGACY_ERROR_TEMP_1074", {{"oldName", quote_identifier(from.key)}, {"newName", quote_identifier(to_parts)},
                                                       {"db", to_parts[to_parts.size() - 2]}});
    }
    std::lock_guard lock(host.analyzer().state.mu);
    rename(host.analyzer().state.temp_views);
  }
}

CommandResult rename(const std::vector<std::string>& parts, const sql::AlterTable& alter, CommandHost& host) {
  auto to_parts = name_parts(alter.rename_to(), host);
  if (auto temp = find_temp_view(parts, host)) {
    rename_temp_view(*temp, to_parts, host);
    return {};
  }
  auto table = require_relation(parts, host);
  if (table.is_view() && !alter.is_view()) {
    throw analysis_error("EXPECT_TABLE_NOT_VIEW.USE_ALTER_VIEW", {{"operation", "ALTER TABLE ... RENAME TO ..."}, {"viewName", quote_identifier(table.full_name())}});
  }
  if (!table.is_view() && alter.is_view()) {
    throw analysis_error("EXPECT_VIEW_NOT_TABLE.USE_ALTER_TABLE", {{"operation", "ALTER VIEW ... RENAME TO ..."}, {"tableName", quote_identifier(table.full_name())}});
  }
  // A bare new name stays in the schema of the old one.
  TableName to = to_parts.size() == 1 ? TableName{table.catalog, table.schema, to_parts[0]} : qualify(to_parts, host);
  if (lower(to.catalog) != lower(table.catalog)) throw unsupported_operation(table.full_name(), "RENAME TO another catalog");
  for (char c : to.name) {
    if (lower(to.catalog) == catalog::kSessionCatalog && !std::isalnum(static_cast<unsigned char>(c)) && c != '_') {
      throw analysis_error("INVALID_SCHEMA_OR_RELATION_NAME", {{"name", quote_identifier(to.name)}});
    }
  }
  forget_table(table, host);
  host.analyzer().catalog.rename_table(table.catalog, table.schema, table.name, to.schema, to.name,
                                       [](const std::string& from_location, const std::string& to_location) {
                                         std::string from = catalog::path_of_location(from_location), target = catalog::path_of_location(to_location);
                                         auto& store = storage::store_for(from);
                                         if (!store.stat(from)) return;
                                         if (has_content(to_location)) {
                                           throw analysis_error("LOCATION_ALREADY_EXISTS", {{"location", "'" + to_location + "'"},
                                                                                            {"identifier", quote_identifier(storage::file_name(target))}});
                                         }
                                         store.remove(target);
                                         store.rename(from, target);
                                       });
  return {};
}

CommandResult add_columns(const catalog::TableInfo& table, const sql::AlterTable& alter, CommandHost& host) {
  if (table.provider == "text" || table.provider == "binaryfile") {
    throw analysis_error("_LEGACY_ERROR_TEMP_1260", {{"tableType", table.provider}, {"table", quote_identifier(table.full_name())}});
  }
  auto schema = table_schema(table, host);
  std::vector<StructField> added;
  for (auto& column : alter.add_columns().columns()) {
    if (column.name_size() > 1) throw unsupported_operation(table.full_name(), "ADD COLUMN with qualified column");
    if (column.not_null()) throw analysis_error("_LEGACY_ERROR_TEMP_1052", {});
    if (column.has_position()) throw unsupported_operation(table.full_name(), "ADD COLUMN with FIRST or AFTER");
    added.push_back(field_of(column, "ALTER TABLE ADD COLUMNS", table.provider, host));
  }
  std::vector<StructField> fields;
  size_t data_columns = schema.fields().size() - table.partition_columns.size();
  fields.insert(fields.end(), schema.fields().begin(), schema.fields().begin() + static_cast<long>(data_columns));
  fields.insert(fields.end(), added.begin(), added.end());
  fields.insert(fields.end(), schema.fields().begin() + static_cast<long>(data_columns), schema.fields().end());
  std::vector<std::string> names;
  for (auto& f : fields) names.push_back(f.name);
  check_duplicate_columns(names, host);
  std::string json = DataType::structure(std::move(fields)).json();
  change_entry(table, host, [&](catalog::TableInfo& t) { t.schema_json = json; });
  return {};
}

CommandResult alter_columns(const catalog::TableInfo& table, const sql::AlterTable& alter, CommandHost& host) {
  auto& list = alter.alter_columns().columns();
  if (list.size() > 1) throw unsupported_operation(table.full_name(), "ALTER COLUMN in bulk");
  auto& spec = list[0];
  auto parts = name_parts(spec.column(), host);
  if (parts.size() > 1) throw unsupported_operation(table.full_name(), "ALTER COLUMN with qualified column");
  if (spec.has_set_not_null()) throw unsupported_operation(table.full_name(), "ALTER COLUMN ... SET NOT NULL");
  if (spec.has_position()) throw unsupported_operation(table.full_name(), "ALTER COLUMN ... FIRST | AFTER");
  auto schema = table_schema(table, host);
  auto index = schema.field_index(parts[0], host.conf().case_sensitive());
  if (!index) {
    std::vector<std::string> names;
    for (auto& f : schema.fields()) names.push_back(quote_identifier(f.name));
    throw analysis_error("UNRESOLVED_COLUMN.WITH_SUGGESTION", {{"objectName", quote_identifier(parts)}, {"proposal", join(names, ", ")}});
  }
  auto fields = schema.fields();
  auto& field = fields[*index];
  DataType type = spec.has_type() ? DataType::from_proto(spec.type()) : field.type();
  if (std::count(table.partition_columns.begin(), table.partition_columns.end(), field.name)) {
    throw analysis_error("CANNOT_ALTER_PARTITION_COLUMN",
                         {{"tableName", quote_identifier(quote_if_needed(table.full_name()))}, {"columnName", quote_identifier(parts[0])}});
  }
  // Only the collation of a type may change.
  bool same = type.same_type(field.type()) || (type.id() == plan::TypeId::kString && field.type().id() == plan::TypeId::kString);
  if (!same) {
    throw analysis_error("NOT_SUPPORTED_CHANGE_COLUMN",
                         {{"table", quote_identifier(table.full_name())}, {"originName", quote_identifier(field.name)},
                          {"originType", quote_sql(field.type().sql())}, {"newName", quote_identifier(field.name)}, {"newType", quote_sql(type.sql())}});
  }
  std::string metadata = field.metadata;
  if (spec.has_comment()) metadata = with_metadata(metadata, "comment", spec.comment());
  if (spec.drop_default()) metadata = with_metadata(metadata, "CURRENT_DEFAULT", std::nullopt);
  if (spec.has_default_value()) {
    sql::ColumnDef column;
    column.add_name(field.name);
    *column.mutable_default_value() = spec.default_value();
    folded_default(column, type, "ALTER TABLE ALTER COLUMN", host);
    metadata = with_metadata(metadata, "CURRENT_DEFAULT", spec.default_value().text());
  }
  field = plan::make_field(field.name, type, field.nullable, metadata);
  std::string json = DataType::structure(std::move(fields)).json();
  change_entry(table, host, [&](catalog::TableInfo& t) { t.schema_json = json; });
  return {};
}

}  // namespace

CommandResult alter_table(const sql::Statement& statement, CommandHost& host) {
  auto& alter = statement.alter_table();
  auto parts = name_parts(alter.name(), host);
  if (alter.action_case() == sql::AlterTable::kRenameTo) return rename(parts, alter, host);
  if (alter.is_view()) {
    if (find_temp_view(parts, host)) {
      throw analysis_error("EXPECT_PERMANENT_VIEW_NOT_TEMP",
                           {{"operation", alter.has_set_properties() ? "ALTER VIEW ... SET TBLPROPERTIES" : "ALTER VIEW ... UNSET TBLPROPERTIES"},
                            {"viewName", quote_identifier(parts)}});
    }
    auto view = require_view(parts, host, alter.has_set_properties() ? "ALTER VIEW ... SET TBLPROPERTIES" : "ALTER VIEW ... UNSET TBLPROPERTIES");
    change_entry(view, host, [&](catalog::TableInfo& t) {
      if (alter.has_set_properties()) set_properties(t, alter.set_properties());
      if (alter.has_unset_properties()) unset_properties(t, alter.unset_properties());
    });
    return {};
  }
  bool suggest = alter.has_set_properties() || alter.has_unset_properties();
  auto table = require_table(parts, host, action_name(alter), suggest);
  if (table.is_delta()) return delta_alter(table, alter, host);
  switch (alter.action_case()) {
    case sql::AlterTable::kAddColumns:
      return add_columns(table, alter, host);
    case sql::AlterTable::kAlterColumns:
      return alter_columns(table, alter, host);
    case sql::AlterTable::kRenameColumn:
      throw unsupported_operation(table.full_name(), "RENAME COLUMN");
    case sql::AlterTable::kDropColumns:
      throw unsupported_operation(table.full_name(), "DROP COLUMN");
    case sql::AlterTable::kReplaceColumns:
      throw unsupported_operation(table.full_name(), "REPLACE COLUMNS");
    case sql::AlterTable::kSetProperties:
      change_entry(table, host, [&](catalog::TableInfo& t) { set_properties(t, alter.set_properties()); });
      return {};
    case sql::AlterTable::kUnsetProperties:
      change_entry(table, host, [&](catalog::TableInfo& t) { unset_properties(t, alter.unset_properties()); });
      return {};
    case sql::AlterTable::kSetSerde: {
      auto& serde = alter.set_serde();
      if (serde.has_partition()) throw analysis_error("_LEGACY_ERROR_TEMP_1247", {});
      if (serde.has_serde()) {
        throw analysis_error("UNSUPPORTED_FEATURE.ALTER_TABLE_SERDE_FOR_DATASOURCE_TABLE", {{"tableName", quote_identifier(table.full_name())}});
      }
      change_entry(table, host, [&](catalog::TableInfo& t) {
        for (auto& p : serde.properties()) {
          std::erase_if(t.options, [&](auto& o) { return lower(o.first) == lower(p.key()); });
          t.options.emplace_back(p.key(), p.value());
        }
      });
      return {};
    }
    case sql::AlterTable::kSetLocation: {
      if (alter.set_location().has_partition()) {
        require_partition(table, full_spec(alter.set_location().partition(), table, host), host);
        throw not_built("ALTER TABLE PARTITION SET LOCATION");
      }
      if (alter.set_location().location().empty()) throw analysis_error("INVALID_EMPTY_LOCATION", {{"location", ""}});
      std::string location = make_location(alter.set_location().location(), host);
      forget_table(table, host);
      change_entry(table, host, [&](catalog::TableInfo& t) { t.location = location; });
      return {};
    }
    case sql::AlterTable::kAddPartitions:
    case sql::AlterTable::kDropPartitions:
    case sql::AlterTable::kRenamePartition:
    case sql::AlterTable::kRecoverPartitions:
      return alter_partitions(table, alter, host);
    case sql::AlterTable::kClusterBy: {
      std::vector<std::string> columns;
      for (auto& column : alter.cluster_by().columns()) columns.push_back(quote_if_needed(name_parts(column, host)));
      change_entry(table, host, [&](catalog::TableInfo& t) { t.clustering_columns = columns; });
      return {};
    }
    case sql::AlterTable::kCollation:
      change_entry(table, host, [&](catalog::TableInfo& t) { t.collation = plan::canonical_collation(alter.collation()); });
      return {};
    case sql::AlterTable::kAddConstraint:
      throw unsupported_operation(table.full_name(), "ADD CONSTRAINT");
    case sql::AlterTable::kDropConstraint:
      throw unsupported_operation(table.full_name(), "DROP CONSTRAINT");
    case sql::AlterTable::kDropFeature:
      throw unsupported_operation(table.full_name(), "DROP FEATURE");
    default:
      throw internal_error("ALTER TABLE without an action");
  }
}

}  // namespace tarn::engine::commands
