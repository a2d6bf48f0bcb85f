// Mathematical functions as java.lang.Math has them.
#include <charconv>
#include <cmath>
#include <numbers>
#include <random>

#include "engine/kernels/kernel.h"
#include "engine/kernels/kernel_error.h"
#include "engine/kernels/number.h"

namespace tarn::engine::kernels {
namespace {

double round_double(double v, int scale, Rounding mode) {
  if (scale >= 0 && scale <= 15) {
    // What lies clearly to one side of a half needs no decimal text: the quotient of two exact numbers is the double nearest to the result.
    static constexpr double kTens[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    const double scaled = std::abs(v) * kTens[scale], whole = std::floor(scaled);
    if (scaled < 1e15 && std::abs(scaled - whole - 0.5) > 4e-16 * scaled + 1e-300) {
      return std::copysign((scaled - whole > 0.5 ? whole + 1 : whole) / kTens[scale], v);
    }
  }
  if (!std::isfinite(v)) return v;
  // Exact through the shortest decimal text, as BigDecimal.valueOf does; numbers beyond 38 digits have no fraction to round.
  char buffer[64];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, v, std::chars_format::scientific).ptr;
  std::string_view text(buffer, static_cast<size_t>(end - buffer));
  // digits d.ddddE±xx
  size_t e = text.find('e');
  int exponent = std::atoi(std::string(text.substr(e + 1)).c_str());
  std::string digits;
  bool negative = false;
  for (char c : text.substr(0, e)) {
    if (c == '-') negative = true;
    else if (c != '.') digits += c;
  }
  const int last = exponent - static_cast<int>(digits.size()) + 1;  // power of ten of the last digit
  if (last >= -scale) return v;
  const int keep = exponent + scale + 1;  // digits that stay
  if (keep < 0) return negative ? -0.0 : 0.0;
  Int128 kept = 0;
  for (int i = 0; i < keep; ++i) kept = kept * 10 + (digits[static_cast<size_t>(i)] - '0');
  const char next = digits[static_cast<size_t>(keep)];
  bool up = next >= '5';
  if (mode == Rounding::kHalfEven && next == '5' && digits.find_first_not_of('0', static_cast<size_t>(keep) + 1) == std::string::npos) up = kept & 1;
  if (up) ++kept;
  std::string out = (negative ? "-" : "") + decimal_string(kept, 0) + "e" + std::to_string(-scale);
  return std::strtod(out.c_str(), nullptr);
}

template <class T> T round_integer(T v, int32_t scale, Rounding rounding, std::string_view mode) {
  if (scale >= 0) return v;
  if (scale < -20) return 0;
  auto r = rescale(v, 0, scale, rounding);
  Int128 x = *r * pow10(-scale);
  if (x != static_cast<T>(x) && mode_of(mode) == Mode::kAnsi) fail_overflow("Overflow");
  return static_cast<T>(x);
}

template <class T> void rounding(Kernels& k) {
  if constexpr (std::is_integral_v<T>) {
    k.scalar<T(T, int32_t, Text)>("spark_round", [](T v, int32_t s, std::string_view m) { return round_integer(v, s, Rounding::kHalfUp, m); });
    k.scalar<T(T, int32_t, Text)>("spark_bround", [](T v, int32_t s, std::string_view m) { return round_integer(v, s, Rounding::kHalfEven, m); });
  } else {
    k.scalar<T(T, int32_t, Text)>("spark_round", [](T v, int32_t s, std::string_view) { return static_cast<T>(round_double(v, s, Rounding::kHalfUp)); });
    k.scalar<T(T, int32_t, Text)>("spark_bround", [](T v, int32_t s, std::string_view) { return static_cast<T>(round_double(v, s, Rounding::kHalfEven)); });
  }
}

int64_t to_long(double v) {  // Java's (long)
  if (std::isnan(v)) return 0;
  if (v >= 9223372036854775807.0) return std::numeric_limits<int64_t>::max();
  if (v <= -9223372036854775808.0) return std::numeric_limits<int64_t>::min();
  return static_cast<int64_t>(v);
}

// Java's signed 64 bit arithmetic in any base, as Hive's conv does.
std::optional<std::string> conv(std::string_view text, int from, int to, std::string_view mode) {
  if (from < 2 || from > 36 || std::abs(to) < 2 || std::abs(to) > 36) return {};
  size_t b = 0, e = text.size();
  while (b < e && text[b] == ' ') ++b;
  while (e > b && text[e - 1] == ' ') --e;
  if (b == e) return {};
  bool negative = text[b] == '-';
  if (negative) ++b;
  uint64_t v = 0;
  bool overflow = false;
  for (; b < e; ++b) {
    char c = text[b];
    int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'z' ? c - 'a' + 10 : c >= 'A' && c <= 'Z' ? c - 'A' + 10 : 99;
    if (digit >= from) break;
    UInt128 next = static_cast<UInt128>(v) * static_cast<unsigned>(from) + static_cast<unsigned>(digit);
    if (next > std::numeric_limits<uint64_t>::max()) {
      overflow = true;
      break;
    }
    v = static_cast<uint64_t>(next);
  }
  if (overflow) {
    if (mode_of(mode) == Mode::kAnsi) fail_overflow("Overflow in function conv()");
    v = std::numeric_limits<uint64_t>::max();
    negative = false;
  }
  if (negative && to > 0) {
    if (static_cast<int64_t>(v) < 0) v = std::numeric_limits<uint64_t>::max();
    else v = 0 - v;
  }
  if (to < 0 && static_cast<int64_t>(v) < 0) {
    v = 0 - v;
    negative = true;
  }
  const auto base = static_cast<uint64_t>(std::abs(to));
  std::string out;
  do {
    out += "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[v % base];
    v /= base;
  } while (v);
  if (negative && to < 0) out += '-';
  std::reverse(out.begin(), out.end());
  return out;
}

std::string hex_of(std::string_view bytes) {
  static const char* d = "0123456789ABCDEF";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (char c : bytes) {
    out += d[static_cast<unsigned char>(c) >> 4];
    out += d[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

std::optional<std::string> unhex(std::string_view s) {
  auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
  std::string out;
  size_t i = 0;
  if (s.size() % 2) {
    int v = digit(s[0]);
    if (v < 0) return {};
    out += static_cast<char>(v);
    i = 1;
  }
  for (; i < s.size(); i += 2) {
    int h = digit(s[i]), l = digit(s[i + 1]);
    if (h < 0 || l < 0) return {};
    out += static_cast<char>(h * 16 + l);
  }
  return out;
}

template <double (*F)(double)> void unary(Kernels& k, const char* name) {
  k.scalar<double(double)>(name, [](double x) { return F(x); });
}

}  // namespace

void register_math(Kernels& k) {
  unary<std::acos>(k, "spark_acos");
  unary<std::asin>(k, "spark_asin");
  k.scalar<double(double)>("spark_acosh", [](double x) { return std::log(x + std::sqrt(x * x - 1.0)); });
  k.scalar<double(double)>("spark_asinh", [](double x) { return x == -std::numeric_limits<double>::infinity() ? x : std::log(x + std::sqrt(x * x + 1.0)); });
  k.scalar<double(double)>("spark_atanh", [](double x) { return 0.5 * (std::log1p(x) - std::log1p(-x)); });
  k.scalar<double(double, double)>("spark_atan2", [](double y, double x) { return std::atan2(y + 0.0, x + 0.0); });
  unary<std::cos>(k, "spark_cos");
  unary<std::sin>(k, "spark_sin");
  unary<std::tan>(k, "spark_tan");
  unary<std::cosh>(k, "spark_cosh");
  unary<std::sinh>(k, "spark_sinh");
  unary<std::tanh>(k, "spark_tanh");
  unary<std::exp>(k, "spark_exp");
  unary<std::expm1>(k, "spark_expm1");
  unary<std::sqrt>(k, "spark_sqrt");
  unary<std::nearbyint>(k, "spark_rint");
  k.scalar<double(double)>("spark_sec", [](double x) { return 1.0 / std::cos(x); });
  k.scalar<double(double)>("spark_csc", [](double x) { return 1.0 / std::sin(x); });
  k.scalar<double(double)>("spark_cot", [](double x) { return 1.0 / std::tan(x); });
  k.scalar<double(double)>("spark_degrees", [](double x) { return x * (180.0 / std::numbers::pi); });
  k.scalar<double(double)>("spark_radians", [](double x) { return x * (std::numbers::pi / 180.0); });
  k.scalar<double(double, double)>("spark_hypot", [](double a, double b) { return std::hypot(a, b); });
  k.scalar<double(double, double)>("spark_pow", [](double a, double b) {
    // Java: pow(±1, ±infinity) and pow(1, NaN) are NaN.
    if ((std::fabs(a) == 1 && std::isinf(b)) || (a == 1 && std::isnan(b))) return std::numeric_limits<double>::quiet_NaN();
    return std::pow(a, b);
  });
  k.scalar<double(double)>("spark_signum", [](double x) { return x > 0 ? 1.0 : x < 0 ? -1.0 : x; });
  auto log_or_null = [](double x, double limit, double v) -> std::optional<double> { if (x <= limit) return {}; return v; };
  k.scalar<double(double)>("spark_ln", [log_or_null](double x) { return log_or_null(x, 0, std::log(x)); });
  k.scalar<double(double)>("spark_log10", [log_or_null](double x) { return log_or_null(x, 0, std::log10(x)); });
  k.scalar<double(double)>("spark_log2", [log_or_null](double x) { return log_or_null(x, 0, std::log(x) / std::log(2.0)); });
  k.scalar<double(double)>("spark_log1p", [log_or_null](double x) { return log_or_null(x, -1, std::log1p(x)); });
  k.scalar<double(double, double)>("spark_log", [](double base, double x) -> std::optional<double> {
    if (base <= 0 || x <= 0) return {};
    return std::log(x) / std::log(base);
  });
  k.scalar<int64_t(double)>("spark_ceil", [](double x) { return to_long(std::ceil(x)); });
  k.scalar<int64_t(double)>("spark_floor", [](double x) { return to_long(std::floor(x)); });
  rounding<int8_t>(k);
  rounding<int16_t>(k);
  rounding<int32_t>(k);
  rounding<int64_t>(k);
  rounding<float>(k);
  rounding<double>(k);
  k.scalar<int64_t(int32_t)>("spark_factorial", [](int32_t n) -> std::optional<int64_t> {
    if (n < 0 || n > 20) return {};
    int64_t r = 1;
    for (int32_t i = 2; i <= n; ++i) r *= i;
    return r;
  });
  k.scalar<Text(int64_t)>("spark_bin", [](int64_t v) {
    std::string out;
    auto u = static_cast<uint64_t>(v);
    do {
      out += static_cast<char>('0' + (u & 1));
      u >>= 1;
    } while (u);
    std::reverse(out.begin(), out.end());
    return out;
  });
  k.scalar<Text(Text, int32_t, int32_t, Text)>("spark_conv", [](std::string_view s, int32_t from, int32_t to, std::string_view m) { return conv(s, from, to, m); });
  k.scalar<Text(int64_t)>("spark_hex", [](int64_t v) {
    char buffer[17];
    auto end = std::to_chars(buffer, buffer + 17, static_cast<uint64_t>(v), 16).ptr;
    std::string out(buffer, end);
    for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return out;
  });
  k.scalar<Text(Text)>("spark_hex", [](std::string_view s) { return hex_of(s); });
  k.scalar<Text(Bytes)>("spark_hex", [](std::string_view s) { return hex_of(s); });
  k.scalar<Bytes(Text)>("spark_unhex", [](std::string_view s) { return unhex(s); });
  k.scalar<Bytes(Text, Text)>("spark_strict_unhex", [](std::string_view s, std::string_view m) -> std::optional<std::string> {
    auto v = unhex(s);
    if (!v && mode_of(m) != Mode::kTry) fail("CONVERSION_INVALID_INPUT", ErrorKind::kIllegalArgument, {{"str", quote_value(s)}, {"fmt", "'HEX'"}, {"targetType", "\"BINARY\""}, {"suggestion", "`try_to_binary`"}});
    return v;
  });
  auto bucket = [](auto v, auto low, auto high, int64_t n) -> std::optional<int64_t> {
    if (n <= 0 || n == std::numeric_limits<int64_t>::max() || low == high) return {};
    if constexpr (std::is_same_v<decltype(v), double>)
      if (std::isnan(v) || !std::isfinite(low) || !std::isfinite(high)) return {};
    const bool up = low < high;
    if (up ? v < low : v > low) return 0;
    if (up ? v >= high : v <= high) return n + 1;
    return static_cast<int64_t>(static_cast<double>(n) * (static_cast<double>(v) - static_cast<double>(low)) / (static_cast<double>(high) - static_cast<double>(low))) + 1;
  };
  k.scalar<int64_t(double, double, double, int64_t)>("spark_width_bucket", [bucket](double v, double a, double b, int64_t n) { return bucket(v, a, b, n); });
  k.scalar<int64_t(int64_t, int64_t, int64_t, int64_t)>("spark_width_bucket", [bucket](int64_t v, int64_t a, int64_t b, int64_t n) { return bucket(v, a, b, n); });
  k.random<double()>("spark_randn", [] {
    static thread_local std::mt19937_64 g{std::random_device{}()};
    return std::normal_distribution<double>()(g);
  });
}

}  // namespace tarn::engine::kernels
