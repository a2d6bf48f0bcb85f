#include "clusters/node_types.h"

#include <unistd.h>

#include <algorithm>
#include <string>
#include <thread>

namespace tarn::clusters {
namespace {

constexpr NodeType kNodes[] = {
    {"tarn.small", "Tarn small", "General Purpose", 2, 4096},
    {"tarn.medium", "Tarn medium", "General Purpose", 4, 8192},
    {"tarn.large", "Tarn large", "General Purpose", 8, 32768},
    {"Standard_DS3_v2", "Standard_DS3_v2", "General Purpose", 4, 14336},
    {"Standard_DS4_v2", "Standard_DS4_v2", "General Purpose", 8, 28672},
    {"Standard_DS5_v2", "Standard_DS5_v2", "General Purpose", 16, 57344},
    {"Standard_D4s_v3", "Standard_D4s_v3", "General Purpose", 4, 16384},
    {"Standard_D4ds_v5", "Standard_D4ds_v5", "General Purpose", 4, 16384},
    {"Standard_D8ds_v5", "Standard_D8ds_v5", "General Purpose", 8, 32768},
    {"Standard_E4ds_v4", "Standard_E4ds_v4", "Memory Optimized", 4, 32768},
    {"Standard_E8ds_v4", "Standard_E8ds_v4", "Memory Optimized", 8, 65536},
    {"Standard_F4s", "Standard_F4s", "Compute Optimized", 4, 8192},
    {"i3.xlarge", "i3.xlarge", "Storage Optimized", 4, 31232},
    {"m5d.large", "m5d.large", "General Purpose", 2, 8192},
};
// Databricks Connect refuses a cluster whose version is below its own.
constexpr RuntimeVersion kRuntimes[] = {
    {"19.3.x-scala2.13", "19.3 (Tarn, as Apache Spark 4.2.0, Scala 2.13)"},
    {"18.3.x-scala2.13", "18.3 (Tarn, as Apache Spark 4.2.0, Scala 2.13)"},
    {"17.3.x-scala2.13", "17.3 LTS (Tarn, as Apache Spark 4.2.0, Scala 2.13)"},
    {"17.3.x-cpu-ml-scala2.13", "17.3 LTS ML (Tarn, as Apache Spark 4.2.0, Scala 2.13)"},
    {"16.4.x-scala2.13", "16.4 LTS (Tarn, as Apache Spark 4.2.0, Scala 2.13)"},
    {"16.4.x-scala2.12", "16.4 LTS (Tarn, as Apache Spark 4.2.0, Scala 2.12)"},
    {"15.4.x-scala2.12", "15.4 LTS (Tarn, as Apache Spark 4.2.0, Scala 2.12)"},
    {"15.4.x-cpu-ml-scala2.12", "15.4 LTS ML (Tarn, as Apache Spark 4.2.0, Scala 2.12)"},
    {"14.3.x-scala2.12", "14.3 LTS (Tarn, as Apache Spark 4.2.0, Scala 2.12)"},
    {"13.3.x-scala2.12", "13.3 LTS (Tarn, as Apache Spark 4.2.0, Scala 2.12)"},
};

}  // namespace

std::span<const NodeType> node_types() { return kNodes; }
std::span<const RuntimeVersion> runtime_versions() { return kRuntimes; }

const NodeType* find_node_type(std::string_view id) {
  auto it = std::find_if(std::begin(kNodes), std::end(kNodes), [&](const NodeType& n) { return id == n.id; });
  return it == std::end(kNodes) ? nullptr : it;
}

bool is_runtime_version(std::string_view key) {
  return std::any_of(std::begin(kRuntimes), std::end(kRuntimes), [&](const RuntimeVersion& r) { return key == r.key; });
}

int64_t workers_of(const nlohmann::json& spec) {
  auto integer = [](const nlohmann::json& object, const char* field) {
    auto it = object.find(field);
    return it != object.end() && it->is_number_integer() ? std::max<int64_t>(0, it->get<int64_t>()) : 0;
  };
  auto scale = spec.find("autoscale");
  return scale != spec.end() && scale->is_object() ? integer(*scale, "max_workers") : integer(spec, "num_workers");
}

NodeLimits limits_of(const nlohmann::json& spec) {
  std::string id = spec.contains("node_type_id") && spec["node_type_id"].is_string() ? spec["node_type_id"].get<std::string>() : "";
  const NodeType* node = find_node_type(id);
  if (!node) node = &kNodes[0];
  int nodes = 1 + static_cast<int>(std::min<int64_t>(workers_of(spec), 1000));
  int machine = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  int64_t memory = static_cast<int64_t>(::sysconf(_SC_PHYS_PAGES)) / 1024 * ::sysconf(_SC_PAGESIZE) / 1024;
  return {std::min(node->cores * nodes, machine), std::min<int64_t>(static_cast<int64_t>(node->memory_mb) * nodes, memory * 3 / 4)};
}

}  // namespace tarn::clusters
