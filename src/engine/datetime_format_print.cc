// Printing with a compiled pattern, and the names of months, days and zones.
#include <charconv>
#include <fstream>
#include <map>
#include <mutex>

#include <unicode/dtfmtsym.h>
#include <unicode/locid.h>
#include <unicode/timezone.h>
#include <unicode/unistr.h>

#include "engine/datetime_format_impl.h"
#include "engine/datetime_parse.h"
#include "engine/time_zone.h"

namespace tarn::engine {
namespace datetime_format_detail {
namespace {

std::vector<std::string> to_utf8(const icu::UnicodeString* names, int32_t count) {
  std::vector<std::string> out;
  for (int32_t i = 0; i < count; ++i) {
    if (names[i].isEmpty()) continue;
    out.emplace_back();
    names[i].toUTF8String(out.back());
  }
  return out;
}

LocaleTexts english() {
  LocaleTexts t;
  t.months[0] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  t.months[1] = {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"};
  t.months_standalone = t.months;
  t.weekdays[0] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
  t.weekdays[1] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
  t.eras[0] = {"BC", "AD"};
  t.eras[1] = {"Before Christ", "Anno Domini"};
  t.quarters[0] = {"Q1", "Q2", "Q3", "Q4"};
  t.quarters[1] = {"1st quarter", "2nd quarter", "3rd quarter", "4th quarter"};
  t.am_pm = {"AM", "PM"};
  return t;
}

LocaleTexts from_icu(const std::string& tag) {
  UErrorCode status = U_ZERO_ERROR;
  icu::Locale locale = icu::Locale::forLanguageTag(tag, status);
  LocaleTexts t = english();
  if (U_FAILURE(status)) return t;
  icu::DateFormatSymbols symbols(locale, "gregorian", status);
  if (U_FAILURE(status)) return t;
  int32_t n = 0;
  using S = icu::DateFormatSymbols;
  for (int full = 0; full < 2; ++full) {
    auto width = full ? S::WIDE : S::ABBREVIATED;
    const icu::UnicodeString* names = symbols.getMonths(n, S::FORMAT, width);
    t.months[full] = to_utf8(names, n);
    names = symbols.getMonths(n, S::STANDALONE, width);
    t.months_standalone[full] = to_utf8(names, n);
    names = symbols.getWeekdays(n, S::FORMAT, width);
    auto days = to_utf8(names, n);  // Sunday first
    if (days.size() == 7) {
      days.push_back(days.front());
      days.erase(days.begin());
      t.weekdays[full] = std::move(days);
    }
    names = symbols.getQuarters(n, S::FORMAT, width);
    t.quarters[full] = to_utf8(names, n);
  }
  const icu::UnicodeString* names = symbols.getEras(n);
  t.eras[0] = to_utf8(names, n);
  names = symbols.getEraNames(n);
  t.eras[1] = to_utf8(names, n);
  names = symbols.getAmPmStrings(n);
  t.am_pm = to_utf8(names, std::min<int32_t>(n, 2));
  return t;
}

}  // namespace

const LocaleTexts& locale_texts(std::string_view locale) {
  static const LocaleTexts us = english();
  if (locale.empty() || locale == "en-US" || locale == "en") return us;
  static std::mutex mu;
  static std::map<std::string, LocaleTexts, std::less<>> cache;  // guarded by mu; entries stay where they are
  std::lock_guard lock(mu);
  auto it = cache.find(locale);
  if (it == cache.end()) it = cache.emplace(std::string(locale), from_icu(std::string(locale))).first;
  return it->second;
}

const std::vector<std::string>& texts_of(const LocaleTexts& t, Field field, int style) {
  int full = style & 1;
  switch (field) {
    case Field::kMonth: return style & 2 ? t.months_standalone[full] : t.months[full];
    case Field::kDayOfWeek: return t.weekdays[full];
    case Field::kEra: return t.eras[full];
    case Field::kQuarter: return t.quarters[full];
    default: return t.am_pm;
  }
}

}  // namespace datetime_format_detail

namespace {

using namespace datetime_format_detail;
constexpr int64_t kMicrosPerDay = 86400000000LL;

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

// What there is to print. Absent parts make the fields that need them absent.
struct Printable {
  bool has_date = false, has_time = false;
  int64_t days = 0, nanos = 0;
  CivilDate date{1970, 1, 1};
  const TimeZone* zone = nullptr;
  int32_t offset = 0;
  bool dst = false;
};

std::optional<int64_t> field_value(const Printable& p, Field f) {
  if (f <= Field::kAlignedWeekday) {
    if (!p.has_date) return std::nullopt;
    switch (f) {
      case Field::kEra: return p.date.year >= 1;
      case Field::kYear: return p.date.year;
      case Field::kYearOfEra: return p.date.year >= 1 ? p.date.year : 1 - p.date.year;
      case Field::kQuarter: return (p.date.month - 1) / 3 + 1;
      case Field::kMonth: return p.date.month;
      case Field::kDay: return p.date.day;
      case Field::kDayOfYear: return p.days - days_from_civil(p.date.year, 1, 1) + 1;
      case Field::kDayOfWeek: return ((p.days + 3) % 7 + 7) % 7 + 1;
      default: return (p.date.day - 1) % 7 + 1;
    }
  }
  if (!p.has_time) return std::nullopt;
  int64_t second = p.nanos / 1000000000, hour = second / 3600;
  switch (f) {
    case Field::kAmPm: return hour / 12;
    case Field::kHour: return hour;
    case Field::kClockHour: return hour == 0 ? 24 : hour;
    case Field::kHourOfAmPm: return hour % 12;
    case Field::kClockHourOfAmPm: return hour % 12 == 0 ? 12 : hour % 12;
    case Field::kMinute: return second / 60 % 60;
    case Field::kSecond: return second % 60;
    default: return p.nanos % 1000000000;
  }
}

void two(int v, std::string& out) {
  out.push_back(static_cast<char>('0' + v / 10));
  out.push_back(static_cast<char>('0' + v % 10));
}

// The zone's abbreviation in the time zone database, for zones whose names CLDR leaves out.
std::string database_abbreviation(const std::string& id, bool dst) {
  if (id.find("..") != std::string::npos) return {};
  std::ifstream in("/usr/share/zoneinfo/" + id, std::ios::binary);
  std::string data((std::istreambuf_iterator<char>(in)), {});
  // The POSIX rule in the last line: "CET-1CEST,M3.5.0,M10.5.0/3".
  if (data.size() < 3 || data.back() != '\n') return {};
  size_t start = data.rfind('\n', data.size() - 2);
  if (start == std::string::npos) return {};
  std::string rule = data.substr(start + 1, data.size() - start - 2);
  size_t i = 0;
  auto name = [&] {
    size_t s = i;
    while (i < rule.size() && isalpha(static_cast<unsigned char>(rule[i]))) ++i;
    return rule.substr(s, i - s);
  };
  std::string standard = name();
  while (i < rule.size() && !isalpha(static_cast<unsigned char>(rule[i])) && rule[i] != ',') ++i;
  std::string summer = name();
  return dst && !summer.empty() ? summer : standard;
}

std::string zone_name(const TimeZone& zone, bool dst, bool full, bool generic, const std::string& locale_tag) {
  static std::mutex mu;
  static std::map<std::string, std::string> cache;  // guarded by mu
  std::string key = zone.id() + (dst ? "1" : "0") + (full ? "1" : "0") + (generic ? "1" : "0") + locale_tag;
  std::lock_guard lock(mu);
  if (auto it = cache.find(key); it != cache.end()) return it->second;
  std::string out;
  const std::string& id = zone.id();
  if (id == "Z" || id[0] == '+' || id[0] == '-' || id.starts_with("UTC+") || id.starts_with("UTC-") || id.starts_with("GMT+") ||
      id.starts_with("GMT-")) {
    out = id;
  } else if (id == "UTC" || id == "UT") {
    out = full ? "Coordinated Universal Time" : id;
  } else {
    UErrorCode status = U_ZERO_ERROR;
    icu::Locale locale = icu::Locale::forLanguageTag(locale_tag.empty() ? "en-US" : locale_tag, status);
    std::unique_ptr<icu::TimeZone> tz(icu::TimeZone::createTimeZone(icu::UnicodeString::fromUTF8(id)));
    using T = icu::TimeZone;
    auto style = generic ? (full ? T::LONG_GENERIC : T::SHORT_GENERIC) : (full ? T::LONG : T::SHORT);
    icu::UnicodeString name;
    tz->getDisplayName(dst, style, locale, name);
    name.toUTF8String(out);
    if (!full && out.starts_with("GMT") && id != "GMT") {
      std::string abbreviation = database_abbreviation(id, dst);
      if (!abbreviation.empty()) out = abbreviation;
    }
  }
  if (cache.size() > 1024) cache.clear();
  cache.emplace(std::move(key), out);
  return out;
}

bool print_one(const DateTimeFormat::Impl& f, const Element& e, const Printable& p, std::string& out) {
  switch (e.kind) {
    case Element::kLiteral: out += e.text; return true;
    case Element::kNumber: {
      auto v = field_value(p, e.field);
      if (!v) return false;
      if (e.reduced) {
        two(static_cast<int>(std::abs(*v) % 100), out);
        return true;
      }
      char buf[24];
      uint64_t magnitude = *v < 0 ? 0 - static_cast<uint64_t>(*v) : static_cast<uint64_t>(*v);
      char* end = std::to_chars(buf, buf + sizeof buf, magnitude).ptr;
      int digits = static_cast<int>(end - buf);
      if (digits > e.max_width) return false;
      if (*v < 0) {
        if (e.sign == Sign::kNotNegative) return false;
        out.push_back('-');
      } else if (e.sign == Sign::kExceedsPad && digits > e.min_width) {
        out.push_back('+');
      }
      out.append(static_cast<size_t>(std::max(0, e.min_width - digits)), '0');
      out.append(buf, end);
      return true;
    }
    case Element::kFraction: {
      auto v = field_value(p, e.field);
      if (!v) return false;
      int64_t n = *v;
      char buf[9];
      for (int i = 8; i >= 0; --i, n /= 10) buf[i] = static_cast<char>('0' + n % 10);
      out.append(buf, static_cast<size_t>(e.max_width));
      return true;
    }
    case Element::kText: {
      auto v = field_value(p, e.field);
      if (!v) return false;
      const auto& names = texts_of(*f.texts, e.field, e.style);
      size_t i = static_cast<size_t>(*v - (e.field == Field::kEra || e.field == Field::kAmPm ? 0 : 1));
      if (i >= names.size()) return false;
      out += names[i];
      return true;
    }
    case Element::kZoneId:
      if (!p.zone) return false;
      out += p.zone->id();
      return true;
    case Element::kZoneText:
      if (!p.zone) return false;
      out += zone_name(*p.zone, p.dst, e.style & 1, e.style & 2, f.locale);
      return true;
    case Element::kOffset:
    case Element::kLocalizedOffset: {
      if (!p.zone) return false;
      int a = std::abs(p.offset), h = a / 3600, m = a / 60 % 60, s = a % 60;
      char sign = p.offset < 0 ? '-' : '+';
      if (e.kind == Element::kLocalizedOffset) {
        out += "GMT";
        if (p.offset == 0) return true;
        out.push_back(sign);
        if (e.style == 1 || h > 9) two(h, out);
        else out.push_back(static_cast<char>('0' + h));
        if (e.style == 1 || m || s) {
          out.push_back(':');
          two(m, out);
        }
        if (s) {
          out.push_back(':');
          two(s, out);
        }
        return true;
      }
      if (p.offset == 0 || (e.style < 4 && h == 0 && m == 0)) {
        out += e.text;
        return true;
      }
      bool colon = e.style == 3 || e.style == 5;
      out.push_back(sign);
      two(h, out);
      if (e.style > 1 || m) {
        if (colon) out.push_back(':');
        two(m, out);
      }
      if (e.style > 3 && s) {
        if (colon) out.push_back(':');
        two(s, out);
      }
      return true;
    }
    default: return true;
  }
}

// False: a field is missing outside of every optional section.
bool print(const DateTimeFormat::Impl& f, size_t from, size_t to, const Printable& p, std::string& out) {
  for (size_t i = from; i < to; ++i) {
    const Element& e = f.elements[i];
    if (e.kind == Element::kOptionalStart) {
      int depth = 0;
      size_t end = i;
      for (; end < to; ++end) {
        if (f.elements[end].kind == Element::kOptionalStart) ++depth;
        if (f.elements[end].kind == Element::kOptionalEnd && --depth == 0) break;
      }
      size_t length = out.size();
      if (!print(f, i + 1, end, p, out)) out.resize(length);
      i = end;
    } else if (!print_one(f, e, p, out)) {
      return false;
    }
  }
  return true;
}

void set_local(Printable& p, int64_t local_micros) {
  p.has_date = p.has_time = true;
  p.days = floor_div(local_micros, kMicrosPerDay);
  p.nanos = (local_micros - p.days * kMicrosPerDay) * 1000;
  p.date = civil_from_days(p.days);
}

}  // namespace

bool DateTimeFormat::format_date(int32_t days, std::string& out) const {
  Printable p;
  p.has_date = true;
  p.days = days;
  p.date = civil_from_days(days);
  return print(*impl_, 0, impl_->elements.size(), p, out);
}

bool DateTimeFormat::format_timestamp(int64_t utc_micros, const TimeZone& zone, std::string& out) const {
  Printable p;
  int64_t second = floor_div(utc_micros, 1000000);
  p.zone = &zone;
  p.offset = zone.offset_at(second);
  p.dst = zone.is_dst_at(second);
  set_local(p, utc_micros + p.offset * 1000000LL);
  return print(*impl_, 0, impl_->elements.size(), p, out);
}

bool DateTimeFormat::format_timestamp_ntz(int64_t local_micros, std::string& out) const {
  Printable p;
  set_local(p, local_micros);
  return print(*impl_, 0, impl_->elements.size(), p, out);
}

bool DateTimeFormat::format_time(int64_t nanos, std::string& out) const {
  Printable p;
  p.has_time = true;
  p.nanos = nanos;
  return print(*impl_, 0, impl_->elements.size(), p, out);
}

}  // namespace tarn::engine
