#pragma once
#include <string>

#include "base/io_error.h"
#include "storage/parallel.h"
#include "storage/rest_store.h"

namespace tarn::storage {

// What stores with a flat name space share, over a Base that speaks the protocol (RestStore or one of its kin): a directory is a prefix that
// something has, or a marker for an empty one; a rename is a copy, neither cheap nor one step. Thread-safe.
template <class Base>
class FlatStore : public Base {
 public:
  void rename(const std::string& from, const std::string& to) override {
    this->require_same_store(from, to);
    auto info = this->stat(from);
    if (!info) throw IoError(IoError::Kind::kNotFound, "cannot rename", from, "no such file or directory");
    if (!info->is_directory) {
      copy(*info, to);
      this->remove_files({from});
      return;
    }
    InFlight copies(kCopiesAtOnce);
    for (const auto& f : this->list_recursive(from)) copies.start([this, f, target = to + f.path.substr(from.size())] { copy(f, target); });
    copies.wait();
    this->remove_recursive(from);
  }
  bool renames_at_once() const override { return false; }

  bool remove(const std::string& path) override {
    auto info = this->stat(path);
    if (!info) return false;
    if (!info->is_directory) {
      this->remove_files({path});
      return true;
    }
    if (!this->list(path, "").empty()) throw IoError(IoError::Kind::kOther, "cannot delete", path, "the directory is not empty");
    remove_marker(path);
    return true;
  }

  void make_directories(const std::string& path) override {
    if (auto info = this->stat(path)) {
      if (info->is_directory) return;
      throw IoError(IoError::Kind::kAlreadyExists, "cannot make the directory", path, "a file has that name");
    }
    make_marker(path);
  }

 protected:
  using Base::Base;
  static constexpr size_t kCopiesAtOnce = 16;   // of one directory
  // Of one file, within the store.
  virtual void copy(const FileInfo& from, const std::string& to) = 0;
  // What stands for an empty directory.
  virtual void make_marker(const std::string& path) = 0;
  virtual void remove_marker(const std::string& path) = 0;
};

}  // namespace tarn::storage
