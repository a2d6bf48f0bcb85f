#pragma once
// plan::Value to and from DuckDB, Arrow and the protocol.
#include <memory>
#include <string>
#include <vector>

#include "plan/types.h"
#include "plan/value.h"

namespace arrow {
class Table;
}
namespace duckdb {
class Value;
}
namespace spark::connect {
class Expression_Literal;
class LocalRelation;
}  // namespace spark::connect

namespace tarn::engine {

using Row = std::vector<plan::Value>;

// A value of a result with the DuckDB type of ARCHITECTURE.md for `type`.
plan::Value from_duckdb_value(const duckdb::Value& value, const plan::DataType& type);
// Rows as an Arrow table with the types that clients get. zone: of timestamps.
std::shared_ptr<arrow::Table> rows_to_arrow(const plan::DataType& schema, const std::vector<Row>& rows, const std::string& zone);
// A LocalRelation that carries the table, with its Spark schema.
void to_local_relation(const plan::DataType& schema, const std::shared_ptr<arrow::Table>& table, spark::connect::LocalRelation* out);
void to_proto_literal(const plan::Value& value, const plan::DataType& type, spark::connect::Expression_Literal* out);

}  // namespace tarn::engine
