#pragma once
#include <vector>

#include "plan/logical_plan.h"

namespace tarn::engine {

// The same node over other children (same output).
plan::PlanPtr with_children(const plan::PlanPtr& plan, std::vector<plan::PlanPtr> children);

}  // namespace tarn::engine
