#pragma once
// Creating Delta tables and writing queries to them: append, overwrite (all, by predicate, by partition), schema evolution.
// Source: WriteIntoDelta, CreateDeltaTableCommand and ImplicitMetadataOperation of Delta on Spark.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "delta/actions.h"
#include "engine/delta_files.h"
#include "plan/logical_plan.h"
#include "plan/types.h"

namespace duckdb {
class Connection;
}
namespace tarn::delta {
class Snapshot;
class Table;
class Transaction;
struct Operation;
}
namespace tarn::engine {

// A Spark SQL expression that the table demands of its rows, for the caller to analyze and lower.
struct TableRule {
  enum class Kind { kCheck, kInvariant, kGenerated } kind = Kind::kCheck;
  std::string name;        // of a CHECK constraint or of the generated column
  std::string expression;  // Spark SQL over the table's columns
};
// Lowers a rule to DuckDB SQL over the table's columns by name (quoted identifiers), of type BOOLEAN, or of the column's type for kGenerated.
using RuleLowering = std::function<std::string(const TableRule&, const plan::DataType& table_schema)>;

// Rules of a table; without them being lowered its rows cannot be written.
std::vector<TableRule> table_rules(const delta::Metadata& metadata);
// NOT NULL columns, CHECK constraints, invariants and generated columns as checks of rows. Throws DELTA_UNSUPPORTED_FEATURES_FOR_WRITE naming
// the feature if there are rules and no lowering.
std::vector<RowCheck> row_checks(const delta::Metadata& metadata, const RuleLowering& lower);

// A query of the table's columns with its generated columns computed anew, but for those named in `given`. extra: columns of the query after
// the table's, passed through.
std::string with_generated_columns(const std::string& query, const delta::Metadata& metadata, const RuleLowering& lower, const std::set<std::string>& given,
                                   const std::vector<std::string>& extra = {});

struct DeltaWriteRequest {
  std::string path;
  std::string query;                       // DuckDB SQL; its columns are schema's, in order, with the types of ARCHITECTURE.md
  plan::DataType schema;                   // struct; columns are matched with the table's by name
  plan::SaveMode mode = plan::SaveMode::kErrorIfExists;
  std::optional<std::vector<std::string>> partition_by;  // if given it must be the table's
  std::vector<std::string> cluster_by;
  std::map<std::string, std::string> properties;         // of a table that is created or replaced: TBLPROPERTIES
  std::string name, comment;               // of a table that is created through the catalog; may be empty
  bool merge_schema = false;               // new columns are added to the table
  bool overwrite_schema = false;           // with kOverwrite: the table gets this schema and partitioning
  bool keep_nullability = false;           // of `schema` in a created table (DDL says NOT NULL; DataFrames do not)
  bool dynamic_partition_overwrite = false;
  // With kOverwrite: only rows that meet the condition are replaced; all new rows must meet it. The Spark text, and DuckDB SQL over the
  // table's columns by name.
  std::optional<std::string> replace_where, replace_where_sql;
  std::optional<std::string> user_metadata;
  std::optional<std::pair<std::string, int64_t>> application_version;  // txnAppId, txnVersion: a version that was written before is skipped
  bool data_change = true;                 // false: the rows are the table's own, arranged anew
  std::string operation;                   // empty: "WRITE"; else "CREATE TABLE AS SELECT", "REPLACE TABLE AS SELECT", …
  bool is_managed = false;
  RuleLowering lower;                      // may be empty for tables without rules
};

struct DeltaWriteResult {
  int64_t version = -1;                    // -1: nothing was written (kIgnore, or an application version seen before)
  int64_t rows = 0, files = 0, bytes = 0;
};

// Throws SparkError (DELTA_METADATA_MISMATCH.*, DELTA_FAILED_TO_MERGE_FIELDS, DELTA_PATH_EXISTS, constraint and conflict conditions …) or
// duckdb::Exception of the query. Whatever is thrown, the table is as it was.
DeltaWriteResult write_delta(const DeltaWriteRequest& request, duckdb::Connection& connection);

struct DeltaCreateRequest {
  std::string path;
  plan::DataType schema;                   // struct; nullability and field metadata are kept
  std::vector<std::string> partition_by, cluster_by;
  std::map<std::string, std::string> properties;
  std::string name, comment;
  bool is_managed = false;
  bool replace = false;                    // CREATE OR REPLACE / REPLACE of an existing table: its files are removed
  bool or_replace = false;                 // only for the operation's name
};
// CREATE TABLE. If a table is there already and !replace: its schema, partitioning and properties must fit what is asked for
// (DELTA_CREATE_TABLE_SCHEME_MISMATCH …) and nothing is written. An empty schema with an existing table adopts it. Returns the version.
int64_t create_delta(const DeltaCreateRequest& request);

// ALTER TABLE and the like: commits changed metadata. `change` gets the current metadata. Returns the version.
int64_t update_delta_metadata(const std::string& path, const std::string& operation, const std::vector<std::pair<std::string, std::string>>& parameters,
                              const std::function<void(delta::Metadata&)>& change);

// The table's schema with what the data adds: new columns, also in structs, and wider types where the table allows widening. Throws
// DELTA_FAILED_TO_MERGE_FIELDS for types that do not fit. add_columns = false: extra columns of the data throw SCHEMA_MISMATCH.
plan::DataType merge_delta_schema(const plan::DataType& table, const plan::DataType& data, bool add_columns, const std::string& table_id);

}  // namespace tarn::engine
