#include "engine/python/python_scan.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <thread>
#include <unordered_map>

#include "base/spark_error.h"
#include "duckdb.hpp"
#include "duckdb/common/arrow/arrow_wrapper.hpp"
#include "duckdb/common/vector_operations/vector_operations.hpp"
#include "duckdb/function/table/arrow.hpp"
#include "duckdb/main/extension/extension_loader.hpp"
#include "duckdb/parallel/task_scheduler.hpp"
#include "engine/arrow_export.h"
#include "engine/arrow_import.h"
#include "engine/database.h"
#include "engine/error_map.h"
#include "engine/python/input_query.h"
#include "engine/python/result_rows.h"
#include "engine/python/task.h"
#include "engine/storage_bridge.h"
#include "engine/type_mapping.h"
#include "python/eval_type.h"

namespace tarn::engine::python_functions {

namespace {

using Shape = PythonScan::Shape;

// Never destroyed: handles may go while the process exits.
std::mutex& registry_mu = *new std::mutex;
std::unordered_map<uint64_t, std::shared_ptr<const PythonScan>>& registry = *new std::unordered_map<uint64_t, std::shared_ptr<const PythonScan>>;
uint64_t next_handle = 1;  // guarded by registry_mu, as is registry

constexpr uint64_t kOneCall = 65536;  // rows that one call of a function over iterators gets before a second one begins
constexpr size_t kSentAhead = 2;      // batches at a worker that have not been answered, unless it asks for more

struct BindData : duckdb::TableFunctionData {
  std::shared_ptr<const PythonScan> scan;
};

struct GlobalState : duckdb::GlobalTableFunctionState {
  std::unique_ptr<InputQuery> input;
  std::vector<idx_t> columns;             // of the output: index into pass and results
  idx_t threads = 1;
  std::atomic<bool> failed{false};        // some thread has: the others need not wait for their workers
  std::atomic<bool> ran_empty{false};     // a function over whole partitions is called even if there are no rows
  std::atomic<int> partitions{0};
  std::atomic<uint64_t> handed{0};        // rows that have been taken from the input
  std::atomic<bool> input_ended{false};
  std::atomic<bool> first_taken{false};   // some thread begins, or has begun, with the input
  idx_t MaxThreads() const override { return threads; }
};

struct LocalState : duckdb::LocalTableFunctionState {
  explicit LocalState(duckdb::ClientContext& c) : context(c), result(c) {}
  duckdb::ClientContext& context;
  std::unique_ptr<Task> task;
  bool input_done = false, done = false;
  bool closed = false;                    // the task has all that it gets, though the input may go on
  size_t ahead = 0;                       // batches sent and not yet answered
  std::deque<PassRows> pass;              // rows sent and not yet answered
  // The batch of results being handed out.
  ResultRows result;
  PassRows row;                           // kTable: whose results are handed out
  duckdb::DataChunk gathered;
  idx_t batch_index = 0;
};

[[noreturn]] void fail(const SparkError& error) { throw duckdb::InvalidInputException(kernel_error_text(error)); }

duckdb::unique_ptr<duckdb::FunctionData> bind(duckdb::ClientContext&, duckdb::TableFunctionBindInput& input, duckdb::vector<duckdb::LogicalType>& types,
                                              duckdb::vector<duckdb::string>& names) {
  auto data = duckdb::make_uniq<BindData>();
  {
    std::lock_guard lock(registry_mu);
    auto it = registry.find(input.inputs[0].GetValue<uint64_t>());
    if (it == registry.end()) throw duckdb::InvalidInputException("the Python scan is gone");
    data->scan = it->second;
  }
  for (const auto& c : data->scan->pass) types.push_back(to_duckdb(c.type));
  for (const auto& t : data->scan->results) types.push_back(to_duckdb(t));
  if (types.empty()) types.push_back(duckdb::LogicalType::INTEGER);
  for (size_t i = 0; i < types.size(); ++i) names.push_back("c" + std::to_string(i));
  return data;
}

duckdb::unique_ptr<duckdb::GlobalTableFunctionState> init_global(duckdb::ClientContext& context, duckdb::TableFunctionInitInput& input) {
  auto& scan = *input.bind_data->Cast<BindData>().scan;
  auto g = duckdb::make_uniq<GlobalState>();
  std::vector<size_t> wanted;
  for (auto id : input.column_ids) {
    g->columns.push_back(id);
    if (id < scan.pass.size()) wanted.push_back(id);
  }
  try {
    StorageScope scope(context);  // the inner query reads as the outer one does
    g->input = std::make_unique<InputQuery>(scan, wanted, context);
  } catch (const SparkError& e) {
    fail(e);
  }
  g->threads = static_cast<idx_t>(duckdb::TaskScheduler::GetScheduler(context).NumberOfThreads());
  if (scan.max_workers > 0) g->threads = std::min<idx_t>(g->threads, static_cast<idx_t>(scan.max_workers));
  return g;
}

duckdb::unique_ptr<duckdb::LocalTableFunctionState> init_local(duckdb::ExecutionContext& context, duckdb::TableFunctionInitInput&, duckdb::GlobalTableFunctionState*) {
  return duckdb::make_uniq<LocalState>(context.client);
}

// ---- results

// Takes a batch of results; of a table function it belongs to a row.
void take_result(const PythonScan& scan, LocalState& l, const std::shared_ptr<arrow::RecordBatch>& batch) {
  const bool stays = scan.shape == Shape::kTable && scan.outer && std::any_of(l.pass.begin(), l.pass.end(), [](const PassRows& p) { return p.count > 0; });
  l.result.take(scan, batch, stays);
  if (scan.shape == Shape::kTable) {
    // A batch belongs to the next row; what comes after the last row's is of terminate() and stands beside the last row.
    while (!l.pass.empty() && l.pass.front().count == 0) l.pass.pop_front();
    if (!l.pass.empty()) {
      auto& front = l.pass.front();
      l.row = front;
      l.batch_index = front.batch;
      ++front.from;
      if (--front.count == 0 && front.last && l.ahead > 0) --l.ahead;
    }
  }
}

void fill(const PythonScan& scan, const GlobalState& g, LocalState& l, const PassRows* pass, idx_t rows, duckdb::DataChunk& output) {
  for (size_t i = 0; i < g.columns.size(); ++i) {
    idx_t c = g.columns[i];
    auto& to = output.data[i];
    if (c < scan.pass.size()) {
      auto& from = (pass ? *pass : l.row).chunk->data[g.input->position(c)];
      if (pass) {
        to.Slice(from, pass->from, pass->from + rows);
      } else {
        // Results of one row: it stands beside each of them.
        duckdb::SelectionVector same(rows);
        for (idx_t r = 0; r < rows; ++r) same.set_index(r, l.row.from);
        to.Slice(from, same, rows);
      }
    } else if (c - scan.pass.size() < scan.results.size()) {
      to.Reference(l.result.chunk().data[c - scan.pass.size()]);
    } else {
      to.Reference(duckdb::Value(to.GetType()));  // a plan that wants the number of rows only
    }
  }
  output.SetCardinality(rows);
}

// Hands out rows of the result at hand. false: there are none.
bool emit(const PythonScan& scan, const GlobalState& g, LocalState& l, duckdb::DataChunk& output) {
  while (l.result.left() > 0) {
    if (!g.input->passes()) {
      idx_t rows = l.result.convert(scan, STANDARD_VECTOR_SIZE);
      fill(scan, g, l, nullptr, rows, output);
      return true;
    }
    if (scan.shape == Shape::kTable) {
      idx_t rows = l.result.convert(scan, STANDARD_VECTOR_SIZE);
      fill(scan, g, l, nullptr, rows, output);
      return true;
    }
    if (l.pass.empty()) throw SparkError::Plain(ErrorKind::kPython, "The Python function returned more rows than it was given.");
    auto& front = l.pass.front();
    if (front.count == 0) {
      l.pass.pop_front();
      continue;
    }
    idx_t rows = l.result.convert(scan, front.count);
    l.batch_index = front.batch;
    fill(scan, g, l, &front, rows, output);
    front.from += rows;
    front.count -= rows;
    if (front.count == 0) {
      if (front.last && l.ahead > 0) --l.ahead;
      l.pass.pop_front();
    }
    return true;
  }
  return false;
}

// The number of the batch whose rows are handed out next.
idx_t next_batch(const LocalState& l) {
  for (const auto& p : l.pass) {
    if (p.count > 0) return p.batch;
  }
  return l.batch_index;
}

void run(const PythonScan& scan, GlobalState& g, LocalState& l, duckdb::DataChunk& output) {
  // Small pieces (a row a group) are put together.
  auto gathered = [&] {
    if (l.gathered.size() == 0) return false;
    output.Move(l.gathered);
    l.gathered.Destroy();
    return true;
  };
  for (;;) {
    output.Reset();
    // What is put together has one batch number.
    if (l.gathered.size() > 0 && l.result.left() > 0 && scan.shape == Shape::kRows && next_batch(l) != l.batch_index && gathered()) return;
    if (emit(scan, g, l, output)) {
      if (output.size() >= STANDARD_VECTOR_SIZE / 4 && l.gathered.size() == 0) return;
      if (l.gathered.ColumnCount() == 0) l.gathered.Initialize(duckdb::Allocator::Get(l.context), output.GetTypes());
      if (l.gathered.size() + output.size() > STANDARD_VECTOR_SIZE) {
        duckdb::DataChunk full;
        full.Move(l.gathered);
        l.gathered.Initialize(duckdb::Allocator::Get(l.context), output.GetTypes());
        l.gathered.Append(output);
        output.Move(full);
        return;
      }
      l.gathered.Append(output);
      continue;
    }
    if (l.done) {
      if (gathered()) return;
      output.SetCardinality(0);
      return;
    }
    bool answered = l.task && l.task->readable();
    if (!answered && !l.input_done) {
      bool more = !l.closed && l.ahead < kSentAhead;
      if (!more && l.task->sending()) {
        if (gathered()) return;
        l.task->wait();
        continue;
      }
      if (more || (!l.closed && (scan.iterator || scan.shape != Shape::kRows))) {
        if (scan.task_per_batch && gathered()) return;  // under the number of their own batch
        if (scan.iterator && !scan.task_per_batch && !l.task && g.threads > 1) {
          // The rows of little data are seen by one call, as those of one partition. Not for long: a query that has enough rows may wait for this thread.
          if (g.first_taken.exchange(true)) {
            for (int ms = 0; ms < 100 && g.handed.load() < kOneCall && !g.input_ended.load() && !g.failed.load(); ++ms) {
              if (l.context.IsInterrupted()) throw duckdb::InterruptException();
              std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
          }
        }
        auto batch = g.input->next();
        if (batch) {
          if (batch->rows) g.handed += static_cast<uint64_t>(batch->rows->num_rows());
          if (!l.task) {
            l.task = std::make_unique<Task>(scan, g.partitions++, [&context = l.context, &g] { return context.IsInterrupted() || g.failed.load(); });
          }
          if (!g.input->passes()) l.batch_index = batch->number;
          if (batch->groups.empty()) l.task->send(batch->rows);
          for (const auto& group : batch->groups) {
            if (scan.shape != Shape::kStateful) l.task->send_group(group, g.input->schemas());
            else for (const auto& part : group[0]) l.task->send(part);
          }
          ++l.ahead;
          for (auto& p : batch->pass) l.pass.push_back(std::move(p));
          if (scan.task_per_batch || batch->ends_part) {
            l.task->finish(g.input->schemas()[0]);
            l.closed = true;
          }
          continue;
        }
        l.input_done = true;
        g.input_ended = true;
        if (!l.task) {
          if (scan.task_per_batch || scan.shape != Shape::kMap || g.partitions.load() > 0 || g.ran_empty.exchange(true)) {
            l.done = true;
            continue;
          }
          l.task = std::make_unique<Task>(scan, g.partitions++, [&context = l.context, &g] { return context.IsInterrupted() || g.failed.load(); });
        }
        l.task->finish(g.input->grouped() && scan.shape != Shape::kStateful ? nullptr : g.input->schemas()[0]);
        continue;
      }
    }
    if (!answered && gathered()) return;
    auto batch = l.task->next();
    if (!batch) {
      bool left = scan.shape != Shape::kTable && std::any_of(l.pass.begin(), l.pass.end(), [](const PassRows& p) { return p.count > 0; });
      if (left) throw SparkError::Plain(ErrorKind::kPython, "The Python function returned fewer rows than it was given.");
      l.done = !l.closed || l.input_done;
      l.closed = false;
      l.ahead = 0;
      l.task.reset();
      continue;
    }
    take_result(scan, l, batch);
    if (!g.input->passes()) l.ahead = 0;
  }
}

void scan_function(duckdb::ClientContext& context, duckdb::TableFunctionInput& input, duckdb::DataChunk& output) {
  auto& scan = *input.bind_data->Cast<BindData>().scan;
  auto& g = input.global_state->Cast<GlobalState>();
  auto& l = input.local_state->Cast<LocalState>();
  try {
    run(scan, g, l, output);
  } catch (const SparkError& e) {
    g.failed = true;
    l.task.reset();
    fail(e);
  } catch (const python::WorkerInterrupted&) {
    l.task.reset();
    throw duckdb::InterruptException();
  } catch (...) {
    g.failed = true;
    l.task.reset();
    throw;
  }
}

duckdb::OperatorPartitionData partition_data(duckdb::ClientContext&, duckdb::TableFunctionGetPartitionInput& input) {
  if (input.partition_info.RequiresPartitionColumns()) throw duckdb::InternalException("tarn_python: no partition columns");
  return duckdb::OperatorPartitionData(input.local_state->Cast<LocalState>().batch_index);
}

}  // namespace

void Runtime::interrupt() {
  std::lock_guard lock(mu_);
  interrupted_ = true;
  for (auto* c : connections_) c->Interrupt();
}
void Runtime::add(duckdb::Connection* connection) {
  std::lock_guard lock(mu_);
  connections_.insert(connection);
  if (interrupted_) throw duckdb::InterruptException();
}
bool Runtime::interrupted() {
  std::lock_guard lock(mu_);
  return interrupted_;
}
void Runtime::add_accumulator(std::string pickled) {
  std::lock_guard lock(mu_);
  accumulators_.push_back(std::move(pickled));
}
std::vector<std::string> Runtime::take_accumulators() {
  std::lock_guard lock(mu_);
  return std::exchange(accumulators_, {});
}
void Runtime::remove(duckdb::Connection* connection) {
  std::lock_guard lock(mu_);
  connections_.erase(connection);
}

void register_python_scan(duckdb::DatabaseInstance& database) {
  duckdb::TableFunction f("tarn_python", {duckdb::LogicalType::UBIGINT}, scan_function, bind, init_global, init_local);
  f.projection_pushdown = true;
  f.get_partition_data = partition_data;
  duckdb::ExtensionLoader loader(database, "tarn");
  loader.RegisterFunction(f);
}

PythonScanHandle::PythonScanHandle(std::shared_ptr<const PythonScan> scan) {
  std::lock_guard lock(registry_mu);
  id_ = next_handle++;
  registry[id_] = std::move(scan);
}
PythonScanHandle::~PythonScanHandle() {
  std::shared_ptr<const PythonScan> last;
  std::lock_guard lock(registry_mu);
  auto it = registry.find(id_);
  if (it == registry.end()) return;
  last = std::move(it->second);
  registry.erase(it);
}
std::string PythonScanHandle::sql() const { return "tarn_python(" + std::to_string(id_) + "::UBIGINT)"; }

}  // namespace tarn::engine::python_functions
