#include "engine/datetime_parse.h"

#include <charconv>
#include <chrono>
#include <cstring>

#include "engine/time_zone.h"

namespace tarn::engine {

bool is_leap_year(int64_t y) { return (y & 3) == 0 && (y % 100 != 0 || y % 400 == 0); }

int days_in_month(int64_t year, int month) {
  static const int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && is_leap_year(year) ? 29 : kDays[month - 1];
}

int64_t days_from_civil(int64_t y, int m, int d) {
  y -= m <= 2;
  int64_t era = (y >= 0 ? y : y - 399) / 400;
  int64_t yoe = y - era * 400;
  int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
  int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + doe - 719468;
}

CivilDate civil_from_days(int64_t z) {
  z += 719468;
  int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  int64_t doe = z - era * 146097;
  int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  int64_t y = yoe + era * 400;
  int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  int64_t mp = (5 * doy + 2) / 153;
  int d = static_cast<int>(doy - (153 * mp + 2) / 5 + 1);
  int m = static_cast<int>(mp < 10 ? mp + 3 : mp - 9);
  return {y + (m <= 2), m, d};
}

namespace {

constexpr int64_t kMicrosPerSecond = 1000000;
constexpr int64_t kMicrosPerDay = 86400 * kMicrosPerSecond;

bool is_trimmed(char c) {
  auto b = static_cast<unsigned char>(c);
  return b <= 0x20 || b == 0x7f;
}

std::optional<int64_t> valid_days(int64_t y, int m, int d) {
  if (m < 1 || m > 12 || d < 1 || d > days_in_month(y, m)) return std::nullopt;
  return days_from_civil(y, m, d);
}

int two_digits(const char* p) {
  unsigned a = static_cast<unsigned char>(p[0]) - '0', b = static_cast<unsigned char>(p[1]) - '0';
  return a > 9 || b > 9 ? -1 : static_cast<int>(a * 10 + b);
}

struct TimestampParts {
  int64_t year = 1;
  int month = 1, day = 1, hour = 0, minute = 0, second = 0, micros = 0;
  bool just_time = false;
  bool has_zone = false;
  std::string_view zone;
};

// yyyy-MM-dd{ |T}HH:mm:ss[.S…] without a zone: nearly all data. False: not of this form, the general parser decides.
bool parse_common(std::string_view s, TimestampParts& out) {
  if (s.size() < 19 || s.size() > 26) return false;
  const char* p = s.data();
  int hi = two_digits(p), lo = two_digits(p + 2);
  out.month = two_digits(p + 5);
  out.day = two_digits(p + 8);
  out.hour = two_digits(p + 11);
  out.minute = two_digits(p + 14);
  out.second = two_digits(p + 17);
  if ((hi | lo | out.month | out.day | out.hour | out.minute | out.second) < 0) return false;
  if (p[4] != '-' || p[7] != '-' || (p[10] != ' ' && p[10] != 'T') || p[13] != ':' || p[16] != ':') return false;
  out.year = hi * 100 + lo;
  if (s.size() > 19) {
    if (p[19] != '.') return false;
    int micros = 0;
    for (size_t i = 20; i < 26; ++i) {
      micros *= 10;
      if (i < s.size()) {
        unsigned c = static_cast<unsigned char>(p[i]) - '0';
        if (c > 9) return false;
        micros += static_cast<int>(c);
      }
    }
    out.micros = micros;
  }
  return true;
}

// The state machine of Spark's parseTimestampString. Segments: 0-2 date, 3-5 time, 6 fraction, 7- zone.
bool parse_general(std::string_view s, TimestampParts& out) {
  auto valid_digits = [](int segment, int digits) {
    if (segment == 6) return true;
    if (segment == 0) return digits >= 4 && digits <= 6;
    if (segment == 7) return digits <= 2;
    return digits > 0 && digits <= 2;
  };
  uint32_t segments[9] = {1, 1, 1, 0, 0, 0, 0, 0, 0};
  int i = 0, digits = 0, fraction_digits = 0;
  uint32_t value = 0;
  size_t j = 0, end = s.size();
  while (j < end && is_trimmed(s[j])) ++j;
  while (end > j + 1 && is_trimmed(s[end - 1])) --end;
  if (j >= end) return false;
  int sign = 1;
  bool has_sign = false;
  if (s[j] == '-' || s[j] == '+') {
    has_sign = true;
    sign = s[j] == '-' ? -1 : 1;
    ++j;
  }
  auto close_segment = [&] {
    if (!valid_digits(i, digits)) return false;
    segments[i] = value;
    value = 0;
    digits = 0;
    return true;
  };
  for (; j < end; ++j) {
    char b = s[j];
    if (b >= '0' && b <= '9') {
      if (i == 6) ++fraction_digits;
      if (i != 6 || digits < 6) value = value * 10 + static_cast<uint32_t>(b - '0');
      ++digits;
      continue;
    }
    if (j == 0 && b == 'T') {
      out.just_time = true;
      i += 3;
    } else if (i < 2) {
      if (b == '-') {
        if (!close_segment()) return false;
        ++i;
      } else if (i == 0 && b == ':' && !has_sign) {
        out.just_time = true;
        if (!valid_digits(3, digits)) return false;
        segments[3] = value;
        value = 0;
        digits = 0;
        i = 4;
      } else {
        return false;
      }
    } else if (i == 2) {
      if ((b != ' ' && b != 'T') || !close_segment()) return false;
      ++i;
    } else if (i == 3 || i == 4) {
      if (b != ':' || !close_segment()) return false;
      ++i;
    } else if (i == 5 || i == 6) {
      if (!close_segment()) return false;
      bool fraction = b == '.' && i == 5;
      ++i;
      if (!fraction) {
        out.has_zone = true;
        out.zone = s.substr(j, end - j);
        j = end - 1;
        if (i == 6 && b != '.') ++i;
      }
    } else {
      if (i >= 9 || (b != ':' && b != ' ') || !close_segment()) return false;
      ++i;
    }
  }
  if (i >= 9 || !valid_digits(i, digits)) return false;
  segments[i] = value;
  for (; fraction_digits < 6; ++fraction_digits) segments[6] *= 10;
  out.year = sign * static_cast<int64_t>(segments[0]);
  out.month = static_cast<int>(segments[1]);
  out.day = static_cast<int>(segments[2]);
  out.hour = static_cast<int>(segments[3]);
  out.minute = static_cast<int>(segments[4]);
  out.second = static_cast<int>(segments[5]);
  out.micros = static_cast<int>(segments[6]);
  while (!out.zone.empty() && static_cast<unsigned char>(out.zone.front()) <= 0x20) out.zone.remove_prefix(1);
  while (!out.zone.empty() && static_cast<unsigned char>(out.zone.back()) <= 0x20) out.zone.remove_suffix(1);
  return true;
}

bool parse_parts(std::string_view s, TimestampParts& out) {
  if (parse_common(s, out)) return true;
  out = TimestampParts();
  return parse_general(s, out);
}

std::optional<int64_t> micros_of_day(const TimestampParts& p) {
  if (p.hour > 23 || p.minute > 59 || p.second > 59) return std::nullopt;
  return (p.hour * 3600LL + p.minute * 60 + p.second) * kMicrosPerSecond + p.micros;
}

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

}  // namespace

std::optional<int32_t> string_to_date(std::string_view s) {
  if (s.size() == 10 && s[4] == '-' && s[7] == '-') {
    int hi = two_digits(s.data()), lo = two_digits(s.data() + 2), m = two_digits(s.data() + 5), d = two_digits(s.data() + 8);
    if ((hi | lo | m | d) >= 0) {
      auto days = valid_days(hi * 100 + lo, m, d);
      return days ? std::optional<int32_t>(static_cast<int32_t>(*days)) : std::nullopt;
    }
  }
  auto valid_digits = [](int segment, int digits) { return segment == 0 ? digits >= 4 && digits <= 7 : digits > 0 && digits <= 2; };
  uint32_t segments[3] = {1, 1, 1}, value = 0;
  int i = 0, digits = 0, sign = 1;
  size_t j = 0, end = s.size();
  while (j < end && is_trimmed(s[j])) ++j;
  while (end > j + 1 && is_trimmed(s[end - 1])) --end;
  if (j >= end) return std::nullopt;
  if (s[j] == '-' || s[j] == '+') {
    sign = s[j] == '-' ? -1 : 1;
    ++j;
  }
  while (j < end && s[j] != ' ' && s[j] != 'T') {
    char b = s[j];
    if (i < 2 && b == '-') {
      if (!valid_digits(i, digits)) return std::nullopt;
      segments[i++] = value;
      value = 0;
      digits = 0;
    } else {
      if (b < '0' || b > '9') return std::nullopt;
      value = value * 10 + static_cast<uint32_t>(b - '0');
      ++digits;
    }
    ++j;
  }
  if (!valid_digits(i, digits)) return std::nullopt;
  if (i < 2 && j < end) return std::nullopt;
  segments[i] = value;
  auto days = valid_days(sign * static_cast<int64_t>(segments[0]), static_cast<int>(segments[1]), static_cast<int>(segments[2]));
  if (!days || *days > INT32_MAX || *days < INT32_MIN) return std::nullopt;
  return static_cast<int32_t>(*days);
}

std::optional<int64_t> string_to_timestamp(std::string_view s, const TimeZone& session_zone, int64_t now_micros) {
  TimestampParts p;
  if (!parse_parts(s, p)) return std::nullopt;
  std::shared_ptr<const TimeZone> own;
  if (p.has_zone && !(own = TimeZone::find(p.zone))) return std::nullopt;
  const TimeZone& zone = own ? *own : session_zone;
  auto time = micros_of_day(p);
  if (!time) return std::nullopt;
  std::optional<int64_t> days;
  if (p.just_time) {
    if (now_micros < 0) {
      now_micros = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
    }
    days = floor_div(zone.utc_to_local_micros(now_micros), kMicrosPerDay);
  } else {
    days = valid_days(p.year, p.month, p.day);
  }
  int64_t local;
  if (!days || __builtin_mul_overflow(*days, kMicrosPerDay, &local) || __builtin_add_overflow(local, *time, &local)) return std::nullopt;
  return zone.local_to_utc_micros(local);
}

std::optional<int64_t> string_to_timestamp_ntz(std::string_view s, bool allow_zone) {
  TimestampParts p;
  if (!parse_parts(s, p) || p.just_time) return std::nullopt;
  if (p.has_zone && (!allow_zone || !TimeZone::find(p.zone))) return std::nullopt;
  auto time = micros_of_day(p);
  auto days = valid_days(p.year, p.month, p.day);
  int64_t local;
  if (!time || !days || __builtin_mul_overflow(*days, kMicrosPerDay, &local) || __builtin_add_overflow(local, *time, &local)) {
    return std::nullopt;
  }
  return local;
}

std::optional<int64_t> string_to_time(std::string_view s) {
  while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
  bool am = false, pm = false;
  if (s.size() > 2 && (s.back() | 0x20) == 'm') {
    char c = static_cast<char>(s[s.size() - 2] | 0x20);
    am = c == 'a';
    pm = c == 'p';
  }
  if (am || pm) s.remove_suffix(2);
  TimestampParts p;
  if (!parse_general(s, p) || !p.just_time || p.has_zone) return std::nullopt;
  if (am || pm) {
    if (p.hour < 1 || p.hour > 12) return std::nullopt;
    if (am && p.hour == 12) p.hour = 0;
    if (pm && p.hour != 12) p.hour += 12;
  }
  auto micros = micros_of_day(p);
  return micros ? std::optional<int64_t>(*micros * 1000) : std::nullopt;
}

namespace {
void append_padded(int64_t value, int width, std::string& out) {
  char buf[24];
  char* end = std::to_chars(buf, buf + sizeof buf, value).ptr;
  for (int n = static_cast<int>(end - buf); n < width; ++n) out.push_back('0');
  out.append(buf, end);
}
void append_time_of_day(int64_t micros, std::string& out) {
  int64_t sec = micros / kMicrosPerSecond;
  append_padded(sec / 3600, 2, out);
  out.push_back(':');
  append_padded(sec / 60 % 60, 2, out);
  out.push_back(':');
  append_padded(sec % 60, 2, out);
  if (int64_t fraction = micros % kMicrosPerSecond) {
    int width = 6;
    while (fraction % 10 == 0) {
      fraction /= 10;
      --width;
    }
    out.push_back('.');
    append_padded(fraction, width, out);
  }
}
}  // namespace

void append_date(int32_t days, std::string& out) {
  CivilDate d = civil_from_days(days);
  if (d.year > 9999) out.push_back('+');
  if (d.year < 0) out.push_back('-');
  append_padded(d.year < 0 ? -d.year : d.year, 4, out);
  out.push_back('-');
  append_padded(d.month, 2, out);
  out.push_back('-');
  append_padded(d.day, 2, out);
}

void append_timestamp(int64_t local_micros, std::string& out) {
  int64_t rest = local_micros % kMicrosPerDay;
  if (rest < 0) rest += kMicrosPerDay;
  append_date(static_cast<int32_t>(floor_div(local_micros, kMicrosPerDay)), out);
  out.push_back(' ');
  append_time_of_day(rest, out);
}

void append_time(int64_t nanos, std::string& out) { append_time_of_day(nanos / 1000, out); }

}  // namespace tarn::engine
