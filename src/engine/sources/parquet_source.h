#pragma once
// Parquet files through DuckDB's reader. Source: ParquetFileFormat, ParquetToSparkSchemaConverter.
#include "engine/sources/scan.h"

namespace tarn::engine::sources {

// user: the user's schema without partition columns.
std::shared_ptr<const FileRelation> load_parquet(FileIndex index, const std::optional<plan::DataType>& user, const Options& options,
                                                 const ScanSettings& settings, const plan::SessionConf& conf);

}  // namespace tarn::engine::sources
