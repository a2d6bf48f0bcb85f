#include "engine/kernels/key_sketch.h"

#include <bit>
#include <cstring>

namespace tarn::engine::kernels {

namespace {

constexpr uint8_t kReadOnly = 2, kEmpty = 4, kCompact = 8, kOrdered = 16, kSingle = 32;
constexpr uint64_t kSeed = 9001;

template <class T> void put(std::string& out, T v) { out.append(reinterpret_cast<const char*>(&v), sizeof v); }  // little endian, as the host
template <class T> T take(std::string_view in, size_t at) {
  T v;
  std::memcpy(&v, in.data() + at, sizeof v);
  return v;
}
uint8_t byte_at(std::string_view in, size_t at) { return static_cast<uint8_t>(in[at]); }

uint64_t mix(uint64_t h) {
  h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdull;
  h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53ull;
  return h ^ (h >> 33);
}

void preamble(std::string& out, uint8_t longs, uint8_t version, SketchFamily family, uint8_t a, uint8_t b, uint8_t flags) {
  for (uint8_t v : {longs, version, static_cast<uint8_t>(family), a, b, flags}) out += static_cast<char>(v);
  put<uint16_t>(out, kSketchSeedHash);
}

}  // namespace

// MurmurHash3_x64_128; the upper 63 bits of its first half.
uint64_t sketch_hash(std::string_view bytes) {
  constexpr uint64_t c1 = 0x87c37b91114253d5ull, c2 = 0x4cf5ad432745937full;
  uint64_t h1 = kSeed, h2 = kSeed;
  size_t blocks = bytes.size() / 16;
  for (size_t i = 0; i < blocks; ++i) {
    uint64_t k1 = take<uint64_t>(bytes, 16 * i), k2 = take<uint64_t>(bytes, 16 * i + 8);
    h1 ^= std::rotl(k1 * c1, 31) * c2;
    h1 = (std::rotl(h1, 27) + h2) * 5 + 0x52dce729;
    h2 ^= std::rotl(k2 * c2, 33) * c1;
    h2 = (std::rotl(h2, 31) + h1) * 5 + 0x38495ab5;
  }
  unsigned char tail[16] = {};
  size_t rest = bytes.size() % 16;
  if (rest) std::memcpy(tail, bytes.data() + 16 * blocks, rest);
  uint64_t k1, k2;
  std::memcpy(&k1, tail, 8);
  std::memcpy(&k2, tail + 8, 8);
  if (rest > 8) h2 ^= std::rotl(k2 * c2, 33) * c1;
  if (rest > 0) h1 ^= std::rotl(k1 * c1, 31) * c2;
  h1 ^= bytes.size();
  h2 ^= bytes.size();
  h1 += h2;
  h2 += h1;
  h1 = mix(h1);
  h2 = mix(h2);
  h1 += h2;
  return h1 >> 1;
}

std::optional<SummaryMode> summary_mode(std::string_view name) {
  const std::string_view names[] = {"sum", "min", "max", "alwaysone"};
  for (size_t i = 0; i < 4; ++i)
    if (std::equal(name.begin(), name.end(), names[i].begin(), names[i].end(), [](unsigned char a, char b) { return std::tolower(a) == b; }))
      return static_cast<SummaryMode>(i);
  return std::nullopt;
}

std::optional<std::string> sketch_family_name(std::string_view bytes) {
  static const char* const kNames[] = {nullptr,     "ALPHA",    "QUICKSELECT", "COMPACT", "UNION", "INTERSECTION", "A_NOT_B", "HLL",
                                       "QUANTILES", "TUPLE",    "FREQUENCY",   "RESERVOIR", "RESERVOIR_UNION", "VAROPT", "VAROPT_UNION", "KLL",
                                       "CPC",       "REQ",      "COUNTMIN",    "EBPPS",   "TDIGEST", "BLOOMFILTER"};
  if (bytes.size() < 8 || byte_at(bytes, 2) >= std::size(kNames) || !kNames[byte_at(bytes, 2)]) return std::nullopt;
  return kNames[byte_at(bytes, 2)];
}

std::string write_theta(CompactSketch<NoSummary> s) {
  std::sort(s.entries.begin(), s.entries.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  const bool empty = s.empty || (s.entries.empty() && s.theta == kMaxTheta);
  const bool estimates = !empty && s.theta < kMaxTheta;
  const bool single = !empty && !estimates && s.entries.size() == 1;
  std::string out;
  if (empty) {
    // An empty sketch says nothing about its seed.
    for (int v : {1, 3, 3, 0, 0, kReadOnly | kEmpty | kCompact | kOrdered, 0, 0}) out += static_cast<char>(v);
    return out;
  }
  if (single || s.entries.empty()) {
    preamble(out, single ? 1 : 3, 3, SketchFamily::kTheta, 0, 0, kReadOnly | kCompact | kOrdered | (single ? kSingle : 0));
    if (!single) {
      put<int32_t>(out, 0);
      put<float>(out, 1.0f);
      put<uint64_t>(out, s.theta);
    }
    for (const auto& e : s.entries) put<uint64_t>(out, e.first);
    return out;
  }
  // Version 4: the differences between the sorted hashes, all in as many bits as the largest needs, first bit first.
  uint64_t any = 0, before = 0;
  for (const auto& e : s.entries) {
    any |= e.first - before;
    before = e.first;
  }
  const int bits = 64 - std::countl_zero(any);
  const auto count = static_cast<uint32_t>(s.entries.size());
  const int count_bytes = (32 - std::countl_zero(count) + 7) / 8;
  preamble(out, estimates ? 2 : 1, 4, SketchFamily::kTheta, static_cast<uint8_t>(bits), static_cast<uint8_t>(count_bytes), kReadOnly | kCompact | kOrdered);
  if (estimates) put<uint64_t>(out, s.theta);
  for (int i = 0; i < count_bytes; ++i) out += static_cast<char>(count >> (8 * i));
  unsigned char current = 0;
  int filled = 0;
  before = 0;
  for (const auto& e : s.entries) {
    uint64_t delta = e.first - before;
    before = e.first;
    for (int b = bits - 1; b >= 0; --b) {
      current = static_cast<unsigned char>(current << 1 | ((delta >> b) & 1));
      if (++filled == 8) {
        out += static_cast<char>(current);
        current = 0;
        filled = 0;
      }
    }
  }
  if (filled) out += static_cast<char>(current << (8 - filled));
  return out;
}

std::optional<CompactSketch<NoSummary>> read_theta(std::string_view in) {
  if (in.size() < 8 || byte_at(in, 2) != static_cast<uint8_t>(SketchFamily::kTheta)) return std::nullopt;
  const uint8_t longs = byte_at(in, 0) & 0x3F, version = byte_at(in, 1), flags = byte_at(in, 5);
  if ((version != 3 && version != 4) || longs < 1 || longs > 3 || !(flags & kCompact)) return std::nullopt;
  CompactSketch<NoSummary> s;
  if (flags & kEmpty) return s;
  if (take<uint16_t>(in, 6) != kSketchSeedHash) return std::nullopt;
  s.empty = false;
  if (version == 4) {
    const int bits = byte_at(in, 3), count_bytes = byte_at(in, 4);
    size_t at = 8;
    if (longs == 2) {
      if (in.size() < 16) return std::nullopt;
      s.theta = take<uint64_t>(in, 8);
      at = 16;
    }
    if (bits < 1 || bits > 63 || count_bytes > 4 || in.size() < at + static_cast<size_t>(count_bytes)) return std::nullopt;
    uint64_t count = 0;
    for (int i = 0; i < count_bytes; ++i) count |= static_cast<uint64_t>(byte_at(in, at + static_cast<size_t>(i))) << (8 * i);
    at += static_cast<size_t>(count_bytes);
    if ((in.size() - at) * 8 < count * static_cast<uint64_t>(bits)) return std::nullopt;
    uint64_t before = 0, bit = 0;
    for (uint64_t i = 0; i < count; ++i) {
      uint64_t delta = 0;
      for (int b = 0; b < bits; ++b, ++bit) delta = delta << 1 | ((byte_at(in, at + bit / 8) >> (7 - bit % 8)) & 1);
      before += delta;
      s.entries.emplace_back(before, NoSummary{});
    }
    return s;
  }
  uint32_t count = 1;
  size_t at = 8;
  if (longs > 1) {
    if (in.size() < 8u * longs) return std::nullopt;
    count = take<uint32_t>(in, 8);
    if (longs == 3) s.theta = take<uint64_t>(in, 16);
    at = 8u * longs;
  }
  if ((in.size() - at) / 8 < count) return std::nullopt;
  for (uint32_t i = 0; i < count; ++i) s.entries.emplace_back(take<uint64_t>(in, at + 8u * i), NoSummary{});
  return s;
}

template <class T> std::string write_tuple(const CompactSketch<Summary<T>>& s) {
  const bool estimates = s.estimates(), single = !s.empty && !estimates && s.entries.size() == 1;
  std::string out;
  preamble(out, estimates ? 3 : s.empty || single ? 1 : 2, 3, SketchFamily::kTuple, 1, 0, kReadOnly | kCompact | (s.empty ? kEmpty : 0));
  if (!s.empty && !single) {
    put<uint32_t>(out, static_cast<uint32_t>(s.entries.size()));
    put<uint32_t>(out, 0);
    if (estimates) put<uint64_t>(out, s.theta);
  }
  for (const auto& [hash, summary] : s.entries) {
    put<uint64_t>(out, hash);
    put<T>(out, summary.value);
    out += static_cast<char>(summary.mode);
  }
  return out;
}

template <class T> std::optional<CompactSketch<Summary<T>>> read_tuple(std::string_view in) {
  if (in.size() < 8 || byte_at(in, 2) != static_cast<uint8_t>(SketchFamily::kTuple)) return std::nullopt;
  const uint8_t longs = byte_at(in, 0), flags = byte_at(in, 5);
  if (byte_at(in, 1) != 3 || byte_at(in, 3) != 1 || longs < 1 || longs > 3 || take<uint16_t>(in, 6) != kSketchSeedHash) return std::nullopt;
  CompactSketch<Summary<T>> s;
  if (flags & kEmpty) return s;
  s.empty = false;
  uint32_t count = 1;
  size_t at = 8;
  if (longs > 1) {
    if (in.size() < 8u * longs) return std::nullopt;
    count = take<uint32_t>(in, 8);
    if (longs == 3) s.theta = take<uint64_t>(in, 16);
    at = 8u * longs;
  }
  constexpr size_t kEntry = 8 + sizeof(T) + 1;
  if ((in.size() - at) / kEntry < count) return std::nullopt;
  for (uint32_t i = 0; i < count; ++i, at += kEntry) {
    uint8_t mode = byte_at(in, at + 8 + sizeof(T));
    if (mode > 3) return std::nullopt;
    s.entries.emplace_back(take<uint64_t>(in, at), Summary<T>{take<T>(in, at + 8), static_cast<SummaryMode>(mode)});
  }
  return s;
}

template std::string write_tuple<double>(const CompactSketch<Summary<double>>&);
template std::string write_tuple<int32_t>(const CompactSketch<Summary<int32_t>>&);
template std::optional<CompactSketch<Summary<double>>> read_tuple<double>(std::string_view);
template std::optional<CompactSketch<Summary<int32_t>>> read_tuple<int32_t>(std::string_view);

}  // namespace tarn::engine::kernels
