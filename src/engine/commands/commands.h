#pragma once
// Execution of everything that is no plain query: SQL statements, spark.catalog.* and the DataFrame commands.
// Source: org.apache.spark.sql.execution.command, execution.datasources.v2, SparkConnectPlanner.
#include <memory>
#include <string>
#include <vector>

#include "plan/logical_plan.h"
#include "plan/types.h"
#include "plan/value.h"

namespace duckdb {
class Connection;
}
namespace spark::connect {
class Catalog;
class Command;
class Relation;
}  // namespace spark::connect
namespace tarn::plan {
struct AnalyzerContext;
class SessionConf;
}  // namespace tarn::plan
namespace tarn::sql {
class Statement;
}

namespace tarn::engine {
struct StorageLevel;
}

namespace tarn::engine::commands {

using Row = std::vector<plan::Value>;

// The answer of a command. Either rows of `schema` (struct<> and no rows for DDL), or a query that stands for the answer
// (EXECUTE IMMEDIATE 'SELECT …', the last query of a script), to be executed once by the caller.
struct CommandResult {
  plan::DataType schema = plan::DataType::structure({});
  std::vector<Row> rows;
  plan::PlanPtr query;
};

// A query as DuckDB SQL; its columns are the plan's output, in order. handles must live until it has run.
struct LoweredSql {
  std::string sql;
  std::vector<std::shared_ptr<const void>> handles;
};

// What commands ask of the engine. One per operation; used by one thread. Implemented beside Session.
class CommandHost {
 public:
  virtual ~CommandHost() = default;
  virtual plan::AnalyzerContext& analyzer() = 0;   // conf, state, global views, catalog, sources, user
  virtual plan::SessionConf& conf() = 0;           // the same configuration, changeable (SET)
  virtual duckdb::Connection& connection() = 0;    // of this operation
  virtual bool cancelled() = 0;
  virtual std::string session_id() = 0;

  virtual LoweredSql lower(const plan::PlanPtr& plan) = 0;
  // DuckDB SQL of an expression over columns that are visible as c<id>.
  virtual std::string lower_expression(const plan::ExprPtr& expression) = 0;
  // Runs a plan and returns all its rows. For small answers: SET VAR, scripts, partition lists, statistics. Throws SparkError.
  virtual std::vector<Row> collect(const plan::PlanPtr& plan) = 0;
  // EXPLAIN's text. mode: simple, extended, codegen, cost, formatted.
  virtual std::string explain(const plan::PlanPtr& plan, const std::string& mode) = 0;

  // Data that is kept, known by the plan that makes it (as DataFrame.persist). Not lazy: now; if that fails nothing is kept.
  virtual void cache(const plan::PlanPtr& plan, const StorageLevel& level, bool lazy) = 0;
  virtual bool uncache(const plan::PlanPtr& plan, bool cascade) = 0;  // cascade: also what was made of it. False if it was not cached
  virtual bool is_cached(const plan::PlanPtr& plan) = 0;
  virtual void clear_cache() = 0;
  // A table's data has changed or gone: cached plans that read this location are dropped (uncached = true) or made anew on next use.
  virtual void invalidate(const std::string& location, bool uncached) = 0;
};

// A statement of the SQL language (Command.extension).
CommandResult execute_statement(const sql::Statement& statement, CommandHost& host);
// spark.catalog.*: Relation.catalog.
CommandResult execute_catalog(const spark::connect::Catalog& request, CommandHost& host);
plan::DataType catalog_schema(const spark::connect::Catalog& request);
// The DataFrame commands: create_dataframe_view, write_operation, write_operation_v2, merge_into_table_command, and extension
// (tarn.sql.Statement). False from handles_command: another room's command.
bool handles_command(const spark::connect::Command& command);
CommandResult execute_command(const spark::connect::Command& command, CommandHost& host);

}  // namespace tarn::engine::commands
