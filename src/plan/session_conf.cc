#include "plan/session_conf.h"

#include <unicode/timezone.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "base/spark_error.h"
#include "plan/session_conf_table.h"

namespace tarn::plan {
namespace {

constexpr std::string_view kTimeZoneKey = "spark.sql.session.timeZone";
constexpr std::string_view kDocRoot = "https://spark.apache.org/docs/latest";

struct DeprecatedKey {
  std::string_view key, version, advice;
};
// Keys that Spark answers with a warning. Source: SQLConf.deprecatedSQLConfigs of 4.2.0.
constexpr DeprecatedKey kDeprecated[] = {
    {"spark.sql.legacy.execution.pandas.groupedMap.assignColumnsByName", "2.4", "It will go away."},
    {"spark.sql.adaptive.shuffle.targetPostShuffleInputSize", "3.0", "Use 'spark.sql.adaptive.advisoryPartitionSizeInBytes' instead."},
    {"spark.sql.optimizer.metadataOnly", "3.0", "Its results can be wrong."},
    {"spark.sql.sources.schemaStringLengthThreshold", "3.2", "Use 'spark.sql.hive.tablePropertyLengthThreshold' instead."},
    {"spark.sql.legacy.replaceDatabricksSparkAvro.enabled", "3.2", "Name the format 'avro' instead."},
    {"spark.sql.adaptive.coalescePartitions.minPartitionNum", "3.2",
     "Use 'spark.sql.adaptive.coalescePartitions.minPartitionSize' instead."},
    {"spark.sql.legacy.parquet.datetimeRebaseModeInRead", "3.2", "Use 'spark.sql.parquet.datetimeRebaseModeInRead' instead."},
    {"spark.sql.parser.escapedStringLiterals", "4.0", "Use string literals with the prefix r instead."},
    {"spark.connect.copyFromLocalToFs.allowDestLocal", "4.0", "Use 'spark.sql.artifact.copyFromLocalToFs.allowDestLocal' instead."},
    {"spark.sql.legacy.allowZeroIndexInFormatString", "4.0", "Count the arguments of format_string from 1."},
    {"spark.sql.shuffleDependency.fileCleanup.enabled", "4.1", "Use 'spark.sql.connect.shuffleDependency.fileCleanup.enabled' instead."},
};
constexpr std::string_view kNotInConnect[] = {"spark.sql.execution.arrow.enabled", "spark.sql.execution.arrow.pyspark.fallback.enabled"};

struct RemovedKey {
  std::string_view key, version, old_default, advice;
};
// Keys that are gone: only the value that was the default can still be set. Source: SQLConf.removedSQLConfigs of 4.2.0.
constexpr RemovedKey kRemoved[] = {
    {"spark.sql.fromJsonForceNullableSchema", "3.0.0", "true", ""},
    {"spark.sql.legacy.allowCreatingManagedTableUsingNonemptyLocation", "3.0.0", "false", ""},
    {"spark.sql.legacy.compareDateTimestampInTimestamp", "3.0.0", "true", ""},
    {"spark.sql.parquet.int64AsTimestampMillis", "3.0.0", "false", "Use 'spark.sql.parquet.outputTimestampType' instead of it."},
    {"spark.sql.execution.pandas.respectSessionTimeZone", "3.0.0", "true", ""},
    {"spark.sql.optimizer.planChangeLog.level", "3.1.0", "trace", "Please use `spark.sql.planChangeLog.level` instead."},
    {"spark.sql.optimizer.planChangeLog.rules", "3.1.0", "", "Please use `spark.sql.planChangeLog.rules` instead."},
    {"spark.sql.optimizer.planChangeLog.batches", "3.1.0", "", "Please use `spark.sql.planChangeLog.batches` instead."},
    {"spark.sql.ansi.strictIndexOperator", "3.4.0", "true", ""},
    {"spark.sql.hive.verifyPartitionPath", "4.0.0", "false", "This config was replaced by 'spark.sql.files.ignoreMissingFiles'."},
    {"spark.sql.optimizer.runtimeFilter.semiJoinReduction.enabled", "4.0.0", "false", ""},
    {"spark.sql.legacy.parquet.int96RebaseModeInWrite", "4.0.0", "CORRECTED", "Use 'spark.sql.parquet.int96RebaseModeInWrite' instead."},
    {"spark.sql.legacy.parquet.int96RebaseModeInRead", "4.0.0", "CORRECTED", "Use 'spark.sql.parquet.int96RebaseModeInRead' instead."},
    {"spark.sql.legacy.parquet.datetimeRebaseModeInWrite", "4.0.0", "CORRECTED",
     "Use 'spark.sql.parquet.datetimeRebaseModeInWrite' instead."},
    {"spark.sql.legacy.avro.datetimeRebaseModeInWrite", "4.0.0", "CORRECTED", "Use 'spark.sql.avro.datetimeRebaseModeInWrite' instead."},
    {"spark.sql.legacy.avro.datetimeRebaseModeInRead", "4.0.0", "CORRECTED", "Use 'spark.sql.avro.datetimeRebaseModeInRead' instead."},
};

std::string lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string_view trim(std::string_view s) {
  while (!s.empty() && static_cast<unsigned char>(s.front()) <= ' ') s.remove_prefix(1);
  while (!s.empty() && static_cast<unsigned char>(s.back()) <= ' ') s.remove_suffix(1);
  return s;
}

SparkError invalid_value(const char* reason, std::string_view key, std::string_view value, ErrorParams more = {}) {
  more["confName"] = key;
  more["confValue"] = value;
  return SparkError(ErrorKind::kIllegalArgument, std::string("INVALID_CONF_VALUE.") + reason, std::move(more));
}

std::optional<int64_t> parse_integer(std::string_view s) {
  if (s.starts_with('+')) s.remove_prefix(1);
  int64_t v = 0;
  auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), v);
  if (error != std::errc() || end != s.data() + s.size() || s.empty()) return std::nullopt;
  return v;
}

struct Unit {
  std::string_view suffix;
  int64_t factor;
};
constexpr Unit kByteUnits[] = {{"b", 1}, {"k", 1LL << 10}, {"kb", 1LL << 10}, {"m", 1LL << 20}, {"mb", 1LL << 20}, {"g", 1LL << 30},
                               {"gb", 1LL << 30}, {"t", 1LL << 40}, {"tb", 1LL << 40}, {"p", 1LL << 50}, {"pb", 1LL << 50}};
constexpr Unit kTimeUnits[] = {{"us", -1000}, {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"min", 60'000}, {"h", 3'600'000},
                               {"d", 86'400'000}};  // negative: divides

template <size_t N>
std::optional<int64_t> parse_with_unit(std::string_view text, const Unit (&units)[N], int64_t bare) {
  std::string s = lower(trim(text));
  bool negative = s.starts_with('-');
  if (negative) s.erase(0, 1);
  size_t digits = 0;
  while (digits < s.size() && std::isdigit(static_cast<unsigned char>(s[digits]))) ++digits;
  auto n = parse_integer(std::string_view(s).substr(0, digits));
  if (!n) return std::nullopt;
  int64_t factor = bare;
  if (digits < s.size()) {
    std::string_view suffix = std::string_view(s).substr(digits);
    auto unit = std::find_if(std::begin(units), std::end(units), [&](const Unit& u) { return u.suffix == suffix; });
    if (unit == std::end(units)) return std::nullopt;
    factor = unit->factor;
  }
  int64_t value;
  if (factor < 0) {
    value = *n / -factor;
  } else if (__builtin_mul_overflow(*n, factor, &value)) {
    return std::nullopt;
  }
  return negative ? -value : value;
}

// A size in bytes or a time in milliseconds; nullopt if the text is neither for this kind.
std::optional<int64_t> parse_quantity(std::string_view kind, std::string_view text) {
  if (kind == "bytes") return parse_with_unit(text, kByteUnits, 1);
  if (kind == "bytes:m") return parse_with_unit(text, kByteUnits, 1LL << 20);
  if (kind == "time") return parse_with_unit(text, kTimeUnits, 1);
  if (kind == "time:s") return parse_with_unit(text, kTimeUnits, 1000);
  if (kind == "time:min") return parse_with_unit(text, kTimeUnits, 60'000);
  return parse_integer(trim(text));
}

std::string_view type_name(std::string_view kind) {
  if (kind == "bytes") return "bytes in BYTE";
  if (kind == "bytes:m") return "bytes in MiB";
  if (kind == "time") return "time in MILLISECONDS";
  if (kind == "time:s") return "time in SECONDS";
  if (kind == "time:min") return "time in MINUTES";
  return kind;
}

// The option of "A|B|C" that the text names without case, in its own spelling.
std::optional<std::string> match_option(std::string_view options, std::string_view text) {
  std::string wanted = lower(trim(text));
  while (!options.empty()) {
    size_t bar = std::min(options.find('|'), options.size());
    std::string_view option = options.substr(0, bar);
    if (lower(option) == wanted) return std::string(option);
    options.remove_prefix(std::min(bar + 1, options.size()));
  }
  return std::nullopt;
}

void check_minimum(const ConfEntry& e, bool too_small, std::string shown) {
  if (!too_small) return;
  throw invalid_value("REQUIREMENT", e.key, shown,
                      {{"confRequirement", "The value of " + std::string(e.key) + " must be at least " + std::to_string(e.minimum) + "."}});
}

// SparkError INVALID_CONF_VALUE.* if the text is not a value of this key.
void validate(const ConfEntry& e, std::string_view text) {
  std::string_view kind = e.kind;
  auto mismatch = [&] { return invalid_value("TYPE_MISMATCH", e.key, text, {{"confType", std::string(type_name(kind))}}); };
  if (kind == "string") return;
  if (kind == "boolean") {
    std::string t = lower(trim(text));
    if (t != "true" && t != "false") throw mismatch();
  } else if (kind == "double") {
    std::string t(trim(text));
    char* end = nullptr;
    double v = std::strtod(t.c_str(), &end);
    if (t.empty() || *end) throw mismatch();
    check_minimum(e, e.minimum != INT64_MIN && v < static_cast<double>(e.minimum), t);
  } else if (kind == "timezone") {
    if (!is_valid_time_zone(text)) throw invalid_value("TIME_ZONE", e.key, text);
  } else if (kind.find('|') != std::string_view::npos) {
    if (match_option(kind, text)) return;
    std::string options(kind);
    for (size_t at = 0; (at = options.find('|', at)) != std::string::npos; at += 2) options.replace(at, 1, ", ");
    throw invalid_value("OUT_OF_RANGE_OF_OPTIONS", e.key, text, {{"confOptions", options}});
  } else {
    auto v = parse_quantity(kind, text);
    if (!v || (kind == "int" && (*v > INT32_MAX || *v < INT32_MIN))) throw mismatch();
    std::string unit = kind.starts_with("bytes") ? "b" : kind.starts_with("time") ? "ms" : "";
    check_minimum(e, *v < e.minimum, std::to_string(*v) + unit);
  }
}

bool is_core_key(std::string_view key) {
  return std::binary_search(kCoreKeys, kCoreKeys + kCoreKeysSize, key,
                            [](std::string_view a, std::string_view b) { return a < b; });
}

// As RuntimeConfig: what a session may not change.
void require_modifiable(std::string_view key, const ConfEntry* entry) {
  if (key == "spark.default.parallelism") return;
  if (entry && entry->is_static()) throw analysis_error("CANNOT_MODIFY_STATIC_CONFIG", {{"key", quote_sql(key)}});
  if (!entry && is_core_key(key)) {
    throw analysis_error("CANNOT_MODIFY_CONFIG", {{"key", quote_sql(key)}, {"docroot", std::string(kDocRoot)}});
  }
}

// Never destroyed: sessions may outlive the statics at the program's end.
std::map<std::string, std::string, std::less<>>& startup_values() {
  static auto* values = new std::map<std::string, std::string, std::less<>>();
  return *values;
}

}  // namespace

const ConfEntry* find_conf_entry(std::string_view key) {
  const ConfEntry* end = kConfTable + kConfTableSize;
  const ConfEntry* it = std::lower_bound(kConfTable, end, key, [](const ConfEntry& e, std::string_view k) { return e.key < k; });
  return it != end && it->key == key ? it : nullptr;
}

std::vector<const ConfEntry*> all_conf_entries() {
  std::vector<const ConfEntry*> out(kConfTableSize);
  for (size_t i = 0; i < kConfTableSize; ++i) out[i] = &kConfTable[i];
  return out;
}

std::optional<std::string> conf_warning(std::string_view key) {
  for (std::string_view k : kNotInConnect) {
    if (k == key) return "The SQL config '" + std::string(key) + "' is NOT supported in Spark Connect";
  }
  for (const auto& d : kDeprecated) {
    if (d.key == key) {
      return "The SQL config '" + std::string(key) + "' has been deprecated in Spark v" + std::string(d.version) +
             " and may be removed in the future. " + std::string(d.advice);
    }
  }
  return std::nullopt;
}

SessionConf::SessionConf() : values_(startup_values()) {}

SessionConf::SessionConf(const SessionConf& other) {
  std::lock_guard lock(other.mu_);
  values_ = other.values_;
}

void SessionConf::set_startup_values(std::map<std::string, std::string> values) {
  for (const auto& [key, value] : values) {
    if (const ConfEntry* e = find_conf_entry(key)) validate(*e, value);
  }
  startup_values() = {values.begin(), values.end()};
}

std::optional<std::string> SessionConf::find(std::string_view key) const {
  {
    std::lock_guard lock(mu_);
    auto it = values_.find(key);
    if (it != values_.end()) return it->second;
  }
  const ConfEntry* e = find_conf_entry(key);
  if (!e) return std::nullopt;
  if (!e->default_value) {
    if (key == kTimeZoneKey) return system_time_zone();
    return std::nullopt;
  }
  if (e->default_value[0] == '=') return find(e->default_value + 1);
  return std::string(e->default_value);
}

std::optional<std::string> SessionConf::get(std::string_view key) const {
  auto value = find(key);
  if (!value && !find_conf_entry(key)) {
    throw SparkError(ErrorKind::kNoSuchElement, "SQL_CONF_NOT_FOUND", {{"sqlConf", quote_sql(key)}});
  }
  return value;
}

std::optional<std::string> SessionConf::get(std::string_view key, std::optional<std::string> fallback) const {
  {
    std::lock_guard lock(mu_);
    auto it = values_.find(key);
    if (it != values_.end()) return it->second;
  }
  const ConfEntry* e = find_conf_entry(key);
  if (e && e->default_value && e->default_value[0] == '=') return get(e->default_value + 1, std::move(fallback));
  if (e && fallback) validate(*e, *fallback);
  return fallback;
}

void SessionConf::set(std::string_view key, std::string_view value) {
  const ConfEntry* e = find_conf_entry(key);
  require_modifiable(key, e);
  if (e) validate(*e, value);
  for (const auto& r : kRemoved) {
    if (r.key == key && r.old_default != value) {
      throw analysis_error("_LEGACY_ERROR_TEMP_1225",
                           {{"configName", std::string(key)}, {"version", std::string(r.version)}, {"comment", std::string(r.advice)}});
    }
  }
  std::lock_guard lock(mu_);
  values_[std::string(key)] = value;
}

void SessionConf::unset(std::string_view key) {
  require_modifiable(key, find_conf_entry(key));
  std::lock_guard lock(mu_);
  auto it = values_.find(key);
  if (it != values_.end()) values_.erase(it);
}

bool SessionConf::is_modifiable(std::string_view key) const {
  const ConfEntry* e = find_conf_entry(key);
  return e && !e->is_static();
}

std::map<std::string, std::string> SessionConf::all_set() const {
  std::lock_guard lock(mu_);
  return {values_.begin(), values_.end()};
}

void SessionConf::copy_from(const SessionConf& other) {
  auto values = other.all_set();
  std::lock_guard lock(mu_);
  values_ = {values.begin(), values.end()};
}

void SessionConf::reset() {
  std::lock_guard lock(mu_);
  values_ = startup_values();
}

bool SessionConf::ansi() const { return flag("spark.sql.ansi.enabled"); }
bool SessionConf::case_sensitive() const { return flag("spark.sql.caseSensitive"); }
std::string SessionConf::time_zone() const { return *find(kTimeZoneKey); }

std::string SessionConf::text(std::string_view key) const {
  auto value = find(key);
  if (!value) throw internal_error("the configuration key " + std::string(key) + " has no value");
  const ConfEntry* e = find_conf_entry(key);
  if (e && std::strchr(e->kind, '|')) return match_option(e->kind, *value).value_or(*value);
  return *value;
}

bool SessionConf::flag(std::string_view key) const { return lower(trim(text(key))) == "true"; }

int64_t SessionConf::integer(std::string_view key) const {
  const ConfEntry* e = find_conf_entry(key);
  auto value = parse_quantity(e ? e->kind : "long", text(key));
  if (!value) throw internal_error("the configuration key " + std::string(key) + " is not a number");
  return *value;
}

double SessionConf::number(std::string_view key) const { return std::strtod(text(key).c_str(), nullptr); }

std::string system_time_zone() {
  static const std::string* zone = [] {
    std::string name;
    if (const char* tz = std::getenv("TZ"); tz && *tz) name = *tz == ':' ? tz + 1 : tz;
    if (!is_valid_time_zone(name)) {
      char target[512];
      ssize_t n = readlink("/etc/localtime", target, sizeof target);
      std::string_view link(target, n > 0 ? static_cast<size_t>(n) : 0);
      size_t at = link.find("/zoneinfo/");
      name = at == std::string_view::npos ? "" : std::string(link.substr(at + 10));
    }
    if (!is_valid_time_zone(name)) {
      std::ifstream file("/etc/timezone");
      std::getline(file, name);
    }
    return new std::string(is_valid_time_zone(name) ? name : "UTC");
  }();
  return *zone;
}

bool is_valid_time_zone(std::string_view zone) {
  std::string_view rest = zone;
  for (std::string_view prefix : {"UTC", "GMT", "UT"}) {
    if (rest.starts_with(prefix)) {
      if (rest.size() == prefix.size()) return true;
      if (rest[prefix.size()] == '+' || rest[prefix.size()] == '-') rest.remove_prefix(prefix.size());
      break;
    }
  }
  if (rest == "Z") return rest.size() == zone.size();
  if (!rest.empty() && (rest[0] == '+' || rest[0] == '-')) {
    // h, hh, h:mm, hh:mm, hh:mm:ss and their forms without colons, at most 18 hours.
    std::string digits;
    for (char c : rest.substr(1)) {
      if (std::isdigit(static_cast<unsigned char>(c))) digits += c;
      else if (c != ':') return false;
    }
    if (digits.empty() || digits.size() > 6 || rest.back() == ':') return false;
    if (digits.size() % 2) digits.insert(0, "0");
    digits.resize(6, '0');
    int h = std::stoi(digits.substr(0, 2)), m = std::stoi(digits.substr(2, 2)), s = std::stoi(digits.substr(4, 2));
    return m < 60 && s < 60 && (h < 18 || (h == 18 && m == 0 && s == 0));
  }
  if (zone.empty() || zone.size() > 60) return false;
  std::unique_ptr<icu::TimeZone> found(icu::TimeZone::createTimeZone(icu::UnicodeString::fromUTF8(icu::StringPiece(zone.data(), static_cast<int32_t>(zone.size())))));
  return *found != icu::TimeZone::getUnknown();
}

}  // namespace tarn::plan
