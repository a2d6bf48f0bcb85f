#pragma once
// One execution in a session: its DuckDB connection, its analyzer context, its cancellation; what commands ask of the engine.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/commands/commands.h"
#include "engine/database.h"
#include "engine/plan_fingerprint.h"
#include "engine/session.h"
#include "engine/session_impl.h"
#include "storage/settings.h"

namespace arrow {
class Table;
}
namespace duckdb {
class DataChunk;
class QueryResult;
}  // namespace duckdb
namespace spark::connect {
class Relation;
}

namespace tarn::engine {

namespace python_functions {
struct Runtime;
}

// Used by one thread.
class Operation : public commands::CommandHost {
 public:
  Operation(Session::Impl& session, CancelToken& cancel, std::string operation_id = {});
  ~Operation() override;

  // The plan of a relation. Catalog relations in it are executed.
  plan::PlanPtr analyze(const spark::connect::Relation& relation);
  // Runs a plan, calls on_schema before and on_batch for every Arrow batch of the result.
  void stream(const plan::PlanPtr& plan, ResultSink& sink);
  std::shared_ptr<arrow::Table> collect_table(const plan::PlanPtr& plan);
  // Keeps the rows of a plan; lazily: when they are first used. Returns the handle of Cached nodes.
  std::string checkpoint(const plan::PlanPtr& plan, bool eager, const StorageLevel& level);
  // A statement of DuckDB; throws SparkError.
  void run(const std::string& sql);

  // ---- CommandHost
  plan::AnalyzerContext& analyzer() override { return *analyzer_; }
  plan::SessionConf& conf() override { return session_.conf; }
  duckdb::Connection& connection() override { return *connection_; }
  bool cancelled() override { return cancel_.cancelled(); }
  std::string session_id() override { return session_.id; }
  commands::LoweredSql lower(const plan::PlanPtr& plan) override;
  std::string lower_expression(const plan::ExprPtr& expression) override;
  std::vector<Row> collect(const plan::PlanPtr& plan) override;
  std::string explain(const plan::PlanPtr& plan, const std::string& mode) override;
  void cache(const plan::PlanPtr& plan, const StorageLevel& level, bool lazy) override;
  bool uncache(const plan::PlanPtr& plan, bool cascade) override;
  bool is_cached(const plan::PlanPtr& plan) override;
  void clear_cache() override;
  void invalidate(const std::string& location, bool uncached) override;

  Session::Impl& session() { return session_; }

 private:
  plan::PlanPtr with_cached_data(const plan::PlanPtr& plan);
  plan::PlanPtr with_cached_data_inner(const plan::PlanPtr& plan);
  plan::PlanPtr with_cached_inputs(const plan::PlanPtr& plan);
  void fill(const KeptTable& table, const plan::PlanPtr& plan);
  FingerprintContext fingerprint_context() const;
  void observe(const plan::PlanPtr& plan);
  commands::LoweredSql lower_prepared(const plan::PlanPtr& plan);
  // Runs SQL whose columns are these types; on_chunk sees every chunk.
  void run_query(const commands::LoweredSql& query, const plan::DataType& type, const std::function<void(duckdb::DataChunk&)>& on_chunk);
  // The same for the query of a plan: errors say where in the user's text they came from.
  void run_query(const plan::PlanPtr& plan, const commands::LoweredSql& query, const plan::DataType& type, const std::function<void(duckdb::DataChunk&)>& on_chunk);

  Session::Impl& session_;
  storage::SettingsScope storage_;  // the thread of an operation works with its session's credentials
  CancelToken& cancel_;
  std::string operation_id_;
  ConnectionPtr connection_;
  std::unique_ptr<plan::SourceResolver> sources_;
  std::unique_ptr<plan::AnalyzerContext> analyzer_;
  std::unordered_map<const plan::CollectMetrics*, std::string> observed_;  // the tables of their rows
  std::vector<std::shared_ptr<KeptTable>> pinned_;                         // kept while this operation runs
  std::vector<std::shared_ptr<const void>> expression_handles_;            // of what lower_expression has made
  std::shared_ptr<python_functions::Runtime> python_;                      // of Python functions
  int cancel_callback_ = -1;
};

}  // namespace tarn::engine
