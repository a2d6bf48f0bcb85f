#include "engine/avro/row_reader.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>
#include <vector>

#include <simdjson.h>

#include "base/spark_error.h"
#include "duckdb/common/types/hugeint.hpp"
#include "duckdb/common/types/vector.hpp"
#include "engine/avro/row_writer.h"
#include "engine/sources/options.h"
#include "engine/sources/scan.h"

namespace tarn::engine::avro {
namespace {

using duckdb::FlatVector;
using duckdb::hugeint_t;
using duckdb::idx_t;
using duckdb::ListVector;
using duckdb::MapVector;
using duckdb::string_t;
using duckdb::StringVector;
using duckdb::StructVector;
using duckdb::Vector;
using plan::DataType;
using plan::TypeId;
using plan::avro::Field;
using plan::avro::Kind;
using plan::avro::Logical;
using plan::avro::Node;

constexpr int kDeepest = 200;  // of nested values: recursive schemas allow any

}  // namespace

// ---- the encoding

int64_t Decoder::number() {
  uint64_t v = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    if (rest_.empty()) throw Malformed("the bytes end too early");
    const auto b = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    if (shift < 64) v |= uint64_t{b & 0x7fu} << shift;
    if (b < 0x80) return static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1);
  }
  throw Malformed("a number is too long");
}

std::string_view Decoder::take(uint64_t n) {
  if (n > rest_.size()) throw Malformed("the bytes end too early");
  std::string_view out = rest_.substr(0, n);
  rest_.remove_prefix(n);
  return out;
}

std::string_view Decoder::bytes() {
  const int64_t n = number();
  if (n < 0) throw Malformed("a length is negative");
  return take(static_cast<uint64_t>(n));
}

static_assert(std::endian::native == std::endian::little);
float Decoder::single() {
  float v;
  std::memcpy(&v, take(sizeof v).data(), sizeof v);
  return v;
}
double Decoder::real() {
  double v;
  std::memcpy(&v, take(sizeof v).data(), sizeof v);
  return v;
}
bool Decoder::flag() { return take(1)[0] != 0; }

uint64_t Decoder::block() {
  int64_t n = number();
  if (n < 0) {
    number();  // its length in bytes
    if (n == std::numeric_limits<int64_t>::min()) throw Malformed("a block is too long");
    n = -n;
  }
  return static_cast<uint64_t>(n);
}

void Decoder::skip(const Node& type) { skip(type, 0); }

void Decoder::skip(const Node& t, int depth) {
  if (depth > kDeepest) throw Malformed("values are nested too deeply");
  switch (t.kind) {
    case Kind::kNull: break;
    case Kind::kBoolean: take(1); break;
    case Kind::kInt:
    case Kind::kLong:
    case Kind::kEnum: number(); break;
    case Kind::kFloat: take(4); break;
    case Kind::kDouble: take(8); break;
    case Kind::kBytes:
    case Kind::kString: bytes(); break;
    case Kind::kFixed: take(static_cast<uint64_t>(t.size)); break;
    case Kind::kRecord:
      for (const auto& f : t.fields) skip(*f.type, depth + 1);
      break;
    case Kind::kUnion: {
      const auto b = static_cast<uint64_t>(number());
      if (b >= t.branches.size()) throw Malformed("a union has no such branch");
      skip(*t.branches[b], depth + 1);
      break;
    }
    case Kind::kArray:
    case Kind::kMap:
      for (int64_t n = number(); n != 0; n = number()) {
        if (n < 0) {  // the length lets whole blocks be skipped
          const int64_t length = number();
          if (length < 0) throw Malformed("a block has no length");
          take(static_cast<uint64_t>(length));
          continue;
        }
        for (; n > 0; --n) {
          if (t.kind == Kind::kMap) bytes();
          const size_t before = left();
          skip(*t.branches[0], depth + 1);
          if (before == left() && t.kind == Kind::kArray) break;  // entries without bytes: a damaged count could be any
        }
      }
      break;
  }
}

// ---- compiled steps

class RowReader::Step {
 public:
  virtual ~Step() = default;
  virtual void read(Decoder& in, Vector& out, idx_t row) const = 0;
  virtual void read_fields(Decoder&, Vector* const*, idx_t) const { throw internal_error("an Avro value is no record"); }
};

namespace {

using Step = RowReader::Step;
using StepPtr = std::unique_ptr<const Step>;

void put_text(Vector& out, idx_t row, std::string_view s) {
  if (simdjson::validate_utf8(s.data(), s.size())) {
    FlatVector::GetData<string_t>(out)[row] = StringVector::AddString(out, s.data(), s.size());
  } else {
    const std::string fixed = sources::repair_utf8(s);
    FlatVector::GetData<string_t>(out)[row] = StringVector::AddString(out, fixed);
  }
}
void put_bytes(Vector& out, idx_t row, std::string_view s) { FlatVector::GetData<string_t>(out)[row] = StringVector::AddStringOrBlob(out, s.data(), s.size()); }

void put_decimal(Vector& out, idx_t row, __int128 v, int precision) {
  if (precision <= 4) FlatVector::GetData<int16_t>(out)[row] = static_cast<int16_t>(v);
  else if (precision <= 9) FlatVector::GetData<int32_t>(out)[row] = static_cast<int32_t>(v);
  else if (precision <= 18) FlatVector::GetData<int64_t>(out)[row] = static_cast<int64_t>(v);
  else FlatVector::GetData<hugeint_t>(out)[row] = hugeint_t(static_cast<int64_t>(v >> 64), static_cast<uint64_t>(v));
}

// A value that is no container: read by the writer's type, put as the wanted one.
class NumberStep : public Step {
 public:
  NumberStep(Kind writer, Kind reader, Logical logical, const DataType& to) : writer_(writer), reader_(reader), logical_(logical), to_(to) {}

  void read(Decoder& in, Vector& out, idx_t row) const override {
    if (writer_ == Kind::kFloat || writer_ == Kind::kDouble) return put_real(writer_ == Kind::kFloat ? in.single() : in.real(), out, row);
    const int64_t v = in.number();
    if (writer_ == Kind::kInt && v != static_cast<int32_t>(v)) throw Malformed("an int is too long");
    // Promoted to float first, as the reader's schema has it.
    if (reader_ == Kind::kFloat) return put_real(static_cast<float>(v), out, row);
    if (reader_ == Kind::kDouble) return put_real(static_cast<double>(v), out, row);
    switch (to_.id()) {
      case TypeId::kInt:
      case TypeId::kYearMonthInterval: FlatVector::GetData<int32_t>(out)[row] = static_cast<int32_t>(v); break;
      case TypeId::kDouble: put_real(static_cast<double>(v), out, row); break;
      case TypeId::kDate: {
        // A long was milliseconds once.
        const int64_t day = reader_ == Kind::kLong ? v / 86'400'000 : v;
        FlatVector::GetData<int32_t>(out)[row] = static_cast<int32_t>(day);
        break;
      }
      case TypeId::kTimestamp:
      case TypeId::kTimestampNtz: FlatVector::GetData<int64_t>(out)[row] = micros(v); break;
      case TypeId::kTime: FlatVector::GetData<int64_t>(out)[row] = times(v, 1000); break;
      case TypeId::kDecimal: put_decimal(out, row, v, to_.precision()); break;
      default: FlatVector::GetData<int64_t>(out)[row] = v;
    }
  }

 private:
  static int64_t times(int64_t v, int64_t by) {
    int64_t out = 0;
    if (__builtin_mul_overflow(v, by, &out)) throw SparkError::Plain(ErrorKind::kArithmetic, "long overflow");
    return out;
  }
  int64_t micros(int64_t v) const {
    if (reader_ == Kind::kInt) return times(v, 86'400'000'000);  // a date
    const bool micros = logical_ == Logical::kTimestampMicros || logical_ == Logical::kLocalTimestampMicros;
    return micros ? v : times(v, 1000);
  }
  void put_real(double v, Vector& out, idx_t row) const {
    if (to_.id() == TypeId::kFloat) FlatVector::GetData<float>(out)[row] = static_cast<float>(v);
    else FlatVector::GetData<double>(out)[row] = v;
  }
  const Kind writer_, reader_;
  const Logical logical_;
  const DataType to_;
};

class FlagStep : public Step {
 public:
  void read(Decoder& in, Vector& out, idx_t row) const override { FlatVector::GetData<bool>(out)[row] = in.flag(); }
};

class NullStep : public Step {
 public:
  void read(Decoder&, Vector& out, idx_t row) const override {
    if (out.GetType().InternalType() == duckdb::PhysicalType::LIST) ListVector::GetData(out)[row] = {0, 0};
    FlatVector::SetNull(out, row, true);
  }
};

class BytesStep : public Step {
 public:
  // size: of a fixed, -1: the length comes first.
  BytesStep(int64_t size, bool text) : size_(size), text_(text) {}
  void read(Decoder& in, Vector& out, idx_t row) const override {
    const std::string_view s = size_ < 0 ? in.bytes() : in.take(static_cast<uint64_t>(size_));
    if (text_) put_text(out, row, s);
    else put_bytes(out, row, s);
  }

 private:
  const int64_t size_;
  const bool text_;
};

class DecimalStep : public Step {
 public:
  DecimalStep(int64_t size, int precision, const DataType& to, int scale) : size_(size), precision_(precision), scale_(scale), to_(to) {}
  void read(Decoder& in, Vector& out, idx_t row) const override {
    const std::string_view s = size_ < 0 ? in.bytes() : in.take(static_cast<uint64_t>(size_));
    // Big-endian, in two's complement; what is longer than 16 bytes only repeats the sign.
    __int128 v = !s.empty() && (s[0] & 0x80) ? -1 : 0;
    for (char c : s) v = static_cast<__int128>(static_cast<unsigned __int128>(v) << 8 | static_cast<uint8_t>(c));
    __int128 limit = 1;
    for (int i = 0; i < precision_; ++i) limit *= 10;
    if (v >= limit || v <= -limit) throw Malformed("a decimal has more digits than its schema says");
    // Where the wanted type has another scale.
    for (int s10 = scale_; s10 < to_.scale(); ++s10)
      if (__builtin_mul_overflow(v, static_cast<__int128>(10), &v)) return FlatVector::SetNull(out, row, true);
    for (int s10 = scale_; s10 > to_.scale(); --s10) {
      const __int128 rest = v % 10;
      v = v / 10 + (s10 == to_.scale() + 1 ? (rest >= 5) - (rest <= -5) : 0);
    }
    limit = 1;
    for (int i = 0; i < to_.precision(); ++i) limit *= 10;
    if (v >= limit || v <= -limit) return FlatVector::SetNull(out, row, true);
    put_decimal(out, row, v, to_.precision());
  }

 private:
  const int64_t size_;
  const int precision_, scale_;
  const DataType to_;
};

class EnumStep : public Step {
 public:
  // symbols: what each of the writer's symbols is for the reader; nullopt: none of his.
  explicit EnumStep(std::vector<std::optional<std::string>> symbols) : symbols_(std::move(symbols)) {}
  void read(Decoder& in, Vector& out, idx_t row) const override {
    const auto i = static_cast<uint64_t>(in.number());
    if (i >= symbols_.size()) throw Malformed("an enum has no such symbol");
    if (!symbols_[i]) throw Malformed("the reader's enum does not have the symbol");
    put_text(out, row, *symbols_[i]);
  }

 private:
  const std::vector<std::optional<std::string>> symbols_;
};

// A union of the writer's.
class BranchStep : public Step {
 public:
  // A branch that does not fit the reader's schema is an error when it occurs.
  struct Branch {
    StepPtr step;
    std::optional<SparkError> error;
  };
  explicit BranchStep(std::vector<Branch> branches) : branches_(std::move(branches)) {}
  void read(Decoder& in, Vector& out, idx_t row) const override { chosen(in).read(in, out, row); }
  void read_fields(Decoder& in, Vector* const* outs, idx_t row) const override { chosen(in).read_fields(in, outs, row); }

 private:
  const Step& chosen(Decoder& in) const {
    const auto b = static_cast<uint64_t>(in.number());
    if (b >= branches_.size()) throw Malformed("a union has no such branch");
    if (!branches_[b].step) throw *branches_[b].error;
    return *branches_[b].step;
  }
  const std::vector<Branch> branches_;
};

// A union of the reader's as a struct of which one field is set.
class MemberStep : public Step {
 public:
  MemberStep(size_t member, StepPtr step) : member_(member), step_(std::move(step)) {}
  void read(Decoder& in, Vector& out, idx_t row) const override {
    auto& entries = StructVector::GetEntries(out);
    for (size_t i = 0; i < entries.size(); ++i)
      if (i != member_) FlatVector::SetNull(*entries[i], row, true);
    step_->read(in, *entries[member_], row);
  }

 private:
  const size_t member_;
  const StepPtr step_;
};

class ListStep : public Step {
 public:
  ListStep(StepPtr element, bool map) : element_(std::move(element)), map_(map) {}
  void read(Decoder& in, Vector& out, idx_t row) const override {
    const idx_t start = ListVector::GetListSize(out);
    idx_t at = start;
    while (uint64_t n = in.block()) {
      // Entries take a byte at least, but for nulls and the like: a damaged count must not allocate gigabytes.
      if (n > in.left() + (map_ ? 0 : 1'000'000)) throw Malformed("a block is longer than its bytes");
      ListVector::Reserve(out, at + n);
      // The steps below set what is not null.
      for (; n > 0; --n, ++at) {
        ListVector::SetListSize(out, at + 1);
        if (map_) {
          put_text(MapVector::GetKeys(out), at, in.bytes());
          element_->read(in, MapVector::GetValues(out), at);
        } else {
          element_->read(in, ListVector::GetEntry(out), at);
        }
      }
    }
    ListVector::GetData(out)[row] = {start, at - start};
  }

 private:
  const StepPtr element_;
  const bool map_;
};

class RecordStep : public Step {
 public:
  struct Part {
    int field = -1;                 // of the struct, -1: skipped
    StepPtr step;
    const Node* skipped = nullptr;
    std::string bytes;              // a default value, encoded; else it comes from the input
    bool from_default = false;
  };
  RecordStep(std::vector<Part> parts, size_t fields) : parts_(std::move(parts)), missing_(fields, true) {
    for (const auto& p : parts_)
      if (p.field >= 0) missing_[static_cast<size_t>(p.field)] = false;
  }
  void read(Decoder& in, Vector& out, idx_t row) const override {
    auto& entries = StructVector::GetEntries(out);
    std::vector<Vector*> outs;
    outs.reserve(missing_.size());
    for (size_t i = 0; i < missing_.size(); ++i) outs.push_back(entries[i].get());
    read_fields(in, outs.data(), row);
  }
  void read_fields(Decoder& in, Vector* const* outs, idx_t row) const override {
    for (const auto& p : parts_) {
      if (p.from_default) {
        Decoder value(p.bytes);
        if (outs[p.field]) p.step->read(value, *outs[p.field], row);
      } else if (p.field >= 0 && outs[p.field]) {
        p.step->read(in, *outs[p.field], row);
      } else {
        in.skip(*p.skipped);
      }
    }
    for (size_t i = 0; i < missing_.size(); ++i)
      if (missing_[i] && outs[i]) FlatVector::SetNull(*outs[i], row, true);
  }

 private:
  const std::vector<Part> parts_;
  std::vector<bool> missing_;  // fields of the struct that the reader's record lacks
};

// "field 'a.b'", "top-level record".
std::string path_text(const std::vector<std::string>& path) {
  if (path.empty()) return "top-level record";
  std::string out = "field '";
  for (size_t i = 0; i < path.size(); ++i) out += (i ? "." : "") + path[i];
  return out + "'";
}

bool promotes(Kind from, Kind to) {
  switch (from) {
    case Kind::kInt: return to == Kind::kLong || to == Kind::kFloat || to == Kind::kDouble;
    case Kind::kLong: return to == Kind::kFloat || to == Kind::kDouble;
    case Kind::kFloat: return to == Kind::kDouble;
    case Kind::kString: return to == Kind::kBytes;
    case Kind::kBytes: return to == Kind::kString;
    default: return false;
  }
}

// Whether two named types are meant to be the same.
bool same_name(const Node& writer, const Node& reader) {
  if (writer.full_name() == reader.full_name()) return true;
  return std::find(reader.aliases.begin(), reader.aliases.end(), writer.full_name()) != reader.aliases.end();
}

class Compiler {
 public:
  explicit Compiler(const ReadSettings& settings) : s_(settings) {}

  StepPtr compile(const Node& w, const Node& r, const DataType& to) {
    if (to.id() == TypeId::kUdt) return compile(w, r, to.sql_type());
    if (w.kind == Kind::kUnion) {
      std::vector<BranchStep::Branch> branches;
      for (const Node* b : w.branches) {
        BranchStep::Branch branch;
        try {
          branch.step = compile(*b, r, to);
        } catch (const SparkError& e) {
          // Where the file's schema is the reader's, a branch that does not fit is wrong for every row.
          if (&w == &r) throw;
          branch.error = e;
        }
        branches.push_back(std::move(branch));
      }
      return std::make_unique<BranchStep>(std::move(branches));
    }
    if (r.kind == Kind::kUnion) return into_union(w, r, to);
    return plain(w, r, to);
  }

 private:
  [[noreturn]] void incompatible(const Node& r, const DataType& to, const std::string& why = "") const {
    throw SparkError::Plain(ErrorKind::kSpark, "Cannot convert Avro " + path_text(avro_path_) + " to SQL " + path_text(sql_path_) + " because " +
                                                   (why.empty() ? "schema is incompatible (avroType = " + r.json() + ", sqlType = " + to.sql() + ")" : why));
  }
  [[noreturn]] void unresolved(const Node& w, const Node& r) const {
    throw SparkError::Plain(ErrorKind::kSpark, "Found " + (w.named() ? w.full_name() : w.branch_name()) + ", expecting " + (r.named() ? r.full_name() : r.kind == Kind::kUnion ? "union" : r.branch_name()));
  }
  [[noreturn]] void misread(const Node& r, const DataType& to) const {
    throw analysis_error("AVRO_INCOMPATIBLE_READ_TYPE", {{"avroPath", path_text(avro_path_)}, {"sqlPath", path_text(sql_path_)},
                                                         {"avroType", plan::avro::to_sql_type(r, {}).type.catalog_string()}, {"sqlType", quote_sql(to.sql())}});
  }

  StepPtr into_union(const Node& w, const Node& r, const DataType& to) {
    const Node* found = nullptr;
    for (const Node* b : r.branches)
      if (!found && b->kind == w.kind && (!w.named() || b == &w || same_name(w, *b))) found = b;
    for (const Node* b : r.branches)
      if (!found && (promotes(w.kind, b->kind) || (b->kind == w.kind && w.kind == Kind::kRecord))) found = b;
    if (!found) unresolved(w, r);
    if (found->kind == Kind::kNull) return std::make_unique<NullStep>();
    const auto branches = r.non_null();
    if (branches.size() == 1) return plain(w, *found, to);
    if (branches.size() == 2) {
      auto both = [&](Kind a, Kind b) { return (branches[0]->kind == a && branches[1]->kind == b) || (branches[0]->kind == b && branches[1]->kind == a); };
      if (both(Kind::kInt, Kind::kLong) && to.id() == TypeId::kLong) return plain(w, *found, to);
      if (both(Kind::kFloat, Kind::kDouble) && to.id() == TypeId::kDouble) return plain(w, *found, to);
    }
    if (to.id() != TypeId::kStruct || to.fields().size() != branches.size()) incompatible(r, to);
    const size_t member = static_cast<size_t>(std::find(branches.begin(), branches.end(), found) - branches.begin());
    sql_path_.push_back(to.fields()[member].name);
    auto step = plain(w, *found, to.fields()[member].type());
    sql_path_.pop_back();
    return std::make_unique<MemberStep>(member, std::move(step));
  }

  // Neither is a union.
  StepPtr plain(const Node& w, const Node& r, const DataType& to) {
    if (w.kind != r.kind && !promotes(w.kind, r.kind)) unresolved(w, r);
    switch (r.kind) {
      case Kind::kNull:
        return std::make_unique<NullStep>();
      case Kind::kBoolean:
        if (to.id() != TypeId::kBoolean) incompatible(r, to);
        return std::make_unique<FlagStep>();
      case Kind::kInt:
      case Kind::kLong:
      case Kind::kFloat:
      case Kind::kDouble: return number(w, r, to);
      case Kind::kString:
      case Kind::kBytes:
      case Kind::kFixed: return bytes(w, r, to);
      case Kind::kEnum: return enumeration(w, r, to);
      case Kind::kRecord: return record(w, r, to);
      case Kind::kArray: {
        if (to.id() != TypeId::kArray) incompatible(r, to);
        Below below(*this, "element", "element");
        return std::make_unique<ListStep>(compile(*w.branches[0], *r.branches[0], to.element()), false);
      }
      case Kind::kMap: {
        if (to.id() != TypeId::kMap || !to.key().is_string()) incompatible(r, to);
        Below below(*this, "value", "value");
        return std::make_unique<ListStep>(compile(*w.branches[0], *r.branches[0], to.value()), true);
      }
      case Kind::kUnion: break;
    }
    incompatible(r, to);
  }

  StepPtr number(const Node& w, const Node& r, const DataType& to) {
    const TypeId id = to.id();
    bool fits = false;
    if (r.kind == Kind::kFloat) {
      fits = id == TypeId::kFloat || id == TypeId::kDouble;
    } else if (r.kind == Kind::kDouble) {
      fits = id == TypeId::kDouble;
    } else {
      const TypeId real = plan::avro::to_sql_type(r, {}).type.id();
      const bool interval = real == TypeId::kYearMonthInterval || real == TypeId::kDayTimeInterval;
      if (to.is_datetime() && interval && !s_.allow_incompatible) misread(r, to);
      const std::string cannot = "Avro logical type " + r.json() + " cannot be converted to SQL type " + to.sql() + ".";
      if (r.kind == Kind::kInt) {
        fits = id == TypeId::kInt || id == TypeId::kLong || id == TypeId::kDouble || id == TypeId::kDate || id == TypeId::kYearMonthInterval ||
               (id == TypeId::kTimestampNtz && r.logical == Logical::kDate);
      } else if (id == TypeId::kTimestamp) {
        fits = r.logical == Logical::kNone || r.logical == Logical::kTimestampMillis || r.logical == Logical::kTimestampMicros;
        if (!fits) incompatible(r, to, cannot);
      } else if (id == TypeId::kTimestampNtz) {
        fits = r.logical == Logical::kNone || r.logical == Logical::kLocalTimestampMillis || r.logical == Logical::kLocalTimestampMicros;
        if (!fits) incompatible(r, to, cannot);
      } else if (id == TypeId::kTime) {
        fits = r.logical == Logical::kTimeMicros;
        if (!fits) incompatible(r, to, cannot);
      } else {
        fits = id == TypeId::kLong || id == TypeId::kDate || id == TypeId::kDayTimeInterval ||
               (id == TypeId::kDecimal && r.logical == Logical::kCustomDecimal && to.scale() == r.scale && to.precision() >= r.precision);
      }
    }
    if (!fits) incompatible(r, to);
    return std::make_unique<NumberStep>(w.kind, r.kind, r.logical, to);
  }

  StepPtr bytes(const Node& w, const Node& r, const DataType& to) {
    if (r.kind == Kind::kFixed && (w.size != r.size || !(&w == &r || same_name(w, r)))) unresolved(w, r);
    const int64_t size = w.kind == Kind::kFixed ? w.size : -1;
    if (to.is_string() && r.kind == Kind::kString) return std::make_unique<BytesStep>(size, true);
    if (to.id() == TypeId::kBinary && r.kind != Kind::kString) return std::make_unique<BytesStep>(size, false);
    if (to.id() != TypeId::kDecimal || r.logical != Logical::kDecimal) incompatible(r, to);
    if (!s_.allow_incompatible && r.precision - r.scale > to.precision() - to.scale()) misread(r, to);
    return std::make_unique<DecimalStep>(size, r.precision, to, r.scale);
  }

  StepPtr enumeration(const Node& w, const Node& r, const DataType& to) {
    if (!to.is_string()) incompatible(r, to);
    if (&w != &r && !same_name(w, r)) unresolved(w, r);
    std::vector<std::optional<std::string>> symbols;
    for (const auto& s : w.symbols) {
      const bool known = std::find(r.symbols.begin(), r.symbols.end(), s) != r.symbols.end();
      symbols.push_back(known ? std::optional(s) : r.default_symbol);
    }
    return std::make_unique<EnumStep>(std::move(symbols));
  }

  // The field of the reader's record for a field of the struct.
  int reader_field(const Node& r, const DataType& to, size_t at) const {
    if (s_.positional) return at < r.fields.size() ? static_cast<int>(at) : -1;
    int found = -1;
    std::string all;
    int matches = 0;
    for (size_t i = 0; i < r.fields.size(); ++i) {
      if (!(s_.case_sensitive ? r.fields[i].name == to.fields()[at].name : sources::equal_ignore_case(r.fields[i].name, to.fields()[at].name))) continue;
      if (found < 0) found = static_cast<int>(i);
      all += (matches++ ? ", " : "") + r.fields[i].name;
    }
    if (matches > 1) {
      throw SparkError::Plain(ErrorKind::kSpark, "Searching for '" + to.fields()[at].name + "' in Avro schema at " + path_text(avro_path_) + " gave " +
                                                     std::to_string(matches) + " matches. Candidates: [" + all + "]");
    }
    return found;
  }

  StepPtr record(const Node& w, const Node& r, const DataType& to) {
    if (to.id() != TypeId::kStruct) incompatible(r, to);
    std::vector<int> sql_of(r.fields.size(), -1);  // by the reader's field
    for (size_t i = 0; i < to.fields().size(); ++i) {
      const int f = reader_field(r, to, i);
      if (f >= 0) {
        sql_of[static_cast<size_t>(f)] = static_cast<int>(i);
      } else if (!to.fields()[i].nullable) {
        auto path = sql_path_;
        path.push_back(to.fields()[i].name);
        throw SparkError::Plain(ErrorKind::kSpark, s_.positional ? "Cannot find field at position " + std::to_string(i) + " of " + path_text(avro_path_) +
                                                                       " from Avro schema (using positional matching)"
                                                                 : "Cannot find " + path_text(path) + " in Avro schema");
      }
    }
    std::vector<RecordStep::Part> parts;
    std::vector<bool> written(r.fields.size(), false);
    for (const Field& wf : w.fields) {
      RecordStep::Part part;
      part.skipped = wf.type;
      for (size_t i = 0; i < r.fields.size(); ++i) {
        const Field& rf = r.fields[i];
        if (written[i] || !(rf.name == wf.name || std::find(rf.aliases.begin(), rf.aliases.end(), wf.name) != rf.aliases.end())) continue;
        written[i] = true;
        part.field = sql_of[i];
        if (part.field >= 0) part.step = below(rf, to.fields()[static_cast<size_t>(part.field)], *wf.type);
        break;
      }
      parts.push_back(std::move(part));
    }
    // What the writer did not have.
    for (size_t i = 0; i < r.fields.size(); ++i) {
      if (written[i]) continue;
      const Field& rf = r.fields[i];
      if (!rf.default_json) throw SparkError::Plain(ErrorKind::kSpark, "Found " + w.full_name() + ", expecting " + r.full_name() + ", missing required field " + rf.name);
      if (sql_of[i] < 0) continue;
      RecordStep::Part part;
      part.field = sql_of[i];
      part.from_default = true;
      part.bytes = encode_default(*rf.type, *rf.default_json);
      part.step = below(rf, to.fields()[static_cast<size_t>(part.field)], *rf.type);
      parts.push_back(std::move(part));
    }
    return std::make_unique<RecordStep>(std::move(parts), to.fields().size());
  }

  StepPtr below(const Field& rf, const plan::StructField& field, const Node& w) {
    Below below(*this, rf.name, field.name);
    return compile(w, *rf.type, field.type());
  }

  struct Below {
    Below(Compiler& c, const std::string& avro, const std::string& sql) : c(c) {
      if (c.avro_path_.size() > kDeepest) throw SparkError::Plain(ErrorKind::kSpark, "The Avro schema is nested too deeply");
      c.avro_path_.push_back(avro);
      c.sql_path_.push_back(sql);
    }
    ~Below() {
      c.avro_path_.pop_back();
      c.sql_path_.pop_back();
    }
    Compiler& c;
  };

  const ReadSettings& s_;
  std::vector<std::string> avro_path_, sql_path_;
};

}  // namespace

RowReader::RowReader(const Node& writer, const Node& reader, const DataType& type, const ReadSettings& settings) {
  try {
    step_ = Compiler(settings).compile(writer, reader, type);
  } catch (const SparkError& e) {
    if (!e.condition().empty()) throw;
    throw SparkError::Plain(ErrorKind::kSpark, "Cannot convert Avro type " + reader.json() + " to SQL type " + type.sql() + ". " + e.message());
  }
}
RowReader::~RowReader() = default;
RowReader::RowReader(RowReader&&) noexcept = default;

void RowReader::read(Decoder& in, Vector& out, uint64_t row) const { step_->read(in, out, row); }
void RowReader::read_fields(Decoder& in, Vector* const* outs, uint64_t row) const { step_->read_fields(in, outs, row); }

}  // namespace tarn::engine::avro
