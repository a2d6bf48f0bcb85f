#include "engine/sources/parquet_source.h"

#include "delta/schema.h"
#include "engine/datetime_parse.h"
#include "engine/delta_scan.h"
#include "engine/sources/parquet_schema.h"
#include "engine/time_zone.h"
#include "engine/type_mapping.h"
#include "plan/session_conf.h"
#include "storage/path.h"

namespace tarn::engine::sources {
namespace {

using plan::DataType;
using plan::TypeId;

// Plain Parquet is read by the scan that reads Delta's files: missing columns, partition constants and instants are the same there.
class ParquetRelation : public FileRelation {
 public:
  ParquetRelation(FileIndex index, DataType schema, DeltaScanSpec spec, std::string identity)
      : index_(std::move(index)), schema_(std::move(schema)), scan_(std::make_unique<DeltaScan>(std::move(spec))), identity_(std::move(identity)) {}

  const DataType& schema() const override { return schema_; }
  std::vector<plan::StructField> metadata_columns() const override { return {metadata_field(true)}; }
  std::string format() const override { return "parquet"; }
  std::vector<std::string> input_files() const override {
    std::vector<std::string> out;
    for (const auto& f : index_.files) out.push_back(f.url());
    return out;
  }
  std::vector<std::string> partition_columns() const override {
    std::vector<std::string> out;
    for (const auto& f : index_.partition_fields) out.push_back(f.name);
    return out;
  }
  std::optional<uint64_t> size_in_bytes() const override { return index_.total_size(); }
  std::string fingerprint() const override {
    std::string text = "parquet|" + schema_.catalog_string();
    for (const auto& f : index_.files) text += "|" + f.path + ":" + std::to_string(f.size) + ":" + std::to_string(f.modified_ms);
    return text;
  }
  const std::string& identity() const override { return identity_; }
  std::string scan_sql(const std::vector<size_t>& columns) const override {
    std::string sql = "SELECT ";
    for (size_t i = 0; i < columns.size(); ++i) {
      if (i) sql += ", ";
      if (columns[i] < schema_.fields().size()) {
        sql += quote_duckdb_identifier(schema_.fields()[columns[i]].name);
      } else {
        sql +=
            "struct_pack(file_path := __tarn_file_path, file_name := __tarn_file_name, file_size := __tarn_file_size, "
            "file_block_start := 0::BIGINT, file_block_length := __tarn_file_size, "
            "file_modification_time := make_timestamptz(__tarn_file_time), row_index := __tarn_row)";
      }
    }
    if (columns.empty()) sql += "1";
    return sql + " FROM " + scan_->sql();
  }

 private:
  FileIndex index_;
  DataType schema_;
  std::unique_ptr<DeltaScan> scan_;
  std::string identity_;
};

// Partition values in the text form that Delta uses: instants in UTC.
std::optional<std::string> canonical(const plan::StructField& field, const std::optional<std::string>& text, const std::string& zone) {
  if (!text || field.type().id() != TypeId::kTimestamp) return text;
  auto micros = string_to_timestamp(*text, *TimeZone::get(zone));
  if (!micros) return text;
  std::string out;
  append_timestamp(*micros, out);
  out[out.find(' ')] = 'T';
  return out + "Z";
}

// How a type lies in Parquet: intervals are integers, user-defined types their SQL type.
DataType stored_type(const DataType& t) {
  switch (t.id()) {
    case TypeId::kDayTimeInterval: return TypeId::kLong;
    case TypeId::kYearMonthInterval: return TypeId::kInt;
    case TypeId::kUdt: return stored_type(t.sql_type());
    case TypeId::kTime: throw not_built("reading TIME columns of Parquet files");
    case TypeId::kCalendarInterval:
    case TypeId::kGeometry:
    case TypeId::kGeography: throw not_built("reading " + t.sql() + " columns of Parquet files");
    case TypeId::kArray: return DataType::array(stored_type(t.element()), t.contains_null());
    case TypeId::kMap: return DataType::map(stored_type(t.key()), stored_type(t.value()), t.contains_null());
    case TypeId::kStruct: {
      std::vector<plan::StructField> fields;
      for (const auto& f : t.fields()) fields.push_back(plan::make_field(f.name, stored_type(f.type()), f.nullable));
      return DataType::structure(std::move(fields));
    }
    default: return t;
  }
}

}  // namespace

std::shared_ptr<const FileRelation> load_parquet(FileIndex index, const std::optional<DataType>& user, const Options& options,
                                                 const ScanSettings& settings, const plan::SessionConf& conf) {
  bool case_sensitive = conf.case_sensitive();
  auto schema_options = ParquetSchemaOptions::of(conf);
  DataType data;
  if (user) {
    data = *user;
  } else {
    bool merge = options.flag("mergeSchema", conf.flag("spark.sql.parquet.mergeSchema"));
    auto inferred = infer_parquet_schema(index.files, merge, schema_options, settings, case_sensitive);
    if (!inferred) throw analysis_error("UNABLE_TO_INFER_SCHEMA", {{"format", "Parquet"}});
    data = as_nullable(*inferred);
  }
  if (settings.ignore_corrupt) {
    std::erase_if(index.files, [&](const DataFile& f) {
      try {
        parquet_file_schema(f, schema_options);
        return false;
      } catch (const SparkError& e) {
        return e.condition() == "FAILED_READ_FILE.CANNOT_READ_FILE_FOOTER";
      }
    });
  }
  FileSchema schema = merge_schema(data, index.partition_fields, case_sensitive);
  DeltaScanSpec spec;
  spec.schema = delta::parse_schema(stored_type(schema.full).json());
  for (const auto& f : index.partition_fields) spec.partition_columns.push_back(f.name);
  spec.constant_columns = {
      {"__tarn_file_path", "VARCHAR"}, {"__tarn_file_name", "VARCHAR"}, {"__tarn_file_size", "BIGINT"}, {"__tarn_file_time", "BIGINT"}};
  const auto no_statistics = std::make_shared<const std::string>();
  for (const auto& f : index.files) {
    if (f.size == 0) continue;
    DeltaScanFile file;
    file.stats = no_statistics;
    file.path = f.path;
    file.size = f.size;
    file.tag = f.tag;
    delta::PartitionValues values;
    for (size_t i = 0; i < index.partition_fields.size(); ++i) {
      values[index.partition_fields[i].name] = canonical(index.partition_fields[i], index.partitions[f.partition][i], settings.zone);
    }
    file.partition_values = std::make_shared<const delta::PartitionValues>(std::move(values));
    std::string encoded = f.encoded();
    file.constants = {encoded, storage::file_name(encoded), std::to_string(f.size), std::to_string(f.modified_ms * 1000)};
    spec.files.push_back(std::move(file));
  }
  if (!spec.files.empty()) spec.table_path = storage::parent(spec.files[0].path);
  return std::make_shared<ParquetRelation>(std::move(index), std::move(schema.full), std::move(spec), settings.identity);
}

}  // namespace tarn::engine::sources
