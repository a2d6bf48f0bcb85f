#pragma once
// What ends a request to the storage account. Turned into XML (blob) or JSON (dfs) in one place, service.cc.
#include <stdexcept>
#include <string>
#include <string_view>

namespace tarn::account {

class StorageError : public std::runtime_error {
 public:
  // code: one of the table in error.cc, in its dfs name where the two services differ. detail: what the default message lacks, may be empty.
  explicit StorageError(std::string code, std::string detail = "") : std::runtime_error(code + (detail.empty() ? "" : ": " + detail)), code_(std::move(code)), detail_(std::move(detail)) {}
  const std::string& code() const { return code_; }
  const std::string& detail() const { return detail_; }

 private:
  std::string code_, detail_;
};

struct ErrorInfo {
  const char* code;      // as documented under "Common REST API error codes", "Blob" and "Data Lake Storage error codes"
  int status;
  const char* message;
};

// Never null: an unknown code is InternalError.
const ErrorInfo& error_info(std::string_view code);
// The blob service's name of a dfs code: PathNotFound is BlobNotFound there.
std::string_view blob_code(std::string_view code);

}  // namespace tarn::account
