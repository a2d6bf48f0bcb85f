#pragma once
// Name resolution and typing: spark.connect messages -> typed plans. Source: Spark's Analyzer, CheckAnalysis, SparkConnectPlanner.
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "plan/logical_plan.h"

namespace google::protobuf {
template <class T> class RepeatedPtrField;
}
namespace spark::connect {
class Relation;
class Expression;
class WriteOperation;
class WriteOperationV2;
class MergeIntoTableCommand;
}  // namespace spark::connect
namespace tarn::catalog {
class Catalog;
}

namespace tarn::plan {

class SessionConf;

struct TempView {
  PlanPtr plan;                     // analyzed; each use takes with_fresh_ids
  std::string sql_text;             // of CREATE TEMP VIEW … AS, empty for DataFrames
  std::string comment;
  std::vector<std::pair<std::string, std::string>> properties;
};

struct Variable { DataType type; Value value; std::string default_sql; };

// What a session knows besides its configuration. Thread-safe through mu: lock it for every access; no lock is held over I/O.
struct SessionState {
  mutable std::mutex mu;
  std::map<std::string, TempView> temp_views;         // key: lower-cased name. guarded by mu
  std::map<std::string, std::shared_ptr<const UserFunction>> user_functions;  // registered by name (lower case). guarded by mu
  std::map<std::string, std::string> sql_functions;   // temporary SQL functions: serialized tarn.sql.CreateFunction. guarded by mu
  std::map<std::string, Variable> variables;          // guarded by mu
  std::string current_catalog = "spark_catalog";      // guarded by mu
  std::vector<std::string> current_namespace = {"default"};  // guarded by mu
  // SET PATH; absent: DEFAULT_PATH. The entry {"current_schema"} means the schema current when it is used. guarded by mu
  std::optional<std::vector<std::vector<std::string>>> path;
};
// Global temporary views live as long as the engine; one of these is shared by all sessions.
struct GlobalViews {
  mutable std::mutex mu;
  std::map<std::string, TempView> views;              // guarded by mu
};

struct AnalyzerContext {
  const SessionConf& conf;
  SessionState& state;
  GlobalViews& global_views;
  catalog::Catalog& catalog;
  SourceResolver& sources;
  // Content of an artifact such as a cached local relation ("cache/<hash>"); throws SparkError if missing.
  std::function<std::string(const std::string& name)> artifact;
  // The plan of a cached remote relation / checkpoint.
  std::function<PlanPtr(const std::string& relation_id)> cached_relation;
  std::string user;
  int64_t now_micros = 0;           // current_timestamp() of this query
  // Variables of a running script (x, label.x), which come before those of the session. Empty outside of scripts; nullopt: no such.
  std::function<std::optional<Variable>(const std::vector<std::string>& parts)> local_variable = {};
  // The relations that subqueries in expressions of a statement itself refer to by plan_id (Statement.subqueries), may be null.
  const google::protobuf::RepeatedPtrField<spark::connect::Relation>* subqueries = nullptr;
  // Runs a query whose answer decides the shape of a plan: pivot() without a list of values. Empty where nothing may run.
  std::function<std::vector<std::vector<Value>>(const PlanPtr&)> collect = {};
  // The query of an INSERT: the word DEFAULT may stand as a value in VALUES or a SELECT list; resolve_insert replaces it.
  bool default_values = false;
  // DEFAULT COLLATION of the view whose text this is: string literals and casts to STRING get it. Empty: none.
  std::string default_collation = {};
};

// Throws SparkError. The plan is fully typed and checked (CheckAnalysis).
PlanPtr analyze(const spark::connect::Relation& relation, AnalyzerContext& context);
// An expression without input columns (DEFAULT values, SET VAR, parameters).
ExprPtr analyze_constant(const spark::connect::Expression& expression, AnalyzerContext& context);
// An expression over the columns of a plan (check constraints, generated columns, DELETE conditions).
ExprPtr analyze_over(const spark::connect::Expression& expression, const LogicalPlan& input, AnalyzerContext& context);

// A query cast to a table's columns: by position or by name, with the store assignment policy; missing columns get their default or
// null. Throws INSERT_COLUMN_ARITY_MISMATCH.*, INCOMPATIBLE_DATA_FOR_TABLE.*, …
PlanPtr resolve_insert(PlanPtr query, const DataType& table_schema, const std::string& table_name, bool by_name, AnalyzerContext& context);

// The target is a relation over one table, with its alias if it has one: from SQL, the DataFrame API and Delta's own messages alike.
DeleteCommand analyze_delete(const spark::connect::Relation& target, const spark::connect::Expression* condition, AnalyzerContext& context);
UpdateCommand analyze_update(const spark::connect::Relation& target, const spark::connect::Expression* condition,
                             const std::vector<std::pair<spark::connect::Expression, spark::connect::Expression>>& assignments,
                             AnalyzerContext& context);
// The message's target_table_name is not read.
MergeCommand analyze_merge(const spark::connect::Relation& target, const spark::connect::MergeIntoTableCommand& merge, AnalyzerContext& context);

}  // namespace tarn::plan
