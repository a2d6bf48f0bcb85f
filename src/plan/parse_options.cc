#include "plan/parse_options.h"

#include "plan/session_conf.h"

namespace tarn::plan {

sql::ParseOptions parser_settings(const SessionConf& conf) {
  sql::ParseOptions o;
  o.ansi = conf.ansi();
  o.enforce_reserved_keywords = conf.flag("spark.sql.ansi.enforceReservedKeywords");
  o.double_quoted_identifiers = conf.flag("spark.sql.ansi.doubleQuotedIdentifiers");
  o.ansi_relation_precedence = conf.flag("spark.sql.ansi.relationPrecedence");
  o.operator_pipe = conf.flag("spark.sql.operatorPipeSyntaxEnabled");
  o.single_character_pipe = conf.flag("spark.sql.parser.singleCharacterPipeOperator.enabled");
  o.scripting = conf.flag("spark.sql.scripting.enabled");
  o.script_continue_handler = conf.flag("spark.sql.scripting.continueHandlerEnabled");
  o.script_cursors = conf.flag("spark.sql.scripting.cursorEnabled");
  o.timestamp_ntz = conf.text("spark.sql.timestampType") == "TIMESTAMP_NTZ";
  o.legacy_interval = conf.flag("spark.sql.legacy.interval.enabled");
  o.legacy_setops_precedence = conf.flag("spark.sql.legacy.setopsPrecedence.enabled");
  o.legacy_exponent_as_decimal = conf.flag("spark.sql.legacy.exponentLiteralAsDecimal.enabled");
  o.legacy_escaped_literals = conf.flag("spark.sql.parser.escapedStringLiterals");
  o.legacy_char_as_string = conf.flag("spark.sql.legacy.charVarcharAsString");
  o.legacy_identifier_clause = conf.flag("spark.sql.legacy.identifierClause");
  o.legacy_bang_not = conf.flag("spark.sql.legacy.bangEqualsNot");
  o.view_schema_binding = conf.flag("spark.sql.legacy.viewSchemaBindingMode");
  o.quoted_regex_column_names = conf.flag("spark.sql.parser.quotedRegexColumnNames");
  return o;
}

std::string substitute_variables(std::string_view sql, const SessionConf& conf) {
  if (sql.find("${") == std::string_view::npos || !conf.flag("spark.sql.variable.substitute")) return std::string(sql);
  return sql::substitute_variables(sql, [&](const std::string& key) { return conf.find(key); });
}

}  // namespace tarn::plan
