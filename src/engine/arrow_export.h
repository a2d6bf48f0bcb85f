#pragma once
// DuckDB's result chunks as Arrow record batches with the schema that Spark Connect sends.
#include <memory>
#include <string>
#include <vector>

#include "plan/types.h"

namespace arrow {
class RecordBatch;
class Schema;
}  // namespace arrow
namespace duckdb {
class ClientContext;
class DataChunk;
class ArrowAppender;
}  // namespace duckdb

namespace tarn::engine {

// Gathers chunks of up to 2,048 rows into batches. The chunks have the DuckDB types of ARCHITECTURE.md for `type`.
class ArrowExport {
 public:
  ArrowExport(plan::DataType type, const std::string& zone, bool large_types, duckdb::ClientContext& context);
  ~ArrowExport();
  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }
  void append(duckdb::DataChunk& chunk, size_t from, size_t to);   // rows [from, to)
  int64_t rows() const { return rows_; }
  int64_t approximate_bytes() const { return bytes_; }
  // What was gathered; empty batches are fine. Starts the next one.
  std::shared_ptr<arrow::RecordBatch> take();

 private:
  plan::DataType type_;
  duckdb::ClientContext& context_;
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<arrow::Schema> layout_;  // as DuckDB writes it
  bool relabel_ = false;                   // schema_ needs more than DuckDB's buffers under another name
  std::unique_ptr<duckdb::ArrowAppender> appender_;
  int64_t rows_ = 0, bytes_ = 0;
  int64_t capacity_ = 16384;               // rows that a batch has room for at first: as many as the one before it had
};

}  // namespace tarn::engine
