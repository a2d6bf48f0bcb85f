#pragma once
// Session time zones: java.time's ZoneId rules, from ICU's zone data.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tarn::engine {

// An immutable zone; looking up an offset is a binary search over transitions computed once. Thread-safe.
class TimeZone {
 public:
  // Spark's DateTimeUtils.getZoneId: region ids, "UTC", "Z", "+h", "+hh:mm", "GMT+2", "UTC-08:00", Java's short ids (PST, EST …).
  // Throws SparkError INVALID_TIMEZONE. Cached.
  static std::shared_ptr<const TimeZone> get(std::string_view id);
  // nullptr if the id is not a zone.
  static std::shared_ptr<const TimeZone> find(std::string_view id);

  const std::string& id() const { return id_; }        // as java.time.ZoneId.getId() gives it
  bool is_fixed() const { return transitions_.empty(); }
  // Seconds east of UTC at an instant.
  int32_t offset_at(int64_t epoch_second) const;
  bool is_dst_at(int64_t epoch_second) const;
  // java.time's ZonedDateTime.of: a local time in a gap is moved forward by the gap's length, in an overlap the earlier
  // offset (summer time) counts.
  int64_t local_to_utc_seconds(int64_t local_second) const;
  int64_t local_to_utc_micros(int64_t local_micros) const;
  int64_t utc_to_local_micros(int64_t utc_micros) const;

 private:
  struct Transition {
    int64_t at;            // epoch second of the change
    int32_t before, after; // offsets
    bool dst;              // after it
  };
  std::string id_;
  int32_t initial_offset_ = 0;
  std::vector<Transition> transitions_;
  int64_t cycle_from_ = INT64_MAX;  // from here on, times are looked up 400 years (one Gregorian cycle) earlier
  friend struct TimeZoneLoader;
};

}  // namespace tarn::engine
