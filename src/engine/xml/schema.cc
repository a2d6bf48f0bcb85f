#include "engine/xml/schema.h"

#include <algorithm>
#include <map>

#include "base/spark_error.h"
#include "engine/sources/java_number.h"
#include "plan/function.h"

namespace tarn::engine::xml {

using plan::DataType;
using plan::make_field;
using plan::StructField;
using plan::TypeId;
using Kind = Event::Kind;

namespace {

using Attributes = std::vector<std::pair<std::string, std::string>>;

bool may_be_number(std::string_view& v) {
  if (v.starts_with("+") || v.starts_with("-")) v.remove_prefix(1);
  return !v.empty();
}
bool starts_with_digit(std::string_view v) { return v[0] >= '0' && v[0] <= '9'; }
bool ends_in_suffix(std::string_view v) { return std::string_view("dDfF").find(v.back()) != std::string_view::npos; }

bool is_long(std::string_view v) { return may_be_number(v) && starts_with_digit(v) && sources::parse_java_long(v).has_value(); }
bool is_double(std::string_view v) {
  return may_be_number(v) && (starts_with_digit(v) || v[0] == '.') && !ends_in_suffix(v) && sources::parse_java_double(v).has_value();
}
std::optional<DataType> decimal_of(std::string_view text) {
  std::string_view v = text;
  if (!may_be_number(v) || !(starts_with_digit(v) || v[0] == '.') || ends_in_suffix(v)) return std::nullopt;
  std::string plain(text);
  std::erase(plain, ',');
  auto d = sources::BigDecimal::parse(plain);
  if (!d) return std::nullopt;
  const int64_t precision = std::max<int64_t>(d->precision(), d->scale);
  if (precision > 38 || d->scale < 0) return std::nullopt;
  return DataType::decimal(static_cast<int>(precision), static_cast<int>(d->scale));
}
bool is_boolean(std::string_view v) { return sources::equal_ignore_case(v, "true") || sources::equal_ignore_case(v, "false"); }

class Inference {
 public:
  Inference(Events& events, const XmlOptions& options) : events_(events), o_(options) {}

  DataType object(const Attributes& root_attributes) {
    Fields fields{Less{o_.case_sensitive}};
    for (const auto& [name, value] : values(root_attributes)) add(fields, name, of_text(value));
    for (;;) {
      Event e = events_.next();
      if (e.kind == Kind::kStart) {
        const auto own = values(e.attributes);
        DataType t = field();
        if (!own.empty()) {
          std::vector<StructField> nested;
          if (t.id() == TypeId::kStruct) nested = t.fields();
          else if (t.id() != TypeId::kNull) nested.push_back(make_field(o_.value_tag, t));
          for (const auto& [name, value] : own) nested.push_back(make_field(name, of_text(value)));
          sort(nested);
          t = DataType::structure(std::move(nested));
        }
        add(fields, std::string(o_.local(e.text)), t);
      } else if (e.kind == Kind::kText) {
        if (!e.is_space()) add(fields, o_.value_tag, of_text(e.text));
      } else {
        break;
      }
    }
    std::vector<StructField> out;
    for (auto& [name, type] : fields) out.push_back(make_field(name, type));
    sort(out);
    return DataType::structure(std::move(out));
  }

 private:
  struct Less {
    bool case_sensitive = false;
    bool operator()(const std::string& a, const std::string& b) const { return case_sensitive ? a < b : sources::lower(a) < sources::lower(b); }
  };
  using Fields = std::map<std::string, DataType, Less>;   // the first spelling of a name stays

  static void sort(std::vector<StructField>& fields) {
    std::stable_sort(fields.begin(), fields.end(), [](const StructField& a, const StructField& b) { return a.name < b.name; });
  }

  std::vector<std::pair<std::string, std::optional<std::string>>> values(const Attributes& attributes) const {
    std::vector<std::pair<std::string, std::optional<std::string>>> out;
    if (o_.exclude_attributes) return out;
    for (const auto& [name, text] : attributes) {
      std::string v(o_.ignore_spaces ? trim(text) : std::string_view(text));
      const bool null = o_.null_value && v == *o_.null_value;
      out.emplace_back(o_.attribute_prefix + std::string(o_.local(name)), null ? std::nullopt : std::optional(v));
    }
    return out;
  }

  void add(Fields& fields, const std::string& name, const DataType& type) const {
    auto it = fields.find(name);
    if (it == fields.end()) {
      fields.emplace(name, type);
      return;
    }
    DataType merged = compatible_type(it->second, type, o_);
    it->second = it->second.id() == TypeId::kArray ? merged : DataType::array(merged, true);
  }

  DataType field() {
    const Event& next = events_.peek();
    if (next.kind == Kind::kEnd) {
      events_.next();
      return TypeId::kNull;
    }
    if (next.kind == Kind::kStart) return object({});
    if (next.kind != Kind::kText) throw Malformed{"the document ends inside an element"};
    DataType t = object({});
    if (t.fields().empty()) return TypeId::kNull;
    const StructField& first = t.fields()[0];
    const bool value_tag = o_.case_sensitive ? first.name == o_.value_tag : sources::equal_ignore_case(first.name, o_.value_tag);
    if (t.fields().size() == 1 && !first.type().is_nested() && value_tag) return first.type();
    return t;
  }

  DataType of_text(const std::optional<std::string>& text) const {
    if (!o_.infer_schema) return TypeId::kString;
    if (!text) return TypeId::kNull;
    std::string_view v = o_.ignore_spaces ? trim(*text) : std::string_view(*text);
    if (v.empty()) return TypeId::kNull;
    if (is_long(v)) return TypeId::kLong;
    if (o_.prefers_decimal)
      if (auto d = decimal_of(v)) return *d;
    if (is_double(v)) return TypeId::kDouble;
    if (is_boolean(v)) return TypeId::kBoolean;
    if (o_.datetime.infers_date(v)) return TypeId::kDate;
    if (o_.timestamp_ntz && o_.datetime.infers_timestamp_ntz(v)) return TypeId::kTimestampNtz;
    if (o_.datetime.infers_timestamp(v)) return TypeId::kTimestamp;
    return TypeId::kString;
  }

  Events& events_;
  const XmlOptions& o_;
};

bool has_value_tag(const DataType& t, const XmlOptions& o) { return t.id() == TypeId::kStruct && t.field_index(o.value_tag, true).has_value(); }

DataType with_value(const DataType& t, const DataType& other, bool other_first, const XmlOptions& o) {
  auto fields = t.fields();
  auto& f = fields[*t.field_index(o.value_tag, true)];
  f = make_field(o.value_tag, other_first ? compatible_type(other, f.type(), o) : compatible_type(f.type(), other, o));
  return DataType::structure(std::move(fields));
}

}  // namespace

DataType infer(Events& events, const XmlOptions& options) {
  const Event start = events.next();
  return Inference(events, options).object(start.attributes);
}

DataType compatible_type(const DataType& a, const DataType& b, const XmlOptions& o) {
  if (auto t = plan::tightest_type(a, b, false)) return *t;
  const TypeId x = a.id(), y = b.id();
  if ((x == TypeId::kDouble && y == TypeId::kDecimal) || (x == TypeId::kDecimal && y == TypeId::kDouble)) return TypeId::kDouble;
  if (x == TypeId::kDecimal && y == TypeId::kDecimal) {
    const int scale = std::max(a.scale(), b.scale()), range = std::max(a.precision() - a.scale(), b.precision() - b.scale());
    return range + scale > 38 ? DataType(TypeId::kDouble) : DataType::decimal(range + scale, scale);
  }
  if ((x == TypeId::kTimestamp && y == TypeId::kTimestampNtz) || (x == TypeId::kTimestampNtz && y == TypeId::kTimestamp)) return TypeId::kTimestamp;
  if (x == TypeId::kStruct && y == TypeId::kStruct) {
    std::vector<StructField> fields;
    for (const auto* list : {&a.fields(), &b.fields()})
      for (const auto& f : *list) {
        auto same = std::find_if(fields.begin(), fields.end(), [&](const StructField& g) { return o.case_sensitive ? g.name == f.name : sources::lower(g.name) == sources::lower(f.name); });
        if (same == fields.end()) fields.push_back(f);
        else *same = make_field(same->name, compatible_type(same->type(), f.type(), o));
      }
    std::stable_sort(fields.begin(), fields.end(), [](const StructField& f, const StructField& g) { return f.name < g.name; });
    return DataType::structure(std::move(fields));
  }
  if (x == TypeId::kArray && y == TypeId::kArray) return DataType::array(compatible_type(a.element(), b.element(), o), a.contains_null() || b.contains_null());
  if (x == TypeId::kArray) return DataType::array(compatible_type(a.element(), b, o), true);
  if (y == TypeId::kArray) return DataType::array(compatible_type(a, b.element(), o), true);
  if (has_value_tag(a, o)) return with_value(a, b, false, o);
  if (has_value_tag(b, o)) return with_value(b, a, true, o);
  if (a.is_integral() && y == TypeId::kDecimal) return compatible_type(plan::decimal_for(x), b, o);
  if (x == TypeId::kDecimal && b.is_integral()) return compatible_type(a, plan::decimal_for(y), o);
  return TypeId::kString;
}

std::optional<DataType> canonical(const DataType& t) {
  switch (t.id()) {
    case TypeId::kNull: return DataType(TypeId::kString);
    case TypeId::kArray: {
      auto e = canonical(t.element());
      return e ? std::optional(DataType::array(*e, t.contains_null())) : std::nullopt;
    }
    case TypeId::kStruct: {
      std::vector<StructField> fields;
      for (const auto& f : t.fields())
        if (auto c = canonical(f.type()); c && !f.name.empty()) fields.push_back(make_field(f.name, *c, f.nullable));
      return fields.empty() ? std::nullopt : std::optional(DataType::structure(std::move(fields)));
    }
    default: return t;
  }
}

std::optional<DataType> malformed_type(const XmlOptions& o) {
  switch (o.mode) {
    case sources::ParseMode::kPermissive: return DataType::structure({make_field(o.corrupt_column, TypeId::kString)});
    case sources::ParseMode::kDropMalformed: return std::nullopt;
    case sources::ParseMode::kFailFast: break;
  }
  throw SparkError(ErrorKind::kSpark, "MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION", {{"badRecord", o.corrupt_column}, {"failFastMode", "FAILFAST"}});
}

}  // namespace tarn::engine::xml
