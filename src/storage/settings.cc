#include "storage/settings.h"

#include <utility>

namespace tarn::storage {
namespace {

class NoSettings : public Settings {
 public:
  std::optional<std::string> find(const std::string&) const override { return std::nullopt; }
};

thread_local std::shared_ptr<const Settings> current;

}  // namespace

std::shared_ptr<const Settings> current_settings() {
  if (current) return current;
  static const auto& none = *new std::shared_ptr<const Settings>(std::make_shared<NoSettings>());
  return none;
}

SettingsScope::SettingsScope(std::shared_ptr<const Settings> settings) : before_(std::exchange(current, std::move(settings))) {}
SettingsScope::~SettingsScope() { current = std::move(before_); }

}  // namespace tarn::storage
