#pragma once
// Python functions of rows as a DuckDB scalar function: for places where rows cannot be handed to a pass of their own, as in correlated
// subqueries and recursive queries. A worker for each thread computes chunk by chunk.
#include <memory>
#include <string>
#include <vector>

#include "engine/python/python_scan.h"

namespace tarn::engine::python_functions {

// Registers the scalar function. Once per database.
void register_row_call(duckdb::DatabaseInstance& database);

// A call that SQL text can name while this object lives. scan: sent and header say what is computed, its one result is the value.
class RowCallHandle {
 public:
  RowCallHandle(std::shared_ptr<const PythonScan> scan, bool deterministic);
  ~RowCallHandle();
  RowCallHandle(const RowCallHandle&) = delete;
  // "tarn_python_row(17, …)" over the texts of the arguments, one for each of scan.sent.
  std::string sql(const std::vector<std::string>& arguments) const;

 private:
  uint64_t id_ = 0;
};

}  // namespace tarn::engine::python_functions
