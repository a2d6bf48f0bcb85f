#pragma once
// The typed plan: what the analyzer makes of spark.connect.Relation and the engine lowers. Immutable, shared.
// Invariant: ids of a plan's output are unique within the whole tree below a common ancestor (the analyzer gives the right side of
// a self join fresh ids), so the engine may name each column c<id> and never qualifies.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "plan/expression.h"

namespace arrow {
class Table;
}
namespace tarn::catalog {
struct TableInfo;
}

namespace tarn::plan {

// What a Scan reads. Implemented in engine/ (file sources, Delta snapshots, system tables). Immutable.
class Relation {
 public:
  virtual ~Relation() = default;
  virtual const DataType& schema() const = 0;                              // all columns, partition columns included
  virtual std::vector<StructField> metadata_columns() const { return {}; } // hidden until named: _metadata …
  virtual std::string format() const = 0;                                  // "csv", "delta" …
  virtual std::vector<std::string> input_files() const { return {}; }
  virtual std::vector<std::string> partition_columns() const { return {}; }
  virtual std::optional<uint64_t> size_in_bytes() const { return std::nullopt; }
  virtual bool is_streaming() const { return false; }
  virtual std::string fingerprint() const = 0;                             // equal for the same data (same_semantics, caching)
};

// Opens data sources for the analyzer. Implemented in engine/.
class SourceResolver {
 public:
  virtual ~SourceResolver() = default;
  // spark.read.format(f).options(o).schema(s).load(paths). Throws SparkError (DATA_SOURCE_NOT_FOUND, PATH_NOT_FOUND …).
  virtual std::shared_ptr<const Relation> load(const std::string& format, const std::vector<std::string>& paths,
                                               const std::vector<std::pair<std::string, std::string>>& options,
                                               const std::optional<DataType>& user_schema) = 0;
  // A table of the catalog, with read options (versionAsOf, timestampAsOf, readChangeFeed …).
  virtual std::shared_ptr<const Relation> load_table(const catalog::TableInfo& table,
                                                     const std::vector<std::pair<std::string, std::string>>& options) = 0;
};

enum class PlanKind : uint8_t {
  kOneRow, kLocalData, kValues, kRange, kScan, kProject, kFilter, kJoin, kAggregate, kWindow, kSort, kLimit, kTail, kSetOperation,
  kDistinct, kDeduplicate, kGenerate, kSample, kCteScope, kCteRef, kRecursiveCte, kRepartition, kCollectMetrics, kPythonMap,
  kPythonEval, kCached, kScript,
};

struct LogicalPlan {
  PlanKind kind;
  std::vector<PlanPtr> children;
  std::vector<Attribute> output;
  // What names can reach though it is not in the output: metadata columns, the other side's key of a USING join. A Scan's are its
  // relation's metadata columns, in their order. The analyzer brings one into the outputs with expose(); the engine ignores them.
  std::vector<Attribute> hidden;
  std::vector<int64_t> plan_ids;           // RelationCommon.plan_id of the messages this node stands for
  explicit LogicalPlan(PlanKind k) : kind(k) {}
  virtual ~LogicalPlan() = default;
  virtual std::shared_ptr<LogicalPlan> clone() const = 0;  // a shallow copy
  const LogicalPlan& child(size_t i = 0) const { return *children[i]; }
};
template <class T> const T& as(const LogicalPlan& p) { return static_cast<const T&>(p); }
template <class T> const T* try_as(const LogicalPlan& p) { return p.kind == T::kKind ? static_cast<const T*>(&p) : nullptr; }

#define TARN_PLAN_NODE(Name)                              \
  static constexpr PlanKind kKind = PlanKind::k##Name;    \
  Name() : LogicalPlan(kKind) {}                          \
  std::shared_ptr<LogicalPlan> clone() const override { return std::make_shared<Name>(*this); }

// One row without columns (SELECT 1).
struct OneRow : LogicalPlan { TARN_PLAN_NODE(OneRow) };

// Rows sent by the client, or made by a command. Column i of the table is output[i].
struct LocalData : LogicalPlan { TARN_PLAN_NODE(LocalData) std::shared_ptr<arrow::Table> table; };

// VALUES (…), (…): each row has one expression per output column, cast to its type, without column references.
struct Values : LogicalPlan { TARN_PLAN_NODE(Values) std::vector<std::vector<ExprPtr>> rows; };

// One BIGINT column from start (inclusive) to end (exclusive).
struct Range : LogicalPlan { TARN_PLAN_NODE(Range) int64_t start = 0, end = 0, step = 1; int num_partitions = 0; };

// output[i] is field columns[i] of relation->schema(), or, from schema().fields().size() on, of metadata_columns().
struct Scan : LogicalPlan {
  TARN_PLAN_NODE(Scan)
  std::shared_ptr<const Relation> relation;
  std::vector<size_t> columns;
  std::vector<std::string> name;    // of the table, for messages; empty for paths
};

// expressions: Alias or AttributeRef, one per output column.
struct Project : LogicalPlan { TARN_PLAN_NODE(Project) std::vector<ExprPtr> expressions; };

struct Filter : LogicalPlan { TARN_PLAN_NODE(Filter) ExprPtr condition; };

enum class JoinType : uint8_t { kInner, kCross, kLeftOuter, kRightOuter, kFullOuter, kLeftSemi, kLeftAnti };
// USING and NATURAL are resolved into a condition and a Project above. lateral: the right side refers to the left's attributes
// (AttributeRef with outer = true).
struct Join : LogicalPlan { TARN_PLAN_NODE(Join) JoinType type = JoinType::kInner; ExprPtr condition; bool lateral = false; };

// GROUP BY groupings. aggregates: named expressions, one per output column, over groupings (semantically equal subtrees) and
// AggregateCall nodes. grouping_sets: indices into groupings (empty optional: one plain group by). Without groupings and
// grouping sets: one row. grouping(x) and grouping_id() are Calls of those functions.
struct Aggregate : LogicalPlan {
  TARN_PLAN_NODE(Aggregate)
  std::vector<ExprPtr> groupings;
  std::vector<ExprPtr> aggregates;
  std::optional<std::vector<std::vector<int>>> grouping_sets;
};

// The child's columns, then one per window expression (Alias of an expression whose root is a WindowExpr).
struct Window : LogicalPlan { TARN_PLAN_NODE(Window) std::vector<ExprPtr> expressions; };

struct Sort : LogicalPlan { TARN_PLAN_NODE(Sort) std::vector<ExprPtr> orders; bool global = true; };  // SortOrder nodes

struct Limit : LogicalPlan { TARN_PLAN_NODE(Limit) ExprPtr limit; ExprPtr offset; };  // foldable ints, may be null
struct Tail : LogicalPlan { TARN_PLAN_NODE(Tail) int64_t count = 0; };

enum class SetOperationType : uint8_t { kUnion, kIntersect, kExcept };
// Children have the same column types, position by position (casts are inserted below). all = false removes duplicates.
struct SetOperation : LogicalPlan { TARN_PLAN_NODE(SetOperation) SetOperationType type = SetOperationType::kUnion; bool all = true; };

struct Distinct : LogicalPlan { TARN_PLAN_NODE(Distinct) };
struct Deduplicate : LogicalPlan { TARN_PLAN_NODE(Deduplicate) std::vector<ExprPtr> keys; bool within_watermark = false; };

// The child's columns, then the generator's: one output row per generated row; outer keeps rows that generate nothing.
struct Generate : LogicalPlan {
  TARN_PLAN_NODE(Generate)
  ExprPtr generator;                       // Call of a generator function (explode, inline, stack …)
  bool outer = false;
  std::vector<Attribute> generator_output;
};

struct Sample : LogicalPlan {
  TARN_PLAN_NODE(Sample)
  double lower = 0, upper = 1;
  bool with_replacement = false;
  std::optional<int64_t> seed;
};

// WITH: definitions are visible in later definitions and in children[0].
struct CteDefinition { int64_t id = 0; std::string name; PlanPtr plan; };
struct CteScope : LogicalPlan { TARN_PLAN_NODE(CteScope) std::vector<CteDefinition> definitions; };
// output[i] is a fresh attribute for column i of the definition; ids maps them to the definition's own.
struct CteRef : LogicalPlan { TARN_PLAN_NODE(CteRef) int64_t id = 0; std::vector<ExprId> source_ids; };
// children: anchor, recursive part (refers to it by CteRef of the same id). max_rows/max_level as Spark's limits; -1 none.
struct RecursiveCte : LogicalPlan {
  TARN_PLAN_NODE(RecursiveCte)
  int64_t id = 0;
  bool union_all = true;
  int64_t max_level = 100, max_rows = 1000000;
};

struct Repartition : LogicalPlan { TARN_PLAN_NODE(Repartition) int num_partitions = 0; std::vector<ExprPtr> keys; bool shuffle = true; };

// df.observe: passes rows through and computes aggregates on the side.
struct CollectMetrics : LogicalPlan { TARN_PLAN_NODE(CollectMetrics) std::string name; int64_t plan_id = 0; std::vector<ExprPtr> metrics; };

// mapInPandas, applyInPandas, cogroup …: rows through a Python function. groupings: one list per child, empty = whole partitions.
struct PythonMap : LogicalPlan {
  TARN_PLAN_NODE(PythonMap)
  std::shared_ptr<const UserFunction> function;
  std::vector<std::vector<ExprPtr>> groupings;
};

// Values that Python functions compute from the child's rows. Made by the engine out of UserFunction expressions, as Spark's
// ExtractPythonUDFs does; the analyzer never makes one. The functions are of one eval type and share one pass over the rows.
struct PythonEval : LogicalPlan {
  TARN_PLAN_NODE(PythonEval)
  // kRows: a value per row. kGroups: a value per group of equal keys. kWindow: as kGroups, a value per row of the group in `order`.
  // kTable: a table function, any number of rows per row.
  enum class Over : uint8_t { kRows, kGroups, kWindow, kTable } over = Over::kRows;
  int eval_type = 0;                 // PySpark's PythonEvalType of the task
  // Alias of a UserFunction; its arguments are columns of the child, or one UserFunction (a chain that runs in one call).
  // kWindow with bounded[i]: the first two arguments are the frame's bounds, rows of the group from 0, the upper one exclusive.
  std::vector<ExprPtr> functions;
  std::vector<bool> bounded;
  std::vector<ExprPtr> keys, order;  // columns of the child; SortOrder nodes over such
  bool outer = false;                // kTable: keep rows without results
};

// SELECT TRANSFORM … USING: lines through a command of the shell. One string column in, one out: a line each.
struct Script : LogicalPlan { TARN_PLAN_NODE(Script) std::string command; };

// Data kept by cache()/persist()/checkpoint(): the engine's handle.
struct Cached : LogicalPlan { TARN_PLAN_NODE(Cached) std::string handle; };

#undef TARN_PLAN_NODE

// ---- builders and questions (logical_plan.cc)
PlanPtr make_project(PlanPtr child, std::vector<ExprPtr> named);
PlanPtr make_filter(PlanPtr child, ExprPtr condition);
// A copy whose output attributes, and all below, have fresh ids (for the second use of a view or of the same DataFrame).
PlanPtr with_fresh_ids(const PlanPtr& plan);
// A copy with other children (same output).
PlanPtr with_plan_children(const PlanPtr& plan, std::vector<PlanPtr> children);
// Every expression of one node (not of its children): f may replace it.
void for_each_expression(LogicalPlan& plan, const std::function<void(ExprPtr&)>& f);
void visit_expressions(const LogicalPlan& plan, const std::function<void(const ExprPtr&)>& f);
// f(node) for the plan, its children and the plans of subqueries, from above; f returns false to stay out of a node.
void visit_plan(const PlanPtr& plan, const std::function<bool(const PlanPtr&)>& f);
// References with outer = true to what the plan itself does not produce, in order of appearance.
std::vector<ExprPtr> outer_references(const LogicalPlan& plan);
// The plan with these attributes in its output (appended), brought up from below through projections, filters, joins …; null if
// some cannot be.
PlanPtr expose(const PlanPtr& plan, const std::vector<ExprId>& ids);
DataType schema_of(const LogicalPlan& plan);            // struct of the output
std::string tree_string(const LogicalPlan& plan);       // for EXPLAIN and for debugging

// ---- commands: what the analyzer makes of writes. DDL without a query is executed from its tarn.sql message by engine/commands.
enum class SaveMode : uint8_t { kErrorIfExists, kAppend, kOverwrite, kIgnore };

struct WriteFilesCommand {                              // df.write.format(f).save(path)
  PlanPtr query;
  std::string format, path;
  SaveMode mode = SaveMode::kErrorIfExists;
  std::vector<std::string> partition_by;
  std::vector<std::string> cluster_by;
  std::vector<std::pair<std::string, std::string>> options;
};

struct Assignment { std::vector<std::string> target; ExprPtr value; };   // target column path; value already cast to its type

struct DeleteCommand { PlanPtr target; ExprPtr condition; };             // target: a Scan, maybe under Projects; condition may be null
struct UpdateCommand { PlanPtr target; ExprPtr condition; std::vector<Assignment> assignments; };

struct MergeAction {
  enum class Kind : uint8_t { kDelete, kUpdate, kInsert } kind;
  ExprPtr condition;                                    // may be null
  std::vector<Assignment> assignments;                  // for kUpdate/kInsert: one per target column, in the table's order
};
struct MergeCommand {
  PlanPtr target, source;
  ExprPtr condition;
  std::vector<MergeAction> matched, not_matched, not_matched_by_source;
  bool with_schema_evolution = false;
};

}  // namespace tarn::plan
