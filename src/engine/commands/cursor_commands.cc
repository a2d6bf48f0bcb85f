// Cursors of scripts: DECLARE c CURSOR FOR, OPEN, FETCH, CLOSE. Source: DeclareCursorExec, OpenCursorExec, FetchCursorExec, CloseCursorExec.
#include "engine/commands/handlers.h"
#include "engine/commands/parsing.h"
#include "engine/commands/script.h"
#include "engine/commands/support.h"
#include "plan/session_conf.h"
#include "spark/connect/base.pb.h"
#include "spark/connect/expressions.pb.h"
#include "spark/connect/relations.pb.h"
#include "sql/parser.h"
#include "tarn/sql.pb.h"

namespace tarn::engine::commands {

using catalog::lower;

namespace {

std::string key_of(const std::string& name, CommandHost& host) { return host.conf().case_sensitive() ? name : lower(name); }

SparkError cursor_error(const char* condition, const std::string& name) { return analysis_error(condition, {{"cursorName", quote_identifier(name)}}); }

LocalVariables& script_of(const std::string& name) {
  auto* locals = current_locals();
  if (!locals || locals->scopes.empty()) throw cursor_error("CURSOR_OUTSIDE_SCRIPT", name);
  return *locals;
}

// c, or label.c: that of the innermost block that has one.
Cursor& find_cursor(const std::vector<std::string>& parts, CommandHost& host) {
  auto& scopes = script_of(parts.back()).scopes;
  for (auto scope = scopes.rbegin(); scope != scopes.rend(); ++scope) {
    if (parts.size() == 2 && lower(scope->label) != lower(parts[0])) continue;
    auto it = scope->cursors.find(key_of(parts.back(), host));
    if (it != scope->cursors.end()) return it->second;
  }
  throw cursor_error("CURSOR_NOT_FOUND", parts.back());
}

// The row as a query of one row.
plan::PlanPtr row_plan(const plan::DataType& schema, const Row& row) {
  auto values = std::make_shared<plan::Values>();
  values->rows.emplace_back();
  for (size_t i = 0; i < row.size(); ++i) {
    const auto& f = schema.fields()[i];
    values->rows[0].push_back(plan::make_literal(f.type(), row[i]));
    plan::Attribute a;
    a.id = plan::next_expr_id();
    a.name = f.name;
    a.type = f.type();
    values->output.push_back(std::move(a));
  }
  return values;
}

}  // namespace

CommandResult declare_cursor(const sql::Statement& statement, CommandHost& host) {
  const auto& declare = statement.declare_cursor();
  auto& cursors = script_of(declare.name()).scopes.back().cursors;
  const std::string key = key_of(declare.name(), host);
  if (cursors.contains(key)) throw cursor_error("CURSOR_ALREADY_EXISTS", declare.name());
  Cursor cursor;
  cursor.name = key;
  cursor.text = declare.query().text();
  cursors.emplace(key, std::move(cursor));
  return {};
}

CommandResult open_cursor(const sql::Statement& statement, CommandHost& host) {
  const auto& open = statement.open_cursor();
  Cursor& cursor = find_cursor(name_parts(open.name(), host), host);
  if (cursor.open) throw cursor_error("CURSOR_ALREADY_OPEN", cursor.name);
  // The query is read now: its names are those of this place, its rows those of this moment.
  QueryArguments arguments(open.arguments(), host);
  auto options = parse_options(host.conf());
  arguments.bind(cursor.text, options);
  auto parsed = sql::parse_statement(cursor.text, options);
  auto plan = plan::analyze(parsed.root(), host.analyzer());
  cursor.schema = plan::schema_of(*plan);
  cursor.rows = host.collect(plan);
  cursor.at = 0;
  cursor.open = true;
  return {};
}

CommandResult fetch_cursor(const sql::Statement& statement, CommandHost& host) {
  const auto& fetch = statement.fetch_cursor();
  Cursor& cursor = find_cursor(name_parts(fetch.name(), host), host);
  if (!cursor.open) throw cursor_error("CURSOR_NOT_OPEN", cursor.name);
  if (cursor.at >= cursor.rows.size()) throw cursor_error("CURSOR_NO_MORE_ROWS", cursor.name);
  const Row& row = cursor.rows[cursor.at++];
  std::vector<VariableTarget> targets;
  for (const auto& name : fetch.into()) targets.push_back(find_variable(name_parts(name, host), host));
  // Several columns into one variable that is a struct: they are its fields.
  if (targets.size() == 1 && row.size() > 1 && targets[0].variable.type.id() == plan::TypeId::kStruct) {
    const size_t fields = targets[0].variable.type.fields().size();
    if (fields != row.size())
      throw analysis_error("ASSIGNMENT_ARITY_MISMATCH", {{"numTarget", std::to_string(fields)}, {"numExpr", std::to_string(row.size())}});
    plan::DataType one = plan::DataType::structure({plan::make_field("row", cursor.schema)});
    assign_from(targets, row_plan(one, {plan::Value{plan::ListValue{row}}}), host);
    return {};
  }
  assign_from(targets, row_plan(cursor.schema, row), host);
  return {};
}

CommandResult close_cursor(const sql::Statement& statement, CommandHost& host) {
  Cursor& cursor = find_cursor(name_parts(statement.close_cursor().name(), host), host);
  if (!cursor.open) throw cursor_error("CURSOR_NOT_OPEN", cursor.name);
  cursor.open = false;
  cursor.rows = {};
  return {};
}

}  // namespace tarn::engine::commands
