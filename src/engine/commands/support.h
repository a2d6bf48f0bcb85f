#pragma once
// Inside the room: names, values and answers that the handlers share.
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catalog/catalog.h"
#include "engine/commands/commands.h"
#include "plan/analyzer.h"

namespace tarn::sql {
class Name;
class PartitionSpec;
class Property;
class QueryText;
}  // namespace tarn::sql
namespace google::protobuf {
template <class T> class RepeatedPtrField;
}

namespace tarn::engine::commands {

// ---- answers
plan::Value text(std::string value);
plan::Value optional_text(const std::optional<std::string>& value);
plan::Value boolean(bool value);
plan::Value integer(int64_t value);
inline plan::Value null_value() { return {}; }

struct Column {
  const char* name;
  plan::DataType type = plan::TypeId::kString;
  bool nullable = false;
};
plan::DataType columns(std::initializer_list<Column> list);
CommandResult answer(std::initializer_list<Column> list, std::vector<Row> rows = {});

// ---- names
struct TableName {
  std::string catalog, schema, name;
  std::vector<std::string> parts() const { return {catalog, schema, name}; }
  std::string quoted() const { return quote_identifier(parts()); }
};
// The parts of a name; IDENTIFIER(expression) is evaluated.
std::vector<std::string> name_parts(const sql::Name& name, CommandHost& host);
// Qualifies with the current catalog and schema. Throws REQUIRES_SINGLE_PART_NAMESPACE.
TableName qualify(const std::vector<std::string>& parts, CommandHost& host);
TableName qualify(const sql::Name& name, CommandHost& host);
// A namespace: catalog and schema. No parts: the current ones.
std::pair<std::string, std::string> qualify_schema(const std::vector<std::string>& parts, CommandHost& host);
std::string current_catalog(CommandHost& host);
std::vector<std::string> current_namespace(CommandHost& host);
std::string current_schema(CommandHost& host);
bool is_catalog(std::string_view name, CommandHost& host);

// The key of a temporary view if these parts name one that exists: {false, "v"} local, {true, "v"} global (global_temp.v).
struct TempName {
  bool global = false;
  std::string key;
};
std::optional<TempName> find_temp_view(const std::vector<std::string>& parts, CommandHost& host);
plan::TempView get_temp_view(const TempName& name, CommandHost& host);
// Name parts that must mean a temporary view by their form: global_temp.v, session.v, system.session.v.
std::optional<TempName> temp_name_form(const std::vector<std::string>& parts, CommandHost& host);

[[noreturn]] void throw_table_not_found(const std::vector<std::string>& parts, CommandHost& host);
std::optional<catalog::TableInfo> find_table(const std::vector<std::string>& parts, CommandHost& host);
// A table or persistent view. TABLE_OR_VIEW_NOT_FOUND.
catalog::TableInfo require_relation(const std::vector<std::string>& parts, CommandHost& host);
// A table; temporary and persistent views are EXPECT_TABLE_NOT_VIEW for this operation ("ALTER TABLE … ADD COLUMNS").
catalog::TableInfo require_table(const std::vector<std::string>& parts, CommandHost& host, const std::string& operation,
                                 bool suggest_alter_view = false);
// A persistent view; tables are EXPECT_VIEW_NOT_TABLE.
catalog::TableInfo require_view(const std::vector<std::string>& parts, CommandHost& host, const std::string& operation);

// ---- values and queries
plan::Value evaluate(const plan::ExprPtr& constant, CommandHost& host);
// A plan over a table, view or temporary view by name.
plan::PlanPtr plan_of_name(const std::vector<std::string>& parts, CommandHost& host);
// Spark's text of a value as in CAST(value AS STRING); nullopt for NULL.
std::optional<std::string> value_text(const plan::Value& value, const plan::DataType& type, CommandHost& host);

// ---- small things
// The schema of a table: Delta's from its log, others' from the catalog.
plan::DataType table_schema(const catalog::TableInfo& table, CommandHost& host);
std::string field_comment(const plan::StructField& field);                      // empty if there is none
std::optional<std::string> field_metadata(const plan::StructField& field, const char* key);
std::string with_metadata(const std::string& metadata, const char* key, const std::optional<std::string>& value);
bool same_name(std::string_view a, std::string_view b, CommandHost& host);      // by the session's case sensitivity
catalog::Properties properties_of(const google::protobuf::RepeatedPtrField<sql::Property>& list);
catalog::Pairs pairs_of(const google::protobuf::RepeatedPtrField<sql::Property>& list);
// Values whose key tells of a secret or that look like a URL with one: "*********(redacted)".
std::string redact(const std::string& key, const std::string& value);
// `name` if it needs quotes, else name.
std::string quote_if_needed(const std::string& part);
std::string quote_if_needed(const std::vector<std::string>& parts);
std::string single_quoted(const std::string& value);   // with ' and \ escaped
std::string join(const std::vector<std::string>& parts, std::string_view separator);
// "Wed Nov 25 13:00:29 UTC 2026", as java.util.Date prints.
std::string java_date(int64_t milliseconds, CommandHost& host);
std::string now_owner(CommandHost& host);
// An absolute URI: relative paths are taken from the warehouse.
std::string make_location(const std::string& path, CommandHost& host);
// spark.sql.* settings that a view or function keeps from its creation.
catalog::Properties captured_configs(CommandHost& host);
// The path that was SET, as a view or function keeps it under plan::kStoredPath.
std::optional<std::string> captured_path(CommandHost& host);

}  // namespace tarn::engine::commands
