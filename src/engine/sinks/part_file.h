#pragma once
// Part files that take rows of DuckDB chunks, beside the text formats of row_encoder.h.
#include <memory>
#include <string>
#include <vector>

#include "engine/sinks/output_stream.h"
#include "engine/sources/options.h"
#include "plan/types.h"

namespace duckdb {
class ClientContext;
class DataChunk;
struct RecursiveUnifiedVectorFormat;
}  // namespace duckdb
namespace tarn::plan {
class SessionConf;
}

namespace tarn::engine::sinks {

// Not thread-safe. Without close() the file is incomplete.
class PartFile {
 public:
  virtual ~PartFile() = default;
  // Rows [from, to) of a query's chunk. data: the columns that are written; columns: all of them, in the other form.
  virtual void append(duckdb::DataChunk& data, const std::vector<duckdb::RecursiveUnifiedVectorFormat>& columns, size_t from, size_t to) = 0;
  virtual void close() = 0;
};

// What all part files of a write share. Source: OrcOptions, OrcOutputWriter.
class OrcOptions {
 public:
  // Options compression, orc.compress and those of ORC's writer; CODEC_NOT_AVAILABLE.*. An option of ORC's library that is not
  // supported is an error.
  OrcOptions(const plan::DataType& schema, const sources::Options& options, const plan::SessionConf& conf);
  ~OrcOptions();
  std::string extension() const;  // ".zstd.orc"
  std::unique_ptr<PartFile> create(std::unique_ptr<OutputStream> to, duckdb::ClientContext& context) const;

 private:
  struct Settings;
  std::shared_ptr<const Settings> settings_;
};

// Source: AvroOptions, AvroUtils.prepareWrite.
class AvroOptions {
 public:
  // Options avroSchema, recordName, recordNamespace, positionalFieldMatching, compression; CODEC_SHORT_NAME_NOT_FOUND. SparkError where the
  // schema does not fit.
  AvroOptions(const plan::DataType& schema, const sources::Options& options, const plan::SessionConf& conf);
  ~AvroOptions();
  // which: of the query's columns. It and this must outlive the file.
  std::unique_ptr<PartFile> create(std::unique_ptr<OutputStream> to, const std::vector<size_t>& which) const;

 private:
  struct Settings;
  std::shared_ptr<const Settings> settings_;
};

}  // namespace tarn::engine::sinks
