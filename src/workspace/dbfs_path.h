#pragma once
// A path of dbfs: as its API needs it, wherever it leads: the workspace's disk, a volume, or a store behind a mount.
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/rooted_folder.h"

namespace tarn::workspace {

// A new file. What was written shows at once on a disk, and after close() in a store.
class DbfsWriter {
 public:
  virtual ~DbfsWriter() = default;
  virtual void write(std::string_view data) = 0;
  virtual void close() {}
};

// Methods throw RestError or IoError. Used by one thread.
class DbfsPath {
 public:
  explicit DbfsPath(std::string shown) : shown_(std::move(shown)) {}
  virtual ~DbfsPath() = default;
  const std::string& shown() const { return shown_; }   // "/mnt/lake/x"
  virtual bool is_root() const = 0;                      // of the disk, of a volume, of a mount
  virtual std::optional<FileStatus> status() const = 0;
  virtual std::vector<std::pair<std::string, FileStatus>> children() const = 0;   // of a directory, by name
  virtual std::string read(int64_t offset, size_t length) const = 0;              // fewer bytes at the end only
  virtual std::unique_ptr<DbfsWriter> create() const = 0;                         // replaces a file; makes the directories above
  virtual bool make_directories() const = 0;                                      // false: a file is in the way
  virtual bool remove_empty() const = 0;                                          // a file or an empty directory; false: it is not empty
  virtual void remove_all() const = 0;
  // False if something is there. RestError if `to` is of another file system.
  virtual bool move_to(const DbfsPath& to) const = 0;

 private:
  const std::string shown_;
};

// relative: below the folder, "." for itself.
std::unique_ptr<DbfsPath> path_on_disk(std::string shown, const std::string& folder, std::string relative);
// shown is at or below the mount, which the process knows (storage/mounts.h).
std::unique_ptr<DbfsPath> path_below_mount(std::string shown, std::string mount);

}  // namespace tarn::workspace
