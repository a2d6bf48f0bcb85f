#include "engine/kernels/variant.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "duckdb.hpp"
#include "duckdb/common/types/blob.hpp"
#include "engine/datetime_parse.h"
#include "engine/kernels/json_value.h"
#include "plan/expression_text.h"

namespace tarn::engine::kernels {

namespace {

enum Primitive { kNull = 0, kTrue, kFalse, kInt1, kInt2, kInt4, kInt8, kDouble, kDecimal4, kDecimal8, kDecimal16, kDate, kTimestamp, kTimestampNtz, kFloat, kBinary, kLongString, kUuid = 20 };
constexpr int kPrimitive = 0, kShortString = 1, kObject = 2, kArray = 3;

int width_of(size_t v) { return v <= 0xFF ? 1 : v <= 0xFFFF ? 2 : v <= 0xFFFFFF ? 3 : 4; }
void put_number(std::string& out, size_t v, int width) {
  for (int i = 0; i < width; ++i) out += static_cast<char>(v >> (8 * i));
}

int digits(unsigned __int128 v) {
  int n = 0;
  do ++n, v /= 10;
  while (v);
  return n;
}

std::string decimal_text(__int128 unscaled, int scale) {
  unsigned __int128 v = unscaled < 0 ? -static_cast<unsigned __int128>(unscaled) : static_cast<unsigned __int128>(unscaled);
  std::string s;
  do s += static_cast<char>('0' + static_cast<int>(v % 10)), v /= 10;
  while (v);
  while (static_cast<int>(s.size()) <= scale) s += '0';
  std::reverse(s.begin(), s.end());
  if (scale > 0) s.insert(s.size() - static_cast<size_t>(scale), ".");
  return (unscaled < 0 ? "-" : "") + s;
}

}  // namespace

// ---------------------------------------------------------------------------------------------------------------- writing

void VariantBuilder::null() { head(kNull); }
void VariantBuilder::boolean(bool v) { head(v ? kTrue : kFalse); }
void VariantBuilder::integer(int64_t v) {
  if (v == static_cast<int8_t>(v)) head(kInt1), put(static_cast<int8_t>(v));
  else if (v == static_cast<int16_t>(v)) head(kInt2), put(static_cast<int16_t>(v));
  else if (v == static_cast<int32_t>(v)) head(kInt4), put(static_cast<int32_t>(v));
  else head(kInt8), put(v);
}
void VariantBuilder::real(double v) { head(kDouble), put(v); }
void VariantBuilder::single(float v) { head(kFloat), put(v); }
void VariantBuilder::decimal(__int128 u, int scale) {
  const int precision = digits(u < 0 ? -static_cast<unsigned __int128>(u) : static_cast<unsigned __int128>(u));
  const bool four = scale <= 9 && precision <= 9, eight = scale <= 18 && precision <= 18;
  head(four ? kDecimal4 : eight ? kDecimal8 : kDecimal16);
  value_ += static_cast<char>(scale);
  if (four) put(static_cast<int32_t>(u));
  else if (eight) put(static_cast<int64_t>(u));
  else put(u);
}
void VariantBuilder::date(int32_t v) { head(kDate), put(v); }
void VariantBuilder::timestamp(int64_t v) { head(kTimestamp), put(v); }
void VariantBuilder::timestamp_ntz(int64_t v) { head(kTimestampNtz), put(v); }
void VariantBuilder::binary(std::string_view v) {
  head(kBinary), put(static_cast<uint32_t>(v.size()));
  value_ += v;
}
void VariantBuilder::string(std::string_view v) {
  if (v.size() < 64) value_ += static_cast<char>(v.size() << 2 | kShortString);
  else head(kLongString), put(static_cast<uint32_t>(v.size()));
  value_ += v;
}

void VariantBuilder::json_number(const std::string& text) {
  const bool whole = text.find_first_not_of("-0123456789") == std::string::npos;
  if (whole) {
    errno = 0;
    char* end = nullptr;
    long long v = std::strtoll(text.c_str(), &end, 10);
    if (errno == 0 && end == text.c_str() + text.size()) {
      integer(v);
      return;
    }
  }
  if (text.find_first_not_of("-.0123456789") == std::string::npos) {
    __int128 unscaled = 0;
    int scale = 0, count = 0;
    bool point = false, fits = true;
    for (char c : text) {
      if (c == '-') continue;
      if (c == '.') {
        point = true;
        continue;
      }
      if (count > 0 || c != '0') ++count;
      if (count > 38) {
        fits = false;
        break;
      }
      unscaled = unscaled * 10 + (c - '0');
      scale += point;
    }
    if (fits && scale <= 38) {
      decimal(text[0] == '-' ? -unscaled : unscaled, scale);
      return;
    }
  }
  real(std::strtod(text.c_str(), nullptr));
}

uint32_t VariantBuilder::key(std::string_view name) {
  // Objects have few different keys; the first ones repeat most.
  for (size_t i = 0; i < keys_.size(); ++i)
    if (keys_[i] == name) return static_cast<uint32_t>(i);
  keys_.emplace_back(name);
  return static_cast<uint32_t>(keys_.size() - 1);
}

void VariantBuilder::finish_object(size_t start, std::vector<Field> fields) {
  std::stable_sort(fields.begin(), fields.end(), [](const Field& a, const Field& b) { return a.key < b.key; });
  size_t largest = 0;
  for (size_t i = 0; i < fields.size(); ++i) {
    largest = std::max<size_t>(largest, fields[i].id);
    if (i && fields[i].key == fields[i - 1].key) throw DuplicateVariantKey{fields[i].key};
  }
  const size_t data = value_.size() - start;
  const bool large = fields.size() > 255;
  const int id_width = width_of(largest), offset_width = width_of(data);
  std::string head_bytes;
  head_bytes += static_cast<char>(((large ? 1 : 0) << 4 | (id_width - 1) << 2 | (offset_width - 1)) << 2 | kObject);
  put_number(head_bytes, fields.size(), large ? 4 : 1);
  for (const auto& f : fields) put_number(head_bytes, f.id, id_width);
  for (const auto& f : fields) put_number(head_bytes, f.offset, offset_width);
  put_number(head_bytes, data, offset_width);
  value_.insert(start, head_bytes);
}

void VariantBuilder::finish_array(size_t start, const std::vector<size_t>& offsets) {
  const size_t data = value_.size() - start;
  const bool large = offsets.size() > 255;
  const int offset_width = width_of(data);
  std::string head_bytes;
  head_bytes += static_cast<char>(((large ? 1 : 0) << 2 | (offset_width - 1)) << 2 | kArray);
  put_number(head_bytes, offsets.size(), large ? 4 : 1);
  for (size_t o : offsets) put_number(head_bytes, o, offset_width);
  put_number(head_bytes, data, offset_width);
  value_.insert(start, head_bytes);
}

std::string VariantBuilder::metadata() const {
  size_t bytes = 0;
  for (const auto& k : keys_) bytes += k.size();
  const int width = width_of(std::max(bytes, keys_.size()));
  std::string out;
  out += static_cast<char>(1 | (width - 1) << 6);
  put_number(out, keys_.size(), width);
  size_t at = 0;
  for (const auto& k : keys_) {
    put_number(out, at, width);
    at += k.size();
  }
  put_number(out, at, width);
  for (const auto& k : keys_) out += k;
  return out;
}

// ---------------------------------------------------------------------------------------------------------------- reading

Variant::Variant(std::string_view value, std::string_view metadata) : value_(value), metadata_(metadata) {
  if (value_.empty() || metadata_.empty() || (metadata_[0] & 0x0F) != 1) throw MalformedVariant{};
}

uint32_t Variant::number(std::string_view in, size_t at, int width) const {
  if (at + static_cast<size_t>(width) > in.size()) throw MalformedVariant{};
  uint32_t v = 0;
  for (int i = 0; i < width; ++i) v |= static_cast<uint32_t>(static_cast<unsigned char>(in[at + static_cast<size_t>(i)])) << (8 * i);
  return v;
}

VariantType Variant::type() const {
  const int info = static_cast<unsigned char>(value_[0]) >> 2;
  switch (value_[0] & 3) {
    case kShortString: return VariantType::kString;
    case kObject: return VariantType::kObject;
    case kArray: return VariantType::kArray;
    default: break;
  }
  switch (info) {
    case kNull: return VariantType::kNull;
    case kTrue:
    case kFalse: return VariantType::kBoolean;
    case kInt1:
    case kInt2:
    case kInt4:
    case kInt8: return VariantType::kLong;
    case kDouble: return VariantType::kDouble;
    case kDecimal4:
    case kDecimal8:
    case kDecimal16: return VariantType::kDecimal;
    case kDate: return VariantType::kDate;
    case kTimestamp: return VariantType::kTimestamp;
    case kTimestampNtz: return VariantType::kTimestampNtz;
    case kFloat: return VariantType::kFloat;
    case kBinary: return VariantType::kBinary;
    case kLongString: return VariantType::kString;
    case kUuid: return VariantType::kUuid;
    default: throw MalformedVariant{};
  }
}

namespace {
template <class T> T read(std::string_view in, size_t at) {
  if (at + sizeof(T) > in.size()) throw MalformedVariant{};
  T v;
  std::memcpy(&v, in.data() + at, sizeof v);
  return v;
}
}  // namespace

bool Variant::boolean() const { return static_cast<unsigned char>(value_[0]) >> 2 == kTrue; }
int64_t Variant::integer() const {
  switch (static_cast<unsigned char>(value_[0]) >> 2) {
    case kInt1: return read<int8_t>(value_, 1);
    case kInt2: return read<int16_t>(value_, 1);
    case kInt4:
    case kDate: return read<int32_t>(value_, 1);
    default: return read<int64_t>(value_, 1);
  }
}
double Variant::real() const { return read<double>(value_, 1); }
float Variant::single() const { return read<float>(value_, 1); }
std::pair<__int128, int> Variant::decimal() const {
  int scale = read<uint8_t>(value_, 1);
  if (scale > 38) throw MalformedVariant{};
  __int128 v;
  switch (static_cast<unsigned char>(value_[0]) >> 2) {
    case kDecimal4: v = read<int32_t>(value_, 2); break;
    case kDecimal8: v = read<int64_t>(value_, 2); break;
    default: v = read<__int128>(value_, 2);
  }
  while (scale > 0 && v % 10 == 0) v /= 10, --scale;
  return {v, scale};
}
std::string_view Variant::text() const {
  if ((value_[0] & 3) == kShortString) {
    size_t n = static_cast<unsigned char>(value_[0]) >> 2;
    if (value_.size() < 1 + n) throw MalformedVariant{};
    return value_.substr(1, n);
  }
  uint32_t n = number(value_, 1, 4);
  if (value_.size() - 5 < n) throw MalformedVariant{};
  return value_.substr(5, n);
}
std::string Variant::uuid() const {
  if (value_.size() < 17) throw MalformedVariant{};
  std::string out;
  for (int i = 0; i < 16; ++i) {
    char hex[3];
    std::snprintf(hex, sizeof hex, "%02x", static_cast<unsigned char>(value_[static_cast<size_t>(1 + i)]));
    out += hex;
    if (i == 3 || i == 5 || i == 7 || i == 9) out += '-';
  }
  return out;
}

Variant::Layout Variant::layout() const {
  const int info = static_cast<unsigned char>(value_[0]) >> 2;
  const bool object = (value_[0] & 3) == kObject;
  Layout l{};
  const bool large = object ? info & 0x10 : info & 4;
  l.offset_width = (info & 3) + 1;
  l.id_width = object ? ((info >> 2) & 3) + 1 : 0;
  l.count = number(value_, 1, large ? 4 : 1);
  l.ids = large ? 5 : 2;
  l.offsets = l.ids + l.count * static_cast<size_t>(l.id_width);
  l.data = l.offsets + (l.count + 1) * static_cast<size_t>(l.offset_width);
  if (l.data > value_.size()) throw MalformedVariant{};
  return l;
}

size_t Variant::size() const { return layout().count; }
Variant Variant::element(size_t i) const {
  Layout l = layout();
  size_t at = l.data + number(value_, l.offsets + i * static_cast<size_t>(l.offset_width), l.offset_width);
  if (at >= value_.size()) throw MalformedVariant{};
  return {value_.substr(at), metadata_};
}
std::string_view Variant::key_of(uint32_t id) const {
  const int width = (static_cast<unsigned char>(metadata_[0]) >> 6) + 1;
  const uint32_t count = number(metadata_, 1, width);
  if (id >= count) throw MalformedVariant{};
  const size_t offsets = 1 + static_cast<size_t>(width), strings = offsets + (static_cast<size_t>(count) + 1) * static_cast<size_t>(width);
  const uint32_t begin = number(metadata_, offsets + id * static_cast<size_t>(width), width);
  const uint32_t end = number(metadata_, offsets + (id + 1) * static_cast<size_t>(width), width);
  if (end < begin || strings + end > metadata_.size()) throw MalformedVariant{};
  return metadata_.substr(strings + begin, end - begin);
}
std::pair<std::string_view, Variant> Variant::field(size_t i) const {
  Layout l = layout();
  return {key_of(number(value_, l.ids + i * static_cast<size_t>(l.id_width), l.id_width)), element(i)};
}
std::optional<Variant> Variant::field(std::string_view key) const {
  Layout l = layout();
  // Fields are sorted by name; few fields are searched one by one all the same.
  for (size_t i = 0; i < l.count; ++i)
    if (key_of(number(value_, l.ids + i * static_cast<size_t>(l.id_width), l.id_width)) == key) return element(i);
  return std::nullopt;
}

void Variant::append_json(std::string& out, const TimeZone& zone) const {
  auto quoted_time = [&](int64_t micros, bool zoned) {
    int64_t seconds = micros / 1000000 - (micros % 1000000 < 0 ? 1 : 0);
    int64_t offset = zoned ? zone.offset_at(seconds) : 0;
    std::string text;
    append_timestamp(micros + offset * 1000000, text);
    if (zoned) {
      char o[8];
      int64_t m = std::abs(offset) / 60;
      std::snprintf(o, sizeof o, "%c%02d:%02d", offset < 0 ? '-' : '+', static_cast<int>(m / 60), static_cast<int>(m % 60));
      text += o;
    }
    out += '"' + text + '"';
  };
  switch (type()) {
    case VariantType::kNull: out += "null"; return;
    case VariantType::kBoolean: out += boolean() ? "true" : "false"; return;
    case VariantType::kLong: out += std::to_string(integer()); return;
    case VariantType::kDouble:
    case VariantType::kFloat: {
      const bool f = type() == VariantType::kFloat;
      std::string text = f ? plan::java_float(single()) : plan::java_double(real());
      out += std::isfinite(f ? static_cast<double>(single()) : real()) ? text : '"' + text + '"';
      return;
    }
    case VariantType::kDecimal: {
      auto [u, scale] = decimal();
      out += decimal_text(u, scale);
      return;
    }
    case VariantType::kString: append_json_string(text(), out); return;
    case VariantType::kBinary: {
      auto bytes = text();
      out += '"' + duckdb::Blob::ToBase64(duckdb::string_t(bytes.data(), static_cast<uint32_t>(bytes.size()))) + '"';
      return;
    }
    case VariantType::kDate: {
      std::string text;
      append_date(static_cast<int32_t>(integer()), text);
      out += '"' + text + '"';
      return;
    }
    case VariantType::kTimestamp: quoted_time(integer(), true); return;
    case VariantType::kTimestampNtz: quoted_time(integer(), false); return;
    case VariantType::kUuid: out += '"' + uuid() + '"'; return;
    case VariantType::kArray:
      out += '[';
      for (size_t i = 0, n = size(); i < n; ++i) {
        if (i) out += ',';
        element(i).append_json(out, zone);
      }
      out += ']';
      return;
    case VariantType::kObject:
      out += '{';
      for (size_t i = 0, n = size(); i < n; ++i) {
        if (i) out += ',';
        auto [key, value] = field(i);
        append_json_string(key, out);
        out += ':';
        value.append_json(out, zone);
      }
      out += '}';
      return;
  }
}

void Variant::copy_to(VariantBuilder& out) const {
  switch (type()) {
    case VariantType::kNull: out.null(); return;
    case VariantType::kBoolean: out.boolean(boolean()); return;
    case VariantType::kLong: out.integer(integer()); return;
    case VariantType::kDouble: out.real(real()); return;
    case VariantType::kFloat: out.single(single()); return;
    case VariantType::kDecimal: {
      auto [u, scale] = decimal();
      out.decimal(u, scale);
      return;
    }
    case VariantType::kString: out.string(text()); return;
    case VariantType::kBinary: out.binary(text()); return;
    case VariantType::kDate: out.date(static_cast<int32_t>(integer())); return;
    case VariantType::kTimestamp: out.timestamp(integer()); return;
    case VariantType::kTimestampNtz: out.timestamp_ntz(integer()); return;
    case VariantType::kUuid: out.string(uuid()); return;
    case VariantType::kArray: {
      size_t start = out.at();
      std::vector<size_t> offsets;
      for (size_t i = 0, n = size(); i < n; ++i) {
        offsets.push_back(out.at() - start);
        element(i).copy_to(out);
      }
      out.finish_array(start, offsets);
      return;
    }
    case VariantType::kObject: {
      size_t start = out.at();
      std::vector<VariantBuilder::Field> fields;
      for (size_t i = 0, n = size(); i < n; ++i) {
        auto [key, value] = field(i);
        fields.push_back({std::string(key), out.key(key), out.at() - start});
        value.copy_to(out);
      }
      out.finish_object(start, std::move(fields));
      return;
    }
  }
}

// ------------------------------------------------------------------------------------------------------------------ paths

std::optional<std::vector<VariantStep>> parse_variant_path(std::string_view p) {
  if (p.empty() || p[0] != '$') return std::nullopt;
  std::vector<VariantStep> out;
  for (size_t i = 1; i < p.size();) {
    if (p[i] == '.') {
      size_t end = i + 1;
      while (end < p.size() && p[end] != '.' && p[end] != '[') ++end;
      if (end == i + 1) return std::nullopt;
      out.push_back({std::string(p.substr(i + 1, end - i - 1)), -1});
      i = end;
    } else if (p[i] == '[' && i + 1 < p.size() && (p[i + 1] == '\'' || p[i + 1] == '"')) {
      size_t end = p.find(p[i + 1], i + 2);
      if (end == std::string_view::npos || end == i + 2 || end + 1 >= p.size() || p[end + 1] != ']') return std::nullopt;
      out.push_back({std::string(p.substr(i + 2, end - i - 2)), -1});
      i = end + 2;
    } else if (p[i] == '[') {
      size_t end = p.find(']', i);
      std::string number(end == std::string_view::npos ? std::string_view() : p.substr(i + 1, end - i - 1));
      if (number.empty() || number.size() > 9 || number.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
      out.push_back({"", std::stoll(number)});
      i = end + 1;
    } else {
      return std::nullopt;
    }
  }
  return out;
}

std::optional<Variant> follow(Variant v, const std::vector<VariantStep>& path) {
  for (const auto& step : path) {
    if (step.index >= 0) {
      if (v.type() != VariantType::kArray || static_cast<size_t>(step.index) >= v.size()) return std::nullopt;
      v = v.element(static_cast<size_t>(step.index));
    } else {
      if (v.type() != VariantType::kObject) return std::nullopt;
      auto next = v.field(step.key);
      if (!next) return std::nullopt;
      v = *next;
    }
  }
  return v;
}

}  // namespace tarn::engine::kernels
