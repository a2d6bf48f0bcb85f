#pragma once
// A time zone by the text of a kernel's argument; kept per thread. An unknown zone ends the query with INVALID_TIMEZONE.
#include "engine/kernels/kernel.h"
#include "engine/kernels/kernel_error.h"
#include "engine/time_zone.h"

namespace tarn::engine::kernels {

inline const TimeZone& zone_of(std::string_view id) {
  static thread_local Compiled<TimeZone> zones;
  return zones.get(id, [](std::string_view z) -> std::shared_ptr<const TimeZone> {
    try {
      return TimeZone::get(z);
    } catch (const SparkError& e) {
      fail(e);
    }
  });
}

}  // namespace tarn::engine::kernels
