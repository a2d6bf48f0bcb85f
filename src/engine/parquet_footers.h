#pragma once
// What the footers of local Parquet files say of rows and columns, remembered for files that have not changed since.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "duckdb/common/typedefs.hpp"
#include "duckdb/storage/statistics/base_statistics.hpp"

namespace duckdb {
class ClientContext;
}

namespace tarn::engine {

struct ParquetFooter {
  struct Column {
    std::string name;
    std::unique_ptr<const duckdb::BaseStatistics> statistics;  // of the file's own type; null: the file keeps none
  };
  duckdb::idx_t rows = 0;
  std::vector<Column> columns;  // the top level; none for nested ones

  // By a name in any case; null if there is none.
  const duckdb::BaseStatistics* statistics_of(const std::string& name) const;
};

// Null when the file cannot be read: whoever scans it says why. Thread-safe.
std::shared_ptr<const ParquetFooter> parquet_footer(duckdb::ClientContext& context, const std::string& local_path);

}  // namespace tarn::engine
