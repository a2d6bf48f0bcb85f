#pragma once
// Spark's runtime configuration of one session. Source: SQLConf, StaticSQLConf, Connect, RuntimeConfig of Spark 4.2.0.
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tarn::plan {

// One known key. The table is generated: session_conf_table.cc.
struct ConfEntry {
  enum Flag : uint8_t { kStatic = 1, kInternal = 2 };

  const char* key;
  // How values are checked: boolean, int, long, double, string, timezone; bytes and bytes:m ("64MB", a bare number counts bytes or
  // MiB); time, time:s, time:min ("2s", a bare number counts ms, s or min); or an enumeration "A|B|C", compared without case.
  const char* kind;
  // What an unset key answers, sizes and times with their unit ("10485760b", "2000ms"); "=other.key" takes that key's value;
  // nullptr: it exists without a default and answers null.
  const char* default_value;
  uint8_t flags = 0;
  int64_t minimum = INT64_MIN;  // the lowest number that is accepted

  bool is_static() const { return flags & kStatic; }      // cannot be set in a session: CANNOT_MODIFY_STATIC_CONFIG
  bool is_public() const { return !(flags & kInternal); }  // listed by SET -v
};
// nullptr if Spark knows no such key.
const ConfEntry* find_conf_entry(std::string_view key);
// All known keys, sorted.
std::vector<const ConfEntry*> all_conf_entries();
// The sentence that a use of this key deserves (deprecated, or without meaning for Spark Connect).
std::optional<std::string> conf_warning(std::string_view key);

// Thread-safe. Reading a known key is cheap (planning does it often).
class SessionConf {
 public:
  SessionConf();
  SessionConf(const SessionConf& other);

  // Process-wide values every session starts with (spark.app.name, spark.sql.warehouse.dir, what the command line gave). Call once,
  // before the first session. Static keys are allowed here. SparkError INVALID_CONF_VALUE.* for a value that is not valid.
  static void set_startup_values(std::map<std::string, std::string> values);

  // The effective value: set here, else the default. nullopt: known but without value, or unknown and never set.
  std::optional<std::string> find(std::string_view key) const;
  // As spark.conf.get(key): SparkError SQL_CONF_NOT_FOUND for an unknown key that was never set.
  std::optional<std::string> get(std::string_view key) const;
  // As spark.conf.get(key, fallback): the fallback wins over Spark's default of a known key, and must be valid for it.
  std::optional<std::string> get(std::string_view key, std::optional<std::string> fallback) const;
  // As spark.conf.set: SparkError CANNOT_MODIFY_CONFIG / CANNOT_MODIFY_STATIC_CONFIG / INVALID_CONF_VALUE.*.
  // The text is kept as it was given (Spark answers it unchanged). Keys outside Spark's own names are kept as they are.
  void set(std::string_view key, std::string_view value);
  // Back to the default. Static and core keys: as set.
  void unset(std::string_view key);
  bool is_modifiable(std::string_view key) const;
  std::map<std::string, std::string> all_set() const;  // explicitly set pairs, start-up values included
  void copy_from(const SessionConf& other);             // for a cloned session: every value, static ones included
  void reset();                                         // RESET: back to the start-up values

  bool ansi() const;                  // spark.sql.ansi.enabled
  bool case_sensitive() const;        // spark.sql.caseSensitive
  std::string time_zone() const;      // spark.sql.session.timeZone
  // Typed reads of a known key that has a value; anything else is a bug and throws INTERNAL_ERROR.
  bool flag(std::string_view key) const;       // boolean
  int64_t integer(std::string_view key) const; // int, long, bytes (in bytes), time (in ms)
  double number(std::string_view key) const;   // double
  std::string text(std::string_view key) const;  // any; an enumeration in the table's own spelling

 private:
  mutable std::mutex mu_;
  std::map<std::string, std::string, std::less<>> values_;  // guarded by mu_
};

// The zone of this machine, as Java names it ("Etc/UTC", "Europe/Berlin").
std::string system_time_zone();
// Whether Spark takes it: a region id, "UTC", "Z", a short id such as "PST", or an offset "+01:00".
bool is_valid_time_zone(std::string_view zone);

}  // namespace tarn::plan
