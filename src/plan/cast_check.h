#pragma once
#include <string>

#include "plan/expression.h"

namespace tarn::plan {

// Throws DATATYPE_MISMATCH.CAST_* unless the value can be cast; text is the cast's, as messages show it.
void check_cast(const Expression& value, const DataType& to, EvalMode mode, const std::string& text);

}  // namespace tarn::plan
