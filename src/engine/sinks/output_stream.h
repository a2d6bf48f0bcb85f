#pragma once
// A part file being written: compressed as its name says, turned into a character set.
#include <memory>
#include <string>
#include <string_view>

namespace tarn::engine::sinks {

enum class Codec { kNone, kGzip, kDeflate, kBzip2, kZstd, kSnappy, kLz4 };
// "gzip", "none", a Hadoop class name …; SparkError CODEC_NOT_AVAILABLE.*.
Codec codec_of(const std::string& name);
const char* codec_extension(Codec codec);  // ".gz", "" for none

// Not thread-safe. Throws IoError (kNoSpace when the disk is full). Without close() the file is incomplete.
class OutputStream {
 public:
  virtual ~OutputStream() = default;
  virtual void write(std::string_view bytes) = 0;
  // Everything is in the file and on the disk.
  virtual void close() = 0;
};
std::unique_ptr<OutputStream> create_file(const std::string& path, Codec codec, const std::string& charset);

}  // namespace tarn::engine::sinks
