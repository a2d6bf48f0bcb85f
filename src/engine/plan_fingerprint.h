#pragma once
// What a plan computes, as text that does not depend on attribute ids: equal texts, equal results.
#include <string>

#include "plan/logical_plan.h"

namespace tarn::engine {

// What two sessions may compute differently from one plan.
struct FingerprintContext {
  std::string time_zone;   // of the session; counts where the plan depends on it
  std::string session;     // counts where the plan has Python functions: their modules are the session's
};

// context null: exactly this data. With a context: the key of cached data, where files and tables count by what was asked for (format,
// paths, options, version if one was named), whatever their data is now.
std::string plan_fingerprint(const plan::LogicalPlan& plan, const FingerprintContext* context = nullptr);

// The plan below projections that pass everything on (df.select("*")): these have the fingerprint of what is below them.
const plan::PlanPtr& without_idle_projections(const plan::PlanPtr& plan);

// Cheap: false if the fingerprints of these plans cannot be equal.
bool may_be_equal(const plan::LogicalPlan& a, const plan::LogicalPlan& b);

}  // namespace tarn::engine
