// Integer and floating arithmetic where Spark's overflow, zero division and shifting differ from DuckDB's.
#include <bit>
#include <cmath>
#include <limits>

#include "engine/kernels/kernel.h"
#include "engine/kernels/kernel_error.h"
#include "engine/kernels/number.h"

namespace tarn::engine::kernels {
namespace {

template <class T> struct Name;
template <> struct Name<int8_t> { static constexpr const char* text = "tinyint overflow"; };
template <> struct Name<int16_t> { static constexpr const char* text = "smallint overflow"; };
template <> struct Name<int32_t> { static constexpr const char* text = "integer overflow"; };
template <> struct Name<int64_t> { static constexpr const char* text = "long overflow"; };

template <class T> void integers(Kernels& k) {
  using U = std::make_unsigned_t<T>;
  k.scalar<T(T, T)>("spark_add_wrap", [](T a, T b) -> T { return static_cast<T>(static_cast<U>(a) + static_cast<U>(b)); });
  k.scalar<T(T, T)>("spark_subtract_wrap", [](T a, T b) -> T { return static_cast<T>(static_cast<U>(a) - static_cast<U>(b)); });
  k.scalar<T(T, T)>("spark_multiply_wrap", [](T a, T b) -> T { return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b)); });
  k.scalar<T(T, T)>("spark_try_add", [](T a, T b) -> std::optional<T> { T r; if (__builtin_add_overflow(a, b, &r)) return {}; return r; });
  k.scalar<T(T, T)>("spark_try_subtract", [](T a, T b) -> std::optional<T> { T r; if (__builtin_sub_overflow(a, b, &r)) return {}; return r; });
  k.scalar<T(T, T)>("spark_try_multiply", [](T a, T b) -> std::optional<T> { T r; if (__builtin_mul_overflow(a, b, &r)) return {}; return r; });
  k.scalar<T(T)>("spark_negate_wrap", [](T a) -> T { return static_cast<T>(0 - static_cast<U>(a)); });
  k.scalar<T(T, Text)>("spark_abs", [](T a, std::string_view mode) -> T {
    if (a == std::numeric_limits<T>::min()) {
      if (mode_of(mode) == Mode::kAnsi) fail_overflow(Name<T>::text);
      return a;
    }
    return a < 0 ? static_cast<T>(-a) : a;
  });
  k.scalar<T(T, T)>("spark_remainder", [](T a, T b) -> T {
    if (b == 0) fail_remainder_by_zero();
    return b == -1 ? T(0) : static_cast<T>(a % b);
  });
  k.scalar<T(T, T)>("spark_try_remainder", [](T a, T b) -> std::optional<T> {
    if (b == 0) return {};
    return b == -1 ? T(0) : static_cast<T>(a % b);
  });
  auto pmod = [](T a, T b) -> T {
    if (b == -1) return 0;
    T r = static_cast<T>(a % b);
    return r < 0 ? static_cast<T>(static_cast<T>(static_cast<U>(r) + static_cast<U>(b)) % b) : r;
  };
  k.scalar<T(T, T)>("spark_pmod", [pmod](T a, T b) -> T { if (b == 0) fail_remainder_by_zero(); return pmod(a, b); });
  k.scalar<T(T, T)>("spark_try_pmod", [pmod](T a, T b) -> std::optional<T> { if (b == 0) return {}; return pmod(a, b); });
}

template <class T> void floats(Kernels& k) {
  k.scalar<T(T, T)>("spark_remainder", [](T a, T b) -> T { if (b == 0) fail_remainder_by_zero(); return std::fmod(a, b); });
  k.scalar<T(T, T)>("spark_try_remainder", [](T a, T b) -> std::optional<T> { if (b == 0) return {}; return std::fmod(a, b); });
  auto pmod = [](T a, T b) -> T { T r = std::fmod(a, b); return r < 0 ? std::fmod(r + b, b) : r; };
  k.scalar<T(T, T)>("spark_pmod", [pmod](T a, T b) -> T { if (b == 0) fail_remainder_by_zero(); return pmod(a, b); });
  k.scalar<T(T, T)>("spark_try_pmod", [pmod](T a, T b) -> std::optional<T> { if (b == 0) return {}; return pmod(a, b); });
  k.scalar<T(T, Text)>("spark_abs", [](T a, std::string_view) -> T { return std::fabs(a); });
  k.scalar<T(T, T)>("spark_divide", [](T a, T b) -> T { if (b == 0) fail_divide_by_zero(); return a / b; });
  k.scalar<T(T, T)>("spark_try_divide", [](T a, T b) -> std::optional<T> { if (b == 0) return {}; return a / b; });
  k.scalar<T(T, T)>("spark_try_add", [](T a, T b) -> T { return a + b; });
  k.scalar<T(T, T)>("spark_try_subtract", [](T a, T b) -> T { return a - b; });
  k.scalar<T(T, T)>("spark_try_multiply", [](T a, T b) -> T { return a * b; });
}

template <class T> void shifts(Kernels& k) {
  using U = std::make_unsigned_t<T>;
  constexpr int mask = sizeof(T) * 8 - 1;
  k.scalar<T(T, int32_t)>("spark_shiftleft", [](T a, int32_t n) -> T { return static_cast<T>(static_cast<U>(a) << (n & mask)); });
  k.scalar<T(T, int32_t)>("spark_shiftright", [](T a, int32_t n) -> T { return static_cast<T>(a >> (n & mask)); });
  k.scalar<T(T, int32_t)>("spark_shiftrightunsigned", [](T a, int32_t n) -> T { return static_cast<T>(static_cast<U>(a) >> (n & mask)); });
}

template <class T> void bits(Kernels& k) {
  k.scalar<int32_t(T)>("spark_bit_count", [](T a) -> int32_t { return std::popcount(static_cast<uint64_t>(static_cast<int64_t>(a))); });
  k.scalar<int8_t(T, int32_t)>("spark_bit_get", [](T a, int32_t at) -> int8_t {
    constexpr int size = sizeof(T) * 8;
    if (at < 0)
      fail("INVALID_PARAMETER_VALUE.BIT_POSITION_RANGE", ErrorKind::kIllegalArgument,
           {{"functionName", "`bit_get`"}, {"parameter", "`pos`"}, {"upper", std::to_string(size)}, {"invalidValue", std::to_string(at)}});
    if (at >= size)
      fail("INVALID_PARAMETER_VALUE.BIT_POSITION_RANGE", ErrorKind::kIllegalArgument,
           {{"functionName", "`bit_get`"}, {"parameter", "`pos`"}, {"upper", std::to_string(size)}, {"invalidValue", std::to_string(at)}});
    return static_cast<int8_t>((static_cast<uint64_t>(static_cast<int64_t>(a)) >> at) & 1);
  });
}

}  // namespace

void register_arithmetic(Kernels& k) {
  integers<int8_t>(k);
  integers<int16_t>(k);
  integers<int32_t>(k);
  integers<int64_t>(k);
  floats<float>(k);
  floats<double>(k);
  shifts<int32_t>(k);
  shifts<int64_t>(k);
  bits<int8_t>(k);
  bits<int16_t>(k);
  bits<int32_t>(k);
  bits<int64_t>(k);
  k.scalar<int32_t(bool)>("spark_bit_count", [](bool b) -> int32_t { return b; });
  // div of BIGINT and of intervals (INTEGER, BIGINT).
  k.scalar<int64_t(int64_t, int64_t)>("spark_div", [](int64_t a, int64_t b) -> int64_t {
    if (b == 0) fail_divide_by_zero();
    if (b == -1 && a == std::numeric_limits<int64_t>::min()) fail("ARITHMETIC_OVERFLOW", ErrorKind::kArithmetic, {{"message", "Overflow in integral divide"}, {"alternative", " Use 'try_divide' to tolerate overflow and return NULL instead."}, {"config", "\"spark.sql.ansi.enabled\""}});
    return a / b;
  });
  k.scalar<int64_t(int64_t, int64_t)>("spark_div_legacy", [](int64_t a, int64_t b) -> std::optional<int64_t> {
    if (b == 0) return {};
    return b == -1 ? static_cast<int64_t>(0 - static_cast<uint64_t>(a)) : a / b;
  });
  // The sum of a BIGINT column arrives as a 128 bit number.
  k.scalar<int64_t(Hugeint, Text)>("spark_sum_long", [](Hugeint v, std::string_view mode) -> std::optional<int64_t> {
    Int128 x = (static_cast<Int128>(v.upper) << 64) | v.lower;
    if (x == static_cast<int64_t>(x)) return static_cast<int64_t>(x);
    switch (mode_of(mode)) {
      case Mode::kAnsi: fail_overflow("long overflow", "try_add");
      case Mode::kTry: return {};
      default: return static_cast<int64_t>(x);
    }
  });
  // Microseconds, or months, which have to fit 32 bits.
  k.scalar<int64_t(Hugeint, bool, Text)>("spark_sum_interval", [](Hugeint v, bool months, std::string_view mode) -> std::optional<int64_t> {
    Int128 x = (static_cast<Int128>(v.upper) << 64) | v.lower;
    if (months ? x == static_cast<int32_t>(x) : x == static_cast<int64_t>(x)) return static_cast<int64_t>(x);
    if (mode_of(mode) == Mode::kTry) return {};
    fail("INTERVAL_ARITHMETIC_OVERFLOW.WITH_SUGGESTION", ErrorKind::kArithmetic, {{"functionName", "`try_add`"}});
  });
}

}  // namespace tarn::engine::kernels
