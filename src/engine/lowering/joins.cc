// Joins, and what DuckDB's joins do not take: subqueries and outer columns in the conditions of outer joins.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "engine/error_map.h"
#include "engine/lowering/plan_lowering.h"

namespace tarn::engine::lowering {

using plan::ExprPtr;

namespace {

// Takes the subqueries that need nothing of the other side out of a join condition: DuckDB joins on subqueries only in inner joins.
ExprPtr take_subqueries(const ExprPtr& e, const std::vector<plan::Attribute>& other, std::vector<ExprPtr>& taken) {
  return plan::transform(e, [&](const ExprPtr& x) -> ExprPtr {
    if (x->kind != plan::ExprKind::kSubquery) return nullptr;
    std::unordered_map<plan::ExprId, int> used;
    count_references(*x, used);
    std::unordered_set<plan::ExprId> outer;
    outer_references(*x, outer);
    auto uses = [&](const std::vector<plan::Attribute>& list) {
      return std::any_of(list.begin(), list.end(), [&](const plan::Attribute& a) { return used.contains(a.id) || outer.contains(a.id); });
    };
    if (uses(other)) return nullptr;
    taken.push_back(plan::make_alias(x, "subquery", true, plan::next_expr_id()));
    return plan::make_ref(plan::to_attribute(*taken.back()));
  });
}

bool has_subquery(const plan::Expression& e) {
  return plan::any_of(e, [](const plan::Expression& x) { return x.kind == plan::ExprKind::kSubquery; });
}

}  // namespace

Block PlanLowering::join(const plan::Join& j) {
  using plan::JoinType;
  Block left = lower(j.children[0]);
  ExprPtr condition = j.condition;
  const bool one_sided = j.type == JoinType::kLeftSemi || j.type == JoinType::kLeftAnti;
  const bool inner = j.type == JoinType::kInner || j.type == JoinType::kCross;
  std::vector<ExprPtr> of_left, of_right;
  if (condition && !inner && has_subquery(*condition)) {
    condition = take_subqueries(condition, j.children[1]->output, of_left);
    condition = take_subqueries(condition, j.children[0]->output, of_right);
    if (has_subquery(*condition)) throw not_built("a subquery over both sides in the condition of an outer join");
  }
  if (condition && !inner) {
    // DuckDB takes no correlated columns in the condition of an outer join: they become columns of the left side.
    std::unordered_map<plan::ExprId, ExprPtr> lent;
    condition = plan::transform(condition, [&](const ExprPtr& x) -> ExprPtr {
      auto* a = plan::try_as<plan::AttributeRef>(*x);
      if (!a || !a->outer) return nullptr;
      auto& column = lent[a->id];
      if (!column) {
        of_left.push_back(plan::make_alias(x, a->name, true, plan::next_expr_id()));
        column = plan::make_ref(plan::to_attribute(*of_left.back()));
      }
      return column;
    });
  }
  bool correlated = false;
  if (one_sided) {
    std::unordered_set<plan::ExprId> outer;
    outer_references(j, outer);
    correlated = !outer.empty();
  }
  if (!of_left.empty()) left = extended(std::move(left), of_left);
  std::string left_source = as_source(left);
  if (left.from_is_join) left_source = left.from;  // joins are left-associative
  bool hoist = hoist_;
  if (j.lateral) hoist_ = false;
  Block right = lower(j.children[1]);
  if (!of_right.empty()) right = extended(std::move(right), of_right);
  // LATERAL takes a SELECT, not joined tables in parentheses.
  if (j.lateral && (right.from_is_join || !(right.open && right.where.empty() && !right.from.empty() && right.order_by.empty() &&
                                            std::all_of(right.columns.begin(), right.columns.end(), is_plain)))) {
    right = wrapped(std::move(right));
  }
  std::string right_source = as_source(right);
  hoist_ = hoist;

  Block b;
  b.nesting = std::max(left.nesting, right.nesting);
  b.columns = left.columns;
  if (!one_sided) b.columns.insert(b.columns.end(), right.columns.begin(), right.columns.end());
  b.from_is_join = true;
  Scope scope;
  for (const auto& c : left.columns) scope[c.id] = c.sql;
  for (const auto& c : right.columns) scope[c.id] = c.sql;
  if (one_sided && correlated) {
    // Inside a correlated subquery DuckDB can take a semi join apart only as EXISTS.
    std::string text = "SELECT 1 FROM " + right_source;
    if (condition) text += " WHERE " + expressions(scope).lower(condition);
    b.from = left_source;
    b.from_is_join = left.from_is_join;
    b.where.push_back((j.type == JoinType::kLeftAnti ? "NOT EXISTS (" : "EXISTS (") + text + ")");
    return b;
  }
  const char* keyword = "JOIN";
  switch (j.type) {
    case JoinType::kInner:
    case JoinType::kCross: break;
    case JoinType::kLeftOuter: keyword = "LEFT JOIN"; break;
    case JoinType::kRightOuter: keyword = "RIGHT JOIN"; break;
    case JoinType::kFullOuter: keyword = "FULL JOIN"; break;
    case JoinType::kLeftSemi: keyword = "SEMI JOIN"; break;
    case JoinType::kLeftAnti: keyword = "ANTI JOIN"; break;
  }
  std::string lateral = j.lateral ? "LATERAL " : "";
  if (j.lateral && right_source[0] != '(') {
    // A bare table or function is lateral by itself.
    lateral.clear();
  }
  std::string on;
  if (condition) on = expressions(scope).lower(condition);
  if (inner && on.empty()) {
    b.from = left_source + " CROSS JOIN " + lateral + right_source;
  } else {
    b.from = left_source + " " + keyword + " " + lateral + right_source + " ON " + (on.empty() ? "true" : on);
  }
  for (const auto* list : {&of_left, &of_right})
    for (const auto& e : *list) std::erase_if(b.columns, [&](const Column& c) { return c.id == plan::to_attribute(*e).id; });
  return b;
}

}  // namespace tarn::engine::lowering
