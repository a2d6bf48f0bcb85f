// Aggregates over bytes: bitmaps, count-min sketches, sums of vectors. Source: bitmapExpressions, CountMinSketchImpl, VectorSum, VectorAvg.
#include <cmath>
#include <cstring>

#include "engine/kernels/kernel.h"
#include "engine/kernels/kernel_error.h"
#include "engine/kernels/murmur3.h"
#include "engine/kernels/sketch_aggregate.h"

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

// ---- bitmaps of 32,768 bits

constexpr size_t kBitmapBytes = 4096;

// (position of a bit)
struct BitmapBuild {
  explicit BitmapBuild(const SketchConstants&) : bits(kBitmapBytes, '\0') {}
  void add(const SketchInput& in, idx_t row) {
    if (in.null(0, row)) return;
    const int64_t at = in.get<int64_t>(0, row);
    if (at < 0 || at >= static_cast<int64_t>(8 * kBitmapBytes))
      fail("INVALID_BITMAP_POSITION", ErrorKind::kArrayIndex,
           {{"bitPosition", std::to_string(at)}, {"bitmapNumBytes", std::to_string(kBitmapBytes)}, {"bitmapNumBits", std::to_string(8 * kBitmapBytes)}});
    bits[static_cast<size_t>(at / 8)] = static_cast<char>(bits[static_cast<size_t>(at / 8)] | (1 << (at % 8)));
  }
  void merge(BitmapBuild& other) {
    for (size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<char>(bits[i] | other.bits[i]);
  }
  std::string result() { return bits; }
  std::string bits;
};

// (bitmap): all of them together, or what they share. Bytes beyond a bitmap count as zero.
template <bool And> struct BitmapMerge {
  explicit BitmapMerge(const SketchConstants&) : bits(kBitmapBytes, And ? '\xff' : '\0') {}
  void add(const SketchInput& in, idx_t row) {
    if (!in.null(0, row)) take(in.bytes(0, row));
  }
  void merge(BitmapMerge& other) { take(other.bits); }
  void take(std::string_view other) {
    const size_t n = std::min(bits.size(), other.size());
    for (size_t i = 0; i < n; ++i) bits[i] = static_cast<char>(And ? bits[i] & other[i] : bits[i] | other[i]);
    if (And) std::fill(bits.begin() + static_cast<std::ptrdiff_t>(n), bits.end(), '\0');
  }
  std::string result() { return bits; }
  std::string bits;
};

// ---- count-min sketch

// java.util.Random
class JavaRandom {
 public:
  explicit JavaRandom(int64_t seed) : state_((static_cast<uint64_t>(seed) ^ kMultiplier) & kMask) {}
  // nextInt(bound) for a bound that is no power of two.
  int32_t below(int32_t bound) {
    for (;;) {
      const int32_t bits = next31();
      const int32_t value = bits % bound;
      if (static_cast<int64_t>(bits) - value + (bound - 1) <= INT32_MAX) return value;
    }
  }

 private:
  static constexpr uint64_t kMultiplier = 0x5DEECE66Dull, kMask = (1ull << 48) - 1;
  int32_t next31() {
    state_ = (state_ * kMultiplier + 0xB) & kMask;
    return static_cast<int32_t>(state_ >> 17);
  }
  uint64_t state_;
};

// (value, eps, confidence, seed)
template <class Value> struct CountMin {
  explicit CountMin(const SketchConstants& c) {
    const double eps = c[1].GetValue<double>(), confidence = c[2].GetValue<double>();
    width = static_cast<int32_t>(std::ceil(2 / eps));
    depth = static_cast<int32_t>(std::ceil(-std::log1p(-confidence) / std::log(2)));
    JavaRandom random(static_cast<int32_t>(c[3].GetValue<int64_t>()));
    for (int32_t i = 0; i < depth; ++i) hashes.push_back(random.below(INT32_MAX));
    counts.assign(static_cast<size_t>(depth) * static_cast<size_t>(width), 0);
  }
  void add(const SketchInput& in, idx_t row) {
    if (in.null(0, row)) return;
    if constexpr (std::is_same_v<Value, int64_t>) {
      const int64_t v = in.get<int64_t>(0, row);
      for (int32_t i = 0; i < depth; ++i) {
        auto h = static_cast<int64_t>(static_cast<uint64_t>(hashes[static_cast<size_t>(i)]) * static_cast<uint64_t>(v));
        h = static_cast<int64_t>(static_cast<uint64_t>(h) + static_cast<uint64_t>(h >> 32));
        h &= (int64_t{1} << 31) - 1;
        ++cell(i, static_cast<int32_t>(h) % width);
      }
    } else {
      const auto bytes = in.bytes(0, row);
      const auto first = static_cast<int32_t>(Murmur3::of_bytes(bytes, 0)), second = static_cast<int32_t>(Murmur3::of_bytes(bytes, static_cast<uint32_t>(first)));
      for (int32_t i = 0; i < depth; ++i) {
        const auto h = static_cast<int32_t>(static_cast<uint32_t>(first) + static_cast<uint32_t>(i) * static_cast<uint32_t>(second));
        ++cell(i, std::abs(h % width));
      }
    }
    ++total;
  }
  void merge(CountMin& other) {
    for (size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
    total += other.total;
  }
  // Version 1: big-endian numbers; one row after the other.
  std::string result() {
    std::string out;
    auto put = [&](auto v, int bytes) {
      for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>(static_cast<uint64_t>(v) >> shift);
    };
    put(1, 4);
    put(total, 8);
    put(depth, 4);
    put(width, 4);
    for (int64_t h : hashes) put(h, 8);
    for (int64_t n : counts) put(n, 8);
    return out;
  }
  int64_t& cell(int32_t row, int32_t column) { return counts[static_cast<size_t>(row) * static_cast<size_t>(width) + static_cast<size_t>(column)]; }

  int32_t width = 0, depth = 0;
  int64_t total = 0;
  std::vector<int64_t> hashes, counts;
};

// ---- vectors. A vector travels as the bytes of its floats; the state as a count (0: no vector) and them.

// (bytes)
template <bool Average> struct VectorAccumulator {
  explicit VectorAccumulator(const SketchConstants&) {}
  void add(const SketchInput& in, idx_t row) {
    if (in.null(0, row)) return;
    const auto bytes = in.bytes(0, row);
    std::vector<float> v(bytes.size() / sizeof(float));
    if (!v.empty()) std::memcpy(v.data(), bytes.data(), bytes.size());
    if (count == 0) {
      sum = std::move(v);
      count = 1;
      return;
    }
    check(v.size());
    ++count;
    const float share = 1.0f / static_cast<float>(count);
    for (size_t i = 0; i < v.size(); ++i) sum[i] = Average ? sum[i] + (v[i] - sum[i]) * share : sum[i] + v[i];
  }
  void merge(VectorAccumulator& other) {
    if (other.count == 0) return;
    if (count == 0) {
      *this = std::move(other);
      return;
    }
    check(other.sum.size());
    const auto all = static_cast<float>(count + other.count);
    const float left = static_cast<float>(count) / all, right = static_cast<float>(other.count) / all;
    for (size_t i = 0; i < sum.size(); ++i) sum[i] = Average ? sum[i] * left + other.sum[i] * right : sum[i] + other.sum[i];
    count += other.count;
  }
  void check(size_t dimension) const {
    if (dimension != sum.size())
      fail("VECTOR_DIMENSION_MISMATCH", ErrorKind::kRuntime,
           {{"functionName", Average ? "`vector_avg`" : "`vector_sum`"}, {"leftDim", std::to_string(sum.size())}, {"rightDim", std::to_string(dimension)}});
  }
  std::string result() {
    std::string out(1, count ? '\1' : '\0');
    out.append(reinterpret_cast<const char*>(sum.data()), sum.size() * sizeof(float));
    return out;
  }
  int64_t count = 0;
  std::vector<float> sum;
};

// The bytes of a list of floats; null where the list or one of its elements is.
void vector_bytes(DataChunk& in, ExpressionState&, Vector& result) {
  UnifiedVectorFormat lists, items;
  in.data[0].ToUnifiedFormat(in.size(), lists);
  ListVector::GetEntry(in.data[0]).ToUnifiedFormat(ListVector::GetListSize(in.data[0]), items);
  result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
  for (idx_t i = 0; i < in.size(); ++i) {
    const auto at = lists.sel->get_index(i);
    bool null = !lists.validity.RowIsValid(at);
    std::string bytes;
    if (!null) {
      const auto entry = UnifiedVectorFormat::GetData<duckdb::list_entry_t>(lists)[at];
      for (idx_t e = entry.offset; e < entry.offset + entry.length && !null; ++e) {
        const auto x = items.sel->get_index(e);
        null = !items.validity.RowIsValid(x);
        if (!null) bytes.append(reinterpret_cast<const char*>(UnifiedVectorFormat::GetData<float>(items) + x), sizeof(float));
      }
    }
    if (null) FlatVector::SetNull(result, i, true);
    else FlatVector::GetData<duckdb::string_t>(result)[i] = duckdb::StringVector::AddStringOrBlob(result, bytes);
  }
}

// A state as a list of floats; null without a vector.
void vector_of(DataChunk& in, ExpressionState&, Vector& result) {
  UnifiedVectorFormat states;
  in.data[0].ToUnifiedFormat(in.size(), states);
  result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
  auto* entries = FlatVector::GetData<duckdb::list_entry_t>(result);
  idx_t total = 0;
  for (idx_t i = 0; i < in.size(); ++i) {
    const auto at = states.sel->get_index(i);
    entries[i] = {total, 0};
    const auto& s = UnifiedVectorFormat::GetData<duckdb::string_t>(states)[at];
    if (!states.validity.RowIsValid(at) || s.GetSize() == 0 || s.GetData()[0] == '\0') {
      FlatVector::SetNull(result, i, true);
      continue;
    }
    const idx_t n = (s.GetSize() - 1) / sizeof(float);
    ListVector::Reserve(result, total + n);
    if (n) std::memcpy(FlatVector::GetData<float>(ListVector::GetEntry(result)) + total, s.GetData() + 1, n * sizeof(float));
    entries[i].length = n;
    total += n;
  }
  ListVector::SetListSize(result, total);
}

void add(Kernels& k, const char* name, LogicalType argument, LogicalType result, duckdb::scalar_function_t f) {
  ScalarFunction s(name, {std::move(argument)}, std::move(result), std::move(f));
  s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  k.add(std::move(s));
}

}  // namespace

void register_accumulators(Kernels& k) {
  add_sketch_aggregate<BitmapBuild>(k, "spark_bitmap_build", {LogicalType::BIGINT});
  add_sketch_aggregate<BitmapMerge<false>>(k, "spark_bitmap_or", {LogicalType::BLOB});
  add_sketch_aggregate<BitmapMerge<true>>(k, "spark_bitmap_and", {LogicalType::BLOB});
  const LogicalType number = LogicalType::DOUBLE;
  add_sketch_aggregate<CountMin<int64_t>>(k, "spark_count_min", {LogicalType::BIGINT, number, number, LogicalType::BIGINT});
  add_sketch_aggregate<CountMin<std::string_view>>(k, "spark_count_min", {LogicalType::VARCHAR, number, number, LogicalType::BIGINT});
  add_sketch_aggregate<CountMin<std::string_view>>(k, "spark_count_min", {LogicalType::BLOB, number, number, LogicalType::BIGINT});
  add_sketch_aggregate<VectorAccumulator<false>>(k, "spark_vector_sum", {LogicalType::BLOB});
  add_sketch_aggregate<VectorAccumulator<true>>(k, "spark_vector_avg", {LogicalType::BLOB});
  add(k, "spark_vector_bytes", LogicalType::LIST(LogicalType::FLOAT), LogicalType::BLOB, vector_bytes);
  add(k, "spark_vector_of", LogicalType::BLOB, LogicalType::LIST(LogicalType::FLOAT), vector_of);
}

}  // namespace tarn::engine::kernels
