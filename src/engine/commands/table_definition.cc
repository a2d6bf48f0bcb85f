#include "engine/commands/table_definition.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "engine/commands/parsing.h"
#include "engine/commands/support.h"
#include "engine/sources/source.h"
#include "plan/function.h"
#include "plan/python_functions.h"
#include "plan/session_conf.h"
#include "spark/connect/expressions.pb.h"
#include "tarn/sql.pb.h"

namespace tarn::engine::commands {

using catalog::lower;
using plan::DataType;
using plan::StructField;
using plan::TypeId;

SparkError unsupported_operation(const std::vector<std::string>& table, const std::string& operation) {
  return analysis_error("UNSUPPORTED_FEATURE.TABLE_OPERATION", {{"tableName", quote_identifier(table)}, {"operation", operation}});
}

plan::PythonPlanner* python_source(const std::string& provider, CommandHost& host) {
  auto* planner = plan::python_planner(host.analyzer().sources);
  return planner && planner->has_source(provider) ? planner : nullptr;
}

std::string table_provider(const std::string& name, CommandHost& host) {
  std::string p = lower(name);
  // Class names that Spark maps to the short name.
  for (const char* format : {"parquet", "csv", "json", "text", "orc"}) {
    if (p == "org.apache.spark.sql." + std::string(format) || p == "org.apache.spark.sql.execution.datasources." + std::string(format) ||
        p.starts_with("org.apache.spark.sql.execution.datasources." + std::string(format) + ".")) {
      return format;
    }
  }
  if (p == "io.delta.sql.deltadatasource" || p == "org.apache.spark.sql.delta.sources.deltadatasource") return "delta";
  if (p == "delta" || sources::is_file_format(p) || python_source(p, host)) return p;
  if (p == "hive") throw analysis_error("NOT_SUPPORTED_COMMAND_WITHOUT_HIVE_SUPPORT", {{"cmd", "CREATE Hive TABLE (AS SELECT)"}});
  throw analysis_error("DATA_SOURCE_NOT_FOUND", {{"provider", name}});
}

DataType as_nullable(const DataType& type) {
  switch (type.id()) {
    case TypeId::kArray: return DataType::array(as_nullable(type.element()), true);
    case TypeId::kMap: return DataType::map(as_nullable(type.key()), as_nullable(type.value()), true);
    case TypeId::kStruct: {
      std::vector<StructField> fields;
      for (auto& f : type.fields()) fields.push_back(plan::make_field(f.name, as_nullable(f.type()), true, f.metadata));
      return DataType::structure(std::move(fields));
    }
    default: return type;
  }
}

void check_duplicate_columns(const std::vector<std::string>& names, CommandHost& host) {
  std::vector<std::string> keys;
  for (auto& n : names) keys.push_back(host.conf().case_sensitive() ? n : lower(n));
  std::sort(keys.begin(), keys.end());
  auto twice = std::adjacent_find(keys.begin(), keys.end());
  if (twice != keys.end()) throw analysis_error("COLUMN_ALREADY_EXISTS", {{"columnName", quote_identifier(*twice)}});
}

std::string folded_default(const sql::ColumnDef& column, const DataType& type, const std::string& statement, CommandHost& host) {
  auto& d = column.default_value();
  std::string name = quote_identifier(std::vector<std::string>(column.name().begin(), column.name().end()));
  auto invalid = [&](const char* sub, ErrorParams more = {}) {
    more["statement"] = statement;
    more["colName"] = name;
    more["defaultValue"] = d.text();
    return analysis_error(std::string("INVALID_DEFAULT_VALUE.") + sub, std::move(more));
  };
  if (d.expression().has_subquery_expression() || d.text().find("(SELECT") != std::string::npos || d.text().find("(select") != std::string::npos) {
    throw invalid("SUBQUERY_EXPRESSION");
  }
  plan::ExprPtr expression;
  try {
    expression = plan::analyze_constant(d.expression(), host.analyzer());
  } catch (const SparkError& e) {
    if (e.condition().starts_with("UNRESOLVED_COLUMN")) throw invalid("UNRESOLVED_EXPRESSION");
    throw;
  }
  if (!plan::is_deterministic(*expression)) throw invalid("NON_DETERMINISTIC");
  if (!plan::is_foldable(*expression)) throw invalid("NOT_CONSTANT");
  bool literal_fits = expression->kind == plan::ExprKind::kLiteral && plan::can_cast(expression->type, type, plan::EvalMode::kAnsi) &&
                      (expression->type.is_numeric() && type.is_numeric());
  if (!literal_fits && !plan::can_store_assign(expression->type, type, "ANSI") && !plan::can_up_cast(expression->type, type)) {
    throw invalid("DATA_TYPE", {{"expectedType", quote_sql(type.sql())}, {"actualType", quote_sql(expression->type.sql())}});
  }
  auto cast = plan::make_cast(expression, type, plan::EvalMode::kAnsi);
  return plan::expression_sql(*plan::make_literal(type, evaluate(cast, host)));
}

StructField field_of(const sql::ColumnDef& column, const std::string& statement, const std::string& provider, CommandHost& host) {
  auto type = DataType::from_proto(column.type());
  nlohmann::json metadata = nlohmann::json::object();
  if (column.has_comment()) metadata["comment"] = column.comment();
  if (column.has_default_value()) {
    if (!host.conf().flag("spark.sql.defaultColumn.enabled")) throw analysis_error("UNSUPPORTED_DEFAULT_VALUE.WITH_SUGGESTION", {});
    auto allowed = host.conf().text("spark.sql.defaultColumn.allowedProviders");
    bool ok = provider == "delta" || provider.empty();
    for (size_t begin = 0; begin <= allowed.size() && !ok;) {
      size_t comma = std::min(allowed.find(',', begin), allowed.size());
      std::string one = lower(allowed.substr(begin, comma - begin));
      if (!one.empty() && one.back() == '*') one.pop_back();
      ok = one == provider;
      begin = comma + 1;
    }
    if (!ok) {
      throw analysis_error(statement == "ALTER TABLE ADD COLUMNS" ? "ADD_DEFAULT_UNSUPPORTED" : "DEFAULT_UNSUPPORTED",
                           {{"statementType", statement}, {"dataSource", provider}});
    }
    metadata["CURRENT_DEFAULT"] = column.default_value().text();
    metadata["EXISTS_DEFAULT"] = folded_default(column, type, statement, host);
  }
  if (column.has_generated()) metadata["delta.generationExpression"] = column.generated().text();
  if (column.has_identity()) {
    metadata["delta.identity.start"] = column.identity().start();
    metadata["delta.identity.step"] = column.identity().step();
    metadata["delta.identity.allowExplicitInsert"] = !column.identity().always();
  }
  return plan::make_field(column.name(column.name_size() - 1), std::move(type), !column.not_null(), metadata.empty() ? "" : metadata.dump());
}

namespace {

std::vector<std::string> normalize_names(const std::vector<std::string>& names, const DataType& schema, const char* kind,
                                         const catalog::TableInfo& info, CommandHost& host) {
  std::vector<std::string> out;
  for (auto& name : names) {
    auto index = schema.field_index(name, host.conf().case_sensitive());
    if (!index) {
      std::vector<std::string> columns;
      for (auto& f : schema.fields()) columns.push_back(quote_identifier(f.name));
      throw analysis_error("COLUMN_NOT_DEFINED_IN_TABLE",
                           {{"colType", kind}, {"colName", quote_identifier(name)}, {"tableName", quote_identifier(info.full_name())},
                            {"tableCols", join(columns, ", ")}});
    }
    out.push_back(schema.fields()[*index].name);
  }
  check_duplicate_columns(out, host);
  return out;
}

}  // namespace

void normalize_layout(catalog::TableInfo& info, DataType& schema, CommandHost& host) {
  std::vector<std::string> names;
  for (auto& f : schema.fields()) names.push_back(f.name);
  check_duplicate_columns(names, host);
  if (schema.fields().empty()) return;
  info.partition_columns = normalize_names(info.partition_columns, schema, "partition", info, host);
  if (info.partition_columns.size() == schema.fields().size()) throw analysis_error("ALL_PARTITION_COLUMNS_NOT_ALLOWED", {});
  for (auto& name : info.partition_columns) {
    auto& type = schema.fields()[*schema.field_index(name, true)].type();
    if (type.is_nested() || type.id() == TypeId::kVariant || type.id() == TypeId::kCalendarInterval ||
        (type.is_string() && type.id() == TypeId::kString && type.collation() != "UTF8_BINARY")) {
      throw analysis_error("INVALID_PARTITION_COLUMN_DATA_TYPE", {{"type", quote_sql(type.sql())}});
    }
  }
  if (info.bucket) {
    if (info.bucket->buckets <= 0 || info.bucket->buckets > host.conf().integer("spark.sql.sources.bucketing.maxBuckets")) {
      throw analysis_error("INVALID_BUCKET_COUNT", {{"bucketingMaxBuckets", host.conf().text("spark.sql.sources.bucketing.maxBuckets")},
                                                    {"numBuckets", std::to_string(info.bucket->buckets)}});
    }
    info.bucket->columns = normalize_names(info.bucket->columns, schema, "bucket", info, host);
    info.bucket->sort_columns = normalize_names(info.bucket->sort_columns, schema, "sort", info, host);
    for (auto& name : info.bucket->columns) {
      if (std::count(info.partition_columns.begin(), info.partition_columns.end(), name)) {
        throw analysis_error("_LEGACY_ERROR_TEMP_1166", {{"bucketCol", name}, {"normalizedPartCols", join(info.partition_columns, ", ")}});
      }
    }
  }
  if (info.is_delta()) return;
  std::vector<StructField> fields, last;
  for (auto& f : schema.fields()) {
    if (!std::count(info.partition_columns.begin(), info.partition_columns.end(), f.name)) fields.push_back(f);
  }
  for (auto& name : info.partition_columns) fields.push_back(schema.fields()[*schema.field_index(name, true)]);
  schema = DataType::structure(std::move(fields));
}

}  // namespace tarn::engine::commands
