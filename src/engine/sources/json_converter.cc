#include "engine/sources/json_converter.h"

#include <limits>

#include "duckdb/common/types/vector.hpp"
#include "engine/kernels/interval_text.h"
#include "engine/kernels/json_value.h"
#include "engine/sources/java_number.h"
#include "sql/parser.h"

namespace tarn::engine::sources {

using duckdb::FlatVector;
using duckdb::ListVector;
using duckdb::string_t;
using duckdb::StringVector;
using duckdb::StructVector;
using plan::TypeId;

struct JsonConverter::Node {
  TypeId id;
  plan::DataType type;
  int precision = 0, scale = 0;
  std::vector<std::unique_ptr<Node>> children;
  FieldFinder fields;
  std::vector<uint64_t> seen;   // per field: the object that had it last
  uint64_t object = 0;
};

namespace {

std::unique_ptr<JsonConverter::Node> make_node(const plan::DataType& type) {
  auto n = std::make_unique<JsonConverter::Node>();
  n->id = type.id();
  n->type = type;
  switch (type.id()) {
    case TypeId::kDecimal:
      n->precision = type.precision();
      n->scale = type.scale();
      break;
    case TypeId::kArray: n->children.push_back(make_node(type.element())); break;
    case TypeId::kMap:
      if (!type.key().is_string()) throw not_built("reading maps with keys other than strings from JSON");
      n->children.push_back(make_node(type.value()));
      break;
    case TypeId::kStruct:
      for (const auto& f : type.fields()) {
        n->fields.add(f.name);
        n->children.push_back(make_node(f.type()));
      }
      n->seen.resize(type.fields().size());
      break;
    case TypeId::kUdt: return make_node(type.sql_type());
    case TypeId::kVariant:
    case TypeId::kGeometry:
    case TypeId::kGeography: throw not_built("reading " + type.sql() + " from JSON");
    default: break;
  }
  return n;
}

template <class T>
T* data(duckdb::Vector& v) {
  return FlatVector::GetData<T>(v);
}

void valid(duckdb::Vector& v, size_t row) { FlatVector::Validity(v).SetValid(row); }
void null(duckdb::Vector& v, size_t row) { FlatVector::SetNull(v, row, true); }

void store_decimal(int precision, __int128 v, duckdb::Vector& vector, size_t row) {
  if (precision <= 4) data<int16_t>(vector)[row] = static_cast<int16_t>(v);
  else if (precision <= 9) data<int32_t>(vector)[row] = static_cast<int32_t>(v);
  else if (precision <= 18) data<int64_t>(vector)[row] = static_cast<int64_t>(v);
  else data<duckdb::hugeint_t>(vector)[row] = duckdb::hugeint_t(static_cast<int64_t>(v >> 64), static_cast<uint64_t>(v));
}

// Java's MIME-less Base64 as Jackson reads it: padding required.
bool decode_base64(std::string_view s, std::string& out) {
  uint32_t bits = 0;
  int count = 0;
  size_t i = 0;
  for (; i < s.size() && s[i] != '='; ++i) {
    char c = s[i];
    int v = c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? c - 'a' + 26 : c >= '0' && c <= '9' ? c - '0' + 52 : c == '+' ? 62 : c == '/' ? 63 : -1;
    if (v < 0) return false;
    bits = bits << 6 | static_cast<uint32_t>(v);
    if (++count == 4) {
      out.push_back(static_cast<char>(bits >> 16));
      out.push_back(static_cast<char>(bits >> 8));
      out.push_back(static_cast<char>(bits));
      bits = 0;
      count = 0;
    }
  }
  size_t padding = s.size() - i;
  if (count == 0) return padding == 0;
  if (count == 1 || padding != static_cast<size_t>(4 - count)) return false;
  for (; i < s.size(); ++i) {
    if (s[i] != '=') return false;
  }
  bits <<= 6 * (4 - count);
  out.push_back(static_cast<char>(bits >> 16));
  if (count == 3) out.push_back(static_cast<char>(bits >> 8));
  return true;
}

// Jackson's integer getters: bytes may be unsigned (up to 255).
template <class T>
bool store_integer(std::string_view text, int64_t min, int64_t max, duckdb::Vector& v, size_t row) {
  int64_t value = 0;
  if (text.size() <= 18) {
    bool negative = text[0] == '-';
    for (size_t i = negative; i < text.size(); ++i) value = value * 10 + (text[i] - '0');
    if (negative) value = -value;
  } else {
    auto parsed = parse_java_long(text);
    if (!parsed) return false;
    value = *parsed;
  }
  if (value < min || value > max) return false;
  data<T>(v)[row] = static_cast<T>(value);
  return true;
}

// As Jackson copies a value that it has no bytes of: without blanks, fractions as doubles.
void rewrite_fractions(kernels::Json& json) {
  if (json.kind == kernels::Json::Kind::kNumber && json.text.find_first_of(".eE") != std::string::npos) {
    if (auto v = parse_java_double(json.text)) {
      json.text.clear();
      append_java_double(*v, json.text);
    }
  }
  for (auto& item : json.items) rewrite_fractions(item);
  for (auto& [name, item] : json.fields) rewrite_fractions(item);
}

double non_numeric(std::string_view text) {
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  return text[0] == '-' ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
}

}  // namespace

JsonConverter::JsonConverter(const plan::DataType& type, const JsonOptions& options) : options_(options), root_(make_node(type)) {}
JsonConverter::~JsonConverter() = default;
JsonConverter::JsonConverter(JsonConverter&&) noexcept = default;

JsonResult JsonConverter::value(Node& node, JsonCursor& c, duckdb::Vector& vector, size_t row, bool stable) {
  char first = c.peek();
  if (first == 'n') {
    c.literal("null", 4);
    null(vector, row);
    return JsonResult::kOk;
  }
  if (node.id == TypeId::kNull) {
    c.skip_value();
    null(vector, row);
    return JsonResult::kOk;
  }
  if (c.is_quote(first)) {
    bool in_place;
    std::string_view t = c.string(in_place);
    valid(vector, row);
    JsonResult r = text(node, t, in_place && stable, vector, row);
    if (r == JsonResult::kFailed) null(vector, row);
    return r;
  }
  if (node.id == TypeId::kString || node.id == TypeId::kChar || node.id == TypeId::kVarchar) {
    // Anything else becomes its own text.
    const char* begin = c.position();
    c.skip_value();
    std::string_view raw(begin, static_cast<size_t>(c.position() - begin));
    valid(vector, row);
    if (!options_.exact_text) {
      std::string text;
      const auto& l = options_.leniency;
      if (auto json = kernels::parse_json_text(raw, {l.single_quotes, l.unquoted_names, l.comments, l.leading_zeros, l.non_numeric, l.control_chars, l.backslash_any})) {
        rewrite_fractions(*json);
        kernels::append_json(*json, text);
      }
      data<string_t>(vector)[row] = StringVector::AddStringOrBlob(vector, text.data(), text.size());
      return JsonResult::kOk;
    }
    data<string_t>(vector)[row] = stable || raw.size() <= string_t::INLINE_LENGTH ? string_t(raw.data(), static_cast<uint32_t>(raw.size()))
                                                                                 : StringVector::AddStringOrBlob(vector, raw.data(), raw.size());
    return JsonResult::kOk;
  }
  JsonResult r = JsonResult::kFailed;
  if (first == '{') {
    if (node.id == TypeId::kStruct) return object(node, c, vector, row, stable, options_.partial_results);
    if (node.id == TypeId::kMap) r = map(node, c, vector, row, stable);
    else c.skip_value();
  } else if (first == '[') {
    if (node.id == TypeId::kArray) r = array(node, c, vector, row, stable);
    else c.skip_value();
  } else if (first == 't' || first == 'f') {
    c.literal(first == 't' ? "true" : "false", first == 't' ? 4 : 5);
    if (node.id == TypeId::kBoolean) {
      valid(vector, row);
      data<bool>(vector)[row] = first == 't';
      return JsonResult::kOk;
    }
  } else if (c.at_number(first)) {
    JsonCursor::Number kind;
    std::string_view t = c.number(kind);
    valid(vector, row);
    r = number(node, t, kind, vector, row);
  } else {
    throw JsonSyntaxError();
  }
  if (r == JsonResult::kFailed) null(vector, row);
  return r;
}

JsonResult JsonConverter::text(Node& node, std::string_view s, bool in_place, duckdb::Vector& v, size_t row) {
  auto done = [](bool ok) { return ok ? JsonResult::kOk : JsonResult::kFailed; };
  switch (node.id) {
    case TypeId::kString:
    case TypeId::kChar:
    case TypeId::kVarchar:
      data<string_t>(v)[row] = in_place || s.size() <= string_t::INLINE_LENGTH ? string_t(s.data(), static_cast<uint32_t>(s.size()))
                                                                              : StringVector::AddStringOrBlob(v, s.data(), s.size());
      return JsonResult::kOk;
    case TypeId::kBinary: {
      std::string bytes;
      if (!decode_base64(s, bytes)) return JsonResult::kFailed;
      data<string_t>(v)[row] = StringVector::AddStringOrBlob(v, bytes.data(), bytes.size());
      return JsonResult::kOk;
    }
    default: break;
  }
  if (s.empty()) {
    bool strict = node.id == TypeId::kFloat || node.id == TypeId::kDouble || node.id == TypeId::kTimestamp || node.id == TypeId::kDate;
    if (!options_.empty_string_is_null || strict) return JsonResult::kFailed;
    null(v, row);
    return JsonResult::kOk;
  }
  switch (node.id) {
    case TypeId::kFloat:
    case TypeId::kDouble: {
      if (!options_.leniency.non_numeric) return JsonResult::kFailed;
      if (s != "NaN" && s != "+INF" && s != "+Infinity" && s != "Infinity" && s != "-INF" && s != "-Infinity") return JsonResult::kFailed;
      double d = non_numeric(s);
      if (node.id == TypeId::kFloat) data<float>(v)[row] = static_cast<float>(d);
      else data<double>(v)[row] = d;
      return JsonResult::kOk;
    }
    case TypeId::kTimestamp: {
      auto t = options_.datetime.parse_timestamp(s);
      if (t) data<int64_t>(v)[row] = *t;
      return done(t.has_value());
    }
    case TypeId::kTimestampNtz: {
      auto t = options_.datetime.parse_timestamp_ntz(s);
      if (t) data<int64_t>(v)[row] = *t;
      return done(t.has_value());
    }
    case TypeId::kDate: {
      auto d = options_.datetime.parse_date(s);
      // Spark 1.5 wrote days since the epoch.
      if (!d && options_.datetime.date_fallback) d = parse_java_int(s);
      if (d) data<int32_t>(v)[row] = *d;
      return done(d.has_value());
    }
    case TypeId::kTime: {
      auto t = options_.datetime.parse_time(s);
      if (t) data<int64_t>(v)[row] = *t;
      return done(t.has_value());
    }
    case TypeId::kDayTimeInterval: {
      auto i = kernels::interval_of_text(s, node.type);
      if (i) data<int64_t>(v)[row] = *i;
      return done(i.has_value());
    }
    case TypeId::kYearMonthInterval: {
      auto i = kernels::interval_of_text(s, node.type);
      if (i) data<int32_t>(v)[row] = static_cast<int32_t>(*i);
      return done(i.has_value());
    }
    case TypeId::kCalendarInterval:
      try {
        sql::CalendarInterval i = sql::parse_calendar_interval(s);
        data<duckdb::interval_t>(v)[row] = {i.months, i.days, i.microseconds};
        return JsonResult::kOk;
      } catch (const SparkError&) {
        return JsonResult::kFailed;
      }
    case TypeId::kDecimal: {
      auto d = parse_decimal(s, node.precision, node.scale, options_.datetime.locale);
      if (d) store_decimal(node.precision, *d, v, row);
      return done(d.has_value());
    }
    default: return JsonResult::kFailed;
  }
}

JsonResult JsonConverter::number(Node& node, std::string_view s, JsonCursor::Number kind, duckdb::Vector& v, size_t row) {
  auto done = [](bool ok) { return ok ? JsonResult::kOk : JsonResult::kFailed; };
  bool integer = kind == JsonCursor::Number::kInt;
  switch (node.id) {
    case TypeId::kByte: return done(integer && store_integer<int8_t>(s, -128, 255, v, row));
    case TypeId::kShort: return done(integer && store_integer<int16_t>(s, INT16_MIN, INT16_MAX, v, row));
    case TypeId::kInt: return done(integer && store_integer<int32_t>(s, INT32_MIN, INT32_MAX, v, row));
    case TypeId::kLong: return done(integer && store_integer<int64_t>(s, INT64_MIN, INT64_MAX, v, row));
    case TypeId::kFloat: {
      auto f = kind == JsonCursor::Number::kNonNumeric ? std::optional<float>(static_cast<float>(non_numeric(s))) : parse_java_float(s);
      if (f) data<float>(v)[row] = *f;
      return done(f.has_value());
    }
    case TypeId::kDouble: {
      auto d = kind == JsonCursor::Number::kNonNumeric ? std::optional<double>(non_numeric(s)) : parse_java_double(s);
      if (d) data<double>(v)[row] = *d;
      return done(d.has_value());
    }
    case TypeId::kDecimal: {
      auto d = BigDecimal::parse(s);
      auto u = d ? d->to_int128(node.precision, node.scale) : std::nullopt;
      if (u) store_decimal(node.precision, *u, v, row);
      return done(u.has_value());
    }
    case TypeId::kTimestamp: {  // seconds
      int64_t seconds;
      if (!integer) return JsonResult::kFailed;
      auto parsed = parse_java_long(s);
      if (!parsed) return JsonResult::kFailed;
      seconds = static_cast<int64_t>(static_cast<uint64_t>(*parsed) * 1000000u);
      data<int64_t>(v)[row] = seconds;
      return JsonResult::kOk;
    }
    default: return JsonResult::kFailed;
  }
}

JsonResult JsonConverter::object(Node& node, JsonCursor& c, duckdb::Vector& vector, size_t row, bool stable, bool keep_partial) {
  auto& entries = StructVector::GetEntries(vector);
  valid(vector, row);
  JsonResult result = JsonResult::kOk;
  ++node.object;
  node.fields.restart();
  c.enter();
  std::string_view name;
  for (bool more = c.next_field(true, name); more; more = c.next_field(false, name)) {
    int i = node.fields.find(name);
    if (i < 0) {
      c.skip_value();
      continue;
    }
    auto k = static_cast<size_t>(i);
    node.seen[k] = node.object;
    JsonResult r = value(*node.children[k], c, *entries[k], row, stable);
    if (r != JsonResult::kOk && result != JsonResult::kFailed) result = keep_partial ? JsonResult::kPartial : JsonResult::kFailed;
  }
  for (size_t k = 0; k < entries.size(); ++k) {
    if (node.seen[k] != node.object) null(*entries[k], row);
  }
  if (result == JsonResult::kFailed) null(vector, row);
  return result;
}

JsonResult JsonConverter::array(Node& node, JsonCursor& c, duckdb::Vector& vector, size_t row, bool stable) {
  auto start = ListVector::GetListSize(vector);
  duckdb::idx_t count = 0;
  JsonResult result = JsonResult::kOk;
  c.enter();
  for (bool more = c.next_element(true); more; more = c.next_element(false)) {
    if (result == JsonResult::kFailed) {
      c.skip_value();
      continue;
    }
    ListVector::Reserve(vector, start + count + 1);
    JsonResult r = value(*node.children[0], c, ListVector::GetEntry(vector), start + count, stable);
    ++count;
    ListVector::SetListSize(vector, start + count);
    if (r == JsonResult::kFailed) result = r;
    else if (r == JsonResult::kPartial) result = r;
  }
  if (result == JsonResult::kFailed) return result;
  valid(vector, row);
  data<duckdb::list_entry_t>(vector)[row] = {start, count};
  return result;
}

JsonResult JsonConverter::map(Node& node, JsonCursor& c, duckdb::Vector& vector, size_t row, bool stable) {
  // A DuckDB map is a list of (key, value) structs. Equal keys: the last one counts.
  auto start = ListVector::GetListSize(vector);
  duckdb::idx_t count = 0;
  JsonResult result = JsonResult::kOk;
  std::unordered_map<std::string, duckdb::idx_t> keys;
  c.enter();
  std::string_view name;
  for (bool more = c.next_field(true, name); more; more = c.next_field(false, name)) {
    if (result == JsonResult::kFailed) {
      c.skip_value();
      continue;
    }
    auto [it, fresh] = keys.emplace(std::string(name), start + count);
    duckdb::idx_t at = it->second;
    if (fresh) {
      ListVector::Reserve(vector, start + count + 1);
      ++count;
      ListVector::SetListSize(vector, start + count);
      auto& pairs = StructVector::GetEntries(ListVector::GetEntry(vector));
      valid(ListVector::GetEntry(vector), at);
      valid(*pairs[0], at);
      data<string_t>(*pairs[0])[at] = StringVector::AddStringOrBlob(*pairs[0], name.data(), name.size());
    }
    auto& pairs = StructVector::GetEntries(ListVector::GetEntry(vector));
    JsonResult r = value(*node.children[0], c, *pairs[1], at, stable);
    if (r != JsonResult::kOk) result = r;
  }
  if (result == JsonResult::kFailed) return result;
  valid(vector, row);
  data<duckdb::list_entry_t>(vector)[row] = {start, count};
  return result;
}

}  // namespace tarn::engine::sources
