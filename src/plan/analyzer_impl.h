#pragma once
// The analyzer's inside: one object per analysis walks the unresolved tree once, from the leaves up. Its methods stand in
// relations_*.cc (what makes plans), expressions.cc and its neighbours (what makes expressions) and select_block.cc (SELECT lists).
#include <spark/connect/expressions.pb.h>
#include <spark/connect/relations.pb.h>
#include <tarn/sql.pb.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "plan/analyzer.h"
#include "plan/function.h"
#include "plan/scope.h"
#include "plan/session_conf.h"
#include "sql/parser.h"

namespace tarn::catalog {
struct FunctionInfo;
struct TableInfo;
}

namespace tarn::plan {

namespace sc = spark::connect;

// An element of a SELECT list: a named expression, or a generator whose columns take its place.
struct SelectItem {
  ExprPtr expression;                  // Alias or AttributeRef; for a generator the bare Call
  bool generator = false;
  bool outer = false;
  std::vector<std::string> names;      // of the generator's columns; empty: its own
  std::vector<Attribute> columns;      // the generator's columns
};

// SELECT … FROM input [GROUP BY …] [HAVING …] [QUALIFY …] while clauses above it may still add columns: ORDER BY and HAVING can
// use what the list doesn't return. build() makes the plan anew.
struct SelectBlock {
  PlanPtr input;
  bool aggregated = false;
  std::vector<ExprPtr> groupings;
  std::optional<std::vector<std::vector<int>>> grouping_sets;
  std::vector<SelectItem> items;
  std::vector<ExprPtr> having, qualify;
  std::vector<ExprPtr> extra;          // named: columns for clauses above, after those of items
  std::vector<ExprPtr> for_subqueries; // aliases of aggregates that subqueries in HAVING take from here
  bool closed = false;                 // HAVING used what the list doesn't return: ORDER BY cannot any more
};

// How names are read at one place.
struct Env {
  const Scope* scope = nullptr;
  const std::vector<SelectItem>* lateral = nullptr;     // earlier elements of the same SELECT list
  const SelectBlock* block = nullptr;                   // HAVING, QUALIFY, ORDER BY: names of the list come first
  bool block_values = false;                            // take the list's expressions themselves (HAVING), not references
  int in_aggregate = 0;                                 // inside the arguments of an aggregate function
  bool window_function = false;                         // the next call is the function of OVER
  bool allow_star = false;
  bool columns_only = false;                            // no parameters and variables: columns that are still to be tried come before them
  bool groups_first = false;                            // above a GROUP BY: what is grouped by comes before the list's names
  const std::vector<Attribute>* generated = nullptr;    // columns of the SELECT list's generators
  bool generated_used = false;
  std::vector<ExprPtr>* outer_aggregates = nullptr;     // where subqueries leave aggregates over this query's columns
  std::vector<std::vector<std::pair<std::string, ExprPtr>>> lambdas;  // innermost last
  const char* clause = "";
};

class Analyzer {
 public:
  explicit Analyzer(AnalyzerContext& context);

  // ---- relations
  PlanPtr relation(const sc::Relation& r);
  // With `around` as the enclosing query (subquery, lateral side).
  PlanPtr relation_in(const sc::Relation& r, const Scope* around, std::vector<ExprPtr>* outer_aggregates = nullptr);

  // ---- expressions
  ExprPtr expression(const sc::Expression& e, Env& env);
  // An element of a list of named columns: stars become many, other expressions get their generated name.
  void named(const sc::Expression& e, Env& env, std::vector<SelectItem>& out);
  std::vector<ExprPtr> arguments(const google::protobuf::RepeatedPtrField<sc::Expression>& list, Env& env);
  ExprPtr sort_order(const sc::Expression::SortOrder& o, Env& env);
  ExprPtr literal(const sc::Expression::Literal& l);
  ExprPtr call(const std::string& name, std::vector<ExprPtr> args);   // a built-in on typed arguments
  // A condition that must be boolean; clause picks the error (FILTER, JOIN …).
  ExprPtr condition(const sc::Expression& e, Env& env);
  DataType data_type(const sc::DataType& t);
  DataType parse_type(const std::string& text);
  EvalMode mode() const { return conf_.ansi() ? EvalMode::kAnsi : EvalMode::kLegacy; }
  bool case_sensitive() const { return case_sensitive_; }

  AnalyzerContext& context() { return context_; }
  const SessionConf& conf() const { return conf_; }

  // ---- select_block.cc
  PlanPtr build(const SelectBlock& block);
  PlanPtr finish_block(std::shared_ptr<SelectBlock> block);   // builds and remembers it for clauses above
  std::shared_ptr<SelectBlock> block_of(const PlanPtr& plan) const;
  void remember_block(const PlanPtr& plan, std::shared_ptr<SelectBlock> block);
  // Rows of the child with the generator's columns behind; names: empty or one per column.
  PlanPtr generator_plan(PlanPtr child, const ExprPtr& generator, bool outer, const std::vector<std::string>& names, std::vector<std::string> qualifier);
  PlanPtr generator_plan(PlanPtr child, const ExprPtr& generator, bool outer, std::vector<Attribute> columns);
  std::vector<Attribute> generator_columns(const ExprPtr& generator, bool outer, const std::vector<std::string>& names);
  PlanPtr generate_rows(PlanPtr p, std::vector<SelectItem>& items, bool aggregated, const std::function<ExprPtr(const ExprPtr&)>& inline_lateral);
  PlanPtr project_items(PlanPtr input, std::vector<SelectItem> items);
  PlanPtr select(PlanPtr input, const google::protobuf::RepeatedPtrField<sc::Expression>& list);

  // The plan with what `used` needs of its hidden columns in its output.
  PlanPtr provide(PlanPtr plan, const std::vector<ExprPtr>& used);
  // Brings the plan back to these columns when it has others too.
  static PlanPtr restore(PlanPtr plan, const std::vector<Attribute>& columns);
  Env env_over(const Scope& scope, const char* clause = "") {
    Env e;
    e.scope = &scope;
    e.clause = clause;
    return e;
  }
  Scope scope_of(const PlanPtr& p) const { return Scope({p}, around_, case_sensitive_); }

  ExprPtr field_of(const ExprPtr& base, size_t i);
  // The struct with the field at the path replaced or added; value null: dropped.
  ExprPtr rebuild_struct(const ExprPtr& base, const Parts& path, size_t at, const ExprPtr& value);
  // ---- names
  ExprPtr column(const Parts& parts, Env& env);
  ExprPtr column_by_name(const std::string& unparsed, Env& env) { return column(sql::parse_attribute_name(unparsed), env); }
  // A column of the plan by its (dotted) name, or nothing.
  std::optional<ExprPtr> try_column(const PlanPtr& p, const Parts& parts);
  PlanPtr read_table(const Parts& parts, const std::vector<std::pair<std::string, std::string>>& options, bool streaming);
  Parts name_parts(const tarn::sql::Name& name, Env* env = nullptr);
  sql::ParseOptions parse_options() const;
  PlanPtr parsed_query(const std::string& text, const std::string& object_type, const std::string& object_name);

  // ---- pieces used across files
  PlanPtr make_set_operation(SetOperationType type, bool all, std::vector<PlanPtr> children, const char* word);
  PlanPtr make_limit(PlanPtr child, ExprPtr limit, ExprPtr offset);
  PlanPtr make_join(PlanPtr left, PlanPtr right, JoinType type, ExprPtr condition, bool lateral = false);
  PlanPtr using_join(PlanPtr left, PlanPtr right, JoinType type, const std::vector<std::string>& columns, bool natural);
  PlanPtr distinct(PlanPtr child);
  PlanPtr alias_plan(PlanPtr p, std::vector<std::string> qualifier);
  PlanPtr rename_columns(PlanPtr p, const std::vector<std::string>& names);
  PlanPtr sort(PlanPtr child, std::vector<ExprPtr> orders, bool global);
  int64_t constant_int(const ExprPtr& e, const char* what);
  std::optional<Value> constant_value(const ExprPtr& e);
  Value evaluate(const ExprPtr& e);

  PlanPtr with(const tarn::sql::With& w);
  PlanPtr without_plan_ids(const PlanPtr& plan);
  std::optional<std::optional<std::string>> constant_string(const ExprPtr& e);  // inner empty: NULL
  std::string timestamp_option(const Literal& l);
  std::vector<ExprPtr> distinct_values(const PlanPtr& input, const sc::Expression& column);
  PlanPtr pivot(PlanPtr input, std::vector<ExprPtr> groupings, bool implicit_groupings, const sc::Expression& column,
                const std::vector<ExprPtr>& values, const google::protobuf::RepeatedPtrField<sc::Expression>& aggregates);
  struct SqlFunction {
    tarn::sql::CreateSqlFunction definition;
    std::string name;
    std::shared_ptr<const catalog::FunctionInfo> home = {};  // of a stored one: where and with which settings its text is read
  };
  // What an unqualified function name means by a session's own SQL path; false: the session has none.
  bool find_by_path(const std::string& name, const FunctionEntry*& entry, std::shared_ptr<const UserFunction>& user, std::optional<SqlFunction>& sql);
  std::optional<SqlFunction> stored_function(const Parts& full);
  // Runs `body` with an analyzer that reads a function's text at home.
  template <class F> auto at_home(const SqlFunction& f, F body);
  ExprPtr scalar_body(const tarn::sql::CreateSqlFunction& definition);
  ExprPtr inline_sql_function(const SqlFunction& f, std::vector<ExprPtr> args, const std::vector<std::string>& names);
  PlanPtr sql_table_function(const SqlFunction& f, std::vector<ExprPtr> args, const std::vector<std::string>& names);
  std::optional<SqlFunction> find_sql_function(const Parts& name);

 private:
  PlanPtr relation_node(const sc::Relation& r);

  // relations_basic.cc
  PlanPtr read(const sc::Read& r);
  PlanPtr sql_relation(const sc::SQL& s);
  PlanPtr with_relations(const sc::WithRelations& w);
  PlanPtr local_table(std::shared_ptr<arrow::Table> table, std::optional<DataType> schema);
  PlanPtr local_relation(const std::string* data, const std::string* schema);
  PlanPtr cached_local(const std::string& hash);
  PlanPtr chunked_local(const sc::ChunkedCachedLocalRelation& c);
  PlanPtr range(const sc::Range& r);
  ExprPtr limit_expression(const sc::Expression& proto, const PlanPtr& child, const char* name);
  PlanPtr filter(const sc::Filter& f);
  PlanPtr filter_plan(PlanPtr child, const sc::Expression& condition, const char* clause);
  PlanPtr sort_relation(const sc::Sort& s);
  PlanPtr sample(const sc::Sample& s);
  PlanPtr repartition(const sc::RepartitionByExpression& r);
  PlanPtr deduplicate(const sc::Deduplicate& d);
  PlanPtr hint(const sc::Hint& h);
  PlanPtr collect_metrics(const sc::CollectMetrics& m, int64_t plan_id);
  PlanPtr parse(const sc::Parse& p);
  PlanPtr inline_table(const tarn::sql::InlineTable& t);
  void check_inline_casts(const Values& v);
  PlanPtr extension(const sc::Relation& r);
  PlanPtr sql_rel(const tarn::sql::Rel& r);
  PlanPtr time_travel(const tarn::sql::TimeTravel& t);
  PlanPtr table_function(const Parts& name, const google::protobuf::RepeatedPtrField<sc::Expression>& args);
  PlanPtr lateral_view(const tarn::sql::LateralView& v);

  // relations_columns.cc
  PlanPtr to_df(const sc::ToDF& t);
  PlanPtr with_columns(const sc::WithColumns& w);
  PlanPtr with_columns_renamed(const sc::WithColumnsRenamed& w);
  PlanPtr drop(const sc::Drop& d);
  PlanPtr drop_columns(PlanPtr child, const std::vector<ExprId>& ids);
  PlanPtr to_schema(const sc::ToSchema& t);
  PlanPtr unpivot(const sc::Unpivot& u);
  PlanPtr sql_unpivot(const tarn::sql::SqlUnpivot& u);
  struct UnpivotSet {
    std::vector<ExprPtr> columns;
    std::optional<std::string> alias;
  };
  PlanPtr make_unpivot(PlanPtr child, std::vector<ExprPtr> ids, std::vector<UnpivotSet> sets, const std::string& name_column,
                       const std::vector<std::string>& value_columns, bool include_nulls);
  PlanPtr transpose(const sc::Transpose& t);
  PlanPtr pipe_set(const tarn::sql::StarProject& p);
  PlanPtr pipe_drop(const tarn::sql::PipeDrop& p);

  // joins.cc
  PlanPtr join(const sc::Join& j);
  PlanPtr natural_join(const tarn::sql::NaturalJoin& j);
  PlanPtr lateral_join(const sc::LateralJoin& j);
  PlanPtr as_of_join(const sc::AsOfJoin& j);
  PlanPtr nearest_by_join(const sc::NearestByJoin& j);
  PlanPtr join_sides(const sc::Relation& left, const sc::Relation& right, JoinType type, bool lateral, const sc::Expression* condition,
                     const google::protobuf::RepeatedPtrField<std::string>* columns, bool natural);

  // set_operations.cc
  PlanPtr set_operation(const sc::SetOperation& s);
  PlanPtr union_by_name(PlanPtr left, PlanPtr right, bool allow_missing);
  DataType merge_structs(const DataType& a, const DataType& b);
  ExprPtr fill_struct(const ExprPtr& e, const DataType& to);

  // aggregates.cc
  PlanPtr aggregate(const sc::Aggregate& a);
  PlanPtr sql_aggregate(const tarn::sql::SqlAggregate& a);
  PlanPtr having(const tarn::sql::Having& h);
  PlanPtr qualify(const tarn::sql::Qualify& q);
  PlanPtr sql_pivot(const tarn::sql::Pivot& p);
  PlanPtr pivot_plan(PlanPtr input, std::vector<ExprPtr> groupings, bool implicit_groupings, const ExprPtr& column, const std::vector<ExprPtr>& values,
                     std::vector<SelectItem> aggregates);
  void check_grouping(const ExprPtr& g);
  std::vector<std::vector<ExprPtr>> analytics_sets(const tarn::sql::GroupingAnalytics& g, const SelectBlock& block, Env& env);
  bool maybe_generator(const sc::Expression& e);
  ExprPtr grouping_expression(const sc::Expression& e, const SelectBlock& block, Env& env);

  // python.cc
  PlanPtr map_partitions(const sc::MapPartitions& m);
  PlanPtr group_map(const sc::GroupMap& g);
  PlanPtr co_group_map(const sc::CoGroupMap& g);
  ExprPtr python_function(const sc::CommonInlineUserDefinedFunction& f, Env& env);
  std::shared_ptr<UserFunction> user_function(const sc::CommonInlineUserDefinedFunction& f);

  // stat_na.cc
  PlanPtr fill_na(const sc::NAFill& f);
  PlanPtr drop_na(const sc::NADrop& d);
  PlanPtr replace(const sc::NAReplace& r);
  PlanPtr summary(const sc::Relation& input, std::vector<std::string> statistics, std::optional<std::vector<std::string>> columns);
  PlanPtr cov_corr(const sc::Relation& input, const std::string& a, const std::string& b, bool correlation);
  PlanPtr approx_quantile(const sc::StatApproxQuantile& a);
  PlanPtr crosstab(const sc::StatCrosstab& c);
  PlanPtr freq_items(const sc::StatFreqItems& f);
  PlanPtr sample_by(const sc::StatSampleBy& s);
  static bool is_null(const Expression& e);
  ExprPtr plain_column(const PlanPtr& p, const std::string& name);   // UNRESOLVED_COLUMN if missing

  // expressions.cc
  ExprPtr expression_node(const sc::Expression& e, Env& env);
  ExprPtr attribute(const sc::Expression::UnresolvedAttribute& a, Env& env);
  ExprPtr fields(ExprPtr base, const Parts& parts, size_t from);
  ExprPtr found_column(const Scope::Found& f, const Parts& parts, bool outer);
  ExprPtr variable(const Parts& parts);
  ExprPtr parameter(const Parts& parts);
  ExprPtr literal_function(const Parts& parts);
  void expand_star(const sc::Expression& e, Env& env, std::vector<SelectItem>& out);
  std::vector<ExprPtr> star_columns(const Parts& target, Env& env);
  std::vector<ExprPtr> star_except(const tarn::sql::StarExcept& s, Env& env);
  bool is_star(const sc::Expression& e);
  ExprPtr cast(const sc::Expression::Cast& c, Env& env);
  ExprPtr sql_expr(const tarn::sql::Expr& x, Env& env);
  ExprPtr update_fields(const sc::Expression::UpdateFields& u, Env& env);
  ExprPtr zoned_timestamp(const tarn::sql::ZonedTimestamp& t);
  ExprPtr special_datetime(const tarn::sql::SpecialDatetime& d);
  std::string generated_name(const sc::Expression& e, const ExprPtr& value);

  // calls.cc
  struct CallParts {
    Parts name;
    const google::protobuf::RepeatedPtrField<sc::Expression>* arguments = nullptr;
    bool distinct = false;
    const sc::Expression* filter = nullptr;
    const google::protobuf::RepeatedPtrField<sc::Expression::SortOrder>* within_group = nullptr;
    int nulls = 0;  // 1 IGNORE, 2 RESPECT
    bool internal = false;
    bool user_defined = false;
  };
  ExprPtr function_call(const CallParts& c, Env& env, const std::shared_ptr<const QueryContext>& where);
  ExprPtr user_call(const UserFunction& f, std::vector<ExprPtr> args, std::vector<std::string> names);
  std::vector<std::pair<std::string, ExprPtr>> bind_parameters(const SqlFunction& f, std::vector<ExprPtr> args, const std::vector<std::string>& names);
  ExprPtr outer_aggregate(ExprPtr value);
  ExprPtr input_file_call(const FunctionEntry& entry, const std::string& name, Env& env, const std::shared_ptr<const QueryContext>& where);
  ExprPtr grouping_call(const std::string& name, std::vector<ExprPtr> args);
  ExprPtr constant_lambda(const FunctionEntry& f, std::vector<ExprPtr>& args, size_t at, size_t parameters);
  ExprPtr struct_call(std::vector<ExprPtr> args);
  ExprPtr apply_clauses(ExprPtr value, const CallParts& c, ExprPtr filter, std::vector<ExprPtr> order);
  ExprPtr lambda_argument(const sc::Expression::LambdaFunction& l, const std::vector<std::pair<DataType, bool>>& types, Env& env);
  std::vector<ExprPtr> call_arguments(const CallParts& c, Env& env, std::vector<std::string>* names);
  SparkError unresolved_routine(const Parts& name);

  // windows.cc
  ExprPtr window(const sc::Expression::Window& w, const sc::Expression& function, Env& env);
  ExprPtr window_reference(const tarn::sql::WindowReference& r, Env& env);
  std::string window_text(const ExprPtr& f, const WindowExpr& w);
  SparkError frame_mismatch(bool rows, const WindowExpr& w);

  // script.cc
  PlanPtr script_transform(const tarn::sql::ScriptTransform& t);
  ExprPtr script_value(const ExprPtr& text, const DataType& type);

  // stored_views.cc
  PlanPtr stored_view(const catalog::TableInfo& view);
  void evolve_view(const catalog::TableInfo& view, const std::vector<StructField>& then, const LogicalPlan& now, bool types_only);

  // time_windows.cc
  struct TimeWindow {
    ExprPtr call;                          // as the clause says it
    Attribute column;                      // of its input: what the call stands for
    bool session = false;
  };
  // The input of a clause with the column of the one time window that its expressions name, hidden behind its own columns.
  // Throws _LEGACY_ERROR_TEMP_1039 for several.
  PlanPtr add_time_window(PlanPtr input, const std::vector<const google::protobuf::Message*>& written, const char* clause);
  ExprPtr time_window_column(ExprPtr value);   // a call of window() or session_window() as that column; others stay
  // GROUP BY a session window: the rows with the merged sessions of each group; groupings and items follow.
  PlanPtr merge_sessions(PlanPtr input, std::vector<ExprPtr>& groupings, std::vector<SelectItem>& items);
  // While it lives, windows of other clauses mean nothing.
  struct WindowsOfClause {
    explicit WindowsOfClause(Analyzer& a) : analyzer(a), before(std::exchange(a.time_window_, std::nullopt)) {}
    ~WindowsOfClause() { analyzer.time_window_ = std::move(before); }
    Analyzer& analyzer;
    std::optional<TimeWindow> before;
  };

  // subqueries.cc
  ExprPtr subquery(const sc::SubqueryExpression& s, Env& env);
  // Spark's limits for the plan of a subquery (subquery_checks.cc). Throws UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.*.
  void check_correlation(const PlanPtr& plan, bool lateral);
  void check_scalar(const PlanPtr& plan);
  // Of a subquery in ORDER BY and other clauses that can't join.
  void check_no_predicate_subquery(const Expression& e, const PlanPtr& plan);
  void check_lateral(const PlanPtr& left, const PlanPtr& right, const ExprPtr& condition);
  const sc::Relation& referenced_relation(int64_t plan_id);

 public:
  // Where the node stands in the user's text or program; null if unknown.
  std::shared_ptr<const QueryContext> context_of(const sc::ExpressionCommon& common);
  std::shared_ptr<const QueryContext> context_of(const sc::Origin& origin);
  void take_text(const sc::Origin& origin);

 private:
  AnalyzerContext& context_;
  const SessionConf& conf_;
  bool case_sensitive_;
  const Scope* around_ = nullptr;          // of the query around the one being analyzed
  std::vector<ExprPtr>* outer_aggregates_ = nullptr;   // that query's, if it takes aggregates of its subqueries
  int relation_depth_ = 0, expression_depth_ = 0, view_depth_ = 0;

  struct CteBinding {
    int64_t id = 0;
    PlanPtr plan;                          // null: the recursive reference itself while its definition is analyzed
    std::vector<Attribute> columns;        // then these
    bool recursive = false;
    bool each = false;                     // every reference runs the recursion anew
    int* uses = nullptr;
  };
  std::vector<std::map<std::string, CteBinding>> ctes_;
  PlanPtr cte_reference(const std::string& name, const CteBinding& b);
  const CteBinding* find_cte(const std::string& name) const;
  void define(const tarn::sql::With& w, CteScope& scope);
  bool mentions(const google::protobuf::Message& m, const std::string& name);
  PlanPtr recursive_cte(const tarn::sql::With::Cte& cte, const std::vector<std::string>& columns, int64_t id);
  void check_recursive_reference(const PlanPtr& p, int64_t id, bool forbidden);
  // The plan with its recursion free of the row limit; through_all: below all that LIMIT ALL reaches, else below projections.
  PlanPtr without_row_limit(const PlanPtr& p, bool through_all);
  std::unordered_map<const LogicalPlan*, PlanPtr> boundaries_;   // inputs of pipe operators: no clause looks below them

  std::vector<std::unordered_map<int64_t, const sc::Relation*>> references_;
  // Parameters of the SQL functions being inlined, innermost last; level: how many subqueries deep their values belong.
  struct Parameters {
    std::string function;
    std::vector<std::pair<std::string, ExprPtr>> values;
    int level = 0;
  };
  std::vector<Parameters> parameters_;
  int subquery_level_ = 0;
  bool nulls_given_ = false;
  std::optional<TimeWindow> time_window_;               // of the clause being analyzed
  bool finding_windows_ = false;
  std::map<std::string, PlanPtr> named_references_;     // WithRelations around SQL: {df} by its alias
  std::vector<std::map<std::string, const sc::Expression::Window*>> windows_;
  struct Text {
    std::shared_ptr<const std::string> sql;
    std::string object_type, object_name;
  };
  Text text_;
  std::unordered_map<const LogicalPlan*, std::pair<PlanPtr, std::shared_ptr<SelectBlock>>> blocks_;
  std::vector<std::shared_ptr<const google::protobuf::Message>> kept_;   // parsed messages that references_ points into
};

// Runs f on a thread with a 64 MB stack (or here, if this is one already); exceptions come through.
void with_deep_stack(const std::function<void()>& f);

bool matches_regex(const std::string& text, const std::string& pattern);  // Java's matches, case ignored
DataType without_char_varchar(const DataType& t);  // CHAR(n) and VARCHAR(n) inside become STRING
// What the expression takes from its input: references, also those of its subqueries.
std::vector<ExprId> referenced_ids(const Expression& e);
bool contains_aggregate(const Expression& e);      // not counting the function of a window
bool contains_grouping_call(const Expression& e);  // grouping(), grouping_id()
bool contains_window(const Expression& e);
const Expression* find_python(const Expression& e);  // a Python function in it, or null
bool is_generator(const Expression& e);
const AttributeRef* lateral_alias_in(const Expression& e);  // a reference to an alias of the same SELECT list, or null
bool is_deterministic_plan(const PlanPtr& plan);
bool contains_generator(const Expression& e);
bool is_aggregate_node(const Expression& e);       // AggregateCall, or a Python aggregate

}  // namespace tarn::plan
