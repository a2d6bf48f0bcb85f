// GROUP BY and its kin, HAVING, QUALIFY, PIVOT. Source: ResolveReferencesInAggregate, GroupingAnalyticsTransformer, PivotTransformer.
#include <algorithm>
#include <set>

#include "plan/analyzer_impl.h"
#include "plan/expression_text.h"

namespace tarn::plan {

void Analyzer::check_grouping(const ExprPtr& g) {
  if (contains_aggregate(*g)) {
    const Expression* found = nullptr;
    any_of(*g, [&](const Expression& e) {
      if (is_aggregate_node(e)) found = &e;
      return found != nullptr;
    });
    throw analysis_error("GROUP_BY_AGGREGATE", {{"sqlExpr", expression_sql(*found)}});
  }
  if (contains_window(*g) || contains_generator(*g))
    throw analysis_error("UNSUPPORTED_EXPR_FOR_OPERATOR", {{"invalidExprSqls", quote_sql(pretty_sql(*g))}});
  std::function<bool(const DataType&)> has_variant = [&](const DataType& t) -> bool {
    if (t.id() == TypeId::kVariant) return true;
    if (t.id() == TypeId::kArray) return has_variant(t.element());
    if (t.id() == TypeId::kMap) return has_variant(t.value());
    return t.id() == TypeId::kStruct && std::any_of(t.fields().begin(), t.fields().end(), [&](const StructField& f) { return has_variant(f.type()); });
  };
  if (has_variant(g->type))
    throw analysis_error("GROUP_EXPRESSION_TYPE_IS_NOT_ORDERABLE", {{"sqlExpr", quote_sql(pretty_sql(*g))}, {"dataType", quote_sql(g->type.sql())}});
}

ExprPtr Analyzer::grouping_expression(const sc::Expression& e, const SelectBlock& block, Env& env) {
  // A position of the select list.
  if (e.has_literal() && e.literal().has_integer() && conf_.flag("spark.sql.groupByOrdinal")) {
    int at = e.literal().integer();
    auto fail = [&](SparkError error) {
      auto where = context_of(e.common());
      return where ? error.with_context(*where) : error;
    };
    // A generator stands for its arguments, which the aggregate below it computes.
    std::vector<ExprPtr> listed;
    for (const auto& i : block.items) {
      if (!i.generator) listed.push_back(i.expression);
      else
        for (const auto& c : i.expression->children)
          if (!is_foldable(*c)) listed.push_back(c);
    }
    if (at < 1 || static_cast<size_t>(at) > listed.size())
      throw fail(analysis_error("GROUP_BY_POS_OUT_OF_RANGE", {{"index", std::to_string(at)}, {"size", std::to_string(listed.size())}}));
    const auto& item = listed[static_cast<size_t>(at - 1)];
    auto value = item->kind == ExprKind::kAlias ? item->children[0] : item;
    if (contains_aggregate(*value))
      throw fail(analysis_error("GROUP_BY_POS_AGGREGATE", {{"index", std::to_string(at)}, {"aggExpr", pretty_sql(*item)}}));
    return value;
  }
  ExprPtr out;
  try {
    out = expression(e, env);
  } catch (const SparkError& error) {
    // An alias of the select list, where no column has the name.
    if (!error.condition().starts_with("UNRESOLVED_COLUMN") || !conf_.flag("spark.sql.groupByAliases")) throw;
    Env named_env = env;
    named_env.block_values = true;
    SelectBlock only_aliases;
    auto add = [&](const SelectItem& i) {
      const auto& name = as<Alias>(*i.expression).name;
      for (const auto& seen : only_aliases.items)
        if (same_name(as<Alias>(*seen.expression).name, name, case_sensitive_)) return;  // the first of a name
      only_aliases.items.push_back(i);
    };
    for (const auto& i : block.items) {
      if (i.expression->kind == ExprKind::kAlias) add(i);
      for (size_t k = 0; i.generator && k < i.expression->children.size(); ++k) {
        const auto& c = i.expression->children[k];
        if (is_foldable(*c)) continue;
        SelectItem input;
        input.expression = make_alias(c, "_gen_input_" + std::to_string(k));
        add(input);
      }
    }
    named_env.block = &only_aliases;
    try {
      out = expression(e, named_env);
    } catch (const SparkError&) {
      throw error;
    }
  }
  if (out->kind == ExprKind::kAlias) out = out->children[0];
  return out;
}

std::vector<std::vector<ExprPtr>> Analyzer::analytics_sets(const tarn::sql::GroupingAnalytics& g, const SelectBlock& block, Env& env) {
  using G = tarn::sql::GroupingAnalytics;
  std::vector<std::vector<ExprPtr>> parts;
  auto list = [&](const G::Set& s) {
    std::vector<ExprPtr> out;
    for (const auto& e : s.expressions()) out.push_back(grouping_expression(e, block, env));
    return out;
  };
  std::vector<std::vector<ExprPtr>> sets;
  switch (g.kind()) {
    case G::KIND_ROLLUP: {
      for (const auto& s : g.sets()) parts.push_back(list(s));
      for (size_t n = parts.size() + 1; n-- > 0;) {
        std::vector<ExprPtr> set;
        for (size_t i = 0; i < n; ++i) set.insert(set.end(), parts[i].begin(), parts[i].end());
        sets.push_back(std::move(set));
      }
      break;
    }
    case G::KIND_CUBE: {
      for (const auto& s : g.sets()) parts.push_back(list(s));
      if (parts.size() > 20) throw analysis_error("GROUPING_SIZE_LIMIT_EXCEEDED", {{"maxSize", "64"}});
      for (size_t mask = 0; mask < (size_t{1} << parts.size()); ++mask) {
        std::vector<ExprPtr> set;
        for (size_t i = 0; i < parts.size(); ++i)
          if (!(mask >> (parts.size() - 1 - i) & 1)) set.insert(set.end(), parts[i].begin(), parts[i].end());
        sets.push_back(std::move(set));
      }
      break;
    }
    default:
      for (const auto& s : g.sets()) {
        if (s.has_nested()) {
          auto nested = analytics_sets(s.nested(), block, env);
          sets.insert(sets.end(), nested.begin(), nested.end());
        } else {
          sets.push_back(list(s));
        }
      }
  }
  return sets;
}

namespace {

// Grouping sets over one list of distinct grouping expressions.
void take_sets(SelectBlock& block, const std::vector<std::vector<ExprPtr>>& sets, const std::vector<ExprPtr>& first) {
  block.grouping_sets.emplace();
  auto index = [&](const ExprPtr& e) {
    for (size_t i = 0; i < block.groupings.size(); ++i)
      if (semantic_equals(*block.groupings[i], *e)) return static_cast<int>(i);
    block.groupings.push_back(e);
    return static_cast<int>(block.groupings.size() - 1);
  };
  for (const auto& e : first) index(e);
  for (const auto& s : sets)
    for (const auto& e : s) index(e);
  for (const auto& s : sets) {
    std::vector<int> ids;
    for (const auto& e : s) {
      int i = index(e);
      if (std::find(ids.begin(), ids.end(), i) == ids.end()) ids.push_back(i);
    }
    block.grouping_sets->push_back(std::move(ids));
  }
}

}  // namespace

PlanPtr Analyzer::sql_aggregate(const tarn::sql::SqlAggregate& a) {
  auto block = std::make_shared<SelectBlock>();
  block->input = a.has_input() ? relation(a.input()) : PlanPtr(std::make_shared<OneRow>());
  block->aggregated = true;
  WindowsOfClause windows(*this);
  std::vector<const google::protobuf::Message*> written;
  for (const auto& e : a.expressions()) written.push_back(&e);
  for (const auto& g : a.groupings()) written.push_back(&g);
  block->input = add_time_window(block->input, written, "Aggregate");
  Scope scope = scope_of(block->input);
  Env env = env_over(scope, "Aggregate");
  env.lateral = conf_.flag("spark.sql.lateralColumnAlias.enableImplicitResolution") && !a.pipe() ? &block->items : nullptr;
  for (const auto& e : a.expressions()) named(e, env, block->items);
  env.lateral = nullptr;

  // A position means nothing beside a star.
  for (const auto& e : a.expressions())
    if (is_star(e))
      for (const auto& g : a.groupings())
        if (g.has_expression() && g.expression().has_literal() && g.expression().literal().has_integer() && !a.pipe() && conf_.flag("spark.sql.groupByOrdinal"))
          throw analysis_error("STAR_GROUP_BY_POS");

  std::optional<ExprPtr> column_all;
  if (a.group_by_all()) column_all = try_column(block->input, {"all"});
  if (column_all) {
    block->groupings.push_back(*column_all);
  } else if (a.group_by_all()) {
    for (const auto& i : block->items) {
      const auto& value = i.expression->kind == ExprKind::kAlias ? i.expression->children[0] : i.expression;
      if (i.generator) {
        for (const auto& c : value->children)
          if (!contains_aggregate(*c) && !is_foldable(*c)) block->groupings.push_back(c);
        continue;
      }
      if (!contains_aggregate(*value)) {
        block->groupings.push_back(value);
        continue;
      }
      // Columns beside an aggregate in one expression: nothing says how to group by them.
      std::function<bool(const Expression&)> loose = [&](const Expression& e) -> bool {
        if (is_aggregate_node(e)) return false;
        if (e.kind == ExprKind::kAttribute && !as<AttributeRef>(e).outer) return true;
        if (auto* s = try_as<SubqueryExpr>(e); s && !outer_references(*s->plan).empty()) return true;
        bool found = false;
        visit_children(e, [&](const ExprPtr& c) { found = found || loose(*c); });
        return found;
      };
      if (loose(*value)) {
        bool all_listed = true;
        std::function<void(const ExprPtr&)> check = [&](const ExprPtr& e) {
          if (is_aggregate_node(*e)) return;
          for (const auto& other : block->items) {
            const auto& v = other.expression->kind == ExprKind::kAlias ? other.expression->children[0] : other.expression;
            if (!contains_aggregate(*v) && semantic_equals(*v, *e)) return;
          }
          if (e->kind == ExprKind::kAttribute) all_listed = false;
          if (auto* s = try_as<SubqueryExpr>(*e); s && !outer_references(*s->plan).empty()) all_listed = false;
          visit_children(*e, check);
        };
        check(value);
        if (!all_listed) throw analysis_error("UNRESOLVED_ALL_IN_GROUP_BY");
      }
    }
  } else {
    std::vector<ExprPtr> plain;
    std::vector<std::vector<std::vector<ExprPtr>>> analytics;
    std::vector<ExprPtr> first;
    std::vector<ExprPtr> pipe_groupings;
    for (const auto& g : a.groupings()) {
      if (g.has_expression()) {
        if (is_star(g.expression())) {
          std::vector<SelectItem> items;
          expand_star(g.expression(), env, items);
          for (auto& i : items) {
            plain.push_back(i.expression);
            pipe_groupings.push_back(i.expression);
          }
          continue;
        }
        if (a.pipe()) {
          std::vector<SelectItem> items;
          if (g.expression().has_literal() && g.expression().literal().has_integer()) {
            int at = g.expression().literal().integer();
            if (at < 1 || static_cast<size_t>(at) > scope.columns().size())
              throw analysis_error("GROUP_BY_POS_OUT_OF_RANGE", {{"index", std::to_string(at)}, {"size", std::to_string(scope.columns().size())}});
            SelectItem i;
            i.expression = make_ref(scope.columns()[static_cast<size_t>(at - 1)]);
            items.push_back(i);
          } else {
            named(g.expression(), env, items);
          }
          for (auto& i : items) {
            pipe_groupings.push_back(i.expression);
            plain.push_back(i.expression->kind == ExprKind::kAlias ? i.expression->children[0] : i.expression);
          }
          continue;
        }
        plain.push_back(grouping_expression(g.expression(), *block, env));
      } else {
        analytics.push_back(analytics_sets(g.analytics(), *block, env));
        for (const auto& e : g.analytics().group_by()) first.push_back(grouping_expression(e, *block, env));
      }
    }
    if (analytics.empty()) {
      block->groupings = plain;
    } else {
      // GROUP BY a, ROLLUP (b), CUBE (c): every combination.
      std::vector<std::vector<ExprPtr>> sets{plain};
      for (const auto& one : analytics) {
        std::vector<std::vector<ExprPtr>> next;
        for (const auto& s : sets)
          for (const auto& t : one) {
            auto u = s;
            u.insert(u.end(), t.begin(), t.end());
            next.push_back(std::move(u));
          }
        sets = std::move(next);
      }
      std::vector<ExprPtr> order = plain;
      order.insert(order.end(), first.begin(), first.end());
      take_sets(*block, sets, order);
    }
    if (a.pipe()) {
      std::vector<SelectItem> items;
      for (auto& g : pipe_groupings) {
        SelectItem i;
        i.expression = g->kind == ExprKind::kAttribute || g->kind == ExprKind::kAlias ? g : make_alias(g, pretty_sql(*g), true);
        items.push_back(std::move(i));
      }
      items.insert(items.end(), block->items.begin(), block->items.end());
      block->items = std::move(items);
    }
  }
  for (const auto& g : block->groupings) check_grouping(g);
  if (block->grouping_sets && time_window_ && time_window_->session) throw not_built("session windows in grouping sets");
  block->input = merge_sessions(block->input, block->groupings, block->items);
  return finish_block(block);
}

// The DataFrame API's: the grouping columns come first in the output.
PlanPtr Analyzer::aggregate(const sc::Aggregate& a) {
  WindowsOfClause windows(*this);
  std::vector<const google::protobuf::Message*> written;
  for (const auto& e : a.grouping_expressions()) written.push_back(&e);
  for (const auto& e : a.aggregate_expressions()) written.push_back(&e);
  auto input = add_time_window(relation(a.input()), written, "Aggregate");
  Scope scope = scope_of(input);
  Env env = env_over(scope, "Aggregate");
  auto block = std::make_shared<SelectBlock>();
  block->input = input;
  block->aggregated = true;
  std::vector<SelectItem> groups;
  for (const auto& e : a.grouping_expressions()) named(e, env, groups);
  std::vector<ExprPtr> values;
  for (const auto& g : groups) {
    if (g.generator) throw analysis_error("UNSUPPORTED_GENERATOR.OUTSIDE_SELECT", {{"plan", "Aggregate"}});
    values.push_back(g.expression->kind == ExprKind::kAlias ? g.expression->children[0] : g.expression);
    check_grouping(values.back());
  }
  if (time_window_ && time_window_->session && a.group_type() != sc::Aggregate::GROUP_TYPE_GROUPBY) throw not_built("session windows in grouping sets and pivots");
  if (a.group_type() == sc::Aggregate::GROUP_TYPE_PIVOT) {
    std::vector<ExprPtr> pivot_values;
    for (const auto& v : a.pivot().values()) pivot_values.push_back(literal(v));
    if (pivot_values.empty()) pivot_values = distinct_values(input, a.pivot().col());
    std::vector<ExprPtr> named_groups;
    for (const auto& g : groups) named_groups.push_back(g.expression);
    return pivot(input, std::move(named_groups), false, a.pivot().col(), pivot_values, a.aggregate_expressions());
  }
  std::vector<std::vector<ExprPtr>> sets;
  switch (a.group_type()) {
    case sc::Aggregate::GROUP_TYPE_ROLLUP:
      for (size_t n = values.size() + 1; n-- > 0;) sets.emplace_back(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(n));
      take_sets(*block, sets, values);
      break;
    case sc::Aggregate::GROUP_TYPE_CUBE:
      if (values.size() > 20) throw analysis_error("GROUPING_SIZE_LIMIT_EXCEEDED", {{"maxSize", "64"}});
      for (size_t mask = 0; mask < (size_t{1} << values.size()); ++mask) {
        std::vector<ExprPtr> set;
        for (size_t i = 0; i < values.size(); ++i)
          if (!(mask >> (values.size() - 1 - i) & 1)) set.push_back(values[i]);
        sets.push_back(std::move(set));
      }
      take_sets(*block, sets, values);
      break;
    case sc::Aggregate::GROUP_TYPE_GROUPING_SETS:
      for (const auto& s : a.grouping_sets()) {
        std::vector<ExprPtr> set;
        for (const auto& e : s.grouping_set()) {
          auto x = expression(e, env);
          set.push_back(x->kind == ExprKind::kAlias ? x->children[0] : x);
        }
        sets.push_back(std::move(set));
      }
      take_sets(*block, sets, values);
      break;
    default: block->groupings = values;
  }
  block->items = groups;
  for (const auto& e : a.aggregate_expressions()) named(e, env, block->items);
  block->input = merge_sessions(block->input, block->groupings, block->items);
  return finish_block(block);
}

// -------------------------------------------------------------------------------------------------------- HAVING, QUALIFY

PlanPtr Analyzer::having(const tarn::sql::Having& h) {
  auto child = relation(h.input());
  auto block = block_of(child);
  // Over generated rows it is a filter like any.
  bool generated = block && std::any_of(block->items.begin(), block->items.end(), [](const SelectItem& i) { return i.generator; });
  if (!block || generated) return filter_plan(child, h.condition(), "Having");
  auto b = std::make_shared<SelectBlock>(*block);
  Scope scope({b->input}, around_, case_sensitive_);
  Env env = env_over(scope, "Having");
  env.block = b.get();
  env.block_values = true;
  env.groups_first = true;
  env.outer_aggregates = &b->for_subqueries;
  auto c = condition(h.condition(), env);
  // HAVING takes anything that casts to a truth value.
  if (c->type.id() != TypeId::kBoolean && can_cast(c->type, TypeId::kBoolean, mode())) c = make_cast(c, TypeId::kBoolean, mode());
  if (c->type.id() != TypeId::kBoolean)
    throw analysis_error("DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN", {{"sqlExpr", quote_sql(pretty_sql(*c))}, {"filter", quote_sql(pretty_sql(*c))}, {"type", quote_sql(c->type.sql())}});
  if (contains_window(*c)) throw analysis_error("WINDOW_FUNCTION_NOT_ALLOWED_IN_CLAUSE", {{"clauseName", "HAVING"}});
  if (contains_generator(*c)) throw analysis_error("UNSUPPORTED_GENERATOR.OUTSIDE_SELECT", {{"plan", "'Filter"}});
  if (!b->aggregated) {
    // HAVING without GROUP BY and aggregates in the list: one global group if the condition aggregates.
    if (contains_grouping_call(*c)) throw analysis_error("UNSUPPORTED_GROUPING_EXPRESSION");
    if (!contains_aggregate(*c) && b->for_subqueries.empty()) return filter_plan(child, h.condition(), "Having");
    b->aggregated = true;
  }
  std::function<bool(const Expression&)> beyond_list = [&](const Expression& e) -> bool {
    if (e.kind == ExprKind::kLiteral) return false;
    for (const auto& i : b->items)
      if (!i.generator && semantic_equals(i.expression->kind == ExprKind::kAlias ? *i.expression->children[0] : *i.expression, e)) return false;
    if (is_aggregate_node(e)) return true;
    for (const auto& g : b->groupings)
      if (semantic_equals(*g, e)) return true;
    bool found = false;
    visit_children(e, [&](const ExprPtr& x) { found = found || beyond_list(*x); });
    return found;
  };
  b->closed = beyond_list(*c) || !b->for_subqueries.empty();
  b->having.push_back(c);
  auto plan = finish_block(b);
  return plan;
}

PlanPtr Analyzer::qualify(const tarn::sql::Qualify& q) {
  auto child = relation(q.input());
  auto block = block_of(child);
  std::shared_ptr<SelectBlock> b;
  if (block) {
    b = std::make_shared<SelectBlock>(*block);
  } else {
    b = std::make_shared<SelectBlock>();
    b->input = child;
    for (const auto& a : child->output) {
      SelectItem i;
      i.expression = make_ref(a);
      b->items.push_back(std::move(i));
    }
  }
  Scope scope({b->input}, around_, case_sensitive_);
  Env env = env_over(scope, "Qualify");
  env.block = b.get();
  env.block_values = true;
  auto c = condition(q.condition(), env);
  any_of(*c, [&](const Expression& e) {
    if (e.kind == ExprKind::kAggregate && !b->aggregated) throw analysis_error("QUALIFY_AGGREGATE_NOT_ALLOWED", {{"aggregateExpr", pretty_sql(e)}});
    return false;
  });
  bool windows = contains_window(*c);
  for (const auto& i : b->items) windows = windows || contains_window(*i.expression);
  if (!windows) throw analysis_error("QUALIFY_REQUIRES_WINDOW_FUNCTION");
  if (c->type.id() != TypeId::kBoolean)
    throw analysis_error("DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN", {{"sqlExpr", quote_sql(pretty_sql(*c))}, {"filter", quote_sql(pretty_sql(*c))}, {"type", quote_sql(c->type.sql())}});
  b->qualify.push_back(c);
  return finish_block(b);
}

// ------------------------------------------------------------------------------------------------------------------ PIVOT

namespace {

std::string pivot_name(const ExprPtr& value) {
  if (auto* l = try_as<Literal>(*value)) {
    if (l->value.is_null()) return "null";
    switch (l->type.id()) {
      case TypeId::kString: return l->value.get<std::string>();
      case TypeId::kDate: return date_text(l->value.get<int64_t>());
      default: break;
    }
    if (l->type.is_numeric()) return pretty_sql(*value);
    std::string text = pretty_sql(*value);
    // TIMESTAMP '…' -> its inside
    auto open = text.find('\'');
    if (open != std::string::npos && text.back() == '\'') return text.substr(open + 1, text.size() - open - 2);
    return text;
  }
  if (auto* c = try_as<Call>(*value); c && (c->name == "struct" || c->name == "named_struct")) {
    std::string out = "{";
    for (size_t i = 1; i < c->children.size(); i += 2) out += (i > 1 ? ", " : "") + pivot_name(c->children[i]);
    return out + "}";
  }
  if (auto* c = try_as<Call>(*value); c && c->name == "array") {
    std::string out = "[";
    for (size_t i = 0; i < c->children.size(); ++i) out += (i ? ", " : "") + pivot_name(c->children[i]);
    return out + "]";
  }
  if (value->kind == ExprKind::kCast) return pivot_name(value->children[0]);
  return pretty_sql(*value);
}

}  // namespace

// pivot() without a list of values: the column's distinct values, sorted.
std::vector<ExprPtr> Analyzer::distinct_values(const PlanPtr& input, const sc::Expression& column_proto) {
  if (!context_.collect) throw not_built("pivot() without a list of values in this place");
  Scope scope = scope_of(input);
  Env env = env_over(scope, "Pivot");
  auto column = expression(column_proto, env);
  if (column->kind == ExprKind::kAlias) column = column->children[0];
  const DataType type = column->type;
  auto projected = make_project(input, {make_alias(column, "value")});
  auto distinct = std::make_shared<Distinct>();
  distinct->children = {projected};
  distinct->output = projected->output;
  auto order = std::make_shared<SortOrder>();
  order->type = type;
  order->children.push_back(make_ref(distinct->output[0]));
  int64_t most = conf_.integer("spark.sql.pivotMaxValues");
  auto rows = context_.collect(make_limit(sort(distinct, {order}, true), make_int(static_cast<int32_t>(most + 1)), nullptr));
  if (static_cast<int64_t>(rows.size()) > most)
    throw analysis_error("_LEGACY_ERROR_TEMP_1324", {{"pivotColumn", pretty_sql(*column)}, {"maxValues", std::to_string(most)}, {"config", "spark.sql.pivotMaxValues"}});
  std::vector<ExprPtr> values;
  for (auto& row : rows) values.push_back(make_literal(type, std::move(row.at(0))));
  return values;
}

PlanPtr Analyzer::pivot(PlanPtr input, std::vector<ExprPtr> groupings, bool implicit_groupings, const sc::Expression& column_proto, const std::vector<ExprPtr>& values,
                        const google::protobuf::RepeatedPtrField<sc::Expression>& aggregate_protos) {
  Scope scope = scope_of(input);
  Env env = env_over(scope, "Pivot");
  auto column = expression(column_proto, env);
  if (column->kind == ExprKind::kAlias) column = column->children[0];
  std::vector<SelectItem> aggregates;
  for (const auto& e : aggregate_protos) named(e, env, aggregates);
  return pivot_plan(std::move(input), std::move(groupings), implicit_groupings, column, values, std::move(aggregates));
}

PlanPtr Analyzer::pivot_plan(PlanPtr input, std::vector<ExprPtr> groupings, bool implicit_groupings, const ExprPtr& column, const std::vector<ExprPtr>& values,
                             std::vector<SelectItem> aggregates) {
  if (!column->type.is_orderable() || column->type.id() == TypeId::kMap)
    throw analysis_error("INCOMPARABLE_PIVOT_COLUMN", {{"columnName", name_text({pretty_sql(*column)})}});
  for (const auto& a : aggregates) {
    const auto& value = a.expression->kind == ExprKind::kAlias ? a.expression->children[0] : a.expression;
    std::function<void(const Expression&)> check = [&](const Expression& e) {
      if (is_aggregate_node(e)) return;
      if (e.kind == ExprKind::kAttribute) throw analysis_error("_LEGACY_ERROR_TEMP_1006", {{"sql", pretty_sql(*value)}});
      visit_children(e, [&](const ExprPtr& c) { check(*c); });
    };
    if (!contains_aggregate(*value)) throw analysis_error("_LEGACY_ERROR_TEMP_1006", {{"sql", pretty_sql(*value)}});
    check(*value);
  }
  if (implicit_groupings) {
    std::set<ExprId> used;
    for (ExprId id : referenced_ids(*column)) used.insert(id);
    for (const auto& a : aggregates)
      for (ExprId id : referenced_ids(*a.expression)) used.insert(id);
    for (const auto& a : input->output)
      if (!used.count(a.id)) groupings.push_back(make_ref(a));
  }
  auto block = std::make_shared<SelectBlock>();
  block->input = std::move(input);
  block->aggregated = true;
  for (const auto& g : groupings) {
    SelectItem i;
    i.expression = g;
    block->items.push_back(i);
    block->groupings.push_back(g->kind == ExprKind::kAlias ? g->children[0] : g);
  }
  for (const auto& v : values) {
    ExprPtr value = v->kind == ExprKind::kAlias ? v->children[0] : v;
    std::string value_name = v->kind == ExprKind::kAlias ? as<Alias>(*v).name : pivot_name(value);
    if (!is_foldable(*value)) throw analysis_error("NON_LITERAL_PIVOT_VALUES", {{"expression", quote_sql(pretty_sql(*value))}});
    if (auto* made = try_as<Call>(*value); made && column->type.id() == TypeId::kStruct && value->type.id() == TypeId::kStruct &&
                                           made->children.size() == 2 * column->type.fields().size() && !value->type.same_type(column->type)) {
      // (1, 'x') for (a, b): the fields by position.
      std::vector<ExprPtr> parts;
      for (size_t k = 0; k < column->type.fields().size(); ++k) {
        const auto& f = column->type.fields()[k];
        auto part = made->children[2 * k + 1];
        if (!part->type.same_type(f.type()) && common_type(part->type, f.type(), conf_.ansi())) part = make_cast(part, f.type(), mode());
        parts.push_back(make_string(f.name));
        parts.push_back(part);
      }
      value = call("named_struct", std::move(parts));
    }
    if (!value->type.same_type(column->type)) {
      if (!can_cast(value->type, column->type, mode()) || !common_type(value->type, column->type, conf_.ansi()))
        throw analysis_error("PIVOT_VALUE_DATA_TYPE_MISMATCH",
                             {{"value", pretty_sql(*value)}, {"valueType", value->type.catalog_string()}, {"pivotType", column->type.catalog_string()}});
      value = make_cast(value, column->type, mode());
    }
    auto matches = call("<=>", {column, value});
    for (const auto& a : aggregates) {
      bool alias = a.expression->kind == ExprKind::kAlias;
      ExprPtr body = alias ? a.expression->children[0] : a.expression;
      auto filtered = transform(body, [&](const ExprPtr& e) -> ExprPtr {
        auto* x = try_as<AggregateCall>(*e);
        if (!x) return nullptr;
        auto n = std::make_shared<AggregateCall>(*x);
        n->filter = n->filter ? call("and", {n->filter, matches}) : matches;
        return n;
      });
      std::string suffix = alias ? as<Alias>(*a.expression).name : pretty_sql(*a.expression);
      SelectItem i;
      std::string name = aggregates.size() == 1 ? value_name : value_name + "_" + suffix;
      // A group without rows of this value: null, also for count.
      auto any = std::make_shared<AggregateCall>(as<AggregateCall>(*call("count", {make_int(1)})));
      any->filter = matches;
      i.expression = make_alias(filtered->nullable ? filtered : call("if", {call(">", {ExprPtr(any), make_long(0)}), filtered, make_null(filtered->type)}), name);
      block->items.push_back(i);
    }
  }
  return finish_block(block);
}

PlanPtr Analyzer::sql_pivot(const tarn::sql::Pivot& p) {
  auto input = relation(p.input());
  Scope scope = scope_of(input);
  Env env = env_over(scope, "Pivot");
  ExprPtr column;
  if (p.columns_size() == 1) {
    column = expression(p.columns(0), env);
  } else {
    std::vector<ExprPtr> parts;
    for (const auto& c : p.columns()) parts.push_back(expression(c, env));
    column = struct_call(std::move(parts));
  }
  std::vector<ExprPtr> values;
  for (const auto& v : p.values()) {
    Env constant = env_over(scope, "Pivot");
    auto e = expression(v, constant);
    values.push_back(e);
  }
  std::vector<SelectItem> aggregates;
  for (const auto& e : p.aggregates()) named(e, env, aggregates);
  return pivot_plan(std::move(input), {}, true, column, values, std::move(aggregates));
}

}  // namespace tarn::plan
