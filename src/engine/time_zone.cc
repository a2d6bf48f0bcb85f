#include "engine/time_zone.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

#include <unicode/basictz.h>
#include <unicode/timezone.h>
#include <unicode/tzrule.h>
#include <unicode/tztrans.h>
#include <unicode/unistr.h>

#include "base/spark_error.h"

namespace tarn::engine {
namespace {

constexpr int64_t kCycleSeconds = 146097LL * 86400;        // 400 Gregorian years, a whole number of weeks
constexpr int64_t kCycleFrom = 14768524800LL;              // 2438-01-01: 400 years after the last year of irregular rules
constexpr int64_t kMicros = 1000000;

int64_t floor_div(int64_t a, int64_t b) {
  int64_t q = a / b;
  return (a % b != 0 && (a < 0) != (b < 0)) ? q - 1 : q;
}

// java.time.ZoneId.SHORT_IDS.
const std::unordered_map<std::string_view, std::string_view>& short_ids() {
  static const std::unordered_map<std::string_view, std::string_view> ids = {
      {"ACT", "Australia/Darwin"},   {"AET", "Australia/Sydney"},   {"AGT", "America/Argentina/Buenos_Aires"},
      {"ART", "Africa/Cairo"},       {"AST", "America/Anchorage"},  {"BET", "America/Sao_Paulo"},
      {"BST", "Asia/Dhaka"},         {"CAT", "Africa/Harare"},      {"CNT", "America/St_Johns"},
      {"CST", "America/Chicago"},    {"CTT", "Asia/Shanghai"},      {"EAT", "Africa/Addis_Ababa"},
      {"ECT", "Europe/Paris"},       {"IET", "America/Indiana/Indianapolis"}, {"IST", "Asia/Kolkata"},
      {"JST", "Asia/Tokyo"},         {"MIT", "Pacific/Apia"},       {"NET", "Asia/Yerevan"},
      {"NST", "Pacific/Auckland"},   {"PLT", "Asia/Karachi"},       {"PNT", "America/Phoenix"},
      {"PRT", "America/Puerto_Rico"},{"PST", "America/Los_Angeles"},{"SST", "Pacific/Guadalcanal"},
      {"VST", "Asia/Ho_Chi_Minh"},   {"EST", "-05:00"},             {"MST", "-07:00"},
      {"HST", "-10:00"}};
  return ids;
}

// java.time.ZoneOffset.of: Z, +h, +hh, +hh:mm, +hhmm, +hh:mm:ss, +hhmmss within 18 hours.
std::optional<int32_t> parse_offset(std::string_view s) {
  if (s == "Z") return 0;
  if (s.size() < 2 || (s[0] != '+' && s[0] != '-')) return std::nullopt;
  auto digits = [&](size_t at, size_t n) -> int {
    int v = 0;
    for (size_t i = at; i < at + n; ++i) {
      if (i >= s.size() || s[i] < '0' || s[i] > '9') return -1;
      v = v * 10 + (s[i] - '0');
    }
    return v;
  };
  int h = 0, m = 0, sec = 0;
  switch (s.size()) {
    case 2: h = digits(1, 1); break;
    case 3: h = digits(1, 2); break;
    case 5: h = digits(1, 2); m = digits(3, 2); break;
    case 6: h = digits(1, 2); m = s[3] == ':' ? digits(4, 2) : -1; break;
    case 7: h = digits(1, 2); m = digits(3, 2); sec = digits(5, 2); break;
    case 9: h = digits(1, 2); m = s[3] == ':' ? digits(4, 2) : -1; sec = s[6] == ':' ? digits(7, 2) : -1; break;
    default: return std::nullopt;
  }
  if (h < 0 || m < 0 || sec < 0 || h > 18 || m > 59 || sec > 59) return std::nullopt;
  int total = h * 3600 + m * 60 + sec;
  if (total > 18 * 3600) return std::nullopt;
  return s[0] == '-' ? -total : total;
}

std::string offset_id(int32_t seconds) {
  if (seconds == 0) return "Z";
  int a = std::abs(seconds);
  char buf[16];
  if (a % 60) snprintf(buf, sizeof buf, "%c%02d:%02d:%02d", seconds < 0 ? '-' : '+', a / 3600, a / 60 % 60, a % 60);
  else snprintf(buf, sizeof buf, "%c%02d:%02d", seconds < 0 ? '-' : '+', a / 3600, a / 60 % 60);
  return buf;
}

// "+1:30" and "+01:3" were valid before Spark 3.
std::string widen_offset(std::string_view id) {
  std::string s(id);
  auto digit = [&](size_t i) { return i < s.size() && s[i] >= '0' && s[i] <= '9'; };
  for (size_t i = 0; i + 2 < s.size(); ++i) {
    if ((s[i] == '+' || s[i] == '-') && digit(i + 1) && s[i + 2] == ':') {
      s.insert(i + 1, "0");
      break;
    }
  }
  if (s.size() >= 5) {
    size_t i = s.size() - 5;
    if ((s[i] == '+' || s[i] == '-') && digit(i + 1) && digit(i + 2) && s[i + 3] == ':' && digit(i + 4)) s.insert(i + 4, "0");
  }
  return s;
}

}  // namespace

struct TimeZoneLoader {
  static std::shared_ptr<TimeZone> fixed(std::string id, int32_t offset) {
    auto z = std::make_shared<TimeZone>();
    z->id_ = std::move(id);
    z->initial_offset_ = offset;
    return z;
  }

  static std::shared_ptr<TimeZone> region(const std::string& id) {
    if (id.size() < 2) return nullptr;
    for (char c : id) {
      if (!isalnum(static_cast<unsigned char>(c)) && !strchr("/._~+-", c)) return nullptr;
    }
    // ICU reads custom ids ("GMT+1") and knows three-letter ids of its own; java.time has none of them.
    if (id.starts_with("SystemV/") || id == "Etc/Unknown") return nullptr;
    std::unique_ptr<icu::TimeZone> tz(icu::TimeZone::createTimeZone(icu::UnicodeString::fromUTF8(id)));
    icu::UnicodeString got;
    tz->getID(got);
    std::string got_id;
    got.toUTF8String(got_id);
    if (got_id != id) return nullptr;
    auto* basic = dynamic_cast<icu::BasicTimeZone*>(tz.get());
    if (!basic) return nullptr;
    auto z = std::make_shared<TimeZone>();
    z->id_ = id;
    UErrorCode status = U_ZERO_ERROR;
    int32_t raw = 0, dst = 0;
    UDate at = -6.3e13;  // before any zone data
    basic->getOffset(at, false, raw, dst, status);
    z->initial_offset_ = (raw + dst) / 1000;
    int32_t before = z->initial_offset_;
    icu::TimeZoneTransition tr;
    while (basic->getNextTransition(at, false, tr)) {
      at = tr.getTime();
      int64_t second = static_cast<int64_t>(at / 1000);
      if (second >= kCycleFrom) {
        z->cycle_from_ = kCycleFrom;
        break;
      }
      int32_t after = (tr.getTo()->getRawOffset() + tr.getTo()->getDSTSavings()) / 1000;
      bool is_dst = tr.getTo()->getDSTSavings() != 0;
      if (after != before || (!z->transitions_.empty() && z->transitions_.back().dst != is_dst)) {
        z->transitions_.push_back({second, before, after, is_dst});
      }
      before = after;
    }
    return z;
  }

  static std::shared_ptr<TimeZone> load(std::string_view raw_id) {
    std::string id = widen_offset(raw_id);
    if (auto it = short_ids().find(id); it != short_ids().end()) id = it->second;
    if (id.size() <= 1 || id[0] == '+' || id[0] == '-') {
      auto offset = parse_offset(id);
      return offset ? fixed(offset_id(*offset), *offset) : nullptr;
    }
    for (std::string_view prefix : {"UTC", "GMT", "UT"}) {
      if (!id.starts_with(prefix)) continue;
      if (id.size() == prefix.size()) return fixed(id, 0);
      char c = id[prefix.size()];
      if (c != '+' && c != '-') return region(id);
      auto offset = parse_offset(std::string_view(id).substr(prefix.size()));
      if (!offset) return nullptr;
      return fixed(*offset == 0 ? std::string(prefix) : std::string(prefix) + offset_id(*offset), *offset);
    }
    return region(id);
  }
};

std::shared_ptr<const TimeZone> TimeZone::find(std::string_view id) {
  struct Cache {
    std::shared_mutex mu;
    std::unordered_map<std::string, std::shared_ptr<const TimeZone>> zones;  // guarded by mu; absent zones are nullptr
  };
  static Cache& cache = *new Cache;
  {
    std::shared_lock lock(cache.mu);
    if (auto it = cache.zones.find(std::string(id)); it != cache.zones.end()) return it->second;
  }
  std::shared_ptr<const TimeZone> zone = TimeZoneLoader::load(id);
  std::unique_lock lock(cache.mu);
  if (cache.zones.size() > 4096) cache.zones.clear();  // ids come from data too: keep the cache small
  return cache.zones.emplace(std::string(id), std::move(zone)).first->second;
}

std::shared_ptr<const TimeZone> TimeZone::get(std::string_view id) {
  auto zone = find(id);
  if (!zone) throw SparkError(ErrorKind::kDateTime, "INVALID_TIMEZONE", {{"timeZone", std::string(id)}});
  return zone;
}

int32_t TimeZone::offset_at(int64_t t) const {
  if (transitions_.empty()) return initial_offset_;
  if (t >= cycle_from_) t -= ((t - cycle_from_) / kCycleSeconds + 1) * kCycleSeconds;
  auto it = std::upper_bound(transitions_.begin(), transitions_.end(), t, [](int64_t v, const Transition& x) { return v < x.at; });
  return it == transitions_.begin() ? initial_offset_ : std::prev(it)->after;
}

bool TimeZone::is_dst_at(int64_t t) const {
  if (transitions_.empty()) return false;
  if (t >= cycle_from_) t -= ((t - cycle_from_) / kCycleSeconds + 1) * kCycleSeconds;
  auto it = std::upper_bound(transitions_.begin(), transitions_.end(), t, [](int64_t v, const Transition& x) { return v < x.at; });
  return it != transitions_.begin() && std::prev(it)->dst;
}

int64_t TimeZone::local_to_utc_seconds(int64_t local) const {
  if (transitions_.empty()) return local - initial_offset_;
  int64_t shift = 0;
  if (local >= cycle_from_) shift = ((local - cycle_from_) / kCycleSeconds + 1) * kCycleSeconds;
  int64_t l = local - shift;
  // Before, in the gap and in the overlap of a transition alike, the offset before it decides.
  auto it = std::upper_bound(transitions_.begin(), transitions_.end(), l,
                             [](int64_t v, const Transition& x) { return v < x.at + std::max(x.before, x.after); });
  int32_t offset = it == transitions_.end() ? transitions_.back().after : it->before;
  return local - offset;
}

int64_t TimeZone::local_to_utc_micros(int64_t local) const {
  int64_t second = floor_div(local, kMicros);
  return local + (local_to_utc_seconds(second) - second) * kMicros;
}

int64_t TimeZone::utc_to_local_micros(int64_t utc) const {
  return static_cast<int64_t>(static_cast<uint64_t>(utc) + static_cast<uint64_t>(offset_at(floor_div(utc, kMicros)) * kMicros));
}

}  // namespace tarn::engine
