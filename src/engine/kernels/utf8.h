#pragma once
// UTF-8 text as code points, the unit of Spark's string functions.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tarn::engine::kernels::utf8 {

inline bool is_lead(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }
inline bool is_ascii(std::string_view s) {
  for (char c : s)
    if (static_cast<signed char>(c) < 0) return false;
  return true;
}
inline int64_t length(std::string_view s) {
  int64_t n = 0;
  for (char c : s) n += is_lead(c);
  return n;
}
// Byte offset of code point n (0-based); s.size() when there are fewer.
inline size_t offset(std::string_view s, int64_t n, size_t from = 0) {
  size_t i = from;
  while (i < s.size() && n > 0) {
    ++i;
    while (i < s.size() && !is_lead(s[i])) ++i;
    --n;
  }
  return i;
}
inline size_t width(char lead) {
  auto u = static_cast<unsigned char>(lead);
  return u < 0x80 ? 1 : u < 0xE0 ? 2 : u < 0xF0 ? 3 : 4;
}
inline void append(std::string& out, uint32_t c) {
  if (c < 0x80) out += static_cast<char>(c);
  else if (c < 0x800) { out += static_cast<char>(0xC0 | (c >> 6)); out += static_cast<char>(0x80 | (c & 63)); }
  else if (c < 0x10000) { out += static_cast<char>(0xE0 | (c >> 12)); out += static_cast<char>(0x80 | ((c >> 6) & 63)); out += static_cast<char>(0x80 | (c & 63)); }
  else { out += static_cast<char>(0xF0 | (c >> 18)); out += static_cast<char>(0x80 | ((c >> 12) & 63)); out += static_cast<char>(0x80 | ((c >> 6) & 63)); out += static_cast<char>(0x80 | (c & 63)); }
}
// The code points as pieces of the text.
inline std::vector<std::string_view> points(std::string_view s) {
  std::vector<std::string_view> out;
  for (size_t i = 0; i < s.size();) {
    size_t next = offset(s, 1, i);
    out.push_back(s.substr(i, next - i));
    i = next;
  }
  return out;
}
inline uint32_t code(std::string_view p) {
  auto u = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(p[i])); };
  switch (p.size()) {
    case 1: return u(0);
    case 2: return ((u(0) & 31) << 6) | (u(1) & 63);
    case 3: return ((u(0) & 15) << 12) | ((u(1) & 63) << 6) | (u(2) & 63);
    default: return ((u(0) & 7) << 18) | ((u(1) & 63) << 12) | ((u(2) & 63) << 6) | (u(3) & 63);
  }
}

// Length of the well-formed sequence at i, or minus the length of the ill-formed part (its maximal subpart).
inline int sequence(std::string_view s, size_t i) {
  auto u = [&](size_t k) { return static_cast<unsigned char>(s[k]); };
  const unsigned char c = u(i);
  if (c < 0x80) return 1;
  int n = c >= 0xC2 && c <= 0xDF ? 2 : (c & 0xF0) == 0xE0 ? 3 : c >= 0xF0 && c <= 0xF4 ? 4 : 0;
  if (!n) return -1;
  for (int k = 1; k < n; ++k) {
    if (i + static_cast<size_t>(k) >= s.size()) return -k;
    unsigned char low = 0x80, high = 0xBF, x = u(i + static_cast<size_t>(k));
    if (k == 1) {
      if (c == 0xE0) low = 0xA0;
      if (c == 0xED) high = 0x9F;
      if (c == 0xF0) low = 0x90;
      if (c == 0xF4) high = 0x8F;
    }
    if (x < low || x > high) return -k;
  }
  return n;
}
inline bool is_valid(std::string_view s) {
  for (size_t i = 0; i < s.size();) {
    int n = sequence(s, i);
    if (n < 0) return false;
    i += static_cast<size_t>(n);
  }
  return true;
}
// Ill-formed parts become U+FFFD.
inline std::string make_valid(std::string_view s) {
  std::string out;
  for (size_t i = 0; i < s.size();) {
    int n = sequence(s, i);
    if (n < 0) out += "\xEF\xBF\xBD";
    else out += s.substr(i, static_cast<size_t>(n));
    i += static_cast<size_t>(n < 0 ? -n : n);
  }
  return out;
}

}  // namespace tarn::engine::kernels::utf8
