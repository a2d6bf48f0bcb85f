#pragma once
// What a plan computes, as text that does not depend on attribute ids: equal texts, equal results.
#include <string>

#include "plan/logical_plan.h"

namespace tarn::engine {

// loose: a table of the catalog counts by its name, whatever its data is now (the key of cached data).
std::string plan_fingerprint(const plan::LogicalPlan& plan, bool loose = false);

}  // namespace tarn::engine
