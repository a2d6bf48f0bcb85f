// Casts between scalar types by Spark's rules; cast_table.cc says which cast uses which.
#include <charconv>
#include <cmath>
#include <limits>

#include <unicode/uchar.h>

#include "duckdb/execution/expression_executor.hpp"
#include "engine/datetime_parse.h"
#include "engine/kernels/decimal_vector.h"
#include "engine/kernels/kernel_error.h"
#include "engine/kernels/utf8.h"
#include "engine/kernels/value_text.h"
#include "engine/time_zone.h"
#include "plan/expression_text.h"

namespace tarn::engine::kernels {
namespace {

using duckdb::DataChunk;
using duckdb::ExpressionState;
using duckdb::LogicalType;
using duckdb::ScalarFunction;
using duckdb::Vector;

template <class T> struct Target;
template <> struct Target<int8_t> { static constexpr const char *kernel = "spark_to_byte", *sql = "TINYINT", *suffix = "Y"; };
template <> struct Target<int16_t> { static constexpr const char *kernel = "spark_to_short", *sql = "SMALLINT", *suffix = "S"; };
template <> struct Target<int32_t> { static constexpr const char *kernel = "spark_to_int", *sql = "INT", *suffix = ""; };
template <> struct Target<int64_t> { static constexpr const char *kernel = "spark_to_long", *sql = "BIGINT", *suffix = "L"; };

template <class From, class T> std::optional<T> narrow(From v, std::string_view mode_text) {
  if (v >= static_cast<From>(std::numeric_limits<T>::min()) && v <= static_cast<From>(std::numeric_limits<T>::max())) return static_cast<T>(v);
  switch (mode_of(mode_text)) {
    case Mode::kAnsi: fail_cast_overflow(std::to_string(v) + Target<From>::suffix, Target<From>::sql, Target<T>::sql);
    case Mode::kTry: return {};
    default: return static_cast<T>(v);
  }
}

// Java's (int) of a double saturates; (byte) and (short) cut the int.
template <class T> std::optional<T> from_double(double v, const char* type, const std::string& text, std::string_view mode_text) {
  if constexpr (sizeof(T) == 8) {
    if (v >= -9223372036854775808.0 && v < 9223372036854775808.0) return static_cast<T>(v);
    if (v == 9223372036854775808.0) return std::numeric_limits<T>::max();  // what Long.MaxValue is as a double, so it does not count as too large
  } else {
    // Spark compares floor(v) with the largest and ceil(v) with the smallest value.
    if (std::floor(v) <= std::numeric_limits<T>::max() && std::ceil(v) >= std::numeric_limits<T>::min()) return static_cast<T>(v);
  }
  switch (mode_of(mode_text)) {
    case Mode::kAnsi: fail_cast_overflow(text, type, Target<T>::sql);
    case Mode::kTry: return {};
    default: break;
  }
  if (std::isnan(v)) return T(0);
  if constexpr (sizeof(T) == 8) return v < 0 ? std::numeric_limits<T>::min() : std::numeric_limits<T>::max();
  int32_t i = v >= 2147483647.0 ? std::numeric_limits<int32_t>::max() : v <= -2147483648.0 ? std::numeric_limits<int32_t>::min() : static_cast<int32_t>(v);
  return static_cast<T>(i);
}

template <class T> void decimal_to_integer(Kernels& k) {
  ScalarFunction s(Target<T>::kernel, {LogicalType(duckdb::LogicalTypeId::DECIMAL), LogicalType::VARCHAR}, TypeOf<T>::logical(), [](DataChunk& in, ExpressionState&, Vector& result) {
    DecimalReader a(in.data[0], in.size());
    const Mode mode = mode_of(constant_text(in.data[1]));
    result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
    auto* out = duckdb::FlatVector::GetData<T>(result);
    for (duckdb::idx_t i = 0; i < (a.constant ? 1 : in.size()); ++i) {
      if (!a.valid(i)) {
        duckdb::FlatVector::SetNull(result, i, true);
        continue;
      }
      Int128 v = *rescale(a.get(i), a.scale, 0, Rounding::kDown);
      if (v >= std::numeric_limits<T>::min() && v <= std::numeric_limits<T>::max()) {
        out[i] = static_cast<T>(v);
      } else if (mode == Mode::kAnsi) {
        fail_cast_overflow(decimal_string(a.get(i), a.scale) + "BD", "DECIMAL(" + std::to_string(a.precision) + "," + std::to_string(a.scale) + ")", Target<T>::sql);
      } else if (mode == Mode::kTry) {
        duckdb::FlatVector::SetNull(result, i, true);
      } else {
        out[i] = static_cast<T>(v);
      }
    }
    if (a.constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
  }, bind_decimal_argument<0>);
  s.SetFallible();
  s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  k.add(std::move(s));
}

template <class T> void integers(Kernels& k) {
  const char* name = Target<T>::kernel;
  if constexpr (sizeof(T) < 2) k.scalar<T(int16_t, Text)>(name, [](int16_t v, std::string_view m) { return narrow<int16_t, T>(v, m); });
  if constexpr (sizeof(T) < 4) k.scalar<T(int32_t, Text)>(name, [](int32_t v, std::string_view m) { return narrow<int32_t, T>(v, m); });
  k.scalar<T(int64_t, Text)>(name, [](int64_t v, std::string_view m) { return narrow<int64_t, T>(v, m); });
  k.scalar<T(double, Text)>(name, [](double v, std::string_view m) { return from_double<T>(v, "DOUBLE", plan::java_double(v) + "D", m); });
  k.scalar<T(float, Text)>(name, [](float v, std::string_view m) { return from_double<T>(v, "FLOAT", plan::java_float(v), m); });
  k.scalar<T(Text, Text)>(name, [](std::string_view text, std::string_view m) -> std::optional<T> {
    const Mode mode = mode_of(m);
    auto v = parse_long(text, mode == Mode::kLegacy);
    if (v && *v >= std::numeric_limits<T>::min() && *v <= std::numeric_limits<T>::max()) return static_cast<T>(*v);
    if (mode == Mode::kAnsi) fail_cast(text, "STRING", Target<T>::sql);
    return {};
  });
  decimal_to_integer<T>(k);
}

// java.math.BigDecimal takes the digits of every script.
std::string with_ascii_digits(std::string_view s) {
  std::string out;
  for (std::string_view p : utf8::points(s)) {
    const int32_t digit = p.size() > 1 ? u_charDigitValue(static_cast<UChar32>(utf8::code(p))) : -1;
    if (digit >= 0) out += static_cast<char>('0' + digit);
    else out += p;
  }
  return out;
}

template <class F> void to_decimal(Kernels& k, const char* name, LogicalType from, F f) {
  ScalarFunction s(name, {std::move(from), LogicalType::INTEGER, LogicalType::INTEGER, LogicalType::VARCHAR}, LogicalType::DECIMAL(38, 0),
                   [f](DataChunk& in, ExpressionState&, Vector& result) {
                     const Mode mode = mode_of(constant_text(in.data[3]));
                     duckdb::UnifiedVectorFormat a;
                     in.data[0].ToUnifiedFormat(in.size(), a);
                     const bool constant = in.data[0].GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR;
                     DecimalWriter out(result);
                     for (duckdb::idx_t i = 0; i < (constant ? 1 : in.size()); ++i) {
                       auto at = a.sel->get_index(i);
                       std::optional<Int128> v;
                       if (a.validity.RowIsValid(at)) v = f(a, at, out.precision, out.scale, mode);
                       if (v) out.set(i, *v);
                       else out.null(i);
                     }
                     if (constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
                   },
                   bind_decimal_result<1>);
  s.SetFallible();
  s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  k.add(std::move(s));
}

}  // namespace

void register_casts(Kernels& k) {
  integers<int8_t>(k);
  integers<int16_t>(k);
  integers<int32_t>(k);
  integers<int64_t>(k);

  k.scalar<bool(Text, Text)>("spark_to_boolean", [](std::string_view text, std::string_view m) -> std::optional<bool> {
    auto v = parse_boolean(text);
    if (!v && mode_of(m) == Mode::kAnsi) fail_cast(text, "STRING", "BOOLEAN");
    return v;
  });
  k.scalar<double(Text, Text)>("spark_to_double", [](std::string_view text, std::string_view m) -> std::optional<double> {
    auto v = parse_double(text);
    if (!v && mode_of(m) == Mode::kAnsi) fail_cast(text, "STRING", "DOUBLE");
    return v;
  });
  k.scalar<float(Text, Text)>("spark_to_float", [](std::string_view text, std::string_view m) -> std::optional<float> {
    auto v = parse_float(text);
    if (!v && mode_of(m) == Mode::kAnsi) fail_cast(text, "STRING", "FLOAT");
    return v;
  });
  k.scalar<float(double)>("spark_double_to_float", [](double v) -> float { return static_cast<float>(v); });

  to_decimal(k, "spark_string_to_decimal", LogicalType::VARCHAR, [](const duckdb::UnifiedVectorFormat& a, duckdb::idx_t at, int p, int s, Mode mode) -> std::optional<Int128> {
    const auto& t = duckdb::UnifiedVectorFormat::GetData<duckdb::string_t>(a)[at];
    std::string_view text(t.GetData(), t.GetSize());
    Int128 v;
    std::string_view number = trim_all(text);
    std::string converted;
    if (!utf8::is_ascii(number)) number = converted = with_ascii_digits(number);
    switch (parse_decimal(number, p, s, v)) {
      case Parsed::kOk: return v;
      case Parsed::kInvalid:
        if (mode == Mode::kAnsi) fail_cast(text, "STRING", "DECIMAL(" + std::to_string(p) + "," + std::to_string(s) + ")");
        return {};
      case Parsed::kTooLarge:
        if (mode == Mode::kAnsi) fail("NUMERIC_OUT_OF_SUPPORTED_RANGE", ErrorKind::kArithmetic, {{"value", std::string(text)}});
        return {};
      case Parsed::kOverflow: break;
    }
    if (mode == Mode::kAnsi) fail_decimal(std::string(trim_all(text)), p, s);
    return {};
  });
  to_decimal(k, "spark_double_to_decimal", LogicalType::DOUBLE, [](const duckdb::UnifiedVectorFormat& a, duckdb::idx_t at, int p, int s, Mode mode) -> std::optional<Int128> {
    double d = duckdb::UnifiedVectorFormat::GetData<double>(a)[at];
    auto v = double_to_decimal(d, p, s);
    if (!v && mode == Mode::kAnsi && std::isfinite(d)) fail_decimal(plan::java_double(d), p, s);
    return v;
  });
  {
    ScalarFunction s("spark_decimal_to_double", {LogicalType::ANY}, LogicalType::DOUBLE, [](DataChunk& in, ExpressionState&, Vector& result) {
      DecimalReader a(in.data[0], in.size());
      result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
      auto* out = duckdb::FlatVector::GetData<double>(result);
      for (duckdb::idx_t i = 0; i < (a.constant ? 1 : in.size()); ++i) {
        if (a.valid(i)) out[i] = decimal_to_double(a.get(i), a.scale);
        else duckdb::FlatVector::SetNull(result, i, true);
      }
      if (a.constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
    });
    k.add(std::move(s));
  }

  // ---- to text
  k.scalar<Text(double)>("spark_double_to_string", [](double v) { return plan::java_double(v); });
  k.scalar<Text(float)>("spark_float_to_string", [](float v) { return plan::java_float(v); });
  k.scalar<Text(Bytes)>("spark_binary_to_string", [](std::string_view b) { return utf8::is_valid(b) ? std::string(b) : utf8::make_valid(b); });
  k.scalar<Text(Text, int32_t)>("spark_to_varchar_length", [](std::string_view s, int32_t n) -> std::string {
    auto length = static_cast<int32_t>(std::count_if(s.begin(), s.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
    if (length <= n) return std::string(s);
    std::string_view t = s;
    while (length > n && !t.empty() && t.back() == ' ') { t.remove_suffix(1); --length; }
    if (length > n) fail("EXCEED_LIMIT_LENGTH", ErrorKind::kRuntime, {{"limit", std::to_string(n)}});
    return std::string(t);
  });
  k.scalar<Text(Text, int32_t)>("spark_to_char_length", [](std::string_view s, int32_t n) -> std::string {
    auto length = static_cast<int32_t>(std::count_if(s.begin(), s.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
    std::string t(s);
    while (length > n && !t.empty() && t.back() == ' ') { t.pop_back(); --length; }
    if (length > n) fail("EXCEED_LIMIT_LENGTH", ErrorKind::kRuntime, {{"limit", std::to_string(n)}});
    if (length < n) t.append(static_cast<size_t>(n - length), ' ');
    return t;
  });
  {
    // (x, type JSON, zone, mode): any type.
    ScalarFunction s("spark_to_string", {LogicalType::ANY, LogicalType::VARCHAR, LogicalType::VARCHAR, LogicalType::VARCHAR}, LogicalType::VARCHAR,
                     [](DataChunk& in, ExpressionState&, Vector& result) {
                       const plan::DataType& type = type_of_json(constant_text(in.data[1]));
                       TextStyle style;
                       style.zone = TimeZone::get(constant_text(in.data[2]));
                       auto mode = constant_text(in.data[3]);
                       style.plain_decimals = mode != "legacy";
                       if (mode == "pretty") style.null_text = "NULL";
                       const bool constant = in.data[0].GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR;
                       const duckdb::idx_t count = constant ? 1 : in.size();
                       duckdb::RecursiveUnifiedVectorFormat d;
                       Vector::RecursiveToUnifiedFormat(in.data[0], in.size(), d);
                       result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
                       auto* out = duckdb::FlatVector::GetData<duckdb::string_t>(result);
                       std::string buffer;
                       for (duckdb::idx_t i = 0; i < count; ++i) {
                         if (is_null(d, i)) {
                           duckdb::FlatVector::SetNull(result, i, true);
                           continue;
                         }
                         buffer.clear();
                         append_text(type, d, i, style, buffer);
                         out[i] = duckdb::StringVector::AddString(result, buffer);
                       }
                       if (constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
                     });
    s.SetFallible();
    s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
    k.add(std::move(s));
  }
  // Legacy cast of integers to binary: big endian.
  auto big_endian = [](auto v) {
    std::string out;
    for (int i = static_cast<int>(sizeof v) - 1; i >= 0; --i) out += static_cast<char>((v >> (8 * i)) & 0xff);
    return out;
  };
  k.scalar<Bytes(int8_t)>("spark_integer_to_binary", [big_endian](int8_t v) { return big_endian(v); });
  k.scalar<Bytes(int16_t)>("spark_integer_to_binary", [big_endian](int16_t v) { return big_endian(v); });
  k.scalar<Bytes(int32_t)>("spark_integer_to_binary", [big_endian](int32_t v) { return big_endian(v); });
  k.scalar<Bytes(int64_t)>("spark_integer_to_binary", [big_endian](int64_t v) { return big_endian(v); });

  // ---- dates and times
  k.scalar<Date(Text, Text)>("spark_to_date", [](std::string_view s, std::string_view m) -> std::optional<int32_t> {
    auto v = string_to_date(s);
    if (!v && mode_of(m) == Mode::kAnsi) fail_cast(s, "STRING", "DATE");
    return v;
  });
  k.scalar<Timestamp(Text, Text, Text)>("spark_to_timestamp", [](std::string_view s, std::string_view zone, std::string_view m) -> std::optional<int64_t> {
    static thread_local Compiled<TimeZone> zones;
    auto v = string_to_timestamp(s, zones.get(zone, [](std::string_view z) { return TimeZone::get(z); }));
    if (!v && mode_of(m) == Mode::kAnsi) fail_cast(s, "STRING", "TIMESTAMP");
    return v;
  });
  k.scalar<TimestampNtz(Text, Text)>("spark_to_timestamp_ntz", [](std::string_view s, std::string_view m) -> std::optional<int64_t> {
    auto v = string_to_timestamp_ntz(s, true);
    if (!v && mode_of(m) == Mode::kAnsi) fail_cast(s, "STRING", "TIMESTAMP_NTZ");
    return v;
  });
  auto precise = [](int64_t nanos, int32_t p) {
    int64_t unit = 1;
    for (int i = p; i < 9; ++i) unit *= 10;
    return nanos - nanos % unit;
  };
  k.scalar<int64_t(Text, int32_t, Text)>("spark_to_time", [precise](std::string_view s, int32_t p, std::string_view m) -> std::optional<int64_t> {
    auto v = string_to_time(s);
    if (!v) {
      if (mode_of(m) == Mode::kAnsi) fail_cast(s, "STRING", "TIME(" + std::to_string(p) + ")");
      return {};
    }
    return precise(*v, p);
  });
  k.scalar<int64_t(int64_t, int32_t)>("spark_time_precision", precise);
}

}  // namespace tarn::engine::kernels
