#pragma once
// Files below one folder, named by relative paths that others chose. The kernel resolves every path beneath the folder (openat2), so neither
// .. nor an absolute path nor a link leads out of it.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tarn {

// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void write(std::string_view data) const;             // IoError
  // Fewer bytes than size only at the end of the file. IoError.
  size_t read_at(char* buffer, size_t size, int64_t offset) const;

 private:
  int fd_;
};

struct FileStatus {
  bool directory = false;
  int64_t size = 0, modified_ms = 0;
};

// Immutable, thread-safe. Paths are "a/b"; "." is the folder itself.
class RootedFolder {
 public:
  explicit RootedFolder(std::string root) : root_(std::move(root)) {}
  const std::string& root() const { return root_; }

  // Not open (false) if it is missing or would leave the folder. flags as of open(2).
  Descriptor open(const std::string& path, int flags) const;
  std::optional<FileStatus> status(const std::string& path) const;
  std::vector<std::string> names(const std::string& path) const;       // sorted; IoError
  // With all parents. False if a file is in the way.
  bool make_directories(const std::string& path) const;
  bool remove_empty(const std::string& path) const;                    // a file or an empty directory
  void remove_all(const std::string& path) const;                      // links inside are removed, not followed
  // False if something is at `to` already or `from` is missing.
  bool rename(const std::string& from, const RootedFolder& target, const std::string& to, bool replace = false) const;

 private:
  Descriptor parent(const std::string& path, std::string* name) const;
  std::string root_;
};

}  // namespace tarn
