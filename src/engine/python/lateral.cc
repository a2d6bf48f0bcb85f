// Source for the simplest case: OptimizeOneRowRelationSubquery; for the others: Neumann and Kemper, Unnesting Arbitrary Queries (2015).
#include "engine/python/lateral.h"

#include <algorithm>
#include <set>

#include "base/spark_error.h"
#include "engine/python/extract.h"
#include "plan/function.h"
#include "plan/session_conf.h"
#include "python/eval_type.h"

namespace tarn::engine::python_functions {

using plan::Expression;
using plan::ExprKind;
using plan::ExprPtr;
using plan::PlanKind;
using plan::PlanPtr;
using plan::UserFunction;
namespace eval = python::eval_type;

namespace {

const UserFunction* table_function(const plan::LogicalPlan& p) {
  auto* g = plan::try_as<plan::Generate>(p);
  auto* f = g ? plan::try_as<UserFunction>(*g->generator) : nullptr;
  return f && eval::is_table(f->eval_type) ? f : nullptr;
}
bool refers_to_table_function(const plan::LogicalPlan& p) {
  auto* f = table_function(p);
  if (f && refers_outside(*f)) return true;
  return std::any_of(p.children.begin(), p.children.end(), [](const PlanPtr& c) { return refers_to_table_function(*c); });
}

// Rows of the right side beside the rows of the left side.
struct Rows {
  PlanPtr plan;          // columns of the left side, columns of the right side, maybe more
  // Where every row of the left side has to stay: which rows are results. The others stand for a row without any, their right columns
  // mean nothing. Null: all are results, and rows of the left side without any are gone.
  ExprPtr hit;
  bool exact = true;     // a row of the left side has either results or one row that is none
};

class Dependent {
 public:
  Dependent(const plan::Join& join, const plan::SessionConf& conf) : join_(join), conf_(conf) {}

  PlanPtr rows() {
    const bool outer = join_.type == plan::JoinType::kLeftOuter;
    const auto& right = join_.children[1];
    left_ = join_.children[0];
    for (const auto& a : left_->output) ids_.insert(a.id);
    if (outer || needs_numbers(*right)) {
      auto list = refs(left_->output);
      list.push_back(named(builtin("monotonically_increasing_id", {}), "row"));
      row_ = ref(list.back());
      left_ = plan::make_project(left_, std::move(list));
    }
    Rows out = over(right, outer);
    if (!outer) {
      if (join_.condition) out.plan = plan::make_filter(out.plan, join_.condition);
      return plan::make_project(out.plan, refs(join_.output));
    }
    if (join_.condition) {
      out = narrowed(std::move(out), join_.condition);
    }
    if (is_true(out.hit)) return plan::make_project(out.plan, refs(join_.output));
    if (!out.exact) {
      // Of a row without results one stays.
      auto rank = ranked(out.plan, {descending(out.hit)});
      out.plan = plan::make_filter(rank.first, builtin("or", {out.hit, builtin("=", {rank.second, plan::make_int(1)})}));
    }
    std::vector<ExprPtr> list;
    for (const auto& a : join_.output) {
      if (ids_.contains(a.id)) list.push_back(plan::make_ref(a));
      else list.push_back(plan::make_alias(builtin("if", {out.hit, plan::make_ref(a), plan::make_null(a.type)}), a.name, true, a.id));
    }
    return plan::make_project(out.plan, std::move(list));
  }

 private:
  [[noreturn]] static void refuse() { throw not_built("this shape of a LATERAL query over a Python table function"); }

  static bool needs_numbers(const plan::LogicalPlan& p) {
    switch (p.kind) {
      case PlanKind::kAggregate:
      case PlanKind::kLimit:
      case PlanKind::kDistinct:
      case PlanKind::kWindow: return true;
      default: return std::any_of(p.children.begin(), p.children.end(), [](const PlanPtr& c) { return needs_numbers(*c); });
    }
  }

  // ---- builders

  ExprPtr builtin(const char* name, std::vector<ExprPtr> arguments) const {
    return plan::resolve_call(*plan::find_function(name), std::move(arguments), plan::CallContext{conf_, plan::EvalMode::kAnsi, name});
  }
  static ExprPtr named(const ExprPtr& e, const char* name) { return plan::make_alias(e, name, true, plan::next_expr_id()); }
  static ExprPtr ref(const ExprPtr& alias) { return plan::make_ref(plan::to_attribute(*alias)); }
  static std::vector<ExprPtr> refs(const std::vector<plan::Attribute>& output) {
    std::vector<ExprPtr> list;
    for (const auto& a : output) list.push_back(plan::make_ref(a));
    return list;
  }
  static ExprPtr yes() { return plan::make_literal(plan::TypeId::kBoolean, plan::Value{true}); }
  static bool is_true(const ExprPtr& e) {
    auto* literal = e ? plan::try_as<plan::Literal>(*e) : nullptr;
    return literal && !literal->value.is_null() && literal->value.get<bool>();
  }
  static ExprPtr descending(const ExprPtr& e) {
    auto order = std::make_shared<plan::SortOrder>();
    order->children = {e};
    order->type = e->type;
    order->ascending = false;
    order->nulls_first = false;
    return order;
  }
  // Columns of the left side that the expression took from the query around are columns beside it now.
  ExprPtr own(const ExprPtr& e) const {
    return plan::transform(e, [&](const ExprPtr& x) -> ExprPtr {
      auto* r = plan::try_as<plan::AttributeRef>(*x);
      if (!r || !r->outer || !ids_.contains(r->id)) return nullptr;
      auto copy = std::make_shared<plan::AttributeRef>(*r);
      copy->outer = false;
      return copy;
    });
  }
  std::vector<ExprPtr> own(const std::vector<ExprPtr>& list) const {
    std::vector<ExprPtr> out;
    for (const auto& e : list) out.push_back(own(e));
    return out;
  }
  // Only results that meet the condition are results.
  Rows narrowed(Rows in, const ExprPtr& condition) const {
    auto met = builtin("coalesce", {condition, plan::make_literal(plan::TypeId::kBoolean, plan::Value{false})});
    if (!is_true(in.hit)) met = builtin("if", {in.hit, met, plan::make_literal(plan::TypeId::kBoolean, plan::Value{false})});
    auto hit = named(met, "hit");
    auto list = refs(in.plan->output);
    list.push_back(hit);
    return {plan::make_project(in.plan, std::move(list)), ref(hit), false};
  }
  // The plan with each row's place among those of its row of the left side.
  std::pair<PlanPtr, ExprPtr> ranked(const PlanPtr& p, std::vector<ExprPtr> orders) const {
    auto rank = std::make_shared<plan::WindowExpr>();
    rank->children = {builtin("row_number", {})};
    rank->type = rank->children[0]->type;
    rank->nullable = false;
    rank->partition_by = {row_};
    rank->order_by = std::move(orders);
    rank->rows = true;
    rank->lower.kind = plan::FrameBound::Kind::kUnbounded;
    rank->upper.kind = plan::FrameBound::Kind::kCurrentRow;
    auto alias = named(rank, "rank");
    auto node = std::make_shared<plan::Window>();
    node->expressions = {alias};
    node->output = p->output;
    node->output.push_back(plan::to_attribute(*alias));
    node->children = {p};
    return {node, ref(alias)};
  }
  static std::shared_ptr<plan::Join> joined(plan::JoinType type, const PlanPtr& a, const PlanPtr& b, ExprPtr condition) {
    auto j = std::make_shared<plan::Join>();
    j->type = type;
    j->condition = std::move(condition);
    j->children = {a, b};
    j->output = a->output;
    if (type != plan::JoinType::kLeftSemi && type != plan::JoinType::kLeftAnti) j->output.insert(j->output.end(), b->output.begin(), b->output.end());
    return j;
  }
  bool dependent(const plan::LogicalPlan& p) const {
    auto taken = plan::outer_references(p);
    return std::any_of(taken.begin(), taken.end(), [&](const ExprPtr& e) { return ids_.contains(plan::as<plan::AttributeRef>(*e).id); });
  }

  // ---- the rows of `right` for each row of the left side, beside it. keep: none of the left side's rows may get lost.

  Rows over(const PlanPtr& right, bool keep) {
    switch (right->kind) {
      case PlanKind::kOneRow: return {left_, keep ? yes() : nullptr};
      case PlanKind::kGenerate: return generate(right, keep);
      default: break;
    }
    if (!dependent(*right) && !calls_table_function(*right)) {
      if (!keep) return {joined(plan::JoinType::kCross, left_, right, nullptr), nullptr};
      auto mark = named(yes(), "hit");
      auto list = refs(right->output);
      list.push_back(mark);
      auto marked = plan::make_project(right, std::move(list));
      return {joined(plan::JoinType::kLeftOuter, left_, marked, nullptr), builtin("isnotnull", {ref(mark)})};
    }
    switch (right->kind) {
      case PlanKind::kProject: {
        Rows in = over(right->children[0], keep);
        auto list = refs(left_->output);
        for (const auto& e : plan::as<plan::Project>(*right).expressions) list.push_back(own(e));
        carry(in, list);
        in.plan = plan::make_project(in.plan, std::move(list));
        return in;
      }
      case PlanKind::kFilter: {
        Rows in = over(right->children[0], keep);
        auto condition = own(plan::as<plan::Filter>(*right).condition);
        if (keep) return narrowed(std::move(in), condition);
        in.plan = plan::make_filter(in.plan, condition);
        return in;
      }
      case PlanKind::kSort: return over(right->children[0], keep);  // nobody sees the order
      case PlanKind::kLimit: return limit(plan::as<plan::Limit>(*right), keep);
      case PlanKind::kAggregate: return aggregate(plan::as<plan::Aggregate>(*right), keep);
      case PlanKind::kJoin: return join(right, keep);
      case PlanKind::kWindow: {
        Rows in = over(right->children[0], keep);
        auto node = std::make_shared<plan::Window>(plan::as<plan::Window>(*right));
        node->output = in.plan->output;
        for (auto& e : node->expressions) {
          auto w = std::make_shared<plan::WindowExpr>(plan::as<plan::WindowExpr>(*own(e->children[0])));
          w->partition_by = own(w->partition_by);
          w->order_by = own(w->order_by);
          w->partition_by.push_back(row_);
          if (in.hit && !is_true(in.hit)) w->partition_by.push_back(in.hit);
          e = plan::with_children(e, {w});
          node->output.push_back(plan::to_attribute(*e));
        }
        node->children = {in.plan};
        in.plan = node;
        return in;
      }
      case PlanKind::kDistinct: {
        Rows in = over(right->children[0], keep);
        auto node = std::make_shared<plan::Deduplicate>();
        node->keys = refs(right->output);
        node->keys.push_back(row_);
        if (in.hit && !is_true(in.hit)) node->keys.push_back(in.hit);
        node->children = {in.plan};
        node->output = in.plan->output;
        in.plan = node;
        return in;
      }
      case PlanKind::kSetOperation: return set_operation(plan::as<plan::SetOperation>(*right), keep);
      default: refuse();
    }
  }

  // ---- by values: the right side once for each combination of the columns that it takes, then beside the rows that have it.
  // Source: DecorrelateInnerQuery (DomainJoin). The left side's rows are computed twice for it.

  std::vector<plan::Attribute> taken_by(const plan::LogicalPlan& p) const {
    std::vector<plan::Attribute> out;
    std::set<plan::ExprId> wanted;
    for (const auto& e : plan::outer_references(p)) wanted.insert(plan::as<plan::AttributeRef>(*e).id);
    for (const auto& a : left_->output) {
      if (wanted.contains(a.id)) out.push_back(a);
    }
    return out;
  }

  // The combinations, then the columns of `right` for them, all with ids of their own. marked: a column that is true stands behind them.
  PlanPtr by_values(const PlanPtr& right, const std::vector<plan::Attribute>& columns, bool marked) const {
    bool stable = true;
    plan::visit_plan(join_.children[0], [&](const PlanPtr& p) {
      if (p->kind == PlanKind::kSample) stable = false;
      plan::visit_expressions(*p, [&](const ExprPtr& e) { stable = stable && plan::is_deterministic(*e); });
      return stable;
    });
    if (!stable) refuse();
    auto distinct = std::make_shared<plan::Distinct>();
    distinct->children = {plan::make_project(join_.children[0], refs(columns))};
    distinct->output = distinct->children[0]->output;
    plan::Join inner;
    inner.lateral = true;
    inner.type = plan::JoinType::kInner;
    inner.children = {distinct, right};
    inner.output = distinct->output;
    inner.output.insert(inner.output.end(), right->output.begin(), right->output.end());
    auto rows = Dependent(inner, conf_).rows();
    if (marked) {
      auto list = refs(rows->output);
      list.push_back(named(yes(), "hit"));
      rows = plan::make_project(rows, std::move(list));
    }
    return plan::with_fresh_ids(rows);
  }

  // Rows of by_values() (as `values`) beside those of the left side. output: what the columns behind the combination are called above.
  Rows beside(const PlanPtr& values, const std::vector<plan::Attribute>& columns, const std::vector<plan::Attribute>& output, bool keep) const {
    ExprPtr same;
    for (size_t i = 0; i < columns.size(); ++i) {
      auto equal = builtin("<=>", {plan::make_ref(columns[i]), plan::make_ref(values->output[i])});
      same = same ? builtin("and", {same, equal}) : equal;
    }
    auto both = joined(keep ? plan::JoinType::kLeftOuter : plan::JoinType::kInner, left_, values, same);
    auto list = refs(left_->output);
    for (size_t i = 0; i < output.size(); ++i) list.push_back(plan::make_alias(plan::make_ref(values->output[columns.size() + i]), output[i].name, true, output[i].id));
    Rows out;
    if (keep) {
      list.push_back(named(builtin("isnotnull", {plan::make_ref(values->output.back())}), "hit"));
      out.hit = ref(list.back());
    }
    out.plan = plan::make_project(both, std::move(list));
    return out;
  }

  // Any right side whose rows can be had without keeping those of the left side.
  Rows kept(const PlanPtr& right) const {
    auto columns = taken_by(*right);
    if (columns.empty()) refuse();
    return beside(by_values(right, columns, true), columns, right->output, true);
  }

  Rows set_operation(const plan::SetOperation& s, bool keep) const {
    // Of each branch the rows for each combination: the operation then tells them apart itself.
    auto columns = taken_by(s);
    if (columns.empty()) refuse();
    auto node = std::make_shared<plan::SetOperation>(s);
    node->children.clear();
    for (const auto& branch : s.children) node->children.push_back(by_values(branch, columns, false));
    node->output.assign(node->children[0]->output.begin(), node->children[0]->output.begin() + static_cast<std::ptrdiff_t>(columns.size()));
    for (auto& a : node->output) a.id = plan::next_expr_id();
    for (auto a : s.output) {
      a.id = plan::next_expr_id();
      node->output.push_back(std::move(a));
    }
    PlanPtr values = node;
    if (keep) {
      auto list = refs(node->output);
      list.push_back(named(yes(), "hit"));
      values = plan::make_project(node, std::move(list));
    }
    return beside(values, columns, s.output, keep);
  }

  // Which rows are results goes through a projection.
  static void carry(Rows& rows, std::vector<ExprPtr>& list) {
    if (!rows.hit || is_true(rows.hit)) return;
    auto alias = named(rows.hit, "hit");
    list.push_back(alias);
    rows.hit = ref(alias);
  }

  Rows generate(const PlanPtr& right, bool keep) {
    const auto& g = plan::as<plan::Generate>(*right);
    const bool bare = g.children[0]->kind == PlanKind::kOneRow;
    auto* f = table_function(g);
    // A function must not be called for rows that are no results.
    if (keep && (!bare || !f)) return kept(right);
    PlanPtr below = bare ? left_ : over(g.children[0], false).plan;
    auto node = std::make_shared<plan::Generate>(g);
    node->children = {below};
    node->generator = own(g.generator);
    node->output = below->output;
    Rows out;
    if (keep) {
      plan::Attribute mark;
      mark.id = plan::next_expr_id();
      mark.name = "hit";
      mark.type = plan::TypeId::kBoolean;
      node->outer = true;
      node->generator_output.push_back(mark);
      out.hit = plan::make_ref(mark);
    }
    node->output.insert(node->output.end(), node->generator_output.begin(), node->generator_output.end());
    out.plan = node;
    return out;
  }

  Rows limit(const plan::Limit& l, bool keep) {
    auto number = [](const ExprPtr& e) -> int64_t {
      auto* literal = plan::try_as<plan::Literal>(*e);
      if (!literal || literal->value.v.index() != 2) refuse();
      return literal->value.get<int64_t>();
    };
    PlanPtr child = l.children[0];
    std::vector<ExprPtr> orders;
    if (child->kind == PlanKind::kSort) {
      orders = own(plan::as<plan::Sort>(*child).orders);
      child = child->children[0];
    }
    Rows in = over(child, keep);
    if (in.hit && !is_true(in.hit)) orders.insert(orders.begin(), descending(in.hit));
    auto [plan, rank] = ranked(in.plan, std::move(orders));
    in.plan = plan;
    const int64_t offset = l.offset ? number(l.offset) : 0;
    auto constant = [](int64_t v) { return plan::make_literal(plan::TypeId::kLong, plan::Value{v}); };
    ExprPtr place = plan::make_cast(rank, plan::TypeId::kLong, plan::EvalMode::kAnsi);
    ExprPtr within = builtin(">", {place, constant(offset)});
    if (l.limit) within = builtin("and", {within, builtin("<=", {place, constant(offset + number(l.limit))})});
    if (keep) return narrowed(std::move(in), within);
    in.plan = plan::make_filter(in.plan, within);
    return in;
  }

  Rows aggregate(const plan::Aggregate& a, bool keep) {
    if (a.grouping_sets) refuse();
    // Without groups there is a result even if there are no rows.
    const bool single = a.groupings.empty();
    Rows in = over(a.children[0], keep || single);
    auto node = std::make_shared<plan::Aggregate>();
    node->children = {in.plan};
    node->groupings = own(a.groupings);
    node->groupings.push_back(row_);
    const bool some = in.hit && !is_true(in.hit);
    if (some && !single) node->groupings.push_back(in.hit);
    std::vector<ExprPtr> list;  // the columns under their old ids
    for (const auto& column : left_->output) {
      auto old = plan::make_ref(column);
      const bool key = plan::semantic_equals(*old, *row_);
      node->aggregates.push_back(named(key ? old : builtin("first", {old}), column.name.c_str()));
      list.push_back(plan::make_alias(ref(node->aggregates.back()), column.name, true, column.id));
    }
    for (size_t i = 0; i < a.aggregates.size(); ++i) {
      const auto e = own(a.aggregates[i]);
      ExprPtr value = e->kind == ExprKind::kAlias ? e->children[0] : e;
      if (some && single) value = filtered(value, in.hit);
      node->aggregates.push_back(named(value, a.output[i].name.c_str()));
      list.push_back(plan::make_alias(ref(node->aggregates.back()), a.output[i].name, true, a.output[i].id));
    }
    if (some && !single) {
      node->aggregates.push_back(named(in.hit, "hit"));
      list.push_back(node->aggregates.back());
    }
    for (const auto& e : node->aggregates) node->output.push_back(plan::to_attribute(*e));
    Rows out;
    if (some && !single) {
      auto hit = ref(node->aggregates.back());
      list.back() = hit;
      out.hit = keep ? hit : nullptr;
      out.exact = in.exact;
    } else if (keep) {
      out.hit = yes();
    }
    out.plan = plan::make_project(node, std::move(list));
    return out;
  }

  // Aggregate functions see results only.
  ExprPtr filtered(const ExprPtr& e, const ExprPtr& hit) const {
    if (e->kind == ExprKind::kUserFunction) refuse();
    if (e->kind == ExprKind::kAggregate) {
      auto call = std::make_shared<plan::AggregateCall>(plan::as<plan::AggregateCall>(*e));
      call->filter = call->filter ? builtin("and", {hit, call->filter}) : hit;
      return call;
    }
    return plan::map_children(e, [&](const ExprPtr& c) { return filtered(c, hit); });
  }

  Rows join(const PlanPtr& right, bool keep) {
    using plan::JoinType;
    const auto& j = plan::as<plan::Join>(*right);
    const bool inner = j.type == JoinType::kInner || j.type == JoinType::kCross;
    const bool first = dependent(j.child(0));
    ExprPtr condition = j.condition ? own(j.condition) : nullptr;
    if (j.lateral || !first || !dependent(j.child(1))) {
      if (keep) {
        if (!first || j.lateral || !(inner || j.type == JoinType::kLeftOuter)) return kept(right);
        Rows in = over(j.children[0], true);
        if (!is_true(in.hit)) condition = condition ? builtin("and", {in.hit, condition}) : in.hit;
        auto mark = named(yes(), "hit");
        auto list = refs(j.child(1).output);
        list.push_back(mark);
        in.plan = joined(JoinType::kLeftOuter, in.plan, plan::make_project(j.children[1], std::move(list)), condition);
        if (!inner) return in;
        auto met = builtin("isnotnull", {ref(mark)});
        return {in.plan, is_true(in.hit) ? met : builtin("and", {in.hit, met}), false};
      }
      const size_t side = j.lateral || first ? 0 : 1;
      const bool possible = inner || (side == 0 && j.type != JoinType::kRightOuter && j.type != JoinType::kFullOuter) || (side == 1 && j.type == JoinType::kRightOuter);
      if (!possible) refuse();
      PlanPtr sides[2] = {j.children[0], j.children[1]};
      sides[side] = over(sides[side], false).plan;
      auto out = joined(j.type, sides[0], sides[1], condition);
      out->lateral = j.lateral;
      return {out, nullptr};
    }
    if (keep) return kept(right);
    if (j.type == JoinType::kRightOuter || j.type == JoinType::kFullOuter) refuse();
    // Both sides take columns of the left side: rows of one meet those of the other that were made for the same combination.
    auto columns = taken_by(j.child(1));
    PlanPtr values = by_values(j.children[1], columns, false);
    std::vector<ExprPtr> list;
    for (size_t i = 0; i < columns.size(); ++i) {
      list.push_back(plan::make_ref(values->output[i]));
      auto same = builtin("<=>", {plan::make_ref(columns[i]), list.back()});
      condition = condition ? builtin("and", {condition, same}) : same;
    }
    for (size_t i = 0; i < j.child(1).output.size(); ++i) {
      const auto& a = j.child(1).output[i];
      list.push_back(plan::make_alias(plan::make_ref(values->output[columns.size() + i]), a.name, true, a.id));
    }
    auto type = j.type == JoinType::kCross ? JoinType::kInner : j.type;
    return {joined(type, over(j.children[0], false).plan, plan::make_project(values, std::move(list)), condition), nullptr};
  }

  const plan::Join& join_;
  const plan::SessionConf& conf_;
  PlanPtr left_;                    // the left side, its rows numbered if need be
  std::set<plan::ExprId> ids_;      // of its columns
  ExprPtr row_;                     // the number
};

}  // namespace

bool calls_table_function(const plan::LogicalPlan& p) {
  auto* f = table_function(p);
  if (f && (p.child().kind == PlanKind::kOneRow || refers_outside(*f))) return true;
  switch (p.kind) {
    case PlanKind::kProject:
    case PlanKind::kFilter:
    case PlanKind::kSort:
    case PlanKind::kLimit: return calls_table_function(p.child());
    default: return refers_to_table_function(p);
  }
}

PlanPtr without_lateral(const plan::Join& join, const plan::SessionConf& conf) { return Dependent(join, conf).rows(); }

}  // namespace tarn::engine::python_functions
