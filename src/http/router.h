#pragma once
// From a request to its route and from an exception to an answer: authentication, rights, bodies, errors, metrics and the audit log
// are here and nowhere else.
#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "http/route.h"

namespace tarn::http {

struct AuditEntry {
  const Request& request;
  const Route* route;            // null: there is none
  const Principal* caller;       // null: unknown
  int status;
  const std::string& error_code;
  const std::vector<std::pair<std::string, std::string>>& details;
};

// Thread-safe once the routes are in.
class Router : public Handler {
 public:
  struct Hooks {
    std::function<std::optional<Principal>(const Request&)> authenticate;
    std::function<void(const AuditEntry&)> audit;
    std::string workspace_id;    // the header x-databricks-org-id
  };
  Router(const RouteTable& table, Hooks hooks) : table_(table), hooks_(std::move(hooks)) {}

  BodyPlan plan(const Request& head) override;
  Response handle(Request& request) override;
  // Prometheus text: requests by family and status, and their durations.
  std::string metrics() const;

 private:
  Response answer(Request& request, const Route** route, std::optional<Principal>* caller, std::string* error_code, Call** call, std::unique_ptr<Call>* keep);
  const RouteTable& table_;
  Hooks hooks_;
  mutable std::mutex mu_;
  std::map<std::pair<std::string, int>, uint64_t> counts_;      // guarded by mu_; family and status
  std::array<uint64_t, 12> buckets_{};                          // guarded by mu_
  double seconds_ = 0;                                          // guarded by mu_
};

// multipart/form-data: name, value of each part. Throws MALFORMED_REQUEST.
std::vector<std::pair<std::string, std::string>> parse_multipart(std::string_view content_type, std::string_view body);

}  // namespace tarn::http
