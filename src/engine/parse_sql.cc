#include "engine/parse_sql.h"

#include <spark/connect/base.pb.h>
#include <spark/connect/relations.pb.h>

#include "engine/operation.h"

// Old clients fill fields that newer ones do not.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace tarn::engine {

sql::ParseOptions parse_options(const plan::SessionConf& conf) {
  sql::ParseOptions o;
  o.ansi = conf.ansi();
  o.enforce_reserved_keywords = conf.flag("spark.sql.ansi.enforceReservedKeywords");
  o.double_quoted_identifiers = conf.flag("spark.sql.ansi.doubleQuotedIdentifiers");
  o.ansi_relation_precedence = conf.flag("spark.sql.ansi.relationPrecedence");
  o.operator_pipe = conf.flag("spark.sql.operatorPipeSyntaxEnabled");
  o.scripting = conf.flag("spark.sql.scripting.enabled");
  o.timestamp_ntz = conf.text("spark.sql.timestampType") == "TIMESTAMP_NTZ";
  o.legacy_interval = conf.flag("spark.sql.legacy.interval.enabled");
  o.legacy_setops_precedence = conf.flag("spark.sql.legacy.setopsPrecedence.enabled");
  o.legacy_exponent_as_decimal = conf.flag("spark.sql.legacy.exponentLiteralAsDecimal.enabled");
  o.legacy_escaped_literals = conf.flag("spark.sql.parser.escapedStringLiterals");
  o.legacy_char_as_string = conf.flag("spark.sql.legacy.charVarcharAsString");
  o.quoted_regex_column_names = conf.flag("spark.sql.parser.quotedRegexColumnNames");
  return o;
}

spark::connect::Plan parse_sql(const spark::connect::SQL& text, Operation& operation) {
  sql::ParseOptions options = parse_options(operation.conf());
  std::map<std::string, spark::connect::Expression> named;
  std::vector<spark::connect::Expression> positional;
  for (const auto& [name, value] : text.args()) *named[name].mutable_literal() = value;
  for (const auto& [name, value] : text.named_arguments()) named[name] = value;
  for (const auto& value : text.pos_args()) *positional.emplace_back().mutable_literal() = value;
  for (const auto& value : text.pos_arguments()) positional.push_back(value);
  if (!named.empty()) options.named_arguments = &named;
  if (!positional.empty()) options.positional_arguments = &positional;
  return sql::parse_statement(text.query(), options);
}

}  // namespace tarn::engine
