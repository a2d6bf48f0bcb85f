// Commands of the DataFrame API: temporary views, df.write, df.writeTo, mergeInto. Source: SparkConnectPlanner, DataFrameWriter, DataFrameWriterV2.
#include <algorithm>

#include "engine/commands/delta_connect.h"
#include "engine/commands/delta_tables.h"
#include "engine/commands/dml.h"
#include "engine/commands/parsing.h"
#include "engine/commands/support.h"
#include "engine/commands/table_data.h"
#include "engine/commands/table_definition.h"
#include "engine/commands/table_writer.h"
#include "engine/commands/views.h"
#include "plan/session_conf.h"
#include "spark/connect/commands.pb.h"
#include "spark/connect/expressions.pb.h"
#include "spark/connect/relations.pb.h"
#include "sql/extension.h"
#include "sql/parser.h"
#include "tarn/sql.pb.h"

namespace tarn::engine::commands {

namespace sc = spark::connect;
using catalog::lower;
using plan::SaveMode;

namespace {

catalog::Pairs sorted_options(const google::protobuf::Map<std::string, std::string>& map) {
  catalog::Pairs out(map.begin(), map.end());
  std::sort(out.begin(), out.end());
  return out;
}

CommandResult create_view(const sc::CreateDataFrameViewCommand& command, CommandHost& host) {
  plan::TempView view;
  view.plan = plan::analyze(command.input(), host.analyzer());
  std::vector<std::string> parts;
  try {
    parts = sql::parse_table_identifier(command.name(), parse_options(host.conf()));
  } catch (const SparkError&) {
    throw analysis_error("_LEGACY_ERROR_TEMP_1321", {{"viewName", command.name()}});
  }
  create_temp_view(parts, command.is_global(), command.replace(), std::move(view), host);
  return {};
}

SaveMode save_mode(const sc::WriteOperation& write, SaveMode otherwise) {
  switch (write.mode()) {
    case sc::WriteOperation::SAVE_MODE_APPEND: return SaveMode::kAppend;
    case sc::WriteOperation::SAVE_MODE_OVERWRITE: return SaveMode::kOverwrite;
    case sc::WriteOperation::SAVE_MODE_ERROR_IF_EXISTS: return SaveMode::kErrorIfExists;
    case sc::WriteOperation::SAVE_MODE_IGNORE: return SaveMode::kIgnore;
    default: return otherwise;
  }
}

void insert_into(const sc::WriteOperation& write, const plan::PlanPtr& query, const std::vector<std::string>& parts, CommandHost& host) {
  if (write.partitioning_columns_size() > 0) {
    throw analysis_error("PARTITION_BY_NOT_ALLOWED_WITH_INSERT_INTO", {{"tableName", quote_identifier(parts)}});
  }
  if (write.has_bucket_by()) throw analysis_error("_LEGACY_ERROR_TEMP_1312", {{"operation", "insertInto"}});
  if (auto temp = find_temp_view(parts, host)) throw analysis_error("UNSUPPORTED_INSERT.RDD_BASED", {});
  auto table = require_relation(parts, host);
  if (table.is_view()) throw analysis_error("VIEW_WRITE_NOT_ALLOWED", {{"name", quote_identifier(table.full_name())}});
  TableWrite options;
  options.options = sorted_options(write.options());
  options.mode = save_mode(write, SaveMode::kAppend) == SaveMode::kOverwrite ? SaveMode::kOverwrite : SaveMode::kAppend;
  write_to_table(table, resolve_for_table(table, table_schema(table, host), query, false, host), options, host);
}

CommandResult write_operation(const sc::WriteOperation& write, CommandHost& host) {
  auto query = plan::analyze(write.input(), host.analyzer());
  if (write.sort_column_names_size() > 0 && !write.has_bucket_by()) {
    throw analysis_error("SORT_BY_WITHOUT_BUCKETING", {});
  }
  if (write.clustering_columns_size() > 0) {
    if (write.partitioning_columns_size() > 0) throw analysis_error("SPECIFY_CLUSTER_BY_WITH_PARTITIONED_BY_IS_NOT_ALLOWED", {});
    if (write.has_bucket_by()) throw analysis_error("SPECIFY_CLUSTER_BY_WITH_BUCKETING_IS_NOT_ALLOWED", {});
  }
  if (write.has_table()) {
    auto parts = sql::parse_multipart_identifier(write.table().table_name(), parse_options(host.conf()));
    if (write.table().save_method() == sc::WriteOperation::SaveTable::TABLE_SAVE_METHOD_INSERT_INTO) {
      insert_into(write, query, parts, host);
      return {};
    }
    SaveAsTable save;
    save.name = parts;
    save.format = write.has_source() ? write.source() : "";
    save.mode = save_mode(write, SaveMode::kErrorIfExists);
    save.options = sorted_options(write.options());
    save.partition_by.assign(write.partitioning_columns().begin(), write.partitioning_columns().end());
    save.cluster_by.assign(write.clustering_columns().begin(), write.clustering_columns().end());
    if (write.has_bucket_by()) {
      catalog::BucketSpec bucket;
      bucket.buckets = write.bucket_by().num_buckets();
      bucket.columns.assign(write.bucket_by().bucket_column_names().begin(), write.bucket_by().bucket_column_names().end());
      bucket.sort_columns.assign(write.sort_column_names().begin(), write.sort_column_names().end());
      save.bucket = bucket;
    }
    save_as_table(save, query, host);
    return {};
  }
  if (write.has_bucket_by()) throw analysis_error("_LEGACY_ERROR_TEMP_1312", {{"operation", "save"}});
  plan::WriteFilesCommand command;
  command.query = query;
  command.format = write.has_source() ? write.source() : "";
  command.mode = save_mode(write, SaveMode::kErrorIfExists);
  command.partition_by.assign(write.partitioning_columns().begin(), write.partitioning_columns().end());
  command.cluster_by.assign(write.clustering_columns().begin(), write.clustering_columns().end());
  command.path = write.path();
  for (auto& [key, value] : sorted_options(write.options())) {
    if (lower(key) == "path" && command.path.empty()) command.path = value;
    else command.options.emplace_back(key, value);
  }
  if (command.path.empty() && lower(command.format) != "noop") {
    throw SparkError(ErrorKind::kIllegalArgument, "_LEGACY_ERROR_TEMP_2047", {});
  }
  write_to_path(command, host);
  return {};
}

// ---- writeTo

std::vector<std::string> partition_columns(const sc::WriteOperationV2& write) {
  std::vector<std::string> out;
  for (auto& e : write.partitioning_columns()) {
    if (!e.has_unresolved_attribute()) {
      throw analysis_error("UNSUPPORTED_PARTITION_TRANSFORM",
                           {{"transform", e.has_unresolved_function() ? e.unresolved_function().function_name() : "expression"}});
    }
    auto parts = sql::parse_attribute_name(e.unresolved_attribute().unparsed_identifier());
    if (parts.size() > 1) throw analysis_error("UNSUPPORTED_FEATURE.PARTITION_WITH_NESTED_COLUMN_IS_UNSUPPORTED", {{"cols", quote_identifier(parts)}});
    out.push_back(parts[0]);
  }
  return out;
}

CommandResult write_v2(const sc::WriteOperationV2& write, CommandHost& host) {
  auto query = plan::analyze(write.input(), host.analyzer());
  auto parts = sql::parse_multipart_identifier(write.table_name(), parse_options(host.conf()));
  auto& catalog = host.analyzer().catalog;
  auto existing = find_table(parts, host);
  auto options = sorted_options(write.options());
  switch (write.mode()) {
    case sc::WriteOperationV2::MODE_CREATE:
    case sc::WriteOperationV2::MODE_REPLACE:
    case sc::WriteOperationV2::MODE_CREATE_OR_REPLACE: {
      auto name = qualify(parts, host);
      catalog.require_schema(name.catalog, name.schema);
      if (existing && write.mode() == sc::WriteOperationV2::MODE_CREATE) {
        throw SparkError(ErrorKind::kTableAlreadyExists, "TABLE_OR_VIEW_ALREADY_EXISTS", {{"relationName", name.quoted()}});
      }
      if (!existing && write.mode() == sc::WriteOperationV2::MODE_REPLACE) throw_table_not_found(parts, host);
      catalog::TableInfo info;
      info.catalog = name.catalog;
      info.schema = name.schema;
      info.name = name.name;
      info.provider = table_provider(write.has_provider() ? write.provider() : host.conf().text("spark.sql.sources.default"), host);
      info.properties.insert(write.table_properties().begin(), write.table_properties().end());
      info.partition_columns = partition_columns(write);
      info.clustering_columns.assign(write.clustering_columns().begin(), write.clustering_columns().end());
      for (auto& [key, value] : options) {
        if (lower(key) == "path") {
          info.location = make_location(value, host);
          info.type = catalog::TableType::kExternal;
        } else if (!info.is_delta()) {
          info.options.emplace_back(key, value);
        }
      }
      if (write.mode() == sc::WriteOperationV2::MODE_CREATE) {
        create_from_query(std::move(info), std::move(query), host);
        return {};
      }
      if (!info.is_delta() || (existing && !existing->is_delta())) throw unsupported_operation(name.parts(), "REPLACE TABLE AS SELECT");
      plan::DataType schema = plan::schema_of(*query);
      normalize_layout(info, schema, host);
      info.schema_json = schema.json();
      info.owner = now_owner(host);
      if (existing) info.location = existing->location, info.type = existing->type, info.created_ms = existing->created_ms;
      if (info.location.empty()) info.location = catalog.default_table_location(info.catalog, info.schema, info.name);
      delta_create(info, write.mode() == sc::WriteOperationV2::MODE_REPLACE ? CreateMode::kReplace : CreateMode::kCreateOrReplace, query, host);
      refresh_from_log(info, host);
      catalog.replace_table(info);
      host.invalidate(info.location, true);
      return {};
    }
    default:
      break;
  }
  if (!existing) {
    if (find_temp_view(parts, host)) throw analysis_error("UNSUPPORTED_INSERT.RDD_BASED", {});
    throw_table_not_found(parts, host);
  }
  if (existing->is_view()) throw analysis_error("VIEW_WRITE_NOT_ALLOWED", {{"name", quote_identifier(existing->full_name())}});
  const bool python = python_source(existing->provider, host) != nullptr;
  if (!existing->is_delta() && !python) {
    throw analysis_error("_LEGACY_ERROR_TEMP_1012", {{"identifier", quote_identifier(existing->full_name())}});
  }
  TableWrite table_write;
  table_write.options = options;
  table_write.by_name = true;
  if (write.with_schema_evolution() && python) throw unsupported_operation(existing->full_name(), "INSERT WITH SCHEMA EVOLUTION");
  if (write.with_schema_evolution()) table_write.options.emplace_back("mergeSchema", "true");
  switch (write.mode()) {
    case sc::WriteOperationV2::MODE_APPEND:
      break;
    case sc::WriteOperationV2::MODE_OVERWRITE: {
      table_write.mode = SaveMode::kOverwrite;
      if (write.has_overwrite_condition()) {
        auto target = plan_of_name(existing->full_name(), host);
        auto condition = plan::analyze_over(write.overwrite_condition(), *target, host.analyzer());
        auto* literal = plan::try_as<plan::Literal>(condition);
        bool always = literal && !literal->value.is_null() && literal->value.v.index() == 1 && literal->value.get<bool>();
        if (!always && python) throw unsupported_operation(existing->full_name(), "overwrite by filter in batch mode");
        if (!always) table_write.options.emplace_back("replaceWhere", plan::expression_sql(*condition));
      }
      break;
    }
    case sc::WriteOperationV2::MODE_OVERWRITE_PARTITIONS:
      if (python) throw unsupported_operation(existing->full_name(), "dynamic overwrite in batch mode");
      table_write.mode = SaveMode::kOverwrite;
      table_write.options.emplace_back("partitionOverwriteMode", "dynamic");
      break;
    default:
      throw internal_error("writeTo without a mode");
  }
  if (python) query = resolve_for_table(*existing, table_schema(*existing, host), query, true, host);
  write_to_table(*existing, query, table_write, host);
  return {};
}

CommandResult merge_into(const sc::MergeIntoTableCommand& merge, CommandHost& host) {
  auto parts = sql::parse_multipart_identifier(merge.target_table_name(), parse_options(host.conf()));
  return merge_into_table(dml_target(parts, "", "MERGE INTO", host), merge, host);
}

}  // namespace

bool handles_command(const sc::Command& command) {
  switch (command.command_type_case()) {
    case sc::Command::kCreateDataframeView:
    case sc::Command::kWriteOperation:
    case sc::Command::kWriteOperationV2:
    case sc::Command::kMergeIntoTableCommand:
      return true;
    case sc::Command::kExtension:
      return command.extension().Is<sql::Statement>() || is_delta_command(command);
    default:
      return false;
  }
}

CommandResult execute_command(const sc::Command& command, CommandHost& host) {
  switch (command.command_type_case()) {
    case sc::Command::kCreateDataframeView: return create_view(command.create_dataframe_view(), host);
    case sc::Command::kWriteOperation: return write_operation(command.write_operation(), host);
    case sc::Command::kWriteOperationV2: return write_v2(command.write_operation_v2(), host);
    case sc::Command::kMergeIntoTableCommand: return merge_into(command.merge_into_table_command(), host);
    case sc::Command::kExtension: {
      if (is_delta_command(command)) return execute_delta_command(command, host);
      sql::Statement statement;
      if (!sql::unpack(command, &statement)) throw internal_error("the extension of a command is no statement");
      return execute_statement(statement, host);
    }
    default: throw internal_error("no command of this room");
  }
}

}  // namespace tarn::engine::commands
