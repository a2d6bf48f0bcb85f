#pragma once
// Arrow tables as relations in DuckDB SQL: what clients send and what commands answer. Nothing goes through text.
#include <memory>
#include <string>

#include "plan/types.h"

namespace arrow {
class ArrayData;
class Table;
}
namespace duckdb {
class DatabaseInstance;
}

namespace tarn::engine {

// Registers the table function. Once per database.
void register_arrow_scan(duckdb::DatabaseInstance& database);

// The array in the layout that DuckDB reads for a Spark type (mostly without a copy).
std::shared_ptr<arrow::ArrayData> fit_to_duckdb(const std::shared_ptr<arrow::ArrayData>& array, const plan::DataType& type);

// A table that SQL text can name while this object lives. Thread-safe.
class ArrowHandle {
 public:
  // Converts the columns to the layout that DuckDB reads for these Spark types (mostly without a copy). One type per column.
  // A null table holds no rows.
  ArrowHandle(const std::shared_ptr<arrow::Table>& table, const std::vector<plan::DataType>& types);
  ~ArrowHandle();
  ArrowHandle(const ArrowHandle&) = delete;
  // "tarn_arrow(17)": a table function with columns c0, c1 …
  std::string sql() const;
  // The real number of rows (of use without columns).
  int64_t rows() const { return rows_; }

 private:
  uint64_t id_ = 0;
  int64_t rows_ = 0;
};

}  // namespace tarn::engine
