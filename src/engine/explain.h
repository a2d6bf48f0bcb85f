#pragma once
// The text of EXPLAIN. Spark's section titles; the physical plan is the DuckDB SQL that runs and DuckDB's own plan of it.
#include <functional>
#include <string>

#include "plan/logical_plan.h"

namespace tarn::engine {

// mode: simple, extended, codegen, cost, formatted (any case). sql: the lowered text, duckdb_plan DuckDB's EXPLAIN of it.
std::string explain_text(const plan::PlanPtr& plan, const std::string& mode, const std::string& sql,
                         const std::function<std::string(const std::string&)>& duckdb_plan);

}  // namespace tarn::engine
