#pragma once
// Plans as SELECT blocks. Internal to lowering/.
//
// Invariant: a Block is one SELECT under construction. Its columns are texts over the columns of its FROM; while it is `open`
// (no grouping, window, DISTINCT or LIMIT yet) a filter, a projection or a join above it goes into the same SELECT.
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/lowering/expression_lowering.h"
#include "engine/lowering/lowering.h"

namespace tarn::engine::lowering {

struct Column {
  plan::ExprId id = 0;
  std::string sql;
  int depth = 0;            // 0: a plain column or a constant
  bool repeatable = true;   // may be computed twice or elsewhere (deterministic)
  bool correlated = false;  // reads a column of the query around
};

// Whether a source already calls the column by its name.
inline bool is_plain(const Column& c) { return c.sql == column_name(c.id); }

struct Block {
  std::string from;                 // empty: one row
  std::vector<std::string> where;
  std::vector<Column> columns;
  std::string group_by;             // with the keyword
  std::string order_by;             // without
  std::string limit;                // with the keywords
  bool distinct = false;
  std::string distinct_on;
  bool open = true;
  bool rigid = false;               // its columns decide how many rows there are (aggregates, UNNEST): none may be dropped or moved
  int nesting = 0;                  // SELECTs below this one
  bool from_is_join = false;        // needs parentheses as an operand of a join
};

class PlanLowering {
 public:
  // in_turn: the order in which rows are read decides what the query gives.
  PlanLowering(const Context& context, bool in_turn) : context_(context), in_turn_(in_turn) {}
  // The whole query with its WITH list; columns as in plan.output.
  std::string query(const plan::PlanPtr& plan);
  std::vector<std::shared_ptr<const void>> take_handles() { return std::move(handles_); }

 private:
  friend class GeneratorLowering;
  Block lower(const plan::PlanPtr& plan);
  Block lower_node(const plan::PlanPtr& plan);
  Block project(const plan::Project& p);
  Block project_over(Block child, const std::vector<plan::ExprPtr>& expressions);
  // All columns of the child and these aliases, in a SELECT of their own.
  Block extended(Block child, const std::vector<plan::ExprPtr>& aliases);
  Block filter(const plan::Filter& f);
  Block join(const plan::Join& j);
  Block aggregate(const plan::Aggregate& a);
  Block window(const plan::Window& w);
  Block sort(const plan::Sort& s);
  Block limit(const plan::Limit& l);
  Block tail(const plan::Tail& t);
  Block set_operation(const plan::SetOperation& s);
  std::string collated_set_operation(const plan::SetOperation& s, const std::string& left, const std::string& right);
  Block values(const plan::Values& v);
  Block generate(const plan::Generate& g);
  Block sample(const plan::Sample& s);
  Block cte_scope(const plan::CteScope& s);
  Block cte_ref(const plan::CteRef& r);
  Block recursive_cte(const plan::RecursiveCte& r);
  Block python_eval(const plan::PythonEval& e);
  Block python_map(const plan::PythonMap& m);
  Block script(const plan::Script& s);
  // A query that stands by itself (the WITH lists around it included); columns as in plan.output.
  std::string detached(const plan::PlanPtr& plan);

  // ---- blocks
  static Scope scope_of(const Block& block);
  // The SELECT statement of a block; names: other output names than c<id>.
  std::string select(const Block& block) const;
  static void make_names_unique(Block& block);
  // "(c7, c8)" for a table alias; nothing without columns.
  static std::string column_list(const std::vector<plan::Attribute>& output);
  // The block as a FROM of its own: afterwards it is open and every column is plain.
  Block wrapped(Block block);
  // A table expression for a FROM clause.
  std::string as_source(Block& block);
  // A block that reads `from`, whose columns are called after `output`.
  static Block source(std::string from, const std::vector<plan::Attribute>& output);
  ExpressionLowering expressions(const Scope& scope);
  std::string subquery(const plan::PlanPtr& plan);
  // Whether these expressions can be written over the block's column texts instead of over a SELECT of their own.
  bool can_inline(const Block& block, const std::vector<plan::ExprPtr>& expressions) const;
  // Whether some column is a constant: in GROUP BY, ORDER BY and DISTINCT ON an integer would be a position.
  static bool has_constant_column(const Block& block);
  void make_inlinable(Block& block, const std::vector<plan::ExprPtr>& expressions);
  std::string fresh_alias() { return "t" + std::to_string(++aliases_); }
  std::string with_clause() const;

  const Context& context_;
  const bool in_turn_;
  struct With { std::string text; bool recursive = false; };
  std::vector<std::vector<With>> with_{1};                    // one list per query being written
  std::unordered_map<int64_t, std::string> cte_names_;
  std::unordered_map<int64_t, int> cte_uses_;
  std::unordered_map<int64_t, std::unordered_map<plan::ExprId, plan::ExprId>> recursive_columns_;  // anchor's column -> the CTE's
  bool hoist_ = true;                                         // deep blocks may move to the WITH list
  std::vector<std::shared_ptr<const void>> handles_;
  int aliases_ = 0;
  int depth_ = 0;
};

// Ids of attributes that the expression (not its subquery plans) refers to, with how often.
void count_references(const plan::Expression& e, std::unordered_map<plan::ExprId, int>& counts);
// Ids that the plans of subqueries in it take from outside.
void outer_references(const plan::Expression& e, std::unordered_set<plan::ExprId>& ids);
void outer_references(const plan::LogicalPlan& plan, std::unordered_set<plan::ExprId>& ids);

}  // namespace tarn::engine::lowering
