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

PlanPtr Analyzer::group_map(const sc::GroupMap& g) {
  if (g.has_transform_with_state_info() || g.is_map_groups_with_state()) throw not_built("transformWithState");
  WindowsOfClause windows(*this);
  std::vector<const google::protobuf::Message*> written;
  for (const auto& e : g.grouping_expressions()) written.push_back(&e);
  auto child = add_time_window(relation(g.input()), written, "FlatMapGroupsInPandas");
  Scope scope = scope_of(child);
  Env env = env_over(scope, "FlatMapGroupsInPandas");
  std::vector<ExprPtr> keys;
  for (const auto& e : g.grouping_expressions()) keys.push_back(expression(e, env));
  // Grouping expressions that are no columns become columns of the input, ahead of it they are arguments of the function.
  std::vector<ExprPtr> list;
  bool computed = false;
  std::vector<ExprPtr> refs;
  for (const auto& a : child->output) list.push_back(make_ref(a));
  for (auto& k : keys) {
    if (k->kind == ExprKind::kAttribute) {
      refs.push_back(k);
      continue;
    }
    auto named_key = k->kind == ExprKind::kAlias ? k : make_alias(k, pretty_sql(*k), true);
    list.push_back(named_key);
    refs.push_back(make_ref(to_attribute(*named_key)));
    computed = true;
  }
  PlanPtr input = provide(child, keys);
  if (computed) input = make_project(input, std::move(list));
  auto f = user_function(g.func());
  f->children.clear();
  for (const auto& e : g.func().arguments()) f->children.push_back(expression(e, env));
  auto p = python_map(f, {input});
  p->groupings.push_back(std::move(refs));
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
