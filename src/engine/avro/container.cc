#include "engine/avro/container.h"

#include <bzlib.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <random>

#include "base/spark_error.h"
#include "engine/avro/row_reader.h"
#include "engine/avro/row_writer.h"
#include "snappy.h"
#include "storage/object_store.h"

namespace tarn::engine::avro {
namespace {

constexpr const char* kNames[] = {"null", "deflate", "snappy", "bzip2", "xz", "zstandard"};
constexpr std::string_view kMagic("Obj\1", 4);
constexpr size_t kSync = 16;
constexpr uint64_t kWindow = 4 << 20;        // read at once
constexpr uint64_t kLongestBlock = 1u << 30;  // stored, or decompressed

[[noreturn]] void damaged(const char* what) { throw Malformed(std::string("damaged ") + what + " block"); }

// Room for more of a block whose length nobody knows.
void grow(std::string& out) {
  if (out.size() >= kLongestBlock) throw Malformed("a block is too long");
  out.resize(std::max<size_t>(out.size() * 2, 64 << 10));
}

std::string inflate_all(std::string_view in) {
  z_stream z{};
  if (inflateInit2(&z, -15) != Z_OK) damaged("deflate");
  std::unique_ptr<z_stream, int (*)(z_stream*)> end(&z, inflateEnd);
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
  z.avail_in = static_cast<uInt>(in.size());
  std::string out;
  for (int rc = Z_OK; rc != Z_STREAM_END;) {
    if (z.total_out == out.size()) grow(out);
    z.next_out = reinterpret_cast<Bytef*>(out.data() + z.total_out);
    z.avail_out = static_cast<uInt>(out.size() - z.total_out);
    rc = inflate(&z, Z_NO_FLUSH);
    if (rc != Z_STREAM_END && (rc != Z_OK || (z.avail_in == 0 && z.avail_out > 0))) damaged("deflate");
  }
  out.resize(z.total_out);
  return out;
}

std::string deflate_all(std::string_view in, int level) {
  z_stream z{};
  if (deflateInit2(&z, level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) throw internal_error("cannot start zlib");
  std::unique_ptr<z_stream, int (*)(z_stream*)> end(&z, deflateEnd);
  std::string out(deflateBound(&z, in.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
  z.avail_in = static_cast<uInt>(in.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  if (deflate(&z, Z_FINISH) != Z_STREAM_END) throw internal_error("cannot compress by zlib");
  out.resize(z.total_out);
  return out;
}

std::string bunzip_all(std::string_view in) {
  bz_stream z{};
  if (BZ2_bzDecompressInit(&z, 0, 0) != BZ_OK) damaged("bzip2");
  std::unique_ptr<bz_stream, int (*)(bz_stream*)> end(&z, BZ2_bzDecompressEnd);
  z.next_in = const_cast<char*>(in.data());
  z.avail_in = static_cast<unsigned>(in.size());
  std::string out;
  size_t got = 0;
  for (int rc = BZ_OK; rc != BZ_STREAM_END;) {
    if (got == out.size()) grow(out);
    z.next_out = out.data() + got;
    z.avail_out = static_cast<unsigned>(out.size() - got);
    rc = BZ2_bzDecompress(&z);
    got = out.size() - z.avail_out;
    if (rc != BZ_STREAM_END && (rc != BZ_OK || (z.avail_in == 0 && z.avail_out > 0))) damaged("bzip2");
  }
  out.resize(got);
  return out;
}

std::string bzip_all(std::string_view in) {
  std::string out(in.size() + in.size() / 100 + 600, '\0');
  auto n = static_cast<unsigned>(out.size());
  if (BZ2_bzBuffToBuffCompress(out.data(), &n, const_cast<char*>(in.data()), static_cast<unsigned>(in.size()), 9, 0, 0) != BZ_OK) throw internal_error("cannot compress by bzip2");
  out.resize(n);
  return out;
}

std::string xz(std::string_view in, bool compress, int level) {
  lzma_stream z = LZMA_STREAM_INIT;
  const lzma_ret started = compress ? lzma_easy_encoder(&z, static_cast<uint32_t>(level), LZMA_CHECK_CRC64) : lzma_stream_decoder(&z, UINT64_C(1) << 30, 0);
  if (started != LZMA_OK) throw internal_error("cannot start xz");
  std::unique_ptr<lzma_stream, void (*)(lzma_stream*)> end(&z, lzma_end);
  z.next_in = reinterpret_cast<const uint8_t*>(in.data());
  z.avail_in = in.size();
  std::string out;
  for (lzma_ret rc = LZMA_OK; rc != LZMA_STREAM_END;) {
    if (z.total_out == out.size()) grow(out);
    z.next_out = reinterpret_cast<uint8_t*>(out.data() + z.total_out);
    z.avail_out = out.size() - z.total_out;
    rc = lzma_code(&z, LZMA_FINISH);
    if (rc != LZMA_STREAM_END && rc != LZMA_OK) damaged("xz");
  }
  out.resize(z.total_out);
  return out;
}

std::string unzstd_all(std::string_view in) {
  std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> z(ZSTD_createDStream(), ZSTD_freeDStream);
  ZSTD_inBuffer from{in.data(), in.size(), 0};
  std::string out;
  size_t got = 0;
  for (;;) {
    if (got == out.size()) grow(out);
    ZSTD_outBuffer to{out.data(), out.size(), got};
    const size_t rc = ZSTD_decompressStream(z.get(), &to, &from);
    got = to.pos;
    if (ZSTD_isError(rc) || (rc > 0 && from.pos == from.size && to.pos < to.size)) damaged("zstandard");
    if (rc == 0) break;
  }
  out.resize(got);
  return out;
}

std::string zstd_all(std::string_view in, int level) {
  std::string out(ZSTD_compressBound(in.size()), '\0');
  const size_t n = ZSTD_compress(out.data(), out.size(), in.data(), in.size(), level);
  if (ZSTD_isError(n)) throw internal_error("cannot compress by zstandard");
  out.resize(n);
  return out;
}

uint32_t crc(std::string_view s) { return static_cast<uint32_t>(crc32(crc32(0, nullptr, 0), reinterpret_cast<const Bytef*>(s.data()), static_cast<uInt>(s.size()))); }

std::string unsnappy_all(std::string_view in) {
  if (in.size() < 4) damaged("snappy");
  const std::string_view body = in.substr(0, in.size() - 4);
  size_t n = 0;
  if (!duckdb_snappy::GetUncompressedLength(body.data(), body.size(), &n) || n > kLongestBlock) damaged("snappy");
  std::string out(n, '\0');
  if (!duckdb_snappy::RawUncompress(body.data(), body.size(), out.data())) damaged("snappy");
  uint32_t sum = 0;
  for (char c : in.substr(body.size())) sum = sum << 8 | static_cast<uint8_t>(c);
  if (sum != crc(out)) throw Malformed("a snappy block has the wrong checksum");
  return out;
}

std::string snappy_all(std::string_view in) {
  std::string out(duckdb_snappy::MaxCompressedLength(in.size()), '\0');
  size_t n = 0;
  duckdb_snappy::RawCompress(in.data(), in.size(), out.data(), &n);
  out.resize(n);
  for (uint32_t sum = crc(in), shift = 32; shift > 0; shift -= 8) out += static_cast<char>(sum >> (shift - 8));
  return out;
}

}  // namespace

const char* codec_name(Codec codec) { return kNames[static_cast<int>(codec)]; }

std::string compress_block(std::string_view bytes, Codec codec, int level) {
  switch (codec) {
    case Codec::kNull: break;
    case Codec::kDeflate: return deflate_all(bytes, level);
    case Codec::kSnappy: return snappy_all(bytes);
    case Codec::kBzip2: return bzip_all(bytes);
    case Codec::kXz: return xz(bytes, true, level);
    case Codec::kZstandard: return zstd_all(bytes, level);
  }
  return std::string(bytes);
}

std::string decompress_block(std::string_view stored, Codec codec) {
  switch (codec) {
    case Codec::kNull: break;
    case Codec::kDeflate: return inflate_all(stored);
    case Codec::kSnappy: return unsnappy_all(stored);
    case Codec::kBzip2: return bunzip_all(stored);
    case Codec::kXz: return xz(stored, false, 0);
    case Codec::kZstandard: return unzstd_all(stored);
  }
  return std::string(stored);
}

Header read_header(storage::RandomReader& file) {
  const uint64_t size = file.info().size;
  // Most headers are short; a long one is read again, twice as far each time.
  for (uint64_t guess = 64 << 10;; guess *= 4) {
    std::string bytes(std::min(size, guess), '\0');
    file.read(0, bytes.data(), bytes.size());
    if (!std::string_view(bytes).starts_with(kMagic)) throw Malformed("Not an Avro data file.");
    Decoder in(std::string_view(bytes).substr(kMagic.size()));
    Header h;
    try {
      while (uint64_t n = in.block()) {
        for (; n > 0; --n) {
          std::string key(in.bytes());
          h.metadata[key] = in.bytes();
        }
      }
      h.sync = in.take(kSync);
    } catch (const Malformed&) {
      if (bytes.size() < size && guess < (256u << 20)) continue;
      throw;
    }
    h.length = bytes.size() - in.left();
    auto schema = h.metadata.find("avro.schema"), codec = h.metadata.find("avro.codec");
    if (schema == h.metadata.end()) throw Malformed("an Avro file has no schema");
    h.schema = schema->second;
    if (codec != h.metadata.end()) {
      auto it = std::find(std::begin(kNames), std::end(kNames), codec->second);
      if (it == std::end(kNames)) throw SparkError::Plain(ErrorKind::kSpark, "Unrecognized codec: " + codec->second);
      h.codec = static_cast<Codec>(it - std::begin(kNames));
    }
    return h;
  }
}

BlockReader::BlockReader(storage::RandomReader& file, const Header& header, uint64_t from, uint64_t to) : file_(file), header_(header), to_(to) {
  if (header.length - kSync >= from) at_ = header.length;  // after the header's own mark
  else done_ = !find_mark(from);
}

// n bytes of the file, out of a window that moves on. What reaches past the end of the file is cut.
std::string_view BlockReader::bytes(uint64_t at, size_t n) {
  if (at < window_at_ || at + n > window_at_ + window_.size()) {
    const uint64_t size = file_.info().size;
    if (at > size) throw Malformed("a block lies outside its file");
    // Near the end of the split only what is left of it, and the block that reaches beyond.
    const uint64_t rest = to_ > at ? to_ - at + kSync : 0;
    window_.resize(std::min(size - at, std::max<uint64_t>(n, std::min(kWindow, std::max<uint64_t>(rest, 128 << 10)))));
    window_at_ = at;
    file_.read(at, window_.data(), window_.size());
  }
  return std::string_view(window_).substr(at - window_at_, n);
}

bool BlockReader::find_mark(uint64_t from) {
  const uint64_t size = file_.info().size;
  while (from + kSync <= size && from < to_) {
    const std::string_view part = bytes(from, static_cast<size_t>(std::min(kWindow, size - from)));
    const size_t found = part.find(header_.sync);
    if (found != std::string_view::npos) {
      at_ = from + found + kSync;
      return true;
    }
    from += part.size() - (kSync - 1);
    if (part.size() < kSync) break;
  }
  return false;
}

bool BlockReader::next(std::string_view& records, uint64_t& count) {
  const uint64_t size = file_.info().size;
  if (done_ || at_ - kSync >= to_ || at_ >= size) return false;
  const std::string_view head = bytes(at_, static_cast<size_t>(std::min<uint64_t>(20, size - at_)));
  Decoder in(head);
  const int64_t n = in.number(), length = in.number();
  if (n < 0 || length < 0 || static_cast<uint64_t>(length) > kLongestBlock) throw Malformed("a block has no length");
  const uint64_t start = at_ + head.size() - in.left();
  if (start + static_cast<uint64_t>(length) + kSync > size) throw Malformed("the file ends within a block");
  const std::string_view stored = bytes(start, static_cast<size_t>(length) + kSync);
  if (stored.substr(static_cast<size_t>(length)) != header_.sync) throw Malformed("Invalid sync!");
  at_ = start + static_cast<uint64_t>(length) + kSync;
  records_ = decompress_block(stored.substr(0, static_cast<size_t>(length)), header_.codec);
  records = records_;
  count = static_cast<uint64_t>(n);
  return true;
}

BlockWriter::BlockWriter(std::string_view schema, Codec codec, int level, const std::map<std::string, std::string>& metadata, Output out)
    : codec_(codec), level_(level), out_(std::move(out)) {
  std::random_device random;
  for (size_t i = 0; i < kSync; ++i) sync_ += static_cast<char>(random());
  std::string header(kMagic);
  put_number(static_cast<int64_t>(metadata.size() + 2), header);
  put_bytes("avro.schema", header);
  put_bytes(schema, header);
  put_bytes("avro.codec", header);
  put_bytes(codec_name(codec), header);
  for (const auto& [key, value] : metadata) {
    put_bytes(key, header);
    put_bytes(value, header);
  }
  put_number(0, header);
  out_(header + sync_);
}

void BlockWriter::flush() {
  if (count_ == 0) return;
  const std::string stored = compress_block(records_, codec_, level_);
  std::string head;
  put_number(static_cast<int64_t>(count_), head);
  put_number(static_cast<int64_t>(stored.size()), head);
  out_(head);
  out_(stored);
  out_(sync_);
  records_.clear();
  count_ = 0;
}

}  // namespace tarn::engine::avro
