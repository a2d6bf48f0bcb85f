// Intervals: day-time as microseconds, year-month as months, calendar intervals as DuckDB's INTERVAL. Source: IntervalUtils.
#include <cmath>
#include <regex>

#include "engine/kernels/decimal_vector.h"
#include "engine/kernels/interval_text.h"
#include "engine/kernels/kernel_error.h"
#include "engine/kernels/value_text.h"
#include "sql/parser.h"

namespace tarn::engine::kernels {
namespace {

constexpr int64_t kMicrosOf[] = {86'400'000'000, 3'600'000'000, 60'000'000, 1'000'000};

// Half up, as RoundingMode.HALF_UP on the quotient or product.
int64_t rounded(double v) {
  double r = v < 0 ? -std::floor(-v + 0.5) : std::floor(v + 0.5);
  if (!std::isfinite(r) || r >= 9223372036854775808.0 || r < -9223372036854775808.0) fail_interval_overflow();
  return static_cast<int64_t>(r);
}
template <class T> T checked(Int128 v) {
  if (v != static_cast<T>(v)) fail_interval_overflow();
  return static_cast<T>(v);
}

template <class T> void scaling(Kernels& k, const char* multiply_name, const char* divide_name) {
  k.scalar<T(T, int64_t)>(multiply_name, [](T a, int64_t n) { return checked<T>(Int128(a) * n); });
  k.scalar<T(T, double)>(multiply_name, [](T a, double n) { return checked<T>(rounded(static_cast<double>(a) * n)); });
  k.scalar<T(T, int64_t)>(divide_name, [](T a, int64_t n) {
    if (n == 0) fail("INTERVAL_DIVIDED_BY_ZERO", ErrorKind::kArithmetic, {});
    if (n == -1 && a == std::numeric_limits<T>::min()) fail("INTERVAL_ARITHMETIC_OVERFLOW.WITH_SUGGESTION", ErrorKind::kArithmetic, {{"functionName", "`try_divide`"}});
    return checked<T>(*divide(a, 0, n, 0, 0));
  });
  k.scalar<T(T, double)>(divide_name, [](T a, double n) {
    if (n == 0) fail("INTERVAL_DIVIDED_BY_ZERO", ErrorKind::kArithmetic, {});
    return checked<T>(rounded(static_cast<double>(a) / n));
  });
  for (bool times : {true, false}) {
    duckdb::ScalarFunction s(times ? multiply_name : divide_name, {TypeOf<T>::logical(), duckdb::LogicalType(duckdb::LogicalTypeId::DECIMAL)}, TypeOf<T>::logical(),
                             [times](duckdb::DataChunk& in, duckdb::ExpressionState&, duckdb::Vector& result) {
                               DecimalReader a(in.data[0], in.size()), b(in.data[1], in.size());
                               result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
                               const bool constant = a.constant && b.constant;
                               for (duckdb::idx_t i = 0; i < (constant ? 1 : in.size()); ++i) {
                                 if (!a.valid(i) || !b.valid(i)) {
                                   duckdb::FlatVector::SetNull(result, i, true);
                                   continue;
                                 }
                                 if (!times && b.get(i) == 0) fail("INTERVAL_DIVIDED_BY_ZERO", ErrorKind::kArithmetic, {});
                                 auto v = times ? multiply(a.get(i), 0, b.get(i), b.scale, 0) : divide(a.get(i), 0, b.get(i), b.scale, 0);
                                 if (!v) fail_interval_overflow();
                                 duckdb::FlatVector::GetData<T>(result)[i] = checked<T>(*v);
                               }
                               if (constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
                             }, bind_decimal_argument<1>);
    s.SetFallible();
    s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
    k.add(std::move(s));
  }
  k.scalar<T(T, T, Text)>("spark_interval_add", [](T a, T b, std::string_view) { T r; if (__builtin_add_overflow(a, b, &r)) fail_interval_overflow(); return r; });
  k.scalar<T(T, T, Text)>("spark_interval_subtract", [](T a, T b, std::string_view) { T r; if (__builtin_sub_overflow(a, b, &r)) fail_interval_overflow(); return r; });
  k.scalar<T(T)>("spark_interval_negate", [](T a) { T r; if (__builtin_sub_overflow(T(0), a, &r)) fail_interval_overflow(); return r; });
}

std::optional<Interval> calendar(Int128 months, Int128 days, Int128 micros, Mode mode) {
  if (months == static_cast<int32_t>(months) && days == static_cast<int32_t>(days) && micros == static_cast<int64_t>(micros))
    return Interval{static_cast<int32_t>(months), static_cast<int32_t>(days), static_cast<int64_t>(micros)};
  if (mode == Mode::kAnsi) fail_interval_overflow();
  if (mode == Mode::kTry) return {};
  return Interval{static_cast<int32_t>(months), static_cast<int32_t>(days), static_cast<int64_t>(micros)};
}

std::optional<Interval> scaled_calendar(const Interval& i, double by, bool divide, Mode mode) {
  if (divide && by == 0) {
    if (mode == Mode::kAnsi) fail("INTERVAL_DIVIDED_BY_ZERO", ErrorKind::kArithmetic, {});
    return {};
  }
  auto f = [&](double v) { return divide ? v / by : v * by; };
  double m = f(i.months), d = f(i.days);
  double whole_days = std::trunc(d), fraction = d - whole_days;
  double u = f(static_cast<double>(i.micros)) + fraction * static_cast<double>(kMicrosOf[0]);
  double micros = std::floor(u + 0.5);
  if (!(std::fabs(m) < 2147483648.0) || !(std::fabs(d) < 2147483648.0) || !(std::fabs(micros) < 9.2233720368547758e18)) {
    if (mode == Mode::kAnsi) fail_interval_overflow();
    return {};
  }
  return Interval{static_cast<int32_t>(m), static_cast<int32_t>(whole_days), static_cast<int64_t>(micros)};
}

std::string lower(std::string_view s) {
  std::string r(s);
  for (char& c : r) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return r;
}

// The parts of "[+-]d h:m:s.n" between two fields, also inside "INTERVAL '…' DAY TO SECOND".
struct IntervalText {
  int sign = 1;
  std::string body;
};
std::optional<IntervalText> unwrap(std::string_view text, const std::string& qualifier) {
  IntervalText t;
  std::string_view s = trim_all(text);
  std::string l = lower(s);
  auto sign = [&](std::string_view& v) {
    if (!v.empty() && (v[0] == '+' || v[0] == '-')) {
      if (v[0] == '-') t.sign = -t.sign;
      v.remove_prefix(1);
    }
  };
  if (l.rfind("interval", 0) == 0) {
    std::string_view rest = trim_all(s.substr(8));
    sign(rest);
    if (rest.empty() || rest[0] != '\'') return {};
    size_t close = rest.find('\'', 1);
    if (close == std::string_view::npos) return {};
    std::string unit;
    for (char c : lower(rest.substr(close + 1))) {
      if (c == ' ' && (unit.empty() || unit.back() == ' ')) continue;
      unit += c;
    }
    while (!unit.empty() && unit.back() == ' ') unit.pop_back();
    if (unit != qualifier) return {};
    std::string_view inner = rest.substr(1, close - 1);
    sign(inner);
    t.body = std::string(inner);
    return t;
  }
  sign(s);
  t.body = std::string(s);
  return t;
}

std::optional<int64_t> day_time(std::string_view text, int start, int end) {
  static const char* names[] = {"day", "hour", "minute", "second"};
  std::string qualifier = start == end ? names[start] : std::string(names[start]) + " to " + names[end];
  auto t = unwrap(text, qualifier);
  if (!t) return {};
  static const char* leading[] = {"(\\d{1,9})", "(\\d{1,10})", "(\\d{1,12})", "(\\d{1,13})"};
  std::string pattern = leading[start];
  for (int f = start + 1; f <= end; ++f) pattern += (f == 1 ? std::string(" ") : std::string(":")) + "(\\d{1,2})";
  if (end == 3) pattern += "(\\.\\d{1,9})?";
  std::smatch m;
  if (!std::regex_match(t->body, m, std::regex(pattern))) return {};
  Int128 micros = 0;
  size_t g = 1;
  for (int f = start; f <= end; ++f, ++g) {
    int64_t v = std::stoll(m[g]);
    if (f > start && v > (f == 1 ? 23 : 59)) return {};
    micros += Int128(v) * kMicrosOf[f];
  }
  if (end == 3 && m[g].matched) {
    std::string fraction = m[g].str().substr(1);
    fraction.resize(9, '0');
    micros += std::stoll(fraction.substr(0, 6));
  }
  micros *= t->sign;
  if (micros != static_cast<int64_t>(micros)) return {};
  return static_cast<int64_t>(micros);
}

std::optional<int64_t> year_month(std::string_view text, int start, int end) {
  static const char* names[] = {"year", "month"};
  std::string qualifier = start == end ? names[start] : "year to month";
  auto t = unwrap(text, qualifier);
  if (!t) return {};
  std::smatch m;
  static const std::regex both("(\\d{1,10})-(\\d{1,10})"), one("(\\d{1,10})");
  int64_t months;
  if (start != end) {
    if (!std::regex_match(t->body, m, both)) return {};
    int64_t month = std::stoll(m[2]);
    if (month > 11) return {};
    months = std::stoll(m[1]) * 12 + month;
  } else {
    if (!std::regex_match(t->body, m, one)) return {};
    months = std::stoll(m[1]) * (end == 0 ? 12 : 1);
  }
  months *= t->sign;
  if (months != static_cast<int32_t>(months)) return {};
  return months;
}

[[noreturn]] void bad_interval(std::string_view text, const plan::DataType& type) {
  const bool ym = type.id() == plan::TypeId::kYearMonthInterval;
  fail(ym ? "INVALID_INTERVAL_FORMAT.UNMATCHED_FORMAT_STRING" : "INVALID_INTERVAL_FORMAT.UNMATCHED_FORMAT_STRING_WITH_NOTICE", ErrorKind::kIllegalArgument,
       {{"intervalStr", ym ? "year-month" : "day-time"}, {"supportedFormat", ym ? "`[+|-]y-m`, `INTERVAL [+|-]'[+|-]y-m' YEAR TO MONTH`" : "`[+|-]d h:m:s.n`, `INTERVAL [+|-]'[+|-]d h:m:s.n' DAY TO SECOND`"},
        {"typeName", type.catalog_string()}, {"input", std::string(text)}});
}

}  // namespace

std::optional<int64_t> interval_of_text(std::string_view text, const plan::DataType& type) {
  return type.id() == plan::TypeId::kYearMonthInterval ? year_month(text, type.start_field(), type.end_field()) : day_time(text, type.start_field(), type.end_field());
}

void register_intervals(Kernels& k) {
  scaling<int32_t>(k, "spark_ym_multiply", "spark_ym_divide");
  scaling<int64_t>(k, "spark_dt_multiply", "spark_dt_divide");
  k.scalar<Interval(Interval, Interval, Text)>("spark_calendar_add", [](Interval a, Interval b, std::string_view m) { return calendar(Int128(a.months) + b.months, Int128(a.days) + b.days, Int128(a.micros) + b.micros, mode_of(m)); });
  k.scalar<Interval(Interval, Interval, Text)>("spark_calendar_subtract", [](Interval a, Interval b, std::string_view m) { return calendar(Int128(a.months) - b.months, Int128(a.days) - b.days, Int128(a.micros) - b.micros, mode_of(m)); });
  k.scalar<Interval(Interval, Text)>("spark_calendar_negate", [](Interval a, std::string_view m) { return calendar(-Int128(a.months), -Int128(a.days), -Int128(a.micros), mode_of(m)); });
  k.scalar<Interval(Interval, double, Text)>("spark_calendar_multiply", [](Interval a, double n, std::string_view m) { return scaled_calendar(a, n, false, mode_of(m)); });
  k.scalar<Interval(Interval, double, Text)>("spark_calendar_divide", [](Interval a, double n, std::string_view m) { return scaled_calendar(a, n, true, mode_of(m)); });
  k.scalar<int64_t(Interval)>("spark_interval_months", [](Interval i) -> int64_t { return i.months; });
  k.scalar<int32_t(Interval)>("spark_interval_days", [](Interval i) -> int32_t { return i.days + static_cast<int32_t>(i.micros / kMicrosOf[0]); });
  k.scalar<int64_t(Interval)>("spark_interval_micros", [](Interval i) -> int64_t { return i.micros % kMicrosOf[0]; });

  k.scalar<Interval(Text, Text)>("spark_to_interval", [](std::string_view s, std::string_view m) -> std::optional<Interval> {
    try {
      sql::CalendarInterval i = sql::parse_calendar_interval(s);
      return Interval{i.months, i.days, i.microseconds};
    } catch (const SparkError&) {
      if (mode_of(m) == Mode::kAnsi) fail_cast(s, "STRING", "INTERVAL");
      return {};
    }
  });
  k.scalar<int64_t(Text, Text, Text)>("spark_to_day_time", [](std::string_view s, std::string_view json, std::string_view m) {
    const plan::DataType& t = type_of_json(json);
    auto v = interval_of_text(s, t);
    if (!v && mode_of(m) != Mode::kTry) bad_interval(s, t);
    return v;
  });
  k.scalar<int64_t(Text, Text, Text)>("spark_to_year_month", [](std::string_view s, std::string_view json, std::string_view m) {
    const plan::DataType& t = type_of_json(json);
    auto v = interval_of_text(s, t);
    if (!v && mode_of(m) != Mode::kTry) bad_interval(s, t);
    return v;
  });
  // Numbers count the end field.
  auto number = [](Int128 unscaled, int scale, std::string_view json, std::string_view m) -> std::optional<int64_t> {
    const plan::DataType& t = type_of_json(json);
    const bool ym = t.id() == plan::TypeId::kYearMonthInterval;
    const int64_t unit = ym ? (t.end_field() == plan::kYear ? 12 : 1) : kMicrosOf[t.end_field()];
    auto v = multiply(unscaled, scale, unit, 0, 0);
    if (v && (ym ? *v == static_cast<int32_t>(*v) : *v == static_cast<int64_t>(*v))) return static_cast<int64_t>(*v);
    if (mode_of(m) == Mode::kTry) return {};
    fail_cast_overflow(decimal_string(unscaled, scale), scale ? "DECIMAL" : "BIGINT", t.sql());
  };
  k.scalar<int64_t(int64_t, Text, Text)>("spark_number_to_interval", [number](int64_t v, std::string_view json, std::string_view m) { return number(v, 0, json, m); });
  k.scalar<int64_t(Text, Text, Text)>("spark_number_to_interval", [number](std::string_view s, std::string_view json, std::string_view m) -> std::optional<int64_t> {
    size_t point = s.find('.');
    int scale = point == std::string_view::npos ? 0 : static_cast<int>(s.size() - point - 1);
    Int128 v;
    if (parse_decimal(s, 38, scale, v) != Parsed::kOk) return {};
    return number(v, scale, json, m);
  });
  k.scalar<int64_t(int64_t, int32_t)>("spark_day_time_fields", [](int64_t v, int32_t end) { return v / kMicrosOf[end] * kMicrosOf[end]; });
  k.scalar<int64_t(int64_t, int32_t)>("spark_day_time_to_long", [](int64_t v, int32_t end) { return v / kMicrosOf[end]; });
}

}  // namespace tarn::engine::kernels
