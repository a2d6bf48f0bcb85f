#pragma once
// A DuckDB table function that sends the lines of a query to a command of the shell and gives its lines: SELECT TRANSFORM … USING.
// One process and one thread per query, both streams at once, no more in memory than a chunk of rows and what a pipe holds. The process
// group ends with the query. Source: BaseScriptTransformationExec.
#include <cstdint>
#include <memory>
#include <string>

namespace duckdb {
class DatabaseInstance;
}

namespace tarn::engine {

class Database;

namespace python_functions {
struct Runtime;
}

namespace script {

struct ScriptScan {
  std::string sql;              // one VARCHAR column: the lines
  std::string command;          // of /bin/bash -c
  int exit_seconds = 10;        // that it may take to end after its output
  Database* database = nullptr;
  std::shared_ptr<python_functions::Runtime> runtime;   // lets the query be interrupted, has the session's files; may be null
};

// Once per database.
void register_script_scan(duckdb::DatabaseInstance& database);

// A scan that SQL text can name while this object lives.
class ScriptScanHandle {
 public:
  explicit ScriptScanHandle(std::shared_ptr<const ScriptScan> scan);
  ~ScriptScanHandle();
  ScriptScanHandle(const ScriptScanHandle&) = delete;
  std::string sql() const;      // "tarn_script(17)": one VARCHAR column

 private:
  uint64_t id_ = 0;
};

}  // namespace script
}  // namespace tarn::engine
