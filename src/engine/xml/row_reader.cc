#include "engine/xml/row_reader.h"

#include <algorithm>

#include "base/spark_error.h"
#include "engine/sources/java_number.h"
#include "engine/type_mapping.h"

namespace tarn::engine::xml {

using duckdb::LogicalType;
using duckdb::Value;
using plan::DataType;
using plan::TypeId;
using Kind = Event::Kind;

struct RowReader::Node {
  DataType type;
  LogicalType duck;
  std::vector<Node> children;   // fields; the element; key and value

  explicit Node(const DataType& t) : type(t), duck(to_duckdb(t)) {
    switch (t.id()) {
      case TypeId::kStruct:
        for (const auto& f : t.fields()) children.emplace_back(f.type());
        break;
      case TypeId::kArray: children.emplace_back(t.element()); break;
      case TypeId::kMap:
        children.emplace_back(t.key());
        children.emplace_back(t.value());
        break;
      case TypeId::kVariant: throw not_built("reading XML into VARIANT");
      case TypeId::kCalendarInterval: case TypeId::kYearMonthInterval: case TypeId::kDayTimeInterval: case TypeId::kGeometry: case TypeId::kGeography:
        throw not_built("reading XML into " + t.sql());
      default: break;
    }
  }
  Value null() const { return Value(duck); }
};

namespace {

// A value that is no value of its type: the row goes on without it.
struct BadValue {};

const std::vector<std::pair<std::string, std::string>> kNoAttributes;

std::string lower_ascii(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

}  // namespace

RowReader::RowReader(const DataType& schema, const XmlOptions& options) : o_(options), root_(std::make_unique<Node>(schema)) {}
RowReader::~RowReader() = default;
RowReader::RowReader(RowReader&&) noexcept = default;

std::optional<size_t> RowReader::field_index(const Node& node, std::string_view name) const { return node.type.field_index(name, o_.case_sensitive); }

RowReader::Row RowReader::read(Events& events) {
  const Event start = events.next();
  try {
    return object(events, *root_, start.attributes);
  } catch (const BadValue&) {
    throw BadRecord();
  }
}

std::vector<std::pair<std::string, std::optional<std::string>>> RowReader::attribute_values(const Attributes& attributes) const {
  std::vector<std::pair<std::string, std::optional<std::string>>> out;
  if (o_.exclude_attributes) return out;
  for (const auto& [name, text] : attributes) {
    std::string value(o_.ignore_spaces ? trim(text) : std::string_view(text));
    if (o_.null_value && value == *o_.null_value) out.emplace_back(o_.attribute_prefix + std::string(o_.local(name)), std::nullopt);
    else out.emplace_back(o_.attribute_prefix + std::string(o_.local(name)), std::move(value));
  }
  return out;
}

Value RowReader::convert(std::string_view text, const Node& node) {
  std::string_view v = o_.ignore_spaces ? trim(text) : text;
  if (o_.null_value && v == *o_.null_value) return node.null();
  const DataType& t = node.type;
  // A sign is taken off first; what is left must stand for itself.
  auto unsigned_part = [&](bool& negative) {
    negative = v.starts_with("-");
    std::string_view rest = v.starts_with("+") || negative ? v.substr(1) : v;
    // The null value behind a sign is zero: Java unboxes null so.
    return rest;
  };
  switch (t.id()) {
    case TypeId::kNull:
    case TypeId::kString: case TypeId::kChar: case TypeId::kVarchar: return t.id() == TypeId::kNull ? node.null() : Value(std::string(v));
    case TypeId::kBinary: return Value::BLOB(reinterpret_cast<duckdb::const_data_ptr_t>(v.data()), v.size());
    case TypeId::kByte: case TypeId::kShort: {
      auto n = sources::parse_java_int(v);
      const int32_t least = t.id() == TypeId::kByte ? INT8_MIN : INT16_MIN, most = t.id() == TypeId::kByte ? INT8_MAX : INT16_MAX;
      if (!n || *n < least || *n > most) throw BadValue();
      return t.id() == TypeId::kByte ? Value::TINYINT(static_cast<int8_t>(*n)) : Value::SMALLINT(static_cast<int16_t>(*n));
    }
    case TypeId::kInt: {
      bool negative;
      auto n = sources::parse_java_int(unsigned_part(negative));
      if (!n) throw BadValue();
      return Value::INTEGER(negative ? static_cast<int32_t>(0u - static_cast<uint32_t>(*n)) : *n);
    }
    case TypeId::kLong: {
      bool negative;
      auto n = sources::parse_java_long(unsigned_part(negative));
      if (!n) throw BadValue();
      return Value::BIGINT(negative ? static_cast<int64_t>(0ull - static_cast<uint64_t>(*n)) : *n);
    }
    case TypeId::kFloat: case TypeId::kDouble: {
      bool negative;
      std::string_view rest = unsigned_part(negative);
      if (t.id() == TypeId::kFloat) {
        auto f = sources::parse_java_float(rest);
        if (!f) throw BadValue();
        return Value::FLOAT(negative ? -*f : *f);
      }
      auto d = sources::parse_java_double(rest);
      if (!d) throw BadValue();
      return Value::DOUBLE(negative ? -*d : *d);
    }
    case TypeId::kDecimal: {
      auto d = sources::parse_decimal(v, t.precision(), t.scale(), o_.datetime.locale);
      if (!d) throw BadValue();
      duckdb::hugeint_t h;
      h.lower = static_cast<uint64_t>(*d);
      h.upper = static_cast<int64_t>(*d >> 64);
      return Value::DECIMAL(h, static_cast<uint8_t>(t.precision()), static_cast<uint8_t>(t.scale())).DefaultCastAs(node.duck);
    }
    case TypeId::kBoolean: {
      std::string l = lower_ascii(v);
      if (l == "true" || l == "1") return Value::BOOLEAN(true);
      if (l == "false" || l == "0") return Value::BOOLEAN(false);
      throw BadValue();
    }
    case TypeId::kDate: {
      auto d = o_.datetime.parse_date(v);
      if (!d) throw BadValue();
      return Value::DATE(duckdb::date_t(*d));
    }
    case TypeId::kTimestamp: {
      auto m = o_.datetime.parse_timestamp(v);
      if (!m) throw BadValue();
      return Value::TIMESTAMPTZ(duckdb::timestamp_tz_t(*m));
    }
    case TypeId::kTimestampNtz: {
      auto m = o_.datetime.parse_timestamp_ntz(v);
      if (!m) throw BadValue();
      return Value::TIMESTAMP(duckdb::timestamp_t(*m));
    }
    case TypeId::kTime: {
      auto n = o_.datetime.parse_time(v);
      if (!n) throw BadValue();
      return Value::BIGINT(*n);
    }
    default: throw BadValue();
  }
}

void RowReader::skip_children(Events& events, std::string_view element) {
  for (;;) {
    Event e = events.next();
    if (e.kind == Kind::kStart) {
      skip_children(events, o_.local(e.text));
    } else if (e.kind == Kind::kEnd) {
      if (o_.local(e.text) != element) throw BadValue();
      return;
    } else if (e.kind == Kind::kEndDocument) {
      throw BadValue();
    }
  }
}

void RowReader::skip_end(Events& events, std::string_view element) {
  for (;;) {
    Event e = events.next();
    if (e.kind == Kind::kText && e.is_space()) continue;
    if (e.kind != Kind::kEnd || o_.local(e.text) != element) throw BadValue();
    return;
  }
}

// The XML text between the tags of the element.
std::string RowReader::inside(Events& events, const std::string& element) {
  std::string out;
  int depth = 0;
  do {
    Event e = events.next();
    switch (e.kind) {
      case Kind::kStart:
        out += "<" + e.text;
        for (const auto& [name, value] : e.attributes) out += " " + name + "=\"" + value + "\"";
        out += ">";
        ++depth;
        break;
      case Kind::kEnd:
        out += "</" + e.text + ">";
        --depth;
        break;
      case Kind::kText: out += e.text; break;
      case Kind::kEndDocument: throw BadValue();
    }
  } while (events.peek().kind != Kind::kEnd || depth > 0);
  skip_end(events, element);
  return out;
}

Value RowReader::field(Events& events, const Node& node, const std::string& element, const Attributes& attributes) {
  for (;;) {
    const Event& next = events.peek();
    const TypeId id = node.type.id();
    if (next.kind == Kind::kStart) {
      switch (id) {
        case TypeId::kStruct: {
          Row row = object(events, node, kNoAttributes);
          if (row.partial) throw BadValue();
          return Value::STRUCT(node.duck, duckdb::vector<Value>(row.values.begin(), row.values.end()));
        }
        case TypeId::kMap: return map(events, node, attributes);
        case TypeId::kArray: return field(events, node.children[0], element, kNoAttributes);
        case TypeId::kString: case TypeId::kChar: case TypeId::kVarchar: return convert(inside(events, element), node);
        default: throw BadValue();
      }
    }
    if (next.kind == Kind::kEnd) {
      skip_end(events, element);
      if (node.type.is_string() && o_.null_value != std::optional<std::string>("")) return Value(std::string());
      return node.null();
    }
    if (next.kind != Kind::kText) throw BadValue();
    switch (id) {
      case TypeId::kArray: {
        const Event text = events.next();
        Value v = convert(text.text, node.children[0]);
        skip_end(events, element);
        return v;
      }
      case TypeId::kStruct: {
        Row row = object(events, node, kNoAttributes);
        if (row.partial) throw BadValue();
        return Value::STRUCT(node.duck, duckdb::vector<Value>(row.values.begin(), row.values.end()));
      }
      case TypeId::kString: case TypeId::kChar: case TypeId::kVarchar: return convert(inside(events, element), node);
      default: break;
    }
    if (next.is_space()) {
      // Data, or the space before an element?
      events.next();
      continue;
    }
    Value v = convert(next.text, node);   // on failure the text stays where it is, as in Spark
    events.next();
    skip_end(events, element);
    return v;
  }
}

Value RowReader::map(Events& events, const Node& node, const Attributes& attributes) {
  const Node& item = node.children[1];
  std::vector<std::pair<std::string, Value>> entries;
  auto put = [&](std::string key, Value v) {
    for (auto& [k, old] : entries)
      if (k == key) {
        old = std::move(v);
        return;
      }
    entries.emplace_back(std::move(key), std::move(v));
  };
  for (const auto& [name, value] : attributes) put(o_.attribute_prefix + name, convert(value, item));
  for (;;) {
    Event e = events.next();
    if (e.kind == Kind::kStart) {
      std::string key(o_.local(e.text));
      put(key, field(events, item, key, kNoAttributes));
    } else if (e.kind == Kind::kText) {
      if (!e.is_space()) put(o_.value_tag, convert(e.text, item));
    } else {
      break;
    }
  }
  duckdb::vector<Value> keys, values;
  for (auto& [k, v] : entries) {
    keys.emplace_back(k);
    values.push_back(std::move(v));
  }
  return Value::MAP(node.children[0].duck, item.duck, std::move(keys), std::move(values));
}

Value RowReader::object_with_attributes(Events& events, const Node& node, const std::string& element, const Attributes& attributes) {
  const size_t n = node.children.size();
  std::vector<Value> row;
  for (const auto& c : node.children) row.push_back(c.null());
  std::vector<std::pair<size_t, Value>> own;
  for (const auto& [name, value] : attribute_values(attributes))
    if (auto i = field_index(node, name)) own.emplace_back(*i, value ? convert(*value, node.children[*i]) : node.children[*i].null());
  Value inner = field(events, node, element, kNoAttributes);
  if (!inner.IsNull()) {
    auto& parts = duckdb::StructValue::GetChildren(inner);
    for (size_t i = 0; i < n; ++i) row[i] = parts[i];
  }
  for (auto& [i, v] : own) row[i] = std::move(v);
  return Value::STRUCT(node.duck, duckdb::vector<Value>(row.begin(), row.end()));
}

RowReader::Row RowReader::object(Events& events, const Node& node, const Attributes& root_attributes) {
  const size_t n = node.children.size();
  Row row;
  std::vector<std::vector<Value>> lists(n);
  std::vector<bool> listed(n);
  for (const auto& c : node.children) row.values.push_back(c.null());
  for (const auto& [name, value] : attribute_values(root_attributes))
    if (auto i = field_index(node, name)) row.values[*i] = value ? convert(*value, node.children[*i]) : node.children[*i].null();
  std::optional<size_t> wildcard = node.type.field_index(o_.wildcard, true);
  auto append = [&](size_t i, Value v) {
    lists[i].push_back(std::move(v));
    listed[i] = true;
  };
  auto child = [&](const Event& e) {
    const std::string name(o_.local(e.text));
    auto at = field_index(node, name);
    if (!at) {
      if (!wildcard) return skip_children(events, name);
      const Node& any = node.children[*wildcard];
      static const Node text{DataType(TypeId::kString)};
      Value v = field(events, text, name, kNoAttributes);
      if (any.type.is_string()) row.values[*wildcard] = std::move(v);
      else if (any.type.id() == TypeId::kArray && any.type.element().is_string()) append(*wildcard, std::move(v));
      else throw BadValue();
      return;
    }
    const Node& f = node.children[*at];
    if (f.type.id() == TypeId::kStruct) {
      row.values[*at] = object_with_attributes(events, f, name, e.attributes);
    } else if (f.type.id() == TypeId::kArray) {
      const Node& item = f.children[0];
      append(*at, item.type.id() == TypeId::kStruct ? object_with_attributes(events, item, name, e.attributes) : field(events, item, name, kNoAttributes));
    } else {
      row.values[*at] = field(events, f, name, e.attributes);
    }
  };
  for (;;) {
    Event e = events.next();
    if (e.kind == Kind::kStart) {
      try {
        child(e);
      } catch (const BadValue&) {
        row.partial = true;
      } catch (const Malformed&) {
        row.partial = true;  // the next event says it again
      }
    } else if (e.kind == Kind::kText) {
      if (e.is_space()) continue;
      // Exactly this name, whatever the session says of case.
      auto i = node.type.field_index(o_.value_tag, true);
      if (!i) continue;
      const Node& f = node.children[*i];
      // Here a bad value is not forgiven, as in Spark.
      if (f.type.id() == TypeId::kArray) append(*i, convert(e.text, f.children[0]));
      else row.values[*i] = convert(e.text, f);
    } else {
      break;
    }
  }
  for (size_t i = 0; i < n; ++i)
    if (listed[i]) row.values[i] = Value::LIST(node.children[i].children[0].duck, duckdb::vector<Value>(lists[i].begin(), lists[i].end()));
  return row;
}

}  // namespace tarn::engine::xml
