#include "engine/plan_fingerprint.h"

#include <arrow/array.h>
#include <arrow/table.h>

#include <algorithm>
#include <unordered_map>

#include "engine/delta_relation.h"
#include "engine/lowering/expression_lowering.h"
#include "engine/sources/source.h"
#include "plan/function.h"

namespace tarn::engine {

namespace {

using namespace plan;

class Fingerprint {
 public:
  explicit Fingerprint(const FingerprintContext* context) : context_(context) {}
  std::string out;
  bool zoned = false, python = false;

  // df.select("*"): the same columns in the same order.
  static bool passes_all_on(const LogicalPlan& p) {
    auto* project = try_as<Project>(p);
    if (!project || project->expressions.size() != p.child().output.size()) return false;
    for (size_t i = 0; i < project->expressions.size(); ++i) {
      auto* ref = try_as<AttributeRef>(project->expressions[i]);
      if (!ref || ref->outer || ref->id != p.child().output[i].id || ref->name != p.child().output[i].name) return false;
    }
    return true;
  }

  void node(const LogicalPlan& p) {
    if (passes_all_on(p)) {
      node(p.child());
      return;
    }
    // Children first: they give numbers to the ids that this node uses.
    out += "(";
    for (const auto& c : p.children) node(*c);
    if (auto* scope = try_as<CteScope>(p)) {
      for (const auto& d : scope->definitions) {
        out += "def" + std::to_string(cte(d.id));
        node(*d.plan);
      }
    }
    out += std::to_string(static_cast<int>(p.kind)) + ":";
    switch (p.kind) {
      case PlanKind::kLocalData:
        if (as<LocalData>(p).table) data(*as<LocalData>(p).table);  // none: no rows
        break;
      case PlanKind::kValues:
        for (const auto& row : as<Values>(p).rows) list(row);
        break;
      case PlanKind::kRange: {
        const auto& r = as<Range>(p);
        out += std::to_string(r.start) + "," + std::to_string(r.end) + "," + std::to_string(r.step);
        break;
      }
      case PlanKind::kScan: {
        const auto& s = as<Scan>(p);
        text(context_ ? identity(*s.relation) : s.relation->fingerprint());
        // Text becomes timestamps by the session's zone.
        for (const auto& a : p.output) zoned = zoned || has_instant(a.type);
        for (size_t c : s.columns) out += std::to_string(c) + ",";
        break;
      }
      case PlanKind::kProject: list(as<Project>(p).expressions); break;
      case PlanKind::kFilter: expr(*as<Filter>(p).condition); break;
      case PlanKind::kJoin:
        out += std::to_string(static_cast<int>(as<Join>(p).type)) + (as<Join>(p).lateral ? "L" : "");
        if (as<Join>(p).condition) expr(*as<Join>(p).condition);
        break;
      case PlanKind::kAggregate: {
        const auto& a = as<Aggregate>(p);
        list(a.groupings);
        list(a.aggregates);
        if (a.grouping_sets) {
          for (const auto& set : *a.grouping_sets) {
            out += "{";
            for (int i : set) out += std::to_string(i) + ",";
            out += "}";
          }
        }
        break;
      }
      case PlanKind::kWindow: list(as<Window>(p).expressions); break;
      case PlanKind::kSort:
        list(as<Sort>(p).orders);
        out += as<Sort>(p).global ? "g" : "l";
        break;
      case PlanKind::kLimit:
        if (as<Limit>(p).limit) expr(*as<Limit>(p).limit);
        out += "+";
        if (as<Limit>(p).offset) expr(*as<Limit>(p).offset);
        break;
      case PlanKind::kTail: out += std::to_string(as<Tail>(p).count); break;
      case PlanKind::kSetOperation:
        out += std::to_string(static_cast<int>(as<SetOperation>(p).type)) + (as<SetOperation>(p).all ? "a" : "d");
        break;
      case PlanKind::kDeduplicate: list(as<Deduplicate>(p).keys); break;
      case PlanKind::kGenerate:
        expr(*as<Generate>(p).generator);
        out += as<Generate>(p).outer ? "o" : "";
        break;
      case PlanKind::kSample: {
        const auto& s = as<Sample>(p);
        out += std::to_string(s.lower) + "," + std::to_string(s.upper) + (s.with_replacement ? "r" : "") + std::to_string(s.seed.value_or(0));
        break;
      }
      case PlanKind::kCteRef: out += "ref" + std::to_string(cte(as<CteRef>(p).id)); break;
      case PlanKind::kRecursiveCte: {
        const auto& r = as<RecursiveCte>(p);
        out += "rec" + std::to_string(cte(r.id)) + (r.union_all ? "a" : "d") + std::to_string(r.max_level) + "," + std::to_string(r.max_rows);
        break;
      }
      case PlanKind::kRepartition:
        out += std::to_string(as<Repartition>(p).num_partitions);
        list(as<Repartition>(p).keys);
        break;
      case PlanKind::kCollectMetrics:
        text(as<CollectMetrics>(p).name);
        list(as<CollectMetrics>(p).metrics);
        break;
      case PlanKind::kPythonEval:
        python = true;
        list(as<PythonEval>(p).functions);
        list(as<PythonEval>(p).keys);
        break;
      case PlanKind::kPythonMap:
        python = true;
        if (as<PythonMap>(p).function) expr(*as<PythonMap>(p).function);
        for (const auto& keys : as<PythonMap>(p).groupings) list(keys);
        break;
      case PlanKind::kCached: text(as<Cached>(p).handle); break;
      case PlanKind::kScript:
        python = true;  // it runs among the session's files
        text(as<Script>(p).command);
        break;
      default: break;
    }
    out += "|";
    for (const auto& a : p.output) {
      out += std::to_string(id(a.id)) + ":";
      text(a.name);
      out += a.type.catalog_string() + ",";
    }
    out += ")";
  }

 private:
  // What was asked for, whatever is there now.
  static std::string identity(const Relation& relation) {
    if (auto* files = sources::as_file_relation(relation)) return files->identity();
    if (auto* delta = as_delta_relation(relation)) return delta->identity();
    return relation.fingerprint();
  }
  static bool has_instant(const DataType& t) {
    switch (t.id()) {
      case TypeId::kTimestamp: return true;
      case TypeId::kArray: return has_instant(t.element());
      case TypeId::kMap: return has_instant(t.key()) || has_instant(t.value());
      case TypeId::kStruct: return std::any_of(t.fields().begin(), t.fields().end(), [](const StructField& f) { return has_instant(f.type()); });
      default: return false;
    }
  }
  void text(const std::string& s) { out += std::to_string(s.size()) + "'" + s; }
  int id(ExprId e) { return ids_.try_emplace(e, static_cast<int>(ids_.size())).first->second; }
  int cte(int64_t c) { return ctes_.try_emplace(c, static_cast<int>(ctes_.size())).first->second; }
  void list(const std::vector<ExprPtr>& all) {
    out += "[";
    for (const auto& e : all) {
      if (e) expr(*e);
      out += ",";
    }
    out += "]";
  }
  void data(const arrow::Table& table) {
    // The content itself: two relations made of equal rows are equal.
    std::hash<std::string_view> hash;
    size_t h = static_cast<size_t>(table.num_rows());
    for (const auto& column : table.columns()) {
      for (const auto& chunk : column->chunks()) mix(*chunk->data(), h, hash);
    }
    out += "data" + std::to_string(h) + "/" + std::to_string(table.num_rows());
  }
  static void mix(const arrow::ArrayData& a, size_t& h, std::hash<std::string_view>& hash) {
    h = h * 1099511628211u + static_cast<size_t>(a.length * 31 + a.offset);
    for (const auto& b : a.buffers) {
      if (b) h = h * 1099511628211u + hash(std::string_view(reinterpret_cast<const char*>(b->data()), static_cast<size_t>(b->size())));
    }
    for (const auto& c : a.child_data) mix(*c, h, hash);
  }
  void expr(const Expression& e) {
    out += std::to_string(static_cast<int>(e.kind));
    switch (e.kind) {
      case ExprKind::kLiteral: text(lowering::literal_sql(as<Literal>(e).value, e.type)); break;
      case ExprKind::kAttribute: out += "#" + std::to_string(id(as<AttributeRef>(e).id)); return;
      case ExprKind::kAlias:
        expr(*e.children[0]);
        out += "#" + std::to_string(id(as<Alias>(e).id));
        text(as<Alias>(e).name);
        return;
      case ExprKind::kCall:
        text(as<Call>(e).function ? std::string(as<Call>(e).function->name()) : as<Call>(e).name);
        out += std::to_string(static_cast<int>(as<Call>(e).mode));
        if (auto* f = as<Call>(e).function) {
          auto lowering = lowering_of(*f, as<Call>(e).mode, e.children.size());
          zoned = zoned || lowering.starts_with('@') || lowering.find("$tz") != std::string_view::npos;
        }
        break;
      case ExprKind::kCast:
        zoned = zoned || has_instant(e.type) || has_instant(e.children[0]->type);
        out += e.type.catalog_string() + std::to_string(static_cast<int>(as<Cast>(e).mode)); break;
      case ExprKind::kSortOrder: out += as<SortOrder>(e).ascending ? "a" : "d"; out += as<SortOrder>(e).nulls_first ? "f" : "l"; break;
      case ExprKind::kAggregate: {
        const auto& a = as<AggregateCall>(e);
        text(a.function ? std::string(a.function->name()) : a.name);
        out += std::to_string(static_cast<int>(a.mode));
        out += a.distinct ? "D" : "";
        out += a.ignore_nulls ? "I" : "";
        if (a.filter) expr(*a.filter);
        list(a.order);
        break;
      }
      case ExprKind::kWindow: {
        const auto& w = as<WindowExpr>(e);
        list(w.partition_by);
        list(w.order_by);
        out += w.rows ? "R" : "V";
        for (const auto* b : {&w.lower, &w.upper}) {
          out += std::to_string(static_cast<int>(b->kind)) + (b->following ? "f" : "p");
          if (b->offset) expr(*b->offset);
        }
        break;
      }
      case ExprKind::kLambda:
        for (const auto& v : as<Lambda>(e).parameters) out += "v" + std::to_string(id(v->id));
        break;
      case ExprKind::kLambdaVariable: out += "v" + std::to_string(id(as<LambdaVariable>(e).id)); return;
      case ExprKind::kSubquery:
        out += std::to_string(static_cast<int>(as<SubqueryExpr>(e).form));
        node(*as<SubqueryExpr>(e).plan);
        break;
      case ExprKind::kUserFunction:
        python = true;
        out += std::to_string(as<UserFunction>(e).eval_type);
        text(as<UserFunction>(e).name);
        text(as<UserFunction>(e).command);
        break;
    }
    list(e.children);
  }

  const FingerprintContext* context_;
  std::unordered_map<ExprId, int> ids_;
  std::unordered_map<int64_t, int> ctes_;
};

}  // namespace

std::string plan_fingerprint(const plan::LogicalPlan& plan, const FingerprintContext* context) {
  Fingerprint f(context);
  f.node(plan);
  if (context && (f.zoned || f.python)) f.out += "zone " + context->time_zone;
  if (context && f.python) f.out += " session " + context->session;
  return std::move(f.out);
}

const plan::PlanPtr& without_idle_projections(const plan::PlanPtr& plan) {
  const auto* p = &plan;
  while (Fingerprint::passes_all_on(**p)) p = &(*p)->children[0];
  return *p;
}

bool may_be_equal(const plan::LogicalPlan& a, const plan::LogicalPlan& b) {
  const auto *x = &a, *y = &b;
  while (Fingerprint::passes_all_on(*x)) x = &x->child();
  while (Fingerprint::passes_all_on(*y)) y = &y->child();
  return x->kind == y->kind && x->output.size() == y->output.size() && x->children.size() == y->children.size();
}

}  // namespace tarn::engine
