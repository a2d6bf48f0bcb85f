#include "plan/logical_plan.h"

#include <algorithm>
#include <atomic>
#include <set>
#include <unordered_map>

namespace tarn::plan {

PlanPtr make_project(PlanPtr child, std::vector<ExprPtr> named) {
  auto p = std::make_shared<Project>();
  p->output.reserve(named.size());
  std::unordered_map<ExprId, size_t> seen;
  for (auto& e : named) {
    Attribute a = to_attribute(*e);
    if (!seen.emplace(a.id, 0).second) {
      // The same column again needs an id of its own; for names it stays one column.
      ExprId first = a.id;
      e = make_alias(e->kind == ExprKind::kAlias ? e->children[0] : e, a.name);
      auto qualifier = a.qualifier;
      a = to_attribute(*e);
      a.qualifier = std::move(qualifier);
      a.duplicate_of = first;
    }
    p->output.push_back(std::move(a));
  }
  p->expressions = std::move(named);
  p->children.push_back(std::move(child));
  return p;
}

PlanPtr make_filter(PlanPtr child, ExprPtr condition) {
  auto p = std::make_shared<Filter>();
  p->output = child->output;
  p->hidden = child->hidden;
  p->condition = std::move(condition);
  p->children.push_back(std::move(child));
  return p;
}

PlanPtr with_plan_children(const PlanPtr& plan, std::vector<PlanPtr> children) {
  auto p = plan->clone();
  p->children = std::move(children);
  return p;
}

namespace {
template <class T>
T& mut(LogicalPlan& p) {
  return static_cast<T&>(p);
}
}  // namespace

void for_each_expression(LogicalPlan& plan, const std::function<void(ExprPtr&)>& f) {
  auto all = [&](std::vector<ExprPtr>& list) {
    for (auto& e : list) f(e);
  };
  auto one = [&](ExprPtr& e) {
    if (e) f(e);
  };
  switch (plan.kind) {
    case PlanKind::kValues:
      for (auto& row : mut<Values>(plan).rows) all(row);
      break;
    case PlanKind::kProject: all(mut<Project>(plan).expressions); break;
    case PlanKind::kFilter: one(mut<Filter>(plan).condition); break;
    case PlanKind::kJoin: one(mut<Join>(plan).condition); break;
    case PlanKind::kAggregate:
      all(mut<Aggregate>(plan).groupings);
      all(mut<Aggregate>(plan).aggregates);
      break;
    case PlanKind::kWindow: all(mut<Window>(plan).expressions); break;
    case PlanKind::kSort: all(mut<Sort>(plan).orders); break;
    case PlanKind::kLimit:
      one(mut<Limit>(plan).limit);
      one(mut<Limit>(plan).offset);
      break;
    case PlanKind::kDeduplicate: all(mut<Deduplicate>(plan).keys); break;
    case PlanKind::kGenerate: one(mut<Generate>(plan).generator); break;
    case PlanKind::kRepartition: all(mut<Repartition>(plan).keys); break;
    case PlanKind::kCollectMetrics: all(mut<CollectMetrics>(plan).metrics); break;
    case PlanKind::kPythonMap:
      for (auto& list : mut<PythonMap>(plan).groupings) all(list);
      if (auto& function = mut<PythonMap>(plan).function) {
        ExprPtr e = function;
        f(e);
        function = std::static_pointer_cast<const UserFunction>(e);
      }
      break;
    case PlanKind::kPythonEval:
      all(mut<PythonEval>(plan).functions);
      all(mut<PythonEval>(plan).keys);
      all(mut<PythonEval>(plan).order);
      break;
    default: break;
  }
}

void visit_expressions(const LogicalPlan& plan, const std::function<void(const ExprPtr&)>& f) {
  // f gets a const reference: nothing is replaced.
  for_each_expression(const_cast<LogicalPlan&>(plan), [&](ExprPtr& e) { f(e); });
}

namespace {

void visit_subqueries(const Expression& e, const std::function<void(const SubqueryExpr&)>& f) {
  if (auto* s = try_as<SubqueryExpr>(e)) f(*s);
  visit_children(e, [&](const ExprPtr& c) { visit_subqueries(*c, f); });
}

// Children, CTE definitions: the plans right below a node, subqueries apart.
void visit_inputs(const LogicalPlan& p, const std::function<void(const PlanPtr&)>& f) {
  if (auto* c = try_as<CteScope>(p))
    for (const auto& d : c->definitions) f(d.plan);
  for (const auto& c : p.children) f(c);
}

}  // namespace

void visit_plan(const PlanPtr& plan, const std::function<bool(const PlanPtr&)>& f) {
  if (!f(plan)) return;
  visit_inputs(*plan, [&](const PlanPtr& c) { visit_plan(c, f); });
  visit_expressions(*plan, [&](const ExprPtr& e) { visit_subqueries(*e, [&](const SubqueryExpr& s) { visit_plan(s.plan, f); }); });
}

namespace {

void collect_outer(const Expression& e, std::vector<ExprPtr>& out, const ExprPtr& self) {
  if (auto* a = try_as<AttributeRef>(e); a && a->outer) out.push_back(self);
  visit_children(e, [&](const ExprPtr& c) { collect_outer(*c, out, c); });
}

void collect(const LogicalPlan& p, std::vector<ExprPtr>& refs, std::set<ExprId>& produced) {
  for (const auto& a : p.output) produced.insert(a.id);
  for (const auto& a : p.hidden) produced.insert(a.id);
  visit_expressions(p, [&](const ExprPtr& e) {
    collect_outer(*e, refs, e);
    visit_subqueries(*e, [&](const SubqueryExpr& s) { collect(*s.plan, refs, produced); });
  });
  visit_inputs(p, [&](const PlanPtr& c) { collect(*c, refs, produced); });
}

}  // namespace

std::vector<ExprPtr> outer_references(const LogicalPlan& plan) {
  std::vector<ExprPtr> refs;
  std::set<ExprId> produced;
  collect(plan, refs, produced);
  std::erase_if(refs, [&](const ExprPtr& r) { return produced.count(as<AttributeRef>(*r).id) > 0; });
  return refs;
}

namespace {

int64_t next_cte_id() {
  static std::atomic<int64_t> next{1000000000};
  return ++next;
}

class Refresher {
 public:
  PlanPtr plan(const PlanPtr& p) {
    auto n = p->clone();
    if (n->kind == PlanKind::kRecursiveCte) fresh_cte(mut<RecursiveCte>(*n).id);
    if (n->kind == PlanKind::kCteScope)
      for (auto& d : mut<CteScope>(*n).definitions) {
        d.plan = plan(d.plan);  // a recursive one numbers itself first
        d.id = fresh_cte(d.id);
      }
    for (auto& c : n->children) c = plan(c);
    if (n->kind == PlanKind::kRecursiveCte) mut<RecursiveCte>(*n).id = ctes_[mut<RecursiveCte>(*n).id];
    if (n->kind == PlanKind::kCteRef) {
      auto& r = mut<CteRef>(*n);
      if (auto it = ctes_.find(r.id); it != ctes_.end()) r.id = it->second;
      for (auto& id : r.source_ids)
        if (auto it = ids_.find(id); it != ids_.end()) id = it->second;
    }
    for (auto& a : n->output) {
      a.id = fresh(a.id);
      if (a.duplicate_of) a.duplicate_of = fresh(a.duplicate_of);
    }
    for (auto& a : n->hidden) a.id = fresh(a.id);
    if (n->kind == PlanKind::kGenerate)
      for (auto& a : mut<Generate>(*n).generator_output) a.id = fresh(a.id);
    for_each_expression(*n, [&](ExprPtr& e) { e = expression(e); });
    return n;
  }

 private:
  ExprId fresh(ExprId id) {
    auto [it, added] = ids_.emplace(id, 0);
    if (added) it->second = next_expr_id();
    return it->second;
  }
  int64_t fresh_cte(int64_t id) {
    auto [it, added] = ctes_.emplace(id, 0);
    if (added) it->second = next_cte_id();
    return it->second;
  }
  ExprPtr expression(const ExprPtr& e) {
    return transform(e, [&](const ExprPtr& x) -> ExprPtr {
      if (auto* a = try_as<AttributeRef>(*x)) {
        auto it = ids_.find(a->id);
        if (it == ids_.end()) return nullptr;
        auto n = std::make_shared<AttributeRef>(*a);
        n->id = it->second;
        if (auto d = ids_.find(a->duplicate_of); d != ids_.end()) n->duplicate_of = d->second;
        return n;
      }
      if (auto* a = try_as<Alias>(*x)) {
        auto n = std::make_shared<Alias>(*a);
        n->id = fresh(a->id);
        return n;
      }
      if (auto* s = try_as<SubqueryExpr>(*x)) {
        auto n = std::make_shared<SubqueryExpr>(*s);
        n->plan = plan(s->plan);
        return n;
      }
      return nullptr;
    });
  }

  std::unordered_map<ExprId, ExprId> ids_;
  std::unordered_map<int64_t, int64_t> ctes_;
};

const Attribute* find_id(const std::vector<Attribute>& list, ExprId id) {
  for (const auto& a : list)
    if (a.id == id) return &a;
  return nullptr;
}

}  // namespace

PlanPtr with_fresh_ids(const PlanPtr& plan) { return Refresher().plan(plan); }

PlanPtr expose(const PlanPtr& plan, const std::vector<ExprId>& ids) {
  std::vector<ExprId> missing;
  for (ExprId id : ids)
    if (!find_id(plan->output, id) && std::find(missing.begin(), missing.end(), id) == missing.end()) missing.push_back(id);
  if (missing.empty()) return plan;

  // Appends the attributes that the child now has to this node's own output, at `at`.
  auto lift = [&](LogicalPlan& n, const PlanPtr& child, size_t at) {
    for (ExprId id : missing)
      if (auto* a = find_id(child->output, id)) n.output.insert(n.output.begin() + static_cast<std::ptrdiff_t>(at++), *a);
  };
  switch (plan->kind) {
    case PlanKind::kScan: {
      auto n = std::make_shared<Scan>(as<Scan>(*plan));
      size_t base = n->relation->schema().fields().size();
      for (ExprId id : missing) {
        size_t k = 0;
        while (k < n->hidden.size() && n->hidden[k].id != id) ++k;
        if (k == n->hidden.size()) return nullptr;
        n->columns.push_back(base + k);
        n->output.push_back(n->hidden[k]);
      }
      return n;
    }
    case PlanKind::kProject: {
      auto child = expose(plan->children[0], missing);
      if (!child) return nullptr;
      auto n = std::make_shared<Project>(as<Project>(*plan));
      n->children[0] = child;
      for (ExprId id : missing) {
        const auto* a = find_id(child->output, id);
        n->expressions.push_back(make_ref(*a));
        n->output.push_back(*a);
      }
      return n;
    }
    case PlanKind::kFilter:
    case PlanKind::kSort:
    case PlanKind::kLimit:
    case PlanKind::kTail:
    case PlanKind::kSample:
    case PlanKind::kRepartition:
    case PlanKind::kCollectMetrics:
    case PlanKind::kWindow:
    case PlanKind::kGenerate: {
      auto child = expose(plan->children[0], missing);
      if (!child) return nullptr;
      auto n = plan->clone();
      size_t own = n->kind == PlanKind::kWindow     ? as<Window>(*n).expressions.size()
                   : n->kind == PlanKind::kGenerate ? as<Generate>(*n).generator_output.size()
                                                    : 0;
      lift(*n, child, n->output.size() - own);
      n->children[0] = child;
      return n;
    }
    case PlanKind::kCteScope: {
      auto child = expose(plan->children[0], missing);
      if (!child) return nullptr;
      auto n = plan->clone();
      lift(*n, child, n->output.size());
      n->children[0] = child;
      return n;
    }
    case PlanKind::kJoin: {
      const auto& j = as<Join>(*plan);
      std::vector<ExprId> left, right;
      auto l = plan->children[0], r = plan->children[1];
      // Once per id: a second try would double at every join further down.
      for (ExprId id : missing) {
        if (auto wider = expose(l, {id})) {
          l = wider;
          left.push_back(id);
        } else {
          right.push_back(id);
        }
      }
      bool one_sided = j.type == JoinType::kLeftSemi || j.type == JoinType::kLeftAnti;
      if (one_sided && !right.empty()) return nullptr;
      if (!right.empty()) r = expose(r, right);
      if (!r) return nullptr;
      auto n = plan->clone();
      bool null_left = j.type == JoinType::kRightOuter || j.type == JoinType::kFullOuter;
      bool null_right = j.type == JoinType::kLeftOuter || j.type == JoinType::kFullOuter;
      size_t at = plan->children[0]->output.size();
      for (ExprId id : left) {
        Attribute a = *find_id(l->output, id);
        a.nullable = a.nullable || null_left;
        n->output.insert(n->output.begin() + static_cast<std::ptrdiff_t>(at++), a);
      }
      for (ExprId id : right) {
        Attribute a = *find_id(r->output, id);
        a.nullable = a.nullable || null_right;
        n->output.push_back(a);
      }
      n->children = {l, r};
      return n;
    }
    case PlanKind::kAggregate: {
      auto n = std::make_shared<Aggregate>(as<Aggregate>(*plan));
      for (ExprId id : missing) {
        auto it = std::find_if(n->groupings.begin(), n->groupings.end(), [&](const ExprPtr& g) {
          auto* a = try_as<AttributeRef>(*g);
          return a && a->id == id;
        });
        if (it == n->groupings.end()) return nullptr;
        n->aggregates.push_back(*it);
        n->output.push_back(to_attribute(**it));
      }
      return n;
    }
    default: return nullptr;
  }
}

DataType schema_of(const LogicalPlan& plan) {
  std::vector<StructField> fields;
  fields.reserve(plan.output.size());
  for (const auto& a : plan.output) fields.push_back(make_field(a.name, a.type, a.nullable, a.metadata));
  return DataType::structure(std::move(fields));
}

namespace {

std::string ref_text(const Attribute& a) { return a.name + "#" + std::to_string(a.id); }

std::string list_text(const std::vector<Attribute>& list) {
  std::string out = "[";
  for (size_t i = 0; i < list.size(); ++i) out += (i ? ", " : "") + ref_text(list[i]);
  return out + "]";
}

std::string list_text(const std::vector<ExprPtr>& list) {
  std::string out = "[";
  for (size_t i = 0; i < list.size(); ++i) out += (i ? ", " : "") + pretty_sql(*list[i]);
  return out + "]";
}

std::string node_text(const LogicalPlan& p) {
  switch (p.kind) {
    case PlanKind::kOneRow: return "OneRowRelation";
    case PlanKind::kLocalData: return "LocalRelation " + list_text(p.output);
    case PlanKind::kValues: return "LocalRelation " + list_text(p.output);
    case PlanKind::kRange: {
      const auto& r = as<Range>(p);
      return "Range (" + std::to_string(r.start) + ", " + std::to_string(r.end) + ", step=" + std::to_string(r.step) + ")";
    }
    case PlanKind::kScan: {
      const auto& s = as<Scan>(p);
      std::string name;
      for (const auto& part : s.name) name += (name.empty() ? "" : ".") + part;
      return "Relation " + name + (name.empty() ? "" : " ") + list_text(p.output) + " " + s.relation->format();
    }
    case PlanKind::kProject: return "Project " + list_text(as<Project>(p).expressions);
    case PlanKind::kFilter: return "Filter " + pretty_sql(*as<Filter>(p).condition);
    case PlanKind::kJoin: {
      const auto& j = as<Join>(p);
      const char* const names[] = {"Inner", "Cross", "LeftOuter", "RightOuter", "FullOuter", "LeftSemi", "LeftAnti"};
      return std::string(j.lateral ? "LateralJoin " : "Join ") + names[static_cast<int>(j.type)] +
             (j.condition ? ", " + pretty_sql(*j.condition) : "");
    }
    case PlanKind::kAggregate: return "Aggregate " + list_text(as<Aggregate>(p).groupings) + ", " + list_text(as<Aggregate>(p).aggregates);
    case PlanKind::kWindow: return "Window " + list_text(as<Window>(p).expressions);
    case PlanKind::kSort: return "Sort " + list_text(as<Sort>(p).orders) + (as<Sort>(p).global ? ", true" : ", false");
    case PlanKind::kLimit: {
      const auto& l = as<Limit>(p);
      return std::string(l.limit ? "GlobalLimit " + pretty_sql(*l.limit) : "") + (l.limit && l.offset ? " " : "") +
             (l.offset ? "Offset " + pretty_sql(*l.offset) : "");
    }
    case PlanKind::kTail: return "Tail " + std::to_string(as<Tail>(p).count);
    case PlanKind::kSetOperation: {
      const auto& s = as<SetOperation>(p);
      const char* const names[] = {"Union", "Intersect", "Except"};
      return std::string(names[static_cast<int>(s.type)]) + (s.all ? " All" : "");
    }
    case PlanKind::kDistinct: return "Distinct";
    case PlanKind::kDeduplicate: return "Deduplicate " + list_text(as<Deduplicate>(p).keys);
    case PlanKind::kGenerate:
      return "Generate " + pretty_sql(*as<Generate>(p).generator) + (as<Generate>(p).outer ? ", true" : ", false");
    case PlanKind::kSample: return "Sample";
    case PlanKind::kCteScope: return "WithCTE";
    case PlanKind::kCteRef: return "CTERelationRef " + std::to_string(as<CteRef>(p).id);
    case PlanKind::kRecursiveCte: return "UnionLoop " + std::to_string(as<RecursiveCte>(p).id);
    case PlanKind::kRepartition: return "Repartition " + std::to_string(as<Repartition>(p).num_partitions);
    case PlanKind::kCollectMetrics: return "CollectMetrics " + as<CollectMetrics>(p).name + ", " + list_text(as<CollectMetrics>(p).metrics);
    case PlanKind::kPythonEval: return "EvalPython " + list_text(as<PythonEval>(p).functions);
    case PlanKind::kPythonMap: return "MapInPython " + (as<PythonMap>(p).function ? as<PythonMap>(p).function->name : "");
    case PlanKind::kCached: return "InMemoryRelation " + list_text(p.output);
    case PlanKind::kScript: return "ScriptTransformation " + as<Script>(p).command + ", " + list_text(p.output);
  }
  return "";
}

void append_tree(const LogicalPlan& p, const std::string& own, const std::string& below, std::string& out) {
  out += own + node_text(p) + "\n";
  std::vector<std::pair<std::string, const LogicalPlan*>> inputs;
  if (auto* c = try_as<CteScope>(p))
    for (const auto& d : c->definitions) inputs.emplace_back("CTERelationDef " + std::to_string(d.id) + " ", d.plan.get());
  for (const auto& c : p.children) inputs.emplace_back("", c.get());
  for (size_t i = 0; i < inputs.size(); ++i) {
    bool last = i + 1 == inputs.size();
    append_tree(*inputs[i].second, below + (last ? "+- " : ":- ") + inputs[i].first, below + (last ? "   " : ":  "), out);
  }
}

}  // namespace

std::string tree_string(const LogicalPlan& plan) {
  std::string out;
  append_tree(plan, "", "", out);
  return out;
}

}  // namespace tarn::plan
