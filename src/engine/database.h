#pragma once
// The one DuckDB database of the process: settings, Spark's kernels, scans. One connection per operation.
#include <memory>
#include <string>
#include <unordered_set>

namespace duckdb {
class Connection;
class DatabaseInstance;
class DuckDB;
}  // namespace duckdb

namespace tarn::engine {

struct EngineOptions;

// Thread-safe.
class Database {
 public:
  explicit Database(const EngineOptions& options);
  ~Database();
  // A connection with Spark's settings; it reads and writes with the calling thread's storage::current_settings(). Cheap (microseconds).
  std::unique_ptr<duckdb::Connection> connect();
  duckdb::DatabaseInstance& instance();
  // Names of DuckDB's and our aggregate functions (lower case): in a template, a call of one of these takes DISTINCT, ORDER BY and FILTER.
  const std::unordered_set<std::string>& aggregate_names() const { return aggregate_names_; }

 private:
  std::unique_ptr<duckdb::DuckDB> duckdb_;
  std::unordered_set<std::string> aggregate_names_;
};

}  // namespace tarn::engine
