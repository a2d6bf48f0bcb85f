#pragma once
// How a kernel ends a query: an exception that carries a Spark condition through DuckDB (see engine/error_map).
#include <string>
#include <string_view>

#include "base/spark_error.h"

namespace tarn::engine::kernels {

// Throws duckdb::InvalidInputException with "SPARKERR:" and the condition, kind and parameters as JSON.
[[noreturn]] void fail(const char* condition, ErrorKind kind, ErrorParams params);
// The same for an error that a shared routine (formats, zones) threw as SparkError.
[[noreturn]] void fail(const SparkError& error);

[[noreturn]] void fail_cast(std::string_view value, const char* from, const std::string& to);          // CAST_INVALID_INPUT
[[noreturn]] void fail_cast_overflow(const std::string& value, const std::string& from, const std::string& to);  // CAST_OVERFLOW
[[noreturn]] void fail_overflow(const char* what, const char* alternative = "");                       // ARITHMETIC_OVERFLOW
[[noreturn]] void fail_interval_overflow();
[[noreturn]] void fail_decimal(const std::string& value, int precision, int scale);                    // NUMERIC_VALUE_OUT_OF_RANGE
[[noreturn]] void fail_divide_by_zero();
[[noreturn]] void fail_remainder_by_zero();
// 'text' as Spark quotes string values in messages.
std::string quote_value(std::string_view text);

}  // namespace tarn::engine::kernels
