#pragma once
// One task of a worker: Arrow batches in, Arrow batches out.
#include <memory>
#include <string>
#include <vector>

#include "python/worker_pool.h"

namespace arrow {
class RecordBatch;
class RecordBatchReader;
class Schema;
namespace ipc {
class RecordBatchWriter;
}
}  // namespace arrow

namespace tarn::engine::python_functions {

struct PythonScan;
class StateServer;

// Used by one thread. Errors of the user's code and of the process are SparkErrors (PythonException).
class Task {
 public:
  // interrupted: asked a few times a second while the worker computes.
  Task(const PythonScan& scan, int partition, std::function<bool()> interrupted);
  ~Task();
  // A batch of the one stream that shapes without groups have.
  void send(const std::shared_ptr<arrow::RecordBatch>& batch);
  // A group: a stream of its own for each side.
  void send_group(const std::vector<std::vector<std::shared_ptr<arrow::RecordBatch>>>& sides, const std::vector<std::shared_ptr<arrow::Schema>>& schemas);
  // There is nothing more to send. schema: of the stream, for tasks that were sent nothing.
  void finish(const std::shared_ptr<arrow::Schema>& schema);
  bool readable() { return worker_->readable(); }
  bool sending() const { return worker_->sending(); }
  void wait();
  // The next batch of results; null after the last. The worker then goes back to its pool.
  std::shared_ptr<arrow::RecordBatch> next();

 private:
  class Input;
  class Output;
  [[noreturn]] void fail_with_exception();
  [[noreturn]] void fail_dead();
  [[noreturn]] void fail_garbage(const std::string& why);
  template <class F> auto guarded(F&& f);
  int32_t read_int();
  std::string read_string();
  void end();
  const PythonScan& scan_;
  std::unique_ptr<python::Worker> worker_;
  std::unique_ptr<StateServer> state_;             // of a stateful processor
  std::shared_ptr<Input> input_;
  std::shared_ptr<Output> output_;
  std::shared_ptr<arrow::ipc::RecordBatchWriter> writer_;
  std::shared_ptr<arrow::RecordBatchReader> reader_;
  bool ended_ = false;
};

}  // namespace tarn::engine::python_functions
