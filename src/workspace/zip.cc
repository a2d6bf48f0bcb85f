#include "workspace/zip.h"

#include <zlib.h>

#include <algorithm>
#include <cstdint>

#include "base/encoding.h"
#include "http/rest_error.h"

namespace tarn::workspace {
namespace {

http::RestError damaged() { return http::invalid_parameter("The archive is damaged."); }

// Little-endian numbers at an offset; throws beyond the end.
uint32_t number(std::string_view s, size_t at, int bytes) {
  if (at + static_cast<size_t>(bytes) > s.size()) throw damaged();
  uint32_t v = 0;
  for (int i = 0; i < bytes; ++i) v |= static_cast<uint32_t>(static_cast<unsigned char>(s[at + static_cast<size_t>(i)])) << (8 * i);
  return v;
}

void put(std::string& out, uint32_t v, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(v >> (8 * i));
}

uint32_t checksum(std::string_view s) { return static_cast<uint32_t>(::crc32(0, reinterpret_cast<const Bytef*>(s.data()), static_cast<uInt>(s.size()))); }

// Raw deflate in both directions.
std::string inflate(std::string_view in, size_t size) {
  std::string out(size + 1, '\0');
  z_stream z{};
  if (inflateInit2(&z, -MAX_WBITS) != Z_OK) throw damaged();
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
  z.avail_in = static_cast<uInt>(in.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  int rc = ::inflate(&z, Z_FINISH);
  size_t n = z.total_out;
  inflateEnd(&z);
  if (rc != Z_STREAM_END || n != size) throw damaged();
  out.resize(size);
  return out;
}

std::string deflate(std::string_view in) {
  z_stream z{};
  deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&z, in.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
  z.avail_in = static_cast<uInt>(in.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  ::deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

bool stays_inside(const std::string& name) {
  if (name.empty() || name[0] == '/' || name.find('\\') != std::string::npos || name.find('\0') != std::string::npos || !is_utf8(name)) return false;
  for (size_t at = 0; at <= name.size();) {
    size_t end = std::min(name.find('/', at), name.size());
    std::string_view part = std::string_view(name).substr(at, end - at);
    if (part == ".." || part == "." || (part.empty() && end != name.size())) return false;
    at = end + 1;
  }
  return true;
}

}  // namespace

std::vector<ZipEntry> read_zip(std::string_view bytes, size_t max_bytes) {
  constexpr size_t kEnd = 22;
  if (bytes.size() < kEnd) throw damaged();
  size_t end = bytes.size() - kEnd, lowest = end > 65536 ? end - 65536 : 0;
  while (number(bytes, end, 4) != 0x06054b50) {
    if (end == lowest) throw damaged();
    --end;
  }
  size_t count = number(bytes, end + 10, 2), at = number(bytes, end + 16, 4), total = 0;
  std::vector<ZipEntry> out;
  for (size_t i = 0; i < count; ++i) {
    if (number(bytes, at, 4) != 0x02014b50) throw damaged();
    uint32_t flags = number(bytes, at + 8, 2), method = number(bytes, at + 10, 2), crc = number(bytes, at + 16, 4);
    size_t packed = number(bytes, at + 20, 4), size = number(bytes, at + 24, 4), name_length = number(bytes, at + 28, 2);
    size_t extra = number(bytes, at + 30, 2), comment = number(bytes, at + 32, 2), head = number(bytes, at + 42, 4);
    if (flags & 1) throw http::invalid_parameter("The archive is encrypted.");
    if (at + 46 + name_length > bytes.size()) throw damaged();
    ZipEntry e{std::string(bytes.substr(at + 46, name_length)), ""};
    at += 46 + name_length + extra + comment;
    if (!stays_inside(e.name)) throw http::invalid_parameter("The archive has an entry that would leave its folder.");
    total += size;
    if (total > max_bytes) throw http::RestError(400, "MAX_NOTEBOOK_SIZE_EXCEEDED", "The archive unpacks to more than is allowed.");
    if (number(bytes, head, 4) != 0x04034b50) throw damaged();
    size_t data = head + 30 + number(bytes, head + 26, 2) + number(bytes, head + 28, 2);
    if (data > bytes.size() || packed > bytes.size() - data) throw damaged();
    std::string_view content = bytes.substr(data, packed);
    if (method == 0) e.content = std::string(content);
    else if (method == 8) e.content = inflate(content, size);
    else throw http::invalid_parameter("The archive uses an unknown compression.");
    if (e.content.size() != size || checksum(e.content) != crc) throw damaged();
    out.push_back(std::move(e));
  }
  return out;
}

std::string write_zip(const std::vector<ZipEntry>& entries) {
  std::string out, directory;
  for (const auto& e : entries) {
    std::string packed = deflate(e.content);
    auto common = [&](std::string& to) {
      put(to, 20, 2);
      put(to, 0x0800, 2);  // names are UTF-8
      put(to, 8, 2);
      put(to, 0, 2);
      put(to, 0x21, 2);    // 1980-01-01: the same folder gives the same bytes
      put(to, checksum(e.content), 4);
      put(to, static_cast<uint32_t>(packed.size()), 4);
      put(to, static_cast<uint32_t>(e.content.size()), 4);
      put(to, static_cast<uint32_t>(e.name.size()), 2);
      put(to, 0, 2);
    };
    put(directory, 0x02014b50, 4);
    put(directory, 20, 2);
    common(directory);
    put(directory, 0, 2);
    put(directory, 0, 2);
    put(directory, 0, 2);
    put(directory, 0, 4);
    put(directory, static_cast<uint32_t>(out.size()), 4);
    directory += e.name;
    put(out, 0x04034b50, 4);
    common(out);
    out += e.name + packed;
  }
  size_t start = out.size();
  out += directory;
  put(out, 0x06054b50, 4);
  put(out, 0, 4);
  put(out, static_cast<uint32_t>(entries.size()), 2);
  put(out, static_cast<uint32_t>(entries.size()), 2);
  put(out, static_cast<uint32_t>(directory.size()), 4);
  put(out, static_cast<uint32_t>(start), 4);
  put(out, 0, 2);
  return out;
}

}  // namespace tarn::workspace
