#include "engine/storage_level.h"

#include <utility>

#include <spark/connect/common.pb.h>

#include <algorithm>
#include <cctype>
#include <string_view>

#include "base/spark_error.h"

namespace tarn::engine {

StorageLevel StorageLevel::named(const std::string& name) {
  std::string upper = name;
  std::transform(upper.begin(), upper.end(), upper.begin(), [](unsigned char c) { return std::toupper(c); });
  struct Named {
    std::string_view name;
    StorageLevel level;
  };
  static const Named kLevels[] = {
      {"NONE", {}},
      {"DISK_ONLY", {true, false, false, false, 1}},
      {"DISK_ONLY_2", {true, false, false, false, 2}},
      {"DISK_ONLY_3", {true, false, false, false, 3}},
      {"MEMORY_ONLY", {false, true, false, true, 1}},
      {"MEMORY_ONLY_2", {false, true, false, true, 2}},
      {"MEMORY_ONLY_SER", {false, true, false, false, 1}},
      {"MEMORY_ONLY_SER_2", {false, true, false, false, 2}},
      {"MEMORY_AND_DISK", {true, true, false, true, 1}},
      {"MEMORY_AND_DISK_2", {true, true, false, true, 2}},
      {"MEMORY_AND_DISK_SER", {true, true, false, false, 1}},
      {"MEMORY_AND_DISK_SER_2", {true, true, false, false, 2}},
      {"OFF_HEAP", {true, true, true, false, 1}},
  };
  for (const auto& l : kLevels) {
    if (l.name == upper) return l.level;
  }
  throw SparkError::Plain(ErrorKind::kIllegalArgument, "Invalid StorageLevel: " + upper);
}

StorageLevel StorageLevel::from_proto(const spark::connect::StorageLevel& level) {
  return {level.use_disk(), level.use_memory(), level.use_off_heap(), level.deserialized(), std::max(level.replication(), 1)};
}

void StorageLevel::to_proto(spark::connect::StorageLevel* level) const {
  level->set_use_disk(disk);
  level->set_use_memory(memory);
  level->set_use_off_heap(off_heap);
  level->set_deserialized(deserialized);
  level->set_replication(replication);
}

std::string StorageLevel::text() const {
  std::string out;
  for (const auto& [set, name] : {std::pair(disk, "disk, "), std::pair(memory, "memory, "), std::pair(off_heap, "offheap, "), std::pair(deserialized, "deserialized, ")}) {
    if (set) out += name;
  }
  return "StorageLevel(" + out + std::to_string(replication) + " replicas)";
}

}  // namespace tarn::engine
