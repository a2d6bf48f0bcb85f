#include "engine/range_scan.h"

#include <algorithm>
#include <atomic>

#include "duckdb.hpp"
#include "duckdb/main/extension/extension_loader.hpp"
#include "duckdb/storage/statistics/base_statistics.hpp"
#include "duckdb/storage/statistics/numeric_stats.hpp"

namespace tarn::engine {

namespace {

using duckdb::idx_t;

constexpr uint64_t kBatch = 60 * STANDARD_VECTOR_SIZE;  // rows that a thread takes at once: as many as DuckDB's row groups have

struct BindData : duckdb::TableFunctionData {
  int64_t start = 0, step = 1;
  uint64_t rows = 0;
  int64_t at(uint64_t row) const { return static_cast<int64_t>(static_cast<uint64_t>(start) + row * static_cast<uint64_t>(step)); }
};

struct GlobalState : duckdb::GlobalTableFunctionState {
  std::atomic<uint64_t> next{0};  // batch
  uint64_t batches = 0;
  idx_t MaxThreads() const override { return std::max<idx_t>(batches, 1); }
};

struct LocalState : duckdb::LocalTableFunctionState {
  uint64_t batch = 0, row = 0, end = 0;
};

duckdb::unique_ptr<duckdb::FunctionData> bind(duckdb::ClientContext&, duckdb::TableFunctionBindInput& input, duckdb::vector<duckdb::LogicalType>& types,
                                              duckdb::vector<duckdb::string>& names) {
  auto data = duckdb::make_uniq<BindData>();
  data->start = input.inputs[0].GetValue<int64_t>();
  data->step = input.inputs[2].GetValue<int64_t>();
  const __int128 end = input.inputs[1].GetValue<int64_t>(), start = data->start, step = data->step;
  if (step == 0) throw duckdb::BinderException("tarn_range: the step is 0");
  if (step > 0 ? end > start : end < start) data->rows = static_cast<uint64_t>((end - start + step + (step > 0 ? -1 : 1)) / step);
  types.push_back(duckdb::LogicalType::BIGINT);
  names.push_back("id");
  return data;
}

duckdb::unique_ptr<duckdb::GlobalTableFunctionState> init_global(duckdb::ClientContext&, duckdb::TableFunctionInitInput& input) {
  auto g = duckdb::make_uniq<GlobalState>();
  const uint64_t rows = input.bind_data->Cast<BindData>().rows;
  g->batches = rows / kBatch + (rows % kBatch != 0);
  return g;
}

duckdb::unique_ptr<duckdb::LocalTableFunctionState> init_local(duckdb::ExecutionContext&, duckdb::TableFunctionInitInput&, duckdb::GlobalTableFunctionState*) {
  return duckdb::make_uniq<LocalState>();
}

void scan(duckdb::ClientContext&, duckdb::TableFunctionInput& input, duckdb::DataChunk& output) {
  const auto& range = input.bind_data->Cast<BindData>();
  auto& g = input.global_state->Cast<GlobalState>();
  auto& l = input.local_state->Cast<LocalState>();
  if (l.row == l.end) {
    const uint64_t batch = g.next.fetch_add(1);
    if (batch >= g.batches) {
      output.SetCardinality(0);
      return;
    }
    l.batch = batch;
    l.row = batch * kBatch;
    l.end = l.row + std::min(kBatch, range.rows - l.row);
  }
  const idx_t rows = std::min<uint64_t>(l.end - l.row, STANDARD_VECTOR_SIZE);
  output.data[0].Sequence(range.at(l.row), range.step, rows);
  output.SetCardinality(rows);
  l.row += rows;
}

duckdb::OperatorPartitionData partition_data(duckdb::ClientContext&, duckdb::TableFunctionGetPartitionInput& input) {
  if (input.partition_info.RequiresPartitionColumns()) throw duckdb::InternalException("tarn_range: no partition columns");
  return duckdb::OperatorPartitionData(input.local_state->Cast<LocalState>().batch);
}

duckdb::unique_ptr<duckdb::NodeStatistics> cardinality(duckdb::ClientContext&, const duckdb::FunctionData* data) {
  const idx_t rows = data->Cast<BindData>().rows;
  return duckdb::make_uniq<duckdb::NodeStatistics>(rows, rows);
}

duckdb::unique_ptr<duckdb::BaseStatistics> statistics(duckdb::ClientContext&, const duckdb::FunctionData* data, duckdb::column_t column) {
  const auto& range = data->Cast<BindData>();
  if (column != 0 || range.rows == 0) return nullptr;
  auto out = duckdb::NumericStats::CreateUnknown(duckdb::LogicalType::BIGINT);
  const auto ends = std::minmax(range.start, range.at(range.rows - 1));
  duckdb::NumericStats::SetMin(out, duckdb::Value::BIGINT(ends.first));
  duckdb::NumericStats::SetMax(out, duckdb::Value::BIGINT(ends.second));
  out.Set(duckdb::StatsInfo::CANNOT_HAVE_NULL_VALUES);
  return out.ToUnique();
}

double progress(duckdb::ClientContext&, const duckdb::FunctionData*, const duckdb::GlobalTableFunctionState* state) {
  const auto& g = state->Cast<GlobalState>();
  return g.batches == 0 ? 100 : 100.0 * static_cast<double>(std::min(g.next.load(), g.batches)) / static_cast<double>(g.batches);
}

}  // namespace

void register_range_scan(duckdb::DatabaseInstance& database) {
  using duckdb::LogicalType;
  duckdb::TableFunction f("tarn_range", {LogicalType::BIGINT, LogicalType::BIGINT, LogicalType::BIGINT}, scan, bind, init_global, init_local);
  f.get_partition_data = partition_data;
  f.cardinality = cardinality;
  f.statistics = statistics;
  f.table_scan_progress = progress;
  duckdb::ExtensionLoader loader(database, "tarn");
  loader.RegisterFunction(f);
}

}  // namespace tarn::engine
