#include "delta/deletion_vector.h"

#include <zlib.h>

#include <array>
#include <cstring>
#include <map>
#include <roaring/roaring.hh>

#include "base/ids.h"
#include "base/io_error.h"
#include "storage/path.h"

namespace tarn::delta {
namespace {

constexpr uint32_t kPortableMagic = 1681511377, kNativeMagic = 1681511376;
constexpr char kZ85[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

[[noreturn]] void damaged(const std::string& source, const std::string& why) {
  throw IoError(IoError::Kind::kOther, "the deletion vector is damaged", source, why);
}

template <class T>
T little(std::string_view& in, const std::string& source) {
  if (in.size() < sizeof(T)) damaged(source, "it ends early");
  T v;
  std::memcpy(&v, in.data(), sizeof v);  // all supported machines are little-endian
  in.remove_prefix(sizeof v);
  return v;
}

uint32_t big32(std::string_view in) {
  auto b = [&](int i) { return static_cast<uint32_t>(static_cast<unsigned char>(in[i])); };
  return b(0) << 24 | b(1) << 16 | b(2) << 8 | b(3);
}
std::string big32_bytes(uint32_t v) {
  return {static_cast<char>(v >> 24), static_cast<char>(v >> 16), static_cast<char>(v >> 8), static_cast<char>(v)};
}

// The bitmap at the start of `in`, which must not take more than `in` has; `used` = its bytes.
Roaring read_bitmap(std::string_view in, size_t& used, const std::string& source) {
  used = roaring_bitmap_portable_deserialize_size(in.data(), in.size());
  if (used == 0 || used > in.size()) damaged(source, "a bitmap cannot be read");
  roaring_bitmap_t* r = roaring_bitmap_portable_deserialize_safe(in.data(), in.size());
  if (!r) damaged(source, "a bitmap cannot be read");
  return Roaring(r);
}

}  // namespace

struct RowSet::Impl {
  std::map<uint32_t, Roaring> buckets;  // by the upper 32 bits
};

RowSet::RowSet() : impl_(std::make_unique<Impl>()) {}
RowSet::~RowSet() = default;
RowSet::RowSet(RowSet&&) noexcept = default;
RowSet& RowSet::operator=(RowSet&&) noexcept = default;

bool RowSet::contains(uint64_t row) const {
  auto it = impl_->buckets.find(static_cast<uint32_t>(row >> 32));
  return it != impl_->buckets.end() && it->second.contains(static_cast<uint32_t>(row));
}

bool RowSet::intersects(uint64_t begin, uint64_t end) const {
  for (uint64_t at = begin; at < end;) {
    uint64_t bucket_end = std::min(end, ((at >> 32) + 1) << 32);
    auto it = impl_->buckets.find(static_cast<uint32_t>(at >> 32));
    if (it != impl_->buckets.end()) {
      uint64_t low = static_cast<uint32_t>(at), high = low + (bucket_end - at);
      const auto& r = it->second;
      uint64_t upto = r.rank(static_cast<uint32_t>(high - 1)), before = low == 0 ? 0 : r.rank(static_cast<uint32_t>(low - 1));
      if (upto > before) return true;
    }
    at = bucket_end;
  }
  return false;
}

void RowSet::add(uint64_t row) { impl_->buckets[static_cast<uint32_t>(row >> 32)].add(static_cast<uint32_t>(row)); }

void RowSet::merge(const RowSet& other) {
  for (const auto& [key, bitmap] : other.impl_->buckets) impl_->buckets[key] |= bitmap;
}

void RowSet::subtract(const RowSet& other) {
  for (const auto& [key, bitmap] : other.impl_->buckets) {
    auto it = impl_->buckets.find(key);
    if (it != impl_->buckets.end()) it->second -= bitmap;
  }
}

uint64_t RowSet::count() const {
  uint64_t n = 0;
  for (const auto& [key, bitmap] : impl_->buckets) n += bitmap.cardinality();
  return n;
}

std::string RowSet::serialize() const {
  std::string out;
  auto put = [&](const void* p, size_t n) { out.append(static_cast<const char*>(p), n); };
  uint32_t magic = kPortableMagic;
  int64_t buckets = static_cast<int64_t>(impl_->buckets.size());
  put(&magic, 4);
  put(&buckets, 8);
  for (const auto& [key, bitmap] : impl_->buckets) {
    put(&key, 4);
    Roaring packed = bitmap;
    packed.runOptimize();
    std::string bytes(packed.getSizeInBytes(true), '\0');
    packed.write(bytes.data(), true);
    out += bytes;
  }
  return out;
}

RowSet RowSet::deserialize(std::string_view in, const std::string& source) {
  RowSet out;
  auto magic = little<uint32_t>(in, source);
  if (magic == kPortableMagic) {
    auto count = little<int64_t>(in, source);
    if (count < 0 || count > INT32_MAX) damaged(source, "its number of bitmaps is not possible");
    for (int64_t i = 0; i < count; ++i) {
      auto key = little<uint32_t>(in, source);
      size_t used = 0;
      out.impl_->buckets[key] = read_bitmap(in, used, source);
      in.remove_prefix(used);
    }
  } else if (magic == kNativeMagic) {
    auto count = little<int32_t>(in, source);
    if (count < 0) damaged(source, "its number of bitmaps is not possible");
    for (int32_t i = 0; i < count; ++i) {
      auto length = little<int32_t>(in, source);
      if (length < 0 || static_cast<size_t>(length) > in.size()) damaged(source, "a bitmap is longer than the vector");
      size_t used = 0;
      out.impl_->buckets[static_cast<uint32_t>(i)] = read_bitmap(in.substr(0, static_cast<size_t>(length)), used, source);
      in.remove_prefix(static_cast<size_t>(length));
    }
  } else {
    damaged(source, "unknown magic number " + std::to_string(magic));
  }
  return out;
}

std::string z85_encode(std::string_view bytes) {
  std::string out;
  for (size_t i = 0; i + 4 <= bytes.size(); i += 4) {
    uint32_t v = big32(bytes.substr(i, 4));
    char five[5];
    for (int k = 4; k >= 0; --k) {
      five[k] = kZ85[v % 85];
      v /= 85;
    }
    out.append(five, 5);
  }
  return out;
}

std::string z85_decode(std::string_view text) {
  static const std::array<int8_t, 256> kValue = [] {
    std::array<int8_t, 256> t{};
    t.fill(-1);
    for (int i = 0; i < 85; ++i) t[static_cast<unsigned char>(kZ85[i])] = static_cast<int8_t>(i);
    return t;
  }();
  if (text.size() % 5 != 0) damaged(std::string(text), "its Z85 text has a wrong length");
  std::string out;
  for (size_t i = 0; i < text.size(); i += 5) {
    uint64_t v = 0;
    for (size_t k = 0; k < 5; ++k) {
      int digit = kValue[static_cast<unsigned char>(text[i + k])];
      if (digit < 0) damaged(std::string(text), "its Z85 text has a foreign character");
      v = v * 85 + static_cast<uint64_t>(digit);
    }
    if (v > UINT32_MAX) damaged(std::string(text), "its Z85 text overflows");
    out += big32_bytes(static_cast<uint32_t>(v));
  }
  return out;
}

std::string deletion_vector_path(const std::string& table_path, const DeletionVectorDescriptor& d) {
  if (d.storage_type == "p") return storage::normalize(storage::uri_decode(d.path_or_inline_dv));
  if (d.storage_type != "u") return {};
  if (d.path_or_inline_dv.size() < 20) damaged(d.path_or_inline_dv, "its name is too short");
  std::string prefix = d.path_or_inline_dv.substr(0, d.path_or_inline_dv.size() - 20);
  std::string raw = z85_decode(std::string_view(d.path_or_inline_dv).substr(prefix.size()));
  static constexpr char kHex[] = "0123456789abcdef";
  std::string uuid;
  for (size_t i = 0; i < raw.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) uuid += '-';
    auto u = static_cast<unsigned char>(raw[i]);
    uuid += kHex[u >> 4];
    uuid += kHex[u & 15];
  }
  std::string name = "deletion_vector_" + uuid + ".bin";
  return storage::join(table_path, prefix.empty() ? name : prefix + "/" + name);
}

RowSet read_deletion_vector(const std::string& table_path, const DeletionVectorDescriptor& d) {
  std::string source = d.storage_type == "i" ? "inline" : deletion_vector_path(table_path, d);
  RowSet rows;
  if (d.storage_type == "i") {
    std::string bytes = z85_decode(d.path_or_inline_dv);
    if (d.size_in_bytes < 0 || static_cast<size_t>(d.size_in_bytes) > bytes.size()) damaged(source, "it is shorter than it says");
    bytes.resize(static_cast<size_t>(d.size_in_bytes));
    rows = RowSet::deserialize(bytes, source);
  } else if (d.storage_type == "u" || d.storage_type == "p") {
    if (d.size_in_bytes < 0 || d.offset.value_or(0) < 0) damaged(source, "its size or offset is negative");
    auto& store = storage::store_for(source);
    if (store.read_range(source, 0, 1) != "\x01") damaged(source, "unknown format version");
    auto size = static_cast<uint32_t>(d.size_in_bytes);
    // Writers before offsets were required put the only vector right after the version byte.
    std::string block = store.read_range(source, static_cast<uint64_t>(d.offset.value_or(1)), uint64_t{size} + 8);
    if (big32(block) != size) damaged(source, "its size is not the one in the log");
    std::string_view data = std::string_view(block).substr(4, size);
    auto crc = crc32(0, reinterpret_cast<const Bytef*>(data.data()), static_cast<uInt>(data.size()));
    if (big32(std::string_view(block).substr(4 + size)) != crc) damaged(source, "its checksum is wrong");
    rows = RowSet::deserialize(data, source);
  } else {
    damaged(d.path_or_inline_dv, "unknown storage type " + d.storage_type);
  }
  if (rows.count() != static_cast<uint64_t>(d.cardinality)) {
    damaged(source, "it has " + std::to_string(rows.count()) + " rows, the log says " + std::to_string(d.cardinality));
  }
  return rows;
}

DeletionVectorDescriptor write_deletion_vector(const std::string& table_path, const RowSet& rows) {
  std::string uuid = random_uuid(), raw;
  auto nibble = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (size_t i = 0; i < uuid.size(); ++i) {
    if (uuid[i] == '-') continue;
    raw += static_cast<char>(nibble(uuid[i]) * 16 + nibble(uuid[i + 1]));
    ++i;
  }
  std::string data = rows.serialize();
  auto crc = crc32(0, reinterpret_cast<const Bytef*>(data.data()), static_cast<uInt>(data.size()));
  std::string file = "\x01" + big32_bytes(static_cast<uint32_t>(data.size())) + data + big32_bytes(static_cast<uint32_t>(crc));
  std::string path = storage::join(table_path, "deletion_vector_" + uuid + ".bin");
  if (!storage::store_for(path).put_if_absent(path, file)) throw IoError(IoError::Kind::kAlreadyExists, "cannot write the deletion vector", path, "");
  DeletionVectorDescriptor d;
  d.storage_type = "u";
  d.path_or_inline_dv = z85_encode(raw);
  d.offset = 1;
  d.size_in_bytes = static_cast<int32_t>(data.size());
  d.cardinality = static_cast<int64_t>(rows.count());
  return d;
}

}  // namespace tarn::delta
