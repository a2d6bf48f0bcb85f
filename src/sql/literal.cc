// Texts of typed literals -> values. Pure functions; they answer nothing for a text that is no such value.
// Source of the rules: Spark's SparkDateTimeUtils, SparkParserUtils, Hex.
#include <algorithm>

#include "sql/parser_impl.h"

namespace tarn::sql {
namespace {

void append_utf8(std::string* out, uint32_t c) {
  if (c >= 0xD800 && c <= 0xDFFF) {  // a lone surrogate has no UTF-8
    *out += '?';
  } else if (c < 0x80) {
    *out += static_cast<char>(c);
  } else if (c < 0x800) {
    *out += static_cast<char>(0xC0 | (c >> 6));
    *out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    *out += static_cast<char>(0xE0 | (c >> 12));
    *out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    *out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    *out += static_cast<char>(0xF0 | (c >> 18));
    *out += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
    *out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    *out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<uint32_t> hex_number(std::string_view s, size_t at, size_t digits, size_t limit) {
  if (at + digits > limit) return std::nullopt;
  uint64_t v = 0;
  for (size_t i = 0; i < digits; ++i) {
    int d = hex_digit(s[at + i]);
    if (d < 0) return std::nullopt;
    v = v * 16 + static_cast<uint64_t>(d);
  }
  return static_cast<uint32_t>(v);
}

bool is_trimmed(unsigned char c) { return c <= 0x20 || c == 0x7F; }

std::string_view trim_controls(std::string_view s) {
  while (!s.empty() && is_trimmed(static_cast<unsigned char>(s.front()))) s.remove_prefix(1);
  while (!s.empty() && is_trimmed(static_cast<unsigned char>(s.back()))) s.remove_suffix(1);
  return s;
}

bool valid_date(int64_t y, int m, int d) {
  static const int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (m < 1 || m > 12 || d < 1) return false;
  bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
  return d <= kDays[m - 1] + (m == 2 && leap ? 1 : 0);
}

// Days since 1970-01-01 in the proleptic Gregorian calendar.
int64_t days_from_civil(int64_t y, int m, int d) {
  y -= m <= 2;
  int64_t era = (y >= 0 ? y : y - 399) / 400;
  int64_t yoe = y - era * 400;
  int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
  int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + doe - 719468;
}

}  // namespace

std::string unescape_string(std::string_view q, bool escaped_literals) {
  if (q[0] == 'r' || q[0] == 'R') return std::string(q.substr(2, q.size() - 3));
  if (escaped_literals) return std::string(q.substr(1, q.size() - 2));
  char quote = q[0];
  std::string out;
  size_t end = q.size() - 1;
  for (size_t i = 1; i < end;) {
    char c = q[i];
    if (c == quote && i + 1 < end && q[i + 1] == quote) {
      out += quote;
      i += 2;
      continue;
    }
    if (c != '\\' || i + 1 == end) {
      out += c;
      ++i;
      continue;
    }
    char e = q[++i];
    if (e == 'u') {
      if (auto v = hex_number(q, i + 1, 4, end)) {
        i += 5;
        if (*v >= 0xD800 && *v <= 0xDBFF && i + 1 < end && q[i] == '\\' && q[i + 1] == 'u') {
          auto low = hex_number(q, i + 2, 4, end);
          if (low && *low >= 0xDC00 && *low <= 0xDFFF) {
            append_utf8(&out, 0x10000 + ((*v - 0xD800) << 10) + (*low - 0xDC00));
            i += 6;
            continue;
          }
        }
        append_utf8(&out, *v);
        continue;
      }
    } else if (e == 'U') {
      if (auto v = hex_number(q, i + 1, 8, end)) {
        append_utf8(&out, *v > 0x10FFFF ? 0xD800 : *v);
        i += 9;
        continue;
      }
    } else if (i + 3 <= end && (e == '0' || e == '1') && q[i + 1] >= '0' && q[i + 1] <= '7' && q[i + 2] >= '0' && q[i + 2] <= '7') {
      append_utf8(&out, static_cast<uint32_t>((e - '0') * 64 + (q[i + 1] - '0') * 8 + (q[i + 2] - '0')));
      i += 3;
      continue;
    }
    switch (e) {
      case '0': out += '\0'; break;
      case 'b': out += '\b'; break;
      case 'n': out += '\n'; break;
      case 'r': out += '\r'; break;
      case 't': out += '\t'; break;
      case 'Z': out += '\x1A'; break;
      case '%': out += "\\%"; break;
      case '_': out += "\\_"; break;
      default: out += e;
    }
    ++i;
  }
  return out;
}

std::optional<int32_t> parse_date(std::string_view s) {
  s = trim_controls(s);
  if (s.empty()) return std::nullopt;
  int64_t segments[3] = {1, 1, 1};
  int sign = 1, i = 0, digits = 0;
  int64_t value = 0;
  size_t j = 0;
  if (s[0] == '-' || s[0] == '+') {
    sign = s[0] == '-' ? -1 : 1;
    ++j;
  }
  auto valid = [](int segment, int n) { return segment == 0 ? n >= 4 && n <= 7 : n > 0 && n <= 2; };
  while (j < s.size() && i < 3 && s[j] != ' ' && s[j] != 'T') {
    char b = s[j];
    if (i < 2 && b == '-') {
      if (!valid(i, digits)) return std::nullopt;
      segments[i++] = value;
      value = digits = 0;
    } else {
      if (b < '0' || b > '9' || digits > 9) return std::nullopt;
      value = value * 10 + (b - '0');
      ++digits;
    }
    ++j;
  }
  if (!valid(i, digits)) return std::nullopt;
  if (i < 2 && j < s.size()) return std::nullopt;
  segments[i] = value;
  int64_t year = sign * segments[0];
  if (!valid_date(year, static_cast<int>(segments[1]), static_cast<int>(segments[2]))) return std::nullopt;
  return static_cast<int32_t>(days_from_civil(year, static_cast<int>(segments[1]), static_cast<int>(segments[2])));
}

std::optional<TimestampParts> parse_timestamp(std::string_view s) {
  s = trim_controls(s);
  if (s.empty()) return std::nullopt;
  TimestampParts p;
  int initial[9] = {1, 1, 1, 0, 0, 0, 0, 0, 0};
  std::copy(initial, initial + 9, p.segments);
  int i = 0, digits = 0, fraction_digits = 0, sign = 0;
  int64_t value = 0;
  size_t j = 0;
  auto valid = [](int segment, int n) {
    return segment == 6 || (segment == 0 && n >= 4 && n <= 6) || (segment == 7 && n <= 2) ||
           (segment != 0 && segment != 6 && segment != 7 && n > 0 && n <= 2);
  };
  auto close = [&]() {
    if (!valid(i, digits)) return false;
    p.segments[i] = static_cast<int>(value);
    value = digits = 0;
    ++i;
    return true;
  };
  if (s[0] == '-' || s[0] == '+') {
    sign = s[0] == '-' ? -1 : 1;
    ++j;
  }
  for (; j < s.size(); ++j) {
    char b = s[j];
    if (b >= '0' && b <= '9') {
      if (i == 6) ++fraction_digits;
      if (i != 6 || digits < 6) value = std::min<int64_t>(value * 10 + (b - '0'), 1000000000);
      ++digits;
      continue;
    }
    if (j == 0 && b == 'T') {
      p.time_only = true;
      i += 3;
    } else if (i < 2) {
      if (b == '-') {
        if (!close()) return std::nullopt;
      } else if (i == 0 && b == ':' && sign == 0) {
        p.time_only = true;
        if (!valid(3, digits)) return std::nullopt;
        p.segments[3] = static_cast<int>(value);
        value = digits = 0;
        i = 4;
      } else {
        return std::nullopt;
      }
    } else if (i == 2) {
      if ((b != ' ' && b != 'T') || !close()) return std::nullopt;
    } else if (i == 3 || i == 4) {
      if (b != ':' || !close()) return std::nullopt;
    } else if (i == 5 || i == 6) {
      bool point = b == '.' && i == 5;
      if (!close()) return std::nullopt;
      if (!point) {
        p.has_zone = true;
        p.zone = std::string(s.substr(j));
        while (!p.zone.empty() && p.zone.front() == ' ') p.zone.erase(0, 1);
        j = s.size() - 1;
      }
      if (i == 6 && b != '.') ++i;
    } else {
      return std::nullopt;
    }
  }
  if (!valid(i, digits)) return std::nullopt;
  p.segments[i] = static_cast<int>(value);
  for (; fraction_digits < 6; ++fraction_digits) p.segments[6] *= 10;
  if (sign) p.segments[0] *= sign;
  if (p.has_zone && !fixed_zone_offset(p.zone) && !looks_like_region(p.zone)) return std::nullopt;
  return p;
}

std::optional<int64_t> local_microseconds(const TimestampParts& p) {
  if (p.segments[3] > 23 || p.segments[4] > 59 || p.segments[5] > 59) return std::nullopt;
  int64_t time = ((p.segments[3] * 60LL + p.segments[4]) * 60 + p.segments[5]) * 1000000 + p.segments[6];
  if (p.time_only) return time;
  if (!valid_date(p.segments[0], p.segments[1], p.segments[2])) return std::nullopt;
  __int128 micros = static_cast<__int128>(days_from_civil(p.segments[0], p.segments[1], p.segments[2])) * 86400000000LL + time;
  if (micros > INT64_MAX || micros < INT64_MIN) return std::nullopt;
  return static_cast<int64_t>(micros);
}

std::optional<int64_t> parse_time_nanos(std::string_view s) {
  while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
  bool am = false, pm = false;
  if (s.size() > 2 && (s.back() == 'm' || s.back() == 'M')) {
    char c = s[s.size() - 2];
    am = c == 'a' || c == 'A';
    pm = c == 'p' || c == 'P';
    if (am || pm) s.remove_suffix(2);
  }
  auto p = parse_timestamp(s);
  if (!p || !p->time_only || p->has_zone) return std::nullopt;
  int hour = p->segments[3];
  if (am || pm) {
    if (hour < 1 || hour > 12) return std::nullopt;
    hour = hour % 12 + (pm ? 12 : 0);
  }
  if (hour > 23 || p->segments[4] > 59 || p->segments[5] > 59) return std::nullopt;
  return ((hour * 60LL + p->segments[4]) * 60 + p->segments[5]) * 1000000000 + p->segments[6] * 1000LL;
}

std::optional<int> fixed_zone_offset(std::string_view zone) {
  if (zone == "Z" || zone == "UTC" || zone == "GMT" || zone == "UT") return 0;
  for (std::string_view prefix : {"UTC", "GMT", "UT"}) {
    if (zone.size() > prefix.size() && zone.substr(0, prefix.size()) == prefix) {
      zone.remove_prefix(prefix.size());
      break;
    }
  }
  if (zone.size() < 2 || (zone[0] != '+' && zone[0] != '-')) return std::nullopt;
  int sign = zone[0] == '-' ? -1 : 1;
  zone.remove_prefix(1);
  int parts[3] = {0, 0, 0};
  int n = 0;
  bool colons = zone.find(':') != std::string_view::npos;
  size_t i = 0;
  if (!colons) {
    if (zone.size() > 6 || (zone.size() > 2 && zone.size() % 2)) return std::nullopt;
    for (char c : zone)
      if (c < '0' || c > '9') return std::nullopt;
    for (; i < zone.size(); i += 2) parts[n++] = std::stoi(std::string(zone.substr(i, 2)));
  } else {
    while (i <= zone.size()) {
      size_t end = std::min(zone.find(':', i), zone.size());
      if (n == 3 || end == i || end - i > 2) return std::nullopt;
      for (size_t k = i; k < end; ++k)
        if (zone[k] < '0' || zone[k] > '9') return std::nullopt;
      parts[n++] = std::stoi(std::string(zone.substr(i, end - i)));
      i = end + 1;
    }
  }
  int seconds = parts[0] * 3600 + parts[1] * 60 + parts[2];
  if (parts[1] > 59 || parts[2] > 59 || seconds > 18 * 3600) return std::nullopt;
  return sign * seconds;
}

bool looks_like_region(std::string_view zone) {
  if (zone.size() < 2 || !((zone[0] >= 'A' && zone[0] <= 'Z') || (zone[0] >= 'a' && zone[0] <= 'z'))) return false;
  return std::all_of(zone.begin(), zone.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || std::string_view("~/._+-").find(c) != std::string_view::npos;
  });
}

std::optional<std::string> parse_hex(std::string_view s) {
  std::string out;
  size_t i = 0;
  if (s.size() % 2) {
    int d = hex_digit(s[0]);
    if (d < 0) return std::nullopt;
    out += static_cast<char>(d);
    i = 1;
  }
  for (; i < s.size(); i += 2) {
    int a = hex_digit(s[i]), b = hex_digit(s[i + 1]);
    if (a < 0 || b < 0) return std::nullopt;
    out += static_cast<char>(a * 16 + b);
  }
  return out;
}

}  // namespace tarn::sql
