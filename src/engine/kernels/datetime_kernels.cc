// Dates and timestamps: calendar arithmetic in a zone. Source: DateTimeUtils.
#include <algorithm>
#include <cmath>

#include "engine/datetime_parse.h"
#include "engine/kernels/decimal_vector.h"
#include "engine/kernels/kernel_error.h"
#include "engine/kernels/zones.h"
#include "plan/expression_text.h"

namespace tarn::engine::kernels {
namespace {

constexpr int64_t kSecond = 1'000'000, kMinute = 60 * kSecond, kHour = 60 * kMinute, kDay = 24 * kHour;

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }
int64_t floor_mod(int64_t a, int64_t b) { return a - floor_div(a, b) * b; }

std::string upper(std::string_view s) {
  std::string r(s);
  for (char& c : r) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return r;
}

// ---- calendar

int64_t add_months_days(int64_t days, int64_t months) {
  CivilDate d = civil_from_days(days);
  int64_t m = d.year * 12 + (d.month - 1) + months;
  int64_t year = floor_div(m, 12);
  int month = static_cast<int>(floor_mod(m, 12)) + 1;
  return days_from_civil(year, month, std::min(d.day, days_in_month(year, month)));
}
int64_t add_months_local(int64_t local, int64_t months) {
  int64_t days = floor_div(local, kDay);
  return add_months_days(days, months) * kDay + (local - days * kDay);
}

int32_t to_days(int64_t v) {
  if (v != static_cast<int32_t>(v)) fail_overflow("integer overflow");
  return static_cast<int32_t>(v);
}

// ZonedDateTime.plusMonths.plusDays.plus(micros).
int64_t plus(int64_t ts, int64_t months, int64_t days, int64_t micros, const TimeZone* zone) {
  if (months || days) {
    int64_t local = zone ? zone->utc_to_local_micros(ts) : ts;
    if (months) local = add_months_local(local, months);
    int64_t shift;
    if (__builtin_mul_overflow(days, kDay, &shift) || __builtin_add_overflow(local, shift, &local)) fail_overflow("long overflow");
    ts = zone ? zone->local_to_utc_micros(local) : local;
  }
  int64_t r;
  if (__builtin_add_overflow(ts, micros, &r)) fail_overflow("long overflow");
  return r;
}

// ---- truncation

enum class Unit : uint8_t { kNone, kYear, kQuarter, kMonth, kWeek, kDay, kHour, kMinute, kSecond, kMilli, kMicro };
Unit unit_of(std::string_view text) {
  std::string u = upper(text);
  if (u == "YEAR" || u == "YYYY" || u == "YY") return Unit::kYear;
  if (u == "QUARTER") return Unit::kQuarter;
  if (u == "MONTH" || u == "MON" || u == "MM") return Unit::kMonth;
  if (u == "WEEK") return Unit::kWeek;
  if (u == "DAY" || u == "DD") return Unit::kDay;
  if (u == "HOUR") return Unit::kHour;
  if (u == "MINUTE") return Unit::kMinute;
  if (u == "SECOND") return Unit::kSecond;
  if (u == "MILLISECOND") return Unit::kMilli;
  if (u == "MICROSECOND") return Unit::kMicro;
  return Unit::kNone;
}
int64_t trunc_days(int64_t days, Unit u) {
  CivilDate d = civil_from_days(days);
  switch (u) {
    case Unit::kYear: return days_from_civil(d.year, 1, 1);
    case Unit::kQuarter: return days_from_civil(d.year, (d.month - 1) / 3 * 3 + 1, 1);
    case Unit::kMonth: return days_from_civil(d.year, d.month, 1);
    case Unit::kWeek: return days - floor_mod(days + 3, 7);  // 1970-01-01 was a Thursday
    default: return days;
  }
}
std::optional<int64_t> date_trunc(std::string_view unit, int64_t ts, const TimeZone& zone) {
  Unit u = unit_of(unit);
  switch (u) {
    case Unit::kNone: return {};
    case Unit::kMicro: return ts;
    case Unit::kMilli: return ts - floor_mod(ts, 1000);
    case Unit::kSecond: return ts - floor_mod(ts, kSecond);
    case Unit::kMinute: return ts - floor_mod(ts, kMinute);
    default: break;
  }
  int64_t local = zone.utc_to_local_micros(ts);
  if (u == Unit::kHour) return ts - floor_mod(local, kHour);
  return zone.local_to_utc_micros(trunc_days(floor_div(local, kDay), u) * kDay);
}

int day_of_week(std::string_view name) {  // Monday = 0
  std::string n = upper(name);
  while (!n.empty() && n.back() == ' ') n.pop_back();
  static const std::pair<const char*, int> names[] = {{"MO", 0}, {"MON", 0}, {"MONDAY", 0}, {"TU", 1}, {"TUE", 1}, {"TUESDAY", 1}, {"WE", 2}, {"WED", 2}, {"WEDNESDAY", 2},
      {"TH", 3}, {"THU", 3}, {"THURSDAY", 3}, {"FR", 4}, {"FRI", 4}, {"FRIDAY", 4}, {"SA", 5}, {"SAT", 5}, {"SATURDAY", 5}, {"SU", 6}, {"SUN", 6}, {"SUNDAY", 6}};
  for (auto& [text, i] : names) if (n == text) return i;
  return -1;
}

double months_between(int64_t a, int64_t b, bool round, const TimeZone& zone) {
  int64_t la = zone.utc_to_local_micros(a), lb = zone.utc_to_local_micros(b);
  int64_t da = floor_div(la, kDay), db = floor_div(lb, kDay);
  CivilDate x = civil_from_days(da), y = civil_from_days(db);
  double months = static_cast<double>((x.year * 12 + x.month) - (y.year * 12 + y.month));
  bool end_a = x.day == days_in_month(x.year, x.month), end_b = y.day == days_in_month(y.year, y.month);
  if (x.day == y.day || (end_a && end_b)) return months;
  int64_t sa = (a - zone.local_to_utc_micros(da * kDay)) / kSecond, sb = (b - zone.local_to_utc_micros(db * kDay)) / kSecond;
  int64_t seconds = static_cast<int64_t>(x.day - y.day) * 86400 + sa - sb;
  double diff = months + static_cast<double>(seconds) / 2678400.0;
  return round ? std::floor(diff * 1e8 + 0.5) / 1e8 : diff;
}

// ---- making

void out_of_bounds(Mode mode, const std::string& message) {
  if (mode == Mode::kAnsi)
    fail("DATETIME_FIELD_OUT_OF_BOUNDS.WITH_SUGGESTION", ErrorKind::kDateTime, {{"rangeMessage", message}, {"ansiConfig", "\"spark.sql.ansi.enabled\""}});
}
std::optional<int64_t> make_days(int64_t y, int m, int d, Mode mode) {
  if (y < -999999999 || y > 999999999) { out_of_bounds(mode, "Invalid value for Year (valid values -999999999 - 999999999): " + std::to_string(y)); return {}; }
  if (m < 1 || m > 12) { out_of_bounds(mode, "Invalid value for MonthOfYear (valid values 1 - 12): " + std::to_string(m)); return {}; }
  if (d < 1 || d > 31) { out_of_bounds(mode, "Invalid value for DayOfMonth (valid values 1 - 28/31): " + std::to_string(d)); return {}; }
  if (d > days_in_month(y, m)) {
    static const char* names[] = {"JANUARY", "FEBRUARY", "MARCH", "APRIL", "MAY", "JUNE", "JULY", "AUGUST", "SEPTEMBER", "OCTOBER", "NOVEMBER", "DECEMBER"};
    if (d == 29) out_of_bounds(mode, "Invalid date 'February 29' as '" + std::to_string(y) + "' is not a leap year");
    else out_of_bounds(mode, std::string("Invalid date '") + names[m - 1] + " " + std::to_string(d) + "'");
    return {};
  }
  return days_from_civil(y, m, d);
}
// Local microseconds. Seconds as DECIMAL(16,6): 60 is allowed with no fraction.
std::optional<int64_t> make_local(int32_t y, int32_t mo, int32_t d, int32_t h, int32_t mi, Int128 sec, Mode mode) {
  auto days = make_days(y, mo, d, mode);
  if (!days) return {};
  if (h < 0 || h > 23) { out_of_bounds(mode, "Invalid value for HourOfDay (valid values 0 - 23): " + std::to_string(h)); return {}; }
  if (mi < 0 || mi > 59) { out_of_bounds(mode, "Invalid value for MinuteOfHour (valid values 0 - 59): " + std::to_string(mi)); return {}; }
  auto micros = static_cast<int64_t>(sec);
  int64_t s = floor_div(micros, kSecond), fraction = floor_mod(micros, kSecond);
  if (s == 60 && fraction != 0) {
    if (mode == Mode::kAnsi) fail("INVALID_FRACTION_OF_SECOND", ErrorKind::kDateTime, {{"secAndMicros", decimal_string(sec, 6)}});
    return {};
  }
  if (s < 0 || s > 60) { out_of_bounds(mode, "Invalid value for SecondOfMinute (valid values 0 - 59): " + std::to_string(s)); return {}; }
  return *days * kDay + h * kHour + mi * kMinute + micros;
}

// A kernel whose last arguments are DECIMAL(…,6) seconds and texts: rows are read by hand.
template <class F> void with_seconds(Kernels& k, const char* name, size_t integers, size_t texts, duckdb::LogicalType type, bool zoned, F f) {
  duckdb::vector<duckdb::LogicalType> types(integers, duckdb::LogicalType::INTEGER);
  types.push_back(duckdb::LogicalType::DECIMAL(zoned ? 16 : 18, 6));
  for (size_t i = 0; i < texts; ++i) types.push_back(duckdb::LogicalType::VARCHAR);
  duckdb::ScalarFunction s(name, std::move(types), std::move(type), [=](duckdb::DataChunk& in, duckdb::ExpressionState&, duckdb::Vector& result) {
    std::vector<duckdb::UnifiedVectorFormat> u(in.ColumnCount());
    bool constant = true;
    for (size_t a = 0; a < u.size(); ++a) {
      constant &= in.data[a].GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR;
      in.data[a].ToUnifiedFormat(in.size(), u[a]);
    }
    DecimalReader seconds(in.data[integers], in.size());
    result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
    for (duckdb::idx_t i = 0; i < (constant ? 1 : in.size()); ++i) {
      bool null = false;
      for (auto& x : u) null |= !x.validity.RowIsValid(x.sel->get_index(i));
      auto number = [&](size_t a) { return duckdb::UnifiedVectorFormat::GetData<int32_t>(u[a])[u[a].sel->get_index(i)]; };
      auto text = [&](size_t a) {
        const auto& v = duckdb::UnifiedVectorFormat::GetData<duckdb::string_t>(u[integers + 1 + a])[u[integers + 1 + a].sel->get_index(i)];
        return std::string_view(v.GetData(), v.GetSize());
      };
      if (null || !f(number, seconds.get(i), text, result, i)) duckdb::FlatVector::SetNull(result, i, true);
    }
    if (constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
  });
  s.SetFallible();
  s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  k.add(std::move(s));
}
void put(duckdb::Vector& v, duckdb::idx_t i, int64_t x) { duckdb::FlatVector::GetData<int64_t>(v)[i] = x; }

// ---- timestampadd, timestampdiff

[[noreturn]] void bad_unit(const char* function, std::string_view unit) {
  fail("INVALID_PARAMETER_VALUE.DATETIME_UNIT", ErrorKind::kIllegalArgument, {{"functionName", std::string("`") + function + "`"}, {"parameter", "`unit`"}, {"invalidValue", "'" + std::string(unit) + "'"}});
}
int64_t timestamp_add(std::string_view unit, int64_t n, int64_t ts, const TimeZone* zone) {
  std::string u = upper(unit);
  auto scaled = [&](int64_t by) {
    int64_t r;
    if (__builtin_mul_overflow(n, by, &r)) fail("DATETIME_OVERFLOW", ErrorKind::kArithmetic, {{"operation", "add " + std::to_string(n) + "L " + std::string(unit) + " to a timestamp"}});
    return r;
  };
  if (u == "MICROSECOND") return plus(ts, 0, 0, n, zone);
  if (u == "MILLISECOND") return plus(ts, 0, 0, scaled(1000), zone);
  if (u == "SECOND") return plus(ts, 0, 0, scaled(kSecond), zone);
  if (u == "MINUTE") return plus(ts, 0, 0, scaled(kMinute), zone);
  if (u == "HOUR") return plus(ts, 0, 0, scaled(kHour), zone);
  if (u == "DAY" || u == "DAYOFYEAR") return plus(ts, 0, n, 0, zone);
  if (u == "WEEK") return plus(ts, 0, scaled(7), 0, zone);
  if (u == "MONTH") return plus(ts, n, 0, 0, zone);
  if (u == "QUARTER") return plus(ts, scaled(3), 0, 0, zone);
  if (u == "YEAR") return plus(ts, scaled(12), 0, 0, zone);
  bad_unit("TIMESTAMPADD", unit);
}
int64_t timestamp_diff(std::string_view unit, int64_t a, int64_t b) {  // local times
  std::string u = upper(unit);
  const int64_t d = b - a;
  if (u == "MICROSECOND") return d;
  if (u == "MILLISECOND") return d / 1000;
  if (u == "SECOND") return d / kSecond;
  if (u == "MINUTE") return d / kMinute;
  if (u == "HOUR") return d / kHour;
  if (u == "DAY") return d / kDay;
  if (u == "WEEK") return d / (7 * kDay);
  CivilDate x = civil_from_days(floor_div(a, kDay)), y = civil_from_days(floor_div(b, kDay));
  int64_t months = (y.year * 12 + y.month) - (x.year * 12 + x.month);
  auto rest = [](const CivilDate& c, int64_t t) { return c.day * kDay + floor_mod(t, kDay); };
  if (months > 0 && rest(y, b) < rest(x, a)) --months;
  if (months < 0 && rest(y, b) > rest(x, a)) ++months;
  if (u == "MONTH") return months;
  if (u == "QUARTER") return months / 3;
  if (u == "YEAR") return months / 12;
  bad_unit("TIMESTAMPDIFF", unit);
}

// ---- TIME

int64_t nanos_of_unit(std::string_view unit, const char* function) {
  std::string u = upper(unit);
  if (u == "MICROSECOND") return 1000;
  if (u == "MILLISECOND") return 1'000'000;
  if (u == "SECOND") return 1'000'000'000;
  if (u == "MINUTE") return 60'000'000'000;
  if (u == "HOUR") return 3'600'000'000'000;
  fail("INVALID_PARAMETER_VALUE.TIME_UNIT", ErrorKind::kIllegalArgument, {{"functionName", std::string("`") + function + "`"}, {"parameter", "`unit`"}, {"invalidValue", quote_value(unit)}});
}

int64_t checked_time(Int128 nanos) {
  if (nanos < 0 || nanos >= Int128(86'400'000'000'000))
    fail("DATETIME_FIELD_OUT_OF_BOUNDS.WITHOUT_SUGGESTION", ErrorKind::kDateTime, {{"rangeMessage", "Invalid value for NanoOfDay (valid values 0 - 86399999999999): " + decimal_string(nanos, 0)}});
  return static_cast<int64_t>(nanos);
}

std::optional<int64_t> seconds_to_micros(int64_t s) {
  int64_t r;
  if (__builtin_mul_overflow(s, kSecond, &r)) return {};
  return r;
}

// The analyzer refuses sizes that are not positive where it knows them; here it is what keeps the division defined.
void check_bucket(int64_t size) {
  if (size <= 0)
    fail("DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE", ErrorKind::kAnalysis, {{"sqlExpr", "\"time_bucket\""}, {"exprName", "`bucketSize`"}, {"valueRange", "(0, inf)"}, {"currentValue", std::to_string(size)}});
}
int64_t times(int64_t a, int64_t b) {
  int64_t r;
  if (__builtin_mul_overflow(a, b, &r)) fail_overflow("long overflow");
  return r;
}
int64_t bucket_dt(int64_t size, int64_t ts, int64_t origin, const TimeZone* zone) {
  check_bucket(size);
  int64_t diff;
  if (__builtin_sub_overflow(ts, origin, &diff)) fail_overflow("long overflow");
  int64_t n = floor_div(diff, size);
  if (size < kDay) return plus(origin, 0, 0, times(n, size), zone);
  // A change of the zone's offset moves a boundary by less than a bucket.
  auto candidate = [&](int64_t m) { int64_t t = times(m, size); return plus(origin, 0, t / kDay, t % kDay, zone); };
  int64_t c = candidate(n);
  if (c > ts) return candidate(n - 1);
  int64_t next = candidate(n + 1);
  return next <= ts ? next : c;
}
int64_t bucket_ym(int32_t size, int64_t ts, int64_t origin, const TimeZone* zone) {
  check_bucket(size);
  auto months = [&](int64_t t) { CivilDate d = civil_from_days(floor_div(zone ? zone->utc_to_local_micros(t) : t, kDay)); return d.year * 12 + d.month; };
  int64_t n = floor_div(months(ts) - months(origin), size);
  int64_t c = plus(origin, n * size, 0, 0, zone);
  return c > ts ? plus(origin, (n - 1) * size, 0, 0, zone) : c;
}

}  // namespace

void register_datetimes(Kernels& k) {
  k.scalar<Date(Timestamp, Text)>("spark_timestamp_to_date", [](int64_t t, std::string_view z) { return to_days(floor_div(zone_of(z).utc_to_local_micros(t), kDay)); });
  k.scalar<Timestamp(Date, Text)>("spark_date_to_timestamp", [](int32_t d, std::string_view z) { return zone_of(z).local_to_utc_micros(d * kDay); });
  k.scalar<Timestamp(TimestampNtz, Text)>("spark_ntz_to_timestamp", [](int64_t t, std::string_view z) { return zone_of(z).local_to_utc_micros(t); });
  k.scalar<TimestampNtz(Timestamp, Text)>("spark_timestamp_to_ntz", [](int64_t t, std::string_view z) { return zone_of(z).utc_to_local_micros(t); });
  // Numbers as seconds.
  k.scalar<Timestamp(int64_t, Text)>("spark_seconds_to_timestamp", [](int64_t s, std::string_view) {
    auto v = seconds_to_micros(s);
    return v ? *v : s < 0 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
  });
  k.scalar<Timestamp(double, Text)>("spark_seconds_to_timestamp", [](double s, std::string_view m) -> std::optional<int64_t> {
    if (!std::isfinite(s)) {
      if (mode_of(m) == Mode::kAnsi) fail_cast(std::isnan(s) ? "NaN" : s < 0 ? "-Infinity" : "Infinity", "DOUBLE", "TIMESTAMP");
      return {};
    }
    const double micros = s * 1e6;
    if (std::fabs(micros) < 0x1p63) return static_cast<int64_t>(micros);
    if (mode_of(m) == Mode::kAnsi) fail_cast_overflow(plan::java_double(s) + "D", "DOUBLE", "TIMESTAMP");
    if (mode_of(m) == Mode::kTry) return {};
    return micros < 0 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
  });
  k.scalar<Timestamp(Text, Text)>("spark_seconds_to_timestamp", [](std::string_view s, std::string_view) -> std::optional<int64_t> {
    Int128 v;
    if (parse_decimal(s, 38, 6, v) != Parsed::kOk) return {};
    return static_cast<int64_t>(v);
  });
  k.scalar<Timestamp(int64_t)>("spark_timestamp_seconds", [](int64_t s) {
    auto v = seconds_to_micros(s);
    if (!v) fail_overflow("long overflow");
    return *v;
  });
  k.scalar<Timestamp(double)>("spark_timestamp_seconds", [](double s) -> std::optional<int64_t> {
    if (!std::isfinite(s)) return {};
    return static_cast<int64_t>(s * 1e6);
  });
  {
    duckdb::ScalarFunction s("spark_timestamp_seconds", {duckdb::LogicalType(duckdb::LogicalTypeId::DECIMAL)}, duckdb::LogicalType::TIMESTAMP_TZ, [](duckdb::DataChunk& in, duckdb::ExpressionState&, duckdb::Vector& result) {
      DecimalReader a(in.data[0], in.size());
      result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
      for (duckdb::idx_t i = 0; i < (a.constant ? 1 : in.size()); ++i) {
        if (!a.valid(i)) { duckdb::FlatVector::SetNull(result, i, true); continue; }
        // Digits beyond microseconds are an error, as with BigDecimal.longValueExact.
        Int128 v = a.get(i);
        auto exact = rescale(v, a.scale, 6, Rounding::kDown);
        if (!exact || *exact != static_cast<int64_t>(*exact)) fail_overflow("long overflow");
        if (a.scale > 6 && *rescale(*exact, 6, a.scale) != v) fail("INTERNAL_ERROR", ErrorKind::kArithmetic, {{"message", "Rounding necessary"}});
        put(result, i, static_cast<int64_t>(*exact));
      }
      if (a.constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
    }, bind_decimal_argument<0>);
    s.SetFallible();
    s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
    k.add(std::move(s));
  }
  k.scalar<Timestamp(int64_t)>("spark_timestamp_millis", [](int64_t v) {
    int64_t r;
    if (__builtin_mul_overflow(v, int64_t(1000), &r)) fail_overflow("long overflow");
    return r;
  });
  k.scalar<int64_t(Timestamp)>("spark_unix_seconds", [](int64_t t) { return floor_div(t, kSecond); });
  k.scalar<int64_t(TimestampNtz)>("spark_unix_seconds", [](int64_t t) { return floor_div(t, kSecond); });
  k.scalar<int64_t(Timestamp)>("spark_unix_millis", [](int64_t t) { return floor_div(t, 1000); });

  auto local_field = [&k](const char* name, int64_t unit, int64_t modulus) {
    k.scalar<int32_t(Timestamp, Text)>(name, [=](int64_t t, std::string_view z) { return static_cast<int32_t>(floor_mod(floor_div(zone_of(z).utc_to_local_micros(t), unit), modulus)); });
    k.scalar<int32_t(TimestampNtz, Text)>(name, [=](int64_t t, std::string_view) { return static_cast<int32_t>(floor_mod(floor_div(t, unit), modulus)); });
  };
  local_field("spark_hour", kHour, 24);
  local_field("spark_minute", kMinute, 60);
  local_field("spark_second", kSecond, 60);
  for (bool zoned : {true, false}) {
    duckdb::ScalarFunction s("spark_second_fraction", {zoned ? duckdb::LogicalType::TIMESTAMP_TZ : duckdb::LogicalType::TIMESTAMP, duckdb::LogicalType::VARCHAR}, duckdb::LogicalType::DECIMAL(8, 6),
                             [zoned](duckdb::DataChunk& in, duckdb::ExpressionState&, duckdb::Vector& result) {
                               duckdb::UnifiedVectorFormat a;
                               in.data[0].ToUnifiedFormat(in.size(), a);
                               const TimeZone& zone = zone_of(constant_text(in.data[1]));
                               DecimalWriter out(result);
                               const bool constant = in.data[0].GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR;
                               for (duckdb::idx_t i = 0; i < (constant ? 1 : in.size()); ++i) {
                                 auto at = a.sel->get_index(i);
                                 if (!a.validity.RowIsValid(at)) { out.null(i); continue; }
                                 int64_t t = duckdb::UnifiedVectorFormat::GetData<int64_t>(a)[at];
                                 out.set(i, floor_mod(zoned ? zone.utc_to_local_micros(t) : t, kMinute));
                               }
                               if (constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
                             });
    k.add(std::move(s));
  }

  // ---- arithmetic
  auto date_add = [](int64_t d, int64_t n) { return to_days(d + n); };
  k.scalar<Date(Date, int32_t)>("spark_date_add", [date_add](int32_t d, int32_t n) { return date_add(d, n); });
  k.scalar<Date(Date, int32_t)>("spark_date_sub", [date_add](int32_t d, int32_t n) { return date_add(d, -static_cast<int64_t>(n)); });
  k.scalar<Date(Date, int32_t)>("spark_add_months", [](int32_t d, int32_t m) { return to_days(add_months_days(d, m)); });
  k.scalar<Timestamp(Timestamp, int32_t, Text)>("spark_timestamp_add_months", [](int64_t t, int32_t m, std::string_view z) { return plus(t, m, 0, 0, &zone_of(z)); });
  k.scalar<TimestampNtz(TimestampNtz, int32_t, Text)>("spark_timestamp_add_months", [](int64_t t, int32_t m, std::string_view) { return plus(t, m, 0, 0, nullptr); });
  for (int sign : {1, -1}) {
    const char* name = sign > 0 ? "spark_timestamp_add_interval" : "spark_timestamp_sub_interval";
    k.scalar<Timestamp(Timestamp, Interval, Text)>(name, [sign](int64_t t, Interval i, std::string_view z) { return plus(t, sign * int64_t(i.months), sign * int64_t(i.days), sign * i.micros, &zone_of(z)); });
    k.scalar<TimestampNtz(TimestampNtz, Interval, Text)>(name, [sign](int64_t t, Interval i, std::string_view) { return plus(t, sign * int64_t(i.months), sign * int64_t(i.days), sign * i.micros, nullptr); });
    // A day-time interval: whole days on the calendar, the rest on the clock.
    k.scalar<Timestamp(Timestamp, int64_t, Text)>(name, [sign](int64_t t, int64_t d, std::string_view z) { return plus(t, 0, sign * (d / kDay), sign * (d % kDay), &zone_of(z)); });
    k.scalar<TimestampNtz(TimestampNtz, int64_t, Text)>(name, [sign](int64_t t, int64_t d, std::string_view) { return plus(t, 0, sign * (d / kDay), sign * (d % kDay), nullptr); });
  }
  k.scalar<Date(Date, Interval, Text, Text)>("spark_date_add_interval", [](int32_t d, Interval i, std::string_view m, std::string_view z) {
    if (i.micros == 0) return to_days(add_months_days(d, i.months) + i.days);
    if (mode_of(m) == Mode::kAnsi) fail("INVALID_INTERVAL_WITH_MICROSECONDS_ADDITION", ErrorKind::kIllegalArgument, {});
    const TimeZone& zone = zone_of(z);
    int64_t t = plus(zone.local_to_utc_micros(d * kDay), i.months, i.days, i.micros, &zone);
    return to_days(floor_div(zone.utc_to_local_micros(t), kDay));
  });
  k.scalar<int64_t(Timestamp, Timestamp, Text)>("spark_subtract_timestamps", [](int64_t a, int64_t b, std::string_view z) { const TimeZone& zone = zone_of(z); return zone.utc_to_local_micros(a) - zone.utc_to_local_micros(b); });
  k.scalar<int64_t(TimestampNtz, TimestampNtz, Text)>("spark_subtract_timestamps", [](int64_t a, int64_t b, std::string_view) { return a - b; });
  k.scalar<Interval(Date, Date)>("spark_subtract_dates_calendar", [](int32_t a, int32_t b) {
    // Period.between(b, a)
    CivilDate x = civil_from_days(b), y = civil_from_days(a);
    int64_t months = (y.year * 12 + y.month) - (x.year * 12 + x.month);
    int64_t days = y.day - x.day;
    if (months > 0 && days < 0) {
      --months;
      days = a - add_months_days(b, months);
    } else if (months < 0 && days > 0) {
      ++months;
      days -= days_in_month(y.year, y.month);
    }
    return Interval{static_cast<int32_t>(months), static_cast<int32_t>(days), 0};
  });
  k.scalar<double(Timestamp, Timestamp, bool, Text)>("spark_months_between", [](int64_t a, int64_t b, bool r, std::string_view z) { return months_between(a, b, r, zone_of(z)); });
  k.scalar<Date(Date, Text, Text)>("spark_next_day", [](int32_t d, std::string_view name, std::string_view m) -> std::optional<int32_t> {
    int day = day_of_week(name);
    if (day < 0) {
      if (mode_of(m) == Mode::kAnsi) fail("ILLEGAL_DAY_OF_WEEK", ErrorKind::kIllegalArgument, {{"string", std::string(name)}});
      return {};
    }
    int today = static_cast<int>(floor_mod(int64_t(d) + 3, 7));
    return d + 1 + static_cast<int32_t>(floor_mod(day - 1 - today, 7));
  });
  k.scalar<Date(Date, Text)>("spark_trunc", [](int32_t d, std::string_view unit) -> std::optional<int32_t> {
    Unit u = unit_of(unit);
    if (u == Unit::kNone || u > Unit::kWeek) return {};
    return static_cast<int32_t>(trunc_days(d, u));
  });
  k.scalar<Timestamp(Text, Timestamp, Text)>("spark_date_trunc", [](std::string_view u, int64_t t, std::string_view z) { return date_trunc(u, t, zone_of(z)); });
  k.scalar<Timestamp(Text, int64_t, Timestamp, Text)>("spark_timestampadd", [](std::string_view u, int64_t n, int64_t t, std::string_view z) { return timestamp_add(u, n, t, &zone_of(z)); });
  k.scalar<TimestampNtz(Text, int64_t, TimestampNtz, Text)>("spark_timestampadd", [](std::string_view u, int64_t n, int64_t t, std::string_view) { return timestamp_add(u, n, t, nullptr); });
  k.scalar<int64_t(Text, Timestamp, Timestamp, Text)>("spark_timestampdiff", [](std::string_view u, int64_t a, int64_t b, std::string_view z) { const TimeZone& zone = zone_of(z); return timestamp_diff(u, zone.utc_to_local_micros(a), zone.utc_to_local_micros(b)); });
  k.scalar<int64_t(Text, TimestampNtz, TimestampNtz, Text)>("spark_timestampdiff", [](std::string_view u, int64_t a, int64_t b, std::string_view) { return timestamp_diff(u, a, b); });
  k.scalar<Timestamp(Timestamp, Text)>("spark_from_utc_timestamp", [](int64_t t, std::string_view z) { return zone_of(z).utc_to_local_micros(t); });
  k.scalar<Timestamp(Timestamp, Text)>("spark_to_utc_timestamp", [](int64_t t, std::string_view z) { return zone_of(z).local_to_utc_micros(t); });
  k.scalar<TimestampNtz(Text, Text, TimestampNtz)>("spark_convert_timezone", [](std::string_view from, std::string_view to, int64_t t) { int64_t utc = zone_of(from).local_to_utc_micros(t); return zone_of(to).utc_to_local_micros(utc); });

  // ---- making
  k.scalar<Date(int32_t, int32_t, int32_t, Text)>("spark_make_date", [](int32_t y, int32_t m, int32_t d, std::string_view mode) -> std::optional<int32_t> {
    auto v = make_days(y, m, d, mode_of(mode));
    if (!v) return {};
    return to_days(*v);
  });
  with_seconds(k, "spark_make_timestamp", 5, 2, duckdb::LogicalType::TIMESTAMP_TZ, true, [](auto n, Int128 s, auto t, duckdb::Vector& r, duckdb::idx_t i) {
    auto v = make_local(n(0), n(1), n(2), n(3), n(4), s, mode_of(t(1)));
    if (!v) return false;
    put(r, i, zone_of(t(0)).local_to_utc_micros(*v));
    return true;
  });
  with_seconds(k, "spark_make_timestamp_ntz", 5, 1, duckdb::LogicalType::TIMESTAMP, true, [](auto n, Int128 s, auto t, duckdb::Vector& r, duckdb::idx_t i) {
    auto v = make_local(n(0), n(1), n(2), n(3), n(4), s, mode_of(t(0)));
    if (!v) return false;
    put(r, i, *v);
    return true;
  });
  k.scalar<Timestamp(Date, int64_t, Text)>("spark_make_timestamp_dt", [](int32_t d, int64_t nanos, std::string_view z) { return zone_of(z).local_to_utc_micros(d * kDay + nanos / 1000); });
  k.scalar<TimestampNtz(Date, int64_t)>("spark_make_timestamp_ntz_dt", [](int32_t d, int64_t nanos) { return d * kDay + nanos / 1000; });
  with_seconds(k, "spark_make_time", 2, 0, duckdb::LogicalType::BIGINT, true, [](auto n, Int128 s, auto, duckdb::Vector& r, duckdb::idx_t i) {
    auto bad = [](const char* field, const char* range, const std::string& v) {
      fail("DATETIME_FIELD_OUT_OF_BOUNDS.WITHOUT_SUGGESTION", ErrorKind::kDateTime, {{"rangeMessage", std::string("Invalid value for ") + field + " (valid values " + range + "): " + v}});
    };
    auto micros = static_cast<int64_t>(s);
    if (n(0) < 0 || n(0) > 23) bad("HourOfDay", "0 - 23", std::to_string(n(0)));
    if (n(1) < 0 || n(1) > 59) bad("MinuteOfHour", "0 - 59", std::to_string(n(1)));
    if (micros < 0 || micros >= kMinute) bad("SecondOfMinute", "0 - 59", std::to_string(micros / kSecond));
    put(r, i, (n(0) * kHour + n(1) * kMinute + micros) * 1000);
    return true;
  });
  with_seconds(k, "spark_make_interval", 6, 1, duckdb::LogicalType::INTERVAL, false, [](auto n, Int128 s, auto t, duckdb::Vector& r, duckdb::idx_t i) {
    const Mode mode = mode_of(t(0));
    int64_t months = int64_t(n(0)) * 12 + n(1), days = int64_t(n(2)) * 7 + n(3);
    Int128 micros = Int128(n(4)) * kHour + Int128(n(5)) * kMinute + s;
    if (months != static_cast<int32_t>(months) || days != static_cast<int32_t>(days) || micros != static_cast<int64_t>(micros)) {
      if (mode == Mode::kAnsi) fail("INTERVAL_ARITHMETIC_OVERFLOW.WITH_SUGGESTION", ErrorKind::kArithmetic, {{"functionName", "`try_make_interval`"}});
      return false;
    }
    duckdb::FlatVector::GetData<Interval>(r)[i] = {static_cast<int32_t>(months), static_cast<int32_t>(days), static_cast<int64_t>(micros)};
    return true;
  });
  with_seconds(k, "spark_make_dt_interval", 3, 0, duckdb::LogicalType::BIGINT, false, [](auto n, Int128 s, auto, duckdb::Vector& r, duckdb::idx_t i) {
    Int128 micros = Int128(n(0)) * kDay + Int128(n(1)) * kHour + Int128(n(2)) * kMinute + s;
    if (micros != static_cast<int64_t>(micros)) fail_interval_overflow();
    put(r, i, static_cast<int64_t>(micros));
    return true;
  });
  k.scalar<int32_t(int32_t, int32_t)>("spark_make_ym_interval", [](int32_t y, int32_t m) {
    int64_t v = int64_t(y) * 12 + m;
    if (v != static_cast<int32_t>(v)) fail_interval_overflow();
    return static_cast<int32_t>(v);
  });

  // ---- buckets
  k.scalar<Timestamp(int64_t, Timestamp, Timestamp, Text)>("spark_time_bucket", [](int64_t n, int64_t t, int64_t o, std::string_view z) { return bucket_dt(n, t, o, &zone_of(z)); });
  k.scalar<TimestampNtz(int64_t, TimestampNtz, TimestampNtz, Text)>("spark_time_bucket", [](int64_t n, int64_t t, int64_t o, std::string_view) { return bucket_dt(n, t, o, nullptr); });
  k.scalar<Timestamp(int32_t, Timestamp, Timestamp, Text)>("spark_time_bucket", [](int32_t n, int64_t t, int64_t o, std::string_view z) { return bucket_ym(n, t, o, &zone_of(z)); });
  k.scalar<TimestampNtz(int32_t, TimestampNtz, TimestampNtz, Text)>("spark_time_bucket", [](int32_t n, int64_t t, int64_t o, std::string_view) { return bucket_ym(n, t, o, nullptr); });

  // ---- TIME, nanoseconds of the day
  k.scalar<int64_t(int64_t, int64_t)>("spark_time_add_interval", [](int64_t t, int64_t micros) {
    Int128 r = Int128(t) + Int128(micros) * 1000;
    if (r < 0 || r >= Int128(86'400'000'000'000)) fail("DATETIME_OVERFLOW", ErrorKind::kArithmetic, {{"operation", "add the interval to the time value"}});
    return static_cast<int64_t>(r);
  });
  k.scalar<int64_t(Text, int64_t, int64_t)>("spark_time_diff", [](std::string_view u, int64_t a, int64_t b) { return (b - a) / nanos_of_unit(u, "time_diff"); });
  k.scalar<int64_t(Text, int64_t)>("spark_time_trunc", [](std::string_view u, int64_t t) { int64_t n = nanos_of_unit(u, "time_trunc"); return t - t % n; });
  k.scalar<int64_t(Text, int64_t, int64_t)>("spark_time_add_unit", [](std::string_view u, int64_t n, int64_t t) { return checked_time(Int128(t) + Int128(n) * nanos_of_unit(u, "timestampadd")); });
  k.scalar<int64_t(int64_t)>("spark_time_from_seconds", [](int64_t s) { return checked_time(Int128(s) * 1'000'000'000); });
  k.scalar<int64_t(double)>("spark_time_from_seconds", [](double s) -> std::optional<int64_t> {
    if (!std::isfinite(s)) return {};
    return checked_time(static_cast<Int128>(static_cast<int64_t>(s * 1e6)) * 1000);
  });
  k.scalar<int64_t(int64_t)>("spark_time_from_millis", [](int64_t s) { return checked_time(Int128(s) * 1'000'000); });
  k.scalar<int64_t(int64_t)>("spark_time_from_micros", [](int64_t s) { return checked_time(Int128(s) * 1000); });
  {
    duckdb::ScalarFunction s("spark_time_to_seconds", {duckdb::LogicalType::BIGINT}, duckdb::LogicalType::DECIMAL(14, 6), [](duckdb::DataChunk& in, duckdb::ExpressionState&, duckdb::Vector& result) {
      DecimalReader a(in.data[0], in.size());
      DecimalWriter out(result);
      for (duckdb::idx_t i = 0; i < (a.constant ? 1 : in.size()); ++i) {
        if (a.valid(i)) out.set(i, a.get(i) / 1000);
        else out.null(i);
      }
      if (a.constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
    });
    k.add(std::move(s));
  }
}

}  // namespace tarn::engine::kernels
