#include "engine/lowering/row_numbers.h"

#include "plan/function.h"

namespace tarn::engine::lowering {

namespace {

bool is_row_number(const plan::Expression& e) {
  auto* call = plan::try_as<plan::Call>(e);
  return call && call->function && call->function->lowering == "@monotonically_increasing_id";
}

}  // namespace

bool has_row_number(const plan::Expression& e) { return plan::any_of(e, is_row_number); }

plan::PlanPtr with_row_numbers_below(const plan::PlanPtr& plan) {
  if (plan->kind == plan::PlanKind::kProject || plan->children.size() != 1) return plan;
  bool any = false;
  plan::visit_expressions(*plan, [&](const plan::ExprPtr& e) { any = any || (e && has_row_number(*e)); });
  if (!any) return plan;
  std::vector<plan::ExprPtr> list;
  for (const auto& a : plan->children[0]->output) list.push_back(plan::make_ref(a));
  auto node = plan->clone();
  plan::for_each_expression(*node, [&](plan::ExprPtr& e) {
    if (!e || !has_row_number(*e)) return;
    e = plan::transform(e, [&](const plan::ExprPtr& x) -> plan::ExprPtr {
      if (!is_row_number(*x)) return nullptr;
      list.push_back(plan::make_alias(x, "id", true, plan::next_expr_id()));
      return plan::make_ref(plan::to_attribute(*list.back()));
    });
  });
  node->children[0] = plan::make_project(plan->children[0], std::move(list));
  return node;
}

}  // namespace tarn::engine::lowering
