#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/schema.h>

#include <nlohmann/json.hpp>

#include "base/io_error.h"
#include "base/spark_error.h"
#include "delta/checkpoint.h"
#include "storage/path.h"

namespace tarn::delta {
namespace {

using arrow::Array;
using arrow::Type;

[[noreturn]] void damaged(const std::string& path, const std::string& why) {
  throw IoError(IoError::Kind::kOther, "the checkpoint cannot be read", path, why);
}

// A struct column of the checkpoint and typed access to its children; absent children read as null.
class Struct {
 public:
  Struct(const Array* array) : array_(array && array->type_id() == Type::STRUCT ? static_cast<const arrow::StructArray*>(array) : nullptr) {}
  bool present(int64_t row) const { return array_ && array_->IsValid(row); }
  std::shared_ptr<Array> child(const char* name) const { return array_ ? array_->GetFieldByName(name) : nullptr; }

 private:
  const arrow::StructArray* array_;
};

class Strings {
 public:
  explicit Strings(std::shared_ptr<Array> a) : a_(std::move(a)) {}
  std::optional<std::string> at(int64_t i) const {
    if (!a_ || a_->IsNull(i)) return std::nullopt;
    switch (a_->type_id()) {
      case Type::STRING:
      case Type::BINARY: return std::string(static_cast<const arrow::BinaryArray&>(*a_).GetView(i));
      case Type::LARGE_STRING:
      case Type::LARGE_BINARY: return std::string(static_cast<const arrow::LargeBinaryArray&>(*a_).GetView(i));
      default: return std::nullopt;
    }
  }

 private:
  std::shared_ptr<Array> a_;
};

class Ints {
 public:
  explicit Ints(std::shared_ptr<Array> a) : a_(std::move(a)) {}
  std::optional<int64_t> at(int64_t i) const {
    if (!a_ || a_->IsNull(i)) return std::nullopt;
    switch (a_->type_id()) {
      case Type::INT64: return static_cast<const arrow::Int64Array&>(*a_).Value(i);
      case Type::INT32: return static_cast<const arrow::Int32Array&>(*a_).Value(i);
      default: return std::nullopt;
    }
  }

 private:
  std::shared_ptr<Array> a_;
};

class Bools {
 public:
  explicit Bools(std::shared_ptr<Array> a) : a_(std::move(a)) {}
  std::optional<bool> at(int64_t i) const {
    if (!a_ || a_->type_id() != Type::BOOL || a_->IsNull(i)) return std::nullopt;
    return static_cast<const arrow::BooleanArray&>(*a_).Value(i);
  }

 private:
  std::shared_ptr<Array> a_;
};

class Maps {
 public:
  explicit Maps(std::shared_ptr<Array> a) : a_(std::move(a)) {}
  std::map<std::string, std::optional<std::string>> at(int64_t i) const {
    std::map<std::string, std::optional<std::string>> out;
    if (!a_ || a_->type_id() != Type::MAP || a_->IsNull(i)) return out;
    const auto& m = static_cast<const arrow::MapArray&>(*a_);
    Strings keys(m.keys()), values(m.items());
    for (int64_t k = m.value_offset(i); k < m.value_offset(i + 1); ++k) {
      if (auto key = keys.at(k)) out[*key] = values.at(k);
    }
    return out;
  }

 private:
  std::shared_ptr<Array> a_;
};

std::map<std::string, std::string> without_nulls(std::map<std::string, std::optional<std::string>> in) {
  std::map<std::string, std::string> out;
  for (auto& [k, v] : in) {
    if (v) out[k] = std::move(*v);
  }
  return out;
}

std::optional<std::vector<std::string>> list_at(const std::shared_ptr<Array>& a, int64_t i) {
  if (!a || a->type_id() != Type::LIST || a->IsNull(i)) return std::nullopt;
  const auto& l = static_cast<const arrow::ListArray&>(*a);
  Strings values(l.values());
  std::vector<std::string> out;
  for (int64_t k = l.value_offset(i); k < l.value_offset(i + 1); ++k) {
    if (auto v = values.at(k)) out.push_back(*v);
  }
  return out;
}

class DeletionVectors {
 public:
  explicit DeletionVectors(const std::shared_ptr<Array>& a)
      : s_(a.get()), keep_(a), storage_(s_.child("storageType")), path_(s_.child("pathOrInlineDv")), offset_(s_.child("offset")),
        size_(s_.child("sizeInBytes")), cardinality_(s_.child("cardinality")) {}
  std::optional<DeletionVectorDescriptor> at(int64_t i) const {
    auto type = s_.present(i) ? storage_.at(i) : std::nullopt;
    if (!type) return std::nullopt;
    DeletionVectorDescriptor d;
    d.storage_type = *type;
    d.path_or_inline_dv = path_.at(i).value_or("");
    if (auto o = offset_.at(i)) d.offset = static_cast<int32_t>(*o);
    d.size_in_bytes = static_cast<int32_t>(size_.at(i).value_or(0));
    d.cardinality = cardinality_.at(i).value_or(0);
    return d;
  }

 private:
  Struct s_;
  std::shared_ptr<Array> keep_;
  Strings storage_, path_;
  Ints offset_, size_, cardinality_;
};

std::string two(int64_t v) { return (v < 10 ? "0" : "") + std::to_string(v); }

std::string date_text(int64_t days) {
  // Howard Hinnant's civil_from_days.
  days += 719468;
  int64_t era = (days >= 0 ? days : days - 146096) / 146097, doe = days - era * 146097;
  int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  int64_t mp = (5 * doy + 2) / 153, d = doy - (153 * mp + 2) / 5 + 1, m = mp < 10 ? mp + 3 : mp - 9, y = yoe + era * 400 + (m <= 2 ? 1 : 0);
  std::string year = std::to_string(y);
  while (year.size() < 4) year = "0" + year;
  return year + "-" + two(m) + "-" + two(d);
}

// One value of stats_parsed as the JSON that `stats` would hold.
nlohmann::ordered_json json_at(const Array& a, int64_t i) {
  if (a.IsNull(i)) return nullptr;
  switch (a.type_id()) {
    case Type::STRUCT: {
      const auto& s = static_cast<const arrow::StructArray&>(a);
      auto out = nlohmann::ordered_json::object();
      for (int k = 0; k < s.num_fields(); ++k) {
        auto v = json_at(*s.field(k), i);
        if (!v.is_null()) out[s.struct_type()->field(k)->name()] = std::move(v);
      }
      return out;
    }
    case Type::BOOL: return static_cast<const arrow::BooleanArray&>(a).Value(i);
    case Type::INT8: return static_cast<const arrow::Int8Array&>(a).Value(i);
    case Type::INT16: return static_cast<const arrow::Int16Array&>(a).Value(i);
    case Type::INT32: return static_cast<const arrow::Int32Array&>(a).Value(i);
    case Type::INT64: return static_cast<const arrow::Int64Array&>(a).Value(i);
    case Type::FLOAT: return static_cast<const arrow::FloatArray&>(a).Value(i);
    case Type::DOUBLE: return static_cast<const arrow::DoubleArray&>(a).Value(i);
    case Type::STRING: return std::string(static_cast<const arrow::StringArray&>(a).GetView(i));
    case Type::DECIMAL128: return static_cast<const arrow::Decimal128Array&>(a).FormatValue(i);
    case Type::DATE32: return date_text(static_cast<const arrow::Date32Array&>(a).Value(i));
    case Type::TIMESTAMP: {
      const auto& type = static_cast<const arrow::TimestampType&>(*a.type());
      int64_t v = static_cast<const arrow::TimestampArray&>(a).Value(i);
      int64_t micros = type.unit() == arrow::TimeUnit::MILLI ? v * 1000 : type.unit() == arrow::TimeUnit::NANO ? v / 1000 : v;
      int64_t day = micros / 86400000000, rest = micros % 86400000000;
      if (rest < 0) rest += 86400000000, --day;
      std::string frac = std::to_string(rest % 1000000);
      while (frac.size() < 6) frac = "0" + frac;
      int64_t sec = rest / 1000000;
      return date_text(day) + "T" + two(sec / 3600) + ":" + two(sec / 60 % 60) + ":" + two(sec % 60) + "." + frac +
             (type.timezone().empty() ? "" : "Z");
    }
    default: return nullptr;
  }
}

using Visit = std::function<void(Action)>;

void visit_adds(const std::shared_ptr<Array>& column, const Visit& visit) {
  Struct s(column.get());
  Strings path(s.child("path")), stats(s.child("stats")), provider(s.child("clusteringProvider"));
  Maps partition(s.child("partitionValues")), tags(s.child("tags"));
  Ints size(s.child("size")), modified(s.child("modificationTime")), base(s.child("baseRowId")), commit(s.child("defaultRowCommitVersion"));
  Bools change(s.child("dataChange"));
  DeletionVectors dv(s.child("deletionVector"));
  auto parsed = s.child("stats_parsed");
  for (int64_t i = 0; i < column->length(); ++i) {
    auto p = s.present(i) ? path.at(i) : std::nullopt;
    if (!p) continue;
    AddFile a;
    a.path = std::move(*p);
    a.partition_values = partition.at(i);
    a.size = size.at(i).value_or(0);
    a.modification_time = modified.at(i).value_or(0);
    a.data_change = change.at(i).value_or(false);
    if (auto text = stats.at(i)) {
      a.stats = std::move(*text);
    } else if (parsed && parsed->IsValid(i)) {
      a.stats = json_at(*parsed, i).dump();
    }
    a.tags = tags.at(i);
    a.deletion_vector = dv.at(i);
    a.base_row_id = base.at(i);
    a.default_row_commit_version = commit.at(i);
    a.clustering_provider = provider.at(i);
    visit(std::move(a));
  }
}

void visit_removes(const std::shared_ptr<Array>& column, const Visit& visit) {
  Struct s(column.get());
  Strings path(s.child("path"));
  Maps partition(s.child("partitionValues"));
  Ints deleted(s.child("deletionTimestamp")), size(s.child("size")), base(s.child("baseRowId")), commit(s.child("defaultRowCommitVersion"));
  Bools change(s.child("dataChange")), extended(s.child("extendedFileMetadata"));
  DeletionVectors dv(s.child("deletionVector"));
  for (int64_t i = 0; i < column->length(); ++i) {
    auto p = s.present(i) ? path.at(i) : std::nullopt;
    if (!p) continue;
    RemoveFile r;
    r.path = std::move(*p);
    r.deletion_timestamp = deleted.at(i);
    r.data_change = change.at(i).value_or(false);
    r.extended_file_metadata = extended.at(i).value_or(false);
    r.partition_values = partition.at(i);
    r.size = size.at(i);
    r.deletion_vector = dv.at(i);
    r.base_row_id = base.at(i);
    r.default_row_commit_version = commit.at(i);
    visit(std::move(r));
  }
}

void visit_metadata(const std::shared_ptr<Array>& column, const Visit& visit) {
  Struct s(column.get());
  Strings id(s.child("id")), name(s.child("name")), description(s.child("description")), schema(s.child("schemaString"));
  auto format = s.child("format"), partition = s.child("partitionColumns");
  Struct f(format.get());
  Strings provider(f.child("provider"));
  Maps options(f.child("options")), configuration(s.child("configuration"));
  Ints created(s.child("createdTime"));
  for (int64_t i = 0; i < column->length(); ++i) {
    auto text = s.present(i) ? id.at(i) : std::nullopt;
    if (!text) continue;
    Metadata m;
    m.id = *text;
    if (auto v = name.at(i)) m.name = *v, m.has_name = true;
    if (auto v = description.at(i)) m.description = *v, m.has_description = true;
    m.format_provider = provider.at(i).value_or("parquet");
    m.format_options = without_nulls(options.at(i));
    m.schema_string = schema.at(i).value_or("");
    m.partition_columns = list_at(partition, i).value_or(std::vector<std::string>{});
    m.configuration = without_nulls(configuration.at(i));
    m.created_time = created.at(i);
    visit(std::move(m));
  }
}

void visit_others(const std::string& name, const std::shared_ptr<Array>& column, const Visit& visit) {
  Struct s(column.get());
  Ints version(s.child("version"));
  if (name == "protocol") {
    Ints reader(s.child("minReaderVersion")), writer(s.child("minWriterVersion"));
    auto rf = s.child("readerFeatures"), wf = s.child("writerFeatures");
    for (int64_t i = 0; i < column->length(); ++i) {
      if (!s.present(i) || !reader.at(i)) continue;
      Protocol p;
      p.min_reader_version = static_cast<int>(*reader.at(i));
      p.min_writer_version = static_cast<int>(writer.at(i).value_or(2));
      if (p.min_reader_version >= 3) p.reader_features = list_at(rf, i).value_or(std::vector<std::string>{});
      if (p.min_writer_version >= 7) p.writer_features = list_at(wf, i).value_or(std::vector<std::string>{});
      if (p.reader_features) std::sort(p.reader_features->begin(), p.reader_features->end());
      if (p.writer_features) std::sort(p.writer_features->begin(), p.writer_features->end());
      visit(std::move(p));
    }
  } else if (name == "txn") {
    Strings app(s.child("appId"));
    Ints updated(s.child("lastUpdated"));
    for (int64_t i = 0; i < column->length(); ++i) {
      auto a = s.present(i) ? app.at(i) : std::nullopt;
      if (a) visit(SetTransaction{*a, version.at(i).value_or(0), updated.at(i)});
    }
  } else if (name == "domainMetadata") {
    Strings domain(s.child("domain")), configuration(s.child("configuration"));
    Bools removed(s.child("removed"));
    for (int64_t i = 0; i < column->length(); ++i) {
      auto d = s.present(i) ? domain.at(i) : std::nullopt;
      if (d) visit(DomainMetadata{*d, configuration.at(i).value_or(""), removed.at(i).value_or(false)});
    }
  } else if (name == "sidecar") {
    Strings path(s.child("path"));
    Ints size(s.child("sizeInBytes")), modified(s.child("modificationTime"));
    for (int64_t i = 0; i < column->length(); ++i) {
      auto p = s.present(i) ? path.at(i) : std::nullopt;
      if (p) visit(Sidecar{*p, size.at(i).value_or(0), modified.at(i).value_or(0)});
    }
  }
}

template <class T>
T check(arrow::Result<T> r, const std::string& path) {
  if (!r.ok()) damaged(path, r.status().ToString());
  return std::move(r).ValueUnsafe();
}

}  // namespace

void read_checkpoint_parquet(const std::string& path, const std::function<void(Action)>& visit) {
  auto bytes = std::make_shared<std::string>(storage::store_for(path).read(path));
  try {
    auto source = std::make_shared<arrow::io::BufferReader>(
        std::make_shared<arrow::Buffer>(reinterpret_cast<const uint8_t*>(bytes->data()), static_cast<int64_t>(bytes->size())));
    auto reader = check(parquet::arrow::OpenFile(source, arrow::default_memory_pool()), path);
    const auto& schema = *reader->parquet_reader()->metadata()->schema();
    bool text_stats = false;
    std::vector<std::string> leaves;
    for (int i = 0; i < schema.num_columns(); ++i) {
      leaves.push_back(schema.Column(i)->path()->ToDotString());
      text_stats |= leaves.back() == "add.stats";
    }
    std::vector<int> wanted;
    for (int i = 0; i < static_cast<int>(leaves.size()); ++i) {
      const auto& l = leaves[static_cast<size_t>(i)];
      if (l.rfind("add.partitionValues_parsed.", 0) == 0) continue;
      if (text_stats && l.rfind("add.stats_parsed.", 0) == 0) continue;
      wanted.push_back(i);
    }
    for (int group = 0; group < reader->num_row_groups(); ++group) {
      auto table = check(reader->ReadRowGroups({group}, wanted), path);
      for (int c = 0; c < table->num_columns(); ++c) {
        const std::string& name = table->field(c)->name();
        for (const auto& chunk : table->column(c)->chunks()) {
          if (chunk->type_id() != Type::STRUCT) continue;
          if (name == "add") {
            visit_adds(chunk, visit);
          } else if (name == "remove") {
            visit_removes(chunk, visit);
          } else if (name == "metaData") {
            visit_metadata(chunk, visit);
          } else {
            visit_others(name, chunk, visit);
          }
        }
      }
    }
  } catch (const parquet::ParquetException& e) {
    damaged(path, e.what());
  }
}

void read_checkpoint(const std::string& table_path, const std::vector<LogFile>& parts, const std::function<void(Action)>& visit) {
  std::vector<Sidecar> sidecars;
  auto note = [&](Action a) {
    if (auto* s = std::get_if<Sidecar>(&a)) {
      sidecars.push_back(*s);
    } else {
      visit(std::move(a));
    }
  };
  for (const auto& part : parts) {
    if (part.path.size() > 5 && part.path.compare(part.path.size() - 5, 5, ".json") == 0) {
      for (auto& a : parse_actions(storage::store_for(part.path).read(part.path), part.path)) note(std::move(a));
    } else {
      read_checkpoint_parquet(part.path, note);
    }
  }
  for (const auto& s : sidecars) {
    std::string decoded = storage::uri_decode(s.path);
    read_checkpoint_parquet(storage::join(log_directory(table_path) + "/_sidecars", decoded), visit);
  }
}

}  // namespace tarn::delta
