// Parsing and printing by Spark's datetime patterns.
#include "engine/datetime_format.h"
#include "engine/datetime_parse.h"
#include "engine/legacy_date_format.h"
#include "engine/kernels/zones.h"

namespace tarn::engine::kernels {
namespace {

const DateTimeFormat& format_of(std::string_view pattern, bool parsing) {
  static thread_local Compiled<DateTimeFormat> printers, parsers;
  return (parsing ? parsers : printers).get(pattern, [parsing](std::string_view p) -> std::shared_ptr<const DateTimeFormat> {
    try {
      return DateTimeFormat::compile(p, parsing);
    } catch (const SparkError& e) {
      fail(e);
    }
  });
}

const LegacyDateFormat& legacy_of(std::string_view pattern) {
  static thread_local Compiled<LegacyDateFormat> formats;
  return formats.get(pattern, [](std::string_view p) -> std::shared_ptr<const LegacyDateFormat> {
    try {
      return LegacyDateFormat::compile(p);
    } catch (const SparkError& e) {
      fail(e);
    }
  });
}

[[noreturn]] void cannot_parse(std::string_view text, const char* function) {
  fail("CANNOT_PARSE_TIMESTAMP", ErrorKind::kDateTime, {{"message", "Text '" + std::string(text) + "' could not be parsed at index 0"}, {"func", std::string("`") + function + "`"}});
}

template <class T> std::optional<T> parsed(std::optional<T> v, std::string_view text, std::string_view mode, const char* function) {
  if (!v && mode_of(mode) == Mode::kAnsi) cannot_parse(text, function);
  return v;
}

}  // namespace

void register_datetime_formats(Kernels& k) {
  k.scalar<Timestamp(Text, Text, Text, Text)>("spark_parse_timestamp", [](std::string_view s, std::string_view f, std::string_view z, std::string_view m) {
    return parsed(format_of(f, true).parse_timestamp(s, zone_of(z)), s, m, "try_to_timestamp");
  });
  k.scalar<TimestampNtz(Text, Text, Text)>("spark_parse_timestamp_ntz", [](std::string_view s, std::string_view f, std::string_view m) {
    return parsed(format_of(f, true).parse_timestamp_ntz(s, true), s, m, "try_to_timestamp");
  });
  k.scalar<Date(Text, Text, Text, Text)>("spark_parse_date", [](std::string_view s, std::string_view f, std::string_view, std::string_view m) {
    return parsed(format_of(f, true).parse_date(s), s, m, "try_to_date");
  });
  k.scalar<int64_t(Text, Text, Text)>("spark_parse_time", [](std::string_view s, std::string_view f, std::string_view m) -> std::optional<int64_t> {
    auto v = format_of(f, true).parse_time(s);
    if (!v && mode_of(m) == Mode::kAnsi) fail("CANNOT_PARSE_TIME", ErrorKind::kDateTime, {{"input", quote_value(s)}, {"format", quote_value(f)}});
    if (v) *v -= *v % 1000;
    return v;
  });
  k.scalar<int64_t(Text, Text, Text, Text)>("spark_unix_timestamp", [](std::string_view s, std::string_view f, std::string_view z, std::string_view m) -> std::optional<int64_t> {
    auto v = parsed(format_of(f, true).parse_timestamp(s, zone_of(z)), s, m, "try_to_timestamp");
    if (!v) return {};
    return *v / 1000000 - (*v % 1000000 < 0);
  });
  k.scalar<Text(Timestamp, Text, Text)>("spark_date_format", [](int64_t t, std::string_view f, std::string_view z) -> std::optional<std::string> {
    std::string out;
    if (!format_of(f, false).format_timestamp(t, zone_of(z), out)) return {};
    return out;
  });
  // spark.sql.legacy.timeParserPolicy=LEGACY
  k.scalar<Timestamp(Text, Text, Text, Text)>("spark_parse_timestamp_legacy", [](std::string_view s, std::string_view f, std::string_view z, std::string_view m) {
    return parsed(legacy_of(f).parse(s, zone_of(z)), s, m, "try_to_timestamp");
  });
  k.scalar<Date(Text, Text, Text, Text)>("spark_parse_date_legacy", [](std::string_view s, std::string_view f, std::string_view z, std::string_view m) -> std::optional<int32_t> {
    auto v = parsed(legacy_of(f).parse(s, zone_of(z)), s, m, "try_to_date");
    if (!v) return {};
    const int64_t local = zone_of(z).utc_to_local_micros(*v);
    return static_cast<int32_t>(local / 86'400'000'000 - (local % 86'400'000'000 < 0));
  });
  k.scalar<int64_t(Text, Text, Text, Text)>("spark_unix_timestamp_legacy", [](std::string_view s, std::string_view f, std::string_view z, std::string_view m) -> std::optional<int64_t> {
    auto v = parsed(legacy_of(f).parse(s, zone_of(z)), s, m, "try_to_timestamp");
    if (!v) return {};
    return *v / 1000000 - (*v % 1000000 < 0);
  });
  k.scalar<Text(Timestamp, Text, Text)>("spark_date_format_legacy", [](int64_t t, std::string_view f, std::string_view z) {
    std::string out;
    legacy_of(f).format(t, zone_of(z), out);
    return out;
  });
  k.scalar<Text(int64_t, Text, Text)>("spark_from_unixtime_legacy", [](int64_t s, std::string_view f, std::string_view z) {
    int64_t micros;
    if (__builtin_mul_overflow(s, int64_t(1000000), &micros)) fail_overflow("long overflow");
    std::string out;
    legacy_of(f).format(micros, zone_of(z), out);
    return out;
  });
  k.scalar<Text(int64_t, Text)>("spark_time_format", [](int64_t t, std::string_view f) -> std::optional<std::string> {
    std::string out;
    if (!format_of(f, false).format_time(t, out)) return {};
    return out;
  });
  k.scalar<Text(int64_t, Text, Text)>("spark_from_unixtime", [](int64_t s, std::string_view f, std::string_view z) -> std::optional<std::string> {
    std::string out;
    int64_t micros;
    if (__builtin_mul_overflow(s, int64_t(1000000), &micros)) fail_overflow("long overflow");
    if (!format_of(f, false).format_timestamp(micros, zone_of(z), out)) return {};
    return out;
  });
}

}  // namespace tarn::engine::kernels
