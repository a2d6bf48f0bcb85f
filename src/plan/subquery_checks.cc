// What Spark allows inside a subquery that refers to the query around. Source: ValidateSubqueryExpression.
#include <algorithm>
#include <set>

#include "plan/analyzer_impl.h"

namespace tarn::plan {

namespace {

bool is_outer(const Expression& e) {
  auto* a = try_as<AttributeRef>(e);
  return a && a->outer;
}
bool contains_outer(const Expression& e) { return any_of(e, is_outer); }

SparkError unsupported(const char* kind, ErrorParams params) { return analysis_error(std::string("UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.") + kind, std::move(params)); }

// One walk over the plan of a subquery.
class CorrelationCheck {
 public:
  CorrelationCheck(const SessionConf& conf, bool lateral) : conf_(conf), lateral_(lateral), decorrelates_(conf.flag("spark.sql.optimizer.decorrelateInnerQuery.enabled")) {}

  void check(const PlanPtr& p, bool aggregated, bool can_contain_outer) {
    if (!can_contain_outer) {
      visit_expressions(*p, [&](const ExprPtr& e) {
        if (contains_outer(*e)) throw unsupported("ACCESSING_OUTER_QUERY_COLUMN_IS_NOT_ALLOWED", {{"treeNode", tree_string(*p)}});
      });
    }
    auto children = [&](bool contain) {
      for (const auto& c : p->children) check(c, aggregated, contain);
    };
    switch (p->kind) {
      case PlanKind::kProject:
      case PlanKind::kFilter:
        if (!(p->kind == PlanKind::kFilter || decorrelates_)) refuse_outer(*p);
        if (p->kind == PlanKind::kFilter && aggregated && !decorrelates_) check_predicate(as<Filter>(*p));
        return children(can_contain_outer);
      case PlanKind::kSort:
      case PlanKind::kRepartition:
      case PlanKind::kCollectMetrics: refuse_outer(*p); return children(can_contain_outer);
      case PlanKind::kSetOperation: return children(can_contain_outer && decorrelates_ && conf_.flag("spark.sql.optimizer.decorrelateSetOps.enabled"));
      case PlanKind::kAggregate:
      case PlanKind::kWindow: refuse_outer(*p); return check(p->children[0], true, can_contain_outer);
      case PlanKind::kDistinct: return check(p->children[0], lateral_, can_contain_outer);
      case PlanKind::kJoin: {
        const auto& j = as<Join>(*p);
        if (!decorrelates_) refuse_outer(*p);
        bool left = can_contain_outer, right = can_contain_outer;
        switch (j.type) {
          case JoinType::kInner:
          case JoinType::kCross: break;
          case JoinType::kLeftOuter:
          case JoinType::kLeftSemi:
          case JoinType::kLeftAnti: right = false; break;
          case JoinType::kRightOuter: left = false; break;
          case JoinType::kFullOuter: left = right = false;
        }
        check(p->children[0], aggregated, left);
        // The right side of a lateral join is a subquery of its own.
        if (!j.lateral) check(p->children[1], aggregated, right);
        return;
      }
      case PlanKind::kGenerate: {
        // A generator beside a table is like a join; alone it ends the correlation.
        bool beside = !p->children[0]->output.empty();
        if (beside) refuse_outer(*p);
        return children(can_contain_outer && beside);
      }
      case PlanKind::kLimit: {
        refuse_outer(*p);
        const auto& l = as<Limit>(*p);
        bool allowed = (!l.limit || conf_.flag("spark.sql.optimizer.decorrelateLimit.enabled")) && (!l.offset || conf_.flag("spark.sql.optimizer.decorrelateOffset.enabled"));
        return children(can_contain_outer && allowed);
      }
      case PlanKind::kCteScope: return children(can_contain_outer);
      default: return children(p->children.empty() ? can_contain_outer : false);
    }
  }

 private:
  static void refuse_outer(const LogicalPlan& p) {
    std::string bad;
    visit_expressions(p, [&](const ExprPtr& e) {
      if (contains_outer(*e)) bad += (bad.empty() ? "" : ",") + quote_sql(pretty_sql(*e));
    });
    if (!bad.empty()) throw unsupported("CORRELATED_REFERENCE", {{"sqlExprs", bad}});
  }

  // Below an aggregate only equalities of an inner with an outer column, when subqueries are pulled up the old way.
  static void check_predicate(const Filter& f) {
    std::vector<ExprPtr> conjuncts{f.condition};
    while (!conjuncts.empty()) {
      auto e = conjuncts.back();
      conjuncts.pop_back();
      auto* c = try_as<Call>(*e);
      if (c && c->name == "and") {
        conjuncts.insert(conjuncts.end(), c->children.begin(), c->children.end());
        continue;
      }
      if (!contains_outer(*e)) continue;
      bool equality = c && (c->name == "=" || c->name == "==" || c->name == "<=>") && contains_outer(*c->children[0]) != contains_outer(*c->children[1]);
      const auto& inner = equality ? c->children[contains_outer(*c->children[0]) ? 1 : 0] : e;
      if (!equality || inner->kind != ExprKind::kAttribute)
        throw unsupported("CORRELATED_COLUMN_IS_NOT_ALLOWED_IN_PREDICATE", {{"treeNode", tree_string(f)}});
    }
  }

  const SessionConf& conf_;
  bool lateral_, decorrelates_;
};

void split_and(const ExprPtr& e, std::vector<ExprPtr>& out) {
  auto* c = try_as<Call>(*e);
  if (c && c->name == "and") {
    for (const auto& x : c->children) split_and(x, out);
  } else {
    out.push_back(e);
  }
}

// Inner expressions that a predicate holds equal to one value for every outer row.
void held_equal(const PlanPtr& p, std::vector<ExprPtr>& out, bool constants) {
  switch (p->kind) {
    case PlanKind::kFilter: {
      std::vector<ExprPtr> list;
      split_and(as<Filter>(*p).condition, list);
      for (const auto& e : list) {
        auto* c = try_as<Call>(*e);
        if (!c || c->children.size() != 2 || !(c->name == "=" || c->name == "==" || c->name == "<=>") || (!constants && !contains_outer(*e))) continue;
        // One side without columns of its own.
        auto fixed = [](const Expression& x) {
          return !any_of(x, [](const Expression& y) { return (y.kind == ExprKind::kAttribute && !as<AttributeRef>(y).outer) || y.kind == ExprKind::kSubquery; });
        };
        for (size_t i : {size_t{0}, size_t{1}})
          if (fixed(*c->children[1 - i]) && !fixed(*c->children[i])) out.push_back(c->children[i]);
      }
      return held_equal(p->children[0], out, constants);
    }
    case PlanKind::kJoin: {
      auto type = as<Join>(*p).type;
      if (type == JoinType::kFullOuter) return;
      if (type != JoinType::kRightOuter) held_equal(p->children[0], out, constants);
      if (type == JoinType::kInner || type == JoinType::kCross || type == JoinType::kRightOuter) held_equal(p->children[1], out, constants);
      return;
    }
    case PlanKind::kSetOperation:
      if (as<SetOperation>(*p).type == SetOperationType::kUnion) return;
      return held_equal(p->children[0], out, constants);
    case PlanKind::kAggregate:
    case PlanKind::kDistinct:
    case PlanKind::kLimit:
    case PlanKind::kProject:
    case PlanKind::kRepartition:
    case PlanKind::kSample:
    case PlanKind::kSort:
    case PlanKind::kWindow:
    case PlanKind::kTail:
    case PlanKind::kCteScope: return held_equal(p->children[0], out, constants);
    default: return;
  }
}

ExprPtr without_implicit_casts(const ExprPtr& e) {
  return e->kind == ExprKind::kCast && !as<Cast>(*e).user_specified ? without_implicit_casts(e->children[0]) : e;
}

// At most one row for sure.
bool one_row(const LogicalPlan& p) {
  switch (p.kind) {
    case PlanKind::kOneRow: return true;
    case PlanKind::kProject:
    case PlanKind::kFilter:
    case PlanKind::kSort:
    case PlanKind::kDistinct:
    case PlanKind::kWindow:
    case PlanKind::kRepartition:
    case PlanKind::kCteScope: return one_row(p.child());
    case PlanKind::kAggregate: return as<Aggregate>(p).groupings.empty() && !as<Aggregate>(p).grouping_sets;
    case PlanKind::kValues: return as<Values>(p).rows.size() <= 1;
    case PlanKind::kLimit: {
      auto* l = try_as<Literal>(as<Limit>(p).limit);
      auto* n = l ? std::get_if<int64_t>(&l->value.v) : nullptr;
      return (n && *n <= 1) || one_row(p.child());
    }
    case PlanKind::kJoin: return (as<Join>(p).type == JoinType::kInner || as<Join>(p).type == JoinType::kCross) && one_row(p.child(0)) && one_row(p.child(1));
    default: return false;
  }
}

}  // namespace

bool is_deterministic_plan(const PlanPtr& plan) {
  bool yes = true;
  visit_plan(plan, [&](const PlanPtr& p) {
    visit_expressions(*p, [&](const ExprPtr& e) { yes = yes && is_deterministic(*e); });
    return yes;
  });
  return yes;
}

void Analyzer::check_correlation(const PlanPtr& plan, bool lateral) { CorrelationCheck(conf_, lateral).check(plan, false, true); }

void Analyzer::check_scalar(const PlanPtr& plan) {
  if (conf_.flag("spark.sql.optimizer.scalarSubqueryUseSingleJoin") || outer_references(*plan).empty()) return;
  PlanPtr p = plan;
  while (p->kind == PlanKind::kProject) p = p->children[0];
  PlanPtr below = p->kind == PlanKind::kFilter ? p->children[0] : p;
  if (below->kind == PlanKind::kAggregate) {
    const auto& a = as<Aggregate>(*below);
    if (std::none_of(a.aggregates.begin(), a.aggregates.end(), [](const ExprPtr& e) { return contains_aggregate(*e); }))
      throw unsupported("MUST_AGGREGATE_CORRELATED_SCALAR_SUBQUERY", {});
    std::vector<ExprPtr> held;
    held_equal(below, held, conf_.flag("spark.sql.analyzer.scalarSubqueryAllowGroupByColumnEqualToConstant"));
    const bool legacy = conf_.flag("spark.sql.legacy.scalarSubqueryAllowGroupByNonEqualityCorrelatedPredicate");
    std::set<ExprId> correlated;
    if (legacy)
      visit_plan(plan, [&](const PlanPtr& n) {
        if (auto* f = try_as<Filter>(*n)) {
          std::vector<ExprPtr> list;
          split_and(f->condition, list);
          for (const auto& e : list)
            if (contains_outer(*e))
              for (ExprId id : referenced_ids(*e)) correlated.insert(id);
        }
        return true;
      });
    std::string bad;
    for (const auto& g : a.groupings) {
      auto ids = referenced_ids(*g);
      if (ids.empty()) continue;
      bool good = legacy ? std::all_of(ids.begin(), ids.end(), [&](ExprId id) { return correlated.count(id) > 0; })
                         : std::any_of(held.begin(), held.end(), [&](const ExprPtr& h) { return semantic_equals(*without_implicit_casts(h), *without_implicit_casts(g)); });
      if (!good) bad += (bad.empty() ? "" : ",") + pretty_sql(*g);
    }
    if (!bad.empty()) throw unsupported("NON_CORRELATED_COLUMNS_IN_GROUP_BY", {{"value", bad}});
  } else if (!one_row(*p)) {
    throw unsupported("MUST_AGGREGATE_CORRELATED_SCALAR_SUBQUERY", {});
  }
}

void Analyzer::check_no_predicate_subquery(const Expression& e, const PlanPtr& plan) {
  any_of(e, [&](const Expression& x) {
    auto* s = try_as<SubqueryExpr>(x);
    if (!s) return false;
    if (s->form != SubqueryExpr::Form::kScalar) throw unsupported("UNSUPPORTED_IN_EXISTS_SUBQUERY", {{"treeNode", "Sort\n+- " + tree_string(*plan)}});
    if (!outer_references(*s->plan).empty()) throw unsupported("UNSUPPORTED_CORRELATED_SCALAR_SUBQUERY", {{"treeNode", "Sort\n+- " + tree_string(*plan)}});
    return false;
  });
}

void Analyzer::check_lateral(const PlanPtr& left, const PlanPtr& right, const ExprPtr& condition) {
  // A call of a Python table function alone runs over the left side's rows: it may be nondeterministic, as such functions are by default.
  const LogicalPlan* alone = right.get();
  while (alone->kind == PlanKind::kProject) alone = alone->children[0].get();
  auto* g = try_as<Generate>(*alone);
  bool table_function = g && g->generator->kind == ExprKind::kUserFunction && g->children[0]->kind == PlanKind::kOneRow;
  if (!table_function && !is_deterministic_plan(right) && !one_row(*left)) throw unsupported("NON_DETERMINISTIC_LATERAL_SUBQUERIES", {{"treeNode", tree_string(*right)}});
  if (condition && !is_deterministic(*condition)) throw unsupported("LATERAL_JOIN_CONDITION_NON_DETERMINISTIC", {{"condition", pretty_sql(*condition)}});
  check_correlation(right, true);
}

}  // namespace tarn::plan
