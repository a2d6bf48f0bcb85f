#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <parquet/arrow/writer.h>
#include <parquet/exception.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/ids.h"
#include "base/io_error.h"
#include "base/spark_error.h"
#include "delta/checkpoint.h"
#include "delta/retention.h"
#include "delta/snapshot.h"
#include "storage/path.h"

namespace tarn::delta {
namespace {

using arrow::field;

std::shared_ptr<arrow::DataType> string_map() { return arrow::map(arrow::utf8(), arrow::utf8()); }
std::shared_ptr<arrow::DataType> string_list() { return arrow::list(field("element", arrow::utf8())); }

std::shared_ptr<arrow::DataType> dv_type() {
  return arrow::struct_({field("storageType", arrow::utf8()), field("pathOrInlineDv", arrow::utf8()), field("offset", arrow::int32()),
                         field("sizeInBytes", arrow::int32()), field("cardinality", arrow::int64())});
}

std::shared_ptr<arrow::Schema> checkpoint_schema() {
  return arrow::schema({
      field("txn", arrow::struct_({field("appId", arrow::utf8()), field("version", arrow::int64()), field("lastUpdated", arrow::int64())})),
      field("add", arrow::struct_({field("path", arrow::utf8()), field("partitionValues", string_map()), field("size", arrow::int64()),
                                   field("modificationTime", arrow::int64()), field("dataChange", arrow::boolean()), field("tags", string_map()),
                                   field("deletionVector", dv_type()), field("baseRowId", arrow::int64()),
                                   field("defaultRowCommitVersion", arrow::int64()), field("clusteringProvider", arrow::utf8()),
                                   field("stats", arrow::utf8())})),
      field("remove", arrow::struct_({field("path", arrow::utf8()), field("deletionTimestamp", arrow::int64()), field("dataChange", arrow::boolean()),
                                      field("extendedFileMetadata", arrow::boolean()), field("partitionValues", string_map()),
                                      field("size", arrow::int64()), field("deletionVector", dv_type()), field("baseRowId", arrow::int64()),
                                      field("defaultRowCommitVersion", arrow::int64())})),
      field("metaData", arrow::struct_({field("id", arrow::utf8()), field("name", arrow::utf8()), field("description", arrow::utf8()),
                                        field("format", arrow::struct_({field("provider", arrow::utf8()), field("options", string_map())})),
                                        field("schemaString", arrow::utf8()), field("partitionColumns", string_list()),
                                        field("configuration", string_map()), field("createdTime", arrow::int64())})),
      field("protocol", arrow::struct_({field("minReaderVersion", arrow::int32()), field("minWriterVersion", arrow::int32()),
                                        field("readerFeatures", string_list()), field("writerFeatures", string_list())})),
      field("domainMetadata", arrow::struct_({field("domain", arrow::utf8()), field("configuration", arrow::utf8()), field("removed", arrow::boolean())})),
      field("checkpointMetadata", arrow::struct_({field("version", arrow::int64())})),
  });
}

void check(const arrow::Status& s) {
  if (!s.ok()) throw internal_error("building a checkpoint: " + s.ToString());
}

// Appends values to the children of one struct builder in order.
class Row {
 public:
  explicit Row(arrow::ArrayBuilder* b) : b_(static_cast<arrow::StructBuilder*>(b)) { check(b_->Append()); }
  Row& text(const std::string& v) { return check(next<arrow::StringBuilder>()->Append(v)), *this; }
  Row& text(const std::optional<std::string>& v) { return v ? text(*v) : null(); }
  Row& integer(int64_t v) { return check(next<arrow::Int64Builder>()->Append(v)), *this; }
  Row& integer(const std::optional<int64_t>& v) { return v ? integer(*v) : null(); }
  Row& int32(int32_t v) { return check(next<arrow::Int32Builder>()->Append(v)), *this; }
  Row& boolean(bool v) { return check(next<arrow::BooleanBuilder>()->Append(v)), *this; }
  Row& null() { return check(b_->field_builder(at_++)->AppendNull()), *this; }
  template <class M>
  Row& map(const M& m) {
    auto* b = next<arrow::MapBuilder>();
    check(b->Append());
    auto* keys = static_cast<arrow::StringBuilder*>(b->key_builder());
    auto* values = static_cast<arrow::StringBuilder*>(b->item_builder());
    for (const auto& [k, v] : m) {
      check(keys->Append(k));
      append(*values, v);
    }
    return *this;
  }
  Row& list(const std::vector<std::string>& v) {
    auto* b = next<arrow::ListBuilder>();
    check(b->Append());
    for (const auto& s : v) check(static_cast<arrow::StringBuilder*>(b->value_builder())->Append(s));
    return *this;
  }
  Row& list(const std::optional<std::vector<std::string>>& v) { return v ? list(*v) : null(); }
  Row& deletion_vector(const std::optional<DeletionVectorDescriptor>& d) {
    if (!d) return null();
    Row r(b_->field_builder(at_++));
    r.text(d->storage_type).text(d->path_or_inline_dv);
    if (d->offset) {
      r.int32(*d->offset);
    } else {
      r.null();
    }
    r.int32(d->size_in_bytes).integer(d->cardinality);
    return *this;
  }
  Row child() { return Row(b_->field_builder(at_++)); }

 private:
  template <class T>
  T* next() { return static_cast<T*>(b_->field_builder(at_++)); }
  static void append(arrow::StringBuilder& b, const std::string& v) { check(b.Append(v)); }
  static void append(arrow::StringBuilder& b, const std::optional<std::string>& v) { check(v ? b.Append(*v) : b.AppendNull()); }
  arrow::StructBuilder* b_;
  int at_ = 0;
};

enum Column { kTxn, kAdd, kRemove, kMetaData, kProtocol, kDomain, kCheckpointMetadata, kColumns };

class Builder {
 public:
  explicit Builder(std::shared_ptr<arrow::Schema> schema) : schema_(std::move(schema)) {
    for (int i = 0; i < kColumns; ++i) {
      std::unique_ptr<arrow::ArrayBuilder> b;
      check(arrow::MakeBuilder(arrow::default_memory_pool(), schema_->field(i)->type(), &b));
      builders_.push_back(std::move(b));
    }
  }
  // Starts a row that has only this column.
  Row row(Column c) {
    for (int i = 0; i < kColumns; ++i) {
      if (i != c) check(builders_[static_cast<size_t>(i)]->AppendNull());
    }
    ++rows_;
    return Row(builders_[c].get());
  }
  int64_t rows() const { return rows_; }
  std::shared_ptr<arrow::Table> finish() {
    std::vector<std::shared_ptr<arrow::Array>> arrays;
    for (auto& b : builders_) {
      std::shared_ptr<arrow::Array> a;
      check(b->Finish(&a));
      arrays.push_back(std::move(a));
    }
    return arrow::Table::Make(schema_, arrays);
  }

 private:
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<std::unique_ptr<arrow::ArrayBuilder>> builders_;
  int64_t rows_ = 0;
};

std::optional<std::string> optional_text(bool has, const std::string& v) { return has ? std::optional(v) : std::nullopt; }

}  // namespace

void write_checkpoint(const Snapshot& snapshot, int64_t now_ms) {
  bool v2 = snapshot.protocol().supports("v2Checkpoint") && snapshot.metadata().property("delta.checkpointPolicy") == "v2";
  auto schema = checkpoint_schema();
  Builder b(schema);
  const Protocol& p = snapshot.protocol();
  b.row(kProtocol).int32(p.min_reader_version).int32(p.min_writer_version).list(p.reader_features).list(p.writer_features);
  const Metadata& m = snapshot.metadata();
  Row meta = b.row(kMetaData);
  meta.text(m.id).text(optional_text(m.has_name, m.name)).text(optional_text(m.has_description, m.description));
  meta.child().text(m.format_provider).map(m.format_options);
  meta.text(m.schema_string).list(m.partition_columns).map(m.configuration).integer(m.created_time);
  for (const auto& [id, t] : snapshot.transactions()) b.row(kTxn).text(t.app_id).integer(t.version).integer(t.last_updated);
  for (const auto& [name, d] : snapshot.domains()) b.row(kDomain).text(d.domain).text(d.configuration).boolean(false);
  int64_t adds = 0;
  for (const auto& f : snapshot.files()) {
    ++adds;
    b.row(kAdd).text(f->path).map(f->partition_values).integer(f->size).integer(f->modification_time).boolean(false).map(f->tags)
        .deletion_vector(f->deletion_vector).integer(f->base_row_id).integer(f->default_row_commit_version).text(f->clustering_provider)
        .text(optional_text(!f->stats.empty(), f->stats));
  }
  int64_t expired_before = now_ms - retention_ms(m, "delta.deletedFileRetentionDuration", 7 * kDayMs);
  for (const auto& r : snapshot.tombstones()) {
    if (r->deletion_timestamp.value_or(0) <= expired_before) continue;
    b.row(kRemove).text(r->path).integer(r->deletion_timestamp).boolean(false).boolean(r->extended_file_metadata).map(r->partition_values)
        .integer(r->size).deletion_vector(r->deletion_vector).integer(r->base_row_id).integer(r->default_row_commit_version);
  }
  if (v2) b.row(kCheckpointMetadata).integer(snapshot.version());
  int64_t rows = b.rows();
  auto table = b.finish();
  if (!v2) {
    auto removed = table->RemoveColumn(kCheckpointMetadata);
    check(removed.status());
    table = removed.ValueUnsafe();
  }
  auto sink_result = arrow::io::BufferOutputStream::Create();
  check(sink_result.status());
  auto sink = sink_result.ValueUnsafe();
  try {
    auto properties = parquet::WriterProperties::Builder().compression(parquet::Compression::SNAPPY)->build();
    check(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), sink, 100'000, properties));
  } catch (const parquet::ParquetException& e) {
    throw internal_error(std::string("writing a checkpoint: ") + e.what());
  }
  auto buffer_result = sink->Finish();
  check(buffer_result.status());
  auto buffer = buffer_result.ValueUnsafe();

  char name[32];
  std::snprintf(name, sizeof name, "%020lld", static_cast<long long>(snapshot.version()));
  std::string log = log_directory(snapshot.table_path());
  std::string file = std::string(name) + ".checkpoint." + (v2 ? random_uuid() + "." : "") + "parquet";
  auto& store = storage::store_for(log);
  store.write(log + "/" + file, std::string_view(reinterpret_cast<const char*>(buffer->data()), static_cast<size_t>(buffer->size())));
  // Last, so that it never points at what is not there.
  nlohmann::ordered_json hint = {{"version", snapshot.version()}, {"size", rows}, {"sizeInBytes", buffer->size()}, {"numOfAddFiles", adds}};
  if (v2) {
    hint["v2Checkpoint"] = {{"path", file}, {"sizeInBytes", buffer->size()}, {"modificationTime", now_ms}};
  }
  store.write(log + "/_last_checkpoint", hint.dump());
}

}  // namespace tarn::delta
