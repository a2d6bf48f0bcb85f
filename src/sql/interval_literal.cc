// Interval texts -> values. Source of the rules: Spark's SparkIntervalUtils.stringToInterval and IntervalUtils.
#include <limits>

#include "sql/parser_impl.h"

namespace tarn::sql {
namespace {

constexpr int64_t kSecond_us = 1000000, kMinute_us = 60 * kSecond_us, kHour_us = 60 * kMinute_us, kDay_us = 24 * kHour_us;

SparkError interval_error(const char* sub, ErrorParams params) {
  return SparkError(ErrorKind::kIllegalArgument, std::string("INVALID_INTERVAL_FORMAT.") + sub, std::move(params));
}

bool is_blank(char c) { return c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x1F); }

std::string trim_all(std::string_view s) {
  while (!s.empty() && (static_cast<unsigned char>(s.front()) <= 0x20 || s.front() == 0x7F)) s.remove_prefix(1);
  while (!s.empty() && (static_cast<unsigned char>(s.back()) <= 0x20 || s.back() == 0x7F)) s.remove_suffix(1);
  return std::string(s);
}

bool narrow(int64_t v, int32_t* out) {
  if (v < std::numeric_limits<int32_t>::min() || v > std::numeric_limits<int32_t>::max()) return false;
  *out = static_cast<int32_t>(v);
  return true;
}

// [sign] digits{1,bound} (separator digits{1,2})* [.digits{1,9}] cut into fields; false if the text has another shape.
struct Shape {
  int sign = 1;
  std::vector<std::string> fields;
  std::string fraction;
};
bool cut(const std::string& s, const std::vector<size_t>& bounds, const std::string& separators, bool fraction_allowed, Shape* out) {
  size_t i = 0;
  if (i < s.size() && (s[i] == '+' || s[i] == '-' || s[i] == '|')) out->sign = s[i++] == '-' ? -1 : 1;
  for (size_t f = 0; f < bounds.size(); ++f) {
    if (f > 0) {
      if (i >= s.size() || s[i] != separators[f - 1]) return false;
      ++i;
    }
    size_t begin = i;
    while (i < s.size() && s[i] >= '0' && s[i] <= '9') ++i;
    if (i == begin || i - begin > bounds[f]) return false;
    out->fields.push_back(s.substr(begin, i - begin));
  }
  if (fraction_allowed && i < s.size() && s[i] == '.') {
    size_t begin = ++i;
    while (i < s.size() && s[i] >= '0' && s[i] <= '9') ++i;
    if (i == begin || i - begin > 9) return false;
    out->fraction = s.substr(begin, i - begin);
  }
  return i == s.size();
}

SparkError out_of_range(const std::string& what, int64_t value, int64_t max) {
  return SparkError(ErrorKind::kIllegalArgument, "_LEGACY_ERROR_TEMP_0063",
                    {{"msg", "requirement failed: " + what + " " + std::to_string(value) + " outside range [0, " + std::to_string(max) + "]"}});
}

const char* kDayTimeFields[] = {"day", "hour", "minute", "second"};
const char* kDayTimeFormats[] = {"d", "h", "m", "s.n"};

}  // namespace

CalendarInterval parse_calendar_interval(std::string_view text) {
  std::string input(text);
  std::string s = to_lower(trim_all(text));
  auto fail = [&](const char* sub, const char* name = nullptr, const std::string& value = {}) {
    ErrorParams p{{"input", input}};
    if (name) p[name] = value;
    return interval_error(sub, p);
  };
  if (s.empty()) throw fail("INPUT_IS_EMPTY");
  size_t i = 0;
  auto word = [&] {
    size_t b = std::min(i, s.size());
    while (b > 0 && !is_blank(s[b - 1])) --b;
    if (i < s.size() && is_blank(s[i])) {
      b = i;
      while (b < s.size() && is_blank(s[b])) ++b;
    }
    size_t e = b;
    while (e < s.size() && !is_blank(s[e])) ++e;
    return s.substr(b, e - b);
  };
  auto skip = [&] {
    while (i < s.size() && is_blank(s[i])) ++i;
  };
  if (s.compare(0, 8, "interval") == 0) {
    if (s.size() == 8) throw fail("INPUT_IS_EMPTY");
    if (!is_blank(s[8])) throw fail("INVALID_PREFIX", "prefix", word());
    i = 9;
  }
  int64_t months = 0, days = 0, micros = 0;
  CalendarInterval out;
  auto overflow = [&] { return fail("ARITHMETIC_EXCEPTION"); };
  skip();
  while (i < s.size()) {
    bool negative = false, fractional = false, point_first = false;
    int64_t value = 0, fraction = 0, scale = 0;
    if (s[i] == '-' || s[i] == '+') {
      negative = s[i] == '-';
      ++i;
      skip();
      if (i >= s.size()) throw fail("MISSING_NUMBER", "word", word());
    } else if (s[i] == '.') {
      fractional = point_first = true;
    } else if (s[i] < '0' || s[i] > '9') {
      throw fail("UNRECOGNIZED_NUMBER", "number", word());
    }
    if (!point_first) {
      for (; i < s.size() && !is_blank(s[i]); ++i) {
        if (s[i] >= '0' && s[i] <= '9') {
          if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, s[i] - '0', &value)) throw overflow();
        } else if (s[i] == '.') {
          fractional = true;
          break;
        } else {
          throw fail("INVALID_VALUE", "value", word());
        }
      }
    }
    if (fractional) {
      ++i;
      scale = 100000000;
      bool any = false;
      for (; i < s.size() && !is_blank(s[i]); ++i) {
        if (s[i] < '0' || s[i] > '9') throw fail("INVALID_VALUE", "value", word());
        if (scale == 0) throw fail("INVALID_PRECISION", "value", word());
        fraction += (s[i] - '0') * scale;
        scale /= 10;
        any = true;
      }
      if (point_first && !any && i < s.size()) throw fail("INVALID_VALUE", "value", word());
      fraction /= 1000;
    }
    skip();
    if (i >= s.size()) throw fail("MISSING_UNIT", "word", word());
    if (s[i] != 's' && fractional) throw fail("INVALID_FRACTION", "unit", word());
    if (negative) {
      value = -value;
      fraction = -fraction;
    }
    struct Unit {
      std::string_view name;
      int64_t* target;
      int64_t factor;
    };
    const Unit units[] = {{"year", &months, 12},          {"week", &days, 7},           {"day", &days, 1},
                          {"hour", &micros, kHour_us},    {"second", &micros, kSecond_us}, {"month", &months, 1},
                          {"minute", &micros, kMinute_us}, {"millisecond", &micros, 1000}, {"microsecond", &micros, 1}};
    const Unit* unit = nullptr;
    for (const auto& u : units)
      if (s.compare(i, u.name.size(), u.name) == 0) unit = &u;
    if (!unit) throw fail("INVALID_UNIT", "unit", word());
    int64_t amount = 0;
    if (__builtin_mul_overflow(value, unit->factor, &amount) || __builtin_add_overflow(*unit->target, amount, unit->target)) throw overflow();
    if (unit->name == "second" && __builtin_add_overflow(micros, fraction, &micros)) throw overflow();
    if (!narrow(months, &out.months) || !narrow(days, &out.days)) throw overflow();
    i += unit->name.size();
    if (i < s.size() && s[i] == 's') ++i;
    if (i < s.size() && !is_blank(s[i])) throw fail("INVALID_UNIT", "unit", word());
    skip();
  }
  out.microseconds = micros;
  return out;
}

int32_t parse_year_month(const std::string& input, int from, int to) {
  std::string s = trim_all(input);
  Shape shape;
  if (from == 0 && to == 1 && cut(s, {20, 20}, "-", false, &shape)) {
    try {
      int64_t years = std::stoll(shape.fields[0]), months = std::stoll(shape.fields[1]);
      int64_t total = shape.sign * (years * 12 + months);
      int32_t out = 0;
      if (years > std::numeric_limits<int32_t>::max() / 12 || months > 11 || !narrow(total, &out)) throw std::out_of_range("");
      return out;
    } catch (const std::out_of_range&) {
      throw interval_error("INTERVAL_PARSING", {{"input", s}, {"interval", "year-month"}});
    }
  }
  throw interval_error("UNMATCHED_FORMAT_STRING", {{"intervalStr", "year-month"},
                                                   {"supportedFormat", "`[+|-]y-m`, `INTERVAL [+|-]'[+|-]y-m' YEAR TO MONTH`"},
                                                   {"typeName", "interval year to month"},
                                                   {"input", input}});
}

int64_t parse_day_time(const std::string& input, int from, int to) {
  std::string s = trim_all(input);
  static const size_t kFirstDigits[] = {9, 10, 12, 13};
  std::vector<size_t> bounds{kFirstDigits[from]};
  std::string separators, format = kDayTimeFormats[from];
  for (int f = from + 1; f <= to; ++f) {
    bounds.push_back(2);
    separators += f == 1 ? ' ' : ':';
    format += std::string(f == 1 ? " " : ":") + kDayTimeFormats[f];
  }
  Shape shape;
  if (!cut(s, bounds, separators, to == 3, &shape)) {
    std::string range = to_upper(kDayTimeFields[from]) + " TO " + to_upper(kDayTimeFields[to]);
    throw interval_error("UNMATCHED_FORMAT_STRING_WITH_NOTICE",
                         {{"intervalStr", "day-time"},
                          {"supportedFormat", "`[+|-]" + format + "`, `INTERVAL [+|-]'[+|-]" + format + "' " + range + "`"},
                          {"typeName", "interval " + to_lower(range)},
                          {"input", input}});
  }
  static const int64_t kFactors[] = {kDay_us, kHour_us, kMinute_us, kSecond_us};
  static const int64_t kFirstMax[] = {106751991, 2562047788, 153722867280, 9223372036854};
  static const int64_t kMax[] = {0, 23, 59, 59};
  int64_t micros = 0;
  for (int f = from; f <= to; ++f) {
    int64_t v = std::stoll(shape.fields[static_cast<size_t>(f - from)]);
    int64_t max = f == from ? kFirstMax[f] : kMax[f];
    if (v > max) throw out_of_range(kDayTimeFields[f], v, max);
    int64_t part = 0;
    if (__builtin_mul_overflow(v, shape.sign * kFactors[f], &part) || __builtin_add_overflow(micros, part, &micros))
      throw SparkError(ErrorKind::kIllegalArgument, "_LEGACY_ERROR_TEMP_0063", {{"msg", "long overflow"}});
  }
  if (!shape.fraction.empty()) {
    std::string nanos = (shape.fraction + "000000000").substr(0, 9);
    if (__builtin_add_overflow(micros, shape.sign * (std::stoll(nanos) / 1000), &micros))
      throw SparkError(ErrorKind::kIllegalArgument, "_LEGACY_ERROR_TEMP_0063", {{"msg", "long overflow"}});
  }
  return micros;
}

}  // namespace tarn::sql
