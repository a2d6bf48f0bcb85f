// Function calls: built-in, Python and SQL functions. Source: ResolveFunctions, FunctionResolution, ResolveLambdaVariables.
#include <algorithm>
#include <set>

#include "catalog/catalog.h"
#include "plan/analyzer_impl.h"
#include "plan/search_path.h"
#include "plan/function_signature.h"
#include "plan/internal_functions.h"
#include "plan/python_tables.h"

namespace tarn::plan {

bool is_generator(const Expression& e) {
  auto* c = try_as<Call>(e);
  return c && c->function && c->function->kind == FunctionKind::kGenerator;
}
bool contains_generator(const Expression& e) { return any_of(e, is_generator); }

bool is_aggregate_node(const Expression& e) {
  if (e.kind == ExprKind::kAggregate) return true;
  // Grouped pandas and Arrow aggregates, of whole groups and of iterators: PythonEvalType 202, 217, 252, 254.
  if (auto* u = try_as<UserFunction>(e)) return u->eval_type == 202 || u->eval_type == 217 || u->eval_type == 252 || u->eval_type == 254;
  return false;
}

bool contains_aggregate(const Expression& e) {
  if (is_aggregate_node(e)) return true;
  bool found = false;
  if (auto* w = try_as<WindowExpr>(e)) {
    // The function itself computes over the window; aggregates in its arguments are of the query.
    visit_children(*w->children[0], [&](const ExprPtr& c) { found = found || contains_aggregate(*c); });
    for (const auto& x : w->partition_by) found = found || contains_aggregate(*x);
    for (const auto& x : w->order_by) found = found || contains_aggregate(*x);
    return found;
  }
  visit_children(e, [&](const ExprPtr& c) { found = found || contains_aggregate(*c); });
  return found;
}

bool contains_grouping_call(const Expression& e) {
  return any_of(e, [](const Expression& x) {
    auto* c = try_as<Call>(x);
    return c && (c->name == "grouping" || c->name == "grouping_id");
  });
}

bool contains_window(const Expression& e) {
  return any_of(e, [](const Expression& x) { return x.kind == ExprKind::kWindow; });
}

ExprPtr Analyzer::call(const std::string& name, std::vector<ExprPtr> args) {
  const auto* f = find_function(name);
  if (!f) throw internal_error("the function " + name + " is missing");
  CallContext c{conf_, mode(), name};
  return resolve_call(*f, std::move(args), c);
}

SparkError Analyzer::unresolved_routine(const Parts& name) {
  std::lock_guard<std::mutex> lock(context_.state.mu);
  return analysis_error("UNRESOLVED_ROUTINE", {{"routineName", name_text(name)}, {"searchPath", path_message(search_path(context_.state, conf_))}});
}

std::vector<ExprPtr> Analyzer::arguments(const google::protobuf::RepeatedPtrField<sc::Expression>& list, Env& env) {
  std::vector<ExprPtr> out;
  for (const auto& e : list) {
    if (is_star(e)) {
      std::vector<SelectItem> items;
      expand_star(e, env, items);
      for (auto& i : items) out.push_back(i.expression);
    } else {
      out.push_back(expression(e, env));
    }
  }
  return out;
}

std::vector<ExprPtr> Analyzer::call_arguments(const CallParts& c, Env& env, std::vector<std::string>* names) {
  std::vector<ExprPtr> out;
  for (const auto& e : *c.arguments) {
    if (e.has_named_argument_expression()) {
      out.push_back(expression(e.named_argument_expression().value(), env));
      names->resize(out.size());
      names->back() = e.named_argument_expression().key();
      continue;
    }
    if (is_star(e)) {
      std::vector<SelectItem> items;
      expand_star(e, env, items);
      for (auto& i : items) out.push_back(i.expression);
    } else if (e.has_lambda_function()) {
      out.push_back(nullptr);
    } else {
      out.push_back(expression(e, env));
    }
    if (!names->empty()) names->resize(out.size());
  }
  if (!names->empty()) names->resize(out.size());
  return out;
}

ExprPtr Analyzer::struct_call(std::vector<ExprPtr> args) {
  std::vector<ExprPtr> pairs;
  for (size_t i = 0; i < args.size(); ++i) {
    const auto& a = args[i];
    std::string name = "col" + std::to_string(i + 1);
    if (auto* x = try_as<AttributeRef>(*a)) name = x->name;
    else if (auto* y = try_as<Alias>(*a)) name = y->name;
    else if (auto* v = try_as<LambdaVariable>(*a)) name = v->name;
    else if (auto* z = try_as<Call>(*a); z && (z->function == &kGetStructField || z->function == &kGetArrayStructFields)) name = z->name;
    pairs.push_back(make_string(name));
    pairs.push_back(a->kind == ExprKind::kAlias ? a->children[0] : a);
  }
  auto made = call("named_struct", std::move(pairs));
  if (auto* c = try_as<Call>(*made)) {
    auto n = std::make_shared<Call>(*c);
    n->name = "struct";
    std::string text;
    for (const auto& a : args) text += (text.empty() ? "struct(" : ", ") + pretty_sql(*a);
    if (std::any_of(args.begin(), args.end(), [](const ExprPtr& a) { return a->kind == ExprKind::kAlias; })) n->text = text + ")";
    return n;
  }
  return made;
}

ExprPtr Analyzer::lambda_argument(const sc::Expression::LambdaFunction& l, const std::vector<std::pair<DataType, bool>>& types, Env& env) {
  auto out = std::make_shared<Lambda>();
  std::vector<std::pair<std::string, ExprPtr>> frame;
  for (int i = 0; i < l.arguments_size(); ++i) {
    auto v = std::make_shared<LambdaVariable>();
    v->id = next_expr_id();
    std::string name;
    for (const auto& p : l.arguments(i).name_parts()) name += (name.empty() ? "" : ".") + p;
    for (const auto& [seen, other] : frame)
      if (same_name(seen, name, case_sensitive_)) {
        std::string all;
        for (const auto& a : l.arguments()) all += (all.empty() ? "" : ", ") + quote_identifier(a.name_parts(0));
        throw analysis_error("INVALID_LAMBDA_FUNCTION_CALL.DUPLICATE_ARG_NAMES", {{"args", all}, {"caseSensitiveConfig", "\"spark.sql.caseSensitive\""}});
      }
    v->name = name;
    if (static_cast<size_t>(i) < types.size()) {
      v->type = types[static_cast<size_t>(i)].first;
      v->nullable = types[static_cast<size_t>(i)].second;
    }
    out->parameters.push_back(v);
    frame.emplace_back(name, v);
  }
  env.lambdas.push_back(std::move(frame));
  struct Pop {
    Env& env;
    ~Pop() { env.lambdas.pop_back(); }
  } pop{env};
  auto body = expression(l.function(), env);
  if (body->kind == ExprKind::kAlias) body = body->children[0];
  if (any_of(*body, [](const Expression& x) { return x.kind == ExprKind::kSubquery; }))
    throw analysis_error("UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.HIGHER_ORDER_FUNCTION");
  if (auto found = find_python(*body)) throw analysis_error("UNSUPPORTED_FEATURE.LAMBDA_FUNCTION_WITH_PYTHON_UDF", {{"funcName", quote_sql(pretty_sql(*found))}});
  out->type = body->type;
  out->nullable = body->nullable;
  out->children.push_back(std::move(body));
  return out;
}

ExprPtr Analyzer::apply_clauses(ExprPtr value, const CallParts& c, ExprPtr filter, std::vector<ExprPtr> order) {
  auto unsupported = [&](const char* syntax) {
    return analysis_error("INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX", {{"prettyName", name_text({c.name.back()})}, {"syntax", quote_sql(syntax)}});
  };
  if (!c.distinct && !filter && order.empty() && c.nulls == 0) return value;
  bool applied = false;
  auto out = transform(value, [&](const ExprPtr& x) -> ExprPtr {
    auto* a = try_as<AggregateCall>(*x);
    if (!a) return nullptr;
    auto n = std::make_shared<AggregateCall>(*a);
    n->distinct = n->distinct || c.distinct;
    if (filter) n->filter = n->filter ? call("and", {n->filter, filter}) : filter;
    if (!order.empty()) n->order = order;
    if (c.nulls) n->ignore_nulls = c.nulls == 1;
    applied = true;
    return n;
  });
  if (!applied) {
    if (c.nulls && any_of(*value, [](const Expression& x) {
          auto* f = try_as<Call>(x);
          return f && f->function && f->function->kind == FunctionKind::kWindow;
        })) {
      nulls_given_ = c.nulls == 1;
      return value;
    }
    if (c.distinct) throw unsupported("DISTINCT");
    if (!order.empty()) throw unsupported("WITHIN GROUP (ORDER BY ...)");
    if (filter) throw unsupported("FILTER CLAUSE");
    throw unsupported(c.nulls == 1 ? "IGNORE NULLS" : "RESPECT NULLS");
  }
  return out;
}

// grouping(x) and grouping_id(…) are no aggregates of rows: a Call that the GROUP BY around it answers.
ExprPtr Analyzer::grouping_call(const std::string& name, std::vector<ExprPtr> args) {
  auto out = std::make_shared<Call>();
  out->function = find_function(name);
  out->name = name;
  out->type = name == "grouping" ? DataType(TypeId::kByte) : conf_.flag("spark.sql.legacy.integerGroupingId") ? DataType(TypeId::kInt) : DataType(TypeId::kLong);
  out->nullable = false;
  out->children = std::move(args);
  return out;
}

// transform(a, 1): what stands where a lambda belongs is a lambda that takes no notice of its parameters.
ExprPtr Analyzer::constant_lambda(const FunctionEntry& f, std::vector<ExprPtr>& args, size_t at, size_t parameters) {
  ExprPtr body = args[at];
  args[at] = nullptr;
  CallContext context{conf_, mode(), f.name()};
  auto types = lambda_parameters(f, args, at, parameters, context);
  auto out = std::make_shared<Lambda>();
  for (size_t i = 0; i < types.size() && i < parameters; ++i) {
    auto v = std::make_shared<LambdaVariable>();
    v->id = next_expr_id();
    v->name = "x_" + std::to_string(i + 1);
    v->type = types[i].first;
    v->nullable = types[i].second;
    out->parameters.push_back(v);
  }
  out->type = body->type;
  out->nullable = body->nullable;
  out->children.push_back(std::move(body));
  return out;
}

// input_file_name() and its kin read the hidden _metadata column of the one file scan below; without one they stay what Spark's
// InputFileBlockHolder holds then: '' and -1. Source: InputFileName, PreReadCheck.
ExprPtr Analyzer::input_file_call(const FunctionEntry& entry, const std::string& name, Env& env, const std::shared_ptr<const QueryContext>& where) {
  CallContext context{conf_, mode(), name};
  ExprPtr value = resolve_call(entry, {}, context, where);
  if (!env.scope) return value;
  int scans = 0;
  std::function<void(const LogicalPlan&)> count = [&](const LogicalPlan& p) {
    if (p.kind == PlanKind::kScan) ++scans;
    for (const auto& child : p.children) count(*child);
  };
  for (const auto& p : env.scope->plans()) count(*p);
  if (scans > 1) throw analysis_error("MULTI_SOURCES_UNSUPPORTED_FOR_EXPRESSION", {{"expr", quote_sql(name + "()")}});
  const char* field = name == "input_file_name" ? "file_path" : name == "input_file_block_start" ? "file_block_start" : "file_block_length";
  for (const auto& a : env.scope->hidden()) {
    if (a.name != "_metadata" || a.type.id() != TypeId::kStruct || !a.type.field_index(field, true)) continue;
    auto call = std::make_shared<Call>(as<Call>(*value));
    call->children = {fields(make_ref(a, false), {a.name, field}, 1)};
    return call;
  }
  return value;
}

ExprPtr Analyzer::function_call(const CallParts& written, Env& env, const std::shared_ptr<const QueryContext>& where) {
  CallParts c = written;
  // F.count(F.expr("*")): a star that came as text is one all the same.
  for (int i = 0; i < c.arguments->size(); ++i) {
    const auto& argument = c.arguments->Get(i);
    if (!argument.has_expression_string() || argument.expression_string().expression().find('*') == std::string::npos) continue;
    auto parsed = sql::parse_expression(argument.expression_string().expression(), parse_options());
    if (!is_star(parsed)) continue;
    auto call = std::make_shared<sc::Expression::UnresolvedFunction>();
    *call->mutable_arguments() = *c.arguments;
    *call->mutable_arguments(i) = std::move(parsed);
    kept_.push_back(call);
    c.arguments = &call->arguments();
  }
  Parts parts = c.name;
  std::string name = lower_case(parts.back());
  bool builtin_name = parts.size() == 1;
  if (parts.size() >= 2 && same_name(parts[parts.size() - 2], "builtin", false) && (parts.size() == 2 || same_name(parts[0], "system", false))) builtin_name = true;
  bool session_name = parts.size() == 1 || (same_name(parts[parts.size() - 2], "session", false) && (parts.size() == 2 || same_name(parts[0], "system", false)));
  // Clients reach some functions that SQL doesn't see.
  const FunctionEntry* entry = c.internal ? find_function("internal:" + name) : nullptr;
  if (!entry && builtin_name) entry = find_function(name);
  std::shared_ptr<const UserFunction> user;
  std::optional<SqlFunction> sql_function;
  const bool by_path = parts.size() == 1 && !c.internal && find_by_path(name, entry, user, sql_function);
  bool window_function = env.window_function;
  env.window_function = false;

  // count(*) and count(t.*) mean different things.
  if (entry && name == "count" && c.arguments->size() == 1 && !c.distinct && c.arguments->Get(0).has_unresolved_star() &&
      !c.arguments->Get(0).unresolved_star().has_unparsed_target() && !c.arguments->Get(0).unresolved_star().has_plan_id()) {
    ExprPtr filter;
    if (c.filter) {
      ++env.in_aggregate;
      filter = condition(*c.filter, env);
      --env.in_aggregate;
    }
    CallContext context{conf_, mode(), "count"};
    if (env.in_aggregate && !window_function) throw analysis_error("NESTED_AGGREGATE_FUNCTION");
    auto value = resolve_call(*entry, {make_int(1)}, context, where);
    return apply_clauses(value, c, filter, {});
  }
  if (entry && name == "count" && c.arguments->size() == 1 && c.arguments->Get(0).has_unresolved_star() && c.arguments->Get(0).unresolved_star().has_unparsed_target() &&
      !conf_.flag("spark.sql.legacy.allowStarWithSingleTableIdentifierInCount") && env.scope) {
    std::string target = c.arguments->Get(0).unresolved_star().unparsed_target();
    if (target.ends_with(".*")) target.resize(target.size() - 2);
    auto table = sql::parse_attribute_name(target);
    if (table.size() == 1 && !env.scope->find(table).attribute)
      throw analysis_error("INVALID_USAGE_OF_STAR_WITH_TABLE_IDENTIFIER_IN_COUNT", {{"tableName", name_text(table)}});
  }
  if (entry && (name == "grouping" || name == "grouping_id")) {
    std::vector<std::string> names;
    auto list = call_arguments(c, env, &names);
    for (auto& a : list)
      if (a && a->kind == ExprKind::kAlias) a = a->children[0];
    return grouping_call(name, std::move(list));
  }

  if (entry && c.arguments->empty() && !c.user_defined && (name == "input_file_name" || name == "input_file_block_start" || name == "input_file_block_length"))
    return input_file_call(*entry, name, env, where);

  if (by_path) {
    if (!entry && !user && !sql_function) throw unresolved_routine(parts);
    if (user && user->eval_type >= 300) throw analysis_error("NOT_A_SCALAR_FUNCTION", {{"functionName", name_text(parts)}});
  } else if (!entry || c.user_defined) {
    if (session_name) {
      std::lock_guard<std::mutex> lock(context_.state.mu);
      auto it = context_.state.user_functions.find(name);
      if (it != context_.state.user_functions.end() && it->second->eval_type < 300) user = it->second;
    }
    if (!user && !entry) sql_function = find_sql_function(parts);
    if (!user && !sql_function && !entry && builtin_name && name == "range") throw analysis_error("NOT_A_SCALAR_FUNCTION", {{"functionName", name_text(parts)}});
    if (!user && !sql_function && !entry) throw unresolved_routine(parts);
  }
  bool is_aggregate = !user && !sql_function && entry->kind == FunctionKind::kAggregate;
  if (user && is_aggregate_node(*user)) is_aggregate = true;
  if (!user && !sql_function && entry->kind == FunctionKind::kTable)
    throw analysis_error("NOT_A_SCALAR_FUNCTION", {{"functionName", name_text(parts)}});
  if (!user && !sql_function && entry->kind == FunctionKind::kWindow && !window_function)
    throw analysis_error("WINDOW_FUNCTION_WITHOUT_OVER_CLAUSE", {{"funcName", quote_sql(name + "()")}});
  if (is_aggregate && env.in_aggregate > 0 && !window_function) throw analysis_error("NESTED_AGGREGATE_FUNCTION");

  int saved_aggregate = env.in_aggregate;
  if (is_aggregate && !window_function) ++env.in_aggregate;
  struct Back {
    Env& env;
    int saved;
    ~Back() { env.in_aggregate = saved; }
  } back{env, saved_aggregate};

  std::vector<std::string> names;
  auto args = call_arguments(c, env, &names);
  ExprPtr filter;
  std::vector<ExprPtr> order;
  if (c.filter) filter = condition(*c.filter, env);
  if (filter) {
    if (contains_aggregate(*filter)) throw analysis_error("INVALID_AGGREGATE_FILTER.CONTAINS_AGGREGATE", {{"filterExpr", quote_sql(pretty_sql(*filter))}, {"aggExpr", quote_sql(pretty_sql(*filter))}});
    if (contains_window(*filter)) throw analysis_error("INVALID_AGGREGATE_FILTER.CONTAINS_WINDOW_FUNCTION", {{"filterExpr", quote_sql(pretty_sql(*filter))}, {"windowExpr", quote_sql(pretty_sql(*filter))}});
    if (!is_deterministic(*filter)) throw analysis_error("INVALID_AGGREGATE_FILTER.NON_DETERMINISTIC", {{"filterExpr", quote_sql(pretty_sql(*filter))}});
    if (filter->type.id() != TypeId::kBoolean) throw analysis_error("INVALID_AGGREGATE_FILTER.NOT_BOOLEAN", {{"filterExpr", quote_sql(pretty_sql(*filter))}});
  }
  if (c.within_group)
    for (const auto& o : *c.within_group) order.push_back(sort_order(o, env));
  if (!order.empty() && is_aggregate) {
    static const std::set<std::string_view> ordered = {"percentile_cont", "percentile_disc", "mode", "listagg"};
    if (entry && !ordered.contains(entry->name()))
      throw analysis_error("INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX", {{"prettyName", name_text({name})}, {"syntax", "\"WITHIN GROUP (ORDER BY ...)\""}});
  }

  if (name == "struct" && entry && !user) {
    auto made = struct_call(std::move(args));
    if (!c.internal || made->kind != ExprKind::kCall) return made;
    auto row = std::make_shared<Call>(as<Call>(*made));
    row->name = "named_struct";
    return row;
  }
  for (auto& a : args)
    if (a && a->kind == ExprKind::kAlias) a = a->children[0];

  for (const auto& a : args)
    if (a && is_generator(*a)) {
      std::string text = name + "(";
      for (size_t i = 0; i < args.size(); ++i) text += (i ? ", " : "") + (args[i] ? pretty_sql(*args[i]) : "");
      text += ")";
      if (entry && std::none_of(args.begin(), args.end(), [](const ExprPtr& x) { return !x; })) {
        Call shown;
        shown.function = entry;
        shown.name = name;
        shown.children = args;
        text = pretty_sql(shown);
      }
      for (const char* clause : {"Filter", "Sort", "Join", "Having"})
        if (std::string_view(env.clause) == clause) throw analysis_error("UNSUPPORTED_GENERATOR.OUTSIDE_SELECT", {{"plan", std::string("'") + clause}});
      throw analysis_error("UNSUPPORTED_GENERATOR.NESTED_IN_EXPRESSIONS", {{"expression", quote_sql(text)}});
    }
  if (is_aggregate && !window_function) check_aggregate_arguments(name, args);
  if (user) return user_call(*user, std::move(args), std::move(names));
  if (sql_function) return inline_sql_function(*sql_function, std::move(args), names);

  CallContext context{conf_, mode(), name};
  bool has_names = std::any_of(names.begin(), names.end(), [](const std::string& n) { return !n.empty(); });
  if (has_names) args = arrange_arguments(*entry, std::move(args), names, name);
  for (int i = 0; i < c.arguments->size(); ++i) {
    const auto& proto = c.arguments->Get(i);
    if (proto.has_lambda_function()) {
      if (!(entry->flags & kLambda))
        throw analysis_error("INVALID_LAMBDA_FUNCTION_CALL.NON_HIGHER_ORDER_FUNCTION", {{"class", name}});
      auto at = static_cast<size_t>(i);
      auto types = lambda_parameters(*entry, args, at, static_cast<size_t>(proto.lambda_function().arguments_size()), context);
      if (types.size() < static_cast<size_t>(proto.lambda_function().arguments_size()))
        throw analysis_error("INVALID_LAMBDA_FUNCTION_CALL.NUM_ARGS_MISMATCH",
                             {{"expectedNumArgs", std::to_string(proto.lambda_function().arguments_size())}, {"actualNumArgs", std::to_string(types.size())}});
      args[at] = lambda_argument(proto.lambda_function(), types, env);
    }
  }
  // percentile_cont(p) WITHIN GROUP (ORDER BY x): the ordering is the argument that is aggregated.
  if (name == "percentile_cont" || name == "percentile_disc" || (name == "mode" && args.empty())) {
    std::string function = name_text({name});
    if (order.empty()) throw analysis_error("INVALID_WITHIN_GROUP_EXPRESSION.WITHIN_GROUP_MISSING", {{"funcName", function}});
    if (order.size() > 1)
      throw analysis_error("INVALID_WITHIN_GROUP_EXPRESSION.WRONG_NUM_ORDERINGS", {{"funcName", function}, {"expectedNum", "1"}, {"actualNum", std::to_string(order.size())}});
    if (c.distinct) throw analysis_error("INVALID_WITHIN_GROUP_EXPRESSION.DISTINCT_UNSUPPORTED", {{"funcName", function}});
    const bool descending = !as<SortOrder>(*order[0]).ascending;
    std::string text = name + "(";
    for (const auto& a : args) text += pretty_sql(*a);
    text += ") WITHIN GROUP (ORDER BY " + pretty_sql(*order[0]->children[0]) + (descending ? " DESC)" : ")");
    args.insert(args.begin(), order[0]->children[0]);
    if (name == "mode") args.push_back(make_bool(true));
    const FunctionEntry* ordered = descending && name != "mode" ? find_function(name + "_desc") : entry;
    auto value = resolve_call(*ordered, std::move(args), context, where);
    auto copy = std::const_pointer_cast<Expression>(with_children(value, value->children));
    copy->text = std::move(text);
    return apply_clauses(copy, c, filter, {});
  }
  if (entry->flags & kLambda) {
    for (const auto& alternative : signature_of(*entry).alternatives) {
      if (!alternative.accepts(args.size())) continue;
      for (size_t i = 0; i < args.size(); ++i) {
        const auto* p = alternative.parameter(i);
        if (p && p->type.kind == TypeSpec::Kind::kLambda && args[i] && args[i]->kind != ExprKind::kLambda)
          args[i] = constant_lambda(*entry, args, i, p->type.parts.size() - 1);
      }
      break;
    }
  }
  // Functions whose type or meaning hangs on a constant text: it may be an expression, schema_of_json('…') or concat('he', 'x').
  static const std::set<std::string_view> by_constant = {"from_json", "from_csv", "from_xml", "to_binary", "try_to_binary", "to_number", "try_to_number", "to_char", "to_varchar"};
  if (by_constant.contains(entry->name()))
    for (size_t i = 1; i < args.size(); ++i)
      if (args[i]->kind != ExprKind::kLiteral && args[i]->type.is_string() && is_foldable(*args[i])) {
        auto literal = std::const_pointer_cast<Expression>(make_literal(args[i]->type, evaluate(args[i])));
        literal->text = pretty_sql(*args[i]);
        args[i] = literal;
      }
  auto value = time_window_column(resolve_call(*entry, std::move(args), context, where));
  value = apply_clauses(std::move(value), c, filter, std::move(order));
  if (!is_aggregate || window_function) return value;
  if (auto lca = lateral_alias_in(*value)) throw analysis_error("UNSUPPORTED_FEATURE.LATERAL_COLUMN_ALIAS_IN_AGGREGATE_FUNC", {{"lca", name_text({lca->name})}, {"aggFunc", quote_sql(pretty_sql(*value))}});
  return outer_aggregate(std::move(value));
}

const AttributeRef* lateral_alias_in(const Expression& e) {
  const AttributeRef* found = nullptr;
  any_of(e, [&](const Expression& x) {
    auto* a = try_as<AttributeRef>(x);
    if (a && a->text.starts_with("lateralAliasReference(")) found = a;
    return found != nullptr;
  });
  return found;
}

// An aggregate function over columns of the query around belongs to that query where its GROUP BY can answer (HAVING).
ExprPtr Analyzer::outer_aggregate(ExprPtr value) {
  bool outer = false, local = false;
  any_of(*value, [&](const Expression& e) {
    if (auto* a = try_as<AttributeRef>(e)) (a->outer ? outer : local) = true;
    return false;
  });
  if (!outer) return value;
  if (local) throw analysis_error("UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.AGGREGATE_FUNCTION_MIXED_OUTER_LOCAL_REFERENCES", {{"function", pretty_sql(*value)}});
  if (!outer_aggregates_) return value;
  auto own = transform(value, [](const ExprPtr& x) -> ExprPtr {
    auto* a = try_as<AttributeRef>(*x);
    if (!a || !a->outer) return nullptr;
    auto n = std::make_shared<AttributeRef>(*a);
    n->outer = false;
    return n;
  });
  outer_aggregates_->push_back(make_alias(own, pretty_sql(*own), true));
  return make_ref(to_attribute(*outer_aggregates_->back()), true);
}

const Expression* find_python(const Expression& e) {
  const Expression* found = nullptr;
  any_of(e, [&](const Expression& x) {
    if (x.kind == ExprKind::kUserFunction) found = &x;
    return found != nullptr;
  });
  return found;
}

ExprPtr Analyzer::user_call(const UserFunction& f, std::vector<ExprPtr> args, std::vector<std::string> names) {
  auto n = std::make_shared<UserFunction>(f);
  bool any = std::any_of(names.begin(), names.end(), [](const std::string& s) { return !s.empty(); });
  if (any) {
    names.resize(args.size());
    check_argument_names(f.name, names, case_sensitive_);
    n->argument_names = std::move(names);
  }
  n->children = std::move(args);
  return n;
}

// ---------------------------------------------------------------------------------------------------------- SQL functions

std::optional<Analyzer::SqlFunction> Analyzer::find_sql_function(const Parts& name) {
  SqlFunction out;
  std::string stored;
  bool session = name.size() == 1 || (name.size() <= 3 && same_name(name[name.size() - 2], "session", false));
  Parts full;
  {
    std::lock_guard<std::mutex> lock(context_.state.mu);
    if (session) {
      auto it = context_.state.sql_functions.find(lower_case(name.back()));
      if (it != context_.state.sql_functions.end()) stored = it->second;
    }
    full = {context_.state.current_catalog};
    if (name.size() == 1) full.insert(full.end(), context_.state.current_namespace.begin(), context_.state.current_namespace.end());
  }
  out.name = name.back();
  if (stored.empty()) {
    if (name.size() == 3) full = name;
    else full.insert(full.end(), name.begin(), name.end());
    return stored_function(full);
  }
  if (!out.definition.ParseFromString(stored)) throw internal_error("the stored SQL function " + out.name + " cannot be read");
  return out;
}

std::optional<Analyzer::SqlFunction> Analyzer::stored_function(const Parts& full) {
  if (full.size() != 3) return std::nullopt;
  auto info = context_.catalog.get_function(full[0], full[1], full[2]);
  if (!info) return std::nullopt;
  SqlFunction out;
  for (const auto& p : full) out.name += (out.name.empty() ? "" : ".") + p;
  if (!out.definition.ParseFromString(info->definition)) throw internal_error("the stored SQL function " + out.name + " cannot be read");
  out.home = std::make_shared<const catalog::FunctionInfo>(std::move(*info));
  return out;
}

bool Analyzer::find_by_path(const std::string& name, const FunctionEntry*& entry, std::shared_ptr<const UserFunction>& user,
                            std::optional<SqlFunction>& sql) {
  std::vector<PathEntry> path;
  {
    std::lock_guard<std::mutex> lock(context_.state.mu);
    if (!has_own_search_path(context_.state, conf_)) return false;
    path = search_path(context_.state, conf_);
  }
  const FunctionEntry* built_in = entry;
  for (const PathEntry& e : path) {
    if (is_system_entry(e, "builtin")) {
      if (built_in) return true;
    } else if (is_system_entry(e, "session")) {
      std::string stored;
      {
        std::lock_guard<std::mutex> lock(context_.state.mu);
        if (auto it = context_.state.user_functions.find(name); it != context_.state.user_functions.end()) user = it->second;
        if (auto it = context_.state.sql_functions.find(name); it != context_.state.sql_functions.end()) stored = it->second;
      }
      if (!user && !stored.empty()) {
        sql.emplace();
        sql->name = name;
        if (!sql->definition.ParseFromString(stored)) throw internal_error("the SQL function " + name + " cannot be read");
      }
    } else if (e.size() == 2) {
      sql = stored_function({e[0], e[1], name});
    }
    if (user || sql) {
      entry = nullptr;
      return true;
    }
  }
  return true;  // operators and the like are built in on every path
}

// A stored function's text means what it meant when it was made: its schema, its path, its settings.
template <class F> auto Analyzer::at_home(const SqlFunction& f, F body) {
  if (!f.home) return body(*this);
  SessionConf conf(conf_);
  SessionState inner;
  {
    std::lock_guard<std::mutex> lock(context_.state.mu);
    inner.temp_views = context_.state.temp_views;
    inner.user_functions = context_.state.user_functions;
    inner.sql_functions = context_.state.sql_functions;
    inner.variables = context_.state.variables;
  }
  inner.current_catalog = f.home->current_catalog;
  inner.current_namespace = f.home->current_namespace;
  for (const auto& [k, v] : f.home->configs) {
    try {
      if (k == kStoredPath) inner.path = parse_search_path(v, conf_, {});
      else conf.set(k, v);
    } catch (const SparkError&) {
      // A setting of a newer version.
    }
  }
  AnalyzerContext inside{conf, inner, context_.global_views, context_.catalog, context_.sources, context_.artifact, context_.cached_relation, context_.user, context_.now_micros};
  inside.collect = context_.collect;
  Analyzer below(inside);
  below.view_depth_ = view_depth_;
  below.parameters_ = parameters_;
  below.subquery_level_ = subquery_level_;
  return body(below);
}

std::vector<std::pair<std::string, ExprPtr>> Analyzer::bind_parameters(const SqlFunction& f, std::vector<ExprPtr> args,
                                                                       const std::vector<std::string>& names) {
  const auto& d = f.definition;
  auto count = static_cast<size_t>(d.parameters_size());
  std::vector<ExprPtr> bound(count);
  size_t required = 0;
  for (const auto& p : d.parameters()) required += p.has_default_value() ? 0 : 1;
  if (args.size() > count)
    throw analysis_error("WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
                         {{"functionName", quote_identifier(d.name().parts(d.name().parts_size() - 1))},
                          {"expectedNum", required == count ? std::to_string(count) : "[" + std::to_string(required) + ", " + std::to_string(count) + "]"},
                          {"actualNum", std::to_string(args.size())},
                          {"docroot", "https://spark.apache.org/docs/latest"}});
  for (size_t i = 0; i < args.size(); ++i) {
    size_t at = i;
    if (i < names.size() && !names[i].empty()) {
      at = count;
      for (size_t k = 0; k < count; ++k)
        if (same_name(d.parameters(static_cast<int>(k)).name(0), names[i], case_sensitive_)) at = k;
      if (at == count)
        throw analysis_error("UNRECOGNIZED_PARAMETER_NAME", {{"routineName", quote_identifier(f.name)}, {"argumentName", quote_identifier(names[i])}, {"proposal", ""}});
      if (bound[at])
        throw analysis_error("DUPLICATE_ROUTINE_PARAMETER_ASSIGNMENT.DOUBLE_NAMED_ARGUMENT_REFERENCE", {{"routineName", quote_identifier(f.name)}, {"parameterName", quote_identifier(names[i])}});
    }
    bound[at] = args[i];
  }
  std::vector<std::pair<std::string, ExprPtr>> out;
  for (size_t i = 0; i < count; ++i) {
    const auto& p = d.parameters(static_cast<int>(i));
    ExprPtr v = bound[i];
    if (!v) {
      if (!p.has_default_value()) {
        throw analysis_error("WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
                             {{"functionName", quote_identifier(d.name().parts(d.name().parts_size() - 1))},
                              {"expectedNum", required == count ? std::to_string(count) : "[" + std::to_string(required) + ", " + std::to_string(count) + "]"},
                              {"actualNum", std::to_string(args.size())},
                              {"docroot", "https://spark.apache.org/docs/latest"}});
      }
      Scope empty({}, nullptr, case_sensitive_);
      Env env = env_over(empty);
      v = expression(p.default_value().expression(), env);
    }
    DataType t = without_char_varchar(data_type(p.type()));
    if (v->type != t && !v->type.same_type(t)) {
      if (!can_cast(v->type, t, mode()))
        throw analysis_error("DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION", {{"sqlExpr", quote_sql(pretty_sql(*v))}, {"srcType", quote_sql(v->type.sql())}, {"targetType", quote_sql(t.sql())}});
      v = make_cast(v, t, mode());
    }
    out.emplace_back(p.name(0), v);
  }
  return out;
}

ExprPtr Analyzer::parameter(const Parts& parts) {
  if (parameters_.empty()) return nullptr;
  const auto& p = parameters_.back();
  size_t at = 0;
  if (parts.size() > 1) {
    auto dot = p.function.rfind('.');
    std::string shortest = dot == std::string::npos ? p.function : p.function.substr(dot + 1);
    if (same_name(parts[0], shortest, false)) at = 1;
  }
  for (const auto& [name, value] : p.values) {
    if (!same_name(name, parts[at], case_sensitive_)) continue;
    ExprPtr v = value;
    if (subquery_level_ > p.level)
      v = transform(v, [](const ExprPtr& x) -> ExprPtr {
        auto* a = try_as<AttributeRef>(*x);
        if (!a || a->outer) return nullptr;
        auto n = std::make_shared<AttributeRef>(*a);
        n->outer = true;
        return n;
      });
    return fields(v, parts, at + 1);
  }
  return nullptr;
}

ExprPtr Analyzer::inline_sql_function(const SqlFunction& f, std::vector<ExprPtr> args, const std::vector<std::string>& names) {
  const auto& d = f.definition;
  if (d.returns_table()) throw analysis_error("NOT_A_SCALAR_FUNCTION", {{"functionName", quote_identifier(f.name)}});
  if (parameters_.size() > 64) throw analysis_error("USER_DEFINED_FUNCTIONS.SQL_FUNCTION_RECURSION", {{"functionName", quote_identifier(f.name)}});
  std::string text = f.name + "(";
  for (size_t i = 0; i < args.size(); ++i) text += (i ? ", " : "") + pretty_sql(*args[i]);
  text += ")";
  Parameters p{f.name, bind_parameters(f, std::move(args), names), subquery_level_};
  parameters_.push_back(std::move(p));
  ExprPtr body;
  try {
    body = at_home(f, [&](Analyzer& a) { return a.scalar_body(d); });
  } catch (...) {
    parameters_.pop_back();
    throw;
  }
  parameters_.pop_back();
  if (d.has_return_type()) {
    DataType t = without_char_varchar(data_type(d.return_type()));
    if (!can_cast(body->type, t, mode()))
      throw analysis_error("DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION", {{"sqlExpr", quote_sql(pretty_sql(*body))}, {"srcType", quote_sql(body->type.sql())}, {"targetType", quote_sql(t.sql())}});
    body = make_cast(body, t, mode());
  }
  // The call gives its name to the column and to what it stands in.
  auto named = std::const_pointer_cast<Expression>(with_children(body, body->children));
  named->text = text;
  return make_alias(named, text, true);
}

ExprPtr Analyzer::scalar_body(const tarn::sql::CreateSqlFunction& d) {
  Text saved = text_;
  auto saved_references = std::move(references_);
  references_.clear();
  struct Restore {
    Analyzer& a;
    Text& t;
    decltype(references_)& r;
    ~Restore() {
      a.text_ = t;
      a.references_ = std::move(r);
    }
  } restore{*this, saved, saved_references};
  ExprPtr body;
  if (d.has_expression()) {
    text_ = Text{std::make_shared<const std::string>(d.expression().text()), "", ""};
    Scope empty({}, nullptr, case_sensitive_);
    Env env = env_over(empty);
    // The stored text is parsed anew, so that its subqueries come along.
    std::vector<sc::Relation> subqueries;
    auto parsed = std::make_shared<sc::Expression>(sql::parse_expression(d.expression().text(), parse_options(), &subqueries));
    std::unordered_map<int64_t, const sc::Relation*> refs;
    for (const auto& r : subqueries) {
      auto keep = std::make_shared<sc::Relation>(r);
      refs[keep->common().plan_id()] = keep.get();
      kept_.push_back(keep);
    }
    kept_.push_back(parsed);
    references_.push_back(std::move(refs));
    body = expression(*parsed, env);
    if (body->kind == ExprKind::kAlias) body = body->children[0];
  } else {
    auto s = std::make_shared<SubqueryExpr>();
    ++subquery_level_;
    try {
      s->plan = parsed_query(d.query().text(), "", "");
    } catch (...) {
      --subquery_level_;
      throw;
    }
    --subquery_level_;
    if (s->plan->output.size() != 1)
      throw analysis_error("INVALID_SUBQUERY_EXPRESSION.SCALAR_SUBQUERY_RETURN_MORE_THAN_ONE_OUTPUT_COLUMN", {{"number", std::to_string(s->plan->output.size())}});
    s->form = SubqueryExpr::Form::kScalar;
    s->type = s->plan->output[0].type;
    s->nullable = true;
    body = s;
  }
  return body;
}

PlanPtr Analyzer::sql_table_function(const SqlFunction& f, std::vector<ExprPtr> args, const std::vector<std::string>& names) {
  const auto& d = f.definition;
  if (!d.returns_table()) throw analysis_error("NOT_A_TABLE_FUNCTION", {{"functionName", quote_identifier(f.name)}});
  if (parameters_.size() > 64) throw analysis_error("USER_DEFINED_FUNCTIONS.SQL_TABLE_FUNCTION_RECURSION", {{"functionName", quote_identifier(f.name)}});
  Parameters p{f.name, bind_parameters(f, std::move(args), names), subquery_level_};
  parameters_.push_back(std::move(p));
  PlanPtr plan;
  try {
    plan = at_home(f, [&](Analyzer& a) { return a.parsed_query(d.query().text(), "", ""); });
  } catch (...) {
    parameters_.pop_back();
    throw;
  }
  parameters_.pop_back();
  if (d.table_columns_size() > 0) {
    if (static_cast<size_t>(d.table_columns_size()) != plan->output.size())
      throw analysis_error("USER_DEFINED_FUNCTIONS.RETURN_COLUMN_COUNT_MISMATCH", {{"outputSize", std::to_string(plan->output.size())}, {"returnParamSize", std::to_string(d.table_columns_size())}, {"name", f.name}});
    std::vector<ExprPtr> list;
    for (int i = 0; i < d.table_columns_size(); ++i) {
      auto ref = make_ref(plan->output[static_cast<size_t>(i)]);
      list.push_back(make_alias(make_cast(ref, without_char_varchar(data_type(d.table_columns(i).type())), mode()), d.table_columns(i).name(0)));
    }
    plan = make_project(plan, std::move(list));
  }
  Parts qualifier = sql::parse_multipart_identifier(f.name, parse_options());
  return alias_plan(plan, {qualifier.back()});
}

}  // namespace tarn::plan
