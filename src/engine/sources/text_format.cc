#include "engine/sources/text_format.h"

#include "duckdb/common/types/data_chunk.hpp"
#include "engine/sources/byte_stream.h"
#include "engine/sources/vector_bytes.h"
#include "plan/session_conf.h"

namespace tarn::engine::sources {
namespace {

using duckdb::FlatVector;
using duckdb::string_t;
using duckdb::StringVector;

class TextFormat : public RowFormat {
 public:
  bool whole = false;
  std::string separator, charset_ = "UTF-8";
  bool in_blocks() const override { return !whole; }
  std::string charset() const override { return charset_; }
  size_t complete_prefix(std::string_view bytes) const override { return complete_lines(bytes, separator); }
  std::unique_ptr<RowDecoder> decoder(const std::vector<WantedColumn>& columns) const override;
};

class TextDecoder : public RowDecoder {
 public:
  TextDecoder(const TextFormat& f, std::vector<WantedColumn> columns) : f_(f), columns_(std::move(columns)) {}
  void start_block(const BlockPtr& block, const DataFile&, bool, bool) override {
    block_ = block;
    p_ = block->data.get();
    end_ = p_ + block->size;
  }
  void start_file(const DataFile& file, const FileSplit&) override { file_ = &file; }
  size_t decode(duckdb::DataChunk& chunk) override {
    if (f_.whole) return decode_whole(chunk);
    size_t row = 0;
    const auto owner = block_;
    for (; row < STANDARD_VECTOR_SIZE && p_ < end_; ++row) {
      const char *begin = p_, *stop;
      if (f_.separator.empty()) {
        stop = find_line_end(p_, end_);
        p_ = stop;
        if (p_ < end_) p_ += *p_ == '\r' && p_ + 1 < end_ && p_[1] == '\n' ? 2 : 1;
      } else {
        std::string_view rest(p_, static_cast<size_t>(end_ - p_));
        size_t at = rest.find(f_.separator);
        stop = at == std::string_view::npos ? end_ : p_ + at;
        p_ = at == std::string_view::npos ? end_ : stop + f_.separator.size();
      }
      for (const auto& c : columns_) {
        FlatVector::GetData<string_t>(chunk.data[c.slot])[row] = string_t(begin, static_cast<uint32_t>(stop - begin));
      }
    }
    if (row) {
      for (const auto& c : columns_) keep_bytes(chunk.data[c.slot], owner);
    }
    return row;
  }

 private:
  size_t decode_whole(duckdb::DataChunk& chunk) {
    if (!file_) return 0;
    auto stream = open_file(file_->path, f_.charset_, true);
    std::string text = repair_utf8(read_all(*stream));
    for (const auto& c : columns_) {
      FlatVector::GetData<string_t>(chunk.data[c.slot])[0] = StringVector::AddStringOrBlob(chunk.data[c.slot], text.data(), text.size());
    }
    file_ = nullptr;
    return 1;
  }

  const TextFormat& f_;
  std::vector<WantedColumn> columns_;
  BlockPtr block_;
  const DataFile* file_ = nullptr;
  const char *p_ = nullptr, *end_ = nullptr;
};

std::unique_ptr<RowDecoder> TextFormat::decoder(const std::vector<WantedColumn>& columns) const {
  return std::make_unique<TextDecoder>(*this, columns);
}

class BinaryFormat : public RowFormat {
 public:
  bool in_blocks() const override { return false; }
  size_t complete_prefix(std::string_view) const override { return 0; }
  std::unique_ptr<RowDecoder> decoder(const std::vector<WantedColumn>& columns) const override;
};

class BinaryDecoder : public RowDecoder {
 public:
  explicit BinaryDecoder(std::vector<WantedColumn> columns) : columns_(std::move(columns)) {}
  void start_block(const BlockPtr&, const DataFile&, bool, bool) override {}
  void start_file(const DataFile& file, const FileSplit&) override { file_ = &file; }
  size_t decode(duckdb::DataChunk& chunk) override {
    if (!file_) return 0;
    const DataFile& f = *file_;
    for (const auto& c : columns_) {
      duckdb::Vector& v = chunk.data[c.slot];
      switch (c.field) {
        case 0: FlatVector::GetData<string_t>(v)[0] = StringVector::AddString(v, f.display()); break;
        case 1: FlatVector::GetData<int64_t>(v)[0] = f.modified_ms * 1000; break;
        case 2: FlatVector::GetData<int64_t>(v)[0] = f.size; break;
        default: {
          if (f.size > INT32_MAX) {
            throw SparkError(ErrorKind::kSpark, "_LEGACY_ERROR_TEMP_2227",
                             {{"path", f.display()}, {"len", std::to_string(f.size)}, {"maxLength", std::to_string(INT32_MAX)}});
          }
          auto stream = open_raw(f.path);
          std::string bytes = read_all(*stream);
          FlatVector::GetData<string_t>(v)[0] = StringVector::AddStringOrBlob(v, bytes.data(), bytes.size());
        }
      }
    }
    file_ = nullptr;
    return 1;
  }

 private:
  std::vector<WantedColumn> columns_;
  const DataFile* file_ = nullptr;
};

std::unique_ptr<RowDecoder> BinaryFormat::decoder(const std::vector<WantedColumn>& columns) const {
  return std::make_unique<BinaryDecoder>(columns);
}

}  // namespace

std::shared_ptr<const RowFormat> make_text_format(const Options& options, const plan::SessionConf& conf) {
  auto f = std::make_shared<TextFormat>();
  f->whole = options.flag("wholetext", false);
  if (auto sep = options.find("lineSep")) {
    if (sep->empty()) throw SparkError::Plain(ErrorKind::kIllegalArgument, "requirement failed: 'lineSep' cannot be an empty string.");
    f->separator = *sep;
  }
  if (auto e = options.find("encoding")) f->charset_ = checked_charset(*e, "TextOptions", conf.flag("spark.sql.legacy.javaCharsets"));
  return f;
}

std::shared_ptr<const RowFormat> make_binary_format() { return std::make_shared<BinaryFormat>(); }

plan::DataType binary_file_schema() {
  using plan::make_field;
  using plan::TypeId;
  return plan::DataType::structure({make_field("path", TypeId::kString), make_field("modificationTime", TypeId::kTimestamp),
                                    make_field("length", TypeId::kLong), make_field("content", TypeId::kBinary)});
}

}  // namespace tarn::engine::sources
