#pragma once
// Data kept by cache(), persist(), CACHE TABLE and checkpoint(). The rows lie in tables of the process's DuckDB database: in memory,
// and in its spill folder when memory_limit is reached; with DISK_ONLY in a database file of the spill folder from the start. Plans that
// contain a cached plan read its table instead. Source: CacheManager, InMemoryRelation.
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "engine/storage_level.h"
#include "plan/logical_plan.h"

namespace tarn::engine {

class Database;
struct CacheUsage;
struct FingerprintContext;

// The place of kept rows; the table is made by whoever fills it. The last owner drops it.
class KeptTable {
 public:
  KeptTable(Database& database, const std::string& schema);
  ~KeptTable();
  KeptTable(const KeptTable&) = delete;
  const std::string& name() const { return name_; }   // as SQL
 private:
  Database& database_;
  std::string name_;
};

// A checkpoint: rows that are kept under a handle. Lazy ones have a plan until they are first used.
struct Checkpoint {
  std::shared_ptr<KeptTable> table;
  std::mutex filling;      // held while the table is made
  plan::PlanPtr plan;      // null: the rows are there. guarded by filling
};

// One for all sessions, as Spark's CacheManager; what sessions that have ended asked for is released. Thread-safe.
class CacheStore {
 public:
  // spill: the folder for rows that are not to be in memory.
  CacheStore(Database& database, std::string spill) : database_(database), spill_(std::move(spill)) {}

  struct Entry {
    std::string key;                    // loose fingerprint
    plan::PlanPtr plan;
    StorageLevel level;
    std::set<std::string> sessions;     // that asked for it. guarded by CacheStore::mu_
    std::mutex filling;                 // held while the table is made
    std::string filled_with;            // exact fingerprint of the data; empty: not made yet. guarded by filling
    std::shared_ptr<KeptTable> table;   // guarded by filling
  };

  // Nothing but the session's interest if the plan is cached already. The rows are made when they are first asked for.
  void add(const plan::PlanPtr& plan, StorageLevel level, const FingerprintContext& context);
  // cascade: also what was made of the plan. False if there was none.
  bool remove(const plan::PlanPtr& plan, bool cascade, const FingerprintContext& context);
  std::shared_ptr<Entry> find(const plan::LogicalPlan& plan, const FingerprintContext& context) const;
  void clear();
  // What reads files at or below the location: forgotten, or emptied and made anew on the next use.
  void forget(const std::string& location);
  void refresh(const std::string& location);
  // Entries that no other session has asked for go.
  void end_session(const std::string& session);
  // True if no plan can contain kept data that has to be looked for or made.
  bool empty() const;

  CacheUsage usage() const;

  // An empty place for rows.
  std::shared_ptr<KeptTable> new_table(const StorageLevel& level);

  // Checkpoints by handle (Cached nodes).
  std::string keep(std::shared_ptr<Checkpoint> checkpoint);
  std::shared_ptr<Checkpoint> checkpoint(const std::string& handle) const;  // null if it is gone
  void release(const std::string& handle);

 private:
  using Entries = std::vector<std::shared_ptr<Entry>>;
  template <class Condition> Entries take(Condition condition);

  Database& database_;
  const std::string spill_;
  std::once_flag attached_;
  mutable std::mutex mu_;
  Entries entries_;                                                     // guarded by mu_
  std::map<std::string, std::shared_ptr<Checkpoint>> checkpoints_;      // guarded by mu_
};

}  // namespace tarn::engine
