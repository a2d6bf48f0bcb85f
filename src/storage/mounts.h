#pragma once
// Mounts that every session of this process sees: those of its workspace. What a session itself mounts (fs.dbfs.mount.*) goes before them.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "storage/settings.h"

namespace tarn::storage {

struct Mount {
  std::string path;                              // "/mnt/lake"
  std::string source;                            // "abfss://lake@account.dfs.core.windows.net/raw"
  std::map<std::string, std::string> settings;   // for what lies below it; secrets: never shown
};

// Takes the place of all that were there. Thread-safe, as is find_mount.
void set_mounts(std::vector<Mount> mounts);
// The one at this path (normal, not below it); null if there is none.
std::shared_ptr<const Mount> find_mount(const std::string& path);

// The settings for what lies below a mount: its own, then those of `others`; but where it brings credentials, no credentials of others.
std::shared_ptr<const Settings> settings_below(std::shared_ptr<const Mount> mount, std::shared_ptr<const Settings> others);

}  // namespace tarn::storage
