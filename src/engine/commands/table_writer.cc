#include "engine/commands/table_writer.h"

#include <algorithm>

#include "base/log.h"
#include "engine/commands/delta_tables.h"
#include "engine/commands/support.h"
#include "engine/commands/table_data.h"
#include "engine/commands/table_definition.h"
#include "engine/sinks/file_sink.h"
#include "engine/source_resolver.h"
#include "plan/python_functions.h"
#include "plan/session_conf.h"
#include "storage/object_store.h"

namespace tarn::engine::commands {

using catalog::lower;
using plan::DataType;
using plan::SaveMode;

namespace {

// The schema a file format stores for a query: its output names and types.
DataType file_schema(const plan::LogicalPlan& query) { return plan::schema_of(query); }

sinks::WriteResult run_sink(sinks::WriteRequest request, const plan::PlanPtr& query, CommandHost& host) {
  auto lowered = host.lower(query);
  request.query = lowered.sql;
  request.schema = file_schema(*query);
  return sinks::write_files(request, host.conf(), host.connection(), [&] { return host.cancelled(); });
}

std::string option(const catalog::Pairs& options, const char* name, const std::string& otherwise = {}) {
  for (auto it = options.rbegin(); it != options.rend(); ++it) {
    if (lower(it->first) == lower(name)) return it->second;
  }
  return otherwise;
}

}  // namespace

plan::PlanPtr resolve_for_table(const catalog::TableInfo& table, const DataType& schema, plan::PlanPtr query, bool by_name,
                                CommandHost& host) {
  return plan::resolve_insert(std::move(query), schema, quote_identifier(table.full_name()), by_name, host.analyzer());
}

void check_not_read(const plan::LogicalPlan& query, const catalog::TableInfo& table) {
  if (auto* scan = plan::try_as<plan::Scan>(query)) {
    if (!scan->name.empty() && scan->name.size() == 3 && lower(scan->name[0]) == lower(table.catalog) &&
        lower(scan->name[1]) == lower(table.schema) && lower(scan->name[2]) == lower(table.name)) {
      throw analysis_error("UNSUPPORTED_OVERWRITE.TABLE", {{"table", quote_identifier(table.full_name())}});
    }
  }
  for (auto& child : query.children) check_not_read(*child, table);
}

void write_to_table(const catalog::TableInfo& table, const plan::PlanPtr& query, const TableWrite& write, CommandHost& host) {
  if (table.is_delta()) {
    DeltaWriteOptions options;
    options.mode = write.mode;
    options.options = write.options;
    options.by_name = write.by_name;
    options.static_partition = write.static_partition;
    delta_write(table.location, quote_identifier(table.full_name()), query, options, host);
    host.analyzer().catalog.alter_table(table.catalog, table.schema, table.name,
                                        [&](catalog::TableInfo& t) { refresh_from_log(t, host); });
    data_changed(table, host);
    return;
  }
  if (auto* python = python_source(table.provider, host)) {
    auto options = table.options;
    options.insert(options.end(), write.options.begin(), write.options.end());
    if (table.type == catalog::TableType::kExternal) options.emplace_back("path", catalog::path_of_location(table.location));
    python->write_source(table.provider, options, write.mode == SaveMode::kOverwrite, query, [&](const plan::PlanPtr& plan) { return host.collect(plan); });
    data_changed(table, host);
    return;
  }
  if (table.bucket && host.conf().flag("spark.sql.sources.bucketing.enabled") == false) {
    // Bucketing off: the files are written as for a table without buckets, as in Spark.
  }
  if (write.mode == SaveMode::kOverwrite) check_not_read(*query, table);
  sinks::WriteRequest request;
  request.format = table.provider;
  request.path = table.location;
  request.options = table.options;
  request.options.insert(request.options.end(), write.options.begin(), write.options.end());
  request.mode = write.mode;
  request.partition_by = table.partition_columns;
  request.static_partition = write.static_partition;
  auto result = run_sink(std::move(request), query, host);
  if (table.tracks_partitions) host.analyzer().catalog.set_partitions(table, discover_partitions(table));
  host.analyzer().catalog.alter_table(table.catalog, table.schema, table.name, [](catalog::TableInfo& t) { t.stats = {}; });
  data_changed(table, host);
}

void write_to_path(const plan::WriteFilesCommand& command, CommandHost& host) {
  std::string format = command.format.empty() ? host.conf().text("spark.sql.sources.default") : command.format;
  check_no_store_settings(command.options);
  std::string location = make_location(command.path, host);
  if (lower(format) == "noop") {
    host.collect(command.query);
    return;
  }
  if (lower(format) == "delta") {
    DeltaWriteOptions options;
    options.mode = command.mode;
    options.options = command.options;
    options.partition_by = command.partition_by;
    options.cluster_by = command.cluster_by;
    delta_write(location, "delta.`" + catalog::path_of_location(location) + "`", command.query, options, host);
    host.invalidate(location, false);
    return;
  }
  if (!command.cluster_by.empty()) throw analysis_error("CLUSTERING_NOT_SUPPORTED", {{"operation", "save"}});
  sinks::WriteRequest request;
  request.format = format;
  request.path = command.path;
  request.options = command.options;
  request.mode = command.mode;
  request.partition_by = command.partition_by;
  run_sink(std::move(request), command.query, host);
  host.invalidate(location, false);
}

void create_from_query(catalog::TableInfo info, plan::PlanPtr query, CommandHost& host) {
  auto& catalog = host.analyzer().catalog;
  DataType schema = plan::schema_of(*query);
  if (schema.fields().empty()) throw analysis_error("EMPTY_SCHEMA_NOT_SUPPORTED_FOR_DATASOURCE", {{"format", info.provider}});
  normalize_layout(info, schema, host);
  info.owner = now_owner(host);
  bool managed = info.type == catalog::TableType::kManaged;
  if (managed) info.location = catalog.default_table_location(info.catalog, info.schema, info.name);
  if (info.is_delta()) {
    info.schema_json = schema.json();
    delta_create(info, CreateMode::kCreate, query, host);
    refresh_from_log(info, host);
    catalog.create_table(std::move(info), false);
    return;
  }
  if (python_source(info.provider, host)) {
    info.schema_json = as_nullable(schema).json();
    auto stored = catalog.create_table(std::move(info), false);
    try {
      write_to_table(*stored, query, {}, host);
    } catch (...) {
      catalog.drop_table(stored->catalog, stored->schema, stored->name, true);
      throw;
    }
    return;
  }
  if (has_content(info.location)) {
    if (managed) {
      throw analysis_error("LOCATION_ALREADY_EXISTS",
                           {{"location", "'" + info.location + "'"}, {"identifier", quote_identifier(info.full_name())}});
    }
    if (!host.conf().flag("spark.sql.legacy.allowNonEmptyLocationInCTAS")) {
      throw analysis_error("_LEGACY_ERROR_TEMP_1241",
                           {{"tablePath", info.location}, {"config", "spark.sql.legacy.allowNonEmptyLocationInCTAS"}});
    }
  }
  // Partition columns last, as the table has them.
  std::vector<plan::ExprPtr> columns;
  auto column = [&](const std::string& name) {
    for (auto& a : query->output) {
      if (a.name == name) columns.push_back(plan::make_ref(a));
    }
  };
  for (auto& f : schema.fields()) column(f.name);
  if (columns.size() == query->output.size()) query = plan::make_project(query, columns);
  sinks::WriteRequest request;
  request.format = info.provider;
  request.path = info.location;
  request.options = info.options;
  request.mode = SaveMode::kOverwrite;
  request.partition_by = info.partition_columns;
  std::string path = catalog::path_of_location(info.location);
  bool existed = storage::store_for(path).stat(path).has_value();
  try {
    run_sink(std::move(request), query, host);
    info.schema_json = as_nullable(schema).json();
    info.tracks_partitions = !info.partition_columns.empty();
    auto stored = catalog.create_table(info, false);
    if (stored->tracks_partitions) catalog.set_partitions(*stored, discover_partitions(*stored));
  } catch (...) {
    if (!existed) {
      try {
        storage::store_for(path).remove_recursive(path);
      } catch (const std::exception& e) {
        log::warn("table.left_behind", {{"location", info.location}, {"error", e.what()}});
      }
    }
    throw;
  }
  host.invalidate(info.location, false);
}

void save_as_table(const SaveAsTable& save, plan::PlanPtr query, CommandHost& host) {
  check_no_store_settings(save.options);
  auto& catalog = host.analyzer().catalog;
  auto name = qualify(save.name, host);
  auto existing = catalog.get_table(name.catalog, name.schema, name.name);
  std::string format = table_provider(save.format.empty() ? (existing && save.mode == SaveMode::kAppend && !existing->is_view()
                                                                 ? existing->provider
                                                                 : host.conf().text("spark.sql.sources.default"))
                                                          : save.format, host);
  std::string path = option(save.options, "path");
  catalog::Pairs options;
  for (auto& o : save.options) {
    if (lower(o.first) != "path") options.push_back(o);
  }
  if (existing) {
    if (save.mode == SaveMode::kIgnore) return;
    if (save.mode == SaveMode::kErrorIfExists) {
      throw SparkError(ErrorKind::kTableAlreadyExists, "TABLE_OR_VIEW_ALREADY_EXISTS", {{"relationName", name.quoted()}});
    }
    if (existing->is_view()) throw analysis_error("VIEW_WRITE_NOT_ALLOWED", {{"name", name.quoted()}});
    if (existing->is_delta() && format == "delta") {
      DeltaWriteOptions write;
      write.mode = save.mode;
      write.options = options;
      write.partition_by = save.partition_by;
      write.cluster_by = save.cluster_by;
      delta_write(existing->location, name.quoted(), query, write, host);
      catalog.alter_table(name.catalog, name.schema, name.name, [&](catalog::TableInfo& t) { refresh_from_log(t, host); });
      data_changed(*existing, host);
      return;
    }
    if (save.mode == SaveMode::kAppend) {
      if (existing->provider != format) {
        throw analysis_error("_LEGACY_ERROR_TEMP_1159", {{"tableName", quote_if_needed(name.parts())},
                                                         {"existingProvider", existing->provider},
                                                         {"specifiedProvider", format}});
      }
      if (!save.partition_by.empty()) {
        std::vector<std::string> a = save.partition_by, b = existing->partition_columns;
        for (auto* list : {&a, &b}) std::transform(list->begin(), list->end(), list->begin(), [](const std::string& s) { return lower(s); });
        if (a != b) {
          throw analysis_error("_LEGACY_ERROR_TEMP_1163", {{"tableName", quote_if_needed(name.parts())},
                                                           {"specifiedPartCols", join(save.partition_by, ", ")},
                                                           {"existingPartCols", join(existing->partition_columns, ", ")}});
        }
      }
      DataType schema = table_schema(*existing, host);
      if (schema.fields().size() != query->output.size()) {
        std::vector<std::string> have, got;
        for (auto& f : schema.fields()) have.push_back(f.name);
        for (auto& a : query->output) got.push_back(a.name);
        throw analysis_error("_LEGACY_ERROR_TEMP_1161", {{"tableName", quote_if_needed(name.parts())},
                                                         {"existingTableSchema", schema.catalog_string()},
                                                         {"querySchema", plan::schema_of(*query).catalog_string()}});
      }
      TableWrite write;
      write.options = options;
      write_to_table(*existing, resolve_for_table(*existing, schema, std::move(query), true, host), write, host);
      return;
    }
    // Overwrite: the old table goes, as DataFrameWriter does for a file format.
    check_not_read(*query, *existing);
    forget_table(*existing, host);
    catalog.drop_table(name.catalog, name.schema, name.name, true);
    if (existing->type == catalog::TableType::kManaged) remove_data(existing->location);
  }
  catalog::TableInfo info;
  info.catalog = name.catalog;
  info.schema = name.schema;
  info.name = name.name;
  info.provider = format;
  info.options = options;
  info.partition_columns = save.partition_by;
  info.clustering_columns = save.cluster_by;
  info.bucket = save.bucket;
  if (!path.empty()) {
    info.type = catalog::TableType::kExternal;
    info.location = make_location(path, host);
    if (format != "delta" && !python_source(format, host) && save.mode == SaveMode::kOverwrite && has_content(info.location)) empty_directory(info.location);
  }
  create_from_query(std::move(info), std::move(query), host);
}

}  // namespace tarn::engine::commands
