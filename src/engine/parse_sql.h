#pragma once
// SQL text of a client with its arguments, read under the session's settings.
#include "sql/parser.h"

namespace spark::connect {
class SQL;
class Plan;
}  // namespace spark::connect
namespace tarn::plan {
class SessionConf;
}

namespace tarn::engine {

class Operation;

sql::ParseOptions parse_options(const plan::SessionConf& conf);
// The statement with its parameter markers filled in. Throws SparkError.
spark::connect::Plan parse_sql(const spark::connect::SQL& sql, Operation& operation);

}  // namespace tarn::engine
