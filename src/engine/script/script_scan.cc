#include "engine/script/script_scan.h"

#include <map>
#include <mutex>
#include <optional>

#include "base/spark_error.h"
#include "duckdb.hpp"
#include "duckdb/function/table_function.hpp"
#include "duckdb/main/extension/extension_loader.hpp"
#include "engine/database.h"
#include "engine/error_map.h"
#include "engine/kernels/kernel_error.h"
#include "engine/python/python_scan.h"
#include "engine/script/process.h"

namespace tarn::engine::script {
namespace {

using duckdb::idx_t;

std::mutex registry_mu;
std::map<uint64_t, std::shared_ptr<const ScriptScan>> registry;   // guarded by registry_mu
uint64_t next_handle = 1;                                         // guarded by registry_mu

struct BindData : duckdb::TableFunctionData {
  std::shared_ptr<const ScriptScan> scan;
};

// The query of the lines, the process, and what waits between them.
struct Run : duckdb::GlobalTableFunctionState {
  explicit Run(const ScriptScan& scan) : scan(scan) {
    connection = scan.database->connect();
    interruptible.emplace(scan.runtime.get(), connection.get());
    auto pending = connection->PendingQuery(scan.sql, true);
    if (pending->HasError()) throw to_spark_error(pending->GetErrorObject(), scan.sql);
    rows = pending->Execute();
    if (rows->HasError()) throw to_spark_error(rows->GetErrorObject(), scan.sql);
  }
  idx_t MaxThreads() const override { return 1; }

  // The next lines into `sent`; false at the end.
  bool refill() {
    auto chunk = rows->Fetch();
    if (rows->HasError()) throw to_spark_error(rows->GetErrorObject(), scan.sql);
    if (!chunk || chunk->size() == 0) return false;
    chunk->Flatten();
    sent.clear();
    for (idx_t i = 0; i < chunk->size(); ++i) {
      const auto& s = duckdb::FlatVector::GetData<duckdb::string_t>(chunk->data[0])[i];
      sent.append(s.GetData(), s.GetSize());
      sent += '\n';
    }
    waiting = sent;
    return true;
  }

  // A whole line out of what has come: it ends with \n, \r\n or \r, the last one with the output. False: more must come, or there is none.
  bool next_line(std::string_view& line) {
    const size_t end = came.find_first_of("\r\n", at);
    if (end == std::string::npos) {
      if (!process->output_ended() || at >= came.size()) return false;
      line = std::string_view(came).substr(at);
      at = came.size();
      return true;
    }
    const bool carriage = came[end] == '\r';
    if (carriage && end + 1 == came.size() && !process->output_ended()) return false;   // \n may follow
    line = std::string_view(came).substr(at, end - at);
    at = end + (carriage && end + 1 < came.size() && came[end + 1] == '\n' ? 2 : 1);
    return true;
  }

  const ScriptScan& scan;
  ConnectionPtr connection;
  std::optional<python_functions::Interruptible> interruptible;
  std::unique_ptr<duckdb::QueryResult> rows;
  std::unique_ptr<Process> process;
  std::string sent, came;
  std::string_view waiting;   // of sent
  size_t at = 0;              // of came
  bool rows_ended = false, done = false;
};

duckdb::unique_ptr<duckdb::FunctionData> bind(duckdb::ClientContext&, duckdb::TableFunctionBindInput& input, duckdb::vector<duckdb::LogicalType>& types,
                                              duckdb::vector<duckdb::string>& names) {
  auto data = duckdb::make_uniq<BindData>();
  std::lock_guard lock(registry_mu);
  auto it = registry.find(input.inputs[0].GetValue<uint64_t>());
  if (it == registry.end()) throw duckdb::InvalidInputException("tarn_script: no such handle");
  data->scan = it->second;
  types = {duckdb::LogicalType::VARCHAR};
  names = {"line"};
  return data;
}

duckdb::unique_ptr<duckdb::GlobalTableFunctionState> init(duckdb::ClientContext&, duckdb::TableFunctionInitInput& input) {
  try {
    return duckdb::make_uniq<Run>(*input.bind_data->Cast<BindData>().scan);
  } catch (const SparkError& e) {
    kernels::fail(e);
  }
}

void read(duckdb::ClientContext& context, Run& run, duckdb::DataChunk& output) {
  if (run.done) return;
  if (!run.process) {
    // Without rows the command does not run.
    if (!run.refill()) {
      run.done = true;
      return;
    }
    run.process = std::make_unique<Process>(run.scan.command, run.scan.runtime ? run.scan.runtime->directory : "");
  }
  idx_t row = 0;
  auto& column = output.data[0];
  auto* out = duckdb::FlatVector::GetData<duckdb::string_t>(column);
  for (;;) {
    std::string_view line;
    while (row < STANDARD_VECTOR_SIZE && run.next_line(line)) out[row++] = duckdb::StringVector::AddStringOrBlob(column, line.data(), line.size());
    if (row > 0) break;
    if (run.process->output_ended()) {
      const int code = run.process->exit_code(run.scan.exit_seconds);
      if (code > 0) throw SparkError(ErrorKind::kSpark, "_LEGACY_ERROR_TEMP_2264", {{"exitCode", std::to_string(code)}, {"stderrBuffer", run.process->errors()}});
      if (run.process->input_closed() && !run.rows_ended)
        throw SparkError::Plain(ErrorKind::kSpark, "The command ended before it had read all rows: " + run.scan.command);
      run.done = true;
      run.process.reset();
      break;
    }
    if (context.IsInterrupted()) throw duckdb::InterruptException();
    run.came.erase(0, run.at);
    run.at = 0;
    if (run.waiting.empty() && !run.rows_ended && !run.process->input_closed() && !run.refill()) {
      run.rows_ended = true;
      run.process->close_input();
    }
    run.process->step(run.waiting, run.came);
  }
  output.SetCardinality(row);
}

void scan_function(duckdb::ClientContext& context, duckdb::TableFunctionInput& input, duckdb::DataChunk& output) {
  try {
    read(context, input.global_state->Cast<Run>(), output);
  } catch (const SparkError& e) {
    kernels::fail(e);
  }
}

}  // namespace

void register_script_scan(duckdb::DatabaseInstance& database) {
  duckdb::TableFunction f("tarn_script", {duckdb::LogicalType::UBIGINT}, scan_function, bind, init);
  duckdb::ExtensionLoader loader(database, "tarn");
  loader.RegisterFunction(f);
}

ScriptScanHandle::ScriptScanHandle(std::shared_ptr<const ScriptScan> scan) {
  std::lock_guard lock(registry_mu);
  id_ = next_handle++;
  registry[id_] = std::move(scan);
}
ScriptScanHandle::~ScriptScanHandle() {
  std::shared_ptr<const ScriptScan> last;
  std::lock_guard lock(registry_mu);
  auto it = registry.find(id_);
  if (it == registry.end()) return;
  last = std::move(it->second);
  registry.erase(it);
}
std::string ScriptScanHandle::sql() const { return "tarn_script(" + std::to_string(id_) + "::UBIGINT)"; }

}  // namespace tarn::engine::script
