#pragma once
#include <stdexcept>
#include <string>

namespace tarn {

// A failed operation on a file, directory or object. what() names what, where and why in one line.
class IoError : public std::runtime_error {
 public:
  enum class Kind { kOther, kNotFound, kAlreadyExists, kPermission, kNoSpace };
  // errno at the call is turned into the reason and the kind.
  IoError(const std::string& what, const std::string& path);
  IoError(Kind kind, const std::string& what, const std::string& path, const std::string& reason);
  Kind kind() const { return kind_; }
  const std::string& path() const { return path_; }

 private:
  Kind kind_;
  std::string path_;
};

}  // namespace tarn
