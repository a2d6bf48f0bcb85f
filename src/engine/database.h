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

// Ends a connection. DuckDB leaves a query running when its context is destroyed while an exception unwinds the stack, and its threads
// would go on in freed memory: then a thread of its own, in which nothing unwinds, destroys it.
struct EndConnection {
  void operator()(duckdb::Connection* connection) const noexcept;
};
using ConnectionPtr = std::unique_ptr<duckdb::Connection, EndConnection>;

// Thread-safe.
class Database {
 public:
  explicit Database(const EngineOptions& options);
  ~Database();
  // A connection with Spark's settings; it reads and writes with the calling thread's storage::current_settings(). Cheap (microseconds).
  ConnectionPtr connect();
  duckdb::DatabaseInstance& instance();
  // Names of DuckDB's and our aggregate functions (lower case): in a template, a call of one of these takes DISTINCT, ORDER BY and FILTER.
  const std::unordered_set<std::string>& aggregate_names() const { return aggregate_names_; }

 private:
  std::unique_ptr<duckdb::DuckDB> duckdb_;
  std::unordered_set<std::string> aggregate_names_;
};

}  // namespace tarn::engine
