#pragma once
// DELETE, UPDATE and MERGE on Delta tables. Source: DeleteCommand, UpdateCommand, MergeIntoCommand of Delta on Spark.
//
// The caller has analyzed and lowered everything to DuckDB SQL; here the files that hold touched rows are found, written anew (or given a
// deletion vector, where the table has them switched on), and committed. All names of columns in the SQL are the caller's: target columns
// by DmlTarget::columns, source columns as the source query calls them; they must be different.
//
// How the engine uses it, for `DELETE FROM t WHERE x > 1`:
//   auto relation = delta_relation_of(delta::Table::at(path)->snapshot());   // the Scan that the condition was analyzed over
//   DmlTarget target{relation->snapshot(), {"c1", "c2"}, lower_rule};          // attribute ids of the Scan's output, all columns of the schema
//   delete_rows(target, lower(condition), expression_sql(condition), connection);
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/delta_write.h"

namespace tarn::engine {

struct DmlTarget {
  std::shared_ptr<const delta::Snapshot> snapshot;  // what was read; the commit is checked against everything after it
  std::vector<std::string> columns;                 // SQL name of each column of the schema, in order
  RuleLowering lower;                               // for constraints and generated columns; may be empty for tables without
};

struct DmlResult {
  int64_t affected = 0;                             // num_affected_rows
  int64_t updated = 0, deleted = 0, inserted = 0;   // of MERGE
  int64_t version = -1;                             // -1: nothing matched, nothing was committed
};

// condition: DuckDB SQL over the target's columns, empty = all rows. shown: the condition in Spark's text, for the history.
DmlResult delete_rows(const DmlTarget& target, const std::string& condition, const std::string& shown, duckdb::Connection& connection);

// values: per column of the schema its new value in SQL over the target's columns, of the column's type; nothing = unchanged.
DmlResult update_rows(const DmlTarget& target, const std::string& condition, const std::string& shown, const std::vector<std::optional<std::string>>& values,
                      duckdb::Connection& connection);

struct MergeClause {
  enum class Kind { kUpdate, kDelete, kInsert } kind = Kind::kUpdate;
  std::string condition;                            // SQL; empty = always
  std::string shown;                                // in Spark's text, may be empty
  // For kUpdate and kInsert, per column of the schema: SQL of its type; nothing = unchanged (kUpdate) or NULL (kInsert).
  std::vector<std::optional<std::string>> values;
};
struct MergeSource {
  std::string query;                                // SELECT …; evaluated once
  std::vector<std::string> columns;                 // its columns' names, in order
};
// matched: over target and source columns; not_matched: over source columns; not_matched_by_source: over target columns. Of each list the first
// clause whose condition is true acts. Throws DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE.
// With schema evolution: evolved is the new table schema; values then have one entry per column of that schema.
DmlResult merge_rows(const DmlTarget& target, const MergeSource& source, const std::string& condition, const std::string& shown,
                     const std::vector<MergeClause>& matched, const std::vector<MergeClause>& not_matched,
                     const std::vector<MergeClause>& not_matched_by_source, duckdb::Connection& connection,
                     const std::optional<plan::DataType>& evolved = std::nullopt);

}  // namespace tarn::engine
