// spark.catalog.*: the table of its requests. Source: SparkConnectPlanner.transformCatalog, org.apache.spark.sql.classic.Catalog.
#include <algorithm>

#include "engine/commands/handlers.h"
#include "engine/commands/parsing.h"
#include "engine/commands/support.h"
#include "engine/commands/table_data.h"
#include "engine/commands/table_metadata.h"
#include "engine/commands/views.h"
#include "engine/storage_level.h"
#include "plan/function.h"
#include "plan/session_conf.h"
#include "spark/connect/catalog.pb.h"
#include "spark/connect/commands.pb.h"
#include "spark/connect/common.pb.h"
#include "spark/connect/relations.pb.h"
#include "sql/parser.h"
#include "tarn/sql.pb.h"

namespace tarn::engine::commands {

namespace sc = spark::connect;
using catalog::lower;
using plan::DataType;
using plan::TypeId;
using plan::Value;

namespace {

// The columns of the answers.
DataType no_columns() { return DataType::structure({}); }
DataType text_column() { return columns({{"value", TypeId::kString, true}}); }
DataType boolean_column() { return columns({{"value", TypeId::kBoolean, false}}); }
DataType databases() {
  return columns({{"name", TypeId::kString, true}, {"catalog", TypeId::kString, true}, {"description", TypeId::kString, true}, {"locationUri", TypeId::kString, true}});
}
DataType tables() {
  return columns({{"name", TypeId::kString, true}, {"catalog", TypeId::kString, true}, {"namespace", DataType::array(TypeId::kString), true},
                  {"description", TypeId::kString, true}, {"tableType", TypeId::kString, true}, {"isTemporary", TypeId::kBoolean, false}});
}
DataType functions() {
  return columns({{"name", TypeId::kString, true}, {"catalog", TypeId::kString, true}, {"namespace", DataType::array(TypeId::kString), true},
                  {"description", TypeId::kString, true}, {"className", TypeId::kString, true}, {"isTemporary", TypeId::kBoolean, false}});
}
DataType table_columns() {
  return columns({{"name", TypeId::kString, true}, {"description", TypeId::kString, true}, {"dataType", TypeId::kString, true},
                  {"nullable", TypeId::kBoolean, false}, {"isPartition", TypeId::kBoolean, false}, {"isBucket", TypeId::kBoolean, false},
                  {"isCluster", TypeId::kBoolean, false}});
}
DataType catalogs() { return columns({{"name", TypeId::kString, true}, {"description", TypeId::kString, true}}); }
DataType partitions() { return columns({{"partition", TypeId::kString, true}}); }
DataType key_value() { return columns({{"key", TypeId::kString, true}, {"value", TypeId::kString, true}}); }

Value list_of(const std::vector<std::string>& items) {
  plan::ListValue list;
  for (auto& i : items) list.items.push_back(text(i));
  return Value{std::move(list)};
}

std::vector<std::string> parse(const std::string& name, CommandHost& host) {
  return sql::parse_multipart_identifier(name, parse_options(host.conf()));
}

// A name, in the old calls with the database beside it.
template <class M> std::vector<std::string> named(const M& m, const std::string& name, CommandHost& host) {
  if (m.has_db_name()) {
    auto parts = parse(m.db_name(), host);
    parts.push_back(name);
    return parts;
  }
  return parse(name, host);
}

void set_name(sql::Name* out, const std::vector<std::string>& parts) { out->mutable_parts()->Assign(parts.begin(), parts.end()); }

Row database_row(const catalog::SchemaInfo& info) {
  return {text(info.name), text(info.catalog), text(info.comment.value_or("")), text(info.location)};
}

Row table_row(const catalog::TableInfo& t) {
  return {text(t.name), text(t.catalog), list_of({t.schema}), optional_text(t.comment),
          text(t.is_view() ? "VIEW" : t.type == catalog::TableType::kExternal ? "EXTERNAL" : "MANAGED"), boolean(false)};
}

Row temp_row(const std::string& name, const plan::TempView& view, const std::string& database) {
  return {text(name), Value{}, database.empty() ? list_of({}) : list_of({database}), view.comment.empty() ? Value{} : text(view.comment),
          text("TEMPORARY"), boolean(true)};
}

CommandResult with(DataType schema, std::vector<Row> rows) {
  CommandResult result;
  result.schema = std::move(schema);
  result.rows = std::move(rows);
  return result;
}

CommandResult current_database(const sc::Catalog&, CommandHost& host) { return with(text_column(), {{text(quote_if_needed(current_namespace(host)))}}); }

CommandResult set_current_database(const sc::Catalog& c, CommandHost& host) {
  sql::Statement s;
  set_name(s.mutable_use_namespace()->mutable_name(), parse(c.set_current_database().db_name(), host));
  s.mutable_use_namespace()->set_explicit_namespace(true);
  return use_namespace(s, host);
}

CommandResult list_databases(const sc::Catalog& c, CommandHost& host) {
  auto result = with(databases(), {});
  for (auto& info : host.analyzer().catalog.list_schemas(current_catalog(host))) {
    if (c.list_databases().has_pattern() && !catalog::matches_pattern(info.name, c.list_databases().pattern())) continue;
    result.rows.push_back(database_row(info));
  }
  return result;
}

CommandResult get_database(const sc::Catalog& c, CommandHost& host) {
  auto [catalog_name, schema] = qualify_schema(parse(c.get_database().db_name(), host), host);
  return with(databases(), {database_row(host.analyzer().catalog.require_schema(catalog_name, schema))});
}

CommandResult database_exists(const sc::Catalog& c, CommandHost& host) {
  auto parts = parse(c.database_exists().db_name(), host);
  bool exists = false;
  if (parts.size() == 1) exists = host.analyzer().catalog.get_schema(current_catalog(host), parts[0]).has_value();
  if (parts.size() == 2) exists = host.analyzer().catalog.get_schema(parts[0], parts[1]).has_value();
  return with(boolean_column(), {{boolean(exists)}});
}

CommandResult list_relations(const std::string* database, const std::string* pattern, bool views_only, CommandHost& host) {
  auto result = with(tables(), {});
  auto parts = database ? parse(*database, host) : std::vector<std::string>{};
  auto wanted = [&](const std::string& name) { return !pattern || catalog::matches_pattern(name, *pattern); };
  std::string global = host.conf().text("spark.sql.globalTempDatabase");
  if (parts.size() == 1 && lower(parts[0]) == lower(global)) {
    auto& views = host.analyzer().global_views;
    std::lock_guard lock(views.mu);
    for (auto& [name, view] : views.views) {
      if (wanted(name)) result.rows.push_back(temp_row(name, view, global));
    }
  } else {
    auto [catalog_name, schema] = qualify_schema(parts, host);
    for (auto& t : host.analyzer().catalog.list_tables(catalog_name, schema)) {
      if (wanted(t.name) && (!views_only || t.is_view())) result.rows.push_back(table_row(t));
    }
  }
  auto& state = host.analyzer().state;
  std::lock_guard lock(state.mu);
  for (auto& [name, view] : state.temp_views) {
    if (wanted(name)) result.rows.push_back(temp_row(name, view, ""));
  }
  return result;
}

CommandResult list_tables(const sc::Catalog& c, CommandHost& host) {
  auto& m = c.list_tables();
  return list_relations(m.has_db_name() ? &m.db_name() : nullptr, m.has_pattern() ? &m.pattern() : nullptr, false, host);
}

CommandResult list_views(const sc::Catalog& c, CommandHost& host) {
  auto& m = c.list_views();
  return list_relations(m.has_db_name() ? &m.db_name() : nullptr, m.has_pattern() ? &m.pattern() : nullptr, true, host);
}

CommandResult get_table(const sc::Catalog& c, CommandHost& host) {
  auto parts = named(c.get_table(), c.get_table().table_name(), host);
  if (auto temp = find_temp_view(parts, host)) {
    return with(tables(), {temp_row(temp->key, get_temp_view(*temp, host), temp->global ? host.conf().text("spark.sql.globalTempDatabase") : "")});
  }
  return with(tables(), {table_row(require_relation(parts, host))});
}

CommandResult table_exists(const sc::Catalog& c, CommandHost& host) {
  auto parts = named(c.table_exists(), c.table_exists().table_name(), host);
  return with(boolean_column(), {{boolean(find_temp_view(parts, host) || find_table(parts, host))}});
}

Row builtin_row(std::string_view name, const plan::FunctionEntry& f) {
  return {text(std::string(name)), Value{}, Value{}, text(std::string(name) + std::string(f.signature.substr(0, f.signature.find(" | ")))),
          text(""), boolean(true)};
}
Row user_row(const std::string& name) { return {text(name), Value{}, Value{}, text("N/A."), text(""), boolean(true)}; }
Row stored_row(const catalog::FunctionInfo& f) { return {text(f.name), text(f.catalog), list_of({f.schema}), text("N/A."), text(""), boolean(false)}; }

CommandResult list_functions(const sc::Catalog& c, CommandHost& host) {
  auto& m = c.list_functions();
  auto [catalog_name, schema] = qualify_schema(m.has_db_name() ? parse(m.db_name(), host) : std::vector<std::string>{}, host);
  auto wanted = [&](std::string_view name) { return !m.has_pattern() || catalog::matches_pattern(name, m.pattern()); };
  auto result = with(functions(), {});
  for (auto& f : host.analyzer().catalog.list_functions(catalog_name, schema)) {
    if (wanted(f.name)) result.rows.push_back(stored_row(f));
  }
  for (auto name : plan::function_names()) {
    auto* f = plan::find_function(name);
    if (f && !(f->flags & plan::kHidden) && wanted(name)) result.rows.push_back(builtin_row(name, *f));
  }
  auto& state = host.analyzer().state;
  std::lock_guard lock(state.mu);
  for (auto& [name, unused] : state.user_functions) {
    if (wanted(name)) result.rows.push_back(user_row(name));
  }
  for (auto& [name, unused] : state.sql_functions) {
    if (wanted(name)) result.rows.push_back(user_row(name));
  }
  return result;
}

std::optional<Row> find_function_row(const std::vector<std::string>& parts, CommandHost& host) {
  if (parts.size() == 1) {
    std::string key = lower(parts[0]);
    {
      auto& state = host.analyzer().state;
      std::lock_guard lock(state.mu);
      if (state.user_functions.count(key) || state.sql_functions.count(key)) return user_row(key);
    }
    if (auto* f = plan::find_function(key)) return builtin_row(key, *f);
  }
  if (parts.size() > 3) return std::nullopt;
  auto name = qualify(parts, host);
  if (auto f = host.analyzer().catalog.get_function(name.catalog, name.schema, name.name)) return stored_row(*f);
  return std::nullopt;
}

CommandResult get_function(const sc::Catalog& c, CommandHost& host) {
  auto parts = named(c.get_function(), c.get_function().function_name(), host);
  auto row = find_function_row(parts, host);
  if (!row) {
    throw analysis_error("UNRESOLVED_ROUTINE",
                         {{"routineName", quote_identifier(parts)},
                          {"searchPath", "[`system`.`builtin`, `system`.`session`, " +
                                             quote_identifier(std::vector<std::string>{current_catalog(host), current_schema(host)}) + "]"}});
  }
  return with(functions(), {*row});
}

CommandResult function_exists(const sc::Catalog& c, CommandHost& host) {
  auto parts = named(c.function_exists(), c.function_exists().function_name(), host);
  return with(boolean_column(), {{boolean(find_function_row(parts, host).has_value())}});
}

CommandResult list_columns(const sc::Catalog& c, CommandHost& host) {
  auto parts = named(c.list_columns(), c.list_columns().table_name(), host);
  DataType schema;
  catalog::TableInfo table;
  if (auto temp = find_temp_view(parts, host)) {
    schema = plan::schema_of(*get_temp_view(*temp, host).plan);
  } else {
    table = require_relation(parts, host);
    schema = relation_schema(table, host);
    if (table.is_delta()) table.partition_columns = host.analyzer().sources.load_table(table, {})->partition_columns();
  }
  auto has = [](const std::vector<std::string>& list, const std::string& name) { return std::find(list.begin(), list.end(), name) != list.end(); };
  auto result = with(table_columns(), {});
  for (auto& f : schema.fields()) {
    result.rows.push_back({text(f.name), optional_text(field_metadata(f, "comment")), text(f.type().catalog_string()), boolean(f.nullable),
                           boolean(has(table.partition_columns, f.name)), boolean(table.bucket && has(table.bucket->columns, f.name)),
                           boolean(has(table.clustering_columns, f.name))});
  }
  return result;
}

// createTable, createExternalTable: the answer is the table.
template <class M> CommandResult create(const M& m, const std::string& description, CommandHost& host) {
  sql::Statement s;
  auto* create = s.mutable_create_table();
  auto parts = parse(m.table_name(), host);
  set_name(create->mutable_name(), parts);
  create->set_provider(m.has_source() && !m.source().empty() ? m.source() : host.conf().text("spark.sql.sources.default"));
  if (!description.empty()) create->set_comment(description);
  auto option = [&](const std::string& key, const std::string& value) {
    auto* o = create->add_options();
    o->set_key(key);
    o->set_value(value);
  };
  std::map<std::string, std::string> sorted(m.options().begin(), m.options().end());
  for (auto& [k, v] : sorted) option(k, v);
  if (m.has_path() && !m.path().empty()) option("path", m.path());
  if (m.has_schema()) {
    auto schema = DataType::from_proto(m.schema());
    for (auto& f : schema.fields()) {
      auto* column = create->add_columns();
      column->add_name(f.name);
      f.type().to_proto(column->mutable_type());
      column->set_not_null(!f.nullable);
      if (auto comment = field_metadata(f, "comment")) column->set_comment(*comment);
    }
  }
  create_table(s, host);
  CommandResult result;
  result.query = plan_of_name(parts, host);
  result.schema = plan::schema_of(*result.query);
  return result;
}

CommandResult create_external(const sc::Catalog& c, CommandHost& host) { return create(c.create_external_table(), "", host); }
CommandResult create_managed(const sc::Catalog& c, CommandHost& host) { return create(c.create_table(), c.create_table().description(), host); }

CommandResult drop_temp(const sc::Catalog& c, CommandHost& host) {
  return with(boolean_column(), {{boolean(drop_temp_view({false, lower(c.drop_temp_view().view_name())}, host))}});
}
CommandResult drop_global_temp(const sc::Catalog& c, CommandHost& host) {
  return with(boolean_column(), {{boolean(drop_temp_view({true, lower(c.drop_global_temp_view().view_name())}, host))}});
}

CommandResult recover_partitions(const sc::Catalog& c, CommandHost& host) {
  sql::Statement s;
  set_name(s.mutable_repair_table()->mutable_name(), parse(c.recover_partitions().table_name(), host));
  s.mutable_repair_table()->set_add_partitions(true);
  return repair_table(s, host);
}

CommandResult is_cached(const sc::Catalog& c, CommandHost& host) {
  return with(boolean_column(), {{boolean(host.is_cached(plan_of_name(parse(c.is_cached().table_name(), host), host)))}});
}

CommandResult cache(const sc::Catalog& c, CommandHost& host) {
  auto& m = c.cache_table();
  StorageLevel level = m.has_storage_level() ? StorageLevel::from_proto(m.storage_level()) : StorageLevel::named(host.conf().text("spark.sql.defaultCacheStorageLevel"));
  host.cache(plan_of_name(parse(m.table_name(), host), host), level, true);
  return {};
}

CommandResult uncache(const sc::Catalog& c, CommandHost& host) {
  auto parts = parse(c.uncache_table().table_name(), host);
  host.uncache(plan_of_name(parts, host), !find_temp_view(parts, host));
  return {};
}

CommandResult clear(const sc::Catalog&, CommandHost& host) {
  host.clear_cache();
  return {};
}

CommandResult refresh(const sc::Catalog& c, CommandHost& host) {
  sql::Statement s;
  set_name(s.mutable_refresh_table()->mutable_name(), parse(c.refresh_table().table_name(), host));
  return refresh_table(s, host);
}

CommandResult refresh_by_path(const sc::Catalog& c, CommandHost& host) {
  host.invalidate(make_location(c.refresh_by_path().path(), host), false);
  return {};
}

CommandResult current_catalog_name(const sc::Catalog&, CommandHost& host) { return with(text_column(), {{text(current_catalog(host))}}); }

CommandResult set_current_catalog(const sc::Catalog& c, CommandHost& host) {
  sql::Statement s;
  s.mutable_set_catalog()->mutable_name()->add_parts(c.set_current_catalog().catalog_name());
  return set_catalog(s, host);
}

CommandResult list_catalogs(const sc::Catalog& c, CommandHost& host) {
  auto result = with(catalogs(), {});
  for (auto& info : host.analyzer().catalog.list_catalogs()) {
    if (c.list_catalogs().has_pattern() && !catalog::matches_pattern(info.name, c.list_catalogs().pattern())) continue;
    result.rows.push_back({text(info.name), optional_text(info.comment)});
  }
  return result;
}

CommandResult drop_table_by_name(const sc::Catalog& c, CommandHost& host) {
  sql::Statement s;
  set_name(s.mutable_drop_table()->mutable_name(), parse(c.drop_table().table_name(), host));
  s.mutable_drop_table()->set_if_exists(c.drop_table().if_exists());
  s.mutable_drop_table()->set_purge(c.drop_table().purge());
  return drop_table(s, host);
}

CommandResult drop_view_by_name(const sc::Catalog& c, CommandHost& host) {
  sql::Statement s;
  set_name(s.mutable_drop_view()->mutable_name(), parse(c.drop_view().view_name(), host));
  s.mutable_drop_view()->set_if_exists(c.drop_view().if_exists());
  return drop_view(s, host);
}

CommandResult create_database(const sc::Catalog& c, CommandHost& host) {
  auto& m = c.create_database();
  sql::Statement s;
  auto* create = s.mutable_create_namespace();
  set_name(create->mutable_name(), parse(m.db_name(), host));
  create->set_if_not_exists(m.if_not_exists());
  std::map<std::string, std::string> sorted(m.properties().begin(), m.properties().end());
  for (auto& [k, v] : sorted) {
    if (k == "comment") create->set_comment(v);
    else if (k == "location") create->set_location(v);
    else {
      auto* p = create->add_properties();
      p->set_key(k);
      p->set_value(v);
    }
  }
  return create_namespace(s, host);
}

CommandResult drop_database(const sc::Catalog& c, CommandHost& host) {
  sql::Statement s;
  auto* drop = s.mutable_drop_namespace();
  set_name(drop->mutable_name(), parse(c.drop_database().db_name(), host));
  drop->set_if_exists(c.drop_database().if_exists());
  drop->set_cascade(c.drop_database().cascade());
  return drop_namespace(s, host);
}

CommandResult list_partitions(const sc::Catalog& c, CommandHost& host) {
  sql::Statement s;
  set_name(s.mutable_show_partitions()->mutable_name(), parse(c.list_partitions().table_name(), host));
  return with(partitions(), show_partitions(s, host).rows);
}

CommandResult table_properties(const sc::Catalog& c, CommandHost& host) {
  sql::Statement s;
  set_name(s.mutable_show_table_properties()->mutable_name(), parse(c.get_table_properties().table_name(), host));
  return with(key_value(), show_table_properties(s, host).rows);
}

CommandResult create_table_string(const sc::Catalog& c, CommandHost& host) {
  sql::Statement s;
  set_name(s.mutable_show_create_table()->mutable_name(), parse(c.get_create_table_string().table_name(), host));
  s.mutable_show_create_table()->set_as_serde(c.get_create_table_string().as_serde());
  return with(text_column(), show_create_table(s, host).rows);
}

CommandResult truncate(const sc::Catalog& c, CommandHost& host) {
  sql::Statement s;
  set_name(s.mutable_truncate_table()->mutable_name(), parse(c.truncate_table().table_name(), host));
  return truncate_table(s, host);
}

CommandResult analyze(const sc::Catalog& c, CommandHost& host) {
  sql::Statement s;
  set_name(s.mutable_analyze_table()->mutable_name(), parse(c.analyze_table().table_name(), host));
  s.mutable_analyze_table()->set_no_scan(c.analyze_table().no_scan());
  return analyze_table(s, host);
}

struct Entry {
  sc::Catalog::CatTypeCase kind;
  CommandResult (*run)(const sc::Catalog&, CommandHost&);
  DataType (*schema)();   // of the answer; nullptr: only execution tells
};

constexpr Entry kEntries[] = {
    {sc::Catalog::kCurrentDatabase, current_database, text_column},
    {sc::Catalog::kSetCurrentDatabase, set_current_database, no_columns},
    {sc::Catalog::kListDatabases, list_databases, databases},
    {sc::Catalog::kListTables, list_tables, tables},
    {sc::Catalog::kListFunctions, list_functions, functions},
    {sc::Catalog::kListColumns, list_columns, table_columns},
    {sc::Catalog::kGetDatabase, get_database, databases},
    {sc::Catalog::kGetTable, get_table, tables},
    {sc::Catalog::kGetFunction, get_function, functions},
    {sc::Catalog::kDatabaseExists, database_exists, boolean_column},
    {sc::Catalog::kTableExists, table_exists, boolean_column},
    {sc::Catalog::kFunctionExists, function_exists, boolean_column},
    {sc::Catalog::kCreateExternalTable, create_external, nullptr},
    {sc::Catalog::kCreateTable, create_managed, nullptr},
    {sc::Catalog::kDropTempView, drop_temp, boolean_column},
    {sc::Catalog::kDropGlobalTempView, drop_global_temp, boolean_column},
    {sc::Catalog::kRecoverPartitions, recover_partitions, no_columns},
    {sc::Catalog::kIsCached, is_cached, boolean_column},
    {sc::Catalog::kCacheTable, cache, no_columns},
    {sc::Catalog::kUncacheTable, uncache, no_columns},
    {sc::Catalog::kClearCache, clear, no_columns},
    {sc::Catalog::kRefreshTable, refresh, no_columns},
    {sc::Catalog::kRefreshByPath, refresh_by_path, no_columns},
    {sc::Catalog::kCurrentCatalog, current_catalog_name, text_column},
    {sc::Catalog::kSetCurrentCatalog, set_current_catalog, no_columns},
    {sc::Catalog::kListCatalogs, list_catalogs, catalogs},
    {sc::Catalog::kDropTable, drop_table_by_name, no_columns},
    {sc::Catalog::kDropView, drop_view_by_name, no_columns},
    {sc::Catalog::kCreateDatabase, create_database, no_columns},
    {sc::Catalog::kDropDatabase, drop_database, no_columns},
    {sc::Catalog::kListPartitions, list_partitions, partitions},
    {sc::Catalog::kListViews, list_views, tables},
    {sc::Catalog::kGetTableProperties, table_properties, key_value},
    {sc::Catalog::kGetCreateTableString, create_table_string, text_column},
    {sc::Catalog::kTruncateTable, truncate, no_columns},
    {sc::Catalog::kAnalyzeTable, analyze, no_columns},
};

const Entry& entry_of(const sc::Catalog& request) {
  for (auto& entry : kEntries) {
    if (entry.kind == request.cat_type_case()) return entry;
  }
  throw not_built("a catalog request of kind " + std::to_string(request.cat_type_case()));
}

}  // namespace

CommandResult execute_catalog(const sc::Catalog& request, CommandHost& host) { return entry_of(request).run(request, host); }

DataType catalog_schema(const sc::Catalog& request) {
  auto& entry = entry_of(request);
  return entry.schema ? entry.schema() : no_columns();
}

}  // namespace tarn::engine::commands
