#include "storage/mounts.h"

#include <algorithm>
#include <mutex>

namespace tarn::storage {
namespace {

using Table = std::map<std::string, std::shared_ptr<const Mount>>;

std::mutex mu;
std::shared_ptr<const Table>& table() {   // guarded by mu
  static auto& t = *new std::shared_ptr<const Table>(std::make_shared<Table>());
  return t;
}

bool is_credential(const std::string& key) {
  static constexpr const char* kParts[] = {"fs.azure.account.key", "fs.azure.account.auth", "fs.azure.account.oauth", "fs.azure.sas", "access.key", "secret.key", "session.token",
                                           "credentials.provider", "fs.gs.auth"};
  return std::any_of(std::begin(kParts), std::end(kParts), [&](const char* p) { return key.find(p) != std::string::npos; });
}

class Below : public Settings {
 public:
  Below(std::shared_ptr<const Mount> mount, std::shared_ptr<const Settings> others) : mount_(std::move(mount)), others_(std::move(others)) {
    has_credentials_ = std::any_of(mount_->settings.begin(), mount_->settings.end(), [](const auto& s) { return is_credential(s.first); });
  }
  std::optional<std::string> find(const std::string& key) const override {
    if (auto it = mount_->settings.find(key); it != mount_->settings.end()) return it->second;
    if (has_credentials_ && is_credential(key)) return std::nullopt;
    return others_->find(key);
  }

 private:
  const std::shared_ptr<const Mount> mount_;
  const std::shared_ptr<const Settings> others_;
  bool has_credentials_ = false;
};

}  // namespace

void set_mounts(std::vector<Mount> mounts) {
  auto made = std::make_shared<Table>();
  for (auto& m : mounts) {
    std::string path = m.path;
    (*made)[path] = std::make_shared<const Mount>(std::move(m));
  }
  std::lock_guard lock(mu);
  table() = std::move(made);
}

std::shared_ptr<const Mount> find_mount(const std::string& path) {
  std::lock_guard lock(mu);
  auto it = table()->find(path);
  return it == table()->end() ? nullptr : it->second;
}

std::shared_ptr<const Settings> settings_below(std::shared_ptr<const Mount> mount, std::shared_ptr<const Settings> others) {
  return std::make_shared<Below>(std::move(mount), std::move(others));
}

}  // namespace tarn::storage
