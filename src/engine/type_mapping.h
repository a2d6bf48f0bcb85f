#pragma once
// Spark types in DuckDB and in Arrow (the table in ARCHITECTURE.md).
#include <memory>
#include <string>
#include <vector>

#include "plan/types.h"

namespace arrow {
class DataType;
class Schema;
}  // namespace arrow
namespace duckdb {
struct LogicalType;
}

namespace tarn::engine {

// DuckDB's names of a struct's fields: Spark's names, made unique without regard to case where Spark allows duplicates.
std::vector<std::string> duckdb_field_names(const plan::DataType& structure);
duckdb::LogicalType to_duckdb(const plan::DataType& type);
// The DuckDB type as SQL text: "DECIMAL(10,2)", "STRUCT(\"a\" INTEGER)[]".
std::string duckdb_type_sql(const plan::DataType& type);
// The Spark type nearest to a DuckDB type; everything nullable. Throws SparkError for types that Spark does not have.
plan::DataType from_duckdb(const duckdb::LogicalType& type);

// The Arrow types that Spark Connect sends. zone: the session's. large: spark.sql.execution.arrow.useLargeVarTypes.
std::shared_ptr<arrow::DataType> to_arrow(const plan::DataType& type, const std::string& zone, bool large = false);
std::shared_ptr<arrow::Schema> to_arrow_schema(const plan::DataType& structure, const std::string& zone, bool large = false);
// The Spark type of Arrow data that a client sent. Throws SparkError UNSUPPORTED_ARROWTYPE.
plan::DataType from_arrow(const arrow::DataType& type);
// The Arrow layout that DuckDB reads and writes for a Spark type: as to_arrow, but intervals and times are integers and VOID is int32.
std::shared_ptr<arrow::DataType> to_duckdb_arrow(const plan::DataType& type);

std::string quote_duckdb_identifier(const std::string& name);
// 'text' as a DuckDB string constant, whatever characters it holds.
std::string duckdb_string(const std::string& text);

}  // namespace tarn::engine
