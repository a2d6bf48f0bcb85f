#pragma once
// Additions, subtractions and multiplications of decimals whose result type holds every result without rounding: loops over native
// integers, chosen for the operands' layouts when the function is bound.
#include "duckdb/common/types.hpp"
#include "duckdb/function/scalar_function.hpp"

namespace tarn::engine::kernels {

struct ExactDecimal {
  duckdb::scalar_function_t function;  // (a, b, …); empty: no such loop for these types
  // Some products may have more than 38 digits: the fifth argument, the evaluation mode, says what becomes of them.
  bool may_overflow = false;
};

// op is '+', '-' or '*'; the result is DECIMAL(precision, scale). layout_a and layout_b: how the operands come, which may be wider than
// their types ask for.
ExactDecimal exact_decimal(char op, const duckdb::LogicalType& a, duckdb::PhysicalType layout_a, const duckdb::LogicalType& b,
                           duckdb::PhysicalType layout_b, int precision, int scale);

}  // namespace tarn::engine::kernels
