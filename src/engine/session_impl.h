#pragma once
// What Engine and Session are made of. Internal to the room.
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>

#include "catalog/catalog.h"
#include "engine/cache.h"
#include "engine/database.h"
#include "engine/session.h"
#include "engine/values.h"
#include "plan/analyzer.h"
#include "plan/session_conf.h"
#include "python/worker_pool.h"

namespace duckdb {
class Connection;
}

namespace tarn::engine {

// Everything sessions share; lives until the last of them has ended.
struct EngineState {
  explicit EngineState(EngineOptions o);
  EngineOptions options;
  Database database;
  catalog::Catalog catalog;
  plan::GlobalViews global_views;
  CacheStore cache{database, options.home + "/spill"};
  python::WorkerPool workers;          // of Python functions
};

struct Engine::Impl {
  std::shared_ptr<EngineState> state;
};

struct ObservedMetric {
  std::string name;
  int64_t plan_id = 0;
  plan::DataType schema;
  Row values;
};

// An operation that is running or has just ended.
struct OperationState {
  duckdb::Connection* connection = nullptr;  // guarded by Session::Impl::operations_mu; null when it has ended
  std::vector<ObservedMetric> metrics;       // guarded by Session::Impl::operations_mu
  uint64_t sequence = 0;
};

// spark.dataSource.register: a pickled subclass of pyspark.sql.datasource.DataSource.
struct PythonDataSource {
  std::string command, python_version;
};

struct Session::Impl {
  Impl(std::shared_ptr<EngineState> e, std::string u, std::string i, std::string artifact_directory)
      : engine(std::move(e)), user(std::move(u)), id(std::move(i)), artifacts(std::move(artifact_directory)) {}
  std::shared_ptr<EngineState> engine;
  const std::string user, id;
  plan::SessionConf conf;
  plan::SessionState state;
  ArtifactStore artifacts;
  std::atomic<bool> closed{false};
  std::atomic<uint64_t> changes{0};          // counts commands: what was analyzed before one may mean something else now

  mutable std::mutex operations_mu;
  std::unordered_map<std::string, OperationState> operations;  // guarded by operations_mu; the last 100
  uint64_t next_operation = 0;                                 // guarded by operations_mu

  mutable std::mutex python_sources_mu;
  std::map<std::string, PythonDataSource> python_sources;      // by lower-cased name. guarded by python_sources_mu

  std::mutex relations_mu;
  std::map<std::string, plan::PlanPtr> cached_relations;       // checkpoints by relation id. guarded by relations_mu
  std::set<std::string> kept_handles;                          // of this session's checkpoints. guarded by relations_mu

  struct Analyzed {
    std::string key;
    plan::PlanPtr plan;
    uint64_t changes;
    std::chrono::steady_clock::time_point at;
  };
  std::mutex analyzed_mu;
  std::vector<Analyzed> analyzed;                              // most recent last. guarded by analyzed_mu
};

}  // namespace tarn::engine
