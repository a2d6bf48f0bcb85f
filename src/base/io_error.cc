#include "base/io_error.h"

#include <cerrno>
#include <cstring>

namespace tarn {
namespace {
IoError::Kind kind_of(int e) {
  switch (e) {
    case ENOENT: case ENOTDIR: return IoError::Kind::kNotFound;
    case EEXIST: return IoError::Kind::kAlreadyExists;
    case EACCES: case EPERM: case EROFS: return IoError::Kind::kPermission;
    case ENOSPC: case EDQUOT: return IoError::Kind::kNoSpace;
    default: return IoError::Kind::kOther;
  }
}
}  // namespace

IoError::IoError(const std::string& what, const std::string& path)
    : std::runtime_error(what + ": " + path + ": " + std::strerror(errno)), kind_(kind_of(errno)), path_(path) {}

IoError::IoError(Kind kind, const std::string& what, const std::string& path, const std::string& reason)
    : std::runtime_error(what + ": " + path + (reason.empty() ? "" : ": " + reason)), kind_(kind), path_(path) {}

}  // namespace tarn
