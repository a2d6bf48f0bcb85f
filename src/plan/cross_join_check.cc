#include "plan/cross_join_check.h"

#include <algorithm>
#include <set>

#include "base/spark_error.h"
#include "plan/analyzer_impl.h"

namespace tarn::plan {

namespace {

using Ids = std::set<ExprId>;

// What a condition and what each Python function in it reads.
struct Part {
  Ids ids;
  std::vector<Ids> functions;
};

Ids ids_of(const Expression& e) {
  auto ids = referenced_ids(e);
  return {ids.begin(), ids.end()};
}

void split(const ExprPtr& condition, std::vector<Part>& out) {
  if (auto* c = try_as<Call>(*condition); c && c->function && c->function->name() == "and") {
    for (const auto& part : c->children) split(part, out);
    return;
  }
  Part part{ids_of(*condition), {}};
  any_of(*condition, [&](const Expression& e) {
    if (e.kind == ExprKind::kUserFunction) part.functions.push_back(ids_of(e));
    return false;
  });
  out.push_back(std::move(part));
}

Ids outputs(const LogicalPlan& p) {
  Ids out;
  for (const auto& a : p.output) out.insert(a.id);
  for (const auto& a : p.hidden) out.insert(a.id);
  return out;
}

bool meets(const Ids& a, const Ids& b) {
  return std::any_of(a.begin(), a.end(), [&](ExprId id) { return b.count(id) > 0; });
}

bool constant_false(const Join& j) {
  auto* l = j.condition ? try_as<Literal>(*j.condition) : nullptr;
  return l && (l->value.is_null() || !l->value.get<bool>());
}

// above: what filters over an inner join ask for, which the optimizer would move into it.
void check(const PlanPtr& plan, std::vector<Part> above) {
  if (auto* f = try_as<Filter>(*plan)) {
    split(f->condition, above);
    check(plan->children[0], std::move(above));
    return;
  }
  if (plan->kind == PlanKind::kProject) {
    check(plan->children[0], std::move(above));
    return;
  }
  auto* j = try_as<Join>(*plan);
  if (!j) {
    for (const auto& c : plan->children) check(c, {});
    return;
  }
  if (j->condition) split(j->condition, above);
  const bool checked = j->type == JoinType::kInner || j->type == JoinType::kLeftOuter || j->type == JoinType::kRightOuter || j->type == JoinType::kFullOuter;
  if (checked && !j->lateral && !constant_false(*j)) {
    Ids left = outputs(*plan->children[0]), right = outputs(*plan->children[1]);
    auto both = [&](const Ids& ids) { return meets(ids, left) && meets(ids, right); };
    // A Python function over columns of both sides is computed over their product.
    auto joins = [&](const Part& part) { return both(part.ids) && std::none_of(part.functions.begin(), part.functions.end(), both); };
    if (std::none_of(above.begin(), above.end(), joins)) {
      const char* const names[] = {"INNER", "CROSS", "LEFT OUTER", "RIGHT OUTER", "FULL OUTER", "LEFT SEMI", "LEFT ANTI"};
      auto text = [](const PlanPtr& p) {
        std::string s = tree_string(*p);
        while (!s.empty() && s.back() == '\n') s.pop_back();
        return s;
      };
      throw analysis_error("_LEGACY_ERROR_TEMP_1211",
                           {{"joinType", names[static_cast<int>(j->type)]}, {"leftPlan", text(plan->children[0])}, {"rightPlan", text(plan->children[1])}});
    }
  }
  if (j->type != JoinType::kInner && j->type != JoinType::kCross) above.clear();
  for (const auto& c : plan->children) check(c, above);
}

}  // namespace

void check_cross_joins(const PlanPtr& plan) { check(plan, {}); }

}  // namespace tarn::plan
