// GROUP BY and window functions as SELECT blocks.
#include <algorithm>

#include "base/spark_error.h"
#include "engine/lowering/plan_lowering.h"
#include "plan/collation.h"
#include "plan/function.h"

namespace tarn::engine::lowering {

using plan::ExprPtr;

namespace {

constexpr int kMaxExpressionDepth = 32;

bool collated(const plan::DataType& t) { return plan::has_collation(t); }

// Outside aggregate functions, subtrees that equal a grouping become its column.
ExprPtr replace_groupings(const ExprPtr& e, const std::vector<ExprPtr>& groupings, const std::vector<ExprPtr>& refs) {
  if (e->kind == plan::ExprKind::kAggregate) return e;
  if (e->kind != plan::ExprKind::kAlias) {
    for (size_t i = 0; i < groupings.size(); ++i) {
      if (plan::semantic_equals(*e, *groupings[i])) return refs[i];
    }
  }
  std::vector<ExprPtr> children;
  bool changed = false;
  for (const auto& c : e->children) {
    children.push_back(replace_groupings(c, groupings, refs));
    changed |= children.back() != c;
  }
  auto* call = plan::try_as<plan::Call>(*e);
  if (call && call->function && call->function->name() == "grouping_id" && children.empty()) {
    children = refs;
    changed = true;
  }
  return changed ? plan::with_children(e, std::move(children)) : e;
}

ExprPtr map_aggregates(const ExprPtr& e, const std::function<ExprPtr(const ExprPtr&)>& f) {
  if (e->kind == plan::ExprKind::kAggregate) return f(e);
  std::vector<ExprPtr> children;
  bool changed = false;
  for (const auto& c : e->children) {
    children.push_back(map_aggregates(c, f));
    changed |= children.back() != c;
  }
  return changed ? plan::with_children(e, std::move(children)) : e;
}

}  // namespace

Block PlanLowering::aggregate(const plan::Aggregate& a) {
  Block child = lower(a.children[0]);
  if (!child.order_by.empty()) child = wrapped(std::move(child));

  // Groupings that are no plain columns, and arguments that are too deep, are computed in a SELECT below.
  std::vector<ExprPtr> before;
  std::vector<ExprPtr> refs;   // the column of each grouping
  std::vector<std::string> keys;
  Scope over_groups;           // outside of aggregate functions
  for (const auto& g : a.groupings) {
    ExprPtr value = g;
    while (value->kind == plan::ExprKind::kAlias) value = value->children[0];
    if (value->kind != plan::ExprKind::kAttribute || plan::as<plan::AttributeRef>(*value).outer) {
      before.push_back(plan::make_alias(value, "g", true, plan::next_expr_id()));
      value = plan::make_ref(plan::to_attribute(*before.back()));
    }
    refs.push_back(value);
  }
  std::vector<ExprPtr> list = a.aggregates;
  std::vector<ExprPtr> bare;
  for (const auto& g : a.groupings) {
    ExprPtr value = g;
    while (value->kind == plan::ExprKind::kAlias) value = value->children[0];
    bare.push_back(value);
  }
  for (auto& e : list) {
    e = replace_groupings(e, bare, refs);
    e = map_aggregates(e, [&](const ExprPtr& call) {
      std::vector<ExprPtr> arguments;
      bool changed = false;
      for (const auto& argument : call->children) {
        if (sql_depth(*argument) > kMaxExpressionDepth && argument->kind != plan::ExprKind::kLambda) {
          before.push_back(plan::make_alias(argument, "x", true, plan::next_expr_id()));
          arguments.push_back(plan::make_ref(plan::to_attribute(*before.back())));
          changed = true;
        } else {
          arguments.push_back(argument);
        }
      }
      return changed ? plan::with_children(call, std::move(arguments)) : call;
    });
  }
  if (!before.empty()) child = extended(std::move(child), before);

  // What is computed from results of aggregates and is too deep for one SELECT.
  std::vector<ExprPtr> after;
  if (std::any_of(list.begin(), list.end(), [](const ExprPtr& e) { return sql_depth(*e) > kMaxExpressionDepth; })) {
    std::vector<ExprPtr> calls;
    for (auto& e : list) {
      after.push_back(map_aggregates(e, [&](const ExprPtr& call) {
        calls.push_back(plan::make_alias(call, "a", true, plan::next_expr_id()));
        return plan::make_ref(plan::to_attribute(*calls.back()));
      }));
    }
    for (const auto& r : refs) calls.push_back(r);
    list = std::move(calls);
  }

  std::vector<ExprPtr> needed = list;
  needed.insert(needed.end(), refs.begin(), refs.end());
  make_inlinable(child, needed);
  // A constant key would be a position; an aggregate function over nothing but outer columns would be one of the query around.
  if ((!refs.empty() && has_constant_column(child)) ||
      std::any_of(child.columns.begin(), child.columns.end(), [](const Column& c) { return c.correlated; }))
    child = wrapped(std::move(child));
  Scope scope = scope_of(child);
  auto inside = expressions(scope);
  std::vector<Column> columns;
  for (const auto& r : refs) {
    std::string text = inside.comparison_key(*r);
    // A bare number would be the position of a column.
    if (std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) text = "(" + text + " + 0)";
    keys.push_back(text);
  }
  bool any_collated = std::any_of(refs.begin(), refs.end(), [](const ExprPtr& r) { return collated(r->type); });
  for (const auto& e : list) {
    Column c;
    const plan::Expression* inner = e.get();
    if (auto* alias = plan::try_as<plan::Alias>(*e)) {
      c.id = alias->id;
      inner = alias->children[0].get();
    } else {
      c.id = plan::as<plan::AttributeRef>(*e).id;
    }
    c.sql = inside.lower(*inner);
    if (any_collated && inner->kind == plan::ExprKind::kAttribute && collated(inner->type)) c.sql = "any_value(" + c.sql + ")";
    c.depth = 1;
    columns.push_back(std::move(c));
  }
  child.columns = std::move(columns);
  auto join = [&](const std::vector<int>& set) {
    std::string out;
    for (int i : set) out += (out.empty() ? "" : ", ") + keys[static_cast<size_t>(i)];
    return out;
  };
  if (a.grouping_sets) {
    std::string sets;
    for (const auto& set : *a.grouping_sets) sets += (sets.empty() ? "(" : ", (") + join(set) + ")";
    child.group_by = "GROUP BY GROUPING SETS (" + sets + ")";
  } else if (!keys.empty()) {
    std::vector<int> all(keys.size());
    for (size_t i = 0; i < keys.size(); ++i) all[i] = static_cast<int>(i);
    child.group_by = "GROUP BY " + join(all);
  } else if (std::none_of(list.begin(), list.end(), [](const ExprPtr& e) { return has_aggregate(*e); })) {
    child.group_by = "GROUP BY ()";
  }
  child.open = false;
  child.rigid = true;
  if (after.empty()) return child;
  return project_over(std::move(child), after);
}

Block PlanLowering::window(const plan::Window& w) {
  Block b = lower(w.children[0]);
  make_inlinable(b, w.expressions);
  if (!b.order_by.empty()) b = wrapped(std::move(b));
  Scope scope = scope_of(b);
  auto lowering = expressions(scope);
  std::vector<Column> added;
  for (const auto& e : w.expressions) added.push_back({plan::to_attribute(*e).id, lowering.lower(*e), 1});
  b.columns.insert(b.columns.end(), added.begin(), added.end());
  b.open = false;
  return b;
}

}  // namespace tarn::engine::lowering
