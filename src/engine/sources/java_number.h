#pragma once
// Numbers in text by the rules of Java: Integer.parseInt, Long.parseLong, Double.parseDouble, new BigDecimal.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tarn::engine::sources {

std::optional<int32_t> parse_java_int(std::string_view text);
std::optional<int64_t> parse_java_long(std::string_view text);
// Surrounding white space, "NaN", "Infinity", a suffix f or d and hexadecimal floats are allowed, as in Java.
std::optional<double> parse_java_double(std::string_view text);
std::optional<float> parse_java_float(std::string_view text);

// Double.toString and Float.toString: "1.0E10", "0.001", "NaN", "-Infinity".
void append_java_double(double value, std::string& out);
void append_java_float(float value, std::string& out);
// BigDecimal.toString of an unscaled value: plain, or "1E-8" when the first digit is more than six places behind the point.
void append_java_decimal(__int128 unscaled, int scale, std::string& out);

// An unscaled number and its scale; enough of java.math.BigDecimal.
struct BigDecimal {
  bool negative = false;
  std::string digits;      // without leading zeros; "0" for zero
  int64_t scale = 0;       // may be negative

  // Digits with an optional sign, point and exponent; nothing else, no spaces.
  static std::optional<BigDecimal> parse(std::string_view text);
  int precision() const { return static_cast<int>(digits.size()); }
  // The unscaled value at the given scale, rounded half up; nullopt when it has more than `precision` digits.
  std::optional<__int128> to_int128(int precision, int scale) const;
};

}  // namespace tarn::engine::sources
