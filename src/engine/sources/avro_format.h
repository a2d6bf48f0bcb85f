#pragma once
// Reading Avro's container files. Source: AvroFileFormat, AvroUtils, AvroOptions.
#include <memory>
#include <optional>
#include <vector>

#include "engine/sources/scan.h"
#include "plan/avro_schema.h"

namespace tarn::engine::sources {

struct AvroReadOptions {
  plan::avro::ReadOptions schema;
  bool ignore_extension = true, case_sensitive = false, allow_incompatible = false;
};
// Options avroSchema, avroSchemaUrl, ignoreExtension, positionalFieldMatching, …
AvroReadOptions read_avro_options(const Options& options, const plan::SessionConf& conf);
// The schema that the options name, in their text or in the file of a URL; null: none.
std::shared_ptr<const plan::avro::Schema> avro_schema_option(const Options& options);

// The files that count: all, or with ignoreExtension=false those that end in ".avro".
std::vector<DataFile> avro_files(std::vector<DataFile> files, const AvroReadOptions& options);

// schema: of the data that is read.
std::shared_ptr<const RowFormat> make_avro_format(AvroReadOptions options, plan::DataType schema);

// From the option avroSchema, or the first file that can be read.
plan::DataType infer_avro_schema(const std::vector<DataFile>& files, const AvroReadOptions& options, const ScanSettings& settings);

}  // namespace tarn::engine::sources
