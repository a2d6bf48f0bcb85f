#include "engine/datetime_format.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "base/spark_error.h"
#include "engine/datetime_format_impl.h"
#include "engine/datetime_parse.h"
#include "engine/time_zone.h"

namespace tarn::engine {
namespace {

using namespace datetime_format_detail;

const char* kDocRoot = "https://spark.apache.org/docs/4.2.0";

// Whether SimpleDateFormat would take the pattern, of which Spark 2 made use.
bool simple_date_format_accepts(std::string_view pattern) {
  bool quoted = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\'') quoted = !quoted;
    else if (!quoted && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) && !strchr("GyYMLwWDdFEuaHkKhmsSzZX", c)) return false;
    else if (!quoted && pattern.substr(i, 4) == "XXXX") return false;
  }
  return !quoted;
}
// A pattern that is none today: an upgrade hint where SimpleDateFormat would take it, else the error itself.
SparkError refused(std::string_view pattern, SparkError otherwise) {
  if (!simple_date_format_accepts(pattern)) return otherwise;
  return SparkError(ErrorKind::kUpgrade, "INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_PATTERN_RECOGNITION",
                    {{"pattern", "'" + std::string(pattern) + "'"}, {"config", "\"spark.sql.legacy.timeParserPolicy\""}, {"docroot", kDocRoot}});
}
SparkError unrecognized(std::string_view pattern) {
  return refused(pattern, SparkError(ErrorKind::kRuntime, "INVALID_DATETIME_PATTERN.WITH_SUGGESTION", {{"pattern", "'" + std::string(pattern) + "'"}, {"docroot", kDocRoot}}));
}

// Splits at quotes as String.split does: odd parts are quoted text. Trailing empty parts fall away.
std::vector<std::string> split_quotes(const std::string& pattern) {
  std::vector<std::string> parts(1);
  for (char c : pattern) {
    if (c == '\'') parts.emplace_back();
    else parts.back() += c;
  }
  while (parts.size() > 1 && parts.back().empty()) parts.pop_back();
  return parts;
}

// Spark's own restrictions on patterns; y becomes u unless there is an era.
std::string check_and_convert(const std::string& pattern, bool parsing) {
  auto parts = split_quotes(pattern + " ");
  bool has_era = false;
  for (size_t i = 0; i < parts.size(); i += 2) has_era = has_era || parts[i].find('G') != std::string::npos;
  std::string out;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i) out += '\'';
    if (i % 2) {
      out += parts[i];
      continue;
    }
    std::string& part = parts[i];
    for (char c : part) {
      if (strchr("YWwuec", c)) {
        throw refused(pattern, SparkError(ErrorKind::kIllegalArgument, "INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_WEEK_BASED_PATTERN",
                         {{"c", std::string(1, c)}}));
      }
    }
    for (char c : part) {
      if (strchr("ABnNp", c) || (parsing && strchr("EFqQ", c))) {
        throw refused(pattern, SparkError(ErrorKind::kIllegalArgument, "INVALID_DATETIME_PATTERN.ILLEGAL_CHARACTER",
                         {{"c", std::string(1, c)}, {"pattern", pattern}}));
      }
    }
    for (const char* style : {"GGGGG", "MMMMM", "LLLLL", "EEEEE", "QQQQQ", "qqqqq", "yyyyyyy"}) {
      if (part.find(style) != std::string::npos) {
        throw refused(pattern, SparkError(ErrorKind::kIllegalArgument, "INVALID_DATETIME_PATTERN.LENGTH", {{"pattern", style}}));
      }
    }
    if (!has_era) std::replace(part.begin(), part.end(), 'y', 'u');
    out += part;
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

Element value(Field field, int min, int max, Sign sign) {
  Element e;
  e.kind = Element::kNumber;
  e.field = field;
  e.min_width = min;
  e.max_width = max;
  e.sign = sign;
  return e;
}

class Compiler {
 public:
  Compiler(std::string_view original, bool parsing) : original_(original), variable_fraction_(parsing) {}

  std::vector<Element> compile(const std::string& p) {
    for (size_t i = 0; i < p.size();) {
      char c = p[i];
      if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
        size_t n = i;
        while (n < p.size() && p[n] == c) ++n;
        letters(c, static_cast<int>(n - i));
        i = n;
      } else if (c == '\'') {
        std::string text;
        size_t j = i + 1;
        bool closed = false;
        for (; j < p.size(); ++j) {
          if (p[j] != '\'') {
            text += p[j];
          } else if (j + 1 < p.size() && p[j + 1] == '\'') {
            text += '\'';
            ++j;
          } else {
            closed = true;
            break;
          }
        }
        if (!closed) throw unrecognized(original_);
        literal(text.empty() && j == i + 1 ? "'" : text);
        i = j + 1;
      } else if (c == '[') {
        add_kind(Element::kOptionalStart);
        ++depth_;
        ++i;
      } else if (c == ']') {
        if (depth_-- == 0) throw unrecognized(original_);
        add_kind(Element::kOptionalEnd);
        ++i;
      } else if (c == '{' || c == '}' || c == '#') {
        throw unrecognized(original_);
      } else {
        size_t n = i;
        while (n < p.size() && !isalpha(static_cast<unsigned char>(p[n])) && !strchr("'[]{}#", p[n])) ++n;
        literal(p.substr(i, n - i));
        i = n;
      }
    }
    for (; depth_ > 0; --depth_) add_kind(Element::kOptionalEnd);
    return std::move(out_);
  }

 private:
  void add(Element e) {
    out_.push_back(std::move(e));
    active_value_ = -1;
  }
  void add_kind(Element::Kind k) {
    Element e;
    e.kind = k;
    add(std::move(e));
  }
  void literal(std::string text) {
    Element e;
    e.kind = Element::kLiteral;
    e.text = std::move(text);
    add(std::move(e));
  }
  // Neighbouring numbers share digits: a fixed-width one reserves its width from the variable one before it.
  void add_value(Element e) {
    bool fixed = e.min_width == e.max_width && e.sign == Sign::kNotNegative;
    if (active_value_ >= 0) {
      int base = active_value_;
      if (fixed) {
        out_[base].subsequent_width += e.max_width;
        e.subsequent_width = -1;
        out_.push_back(std::move(e));
        active_value_ = base;
      } else {
        out_[base].subsequent_width = -1;
        out_.push_back(std::move(e));
        active_value_ = static_cast<int>(out_.size()) - 1;
      }
    } else {
      out_.push_back(std::move(e));
      active_value_ = static_cast<int>(out_.size()) - 1;
    }
  }
  void text(Field field, int style) {
    Element e;
    e.kind = Element::kText;
    e.field = field;
    e.style = style;
    add(std::move(e));
  }
  void styled(Element::Kind kind, int style) {
    Element e;
    e.kind = kind;
    e.style = style;
    add(std::move(e));
  }
  void one_or_two(Field field, int count) {
    if (count > 2) throw unrecognized(original_);
    if (count == 1) add_value(value(field, 1, 19, Sign::kNormal));
    else add_value(value(field, 2, 2, Sign::kNotNegative));
  }

  void letters(char c, int n) {
    switch (c) {
      case 'u':
      case 'y': {
        Field f = c == 'u' ? Field::kYear : Field::kYearOfEra;
        if (n == 2) {
          Element e = value(f, 2, 2, Sign::kNotNegative);
          e.reduced = true;
          add_value(std::move(e));
        } else {
          if (n > 19) throw unrecognized(original_);
          add_value(value(f, n, 19, n < 4 ? Sign::kNormal : Sign::kExceedsPad));
        }
        return;
      }
      case 'G': return text(Field::kEra, n <= 3 ? 0 : n == 4 ? 1 : throw unrecognized(original_));
      case 'M':
      case 'L':
        if (n <= 2) return one_or_two(Field::kMonth, n);
        if (n > 4) throw unrecognized(original_);
        return text(Field::kMonth, (n == 3 ? 0 : 1) | (c == 'L' ? 2 : 0));
      case 'Q':
      case 'q':
        if (n <= 2) return one_or_two(Field::kQuarter, n);
        if (n > 4) throw unrecognized(original_);
        return text(Field::kQuarter, n == 3 ? 0 : 1);
      case 'E':
        if (n > 4) throw unrecognized(original_);
        return text(Field::kDayOfWeek, n <= 3 ? 0 : 1);
      case 'a':
        if (n > 1) throw unrecognized(original_);
        return text(Field::kAmPm, 0);
      case 'D':
        if (n == 1) return add_value(value(Field::kDayOfYear, 1, 19, Sign::kNormal));
        if (n > 3) throw unrecognized(original_);
        return add_value(value(Field::kDayOfYear, n, 3, Sign::kNotNegative));
      case 'F':
        if (n > 1) throw unrecognized(original_);
        return add_value(value(Field::kAlignedWeekday, 1, 19, Sign::kNormal));
      case 'd': return one_or_two(Field::kDay, n);
      case 'h': return one_or_two(Field::kClockHourOfAmPm, n);
      case 'H': return one_or_two(Field::kHour, n);
      case 'k': return one_or_two(Field::kClockHour, n);
      case 'K': return one_or_two(Field::kHourOfAmPm, n);
      case 'm': return one_or_two(Field::kMinute, n);
      case 's': return one_or_two(Field::kSecond, n);
      case 'S': {
        if (n > 9) throw unrecognized(original_);
        Element e;
        e.kind = Element::kFraction;
        e.field = Field::kNano;
        e.min_width = variable_fraction_ ? 1 : n;
        e.max_width = n;
        e.sign = Sign::kNotNegative;
        if (variable_fraction_) add(std::move(e));
        else add_value(std::move(e));
        return;
      }
      case 'V':
        if (n != 2) throw unrecognized(original_);
        return styled(Element::kZoneId, 0);
      case 'v':
        if (n != 1 && n != 4) throw unrecognized(original_);
        return styled(Element::kZoneText, n == 1 ? 2 : 3);
      case 'z':
        if (n > 4) throw unrecognized(original_);
        return styled(Element::kZoneText, n <= 3 ? 0 : 1);
      case 'O':
        if (n != 1 && n != 4) throw unrecognized(original_);
        return styled(Element::kLocalizedOffset, n == 1 ? 0 : 1);
      case 'X':
      case 'x': {
        if (n > 5) throw unrecognized(original_);
        Element e;
        e.kind = Element::kOffset;
        e.style = n;
        e.text = c == 'X' ? "Z" : n == 1 ? "+00" : n % 2 == 0 ? "+0000" : "+00:00";
        return add(std::move(e));
      }
      case 'Z': {
        if (n > 5) throw unrecognized(original_);
        if (n == 4) return styled(Element::kLocalizedOffset, 1);
        Element e;
        e.kind = Element::kOffset;
        e.style = n == 5 ? 5 : 2;
        e.text = n == 5 ? "Z" : "+0000";
        return add(std::move(e));
      }
      default: throw unrecognized(original_);
    }
  }

  std::string_view original_;
  bool variable_fraction_;
  std::vector<Element> out_;
  int active_value_ = -1;
  int depth_ = 0;
};

}  // namespace

DateTimeFormat::DateTimeFormat() = default;
DateTimeFormat::~DateTimeFormat() = default;

std::shared_ptr<const DateTimeFormat> DateTimeFormat::compile(std::string_view pattern, bool for_parsing, std::string_view locale) {
  using Key = std::tuple<std::string, std::string, bool>;
  static std::mutex mu;
  static std::map<Key, std::shared_ptr<const DateTimeFormat>> cache;  // guarded by mu
  Key key{std::string(pattern), std::string(locale), for_parsing};
  {
    std::lock_guard lock(mu);
    if (auto it = cache.find(key); it != cache.end()) return it->second;
  }
  std::shared_ptr<DateTimeFormat> f(new DateTimeFormat);
  f->impl_ = std::make_unique<Impl>();
  f->impl_->elements = Compiler(pattern, for_parsing).compile(check_and_convert(std::string(pattern), for_parsing));
  f->impl_->texts = &locale_texts(locale);
  f->impl_->locale = locale;
  std::lock_guard lock(mu);
  if (cache.size() > 512) cache.clear();
  return cache.emplace(std::move(key), std::move(f)).first->second;
}

}  // namespace tarn::engine
