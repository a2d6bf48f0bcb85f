#pragma once
// Reading CSV: rows of files, and the schema of files. Source: UnivocityParser, CSVInferSchema, CSVDataSource.
#include <memory>
#include <vector>

#include "engine/sources/csv_options.h"
#include "engine/sources/scan.h"

namespace tarn::engine::sources {

// schema: of the files, with the corrupt record column if the user named it.
std::shared_ptr<const RowFormat> make_csv_format(std::shared_ptr<const CsvOptions> options, plan::DataType schema);

// Column names from the first record, types if inferSchema is on. nullopt: there is no file.
std::optional<plan::DataType> infer_csv_schema(const std::vector<DataFile>& files, const CsvOptions& options, const ScanSettings& settings);

// What from_csv and schema_of_csv need of the same rules.
plan::DataType infer_csv_type(const plan::DataType& so_far, std::string_view field, const CsvOptions& options);

}  // namespace tarn::engine::sources
