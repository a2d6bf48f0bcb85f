// Source: Expression.sql and toPrettySQL of Spark's catalyst; Literal.sql, IntervalUtils.
#include "plan/expression_text.h"

#include <unicode/timezone.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <memory>

#include "plan/functions/entry.h"
#include "plan/internal_functions.h"
#include "plan/logical_plan.h"
#include "plan/types_internal.h"

namespace tarn::plan {

namespace {

thread_local std::string text_zone = "UTC";  // NOLINT

// digits and exponent of the shortest form -> Java's notation
template <class T>
std::string java_floating(T v) {
  if (std::isnan(v)) return "NaN";
  if (std::isinf(v)) return v < 0 ? "-Infinity" : "Infinity";
  if (v == 0) return std::signbit(v) ? "-0.0" : "0.0";
  char buffer[64];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, v, std::chars_format::scientific).ptr;
  std::string s(buffer, end);
  std::string sign;
  if (s[0] == '-') {
    sign = "-";
    s.erase(0, 1);
  }
  auto e = s.find('e');
  int exponent = std::atoi(s.c_str() + e + 1);
  std::string digits;
  for (char c : s.substr(0, e))
    if (c != '.') digits += c;
  T magnitude = std::fabs(v);
  if (magnitude >= static_cast<T>(1e-3) && magnitude < static_cast<T>(1e7)) {
    std::string out;
    if (exponent < 0) {
      out = "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
    } else {
      auto whole = static_cast<size_t>(exponent) + 1;
      if (digits.size() < whole) digits.append(whole - digits.size(), '0');
      out = digits.substr(0, whole) + "." + (digits.size() > whole ? digits.substr(whole) : "0");
    }
    return sign + out;
  }
  return sign + digits.substr(0, 1) + "." + (digits.size() > 1 ? digits.substr(1) : "0") + "E" + std::to_string(exponent);
}

void civil(int64_t days, int64_t& y, unsigned& m, unsigned& d) {
  days += 719468;
  int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  auto doe = static_cast<unsigned>(days - era * 146097);
  unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  y = static_cast<int64_t>(yoe) + era * 400;
  unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  unsigned mp = (5 * doy + 2) / 153;
  d = doy - (153 * mp + 2) / 5 + 1;
  m = mp < 10 ? mp + 3 : mp - 9;
  if (m <= 2) ++y;
}

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

std::string two(int64_t v) { return (v < 10 ? "0" : "") + std::to_string(v); }

std::string fraction(int64_t v, int digits) {
  if (v == 0) return "";
  std::string s = std::to_string(v);
  s = std::string(static_cast<size_t>(digits) - s.size(), '0') + s;
  while (s.back() == '0') s.pop_back();
  return "." + s;
}

int64_t to_local(int64_t micros) {
  static thread_local std::string cached_name;
  static thread_local std::unique_ptr<icu::TimeZone> cached;
  if (!cached || cached_name != text_zone) {
    std::string id = text_zone;
    if (id == "Z") id = "UTC";
    if (!id.empty() && (id[0] == '+' || id[0] == '-')) id = "GMT" + id;
    cached.reset(icu::TimeZone::createTimeZone(icu::UnicodeString::fromUTF8(id)));
    cached_name = text_zone;
  }
  int32_t raw = 0, dst = 0;
  UErrorCode status = U_ZERO_ERROR;
  cached->getOffset(static_cast<double>(floor_div(micros, 1000)), false, raw, dst, status);
  return micros + (static_cast<int64_t>(raw) + dst) * 1000;
}

}  // namespace

std::string java_double(double v) { return java_floating(v); }
std::string java_float(float v) { return java_floating(v); }

std::string decimal_text(Int128 unscaled, int scale) {
  bool negative = unscaled < 0;
  unsigned __int128 u = negative ? -static_cast<unsigned __int128>(unscaled) : static_cast<unsigned __int128>(unscaled);
  std::string digits;
  do {
    digits += static_cast<char>('0' + static_cast<int>(u % 10));
    u /= 10;
  } while (u);
  while (digits.size() <= static_cast<size_t>(scale)) digits += '0';
  std::reverse(digits.begin(), digits.end());
  if (scale > 0) digits.insert(digits.size() - static_cast<size_t>(scale), ".");
  return (negative ? "-" : "") + digits;
}

std::string date_text(int64_t days) {
  int64_t y;
  unsigned m, d;
  civil(days, y, m, d);
  char year[32];
  if (y > 9999) std::snprintf(year, sizeof year, "+%lld", static_cast<long long>(y));
  else if (y < 0) std::snprintf(year, sizeof year, "-%04lld", static_cast<long long>(-y));
  else std::snprintf(year, sizeof year, "%04lld", static_cast<long long>(y));
  return std::string(year) + "-" + two(m) + "-" + two(d);
}

std::string time_text(int64_t nanos) {
  int64_t seconds = nanos / 1000000000;
  return two(seconds / 3600) + ":" + two(seconds / 60 % 60) + ":" + two(seconds % 60) + fraction(nanos % 1000000000, 9);
}

std::string local_timestamp_text(int64_t micros) {
  constexpr int64_t kDayMicros = 86400000000;
  int64_t days = floor_div(micros, kDayMicros);
  return date_text(days) + " " + time_text((micros - days * kDayMicros) * 1000);
}

std::string day_time_interval_text(int64_t micros, const DataType& type) {
  const char* const names[] = {"DAY", "HOUR", "MINUTE", "SECOND"};
  int from = type.start_field(), to = type.end_field();
  bool negative = micros < 0;
  uint64_t u = negative ? 0 - static_cast<uint64_t>(micros) : static_cast<uint64_t>(micros);
  uint64_t seconds = u / 1000000;
  std::string out = negative ? "-" : "";
  auto follow = [&](uint64_t v) { return two(static_cast<int64_t>(v)); };
  uint64_t hours = seconds / 3600, minutes = seconds / 60;
  std::string tail = fraction(static_cast<int64_t>(u % 1000000), 6);
  for (int f = from; f <= to; ++f) {
    if (f > from) out += f == 1 ? " " : ":";
    switch (f) {
      case kDay: out += std::to_string(seconds / 86400); break;
      case kHour: out += follow(f == from ? hours : hours % 24); break;
      case kMinute: out += follow(f == from ? minutes : minutes % 60); break;
      default: out += follow(f == from ? seconds : seconds % 60) + tail;
    }
  }
  return "INTERVAL '" + out + "' " + names[from] + (from == to ? "" : std::string(" TO ") + names[to]);
}

std::string year_month_interval_text(int64_t months, const DataType& type) {
  std::string sign = months < 0 ? "-" : "";
  int64_t m = months < 0 ? -months : months;
  if (type.start_field() == kYear && type.end_field() == kYear) return "INTERVAL '" + sign + std::to_string(m / 12) + "' YEAR";
  if (type.start_field() == kMonth) return "INTERVAL '" + sign + std::to_string(m) + "' MONTH";
  return "INTERVAL '" + sign + std::to_string(m / 12) + "-" + std::to_string(m % 12) + "' YEAR TO MONTH";
}

std::string calendar_interval_text(const IntervalValue& v) {
  std::string out;
  auto add = [&](int64_t n, const char* unit) {
    if (n) out += (out.empty() ? "" : " ") + std::to_string(n) + " " + unit;
  };
  add(v.months / 12, "years");
  add(v.months % 12, "months");
  add(v.days, "days");
  int64_t rest = v.micros;
  add(rest / 3600000000, "hours");
  rest %= 3600000000;
  add(rest / 60000000, "minutes");
  rest %= 60000000;
  if (rest) {
    std::string s = decimal_text(rest, 6);
    while (s.back() == '0') s.pop_back();
    if (s.back() == '.') s.pop_back();
    out += (out.empty() ? "" : " ") + s + " seconds";
  }
  return out.empty() ? "0 seconds" : out;
}

TextZone::TextZone(std::string zone) : previous_(std::move(text_zone)) { text_zone = std::move(zone); }
TextZone::~TextZone() { text_zone = std::move(previous_); }

namespace {

std::string hex(const std::string& bytes) {
  static const char* const digits = "0123456789ABCDEF";
  std::string out;
  for (unsigned char c : bytes) {
    out += digits[c >> 4];
    out += digits[c & 15];
  }
  return out;
}

std::string quoted(const std::string& s) {
  std::string out = "'";
  for (char c : s) {
    if (c == '\\' || c == '\'') out += '\\';
    out += c;
  }
  return out + "'";
}

// BigDecimal.toString: an exponent below 1E-6.
std::string big_decimal_text(Int128 unscaled, int scale) {
  std::string digits = decimal_text(unscaled < 0 ? -unscaled : unscaled, 0);
  int exponent = static_cast<int>(digits.size()) - 1 - scale;
  if (exponent >= -6) return decimal_text(unscaled, scale);
  std::string out = unscaled < 0 ? "-" : "";
  out += digits[0];
  if (digits.size() > 1) out += "." + digits.substr(1);
  return out + "E" + std::to_string(exponent);
}

// plain: numbers and strings without marks, as generated names show them.
std::string render_literal(const DataType& t, const Value& v, bool plain) {
  if (v.is_null()) {
    if (plain || t.id() == TypeId::kNull || t.is_nested()) return "NULL";
    return "CAST(NULL AS " + t.sql() + ")";
  }
  switch (t.id()) {
    case TypeId::kBoolean: return v.get<bool>() ? "true" : "false";
    case TypeId::kByte: return std::to_string(v.get<int64_t>()) + (plain ? "" : "Y");
    case TypeId::kShort: return std::to_string(v.get<int64_t>()) + (plain ? "" : "S");
    case TypeId::kInt: return std::to_string(v.get<int64_t>());
    case TypeId::kLong: return std::to_string(v.get<int64_t>()) + (plain ? "" : "L");
    case TypeId::kFloat: {
      std::string s = java_float(static_cast<float>(v.get<double>()));
      return plain ? s : "CAST('" + s + "' AS FLOAT)";
    }
    case TypeId::kDouble: {
      std::string s = java_double(v.get<double>());
      if (plain) return s;
      return std::isfinite(v.get<double>()) ? s + "D" : "CAST('" + s + "' AS DOUBLE)";
    }
    case TypeId::kDecimal: return big_decimal_text(v.get<Int128>(), t.scale()) + (plain ? "" : "BD");
    case TypeId::kString:
    case TypeId::kChar:
    case TypeId::kVarchar:
      if (plain && t.collation() == "UTF8_BINARY") return v.get<std::string>();
      return quoted(v.get<std::string>()) + (t.is_default_string() || t.id() != TypeId::kString ? "" : " collate " + t.collation());
    case TypeId::kBinary: return "X'" + hex(v.get<std::string>()) + "'";
    case TypeId::kDate: return "DATE '" + date_text(v.get<int64_t>()) + "'";
    case TypeId::kTime: return "TIME '" + time_text(v.get<int64_t>()) + "'";
    case TypeId::kTimestamp: return "TIMESTAMP '" + local_timestamp_text(to_local(v.get<int64_t>())) + "'";
    case TypeId::kTimestampNtz: return "TIMESTAMP_NTZ '" + local_timestamp_text(v.get<int64_t>()) + "'";
    case TypeId::kYearMonthInterval: return year_month_interval_text(v.get<int64_t>(), t);
    case TypeId::kDayTimeInterval: return day_time_interval_text(v.get<int64_t>(), t);
    case TypeId::kCalendarInterval: return "INTERVAL '" + calendar_interval_text(v.get<IntervalValue>()) + "'";
    case TypeId::kArray: {
      std::string out = "ARRAY(";
      const auto& items = v.get<ListValue>().items;
      for (size_t i = 0; i < items.size(); ++i) out += (i ? ", " : "") + render_literal(t.element(), items[i], false);
      return out + ")";
    }
    case TypeId::kMap: {
      std::string out = "MAP(";
      const auto& entries = v.get<MapValue>().entries;
      for (size_t i = 0; i < entries.size(); ++i)
        out += (i ? ", " : "") + render_literal(t.key(), entries[i].first, false) + ", " +
               render_literal(t.value(), entries[i].second, false);
      return out + ")";
    }
    case TypeId::kStruct: {
      std::string out = "NAMED_STRUCT(";
      const auto& items = v.get<ListValue>().items;
      for (size_t i = 0; i < items.size(); ++i)
        out += (i ? ", '" : "'") + t.fields()[i].name + "', " + render_literal(t.fields()[i].type(), items[i], false);
      return out + ")";
    }
    default: return "NULL";
  }
}

std::string upper(std::string s) {
  for (char& c : s) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return s;
}

// The comparator of array_sort(a): nulls last.
constexpr const char* kDefaultOrder =
    "lambdafunction((IF(((namedlambdavariable() IS NULL) AND (namedlambdavariable() IS NULL)), 0, (IF((namedlambdavariable() IS NULL), 1, "
    "(IF((namedlambdavariable() IS NULL), -1, (IF((namedlambdavariable() < namedlambdavariable()), -1, (IF((namedlambdavariable() > "
    "namedlambdavariable()), 1, 0)))))))))), namedlambdavariable(), namedlambdavariable())";

bool is_null(const Expression& e) {
  const auto* l = try_as<Literal>(e);
  return l && l->value.is_null();
}

class Writer {
 public:
  explicit Writer(bool pretty) : pretty_(pretty) {}

  std::string write(const Expression& e) const {
    if (pretty_ && !e.text.empty() && e.kind != ExprKind::kAggregate) return e.text;
    switch (e.kind) {
      case ExprKind::kLiteral: return render_literal(e.type, as<Literal>(e).value, pretty_);
      case ExprKind::kAttribute: {
        const auto& a = as<AttributeRef>(e);
        if (a.outer) return "outer(" + qualified(a) + ")";
        return pretty_ ? a.name : qualified(a);
      }
      case ExprKind::kAlias: {
        const auto& a = as<Alias>(e);
        return write(*e.children[0]) + " AS " + quote_if_needed(a.name);
      }
      case ExprKind::kCast: {
        const auto& c = as<Cast>(e);
        // A null of a nested type is a plain NULL in generated names, however it was written.
        if (pretty_ && (!c.user_specified || (e.type.is_nested() && is_null(*e.children[0])))) return write(*e.children[0]);
        return std::string(c.mode == EvalMode::kTry ? "TRY_CAST(" : "CAST(") + write(*e.children[0]) + " AS " + e.type.sql() + ")";
      }
      case ExprKind::kCall: return call(as<Call>(e));
      case ExprKind::kAggregate: return aggregate(as<AggregateCall>(e));
      case ExprKind::kWindow: return window(as<WindowExpr>(e));
      case ExprKind::kSortOrder: {
        const auto& s = as<SortOrder>(e);
        return write(*e.children[0]) + (s.ascending ? " ASC" : " DESC") + (s.nulls_first ? " NULLS FIRST" : " NULLS LAST");
      }
      case ExprKind::kLambda: {
        std::string out = "lambdafunction(" + write(*e.children[0]);
        for (const auto& p : as<Lambda>(e).parameters) out += ", " + write(*p);
        return out + ")";
      }
      case ExprKind::kLambdaVariable: return "namedlambdavariable()";
      case ExprKind::kSubquery: return subquery(as<SubqueryExpr>(e));
      case ExprKind::kUserFunction: return as<UserFunction>(e).name + "(" + list(e.children) + ")";
    }
    return "";
  }

 private:
  static std::string qualified(const AttributeRef& a) {
    std::string out;
    for (const auto& q : a.qualifier) out += quote_if_needed(q) + ".";
    return out + quote_if_needed(a.name);
  }

  std::string list(const std::vector<ExprPtr>& items, size_t from = 0) const {
    std::string out;
    for (size_t i = from; i < items.size(); ++i) out += (i > from ? ", " : "") + write(*items[i]);
    return out;
  }

  // Whether resolving left the expression as the parser made it: no column, no implicit cast. (Spark's IS UNKNOWN is an IS NULL that
  // remembers its name only until its child is replaced.)
  static bool as_written(const Expression& e) {
    if (const auto* l = try_as<Literal>(e)) return !l->value.is_null();
    return e.kind == ExprKind::kCall && std::all_of(e.children.begin(), e.children.end(), [](const ExprPtr& c) { return as_written(*c); });
  }

  std::string call(const Call& c) const {
    const auto& a = c.children;
    const std::string n = c.name == "==" ? "=" : c.name;
    auto arg = [&](size_t i) { return write(*a[i]); };
    if (c.function == &kGetStructField) return arg(0) + "." + (pretty_ ? n : quote_identifier(n));
    if (c.function == &kGetArrayStructFields) return arg(0) + "." + (pretty_ ? n : quote_identifier(n));
    if (c.function == &kGetArrayItem || c.function == &kGetMapValue) return arg(0) + "[" + arg(1) + "]";
    if (n == "case_when" || n == "when") {
      std::string out = "CASE";
      size_t i = 0;
      for (; i + 1 < a.size(); i += 2) out += " WHEN " + arg(i) + " THEN " + arg(i + 1);
      if (i < a.size()) out += " ELSE " + arg(i);
      return out + " END";
    }
    if (a.size() == 1 && (n == "input_file_name" || n == "input_file_block_start" || n == "input_file_block_length")) return n + "()";  // the argument is the analyzer's
    if (n == "if" && a.size() == 3) return "(IF(" + list(a) + "))";
    if (n == "in" && !a.empty()) return "(" + arg(0) + " IN (" + list(a, 1) + "))";
    if (n == "not" && a.size() == 1) return "(NOT " + arg(0) + ")";
    if (n == "isnull" && a.size() == 1) return "(" + arg(0) + " IS NULL)";
    if (n == "isnotnull" && a.size() == 1) return "(" + arg(0) + " IS NOT NULL)";
    if (a.size() == 2 && (n == "trim" || n == "ltrim" || n == "rtrim"))
      return std::string("TRIM(") + (n == "trim" ? "BOTH " : n == "ltrim" ? "LEADING " : "TRAILING ") + arg(0) + " FROM " + arg(1) + ")";
    if (n == "extract" && a.size() == 2) return "extract(" + arg(0) + " FROM " + arg(1) + ")";
    // Without a last function there is one that gives back what it takes.
    if ((n == "aggregate" || n == "reduce") && a.size() == 3) return n + "(" + list(a) + ", lambdafunction(namedlambdavariable(), namedlambdavariable()))";
    if ((n == "is_unknown" || n == "is_not_unknown") && a.size() == 1)
      return "(" + arg(0) + (n == "is_unknown" ? " IS " : " IS NOT ") + (as_written(*a[0]) ? "UNKNOWN)" : "NULL)");
    if ((n == "like" || n == "ilike") && a.size() >= 2) {
      std::string out;
      // ILIKE is lower(a) LIKE lower(b) in disguise and keeps a function's form.
      if (n == "ilike") out = "ilike(" + arg(0) + ", " + arg(1) + ")";
      else out = arg(0) + " LIKE " + arg(1);
      if (a.size() == 3 && n == "like") {
        auto* l = try_as<Literal>(*a[2]);
        if (!l || l->value.is_null() || l->value.get<std::string>() != "\\")
          out += " ESCAPE " + (l ? render_literal(l->type, l->value, false) : arg(2));
      }
      return out;
    }
    if ((n == "rlike" || n == "regexp" || n == "regexp_like") && a.size() == 2) return upper(n == "rlike" ? n : n) + "(" + list(a) + ")";
    if (n == "struct" && a.size() % 2 == 0) {
      std::string out = "struct(";
      for (size_t i = 1; i < a.size(); i += 2) out += (i > 1 ? ", " : "") + arg(i);
      return out + ")";
    }
    if (n == "positive" && a.size() == 1) return "(+ " + arg(0) + ")";
    if (c.function && (c.function->flags & kOperator)) {
      // try_add, mod and their like share an operator's computation but are written as functions.
      const bool word = std::isalpha(static_cast<unsigned char>(n[0])) && n != "and" && n != "or" && n != "div";
      if (a.size() == 2 && !word) {
        std::string text = arg(0) + " " + (n == "and" || n == "or" ? upper(n) : n) + " " + arg(1);
        return c.function->flags & kBareInfix ? text : "(" + text + ")";
      }
      if (a.size() == 1 && (n == "-" || n == "negative")) return "(- " + arg(0) + ")";
      if (a.size() == 1 && !word) return n == "+" ? "(+ " + arg(0) + ")" : n + arg(0);
    }
    // Lambdas that stand for what was left out.
    if ((n == "aggregate" || n == "reduce") && a.size() == 3)
      return n + "(" + list(a) + ", lambdafunction(namedlambdavariable(), namedlambdavariable()))";
    if (n == "array_sort" && a.size() == 1) return n + "(" + arg(0) + ", " + kDefaultOrder + ")";
    if (n == "from_json" && c.type.id() == TypeId::kMap) return "entries";
    if (c.function && (c.function->flags & kFirstText) && !a.empty()) return n + "(" + arg(0) + ")";
    return n + "(" + list(a) + ")";
  }

  std::string aggregate(const AggregateCall& a) const {
    const bool first_only = a.function && (a.function->flags & kFirstText) && !a.children.empty();
    std::string out = !a.text.empty() ? a.text
                                      : a.name + "(" + (a.distinct ? "DISTINCT " : "") + (first_only ? write(*a.children[0]) : list(a.children)) + (a.name == "percentile" && a.children.size() == 2 ? ", 1)" : ")");
    if (!a.order.empty()) out += " WITHIN GROUP (ORDER BY " + list(a.order) + ")";
    if (a.filter) out += " FILTER (WHERE " + write(*a.filter) + ")";
    return out;
  }

  std::string bound(const FrameBound& b) const {
    switch (b.kind) {
      case FrameBound::Kind::kUnbounded: return b.following ? "UNBOUNDED FOLLOWING" : "UNBOUNDED PRECEDING";
      case FrameBound::Kind::kCurrentRow: return "CURRENT ROW";
      default: break;
    }
    // PRECEDING is a negated FOLLOWING; an implicit cast around it hides that from the text.
    if (!b.following && b.offset->kind == ExprKind::kCast && !as<Cast>(*b.offset).user_specified) return "(- " + write(*b.offset) + ") FOLLOWING";
    return write(*b.offset) + (b.following ? " FOLLOWING" : " PRECEDING");
  }

  std::string window(const WindowExpr& w) const {
    std::string spec;
    auto add = [&](const std::string& s) { spec += (spec.empty() ? "" : " ") + s; };
    if (!w.partition_by.empty()) add("PARTITION BY " + list(w.partition_by));
    if (!w.order_by.empty()) add("ORDER BY " + list(w.order_by));
    add(std::string(w.rows ? "ROWS" : "RANGE") + " BETWEEN " + bound(w.lower) + " AND " + bound(w.upper));
    std::string function = write(*w.children[0]);
    if (auto* c = try_as<Call>(*w.children[0]);
        c && (c->name == "rank" || c->name == "dense_rank" || c->name == "percent_rank"))
      function = upper(c->name) + "()";
    if (w.ignore_nulls) function += " ignore nulls";
    return function + " OVER (" + spec + ")";
  }

  std::string subquery(const SubqueryExpr& s) const {
    // Outer references are the expression's arguments, in order of use.
    std::string outer;
    for (const auto& r : outer_references(*s.plan)) {
      outer += (outer.empty() ? "" : ", ") + (pretty_ ? as<AttributeRef>(*r).name : qualified(as<AttributeRef>(*r)));
    }
    switch (s.form) {
      case SubqueryExpr::Form::kScalar: return "scalarsubquery(" + outer + ")";
      case SubqueryExpr::Form::kExists: return "exists(" + outer + ")";
      case SubqueryExpr::Form::kIn: {
        std::string value = s.children.size() == 1
                                ? write(*s.children[0])
                                : "named_struct(" + in_values(s) + ")";
        return "(" + value + " IN (listquery(" + outer + ")))";
      }
    }
    return "";
  }

  std::string in_values(const SubqueryExpr& s) const {
    std::string out;
    for (size_t i = 0; i < s.children.size(); ++i) {
      auto* a = try_as<AttributeRef>(*s.children[i]);
      out += (i ? ", " : "") + (a ? a->name : "col" + std::to_string(i + 1)) + ", " + write(*s.children[i]);
    }
    return out;
  }

  bool pretty_;
};

}  // namespace

std::string literal_sql(const DataType& type, const Value& value) { return render_literal(type, value, false); }
std::string pretty_sql(const Expression& e) { return Writer(true).write(e); }
std::string expression_sql(const Expression& e) { return Writer(false).write(e); }

}  // namespace tarn::plan
