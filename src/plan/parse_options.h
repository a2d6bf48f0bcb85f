#pragma once
// How a session's settings steer the parser: the one mapping that analyzer, engine and commands share.
#include <string>
#include <string_view>

#include "sql/parser.h"

namespace tarn::plan {

class SessionConf;

sql::ParseOptions parser_settings(const SessionConf& conf);

// The text with ${variables} replaced, if spark.sql.variable.substitute is on: Spark's step before parsing.
std::string substitute_variables(std::string_view sql, const SessionConf& conf);

}  // namespace tarn::plan
