#pragma once
// SQL text -> spark.connect messages: the room's door. Pure functions of text and options: no catalog, no session, no clock.
//
// The grammar is Spark 4.2's (SqlBaseParser.g4), with Delta's statements. What Connect has a message for comes as that message;
// the rest comes as tarn.sql.Rel / Expr / Statement (src/proto/sql.proto) in the `extension` fields. README.md lists the mapping.
//
// Positions. Every expression has ExpressionCommon.origin and every relation that can fail RelationCommon.origin, as a
// spark.connect.JvmOrigin with start_index, stop_index (0-based, inclusive), line (1-based) and start_position (0-based column).
// Offsets count characters (Unicode code points) of the text that was given, as Spark's do. sql_text is set only at the
// outermost node of a result (root relation, expression, Statement.origin): a reader keeps the nearest sql_text seen on its way down.
//
// Subqueries. SubqueryExpression.plan_id names a relation with that RelationCommon.plan_id in the nearest enclosing
// WithRelations.references; of a statement's own expressions, in Statement.subqueries; of parse_expression, in its result.
// Plan ids are unique within one call and negative, so that they never meet those of a DataFrame client.
//
// Errors: SparkError (ErrorKind::kParse) with Spark's condition, parameters and query context.
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/spark_error.h"

namespace spark::connect {
class DataType;
class Expression;
class Origin;
class Plan;
class Relation;
}  // namespace spark::connect

namespace tarn::sql {

// The session settings that change how text is read. The defaults are Spark's.
struct ParseOptions {
  bool ansi = true;                         // spark.sql.ansi.enabled
  bool enforce_reserved_keywords = false;   // spark.sql.ansi.enforceReservedKeywords (only with ansi)
  bool double_quoted_identifiers = false;   // spark.sql.ansi.doubleQuotedIdentifiers (only with ansi)
  bool ansi_relation_precedence = false;    // spark.sql.ansi.relationPrecedence: JOIN binds tighter than the comma
  bool operator_pipe = true;                // spark.sql.operatorPipeSyntaxEnabled
  bool scripting = true;                    // spark.sql.scripting.enabled: BEGIN ... END
  bool script_continue_handler = false;     // spark.sql.scripting.continueHandlerEnabled
  bool script_cursors = false;              // spark.sql.scripting.cursorEnabled
  bool timestamp_ntz = false;               // spark.sql.timestampType = TIMESTAMP_NTZ: what TIMESTAMP means
  bool legacy_interval = false;             // spark.sql.legacy.interval.enabled: INTERVAL literals are calendar intervals
  bool legacy_setops_precedence = false;    // spark.sql.legacy.setopsPrecedence.enabled
  bool legacy_exponent_as_decimal = false;  // spark.sql.legacy.exponentLiteralAsDecimal.enabled
  bool legacy_escaped_literals = false;     // spark.sql.parser.escapedStringLiterals
  bool legacy_char_as_string = false;       // spark.sql.legacy.charVarcharAsString
  bool single_character_pipe = true;        // spark.sql.parser.singleCharacterPipeOperator.enabled: | as well as |>
  bool legacy_identifier_clause = false;    // spark.sql.legacy.identifierClause: IDENTIFIER('x') only where a whole name can stand
  bool legacy_bang_not = false;             // spark.sql.legacy.bangEqualsNot: ! means NOT in predicates
  bool view_schema_binding = true;          // spark.sql.legacy.viewSchemaBindingMode: WITH SCHEMA in views
  bool quoted_regex_column_names = false;   // spark.sql.parser.quotedRegexColumnNames

  // Values of parameter markers. A marker with a value is replaced by a copy of the expression (also where the grammar wants a
  // string or integer literal); a marker without one stays in the tree as Expr.parameter_marker, or is
  // UNBOUND_SQL_PARAMETER where only a literal can stand. Borrowed: must outlive the call.
  const std::map<std::string, spark::connect::Expression>* named_arguments = nullptr;
  const std::vector<spark::connect::Expression>* positional_arguments = nullptr;

  // Deepest nesting of expressions, parentheses and queries; more is FAILED_TO_PARSE_TOO_COMPLEX.
  int max_depth = 1000;
};

// One statement, with or without a final semicolon: a query (Plan.root) or a command (Plan.command). With options.scripting
// also BEGIN ... END, which becomes Statement.compound.
spark::connect::Plan parse_statement(std::string_view sql, const ParseOptions& options = {});

// A query only (a view's text, a DESCRIBE QUERY argument); a command is PARSE_SYNTAX_ERROR.
spark::connect::Relation parse_query(std::string_view sql, const ParseOptions& options = {});

// What expr(), selectExpr() and filter("...") take: one expression with an optional alias. `subqueries` receives the relations that
// SubqueryExpressions in it refer to; if it is null, a subquery is UNSUPPORTED_FEATURE.
spark::connect::Expression parse_expression(std::string_view sql, const ParseOptions& options = {},
                                            std::vector<spark::connect::Relation>* subqueries = nullptr);

// "decimal(10,2)", "struct<a:int,b:array<string>>".
spark::connect::DataType parse_data_type(std::string_view sql, const ParseOptions& options = {});
// "a INT, b STRING NOT NULL COMMENT 'x'" -> a struct. A field's comment is in its metadata JSON.
spark::connect::DataType parse_table_schema(std::string_view sql, const ParseOptions& options = {});
// Either of the two, as StructType.fromDDL / DDLParse take it: a table schema, else a data type; a type that is no struct is
// wrapped as struct<value: type> only if `wrap`.
spark::connect::DataType parse_ddl(std::string_view sql, const ParseOptions& options = {});

// "a.b.`c d`" -> its parts.
std::vector<std::string> parse_multipart_identifier(std::string_view text, const ParseOptions& options = {});
// At most database.table (TableIdentifier).
std::vector<std::string> parse_table_identifier(std::string_view text, const ParseOptions& options = {});
// Column names as DataFrame APIs take them (UnresolvedAttribute.parseAttributeName): dots separate, backticks quote, nothing else is
// special. INVALID_ATTRIBUTE_NAME_SYNTAX if malformed.
std::vector<std::string> parse_attribute_name(std::string_view name);
// The inverse: parts quoted where they need it, joined by dots. parse_attribute_name(unparse(p)) == p.
std::string unparse_identifier(const std::vector<std::string>& parts);

// ${name}, ${spark:name}, ${sparkconf:name}, ${hivevar:name} and ${hiveconf:name} replaced by the setting's value, recursively, as Spark does
// before it parses (spark.sql.variable.substitute). Unset names become empty; other prefixes (env, system) stay as they are.
std::string substitute_variables(std::string_view sql, const std::function<std::optional<std::string>(const std::string&)>& setting);

// The value of an interval string as CAST('...' AS INTERVAL) and withWatermark read it: "1 day 2 hours", "interval -1 month".
struct CalendarInterval {
  int32_t months = 0;
  int32_t days = 0;
  int64_t microseconds = 0;
};
// Throws INVALID_INTERVAL_FORMAT.* (kIllegalArgument).
CalendarInterval parse_calendar_interval(std::string_view text);

// A script file cut into statements at semicolons, not inside strings, comments or BEGIN ... END. Empty pieces are dropped.
struct StatementText {
  std::string_view text;  // without the semicolon; trimmed
  size_t offset = 0;      // of its first byte
  bool terminated = true; // a semicolon followed (the shell waits for it)
};
std::vector<StatementText> split_statements(std::string_view script);

// The context that an error of this node carries. `sql` is the text that was parsed (a view's text with object "VIEW", its name).
// Nothing if the node has no SQL position.
std::optional<QueryContext> query_context(const spark::connect::Origin& origin, std::string_view sql, std::string_view object_type = {},
                                          std::string_view object_name = {});

// Which words the language knows, in upper case, and whether each is reserved with enforce_reserved_keywords: sql_keywords(), docs.
struct Keyword {
  const char* word;
  bool reserved;
};
const std::vector<Keyword>& keywords();

}  // namespace tarn::sql
