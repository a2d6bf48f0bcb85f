#pragma once
// Where persisted data lies. Source: StorageLevel.
#include <string>

namespace spark::connect {
class StorageLevel;
}

namespace tarn::engine {

struct StorageLevel {
  bool disk = false, memory = false, off_heap = false, deserialized = false;
  int replication = 1;

  // By name in any case ("MEMORY_AND_DISK", which is deserialized, "MEMORY_AND_DISK_SER", "DISK_ONLY_2" …). Throws
  // SparkError (an IllegalArgumentException) for another name.
  static StorageLevel named(const std::string& name);
  static StorageLevel from_proto(const spark::connect::StorageLevel& level);
  void to_proto(spark::connect::StorageLevel* level) const;
  // "StorageLevel(disk, memory, deserialized, 1 replicas)"
  std::string text() const;
  // StorageLevel.NONE: nothing is kept.
  bool none() const { return !disk && !memory && !off_heap; }
  // Memory is not to hold it: the rows go to a file from the start. Everything else stays in memory until that is short.
  bool disk_only() const { return disk && !memory && !off_heap; }
};

}  // namespace tarn::engine
