#pragma once
#include <cstdint>

namespace tarn::engine {

// What cache(), persist() and checkpoint() keep at the moment, for all sessions.
struct CacheUsage {
  uint64_t relations = 0;       // asked to be kept
  uint64_t materialized = 0;    // of these: whose rows are there
  uint64_t checkpoints = 0;
  uint64_t rows = 0;            // that are there, checkpoints included
  uint64_t memory_bytes = 0;    // of tables in memory; estimated by the database
  uint64_t disk_bytes = 0;      // spilled, or persisted on disk
};

}  // namespace tarn::engine
