#pragma once
// The lines of files one after the other, for schema inference.
#include <memory>
#include <string>
#include <string_view>

#include "engine/sources/byte_stream.h"
#include "engine/sources/scan.h"

namespace tarn::engine::sources {

// Lines of one file, repaired to valid UTF-8 on request. Not thread-safe. The views are valid until the next call.
class LineSource {
 public:
  LineSource(const DataFile& file, const std::string& charset, std::string separator);
  bool next(std::string_view& line);

 private:
  bool refill();
  std::unique_ptr<ByteStream> stream_;
  std::string separator_, buffer_;
  size_t at_ = 0, end_ = 0;
  bool final_ = false;
};

// Runs body(file), turning damage and absence into Spark's errors or, when the settings say so, into a shorter input.
template <class Body>
void read_for_inference(const DataFile& file, const ScanSettings& settings, Body body);

void handle_read_error(const DataFile& file, const ScanSettings& settings);  // inside a catch block: rethrows or returns

template <class Body>
void read_for_inference(const DataFile& file, const ScanSettings& settings, Body body) {
  try {
    body(file);
  } catch (const SparkError&) {
    throw;
  } catch (const std::exception&) {
    handle_read_error(file, settings);
  }
}

// True for the rows of a sample of the given ratio: the same rows each time.
class Sampler {
 public:
  explicit Sampler(double ratio) : all_(ratio > 0.99), limit_(static_cast<uint64_t>(ratio * 18446744073709551615.0)) {}
  bool take() {
    if (all_) return true;
    state_ += 0x9E3779B97F4A7C15ull;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return (z ^ (z >> 31)) <= limit_;
  }

 private:
  bool all_;
  uint64_t limit_, state_ = 1;
};

}  // namespace tarn::engine::sources
