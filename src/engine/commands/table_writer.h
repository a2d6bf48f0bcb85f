#pragma once
// The one place that decides how the rows of a query get into a table or a path. Source: DataFrameWriter, InsertIntoHadoopFsRelationCommand,
// CreateDataSourceTableAsSelectCommand, DeltaDataSource.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "catalog/catalog.h"
#include "engine/commands/commands.h"
#include "plan/logical_plan.h"

namespace tarn::engine::commands {

struct TableWrite {
  plan::SaveMode mode = plan::SaveMode::kAppend;   // kAppend or kOverwrite for an existing table
  bool by_name = false;
  catalog::Pairs options;
  // PARTITION (k = 'v') of INSERT; the query already has all columns of the table.
  std::vector<std::pair<std::string, std::string>> static_partition;
};

// Rows of `query` (already resolved to the table's columns, in order, unless the table is Delta and may evolve) into a table of the
// catalog. Updates the catalog's partitions and the caches.
void write_to_table(const catalog::TableInfo& table, const plan::PlanPtr& query, const TableWrite& write, CommandHost& host);

// df.write.format(f).save(path), INSERT OVERWRITE DIRECTORY. `table`: a table name for messages, empty for paths.
void write_to_path(const plan::WriteFilesCommand& command, CommandHost& host);

// CREATE TABLE … AS SELECT and saveAsTable of a table that does not exist: writes the rows, then makes the catalog entry; a failure
// leaves neither. info: normalized, its schema is taken from the query.
void create_from_query(catalog::TableInfo info, plan::PlanPtr query, CommandHost& host);

// saveAsTable.
struct SaveAsTable {
  std::vector<std::string> name;
  std::string format;                 // empty: the session's default
  plan::SaveMode mode = plan::SaveMode::kErrorIfExists;
  catalog::Pairs options;
  std::vector<std::string> partition_by, cluster_by;
  std::optional<catalog::BucketSpec> bucket;
};
void save_as_table(const SaveAsTable& save, plan::PlanPtr query, CommandHost& host);

// The query cast to the columns of the table (Spark's TableOutputResolver), static partition values filled in.
plan::PlanPtr resolve_for_table(const catalog::TableInfo& table, const plan::DataType& schema, plan::PlanPtr query, bool by_name,
                                CommandHost& host);
// UNSUPPORTED_OVERWRITE / cannot overwrite a table that is also being read from.
void check_not_read(const plan::LogicalPlan& query, const catalog::TableInfo& table);

}  // namespace tarn::engine::commands
