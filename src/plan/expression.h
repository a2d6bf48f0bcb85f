#pragma once
// Typed expressions: what the analyzer makes of spark.connect.Expression and the engine lowers. Immutable, shared.
// Invariant: every node has its Spark type and nullability; every implicit cast is an explicit Cast node; every column is an
// AttributeRef to the unique id of an attribute (names play no role after analysis).
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/spark_error.h"
#include "plan/types.h"
#include "plan/value.h"

namespace tarn::plan {

struct FunctionEntry;
struct LogicalPlan;
struct Expression;
using ExprPtr = std::shared_ptr<const Expression>;
using PlanPtr = std::shared_ptr<const LogicalPlan>;

// Unique in the process; in DuckDB SQL the column of id 7 is called c7. 0 = none.
using ExprId = int64_t;
ExprId next_expr_id();

// Overflow, invalid casts and the like: kAnsi raises, kLegacy wraps or gives null as Spark did before ANSI, kTry gives null.
enum class EvalMode : uint8_t { kAnsi, kLegacy, kTry };

// A column of a plan's output.
struct Attribute {
  ExprId id = 0;
  std::string name;
  DataType type;
  bool nullable = true;
  std::string metadata;                 // JSON object text, empty = {}
  std::vector<std::string> qualifier;   // e.g. {spark_catalog, default, t} or {alias}
  ExprId duplicate_of = 0;              // a second copy of a column in one list: names mean the first
  bool qualified_only = false;          // hidden attributes: found by a qualified name only (key of a USING join)
};

enum class ExprKind : uint8_t {
  kLiteral, kAttribute, kAlias, kCall, kCast, kAggregate, kWindow, kSortOrder, kLambda, kLambdaVariable, kSubquery, kUserFunction,
};

struct Expression {
  ExprKind kind;
  DataType type;
  bool nullable = true;
  std::vector<ExprPtr> children;
  std::shared_ptr<const QueryContext> context;  // where it stands in the user's text, may be null
  std::string text;                             // of what replaces a call (nullif -> if): the call as pretty_sql prints it, else empty

  explicit Expression(ExprKind k) : kind(k) {}
  virtual ~Expression() = default;
  // Checked by the caller through kind: as<Call>(*e).
};
template <class T> const T& as(const Expression& e) { return static_cast<const T&>(e); }
template <class T> const T* try_as(const Expression& e) { return e.kind == T::kKind ? static_cast<const T*>(&e) : nullptr; }
template <class T> const T* try_as(const ExprPtr& e) { return e ? try_as<T>(*e) : nullptr; }

struct Literal : Expression {
  static constexpr ExprKind kKind = ExprKind::kLiteral;
  Value value;
  Literal() : Expression(kKind) {}
};

struct AttributeRef : Expression {
  static constexpr ExprKind kKind = ExprKind::kAttribute;
  ExprId id = 0;
  std::string name;                    // for messages and generated names
  std::vector<std::string> qualifier;
  std::string metadata;
  ExprId duplicate_of = 0;             // as Attribute::duplicate_of
  bool outer = false;                  // a correlated reference to the plan around this subquery
  AttributeRef() : Expression(kKind) {}
};

// children[0] under a new name and id.
struct Alias : Expression {
  static constexpr ExprKind kKind = ExprKind::kAlias;
  ExprId id = 0;
  std::string name;
  std::string metadata;                // explicit metadata, else that of the child
  bool generated = false;              // the name came from the expression's text, not from the user
  Alias() : Expression(kKind) {}
};

// A scalar function, operator, higher-order function or generator (a generator stands only in Generate).
struct Call : Expression {
  static constexpr ExprKind kKind = ExprKind::kCall;
  const FunctionEntry* function = nullptr;
  std::string name;                    // as Spark prints it in generated names: "upper", "+"
  EvalMode mode = EvalMode::kAnsi;
  Call() : Expression(kKind) {}
};

struct Cast : Expression {
  static constexpr ExprKind kKind = ExprKind::kCast;
  EvalMode mode = EvalMode::kAnsi;
  bool user_specified = false;         // CAST in the query text; implicit casts are left out of generated names
  Cast() : Expression(kKind) {}
};

struct SortOrder : Expression {
  static constexpr ExprKind kKind = ExprKind::kSortOrder;
  bool ascending = true;
  bool nulls_first = true;
  SortOrder() : Expression(kKind) {}
};

// An aggregate function. In a plan it stands only in Aggregate.aggregates, CollectMetrics and under Window.
struct AggregateCall : Expression {
  static constexpr ExprKind kKind = ExprKind::kAggregate;
  const FunctionEntry* function = nullptr;
  std::string name;
  EvalMode mode = EvalMode::kAnsi;
  bool distinct = false;
  bool ignore_nulls = false;           // first/last/any_value/nth_value/lead/lag … IGNORE NULLS
  ExprPtr filter;                      // FILTER (WHERE …), may be null
  std::vector<ExprPtr> order;          // WITHIN GROUP (ORDER BY …): SortOrder nodes
  AggregateCall() : Expression(kKind) {}
};

struct FrameBound {
  enum class Kind : uint8_t { kUnbounded, kCurrentRow, kOffset } kind = Kind::kUnbounded;
  bool following = false;
  ExprPtr offset;                      // of kOffset: non-negative, cast to the type of the order expression for RANGE
};

// children[0] is an AggregateCall or a Call of a window function (row_number, lag …).
struct WindowExpr : Expression {
  static constexpr ExprKind kKind = ExprKind::kWindow;
  std::vector<ExprPtr> partition_by;
  std::vector<ExprPtr> order_by;       // SortOrder nodes
  bool rows = false;                   // ROWS, else RANGE; always explicit after analysis
  bool ignore_nulls = false;           // lead, lag, nth_value … IGNORE NULLS (an AggregateCall has its own)
  FrameBound lower, upper;
  WindowExpr() : Expression(kKind) {}
};

struct LambdaVariable : Expression {
  static constexpr ExprKind kKind = ExprKind::kLambdaVariable;
  ExprId id = 0;
  std::string name;
  LambdaVariable() : Expression(kKind) {}
};

// children[0] is the body.
struct Lambda : Expression {
  static constexpr ExprKind kKind = ExprKind::kLambda;
  std::vector<std::shared_ptr<const LambdaVariable>> parameters;
  Lambda() : Expression(kKind) {}
};

// children: for kIn the compared values (one per output column of the plan).
struct SubqueryExpr : Expression {
  static constexpr ExprKind kKind = ExprKind::kSubquery;
  enum class Form : uint8_t { kScalar, kExists, kIn } form = Form::kScalar;
  PlanPtr plan;                        // its outer references are AttributeRef with outer = true
  SubqueryExpr() : Expression(kKind) {}
};

// A Python function: the engine hands it to python/. Kind of evaluation in PySpark's numbering (100 = batched pickled, 200 = pandas …).
struct UserFunction : Expression {
  static constexpr ExprKind kKind = ExprKind::kUserFunction;
  std::string name;
  std::string command;                 // cloudpickled (function, return type)
  std::string python_version;
  int eval_type = 0;
  bool deterministic = true;
  std::vector<std::string> argument_names;  // empty, or one per child; "" = positional
  UserFunction() : Expression(kKind) {}
};

// ---- builders and questions (expression.cc)
ExprPtr make_literal(DataType type, Value value);
ExprPtr make_null(DataType type);
ExprPtr make_string(std::string text);
ExprPtr make_int(int32_t v);
ExprPtr make_long(int64_t v);
ExprPtr make_bool(bool v);
ExprPtr make_ref(const Attribute& a, bool outer = false);
ExprPtr make_alias(ExprPtr child, std::string name, bool generated = false, ExprId id = 0);
// child itself when the types are the same.
ExprPtr make_cast(ExprPtr child, DataType to, EvalMode mode, bool user_specified = false);
Attribute to_attribute(const Expression& named);   // of an Alias or AttributeRef
// The same node with other children.
ExprPtr with_children(const ExprPtr& e, std::vector<ExprPtr> children);
// Bottom-up rewrite of the tree (children, filters, window parts; not into subquery plans); f returns null to keep a node.
template <class F> ExprPtr transform(const ExprPtr& e, F&& f);
ExprPtr transform_impl(const ExprPtr& e, ExprPtr (*f)(void*, const ExprPtr&), void* state);
template <class F> ExprPtr transform(const ExprPtr& e, F&& f) {
  return transform_impl(e, [](void* s, const ExprPtr& x) -> ExprPtr { return (*static_cast<std::remove_reference_t<F>*>(s))(x); }, &f);
}
// The same node with f applied to each direct part (children, filter, order, window parts).
ExprPtr map_children(const ExprPtr& e, const std::function<ExprPtr(const ExprPtr&)>& f);
void visit_children(const Expression& e, const std::function<void(const ExprPtr&)>& f);
// Whether some node of the tree satisfies p (subquery plans are not entered).
bool any_of(const Expression& e, const std::function<bool(const Expression&)>& p);
bool is_foldable(const Expression& e);       // built of literals and deterministic functions only
bool is_deterministic(const Expression& e);
bool semantic_equals(const Expression& a, const Expression& b);  // same computation, names of aliases ignored
// Spark's toPrettySQL: the name of an unaliased column ("(a + 1)", "CAST(a AS INT)", "sum(DISTINCT x)").
std::string pretty_sql(const Expression& e);
// Spark's Expression.sql, as error messages quote it (implicit casts shown, attributes quoted by name parts).
std::string expression_sql(const Expression& e);

}  // namespace tarn::plan
