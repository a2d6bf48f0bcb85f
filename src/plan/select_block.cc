// A SELECT list as a plan: Aggregate, HAVING, Window, QUALIFY, Generate, lateral aliases, Project, in this order from below.
// Source: GlobalAggregates, ResolveAggregateFunctions, ExtractWindowExpressions, ExtractGenerator, ResolveLateralColumnAliasReference.
#include <algorithm>
#include <set>

#include "plan/analyzer_impl.h"

namespace tarn::plan {

namespace {

// The ids that an expression takes from its input: its references and what its subqueries take from here.
void collect_ids(const Expression& e, std::set<ExprId>& out) {
  if (auto* a = try_as<AttributeRef>(e)) {
    if (!a->outer) out.insert(a->id);
    return;
  }
  if (auto* s = try_as<SubqueryExpr>(e))
    for (const auto& r : outer_references(*s->plan)) out.insert(as<AttributeRef>(*r).id);
  visit_children(e, [&](const ExprPtr& c) { collect_ids(*c, out); });
}

bool has_id(const std::vector<Attribute>& list, ExprId id) {
  return std::any_of(list.begin(), list.end(), [&](const Attribute& a) { return a.id == id; });
}

ExprPtr rename(const ExprPtr& named, ExprPtr value) {
  if (auto* a = try_as<Alias>(*named)) {
    auto n = std::make_shared<Alias>(*a);
    n->type = value->type;
    n->nullable = value->nullable;
    n->children = {std::move(value)};
    return n;
  }
  return value;
}

// Splits expressions over groups into what the Aggregate computes and what stands above it.
class GroupSplitter {
 public:
  GroupSplitter(const SelectBlock& block, const std::set<ExprId>& lateral) : block_(block), lateral_(lateral) {
    columns_.resize(block.groupings.size());
    for (const auto& e : block.for_subqueries) {
      list_.push_back(e);
      known_.insert(to_attribute(*e).id);
    }
  }

  // For clauses above the list: a name that the grouping doesn't leave is no name there.
  ExprPtr split_above(const ExprPtr& e, bool case_sensitive) {
    above_ = true;
    try {
      return split(e);
    } catch (const SparkError& error) {
      if (error.condition() != "MISSING_AGGREGATION" || !missing_) throw;
      auto list = std::make_shared<OneRow>();
      for (const auto& i : block_.items)
        if (!i.generator) list->output.push_back(to_attribute(*i.expression));
      throw Scope({list}, nullptr, case_sensitive).unresolved({as<AttributeRef>(*missing_).name});
    }
  }

  ExprPtr split(const ExprPtr& e) {
    if (e->kind == ExprKind::kLiteral) return e;  // a constant that is also grouped by needs no column
    for (size_t i = 0; i < block_.groupings.size(); ++i)
      if (semantic_equals(*e, *block_.groupings[i])) return grouping(i, *e);
    if (auto* c = try_as<Call>(*e); c && (c->name == "grouping" || c->name == "grouping_id")) {
      auto checked = check_grouping_call(e);
      if (checked->children.empty()) return make_cast(make_int(0), e->type, EvalMode::kAnsi);
      return aggregate(checked);
    }
    if (is_aggregate_node(*e)) return aggregate(e);
    if (auto* w = try_as<WindowExpr>(*e)) {
      // The windowed function stays; its arguments may be aggregates.
      auto n = std::make_shared<WindowExpr>(*w);
      n->children[0] = map_children(w->children[0], [&](const ExprPtr& c) { return split(c); });
      for (auto& p : n->partition_by) p = split(p);
      for (auto& o : n->order_by) o = split(o);
      return n;
    }
    if (auto* a = try_as<AttributeRef>(*e)) {
      if (a->outer || lateral_.count(a->id) || known_.count(a->id)) return e;
      missing_ = e;
      throw missing(*e);
    }
    if (e->kind == ExprKind::kSubquery) check_subquery(as<SubqueryExpr>(*e));
    return map_children(e, [&](const ExprPtr& c) { return split(c); });
  }

  std::vector<ExprPtr> take() { return std::move(list_); }

 private:
  ExprPtr grouping(size_t i, const Expression& as_written) {
    const auto& g = block_.groupings[i];
    if (block_.grouping_sets && in_no_set(i)) return make_null(g->type);
    if (!columns_[i]) {
      if (auto* a = try_as<AttributeRef>(*g)) {
        // The column keeps its name and id; under grouping sets it may become null.
        auto n = std::make_shared<AttributeRef>(*a);
        if (block_.grouping_sets) n->nullable = n->nullable || in_some_set_only(i);
        columns_[i] = n;
        list_.push_back(n);
      } else {
        auto alias = make_alias(g->kind == ExprKind::kAlias ? g->children[0] : g, pretty_sql(*g), true);
        if (block_.grouping_sets && in_some_set_only(i)) {
          auto n = std::make_shared<Alias>(as<Alias>(*alias));
          n->nullable = true;
          alias = n;
        }
        list_.push_back(alias);
        columns_[i] = make_ref(to_attribute(*alias));
      }
      known_.insert(as<AttributeRef>(*columns_[i]).id);
    }
    // A name that the user wrote with another spelling or qualifier is kept.
    if (auto* a = try_as<AttributeRef>(as_written)) {
      auto n = std::make_shared<AttributeRef>(as<AttributeRef>(*columns_[i]));
      n->name = a->name;
      n->qualifier = a->qualifier;
      n->metadata = a->metadata;
      return n;
    }
    return columns_[i];
  }

  bool in_no_set(size_t i) const {
    for (const auto& s : *block_.grouping_sets)
      if (std::find(s.begin(), s.end(), static_cast<int>(i)) != s.end()) return false;
    return true;
  }

  bool in_some_set_only(size_t i) const {
    for (const auto& s : *block_.grouping_sets)
      if (std::find(s.begin(), s.end(), static_cast<int>(i)) == s.end()) return true;
    return false;
  }

  ExprPtr aggregate(const ExprPtr& e) {
    for (const auto& [call, column] : seen_)
      if (semantic_equals(*call, *e)) return column;
    auto alias = make_alias(e, pretty_sql(*e), true);
    list_.push_back(alias);
    auto ref = make_ref(to_attribute(*alias));
    known_.insert(as<AttributeRef>(*ref).id);
    seen_.emplace_back(e, ref);
    return ref;
  }

  ExprPtr check_grouping_call(const ExprPtr& e) {
    if (!block_.grouping_sets || (above_ && block_.groupings.empty() && block_.grouping_sets->size() > 1))
      throw analysis_error("UNSUPPORTED_GROUPING_EXPRESSION");
    const auto& c = as<Call>(*e);
    auto list_text = [&](const std::vector<ExprPtr>& list) {
      std::string out;
      for (const auto& x : list) out += (out.empty() ? "" : ",") + pretty_sql(*x);
      return out;
    };
    if (c.name == "grouping") {
      bool found = c.children.size() == 1 && std::any_of(block_.groupings.begin(), block_.groupings.end(), [&](const ExprPtr& g) {
                     return semantic_equals(*g, *c.children[0]);
                   });
      if (!found)
        throw analysis_error("GROUPING_COLUMN_MISMATCH",
                             {{"grouping", c.children.empty() ? "" : quote_sql(pretty_sql(*c.children[0]))}, {"groupingColumns", quote_sql(list_text(block_.groupings))}});
      return e;
    }
    if (c.children.empty()) {
      auto n = std::make_shared<Call>(c);
      n->children = block_.groupings;
      return n;
    }
    bool same = c.children.size() == block_.groupings.size();
    for (size_t i = 0; same && i < c.children.size(); ++i) same = semantic_equals(*c.children[i], *block_.groupings[i]);
    if (!same)
      throw analysis_error("GROUPING_ID_COLUMN_MISMATCH",
                           {{"groupingIdColumn", quote_sql(list_text(c.children))}, {"groupByColumns", quote_sql(list_text(block_.groupings))}});
    return e;
  }

  void check_subquery(const SubqueryExpr& s) {
    for (const auto& r : outer_references(*s.plan)) {
      const auto& a = as<AttributeRef>(*r);
      if (!has_id(block_.input->output, a.id) && !has_id(block_.input->hidden, a.id)) continue;
      bool grouped = false;
      for (size_t i = 0; i < block_.groupings.size(); ++i) {
        auto* g = try_as<AttributeRef>(*block_.groupings[i]);
        if (g && g->id == a.id) {
          grouping(i, *g);
          grouped = true;
        }
      }
      if (!grouped) {
        if (s.form == SubqueryExpr::Form::kScalar)
          throw analysis_error("SCALAR_SUBQUERY_IS_IN_GROUP_BY_OR_AGGREGATE_FUNCTION", {{"sqlExpr", quote_sql(pretty_sql(s))}});
        throw missing(a);
      }
    }
  }

  SparkError missing(const Expression& e) const {
    if (block_.groupings.empty()) return analysis_error("MISSING_GROUP_BY");
    return analysis_error("MISSING_AGGREGATION",
                          {{"expression", quote_sql(pretty_sql(e))}, {"expressionAnyValue", quote_sql("any_value(" + pretty_sql(e) + ")")}});
  }

  const SelectBlock& block_;
  const std::set<ExprId>& lateral_;
  std::vector<ExprPtr> columns_;                        // of each grouping, once used
  std::vector<std::pair<ExprPtr, ExprPtr>> seen_;
  std::set<ExprId> known_;
  std::vector<ExprPtr> list_;
  ExprPtr missing_;
  bool above_ = false;
};

// Takes window expressions out. Those that are arguments or keys of others come first.
class WindowSplitter {
 public:
  ExprPtr split(const ExprPtr& e) {
    size_t level = 0;
    return split(e, level);
  }
  // One Window each, from below.
  std::vector<std::vector<ExprPtr>> levels;

 private:
  // level: that of the first Window that can see everything e is made of.
  ExprPtr split(const ExprPtr& e, size_t& level) {
    if (!contains_window(*e)) return e;
    if (e->kind != ExprKind::kWindow) return map_children(e, [&](const ExprPtr& c) { return split(c, level); });
    size_t inner = 0;
    auto w = std::make_shared<WindowExpr>(as<WindowExpr>(*e));
    for (auto* list : {&w->children, &w->partition_by, &w->order_by})
      for (auto& x : *list) x = split(x, inner);
    level = std::max(level, inner + 1);
    for (const auto& [seen, column] : done_)
      if (semantic_equals(*seen, *w)) return column;
    auto alias = make_alias(w, pretty_sql(*e), true);
    if (levels.size() <= inner) levels.resize(inner + 1);
    levels[inner].push_back(alias);
    auto ref = make_ref(to_attribute(*alias));
    done_.emplace_back(w, ref);
    return ref;
  }
  std::vector<std::pair<ExprPtr, ExprPtr>> done_;
};

// A GROUP BY in a subquery and its list may not use columns of the query around.
void refuse_outer_columns(const SelectBlock& block) {
  std::string bad;
  auto look = [&](const ExprPtr& e) {
    bool outer = any_of(*e, [](const Expression& x) {
      auto* a = try_as<AttributeRef>(x);
      return a && a->outer;
    });
    if (outer) bad += (bad.empty() ? "" : ",") + quote_sql(pretty_sql(e->kind == ExprKind::kAlias ? *e->children[0] : *e));
  };
  for (const auto& g : block.groupings) look(g);
  for (const auto& i : block.items) look(i.expression);
  if (!bad.empty()) throw analysis_error("UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.CORRELATED_REFERENCE", {{"sqlExprs", bad}});
}

PlanPtr make_window(PlanPtr child, std::vector<ExprPtr> list) {
  auto w = std::make_shared<Window>();
  w->output = child->output;
  w->hidden = child->hidden;
  for (const auto& e : list) w->output.push_back(to_attribute(*e));
  w->expressions = std::move(list);
  w->children.push_back(std::move(child));
  return w;
}

}  // namespace

std::vector<ExprId> referenced_ids(const Expression& e) {
  std::set<ExprId> ids;
  collect_ids(e, ids);
  return {ids.begin(), ids.end()};
}

PlanPtr Analyzer::provide(PlanPtr plan, const std::vector<ExprPtr>& used) {
  if (plan->hidden.empty()) return plan;
  std::set<ExprId> ids;
  for (const auto& e : used)
    if (e) collect_ids(*e, ids);
  std::vector<ExprId> want;
  for (const auto& a : plan->hidden)
    if (ids.count(a.id) && !has_id(plan->output, a.id)) want.push_back(a.id);
  if (want.empty()) return plan;
  auto out = expose(plan, want);
  if (!out) throw internal_error("a hidden column cannot be brought up");
  return out;
}

PlanPtr Analyzer::restore(PlanPtr plan, const std::vector<Attribute>& columns) {
  bool same = plan->output.size() == columns.size();
  for (size_t i = 0; same && i < columns.size(); ++i) same = plan->output[i].id == columns[i].id;
  if (same) return plan;
  std::vector<ExprPtr> list;
  for (const auto& a : columns) list.push_back(make_ref(a));
  auto hidden = plan->hidden;
  auto p = std::const_pointer_cast<LogicalPlan>(make_project(std::move(plan), std::move(list)));
  for (size_t i = 0; i < columns.size(); ++i) p->output[i] = columns[i];
  p->hidden = std::move(hidden);
  return p;
}

std::shared_ptr<SelectBlock> Analyzer::block_of(const PlanPtr& plan) const {
  auto it = blocks_.find(plan.get());
  return it == blocks_.end() ? nullptr : it->second.second;
}

void Analyzer::remember_block(const PlanPtr& plan, std::shared_ptr<SelectBlock> block) { blocks_[plan.get()] = {plan, std::move(block)}; }

PlanPtr Analyzer::finish_block(std::shared_ptr<SelectBlock> block) {
  auto plan = build(*block);
  remember_block(plan, std::move(block));
  return plan;
}

// The generators of a list as Generate nodes; their columns take their places.
PlanPtr Analyzer::generate_rows(PlanPtr p, std::vector<SelectItem>& items, bool aggregated, const std::function<ExprPtr(const ExprPtr&)>& inline_lateral) {
  size_t generators = 0;
  std::string names;
  for (const auto& i : items) {
    if (i.generator) {
      ++generators;
      names += (names.empty() ? "" : ", ") + quote_sql(pretty_sql(*i.expression));
      for (const auto& c : i.expression->children)
        if (contains_generator(*c)) throw analysis_error("UNSUPPORTED_GENERATOR.NESTED_IN_EXPRESSIONS", {{"expression", quote_sql(pretty_sql(*i.expression))}});
    } else if (contains_generator(*i.expression)) {
      throw analysis_error("UNSUPPORTED_GENERATOR.NESTED_IN_EXPRESSIONS",
                           {{"expression", quote_sql(pretty_sql(i.expression->kind == ExprKind::kAlias ? *i.expression->children[0] : *i.expression))}});
    }
  }
  if (generators == 0) return p;
  if (generators > 1 && aggregated) throw analysis_error("UNSUPPORTED_GENERATOR.MULTI_GENERATOR", {{"num", std::to_string(generators)}, {"generators", names}});
  // One may use another's columns: that one comes first.
  std::vector<std::vector<Attribute>> made(items.size());
  std::vector<bool> waiting(items.size());
  for (size_t k = 0; k < items.size(); ++k) waiting[k] = items[k].generator;
  for (size_t left = generators; left > 0;) {
    size_t before_round = left;
    for (size_t k = 0; k < items.size(); ++k) {
      if (!waiting[k]) continue;
      auto& i = items[k];
      auto expression = inline_lateral(i.expression);
      std::set<ExprId> ids;
      collect_ids(*expression, ids);
      bool early = false;
      for (size_t o = 0; o < items.size(); ++o)
        for (const auto& c : items[o].columns) early = early || (o != k && waiting[o] && ids.count(c.id));
      if (early) continue;
      size_t before = p->output.size();
      p = i.columns.empty() ? generator_plan(p, expression, i.outer, i.names, {}) : generator_plan(p, expression, i.outer, i.columns);
      made[k].assign(p->output.begin() + static_cast<std::ptrdiff_t>(before), p->output.end());
      waiting[k] = false;
      --left;
    }
    if (left == before_round) throw analysis_error("UNSUPPORTED_GENERATOR.MULTI_GENERATOR", {{"num", std::to_string(generators)}, {"generators", names}});
  }
  std::vector<SelectItem> flat;
  for (size_t k = 0; k < items.size(); ++k) {
    if (!items[k].generator) {
      flat.push_back(items[k]);
      continue;
    }
    for (const auto& a : made[k]) {
      SelectItem column;
      column.expression = make_ref(a);
      flat.push_back(column);
    }
  }
  items = std::move(flat);
  return p;
}

PlanPtr Analyzer::build(const SelectBlock& block) {
  // All named columns, those for clauses above last.
  std::vector<SelectItem> items = block.items;
  for (const auto& e : block.extra) {
    SelectItem i;
    i.expression = e;
    items.push_back(i);
  }
  std::set<ExprId> lateral;
  for (const auto& i : items) {
    if (auto* a = try_as<Alias>(i.expression)) lateral.insert(a->id);
    for (const auto& c : i.columns) lateral.insert(c.id);
  }

  std::vector<ExprPtr> used;
  for (const auto& i : items) used.push_back(i.expression);
  used.insert(used.end(), block.having.begin(), block.having.end());
  used.insert(used.end(), block.qualify.begin(), block.qualify.end());
  used.insert(used.end(), block.groupings.begin(), block.groupings.end());
  PlanPtr p = provide(block.input, used);

  std::vector<ExprPtr> having = block.having, qualify = block.qualify;
  // The empty grouping set has no row over no rows, unlike a plain aggregate; alone it is one.
  const bool grand_total = block.grouping_sets && block.grouping_sets->size() == 1 && block.groupings.empty() && conf_.flag("spark.sql.analyzer.lowerEmptyGroupingSetToGlobalAggregate.enabled");
  // Python aggregates come without it: they see each row once for every set.
  const bool in_python = std::any_of(items.begin(), items.end(), [](const SelectItem& i) {
    return i.expression && any_of(*i.expression, [](const Expression& e) { return e.kind == ExprKind::kUserFunction && is_aggregate_node(e); });
  });
  if (block.grouping_sets && !grand_total && !in_python && std::any_of(block.grouping_sets->begin(), block.grouping_sets->end(), [](const auto& s) { return s.empty(); }))
    having.insert(having.begin(), call(">", {call("count", {make_int(1)}), make_long(0)}));
  if (block.aggregated) {
    GroupSplitter groups(block, lateral);
    if (around_) refuse_outer_columns(block);
    for (size_t k = 0; k < items.size(); ++k) {
      auto& i = items[k];
      const bool above = k >= block.items.size();
      if (i.generator) {
        i.expression = map_children(i.expression, [&](const ExprPtr& c) { return groups.split(c); });
      } else if (auto* a = try_as<Alias>(i.expression)) {
        i.expression = rename(i.expression, above ? groups.split_above(a->children[0], case_sensitive_) : groups.split(a->children[0]));
      } else {
        auto column = groups.split(i.expression);
        // A column that no grouping set has is NULL under its name.
        if (column->kind != ExprKind::kAlias && column->kind != ExprKind::kAttribute) column = make_alias(column, to_attribute(*i.expression).name);
        i.expression = std::move(column);
      }
    }
    for (auto& h : having) h = groups.split_above(h, case_sensitive_);
    for (auto& q : qualify) q = groups.split_above(q, case_sensitive_);
    auto agg = std::make_shared<Aggregate>();
    agg->groupings = block.groupings;
    for (auto& g : agg->groupings)
      if (g->kind == ExprKind::kAlias) g = g->children[0];
    // Constants make no groups, but GROUP BY 'x' alone still has none over no rows: then the constant is a column of the input.
    std::vector<ExprPtr> constants;
    if (!block.grouping_sets) {
      bool all = std::all_of(agg->groupings.begin(), agg->groupings.end(), [](const ExprPtr& g) { return g->kind == ExprKind::kLiteral; });
      if (!all) std::erase_if(agg->groupings, [](const ExprPtr& g) { return g->kind == ExprKind::kLiteral; });
      else if (!agg->groupings.empty()) agg->groupings.resize(1);
    }
    for (auto& g : agg->groupings)
      if (g->kind == ExprKind::kLiteral) {
        constants.push_back(make_alias(g, "constant", true));
        g = make_ref(to_attribute(*constants.back()));
      }
    if (!constants.empty()) {
      std::vector<ExprPtr> list;
      for (const auto& a : p->output) list.push_back(make_ref(a));
      list.insert(list.end(), constants.begin(), constants.end());
      p = make_project(p, std::move(list));
    }
    agg->grouping_sets = block.grouping_sets;
    agg->aggregates = groups.take();
    if (agg->aggregates.empty()) agg->aggregates.push_back(make_alias(make_int(1), "1", true));
    for (const auto& e : agg->aggregates) agg->output.push_back(to_attribute(*e));
    agg->children.push_back(p);
    p = agg;
  }
  for (auto& h : having) p = make_filter(p, h);

  // Lateral aliases inside window functions and generators are computed in place.
  auto inline_lateral = [&](const ExprPtr& e) {
    ExprPtr out = e;
    for (int round = 0; round < 100; ++round) {
      bool changed = false;
      out = transform(out, [&](const ExprPtr& x) -> ExprPtr {
        auto* a = try_as<AttributeRef>(*x);
        if (!a || !lateral.count(a->id)) return nullptr;
        for (const auto& i : items)
          if (auto* alias = try_as<Alias>(i.expression); alias && alias->id == a->id) {
            changed = true;
            return alias->children[0];
          }
        return nullptr;
      });
      if (!changed) break;
    }
    return out;
  };
  auto inline_in_windows = [&](const ExprPtr& e) {
    if (!contains_window(*e)) return e;
    return transform(e, [&](const ExprPtr& x) -> ExprPtr { return x->kind == ExprKind::kWindow ? inline_lateral(x) : nullptr; });
  };
  // Window functions are over generated rows, but for those that a generator takes and those over groups.
  const bool generate_first = !block.aggregated && std::none_of(items.begin(), items.end(), [](const SelectItem& i) { return i.generator && contains_window(*i.expression); });
  if (generate_first) p = generate_rows(std::move(p), items, block.aggregated, inline_lateral);
  WindowSplitter windows;
  for (auto& i : items) {
    if (i.generator) i.expression = map_children(i.expression, [&](const ExprPtr& c) { return windows.split(inline_in_windows(c)); });
    else if (auto* a = try_as<Alias>(i.expression)) i.expression = rename(i.expression, windows.split(inline_in_windows(a->children[0])));
    else i.expression = windows.split(inline_in_windows(i.expression));
  }
  for (auto& q : qualify) q = windows.split(inline_in_windows(q));
  for (auto& list : windows.levels) p = make_window(p, std::move(list));
  for (auto& q : qualify) p = make_filter(p, q);

  if (!generate_first) p = generate_rows(std::move(p), items, block.aggregated, inline_lateral);

  // Lateral aliases: columns that others use are computed below.
  auto uses = [&](const ExprPtr& e) {
    std::set<ExprId> ids, out;
    collect_ids(*e, ids);
    auto* self = try_as<Alias>(e);
    for (ExprId id : ids)
      if (lateral.count(id) && !has_id(p->output, id) && !(self && self->id == id)) out.insert(id);
    return out;
  };
  std::set<ExprId> needed;
  for (const auto& i : items)
    for (ExprId id : uses(i.expression)) needed.insert(id);
  for (bool grew = true; grew;) {
    grew = false;
    for (const auto& i : items)
      if (auto* a = try_as<Alias>(i.expression); a && needed.count(a->id))
        for (ExprId id : uses(i.expression)) grew = needed.insert(id).second || grew;
  }
  while (!needed.empty()) {
    std::vector<ExprPtr> list;
    for (const auto& a : p->output) list.push_back(make_ref(a));
    std::set<ExprId> made;
    for (auto& i : items) {
      auto* a = try_as<Alias>(i.expression);
      if (!a || !needed.count(a->id)) continue;
      bool ready = uses(i.expression).empty();
      if (!ready) continue;
      list.push_back(i.expression);
      made.insert(a->id);
    }
    if (made.empty()) throw internal_error("lateral column aliases in a circle");
    auto hidden = p->hidden;
    auto next = std::const_pointer_cast<LogicalPlan>(make_project(p, std::move(list)));
    next->hidden = hidden;
    p = next;
    for (auto& i : items)
      if (auto* a = try_as<Alias>(i.expression); a && made.count(a->id)) {
        i.expression = make_ref(to_attribute(*i.expression));
        needed.erase(as<AttributeRef>(*i.expression).id);
      }
  }

  std::vector<ExprPtr> list;
  for (const auto& i : items) list.push_back(i.expression);
  auto hidden = p->hidden;
  bool keeps_hidden = !block.aggregated;
  auto out = std::const_pointer_cast<LogicalPlan>(make_project(std::move(p), std::move(list)));
  if (keeps_hidden) out->hidden = std::move(hidden);
  return out;
}

PlanPtr Analyzer::project_items(PlanPtr input, std::vector<SelectItem> items) {
  auto block = std::make_shared<SelectBlock>();
  block->input = std::move(input);
  block->items = std::move(items);
  for (const auto& i : block->items) block->aggregated = block->aggregated || contains_aggregate(*i.expression);
  return finish_block(std::move(block));
}

// Whether the element of a list is written as a call of a generator.
bool Analyzer::maybe_generator(const sc::Expression& e) {
  if (e.has_alias()) return maybe_generator(e.alias().expr());
  std::string name;
  if (e.has_unresolved_function()) {
    name = e.unresolved_function().function_name();
  } else if (e.has_call_function()) {
    name = e.call_function().function_name();
  } else if (e.has_extension()) {
    tarn::sql::Expr x;
    if (!e.extension().UnpackTo(&x)) return false;
    if (x.has_pipe_expression()) return maybe_generator(x.pipe_expression().child());
    if (x.has_function_call() && x.function_call().name().parts_size() > 0) name = *x.function_call().name().parts().rbegin();
  }
  const auto* entry = name.empty() ? nullptr : find_function(lower_case(name));
  return entry && entry->kind == FunctionKind::kGenerator;
}

PlanPtr Analyzer::select(PlanPtr input, const google::protobuf::RepeatedPtrField<sc::Expression>& list) {
  WindowsOfClause windows(*this);
  std::vector<const google::protobuf::Message*> written;
  for (const auto& e : list) written.push_back(&e);
  input = add_time_window(std::move(input), written, "Project");
  Scope scope = scope_of(input);
  const bool lateral = conf_.flag("spark.sql.lateralColumnAlias.enableImplicitResolution");
  std::vector<SelectItem> items;
  Env env = env_over(scope, "Project");
  env.lateral = lateral ? &items : nullptr;
  if (std::none_of(list.begin(), list.end(), [&](const sc::Expression& e) { return maybe_generator(e); })) {
    for (const auto& e : list) named(e, env, items);
    return project_items(std::move(input), std::move(items));
  }
  // Columns of generators are columns of the input for the whole list, whatever stands first.
  const auto n = static_cast<size_t>(list.size());
  std::vector<std::vector<SelectItem>> parts(n);
  std::vector<bool> done(n);
  std::vector<Attribute> generated;
  std::optional<SparkError> first;
  env.generated = &generated;
  bool aggregated = false;
  for (bool progress = true; progress;) {
    progress = false;
    first.reset();
    for (size_t i = 0; i < n; ++i) {
      if (done[i]) continue;
      items.clear();
      for (size_t j = 0; j < i; ++j)
        if (done[j]) items.insert(items.end(), parts[j].begin(), parts[j].end());
      try {
        named(list[static_cast<int>(i)], env, parts[i]);
      } catch (const SparkError& error) {
        if (!error.condition().starts_with("UNRESOLVED_COLUMN")) throw;
        if (!first) first = error;
        continue;
      }
      done[i] = progress = true;
      for (const auto& item : parts[i]) {
        aggregated = aggregated || contains_aggregate(*item.expression);
        generated.insert(generated.end(), item.columns.begin(), item.columns.end());
      }
    }
  }
  if (first) throw *first;
  items.clear();
  for (auto& part : parts) items.insert(items.end(), part.begin(), part.end());
  if (aggregated && env.generated_used) {
    // An aggregate is below the generator: there its columns don't exist yet.
    auto again = std::move(items);
    items.clear();
    env.generated = nullptr;
    for (const auto& e : list) named(e, env, items);
    items = std::move(again);
  }
  return project_items(std::move(input), std::move(items));
}

}  // namespace tarn::plan
