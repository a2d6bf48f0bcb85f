#pragma once
// Data kept by cache(), persist(), CACHE TABLE and checkpoint(): tables in the process's DuckDB database, which spills them to disk when
// memory is short. Plans that contain a cached plan read its table instead.
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "plan/logical_plan.h"

namespace duckdb {
class Connection;
}

namespace tarn::engine {

class Database;

// A table of kept rows. The last owner drops it.
class KeptTable {
 public:
  explicit KeptTable(Database& database);
  ~KeptTable();
  KeptTable(const KeptTable&) = delete;
  const std::string& name() const { return name_; }   // as SQL
 private:
  Database& database_;
  std::string name_;
};

// One for all sessions, as Spark's CacheManager. Thread-safe.
class CacheStore {
 public:
  explicit CacheStore(Database& database) : database_(database) {}

  struct Entry {
    std::string key;                    // loose fingerprint
    plan::PlanPtr plan;
    std::string storage_level;
    std::mutex filling;                 // held while the table is made
    std::string filled_with;            // exact fingerprint of the data; empty: not made yet. guarded by filling
    std::shared_ptr<KeptTable> table;   // guarded by filling
  };

  void add(const plan::PlanPtr& plan, const std::string& storage_level);   // nothing if it is there
  bool remove(const plan::PlanPtr& plan);
  std::shared_ptr<Entry> find(const plan::LogicalPlan& plan) const;
  void clear();
  void invalidate(const std::string& location);
  bool empty() const;
  std::vector<std::shared_ptr<Entry>> entries() const;

  // Tables by handle (Cached nodes).
  std::string keep(std::shared_ptr<KeptTable> table);
  std::shared_ptr<KeptTable> table(const std::string& handle) const;  // null if it is gone
  void release(const std::string& handle);

 private:
  Database& database_;
  mutable std::mutex mu_;
  std::vector<std::shared_ptr<Entry>> entries_;                                  // guarded by mu_
  std::vector<std::pair<std::string, std::shared_ptr<KeptTable>>> tables_;       // guarded by mu_
};

}  // namespace tarn::engine
