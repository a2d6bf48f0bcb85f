// hash (Murmur3, seed 42) and xxhash64 as Spark computes them over typed values, and digests.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <memory>

#include <openssl/evp.h>
#include <zlib.h>

#include "engine/kernels/murmur3.h"
#include "engine/kernels/kernel.h"
#include "engine/kernels/kernel_error.h"
#include "engine/kernels/value_text.h"

namespace tarn::engine::kernels {
namespace {

using plan::DataType;
using plan::TypeId;

struct XxHash64 {
  using State = uint64_t;
  static constexpr uint64_t p1 = 0x9E3779B185EBCA87u, p2 = 0xC2B2AE3D27D4EB4Fu, p3 = 0x165667B19E3779F9u, p4 = 0x85EBCA77C2B2AE63u, p5 = 0x27D4EB2F165667C5u;
  static uint64_t finish(uint64_t h) {
    h ^= h >> 33;
    h *= p2;
    h ^= h >> 29;
    h *= p3;
    return h ^ (h >> 32);
  }
  static State of_int(int32_t v, State seed) {
    uint64_t h = seed + p5 + 4;
    h ^= static_cast<uint64_t>(static_cast<uint32_t>(v)) * p1;
    return finish(std::rotl(h, 23) * p2 + p3);
  }
  static State of_long(int64_t v, State seed) {
    uint64_t h = seed + p5 + 8;
    h ^= std::rotl(static_cast<uint64_t>(v) * p2, 31) * p1;
    return finish(std::rotl(h, 27) * p1 + p4);
  }
  static State of_bytes(std::string_view s, State seed) {
    const char* p = s.data();
    const char* end = p + s.size();
    auto word = [](const char* q) { uint64_t w; std::memcpy(&w, q, 8); return w; };
    uint64_t h;
    if (s.size() >= 32) {
      uint64_t v[4] = {seed + p1 + p2, seed + p2, seed, seed - p1};
      for (; p + 32 <= end; p += 32)
        for (int i = 0; i < 4; ++i) v[i] = std::rotl(v[i] + word(p + 8 * i) * p2, 31) * p1;
      h = std::rotl(v[0], 1) + std::rotl(v[1], 7) + std::rotl(v[2], 12) + std::rotl(v[3], 18);
      for (uint64_t x : v) h = (h ^ (std::rotl(x * p2, 31) * p1)) * p1 + p4;
    } else {
      h = seed + p5;
    }
    h += s.size();
    for (; p + 8 <= end; p += 8) h = std::rotl(h ^ (std::rotl(word(p) * p2, 31) * p1), 27) * p1 + p4;
    if (p + 4 <= end) {
      uint32_t w;
      std::memcpy(&w, p, 4);
      h = std::rotl(h ^ (static_cast<uint64_t>(w) * p1), 23) * p2 + p3;
      p += 4;
    }
    for (; p < end; ++p) h = std::rotl(h ^ (static_cast<uint64_t>(static_cast<unsigned char>(*p)) * p5), 11) * p1;
    return finish(h);
  }
};

// BigInteger.toByteArray: the shortest big-endian two's complement form.
std::string big_integer(__int128 v) {
  std::string out;
  for (int i = 15; i >= 0; --i) out += static_cast<char>(static_cast<unsigned char>(v >> (8 * i)));
  size_t skip = 0;
  while (skip < 15) {
    auto a = static_cast<unsigned char>(out[skip]), b = static_cast<unsigned char>(out[skip + 1]);
    if ((a == 0 && b < 0x80) || (a == 0xff && b >= 0x80)) ++skip;
    else break;
  }
  return out.substr(skip);
}

template <class H> typename H::State hash_value(const DataType& t, const duckdb::RecursiveUnifiedVectorFormat& d, duckdb::idx_t row, typename H::State seed) {
  if (is_null(d, row)) return seed;
  switch (t.id()) {
    case TypeId::kNull: return seed;
    case TypeId::kBoolean: return H::of_int(value<bool>(d, row), seed);
    case TypeId::kByte: return H::of_int(value<int8_t>(d, row), seed);
    case TypeId::kShort: return H::of_int(value<int16_t>(d, row), seed);
    case TypeId::kInt: case TypeId::kDate: case TypeId::kYearMonthInterval: return H::of_int(value<int32_t>(d, row), seed);
    case TypeId::kLong: case TypeId::kTimestamp: case TypeId::kTimestampNtz: case TypeId::kTime: case TypeId::kDayTimeInterval: return H::of_long(value<int64_t>(d, row), seed);
    case TypeId::kFloat: {
      float v = value<float>(d, row);
      if (v == 0) v = 0;
      if (std::isnan(v)) return H::of_int(0x7fc00000, seed);
      return H::of_int(std::bit_cast<int32_t>(v), seed);
    }
    case TypeId::kDouble: {
      double v = value<double>(d, row);
      if (v == 0) v = 0;
      if (std::isnan(v)) return H::of_long(0x7ff8000000000000, seed);
      return H::of_long(std::bit_cast<int64_t>(v), seed);
    }
    case TypeId::kDecimal: {
      __int128 v = decimal_value(d, row);
      return t.precision() <= 18 ? H::of_long(static_cast<int64_t>(v), seed) : H::of_bytes(big_integer(v), seed);
    }
    case TypeId::kString: case TypeId::kChar: case TypeId::kVarchar: case TypeId::kBinary: {
      const auto& s = value<duckdb::string_t>(d, row);
      return H::of_bytes({s.GetData(), s.GetSize()}, seed);
    }
    case TypeId::kCalendarInterval: {
      const auto& i = value<duckdb::interval_t>(d, row);
      return H::of_int(i.months, H::of_int(i.days, H::of_long(i.micros, seed)));
    }
    case TypeId::kArray: {
      const auto& e = value<duckdb::list_entry_t>(d, row);
      for (duckdb::idx_t i = 0; i < e.length; ++i) seed = hash_value<H>(t.element(), d.children[0], e.offset + i, seed);
      return seed;
    }
    case TypeId::kMap: {
      const auto& e = value<duckdb::list_entry_t>(d, row);
      const auto& entry = d.children[0];
      for (duckdb::idx_t i = 0; i < e.length; ++i) {
        auto r = at(entry, e.offset + i);
        seed = hash_value<H>(t.key(), entry.children[0], r, seed);
        seed = hash_value<H>(t.value(), entry.children[1], r, seed);
      }
      return seed;
    }
    case TypeId::kStruct: {
      auto r = at(d, row);
      for (size_t i = 0; i < t.fields().size(); ++i) seed = hash_value<H>(t.fields()[i].type(), d.children[i], r, seed);
      return seed;
    }
    case TypeId::kUdt: return hash_value<H>(t.sql_type(), d, row, seed);
    default: return seed;
  }
}

// Adds a column to the hashes of its rows; nulls add nothing.
template <class H> void hash_column(const DataType& t, const duckdb::RecursiveUnifiedVectorFormat& d, duckdb::idx_t rows, typename H::State* hashes) {
  auto plain = [&]<class T>(T, auto of) {
    const auto* data = duckdb::UnifiedVectorFormat::GetData<T>(d.unified);
    for (duckdb::idx_t i = 0; i < rows; ++i) {
      const auto r = at(d, i);
      if (d.unified.validity.RowIsValid(r)) hashes[i] = of(data[r], hashes[i]);
    }
  };
  switch (t.id()) {
    case TypeId::kInt: case TypeId::kDate: case TypeId::kYearMonthInterval: return plain(int32_t{}, H::of_int);
    case TypeId::kLong: case TypeId::kTimestamp: case TypeId::kTimestampNtz: case TypeId::kTime: case TypeId::kDayTimeInterval: return plain(int64_t{}, H::of_long);
    case TypeId::kString: case TypeId::kChar: case TypeId::kVarchar: case TypeId::kBinary:
      return plain(duckdb::string_t{}, [](const duckdb::string_t& s, typename H::State seed) { return H::of_bytes({s.GetData(), s.GetSize()}, seed); });
    default:
      for (duckdb::idx_t i = 0; i < rows; ++i) hashes[i] = hash_value<H>(t, d, i, hashes[i]);
  }
}

// (seed, [type JSON, …], value, …)
template <class H, class R> void hasher(Kernels& k, const char* name) {
  duckdb::ScalarFunction s(name, {duckdb::LogicalType::INTEGER, duckdb::LogicalType::LIST(duckdb::LogicalType::VARCHAR)}, TypeOf<R>::logical(),
                           [](duckdb::DataChunk& in, duckdb::ExpressionState&, duckdb::Vector& result) {
                             duckdb::Value types = in.data[1].GetValue(0);
                             const auto& list = duckdb::ListValue::GetChildren(types);
                             const auto seed = static_cast<typename H::State>(in.data[0].GetValue(0).template GetValue<int32_t>());
                             std::vector<typename H::State> hashes(in.size(), seed);
                             for (size_t a = 0; a < list.size(); ++a) {
                               duckdb::RecursiveUnifiedVectorFormat d;
                               duckdb::Vector::RecursiveToUnifiedFormat(in.data[a + 2], in.size(), d);
                               hash_column<H>(type_of_json(list[a].template GetValue<std::string>()), d, in.size(), hashes.data());
                             }
                             result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
                             auto* out = duckdb::FlatVector::GetData<R>(result);
                             for (duckdb::idx_t i = 0; i < in.size(); ++i) out[i] = static_cast<R>(hashes[i]);
                           });
  s.SetVarArgs(duckdb::LogicalType::ANY);
  s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  k.add(std::move(s));
}

// (type JSON, value): xxhash64 with Spark's seed; null has none.
void value_hasher(Kernels& k) {
  duckdb::ScalarFunction s("spark_value_hash", {duckdb::LogicalType::VARCHAR, duckdb::LogicalType::ANY}, duckdb::LogicalType::BIGINT,
                           [](duckdb::DataChunk& in, duckdb::ExpressionState&, duckdb::Vector& result) {
                             auto& values = in.data[1];
                             const bool constant = values.GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR;
                             const duckdb::idx_t rows = constant ? 1 : in.size();
                             duckdb::RecursiveUnifiedVectorFormat d;
                             duckdb::Vector::RecursiveToUnifiedFormat(values, rows, d);
                             result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
                             auto* out = reinterpret_cast<uint64_t*>(duckdb::FlatVector::GetData<int64_t>(result));
                             std::fill_n(out, rows, uint64_t{42});
                             hash_column<XxHash64>(type_of_json(in.data[0].GetValue(0).GetValue<std::string>()), d, rows, out);
                             if (!d.unified.validity.AllValid()) {
                               auto& valid = duckdb::FlatVector::Validity(result);
                               for (duckdb::idx_t i = 0; i < rows; ++i) valid.Set(i, !is_null(d, i));
                             }
                             if (constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
                           });
  s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  k.add(std::move(s));
}

std::string digest(const EVP_MD* md, std::string_view s) {
  unsigned char buffer[EVP_MAX_MD_SIZE];
  unsigned int n = 0;
  // A context that stays on one algorithm skips looking it up, which costs more than hashing a short text.
  struct Context {
    const EVP_MD* md = nullptr;
    std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context{EVP_MD_CTX_new(), EVP_MD_CTX_free};
  };
  static thread_local Context kept;
  EVP_DigestInit_ex(kept.context.get(), kept.md == md ? nullptr : md, nullptr);
  kept.md = md;
  EVP_DigestUpdate(kept.context.get(), s.data(), s.size());
  EVP_DigestFinal_ex(kept.context.get(), buffer, &n);
  static const char* d = "0123456789abcdef";
  std::string out;
  out.reserve(2 * n);
  for (unsigned int i = 0; i < n; ++i) {
    out += d[buffer[i] >> 4];
    out += d[buffer[i] & 15];
  }
  return out;
}

}  // namespace

void register_hashes(Kernels& k) {
  hasher<Murmur3, int32_t>(k, "spark_hash");
  hasher<XxHash64, int64_t>(k, "spark_xxhash64");
  value_hasher(k);
  k.scalar<Text(Bytes)>("spark_md5", [](std::string_view s) { return digest(EVP_md5(), s); });
  k.scalar<Text(Bytes)>("spark_sha1", [](std::string_view s) { return digest(EVP_sha1(), s); });
  k.scalar<Text(Bytes, int32_t)>("spark_sha2", [](std::string_view s, int32_t bits) -> std::optional<std::string> {
    switch (bits) {
      case 224: return digest(EVP_sha224(), s);
      case 0: case 256: return digest(EVP_sha256(), s);
      case 384: return digest(EVP_sha384(), s);
      case 512: return digest(EVP_sha512(), s);
      default: return {};
    }
  });
  k.scalar<int64_t(Bytes)>("spark_crc32", [](std::string_view s) { return static_cast<int64_t>(crc32(0, reinterpret_cast<const Bytef*>(s.data()), static_cast<uInt>(s.size()))); });
}

}  // namespace tarn::engine::kernels
