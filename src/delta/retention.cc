#include "delta/retention.h"

#include <algorithm>
#include <cctype>
#include <sstream>

namespace tarn::delta {

std::optional<int64_t> parse_duration_ms(std::string_view text) {
  std::string lowered(text);
  std::transform(lowered.begin(), lowered.end(), lowered.begin(), [](unsigned char c) { return std::tolower(c); });
  std::istringstream in(lowered);
  std::string word;
  int64_t total = 0;
  bool any = false;
  while (in >> word) {
    if (word == "interval" && !any) continue;
    char* end = nullptr;
    long long n = std::strtoll(word.c_str(), &end, 10);
    if (end == word.c_str() || *end != '\0') return std::nullopt;
    std::string unit;
    if (!(in >> unit)) return std::nullopt;
    if (unit.size() > 1 && unit.back() == 's') unit.pop_back();
    if (unit == "week") total += n * 7 * kDayMs;
    else if (unit == "day") total += n * kDayMs;
    else if (unit == "hour") total += n * 3600'000;
    else if (unit == "minute") total += n * 60'000;
    else if (unit == "second") total += n * 1000;
    else if (unit == "millisecond") total += n;
    else if (unit == "microsecond") total += n / 1000;
    else return std::nullopt;
    any = true;
  }
  return any ? std::optional(total) : std::nullopt;
}

int64_t retention_ms(const Metadata& metadata, const std::string& key, int64_t otherwise) {
  return parse_duration_ms(metadata.property(key)).value_or(otherwise);
}

}  // namespace tarn::delta
