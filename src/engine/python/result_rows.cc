#include "engine/python/result_rows.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include <algorithm>

#include "base/spark_error.h"
#include "engine/arrow_import.h"
#include "engine/type_mapping.h"
#include "python/eval_type.h"

namespace tarn::engine::python_functions {

namespace {

std::string type_text(const std::shared_ptr<arrow::DataType>& t) { return t->ToString(); }

// Source: DataType.equalsIgnoreCompatibleNullability.
bool keeps_promise(const plan::DataType& actual, const plan::DataType& promised) {
  using plan::TypeId;
  if (actual.id() != promised.id()) return false;
  switch (promised.id()) {
    case TypeId::kArray: return (promised.contains_null() || !actual.contains_null()) && keeps_promise(actual.element(), promised.element());
    case TypeId::kMap:
      return (promised.contains_null() || !actual.contains_null()) && keeps_promise(actual.key(), promised.key()) && keeps_promise(actual.value(), promised.value());
    case TypeId::kStruct:
      if (actual.fields().size() != promised.fields().size()) return false;
      for (size_t i = 0; i < promised.fields().size(); ++i) {
        const auto &a = actual.fields()[i], &p = promised.fields()[i];
        if (a.name != p.name || (a.nullable && !p.nullable) || !keeps_promise(a.type(), p.type())) return false;
      }
      return true;
    case TypeId::kUdt: return true;
    default: return actual.same_type(promised);
  }
}

}  // namespace

void ResultRows::take(const PythonScan& scan, const std::shared_ptr<arrow::RecordBatch>& batch, bool nulls_for_none) {
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  if (python::eval_type::is_struct_result(scan.header.eval_type)) {
    if (batch->num_columns() < 1 || batch->column(0)->type_id() != arrow::Type::STRUCT) {
      throw SparkError::Plain(ErrorKind::kPython, "The Python function returned " + batch->schema()->ToString() + " where a struct is due.");
    }
    if (scan.promised) {
      auto actual = from_arrow(*batch->column(0)->type());
      if (!keeps_promise(actual, *scan.promised)) {
        throw SparkError(ErrorKind::kSpark, "ARROW_TYPE_MISMATCH",
                         {{"operation", scan.header.eval_type == python::eval_type::kMapArrowIter ? "SQL_MAP_ARROW_ITER_UDF" : "SQL_MAP_PANDAS_ITER_UDF"},
                          {"outputTypes", scan.promised->sql()},
                          {"actualDataTypes", actual.sql()}});
      }
    }
    auto flat = std::static_pointer_cast<arrow::StructArray>(batch->column(0))->Flatten();
    if (!flat.ok()) throw internal_error("Arrow: " + flat.status().ToString());
    for (const auto& c : *flat) columns.push_back(c->data());
  } else {
    for (int i = 0; i < batch->num_columns(); ++i) columns.push_back(batch->column_data(i));
  }
  const size_t due = scan.results.size() - (scan.marked ? 1 : 0);
  if (columns.size() < due) {
    throw SparkError::Plain(ErrorKind::kPython,
                            "The Python function returned " + std::to_string(columns.size()) + " columns where " + std::to_string(due) + " are due.");
  }
  columns.resize(due);
  arrow::FieldVector fields;
  for (size_t i = 0; i < columns.size(); ++i) {
    try {
      columns[i] = fit_to_duckdb(columns[i], scan.results[i]);
    } catch (const SparkError&) {
      throw SparkError(ErrorKind::kSpark, "ARROW_TYPE_MISMATCH",
                       {{"operation", "Python function"}, {"outputTypes", scan.results[i].sql()}, {"actualDataTypes", type_text(columns[i]->type)}});
    }
    fields.push_back(arrow::field("c" + std::to_string(i), columns[i]->type));
  }
  int64_t rows = batch->num_rows();
  const bool padded = nulls_for_none && rows == 0;
  if (padded) {
    rows = 1;
    for (auto& c : columns) {
      auto nulls = arrow::MakeArrayOfNull(c->type, 1);
      if (!nulls.ok()) throw internal_error("Arrow: " + nulls.status().ToString());
      c = (*nulls)->data();
    }
  }
  if (scan.marked) {
    auto marks = arrow::MakeArrayFromScalar(arrow::BooleanScalar(!padded), rows);
    if (!marks.ok()) throw internal_error("Arrow: " + marks.status().ToString());
    columns.push_back((*marks)->data());
    fields.push_back(arrow::field("c" + std::to_string(due), arrow::boolean()));
  }
  auto fitted = arrow::RecordBatch::Make(arrow::schema(fields), rows, columns);
  auto array = std::make_shared<duckdb::ArrowArrayWrapper>();
  schema_ = duckdb::ArrowSchemaWrapper();
  auto status = arrow::ExportRecordBatch(*fitted, reinterpret_cast<::ArrowArray*>(&array->arrow_array), reinterpret_cast<::ArrowSchema*>(&schema_.arrow_schema));
  if (!status.ok()) throw internal_error("Arrow: " + status.ToString());
  types_ = duckdb::ArrowTableSchema();
  duckdb::ArrowTableFunction::PopulateArrowTableSchema(context_, types_, schema_.arrow_schema);
  scan_ = std::make_unique<duckdb::ArrowScanLocalState>(duckdb::make_uniq<duckdb::ArrowArrayWrapper>(), context_);
  scan_->chunk = duckdb::shared_ptr<duckdb::ArrowArrayWrapper>(new duckdb::ArrowArrayWrapper(std::move(*array)));
  rows_ = static_cast<duckdb::idx_t>(rows);
  at_ = 0;
}

duckdb::idx_t ResultRows::convert(const PythonScan& scan, duckdb::idx_t limit) {
  duckdb::idx_t rows = std::min<duckdb::idx_t>({limit, left(), STANDARD_VECTOR_SIZE});
  if (chunk_.ColumnCount() == 0 && !scan.results.empty()) {
    duckdb::vector<duckdb::LogicalType> types;
    for (const auto& t : scan.results) types.push_back(to_duckdb(t));
    chunk_.Initialize(duckdb::Allocator::Get(context_), types);
  }
  chunk_.Reset();
  chunk_.SetCardinality(rows);
  if (!scan.results.empty()) {
    scan_->Reset();
    scan_->chunk_offset = at_;
    duckdb::ArrowTableFunction::ArrowToDuckDB(*scan_, types_.GetColumns(), chunk_, false);
  }
  at_ += rows;
  return rows;
}

}  // namespace tarn::engine::python_functions
