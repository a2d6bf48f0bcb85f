#pragma once
// A typed plan as DuckDB SQL. The text is readable (it is part of EXPLAIN); data never goes through it.
//
// Attribute 7 is the column c7 wherever it is visible, so nothing is ever qualified and a correlated reference needs no renaming.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "plan/logical_plan.h"

namespace tarn::plan {
class SessionConf;
}

namespace tarn::engine {

class Database;

namespace python_functions {
struct Runtime;
}

namespace lowering {

// The name of an attribute's column.
std::string column_name(plan::ExprId id);

struct Context {
  const plan::SessionConf& conf;
  Database& database;
  int64_t now_micros = 0;             // current_timestamp() of the query
  std::string user, current_catalog, current_path;
  std::vector<std::string> current_namespace;
  // The DuckDB table that holds cached data, as SQL; its columns are c0, c1 … in the order of the Cached node's output.
  std::function<std::string(const std::string& handle)> cached_table = {};
  // The DuckDB relation of a df.observe() node whose rows were computed beforehand; empty: pass the child through.
  std::function<std::string(const plan::CollectMetrics& node)> observed_table = {};
  // Where Python functions run; null: they are refused.
  std::shared_ptr<python_functions::Runtime> python = nullptr;
};

struct LoweredQuery {
  // One SELECT (maybe with a WITH list). Its columns are those of the plan's output, in order, named c<id>; a plan without
  // columns has one NULL column.
  std::string sql;
  // Must live until the query has ended.
  std::vector<std::shared_ptr<const void>> handles;
};

// Throws SparkError for what cannot be executed.
LoweredQuery lower(const plan::PlanPtr& plan, const Context& context);
// An expression without columns as a SELECT of one value.
LoweredQuery lower_constant(const plan::ExprPtr& expression, const Context& context);
// The expression over columns that are visible as c<id>.
// handles: receives what must live until the text has run (of subqueries); without it a subquery is refused.
std::string lower_expression(const plan::ExprPtr& expression, const Context& context,
                             std::vector<std::shared_ptr<const void>>* handles = nullptr);

}  // namespace lowering
}  // namespace tarn::engine
