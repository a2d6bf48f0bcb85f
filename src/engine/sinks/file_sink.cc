#include "engine/sinks/file_sink.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "base/ids.h"
#include "base/io_error.h"
#include "base/spark_error.h"
#include "duckdb.hpp"
#include "engine/error_map.h"
#include "engine/sinks/output_stream.h"
#include "engine/sinks/part_file.h"
#include "engine/sinks/row_encoder.h"
#include "engine/sinks/staging.h"
#include "engine/storage_bridge.h"
#include "engine/time_zone.h"
#include "engine/type_mapping.h"
#include "plan/session_conf.h"
#include "storage/path.h"

namespace tarn::engine::sinks {
namespace {

using duckdb::idx_t;
using plan::DataType;
using plan::SaveMode;
using plan::TypeId;
using sources::lower;
using Column = duckdb::RecursiveUnifiedVectorFormat;

constexpr const char* kNullPartition = "__HIVE_DEFAULT_PARTITION__";
constexpr const char* kSparkVersion = "4.2.0";

// The formats that are written, and what messages call them.
const std::map<std::string, const char*> kFormats = {{"csv", "CSV"}, {"json", "JSON"}, {"text", "Text"}, {"xml", "XML"}, {"parquet", "Parquet"}, {"orc", "ORC"}, {"avro", "Avro"}};
const char* shown_format(const std::string& f) { return kFormats.at(f); }

bool supported(const std::string& format, const DataType& t) {
  if (t.id() == TypeId::kGeometry || t.id() == TypeId::kGeography) return false;
  if (t.id() == TypeId::kUdt) return supported(format, t.sql_type());
  if (format == "text") return t.is_string();
  if (format == "csv") return !t.is_nested() && t.id() != TypeId::kVariant && t.id() != TypeId::kNull && t.id() != TypeId::kCalendarInterval;
  if ((format == "orc" || format == "avro") && t.id() == TypeId::kVariant) return false;
  switch (t.id()) {
    case TypeId::kStruct: return std::all_of(t.fields().begin(), t.fields().end(), [&](const auto& f) { return supported(format, f.type()); });
    case TypeId::kArray: return supported(format, t.element());
    case TypeId::kMap: return supported(format, t.key()) && supported(format, t.value());
    case TypeId::kNull: return format == "json" || format == "xml" || format == "avro";
    case TypeId::kCalendarInterval: return false;
    default: return true;
  }
}

bool holds(const DataType& t, TypeId id) {
  if (t.id() == id) return true;
  switch (t.id()) {
    case TypeId::kStruct: return std::any_of(t.fields().begin(), t.fields().end(), [&](const auto& f) { return holds(f.type(), id); });
    case TypeId::kArray: return holds(t.element(), id);
    case TypeId::kMap: return holds(t.key(), id) || holds(t.value(), id);
    default: return false;
  }
}

// Rows as an encoder writes them.
class EncodedFile : public PartFile {
 public:
  // which: of the query's columns.
  EncodedFile(std::unique_ptr<OutputStream> to, RowEncoder& encoder, const std::vector<size_t>& which) : to_(std::move(to)), encoder_(encoder), which_(which) {
    encoder_.header(buffer_);
  }
  void append(duckdb::DataChunk&, const std::vector<Column>& columns, size_t from, size_t to) override {
    for (idx_t row = from; row < to; ++row) {
      encoder_.row(columns, which_, row, buffer_);
      if (buffer_.size() > (1 << 18)) flush();
    }
  }
  void close() override {
    encoder_.footer(buffer_);
    flush();
    to_->close();
  }

 private:
  void flush() {
    if (!buffer_.empty()) to_->write(buffer_);
    buffer_.clear();
  }
  std::unique_ptr<OutputStream> to_;
  RowEncoder& encoder_;
  const std::vector<size_t>& which_;
  std::string buffer_;
};

struct Plan {
  std::string format;
  sources::Options options;
  std::string target;
  std::vector<size_t> partition_columns, data_columns;  // indices into the schema
  DataType data_schema;
  int64_t max_records = 0;
  bool dynamic_overwrite = false;
  std::string extension;   // ".csv.gz"
  std::string job = random_uuid();
  std::vector<std::string> names;  // of the query's columns
};

class Writer {
 public:
  Writer(const WriteRequest& request, const plan::SessionConf& conf, duckdb::Connection& connection, const std::function<bool()>& cancelled)
      : r_(request), conf_(conf), connection_(connection), cancelled_(cancelled) {
    zone_ = TimeZone::get(conf.time_zone());
    prepare();
  }

  WriteResult run() {
    auto there = storage::store_for(p_.target).stat(p_.target);
    bool exists = there.has_value();
    if (exists && !there->is_directory && r_.mode != SaveMode::kErrorIfExists && r_.mode != SaveMode::kIgnore && r_.mode != SaveMode::kOverwrite) {
      throw SparkError::Plain(ErrorKind::kSpark, "Parent path is not a directory: " + storage::display_uri(p_.target));
    }
    if (exists && r_.mode == SaveMode::kErrorIfExists) {
      throw analysis_error("PATH_ALREADY_EXISTS", {{"outputPath", storage::display_uri(p_.target)}});
    }
    if (exists && r_.mode == SaveMode::kIgnore) return {};
    try {
      Staging staging(p_.target);
      if (p_.format == "parquet") write_parquet(staging);
      else write_rows(staging);
      result_.bytes = static_cast<int64_t>(staging.bytes());
      check_cancelled();
      commit(staging, exists && !there->is_directory);
      return std::move(result_);
    } catch (const IoError& e) {
      // "No space left on device" and its kin: what, where and why.
      throw SparkError::Plain(ErrorKind::kSpark, std::string("Writing to ") + storage::display_uri(p_.target) + " failed: " + e.what());
    } catch (const std::filesystem::filesystem_error& e) {
      throw SparkError::Plain(ErrorKind::kSpark, std::string("Writing to ") + storage::display_uri(p_.target) + " failed: " + e.what());
    }
  }

 private:
  void check_cancelled() const {
    if (cancelled_ && cancelled_()) throw SparkError(ErrorKind::kSpark, "OPERATION_CANCELED", {{"operationId", ""}});
  }

  void prepare() {
    p_.format = lower(r_.format);
    p_.options = sources::Options(r_.options);
    if (p_.format == "binaryfile") throw SparkError::Plain(ErrorKind::kUnsupported, "Write is not supported for binary file data source");
    if (!kFormats.contains(p_.format)) {
      throw SparkError(ErrorKind::kSpark, "DATA_SOURCE_NOT_FOUND", {{"provider", r_.format}});
    }
    storage::store_for(r_.path);  // throws for unknown schemes
    p_.target = storage::normalize(r_.path);
    const auto& fields = r_.schema.fields();
    bool case_sensitive = conf_.case_sensitive();
    auto same = [&](const std::string& a, const std::string& b) { return case_sensitive ? a == b : sources::equal_ignore_case(a, b); };
    for (const auto& name : r_.partition_by) {
      size_t i = 0;
      while (i < fields.size() && !same(fields[i].name, name)) ++i;
      if (i == fields.size()) {
        throw analysis_error("_LEGACY_ERROR_TEMP_1155", {{"col", name}, {"schemaCatalog", r_.schema.catalog_string()}});
      }
      const DataType& t = fields[i].type();
      if (t.is_nested() || t.id() == TypeId::kVariant || t.id() == TypeId::kCalendarInterval) {
        throw analysis_error("INVALID_PARTITION_COLUMN_DATA_TYPE", {{"type", quote_sql(t.sql())}});
      }
      p_.partition_columns.push_back(i);
    }
    if (!fields.empty() && p_.partition_columns.size() == fields.size()) throw analysis_error("ALL_PARTITION_COLUMNS_NOT_ALLOWED");
    if (fields.empty()) throw analysis_error("EMPTY_SCHEMA_NOT_SUPPORTED_FOR_DATASOURCE", {{"format", shown_format(p_.format)}});
    std::vector<plan::StructField> data;
    std::set<std::string> seen;
    for (size_t i = 0; i < fields.size(); ++i) {
      if (p_.format != "csv" && !seen.insert(case_sensitive ? fields[i].name : lower(fields[i].name)).second) {
        throw analysis_error("COLUMN_ALREADY_EXISTS", {{"columnName", quote_identifier(case_sensitive ? fields[i].name : lower(fields[i].name))}});
      }
      p_.names.push_back("c" + std::to_string(i));
      if (std::find(p_.partition_columns.begin(), p_.partition_columns.end(), i) != p_.partition_columns.end()) continue;
      p_.data_columns.push_back(i);
      data.push_back(fields[i]);
      if (!supported(p_.format, fields[i].type())) {
        throw analysis_error("UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE", {{"columnName", quote_identifier(fields[i].name)},
                                                                      {"columnType", quote_sql(fields[i].type().sql())},
                                                                      {"format", shown_format(p_.format)}});
      }
    }
    p_.data_schema = DataType::structure(std::move(data));
    if (p_.format == "text" && p_.data_schema.fields().size() != 1) {
      throw analysis_error("_LEGACY_ERROR_TEMP_1290", {{"schemaSize", std::to_string(p_.data_schema.fields().size())}});
    }
    p_.max_records = p_.options.integer("maxRecordsPerFile", conf_.integer("spark.sql.files.maxRecordsPerFile"));
    std::string mode = lower(p_.options.text("partitionOverwriteMode", conf_.text("spark.sql.sources.partitionOverwriteMode")));
    if (mode != "static" && mode != "dynamic") {
      throw SparkError::Plain(ErrorKind::kNoSuchElement, "No value found for '" + p_.options.text("partitionOverwriteMode", "") + "'");
    }
    p_.dynamic_overwrite = mode == "dynamic" && r_.mode == SaveMode::kOverwrite && r_.static_partition.size() < p_.partition_columns.size();
    if (p_.format == "parquet") {
      prepare_parquet();
    } else if (p_.format == "orc") {
      orc_.emplace(p_.data_schema, p_.options, conf_);
      p_.extension = orc_->extension();
    } else if (p_.format == "avro") {
      avro_.emplace(p_.data_schema, p_.options, conf_);
      p_.extension = ".avro";
    } else {
      auto codec = p_.options.find("compression");
      if (!codec) codec = p_.options.find("codec");
      codec_ = codec ? codec_of(*codec) : Codec::kNone;
      std::string ext = p_.format == "text" ? "txt" : p_.format;
      if (p_.format == "csv") {
        ext = p_.options.text("extension", "csv");
        bool letters = std::all_of(ext.begin(), ext.end(), [](unsigned char c) { return isalpha(c); });
        if (ext.size() != 3 && !letters) {
          throw SparkError(ErrorKind::kIllegalArgument, "INVALID_PARAMETER_VALUE.EXTENSION",
                           {{"functionName", "`extension`"}, {"parameter", "`extension`"}, {"fileExtension", quote_identifier(ext)},
                            {"acceptable", "Extension is limited to exactly 3 letters (e.g. csv, tsv, etc...)"}});
        }
      }
      p_.extension = "." + ext + codec_extension(codec_);
      auto charset = p_.options.find("encoding");
      if (!charset) charset = p_.options.find("charset");
      if (charset) {
        charset_ = sources::checked_charset(*charset, p_.format == "csv" ? "CSVOptions" : p_.format == "json" ? "JSONOptions" : p_.format == "xml" ? "XmlOptions" : "TextOptions",
                                            conf_.flag("spark.sql.legacy.javaCharsets"));
      }
      encoder_ = p_.format == "csv"    ? make_csv_encoder(p_.data_schema, p_.options, conf_)
                 : p_.format == "json" ? make_json_encoder(p_.data_schema, p_.options, conf_)
                 : p_.format == "xml"  ? make_xml_encoder(p_.data_schema, p_.options, conf_)
                                       : make_text_encoder(p_.options);
    }
  }

  void prepare_parquet() {
    std::string codec = lower(p_.options.text("compression", p_.options.text("parquet.compression", conf_.text("spark.sql.parquet.compression.codec"))));
    static const std::map<std::string, std::pair<const char*, const char*>> kCodecs = {
        {"none", {"uncompressed", ""}},  {"uncompressed", {"uncompressed", ""}}, {"snappy", {"snappy", ".snappy"}},
        {"gzip", {"gzip", ".gz"}},       {"zstd", {"zstd", ".zstd"}},            {"brotli", {"brotli", ".br"}},
        {"lz4", {"lz4_raw", ".lz4raw"}}, {"lz4_raw", {"lz4_raw", ".lz4raw"}}};
    auto it = kCodecs.find(codec);
    if (it == kCodecs.end()) {
      throw SparkError(ErrorKind::kIllegalArgument, "CODEC_NOT_AVAILABLE.WITH_AVAILABLE_CODECS_SUGGESTION",
                       {{"codecName", codec}, {"availableCodecs", "brotli, uncompressed, lz4, gzip, lzo, snappy, none, zstd, lz4_raw"}});
    }
    parquet_codec_ = it->second.first;
    p_.extension = std::string(it->second.second) + ".parquet";
    if (holds(p_.data_schema, TypeId::kTime)) throw not_built("writing TIME columns to Parquet");
  }

  std::string file_name(int64_t counter) const {
    char c[24];
    snprintf(c, sizeof c, "%cc%03lld", p_.partition_columns.empty() ? '-' : '.', static_cast<long long>(counter));
    return "part-00000-" + p_.job + c + p_.extension;
  }

  // "k=v/l=w" of a row.
  std::string partition_path(const std::vector<Column>& columns, idx_t row) const {
    std::string path;
    for (size_t i : p_.partition_columns) {
      const auto& field = r_.schema.fields()[i];
      const Column& c = columns[i];
      idx_t at = c.unified.sel->get_index(row);
      std::string value;
      if (c.unified.validity.RowIsValid(at)) append_value(field.type(), c, at, nullptr, *zone_, value);
      if (!path.empty()) path += '/';
      path += storage::hive_escape(field.name) + "=" + (value.empty() ? kNullPartition : storage::hive_escape(value));
    }
    return path;
  }

  std::string named_query() const {
    std::string names;
    for (const auto& n : p_.names) names += (names.empty() ? "" : ", ") + n;
    return "(" + r_.query + ") AS t(" + names + ")";
  }

  std::string partition_list() const {
    std::string list;
    for (size_t i : p_.partition_columns) list += (list.empty() ? "" : ", ") + p_.names[i] + " NULLS FIRST";
    return list;
  }

  duckdb::unique_ptr<duckdb::QueryResult> stream(const std::string& sql) {
    auto pending = connection_.PendingQuery(sql, true);
    if (pending->HasError()) throw to_spark_error(pending->GetErrorObject(), sql);
    auto result = pending->Execute();
    if (result->HasError()) throw to_spark_error(result->GetErrorObject(), sql);
    return result;
  }

  // The number that DuckDB answers with: rows of a COPY.
  int64_t execute(const std::string& sql) {
    auto pending = connection_.PendingQuery(sql, false);
    if (pending->HasError()) throw to_spark_error(pending->GetErrorObject(), sql);
    try {
      for (;;) {
        auto state = pending->ExecuteTask();
        if (cancelled_ && cancelled_()) {
          connection_.Interrupt();
          break;
        }
        if (duckdb::PendingQueryResult::IsResultReady(state)) break;
        if (state == duckdb::PendingExecutionResult::BLOCKED) pending->WaitForTask();
      }
    } catch (const duckdb::Exception&) {
      // A task of another thread failed between two steps: DuckDB then refuses the next one.
      if (!pending->HasError()) throw;
    }
    check_cancelled();
    if (pending->HasError()) throw to_spark_error(pending->GetErrorObject(), sql);
    auto result = pending->Execute();
    if (result->HasError()) throw to_spark_error(result->GetErrorObject(), sql);
    auto chunk = result->Fetch();
    if (!chunk || chunk->size() == 0 || chunk->ColumnCount() == 0) return 0;
    auto value = chunk->GetValue(0, 0);
    return value.type().IsIntegral() && !value.IsNull() ? value.GetValue<int64_t>() : 0;
  }

  template <class Fn>
  void for_each_chunk(const std::string& sql, Fn fn) {
    auto result = stream(sql);
    for (;;) {
      check_cancelled();
      duckdb::unique_ptr<duckdb::DataChunk> chunk;
      duckdb::ErrorData error;
      if (!result->TryFetch(chunk, error)) throw to_spark_error(error.HasError() || !result->HasError() ? error : result->GetErrorObject(), sql);
      if (!chunk || chunk->size() == 0) break;
      chunk->Flatten();
      std::vector<Column> columns(chunk->ColumnCount());
      for (idx_t i = 0; i < chunk->ColumnCount(); ++i) duckdb::Vector::RecursiveToUnifiedFormat(chunk->data[i], chunk->size(), columns[i]);
      fn(*chunk, columns);
    }
  }

  std::unique_ptr<PartFile> create(const std::string& path) {
    if (avro_) return avro_->create(create_file(path, Codec::kNone, "UTF-8"), p_.data_columns);
    if (orc_) return orc_->create(create_file(path, Codec::kNone, "UTF-8"), *connection_.context);
    return std::make_unique<EncodedFile>(create_file(path, codec_, charset_), *encoder_, p_.data_columns);
  }

  // All but parquet: one stream of rows, sorted by the partition columns as Spark sorts them.
  void write_rows(Staging& staging) {
    bool partitioned = !p_.partition_columns.empty();
    std::string sql = "SELECT * FROM " + named_query() + (partitioned ? " ORDER BY " + partition_list() : "");
    std::unique_ptr<PartFile> file;
    std::string current;
    int64_t in_file = 0, counter = 0;
    auto open = [&] {
      file = create(staging.add((current.empty() ? "" : current + "/") + file_name(counter)));
      directories_.insert(current);
      in_file = 0;
    };
    auto close = [&] {
      if (file) file->close();
      file.reset();
    };
    if (!partitioned) open();
    duckdb::DataChunk data;  // the columns that are written
    duckdb::vector<duckdb::LogicalType> types;
    for (size_t c : p_.data_columns) types.push_back(to_duckdb(r_.schema.fields()[c].type()));
    data.InitializeEmpty(types);
    for_each_chunk(sql, [&](duckdb::DataChunk& chunk, const std::vector<Column>& columns) {
      const idx_t rows = chunk.size();
      for (size_t i = 0; i < p_.data_columns.size(); ++i) data.data[i].Reference(chunk.data[p_.data_columns[i]]);
      data.SetCardinality(rows);
      // Runs of rows that go to one file.
      for (idx_t from = 0; from < rows;) {
        idx_t to = rows;
        if (partitioned) {
          std::string path = partition_path(columns, from);
          for (to = from + 1; to < rows && partition_path(columns, to) == path;) ++to;
          if (!file || path != current) {
            close();
            current = std::move(path);
            counter = 0;
            open();
          }
        }
        if (p_.max_records > 0 && in_file == p_.max_records) {
          close();
          ++counter;
          open();
        }
        if (p_.max_records > 0) to = std::min(to, from + static_cast<idx_t>(p_.max_records - in_file));
        file->append(data, columns, from, to);
        in_file += static_cast<int64_t>(to - from);
        from = to;
      }
      result_.rows += static_cast<int64_t>(rows);
    });
    close();
  }

  std::string copy_sql(const std::string& from, const std::string& path) const {
    std::string list;
    for (size_t k = 0; k < p_.data_columns.size(); ++k) {
      size_t i = p_.data_columns[k];
      list += (k ? ", " : "") + p_.names[i] + " AS " + quote_duckdb_identifier(r_.schema.fields()[i].name);
    }
    return "COPY (SELECT " + list + " FROM " + from + ") TO " + duckdb_string(path) + " (FORMAT parquet, CODEC '" + parquet_codec_ +
           "', KV_METADATA {\"org.apache.spark.version\": '" + kSparkVersion + "', \"org.apache.spark.sql.parquet.row.metadata\": " +
           duckdb_string(p_.data_schema.json()) + "})";
  }

  int64_t copy(Staging& staging, const std::string& from, const std::string& relative) {
    std::string path = staging.add(relative);
    int64_t rows = execute(copy_sql(from, path));
    if (is_local(path)) storage::store_for(path).sync(path);
    return rows;
  }

  void write_parquet(Staging& staging) {
    if (p_.partition_columns.empty() && p_.max_records <= 0) {
      result_.rows = copy(staging, named_query(), file_name(0));
      directories_.insert("");
      return;
    }
    // The rows of one file after the other lie together in a temporary table; each file is a range of it.
    std::string table = "tarn_sink_" + p_.job.substr(0, 8) + p_.job.substr(9, 4);
    std::string order = p_.partition_columns.empty() ? "" : " ORDER BY " + partition_list();
    execute("CREATE TEMP TABLE " + table + " AS SELECT * FROM " + named_query() + order);
    struct Drop {
      duckdb::Connection& c;
      std::string table;
      ~Drop() { c.Query("DROP TABLE IF EXISTS temp." + table); }
    } drop{connection_, table};
    std::vector<std::pair<std::string, int64_t>> runs;  // directory, rows
    std::string keys;
    for (size_t i : p_.partition_columns) keys += p_.names[i] + ", ";
    if (p_.partition_columns.empty()) {
      auto n = connection_.Query("SELECT count(*) FROM " + table);
      if (n->HasError()) throw to_spark_error(n->GetErrorObject());
      runs.emplace_back("", n->GetValue(0, 0).GetValue<int64_t>());
    } else {
      std::string columns;
      for (size_t i = 0; i < p_.names.size(); ++i) {
        bool partition = std::find(p_.partition_columns.begin(), p_.partition_columns.end(), i) != p_.partition_columns.end();
        columns += (partition ? p_.names[i] : "NULL") + ", ";
      }
      std::string groups = keys.substr(0, keys.size() - 2);
      for_each_chunk("SELECT " + columns + "count(*), min(rowid) AS r FROM " + table + " GROUP BY " + groups + " ORDER BY r",
                     [&](duckdb::DataChunk& chunk, const std::vector<Column>& cells) {
                       for (idx_t row = 0; row < chunk.size(); ++row) {
                         const Column& count = cells[p_.names.size()];
                         int64_t n = duckdb::UnifiedVectorFormat::GetData<int64_t>(count.unified)[count.unified.sel->get_index(row)];
                         runs.emplace_back(partition_path(cells, row), n);
                       }
                     });
    }
    int64_t start = 0;
    std::map<std::string, int64_t> counters;
    for (const auto& [directory, rows] : runs) {
      int64_t step = p_.max_records > 0 ? p_.max_records : std::max<int64_t>(rows, 1);
      for (int64_t at = 0; at < rows || (rows == 0 && at == 0); at += step) {
        int64_t from = start + at, to = start + std::min(at + step, rows);
        copy(staging, table + " WHERE rowid >= " + std::to_string(from) + " AND rowid < " + std::to_string(to),
             (directory.empty() ? "" : directory + "/") + file_name(counters[directory]++));
        directories_.insert(directory);
      }
      start += rows;
    }
    result_.rows = start;
  }

  void commit(Staging& staging, bool target_is_file) {
    std::vector<std::string> parts = staging.files();
    std::string success = staging.add("_SUCCESS");
    create_file(success, Codec::kNone, "UTF-8")->close();
    if (target_is_file) storage::store_for(p_.target).remove(p_.target);
    if (r_.mode != SaveMode::kOverwrite) {
      staging.commit_append();
    } else if (p_.dynamic_overwrite) {
      staging.commit_replace_directories({directories_.begin(), directories_.end()});
    } else if (!r_.static_partition.empty()) {
      std::string prefix;
      for (size_t i : p_.partition_columns) {
        const auto& field = r_.schema.fields()[i];
        auto it = std::find_if(r_.static_partition.begin(), r_.static_partition.end(),
                               [&](const auto& s) { return sources::equal_ignore_case(s.first, field.name); });
        if (it == r_.static_partition.end()) break;
        prefix += (prefix.empty() ? "" : "/") + storage::hive_escape(field.name) + "=" +
                  (it->second.empty() ? std::string(kNullPartition) : storage::hive_escape(it->second));
      }
      staging.commit_replace_directories({prefix});
    } else {
      staging.commit_replace();
    }
    for (const auto& f : parts) result_.files.push_back(p_.target + "/" + f);
  }

  const WriteRequest& r_;
  const plan::SessionConf& conf_;
  duckdb::Connection& connection_;
  const std::function<bool()>& cancelled_;
  std::shared_ptr<const TimeZone> zone_;
  Plan p_;
  Codec codec_ = Codec::kNone;
  std::string charset_ = "UTF-8", parquet_codec_;
  std::unique_ptr<RowEncoder> encoder_;
  std::optional<OrcOptions> orc_;
  std::optional<AvroOptions> avro_;
  std::set<std::string> directories_;
  WriteResult result_;
};

}  // namespace

WriteResult write_files(const WriteRequest& request, const plan::SessionConf& conf, duckdb::Connection& connection,
                        const std::function<bool()>& cancelled) {
  return Writer(request, conf, connection, cancelled).run();
}

}  // namespace tarn::engine::sinks
