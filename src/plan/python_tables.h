#pragma once
// Calls of Python table functions. Internal to the room.
#include <functional>

#include "plan/analyzer_impl.h"

namespace tarn::plan {

// The rows of a call: a Generate over its TABLE arguments, or over one row. around: the query around, whose columns arguments may take;
// referenced: the relation of a TABLE argument's plan_id.
PlanPtr python_table(Analyzer& analyzer, const UserFunction& f, const google::protobuf::RepeatedPtrField<sc::Expression>& arguments, const Scope* around,
                     const std::function<const sc::Relation&(int64_t)>& referenced);

}  // namespace tarn::plan
