// histogram_numeric: a histogram of bins of any width, the closest two merged when there are too many. Source: NumericHistogram,
// after Ben-Haim and Tom-Tov, "A streaming parallel decision tree algorithm".
#include <algorithm>
#include <cstring>

#include "engine/kernels/kernel.h"
#include "engine/kernels/sketch_aggregate.h"

namespace tarn::engine::kernels {
namespace {

struct Bin {
  double x, y;  // centre and height
};

// Ties are broken as java.util.Random(31183) says.
class TieBreaker {
 public:
  double next() { return static_cast<double>((bits(26) << 27) + bits(27)) * 0x1p-53; }

 private:
  static constexpr uint64_t kMultiplier = 0x5DEECE66Dull, kMask = (1ull << 48) - 1;
  uint64_t bits(int n) {
    state_ = (state_ * kMultiplier + 0xB) & kMask;
    return state_ >> (48 - n);
  }
  uint64_t state_ = (31183 ^ kMultiplier) & kMask;
};

// (value, number of bins); the bins in order of x. The result is their bytes.
struct NumericHistogram {
  explicit NumericHistogram(const SketchConstants& c) : limit(static_cast<size_t>(c[1].GetValue<int32_t>())) {}

  void add(const SketchInput& in, duckdb::idx_t row) {
    if (in.null(0, row)) return;
    const double v = in.get<double>(0, row);
    size_t at = 0;
    for (size_t left = 0, right = bins.size(); left < right;) {
      at = (left + right) / 2;
      if (bins[at].x > v) right = at;
      else if (bins[at].x < v) left = ++at;
      else break;
    }
    if (at < bins.size() && bins[at].x == v) {
      ++bins[at].y;
      return;
    }
    bins.insert(bins.begin() + static_cast<std::ptrdiff_t>(at), {v, 1});
    trim();
  }
  void merge(NumericHistogram& other) {
    bins.insert(bins.end(), other.bins.begin(), other.bins.end());
    std::stable_sort(bins.begin(), bins.end(), [](const Bin& a, const Bin& b) { return a.x < b.x || (a.x == a.x && b.x != b.x); });  // NaN last
    trim();
  }
  std::string result() const { return {reinterpret_cast<const char*>(bins.data()), bins.size() * sizeof(Bin)}; }

 private:
  void trim() {
    while (bins.size() > limit) {
      double smallest = bins[1].x - bins[0].x;
      size_t at = 0;
      int ties = 1;
      for (size_t i = 1; i + 1 < bins.size(); ++i) {
        const double gap = bins[i + 1].x - bins[i].x;
        if (gap < smallest) {
          smallest = gap;
          at = i;
          ties = 1;
        } else if (gap == smallest && random.next() <= 1.0 / ++ties) {
          at = i;
        }
      }
      Bin &a = bins[at], &b = bins[at + 1];
      const double y = a.y + b.y;
      a.x = a.x * (a.y / y) + b.x / y * b.y;
      a.y = y;
      bins.erase(bins.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    }
  }
  size_t limit;
  std::vector<Bin> bins;
  TieBreaker random;
};

// The bytes of a histogram as a list of its bins; null when it has none.
void bins_of(duckdb::DataChunk& in, duckdb::ExpressionState&, duckdb::Vector& result) {
  duckdb::UnifiedVectorFormat states;
  in.data[0].ToUnifiedFormat(in.size(), states);
  result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
  auto* entries = duckdb::FlatVector::GetData<duckdb::list_entry_t>(result);
  duckdb::idx_t total = 0;
  for (duckdb::idx_t row = 0; row < in.size(); ++row) {
    const auto at = states.sel->get_index(row);
    const size_t n = states.validity.RowIsValid(at) ? duckdb::UnifiedVectorFormat::GetData<duckdb::string_t>(states)[at].GetSize() / sizeof(Bin) : 0;
    entries[row] = {total, n};
    if (n == 0) {
      duckdb::FlatVector::SetNull(result, row, true);
      continue;
    }
    std::vector<Bin> bins(n);
    std::memcpy(bins.data(), duckdb::UnifiedVectorFormat::GetData<duckdb::string_t>(states)[at].GetData(), n * sizeof(Bin));
    duckdb::ListVector::Reserve(result, total + n);
    auto& fields = duckdb::StructVector::GetEntries(duckdb::ListVector::GetEntry(result));
    for (size_t i = 0; i < n; ++i) {
      duckdb::FlatVector::GetData<double>(*fields[0])[total + i] = bins[i].x;
      duckdb::FlatVector::GetData<double>(*fields[1])[total + i] = bins[i].y;
    }
    total += n;
  }
  duckdb::ListVector::SetListSize(result, total);
}

}  // namespace

void register_histograms(Kernels& k) {
  using duckdb::LogicalType;
  add_sketch_aggregate<NumericHistogram>(k, "spark_histogram_numeric", {LogicalType::DOUBLE, LogicalType::INTEGER});
  duckdb::ScalarFunction s("spark_histogram_bins", {LogicalType::BLOB},
                           LogicalType::LIST(LogicalType::STRUCT({{"x", LogicalType::DOUBLE}, {"y", LogicalType::DOUBLE}})), bins_of);
  s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  k.add(std::move(s));
}

}  // namespace tarn::engine::kernels
