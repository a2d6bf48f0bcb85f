#include "engine/orc/input.h"

#include <arrow/util/compression.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>

#include "base/spark_error.h"

namespace tarn::engine::orc {
namespace {

constexpr size_t kHeader = 3;

size_t inflate_block(std::string_view from, char* to, size_t room) {
  z_stream z{};
  if (inflateInit2(&z, -15) != Z_OK) throw Damaged("cannot start zlib");
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(from.data()));
  z.avail_in = static_cast<uInt>(from.size());
  z.next_out = reinterpret_cast<Bytef*>(to);
  z.avail_out = static_cast<uInt>(room);
  const int rc = inflate(&z, Z_FINISH);
  const size_t got = room - z.avail_out;
  inflateEnd(&z);
  if (rc != Z_STREAM_END) throw Damaged("damaged zlib block");
  return got;
}

size_t decompress_block(std::string_view from, Compression c, char* to, size_t room) {
  arrow::Compression::type type = arrow::Compression::UNCOMPRESSED;
  switch (c) {
    case Compression::kZlib: return inflate_block(from, to, room);
    case Compression::kSnappy: type = arrow::Compression::SNAPPY; break;
    case Compression::kLz4: type = arrow::Compression::LZ4; break;
    case Compression::kZstd: {  // Arrow's wants to know the length beforehand
      const size_t n = ZSTD_decompress(to, room, from.data(), from.size());
      if (ZSTD_isError(n)) throw Damaged(std::string("damaged zstd block: ") + ZSTD_getErrorName(n));
      return n;
    }
    case Compression::kBrotli: type = arrow::Compression::BROTLI; break;
    default: throw not_built("reading ORC files with the compression lzo");
  }
  auto codec = arrow::util::Codec::Create(type);
  if (!codec.ok()) throw Damaged(codec.status().ToString());
  auto got = (*codec)->Decompress(static_cast<int64_t>(from.size()), reinterpret_cast<const uint8_t*>(from.data()), static_cast<int64_t>(room),
                                  reinterpret_cast<uint8_t*>(to));
  if (!got.ok()) throw Damaged("damaged compressed block: " + got.status().message());
  return static_cast<size_t>(*got);
}

// Widths of packed numbers by their code of five bits.
unsigned width_of(unsigned code) {
  if (code <= 23) return code + 1;
  static constexpr unsigned kWidths[] = {26, 28, 30, 32, 40, 48, 56, 64};
  return kWidths[code - 24];
}

// The narrowest width that has a code.
unsigned coded_width(unsigned bits) {
  for (unsigned code = 0; code < 32; ++code)
    if (width_of(code) >= bits) return width_of(code);
  throw Damaged("a patch is too wide");
}

}  // namespace

std::string decompress(std::string_view stored, Compression compression, uint64_t block_size) {
  if (compression == Compression::kNone) return std::string(stored);
  std::string out;
  while (!stored.empty()) {
    if (stored.size() < kHeader) Input::too_short();
    const auto* h = reinterpret_cast<const uint8_t*>(stored.data());
    const size_t header = h[0] | h[1] << 8 | h[2] << 16, length = header >> 1;
    stored.remove_prefix(kHeader);
    if (length > stored.size()) Input::too_short();
    if (header & 1) {
      out += stored.substr(0, length);
    } else {
      const size_t at = out.size();
      out.resize(at + block_size);
      out.resize(at + decompress_block(stored.substr(0, length), compression, out.data() + at, block_size));
    }
    stored.remove_prefix(length);
  }
  return out;
}

void Input::too_short() { throw Damaged("a stream of an ORC file ends too early"); }

bool Input::fill() {
  while (at_ == end_) {
    if (stored_.empty()) return false;
    if (compression_ == Compression::kNone) {
      at_ = reinterpret_cast<const uint8_t*>(stored_.data());
      end_ = at_ + stored_.size();
      stored_ = {};
      break;
    }
    if (stored_.size() < kHeader) too_short();
    const auto* h = reinterpret_cast<const uint8_t*>(stored_.data());
    const size_t header = h[0] | h[1] << 8 | h[2] << 16, length = header >> 1;
    stored_.remove_prefix(kHeader);
    if (length > stored_.size()) too_short();
    if (header & 1) {
      at_ = reinterpret_cast<const uint8_t*>(stored_.data());
      end_ = at_ + length;
    } else {
      block_.resize(block_size_);
      const size_t n = decompress_block(stored_.substr(0, length), compression_, block_.data(), block_.size());
      at_ = reinterpret_cast<const uint8_t*>(block_.data());
      end_ = at_ + n;
    }
    stored_.remove_prefix(length);
  }
  return true;
}

void Input::bytes(char* out, size_t n) {
  while (n > 0) {
    if (at_ == end_ && !fill()) too_short();
    const size_t take = std::min(n, static_cast<size_t>(end_ - at_));
    std::memcpy(out, at_, take);
    at_ += take;
    out += take;
    n -= take;
  }
}

uint64_t Input::varint() {
  uint64_t v = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    const uint8_t b = byte();
    if (shift < 64) v |= uint64_t{b & 0x7fu} << shift;
    if (b < 0x80) return v;
  }
  throw Damaged("a number in an ORC file is too long");
}

uint8_t ByteRuns::next() {
  if (left_ == 0) {
    const uint8_t control = in_.byte();
    repeat_ = control < 0x80;
    left_ = repeat_ ? control + 3u : 256u - control;
    if (repeat_) value_ = in_.byte();
  }
  --left_;
  return repeat_ ? value_ : in_.byte();
}

void IntegerRuns::next(int64_t* out, size_t n) {
  while (n > 0) {
    if (at_ == size_) fill();
    const size_t take = std::min<size_t>(n, size_ - at_);
    std::memcpy(out, run_ + at_, take * sizeof *out);
    at_ += static_cast<unsigned>(take);
    out += take;
    n -= take;
  }
}

void IntegerRuns::fill() {
  at_ = size_ = 0;
  if (version_2_) fill_2();
  else fill_1();
}

void IntegerRuns::fill_1() {
  const uint8_t control = in_.byte();
  if (control < 0x80) {
    size_ = control + 3u;
    const auto step = static_cast<uint64_t>(static_cast<int64_t>(static_cast<int8_t>(in_.byte())));
    uint64_t v = static_cast<uint64_t>(plain(in_.varint()));
    for (unsigned i = 0; i < size_; ++i, v += step) run_[i] = static_cast<int64_t>(v);
  } else {
    size_ = 256u - control;
    for (unsigned i = 0; i < size_; ++i) run_[i] = plain(in_.varint());
  }
}

int64_t IntegerRuns::big_endian(unsigned bytes) {
  uint64_t v = 0;
  while (bytes-- > 0) v = v << 8 | in_.byte();
  return static_cast<int64_t>(v);
}

void IntegerRuns::packed(int64_t* out, unsigned n, unsigned width) {
  if (width % 8 == 0) {
    for (unsigned i = 0; i < n; ++i) out[i] = big_endian(width / 8);
    return;
  }
  uint64_t bits = 0;  // all other widths are below 32
  unsigned have = 0;
  for (unsigned i = 0; i < n; ++i) {
    while (have < width) {
      bits = bits << 8 | in_.byte();
      have += 8;
    }
    have -= width;
    out[i] = static_cast<int64_t>(bits >> have & ((uint64_t{1} << width) - 1));
  }
}

void IntegerRuns::fill_2() {
  const unsigned first = in_.byte();
  if (first >> 6 == 0) {  // one value
    const int64_t v = plain(static_cast<uint64_t>(big_endian((first >> 3 & 7) + 1)));
    size_ = (first & 7) + 3;
    std::fill_n(run_, size_, v);
    return;
  }
  const unsigned code = first >> 1 & 31, n = ((first & 1) << 8 | in_.byte()) + 1;
  switch (first >> 6) {
    case 1: {  // packed values
      packed(run_, n, width_of(code));
      for (unsigned i = 0; i < n; ++i) run_[i] = plain(static_cast<uint64_t>(run_[i]));
      break;
    }
    case 2: {  // packed distances from a base, and the high bits of the few that are long
      const unsigned third = in_.byte(), fourth = in_.byte();
      const unsigned base_bytes = (third >> 5) + 1, patch_width = width_of(third & 31), gap_width = (fourth >> 5) + 1, patches = fourth & 31;
      const auto raw = static_cast<uint64_t>(big_endian(base_bytes));
      const uint64_t sign = uint64_t{1} << (base_bytes * 8 - 1);
      const uint64_t base = raw & sign ? uint64_t{0} - (raw & ~sign) : raw;  // sign and magnitude
      const unsigned width = width_of(code);
      packed(run_, n, width);
      int64_t list[32];
      const unsigned list_width = coded_width(patch_width + gap_width);
      packed(list, patches, list_width);
      unsigned at = 0;
      for (unsigned i = 0; i < patches; ++i) {
        const auto entry = static_cast<uint64_t>(list[i]);
        at += static_cast<unsigned>(entry >> patch_width);
        const uint64_t patch = entry & ((uint64_t{1} << patch_width) - 1);
        if (patch == 0) continue;  // a gap that needs more than one entry
        if (at >= n || width >= 64) throw Damaged("a patch lies outside its run");
        run_[at] = static_cast<int64_t>(static_cast<uint64_t>(run_[at]) | patch << width);
      }
      for (unsigned i = 0; i < n; ++i) run_[i] = static_cast<int64_t>(base + static_cast<uint64_t>(run_[i]));
      break;
    }
    default: {  // differences
      uint64_t v = static_cast<uint64_t>(plain(in_.varint()));
      const int64_t step = in_.signed_varint();
      run_[0] = static_cast<int64_t>(v);
      if (n > 1) run_[1] = static_cast<int64_t>(v += static_cast<uint64_t>(step));
      if (code == 0) {
        for (unsigned i = 2; i < n; ++i) run_[i] = static_cast<int64_t>(v += static_cast<uint64_t>(step));
      } else if (n > 2) {
        packed(run_ + 2, n - 2, width_of(code));
        for (unsigned i = 2; i < n; ++i) {
          const auto d = static_cast<uint64_t>(run_[i]);
          run_[i] = static_cast<int64_t>(v = step < 0 ? v - d : v + d);
        }
      }
    }
  }
  size_ = n;
}

}  // namespace tarn::engine::orc
