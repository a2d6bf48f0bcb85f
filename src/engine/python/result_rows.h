#pragma once
// What comes back from a worker, as DuckDB's rows. Internal to engine/python.
#include <memory>

#include "duckdb.hpp"
#include "duckdb/common/arrow/arrow_wrapper.hpp"
#include "duckdb/function/table/arrow.hpp"
#include "engine/python/python_scan.h"

namespace arrow {
class RecordBatch;
}

namespace tarn::engine::python_functions {

// One batch of results at a time. Used by one thread.
class ResultRows {
 public:
  explicit ResultRows(duckdb::ClientContext& context) : context_(context) {}
  // Checks that the batch is what scan.results promises (SparkError ARROW_TYPE_MISMATCH, PythonException) and takes it.
  // nulls_for_none: a batch without rows counts as one row of nulls.
  void take(const PythonScan& scan, const std::shared_ptr<arrow::RecordBatch>& batch, bool nulls_for_none);
  // Rows of the batch that have not been converted yet.
  duckdb::idx_t left() const { return rows_ - at_; }
  // Converts the next rows, at most limit, into chunk(); how many.
  duckdb::idx_t convert(const PythonScan& scan, duckdb::idx_t limit);
  duckdb::DataChunk& chunk() { return chunk_; }

 private:
  duckdb::ClientContext& context_;
  duckdb::ArrowSchemaWrapper schema_;
  duckdb::ArrowTableSchema types_;
  std::unique_ptr<duckdb::ArrowScanLocalState> scan_;
  duckdb::idx_t rows_ = 0, at_ = 0;
  duckdb::DataChunk chunk_;
};

}  // namespace tarn::engine::python_functions
