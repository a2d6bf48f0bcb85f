// Calls of Python table functions: TABLE arguments, and what the class's analyze() wants of them.
// Source: UserDefinedPythonTableFunction, FunctionTableSubqueryArgumentExpression, PythonUDTFAnalyzeResult.
#include "plan/python_tables.h"

#include <algorithm>

#include "plan/python_functions.h"

namespace tarn::plan {

namespace {

bool is_table_argument(const sc::Expression& e) {
  return e.has_subquery_expression() && e.subquery_expression().subquery_type() == sc::SubqueryExpression::SUBQUERY_TYPE_TABLE_ARG;
}

void check_analysis(const TableFunctionAnalysis& a, const std::string& function, const sc::SubqueryExpression::TableArgOptions& options) {
  auto invalid = [&](const char* reason) {
    return analysis_error("TABLE_VALUED_FUNCTION_REQUIRED_METADATA_INVALID", {{"functionName", function}, {"reason", reason}});
  };
  if (a.single_partition && !a.partition_by.empty())
    throw invalid("the 'with_single_partition' field cannot be assigned to true if the 'partition_by' list is non-empty");
  if (!a.order_by.empty() && !a.single_partition && a.partition_by.empty())
    throw invalid(
        "the 'order_by' field cannot be non-empty unless the 'with_single_partition' field is set to true or the 'partition_by' list is non-empty");
  if ((a.single_partition || !a.partition_by.empty()) && (options.with_single_partition() || options.partition_spec_size() > 0))
    throw analysis_error("TABLE_VALUED_FUNCTION_REQUIRED_METADATA_INCOMPATIBLE_WITH_CALL",
                         {{"functionName", function},
                          {"requestedMetadata", "specified its own required partitioning of the input table"},
                          {"invalidFunctionCallProperty",
                           "specified the WITH SINGLE PARTITION or PARTITION BY clause; please remove these clauses and retry the query again."}});
}

// One struct column of the rows in the order in which the function sees them; what they are partitioned by stands behind the fields.
PlanPtr table_argument(Analyzer& analyzer, PlanPtr input, const sc::SubqueryExpression::TableArgOptions& options, const TableFunctionAnalysis* analysis,
                       const std::string& function, std::vector<int>* partition_columns) {
  if (analysis) check_analysis(*analysis, function, options);
  auto parsed = [&](const std::string& text) { return sql::parse_expression(text, analyzer.parse_options()); };
  std::vector<sc::Expression> partition_by(options.partition_spec().begin(), options.partition_spec().end());
  std::vector<sc::Expression::SortOrder> order_by(options.order_spec().begin(), options.order_spec().end());
  if (analysis && !analysis->partition_by.empty()) {
    partition_by.clear();
    for (const auto& p : analysis->partition_by) partition_by.push_back(parsed(p));
  }
  if (analysis && !analysis->order_by.empty()) {
    order_by.clear();
    for (const auto& o : analysis->order_by) {
      sc::Expression::SortOrder order;
      *order.mutable_child() = parsed(o.sql);
      // "a DESC" reads as a column with an alias.
      if (order.child().has_alias())
        throw analysis_error("UDTF_INVALID_ALIAS_IN_REQUESTED_ORDERING_STRING_FROM_ANALYZE_METHOD", {{"aliasName", order.child().alias().name(0)}});
      order.set_direction(o.ascending ? sc::Expression::SortOrder::SORT_DIRECTION_ASCENDING : sc::Expression::SortOrder::SORT_DIRECTION_DESCENDING);
      if (o.nulls_first) order.set_null_ordering(*o.nulls_first ? sc::Expression::SortOrder::SORT_NULLS_FIRST : sc::Expression::SortOrder::SORT_NULLS_LAST);
      order_by.push_back(std::move(order));
    }
  }
  const auto columns = input->output;
  std::vector<ExprPtr> fields, keys;
  for (const auto& a : columns) fields.push_back(make_ref(a));
  if (!partition_by.empty()) {
    Scope scope = analyzer.scope_of(input);
    Env env = analyzer.env_over(scope, "TableArgument");
    auto list = fields;
    for (const auto& p : partition_by) {
      auto e = analyzer.expression(p, env);
      if (e->kind == ExprKind::kAlias) e = e->children[0];
      list.push_back(make_alias(e, "partition_by_" + std::to_string(keys.size())));
      keys.push_back(make_ref(to_attribute(*list.back())));
    }
    input = analyzer.provide(input, list);
    input = make_project(std::move(input), std::move(list));
  }
  if (!keys.empty() || !order_by.empty()) {
    std::vector<ExprPtr> orders;
    for (const auto& k : keys) {
      auto order = std::make_shared<SortOrder>();
      order->children = {k};
      order->type = k->type;
      orders.push_back(std::move(order));
    }
    Scope scope = analyzer.scope_of(input);
    Env env = analyzer.env_over(scope, "Sort");
    for (const auto& o : order_by) orders.push_back(analyzer.sort_order(o, env));
    input = analyzer.provide(input, orders);
    input = analyzer.sort(std::move(input), std::move(orders), true);
  }
  if (options.with_single_partition() || (analysis && analysis->single_partition)) {
    auto one = std::make_shared<Repartition>();
    one->num_partitions = 1;
    one->children = {input};
    one->output = input->output;
    one->hidden = input->hidden;
    input = std::move(one);
  }
  if (analysis && !analysis->select.empty()) {
    Scope scope = analyzer.scope_of(input);
    Env env = analyzer.env_over(scope, "Project");
    fields.clear();
    for (const auto& s : analysis->select) {
      auto e = analyzer.expression(parsed(s.sql), env);
      if (!s.alias.empty()) {
        fields.push_back(make_alias(e->kind == ExprKind::kAlias ? e->children[0] : e, s.alias));
      } else if (e->kind == ExprKind::kAttribute) {
        fields.push_back(e);
      } else {
        throw analysis_error("UDTF_INVALID_REQUESTED_SELECTED_EXPRESSION_FROM_ANALYZE_METHOD_REQUIRES_ALIAS", {{"expression", expression_sql(*e)}});
      }
    }
    auto list = fields;
    for (const auto& k : keys) list.push_back(k);
    // Fields of the struct are plain columns from here on.
    input = analyzer.provide(input, list);
    input = make_project(std::move(input), list);
    fields.clear();
    for (size_t i = 0; i + keys.size() < list.size(); ++i) fields.push_back(make_ref(input->output[i]));
  }
  for (size_t i = 0; i < keys.size(); ++i) partition_columns->push_back(static_cast<int>(fields.size() + i));
  fields.insert(fields.end(), keys.begin(), keys.end());
  std::vector<ExprPtr> named;
  for (auto& field : fields) {
    named.push_back(make_string(as<AttributeRef>(*field).name));
    named.push_back(std::move(field));
  }
  return make_project(std::move(input), {make_alias(analyzer.call("named_struct", std::move(named)), "c")});
}

}  // namespace

void check_argument_names(const std::string& function, const std::vector<std::string>& names, bool case_sensitive) {
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty() && i > 0 && !names[i - 1].empty())
      throw analysis_error("UNEXPECTED_POSITIONAL_ARGUMENT", {{"routineName", quote_identifier(function)}, {"parameterName", quote_identifier(names[i - 1])}});
    for (size_t k = 0; k < i && !names[i].empty(); ++k) {
      if (same_name(names[k], names[i], case_sensitive))
        throw analysis_error("DUPLICATE_ROUTINE_PARAMETER_ASSIGNMENT.DOUBLE_NAMED_ARGUMENT_REFERENCE",
                             {{"routineName", quote_identifier(function)}, {"parameterName", quote_identifier(names[i])}});
    }
  }
}

void check_aggregate_arguments(const std::string& function, const std::vector<ExprPtr>& arguments) {
  for (const auto& a : arguments) {
    if (!a || !find_python(*a) || is_deterministic(*a)) continue;
    std::string text = function + "(";
    for (size_t i = 0; i < arguments.size(); ++i) text += (i ? ", " : "") + (arguments[i] ? pretty_sql(*arguments[i]) : "");
    throw analysis_error("AGGREGATE_FUNCTION_WITH_NONDETERMINISTIC_EXPRESSION", {{"sqlExpr", quote_sql(text + ")")}});
  }
}

PlanPtr python_table(Analyzer& analyzer, const UserFunction& f, const google::protobuf::RepeatedPtrField<sc::Expression>& list, const Scope* around,
                     const std::function<const sc::Relation&(int64_t)>& referenced) {
  Scope none({}, around, analyzer.case_sensitive());
  Env env = analyzer.env_over(none, "TableValuedFunction");
  struct Table {
    size_t argument;
    PlanPtr plan;
    sc::SubqueryExpression::TableArgOptions options;
  };
  std::vector<ExprPtr> arguments;
  std::vector<std::string> names;
  std::vector<Table> tables;
  for (const auto& a : list) {
    const bool named = a.has_named_argument_expression();
    const auto& value = named ? a.named_argument_expression().value() : a;
    if (is_table_argument(value)) {
      const auto& s = value.subquery_expression();
      auto plan = analyzer.relation_in(referenced(s.plan_id()), nullptr);
      tables.push_back({arguments.size(), std::move(plan), s.table_arg_options()});
      arguments.push_back(nullptr);
    } else if (named) {
      arguments.push_back(analyzer.expression(value, env));
    } else {
      // A star is several arguments.
      std::vector<SelectItem> items;
      analyzer.named(value, env, items);
      for (auto& i : items) arguments.push_back(i.expression);
    }
    for (size_t i = names.size(); i < arguments.size(); ++i) {
      if (arguments[i] && arguments[i]->kind == ExprKind::kAlias) arguments[i] = arguments[i]->children[0];
    }
    names.resize(arguments.size());
    if (named) names.back() = a.named_argument_expression().key();
  }
  check_argument_names(f.name, names, analyzer.case_sensitive());

  std::optional<TableFunctionAnalysis> analysis;
  if (is_polymorphic(f)) {
    auto* planner = dynamic_cast<PythonPlanner*>(&analyzer.context().sources);
    if (!planner) throw not_built("Python table functions with an analyze method in this place");
    std::vector<TableFunctionArgument> told;
    for (size_t i = 0; i < arguments.size(); ++i) {
      TableFunctionArgument t;
      t.name = names[i];
      if (arguments[i]) {
        t.type = arguments[i]->type;
        if (is_foldable(*arguments[i])) t.constant = analyzer.evaluate(arguments[i]);
      }
      told.push_back(std::move(t));
    }
    for (const auto& t : tables) {
      told[t.argument].table = true;
      told[t.argument].type = schema_of(*t.plan);
    }
    analysis = planner->analyze_table_function(f, told);
  }
  if (tables.size() > 1 && !analyzer.conf().flag("spark.sql.tvf.allowMultipleTableArguments.enabled"))
    throw analysis_error("TABLE_VALUED_FUNCTION_TOO_MANY_TABLE_ARGUMENTS", {{"num", std::to_string(tables.size())}});

  auto call = std::make_shared<TableFunctionCall>(f);
  if (analysis) call->type = analysis->schema;
  if (analysis) call->analyze_result = analysis->pickled;
  PlanPtr child;
  for (auto& t : tables) {
    std::vector<int> partition_columns;
    auto side = table_argument(analyzer, std::move(t.plan), t.options, analysis ? &*analysis : nullptr, f.name, &partition_columns);
    // The rows of several TABLE arguments are paired; what partitions the first partitions the call.
    if (!child) call->partition_columns = partition_columns;
    arguments[t.argument] = make_ref(side->output[0]);
    call->table_arguments.push_back(t.argument);
    child = child ? analyzer.make_join(std::move(child), std::move(side), JoinType::kInner, nullptr) : std::move(side);
  }
  call->children = std::move(arguments);
  if (std::any_of(names.begin(), names.end(), [](const std::string& n) { return !n.empty(); })) call->argument_names = std::move(names);

  auto g = std::make_shared<Generate>();
  for (const auto& field : call->type.fields()) {
    Attribute a;
    a.id = next_expr_id();
    a.name = field.name;
    a.type = field.type();
    a.nullable = field.nullable;
    a.metadata = field.metadata;
    g->generator_output.push_back(std::move(a));
  }
  g->generator = std::move(call);
  g->output = g->generator_output;
  if (!child) child = std::make_shared<OneRow>();
  g->children = {std::move(child)};
  return g;
}

}  // namespace tarn::plan
