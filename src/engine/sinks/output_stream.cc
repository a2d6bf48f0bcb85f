#include "engine/sinks/output_stream.h"

#include <bzlib.h>
#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <vector>

#include <unicode/ucnv.h>

#include "base/io_error.h"
#include "base/spark_error.h"
#include "engine/sources/options.h"
#include "engine/storage_bridge.h"
#include "lz4.hpp"
#include "snappy.h"

namespace tarn::engine::sinks {
namespace {

class FileOutput : public OutputStream {
 public:
  explicit FileOutput(const std::string& path) : path_(path), fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)) {
    if (fd_ < 0) throw IoError("cannot create", path);
  }
  ~FileOutput() override {
    if (fd_ >= 0) ::close(fd_);
  }
  void write(std::string_view b) override {
    buffer_ += b;
    if (buffer_.size() >= (1 << 20)) flush();
  }
  void close() override {
    flush();
    if (::fsync(fd_) != 0) throw IoError("cannot write", path_);
    int rc = ::close(fd_);
    fd_ = -1;
    if (rc != 0) throw IoError("cannot write", path_);
  }

 private:
  void flush() {
    size_t at = 0;
    while (at < buffer_.size()) {
      ssize_t n = ::write(fd_, buffer_.data() + at, buffer_.size() - at);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw IoError("cannot write", path_);
      at += static_cast<size_t>(n);
    }
    buffer_.clear();
  }
  std::string path_, buffer_;
  int fd_;
};

class StagedOutput : public OutputStream {
 public:
  explicit StagedOutput(const std::string& path) : file_(open_staged(path)) {}
  void write(std::string_view b) override { file_->write(b); }
  void close() override { file_->publish(); }

 private:
  std::unique_ptr<storage::FileWriter> file_;
};

class Filter : public OutputStream {
 public:
  explicit Filter(std::unique_ptr<OutputStream> below) : below_(std::move(below)), out_(1 << 18) {}

 protected:
  std::unique_ptr<OutputStream> below_;
  std::vector<char> out_;
};

[[noreturn]] void failed(const char* what) { throw IoError(IoError::Kind::kOther, "cannot compress", "", what); }

class ZlibOutput : public Filter {
 public:
  ZlibOutput(std::unique_ptr<OutputStream> below, bool gzip) : Filter(std::move(below)) {
    if (deflateInit2(&z_, Z_DEFAULT_COMPRESSION, Z_DEFLATED, gzip ? 15 + 16 : 15, 8, Z_DEFAULT_STRATEGY) != Z_OK) failed("zlib");
  }
  ~ZlibOutput() override { deflateEnd(&z_); }
  void write(std::string_view b) override { run(b, Z_NO_FLUSH); }
  void close() override {
    run({}, Z_FINISH);
    below_->close();
  }

 private:
  void run(std::string_view b, int flush) {
    z_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(b.data()));
    z_.avail_in = static_cast<uInt>(b.size());
    do {
      z_.next_out = reinterpret_cast<Bytef*>(out_.data());
      z_.avail_out = static_cast<uInt>(out_.size());
      deflate(&z_, flush);
      below_->write({out_.data(), out_.size() - z_.avail_out});
    } while (z_.avail_out == 0);
  }
  z_stream z_{};
};

class Bzip2Output : public Filter {
 public:
  explicit Bzip2Output(std::unique_ptr<OutputStream> below) : Filter(std::move(below)) {
    if (BZ2_bzCompressInit(&z_, 9, 0, 0) != BZ_OK) failed("bzip2");
  }
  ~Bzip2Output() override { BZ2_bzCompressEnd(&z_); }
  void write(std::string_view b) override {
    z_.next_in = const_cast<char*>(b.data());
    z_.avail_in = static_cast<unsigned>(b.size());
    while (z_.avail_in > 0) step(BZ_RUN);
  }
  void close() override {
    z_.avail_in = 0;
    while (step(BZ_FINISH) != BZ_STREAM_END) {
    }
    below_->close();
  }

 private:
  int step(int action) {
    z_.next_out = out_.data();
    z_.avail_out = static_cast<unsigned>(out_.size());
    int rc = BZ2_bzCompress(&z_, action);
    if (rc < 0) failed("bzip2");
    below_->write({out_.data(), out_.size() - z_.avail_out});
    return rc;
  }
  bz_stream z_{};
};

class ZstdOutput : public Filter {
 public:
  explicit ZstdOutput(std::unique_ptr<OutputStream> below) : Filter(std::move(below)), z_(ZSTD_createCStream()) {
    ZSTD_CCtx_setParameter(z_, ZSTD_c_compressionLevel, 3);
  }
  ~ZstdOutput() override { ZSTD_freeCStream(z_); }
  void write(std::string_view b) override {
    ZSTD_inBuffer in{b.data(), b.size(), 0};
    while (in.pos < in.size) step(in, ZSTD_e_continue);
  }
  void close() override {
    ZSTD_inBuffer in{nullptr, 0, 0};
    while (step(in, ZSTD_e_end) != 0) {
    }
    below_->close();
  }

 private:
  size_t step(ZSTD_inBuffer& in, ZSTD_EndDirective end) {
    ZSTD_outBuffer o{out_.data(), out_.size(), 0};
    size_t rc = ZSTD_compressStream2(z_, &o, &in, end);
    if (ZSTD_isError(rc)) failed(ZSTD_getErrorName(rc));
    below_->write({out_.data(), o.pos});
    return rc;
  }
  ZSTD_CStream* z_;
};

// Hadoop's BlockCompressorStream.
class HadoopBlockOutput : public Filter {
 public:
  HadoopBlockOutput(std::unique_ptr<OutputStream> below, bool snappy) : Filter(std::move(below)), snappy_(snappy) {}
  void write(std::string_view b) override {
    block_ += b;
    while (block_.size() >= kBlock) {
      emit(std::string_view(block_).substr(0, kBlock));
      block_.erase(0, kBlock);
    }
  }
  void close() override {
    if (!block_.empty()) emit(block_);
    below_->close();
  }

 private:
  static constexpr size_t kBlock = 200 * 1024;
  void number(size_t n) {
    char b[4] = {static_cast<char>(n >> 24), static_cast<char>(n >> 16), static_cast<char>(n >> 8), static_cast<char>(n)};
    below_->write({b, 4});
  }
  void emit(std::string_view b) {
    std::vector<char> out(b.size() + b.size() / 6 + 64);
    size_t n = out.size();
    if (snappy_) {
      duckdb_snappy::RawCompress(b.data(), b.size(), out.data(), &n);
    } else {
      int got = duckdb_lz4::LZ4_compress_default(b.data(), out.data(), static_cast<int>(b.size()), static_cast<int>(out.size()));
      if (got <= 0) failed("lz4");
      n = static_cast<size_t>(got);
    }
    number(b.size());
    number(n);
    below_->write({out.data(), n});
  }
  bool snappy_;
  std::string block_;
};

// Characters that the set lacks become '?', as in Java.
class TranscodingOutput : public Filter {
 public:
  TranscodingOutput(std::unique_ptr<OutputStream> below, const std::string& charset) : Filter(std::move(below)) {
    UErrorCode status = U_ZERO_ERROR;
    from_ = ucnv_open("UTF-8", &status);
    to_ = ucnv_open(charset.c_str(), &status);
    if (U_SUCCESS(status) && (charset == "ISO-8859-1" || charset == "US-ASCII")) ucnv_setSubstChars(to_, "?", 1, &status);
    if (U_FAILURE(status)) failed(u_errorName(status));
    pivot_.resize(16 * 1024);
    source_ = target_ = pivot_.data();
  }
  ~TranscodingOutput() override {
    ucnv_close(from_);
    ucnv_close(to_);
  }
  void write(std::string_view b) override { run(b, false); }
  void close() override {
    run({}, true);
    below_->close();
  }

 private:
  void run(std::string_view b, bool last) {
    const char* source = b.data() ? b.data() : "";
    const char* end = source + b.size();
    UErrorCode status;
    do {
      status = U_ZERO_ERROR;
      char* target = out_.data();
      ucnv_convertEx(to_, from_, &target, out_.data() + out_.size(), &source, end, pivot_.data(), &source_, &target_,
                     pivot_.data() + pivot_.size(), first_, last, &status);
      first_ = false;
      below_->write({out_.data(), static_cast<size_t>(target - out_.data())});
    } while (status == U_BUFFER_OVERFLOW_ERROR);
    if (U_FAILURE(status)) failed(u_errorName(status));
  }
  UConverter *from_ = nullptr, *to_ = nullptr;
  std::vector<UChar> pivot_;
  UChar *source_, *target_;
  bool first_ = true;
};

}  // namespace

Codec codec_of(const std::string& name) {
  std::string n = sources::lower(name);
  if (n == "none" || n == "uncompressed") return Codec::kNone;
  if (n == "gzip" || n == "org.apache.hadoop.io.compress.gzipcodec") return Codec::kGzip;
  if (n == "deflate" || n == "org.apache.hadoop.io.compress.deflatecodec") return Codec::kDeflate;
  if (n == "bzip2" || n == "org.apache.hadoop.io.compress.bzip2codec") return Codec::kBzip2;
  if (n == "zstd" || n == "org.apache.hadoop.io.compress.zstandardcodec") return Codec::kZstd;
  if (n == "snappy" || n == "org.apache.hadoop.io.compress.snappycodec") return Codec::kSnappy;
  if (n == "lz4" || n == "org.apache.hadoop.io.compress.lz4codec") return Codec::kLz4;
  throw SparkError(ErrorKind::kIllegalArgument, "CODEC_NOT_AVAILABLE.WITH_AVAILABLE_CODECS_SUGGESTION",
                   {{"codecName", name}, {"availableCodecs", "bzip2, deflate, uncompressed, snappy, none, lz4, gzip, zstd"}});
}

const char* codec_extension(Codec codec) {
  switch (codec) {
    case Codec::kNone: return "";
    case Codec::kGzip: return ".gz";
    case Codec::kDeflate: return ".deflate";
    case Codec::kBzip2: return ".bz2";
    case Codec::kZstd: return ".zst";
    case Codec::kSnappy: return ".snappy";
    default: return ".lz4";
  }
}

std::unique_ptr<OutputStream> create_file(const std::string& path, Codec codec, const std::string& charset) {
  std::unique_ptr<OutputStream> s;
  if (is_staged(path)) s = std::make_unique<StagedOutput>(path);
  else s = std::make_unique<FileOutput>(path);
  switch (codec) {
    case Codec::kNone: break;
    case Codec::kGzip: s = std::make_unique<ZlibOutput>(std::move(s), true); break;
    case Codec::kDeflate: s = std::make_unique<ZlibOutput>(std::move(s), false); break;
    case Codec::kBzip2: s = std::make_unique<Bzip2Output>(std::move(s)); break;
    case Codec::kZstd: s = std::make_unique<ZstdOutput>(std::move(s)); break;
    case Codec::kSnappy: s = std::make_unique<HadoopBlockOutput>(std::move(s), true); break;
    case Codec::kLz4: s = std::make_unique<HadoopBlockOutput>(std::move(s), false); break;
  }
  if (charset != "UTF-8") s = std::make_unique<TranscodingOutput>(std::move(s), charset);
  return s;
}

}  // namespace tarn::engine::sinks
