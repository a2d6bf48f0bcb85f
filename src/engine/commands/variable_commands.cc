// DECLARE, SET VAR, DROP TEMPORARY VARIABLE, EXECUTE IMMEDIATE. Source: CreateVariableExec, SetVariableExec, ResolveExecuteImmediate.
#include <algorithm>
#include <set>

#include "engine/commands/handlers.h"
#include "engine/commands/parsing.h"
#include "engine/commands/script.h"
#include "engine/commands/support.h"
#include "plan/function.h"
#include "plan/session_conf.h"
#include "spark/connect/base.pb.h"
#include "spark/connect/commands.pb.h"
#include "spark/connect/expressions.pb.h"
#include "spark/connect/relations.pb.h"
#include "sql/extension.h"
#include "sql/parser.h"
#include "tarn/sql.pb.h"

namespace tarn::engine::commands {

namespace sc = spark::connect;
using catalog::lower;
using plan::DataType;
using plan::Value;

namespace {

std::string key_of(const std::string& name, CommandHost& host) { return host.conf().case_sensitive() ? name : lower(name); }

std::string session_name(const std::string& name) { return quote_identifier(std::vector<std::string>{"system", "session", name}); }

SparkError unresolved_variable(const std::vector<std::string>& parts, const std::string& path = "[`system`.`session`]") {
  return SparkError(ErrorKind::kAnalysis, "UNRESOLVED_VARIABLE", {{"variableName", quote_identifier(parts)}, {"searchPath", path}});
}

// The bare name of a session variable: x, session.x, system.session.x.
std::optional<std::string> session_variable_name(const std::vector<std::string>& parts) {
  if (parts.size() == 1) return parts[0];
  if (parts.size() == 2 && lower(parts[0]) == "session") return parts[1];
  if (parts.size() == 3 && lower(parts[0]) == "system" && lower(parts[1]) == "session") return parts[2];
  return std::nullopt;
}

// Whether :name stands in the text outside of strings and quoted names (and is no :: cast).
bool uses_named_markers(const std::string& text) {
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    char c = text[i];
    if (c == '\'' || c == '"' || c == '`') {
      size_t end = text.find(c, i + 1);
      if (end == std::string::npos) return false;
      i = end;
    } else if (c == ':' && (i == 0 || text[i - 1] != ':') && (std::isalpha(static_cast<unsigned char>(text[i + 1])) || text[i + 1] == '_')) {
      return true;
    }
  }
  return false;
}

// The default of a variable, cast to its type.
Value default_value(const DataType& type, const std::string& sql_text, CommandHost& host) {
  if (sql_text.empty()) return {};
  auto expression = sql::parse_expression(sql_text, parse_options(host.conf()));
  auto typed = plan::analyze_constant(expression, host.analyzer());
  return evaluate(plan::make_cast(typed, type, plan::EvalMode::kAnsi), host);
}

}  // namespace

CommandResult declare_variable(const sql::Statement& statement, CommandHost& host) {
  auto& declare = statement.declare_variable();
  plan::Variable variable;
  bool typed = declare.has_type();
  if (typed) variable.type = DataType::from_proto(declare.type());
  variable.default_sql = declare.has_default_value() ? declare.default_value().text() : "null";
  if (declare.has_default_value()) {
    if (!statement.subqueries().empty() && declare.default_value().expression().has_subquery_expression()) {
      throw analysis_error("INVALID_DEFAULT_VALUE.SUBQUERY_EXPRESSION",
                           {{"statement", "DECLARE VARIABLE"},
                            {"colName", quote_identifier(declare.names(0).parts().empty() ? "" : declare.names(0).parts(0))},
                            {"defaultValue", variable.default_sql}});
    }
    auto expression = plan::analyze_constant(declare.default_value().expression(), host.analyzer());
    if (!typed) variable.type = expression->type;
    if (!plan::can_cast(expression->type, variable.type, plan::EvalMode::kAnsi)) {
      throw analysis_error("INVALID_DEFAULT_VALUE.DATA_TYPE",
                           {{"statement", "DECLARE VARIABLE"},
                            {"colName", quote_identifier(declare.names(0).parts().empty() ? "" : declare.names(0).parts(declare.names(0).parts_size() - 1))},
                            {"expectedType", quote_sql(variable.type.sql())},
                            {"defaultValue", variable.default_sql},
                            {"actualType", quote_sql(expression->type.sql())}});
    }
    variable.value = evaluate(plan::make_cast(expression, variable.type, plan::EvalMode::kAnsi), host);
  }
  if (LocalVariables* local = current_locals()) {
    std::vector<std::vector<std::string>> names;
    for (auto& name : declare.names()) names.push_back(name_parts(name, host));
    local->declare(names, variable, declare.or_replace(), host);
    return {};
  }
  std::vector<std::string> keys;
  auto& state = host.analyzer().state;
  for (auto& name : declare.names()) {
    auto parts = name_parts(name, host);
    auto bare = session_variable_name(parts);
    if (!bare) throw unresolved_variable(parts);
    std::string key = key_of(*bare, host);
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) {
      throw analysis_error("DUPLICATE_VARIABLE_NAME_INSIDE_DECLARE", {{"variableName", session_name(key)}});
    }
    std::lock_guard lock(state.mu);
    if (!declare.or_replace() && state.variables.count(key)) {
      throw analysis_error("VARIABLE_ALREADY_EXISTS", {{"variableName", session_name(key)}});
    }
    keys.push_back(key);
  }
  std::lock_guard lock(state.mu);
  for (auto& key : keys) state.variables[key] = variable;
  return {};
}

CommandResult drop_variable(const sql::Statement& statement, CommandHost& host) {
  auto parts = name_parts(statement.drop_variable().name(), host);
  auto bare = session_variable_name(parts);
  if (!bare) throw unresolved_variable(parts);
  auto& state = host.analyzer().state;
  bool gone;
  {
    std::lock_guard lock(state.mu);
    gone = state.variables.erase(key_of(*bare, host)) > 0;
  }
  if (!gone && !statement.drop_variable().if_exists()) {
    throw analysis_error("VARIABLE_NOT_FOUND", {{"variableName", session_name(*bare)}});
  }
  return {};
}

VariableTarget find_variable(const std::vector<std::string>& parts, CommandHost& host) {
  VariableTarget target;
  target.parts = parts;
  if (LocalVariables* local = current_locals()) {
    if (auto* found = local->find(parts, host)) {
      target.local = found;
      target.variable = *found;
      return target;
    }
  }
  if (auto bare = session_variable_name(parts)) {
    target.key = key_of(*bare, host);
    auto& state = host.analyzer().state;
    std::lock_guard lock(state.mu);
    auto it = state.variables.find(target.key);
    if (it != state.variables.end()) {
      target.variable = it->second;
      return target;
    }
  }
  std::string path = "[`system`.`builtin`, `system`.`session`, " + quote_identifier(current_catalog(host));
  for (auto& part : current_namespace(host)) path += "." + quote_identifier(part);
  throw unresolved_variable(parts, path + "]");
}

void assign(const VariableTarget& target, Value value, CommandHost& host) {
  if (target.local) {
    target.local->value = std::move(value);
    return;
  }
  auto& state = host.analyzer().state;
  std::lock_guard lock(state.mu);
  auto it = state.variables.find(target.key);
  if (it != state.variables.end()) it->second.value = std::move(value);
}

void assign_from(const std::vector<VariableTarget>& targets, const plan::PlanPtr& query, CommandHost& host) {
  std::set<std::string> seen;
  std::string duplicates;
  for (auto& t : targets) {
    std::string id = t.local ? "local " + key_of(t.parts.back(), host) : t.key;
    if (!seen.insert(id).second) duplicates += (duplicates.empty() ? "" : ", ") + quote_identifier(key_of(t.parts.back(), host));
  }
  if (!duplicates.empty()) throw analysis_error("DUPLICATE_ASSIGNMENTS", {{"nameList", duplicates}});
  if (query->output.size() != targets.size()) {
    throw analysis_error("ASSIGNMENT_ARITY_MISMATCH",
                         {{"numTarget", std::to_string(targets.size())}, {"numExpr", std::to_string(query->output.size())}});
  }
  std::vector<plan::ExprPtr> casts;
  auto policy = host.conf().text("spark.sql.storeAssignmentPolicy");
  for (size_t i = 0; i < targets.size(); ++i) {
    auto ref = plan::make_ref(query->output[i]);
    auto& type = targets[i].variable.type;
    if (!plan::can_cast(ref->type, type, plan::EvalMode::kAnsi)) {
      throw analysis_error("DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION",
                           {{"sqlExpr", quote_sql(plan::expression_sql(*ref))}, {"srcType", quote_sql(ref->type.sql())}, {"targetType", quote_sql(type.sql())}});
    }
    casts.push_back(plan::make_alias(plan::make_cast(ref, type, plan::EvalMode::kAnsi), targets[i].parts.back()));
  }
  auto limit = std::make_shared<plan::Limit>();
  limit->children = {query};
  limit->output = query->output;
  limit->limit = plan::make_int(2);
  auto rows = host.collect(plan::make_project(limit, std::move(casts)));
  if (rows.size() > 1) throw SparkError(ErrorKind::kSpark, "ROW_SUBQUERY_TOO_MANY_ROWS", {});
  for (size_t i = 0; i < targets.size(); ++i) assign(targets[i], rows.empty() ? Value{} : rows[0][i], host);
}

namespace {

// DEFAULT as a value of the query's list: each becomes the default of its target.
void fill_default_words(sc::Relation* query, const std::vector<VariableTarget>& targets, CommandHost& host) {
  auto fill = [&](auto* values) {
    for (int i = 0; i < values->size() && i < static_cast<int>(targets.size()); ++i) {
      if (!is_default_word(values->Get(i))) continue;
      auto& v = targets[static_cast<size_t>(i)].variable;
      *values->Mutable(i) = literal_expression(default_value(v.type, v.default_sql, host), v.type);
    }
  };
  if (sql::Rel rel; sql::unpack(*query, &rel)) {
    if (rel.has_inline_table()) {
      for (auto& row : *rel.mutable_inline_table()->mutable_rows()) fill(row.mutable_values());
    } else if (rel.has_with()) {
      fill_default_words(rel.mutable_with()->mutable_root(), targets, host);
    } else if (rel.has_limit()) {
      fill_default_words(rel.mutable_limit()->mutable_input(), targets, host);
    } else if (rel.has_subquery_column_aliases()) {
      fill_default_words(rel.mutable_subquery_column_aliases()->mutable_input(), targets, host);
    } else {
      return;
    }
    query->mutable_extension()->PackFrom(rel);
  } else if (query->has_project()) {
    fill(query->mutable_project()->mutable_expressions());
  } else if (query->has_limit()) {
    fill_default_words(query->mutable_limit()->mutable_input(), targets, host);
  } else if (query->has_offset()) {
    fill_default_words(query->mutable_offset()->mutable_input(), targets, host);
  } else if (query->has_sort()) {
    fill_default_words(query->mutable_sort()->mutable_input(), targets, host);
  } else if (query->has_subquery_alias()) {
    fill_default_words(query->mutable_subquery_alias()->mutable_input(), targets, host);
  } else if (query->has_with_relations()) {
    fill_default_words(query->mutable_with_relations()->mutable_root(), targets, host);
  }
}

// DEFAULT inside an expression is no column that cannot be found.
template <class F> void checking_default(F run) {
  try {
    run();
  } catch (const SparkError& e) {
    auto name = e.params().find("objectName");
    if (e.condition().starts_with("UNRESOLVED_COLUMN") && name != e.params().end() && catalog::lower(name->second) == "`default`")
      throw analysis_error("DEFAULT_PLACEMENT_INVALID");
    throw;
  }
}

}  // namespace

CommandResult set_variable(const sql::Statement& statement, CommandHost& host) {
  auto& set = statement.set_variable();
  std::vector<VariableTarget> targets;
  if (set.has_query()) {
    for (auto& name : set.targets()) targets.push_back(find_variable(name_parts(name, host), host));
    sc::Relation query = set.query();
    fill_default_words(&query, targets, host);
    checking_default([&] { assign_from(targets, plan::analyze(query, host.analyzer()), host); });
    return {};
  }
  std::vector<sc::Expression> values;
  for (auto& assignment : set.assignments()) {
    std::vector<std::string> parts;
    if (assignment.key().has_unresolved_attribute()) {
      parts = sql::parse_attribute_name(assignment.key().unresolved_attribute().unparsed_identifier());
    } else {
      sql::Expr expr;
      if (!sql::unpack(assignment.key(), &expr) || !expr.has_identifier()) throw internal_error("the target of SET VAR is no name");
      parts = name_parts(expr.identifier().name(), host);
    }
    targets.push_back(find_variable(parts, host));
    if (is_default_word(assignment.value())) {
      auto& v = targets.back().variable;
      values.push_back(literal_expression(default_value(v.type, v.default_sql, host), v.type));
    } else {
      values.push_back(assignment.value());
    }
  }
  std::vector<const sc::Expression*> pointers;
  for (auto& v : values) pointers.push_back(&v);
  checking_default([&] { assign_from(targets, plan_of_expressions(pointers, statement.subqueries(), host), host); });
  return {};
}

struct QueryArguments::Values {
  std::map<std::string, sc::Expression> named;
  std::vector<sc::Expression> positional;
  std::string unnamed;
  bool any_alias = false;
};

QueryArguments::~QueryArguments() = default;

namespace {

plan::ExprPtr constant_argument(const sc::Expression& e, CommandHost& host) {
  if (e.has_subquery_expression()) throw analysis_error("UNSUPPORTED_EXPR_FOR_PARAMETER", {{"invalidExprSql", "\"scalarsubquery()\""}});
  return plan::analyze_constant(e, host.analyzer());
}

}  // namespace

QueryArguments::QueryArguments(const google::protobuf::RepeatedPtrField<sc::Expression>& list, CommandHost& host) : values_(std::make_unique<Values>()) {
  auto& v = *values_;
  std::string repeated;
  for (auto& argument : list) {
    bool has_name = argument.has_alias();
    auto typed = constant_argument(has_name ? argument.alias().expr() : argument, host);
    if (!plan::is_foldable(*typed)) {
      throw analysis_error("UNSUPPORTED_EXPR_FOR_PARAMETER", {{"invalidExprSql", quote_sql(plan::expression_sql(*typed))}});
    }
    auto literal = literal_expression(evaluate(typed, host), typed->type);
    v.positional.push_back(literal);
    if (has_name) {
      v.any_alias = true;
      const std::string& name = argument.alias().name(0);
      if (!v.named.emplace(name, literal).second) repeated += (repeated.empty() ? "" : ", ") + quote_identifier(name);
    } else if (argument.has_unresolved_attribute()) {
      // USING x: a variable is bound by position, and by its own name.
      auto parts = sql::parse_attribute_name(argument.unresolved_attribute().unparsed_identifier());
      v.named.emplace(parts.back(), literal);
    } else {
      v.unnamed += (v.unnamed.empty() ? "" : ", ") + quote_sql(plan::expression_sql(*typed));
    }
  }
  if (!repeated.empty()) throw analysis_error("EXEC_IMMEDIATE_DUPLICATE_ARGUMENT_ALIASES", {{"aliases", repeated}});
}

void QueryArguments::bind(const std::string& text, sql::ParseOptions& options) const {
  const auto& v = *values_;
  if (uses_named_markers(text)) {
    if (v.any_alias && !v.unnamed.empty()) throw analysis_error("ALL_PARAMETERS_MUST_BE_NAMED", {{"exprs", v.unnamed}});
    options.named_arguments = &v.named;
  }
  if (!v.positional.empty()) options.positional_arguments = &v.positional;
}

CommandResult execute_immediate(const sql::Statement& statement, CommandHost& host) {
  auto& immediate = statement.execute_immediate();
  auto text_expression = constant_argument(immediate.query(), host);
  if (!text_expression->type.is_string() && text_expression->type.id() != plan::TypeId::kNull) {
    throw analysis_error("INVALID_EXPR_TYPE_FOR_QUERY_EXECUTE_IMMEDIATE", {{"exprType", quote_sql(text_expression->type.sql())}});
  }
  Value sql_text = evaluate(text_expression, host);
  if (sql_text.is_null()) {
    std::string name = immediate.query().has_unresolved_attribute() ? immediate.query().unresolved_attribute().unparsed_identifier()
                                                                    : plan::expression_sql(*text_expression);
    throw analysis_error("NULL_QUERY_STRING_EXECUTE_IMMEDIATE", {{"varName", quote_identifier(name)}});
  }
  const std::string& query = sql_text.get<std::string>();
  QueryArguments arguments(immediate.arguments(), host);
  auto options = parse_options(host.conf());
  arguments.bind(query, options);
  HideLocals hidden(host);   // local variables of a script are not seen inside
  auto plan = sql::parse_statement(query, options);
  sql::Statement inner;
  bool is_statement = plan.has_command() && sql::unpack(plan.command(), &inner);
  if (is_statement && inner.has_compound()) throw analysis_error("SQL_SCRIPT_IN_EXECUTE_IMMEDIATE", {{"sqlString", query}});
  if (immediate.into().empty()) return execute_parsed(plan, host);
  if (plan.has_command()) throw analysis_error("INVALID_STATEMENT_FOR_EXECUTE_INTO", {{"sqlString", query}});
  auto analyzed = plan::analyze(plan.root(), host.analyzer());
  hidden.show();
  std::vector<VariableTarget> targets;
  for (auto& name : immediate.into()) targets.push_back(find_variable(name_parts(name, host), host));
  assign_from(targets, analyzed, host);
  return {};
}

}  // namespace tarn::engine::commands
