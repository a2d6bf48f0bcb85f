#pragma once
// Avro's object container files: a header, and blocks of records between marks by which a reader finds the next block from anywhere.
// Source: the Avro 1.12 specification, "Object Container Files"; DataFileReader, DataFileWriter, Codec of the Java library.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace tarn::storage {
class RandomReader;
}

namespace tarn::engine::avro {

enum class Codec : uint8_t { kNull, kDeflate, kSnappy, kBzip2, kXz, kZstandard };
// The name in files: "null", "deflate", …
const char* codec_name(Codec codec);

// Blocks as they are stored. Malformed (row_reader.h) for damage.
std::string compress_block(std::string_view bytes, Codec codec, int level);
std::string decompress_block(std::string_view stored, Codec codec);

struct Header {
  std::string schema;                                // JSON
  Codec codec = Codec::kNull;
  std::map<std::string, std::string, std::less<>> metadata;
  std::string sync;                                  // 16 bytes
  uint64_t length = 0;                               // where the first block begins
};
// Throws Malformed, IoError; SparkError for a codec that is not known.
Header read_header(storage::RandomReader& file);

// The blocks of a part of a file: those whose mark (the one before them) begins in [from, to). Not thread-safe.
class BlockReader {
 public:
  BlockReader(storage::RandomReader& file, const Header& header, uint64_t from, uint64_t to);
  // The next block, decompressed, and the number of records in it. False: there is none. The bytes stay until the next call.
  bool next(std::string_view& records, uint64_t& count);

 private:
  bool find_mark(uint64_t from);
  std::string_view bytes(uint64_t at, size_t n);
  storage::RandomReader& file_;
  const Header& header_;
  const uint64_t to_;
  uint64_t at_ = 0;  // of the next block
  bool done_ = false;
  uint64_t window_at_ = 0;
  std::string window_, records_;
};

// A file in the making. Not thread-safe.
class BlockWriter {
 public:
  using Output = std::function<void(std::string_view)>;
  BlockWriter(std::string_view schema, Codec codec, int level, const std::map<std::string, std::string>& metadata, Output out);
  // Records are appended here; count them by added().
  std::string& records() { return records_; }
  void added() {
    ++count_;
    if (records_.size() >= kBlock) flush();
  }
  void flush();

 private:
  static constexpr size_t kBlock = 64'000;  // as the Java library cuts them
  const Codec codec_;
  const int level_;
  const Output out_;
  std::string sync_, records_;
  uint64_t count_ = 0;
};

}  // namespace tarn::engine::avro
