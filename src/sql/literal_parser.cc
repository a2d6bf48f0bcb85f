// Numbers, typed literals (DATE '...', X'...'), INTERVAL literals.
#include <algorithm>
#include <cmath>
#include <limits>

#include "sql/parser_impl.h"

namespace tarn::sql {

namespace sc = spark::connect;
using Literal = sc::Expression::Literal;

namespace {

bool is_number_token(TokenType t) { return t >= kBigint && t <= kBigDecimal; }

bool is_interval_unit(TokenType t) {
  switch (t) {
    case kwDAY: case kwDAYS: case kwHOUR: case kwHOURS: case kwMICROSECOND: case kwMICROSECONDS: case kwMILLISECOND: case kwMILLISECONDS:
    case kwMINUTE: case kwMINUTES: case kwMONTH: case kwMONTHS: case kwNANOSECOND: case kwNANOSECONDS: case kwSECOND: case kwSECONDS:
    case kwWEEK: case kwWEEKS: case kwYEAR: case kwYEARS:
      return true;
    default: return false;
  }
}

bool is_range_unit(TokenType t) { return t == kwDAY || t == kwHOUR || t == kwMINUTE || t == kwMONTH || t == kwSECOND || t == kwYEAR; }

int day_time_field(std::string_view unit) {
  return unit == "day" ? 0 : unit == "hour" ? 1 : unit == "minute" ? 2 : unit == "second" ? 3 : -1;
}

// java.math.BigDecimal of digits[.digits][e[sign]digits] as Spark makes a decimal of it. False if it has more than 38 digits.
bool decimal_literal(std::string text, sc::Expression::Literal::Decimal* out, int* precision_found) {
  bool negative = !text.empty() && text[0] == '-';
  if (negative) text.erase(0, 1);
  long exponent = 0;
  size_t e = text.find_first_of("eE");
  if (e != std::string::npos) {
    exponent = std::clamp(std::strtol(text.c_str() + e + 1, nullptr, 10), -1000000000L, 1000000000L);  // beyond, no decimal fits anyway
    text.resize(e);
  }
  size_t dot = text.find('.');
  long scale = 0;
  if (dot != std::string::npos) {
    scale = static_cast<long>(text.size() - dot - 1);
    text.erase(dot, 1);
  }
  scale -= exponent;
  size_t first = text.find_first_not_of('0');
  std::string digits = first == std::string::npos ? "0" : text.substr(first);
  if (scale < 0) {
    if (digits != "0" && -scale > 100) {
      *precision_found = static_cast<int>(std::min<long>(1000000, -scale));
      return false;
    }
    if (digits != "0") digits.append(static_cast<size_t>(-scale), '0');
    scale = 0;
  }
  long precision = std::max<long>(static_cast<long>(digits.size()), scale);
  *precision_found = static_cast<int>(std::min<long>(precision, 1000000));
  if (precision > 38) return false;
  std::string value = digits;
  if (scale > 0) {
    if (static_cast<long>(value.size()) <= scale) value.insert(0, static_cast<size_t>(scale) + 1 - value.size(), '0');
    value.insert(value.size() - static_cast<size_t>(scale), ".");
  }
  bool zero = digits.find_first_not_of('0') == std::string::npos;
  out->set_value((negative && !zero ? "-" : "") + value);
  out->set_precision(static_cast<int>(precision));
  out->set_scale(static_cast<int>(scale));
  return true;
}

std::string quoted_value(const std::string& v) {
  std::string out = "'";
  for (char c : v) {
    if (c == '\\' || c == '\'') out += '\\';
    out += c;
  }
  return out + "'";
}

}  // namespace

bool Parser::at_number(size_t k) const { return is_number_token(type(k)) || (k == 0 && at(kMinus) && is_number_token(type(1))); }

ExprPtr Parser::number() {
  size_t start = pos_;
  bool negative = accept(kMinus);
  TokenType t = type();
  std::string raw = (negative ? "-" : "") + std::string(text());
  ++pos_;
  auto e = new_expr();
  auto* literal = e->mutable_literal();
  auto out_of_range = [&](const std::string& digits, const std::string& low, const std::string& high, const char* type_name) {
    fail("INVALID_NUMERIC_LITERAL_RANGE", {{"rawStrippedQualifier", digits}, {"minValue", low}, {"maxValue", high}, {"typeName", type_name}}, start);
  };
  auto decimal = [&](const std::string& digits) {
    int precision = 0;
    if (!decimal_literal(digits, literal->mutable_decimal(), &precision))
      fail("DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION", {{"precision", std::to_string(precision)}, {"maxPrecision", "38"}}, start);
  };
  auto integer = [&](size_t suffix, int64_t low, int64_t high, const char* type_name) -> int64_t {
    std::string digits = raw.substr(0, raw.size() - suffix);
    errno = 0;
    long long v = std::strtoll(digits.c_str(), nullptr, 10);
    if (errno == ERANGE || v < low || v > high) out_of_range(digits, std::to_string(low), std::to_string(high), type_name);
    return v;
  };
  auto floating = [&](size_t suffix, bool is_float) {
    std::string digits = raw.substr(0, raw.size() - suffix);
    double v = std::strtod(digits.c_str(), nullptr);
    double max = is_float ? static_cast<double>(std::numeric_limits<float>::max()) : std::numeric_limits<double>::max();
    if (std::isinf(v) || std::fabs(v) > max) {
      if (is_float) out_of_range(digits, "-3.4028234663852886E+38", "3.4028234663852886E+38", "float");
      out_of_range(digits, "-1.7976931348623157E+308", "1.7976931348623157E+308", "double");
    }
    if (is_float) {
      literal->set_float_(std::strtof(digits.c_str(), nullptr));
    } else {
      literal->set_double_(v);
    }
  };
  switch (t) {
    case kInteger: {
      errno = 0;
      long long v = std::strtoll(raw.c_str(), nullptr, 10);
      if (errno == ERANGE) {
        decimal(raw);
      } else if (v >= std::numeric_limits<int32_t>::min() && v <= std::numeric_limits<int32_t>::max()) {
        literal->set_integer(static_cast<int32_t>(v));
      } else {
        literal->set_long_(v);
      }
      break;
    }
    case kBigint: literal->set_long_(integer(1, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max(), "bigint")); break;
    case kSmallint: literal->set_short_(static_cast<int32_t>(integer(1, -32768, 32767, "smallint"))); break;
    case kTinyint: literal->set_byte(static_cast<int32_t>(integer(1, -128, 127, "tinyint"))); break;
    case kExponent:
      if (options_.legacy_exponent_as_decimal) {
        decimal(raw);
      } else {
        floating(0, false);
      }
      break;
    case kDecimal: decimal(raw); break;
    case kFloat: floating(1, true); break;
    case kDouble: floating(1, false); break;
    default: decimal(raw.substr(0, raw.size() - 2)); break;
  }
  return finish(std::move(e), start);
}

// word 'text': DATE '2020-01-01', X'1F', and any other word, which is then UNSUPPORTED_TYPED_LITERAL.
bool Parser::at_typed_literal() const {
  if (!is_identifier() || at(kBackquoted) || at(kDoubleQuoted)) return false;
  if (!(at(kString, 1) || (at(kDoubleQuoted, 1) && at_string(1)))) return false;
  if (at_any(kwNOT, kwCASE, kwDISTINCT, kwALL)) return false;
  if (at(kwINTERVAL)) {
    size_t k = 1;
    while (at_string(k)) ++k;
    return !is_interval_unit(type(k)) && k == 2;
  }
  return true;
}

ExprPtr Parser::typed_literal() {
  size_t start = pos_;
  TokenType t = type();
  std::string type_name(text());
  pos_ += 2;
  std::string value = unescape_string(text(tokens_[pos_ - 1]), options_.legacy_escaped_literals);
  // The tree of a refused literal is never seen: the error is raised at the end of the statement.
  auto invalid = [&](const std::string& name) {
    defer("INVALID_TYPED_LITERAL", {{"valueType", quote_sql(to_upper(name))}, {"value", quoted_value(value)}}, start);
  };
  auto e = new_expr();
  // today, yesterday ...: relative to the clock and the session's zone.
  auto special = [&](bool date) -> std::optional<ExprPtr> {
    std::string v = value;
    while (!v.empty() && static_cast<unsigned char>(v.back()) <= ' ') v.pop_back();
    size_t b = 0;
    while (b < v.size() && static_cast<unsigned char>(v[b]) <= ' ') ++b;
    v.erase(0, b);
    size_t n = 0;
    while (n < v.size() && isalpha(static_cast<unsigned char>(v[n]))) ++n;
    std::string word = to_lower(v.substr(0, n));
    size_t z = n;
    while (z < v.size() && (v[z] == ' ' || v[z] == '\t')) ++z;
    std::string zone = v.substr(z);
    if (!zone.empty() && (word == "now" || !(fixed_zone_offset(zone) || looks_like_region(zone)))) return std::nullopt;
    SpecialDatetime::Value what;
    if (word == "epoch") {
      what = SpecialDatetime::VALUE_UNSPECIFIED;
    } else if (word == "now") {
      what = date ? SpecialDatetime::TODAY : SpecialDatetime::NOW;
    } else if (word == "today") {
      what = SpecialDatetime::TODAY;
    } else if (word == "yesterday") {
      what = SpecialDatetime::YESTERDAY;
    } else if (word == "tomorrow") {
      what = SpecialDatetime::TOMORROW;
    } else {
      return std::nullopt;
    }
    bool ntz = t == kwTIMESTAMP_NTZ || (t == kwTIMESTAMP && options_.timestamp_ntz);
    auto out = new_expr();
    if (what == SpecialDatetime::VALUE_UNSPECIFIED) {
      auto* l = out->mutable_literal();
      if (date) {
        l->set_date(0);
      } else if (ntz) {
        l->set_timestamp_ntz(0);
      } else {
        l->set_timestamp(0);
      }
      return finish(std::move(out), start);
    }
    Expr x;
    auto* s = x.mutable_special_datetime();
    s->set_value(what);
    s->set_zone(zone);
    if (date) {
      s->mutable_type()->mutable_date();
    } else if (ntz) {
      s->mutable_type()->mutable_timestamp_ntz();
    } else {
      s->mutable_type()->mutable_timestamp();
    }
    return finish(pack(x), start);
  };
  switch (t) {
    case kwDATE: {
      if (auto s = special(true)) return std::move(*s);
      auto days = parse_date(value);
      if (!days) invalid(type_name);
      e->mutable_literal()->set_date(days.value_or(0));
      break;
    }
    case kwTIME: {
      auto nanos = parse_time_nanos(value);
      if (!nanos) invalid(type_name);
      e->mutable_literal()->mutable_time()->set_nano(nanos.value_or(0));
      e->mutable_literal()->mutable_time()->set_precision(6);
      break;
    }
    case kwTIMESTAMP: case kwTIMESTAMP_LTZ: case kwTIMESTAMP_NTZ:
      if (auto s = special(false)) return std::move(*s);
      timestamp_literal(value, type_name, t == kwTIMESTAMP_NTZ, start, e.get());
      break;
    case kwINTERVAL: {
      CalendarInterval v;
      try {
        v = parse_calendar_interval(value);
      } catch (const SparkError&) {
        invalid(type_name);
        break;
      }
      if (options_.legacy_interval) {
        auto* c = e->mutable_literal()->mutable_calendar_interval();
        c->set_months(v.months);
        c->set_days(v.days);
        c->set_microseconds(v.microseconds);
        break;
      }
      std::vector<std::string> units;
      std::string word;
      for (char c : value + " ") {
        if (!isspace(static_cast<unsigned char>(c))) {
          word += c;
          continue;
        }
        word = to_lower(word);
        if (!word.empty() && word.back() == 's') word.pop_back();
        bool letters = !word.empty();
        for (char w : word) letters = letters && w >= 'a' && w <= 'z';
        if (letters && word != "interval") units.push_back(word);
        word.clear();
      }
      interval_units_literal(v, units, start, e.get());
      break;
    }
    case kwBINARY_HEX: {
      auto bytes = parse_hex(value);
      if (!bytes) invalid("X");
      e->mutable_literal()->set_binary(bytes.value_or(""));
      break;
    }
    default: {
      std::string supported;
      for (const char* s : {"DATE", "TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "TIMESTAMP", "INTERVAL", "X", "TIME"}) supported += (supported.empty() ? "" : ", ") + quote_sql(s);
      defer("UNSUPPORTED_TYPED_LITERAL", {{"unsupportedType", quote_sql(to_upper(type_name))}, {"supportedTypes", supported}}, start);
    }
  }
  return finish(std::move(e), start);
}

void Parser::timestamp_literal(const std::string& value, const std::string& type_name, bool ntz, size_t start, sc::Expression* out) {
  auto invalid = [&] {
    out->mutable_literal()->set_timestamp(0);
    defer("INVALID_TYPED_LITERAL", {{"valueType", quote_sql(to_upper(type_name))}, {"value", quoted_value(value)}}, start);
  };
  auto parts = parse_timestamp(value);
  if (!parts) return invalid();
  auto local = local_microseconds(*parts);
  if (!local) return invalid();
  bool plain = equals_ignore_case(type_name, "TIMESTAMP");
  if (ntz || (plain && options_.timestamp_ntz && !parts->has_zone)) {
    // A time alone is no timestamp without a zone.
    if (parts->time_only) return invalid();
    out->mutable_literal()->set_timestamp_ntz(*local);
    return;
  }
  if (parts->has_zone && !parts->time_only) {
    if (auto offset = fixed_zone_offset(parts->zone)) {
      int64_t micros = 0;
      if (__builtin_sub_overflow(*local, *offset * 1000000LL, &micros)) return invalid();
      out->mutable_literal()->set_timestamp(micros);
      return;
    }
  }
  Expr x;
  auto* z = x.mutable_zoned_timestamp();
  z->set_local_microseconds(*local);
  z->set_zone(parts->zone);
  z->set_time_only(parts->time_only);
  z->set_value(value);
  z->set_type_name(type_name);
  out->mutable_extension()->PackFrom(x);
}

// The value of "n unit n unit ..." as a year-month or day-time interval from the largest to the smallest unit named.
void Parser::interval_units_literal(const CalendarInterval& value, const std::vector<std::string>& units, size_t start, sc::Expression* out) {
  int ym_low = 9, ym_high = -1, dt_low = 9, dt_high = -1;
  for (const auto& u : units) {
    if (u == "year" || u == "month") {
      int f = u == "month";
      ym_low = std::min(ym_low, f);
      ym_high = std::max(ym_high, f);
    } else {
      int f = u == "week" ? 0 : day_time_field(u);
      if (f < 0) f = 3;  // milliseconds, microseconds
      dt_low = std::min(dt_low, f);
      dt_high = std::max(dt_high, f);
    }
  }
  auto* l = out->mutable_literal();
  if (ym_high >= 0) {
    if (dt_high >= 0) fail("_LEGACY_ERROR_TEMP_0029", {{"literal", source_from(start)}}, start);
    l->set_year_month_interval(value.months);
    l->mutable_data_type()->mutable_year_month_interval()->set_start_field(ym_low);
    l->mutable_data_type()->mutable_year_month_interval()->set_end_field(ym_high);
    return;
  }
  int64_t micros = 0;
  if (__builtin_mul_overflow(static_cast<int64_t>(value.days), int64_t{86400000000}, &micros) || __builtin_add_overflow(micros, value.microseconds, &micros))
    throw SparkError(ErrorKind::kArithmetic, "INTERVAL_ARITHMETIC_OVERFLOW.WITHOUT_SUGGESTION", {});
  l->set_day_time_interval(micros);
  l->mutable_data_type()->mutable_day_time_interval()->set_start_field(dt_low);
  l->mutable_data_type()->mutable_day_time_interval()->set_end_field(dt_high);
}

bool Parser::at_interval() const {
  if (!at(kwINTERVAL)) return false;
  size_t k = 1;
  if (at(kPlus, k) || at(kMinus, k)) ++k;
  if (at(kInteger, k) || at(kDecimal, k)) return k == 1 || is_interval_unit(type(k + 1));
  size_t first = k;
  while (at_string(k)) k += at_parameter(k) && at(kColon, k) ? 2 : 1;
  return k > first && is_interval_unit(type(k));
}

ExprPtr Parser::interval() {
  size_t start = pos_;
  expect(kwINTERVAL);
  struct Value {
    std::string text;
    bool is_string = false;
    bool minus = false;
  };
  // Is there a value with a unit after it?
  auto more = [&] {
    size_t k = 0;
    if (at(kPlus, k) || at(kMinus, k)) ++k;
    if (at(kInteger, k) || at(kDecimal, k)) return is_interval_unit(type(k + 1));
    size_t first = k;
    while (at_string(k)) ++k;
    return k > first && is_interval_unit(type(k));
  };
  auto value = [&] {
    Value v;
    std::string sign;
    if (at_any(kPlus, kMinus)) {
      v.minus = at(kMinus);
      sign = text();
      ++pos_;
    }
    if (at_any(kInteger, kDecimal)) {
      v.text = sign + std::string(text());
      ++pos_;
    } else {
      v.is_string = true;
      v.text = string_literal();
      if (v.minus) v.text = !v.text.empty() && v.text[0] == '-' ? v.text.substr(1) : "-" + v.text;
    }
    return v;
  };
  std::vector<std::string> units;
  std::string all;
  auto e = new_expr();
  auto* l = e->mutable_literal();
  do {
    size_t value_at = pos_;
    Value v = value();
    if (!is_interval_unit(type())) syntax_error();
    if (at(kwTO, 1) && is_range_unit(type()) && is_range_unit(type(2))) {
      std::string from = to_lower(text()), to = to_lower(text(2));
      pos_ += 3;
      if (!units.empty() || more()) {
        while (more()) {
          value();
          pos_ += at(kwTO, 1) ? 3 : 1;
        }
        fail("_LEGACY_ERROR_TEMP_0024", {}, start);
      }
      if (!v.is_string) fail("_LEGACY_ERROR_TEMP_0027", {}, value_at);
      int f = day_time_field(from), t = day_time_field(to);
      try {
        if (from == "year" && to == "month") {
          int32_t months = parse_year_month(v.text, 0, 1);
          if (options_.legacy_interval) {
            l->mutable_calendar_interval()->set_months(months);
          } else {
            l->set_year_month_interval(months);
            l->mutable_data_type()->mutable_year_month_interval()->set_start_field(0);
            l->mutable_data_type()->mutable_year_month_interval()->set_end_field(1);
          }
        } else if (f >= 0 && t > f) {
          int64_t micros = parse_day_time(v.text, f, t);
          if (options_.legacy_interval) {
            l->mutable_calendar_interval()->set_days(static_cast<int32_t>(micros / 86400000000));
            l->mutable_calendar_interval()->set_microseconds(micros % 86400000000);
          } else {
            l->set_day_time_interval(micros);
            l->mutable_data_type()->mutable_day_time_interval()->set_start_field(f);
            l->mutable_data_type()->mutable_day_time_interval()->set_end_field(t);
          }
        } else {
          fail("INVALID_INTERVAL_FORMAT.UNSUPPORTED_FROM_TO_EXPRESSION", {{"input", v.text}, {"from", from}, {"to", to}}, value_at);
        }
      } catch (const SparkError& error) {
        if (error.kind() == ErrorKind::kParse) throw;
        fail(error.condition(), error.params(), value_at);
      }
      return finish(std::move(e), start);
    }
    if (v.is_string) {
      for (char c : v.text)
        if (isalpha(static_cast<unsigned char>(c))) {
          ++pos_;
          fail("_LEGACY_ERROR_TEMP_0026", {{"value", v.text}}, value_at);
        }
    }
    std::string unit = to_lower(text());
    ++pos_;
    all += " " + v.text + " " + unit;
    if (unit.back() == 's') unit.pop_back();
    units.push_back(unit);
  } while (more());
  CalendarInterval v = parse_calendar_interval(all);
  if (options_.legacy_interval) {
    auto* c = l->mutable_calendar_interval();
    c->set_months(v.months);
    c->set_days(v.days);
    c->set_microseconds(v.microseconds);
  } else {
    interval_units_literal(v, units, start, e.get());
  }
  return finish(std::move(e), start);
}

// rule constant: literals only (partition values, skew lists, transform arguments).
bool Parser::at_constant() const {
  return at_any(kwNULL, kwTRUE, kwFALSE) || at_parameter() || at_typed_literal() || at_interval() || at_number() || at_string();
}

ExprPtr Parser::constant() {
  if (!at_constant()) syntax_error();
  return primary_expression();
}

}  // namespace tarn::sql
