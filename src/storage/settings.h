#pragma once
// Where stores find credentials, endpoints and limits: keys with Hadoop's names ("fs.s3a.access.key"), values of the session that asks.
#include <memory>
#include <optional>
#include <string>

namespace tarn::storage {

// Thread-safe. Values are secrets: they are never logged and never part of an error.
class Settings {
 public:
  virtual ~Settings() = default;
  virtual std::optional<std::string> find(const std::string& key) const = 0;
};

// The settings of the calling thread, as the innermost SettingsScope gave them; without one, settings that know no key.
std::shared_ptr<const Settings> current_settings();

// While it lives, store_for() on this thread works for these settings. Threads that are started do not inherit it: they open their own.
class SettingsScope {
 public:
  explicit SettingsScope(std::shared_ptr<const Settings> settings);
  ~SettingsScope();
  SettingsScope(const SettingsScope&) = delete;
  SettingsScope& operator=(const SettingsScope&) = delete;

 private:
  std::shared_ptr<const Settings> before_;
};

}  // namespace tarn::storage
