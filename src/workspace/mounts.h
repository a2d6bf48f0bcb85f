#pragma once
// What is mounted below dbfs:/mnt, for the whole workspace. Settings (credentials) are sealed; nothing gives them out but opened().
#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/metadata.h"
#include "secrets/vault.h"
#include "storage/mounts.h"

namespace tarn::workspace {

struct MountInfo {
  std::string path;              // "/mnt/lake"
  std::string source, encryption_type;
  int64_t creator = 0, created_ms = 0;
};

// Thread-safe.
class Mounts {
 public:
  Mounts(Metadata& metadata, const secrets::Vault& vault);
  std::vector<MountInfo> list() const;                          // by path
  std::optional<MountInfo> find(const std::string& path) const; // at this path
  // The one that a path (normal, "/mnt/lake/x") is below or at.
  std::optional<MountInfo> above(const std::string& path) const;
  // False if the path is taken and update is false. changed() has run when it returns.
  bool put(const MountInfo& mount, const std::map<std::string, std::string>& settings, bool update);
  bool remove(const std::string& path);

  // With their settings. Those that do not open with this master key are left out, and logged.
  std::vector<storage::Mount> opened() const;
  // Grows with every change: what is read after it has at least all changes so far.
  int64_t version() const { return version_; }
  // Is told of changes. Set before the server listens.
  void on_change(std::function<void()> changed) { changed_ = std::move(changed); }

 private:
  Metadata& metadata_;
  const secrets::Vault& vault_;
  std::atomic<int64_t> version_{1};
  std::function<void()> changed_;
};

}  // namespace tarn::workspace
