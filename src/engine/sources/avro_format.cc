#include "engine/sources/avro_format.h"

#include <type_traits>

#include "base/io_error.h"
#include "base/log.h"
#include "duckdb/common/types/data_chunk.hpp"
#include "engine/avro/container.h"
#include "engine/avro/row_reader.h"
#include "engine/sources/byte_stream.h"
#include "engine/storage_bridge.h"
#include "plan/session_conf.h"
#include "storage/object_store.h"

namespace tarn::engine::sources {
namespace {

using plan::DataType;
using plan::TypeId;
using plan::avro::Schema;

constexpr uint64_t kSplit = 16 << 20;

struct AvroFile {
  std::unique_ptr<storage::RandomReader> bytes;
  avro::Header header;
  std::shared_ptr<const Schema> written;
  // Throws Malformed, IoError, SparkError.
  explicit AvroFile(const DataFile& file) {
    storage::FileInfo known{file.path, static_cast<uint64_t>(file.size), file.modified_ms, false, file.tag};
    bytes = storage::store_for(file.path).open(file.path, is_local(file.path) ? nullptr : &known);
    header = avro::read_header(*bytes);
    written = Schema::parse(header.schema);
  }
};

class AvroFormat : public RowFormat {
 public:
  AvroFormat(AvroReadOptions options, DataType schema) : options(std::move(options)), schema(std::move(schema)) {}
  bool in_blocks() const override { return false; }
  uint64_t split_size() const override { return kSplit; }
  size_t complete_prefix(std::string_view) const override { return 0; }
  std::unique_ptr<RowDecoder> decoder(const std::vector<WantedColumn>& columns) const override;

  const AvroReadOptions options;
  const DataType schema;
};

class AvroDecoder : public RowDecoder {
 public:
  AvroDecoder(const AvroFormat& f, std::vector<WantedColumn> columns) : f_(f), columns_(std::move(columns)), outs_(f.schema.fields().size(), nullptr) {
    // Only the wanted fields are compared with the files' schema; by position all of them count.
    std::vector<plan::StructField> fields;
    for (size_t i = 0; i < f.schema.fields().size(); ++i) {
      int slot = -1;
      for (const auto& c : columns_)
        if (c.field == i) slot = static_cast<int>(c.slot);
      if (slot < 0 && !f.options.schema.positional) continue;
      fields.push_back(f.schema.fields()[i]);
      slots_.push_back(slot);
    }
    wanted_ = DataType::structure(std::move(fields));
    outs_.resize(slots_.size());
  }
  void start_block(const BlockPtr&, const DataFile&, bool, bool) override {}

  void start_file(const DataFile& file, const FileSplit& split) override {
    blocks_.reset();
    left_ = 0;
    damage_is_stream_error([&] {
      if (path_ != file.path) open(file);
      blocks_.emplace(*file_->bytes, file_->header, split.from, split.to);
    });
  }

  size_t decode(duckdb::DataChunk& chunk) override {
    return damage_is_stream_error([&]() -> size_t {
      for (size_t i = 0; i < slots_.size(); ++i) outs_[i] = slots_[i] < 0 ? nullptr : &chunk.data[static_cast<size_t>(slots_[i])];
      size_t row = 0;
      while (row < STANDARD_VECTOR_SIZE) {
        if (left_ == 0) {
          std::string_view bytes;
          if (!blocks_ || !blocks_->next(bytes, left_)) break;
          in_.emplace(bytes);
          continue;
        }
        if (columns_.empty()) {  // only their number counts
          const size_t n = std::min<uint64_t>(left_, STANDARD_VECTOR_SIZE - row);
          left_ -= n;
          row += n;
          continue;
        }
        reader_->read_fields(*in_, outs_.data(), row);
        --left_;
        ++row;
      }
      return row;
    });
  }

 private:
  template <class F>
  static std::invoke_result_t<F> damage_is_stream_error(F&& f) {
    try {
      return f();
    } catch (const avro::Malformed& e) {
      throw StreamError(e.what());
    }
  }
  void open(const DataFile& file) {
    path_.clear();
    reader_.reset();
    file_ = std::make_unique<AvroFile>(file);
    const Schema& read = f_.options.schema.schema ? *f_.options.schema.schema : *file_->written;
    reader_.emplace(file_->written->root(), read.root(), wanted_,
                    avro::ReadSettings{f_.options.schema.positional, f_.options.case_sensitive, f_.options.allow_incompatible});
    path_ = file.path;
  }

  const AvroFormat& f_;
  const std::vector<WantedColumn> columns_;
  DataType wanted_;
  std::vector<int> slots_;  // per field of wanted_; -1: not wanted
  std::vector<duckdb::Vector*> outs_;
  std::string path_;
  std::unique_ptr<AvroFile> file_;
  std::optional<avro::RowReader> reader_;
  std::optional<avro::BlockReader> blocks_;
  std::optional<avro::Decoder> in_;
  uint64_t left_ = 0;  // records of the block
};

std::unique_ptr<RowDecoder> AvroFormat::decoder(const std::vector<WantedColumn>& columns) const { return std::make_unique<AvroDecoder>(*this, columns); }

}  // namespace

std::shared_ptr<const Schema> avro_schema_option(const Options& options) {
  if (auto text = options.find("avroSchema")) return Schema::parse(*text);
  if (auto url = options.find("avroSchemaUrl")) return Schema::parse(storage::store_for(*url).read(*url));
  return nullptr;
}

AvroReadOptions read_avro_options(const Options& options, const plan::SessionConf& conf) {
  AvroReadOptions o;
  o.schema = plan::avro::ReadOptions::read([&](std::string_view name) { return options.find(name); });
  o.schema.schema = avro_schema_option(options);
  o.case_sensitive = conf.case_sensitive();
  o.allow_incompatible = conf.flag("spark.sql.legacy.avro.allowIncompatibleSchema");
  const std::string rebase = lower(options.text("datetimeRebaseMode", conf.text("spark.sql.avro.datetimeRebaseModeInRead")));
  if (rebase == "legacy") throw not_built("reading Avro with datetimeRebaseMode=LEGACY");
  constexpr const char* kWithout = "avro.mapred.ignore.inputs.without.extension";
  const bool without = lower(options.text(kWithout, conf.find(kWithout).value_or("false"))) == "true";
  if (auto v = options.find("ignoreExtension"); v && lower(*v) != "true" && lower(*v) != "false") {
    throw analysis_error("STDS_INVALID_OPTION_VALUE.WITH_MESSAGE", {{"optionName", "ignoreExtension"}, {"message", "Cannot cast value '" + *v + "' to Boolean."}});
  }
  o.ignore_extension = options.flag("ignoreExtension", !without);
  return o;
}

std::vector<DataFile> avro_files(std::vector<DataFile> files, const AvroReadOptions& options) {
  if (!options.ignore_extension) std::erase_if(files, [](const DataFile& f) { return !f.path.ends_with(".avro"); });
  return files;
}

std::shared_ptr<const RowFormat> make_avro_format(AvroReadOptions options, DataType schema) { return std::make_shared<AvroFormat>(std::move(options), std::move(schema)); }

DataType infer_avro_schema(const std::vector<DataFile>& files, const AvroReadOptions& options, const ScanSettings& settings) {
  std::shared_ptr<const Schema> schema = options.schema.schema;
  for (const auto& f : files) {
    if (schema) break;
    try {
      schema = AvroFile(f).written;
    } catch (const IoError& e) {
      throw read_failed(f, e.what(), e.kind() == IoError::Kind::kNotFound);
    } catch (const avro::Malformed& e) {
      log::warn("cannot_read_avro_header", {{"path", f.display()}, {"why", e.what()}});
      if (!settings.ignore_corrupt) throw SparkError::Plain(ErrorKind::kSpark, "Could not read file: " + f.display());
    }
  }
  if (!schema) throw SparkError::Plain(ErrorKind::kSpark, "No Avro files found. If files don't have .avro extension, set ignoreExtension to true");
  DataType type = plan::avro::to_sql_type(schema->root(), options.schema).type;
  if (type.id() != TypeId::kStruct) throw SparkError::Plain(ErrorKind::kSpark, "Avro schema cannot be converted to a Spark SQL StructType:\n\n" + schema->root().json() + "\n");
  return type;
}

}  // namespace tarn::engine::sources
