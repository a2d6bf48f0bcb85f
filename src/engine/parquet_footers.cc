#include "engine/parquet_footers.h"

#include <sys/stat.h>

#include <mutex>
#include <unordered_map>

#include "duckdb/common/string_util.hpp"
#include "duckdb/main/client_context.hpp"
#include "parquet_reader.hpp"

namespace tarn::engine {
namespace {

constexpr size_t kMaxKept = 4096;

std::mutex kept_mu;
std::unordered_map<std::string, std::shared_ptr<const ParquetFooter>> kept;  // by path and version; guarded by kept_mu

// Another one for every version of the file; empty: there is no such file.
std::string key_of(const std::string& path) {
  struct stat s;
  if (::stat(path.c_str(), &s) != 0) return "";
  return path + '\n' + std::to_string(s.st_size) + '\n' + std::to_string(s.st_mtim.tv_sec) + '.' + std::to_string(s.st_mtim.tv_nsec) + '\n' +
         std::to_string(s.st_ino);
}

std::shared_ptr<const ParquetFooter> read(duckdb::ClientContext& context, const std::string& path) {
  auto footer = std::make_shared<ParquetFooter>();
  try {
    duckdb::ParquetReader reader(context, duckdb::OpenFileInfo(path), duckdb::ParquetOptions(context));
    footer->rows = reader.NumRows();
    for (const auto& c : reader.columns) {
      ParquetFooter::Column column{c.name, nullptr};
      if (!c.type.IsNested()) {
        if (auto s = reader.ReadStatistics(c.name)) column.statistics = std::make_unique<const duckdb::BaseStatistics>(s->Copy());
      }
      footer->columns.push_back(std::move(column));
    }
  } catch (const std::exception&) {
    return nullptr;
  }
  return footer;
}

}  // namespace

const duckdb::BaseStatistics* ParquetFooter::statistics_of(const std::string& name) const {
  const duckdb::BaseStatistics* found = nullptr;
  for (const auto& c : columns) {
    if (!duckdb::StringUtil::CIEquals(c.name, name)) continue;
    if (found) return nullptr;  // two columns that differ in case alone
    found = c.statistics.get();
  }
  return found;
}

std::shared_ptr<const ParquetFooter> parquet_footer(duckdb::ClientContext& context, const std::string& local_path) {
  std::string key = key_of(local_path);
  if (key.empty()) return nullptr;
  {
    std::lock_guard lock(kept_mu);
    if (auto it = kept.find(key); it != kept.end()) return it->second;
  }
  auto footer = read(context, local_path);
  if (!footer) return nullptr;
  std::lock_guard lock(kept_mu);
  if (kept.size() >= kMaxKept) kept.clear();
  kept[key] = footer;
  return footer;
}

}  // namespace tarn::engine
