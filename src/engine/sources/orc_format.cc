#include "engine/sources/orc_format.h"

#include <algorithm>
#include <type_traits>

#include "base/file_cache.h"
#include "base/io_error.h"
#include "base/log.h"
#include "duckdb/common/types/data_chunk.hpp"
#include "engine/orc/column_reader.h"
#include "engine/sources/byte_stream.h"
#include "engine/sources/parquet_schema.h"
#include "engine/storage_bridge.h"
#include "engine/time_zone.h"
#include "plan/session_conf.h"
#include "storage/object_store.h"
#include "storage/parallel.h"

namespace tarn::engine::sources {
namespace {

using plan::DataType;
using plan::TypeId;

constexpr uint64_t kSplit = 16 << 20;     // a stripe belongs to the split in which it begins
constexpr uint64_t kHole = 64 << 10;      // streams that lie so close together are read at once
constexpr uint64_t kRangesAtOnce = 8;

std::unique_ptr<storage::RandomReader> open_known(const DataFile& file) {
  storage::FileInfo known{file.path, static_cast<uint64_t>(file.size), file.modified_ms, false, file.tag};
  return storage::store_for(file.path).open(file.path, is_local(file.path) ? nullptr : &known);
}

FileCache<orc::FileTail> kept(4096);

// Throws orc::Damaged, IoError, SparkError.
std::shared_ptr<const orc::FileTail> tail_of(const DataFile& file, storage::RandomReader& reader) {
  const std::string version = is_local(file.path) ? file_version(file.path) : file.tag.empty() ? "" : file.path + '\n' + file.tag;
  if (!version.empty()) {
    if (auto tail = kept.find(version)) return tail;
  }
  auto tail = std::make_shared<const orc::FileTail>(orc::read_file_tail(reader));
  return version.empty() ? tail : kept.keep(version, std::move(tail));
}

// The streams of some columns of a stripe, with the bytes between those that lie close together.
class StripeBytes {
 public:
  StripeBytes(storage::RandomReader& file, const orc::StripeFooter& footer, const std::set<uint32_t>& columns, bool local) {
    for (const auto& s : footer.streams) {
      if (s.length == 0 || s.kind > orc::StreamKind::kSecondary || !columns.contains(s.column)) continue;
      if (ranges_.empty() || s.offset > ranges_.back().offset + ranges_.back().bytes.size() + kHole) ranges_.push_back({s.offset, {}});
      ranges_.back().bytes.resize(s.offset + s.length - ranges_.back().offset);
    }
    auto read = [&file](Range& r) { file.read(r.offset, r.bytes.data(), r.bytes.size()); };
    if (local || ranges_.size() < 2) {
      for (auto& r : ranges_) read(r);
      return;
    }
    storage::InFlight requests(kRangesAtOnce);
    for (auto& r : ranges_) requests.start([&read, &r] { read(r); });
    requests.wait();
  }
  std::string_view of(const orc::Stream& s) const {
    if (s.length == 0) return {};
    auto r = std::upper_bound(ranges_.begin(), ranges_.end(), s.offset, [](uint64_t at, const Range& range) { return at < range.offset; });
    return std::string_view(std::prev(r)->bytes).substr(s.offset - std::prev(r)->offset, s.length);
  }

 private:
  struct Range {
    uint64_t offset;
    std::string bytes;
  };
  std::vector<Range> ranges_;
};

class OrcFormat : public RowFormat {
 public:
  OrcFormat(DataType schema, bool case_sensitive, bool positional)
      : schema(std::move(schema)), matching{case_sensitive}, positional(positional), zone(TimeZone::get(plan::system_time_zone())) {}
  bool in_blocks() const override { return false; }
  uint64_t split_size() const override { return kSplit; }
  size_t complete_prefix(std::string_view) const override { return 0; }
  std::unique_ptr<RowDecoder> decoder(const std::vector<WantedColumn>& columns) const override;

  const DataType schema;
  const orc::Matching matching;
  const bool positional;
  const std::shared_ptr<const TimeZone> zone;
};

[[noreturn]] void cannot_cast(TypeId from, TypeId to) {
  throw SparkError(ErrorKind::kUnsupported, "UNSUPPORTED_FEATURE.ORC_TYPE_CAST", {{"orcType", quote_sql(DataType(from).sql())}, {"toType", quote_sql(DataType(to).sql())}});
}
// Columns by their position, as Spark compares them.
void check_timestamps(const DataType& file, const DataType& wanted) {
  for (size_t i = 0; i < std::min(file.fields().size(), wanted.fields().size()); ++i) {
    const DataType &f = file.fields()[i].type(), &w = wanted.fields()[i].type();
    const bool instants = f.id() == TypeId::kTimestamp && w.id() == TypeId::kTimestampNtz, clocks = f.id() == TypeId::kTimestampNtz && w.id() == TypeId::kTimestamp;
    if (instants || clocks) cannot_cast(f.id(), w.id());
    if (f.id() == TypeId::kStruct && w.id() == TypeId::kStruct) check_timestamps(f, w);
  }
}

class OrcDecoder : public RowDecoder {
 public:
  OrcDecoder(const OrcFormat& f, std::vector<WantedColumn> columns) : f_(f), columns_(std::move(columns)) {}
  void start_block(const BlockPtr&, const DataFile&, bool, bool) override {}

  void start_file(const DataFile& file, const FileSplit& split) override {
    readers_.clear();
    left_ = 0;
    stripes_.clear();
    if (file.size == 0) return;
    damage_is_stream_error([&] {
      if (path_ != file.path) open(file);
      if (tail_->types.empty() || tail_->types[0].children.empty()) return;  // old empty files have no columns
      for (const auto& s : tail_->stripes)
        if (s.offset >= split.from && s.offset < split.to) stripes_.push_back(s);
      at_ = 0;
    });
  }

  size_t decode(duckdb::DataChunk& chunk) override {
    return damage_is_stream_error([&]() -> size_t {
      while (left_ == 0) {
        if (at_ >= stripes_.size()) return 0;
        start_stripe(stripes_[at_++]);
      }
      const size_t n = std::min<uint64_t>(left_, STANDARD_VECTOR_SIZE);
      for (size_t i = 0; i < columns_.size(); ++i) {
        duckdb::Vector& v = chunk.data[columns_[i].slot];
        if (readers_[i]) {
          readers_[i]->read(v, n);
        } else {
          v.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
          duckdb::ConstantVector::SetNull(v, true);
        }
      }
      left_ -= n;
      return n;
    });
  }

 private:
  template <class F>
  static std::invoke_result_t<F> damage_is_stream_error(F&& f) {
    try {
      return f();
    } catch (const orc::Damaged& e) {
      throw StreamError(e.what());
    }
  }

  void open(const DataFile& file) {
    path_.clear();
    file_ = open_known(file);
    local_ = is_local(file.path);
    tail_ = tail_of(file, *file_);
    types_.clear();
    needed_.clear();
    path_ = file.path;
    if (tail_->types.empty()) return;
    check_timestamps(orc::spark_type(*tail_, 0), f_.schema);
    const orc::Type& root = tail_->types[0];
    const bool unnamed = std::all_of(root.names.begin(), root.names.end(), [](const auto& n) { return n.starts_with("_col"); });
    if ((f_.positional || unnamed) && root.names.size() > f_.schema.fields().size()) {
      throw SparkError::Plain(ErrorKind::kSpark, "assertion failed: The given data schema " + f_.schema.catalog_string() + " (length:" +
                                                     std::to_string(f_.schema.fields().size()) + ") has fewer " +
                                                     std::to_string(root.names.size() - f_.schema.fields().size()) + " fields than the actual ORC physical schema " +
                                                     orc::spark_type(*tail_, 0).catalog_string() + " (length:" + std::to_string(root.names.size()) +
                                                     "), no idea which columns were dropped, fail to read.");
    }
    for (const auto& c : columns_) {
      std::optional<size_t> child;
      if (f_.positional || unnamed) {
        if (c.field < root.children.size()) child = c.field;
      } else {
        child = named(root, f_.schema.fields()[c.field].name);
      }
      types_.push_back(child ? std::optional(root.children[*child]) : std::nullopt);
      if (child) orc::check_conversion(*tail_, root.children[*child], f_.schema.fields()[c.field].type(), f_.matching, needed_);
    }
  }

  std::optional<size_t> named(const orc::Type& root, const std::string& name) const {
    std::optional<size_t> found;
    std::string all;
    bool ambiguous = false;
    for (size_t i = 0; i < root.names.size(); ++i) {
      if (!(f_.matching.case_sensitive ? root.names[i] == name : equal_ignore_case(root.names[i], name))) continue;
      all += (all.empty() ? "" : ", ") + root.names[i];
      ambiguous = ambiguous || (found && !f_.matching.case_sensitive);
      if (!found) found = i;
    }
    if (ambiguous) throw SparkError(ErrorKind::kSpark, "_LEGACY_ERROR_TEMP_2093", {{"requiredFieldName", name}, {"matchedOrcFields", "[" + all + "]"}});
    return found;
  }

  void start_stripe(const orc::Stripe& stripe) {
    readers_.clear();
    left_ = stripe.rows;
    if (columns_.empty()) return;
    footer_ = orc::read_stripe_footer(*file_, *tail_, stripe);
    bytes_ = std::make_unique<StripeBytes>(*file_, footer_, needed_, local_);
    const orc::StripeSource source{*tail_, footer_, [this](const orc::Stream& s) { return bytes_->of(s); }, f_.zone};
    for (size_t i = 0; i < columns_.size(); ++i)
      readers_.push_back(types_[i] ? orc::make_reader(source, *types_[i], f_.schema.fields()[columns_[i].field].type(), f_.matching) : nullptr);
  }

  const OrcFormat& f_;
  const std::vector<WantedColumn> columns_;
  // The open file: which of its types each column is, and all types whose streams are read.
  std::string path_;
  bool local_ = true;
  std::unique_ptr<storage::RandomReader> file_;
  std::shared_ptr<const orc::FileTail> tail_;
  std::vector<std::optional<uint32_t>> types_;
  std::set<uint32_t> needed_;
  // The split and the stripe in it.
  std::vector<orc::Stripe> stripes_;
  size_t at_ = 0;
  uint64_t left_ = 0;
  orc::StripeFooter footer_;
  std::unique_ptr<StripeBytes> bytes_;
  std::vector<std::unique_ptr<orc::ColumnReader>> readers_;
};

std::unique_ptr<RowDecoder> OrcFormat::decoder(const std::vector<WantedColumn>& columns) const { return std::make_unique<OrcDecoder>(*this, columns); }

// nullopt: a file without columns.
std::optional<DataType> file_schema(const DataFile& file) {
  try {
    auto reader = open_known(file);
    auto tail = tail_of(file, *reader);
    if (tail->types.empty() || tail->types[0].children.empty()) return std::nullopt;
    return orc::spark_type(*tail, 0);
  } catch (const IoError& e) {
    throw read_failed(file, e.what(), e.kind() == IoError::Kind::kNotFound);
  } catch (const orc::Damaged& e) {
    log::warn("cannot_read_orc_footer", {{"path", file.display()}, {"why", e.what()}});
    throw SparkError(ErrorKind::kSpark, "FAILED_READ_FILE.CANNOT_READ_FILE_FOOTER", {{"path", file.url()}});
  }
}

}  // namespace

std::shared_ptr<const RowFormat> make_orc_format(DataType schema, bool case_sensitive, bool positional) {
  return std::make_shared<OrcFormat>(std::move(schema), case_sensitive, positional);
}

std::optional<DataType> infer_orc_schema(const std::vector<DataFile>& files, bool merge, const ScanSettings& settings, bool case_sensitive) {
  std::optional<DataType> schema;
  for (const auto& f : files) {
    std::optional<DataType> one;
    try {
      if (f.size > 0) one = file_schema(f);
    } catch (const SparkError& e) {
      if (!settings.ignore_corrupt || e.condition() != "FAILED_READ_FILE.CANNOT_READ_FILE_FOOTER") throw;
    }
    if (!one) continue;
    schema = schema ? merge_file_schemas(*schema, *one, case_sensitive) : *one;
    if (!merge) break;
  }
  return schema;
}

}  // namespace tarn::engine::sources
