#pragma once
// Patterns of java.text.SimpleDateFormat, which spark.sql.legacy.timeParserPolicy=LEGACY stands for: not lenient, English names,
// milliseconds at most. Source: the Javadoc of SimpleDateFormat; LegacySimpleTimestampFormatter.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tarn::engine {

class DateTimeFormat;
class TimeZone;

// Compiled once, used from many threads (immutable).
class LegacyDateFormat {
 public:
  // Throws SparkError INVALID_DATETIME_PATTERN.WITH_SUGGESTION for a letter or a count that SimpleDateFormat does not know.
  static std::shared_ptr<const LegacyDateFormat> compile(std::string_view pattern);
  // UTC microseconds; a zone in the text wins. What follows the matched beginning of the text is ignored, as DateFormat.parse does.
  std::optional<int64_t> parse(std::string_view text, const TimeZone& zone) const;
  void format(int64_t utc_micros, const TimeZone& zone, std::string& out) const;

 private:
  struct Item {
    char letter = 0;       // 0: literal text
    int count = 0;
    std::string text;
    std::shared_ptr<const DateTimeFormat> zone_name;  // of z
  };
  std::vector<Item> items_;
};

}  // namespace tarn::engine
