#pragma once
#include "plan/logical_plan.h"

namespace tarn::plan {

// What spark.sql.crossJoin.enabled = false forbids: a join without a condition over both of its sides that nobody called CROSS JOIN.
// Throws _LEGACY_ERROR_TEMP_1211. Source: CheckCartesianProducts.
void check_cross_joins(const PlanPtr& plan);

}  // namespace tarn::plan
