#pragma once
// The order in which windows and groups give their rows, where little data makes it cheap.
#include "plan/logical_plan.h"

namespace tarn::plan {
class SessionConf;
}

namespace tarn::engine::lowering {

// Spark sorts by the keys of a window before it computes it, and programs come to rely on it: rows of windows by partition and order,
// rows of groups by key, those of joins as the left side has them, those of the first branch of UNION ALL before those of the second. DuckDB promises none of that. Here sorts are
// put above windows, groups, joins and branches whose order reaches the result, if the rows they are made of are known to be few; the plan is
// the same otherwise.
plan::PlanPtr with_row_order(const plan::PlanPtr& plan, const plan::SessionConf& conf);

}  // namespace tarn::engine::lowering
