#pragma once
// The seam between the Spark Connect service and the engine: what one Spark session can be asked.
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "plan/types.h"

namespace arrow {
class RecordBatch;
class Schema;
}  // namespace arrow
namespace google::protobuf {
class Message;
}
namespace spark::connect {
class Plan;
class AnalyzePlanRequest;
class AnalyzePlanResponse;
class ExecutePlanResponse;
}  // namespace spark::connect

namespace tarn::catalog {
class Catalog;
}
namespace tarn::plan {
class SessionConf;
}

namespace tarn::engine {

// Asks a running operation to end. Thread-safe. The operation ends with SparkError OPERATION_CANCELED.
class CancelToken {
 public:
  void cancel();                                      // idempotent; runs the callbacks
  bool cancelled() const { return cancelled_; }
  void throw_if_cancelled() const;                    // SparkError OPERATION_CANCELED (HY008)
  // Runs now if already cancelled. The returned id removes it again; remove() waits for a callback that is running.
  int on_cancel(std::function<void()> callback);
  void remove(int id);

 private:
  std::atomic<bool> cancelled_{false};
  std::mutex mu_;
  std::map<int, std::function<void()>> callbacks_;  // guarded by mu_
  int next_ = 0;
};

struct Progress {
  int64_t completed_tasks = 0, total_tasks = 0, running_tasks = 0;
  int64_t input_bytes = 0;
  double fraction = -1;  // 0..1, -1 unknown
};

// Where an execution puts its answer, in order: either schema() and then batches, or messages. Calls block while the client is
// slow (that is the back-pressure) and throw SparkError OPERATION_CANCELED when the client is gone.
class ResultSink {
 public:
  virtual ~ResultSink() = default;
  // Once, before the first batch. arrow: the schema every batch has.
  virtual void schema(const plan::DataType& type, const std::shared_ptr<arrow::Schema>& arrow) = 0;
  virtual void batch(const std::shared_ptr<arrow::RecordBatch>& batch) = 0;
  // The same, when nothing comes after it: it can travel with what ends the answer.
  virtual void last_batch(const std::shared_ptr<arrow::RecordBatch>& last) { batch(last); }
  // The answer of a command (sql_command_result, write_stream_operation_start_result, checkpoint_command_result ...):
  // a response with only response_type set; the service fills in ids.
  virtual void message(const spark::connect::ExecutePlanResponse& response) = 0;
};

struct ExecuteOptions {
  std::string operation_id;
  std::vector<std::string> tags;
};

// The temporary artifacts of one session: names as clients send them ("cache/<hash>", "pyfiles/a.py", "files/x", "archives/y.zip#z").
// Thread-safe. Contents lie in a directory of the session, which ends with it.
class ArtifactStore {
 public:
  explicit ArtifactStore(std::string directory);
  ~ArtifactStore();
  bool has(const std::string& name) const;
  // Atomically: a half-written artifact is never seen. SparkError for a name that leaves the directory (path traversal).
  void put(const std::string& name, const std::string& content);
  // The same with a file, made with new_file(), that is taken over (it is gone afterwards, also after an error).
  void adopt(const std::string& name, const std::string& file);
  // The path of a file that does not exist yet, in this store's directory but not an artifact.
  std::string new_file() const;
  // The file that holds it; SparkError if there is none.
  std::string path(const std::string& name) const;
  std::vector<std::string> names(const std::string& prefix) const;
  const std::string& directory() const { return directory_; }
  void copy_from(const ArtifactStore& other);

 private:
  std::string resolve(const std::string& name) const;
  std::string directory_;
  mutable std::mutex mu_;
};

struct EngineOptions {
  std::string home;                    // holds the catalog (tarn.db), the warehouse folder, spill and artifact folders
  std::string warehouse;               // default home/warehouse
  std::string memory_limit;            // DuckDB syntax, "4GB"; empty = DuckDB's default
  int threads = 0;                     // 0 = all
  std::string python;                  // the interpreter of Python functions; empty: PYSPARK_PYTHON, else python3
};

class Session;

// One per process: the DuckDB database, the catalog, the registries. Thread-safe.
struct CacheUsage;

class Engine {
 public:
  explicit Engine(EngineOptions options);
  ~Engine();
  std::shared_ptr<Session> new_session(const std::string& user, const std::string& session_id);
  catalog::Catalog& catalog();
  const EngineOptions& options() const;
  // Thread-safe, a few milliseconds.
  CacheUsage cache_usage() const;

 private:
  friend class Session;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// One Spark session: its configuration, temporary views, functions, variables, current catalog. Several operations may run in it
// at once (thread-safe); it outlives them by shared_ptr.
class Session : public std::enable_shared_from_this<Session> {
 public:
  ~Session();
  const std::string& user() const;
  const std::string& id() const;
  plan::SessionConf& conf();
  ArtifactStore& artifacts();

  // Runs a plan (relation or command, not compressed) to its end on the calling thread. Throws SparkError.
  // The calling thread has a stack of at least 64 MB (operations run on their own threads).
  void execute(const spark::connect::Plan& plan, const ExecuteOptions& options, ResultSink& sink, CancelToken& cancel);
  // Every AnalyzePlanRequest kind; fills only the result field. Throws SparkError.
  void analyze(const spark::connect::AnalyzePlanRequest& request, spark::connect::AnalyzePlanResponse* response);
  // Observed metrics and progress of an operation that is running or has just ended, in the wire form the service sends.
  Progress progress(const std::string& operation_id) const;
  void observed_metrics(const std::string& operation_id, spark::connect::ExecutePlanResponse* response) const;
  // A new session with a copy of conf, temporary views, functions, variables and current namespace.
  std::shared_ptr<Session> clone(const std::string& new_session_id);
  // Everything the session holds (cached data, temp views, streams) ends. Later calls throw INVALID_HANDLE.SESSION_CLOSED.
  void close();

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  friend class Engine;
  Session() = default;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tarn::engine
