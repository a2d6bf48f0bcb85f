// dbfs: paths. "dbfs:/x" lies below the folder of fs.dbfs.root; what is mounted ("dbfs:/mnt/lake", "dbfs:/Volumes/c/s/v") lies at the URI
// that fs.dbfs.mount.<path> or a mount of the process names. Either way the paths that go out are those that came in.
#include <map>
#include <mutex>

#include "base/spark_error.h"
#include "storage/mounts.h"
#include "storage/path.h"
#include "storage/settings.h"

namespace tarn::storage {
namespace {

// Paths below `from` are paths below `to` of another store.
class MappedStore : public ObjectStore {
 public:
  MappedStore(std::string from, std::string to, ObjectStore& below) : from_(std::move(from)), to_(std::move(to)), below_(below) {}

  std::vector<FileInfo> list(const std::string& directory, const std::string& from) override { return back(below_.list(there(directory), from)); }
  std::vector<FileInfo> list_recursive(const std::string& directory) override { return back(below_.list_recursive(there(directory))); }
  std::optional<FileInfo> stat(const std::string& path) override {
    auto info = below_.stat(there(path));
    if (info) info->path = path;
    return info;
  }
  std::string read(const std::string& path) override { return below_.read(there(path)); }
  std::string read_range(const std::string& path, uint64_t offset, uint64_t length) override { return below_.read_range(there(path), offset, length); }
  void write(const std::string& path, std::string_view data) override { below_.write(there(path), data); }
  bool put_if_absent(const std::string& path, std::string_view data) override { return below_.put_if_absent(there(path), data); }
  std::unique_ptr<RandomReader> open(const std::string& path, const FileInfo* known) override { return below_.open(there(path), known); }
  std::unique_ptr<FileWriter> create(const std::string& path, bool unseen) override { return below_.create(there(path), unseen); }
  void rename(const std::string& from, const std::string& to) override { below_.rename(there(from), there(to)); }
  bool renames_at_once() const override { return below_.renames_at_once(); }
  bool remove(const std::string& path) override { return below_.remove(there(path)); }
  void remove_files(const std::vector<std::string>& paths) override {
    std::vector<std::string> all;
    for (const auto& p : paths) all.push_back(there(p));
    below_.remove_files(all);
  }
  void remove_recursive(const std::string& path) override { below_.remove_recursive(there(path)); }
  void make_directories(const std::string& path) override { below_.make_directories(there(path)); }
  void sync(const std::string& path) override { below_.sync(there(path)); }

 private:
  std::string there(const std::string& path) const {
    std::string normal = normalize(path);
    if (normal.compare(0, from_.size(), from_) != 0 || (normal.size() > from_.size() && normal[from_.size()] != '/' && !from_.ends_with('/'))) {
      throw SparkError::Plain(ErrorKind::kIllegalArgument, "The path " + path + " leaves " + from_);
    }
    std::string rest = normal.substr(from_.size());
    while (rest.starts_with('/')) rest.erase(0, 1);
    return rest.empty() ? to_ : join(to_, rest);
  }
  std::vector<FileInfo> back(std::vector<FileInfo> files) const {
    std::string base = from_.ends_with('/') ? from_ : from_ + "/";
    for (auto& f : files) {
      std::string rest = f.path.substr(std::min(f.path.size(), to_.size()));
      while (rest.starts_with('/')) rest.erase(0, 1);
      f.path = base + rest;
    }
    return files;
  }

  const std::string from_, to_;
  ObjectStore& below_;
};

struct Target {
  std::string path, source;             // of the mount
  std::shared_ptr<const Mount> mount;   // of the process; null: the session's own
};

// The mount that a path (normal, "/mnt/lake/x") is below.
std::optional<Target> mount_of(std::string path, const Settings& settings) {
  while (path.size() > 1) {
    if (auto source = settings.find("fs.dbfs.mount." + path)) return Target{path, *source, nullptr};
    if (auto mount = find_mount(path)) return Target{path, mount->source, mount};
    path = parent(path);
  }
  return std::nullopt;
}

}  // namespace

bool is_mounted(std::string_view path) {
  if (!path.starts_with("/mnt/") && !path.starts_with("/Volumes/")) return false;
  return mount_of(std::string(path), *current_settings()).has_value();
}

ObjectStore& dbfs_store(std::string_view path, const Settings& settings) {
  static std::mutex& mu = *new std::mutex;
  static auto& stores = *new std::map<std::string, std::unique_ptr<ObjectStore>>;  // guarded by mu; they stay
  std::string normal = normalize(path).substr(5);  // without "dbfs:"
  std::string from, to;
  std::shared_ptr<const Settings> with = current_settings();
  if (auto mount = mount_of(normal, settings)) {
    from = "dbfs:" + mount->path;
    to = normalize(mount->source);
    if (scheme_of(to) == "dbfs") throw SparkError::Plain(ErrorKind::kIllegalArgument, "The mount " + mount->path + " names another dbfs: path");
    if (mount->mount) with = settings_below(mount->mount, with);
  } else if (auto root = settings.find("fs.dbfs.root")) {
    from = "dbfs:/";
    to = normalize(*root);
    if (normal.starts_with("/Volumes/")) throw SparkError::Plain(ErrorKind::kIllegalArgument, "There is no volume at " + normal);
  } else {
    throw SparkError::Plain(ErrorKind::kIllegalArgument, "No folder for dbfs: paths: set fs.dbfs.root");
  }
  SettingsScope scope(with);
  ObjectStore& below = store_for(to);
  std::lock_guard lock(mu);
  auto& s = stores[from + '\n' + to + '\n' + std::to_string(reinterpret_cast<uintptr_t>(&below))];
  if (!s) s = std::make_unique<MappedStore>(from, to, below);
  return *s;
}

}  // namespace tarn::storage
