// Generators: rows out of a value, by DuckDB's UNNEST in the select list.
#include <algorithm>

#include "base/spark_error.h"
#include "engine/lowering/plan_lowering.h"
#include "engine/type_mapping.h"
#include "plan/function.h"

namespace tarn::engine::lowering {

using plan::DataType;
using plan::TypeId;

namespace {

// The list, or one null element where it would generate nothing.
std::string never_empty(const std::string& list, bool outer, const std::string& element_type) {
  if (!outer) return list;
  return "CASE WHEN coalesce(len(" + list + "), 0) = 0 THEN [NULL::" + element_type + "] ELSE " + list + " END";
}

std::string unnest(const std::string& list) { return "UNNEST(" + list + ")"; }

}  // namespace

Block PlanLowering::generate(const plan::Generate& g) {
  auto* call = plan::try_as<plan::Call>(*g.generator);
  if (!call || !call->function) throw not_built("this table function");
  std::string name(call->function->name());
  bool outer = g.outer;
  if (name.ends_with("_outer")) {
    outer = true;
    name.resize(name.size() - 6);
  }
  Block b = lower(g.children[0]);
  // The argument is read several times: give it a column of its own unless it is one.
  std::vector<plan::ExprPtr> arguments = call->children;
  bool repeated = name == "explode" || name == "posexplode" || name == "inline";
  plan::ExprId argument_id = 0;
  if (repeated && arguments.at(0)->kind != plan::ExprKind::kAttribute) {
    auto argument = plan::make_alias(arguments[0], "generator", true, plan::next_expr_id());
    b = extended(std::move(b), {argument});
    arguments[0] = plan::make_ref(plan::to_attribute(*argument));
    argument_id = plan::to_attribute(*argument).id;
  }
  make_inlinable(b, arguments);
  if (!b.order_by.empty()) b = wrapped(std::move(b));
  Scope scope = scope_of(b);
  auto lowering = expressions(scope);
  std::vector<std::string> args = lowering.lower_all(arguments);
  const auto& out = g.generator_output;
  auto add = [&](const plan::Attribute& a, std::string sql) { b.columns.push_back({a.id, std::move(sql), 1}); };
  std::erase_if(b.columns, [&](const Column& c) { return c.id == argument_id; });
  auto finish = [&] {
    b.open = false;
    b.rigid = true;
  };

  if (name == "explode" || name == "posexplode") {
    const DataType& type = arguments[0]->type;
    size_t next = 0;
    const std::string& list = args[0];
    std::string length = type.id() == TypeId::kMap ? "cardinality(" + list + ")" : "len(" + list + ")";
    if (name == "posexplode") {
      std::string positions = "CAST(range(CAST(" + length + " AS BIGINT)) AS INTEGER[])";
      if (outer) positions = "CASE WHEN coalesce(" + length + ", 0) = 0 THEN [NULL::INTEGER] ELSE " + positions + " END";
      add(out.at(next++), unnest(positions));
    }
    if (type.id() == TypeId::kMap) {
      std::string keys = "map_keys(" + list + ")", values = "map_values(" + list + ")";
      add(out.at(next++), unnest(never_empty(keys, outer, duckdb_type_sql(type.key()))));
      add(out.at(next++), unnest(never_empty(values, outer, duckdb_type_sql(type.value()))));
    } else if (type.id() == TypeId::kArray) {
      add(out.at(next++), unnest(never_empty(list, outer, duckdb_type_sql(type.element()))));
    } else {
      // explode(NULL)
      std::string none = outer ? "[NULL::INTEGER]" : "[]::INTEGER[]";
      while (next < out.size()) add(out[next++], unnest(none));
    }
    finish();
    return b;
  }

  // The rest yields a list of structs with one field per output column.
  std::string list;
  DataType row;
  std::vector<plan::StructField> fields;
  for (size_t i = 0; i < out.size(); ++i) fields.push_back(plan::make_field("f" + std::to_string(i), out[i].type));
  row = DataType::structure(fields);
  std::vector<std::string> names = duckdb_field_names(row);
  if (name == "inline") {
    list = args[0];
    if (arguments[0]->type.id() == TypeId::kArray) names = duckdb_field_names(arguments[0]->type.element());
    list = never_empty(list, outer, arguments[0]->type.id() == TypeId::kArray ? duckdb_type_sql(arguments[0]->type.element()) : "INTEGER");
  } else if (name == "stack") {
    auto* count = plan::try_as<plan::Literal>(*arguments.at(0));
    if (!count || count->value.is_null()) throw internal_error("stack() without a literal number of rows");
    size_t rows = static_cast<size_t>(count->value.get<int64_t>());
    for (size_t column = 0; column < out.size(); ++column) {
      std::string items;
      for (size_t r = 0; r < rows; ++r) {
        size_t at = 1 + r * out.size() + column;
        if (r) items += ", ";
        items += at < args.size() ? args[at] : "NULL::" + duckdb_type_sql(out[column].type);
      }
      add(out[column], unnest("[" + items + "]::" + duckdb_type_sql(out[column].type) + "[]"));
    }
    finish();
    return b;
  } else {
    auto text = plan::lowering_of(*call->function, call->mode, args.size());
    if (text.empty() || (text[0] == '@' && !find_special(text.substr(1)))) throw not_built("the table function " + call->name);
    list = text[0] == '@' ? find_special(text.substr(1))(lowering, *call)
                          : lowering.expand(text, args, *call);
    if (out.size() == 1 && !(call->type.id() == TypeId::kArray && call->type.element().id() == TypeId::kStruct) && call->type.id() != TypeId::kStruct) {
      add(out[0], unnest(never_empty(list, outer, duckdb_type_sql(out[0].type))));
      finish();
      return b;
    }
    if (call->type.id() == TypeId::kStruct) row = call->type;
    else if (call->type.id() == TypeId::kArray) row = call->type.element();
    names = duckdb_field_names(row);
    list = never_empty(list, outer, duckdb_type_sql(row));
  }
  plan::ExprId packed = plan::next_expr_id();
  b.columns.push_back({packed, unnest(list), 1});
  finish();
  b = wrapped(std::move(b));
  std::erase_if(b.columns, [&](const Column& c) { return c.id == packed; });
  for (size_t i = 0; i < out.size(); ++i) {
    b.columns.push_back({out[i].id, "struct_extract(" + column_name(packed) + ", " + duckdb_string(names.at(i)) + ")", 1});
  }
  return b;
}

}  // namespace tarn::engine::lowering
