#include "engine/kernels/number.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>

namespace tarn::engine::kernels {
namespace {

constexpr std::array<Int128, 39> make_powers() {
  std::array<Int128, 39> p{};
  p[0] = 1;
  for (size_t i = 1; i < p.size(); ++i) p[i] = p[i - 1] * 10;
  return p;
}
constexpr auto kPowers = make_powers();

UInt128 magnitude(Int128 v) { return v < 0 ? -static_cast<UInt128>(v) : static_cast<UInt128>(v); }

// An unsigned number of 256 bits: what products of two decimals need.
struct Wide {
  std::array<uint64_t, 4> w{};  // least significant first
  static Wide of(UInt128 v) { return {{static_cast<uint64_t>(v), static_cast<uint64_t>(v >> 64), 0, 0}}; }
  bool multiply(uint64_t m) {  // false on overflow
    UInt128 carry = 0;
    for (auto& x : w) {
      UInt128 p = static_cast<UInt128>(x) * m + carry;
      x = static_cast<uint64_t>(p);
      carry = p >> 64;
    }
    return carry == 0;
  }
  bool scale_up(int n) {
    for (; n > 0; n -= 19) {
      uint64_t m = 1;
      for (int i = 0; i < std::min(n, 19); ++i) m *= 10;
      if (!multiply(m)) return false;
    }
    return true;
  }
  bool is_zero() const { return !(w[0] | w[1] | w[2] | w[3]); }
  bool fits128() const { return !w[2] && !w[3]; }
  UInt128 low() const { return (static_cast<UInt128>(w[1]) << 64) | w[0]; }
  int compare(const Wide& o) const {
    for (int i = 3; i >= 0; --i)
      if (w[static_cast<size_t>(i)] != o.w[static_cast<size_t>(i)]) return w[static_cast<size_t>(i)] < o.w[static_cast<size_t>(i)] ? -1 : 1;
    return 0;
  }
  void subtract(const Wide& o) {
    UInt128 borrow = 0;
    for (size_t i = 0; i < 4; ++i) {
      UInt128 d = static_cast<UInt128>(w[i]) - o.w[i] - borrow;
      w[i] = static_cast<uint64_t>(d);
      borrow = (d >> 64) & 1;
    }
  }
  void shift_left() {
    for (size_t i = 3; i > 0; --i) w[i] = (w[i] << 1) | (w[i - 1] >> 63);
    w[0] <<= 1;
  }
  bool bit(int i) const { return (w[static_cast<size_t>(i / 64)] >> (i % 64)) & 1; }
  void set_bit(int i) { w[static_cast<size_t>(i / 64)] |= uint64_t(1) << (i % 64); }
};

Wide product(UInt128 a, UInt128 b) {
  Wide r;
  std::array<uint64_t, 2> x{static_cast<uint64_t>(a), static_cast<uint64_t>(a >> 64)}, y{static_cast<uint64_t>(b), static_cast<uint64_t>(b >> 64)};
  for (size_t i = 0; i < 2; ++i) {
    UInt128 carry = 0;
    for (size_t k = 0; k < 2; ++k) {
      UInt128 p = static_cast<UInt128>(x[i]) * y[k] + r.w[i + k] + carry;
      r.w[i + k] = static_cast<uint64_t>(p);
      carry = p >> 64;
    }
    r.w[i + 2] += static_cast<uint64_t>(carry);
  }
  return r;
}

// Quotient and remainder; the divisor is not 0.
std::pair<Wide, Wide> divide(const Wide& n, const Wide& d) {
  if (n.fits128() && d.fits128()) return {Wide::of(n.low() / d.low()), Wide::of(n.low() % d.low())};
  Wide q, r;
  for (int i = 255; i >= 0; --i) {
    r.shift_left();
    if (n.bit(i)) r.w[0] |= 1;
    if (r.compare(d) >= 0) {
      r.subtract(d);
      q.set_bit(i);
    }
  }
  return {q, r};
}

std::optional<Int128> rounded(const Wide& n, const Wide& d, bool negative, Rounding mode) {
  auto [q, r] = divide(n, d);
  bool up = false;
  if (!r.is_zero()) {
    Wide twice = r;
    twice.shift_left();
    int c = twice.compare(d);
    switch (mode) {
      case Rounding::kHalfUp: up = c >= 0; break;
      case Rounding::kHalfEven: up = c > 0 || (c == 0 && (q.w[0] & 1)); break;
      case Rounding::kDown: break;
      case Rounding::kUp: up = true; break;
      case Rounding::kCeiling: up = !negative; break;
      case Rounding::kFloor: up = negative; break;
    }
  }
  if (!q.fits128()) return std::nullopt;
  UInt128 v = q.low() + (up ? 1 : 0);
  if (v >= static_cast<UInt128>(kPowers[38])) return std::nullopt;
  return negative ? -static_cast<Int128>(v) : static_cast<Int128>(v);
}

// Decimal digits and exponent of a number in text; false if it is none.
struct Digits {
  std::string digits;
  int64_t exponent = 0;  // value = digits * 10^exponent
  bool negative = false;
};
bool scan(std::string_view s, Digits& d) {
  size_t i = 0;
  if (i < s.size() && (s[i] == '+' || s[i] == '-')) d.negative = s[i++] == '-';
  bool any = false;
  int64_t fraction = 0;
  for (; i < s.size() && s[i] >= '0' && s[i] <= '9'; ++i) { d.digits += s[i]; any = true; }
  if (i < s.size() && s[i] == '.') {
    for (++i; i < s.size() && s[i] >= '0' && s[i] <= '9'; ++i) { d.digits += s[i]; ++fraction; any = true; }
  }
  if (!any) return false;
  int64_t e = 0;
  if (i < s.size() && (s[i] == 'e' || s[i] == 'E')) {
    ++i;
    bool minus = false;
    if (i < s.size() && (s[i] == '+' || s[i] == '-')) minus = s[i++] == '-';
    if (i >= s.size()) return false;
    for (; i < s.size() && s[i] >= '0' && s[i] <= '9'; ++i) e = std::min<int64_t>(e * 10 + (s[i] - '0'), int64_t{1} << 32);
    if (e > INT32_MAX) return false;  // as java.math.BigDecimal
    if (minus) e = -e;
  }
  if (i != s.size()) return false;
  d.exponent = e - fraction;
  size_t zeros = d.digits.find_first_not_of('0');
  d.digits.erase(0, zeros == std::string::npos ? d.digits.size() : zeros);
  return true;
}

template <class T> std::optional<T> parse_floating(std::string_view raw) {
  std::string_view s = raw;
  while (!s.empty() && static_cast<unsigned char>(s.front()) <= ' ') s.remove_prefix(1);
  while (!s.empty() && static_cast<unsigned char>(s.back()) <= ' ') s.remove_suffix(1);
  if (s.empty()) return std::nullopt;
  std::string_view body = s;
  const bool negative = body.front() == '-';
  if (body.front() == '+' || body.front() == '-') body.remove_prefix(1);
  if (body.empty()) return std::nullopt;
  if ((body[0] < '0' || body[0] > '9') && body[0] != '.') {
    std::string w;
    for (char c : s) w += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (w == "inf" || w == "+inf" || w == "infinity" || w == "+infinity") return std::numeric_limits<T>::infinity();
    if (w == "-inf" || w == "-infinity") return -std::numeric_limits<T>::infinity();
    if (w == "nan") return std::numeric_limits<T>::quiet_NaN();
    if (s == "+NaN" || s == "-NaN") return std::numeric_limits<T>::quiet_NaN();
    return std::nullopt;
  }
  T v;
  if (body.size() > 1 && body[0] == '0' && (body[1] == 'x' || body[1] == 'X')) {
    if (body.find_first_of("pP") == std::string_view::npos) return std::nullopt;
    std::string copy(body);
    char last = copy.back();
    if (last == 'd' || last == 'D' || last == 'f' || last == 'F') copy.pop_back();
    char* end;
    v = static_cast<T>(std::strtod(copy.c_str(), &end));
    if (*end) return std::nullopt;
    return negative ? -v : v;
  }
  char last = body.back();
  if (body.size() > 1 && (last == 'd' || last == 'D' || last == 'f' || last == 'F')) body.remove_suffix(1);
  auto [end, ec] = std::from_chars(body.data(), body.data() + body.size(), v);
  if (ec == std::errc::result_out_of_range) {
    std::string copy(body);
    char* stop;
    double d = std::strtod(copy.c_str(), &stop);
    if (*stop) return std::nullopt;
    v = static_cast<T>(d);
  } else if (ec != std::errc() || end != body.data() + body.size()) {
    return std::nullopt;
  }
  return negative ? -v : v;
}

template <class T> std::optional<Int128> floating_to_decimal(T v, int precision, int scale) {
  if (!std::isfinite(v)) return std::nullopt;
  char buffer[64];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, v, std::chars_format::scientific).ptr;
  Int128 r;
  if (parse_decimal({buffer, static_cast<size_t>(end - buffer)}, precision, scale, r) != Parsed::kOk) return std::nullopt;
  return r;
}

}  // namespace

Rounding rounding_of(std::string_view n) {
  if (n == "half_even") return Rounding::kHalfEven;
  if (n == "ceiling") return Rounding::kCeiling;
  if (n == "floor") return Rounding::kFloor;
  if (n == "down") return Rounding::kDown;
  return Rounding::kHalfUp;
}

Int128 pow10(int n) { return kPowers[static_cast<size_t>(std::clamp(n, 0, 38))]; }

int digits_of(Int128 v) {
  UInt128 m = magnitude(v);
  int n = 1;
  while (n < 39 && m >= static_cast<UInt128>(kPowers[static_cast<size_t>(n)])) ++n;
  return n;
}

std::optional<Int128> rescale(Int128 v, int from, int to, Rounding mode) {
  if (from == to) return v;
  if (to > from) {
    int up = to - from;
    if (v == 0) return v;
    if (up > 38 || digits_of(v) + up > 38) return std::nullopt;
    return v * kPowers[static_cast<size_t>(up)];
  }
  int down = from - to;
  if (down > 38) {
    if (v == 0) return v;
    if ((mode == Rounding::kCeiling && v > 0) || (mode == Rounding::kUp && v > 0)) return Int128(1);
    if ((mode == Rounding::kFloor && v < 0) || (mode == Rounding::kUp && v < 0)) return Int128(-1);
    return Int128(0);
  }
  return rounded(Wide::of(magnitude(v)), Wide::of(static_cast<UInt128>(kPowers[static_cast<size_t>(down)])), v < 0, mode);
}

std::optional<Int128> multiply(Int128 a, int sa, Int128 b, int sb, int to) {
  const int s = sa + sb;
  Int128 fast;
  if (s == to && !__builtin_mul_overflow(a, b, &fast) && fits(fast, 38)) return fast;
  Wide n = product(magnitude(a), magnitude(b));
  const bool negative = (a < 0) != (b < 0);
  if (to >= s) {
    if (!n.scale_up(to - s)) return std::nullopt;
    return rounded(n, Wide::of(1), negative, Rounding::kHalfUp);
  }
  Wide d = Wide::of(1);
  d.scale_up(s - to);
  return rounded(n, d, negative, Rounding::kHalfUp);
}

std::optional<Int128> divide(Int128 a, int sa, Int128 b, int sb, int to) {
  // a/10^sa : b/10^sb at scale to = a * 10^(to + sb - sa) / b
  const int up = to + sb - sa;
  Wide n = Wide::of(magnitude(a)), d = Wide::of(magnitude(b));
  if (up >= 0 ? !n.scale_up(up) : !d.scale_up(-up)) return std::nullopt;
  return rounded(n, d, (a < 0) != (b < 0), Rounding::kHalfUp);
}

std::optional<Int128> quotient(Int128 a, int sa, Int128 b, int sb) {
  Wide n = Wide::of(magnitude(a)), d = Wide::of(magnitude(b));
  if (sb > sa) n.scale_up(sb - sa);
  else d.scale_up(sa - sb);
  return rounded(n, d, (a < 0) != (b < 0), Rounding::kDown);
}

std::optional<Int128> remainder(Int128 a, int sa, Int128 b, int sb) {
  Wide n = Wide::of(magnitude(a)), d = Wide::of(magnitude(b));
  if (sb > sa) n.scale_up(sb - sa);
  else d.scale_up(sa - sb);
  Wide r = divide(n, d).second;
  if (!r.fits128() || r.low() >= static_cast<UInt128>(kPowers[38])) return std::nullopt;
  Int128 v = static_cast<Int128>(r.low());
  return a < 0 ? -v : v;
}

std::optional<Int128> add(Int128 a, int sa, Int128 b, int sb, int to, bool subtract) {
  const int s = std::max(sa, sb);
  Int128 x, y, sum;
  if (!__builtin_mul_overflow(a, pow10(s - sa), &x) && !__builtin_mul_overflow(b, pow10(s - sb), &y) &&
      !(subtract ? __builtin_sub_overflow(x, y, &sum) : __builtin_add_overflow(x, y, &sum))) {
    if (s == to) return fits(sum, 38) ? std::optional<Int128>(sum) : std::nullopt;
    return rounded(Wide::of(magnitude(sum)), Wide::of(static_cast<UInt128>(pow10(s - to))), sum < 0, Rounding::kHalfUp);
  }
  // Wider than 128 bits in between.
  Wide wa = Wide::of(magnitude(a)), wb = Wide::of(magnitude(b));
  if (!wa.scale_up(s - sa) || !wb.scale_up(s - sb)) return std::nullopt;
  const bool na = a < 0, nb = subtract ? b > 0 : b < 0;
  Wide r;
  bool negative;
  if (na == nb) {
    UInt128 carry = 0;
    for (size_t i = 0; i < 4; ++i) {
      UInt128 t = static_cast<UInt128>(wa.w[i]) + wb.w[i] + carry;
      r.w[i] = static_cast<uint64_t>(t);
      carry = t >> 64;
    }
    negative = na;
  } else if (wa.compare(wb) >= 0) {
    r = wa;
    r.subtract(wb);
    negative = na;
  } else {
    r = wb;
    r.subtract(wa);
    negative = nb;
  }
  return rounded(r, Wide::of(static_cast<UInt128>(pow10(s - to))), negative, Rounding::kHalfUp);
}

std::string decimal_string(Int128 v, int scale) {
  UInt128 m = magnitude(v);
  std::string d;
  do {
    d += static_cast<char>('0' + static_cast<int>(m % 10));
    m /= 10;
  } while (m);
  while (static_cast<int>(d.size()) <= scale) d += '0';
  std::reverse(d.begin(), d.end());
  if (scale > 0) d.insert(d.size() - static_cast<size_t>(scale), ".");
  return v < 0 ? "-" + d : d;
}

std::string decimal_java_string(Int128 v, int scale) {
  const int adjusted = digits_of(v) - 1 - scale;
  if (scale >= 0 && adjusted >= -6) return decimal_string(v, scale);
  std::string d = decimal_string(v < 0 ? -v : v, 0);
  if (d.size() > 1) d.insert(1, ".");
  d += "E" + std::string(adjusted < 0 ? "" : "+") + std::to_string(adjusted);
  return v < 0 ? "-" + d : d;
}

double decimal_to_double(Int128 v, int scale) {
  if (magnitude(v) < (UInt128(1) << 53) && scale <= 22) return static_cast<double>(v) / static_cast<double>(kPowers[static_cast<size_t>(scale)]);
  std::string s = decimal_string(v, scale);
  return std::strtod(s.c_str(), nullptr);
}

Parsed parse_decimal(std::string_view text, int precision, int scale, Int128& out) {
  Digits d;
  if (!scan(text, d)) return Parsed::kInvalid;
  const int64_t whole = static_cast<int64_t>(d.digits.size()) + d.exponent;
  if ((d.digits.empty() ? d.exponent + 1 : whole) > 38) return Parsed::kTooLarge;
  if (d.digits.empty()) { out = 0; return Parsed::kOk; }
  if (whole > precision - scale) return Parsed::kOverflow;
  // Keep one digit more than the scale, to round by.
  int64_t keep = whole + scale;
  if (keep < 0) { out = 0; return Parsed::kOk; }
  Int128 v = 0;
  for (int64_t i = 0; i < keep; ++i) v = v * 10 + (i < static_cast<int64_t>(d.digits.size()) ? d.digits[static_cast<size_t>(i)] - '0' : 0);
  if (keep < static_cast<int64_t>(d.digits.size()) && d.digits[static_cast<size_t>(keep)] >= '5') ++v;
  if (!fits(v, precision)) return Parsed::kOverflow;
  out = d.negative ? -v : v;
  return Parsed::kOk;
}

std::optional<Int128> double_to_decimal(double v, int precision, int scale) { return floating_to_decimal(v, precision, scale); }
std::optional<Int128> float_to_decimal(float v, int precision, int scale) {
  // Spark widens the float first.
  return floating_to_decimal(static_cast<double>(v), precision, scale);
}

std::optional<double> parse_double(std::string_view s) { return parse_floating<double>(s); }
std::optional<float> parse_float(std::string_view s) { return parse_floating<float>(s); }

std::string_view trim_all(std::string_view s) {
  auto blank = [](char c) { auto u = static_cast<unsigned char>(c); return u <= ' ' || u == 0x7f; };
  while (!s.empty() && blank(s.front())) s.remove_prefix(1);
  while (!s.empty() && blank(s.back())) s.remove_suffix(1);
  return s;
}

std::optional<int64_t> parse_long(std::string_view text, bool allow_fraction) {
  std::string_view s = trim_all(text);
  if (s.empty()) return std::nullopt;
  bool negative = s[0] == '-';
  size_t i = s[0] == '-' || s[0] == '+' ? 1 : 0;
  if (i == s.size()) return std::nullopt;
  uint64_t v = 0;
  const uint64_t limit = negative ? uint64_t(1) << 63 : (uint64_t(1) << 63) - 1;
  for (; i < s.size(); ++i) {
    char c = s[i];
    if (c == '.' && allow_fraction) break;
    if (c < '0' || c > '9') return std::nullopt;
    uint64_t digit = static_cast<uint64_t>(c - '0');
    if (v > (limit - digit) / 10) return std::nullopt;
    v = v * 10 + digit;
  }
  if (i < s.size())
    for (++i; i < s.size(); ++i)
      if (s[i] < '0' || s[i] > '9') return std::nullopt;
  return negative ? static_cast<int64_t>(0 - v) : static_cast<int64_t>(v);
}

std::optional<bool> parse_boolean(std::string_view text) {
  std::string_view s = trim_all(text);
  if (s.size() > 5 || s.empty()) return std::nullopt;
  std::string w;
  for (char c : s) w += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (w == "t" || w == "true" || w == "y" || w == "yes" || w == "1") return true;
  if (w == "f" || w == "false" || w == "n" || w == "no" || w == "0") return false;
  return std::nullopt;
}

}  // namespace tarn::engine::kernels
