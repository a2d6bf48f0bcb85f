#pragma once
// Bytes as text and back; digests; the wall clock.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tarn {

std::string base64_encode(std::string_view bytes);
// Standard alphabet; padding may be missing, line ends are passed over. nullopt for anything else.
std::optional<std::string> base64_decode(std::string_view text);
std::string hex_encode(std::string_view bytes);      // lower case
std::string sha256(std::string_view bytes);          // 32 bytes
std::string random_hex(size_t bytes);                // from the system's generator, twice as many characters
// %41 -> A, and + -> space if plus_is_space. nullopt for a broken escape or a NUL.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);
bool is_utf8(std::string_view text);
int64_t now_ms();                                    // since the epoch, UTC
std::string http_date(int64_t ms);                   // "Tue, 15 Nov 1994 12:45:26 GMT"
std::optional<int64_t> parse_http_date(std::string_view text);   // that form only; ms
std::string iso_time(int64_t ms);                    // "2026-01-02T03:04:05.006Z"
std::string lower_ascii(std::string_view text);

}  // namespace tarn
