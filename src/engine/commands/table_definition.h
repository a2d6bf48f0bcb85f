#pragma once
// Inside the room: from the words of CREATE TABLE to a checked catalog entry.
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "engine/commands/commands.h"
#include "plan/types.h"

namespace tarn::plan {
class PythonPlanner;
}
namespace tarn::sql {
class ColumnDef;
class CreateTable;
}  // namespace tarn::sql
namespace google::protobuf {
template <class T> class RepeatedPtrField;
}

namespace tarn::engine::commands {

// A column with what CREATE TABLE and ADD COLUMN hang on it (comment, default, generation, identity) in its metadata.
// statement: as INVALID_DEFAULT_VALUE names it ("CREATE TABLE").
plan::StructField field_of(const sql::ColumnDef& column, const std::string& statement, const std::string& provider, CommandHost& host);
// The text of a literal default after folding, for rows that lack the column (EXISTS_DEFAULT).
std::string folded_default(const sql::ColumnDef& column, const plan::DataType& type, const std::string& statement, CommandHost& host);

// COLUMN_ALREADY_EXISTS
void check_duplicate_columns(const std::vector<std::string>& names, CommandHost& host);
// Partition, bucket and sort columns: they exist (spelt as in the schema afterwards), not twice, of a type that can be one.
// Partition columns go to the end of the schema unless the format is Delta.
void normalize_layout(catalog::TableInfo& info, plan::DataType& schema, CommandHost& host);
// Resolves a provider's name: short lower-case name. DATA_SOURCE_NOT_FOUND for one that no table can have.
std::string table_provider(const std::string& name, CommandHost& host);
// The sources that are written in Python if the provider is one of them, else null.
plan::PythonPlanner* python_source(const std::string& provider, CommandHost& host);
plan::DataType as_nullable(const plan::DataType& type);
SparkError unsupported_operation(const std::vector<std::string>& table, const std::string& operation);

}  // namespace tarn::engine::commands
