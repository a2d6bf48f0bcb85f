#pragma once
// How Spark writes values and expressions: generated column names, error messages, EXPLAIN.
#include <string>

#include "plan/expression.h"

namespace tarn::plan {

// Double.toString and Float.toString: "1.0", "1.0E10", "NaN", "-Infinity".
std::string java_double(double v);
std::string java_float(float v);
std::string decimal_text(Int128 unscaled, int scale);
// "2020-01-01"; proleptic Gregorian, years beyond 9999 with a sign.
std::string date_text(int64_t days);
// "2020-01-01 10:00:00.5" of micros on the wall clock (no zone).
std::string local_timestamp_text(int64_t micros);
std::string time_text(int64_t nanos);
// "INTERVAL '1 02:03:04' DAY TO SECOND"
std::string day_time_interval_text(int64_t micros, const DataType& type);
std::string year_month_interval_text(int64_t months, const DataType& type);
// "1 years 2 months 3 days 4 hours 5 minutes 6 seconds" (CalendarInterval.toString)
std::string calendar_interval_text(const IntervalValue& v);

// The zone in which timestamp literals are written; of the thread. Set it for the time of an analysis.
class TextZone {
 public:
  explicit TextZone(std::string zone);
  ~TextZone();
  TextZone(const TextZone&) = delete;
  TextZone& operator=(const TextZone&) = delete;

 private:
  std::string previous_;
};

// As Literal.sql: 'a', 1L, DATE '2020-01-01'.
std::string literal_sql(const DataType& type, const Value& value);

}  // namespace tarn::plan
