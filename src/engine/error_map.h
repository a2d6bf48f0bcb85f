#pragma once
// DuckDB's errors as Spark's error conditions.
#include <exception>
#include <string>

#include "base/spark_error.h"

namespace duckdb {
class ErrorData;
}

namespace tarn::engine {

// The text of a kernel's exception: thrown as duckdb::InvalidInputException, it reaches the client as this SparkError, nested
// around its cause if there is one.
std::string kernel_error_text(const SparkError& error, const SparkError* cause = nullptr);
// DuckDB's error as Spark's, to be thrown. One that has a cause is thrown from here: std::throw_with_nested. sql: the statement,
// for the log when DuckDB refuses what we wrote.
SparkError to_spark_error(const duckdb::ErrorData& error, const std::string& sql = {});
// The error of a DuckDB exception that is being handled (SparkErrors pass through).
SparkError to_spark_error(const std::exception& error, const std::string& sql = {});

// What f returns; whatever it throws comes out as a SparkError.
template <class F>
auto mapped_errors(F&& f) {
  try {
    return f();
  } catch (const SparkError&) {
    throw;
  } catch (const std::exception& e) {
    throw to_spark_error(e);
  }
}

}  // namespace tarn::engine
