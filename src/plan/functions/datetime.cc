#include <algorithm>
#include <map>

#include "plan/functions/entry.h"
#include "plan/functions/families.h"
#include "sql/parser.h"

namespace tarn::plan {
namespace {

DataType session_timestamp(const CallContext& c) {
  return c.conf.text("spark.sql.timestampType") == "TIMESTAMP_NTZ" ? DataType(TypeId::kTimestampNtz) : DataType(TypeId::kTimestamp);
}
bool is_ntz(const DataType& t) { return t.id() == TypeId::kTimestampNtz; }

// to_timestamp and its kin: a cast without a format, else parsing. null_on_error: the try_ forms.
ExprPtr parse_timestamp(const CallContext& c, std::vector<ExprPtr>& args, const DataType& type, bool null_on_error) {
  const bool fails = c.conf.ansi() && !null_on_error;
  const DataType& from = args[0]->type;
  const TypeId f = from.id();
  if (f == TypeId::kNull) cast_to(c, args[0], TypeId::kString);
  else if (!from.is_string() && f != TypeId::kDate && f != TypeId::kTimestamp && f != TypeId::kTimestampNtz && !(type.id() == TypeId::kTimestamp && from.is_numeric()))
    unexpected_input(c, args, 0, type.id() == TypeId::kTimestamp
        ? "(\"STRING\" or \"DATE\" or \"TIMESTAMP\" or \"TIMESTAMP_NTZ\" or \"NUMERIC\")" : "(\"STRING\" or \"DATE\" or \"TIMESTAMP\" or \"TIMESTAMP_NTZ\")");
  // Null at run time where a cast in ANSI mode would fail: a try cast with the legacy table of casts.
  EvalMode mode = fails ? EvalMode::kAnsi : null_on_error ? EvalMode::kTry : EvalMode::kLegacy;
  if (args.size() == 1) return make_cast(args[0], type, mode);
  expect(c, args, 1, "string");
  if (!args[0]->type.is_string()) return make_cast(args[0], type, mode);
  CallContext inner{c.conf, mode, c.name};
  return call(inner, is_ntz(type) ? "gettimestamp_ntz" : "gettimestamp", args);
}

ExprPtr to_timestamp(const CallContext& c, std::vector<ExprPtr>& a) { return parse_timestamp(c, a, session_timestamp(c), false); }
ExprPtr to_timestamp_ltz(const CallContext& c, std::vector<ExprPtr>& a) { return parse_timestamp(c, a, TypeId::kTimestamp, false); }
ExprPtr to_timestamp_ntz(const CallContext& c, std::vector<ExprPtr>& a) { return parse_timestamp(c, a, TypeId::kTimestampNtz, false); }
ExprPtr try_to_timestamp(const CallContext& c, std::vector<ExprPtr>& a) { return parse_timestamp(c, a, session_timestamp(c), true); }

template <bool Try> ExprPtr to_date(const CallContext& c, std::vector<ExprPtr>& args) {
  const TypeId f = args[0]->type.id();
  if (f == TypeId::kNull) cast_to(c, args[0], TypeId::kString);
  else if (!args[0]->type.is_string() && f != TypeId::kDate && f != TypeId::kTimestamp && f != TypeId::kTimestampNtz)
    unexpected_input(c, args, 0, "(\"STRING\" or \"DATE\" or \"TIMESTAMP\" or \"TIMESTAMP_NTZ\")");
  EvalMode mode = Try ? EvalMode::kTry : c.conf.ansi() ? EvalMode::kAnsi : EvalMode::kLegacy;
  if (args.size() == 1) return make_cast(args[0], TypeId::kDate, mode);
  expect(c, args, 1, "string");
  if (!args[0]->type.is_string()) return make_cast(args[0], TypeId::kDate, mode);
  CallContext inner{c.conf, mode, c.name};
  return call(inner, "getdate", args);
}

template <bool Try> ExprPtr to_time(const CallContext& c, std::vector<ExprPtr>& args) {
  for (size_t i = 0; i < args.size(); ++i) {
    if (args[i]->type.id() == TypeId::kNull) cast_to(c, args[i], TypeId::kString);
    if (!args[i]->type.is_string()) unexpected_input(c, args, i, "\"STRING\"");
  }
  CallContext inner{c.conf, Try ? EvalMode::kTry : EvalMode::kAnsi, c.name};
  const std::string text = "to_time(" + pretty_sql(*args[0]) + (args.size() > 1 ? ", " + pretty_sql(*args[1]) : "") + ")";
  ExprPtr r = args.size() == 1 ? make_cast(args[0], DataType::time(6), Try ? EvalMode::kTry : EvalMode::kAnsi) : call(inner, "gettime", args);
  return printed_as(r, Try ? "try_to_time(" + text + ")" : text);
}

// year(x) …: of a date; timestamps become dates first.
TypedCall date_field_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  const TypeId t = args[0]->type.id();
  if (t == TypeId::kTimestamp || t == TypeId::kTimestampNtz) cast_to(c, args[0], TypeId::kDate);
  else expect(c, args, 0, "date");
  return {TypeId::kInt, args[0]->nullable};
}

template <const char* const& Of, const char* const& OfTime> TypedCall time_field_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  static const FunctionEntry of{"hour", FunctionKind::kScalar, "", Of, kHidden};
  static const FunctionEntry of_time{"hour", FunctionKind::kScalar, "", OfTime, kHidden};
  if (args[0]->type.id() == TypeId::kTime) return {TypeId::kInt, args[0]->nullable, &of_time};
  expect(c, args, 0, "anytimestamp");
  return {TypeId::kInt, args[0]->nullable, &of};
}
const char* const kHourText = "spark_hour($1, $tz)";
const char* const kHourOfTime = "CAST($1 // 3600000000000 AS INTEGER)";
const char* const kMinuteText = "spark_minute($1, $tz)";
const char* const kMinuteOfTime = "CAST(($1 // 60000000000) % 60 AS INTEGER)";
const char* const kSecondText = "spark_second($1, $tz)";
const char* const kSecondOfTime = "CAST(($1 // 1000000000) % 60 AS INTEGER)";

std::string upper(std::string s) {
  for (char& ch : s) ch = static_cast<char>(std::toupper(static_cast<unsigned char>(ch)));
  return s;
}

const std::map<std::string, std::string, std::less<>> kFields = {
    {"YEAR", "year"}, {"Y", "year"}, {"YEARS", "year"}, {"YR", "year"}, {"YRS", "year"}, {"YEAROFWEEK", "yearofweek"},
    {"QUARTER", "quarter"}, {"QTR", "quarter"}, {"MONTH", "month"}, {"MON", "month"}, {"MONS", "month"}, {"MONTHS", "month"},
    {"WEEK", "weekofyear"}, {"W", "weekofyear"}, {"WEEKS", "weekofyear"}, {"DAY", "day"}, {"D", "day"}, {"DAYS", "day"},
    {"DAYOFWEEK", "dayofweek"}, {"DOW", "dayofweek"}, {"DAYOFWEEK_ISO", "dow_iso"}, {"DOW_ISO", "dow_iso"}, {"DOY", "dayofyear"},
    {"HOUR", "hour"}, {"H", "hour"}, {"HOURS", "hour"}, {"HR", "hour"}, {"HRS", "hour"}, {"MINUTE", "minute"}, {"M", "minute"},
    {"MIN", "minute"}, {"MINS", "minute"}, {"MINUTES", "minute"}, {"SECOND", "secondwithfraction"}, {"S", "secondwithfraction"},
    {"SEC", "secondwithfraction"}, {"SECONDS", "secondwithfraction"}, {"SECS", "secondwithfraction"}};

// extract(field FROM source): the function of that field.
ExprPtr extracted(const CallContext& c, std::vector<ExprPtr>& args) {
  if (!is_foldable(*args[0]) || !(args[0]->type.is_string() || args[0]->type.id() == TypeId::kNull))
    throw analysis_error("NON_FOLDABLE_ARGUMENT", {{"funcName", quote_identifier(c.name)}, {"paramName", quote_identifier("field")}, {"paramType", "\"STRING\""}});
  auto field = constant_string(*args[0]);
  if (!field) return make_null(TypeId::kDouble);
  ExprPtr source = args[1];
  auto it = kFields.find(upper(*field));
  const DataType t = source->type;
  auto unsupported = [&]() -> SparkError {
    return analysis_error("INVALID_EXTRACT_FIELD", {{"field", quote_sql(*field)}, {"expr", quote_sql(pretty_sql(*source))}});
  };
  if (it == kFields.end()) throw unsupported();
  const std::string& f = it->second;
  if (t.id() == TypeId::kYearMonthInterval) {
    if (f == "year" && t.start_field() == kYear) return call(c, "interval_year", {source});
    if (f == "month" && t.end_field() == kMonth) return call(c, "interval_month", {source});
    throw unsupported();
  }
  if (t.id() == TypeId::kDayTimeInterval) {
    static const std::map<std::string, std::pair<uint8_t, const char*>> parts = {
        {"day", {kDay, "interval_day"}}, {"hour", {IntervalField::kHour, "interval_hour"}}, {"minute", {IntervalField::kMinute, "interval_minute"}}, {"secondwithfraction", {IntervalField::kSecond, "interval_second"}}};
    auto p = parts.find(f);
    if (p == parts.end() || p->second.first < t.start_field() || p->second.first > t.end_field()) throw unsupported();
    return call(c, p->second.second, {source});
  }
  if (t.id() == TypeId::kCalendarInterval) {
    static const std::map<std::string, const char*> parts = {{"year", "calendar_year"}, {"month", "calendar_month"}, {"day", "calendar_day"},
                                                             {"hour", "calendar_hour"}, {"minute", "calendar_minute"}, {"secondwithfraction", "calendar_second"}};
    auto p = parts.find(f);
    if (p == parts.end()) throw unsupported();
    return call(c, p->second, {source});
  }
  if (t.id() == TypeId::kTime && f != "hour" && f != "minute" && f != "secondwithfraction") throw unsupported();
  return call(c, f, {source});
}

ExprPtr extract_rewrite(const CallContext& c, std::vector<ExprPtr>& args) {
  const std::string field = pretty_sql(*args[0]), source = pretty_sql(*args[1]);
  return printed_as(extracted(c, args), c.name != "date_part" ? std::string(c.name) + "(" + field + " FROM " + source + ")" : std::string(c.name) + "(" + field + ", " + source + ")");
}

TypedCall second_fraction_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  static const FunctionEntry time{"secondwithfraction", FunctionKind::kScalar, "", "CAST(($1 % 60000000000) // 1000 AS DECIMAL(18,0)) / 1000000", kHidden};
  static const FunctionEntry time_exact{"secondwithfraction", FunctionKind::kScalar, "", "spark_micros_to_seconds(($1 % 60000000000) // 1000)", kHidden};
  (void)time;
  if (args[0]->type.id() == TypeId::kTime) return {DataType::decimal(8, 6), args[0]->nullable, &time_exact};
  expect(c, args, 0, "anytimestamp");
  return {DataType::decimal(8, 6), args[0]->nullable};
}
TypedCall seconds_decimal(const CallContext&, std::vector<ExprPtr>& args) { return {DataType::decimal(8, 6), args[0]->nullable}; }

TypedCall date_add_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  const TypeId t = args[0]->type.id();
  if (t == TypeId::kTimestamp || t == TypeId::kTimestampNtz || args[0]->type.is_string()) cast_to(c, args[0], TypeId::kDate);
  else expect(c, args, 0, "date");
  if (args[1]->type.is_string()) {
    if (c.conf.ansi()) cast_to(c, args[1], TypeId::kInt);
    else if (is_foldable(*args[1])) {
      ExprPtr days = make_cast(args[1], TypeId::kInt, EvalMode::kAnsi);
      args[1] = days;
    }
  }
  static const TypeSpec days = parse_signature("({int|short|byte}) -> @").alternatives[0].parameters[0].type;
  if (!accepts(days, args[1]->type)) {
    // Only what fits is cast by itself: a decimal or a double is not a number of days.
    if (args[1]->type.id() == TypeId::kNull) cast_to(c, args[1], TypeId::kInt);
    else unexpected_input(c, args, 1, sql_name(days));
  }
  return {TypeId::kDate, any_nullable(args)};
}

TypedCall decimal_seconds(const CallContext& c, std::vector<ExprPtr>& args, size_t at) {
  if (args.size() > at && args[at]->type != DataType::decimal(16, 6)) {
    const DataType& t = args[at]->type;
    if (!t.is_numeric() && !t.is_string() && t.id() != TypeId::kNull) unexpected_input(c, args, at, "\"DECIMAL(16,6)\"");
    cast_to(c, args[at], DataType::decimal(16, 6));
  }
  return {};
}

template <int Kind, bool Try> TypedCall make_timestamp_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  // 0: the session's timestamp type, 1: with local time zone, 2: without.
  static const FunctionEntry parts{"make_timestamp", FunctionKind::kScalar, "", "6: spark_make_timestamp($1, $2, $3, $4, $5, $6, $tz, $mode) ;; 7: spark_make_timestamp($1, $2, $3, $4, $5, $6, $7, $mode)", kHidden};
  static const FunctionEntry local{"make_timestamp_ntz", FunctionKind::kScalar, "", "spark_make_timestamp_ntz($1, $2, $3, $4, $5, $6, $mode)", kHidden};
  static const FunctionEntry date_time{"make_timestamp", FunctionKind::kScalar, "", "2: spark_make_timestamp_dt($1, $2, $tz) ;; 3: spark_make_timestamp_dt($1, $2, $3)", kHidden};
  static const FunctionEntry date_time_ntz{"make_timestamp_ntz", FunctionKind::kScalar, "", "spark_make_timestamp_ntz_dt($1, $2)", kHidden};
  static const FunctionEntry date_only{"make_timestamp", FunctionKind::kScalar, "", "spark_make_timestamp_dt($1, 0, $tz)", kHidden};
  static const FunctionEntry date_only_ntz{"make_timestamp", FunctionKind::kScalar, "", "spark_make_timestamp_ntz_dt($1, 0)", kHidden};
  const bool ntz = Kind == 2 || (Kind == 0 && is_ntz(session_timestamp(c)));
  DataType t = ntz ? DataType(TypeId::kTimestampNtz) : DataType(TypeId::kTimestamp);
  if (args.size() < 6) {
    // No implicit casts, but for null.
    const DataType types[] = {TypeId::kDate, DataType::time(6), TypeId::kString};
    if (args.size() > 3) wrong_number_of_arguments(c.name, Kind == 2 ? "[2, 6]" : "[1, 2, 3, 6, 7]", args.size());
    static const char* required[] = {"\"DATE\"", "\"TIME\"", "\"STRING\""};
    for (size_t i = 0; i < args.size(); ++i) {
      if (args[i]->type.id() == TypeId::kNull) cast_to(c, args[i], types[i]);
      if (args[i]->type.id() != types[i].id()) unexpected_input(c, args, i, required[i]);
    }
    if (args.size() == 1) return {t, Try || any_nullable(args), ntz ? &date_only_ntz : &date_only};
    return {t, Try || any_nullable(args), ntz ? &date_time_ntz : &date_time};
  }
  for (size_t i = 0; i < 5; ++i) expect(c, args, i, "int");
  decimal_seconds(c, args, 5);
  if (args.size() == 7) expect(c, args, 6, "string");
  if (ntz && args.size() == 7) {
    // The zone decides nothing but the wall clock of the session's own zone.
    args.pop_back();
  }
  return {t, Try || any_nullable(args) || c.mode != EvalMode::kAnsi, ntz ? &local : &parts};
}

// make_timestamp_ltz(date, time) and its try form are make_timestamp(date, time) under other names.
ExprPtr make_ltz_of_date_time(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args.size() >= 6 || is_ntz(session_timestamp(c))) return nullptr;
  return call(c, "make_timestamp", args);
}
ExprPtr try_make_ntz_of_date_time(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args.size() >= 6) return nullptr;
  ExprPtr made = call(c, "make_timestamp_ntz", args);
  return printed_as(made, "try_make_timestamp_ntz(" + pretty_sql(*made) + ")");
}

TypedCall timestamp_seconds_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args[0]->type.is_integral()) cast_to(c, args[0], TypeId::kLong);
  else if (args[0]->type.id() == TypeId::kFloat) cast_to(c, args[0], TypeId::kDouble);
  return {TypeId::kTimestamp, args[0]->nullable || args[0]->type.id() == TypeId::kDouble};
}

bool legacy_parser(const CallContext& c) {
  std::string policy = upper(std::string(c.conf.text("spark.sql.legacy.timeParserPolicy")));
  return policy == "LEGACY";
}
// Type rules of what a pattern parses or prints: SimpleDateFormat's patterns under the legacy policy.
TypedCall timestamp_parser_rule(const CallContext& c, std::vector<ExprPtr>& a) {
  static const FunctionEntry legacy{"gettimestamp", FunctionKind::kScalar, "", "spark_parse_timestamp_legacy($1, $2, $tz, $mode)", kHidden};
  return {TypeId::kTimestamp, any_nullable(a), legacy_parser(c) ? &legacy : nullptr};
}
TypedCall timestamp_ntz_parser_rule(const CallContext& c, std::vector<ExprPtr>& a) {
  static const FunctionEntry legacy{"gettimestamp_ntz", FunctionKind::kScalar, "", "spark_timestamp_to_ntz(spark_parse_timestamp_legacy($1, $2, 'UTC', $mode), 'UTC')", kHidden};
  return {TypeId::kTimestampNtz, any_nullable(a), legacy_parser(c) ? &legacy : nullptr};
}
TypedCall date_parser_rule(const CallContext& c, std::vector<ExprPtr>& a) {
  static const FunctionEntry legacy{"getdate", FunctionKind::kScalar, "", "spark_parse_date_legacy($1, $2, $tz, $mode)", kHidden};
  return {TypeId::kDate, any_nullable(a), legacy_parser(c) ? &legacy : nullptr};
}
TypedCall from_unixtime_rule(const CallContext& c, std::vector<ExprPtr>&) {
  static const FunctionEntry legacy{"from_unixtime", FunctionKind::kScalar, "", "spark_from_unixtime_legacy($1, $2, $tz)", kHidden};
  return {TypeId::kString, true, legacy_parser(c) ? &legacy : nullptr};
}

TypedCall unix_time_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  static const FunctionEntry of_ntz{"unix_timestamp", FunctionKind::kScalar, "", "CAST(floor(epoch_us($1) / 1000000.0) AS BIGINT)", kHidden};
  static const FunctionEntry of_ts{"unix_timestamp", FunctionKind::kScalar, "", "spark_unix_seconds($1)", kHidden};
  static const FunctionEntry of_date{"unix_timestamp", FunctionKind::kScalar, "", "spark_unix_seconds(spark_date_to_timestamp($1, $tz))", kHidden};
  expect(c, args, 0, "{string|date|timestamp|timestamp_ntz}");
  if (args.size() > 1) expect(c, args, 1, "string");
  const TypeId t = args[0]->type.id();
  static const FunctionEntry legacy{"unix_timestamp", FunctionKind::kScalar, "", "spark_unix_timestamp_legacy($1, $2, $tz, $mode)", kHidden};
  const FunctionEntry* v = t == TypeId::kTimestamp || t == TypeId::kTimestampNtz ? &of_ts : t == TypeId::kDate ? &of_date : nullptr;
  (void)of_ntz;
  return {TypeId::kLong, any_nullable(args) || (v == nullptr && c.mode != EvalMode::kAnsi), v ? v : legacy_parser(c) ? &legacy : nullptr};
}
ExprPtr unix_now(const CallContext& c, std::vector<ExprPtr>& args) {
  if (!args.empty()) {
    if (args.size() == 1) args.push_back(make_string("yyyy-MM-dd HH:mm:ss"));
    return nullptr;
  }
  std::vector<ExprPtr> now = {call(c, "current_timestamp", {}), make_string("yyyy-MM-dd HH:mm:ss")};
  return call(c, "unix_timestamp", std::move(now));
}

TypedCall date_trunc_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  expect(c, args, 0, "string");
  expect(c, args, 1, "timestamp");
  return {TypeId::kTimestamp, true};
}

// dateadd(unit, n, ts) and datediff(unit, a, b) with a unit; else date_add(date, days), datediff(end, start).
TypedCall timestampadd_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args[1]->type.id() != TypeId::kLong) expect(c, args, 1, "long");
  static const FunctionEntry time{"timestampadd", FunctionKind::kScalar, "", "spark_time_add_unit($1, $2, $3)", kHidden};
  if (args[2]->type.id() == TypeId::kTime) return {args[2]->type, any_nullable(args), &time};
  expect(c, args, 2, "anytimestamp");
  return {args[2]->type, any_nullable(args)};
}
TypedCall timestampdiff_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  for (size_t i : {1u, 2u}) {
    if (args[i]->type.id() == TypeId::kTimestampNtz) continue;
    expect(c, args, i, "timestamp");
  }
  if (args[1]->type != args[2]->type) { cast_to(c, args[1], TypeId::kTimestamp); cast_to(c, args[2], TypeId::kTimestamp); }
  return {TypeId::kLong, any_nullable(args)};
}

TypedCall time_from_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args[0]->type.is_integral()) cast_to(c, args[0], TypeId::kLong);
  else if (args[0]->type.id() == TypeId::kFloat) cast_to(c, args[0], TypeId::kDouble);
  return {DataType::time(6), args[0]->nullable};
}

TypedCall bucket_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  expect_foldable(c, args, 0, "bucketSize", args[0]->type);
  auto size = constant_integer(*args[0]);
  if (size && *size <= 0)
    mismatch(c, args, "VALUE_OUT_OF_RANGE", {{"exprName", "`bucketSize`"}, {"valueRange", "(0, inf)"}, {"currentValue", pretty_sql(*args[0])}});
  if (args.size() == 3) {
    expect_foldable(c, args, 2, "origin", args[2]->type);
    if (args[1]->type != args[2]->type) {
      if (is_null_literal(*args[2])) args[2] = make_null(args[1]->type);
      else if (is_null_literal(*args[1])) args[1] = make_null(args[2]->type);
      else unexpected_input(c, args, 2, quoted(args[1]->type));
    }
  } else {
    // Midnight of 1970-01-01, in the session's zone for TIMESTAMP.
    ExprPtr epoch = make_literal(TypeId::kTimestampNtz, Value{int64_t{0}});
    args.push_back(is_ntz(args[1]->type) ? epoch : printed_as(make_cast(epoch, TypeId::kTimestamp, EvalMode::kAnsi), "TIMESTAMP '1970-01-01 00:00:00'"));
  }
  return {args[1]->type, any_nullable(args)};
}

// ---- windows of time. The analyzer makes columns of them (plan/time_windows.cc).

// What is a window already stands for its last moment.
void expect_window_time(const CallContext& c, std::vector<ExprPtr>& args) {
  const DataType& t = args[0]->type;
  if (t.id() == TypeId::kStruct && t.fields().size() == 2) {
    const DataType& start = t.fields()[0].type();
    if (t.fields()[0].name == "start" && t.fields()[1].name == "end" && start == t.fields()[1].type() && (start.id() == TypeId::kTimestamp || is_ntz(start))) {
      args[0] = call(c, "window_time", {args[0]});
      return;
    }
  }
  static const TypeSpec time = parse_signature("(anytimestamp) -> @").alternatives[0].parameters[0].type;
  auto to = implicit_cast(t, time, c.conf.ansi());
  if (!to)
    unexpected_input(c, args, 0,
                     "((\"TIMESTAMP\" or \"TIMESTAMP WITHOUT TIME ZONE\") or \"STRUCT<start: TIMESTAMP, end: TIMESTAMP>\" or "
                     "\"STRUCT<start: TIMESTAMP_NTZ, end: TIMESTAMP_NTZ>\")");
  cast_to(c, args[0], *to);
}

// Microseconds of a duration: an interval string or a number.
int64_t window_duration(const Expression& e) {
  auto* l = try_as<Literal>(e);
  if (!l || l->value.is_null()) throw analysis_error("_LEGACY_ERROR_TEMP_1207");
  if (l->type.id() == TypeId::kInt || l->type.id() == TypeId::kLong) return l->value.get<int64_t>();
  if (!l->type.is_string()) throw analysis_error("_LEGACY_ERROR_TEMP_1207");
  const auto& text = l->value.get<std::string>();
  const sql::CalendarInterval i = sql::parse_calendar_interval(text);
  if (i.months) throw SparkError(ErrorKind::kIllegalArgument, "_LEGACY_ERROR_TEMP_3231", {{"interval", text}});
  int64_t days = 0, sum = 0;
  if (__builtin_mul_overflow(static_cast<int64_t>(i.days), int64_t{86'400'000'000}, &days) || __builtin_add_overflow(days, i.microseconds, &sum))
    throw SparkError(ErrorKind::kArithmetic, "_LEGACY_ERROR_TEMP_3231", {{"interval", text}});
  return sum;
}

// (time, size, slide, start), the last three as microseconds.
TypedCall window_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  const int64_t size = window_duration(*args[1]);
  const int64_t slide = args.size() > 2 ? window_duration(*args[2]) : size;
  const int64_t start = args.size() > 3 ? window_duration(*args[3]) : 0;
  args = {args[0], make_long(size), make_long(slide), make_long(start)};
  expect_window_time(c, args);
  auto literal = [](int64_t v) { return std::to_string(v) + "L"; };
  auto positive = [&](const char* name, int64_t v) {
    if (v <= 0) mismatch(c, args, "VALUE_OUT_OF_RANGE", {{"exprName", name}, {"valueRange", "(0, 9223372036854775807]"}, {"currentValue", literal(v)}});
  };
  positive("`window_duration`", size);
  positive("`slide_duration`", slide);
  if (slide > size)
    mismatch(c, args, "PARAMETER_CONSTRAINT_VIOLATION",
             {{"leftExprName", "`slide_duration`"}, {"leftExprValue", literal(slide)}, {"constraint", "<="}, {"rightExprName", "`window_duration`"}, {"rightExprValue", literal(size)}});
  if (start <= -slide || start >= slide)
    mismatch(c, args, "PARAMETER_CONSTRAINT_VIOLATION",
             {{"leftExprName", "`abs(start_time)`"}, {"leftExprValue", literal(start < 0 ? -start : start)}, {"constraint", "<"}, {"rightExprName", "`slide_duration`"}, {"rightExprValue", literal(slide)}});
  const DataType t = args[0]->type;
  return {DataType::structure({make_field("start", t), make_field("end", t)}), args[0]->nullable};
}

TypedCall session_window_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  expect_window_time(c, args);
  const DataType gap = args[1]->type;
  if (gap.id() != TypeId::kCalendarInterval) {
    if (!can_cast(gap, TypeId::kCalendarInterval, c.mode)) {
      std::string name = gap.json();
      std::erase(name, '"');
      if (!name.empty()) name[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(name[0])));
      auto parenthesis = name.find('(');
      name.insert(parenthesis == std::string::npos ? name.size() : parenthesis, "Type");
      throw analysis_error("_LEGACY_ERROR_TEMP_1040", {{"dt", name}});
    }
    // No interval, no session: never an error.
    args[1] = make_cast(args[1], TypeId::kCalendarInterval, EvalMode::kTry);
  }
  const DataType t = args[0]->type;
  return {DataType::structure({make_field("start", t), make_field("end", t)}), false};
}

TypedCall window_time_rule(const CallContext&, std::vector<ExprPtr>& args) {
  auto* a = try_as<AttributeRef>(*args[0]);
  const bool window = a && (a->metadata.find("\"spark.timeWindow\"") != std::string::npos || a->metadata.find("\"spark.sessionWindow\"") != std::string::npos);
  if (!window) throw analysis_error("_LEGACY_ERROR_TEMP_3101", {{"windowTime", "window_time(" + pretty_sql(*args[0]) + ")"}});
  return {args[0]->type.fields()[0].type(), true};
}

const FunctionEntry kTable[] = {
    scalar("current_date,curdate", "() -> date", "@current_date", kFoldableConstant | kNeverNull),
    scalar("current_timestamp,now", "() -> timestamp", "@current_timestamp", kFoldableConstant | kNeverNull),
    scalar("localtimestamp", "() -> timestamp_ntz", "@localtimestamp", kFoldableConstant | kNeverNull),
    scalar("current_time", "([int = 6]) -> @", "@current_time", kFoldableConstant | kNeverNull, [](const CallContext& c, std::vector<ExprPtr>& a) -> TypedCall {
      int p = static_cast<int>(constant_integer(*a[0]).value_or(6));
      if (p < 0 || p > 6) mismatch(c, a, "VALUE_OUT_OF_RANGE", {{"exprName", "`precision`"}, {"valueRange", "[0, 6]"}, {"currentValue", std::to_string(p)}});
      return {DataType::time(p), false}; }),
    scalar("current_timezone", "() -> string", "$tz", kNeverNull),
    // fields
    scalar("year", "(any) -> @", "CAST(year($1) AS INTEGER)", kNone, date_field_rule),
    scalar("yearofweek", "(any) -> @", "CAST(isoyear($1) AS INTEGER)", kHidden, date_field_rule),
    scalar("quarter", "(any) -> @", "CAST(quarter($1) AS INTEGER)", kNone, date_field_rule),
    scalar("month", "(any) -> @", "CAST(month($1) AS INTEGER)", kNone, date_field_rule),
    scalar("weekofyear", "(any) -> @", "CAST(weekofyear($1) AS INTEGER)", kNone, date_field_rule),
    scalar("dayofmonth,day", "(any) -> @", "CAST(day($1) AS INTEGER)", kNone, date_field_rule),
    scalar("dayofweek", "(any) -> @", "CAST(dayofweek($1) + 1 AS INTEGER)", kNone, date_field_rule),
    scalar("dow_iso", "(any) -> @", "CAST(isodow($1) AS INTEGER)", kHidden, date_field_rule),
    scalar("weekday", "(any) -> @", "CAST(isodow($1) - 1 AS INTEGER)", kNone, date_field_rule),
    scalar("dayofyear", "(any) -> @", "CAST(dayofyear($1) AS INTEGER)", kNone, date_field_rule),
    scalar("dayname", "(date) -> string", "left(dayname($1), 3)"),
    scalar("monthname", "(date) -> string", "left(monthname($1), 3)"),
    scalar("hour", "(expr: any) -> @", "", kNone, time_field_rule<kHourText, kHourOfTime>),
    scalar("minute", "(expr: any) -> @", "", kNone, time_field_rule<kMinuteText, kMinuteOfTime>),
    scalar("second", "(expr: any) -> @", "", kNone, time_field_rule<kSecondText, kSecondOfTime>),
    scalar("secondwithfraction", "(any) -> @", "spark_second_fraction($1, $tz)", kHidden, second_fraction_rule),
    rewrite("extract,date_part,datepart", "(any, any) -> @", extract_rewrite, kOwnText),
    scalar("interval_year", "(yearmonth) -> int", "CAST($1 // 12 AS INTEGER)", kHidden),
    scalar("interval_month", "(yearmonth) -> byte", "CAST($1 % 12 AS TINYINT)", kHidden),
    scalar("interval_day", "(daytime) -> int", "CAST($1 // 86400000000 AS INTEGER)", kHidden),
    scalar("interval_hour", "(daytime) -> byte", "CAST(($1 // 3600000000) % 24 AS TINYINT)", kHidden),
    scalar("interval_minute", "(daytime) -> byte", "CAST(($1 // 60000000) % 60 AS TINYINT)", kHidden),
    scalar("interval_second", "(daytime) -> @", "spark_micros_to_seconds($1 % 60000000)", kHidden, seconds_decimal),
    scalar("calendar_year", "(interval) -> int", "CAST(spark_interval_months($1) // 12 AS INTEGER)", kHidden),
    scalar("calendar_month", "(interval) -> byte", "CAST(spark_interval_months($1) % 12 AS TINYINT)", kHidden),
    scalar("calendar_day", "(interval) -> int", "spark_interval_days($1)", kHidden),
    scalar("calendar_hour", "(interval) -> long", "(spark_interval_micros($1) // 3600000000)", kHidden),
    scalar("calendar_minute", "(interval) -> byte", "CAST((spark_interval_micros($1) // 60000000) % 60 AS TINYINT)", kHidden),
    scalar("calendar_second", "(interval) -> @", "spark_micros_to_seconds(spark_interval_micros($1) % 60000000)", kHidden, seconds_decimal),
    // arithmetic
    scalar("date_add,dateadd", "(any, any) -> @", "spark_date_add($1, $2)", kNone, date_add_rule),
    scalar("date_sub", "(any, any) -> @", "spark_date_sub($1, $2)", kNone, date_add_rule),
    scalar("datediff,date_diff", "(date, date) -> int", "CAST($1 - $2 AS INTEGER)"),
    scalar("add_months", "(date, int) -> date", "spark_add_months($1, $2)"),
    scalar("months_between", "(timestamp, timestamp, [boolean = true]) -> double", "spark_months_between($1, $2, $3, $tz)"),
    scalar("next_day", "(date, string) -> date", "spark_next_day($1, $2, $mode)", kNullable),
    scalar("last_day", "(date) -> date", "last_day($1)"),
    scalar("trunc", "(date, string) -> date", "spark_trunc($1, $2)", kNullable),
    scalar("date_trunc", "(any, any) -> @", "spark_date_trunc($1, $2, $tz)", kNone, date_trunc_rule),
    scalar("timestampadd", "(string, any, any) -> @", "spark_timestampadd($1, $2, $3, $tz)", kHidden, timestampadd_rule),
    scalar("timestampdiff", "(string, any, any) -> @", "spark_timestampdiff($1, $2, $3, $tz)", kHidden, timestampdiff_rule),
    // parsing and printing
    rewrite("to_timestamp", "(any, [any]) -> @", to_timestamp),
    rewrite("to_timestamp_ltz", "(any, [any]) -> @", to_timestamp_ltz),
    rewrite("to_timestamp_ntz", "(any, [any]) -> @", to_timestamp_ntz),
    rewrite("try_to_timestamp", "(any, [any]) -> @", try_to_timestamp),
    rewrite("to_date", "(any, [any]) -> @", to_date<false>),
    rewrite("try_to_date", "(any, [any]) -> @", to_date<true>),
    rewrite("to_time", "(any, [any]) -> @", to_time<false>, kOwnText),
    rewrite("try_to_time", "(any, [any]) -> @", to_time<true>, kOwnText),
    scalar("gettimestamp", "(string, string) -> @", "spark_parse_timestamp($1, $2, $tz, $mode)", kHidden | kNullableUnlessAnsi, timestamp_parser_rule),
    scalar("gettimestamp_ntz", "(string, string) -> @", "spark_parse_timestamp_ntz($1, $2, $mode)", kHidden | kNullableUnlessAnsi, timestamp_ntz_parser_rule),
    scalar("getdate", "(string, string) -> @", "spark_parse_date($1, $2, $tz, $mode)", kHidden | kNullableUnlessAnsi, date_parser_rule),
    scalar("gettime", "(string, string) -> @", "spark_parse_time($1, $2, $mode)", kHidden | kNullableUnlessAnsi,
           [](const CallContext&, std::vector<ExprPtr>& a) -> TypedCall { return {DataType::time(6), any_nullable(a)}; }),
    scalar("date_format", "(any, string) -> @", "spark_date_format($1, $2, $tz)", kNone, [](const CallContext& c, std::vector<ExprPtr>& a) -> TypedCall {
      static const FunctionEntry time{"date_format", FunctionKind::kScalar, "", "spark_time_format($1, $2)", kHidden};
      if (a[0]->type.id() == TypeId::kTime) return {TypeId::kString, any_nullable(a), &time};
      static const FunctionEntry legacy{"date_format", FunctionKind::kScalar, "", "spark_date_format_legacy($1, $2, $tz)", kHidden};
      expect(c, a, 0, "timestamp");
      return {TypeId::kString, any_nullable(a), legacy_parser(c) ? &legacy : nullptr}; }),
    scalar("from_unixtime", "(long, [string = 'yyyy-MM-dd HH:mm:ss']) -> @", "spark_from_unixtime($1, $2, $tz)", kNullable, from_unixtime_rule),
    FunctionEntry{"unix_timestamp", FunctionKind::kScalar, "([any], [string]) -> @", "spark_unix_timestamp($1, $2, $tz, $mode)", kOwnText, unix_time_rule, unix_now},
    scalar("to_unix_timestamp", "(any, [string = 'yyyy-MM-dd HH:mm:ss']) -> @", "spark_unix_timestamp($1, $2, $tz, $mode)", kNone, unix_time_rule),
    scalar("from_utc_timestamp", "(timestamp, string) -> timestamp", "spark_from_utc_timestamp($1, $2)"),
    scalar("to_utc_timestamp", "(timestamp, string) -> timestamp", "spark_to_utc_timestamp($1, $2)"),
    scalar("convert_timezone", "(string, string, timestamp_ntz) -> timestamp_ntz | (string, timestamp_ntz) -> timestamp_ntz",
           "spark_convert_timezone($1, $2, $3)", kNone, [](const CallContext& c, std::vector<ExprPtr>& a) -> TypedCall {
             if (a.size() == 2) a.insert(a.begin(), call(c, "current_timezone", {}));
             return {TypeId::kTimestampNtz, any_nullable(a)}; }),
    // making
    scalar("make_date", "(int, int, int) -> date", "spark_make_date($1, $2, $3, $mode)", kNullableUnlessAnsi),
    scalar("make_time", "(int, int, any) -> @", "spark_make_time($1, $2, $3)", kNone, [](const CallContext& c, std::vector<ExprPtr>& a) -> TypedCall {
      decimal_seconds(c, a, 2);
      return {DataType::time(6), any_nullable(a)}; }),
    scalar("make_timestamp", "(any) -> @ | (any, any, [any], [any, any, any], [any]) -> @", "", kNone, make_timestamp_rule<0, false>),
    FunctionEntry{"make_timestamp_ltz", FunctionKind::kScalar, "(any, any, [any], [any, any, any], [any]) -> @", "", kOwnText, make_timestamp_rule<1, false>, make_ltz_of_date_time},
    scalar("make_timestamp_ntz", "(any, any, [any, any, any, any]) -> @", "", kNone, make_timestamp_rule<2, false>),
    scalar("try_make_timestamp", "(any) -> @ | (any, any, [any], [any, any, any], [any]) -> @", "", kTryMode, make_timestamp_rule<0, true>),
    FunctionEntry{"try_make_timestamp_ltz", FunctionKind::kScalar, "(any, any, [any], [any, any, any], [any]) -> @", "", kTryMode | kOwnText, make_timestamp_rule<1, true>, make_ltz_of_date_time},
    FunctionEntry{"try_make_timestamp_ntz", FunctionKind::kScalar, "(any, any, [any, any, any, any]) -> @", "", kTryMode | kOwnText, make_timestamp_rule<2, true>, try_make_ntz_of_date_time},
    scalar("make_interval", "([years: int = 0], [months: int = 0], [weeks: int = 0], [days: int = 0], [hours: int = 0], [mins: int = 0], [secs: any]) -> @",
           "6: spark_make_interval($1, $2, $3, $4, $5, $6, CAST(0 AS DECIMAL(18,6)), $mode) ;; 7: spark_make_interval($1, $2, $3, $4, $5, $6, CAST($7 AS DECIMAL(18,6)), $mode)", kNullableUnlessAnsi,
           [](const CallContext& c, std::vector<ExprPtr>& a) -> TypedCall {
             if (a.size() < 7) a.push_back(make_literal(DataType::decimal(18, 6), Value{Int128{0}}));
             else cast_to(c, a[6], DataType::decimal(18, 6));
             return {TypeId::kCalendarInterval, any_nullable(a)}; }),
    scalar("try_make_interval", "([int = 0], [int = 0], [int = 0], [int = 0], [int = 0], [int = 0], [any]) -> @",
           "spark_make_interval($1, $2, $3, $4, $5, $6, CAST($7 AS DECIMAL(18,6)), 'try')", kNullable | kTryMode,
           [](const CallContext& c, std::vector<ExprPtr>& a) -> TypedCall {
             if (a.size() < 7) a.push_back(make_literal(DataType::decimal(18, 6), Value{Int128{0}}));
             else cast_to(c, a[6], DataType::decimal(18, 6));
             return {TypeId::kCalendarInterval, true}; }),
    scalar("make_dt_interval", "([int = 0], [int = 0], [int = 0], [any]) -> @", "spark_make_dt_interval($1, $2, $3, CAST($4 AS DECIMAL(18,6)))", kNone,
           [](const CallContext& c, std::vector<ExprPtr>& a) -> TypedCall {
             if (a.size() < 4) a.push_back(make_literal(DataType::decimal(18, 6), Value{Int128{0}}));
             else cast_to(c, a[3], DataType::decimal(18, 6));
             return {DataType(TypeId::kDayTimeInterval), any_nullable(a)}; }),
    scalar("make_ym_interval", "([int = 0], [int = 0]) -> @", "spark_make_ym_interval($1, $2)", kNone,
           [](const CallContext&, std::vector<ExprPtr>& a) -> TypedCall { return {DataType(TypeId::kYearMonthInterval), any_nullable(a)}; }),
    scalar("timestamp_seconds", "(numeric) -> @", "spark_timestamp_seconds($1)", kStrict, timestamp_seconds_rule),
    scalar("timestamp_millis", "(integral) -> timestamp", "spark_timestamp_millis(CAST($1 AS BIGINT))", kStrict),
    scalar("timestamp_micros", "(integral) -> timestamp", "make_timestamptz(CAST($1 AS BIGINT))", kStrict),
    scalar("unix_seconds", "(timestamp) -> long", "spark_unix_seconds($1)", kStrict),
    scalar("unix_millis", "(timestamp) -> long", "spark_unix_millis($1)", kStrict),
    scalar("unix_micros", "(timestamp) -> long", "epoch_us($1)", kStrict),
    scalar("unix_date", "(date) -> int", "CAST($1 - DATE '1970-01-01' AS INTEGER)", kStrict),
    scalar("date_from_unix_date", "(int) -> date", "(DATE '1970-01-01' + $1)"),
    scalar("time_bucket", "(bucketSize: {daytime|yearmonth}, ts: anytimestamp, [origin: anytimestamp]) -> @",
           "spark_time_bucket($1, $2, $3, $tz)", kStrict, bucket_rule),
    // TIME
    scalar("time_diff", "(string, time, time) -> long", "spark_time_diff($1, $2, $3)"),
    scalar("time_trunc", "(string, time) -> arg2", "spark_time_trunc($1, $2)"),
    scalar("time_from_seconds", "(numeric) -> @", "spark_time_from_seconds($1)", kStrict, time_from_rule),
    scalar("time_from_millis", "(integral) -> @", "spark_time_from_millis($1)", kStrict, time_from_rule),
    scalar("time_from_micros", "(integral) -> @", "spark_time_from_micros($1)", kStrict, time_from_rule),
    scalar("time_to_seconds", "(time) -> @", "spark_time_to_seconds($1)", kStrict,
           [](const CallContext&, std::vector<ExprPtr>& a) -> TypedCall { return {DataType::decimal(14, 6), a[0]->nullable}; }),
    scalar("time_to_millis", "(time) -> long", "($1 // 1000000)", kStrict),
    scalar("time_to_micros", "(time) -> long", "($1 // 1000)", kStrict),
    // Windows of time: the analyzer makes columns of them (plan/time_windows.cc).
    scalar("window", "(any, any, [any], [any]) -> @", "", kNone, window_rule),
    scalar("session_window", "(any, any) -> @", "", kNeverNull, session_window_rule),
    scalar("window_time", "(struct) -> @", "(struct_extract_at($1, 2) - INTERVAL 1 MICROSECOND)", kNone, window_time_rule),
};

}  // namespace

FunctionTable datetime_functions() { return kTable; }

}  // namespace tarn::plan
