#include "engine/legacy_date_format.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>

#include "base/spark_error.h"
#include "engine/datetime_format.h"
#include "engine/datetime_parse.h"
#include "engine/time_zone.h"

namespace tarn::engine {
namespace {

constexpr int64_t kMicrosPerSecond = 1'000'000, kMicrosPerDay = 86'400 * kMicrosPerSecond;
constexpr std::array<std::string_view, 12> kMonths = {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"};
constexpr std::array<std::string_view, 7> kDays = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
constexpr int64_t kGregorianStart = -141427;  // 1582-10-15; days before it are of the Julian calendar

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

[[noreturn]] void bad_pattern(std::string_view pattern) {
  throw SparkError(ErrorKind::kRuntime, "INVALID_DATETIME_PATTERN.WITH_SUGGESTION", {{"pattern", "'" + std::string(pattern) + "'"}, {"docroot", "https://spark.apache.org/docs/4.2.0"}});
}

// Sunday = 0. Before 1582-10-15 the same year, month and day fall on another day of the week.
int weekday(int64_t days, const CivilDate& d) {
  if (days < kGregorianStart) {
    const int64_t y = d.month <= 2 ? d.year + 4799 : d.year + 4800, m = d.month <= 2 ? d.month + 9 : d.month - 3;
    const int64_t julian = d.day + (153 * m + 2) / 5 + 365 * y + floor_div(y, 4) - 32083;  // Julian day number
    return static_cast<int>((julian + 1) % 7);
  }
  return static_cast<int>((days % 7 + 11) % 7);  // 1970-01-01 was a Thursday
}
int day_of_year(const CivilDate& d) {
  int n = d.day;
  for (int m = 1; m < d.month; ++m) n += days_in_month(d.year, m);
  return n;
}

void number(int64_t v, int digits, std::string& out) {
  std::string text = std::to_string(v < 0 ? -v : v);
  if (v < 0) out += '-';
  if (static_cast<int>(text.size()) < digits) out.append(static_cast<size_t>(digits) - text.size(), '0');
  out += text;
}

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), text.begin(), [](char a, char b) {
           return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
         });
}

// The index of the name, long or its first three letters, that text starts with; its length is taken off the text.
template <size_t N> std::optional<int> take_name(std::string_view& text, const std::array<std::string_view, N>& names) {
  for (bool whole : {true, false})
    for (size_t i = 0; i < N; ++i) {
      std::string_view name = whole ? names[i] : names[i].substr(0, 3);
      if (!starts_with_ignoring_case(text, name)) continue;
      text.remove_prefix(name.size());
      return static_cast<int>(i);
    }
  return {};
}

std::optional<int64_t> take_number(std::string_view& text, size_t most) {
  size_t i = 0;
  const size_t end = std::min(most, text.size());
  const bool negative = i < end && text[i] == '-';
  if (negative) ++i;
  const size_t first = i;
  int64_t v = 0;
  for (; i < end && std::isdigit(static_cast<unsigned char>(text[i])); ++i) {
    if (v > 99'999'999'999) return {};
    v = v * 10 + (text[i] - '0');
  }
  if (i == first) return {};
  text.remove_prefix(i);
  return negative ? -v : v;
}

// Seconds east of UTC of "+hh", "+hhmm" or "+hh:mm".
std::optional<int64_t> take_offset(std::string_view& text) {
  if (text.empty() || (text[0] != '+' && text[0] != '-')) return {};
  const int sign = text[0] == '-' ? -1 : 1;
  size_t i = 1, n = 0;
  int64_t digits[4] = {};
  while (i < text.size() && n < 4) {
    if (text[i] == ':' && n > 0) { ++i; continue; }
    if (!std::isdigit(static_cast<unsigned char>(text[i]))) break;
    digits[n++] = text[i++] - '0';
  }
  if (n == 0 || n == 3) return {};
  text.remove_prefix(i);
  const int64_t hours = n == 1 ? digits[0] : digits[0] * 10 + digits[1], minutes = n == 4 ? digits[2] * 10 + digits[3] : 0;
  if (hours > 23 || minutes > 59) return {};
  return sign * (hours * 3600 + minutes * 60);
}

struct Fields {
  std::optional<int64_t> era, year, month, day, day_of_year, weekday, iso_weekday, ampm, hour24, hour12, minute, second, millis, offset;
  bool year_day_last = false;  // D stands behind d
  std::shared_ptr<const TimeZone> zone;
};

bool take_zone(std::string_view& text, Fields& f) {
  if ((f.offset = take_offset(text))) return true;
  if (starts_with_ignoring_case(text, "GMT") && text.size() > 3 && (text[3] == '+' || text[3] == '-')) {
    text.remove_prefix(3);
    return (f.offset = take_offset(text)).has_value();
  }
  size_t n = 0;
  while (n < text.size() && (std::isalnum(static_cast<unsigned char>(text[n])) || text[n] == '/' || text[n] == '_')) ++n;
  // The abbreviations say whether they mean daylight saving time, whatever the date.
  static constexpr std::pair<std::string_view, int> kUnitedStates[] = {{"PST", -8}, {"PDT", -7}, {"MST", -7}, {"MDT", -6}, {"CST", -6}, {"CDT", -5}, {"EST", -5}, {"EDT", -4}};
  for (const auto& [name, hours] : kUnitedStates)
    if (n == 3 && starts_with_ignoring_case(text, name)) {
      f.offset = hours * 3600;
      text.remove_prefix(3);
      return true;
    }
  for (; n > 0; --n)
    if (auto zone = TimeZone::find(text.substr(0, n))) {
      f.zone = zone;
      text.remove_prefix(n);
      return true;
    }
  return false;
}

}  // namespace

std::shared_ptr<const LegacyDateFormat> LegacyDateFormat::compile(std::string_view pattern) {
  auto out = std::make_shared<LegacyDateFormat>();
  auto literal = [&](char c) {
    if (out->items_.empty() || out->items_.back().letter) out->items_.emplace_back();
    out->items_.back().text += c;
  };
  bool quoted = false;
  for (size_t i = 0; i < pattern.size();) {
    const char c = pattern[i];
    if (c == '\'') {
      if (i + 1 < pattern.size() && pattern[i + 1] == '\'') {
        literal('\'');
        i += 2;
      } else {
        quoted = !quoted;
        ++i;
      }
      continue;
    }
    if (quoted || !std::isalpha(static_cast<unsigned char>(c)) || static_cast<unsigned char>(c) >= 128) {
      literal(c);
      ++i;
      continue;
    }
    if (!std::strchr("GyMdkHmsSEDFwWahKzZYuXL", c)) bad_pattern(pattern);
    Item item;
    item.letter = c;
    while (i < pattern.size() && pattern[i] == c) ++i, ++item.count;
    if (c == 'X' && item.count > 3) bad_pattern(pattern);
    if (c == 'z') item.zone_name = DateTimeFormat::compile(item.count >= 4 ? "zzzz" : "z", false);
    out->items_.push_back(std::move(item));
  }
  if (quoted) bad_pattern(pattern);
  return out;
}

void LegacyDateFormat::format(int64_t utc_micros, const TimeZone& zone, std::string& out) const {
  const int64_t local = zone.utc_to_local_micros(utc_micros), days = floor_div(local, kMicrosPerDay), in_day = local - days * kMicrosPerDay;
  const int64_t second_of_day = in_day / kMicrosPerSecond, hour = second_of_day / 3600;
  const CivilDate d = civil_from_days(days);
  const int dow = weekday(days, d), doy = day_of_year(d);
  // Weeks start on Sunday; the first one holds the first day.
  const int first_of_year = ((dow - (doy - 1)) % 7 + 7) % 7, year_length = days_in_month(d.year, 2) + 337;
  int week = (doy - 1 + first_of_year) / 7 + 1;
  int64_t week_year = d.year;
  if (doy + (6 - dow) > year_length) week = 1, ++week_year;
  for (const Item& item : items_) {
    const int n = item.count;
    switch (item.letter) {
      case 0: out += item.text; break;
      case 'G': out += d.year > 0 ? "AD" : "BC"; break;
      case 'y': case 'Y': {
        int64_t y = item.letter == 'y' ? d.year : week_year;
        if (y <= 0) y = 1 - y;
        if (n == 2) number(y % 100, 2, out);
        else number(y, n, out);
        break;
      }
      case 'M': case 'L': {
        std::string_view name = kMonths[static_cast<size_t>(d.month - 1)];
        if (n >= 4) out += name;
        else if (n == 3) out += name.substr(0, 3);
        else number(d.month, n, out);
        break;
      }
      case 'd': number(d.day, n, out); break;
      case 'D': number(doy, n, out); break;
      case 'F': number((d.day - 1) / 7 + 1, n, out); break;
      case 'w': number(week, n, out); break;
      case 'W': number((d.day - 1 + ((dow - (d.day - 1)) % 7 + 7) % 7) / 7 + 1, n, out); break;
      case 'E': {
        std::string_view name = kDays[static_cast<size_t>(dow)];
        out += n >= 4 ? name : name.substr(0, 3);
        break;
      }
      case 'u': number(dow == 0 ? 7 : dow, n, out); break;
      case 'a': out += hour < 12 ? "AM" : "PM"; break;
      case 'H': number(hour, n, out); break;
      case 'k': number(hour == 0 ? 24 : hour, n, out); break;
      case 'K': number(hour % 12, n, out); break;
      case 'h': number(hour % 12 == 0 ? 12 : hour % 12, n, out); break;
      case 'm': number(second_of_day / 60 % 60, n, out); break;
      case 's': number(second_of_day % 60, n, out); break;
      case 'S': number(in_day / 1000 % 1000, n, out); break;
      case 'z': item.zone_name->format_timestamp(utc_micros, zone, out); break;
      default: {  // Z, X
        const int64_t offset = (local - utc_micros) / kMicrosPerSecond, minutes = (offset < 0 ? -offset : offset) / 60;
        if (item.letter == 'X' && offset == 0) { out += 'Z'; break; }
        out += offset < 0 ? '-' : '+';
        number(minutes / 60, 2, out);
        if (item.letter == 'X' && n == 1) break;
        if (item.letter == 'X' && n == 3) out += ':';
        number(minutes % 60, 2, out);
      }
    }
  }
}

std::optional<int64_t> LegacyDateFormat::parse(std::string_view text, const TimeZone& zone) const {
  Fields f;
  for (size_t i = 0; i < items_.size(); ++i) {
    const Item& item = items_[i];
    if (item.letter == 0) {
      if (text.substr(0, item.text.size()) != item.text) return {};
      text.remove_prefix(item.text.size());
      continue;
    }
    while (!text.empty() && (text[0] == ' ' || text[0] == '\t')) text.remove_prefix(1);
    if (text.empty()) return {};
    // A number that another field follows without a literal between takes just its count of digits.
    const bool abutting = i + 1 < items_.size() && items_[i + 1].letter != 0;
    const auto most = abutting ? static_cast<size_t>(item.count) : text.size();
    auto numeric = [&](std::optional<int64_t>& to) {
      if (abutting && text.size() < most) return false;
      to = take_number(text, most);
      return to.has_value();
    };
    bool ok = true;
    switch (item.letter) {
      case 'G':
        if (starts_with_ignoring_case(text, "AD")) f.era = 1;
        else if (starts_with_ignoring_case(text, "BC")) f.era = 0;
        else return {};
        text.remove_prefix(2);
        break;
      case 'y': case 'Y': {
        const size_t before = text.size();
        ok = numeric(f.year);
        if (ok && item.count <= 2 && before - text.size() == 2 && *f.year >= 0) *f.year += *f.year < 46 ? 2000 : 1900;
        break;
      }
      case 'M': case 'L':
        if (item.count <= 2) ok = numeric(f.month);
        else if (auto m = take_name(text, kMonths)) f.month = *m + 1;
        else return {};
        break;
      case 'E':
        if (auto d = take_name(text, kDays)) f.weekday = *d;
        else return {};
        break;
      case 'a':
        if (starts_with_ignoring_case(text, "AM")) f.ampm = 0;
        else if (starts_with_ignoring_case(text, "PM")) f.ampm = 1;
        else return {};
        text.remove_prefix(2);
        break;
      case 'd':
        ok = numeric(f.day);
        f.year_day_last = false;
        break;
      case 'D':
        ok = numeric(f.day_of_year);
        f.year_day_last = true;
        break;
      case 'u': ok = numeric(f.iso_weekday); break;
      case 'H': ok = numeric(f.hour24) && *f.hour24 >= 0 && *f.hour24 <= 23; break;
      case 'k':
        ok = numeric(f.hour24) && *f.hour24 >= 1 && *f.hour24 <= 24;
        if (ok) *f.hour24 %= 24;
        break;
      case 'K': ok = numeric(f.hour12) && *f.hour12 >= 0 && *f.hour12 <= 11; break;
      case 'h':
        ok = numeric(f.hour12) && *f.hour12 >= 1 && *f.hour12 <= 12;
        if (ok) *f.hour12 %= 12;
        break;
      case 'm': ok = numeric(f.minute) && *f.minute >= 0 && *f.minute <= 59; break;
      case 's': ok = numeric(f.second) && *f.second >= 0 && *f.second <= 59; break;
      case 'S': ok = numeric(f.millis) && *f.millis >= 0 && *f.millis <= 999; break;
      case 'X':
        if (text[0] == 'Z') {
          f.offset = 0;
          text.remove_prefix(1);
        } else {
          ok = (f.offset = take_offset(text)).has_value();
        }
        break;
      case 'z': case 'Z': ok = take_zone(text, f); break;
      default: {  // F, w, W: read, and of no use without the other fields of a week
        std::optional<int64_t> ignored;
        ok = numeric(ignored);
      }
    }
    if (!ok) return {};
  }
  int64_t year = f.year.value_or(1970);
  if (f.era && *f.era == 0) year = 1 - year;
  if (year < -290000 || year > 294247) return {};
  int64_t days;
  // Of the day of the month and that of the year the one read last says the date; all that was read has to agree with it.
  if (f.day_of_year && (!f.day || f.year_day_last)) {
    if (*f.day_of_year < 1 || *f.day_of_year > 337 + days_in_month(year, 2)) return {};
    days = days_from_civil(year, 1, 1) + *f.day_of_year - 1;
    const CivilDate d = civil_from_days(days);
    if ((f.month && *f.month != d.month) || (f.day && *f.day != d.day)) return {};
  } else {
    const int64_t month = f.month.value_or(1), day = f.day.value_or(1);
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, static_cast<int>(month))) return {};
    days = days_from_civil(year, static_cast<int>(month), static_cast<int>(day));
    if (f.day_of_year && *f.day_of_year != day_of_year(civil_from_days(days))) return {};
  }
  if (f.year && f.month && f.day) {
    const int dow = weekday(days, civil_from_days(days));
    if (f.weekday && *f.weekday != dow) return {};
    if (f.iso_weekday && *f.iso_weekday % 7 != dow) return {};
  }
  const int64_t hour = f.hour24 ? *f.hour24 : f.hour12.value_or(0) + 12 * f.ampm.value_or(0);
  const int64_t local = days * kMicrosPerDay + ((hour * 60 + f.minute.value_or(0)) * 60 + f.second.value_or(0)) * kMicrosPerSecond + f.millis.value_or(0) * 1000;
  if (f.offset) return local - *f.offset * kMicrosPerSecond;
  return (f.zone ? *f.zone : zone).local_to_utc_micros(local);
}

}  // namespace tarn::engine
