#include "base/rooted_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "base/io_error.h"

namespace tarn {

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

void Descriptor::write(std::string_view data) const {
  while (!data.empty()) {
    ssize_t n = ::write(fd_, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw IoError("cannot write", "the file");
    data.remove_prefix(static_cast<size_t>(n));
  }
}

size_t Descriptor::read_at(char* buffer, size_t size, int64_t offset) const {
  size_t done = 0;
  while (done < size) {
    ssize_t n = ::pread(fd_, buffer + done, size - done, offset + static_cast<int64_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw IoError("cannot read", "the file");
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  return done;
}

Descriptor RootedFolder::open(const std::string& path, int flags) const {
  Descriptor root(::open(root_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return Descriptor();
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.mode = flags & O_CREAT ? 0644 : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  return Descriptor(static_cast<int>(::syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof how)));
}

std::optional<FileStatus> RootedFolder::status(const std::string& path) const {
  Descriptor fd = open(path, O_PATH);
  struct stat st{};
  if (!fd || ::fstat(fd.get(), &st) != 0) return std::nullopt;
  bool directory = S_ISDIR(st.st_mode);
  return FileStatus{directory, directory ? 0 : st.st_size, st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1'000'000};
}

std::vector<std::string> RootedFolder::names(const std::string& path) const {
  Descriptor fd = open(path, O_RDONLY | O_DIRECTORY);
  const int copy = fd ? ::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0) : -1;
  DIR* dir = copy >= 0 ? ::fdopendir(copy) : nullptr;
  if (!dir) {
    IoError error("cannot list", path);
    if (copy >= 0) ::close(copy);
    throw error;
  }
  std::vector<std::string> out;
  while (dirent* e = ::readdir(dir)) {
    std::string name = e->d_name;
    if (name != "." && name != "..") out.push_back(std::move(name));
  }
  ::closedir(dir);
  std::sort(out.begin(), out.end());
  return out;
}

bool RootedFolder::make_directories(const std::string& path) const {
  if (path == ".") return true;
  Descriptor at = open(".", O_PATH | O_DIRECTORY);
  for (size_t i = 0; i <= path.size();) {
    size_t end = std::min(path.find('/', i), path.size());
    std::string name = path.substr(i, end - i);
    if (::mkdirat(at.get(), name.c_str(), 0755) != 0 && errno != EEXIST) {
      if (errno == ENOTDIR) return false;
      throw IoError("cannot make the folder", path);
    }
    at = open(path.substr(0, end), O_PATH | O_DIRECTORY);
    if (!at) return false;
    i = end + 1;
  }
  return true;
}

// The folder that holds it, and its name there.
Descriptor RootedFolder::parent(const std::string& path, std::string* name) const {
  size_t slash = path.rfind('/');
  *name = slash == std::string::npos ? path : path.substr(slash + 1);
  return open(slash == std::string::npos ? "." : path.substr(0, slash), O_RDONLY | O_DIRECTORY);
}

bool RootedFolder::remove_empty(const std::string& path) const {
  std::string name;
  Descriptor up = parent(path, &name);
  return up && (::unlinkat(up.get(), name.c_str(), 0) == 0 || ::unlinkat(up.get(), name.c_str(), AT_REMOVEDIR) == 0);
}

void RootedFolder::remove_all(const std::string& path) const {
  std::string name;
  Descriptor up = parent(path, &name);
  if (!up || name == "." || name == "..") return;
  // The parent is held open, so the name is all that is left to resolve.
  std::error_code ec;
  std::filesystem::remove_all("/proc/self/fd/" + std::to_string(up.get()) + "/" + name, ec);
  if (ec) throw IoError("cannot delete", path);
}

bool RootedFolder::rename(const std::string& from, const RootedFolder& target, const std::string& to, bool replace) const {
  std::string old_name, new_name;
  Descriptor a = parent(from, &old_name), b = target.parent(to, &new_name);
  if (!a || !b) return false;
  if (::renameat2(a.get(), old_name.c_str(), b.get(), new_name.c_str(), replace ? 0 : RENAME_NOREPLACE) == 0) return true;
  if (errno == EEXIST || errno == ENOENT || errno == ENOTEMPTY) return false;
  throw IoError("cannot move", from);
}

}  // namespace tarn
