#pragma once
// Values of text formats: the date and time options that csv and json share, and writing one typed value into a vector.
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/sources/options.h"
#include "plan/types.h"

namespace tarn::plan {
class SessionConf;
}
namespace tarn::engine {
class DateTimeFormat;
class TimeZone;
}  // namespace tarn::engine

namespace tarn::engine::sources {

// dateFormat, timestampFormat, timestampNTZFormat, timeFormat, timeZone, locale, enableDateTimeParsingFallback; immutable.
struct DateTimeOptions {
  std::shared_ptr<const TimeZone> zone;
  std::string locale = "en-US";
  std::shared_ptr<const DateTimeFormat> date, timestamp, timestamp_ntz, time;  // null: Spark's casting rules
  bool date_fallback = true, timestamp_fallback = true;

  std::optional<int32_t> parse_date(std::string_view text) const;
  std::optional<int64_t> parse_timestamp(std::string_view text) const;        // UTC microseconds
  std::optional<int64_t> parse_timestamp_ntz(std::string_view text) const;    // local microseconds, no zone allowed
  std::optional<int64_t> parse_time(std::string_view text) const;             // nanoseconds
  // As schema inference tries it: only the formatter, without the fallback.
  bool infers_timestamp(std::string_view text) const;
  bool infers_timestamp_ntz(std::string_view text) const;
  bool infers_date(std::string_view text) const;
};
// default_date_pattern: the pattern dates are read with when dateFormat is not given ("" = casting rules).
// fallback_key: the session's legacy key for enableDateTimeParsingFallback.
DateTimeOptions datetime_options(const Options& options, const plan::SessionConf& conf, const std::string& default_date_pattern,
                                 const char* fallback_key);

// Spark's decimal parser of the locale: for en-US BigDecimal after dropping commas.
std::optional<__int128> parse_decimal(std::string_view text, int precision, int scale, const std::string& locale);

}  // namespace tarn::engine::sources
