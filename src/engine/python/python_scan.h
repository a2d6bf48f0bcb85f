#pragma once
// A DuckDB table function whose rows come from Python workers. It runs a query of its own (the rows that functions see), sends them as
// Arrow to workers of the session and hands out what comes back. Several threads take batches of that query in turn, a worker each; batch
// numbers keep the order of rows. Memory is bounded: a thread sends the next batch when the worker has answered or asks for more.
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "plan/types.h"
#include "python/task_header.h"
#include "python/worker_pool.h"

namespace duckdb {
class Connection;
class DatabaseInstance;
}  // namespace duckdb

namespace tarn::engine {

class ArtifactStore;
class Database;

namespace python_functions {

struct StatefulOperator;

// What an operation lends to the functions of its plans. Outlives their execution.
struct Runtime {
  Database* database = nullptr;
  python::WorkerPool* pool = nullptr;
  python::Environment environment;
  std::string directory;                           // of the session's files, see add_files(); empty: none
  std::vector<std::string> includes;               // archives in it for the path
  std::vector<std::pair<std::string, std::string>> archives;  // see python::TaskHeader
  const ArtifactStore* artifacts = nullptr;
  // Ends the queries that feed functions, now and in the future. Thread-safe.
  void interrupt();
  void add(duckdb::Connection* connection);
  void remove(duckdb::Connection* connection);
  bool interrupted();
  // What functions leave in PySpark's accumulators (profiles): pickled (id, value). Thread-safe.
  void add_accumulator(std::string pickled);
  std::vector<std::string> take_accumulators();

 private:
  std::mutex mu_;
  std::vector<std::string> accumulators_;          // guarded by mu_
  bool interrupted_ = false;                       // guarded by mu_
  std::set<duckdb::Connection*> connections_;      // guarded by mu_
};

// While it lives, the connection is interrupted with the query of the runtime. Ends before the connection does.
class Interruptible {
 public:
  // runtime may be null.
  Interruptible(Runtime* runtime, duckdb::Connection* connection) : runtime_(runtime), connection_(connection) {
    if (runtime_) runtime_->add(connection_);
  }
  ~Interruptible() {
    if (runtime_) runtime_->remove(connection_);
  }
  Interruptible(const Interruptible&) = delete;

 private:
  Runtime* runtime_;
  duckdb::Connection* connection_;
};

struct Column {
  std::string sql;       // over the columns of the query
  std::string name;      // the field's name for Python
  plan::DataType type;
  std::string metadata = {};  // of the field, JSON
};

struct PythonScan {
  // kRows: a result row per row. kMap: any number of result rows. kGroups: one result row per group, behind the group's first row.
  // kGroupMap: any number per group. kCogroups: the same for two sides. kWindow: a result row per row, sent group by group.
  // kTable: any number of result rows per row, behind that row. kStateful: any number, for rows sorted by groups in one stream.
  enum class Shape { kRows, kMap, kGroups, kGroupMap, kCogroups, kWindow, kTable, kStateful } shape = Shape::kRows;
  std::string sql;                    // the query
  std::vector<Column> pass;           // columns handed through: the first of the output
  std::vector<Column> sent;           // what Python sees
  size_t left = 0;                    // kCogroups: how many of sent belong to the left side
  std::string side;                   // kCogroups: the column that is 0 for rows of the left side, 1 for the right
  std::vector<std::string> keys, order;   // grouped shapes: keys of groups, further items of ORDER BY
  std::vector<plan::DataType> results;
  std::optional<plan::DataType> promised;   // kMap: the struct that what comes back must be, names and nullability included
  bool iterator = false;              // one call sees all batches: results need not follow each
  bool outer = false;                 // kTable: a row without results comes once, with nulls
  bool marked = false;                // … and the last of results is false there, true in what the function gave
  python::TaskHeader header;
  std::shared_ptr<python::TableFunction> table_function;
  std::shared_ptr<Runtime> runtime;
  std::string zone;
  bool large_types = false;
  std::shared_ptr<const StatefulOperator> stateful;   // kStateful
  bool phased = false;                // kStateful: batches hold rows of one value of the first key only
  int64_t max_rows = 10000, max_bytes = 64 << 20;   // of a batch
  int64_t idle_timeout_ms = 0;
  int64_t max_workers = 0;            // 0: as many as threads
  bool task_per_batch = false;        // kMap, kRows: each batch is a task of its own
  // kTable: the rows come in parts of about the same size, each a task of its own: a function's class has an instance for each.
  struct Parts {
    int64_t rows = 0, count = 0;
    // The rows before the end of a part. Source: how Range spreads its rows.
    int64_t end(int64_t part) const { return static_cast<int64_t>(static_cast<__int128>(rows) * (part + 1) / count); }
  };
  std::optional<Parts> parts;
};

// Registers the table function. Once per database.
void register_python_scan(duckdb::DatabaseInstance& database);

// A scan that SQL text can name while this object lives.
class PythonScanHandle {
 public:
  explicit PythonScanHandle(std::shared_ptr<const PythonScan> scan);
  ~PythonScanHandle();
  PythonScanHandle(const PythonScanHandle&) = delete;
  // "tarn_python(17)": columns c0, c1 …: pass, then results.
  std::string sql() const;

 private:
  uint64_t id_ = 0;
};

}  // namespace python_functions
}  // namespace tarn::engine
