#pragma once
// Durations in table properties ("interval 30 days").
#include <cstdint>
#include <string>
#include <string_view>

#include "delta/actions.h"

namespace tarn::delta {

inline constexpr int64_t kDayMs = 24LL * 3600 * 1000;
// Milliseconds of "interval N unit [N unit …]" (the word interval may be missing; units nanoseconds to weeks); nothing if it is no such text.
std::optional<int64_t> parse_duration_ms(std::string_view text);
// A property's duration, or `otherwise` if it is unset or unreadable.
int64_t retention_ms(const Metadata& metadata, const std::string& key, int64_t otherwise);

}  // namespace tarn::delta
