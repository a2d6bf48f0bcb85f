#include "engine/error_context.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <vector>

#include "plan/function.h"

namespace tarn::engine {

namespace {

using plan::ExprKind;
using plan::ExprPtr;
using plan::PlanPtr;
using ContextPtr = std::shared_ptr<const QueryContext>;

constexpr size_t kMostTried = 8;      // candidates that are tried by themselves
constexpr int32_t kRowsTried = 10000;

// Which functions raise which condition (a prefix of its name). A cast is "cast".
struct Raises {
  std::string_view condition;
  std::set<std::string_view> functions;
};
const std::vector<Raises>& table() {
  static const std::vector<Raises> all = {
      {"DIVIDE_BY_ZERO", {"/", "div", "%", "mod", "pmod", "try_mod"}},
      {"REMAINDER_BY_ZERO", {"%", "mod", "pmod"}},
      {"INTERVAL_DIVIDED_BY_ZERO", {"/", "div"}},
      {"ARITHMETIC_OVERFLOW", {"+", "-", "*", "/", "div", "%", "mod", "pmod", "negative", "abs", "sum", "avg", "round", "bround", "ceil", "floor"}},
      {"BINARY_ARITHMETIC_OVERFLOW", {"+", "-", "*", "negative", "abs"}},
      {"INTERVAL_ARITHMETIC_OVERFLOW", {"+", "-", "*", "/", "negative", "abs", "sum", "avg", "make_interval", "make_dt_interval", "make_ym_interval"}},
      {"NUMERIC_VALUE_OUT_OF_RANGE", {"+", "-", "*", "/", "div", "%", "mod", "pmod", "cast", "sum", "avg", "round", "bround"}},
      {"INVALID_ARRAY_INDEX_IN_ELEMENT_AT", {"element_at"}},
      {"INVALID_INDEX_OF_ZERO", {"element_at"}},
      {"INVALID_ARRAY_INDEX", {"getitem", "elt"}},
      {"CAST_INVALID_INPUT", {"cast"}},
  };
  return all;
}

std::string param(const SparkError& e, const char* name) {
  auto it = e.params().find(name);
  return it == e.params().end() ? std::string() : it->second;
}

struct Candidate {
  ExprPtr expression;
  ContextPtr context;
  const plan::LogicalPlan* node;
};

class Search {
 public:
  explicit Search(const SparkError& error) : error_(error) {
    for (const auto& r : table())
      if (error.condition() == r.condition || error.condition().starts_with(std::string(r.condition) + ".")) functions_ = &r.functions;
  }
  bool can_tell() const { return functions_ != nullptr; }

  void plan(const PlanPtr& p) {
    plan::visit_expressions(*p, [&](const ExprPtr& e) { expression(e, nullptr, p.get()); });
    for (const auto& c : p->children) plan(c);
    if (auto* scope = plan::try_as<plan::CteScope>(*p))
      for (const auto& d : scope->definitions) plan(d.plan);
  }

  std::vector<Candidate> found;

 private:
  void expression(const ExprPtr& e, ContextPtr around, const plan::LogicalPlan* node) {
    if (!e) return;
    // An implicit cast belongs to the call that asked for it.
    auto* cast = plan::try_as<plan::Cast>(*e);
    ContextPtr here = cast && !cast->user_specified && around ? around : e->context ? e->context : around;
    if (raises(*e) && here) found.push_back({e, here, node});
    plan::visit_children(*e, [&](const ExprPtr& c) { expression(c, here, node); });
    if (auto* s = plan::try_as<plan::SubqueryExpr>(*e)) plan(s->plan);
  }

  bool raises(const plan::Expression& e) const {
    if (auto* c = plan::try_as<plan::Cast>(e)) {
      if (c->mode != plan::EvalMode::kAnsi || !functions_->contains("cast")) return false;
      if (error_.condition() == "CAST_INVALID_INPUT")
        return quote_sql(c->children[0]->type.sql()) == param(error_, "sourceType") && quote_sql(c->type.sql()) == param(error_, "targetType");
      return c->type.id() == plan::TypeId::kDecimal;
    }
    std::string name;
    if (auto* c = plan::try_as<plan::Call>(e)) {
      if (c->mode != plan::EvalMode::kAnsi) return false;
      name = c->name;
      if (c->function && !functions_->contains(name)) name = std::string(c->function->name());
    } else if (auto* a = plan::try_as<plan::AggregateCall>(e)) {
      if (a->mode != plan::EvalMode::kAnsi) return false;
      name = a->function ? std::string(a->function->name()) : a->name;
    }
    if (!functions_->contains(name)) return false;
    // What the message says of the operation.
    const std::string hint = param(error_, "alternative") + param(error_, "functionName"), symbol = param(error_, "symbol");
    auto is = [&](const char* word) { return hint.find(word) != std::string::npos; };
    if (!symbol.empty() && (name == "+" || name == "-" || name == "*")) return name == symbol;
    if (is("try_add")) return name == "+";
    if (is("try_subtract")) return name == "-";
    if (is("try_multiply")) return name == "*";
    return true;
  }

  const SparkError& error_;
  const std::set<std::string_view>* functions_ = nullptr;
};

bool same(const QueryContext& a, const QueryContext& b) {
  return a.start_index == b.start_index && a.stop_index == b.stop_index && a.object_name == b.object_name && a.fragment == b.fragment && a.call_site == b.call_site;
}

// What has effects of its own is not run again to find out where it failed.
bool runs_code_of_users(const PlanPtr& plan) {
  bool found = false;
  plan::visit_plan(plan, [&](const PlanPtr& p) {
    found |= p->kind == plan::PlanKind::kScript || p->kind == plan::PlanKind::kPythonMap || p->kind == plan::PlanKind::kPythonEval;
    return !found;
  });
  return found;
}

// The call over the rows that its node reads; null where that cannot be written down.
PlanPtr alone(const Candidate& c) {
  if (c.expression->kind == ExprKind::kAggregate || plan::any_of(*c.expression, [](const plan::Expression& e) {
        return e.kind == ExprKind::kAggregate || e.kind == ExprKind::kWindow || e.kind == ExprKind::kLambdaVariable || e.kind == ExprKind::kUserFunction ||
               (e.kind == ExprKind::kAttribute && plan::as<plan::AttributeRef>(e).outer);
      }))
    return nullptr;
  PlanPtr input = std::make_shared<plan::OneRow>();
  if (!plan::is_foldable(*c.expression)) {
    if (c.node->children.size() != 1 || runs_code_of_users(c.node->children[0])) return nullptr;
    auto some = std::make_shared<plan::Limit>();
    some->children = {c.node->children[0]};
    some->output = c.node->children[0]->output;
    some->limit = plan::make_int(kRowsTried);
    input = some;
  }
  return plan::make_project(input, {plan::make_alias(c.expression, "value")});
}

}  // namespace

SparkError with_error_context(const SparkError& error, const PlanPtr& plan, const std::function<void(const PlanPtr&)>& try_plan) {
  if (error.context()) return error;
  Search search(error);
  if (!search.can_tell()) return error;
  search.plan(plan);
  std::vector<Candidate> distinct;
  for (auto& c : search.found)
    if (std::none_of(distinct.begin(), distinct.end(), [&](const Candidate& d) { return same(*d.context, *c.context); })) distinct.push_back(std::move(c));
  if (distinct.empty() || distinct.size() > kMostTried) return error;
  if (distinct.size() == 1) return error.with_context(*distinct[0].context);
  ContextPtr only;
  for (const auto& c : distinct) {
    auto probe = alone(c);
    if (!probe) return error;
    try {
      try_plan(probe);
    } catch (const SparkError& e) {
      if (e.condition() == "OPERATION_CANCELED") return error;
      if (e.condition() != error.condition() || e.params() != error.params()) continue;
      // Of two that fail alike the inner one fails first; the outer one only because of it.
      if (only && only->start_index <= c.context->start_index && c.context->stop_index <= only->stop_index) {
        only = c.context;
        continue;
      }
      if (only) return error;
      only = c.context;
    }
  }
  return only ? error.with_context(*only) : error;
}

}  // namespace tarn::engine
