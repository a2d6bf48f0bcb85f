#include "engine/lowering/unread_columns.h"

#include <algorithm>
#include <unordered_set>

#include "plan/function.h"

namespace tarn::engine::lowering {

namespace {

using plan::ExprPtr;
using plan::PlanKind;
using plan::PlanPtr;
using Ids = std::unordered_set<plan::ExprId>;

Ids ids_of(const std::vector<plan::Attribute>& output) {
  Ids ids;
  for (const auto& a : output) ids.insert(a.id);
  return ids;
}

// Adds what an expression reads, also through the plans of its subqueries.
void add_read(const ExprPtr& e, Ids& ids) {
  if (!e) return;
  plan::any_of(*e, [&](const plan::Expression& x) {
    if (auto* ref = plan::try_as<plan::AttributeRef>(x)) ids.insert(ref->id);
    if (auto* subquery = plan::try_as<plan::SubqueryExpr>(x)) {
      for (const auto& outer : plan::outer_references(*subquery->plan)) ids.insert(plan::as<plan::AttributeRef>(*outer).id);
    }
    return false;
  });
}

ExprPtr null_test_answered(const ExprPtr& e) {
  auto* call = plan::try_as<plan::Call>(*e);
  if (!call || !call->function || call->children.size() != 1) return nullptr;
  const auto name = call->function->name();
  if ((name != "isnull" && name != "isnotnull") || call->children[0]->nullable || !plan::is_deterministic(*call->children[0])) return nullptr;
  return plan::make_bool(name == "isnotnull");
}

class Pruning {
 public:
  // read: attributes of the plan's output that are needed above.
  PlanPtr plan(const PlanPtr& p, const Ids& read) {
    switch (p->kind) {
      case PlanKind::kProject: return project(p, read);
      case PlanKind::kJoin: return join(p, read);
      case PlanKind::kAggregate: return over(p, {});
      case PlanKind::kFilter:
      case PlanKind::kWindow:
      case PlanKind::kSort:
      case PlanKind::kLimit:
      case PlanKind::kTail:
      case PlanKind::kSample:
      case PlanKind::kRepartition: return over(p, read);
      // Known to its operation by its address, with all below.
      case PlanKind::kCollectMetrics: return p;
      default: return all(p);
    }
  }

 private:
  PlanPtr project(const PlanPtr& p, const Ids& read) {
    const auto& from = plan::as<plan::Project>(*p);
    auto node = std::make_shared<plan::Project>(from);
    node->expressions.clear();
    node->output.clear();
    for (size_t i = 0; i < from.expressions.size(); ++i) {
      if (!read.contains(from.output[i].id)) continue;
      node->expressions.push_back(from.expressions[i]);
      node->output.push_back(from.output[i]);
    }
    return over(node, {});
  }

  // A node whose expressions read the child's columns, beside those that are read above it.
  PlanPtr over(const PlanPtr& p, Ids read) {
    plan::visit_expressions(*p, [&](const ExprPtr& e) { add_read(e, read); });
    return rebuilt(p, {plan(p->children[0], read)});
  }

  PlanPtr join(const PlanPtr& p, Ids read) {
    const auto& j = plan::as<plan::Join>(*p);
    add_read(j.condition, read);
    if (j.lateral) {
      for (const auto& outer : plan::outer_references(*p->children[1])) read.insert(plan::as<plan::AttributeRef>(*outer).id);
    }
    return rebuilt(p, {plan(p->children[0], read), plan(p->children[1], read)});
  }

  // A node that needs its inputs as they are, by position.
  PlanPtr all(const PlanPtr& p) {
    std::vector<PlanPtr> children;
    for (const auto& c : p->children) children.push_back(plan(c, ids_of(c->output)));
    auto out = rebuilt(p, std::move(children));
    if (p->kind == PlanKind::kCteScope) {
      auto copy = std::make_shared<plan::CteScope>(plan::as<plan::CteScope>(*out));
      for (auto& d : copy->definitions) d.plan = plan(d.plan, ids_of(d.plan->output));
      return copy;
    }
    return out;
  }

  // The node over these children, without the columns that they have no more.
  PlanPtr rebuilt(const PlanPtr& p, std::vector<PlanPtr> children) {
    auto node = p->clone();
    Ids gone;
    for (size_t i = 0; i < children.size(); ++i) {
      const Ids left = ids_of(children[i]->output);
      for (const auto& a : p->children[i]->output) {
        if (!left.contains(a.id)) gone.insert(a.id);
      }
    }
    std::erase_if(node->output, [&](const plan::Attribute& a) { return gone.contains(a.id); });
    node->children = std::move(children);
    // Not where a constant has a meaning of its own, as in GROUP BY.
    if (p->kind == PlanKind::kProject || p->kind == PlanKind::kFilter) {
      plan::for_each_expression(*node, [](ExprPtr& e) { e = plan::transform(e, [](const ExprPtr& x) { return null_test_answered(x); }); });
    }
    return node;
  }
};

}  // namespace

PlanPtr without_unread_columns(const PlanPtr& plan) { return Pruning().plan(plan, ids_of(plan->output)); }

}  // namespace tarn::engine::lowering
