#include <algorithm>
#include <cmath>
#include <set>

#include "base/spark_error.h"
#include "engine/arrow_import.h"
#include "engine/error_map.h"
#include "engine/lowering/plan_lowering.h"
#include "engine/lowering/row_numbers.h"
#include "engine/lowering/row_order.h"
#include "engine/lowering/unread_columns.h"
#include "engine/python/extract.h"
#include "engine/python/filter_pushdown.h"
#include "engine/source_resolver.h"
#include "engine/type_mapping.h"
#include "plan/collation.h"
#include "plan/function.h"

namespace tarn::engine::lowering {

using plan::ExprPtr;
using plan::PlanKind;
using plan::PlanPtr;

namespace {

constexpr int kMaxExpressionDepth = 32;   // the optimizer is cubic in nesting: what is deeper is cut
constexpr int kCutDepth = 24;
constexpr int kMaxNesting = 40;           // nested SELECTs; the grammar gives up near 1,400
constexpr int kMaxPlanDepth = 6000;

// A subtree whose evaluation must stay where it is (a branch that may not run).
bool conditional(const plan::Expression& e) {
  auto* call = plan::try_as<plan::Call>(e);
  if (!call || !call->function) return e.kind == plan::ExprKind::kLambda || e.kind == plan::ExprKind::kWindow || e.kind == plan::ExprKind::kAggregate;
  if (call->function->flags & plan::kLambda) return true;
  static const std::set<std::string_view> kLazy = {"if", "when", "case", "coalesce", "nvl", "ifnull", "nvl2", "and", "or", "iff"};
  return kLazy.contains(call->function->name());
}

// Moves the largest subtrees that are no deeper than kCutDepth into `inner`.
ExprPtr cut(const ExprPtr& e, std::vector<ExprPtr>& inner) {
  if (conditional(*e) || e->kind == plan::ExprKind::kSubquery) return e;
  int depth = sql_depth(*e);
  if (depth == 0) return e;
  if (depth <= kCutDepth && e->kind != plan::ExprKind::kAlias) {
    auto alias = plan::make_alias(e, "x", true, plan::next_expr_id());
    inner.push_back(alias);
    return plan::make_ref(plan::to_attribute(*alias));
  }
  std::vector<ExprPtr> children;
  bool changed = false;
  for (const auto& c : e->children) {
    children.push_back(sql_depth(*c) > 3 ? cut(c, inner) : c);
    changed |= children.back() != c;
  }
  return changed ? plan::with_children(e, std::move(children)) : e;
}

// Whether what an expression gives depends on the rows before it, as a generator of random numbers does.
bool draws_in_turn(const PlanPtr& plan) {
  bool found = false;
  plan::visit_plan(plan, [&](const PlanPtr& node) {
    plan::visit_expressions(*node, [&](const ExprPtr& e) {
      found = found || (e && plan::any_of(*e, [](const plan::Expression& x) {
        auto* call = plan::try_as<plan::Call>(x);
        return call && call->function && (call->function->flags & plan::kNondeterministic) && !has_row_number(x);
      }));
    });
    return !found;
  });
  return found;
}

}  // namespace

LoweredQuery lower(const PlanPtr& original, const Context& context) {
  PlanPtr plan = python_functions::plan_reads(without_unread_columns(original), context);
  plan = with_row_order(python_functions::extract(plan, context.conf), context.conf);
  PlanLowering lowering(context, draws_in_turn(plan));
  LoweredQuery out;
  out.sql = lowering.query(plan);
  out.handles = lowering.take_handles();
  out.handles.push_back(plan);
  return out;
}

LoweredQuery lower_constant(const ExprPtr& expression, const Context& context) {
  return lower(plan::make_project(std::make_shared<plan::OneRow>(), {plan::make_alias(expression, "value", true, plan::next_expr_id())}), context);
}

std::string lower_expression(const ExprPtr& expression, const Context& context, std::vector<std::shared_ptr<const void>>* handles) {
  Scope scope;
  return ExpressionLowering(context, scope, [&](const PlanPtr& plan) -> std::string {
           if (!handles) throw not_built("a subquery in this place");
           auto query = lower(plan, context);
           handles->insert(handles->end(), query.handles.begin(), query.handles.end());
           return query.sql;
         }, handles).lower(expression);
}

// ---- blocks

Scope PlanLowering::scope_of(const Block& block) {
  Scope scope;
  for (const auto& c : block.columns) scope[c.id] = c.sql;
  return scope;
}

ExpressionLowering PlanLowering::expressions(const Scope& scope) {
  return ExpressionLowering(context_, scope, [this](const PlanPtr& plan) { return subquery(plan); }, &handles_);
}

std::string PlanLowering::select(const Block& block) const {
  std::string out = "SELECT ";
  if (block.distinct) out += "DISTINCT ";
  if (!block.distinct_on.empty()) out += "DISTINCT ON (" + block.distinct_on + ") ";
  if (block.columns.empty()) out += "NULL::INTEGER AS c0";
  for (size_t i = 0; i < block.columns.size(); ++i) {
    const auto& c = block.columns[i];
    if (i) out += ", ";
    out += c.sql;
    if (!is_plain(c)) out += " AS " + column_name(c.id);
  }
  if (!block.from.empty()) out += " FROM " + block.from;
  for (size_t i = 0; i < block.where.size(); ++i) out += (i ? " AND " : " WHERE ") + block.where[i];
  if (!block.group_by.empty()) out += " " + block.group_by;
  if (!block.order_by.empty()) out += " ORDER BY " + block.order_by;
  if (!block.limit.empty()) out += " " + block.limit;
  return out;
}

Block PlanLowering::source(std::string from, const std::vector<plan::Attribute>& output) {
  Block b;
  b.from = std::move(from);
  for (const auto& a : output) b.columns.push_back({a.id, column_name(a.id)});
  make_names_unique(b);
  return b;
}

void PlanLowering::make_names_unique(Block& block) {
  std::set<plan::ExprId> seen;
  std::erase_if(block.columns, [&](const Column& c) { return !seen.insert(c.id).second; });
}

std::string PlanLowering::column_list(const std::vector<plan::Attribute>& output) {
  std::string names;
  std::set<plan::ExprId> seen;
  int n = 0;
  for (const auto& a : output) {
    // SELECT a, a has one attribute twice; the second is never read by name.
    names += (names.empty() ? "" : ", ") + (seen.insert(a.id).second ? column_name(a.id) : "again" + std::to_string(++n));
  }
  return names.empty() ? "" : "(" + names + ")";
}

Block PlanLowering::wrapped(Block block) {
  make_names_unique(block);
  Block out;
  out.nesting = block.nesting + 1;
  std::string text = select(block);
  if (out.nesting > kMaxNesting && hoist_) {
    std::string name = "r" + std::to_string(++aliases_);
    with_.back().push_back({name + " AS NOT MATERIALIZED (" + text + ")"});
    out.from = name;
    out.nesting = 0;
  } else {
    out.from = "(" + text + ") AS " + fresh_alias();
  }
  for (const auto& c : block.columns) out.columns.push_back({c.id, column_name(c.id)});
  return out;
}

std::string PlanLowering::as_source(Block& block) {
  bool bare = block.open && block.where.empty() && block.order_by.empty() && !block.from.empty() &&
              std::all_of(block.columns.begin(), block.columns.end(), is_plain);
  if (!bare) block = wrapped(std::move(block));
  return block.from_is_join ? "(" + block.from + ")" : block.from;
}

bool PlanLowering::can_inline(const Block& block, const std::vector<ExprPtr>& list) const {
  std::unordered_map<plan::ExprId, int> counts;
  std::unordered_set<plan::ExprId> outer;
  bool any_special = false;
  std::unordered_map<plan::ExprId, int> deepest;  // where each column is used
  for (const auto& e : list) {
    if (!e) continue;
    count_references(*e, counts);
    outer_references(*e, outer);
    int depth = sql_depth(*e);
    std::unordered_map<plan::ExprId, int> mine;
    count_references(*e, mine);
    for (const auto& [id, n] : mine) deepest[id] = std::max(deepest[id], depth);
  }
  (void)any_special;
  for (const auto& c : block.columns) {
    if (is_plain(c)) continue;
    if (outer.contains(c.id)) return false;  // a correlated subquery needs a real column
    auto it = counts.find(c.id);
    if (it == counts.end()) {
      // A column nobody reads disappears, unless computing it has an effect of its own.
      continue;
    }
    if (c.depth == 0) continue;
    if (!c.repeatable) {
      if (it->second > 1 || deepest[c.id] > 0) return false;
      continue;
    }
    if (it->second > 1) return false;
    if (c.depth + deepest[c.id] > kMaxExpressionDepth) return false;
  }
  return true;
}

bool PlanLowering::has_constant_column(const Block& block) {
  return std::any_of(block.columns.begin(), block.columns.end(), [](const Column& c) {
    return c.depth == 0 && !(c.sql.size() > 1 && c.sql[0] == 'c' && c.sql.find_first_not_of("0123456789", 1) == std::string::npos);
  });
}

void PlanLowering::make_inlinable(Block& block, const std::vector<ExprPtr>& list) {
  if (!block.open || !can_inline(block, list)) block = wrapped(std::move(block));
}

std::string PlanLowering::with_clause() const {
  const auto& list = with_.back();
  if (list.empty()) return "";
  bool recursive = std::any_of(list.begin(), list.end(), [](const With& w) { return w.recursive; });
  std::string out = recursive ? "WITH RECURSIVE " : "WITH ";
  for (size_t i = 0; i < list.size(); ++i) out += (i ? ", " : "") + list[i].text;
  return out + " ";
}

std::string PlanLowering::query(const PlanPtr& plan) {
  Block block = lower(plan);
  // The output in its order, and nothing else.
  Scope scope = scope_of(block);
  std::vector<Column> columns;
  bool same = block.columns.size() == plan->output.size();
  for (size_t i = 0; i < plan->output.size(); ++i) {
    plan::ExprId id = plan->output[i].id;
    if (same && block.columns[i].id != id) same = false;
    auto it = std::find_if(block.columns.begin(), block.columns.end(), [&](const Column& c) { return c.id == id; });
    if (it == block.columns.end()) throw internal_error("the plan's output " + plan->output[i].name + "#" + std::to_string(id) + " is not computed");
    columns.push_back(*it);
  }
  if (!same) {
    if (block.distinct || !block.distinct_on.empty() || block.rigid) {
      block = wrapped(std::move(block));
      for (auto& c : columns) c.sql = column_name(c.id);
    }
    block.columns = std::move(columns);
  }
  return with_clause() + select(block);
}

std::string PlanLowering::subquery(const PlanPtr& plan) {
  bool hoist = std::exchange(hoist_, false);
  with_.emplace_back();
  std::string text = query(plan);
  with_.pop_back();
  hoist_ = hoist;
  return text;
}

// ---- nodes

Block PlanLowering::lower(const PlanPtr& original) {
  PlanPtr plan = with_row_numbers_below(original);
  if (++depth_ > kMaxPlanDepth) throw internal_error("the plan is nested deeper than " + std::to_string(kMaxPlanDepth) + " operators");
  Block b = lower_node(plan);
  --depth_;
  return b;
}

Block PlanLowering::lower_node(const PlanPtr& p) {
  using namespace plan;
  switch (p->kind) {
    case PlanKind::kOneRow: return {};
    case PlanKind::kLocalData: {
      const auto& data = as<LocalData>(*p);
      std::vector<DataType> types;
      for (const auto& a : data.output) types.push_back(a.type);
      auto handle = std::make_shared<ArrowHandle>(data.table, types);
      handles_.push_back(handle);
      return source(handle->sql() + " AS " + fresh_alias() + column_list(data.output), data.output);
    }
    case PlanKind::kValues: return values(as<Values>(*p));
    case PlanKind::kRange: {
      const auto& r = as<Range>(*p);
      // Parentheses: a minus binds less than a cast.
      auto number = [](int64_t v) { return "(" + std::to_string(v) + ")::BIGINT"; };
      return source((in_turn_ ? "range(" : "tarn_range(") + number(r.start) + ", " + number(r.end) + ", " + number(r.step) + ") AS " +
                        fresh_alias() + "(" + column_name(r.output.at(0).id) + ")",
                    r.output);
    }
    case PlanKind::kScan: {
      const auto& s = as<Scan>(*p);
      handles_.push_back(s.relation);
      return source("(" + scan_sql(*s.relation, s.columns) + ") AS " + fresh_alias() + column_list(s.output), s.output);
    }
    case PlanKind::kProject: return project(as<Project>(*p));
    case PlanKind::kFilter: return filter(as<Filter>(*p));
    case PlanKind::kJoin: return join(as<Join>(*p));
    case PlanKind::kAggregate: return aggregate(as<Aggregate>(*p));
    case PlanKind::kWindow: return window(as<Window>(*p));
    case PlanKind::kSort: return sort(as<Sort>(*p));
    case PlanKind::kLimit: return limit(as<Limit>(*p));
    case PlanKind::kTail: return tail(as<Tail>(*p));
    case PlanKind::kSetOperation: return set_operation(as<SetOperation>(*p));
    case PlanKind::kDistinct: {
      Block b = lower(p->children[0]);
      // Only the child's output counts.
      std::vector<ExprPtr> refs;
      for (const auto& a : p->children[0]->output) refs.push_back(make_ref(a));
      b = project_over(std::move(b), refs);
      bool collated = std::any_of(p->output.begin(), p->output.end(), [](const Attribute& a) { return plan::has_collation(a.type); });
      if (!b.open || !b.order_by.empty()) b = wrapped(std::move(b));
      if (collated) {
        b = wrapped(std::move(b));
        Scope scope = scope_of(b);
        auto lowering = expressions(scope);
        for (const auto& a : p->output) b.distinct_on += (b.distinct_on.empty() ? "" : ", ") + lowering.comparison_key(*make_ref(a));
      } else {
        b.distinct = true;
      }
      b.open = false;
      return b;
    }
    case PlanKind::kDeduplicate: {
      const auto& d = as<Deduplicate>(*p);
      Block b = lower(d.children[0]);
      make_inlinable(b, d.keys);
      if (!b.order_by.empty() || has_constant_column(b)) b = wrapped(std::move(b));
      Scope scope = scope_of(b);
      auto lowering = expressions(scope);
      for (const auto& k : d.keys) b.distinct_on += (b.distinct_on.empty() ? "" : ", ") + lowering.comparison_key(*k);
      if (d.keys.empty()) b.limit = "LIMIT 1";
      b.open = false;
      return b;
    }
    case PlanKind::kGenerate: return generate(as<Generate>(*p));
    case PlanKind::kSample: return sample(as<Sample>(*p));
    case PlanKind::kCteScope: return cte_scope(as<CteScope>(*p));
    case PlanKind::kCteRef: return cte_ref(as<CteRef>(*p));
    case PlanKind::kRecursiveCte: return recursive_cte(as<RecursiveCte>(*p));
    case PlanKind::kRepartition: return lower(p->children[0]);
    case PlanKind::kCollectMetrics: {
      std::string table = context_.observed_table ? context_.observed_table(as<CollectMetrics>(*p)) : std::string();
      if (table.empty()) return lower(p->children[0]);
      return source(table + " AS " + fresh_alias() + column_list(p->output), p->output);
    }
    case PlanKind::kPythonMap: return python_map(as<PythonMap>(*p));
    case PlanKind::kPythonEval: return python_eval(as<PythonEval>(*p));
    case PlanKind::kScript: return script(as<Script>(*p));
    case PlanKind::kCached: {
      return source(context_.cached_table(as<Cached>(*p).handle) + " AS " + fresh_alias() + column_list(p->output), p->output);
    }
  }
  throw internal_error("unknown plan node");
}

Block PlanLowering::extended(Block child, const std::vector<ExprPtr>& aliases) {
  make_inlinable(child, aliases);
  Scope scope = scope_of(child);
  auto lowering = expressions(scope);
  std::vector<Column> added;
  for (const auto& e : aliases) added.push_back({plan::to_attribute(*e).id, lowering.lower(*e), kMaxExpressionDepth});
  child.columns.insert(child.columns.end(), added.begin(), added.end());
  return wrapped(std::move(child));
}

Block PlanLowering::project(const plan::Project& p) { return project_over(lower(p.children[0]), p.expressions); }

Block PlanLowering::project_over(Block child, const std::vector<ExprPtr>& list) {
  // Nothing to do for a projection that passes everything on.
  if (list.size() == child.columns.size()) {
    bool same = true;
    for (size_t i = 0; i < list.size() && same; ++i) {
      auto* ref = plan::try_as<plan::AttributeRef>(*list[i]);
      same = ref && !ref->outer && ref->id == child.columns[i].id;
    }
    if (same) return child;
  }
  // Deep expressions in steps: an inner projection computes their deepest parts.
  std::vector<ExprPtr> current = list;
  std::vector<std::vector<ExprPtr>> steps;
  while (std::any_of(current.begin(), current.end(), [](const ExprPtr& e) { return sql_depth(*e) > kMaxExpressionDepth; })) {
    std::vector<ExprPtr> inner, outer;
    for (const auto& e : current) {
      if (sql_depth(*e) <= kMaxExpressionDepth) {
        outer.push_back(e);
        continue;
      }
      outer.push_back(cut(e, inner));
    }
    if (inner.empty()) break;  // all in branches that may not run
    steps.push_back(inner);
    current = std::move(outer);
  }
  for (const auto& inner : steps) child = extended(std::move(child), inner);
  // Plain projections of a limited SELECT go into it; others would be computed for rows that the limit drops.
  bool plain_list = std::all_of(current.begin(), current.end(), [](const ExprPtr& e) { return sql_depth(*e) == 0; });
  bool limited = !child.open && !child.rigid && !child.limit.empty() && !child.distinct && child.distinct_on.empty() && plain_list;
  if (!limited || !can_inline(child, current)) make_inlinable(child, current);
  // Rows are numbered in their order.
  if (!child.order_by.empty() && std::any_of(current.begin(), current.end(), [](const ExprPtr& e) { return has_row_number(*e); })) child = wrapped(std::move(child));
  Scope scope = scope_of(child);
  auto lowering = expressions(scope);
  std::vector<Column> columns;
  for (const auto& e : current) {
    Column c;
    const plan::Expression* inner = e.get();
    if (auto* alias = plan::try_as<plan::Alias>(*e)) {
      c.id = alias->id;
      inner = alias->children[0].get();
    } else {
      c.id = plan::as<plan::AttributeRef>(*e).id;
    }
    if (auto* ref = plan::try_as<plan::AttributeRef>(*inner)) {
      auto it = std::find_if(child.columns.begin(), child.columns.end(), [&](const Column& x) { return x.id == ref->id; });
      if (it != child.columns.end()) {
        c.sql = it->sql;
        c.depth = it->depth;
        c.repeatable = it->repeatable;
        c.correlated = it->correlated;
      } else {
        c.sql = column_name(ref->id);
        c.depth = 1;  // a correlated column: it must not be moved into other scopes by name games
        c.correlated = true;
      }
    } else {
      c.sql = lowering.lower(*inner);
      c.depth = inner->kind == plan::ExprKind::kLiteral ? 0 : std::max(1, sql_depth(*inner));
      c.repeatable = plan::is_deterministic(*inner);
      c.correlated = plan::any_of(*inner, [&](const plan::Expression& x) {
        auto* a = plan::try_as<plan::AttributeRef>(x);
        return a && (a->outer || std::any_of(child.columns.begin(), child.columns.end(), [&](const Column& k) { return k.id == a->id && k.correlated; }));
      });
    }
    columns.push_back(std::move(c));
  }
  child.columns = std::move(columns);
  return child;
}

Block PlanLowering::filter(const plan::Filter& f) {
  Block b = lower(f.children[0]);
  bool stays = std::all_of(b.columns.begin(), b.columns.end(), [](const Column& c) { return c.repeatable; });
  if (!stays || !plan::is_deterministic(*f.condition)) {
    if (!b.open || !stays || !b.where.empty()) b = wrapped(std::move(b));
  }
  make_inlinable(b, {f.condition});
  ExprPtr condition = f.condition, condition_column;
  if (sql_depth(*condition) > kMaxExpressionDepth) {
    std::vector<ExprPtr> inner;
    cut(condition, inner);
    if (!inner.empty()) {
      // The deepest parts in a SELECT below, in as many steps as it takes.
      condition_column = plan::make_alias(condition, "condition", true, plan::next_expr_id());
      std::vector<ExprPtr> parts = {condition_column};
      while (sql_depth(*parts.back()) > kMaxExpressionDepth) {
        std::vector<ExprPtr> deepest;
        ExprPtr rest = cut(parts.back(), deepest);
        if (deepest.empty()) break;
        b = extended(std::move(b), deepest);
        parts = {rest};
      }
      b = extended(std::move(b), parts);
      condition = plan::make_ref(plan::to_attribute(*condition_column));
    }
  }
  Scope scope = scope_of(b);
  auto lowering = expressions(scope);
  auto* call = plan::try_as<plan::Call>(*condition);
  if (call && call->function && call->function->name() == "and") {
    // Conjuncts one by one: the text stays flat.
    std::vector<const plan::Expression*> stack = {condition.get()};
    while (!stack.empty()) {
      const auto* top = stack.back();
      stack.pop_back();
      auto* inner = plan::try_as<plan::Call>(*top);
      if (inner && inner->function == call->function) {
        for (auto it = inner->children.rbegin(); it != inner->children.rend(); ++it) stack.push_back(it->get());
      } else {
        b.where.push_back(lowering.lower(*top));
      }
    }
  } else {
    b.where.push_back(lowering.lower(*condition));
  }
  if (condition != f.condition) {
    std::erase_if(b.columns, [&](const Column& c) { return c.id == plan::as<plan::AttributeRef>(*condition).id; });
  }
  return b;
}

Block PlanLowering::sort(const plan::Sort& s) {
  Block b = lower(s.children[0]);
  std::vector<ExprPtr> orders;
  for (const auto& o : s.orders) {
    // A constant orders nothing, and as an integer it would be a position.
    if (!plan::is_foldable(*o->children[0])) orders.push_back(o);
  }
  if (orders.empty()) return b;
  if (!b.open || !b.order_by.empty() || !can_inline(b, orders) || has_constant_column(b)) b = wrapped(std::move(b));
  // Ordering by a computed output column: compute it once.
  Scope scope = scope_of(b);
  for (const auto& c : b.columns) {
    if (c.depth > 0 && !is_plain(c)) scope[c.id] = column_name(c.id);
  }
  bool uses_alias = false;
  for (const auto& o : orders) {
    std::unordered_map<plan::ExprId, int> counts;
    count_references(*o, counts);
    for (const auto& c : b.columns) {
      if (c.depth > 0 && !is_plain(c) && counts.contains(c.id)) uses_alias = true;
    }
  }
  if (uses_alias) {
    b = wrapped(std::move(b));
    scope = scope_of(b);
  }
  auto lowering = expressions(scope);
  for (const auto& o : orders) b.order_by += (b.order_by.empty() ? "" : ", ") + lowering.sort_order(*o);
  return b;
}

Block PlanLowering::limit(const plan::Limit& l) {
  Block b = lower(l.children[0]);
  if (!b.limit.empty()) b = wrapped(std::move(b));
  Scope scope;
  auto lowering = expressions(scope);
  auto text = [&](const ExprPtr& e) {
    auto* literal = plan::try_as<plan::Literal>(*e);
    if (literal && literal->value.v.index() == 2) return std::to_string(literal->value.get<int64_t>());
    return lowering.lower(e);
  };
  if (l.limit) b.limit = "LIMIT " + text(l.limit);
  if (l.offset) b.limit += (b.limit.empty() ? "OFFSET " : " OFFSET ") + text(l.offset);
  if (!b.limit.empty()) b.open = false;
  return b;
}

Block PlanLowering::tail(const plan::Tail& t) {
  Block b = lower(t.children[0]);
  std::string order = b.open && b.limit.empty() ? b.order_by : "";
  if (order.empty() && (!b.open || !b.order_by.empty())) b = wrapped(std::move(b));
  b.order_by.clear();
  plan::ExprId number = plan::next_expr_id(), total = plan::next_expr_id();
  b.columns.push_back({number, "row_number() OVER (" + (order.empty() ? "" : "ORDER BY " + order) + ")", 1});
  b.columns.push_back({total, "count(*) OVER ()", 1});
  b.open = false;
  b = wrapped(std::move(b));
  b.where.push_back(column_name(number) + " > " + column_name(total) + " - " + std::to_string(t.count));
  b.order_by = column_name(number) + " ASC";
  std::erase_if(b.columns, [&](const Column& c) { return c.id == number || c.id == total; });
  return b;
}

// INTERSECT and EXCEPT where a collation compares: by keys, with the left side's rows.
std::string PlanLowering::collated_set_operation(const plan::SetOperation& s, const std::string& left, const std::string& right) {
  const bool except = s.type == plan::SetOperationType::kExcept;
  std::string a, b, k, m, equal, any, keyed_left, keyed_right;
  for (size_t i = 0; i < s.output.size(); ++i) {
    const std::string n = std::to_string(i), comma = i ? ", " : "";
    const std::string left_key = collation_key_sql("a" + n, s.output[i].type), right_key = collation_key_sql("b" + n, s.output[i].type);
    a += comma + "a" + n;
    b += comma + "b" + n;
    k += comma + left_key;
    m += comma + right_key;
    any += comma + "any_value(a" + n + ") AS a" + n;
    keyed_left += ", " + left_key + " AS k" + n;
    keyed_right += comma + right_key + " AS m" + n;
    equal += (i ? " AND " : "") + (s.all ? "k" + n + " IS NOT DISTINCT FROM m" + n : left_key + " IS NOT DISTINCT FROM " + right_key);
  }
  const std::string l = "(" + left + ") AS l(" + a + ")", r = "(" + right + ") AS r(" + b + ")";
  if (!s.all) return "SELECT DISTINCT ON (" + k + ") " + a + " FROM " + l + " WHERE " + (except ? "NOT " : "") + "EXISTS (SELECT 1 FROM " + r + " WHERE " + equal + ")";
  const std::string times = except ? "greatest(n - coalesce(o, 0), 0)" : "least(n, coalesce(o, 0))";
  return "SELECT " + a + " FROM (SELECT " + a + ", unnest(range(" + times + ")) FROM (SELECT " + any + keyed_left + ", count(*) AS n FROM " + l + " GROUP BY " + k +
         ") LEFT JOIN (SELECT " + keyed_right + ", count(*) AS o FROM " + r + " GROUP BY " + m + ") ON " + equal + ")";
}

Block PlanLowering::set_operation(const plan::SetOperation& s) {
  using Type = plan::SetOperationType;
  const bool by_keys = s.type != Type::kUnion && std::any_of(s.output.begin(), s.output.end(), [](const plan::Attribute& a) { return plan::has_collation(a.type); });
  std::string keyword = s.type == Type::kUnion ? " UNION" : s.type == Type::kIntersect ? " INTERSECT" : " EXCEPT";
  if (s.all) keyword += " ALL";
  std::string text;
  int nesting = 0;
  for (const auto& child : s.children) {
    Block b = lower(child);
    nesting = std::max(nesting, b.nesting);
    // The child's output in its order. DuckDB would merge structs by the names of their fields; Spark goes by position.
    std::vector<ExprPtr> refs;
    for (size_t i = 0; i < child->output.size(); ++i) {
      ExprPtr ref = plan::make_ref(child->output[i]);
      if (child->output[i].type.is_nested() && duckdb_type_sql(child->output[i].type) != duckdb_type_sql(s.output[i].type)) {
        ref = plan::make_alias(plan::make_cast(ref, s.output[i].type, plan::EvalMode::kAnsi), s.output[i].name, true, plan::next_expr_id());
      }
      refs.push_back(ref);
    }
    b = project_over(std::move(b), refs);
    bool clauses = !b.order_by.empty() || !b.limit.empty();
    std::string branch = select(b);
    if (by_keys && !text.empty()) {
      text = collated_set_operation(s, text, branch);
      continue;
    }
    if (!text.empty()) text += keyword + " ";
    text += clauses ? "(" + branch + ")" : branch;
  }
  std::string names = column_list(s.output);
  Block out = source("(" + text + ") AS " + fresh_alias() + names, s.output);
  out.nesting = nesting + 1;
  if (out.nesting > kMaxNesting && hoist_) {
    std::string name = "r" + std::to_string(++aliases_);
    with_.back().push_back({name + names + " AS NOT MATERIALIZED (" + text + ")"});
    out.from = name;
    out.nesting = 0;
  }
  return out;
}

Block PlanLowering::values(const plan::Values& v) {
  Scope scope;
  auto lowering = expressions(scope);
  if (v.rows.empty() || v.output.empty()) {
    std::string columns;
    for (const auto& a : v.output) columns += (columns.empty() ? "" : ", ") + ("NULL::" + duckdb_type_sql(a.type) + " AS " + column_name(a.id));
    if (columns.empty()) columns = "NULL::INTEGER AS c0";
    return source("(SELECT " + columns + " FROM range(" + std::to_string(v.rows.size()) + ")) AS " + fresh_alias(), v.output);
  }
  std::string rows;
  for (const auto& row : v.rows) {
    rows += rows.empty() ? "(" : ", (";
    for (size_t i = 0; i < row.size(); ++i) {
      if (i) rows += ", ";
      auto* literal = plan::try_as<plan::Literal>(*row[i]);
      rows += literal ? literal_sql(literal->value, literal->type) : lowering.lower(row[i]);
    }
    rows += ")";
  }
  return source("(VALUES " + rows + ") AS " + fresh_alias() + column_list(v.output), v.output);
}

Block PlanLowering::sample(const plan::Sample& s) {
  Block b = wrapped(lower(s.children[0]));
  // A number in [0, 1) of each row's position: the parts of randomSplit are disjoint and complete, and a seed repeats its sample.
  int64_t seed = s.seed.value_or(0);
  plan::ExprId position = plan::next_expr_id();
  b.columns.push_back({position, "row_number() OVER ()", 1});
  b.open = false;
  b = wrapped(std::move(b));
  std::string u = "(hash(" + column_name(position) + ", " + std::to_string(seed) + "::BIGINT) / 18446744073709551616.0)";
  auto number = [](double d) { return literal_sql(plan::Value{d}, plan::TypeId::kDouble); };
  if (!s.with_replacement) {
    b.where.push_back(u + " >= " + number(s.lower));
    b.where.push_back(u + " < " + number(s.upper));
  } else {
    // Poisson by inversion: how often a row is drawn.
    double mean = s.upper - s.lower, p = std::exp(-mean), sum = p;
    std::string draws = "CASE";
    int k = 0;
    for (; k < 200 && sum < 1 - 1e-12; ++k) {
      draws += " WHEN " + u + " < " + number(sum) + " THEN " + std::to_string(k);
      p *= mean / (k + 1);
      sum += p;
    }
    draws += " ELSE " + std::to_string(k) + " END";
    plan::ExprId copy = plan::next_expr_id();
    b.columns.push_back({copy, "UNNEST(range(" + draws + "))", 1});
    b.open = false;
    b.rigid = true;
    b = wrapped(std::move(b));
    std::erase_if(b.columns, [&](const Column& c) { return c.id == copy; });
  }
  std::erase_if(b.columns, [&](const Column& c) { return c.id == position; });
  return b;
}

// ---- common table expressions

namespace {

void count_cte_uses(const plan::LogicalPlan& p, std::unordered_map<int64_t, int>& uses) {
  if (auto* ref = plan::try_as<plan::CteRef>(p)) ++uses[ref->id];
  for (const auto& c : p.children) count_cte_uses(*c, uses);
  if (auto* scope = plan::try_as<plan::CteScope>(p)) {
    for (const auto& d : scope->definitions) count_cte_uses(*d.plan, uses);
  }
}

}  // namespace

Block PlanLowering::cte_scope(const plan::CteScope& s) {
  count_cte_uses(s, cte_uses_);
  for (const auto& d : s.definitions) {
    std::string name = "cte" + std::to_string(d.id);
    cte_names_[d.id] = name;
    // RecursiveCte writes its own entry.
    Block b = lower(d.plan);
    std::vector<ExprPtr> refs;
    for (const auto& a : d.plan->output) refs.push_back(plan::make_ref(a));
    b = project_over(std::move(b), refs);
    make_names_unique(b);
    bool once = cte_uses_[d.id] <= 1;
    with_.back().push_back({name + (once ? " AS NOT MATERIALIZED (" : " AS (") + select(b) + ")"});
  }
  return lower(s.children[0]);
}

Block PlanLowering::cte_ref(const plan::CteRef& r) {
  auto it = cte_names_.find(r.id);
  if (it == cte_names_.end()) throw internal_error("a CTE is used outside its scope");
  std::string columns;
  auto renamed = recursive_columns_.find(r.id);
  for (size_t i = 0; i < r.output.size(); ++i) {
    plan::ExprId source = r.source_ids[i];
    // Inside a recursive step the reference names the anchor's columns.
    if (renamed != recursive_columns_.end()) {
      if (auto own = renamed->second.find(source); own != renamed->second.end()) source = own->second;
    }
    columns += (i ? ", " : "") + column_name(source) + " AS " + column_name(r.output[i].id);
  }
  if (columns.empty()) columns = "NULL::INTEGER AS c0";
  return source("(SELECT " + columns + " FROM " + it->second + ") AS " + fresh_alias(), r.output);
}

Block PlanLowering::recursive_cte(const plan::RecursiveCte& r) {
  std::string name = "rec" + std::to_string(r.id);
  auto outer = cte_names_.find(r.id);
  std::optional<std::string> outer_name;
  if (outer != cte_names_.end()) outer_name = outer->second;
  cte_names_[r.id] = name;
  bool hoist = std::exchange(hoist_, false);
  auto branch = [&](const PlanPtr& plan, const std::vector<plan::Attribute>& names) {
    // Definitions inside the step may read the recursive table: they stay inside.
    with_.emplace_back();
    Block b = lower(plan);
    std::vector<ExprPtr> refs;
    for (const auto& a : plan->output) refs.push_back(plan::make_ref(a));
    b = project_over(std::move(b), refs);
    std::string list = with_clause();
    with_.pop_back();
    if (list.empty()) {
      b = wrapped(std::move(b));
    } else {
      make_names_unique(b);
      b.from = "(" + list + select(b) + ") AS " + fresh_alias();
    }
    std::string columns;
    for (size_t i = 0; i < names.size(); ++i) columns += (i ? ", " : "") + column_name(plan->output[i].id) + " AS " + column_name(names[i].id);
    return std::pair(columns, b.from);
  };
  auto& own = recursive_columns_[r.id];
  for (size_t i = 0; i < r.output.size(); ++i) own[r.children[0]->output[i].id] = r.output[i].id;
  auto [anchor_columns, anchor] = branch(r.children[0], r.output);
  auto [step_columns, step] = branch(r.children[1], r.output);
  recursive_columns_.erase(r.id);
  hoist_ = hoist;
  std::string text;
  if (r.union_all && r.max_level >= 0) {
    auto fail = [](const SparkError& error, const char* type) {
      return std::string("CAST(error(") + duckdb_string(kernel_error_text(error)) + ") AS " + type + ")";
    };
    SparkError level(ErrorKind::kSpark, "RECURSION_LEVEL_LIMIT_EXCEEDED", {{"levelLimit", std::to_string(r.max_level)}});
    SparkError rows(ErrorKind::kSpark, "RECURSION_ROW_LIMIT_EXCEEDED", {{"rowLimit", std::to_string(r.max_rows)}});
    // Every row carries its step and how many rows there are up to that step.
    std::string total = "l.tarn_rows + count(*) OVER ()";
    if (r.max_rows >= 0) total = "CASE WHEN " + total + " > " + std::to_string(r.max_rows) + " THEN " + fail(rows, "BIGINT") + " ELSE " + total + " END";
    text = "SELECT " + anchor_columns + ", 0 AS tarn_level, count(*) OVER () AS tarn_rows FROM " + anchor + " UNION ALL SELECT " + step_columns +
           ", CASE WHEN l.tarn_level > " + std::to_string(r.max_level) + " THEN " + fail(level, "INTEGER") + " ELSE l.tarn_level END, " + total + " FROM " + step +
           " CROSS JOIN (SELECT max(tarn_level) + 1 AS tarn_level, max(tarn_rows) AS tarn_rows FROM " + name + ") AS l";
  } else {
    text = "SELECT " + anchor_columns + " FROM " + anchor + (r.union_all ? " UNION ALL " : " UNION ") + "SELECT " + step_columns + " FROM " + step;
  }
  with_.back().push_back({name + " AS (" + text + ")", true});
  if (outer_name) cte_names_[r.id] = *outer_name;
  return source(name, r.output);
}

}  // namespace tarn::engine::lowering
