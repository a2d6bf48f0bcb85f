// approx_count_distinct: HyperLogLog++ over 64-bit hashes. Source: HyperLogLogPlusPlus, HyperLogLogPlusPlusHelper.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "duckdb/execution/expression_executor.hpp"
#include "duckdb/function/aggregate_function.hpp"
#include "duckdb/planner/expression.hpp"
#include "duckdb/storage/arena_allocator.hpp"
#include "engine/kernels/hll_plus_plus.h"
#include "engine/kernels/kernel.h"

namespace tarn::engine::kernels {
namespace {

using duckdb::AggregateFunction;
using duckdb::AggregateInputData;
using duckdb::ArenaAllocator;
using duckdb::idx_t;
using duckdb::LogicalType;
using duckdb::UnifiedVectorFormat;
using duckdb::Vector;

// 2^-register. Registers hold 0, or a rank of up to 65 less the precision.
constexpr auto kInverse = [] {
  std::array<double, 64> out{};
  double v = 1;
  for (auto& x : out) x = v, v /= 2;
  return out;
}();

struct Precision : duckdb::FunctionData {
  explicit Precision(int b) : bits(b) {}
  int bits;
  duckdb::unique_ptr<FunctionData> Copy() const override { return duckdb::make_uniq<Precision>(bits); }
  bool Equals(const FunctionData& other) const override { return bits == other.Cast<Precision>().bits; }
};

int precision_of(const AggregateInputData& data) { return data.bind_data->Cast<Precision>().bits; }

// The registers of a group. A group of few values, of which there may be millions, keeps those that are not 0; the others a byte for
// each register. All memory is the arena's, so that a state can be moved and dropped as its bytes.
class Registers {
 public:
  void add(uint64_t hash, int precision, ArenaAllocator& arena) {
    const auto index = static_cast<uint32_t>(hash >> (64 - precision));
    const auto rank = static_cast<uint8_t>(std::countl_zero((hash << precision) | (uint64_t{1} << (precision - 1))) + 1);
    raise(index, rank, precision, arena);
  }
  void merge(const Registers& other, int precision, ArenaAllocator& arena) {
    if (!other.dense_) {
      for (uint32_t i = 0; i < other.used_; ++i) raise(other.few()[i].index, other.few()[i].rank, precision, arena);
      return;
    }
    make_dense(precision, arena);
    for (size_t i = 0; i < size_t{1} << precision; ++i) data_[i] = std::max(data_[i], other.data_[i]);
  }
  int64_t estimate(int precision) const {
    const auto all = int64_t{1} << precision;
    double sum = 0;
    int64_t empty = all;
    if (dense_) {
      empty = 0;
      for (int64_t i = 0; i < all; ++i) {
        sum += kInverse[data_[i]];
        empty += data_[i] == 0;
      }
    } else {
      for (uint32_t i = 0; i < used_; ++i) sum += kInverse[few()[i].rank];
      empty -= used_;
      sum += static_cast<double>(empty);
    }
    return hll_estimate(precision, empty, sum);
  }

 private:
  struct Register {
    uint32_t index;
    uint8_t rank;
  };
  static constexpr uint32_t kFirstFew = 4, kMostFew = 32;
  Register* few() const { return reinterpret_cast<Register*>(data_); }

  void raise(uint32_t index, uint8_t rank, int precision, ArenaAllocator& arena) {
    if (dense_) {
      data_[index] = std::max(data_[index], rank);
      return;
    }
    for (uint32_t i = 0; i < used_; ++i) {
      if (few()[i].index == index) {
        few()[i].rank = std::max(few()[i].rank, rank);
        return;
      }
    }
    if (used_ == room_) {
      const uint32_t more = room_ == 0 ? kFirstFew : 2 * room_;
      if (more > kMostFew || more * sizeof(Register) >= size_t{1} << precision) {
        make_dense(precision, arena);
        data_[index] = rank;
        return;
      }
      auto* to = arena.AllocateAligned(more * sizeof(Register));
      if (used_ > 0) std::memcpy(to, data_, used_ * sizeof(Register));
      data_ = to;
      room_ = more;
    }
    few()[used_++] = {index, rank};
  }
  void make_dense(int precision, ArenaAllocator& arena) {
    if (dense_) return;
    auto* to = arena.AllocateAligned(size_t{1} << precision);
    std::memset(to, 0, size_t{1} << precision);
    for (uint32_t i = 0; i < used_; ++i) to[few()[i].index] = few()[i].rank;
    data_ = to;
    dense_ = true;
  }

  uint8_t* data_ = nullptr;
  uint32_t used_ = 0;
  uint16_t room_ = 0;
  bool dense_ = false;
};

Registers** pointers(Vector& states, idx_t count, UnifiedVectorFormat& format) {
  states.ToUnifiedFormat(count, format);
  return UnifiedVectorFormat::GetDataNoConst<Registers*>(format);
}

// Calls f(row, hash) for the rows whose hash is not null.
template <class F> void for_each_hash(Vector& hashes, idx_t count, F f) {
  UnifiedVectorFormat format;
  hashes.ToUnifiedFormat(count, format);
  const auto* values = UnifiedVectorFormat::GetData<int64_t>(format);
  for (idx_t i = 0; i < count; ++i) {
    const auto at = format.sel->get_index(i);
    if (format.validity.RowIsValid(at)) f(i, static_cast<uint64_t>(values[at]));
  }
}

}  // namespace

// spark_approx_count_distinct(hash, precision): the hash of spark_value_hash, null for no value; the precision is constant.
void register_approx_counts(Kernels& k) {
  AggregateFunction f(
      "spark_approx_count_distinct", {LogicalType::BIGINT, LogicalType::INTEGER}, LogicalType::BIGINT,
      [](const AggregateFunction&) -> idx_t { return sizeof(Registers); },
      [](const AggregateFunction&, duckdb::data_ptr_t state) { new (state) Registers(); },
      [](Vector inputs[], AggregateInputData& data, idx_t, Vector& states, idx_t count) {
        UnifiedVectorFormat format;
        auto** at = pointers(states, count, format);
        const int precision = precision_of(data);
        for_each_hash(inputs[0], count, [&](idx_t row, uint64_t hash) { at[format.sel->get_index(row)]->add(hash, precision, data.allocator); });
      },
      [](Vector& source, Vector& target, AggregateInputData& data, idx_t count) {
        UnifiedVectorFormat format;
        auto** from = pointers(source, count, format);
        auto** to = duckdb::FlatVector::GetData<Registers*>(target);
        for (idx_t i = 0; i < count; ++i) to[i]->merge(*from[format.sel->get_index(i)], precision_of(data), data.allocator);
      },
      [](Vector& states, AggregateInputData& data, Vector& result, idx_t count, idx_t offset) {
        UnifiedVectorFormat format;
        auto** at = pointers(states, count, format);
        if (states.GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR) {
          result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
          *duckdb::ConstantVector::GetData<int64_t>(result) = at[0]->estimate(precision_of(data));
          return;
        }
        auto* out = duckdb::FlatVector::GetData<int64_t>(result);
        for (idx_t i = 0; i < count; ++i) out[i + offset] = at[format.sel->get_index(i)]->estimate(precision_of(data));
      },
      duckdb::FunctionNullHandling::SPECIAL_HANDLING,
      [](Vector inputs[], AggregateInputData& data, idx_t, duckdb::data_ptr_t state, idx_t count) {
        auto& registers = *reinterpret_cast<Registers*>(state);
        const int precision = precision_of(data);
        for_each_hash(inputs[0], count, [&](idx_t, uint64_t hash) { registers.add(hash, precision, data.allocator); });
      },
      [](duckdb::ClientContext& context, AggregateFunction& bound, duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& arguments) -> duckdb::unique_ptr<duckdb::FunctionData> {
        const auto bits = duckdb::ExpressionExecutor::EvaluateScalar(context, *arguments[1]).GetValue<int32_t>();
        duckdb::Function::EraseArgument(bound, arguments, 1);
        return duckdb::make_uniq<Precision>(bits);
      });
  f.SetDistinctDependent(duckdb::AggregateDistinctDependent::NOT_DISTINCT_DEPENDENT);
  f.SetOrderDependent(duckdb::AggregateOrderDependent::NOT_ORDER_DEPENDENT);
  k.add(std::move(f));
}

}  // namespace tarn::engine::kernels
