#include "server/sql_functions.h"

#include "base/spark_error.h"
#include "http/rest_error.h"
#include "plan/types.h"
#include "spark/connect/base.pb.h"
#include "sql/extension.h"
#include "sql/parser.h"
#include "tarn/sql.pb.h"

namespace tarn::server {
namespace {

unity::FunctionShape::Parameter parameter(const sql::ColumnDef& c) {
  auto type = plan::DataType::from_proto(c.type());
  unity::FunctionShape::Parameter p{c.name(0), type.json(), type.catalog_string(), !c.not_null(), std::nullopt, std::nullopt};
  if (c.has_comment()) p.comment = c.comment();
  if (c.has_default_value()) p.default_value = c.default_value().text();
  return p;
}

}  // namespace

std::string SqlFunctions::compile(const std::string& text, const std::vector<std::string>& name) const {
  sql::Statement statement;
  try {
    auto plan = sql::parse_statement(text);
    if (!plan.has_command() || !sql::unpack(plan.command(), &statement) || !statement.has_create_sql_function()) throw http::invalid_parameter("The function is not well formed.");
  } catch (const SparkError& e) {
    throw http::invalid_parameter("The function is not well formed: " + std::string(e.what()).substr(0, 500));
  }
  sql::CreateSqlFunction f = statement.create_sql_function();
  f.mutable_name()->clear_expression();
  f.mutable_name()->clear_suffix();
  f.mutable_name()->clear_parts();
  for (const auto& part : name) f.mutable_name()->add_parts(part);
  return f.SerializeAsString();
}

unity::FunctionShape SqlFunctions::describe(const std::string& definition) const {
  sql::CreateSqlFunction f;
  if (!f.ParseFromString(definition)) throw std::runtime_error("a stored function cannot be read");
  unity::FunctionShape out;
  for (const auto& p : f.parameters()) out.input.push_back(parameter(p));
  for (const auto& p : f.table_columns()) out.returned.push_back(parameter(p));
  out.table = f.returns_table();
  if (!out.table) {
    auto type = plan::DataType::from_proto(f.return_type());
    out.return_type_json = type.json();
    out.return_type_text = type.sql();
  }
  out.body = f.has_query() ? f.query().text() : f.expression().text();
  out.deterministic = f.deterministic();
  out.reads_data = f.has_contains_sql() && !f.contains_sql();
  if (f.has_comment()) out.comment = f.comment();
  return out;
}

}  // namespace tarn::server
