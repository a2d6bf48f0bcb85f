#pragma once
// Spark's casts as DuckDB SQL: which DuckDB cast or kernel computes a cast of one type to another in a mode.
#include <string>

#include "plan/expression.h"

namespace tarn::engine::kernels {

// SQL that casts arg_sql (an atom of SQL text of type from) to type to. tz: the session's zone as a SQL literal. The pair is one that
// plan::can_cast allows. Throws SparkError for a cast that is not built.
std::string cast_sql(const plan::DataType& from, const plan::DataType& to, plan::EvalMode mode, const std::string& arg_sql, const std::string& tz);

}  // namespace tarn::engine::kernels
