#pragma once
// The Spark schema of a Parquet file, from its footer. Source: ParquetFileFormat.inferSchema, ParquetToSparkSchemaConverter.
#include <optional>
#include <string>
#include <vector>

#include "engine/sources/file_index.h"
#include "engine/sources/scan.h"

namespace tarn::engine::sources {

struct ParquetSchemaOptions {
  bool binary_as_string = false, infer_ntz = true, nanos_as_long = false;
  static ParquetSchemaOptions of(const plan::SessionConf& conf);
};

// SparkError FAILED_READ_FILE.CANNOT_READ_FILE_FOOTER when the file is no Parquet file, or PARQUET_TYPE_NOT_SUPPORTED and the like.
plan::DataType parquet_file_schema(const DataFile& file, const ParquetSchemaOptions& options);

// Spark's StructType.merge: fields of both, by name. SparkError CANNOT_MERGE_SCHEMAS when types differ.
plan::DataType merge_file_schemas(const plan::DataType& left, const plan::DataType& right, bool case_sensitive);

// The schema of the files: of one of them, or of all when merge is on. nullopt: there is no file.
std::optional<plan::DataType> infer_parquet_schema(const std::vector<DataFile>& files, bool merge, const ParquetSchemaOptions& options,
                                                   const ScanSettings& settings, bool case_sensitive);

}  // namespace tarn::engine::sources
