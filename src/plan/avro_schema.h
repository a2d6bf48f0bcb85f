#pragma once
// Avro schemas, and what they are in Spark. Source: the Avro 1.12 specification; SchemaConverters, AvroOptions, CustomDecimal.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plan/types.h"

namespace tarn::plan::avro {

enum class Kind : uint8_t { kNull, kBoolean, kInt, kLong, kFloat, kDouble, kBytes, kString, kRecord, kEnum, kArray, kMap, kUnion, kFixed };
enum class Logical : uint8_t {
  kNone, kDecimal, kCustomDecimal, kDate, kTimeMillis, kTimeMicros, kTimestampMillis, kTimestampMicros, kTimestampNanos, kLocalTimestampMillis, kLocalTimestampMicros,
  kLocalTimestampNanos,
};

struct Node;
struct Field {
  std::string name;
  const Node* type = nullptr;
  std::vector<std::string> aliases;
  std::optional<std::string> default_json;
};
struct Node {
  Kind kind = Kind::kNull;
  Logical logical = Logical::kNone;
  int precision = 0, scale = 0;
  std::string name, space;             // of records, enums and fixed; name without namespace
  std::vector<std::string> aliases;    // full names
  std::vector<Field> fields;
  std::vector<std::string> symbols;    // of an enum
  std::optional<std::string> default_symbol;
  std::vector<const Node*> branches;   // of a union; one: elements of an array, values of a map
  int64_t size = 0;                    // of a fixed
  std::string catalyst;                // the property by which Spark names its type

  std::string full_name() const { return space.empty() ? name : space + "." + name; }
  bool named() const { return kind == Kind::kRecord || kind == Kind::kEnum || kind == Kind::kFixed; }
  const char* type_name() const;       // "int", "record"; what a union's branch is called when it has no name
  const std::string& branch_name() const;  // Schema.getName
  std::vector<const Node*> non_null() const;  // branches that are not null
  bool nullable() const { return kind == Kind::kUnion && non_null().size() < branches.size(); }
  // As the Java library writes it: names in full once, then by reference.
  std::string json() const;
};

// Nodes may refer to themselves: they belong to the schema and live as long as it does.
class Schema {
 public:
  // SparkError for what is no schema.
  static std::shared_ptr<const Schema> parse(std::string_view json);
  // What Spark writes for a type. SparkError for types that Avro cannot hold.
  static std::shared_ptr<const Schema> of(const DataType& type, bool nullable, const std::string& record_name, const std::string& space);
  const Node& root() const { return *root_; }

 private:
  friend class Builder;
  std::vector<std::unique_ptr<Node>> nodes_;
  const Node* root_ = nullptr;
};

// Options by name, in any case.
using FindOption = std::function<std::optional<std::string>(std::string_view name)>;

struct ReadOptions {
  std::shared_ptr<const Schema> schema;  // avroSchema: what rows are read as, if not as the writer's schema
  bool positional = false, stable_union_names = false;
  std::string union_prefix = "member_";
  int recursion = -1;
  // STDS_INVALID_OPTION_VALUE.WITH_MESSAGE; avroSchemaUrl is not for every caller: it is left to them.
  static ReadOptions read(const FindOption& option);
};

struct SqlType {
  DataType type;
  bool nullable = false;
};
// SparkError ("IncompatibleSchemaException" in Spark) for recursion beyond what the options allow.
SqlType to_sql_type(const Node& node, const ReadOptions& options);

}  // namespace tarn::plan::avro
