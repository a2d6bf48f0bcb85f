#pragma once
// Casting strings to dates and times by Spark's own rules (SparkDateTimeUtils), and plain ISO output. No allocation, no exceptions.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tarn::engine {

class TimeZone;

struct CivilDate { int64_t year; int month, day; };
// Proleptic Gregorian calendar. days since 1970-01-01.
int64_t days_from_civil(int64_t year, int month, int day);
CivilDate civil_from_days(int64_t days);
bool is_leap_year(int64_t year);
int days_in_month(int64_t year, int month);

// Days since the epoch; nullopt when Spark's stringToDate answers None.
std::optional<int32_t> string_to_date(std::string_view text);
// Microseconds since the epoch. Text without a zone is in `zone`; text with only a time of day is on today's date there.
// now_micros: the instant that decides "today"; negative: the clock.
std::optional<int64_t> string_to_timestamp(std::string_view text, const TimeZone& zone, int64_t now_micros = -1);
// Microseconds of local time. allow_zone: a zone in the text is ignored instead of refused.
std::optional<int64_t> string_to_timestamp_ntz(std::string_view text, bool allow_zone = true);
// Nanoseconds of the day: "HH:mm[:ss[.n]]", with AM/PM or not.
std::optional<int64_t> string_to_time(std::string_view text);

// As a cast to string shows them: "2024-02-29", "+10000-01-01", "-0044-03-15"; fractions without trailing zeros.
void append_date(int32_t days, std::string& out);
void append_timestamp(int64_t local_micros, std::string& out);   // local time
void append_time(int64_t nanos, std::string& out);               // "12:34:56[.123456]"

}  // namespace tarn::engine
