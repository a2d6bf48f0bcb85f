#include "engine/avro/row_writer.h"

#include <algorithm>
#include <cstring>

#include <nlohmann/json.hpp>

#include "base/spark_error.h"
#include "duckdb/common/types/vector.hpp"
#include "engine/kernels/value_text.h"
#include "engine/sources/options.h"

namespace tarn::engine::avro {
namespace {

using Column = duckdb::RecursiveUnifiedVectorFormat;
using kernels::at;
using kernels::is_null;
using kernels::value;
using plan::DataType;
using plan::TypeId;
using plan::avro::Kind;
using plan::avro::Logical;
using plan::avro::Node;

template <class T> void put_raw(T v, std::string& out) { out.append(reinterpret_cast<const char*>(&v), sizeof v); }

std::string_view text(const Column& c, uint64_t row) {
  const auto& s = value<duckdb::string_t>(c, row);
  return {s.GetData(), s.GetSize()};
}

// Big-endian two's complement in so many bytes; 0: as few as hold it.
std::string decimal_bytes(__int128 v, size_t size) {
  if (size == 0) {
    size = 1;
    for (__int128 rest = v >> 7; rest != 0 && rest != -1; rest >>= 8) ++size;
  }
  std::string out(size, v < 0 ? '\xff' : '\0');
  for (size_t i = 0; i < std::min<size_t>(size, 16); ++i) out[size - 1 - i] = static_cast<char>(static_cast<uint8_t>(v >> (8 * i)));
  return out;
}

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

std::string path_text(const std::vector<std::string>& path) {
  if (path.empty()) return "top-level record";
  std::string out = "field '";
  for (size_t i = 0; i < path.size(); ++i) out += (i ? "." : "") + path[i];
  return out + "'";
}

}  // namespace

void put_number(int64_t v, std::string& out) {
  uint64_t z = static_cast<uint64_t>(v) << 1 ^ static_cast<uint64_t>(v >> 63);
  for (; z >= 0x80; z >>= 7) out += static_cast<char>(z | 0x80);
  out += static_cast<char>(z);
}

void put_bytes(std::string_view bytes, std::string& out) {
  put_number(static_cast<int64_t>(bytes.size()), out);
  out += bytes;
}

namespace {

using Json = nlohmann::json;

// Bytes stand in JSON as characters of ISO 8859-1.
std::string latin_1(const std::string& utf8) {
  std::string out;
  for (size_t i = 0; i < utf8.size(); ++i) {
    const auto b = static_cast<uint8_t>(utf8[i]);
    if (b >= 0xc0 && i + 1 < utf8.size()) out += static_cast<char>((b & 3) << 6 | (static_cast<uint8_t>(utf8[++i]) & 0x3f));
    else out += static_cast<char>(b);
  }
  return out;
}

void put_default(const Node& t, const Json& j, std::string& out) {
  switch (t.kind) {
    case Kind::kNull: break;
    case Kind::kBoolean: out += j.get<bool>() ? '\1' : '\0'; break;
    case Kind::kInt:
    case Kind::kLong: put_number(j.get<int64_t>(), out); break;
    case Kind::kFloat: put_raw(j.get<float>(), out); break;
    case Kind::kDouble: put_raw(j.get<double>(), out); break;
    case Kind::kString: put_bytes(j.get<std::string>(), out); break;
    case Kind::kBytes: put_bytes(latin_1(j.get<std::string>()), out); break;
    case Kind::kFixed: out += latin_1(j.get<std::string>()); break;
    case Kind::kEnum: put_number(std::find(t.symbols.begin(), t.symbols.end(), j.get<std::string>()) - t.symbols.begin(), out); break;
    case Kind::kRecord:
      for (const auto& f : t.fields) put_default(*f.type, j.contains(f.name) ? j.at(f.name) : Json::parse(f.default_json.value_or("null")), out);
      break;
    case Kind::kArray:
    case Kind::kMap:
      if (!j.empty()) put_number(static_cast<int64_t>(j.size()), out);
      for (auto it = j.begin(); it != j.end(); ++it) {
        if (t.kind == Kind::kMap) put_bytes(it.key(), out);
        put_default(*t.branches[0], *it, out);
      }
      put_number(0, out);
      break;
    case Kind::kUnion: {
      // The first branch by the specification; the others too in the Java library since 1.9.
      for (size_t i = 0; i < t.branches.size(); ++i) {
        std::string bytes;
        try {
          if ((t.branches[i]->kind == Kind::kNull) != j.is_null()) continue;
          put_default(*t.branches[i], j, bytes);
        } catch (const Json::exception&) {
          continue;
        }
        put_number(static_cast<int64_t>(i), out);
        out += bytes;
        return;
      }
      throw SparkError::Plain(ErrorKind::kSpark, "An Avro field has the invalid default value " + j.dump());
    }
  }
}

}  // namespace

std::string encode_default(const Node& type, const std::string& json) {
  std::string out;
  try {
    put_default(type, Json::parse(json), out);
  } catch (const Json::exception&) {
    throw SparkError::Plain(ErrorKind::kSpark, "An Avro field has the invalid default value " + json);
  }
  return out;
}

// ---- compiled steps

class RowWriter::Step {
 public:
  virtual ~Step() = default;
  // The value is not null.
  virtual void write(const Column& c, uint64_t row, std::string& out) const = 0;
  virtual void write_fields(const std::vector<Column>&, const std::vector<size_t>&, uint64_t, std::string&) const { throw internal_error("an Avro value is no record"); }
};

namespace {

using Step = RowWriter::Step;
using StepPtr = std::unique_ptr<const Step>;

template <class F>
class Leaf : public Step {
 public:
  explicit Leaf(F f) : f_(std::move(f)) {}
  void write(const Column& c, uint64_t row, std::string& out) const override { f_(c, row, out); }

 private:
  const F f_;
};
template <class F> StepPtr leaf(F f) { return std::make_unique<Leaf<F>>(std::move(f)); }

// A value as one of a union's branches, or null as another.
struct Slot {
  StepPtr step;
  int null_branch = -1, branch = -1;  // -1: no union, or none of that kind
  std::string name, type_json;
  void write(const Column& c, uint64_t row, std::string& out) const {
    if (is_null(c, row)) {
      if (null_branch < 0 && branch < 0 && type_json == "\"null\"") return;
      if (null_branch < 0) throw SparkError(ErrorKind::kRuntime, "AVRO_CANNOT_WRITE_NULL_FIELD", {{"name", quote_identifier(name)}, {"dataType", type_json}});
      put_number(null_branch, out);
      return;
    }
    if (branch >= 0) put_number(branch, out);
    step->write(c, row, out);
  }
};

class ListStep : public Step {
 public:
  ListStep(Slot element, bool map) : element_(std::move(element)), map_(map) {}
  void write(const Column& c, uint64_t row, std::string& out) const override {
    const auto& list = value<duckdb::list_entry_t>(c, row);
    if (list.length > 0) put_number(static_cast<int64_t>(list.length), out);
    const Column& entries = c.children[0];
    for (uint64_t i = list.offset; i < list.offset + list.length; ++i) {
      if (map_) {
        const uint64_t entry = at(entries, i);
        put_bytes(text(entries.children[0], entry), out);
        element_.write(entries.children[1], entry, out);
      } else {
        element_.write(entries, i, out);
      }
    }
    put_number(0, out);
  }

 private:
  const Slot element_;
  const bool map_;
};

class RecordStep : public Step {
 public:
  struct Part {
    int field = -1;  // of the struct
    Slot slot;
    std::string constant;  // what is written where the struct has no such field
  };
  explicit RecordStep(std::vector<Part> parts) : parts_(std::move(parts)) {}
  void write(const Column& c, uint64_t row, std::string& out) const override {
    for (const auto& p : parts_) {
      if (p.field < 0) out += p.constant;
      else p.slot.write(c.children[static_cast<size_t>(p.field)], at(c, row), out);
    }
  }
  void write_fields(const std::vector<Column>& data, const std::vector<size_t>& which, uint64_t row, std::string& out) const override {
    for (const auto& p : parts_) {
      if (p.field < 0) out += p.constant;
      else p.slot.write(data[which[static_cast<size_t>(p.field)]], row, out);
    }
  }

 private:
  const std::vector<Part> parts_;
};

// A struct of which one field is set, as a union's branch.
class MemberStep : public Step {
 public:
  struct Member {
    StepPtr step;
    int branch;
  };
  MemberStep(std::vector<Member> members, int null_branch) : members_(std::move(members)), null_branch_(null_branch) {}
  void write(const Column& c, uint64_t row, std::string& out) const override {
    for (size_t i = 0; i < members_.size(); ++i) {
      if (is_null(c.children[i], at(c, row))) continue;
      put_number(members_[i].branch, out);
      members_[i].step->write(c.children[i], at(c, row), out);
      return;
    }
    if (null_branch_ < 0) throw SparkError::Plain(ErrorKind::kSpark, "Not in union: null");
    put_number(null_branch_, out);
  }

 private:
  const std::vector<Member> members_;
  const int null_branch_;
};

class Compiler {
 public:
  explicit Compiler(const WriteSettings& settings) : s_(settings) {}

  Slot slot(const DataType& t, const Node& n, const std::string& name) {
    Slot s;
    s.name = name;
    s.type_json = n.json();
    const Node* target = &n;
    if (n.kind == Kind::kUnion) {
      const auto branches = n.non_null();
      for (size_t i = 0; i < n.branches.size(); ++i)
        if (n.branches[i]->kind == Kind::kNull) s.null_branch = static_cast<int>(i);
      if (branches.size() == 1) target = branches[0];
      if (branches.empty()) target = n.branches.empty() ? &n : n.branches[0];
      if (target != &n && target->kind != Kind::kNull) s.branch = index(n, target);
    }
    s.step = compile(t, *target);
    return s;
  }

  StepPtr record(const DataType& t, const Node& n) {
    std::vector<RecordStep::Part> parts;
    std::vector<bool> used(t.fields().size(), false);
    for (size_t f = 0; f < n.fields.size(); ++f) {
      RecordStep::Part part;
      const auto& field = n.fields[f];
      part.field = sql_field(t, n, f);
      if (part.field >= 0) {
        used[static_cast<size_t>(part.field)] = true;
        const auto& sql = t.fields()[static_cast<size_t>(part.field)];
        Below below(*this, field.name, sql.name);
        part.slot = slot(sql.type(), *field.type, field.name);
      } else if (field.type->nullable()) {
        for (size_t i = 0; i < field.type->branches.size(); ++i)
          if (field.type->branches[i]->kind == Kind::kNull) put_number(static_cast<int64_t>(i), part.constant);
      } else if (s_.positional) {
        throw plain("Found field '" + field.name + "' at position " + std::to_string(f) + " of " + path_text(avro_path_) +
                    " from Avro schema but there is no match in the SQL schema at " + path_text(sql_path_) + " (using positional matching)");
      } else {
        auto path = avro_path_;
        path.push_back(field.name);
        throw plain("Found " + path_text(path) + " in Avro schema but there is no match in the SQL schema");
      }
      parts.push_back(std::move(part));
    }
    for (size_t i = 0; i < used.size(); ++i) {
      if (used[i]) continue;
      auto path = sql_path_;
      path.push_back(t.fields()[i].name);
      throw plain(s_.positional ? "Cannot find field at position " + std::to_string(i) + " of " + path_text(avro_path_) + " from Avro schema (using positional matching)"
                                : "Cannot find " + path_text(path) + " in Avro schema");
    }
    return std::make_unique<RecordStep>(std::move(parts));
  }

 private:
  static SparkError plain(const std::string& text) { return SparkError::Plain(ErrorKind::kSpark, text); }
  static int index(const Node& n, const Node* branch) { return static_cast<int>(std::find(n.branches.begin(), n.branches.end(), branch) - n.branches.begin()); }
  std::string prefix() const { return "Cannot convert SQL " + path_text(sql_path_) + " to Avro " + path_text(avro_path_) + " because "; }
  [[noreturn]] void incompatible(const DataType& t, const Node& n) const {
    throw plain(prefix() + "schema is incompatible (sqlType = " + t.sql() + ", avroType = " + n.json() + ")");
  }

  int sql_field(const DataType& t, const Node& n, size_t f) const {
    if (s_.positional) return f < t.fields().size() ? static_cast<int>(f) : -1;
    int found = -1;
    for (size_t i = 0; i < t.fields().size(); ++i) {
      const auto& name = t.fields()[i].name;
      if (!(s_.case_sensitive ? name == n.fields[f].name : sources::equal_ignore_case(name, n.fields[f].name))) continue;
      if (found >= 0) throw plain("Searching for '" + n.fields[f].name + "' in Avro schema at " + path_text(avro_path_) + " gave 2 matches");
      found = static_cast<int>(i);
    }
    return found;
  }

  StepPtr compile(const DataType& t, const Node& n) {
    const TypeId id = t.id();
    if (id == TypeId::kUdt) return compile(t.sql_type(), n);
    if (n.kind == Kind::kUnion) return into_union(t, n);
    switch (n.kind) {
      case Kind::kNull:
        if (id != TypeId::kNull) incompatible(t, n);
        return leaf([](const Column&, uint64_t, std::string&) {});
      case Kind::kBoolean:
        if (id != TypeId::kBoolean) incompatible(t, n);
        return leaf([](const Column& c, uint64_t row, std::string& out) { out += value<bool>(c, row) ? '\1' : '\0'; });
      case Kind::kInt:
        if (id == TypeId::kByte) return leaf([](const Column& c, uint64_t row, std::string& out) { put_number(value<int8_t>(c, row), out); });
        if (id == TypeId::kShort) return leaf([](const Column& c, uint64_t row, std::string& out) { put_number(value<int16_t>(c, row), out); });
        if (id != TypeId::kInt && id != TypeId::kDate && id != TypeId::kYearMonthInterval) incompatible(t, n);
        return leaf([](const Column& c, uint64_t row, std::string& out) { put_number(value<int32_t>(c, row), out); });
      case Kind::kLong: return whole(t, n);
      case Kind::kFloat:
        if (id != TypeId::kFloat) incompatible(t, n);
        return leaf([](const Column& c, uint64_t row, std::string& out) { put_raw(value<float>(c, row), out); });
      case Kind::kDouble:
        if (id != TypeId::kDouble) incompatible(t, n);
        return leaf([](const Column& c, uint64_t row, std::string& out) { put_raw(value<double>(c, row), out); });
      case Kind::kString:
        if (!t.is_string()) incompatible(t, n);
        return leaf([](const Column& c, uint64_t row, std::string& out) { put_bytes(text(c, row), out); });
      case Kind::kEnum: return enumeration(t, n);
      case Kind::kBytes:
      case Kind::kFixed: return bytes(t, n);
      case Kind::kArray: {
        if (id != TypeId::kArray) incompatible(t, n);
        Below below(*this, "element", "element");
        return std::make_unique<ListStep>(slot(t.element(), *n.branches[0], "element"), false);
      }
      case Kind::kMap: {
        if (id != TypeId::kMap || !t.key().is_string()) incompatible(t, n);
        Below below(*this, "value", "value");
        return std::make_unique<ListStep>(slot(t.value(), *n.branches[0], "value"), true);
      }
      case Kind::kRecord:
        if (id != TypeId::kStruct) incompatible(t, n);
        return record(t, n);
      case Kind::kUnion: break;
    }
    incompatible(t, n);
  }

  StepPtr whole(const DataType& t, const Node& n) {
    bool fits = t.id() == TypeId::kLong || t.id() == TypeId::kDayTimeInterval;
    int64_t unit = 1;  // of the column's in one of the file's
    auto logical = [&](Logical coarse, Logical fine) {
      fits = n.logical == Logical::kNone || n.logical == coarse || n.logical == fine;
      if (n.logical != fine) unit = 1000;
      if (!fits) throw plain(prefix() + "SQL type " + t.sql() + " cannot be converted to Avro logical type " + n.json());
    };
    if (t.id() == TypeId::kTimestamp) logical(Logical::kTimestampMillis, Logical::kTimestampMicros);
    if (t.id() == TypeId::kTimestampNtz) logical(Logical::kLocalTimestampMillis, Logical::kLocalTimestampMicros);
    if (t.id() == TypeId::kTime) {
      fits = n.logical == Logical::kTimeMicros;
      unit = 1000;
    }
    if (!fits) incompatible(t, n);
    return leaf([unit](const Column& c, uint64_t row, std::string& out) { put_number(floor_div(value<int64_t>(c, row), unit), out); });
  }

  StepPtr enumeration(const DataType& t, const Node& n) {
    if (!t.is_string()) incompatible(t, n);
    std::string all;
    for (const auto& s : n.symbols) all += (all.empty() ? "\"" : ", \"") + s + "\"";
    return leaf([&n, all, before = prefix()](const Column& c, uint64_t row, std::string& out) {
      const auto it = std::find(n.symbols.begin(), n.symbols.end(), text(c, row));
      if (it == n.symbols.end()) throw plain(before + "\"" + std::string(text(c, row)) + "\" cannot be written since it's not defined in enum " + all);
      put_number(it - n.symbols.begin(), out);
    });
  }

  StepPtr bytes(const DataType& t, const Node& n) {
    const size_t size = n.kind == Kind::kFixed ? static_cast<size_t>(n.size) : 0;
    if (t.id() == TypeId::kDecimal) {
      if (n.logical != Logical::kDecimal || n.precision != t.precision() || n.scale != t.scale()) incompatible(t, n);
      return leaf([size](const Column& c, uint64_t row, std::string& out) {
        const std::string b = decimal_bytes(kernels::decimal_value(c, row), size);
        if (size == 0) put_bytes(b, out);
        else out += b;
      });
    }
    if (t.id() != TypeId::kBinary) incompatible(t, n);
    if (n.kind == Kind::kBytes) return leaf([](const Column& c, uint64_t row, std::string& out) { put_bytes(text(c, row), out); });
    return leaf([size, before = prefix()](const Column& c, uint64_t row, std::string& out) {
      const std::string_view b = text(c, row);
      auto shown = [](size_t n) { return std::to_string(n) + (n > 1 ? " bytes" : " byte"); };
      if (b.size() != size) throw plain(before + shown(b.size()) + " of binary data cannot be written into FIXED type with size of " + shown(size));
      out += b;
    });
  }

  // Several branches that are not null.
  StepPtr into_union(const DataType& t, const Node& n) {
    const auto branches = n.non_null();
    auto branch_of = [&](Kind k) {
      for (size_t i = 0; i < n.branches.size(); ++i)
        if (n.branches[i]->kind == k) return static_cast<int>(i);
      return -1;
    };
    if (branches.size() == 2 && t.id() == TypeId::kDouble && branch_of(Kind::kFloat) >= 0 && branch_of(Kind::kDouble) >= 0) {
      return leaf([b = branch_of(Kind::kDouble)](const Column& c, uint64_t row, std::string& out) {
        put_number(b, out);
        put_raw(value<double>(c, row), out);
      });
    }
    if (branches.size() == 2 && t.id() == TypeId::kLong && branch_of(Kind::kInt) >= 0 && branch_of(Kind::kLong) >= 0) {
      return leaf([b = branch_of(Kind::kLong)](const Column& c, uint64_t row, std::string& out) {
        put_number(b, out);
        put_number(value<int64_t>(c, row), out);
      });
    }
    if (t.id() != TypeId::kStruct) incompatible(t, n);
    std::string wanted, given;
    bool right = branches.size() == t.fields().size();
    for (size_t i = 0; i < branches.size(); ++i) wanted += (i ? ", member" : "member") + std::to_string(i);
    for (size_t i = 0; i < t.fields().size(); ++i) {
      given += (i ? ", " : "") + t.fields()[i].name;
      right = right && (s_.positional || t.fields()[i].name == "member" + std::to_string(i));
    }
    if (!right) {
      const std::string start = "Generic Avro union at " + path_text(avro_path_) + " does not match the SQL schema at " + path_text(sql_path_) + ".  It expected the ";
      throw plain(s_.positional ? start + std::to_string(branches.size()) + " members but got " + std::to_string(t.fields().size())
                                : start + "following members (" + wanted + ") but got (" + given + ")");
    }
    std::vector<MemberStep::Member> members;
    for (size_t i = 0; i < branches.size(); ++i) {
      Below below(*this, t.fields()[i].name, t.fields()[i].name);
      members.push_back({compile(t.fields()[i].type(), *branches[i]), index(n, branches[i])});
    }
    return std::make_unique<MemberStep>(std::move(members), branch_of(Kind::kNull));
  }

  struct Below {
    Below(Compiler& c, const std::string& avro, const std::string& sql) : c(c) {
      c.avro_path_.push_back(avro);
      c.sql_path_.push_back(sql);
    }
    ~Below() {
      c.avro_path_.pop_back();
      c.sql_path_.pop_back();
    }
    Compiler& c;
  };

  const WriteSettings& s_;
  std::vector<std::string> avro_path_, sql_path_;
};

// The value itself, which may be null where the schema allows it.
class RootStep : public Step {
 public:
  explicit RootStep(Slot slot) : slot_(std::move(slot)) {}
  void write(const Column& c, uint64_t row, std::string& out) const override { slot_.write(c, row, out); }
  void write_fields(const std::vector<Column>& data, const std::vector<size_t>& which, uint64_t row, std::string& out) const override {
    if (slot_.branch >= 0) put_number(slot_.branch, out);
    slot_.step->write_fields(data, which, row, out);
  }

 private:
  const Slot slot_;
};

}  // namespace

RowWriter::RowWriter(const DataType& type, const Node& schema, const WriteSettings& settings) {
  try {
    step_ = std::make_unique<RootStep>(Compiler(settings).slot(type, schema, schema.branch_name()));
  } catch (const SparkError& e) {
    if (!e.condition().empty()) throw;
    throw SparkError::Plain(ErrorKind::kSpark, "Cannot convert SQL type " + type.sql() + " to Avro type " + schema.json() + ". " + e.message());
  }
}
RowWriter::~RowWriter() = default;

void RowWriter::write(const Column& data, uint64_t row, std::string& out) const { step_->write(data, row, out); }
void RowWriter::write_fields(const std::vector<Column>& data, const std::vector<size_t>& which, uint64_t row, std::string& out) const {
  step_->write_fields(data, which, row, out);
}

}  // namespace tarn::engine::avro
