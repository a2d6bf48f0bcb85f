#pragma once
// The metadata of an ORC file: its tail (PostScript and Footer) and the footers of its stripes. Source: the ORC v1 specification, orc_proto.proto.
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace tarn::storage {
class RandomReader;
}

namespace tarn::engine::orc {

// The bytes are no ORC file, end too early or contradict themselves.
class Damaged : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class Kind : uint8_t {
  kBoolean, kByte, kShort, kInt, kLong, kFloat, kDouble, kString, kBinary, kTimestamp, kList, kMap, kStruct, kUnion, kDecimal, kDate, kVarchar, kChar, kTimestampInstant,
};
enum class Compression : uint8_t { kNone, kZlib, kSnappy, kLzo, kLz4, kZstd, kBrotli };

struct Type {
  Kind kind = Kind::kStruct;
  std::vector<uint32_t> children;  // indices of types
  std::vector<std::string> names;  // of a struct's children
  uint32_t length = 0, precision = 0, scale = 0;
  std::string catalyst;            // Spark's attribute: the type that the column has in Spark
};

struct Stripe {
  uint64_t offset = 0, index_length = 0, data_length = 0, footer_length = 0, rows = 0;
};

struct FileTail {
  Compression compression = Compression::kNone;
  uint64_t block_size = 256 << 10;  // the longest that a compressed block can become
  std::vector<Type> types;          // in pre-order; the first is the struct of the columns. Empty: a file without columns
  std::vector<Stripe> stripes;
  uint64_t rows = 0;
  bool proleptic = false;           // dates before 1582 are of the proleptic Gregorian calendar, not of the Julian
};

enum class StreamKind : uint32_t { kPresent, kData, kLength, kDictionaryData, kDictionaryCount, kSecondary, kRowIndex, kBloomFilter, kBloomFilterUtf8 };
struct Stream {
  StreamKind kind;
  uint32_t column;  // an index of types
  uint64_t offset, length;  // in the file
};
enum class EncodingKind : uint32_t { kDirect, kDictionary, kDirectV2, kDictionaryV2 };
struct Encoding {
  EncodingKind kind = EncodingKind::kDirect;
  uint32_t dictionary_size = 0;
};
struct StripeFooter {
  std::vector<Stream> streams;
  std::vector<Encoding> encodings;  // per type
  std::string zone;                 // of the writer, "" if it did not say
};

// Throws Damaged, IoError of the reader, SparkError for what is not supported (encrypted columns).
FileTail read_file_tail(storage::RandomReader& file);
StripeFooter read_stripe_footer(storage::RandomReader& file, const FileTail& tail, const Stripe& stripe);

}  // namespace tarn::engine::orc
