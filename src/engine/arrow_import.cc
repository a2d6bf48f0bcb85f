#include "engine/arrow_import.h"

#include <arrow/array.h>
#include <arrow/c/bridge.h>
#include <arrow/compute/api.h>
#include <arrow/table.h>
#include <arrow/util/bitmap_ops.h>

#include <mutex>

#include "base/spark_error.h"
#include "duckdb.hpp"
#include "duckdb/catalog/catalog_entry/table_function_catalog_entry.hpp"
#include "duckdb/common/arrow/arrow_wrapper.hpp"
#include "duckdb/function/table/arrow.hpp"
#include "duckdb/main/extension/extension_loader.hpp"
#include "engine/type_mapping.h"

namespace tarn::engine {

namespace {

// Never destroyed: handles may go while the process exits.
std::mutex& registry_mu = *new std::mutex;
std::unordered_map<uint64_t, std::shared_ptr<arrow::Table>>& registry = *new std::unordered_map<uint64_t, std::shared_ptr<arrow::Table>>;  // guarded by registry_mu
uint64_t next_handle = 1;                                              // guarded by registry_mu

std::shared_ptr<arrow::Table> find_table(uint64_t id) {
  std::lock_guard lock(registry_mu);
  auto it = registry.find(id);
  if (it == registry.end()) throw duckdb::InvalidInputException("the local relation %llu is gone", static_cast<unsigned long long>(id));
  return it->second;
}

template <class T> T value_or_throw(arrow::Result<T> result) {
  if (!result.ok()) throw internal_error("Arrow: " + result.status().ToString());
  return std::move(result).ValueOrDie();
}

duckdb::unique_ptr<duckdb::ArrowArrayStreamWrapper> produce(uintptr_t handle, duckdb::ArrowStreamParameters& parameters) {
  auto table = find_table(handle);
  if (!parameters.projected_columns.columns.empty()) {
    std::vector<int> indices;
    for (const auto& name : parameters.projected_columns.columns) indices.push_back(table->schema()->GetFieldIndex(name));
    table = value_or_throw(table->SelectColumns(indices));
  }
  auto reader = std::make_shared<arrow::TableBatchReader>(table);
  auto wrapper = duckdb::make_uniq<duckdb::ArrowArrayStreamWrapper>();
  auto status = arrow::ExportRecordBatchReader(reader, reinterpret_cast<ArrowArrayStream*>(&wrapper->arrow_array_stream));
  if (!status.ok()) throw duckdb::IOException("Arrow: " + status.ToString());
  wrapper->number_of_rows = table->num_rows();
  return wrapper;
}

void get_schema(ArrowArrayStream* handle, ArrowSchema& schema) {
  auto table = find_table(reinterpret_cast<uintptr_t>(handle));
  auto status = arrow::ExportSchema(*table->schema(), reinterpret_cast<::ArrowSchema*>(&schema));
  if (!status.ok()) throw duckdb::IOException("Arrow: " + status.ToString());
}

// DuckDB's own Arrow scan, reached by a handle instead of three raw pointers.
duckdb::table_function_bind_t arrow_scan_bind = nullptr;

duckdb::unique_ptr<duckdb::FunctionData> bind(duckdb::ClientContext& context, duckdb::TableFunctionBindInput& input,
                                              duckdb::vector<duckdb::LogicalType>& types, duckdb::vector<duckdb::string>& names) {
  duckdb::vector<duckdb::Value> pointers = {duckdb::Value::POINTER(input.inputs[0].GetValue<uint64_t>()),
                                            duckdb::Value::POINTER(reinterpret_cast<uintptr_t>(&produce)),
                                            duckdb::Value::POINTER(reinterpret_cast<uintptr_t>(&get_schema))};
  duckdb::TableFunctionBindInput inner(pointers, input.named_parameters, input.input_table_types, input.input_table_names, input.info,
                                       input.binder, input.table_function, input.ref);
  return arrow_scan_bind(context, inner, types, names);
}

// ---- making a client's array fit the layout that DuckDB reads for its Spark type

std::shared_ptr<arrow::ArrayData> fit(const std::shared_ptr<arrow::ArrayData>& in, const plan::DataType& type);

std::shared_ptr<arrow::ArrayData> cast_data(const std::shared_ptr<arrow::ArrayData>& in, const std::shared_ptr<arrow::DataType>& to) {
  auto options = arrow::compute::CastOptions::Unsafe(to);
  return value_or_throw(arrow::compute::Cast(*arrow::MakeArray(in), to, options))->data();
}

std::shared_ptr<arrow::ArrayData> relabel(const std::shared_ptr<arrow::ArrayData>& in, const std::shared_ptr<arrow::DataType>& to) {
  auto out = std::make_shared<arrow::ArrayData>(*in);
  out->type = to;
  return out;
}

// Nested data whose layout is another than that of its type: nothing may read it.
[[noreturn]] void other_layout(const arrow::ArrayData& in, const plan::DataType& type) {
  throw SparkError(ErrorKind::kSpark, "ARROW_TYPE_MISMATCH", {{"operation", "Arrow data"}, {"outputTypes", type.sql()}, {"actualDataTypes", in.type->ToString()}});
}

std::shared_ptr<arrow::ArrayData> fit(const std::shared_ptr<arrow::ArrayData>& in, const plan::DataType& type) {
  using arrow::Type;
  using plan::TypeId;
  const auto from = in->type->id();
  if (type.id() == TypeId::kUdt) return fit(in, type.sql_type());
  auto want = to_duckdb_arrow(type);
  if (from == Type::NA) return value_or_throw(arrow::MakeArrayOfNull(want, in->length))->data();
  if (from == Type::DICTIONARY) return fit(cast_data(in, static_cast<const arrow::DictionaryType&>(*in->type).value_type()), type);
  switch (type.id()) {
    case TypeId::kNull: return value_or_throw(arrow::MakeArrayOfNull(want, in->length))->data();
    case TypeId::kYearMonthInterval: return from == Type::INTERVAL_MONTHS ? relabel(in, want) : cast_data(in, want);
    case TypeId::kDayTimeInterval: {
      auto us = arrow::duration(arrow::TimeUnit::MICRO);
      if (from == Type::DURATION) return relabel(in->type->Equals(*us) ? in : cast_data(in, us), want);
      return cast_data(in, want);
    }
    case TypeId::kTime: {
      auto ns = arrow::time64(arrow::TimeUnit::NANO);
      if (from == Type::TIME64 || from == Type::TIME32) return relabel(in->type->Equals(*ns) ? in : cast_data(in, ns), want);
      return cast_data(in, want);
    }
    case TypeId::kTimestamp:
    case TypeId::kTimestampNtz:
      if (from == Type::TIMESTAMP && static_cast<const arrow::TimestampType&>(*in->type).unit() == arrow::TimeUnit::MICRO) return relabel(in, want);
      if (from == Type::TIMESTAMP) {
        // Convert the unit only: a cast between zoned and unzoned would move the instant.
        auto unit = arrow::timestamp(arrow::TimeUnit::MICRO, static_cast<const arrow::TimestampType&>(*in->type).timezone());
        return relabel(cast_data(in, unit), want);
      }
      return cast_data(in, want);
    case TypeId::kArray: {
      if (from != Type::LIST && from != Type::LARGE_LIST && from != Type::FIXED_SIZE_LIST && from != Type::LIST_VIEW && from != Type::LARGE_LIST_VIEW && from != Type::MAP)
        other_layout(*in, type);
      if (from != Type::LIST && from != Type::LARGE_LIST) return fit(cast_data(in, arrow::list(static_cast<const arrow::BaseListType&>(*in->type).value_type())), type);
      auto out = std::make_shared<arrow::ArrayData>(*in);
      out->child_data = {fit(in->child_data[0], type.element())};
      auto child = arrow::field("element", out->child_data[0]->type);
      out->type = from == Type::LIST ? arrow::list(child) : arrow::large_list(child);
      return out;
    }
    case TypeId::kMap: {
      if (from != Type::MAP) other_layout(*in, type);
      auto out = std::make_shared<arrow::ArrayData>(*in);
      auto entries = std::make_shared<arrow::ArrayData>(*in->child_data[0]);
      entries->child_data = {fit(entries->child_data[0], type.key()), fit(entries->child_data[1], type.value())};
      auto map = std::make_shared<arrow::MapType>(arrow::field("key", entries->child_data[0]->type, false),
                                                  arrow::field("value", entries->child_data[1]->type));
      entries->type = map->value_type();
      out->child_data = {entries};
      out->type = map;
      return out;
    }
    case TypeId::kStruct: {
      if (from != Type::STRUCT || (!type.fields().empty() && in->child_data.size() != type.fields().size())) other_layout(*in, type);
      auto out = std::make_shared<arrow::ArrayData>(*in);
      auto names = duckdb_field_names(type);
      arrow::FieldVector fields;
      for (size_t i = 0; i < names.size(); ++i) {
        out->child_data[i] = fit(in->child_data[i], type.fields()[i].type());
        fields.push_back(arrow::field(names[i], out->child_data[i]->type));
      }
      if (names.empty()) {
        fields.push_back(arrow::field("_empty", arrow::boolean()));
        out->child_data = {value_or_throw(arrow::MakeArrayOfNull(arrow::boolean(), in->length + in->offset))->data()};
      }
      out->type = arrow::struct_(fields);
      return out;
    }
    case TypeId::kVariant:
    case TypeId::kGeometry:
    case TypeId::kGeography:
      if (from != want->id() || in->child_data.size() != static_cast<size_t>(want->num_fields())) other_layout(*in, type);
      return in;
    default:
      if (in->type->Equals(*want)) return in;
      // DuckDB reads the wide and the view layouts of strings as they are.
      if (type.is_string() && (from == Type::LARGE_STRING || from == Type::STRING_VIEW)) return in;
      if (type.id() == TypeId::kBinary && (from == Type::LARGE_BINARY || from == Type::BINARY_VIEW || from == Type::FIXED_SIZE_BINARY)) return in;
      return cast_data(in, want);
  }
}

}  // namespace

std::shared_ptr<arrow::ArrayData> fit_to_duckdb(const std::shared_ptr<arrow::ArrayData>& array, const plan::DataType& type) { return fit(array, type); }

void register_arrow_scan(duckdb::DatabaseInstance& database) {
  duckdb::ExtensionLoader loader(database, "tarn");
  duckdb::TableFunction scan = loader.GetTableFunction("arrow_scan").functions.functions[0];
  arrow_scan_bind = scan.bind;
  scan.name = "tarn_arrow";
  scan.arguments = {duckdb::LogicalType::UBIGINT};
  scan.bind = bind;
  scan.filter_pushdown = false;
  scan.filter_prune = false;
  loader.RegisterFunction(scan);
}

ArrowHandle::ArrowHandle(const std::shared_ptr<arrow::Table>& table, const std::vector<plan::DataType>& types) : rows_(table ? table->num_rows() : 0) {
  arrow::FieldVector fields;
  arrow::ChunkedArrayVector columns;
  for (size_t i = 0; i < types.size(); ++i) {
    arrow::ArrayVector chunks;
    if (table)
      for (const auto& chunk : table->column(static_cast<int>(i))->chunks())
        chunks.push_back(arrow::MakeArray(fit(chunk->data(), types[i])));
    std::shared_ptr<arrow::DataType> type = chunks.empty() ? to_duckdb_arrow(types[i]) : chunks[0]->type();
    fields.push_back(arrow::field("c" + std::to_string(i), type));
    columns.push_back(std::make_shared<arrow::ChunkedArray>(std::move(chunks), type));
  }
  if (types.empty()) {
    // A relation without columns still has rows.
    fields.push_back(arrow::field("c0", arrow::int32()));
    columns.push_back(std::make_shared<arrow::ChunkedArray>(value_or_throw(arrow::MakeArrayOfNull(arrow::int32(), rows_))));
  }
  std::lock_guard lock(registry_mu);
  id_ = next_handle++;
  registry[id_] = arrow::Table::Make(arrow::schema(std::move(fields)), std::move(columns), rows_);
}

ArrowHandle::~ArrowHandle() {
  std::shared_ptr<arrow::Table> last;
  std::lock_guard lock(registry_mu);
  auto it = registry.find(id_);
  if (it == registry.end()) return;
  last = std::move(it->second);  // freed after the lock
  registry.erase(it);
}

std::string ArrowHandle::sql() const { return "tarn_arrow(" + std::to_string(id_) + "::UBIGINT)"; }

}  // namespace tarn::engine
