// DESCRIBE TABLE / QUERY / COLUMN / AS JSON. Source: DescribeTableCommand, DescribeTableExec, DescribeColumnCommand, DescribeRelationJsonCommand.
#include <nlohmann/json.hpp>

#include "engine/commands/delta_tables.h"
#include "engine/commands/handlers.h"
#include "engine/commands/partitions.h"
#include "engine/commands/support.h"
#include "engine/commands/table_metadata.h"
#include "plan/search_path.h"
#include "plan/session_conf.h"
#include "spark/connect/relations.pb.h"
#include "sql/parser.h"
#include "tarn/sql.pb.h"

namespace tarn::engine::commands {

using catalog::lower;
using plan::DataType;
using plan::TypeId;
using json = nlohmann::ordered_json;

namespace {

CommandResult description() { return answer({{"col_name"}, {"data_type"}, {"comment", TypeId::kString, true}}); }

void row(CommandResult& out, const std::string& name, const std::string& type, const std::optional<std::string>& comment = "") {
  out.rows.push_back({text(name), text(type), optional_text(comment)});
}

void add_field(CommandResult& out, const std::string& name, const plan::StructField& field) {
  row(out, name, field.type().simple_string(), field_metadata(field, "comment"));
}

void add_schema(CommandResult& out, const DataType& schema) {
  for (auto& f : schema.fields()) add_field(out, f.name, f);
}

// a.b of nested columns.
const plan::StructField* find_field(const DataType& schema, const std::vector<std::string>& path) {
  const DataType* type = &schema;
  const plan::StructField* field = nullptr;
  for (auto& part : path) {
    if (type->id() != TypeId::kStruct) return nullptr;
    auto index = type->field_index(part, false);
    if (!index) return nullptr;
    field = &type->fields()[*index];
    type = &field->type();
  }
  return field;
}

void add_partitioning(CommandResult& out, const catalog::TableInfo& table, const DataType& schema) {
  if (!table.partition_columns.empty()) {
    row(out, "# Partition Information", "");
    row(out, "# col_name", "data_type", "comment");
    for (auto& name : table.partition_columns) {
      if (auto* f = find_field(schema, {name})) add_field(out, name, *f);
    }
  }
  if (!table.clustering_columns.empty()) {
    row(out, "# Clustering Information", "");
    row(out, "# col_name", "data_type", "comment");
    for (auto& name : table.clustering_columns) {
      if (auto* f = find_field(schema, sql::parse_multipart_identifier(name))) add_field(out, name, *f);
    }
  }
}

void add_defaults(CommandResult& out, const DataType& schema) {
  bool header = false;
  for (auto& f : schema.fields()) {
    auto value = field_metadata(f, "CURRENT_DEFAULT");
    if (!value) continue;
    if (!header) {
      row(out, "", "");
      row(out, "# Column Default Values", "");
      header = true;
    }
    row(out, f.name, f.type().simple_string(), *value);
  }
}

json json_type(const DataType& type) {
  json out;
  switch (type.id()) {
    case TypeId::kArray:
      out["name"] = "array";
      out["element_type"] = json_type(type.element());
      out["element_nullable"] = type.contains_null();
      break;
    case TypeId::kMap:
      out["name"] = "map";
      out["key_type"] = json_type(type.key());
      out["value_type"] = json_type(type.value());
      out["value_nullable"] = type.contains_null();
      break;
    case TypeId::kStruct: {
      out["name"] = "struct";
      out["fields"] = json::array();
      for (auto& f : type.fields()) {
        json field;
        field["name"] = f.name;
        field["type"] = json_type(f.type());
        field["nullable"] = f.nullable;
        if (auto comment = field_metadata(f, "comment")) field["comment"] = *comment;
        if (auto value = field_metadata(f, "CURRENT_DEFAULT")) field["default"] = *value;
        out["fields"].push_back(std::move(field));
      }
      break;
    }
    case TypeId::kDecimal:
      out["name"] = "decimal";
      out["precision"] = type.precision();
      out["scale"] = type.scale();
      break;
    case TypeId::kVarchar:
    case TypeId::kChar:
      out["name"] = type.id() == TypeId::kChar ? "char" : "varchar";
      out["length"] = type.length();
      break;
    case TypeId::kTimestamp: out["name"] = "timestamp_ltz"; break;
    case TypeId::kYearMonthInterval:
    case TypeId::kDayTimeInterval: {
      static constexpr const char* kYm[] = {"year", "month"};
      static constexpr const char* kDt[] = {"day", "hour", "minute", "second"};
      auto* names = type.id() == TypeId::kYearMonthInterval ? kYm : kDt;
      out["name"] = "interval";
      out["start_unit"] = names[type.start_field()];
      out["end_unit"] = names[type.end_field()];
      break;
    }
    case TypeId::kString:
      out["name"] = "string";
      out["collation"] = type.collation();
      break;
    default: out["name"] = type.simple_string();
  }
  return out;
}

std::string iso_time(int64_t milliseconds) {
  std::time_t seconds = static_cast<std::time_t>(milliseconds / 1000);
  std::tm broken{};
  gmtime_r(&seconds, &broken);
  char buffer[32];
  std::strftime(buffer, sizeof buffer, "%Y-%m-%dT%H:%M:%SZ", &broken);
  return buffer;
}

json object_of(const catalog::Pairs& pairs) {
  json out = json::object();
  for (auto& [k, v] : pairs) out[k] = redact(k, v);
  return out;
}

void add(json& out, const char* key, json value) {
  if (!out.contains(key)) out[key] = std::move(value);
}

void add_bucket(json& out, const catalog::TableInfo& table) {
  if (!table.bucket) return;
  add(out, "num_buckets", table.bucket->buckets);
  add(out, "bucket_columns", table.bucket->columns);
  add(out, "sort_columns", table.bucket->sort_columns);
}

void add_storage(json& out, const catalog::TableInfo& table, const std::string& location) {
  if (!location.empty()) add(out, "location", location);
  if (!table.options.empty()) add(out, "storage_properties", object_of(table.options));
}

void add_table(json& out, const catalog::TableInfo& table) {
  if (!table.owner.empty() && table.catalog != catalog::kSessionCatalog) add(out, "owner", table.owner);
  add(out, "created_time", iso_time(table.created_ms));
  add(out, "last_access", "UNKNOWN");
  add(out, "created_by", table.created_by);
  add(out, "type", table.is_view() ? "VIEW" : table.type == catalog::TableType::kExternal ? "EXTERNAL" : "MANAGED");
  if (!table.provider.empty()) add(out, "provider", table.provider);
  add_bucket(out, table);
  if (table.comment) add(out, "comment", *table.comment);
  if (table.collation) add(out, "collation", *table.collation);
  if (table.is_view()) {
    add(out, "view_text", table.view_text);
    add(out, "view_original_text", table.view_text);
    add(out, "view_schema_mode", table.view_schema_mode);
    std::vector<std::string> home = {table.view_catalog};
    home.insert(home.end(), table.view_namespace.begin(), table.view_namespace.end());
    add(out, "view_catalog_and_namespace", quote_if_needed(home));
    if (!table.view_query_columns.empty()) add(out, "view_query_output_columns", table.view_query_columns);
  }
  catalog::Pairs properties(table.properties.begin(), table.properties.end());
  if (!properties.empty()) add(out, "table_properties", object_of(properties));
  if (table.stats.size_in_bytes) {
    json stats;
    stats["size_in_bytes"] = *table.stats.size_in_bytes;
    if (table.stats.row_count) stats["num_rows"] = *table.stats.row_count;
    add(out, "statistics", stats);
  }
  add_storage(out, table, table.location);
  if (table.tracks_partitions) add(out, "partition_provider", "Catalog");
  if (!table.partition_columns.empty()) add(out, "partition_columns", table.partition_columns);
}

CommandResult describe_json(const std::vector<std::string>& parts, const sql::DescribeRelation& describe, CommandHost& host) {
  json out;
  auto identifier = [&](const std::vector<std::string>& name) {
    out["table_name"] = name.back();
    out["catalog_name"] = name.front();
    out["namespace"] = std::vector<std::string>(name.begin() + 1, name.end() - 1);
    if (name.size() > 2) out["schema_name"] = name[name.size() - 2];
  };
  if (auto temp = find_temp_view(parts, host)) {
    auto view = get_temp_view(*temp, host);
    identifier({"system", "session", parts.back()});
    out["columns"] = json_type(plan::schema_of(*view.plan))["fields"];
    add(out, "created_time", iso_time(host.analyzer().now_micros / 1000));
    add(out, "last_access", "UNKNOWN");
    add(out, "created_by", "Spark 4.2.0");
    add(out, "type", "VIEW");
    if (!view.sql_text.empty()) add(out, "view_text", view.sql_text);
    add(out, "view_schema_mode", "BINDING");
  } else {
    auto table = require_relation(parts, host);
    if (table.is_delta()) throw analysis_error("UNSUPPORTED_FEATURE.TABLE_OPERATION", {{"tableName", quote_identifier(table.full_name())}, {"operation", "DESCRIBE TABLE AS JSON"}});
    identifier(table.full_name());
    out["columns"] = json_type(relation_schema(table, host))["fields"];
    if (!table.clustering_columns.empty()) out["clustering_columns"] = table.clustering_columns;
    if (describe.has_partition()) {
      auto partition = require_partition(table, full_spec(describe.partition(), table, host), host);
      out["partition_values"] = object_of(partition.spec);
      add_storage(out, table, partition.location);
      add(out, "created_time", iso_time(partition.created_ms));
      add(out, "last_access", "UNKNOWN");
      add_table(out, table);
    } else {
      add_bucket(out, table);
      add_storage(out, table, table.location);
      add_table(out, table);
    }
    if (table.is_view()) {
      catalog::Pairs configs;
      for (auto& [k, v] : table.view_configs)
        if (k != plan::kStoredPath) configs.emplace_back(k, v);
      out["view_creation_spark_configuration"] = object_of(configs);
    }
  }
  add(out, "collation", "UTF8_BINARY");
  return answer({{"json_metadata"}}, {{text(out.dump(-1, ' ', false, json::error_handler_t::replace))}});
}

CommandResult describe_column(const std::vector<std::string>& parts, const sql::DescribeRelation& describe, CommandHost& host) {
  DataType schema;
  catalog::TableStats stats;
  if (auto temp = find_temp_view(parts, host)) {
    schema = plan::schema_of(*get_temp_view(*temp, host).plan);
  } else {
    auto table = require_relation(parts, host);
    schema = relation_schema(table, host);
    stats = table.stats;
  }
  std::vector<std::string> column(describe.column().begin(), describe.column().end());
  // The column may be written with the table before it: t.a
  auto index = schema.field_index(column[0], host.conf().case_sensitive());
  if (!index && column.size() > 1 && same_name(column[0], parts.back(), host)) {
    column.erase(column.begin());
    index = schema.field_index(column[0], host.conf().case_sensitive());
  }
  if (!index) {
    throw analysis_error("COLUMN_NOT_FOUND", {{"colName", quote_identifier(quote_if_needed(column))},
                                              {"caseSensitiveConfig", "\"spark.sql.caseSensitive\""}});
  }
  if (column.size() > 1) {
    throw analysis_error("_LEGACY_ERROR_TEMP_1060", {{"command", "DESC TABLE COLUMN"}, {"column", join(column, ".")}});
  }
  auto& field = schema.fields()[*index];
  auto result = answer({{"info_name"}, {"info_value"}});
  auto add_row = [&](const char* name, const std::string& value) { result.rows.push_back({text(name), text(value)}); };
  add_row("col_name", field.name);
  add_row("data_type", field.type().catalog_string());
  add_row("comment", field_metadata(field, "comment").value_or("NULL"));
  if (describe.extended()) {
    catalog::Properties s;
    for (auto& [name, values] : stats.columns) {
      if (same_name(name, field.name, host)) s = values;
    }
    auto stat = [&](const char* key) { return s.count(key) ? s[key] : std::string("NULL"); };
    add_row("min", stat("min"));
    add_row("max", stat("max"));
    add_row("num_nulls", stat("nullCount"));
    add_row("distinct_count", stat("distinctCount"));
    add_row("avg_col_len", stat("avgLen"));
    add_row("max_col_len", stat("maxLen"));
    add_row("histogram", "NULL");
    if (auto value = field_metadata(field, "CURRENT_DEFAULT")) add_row("default", *value);
  }
  return result;
}

void add_delta_details(CommandResult& out, const catalog::TableInfo& table) {
  row(out, "", "");
  row(out, "# Detailed Table Information", "");
  row(out, "Catalog", table.catalog);
  row(out, "Namespace", quote_if_needed(table.schema));
  row(out, "Database", table.schema);
  row(out, "Table", table.name);
  row(out, "Type", table.type == catalog::TableType::kExternal ? "EXTERNAL" : "MANAGED");
  if (table.comment) row(out, "Comment", *table.comment);
  row(out, "Location", table.location);
  row(out, "Provider", table.provider);
  if (!table.owner.empty()) row(out, "Owner", table.owner);
  std::string properties;
  for (auto& [k, v] : table.properties) properties += (properties.empty() ? "" : ",") + k + "=" + redact(k, v);
  row(out, "Table Properties", "[" + properties + "]");
}

}  // namespace

CommandResult describe_relation(const sql::Statement& statement, CommandHost& host) {
  auto& describe = statement.describe_relation();
  auto parts = name_parts(describe.name(), host);
  if (describe.as_json()) return describe_json(parts, describe, host);
  if (!describe.column().empty()) return describe_column(parts, describe, host);
  auto result = description();
  auto forbid = [&](const char* type) {
    return analysis_error("FORBIDDEN_OPERATION",
                          {{"statement", "DESC PARTITION"}, {"objectType", type}, {"objectName", quote_identifier(parts.back())}});
  };
  if (auto temp = find_temp_view(parts, host)) {
    if (describe.has_partition()) throw forbid("TEMPORARY VIEW");
    auto view = get_temp_view(*temp, host);
    add_schema(result, plan::schema_of(*view.plan));
    return result;
  }
  auto found = find_table(parts, host);
  if (!found) {
    // DESCRIBE delta.`/path`, parquet.`/path`
    if (parts.size() == 2 && parts[1].find('/') != std::string::npos) {
      add_schema(result, plan::schema_of(*plan_of_name(parts, host)));
      return result;
    }
    throw_table_not_found(parts, host);
  }
  auto& table = *found;
  if (table.is_delta()) refresh_from_log(table, host);
  auto schema = relation_schema(table, host);
  add_schema(result, schema);
  add_partitioning(result, table, schema);
  if (describe.has_partition()) {
    if (table.is_view()) throw forbid("VIEW");
    auto partition = require_partition(table, full_spec(describe.partition(), table, host), host);
    if (describe.extended()) {
      row(result, "", "");
      row(result, "# Detailed Partition Information", "");
      row(result, "Database", table.schema);
      row(result, "Table", table.name);
      for (auto& [k, v] : partition_lines(table, partition, host)) row(result, k, v);
      row(result, "", "");
      row(result, "# Storage Information", "");
      for (auto& [k, v] : bucket_lines(table)) row(result, k, v);
      for (auto& [k, v] : storage_lines(table, table.location)) row(result, k, v);
    }
  } else if (describe.extended()) {
    if (table.is_delta()) {
      add_delta_details(result, table);
    } else {
      row(result, "", "");
      row(result, "# Detailed Table Information", "");
      for (auto& [k, v] : table_lines(table, schema, false, host)) row(result, k, v);
    }
  }
  add_defaults(result, schema);
  return result;
}

CommandResult describe_query(const sql::Statement& statement, CommandHost& host) {
  auto result = description();
  add_schema(result, plan::schema_of(*plan::analyze(statement.describe_query().query().query(), host.analyzer())));
  return result;
}

}  // namespace tarn::engine::commands
