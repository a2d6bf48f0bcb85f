// Which format reads what, and what Spark calls it.
#include "engine/sources/source.h"

#include <map>
#include <set>

#include "base/spark_error.h"
#include "engine/sources/avro_format.h"
#include "engine/sources/csv_format.h"
#include "engine/sources/json_format.h"
#include "engine/sources/orc_format.h"
#include "engine/sources/parquet_source.h"
#include "engine/sources/scan.h"
#include "engine/sources/text_format.h"
#include "engine/sources/xml_format.h"
#include "plan/session_conf.h"

namespace tarn::engine::sources {
namespace {

using plan::DataType;
using plan::TypeId;

// Class names and old names of Spark's own sources.
std::string short_name(const std::string& format) {
  static const std::map<std::string, std::string> kNames = {
      {"org.apache.spark.sql.json", "json"},
      {"org.apache.spark.sql.execution.datasources.json", "json"},
      {"org.apache.spark.sql.execution.datasources.json.jsonfileformat", "json"},
      {"org.apache.spark.sql.parquet", "parquet"},
      {"org.apache.spark.sql.execution.datasources.parquet", "parquet"},
      {"org.apache.spark.sql.execution.datasources.parquet.parquetfileformat", "parquet"},
      {"org.apache.spark.sql.execution.datasources.csv.csvfileformat", "csv"},
      {"com.databricks.spark.csv", "csv"},
      {"org.apache.spark.sql.execution.datasources.text.textfileformat", "text"},
      {"org.apache.spark.sql.execution.datasources.orc", "orc"},
      {"org.apache.spark.sql.execution.datasources.orc.orcfileformat", "orc"},
      {"org.apache.spark.sql.hive.orc", "orc"},
      {"org.apache.spark.sql.avro", "avro"},
      {"org.apache.spark.sql.avro.avrofileformat", "avro"},
      {"com.databricks.spark.avro", "avro"},
      {"com.databricks.spark.xml", "xml"},
      {"org.apache.spark.sql.execution.datasources.xml", "xml"}};
  std::string n = lower(format);
  for (const char* suffix : {".defaultsource"}) {
    if (n.ends_with(suffix)) n.resize(n.size() - std::char_traits<char>::length(suffix));
  }
  auto it = kNames.find(n);
  return it == kNames.end() ? n : it->second;
}

void check_duplicates(const DataType& schema, bool case_sensitive) {
  std::set<std::string> seen;
  for (const auto& f : schema.fields()) {
    std::string n = case_sensitive ? f.name : lower(f.name);
    if (!seen.insert(n).second) throw analysis_error("COLUMN_ALREADY_EXISTS", {{"columnName", quote_identifier(n)}});
  }
}

bool supported(const std::string& format, const DataType& t) {
  if (t.id() == TypeId::kCalendarInterval) return false;
  if (format == "csv") return !t.is_nested() && t.id() != TypeId::kGeometry && t.id() != TypeId::kGeography;
  const bool rows = format == "json" || format == "xml", containers = format == "orc" || format == "avro";
  if (rows || containers) {
    if (t.id() == TypeId::kStruct) {
      for (const auto& f : t.fields()) {
        if (!supported(format, f.type())) return false;
      }
      return true;
    }
    if (t.id() == TypeId::kArray) return supported(format, t.element());
    if (t.id() == TypeId::kMap) return supported(format, t.key()) && supported(format, t.value());
    if (t.id() == TypeId::kUdt) return supported(format, t.sql_type());
    if (containers && t.id() == TypeId::kVariant) return false;
    if (format == "orc" && t.id() == TypeId::kNull) return false;
    return t.id() != TypeId::kGeometry && t.id() != TypeId::kGeography;
  }
  if (format == "text") return t.is_string();
  return true;
}

const char* class_name(const std::string& format) {
  static const std::map<std::string, const char*> kNames = {{"csv", "CSV"}, {"json", "JSON"}, {"xml", "XML"}, {"text", "Text"}, {"parquet", "Parquet"}, {"orc", "ORC"}, {"avro", "Avro"}};
  auto it = kNames.find(format);
  return it == kNames.end() ? "binaryFile" : it->second;
}

// The last of equal option names wins: their order counts.
std::string request_identity(const std::string& format, const std::vector<std::string>& paths, const SourceRequest& request) {
  std::string out = format;
  for (const auto& p : paths) out += "|" + p;
  for (const auto& [name, value] : request.options) out += "|" + lower(name) + "=" + value;
  if (request.user_schema) out += "|" + request.user_schema->catalog_string();
  return out;
}

}  // namespace

DataType as_nullable(const DataType& t) {
  switch (t.id()) {
    case TypeId::kStruct: {
      std::vector<plan::StructField> fields;
      for (const auto& f : t.fields()) fields.push_back(plan::make_field(f.name, as_nullable(f.type()), true, f.metadata));
      return DataType::structure(std::move(fields));
    }
    case TypeId::kArray: return DataType::array(as_nullable(t.element()), true);
    case TypeId::kMap: return DataType::map(as_nullable(t.key()), as_nullable(t.value()), true);
    default: return t;
  }
}

bool is_file_format(const std::string& format) {
  static const std::set<std::string> kFormats = {"csv", "json", "text", "parquet", "binaryfile", "orc", "xml", "avro"};
  return kFormats.contains(short_name(format));
}

std::shared_ptr<const FileRelation> load_files(const SourceRequest& request, const plan::SessionConf& conf) {
  std::string format = short_name(request.format);
  if (format == "kafka") throw analysis_error("_LEGACY_ERROR_TEMP_1140", {{"provider", request.format}});
  if (format == "orc" && conf.text("spark.sql.orc.impl") == "hive") throw analysis_error("_LEGACY_ERROR_TEMP_1138");
  if (!is_file_format(format)) {
    throw SparkError(ErrorKind::kSpark, "DATA_SOURCE_NOT_FOUND", {{"provider", request.format}});
  }
  Options options(request.options);
  std::vector<std::string> paths = request.paths;
  if (paths.empty()) {
    if (auto p = options.find("path")) paths.push_back(*p);
  }
  bool case_sensitive = conf.case_sensitive();
  if (paths.empty()) throw analysis_error("UNABLE_TO_INFER_SCHEMA", {{"format", class_name(format)}});
  FileIndex index = list_files(paths, options, request.user_schema, request.partition_columns, conf);
  ScanSettings settings;
  settings.ignore_corrupt = options.flag("ignoreCorruptFiles", conf.flag("spark.sql.files.ignoreCorruptFiles"));
  settings.ignore_missing = options.flag("ignoreMissingFiles", conf.flag("spark.sql.files.ignoreMissingFiles"));
  settings.zone = options.text("timeZone", conf.time_zone());
  settings.identity = request_identity(format, paths, request);

  // The user's schema without the partition columns is that of the files.
  std::optional<DataType> user;
  if (request.user_schema) {
    check_duplicates(*request.user_schema, case_sensitive);
    std::vector<plan::StructField> fields;
    for (const auto& f : request.user_schema->fields()) {
      bool partition = false;
      for (const auto& p : index.partition_fields) partition = partition || (case_sensitive ? p.name == f.name : equal_ignore_case(p.name, f.name));
      if (!partition) fields.push_back(f);
    }
    user = as_nullable(DataType::structure(std::move(fields)));
  }
  if (format == "parquet") return load_parquet(std::move(index), user, options, settings, conf);

  auto schema_or_fail = [&](std::optional<DataType> schema) {
    if (!schema) throw analysis_error("UNABLE_TO_INFER_SCHEMA", {{"format", class_name(format)}});
    return *schema;
  };
  DataType data;
  std::shared_ptr<const RowFormat> rows;
  if (format == "csv") {
    auto o = std::make_shared<CsvOptions>(CsvOptions::read(options, conf));
    data = user ? *user : schema_or_fail(infer_csv_schema(index.files, *o, settings));
    for (const auto& f : data.fields()) {
      if (f.name == o->corrupt_column && !(f.type().is_string())) {
        throw analysis_error("INVALID_CORRUPT_RECORD_TYPE", {{"columnName", quote_identifier(f.name)}, {"actualType", quote_sql(f.type().sql())}});
      }
    }
    rows = make_csv_format(std::move(o), data);
  } else if (format == "json") {
    auto o = std::make_shared<JsonOptions>(JsonOptions::read(options, conf));
    data = user ? *user : schema_or_fail(infer_json_schema(index.files, *o, settings));
    rows = make_json_format(std::move(o), data);
  } else if (format == "xml") {
    auto o = read_xml_options(options, conf);
    data = user ? *user : schema_or_fail(infer_xml_schema(index.files, *o, settings));
    rows = make_xml_format(std::move(o), data);
  } else if (format == "orc") {
    const bool merge = options.flag("mergeSchema", conf.flag("spark.sql.orc.mergeSchema"));
    data = user ? *user : as_nullable(schema_or_fail(infer_orc_schema(index.files, merge, settings, case_sensitive)));
    constexpr const char* kPositional = "orc.force.positional.evolution";
    check_duplicates(data, case_sensitive);
    rows = make_orc_format(data, case_sensitive, options.flag(kPositional, lower(conf.find(kPositional).value_or("false")) == "true"));
  } else if (format == "avro") {
    auto o = read_avro_options(options, conf);
    index.files = avro_files(std::move(index.files), o);
    data = user ? *user : as_nullable(infer_avro_schema(index.files, o, settings));
    rows = make_avro_format(std::move(o), data);
  } else if (format == "text") {
    data = user ? *user : DataType::structure({plan::make_field("value", TypeId::kString)});
    if (data.fields().size() > 1) throw analysis_error("_LEGACY_ERROR_TEMP_1290", {{"schemaSize", std::to_string(data.fields().size())}});
    rows = make_text_format(options, conf);
  } else {
    data = binary_file_schema();
    if (user) {
      for (const auto& f : user->fields()) {
        auto i = data.field_index(f.name, case_sensitive);
        if (!i || !data.fields()[*i].type().same_type(f.type())) {
          throw SparkError::Plain(ErrorKind::kIllegalArgument, "requirement failed: Binary file data source expects the schema path, modificationTime, length, content");
        }
      }
    }
    rows = make_binary_format();
  }
  for (const auto& f : data.fields()) {
    if (supported(format, f.type())) continue;
    throw analysis_error("UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE",
                         {{"columnName", quote_identifier(f.name)}, {"columnType", quote_sql(f.type().sql())}, {"format", class_name(format)}});
  }
  FileSchema schema = merge_schema(data, index.partition_fields, case_sensitive);
  return make_row_relation(format == "binaryfile" ? "binaryFile" : format, std::move(index), std::move(schema), std::move(rows), settings, conf);
}

const FileRelation* as_file_relation(const plan::Relation& relation) { return dynamic_cast<const FileRelation*>(&relation); }

// Parquet goes through the Delta scan, which is registered by its own.
void register_file_scans(duckdb::DatabaseInstance& database) { register_row_scan(database); }

}  // namespace tarn::engine::sources
