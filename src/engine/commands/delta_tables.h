#pragma once
// Inside the room: what statements do to Delta tables, in terms of engine/delta_write.h and engine/delta_dml.h. The log is the truth;
// the catalog entry is refreshed from it.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "catalog/catalog.h"
#include "engine/commands/commands.h"
#include "plan/analyzer.h"

namespace tarn::sql {
class Statement;
class AlterTable;
}  // namespace tarn::sql

namespace tarn::engine::commands {

enum class CreateMode : uint8_t { kCreate, kReplace, kCreateOrReplace };

// Writes version 0 (or the replacing version) of the table at info.location: schema, partitioning, clustering and properties from
// `info`, rows from `query` (may be null). operation: as the history names it is derived from mode and query. If the location already
// holds a table, kCreate adopts it: a given schema must equal its own.
void delta_create(catalog::TableInfo& info, CreateMode mode, const plan::PlanPtr& query, CommandHost& host);

struct DeltaWriteOptions {
  plan::SaveMode mode = plan::SaveMode::kAppend;
  catalog::Pairs options;                                // mergeSchema, overwriteSchema, replaceWhere, partitionOverwriteMode …
  std::vector<std::string> partition_by;                 // only checked for an existing table
  std::vector<std::string> cluster_by;
  std::vector<std::pair<std::string, std::string>> static_partition;
  bool by_name = true;                                   // DataFrame writes match columns by name, INSERT by position
};
// Appends to or overwrites the table at this location; creates it if there is none (path writes).
void delta_write(const std::string& location, const std::string& table_name, const plan::PlanPtr& query, const DeltaWriteOptions& options,
                 CommandHost& host);

void delta_set_comment(const catalog::TableInfo& table, const std::optional<std::string>& comment, CommandHost& host);
CommandResult delta_alter(const catalog::TableInfo& table, const sql::AlterTable& alter, CommandHost& host);
CommandResult delta_truncate(const catalog::TableInfo& table, CommandHost& host);
// The target: a Scan of the table (maybe under Projects); location of its log.
CommandResult delta_delete(const std::string& location, const plan::DeleteCommand& command, CommandHost& host);
CommandResult delta_update(const std::string& location, const plan::UpdateCommand& command, CommandHost& host);
CommandResult delta_merge(const std::string& location, const plan::MergeCommand& command, CommandHost& host);
// The catalog's picture of a Delta table as its log has it now: schema, partitioning, properties.
void refresh_from_log(catalog::TableInfo& info, CommandHost& host);

}  // namespace tarn::engine::commands
