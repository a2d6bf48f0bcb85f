#pragma once
// Reads of Python data sources are planned here: predicates go down to them, and each reader is asked which it takes over.
// Source: PushDownPredicates, InferFiltersFromConstraints, UnwrapCastInBinaryComparison, DataSourceStrategy.translateFilter, PythonScanBuilder.
#include "plan/logical_plan.h"

namespace tarn::engine::lowering {
struct Context;
}

namespace tarn::engine::python_functions {

// The plan without SourceRead nodes; the same plan if there are none. Throws PYTHON_DATA_SOURCE_ERROR.
plan::PlanPtr plan_reads(const plan::PlanPtr& plan, const lowering::Context& context);

}  // namespace tarn::engine::python_functions
