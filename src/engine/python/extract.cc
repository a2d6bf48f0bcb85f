#include "engine/python/extract.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "base/spark_error.h"
#include "engine/python/lateral.h"
#include "plan/function.h"
#include "plan/session_conf.h"
#include "python/eval_type.h"

namespace tarn::engine::python_functions {

using plan::Expression;
using plan::ExprKind;
using plan::ExprPtr;
using plan::PlanKind;
using plan::PlanPtr;
using plan::PythonEval;
using plan::UserFunction;
namespace eval = python::eval_type;

namespace {

bool is_scalar(const Expression& e) {
  auto* u = plan::try_as<UserFunction>(e);
  return u && eval::is_scalar(u->eval_type);
}
bool is_grouped(const Expression& e) {
  auto* u = plan::try_as<UserFunction>(e);
  return u && eval::is_grouped_aggregate(u->eval_type);
}
bool has_function(const Expression& e) {
  return plan::any_of(e, [](const Expression& x) { return x.kind == ExprKind::kUserFunction; });
}
bool has_scalar(const Expression& e) { return plan::any_of(e, is_scalar); }
bool has_grouped(const Expression& e) { return plan::any_of(e, is_grouped); }

bool plan_has_functions(const PlanPtr& plan) {
  bool found = false;
  plan::visit_plan(plan, [&](const PlanPtr& p) {
    if (!found) plan::visit_expressions(*p, [&](const ExprPtr& e) { found = found || (e && has_function(*e)); });
    return !found;
  });
  return found;
}

std::vector<ExprPtr> refs_of(const std::vector<plan::Attribute>& output) {
  std::vector<ExprPtr> refs;
  std::set<plan::ExprId> seen;
  for (const auto& a : output) {
    if (seen.insert(a.id).second) refs.push_back(plan::make_ref(a));
  }
  return refs;
}

class Extractor {
 public:
  explicit Extractor(const plan::SessionConf& conf) : conf_(conf) {}

  PlanPtr rewrite(const PlanPtr& original) {
    if (auto* j = plan::try_as<plan::Join>(*original); j && j->lateral && calls_table_function(*j->children[1])) return rewrite(without_lateral(*j, conf_));
    if (auto moved = limits_below(original); moved != original) return rewrite(moved);
    PlanPtr p = original->kind == PlanKind::kFilter ? with_filters_below(original) : original;
    auto node = p->clone();
    if (auto* r = plan::try_as<plan::RecursiveCte>(*p)) {
      node->children[0] = rewrite(node->children[0]);
      recursive_.insert(r->id);
      node->children[1] = rewrite(node->children[1]);
      recursive_.erase(r->id);
    } else {
      for (auto& c : node->children) c = rewrite(c);
    }
    if (node->kind == PlanKind::kCteScope) {
      for (auto& d : static_cast<plan::CteScope&>(*node).definitions) d.plan = rewrite(d.plan);
    }
    // Plans inside expressions.
    plan::for_each_expression(*node, [&](ExprPtr& e) {
      if (e) e = plan::transform(e, [&](const ExprPtr& x) -> ExprPtr {
          auto* s = plan::try_as<plan::SubqueryExpr>(*x);
          if (!s || !plan_has_functions(s->plan)) return nullptr;
          auto copy = std::make_shared<plan::SubqueryExpr>(*s);
          copy->plan = rewrite(s->plan);
          return copy;
        });
    });
    bool any = false;
    plan::visit_expressions(*node, [&](const ExprPtr& e) { any = any || (e && has_function(*e)); });
    if (!any) return node;
    switch (node->kind) {
      case PlanKind::kAggregate: return aggregate(static_cast<plan::Aggregate&>(*node));
      case PlanKind::kWindow: return window(static_cast<plan::Window&>(*node));
      case PlanKind::kJoin: return join(static_cast<plan::Join&>(*node));
      case PlanKind::kGenerate: return generate(static_cast<plan::Generate&>(*node));
      case PlanKind::kPythonEval:
      case PlanKind::kPythonMap: return node;
      case PlanKind::kValues: throw analysis_error("INVALID_INLINE_TABLE.CANNOT_EVALUATE_EXPRESSION_IN_INLINE_TABLE", {{"expr", "Python function"}});
      default: return over_child(node);
    }
  }

 private:
  // A limit below the projections that compute functions: a function of rows that nobody asks for is not called.
  PlanPtr limits_below(const PlanPtr& p) {
    auto* l = plan::try_as<plan::Limit>(*p);
    if (!l) return p;
    PlanPtr child = limits_below(l->children[0]);
    auto* project = plan::try_as<plan::Project>(*child);
    if (!project || std::none_of(project->expressions.begin(), project->expressions.end(), [](const ExprPtr& e) { return has_function(*e); })) return p;
    auto below = std::make_shared<plan::Limit>(*l);
    below->children = project->children;
    below->output = project->child().output;
    below->hidden.clear();
    return plan::with_plan_children(child, {limits_below(below)});
  }

  // ---- filters

  // Conditions that need no function's result, below the projection that computes functions.
  PlanPtr with_filters_below(const PlanPtr& p) {
    const auto& filter = plan::as<plan::Filter>(*p);
    std::vector<ExprPtr> all, above, below;
    conjuncts(filter.condition, all);
    auto* project = plan::try_as<plan::Project>(filter.child());
    bool functions_below = project && std::any_of(project->expressions.begin(), project->expressions.end(), [](const ExprPtr& e) { return has_function(*e); });
    for (const auto& c : all) {
      ExprPtr moved;
      if (functions_below && plan::is_deterministic(*c) && !has_function(*c)) moved = through(*project, c);
      (moved ? below : above).push_back(moved ? moved : c);
    }
    if (functions_below && !below.empty()) {
      PlanPtr inner = project->children[0];
      for (const auto& c : below) inner = plan::make_filter(inner, c);
      PlanPtr out = plan::with_plan_children(filter.children[0], {inner});
      for (const auto& c : above) out = plan::make_filter(out, c);
      return out;
    }
    // In one condition: what needs no function first.
    bool mixed = std::any_of(all.begin(), all.end(), [](const ExprPtr& c) { return has_function(*c); }) &&
                 std::any_of(all.begin(), all.end(), [](const ExprPtr& c) { return !has_function(*c) && plan::is_deterministic(*c); });
    if (!mixed || !plan::is_deterministic(*filter.condition)) return p;
    PlanPtr out = filter.children[0];
    for (const auto& c : all) {
      if (!has_function(*c)) out = plan::make_filter(out, c);
    }
    for (const auto& c : all) {
      if (has_function(*c)) out = plan::make_filter(out, c);
    }
    return out;
  }

  // The expression over the projection's child; null if it needs a function or something that must not be computed twice.
  ExprPtr through(const plan::Project& project, const ExprPtr& e) {
    bool possible = true;
    auto moved = plan::transform(e, [&](const ExprPtr& x) -> ExprPtr {
      auto* ref = plan::try_as<plan::AttributeRef>(*x);
      if (x->kind == ExprKind::kSubquery) possible = false;
      if (!ref || ref->outer) return nullptr;
      for (const auto& named : project.expressions) {
        auto* alias = plan::try_as<plan::Alias>(*named);
        if (!alias || alias->id != ref->id) continue;
        if (has_function(*named) || !plan::is_deterministic(*named)) possible = false;
        return alias->children[0];
      }
      return nullptr;
    });
    return possible ? moved : nullptr;
  }

  // ---- scalar functions

  // A column of the child for an argument: itself, or one that the list of added columns computes.
  ExprPtr as_column(const ExprPtr& e, const plan::LogicalPlan& child, std::vector<ExprPtr>& added) {
    if (auto* ref = plan::try_as<plan::AttributeRef>(*e)) {
      if (ref->outer) throw not_built("a Python function over a column of the query around a subquery");
      if (output_ids(child).contains(ref->id)) return e;
    }
    if (plan::is_deterministic(*e)) {
      for (const auto& a : added) {
        if (plan::semantic_equals(*a->children[0], *e)) return plan::make_ref(plan::to_attribute(*a));
      }
    }
    if (plan::any_of(*e, [](const Expression& x) { return plan::try_as<plan::AttributeRef>(x) && plan::as<plan::AttributeRef>(x).outer; })) {
      throw not_built("a Python function over a column of the query around a subquery");
    }
    auto alias = plan::make_alias(e, "argument", true, plan::next_expr_id());
    added.push_back(alias);
    return plan::make_ref(plan::to_attribute(*alias));
  }

  // The function with columns for arguments, chains kept.
  ExprPtr with_columns(const ExprPtr& e, const plan::LogicalPlan& child, std::vector<ExprPtr>& added) {
    std::vector<ExprPtr> arguments;
    for (const auto& a : e->children) arguments.push_back(is_scalar(*a) ? with_columns(a, child, added) : as_column(a, child, added));
    return plan::with_children(e, std::move(arguments));
  }

  static PlanPtr with_added(PlanPtr child, const std::vector<ExprPtr>& added) {
    if (added.empty()) return child;
    auto list = refs_of(child->output);
    list.insert(list.end(), added.begin(), added.end());
    return plan::make_project(std::move(child), std::move(list));
  }

  static plan::Attribute attribute(const ExprPtr& alias) {
    auto a = plan::to_attribute(*alias);
    a.nullable = true;
    return a;
  }

  // Whether the function can be computed in one call: its arguments need no Python, or are one chain of the same kind.
  static bool ready(const UserFunction& f) {
    if (f.children.size() == 1 && is_scalar(*f.children[0])) {
      const auto& inner = plan::as<UserFunction>(*f.children[0]);
      return f.argument_names.empty() && inner.eval_type == f.eval_type && !eval::is_iterator(f.eval_type) && inner.python_version == f.python_version && ready(inner);
    }
    return std::none_of(f.children.begin(), f.children.end(), [](const ExprPtr& c) { return has_scalar(*c); });
  }

  // Whether the rows cannot be had by a query of their own: they hang on rows of a query around, or on the step of a recursion.
  bool bound(const plan::LogicalPlan& p) const {
    if (!plan::outer_references(p).empty()) return true;
    if (recursive_.empty()) return false;
    bool reads = false;
    auto look = [&](auto& self, const plan::LogicalPlan& x) -> void {
      auto* ref = plan::try_as<plan::CteRef>(x);
      reads = reads || (ref && recursive_.contains(ref->id));
      for (const auto& c : x.children) self(self, *c);
      if (auto* scope = plan::try_as<plan::CteScope>(x)) {
        for (const auto& d : scope->definitions) self(self, *d.plan);
      }
    };
    look(look, p);
    return reads;
  }

  // Evaluates the scalar functions in these expressions over the child, pass by pass. What depends on rows that no pass can see stays
  // where it is and is computed in place.
  PlanPtr evaluate(PlanPtr child, std::vector<ExprPtr*> expressions) {
    if (bound(*child)) return child;
    for (;;) {
      std::vector<ExprPtr> functions;
      int kind = 0;
      std::string version;
      auto collect = [&](auto& self, const ExprPtr& e) -> void {
        if (auto* u = plan::try_as<UserFunction>(*e); u && eval::is_scalar(u->eval_type) && !refers_outside(*u) && ready(*u)) {
          if (functions.empty()) kind = u->eval_type, version = u->python_version;
          else if (eval::is_iterator(kind) || u->eval_type != kind || u->python_version != version) return;
          bool known = plan::is_deterministic(*e) && std::any_of(functions.begin(), functions.end(), [&](const ExprPtr& f) { return same(f, e); });
          if (!known) functions.push_back(e);
          return;
        }
        plan::visit_children(*e, [&](const ExprPtr& c) { self(self, c); });
      };
      for (auto* e : expressions) {
        if (*e) collect(collect, *e);
      }
      if (functions.empty()) return child;
      std::vector<ExprPtr> added;
      auto node = std::make_shared<PythonEval>();
      node->eval_type = kind;
      for (const auto& f : functions) {
        node->functions.push_back(plan::make_alias(with_columns(f, *child, added), plan::as<UserFunction>(*f).name, true, plan::next_expr_id()));
      }
      child = with_added(std::move(child), added);
      node->children = {child};
      node->output = child->output;
      for (const auto& f : node->functions) node->output.push_back(attribute(f));
      for (auto* e : expressions) {
        if (!*e) continue;
        *e = replaced(*e, functions, node->functions);
      }
      child = node;
    }
  }

  static bool same(const ExprPtr& a, const ExprPtr& b) { return a == b || (plan::is_deterministic(*a) && plan::semantic_equals(*a, *b)); }

  // Top down, so that the inner function of a chain is not replaced first.
  static ExprPtr replaced(const ExprPtr& e, const std::vector<ExprPtr>& functions, const std::vector<ExprPtr>& results) {
    for (size_t i = 0; i < functions.size(); ++i) {
      if (e->kind == ExprKind::kUserFunction && same(functions[i], e)) return plan::make_ref(attribute(results[i]));
    }
    return plan::map_children(e, [&](const ExprPtr& c) { return replaced(c, functions, results); });
  }

  // Any node whose expressions see its only child.
  PlanPtr over_child(const std::shared_ptr<plan::LogicalPlan>& node) {
    std::vector<ExprPtr> expressions;
    plan::for_each_expression(*node, [&](ExprPtr& e) {
      if (e && has_grouped(*e)) throw internal_error("a grouped aggregate function outside an aggregate");
      expressions.push_back(e);
    });
    PlanPtr child = node->children.empty() ? std::make_shared<plan::OneRow>() : node->children[0];
    std::vector<ExprPtr*> places;
    for (auto& e : expressions) places.push_back(&e);
    child = evaluate(child, places);
    size_t i = 0;
    plan::for_each_expression(*node, [&](ExprPtr& e) { e = expressions[i++]; });
    if (!node->children.empty()) node->children[0] = child;
    return node;
  }

  PlanPtr join(plan::Join& j) {
    auto left = output_ids(*j.children[0]), right = output_ids(*j.children[1]);
    std::vector<ExprPtr> all, on, after;
    conjuncts(j.condition, all);
    for (const auto& c : all) {
      bool both = plan::any_of(*c, [&](const Expression& x) {
        if (!is_scalar(x)) return false;
        auto refs = references(x);
        return !within(refs, left) && !within(refs, right);
      });
      (both ? after : on).push_back(c);
    }
    bool inner = j.type == plan::JoinType::kInner || j.type == plan::JoinType::kCross;
    if (!after.empty() && !inner) {
      const char* const names[] = {"INNER", "CROSS", "LEFT OUTER", "RIGHT OUTER", "FULL OUTER", "LEFT SEMI", "LEFT ANTI"};
      throw analysis_error("UNSUPPORTED_FEATURE.PYTHON_UDF_IN_ON_CLAUSE", {{"joinType", names[static_cast<int>(j.type)]}});
    }
    for (size_t side = 0; side < 2; ++side) {
      const auto ids = side == 0 ? left : right;
      // Only the functions of this side: those of the other wait for their turn.
      std::vector<ExprPtr> functions;
      for (auto& c : on) {
        plan::any_of(*c, [&](const Expression&) { return false; });
        auto find = [&](auto& self, const ExprPtr& e) -> void {
          if (is_scalar(*e) && within(references(*e), ids)) functions.push_back(e);
          else plan::visit_children(*e, [&](const ExprPtr& x) { self(self, x); });
        };
        find(find, c);
      }
      if (functions.empty()) continue;
      auto results = functions;
      std::vector<ExprPtr*> places;
      for (auto& r : results) places.push_back(&r);
      j.children[side] = evaluate(j.children[side], places);
      for (auto& c : on) c = exchanged(c, functions, results);
    }
    auto joined = std::make_shared<plan::Join>(j);
    joined->condition = conjunction(on, j.condition);
    PlanPtr out = joined;
    for (auto c : after) {
      std::vector<ExprPtr*> places = {&c};
      out = evaluate(out, places);
      auto filter = std::make_shared<plan::Filter>();
      filter->children = {out};
      filter->output = out->output;
      filter->condition = c;
      out = filter;
    }
    if (after.empty()) return out;
    std::vector<ExprPtr> list;
    for (const auto& a : j.output) list.push_back(plan::make_ref(a));
    return plan::make_project(out, std::move(list));
  }

  static ExprPtr exchanged(const ExprPtr& e, const std::vector<ExprPtr>& from, const std::vector<ExprPtr>& to) {
    for (size_t i = 0; i < from.size(); ++i) {
      if (from[i] == e) return to[i];
    }
    return plan::map_children(e, [&](const ExprPtr& c) { return exchanged(c, from, to); });
  }

  // The conjunction of the list; like: some conjunction to copy the operator from.
  static ExprPtr conjunction(const std::vector<ExprPtr>& list, const ExprPtr& like) {
    if (list.empty()) return nullptr;
    ExprPtr out = list[0];
    for (size_t i = 1; i < list.size(); ++i) out = plan::with_children(like, {out, list[i]});
    return out;
  }

  // ---- aggregates

  PlanPtr aggregate(plan::Aggregate& a) {
    bool grouped = std::any_of(a.aggregates.begin(), a.aggregates.end(), [](const ExprPtr& e) { return has_grouped(*e); });
    // A scalar function over results of the aggregate is computed after it.
    auto own = [&](const ExprPtr& e) {
      if (e->kind == ExprKind::kAlias) return false;
      return e->kind == ExprKind::kAggregate || is_grouped(*e) || is_grouping(*e) ||
             std::any_of(a.groupings.begin(), a.groupings.end(), [&](const ExprPtr& g) { return plan::semantic_equals(*g, *e); });
    };
    bool after = std::any_of(a.aggregates.begin(), a.aggregates.end(), [&](const ExprPtr& e) { return scalar_above(e, own); });
    std::vector<ExprPtr> above;
    if (after || grouped) {
      std::vector<ExprPtr> inner;
      auto pull = [&](auto& self, const ExprPtr& e) -> ExprPtr {
        if (own(e)) {
          for (const auto& known : inner) {
            if (plan::is_deterministic(*e) && plan::semantic_equals(*known->children[0], *e)) return plan::make_ref(plan::to_attribute(*known));
          }
          auto alias = plan::make_alias(e, "agg", true, plan::next_expr_id());
          inner.push_back(alias);
          return plan::make_ref(plan::to_attribute(*alias));
        }
        return plan::map_children(e, [&](const ExprPtr& c) { return self(self, c); });
      };
      for (size_t i = 0; i < a.aggregates.size(); ++i) {
        const auto& e = a.aggregates[i];
        auto pulled = pull(pull, e);
        if (pulled->kind != ExprKind::kAlias || plan::as<plan::Alias>(*pulled).id != a.output[i].id) {
          pulled = plan::make_alias(pulled->kind == ExprKind::kAlias ? pulled->children[0] : pulled, a.output[i].name, true, a.output[i].id);
        }
        above.push_back(pulled);
      }
      a.aggregates = inner;
      a.output.clear();
      for (const auto& e : inner) a.output.push_back(plan::to_attribute(*e));
    }
    PlanPtr out = grouped ? grouped_aggregate(a) : over_child(std::make_shared<plan::Aggregate>(a));
    if (above.empty()) return out;
    std::vector<ExprPtr*> places;
    for (auto& e : above) places.push_back(&e);
    out = evaluate(out, places);
    return plan::make_project(out, std::move(above));
  }

  // Whether a scalar function stands outside what the aggregate itself computes.
  template <class F> static bool scalar_above(const ExprPtr& e, const F& own) {
    if (own(e)) return false;
    if (is_scalar(*e)) return true;
    bool found = false;
    plan::visit_children(*e, [&](const ExprPtr& c) { found = found || scalar_above(c, own); });
    return found;
  }

  // Every aggregate is an Alias of a grouping expression or of a grouped function.
  PlanPtr grouped_aggregate(const plan::Aggregate& a) {
    std::string names;
    bool mixed = false;
    for (const auto& e : a.aggregates) {
      const auto& x = e->children[0];
      if (is_grouped(*x)) names += (names.empty() ? "" : ", ") + quote_identifier(plan::as<UserFunction>(*x).name);
      else mixed |= x->kind == ExprKind::kAggregate && !is_grouping(*x);
    }
    if (mixed) throw analysis_error("INVALID_PANDAS_UDF_PLACEMENT", {{"functionList", names}});
    // Scalar functions inside arguments and keys first.
    std::vector<ExprPtr> keys = a.groupings, functions;
    for (const auto& e : a.aggregates) functions.push_back(e->children[0]);
    const std::vector<ExprPtr> asked = functions;
    std::vector<ExprPtr*> places;
    for (auto& k : keys) places.push_back(&k);
    for (auto& f : functions) places.push_back(&f);
    PlanPtr child = evaluate(a.children[0], places);
    std::vector<ExprPtr> added;
    for (auto& k : keys) k = as_column(k, *child, added);
    std::vector<ExprPtr> numbers;   // of a.aggregates: what grouping() and grouping_id() are
    if (a.grouping_sets) {
      child = expanded(with_added(child, added), a, asked, keys, numbers);
      added.clear();
    }
    auto node = std::make_shared<PythonEval>();
    node->over = PythonEval::Over::kGroups;
    node->keys = keys;
    std::vector<ExprPtr> results;   // of a.aggregates
    for (size_t i = 0; i < functions.size(); ++i) {
      if (is_grouped(*functions[i])) {
        int kind = plan::as<UserFunction>(*functions[i]).eval_type;
        if (node->functions.empty()) node->eval_type = kind;
        if (kind != node->eval_type) throw not_built("Python aggregate functions of different kinds in one aggregate");
        std::vector<ExprPtr> arguments;
        for (const auto& x : functions[i]->children) arguments.push_back(as_column(x, *child, added));
        node->functions.push_back(plan::make_alias(plan::with_children(functions[i], std::move(arguments)), "agg", true, plan::next_expr_id()));
        results.push_back(plan::make_ref(attribute(node->functions.back())));
      } else if (i < numbers.size() && numbers[i]) {
        results.push_back(numbers[i]);
      } else {
        for (size_t k = 0; k < a.groupings.size() && results.size() == i; ++k) {
          if (plan::semantic_equals(*a.groupings[k], *asked[i])) results.push_back(keys[k]);
        }
        if (results.size() == i) throw internal_error("an output of an aggregate is no key");
      }
    }
    node->children = {with_added(child, added)};
    std::set<plan::ExprId> seen;
    for (const auto& k : keys) {
      auto key = plan::to_attribute(*k);
      if (seen.insert(key.id).second) node->output.push_back(key);
    }
    for (const auto& f : node->functions) node->output.push_back(attribute(f));
    std::vector<ExprPtr> list;
    for (size_t i = 0; i < results.size(); ++i) list.push_back(plan::make_alias(results[i], a.output[i].name, true, a.output[i].id));
    return plan::make_project(node, std::move(list));
  }

  static bool is_grouping(const Expression& e) {
    auto* call = plan::try_as<plan::Call>(e);
    auto* aggregate = plan::try_as<plan::AggregateCall>(e);
    std::string_view name = call ? std::string_view(call->name) : aggregate ? std::string_view(aggregate->name) : "";
    return name == "grouping" || name == "grouping_id";
  }

  // Each row once for every grouping set, keys that are not in the set null there. keys: of the groupings, then of the sets.
  // Source: Expand.
  PlanPtr expanded(const PlanPtr& child, const plan::Aggregate& a, const std::vector<ExprPtr>& asked, std::vector<ExprPtr>& keys, std::vector<ExprPtr>& numbers) {
    const size_t n = a.groupings.size();
    auto sets = std::make_shared<plan::Values>();
    auto column = [&](const std::string& name, plan::TypeId type) {
      plan::Attribute c;
      c.id = plan::next_expr_id();
      c.name = name;
      c.type = type;
      c.nullable = false;
      sets->output.push_back(c);
      return plan::make_ref(c);
    };
    // The number of the set, for each grouping whether it is left out, then what is asked for.
    auto set_number = column("set", plan::TypeId::kInt);
    std::vector<ExprPtr> left_out;
    for (size_t k = 0; k < n; ++k) left_out.push_back(column("left_out", plan::TypeId::kBoolean));
    numbers.assign(asked.size(), nullptr);
    for (size_t i = 0; i < asked.size(); ++i) {
      if (is_grouping(*asked[i])) numbers[i] = column("grouping", asked[i]->type.id());
    }
    for (size_t s = 0; s < a.grouping_sets->size(); ++s) {
      const auto& set = (*a.grouping_sets)[s];
      std::vector<bool> out(n);
      for (size_t k = 0; k < n; ++k) out[k] = std::find(set.begin(), set.end(), static_cast<int>(k)) == set.end();
      std::vector<ExprPtr> row = {plan::make_int(static_cast<int32_t>(s))};
      for (size_t k = 0; k < n; ++k) row.push_back(plan::make_literal(plan::TypeId::kBoolean, plan::Value{static_cast<bool>(out[k])}));
      for (size_t i = 0; i < asked.size(); ++i) {
        if (!numbers[i]) continue;
        int64_t bits = 0;
        auto add = [&](size_t k) { bits = bits << 1 | (out[k] ? 1 : 0); };
        for (const auto& c : asked[i]->children) {
          size_t k = 0;
          while (k < n && !plan::semantic_equals(*a.groupings[k], *c)) ++k;
          if (k == n) throw internal_error("grouping() of what is no grouping");
          add(k);
        }
        if (asked[i]->children.empty()) {
          for (size_t k = 0; k < n; ++k) add(k);
        }
        row.push_back(plan::make_literal(asked[i]->type, plan::Value{bits}));
      }
      sets->rows.push_back(std::move(row));
    }
    auto cross = std::make_shared<plan::Join>();
    cross->type = plan::JoinType::kCross;
    cross->children = {child, sets};
    cross->output = child->output;
    cross->output.insert(cross->output.end(), sets->output.begin(), sets->output.end());
    auto list = refs_of(cross->output);
    for (size_t k = 0; k < n; ++k) {
      list.push_back(plan::make_alias(builtin("if", {left_out[k], plan::make_null(keys[k]->type), keys[k]}), "key", true, plan::next_expr_id()));
      keys[k] = plan::make_ref(attribute(list.back()));
    }
    keys.push_back(set_number);
    for (const auto& x : numbers) {
      if (x) keys.push_back(x);
    }
    return plan::make_project(cross, std::move(list));
  }

  // ---- windows

  ExprPtr builtin(const char* name, std::vector<ExprPtr> arguments) {
    return plan::resolve_call(*plan::find_function(name), std::move(arguments), plan::CallContext{conf_, plan::EvalMode::kAnsi, name});
  }

  PlanPtr window(plan::Window& w) {
    std::vector<ExprPtr> native, python;
    for (const auto& e : w.expressions) {
      const auto& root = e->children[0];
      (root->kind == ExprKind::kWindow && is_grouped(*root->children[0]) ? python : native).push_back(e);
    }
    PlanPtr child = w.children[0];
    std::vector<ExprPtr*> places;
    for (auto& e : native) places.push_back(&e);
    for (auto& e : python) places.push_back(&e);
    child = evaluate(child, places);
    child = native_window(child, native);
    while (!python.empty()) {
      // Functions over the same partitions and order share a pass.
      const auto first = std::static_pointer_cast<const plan::WindowExpr>(python[0]->children[0]);
      int kind = plan::as<UserFunction>(*first->children[0]).eval_type;
      std::vector<ExprPtr> now, later;
      for (const auto& e : python) {
        const auto& x = plan::as<plan::WindowExpr>(*e->children[0]);
        bool together = plan::as<UserFunction>(*x.children[0]).eval_type == kind && same_list(x.partition_by, first->partition_by) && same_list(x.order_by, first->order_by);
        (together ? now : later).push_back(e);
      }
      python = later;
      std::vector<ExprPtr> added;
      auto node = std::make_shared<PythonEval>();
      node->over = PythonEval::Over::kWindow;
      node->eval_type = eval::in_window(kind);
      for (const auto& k : first->partition_by) node->keys.push_back(as_column(k, *child, added));
      std::vector<std::vector<ExprPtr>> arguments;
      for (const auto& e : now) {
        arguments.emplace_back();
        for (const auto& x : e->children[0]->children[0]->children) arguments.back().push_back(as_column(x, *child, added));
      }
      // The order of rows: where they stand in their partition, counted from 0.
      child = with_added(child, added);
      auto row = std::make_shared<plan::WindowExpr>();
      row->children = {builtin("row_number", {})};
      row->type = row->children[0]->type;
      row->nullable = false;
      row->partition_by = first->partition_by;
      row->order_by = first->order_by;
      row->rows = true;
      row->lower.kind = plan::FrameBound::Kind::kUnbounded;
      row->upper.kind = plan::FrameBound::Kind::kCurrentRow;
      auto number = plan::make_alias(row, "row", true, plan::next_expr_id());
      child = native_window(child, {number});
      auto position = plan::make_ref(plan::to_attribute(*number));
      auto order = std::make_shared<plan::SortOrder>();
      order->children = {position};
      order->type = position->type;
      node->order = {order};
      std::vector<ExprPtr> bounds;
      for (size_t i = 0; i < now.size(); ++i) {
        const auto& x = plan::as<plan::WindowExpr>(*now[i]->children[0]);
        bool unbounded = x.lower.kind == plan::FrameBound::Kind::kUnbounded && x.upper.kind == plan::FrameBound::Kind::kUnbounded;
        node->bounded.push_back(!unbounded);
        if (!unbounded) {
          ExprPtr ends[2];
          for (int end = 0; end < 2; ++end) {
            auto over = std::make_shared<plan::WindowExpr>(x);
            over->children = {builtin(end == 0 ? "min" : "max", {position})};
            over->type = over->children[0]->type;
            over->nullable = true;
            auto alias = plan::make_alias(over, "bound", true, plan::next_expr_id());
            bounds.push_back(alias);
            ends[end] = plan::make_ref(plan::to_attribute(*alias));
          }
          arguments[i].insert(arguments[i].begin(), {ends[0], ends[1]});
        }
      }
      if (!bounds.empty()) {
        child = native_window(child, bounds);
        // An empty frame has no bounds: from 0 to 0. Rows are counted from 1, the upper bound is exclusive.
        std::vector<ExprPtr> list = refs_of(child->output);
        for (size_t i = 0; i < now.size(); ++i) {
          if (!node->bounded[i]) continue;
          auto lower = builtin("-", {builtin("coalesce", {arguments[i][0], plan::make_int(1)}), plan::make_int(1)});
          auto upper = builtin("coalesce", {arguments[i][1], plan::make_int(0)});
          for (size_t end = 0; end < 2; ++end) {
            auto alias = plan::make_alias(end == 0 ? lower : upper, "bound", true, plan::next_expr_id());
            list.push_back(alias);
            arguments[i][end] = plan::make_ref(plan::to_attribute(*alias));
          }
        }
        child = plan::make_project(child, std::move(list));
      }
      for (size_t i = 0; i < now.size(); ++i) {
        auto f = std::make_shared<UserFunction>(plan::as<UserFunction>(*now[i]->children[0]->children[0]));
        if (!f->argument_names.empty() && node->bounded[i]) f->argument_names.insert(f->argument_names.begin(), 2, "");
        f->children = arguments[i];
        auto out = plan::to_attribute(*now[i]);
        node->functions.push_back(plan::make_alias(f, out.name, true, out.id));
      }
      node->children = {child};
      node->output = child->output;
      for (const auto& f : node->functions) node->output.push_back(attribute(f));
      child = node;
    }
    std::vector<ExprPtr> list;
    for (const auto& a : w.output) list.push_back(plan::make_ref(a));
    return plan::make_project(child, std::move(list));
  }

  static PlanPtr native_window(PlanPtr child, const std::vector<ExprPtr>& expressions) {
    if (expressions.empty()) return child;
    auto node = std::make_shared<plan::Window>();
    node->expressions = expressions;
    node->output = child->output;
    for (const auto& e : expressions) node->output.push_back(plan::to_attribute(*e));
    node->children = {std::move(child)};
    return node;
  }

  static bool same_list(const std::vector<ExprPtr>& a, const std::vector<ExprPtr>& b) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); ++i) {
      if (!plan::semantic_equals(*a[i], *b[i])) return false;
    }
    return true;
  }

  // ---- table functions

  PlanPtr generate(plan::Generate& g) {
    auto* f = plan::try_as<UserFunction>(*g.generator);
    if (!f || !eval::is_table(f->eval_type)) return over_child(std::make_shared<plan::Generate>(g));
    std::vector<ExprPtr> arguments = f->children;
    std::vector<ExprPtr*> places;
    for (auto& a : arguments) places.push_back(&a);
    PlanPtr child = evaluate(g.children[0], places);
    std::vector<ExprPtr> added;
    for (auto& a : arguments) a = as_column(a, *child, added);
    auto call = plan::with_children(g.generator, std::move(arguments));
    auto node = std::make_shared<PythonEval>();
    node->over = PythonEval::Over::kTable;
    node->eval_type = f->eval_type;
    node->outer = g.outer;
    node->functions = {plan::make_alias(call, f->name, true, plan::next_expr_id())};
    node->children = {with_added(child, added)};
    node->output = node->children[0]->output;
    for (auto a : g.generator_output) {
      a.nullable = true;
      node->output.push_back(a);
    }
    std::vector<ExprPtr> list;
    for (const auto& o : g.output) list.push_back(plan::make_ref(o));
    return plan::make_project(node, std::move(list));
  }

  const plan::SessionConf& conf_;
  std::set<int64_t> recursive_;   // recursive queries in whose step we are
};

}  // namespace

std::set<plan::ExprId> references(const Expression& e) {
  std::set<plan::ExprId> ids;
  plan::any_of(e, [&](const Expression& x) {
    if (auto* ref = plan::try_as<plan::AttributeRef>(x)) ids.insert(ref->id);
    return false;
  });
  return ids;
}

std::set<plan::ExprId> output_ids(const plan::LogicalPlan& p) {
  std::set<plan::ExprId> ids;
  for (const auto& a : p.output) ids.insert(a.id);
  return ids;
}

bool within(const std::set<plan::ExprId>& ids, const std::set<plan::ExprId>& of) { return std::includes(of.begin(), of.end(), ids.begin(), ids.end()); }

void conjuncts(const ExprPtr& e, std::vector<ExprPtr>& out) {
  auto* call = plan::try_as<plan::Call>(*e);
  if (call && call->function && call->function->name() == "and") {
    for (const auto& c : call->children) conjuncts(c, out);
  } else {
    out.push_back(e);
  }
}

bool refers_outside(const Expression& e) {
  return plan::any_of(e, [](const Expression& x) {
    auto* ref = plan::try_as<plan::AttributeRef>(x);
    return ref && ref->outer;
  });
}

PlanPtr extract(const PlanPtr& plan, const plan::SessionConf& conf) {
  if (!plan_has_functions(plan)) return plan;
  return Extractor(conf).rewrite(plan);
}

}  // namespace tarn::engine::python_functions
