#pragma once
// VARIANT in its binary form: a value and the dictionary of its keys. Source: the Parquet variant encoding as Spark's VariantBuilder writes it.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/time_zone.h"

namespace tarn::engine::kernels {

// Malformed bytes; callers raise MALFORMED_VARIANT.
struct MalformedVariant {};
// The same key twice in an object; callers raise VARIANT_DUPLICATE_KEY.
struct DuplicateVariantKey { std::string key; };

// Writes one value. Objects and arrays: note at() before each member, then finish with these places.
class VariantBuilder {
 public:
  struct Field { std::string key; uint32_t id; size_t offset; };

  void null();
  void boolean(bool v);
  void integer(int64_t v);              // as few bytes as it needs
  void real(double v);
  void single(float v);
  void decimal(__int128 unscaled, int scale);
  void date(int32_t days);
  void timestamp(int64_t micros);
  void timestamp_ntz(int64_t micros);
  void binary(std::string_view v);
  void string(std::string_view v);
  // A JSON number as written: a long, a decimal, or else a double.
  void json_number(const std::string& text);

  size_t at() const { return value_.size(); }
  uint32_t key(std::string_view name);  // its number in the dictionary
  void finish_object(size_t start, std::vector<Field> fields);      // throws DuplicateVariantKey
  void finish_array(size_t start, const std::vector<size_t>& offsets);

  std::string value() const { return value_; }
  std::string metadata() const;

 private:
  void head(int info) { value_ += static_cast<char>(info << 2); }
  template <class T> void put(T v) { value_.append(reinterpret_cast<const char*>(&v), sizeof v); }
  std::string value_;
  std::vector<std::string> keys_;
};

enum class VariantType : uint8_t { kNull, kBoolean, kLong, kDouble, kDecimal, kFloat, kString, kBinary, kDate, kTimestamp, kTimestampNtz, kUuid, kArray, kObject };

// Reads a value inside its bytes; all members throw MalformedVariant.
class Variant {
 public:
  Variant(std::string_view value, std::string_view metadata);

  VariantType type() const;
  bool boolean() const;
  int64_t integer() const;      // long, date, timestamps
  double real() const;
  float single() const;
  std::pair<__int128, int> decimal() const;   // unscaled, scale; trailing zeros removed
  std::string_view text() const;              // string, binary
  std::string uuid() const;

  size_t size() const;                        // of an array or object
  Variant element(size_t i) const;
  std::pair<std::string_view, Variant> field(size_t i) const;
  std::optional<Variant> field(std::string_view key) const;

  // Compact JSON; timestamps in the zone.
  void append_json(std::string& out, const TimeZone& zone) const;
  // The same value with a dictionary of its own.
  void copy_to(VariantBuilder& out) const;
  // As schema_of_variant writes it is made of this.
  std::string_view bytes() const { return value_; }

 private:
  std::string_view key_of(uint32_t id) const;
  uint32_t number(std::string_view in, size_t at, int width) const;
  struct Layout { size_t count, ids, offsets, data; int id_width, offset_width; };
  Layout layout() const;
  std::string_view value_, metadata_;
};

// $.a['b'][0]: keys and indices. nullopt if the path cannot be read.
struct VariantStep { std::string key; int64_t index = -1; };  // index -1: a key
std::optional<std::vector<VariantStep>> parse_variant_path(std::string_view path);
// What the path leads to; nothing if it leads nowhere.
std::optional<Variant> follow(Variant v, const std::vector<VariantStep>& path);

}  // namespace tarn::engine::kernels
