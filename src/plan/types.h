#pragma once
// Spark SQL's data types as an immutable value. Source: org.apache.spark.sql.types, spark/connect/types.proto.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace spark::connect {
class DataType;
}

namespace tarn::plan {

enum class TypeId : uint8_t {
  kNull, kBoolean, kByte, kShort, kInt, kLong, kFloat, kDouble, kDecimal,
  kString, kChar, kVarchar, kBinary, kDate, kTime, kTimestamp, kTimestampNtz,
  kYearMonthInterval, kDayTimeInterval, kCalendarInterval,
  kArray, kMap, kStruct, kVariant, kGeometry, kGeography, kUdt,
};

class DataType;

struct StructField {
  std::string name;
  std::shared_ptr<const DataType> type_ptr;  // never null; see type()
  bool nullable = true;
  std::string metadata;  // JSON object text, empty = {}
  const DataType& type() const { return *type_ptr; }
};

// Fields of the day-time and year-month interval types, in Spark's numbering.
enum IntervalField : uint8_t { kDay = 0, kHour = 1, kMinute = 2, kSecond = 3, kYear = 0, kMonth = 1 };

// Cheap to copy (nested parts are shared). Thread-safe: immutable.
class DataType {
 public:
  DataType() = default;  // kNull (Spark's NullType, "void")
  // Any type without parameters. Strings get the default collation UTF8_BINARY, intervals their widest range, TIME precision 6.
  DataType(TypeId id);  // NOLINT: implicit on purpose
  static DataType decimal(int precision, int scale);  // 1 <= precision <= 38, 0 <= scale <= precision; the caller has checked
  static DataType string(std::string collation);      // "UTF8_BINARY", "UTF8_LCASE", "UNICODE", "de_CI_AI", "UTF8_BINARY_RTRIM" ...
  static DataType character(int length);
  static DataType varchar(int length);
  static DataType time(int precision);
  static DataType day_time(uint8_t start, uint8_t end);
  static DataType year_month(uint8_t start, uint8_t end);
  static DataType array(DataType element, bool contains_null = true);
  static DataType map(DataType key, DataType value, bool value_contains_null = true);
  static DataType structure(std::vector<StructField> fields);
  static DataType geometry(int srid);   // -1 = ANY (mixed)
  static DataType geography(int srid);
  static DataType udt(std::string jvm_class, std::string python_class, std::string serialized_python, DataType sql_type);

  TypeId id() const { return id_; }
  int precision() const { return a_; }             // kDecimal, kTime
  int scale() const { return b_; }                 // kDecimal
  int length() const { return a_; }                // kChar, kVarchar
  int srid() const { return a_; }
  uint8_t start_field() const { return static_cast<uint8_t>(a_); }  // intervals
  uint8_t end_field() const { return static_cast<uint8_t>(b_); }
  const std::string& collation() const;            // kString; "UTF8_BINARY" by default
  bool is_default_string() const { return id_ == TypeId::kString && !detail_; }  // no explicit collation
  const DataType& element() const;                 // kArray
  bool contains_null() const { return a_ != 0; }   // kArray; kMap: of values
  const DataType& key() const;                     // kMap
  const DataType& value() const;
  const std::vector<StructField>& fields() const;  // kStruct
  std::optional<size_t> field_index(std::string_view name, bool case_sensitive) const;  // first match
  const DataType& sql_type() const;                // kUdt: how it is stored
  const std::string& udt_class(int which) const;   // 0 jvm, 1 python, 2 serialized

  bool is_numeric() const { return id_ >= TypeId::kByte && id_ <= TypeId::kDecimal; }
  bool is_integral() const { return id_ >= TypeId::kByte && id_ <= TypeId::kLong; }
  bool is_fractional() const { return id_ == TypeId::kFloat || id_ == TypeId::kDouble || id_ == TypeId::kDecimal; }
  bool is_string() const { return id_ >= TypeId::kString && id_ <= TypeId::kVarchar; }
  bool is_datetime() const { return id_ >= TypeId::kDate && id_ <= TypeId::kTimestampNtz; }
  bool is_ansi_interval() const { return id_ == TypeId::kYearMonthInterval || id_ == TypeId::kDayTimeInterval; }
  bool is_nested() const { return id_ == TypeId::kArray || id_ == TypeId::kMap || id_ == TypeId::kStruct; }
  bool is_orderable() const;  // Spark's RowOrdering.isOrderable: no map, variant, calendar interval inside

  bool operator==(const DataType& o) const;                 // everything, including nullability and field metadata
  bool operator!=(const DataType& o) const { return !(*this == o); }
  bool same_type(const DataType& o) const;                  // ignoring nullability and metadata (Spark's sameType)
  bool structurally_equal(const DataType& o) const;         // ignoring field names too

  std::string catalog_string() const;   // "struct<a:int,b:array<string>>" (Spark's catalogString)
  std::string simple_string() const;    // as catalog_string, structs of more than 25 fields cut
  std::string sql() const;              // "STRUCT<a: INT, b: ARRAY<STRING>>" (Spark's DataType.sql), as error messages quote it
  std::string json() const;             // Spark's schema JSON
  std::string tree_string(int level = -1) const;  // of a struct: the text of df.printSchema()
  std::string ddl() const;              // of a struct: "a INT,b STRING NOT NULL" (StructType.toDDL)

  // From Spark's schema JSON; throws SparkError (INVALID_JSON_DATA_TYPE).
  static DataType from_json(std::string_view json);
  void to_proto(spark::connect::DataType* out) const;
  static DataType from_proto(const spark::connect::DataType& in);

 private:
  struct Detail;
  TypeId id_ = TypeId::kNull;
  int a_ = 0, b_ = 0;
  std::shared_ptr<const Detail> detail_;
};

StructField make_field(std::string name, DataType type, bool nullable = true, std::string metadata = {});

// Decimal a type of integer (or a literal) turns into when it meets a decimal: byte (3,0), short (5,0), int (10,0), long (20,0),
// float (14,7), double (30,15). Source: DecimalType.forType.
DataType decimal_for(TypeId integral);
// Spark's DecimalType.adjustPrecisionScale: keeps at least 6 digits of scale when precision passes 38.
DataType adjust_decimal(int precision, int scale);
// Spark's DecimalType.bounded: min(precision, 38), min(scale, 38).
DataType bounded_decimal(int precision, int scale);

}  // namespace tarn::plan
