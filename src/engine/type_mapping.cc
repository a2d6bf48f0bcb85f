#include "engine/type_mapping.h"

#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "duckdb/common/types.hpp"
#include "base/spark_error.h"

namespace tarn::engine {

using plan::DataType;
using plan::TypeId;

std::vector<std::string> duckdb_field_names(const DataType& structure) {
  std::vector<std::string> names;
  std::set<std::string> seen;
  size_t i = 0;
  for (const auto& field : structure.fields()) {
    std::string name = field.name.empty() ? "_" + std::to_string(i) : field.name;
    auto key = [](std::string s) {
      std::transform(s.begin(), s.end(), s.begin(), [](unsigned char c) { return std::tolower(c); });
      return s;
    };
    std::string unique = name;
    for (size_t n = i; !seen.insert(key(unique)).second; ++n) unique = name + "_" + std::to_string(n);
    names.push_back(std::move(unique));
    ++i;
  }
  return names;
}

duckdb::LogicalType to_duckdb(const DataType& type) {
  using duckdb::LogicalType;
  switch (type.id()) {
    case TypeId::kNull: return LogicalType::INTEGER;
    case TypeId::kBoolean: return LogicalType::BOOLEAN;
    case TypeId::kByte: return LogicalType::TINYINT;
    case TypeId::kShort: return LogicalType::SMALLINT;
    case TypeId::kInt: return LogicalType::INTEGER;
    case TypeId::kLong: return LogicalType::BIGINT;
    case TypeId::kFloat: return LogicalType::FLOAT;
    case TypeId::kDouble: return LogicalType::DOUBLE;
    case TypeId::kDecimal: return LogicalType::DECIMAL(type.precision(), type.scale());
    case TypeId::kString:
    case TypeId::kChar:
    case TypeId::kVarchar: return LogicalType::VARCHAR;
    case TypeId::kBinary: return LogicalType::BLOB;
    case TypeId::kDate: return LogicalType::DATE;
    case TypeId::kTime: return LogicalType::BIGINT;
    case TypeId::kTimestamp: return LogicalType::TIMESTAMP_TZ;
    case TypeId::kTimestampNtz: return LogicalType::TIMESTAMP;
    case TypeId::kYearMonthInterval: return LogicalType::INTEGER;
    case TypeId::kDayTimeInterval: return LogicalType::BIGINT;
    case TypeId::kCalendarInterval: return LogicalType::INTERVAL;
    case TypeId::kArray: return LogicalType::LIST(to_duckdb(type.element()));
    case TypeId::kMap: return LogicalType::MAP(to_duckdb(type.key()), to_duckdb(type.value()));
    case TypeId::kStruct: {
      duckdb::child_list_t<LogicalType> children;
      auto names = duckdb_field_names(type);
      for (size_t i = 0; i < names.size(); ++i) children.emplace_back(names[i], to_duckdb(type.fields()[i].type()));
      // DuckDB has no struct without fields; one hidden field stands for it.
      if (children.empty()) children.emplace_back("_empty", LogicalType::BOOLEAN);
      return LogicalType::STRUCT(std::move(children));
    }
    case TypeId::kVariant: return LogicalType::STRUCT({{"value", LogicalType::BLOB}, {"metadata", LogicalType::BLOB}});
    case TypeId::kGeometry:
    case TypeId::kGeography: return LogicalType::STRUCT({{"srid", LogicalType::INTEGER}, {"wkb", LogicalType::BLOB}});
    case TypeId::kUdt: return to_duckdb(type.sql_type());
  }
  throw internal_error("no DuckDB type for " + type.sql());
}

std::string quote_duckdb_identifier(const std::string& name) {
  std::string out = "\"";
  for (char c : name) {
    if (c == '"') out += '"';
    if (c != '\0') out += c;
  }
  return out + "\"";
}

std::string duckdb_string(const std::string& text) {
  auto quoted = [](std::string_view part) {
    std::string out = "'";
    for (char c : part) {
      if (c == '\'') out += '\'';
      out += c;
    }
    return out + "'";
  };
  if (text.find('\0') == std::string::npos) return quoted(text);
  std::string out = "(";  // the grammar ends at a NUL character
  size_t begin = 0;
  for (;;) {
    size_t end = text.find('\0', begin);
    out += quoted(std::string_view(text).substr(begin, end == std::string::npos ? end : end - begin));
    if (end == std::string::npos) break;
    out += " || chr(0) || ";
    begin = end + 1;
  }
  return out + ")";
}

std::string duckdb_type_sql(const DataType& type) {
  switch (type.id()) {
    case TypeId::kArray: return duckdb_type_sql(type.element()) + "[]";
    case TypeId::kMap: return "MAP(" + duckdb_type_sql(type.key()) + ", " + duckdb_type_sql(type.value()) + ")";
    case TypeId::kStruct: {
      if (type.fields().empty()) return "STRUCT(\"_empty\" BOOLEAN)";
      std::string out = "STRUCT(";
      auto names = duckdb_field_names(type);
      for (size_t i = 0; i < names.size(); ++i) {
        if (i) out += ", ";
        out += quote_duckdb_identifier(names[i]) + " " + duckdb_type_sql(type.fields()[i].type());
      }
      return out + ")";
    }
    case TypeId::kVariant: return "STRUCT(\"value\" BLOB, \"metadata\" BLOB)";
    case TypeId::kGeometry:
    case TypeId::kGeography: return "STRUCT(srid INTEGER, wkb BLOB)";
    case TypeId::kUdt: return duckdb_type_sql(type.sql_type());
    case TypeId::kTimestamp: return "TIMESTAMPTZ";
    default: return to_duckdb(type).ToString();
  }
}

DataType from_duckdb(const duckdb::LogicalType& type) {
  using duckdb::LogicalTypeId;
  switch (type.id()) {
    case LogicalTypeId::SQLNULL: return TypeId::kNull;
    case LogicalTypeId::BOOLEAN: return TypeId::kBoolean;
    case LogicalTypeId::TINYINT: return TypeId::kByte;
    case LogicalTypeId::UTINYINT:
    case LogicalTypeId::SMALLINT: return TypeId::kShort;
    case LogicalTypeId::USMALLINT:
    case LogicalTypeId::INTEGER: return TypeId::kInt;
    case LogicalTypeId::UINTEGER:
    case LogicalTypeId::BIGINT: return TypeId::kLong;
    case LogicalTypeId::UBIGINT: return DataType::decimal(20, 0);
    case LogicalTypeId::HUGEINT:
    case LogicalTypeId::UHUGEINT: return DataType::decimal(38, 0);
    case LogicalTypeId::FLOAT: return TypeId::kFloat;
    case LogicalTypeId::DOUBLE: return TypeId::kDouble;
    case LogicalTypeId::DECIMAL:
      return DataType::decimal(duckdb::DecimalType::GetWidth(type), duckdb::DecimalType::GetScale(type));
    case LogicalTypeId::VARCHAR:
    case LogicalTypeId::ENUM:
    case LogicalTypeId::UUID: return TypeId::kString;
    case LogicalTypeId::BLOB:
    case LogicalTypeId::BIT: return TypeId::kBinary;
    case LogicalTypeId::DATE: return TypeId::kDate;
    case LogicalTypeId::TIME: return TypeId::kTime;
    case LogicalTypeId::TIMESTAMP_TZ: return TypeId::kTimestamp;
    case LogicalTypeId::TIMESTAMP:
    case LogicalTypeId::TIMESTAMP_MS:
    case LogicalTypeId::TIMESTAMP_NS:
    case LogicalTypeId::TIMESTAMP_SEC: return TypeId::kTimestampNtz;
    case LogicalTypeId::INTERVAL: return TypeId::kCalendarInterval;
    case LogicalTypeId::LIST: return DataType::array(from_duckdb(duckdb::ListType::GetChildType(type)));
    case LogicalTypeId::ARRAY: return DataType::array(from_duckdb(duckdb::ArrayType::GetChildType(type)));
    case LogicalTypeId::MAP:
      return DataType::map(from_duckdb(duckdb::MapType::KeyType(type)), from_duckdb(duckdb::MapType::ValueType(type)));
    case LogicalTypeId::STRUCT: {
      std::vector<plan::StructField> fields;
      for (const auto& [name, child] : duckdb::StructType::GetChildTypes(type)) fields.push_back(plan::make_field(name, from_duckdb(child)));
      return DataType::structure(std::move(fields));
    }
    default: throw internal_error("no Spark type for DuckDB's " + type.ToString());
  }
}

namespace {

std::shared_ptr<arrow::Field> arrow_field(const std::string& name, const DataType& type, bool nullable, const std::string& zone, bool large) {
  std::shared_ptr<arrow::KeyValueMetadata> metadata;
  if (type.id() == TypeId::kUdt) metadata = nullptr;
  return arrow::field(name, to_arrow(type, zone, large), nullable, metadata);
}

// Names that occur twice in a struct are numbered: x_0, x_1. Clients map fields by position. Source: ArrowUtils.
std::vector<std::string> wire_field_names(const DataType& type) {
  std::map<std::string, int> count, used;
  for (const auto& f : type.fields()) ++count[f.name];
  std::vector<std::string> names;
  for (const auto& f : type.fields()) names.push_back(count[f.name] > 1 ? f.name + "_" + std::to_string(used[f.name]++) : f.name);
  return names;
}

}  // namespace

std::shared_ptr<arrow::DataType> to_arrow(const DataType& type, const std::string& zone, bool large) {
  switch (type.id()) {
    case TypeId::kNull: return arrow::null();
    case TypeId::kBoolean: return arrow::boolean();
    case TypeId::kByte: return arrow::int8();
    case TypeId::kShort: return arrow::int16();
    case TypeId::kInt: return arrow::int32();
    case TypeId::kLong: return arrow::int64();
    case TypeId::kFloat: return arrow::float32();
    case TypeId::kDouble: return arrow::float64();
    case TypeId::kDecimal: return arrow::decimal128(type.precision(), type.scale());
    case TypeId::kString:
    case TypeId::kChar:
    case TypeId::kVarchar: return large ? arrow::large_utf8() : arrow::utf8();
    case TypeId::kBinary: return large ? arrow::large_binary() : arrow::binary();
    case TypeId::kDate: return arrow::date32();
    case TypeId::kTime: return arrow::time64(arrow::TimeUnit::NANO);
    case TypeId::kTimestamp: return arrow::timestamp(arrow::TimeUnit::MICRO, zone);
    case TypeId::kTimestampNtz: return arrow::timestamp(arrow::TimeUnit::MICRO);
    case TypeId::kYearMonthInterval: return arrow::month_interval();
    case TypeId::kDayTimeInterval: return arrow::duration(arrow::TimeUnit::MICRO);
    case TypeId::kCalendarInterval: return arrow::month_day_nano_interval();
    case TypeId::kArray: return arrow::list(arrow_field("element", type.element(), type.contains_null(), zone, large));
    case TypeId::kMap:
      return std::make_shared<arrow::MapType>(arrow_field("key", type.key(), false, zone, large),
                                              arrow_field("value", type.value(), type.contains_null(), zone, large));
    case TypeId::kStruct: {
      arrow::FieldVector fields;
      auto names = wire_field_names(type);
      for (size_t i = 0; i < names.size(); ++i) {
        const auto& f = type.fields()[i];
        fields.push_back(arrow_field(names[i], f.type(), f.nullable, zone, large));
      }
      return arrow::struct_(std::move(fields));
    }
    case TypeId::kVariant: {
      // The metadata tells clients that this struct is a variant. Source: ArrowUtils.toArrowField.
      auto mark = arrow::key_value_metadata({"variant"}, {"true"});
      return arrow::struct_({arrow::field("value", large ? arrow::large_binary() : arrow::binary(), false),
                             arrow::field("metadata", large ? arrow::large_binary() : arrow::binary(), false, mark)});
    }
    case TypeId::kGeometry:
    case TypeId::kGeography: {
      std::string srid = type.srid() < 0 ? "ANY" : std::to_string(type.srid());
      auto mark = arrow::key_value_metadata({type.id() == TypeId::kGeometry ? "geometry" : "geography", "srid"}, {"true", srid});
      return arrow::struct_({arrow::field("srid", arrow::int32(), false),
                             arrow::field("wkb", large ? arrow::large_binary() : arrow::binary(), false, mark)});
    }
    case TypeId::kUdt: return to_arrow(type.sql_type(), zone, large);
  }
  throw internal_error("no Arrow type for " + type.sql());
}

std::shared_ptr<arrow::Schema> to_arrow_schema(const DataType& structure, const std::string& zone, bool large) {
  arrow::FieldVector fields;
  for (const auto& f : structure.fields()) fields.push_back(arrow_field(f.name, f.type(), f.nullable, zone, large));
  return arrow::schema(std::move(fields));
}

std::shared_ptr<arrow::DataType> to_duckdb_arrow(const DataType& type) {
  switch (type.id()) {
    case TypeId::kNull:
    case TypeId::kYearMonthInterval: return arrow::int32();
    case TypeId::kTime:
    case TypeId::kDayTimeInterval: return arrow::int64();
    case TypeId::kTimestamp: return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    case TypeId::kArray: return arrow::list(arrow::field("element", to_duckdb_arrow(type.element())));
    case TypeId::kMap:
      return std::make_shared<arrow::MapType>(arrow::field("key", to_duckdb_arrow(type.key()), false),
                                              arrow::field("value", to_duckdb_arrow(type.value())));
    case TypeId::kStruct: {
      arrow::FieldVector fields;
      auto names = duckdb_field_names(type);
      for (size_t i = 0; i < names.size(); ++i) fields.push_back(arrow::field(names[i], to_duckdb_arrow(type.fields()[i].type())));
      if (fields.empty()) fields.push_back(arrow::field("_empty", arrow::boolean()));
      return arrow::struct_(std::move(fields));
    }
    case TypeId::kUdt: return to_duckdb_arrow(type.sql_type());
    default: return to_arrow(type, "UTC");
  }
}

DataType from_arrow(const arrow::DataType& type) {
  using arrow::Type;
  switch (type.id()) {
    case Type::NA: return TypeId::kNull;
    case Type::BOOL: return TypeId::kBoolean;
    case Type::INT8: return TypeId::kByte;
    case Type::INT16: return TypeId::kShort;
    case Type::INT32: return TypeId::kInt;
    case Type::INT64: return TypeId::kLong;
    case Type::FLOAT: return TypeId::kFloat;
    case Type::DOUBLE: return TypeId::kDouble;
    case Type::DECIMAL128: {
      const auto& d = static_cast<const arrow::Decimal128Type&>(type);
      return DataType::decimal(d.precision(), d.scale());
    }
    case Type::STRING:
    case Type::LARGE_STRING:
    case Type::STRING_VIEW: return TypeId::kString;
    case Type::BINARY:
    case Type::LARGE_BINARY:
    case Type::BINARY_VIEW:
    case Type::FIXED_SIZE_BINARY: return TypeId::kBinary;
    case Type::DATE32: return TypeId::kDate;
    case Type::TIME64: return TypeId::kTime;
    case Type::TIMESTAMP: return static_cast<const arrow::TimestampType&>(type).timezone().empty() ? TypeId::kTimestampNtz : TypeId::kTimestamp;
    case Type::DURATION: return TypeId::kDayTimeInterval;
    case Type::INTERVAL_MONTHS: return TypeId::kYearMonthInterval;
    case Type::INTERVAL_MONTH_DAY_NANO: return TypeId::kCalendarInterval;
    case Type::LIST:
    case Type::LARGE_LIST:
    case Type::FIXED_SIZE_LIST: {
      const auto& f = *static_cast<const arrow::BaseListType&>(type).value_field();
      return DataType::array(from_arrow(*f.type()), f.nullable());
    }
    case Type::MAP: {
      const auto& m = static_cast<const arrow::MapType&>(type);
      return DataType::map(from_arrow(*m.key_type()), from_arrow(*m.item_type()), m.item_field()->nullable());
    }
    case Type::STRUCT: {
      if (type.num_fields() == 2 && type.field(1)->metadata() && type.field(1)->metadata()->Contains("variant")) return TypeId::kVariant;
      std::vector<plan::StructField> fields;
      for (const auto& f : type.fields()) fields.push_back(plan::make_field(f->name(), from_arrow(*f->type()), f->nullable()));
      return DataType::structure(std::move(fields));
    }
    default: throw SparkError(ErrorKind::kUnsupported, "UNSUPPORTED_ARROWTYPE", {{"typeName", type.ToString()}});
  }
}

}  // namespace tarn::engine
