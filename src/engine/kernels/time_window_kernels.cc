// Windows of time: the start and end of those that hold a moment, in microseconds. Source: TimeWindowing.
#include "engine/kernels/kernel.h"

namespace tarn::engine::kernels {
namespace {

using duckdb::DataChunk;
using duckdb::ExpressionState;
using duckdb::FlatVector;
using duckdb::idx_t;
using duckdb::ListVector;
using duckdb::LogicalType;
using duckdb::ScalarFunction;
using duckdb::UnifiedVectorFormat;
using duckdb::Vector;

// The start of the last window that holds t; wraps where Java's arithmetic does.
int64_t last_start(int64_t t, int64_t slide, int64_t start) {
  const auto since = static_cast<int64_t>(static_cast<uint64_t>(t) - static_cast<uint64_t>(start));
  int64_t r = since % slide;
  if (r < 0) r += slide;
  return static_cast<int64_t>(static_cast<uint64_t>(t) - static_cast<uint64_t>(r));
}

struct Arguments {
  explicit Arguments(DataChunk& in) : columns(in.ColumnCount()) {
    for (idx_t a = 0; a < columns.size(); ++a) in.data[a].ToUnifiedFormat(in.size(), columns[a]);
  }
  bool valid(idx_t row) const {
    for (const auto& c : columns)
      if (!c.validity.RowIsValid(c.sel->get_index(row))) return false;
    return true;
  }
  int64_t at(idx_t column, idx_t row) const { return UnifiedVectorFormat::GetData<int64_t>(columns[column])[columns[column].sel->get_index(row)]; }
  std::vector<UnifiedVectorFormat> columns;
};

void put(Vector& structs, idx_t row, int64_t start, int64_t size) {
  auto& parts = duckdb::StructVector::GetEntries(structs);
  FlatVector::GetData<int64_t>(*parts[0])[row] = start;
  FlatVector::GetData<int64_t>(*parts[1])[row] = static_cast<int64_t>(static_cast<uint64_t>(start) + static_cast<uint64_t>(size));
}

// (time, size, start): the one window where they don't overlap.
void tumbling(DataChunk& in, ExpressionState&, Vector& result) {
  Arguments args(in);
  result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
  for (idx_t i = 0; i < in.size(); ++i) {
    if (args.valid(i)) put(result, i, last_start(args.at(0, i), args.at(1, i), args.at(2, i)), args.at(1, i));
    else FlatVector::SetNull(result, i, true);
  }
}

// (time, size, slide, start): all windows, the latest first.
void sliding(DataChunk& in, ExpressionState&, Vector& result) {
  Arguments args(in);
  result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
  auto* entries = FlatVector::GetData<duckdb::list_entry_t>(result);
  idx_t total = 0;
  for (idx_t i = 0; i < in.size(); ++i) {
    entries[i] = {total, 0};
    if (!args.valid(i)) {
      FlatVector::SetNull(result, i, true);
      continue;
    }
    const int64_t t = args.at(0, i), size = args.at(1, i), slide = args.at(2, i);
    const int64_t last = last_start(t, slide, args.at(3, i));
    const int64_t most = size / slide + (size % slide != 0);
    for (int64_t n = 0; n < most; ++n) {
      const int64_t start = last - n * slide;
      // Only the earliest may have ended before.
      if (size % slide != 0 && t - start >= size) continue;
      ListVector::Reserve(result, total + 1);
      put(ListVector::GetEntry(result), total++, start, size);
      ++entries[i].length;
    }
  }
  ListVector::SetListSize(result, total);
}

void add(Kernels& k, const char* name, duckdb::vector<LogicalType> types, LogicalType result, duckdb::scalar_function_t f) {
  ScalarFunction s(name, std::move(types), std::move(result), std::move(f));
  s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  k.add(std::move(s));
}

}  // namespace

void register_time_windows(Kernels& k) {
  const LogicalType number = LogicalType::BIGINT;
  for (const LogicalType& time : {LogicalType(LogicalType::TIMESTAMP_TZ), LogicalType(LogicalType::TIMESTAMP)}) {
    const auto window = LogicalType::STRUCT({{"start", time}, {"end", time}});
    add(k, "spark_time_window", {time, number, number}, window, tumbling);
    add(k, "spark_time_windows", {time, number, number, number}, LogicalType::LIST(window), sliding);
  }
}

}  // namespace tarn::engine::kernels
