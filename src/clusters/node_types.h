#pragma once
// The sizes that clusters come in and the runtimes that they may ask for. Names are those that existing definitions of clusters use; what
// runs is always this engine, within the threads and the memory of the size, as far as the machine has them.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

namespace tarn::clusters {

struct NodeType {
  const char* id;
  const char* description;
  const char* category;
  int cores;
  int memory_mb;
};
std::span<const NodeType> node_types();
const NodeType* find_node_type(std::string_view id);

struct RuntimeVersion {
  const char* key;
  const char* name;
};
std::span<const RuntimeVersion> runtime_versions();
bool is_runtime_version(std::string_view key);

struct NodeLimits {
  int threads = 0;
  int64_t memory_mb = 0;
};
// Workers that a spec has: num_workers, or the most that autoscale allows, as one process has its size from the start.
int64_t workers_of(const nlohmann::json& spec);
NodeLimits limits_of(const nlohmann::json& spec);

}  // namespace tarn::clusters
