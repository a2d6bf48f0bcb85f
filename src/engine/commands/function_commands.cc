// SQL functions and lists of functions. Source: CreateSQLFunctionCommand, ShowFunctionsCommand, DescribeFunctionCommand.
#include <algorithm>
#include <set>

#include <unicode/uvernum.h>

#include "engine/commands/handlers.h"
#include "engine/commands/parsing.h"
#include "engine/commands/references.h"
#include "engine/commands/support.h"
#include "engine/commands/table_definition.h"
#include "engine/commands/views.h"
#include "plan/collation.h"
#include "plan/function.h"
#include "plan/search_path.h"
#include "plan/session_conf.h"
#include "spark/connect/expressions.pb.h"
#include "spark/connect/relations.pb.h"
#include "sql/parser.h"
#include "tarn/sql.pb.h"

namespace tarn::engine::commands {

namespace sc = spark::connect;
using catalog::lower;
using plan::DataType;

namespace {

constexpr const char* kOperators[] = {"!=", "<>", "between", "case", "||"};

SparkError routine_not_found(const std::vector<std::string>& parts) {
  return SparkError(ErrorKind::kAnalysis, "ROUTINE_NOT_FOUND", {{"routineName", quote_identifier(parts)}});
}

std::vector<std::string> parameter_names(const google::protobuf::RepeatedPtrField<sql::ColumnDef>& list) {
  std::vector<std::string> out;
  for (auto& p : list) out.push_back(p.name(0));
  return out;
}

std::string duplicates(const std::vector<std::string>& names, CommandHost& host) {
  std::set<std::string> seen, twice;
  for (auto& n : names) {
    std::string key = host.conf().case_sensitive() ? n : lower(n);
    if (!seen.insert(key).second) twice.insert(key);
  }
  std::string out;
  for (auto& t : twice) out += (out.empty() ? "" : ", ") + quote_identifier(t);
  return out;
}

// SELECT CAST(NULL AS t) AS a, …: what the body of the function sees of its parameters.
void parameters_relation(const sql::CreateSqlFunction& create, sc::Relation* out) {
  sql::Rel one_row;
  one_row.mutable_one_row();
  sc::Relation base;
  base.mutable_extension()->PackFrom(one_row);
  if (create.parameters().empty()) {
    *out = base;
    return;
  }
  auto* alias = out->mutable_subquery_alias();
  alias->set_alias(create.name().parts(create.name().parts_size() - 1));
  auto* project = alias->mutable_input()->mutable_project();
  *project->mutable_input() = base;
  for (auto& p : create.parameters()) {
    auto* e = project->add_expressions()->mutable_alias();
    e->add_name(p.name(0));
    auto* cast = e->mutable_expr()->mutable_cast();
    *cast->mutable_type() = p.type();
    cast->mutable_expr()->mutable_literal()->mutable_null()->mutable_null();
  }
}

bool has_complex_function(const plan::LogicalPlan& plan) {
  switch (plan.kind) {
    case plan::PlanKind::kAggregate:
    case plan::PlanKind::kWindow:
    case plan::PlanKind::kGenerate:
      return true;
    case plan::PlanKind::kProject:
      return has_complex_function(plan.child());
    default:
      return false;
  }
}

// The body over its parameters: checks it and fills in what RETURNS left out.
void check_body(sql::CreateSqlFunction& create, const std::string& name, CommandHost& host) {
  if (create.returns_table()) {
    if (!create.has_query()) throw analysis_error("USER_DEFINED_FUNCTIONS.SQL_TABLE_UDF_BODY_MUST_BE_A_QUERY", {{"name", name}});
    sc::Relation relation;
    auto* join = relation.mutable_lateral_join();
    parameters_relation(create, join->mutable_left());
    *join->mutable_right() = create.query().query();
    join->set_join_type(sc::Join::JOIN_TYPE_INNER);
    auto plan = plan::analyze(relation, host.analyzer());
    size_t inputs = static_cast<size_t>(create.parameters_size());
    std::vector<plan::Attribute> output(plan->output.begin() + static_cast<long>(inputs), plan->output.end());
    if (create.table_columns().empty()) {
      for (auto& a : output) {
        auto* column = create.add_table_columns();
        column->add_name(a.name);
        a.type.to_proto(column->mutable_type());
      }
    }
    if (auto twice = duplicates(parameter_names(create.table_columns()), host); !twice.empty()) {
      throw analysis_error("DUPLICATE_ROUTINE_RETURNS_COLUMNS", {{"routineName", quote_identifier(name)}, {"columns", twice}});
    }
    if (static_cast<size_t>(create.table_columns_size()) != output.size()) {
      throw analysis_error("USER_DEFINED_FUNCTIONS.RETURN_COLUMN_COUNT_MISMATCH",
                           {{"outputSize", std::to_string(output.size())}, {"returnParamSize", std::to_string(create.table_columns_size())}, {"name", name}});
    }
    return;
  }
  // A call of it, in a session that knows it already, with columns as its arguments: the body is read as it will be.
  sc::Relation relation;
  auto* project = relation.mutable_project();
  parameters_relation(create, project->mutable_input());
  auto* call = project->add_expressions()->mutable_call_function();
  call->set_function_name("session." + quote_identifier(name));
  for (auto& p : create.parameters()) call->add_arguments()->mutable_unresolved_attribute()->set_unparsed_identifier(quote_identifier(p.name(0)));
  auto& c = host.analyzer();
  plan::SessionState knowing;
  {
    std::lock_guard lock(c.state.mu);
    knowing.temp_views = c.state.temp_views;
    knowing.user_functions = c.state.user_functions;
    knowing.sql_functions = c.state.sql_functions;
    knowing.variables = c.state.variables;
    knowing.current_catalog = c.state.current_catalog;
    knowing.current_namespace = c.state.current_namespace;
    knowing.path = c.state.path;
  }
  knowing.user_functions.erase(lower(name));
  knowing.sql_functions[lower(name)] = create.SerializeAsString();
  plan::AnalyzerContext context{c.conf, knowing, c.global_views, c.catalog, c.sources, c.artifact, c.cached_relation, c.user, c.now_micros};
  context.collect = c.collect;
  auto complex = [&] {
    return analysis_error("USER_DEFINED_FUNCTIONS.CANNOT_CONTAIN_COMPLEX_FUNCTIONS",
                          {{"queryText", create.has_query() ? create.query().text() : create.expression().text()}});
  };
  plan::PlanPtr plan;
  try {
    plan = plan::analyze(relation, context);
  } catch (const SparkError& e) {
    // Parameters beside an aggregate function: the function is what is wrong.
    if (e.condition() == "MISSING_AGGREGATION" || e.condition() == "MISSING_GROUP_BY") throw complex();
    throw;
  }
  if (has_complex_function(*plan)) throw complex();
  if (!create.has_return_type()) plan->output.at(0).type.to_proto(create.mutable_return_type());
}

// SELECT expression, with the relations that its subqueries refer to.
sc::Relation expression_query(const sc::Expression& expression, const google::protobuf::RepeatedPtrField<sc::Relation>& subqueries) {
  sc::Relation out;
  sc::Relation* query = &out;
  if (!subqueries.empty()) {
    *out.mutable_with_relations()->mutable_references() = subqueries;
    query = out.mutable_with_relations()->mutable_root();
  }
  sql::Rel one_row;
  one_row.mutable_one_row();
  query->mutable_project()->mutable_input()->mutable_extension()->PackFrom(one_row);
  *query->mutable_project()->add_expressions() = expression;
  return out;
}

bool has_char_or_varchar(const DataType& t) {
  switch (t.id()) {
    case plan::TypeId::kChar: case plan::TypeId::kVarchar: return true;
    case plan::TypeId::kArray: return has_char_or_varchar(t.element());
    case plan::TypeId::kMap: return has_char_or_varchar(t.key()) || has_char_or_varchar(t.value());
    case plan::TypeId::kStruct: return std::any_of(t.fields().begin(), t.fields().end(), [](auto& f) { return has_char_or_varchar(f.type()); });
    default: return false;
  }
}

void check_signature(const sql::CreateSqlFunction& create, const std::string& name, CommandHost& host) {
  for (auto& c : create.table_columns())
    if (c.not_null()) throw analysis_error("USER_DEFINED_FUNCTIONS.NOT_NULL_ON_FUNCTION_PARAMETERS", {{"input", c.name(0)}});
  if (create.has_return_type() && has_char_or_varchar(DataType::from_proto(create.return_type()))) throw analysis_error("UNSUPPORTED_CHAR_OR_VARCHAR_AS_STRING");
  if (auto twice = duplicates(parameter_names(create.parameters()), host); !twice.empty()) {
    throw analysis_error("DUPLICATE_ROUTINE_PARAMETER_NAMES", {{"routineName", quote_identifier(name)}, {"names", twice}});
  }
  bool defaulted = false;
  std::string before;
  for (auto& p : create.parameters()) {
    if (p.not_null()) {
      throw analysis_error("USER_DEFINED_FUNCTIONS.NOT_NULL_ON_FUNCTION_PARAMETERS", {{"input", create.parameters_text()}});
    }
    if (defaulted && !p.has_default_value()) {
      throw analysis_error("USER_DEFINED_FUNCTIONS.NOT_A_VALID_DEFAULT_PARAMETER_POSITION",
                           {{"functionName", name}, {"parameterName", before}, {"nextParameterName", p.name(0)}});
    }
    if (p.has_default_value()) {
      if (p.default_value().expression().has_subquery_expression()) {
        throw analysis_error("USER_DEFINED_FUNCTIONS.NOT_A_VALID_DEFAULT_EXPRESSION", {{"functionName", name}, {"parameterName", p.name(0)}});
      }
      auto e = plan::analyze_constant(p.default_value().expression(), host.analyzer());
      auto type = DataType::from_proto(p.type());
      if (!plan::can_cast(e->type, type, plan::EvalMode::kAnsi)) {
        throw analysis_error("DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION", {{"sqlExpr", quote_sql(plan::expression_sql(*e))},
                                                                           {"srcType", quote_sql(e->type.sql())}, {"targetType", quote_sql(type.sql())}});
      }
    }
    defaulted = defaulted || p.has_default_value();
    before = p.name(0);
  }
}

// The SQL function of this bare name, temporary or of the current schema.
bool find_definition(const std::string& name, CommandHost& host, sql::CreateSqlFunction* out) {
  auto& state = host.analyzer().state;
  {
    std::lock_guard lock(state.mu);
    if (auto it = state.sql_functions.find(name); it != state.sql_functions.end()) return out->ParseFromString(it->second);
  }
  auto info = host.analyzer().catalog.get_function(current_catalog(host), current_schema(host), name);
  return info && out->ParseFromString(info->definition);
}

// Whether the body reads tables or views, itself or through the SQL functions it calls.
bool reads_data(const google::protobuf::Message& body, CommandHost& host, int depth = 0) {
  auto refs = references_of(body);
  if (!refs.tables.empty()) return true;
  if (depth > 50) return false;
  for (auto& f : refs.functions) {
    sql::CreateSqlFunction inner;
    if (plan::find_function(f) || !find_definition(f, host, &inner)) continue;
    if (inner.has_contains_sql() ? !inner.contains_sql() : reads_data(inner, host, depth + 1)) return true;
  }
  return false;
}

// The body's own name among the functions it calls, through other SQL functions.
void check_cycle(const sql::CreateSqlFunction& create, const std::string& name, std::vector<std::string> path, CommandHost& host, int depth = 0) {
  if (depth > 50) return;
  auto refs = references_of(create);
  for (auto& f : refs.functions) {
    if (plan::find_function(f)) continue;
    auto here = path;
    here.push_back(f);
    if (f == lower(name)) throw analysis_error("CYCLIC_FUNCTION_REFERENCE", {{"path", join(here, " -> ")}});
    sql::CreateSqlFunction inner;
    if (find_definition(f, host, &inner)) check_cycle(inner, name, here, host, depth + 1);
  }
}

void check_data_access(const sql::CreateSqlFunction& create, const sql::Statement& statement, CommandHost& host) {
  if (!create.has_contains_sql() || !create.contains_sql()) return;
  bool reads = reads_data(create, host);
  for (auto& r : statement.subqueries()) reads = reads || reads_data(r, host);
  if (reads) throw analysis_error("INVALID_SQL_FUNCTION_DATA_ACCESS");
}

std::string with_padding(const std::string& s, size_t width) { return s + std::string(width > s.size() ? width - s.size() : 0, ' '); }

std::vector<std::string> signature_lines(const google::protobuf::RepeatedPtrField<sql::ColumnDef>& list, bool extended) {
  size_t names = 0, types = 0;
  std::vector<std::string> type_texts;
  for (auto& p : list) {
    type_texts.push_back(DataType::from_proto(p.type()).sql());
    names = std::max(names, p.name(0).size());
    types = std::max(types, type_texts.back().size());
  }
  std::vector<std::string> out;
  for (int i = 0; i < list.size(); ++i) {
    std::string line = with_padding(list[i].name(0), names) + " " + with_padding(type_texts[static_cast<size_t>(i)], types);
    if (extended && list[i].has_default_value()) line += " DEFAULT " + list[i].default_value().text();
    if (extended && list[i].has_comment()) line += " '" + list[i].comment() + "'";
    out.push_back(line);
  }
  return out;
}

CommandResult describe_sql_function(const sql::CreateSqlFunction& f, const std::string& full_name, const catalog::FunctionInfo* info, bool extended,
                                    CommandHost& host) {
  std::vector<std::pair<std::string, std::string>> lines;
  auto add_lines = [&](const char* title, const std::vector<std::string>& texts) {
    for (size_t i = 0; i < texts.size(); ++i) lines.emplace_back(i == 0 ? title : "", texts[i]);
  };
  lines.emplace_back("Function:", full_name);
  lines.emplace_back("Type:", f.returns_table() ? "TABLE" : "SCALAR");
  if (f.parameters().empty()) lines.emplace_back("Input:", "()");
  else add_lines("Input:", signature_lines(f.parameters(), extended));
  if (f.returns_table()) add_lines("Returns:", signature_lines(f.table_columns(), extended));
  else lines.emplace_back("Returns:", DataType::from_proto(f.return_type()).sql());
  if (extended) {
    if (f.has_comment()) lines.emplace_back("Comment:", f.comment());
    if (f.has_collation()) lines.emplace_back("Collation:", f.collation());
    if (f.has_deterministic()) lines.emplace_back("Deterministic:", f.deterministic() ? "true" : "false");
    if (f.has_contains_sql()) lines.emplace_back("Data Access:", f.contains_sql() ? "CONTAINS SQL" : "READS SQL DATA");
    if (info) {
      std::vector<std::string> configs;
      for (auto& [k, v] : info->configs)
        if (k != plan::kStoredPath) configs.push_back(k + "=" + v);
      add_lines("Configs:", configs);
      if (!info->owner.empty()) lines.emplace_back("Owner:", info->owner);
      lines.emplace_back("Create Time:", java_date(info->created_ms, host));
    }
    lines.emplace_back("Body:", f.has_query() ? f.query().text() : f.expression().text());
  }
  size_t width = 0;
  for (auto& [k, v] : lines) width = std::max(width, k.size());
  auto result = answer({{"function_desc"}});
  for (auto& [k, v] : lines) result.rows.push_back({text(with_padding(k, width) + " " + v)});
  return result;
}

}  // namespace

CommandResult create_function(const sql::Statement& statement, CommandHost&) {
  // A JVM class: there is no JVM.
  throw not_built("CREATE FUNCTION ... AS 'class' (functions of the JVM)");
}

CommandResult create_sql_function(const sql::Statement& statement, CommandHost& host) {
  sql::CreateSqlFunction create = statement.create_sql_function();
  auto parts = name_parts(create.name(), host);
  create.mutable_name()->clear_expression();
  create.mutable_name()->clear_suffix();
  create.mutable_name()->mutable_parts()->Assign(parts.begin(), parts.end());
  std::string name = parts.back();
  if (create.has_language() && lower(create.language()) != "sql") throw not_built("CREATE FUNCTION ... LANGUAGE " + create.language());
  check_signature(create, name, host);
  if (create.temporary()) {
    if (parts.size() > 1 && !(lower(parts[parts.size() - 2]) == "session")) {
      throw SparkError(ErrorKind::kParse, "INVALID_SQL_SYNTAX.CREATE_TEMP_FUNC_WITH_DATABASE", {{"database", quote_identifier(parts[0])}});
    }
    auto& state = host.analyzer().state;
    {
      std::lock_guard lock(state.mu);
      if (!create.or_replace() && (state.sql_functions.count(lower(name)) || state.user_functions.count(lower(name)))) {
        throw analysis_error("ROUTINE_ALREADY_EXISTS", {{"routineName", quote_identifier(name)}, {"newRoutineType", "routine"}, {"existingRoutineType", "routine"}});
      }
    }
    if (create.or_replace()) check_cycle(create, name, {quote_if_needed(std::vector<std::string>{name})}, host);
    check_body(create, name, host);
    check_data_access(create, statement, host);
    std::lock_guard lock(state.mu);
    state.sql_functions[lower(name)] = create.SerializeAsString();
    return {};
  }
  auto full = qualify(parts, host);
  auto& catalog = host.analyzer().catalog;
  if (catalog.get_function(full.catalog, full.schema, full.name)) {
    // That the name is taken is found last, by the catalog: the body is checked first, as in Spark.
    if (create.or_replace()) check_cycle(create, name, {quote_if_needed(full.parts())}, host);
  } else {
    auto refs = references_of(create);
    if (refs.functions.count(lower(name)) && !plan::find_function(name)) {
      // The body calls a function that does not exist yet: itself.
      throw SparkError(ErrorKind::kAnalysis, "UNRESOLVED_ROUTINE",
                       {{"routineName", quote_identifier(name)},
                        {"searchPath", "[`system`.`builtin`, `system`.`session`, " + quote_identifier(std::vector<std::string>{full.catalog, full.schema}) + "]"}});
    }
  }
  check_body(create, name, host);
  check_data_access(create, statement, host);
  sc::Relation wrapped;
  if (create.has_query()) wrapped = create.query().query();
  else wrapped = expression_query(create.expression().expression(), statement.subqueries());
  check_no_temporary_objects(wrapped, "FUNCTION", full.parts(), host);
  catalog::FunctionInfo info;
  info.catalog = full.catalog;
  info.schema = full.schema;
  info.name = full.name;
  info.definition = create.SerializeAsString();
  info.configs = captured_configs(host);
  if (auto path = captured_path(host)) info.configs[plan::kStoredPath] = *path;
  info.current_catalog = current_catalog(host);
  info.current_namespace = current_namespace(host);
  info.owner = now_owner(host);
  catalog.create_function(std::move(info), create.or_replace() ? catalog::Catalog::OnExisting::kReplace
                                                               : create.if_not_exists() ? catalog::Catalog::OnExisting::kIgnore
                                                                                        : catalog::Catalog::OnExisting::kFail);
  return {};
}

CommandResult drop_function(const sql::Statement& statement, CommandHost& host) {
  auto& drop = statement.drop_function();
  auto parts = name_parts(drop.name(), host);
  std::string key = lower(parts.back());
  auto& state = host.analyzer().state;
  if (drop.temporary()) {
    if (parts.size() > 1) {
      bool session = lower(parts[parts.size() - 2]) == "session" && (parts.size() == 2 || lower(parts[0]) == "system");
      if (!session) {
        throw analysis_error("INVALID_TEMP_OBJ_QUALIFIER",
                             {{"objectType", "FUNCTION"}, {"objectName", quote_identifier(parts.back())},
                              {"qualifier", quote_identifier(std::vector<std::string>(parts.begin(), parts.end() - 1))}});
      }
    }
    std::lock_guard lock(state.mu);
    bool gone = state.sql_functions.erase(key) + state.user_functions.erase(key) > 0;
    if (!gone && !drop.if_exists()) {
      if (parts.size() == 1 && plan::find_function(key)) {
        throw analysis_error("FORBIDDEN_OPERATION", {{"statement", "DROP"}, {"objectType", "FUNCTION"}, {"objectName", quote_identifier(key)}});
      }
      throw routine_not_found(parts);
    }
    return {};
  }
  if (parts.size() == 1 && plan::find_function(key)) {
    auto full = qualify(parts, host);
    if (!host.analyzer().catalog.get_function(full.catalog, full.schema, full.name)) {
      throw analysis_error("FORBIDDEN_OPERATION", {{"statement", "DROP"}, {"objectType", "FUNCTION"}, {"objectName", quote_identifier(key)}});
    }
  }
  auto full = qualify(parts, host);
  host.analyzer().catalog.drop_function(full.catalog, full.schema, full.name, drop.if_exists());
  return {};
}

CommandResult show_functions(const sql::Statement& statement, CommandHost& host) {
  auto& show = statement.show_functions();
  std::string pattern = show.has_pattern() ? show.pattern() : show.function().empty() ? "*" : show.function(show.function_size() - 1);
  std::vector<std::string> where;
  if (show.has_namespace_()) where = name_parts(show.namespace_(), host);
  else if (show.function_size() > 1) where.assign(show.function().begin(), show.function().end() - 1);
  auto [catalog_name, schema] = qualify_schema(where, host);
  std::set<std::string> names;
  if (show.scope() != sql::ShowFunctions::USER) {
    for (auto name : plan::function_names()) {
      auto* f = plan::find_function(name);
      if (f && (f->flags & plan::kHidden)) continue;
      if (catalog::matches_pattern(name, pattern)) names.emplace(name);
    }
    for (auto* name : kOperators) {
      if (catalog::matches_pattern(name, pattern)) names.emplace(name);
    }
  }
  if (show.scope() != sql::ShowFunctions::SYSTEM) {
    {
      auto& state = host.analyzer().state;
      std::lock_guard lock(state.mu);
      for (auto& [name, unused] : state.sql_functions) {
        if (catalog::matches_pattern(name, pattern)) names.insert(name);
      }
      for (auto& [name, unused] : state.user_functions) {
        if (catalog::matches_pattern(name, pattern)) names.insert(name);
      }
    }
    for (auto& f : host.analyzer().catalog.list_functions(catalog_name, schema)) {
      if (catalog::matches_pattern(f.name, pattern)) names.insert(quote_if_needed(std::vector<std::string>{f.catalog, f.schema, f.name}));
    }
  }
  auto result = answer({{"function"}});
  for (auto& name : names) result.rows.push_back({text(name)});
  return result;
}

CommandResult describe_function(const sql::Statement& statement, CommandHost& host) {
  auto& describe = statement.describe_function();
  auto parts = name_parts(describe.name(), host);
  std::string key = lower(parts.back());
  auto result = answer({{"function_desc"}});
  if (parts.size() == 1) {
    std::string stored;
    {
      auto& state = host.analyzer().state;
      std::lock_guard lock(state.mu);
      auto it = state.sql_functions.find(key);
      if (it != state.sql_functions.end()) stored = it->second;
    }
    if (!stored.empty()) {
      sql::CreateSqlFunction f;
      f.ParseFromString(stored);
      return describe_sql_function(f, key, nullptr, describe.extended(), host);
    }
    static constexpr std::pair<const char*, const char*> kWords[] = {
        {"<>", "expr1 <> expr2 - Returns true if `expr1` is not equal to `expr2`."},
        {"!=", "expr1 != expr2 - Returns true if `expr1` is not equal to `expr2`."},
        {"between", "input [NOT] between lower AND upper - evaluate if `input` is [not] in between `lower` and `upper`"},
        {"case", "CASE expr1 WHEN expr2 THEN expr3 [WHEN expr4 THEN expr5]* [ELSE expr6] END - When `expr1` = `expr2`, returns `expr3`; when `expr1` = `expr4`, return `expr5`; else return `expr6`."},
        {"||", "expr1 || expr2 - Returns the concatenation of `expr1` and `expr2`."}};
    for (auto& [word, usage] : kWords) {
      if (key != word) continue;
      result.rows.push_back({text("Function: " + key)});
      result.rows.push_back({text(std::string("Usage: ") + usage)});
      return result;
    }
    if (auto* f = plan::find_function(key)) {
      result.rows.push_back({text("Function: " + key)});
      result.rows.push_back({text("Usage: " + key + std::string(f->signature.substr(0, f->signature.find(" | "))))});
      if (describe.extended()) result.rows.push_back({text("Extended Usage:\n    Group: " + std::string(f->group) + "\n")});
      return result;
    }
  }
  auto full = qualify(parts, host);
  auto info = host.analyzer().catalog.get_function(full.catalog, full.schema, full.name);
  if (!info) {
    throw SparkError(ErrorKind::kAnalysis, "UNRESOLVED_ROUTINE",
                     {{"routineName", quote_identifier(parts)},
                      {"searchPath", "[`system`.`builtin`, `system`.`session`, " + quote_identifier(std::vector<std::string>{full.catalog, full.schema}) + "]"}});
  }
  sql::CreateSqlFunction f;
  f.ParseFromString(info->definition);
  return describe_sql_function(f, quote_if_needed(std::vector<std::string>{info->catalog, info->schema, info->name}), &*info, describe.extended(), host);
}

CommandResult refresh_function(const sql::Statement& statement, CommandHost& host) {
  auto parts = name_parts(statement.refresh_function().name(), host);
  if (parts.size() == 1 && plan::find_function(lower(parts[0]))) {
    throw analysis_error("FORBIDDEN_OPERATION", {{"statement", "REFRESH"}, {"objectType", "FUNCTION"}, {"objectName", quote_identifier(parts[0])}});
  }
  auto full = qualify(parts, host);
  if (!host.analyzer().catalog.get_function(full.catalog, full.schema, full.name)) throw routine_not_found(full.parts());
  return {};
}

CommandResult show_procedures(const sql::Statement&, CommandHost&) {
  return answer({{"catalog"}, {"namespace", DataType::array(plan::TypeId::kString)}, {"schema"}, {"procedure_name"}});
}

CommandResult show_collations(const sql::Statement& statement, CommandHost&) {
  auto& show = statement.show_collations();
  auto result = answer({{"NAME"}, {"LANGUAGE", plan::TypeId::kString, true}, {"COUNTRY", plan::TypeId::kString, true}, {"ACCENT_SENSITIVITY"},
                        {"CASE_SENSITIVITY"}, {"PAD_ATTRIBUTE"}, {"ICU_VERSION", plan::TypeId::kString, true}});
  auto or_null = [](std::string_view s) { return s.empty() ? plan::Value{} : text(std::string(s)); };
  for (auto& c : plan::all_collations()) {
    if (show.has_pattern() && !catalog::matches_pattern(c.name, show.pattern())) continue;
    result.rows.push_back({text(c.name), or_null(c.language), or_null(c.country), text(c.accent_sensitive ? "ACCENT_SENSITIVE" : "ACCENT_INSENSITIVE"),
                           text(c.case_sensitive ? "CASE_SENSITIVE" : "CASE_INSENSITIVE"), text(c.trims ? "RTRIM" : "NO_PAD"),
                           c.icu ? text(U_ICU_VERSION) : plan::Value{}});
  }
  return result;
}

}  // namespace tarn::engine::commands
