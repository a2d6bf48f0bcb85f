#pragma once
// OPTIMIZE, VACUUM and RESTORE of Delta tables. Source: OptimizeTableCommand, VacuumCommand, RestoreTableCommand of Delta on Spark.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace duckdb {
class Connection;
}

namespace tarn::engine {

struct OptimizeResult {
  int64_t version = -1;  // -1: nothing to do
  int64_t files_added = 0, files_removed = 0, bytes_added = 0, bytes_removed = 0;
  int64_t partitions = 0;
};
// Packs small files of each partition into larger ones, and rewrites files with deletion vectors. partition_filter: DuckDB SQL over partition
// columns by name, empty = all; shown: its Spark text. zorder: columns to cluster rows by. Files change, data does not.
OptimizeResult optimize_delta(const std::string& path, const std::string& partition_filter, const std::string& shown, const std::vector<std::string>& zorder,
                              duckdb::Connection& connection);

struct VacuumResult {
  std::vector<std::string> paths;  // deleted, or with dry_run what would be
  int64_t bytes = 0;
};
// Deletes files under the table that no version within the retention needs. retention_hours: nothing = delta.deletedFileRetentionDuration.
// Throws DELTA_VACUUM_RETENTION_PERIOD_TOO_SHORT if it is shorter than that and check_retention.
VacuumResult vacuum_delta(const std::string& path, std::optional<double> retention_hours, bool dry_run, bool check_retention = true);

struct RestoreResult {
  int64_t version = -1;  // of the commit
  int64_t table_size_after_restore = 0, num_of_files_after_restore = 0, num_removed_files = 0, num_restored_files = 0, removed_files_size = 0,
          restored_files_size = 0;
};
// Makes the table as it was at a version: its files, schema and properties. timestamp: the text by which the version was found, if it was.
// Throws DELTA_VERSION_NOT_FOUND, or FAILED_READ_FILE.FILE_NOT_EXIST if a file of that version is gone.
RestoreResult restore_delta(const std::string& path, int64_t version, const std::optional<std::string>& timestamp = std::nullopt);

}  // namespace tarn::engine
