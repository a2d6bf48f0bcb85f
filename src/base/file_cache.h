#pragma once
// What was read from local files, remembered for as long as they do not change.
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

namespace tarn {

// A text that differs for every version of a file: path, size, time of change in ns, inode. Empty: there is no such file.
std::string file_version(const std::string& local_path);

// Values by file_version() and whatever else they depend on. Thread-safe; forgets all when `capacity` values are kept.
template <class T>
class FileCache {
 public:
  explicit FileCache(size_t capacity) : capacity_(capacity) {}

  // Null: not kept.
  std::shared_ptr<const T> find(const std::string& key) const {
    std::lock_guard lock(mu_);
    auto it = values_.find(key);
    return it == values_.end() ? nullptr : it->second;
  }

  std::shared_ptr<const T> keep(const std::string& key, std::shared_ptr<const T> value) {
    std::lock_guard lock(mu_);
    if (values_.size() >= capacity_) values_.clear();
    values_[key] = value;
    return value;
  }

 private:
  const size_t capacity_;
  mutable std::mutex mu_;
  std::unordered_map<std::string, std::shared_ptr<const T>> values_;  // guarded by mu_
};

}  // namespace tarn
