// Joins. Source: ResolveNaturalAndUsingJoin, CheckAnalysis, LateralJoin, RewriteAsOfJoin.
#include <algorithm>
#include <set>

#include "plan/analyzer_impl.h"

namespace tarn::plan {

namespace {

JoinType join_type(int t) {
  switch (t) {
    case sc::Join::JOIN_TYPE_UNSPECIFIED:
    case sc::Join::JOIN_TYPE_INNER: return JoinType::kInner;
    case sc::Join::JOIN_TYPE_FULL_OUTER: return JoinType::kFullOuter;
    case sc::Join::JOIN_TYPE_LEFT_OUTER: return JoinType::kLeftOuter;
    case sc::Join::JOIN_TYPE_RIGHT_OUTER: return JoinType::kRightOuter;
    case sc::Join::JOIN_TYPE_LEFT_ANTI: return JoinType::kLeftAnti;
    case sc::Join::JOIN_TYPE_LEFT_SEMI: return JoinType::kLeftSemi;
    case sc::Join::JOIN_TYPE_CROSS: return JoinType::kCross;
    default: throw internal_error("unknown join type");
  }
}

bool shares_ids(const LogicalPlan& a, const LogicalPlan& b) {
  std::set<ExprId> ids;
  for (const auto& x : a.output) ids.insert(x.id);
  for (const auto& x : a.hidden) ids.insert(x.id);
  for (const auto& x : b.output)
    if (ids.count(x.id)) return true;
  for (const auto& x : b.hidden)
    if (ids.count(x.id)) return true;
  return false;
}

std::string join_type_sql(JoinType t) {
  const char* const names[] = {"INNER", "CROSS", "LEFT OUTER", "RIGHT OUTER", "FULL OUTER", "LEFT SEMI", "LEFT ANTI"};
  return names[static_cast<int>(t)];
}

// IN and EXISTS in a join condition may ask about one side only, but in an inner join.
void check_join_subqueries(const ExprPtr& condition, const PlanPtr& left, const PlanPtr& right, JoinType type) {
  if (type == JoinType::kInner || type == JoinType::kCross) return;
  any_of(*condition, [&](const Expression& e) {
    auto* s = try_as<SubqueryExpr>(e);
    if (!s) return false;
    auto ids = referenced_ids(e);
    auto uses = [&](const PlanPtr& p) {
      auto is = [&](const Attribute& a) { return std::find(ids.begin(), ids.end(), a.id) != ids.end(); };
      return std::any_of(p->output.begin(), p->output.end(), is) || std::any_of(p->hidden.begin(), p->hidden.end(), is);
    };
    if (uses(left) && uses(right))
      throw analysis_error("UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.UNSUPPORTED_CORRELATED_EXPRESSION_IN_JOIN_CONDITION", {{"subqueryExpression", quote_sql(pretty_sql(e))}});
    return false;
  });
}

}  // namespace

PlanPtr Analyzer::make_join(PlanPtr left, PlanPtr right, JoinType type, ExprPtr condition, bool lateral) {
  auto j = std::make_shared<Join>();
  j->type = type;
  j->lateral = lateral;
  bool one_sided = type == JoinType::kLeftSemi || type == JoinType::kLeftAnti;
  auto take = [&](const LogicalPlan& p, bool optional) {
    for (auto a : p.output) {
      a.nullable = a.nullable || optional;
      j->output.push_back(std::move(a));
    }
    for (auto a : p.hidden) {
      a.nullable = a.nullable || optional;
      j->hidden.push_back(std::move(a));
    }
  };
  take(*left, type == JoinType::kRightOuter || type == JoinType::kFullOuter);
  if (!one_sided) take(*right, type == JoinType::kLeftOuter || type == JoinType::kFullOuter);
  j->condition = std::move(condition);
  j->children = {std::move(left), std::move(right)};
  return j;
}

PlanPtr Analyzer::join_sides(const sc::Relation& left_proto, const sc::Relation& right_proto, JoinType type, bool lateral, const sc::Expression* condition_proto,
                             const google::protobuf::RepeatedPtrField<std::string>* columns, bool natural) {
  auto left = relation(left_proto);
  if (lateral && type != JoinType::kInner && type != JoinType::kCross && type != JoinType::kLeftOuter)
    throw analysis_error("INVALID_LATERAL_JOIN_TYPE", {{"joinType", join_type_sql(type)}});
  PlanPtr right;
  std::vector<ExprId> lent;  // hidden columns of the sides that this join reads
  if (lateral) {
    Scope scope = scope_of(left);
    ++subquery_level_;
    struct Back {
      Analyzer& a;
      ~Back() { --a.subquery_level_; }
    } back{*this};
    right = relation_in(right_proto, &scope);
    check_lateral(left, right, nullptr);
    // The right side may take the left's hidden columns.
    std::vector<ExprPtr> outer = outer_references(*right);
    std::vector<ExprId> want;
    for (const auto& r : outer)
      if (std::any_of(left->hidden.begin(), left->hidden.end(), [&](const Attribute& a) { return a.id == as<AttributeRef>(*r).id; })) want.push_back(as<AttributeRef>(*r).id);
    if (!want.empty())
      if (auto wider = expose(left, want)) {
        left = wider;
        lent = want;
      }
  } else {
    right = relation(right_proto);
  }
  if (shares_ids(*left, *right)) right = with_fresh_ids(right);
  if (natural || (columns && columns->size() > 0)) {
    std::vector<std::string> names;
    if (!natural) names.assign(columns->begin(), columns->end());
    return using_join(std::move(left), std::move(right), type, names, natural);
  }
  ExprPtr c;
  if (condition_proto) {
    Scope scope({left, right}, around_, case_sensitive_);
    Env env = env_over(scope, "Join");
    c = condition(*condition_proto, env);
    if (c->type.id() != TypeId::kBoolean)
      throw analysis_error("JOIN_CONDITION_IS_NOT_BOOLEAN_TYPE", {{"joinCondition", quote_sql(pretty_sql(*c))}, {"conditionType", quote_sql(c->type.sql())}});
    if (contains_aggregate(*c) || contains_window(*c) || contains_generator(*c))
      throw analysis_error("UNSUPPORTED_EXPR_FOR_OPERATOR", {{"invalidExprSqls", quote_sql(pretty_sql(*c))}});
    if (lateral && !is_deterministic(*c)) throw analysis_error("UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.LATERAL_JOIN_CONDITION_NON_DETERMINISTIC", {{"condition", pretty_sql(*c)}});
    check_join_subqueries(c, left, right, type);
    for (auto* side : {&left, &right}) {
      auto before = (*side)->output;
      *side = provide(*side, {c});
      for (const auto& a : (*side)->output)
        if (std::none_of(before.begin(), before.end(), [&](const Attribute& b) { return b.id == a.id; })) lent.push_back(a.id);
    }
    if (type == JoinType::kCross) type = JoinType::kInner;
  }
  auto joined = make_join(std::move(left), std::move(right), type, std::move(c), lateral);
  if (lent.empty()) return joined;
  auto own = joined->output;
  std::erase_if(own, [&](const Attribute& a) { return std::find(lent.begin(), lent.end(), a.id) != lent.end(); });
  return restore(std::move(joined), own);
}

PlanPtr Analyzer::using_join(PlanPtr left, PlanPtr right, JoinType type, const std::vector<std::string>& given, bool natural) {
  std::vector<std::string> names = given;
  if (natural) {
    // Each name as often as both sides have it.
    std::vector<bool> taken(right->output.size());
    for (const auto& a : left->output)
      for (size_t i = 0; i < right->output.size(); ++i)
        if (!taken[i] && same_name(a.name, right->output[i].name, case_sensitive_)) {
          names.push_back(a.name);
          taken[i] = true;
          break;
        }
  }
  std::vector<Attribute> left_keys, right_keys;
  auto side = [&](const PlanPtr& p, const std::string& name, const char* which) {
    std::vector<const Attribute*> hits;
    for (const auto& a : p->output)
      if (same_name(a.name, name, case_sensitive_)) hits.push_back(&a);
    if (hits.empty()) {
      std::vector<std::string> all;
      for (const auto& a : p->output) all.push_back(name_text({a.name}));
      std::sort(all.begin(), all.end());
      std::string text;
      for (const auto& x : all) text += (text.empty() ? "" : ", ") + x;
      throw analysis_error("UNRESOLVED_USING_COLUMN_FOR_JOIN", {{"colName", name_text({name})}, {"side", which}, {"suggestion", text}});
    }
    return *hits[0];  // the first, however many
  };
  ExprPtr condition;
  for (const auto& n : names) {
    left_keys.push_back(side(left, n, "left"));
    right_keys.push_back(side(right, n, "right"));
    auto equal = call("=", {make_ref(left_keys.back()), make_ref(right_keys.back())});
    condition = condition ? call("and", {condition, equal}) : equal;
  }
  auto is_key = [](const std::vector<Attribute>& keys, ExprId id) { return std::any_of(keys.begin(), keys.end(), [&](const Attribute& k) { return k.id == id; }); };
  auto joined = make_join(left, right, condition || type != JoinType::kCross ? (type == JoinType::kCross && condition ? JoinType::kInner : type) : type, condition);
  auto from_join = [&](ExprId id) {
    for (const auto& a : joined->output)
      if (a.id == id) return a;
    throw internal_error("a join lost a column");
  };
  std::vector<ExprPtr> list;
  std::vector<Attribute> hidden;
  auto rest = [&](const PlanPtr& p, const std::vector<Attribute>& keys) {
    for (const auto& a : p->output)
      if (!is_key(keys, a.id)) list.push_back(make_ref(from_join(a.id)));
  };
  auto hide = [&](const std::vector<Attribute>& keys) {
    for (const auto& k : keys) {
      Attribute a = from_join(k.id);
      a.qualified_only = true;
      hidden.push_back(std::move(a));
    }
  };
  switch (type) {
    case JoinType::kLeftSemi:
    case JoinType::kLeftAnti:
      for (const auto& k : left_keys) list.push_back(make_ref(from_join(k.id)));
      rest(left, left_keys);
      break;
    case JoinType::kRightOuter:
      for (const auto& k : right_keys) list.push_back(make_ref(from_join(k.id)));
      rest(left, left_keys);
      rest(right, right_keys);
      hide(left_keys);
      break;
    case JoinType::kFullOuter:
      for (size_t i = 0; i < left_keys.size(); ++i)
        list.push_back(make_alias(call("coalesce", {make_ref(from_join(left_keys[i].id)), make_ref(from_join(right_keys[i].id))}), left_keys[i].name));
      rest(left, left_keys);
      rest(right, right_keys);
      hide(left_keys);
      hide(right_keys);
      break;
    default:
      for (const auto& k : left_keys) list.push_back(make_ref(from_join(k.id)));
      rest(left, left_keys);
      rest(right, right_keys);
      hide(right_keys);
  }
  for (const auto& a : joined->hidden) hidden.push_back(a);
  auto out = std::const_pointer_cast<LogicalPlan>(make_project(joined, std::move(list)));
  out->hidden = std::move(hidden);
  return out;
}

PlanPtr Analyzer::join(const sc::Join& j) {
  if (j.has_join_data_type()) throw not_built("joinWith of typed Datasets");
  if (j.has_join_condition() && j.using_columns_size() > 0) throw analysis_error("CONNECT_INVALID_PLAN.USING_COLUMNS_OR_JOIN_CONDITION_SET_IN_JOIN");
  auto type = join_type(j.join_type());
  return join_sides(j.left(), j.right(), type, false, j.has_join_condition() ? &j.join_condition() : nullptr, &j.using_columns(), false);
}

PlanPtr Analyzer::natural_join(const tarn::sql::NaturalJoin& j) {
  return join_sides(j.join().left(), j.join().right(), join_type(j.join().join_type()), j.lateral(), nullptr, nullptr, true);
}

PlanPtr Analyzer::lateral_join(const sc::LateralJoin& j) {
  return join_sides(j.left(), j.right(), join_type(j.join_type()), true, j.has_join_condition() ? &j.join_condition() : nullptr, nullptr, false);
}

// For each left row the right rows that rank best: a lateral sub-select ordered by the ranking.
PlanPtr Analyzer::nearest_by_join(const sc::NearestByJoin& j) {
  if (!conf_.flag("spark.sql.crossJoin.enabled")) throw analysis_error("NEAREST_BY_JOIN.CROSS_JOIN_NOT_ENABLED");
  auto left = relation(j.left());
  auto right = relation(j.right());
  if (shares_ids(*left, *right)) right = with_fresh_ids(right);
  Scope both({left, right}, around_, case_sensitive_);
  Env env = env_over(both, "Join");
  auto ranking = expression(j.ranking_expression(), env);
  if (ranking->kind == ExprKind::kAlias) ranking = ranking->children[0];
  if (!ranking->type.is_orderable())
    throw analysis_error("NEAREST_BY_JOIN.NON_ORDERABLE_RANKING_EXPRESSION", {{"expression", quote_sql(pretty_sql(*ranking))}, {"type", quote_sql(ranking->type.sql())}});
  std::string kind = lower_case(j.join_type()), direction = lower_case(j.direction());
  kind.erase(std::remove(kind.begin(), kind.end(), '_'), kind.end());
  bool outer_join = kind == "left" || kind == "leftouter" || kind == "outer";
  if (!outer_join && kind != "inner" && !kind.empty())
    throw analysis_error("NEAREST_BY_JOIN.UNSUPPORTED_JOIN_TYPE", {{"joinType", j.join_type()}, {"supported", "'INNER', 'LEFT OUTER'"}});
  left = provide(left, {ranking});
  right = provide(right, {ranking});
  const auto columns = right->output;
  // Per left row: left columns are outer references inside.
  auto key = make_alias(transform(ranking, [&](const ExprPtr& x) -> ExprPtr {
    auto* a = try_as<AttributeRef>(*x);
    if (!a || !std::any_of(left->output.begin(), left->output.end(), [&](const Attribute& o) { return o.id == a->id; })) return nullptr;
    auto n = std::make_shared<AttributeRef>(*a);
    n->outer = true;
    return n;
  }), "ranking", true);
  std::vector<ExprPtr> list;
  for (const auto& a : columns) list.push_back(make_ref(a));
  list.push_back(key);
  PlanPtr q = make_project(right, std::move(list));
  auto rank = make_ref(q->output.back());
  q = make_filter(q, call("isnotnull", {rank}));  // no rank: no match
  auto order = std::make_shared<SortOrder>();
  order->type = rank->type;
  order->children.push_back(rank);
  order->ascending = direction == "distance";
  order->nulls_first = false;
  q = make_limit(sort(q, {order}, true), make_int(j.num_results()), nullptr);
  q = restore(q, columns);
  auto joined = make_join(left, q, outer_join ? JoinType::kLeftOuter : JoinType::kInner, outer_join ? make_bool(true) : nullptr, true);
  auto out = joined->clone();
  for (auto& a : out->output) a.nullable = true;
  return out;
}

// For each left row the nearest right row: a lateral sub-select ordered by the distance, of one row.
namespace {
bool is_negative(const Value& value) {
  if (auto* n = std::get_if<int64_t>(&value.v)) return *n < 0;
  if (auto* d = std::get_if<double>(&value.v)) return *d < 0;
  if (auto* u = std::get_if<Int128>(&value.v)) return *u < 0;
  if (auto* c = std::get_if<IntervalValue>(&value.v)) return c->months < 0 || (c->months == 0 && (c->days < 0 || (c->days == 0 && c->micros < 0)));
  return false;
}
}  // namespace

PlanPtr Analyzer::as_of_join(const sc::AsOfJoin& j) {
  auto left = relation(j.left());
  auto right = relation(j.right());
  if (shares_ids(*left, *right)) right = with_fresh_ids(right);
  Scope both({left, right}, around_, case_sensitive_);
  Env env = env_over(both, "AsOfJoin");
  auto plain = [](ExprPtr e) { return e->kind == ExprKind::kAlias ? e->children[0] : e; };
  auto l = plain(expression(j.left_as_of(), env)), r = plain(expression(j.right_as_of(), env));
  std::string direction = lower_case(j.direction());
  bool backward = direction == "backward", forward = direction == "forward", nearest = direction == "nearest";
  if (!backward && !forward && !nearest)
    throw analysis_error("AS_OF_JOIN.UNSUPPORTED_DIRECTION", {{"direction", j.direction()}, {"supported", "'forward', 'backward', 'nearest'"}});
  std::string kind = lower_case(j.join_type());
  kind.erase(std::remove(kind.begin(), kind.end(), '_'), kind.end());
  JoinType type;
  if (kind.empty() || kind == "inner") type = JoinType::kInner;
  else if (kind == "left" || kind == "leftouter" || kind == "outer") type = JoinType::kLeftOuter;
  else throw analysis_error("UNSUPPORTED_JOIN_TYPE", {{"typ", j.join_type()}, {"supported", "'inner', 'leftouter', 'left', 'left_outer'"}});

  ExprPtr condition;
  auto add = [&](ExprPtr e) { condition = condition ? call("and", {condition, e}) : e; };
  bool exact = j.allow_exact_matches();
  if (backward) add(call(exact ? ">=" : ">", {l, r}));
  if (forward) add(call(exact ? "<=" : "<", {l, r}));
  if (nearest && !exact) add(call("not", {call("=", {l, r})}));
  auto distance = backward ? call("-", {l, r}) : forward ? call("-", {r, l}) : call("if", {call(">", {l, r}), call("-", {l, r}), call("-", {r, l})});
  if (j.has_tolerance()) {
    auto t = plain(expression(j.tolerance(), env));
    if (!is_foldable(*t)) throw analysis_error("AS_OF_JOIN.TOLERANCE_IS_UNFOLDABLE");
    if (auto v = constant_value(t); v && is_negative(*v)) throw analysis_error("AS_OF_JOIN.TOLERANCE_IS_NON_NEGATIVE");
    if (backward) add(call(">=", {r, call("-", {l, t})}));
    else if (forward) add(call("<=", {r, call("+", {l, t})}));
    else add(call("and", {call(">=", {r, call("-", {l, t})}), call("<=", {r, call("+", {l, t})})}));
  }
  if (j.using_columns_size() > 0) {
    for (const auto& n : j.using_columns()) {
      auto a = try_column(left, {n}), b = try_column(right, {n});
      if (!a || !b)
        throw analysis_error("UNRESOLVED_USING_COLUMN_FOR_JOIN", {{"colName", name_text({n})}, {"side", a ? "right" : "left"}, {"suggestion", ""}});
      add(call("=", {*a, *b}));
    }
  } else if (j.has_join_expr()) {
    add(plain(expression(j.join_expr(), env)));
  }
  // The right side as a lateral query: left columns become outer references.
  auto outer = [&](const ExprPtr& e) {
    return transform(e, [&](const ExprPtr& x) -> ExprPtr {
      auto* a = try_as<AttributeRef>(*x);
      if (!a || !std::any_of(left->output.begin(), left->output.end(), [&](const Attribute& o) { return o.id == a->id; })) return nullptr;
      auto n = std::make_shared<AttributeRef>(*a);
      n->outer = true;
      return n;
    });
  };
  PlanPtr q = condition ? make_filter(right, outer(condition)) : right;
  auto order = std::make_shared<SortOrder>();
  auto key = outer(distance);
  order->type = key->type;
  order->children.push_back(key);
  order->nulls_first = false;
  q = sort(q, {order}, true);
  q = make_limit(q, make_int(1), nullptr);
  return make_join(left, q, type, type == JoinType::kLeftOuter ? make_bool(true) : nullptr, true);
}

}  // namespace tarn::plan
