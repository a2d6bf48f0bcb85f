#pragma once
// What nobody reads is not computed. DuckDB drops unread columns itself, but for what it must not think away: numbers of rows (the default
// indexes of the pandas API), random numbers, functions in Python. Spark's ColumnPruning drops these too.
#include "plan/logical_plan.h"

namespace tarn::engine::lowering {

// The plan without those columns of its projections that nothing above needs; same output. Where IS NULL is asked of what is never null
// (pandas' boolean filters do), the answer is written instead.
plan::PlanPtr without_unread_columns(const plan::PlanPtr& plan);

}  // namespace tarn::engine::lowering
