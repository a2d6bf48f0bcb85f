#pragma once
// Who did what: one JSON object a line, appended to one file.
#include <string>

#include "http/router.h"

namespace tarn::identity {

// Thread-safe.
class AuditLog {
 public:
  explicit AuditLog(const std::string& path);  // IoError if it cannot be opened
  ~AuditLog();
  void write(const http::AuditEntry& entry);

 private:
  int fd_ = -1;
};

}  // namespace tarn::identity
