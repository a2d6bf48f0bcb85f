#include "engine/sources/json_format.h"

#include <simdjson.h>

#include <cstring>

#include "duckdb/common/types/data_chunk.hpp"
#include "engine/sources/byte_stream.h"
#include "engine/sources/json_converter.h"
#include "engine/sources/vector_bytes.h"
#include "engine/type_mapping.h"

namespace tarn::engine::sources {
namespace {

class JsonFormat : public RowFormat {
 public:
  JsonFormat(std::shared_ptr<const JsonOptions> options, plan::DataType schema) : options(std::move(options)), schema(std::move(schema)) {
    const auto& fields = this->schema.fields();
    for (size_t i = 0; i < fields.size(); ++i) {
      if (fields[i].name == this->options->corrupt_column && fields[i].type().is_string()) corrupt = static_cast<int>(i);
    }
  }
  bool in_blocks() const override { return !options->multi_line; }
  std::string charset() const override { return options->charset; }
  bool repair_utf8() const override { return false; }
  size_t complete_prefix(std::string_view bytes) const override { return complete_lines(bytes, options->line_separator); }
  std::unique_ptr<RowDecoder> decoder(const std::vector<WantedColumn>& columns) const override;

  std::shared_ptr<const JsonOptions> options;
  plan::DataType schema;
  int corrupt = -1;
};

// Every vector below that can hold strings has to keep the block alive.
void keep_bytes_deep(duckdb::Vector& v, const BlockPtr& block) {
  switch (v.GetType().InternalType()) {
    case duckdb::PhysicalType::VARCHAR: keep_bytes(v, block); break;
    case duckdb::PhysicalType::STRUCT:
      for (auto& e : duckdb::StructVector::GetEntries(v)) keep_bytes_deep(*e, block);
      break;
    case duckdb::PhysicalType::LIST: keep_bytes_deep(duckdb::ListVector::GetEntry(v), block); break;
    default: break;
  }
}

class JsonDecoder : public RowDecoder {
 public:
  JsonDecoder(const JsonFormat& format, const std::vector<WantedColumn>& columns)
      : format_(format), o_(*format.options), cursor_(o_.leniency) {
    for (const auto& c : columns) {
      if (static_cast<int>(c.field) == format.corrupt) {
        corrupt_slot_ = static_cast<int>(c.slot);
        continue;
      }
      const auto& field = format.schema.fields()[c.field];
      fields_.add(field.name);
      columns_.push_back({c.slot, field.type(), JsonConverter(field.type(), o_)});
    }
    seen_.resize(columns_.size());
    if (columns_.empty() && corrupt_slot_ >= 0) throw analysis_error("UNSUPPORTED_FEATURE.QUERY_ONLY_CORRUPT_RECORD_COLUMN");
  }

  void start_block(const BlockPtr& block, const DataFile& file, bool, bool utf8) override {
    block_ = block;
    file_ = &file;
    utf8_ = utf8;
    p_ = block->data.get();
    end_ = p_ + block->size;
    in_array_ = false;
  }

  void start_file(const DataFile& file, const FileSplit&) override {
    std::string text = read_all(*open_file(file.path, json_charset(o_, file)));
    auto block = std::make_shared<BlockBuffer>(text.size());
    memcpy(block->data.get(), text.data(), text.size());
    memset(block->data.get() + text.size(), '\n', BlockBuffer::kPadding);
    block->size = text.size();
    start_block(block, file, true, simdjson::validate_utf8(text.data(), text.size()));
  }

  size_t decode(duckdb::DataChunk& chunk) override {
    chunk_ = &chunk;
    const BlockPtr owner = block_;
    size_t row = 0;
    while (row < STANDARD_VECTOR_SIZE) {
      if (in_array_) {
        if (!next_in_array(row)) continue;
      } else if (!next_record(row)) {
        break;
      }
    }
    if (row) {
      for (auto& c : columns_) keep_bytes_deep(chunk.data[c.slot], owner);
      if (corrupt_slot_ >= 0) keep_bytes(chunk.data[static_cast<size_t>(corrupt_slot_)], owner);
    }
    return row;
  }

 private:
  struct Column {
    size_t slot;
    plan::DataType type;
    JsonConverter converter;
  };

  // The text of the next record; false at the end of the block.
  bool next_text(std::string_view& text) {
    if (p_ >= end_) return false;
    if (o_.multi_line) {
      text = {p_, static_cast<size_t>(end_ - p_)};
      p_ = end_;
      return true;
    }
    if (o_.line_separator.empty()) {
      const char* stop = find_line_end(p_, end_);
      text = {p_, static_cast<size_t>(stop - p_)};
      p_ = stop < end_ ? stop + 1 : end_;
      return true;
    }
    std::string_view rest(p_, static_cast<size_t>(end_ - p_));
    size_t at = rest.find(o_.line_separator);
    text = rest.substr(0, at);
    p_ = at == std::string_view::npos ? end_ : p_ + at + o_.line_separator.size();
    return true;
  }

  // Reads one record, which makes no row, one row, or the rows of an array (then in_array_ is set). False: the block is done.
  bool next_record(size_t& row) {
    std::string_view text;
    if (!next_text(text)) return false;
    record_ = text;
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    cursor_.reset(text.data(), text.data() + text.size());
    try {
      char first = cursor_.peek();
      if (first == '\0') return true;
      if (!utf8_ && !simdjson::validate_utf8(text.data(), text.size())) throw JsonSyntaxError();
      if (first == '{') {
        JsonResult r = read_row(*chunk_, row);
        if (r == JsonResult::kOk) {
          set_corrupt(row, false);
          ++row;
        } else {
          bad(row, true);
        }
      } else if (first == '[') {
        start_array(row);
      } else {
        cursor_.skip_value();
        bad(row, false);  // a value that is no object
      }
    } catch (const JsonSyntaxError&) {
      bad(row, false);
    }
    return true;
  }

  // An object into the row. Missing fields are null.
  JsonResult read_row(duckdb::DataChunk& chunk, size_t row) {
    JsonResult result = JsonResult::kOk;
    ++object_;
    fields_.restart();
    cursor_.enter();
    std::string_view name;
    for (bool more = cursor_.next_field(true, name); more; more = cursor_.next_field(false, name)) {
      int i = fields_.find(name);
      if (i < 0) {
        cursor_.skip_value();
        continue;
      }
      auto k = static_cast<size_t>(i);
      seen_[k] = object_;
      if (columns_[k].converter.read(cursor_, chunk.data[columns_[k].slot], row, true) != JsonResult::kOk) result = JsonResult::kPartial;
    }
    for (size_t k = 0; k < columns_.size(); ++k) {
      if (seen_[k] != object_) duckdb::FlatVector::SetNull(chunk.data[columns_[k].slot], row, true);
    }
    return result;
  }

  // A top-level array: each object in it is a row, but only if all of it is well-formed.
  void start_array(size_t& row) {
    const char* begin = cursor_.position();
    bool objects = true, partial = false;
    // With these it matters for every row whether any of them has a value that cannot be converted.
    bool check_values = corrupt_slot_ >= 0 || o_.mode != ParseMode::kPermissive;
    cursor_.enter();
    duckdb::DataChunk scratch;
    if (check_values) {
      duckdb::vector<duckdb::LogicalType> types(chunk_->ColumnCount(), duckdb::LogicalType::BOOLEAN);
      for (auto& c : columns_) types[c.slot] = to_duckdb(c.type);
      scratch.Initialize(duckdb::Allocator::DefaultAllocator(), types);
    }
    size_t n = 0;
    for (bool more = cursor_.next_element(true); more; more = cursor_.next_element(false)) {
      if (cursor_.peek() != '{') {
        objects = false;
        cursor_.skip_value();
      } else if (check_values && objects) {
        if (read_row(scratch, n % STANDARD_VECTOR_SIZE) != JsonResult::kOk) partial = true;
        if (++n % STANDARD_VECTOR_SIZE == 0) scratch.Reset();
      } else {
        cursor_.skip_value();
      }
    }
    if (!objects) return bad(row, false);
    if (partial && o_.mode != ParseMode::kPermissive) return bad(row, true);
    array_partial_ = partial;
    cursor_.reset(begin, record_.data() + record_.size());
    cursor_.enter();
    in_array_ = array_first_ = true;
  }

  // The next row of the array. False: the array is done and made no row.
  bool next_in_array(size_t& row) {
    if (!cursor_.next_element(array_first_)) {
      in_array_ = false;
      return false;
    }
    array_first_ = false;
    cursor_.peek();
    read_row(*chunk_, row);
    set_corrupt(row, array_partial_);
    ++row;
    return true;
  }

  void set_corrupt(size_t row, bool corrupt) {
    if (corrupt_slot_ < 0) return;
    auto& v = chunk_->data[static_cast<size_t>(corrupt_slot_)];
    if (!corrupt) {
      duckdb::FlatVector::SetNull(v, row, true);
      return;
    }
    duckdb::FlatVector::Validity(v).SetValid(row);
    if (utf8_ || simdjson::validate_utf8(record_.data(), record_.size())) {
      duckdb::FlatVector::GetData<duckdb::string_t>(v)[row] = duckdb::string_t(record_.data(), static_cast<uint32_t>(record_.size()));
    } else {
      std::string fixed = repair_utf8(record_);
      duckdb::FlatVector::GetData<duckdb::string_t>(v)[row] = duckdb::StringVector::AddString(v, fixed);
    }
  }

  void bad(size_t& row, bool partial) {
    if (o_.mode == ParseMode::kDropMalformed) return;
    if (o_.mode == ParseMode::kFailFast) {
      std::string shown = "[";
      for (size_t i = 0; i < columns_.size(); ++i) {
        if (i) shown += ",";
        duckdb::Value v = partial ? chunk_->data[columns_[i].slot].GetValue(row) : duckdb::Value();
        shown += v.IsNull() ? "null" : v.ToString();
      }
      throw SparkError(ErrorKind::kSpark, "MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION",
                       {{"badRecord", shown + "]"}, {"failFastMode", "FAILFAST"}});
    }
    if (!partial) {
      for (auto& c : columns_) duckdb::FlatVector::SetNull(chunk_->data[c.slot], row, true);
    }
    set_corrupt(row, true);
    ++row;
  }

  const JsonFormat& format_;
  const JsonOptions& o_;
  JsonCursor cursor_;
  FieldFinder fields_;
  std::vector<Column> columns_;
  std::vector<uint64_t> seen_;
  uint64_t object_ = 0;
  int corrupt_slot_ = -1;
  duckdb::DataChunk* chunk_ = nullptr;
  BlockPtr block_;
  const DataFile* file_ = nullptr;
  const char *p_ = nullptr, *end_ = nullptr;
  bool utf8_ = true, in_array_ = false, array_first_ = false, array_partial_ = false;
  std::string_view record_;
};

std::unique_ptr<RowDecoder> JsonFormat::decoder(const std::vector<WantedColumn>& columns) const {
  return std::make_unique<JsonDecoder>(*this, columns);
}

}  // namespace

std::shared_ptr<const RowFormat> make_json_format(std::shared_ptr<const JsonOptions> options, plan::DataType schema) {
  return std::make_shared<JsonFormat>(std::move(options), std::move(schema));
}

}  // namespace tarn::engine::sources
