#pragma once
// Spark's runtime configuration of one session. Source: SQLConf, StaticSQLConf, RuntimeConfig; the values of a live 4.2.0 server.
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tarn::plan {

// One known key. Its table is session_conf_table.cc: adding a key is one entry.
struct ConfEntry {
  const char* key;
  // How values are checked and normalised: boolean, int, long, double, string, bytes ("10485760b"), time ("2000ms"),
  // or an enumeration "A|B|C" (compared without case, stored in upper case).
  const char* kind;
  const char* default_value;  // nullptr: exists without a default (answers null)
  bool is_static = false;     // cannot be set in a session: CANNOT_MODIFY_STATIC_CONFIG
  const char* doc = "";
};
const ConfEntry* find_conf_entry(std::string_view key);

// Thread-safe. Reading a known key is cheap (planning does it often).
class SessionConf {
 public:
  SessionConf();
  SessionConf(const SessionConf& other);
  // The effective value: set here, else the default. nullopt: known but without value, or unknown and never set.
  std::optional<std::string> find(std::string_view key) const;
  // As spark.conf.get(key): SparkError SQL_CONF_NOT_FOUND for an unknown key that was never set.
  std::optional<std::string> get(std::string_view key) const;
  // As spark.conf.set: SparkError CANNOT_MODIFY_CONFIG / CANNOT_MODIFY_STATIC_CONFIG / INVALID_CONF_VALUE.*.
  // Keys outside Spark's own names are kept as they are.
  void set(std::string_view key, std::string_view value);
  void unset(std::string_view key);
  bool is_modifiable(std::string_view key) const;
  std::map<std::string, std::string> all_set() const;  // explicitly set pairs
  void reset();                                         // RESET: back to the start-up values

  bool ansi() const;                  // spark.sql.ansi.enabled
  bool case_sensitive() const;        // spark.sql.caseSensitive
  std::string time_zone() const;      // spark.sql.session.timeZone
  bool flag(std::string_view key) const;       // a known boolean key
  int64_t integer(std::string_view key) const; // a known int/long/bytes/time key, in its base unit (bytes, ms)
  std::string text(std::string_view key) const;

 private:
  mutable std::mutex mu_;
  std::map<std::string, std::string, std::less<>> values_;  // guarded by mu_
};

}  // namespace tarn::plan
