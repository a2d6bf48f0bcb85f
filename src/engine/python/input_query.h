#pragma once
// The rows that Python functions see: a query of its own, cut into batches or groups. Internal to python_scan.
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "engine/database.h"
#include "engine/python/python_scan.h"

namespace arrow {
class RecordBatch;
class Schema;
}  // namespace arrow
namespace duckdb {
class ClientContext;
class Connection;
class DataChunk;
class QueryResult;
}  // namespace duckdb

namespace tarn::engine {
class ArrowExport;
}

namespace tarn::engine::python_functions {

// Rows that wait for their results: count rows of the chunk from `from`.
struct PassRows {
  std::shared_ptr<duckdb::DataChunk> chunk;
  uint64_t from = 0, count = 0;
  uint64_t batch = 0;      // number of the batch they belong to
  bool last = false;       // of their batch
};

using ArrowBatches = std::vector<std::shared_ptr<arrow::RecordBatch>>;

struct InputBatch {
  uint64_t number = 0;
  std::shared_ptr<arrow::RecordBatch> rows;          // shapes without groups
  std::vector<std::vector<ArrowBatches>> groups;     // per group, per side
  std::vector<PassRows> pass;
  bool ends_part = false;                            // see PythonScan::parts
};

// Thread-safe: next() gives batches in turn.
class InputQuery {
 public:
  // pass: which of scan.pass are wanted.
  InputQuery(const PythonScan& scan, const std::vector<size_t>& pass, duckdb::ClientContext& context);
  ~InputQuery();
  // Null when there are no more rows. Throws SparkError.
  std::unique_ptr<InputBatch> next();
  bool grouped() const;
  // Whether rows are handed through.
  bool passes() const;
  // Where column i of scan.pass stands in the chunks of PassRows.
  size_t position(size_t i) const { return positions_[i]; }
  // What is sent, per side.
  const std::vector<std::shared_ptr<arrow::Schema>>& schemas() const { return schemas_; }

 private:
  bool fetch();                                     // the next chunk into current_; false at the end
  std::unique_ptr<InputBatch> next_rows();
  std::unique_ptr<InputBatch> next_groups();
  void append(size_t side, uint64_t from, uint64_t to, ArrowBatches* full);
  std::shared_ptr<arrow::RecordBatch> wrapped(const std::shared_ptr<arrow::RecordBatch>& batch, size_t side) const;

  const PythonScan& scan_;
  std::vector<size_t> positions_;                   // see position()
  size_t sent_ = 0, keys_ = 0, side_ = 0;           // where the columns begin in a chunk
  std::vector<std::shared_ptr<arrow::Schema>> schemas_;
  std::mutex mu_;                                   // guards what follows
  ConnectionPtr connection_;
  std::optional<Interruptible> interruptible_;
  std::unique_ptr<duckdb::QueryResult> result_;
  std::vector<std::unique_ptr<ArrowExport>> exports_;   // per side
  std::vector<std::unique_ptr<duckdb::DataChunk>> views_;  // the sent columns of current_, per side
  std::shared_ptr<duckdb::DataChunk> current_;
  std::vector<bool> starts_;                        // grouped: whether row i of current_ starts a group
  std::shared_ptr<duckdb::DataChunk> previous_;     // the chunk before current_
  uint64_t at_ = 0;                                 // row of current_
  uint64_t numbers_ = 0;
  int32_t phase_ = 0;                               // scan.phased: the first key of the rows at hand
  int64_t part_ = 0, taken_ = 0;                    // scan.parts: the part at hand, rows taken so far
  bool ended_ = false;
};

}  // namespace tarn::engine::python_functions
