#pragma once
// ORC's dates before 1582-10-15 are of the Julian calendar unless the file says otherwise; Spark's are of the Gregorian. A day keeps its
// name. Source: RebaseDateTime.
#include <cstdint>

namespace tarn::engine::orc {

inline constexpr int64_t kFirstGregorianDay = -141427;  // 1582-10-15, days since 1970

int64_t julian_to_gregorian(int64_t day);
// The ten days that the Julian calendar never had become the first of the Gregorian.
int64_t gregorian_to_julian(int64_t day);

}  // namespace tarn::engine::orc
