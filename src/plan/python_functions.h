#pragma once
// Python table functions as plans.
#include <memory>
#include <vector>

#include "plan/logical_plan.h"

namespace tarn::plan {

// Whether it is a table function: PythonEvalType 300 to 302.
inline bool is_python_table(const UserFunction& f) { return f.eval_type >= 300; }
// A call of a table function whose type is the struct of its rows; it stands by itself, its arguments are no columns (but for outer ones).
PlanPtr python_table(const UserFunction& f, std::vector<ExprPtr> arguments, const std::vector<std::string>& names);

}  // namespace tarn::plan
