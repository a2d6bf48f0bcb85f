// Parsing with a compiled pattern: java.time's strict parser and resolver, and Spark's defaults for missing fields.
#include <cstring>

#include "engine/datetime_format_impl.h"
#include "engine/datetime_parse.h"
#include "engine/time_zone.h"

namespace tarn::engine {
namespace {

using namespace datetime_format_detail;
constexpr int kFields = static_cast<int>(Field::kCount);
constexpr int64_t kMicrosPerDay = 86400000000LL;

bool equal_fold(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i] && tolower(static_cast<unsigned char>(a[i])) != tolower(static_cast<unsigned char>(b[i]))) return false;
  }
  return true;
}

struct Parsed {
  int64_t values[kFields];
  uint32_t set = 0;
  bool has_offset = false;
  int32_t offset = 0;
  std::shared_ptr<const TimeZone> zone;

  bool has(Field f) const { return set >> static_cast<int>(f) & 1; }
  int64_t get(Field f) const { return values[static_cast<int>(f)]; }
  int64_t get(Field f, int64_t otherwise) const { return has(f) ? get(f) : otherwise; }
  void put_raw(Field f, int64_t v) {
    values[static_cast<int>(f)] = v;
    set |= 1u << static_cast<int>(f);
  }
  bool put(Field f, int64_t v) {  // a field given twice must agree
    if (has(f)) return get(f) == v;
    put_raw(f, v);
    return true;
  }
};

class Parser {
 public:
  Parser(const DateTimeFormat::Impl& f, std::string_view text) : f_(f), s_(text) {}

  bool run() {
    size_t pos = 0;
    return sequence(0, f_.elements.size(), pos) && pos == s_.size();
  }
  Parsed parsed;

 private:
  size_t matching_end(size_t start) const {
    int depth = 0;
    for (size_t i = start; i < f_.elements.size(); ++i) {
      if (f_.elements[i].kind == Element::kOptionalStart) ++depth;
      if (f_.elements[i].kind == Element::kOptionalEnd && --depth == 0) return i;
    }
    return f_.elements.size();
  }

  bool sequence(size_t from, size_t to, size_t& pos) {
    for (size_t i = from; i < to; ++i) {
      const Element& e = f_.elements[i];
      if (e.kind == Element::kOptionalStart) {
        size_t end = matching_end(i), p = pos;
        Parsed saved = parsed;
        if (sequence(i + 1, end, p)) pos = p;
        else parsed = std::move(saved);
        i = end;
      } else if (!one(e, pos)) {
        return false;
      }
    }
    return true;
  }

  bool one(const Element& e, size_t& pos) {
    switch (e.kind) {
      case Element::kLiteral:
        if (s_.size() - pos < e.text.size() || !equal_fold(s_.substr(pos, e.text.size()), e.text)) return false;
        pos += e.text.size();
        return true;
      case Element::kNumber: return number(e, pos);
      case Element::kFraction: return fraction(e, pos);
      case Element::kText: return text(e, pos);
      case Element::kZoneId: return zone_id(pos, false);
      case Element::kZoneText: return zone_id(pos, true);
      case Element::kOffset: return offset(e, pos);
      case Element::kLocalizedOffset: return localized_offset(e, pos);
      default: return true;
    }
  }

  bool number(const Element& e, size_t& position) {
    size_t length = s_.size(), pos = position;
    if (pos == length) return false;
    bool negative = false, positive = false;
    if (s_[pos] == '+') {
      if (e.sign != Sign::kExceedsPad) return false;
      positive = true;
      ++pos;
    } else if (s_[pos] == '-') {
      if (e.sign == Sign::kNotNegative) return false;
      negative = true;
      ++pos;
    }
    size_t start = pos;
    size_t min_width = static_cast<size_t>(e.min_width);
    size_t max_width = static_cast<size_t>(e.max_width) + static_cast<size_t>(e.subsequent_width > 0 ? e.subsequent_width : 0);
    if (start + min_width > length) return false;
    int64_t total = 0;
    for (int pass = 0; pass < 2; ++pass) {
      size_t end = std::min(start + max_width, length);
      total = 0;
      for (pos = start; pos < end; ++pos) {
        unsigned d = static_cast<unsigned char>(s_[pos]) - '0';
        if (d > 9) break;
        if (__builtin_mul_overflow(total, int64_t{10}, &total) || __builtin_add_overflow(total, int64_t{d}, &total)) return false;
      }
      if (pos < start + min_width) return false;
      if (e.subsequent_width > 0 && pass == 0) {
        size_t parsed_length = pos - start, reserve = static_cast<size_t>(e.subsequent_width);
        max_width = std::max(min_width, parsed_length > reserve ? parsed_length - reserve : 0);
        continue;
      }
      break;
    }
    if (negative) {
      if (total == 0) return false;
      total = -total;
    } else if (e.sign == Sign::kExceedsPad) {
      size_t digits = pos - start;
      if (positive ? digits <= min_width : digits > min_width) return false;
    }
    if (e.reduced) total += 2000;
    position = pos;
    return parsed.put(e.field, total);
  }

  bool fraction(const Element& e, size_t& position) {
    size_t pos = position, end = std::min(s_.size(), pos + static_cast<size_t>(e.max_width));
    int64_t v = 0;
    size_t digits = 0;
    for (; pos < end; ++pos, ++digits) {
      unsigned d = static_cast<unsigned char>(s_[pos]) - '0';
      if (d > 9) break;
      v = v * 10 + d;
    }
    if (digits < static_cast<size_t>(e.min_width)) return false;
    for (; digits < 9; ++digits) v *= 10;
    position = pos;
    return parsed.put(e.field, v);
  }

  bool text(const Element& e, size_t& pos) {
    const auto& names = texts_of(*f_.texts, e.field, e.style);
    size_t best = 0;
    int index = -1;
    for (size_t i = 0; i < names.size(); ++i) {
      const std::string& n = names[i];
      if (n.size() > best && s_.size() - pos >= n.size() && equal_fold(s_.substr(pos, n.size()), n)) {
        best = n.size();
        index = static_cast<int>(i);
      }
    }
    if (index < 0) return false;
    pos += best;
    bool from_zero = e.field == Field::kEra || e.field == Field::kAmPm;
    return parsed.put(e.field, from_zero ? index : index + 1);
  }

  // Digits of an offset after its sign; n pattern letters as in DateTimeFormatterBuilder.appendPattern('X').
  bool offset(const Element& e, size_t& pos) {
    if (pos < s_.size() && (s_[pos] == '+' || s_[pos] == '-')) {
      int sign = s_[pos] == '-' ? -1 : 1;
      size_t p = pos + 1;
      auto two = [&](int& out) {
        if (p + 2 > s_.size() || !isdigit(static_cast<unsigned char>(s_[p])) || !isdigit(static_cast<unsigned char>(s_[p + 1]))) return false;
        out = (s_[p] - '0') * 10 + (s_[p + 1] - '0');
        p += 2;
        return true;
      };
      auto part = [&](bool colon, int& out) {
        size_t keep = p;
        if (colon) {
          if (p >= s_.size() || s_[p] != ':') return false;
          ++p;
        }
        if (two(out)) return true;
        p = keep;
        return false;
      };
      int h = 0, m = 0, sec = 0;
      bool ok = two(h);
      switch (e.style) {
        case 1: part(false, m); break;
        case 2: ok = ok && part(false, m); break;
        case 3: ok = ok && part(true, m); break;
        case 4: ok = ok && part(false, m) && (part(false, sec) || true); break;
        default: ok = ok && part(true, m) && (part(true, sec) || true); break;
      }
      if (ok && m <= 59 && sec <= 59 && h * 3600 + m * 60 + sec <= 18 * 3600) {
        pos = p;
        return put_offset(sign * (h * 3600 + m * 60 + sec));
      }
    }
    size_t n = e.text.size();
    if (s_.size() - pos >= n && equal_fold(s_.substr(pos, n), e.text)) {
      pos += n;
      return put_offset(0);
    }
    return false;
  }

  bool put_offset(int32_t v) {
    if (parsed.has_offset && parsed.offset != v) return false;
    parsed.has_offset = true;
    parsed.offset = v;
    return true;
  }

  bool localized_offset(const Element& e, size_t& pos) {
    if (s_.size() - pos < 3 || !equal_fold(s_.substr(pos, 3), "GMT")) return false;
    size_t p = pos + 3;
    if (p == s_.size() || (s_[p] != '+' && s_[p] != '-')) {
      pos = p;
      return put_offset(0);
    }
    int sign = s_[p++] == '-' ? -1 : 1;
    auto digits = [&](int min, int max) {
      int v = 0, n = 0;
      while (n < max && p < s_.size() && isdigit(static_cast<unsigned char>(s_[p]))) {
        v = v * 10 + (s_[p++] - '0');
        ++n;
      }
      return n < min ? -1 : v;
    };
    int h, m = 0, sec = 0;
    if (e.style == 1) {
      h = digits(2, 2);
      if (h < 0 || p >= s_.size() || s_[p] != ':') return false;
      ++p;
      if ((m = digits(2, 2)) < 0) return false;
    } else {
      if ((h = digits(1, 2)) < 0) return false;
      if (p < s_.size() && s_[p] == ':') {
        ++p;
        if ((m = digits(2, 2)) < 0) return false;
      }
    }
    if (p + 2 < s_.size() && s_[p] == ':') {
      ++p;
      if ((sec = digits(2, 2)) < 0) return false;
    }
    pos = p;
    return put_offset(sign * (h * 3600 + m * 60 + sec));
  }

  bool zone_id(size_t& pos, bool names) {
    size_t end = pos;
    while (end < s_.size() && (isalnum(static_cast<unsigned char>(s_[end])) || strchr("/_+-:~.", s_[end]))) ++end;
    if (names) {
      // English abbreviations and names of the zones that java.time prefers for them.
      static const struct { const char* text; const char* zone; } kNames[] = {
          {"Pacific Standard Time", "America/Los_Angeles"}, {"Pacific Daylight Time", "America/Los_Angeles"},
          {"Mountain Standard Time", "America/Denver"}, {"Mountain Daylight Time", "America/Denver"},
          {"Central Standard Time", "America/Chicago"}, {"Central Daylight Time", "America/Chicago"},
          {"Eastern Standard Time", "America/New_York"}, {"Eastern Daylight Time", "America/New_York"},
          {"Coordinated Universal Time", "UTC"}, {"Greenwich Mean Time", "GMT"},
          {"Central European Standard Time", "Europe/Paris"}, {"Central European Summer Time", "Europe/Paris"},
          {"Japan Standard Time", "Asia/Tokyo"}, {"India Standard Time", "Asia/Kolkata"}, {"China Standard Time", "Asia/Shanghai"},
          {"PST", "America/Los_Angeles"}, {"PDT", "America/Los_Angeles"}, {"MST", "America/Denver"}, {"MDT", "America/Denver"},
          {"CST", "America/Chicago"}, {"CDT", "America/Chicago"}, {"EST", "America/New_York"}, {"EDT", "America/New_York"},
          {"HST", "Pacific/Honolulu"}, {"AKST", "America/Anchorage"}, {"AKDT", "America/Anchorage"}, {"CET", "Europe/Paris"},
          {"CEST", "Europe/Paris"}, {"EET", "Europe/Bucharest"}, {"EEST", "Europe/Bucharest"}, {"WET", "Europe/Lisbon"},
          {"WEST", "Europe/Lisbon"}, {"BST", "Europe/London"}, {"JST", "Asia/Tokyo"}, {"IST", "Asia/Kolkata"}, {"MSK", "Europe/Moscow"},
          {"KST", "Asia/Seoul"}, {"AEST", "Australia/Sydney"}, {"AEDT", "Australia/Sydney"}, {"NZST", "Pacific/Auckland"},
          {"NZDT", "Pacific/Auckland"}};
      for (const auto& n : kNames) {
        size_t len = strlen(n.text);
        if (s_.size() - pos >= len && equal_fold(s_.substr(pos, len), n.text) &&
            (pos + len >= s_.size() || !isalpha(static_cast<unsigned char>(s_[pos + len])))) {
          parsed.zone = TimeZone::find(n.zone);
          pos += len;
          return parsed.zone != nullptr;
        }
      }
    }
    for (; end > pos; --end) {
      std::string_view id = s_.substr(pos, end - pos);
      if (id.size() == 3 && isalpha(static_cast<unsigned char>(id[0])) && id != "UTC" && id != "GMT" && id.find('/') == id.npos &&
          (id == "PST" || id == "JST" || id == "IST" || id == "CST" || id == "AST" || id == "ACT")) {
        continue;  // Java's short ids are no region ids
      }
      if (auto z = TimeZone::find(id == "z" ? "Z" : id)) {
        parsed.zone = z;
        pos = end;
        return true;
      }
    }
    return false;
  }

  const DateTimeFormat::Impl& f_;
  std::string_view s_;
};

// java.time's strict resolver for the fields that patterns can name. Nanoseconds of the day; nullopt: contradiction or range.
std::optional<int64_t> resolve_time(Parsed& p) {
  if (p.has(Field::kClockHour)) {
    int64_t v = p.get(Field::kClockHour);
    if (v < 1 || v > 24 || !p.put(Field::kHour, v == 24 ? 0 : v)) return std::nullopt;
  }
  if (p.has(Field::kClockHourOfAmPm)) {
    int64_t v = p.get(Field::kClockHourOfAmPm);
    if (v < 1 || v > 12 || !p.put(Field::kHourOfAmPm, v == 12 ? 0 : v)) return std::nullopt;
  }
  bool has_half = p.has(Field::kHourOfAmPm), has_ap = p.has(Field::kAmPm);
  if (has_half && (p.get(Field::kHourOfAmPm) < 0 || p.get(Field::kHourOfAmPm) > 11)) return std::nullopt;
  if (has_half && has_ap && !p.put(Field::kHour, p.get(Field::kAmPm) * 12 + p.get(Field::kHourOfAmPm))) return std::nullopt;
  int64_t hour = 0;
  if (p.has(Field::kHour)) {
    hour = p.get(Field::kHour);
    if (hour < 0 || hour > 23) return std::nullopt;
    if (has_ap && hour / 12 != p.get(Field::kAmPm)) return std::nullopt;
    if (has_half && hour % 12 != p.get(Field::kHourOfAmPm)) return std::nullopt;
  } else if (has_half) {
    hour = p.get(Field::kHourOfAmPm);
  } else if (has_ap && p.get(Field::kAmPm) == 1) {
    hour = 12;
  }
  int64_t minute = p.get(Field::kMinute, 0), second = p.get(Field::kSecond, 0), nano = p.get(Field::kNano, 0);
  if (minute < 0 || minute > 59 || second < 0 || second > 59) return std::nullopt;
  return ((hour * 60 + minute) * 60 + second) * 1000000000LL + nano;
}

std::optional<int64_t> resolve_days(Parsed& p) {
  if (p.has(Field::kYearOfEra)) {
    int64_t y = p.get(Field::kYearOfEra);
    if (y < 1) return std::nullopt;
    if (p.has(Field::kEra)) {
      if (!p.put(Field::kYear, p.get(Field::kEra) == 1 ? y : 1 - y)) return std::nullopt;
    } else if (p.has(Field::kYear) && p.get(Field::kYear) > 0 && p.get(Field::kYear) != y) {
      return std::nullopt;
    }
  }
  int64_t year = p.get(Field::kYear, 1970);
  if (year < -999999999 || year > 999999999) return std::nullopt;
  auto build = [&](int64_t m, int64_t d) -> std::optional<int64_t> {
    if (m < 1 || m > 12 || d < 1 || d > days_in_month(year, static_cast<int>(m))) return std::nullopt;
    return days_from_civil(year, static_cast<int>(m), static_cast<int>(d));
  };
  if (p.has(Field::kDayOfYear)) {
    int64_t doy = p.get(Field::kDayOfYear);
    if (doy < 1 || doy > 365 + is_leap_year(year)) return std::nullopt;
    int64_t days = days_from_civil(year, 1, 1) + doy - 1;
    CivilDate d = civil_from_days(days);
    if (p.get(Field::kMonth, d.month) != d.month || p.get(Field::kDay, d.day) != d.day) return std::nullopt;
    return days;
  }
  return build(p.get(Field::kMonth, 1), p.get(Field::kDay, 1));
}

std::optional<int64_t> resolve_local(Parsed& p) {
  auto days = resolve_days(p);
  auto nanos = resolve_time(p);
  int64_t local;
  if (!days || !nanos || __builtin_mul_overflow(*days, kMicrosPerDay, &local) || __builtin_add_overflow(local, *nanos / 1000, &local)) {
    return std::nullopt;
  }
  return local;
}

}  // namespace

std::optional<int32_t> DateTimeFormat::parse_date(std::string_view text) const {
  Parser parser(*impl_, text);
  if (!parser.run() || !resolve_time(parser.parsed)) return std::nullopt;
  auto days = resolve_days(parser.parsed);
  if (!days || *days < INT32_MIN || *days > INT32_MAX) return std::nullopt;
  return static_cast<int32_t>(*days);
}

std::optional<int64_t> DateTimeFormat::parse_timestamp(std::string_view text, const TimeZone& zone) const {
  Parser parser(*impl_, text);
  if (!parser.run()) return std::nullopt;
  auto local = resolve_local(parser.parsed);
  if (!local) return std::nullopt;
  if (parser.parsed.zone) return parser.parsed.zone->local_to_utc_micros(*local);
  if (parser.parsed.has_offset) return *local - parser.parsed.offset * 1000000LL;
  return zone.local_to_utc_micros(*local);
}

std::optional<int64_t> DateTimeFormat::parse_timestamp_ntz(std::string_view text, bool allow_zone) const {
  Parser parser(*impl_, text);
  if (!parser.run()) return std::nullopt;
  if (!allow_zone && (parser.parsed.zone || parser.parsed.has_offset)) return std::nullopt;
  return resolve_local(parser.parsed);
}

std::optional<int64_t> DateTimeFormat::parse_time(std::string_view text) const {
  Parser parser(*impl_, text);
  if (!parser.run()) return std::nullopt;
  auto nanos = resolve_time(parser.parsed);
  return nanos ? std::optional<int64_t>(*nanos / 1000 * 1000) : std::nullopt;
}

}  // namespace tarn::engine
