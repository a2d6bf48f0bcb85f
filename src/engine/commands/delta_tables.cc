#include "engine/commands/delta_tables.h"

#include <algorithm>
#include <cctype>

#include <nlohmann/json.hpp>

#include "delta/schema.h"
#include "delta/snapshot.h"
#include "delta/table.h"
#include "delta/transaction.h"
#include "engine/commands/delta_support.h"
#include "engine/commands/parsing.h"
#include "engine/commands/support.h"
#include "engine/commands/table_data.h"
#include "engine/commands/table_definition.h"
#include "engine/delta_dml.h"
#include "engine/delta_relation.h"
#include "engine/delta_write.h"
#include "engine/error_map.h"
#include "plan/session_conf.h"
#include "spark/connect/expressions.pb.h"
#include "sql/parser.h"

namespace tarn::engine::commands {

using catalog::lower;
using plan::DataType;
using plan::ExprPtr;
using plan::SaveMode;

namespace {

std::string column_sql(plan::ExprId id) { return "c" + std::to_string(id); }

std::string option(const catalog::Pairs& options, const char* name, const std::string& otherwise = {}) {
  for (auto it = options.rbegin(); it != options.rend(); ++it) {
    if (lower(it->first) == lower(name)) return it->second;
  }
  return otherwise;
}

bool flag(const std::string& text) { return lower(text) == "true"; }

// The tokens c7 … of SQL text, outside of strings and quoted names, under other names.
std::string rename_columns(const std::string& sql, const std::map<std::string, std::string>& names) {
  std::string out;
  for (size_t i = 0; i < sql.size();) {
    char c = sql[i];
    if (c == '\'' || c == '"') {
      size_t end = i + 1;
      while (end < sql.size() && !(sql[end] == c && (end + 1 >= sql.size() || sql[end + 1] != c))) end += sql[end] == c ? 2 : 1;
      out += sql.substr(i, end + 1 - i);
      i = end + 1;
    } else if (std::isalpha(static_cast<unsigned char>(c)) || c == '_') {
      size_t end = i;
      while (end < sql.size() && (std::isalnum(static_cast<unsigned char>(sql[end])) || sql[end] == '_')) ++end;
      std::string word = sql.substr(i, end - i);
      auto it = names.find(word);
      out += it == names.end() ? word : it->second;
      i = end;
    } else {
      out += c;
      ++i;
    }
  }
  return out;
}

// A plan without rows that has these columns: what expressions over a table's columns are analyzed against.
std::shared_ptr<plan::Values> columns_plan(const DataType& schema) {
  auto plan = std::make_shared<plan::Values>();
  for (auto& f : schema.fields()) {
    DataType type = f.type();
    if (type.id() == plan::TypeId::kChar || type.id() == plan::TypeId::kVarchar) type = plan::TypeId::kString;
    plan->output.push_back({plan::next_expr_id(), f.name, type, f.nullable, f.metadata, {}});
  }
  return plan;
}

}  // namespace

std::string lower_over_columns(const std::string& text, const DataType& schema, const std::optional<DataType>& type, CommandHost& host) {
  auto plan = columns_plan(schema);
  auto typed = plan::analyze_over(sql::parse_expression(text, parse_options(host.conf())), *plan, host.analyzer());
  if (type) typed = plan::make_cast(typed, *type, plan::EvalMode::kAnsi);
  std::map<std::string, std::string> names;
  for (auto& a : plan->output) names[column_sql(a.id)] = sql_identifier(a.name);
  return rename_columns(host.lower_expression(typed), names);
}

namespace {

RuleLowering rules(CommandHost& host) {
  return [&host](const TableRule& rule, const DataType& schema) {
    std::optional<DataType> type = DataType(plan::TypeId::kBoolean);
    if (rule.kind == TableRule::Kind::kGenerated) {
      type.reset();
      if (auto index = schema.field_index(rule.name, false)) type = schema.fields()[*index].type();
    }
    return lower_over_columns(rule.expression, schema, type, host);
  };
}

// Generated columns that the query lacks are computed from those it has.
plan::PlanPtr with_generated_columns(plan::PlanPtr query, const DataType& schema, CommandHost& host) {
  std::vector<ExprPtr> columns;
  for (auto& a : query->output) columns.push_back(plan::make_ref(a));
  size_t before = columns.size();
  for (auto& f : schema.fields()) {
    auto text = field_metadata(f, "delta.generationExpression");
    if (!text) continue;
    bool given = std::any_of(query->output.begin(), query->output.end(), [&](auto& a) { return lower(a.name) == lower(f.name); });
    if (given) continue;
    auto typed = plan::analyze_over(sql::parse_expression(*text, parse_options(host.conf())), *query, host.analyzer());
    columns.push_back(plan::make_alias(plan::make_cast(typed, f.type(), plan::EvalMode::kAnsi), f.name));
  }
  return columns.size() == before ? query : plan::make_project(query, std::move(columns));
}

std::optional<DataType> existing_schema(const std::string& path) {
  if (!delta::Table::exists(path)) return std::nullopt;
  auto text = delta::Table::at(path)->snapshot()->metadata().schema_string;
  if (text.empty()) return std::nullopt;
  return DataType::from_json(text);
}

DeltaWriteResult run_write(DeltaWriteRequest& request, const plan::PlanPtr& query, CommandHost& host) {
  auto lowered = host.lower(query);
  request.query = lowered.sql;
  request.schema = plan::schema_of(*query);
  request.lower = rules(host);
  return mapped_errors([&] { return write_delta(request, host.connection()); });
}

void common_options(DeltaWriteRequest& request, const catalog::Pairs& options, CommandHost& host) {
  auto conf = [&](const char* key) { return host.conf().find(key).value_or(""); };
  request.merge_schema = flag(option(options, "mergeSchema", conf("spark.databricks.delta.schema.autoMerge.enabled")));
  request.overwrite_schema = flag(option(options, "overwriteSchema"));
  std::string metadata = option(options, "userMetadata", conf("spark.databricks.delta.commitInfo.userMetadata"));
  if (!metadata.empty()) request.user_metadata = metadata;
  std::string app = option(options, "txnAppId"), version = option(options, "txnVersion");
  if (!app.empty() && !version.empty()) request.application_version = {app, std::stoll(version)};
  request.data_change = !(lower(option(options, "dataChange", "true")) == "false");
}

}  // namespace

void delta_create(catalog::TableInfo& info, CreateMode mode, const plan::PlanPtr& query, CommandHost& host) {
  std::string path = catalog::path_of_location(info.location);
  bool managed = info.type == catalog::TableType::kManaged;
  bool exists = delta::Table::exists(path);
  if (managed && mode == CreateMode::kCreate && exists) {
    throw analysis_error("DELTA_CREATE_TABLE_WITH_NON_EMPTY_LOCATION", {{"tableId", quote_if_needed(info.full_name())}, {"tableLocation", path}});
  }
  for (auto& [key, value] : info.options) info.properties.emplace("option." + key, value);
  if (query) {
    DeltaWriteRequest request;
    request.path = path;
    request.mode = mode == CreateMode::kCreate ? SaveMode::kErrorIfExists : SaveMode::kOverwrite;
    if (mode == CreateMode::kCreate && exists) throw analysis_error("DELTA_PATH_EXISTS", {{"path", path}});
    request.overwrite_schema = mode != CreateMode::kCreate;
    request.partition_by = info.partition_columns;
    request.cluster_by = info.clustering_columns;
    request.properties = info.properties;
    request.comment = info.comment.value_or("");
    request.is_managed = managed;
    request.operation = mode == CreateMode::kCreate ? "CREATE TABLE AS SELECT"
                        : mode == CreateMode::kReplace ? "REPLACE TABLE AS SELECT"
                                                       : "CREATE OR REPLACE TABLE AS SELECT";
    run_write(request, query, host);
    return;
  }
  DeltaCreateRequest request;
  request.path = path;
  request.schema = DataType::from_json(info.schema_json);
  if (request.schema.fields().empty() && !exists && !managed) throw analysis_error("DELTA_CREATE_EXTERNAL_TABLE_WITHOUT_SCHEMA", {{"tableName", quote_if_needed(info.full_name())}, {"path", path}, {"docLink", ""}});
  request.partition_by = info.partition_columns;
  request.cluster_by = info.clustering_columns;
  request.properties = info.properties;
  request.comment = info.comment.value_or("");
  request.is_managed = managed;
  request.replace = mode != CreateMode::kCreate;
  request.or_replace = mode == CreateMode::kCreateOrReplace;
  for (auto& f : request.schema.fields()) {
    if (field_metadata(f, "CURRENT_DEFAULT") && request.properties.count("delta.feature.allowColumnDefaults") == 0) {
      throw analysis_error("WRONG_COLUMN_DEFAULTS_FOR_DELTA_FEATURE_NOT_ENABLED", {{"commandType", "CREATE TABLE"}});
    }
  }
  mapped_errors([&] { return create_delta(request); });
}

void delta_write(const std::string& location, const std::string& table_name, const plan::PlanPtr& query, const DeltaWriteOptions& options,
                 CommandHost& host) {
  std::string path = catalog::path_of_location(location);
  auto schema = existing_schema(path);
  plan::PlanPtr rows = query;
  if (schema) rows = with_generated_columns(query, *schema, host);
  DeltaWriteRequest request;
  request.path = path;
  request.mode = options.mode;
  common_options(request, options.options, host);
  if (!options.partition_by.empty()) request.partition_by = options.partition_by;
  request.cluster_by = options.cluster_by;
  std::string replace_where = option(options.options, "replaceWhere");
  if (!options.static_partition.empty() && options.mode == SaveMode::kOverwrite) {
    for (auto& [column, value] : options.static_partition) {
      std::string condition = quote_identifier(column);
      condition += value == "__HIVE_DEFAULT_PARTITION__" ? " IS NULL" : " = " + single_quoted(value);
      replace_where += (replace_where.empty() ? "" : " AND ") + condition;
    }
  }
  if (!replace_where.empty()) {
    request.replace_where = replace_where;
    if (schema) request.replace_where_sql = lower_over_columns(replace_where, *schema, DataType(plan::TypeId::kBoolean), host);
    else request.replace_where_sql = "true";
  } else if (options.mode == SaveMode::kOverwrite) {
    std::string mode = option(options.options, "partitionOverwriteMode", host.conf().text("spark.sql.sources.partitionOverwriteMode"));
    request.dynamic_partition_overwrite = lower(mode) == "dynamic" && !request.overwrite_schema;
  }
  (void)table_name;
  run_write(request, rows, host);
}

void refresh_from_log(catalog::TableInfo& info, CommandHost&) {
  std::string path = catalog::path_of_location(info.location);
  if (!delta::Table::exists(path)) return;
  auto snapshot = delta::Table::at(path)->snapshot();
  auto& metadata = snapshot->metadata();
  auto& protocol = snapshot->protocol();
  info.schema_json = metadata.schema_string;
  info.partition_columns = metadata.partition_columns;
  info.clustering_columns = clustering_columns(*snapshot);
  info.properties = metadata.configuration;
  info.properties["delta.minReaderVersion"] = std::to_string(protocol.min_reader_version);
  info.properties["delta.minWriterVersion"] = std::to_string(protocol.min_writer_version);
  for (auto* set : {&protocol.reader_features, &protocol.writer_features}) {
    if (!*set) continue;
    for (auto& feature : **set) info.properties["delta.feature." + feature] = "supported";
  }
  info.comment = metadata.has_description ? std::optional<std::string>(metadata.description) : std::nullopt;
  info.tracks_partitions = false;
}

CommandResult delta_truncate(const catalog::TableInfo& table, CommandHost& host) {
  auto handle = delta::Table::at(catalog::path_of_location(table.location));
  auto snapshot = handle->snapshot();
  delta::Transaction txn(handle, snapshot);
  txn.read_whole_table();
  for (auto& file : snapshot->files()) txn.remove(*file);
  delta::Operation operation;
  operation.name = "TRUNCATE";
  operation.metric("numRemovedFiles", static_cast<int64_t>(snapshot->files().size()));
  txn.commit(operation);
  data_changed(table, host);
  return {};
}

// ---- DELETE, UPDATE, MERGE

namespace {

// The scan below the projections of a target, and what its renamed columns are in terms of the scan.
struct TargetScan {
  const plan::Scan* scan = nullptr;
  const DeltaRelation* relation = nullptr;
  std::map<plan::ExprId, ExprPtr> renamed;

  ExprPtr resolve(const ExprPtr& e) const {
    if (!e || renamed.empty()) return e;
    return plan::transform(e, [this](const ExprPtr& x) -> ExprPtr {
      auto* ref = plan::try_as<plan::AttributeRef>(x);
      if (!ref) return nullptr;
      auto it = renamed.find(ref->id);
      return it == renamed.end() ? nullptr : it->second;
    });
  }
};

TargetScan target_scan(const plan::PlanPtr& target) {
  TargetScan out;
  const plan::LogicalPlan* plan = target.get();
  std::vector<const plan::Project*> projects;
  while (auto* project = plan::try_as<plan::Project>(*plan)) {
    projects.push_back(project);
    plan = &plan->child();
  }
  out.scan = plan::try_as<plan::Scan>(*plan);
  if (out.scan) out.relation = as_delta_relation(*out.scan->relation);
  if (!out.relation) throw internal_error("the target of a change is no Delta table");
  for (auto it = projects.rbegin(); it != projects.rend(); ++it) {
    for (auto& e : (*it)->expressions) {
      if (auto* alias = plan::try_as<plan::Alias>(e)) out.renamed[alias->id] = out.resolve(alias->children[0]);
    }
  }
  return out;
}

DmlTarget dml_target(const TargetScan& target, CommandHost& host) {
  DmlTarget out;
  out.snapshot = target.relation->snapshot();
  size_t columns = target.relation->schema().fields().size();
  out.columns.resize(columns);
  for (size_t i = 0; i < target.scan->columns.size(); ++i) {
    if (target.scan->columns[i] < columns) out.columns[target.scan->columns[i]] = column_sql(target.scan->output[i].id);
  }
  for (auto& c : out.columns) {
    if (c.empty()) throw internal_error("the scan of the target of a change lacks a column");
  }
  out.lower = rules(host);
  return out;
}

std::string lower_optional(const ExprPtr& e, const TargetScan& target, CommandHost& host) {
  return e ? host.lower_expression(target.resolve(e)) : std::string();
}
std::string shown(const ExprPtr& e) { return e ? plan::expression_sql(*e) : std::string(); }

CommandResult affected(int64_t rows) { return answer({{"num_affected_rows", plan::TypeId::kLong, true}}, {{integer(rows)}}); }

}  // namespace

CommandResult delta_delete(const std::string&, const plan::DeleteCommand& command, CommandHost& host) {
  auto target = target_scan(command.target);
  auto result = mapped_errors([&] {
    return engine::delete_rows(dml_target(target, host), lower_optional(command.condition, target, host), shown(command.condition), host.connection());
  });
  return affected(result.affected);
}

CommandResult delta_update(const std::string&, const plan::UpdateCommand& command, CommandHost& host) {
  auto target = target_scan(command.target);
  auto& fields = target.relation->schema().fields();
  std::vector<std::optional<std::string>> values(fields.size());
  for (auto& a : command.assignments) {
    if (a.target.size() != 1) throw not_built("UPDATE of a field inside a struct");
    auto index = target.relation->schema().field_index(a.target[0], host.conf().case_sensitive());
    if (!index) throw internal_error("UPDATE of an unknown column");
    values[*index] = host.lower_expression(target.resolve(a.value));
  }
  auto result = mapped_errors([&] {
    return engine::update_rows(dml_target(target, host), lower_optional(command.condition, target, host), shown(command.condition), values, host.connection());
  });
  return affected(result.affected);
}

CommandResult delta_merge(const std::string&, const plan::MergeCommand& command, CommandHost& host) {
  auto target = target_scan(command.target);
  auto& schema = target.relation->schema();
  auto source = host.lower(command.source);
  if (command.with_schema_evolution) {
    for (auto& a : command.source->output) {
      if (!schema.field_index(a.name, false)) throw not_built("MERGE WITH SCHEMA EVOLUTION that adds the column " + a.name);
    }
  }
  MergeSource merge_source;
  merge_source.query = source.sql;
  for (auto& a : command.source->output) merge_source.columns.push_back(column_sql(a.id));
  auto clauses = [&](const std::vector<plan::MergeAction>& actions) {
    std::vector<MergeClause> out;
    for (auto& action : actions) {
      MergeClause clause;
      clause.kind = action.kind == plan::MergeAction::Kind::kDelete   ? MergeClause::Kind::kDelete
                    : action.kind == plan::MergeAction::Kind::kUpdate ? MergeClause::Kind::kUpdate
                                                                      : MergeClause::Kind::kInsert;
      clause.condition = lower_optional(action.condition, target, host);
      clause.shown = shown(action.condition);
      if (clause.kind != MergeClause::Kind::kDelete) {
        clause.values.resize(schema.fields().size());
        for (auto& a : action.assignments) {
          if (a.target.size() != 1) throw not_built("MERGE that updates a field inside a struct");
          auto index = schema.field_index(a.target[0], host.conf().case_sensitive());
          if (!index) throw internal_error("MERGE into an unknown column");
          auto value = target.resolve(a.value);
          // The column itself: unchanged.
          auto* ref = plan::try_as<plan::AttributeRef>(value);
          bool same = ref && clause.kind == MergeClause::Kind::kUpdate &&
                      std::any_of(target.scan->output.begin(), target.scan->output.end(),
                                  [&](auto& o) { return o.id == ref->id && lower(o.name) == lower(a.target[0]); });
          if (!same) clause.values[*index] = host.lower_expression(value);
        }
      }
      out.push_back(std::move(clause));
    }
    return out;
  };
  auto matched = clauses(command.matched), not_matched = clauses(command.not_matched), by_source = clauses(command.not_matched_by_source);
  std::string condition = lower_optional(command.condition, target, host);
  auto result = mapped_errors([&] {
    return engine::merge_rows(dml_target(target, host), merge_source, condition, shown(command.condition), matched, not_matched, by_source, host.connection());
  });
  constexpr auto kLong = plan::TypeId::kLong;
  return answer({{"num_affected_rows", kLong, true}, {"num_updated_rows", kLong, true}, {"num_deleted_rows", kLong, true}, {"num_inserted_rows", kLong, true}},
                {{integer(result.affected), integer(result.updated), integer(result.deleted), integer(result.inserted)}});
}

}  // namespace tarn::engine::commands
