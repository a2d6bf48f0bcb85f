#pragma once
// df.write.format(csv | json | text | parquet).save(path). Source: InsertIntoHadoopFsRelationCommand, FileFormatWriter.
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "plan/logical_plan.h"
#include "plan/types.h"

namespace duckdb {
class Connection;
}
namespace tarn::plan {
class SessionConf;
}

namespace tarn::engine::sinks {

struct WriteRequest {
  std::string format;                       // short name, any case
  std::string path;                         // a local path or a URI that storage/ knows
  std::vector<std::pair<std::string, std::string>> options;
  plan::SaveMode mode = plan::SaveMode::kErrorIfExists;
  std::vector<std::string> partition_by;    // names in schema
  std::string query;                        // DuckDB SQL; its columns are schema's, in order, with the types of ARCHITECTURE.md
  plan::DataType schema;                    // struct
  // PARTITION (k = 'v') of INSERT OVERWRITE: only this part of the target is replaced. Names in partition_by.
  std::vector<std::pair<std::string, std::string>> static_partition = {};
};

struct WriteResult {
  int64_t rows = 0;
  int64_t bytes = 0;
  std::vector<std::string> files;           // absolute paths of the part files
};

// Runs the query on the connection and writes the rows. cancelled is asked now and then; when it answers true the write ends with
// OPERATION_CANCELED and leaves the target as it was. Throws SparkError: PATH_ALREADY_EXISTS, UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE,
// ALL_PARTITION_COLUMNS_NOT_ALLOWED, ...
WriteResult write_files(const WriteRequest& request, const plan::SessionConf& conf, duckdb::Connection& connection,
                        const std::function<bool()>& cancelled = {});

}  // namespace tarn::engine::sinks
