#pragma once
// Inside the room: text and messages as statements use them.
#include <string>
#include <vector>

#include "engine/commands/commands.h"
#include "plan/analyzer.h"
#include "sql/parser.h"

namespace spark::connect {
class Expression;
class Plan;
class Relation;
}  // namespace spark::connect
namespace google::protobuf {
template <class T> class RepeatedPtrField;
}

namespace tarn::engine::commands {

// What the session's settings say about reading SQL.
sql::ParseOptions parse_options(const plan::SessionConf& conf);

// SELECT e1, e2, …: a plan of one row; references: the relations that subqueries in the expressions refer to.
plan::PlanPtr plan_of_expressions(const std::vector<const spark::connect::Expression*>& expressions,
                                  const google::protobuf::RepeatedPtrField<spark::connect::Relation>& references, CommandHost& host);
// The value as an expression message whose type is exactly `type`.
spark::connect::Expression literal_expression(const plan::Value& value, const plan::DataType& type);
// A parsed statement: a query becomes CommandResult.query, a command is executed.
CommandResult execute_parsed(const spark::connect::Plan& plan, CommandHost& host);
// Whether the expression is the word DEFAULT.
bool is_default_word(const spark::connect::Expression& expression);
// Rows of a result, whichever form it has; *schema gets its type.
std::vector<Row> rows_of(const CommandResult& result, CommandHost& host, plan::DataType* schema);

}  // namespace tarn::engine::commands
