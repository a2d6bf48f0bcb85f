#include "engine/python/input_query.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <nlohmann/json.hpp>

#include "base/spark_error.h"
#include "duckdb.hpp"
#include "duckdb/common/vector_operations/vector_operations.hpp"
#include "engine/arrow_export.h"
#include "engine/database.h"
#include "engine/error_map.h"
#include "engine/type_mapping.h"
#include "python/eval_type.h"

namespace tarn::engine::python_functions {

namespace {
using Shape = PythonScan::Shape;

constexpr uint64_t kGroupRows = 10000;  // about so many rows of whole groups are taken at once
constexpr size_t kGroups = 1000;

plan::DataType struct_of(const std::vector<Column>& columns, size_t from, size_t to) {
  std::vector<plan::StructField> fields;
  for (size_t i = from; i < to; ++i) {
    fields.push_back(plan::make_field(columns[i].name, columns[i].type, true));
    fields.back().metadata = columns[i].metadata;
  }
  return plan::DataType::structure(std::move(fields));
}
// The fields as Spark's ArrowUtils makes them: with what the columns' metadata say.
std::shared_ptr<arrow::Schema> with_metadata(const std::shared_ptr<arrow::Schema>& schema, const plan::DataType& type) {
  arrow::FieldVector fields = schema->fields();
  bool any = false;
  for (size_t i = 0; i < fields.size(); ++i) {
    const auto& metadata = type.fields()[i].metadata;
    if (metadata.empty() || metadata == "{}") continue;
    auto parsed = nlohmann::ordered_json::parse(metadata, nullptr, false);  // the client may have put spaces into it
    auto own = arrow::key_value_metadata({"SPARK::metadata::json"}, {parsed.is_discarded() ? metadata : parsed.dump()});
    fields[i] = fields[i]->WithMetadata(fields[i]->metadata() ? fields[i]->metadata()->Merge(*own) : own);
    any = true;
  }
  return any ? arrow::schema(std::move(fields), schema->metadata()) : schema;
}
}  // namespace

bool InputQuery::grouped() const {
  return scan_.shape == Shape::kGroups || scan_.shape == Shape::kGroupMap || scan_.shape == Shape::kCogroups || scan_.shape == Shape::kWindow ||
         scan_.shape == Shape::kStateful;
}
bool InputQuery::passes() const { return scan_.shape == Shape::kRows || scan_.shape == Shape::kGroups || scan_.shape == Shape::kWindow || scan_.shape == Shape::kTable; }

InputQuery::InputQuery(const PythonScan& scan, const std::vector<size_t>& pass, duckdb::ClientContext& context) : scan_(scan) {
  std::string columns;
  std::vector<const Column*> all;
  auto add = [&](const std::string& sql) { columns += (columns.empty() ? "" : ", ") + sql + " AS x" + std::to_string(all.size()); };
  positions_.assign(scan.pass.size(), 0);
  for (size_t i : pass) {
    positions_[i] = all.size();
    add(scan.pass[i].sql);
    all.push_back(&scan.pass[i]);
  }
  sent_ = all.size();
  for (const auto& c : scan.sent) {
    add(c.sql);
    all.push_back(&c);
  }
  size_t typed = all.size();
  keys_ = typed;
  size_t count = typed;
  for (const auto& k : scan.keys) columns += (columns.empty() ? "" : ", ") + k + " AS x" + std::to_string(count++);
  side_ = count;
  if (!scan.side.empty()) columns += ", " + scan.side + " AS x" + std::to_string(count++);
  if (columns.empty()) columns = "NULL::INTEGER AS x0";
  std::string order;
  for (size_t i = keys_; i < count; ++i) order += (order.empty() ? " ORDER BY x" : ", x") + std::to_string(i) + " ASC NULLS FIRST";
  for (const auto& o : scan.order) order += (order.empty() ? " ORDER BY " : ", ") + o;
  // Rows of a group come as they came in: the sort alone promises nothing about equal keys. Those of windows have their places already.
  std::string rows = scan.sql;
  if (grouped() && scan.shape != Shape::kWindow) {
    rows = "SELECT *, row_number() OVER () AS tarn_position FROM (" + rows + ") AS r";
    order += order.empty() ? " ORDER BY tarn_position" : ", tarn_position";
  }
  std::string sql = "SELECT " + columns + " FROM (" + rows + ") AS q" + order;

  auto side_type = [&](size_t side) {
    return scan.shape == Shape::kCogroups ? (side == 0 ? struct_of(scan.sent, 0, scan.left) : struct_of(scan.sent, scan.left, scan.sent.size()))
                                          : struct_of(scan.sent, 0, scan.sent.size());
  };
  connection_ = scan.runtime->database->connect();
  for (size_t side = 0; side < (scan.shape == Shape::kCogroups ? 2u : 1u); ++side) {
    auto type = side_type(side);
    exports_.push_back(std::make_unique<ArrowExport>(type, scan.zone, scan.large_types, *connection_->context));
    auto schema = with_metadata(exports_.back()->schema(), type);
    if (python::eval_type::is_wrapped(scan.header.eval_type)) schema = arrow::schema({arrow::field("struct", arrow::struct_(schema->fields()))});
    schemas_.push_back(schema);
    auto view = std::make_unique<duckdb::DataChunk>();
    duckdb::vector<duckdb::LogicalType> types;
    for (const auto& f : type.fields()) types.push_back(to_duckdb(f.type()));
    if (!types.empty()) view->InitializeEmpty(types);
    views_.push_back(std::move(view));
  }
  interruptible_.emplace(scan.runtime.get(), connection_.get());
  auto open = [&](const std::string& text) {
    auto pending = connection_->PendingQuery(text, true);
    if (pending->HasError()) throw to_spark_error(pending->GetErrorObject(), text);
    return pending;
  };
  auto pending = open(sql);
  // A template may give another type than the analyzer promised.
  std::string casts;
  bool differs = false;
  for (size_t i = 0; i < count; ++i) {
    std::string name = "x" + std::to_string(i);
    bool cast = i < typed && pending->types[i] != to_duckdb(all[i]->type);
    differs |= cast;
    casts += (casts.empty() ? "" : ", ") + (cast ? "CAST(" + name + " AS " + duckdb_type_sql(all[i]->type) + ") AS " + name : name);
  }
  if (differs) {
    pending.reset();
    pending = open("SELECT " + casts + " FROM (" + sql + ") AS p");
  }
  result_ = pending->Execute();
  if (result_->HasError()) throw to_spark_error(result_->GetErrorObject(), sql);
}

InputQuery::~InputQuery() = default;

bool InputQuery::fetch() {
  if (ended_) return false;
  previous_ = current_;
  auto chunk = result_->Fetch();
  if (result_->HasError()) throw to_spark_error(result_->GetErrorObject(), scan_.sql);
  if (!chunk || chunk->size() == 0) {
    ended_ = true;
    current_.reset();
    return false;
  }
  current_ = std::shared_ptr<duckdb::DataChunk>(chunk.release());
  current_->Flatten();
  at_ = 0;
  size_t from = sent_;
  for (auto& view : views_) {
    for (size_t c = 0; c < view->ColumnCount(); ++c) view->data[c].Reference(current_->data[from++]);
    view->SetCardinality(current_->size());
  }
  if (grouped()) {
    const auto n = current_->size();
    starts_.assign(n, false);
    for (size_t k = keys_; k < side_; ++k) {
      auto& keys = current_->data[k];
      if (n > 1) {
        duckdb::Vector before(keys, 0, n - 1), after(keys, 1, n), differs(duckdb::LogicalType::BOOLEAN);
        duckdb::VectorOperations::DistinctFrom(before, after, differs, n - 1);
        differs.Flatten(n - 1);
        auto* flags = duckdb::FlatVector::GetData<bool>(differs);
        for (duckdb::idx_t i = 0; i + 1 < n; ++i) starts_[i + 1] = starts_[i + 1] || flags[i];
      }
      if (previous_ && duckdb::Value::DefaultValuesAreEqual(previous_->GetValue(k, previous_->size() - 1), keys.GetValue(0)) == false) starts_[0] = true;
    }
    if (!previous_) starts_[0] = true;
  }
  return true;
}

std::shared_ptr<arrow::RecordBatch> InputQuery::wrapped(const std::shared_ptr<arrow::RecordBatch>& batch, size_t side) const {
  if (!python::eval_type::is_wrapped(scan_.header.eval_type)) {
    if (batch->schema()->Equals(*schemas_[side], true)) return batch;
    return arrow::RecordBatch::Make(schemas_[side], batch->num_rows(), batch->column_data());
  }
  std::vector<std::shared_ptr<arrow::ArrayData>> children;
  for (int i = 0; i < batch->num_columns(); ++i) children.push_back(batch->column_data(i));
  auto data = arrow::ArrayData::Make(schemas_[side]->field(0)->type(), batch->num_rows(), {nullptr}, std::move(children), 0);
  return arrow::RecordBatch::Make(schemas_[side], batch->num_rows(), std::vector<std::shared_ptr<arrow::ArrayData>>{data});
}

std::unique_ptr<InputBatch> InputQuery::next() {
  std::lock_guard lock(mu_);
  return grouped() ? next_groups() : next_rows();
}

std::unique_ptr<InputBatch> InputQuery::next_rows() {
  auto batch = std::make_unique<InputBatch>();
  uint64_t rows = 0;
  auto& out = *exports_[0];
  auto most = static_cast<uint64_t>(scan_.max_rows);
  if (scan_.parts) {
    while (part_ + 1 < scan_.parts->count && taken_ >= scan_.parts->end(part_)) ++part_;
    if (part_ + 1 < scan_.parts->count) most = std::min(most, static_cast<uint64_t>(scan_.parts->end(part_) - taken_));
  }
  while (rows < most && out.approximate_bytes() < scan_.max_bytes) {
    if (!current_ || at_ >= current_->size()) {
      if (!fetch()) break;
    }
    uint64_t to = std::min<uint64_t>(current_->size(), at_ + most - rows);
    out.append(*views_[0], at_, to);
    if (passes()) batch->pass.push_back({current_, at_, to - at_, numbers_, false});
    rows += to - at_;
    at_ = to;
  }
  if (rows == 0) return nullptr;
  if (!batch->pass.empty()) batch->pass.back().last = true;
  batch->rows = wrapped(out.take(), 0);
  batch->number = numbers_++;
  taken_ += static_cast<int64_t>(rows);
  batch->ends_part = scan_.parts && taken_ >= scan_.parts->end(part_);
  return batch;
}

void InputQuery::append(size_t side, uint64_t from, uint64_t to, ArrowBatches* full) {
  auto& out = *exports_[side];
  while (from < to) {
    uint64_t step = std::min<uint64_t>(to - from, static_cast<uint64_t>(scan_.max_rows) - static_cast<uint64_t>(out.rows()));
    out.append(*views_[side], from, from + step);
    from += step;
    if (out.rows() >= scan_.max_rows || out.approximate_bytes() >= scan_.max_bytes) full->push_back(wrapped(out.take(), side));
  }
}

std::unique_ptr<InputBatch> InputQuery::next_groups() {
  auto batch = std::make_unique<InputBatch>();
  uint64_t rows = 0;
  std::vector<ArrowBatches> group(exports_.size());
  bool open = false;
  const bool stream = scan_.shape == Shape::kStateful;  // groups need not be told apart
  auto close = [&] {
    for (size_t side = 0; side < exports_.size(); ++side) {
      if (exports_[side]->rows() > 0) group[side].push_back(wrapped(exports_[side]->take(), side));
    }
    batch->groups.push_back(std::exchange(group, std::vector<ArrowBatches>(exports_.size())));
    open = false;
  };
  for (;;) {
    if (!current_ || at_ >= current_->size()) {
      if (!fetch()) break;
    }
    if (starts_[at_] && scan_.phased) {
      auto phase = current_->data[keys_].GetValue(at_).GetValue<int32_t>();
      if (phase != phase_ && open) close();
      phase_ = phase;
    }
    if (starts_[at_] && open && (!stream || rows >= kGroupRows)) {
      close();
      if (rows >= kGroupRows || batch->groups.size() >= kGroups) break;
    }
    uint64_t to = at_ + 1;
    while (to < current_->size() && !starts_[to]) ++to;
    if (scan_.shape == Shape::kCogroups) {
      // Within a group the rows of the left side come first.
      uint64_t middle = at_;
      while (middle < to && current_->data[side_].GetValue(middle).GetValue<int32_t>() == 0) ++middle;
      append(0, at_, middle, &group[0]);
      append(1, middle, to, &group[1]);
    } else {
      append(0, at_, to, &group[0]);
    }
    if (scan_.shape == Shape::kGroups && !open) batch->pass.push_back({current_, at_, 1, numbers_, false});
    if (scan_.shape == Shape::kWindow) batch->pass.push_back({current_, at_, to - at_, numbers_, false});
    open = true;
    rows += to - at_;
    at_ = to;
  }
  if (open) close();
  if (batch->groups.empty()) return nullptr;
  if (!batch->pass.empty()) batch->pass.back().last = true;
  batch->number = numbers_++;
  return batch;
}

}  // namespace tarn::engine::python_functions
