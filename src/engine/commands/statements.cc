// The table of statements: kind of message -> handler.
#include <array>

#include "engine/commands/handlers.h"
#include "engine/commands/support.h"
#include "sql/parser.h"
#include "tarn/sql.pb.h"

namespace tarn::engine::commands {

namespace {

using Kind = sql::Statement::KindCase;

struct Entry {
  Kind kind;
  Handler handler;      // nullptr: refused by name
  const char* refused = nullptr;
};

constexpr Entry kEntries[] = {
    {Kind::kUseNamespace, use_namespace},
    {Kind::kSetCatalog, set_catalog},
    {Kind::kCreateNamespace, create_namespace},
    {Kind::kAlterNamespace, alter_namespace},
    {Kind::kDropNamespace, drop_namespace},
    {Kind::kShowNamespaces, show_namespaces},
    {Kind::kShowCatalogs, show_catalogs},
    {Kind::kShowCurrentNamespace, show_current_namespace},
    {Kind::kDescribeNamespace, describe_namespace},
    {Kind::kCommentOn, comment_on},
    {Kind::kCreateTable, create_table},
    {Kind::kCreateTableLike, create_table_like},
    {Kind::kDropTable, drop_table},
    {Kind::kTruncateTable, truncate_table},
    {Kind::kAlterTable, alter_table},
    {Kind::kRepairTable, repair_table},
    {Kind::kShowPartitions, show_partitions},
    {Kind::kShowTables, show_tables},
    {Kind::kShowViews, show_views},
    {Kind::kShowTableProperties, show_table_properties},
    {Kind::kShowColumns, show_columns},
    {Kind::kShowCreateTable, show_create_table},
    {Kind::kDescribeRelation, describe_relation},
    {Kind::kDescribeQuery, describe_query},
    {Kind::kCreateView, create_view},
    {Kind::kCreateTempViewUsing, create_temp_view_using},
    {Kind::kAlterView, alter_view},
    {Kind::kDropView, drop_view},
    {Kind::kCreateFunction, create_function},
    {Kind::kCreateSqlFunction, create_sql_function},
    {Kind::kDropFunction, drop_function},
    {Kind::kShowFunctions, show_functions},
    {Kind::kDescribeFunction, describe_function},
    {Kind::kRefreshFunction, refresh_function},
    {Kind::kShowCollations, show_collations},
    {Kind::kShowProcedures, show_procedures},
    {Kind::kSetConfig, set_config},
    {Kind::kResetConfig, reset_config},
    {Kind::kSetTimeZone, set_time_zone},
    {Kind::kExplain, explain},
    {Kind::kManageResource, manage_resource},
    {Kind::kRefreshTable, refresh_table},
    {Kind::kRefreshPath, refresh_path},
    {Kind::kCacheTable, cache_table},
    {Kind::kUncacheTable, uncache_table},
    {Kind::kClearCache, clear_cache},
    {Kind::kDeclareVariable, declare_variable},
    {Kind::kSetVariable, set_variable},
    {Kind::kDropVariable, drop_variable},
    {Kind::kExecuteImmediate, execute_immediate},
    {Kind::kInsert, insert},
    {Kind::kMultiInsert, multi_insert},
    {Kind::kInsertDirectory, insert_directory},
    {Kind::kDelete, delete_rows},
    {Kind::kUpdate, update_rows},
    {Kind::kMerge, merge_rows},
    {Kind::kAnalyzeTable, analyze_table},
    {Kind::kDescribeHistory, describe_history},
    {Kind::kDescribeDetail, describe_detail},
    {Kind::kOptimize, optimize},
    {Kind::kVacuum, vacuum},
    {Kind::kRestore, restore},
    {Kind::kCompound, run_script},
    {Kind::kSetPath, set_path},
    {Kind::kLoadData, nullptr, "LOAD DATA"},
    {Kind::kCreateIndex, nullptr, "CREATE INDEX"},
    {Kind::kDropIndex, nullptr, "DROP INDEX"},
    {Kind::kCreateMetricView, nullptr, "CREATE VIEW WITH METRICS"},
    {Kind::kCall, nullptr, "CALL"},
    {Kind::kDescribeProcedure, nullptr, "DESCRIBE PROCEDURE"},
    {Kind::kCloneTable, nullptr, "CREATE TABLE CLONE"},
    {Kind::kDeclareCursor, declare_cursor},
    {Kind::kOpenCursor, open_cursor},
    {Kind::kFetchCursor, fetch_cursor},
    {Kind::kCloseCursor, close_cursor},
    {Kind::kGenerateManifest, nullptr, "GENERATE"},
    {Kind::kConvertToDelta, nullptr, "CONVERT TO DELTA"},
    {Kind::kReorgTable, nullptr, "REORG TABLE"},
    {Kind::kCreatePipelineDataset, nullptr, "CREATE STREAMING TABLE or MATERIALIZED VIEW"},
    {Kind::kCreateFlow, nullptr, "CREATE FLOW"},
};

}  // namespace

CommandResult execute_statement(const sql::Statement& statement, CommandHost& host) {
  for (auto& entry : kEntries) {
    if (entry.kind != statement.kind_case()) continue;
    if (!entry.handler) throw not_built(entry.refused);
    return entry.handler(statement, host);
  }
  throw internal_error("a statement of kind " + std::to_string(statement.kind_case()) + " has no handler");
}

}  // namespace tarn::engine::commands
