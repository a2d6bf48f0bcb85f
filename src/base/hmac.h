#pragma once
#include <string>
#include <string_view>

namespace tarn {

// HMAC-SHA256 (RFC 2104), 32 bytes; a key of any length.
std::string hmac_sha256(std::string_view key, std::string_view text);

}  // namespace tarn
