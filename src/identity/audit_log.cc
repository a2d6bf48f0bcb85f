#include "identity/audit_log.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/encoding.h"
#include "base/io_error.h"
#include "base/log.h"

namespace tarn::identity {

AuditLog::AuditLog(const std::string& path) : fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {
  if (fd_ < 0) throw IoError("cannot open the audit log", path);
}

AuditLog::~AuditLog() { ::close(fd_); }

void AuditLog::write(const http::AuditEntry& e) {
  nlohmann::ordered_json line = {{"ts", iso_time(now_ms())}, {"request", e.request.id}, {"user", e.caller ? e.caller->name : ""}, {"peer", e.request.peer},
                                 {"action", e.request.method + " " + (e.route ? e.route->pattern : "unknown")}, {"status", e.status}};
  if (!e.error_code.empty()) line["error_code"] = e.error_code;
  for (const auto& [name, value] : e.details) line["on"][name] = value;
  std::string text = line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  // One write of an O_APPEND file: lines do not mix.
  if (::write(fd_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) log::error("audit_log_failed", {{"request", e.request.id}});
}

}  // namespace tarn::identity
