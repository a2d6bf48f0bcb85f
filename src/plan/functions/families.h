#pragma once
// The families of built-in functions. A new family is one file, one line here and one in families.cc.
#include <vector>

#include "plan/function.h"

namespace tarn::plan {

FunctionTable operator_functions();     // arithmetic, comparison, logic, bitwise operators
FunctionTable conditional_functions();
FunctionTable math_functions();
FunctionTable string_functions();
FunctionTable aggregate_functions();
FunctionTable window_functions();
FunctionTable collection_functions();   // arrays, maps, structs
FunctionTable lambda_functions();
FunctionTable datetime_functions();
FunctionTable conversion_functions();
FunctionTable hash_functions();
FunctionTable json_functions();         // JSON, CSV, XML, variant
FunctionTable misc_functions();
FunctionTable generator_functions();
FunctionTable geo_functions();
FunctionTable internal_functions();     // of clients, not of SQL
FunctionTable sketch_functions();       // Apache DataSketches
FunctionTable avro_functions();

const std::vector<FunctionTable>& function_families();

// The collation of the result of a call whose strings have one, and the lowering that follows it (plan/functions/collated.cc).
void apply_collation(const FunctionEntry& function, const std::vector<ExprPtr>& args, TypedCall& typed);

}  // namespace tarn::plan
