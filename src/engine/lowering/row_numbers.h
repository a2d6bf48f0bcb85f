#pragma once
// Functions that number rows: monotonically_increasing_id() and those of the pandas API on Spark.
#include "plan/logical_plan.h"

namespace tarn::engine::lowering {

// Whether some call in the expression is the number of its row, as rows come from below.
bool has_row_number(const plan::Expression& e);

// Such a number is a window function of DuckDB, which stands in a SELECT list and not inside of other windows: for any node but a
// projection it becomes a column of a projection below, as Spark's AttachDistributedSequence.
plan::PlanPtr with_row_numbers_below(const plan::PlanPtr& plan);

}  // namespace tarn::engine::lowering
