#include "engine/sources/csv_format.h"

#include <cstring>

#include "duckdb/common/types/data_chunk.hpp"
#include "engine/sources/byte_stream.h"
#include "engine/sources/column_writer.h"
#include "engine/sources/csv_tokenizer.h"
#include "engine/sources/vector_bytes.h"

namespace tarn::engine::sources {
namespace {

class CsvFormat : public RowFormat {
 public:
  CsvFormat(std::shared_ptr<const CsvOptions> options, plan::DataType schema) : options(std::move(options)), schema(std::move(schema)) {
    const auto& fields = this->schema.fields();
    for (size_t i = 0; i < fields.size(); ++i) {
      if (fields[i].name == this->options->corrupt_column && fields[i].type().is_string()) corrupt = static_cast<int>(i);
    }
    for (size_t i = 0, token = 0; i < fields.size(); ++i) {
      token_index.push_back(static_cast<int>(i) == corrupt ? SIZE_MAX : token++);
      if (static_cast<int>(i) != corrupt) ++tokens;
    }
  }
  bool in_blocks() const override { return !options->multi_line; }
  std::string charset() const override { return options->charset; }
  size_t complete_prefix(std::string_view bytes) const override { return complete_lines(bytes, options->line_separator); }
  std::unique_ptr<RowDecoder> decoder(const std::vector<WantedColumn>& columns) const override;

  std::shared_ptr<const CsvOptions> options;
  plan::DataType schema;
  int corrupt = -1;                  // field of the corrupt record, -1 none
  std::vector<size_t> token_index;   // field -> position in the record
  size_t tokens = 0;                 // values a full record has
};

class CsvDecoder : public RowDecoder {
 public:
  CsvDecoder(const CsvFormat& format, const std::vector<WantedColumn>& columns)
      : format_(format), o_(*format.options), tokenizer_(o_) {
    for (const auto& c : columns) {
      if (static_cast<int>(c.field) == format.corrupt) {
        corrupt_slot_ = static_cast<int>(c.slot);
        continue;
      }
      size_t token = format.token_index[c.field];
      columns_.push_back({token, c.slot, ColumnWriter(format.schema.fields()[c.field].type(), o_)});
      last_token_ = std::max(last_token_, token + 1);
    }
    if (columns_.empty() && corrupt_slot_ >= 0 && !columns.empty()) {
      throw analysis_error("UNSUPPORTED_FEATURE.QUERY_ONLY_CORRUPT_RECORD_COLUMN");
    }
    // With column pruning only the wanted values are parsed, and records are not checked for their length.
    pruned_ = o_.column_pruning && columns_.size() < format.tokens;
  }

  void start_block(const BlockPtr& block, const DataFile& file, bool first, bool) override {
    block_ = block;
    file_ = &file;
    p_ = block->data.get();
    end_ = p_ + block->size;
    if (first && o_.header) skip_header();
  }

  void start_file(const DataFile& file, const FileSplit&) override {
    file_ = &file;
    stream_ = open_file(file.path, o_.charset);
    buffer_ = std::make_shared<BlockBuffer>(kStreamBlock);
    capacity_ = kStreamBlock;
    final_ = false;
    p_ = end_ = buffer_->data.get();
    refill();
    tokenizer_.detect_line_separator({p_, static_cast<size_t>(end_ - p_)});
    header_pending_ = o_.header;
  }

  size_t decode(duckdb::DataChunk& chunk) override {
    for (auto& c : columns_) c.writer.attach(chunk.data[c.slot]);
    if (corrupt_slot_ >= 0) corrupt_ = &chunk.data[static_cast<size_t>(corrupt_slot_)];
    size_t row = 0;
    if (o_.multi_line) {
      while (row < STANDARD_VECTOR_SIZE && stream_record(row)) {
      }
      if (row == 0) stream_.reset();
    } else {
      const BlockPtr owner = block_;
      while (row < STANDARD_VECTOR_SIZE && line_record(row)) {
      }
      for (auto& c : columns_) {
        if (row && chunk.data[c.slot].GetType().InternalType() == duckdb::PhysicalType::VARCHAR) keep_bytes(chunk.data[c.slot], owner);
      }
    }
    return row;
  }

 private:
  static constexpr size_t kStreamBlock = 1 << 20;
  struct Column {
    size_t token, slot;
    ColumnWriter writer;
  };

  // The end of the line that starts at p, and where the next one starts.
  void line_end(const char* p, const char*& end, const char*& next) const {
    const std::string& sep = o_.line_separator;
    if (!sep.empty()) {
      std::string_view rest(p, static_cast<size_t>(end_ - p));
      size_t at = rest.find(sep);
      end = at == std::string_view::npos ? end_ : p + at;
      next = at == std::string_view::npos ? end_ : end + sep.size();
      return;
    }
    end = find_line_end(p, end_);
    next = end;
    if (next < end_) {
      if (*next == '\r' && next + 1 < end_ && next[1] == '\n') ++next;
      ++next;
    }
  }

  bool ignorable(const char* begin, const char* end) const {
    if (begin == end) return true;
    if (static_cast<unsigned char>(*begin) > ' ') return o_.comment != '\0' && *begin == o_.comment;
    for (const char* q = begin; q < end; ++q) {
      if (static_cast<unsigned char>(*q) > ' ') return o_.comment != '\0' && *begin == o_.comment;
    }
    return true;
  }

  void skip_header() {
    while (p_ < end_) {
      const char *begin = p_, *end, *next;
      line_end(p_, end, next);
      p_ = next;
      if (ignorable(begin, end)) continue;
      if (!o_.enforce_schema) {
        if (!tokenizer_.line(begin, end, tokens_, SIZE_MAX)) fail_record({begin, static_cast<size_t>(end - begin)});
        check_header();
      }
      return;
    }
  }

  // enforceSchema=false: the header has to name the columns of the schema.
  void check_header() const {
    std::vector<std::string> names;
    for (size_t i = 0; i < format_.schema.fields().size(); ++i) {
      if (static_cast<int>(i) != format_.corrupt) names.push_back(format_.schema.fields()[i].name);
    }
    std::string message;
    if (tokens_.size() != names.size()) {
      message = "Number of column in CSV header is not equal to number of fields in the schema:\n Header length: " +
                std::to_string(tokens_.size()) + ", schema size: " + std::to_string(names.size()) + "\nCSV file: " + file_->url();
    }
    for (size_t i = 0; i < names.size() && message.empty(); ++i) {
      std::string found(tokens_[i].view());
      if (o_.case_sensitive ? found == names[i] : equal_ignore_case(found, names[i])) continue;
      std::string header, schema;
      for (size_t k = 0; k < names.size(); ++k) {
        header += (k ? ", " : "") + std::string(tokens_[k].view());
        schema += (k ? ", " : "") + names[k];
      }
      message = "CSV header does not conform to the schema.\n Header: " + header + "\n Schema: " + schema + "\nExpected: " + names[i] +
                " but found: " + found + "\nCSV file: " + file_->url();
    }
    if (!message.empty()) throw SparkError(ErrorKind::kIllegalArgument, "_LEGACY_ERROR_TEMP_3241", {{"msg", message}});
  }

  [[noreturn]] void fail_record(std::string_view text) const {
    throw SparkError(ErrorKind::kRuntime, "MALFORMED_CSV_RECORD", {{"badRecord", std::string(text)}});
  }

  bool line_record(size_t& row) {
    for (;;) {
      if (p_ >= end_) return false;
      const char *begin = p_, *end, *next;
      line_end(begin, end, next);
      p_ = next;
      if (ignorable(begin, end)) continue;
      if (columns_.empty() && o_.column_pruning) {
        accept(row);
        return true;
      }
      if (!tokenizer_.line(begin, end, tokens_, pruned_ ? last_token_ : SIZE_MAX)) fail_record({begin, static_cast<size_t>(end - begin)});
      convert(row, {begin, static_cast<size_t>(end - begin)});
      return true;
    }
  }

  void refill() {
    size_t kept = static_cast<size_t>(end_ - p_);
    if (kept * 2 > capacity_) {
      if (capacity_ >= (size_t{1} << 30)) throw StreamError("a record longer than 1 GiB");
      capacity_ *= 2;
    }
    auto larger = std::make_shared<BlockBuffer>(capacity_);
    memcpy(larger->data.get(), p_, kept);
    size_t used = kept;
    while (used < capacity_) {
      size_t got = stream_->read(larger->data.get() + used, capacity_ - used);
      if (got == 0) {
        final_ = true;
        break;
      }
      used += got;
    }
    buffer_ = std::move(larger);
    p_ = buffer_->data.get();
    end_ = p_ + used;
  }

  bool stream_record(size_t& row) {
    for (;;) {
      const char* begin = p_;
      switch (tokenizer_.record(p_, end_, final_, tokens_)) {
        case CsvTokenizer::Next::kEnd: return false;
        case CsvTokenizer::Next::kNeedMore: refill(); continue;
        case CsvTokenizer::Next::kSkipped: continue;
        case CsvTokenizer::Next::kFailed: fail_record({begin, std::min<size_t>(static_cast<size_t>(end_ - begin), 1000)});
        case CsvTokenizer::Next::kRecord: break;
      }
      if (header_pending_) {
        header_pending_ = false;
        if (!o_.enforce_schema) check_header();
        continue;
      }
      std::string_view text(begin, static_cast<size_t>(p_ - begin));
      while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
      if (columns_.empty() && o_.column_pruning) {
        accept(row);
        return true;
      }
      convert(row, text);
      return true;
    }
  }

  void accept(size_t& row) {
    if (corrupt_) duckdb::FlatVector::SetNull(*corrupt_, row, true);
    ++row;
  }

  void convert(size_t& row, std::string_view record) {
    bool bad = !pruned_ && tokens_.size() != format_.tokens;
    const bool stable = !o_.multi_line;
    const std::string& null_text = o_.null_value;
    for (auto& c : columns_) {
      if (c.token >= tokens_.size()) {  // pruned: univocity fills the selection up with nulls
        c.writer.set_null(row);
        continue;
      }
      const CsvToken& t = tokens_[c.token];
      if (t.size == null_text.size() && memcmp(t.data, null_text.data(), t.size) == 0) {
        c.writer.set_null(row);
      } else if (!c.writer.write(t.view(), stable && !t.owned, row)) {
        bad = true;
        c.writer.set_null(row);
      }
    }
    if (!bad) {
      accept(row);
      return;
    }
    if (o_.mode == ParseMode::kDropMalformed) {
      for (auto& c : columns_) c.writer.clear_null(row);
      return;
    }
    if (o_.mode == ParseMode::kFailFast) {
      throw SparkError(ErrorKind::kSpark, "MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION",
                       {{"badRecord", shown_row(row, record)}, {"failFastMode", "FAILFAST"}});
    }
    if (corrupt_) {
      duckdb::FlatVector::GetData<duckdb::string_t>(*corrupt_)[row] =
          duckdb::StringVector::AddStringOrBlob(*corrupt_, record.data(), record.size());
    }
    ++row;
  }

  // The row that Spark's message shows: the values that could be read.
  std::string shown_row(size_t row, std::string_view) const {
    std::string out = "[";
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (i) out += ",";
      out += columns_[i].writer.shown(row);
    }
    return out + "]";
  }

  const CsvFormat& format_;
  const CsvOptions& o_;
  CsvTokenizer tokenizer_;
  std::vector<Column> columns_;
  size_t last_token_ = 0;
  int corrupt_slot_ = -1;
  duckdb::Vector* corrupt_ = nullptr;
  bool pruned_ = false;
  std::vector<CsvToken> tokens_;
  const DataFile* file_ = nullptr;
  BlockPtr block_;
  const char *p_ = nullptr, *end_ = nullptr;
  // multiLine
  std::unique_ptr<ByteStream> stream_;
  BlockPtr buffer_;
  size_t capacity_ = 0;
  bool final_ = false, header_pending_ = false;
};

std::unique_ptr<RowDecoder> CsvFormat::decoder(const std::vector<WantedColumn>& columns) const {
  return std::make_unique<CsvDecoder>(*this, columns);
}

}  // namespace

std::shared_ptr<const RowFormat> make_csv_format(std::shared_ptr<const CsvOptions> options, plan::DataType schema) {
  return std::make_shared<CsvFormat>(std::move(options), std::move(schema));
}

}  // namespace tarn::engine::sources
