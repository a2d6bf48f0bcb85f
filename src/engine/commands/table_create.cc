// CREATE TABLE (AS SELECT, LIKE, OR REPLACE), DROP TABLE, TRUNCATE TABLE.
#include <algorithm>

#include "delta/table.h"
#include "engine/commands/delta_tables.h"
#include "engine/commands/handlers.h"
#include "engine/commands/partitions.h"
#include "engine/commands/support.h"
#include "engine/commands/table_data.h"
#include "engine/commands/table_definition.h"
#include "engine/commands/table_writer.h"
#include "plan/collation.h"
#include "plan/python_functions.h"
#include "plan/session_conf.h"
#include "spark/connect/expressions.pb.h"
#include "spark/connect/relations.pb.h"
#include "sql/parser.h"
#include "tarn/sql.pb.h"

namespace tarn::engine::commands {

using catalog::lower;
using plan::DataType;

namespace {

SparkError table_exists(const TableName& name) {
  return SparkError(ErrorKind::kTableAlreadyExists, "TABLE_OR_VIEW_ALREADY_EXISTS", {{"relationName", name.quoted()}});
}

std::string storage_format(const sql::CreateTable& create, CommandHost& host) {
  if (create.has_provider()) return create.provider();
  if (create.has_file_format() || create.has_row_format()) {
    // Hive's STORED AS: the formats Spark reads itself are its own; others need Hive.
    if (create.has_file_format() && create.file_format().has_name() && !create.has_row_format()) {
      std::string name = lower(create.file_format().name());
      if (name == "textfile") return "text";
    }
    throw analysis_error("NOT_SUPPORTED_COMMAND_WITHOUT_HIVE_SUPPORT", {{"cmd", "CREATE Hive TABLE (AS SELECT)"}});
  }
  return host.conf().text("spark.sql.sources.default");
}

void read_partitioning(const sql::CreateTable& create, catalog::TableInfo& info, CommandHost& host, std::vector<plan::StructField>* extra) {
  for (auto& transform : create.partitioning()) {
    std::string kind = lower(transform.name());
    if (kind == "identity" && transform.arguments_size() == 1 && transform.arguments(0).has_column()) {
      auto parts = name_parts(transform.arguments(0).column(), host);
      if (parts.size() > 1) {
        throw analysis_error("UNSUPPORTED_FEATURE.PARTITION_WITH_NESTED_COLUMN_IS_UNSUPPORTED", {{"cols", quote_identifier(parts)}});
      }
      info.partition_columns.push_back(parts[0]);
    } else if (kind == "bucket") {
      catalog::BucketSpec bucket;
      for (auto& argument : transform.arguments()) {
        if (argument.has_column()) bucket.columns.push_back(quote_if_needed(name_parts(argument.column(), host)));
        else bucket.buckets = argument.literal().has_integer() ? argument.literal().integer() : static_cast<int>(argument.literal().long_());
      }
      if (info.bucket) throw analysis_error("UNSUPPORTED_FEATURE.MULTIPLE_BUCKET_TRANSFORMS", {});
      info.bucket = bucket;
    } else {
      std::string text = transform.name() + "(";
      for (int i = 0; i < transform.arguments_size(); ++i) {
        if (i) text += ", ";
        text += transform.arguments(i).has_column() ? quote_if_needed(name_parts(transform.arguments(i).column(), host))
                                                    : std::to_string(transform.arguments(i).literal().integer());
      }
      throw analysis_error("UNSUPPORTED_PARTITION_TRANSFORM", {{"transform", text + ")"}});
    }
  }
  for (auto& column : create.partition_columns()) {
    extra->push_back(field_of(column, "CREATE TABLE", info.provider, host));
    info.partition_columns.push_back(extra->back().name);
  }
  if (create.has_bucketing()) {
    catalog::BucketSpec bucket;
    bucket.buckets = create.bucketing().buckets();
    bucket.columns.assign(create.bucketing().columns().begin(), create.bucketing().columns().end());
    bucket.sort_columns.assign(create.bucketing().sort_columns().begin(), create.bucketing().sort_columns().end());
    for (bool descending : create.bucketing().sort_descending()) {
      if (descending) throw SparkError(ErrorKind::kParse, "_LEGACY_ERROR_TEMP_0035", {{"message", "Column ordering must be ASC, was 'DESC'"}});
    }
    if (info.bucket) throw analysis_error("UNSUPPORTED_FEATURE.MULTIPLE_BUCKET_TRANSFORMS", {});
    info.bucket = bucket;
  }
  for (auto& column : create.cluster_by()) info.clustering_columns.push_back(quote_if_needed(name_parts(column, host)));
}

}  // namespace

CommandResult create_table(const sql::Statement& statement, CommandHost& host) {
  auto& create = statement.create_table();
  auto& catalog = host.analyzer().catalog;
  auto parts = name_parts(create.name(), host);
  catalog::TableInfo info;
  CreateMode mode = create.mode() == sql::CreateTable::CREATE ? CreateMode::kCreate
                    : create.mode() == sql::CreateTable::REPLACE ? CreateMode::kReplace
                                                                 : CreateMode::kCreateOrReplace;
  // CREATE TABLE delta.`/path`: a table without a name.
  bool path_table = parts.size() == 2 && lower(parts[0]) == "delta" && parts[1].find('/') != std::string::npos &&
                    !catalog.get_schema(current_catalog(host), parts[0]);
  std::optional<catalog::TableInfo> existing;
  TableName name;
  if (path_table) {
    info.provider = "delta";
    info.location = make_location(parts[1], host);
    info.type = catalog::TableType::kExternal;
    info.name = parts[1];
    bool there = tarn::delta::Table::exists(info.location);
    if (there && mode == CreateMode::kCreate) {
      if (create.if_not_exists()) return {};
      throw SparkError(ErrorKind::kTableAlreadyExists, "TABLE_OR_VIEW_ALREADY_EXISTS", {{"relationName", quote_identifier(parts)}});
    }
    if (!there && mode == CreateMode::kReplace) throw_table_not_found(parts, host);
  } else {
    name = qualify(parts, host);
    catalog.require_schema(name.catalog, name.schema);
    existing = catalog.get_table(name.catalog, name.schema, name.name);
    if (existing && mode == CreateMode::kCreate) {
      if (create.if_not_exists()) return {};
      throw table_exists(name);
    }
    if (!existing && mode == CreateMode::kReplace) throw_table_not_found(parts, host);
    info.catalog = name.catalog;
    info.schema = name.schema;
    info.name = name.name;
    for (char c : info.name) {
      if (lower(info.catalog) == catalog::kSessionCatalog && !std::isalnum(static_cast<unsigned char>(c)) && c != '_') {
        throw analysis_error("INVALID_SCHEMA_OR_RELATION_NAME", {{"name", quote_identifier(info.name)}});
      }
    }
    info.provider = table_provider(storage_format(create, host), host);
  }
  if (mode != CreateMode::kCreate && (!info.is_delta() || (existing && !existing->is_delta()))) {
    throw unsupported_operation(name.parts(), "REPLACE TABLE");
  }
  info.properties = properties_of(create.properties());
  if (create.has_comment()) info.comment = create.comment();
  if (create.has_collation()) info.collation = plan::canonical_collation(create.collation());
  else if (!path_table) info.collation = catalog.require_schema(name.catalog, name.schema).collation;
  info.owner = now_owner(host);
  for (auto& [key, value] : pairs_of(create.options())) {
    if (lower(key) == "path") {
      info.location = make_location(value, host);
      info.type = catalog::TableType::kExternal;
    } else {
      info.options.emplace_back(key, value);
    }
  }
  for (auto& option : create.options()) {
    if (option.has_expression()) {
      auto value = evaluate(plan::analyze_constant(option.expression(), host.analyzer()), host);
      for (auto& pair : info.options) {
        if (pair.first == option.key() && value.v.index() == 5) pair.second = value.get<std::string>();
      }
    }
  }
  if (create.has_location()) {
    if (create.location().empty()) throw analysis_error("INVALID_EMPTY_LOCATION", {{"location", ""}});
    info.location = make_location(create.location(), host);
    info.type = catalog::TableType::kExternal;
  }
  if (create.external() && info.type != catalog::TableType::kExternal) {
    throw SparkError(ErrorKind::kParse, "_LEGACY_ERROR_TEMP_0035", {{"message", "CREATE EXTERNAL TABLE must be accompanied by LOCATION"}});
  }
  std::vector<plan::StructField> fields, extra;
  for (auto& column : create.columns()) {
    if (!info.is_delta() && column.has_generated()) throw unsupported_operation(name.parts(), "generated columns");
    if (!info.is_delta() && column.has_identity()) throw unsupported_operation(name.parts(), "identity column");
    fields.push_back(field_of(column, "CREATE TABLE", info.provider, host));
  }
  read_partitioning(create, info, host, &extra);
  fields.insert(fields.end(), extra.begin(), extra.end());
  if (info.collation)
    for (auto& f : fields) f = plan::make_field(f.name, plan::with_default_collation(f.type(), *info.collation), f.nullable, f.metadata);
  bool has_constraints = create.constraints_size() > 0;
  for (auto& column : create.columns()) has_constraints = has_constraints || column.constraints_size() > 0;
  if (has_constraints) {
    if (!info.is_delta()) throw unsupported_operation(name.parts(), "table constraint");
    auto add = [&](const sql::Constraint& c) {
      // Delta keeps CHECK constraints as properties, and has no others.
      if (c.kind() != sql::Constraint::CHECK) throw unsupported_operation(name.parts(), "PRIMARY KEY, UNIQUE and FOREIGN KEY constraints");
      if (!c.has_name()) throw unsupported_operation(name.parts(), "CHECK constraints without a name");
      info.properties["delta.constraints." + lower(c.name())] = c.check().text();
    };
    for (auto& c : create.constraints()) add(c);
    for (auto& column : create.columns()) {
      for (auto& c : column.constraints()) add(c);
    }
  }

  if (create.has_query()) {
    if (!fields.empty()) throw SparkError(ErrorKind::kParse, "_LEGACY_ERROR_TEMP_0035", {{"message", "Schema may not be specified in a Create Table As Select (CTAS) statement"}});
    auto query = plan::analyze(create.query(), host.analyzer());
    if (info.is_delta() && (mode != CreateMode::kCreate || path_table)) {
      DataType schema = plan::schema_of(*query);
      normalize_layout(info, schema, host);
      info.schema_json = schema.json();
      if (existing) info.location = existing->location, info.type = existing->type;
      if (info.location.empty()) info.location = catalog.default_table_location(info.catalog, info.schema, info.name);
      delta_create(info, mode, query, host);
      if (!path_table) {
        refresh_from_log(info, host);
        if (existing) info.created_ms = existing->created_ms;
        catalog.replace_table(info);
      }
      host.invalidate(info.location, true);
      return {};
    }
    create_from_query(std::move(info), std::move(query), host);
    return {};
  }

  DataType schema = DataType::structure(std::move(fields));
  bool managed = info.type == catalog::TableType::kManaged;
  if (schema.fields().empty() && !info.is_delta()) {
    if (info.bucket) throw analysis_error("SPECIFY_BUCKETING_IS_NOT_ALLOWED", {});
    if (!info.partition_columns.empty()) throw analysis_error("SPECIFY_PARTITION_IS_NOT_ALLOWED", {});
    if (auto* python = python_source(info.provider, host)) {
      std::vector<std::string> paths;
      if (!managed) paths.push_back(catalog::path_of_location(info.location));
      schema = plan::schema_of(*python->read_source(info.provider, paths, info.options, std::nullopt));
    } else {
      if (managed) throw analysis_error("UNABLE_TO_INFER_SCHEMA", {{"format", info.provider}});
      auto relation = host.analyzer().sources.load(info.provider, {info.location}, info.options, std::nullopt);
      schema = relation->schema();
      info.partition_columns = relation->partition_columns();
    }
    if (schema.fields().empty()) throw analysis_error("UNABLE_TO_INFER_SCHEMA", {{"format", info.provider}});
  } else if (!info.is_delta()) {
    schema = as_nullable(schema);
  }
  normalize_layout(info, schema, host);
  info.schema_json = schema.json();
  if (managed && !path_table) info.location = existing ? existing->location : catalog.default_table_location(info.catalog, info.schema, info.name);

  if (info.is_delta()) {
    delta_create(info, mode, nullptr, host);
    if (path_table) return {};
    refresh_from_log(info, host);
    if (existing) {
      info.created_ms = existing->created_ms;
      catalog.replace_table(info);
      host.invalidate(info.location, true);
    } else {
      catalog.create_table(info, create.if_not_exists());
    }
    return {};
  }
  if (managed && !python_source(info.provider, host)) {  // what a source in Python keeps lies where it likes
    if (has_content(info.location)) {
      throw analysis_error("LOCATION_ALREADY_EXISTS", {{"location", "'" + info.location + "'"}, {"identifier", name.quoted()}});
    }
    make_directory(info.location);
  }
  info.tracks_partitions = !info.partition_columns.empty();
  catalog.create_table(info, create.if_not_exists());
  return {};
}

CommandResult create_table_like(const sql::Statement& statement, CommandHost& host) {
  auto& like = statement.create_table_like();
  auto& catalog = host.analyzer().catalog;
  auto name = qualify(like.name(), host);
  auto source_parts = name_parts(like.source(), host);
  catalog::TableInfo info;
  DataType schema;
  std::optional<catalog::TableInfo> source;
  if (auto temp = find_temp_view(source_parts, host)) {
    schema = plan::schema_of(*get_temp_view(*temp, host).plan);
  } else {
    source = require_relation(source_parts, host);
    schema = source->is_view() ? plan::schema_of(*plan_of_name(source_parts, host)) : table_schema(*source, host);
  }
  if (catalog.get_table(name.catalog, name.schema, name.name)) {
    if (like.if_not_exists()) return {};
    throw table_exists(name);
  }
  info.catalog = name.catalog;
  info.schema = name.schema;
  info.name = name.name;
  info.owner = now_owner(host);
  if (like.has_provider()) info.provider = table_provider(like.provider(), host);
  else if (like.has_file_format() || like.has_row_format()) {
    throw analysis_error("NOT_SUPPORTED_COMMAND_WITHOUT_HIVE_SUPPORT", {{"cmd", "CREATE TABLE LIKE ... STORED AS"}});
  } else info.provider = source && !source->is_view() ? source->provider : host.conf().text("spark.sql.sources.default");
  info.properties = properties_of(like.properties());
  if (source && !source->is_view()) {
    info.partition_columns = source->partition_columns;
    info.bucket = source->bucket;
    info.clustering_columns = source->clustering_columns;
    info.comment = source->comment;
    if (!like.has_provider() || info.provider == source->provider) info.options = source->options;
  }
  if (like.has_location()) {
    info.location = make_location(like.location(), host);
    info.type = catalog::TableType::kExternal;
  } else {
    info.location = catalog.default_table_location(info.catalog, info.schema, info.name);
  }
  info.schema_json = schema.json();
  if (info.is_delta()) {
    delta_create(info, CreateMode::kCreate, nullptr, host);
    refresh_from_log(info, host);
  } else {
    if (info.type == catalog::TableType::kManaged) make_directory(info.location);
    info.tracks_partitions = !info.partition_columns.empty();
  }
  catalog.create_table(std::move(info), like.if_not_exists());
  return {};
}

CommandResult drop_table(const sql::Statement& statement, CommandHost& host) {
  auto& drop = statement.drop_table();
  auto parts = name_parts(drop.name(), host);
  auto wrong_kind = [&](const std::vector<std::string>& view) {
    return analysis_error("WRONG_COMMAND_FOR_OBJECT_TYPE",
                          {{"operation", "DROP TABLE"}, {"requiredType", "EXTERNAL or MANAGED"},
                           {"objectName", quote_if_needed(view)}, {"foundType", "VIEW"}, {"alternative", "DROP VIEW"}});
  };
  if (find_temp_view(parts, host)) throw wrong_kind(parts);
  auto table = find_table(parts, host);
  if (!table) {
    if (parts.size() > 2) qualify(parts, host);
    if (drop.if_exists()) return {};
    throw_table_not_found(parts, host);
  }
  if (table->is_view()) throw wrong_kind(table->full_name());
  forget_table(*table, host);
  if (auto gone = host.analyzer().catalog.drop_table(table->catalog, table->schema, table->name, drop.if_exists())) {
    if (gone->type == catalog::TableType::kManaged) remove_data(gone->location);
  }
  return {};
}

CommandResult truncate_table(const sql::Statement& statement, CommandHost& host) {
  auto& truncate = statement.truncate_table();
  auto parts = name_parts(truncate.name(), host);
  auto table = require_table(parts, host, "TRUNCATE TABLE");
  std::string quoted = quote_identifier(table.full_name());
  if (table.is_delta()) {
    if (truncate.has_partition()) throw unsupported_operation(table.full_name(), "TRUNCATE TABLE ... PARTITION");
    return delta_truncate(table, host);
  }
  if (python_source(table.provider, host)) throw analysis_error("_LEGACY_ERROR_TEMP_1121", {{"cmd", "truncates"}, {"table", table.provider}});
  if (table.type == catalog::TableType::kExternal) throw analysis_error("CANNOT_TRUNCATE_EXTERNAL_TABLE", {{"tableName", quoted}});
  if (truncate.has_partition()) {
    if (table.partition_columns.empty()) throw analysis_error("_LEGACY_ERROR_TEMP_1267", {{"tableIdentWithDB", quoted}});
    auto spec = normalize_spec(truncate.partition(), table, host);
    auto matching = matching_partitions(table, spec, host);
    if (matching.empty() && spec.size() == table.partition_columns.size()) throw partitions_not_found(table, spec);
    for (auto& partition : matching) empty_directory(partition.location);
  } else if (table.partition_columns.empty()) {
    empty_directory(table.location);
  } else {
    for (auto& partition : host.analyzer().catalog.list_partitions(table)) empty_directory(partition.location);
  }
  data_changed(table, host);
  return {};
}

}  // namespace tarn::engine::commands
