#include "plan/types.h"

#include <algorithm>
#include <cctype>
#include <map>

#include "base/spark_error.h"
#include "plan/types_internal.h"

namespace tarn::plan {

namespace {

bool iequal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](unsigned char x, unsigned char y) {
           return std::tolower(x) == std::tolower(y);
         });
}

std::string upper(std::string s) {
  for (char& c : s) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return s;
}

const char* const kDayTimeFields[] = {"day", "hour", "minute", "second"};
const char* const kYearMonthFields[] = {"year", "month"};

std::string interval_name(const char* const* names, int start, int end) {
  std::string out = std::string("interval ") + names[start];
  if (start != end) out += std::string(" to ") + names[end];
  return out;
}

constexpr size_t kMaxToStringFields = 25;  // spark.sql.debug.maxToStringFields

}  // namespace

DataType::DataType(TypeId id) : id_(id) {
  switch (id) {
    case TypeId::kTime: a_ = 6; break;
    case TypeId::kDayTimeInterval: a_ = kDay; b_ = kSecond; break;
    case TypeId::kYearMonthInterval: a_ = kYear; b_ = kMonth; break;
    case TypeId::kDecimal: a_ = 10; b_ = 0; break;
    case TypeId::kGeometry:
    case TypeId::kGeography: a_ = -1; break;
    case TypeId::kStruct: detail_ = std::make_shared<Detail>(); break;
    default: break;
  }
}

DataType DataType::decimal(int precision, int scale) {
  DataType t;
  t.id_ = TypeId::kDecimal;
  t.a_ = precision;
  t.b_ = scale;
  return t;
}
DataType DataType::string(std::string collation) {
  DataType t(TypeId::kString);
  auto d = std::make_shared<Detail>();
  d->text[0] = std::move(collation);
  t.detail_ = std::move(d);
  return t;
}
DataType DataType::character(int length) {
  DataType t(TypeId::kChar);
  t.a_ = length;
  return t;
}
DataType DataType::varchar(int length) {
  DataType t(TypeId::kVarchar);
  t.a_ = length;
  return t;
}
DataType DataType::time(int precision) {
  DataType t(TypeId::kTime);
  t.a_ = precision;
  return t;
}
DataType DataType::day_time(uint8_t start, uint8_t end) {
  DataType t(TypeId::kDayTimeInterval);
  t.a_ = start;
  t.b_ = end;
  return t;
}
DataType DataType::year_month(uint8_t start, uint8_t end) {
  DataType t(TypeId::kYearMonthInterval);
  t.a_ = start;
  t.b_ = end;
  return t;
}
DataType DataType::array(DataType element, bool contains_null) {
  DataType t;
  t.id_ = TypeId::kArray;
  t.a_ = contains_null;
  auto d = std::make_shared<Detail>();
  d->parts.push_back(std::move(element));
  t.detail_ = std::move(d);
  return t;
}
DataType DataType::map(DataType key, DataType value, bool value_contains_null) {
  DataType t;
  t.id_ = TypeId::kMap;
  t.a_ = value_contains_null;
  auto d = std::make_shared<Detail>();
  d->parts.push_back(std::move(key));
  d->parts.push_back(std::move(value));
  t.detail_ = std::move(d);
  return t;
}
DataType DataType::structure(std::vector<StructField> fields) {
  DataType t;
  t.id_ = TypeId::kStruct;
  auto d = std::make_shared<Detail>();
  d->fields = std::move(fields);
  t.detail_ = std::move(d);
  return t;
}
DataType DataType::geometry(int srid) {
  DataType t(TypeId::kGeometry);
  t.a_ = srid;
  return t;
}
DataType DataType::geography(int srid) {
  DataType t(TypeId::kGeography);
  t.a_ = srid;
  return t;
}
namespace {

// User-defined types of Spark's own classes say which Python class stands for them; clients send the JVM class and look for the Python
// class in the answer. Source: UserDefinedType.pyUDT of these classes.
std::string python_class_of(const std::string& jvm_class, std::string given) {
  static const std::map<std::string, std::string, std::less<>> known = {
      {"org.apache.spark.ml.linalg.VectorUDT", "pyspark.ml.linalg.VectorUDT"},
      {"org.apache.spark.ml.linalg.MatrixUDT", "pyspark.ml.linalg.MatrixUDT"},
      {"org.apache.spark.mllib.linalg.VectorUDT", "pyspark.mllib.linalg.VectorUDT"},
      {"org.apache.spark.mllib.linalg.MatrixUDT", "pyspark.mllib.linalg.MatrixUDT"},
      {"org.apache.spark.sql.test.ExamplePointUDT", "pyspark.testing.objects.ExamplePointUDT"},
  };
  auto it = known.find(jvm_class);
  return it == known.end() ? std::move(given) : it->second;
}

}  // namespace

DataType DataType::udt(std::string jvm_class, std::string python_class, std::string serialized_python, DataType sql_type) {
  DataType t;
  t.id_ = TypeId::kUdt;
  auto d = std::make_shared<Detail>();
  d->parts.push_back(std::move(sql_type));
  d->text[1] = python_class_of(jvm_class, std::move(python_class));
  d->text[0] = std::move(jvm_class);
  d->text[2] = std::move(serialized_python);
  t.detail_ = std::move(d);
  return t;
}

const std::string& DataType::collation() const {
  static const std::string binary = "UTF8_BINARY";
  return id_ == TypeId::kString && detail_ ? detail_->text[0] : binary;
}
const DataType& DataType::element() const { return detail_->parts[0]; }
const DataType& DataType::key() const { return detail_->parts[0]; }
const DataType& DataType::value() const { return detail_->parts[1]; }
const std::vector<StructField>& DataType::fields() const { return detail_->fields; }
const DataType& DataType::sql_type() const { return detail_->parts[0]; }
const std::string& DataType::udt_class(int which) const { return detail_->text[which]; }

std::optional<size_t> DataType::field_index(std::string_view name, bool case_sensitive) const {
  const auto& fs = fields();
  for (size_t i = 0; i < fs.size(); ++i)
    if (case_sensitive ? fs[i].name == name : iequal(fs[i].name, name)) return i;
  return std::nullopt;
}

bool DataType::is_orderable() const {
  switch (id_) {
    case TypeId::kMap:
    case TypeId::kVariant:
    case TypeId::kCalendarInterval:
    case TypeId::kGeometry:
    case TypeId::kGeography: return false;
    case TypeId::kArray: return element().is_orderable();
    case TypeId::kUdt: return sql_type().is_orderable();
    case TypeId::kStruct:
      return std::all_of(fields().begin(), fields().end(), [](const StructField& f) { return f.type().is_orderable(); });
    default: return true;
  }
}

namespace {

enum class Compare { kExact, kIgnoreNullability, kStructure };

bool equal(const DataType& a, const DataType& b, Compare how) {
  if (a.id() != b.id()) return false;
  switch (a.id()) {
    case TypeId::kDecimal:
    case TypeId::kTime: return a.precision() == b.precision() && a.scale() == b.scale();
    case TypeId::kChar:
    case TypeId::kVarchar: return a.length() == b.length();
    case TypeId::kGeometry:
    case TypeId::kGeography: return a.srid() == b.srid();
    case TypeId::kString: return a.collation() == b.collation();
    case TypeId::kDayTimeInterval:
    case TypeId::kYearMonthInterval: return a.start_field() == b.start_field() && a.end_field() == b.end_field();
    case TypeId::kArray:
      return (how != Compare::kExact || a.contains_null() == b.contains_null()) && equal(a.element(), b.element(), how);
    case TypeId::kMap:
      return (how != Compare::kExact || a.contains_null() == b.contains_null()) && equal(a.key(), b.key(), how) &&
             equal(a.value(), b.value(), how);
    case TypeId::kStruct: {
      const auto &x = a.fields(), &y = b.fields();
      if (x.size() != y.size()) return false;
      for (size_t i = 0; i < x.size(); ++i) {
        if (how == Compare::kExact &&
            (x[i].name != y[i].name || x[i].nullable != y[i].nullable || x[i].metadata != y[i].metadata))
          return false;
        if (how == Compare::kIgnoreNullability && !iequal(x[i].name, y[i].name)) return false;
        if (!equal(x[i].type(), y[i].type(), how)) return false;
      }
      return true;
    }
    case TypeId::kUdt:
      if (!a.udt_class(1).empty() || !b.udt_class(1).empty()) return a.udt_class(1) == b.udt_class(1);
      return a.udt_class(0) == b.udt_class(0);
    default: return true;
  }
}

}  // namespace

bool DataType::operator==(const DataType& o) const {
  if (id_ == o.id_ && a_ == o.a_ && b_ == o.b_ && detail_ == o.detail_) return true;
  return equal(*this, o, Compare::kExact);
}
bool DataType::same_type(const DataType& o) const { return equal(*this, o, Compare::kIgnoreNullability); }
bool DataType::structurally_equal(const DataType& o) const { return equal(*this, o, Compare::kStructure); }

std::string type_name(const DataType& t) {
  switch (t.id()) {
    case TypeId::kNull: return "void";
    case TypeId::kBoolean: return "boolean";
    case TypeId::kByte: return "byte";
    case TypeId::kShort: return "short";
    case TypeId::kInt: return "integer";
    case TypeId::kLong: return "long";
    case TypeId::kFloat: return "float";
    case TypeId::kDouble: return "double";
    case TypeId::kDecimal: return "decimal(" + std::to_string(t.precision()) + "," + std::to_string(t.scale()) + ")";
    case TypeId::kString: return t.is_default_string() ? "string" : "string collate " + t.collation();
    case TypeId::kChar: return "char(" + std::to_string(t.length()) + ")";
    case TypeId::kVarchar: return "varchar(" + std::to_string(t.length()) + ")";
    case TypeId::kBinary: return "binary";
    case TypeId::kDate: return "date";
    case TypeId::kTime: return "time(" + std::to_string(t.precision()) + ")";
    case TypeId::kTimestamp: return "timestamp";
    case TypeId::kTimestampNtz: return "timestamp_ntz";
    case TypeId::kYearMonthInterval: return interval_name(kYearMonthFields, t.start_field(), t.end_field());
    case TypeId::kDayTimeInterval: return interval_name(kDayTimeFields, t.start_field(), t.end_field());
    case TypeId::kCalendarInterval: return "interval";
    case TypeId::kArray: return "array";
    case TypeId::kMap: return "map";
    case TypeId::kStruct: return "struct";
    case TypeId::kVariant: return "variant";
    case TypeId::kGeometry: return t.srid() < 0 ? "geometry(any)" : "geometry(" + std::to_string(t.srid()) + ")";
    case TypeId::kGeography: return t.srid() < 0 ? "geography(any)" : "geography(" + std::to_string(t.srid()) + ")";
    case TypeId::kUdt: {
      // The class name without package, "UDT" and "Type" suffixes: Python's are PythonUserDefinedType.
      std::string name = t.udt_class(0).empty() ? "PythonUserDefinedType" : t.udt_class(0);
      if (auto dot = name.rfind('.'); dot != std::string::npos) name = name.substr(dot + 1);
      for (std::string_view suffix : {"Type", "UDT"})
        if (name.size() > suffix.size() && name.ends_with(suffix)) name.resize(name.size() - suffix.size());
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      return name;
    }
  }
  return "void";
}

namespace {

// How the types are written where Spark uses simpleString.
std::string render_simple(const DataType& t, bool truncate) {
  switch (t.id()) {
    case TypeId::kByte: return "tinyint";
    case TypeId::kShort: return "smallint";
    case TypeId::kInt: return "int";
    case TypeId::kLong: return "bigint";
    case TypeId::kArray: return "array<" + render_simple(t.element(), truncate) + ">";
    case TypeId::kMap: return "map<" + render_simple(t.key(), truncate) + "," + render_simple(t.value(), truncate) + ">";
    case TypeId::kStruct: {
      const auto& fs = t.fields();
      std::string out = "struct<";
      size_t shown = truncate && fs.size() > kMaxToStringFields ? kMaxToStringFields : fs.size();
      for (size_t i = 0; i < shown; ++i) out += (i ? "," : "") + fs[i].name + ":" + render_simple(fs[i].type(), truncate);
      if (shown < fs.size()) out += ",... " + std::to_string(fs.size() - shown) + " more fields";
      return out + ">";
    }
    case TypeId::kUdt: return truncate ? type_name(t) : render_simple(t.sql_type(), false);
    default: return type_name(t);
  }
}

std::string escape_single_quoted(const std::string& s) {
  std::string out;
  for (char c : s) {
    if (c == '\'') out += '\\';
    out += c;
  }
  return out;
}

std::string comment_clause(const StructField& f) {
  auto comment = metadata_string(f.metadata, "comment");
  return comment ? " COMMENT '" + escape_single_quoted(*comment) + "'" : "";
}

std::string field_sql(const StructField& f) {
  return quote_if_needed(f.name) + ": " + f.type().sql() + (f.nullable ? "" : " NOT NULL") + comment_clause(f);
}

std::string escape_meta(const std::string& s) {
  std::string out;
  for (char c : s) {
    switch (c) {
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\f': out += "\\f"; break;
      case '\b': out += "\\b"; break;
      case '\v': out += "\\v"; break;
      case '\a': out += "\\a"; break;
      default: out += c;
    }
  }
  return out;
}

void append_tree(const DataType& t, const std::string& prefix, int depth, std::string& out) {
  if (depth <= 0) return;
  auto flag = [](bool b) { return b ? "true" : "false"; };
  switch (t.id()) {
    case TypeId::kStruct:
      for (const auto& f : t.fields()) {
        out += prefix + "-- " + escape_meta(f.name) + ": " + type_name(f.type()) + " (nullable = " + flag(f.nullable) + ")\n";
        append_tree(f.type(), prefix + "    |", depth - 1, out);
      }
      break;
    case TypeId::kArray:
      out += prefix + "-- element: " + type_name(t.element()) + " (containsNull = " + flag(t.contains_null()) + ")\n";
      append_tree(t.element(), prefix + "    |", depth - 1, out);
      break;
    case TypeId::kMap:
      out += prefix + "-- key: " + type_name(t.key()) + "\n";
      append_tree(t.key(), prefix + "    |", depth - 1, out);
      out += prefix + "-- value: " + type_name(t.value()) + " (valueContainsNull = " + flag(t.contains_null()) + ")\n";
      append_tree(t.value(), prefix + "    |", depth - 1, out);
      break;
    default: break;
  }
}

}  // namespace

std::string quote_if_needed(std::string_view part) {
  bool plain = !part.empty() && !std::isdigit(static_cast<unsigned char>(part[0]));
  for (unsigned char c : part) plain = plain && (c == '_' || (c < 128 && std::isalnum(c)));
  return plain ? std::string(part) : quote_identifier(part);
}

std::string DataType::catalog_string() const { return render_simple(*this, false); }
std::string DataType::simple_string() const { return render_simple(*this, true); }

std::string DataType::sql() const {
  switch (id_) {
    case TypeId::kArray: return "ARRAY<" + element().sql() + ">";
    case TypeId::kMap: return "MAP<" + key().sql() + ", " + value().sql() + ">";
    case TypeId::kStruct: {
      std::string out = "STRUCT<";
      for (size_t i = 0; i < fields().size(); ++i) out += (i ? ", " : "") + field_sql(fields()[i]);
      return out + ">";
    }
    case TypeId::kUdt: return sql_type().sql();
    default: return upper(render_simple(*this, false));
  }
}

std::string DataType::ddl() const {
  std::string out;
  for (const auto& f : fields()) {
    if (!out.empty()) out += ",";
    out += quote_if_needed(f.name) + " " + f.type().sql() + (f.nullable ? "" : " NOT NULL");
    auto def = metadata_string(f.metadata, "CURRENT_DEFAULT");
    if (def) out += " DEFAULT " + *def;
    out += comment_clause(f);
  }
  return out;
}

std::string DataType::tree_string(int level) const {
  std::string out = "root\n";
  append_tree(*this, " |", level > 0 ? level : 1 << 30, out);
  return out;
}

StructField make_field(std::string name, DataType type, bool nullable, std::string metadata) {
  if (metadata == "{}") metadata.clear();
  return StructField{std::move(name), std::make_shared<const DataType>(std::move(type)), nullable, std::move(metadata)};
}

DataType decimal_for(TypeId integral) {
  switch (integral) {
    case TypeId::kBoolean: return DataType::decimal(1, 0);
    case TypeId::kByte: return DataType::decimal(3, 0);
    case TypeId::kShort: return DataType::decimal(5, 0);
    case TypeId::kInt: return DataType::decimal(10, 0);
    case TypeId::kLong: return DataType::decimal(20, 0);
    case TypeId::kFloat: return DataType::decimal(14, 7);
    case TypeId::kDouble: return DataType::decimal(30, 15);
    default: throw internal_error("decimal_for: not a numeric type");
  }
}

DataType adjust_decimal(int precision, int scale) {
  if (precision <= 38) return DataType::decimal(precision, scale);
  int int_digits = precision - scale;
  int min_scale = std::min(scale, 6);
  return DataType::decimal(38, std::max(38 - int_digits, min_scale));
}

DataType bounded_decimal(int precision, int scale) { return DataType::decimal(std::min(precision, 38), std::min(scale, 38)); }

}  // namespace tarn::plan
