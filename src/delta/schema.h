#pragma once
// A table's schema as Delta stores it (Spark's schema JSON), with what Delta hangs on its fields: physical names, ids, invariants,
// generation expressions. Type names stay text ("long", "decimal(10,2)"): typing is the business of rooms above.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "delta/actions.h"

namespace tarn::delta {

struct Field;

struct Type {
  enum class Kind { kPrimitive, kStruct, kArray, kMap };
  Kind kind = Kind::kPrimitive;
  std::string name;            // of a primitive: "long", "decimal(10,2)", "timestamp_ntz", "variant", "void", "string", "string collate …"
  std::vector<Field> fields;   // of a struct
  std::shared_ptr<Type> element, key, value;
  bool contains_null = true;   // of an array's elements or a map's values
  // True if a primitive of this name is in the type, at any depth below arrays and maps but not inside structs (their fields tell for themselves).
  bool contains(std::string_view primitive) const;
};

struct Field {
  std::string name;
  Type type;
  bool nullable = true;
  std::string metadata = "{}";  // JSON object text

  bool has_metadata(std::string_view key) const;
  // A string value of the metadata (JSON text of other values).
  std::optional<std::string> metadata_value(std::string_view key) const;
  // The name in Parquet files and statistics: delta.columnMapping.physicalName where there is one.
  std::string physical_name() const { return physical_name_ ? *physical_name_ : name; }
  std::optional<int64_t> column_id() const { return column_id_; }

  std::optional<std::string> physical_name_;
  std::optional<int64_t> column_id_;
};

struct Schema {
  std::vector<Field> fields;
  const Field* find(std::string_view name) const;  // case-insensitively, as Spark resolves
  // Every field at every depth, parents first; path = names from the root (array and map steps as "element", "key", "value").
  void for_each_field(const std::function<void(const Field&, const std::vector<std::string>&)>& visit) const;
};

// Throws SparkError (internal) if the text is no struct type.
Schema parse_schema(std::string_view json);
std::string to_json(const Schema& schema);

enum class ColumnMapping { kNone, kName, kId };
ColumnMapping column_mapping(const Metadata& metadata);
// Gives every field that lacks them an id and a physical name ("col-UUID", or its own name if keep_names: a table that switches mapping on),
// and sets delta.columnMapping.maxColumnId. For a new table or new columns of one that has mapping on.
void assign_column_mapping(Metadata& metadata, bool keep_names);

// Conditions that every written row must meet. A writer that cannot evaluate them must refuse to write.
struct Constraint {
  std::string name;        // of a CHECK constraint; empty for invariants
  std::string expression;  // Spark SQL
};
std::vector<Constraint> constraints(const Metadata& metadata, const Schema& schema);
// Columns that must not be NULL, also nested ("a.b"); elements of arrays are not checked (as in Spark).
std::vector<std::vector<std::string>> not_null_columns(const Schema& schema);
struct GeneratedColumn {
  std::string column, expression;
};
std::vector<GeneratedColumn> generated_columns(const Schema& schema);
bool has_identity_columns(const Schema& schema);

// Checks of a schema that is to be stored: duplicate names (DELTA_DUPLICATE_COLUMNS_FOUND), characters that Parquet refuses without column
// mapping (DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES), partition columns that exist (DELTA_PARTITION_COLUMN_NOT_FOUND), are not all the columns
// (DELTA_CANNOT_USE_ALL_COLUMNS_FOR_PARTITION) and are atomic (DELTA_INVALID_PARTITION_COLUMN_TYPE).
void check_schema(const Metadata& metadata);

}  // namespace tarn::delta
