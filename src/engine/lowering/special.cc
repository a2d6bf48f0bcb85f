// Lowerings in C++, by the "@name" of a function's template.
#include <algorithm>

#include "base/spark_error.h"
#include "engine/error_map.h"
#include "engine/kernels/cast_table.h"
#include "engine/lowering/expression_lowering.h"
#include "engine/lowering/lowering.h"
#include "engine/time_zone.h"
#include "engine/type_mapping.h"
#include "plan/collation.h"
#include "plan/function.h"
#include "plan/session_conf.h"

namespace tarn::engine::lowering {

namespace {

using plan::DataType;
using plan::Expression;
using plan::TypeId;

const DataType& storage(const DataType& t) { return t.id() == TypeId::kUdt ? t.sql_type() : t; }

int64_t literal_int(const Expression& e) {
  auto* literal = plan::try_as<plan::Literal>(e);
  if (!literal || literal->value.is_null()) throw internal_error("a constant is expected here");
  return literal->value.get<int64_t>();
}

std::string get_struct_field(ExpressionLowering& l, const Expression& call) {
  const DataType& type = storage(call.children.at(0)->type);
  auto names = duckdb_field_names(type);
  return "struct_extract(" + l.lower(call.children[0]) + ", " + duckdb_string(names.at(static_cast<size_t>(literal_int(*call.children.at(1))))) + ")";
}

std::string get_array_struct_fields(ExpressionLowering& l, const Expression& call) {
  const DataType& type = storage(call.children.at(0)->type.element());
  auto names = duckdb_field_names(type);
  return "list_transform(" + l.lower(call.children[0]) + ", lambda e: struct_extract(e, " +
         duckdb_string(names.at(static_cast<size_t>(literal_int(*call.children.at(1))))) + "))";
}

std::string get_array_item(ExpressionLowering& l, const Expression& call) {
  const char* kernel = plan::as<plan::Call>(call).mode == plan::EvalMode::kAnsi ? "spark_get_array_item(" : "spark_get(";
  return kernel + l.lower(call.children.at(0)) + ", CAST(" + l.lower(call.children.at(1)) + " AS BIGINT))";
}

std::string get_map_value(ExpressionLowering& l, const Expression& call) {
  const Expression &map = *call.children.at(0), &key = *call.children.at(1);
  if (!plan::has_collation(map.type.key())) return "map_extract_value(" + l.lower(map) + ", " + l.lower(key) + ")";
  const std::string m = l.lower(map);
  return "list_extract(map_values(" + m + "), list_position(" + collation_key_sql("map_keys(" + m + ")", DataType::array(map.type.key())) + ", " +
         l.comparison_key(key) + "))";
}

// variant_get and try_variant_get: the path, then the cast. Children: variant, path.
std::string variant_get(ExpressionLowering& l, const Expression& call) {
  const auto& c = plan::as<plan::Call>(call);
  const bool try_mode = c.function->flags & plan::kTryMode;
  const std::string v = l.fresh_variable();
  std::string found = "list_transform([" + l.lower(call.children.at(0)) + "], lambda " + v + ": spark_variant_path(struct_extract_at(" + v + ", 1), struct_extract_at(" + v + ", 2), " +
                      l.lower(call.children.at(1)) + ", " + duckdb_string(try_mode ? "try_variant_get" : "variant_get") + "))[1]";
  return kernels::cast_sql(TypeId::kVariant, call.type, try_mode ? plan::EvalMode::kTry : plan::EvalMode::kAnsi, found, l.zone());
}

std::string case_when(ExpressionLowering& l, const Expression& call) {
  std::string out = "CASE";
  size_t n = call.children.size();
  // What pandas makes of each condition, nested: x is written, and computed, once.
  if (const auto* test = n == 3 ? plan::try_as<plan::Call>(*call.children[0]) : nullptr; test && test->name == "isnull" && plan::is_deterministic(*call.children[2])) {
    std::string value = l.lower(call.children[2]);
    if (l.lower(test->children.at(0)) == value) return "coalesce(" + value + ", " + l.lower(call.children[1]) + ")";
  }
  for (size_t i = 0; i + 1 < n; i += 2) out += " WHEN " + l.lower(call.children[i]) + " THEN " + l.lower(call.children[i + 1]);
  if (n % 2) out += " ELSE " + l.lower(call.children[n - 1]);
  return out + " END";
}

std::string in_collated(ExpressionLowering& l, const Expression& call) {
  std::string out = l.comparison_key(*call.children.at(0)) + " IN (";
  for (size_t i = 1; i < call.children.size(); ++i) out += (i > 1 ? ", " : "") + l.comparison_key(*call.children[i]);
  return out + ")";
}

std::string make_struct(ExpressionLowering& l, const Expression& call, size_t first, size_t step) {
  auto names = duckdb_field_names(call.type);
  if (names.empty()) return "struct_pack(\"_empty\" := NULL::BOOLEAN)";
  std::string out = "struct_pack(";
  for (size_t i = 0; i < names.size(); ++i) {
    if (i) out += ", ";
    out += quote_duckdb_identifier(names[i]) + " := " + l.lower(call.children.at(first + i * step));
  }
  return out + ")";
}

std::string named_struct(ExpressionLowering& l, const Expression& call) { return make_struct(l, call, 1, 2); }
std::string create_struct(ExpressionLowering& l, const Expression& call) { return make_struct(l, call, 0, 1); }

std::string create_array(ExpressionLowering& l, const Expression& call) {
  if (call.children.empty()) return "[]::" + duckdb_type_sql(call.type);
  std::string out = "[";
  for (size_t i = 0; i < call.children.size(); ++i) out += (i ? ", " : "") + l.lower(call.children[i]);
  return out + "]";
}

// COUNT(DISTINCT a, b): rows without a null in any column.
std::string count(ExpressionLowering& l, const Expression& call) {
  const auto& args = call.children;
  if (args.empty()) return "count(*)";
  bool distinct = plan::as<plan::AggregateCall>(call).distinct;
  if (args.size() == 1) {
    auto* literal = plan::try_as<plan::Literal>(*args[0]);
    if (literal && !literal->value.is_null() && !distinct) return "count(*)";
    return "count(" + (distinct ? l.comparison_key(*args[0]) : l.lower(args[0])) + ")";
  }
  std::string condition, row;
  for (const auto& a : args) {
    condition += (condition.empty() ? "" : " AND ") + l.lower(a) + " IS NOT NULL";
    row += (row.empty() ? "" : ", ") + l.comparison_key(*a);
  }
  return "count(CASE WHEN " + condition + " THEN row(" + row + ") END)";
}

std::string grouping(ExpressionLowering& l, const Expression& call) { return "CAST(GROUPING(" + l.lower(call.children.at(0)) + ") AS TINYINT)"; }

std::string grouping_id(ExpressionLowering& l, const Expression& call) {
  std::string out = "CAST(GROUPING(";
  for (size_t i = 0; i < call.children.size(); ++i) out += (i ? ", " : "") + l.lower(call.children[i]);
  return out + ") AS " + duckdb_type_sql(call.type) + ")";
}

// ---- what the session and the clock say

std::string session_text(const std::string& value) { return duckdb_string(value); }

std::string current_user(ExpressionLowering& l, const Expression&) { return session_text(l.context().user); }
std::string current_catalog(ExpressionLowering& l, const Expression&) { return session_text(l.context().current_catalog); }
std::string current_path(ExpressionLowering& l, const Expression&) { return session_text(l.context().current_path); }
std::string current_schema(ExpressionLowering& l, const Expression&) {
  const auto& name = l.context().current_namespace;
  std::string out;
  for (const auto& part : name) out += (out.empty() ? "" : ".") + part;
  return session_text(out);
}

int64_t local_now(ExpressionLowering& l) { return TimeZone::get(l.context().conf.time_zone())->utc_to_local_micros(l.context().now_micros); }
int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }
constexpr int64_t kDayMicros = 86400000000;

std::string current_timestamp(ExpressionLowering& l, const Expression&) { return literal_sql(plan::Value{l.context().now_micros}, TypeId::kTimestamp); }
std::string localtimestamp(ExpressionLowering& l, const Expression&) { return literal_sql(plan::Value{local_now(l)}, TypeId::kTimestampNtz); }
std::string current_date(ExpressionLowering& l, const Expression&) {
  return literal_sql(plan::Value{floor_div(local_now(l), kDayMicros)}, TypeId::kDate);
}
std::string current_time(ExpressionLowering& l, const Expression& call) {
  int64_t local = local_now(l);
  int64_t nanos = (local - floor_div(local, kDayMicros) * kDayMicros) * 1000;
  int64_t unit = 1;
  for (int p = call.type.precision(); p < 9; ++p) unit *= 10;
  return literal_sql(plan::Value{nanos / unit * unit}, call.type);
}

std::string monotonically_increasing_id(ExpressionLowering&, const Expression&) { return "(row_number() OVER () - 1)"; }

// ---- higher-order functions

// NULL unless all of these are there.
std::string unless_null(const std::vector<std::string>& values, const std::string& result) {
  std::string out = "CASE WHEN ";
  for (size_t i = 0; i < values.size(); ++i) out += (i ? " AND " : "") + values[i] + " IS NOT NULL";
  return out + " THEN " + result + " END";
}

// "lambda x, i: body" with Spark's 0-based INT index.
std::string indexed_lambda(ExpressionLowering& l, const Expression& lambda) {
  std::string x = l.fresh_variable();
  if (plan::as<plan::Lambda>(lambda).parameters.size() == 1) return "lambda " + x + ": " + l.lambda_body(lambda, {x});
  std::string i = l.fresh_variable();
  return "lambda " + x + ", " + i + ": " + l.lambda_body(lambda, {x, "CAST(" + i + " - 1 AS INTEGER)"});
}

std::string transform(ExpressionLowering& l, const Expression& call) {
  return "list_transform(" + l.lower(call.children.at(0)) + ", " + indexed_lambda(l, *call.children.at(1)) + ")";
}

std::string filter(ExpressionLowering& l, const Expression& call) {
  return "list_filter(" + l.lower(call.children.at(0)) + ", " + indexed_lambda(l, *call.children.at(1)) + ")";
}

// DuckDB's list_reduce wants the accumulator to have the elements' type: both travel in a struct.
std::string aggregate(ExpressionLowering& l, const Expression& call) {
  const auto& c = call.children;
  std::string list = l.lower(c.at(0)), zero = l.lower(c.at(1));
  std::string element_type = duckdb_type_sql(c[0]->type.element()), zero_type = duckdb_type_sql(c[1]->type);
  std::string x = l.fresh_variable(), a = l.fresh_variable(), b = l.fresh_variable();
  std::string step = l.lambda_body(*c.at(2), {"struct_extract(" + a + ", 'acc')", "struct_extract(" + b + ", 'item')"});
  std::string pairs = "list_transform(" + list + ", lambda " + x + ": struct_pack(acc := NULL::" + zero_type + ", item := " + x + "))";
  std::string start = "struct_pack(acc := CAST(" + zero + " AS " + zero_type + "), item := NULL::" + element_type + ")";
  std::string result = "struct_extract(list_reduce(list_prepend(" + start + ", " + pairs + "), lambda " + a + ", " + b + ": struct_pack(acc := CAST(" + step +
                       " AS " + zero_type + "), item := NULL::" + element_type + ")), 'acc')";
  if (c.size() > 3) {
    std::string r = l.fresh_variable();
    result = "list_extract(list_transform([" + result + "], lambda " + r + ": " + l.lambda_body(*c[3], {r}) + "), 1)";
  }
  return unless_null({list}, result);
}

std::string zip_with(ExpressionLowering& l, const Expression& call) {
  std::string a = l.lower(call.children.at(0)), b = l.lower(call.children.at(1)), i = l.fresh_variable();
  // Positions past the end are null in DuckDB as in Spark.
  std::string body = l.lambda_body(*call.children.at(2), {"list_extract(" + a + ", " + i + ")", "list_extract(" + b + ", " + i + ")"});
  return unless_null({a, b}, "list_transform(range(1, greatest(len(" + a + "), len(" + b + ")) + 1), lambda " + i + ": " + body + ")");
}

std::string entry_body(ExpressionLowering& l, const Expression& lambda, const std::string& e) {
  return l.lambda_body(lambda, {"struct_extract(" + e + ", 'key')", "struct_extract(" + e + ", 'value')"});
}

std::string map_filter(ExpressionLowering& l, const Expression& call) {
  std::string e = l.fresh_variable(), m = l.lower(call.children.at(0));
  return unless_null({m}, "map_from_entries(list_filter(map_entries(" + m + "), lambda " + e + ": " + entry_body(l, *call.children.at(1), e) + "))");
}

std::string transform_keys(ExpressionLowering& l, const Expression& call) {
  std::string e = l.fresh_variable(), m = l.lower(call.children.at(0));
  return unless_null({m}, "spark_map_from_arrays(list_transform(map_entries(" + m + "), lambda " + e + ": " + entry_body(l, *call.children.at(1), e) + "), map_values(" +
                              m + "), " + duckdb_string(l.context().conf.text("spark.sql.mapKeyDedupPolicy")) + ")");
}

std::string transform_values(ExpressionLowering& l, const Expression& call) {
  std::string e = l.fresh_variable(), m = l.lower(call.children.at(0));
  return unless_null({m}, "MAP(map_keys(" + m + "), list_transform(map_entries(" + m + "), lambda " + e + ": " + entry_body(l, *call.children.at(1), e) + "))");
}

std::string map_zip_with(ExpressionLowering& l, const Expression& call) {
  std::string a = l.lower(call.children.at(0)), b = l.lower(call.children.at(1)), k = l.fresh_variable(), n = l.fresh_variable();
  std::string keys = "list_concat(map_keys(" + a + "), list_filter(map_keys(" + b + "), lambda " + n + ": NOT list_contains(map_keys(" + a + "), " + n + ")))";
  std::string body = l.lambda_body(*call.children.at(2), {k, "map_extract_value(" + a + ", " + k + ")", "map_extract_value(" + b + ", " + k + ")"});
  return unless_null({a, b}, "MAP(" + keys + ", list_transform(" + keys + ", lambda " + k + ": " + body + "))");
}

// array_sort with a comparator: the comparator's answer for every pair, then a kernel sorts by that matrix.
std::string array_sort(ExpressionLowering& l, const Expression& call) {
  std::string list = l.lower(*call.children.at(0)), x = l.fresh_variable(), y = l.fresh_variable();
  std::string body = l.lambda_body(*call.children.at(1), {x, y});
  return "spark_array_sort_by(" + list + ", list_transform(" + list + ", lambda " + x + ": list_transform(" + list + ", lambda " + y + ": " + body + ")))";
}

constexpr SpecialEntry kEntries[] = {
    {"current_user", current_user},         {"current_catalog", current_catalog},
    {"current_path", current_path},         {"current_schema", current_schema},     {"current_timestamp", current_timestamp},
    {"localtimestamp", localtimestamp},     {"current_date", current_date},
    {"current_time", current_time},         {"monotonically_increasing_id", monotonically_increasing_id},
    {"transform", transform},               {"filter", filter},
    {"aggregate", aggregate},               {"zip_with", zip_with},
    {"map_filter", map_filter},             {"transform_keys", transform_keys},
    {"transform_values", transform_values}, {"map_zip_with", map_zip_with},
    {"array_sort", array_sort},
    {"get_struct_field", get_struct_field}, {"get_array_struct_fields", get_array_struct_fields},
    {"get_array_item", get_array_item},     {"get_map_value", get_map_value},
    {"variant_get", variant_get},           {"case_when", case_when},               {"in_collated", in_collated},
    {"named_struct", named_struct},         {"struct", create_struct},
    {"array", create_array},                {"count", count},
    {"grouping", grouping},                 {"grouping_id", grouping_id},
};

}  // namespace

SpecialLowering find_special(std::string_view name) {
  for (const auto& entry : kEntries) {
    if (entry.name == name) return entry.lower;
  }
  return nullptr;
}

}  // namespace tarn::engine::lowering
