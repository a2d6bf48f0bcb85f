#pragma once
// Spark's datetime patterns (java.time.format.DateTimeFormatter with Spark's restrictions, policy CORRECTED).
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace tarn::engine {

class TimeZone;

// Compiled once, used from many threads (immutable).
class DateTimeFormat {
 public:
  // for_parsing: some letters are refused and a run of S takes 1..n digits. locale: IETF tag, "en-US" by default.
  // Throws SparkError: INVALID_DATETIME_PATTERN.*, INCONSISTENT_BEHAVIOR_CROSS_VERSION.*, FAIL_TO_RECOGNIZE_PATTERN-like.
  static std::shared_ptr<const DateTimeFormat> compile(std::string_view pattern, bool for_parsing, std::string_view locale = "en-US");
  ~DateTimeFormat();

  // nullopt: the text does not match or is no valid date. Missing fields are those of 1970-01-01 00:00:00.
  std::optional<int32_t> parse_date(std::string_view text) const;                           // days
  std::optional<int64_t> parse_timestamp(std::string_view text, const TimeZone& zone) const; // UTC microseconds; a zone in the text wins
  std::optional<int64_t> parse_timestamp_ntz(std::string_view text, bool allow_zone) const;  // local microseconds
  std::optional<int64_t> parse_time(std::string_view text) const;                            // nanoseconds of the day

  // Append to out. False: the pattern needs a field that the value lacks (a time of day of a date, a zone of a TIMESTAMP_NTZ).
  bool format_date(int32_t days, std::string& out) const;
  bool format_timestamp(int64_t utc_micros, const TimeZone& zone, std::string& out) const;
  bool format_timestamp_ntz(int64_t local_micros, std::string& out) const;
  bool format_time(int64_t nanos, std::string& out) const;

  struct Impl;

 private:
  DateTimeFormat();
  std::unique_ptr<Impl> impl_;
};

}  // namespace tarn::engine
