// Expected values: java.time and Spark's SparkDateTimeUtils (Apache Spark 4.2.0).
#include <doctest/doctest.h>

#include "base/spark_error.h"
#include "engine/datetime_format.h"
#include "engine/datetime_parse.h"
#include "engine/legacy_date_format.h"
#include "engine/time_zone.h"

using namespace tarn::engine;

TEST_CASE("strings become dates as Spark's stringToDate does") {
  CHECK(string_to_date("1970-01-01") == 0);
  CHECK(string_to_date("2015") == 16436);
  CHECK(string_to_date("2015-03") == 16495);
  CHECK(string_to_date(" 2015-3-8 ") == 16502);
  CHECK(string_to_date("2015-03-18T12:03:17") == 16512);
  CHECK(string_to_date("2015-03-18 123142") == 16512);
  CHECK(string_to_date("-0001-01-01") == -719893);
  CHECK_FALSE(string_to_date("2015-13-01"));
  CHECK_FALSE(string_to_date("2015-02-29"));
  CHECK_FALSE(string_to_date("015-03-18"));
  CHECK_FALSE(string_to_date("20150318"));
  CHECK_FALSE(string_to_date("2015-031-8"));
  CHECK_FALSE(string_to_date(""));
}

TEST_CASE("strings become timestamps as Spark's stringToTimestamp does") {
  auto utc = TimeZone::get("UTC");
  CHECK(string_to_timestamp("1970-01-01 00:00:00", *utc) == 0);
  CHECK(string_to_timestamp("1970-01-01T00:00:01.5", *utc) == 1500000);
  CHECK(string_to_timestamp("1970-01-01 00:00:01.1234567", *utc) == 1123456);
  CHECK(string_to_timestamp("1970-01-01 00:00:00+01:00", *utc) == -3600000000);
  CHECK(string_to_timestamp("1970-01-01 00:00:00 Europe/Berlin", *utc) == -3600000000);
  CHECK(string_to_timestamp("1970-01-01 0:0:0Z", *utc) == 0);
  CHECK(string_to_timestamp("1970", *utc) == 0);
  CHECK_FALSE(string_to_timestamp("1970-01-01 24:00:00", *utc));
  CHECK_FALSE(string_to_timestamp("1970-01-01 00:00:00 Nowhere/City", *utc));
  CHECK_FALSE(string_to_timestamp("238", *utc));
  CHECK(string_to_timestamp("T01:02:03", *utc, 86400000000) == 86400000000 + 3723000000);
  CHECK_FALSE(string_to_timestamp_ntz("1970-01-01 00:00:00Z", false));
  CHECK(string_to_timestamp_ntz("1970-01-01 00:00:00Z", true) == 0);
  CHECK(string_to_time("12:30 PM") == 45000000000000);
  CHECK_FALSE(string_to_time("13:30 PM"));
}

TEST_CASE("zones follow java.time in gaps, overlaps and far years") {
  auto la = TimeZone::get("America/Los_Angeles");
  CHECK(la->offset_at(0) == -8 * 3600);
  CHECK(la->offset_at(1593561600) == -7 * 3600);
  CHECK(la->offset_at(-3000000000) == -(7 * 3600 + 52 * 60 + 58));
  // 2024-03-10 02:30 does not exist: 03:30 PDT; 2024-11-03 01:30 exists twice: PDT.
  CHECK(la->local_to_utc_seconds(1710037800) == 1710066600);
  CHECK(la->local_to_utc_seconds(1730597400) == 1730622600);
  CHECK(la->offset_at(32487782400) == -7 * 3600);  // summer of 2999
  CHECK(TimeZone::get("+8:00")->id() == "+08:00");
  CHECK(TimeZone::get("GMT+8")->id() == "GMT+08:00");
  CHECK(TimeZone::get("PST")->id() == "America/Los_Angeles");
  CHECK(TimeZone::get("Z")->offset_at(0) == 0);
  CHECK_FALSE(TimeZone::find("Mars/Base"));
  CHECK_FALSE(TimeZone::find("+19:00"));
  CHECK_THROWS_AS(TimeZone::get("nope"), tarn::SparkError);
}

static std::string fmt(const char* pattern, int64_t micros, const char* zone = "UTC", const char* locale = "en-US") {
  std::string out;
  CHECK(DateTimeFormat::compile(pattern, false, locale)->format_timestamp(micros, *TimeZone::get(zone), out));
  return out;
}

TEST_CASE("patterns print as DateTimeFormatter does") {
  int64_t t = 1709210096123456;  // 2024-02-29T12:34:56.123456Z
  CHECK(fmt("yyyy-MM-dd HH:mm:ss.SSSSSS", t) == "2024-02-29 12:34:56.123456");
  CHECK(fmt("y M d H m s S", t) == "2024 2 29 12 34 56 1");
  CHECK(fmt("yy/MMM/EEE a hh", t) == "24/Feb/Thu PM 12");
  CHECK(fmt("MMMM EEEE G QQQ D", t) == "February Thursday AD Q1 60");
  CHECK(fmt("'T'HH''mm", t) == "T12'34");
  CHECK(fmt("XXX VV z O", t, "America/Los_Angeles") == "-08:00 America/Los_Angeles PST GMT-8");
  CHECK(fmt("X x XX xxx Z ZZZZZ", t) == "Z +00 Z +00:00 +0000 Z");
  CHECK(fmt("zzzz", t, "America/Los_Angeles") == "Pacific Standard Time");
  CHECK(fmt("yyyy", 253402300800000000) == "+10000");
  CHECK(fmt("MMMM", t, "UTC", "de-DE") == "Februar");
}

TEST_CASE("patterns parse strictly") {
  auto utc = TimeZone::get("UTC");
  auto parse = [&](const char* pattern, const char* text) { return DateTimeFormat::compile(pattern, true)->parse_timestamp(text, *utc); };
  CHECK(parse("yyyy-MM-dd HH:mm:ss", "1970-01-02 00:00:01") == 86401000000);
  CHECK(parse("yyyyMMddHHmmss", "19700102000001") == 86401000000);
  CHECK(parse("yyyyMMdd", "19700102") == 86400000000);
  CHECK(parse("dd/MM/yyyy", "02/01/1970") == 86400000000);
  CHECK_FALSE(parse("dd/MM/yyyy", "2/1/1970"));
  CHECK(parse("d/M/yyyy", "2/1/1970") == 86400000000);
  CHECK_FALSE(parse("yyyy-MM-dd", "1970-02-30"));
  CHECK_FALSE(parse("yyyy-MM-dd", "1970-01-01 "));
  CHECK(parse("HH:mm:ss.SSS", "00:00:00.5") == 500000);
  CHECK_FALSE(parse("HH:mm:ss.SSS", "00:00:00.1234"));
  CHECK(parse("yyyy-MM-dd['T'HH:mm]", "1970-01-02") == 86400000000);
  CHECK(parse("yyyy-MM-dd['T'HH:mm]", "1970-01-02T01:00") == 90000000000);
  CHECK(parse("hh:mm a", "12:01 am") == 60000000);
  CHECK(parse("MMM d, yyyy", "jan 2, 1970") == 86400000000);
  CHECK(parse("yyyy-MM-dd XXX", "1970-01-01 +01:00") == -3600000000);
  CHECK(parse("yy", "70") == 3155760000000000);
  CHECK(parse("yyyy DDD", "1970 002") == 86400000000);
  CHECK(parse("yyyy-MM-dd VV", "1970-01-01 Asia/Tokyo") == -32400000000);
  CHECK_FALSE(parse("yyyy", "10000"));
  CHECK(parse("yyyy G", "0001 BC").has_value());
}

TEST_CASE("patterns that Spark refuses raise its conditions") {
  auto condition = [](const char* pattern, bool parsing) -> std::string {
    try {
      DateTimeFormat::compile(pattern, parsing);
    } catch (const tarn::SparkError& e) {
      return e.condition();
    }
    return "";
  };
  // As datetime-formatting-invalid.sql of Spark's own tests has them: what SimpleDateFormat would take asks for a choice of policy.
  CHECK(condition("Y", false) == "INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_PATTERN_RECOGNITION");
  CHECK(condition("e", false) == "INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_WEEK_BASED_PATTERN");
  CHECK(condition("EEEEE", false) == "INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_PATTERN_RECOGNITION");
  CHECK(condition("MMMMM", false) == "INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_PATTERN_RECOGNITION");
  CHECK(condition("ddd", false) == "INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_PATTERN_RECOGNITION");
  CHECK(condition("yyyy jj", false) == "INVALID_DATETIME_PATTERN.WITH_SUGGESTION");
}

TEST_CASE("SimpleDateFormat's patterns print and parse as Java does") {
  using tarn::engine::LegacyDateFormat;
  auto zone = TimeZone::get("America/Los_Angeles");
  auto printed = [&](const char* pattern, const char* time) {
    std::string out;
    LegacyDateFormat::compile(pattern)->format(*tarn::engine::string_to_timestamp(time, *zone), *zone, out);
    return out;
  };
  CHECK(printed("y yy yyy yyyyy", "2018-11-17 13:33:33.123") == "2018 18 2018 02018");
  CHECK(printed("E EEEE u F w W", "2018-11-17 13:33:33.123") == "Sat Saturday 6 3 46 3");
  CHECK(printed("h hh k K a S SSSSSS", "1969-12-31 00:00:00") == "12 12 24 0 AM 0 000000");
  CHECK(printed("EEE", "1582-10-04 12:00:00") == "Thu");  // of the Julian calendar
  CHECK(printed("X XX XXX Z '''o''' 'clock'", "2018-11-17 13:33:33") == "-08 -0800 -08:00 -0800 'o' clock");
  auto parsed = [&](const char* text, const char* pattern) -> std::string {
    auto v = LegacyDateFormat::compile(pattern)->parse(text, *zone);
    if (!v) return "none";
    std::string out;
    tarn::engine::append_timestamp(zone->utc_to_local_micros(*v), out);
    return out;
  };
  CHECK(parsed("2019-10-06 10:11:12 tail", "yyyy-MM-dd HH:mm:ss") == "2019-10-06 10:11:12");
  CHECK(parsed("99", "yy") == "1999-01-01 00:00:00");
  CHECK(parsed("20191006", "yyyyMMdd") == "2019-10-06 00:00:00");
  CHECK(parsed("26/oct/2015", "dd/MMM/yyyy") == "2015-10-26 00:00:00");
  CHECK(parsed("22 05 2020 Monday", "dd MM yyyy EEEEE") == "none");
  CHECK(parsed("2019-02-30", "yyyy-MM-dd") == "none");
  CHECK(parsed("10:11:12.1234", "HH:mm:ss.SSSS") == "none");
  CHECK_THROWS(LegacyDateFormat::compile("q"));
  CHECK_THROWS(LegacyDateFormat::compile("XXXX"));
  CHECK_THROWS(LegacyDateFormat::compile("'open"));
}
