// put_if_absent: bytes go to a hidden temporary file, which is synced and then linked under the final name: link() fails if the name
// exists, and a name never shows a partial file. The directory is synced before the caller is told.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "base/ids.h"
#include "base/io_error.h"
#include "storage/object_store.h"
#include "storage/path.h"

namespace tarn::storage {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

std::string local(const std::string& path) {
  auto p = local_path(path);
  if (!p) throw IoError(IoError::Kind::kOther, "not a path of the local disk", path, "");
  return *p;
}

FileInfo info_of(std::string path, const struct stat& st) {
  bool dir = S_ISDIR(st.st_mode);
  return {std::move(path), dir ? 0 : static_cast<uint64_t>(st.st_size),
          static_cast<int64_t>(st.st_mtim.tv_sec) * 1000 + st.st_mtim.tv_nsec / 1'000'000, dir};
}

void sync_directory(const std::string& dir) {
  Descriptor fd(::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) throw IoError("cannot open the directory", dir);
  // Some network file systems refuse to sync a directory; they give no stronger promise by any other call.
  if (::fsync(fd.get()) != 0 && errno != EINVAL && errno != ENOTSUP) throw IoError("cannot sync the directory", dir);
}

void make_directories_synced(const std::string& dir) {
  struct stat st{};
  if (::stat(dir.c_str(), &st) == 0) {
    if (S_ISDIR(st.st_mode)) return;
    throw IoError(IoError::Kind::kAlreadyExists, "cannot make the directory", dir, "a file has that name");
  }
  std::string up = parent(dir);
  if (!up.empty() && up != dir) make_directories_synced(up);
  if (::mkdir(dir.c_str(), 0777) != 0) {
    if (errno == EEXIST) return;
    throw IoError("cannot make the directory", dir);
  }
  if (!up.empty()) sync_directory(up);
}

void write_all(int fd, std::string_view data, const std::string& path) {
  for (size_t done = 0; done < data.size();) {
    ssize_t n = ::write(fd, data.data() + done, data.size() - done);
    if (n < 0) {
      if (errno == EINTR) continue;
      throw IoError("cannot write the file", path);
    }
    done += static_cast<size_t>(n);
  }
}

// Writes and syncs a new hidden file beside `path`; returns its name.
std::string write_temporary(const std::string& path, std::string_view data) {
  std::string tmp = join(parent(path), "." + file_name(path) + "." + random_uuid() + ".tmp");
  Descriptor fd(::open(tmp.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (fd.get() < 0) throw IoError("cannot create the file", tmp);
  try {
    write_all(fd.get(), data, tmp);
    if (::fsync(fd.get()) != 0) throw IoError("cannot sync the file", tmp);
    if (::close(fd.release()) != 0) throw IoError("cannot close the file", tmp);
  } catch (...) {
    ::unlink(tmp.c_str());
    throw;
  }
  return tmp;
}

class LocalReader : public RandomReader {
 public:
  LocalReader(int fd, FileInfo info) : fd_(fd), info_(std::move(info)) {}
  const FileInfo& info() const override { return info_; }
  void read(uint64_t offset, char* out, size_t n) override {
    for (size_t done = 0; done < n;) {
      ssize_t got = ::pread(fd_.get(), out + done, n - done, static_cast<off_t>(offset + done));
      if (got < 0) {
        if (errno == EINTR) continue;
        throw IoError("cannot read the file", info_.path);
      }
      if (got == 0) throw IoError(IoError::Kind::kOther, "cannot read the file", info_.path, "it ended early");
      done += static_cast<size_t>(got);
    }
  }

 private:
  Descriptor fd_;
  FileInfo info_;
};

// Under a hidden name until it is published.
class LocalWriter : public FileWriter {
 public:
  explicit LocalWriter(std::string path) : path_(std::move(path)) {
    make_directories_synced(parent(path_));
    temporary_ = write_temporary(path_, "");
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd_ < 0) throw IoError("cannot open the file", temporary_);
  }
  ~LocalWriter() override {
    if (fd_ >= 0) ::close(fd_);
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
  }
  void write(std::string_view bytes) override {
    write_all(fd_, bytes, temporary_);
    size_ += bytes.size();
  }
  void finish() override {
    if (fd_ < 0) return;
    if (::fsync(fd_) != 0) throw IoError("cannot sync the file", temporary_);
    if (::close(std::exchange(fd_, -1)) != 0) throw IoError("cannot close the file", temporary_);
  }
  void publish() override {
    finish();
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) throw IoError("cannot rename to the file", path_);
    temporary_.clear();
    sync_directory(parent(path_));
  }
  uint64_t size() const override { return size_; }

 private:
  const std::string path_;
  std::string temporary_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

class LocalStore : public ObjectStore {
 public:
  std::vector<FileInfo> list(const std::string& directory, const std::string& from) override {
    std::string dir = local(directory);
    DIR* d = ::opendir(dir.c_str());
    if (!d) throw IoError("cannot list the directory", dir);
    std::vector<FileInfo> out;
    while (dirent* e = ::readdir(d)) {
      std::string_view name = e->d_name;
      if (name == "." || name == ".." || name < from) continue;
      struct stat st{};
      if (::fstatat(::dirfd(d), e->d_name, &st, 0) != 0) continue;  // gone since, or a dangling link
      out.push_back(info_of(join(directory, name), st));
    }
    ::closedir(d);
    std::sort(out.begin(), out.end(), [](const FileInfo& a, const FileInfo& b) { return a.path < b.path; });
    return out;
  }

  std::vector<FileInfo> list_recursive(const std::string& directory) override {
    std::vector<FileInfo> out;
    for (auto& f : list(directory, {})) {
      if (f.is_directory) {
        auto below = list_recursive(f.path);
        out.insert(out.end(), below.begin(), below.end());
      } else {
        out.push_back(std::move(f));
      }
    }
    std::sort(out.begin(), out.end(), [](const FileInfo& a, const FileInfo& b) { return a.path < b.path; });
    return out;
  }

  std::optional<FileInfo> stat(const std::string& path) override {
    struct stat st{};
    std::string p = local(path);
    if (::stat(p.c_str(), &st) != 0) {
      if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
      throw IoError("cannot look at the file", p);
    }
    return info_of(path, st);
  }

  std::string read(const std::string& path) override {
    std::string p = local(path);
    Descriptor fd(::open(p.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.get() < 0) throw IoError("cannot open the file", p);
    struct stat st{};
    if (::fstat(fd.get(), &st) != 0) throw IoError("cannot look at the file", p);
    if (S_ISDIR(st.st_mode)) throw IoError(IoError::Kind::kOther, "cannot read the file", p, "it is a directory");
    return read_from(fd.get(), p, 0, static_cast<uint64_t>(st.st_size));
  }

  std::string read_range(const std::string& path, uint64_t offset, uint64_t length) override {
    std::string p = local(path);
    Descriptor fd(::open(p.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.get() < 0) throw IoError("cannot open the file", p);
    struct stat st{};
    if (::fstat(fd.get(), &st) != 0) throw IoError("cannot look at the file", p);
    // Checked first, so that a damaged length does not allocate gigabytes.
    if (offset > static_cast<uint64_t>(st.st_size) || length > static_cast<uint64_t>(st.st_size) - offset) {
      throw IoError(IoError::Kind::kOther, "cannot read the file", p, "it ends before the wanted bytes");
    }
    return read_from(fd.get(), p, offset, length);
  }

  void write(const std::string& path, std::string_view data) override {
    std::string p = local(path);
    make_directories_synced(parent(p));
    std::string tmp = write_temporary(p, data);
    if (::rename(tmp.c_str(), p.c_str()) != 0) {
      IoError error("cannot rename to the file", p);
      ::unlink(tmp.c_str());
      throw error;
    }
    sync_directory(parent(p));
  }

  bool put_if_absent(const std::string& path, std::string_view data) override {
    std::string p = local(path);
    make_directories_synced(parent(p));
    std::string tmp = write_temporary(p, data);
    bool done = ::link(tmp.c_str(), p.c_str()) == 0;
    int reason = errno;
    if (!done && (reason == EPERM || reason == ENOTSUP || reason == ENOSYS || reason == EMLINK)) {
      // A file system without hard links: a rename that does not replace is as good.
      done = ::syscall(SYS_renameat2, AT_FDCWD, tmp.c_str(), AT_FDCWD, p.c_str(), 1u /* RENAME_NOREPLACE */) == 0;
      reason = errno;
    }
    ::unlink(tmp.c_str());
    if (!done) {
      if (reason == EEXIST) return false;
      errno = reason;
      throw IoError("cannot create the file", p);
    }
    sync_directory(parent(p));
    return true;
  }

  std::unique_ptr<RandomReader> open(const std::string& path, const FileInfo*) override;
  std::unique_ptr<FileWriter> create(const std::string& path, bool unseen) override;
  bool is_local() const override { return true; }
  bool renames_at_once() const override { return true; }

  void rename(const std::string& from, const std::string& to) override {
    std::string a = local(from), b = local(to);
    make_directories_synced(parent(b));
    if (::rename(a.c_str(), b.c_str()) != 0) throw IoError("cannot rename", a);
    sync_directory(parent(b));
    if (parent(a) != parent(b)) sync_directory(parent(a));
  }

  bool remove(const std::string& path) override {
    std::string p = local(path);
    if (::remove(p.c_str()) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    throw IoError("cannot delete", p);
  }

  void remove_recursive(const std::string& path) override {
    std::error_code ec;
    std::string p = local(path);
    std::filesystem::remove_all(p, ec);
    if (ec) throw IoError(IoError::Kind::kOther, "cannot delete", p, ec.message());
  }

  void make_directories(const std::string& path) override { make_directories_synced(local(path)); }

  void sync(const std::string& path) override {
    std::string p = local(path);
    Descriptor fd(::open(p.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.get() < 0) throw IoError("cannot open the file", p);
    if (::fsync(fd.get()) != 0) throw IoError("cannot sync the file", p);
    sync_directory(parent(p));
  }

 private:
  static std::string read_from(int fd, const std::string& p, uint64_t offset, uint64_t length) {
    std::string out(length, '\0');
    for (size_t done = 0; done < length;) {
      ssize_t n = ::pread(fd, out.data() + done, length - done, static_cast<off_t>(offset + done));
      if (n < 0) {
        if (errno == EINTR) continue;
        throw IoError("cannot read the file", p);
      }
      if (n == 0) throw IoError(IoError::Kind::kOther, "cannot read the file", p, "it ended early");
      done += static_cast<size_t>(n);
    }
    return out;
  }
};

std::unique_ptr<RandomReader> LocalStore::open(const std::string& path, const FileInfo*) {
  std::string p = local(path);
  Descriptor fd(::open(p.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) throw IoError("cannot open the file", p);
  struct stat st{};
  if (::fstat(fd.get(), &st) != 0) throw IoError("cannot look at the file", p);
  if (S_ISDIR(st.st_mode)) throw IoError(IoError::Kind::kOther, "cannot open the file", p, "it is a directory");
  return std::make_unique<LocalReader>(fd.release(), info_of(path, st));
}

std::unique_ptr<FileWriter> LocalStore::create(const std::string& path, bool) { return std::make_unique<LocalWriter>(local(path)); }

}  // namespace

std::unique_ptr<ObjectStore> make_local_store() { return std::make_unique<LocalStore>(); }

}  // namespace tarn::storage
