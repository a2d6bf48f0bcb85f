// Lowerings in C++, by the "@name" of a function's template.
#include <algorithm>

#include "base/spark_error.h"
#include "engine/error_map.h"
#include "engine/lowering/expression_lowering.h"
#include "engine/type_mapping.h"
#include "plan/function.h"

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
  std::string list = l.lower(call.children.at(0)), index = l.lower(call.children.at(1));
  std::string big = "CAST(" + index + " AS BIGINT)";
  // DuckDB counts from 1 and takes negative positions from the end.
  std::string item = "list_extract(" + list + ", " + big + " + 1)";
  auto* literal = plan::try_as<plan::Literal>(*call.children[1]);
  bool never_negative = literal && !literal->value.is_null() && literal->value.get<int64_t>() >= 0;
  if (never_negative) item = "list_extract(" + list + ", " + std::to_string(literal->value.get<int64_t>() + 1) + ")";
  if (plan::as<plan::Call>(call).mode == plan::EvalMode::kAnsi) {
    return "CASE WHEN " + big + " < 0 OR " + big + " >= len(" + list + ") THEN spark_raise_array_index(" + big + ", len(" + list + "), " +
           "NULL::" + duckdb_type_sql(call.type) + ") ELSE " + item + " END";
  }
  if (never_negative) return item;
  return "CASE WHEN " + big + " >= 0 THEN " + item + " END";
}

std::string get_map_value(ExpressionLowering& l, const Expression& call) {
  return "map_extract_value(" + l.lower(call.children.at(0)) + ", " + l.lower(call.children.at(1)) + ")";
}

std::string case_when(ExpressionLowering& l, const Expression& call) {
  std::string out = "CASE";
  size_t n = call.children.size();
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
  return out + ") AS BIGINT)";
}

constexpr SpecialEntry kEntries[] = {
    {"get_struct_field", get_struct_field}, {"get_array_struct_fields", get_array_struct_fields},
    {"get_array_item", get_array_item},     {"get_map_value", get_map_value},
    {"case_when", case_when},               {"in_collated", in_collated},
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
