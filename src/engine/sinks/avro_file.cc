// Avro files. Source: AvroUtils.prepareWrite, AvroOutputWriter.
#include <algorithm>
#include <map>

#include "base/spark_error.h"
#include "engine/avro/container.h"
#include "engine/avro/row_writer.h"
#include "engine/sinks/part_file.h"
#include "engine/sources/avro_format.h"
#include "plan/avro_schema.h"
#include "plan/session_conf.h"

#include "duckdb/common/types/vector.hpp"

namespace tarn::engine::sinks {

struct AvroOptions::Settings {
  std::shared_ptr<const plan::avro::Schema> schema;
  std::string schema_json;
  std::unique_ptr<const avro::RowWriter> rows;
  avro::Codec codec = avro::Codec::kSnappy;
  int level = 0;
};

namespace {

class AvroFile : public PartFile {
 public:
  AvroFile(const avro::RowWriter& rows, const std::string& schema, avro::Codec codec, int level, std::unique_ptr<OutputStream> to, const std::vector<size_t>& which)
      : rows_(rows), which_(which), to_(std::move(to)),
        blocks_(schema, codec, level, {{"org.apache.spark.version", "4.2.0"}}, [this](std::string_view bytes) { to_->write(bytes); }) {}
  void append(duckdb::DataChunk&, const std::vector<duckdb::RecursiveUnifiedVectorFormat>& columns, size_t from, size_t to) override {
    for (size_t row = from; row < to; ++row) {
      rows_.write_fields(columns, which_, row, blocks_.records());
      blocks_.added();
    }
  }
  void close() override {
    blocks_.flush();
    to_->close();
  }

 private:
  const avro::RowWriter& rows_;
  const std::vector<size_t>& which_;
  std::unique_ptr<OutputStream> to_;
  avro::BlockWriter blocks_;
};

}  // namespace

AvroOptions::AvroOptions(const plan::DataType& schema, const sources::Options& options, const plan::SessionConf& conf) {
  auto s = std::make_shared<Settings>();
  if (sources::lower(conf.text("spark.sql.avro.datetimeRebaseModeInWrite")) == "legacy") throw not_built("writing Avro with spark.sql.avro.datetimeRebaseModeInWrite=LEGACY");
  const auto read = plan::avro::ReadOptions::read([&](std::string_view name) { return options.find(name); });
  s->schema = sources::avro_schema_option(options);
  if (!s->schema) s->schema = plan::avro::Schema::of(schema, false, options.text("recordName", "topLevelRecord"), options.text("recordNamespace", ""));
  s->schema_json = s->schema->root().json();
  s->rows = std::make_unique<avro::RowWriter>(schema, s->schema->root(), avro::WriteSettings{read.positional, conf.case_sensitive()});
  static const std::map<std::string, avro::Codec> kCodecs = {{"uncompressed", avro::Codec::kNull}, {"deflate", avro::Codec::kDeflate}, {"snappy", avro::Codec::kSnappy},
                                                             {"bzip2", avro::Codec::kBzip2},       {"xz", avro::Codec::kXz},           {"zstandard", avro::Codec::kZstandard}};
  const std::string name = options.text("compression", conf.text("spark.sql.avro.compression.codec"));
  auto it = kCodecs.find(sources::lower(name));
  if (it == kCodecs.end()) throw SparkError(ErrorKind::kIllegalArgument, "CODEC_SHORT_NAME_NOT_FOUND", {{"codecName", sources::lower(name)}});
  s->codec = it->second;
  if (s->codec == avro::Codec::kDeflate) s->level = static_cast<int>(conf.integer("spark.sql.avro.deflate.level"));
  if (s->codec == avro::Codec::kXz) s->level = static_cast<int>(conf.integer("spark.sql.avro.xz.level"));
  if (s->codec == avro::Codec::kZstandard) s->level = static_cast<int>(conf.integer("spark.sql.avro.zstandard.level"));
  settings_ = std::move(s);
}

AvroOptions::~AvroOptions() = default;

std::unique_ptr<PartFile> AvroOptions::create(std::unique_ptr<OutputStream> to, const std::vector<size_t>& which) const {
  return std::make_unique<AvroFile>(*settings_->rows, settings_->schema_json, settings_->codec, settings_->level, std::move(to), which);
}

}  // namespace tarn::engine::sinks
