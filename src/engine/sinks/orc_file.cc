// ORC files, by Arrow's writer. Source: OrcFileFormat.prepareWrite, OrcUtils.orcTypeDescription, OrcSerializer.
#include <arrow/adapters/orc/adapter.h>
#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "base/spark_error.h"
#include "duckdb.hpp"
#include "engine/arrow_export.h"
#include "engine/orc/calendar.h"
#include "engine/sinks/part_file.h"
#include "engine/time_zone.h"
#include "plan/session_conf.h"

namespace tarn::engine::sinks {
namespace {

namespace adapter = arrow::adapters::orc;
using plan::DataType;
using plan::TypeId;

constexpr int64_t kBatchRows = 16384;

// A data type's name in the attribute by which Spark finds it again; empty where ORC's own type says it.
std::string attribute(const DataType& t) {
  switch (t.id()) {
    case TypeId::kTimestamp:
    case TypeId::kTimestampNtz:
    case TypeId::kTime:
    case TypeId::kYearMonthInterval:
    case TypeId::kDayTimeInterval: return t.catalog_string();
    case TypeId::kString:
    case TypeId::kChar:
    case TypeId::kVarchar: return "string";
    default: return "";
  }
}

std::shared_ptr<arrow::DataType> orc_type(const DataType& t);

std::shared_ptr<arrow::Field> orc_field(const std::string& name, const DataType& t, bool nullable = true) {
  const DataType& stored = t.id() == TypeId::kUdt ? t.sql_type() : t;
  std::string catalyst = attribute(stored);
  std::shared_ptr<arrow::KeyValueMetadata> metadata;
  if (!catalyst.empty()) metadata = arrow::key_value_metadata({"spark.sql.catalyst.type"}, {catalyst});
  return arrow::field(name, orc_type(stored), nullable, metadata);
}

std::shared_ptr<arrow::DataType> orc_type(const DataType& t) {
  switch (t.id()) {
    case TypeId::kBoolean: return arrow::boolean();
    case TypeId::kByte: return arrow::int8();
    case TypeId::kShort: return arrow::int16();
    case TypeId::kInt:
    case TypeId::kYearMonthInterval: return arrow::int32();
    case TypeId::kLong:
    case TypeId::kDayTimeInterval:
    case TypeId::kTimestampNtz:
    case TypeId::kTime: return arrow::int64();
    case TypeId::kFloat: return arrow::float32();
    case TypeId::kDouble: return arrow::float64();
    case TypeId::kDecimal: return arrow::decimal128(t.precision(), t.scale());
    case TypeId::kString:
    case TypeId::kChar:
    case TypeId::kVarchar: return arrow::utf8();
    case TypeId::kBinary: return arrow::binary();
    case TypeId::kDate: return arrow::date32();
    case TypeId::kTimestamp: return arrow::timestamp(arrow::TimeUnit::MICRO);
    case TypeId::kUdt: return orc_type(t.sql_type());
    case TypeId::kArray: return arrow::list(orc_field("element", t.element()));
    case TypeId::kMap:
      return std::make_shared<arrow::MapType>(orc_field("key", t.key(), false), orc_field("value", t.value()));
    case TypeId::kStruct: {
      arrow::FieldVector fields;
      for (const auto& f : t.fields()) fields.push_back(orc_field(f.name, f.type()));
      return arrow::struct_(std::move(fields));
    }
    default: throw internal_error("no ORC type for " + t.sql());
  }
}

template <class T, class F> std::shared_ptr<arrow::Buffer> changed(const arrow::ArrayData& in, F f) {
  auto buffer = arrow::AllocateBuffer((in.offset + in.length) * static_cast<int64_t>(sizeof(T))).ValueOrDie();
  auto* to = reinterpret_cast<T*>(buffer->mutable_data());
  const auto* from = in.GetValues<T>(1, 0);
  std::fill_n(to, in.offset, T{0});
  for (int64_t i = in.offset; i < in.offset + in.length; ++i) to[i] = in.IsNull(i - in.offset) ? T{0} : f(from[i]);
  return buffer;
}

// Instants become times of the clock of the zone in which files are read again: ORC's timestamps have no zone. Days before 1582 are of the
// Julian calendar, in dates as in timestamps.
std::shared_ptr<arrow::Buffer> clock_times(const arrow::ArrayData& in, const TimeZone& zone) {
  constexpr int64_t kDay = 86'400'000'000;
  return changed<int64_t>(in, [&](int64_t micros) {
    const int64_t local = zone.utc_to_local_micros(micros);
    // Arrow's writer gives them negative nanoseconds, which other readers refuse or misread.
    if (local < 0 && local % 1'000'000 != 0) throw not_built("writing timestamps before 1970 with fractions of a second to ORC");
    if (local >= engine::orc::kFirstGregorianDay * kDay) return local;
    const int64_t day = local / kDay - (local % kDay < 0);
    return engine::orc::gregorian_to_julian(day) * kDay + (local - day * kDay);
  });
}

// The array that DuckDB gives for a Spark type, under its type in ORC.
std::shared_ptr<arrow::ArrayData> as_stored(const std::shared_ptr<arrow::ArrayData>& in, const DataType& t, const TimeZone& zone) {
  if (t.id() == TypeId::kUdt) return as_stored(in, t.sql_type(), zone);
  auto out = std::make_shared<arrow::ArrayData>(*in);
  out->type = orc_type(t);
  switch (t.id()) {
    case TypeId::kTimestamp: out->buffers[1] = clock_times(*in, zone); break;
    case TypeId::kDate: out->buffers[1] = changed<int32_t>(*in, [](int32_t day) { return static_cast<int32_t>(engine::orc::gregorian_to_julian(day)); }); break;
    case TypeId::kArray: out->child_data[0] = as_stored(in->child_data[0], t.element(), zone); break;
    case TypeId::kMap: {
      auto entries = std::make_shared<arrow::ArrayData>(*in->child_data[0]);
      entries->type = static_cast<const arrow::MapType&>(*out->type).value_type();
      entries->child_data = {as_stored(entries->child_data[0], t.key(), zone), as_stored(entries->child_data[1], t.value(), zone)};
      out->child_data = {std::move(entries)};
      break;
    }
    case TypeId::kStruct:
      for (size_t i = 0; i < t.fields().size(); ++i) out->child_data[i] = as_stored(in->child_data[i], t.fields()[i].type(), zone);
      break;
    default: break;
  }
  return out;
}

void check(const arrow::Status& status) {
  if (!status.ok()) throw SparkError::Plain(ErrorKind::kSpark, "Writing an ORC file failed: " + status.message());
}

class ArrowOutput : public arrow::io::OutputStream {
 public:
  explicit ArrowOutput(std::unique_ptr<sinks::OutputStream> to) : to_(std::move(to)) {}
  arrow::Status Write(const void* data, int64_t n) override {
    to_->write({static_cast<const char*>(data), static_cast<size_t>(n)});
    written_ += n;
    return arrow::Status::OK();
  }
  using arrow::io::OutputStream::Write;
  arrow::Status Close() override { return arrow::Status::OK(); }
  arrow::Result<int64_t> Tell() const override { return written_; }
  bool closed() const override { return false; }
  void complete() { to_->close(); }

 private:
  std::unique_ptr<sinks::OutputStream> to_;
  int64_t written_ = 0;
};

}  // namespace

struct OrcOptions::Settings {
  DataType schema;
  adapter::WriteOptions writer;
  std::string extension;
  std::shared_ptr<const TimeZone> zone;
};

namespace {

class OrcFile : public PartFile {
 public:
  OrcFile(const DataType& schema, const adapter::WriteOptions& options, std::shared_ptr<const TimeZone> zone, std::unique_ptr<sinks::OutputStream> to,
          duckdb::ClientContext& context)
      : schema_(schema), zone_(std::move(zone)), out_(std::move(to)), rows_(schema, "UTC", false, context) {
    arrow::FieldVector fields;
    for (const auto& f : schema_.fields()) fields.push_back(orc_field(f.name, f.type()));
    stored_ = arrow::schema(std::move(fields));
    auto writer = adapter::ORCFileWriter::Open(&out_, options);
    check(writer.status());
    writer_ = std::move(*writer);
  }
  void append(duckdb::DataChunk& data, const std::vector<duckdb::RecursiveUnifiedVectorFormat>&, size_t from, size_t to) override {
    rows_.append(data, from, to);
    if (rows_.rows() >= kBatchRows) write();
  }
  void close() override {
    if (rows_.rows() > 0 || !written_) write();
    check(writer_->Close());
    out_.complete();
  }

 private:
  void write() {
    auto batch = rows_.take();
    std::vector<std::shared_ptr<arrow::ArrayData>> columns;
    for (int i = 0; i < batch->num_columns(); ++i) columns.push_back(as_stored(batch->column_data(i), schema_.fields()[static_cast<size_t>(i)].type(), *zone_));
    check(writer_->Write(*arrow::RecordBatch::Make(stored_, batch->num_rows(), std::move(columns))));
    written_ = true;
  }
  const DataType schema_;
  const std::shared_ptr<const TimeZone> zone_;
  ArrowOutput out_;
  ArrowExport rows_;
  std::shared_ptr<arrow::Schema> stored_;
  std::unique_ptr<adapter::ORCFileWriter> writer_;
  bool written_ = false;
};

// The settings of ORC's own writer that have a counterpart; Spark hands on whatever options begin with "orc.".
void read_writer_options(const sources::Options& options, const DataType& schema, adapter::WriteOptions& w) {
  for (const auto& [name, value] : options.starting_with("orc.")) {
    if (name == "orc.compress") continue;
    if (name == "orc.stripe.size") w.stripe_size = options.integer(name, 0);
    else if (name == "orc.row.index.stride") w.row_index_stride = options.integer(name, 0);
    else if (name == "orc.compress.size") w.compression_block_size = options.integer(name, 0);
    else if (name == "orc.dictionary.key.threshold") w.dictionary_key_size_threshold = options.real(name, 0);
    else if (name == "orc.bloom.filter.fpp") w.bloom_filter_fpp = options.real(name, 0);
    else if (name == "orc.bloom.filter.columns") {
      for (size_t from = 0; from <= value.size();) {
        const size_t end = std::min(value.find(',', from), value.size());
        std::string column = value.substr(from, end - from);
        column.erase(0, column.find_first_not_of(' '));
        column.erase(column.find_last_not_of(' ') + 1);
        auto i = schema.field_index(column, false);
        if (!i || schema.fields()[*i].type().is_nested()) throw not_built("the option orc.bloom.filter.columns with " + column);
        w.bloom_filter_columns.push_back(static_cast<int64_t>(*i));
        from = end + 1;
      }
    } else {
      throw not_built("the option " + name + " of ORC files");
    }
  }
}

}  // namespace

OrcOptions::OrcOptions(const DataType& schema, const sources::Options& options, const plan::SessionConf& conf) {
  struct Codec {
    arrow::Compression::type type;
    const char* extension;
  };
  static const std::map<std::string, Codec> kCodecs = {
      {"none", {arrow::Compression::UNCOMPRESSED, ""}},   {"uncompressed", {arrow::Compression::UNCOMPRESSED, ""}},
      {"snappy", {arrow::Compression::SNAPPY, ".snappy"}}, {"zlib", {arrow::Compression::GZIP, ".zlib"}},
      {"zstd", {arrow::Compression::ZSTD, ".zstd"}},       {"lz4", {arrow::Compression::LZ4, ".lz4"}},
      {"lzo", {arrow::Compression::LZO, ".lzo"}},          {"brotli", {arrow::Compression::BROTLI, ".brotli"}}};
  const std::string name =
      sources::lower(options.text("compression", options.text("orc.compress", conf.text("spark.sql.orc.compression.codec"))));
  auto it = kCodecs.find(name);
  if (it == kCodecs.end()) {
    throw SparkError(ErrorKind::kIllegalArgument, "CODEC_NOT_AVAILABLE.WITH_AVAILABLE_CODECS_SUGGESTION",
                     {{"codecName", name}, {"availableCodecs", "brotli, uncompressed, lz4, lzo, snappy, zlib, none, zstd"}});
  }
  if (name == "lzo" || name == "brotli") throw not_built("writing ORC files with the compression " + name);
  auto s = std::make_shared<Settings>();
  s->schema = schema;
  s->extension = std::string(it->second.extension) + ".orc";
  s->zone = TimeZone::get(plan::system_time_zone());
  s->writer.compression = it->second.type;
  s->writer.compression_block_size = 256 << 10;
  s->writer.dictionary_key_size_threshold = 0.8;
  read_writer_options(options, schema, s->writer);
  settings_ = std::move(s);
}

OrcOptions::~OrcOptions() = default;
std::string OrcOptions::extension() const { return settings_->extension; }

std::unique_ptr<PartFile> OrcOptions::create(std::unique_ptr<OutputStream> to, duckdb::ClientContext& context) const {
  return std::make_unique<OrcFile>(settings_->schema, settings_->writer, settings_->zone, std::move(to), context);
}

}  // namespace tarn::engine::sinks
