#pragma once
// Python functions out of expressions into plan nodes that evaluate them, as Spark's ExtractPythonUDFs and its siblings do.
#include <set>
#include <vector>

#include "plan/logical_plan.h"

namespace tarn::plan {
class SessionConf;
}

namespace tarn::engine::python_functions {

// The plan without UserFunction nodes outside PythonEval and PythonMap; the same plan if there are none. Filters that need no
// function's result go below the functions. Throws SparkError for places where Spark allows none.
plan::PlanPtr extract(const plan::PlanPtr& plan, const plan::SessionConf& conf);

// ---- questions that the passes over plans with Python functions share

// The conditions that a conjunction is made of, in their order.
void conjuncts(const plan::ExprPtr& e, std::vector<plan::ExprPtr>& out);
// Ids of the columns that an expression takes.
std::set<plan::ExprId> references(const plan::Expression& e);
std::set<plan::ExprId> output_ids(const plan::LogicalPlan& p);
// Whether all ids are among others.
bool within(const std::set<plan::ExprId>& ids, const std::set<plan::ExprId>& of);
// Whether an expression takes a column of the query around it.
bool refers_outside(const plan::Expression& e);

}  // namespace tarn::engine::python_functions
