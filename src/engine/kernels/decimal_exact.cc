#include "engine/kernels/decimal_exact.h"

#include <algorithm>

#include "duckdb/common/vector_operations/binary_executor.hpp"
#include "engine/kernels/decimal_vector.h"
#include "engine/kernels/kernel_error.h"

namespace tarn::engine::kernels {
namespace {

using duckdb::BinaryExecutor;
using duckdb::DataChunk;
using duckdb::ExpressionState;
using duckdb::hugeint_t;
using duckdb::LogicalType;
using duckdb::PhysicalType;
using duckdb::Vector;

// Native arithmetic is unsigned: what it wraps to is only ever computed for results that the types exclude.
template <class T> struct Native {
  using Signed = int64_t;
  using Unsigned = uint64_t;
  static int64_t load(T v) { return v; }
  static T store(uint64_t v) { return static_cast<T>(v); }
};
template <> struct Native<hugeint_t> {
  using Signed = Int128;
  using Unsigned = UInt128;
  static Int128 load(const hugeint_t& v) { return to_int128(v); }
  static hugeint_t store(UInt128 v) { return to_hugeint(static_cast<Int128>(v)); }
};

template <class A, class B, class R, class F> duckdb::scalar_function_t loop(F f) {
  return [f](DataChunk& in, ExpressionState&, Vector& result) { BinaryExecutor::Execute<A, B, R>(in.data[0], in.data[1], result, in.size(), f); };
}

template <class A, class B, class R> duckdb::scalar_function_t product() {
  using W = typename Native<R>::Unsigned;
  using S = typename Native<R>::Signed;
  return loop<A, B, R>([](A a, B b) { return Native<R>::store(static_cast<W>(static_cast<S>(Native<A>::load(a))) * static_cast<W>(static_cast<S>(Native<B>::load(b)))); });
}

// a * scale_a ± b * scale_b.
template <class A, class B, class R> duckdb::scalar_function_t sum(int64_t scale_a, int64_t scale_b, bool subtract) {
  using W = typename Native<R>::Unsigned;
  using S = typename Native<R>::Signed;
  auto left = [](A a) { return static_cast<S>(Native<A>::load(a)); };
  auto right = [](B b) { return static_cast<S>(Native<B>::load(b)); };
  if (scale_a == 1 && scale_b == 1) {
    if (subtract) return loop<A, B, R>([=](A a, B b) { return Native<R>::store(static_cast<W>(left(a)) - static_cast<W>(right(b))); });
    return loop<A, B, R>([=](A a, B b) { return Native<R>::store(static_cast<W>(left(a)) + static_cast<W>(right(b))); });
  }
  const W x = static_cast<W>(static_cast<S>(scale_a)), y = static_cast<W>(static_cast<S>(subtract ? -scale_b : scale_b));
  return loop<A, B, R>([=](A a, B b) { return Native<R>::store(static_cast<W>(left(a)) * x + static_cast<W>(right(b)) * y); });
}

// Products of 38 digits at most. Those of two 64-bit integers always have fewer.
template <class A, class B> void checked_product(DataChunk& in, ExpressionState&, Vector& result) {
  const Mode mode = mode_of(constant_text(in.data[4]));
  const int scale = duckdb::DecimalType::GetScale(result.GetType());
  BinaryExecutor::ExecuteWithNulls<A, B, hugeint_t>(in.data[0], in.data[1], result, in.size(), [&](A a, B b, duckdb::ValidityMask& mask, duckdb::idx_t row) {
    const auto x = Native<A>::load(a);
    const auto y = Native<B>::load(b);
    if (x == static_cast<int64_t>(x) && y == static_cast<int64_t>(y)) {
      return to_hugeint(static_cast<Int128>(static_cast<int64_t>(x)) * static_cast<Int128>(static_cast<int64_t>(y)));
    }
    Int128 v;
    const bool overflowed = __builtin_mul_overflow(static_cast<Int128>(x), static_cast<Int128>(y), &v);
    if (!overflowed && fits(v, 38)) return to_hugeint(v);
    if (mode == Mode::kAnsi) fail_decimal(overflowed ? "the result" : decimal_string(v, scale), 38, scale);
    mask.SetInvalid(row);
    return hugeint_t(0);
  });
}

// Calls f with a value of the C++ type of a decimal's layout; 16-bit ones have no loops of their own.
template <class F> duckdb::scalar_function_t with_layout(PhysicalType type, F f) {
  switch (type) {
    case PhysicalType::INT32: return f(int32_t());
    case PhysicalType::INT64: return f(int64_t());
    case PhysicalType::INT128: return f(hugeint_t());
    default: return nullptr;
  }
}

template <class F> duckdb::scalar_function_t with_layouts(PhysicalType a, PhysicalType b, PhysicalType r, F f) {
  return with_layout(a, [&](auto x) {
    return with_layout(b, [&](auto y) {
      return with_layout(r, [&](auto z) -> duckdb::scalar_function_t {
        // The result is as wide as its operands.
        if constexpr (sizeof(z) >= sizeof(x) && sizeof(z) >= sizeof(y)) return f(x, y, z);
        else return nullptr;
      });
    });
  });
}

}  // namespace

ExactDecimal exact_decimal(char op, const LogicalType& a, PhysicalType layout_a, const LogicalType& b, PhysicalType layout_b, int precision, int scale) {
  if (a.id() != duckdb::LogicalTypeId::DECIMAL || b.id() != duckdb::LogicalTypeId::DECIMAL) return {};
  const int pa = duckdb::DecimalType::GetWidth(a), sa = duckdb::DecimalType::GetScale(a);
  const int pb = duckdb::DecimalType::GetWidth(b), sb = duckdb::DecimalType::GetScale(b);
  const PhysicalType r = LogicalType::DECIMAL(static_cast<uint8_t>(precision), static_cast<uint8_t>(scale)).InternalType();
  if (op == '*') {
    if (sa + sb != scale) return {};
    if (pa + pb <= precision) {
      return {with_layouts(layout_a, layout_b, r, [](auto x, auto y, auto z) { return product<decltype(x), decltype(y), decltype(z)>(); })};
    }
    if (precision != 38) return {};
    return {with_layouts(layout_a, layout_b, r, [](auto x, auto y, auto) -> duckdb::scalar_function_t { return checked_product<decltype(x), decltype(y)>; }), true};
  }
  const int whole = std::max(pa - sa, pb - sb), most = std::max(sa, sb);
  if (scale != most || whole + most + 1 > precision || most - std::min(sa, sb) > 18) return {};
  const auto x = static_cast<int64_t>(pow10(most - sa)), y = static_cast<int64_t>(pow10(most - sb));
  return {with_layouts(layout_a, layout_b, r, [&](auto l, auto m, auto n) { return sum<decltype(l), decltype(m), decltype(n)>(x, y, op == '-'); })};
}

}  // namespace tarn::engine::kernels
