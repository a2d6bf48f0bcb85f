#pragma once
#include <string>
#include <string_view>

namespace tarn {

// A random UUID (version 4) in lower case with dashes, from the system's generator. Thread-safe.
std::string random_uuid();
// True for 8-4-4-4-12 hexadecimal digits.
bool is_uuid(std::string_view text);

}  // namespace tarn
