#pragma once
// The bytes of a file, decompressed by its extension and turned into UTF-8.
#include <cstddef>
#include <memory>
#include <string>

namespace tarn::engine::sources {

// Not thread-safe. Throws StreamError when the content is damaged, IoError when the file cannot be read.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // Up to n bytes; 0 at the end.
  virtual size_t read(char* out, size_t n) = 0;
};

class StreamError : public std::exception {
 public:
  explicit StreamError(std::string why) : why_(std::move(why)) {}
  const char* what() const noexcept override { return why_.c_str(); }

 private:
  std::string why_;
};

enum class Compression { kNone, kGzip, kDeflate, kBzip2, kZstd, kSnappy, kLz4 };
// By the file's extension: .gz .deflate .bz2 .zst .snappy .lz4 (Hadoop's block formats for the last two).
Compression compression_of(const std::string& path);

// path: absolute on the local disk, or a URI that storage/ knows, with the credentials of the calling thread.
// charset: "UTF-8" or one that ICU knows; the stream then yields UTF-8. A byte order mark of UTF-8 is dropped unless keep_mark.
std::unique_ptr<ByteStream> open_file(const std::string& path, const std::string& charset = "UTF-8", bool keep_mark = false);
// The bytes as they are stored.
std::unique_ptr<ByteStream> open_raw(const std::string& path);
// To the end.
std::string read_all(ByteStream& stream);

}  // namespace tarn::engine::sources
