#include "engine/sources/xml_format.h"

#include "duckdb/common/types/data_chunk.hpp"
#include "engine/sources/byte_stream.h"
#include "engine/sources/line_source.h"
#include "engine/type_mapping.h"
#include "engine/xml/row_reader.h"
#include "engine/xml/schema.h"
#include "plan/session_conf.h"

namespace tarn::engine::sources {
namespace {

using plan::DataType;

class XmlFormat : public RowFormat {
 public:
  XmlFormat(std::shared_ptr<const xml::XmlOptions> options, DataType schema) : options(std::move(options)), schema(std::move(schema)) {
    const auto& fields = this->schema.fields();
    for (size_t i = 0; i < fields.size(); ++i)
      if (fields[i].name == this->options->corrupt_column && fields[i].type().is_string()) corrupt = static_cast<int>(i);
  }
  bool in_blocks() const override { return false; }
  size_t complete_prefix(std::string_view) const override { return 0; }
  std::unique_ptr<RowDecoder> decoder(const std::vector<WantedColumn>& columns) const override;

  std::shared_ptr<const xml::XmlOptions> options;
  DataType schema;
  int corrupt = -1;
};

// The events of a file, as bytes in the encoding it says itself, or in that of the option.
struct XmlFile {
  XmlFile(const DataFile& file, const xml::XmlOptions& o)
      : stream(o.charset_given ? open_file(file.path, o.charset) : open_raw_or_decompressed(file)),
        events([this](char* out, size_t n) { return stream->read(out, n); }, o.charset_given ? "UTF-8" : "") {}
  static std::unique_ptr<ByteStream> open_raw_or_decompressed(const DataFile& file) { return open_file(file.path, "UTF-8", true); }

  // To the next record. False: there is none.
  bool next_record(const xml::XmlOptions& o) {
    try {
      for (;;) {
        const xml::Event& e = events.peek();
        if (e.kind == xml::Event::Kind::kEndDocument) return false;
        if (e.kind == xml::Event::Kind::kStart && o.local(e.text) == o.row_tag) return true;
        events.next();
      }
    } catch (const xml::Malformed& m) {
      if (!m.at_end) throw;
      return false;   // a document without its end has no more records
    }
  }
  std::unique_ptr<ByteStream> stream;
  xml::Events events;
};

class XmlDecoder : public RowDecoder {
 public:
  XmlDecoder(const XmlFormat& format, const std::vector<WantedColumn>& columns) : o_(*format.options), reader_(wanted(format, columns), o_) {
    if (columns_.empty() && corrupt_slot_ >= 0) throw analysis_error("UNSUPPORTED_FEATURE.QUERY_ONLY_CORRUPT_RECORD_COLUMN");
  }
  void start_block(const BlockPtr&, const DataFile&, bool, bool) override {}
  void start_file(const DataFile& file, const FileSplit&) override {
    file_ = file;
    xml_ = std::make_unique<XmlFile>(file, o_);
  }

  size_t decode(duckdb::DataChunk& chunk) override {
    size_t row = 0;
    while (xml_ && row < STANDARD_VECTOR_SIZE) {
      try {
        if (!xml_->next_record(o_)) {
          xml_.reset();
          break;
        }
        auto record = reader_.read(xml_->events);
        put(chunk, row, record.values, record.partial);
      } catch (const xml::Malformed&) {
        // The rest of the file is lost: one bad record stands for it. Where only the end is missing there is none.
        xml_.reset();
        put(chunk, row, {}, true);
      } catch (const xml::BadRecord&) {
        throw SparkError::Plain(ErrorKind::kSpark, "A value of the record's own element in " + file_.display() + " is not of its column's type");
      }
    }
    return row;
  }

 private:
  // The schema that is read: the wanted columns but that for corrupt records.
  DataType wanted(const XmlFormat& format, const std::vector<WantedColumn>& columns) {
    std::vector<plan::StructField> fields;
    for (const auto& c : columns) {
      if (static_cast<int>(c.field) == format.corrupt) {
        corrupt_slot_ = static_cast<int>(c.slot);
        continue;
      }
      fields.push_back(format.schema.fields()[c.field]);
      columns_.push_back(c.slot);
      nulls_.emplace_back(to_duckdb(fields.back().type()));
    }
    return DataType::structure(std::move(fields));
  }

  void put(duckdb::DataChunk& chunk, size_t& row, const std::vector<duckdb::Value>& values, bool bad) {
    if (bad && o_.mode == ParseMode::kDropMalformed) return;
    if (bad && o_.mode == ParseMode::kFailFast) {
      std::string shown = "[";
      for (size_t i = 0; i < columns_.size(); ++i) shown += std::string(i ? "," : "") + (values.empty() || values[i].IsNull() ? "null" : values[i].ToString());
      throw SparkError(ErrorKind::kSpark, "MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION", {{"badRecord", shown + "]"}, {"failFastMode", "FAILFAST"}});
    }
    for (size_t i = 0; i < columns_.size(); ++i) chunk.data[columns_[i]].SetValue(row, values.empty() ? nulls_[i] : values[i]);
    if (corrupt_slot_ >= 0)
      chunk.data[static_cast<size_t>(corrupt_slot_)].SetValue(row, bad ? duckdb::Value(whole_file()) : duckdb::Value(duckdb::LogicalType::VARCHAR));
    ++row;
  }
  std::string whole_file() const { return repair_utf8(read_all(*open_file(file_.path, o_.charset))); }

  const xml::XmlOptions& o_;
  std::vector<size_t> columns_;
  std::vector<duckdb::Value> nulls_;
  int corrupt_slot_ = -1;
  xml::RowReader reader_;
  DataFile file_;
  std::unique_ptr<XmlFile> xml_;
};

std::unique_ptr<RowDecoder> XmlFormat::decoder(const std::vector<WantedColumn>& columns) const { return std::make_unique<XmlDecoder>(*this, columns); }

}  // namespace

std::shared_ptr<const xml::XmlOptions> read_xml_options(const Options& options, const plan::SessionConf& conf, bool row_tag_required) {
  if (lower(conf.text("spark.sql.legacy.timeParserPolicy")) == "legacy") throw not_built("spark.sql.legacy.timeParserPolicy=LEGACY for file sources");
  if (options.flag("useLegacyXMLParser", false)) throw not_built("the option useLegacyXMLParser of xml");
  xml::Defaults d;
  d.zone = conf.time_zone();
  d.corrupt_column = conf.text("spark.sql.columnNameOfCorruptRecord");
  d.case_sensitive = conf.case_sensitive();
  d.timestamp_ntz = conf.text("spark.sql.timestampType") == "TIMESTAMP_NTZ";
  auto o = std::make_shared<xml::XmlOptions>(xml::XmlOptions::read(options, d, row_tag_required));
  if (o->charset_given) o->charset = checked_charset(o->charset, "XmlOptions", conf.flag("spark.sql.legacy.javaCharsets"));
  return o;
}

std::shared_ptr<const RowFormat> make_xml_format(std::shared_ptr<const xml::XmlOptions> options, DataType schema) {
  return std::make_shared<XmlFormat>(std::move(options), std::move(schema));
}

std::optional<DataType> infer_xml_schema(const std::vector<DataFile>& files, const xml::XmlOptions& o, const ScanSettings& settings) {
  if (files.empty()) return std::nullopt;
  DataType all = DataType::structure({});
  Sampler sampler(o.sampling_ratio);
  auto merge = [&](const std::optional<DataType>& t) {
    if (t) all = xml::compatible_type(all, *t, o);
  };
  for (const auto& file : files) {
    if (!sampler.take()) continue;
    read_for_inference(file, settings, [&](const DataFile& f) {
      XmlFile x(f, o);
      try {
        while (x.next_record(o)) merge(xml::infer(x.events, o));
      } catch (const xml::Malformed&) {
        merge(xml::malformed_type(o));
      }
    });
  }
  auto t = xml::canonical(all);
  return t ? *t : DataType::structure({});
}

}  // namespace tarn::engine::sources
