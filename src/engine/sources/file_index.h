#pragma once
// Which files a read consists of, and the values of their partition columns. Source: InMemoryFileIndex, PartitioningUtils.
#include <optional>
#include <string>
#include <vector>

#include "engine/sources/options.h"
#include "plan/types.h"

namespace duckdb {
class Value;
}
namespace tarn::plan {
class SessionConf;
}

namespace tarn::engine::sources {

struct DataFile {
  std::string path;            // absolute on the local disk, or a URI
  int64_t size = 0;
  int64_t modified_ms = 0;
  std::string tag;             // of this content, as storage::FileInfo has it
  size_t partition = 0;        // index into FileIndex::partitions, meaningless without partition columns

  std::string display() const;                 // "file:/tmp/x", "s3a://b/x"
  std::string url() const;                     // "file:///tmp/x%20y", "s3a://b/x%20y": input_file_name(), df.inputFiles()
  std::string encoded() const;                 // "file:/tmp/x%20y", "s3a://b/x%20y": _metadata.file_path
};

struct FileIndex {
  std::vector<DataFile> files;                           // in the order in which they are read; empty ones included
  std::vector<plan::StructField> partition_fields;
  std::vector<std::vector<std::optional<std::string>>> partitions;  // per partition and field: unescaped text, nullopt = null
  uint64_t total_size() const;
};

// Options: pathGlobFilter, modifiedBefore, modifiedAfter, recursiveFileLookup, basePath, timeZone, ignoreInvalidPartitionPaths.
// partition_columns: of a catalog table; then only these are read off directory names.
// Throws PATH_NOT_FOUND, CONFLICTING_*, EMPTY_PARTITION_COLUMN_*, …
FileIndex list_files(const std::vector<std::string>& paths, const Options& options, const std::optional<plan::DataType>& user_schema,
                     const std::optional<std::vector<std::string>>& partition_columns, const plan::SessionConf& conf);

// The value of a partition column as DuckDB holds it, by Spark's castPartValueToDesiredType.
duckdb::Value partition_value(const plan::StructField& field, const std::optional<std::string>& text, const plan::SessionConf& conf,
                              const std::string& zone);

}  // namespace tarn::engine::sources
