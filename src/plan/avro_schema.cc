#include "plan/avro_schema.h"

#include <algorithm>
#include <map>
#include <set>

#include <nlohmann/json.hpp>

#include "base/spark_error.h"
#include "spark/connect/types.pb.h"
#include "sql/parser.h"

namespace tarn::plan::avro {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kTypeNames[] = {"null", "boolean", "int", "long", "float", "double", "bytes", "string", "record", "enum", "array", "map", "union", "fixed"};
constexpr int kDeepest = 256;  // of a schema's nesting
constexpr int kRecursionLimit = 15;

std::string lower(std::string_view s) {
  std::string out(s);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

[[noreturn]] void bad_schema(const std::string& why) { throw SparkError::Plain(ErrorKind::kSpark, "Failed to parse the Avro schema: " + why); }
[[noreturn]] void incompatible(const std::string& why) { throw SparkError::Plain(ErrorKind::kSpark, why); }

bool is_name(std::string_view s) {
  auto letter = [](unsigned char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80; };
  return !s.empty() && letter(static_cast<unsigned char>(s[0])) &&
         std::all_of(s.begin(), s.end(), [&](char c) { return letter(static_cast<unsigned char>(c)) || (c >= '0' && c <= '9'); });
}

// The most digits that a fixed of so many bytes holds.
int digits_in(int64_t bytes) {
  if (bytes <= 0) return 0;
  return static_cast<int>(std::min<int64_t>(1'000'000, static_cast<int64_t>(static_cast<double>(8 * bytes - 1) * 0.30102999566398119521)));
}

// The bytes that hold every decimal of a precision.
int bytes_for(int precision) {
  int bytes = 1;
  while (digits_in(bytes) < precision) ++bytes;
  return bytes;
}

}  // namespace

class Builder {
 public:
  Builder() : schema_(std::make_shared<Schema>()) {}
  std::shared_ptr<const Schema> finish(const Node* root) {
    schema_->root_ = root;
    return schema_;
  }
  Node* add(Kind kind) {
    schema_->nodes_.push_back(std::make_unique<Node>());
    schema_->nodes_.back()->kind = kind;
    return schema_->nodes_.back().get();
  }

  const Node* parse(const Json& j, const std::string& space, int depth = 0) {
    if (depth > kDeepest) bad_schema("it is nested too deeply");
    if (j.is_string()) return named_or_primitive(j.get<std::string>(), space);
    if (j.is_array()) {
      Node* n = add(Kind::kUnion);
      std::set<std::string> seen;
      for (const auto& b : j) {
        const Node* branch = parse(b, space, depth + 1);
        if (branch->kind == Kind::kUnion) bad_schema("a union in a union");
        if (!seen.insert(branch->named() ? branch->full_name() : branch->type_name()).second) bad_schema("a union has two branches of the type " + branch->branch_name());
        n->branches.push_back(branch);
      }
      return n;
    }
    if (!j.is_object()) bad_schema("no type: " + j.dump());
    auto type = j.find("type");
    if (type == j.end()) bad_schema("No type: " + j.dump());
    if (!type->is_string()) return parse(*type, space, depth + 1);
    const std::string name = type->get<std::string>();
    for (size_t k = 0; k <= static_cast<size_t>(Kind::kString); ++k) {
      if (name != kTypeNames[k]) continue;
      Node* n = add(static_cast<Kind>(k));
      properties(*n, j);
      return n;
    }
    if (name == "array" || name == "map") {
      Node* n = add(name == "array" ? Kind::kArray : Kind::kMap);
      auto of = j.find(name == "array" ? "items" : "values");
      if (of == j.end()) bad_schema("an " + name + " without the type of its values");
      n->branches = {parse(*of, space, depth + 1)};
      return n;
    }
    if (name == "record" || name == "error") return record(j, space, depth);
    if (name == "enum") {
      Node* n = define(Kind::kEnum, j, space);
      for (const auto& s : list(j, "symbols")) n->symbols.push_back(s);
      if (auto d = j.find("default"); d != j.end() && d->is_string()) n->default_symbol = d->get<std::string>();
      return n;
    }
    if (name == "fixed") {
      Node* n = define(Kind::kFixed, j, space);
      auto size = j.find("size");
      if (size == j.end() || !size->is_number_integer() || size->get<int64_t>() < 0 || size->get<int64_t>() > INT32_MAX) bad_schema("a fixed without a size");
      n->size = size->get<int64_t>();
      properties(*n, j);
      return n;
    }
    return named_or_primitive(name, space);
  }

  const Node* of(const DataType& t, bool nullable, const std::string& record_name, const std::string& space) {
    const Node* n = not_null(t, record_name, space);
    if (!nullable || n->kind == Kind::kNull) return n;
    Node* u = add(Kind::kUnion);
    u->branches = {n, add(Kind::kNull)};
    return u;
  }

 private:
  static std::vector<std::string> list(const Json& j, const char* key) {
    auto it = j.find(key);
    if (it == j.end() || !it->is_array()) bad_schema(std::string("no list of ") + key);
    std::vector<std::string> out;
    for (const auto& s : *it) {
      if (!s.is_string()) bad_schema(std::string("no list of ") + key);
      out.push_back(s.get<std::string>());
    }
    return out;
  }

  const Node* named_or_primitive(const std::string& name, const std::string& space) {
    for (size_t k = 0; k <= static_cast<size_t>(Kind::kString); ++k)
      if (name == kTypeNames[k]) return add(static_cast<Kind>(k));
    auto it = names_.find(name.find('.') == std::string::npos && !space.empty() ? space + "." + name : name);
    if (it == names_.end()) it = names_.find(name);
    if (it == names_.end()) bad_schema("Undefined name: \"" + name + "\"");
    return it->second;
  }

  Node* define(Kind kind, const Json& j, const std::string& space) {
    auto name = j.find("name");
    if (name == j.end() || !name->is_string()) bad_schema("No name in schema: " + j.dump());
    Node* n = add(kind);
    n->name = name->get<std::string>();
    n->space = space;
    if (auto s = j.find("namespace"); s != j.end() && s->is_string()) n->space = s->get<std::string>();
    if (size_t dot = n->name.rfind('.'); dot != std::string::npos) {
      n->space = n->name.substr(0, dot);
      n->name = n->name.substr(dot + 1);
    }
    if (!is_name(n->name)) bad_schema("Illegal character in: " + n->name);
    if (!names_.emplace(n->full_name(), n).second) bad_schema("Can't redefine: " + n->full_name());
    if (auto a = j.find("aliases"); a != j.end()) {
      for (const auto& alias : list(j, "aliases")) n->aliases.push_back(alias.find('.') != std::string::npos || n->space.empty() ? alias : n->space + "." + alias);
    }
    return n;
  }

  const Node* record(const Json& j, const std::string& space, int depth) {
    Node* n = define(Kind::kRecord, j, space);
    auto fields = j.find("fields");
    if (fields == j.end() || !fields->is_array()) bad_schema("Record has no fields: " + j.dump());
    std::set<std::string> seen;
    for (const auto& f : *fields) {
      Field field;
      auto name = f.is_object() ? f.find("name") : f.end();
      auto type = f.is_object() ? f.find("type") : f.end();
      if (!f.is_object() || name == f.end() || !name->is_string() || type == f.end()) bad_schema("No field name or type: " + f.dump());
      field.name = name->get<std::string>();
      if (!is_name(field.name)) bad_schema("Illegal character in: " + field.name);
      if (!seen.insert(field.name).second) bad_schema("Duplicate field " + field.name + " in record " + n->full_name());
      field.type = parse(*type, n->space, depth + 1);
      if (auto d = f.find("default"); d != f.end()) field.default_json = d->dump();
      if (f.contains("aliases")) field.aliases = list(f, "aliases");
      n->fields.push_back(std::move(field));
    }
    return n;
  }

  // Logical types that do not suit their type do not count, as in the Java library.
  static void properties(Node& n, const Json& j) {
    if (auto c = j.find("spark.sql.catalyst.type"); c != j.end() && c->is_string()) n.catalyst = c->get<std::string>();
    auto l = j.find("logicalType");
    if (l == j.end() || !l->is_string()) return;
    const std::string name = l->get<std::string>();
    auto number = [&](const char* key) {
      auto it = j.find(key);
      return it != j.end() && it->is_number_integer() ? static_cast<int>(std::clamp<int64_t>(it->get<int64_t>(), -1, 1'000'000)) : -1;
    };
    static const std::map<std::string, std::pair<Kind, Logical>> kPlain = {
        {"date", {Kind::kInt, Logical::kDate}},
        {"time-millis", {Kind::kInt, Logical::kTimeMillis}},
        {"time-micros", {Kind::kLong, Logical::kTimeMicros}},
        {"timestamp-millis", {Kind::kLong, Logical::kTimestampMillis}},
        {"timestamp-micros", {Kind::kLong, Logical::kTimestampMicros}},
        {"timestamp-nanos", {Kind::kLong, Logical::kTimestampNanos}},
        {"local-timestamp-millis", {Kind::kLong, Logical::kLocalTimestampMillis}},
        {"local-timestamp-micros", {Kind::kLong, Logical::kLocalTimestampMicros}},
        {"local-timestamp-nanos", {Kind::kLong, Logical::kLocalTimestampNanos}}};
    if (auto it = kPlain.find(name); it != kPlain.end()) {
      if (it->second.first == n.kind) n.logical = it->second.second;
      return;
    }
    const int precision = number("precision"), scale = j.contains("scale") ? number("scale") : 0;
    const bool custom = name == "custom-decimal" && n.kind == Kind::kLong;
    const bool plain = name == "decimal" && (n.kind == Kind::kBytes || n.kind == Kind::kFixed);
    if (!custom && !plain) return;
    if (precision <= 0 || scale < 0 || scale > precision || (n.kind == Kind::kFixed && precision > digits_in(n.size))) return;
    if (precision > 38) {
      if (custom) return;
      throw SparkError(ErrorKind::kArithmetic, "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION", {{"precision", std::to_string(precision)}, {"maxPrecision", "38"}});
    }
    n.logical = custom ? Logical::kCustomDecimal : Logical::kDecimal;
    n.precision = precision;
    n.scale = scale;
  }

  Node* with(Kind kind, Logical logical) {
    Node* n = add(kind);
    n->logical = logical;
    return n;
  }

  const Node* not_null(const DataType& t, const std::string& record_name, const std::string& space) {
    switch (t.id()) {
      case TypeId::kNull: return add(Kind::kNull);
      case TypeId::kBoolean: return add(Kind::kBoolean);
      case TypeId::kByte:
      case TypeId::kShort:
      case TypeId::kInt: return add(Kind::kInt);
      case TypeId::kLong: return add(Kind::kLong);
      case TypeId::kFloat: return add(Kind::kFloat);
      case TypeId::kDouble: return add(Kind::kDouble);
      case TypeId::kString:
      case TypeId::kChar:
      case TypeId::kVarchar: return add(Kind::kString);
      case TypeId::kBinary: return add(Kind::kBytes);
      case TypeId::kDate: return with(Kind::kInt, Logical::kDate);
      case TypeId::kTimestamp: return with(Kind::kLong, Logical::kTimestampMicros);
      case TypeId::kTimestampNtz: return with(Kind::kLong, Logical::kLocalTimestampMicros);
      case TypeId::kTime: {
        Node* n = with(Kind::kLong, Logical::kTimeMicros);
        n->catalyst = t.catalog_string();
        return n;
      }
      case TypeId::kYearMonthInterval:
      case TypeId::kDayTimeInterval: {
        Node* n = add(t.id() == TypeId::kYearMonthInterval ? Kind::kInt : Kind::kLong);
        n->catalyst = t.catalog_string();
        return n;
      }
      case TypeId::kDecimal: {
        // Named by where it stands, so that no two are of one name.
        Node* n = with(Kind::kFixed, Logical::kDecimal);
        n->precision = t.precision();
        n->scale = t.scale();
        n->size = bytes_for(t.precision());
        n->name = "fixed";
        n->space = (space.empty() ? "" : space + ".") + record_name;
        return n;
      }
      case TypeId::kArray: {
        Node* n = add(Kind::kArray);
        n->branches = {of(t.element(), t.contains_null(), record_name, space)};
        return n;
      }
      case TypeId::kMap: {
        if (!t.key().is_string()) incompatible("Unexpected type " + t.sql() + ".");
        Node* n = add(Kind::kMap);
        n->branches = {of(t.value(), t.contains_null(), record_name, space)};
        return n;
      }
      case TypeId::kStruct: {
        Node* n = add(Kind::kRecord);
        n->name = record_name;
        n->space = space;
        const std::string below = space.empty() ? record_name : space + "." + record_name;
        if (!is_name(record_name.substr(record_name.rfind('.') + 1))) incompatible("Illegal initial character: " + record_name);
        for (const auto& f : t.fields()) {
          if (!is_name(f.name)) incompatible("Illegal character in: " + f.name);
          n->fields.push_back({f.name, of(f.type(), f.nullable, f.name, below), {}, {}});
        }
        return n;
      }
      case TypeId::kUdt: return not_null(t.sql_type(), record_name, space);
      default: incompatible("Unexpected type " + t.sql() + ".");
    }
  }

  std::shared_ptr<Schema> schema_;
  std::map<std::string, const Node*> names_;
};

namespace {

Json write(const Node& n, const std::string& space, std::set<const Node*>& written) {
  if (n.named() && written.contains(&n)) return n.space == space ? n.name : n.full_name();
  Json j = Json::object();
  auto name = [&] {
    written.insert(&n);
    j["type"] = n.type_name();
    j["name"] = n.name;
    if (n.space != space) j["namespace"] = n.space;
  };
  switch (n.kind) {
    case Kind::kUnion: {
      Json all = Json::array();
      for (const Node* b : n.branches) all.push_back(write(*b, space, written));
      return all;
    }
    case Kind::kRecord: {
      name();
      Json fields = Json::array();
      for (const auto& f : n.fields) {
        Json field = {{"name", f.name}, {"type", write(*f.type, n.space, written)}};
        if (f.default_json) field["default"] = Json::parse(*f.default_json);
        if (!f.aliases.empty()) field["aliases"] = f.aliases;
        fields.push_back(std::move(field));
      }
      j["fields"] = std::move(fields);
      if (!n.aliases.empty()) j["aliases"] = n.aliases;
      return j;
    }
    case Kind::kEnum:
      name();
      j["symbols"] = n.symbols;
      if (n.default_symbol) j["default"] = *n.default_symbol;
      return j;
    case Kind::kFixed:
      name();
      j["size"] = n.size;
      break;
    case Kind::kArray: return {{"type", "array"}, {"items", write(*n.branches[0], space, written)}};
    case Kind::kMap: return {{"type", "map"}, {"values", write(*n.branches[0], space, written)}};
    default: j["type"] = n.type_name();
  }
  static constexpr const char* kLogical[] = {nullptr, "decimal", "custom-decimal", "date", "time-millis", "time-micros", "timestamp-millis", "timestamp-micros",
                                             "timestamp-nanos", "local-timestamp-millis", "local-timestamp-micros", "local-timestamp-nanos"};
  if (n.logical != Logical::kNone) j["logicalType"] = kLogical[static_cast<int>(n.logical)];
  if (n.logical == Logical::kDecimal || n.logical == Logical::kCustomDecimal) {
    j["precision"] = n.precision;
    j["scale"] = n.scale;
  }
  if (!n.catalyst.empty()) j["spark.sql.catalyst.type"] = n.catalyst;
  if (j.size() == 1) return n.type_name();
  return j;
}

class SqlTypes {
 public:
  explicit SqlTypes(const ReadOptions& options) : o_(options) {}

  // nullopt: a record below the last level of its recursion, which is left out.
  std::optional<SqlType> of(const Node& n) {
    auto not_null = [](DataType t) { return SqlType{std::move(t), false}; };
    auto named = [&](DataType otherwise) { return not_null(n.catalyst.empty() ? std::move(otherwise) : DataType::from_proto(sql::parse_data_type(n.catalyst))); };
    switch (n.kind) {
      case Kind::kNull: return SqlType{TypeId::kNull, true};
      case Kind::kBoolean: return not_null(TypeId::kBoolean);
      case Kind::kInt: return n.logical == Logical::kDate ? not_null(TypeId::kDate) : named(TypeId::kInt);
      case Kind::kLong:
        switch (n.logical) {
          case Logical::kCustomDecimal: return not_null(DataType::decimal(n.precision, n.scale));
          case Logical::kTimestampMillis:
          case Logical::kTimestampMicros: return not_null(TypeId::kTimestamp);
          case Logical::kLocalTimestampMillis:
          case Logical::kLocalTimestampMicros: return not_null(TypeId::kTimestampNtz);
          case Logical::kTimeMicros: return named(DataType::time(6));
          default: return named(TypeId::kLong);
        }
      case Kind::kFloat: return not_null(TypeId::kFloat);
      case Kind::kDouble: return not_null(TypeId::kDouble);
      case Kind::kBytes:
      case Kind::kFixed: return not_null(n.logical == Logical::kDecimal ? DataType::decimal(n.precision, n.scale) : DataType(TypeId::kBinary));
      case Kind::kString:
      case Kind::kEnum: return not_null(TypeId::kString);
      case Kind::kRecord: return record(n);
      case Kind::kArray: {
        auto e = of(*n.branches[0]);
        if (!e) return std::nullopt;
        return not_null(DataType::array(e->type, e->nullable));
      }
      case Kind::kMap: {
        auto v = of(*n.branches[0]);
        if (!v) return std::nullopt;
        return not_null(DataType::map(TypeId::kString, v->type, v->nullable));
      }
      case Kind::kUnion: return of_union(n);
    }
    return std::nullopt;
  }

 private:
  std::optional<SqlType> record(const Node& n) {
    int& depth = depths_[&n];
    if (depth > 0 && o_.recursion <= 0) {
      incompatible("Found recursive reference in Avro schema, which can not be processed by Spark by default: " + n.json() +
                   ". Try setting the option `recursiveFieldMaxDepth` to 1 - " + std::to_string(kRecursionLimit) + ".");
    }
    if (depth > 0 && depth >= o_.recursion) return std::nullopt;
    ++depth;
    std::vector<StructField> fields;
    for (const auto& f : n.fields)
      if (auto t = of(*f.type)) fields.push_back(make_field(f.name, t->type, t->nullable));
    --depth;
    return SqlType{DataType::structure(std::move(fields)), false};
  }

  std::optional<SqlType> of_union(const Node& n) {
    const auto branches = n.non_null();
    const bool nullable = branches.size() < n.branches.size();
    auto result = [&](std::optional<SqlType> t) {
      if (t && nullable) t->nullable = true;
      return t;
    };
    if (branches.empty()) return SqlType{TypeId::kNull, true};
    if (branches.size() == 1) return result(of(*branches[0]));
    if (branches.size() == 2) {
      auto both = [&](Kind a, Kind b) { return (branches[0]->kind == a && branches[1]->kind == b) || (branches[0]->kind == b && branches[1]->kind == a); };
      if (both(Kind::kInt, Kind::kLong)) return result(SqlType{TypeId::kLong, false});
      if (both(Kind::kFloat, Kind::kDouble)) return result(SqlType{TypeId::kDouble, false});
    }
    std::vector<StructField> fields;
    std::set<std::string> seen;
    for (size_t i = 0; i < branches.size(); ++i) {
      auto t = of(*branches[i]);
      if (!t) continue;
      std::string name = "member" + std::to_string(i);
      if (o_.stable_union_names) {
        name = o_.union_prefix + branches[i]->branch_name();
        if (!seen.insert(lower(name)).second) {
          incompatible("Cannot generate stable identifier for Avro union type due to name conflict of type name " + branches[i]->branch_name());
        }
      }
      fields.push_back(make_field(std::move(name), t->type, true));
    }
    return result(SqlType{DataType::structure(std::move(fields)), false});
  }

  const ReadOptions& o_;
  std::map<const Node*, int> depths_;
};

}  // namespace

const char* Node::type_name() const { return kTypeNames[static_cast<int>(kind)]; }

const std::string& Node::branch_name() const {
  static const std::vector<std::string> kNames(std::begin(kTypeNames), std::end(kTypeNames));
  return named() ? name : kNames[static_cast<size_t>(kind)];
}

std::vector<const Node*> Node::non_null() const {
  std::vector<const Node*> out;
  for (const Node* b : branches)
    if (b->kind != Kind::kNull) out.push_back(b);
  return out;
}

std::string Node::json() const {
  std::set<const Node*> written;
  return write(*this, "", written).dump();
}

std::shared_ptr<const Schema> Schema::parse(std::string_view json) {
  Json j = Json::parse(json, nullptr, false);
  if (j.is_discarded()) bad_schema("it is no JSON: " + std::string(json.substr(0, 200)));
  Builder b;
  return b.finish(b.parse(j, ""));
}

std::shared_ptr<const Schema> Schema::of(const DataType& type, bool nullable, const std::string& record_name, const std::string& space) {
  Builder b;
  return b.finish(b.of(type, nullable, record_name, space));
}

ReadOptions ReadOptions::read(const FindOption& option) {
  ReadOptions o;
  auto invalid = [](const char* name, const std::string& message) {
    return analysis_error("STDS_INVALID_OPTION_VALUE.WITH_MESSAGE", {{"optionName", name}, {"message", message}});
  };
  auto flag = [&](const char* name) {
    auto v = option(name);
    if (!v) return false;
    const std::string s = lower(*v);
    if (s != "true" && s != "false") throw invalid(name, "Cannot cast value '" + *v + "' to Boolean.");
    return s == "true";
  };
  if (auto s = option("avroSchema")) o.schema = Schema::parse(*s);
  o.positional = flag("positionalFieldMatching");
  o.stable_union_names = flag("enableStableIdentifiersForUnionType");
  if (auto p = option("stableIdentifierPrefixForUnionType")) o.union_prefix = *p;
  if (auto d = option("recursiveFieldMaxDepth")) {
    try {
      o.recursion = std::stoi(*d);
    } catch (const std::exception&) {
      throw SparkError::Plain(ErrorKind::kIllegalArgument, "For input string: \"" + *d + "\"");
    }
    if (o.recursion > kRecursionLimit) throw invalid("recursiveFieldMaxDepth", "Should not be greater than " + std::to_string(kRecursionLimit) + ".");
  }
  return o;
}

SqlType to_sql_type(const Node& node, const ReadOptions& options) {
  auto t = SqlTypes(options).of(node);
  return t ? *t : SqlType{TypeId::kNull, true};
}

}  // namespace tarn::plan::avro
