#pragma once
// Calls of Python table functions. Internal to the room.
#include <functional>

#include "plan/analyzer_impl.h"

namespace tarn::plan {

// The rows of a call: a Generate over its TABLE arguments, or over one row. around: the query around, whose columns arguments may take;
// referenced: the relation of a TABLE argument's plan_id.
PlanPtr python_table(Analyzer& analyzer, const UserFunction& f, const google::protobuf::RepeatedPtrField<sc::Expression>& arguments, const Scope* around,
                     const std::function<const sc::Relation&(int64_t)>& referenced);

// Named arguments of a Python function come last and once each. Throws UNEXPECTED_POSITIONAL_ARGUMENT, DUPLICATE_ROUTINE_PARAMETER_ASSIGNMENT.*.
void check_argument_names(const std::string& function, const std::vector<std::string>& names, bool case_sensitive);
// What an aggregate function is given must not depend on how often it is computed. Throws AGGREGATE_FUNCTION_WITH_NONDETERMINISTIC_EXPRESSION.
void check_aggregate_arguments(const std::string& function, const std::vector<ExprPtr>& arguments);

}  // namespace tarn::plan
