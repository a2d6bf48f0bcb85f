#pragma once
// Spark's MurmurHash3 of 32 bits, which treats the tail of bytes in its own way. Source: Murmur3_x86_32.hashUnsafeBytes.
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace tarn::engine::kernels {

struct Murmur3 {
  using State = uint32_t;
  static uint32_t mix_k(uint32_t k) { return std::rotl(k * 0xcc9e2d51u, 15) * 0x1b873593u; }
  static uint32_t mix_h(uint32_t h, uint32_t k) { return std::rotl(h ^ k, 13) * 5 + 0xe6546b64u; }
  static uint32_t finish(uint32_t h, uint32_t length) {
    h ^= length;
    h ^= h >> 16;
    h *= 0x85ebca6bu;
    h ^= h >> 13;
    h *= 0xc2b2ae35u;
    return h ^ (h >> 16);
  }
  static State of_int(int32_t v, State seed) { return finish(mix_h(seed, mix_k(static_cast<uint32_t>(v))), 4); }
  static State of_long(int64_t v, State seed) {
    uint32_t h = mix_h(seed, mix_k(static_cast<uint32_t>(v)));
    return finish(mix_h(h, mix_k(static_cast<uint32_t>(static_cast<uint64_t>(v) >> 32))), 8);
  }
  static State of_bytes(std::string_view s, State seed) {
    uint32_t h = seed;
    size_t i = 0;
    for (; i + 4 <= s.size(); i += 4) {
      uint32_t w;
      std::memcpy(&w, s.data() + i, 4);
      h = mix_h(h, mix_k(w));
    }
    // Each byte of the tail is mixed by itself, as a signed number.
    for (; i < s.size(); ++i) h = mix_h(h, mix_k(static_cast<uint32_t>(static_cast<int32_t>(static_cast<signed char>(s[i])))));
    return finish(h, static_cast<uint32_t>(s.size()));
  }
};

}  // namespace tarn::engine::kernels
