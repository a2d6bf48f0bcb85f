// Python functions over rows: their node carries the pickled command to the engine.
#include "plan/python_functions.h"
#include "plan/python_tables.h"

namespace tarn::plan {

std::shared_ptr<UserFunction> Analyzer::user_function(const sc::CommonInlineUserDefinedFunction& f) {
  if (!f.has_python_udf()) throw not_built("Scala and Java functions");
  auto u = std::make_shared<UserFunction>();
  u->name = f.function_name();
  u->command = f.python_udf().command();
  u->python_version = f.python_udf().python_ver();
  u->eval_type = f.python_udf().eval_type();
  u->deterministic = f.deterministic();
  u->type = data_type(f.python_udf().output_type());
  u->nullable = true;
  return u;
}

ExprPtr Analyzer::python_function(const sc::CommonInlineUserDefinedFunction& f, Env& env) {
  auto u = user_function(f);
  bool aggregate = is_aggregate_node(*u);
  if (aggregate && env.in_aggregate > 0 && !env.window_function) throw analysis_error("NESTED_AGGREGATE_FUNCTION");
  const int around = env.in_aggregate;
  if (aggregate && !env.window_function) ++env.in_aggregate;
  env.window_function = false;
  std::vector<std::string> names;
  std::vector<ExprPtr> args;
  for (const auto& a : f.arguments()) {
    bool has_name = a.has_named_argument_expression();
    auto e = expression(has_name ? a.named_argument_expression().value() : a, env);
    if (e->kind == ExprKind::kAlias) e = e->children[0];
    args.push_back(std::move(e));
    names.push_back(has_name ? a.named_argument_expression().key() : "");
  }
  env.in_aggregate = around;
  for (const auto& n : names)
    if (!n.empty()) u->argument_names = names;
  check_argument_names(u->name, u->argument_names, case_sensitive_);
  if (aggregate) check_aggregate_arguments(u->name, args);
  u->children = std::move(args);
  return u;
}

namespace {

std::shared_ptr<PythonMap> python_map(std::shared_ptr<UserFunction> f, std::vector<PlanPtr> children, bool barrier = false) {
  std::shared_ptr<PythonMap> p = barrier ? std::make_shared<BarrierMap>() : std::make_shared<PythonMap>();
  if (f->type.id() != TypeId::kStruct) throw internal_error("a function over rows must return a struct");
  for (const auto& field : f->type.fields()) {
    Attribute a;
    a.id = next_expr_id();
    a.name = field.name;
    a.type = field.type();
    a.nullable = field.nullable;
    a.metadata = field.metadata;
    p->output.push_back(std::move(a));
  }
  p->function = std::move(f);
  p->children = std::move(children);
  return p;
}

}  // namespace

PlanPtr Analyzer::map_partitions(const sc::MapPartitions& m) {
  auto child = relation(m.input());
  auto f = user_function(m.func());
  auto p = python_map(f, {child}, m.is_barrier());
  p->groupings.resize(1);
  return p;
}

namespace {

struct Grouped {
  PlanPtr input;
  std::vector<ExprPtr> keys;   // columns of it
};

// Grouping expressions that are no columns become columns of the input, ahead of it they are arguments of the function.
Grouped with_key_columns(Analyzer& analyzer, const PlanPtr& child, const google::protobuf::RepeatedPtrField<sc::Expression>& expressions, Env& env) {
  std::vector<ExprPtr> keys, list;
  for (const auto& e : expressions) keys.push_back(analyzer.expression(e, env));
  bool computed = false;
  Grouped out;
  for (const auto& a : child->output) list.push_back(make_ref(a));
  for (auto& k : keys) {
    if (k->kind == ExprKind::kAttribute) {
      out.keys.push_back(k);
      continue;
    }
    auto named_key = k->kind == ExprKind::kAlias ? k : make_alias(k, pretty_sql(*k), true);
    list.push_back(named_key);
    out.keys.push_back(make_ref(to_attribute(*named_key)));
    computed = true;
  }
  out.input = analyzer.provide(child, keys);
  if (computed) out.input = make_project(out.input, std::move(list));
  return out;
}

std::string checked_mode(std::string_view mode, std::initializer_list<const char*> known, const char* condition, const char* parameter) {
  std::string lower = lower_case(std::string(mode));
  for (const char* k : known) {
    if (lower == k) return lower;
  }
  throw SparkError(ErrorKind::kIllegalArgument, condition, {{parameter, std::string(mode)}});
}

}  // namespace

PlanPtr Analyzer::group_map(const sc::GroupMap& g) {
  WindowsOfClause windows(*this);
  std::vector<const google::protobuf::Message*> written;
  for (const auto& e : g.grouping_expressions()) written.push_back(&e);
  auto child = add_time_window(relation(g.input()), written, "FlatMapGroupsInPandas");
  Scope scope = scope_of(child);
  Env env = env_over(scope, "FlatMapGroupsInPandas");
  auto grouped = with_key_columns(*this, child, g.grouping_expressions(), env);
  auto f = user_function(g.func());
  f->children.clear();
  if (g.has_transform_with_state_info()) {
    const auto& info = g.transform_with_state_info();
    f->type = data_type(info.output_schema());
    if (f->type.id() != TypeId::kStruct) throw analysis_error("INVALID_SCHEMA_TYPE_NON_STRUCT", {{"dataType", quote_sql(f->type.sql())}});
    // A batch gives each row once, whatever the mode.
    checked_mode(g.output_mode(), {"append", "complete", "update"}, "STREAMING_OUTPUT_MODE.INVALID", "outputMode");
    auto node = std::make_shared<StatefulMap>();
    node->time_mode = checked_mode(info.time_mode(), {"none", "notime", "processingtime", "eventtime"}, "STATEFUL_PROCESSOR_UNKNOWN_TIME_MODE", "timeMode");
    std::vector<PlanPtr> inputs = {grouped.input};
    node->groupings = {std::move(grouped.keys)};
    if (g.has_initial_input()) {
      auto initial = with_fresh_ids(relation(g.initial_input()));
      Scope initial_scope = scope_of(initial);
      Env initial_env = env_over(initial_scope, "FlatMapGroupsInPandas");
      auto states = with_key_columns(*this, initial, g.initial_grouping_expressions(), initial_env);
      inputs.push_back(states.input);
      node->groupings.push_back(std::move(states.keys));
    }
    auto made = python_map(f, std::move(inputs));
    node->function = made->function;
    node->children = made->children;
    node->output = made->output;
    // Only the watermark of a stream could be moved to another column.
    if (!info.event_time_column_name().empty()) throw analysis_error("CANNOT_ASSIGN_EVENT_TIME_COLUMN_WITHOUT_WATERMARK");
    return node;
  }
  for (const auto& e : g.func().arguments()) f->children.push_back(expression(e, env));
  auto p = python_map(f, {grouped.input});
  p->groupings.push_back(std::move(grouped.keys));
  return p;
}

PlanPtr Analyzer::co_group_map(const sc::CoGroupMap& g) {
  auto left = relation(g.input());
  auto right = with_fresh_ids(relation(g.other()));
  auto keys = [&](const PlanPtr& p, const google::protobuf::RepeatedPtrField<sc::Expression>& list) {
    Scope scope = scope_of(p);
    Env env = env_over(scope, "FlatMapCoGroupsInPandas");
    std::vector<ExprPtr> out;
    for (const auto& e : list) {
      auto k = expression(e, env);
      out.push_back(k->kind == ExprKind::kAlias ? k->children[0] : k);
    }
    return out;
  };
  auto lk = keys(left, g.input_grouping_expressions()), rk = keys(right, g.other_grouping_expressions());
  if (lk.size() != rk.size())
    throw SparkError::Plain(ErrorKind::kIllegalArgument,
                            "requirement failed: Cogroup keys must have same size: " + std::to_string(lk.size()) + " != " + std::to_string(rk.size()));
  auto p = python_map(user_function(g.func()), {left, right});
  p->groupings = {std::move(lk), std::move(rk)};
  return p;
}

}  // namespace tarn::plan
