#include "engine/orc/calendar.h"

#include <algorithm>

namespace tarn::engine::orc {
namespace {

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

// Years from March on, so that a leap day is the last: days of the year before a day of a month, and back.
int64_t day_of_year(int64_t month, int64_t day) { return (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1; }
struct MonthDay {
  int64_t month, day;
};
MonthDay month_day(int64_t of_year) {
  const int64_t m = (5 * of_year + 2) / 153;
  return {m < 10 ? m + 3 : m - 9, of_year - (153 * m + 2) / 5 + 1};
}

constexpr int64_t kGregorianEpoch = 719468;  // from 0000-03-01 to 1970-01-01 in either calendar
constexpr int64_t kJulianEpoch = 719470;

}  // namespace

int64_t julian_to_gregorian(int64_t day) {
  if (day >= kFirstGregorianDay) return day;
  const int64_t n = day + kJulianEpoch, cycle = floor_div(n, 1461), in_cycle = n - cycle * 1461;
  const int64_t year_in_cycle = std::min<int64_t>(in_cycle / 365, 3), y = cycle * 4 + year_in_cycle;
  const auto [month, d] = month_day(in_cycle - year_in_cycle * 365);
  const int64_t era = floor_div(y, 400), of_era = y - era * 400;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year(month, d) - kGregorianEpoch;
}

int64_t gregorian_to_julian(int64_t day) {
  if (day >= kFirstGregorianDay) return day;
  const int64_t n = day + kGregorianEpoch, era = floor_div(n, 146097), of_era = n - era * 146097;
  const int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365, y = era * 400 + year_of_era;
  const auto [month, d] = month_day(of_era - (year_of_era * 365 + year_of_era / 4 - year_of_era / 100));
  const int64_t cycle = floor_div(y, 4), in_cycle = y - cycle * 4;
  return std::min(cycle * 1461 + in_cycle * 365 + day_of_year(month, d) - kJulianEpoch, kFirstGregorianDay);
}

}  // namespace tarn::engine::orc
