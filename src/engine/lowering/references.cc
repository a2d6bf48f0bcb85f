// Which attributes a piece of a plan needs.
#include "engine/lowering/plan_lowering.h"

namespace tarn::engine::lowering {

namespace {

template <class F> void each_expression(const plan::LogicalPlan& p, F&& f) {
  using namespace plan;
  auto all = [&](const std::vector<ExprPtr>& list) {
    for (const auto& e : list) {
      if (e) f(*e);
    }
  };
  switch (p.kind) {
    case PlanKind::kValues:
      for (const auto& row : as<Values>(p).rows) all(row);
      break;
    case PlanKind::kProject: all(as<Project>(p).expressions); break;
    case PlanKind::kFilter: f(*as<Filter>(p).condition); break;
    case PlanKind::kJoin:
      if (as<Join>(p).condition) f(*as<Join>(p).condition);
      break;
    case PlanKind::kAggregate:
      all(as<Aggregate>(p).groupings);
      all(as<Aggregate>(p).aggregates);
      break;
    case PlanKind::kWindow: all(as<Window>(p).expressions); break;
    case PlanKind::kSort: all(as<Sort>(p).orders); break;
    case PlanKind::kLimit: all({as<Limit>(p).limit, as<Limit>(p).offset}); break;
    case PlanKind::kDeduplicate: all(as<Deduplicate>(p).keys); break;
    case PlanKind::kGenerate: f(*as<Generate>(p).generator); break;
    case PlanKind::kCollectMetrics: all(as<CollectMetrics>(p).metrics); break;
    case PlanKind::kRepartition: all(as<Repartition>(p).keys); break;
    default: break;
  }
}

template <class F> void each_node(const plan::Expression& e, F&& f) {
  f(e);
  for (const auto& c : e.children) each_node(*c, f);
  if (auto* aggregate = plan::try_as<plan::AggregateCall>(e)) {
    if (aggregate->filter) each_node(*aggregate->filter, f);
    for (const auto& o : aggregate->order) each_node(*o, f);
  } else if (auto* window = plan::try_as<plan::WindowExpr>(e)) {
    for (const auto& x : window->partition_by) each_node(*x, f);
    for (const auto& x : window->order_by) each_node(*x, f);
    if (window->lower.offset) each_node(*window->lower.offset, f);
    if (window->upper.offset) each_node(*window->upper.offset, f);
  }
}

}  // namespace

void count_references(const plan::Expression& e, std::unordered_map<plan::ExprId, int>& counts) {
  each_node(e, [&](const plan::Expression& n) {
    if (auto* ref = plan::try_as<plan::AttributeRef>(n)) ++counts[ref->id];
  });
}

void outer_references(const plan::Expression& e, std::unordered_set<plan::ExprId>& ids) {
  each_node(e, [&](const plan::Expression& n) {
    if (auto* subquery = plan::try_as<plan::SubqueryExpr>(n)) outer_references(*subquery->plan, ids);
  });
}

void outer_references(const plan::LogicalPlan& p, std::unordered_set<plan::ExprId>& ids) {
  each_expression(p, [&](const plan::Expression& e) {
    each_node(e, [&](const plan::Expression& n) {
      if (auto* ref = plan::try_as<plan::AttributeRef>(n); ref && ref->outer) ids.insert(ref->id);
    });
    outer_references(e, ids);
  });
  for (const auto& c : p.children) outer_references(*c, ids);
  if (auto* scope = plan::try_as<plan::CteScope>(p)) {
    for (const auto& d : scope->definitions) outer_references(*d.plan, ids);
  }
}

}  // namespace tarn::engine::lowering
