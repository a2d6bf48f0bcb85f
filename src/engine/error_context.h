#pragma once
// Where in the user's text or program a run-time error came from. DuckDB tells what went wrong, not in which call: the plan's calls
// that can raise such an error are found, and if there are several, each is tried by itself. An error stays without a context rather
// than getting a wrong one. Source: QueryContext as Spark's ANSI expressions carry it.
#include <functional>

#include "base/spark_error.h"
#include "plan/logical_plan.h"

namespace tarn::engine {

// The error of a plan that failed while it ran, with its context if one can be told. try_plan runs a small plan, throws its SparkError.
SparkError with_error_context(const SparkError& error, const plan::PlanPtr& plan, const std::function<void(const plan::PlanPtr&)>& try_plan);

}  // namespace tarn::engine
