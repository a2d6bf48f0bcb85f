#pragma once
// What ends a REST request. Turned into wire form in one place, router.cc.
#include <stdexcept>
#include <string>

namespace tarn::http {

class RestError : public std::runtime_error {
 public:
  // status: HTTP; code: the API's error_code; message: for the caller, without internals.
  // retry_after: seconds, of 429 and 503.
  RestError(int status, std::string code, const std::string& message, int retry_after = 1)
      : std::runtime_error(message), status_(status), code_(std::move(code)), retry_after_(retry_after) {}
  int status() const { return status_; }
  const std::string& code() const { return code_; }
  int retry_after() const { return retry_after_; }

 private:
  int status_;
  std::string code_;
  int retry_after_;
};

inline RestError invalid_parameter(const std::string& message) { return {400, "INVALID_PARAMETER_VALUE", message}; }
inline RestError malformed(const std::string& message) { return {400, "MALFORMED_REQUEST", message}; }
inline RestError bad_request(const std::string& message) { return {400, "BAD_REQUEST", message}; }
inline RestError invalid_state(const std::string& message) { return {400, "INVALID_STATE", message}; }
inline RestError not_found(const std::string& message) { return {404, "RESOURCE_DOES_NOT_EXIST", message}; }
inline RestError already_exists(const std::string& message) { return {400, "RESOURCE_ALREADY_EXISTS", message}; }
inline RestError permission_denied(const std::string& message) { return {403, "PERMISSION_DENIED", message}; }

}  // namespace tarn::http
