#pragma once
// Lateral joins with Python table functions.
#include "plan/logical_plan.h"

namespace tarn::plan {
class SessionConf;
}

namespace tarn::engine::python_functions {

// Whether the right side of a lateral join is a call of a table function, or one in it takes columns of the left side.
bool calls_table_function(const plan::LogicalPlan& right);

// The same rows without a lateral join: the function runs once over the rows of the left side, and what stands above the call keeps
// their columns beside its own. Throws SparkError for shapes for which that is not built.
plan::PlanPtr without_lateral(const plan::Join& join, const plan::SessionConf& conf);

}  // namespace tarn::engine::python_functions
