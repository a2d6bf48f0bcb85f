#include "engine/parse_sql.h"

#include <spark/connect/base.pb.h>
#include <spark/connect/relations.pb.h>

#include "engine/operation.h"
#include "plan/parse_options.h"

// Old clients fill fields that newer ones do not.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace tarn::engine {

sql::ParseOptions parse_options(const plan::SessionConf& conf) { return plan::parser_settings(conf); }

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
  return sql::parse_statement(plan::substitute_variables(text.query(), operation.conf()), options);
}

}  // namespace tarn::engine
