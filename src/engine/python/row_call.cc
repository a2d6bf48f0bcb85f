#include "engine/python/row_call.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <atomic>
#include <unordered_map>

#include "base/spark_error.h"
#include "duckdb.hpp"
#include "duckdb/execution/expression_executor.hpp"
#include "duckdb/main/extension/extension_loader.hpp"
#include "duckdb/planner/expression/bound_function_expression.hpp"
#include "engine/arrow_export.h"
#include "engine/error_map.h"
#include "engine/python/result_rows.h"
#include "engine/python/task.h"
#include "engine/type_mapping.h"
#include "python/eval_type.h"

namespace tarn::engine::python_functions {

namespace {

struct Call {
  std::shared_ptr<const PythonScan> scan;
  bool deterministic = true;
  std::atomic<int> partitions{0};
};

// Never destroyed: handles may go while the process exits.
std::mutex& registry_mu = *new std::mutex;
std::unordered_map<uint64_t, std::shared_ptr<Call>>& registry = *new std::unordered_map<uint64_t, std::shared_ptr<Call>>;
uint64_t next_handle = 1;  // guarded by registry_mu, as is registry

struct BindData : duckdb::FunctionData {
  std::shared_ptr<Call> call;
  duckdb::unique_ptr<duckdb::FunctionData> Copy() const override {
    auto copy = duckdb::make_uniq<BindData>();
    copy->call = call;
    return copy;
  }
  bool Equals(const duckdb::FunctionData& other) const override { return call == other.Cast<BindData>().call; }
};

plan::DataType input_type(const PythonScan& scan) {
  std::vector<plan::StructField> fields;
  for (const auto& c : scan.sent) fields.push_back(plan::make_field(c.name, c.type, true));
  return plan::DataType::structure(std::move(fields));
}

struct LocalState : duckdb::FunctionLocalState {
  LocalState(duckdb::ClientContext& c, std::shared_ptr<Call> which)
      : context(c), call(std::move(which)), input(input_type(*call->scan), call->scan->zone, call->scan->large_types, c), result(c) {
    if (python::eval_type::is_wrapped(call->scan->header.eval_type)) throw internal_error("a Python function of rows over wrapped rows");
  }
  // The worker goes back to its pool if it can be brought to the end of its task.
  ~LocalState() override {
    if (!task || context.IsInterrupted()) return;
    try {
      task->finish(input.schema());
      while (task->next()) {
      }
    } catch (...) {  // the worker ends with its task
    }
  }
  duckdb::ClientContext& context;
  std::shared_ptr<Call> call;
  ArrowExport input;
  ResultRows result;
  std::unique_ptr<Task> task;
};

duckdb::unique_ptr<duckdb::FunctionData> bind(duckdb::ClientContext& context, duckdb::ScalarFunction& bound,
                                              duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& arguments) {
  auto data = duckdb::make_uniq<BindData>();
  auto id = duckdb::ExpressionExecutor::EvaluateScalar(context, *arguments.at(0)).GetValue<uint64_t>();
  {
    std::lock_guard lock(registry_mu);
    auto it = registry.find(id);
    if (it == registry.end()) throw duckdb::InvalidInputException("the Python function is gone");
    data->call = it->second;
  }
  const auto& scan = *data->call->scan;
  for (const auto& c : scan.sent) bound.arguments.push_back(to_duckdb(c.type));
  bound.SetReturnType(to_duckdb(scan.results.at(0)));
  // Never computed while planning, even over constants.
  bound.SetStability(data->call->deterministic ? duckdb::FunctionStability::CONSISTENT_WITHIN_QUERY : duckdb::FunctionStability::VOLATILE);
  return data;
}

duckdb::unique_ptr<duckdb::FunctionLocalState> init_local(duckdb::ExpressionState& state, const duckdb::BoundFunctionExpression&, duckdb::FunctionData* data) {
  return duckdb::make_uniq<LocalState>(state.GetContext(), data->Cast<BindData>().call);
}

void compute(duckdb::DataChunk& args, LocalState& l, duckdb::Vector& result) {
  const auto& scan = *l.call->scan;
  const auto rows = args.size();
  duckdb::DataChunk sent;
  duckdb::vector<duckdb::LogicalType> types;
  for (const auto& c : scan.sent) types.push_back(to_duckdb(c.type));
  if (!types.empty()) sent.InitializeEmpty(types);
  for (size_t c = 0; c < types.size(); ++c) sent.data[c].Reference(args.data[c + 1]);
  sent.SetCardinality(rows);
  sent.Flatten();
  l.input.append(sent, 0, rows);
  if (!l.task) {
    l.task = std::make_unique<Task>(scan, l.call->partitions++, [&context = l.context] { return context.IsInterrupted(); });
  }
  l.task->send(l.input.take());
  // A function of iterators may keep results back until its input ends.
  if (scan.iterator) l.task->finish(l.input.schema());
  duckdb::idx_t done = 0;
  result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
  while (done < rows) {
    auto batch = l.task->next();
    if (!batch) throw SparkError::Plain(ErrorKind::kPython, "The Python function returned fewer rows than it was given.");
    l.result.take(scan, batch, false);
    if (l.result.left() > rows - done) throw SparkError::Plain(ErrorKind::kPython, "The Python function returned more rows than it was given.");
    while (l.result.left() > 0) {
      auto n = l.result.convert(scan, STANDARD_VECTOR_SIZE);
      duckdb::VectorOperations::Copy(l.result.chunk().data[0], result, n, 0, done);
      done += n;
    }
  }
  if (scan.iterator) {
    while (auto batch = l.task->next()) {
      if (batch->num_rows() > 0) throw SparkError::Plain(ErrorKind::kPython, "The Python function returned more rows than it was given.");
    }
    l.task.reset();
  }
}

void execute(duckdb::DataChunk& args, duckdb::ExpressionState& state, duckdb::Vector& result) {
  auto& l = duckdb::ExecuteFunctionState::GetFunctionState(state)->Cast<LocalState>();
  if (args.size() == 0) return;
  try {
    compute(args, l, result);
  } catch (const SparkError& e) {
    l.task.reset();
    throw duckdb::InvalidInputException(kernel_error_text(e));
  } catch (const python::WorkerInterrupted&) {
    l.task.reset();
    throw duckdb::InterruptException();
  } catch (...) {
    l.task.reset();
    throw;
  }
}

}  // namespace

void register_row_call(duckdb::DatabaseInstance& database) {
  duckdb::ScalarFunction f("tarn_python_row", {duckdb::LogicalType::UBIGINT}, duckdb::LogicalType::ANY, execute, bind, nullptr, nullptr, init_local,
                           duckdb::LogicalType::ANY);
  f.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  f.SetFallible();
  duckdb::ExtensionLoader loader(database, "tarn");
  loader.RegisterFunction(f);
}

RowCallHandle::RowCallHandle(std::shared_ptr<const PythonScan> scan, bool deterministic) {
  auto call = std::make_shared<Call>();
  call->scan = std::move(scan);
  call->deterministic = deterministic;
  std::lock_guard lock(registry_mu);
  id_ = next_handle++;
  registry[id_] = std::move(call);
}
RowCallHandle::~RowCallHandle() {
  std::shared_ptr<Call> last;
  std::lock_guard lock(registry_mu);
  auto it = registry.find(id_);
  if (it == registry.end()) return;
  last = std::move(it->second);
  registry.erase(it);
}
std::string RowCallHandle::sql(const std::vector<std::string>& arguments) const {
  std::string out = "tarn_python_row(" + std::to_string(id_) + "::UBIGINT";
  for (const auto& a : arguments) out += ", " + a;
  return out + ")";
}

}  // namespace tarn::engine::python_functions
