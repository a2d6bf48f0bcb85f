#pragma once
// Decimals of up to 38 digits, and numbers as text, by Java's and Spark's rules.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tarn::engine::kernels {

using Int128 = __int128;
using UInt128 = unsigned __int128;

enum class Rounding : uint8_t { kHalfUp, kHalfEven, kDown, kCeiling, kFloor, kUp };
Rounding rounding_of(std::string_view name);  // half_up, half_even, ceiling, floor, down

Int128 pow10(int n);                          // 0 <= n <= 38
int digits_of(Int128 v);                      // decimal digits, 1 for 0
inline bool fits(Int128 v, int precision) { Int128 p = pow10(precision); return v < p && v > -p; }

// v * 10^(to - from) with rounding; nullopt when it does not fit 38 digits.
std::optional<Int128> rescale(Int128 v, int from, int to, Rounding rounding = Rounding::kHalfUp);
// (a * b) with scale sa + sb, brought to scale to.
std::optional<Int128> multiply(Int128 a, int sa, Int128 b, int sb, int to);
// a / b brought to scale to, half up. b is not 0.
std::optional<Int128> divide(Int128 a, int sa, Int128 b, int sb, int to);
// Truncated quotient (scale 0) and remainder (at scale max(sa, sb)). b is not 0.
std::optional<Int128> quotient(Int128 a, int sa, Int128 b, int sb);
std::optional<Int128> remainder(Int128 a, int sa, Int128 b, int sb);
std::optional<Int128> add(Int128 a, int sa, Int128 b, int sb, int to, bool subtract);

std::string decimal_string(Int128 v, int scale);        // plain
std::string decimal_java_string(Int128 v, int scale);   // BigDecimal.toString, scientific where Java writes so
double decimal_to_double(Int128 v, int scale);          // correctly rounded
// "12.5e3" -> unscaled value at `scale`, half up. invalid: no number; too large: more than 38 digits before the point, a zero's
// exponent counted (Decimal.fromString); overflow: more than precision.
enum class Parsed : uint8_t { kOk, kInvalid, kOverflow, kTooLarge };
Parsed parse_decimal(std::string_view text, int precision, int scale, Int128& out);
std::optional<Int128> double_to_decimal(double v, int precision, int scale);  // through its shortest text, as Spark does
std::optional<Int128> float_to_decimal(float v, int precision, int scale);

// Java's Double.parseDouble and Spark's names of infinities.
std::optional<double> parse_double(std::string_view text);
std::optional<float> parse_float(std::string_view text);
// UTF8String.toLong: sign, digits, and when allowed a fraction that is cut off.
std::optional<int64_t> parse_long(std::string_view text, bool allow_fraction);
std::optional<bool> parse_boolean(std::string_view text);
// Without leading and trailing whitespace and control characters.
std::string_view trim_all(std::string_view text);

}  // namespace tarn::engine::kernels
