// Relations with one input and no names of their own, and the dispatch over all of them. Source: SparkConnectPlanner.
#include <algorithm>

#include "plan/python_tables.h"
#include "plan/analyzer_impl.h"
#include "plan/expression_text.h"

namespace tarn::plan {

PlanPtr Analyzer::relation_node(const sc::Relation& r) {
  using R = sc::Relation;
  switch (r.rel_type_case()) {
    case R::kRead: return read(r.read());
    case R::kProject: {
      // Without input: one row (SELECT 1).
      auto input = r.project().has_input() ? relation(r.project().input()) : PlanPtr(std::make_shared<OneRow>());
      return select(std::move(input), r.project().expressions());
    }
    case R::kFilter: return filter(r.filter());
    case R::kJoin: return join(r.join());
    case R::kSetOp: return set_operation(r.set_op());
    case R::kSort: return sort_relation(r.sort());
    case R::kLimit: return make_limit(relation(r.limit().input()), make_int(r.limit().limit()), nullptr);
    case R::kOffset: return make_limit(relation(r.offset().input()), nullptr, make_int(r.offset().offset()));
    case R::kTail: {
      auto child = relation(r.tail().input());
      auto t = std::make_shared<Tail>();
      t->output = child->output;
      t->hidden = child->hidden;
      t->count = r.tail().limit();
      t->children.push_back(std::move(child));
      return t;
    }
    case R::kAggregate: return aggregate(r.aggregate());
    case R::kSql: return sql_relation(r.sql());
    case R::kWithRelations: return with_relations(r.with_relations());
    case R::kLocalRelation:
      return local_relation(r.local_relation().has_data() ? &r.local_relation().data() : nullptr,
                            r.local_relation().has_schema() && !r.local_relation().schema().empty() ? &r.local_relation().schema() : nullptr);
    case R::kCachedLocalRelation: return cached_local(r.cached_local_relation().hash());
    case R::kChunkedCachedLocalRelation: return chunked_local(r.chunked_cached_local_relation());
    case R::kCachedRemoteRelation: {
      if (!context_.cached_relation) throw not_built("cached remote relations here");
      return with_fresh_ids(context_.cached_relation(r.cached_remote_relation().relation_id()));
    }
    case R::kSample: return sample(r.sample());
    case R::kRange: return range(r.range());
    case R::kSubqueryAlias: {
      std::vector<std::string> qualifier(r.subquery_alias().qualifier().begin(), r.subquery_alias().qualifier().end());
      qualifier.push_back(r.subquery_alias().alias());
      return alias_plan(relation(r.subquery_alias().input()), std::move(qualifier));
    }
    case R::kRepartition: {
      auto child = relation(r.repartition().input());
      auto p = std::make_shared<Repartition>();
      p->output = child->output;
      p->hidden = child->hidden;
      p->num_partitions = r.repartition().num_partitions();
      p->shuffle = r.repartition().shuffle();
      p->children.push_back(std::move(child));
      return p;
    }
    case R::kRepartitionByExpression: return repartition(r.repartition_by_expression());
    case R::kToDf: return to_df(r.to_df());
    case R::kWithColumns: return with_columns(r.with_columns());
    case R::kWithColumnsRenamed: return with_columns_renamed(r.with_columns_renamed());
    case R::kDrop: return drop(r.drop());
    case R::kDeduplicate: return deduplicate(r.deduplicate());
    case R::kHint: return hint(r.hint());
    case R::kUnpivot: return unpivot(r.unpivot());
    case R::kTranspose: return transpose(r.transpose());
    case R::kToSchema: return to_schema(r.to_schema());
    case R::kMapPartitions: return map_partitions(r.map_partitions());
    case R::kGroupMap: return group_map(r.group_map());
    case R::kCoGroupMap: return co_group_map(r.co_group_map());
    case R::kCollectMetrics: return collect_metrics(r.collect_metrics(), r.common().plan_id());
    case R::kParse: return parse(r.parse());
    case R::kAsOfJoin: return as_of_join(r.as_of_join());
    case R::kLateralJoin: return lateral_join(r.lateral_join());
    case R::kUnresolvedTableValuedFunction:
      return table_function(Parts{r.unresolved_table_valued_function().function_name()}, r.unresolved_table_valued_function().arguments());
    case R::kFillNa: return fill_na(r.fill_na());
    case R::kDropNa: return drop_na(r.drop_na());
    case R::kReplace: return replace(r.replace());
    case R::kSummary: {
      std::vector<std::string> statistics(r.summary().statistics().begin(), r.summary().statistics().end());
      return summary(r.summary().input(), std::move(statistics), std::nullopt);
    }
    case R::kDescribe: {
      std::vector<std::string> columns(r.describe().cols().begin(), r.describe().cols().end());
      return summary(r.describe().input(), {"count", "mean", "stddev", "min", "max"}, std::move(columns));
    }
    case R::kCov: return cov_corr(r.cov().input(), r.cov().col1(), r.cov().col2(), false);
    case R::kCorr: {
      if (r.corr().has_method() && r.corr().method() != "pearson")
        throw not_built("the correlation method " + r.corr().method());
      return cov_corr(r.corr().input(), r.corr().col1(), r.corr().col2(), true);
    }
    case R::kApproxQuantile: return approx_quantile(r.approx_quantile());
    case R::kCrosstab: return crosstab(r.crosstab());
    case R::kFreqItems: return freq_items(r.freq_items());
    case R::kSampleBy: return sample_by(r.sample_by());
    // Their text is made by the engine from the input's rows: this is the input.
    case R::kShowString: return relation(r.show_string().input());
    case R::kHtmlString: return relation(r.html_string().input());
    case R::kExtension: return extension(r);
    case R::kWithWatermark: {
      // Without a stream below a watermark has no effect.
      auto child = relation(r.with_watermark().input());
      Scope scope = scope_of(child);
      Env env = env_over(scope);
      column_by_name(r.with_watermark().event_time(), env);
      sql::parse_calendar_interval(r.with_watermark().delay_threshold());
      return child;
    }
    case R::kCatalog: throw internal_error("a catalog relation is answered by the engine, not analyzed");
    case R::kMlRelation: throw not_built("machine learning relations");
    case R::kApplyInPandasWithState: {
      // Streams have it; of a batch the engine says so when it is to run.
      const auto& a = r.apply_in_pandas_with_state();
      auto map = std::make_shared<sc::GroupMap>();
      *map->mutable_input() = a.input();
      *map->mutable_grouping_expressions() = a.grouping_expressions();
      *map->mutable_func() = a.func();
      kept_.push_back(map);
      return group_map(*map);
    }
    case R::kCommonInlineUserDefinedTableFunction: {
      const auto& f = r.common_inline_user_defined_table_function();
      const auto& python = f.python_udtf();
      UserFunction u;
      u.name = f.function_name();
      u.command = python.command();
      u.python_version = python.python_ver();
      u.eval_type = python.eval_type();
      u.deterministic = f.deterministic();
      if (python.has_return_type()) u.type = data_type(python.return_type());
      if (python.has_return_type() && u.type.id() != TypeId::kStruct)
        throw analysis_error("INVALID_SCHEMA_TYPE_NON_STRUCT", {{"dataType", quote_sql(u.type.sql())}});
      return python_table(*this, u, f.arguments(), around_, [this](int64_t id) -> const sc::Relation& { return referenced_relation(id); });
    }
    case R::kCommonInlineUserDefinedDataSource: throw not_built("Python data sources");
    case R::kRelationChanges: throw not_built("change data of a table by Connect's relation_changes");
    case R::kNearestByJoin: return nearest_by_join(r.nearest_by_join());
    case R::kUnknown:
    case R::REL_TYPE_NOT_SET: break;
  }
  throw analysis_error("CONNECT_INVALID_PLAN.INVALID_ONE_OF_FIELD_NOT_SET", {{"fullName", "spark.connect.Relation"}});
}

PlanPtr Analyzer::extension(const sc::Relation& r) {
  auto rel = std::make_shared<tarn::sql::Rel>();
  if (!r.extension().UnpackTo(rel.get()))
    throw analysis_error("CONNECT_INVALID_PLAN.NO_HANDLER_FOR_EXTENSION", {{"extensionTypeUrl", r.extension().type_url()}});
  kept_.push_back(rel);
  return sql_rel(*rel);
}

PlanPtr Analyzer::sql_rel(const tarn::sql::Rel& r) {
  using R = tarn::sql::Rel;
  switch (r.kind_case()) {
    case R::kOneRow: return std::make_shared<OneRow>();
    case R::kInlineTable: return inline_table(r.inline_table());
    case R::kWith: return with(r.with());
    case R::kSubqueryColumnAliases: {
      const auto& a = r.subquery_column_aliases();
      const auto* below = a.input().has_subquery_alias() ? &a.input().subquery_alias().input() : &a.input();
      if (below->has_unresolved_table_valued_function()) {
        auto p = relation(a.input());
        if (static_cast<size_t>(a.names_size()) != p->output.size())
          throw analysis_error("NUM_TABLE_VALUE_ALIASES_MISMATCH", {{"funcName", name_text({below->unresolved_table_valued_function().function_name()})},
                                                                   {"aliasesNum", std::to_string(a.names_size())},
                                                                   {"outColsNum", std::to_string(p->output.size())}});
        return rename_columns(p, {a.names().begin(), a.names().end()});
      }
      return rename_columns(relation(a.input()), {a.names().begin(), a.names().end()});
    }
    case R::kLateralView: return lateral_view(r.lateral_view());
    case R::kPivot: return sql_pivot(r.pivot());
    case R::kUnpivot: return sql_unpivot(r.unpivot());
    case R::kTableSample: {
      if (r.table_sample().has_system_fraction()) throw analysis_error("UNSUPPORTED_FEATURE.TABLESAMPLE_SYSTEM");
      auto child = relation(r.table_sample().input());
      auto rows = limit_expression(r.table_sample().rows(), child, "limit");
      return make_limit(std::move(child), std::move(rows), nullptr);
    }
    case R::kLimit:
    case R::kOffset: {
      bool limit = r.has_limit();
      auto child = relation(limit ? r.limit().input() : r.offset().input());
      if (limit && !r.limit().has_limit()) return without_row_limit(child, true);  // LIMIT ALL
      auto e = limit_expression(limit ? r.limit().limit() : r.offset().offset(), child, limit ? "limit" : "offset");
      return limit ? make_limit(std::move(child), std::move(e), nullptr) : make_limit(std::move(child), nullptr, std::move(e));
    }
    case R::kIdentifierRelation: {
      std::vector<std::pair<std::string, std::string>> options(r.identifier_relation().options().begin(), r.identifier_relation().options().end());
      return read_table(name_parts(r.identifier_relation().name()), options, r.identifier_relation().is_streaming());
    }
    case R::kTimeTravel: return time_travel(r.time_travel());
    case R::kChanges: throw not_built("CHANGES of a table");
    case R::kScriptTransform: return script_transform(r.script_transform());
    case R::kWithWindows: {
      std::map<std::string, const sc::Expression::Window*> names;
      for (const auto& w : r.with_windows().windows()) names[lower_case(w.name())] = &w.window();
      windows_.push_back(std::move(names));
      struct Pop {
        decltype(windows_)& w;
        ~Pop() { w.pop_back(); }
      } pop{windows_};
      return relation(r.with_windows().input());
    }
    case R::kHaving: return having(r.having());
    case R::kQualify: return qualify(r.qualify());
    case R::kAggregate: return sql_aggregate(r.aggregate());
    case R::kNaturalJoin: return natural_join(r.natural_join());
    case R::kWatermark: return relation(r.watermark().input());
    case R::kStreamName: return relation(r.stream_name().input());
    case R::kTableFunction: return table_function(name_parts(r.table_function().name()), r.table_function().arguments());
    case R::kPipeOperator: {
      // A boundary: clauses above see only the columns.
      windows_.emplace_back();
      struct Pop {
        decltype(windows_)& w;
        ~Pop() { w.pop_back(); }
      } pop{windows_};
      auto p = relation(r.pipe_operator().input())->clone();
      boundaries_[p.get()] = p;
      return p;
    }
    case R::kPipeSet: return pipe_set(r.pipe_set());
    case R::kPipeDrop: return pipe_drop(r.pipe_drop());
    case R::KIND_NOT_SET: break;
  }
  throw internal_error("a SQL relation without kind");
}

// ---------------------------------------------------------------------------------------------------------------- filters

namespace {

std::string list_of(const std::vector<const Expression*>& list) {
  std::string out;
  for (const auto* e : list) out += (out.empty() ? "" : ", ") + expression_sql(*e);
  return out;
}

}  // namespace

// Names that the child's columns don't have may be columns further down: they are brought up for this clause.
PlanPtr Analyzer::filter_plan(PlanPtr child, const sc::Expression& proto, const char* clause) {
  ExprPtr c;
  WindowsOfClause windows(*this);
  child = add_time_window(std::move(child), {&proto}, clause);
  PlanPtr below = child;
  for (PlanPtr level = child; level && !c;) {
    // The query around comes last, then parameters and variables.
    Scope scope({level}, nullptr, case_sensitive_);
    Env env = env_over(scope, clause);
    env.columns_only = true;
    try {
      c = condition(proto, env);
      if (level != child) {
        std::vector<ExprId> ids = referenced_ids(*c);
        below = expose(child, ids);
        if (!below) {
          c = nullptr;
          break;
        }
      }
    } catch (const SparkError& error) {
      if (!error.condition().starts_with("UNRESOLVED_COLUMN")) throw;
      bool stop = boundaries_.count(level.get()) || (level->kind != PlanKind::kProject && level->kind != PlanKind::kFilter && level->kind != PlanKind::kSort);
      level = stop ? nullptr : level->children[0];
    }
  }
  if (!c) {
    Scope scope = scope_of(child);
    Env env = env_over(scope, clause);
    c = condition(proto, env);
    below = child;
  }
  bool where = std::string_view(clause) == "Filter";
  if (contains_window(*c)) throw analysis_error("WINDOW_FUNCTION_NOT_ALLOWED_IN_CLAUSE", {{"clauseName", where ? "WHERE" : "HAVING"}});
  if (contains_generator(*c)) throw analysis_error("UNSUPPORTED_GENERATOR.OUTSIDE_SELECT", {{"plan", "'Filter"}});
  std::vector<const Expression*> bad;
  any_of(*c, [&](const Expression& e) {
    if (is_aggregate_node(e) || e.kind == ExprKind::kWindow || is_generator(e)) bad.push_back(&e);
    return false;
  });
  if (!bad.empty())
    throw analysis_error("INVALID_WHERE_CONDITION", {{"condition", quote_sql(pretty_sql(*c))}, {"expressionList", list_of(bad)}});
  if (c->type.id() != TypeId::kBoolean)
    throw analysis_error("DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN",
                         {{"sqlExpr", quote_sql(pretty_sql(*c))}, {"filter", quote_sql(pretty_sql(*c))}, {"type", quote_sql(c->type.sql())}});
  below = provide(below, {c});
  auto f = make_filter(below, c);
  return restore(f, child->output);
}

PlanPtr Analyzer::filter(const sc::Filter& f) { return filter_plan(relation(f.input()), f.condition(), "Filter"); }

// ------------------------------------------------------------------------------------------------------------------- sort

PlanPtr Analyzer::sort(PlanPtr child, std::vector<ExprPtr> orders, bool global) {
  auto s = std::make_shared<Sort>();
  s->output = child->output;
  s->hidden = child->hidden;
  s->orders = std::move(orders);
  s->global = global;
  s->children.push_back(std::move(child));
  return s;
}

namespace {

bool no_such_field(const SparkError& error) { return error.condition() == "FIELD_NOT_FOUND" || error.condition() == "INVALID_EXTRACT_BASE_FIELD_TYPE"; }

bool is_grouping_function(const sc::Expression& e) {
  std::string name;
  if (e.has_unresolved_function()) {
    name = e.unresolved_function().function_name();
  } else if (e.has_extension()) {
    tarn::sql::Expr x;
    if (e.extension().UnpackTo(&x) && x.has_function_call() && x.function_call().name().parts_size() == 1) name = x.function_call().name().parts(0);
  }
  return same_name(name, "grouping", false) || same_name(name, "grouping_id", false);
}

}  // namespace

PlanPtr Analyzer::sort_relation(const sc::Sort& s) {
  auto child = relation(s.input());
  bool global = !s.has_is_global() || s.is_global();
  const auto columns = child->output;

  // ORDER BY ALL
  if (global && s.order_size() == 1 && s.order(0).child().has_unresolved_attribute()) {
    const auto& name = s.order(0).child().unresolved_attribute().unparsed_identifier();
    if (same_name(name, "ALL", false) && !try_column(child, {name})) {
      std::vector<ExprPtr> orders;
      const auto& o = s.order(0);
      for (const auto& a : columns) {
        auto one = std::make_shared<SortOrder>();
        one->ascending = o.direction() != sc::Expression::SortOrder::SORT_DIRECTION_DESCENDING;
        one->nulls_first = o.null_ordering() == sc::Expression::SortOrder::SORT_NULLS_UNSPECIFIED ? one->ascending
                                                                                                  : o.null_ordering() == sc::Expression::SortOrder::SORT_NULLS_FIRST;
        one->type = a.type;
        one->children.push_back(make_ref(a));
        orders.push_back(one);
      }
      return sort(std::move(child), std::move(orders), global);
    }
  }

  auto block = block_of(child);
  // Window functions over groups stand between the aggregate and ORDER BY: it takes no more from below then.
  const bool windowed = block && block->aggregated && std::any_of(block->items.begin(), block->items.end(), [](const SelectItem& i) { return contains_window(*i.expression); });
  const bool closed = block && (block->closed || windowed);
  if (closed) block = nullptr;
  std::shared_ptr<SelectBlock> wider;
  auto ids = child->plan_ids;
  std::vector<ExprPtr> orders;
  PlanPtr input = child;
  for (const auto& o : s.order()) {
    // Positions of the select list.
    if (o.child().has_literal() && o.child().literal().has_integer() && conf_.flag("spark.sql.orderByOrdinal")) {
      int at = o.child().literal().integer();
      if (at < 1 || static_cast<size_t>(at) > columns.size()) {
        auto error = analysis_error("ORDER_BY_POS_OUT_OF_RANGE", {{"index", std::to_string(at)}, {"size", std::to_string(columns.size())}});
        auto where = context_of(o.child().common());
        throw where ? error.with_context(*where) : error;
      }
      auto one = std::make_shared<SortOrder>();
      one->ascending = o.direction() != sc::Expression::SortOrder::SORT_DIRECTION_DESCENDING;
      one->nulls_first = o.null_ordering() == sc::Expression::SortOrder::SORT_NULLS_UNSPECIFIED ? one->ascending
                                                                                                : o.null_ordering() == sc::Expression::SortOrder::SORT_NULLS_FIRST;
      const auto& a = columns[static_cast<size_t>(at - 1)];
      one->type = a.type;
      if (!a.type.is_orderable())
        throw analysis_error("DATATYPE_MISMATCH.INVALID_ORDERING_TYPE",
                             {{"functionName", "`sortorder`"}, {"dataType", quote_sql(a.type.sql())}, {"sqlExpr", quote_sql(a.name + (one->ascending ? " ASC" : " DESC") + (one->nulls_first ? " NULLS FIRST" : " NULLS LAST"))}});
      one->children.push_back(make_ref(a));
      orders.push_back(one);
      continue;
    }
    std::optional<SparkError> first;
    ExprPtr order;
    // 1. The columns of the input.
    try {
      // The query around comes last, then parameters and variables.
      Scope scope({input}, nullptr, case_sensitive_);
      Env env = env_over(scope, "Sort");
      env.columns_only = true;
      order = sort_order(o, env);
    } catch (const SparkError& error) {
      // Two columns of the list have the name: a column of the input may decide.
      bool ambiguous = error.condition() == "AMBIGUOUS_REFERENCE" && (block || closed);
      if (!error.condition().starts_with("UNRESOLVED_COLUMN") && !no_such_field(error) && !ambiguous) throw;
      first = error;
      // grouping() of what is no column of the list.
      if (is_grouping_function(o.child()) && !(block && block->grouping_sets)) throw analysis_error("UNSUPPORTED_GROUPING_EXPRESSION");
    }
    bool needs_block = order && (contains_aggregate(*order) || contains_window(*order) || contains_grouping_call(*order));
    if (order && contains_grouping_call(*order) && !(block && block->grouping_sets)) throw analysis_error("UNSUPPORTED_GROUPING_EXPRESSION");
    // 2. What the SELECT list could have returned.
    if ((!order || needs_block) && block) {
      auto b = wider ? wider : std::make_shared<SelectBlock>(*block);
      Scope below({b->input}, nullptr, case_sensitive_);
      Env env = env_over(below, "Sort");
      env.columns_only = true;
      env.block = b.get();
      // Names of the list come first; inside it they stand for its expressions.
      env.block_values = true;
      ExprPtr again;
      for (bool groups_first : {false, true}) {
        env.groups_first = groups_first;
        try {
          again = sort_order(o, env);
          break;
        } catch (const SparkError& error) {
          if (!error.condition().starts_with("UNRESOLVED_COLUMN") && (groups_first || !no_such_field(error))) throw;
          if (!first) first = error;
        }
      }
      if (again) {
        if (contains_aggregate(*again->children[0]) && !b->aggregated)
          throw analysis_error("MISSING_GROUP_BY");
        if (first && any_of(*again, [](const Expression& e) { return e.kind == ExprKind::kSubquery && !outer_references(*as<SubqueryExpr>(e).plan).empty(); })) throw *first;
        check_no_predicate_subquery(*again, input);
        auto column = make_alias(again->children[0], pretty_sql(*again->children[0]), true);
        b->extra.push_back(column);
        auto built = build(*b);
        wider = b;
        auto named_plan = std::const_pointer_cast<LogicalPlan>(built);
        named_plan->plan_ids = ids;
        input = named_plan;
        auto one = std::make_shared<SortOrder>(as<SortOrder>(*again));
        one->children = {make_ref(to_attribute(*column))};
        orders.push_back(one);
        continue;
      }
    }
    // 3. Columns further down.
    if (!order) {
      for (PlanPtr level = input; !order;) {
        if (boundaries_.count(level.get())) break;
        if (level->kind != PlanKind::kProject && level->kind != PlanKind::kFilter && level->kind != PlanKind::kSort && level->kind != PlanKind::kSample &&
            level->kind != PlanKind::kRepartition && level->kind != PlanKind::kAggregate && level->kind != PlanKind::kWindow)
          break;
        level = level->children[0];
        Scope scope({level}, nullptr, case_sensitive_);
        Env env = env_over(scope, "Sort");
        env.columns_only = true;
        try {
          order = sort_order(o, env);
        } catch (const SparkError& error) {
          if (!error.condition().starts_with("UNRESOLVED_COLUMN") && !no_such_field(error)) throw;
          continue;
        }
        // What a subquery takes from here must be there.
        if (any_of(*order, [](const Expression& e) { return e.kind == ExprKind::kSubquery && !outer_references(*as<SubqueryExpr>(e).plan).empty(); })) throw *first;
        auto exposed = expose(input, referenced_ids(*order));
        if (!exposed) throw *first;
        input = exposed;
      }
    }
    if (!order) {
      Scope scope = scope_of(input);
      Env env = env_over(scope, "Sort");
      try {
        order = sort_order(o, env);
      } catch (const SparkError&) {
        throw *first;
      }
    }
    orders.push_back(order);
  }
  for (const auto& o : orders) {
    check_no_predicate_subquery(*o, input);
    if (contains_generator(*o)) throw analysis_error("UNSUPPORTED_GENERATOR.OUTSIDE_SELECT", {{"plan", "'Sort"}});
    if (contains_aggregate(*o) || contains_window(*o) || contains_generator(*o)) {
      throw analysis_error("UNSUPPORTED_EXPR_FOR_OPERATOR", {{"invalidExprSqls", quote_sql(pretty_sql(*o->children[0]))}});
    }
  }
  input = provide(input, orders);
  return restore(sort(std::move(input), std::move(orders), global), columns);
}

// ------------------------------------------------------------------------------------------------------------------ limits

PlanPtr Analyzer::make_limit(PlanPtr child, ExprPtr limit, ExprPtr offset) {
  auto check = [&](ExprPtr& e, const char* name) {
    if (!e) return;
    if (e->kind == ExprKind::kAlias) e = e->children[0];
    std::string text = quote_sql(pretty_sql(*e));
    if (!is_foldable(*e) && e->kind != ExprKind::kSubquery) throw analysis_error("INVALID_LIMIT_LIKE_EXPRESSION.IS_UNFOLDABLE", {{"name", name}, {"expr", text}});
    if (e->type.id() != TypeId::kInt) {
      if (e->type.is_integral() && e->type.id() != TypeId::kLong) e = make_cast(e, TypeId::kInt, mode());
      else throw analysis_error("INVALID_LIMIT_LIKE_EXPRESSION.DATA_TYPE", {{"name", name}, {"expr", text}, {"dataType", quote_sql(e->type.sql())}});
    }
    auto v = constant_value(e);
    if (v && v->is_null()) throw analysis_error("INVALID_LIMIT_LIKE_EXPRESSION.IS_NULL", {{"name", name}, {"expr", text}});
    if (v && std::holds_alternative<int64_t>(v->v) && v->get<int64_t>() < 0)
      throw analysis_error("INVALID_LIMIT_LIKE_EXPRESSION.IS_NEGATIVE", {{"name", name}, {"expr", text}, {"v", std::to_string(v->get<int64_t>())}});
  };
  check(limit, "limit");
  check(offset, "offset");
  auto l = std::make_shared<Limit>();
  l->output = child->output;
  l->hidden = child->hidden;
  l->limit = std::move(limit);
  l->offset = std::move(offset);
  // A recursion under a LIMIT stops by it.
  l->children.push_back(l->limit ? without_row_limit(child, false) : std::move(child));
  return l;
}

// A constant; a column of the input is told from an unknown name.
ExprPtr Analyzer::limit_expression(const sc::Expression& proto, const PlanPtr& child, const char* name) {
  Scope none({}, nullptr, case_sensitive_);
  Env env = env_over(none);
  try {
    return expression(proto, env);
  } catch (const SparkError& error) {
    if (!error.condition().starts_with("UNRESOLVED_COLUMN")) throw;
    Scope scope = scope_of(child);
    Env over = env_over(scope);
    auto v = expression(proto, over);
    throw analysis_error("INVALID_LIMIT_LIKE_EXPRESSION.IS_UNFOLDABLE", {{"name", name}, {"expr", quote_sql(pretty_sql(*v))}});
  }
}

PlanPtr Analyzer::range(const sc::Range& r) {
  auto p = std::make_shared<Range>();
  p->start = r.has_start() ? r.start() : 0;
  p->end = r.end();
  p->step = r.step();
  if (p->step == 0) throw SparkError::Plain(ErrorKind::kIllegalArgument, "requirement failed: step (0) cannot be 0");
  p->num_partitions = r.num_partitions();
  p->output.push_back({next_expr_id(), "id", TypeId::kLong, false, "", {}});
  return p;
}

PlanPtr Analyzer::sample(const sc::Sample& s) {
  auto child = relation(s.input());
  if (s.deterministic_order()) {
    std::vector<ExprPtr> orders;
    for (const auto& a : child->output) {
      if (!a.type.is_orderable()) continue;
      auto o = std::make_shared<SortOrder>();
      o->type = a.type;
      o->children.push_back(make_ref(a));
      orders.push_back(o);
    }
    if (!orders.empty()) child = sort(child, std::move(orders), false);
  }
  auto p = std::make_shared<Sample>();
  p->output = child->output;
  p->hidden = child->hidden;
  p->lower = s.lower_bound();
  p->upper = s.upper_bound();
  p->with_replacement = s.with_replacement();
  constexpr double kRounding = 1e-6;
  double fraction = p->upper - p->lower;
  if (p->with_replacement ? fraction < -kRounding : !(fraction >= -kRounding && fraction <= 1 + kRounding))
    throw SparkError::Plain(ErrorKind::kIllegalArgument, "requirement failed: Sampling fraction (" + java_double(fraction) + ") must be " +
                                                             (p->with_replacement ? "nonnegative with replacement" : "on interval [0, 1] without replacement"));
  if (s.has_seed()) p->seed = s.seed();
  p->children.push_back(std::move(child));
  return p;
}

PlanPtr Analyzer::repartition(const sc::RepartitionByExpression& r) {
  auto child = relation(r.input());
  Scope scope = scope_of(child);
  Env env = env_over(scope, "RepartitionByExpression");
  auto p = std::make_shared<Repartition>();
  for (const auto& e : r.partition_exprs()) {
    auto x = expression(e, env);
    if (x->kind == ExprKind::kSortOrder || x->kind == ExprKind::kAlias) x = x->children[0];
    p->keys.push_back(std::move(x));
  }
  p->output = child->output;
  p->hidden = child->hidden;
  p->num_partitions = r.num_partitions();
  p->children.push_back(std::move(child));
  return p;
}

PlanPtr Analyzer::distinct(PlanPtr child) {
  auto d = std::make_shared<Distinct>();
  d->output = child->output;
  d->children.push_back(std::move(child));
  return d;
}

PlanPtr Analyzer::deduplicate(const sc::Deduplicate& d) {
  auto child = relation(d.input());
  if (d.all_columns_as_keys() && d.column_names_size() > 0) throw analysis_error("CONNECT_INVALID_PLAN.DEDUPLICATE_ALL_COLUMNS_AND_SUBSET");
  if (!d.all_columns_as_keys() && d.column_names_size() == 0) throw analysis_error("CONNECT_INVALID_PLAN.DEDUPLICATE_REQUIRES_COLUMNS_OR_ALL");
  std::vector<ExprPtr> keys;
  auto take = [&](const Attribute& a) {
    if (a.type.id() == TypeId::kMap || a.type.id() == TypeId::kVariant)
      throw analysis_error(a.type.id() == TypeId::kMap ? "UNSUPPORTED_FEATURE.SET_OPERATION_ON_MAP_TYPE" : "UNSUPPORTED_FEATURE.SET_OPERATION_ON_VARIANT_TYPE",
                           {{"colName", name_text({a.name})}, {"dataType", quote_sql(a.type.sql())}});
    keys.push_back(make_ref(a));
  };
  if (d.all_columns_as_keys()) {
    if (!d.within_watermark()) {
      for (const auto& a : child->output) take(a);
      return distinct(std::move(child));
    }
    for (const auto& a : child->output) take(a);
  } else {
    for (const auto& name : d.column_names()) {
      bool found = false;
      for (const auto& a : child->output)
        if (same_name(a.name, name, case_sensitive_)) {
          take(a);
          found = true;
        }
      if (!found) {
        std::string all;
        for (const auto& a : child->output) all += (all.empty() ? "" : ", ") + a.name;
        throw analysis_error("CONNECT_INVALID_PLAN.UNRESOLVED_COLUMN_AMONG_FIELD_NAMES", {{"colName", name}, {"fieldNames", all}});
      }
    }
  }
  auto p = std::make_shared<Deduplicate>();
  p->keys = std::move(keys);
  p->within_watermark = d.within_watermark();
  p->output = child->output;
  p->hidden = child->hidden;
  p->children.push_back(std::move(child));
  return p;
}

// Join strategies and partition hints don't change the rows; an unknown hint is ignored with a warning, as Spark documents.
PlanPtr Analyzer::hint(const sc::Hint& h) {
  std::string name = lower_case(h.name());
  bool partition = name == "coalesce" || name == "repartition" || name == "repartition_by_range" || name == "rebalance";
  auto child = relation(h.input());
  if (partition && h.parameters_size() > 0) {
    Scope scope = scope_of(child);
    Env env = env_over(scope);
    for (const auto& p : h.parameters()) {
      if (p.has_literal() && !p.literal().has_integer() && !p.literal().has_string())
        throw analysis_error("INVALID_COALESCE_HINT_PARAMETER", {{"hintName", upper_case(h.name())}});
      if (p.has_unresolved_attribute()) expression(p, env);
    }
  }
  return child;
}

PlanPtr Analyzer::collect_metrics(const sc::CollectMetrics& m, int64_t plan_id) {
  auto child = relation(m.input());
  if (m.name().empty()) throw analysis_error("INVALID_OBSERVED_METRICS.MISSING_NAME", {{"operator", "CollectMetrics"}});
  Scope scope = scope_of(child);
  Env env = env_over(scope, "CollectMetrics");
  std::vector<SelectItem> items;
  for (const auto& e : m.metrics()) named(e, env, items);
  auto p = std::make_shared<CollectMetrics>();
  p->name = m.name();
  p->plan_id = plan_id;
  for (auto& i : items) {
    std::function<void(const Expression&, bool)> check = [&](const Expression& e, bool inside) {
      std::string text = quote_sql(pretty_sql(e));
      if (auto* a = try_as<AggregateCall>(e)) {
        if (inside) throw analysis_error("INVALID_OBSERVED_METRICS.NESTED_AGGREGATES_UNSUPPORTED", {{"expr", text}});
        if (a->distinct) throw analysis_error("INVALID_OBSERVED_METRICS.AGGREGATE_EXPRESSION_WITH_DISTINCT_UNSUPPORTED", {{"expr", text}});
        if (a->filter) throw analysis_error("INVALID_OBSERVED_METRICS.AGGREGATE_EXPRESSION_WITH_FILTER_UNSUPPORTED", {{"expr", text}});
        inside = true;
      }
      if (e.kind == ExprKind::kWindow) throw analysis_error("INVALID_OBSERVED_METRICS.WINDOW_EXPRESSIONS_UNSUPPORTED", {{"expr", text}});
      if (e.kind == ExprKind::kAttribute && !inside) throw analysis_error("INVALID_OBSERVED_METRICS.NON_AGGREGATE_FUNC_ARG_IS_ATTRIBUTE", {{"expr", text}});
      if (!inside && !is_deterministic(e) && e.children.empty())
        throw analysis_error("INVALID_OBSERVED_METRICS.NON_AGGREGATE_FUNC_ARG_IS_NON_DETERMINISTIC", {{"expr", text}});
      visit_children(e, [&](const ExprPtr& c) { check(*c, inside); });
    };
    check(*i.expression, false);
    p->metrics.push_back(i.expression);
  }
  p->output = child->output;
  p->hidden = child->hidden;
  p->children.push_back(std::move(child));
  return p;
}

// spark.read.json(df) and its kin: from_json & co. over the one string column.
PlanPtr Analyzer::parse(const sc::Parse& p) {
  auto child = relation(p.input());
  if (child->output.size() != 1) throw analysis_error("DATAFRAME_INPUT_NOT_SINGLE_COLUMN", {{"numColumns", std::to_string(child->output.size())}});
  if (!p.has_schema()) throw not_built("reading a DataFrame of texts without a schema");
  DataType schema = data_type(p.schema());
  if (schema.id() != TypeId::kStruct) throw analysis_error("INVALID_SCHEMA_TYPE_NON_STRUCT", {{"dataType", quote_sql(schema.sql())}});
  const char* function = p.format() == sc::Parse::PARSE_FORMAT_CSV    ? "from_csv"
                         : p.format() == sc::Parse::PARSE_FORMAT_JSON ? "from_json"
                                                                      : "from_xml";
  std::vector<ExprPtr> args{make_ref(child->output[0]), make_string(schema.ddl())};
  if (!p.options().empty()) {
    std::vector<ExprPtr> options;
    for (const auto& [k, v] : p.options()) {
      options.push_back(make_string(k));
      options.push_back(make_string(v));
    }
    args.push_back(call("map", std::move(options)));
  }
  auto parsed = make_alias(call(function, std::move(args)), "value");
  auto inner = make_project(child, {parsed});
  std::vector<ExprPtr> list;
  auto base = make_ref(inner->output[0]);
  Scope scope = scope_of(inner);
  Env env = env_over(scope);
  for (const auto& f : schema.fields()) list.push_back(make_alias(fields(base, {"value", f.name}, 1), f.name));
  return make_project(inner, std::move(list));
}

}  // namespace tarn::plan
