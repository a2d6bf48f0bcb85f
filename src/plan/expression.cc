#include "plan/expression.h"

#include <atomic>
#include <functional>

#include "plan/function.h"
#include "plan/logical_plan.h"
#include "plan/python_functions.h"

namespace tarn::plan {

ExprId next_expr_id() {
  static std::atomic<ExprId> next{0};
  return ++next;
}

ExprPtr make_literal(DataType type, Value value) {
  auto e = std::make_shared<Literal>();
  e->type = std::move(type);
  e->nullable = value.is_null();
  e->value = std::move(value);
  return e;
}
ExprPtr make_null(DataType type) { return make_literal(std::move(type), Value{}); }
ExprPtr make_string(std::string text) { return make_literal(TypeId::kString, Value{std::move(text)}); }
ExprPtr make_int(int32_t v) { return make_literal(TypeId::kInt, Value{static_cast<int64_t>(v)}); }
ExprPtr make_long(int64_t v) { return make_literal(TypeId::kLong, Value{v}); }
ExprPtr make_bool(bool v) { return make_literal(TypeId::kBoolean, Value{v}); }

ExprPtr make_ref(const Attribute& a, bool outer) {
  auto e = std::make_shared<AttributeRef>();
  e->type = a.type;
  e->nullable = a.nullable;
  e->id = a.id;
  e->name = a.name;
  e->qualifier = a.qualifier;
  e->metadata = a.metadata;
  e->duplicate_of = a.duplicate_of;
  e->outer = outer;
  return e;
}

ExprPtr make_alias(ExprPtr child, std::string name, bool generated, ExprId id) {
  auto e = std::make_shared<Alias>();
  e->type = child->type;
  e->nullable = child->nullable;
  e->context = child->context;
  e->id = id ? id : next_expr_id();
  e->name = std::move(name);
  e->generated = generated;
  e->children.push_back(std::move(child));
  return e;
}

ExprPtr make_cast(ExprPtr child, DataType to, EvalMode mode, bool user_specified) {
  if (child->type == to) return child;
  auto e = std::make_shared<Cast>();
  e->mode = mode;
  e->user_specified = user_specified;
  e->nullable = child->nullable || mode == EvalMode::kTry || cast_force_nullable(child->type, to);
  e->type = std::move(to);
  e->context = child->context;
  e->children.push_back(std::move(child));
  return e;
}

namespace {

// What a struct field access, an alias or a plain reference hands on.
const std::string& metadata_of(const Expression& e) {
  static const std::string none;
  if (auto* a = try_as<AttributeRef>(e)) return a->metadata;
  if (auto* a = try_as<Alias>(e)) return a->metadata.empty() ? metadata_of(*a->children[0]) : a->metadata;
  return none;
}

}  // namespace

Attribute to_attribute(const Expression& named) {
  Attribute out;
  out.type = named.type;
  out.nullable = named.nullable;
  if (auto* a = try_as<AttributeRef>(named)) {
    out.id = a->id;
    out.name = a->name;
    out.qualifier = a->qualifier;
    out.metadata = a->metadata;
    out.duplicate_of = a->duplicate_of;
    return out;
  }
  if (auto* a = try_as<Alias>(named)) {
    out.id = a->id;
    out.name = a->name;
    out.metadata = metadata_of(named);
    if (out.metadata == "{}") out.metadata.clear();
    return out;
  }
  throw internal_error("a column must be an alias or a reference: " + pretty_sql(named));
}

namespace {

template <class T>
std::shared_ptr<Expression> copy_as(const ExprPtr& e) {
  return std::make_shared<T>(as<T>(*e));
}

std::shared_ptr<Expression> copy_node(const ExprPtr& e) {
  switch (e->kind) {
    case ExprKind::kLiteral: return copy_as<Literal>(e);
    case ExprKind::kAttribute: return copy_as<AttributeRef>(e);
    case ExprKind::kAlias: return copy_as<Alias>(e);
    case ExprKind::kCall: return copy_as<Call>(e);
    case ExprKind::kCast: return copy_as<Cast>(e);
    case ExprKind::kAggregate: return copy_as<AggregateCall>(e);
    case ExprKind::kWindow: return copy_as<WindowExpr>(e);
    case ExprKind::kSortOrder: return copy_as<SortOrder>(e);
    case ExprKind::kLambda: return copy_as<Lambda>(e);
    case ExprKind::kLambdaVariable: return copy_as<LambdaVariable>(e);
    case ExprKind::kSubquery: return copy_as<SubqueryExpr>(e);
    case ExprKind::kUserFunction:
      if (auto* call = dynamic_cast<const TableFunctionCall*>(e.get())) return std::make_shared<TableFunctionCall>(*call);
      return copy_as<UserFunction>(e);
  }
  throw internal_error("unknown expression kind");
}

bool rewrite_list(std::vector<ExprPtr>& list, ExprPtr (*f)(void*, const ExprPtr&), void* state) {
  bool changed = false;
  for (auto& e : list) {
    auto n = transform_impl(e, f, state);
    if (n != e) {
      e = std::move(n);
      changed = true;
    }
  }
  return changed;
}

bool rewrite_one(ExprPtr& e, ExprPtr (*f)(void*, const ExprPtr&), void* state) {
  if (!e) return false;
  auto n = transform_impl(e, f, state);
  if (n == e) return false;
  e = std::move(n);
  return true;
}

}  // namespace

ExprPtr with_children(const ExprPtr& e, std::vector<ExprPtr> children) {
  auto n = copy_node(e);
  n->children = std::move(children);
  return n;
}

ExprPtr transform_impl(const ExprPtr& e, ExprPtr (*f)(void*, const ExprPtr&), void* state) {
  std::shared_ptr<Expression> n;
  auto children = e->children;
  if (rewrite_list(children, f, state)) {
    n = copy_node(e);
    n->children = std::move(children);
  }
  if (auto* a = try_as<AggregateCall>(*e)) {
    auto filter = a->filter;
    auto order = a->order;
    bool changed = rewrite_one(filter, f, state);
    changed = rewrite_list(order, f, state) || changed;
    if (changed) {
      if (!n) n = copy_node(e);
      auto& x = static_cast<AggregateCall&>(*n);
      x.filter = std::move(filter);
      x.order = std::move(order);
    }
  } else if (auto* w = try_as<WindowExpr>(*e)) {
    auto partition = w->partition_by;
    auto order = w->order_by;
    auto lower = w->lower, upper = w->upper;
    bool changed = rewrite_list(partition, f, state);
    changed = rewrite_list(order, f, state) || changed;
    changed = rewrite_one(lower.offset, f, state) || changed;
    changed = rewrite_one(upper.offset, f, state) || changed;
    if (changed) {
      if (!n) n = copy_node(e);
      auto& x = static_cast<WindowExpr&>(*n);
      x.partition_by = std::move(partition);
      x.order_by = std::move(order);
      x.lower = lower;
      x.upper = upper;
    }
  }
  ExprPtr out = n ? ExprPtr(n) : e;
  if (auto r = f(state, out)) return r;
  return out;
}

void visit_children(const Expression& e, const std::function<void(const ExprPtr&)>& f) {
  for (const auto& c : e.children) f(c);
  if (auto* a = try_as<AggregateCall>(e)) {
    if (a->filter) f(a->filter);
    for (const auto& o : a->order) f(o);
  } else if (auto* w = try_as<WindowExpr>(e)) {
    for (const auto& x : w->partition_by) f(x);
    for (const auto& x : w->order_by) f(x);
    if (w->lower.offset) f(w->lower.offset);
    if (w->upper.offset) f(w->upper.offset);
  }
}

ExprPtr map_children(const ExprPtr& e, const std::function<ExprPtr(const ExprPtr&)>& f) {
  bool changed = false;
  auto apply = [&](ExprPtr& x) {
    if (!x) return;
    auto n = f(x);
    if (n && n != x) {
      x = std::move(n);
      changed = true;
    }
  };
  auto n = copy_node(e);
  for (auto& c : n->children) apply(c);
  if (e->kind == ExprKind::kAggregate) {
    auto& a = static_cast<AggregateCall&>(*n);
    apply(a.filter);
    for (auto& o : a.order) apply(o);
  } else if (e->kind == ExprKind::kWindow) {
    auto& w = static_cast<WindowExpr&>(*n);
    for (auto& x : w.partition_by) apply(x);
    for (auto& x : w.order_by) apply(x);
    apply(w.lower.offset);
    apply(w.upper.offset);
  }
  return changed ? ExprPtr(n) : e;
}

bool any_of(const Expression& e, const std::function<bool(const Expression&)>& p) {
  if (p(e)) return true;
  bool found = false;
  visit_children(e, [&](const ExprPtr& c) { found = found || any_of(*c, p); });
  return found;
}

namespace {

bool all_of_tree(const Expression& e, const std::function<bool(const Expression&)>& p) {
  if (!p(e)) return false;
  for (const auto& c : e.children)
    if (!all_of_tree(*c, p)) return false;
  return true;
}

bool is_volatile(const Expression& e) {
  if (auto* c = try_as<Call>(e)) return c->function && (c->function->flags & kNondeterministic);
  if (auto* a = try_as<AggregateCall>(e)) return a->function && (a->function->flags & kNondeterministic);
  if (auto* u = try_as<UserFunction>(e)) return !u->deterministic;
  return false;
}

}  // namespace

bool is_foldable(const Expression& e) {
  return all_of_tree(e, [](const Expression& x) {
    switch (x.kind) {
      case ExprKind::kLiteral:
      case ExprKind::kCast:
      case ExprKind::kAlias:
      case ExprKind::kLambda:
      case ExprKind::kLambdaVariable: return true;
      case ExprKind::kCall:
        return as<Call>(x).function->kind == FunctionKind::kScalar && !is_volatile(x);
      default: return false;
    }
  });
}

bool is_deterministic(const Expression& e) {
  return all_of_tree(e, [](const Expression& x) { return !is_volatile(x); });
}

namespace {

bool equal_values(const Value& a, const Value& b) {
  if (a.v.index() != b.v.index()) return false;
  return std::visit(
      [&](const auto& x) {
        using T = std::decay_t<decltype(x)>;
        const auto& y = std::get<T>(b.v);
        if constexpr (std::is_same_v<T, ListValue>) {
          if (x.items.size() != y.items.size()) return false;
          for (size_t i = 0; i < x.items.size(); ++i)
            if (!equal_values(x.items[i], y.items[i])) return false;
          return true;
        } else if constexpr (std::is_same_v<T, MapValue>) {
          if (x.entries.size() != y.entries.size()) return false;
          for (size_t i = 0; i < x.entries.size(); ++i)
            if (!equal_values(x.entries[i].first, y.entries[i].first) || !equal_values(x.entries[i].second, y.entries[i].second))
              return false;
          return true;
        } else {
          return x == y;
        }
      },
      a.v);
}

const Expression& strip(const Expression& e) { return e.kind == ExprKind::kAlias ? strip(*e.children[0]) : e; }

bool is_commutative(const std::string& name) {
  for (const char* n : {"+", "*", "=", "==", "<=>", "and", "or", "&", "|", "^"})
    if (name == n) return true;
  return false;
}

bool equal_lists(const std::vector<ExprPtr>& a, const std::vector<ExprPtr>& b, std::vector<std::pair<ExprId, ExprId>>& bound);
bool equal_plans(const LogicalPlan& a, const LogicalPlan& b, std::vector<std::pair<ExprId, ExprId>>& bound);

bool equal(const Expression& left, const Expression& right, std::vector<std::pair<ExprId, ExprId>>& bound) {
  const Expression &a = strip(left), &b = strip(right);
  if (&a == &b) return true;
  if (a.kind != b.kind || a.children.size() != b.children.size()) return false;
  switch (a.kind) {
    case ExprKind::kLiteral: return a.type == b.type && equal_values(as<Literal>(a).value, as<Literal>(b).value);
    case ExprKind::kAttribute:
    case ExprKind::kLambdaVariable: {
      auto id = [](const Expression& e) { return e.kind == ExprKind::kAttribute ? as<AttributeRef>(e).id : as<LambdaVariable>(e).id; };
      auto x = id(a), y = id(b);
      for (const auto& [p, q] : bound)
        if (p == x) return q == y;
      return x == y;
    }
    case ExprKind::kLambda: {
      const auto &x = as<Lambda>(a), &y = as<Lambda>(b);
      if (x.parameters.size() != y.parameters.size()) return false;
      for (size_t i = 0; i < x.parameters.size(); ++i) bound.emplace_back(x.parameters[i]->id, y.parameters[i]->id);
      break;
    }
    case ExprKind::kCall: {
      const auto &x = as<Call>(a), &y = as<Call>(b);
      if (x.function != y.function || x.mode != y.mode || !(a.type == b.type)) return false;
      // a + b is b + a.
      if (a.children.size() == 2 && is_commutative(x.name) && equal(*a.children[0], *b.children[1], bound) && equal(*a.children[1], *b.children[0], bound))
        return true;
      break;
    }
    case ExprKind::kCast:
      if (!a.type.same_type(b.type) || as<Cast>(a).mode != as<Cast>(b).mode) return false;
      break;
    case ExprKind::kAggregate: {
      const auto &x = as<AggregateCall>(a), &y = as<AggregateCall>(b);
      if (x.function != y.function || x.mode != y.mode || x.distinct != y.distinct || x.ignore_nulls != y.ignore_nulls ||
          !x.filter != !y.filter || (x.filter && !equal(*x.filter, *y.filter, bound)) || !equal_lists(x.order, y.order, bound))
        return false;
      break;
    }
    case ExprKind::kWindow: {
      const auto &x = as<WindowExpr>(a), &y = as<WindowExpr>(b);
      auto bounds = [&](const FrameBound& p, const FrameBound& q) {
        return p.kind == q.kind && p.following == q.following && !p.offset == !q.offset &&
               (!p.offset || equal(*p.offset, *q.offset, bound));
      };
      if (x.rows != y.rows || x.ignore_nulls != y.ignore_nulls || !bounds(x.lower, y.lower) || !bounds(x.upper, y.upper) ||
          !equal_lists(x.partition_by, y.partition_by, bound) || !equal_lists(x.order_by, y.order_by, bound))
        return false;
      break;
    }
    case ExprKind::kSortOrder: {
      const auto &x = as<SortOrder>(a), &y = as<SortOrder>(b);
      if (x.ascending != y.ascending || x.nulls_first != y.nulls_first) return false;
      break;
    }
    case ExprKind::kSubquery:
      if (as<SubqueryExpr>(a).form != as<SubqueryExpr>(b).form || !equal_plans(*as<SubqueryExpr>(a).plan, *as<SubqueryExpr>(b).plan, bound)) return false;
      break;
    case ExprKind::kUserFunction:
      if (as<UserFunction>(a).command != as<UserFunction>(b).command || !as<UserFunction>(a).deterministic) return false;
      break;
    case ExprKind::kAlias: break;
  }
  return equal_lists(a.children, b.children, bound);
}

bool equal_lists(const std::vector<ExprPtr>& a, const std::vector<ExprPtr>& b, std::vector<std::pair<ExprId, ExprId>>& bound) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (!equal(*a[i], *b[i], bound)) return false;
  return true;
}

// What one node does beside its expressions.
bool equal_nodes(const LogicalPlan& a, const LogicalPlan& b) {
  switch (a.kind) {
    case PlanKind::kOneRow:
    case PlanKind::kValues:
    case PlanKind::kProject:
    case PlanKind::kFilter:
    case PlanKind::kWindow:
    case PlanKind::kLimit:
    case PlanKind::kDistinct: return true;
    case PlanKind::kLocalData: return as<LocalData>(a).table == as<LocalData>(b).table;
    case PlanKind::kRange: {
      const auto &x = as<Range>(a), &y = as<Range>(b);
      return x.start == y.start && x.end == y.end && x.step == y.step;
    }
    case PlanKind::kScan: {
      const auto &x = as<Scan>(a), &y = as<Scan>(b);
      return x.columns == y.columns && (x.relation == y.relation || x.relation->fingerprint() == y.relation->fingerprint());
    }
    case PlanKind::kJoin: return as<Join>(a).type == as<Join>(b).type && as<Join>(a).lateral == as<Join>(b).lateral;
    case PlanKind::kAggregate: return as<Aggregate>(a).grouping_sets == as<Aggregate>(b).grouping_sets;
    case PlanKind::kSort: return as<Sort>(a).global == as<Sort>(b).global;
    case PlanKind::kTail: return as<Tail>(a).count == as<Tail>(b).count;
    case PlanKind::kSetOperation: return as<SetOperation>(a).type == as<SetOperation>(b).type && as<SetOperation>(a).all == as<SetOperation>(b).all;
    case PlanKind::kGenerate: return as<Generate>(a).outer == as<Generate>(b).outer;
    case PlanKind::kCached: return as<Cached>(a).handle == as<Cached>(b).handle;
    default: return false;
  }
}

// Whether two plans compute the same, position by position; their own columns are paired in `bound`.
bool equal_plans(const LogicalPlan& a, const LogicalPlan& b, std::vector<std::pair<ExprId, ExprId>>& bound) {
  if (&a == &b) return true;
  if (a.kind != b.kind || a.children.size() != b.children.size() || a.output.size() != b.output.size() || !equal_nodes(a, b)) return false;
  for (size_t i = 0; i < a.children.size(); ++i)
    if (!equal_plans(*a.children[i], *b.children[i], bound)) return false;
  std::vector<ExprPtr> x, y;
  visit_expressions(a, [&](const ExprPtr& e) { x.push_back(e); });
  visit_expressions(b, [&](const ExprPtr& e) { y.push_back(e); });
  for (const auto& e : x)
    if (!is_deterministic(*e)) return false;
  if (!equal_lists(x, y, bound)) return false;
  for (size_t i = 0; i < a.output.size(); ++i) {
    if (!a.output[i].type.same_type(b.output[i].type)) return false;
    bound.emplace_back(a.output[i].id, b.output[i].id);
  }
  return true;
}

}  // namespace

bool semantic_equals(const Expression& a, const Expression& b) {
  std::vector<std::pair<ExprId, ExprId>> bound;
  return is_deterministic(a) && equal(a, b, bound);
}

}  // namespace tarn::plan
