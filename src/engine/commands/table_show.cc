// SHOW TABLES / VIEWS / TBLPROPERTIES / COLUMNS / CREATE TABLE. Source: ShowTablesExec, ShowCreateTableCommand, …
#include <algorithm>
#include <set>

#include "engine/commands/delta_tables.h"
#include "engine/commands/handlers.h"
#include "engine/commands/partitions.h"
#include "engine/commands/support.h"
#include "engine/commands/table_metadata.h"
#include "plan/session_conf.h"
#include "sql/parser.h"
#include "tarn/sql.pb.h"

namespace tarn::engine::commands {

using catalog::lower;
using plan::DataType;
using plan::TypeId;

namespace {

const Column kShowTables[] = {{"namespace"}, {"tableName"}, {"isTemporary", TypeId::kBoolean}};

bool is_global_temp(const std::vector<std::string>& parts, CommandHost& host) {
  return parts.size() == 1 && lower(parts[0]) == lower(host.conf().text("spark.sql.globalTempDatabase"));
}

std::vector<std::pair<std::string, plan::TempView>> temp_views(bool global, const std::string& pattern, CommandHost& host) {
  std::vector<std::pair<std::string, plan::TempView>> out;
  auto take = [&](const std::map<std::string, plan::TempView>& views) {
    for (auto& [name, view] : views) {
      if (catalog::matches_pattern(name, pattern)) out.emplace_back(name, view);
    }
  };
  if (global) {
    std::lock_guard lock(host.analyzer().global_views.mu);
    take(host.analyzer().global_views.views);
  } else {
    std::lock_guard lock(host.analyzer().state.mu);
    take(host.analyzer().state.temp_views);
  }
  return out;
}

DataType explicit_collation(const DataType& type) {
  switch (type.id()) {
    case TypeId::kString: return type.is_default_string() ? DataType::string("UTF8_BINARY") : type;
    case TypeId::kArray: return DataType::array(explicit_collation(type.element()), type.contains_null());
    case TypeId::kMap: return DataType::map(explicit_collation(type.key()), explicit_collation(type.value()), type.contains_null());
    case TypeId::kStruct: {
      std::vector<plan::StructField> fields;
      for (auto& f : type.fields()) fields.push_back(plan::make_field(f.name, explicit_collation(f.type()), f.nullable, f.metadata));
      return DataType::structure(std::move(fields));
    }
    default: return type;
  }
}

std::string lines_in_parentheses(const std::vector<std::string>& lines) { return "(\n  " + join(lines, ",\n  ") + ")\n"; }

std::string property_list(const catalog::Properties& properties) {
  std::vector<std::string> lines;
  for (auto& [k, v] : properties) lines.push_back(single_quoted(k) + " = " + single_quoted(redact(k, v)));
  return lines_in_parentheses(lines);
}

std::string create_view_text(const catalog::TableInfo& view, const DataType& schema, CommandHost& host) {
  std::string out = "CREATE VIEW " + quote_if_needed(std::vector<std::string>{view.schema, view.name}) + " ";
  std::vector<std::string> names;
  for (auto& f : schema.fields()) {
    auto comment = field_metadata(f, "comment");
    names.push_back(quote_if_needed(f.name) + (comment ? " COMMENT " + single_quoted(*comment) : ""));
  }
  if (!names.empty()) out += lines_in_parentheses(names);
  if (view.comment) out += "COMMENT " + single_quoted(*view.comment) + "\n";
  if (view.collation) out += "DEFAULT COLLATION " + *view.collation + "\n";
  if (!view.properties.empty()) out += "TBLPROPERTIES " + property_list(view.properties);
  if (host.conf().flag("spark.sql.legacy.viewSchemaBindingMode")) out += "WITH SCHEMA " + (view.view_schema_mode.empty() ? "BINDING" : view.view_schema_mode) + "\n";
  return out + "AS " + view.view_text + "\n";
}

std::string create_table_text(const catalog::TableInfo& table, const DataType& schema) {
  std::string out = "CREATE TABLE " + quote_if_needed(table.full_name()) + " ";
  std::vector<std::string> columns;
  for (auto& f : schema.fields()) {
    std::string line = quote_if_needed(f.name) + " " + explicit_collation(f.type()).sql();
    if (f.type().id() == TypeId::kChar || f.type().id() == TypeId::kVarchar) line += " COLLATE UTF8_BINARY";
    if (!f.nullable) line += " NOT NULL";
    if (auto generated = field_metadata(f, "delta.generationExpression")) line += " GENERATED ALWAYS AS (" + *generated + ")";
    if (auto value = field_metadata(f, "CURRENT_DEFAULT")) line += " DEFAULT " + *value;
    if (auto comment = field_metadata(f, "comment")) line += " COMMENT " + single_quoted(*comment);
    columns.push_back(line);
  }
  out += lines_in_parentheses(columns);
  out += "USING " + table.provider + "\n";
  if (!table.options.empty()) {
    catalog::Properties sorted(table.options.begin(), table.options.end());
    out += "OPTIONS " + property_list(sorted);
  }
  if (!table.partition_columns.empty()) out += "PARTITIONED BY (" + join(table.partition_columns, ", ") + ")\n";
  if (!table.clustering_columns.empty()) out += "CLUSTER BY (" + join(table.clustering_columns, ", ") + ")\n";
  if (table.bucket) {
    out += "CLUSTERED BY (" + join(table.bucket->columns, ", ") + ")\n";
    if (!table.bucket->sort_columns.empty()) out += "SORTED BY (" + join(table.bucket->sort_columns, ", ") + ")\n";
    out += "INTO " + std::to_string(table.bucket->buckets) + " BUCKETS\n";
  }
  if (table.comment) out += "COMMENT " + single_quoted(*table.comment) + "\n";
  if (table.collation) out += "DEFAULT COLLATION " + *table.collation + "\n";
  if (table.type == catalog::TableType::kExternal) out += "LOCATION " + single_quoted(table.location) + "\n";
  if (!table.properties.empty()) out += "TBLPROPERTIES " + property_list(table.properties);
  return out;
}

}  // namespace

CommandResult show_tables(const sql::Statement& statement, CommandHost& host) {
  auto& show = statement.show_tables();
  auto parts = show.has_namespace_() ? name_parts(show.namespace_(), host) : std::vector<std::string>{};
  auto result = show.extended() ? answer({kShowTables[0], kShowTables[1], kShowTables[2], {"information"}})
                                : answer({kShowTables[0], kShowTables[1], kShowTables[2]});
  std::string pattern = show.has_pattern() ? show.pattern() : "*";
  if (show.has_partition()) {
    std::vector<std::string> name = parts;
    name.push_back(show.pattern());
    auto table = require_table(name, host, "SHOW TABLE EXTENDED ... PARTITION ...");
    auto partition = require_partition(table, full_spec(show.partition(), table, host), host);
    result.rows.push_back({text(quote_if_needed(table.schema)), text(table.name), boolean(false),
                           text(simple_string(partition_lines(table, partition, host)) + "\n")});
    return result;
  }
  bool global = is_global_temp(parts, host);
  if (!global) {
    auto [catalog_name, schema] = qualify_schema(parts, host);
    for (auto& table : host.analyzer().catalog.list_tables(catalog_name, schema)) {
      if (!catalog::matches_pattern(table.name, pattern)) continue;
      Row row = {text(quote_if_needed(table.schema)), text(table.name), boolean(false)};
      if (show.extended()) row.push_back(text(simple_string(table_lines(table, relation_schema(table, host), true, host)) + "\n"));
      result.rows.push_back(std::move(row));
    }
  }
  auto add_temp = [&](bool of_engine) {
    std::string database = of_engine ? host.conf().text("spark.sql.globalTempDatabase") : "";
    for (auto& [name, view] : temp_views(of_engine, pattern, host)) {
      Row row = {text(database), text(name), boolean(true)};
      if (show.extended()) row.push_back(text(simple_string(temp_view_lines(database, name, view, host)) + "\n"));
      result.rows.push_back(std::move(row));
    }
  };
  if (global) add_temp(true);
  add_temp(false);
  return result;
}

CommandResult show_views(const sql::Statement& statement, CommandHost& host) {
  auto& show = statement.show_views();
  auto parts = show.has_namespace_() ? name_parts(show.namespace_(), host) : std::vector<std::string>{};
  auto result = answer({{"namespace"}, {"viewName"}, {"isTemporary", TypeId::kBoolean}});
  std::string pattern = show.has_pattern() ? show.pattern() : "*";
  if (is_global_temp(parts, host)) {
    for (auto& [name, view] : temp_views(true, pattern, host)) {
      result.rows.push_back({text(host.conf().text("spark.sql.globalTempDatabase")), text(name), boolean(true)});
    }
  } else {
    auto [catalog_name, schema] = qualify_schema(parts, host);
    for (auto& table : host.analyzer().catalog.list_tables(catalog_name, schema)) {
      if (table.is_view() && catalog::matches_pattern(table.name, pattern)) {
        result.rows.push_back({text(quote_if_needed(table.schema)), text(table.name), boolean(false)});
      }
    }
  }
  for (auto& [name, view] : temp_views(false, pattern, host)) result.rows.push_back({text(""), text(name), boolean(true)});
  return result;
}

CommandResult show_table_properties(const sql::Statement& statement, CommandHost& host) {
  auto& show = statement.show_table_properties();
  auto parts = name_parts(show.name(), host);
  auto result = answer({{"key"}, {"value"}});
  if (find_temp_view(parts, host)) return result;
  auto table = require_relation(parts, host);
  if (table.is_delta()) refresh_from_log(table, host);
  if (show.has_key()) {
    auto it = table.properties.find(show.key());
    std::string value = it != table.properties.end() ? redact(it->first, it->second)
                                                     : "Table " + quote_if_needed(table.full_name()) + " does not have property: " + show.key();
    result.rows.push_back({text(show.key()), text(value)});
    return result;
  }
  for (auto& [k, v] : table.properties) {
    if (!k.starts_with("view.")) result.rows.push_back({text(k), text(redact(k, v))});
  }
  return result;
}

CommandResult show_columns(const sql::Statement& statement, CommandHost& host) {
  auto& show = statement.show_columns();
  auto parts = name_parts(show.name(), host);
  if (show.has_namespace_()) {
    auto ns = name_parts(show.namespace_(), host);
    if (parts.size() > 1 && !same_name(parts[parts.size() - 2], ns.back(), host)) {
      throw analysis_error("SHOW_COLUMNS_WITH_CONFLICT_NAMESPACE",
                           {{"namespaceA", quote_identifier(ns)},
                            {"namespaceB", quote_identifier(std::vector<std::string>(parts.begin(), parts.end() - 1))}});
    }
    std::string name = parts.back();
    parts = ns;
    parts.push_back(name);
  }
  auto result = answer({{"col_name"}});
  DataType schema;
  if (auto temp = find_temp_view(parts, host)) schema = plan::schema_of(*get_temp_view(*temp, host).plan);
  else schema = relation_schema(require_relation(parts, host), host);
  for (auto& f : schema.fields()) result.rows.push_back({text(f.name)});
  return result;
}

CommandResult show_create_table(const sql::Statement& statement, CommandHost& host) {
  auto& show = statement.show_create_table();
  auto parts = name_parts(show.name(), host);
  if (find_temp_view(parts, host)) {
    throw analysis_error("EXPECT_PERMANENT_VIEW_NOT_TEMP",
                         {{"operation", show.as_serde() ? "SHOW CREATE TABLE ... AS SERDE" : "SHOW CREATE TABLE"}, {"viewName", quote_identifier(parts)}});
  }
  auto table = require_relation(parts, host);
  if (table.is_delta()) refresh_from_log(table, host);
  auto schema = relation_schema(table, host);
  std::string out;
  if (table.is_view()) {
    out = create_view_text(table, schema, host);
  } else if (show.as_serde()) {
    throw analysis_error("UNSUPPORTED_SHOW_CREATE_TABLE.ON_DATA_SOURCE_TABLE_WITH_AS_SERDE", {{"tableName", quote_identifier(table.full_name())}});
  } else {
    out = create_table_text(table, schema);
  }
  return answer({{"createtab_stmt"}}, {{text(std::move(out))}});
}

}  // namespace tarn::engine::commands
