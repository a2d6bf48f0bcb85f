// Encodings, number formats, masks, URLs and other text forms.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include <unicode/ucnv.h>
#include <unicode/uchar.h>

#include "duckdb/execution/expression_executor.hpp"
#include "engine/kernels/decimal_vector.h"
#include "engine/kernels/kernel_error.h"
#include "engine/kernels/charset.h"
#include "engine/kernels/utf8.h"
#include "engine/kernels/value_text.h"
#include "plan/expression_text.h"

namespace tarn::engine::kernels {
namespace {

constexpr const char* kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string base64(std::string_view s) {  // MIME: lines of 76 characters
  std::string out;
  size_t line = 0;
  for (size_t i = 0; i < s.size(); i += 3) {
    if (line == 76) { out += "\r\n"; line = 0; }
    uint32_t v = 0;
    for (size_t n = 0; n < 3; ++n) v = (v << 8) | (i + n < s.size() ? static_cast<unsigned char>(s[i + n]) : 0);
    out += kBase64[v >> 18];
    out += kBase64[(v >> 12) & 63];
    out += i + 1 < s.size() ? kBase64[(v >> 6) & 63] : '=';
    out += i + 2 < s.size() ? kBase64[v & 63] : '=';
    line += 4;
  }
  return out;
}
int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}
// Other characters are skipped, as the MIME decoder does.
std::string unbase64(std::string_view s) {
  std::string out;
  uint32_t v = 0;
  int n = 0;
  for (char c : s) {
    int d = base64_digit(c);
    if (d < 0) continue;
    v = (v << 6) | static_cast<uint32_t>(d);
    if (++n == 4) {
      out += static_cast<char>(v >> 16);
      out += static_cast<char>(v >> 8);
      out += static_cast<char>(v);
      v = 0;
      n = 0;
    }
  }
  if (n == 2) out += static_cast<char>(v >> 4);
  if (n == 3) { out += static_cast<char>(v >> 10); out += static_cast<char>(v >> 2); }
  return out;
}
bool is_base64(std::string_view s) {
  size_t symbols = 0, pads = 0;
  for (char c : s) {
    if (c == ' ' || (c >= '\t' && c <= '\r') || (c >= '\x1c' && c <= '\x1f')) {   // Character.isWhitespace
      if (pads) return false;
      continue;
    }
    if (c == '=') { if (++pads > 2) return false; continue; }
    if (base64_digit(c) < 0 || pads) return false;
    ++symbols;
  }
  return pads ? (symbols + pads) % 4 == 0 : symbols % 4 != 1;
}

// ---- charsets

std::string upper(std::string_view s) {
  std::string r(s);
  for (char& c : r) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return r;
}
// ---- format_number: DecimalFormat "#,###,##0.00…" with half even rounding

std::string grouped(std::string whole, int every = 3) {
  for (int i = static_cast<int>(whole.size()) - every; i > 0; i -= every) whole.insert(static_cast<size_t>(i), ",");
  return whole;
}
std::string fixed_text(std::string_view digits_text, int places) {  // a plain decimal number, half even
  bool negative = !digits_text.empty() && digits_text[0] == '-';
  std::string s(negative ? digits_text.substr(1) : digits_text);
  size_t point = s.find('.');
  std::string whole = s.substr(0, point), fraction = point == std::string::npos ? "" : s.substr(point + 1);
  bool up = false;
  if (static_cast<int>(fraction.size()) > places) {
    std::string rest = fraction.substr(static_cast<size_t>(places));
    fraction.resize(static_cast<size_t>(places));
    char last = fraction.empty() ? whole.back() : fraction.back();
    bool exactly_half = rest[0] == '5' && rest.find_first_not_of('0', 1) == std::string::npos;
    up = rest[0] > '5' || (rest[0] == '5' && (!exactly_half || (last - '0') % 2));
  }
  fraction.resize(static_cast<size_t>(places), '0');
  std::string all = whole + fraction;
  if (up) {
    int i = static_cast<int>(all.size()) - 1;
    for (; i >= 0 && all[static_cast<size_t>(i)] == '9'; --i) all[static_cast<size_t>(i)] = '0';
    if (i >= 0) ++all[static_cast<size_t>(i)];
    else all.insert(0, "1");
  }
  whole = all.substr(0, all.size() - static_cast<size_t>(places));
  fraction = all.substr(all.size() - static_cast<size_t>(places));
  size_t nz = whole.find_first_not_of('0');
  whole = nz == std::string::npos ? "0" : whole.substr(nz);
  std::string out = grouped(whole) + (places ? "." + fraction : "");
  return (negative ? "-" : "") + out;
}
std::string plain_double(double v) {
  // The exact decimal expansion is what DecimalFormat rounds.
  char buffer[1100];
  int n = std::snprintf(buffer, sizeof buffer, "%.340f", v);
  return std::string(buffer, static_cast<size_t>(n));
}
std::optional<std::string> format_double(double v, int32_t places) {
  if (places < 0) return {};
  if (std::isnan(v)) return "NaN";
  if (std::isinf(v)) return v < 0 ? "-\xE2\x88\x9E" : "\xE2\x88\x9E";
  return fixed_text(plain_double(v), places);
}
// A DecimalFormat pattern, as far as '#', '0', ',' and '.' go, with literal text around.
std::string format_pattern(std::string_view plain, std::string_view pattern) {
  if (pattern.empty()) pattern = "#,###,###,###,###,###,##0";
  size_t b = pattern.find_first_of("#0,."), e = pattern.find_last_of("#0,.");
  if (b == std::string_view::npos) return std::string(pattern) + std::string(plain);
  std::string_view core = pattern.substr(b, e - b + 1);
  size_t point = core.find('.');
  std::string_view whole = core.substr(0, point), fraction = point == std::string_view::npos ? std::string_view{} : core.substr(point + 1);
  int group = 0;
  if (size_t comma = whole.rfind(','); comma != std::string_view::npos) group = static_cast<int>(whole.size() - comma - 1);
  int least_whole = static_cast<int>(std::count(whole.begin(), whole.end(), '0')), least = static_cast<int>(std::count(fraction.begin(), fraction.end(), '0'));
  std::string text = fixed_text(plain, static_cast<int>(fraction.size()));
  bool negative = text[0] == '-';
  if (negative) text.erase(0, 1);
  text.erase(std::remove(text.begin(), text.end(), ','), text.end());
  size_t p = text.find('.');
  std::string w = text.substr(0, p), f = p == std::string::npos ? "" : text.substr(p + 1);
  while (static_cast<int>(f.size()) > least && f.back() == '0') f.pop_back();
  if (w == "0" && least_whole == 0) w.clear();
  while (static_cast<int>(w.size()) < least_whole) w.insert(0, "0");
  if (w.empty() && f.empty()) w = "0";
  if (group > 0) w = grouped(w, group);
  return (negative ? "-" : "") + std::string(pattern.substr(0, b)) + w + (f.empty() ? "" : "." + f) + std::string(pattern.substr(e + 1));
}

// ---- soundex, luhn, mask, quote, sentences

std::string soundex(std::string_view s) {
  if (s.empty()) return {};
  auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (!letter(s[0])) return std::string(s);
  static const char* codes = "01230127022455012623010202";
  std::string out(1, static_cast<char>(std::toupper(static_cast<unsigned char>(s[0]))));
  char last = codes[out[0] - 'A'];
  for (size_t i = 1; i < s.size() && out.size() < 4; ++i) {
    char c = static_cast<char>(std::toupper(static_cast<unsigned char>(s[i])));
    if (!letter(c)) { last = '0'; continue; }
    char code = codes[c - 'A'];
    if (code == '7') continue;  // H and W do not separate
    if (code != '0' && code != last) out += code;
    last = code;
  }
  out.resize(4, '0');
  return out;
}
bool luhn(std::string_view s) {
  if (s.empty()) return false;
  int sum = 0;
  bool twice = false;
  for (size_t i = s.size(); i-- > 0;) {
    if (s[i] < '0' || s[i] > '9') return false;
    int d = s[i] - '0';
    if (twice) { d *= 2; if (d > 9) d -= 9; }
    sum += d;
    twice = !twice;
  }
  return sum % 10 == 0;
}
std::string mask(std::string_view s, std::optional<std::string_view> up, std::optional<std::string_view> low, std::optional<std::string_view> digit, std::optional<std::string_view> other) {
  std::string out;
  for (std::string_view p : utf8::points(s)) {
    auto c = static_cast<UChar32>(utf8::code(p));
    const auto& with = u_isupper(c) ? up : u_islower(c) ? low : u_isdigit(c) ? digit : other;
    out += with ? *with : p;
  }
  return out;
}

// ---- URLs

bool hex2(std::string_view s, size_t i, char& out) {
  auto d = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
  if (i + 1 >= s.size() || d(s[i]) < 0 || d(s[i + 1]) < 0) return false;
  out = static_cast<char>(d(s[i]) * 16 + d(s[i + 1]));
  return true;
}
std::string url_encode(std::string_view s) {
  std::string out;
  for (char c : s) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '*' || c == '_') out += c;
    else if (c == ' ') out += '+';
    else {
      char b[4];
      std::snprintf(b, sizeof b, "%%%02X", static_cast<unsigned>(static_cast<unsigned char>(c)));
      out += b;
    }
  }
  return out;
}
std::optional<std::string> url_decode(std::string_view s) {
  std::string out;
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '+') out += ' ';
    else if (s[i] == '%') {
      char c;
      if (!hex2(s, i + 1, c)) return {};
      out += c;
      i += 2;
    } else out += s[i];
  }
  return utf8::make_valid(out);
}

struct Url {
  std::optional<std::string> protocol, authority, userinfo, host, path, query, ref, file;
};
// java.net.URI, enough of it to part a URL; nullopt for what it refuses.
std::optional<Url> parse_uri(std::string_view s) {
  for (char c : s)
    if (static_cast<unsigned char>(c) <= ' ' || std::string_view("<>\"{}|\\^`").find(c) != std::string_view::npos) return {};
  Url u;
  if (size_t h = s.find('#'); h != std::string_view::npos) { u.ref = std::string(s.substr(h + 1)); s = s.substr(0, h); }
  size_t colon = s.find(':'), stop = s.find_first_of("/?");
  if (colon != std::string_view::npos && colon < stop) {
    if (colon == 0) return {};
    u.protocol = std::string(s.substr(0, colon));
    s = s.substr(colon + 1);
    if (s.empty() || (s[0] != '/' && s[0] != '?')) { u.path = std::nullopt; return u; }  // opaque
  }
  if (size_t q = s.find('?'); q != std::string_view::npos) { u.query = std::string(s.substr(q + 1)); s = s.substr(0, q); }
  if (s.starts_with("//")) {
    s = s.substr(2);
    size_t slash = s.find('/');
    std::string_view a = s.substr(0, slash);
    s = slash == std::string_view::npos ? std::string_view{} : s.substr(slash);
    if (!a.empty()) {
      u.authority = std::string(a);
      if (size_t at = a.find('@'); at != std::string_view::npos) { u.userinfo = std::string(a.substr(0, at)); a = a.substr(at + 1); }
      size_t port = a.starts_with('[') ? a.find(':', a.find(']') == std::string_view::npos ? 0 : a.find(']')) : a.find(':');
      u.host = std::string(a.substr(0, port));
    }
  }
  u.path = std::string(s);
  u.file = u.query ? *u.path + "?" + *u.query : *u.path;
  return u;
}
std::optional<std::string> parse_url(std::string_view url, std::string_view part, std::optional<std::string_view> key, bool fails) {
  auto u = parse_uri(url);
  if (!u) {
    if (fails) fail("INVALID_URL", ErrorKind::kIllegalArgument, {{"url", std::string(url)}, {"ansiConfig", "\"spark.sql.ansi.enabled\""}});
    return {};
  }
  if (key) {
    if (part != "QUERY" || !u->query) return {};
    std::string_view q = *u->query;
    for (size_t i = 0; i <= q.size();) {
      size_t e = std::min(q.find('&', i), q.size());
      std::string_view pair = q.substr(i, e - i);
      if (pair.size() > key->size() && pair.starts_with(*key) && pair[key->size()] == '=') return std::string(pair.substr(key->size() + 1));
      i = e + 1;
    }
    return {};
  }
  if (part == "HOST") return u->host;
  if (part == "PATH") return u->path;
  if (part == "QUERY") return u->query;
  if (part == "REF") return u->ref;
  if (part == "PROTOCOL") return u->protocol;
  if (part == "FILE") return u->file;
  if (part == "AUTHORITY") return u->authority;
  if (part == "USERINFO") return u->userinfo;
  return {};
}

// ---- to_number and to_char. The format: [S|MI] [$] digits with G or comma, [D|. digits] [$] [S|MI|PR]

struct NumberFormat {
  std::string whole, fraction;      // 0, 9 and ',' as given
  bool point = false, dollar = false, dollar_last = false, pr = false;
  enum class Sign : uint8_t { kNone, kFirst, kLast } sign = Sign::kNone;
  bool minus_only = false;          // MI

  static std::shared_ptr<const NumberFormat> make(std::string_view text) {
    auto f = std::make_shared<NumberFormat>();
    std::string s = upper(text);
    auto bad = [&](const char* sub, ErrorParams extra = {}) {
      extra["format"] = quote_value(text);
      fail((std::string("INVALID_FORMAT.") + sub).c_str(), ErrorKind::kAnalysis, extra);
    };
    if (s.empty()) bad("EMPTY");
    size_t i = 0;
    auto take_sign = [&](Sign where) {
      if (s.compare(i, 2, "MI") == 0) { f->sign = where; f->minus_only = true; i += 2; return true; }
      if (i < s.size() && s[i] == 'S') { f->sign = where; ++i; return true; }
      return false;
    };
    take_sign(Sign::kFirst);
    if (i < s.size() && (s[i] == '$' || s[i] == 'L')) { f->dollar = true; ++i; }
    for (; i < s.size(); ++i) {
      char c = s[i];
      if (c == '0' || c == '9') (f->point ? f->fraction : f->whole) += c;
      else if (c == ',' || c == 'G') { if (f->point) bad("THOUSANDS_SEPS_MUST_BEFORE_DEC"); f->whole += ','; }
      else if ((c == '.' || c == 'D') && !f->point) f->point = true;
      else break;
    }
    if (i < s.size() && (s[i] == '$' || s[i] == 'L')) {
      if (f->dollar) bad("UNEXPECTED_TOKEN", {{"token", "'$'"}});
      f->dollar = f->dollar_last = true;
      ++i;
    }
    if (f->sign == Sign::kNone) {
      if (s.compare(i, 2, "PR") == 0) { f->pr = true; i += 2; }
      else take_sign(Sign::kLast);
    }
    if (i != s.size()) bad("UNEXPECTED_TOKEN", {{"token", quote_value(s.substr(i, 1))}});
    if (f->whole.empty() && f->fraction.empty()) bad("WRONG_NUM_DIGIT");
    if (!f->whole.empty() && (f->whole.front() == ',' || f->whole.back() == ',')) bad("CONT_THOUSANDS_SEPS");
    return f;
  }
  size_t whole_digits() const { return static_cast<size_t>(std::count_if(whole.begin(), whole.end(), [](char c) { return c != ','; })); }
};
const NumberFormat& number_format(std::string_view text) {
  static thread_local Compiled<NumberFormat> cache;
  return cache.get(text, [](std::string_view t) { return NumberFormat::make(t); });
}

std::optional<Int128> to_number(std::string_view input, std::string_view format, int scale, bool fails) {
  const NumberFormat& f = number_format(format);
  auto bad = [&]() -> std::optional<Int128> {
    if (fails) fail("INVALID_FORMAT.MISMATCH_INPUT", ErrorKind::kIllegalArgument, {{"inputType", "\"STRING\""}, {"input", std::string(input)}, {"format", std::string(format)}});
    return {};
  };
  std::string_view s = input;
  while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
  while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
  bool negative = false;
  if (f.pr && s.starts_with('<') && s.ends_with('>')) { negative = true; s = s.substr(1, s.size() - 2); }
  auto sign = [&](bool last) {
    if (s.empty()) return;
    char c = last ? s.back() : s.front();
    if (c == '-' || (c == '+' && !f.minus_only)) {
      negative = c == '-';
      if (last) s.remove_suffix(1);
      else s.remove_prefix(1);
    }
  };
  if (f.sign == NumberFormat::Sign::kFirst) sign(false);
  if (f.sign == NumberFormat::Sign::kLast) sign(true);
  if (f.dollar) {
    if (f.dollar_last ? !s.ends_with('$') : !s.starts_with('$')) return bad();
    if (f.dollar_last) s.remove_suffix(1);
    else s.remove_prefix(1);
  }
  size_t point = s.find('.');
  std::string_view whole = s.substr(0, point), fraction = point == std::string_view::npos ? std::string_view{} : s.substr(point + 1);
  if (point != std::string_view::npos && !f.point) return bad();
  // Whole part against the format, from the right: digit for digit, comma for comma.
  size_t a = whole.size(), b = f.whole.size();
  std::string digits;
  while (a > 0) {
    if (b == 0) return bad();
    char c = whole[--a], want = f.whole[--b];
    if (c == ',') { if (want != ',') return bad(); continue; }
    if (c < '0' || c > '9' || want == ',') return bad();
    digits.insert(0, 1, c);
  }
  // A leading 0 in the format asks for exactly as many digits.
  if (!f.whole.empty() && f.whole[0] == '0' && digits.size() != f.whole_digits()) return bad();
  if (digits.empty() && fraction.empty()) return bad();
  if (fraction.size() > f.fraction.size()) return bad();
  for (char c : fraction) if (c < '0' || c > '9') return bad();
  std::string text = (digits.empty() ? "0" : digits) + "." + std::string(fraction);
  Int128 v;
  if (parse_decimal(text, 38, scale, v) != Parsed::kOk) return bad();
  return negative ? -v : v;
}

// A decimal in plain notation by a format, as Spark's ToNumberParser.format writes it: digits that are missing are blanks (also the
// only digit of 0), signs and brackets move to the digits, what does not fit is number signs.
std::optional<std::string> to_char(std::string_view plain, std::string_view format) {
  const NumberFormat& f = number_format(format);
  const bool negative = plain.starts_with('-');
  std::string_view s = negative ? plain.substr(1) : plain;
  const size_t point = s.find('.');
  std::string whole(s.substr(0, point)), fraction(point == std::string_view::npos ? "" : s.substr(point + 1));
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size()));
  fraction.erase(fraction.find_last_not_of('0') + 1);
  if (whole.size() > f.whole_digits() || fraction.size() > f.fraction.size()) {
    whole.assign(f.whole_digits(), '#');
    fraction.assign(f.fraction.size(), '#');
  }
  whole.insert(0, f.whole_digits() - whole.size(), ' ');
  fraction.append(f.fraction.size() - fraction.size(), '0');

  std::string out;
  auto blank = [&] {  // before signs and brackets that stand at the end
    size_t at = out.size();
    while (at > 0 && (out[at - 1] == '+' || out[at - 1] == '-' || out[at - 1] == '<')) --at;
    out.insert(at, 1, ' ');
  };
  auto mark = [&](char c) {  // before blanks that stand at the end
    size_t at = out.size();
    while (at > 0 && out[at - 1] == ' ') --at;
    out.insert(at, 1, c);
  };
  auto strip_lone_point = [&] {
    size_t at = out.find('.');
    if (at != std::string::npos && (at + 1 == out.size() || out[at + 1] == ' ')) out[at] = ' ';
  };
  auto sign = [&] {
    if (f.minus_only && !negative) {
      out += ' ';
      return;
    }
    strip_lone_point();
    mark(negative ? '-' : '+');
  };
  if (f.pr && negative) out += '<';
  if (f.sign == NumberFormat::Sign::kFirst) sign();
  if (f.dollar && !f.dollar_last) out += '$';
  bool exact = false, run = false;  // digits in a row that begin with 0 are all written
  size_t at = 0;
  for (char c : f.whole) {
    if (c == ',') {
      if (!out.empty() && out.back() >= '0' && out.back() <= '9') out += ',';
      else blank();
      run = false;
      continue;
    }
    if (!run) exact = c == '0';
    run = true;
    const char digit = whole[at++];
    if (digit != ' ') out += digit;
    else if (exact) out += '0';
    else blank();
  }
  if (f.point) {
    if (!out.empty() && out.back() == ' ') out.back() = '0';
    out += '.';
    out += fraction;
  }
  if (f.dollar_last) out += '$';
  if (f.sign == NumberFormat::Sign::kLast) sign();
  if (f.pr) {
    strip_lone_point();
    if (negative) mark('>');
    else out += "  ";
  }
  strip_lone_point();
  return out.empty() || out == "+" || out == "-" ? "0" : out;
}

// ---- java.util.Formatter

std::string format_one(char conversion, const std::string& flags, int width, int precision, const plan::DataType& type,
                       const duckdb::RecursiveUnifiedVectorFormat& d, duckdb::idx_t row, const TextStyle& style) {
  const bool null = is_null(d, row);
  auto has = [&](char c) { return flags.find(c) != std::string::npos; };
  std::string out;
  auto integer = [&]() -> int64_t {
    switch (type.id()) {
      case plan::TypeId::kByte: return value<int8_t>(d, row);
      case plan::TypeId::kShort: return value<int16_t>(d, row);
      case plan::TypeId::kInt: return value<int32_t>(d, row);
      default: return value<int64_t>(d, row);
    }
  };
  auto illegal = [&]() { fail("INTERNAL_ERROR", ErrorKind::kIllegalArgument, {{"message", std::string("IllegalFormatConversionException: ") + conversion + " != " + type.catalog_string()}}); };
  const char lower = static_cast<char>(std::tolower(static_cast<unsigned char>(conversion)));
  if (null) {
    out = lower == 'b' ? "false" : "null";
    if (precision >= 0 && lower == 's') out = out.substr(0, static_cast<size_t>(precision));
  } else {
    switch (lower) {
      case 's':
        append_text(type, d, row, style, out);
        if (precision >= 0) out = out.substr(0, utf8::offset(out, precision));
        break;
      case 'b': out = type.id() == plan::TypeId::kBoolean ? (value<bool>(d, row) ? "true" : "false") : "true"; break;
      case 'c': utf8::append(out, static_cast<uint32_t>(integer())); break;
      case 'd': {
        if (!type.is_integral()) illegal();
        int64_t v = integer();
        std::string digits = std::to_string(v < 0 ? 0 - static_cast<uint64_t>(v) : static_cast<uint64_t>(v));
        if (has(',')) digits = grouped(digits);
        std::string sign = v < 0 ? (has('(') ? "(" : "-") : has('+') ? "+" : has(' ') ? " " : "";
        std::string end = v < 0 && has('(') ? ")" : "";
        if (has('0')) while (static_cast<int>(sign.size() + digits.size() + end.size()) < width) digits.insert(0, "0");
        out = sign + digits + end;
        break;
      }
      case 'x': case 'o': {
        if (!type.is_integral()) illegal();
        int64_t v = integer();
        uint64_t u = static_cast<uint64_t>(v);
        if (type.id() == plan::TypeId::kInt) u = static_cast<uint32_t>(v);
        if (type.id() == plan::TypeId::kShort) u = static_cast<uint16_t>(v);
        if (type.id() == plan::TypeId::kByte) u = static_cast<uint8_t>(v);
        char b[32];
        std::snprintf(b, sizeof b, lower == 'x' ? "%lx" : "%lo", u);
        out = b;
        if (has('#')) out = (lower == 'x' ? "0x" : "0") + out;
        if (has('0')) while (static_cast<int>(out.size()) < width) out.insert(0, "0");
        break;
      }
      case 'f': case 'e': case 'g': {
        double v = 0;
        std::string body;
        int places = precision < 0 ? 6 : precision;
        bool negative = false;
        if (type.id() == plan::TypeId::kDecimal) {
          Int128 u = decimal_value(d, row);
          negative = u < 0;
          v = decimal_to_double(u < 0 ? -u : u, type.scale());
          auto r = rescale(u < 0 ? -u : u, type.scale(), places);
          if (lower == 'f' && r) body = decimal_string(*r, places);
        } else if (type.id() == plan::TypeId::kDouble || type.id() == plan::TypeId::kFloat) {
          v = type.id() == plan::TypeId::kDouble ? value<double>(d, row) : static_cast<double>(value<float>(d, row));
          negative = std::signbit(v) && !std::isnan(v);
          v = std::fabs(v);
          // Java rounds the shortest text half up.
          auto r = lower == 'f' ? double_to_decimal(v, 38, places) : std::nullopt;
          if (r) body = decimal_string(*r, places);
        } else {
          illegal();
        }
        if (std::isnan(v)) body = "NaN";
        else if (std::isinf(v)) body = "Infinity";
        else if (body.empty()) {
          char b[512];
          if (lower == 'g') {
            if (places == 0) places = 1;
            if (v != 0 && (v < 1e-4 || v >= std::pow(10, places))) std::snprintf(b, sizeof b, "%.*e", places - 1, v);
            else std::snprintf(b, sizeof b, "%.*f", v == 0 ? places - 1 : std::max(0, places - 1 - static_cast<int>(std::floor(std::log10(v)))), v);
          } else {
            std::snprintf(b, sizeof b, lower == 'f' ? "%.*f" : "%.*e", places, v);
          }
          body = b;
        }
        if (has(',')) {
          size_t p = body.find('.');
          body = grouped(body.substr(0, p)) + (p == std::string::npos ? "" : body.substr(p));
        }
        std::string sign = negative ? (has('(') ? "(" : "-") : has('+') ? "+" : has(' ') ? " " : "", end = negative && has('(') ? ")" : "";
        if (has('0')) while (static_cast<int>(sign.size() + body.size() + end.size()) < width) body.insert(0, "0");
        out = sign + body + end;
        break;
      }
      default: fail("INTERNAL_ERROR", ErrorKind::kIllegalArgument, {{"message", std::string("UnknownFormatConversionException: Conversion = '") + conversion + "'"}});
    }
  }
  if (conversion != lower) out = upper(out);
  int64_t length = utf8::length(out);
  if (length < width) {
    std::string pad(static_cast<size_t>(width - length), ' ');
    out = has('-') ? out + pad : pad + out;
  }
  return out;
}

}  // namespace

void register_text(Kernels& k) {
  k.scalar<Text(Bytes)>("spark_base64", base64);
  k.scalar<Bytes(Text)>("spark_unbase64", unbase64);
  k.scalar<Bytes(Text, Text)>("spark_strict_unbase64", [](std::string_view s, std::string_view m) -> std::optional<std::string> {
    if (is_base64(s)) return unbase64(s);
    if (mode_of(m) != Mode::kTry) fail("CONVERSION_INVALID_INPUT", ErrorKind::kIllegalArgument, {{"str", quote_value(s)}, {"fmt", "'BASE64'"}, {"targetType", "\"BINARY\""}, {"suggestion", "`try_to_binary`"}});
    return {};
  });
  k.scalar<Bytes(Text, Text, bool, bool)>("spark_encode", encode_text);
  k.scalar<Text(Bytes, Text, bool, bool)>("spark_decode", decode_text);
  k.scalar<Text(double, int32_t)>("spark_format_number", format_double);
  k.scalar<Text(double, Text)>("spark_format_number", [](double v, std::string_view p) { return format_pattern(plain_double(v), p); });
  k.scalar<Text(float, int32_t)>("spark_format_number", [](float v, int32_t p) { return format_double(static_cast<double>(v), p); });
  k.scalar<Text(int64_t, int32_t)>("spark_format_number", [](int64_t v, int32_t p) -> std::optional<std::string> { if (p < 0) return {}; return fixed_text(std::to_string(v), p); });
  k.scalar<Text(int64_t, Text)>("spark_format_number", [](int64_t v, std::string_view p) { return format_pattern(std::to_string(v), p); });
  for (bool pattern : {false, true}) {
    duckdb::ScalarFunction s("spark_format_number", {duckdb::LogicalType(duckdb::LogicalTypeId::DECIMAL), pattern ? duckdb::LogicalType::VARCHAR : duckdb::LogicalType::INTEGER}, duckdb::LogicalType::VARCHAR,
                             [pattern](duckdb::DataChunk& in, duckdb::ExpressionState&, duckdb::Vector& result) {
                               DecimalReader a(in.data[0], in.size());
                               duckdb::UnifiedVectorFormat p;
                               in.data[1].ToUnifiedFormat(in.size(), p);
                               result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
                               for (duckdb::idx_t i = 0; i < in.size(); ++i) {
                                 auto at = p.sel->get_index(i);
                                 std::optional<std::string> text;
                                 if (a.valid(i) && p.validity.RowIsValid(at)) {
                                   std::string plain = decimal_string(a.get(i), a.scale);
                                   if (pattern) {
                                     const auto& f = duckdb::UnifiedVectorFormat::GetData<duckdb::string_t>(p)[at];
                                     text = format_pattern(plain, {f.GetData(), f.GetSize()});
                                   } else if (int32_t n = duckdb::UnifiedVectorFormat::GetData<int32_t>(p)[at]; n >= 0) {
                                     text = fixed_text(plain, n);
                                   }
                                 }
                                 if (text) duckdb::FlatVector::GetData<duckdb::string_t>(result)[i] = duckdb::StringVector::AddString(result, *text);
                                 else duckdb::FlatVector::SetNull(result, i, true);
                               }
                             }, bind_decimal_argument<0>);
    s.SetFallible();
    s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
    k.add(std::move(s));
  }
  k.scalar<Text(Text)>("spark_soundex", soundex);
  k.scalar<bool(Text)>("spark_luhn_check", luhn);
  k.nullable<Text(Text, Text, Text, Text, Text)>("spark_mask", [](std::optional<std::string_view> s, std::optional<std::string_view> u, std::optional<std::string_view> l, std::optional<std::string_view> d, std::optional<std::string_view> o) -> std::optional<std::string> {
    if (!s) return {};
    return mask(*s, u, l, d, o);
  });
  k.scalar<Text(Text)>("spark_quote", [](std::string_view s) {
    std::string out = "'";
    for (char c : s) {
      if (c == '\'' || c == '\\') out += '\\';
      out += c;
    }
    return out + "'";
  });
  k.scalar<bool(Text)>("spark_is_valid_utf8", [](std::string_view s) { return utf8::is_valid(s); });
  k.scalar<bool(Bytes)>("spark_is_valid_utf8_binary", [](std::string_view s) { return utf8::is_valid(s); });
  k.scalar<Text(Bytes)>("spark_make_valid_utf8_binary", [](std::string_view s) { return utf8::make_valid(s); });
  k.scalar<Text(Bytes)>("spark_validate_utf8_binary", [](std::string_view s) -> std::string_view {
    if (!utf8::is_valid(s)) fail("INVALID_UTF8_STRING", ErrorKind::kIllegalArgument, {{"str", utf8::make_valid(s)}});
    return s;
  });
  k.scalar<Text(Bytes)>("spark_try_validate_utf8_binary", [](std::string_view s) -> std::optional<std::string> { if (!utf8::is_valid(s)) return {}; return std::string(s); });
  k.scalar<Text(Text)>("spark_make_valid_utf8", [](std::string_view s) { return utf8::make_valid(s); });
  k.scalar<Text(Text)>("spark_validate_utf8", [](std::string_view s) -> std::string_view {
    if (!utf8::is_valid(s)) fail("INVALID_UTF8_STRING", ErrorKind::kIllegalArgument, {{"str", std::string(s)}});
    return s;
  });
  k.scalar<Text(Text)>("spark_try_validate_utf8", [](std::string_view s) -> std::optional<std::string> { if (!utf8::is_valid(s)) return {}; return std::string(s); });
  k.scalar<Text(Text)>("spark_url_encode", url_encode);
  k.scalar<Text(Text)>("spark_url_decode", [](std::string_view s) {
    auto v = url_decode(s);
    if (!v) fail("CANNOT_DECODE_URL", ErrorKind::kIllegalArgument, {{"url", std::string(s)}});
    return *v;
  });
  k.scalar<Text(Text)>("spark_try_url_decode", url_decode);
  for (bool fails : {true, false}) {
    const char* name = fails ? "spark_parse_url" : "spark_try_parse_url";
    k.scalar<Text(Text, Text)>(name, [fails](std::string_view u, std::string_view p) { return parse_url(u, p, {}, fails); });
    k.scalar<Text(Text, Text, Text)>(name, [fails](std::string_view u, std::string_view p, std::string_view key) { return parse_url(u, p, key, fails); });
    duckdb::ScalarFunction s(fails ? "spark_to_number" : "spark_try_to_number", {duckdb::LogicalType::VARCHAR, duckdb::LogicalType::VARCHAR, duckdb::LogicalType::INTEGER, duckdb::LogicalType::INTEGER}, duckdb::LogicalType::DECIMAL(38, 0),
                             [fails](duckdb::DataChunk& in, duckdb::ExpressionState&, duckdb::Vector& result) {
                               duckdb::UnifiedVectorFormat a, f;
                               in.data[0].ToUnifiedFormat(in.size(), a);
                               in.data[1].ToUnifiedFormat(in.size(), f);
                               DecimalWriter out(result);
                               for (duckdb::idx_t i = 0; i < in.size(); ++i) {
                                 auto x = a.sel->get_index(i), y = f.sel->get_index(i);
                                 if (!a.validity.RowIsValid(x) || !f.validity.RowIsValid(y)) { out.null(i); continue; }
                                 const auto& s1 = duckdb::UnifiedVectorFormat::GetData<duckdb::string_t>(a)[x];
                                 const auto& s2 = duckdb::UnifiedVectorFormat::GetData<duckdb::string_t>(f)[y];
                                 auto v = to_number({s1.GetData(), s1.GetSize()}, {s2.GetData(), s2.GetSize()}, out.scale, fails);
                                 if (v) out.set(i, *v);
                                 else out.null(i);
                               }
                             },
                             bind_decimal_result<2>);
    s.SetFallible();
    s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
    k.add(std::move(s));
  }
  k.scalar<Text(Text, Text)>("spark_to_char", to_char);
  {
    // ([type JSON …], zone, format, argument …)
    duckdb::ScalarFunction s("spark_format_string", {duckdb::LogicalType::LIST(duckdb::LogicalType::VARCHAR), duckdb::LogicalType::VARCHAR, duckdb::LogicalType::VARCHAR}, duckdb::LogicalType::VARCHAR,
                             [](duckdb::DataChunk& in, duckdb::ExpressionState&, duckdb::Vector& result) {
                               duckdb::Value types = in.data[0].GetValue(0);
                               std::vector<plan::DataType> t;
                               for (auto& v : duckdb::ListValue::GetChildren(types)) t.push_back(type_of_json(v.GetValue<std::string>()));
                               TextStyle style;
                               style.zone = TimeZone::get(constant_text(in.data[1]));
                               const size_t n = in.ColumnCount() - 3;
                               std::vector<duckdb::RecursiveUnifiedVectorFormat> d(n);
                               for (size_t a = 0; a < n; ++a) duckdb::Vector::RecursiveToUnifiedFormat(in.data[a + 3], in.size(), d[a]);
                               duckdb::UnifiedVectorFormat f;
                               in.data[2].ToUnifiedFormat(in.size(), f);
                               result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
                               for (duckdb::idx_t i = 0; i < in.size(); ++i) {
                                 auto at = f.sel->get_index(i);
                                 if (!f.validity.RowIsValid(at)) { duckdb::FlatVector::SetNull(result, i, true); continue; }
                                 const auto& ft = duckdb::UnifiedVectorFormat::GetData<duckdb::string_t>(f)[at];
                                 std::string_view s(ft.GetData(), ft.GetSize());
                                 std::string out;
                                 size_t next = 0, last = 0;
                                 for (size_t p = 0; p < s.size(); ++p) {
                                   if (s[p] != '%') { out += s[p]; continue; }
                                   ++p;
                                   auto number = [&]() { int v = -1; while (p < s.size() && s[p] >= '0' && s[p] <= '9') v = std::max(v, 0) * 10 + (s[p++] - '0'); return v; };
                                   size_t mark = p;
                                   int index = number();
                                   if (!(p < s.size() && s[p] == '$')) { p = mark; index = -1; }
                                   else ++p;
                                   bool same = false;
                                   std::string flags;
                                   while (p < s.size() && std::string_view("-#+ 0,(<").find(s[p]) != std::string_view::npos) { if (s[p] == '<') same = true; flags += s[p++]; }
                                   int width = number(), precision = -1;
                                   if (p < s.size() && s[p] == '.') { ++p; precision = number(); }
                                   if (p >= s.size()) fail("INTERNAL_ERROR", ErrorKind::kIllegalArgument, {{"message", "UnknownFormatConversionException: Conversion = '%'"}});
                                   if (s[p] == '%') { out += '%'; continue; }
                                   if (s[p] == 'n') { out += '\n'; continue; }
                                   size_t a = same ? last : index > 0 ? static_cast<size_t>(index) - 1 : next++;
                                   if (index == 0) fail("INVALID_PARAMETER_VALUE.ZERO_INDEX", ErrorKind::kIllegalArgument, {{"parameter", "`strfmt`"}, {"functionName", "`format_string`"}});
                                   if (a >= n) fail("INTERNAL_ERROR", ErrorKind::kIllegalArgument, {{"message", "MissingFormatArgumentException: Format specifier '%" + std::string(1, s[p]) + "'"}});
                                   last = a;
                                   out += format_one(s[p], flags, std::max(width, 0), precision, t[a + 1], d[a], i, style);
                                 }
                                 duckdb::FlatVector::GetData<duckdb::string_t>(result)[i] = duckdb::StringVector::AddString(result, out);
                               }
                             });
    s.SetVarArgs(duckdb::LogicalType::ANY);
    s.SetFallible();
    s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
    k.add(std::move(s));
  }
}

}  // namespace tarn::engine::kernels
