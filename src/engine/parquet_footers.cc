#include "engine/parquet_footers.h"

#include "base/file_cache.h"
#include "duckdb/common/string_util.hpp"
#include "duckdb/main/client_context.hpp"
#include "parquet_reader.hpp"

namespace tarn::engine {
namespace {

FileCache<ParquetFooter> kept(4096);

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
  const std::string version = file_version(local_path);
  if (version.empty()) return nullptr;
  if (auto footer = kept.find(version)) return footer;
  auto footer = read(context, local_path);
  return footer ? kept.keep(version, footer) : nullptr;
}

}  // namespace tarn::engine
