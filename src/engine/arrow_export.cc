#include "engine/arrow_export.h"

#include <arrow/array.h>
#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>

#include "base/spark_error.h"
#include "duckdb.hpp"
#include "duckdb/common/arrow/arrow_appender.hpp"
#include "engine/type_mapping.h"

namespace tarn::engine {

namespace {

using plan::DataType;
using plan::TypeId;

bool has_void_or_empty_struct(const DataType& t) {
  switch (t.id()) {
    case TypeId::kNull: return true;
    case TypeId::kArray: return has_void_or_empty_struct(t.element());
    case TypeId::kMap: return has_void_or_empty_struct(t.key()) || has_void_or_empty_struct(t.value());
    case TypeId::kUdt: return has_void_or_empty_struct(t.sql_type());
    case TypeId::kStruct:
      for (const auto& f : t.fields()) {
        if (has_void_or_empty_struct(f.type())) return true;
      }
      return t.fields().empty();
    default: return false;
  }
}

std::shared_ptr<arrow::ArrayData> widen(const std::shared_ptr<arrow::ArrayData>& in, const std::shared_ptr<arrow::DataType>& to) {
  auto out = std::make_shared<arrow::ArrayData>(*in);
  out->type = to;
  auto buffer = arrow::AllocateBuffer((in->length + 1) * static_cast<int64_t>(sizeof(int64_t))).ValueOrDie();
  auto* wide = reinterpret_cast<int64_t*>(buffer->mutable_data());
  const int32_t* narrow = in->GetValues<int32_t>(1);
  for (int64_t i = 0; i <= in->length; ++i) wide[i] = in->length == 0 ? 0 : narrow[i];
  out->buffers[1] = std::move(buffer);
  return out;
}

// DuckDB's arrays under the types of the wire, for the few types whose layout differs.
std::shared_ptr<arrow::ArrayData> relabel(const std::shared_ptr<arrow::ArrayData>& in, const std::shared_ptr<arrow::DataType>& to) {
  using arrow::Type;
  auto out = std::make_shared<arrow::ArrayData>(*in);
  out->type = to;
  switch (to->id()) {
    case Type::NA: return arrow::ArrayData::Make(to, in->length, {nullptr}, in->length);
    case Type::LARGE_STRING:
    case Type::LARGE_BINARY: return widen(in, to);
    case Type::LIST: out->child_data[0] = relabel(in->child_data[0], static_cast<const arrow::ListType&>(*to).value_type()); return out;
    case Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(*to);
      auto entries = std::make_shared<arrow::ArrayData>(*in->child_data[0]);
      entries->type = map.value_type();
      entries->child_data = {relabel(entries->child_data[0], map.key_type()), relabel(entries->child_data[1], map.item_type())};
      out->child_data = {entries};
      return out;
    }
    case Type::STRUCT:
      out->child_data.resize(to->num_fields());
      for (int i = 0; i < to->num_fields(); ++i) out->child_data[i] = relabel(in->child_data[i], to->field(i)->type());
      return out;
    default: return out;
  }
}

}  // namespace

ArrowExport::ArrowExport(DataType type, const std::string& zone, bool large_types, duckdb::ClientContext& context)
    : type_(std::move(type)), context_(context), schema_(to_arrow_schema(type_, zone, large_types)) {
  relabel_ = large_types || has_void_or_empty_struct(type_);
  if (relabel_) {
    arrow::FieldVector fields;
    for (const auto& f : type_.fields()) fields.push_back(arrow::field(f.name, to_duckdb_arrow(f.type())));
    layout_ = arrow::schema(std::move(fields));
  } else {
    layout_ = schema_;
  }
}

ArrowExport::~ArrowExport() = default;

void ArrowExport::append(duckdb::DataChunk& chunk, size_t from, size_t to) {
  if (!appender_) {
    duckdb::vector<duckdb::LogicalType> types;
    for (const auto& f : type_.fields()) types.push_back(to_duckdb(f.type()));
    duckdb::ClientProperties properties("UTC", duckdb::ArrowOffsetSize::REGULAR, false, false, false, duckdb::ArrowFormatVersion::V1_0, &context_);
    appender_ = std::make_unique<duckdb::ArrowAppender>(std::move(types), static_cast<duckdb::idx_t>(capacity_), properties,
                                                        duckdb::unordered_map<duckdb::idx_t, const duckdb::shared_ptr<duckdb::ArrowTypeExtensionData>>());
  }
  if (!type_.fields().empty()) appender_->Append(chunk, from, to, chunk.size());
  rows_ += static_cast<int64_t>(to - from);
  bytes_ += static_cast<int64_t>(chunk.GetAllocationSize());
}

std::shared_ptr<arrow::RecordBatch> ArrowExport::take() {
  const int64_t rows = rows_;
  capacity_ = std::max(capacity_, rows);
  rows_ = bytes_ = 0;
  if (type_.fields().empty()) {
    appender_.reset();
    return arrow::RecordBatch::Make(schema_, rows, arrow::ArrayVector{});
  }
  if (!appender_) {
    auto empty = arrow::RecordBatch::MakeEmpty(schema_);
    if (!empty.ok()) throw internal_error("Arrow: " + empty.status().ToString());
    return *empty;
  }
  ArrowArray array = appender_->Finalize();
  appender_.reset();
  auto imported = arrow::ImportRecordBatch(reinterpret_cast<::ArrowArray*>(&array), layout_);
  if (!imported.ok()) throw internal_error("Arrow: " + imported.status().ToString());
  if (!relabel_) return *imported;
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  for (int i = 0; i < schema_->num_fields(); ++i) columns.push_back(relabel((*imported)->column_data(i), schema_->field(i)->type()));
  return arrow::RecordBatch::Make(schema_, rows, std::move(columns));
}

}  // namespace tarn::engine
