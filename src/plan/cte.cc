// WITH [RECURSIVE]. Source: CTESubstitution, ResolveWithCTE.
#include <atomic>

#include "plan/analyzer_impl.h"

namespace tarn::plan {

namespace {
int64_t next_cte_id() {
  static std::atomic<int64_t> next{0};
  return ++next;
}
}  // namespace

PlanPtr Analyzer::cte_reference(const std::string& name, const CteBinding& b) {
  if (b.each) return alias_plan(with_fresh_ids(b.plan), {name});
  auto r = std::make_shared<CteRef>();
  r->id = b.id;
  if (b.uses) ++*b.uses;
  const auto& columns = b.plan ? b.plan->output : b.columns;
  std::map<ExprId, ExprId> renamed;
  for (auto a : columns) {
    r->source_ids.push_back(a.id);
    ExprId fresh = next_expr_id();
    renamed[a.id] = fresh;
    a.id = fresh;
    a.duplicate_of = a.duplicate_of && renamed.count(a.duplicate_of) ? renamed[a.duplicate_of] : 0;
    a.qualifier = {name};
    r->output.push_back(std::move(a));
  }
  return r;
}

PlanPtr Analyzer::with(const tarn::sql::With& w) {
  auto scope = std::make_shared<CteScope>();
  ctes_.emplace_back();
  struct Pop {
    decltype(ctes_)& c;
    ~Pop() { c.pop_back(); }
  } pop{ctes_};
  define(w, *scope);
  auto root = relation(w.root());
  scope->output = root->output;
  scope->hidden = root->hidden;
  scope->children.push_back(root);
  return scope;
}

void Analyzer::define(const tarn::sql::With& w, CteScope& scope) {
  for (const auto& cte : w.ctes()) {
    std::vector<std::string> columns(cte.columns().begin(), cte.columns().end());
    CteBinding b;
    b.id = next_cte_id();
    PlanPtr plan;
    if (w.recursive() && mentions(cte.query(), cte.name())) plan = recursive_cte(cte, columns, b.id);
    if (!plan) {
      plan = relation(cte.query());
      if (!columns.empty()) plan = rename_columns(plan, columns);
    }
    b.plan = plan;
    // Each use of a recursion has its own limits, unless its rows are drawn by chance.
    PlanPtr root = plan;
    while (root->kind == PlanKind::kProject || root->kind == PlanKind::kCteScope) root = root->children[0];
    b.each = root->kind == PlanKind::kRecursiveCte && is_deterministic_plan(plan);
    ctes_.back()[cte.name()] = b;
    if (!b.each) scope.definitions.push_back({b.id, cte.name(), plan});
  }
}

// Whether the name stands somewhere as a table (a cheap look; a shadowing inner WITH only costs a recursive analysis that then
// finds no reference).
bool Analyzer::mentions(const google::protobuf::Message& m, const std::string& name) {
  if (m.GetDescriptor()->full_name() == "spark.connect.Read.NamedTable") {
    const auto& t = static_cast<const sc::Read::NamedTable&>(m);
    auto parts = sql::parse_multipart_identifier(t.unparsed_identifier(), parse_options());
    return parts.size() == 1 && same_name(parts[0], name, case_sensitive_);
  }
  if (m.GetDescriptor()->full_name() == "google.protobuf.Any") {
    const auto& any = static_cast<const google::protobuf::Any&>(m);
    tarn::sql::Rel r;
    if (any.UnpackTo(&r)) {
      if (!r.has_with()) return mentions(r, name);
      // An inner WITH of that name hides the outer one.
      for (const auto& cte : r.with().ctes()) {
        bool same = same_name(cte.name(), name, case_sensitive_);
        if (!(same && r.with().recursive()) && mentions(cte.query(), name)) return true;
        if (same) return false;
      }
      return mentions(r.with().root(), name);
    }
    tarn::sql::Expr e;
    if (any.UnpackTo(&e)) return mentions(e, name);
    return false;
  }
  const auto* reflection = m.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(m, &fields);
  for (const auto* f : fields) {
    if (f->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE || f->is_map()) continue;
    if (f->is_repeated()) {
      for (int i = 0; i < reflection->FieldSize(m, f); ++i)
        if (mentions(reflection->GetRepeatedMessage(m, f, i), name)) return true;
    } else if (mentions(reflection->GetMessage(m, f), name)) {
      return true;
    }
  }
  return false;
}

PlanPtr Analyzer::recursive_cte(const tarn::sql::With::Cte& cte, const std::vector<std::string>& columns, int64_t id) {
  // The query is (WITH …)? anchor UNION [ALL] recursive part.
  const sc::Relation* q = &cte.query();
  std::vector<std::shared_ptr<tarn::sql::Rel>> keep;
  std::vector<std::string> outer_names;
  std::vector<int> outer_withs;
  std::shared_ptr<CteScope> inner;
  int inner_frames = 0;
  struct PopFrames {
    decltype(ctes_)& c;
    int& n;
    ~PopFrames() {
      for (; n > 0; --n) c.pop_back();
    }
  } pop_frames{ctes_, inner_frames};
  size_t own_frame = ctes_.size() - 1;
  for (;;) {
    if (q->has_extension()) {
      auto r = std::make_shared<tarn::sql::Rel>();
      if (q->extension().UnpackTo(r.get()) && r->has_subquery_column_aliases()) {
        keep.push_back(r);
        kept_.push_back(r);
        outer_names.assign(r->subquery_column_aliases().names().begin(), r->subquery_column_aliases().names().end());
        q = &r->subquery_column_aliases().input();
        continue;
      }
    }
    if (q->has_extension()) {
      // WITH inside: its definitions stand around the recursion.
      auto r = std::make_shared<tarn::sql::Rel>();
      if (q->extension().UnpackTo(r.get()) && r->has_with()) {
        for (const auto& d : r->with().ctes())
          if (same_name(d.name(), cte.name(), case_sensitive_)) return nullptr;  // the name means the inner one
        for (const auto& d : r->with().ctes())
          if (mentions(d.query(), cte.name())) throw analysis_error("INVALID_RECURSIVE_CTE", {{"cteName", name_text({cte.name()})}});
        kept_.push_back(r);
        if (!inner) inner = std::make_shared<CteScope>();
        ctes_.emplace_back();
        ++inner_frames;
        define(r->with(), *inner);
        q = &r->with().root();
        continue;
      }
    }
    if (q->has_with_relations()) {
      std::unordered_map<int64_t, const sc::Relation*> refs;
      for (const auto& r : q->with_relations().references()) refs[r.common().plan_id()] = &r;
      references_.push_back(std::move(refs));
      outer_withs.push_back(1);
      q = &q->with_relations().root();
      continue;
    }
    break;
  }
  struct Pop {
    Analyzer& a;
    size_t n;
    ~Pop() {
      for (size_t i = 0; i < n; ++i) a.references_.pop_back();
    }
  } pop{*this, outer_withs.size()};
  auto error = [&](const char* condition) { return analysis_error(condition, {{"cteName", name_text({cte.name()})}}); };
  bool dedup = false;
  if (q->has_deduplicate() && q->deduplicate().all_columns_as_keys() && q->deduplicate().input().has_set_op()) {
    q = &q->deduplicate().input();
    dedup = true;
  }
  if (!q->has_set_op() || q->set_op().set_op_type() != sc::SetOperation::SET_OP_TYPE_UNION) throw error("INVALID_RECURSIVE_CTE");
  const auto& u = q->set_op();
  bool all = u.is_all() && !dedup;
  if (mentions(u.left_input(), cte.name())) throw error("INVALID_RECURSIVE_CTE");
  if (!all) throw error("UNION_NOT_SUPPORTED_IN_RECURSIVE_CTE");
  auto anchor = relation(u.left_input());
  const auto& names = !columns.empty() ? columns : outer_names;
  if (!names.empty()) anchor = rename_columns(anchor, names);
  CteBinding b;
  b.id = id;
  b.recursive = true;
  int uses = 0;
  b.uses = &uses;
  b.columns = anchor->output;
  for (auto& a : b.columns) a.nullable = true;
  ctes_[own_frame][cte.name()] = b;
  auto step = relation(u.right_input());
  ctes_[own_frame].erase(cte.name());
  if (uses == 0) {
    if (!names.empty()) step = rename_columns(step, names);
    return make_set_operation(SetOperationType::kUnion, true, {anchor, step}, "UNION");
  }
  check_recursive_reference(step, id, false);
  if (step->output.size() != anchor->output.size())
    throw analysis_error("NUM_COLUMNS_MISMATCH",
                         {{"operator", "UNION"}, {"firstNumColumns", std::to_string(anchor->output.size())}, {"invalidOrdinalNum", "second"}, {"invalidNumColumns", std::to_string(step->output.size())}});
  // The step takes the anchor's types.
  std::vector<ExprPtr> list;
  bool changed = false;
  for (size_t i = 0; i < step->output.size(); ++i) {
    const auto& want = anchor->output[i].type;
    auto ref = make_ref(step->output[i]);
    if (!ref->type.structurally_equal(want)) {
      auto t = common_type(want, ref->type, conf_.ansi());
      if (t && !t->same_type(want)) throw analysis_error("CANNOT_MERGE_INCOMPATIBLE_DATA_TYPE", {{"left", quote_sql(want.sql())}, {"right", quote_sql(t->sql())}});
      if (!t)
        throw analysis_error("INCOMPATIBLE_COLUMN_TYPE",
                             {{"operator", "UNION"}, {"columnOrdinalNumber", "first"}, {"tableOrdinalNumber", "second"}, {"dataType1", quote_sql(ref->type.sql())}, {"dataType2", quote_sql(want.sql())}, {"hint", ""}});
      ref = make_alias(make_cast(ref, want, mode()), step->output[i].name);
      changed = true;
    }
    list.push_back(ref);
  }
  if (changed) step = make_project(step, std::move(list));
  auto p = std::make_shared<RecursiveCte>();
  p->id = id;
  p->union_all = true;
  p->max_level = cte.has_max_recursion_level() ? cte.max_recursion_level() : conf_.integer("spark.sql.cteRecursionLevelLimit");
  p->max_rows = conf_.integer("spark.sql.cteRecursionRowLimit");
  // A CteRef inside the step names the anchor's columns.
  for (auto a : anchor->output) {
    a.nullable = true;
    a.id = next_expr_id();
    p->output.push_back(std::move(a));
  }
  p->children = {anchor, step};
  if (!inner) return p;
  inner->output = p->output;
  inner->children.push_back(p);
  return inner;
}

PlanPtr Analyzer::without_row_limit(const PlanPtr& p, bool through_all) {
  switch (p->kind) {
    case PlanKind::kRecursiveCte: {
      auto n = std::make_shared<RecursiveCte>(as<RecursiveCte>(*p));
      n->max_rows = -1;
      return n;
    }
    case PlanKind::kProject:
    case PlanKind::kCteScope: break;
    case PlanKind::kFilter:
    case PlanKind::kJoin:
    case PlanKind::kSetOperation:
    case PlanKind::kAggregate:
    case PlanKind::kWindow:
      if (through_all) break;
      return p;
    default: return p;
  }
  std::vector<PlanPtr> children;
  bool changed = false;
  for (const auto& c : p->children) {
    children.push_back(without_row_limit(c, through_all));
    changed = changed || children.back() != c;
  }
  if (!changed) return p;
  auto n = with_plan_children(p, std::move(children));
  if (auto b = block_of(p)) remember_block(n, b);
  return n;
}

// The recursive reference must not stand where rows are taken together or may be missing.
void Analyzer::check_recursive_reference(const PlanPtr& p, int64_t id, bool forbidden) {
  if (auto* r = try_as<CteRef>(*p)) {
    if (r->id == id && forbidden) throw analysis_error("INVALID_RECURSIVE_REFERENCE.PLACE");
    return;
  }
  bool bad = forbidden;
  switch (p->kind) {
    case PlanKind::kAggregate:
    case PlanKind::kDistinct:
    case PlanKind::kDeduplicate:
    case PlanKind::kSort:
    case PlanKind::kWindow: bad = true; break;
    case PlanKind::kSetOperation: bad = bad || as<SetOperation>(*p).type != SetOperationType::kUnion; break;
    default: break;
  }
  for (size_t i = 0; i < p->children.size(); ++i) {
    bool side = bad;
    if (auto* j = try_as<Join>(*p)) {
      if (j->type == JoinType::kFullOuter) side = true;
      if (j->type == JoinType::kLeftOuter && i == 1) side = true;
      if (j->type == JoinType::kRightOuter && i == 0) side = true;
      if ((j->type == JoinType::kLeftSemi || j->type == JoinType::kLeftAnti) && i == 1) side = true;
    }
    check_recursive_reference(p->children[i], id, side);
  }
  visit_expressions(*p, [&](const ExprPtr& e) {
    any_of(*e, [&](const Expression& x) {
      if (auto* s = try_as<SubqueryExpr>(x)) check_recursive_reference(s->plan, id, true);
      return false;
    });
  });
}

}  // namespace tarn::plan
