#pragma once
// Expressions as DuckDB SQL; the table of special lowerings (templates that start with '@').
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "plan/expression.h"

namespace tarn::engine::lowering {

struct Context;

// What an attribute is called here; nothing: c<id> (a column of FROM, or of a query around this one).
using Scope = std::unordered_map<plan::ExprId, std::string>;
// A plan inside an expression, as a SELECT without parentheses.
using SubqueryLowering = std::function<std::string(const plan::PlanPtr&)>;

// Clauses put into the call that a template marks with #…#; without marks into the calls of functions in `names`.
struct CallClauses {
  std::string first, last;   // inside the parentheses, before and after the arguments
  std::string after;         // behind them
};

class ExpressionLowering {
 public:
  // handles: receives what must live until the text has run; without it Python functions are refused.
  ExpressionLowering(const Context& context, const Scope& scope, SubqueryLowering subquery, std::vector<std::shared_ptr<const void>>* handles = nullptr)
      : context_(context), scope_(scope), subquery_(std::move(subquery)), handles_(handles) {}

  // Text that can stand as an operand anywhere (parenthesised where needed).
  std::string lower(const plan::Expression& e);
  std::string lower(const plan::ExprPtr& e) { return lower(*e); }
  std::vector<std::string> lower_all(const std::vector<plan::ExprPtr>& list);
  // "c7 DESC NULLS LAST"
  std::string sort_order(const plan::Expression& order);
  // The text that groups, joins and sorts as the value does under its collation.
  std::string comparison_key(const plan::Expression& e);

  // The body of a lambda with these texts for its parameters.
  std::string lambda_body(const plan::Expression& lambda, const std::vector<std::string>& parameters);
  // A name for a parameter of a DuckDB lambda, unique in the query.
  std::string fresh_variable() { return "z" + std::to_string(plan::next_expr_id()); }
  // A template of plan/function.h for this call with these (lowered) arguments. call gives types and mode.
  std::string expand(std::string_view text, const std::vector<std::string>& args, const plan::Expression& call);
  const Context& context() const { return context_; }
  std::string zone() const;  // the session's, as a SQL string

 private:
  std::string lower_call(const plan::Call& call);
  std::string lower_aggregate(const plan::AggregateCall& call, const std::string& over);
  std::string expand_marked(std::string_view text, const std::vector<std::string>& args, const plan::Expression& call,
                            const std::unordered_set<std::string>& names, const CallClauses& clauses);
  std::string lower_window(const plan::WindowExpr& window);
  std::string lower_subquery(const plan::SubqueryExpr& subquery);
  std::string lower_cast(const plan::Cast& cast);
  std::string lower_python(const plan::UserFunction& function);  // python.cc
  std::string frame(const plan::WindowExpr& window);

  const Context& context_;
  const Scope& scope_;
  SubqueryLowering subquery_;
  std::vector<std::shared_ptr<const void>>* handles_;
  std::unordered_map<plan::ExprId, std::string> variables_;  // lambda variables that are not DuckDB lambda parameters
};

// A lowering in C++ for what a template cannot say. Entries stand in special_*.cc.
using SpecialLowering = std::string (*)(ExpressionLowering& lowering, const plan::Expression& call);
struct SpecialEntry {
  std::string_view name;  // without '@'
  SpecialLowering lower;
};
// nullptr if there is none.
SpecialLowering find_special(std::string_view name);

// The text that groups, joins and sorts as `sql`, a value of this type, does under the collations in the type.
std::string collation_key_sql(const std::string& sql, const plan::DataType& type);
// A literal as DuckDB SQL, with its type.
std::string literal_sql(const plan::Value& value, const plan::DataType& type);
// Parentheses unless the text is one name, number, call or parenthesis already.
std::string atom(std::string text);
// In every call of a function in `names` within the text: inside_first before its arguments, inside_last after them, after behind
// the closing parenthesis.
std::string decorate_calls(const std::string& text, const std::unordered_set<std::string>& names, const std::string& inside_first,
                           const std::string& inside_last, const std::string& after);
// The deepest nesting of the expression as DuckDB will see it (templates that repeat an argument count more).
int sql_depth(const plan::Expression& e);
// Whether an aggregate function stands in it (not under a window).
bool has_aggregate(const plan::Expression& e);

}  // namespace tarn::engine::lowering
