#include <algorithm>

#include "base/spark_error.h"
#include "engine/database.h"
#include "engine/kernels/cast_table.h"
#include "engine/lowering/expression_lowering.h"
#include "engine/lowering/lowering.h"
#include "engine/type_mapping.h"
#include "plan/collation.h"
#include "plan/function.h"
#include "plan/session_conf.h"

namespace tarn::engine::lowering {

using plan::ExprKind;
using plan::Expression;
using plan::TypeId;

std::string column_name(plan::ExprId id) { return "c" + std::to_string(id); }

namespace {

// DuckDB's window functions: in a template they take OVER.
const std::unordered_set<std::string>& window_names() {
  static const std::unordered_set<std::string> kNames = {"row_number",  "rank", "dense_rank", "percent_rank", "cume_dist",  "ntile",
                                                         "lag",         "lead", "first_value", "last_value",  "nth_value"};
  return kNames;
}

// Spark gives these one fixed frame; DuckDB wants none.
bool frameless(std::string_view name) {
  return name == "row_number" || name == "rank" || name == "dense_rank" || name == "percent_rank" || name == "cume_dist" || name == "ntile" ||
         name == "lag" || name == "lead";
}

const plan::FunctionEntry& entry_of(const plan::FunctionEntry* function, const std::string& name) {
  if (!function) throw internal_error("the call of " + name + " has no function");
  return *function;
}

void flatten(const Expression& e, const plan::FunctionEntry* function, std::vector<const Expression*>& out) {
  // Left-deep chains of thousands of operands: no recursion along the left side.
  std::vector<const Expression*> stack = {&e};
  while (!stack.empty()) {
    const Expression* top = stack.back();
    stack.pop_back();
    auto* call = plan::try_as<plan::Call>(*top);
    if (call && call->function == function) {
      for (auto it = call->children.rbegin(); it != call->children.rend(); ++it) stack.push_back(it->get());
    } else {
      out.push_back(top);
    }
  }
}

}  // namespace

std::vector<std::string> ExpressionLowering::lower_all(const std::vector<plan::ExprPtr>& list) {
  std::vector<std::string> out;
  out.reserve(list.size());
  for (const auto& e : list) out.push_back(lower(*e));
  return out;
}

std::string ExpressionLowering::lower(const Expression& e) {
  switch (e.kind) {
    case ExprKind::kLiteral: return atom(literal_sql(plan::as<plan::Literal>(e).value, e.type));
    case ExprKind::kAttribute: {
      const auto& ref = plan::as<plan::AttributeRef>(e);
      auto it = scope_.find(ref.id);
      return it == scope_.end() ? column_name(ref.id) : it->second;
    }
    case ExprKind::kAlias: return lower(*e.children[0]);
    case ExprKind::kCall: return lower_call(plan::as<plan::Call>(e));
    case ExprKind::kCast: return lower_cast(plan::as<plan::Cast>(e));
    case ExprKind::kAggregate: return lower_aggregate(plan::as<plan::AggregateCall>(e), "");
    case ExprKind::kWindow: return lower_window(plan::as<plan::WindowExpr>(e));
    case ExprKind::kSortOrder: return sort_order(e);
    case ExprKind::kLambdaVariable: {
      auto it = variables_.find(plan::as<plan::LambdaVariable>(e).id);
      return it == variables_.end() ? "v" + std::to_string(plan::as<plan::LambdaVariable>(e).id) : it->second;
    }
    case ExprKind::kLambda: {
      std::string out = "lambda ";
      bool first = true;
      for (const auto& p : plan::as<plan::Lambda>(e).parameters) {
        if (!first) out += ", ";
        first = false;
        out += "v" + std::to_string(p->id);
      }
      return out + ": " + lower(*e.children[0]);
    }
    case ExprKind::kSubquery: return lower_subquery(plan::as<plan::SubqueryExpr>(e));
    case ExprKind::kUserFunction: return lower_python(plan::as<plan::UserFunction>(e));
  }
  throw internal_error("unknown expression");
}

std::string ExpressionLowering::lambda_body(const Expression& e, const std::vector<std::string>& parameters) {
  const auto& lambda = plan::as<plan::Lambda>(e);
  for (size_t i = 0; i < lambda.parameters.size(); ++i) variables_[lambda.parameters[i]->id] = parameters.at(i);
  return lower(*lambda.children[0]);
}

namespace {

// What has no value may still have an effect: raise_error.
bool has_call(const Expression& e) {
  return e.kind == ExprKind::kCall || e.kind == ExprKind::kUserFunction ||
         std::any_of(e.children.begin(), e.children.end(), [](const auto& c) { return has_call(*c); });
}

}  // namespace

std::string ExpressionLowering::lower_cast(const plan::Cast& cast) {
  const auto& child = *cast.children[0];
  if (child.type.id() == TypeId::kNull && !has_call(child)) return atom("NULL::" + duckdb_type_sql(cast.type));
  // A constant needs no function to become NULL.
  if (auto* literal = plan::try_as<plan::Literal>(child); literal && literal->value.is_null()) return atom("NULL::" + duckdb_type_sql(cast.type));
  return atom(kernels::cast_sql(child.type, cast.type, cast.mode, lower(child), zone()));
}

std::string ExpressionLowering::lower_call(const plan::Call& call) {
  const auto& entry = entry_of(call.function, call.name);
  if (entry.name() == "and" || entry.name() == "or") {
    std::vector<const Expression*> operands;
    flatten(call, call.function, operands);
    std::string out = "(";
    for (size_t i = 0; i < operands.size(); ++i) {
      if (i) out += entry.name() == "and" ? " AND " : " OR ";
      out += lower(*operands[i]);
    }
    return out + ")";
  }
  auto text = plan::lowering_of(entry, call.mode, call.children.size());
  // Calls that only make sense in an Aggregate.
  if (text.empty() && entry.name() == "grouping") text = "@grouping";
  if (text.empty() && entry.name() == "grouping_id") text = "@grouping_id";
  if (text.empty()) throw not_built("the function " + call.name);
  if (text[0] == '@') {
    auto special = find_special(text.substr(1));
    if (!special) throw not_built("the function " + call.name);
    return atom(special(*this, call));
  }
  return atom(expand(text, lower_all(call.children), call));
}

std::string ExpressionLowering::lower_aggregate(const plan::AggregateCall& call, const std::string& over) {
  const auto& entry = entry_of(call.function, call.name);
  auto text = plan::lowering_of(entry, call.mode, call.children.size());
  if (text.empty()) throw not_built("the aggregate function " + call.name);
  CallClauses clauses;
  if (call.distinct) clauses.first = "DISTINCT ";
  if (!call.order.empty()) {
    clauses.last = " ORDER BY ";
    for (size_t i = 0; i < call.order.size(); ++i) clauses.last += (i ? ", " : "") + sort_order(*call.order[i]);
  }
  std::string condition = call.filter ? lower(*call.filter) : "";
  if (call.ignore_nulls) {
    // DuckDB knows IGNORE NULLS for window functions only.
    if (!over.empty()) clauses.last += " IGNORE NULLS";
    else condition = lower(*call.children.at(0)) + " IS NOT NULL" + (condition.empty() ? "" : " AND " + condition);
  }
  if (!condition.empty()) clauses.after = " FILTER (WHERE " + condition + ")";
  clauses.after += over;
  if (text[0] == '@') {
    auto special = find_special(text.substr(1));
    if (!special) throw not_built("the aggregate function " + call.name);
    std::string sql = special(*this, call);
    return atom(decorate_calls(sql, context_.database.aggregate_names(), clauses.first, clauses.last, clauses.after));
  }
  return atom(expand_marked(text, lower_all(call.children), call, context_.database.aggregate_names(), clauses));
}

std::string ExpressionLowering::frame(const plan::WindowExpr& window) {
  const auto* order = window.order_by.empty() ? nullptr : window.order_by[0].get();
  auto bound = [&](const plan::FrameBound& b) -> std::string {
    using Kind = plan::FrameBound::Kind;
    if (b.kind == Kind::kUnbounded) return b.following ? "UNBOUNDED FOLLOWING" : "UNBOUNDED PRECEDING";
    if (b.kind == Kind::kCurrentRow) return "CURRENT ROW";
    std::string offset = lower(*b.offset);
    if (!window.rows && order) {
      // DuckDB moves dates and timestamps by its own intervals.
      TypeId key = order->children[0]->type.id();
      if (key == TypeId::kDate || key == TypeId::kTimestamp || key == TypeId::kTimestampNtz) {
        switch (b.offset->type.id()) {
          case TypeId::kDayTimeInterval: offset = "to_microseconds(" + offset + ")"; break;
          case TypeId::kYearMonthInterval: offset = "to_months(" + offset + ")"; break;
          case TypeId::kCalendarInterval: break;
          default: offset = "to_days(CAST(" + offset + " AS INTEGER))"; break;
        }
      }
    }
    return offset + (b.following ? " FOLLOWING" : " PRECEDING");
  };
  return std::string(window.rows ? "ROWS" : "RANGE") + " BETWEEN " + bound(window.lower) + " AND " + bound(window.upper);
}

std::string ExpressionLowering::lower_window(const plan::WindowExpr& window) {
  const Expression& function = *window.children[0];
  std::string over = " OVER (";
  std::string separator;
  if (!window.partition_by.empty()) {
    over += "PARTITION BY ";
    for (size_t i = 0; i < window.partition_by.size(); ++i) over += (i ? ", " : "") + comparison_key(*window.partition_by[i]);
    separator = " ";
  }
  if (!window.order_by.empty()) {
    over += separator + "ORDER BY ";
    for (size_t i = 0; i < window.order_by.size(); ++i) over += (i ? ", " : "") + sort_order(*window.order_by[i]);
    separator = " ";
  }
  if (auto* aggregate = plan::try_as<plan::AggregateCall>(function)) {
    over += separator + frame(window) + ")";
    return lower_aggregate(*aggregate, over);
  }
  auto* call = plan::try_as<plan::Call>(function);
  if (!call) throw internal_error("a window over something else than a function");
  const auto& entry = entry_of(call->function, call->name);
  if (!frameless(entry.name())) over += separator + frame(window);
  over += ")";
  auto text = plan::lowering_of(entry, call->mode, call->children.size());
  std::vector<plan::ExprPtr> arguments = call->children;
  // lag(x, n, default, ignore nulls) and nth_value(x, n, ignore nulls): the last argument is a flag of the syntax.
  bool ignore_nulls = window.ignore_nulls;
  if (!arguments.empty()) {
    auto* flag = plan::try_as<plan::Literal>(arguments.back());
    if (flag && flag->type.id() == TypeId::kBoolean && arguments.size() > 1 &&
        (entry.name() == "lag" || entry.name() == "lead" || entry.name() == "nth_value")) {
      ignore_nulls = !flag->value.is_null() && flag->value.get<bool>();
      arguments.pop_back();
    }
  }
  if (text.empty()) throw not_built("the window function " + call->name);
  CallClauses clauses{"", ignore_nulls ? " IGNORE NULLS" : "", over};
  if (text[0] == '@') {
    auto special = find_special(text.substr(1));
    if (!special) throw not_built("the window function " + call->name);
    return atom(decorate_calls(special(*this, *call), window_names(), clauses.first, clauses.last, clauses.after));
  }
  return atom(expand_marked(text, lower_all(arguments), *call, window_names(), clauses));
}

std::string ExpressionLowering::comparison_key(const Expression& e) { return collation_key_sql(lower(e), e.type); }

std::string collation_key_sql(const std::string& sql, const plan::DataType& type) {
  if (!plan::has_collation(type)) return sql;
  const std::string variable = "k" + std::to_string(plan::next_expr_id());
  switch (type.id()) {
    case TypeId::kString: return "spark_collation_key(" + sql + ", " + duckdb_string(type.collation()) + ")";
    case TypeId::kArray: return "list_transform(" + sql + ", lambda " + variable + ": " + collation_key_sql(variable, type.element()) + ")";
    case TypeId::kStruct: {
      // Null stays null: a struct of nulls is another value.
      std::string parts;
      for (size_t i = 0; i < type.fields().size(); ++i)
        parts += (i ? ", " : "") + ("k" + std::to_string(i)) + " := " + collation_key_sql("struct_extract_at(" + sql + ", " + std::to_string(i + 1) + ")", type.fields()[i].type());
      return "(CASE WHEN " + sql + " IS NOT NULL THEN struct_pack(" + parts + ") END)";
    }
    default:  // a map: its entries
      return "list_transform(map_entries(" + sql + "), lambda " + variable + ": struct_pack(k := " + collation_key_sql(variable + ".key", type.key()) +
             ", v := " + collation_key_sql(variable + ".value", type.value()) + "))";
  }
}

std::string ExpressionLowering::sort_order(const Expression& e) {
  if (e.kind != ExprKind::kSortOrder) return comparison_key(e) + " ASC NULLS FIRST";
  const auto& order = plan::as<plan::SortOrder>(e);
  return comparison_key(*order.children[0]) + (order.ascending ? " ASC" : " DESC") + (order.nulls_first ? " NULLS FIRST" : " NULLS LAST");
}

std::string ExpressionLowering::lower_subquery(const plan::SubqueryExpr& subquery) {
  using Form = plan::SubqueryExpr::Form;
  std::string inner = subquery_(subquery.plan);
  switch (subquery.form) {
    case Form::kScalar: return "(" + inner + ")";
    case Form::kExists: return "EXISTS (" + inner + ")";
    case Form::kIn: break;
  }
  const auto& values = subquery.children;
  if (values.size() == 1) {
    const auto& type = values[0]->type;
    if (plan::has_collation(type))
      inner = "SELECT " + collation_key_sql(column_name(subquery.plan->output[0].id), type) + " FROM (" + inner + ") AS q";
    return "(" + comparison_key(*values[0]) + " IN (" + inner + "))";
  }
  // Several columns with SQL's three-valued logic: DuckDB would compare rows with nulls as equal.
  std::string equal, maybe;
  for (size_t i = 0; i < values.size(); ++i) {
    std::string value = comparison_key(*values[i]), column = collation_key_sql(column_name(subquery.plan->output[i].id), values[i]->type);
    equal += (i ? " AND " : "") + value + " = " + column;
    maybe += (i ? " AND " : "") + ("(" + value + " = " + column + " OR " + value + " IS NULL OR " + column + " IS NULL)");
  }
  auto exists = [&](const std::string& condition) { return "EXISTS (SELECT 1 FROM (" + inner + ") AS q WHERE " + condition + ")"; };
  return "(CASE WHEN " + exists(equal) + " THEN true WHEN " + exists(maybe) + " THEN NULL ELSE false END)";
}

}  // namespace tarn::engine::lowering
