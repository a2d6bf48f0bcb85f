#pragma once
// Calls that only the analyzer makes: reaching into nested values. They have no name that a user could call. The engine lowers
// them by their "@…" names in engine/lowering.
#include "plan/function.h"

namespace tarn::plan {

// (struct, 0-based ordinal INT literal): the field; Call.name is the field's name as the user wrote it.
extern const FunctionEntry kGetStructField;
// (array of struct, 0-based ordinal INT literal): that field of every element; a null element gives null.
extern const FunctionEntry kGetArrayStructFields;
// (array, 0-based index, any integral type): kAnsi raises INVALID_ARRAY_INDEX, else null when out of range or negative.
extern const FunctionEntry kGetArrayItem;
// (map, key): the value, null if absent.
extern const FunctionEntry kGetMapValue;
// (element): one row per element, and its position first when the Call's name is "posexplode" … see Generate: generators come from
// the function registry (explode, inline, stack …), not from here.

// Spark's ExtractValue: child[key] or child.name by the child's type. Throws INVALID_EXTRACT_BASE_FIELD_TYPE, FIELD_NOT_FOUND,
// AMBIGUOUS_REFERENCE_TO_FIELDS. null_base: a VOID child gives NULL instead.
ExprPtr extract_value(ExprPtr child, ExprPtr key, bool case_sensitive, EvalMode mode, bool null_base = false);

}  // namespace tarn::plan
