#pragma once
// Python functions out of expressions into plan nodes that evaluate them, as Spark's ExtractPythonUDFs and its siblings do.
#include "plan/logical_plan.h"

namespace tarn::plan {
class SessionConf;
}

namespace tarn::engine::python_functions {

// The plan without UserFunction nodes outside PythonEval and PythonMap; the same plan if there are none. Filters that need no
// function's result go below the functions. Throws SparkError for places where Spark allows none.
plan::PlanPtr extract(const plan::PlanPtr& plan, const plan::SessionConf& conf);

// Whether an expression takes a column of the query around it.
bool refers_outside(const plan::Expression& e);

}  // namespace tarn::engine::python_functions
