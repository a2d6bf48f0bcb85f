#include "engine/sources/byte_stream.h"

#include <bzlib.h>
#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include <unicode/ucnv.h>

#include "base/io_error.h"
#include "lz4.hpp"
#include "snappy.h"
#include "storage/parallel.h"
#include "storage/path.h"

namespace tarn::engine::sources {
namespace {

constexpr size_t kInput = 256 * 1024;

// Damage is reported by the read after the one that gave the last good bytes.
class DecodingStream : public ByteStream {
 public:
  size_t read(char* out, size_t n) final {
    if (!failure_.empty()) throw StreamError(failure_);
    size_t got = 0;
    try {
      decode(out, n, got);
    } catch (const StreamError& e) {
      if (got == 0) throw;
      failure_ = e.what();
    }
    return got;
  }

 protected:
  // Counts in `got` what it has put at out, also when it throws.
  virtual void decode(char* out, size_t n, size_t& got) = 0;

 private:
  std::string failure_;
};

class FileStream : public ByteStream {
 public:
  explicit FileStream(const std::string& path) : path_(path), fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd_ < 0) throw IoError("cannot open", path);
    ::posix_fadvise(fd_, 0, 0, POSIX_FADV_SEQUENTIAL);
  }
  ~FileStream() override { ::close(fd_); }
  size_t read(char* out, size_t n) override {
    for (;;) {
      ssize_t got = ::read(fd_, out, n);
      if (got >= 0) return static_cast<size_t>(got);
      if (errno != EINTR) throw IoError("cannot read", path_);
    }
  }

 private:
  std::string path_;
  int fd_;
};

// A file of another store; what comes next is on its way while this is decoded.
class StoredStream : public ByteStream {
 public:
  explicit StoredStream(const std::string& path) : reader_(storage::store_for(path).open(path)) {}
  size_t read(char* out, size_t n) override { return reader_.read(out, n); }

 private:
  storage::SequentialReader reader_;
};

// The compressed bytes of the stream below, refilled as they are used up.
class Input {
 public:
  explicit Input(std::unique_ptr<ByteStream> below) : below_(std::move(below)), buffer_(kInput) {}
  // True if there is at least one more byte.
  bool fill() {
    if (at < end) return true;
    at = 0;
    end = below_->read(buffer_.data(), buffer_.size());
    return end > 0;
  }
  char* data() { return buffer_.data() + at; }
  size_t size() const { return end - at; }
  // Exactly n bytes; false if the stream ends before the first.
  bool exactly(char* out, size_t n) {
    size_t got = 0;
    while (got < n) {
      if (!fill()) {
        if (got == 0) return false;
        throw StreamError("unexpected end of the compressed stream");
      }
      size_t take = std::min(n - got, size());
      memcpy(out + got, data(), take);
      at += take;
      got += take;
    }
    return true;
  }
  size_t at = 0, end = 0;

 private:
  std::unique_ptr<ByteStream> below_;
  std::vector<char> buffer_;
};

class ZlibStream : public DecodingStream {
 public:
  ZlibStream(std::unique_ptr<ByteStream> below, bool gzip) : in_(std::move(below)), gzip_(gzip) {
    if (inflateInit2(&z_, gzip ? 15 + 16 : 15) != Z_OK) throw StreamError("cannot start zlib");
  }
  ~ZlibStream() override { inflateEnd(&z_); }
  void decode(char* out, size_t n, size_t& got) override {
    if (done_) return;
    z_.next_out = reinterpret_cast<Bytef*>(out);
    z_.avail_out = static_cast<uInt>(std::min<size_t>(n, 1u << 30));
    size_t wanted = z_.avail_out;
    while (z_.avail_out > 0) {
      if (!in_.fill()) {
        if (inside_) throw StreamError("Unexpected end of input stream");
        done_ = true;
        break;
      }
      if (!inside_) {  // the next member of a concatenated file
        if (started_ && (!gzip_ || inflateReset(&z_) != Z_OK)) {
          done_ = true;
          break;
        }
        started_ = inside_ = true;
      }
      z_.next_in = reinterpret_cast<Bytef*>(in_.data());
      z_.avail_in = static_cast<uInt>(in_.size());
      int rc = inflate(&z_, Z_NO_FLUSH);
      in_.at = in_.end - z_.avail_in;
      got = wanted - z_.avail_out;
      if (rc == Z_STREAM_END) {
        inside_ = false;
      } else if (rc != Z_OK && rc != Z_BUF_ERROR) {
        throw StreamError(z_.msg ? z_.msg : "damaged compressed data");
      }
    }
    got = wanted - z_.avail_out;
  }

 private:
  Input in_;
  z_stream z_{};
  bool gzip_, started_ = false, inside_ = false, done_ = false;
};

class Bzip2Stream : public DecodingStream {
 public:
  explicit Bzip2Stream(std::unique_ptr<ByteStream> below) : in_(std::move(below)) {}
  ~Bzip2Stream() override {
    if (inside_) BZ2_bzDecompressEnd(&z_);
  }
  void decode(char* out, size_t n, size_t& got) override {
    if (done_) return;
    n = std::min<size_t>(n, 1u << 30);
    unsigned left = static_cast<unsigned>(n);
    while (left > 0) {
      if (!in_.fill()) {
        if (inside_) throw StreamError("Unexpected end of input stream");
        done_ = true;
        break;
      }
      if (!inside_) {
        z_ = {};
        if (BZ2_bzDecompressInit(&z_, 0, 0) != BZ_OK) throw StreamError("cannot start bzip2");
        inside_ = true;
      }
      z_.next_in = in_.data();
      z_.avail_in = static_cast<unsigned>(in_.size());
      z_.next_out = out + (n - left);
      z_.avail_out = left;
      int rc = BZ2_bzDecompress(&z_);
      in_.at = in_.end - z_.avail_in;
      left = z_.avail_out;
      got = n - left;
      if (rc == BZ_STREAM_END) {
        BZ2_bzDecompressEnd(&z_);
        inside_ = false;
      } else if (rc != BZ_OK) {
        throw StreamError("damaged bzip2 data");
      }
    }
    got = n - left;
  }

 private:
  Input in_;
  bz_stream z_{};
  bool inside_ = false, done_ = false;
};

class ZstdStream : public ByteStream {
 public:
  explicit ZstdStream(std::unique_ptr<ByteStream> below) : in_(std::move(below)), z_(ZSTD_createDStream()) {}
  ~ZstdStream() override { ZSTD_freeDStream(z_); }
  size_t read(char* out, size_t n) override {
    ZSTD_outBuffer o{out, n, 0};
    while (o.pos < o.size) {
      if (!in_.fill()) {
        // Output may still be inside the decoder.
        ZSTD_inBuffer none{nullptr, 0, 0};
        size_t before = o.pos, rc = rest_ ? ZSTD_decompressStream(z_, &o, &none) : 0;
        if (ZSTD_isError(rc)) throw StreamError(ZSTD_getErrorName(rc));
        rest_ = rc;
        if (o.pos == before) {
          if (rest_ != 0 && o.pos == 0) throw StreamError("Unexpected end of input stream");
          break;
        }
        continue;
      }
      ZSTD_inBuffer i{in_.data(), in_.size(), 0};
      rest_ = ZSTD_decompressStream(z_, &o, &i);
      if (ZSTD_isError(rest_)) throw StreamError(ZSTD_getErrorName(rest_));
      in_.at += i.pos;
    }
    return o.pos;
  }

 private:
  Input in_;
  ZSTD_DStream* z_;
  size_t rest_ = 0;  // 0: between frames
};

// Hadoop's BlockCompressorStream: blocks of (big-endian length, chunks of (big-endian compressed length, data)).
class HadoopBlockStream : public ByteStream {
 public:
  HadoopBlockStream(std::unique_ptr<ByteStream> below, bool snappy) : in_(std::move(below)), snappy_(snappy) {}
  size_t read(char* out, size_t n) override {
    while (at_ == block_.size()) {
      if (!next_chunk()) return 0;
    }
    size_t take = std::min(n, block_.size() - at_);
    memcpy(out, block_.data() + at_, take);
    at_ += take;
    return take;
  }

 private:
  bool number(uint32_t& v) {
    unsigned char b[4];
    if (!in_.exactly(reinterpret_cast<char*>(b), 4)) return false;
    v = uint32_t{b[0]} << 24 | uint32_t{b[1]} << 16 | uint32_t{b[2]} << 8 | b[3];
    return true;
  }
  bool next_chunk() {
    if (left_ == 0) {
      uint32_t length;
      if (!number(length)) return false;
      left_ = length;
      block_.clear();
      at_ = 0;
      if (left_ == 0) return true;
    }
    uint32_t size;
    if (!number(size) || size > (256u << 20)) throw StreamError("damaged block header");
    std::vector<char> raw(size);
    if (size && !in_.exactly(raw.data(), size)) throw StreamError("Unexpected end of input stream");
    size_t length = 0;
    if (snappy_) {
      if (!duckdb_snappy::GetUncompressedLength(raw.data(), raw.size(), &length) || length > left_) throw StreamError("damaged snappy block");
      block_.resize(length);
      if (!duckdb_snappy::RawUncompress(raw.data(), raw.size(), block_.data())) throw StreamError("damaged snappy block");
    } else {
      block_.resize(left_);
      int got = duckdb_lz4::LZ4_decompress_safe(raw.data(), block_.data(), static_cast<int>(raw.size()), static_cast<int>(block_.size()));
      if (got < 0) throw StreamError("damaged lz4 block");
      length = static_cast<size_t>(got);
      block_.resize(length);
    }
    left_ -= static_cast<uint32_t>(length);
    at_ = 0;
    return true;
  }

  Input in_;
  bool snappy_;
  std::vector<char> block_;
  size_t at_ = 0;
  uint32_t left_ = 0;  // decompressed bytes of the current block that are still to come
};

class TranscodingStream : public ByteStream {
 public:
  TranscodingStream(std::unique_ptr<ByteStream> below, const std::string& charset) : in_(std::move(below)) {
    UErrorCode status = U_ZERO_ERROR;
    from_ = ucnv_open(charset.c_str(), &status);
    to_ = ucnv_open("UTF-8", &status);
    if (U_FAILURE(status)) throw StreamError("unknown character set " + charset);
    pivot_.resize(16 * 1024);
    source_ = target_ = pivot_.data();
  }
  ~TranscodingStream() override {
    ucnv_close(from_);
    ucnv_close(to_);
  }
  size_t read(char* out, size_t n) override {
    if (n < 16) throw StreamError("buffer too small");
    char* target = out;
    while (target == out && !done_) {
      bool more = in_.fill();
      const char* source = more ? in_.data() : "";
      const char* end = more ? source + in_.size() : source;
      UErrorCode status = U_ZERO_ERROR;
      ucnv_convertEx(to_, from_, &target, out + n, &source, end, pivot_.data(), &source_, &target_, pivot_.data() + pivot_.size(), first_,
                     !more, &status);
      first_ = false;
      if (more) in_.at = in_.end - static_cast<size_t>(end - source);
      if (status == U_BUFFER_OVERFLOW_ERROR) break;
      if (U_FAILURE(status)) throw StreamError(u_errorName(status));
      done_ = !more;
    }
    return static_cast<size_t>(target - out);
  }

 private:
  Input in_;
  UConverter *from_ = nullptr, *to_ = nullptr;
  std::vector<UChar> pivot_;
  UChar *source_, *target_;
  bool first_ = true, done_ = false;
};

// A byte order mark of UTF-8 at the start falls away.
class UnmarkedStream : public ByteStream {
 public:
  explicit UnmarkedStream(std::unique_ptr<ByteStream> below) : below_(std::move(below)) {}
  size_t read(char* out, size_t n) override {
    if (started_) return below_->read(out, n);
    started_ = true;
    size_t got = 0;
    while (got < 3 && got < n) {
      size_t more = below_->read(out + got, n - got);
      if (more == 0) break;
      got += more;
    }
    if (got >= 3 && memcmp(out, "\xEF\xBB\xBF", 3) == 0) {
      got -= 3;
      memmove(out, out + 3, got);
      if (got == 0) return below_->read(out, n);
    }
    return got;
  }

 private:
  std::unique_ptr<ByteStream> below_;
  bool started_ = false;
};

}  // namespace

Compression compression_of(const std::string& path) {
  auto ends = [&](const char* e) { return path.ends_with(e); };
  if (ends(".gz")) return Compression::kGzip;
  if (ends(".deflate")) return Compression::kDeflate;
  if (ends(".bz2")) return Compression::kBzip2;
  if (ends(".zst")) return Compression::kZstd;
  if (ends(".snappy")) return Compression::kSnappy;
  if (ends(".lz4")) return Compression::kLz4;
  return Compression::kNone;
}

std::unique_ptr<ByteStream> open_file(const std::string& path, const std::string& charset, bool keep_mark) {
  std::unique_ptr<ByteStream> s = open_raw(path);
  switch (compression_of(path)) {
    case Compression::kNone: break;
    case Compression::kGzip: s = std::make_unique<ZlibStream>(std::move(s), true); break;
    case Compression::kDeflate: s = std::make_unique<ZlibStream>(std::move(s), false); break;
    case Compression::kBzip2: s = std::make_unique<Bzip2Stream>(std::move(s)); break;
    case Compression::kZstd: s = std::make_unique<ZstdStream>(std::move(s)); break;
    case Compression::kSnappy: s = std::make_unique<HadoopBlockStream>(std::move(s), true); break;
    case Compression::kLz4: s = std::make_unique<HadoopBlockStream>(std::move(s), false); break;
  }
  if (charset != "UTF-8") s = std::make_unique<TranscodingStream>(std::move(s), charset);
  if (!keep_mark) s = std::make_unique<UnmarkedStream>(std::move(s));
  return s;
}

std::unique_ptr<ByteStream> open_raw(const std::string& path) {
  if (storage::scheme_of(path).empty()) return std::make_unique<FileStream>(path);
  return std::make_unique<StoredStream>(path);
}

std::string read_all(ByteStream& stream) {
  std::string out;
  size_t used = 0;
  for (;;) {
    if (out.size() - used < 64 * 1024) out.resize(std::max<size_t>(out.size() * 2, 128 * 1024));
    size_t got = stream.read(out.data() + used, out.size() - used);
    if (got == 0) break;
    used += got;
  }
  out.resize(used);
  return out;
}

}  // namespace tarn::engine::sources
