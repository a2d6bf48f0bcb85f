// rand, randn, uniform and randstr with a seed: Spark's XORShiftRandom, one generator for each part of the input, seeded with
// the seed plus the part's number. A part is here what one thread reads, numbered in the order of their first rows.
#include "engine/kernels/random_kernels.h"

#include <atomic>
#include <cmath>

#include "duckdb/execution/expression_executor_state.hpp"
#include "duckdb/planner/expression/bound_function_expression.hpp"
#include "engine/kernels/decimal_vector.h"
#include "engine/kernels/kernel_error.h"

namespace tarn::engine::kernels {
namespace {

using duckdb::DataChunk;
using duckdb::ExpressionState;
using duckdb::FlatVector;
using duckdb::idx_t;
using duckdb::LogicalType;
using duckdb::ScalarFunction;
using duckdb::UnifiedVectorFormat;
using duckdb::Vector;

// MurmurHash3 (32 bits) of eight bytes, as scala.util.hashing has it.
uint32_t murmur3(const unsigned char (&bytes)[8], uint32_t h) {
  auto rotate = [](uint32_t x, int n) { return (x << n) | (x >> (32 - n)); };
  for (int block = 0; block < 2; ++block) {
    const unsigned char* p = bytes + block * 4;
    uint32_t k = static_cast<uint32_t>(p[0]) | static_cast<uint32_t>(p[1]) << 8 | static_cast<uint32_t>(p[2]) << 16 | static_cast<uint32_t>(p[3]) << 24;
    h = rotate(h ^ rotate(k * 0xcc9e2d51u, 15) * 0x1b873593u, 13) * 5 + 0xe6546b64u;
  }
  h ^= 8;
  h = (h ^ (h >> 16)) * 0x85ebca6bu;
  h = (h ^ (h >> 13)) * 0xc2b2ae35u;
  return h ^ (h >> 16);
}

class XorShiftRandom {
 public:
  explicit XorShiftRandom(int64_t seed) {
    unsigned char bytes[8];
    for (int i = 0; i < 8; ++i) bytes[i] = static_cast<unsigned char>(static_cast<uint64_t>(seed) >> (56 - 8 * i));
    const uint32_t low = murmur3(bytes, 0x3c074a61u), high = murmur3(bytes, low);
    state_ = static_cast<uint64_t>(high) << 32 | low;
  }
  int32_t next_int() { return static_cast<int32_t>(next(32)); }
  double next_double() {
    const uint64_t high = static_cast<uint64_t>(next(26)) << 27;
    return static_cast<double>(high + next(27)) * 0x1.0p-53;
  }
  double next_gaussian() {
    if (has_next_) {
      has_next_ = false;
      return next_gaussian_;
    }
    double a, b, s;
    do {
      a = 2 * next_double() - 1;
      b = 2 * next_double() - 1;
      s = a * a + b * b;
    } while (s >= 1 || s == 0);
    const double by = std::sqrt(-2 * std::log(s) / s);
    next_gaussian_ = b * by;
    has_next_ = true;
    return a * by;
  }

 private:
  uint32_t next(int bits) {
    state_ ^= state_ << 21;
    state_ ^= state_ >> 35;
    state_ ^= state_ << 4;
    return static_cast<uint32_t>(state_ & ((uint64_t{1} << bits) - 1));
  }
  uint64_t state_;
  double next_gaussian_ = 0;
  bool has_next_ = false;
};

struct Parts : duckdb::FunctionData {
  std::shared_ptr<std::atomic<int64_t>> next = std::make_shared<std::atomic<int64_t>>(0);
  duckdb::unique_ptr<FunctionData> Copy() const override { return duckdb::make_uniq<Parts>(*this); }
  bool Equals(const FunctionData& other) const override { return next == other.Cast<Parts>().next; }
};
struct Stream : duckdb::FunctionLocalState {
  std::optional<XorShiftRandom> random;
};

// F(random, column texts…): one value a row. The seed is the last argument; null counts as 0.
template <class F> void seeded(Kernels& k, const char* name, duckdb::vector<LogicalType> types, LogicalType result, F f) {
  types.push_back(LogicalType::BIGINT);
  const size_t seed_at = types.size() - 1;
  ScalarFunction s(name, std::move(types), std::move(result), [f, seed_at](DataChunk& in, ExpressionState& state, Vector& out) {
    auto& stream = duckdb::ExecuteFunctionState::GetFunctionState(state)->template Cast<Stream>();
    if (in.size() > 0 && !stream.random) {
      UnifiedVectorFormat u;
      in.data[seed_at].ToUnifiedFormat(in.size(), u);
      auto at = u.sel->get_index(0);
      const int64_t seed = u.validity.RowIsValid(at) ? UnifiedVectorFormat::GetData<int64_t>(u)[at] : 0;
      auto& parts = state.expr.Cast<duckdb::BoundFunctionExpression>().bind_info->template Cast<Parts>();
      stream.random.emplace(static_cast<int64_t>(static_cast<uint64_t>(seed) + static_cast<uint64_t>(parts.next->fetch_add(1))));
    }
    out.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
    for (idx_t i = 0; i < in.size(); ++i) f(*stream.random, in, i, out);
  });
  s.SetBindCallback([](duckdb::ClientContext&, ScalarFunction&, duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>&) -> duckdb::unique_ptr<duckdb::FunctionData> { return duckdb::make_uniq<Parts>(); });
  s.SetInitStateCallback([](ExpressionState&, const duckdb::BoundFunctionExpression&, duckdb::FunctionData*) -> duckdb::unique_ptr<duckdb::FunctionLocalState> { return duckdb::make_uniq<Stream>(); });
  s.SetVolatile();
  s.SetFallible();
  s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  k.add(std::move(s));
}

// The argument's value in row i, or what null counts as.
template <class T> T value(Vector& v, idx_t rows, idx_t i, T null) {
  UnifiedVectorFormat u;
  v.ToUnifiedFormat(rows, u);
  auto at = u.sel->get_index(i);
  return u.validity.RowIsValid(at) ? UnifiedVectorFormat::GetData<T>(u)[at] : null;
}

}  // namespace

void register_random(Kernels& k) {
  seeded(k, "spark_rand", {}, LogicalType::DOUBLE, [](XorShiftRandom& r, DataChunk&, idx_t i, Vector& out) { FlatVector::GetData<double>(out)[i] = r.next_double(); });
  seeded(k, "spark_randn", {}, LogicalType::DOUBLE, [](XorShiftRandom& r, DataChunk&, idx_t i, Vector& out) { FlatVector::GetData<double>(out)[i] = r.next_gaussian(); });
  seeded(k, "spark_uniform", {LogicalType::DOUBLE, LogicalType::DOUBLE}, LogicalType::DOUBLE, [](XorShiftRandom& r, DataChunk& in, idx_t i, Vector& out) {
    const double nan = std::nan(""), low = value<double>(in.data[0], in.size(), i, nan), high = value<double>(in.data[1], in.size(), i, nan);
    if (std::isnan(low) || std::isnan(high)) FlatVector::SetNull(out, i, true);
    else FlatVector::GetData<double>(out)[i] = low + (high - low) * r.next_double();
  });
  seeded(k, "spark_randstr", {LogicalType::INTEGER}, LogicalType::VARCHAR, [](XorShiftRandom& r, DataChunk& in, idx_t i, Vector& out) {
    const auto length = value<int32_t>(in.data[0], in.size(), i, 0);
    if (length < 0) fail("INVALID_PARAMETER_VALUE.LENGTH", ErrorKind::kRuntime, {{"parameter", "`length`"}, {"length", std::to_string(length)}, {"functionName", "`randstr`"}});
    std::string text(static_cast<size_t>(length), '\0');
    for (char& c : text) c = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"[std::abs(r.next_int() % 62)];
    FlatVector::GetData<duckdb::string_t>(out)[i] = duckdb::StringVector::AddString(out, text);
  });
}

}  // namespace tarn::engine::kernels
