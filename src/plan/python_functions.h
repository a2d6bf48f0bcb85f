#pragma once
// What the analyzer and the Python side of the engine say to each other about table functions.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plan/logical_plan.h"

namespace tarn::plan {

// Whether it is a table function: PythonEvalType 300 to 302.
inline bool is_python_table(const UserFunction& f) { return f.eval_type >= 300; }
// Whether its class says by analyze() what the rows of a call are.
inline bool is_polymorphic(const UserFunction& f) { return is_python_table(f) && f.type.id() != TypeId::kStruct; }

// pyspark.sql.udtf.AnalyzeArgument.
struct TableFunctionArgument {
  DataType type;
  std::optional<Value> constant;   // of a foldable argument
  bool table = false;
  std::string name;                // of a named argument, else empty
};

// pyspark.sql.udtf.AnalyzeResult. Expressions are SQL text over the columns of the TABLE argument.
struct TableFunctionAnalysis {
  struct Order {
    std::string sql;
    bool ascending = true;
    std::optional<bool> nulls_first;
  };
  struct Selected {
    std::string sql, alias;        // alias: may be empty
  };
  DataType schema;
  bool single_partition = false;
  std::vector<std::string> partition_by;
  std::vector<Order> order_by;
  std::vector<Selected> select;
  std::string pickled;             // the whole object, for the function's constructor
};

// A call of a table function in a plan.
struct TableFunctionCall : UserFunction {
  std::vector<size_t> table_arguments;   // which children are rows of a TABLE argument
  std::vector<int> partition_columns;    // fields of the first TABLE argument behind its own: a change of their values starts a new instance
  std::string analyze_result;            // pickled, of the class's analyze(); empty: it has none
  explicit TableFunctionCall(const UserFunction& f) : UserFunction(f) {}
};

// A PythonMap whose function may wait for the others of its stage (mapInPandas(…, barrier=True)).
struct BarrierMap : PythonMap {
  std::shared_ptr<LogicalPlan> clone() const override { return std::make_shared<BarrierMap>(*this); }
};

// transformWithState: groups through a stateful processor. With an initial state: the second child, its grouping the second list.
struct StatefulMap : PythonMap {
  std::string time_mode;              // "none", "processingtime", "eventtime"
  std::shared_ptr<LogicalPlan> clone() const override { return std::make_shared<StatefulMap>(*this); }
};

// What a resolver of sources can do too: run methods of users' Python classes while a query is analyzed.
class PythonPlanner {
 public:
  virtual ~PythonPlanner() = default;
  // What the analyze() method of a table function says about a call. Throws TABLE_VALUED_FUNCTION_FAILED_TO_ANALYZE_IN_PYTHON.
  virtual TableFunctionAnalysis analyze_table_function(const UserFunction& f, const std::vector<TableFunctionArgument>& arguments) = 0;
  // The rows of a data source that the session has registered under this name; null: there is none. Throws PYTHON_DATA_SOURCE_ERROR.
  virtual PlanPtr read_source(const std::string& format, const std::vector<std::string>& paths, const std::vector<std::pair<std::string, std::string>>& options,
                              const std::optional<DataType>& schema) = 0;
  // Whether the session has registered a data source under this name.
  virtual bool has_source(const std::string& format) const = 0;
  // Appends the rows of a query to such a source, or puts them in place of what it holds. run: all rows of a plan.
  // Throws PYTHON_DATA_SOURCE_ERROR.
  virtual void write_source(const std::string& format, const std::vector<std::pair<std::string, std::string>>& options, bool overwrite, const PlanPtr& query,
                            const std::function<std::vector<std::vector<Value>>(const PlanPtr&)>& run) = 0;
};
// Null: there is no Python behind these sources.
inline PythonPlanner* python_planner(SourceResolver& sources) { return dynamic_cast<PythonPlanner*>(&sources); }

}  // namespace tarn::plan
