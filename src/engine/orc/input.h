#pragma once
// The bytes of a stream of an ORC file, decompressed block by block, and the run-length encodings in them.
// Source: the ORC v1 specification, "Compression" and "Run Length Encoding".
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/orc/file_tail.h"

namespace tarn::engine::orc {

// All of a compressed part of the file.
std::string decompress(std::string_view stored, Compression compression, uint64_t block_size);

// Not thread-safe. The stored bytes must outlive it. Everything throws Damaged where the bytes end too early.
class Input {
 public:
  Input() = default;
  Input(std::string_view stored, Compression compression, uint64_t block_size) : stored_(stored), compression_(compression), block_size_(block_size) {}
  // False at the end.
  bool fill();
  uint8_t byte() {
    if (at_ == end_ && !fill()) too_short();
    return *at_++;
  }
  void bytes(char* out, size_t n);
  uint64_t varint();
  int64_t signed_varint() {
    const uint64_t v = varint();
    return static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1);
  }
  [[noreturn]] static void too_short();

 private:
  std::string_view stored_;
  Compression compression_ = Compression::kNone;
  uint64_t block_size_ = 0;
  const uint8_t *at_ = nullptr, *end_ = nullptr;
  std::string block_;
};

// Runs of bytes.
class ByteRuns {
 public:
  ByteRuns() = default;
  explicit ByteRuns(Input in) : in_(std::move(in)) {}
  uint8_t next();

 private:
  Input in_;
  unsigned left_ = 0;
  bool repeat_ = false;
  uint8_t value_ = 0;
};

// Bits, eight in a byte of runs of bytes, the highest first.
class BitRuns {
 public:
  BitRuns() = default;
  explicit BitRuns(Input in) : bytes_(std::move(in)) {}
  bool next() {
    if (left_ == 0) {
      bits_ = bytes_.next();
      left_ = 8;
    }
    return (bits_ >> --left_) & 1;
  }

 private:
  ByteRuns bytes_;
  uint8_t bits_ = 0;
  unsigned left_ = 0;
};

// Whole numbers in either version of the encoding.
class IntegerRuns {
 public:
  IntegerRuns() = default;
  IntegerRuns(Input in, bool is_signed, bool version_2) : in_(std::move(in)), signed_(is_signed), version_2_(version_2) {}
  void next(int64_t* out, size_t n);

 private:
  void fill();
  void fill_1();
  void fill_2();
  void packed(int64_t* out, unsigned n, unsigned width);
  int64_t big_endian(unsigned bytes);
  int64_t plain(uint64_t v) const { return signed_ ? static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1) : static_cast<int64_t>(v); }

  static constexpr unsigned kLongestRun = 512;
  Input in_;
  bool signed_ = false, version_2_ = false;
  unsigned at_ = 0, size_ = 0;
  int64_t run_[kLongestRun];
};

}  // namespace tarn::engine::orc
