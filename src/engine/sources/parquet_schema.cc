#include "engine/sources/parquet_schema.h"

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>
#include <arrow/result.h>
#include <arrow/util/key_value_metadata.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/schema.h>

#include <algorithm>

#include "base/file_cache.h"
#include "base/io_error.h"
#include "base/log.h"
#include "engine/sources/line_source.h"
#include "engine/storage_bridge.h"
#include "plan/session_conf.h"

namespace tarn::engine::sources {
namespace {

using parquet::schema::GroupNode;
using parquet::schema::Node;
using parquet::schema::PrimitiveNode;
using plan::DataType;
using plan::TypeId;

// A file of a store as Arrow reads it. What the store throws passes through Arrow as it is.
class StoredFile : public arrow::io::RandomAccessFile {
 public:
  explicit StoredFile(const DataFile& file) {
    storage::FileInfo known{file.path, static_cast<uint64_t>(file.size), file.modified_ms, false, file.tag};
    reader_ = storage::store_for(file.path).open(file.path, &known);
  }
  arrow::Status Close() override { return arrow::Status::OK(); }
  bool closed() const override { return false; }
  arrow::Result<int64_t> Tell() const override { return at_; }
  arrow::Status Seek(int64_t position) override {
    at_ = position;
    return arrow::Status::OK();
  }
  arrow::Result<int64_t> GetSize() override { return static_cast<int64_t>(reader_->info().size); }
  arrow::Result<int64_t> ReadAt(int64_t position, int64_t n, void* out) override {
    n = std::clamp<int64_t>(static_cast<int64_t>(reader_->info().size) - position, 0, n);
    reader_->read(static_cast<uint64_t>(position), static_cast<char*>(out), static_cast<size_t>(n));
    return n;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t n) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(n));
    ARROW_ASSIGN_OR_RAISE(n, ReadAt(position, n, buffer->mutable_data()));
    ARROW_RETURN_NOT_OK(buffer->Resize(n));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }
  arrow::Result<int64_t> Read(int64_t n, void* out) override {
    ARROW_ASSIGN_OR_RAISE(n, ReadAt(at_, n, out));
    at_ += n;
    return n;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t n) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(at_, n));
    at_ += buffer->size();
    return buffer;
  }

 private:
  std::unique_ptr<storage::RandomReader> reader_;
  int64_t at_ = 0;
};

class Converter {
 public:
  explicit Converter(const ParquetSchemaOptions& options) : options_(options) {}

  DataType group(const GroupNode& g) const {
    std::vector<plan::StructField> fields;
    for (int i = 0; i < g.field_count(); ++i) {
      const Node& f = *g.field(i);
      if (f.is_repeated()) fields.push_back(plan::make_field(f.name(), DataType::array(of(f), false), false));
      else fields.push_back(plan::make_field(f.name(), of(f), f.is_optional()));
    }
    return DataType::structure(std::move(fields));
  }

 private:
  [[noreturn]] void unsupported(const Node& n) const {
    std::string text = parquet::TypeToString(static_cast<const PrimitiveNode&>(n).physical_type());
    if (n.logical_type() && !n.logical_type()->is_none()) text += " (" + n.logical_type()->ToString() + ")";
    throw analysis_error("PARQUET_TYPE_NOT_SUPPORTED", {{"parquetType", text}});
  }

  DataType of(const Node& n) const {
    if (n.is_primitive()) return primitive(static_cast<const PrimitiveNode&>(n));
    const auto& g = static_cast<const GroupNode&>(n);
    auto converted = g.converted_type();
    bool list = converted == parquet::ConvertedType::LIST || (g.logical_type() && g.logical_type()->is_list());
    bool map = converted == parquet::ConvertedType::MAP || converted == parquet::ConvertedType::MAP_KEY_VALUE ||
               (g.logical_type() && g.logical_type()->is_map());
    if (list && g.field_count() == 1 && g.field(0)->is_repeated()) {
      const Node& repeated = *g.field(0);
      if (repeated.is_primitive()) return DataType::array(of(repeated), false);
      const auto& r = static_cast<const GroupNode&>(repeated);
      // The backward-compatibility rules of the format: is the repeated group the element itself?
      bool element = r.field_count() > 1 || r.name() == "array" || r.name() == g.name() + "_tuple";
      if (element) return DataType::array(group(r), false);
      return DataType::array(of(*r.field(0)), r.field(0)->is_optional());
    }
    if (map && g.field_count() == 1 && !g.field(0)->is_primitive()) {
      const auto& pair = static_cast<const GroupNode&>(*g.field(0));
      if (pair.field_count() == 2) return DataType::map(of(*pair.field(0)), of(*pair.field(1)), pair.field(1)->is_optional());
    }
    return group(g);
  }

  DataType primitive(const PrimitiveNode& n) const {
    const auto& logical = n.logical_type();
    bool plain = !logical || logical->is_none() || logical->is_invalid();
    if (logical && logical->is_decimal()) {
      const auto& d = static_cast<const parquet::DecimalLogicalType&>(*logical);
      if (d.precision() > 38) unsupported(n);
      return DataType::decimal(d.precision(), d.scale());
    }
    if (logical && logical->is_timestamp()) {
      const auto& t = static_cast<const parquet::TimestampLogicalType&>(*logical);
      if (t.time_unit() == parquet::LogicalType::TimeUnit::NANOS) {
        if (options_.nanos_as_long) return TypeId::kLong;
        unsupported(n);
      }
      return t.is_adjusted_to_utc() || !options_.infer_ntz ? TypeId::kTimestamp : TypeId::kTimestampNtz;
    }
    switch (n.physical_type()) {
      case parquet::Type::BOOLEAN: return TypeId::kBoolean;
      case parquet::Type::FLOAT: return TypeId::kFloat;
      case parquet::Type::DOUBLE: return TypeId::kDouble;
      case parquet::Type::INT96: return TypeId::kTimestamp;
      case parquet::Type::INT32:
        if (plain) return TypeId::kInt;
        if (logical->is_date()) return TypeId::kDate;
        if (logical->is_int()) {
          const auto& i = static_cast<const parquet::IntLogicalType&>(*logical);
          if (i.bit_width() == 8) return i.is_signed() ? TypeId::kByte : TypeId::kShort;
          if (i.bit_width() == 16) return i.is_signed() ? TypeId::kShort : TypeId::kInt;
          return i.is_signed() ? TypeId::kInt : TypeId::kLong;
        }
        unsupported(n);
      case parquet::Type::INT64:
        if (plain) return TypeId::kLong;
        if (logical->is_int()) {
          return static_cast<const parquet::IntLogicalType&>(*logical).is_signed() ? DataType(TypeId::kLong) : DataType::decimal(20, 0);
        }
        if (logical->is_time() &&
            static_cast<const parquet::TimeLogicalType&>(*logical).time_unit() == parquet::LogicalType::TimeUnit::MICROS) {
          return DataType::time(6);
        }
        unsupported(n);
      case parquet::Type::BYTE_ARRAY:
        if (plain) return options_.binary_as_string ? TypeId::kString : TypeId::kBinary;
        if (logical->is_string() || logical->is_enum() || logical->is_JSON()) return TypeId::kString;
        if (logical->is_BSON()) return TypeId::kBinary;
        unsupported(n);
      case parquet::Type::FIXED_LEN_BYTE_ARRAY:
        if (plain) return TypeId::kBinary;
        unsupported(n);
      default: unsupported(n);
    }
  }

  const ParquetSchemaOptions& options_;
};

DataType merge_types(const DataType& a, const DataType& b, bool case_sensitive) {
  if (a.id() == TypeId::kStruct && b.id() == TypeId::kStruct) return merge_file_schemas(a, b, case_sensitive);
  if (a.id() == TypeId::kArray && b.id() == TypeId::kArray) {
    return DataType::array(merge_types(a.element(), b.element(), case_sensitive), a.contains_null() || b.contains_null());
  }
  if (a.id() == TypeId::kMap && b.id() == TypeId::kMap) {
    return DataType::map(merge_types(a.key(), b.key(), case_sensitive), merge_types(a.value(), b.value(), case_sensitive),
                         a.contains_null() || b.contains_null());
  }
  if (a.id() == TypeId::kDecimal && b.id() == TypeId::kDecimal && a.scale() == b.scale()) {
    return DataType::decimal(std::max(a.precision(), b.precision()), a.scale());
  }
  if (a.same_type(b)) return a;
  throw SparkError(ErrorKind::kSpark, "CANNOT_MERGE_INCOMPATIBLE_DATA_TYPE", {{"left", quote_sql(a.sql())}, {"right", quote_sql(b.sql())}});
}

}  // namespace

ParquetSchemaOptions ParquetSchemaOptions::of(const plan::SessionConf& conf) {
  ParquetSchemaOptions o;
  o.binary_as_string = conf.flag("spark.sql.parquet.binaryAsString");
  o.infer_ntz = conf.flag("spark.sql.parquet.inferTimestampNTZ.enabled");
  o.nanos_as_long = lower(conf.find("spark.sql.legacy.parquet.nanosAsLong").value_or("false")) == "true";
  return o;
}

namespace {

FileCache<DataType> kept(4096);

DataType read_schema(const DataFile& file, const ParquetSchemaOptions& options) {
  std::shared_ptr<parquet::FileMetaData> footer;
  try {
    footer = is_local(file.path) ? parquet::ParquetFileReader::OpenFile(file.path)->metadata()
                                 : parquet::ParquetFileReader::Open(std::make_shared<StoredFile>(file))->metadata();
  } catch (const IoError& e) {
    throw read_failed(file, e.what(), e.kind() == IoError::Kind::kNotFound);
  } catch (const std::exception& e) {
    log::warn("cannot_read_parquet_footer", {{"path", file.display()}, {"why", e.what()}});
    throw SparkError(ErrorKind::kSpark, "FAILED_READ_FILE.CANNOT_READ_FILE_FOOTER", {{"path", file.url()}});
  }
  if (const auto& pairs = footer->key_value_metadata()) {
    int i = pairs->FindKey("org.apache.spark.sql.parquet.row.metadata");
    if (i >= 0) {
      try {
        DataType t = DataType::from_json(pairs->value(i));
        if (t.id() == TypeId::kStruct) return t;
      } catch (const SparkError&) {  // written by something newer: the file's own schema counts
      }
    }
  }
  return Converter(options).group(*footer->schema()->group_node());
}

}  // namespace

DataType parquet_file_schema(const DataFile& file, const ParquetSchemaOptions& options) {
  // A store's tag names a version as a time and an inode do.
  const std::string version = is_local(file.path) ? file_version(file.path) : file.tag.empty() ? "" : file.path + '\n' + file.tag;
  if (version.empty()) return read_schema(file, options);  // it went away: the reader says so
  const std::string key = version + '\n' + (options.binary_as_string ? 'b' : '-') + (options.infer_ntz ? 'n' : '-') + (options.nanos_as_long ? 'l' : '-');
  if (auto schema = kept.find(key)) return *schema;
  return *kept.keep(key, std::make_shared<const DataType>(read_schema(file, options)));
}

DataType merge_file_schemas(const DataType& left, const DataType& right, bool case_sensitive) {
  std::vector<plan::StructField> fields(left.fields());
  for (const auto& r : right.fields()) {
    auto i = DataType::structure(fields).field_index(r.name, case_sensitive);
    if (!i) {
      fields.push_back(r);
      continue;
    }
    auto& l = fields[*i];
    try {
      l = plan::make_field(l.name, merge_types(l.type(), r.type(), case_sensitive), l.nullable || r.nullable, l.metadata);
    } catch (const SparkError&) {
      throw SparkError(ErrorKind::kSpark, "CANNOT_MERGE_SCHEMAS", {{"left", quote_sql(left.sql())}, {"right", quote_sql(right.sql())}});
    }
  }
  return DataType::structure(std::move(fields));
}

std::optional<DataType> infer_parquet_schema(const std::vector<DataFile>& files, bool merge, const ParquetSchemaOptions& options,
                                             const ScanSettings& settings, bool case_sensitive) {
  std::optional<DataType> schema;
  for (const auto& f : files) {
    if (f.size == 0) continue;
    DataType one;
    try {
      one = parquet_file_schema(f, options);
    } catch (const SparkError& e) {
      if (!settings.ignore_corrupt || e.condition() != "FAILED_READ_FILE.CANNOT_READ_FILE_FOOTER") throw;
      continue;
    }
    schema = schema ? merge_file_schemas(*schema, one, case_sensitive) : one;
    if (!merge) break;
  }
  return schema;
}

}  // namespace tarn::engine::sources
