#include "engine/orc/column_reader.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "base/spark_error.h"
#include "duckdb/common/types/hugeint.hpp"
#include "duckdb/common/types/vector.hpp"
#include "engine/orc/calendar.h"
#include "engine/orc/input.h"
#include "engine/sources/options.h"
#include "engine/time_zone.h"
#include "plan/types.h"
#include "spark/connect/types.pb.h"
#include "sql/parser.h"

namespace tarn::engine::orc {
namespace {

using duckdb::FlatVector;
using duckdb::hugeint_t;
using duckdb::ListVector;
using duckdb::MapVector;
using duckdb::string_t;
using duckdb::StringVector;
using duckdb::StructVector;
using duckdb::Vector;
using plan::DataType;
using plan::TypeId;

const char* const kNames[] = {"boolean", "tinyint", "smallint", "int", "bigint", "float", "double", "string", "binary", "timestamp", "array", "map", "struct",
                              "uniontype", "decimal", "date", "varchar", "char", "timestamp with local time zone"};

Input input(const StripeSource& s, uint32_t type, StreamKind kind) {
  for (const auto& stream : s.footer.streams)
    if (stream.column == type && stream.kind == kind) return Input(s.bytes(stream), s.tail.compression, s.tail.block_size);
  return {};
}
bool version_2(const StripeSource& s, uint32_t type) { return s.footer.encodings[type].kind >= EncodingKind::kDirectV2; }
bool has_dictionary(const StripeSource& s, uint32_t type) {
  const auto k = s.footer.encodings[type].kind;
  return k == EncodingKind::kDictionary || k == EncodingKind::kDictionaryV2;
}

constexpr int64_t kMicrosPerDay = 86'400'000'000;

// ---- values of the file as values of the wanted type; what does not fit is NULL

using Put = void (*)(Vector&, size_t row, int64_t value, const DataType& to);

template <class T> void put_integer(Vector& out, size_t row, int64_t v, const DataType&) {
  if (v < std::numeric_limits<T>::min() || v > std::numeric_limits<T>::max()) FlatVector::SetNull(out, row, true);
  else FlatVector::GetData<T>(out)[row] = static_cast<T>(v);
}
template <class T> void put_floating(Vector& out, size_t row, int64_t v, const DataType&) { FlatVector::GetData<T>(out)[row] = static_cast<T>(v); }
void put_flag(Vector& out, size_t row, int64_t v, const DataType&) { FlatVector::GetData<bool>(out)[row] = v != 0; }
void put_text(Vector& out, size_t row, int64_t v, const DataType&) { FlatVector::GetData<string_t>(out)[row] = StringVector::AddString(out, std::to_string(v)); }

// Of the same scale as the type.
void put_decimal(Vector& out, size_t row, __int128 v, const DataType& to) {
  __int128 limit = 1;
  for (int i = 0; i < to.precision(); ++i) limit *= 10;
  if (v >= limit || v <= -limit) return FlatVector::SetNull(out, row, true);
  if (to.precision() <= 4) FlatVector::GetData<int16_t>(out)[row] = static_cast<int16_t>(v);
  else if (to.precision() <= 9) FlatVector::GetData<int32_t>(out)[row] = static_cast<int32_t>(v);
  else if (to.precision() <= 18) FlatVector::GetData<int64_t>(out)[row] = static_cast<int64_t>(v);
  else FlatVector::GetData<hugeint_t>(out)[row] = hugeint_t(static_cast<int64_t>(v >> 64), static_cast<uint64_t>(v));
}

// At another scale, rounded half up. nullopt: too long for any decimal.
std::optional<__int128> rescaled(__int128 v, int64_t from, int64_t to) {
  for (; from < to; ++from)
    if (__builtin_mul_overflow(v, static_cast<__int128>(10), &v)) return std::nullopt;
  if (from > to) {
    __int128 unit = 1;
    for (; from > to && unit <= static_cast<__int128>(1) << 120; --from) unit *= 10;
    const __int128 half = unit / 2, rest = v % unit;
    v = v / unit + (rest >= half ? 1 : rest <= -half ? -1 : 0);
  }
  return v;
}
void put_integer_as_decimal(Vector& out, size_t row, int64_t v, const DataType& to) {
  auto d = rescaled(v, 0, to.scale());
  if (d) put_decimal(out, row, *d, to);
  else FlatVector::SetNull(out, row, true);
}

Put put_of(const DataType& to) {
  switch (to.id()) {
    case TypeId::kBoolean: return put_flag;
    case TypeId::kByte: return put_integer<int8_t>;
    case TypeId::kShort: return put_integer<int16_t>;
    case TypeId::kInt:
    case TypeId::kYearMonthInterval: return put_integer<int32_t>;
    case TypeId::kLong:
    case TypeId::kDayTimeInterval:
    case TypeId::kTimestampNtz:
    case TypeId::kTime: return put_integer<int64_t>;
    case TypeId::kFloat: return put_floating<float>;
    case TypeId::kDouble: return put_floating<double>;
    case TypeId::kDecimal: return put_integer_as_decimal;
    case TypeId::kString:
    case TypeId::kChar:
    case TypeId::kVarchar: return put_text;
    default: return nullptr;
  }
}

// ---- readers

class FlagReader : public ColumnReader {
 public:
  FlagReader(const StripeSource& s, uint32_t type, const DataType& to) : ColumnReader(s, type), bits_(input(s, type, StreamKind::kData)), to_(to), put_(put_of(to)) {}
  void values(Vector& out, size_t n, const uint8_t* present, size_t) override {
    for (size_t i = 0; i < n; ++i)
      if (present[i]) put_(out, i, bits_.next(), to_);
  }

 private:
  BitRuns bits_;
  const DataType to_;
  const Put put_;
};

class ByteReader : public ColumnReader {
 public:
  ByteReader(const StripeSource& s, uint32_t type, const DataType& to) : ColumnReader(s, type), bytes_(input(s, type, StreamKind::kData)), to_(to), put_(put_of(to)) {}
  void values(Vector& out, size_t n, const uint8_t* present, size_t) override {
    for (size_t i = 0; i < n; ++i)
      if (present[i]) put_(out, i, static_cast<int8_t>(bytes_.next()), to_);
  }

 private:
  ByteRuns bytes_;
  const DataType to_;
  const Put put_;
};

class IntegerReader : public ColumnReader {
 public:
  IntegerReader(const StripeSource& s, uint32_t type, const DataType& to)
      : ColumnReader(s, type), runs_(input(s, type, StreamKind::kData), true, version_2(s, type)), to_(to), put_(put_of(to)) {}
  void values(Vector& out, size_t n, const uint8_t* present, size_t count) override {
    if (to_.id() == TypeId::kLong && count == n) return runs_.next(FlatVector::GetData<int64_t>(out), n);
    scratch_.resize(count);
    runs_.next(scratch_.data(), count);
    const int64_t* v = scratch_.data();
    for (size_t i = 0; i < n; ++i)
      if (present[i]) put_(out, i, *v++, to_);
  }

 private:
  IntegerRuns runs_;
  const DataType to_;
  const Put put_;
  std::vector<int64_t> scratch_;
};

class DateReader : public ColumnReader {
 public:
  DateReader(const StripeSource& s, uint32_t type)
      : ColumnReader(s, type), runs_(input(s, type, StreamKind::kData), true, version_2(s, type)), julian_(!s.tail.proleptic) {}
  void values(Vector& out, size_t n, const uint8_t* present, size_t count) override {
    scratch_.resize(count);
    runs_.next(scratch_.data(), count);
    auto* to = FlatVector::GetData<int32_t>(out);
    const int64_t* v = scratch_.data();
    for (size_t i = 0; i < n; ++i)
      if (present[i]) to[i] = static_cast<int32_t>(julian_ ? julian_to_gregorian(*v++) : *v++);
  }

 private:
  IntegerRuns runs_;
  const bool julian_;
  std::vector<int64_t> scratch_;
};

template <class T>
class FloatingReader : public ColumnReader {
 public:
  FloatingReader(const StripeSource& s, uint32_t type, const DataType& to) : ColumnReader(s, type), in_(input(s, type, StreamKind::kData)), to_(to) {}
  void values(Vector& out, size_t n, const uint8_t* present, size_t count) override {
    scratch_.resize(count);
    in_.bytes(reinterpret_cast<char*>(scratch_.data()), count * sizeof(T));
    const T* v = scratch_.data();
    for (size_t i = 0; i < n; ++i) {
      if (!present[i]) continue;
      if (to_.id() == TypeId::kDouble) FlatVector::GetData<double>(out)[i] = *v++;
      else if (to_.id() == TypeId::kFloat) FlatVector::GetData<float>(out)[i] = static_cast<float>(*v++);
      else put_whole(out, i, *v++);
    }
  }

 private:
  // Java's cast: cut off towards zero.
  void put_whole(Vector& out, size_t row, T v) {
    if (std::isnan(v) || v >= static_cast<T>(9223372036854775808.0) || v < static_cast<T>(-9223372036854775808.0)) return FlatVector::SetNull(out, row, true);
    put_of(to_)(out, row, static_cast<int64_t>(v), to_);
  }
  Input in_;
  const DataType to_;
  std::vector<T> scratch_;
};

class DecimalReader : public ColumnReader {
 public:
  DecimalReader(const StripeSource& s, uint32_t type, const DataType& to)
      : ColumnReader(s, type), digits_(input(s, type, StreamKind::kData)), scales_(input(s, type, StreamKind::kSecondary), true, version_2(s, type)), to_(to) {}
  void values(Vector& out, size_t n, const uint8_t* present, size_t count) override {
    scratch_.resize(count);
    scales_.next(scratch_.data(), count);
    const int64_t* scale = scratch_.data();
    for (size_t i = 0; i < n; ++i) {
      if (!present[i]) continue;
      auto v = rescaled(digits(), *scale++, to_.scale());
      if (v) put_decimal(out, i, *v, to_);
      else FlatVector::SetNull(out, i, true);
    }
  }

 private:
  __int128 digits() {
    unsigned __int128 v = 0;
    for (unsigned shift = 0; shift < 133; shift += 7) {
      const uint8_t b = digits_.byte();
      if (shift < 128) v |= static_cast<unsigned __int128>(b & 0x7f) << shift;
      if (b < 0x80) return static_cast<__int128>(v >> 1) ^ -static_cast<__int128>(v & 1);
    }
    throw Damaged("a decimal in an ORC file is too long");
  }
  Input digits_;
  IntegerRuns scales_;
  const DataType to_;
  std::vector<int64_t> scratch_;
};

class TimestampReader : public ColumnReader {
 public:
  // Seconds count from 2015 on, in the writer's zone. A timestamp without zone is what the writer's clock showed: it becomes the instant
  // at which the local clock shows the same.
  TimestampReader(const StripeSource& s, uint32_t type, bool instant)
      : ColumnReader(s, type), seconds_(input(s, type, StreamKind::kData), true, version_2(s, type)),
        nanos_(input(s, type, StreamKind::kSecondary), false, version_2(s, type)), zone_(s.zone), julian_(!s.tail.proleptic) {
    writer_ = instant || s.footer.zone.empty() ? nullptr : TimeZone::find(s.footer.zone);
    if (!instant && !s.footer.zone.empty() && !writer_) throw Damaged("an ORC file was written in the unknown time zone " + s.footer.zone);
    if (!instant && !writer_) writer_ = zone_;
    constexpr int64_t k2015 = 1'420'070'400;
    epoch_ = writer_ ? writer_->local_to_utc_seconds(k2015) : k2015;
    moves_ = writer_ && writer_->id() != zone_->id();
  }
  void values(Vector& out, size_t n, const uint8_t* present, size_t count) override {
    seconds.resize(count);
    nanos.resize(count);
    seconds_.next(seconds.data(), count);
    nanos_.next(nanos.data(), count);
    auto* to = FlatVector::GetData<int64_t>(out);
    for (size_t i = 0, k = 0; i < n; ++i) {
      if (!present[i]) continue;
      // The low three bits: how many zeros less one were cut off, none if 0.
      int64_t ns = nanos[k] >> 3;  // negative in files of Arrow's writer
      if (const auto zeros = static_cast<unsigned>(nanos[k] & 7)) {
        for (unsigned z = 0; z <= zeros; ++z) ns = static_cast<int64_t>(static_cast<uint64_t>(ns) * 10);
      }
      int64_t second = seconds[k++] + epoch_;
      if (second < 0 && ns > 999'999) --second;  // the seconds were rounded towards zero, but for fractions below a millisecond
      int64_t micros = 0;
      if (__builtin_mul_overflow(second, int64_t{1'000'000}, &micros) || __builtin_add_overflow(micros, ns / 1000, &micros))
        throw Damaged("a timestamp in an ORC file is out of range");
      if (moves_) micros = zone_->local_to_utc_micros(writer_->utc_to_local_micros(micros));
      if (julian_ && micros < kFirstGregorianDay * kMicrosPerDay + kMicrosPerDay) micros = rebased(micros);
      to[i] = micros;
    }
  }

 private:
  int64_t rebased(int64_t micros) const {
    const int64_t local = zone_->utc_to_local_micros(micros);
    const int64_t day = local >= 0 ? local / kMicrosPerDay : (local - kMicrosPerDay + 1) / kMicrosPerDay;
    return zone_->local_to_utc_micros(julian_to_gregorian(day) * kMicrosPerDay + (local - day * kMicrosPerDay));
  }
  IntegerRuns seconds_, nanos_;
  std::shared_ptr<const TimeZone> zone_, writer_;
  const bool julian_;
  bool moves_ = false;
  int64_t epoch_ = 0;
  std::vector<int64_t> seconds, nanos;
};

class BytesReader : public ColumnReader {
 public:
  BytesReader(const StripeSource& s, uint32_t type)
      : ColumnReader(s, type), data_(input(s, type, has_dictionary(s, type) ? StreamKind::kDictionaryData : StreamKind::kData)),
        lengths_(input(s, type, StreamKind::kLength), false, version_2(s, type)) {
    if (!has_dictionary(s, type)) return;
    indices_.emplace(input(s, type, StreamKind::kData), false, version_2(s, type));
    size_ = s.footer.encodings[type].dictionary_size;
  }
  void values(Vector& out, size_t n, const uint8_t* present, size_t count) override {
    scratch_.resize(count);
    auto* to = FlatVector::GetData<string_t>(out);
    if (indices_) {
      if (!loaded_) load();
      indices_->next(scratch_.data(), count);
      const int64_t* index = scratch_.data();
      for (size_t i = 0; i < n; ++i) {
        if (!present[i]) continue;
        const auto at = static_cast<uint64_t>(*index++);
        if (at >= size_) throw Damaged("a value lies outside its dictionary");
        to[i] = StringVector::AddStringOrBlob(out, dictionary_.data() + starts_[at], starts_[at + 1] - starts_[at]);
      }
      return;
    }
    lengths_.next(scratch_.data(), count);
    const int64_t* length = scratch_.data();
    for (size_t i = 0; i < n; ++i) {
      if (!present[i]) continue;
      const auto size = checked(*length++);
      string_t value = StringVector::EmptyString(out, size);
      data_.bytes(value.GetDataWriteable(), size);
      value.Finalize();
      to[i] = value;
    }
  }

 private:
  static size_t checked(int64_t length) {
    if (length < 0 || length > INT32_MAX) throw Damaged("a text in an ORC file has no length");
    return static_cast<size_t>(length);
  }
  void load() {
    scratch_.resize(std::max<size_t>(scratch_.size(), 1));
    starts_.push_back(0);
    for (size_t i = 0; i < size_; ++i) {
      int64_t length = 0;
      lengths_.next(&length, 1);
      starts_.push_back(starts_.back() + checked(length));
    }
    // Grown as the bytes come: a damaged length must not allocate gigabytes.
    while (dictionary_.size() < starts_.back()) {
      const size_t at = dictionary_.size(), take = std::min<size_t>(starts_.back() - at, 1 << 20);
      dictionary_.resize(at + take);
      data_.bytes(dictionary_.data() + at, take);
    }
    loaded_ = true;
  }
  Input data_;
  IntegerRuns lengths_;
  std::optional<IntegerRuns> indices_;
  bool loaded_ = false;
  size_t size_ = 0;
  std::string dictionary_;
  std::vector<size_t> starts_;
  std::vector<int64_t> scratch_;
};

// What the file does not have.
class NullReader : public ColumnReader {
 public:
  NullReader(const StripeSource& s, uint32_t type) : ColumnReader(s, type) {}
  void values(Vector& out, size_t n, const uint8_t*, size_t) override {
    for (size_t i = 0; i < n; ++i) FlatVector::SetNull(out, i, true);
  }
};

class StructReader : public ColumnReader {
 public:
  StructReader(const StripeSource& s, uint32_t type, std::vector<std::unique_ptr<ColumnReader>> fields) : ColumnReader(s, type), fields_(std::move(fields)) {}
  void values(Vector& out, size_t n, const uint8_t* present, size_t count) override {
    auto& entries = StructVector::GetEntries(out);
    for (size_t f = 0; f < fields_.size(); ++f) {
      if (fields_[f]) {
        fields_[f]->read(*entries[f], n, count == n ? nullptr : present);
      } else {
        for (size_t i = 0; i < n; ++i) FlatVector::SetNull(*entries[f], i, true);
      }
    }
  }

 private:
  std::vector<std::unique_ptr<ColumnReader>> fields_;  // null: the file has no such field
};

// Lists, and maps as lists of pairs.
class ListReader : public ColumnReader {
 public:
  ListReader(const StripeSource& s, uint32_t type, std::unique_ptr<ColumnReader> element, std::unique_ptr<ColumnReader> value)
      : ColumnReader(s, type), lengths_(input(s, type, StreamKind::kLength), false, version_2(s, type)), element_(std::move(element)), value_(std::move(value)) {}
  void values(Vector& out, size_t n, const uint8_t* present, size_t count) override {
    scratch_.resize(count);
    lengths_.next(scratch_.data(), count);
    auto* lists = duckdb::ListVector::GetData(out);
    uint64_t total = 0;
    for (size_t i = 0, k = 0; i < n; ++i) {
      const uint64_t length = present[i] ? static_cast<uint64_t>(scratch_[k++]) : 0;
      if (length > INT32_MAX || total > (uint64_t{1} << 34)) throw Damaged("a list in an ORC file has no length");
      lists[i] = {total, length};
      total += length;
    }
    ListVector::Reserve(out, total);
    ListVector::SetListSize(out, total);
    if (value_) {
      element_->read(MapVector::GetKeys(out), total);
      value_->read(MapVector::GetValues(out), total);
    } else {
      element_->read(ListVector::GetEntry(out), total);
    }
  }

 private:
  IntegerRuns lengths_;
  std::unique_ptr<ColumnReader> element_, value_;
  std::vector<int64_t> scratch_;
};

// Which child of a struct is meant, by name.
std::optional<size_t> child_of(const Type& t, const std::string& name, Matching m) {
  for (size_t i = 0; i < t.names.size(); ++i)
    if (m.case_sensitive ? t.names[i] == name : sources::equal_ignore_case(t.names[i], name)) return i;
  return std::nullopt;
}

enum class Conversion { kNone, kNotBuilt, kRead };

// Of values that are not nested.
Conversion conversion(const Type& t, const DataType& to) {
  using enum Conversion;
  if (to.id() == TypeId::kUdt) return conversion(t, to.sql_type());
  if (to.is_nested()) return kNone;
  switch (t.kind) {
    case Kind::kBoolean:
    case Kind::kByte:
    case Kind::kShort:
    case Kind::kInt:
    case Kind::kLong:
      if (t.kind != Kind::kLong && (to.id() == TypeId::kTimestampNtz || to.id() == TypeId::kTime || to.id() == TypeId::kDayTimeInterval)) return kNone;
      if (t.kind == Kind::kBoolean && to.is_string()) return kNotBuilt;
      return put_of(to) ? kRead : to.id() == TypeId::kTimestamp ? kNotBuilt : kNone;
    case Kind::kFloat:
    case Kind::kDouble:
      if (to.is_integral() || to.id() == TypeId::kFloat || to.id() == TypeId::kDouble) return kRead;
      return to.is_string() || to.id() == TypeId::kDecimal || to.id() == TypeId::kTimestamp ? kNotBuilt : kNone;
    case Kind::kDecimal:
      if (to.id() == TypeId::kDecimal) return kRead;
      return to.is_numeric() || to.is_string() || to.id() == TypeId::kTimestamp ? kNotBuilt : kNone;
    case Kind::kString:
    case Kind::kChar:
    case Kind::kVarchar:
      if (to.is_string() || to.id() == TypeId::kBinary) return kRead;
      return to.is_numeric() || to.id() == TypeId::kTimestamp || to.id() == TypeId::kDate ? kNotBuilt : kNone;
    case Kind::kBinary: return to.is_string() || to.id() == TypeId::kBinary ? kRead : kNone;
    case Kind::kDate: return to.id() == TypeId::kDate ? kRead : to.is_string() || to.id() == TypeId::kTimestamp ? kNotBuilt : kNone;
    case Kind::kTimestamp:
    case Kind::kTimestampInstant:
      if (to.id() == TypeId::kTimestamp) return kRead;
      return to.is_numeric() || to.is_string() || to.id() == TypeId::kDate ? kNotBuilt : kNone;
    default: return kNone;
  }
}

}  // namespace

DataType spark_type(const FileTail& tail, uint32_t type) {
  const Type& t = tail.types.at(type);
  if (!t.catalyst.empty() && t.children.empty()) return DataType::from_proto(sql::parse_data_type(t.catalyst));
  switch (t.kind) {
    case Kind::kBoolean: return TypeId::kBoolean;
    case Kind::kByte: return TypeId::kByte;
    case Kind::kShort: return TypeId::kShort;
    case Kind::kInt: return TypeId::kInt;
    case Kind::kLong: return TypeId::kLong;
    case Kind::kFloat: return TypeId::kFloat;
    case Kind::kDouble: return TypeId::kDouble;
    case Kind::kString:
    case Kind::kVarchar:
    case Kind::kChar: return TypeId::kString;
    case Kind::kBinary: return TypeId::kBinary;
    case Kind::kDate: return TypeId::kDate;
    case Kind::kTimestamp:
    case Kind::kTimestampInstant: return TypeId::kTimestamp;
    case Kind::kDecimal:
      // Hive's decimals of its first release say nothing of their precision.
      if (t.precision == 0) return DataType::decimal(38, 18);
      if (t.precision > 38 || t.scale > t.precision) throw Damaged("a decimal in an ORC file has more than 38 digits");
      return DataType::decimal(static_cast<int>(t.precision), static_cast<int>(t.scale));
    case Kind::kList: return DataType::array(spark_type(tail, t.children[0]), true);
    case Kind::kMap: return DataType::map(spark_type(tail, t.children[0]), spark_type(tail, t.children[1]), true);
    case Kind::kStruct: {
      std::vector<plan::StructField> fields;
      for (size_t i = 0; i < t.children.size(); ++i) fields.push_back(plan::make_field(t.names[i], spark_type(tail, t.children[i])));
      return DataType::structure(std::move(fields));
    }
    case Kind::kUnion: break;
  }
  throw analysis_error("UNSUPPORTED_DATATYPE", {{"typeName", "\"UNIONTYPE\""}});
}

struct ColumnReader::Presence {
  BitRuns bits;
};

ColumnReader::ColumnReader(const StripeSource& s, uint32_t type) {
  for (const auto& stream : s.footer.streams) {
    if (stream.column != type || stream.kind != StreamKind::kPresent) continue;
    presence_ = std::make_shared<Presence>(Presence{BitRuns(Input(s.bytes(stream), s.tail.compression, s.tail.block_size))});
  }
}

void ColumnReader::read(Vector& out, size_t n, const uint8_t* parent) {
  present_.assign(n, 1);
  size_t count = 0;
  for (size_t i = 0; i < n; ++i) {
    if (parent && !parent[i]) present_[i] = 0;
    else if (presence_) present_[i] = presence_->bits.next();
    count += present_[i];
  }
  if (count < n) {
    for (size_t i = 0; i < n; ++i)
      if (!present_[i]) FlatVector::SetNull(out, i, true);
  }
  values(out, n, present_.data(), count);
}

void check_conversion(const FileTail& tail, uint32_t type, const DataType& to, Matching m, std::set<uint32_t>& types) {
  const Type& t = tail.types.at(type);
  types.insert(type);
  const bool nested = t.kind == Kind::kStruct && to.id() == TypeId::kStruct;
  if (nested) {
    for (const auto& f : to.fields())
      if (auto child = child_of(t, f.name, m)) check_conversion(tail, t.children[*child], f.type(), m, types);
    return;
  }
  if (t.kind == Kind::kList && to.id() == TypeId::kArray) return check_conversion(tail, t.children[0], to.element(), m, types);
  if (t.kind == Kind::kMap && to.id() == TypeId::kMap) {
    check_conversion(tail, t.children[0], to.key(), m, types);
    return check_conversion(tail, t.children[1], to.value(), m, types);
  }
  switch (conversion(t, to)) {
    case Conversion::kRead: return;
    case Conversion::kNotBuilt: throw not_built(std::string("reading the type ") + kNames[static_cast<int>(t.kind)] + " of an ORC file as " + to.sql());
    case Conversion::kNone:
      throw SparkError::Plain(ErrorKind::kSpark, std::string("ORC does not support type conversion from file type ") + kNames[static_cast<int>(t.kind)] + " (" +
                                                     std::to_string(type) + ") to reader type " + to.catalog_string());
  }
}

std::unique_ptr<ColumnReader> make_reader(const StripeSource& s, uint32_t type, const DataType& to, Matching m) {
  const Type& t = s.tail.types.at(type);
  if (to.id() == TypeId::kUdt) return make_reader(s, type, to.sql_type(), m);
  switch (t.kind) {
    case Kind::kBoolean: return std::make_unique<FlagReader>(s, type, to);
    case Kind::kByte: return std::make_unique<ByteReader>(s, type, to);
    case Kind::kShort:
    case Kind::kInt:
    case Kind::kLong: return std::make_unique<IntegerReader>(s, type, to);
    case Kind::kFloat: return std::make_unique<FloatingReader<float>>(s, type, to);
    case Kind::kDouble: return std::make_unique<FloatingReader<double>>(s, type, to);
    case Kind::kDecimal: return std::make_unique<DecimalReader>(s, type, to);
    case Kind::kDate: return std::make_unique<DateReader>(s, type);
    case Kind::kTimestamp:
    case Kind::kTimestampInstant: return std::make_unique<TimestampReader>(s, type, t.kind == Kind::kTimestampInstant);
    case Kind::kString:
    case Kind::kVarchar:
    case Kind::kChar:
    case Kind::kBinary: return std::make_unique<BytesReader>(s, type);
    case Kind::kList: return std::make_unique<ListReader>(s, type, make_reader(s, t.children[0], to.element(), m), nullptr);
    case Kind::kMap:
      return std::make_unique<ListReader>(s, type, make_reader(s, t.children[0], to.key(), m), make_reader(s, t.children[1], to.value(), m));
    case Kind::kStruct: {
      std::vector<std::unique_ptr<ColumnReader>> fields;
      for (const auto& f : to.fields()) {
        auto child = child_of(t, f.name, m);
        fields.push_back(child ? make_reader(s, t.children[*child], f.type(), m) : nullptr);
      }
      return std::make_unique<StructReader>(s, type, std::move(fields));
    }
    case Kind::kUnion: break;
  }
  throw internal_error("no reader for an ORC column");
}

}  // namespace tarn::engine::orc
