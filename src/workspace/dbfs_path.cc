#include "workspace/dbfs_path.h"

#include <fcntl.h>

#include <algorithm>

#include "base/io_error.h"
#include "base/spark_error.h"
#include "http/rest_error.h"
#include "storage/object_store.h"
#include "storage/path.h"

namespace tarn::workspace {
namespace {

http::RestError other_file_system(const std::string& to) { return {400, "IO_ERROR", "The path " + to + " is of another file system: copy it there and delete it here."}; }

class DiskPath : public DbfsPath {
 public:
  DiskPath(std::string shown, const std::string& folder, std::string relative) : DbfsPath(std::move(shown)), folder_(folder), relative_(std::move(relative)) {}
  bool is_root() const override { return relative_ == "."; }
  std::optional<FileStatus> status() const override { return folder_.status(relative_); }
  std::vector<std::pair<std::string, FileStatus>> children() const override {
    std::vector<std::pair<std::string, FileStatus>> out;
    for (const auto& name : folder_.names(relative_)) {
      if (auto found = folder_.status(is_root() ? name : relative_ + "/" + name)) out.emplace_back(name, *found);
    }
    return out;
  }
  std::string read(int64_t offset, size_t length) const override {
    Descriptor fd = folder_.open(relative_, O_RDONLY);
    if (!fd) throw IoError("cannot read", shown());
    std::string data(length, '\0');
    data.resize(fd.read_at(data.data(), data.size(), offset));
    return data;
  }
  std::unique_ptr<DbfsWriter> create() const override {
    if (!make_above()) throw http::already_exists("A file exists on the path " + shown() + ".");
    Descriptor fd = folder_.open(relative_, O_WRONLY | O_CREAT | O_TRUNC);
    if (!fd) throw IoError("cannot create", shown());
    struct Writer : DbfsWriter {
      explicit Writer(Descriptor fd) : fd(std::move(fd)) {}
      void write(std::string_view data) override { fd.write(data); }
      Descriptor fd;
    };
    return std::make_unique<Writer>(std::move(fd));
  }
  bool make_directories() const override { return folder_.make_directories(relative_); }
  bool remove_empty() const override { return folder_.remove_empty(relative_); }
  void remove_all() const override { folder_.remove_all(relative_); }
  bool move_to(const DbfsPath& to) const override {
    auto* disk = dynamic_cast<const DiskPath*>(&to);
    if (!disk) throw other_file_system(to.shown());
    return disk->make_above() && folder_.rename(relative_, disk->folder_, disk->relative_);
  }

 private:
  bool make_above() const {
    size_t slash = relative_.rfind('/');
    return folder_.make_directories(slash == std::string::npos ? "." : relative_.substr(0, slash));
  }
  const RootedFolder folder_;
  const std::string relative_;
};

// A failure of the store in the API's terms: its text names paths and hosts, never settings.
template <class F>
auto of_store(F&& f) {
  try {
    return f();
  } catch (const IoError& e) {
    if (e.kind() == IoError::Kind::kNotFound) throw http::not_found(e.what());
    if (e.kind() == IoError::Kind::kPermission) throw http::permission_denied(e.what());
    throw http::RestError(400, "IO_ERROR", e.what());
  } catch (const SparkError& e) {   // a setting that is missing or wrong
    throw http::invalid_parameter(e.what());
  }
}

FileStatus status_of(const storage::FileInfo& info) { return {info.is_directory, static_cast<int64_t>(info.is_directory ? 0 : info.size), info.modified_ms}; }

class MountedPath : public DbfsPath {
 public:
  MountedPath(std::string shown, std::string mount) : DbfsPath(std::move(shown)), mount_(std::move(mount)), uri_("dbfs:" + DbfsPath::shown()) {}
  bool is_root() const override { return shown() == mount_; }
  std::optional<FileStatus> status() const override {
    if (is_root()) return FileStatus{true, 0, 0};
    return of_store([&]() -> std::optional<FileStatus> {
      auto info = store().stat(uri_);
      return info ? std::optional(status_of(*info)) : std::nullopt;
    });
  }
  std::vector<std::pair<std::string, FileStatus>> children() const override {
    return of_store([&] {
      std::vector<std::pair<std::string, FileStatus>> out;
      for (const auto& info : store().list(uri_)) out.emplace_back(storage::file_name(info.path), status_of(info));
      return out;
    });
  }
  std::string read(int64_t offset, size_t length) const override {
    return of_store([&] {
      auto info = store().stat(uri_);
      if (!info) throw http::not_found("No file or directory exists on path " + shown() + ".");
      auto size = static_cast<int64_t>(info->size);
      if (offset >= size) return std::string();
      return store().read_range(uri_, static_cast<uint64_t>(offset), std::min<uint64_t>(length, static_cast<uint64_t>(size - offset)));
    });
  }
  std::unique_ptr<DbfsWriter> create() const override {
    struct Writer : DbfsWriter {
      explicit Writer(std::unique_ptr<storage::FileWriter> file) : file(std::move(file)) {}
      void write(std::string_view data) override {
        of_store([&] { file->write(data); });
      }
      void close() override {
        of_store([&] { file->publish(); });
      }
      std::unique_ptr<storage::FileWriter> file;
    };
    return of_store([&] { return std::make_unique<Writer>(store().create(uri_)); });
  }
  bool make_directories() const override {
    if (is_root()) return true;
    auto there = status();
    if (there) return there->directory;
    of_store([&] { store().make_directories(uri_); });
    return true;
  }
  bool remove_empty() const override {
    return of_store([&] {
      auto there = status();
      if (there && there->directory && !store().list(uri_).empty()) return false;
      store().remove(uri_);
      return true;
    });
  }
  void remove_all() const override {
    of_store([&] {
      auto there = status();
      if (there && there->directory) store().remove_recursive(uri_);
      else store().remove(uri_);
    });
  }
  bool move_to(const DbfsPath& to) const override {
    auto* other = dynamic_cast<const MountedPath*>(&to);
    if (!other || other->mount_ != mount_) throw other_file_system(to.shown());
    of_store([&] { store().rename(uri_, other->uri_); });
    return true;
  }

 private:
  storage::ObjectStore& store() const { return storage::store_for(uri_); }
  const std::string mount_, uri_;
};

}  // namespace

std::unique_ptr<DbfsPath> path_on_disk(std::string shown, const std::string& folder, std::string relative) {
  return std::make_unique<DiskPath>(std::move(shown), folder, std::move(relative));
}
std::unique_ptr<DbfsPath> path_below_mount(std::string shown, std::string mount) { return std::make_unique<MountedPath>(std::move(shown), std::move(mount)); }

}  // namespace tarn::workspace
