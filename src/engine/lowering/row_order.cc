#include "engine/lowering/row_order.h"

#include <arrow/table.h>

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "engine/lowering/row_numbers.h"
#include "plan/function.h"
#include "plan/session_conf.h"

namespace tarn::engine::lowering {

using plan::ExprPtr;
using plan::PlanKind;
using plan::PlanPtr;

namespace {

constexpr double kFewRows = 20000;       // a sort of so many takes about a millisecond
constexpr double kMany = 1e18;
constexpr double kBytesOfARow = 16;      // of files: less than what most rows take
constexpr double kGenerated = 32;        // rows that a generator may make of one

class RowOrder {
 public:
  explicit RowOrder(const plan::SessionConf& conf) : conf_(conf) {}
  // The plan with sorts where its order can be seen from above.
  PlanPtr ordered(const PlanPtr& p) {
    switch (p->kind) {
      case PlanKind::kProject:
      case PlanKind::kLimit:
      case PlanKind::kTail:
      case PlanKind::kSample:
      case PlanKind::kRepartition:
      case PlanKind::kGenerate:
      case PlanKind::kCollectMetrics: return with_child(p, ordered(p->children[0]));
      case PlanKind::kPythonEval:
        if (plan::as<plan::PythonEval>(*p).over != plan::PythonEval::Over::kRows) return numbers_below(p);
        return with_child(p, ordered(p->children[0]));
      case PlanKind::kPythonMap: {
        const auto& m = plan::as<plan::PythonMap>(*p);
        const bool iterates = m.children.size() == 1 && (m.groupings.empty() || m.groupings[0].empty());
        return iterates ? with_child(p, ordered(p->children[0])) : numbers_below(p);
      }
      case PlanKind::kCteScope: {
        const auto& scope = plan::as<plan::CteScope>(*p);
        for (const auto& d : scope.definitions) ctes_[d.id] = rows(*d.plan);
        return with_child(p, ordered(p->children[0]));
      }
      case PlanKind::kFilter: {
        // The sort goes above the filters: DuckDB knows filters of ranks.
        PlanPtr base = p;
        while (base->kind == PlanKind::kFilter) base = base->children[0];
        if (base->kind == PlanKind::kWindow) return sorted(p, window_order(plan::as<plan::Window>(*base)));
        return with_child(p, ordered(p->children[0]));
      }
      case PlanKind::kWindow: return sorted(p, window_order(plan::as<plan::Window>(*p)));
      case PlanKind::kAggregate: return groups(p);
      case PlanKind::kDistinct: {
        std::vector<ExprPtr> orders;
        for (const auto& a : p->output) orders.push_back(ascending(plan::make_ref(a)));
        bool all = std::all_of(orders.begin(), orders.end(), [](const ExprPtr& o) { return usable(o->children[0]); });
        return sorted(p, all ? std::move(orders) : std::vector<ExprPtr>());
      }
      case PlanKind::kSetOperation: return branches(p);
      case PlanKind::kJoin: return join(p);
      default: return numbers_below(p);
    }
  }

 private:
  // Where rows are numbered as they come, their order is seen too.
  PlanPtr numbers_below(const PlanPtr& p) {
    if (auto* project = plan::try_as<plan::Project>(*p);
        project && std::any_of(project->expressions.begin(), project->expressions.end(), [](const ExprPtr& e) { return has_row_number(*e); })) {
      return ordered(p);
    }
    std::vector<PlanPtr> children;
    bool changed = false;
    for (const auto& c : p->children) {
      children.push_back(numbers_below(c));
      changed |= children.back() != c;
    }
    return changed ? plan::with_plan_children(p, std::move(children)) : p;
  }

  static PlanPtr with_child(const PlanPtr& p, PlanPtr child) {
    return child == p->children[0] ? p : plan::with_plan_children(p, {std::move(child)});
  }

  // ---- how many rows there are at most, roughly; kMany if nobody knows

  double rows(const plan::LogicalPlan& p) const {
    auto known = rows_.find(&p);
    if (known != rows_.end()) return known->second;
    return rows_[&p] = count(p);
  }
  double count(const plan::LogicalPlan& p) const {
    switch (p.kind) {
      case PlanKind::kOneRow: return 1;
      case PlanKind::kLocalData: {
        const auto& table = plan::as<plan::LocalData>(p).table;
        return table ? static_cast<double>(table->num_rows()) : 0;
      }
      case PlanKind::kValues: return static_cast<double>(plan::as<plan::Values>(p).rows.size());
      case PlanKind::kRange: {
        const auto& r = plan::as<plan::Range>(p);
        return r.step == 0 ? kMany : std::max(0.0, (static_cast<double>(r.end) - static_cast<double>(r.start)) / static_cast<double>(r.step) + 1);
      }
      case PlanKind::kScan: {
        auto bytes = plan::as<plan::Scan>(p).relation->size_in_bytes();
        return bytes ? static_cast<double>(*bytes) / kBytesOfARow : kMany;
      }
      case PlanKind::kCteRef: {
        auto it = ctes_.find(plan::as<plan::CteRef>(p).id);
        return it == ctes_.end() ? kMany : it->second;
      }
      case PlanKind::kCteScope: {
        for (const auto& d : plan::as<plan::CteScope>(p).definitions) ctes_[d.id] = rows(*d.plan);
        return rows(p.child());
      }
      case PlanKind::kLimit: {
        const auto& l = plan::as<plan::Limit>(p);
        auto* most = l.limit ? plan::try_as<plan::Literal>(*l.limit) : nullptr;
        double below = rows(p.child());
        return most && most->value.v.index() == 2 ? std::min(below, static_cast<double>(most->value.get<int64_t>())) : below;
      }
      case PlanKind::kTail: return std::min(rows(p.child()), static_cast<double>(plan::as<plan::Tail>(p).count));
      case PlanKind::kGenerate: return rows(p.child()) * kGenerated;
      case PlanKind::kJoin: {
        const auto& j = plan::as<plan::Join>(p);
        double left = rows(j.child(0)), right = rows(j.child(1));
        return j.condition && !j.lateral ? left + right : left * right;
      }
      case PlanKind::kSetOperation: {
        double sum = 0;
        for (const auto& c : p.children) sum += rows(*c);
        return sum;
      }
      case PlanKind::kRecursiveCte:
      case PlanKind::kCached: return kMany;
      default: return p.children.size() == 1 ? rows(p.child()) : kMany;
    }
  }
  bool few(const plan::LogicalPlan& p) const { return rows(p) <= kFewRows; }

  // ---- sorts

  static ExprPtr ascending(const ExprPtr& e, bool nulls_first = true) {
    auto order = std::make_shared<plan::SortOrder>();
    order->children = {e};
    order->type = e->type;
    order->nulls_first = nulls_first;
    return order;
  }
  static PlanPtr sort(const PlanPtr& p, std::vector<ExprPtr> orders) {
    auto s = std::make_shared<plan::Sort>();
    s->orders = std::move(orders);
    s->children = {p};
    s->output = p->output;
    return s;
  }
  PlanPtr sorted(const PlanPtr& p, std::vector<ExprPtr> orders) {
    const bool sorts = !orders.empty() && few(*p);
    PlanPtr out = numbers_below(p);
    return sorts ? sort(out, std::move(orders)) : out;
  }

  static bool usable(const ExprPtr& e) {
    return e->type.is_orderable() && plan::is_deterministic(*e) && !plan::any_of(*e, [](const plan::Expression& x) {
      return x.kind == plan::ExprKind::kSubquery || x.kind == plan::ExprKind::kUserFunction;
    });
  }

  // What the last window is sorted by; nothing if DuckDB keeps its order: without partitions it does.
  static std::vector<ExprPtr> window_order(const plan::Window& w) {
    const auto& root = w.expressions.back()->children[0];
    auto* last = plan::try_as<plan::WindowExpr>(*root);
    if (!last || last->partition_by.empty()) return {};
    std::vector<ExprPtr> orders;
    for (const auto& k : last->partition_by) orders.push_back(ascending(k));
    orders.insert(orders.end(), last->order_by.begin(), last->order_by.end());
    bool all = std::all_of(orders.begin(), orders.end(), [](const ExprPtr& o) { return usable(o->children[0]); });
    return all ? orders : std::vector<ExprPtr>();
  }

  // Groups by their keys.
  PlanPtr groups(const PlanPtr& p) {
    const auto& a = plan::as<plan::Aggregate>(*p);
    if (a.groupings.empty() || !few(*p) || !std::all_of(a.groupings.begin(), a.groupings.end(), usable)) return numbers_below(p);
    auto node = std::make_shared<plan::Aggregate>(a);
    node->children[0] = numbers_below(node->children[0]);
    std::vector<ExprPtr> orders;
    for (const auto& g : a.groupings) {
      const ExprPtr& key = g->kind == plan::ExprKind::kAlias ? g->children[0] : g;
      if (plan::is_foldable(*key)) continue;
      const int index = static_cast<int>(&g - a.groupings.data());
      // A grouping that no set has is no column.
      if (a.grouping_sets && std::none_of(a.grouping_sets->begin(), a.grouping_sets->end(), [&](const auto& s) { return std::find(s.begin(), s.end(), index) != s.end(); })) continue;
      ExprPtr column;
      for (size_t i = 0; i < a.aggregates.size() && !column; ++i) {
        const auto& e = a.aggregates[i];
        if (plan::semantic_equals(e->kind == plan::ExprKind::kAlias ? *e->children[0] : *e, *key)) column = plan::make_ref(a.output[i]);
      }
      if (!column) {
        auto alias = plan::make_alias(key, "key", true, plan::next_expr_id());
        node->aggregates.push_back(alias);
        node->output.push_back(plan::to_attribute(*alias));
        column = plan::make_ref(node->output.back());
      }
      orders.push_back(ascending(column));
    }
    if (orders.empty()) return numbers_below(p);
    if (node->output.size() == a.output.size()) return sort(p, std::move(orders));
    return plan::make_project(sort(node, std::move(orders)), refs(a));
  }

  // Whether DuckDB may give the rows in another order each time, and other rows between them.
  static bool unordered(const plan::LogicalPlan& p) {
    switch (p.kind) {
      case PlanKind::kSort: return false;
      case PlanKind::kAggregate: return !plan::as<plan::Aggregate>(p).groupings.empty();
      case PlanKind::kJoin:
      case PlanKind::kDistinct:
      case PlanKind::kDeduplicate:
      case PlanKind::kWindow: return true;
      case PlanKind::kSetOperation: {
        const auto& s = plan::as<plan::SetOperation>(p);
        if (s.type != plan::SetOperationType::kUnion || !s.all) return true;
        break;
      }
      case PlanKind::kPythonEval: return plan::as<plan::PythonEval>(p).over != plan::PythonEval::Over::kRows;
      case PlanKind::kCteScope: return unordered(*p.children[0]);
      default: break;
    }
    return std::any_of(p.children.begin(), p.children.end(), [](const PlanPtr& c) { return unordered(*c); });
  }

  // Branches one after the other: each in an order of its own, which DuckDB then keeps.
  PlanPtr branches(const PlanPtr& p) {
    const auto& s = plan::as<plan::SetOperation>(*p);
    if (s.type != plan::SetOperationType::kUnion || !s.all || !few(*p)) return numbers_below(p);
    std::vector<PlanPtr> children;
    bool changed = false;
    for (const auto& c : s.children) {
      PlanPtr branch = ordered(c);
      const bool done = c->kind == PlanKind::kSetOperation && branch != c;
      if (!done && unordered(*branch)) branch = numbered(branch);
      changed |= branch != c;
      children.push_back(std::move(branch));
    }
    return changed ? plan::with_plan_children(p, std::move(children)) : p;
  }

  static std::vector<ExprPtr> refs(const plan::LogicalPlan& p) {
    std::vector<ExprPtr> list;
    for (const auto& a : p.output) list.push_back(plan::make_ref(a));
    return list;
  }
  // The rows with their numbers as they come.
  std::pair<PlanPtr, ExprPtr> with_numbers(const PlanPtr& p) const {
    auto list = refs(*p);
    auto position = plan::resolve_call(*plan::find_function("monotonically_increasing_id"), {},
                                       plan::CallContext{conf_, plan::EvalMode::kAnsi, "monotonically_increasing_id"});
    list.push_back(plan::make_alias(position, "number", true, plan::next_expr_id()));
    auto number = plan::make_ref(plan::to_attribute(*list.back()));
    return {plan::make_project(p, std::move(list)), number};
  }
  PlanPtr numbered(const PlanPtr& p) const {
    auto [rows, number] = with_numbers(p);
    return plan::make_project(sort(rows, {ascending(number)}), refs(*p));
  }

  // Rows of a join in the order of one side and, for each of its rows, of the other: as a hash join streams the side that it keeps.
  PlanPtr join(const PlanPtr& p) {
    using plan::JoinType;
    const auto& j = plan::as<plan::Join>(*p);
    if (j.lateral || !few(*p)) return numbers_below(p);
    auto left = with_numbers(ordered(j.children[0]));
    const bool one_sided = j.type == JoinType::kLeftSemi || j.type == JoinType::kLeftAnti;
    auto right = one_sided ? std::pair(j.children[1], ExprPtr()) : with_numbers(ordered(j.children[1]));
    auto node = std::make_shared<plan::Join>(j);
    node->children = {left.first, right.first};
    node->output = left.first->output;
    if (!one_sided) node->output.insert(node->output.end(), right.first->output.begin(), right.first->output.end());
    // Rows of the right side alone come last.
    std::vector<ExprPtr> orders = {ascending(left.second, j.type != JoinType::kFullOuter)};
    if (!one_sided) orders.insert(j.type == JoinType::kRightOuter ? orders.begin() : orders.end(), ascending(right.second));
    return plan::make_project(sort(node, std::move(orders)), refs(*p));
  }

  const plan::SessionConf& conf_;
  mutable std::unordered_map<int64_t, double> ctes_;                       // rows of definitions
  mutable std::unordered_map<const plan::LogicalPlan*, double> rows_;      // of nodes of the original plan
};

}  // namespace

PlanPtr with_row_order(const PlanPtr& plan, const plan::SessionConf& conf) { return RowOrder(conf).ordered(plan); }

}  // namespace tarn::engine::lowering
