#pragma once
// The recursive-descent parser behind parser.h. One instance reads one text. Its methods are grouped as the files are:
// each grammar rule of SqlBaseParser.g4 is a method of (nearly) the rule's name.
//
// Invariants: pos_ is the next token to read; tokens_ ends with kEof, which is never consumed. A method either consumes a whole
// rule or throws. Choices are made by looking ahead, never by catching an error and trying again, so parsing is linear.
#include <set>

#include "base/spark_error.h"
#include "sql/build.h"
#include "sql/lexer.h"
#include "sql/parser.h"

namespace tarn::sql {

struct FunctionName {
  Name name;
  size_t start = 0;
};

class Parser {
 public:
  Parser(std::string_view text, const ParseOptions& options);

  // --- entry points (parser.cc)
  spark::connect::Plan single_statement();
  RelPtr single_query();
  ExprPtr single_expression(std::vector<spark::connect::Relation>* subqueries);
  void single_data_type(spark::connect::DataType* out);
  void single_table_schema(spark::connect::DataType* out);
  std::vector<std::string> single_multipart();
  std::vector<std::string> single_table_identifier();

 private:
  friend struct DepthGuard;
  friend class StatementTable;
  using StatementFn = void (Parser::*)(Statement*);

  // --- tokens (parser.cc)
  const Token& peek(size_t k = 0) const { return tokens_[std::min(pos_ + k, tokens_.size() - 1)]; }
  TokenType type(size_t k = 0) const { return peek(k).type; }
  bool at(TokenType t, size_t k = 0) const { return type(k) == t; }
  template <class... T>
  bool at_any(T... t) const {
    return ((type() == t) || ...);
  }
  bool accept(TokenType t) {
    if (!at(t)) return false;
    ++pos_;
    return true;
  }
  // Consumes both or nothing.
  bool accept(TokenType a, TokenType b) {
    if (!at(a) || !at(b, 1)) return false;
    pos_ += 2;
    return true;
  }
  void expect(TokenType t) {
    if (!accept(t)) syntax_error();
  }
  std::string_view text(const Token& t) const { return std::string_view(text_).substr(t.start, t.end - t.start); }
  std::string_view text(size_t k = 0) const { return text(peek(k)); }
  // A word that is no keyword of Spark's grammar (Delta's).
  bool at_word(std::string_view word, size_t k = 0) const;
  bool accept_word(std::string_view word);
  // The source between the tokens [start, end), as written.
  std::string source(size_t start, size_t end) const;
  std::string source_from(size_t start) const { return source(start, pos_); }
  size_t matching_paren(size_t open);  // index of the ')' of the '(' at index open; tokens_.size() if none

  // --- errors (parser.cc)
  [[noreturn]] void syntax_error() const { syntax_error(pos_); }
  [[noreturn]] void syntax_error(size_t token, std::string hint = {}) const;
  // An error over the tokens from `start` to the last consumed one.
  [[noreturn]] void fail(std::string condition, ErrorParams params, size_t start) const { fail(std::move(condition), std::move(params), start, pos_); }
  [[noreturn]] void fail(std::string condition, ErrorParams params, size_t start, size_t end) const;
  // An error that is only raised if the rest of the statement is well-formed: Spark reports syntax errors before those of values.
  void defer(std::string condition, ErrorParams params, size_t start);
  // The same for an error whose place is from `start` to the end of the statement.
  void defer_to_end(std::string condition, ErrorParams params, size_t start);
  void throw_deferred() const;
  [[noreturn]] void operation_not_allowed(const std::string& message, size_t start) const;
  [[noreturn]] void invalid_statement(const std::string& operation, size_t start) const;
  QueryContext context(size_t start, size_t end) const;
  void check_comment_closed() const;
  void expect_end();
  [[noreturn]] void unexpected_end_token() const;

  // --- origins (parser.cc)
  void set_origin(spark::connect::Origin* out, size_t start, size_t end) const;
  void set_origin(spark::connect::Origin* out, size_t start) const { set_origin(out, start, pos_); }
  ExprPtr finish(ExprPtr e, size_t start) const;
  RelPtr finish(RelPtr r, size_t start) const;

  // --- identifiers and words (identifier.cc)
  bool is_identifier(size_t k = 0) const;         // rule identifier
  bool is_strict_identifier(size_t k = 0) const;  // rule strictIdentifier
  bool is_identifier_token(const Token& t, bool strict) const;
  std::string identifier();
  std::string strict_identifier();
  std::string capturing_identifier();  // errorCapturingIdentifier: a-b is INVALID_IDENTIFIER
  std::string simple_identifier();     // no IDENTIFIER('x')
  std::vector<std::string> identifier_parts(bool strict = false);
  std::string identifier_token_text(size_t index) const;
  bool at_identifier_clause(size_t k = 0) const { return at(kwIDENTIFIER_KW, k) && at(kLeftParen, k + 1); }
  bool at_identifier_literal(size_t k = 0) const;  // IDENTIFIER('x')
  std::vector<std::string> multipart_identifier();
  std::vector<std::string> qualified_name();
  std::vector<std::string> identifier_list();  // ( a, b )
  std::vector<std::string> identifier_seq();
  std::vector<std::vector<std::string>> multipart_identifier_list();
  void name_from(const std::vector<std::string>& parts, size_t start, Name* out) const;
  void multipart_name(Name* out);
  void identifier_reference(Name* out);
  bool can_alias(bool strict) const;               // may the next token be an alias written without AS?
  std::optional<std::string> optional_alias(bool strict);
  bool accept_not();                               // errorCapturingNot; `!` is SYNTAX_DISCONTINUED
  bool if_not_exists();
  bool if_exists();
  bool at_string(size_t k = 0) const;
  std::string single_string();
  std::string string_literal();
  bool at_parameter(size_t k = 0) const;
  const spark::connect::Expression* parameter_value(size_t* length, size_t k = 0) const;
  int64_t integer_value();                         // rule integerValue
  bool at_integer(size_t k = 0) const;

  // --- expressions (expression_parser.cc, function_parser.cc, literal_parser.cc)
  ExprPtr expression();
  ExprPtr or_expression();
  ExprPtr and_expression();
  ExprPtr not_expression();
  ExprPtr predicated();
  ExprPtr predicate(ExprPtr left, size_t start);
  ExprPtr like_quantified(ExprPtr left, size_t start, bool negated, bool ilike);
  ExprPtr value_expression(int min_precedence = 0);
  ExprPtr unary_expression();
  ExprPtr postfix_expression();
  ExprPtr primary_expression();
  ExprPtr parenthesized();
  ExprPtr case_expression();
  ExprPtr lambda(size_t start, std::vector<std::string> names);
  ExprPtr star(size_t start, std::vector<std::string> target);
  ExprPtr column_or_call();
  ExprPtr current_like(size_t start);
  ExprPtr named_expression();
  ExprPtr with_alias(ExprPtr e, size_t start);
  ExprList named_expression_seq();
  ExprList expression_seq();
  ExprPtr function_argument();
  ExprPtr function_call(FunctionName fn);
  ExprPtr special_call();
  ExprPtr cast_call();
  ExprPtr trim_call();
  ExprPtr finish_call(FunctionName fn, ExprList args, bool distinct);
  ExprPtr make_call(const Name& name, ExprList args, bool distinct);
  void window_spec(spark::connect::Expression::Window* out, std::optional<std::string>* reference);
  void frame_bound(spark::connect::Expression::Window::WindowFrame::FrameBoundary* out, TokenType side);
  void sort_item(spark::connect::Expression::SortOrder* out);
  ExprPtr semi_structured(ExprPtr child, size_t start);
  ExprPtr parameter_marker();
  ExprPtr subquery_expression(RelPtr plan, spark::connect::SubqueryExpression::SubqueryType type);
  bool at_constant() const;
  ExprPtr constant();
  bool at_number(size_t k = 0) const;
  ExprPtr number();
  bool at_typed_literal() const;
  ExprPtr typed_literal();
  bool at_interval() const;
  ExprPtr interval();
  void timestamp_literal(const std::string& value, const std::string& type_name, bool ntz, size_t start, spark::connect::Expression* out);
  void interval_units_literal(const CalendarInterval& value, const std::vector<std::string>& units, size_t start, spark::connect::Expression* out);

  // --- types (type_parser.cc)
  void data_type(spark::connect::DataType* out);
  void primitive_type(spark::connect::DataType* out);
  void interval_type(spark::connect::DataType* out, size_t start);
  void column_type_list(spark::connect::DataType::Struct* out);
  void column_type(spark::connect::DataType::StructField* out, bool complex);
  void close_type();
  std::string collate_clause();

  // --- queries (query_parser.cc, relation_parser.cc, pipe_parser.cc)
  bool at_query(size_t k = 0) const;         // could a query start at this token?
  bool paren_is_query(size_t k = 0);         // the '(' k tokens ahead opens a query, not an expression or relation
  RelPtr query();
  RelPtr query_body();                       // queryTerm queryOrganization, subqueries attached
  RelPtr query_term(int min_precedence);
  RelPtr query_primary();
  RelPtr query_specification();
  RelPtr from_statement();
  RelPtr from_statement_body(const spark::connect::Relation& from);
  RelPtr transform_body(RelPtr from, bool from_statement);
  struct Select;
  void select_clause(Select* out);
  RelPtr select_tail(Select select, RelPtr from, bool pipe);
  void lateral_views(RelPtr* input);
  RelPtr lateral_view(RelPtr input);
  RelPtr where_clause(RelPtr input);
  void aggregation_clause(SqlAggregate* out, bool named);
  void grouping_analytics(GroupingAnalytics* out);
  void grouping_set(GroupingAnalytics::Set* out);
  bool at_grouping_analytics() const;
  void hints(std::vector<std::pair<std::string, ExprList>>* out);
  RelPtr window_clause(RelPtr input);
  void window_definitions(WithWindows* out);
  RelPtr query_organization(RelPtr input, bool pipe);
  bool at_query_organization() const;
  bool at_window_clause() const;
  bool at_set_operator() const;
  void ctes(With* out);
  RelPtr with_ctes(With with, RelPtr root);
  RelPtr attach_subqueries(RelPtr rel, size_t mark);
  RelPtr inline_table();
  RelPtr table_statement();

  RelPtr from_clause();
  RelPtr relation_primary();
  RelPtr relation_extensions(RelPtr left);
  RelPtr join_relation(RelPtr left);
  bool at_join(size_t k = 0) const;
  RelPtr nearest_by(RelPtr left, RelPtr right, spark::connect::Join::JoinType type, bool lateral, size_t start);
  RelPtr pivot_clause(RelPtr input);
  RelPtr unpivot_clause(RelPtr input);
  RelPtr sample(RelPtr input);
  RelPtr watermark_clause(RelPtr input);
  RelPtr table_alias(RelPtr input, size_t start);
  std::optional<std::string> table_alias_name();
  RelPtr stream_relation();
  RelPtr table_name();
  RelPtr named_table(const Name& name, const std::map<std::string, std::string>& options, bool streaming);
  RelPtr time_travel(RelPtr input);
  bool at_temporal() const;
  RelPtr table_function(bool streaming);
  ExprPtr table_function_argument();
  ExprPtr table_subquery_argument();
  bool at_table_function(size_t k = 0);
  void changes_clause(Changes* out, bool streaming);
  std::string version();
  std::map<std::string, std::string> options_clause();
  RelPtr pipe_operator(RelPtr left);
  RelPtr pipe_select(RelPtr left);
  RelPtr put_input(RelPtr outer, RelPtr input);
  void check_fraction(double fraction, size_t start) const;
  RelPtr pipe_aggregate(RelPtr left, size_t start);
  RelPtr set_operation(RelPtr left, RelPtr right, TokenType op, bool all, size_t start);
  bool at_pipe() const;

  // --- statements
  void statement(spark::connect::Plan* out);            // statement_parser.cc
  void dml_or_query(spark::connect::Plan* out);
  void finish_statement(Statement* s, size_t start, size_t mark, spark::connect::Plan* out);
  bool from_has_insert();
  void plan_of_query(spark::connect::Plan* out, RelPtr r, size_t start);
  // ddl_parser.cc
  void create(Statement* out);
  void create_namespace(Statement* out);
  void create_table(Statement* out);
  void create_table_clauses(CreateTable* out, size_t start);
  void create_table_like(Statement* out, Name name, bool if_not_exists, size_t start);
  bool clone_table(Statement* out, const CreateTable& header, size_t start);
  void create_view(Statement* out);
  void create_function(Statement* out);
  void check_temporary_name(const Name& name, const char* object, size_t start) const;
  void create_sql_function(Statement* out, Name name, bool temporary, bool or_replace, bool if_not_exists, size_t start);
  void create_index(Statement* out);
  void create_pipeline_dataset(Statement* out);
  void drop(Statement* out);
  void alter(Statement* out);                            // alter_parser.cc
  void alter_namespace(Statement* out);
  void alter_table(Statement* out);
  void alter_view(Statement* out);
  bool alter_partition_action(AlterTable* t, bool has_partition, const PartitionSpec& spec, size_t start);
  void alter_column(AlterTable* t, size_t start, bool change);
  void column_position(ColumnPosition* out);
  void qualified_columns(AlterTable::Columns* out, const char* alter_type);
  void qualified_column(ColumnDef* out, const char* alter_type);
  // ddl_clauses.cc
  void column_definition(ColumnDef* out, bool create);
  void table_element_list(CreateTable* out);
  void column_type_defs(google::protobuf::RepeatedPtrField<ColumnDef>* out);
  void generation(ColumnDef* out);
  void identity_spec(Identity* out, size_t start);
  bool at_table_constraint() const;
  void table_constraint(Constraint* out);
  void column_constraint(Constraint* out, const std::string& column);
  void constraint_body(Constraint* out, bool table);
  void constraint_characteristics(Constraint* out, size_t start);
  void expression_text(ExpressionText* out);
  void default_text(ExpressionText* out, const char* place);
  static std::string type_name_of(const spark::connect::DataType& t);
  void check_table_properties(const google::protobuf::RepeatedPtrField<Property>& list, size_t start);
  void check_namespace_properties(const google::protobuf::RepeatedPtrField<Property>& list, size_t start);
  void property_list(google::protobuf::RepeatedPtrField<Property>* out, bool expressions = false);
  std::string property_key(bool coalesce);
  // Values are required / forbidden, as most statements do.
  void property_key_values(google::protobuf::RepeatedPtrField<Property>* out);
  void property_keys(google::protobuf::RepeatedPtrField<std::string>* out);
  void partition_fields(CreateTable* out, size_t start);
  void bucket_spec(Bucketing* out);
  void row_format(RowFormat* out);
  void file_format(FileFormat* out);
  void partition_spec(PartitionSpec* out, bool values_required);
  std::string partition_text(const spark::connect::Expression& value, bool* null);
  void cluster_by_names(google::protobuf::RepeatedPtrField<Name>* out);
  std::string comment_spec();
  std::string location_spec();
  std::string collation_spec();
  void query_text(QueryText* out);
  CreateView::SchemaMode schema_binding();
  // utility_parser.cc
  void use(Statement* out);
  void set(Statement* out);
  void set_configuration(Statement* out);
  void reset(Statement* out);
  void show(Statement* out);
  void describe(Statement* out);
  void comment_on(Statement* out);
  void refresh(Statement* out);
  void cache(Statement* out);
  void uncache(Statement* out);
  void clear(Statement* out);
  void load(Statement* out);
  void truncate(Statement* out);
  void repair(Statement* out);
  void analyze(Statement* out);
  void add_or_list(Statement* out);
  void explain(Statement* out);
  void call(Statement* out);
  void declare(Statement* out);
  void execute_immediate(Statement* out);
  void cursor(Statement* out);
  void unsupported(Statement* out);
  bool at_namespace(size_t k = 0) const { return at(kwDATABASE, k) || at(kwSCHEMA, k) || at(kwNAMESPACE, k); }
  bool at_variable(size_t k = 0) const { return at(kwVARIABLE, k) || at(kwVAR, k); }
  void set_variable(Statement* out);
  void assignment_list(google::protobuf::RepeatedPtrField<Assignment>* out);
  std::optional<std::string> like_pattern();
  // dml_parser.cc
  bool at_dml(size_t k = 0) const;
  void dml(Statement* out, With* with);
  void insert(Statement* out, With* with);
  void insert_into(Insert* out, InsertDirectory* directory, bool* is_directory, size_t* start);
  void multi_insert(Statement* out, With* with);
  void delete_from(Statement* out, With* with);
  void update(Statement* out, With* with);
  void merge(Statement* out, With* with);
  void merge_clauses(Merge* out, size_t start);
  std::optional<std::string> alias_without_columns(const char* operation);
  // delta_parser.cc
  void target(Target* out);
  void optimize(Statement* out);
  void vacuum(Statement* out);
  void restore(Statement* out);
  void generate_manifest(Statement* out);
  void convert(Statement* out);
  void reorg(Statement* out);
  bool describe_delta(Statement* out);
  // script_parser.cc
  struct ScriptScope;
  void script(Statement* out);
  void compound_body(Compound* out, ScriptScope* scope, bool declarations_allowed);
  void compound_statement(ScriptItem* out, ScriptScope* scope);
  void begin_end(Compound* out, ScriptScope* scope);
  void script_expression(ScriptExpression* out);
  void handler(ScriptItem::Handler* out, ScriptScope* scope);
  void condition(ScriptItem::Condition* out);
  void script_statement(ScriptItem::Statement* out);
  void if_statement(ScriptItem::If* out, ScriptScope* scope);
  void case_statement(ScriptItem::Case* out, ScriptScope* scope);
  void loop_statement(ScriptItem::Loop* out, ScriptScope* scope);
  bool at_body_end() const;
  void non_empty_body(Compound* out, ScriptScope* scope);
  std::string enter_label(ScriptScope* scope, const std::optional<std::string>& label, bool loop, size_t at_label);
  void leave_label(ScriptScope* scope, const std::string& name);
  void end_label(const std::optional<std::string>& begin, size_t at_label);
  bool declares_qualified_condition() const;
  [[noreturn]] void script_error(const char* condition, ErrorParams params, size_t start, size_t end) const;

  std::string text_;
  const ParseOptions& options_;
  std::vector<Token> tokens_;
  bool unclosed_comment_ = false;
  size_t pos_ = 0;
  int depth_ = 0;
  int statement_depth_ = 0;
  int64_t next_plan_id_ = -1;
  std::optional<SparkError> deferred_;
  std::optional<size_t> deferred_start_;  // of defer_to_end()
  bool primary_allows_lateral_ = false;  // the last relation_primary() may follow LATERAL
  bool regex_names_ = false;       // inside an element of a SELECT list: a quoted name may be a pattern
  bool no_in_ = false;             // inside POSITION(a IN b)
  bool in_script_ = false;
  bool raw_text_statement_ = false;  // SET and RESET of a setting: the rest is text, comments included
  size_t grouping_start_ = 0;      // of the GROUP BY being read
  std::vector<RelPtr> subqueries_;               // met and not yet attached to a WithRelations
  std::vector<std::vector<std::string>> lambdas_;  // names in scope, innermost last
  std::vector<size_t> paren_match_;              // lazily filled
};

// Marks an expression of |> SELECT, EXTEND or AGGREGATE, below its alias if it has one (pipe_parser.cc).
ExprPtr pipe_expression(ExprPtr e, const char* clause, bool aggregate);

struct DepthGuard {
  explicit DepthGuard(Parser* p);
  ~DepthGuard() { --parser->depth_; }
  Parser* parser;
};

// Literals (literal.cc). All return nothing when the text is no such value.
std::string unescape_string(std::string_view quoted, bool escaped_literals);
std::optional<int32_t> parse_date(std::string_view s);
struct TimestampParts {
  int segments[9];
  std::string zone;  // as written
  bool has_zone = false;
  bool time_only = false;
};
std::optional<TimestampParts> parse_timestamp(std::string_view s);
std::optional<int64_t> local_microseconds(const TimestampParts& p);
std::optional<int64_t> parse_time_nanos(std::string_view s);
// Seconds east of UTC for "Z", "UTC", "+01:00", "GMT+8" ...; nothing for regions and for what is no zone.
std::optional<int> fixed_zone_offset(std::string_view zone);
bool looks_like_region(std::string_view zone);
std::optional<std::string> parse_hex(std::string_view s);
// Year-month and day-time strings between two fields: "1-2", "1 02:03:04.5" (interval_literal.cc). Throw INVALID_INTERVAL_FORMAT.*.
int32_t parse_year_month(const std::string& s, int from, int to);
int64_t parse_day_time(const std::string& s, int from, int to);

}  // namespace tarn::sql
