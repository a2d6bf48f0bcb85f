#pragma once
// How requests to object stores are signed.
#include <string>
#include <string_view>

#include "storage/http_client.h"

namespace tarn::storage {

std::string md5(std::string_view data);  // 16 bytes: Content-MD5, not for secrecy

// "Fri, 24 May 2013 00:00:00 GMT" or "2013-05-24T00:00:00.123Z" as ms since the epoch, whole seconds (stores give the same time in both
// forms, and only whole seconds in the first); 0 for what is neither.
int64_t parse_store_time(const std::string& text);

struct AwsCredentials {
  std::string access_key, secret_key, session_token;
};
// AWS Signature Version 4 (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html): adds Host-bound headers
// x-amz-date, x-amz-content-sha256, x-amz-security-token and Authorization. payload_hash: hex, or UNSIGNED-PAYLOAD.
void sign_aws(HttpRequest& request, const AwsCredentials& credentials, const std::string& region, const std::string& service,
              const std::string& payload_hash, int64_t now_ms);

// Azure Storage SharedKey (https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key): adds x-ms-date and Authorization.
// key: decoded.
void sign_azure(HttpRequest& request, const std::string& account, std::string_view key, int64_t now_ms);

}  // namespace tarn::storage
