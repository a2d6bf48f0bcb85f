#include "engine/sources/java_number.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace tarn::engine::sources {
namespace {

template <class T>
std::optional<T> parse_integer(std::string_view s) {
  const char *p = s.data(), *end = p + s.size();
  if (p != end && *p == '+') {
    ++p;
    if (p != end && *p == '-') return std::nullopt;
  }
  T out;
  auto [stop, error] = std::from_chars(p, end, out);
  if (error != std::errc() || stop != end) return std::nullopt;
  return out;
}

template <class T>
std::optional<T> parse_floating(std::string_view s) {
  while (!s.empty() && static_cast<unsigned char>(s.front()) <= ' ') s.remove_prefix(1);
  while (!s.empty() && static_cast<unsigned char>(s.back()) <= ' ') s.remove_suffix(1);
  if (s.empty()) return std::nullopt;
  bool negative = false;
  std::string_view body = s;
  if (body.front() == '+' || body.front() == '-') {
    negative = body.front() == '-';
    body.remove_prefix(1);
  }
  if (body.empty()) return std::nullopt;
  if (body == "NaN") return std::numeric_limits<T>::quiet_NaN();
  if (body == "Infinity") return negative ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::infinity();
  char first = body.front();
  if (!((first >= '0' && first <= '9') || first == '.')) return std::nullopt;
  bool hex = body.size() > 2 && body[0] == '0' && (body[1] == 'x' || body[1] == 'X');
  if (char last = body.back(); last == 'f' || last == 'F' || last == 'd' || last == 'D') {
    if (!hex || body.find_first_of("pP") != std::string_view::npos) body.remove_suffix(1);
  }
  if (hex) {
    if (body.find_first_of("pP") == std::string_view::npos) return std::nullopt;
    std::string text(body);
    char* end = nullptr;
    double v = std::strtod(text.c_str(), &end);
    if (end != text.c_str() + text.size()) return std::nullopt;
    return static_cast<T>(negative ? -v : v);
  }
  T out;
  auto [stop, error] = std::from_chars(body.data(), body.data() + body.size(), out, std::chars_format::general);
  if (error == std::errc::result_out_of_range) {  // from_chars leaves it open whether it is too large or too small
    std::string text(body.data(), stop);
    out = std::is_same_v<T, float> ? static_cast<T>(std::strtof(text.c_str(), nullptr)) : static_cast<T>(std::strtod(text.c_str(), nullptr));
  } else if (error != std::errc()) {
    return std::nullopt;
  }
  if (stop != body.data() + body.size()) return std::nullopt;
  return negative ? -out : out;
}

}  // namespace

std::optional<int32_t> parse_java_int(std::string_view s) { return parse_integer<int32_t>(s); }
std::optional<int64_t> parse_java_long(std::string_view s) { return parse_integer<int64_t>(s); }
std::optional<double> parse_java_double(std::string_view s) { return parse_floating<double>(s); }
std::optional<float> parse_java_float(std::string_view s) { return parse_floating<float>(s); }

namespace {
template <class T>
void append_floating(T v, std::string& out) {
  if (v != v) {
    out += "NaN";
    return;
  }
  if (v < 0 || (v == 0 && std::signbit(v))) {
    out += '-';
    v = -v;
  }
  if (v == std::numeric_limits<T>::infinity()) {
    out += "Infinity";
    return;
  }
  if (v == 0) {
    out += "0.0";
    return;
  }
  char buf[40];
  char* end = std::to_chars(buf, buf + sizeof buf, v, std::chars_format::scientific).ptr;  // d.ddde±xx
  std::string digits;
  char* p = buf;
  for (; p < end && *p != 'e'; ++p) {
    if (*p != '.') digits += *p;
  }
  int exponent = std::atoi(std::string(p + 1, end).c_str());
  auto point = [&](size_t at) {  // at digits before the point
    if (at >= digits.size()) {
      out += digits;
      out.append(at - digits.size(), '0');
      out += ".0";
    } else {
      out.append(digits, 0, at);
      out += '.';
      out.append(digits, at, std::string::npos);
    }
  };
  if (exponent >= -3 && exponent < 7) {
    if (exponent >= 0) {
      point(static_cast<size_t>(exponent) + 1);
    } else {
      out += "0.";
      out.append(static_cast<size_t>(-exponent - 1), '0');
      out += digits;
    }
    return;
  }
  point(1);
  out += 'E';
  out += std::to_string(exponent);
}
}  // namespace

void append_java_double(double value, std::string& out) { append_floating(value, out); }
void append_java_float(float value, std::string& out) { append_floating(value, out); }

void append_java_decimal(__int128 unscaled, int scale, std::string& out) {
  bool negative = unscaled < 0;
  auto u = negative ? -static_cast<unsigned __int128>(unscaled) : static_cast<unsigned __int128>(unscaled);
  std::string digits;
  do {
    digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(u % 10)));
    u /= 10;
  } while (u != 0);
  if (negative) out += '-';
  int adjusted = static_cast<int>(digits.size()) - 1 - scale;
  if (scale > 0 && adjusted < -6) {
    out += digits[0];
    if (digits.size() > 1) out += "." + digits.substr(1);
    out += "E" + std::to_string(adjusted);
    return;
  }
  if (scale <= 0) {
    out += digits;
    return;
  }
  auto places = static_cast<size_t>(scale);
  if (digits.size() <= places) digits.insert(0, places + 1 - digits.size(), '0');
  out.append(digits, 0, digits.size() - places);
  out += '.';
  out.append(digits, digits.size() - places, std::string::npos);
}

std::optional<BigDecimal> BigDecimal::parse(std::string_view s) {
  BigDecimal d;
  size_t i = 0;
  if (i < s.size() && (s[i] == '+' || s[i] == '-')) d.negative = s[i++] == '-';
  bool any = false, point = false;
  int64_t fraction = 0;
  for (; i < s.size(); ++i) {
    char c = s[i];
    if (c >= '0' && c <= '9') {
      any = true;
      if (c != '0' || !d.digits.empty()) d.digits.push_back(c);
      fraction += point;
    } else if (c == '.' && !point) {
      point = true;
    } else {
      break;
    }
  }
  if (!any) return std::nullopt;
  int64_t exponent = 0;
  if (i < s.size()) {
    if (s[i] != 'e' && s[i] != 'E') return std::nullopt;
    ++i;
    if (i < s.size() && s[i] == '+') {
      ++i;
      if (i < s.size() && s[i] == '-') return std::nullopt;
    }
    int32_t e;
    auto [stop, error] = std::from_chars(s.data() + i, s.data() + s.size(), e);
    if (error != std::errc() || stop != s.data() + s.size()) return std::nullopt;
    exponent = e;
  }
  if (d.digits.empty()) d.digits = "0";
  d.scale = fraction - exponent;
  return d;
}

std::optional<__int128> BigDecimal::to_int128(int precision, int target_scale) const {
  if (digits == "0") return 0;
  int64_t shift = target_scale - scale;  // digits to append, or to round away when negative
  int64_t length = static_cast<int64_t>(digits.size()) + shift;
  if (length > precision) return std::nullopt;
  if (length < 0) return 0;
  __int128 v = 0;
  size_t keep = static_cast<size_t>(shift >= 0 ? static_cast<int64_t>(digits.size()) : length);
  for (size_t i = 0; i < keep; ++i) v = v * 10 + (digits[i] - '0');
  for (int64_t i = 0; i < shift; ++i) v *= 10;
  if (shift < 0 && digits[keep] >= '5') ++v;
  __int128 limit = 1;
  for (int i = 0; i < precision; ++i) limit *= 10;
  if (v >= limit) return std::nullopt;
  return negative ? -v : v;
}

}  // namespace tarn::engine::sources
