#include "engine/sinks/staging.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "base/ids.h"
#include "base/io_error.h"
#include "engine/storage_bridge.h"
#include "storage/path.h"

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE (1 << 1)
#endif

namespace tarn::engine::sinks {
namespace fs = std::filesystem;
namespace {

void make_directories(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) {
    errno = error.value();
    throw IoError("cannot create the directory", path);
  }
}

void sync_directory(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

void move(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) throw IoError("cannot rename to", to);
}

// `staged` takes the place of `target`; what was there is then at `staged`. False: the file system cannot do it in one step.
bool exchange(const std::string& staged, const std::string& target) {
  if (::renameat2(AT_FDCWD, staged.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) == 0) return true;
  if (errno == EINVAL || errno == ENOSYS || errno == EXDEV || errno == EBUSY || errno == EPERM) return false;
  throw IoError("cannot replace", target);
}

std::vector<storage::FileInfo> files_below(const std::string& directory) {
  try {
    return storage::store_for(directory).list_recursive(directory);
  } catch (const IoError& e) {
    if (e.kind() == IoError::Kind::kNotFound) return {};
    throw;
  }
}

void replace_directory(const std::string& staged, const std::string& target) {
  struct stat st;
  if (::stat(target.c_str(), &st) != 0) {
    make_directories(storage::parent(target));
    move(staged, target);
  } else {
    ::chmod(staged.c_str(), st.st_mode & 07777);
    if (!exchange(staged, target)) {
      // The next best: the new files first, then the old ones go.
      std::set<std::string> fresh;
      std::vector<fs::path> old;
      for (const auto& e : fs::directory_iterator(target)) old.push_back(e.path());
      for (const auto& e : fs::directory_iterator(staged)) {
        std::string to = target + "/" + e.path().filename().string();
        if (fs::is_directory(to)) fs::remove_all(to);
        move(e.path().string(), to);
        fresh.insert(to);
      }
      for (const auto& o : old) {
        if (!fresh.contains(o.string())) fs::remove_all(o);
      }
    }
  }
  sync_directory(storage::parent(target));
}

}  // namespace

Staging::Staging(std::string target) : target_(storage::normalize(target)) {
  if (!is_local(target_)) {
    staged_ = std::make_unique<StagedFiles>([target = target_](const std::string& relative) { return storage::join(target, relative); });
    directory_ = staged_->directory();
    return;
  }
  std::string parent = storage::parent(target_);
  make_directories(parent);
  directory_ = parent + "/." + storage::file_name(target_) + ".tarn-staging-" + random_uuid();
  make_directories(directory_);
}

Staging::~Staging() {
  if (staged_) return;
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
}

std::string Staging::add(const std::string& relative) {
  std::string path = directory_ + "/" + relative;
  if (!staged_) make_directories(storage::parent(path));
  files_.push_back(relative);
  return path;
}

uint64_t Staging::bytes() const {
  uint64_t n = 0;
  if (staged_) {
    for (const auto& f : staged_->files()) n += f.size;
  } else {
    for (const auto& f : files_) n += fs::file_size(directory_ + "/" + f);
  }
  return n;
}

// What the target had, but for what has just been written over.
void Staging::remove_old(const std::vector<storage::FileInfo>& old) {
  std::set<std::string> fresh;
  for (const auto& f : staged_->files()) fresh.insert(f.path);
  std::vector<std::string> paths;
  for (const auto& f : old) {
    if (!fresh.contains(f.path)) paths.push_back(f.path);
  }
  if (!paths.empty()) storage::store_for(target_).remove_files(paths);
}

void Staging::commit_append() {
  if (staged_) return staged_->publish();
  make_directories(target_);
  std::set<std::string> parents;
  for (const auto& f : files_) {
    std::string to = target_ + "/" + f, parent = storage::parent(to);
    if (parents.insert(parent).second) make_directories(parent);
    move(directory_ + "/" + f, to);
  }
  for (const auto& p : parents) sync_directory(p);
}

void Staging::commit_replace() {
  if (!staged_) return replace_directory(directory_, target_);
  auto old = files_below(target_);
  staged_->publish();
  remove_old(old);
}

void Staging::commit_replace_directories(const std::vector<std::string>& directories) {
  if (staged_) {
    std::vector<storage::FileInfo> old;
    for (const auto& d : directories) {
      auto below = files_below(storage::join(target_, d));
      old.insert(old.end(), below.begin(), below.end());
    }
    staged_->publish();
    remove_old(old);
    return;
  }
  make_directories(target_);
  std::set<std::string> replaced;
  for (const auto& d : directories) {
    std::string staged = directory_ + "/" + d;
    make_directories(staged);
    replace_directory(staged, target_ + "/" + d);
    replaced.insert(d + "/");
  }
  std::vector<std::string> rest;
  for (const auto& f : files_) {
    bool moved = false;
    for (const auto& d : replaced) moved = moved || f.starts_with(d);
    if (!moved) move(directory_ + "/" + f, target_ + "/" + f);
  }
}

}  // namespace tarn::engine::sinks
