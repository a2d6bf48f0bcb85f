// Name resolution, typing and the checks of CheckAnalysis, on SQL over three small views and on messages with plan ids. The expected
// side of the tables below was made by Apache Spark 4.2 over the same views.
#include "plan/analyzer.h"

#include <doctest/doctest.h>
#include <spark/connect/base.pb.h>
#include <unistd.h>

#include <filesystem>

#include "base/spark_error.h"
#include "catalog/catalog.h"
#include "plan/session_conf.h"
#include "sql/parser.h"

using namespace tarn::plan;
namespace sc = spark::connect;

namespace {

class NoSources : public SourceResolver {
 public:
  std::shared_ptr<const Relation> load(const std::string& format, const std::vector<std::string>&, const std::vector<std::pair<std::string, std::string>>&,
                                       const std::optional<DataType>&) override {
    throw tarn::analysis_error("DATA_SOURCE_NOT_FOUND", {{"provider", format}});
  }
  std::shared_ptr<const Relation> load_table(const tarn::catalog::TableInfo&, const std::vector<std::pair<std::string, std::string>>&) override {
    throw tarn::internal_error("no tables here");
  }
};

// The views of the recorder.
constexpr const char* kViews[][2] = {
    {"t", "select * from values (1, 'x', 1.5D, named_struct('x', 1, 'y', array(1, 2)), map('k', 1)) as v(a, b, c, s, m)"},
    {"u", "select * from values (1, 'p', 10L), (2, 'q', 20L) as v(a, d, e)"},
    {"d", "select id, cast(id as decimal(10, 2)) as p, date '2024-01-01' as day, timestamp_ntz '2024-01-01 00:00:00' as at from range(3)"},
};

struct Session {
  std::filesystem::path home = std::filesystem::temp_directory_path() / ("tarn-analyzer-test-" + std::to_string(::getpid()));
  SessionConf conf;
  SessionState state;
  GlobalViews globals;
  tarn::catalog::Catalog catalog;
  NoSources sources;
  AnalyzerContext context{conf, state, globals, catalog, sources, {}, {}, "tester"};

  Session() : catalog((std::filesystem::create_directories(home), (home / "catalog.db").string()), (home / "warehouse").string()) {
    conf.set("spark.sql.session.timeZone", "America/Los_Angeles");
    for (const auto& [name, sql] : kViews) state.temp_views[name] = TempView{analyze(parse(sql), context), sql, "", {}};
  }
  ~Session() {
    std::error_code ignored;
    std::filesystem::remove_all(home, ignored);
  }

  static sc::Relation parse(const std::string& sql) {
    auto plan = tarn::sql::parse_statement(sql);
    REQUIRE_MESSAGE(plan.has_root(), sql);
    return plan.root();
  }
  // "a int not null, b string": what the query returns.
  static std::string columns(const LogicalPlan& plan) {
    std::string out;
    for (const auto& a : plan.output) out += (out.empty() ? "" : ", ") + a.name + " " + a.type.catalog_string() + (a.nullable ? "" : " not null");
    return out;
  }
  std::string columns(const sc::Relation& r) { return columns(*analyze(r, context)); }
};

std::string error_of(Session& s, const sc::Relation& r) {
  try {
    s.columns(r);
  } catch (const tarn::SparkError& e) {
    return e.condition();
  }
  return "";
}

struct Answer {
  const char* sql;
  const char* columns;
};
struct Failure {
  const char* sql;
  const char* condition;
  std::vector<std::pair<std::string, std::string>> parameters;
};

void check(const std::vector<Answer>& list) {
  Session s;
  for (const auto& [sql, expected] : list) {
    CAPTURE(sql);
    std::string got;
    try {
      got = s.columns(Session::parse(sql));
    } catch (const tarn::SparkError& e) {
      got = e.condition() + ": " + e.what();
    }
    CHECK(got == expected);
  }
}

void check(const std::vector<Failure>& list) {
  Session s;
  for (const auto& f : list) {
    CAPTURE(f.sql);
    try {
      auto got = s.columns(Session::parse(f.sql));
      CHECK_MESSAGE(false, "no error but " << got);
    } catch (const tarn::SparkError& e) {
      CHECK(e.condition() == f.condition);
      for (const auto& [name, value] : f.parameters) {
        CAPTURE(name);
        auto it = e.params().find(name);
        CHECK((it == e.params().end() ? "(none)" : it->second) == value);
      }
    }
  }
}

sc::Relation with_id(sc::Relation r, int64_t id) {
  r.mutable_common()->set_plan_id(id);
  return r;
}

sc::Expression column(const std::string& name, std::optional<int64_t> plan_id = std::nullopt) {
  sc::Expression e;
  e.mutable_unresolved_attribute()->set_unparsed_identifier(name);
  if (plan_id) e.mutable_unresolved_attribute()->set_plan_id(*plan_id);
  return e;
}

sc::Expression equal(const sc::Expression& a, const sc::Expression& b) {
  sc::Expression e;
  e.mutable_unresolved_function()->set_function_name("==");
  *e.mutable_unresolved_function()->add_arguments() = a;
  *e.mutable_unresolved_function()->add_arguments() = b;
  return e;
}

sc::Relation select(const sc::Relation& input, const std::vector<sc::Expression>& list) {
  sc::Relation r;
  *r.mutable_project()->mutable_input() = input;
  for (const auto& e : list) *r.mutable_project()->add_expressions() = e;
  return r;
}

sc::Relation join(const sc::Relation& left, const sc::Relation& right, const sc::Expression& condition) {
  sc::Relation r;
  *r.mutable_join()->mutable_left() = left;
  *r.mutable_join()->mutable_right() = right;
  *r.mutable_join()->mutable_join_condition() = condition;
  r.mutable_join()->set_join_type(sc::Join::JOIN_TYPE_INNER);
  return r;
}

}  // namespace

TEST_CASE("a column of a DataFrame is found by its plan id, under other operators too") {
  Session s;
  auto u = with_id(Session::parse("select * from u"), 1);
  auto t = with_id(Session::parse("select * from t"), 2);
  CHECK(s.columns(select(u, {column("a", 1), column("d")})) == "a int not null, d string not null");
  auto joined = join(u, t, equal(column("a", 1), column("a", 2)));
  CHECK(s.columns(select(joined, {column("a", 2), column("b", 2), column("e", 1)})) == "a int not null, b string not null, e bigint not null");
  // df.select("d").orderBy(df.e): the column is further down.
  sc::Relation sorted;
  *sorted.mutable_sort()->mutable_input() = select(u, {column("d")});
  *sorted.mutable_sort()->add_order()->mutable_child() = column("e", 1);
  sorted.mutable_sort()->set_is_global(true);
  CHECK(s.columns(sorted) == "d string not null");
}

TEST_CASE("a self join needs to say which side a column is of") {
  Session s;
  auto u = with_id(Session::parse("select * from u"), 1);
  CHECK(error_of(s, join(u, u, equal(column("a", 1), column("a", 1)))) == "AMBIGUOUS_COLUMN_REFERENCE");
  auto again = with_id(Session::parse("select * from u"), 2);
  auto joined = join(u, again, equal(column("a", 1), column("a", 2)));
  CHECK(s.columns(joined) == "a int not null, d string not null, e bigint not null, a int not null, d string not null, e bigint not null");
  CHECK(error_of(s, select(joined, {column("a")})) == "AMBIGUOUS_REFERENCE");
  auto plan = analyze(joined, s.context);
  CHECK(plan->output[0].id != plan->output[3].id);
}

TEST_CASE("a column of a DataFrame that is not there is an error of its own") {
  Session s;
  auto u = with_id(Session::parse("select * from u"), 1);
  CHECK(error_of(s, select(u, {column("a", 7)})) == "CANNOT_RESOLVE_DATAFRAME_COLUMN");
  CHECK(error_of(s, select(u, {column("nope", 1)})) == "UNRESOLVED_COLUMN.WITH_SUGGESTION");
}

TEST_CASE("every column of a plan has an id of its own, also when one is selected twice") {
  Session s;
  auto plan = analyze(Session::parse("select a, a from u"), s.context);
  CHECK(plan->output[0].id != plan->output[1].id);
  CHECK(Session::columns(*analyze(Session::parse("select a from (select a, a from u) q"), s.context)) == "a int not null");
}

// ---- made by Apache Spark 4.2 over the views above

TEST_CASE("names resolve to columns, hidden keys of USING and fields") {
  check(std::vector<Answer>{
      {"select a, t.b from t",
       "a int not null, b string not null"},
      {"select A, `B` as x from t",
       "A int not null, x string not null"},
      {"select t.s.x, s.y[0], s.y from t",
       "x int not null, s.y[0] int, y array<int> not null"},
      {"select m.k, m['k'] from t",
       "k int, m[k] int"},
      {"select t.a, u.a from t join u on t.a = u.a",
       "a int not null, a int not null"},
      {"select a, t.a, u.a from t join u using (a)",
       "a int not null, a int not null, a int not null"},
      {"select * from t natural join u",
       "a int not null, b string not null, c double not null, s struct<x:int,y:array<int>> not null, m map<string,int> not null, d string not null, e bigint not null"},
      {"select t.*, u.* from t join u using (a)",
       "a int not null, b string not null, c double not null, s struct<x:int,y:array<int>> not null, m map<string,int> not null, a int not null, d string not null, e bigint not null"},
      {"select * from t right join u using (a)",
       "a int not null, b string, c double, s struct<x:int,y:array<int>>, m map<string,int>, d string not null, e bigint not null"},
      {"select * from t full join u using (a)",
       "a int, b string, c double, s struct<x:int,y:array<int>>, m map<string,int>, d string, e bigint"},
      {"select x.a, y.a from u x join u y on x.a = y.a",
       "a int not null, a int not null"},
      {"select a from (select a from t) q",
       "a int not null"},
      {"select (select max(e) from u where u.a = t.a) from t",
       "scalarsubquery(a) bigint"},
      {"select (select a from u where a = 1) from t",
       "scalarsubquery() int"},
      {"select a from t where exists (select 1 from u where u.a = t.a and d = b)",
       "a int not null"},
      {"select 1 from u where a in (select a from t)",
       "1 int not null"},
  });
}

TEST_CASE("errors: names resolve to columns, hidden keys of USING and fields") {
  check(std::vector<Failure>{
      {"select s.x.z from t", "INVALID_EXTRACT_BASE_FIELD_TYPE", {{"base", R"~("s.x")~"}, {"other", R"~("INT")~"}}},
      {"select a from t join u on t.a = u.a", "AMBIGUOUS_REFERENCE", {{"name", "`a`"}, {"referenceNames", "[`t`.`a`, `u`.`a`]"}}},
      {"select nope from t", "UNRESOLVED_COLUMN.WITH_SUGGESTION", {{"objectName", "`nope`"}, {"proposal", "`a`, `b`, `c`, `m`, `s`"}}},
      {"select t.nope from t", "UNRESOLVED_COLUMN.WITH_SUGGESTION", {{"objectName", "`t`.`nope`"}, {"proposal", "`t`.`a`, `t`.`b`, `t`.`c`, `t`.`m`, `t`.`s`"}}},
      {"select v.a from t", "UNRESOLVED_COLUMN.WITH_SUGGESTION", {{"objectName", "`v`.`a`"}, {"proposal", "`t`.`a`, `t`.`b`, `t`.`c`, `t`.`m`, `t`.`s`"}}},
      {"select s.nope from t", "FIELD_NOT_FOUND", {{"fieldName", "`nope`"}, {"fields", "`x`, `y`"}}},
      {"select a.b from t", "INVALID_EXTRACT_BASE_FIELD_TYPE", {{"base", R"~("a")~"}, {"other", R"~("INT")~"}}},
      {"select t.a from (select a from t) q", "UNRESOLVED_COLUMN.WITH_SUGGESTION", {{"objectName", "`t`.`a`"}, {"proposal", "`q`.`a`"}}},
  });
}

TEST_CASE("a star stands for the columns in scope") {
  check(std::vector<Answer>{
      {"select * from t",
       "a int not null, b string not null, c double not null, s struct<x:int,y:array<int>> not null, m map<string,int> not null"},
      {"select t.* from t join u on t.a = u.a",
       "a int not null, b string not null, c double not null, s struct<x:int,y:array<int>> not null, m map<string,int> not null"},
      {"select s.* from t",
       "x int not null, y array<int> not null"},
      {"select * except (s, m) from t",
       "a int not null, b string not null, c double not null"},
      {"select count(*) from t",
       "count(1) bigint not null"},
      {"select struct(*) from u",
       "struct(a, d, e) struct<a:int,d:string,e:bigint> not null"},
      {"select * from t, u where t.a = u.a",
       "a int not null, b string not null, c double not null, s struct<x:int,y:array<int>> not null, m map<string,int> not null, a int not null, d string not null, e bigint not null"},
  });
}

TEST_CASE("errors: a star stands for the columns in scope") {
  check(std::vector<Failure>{
      {"select x.* from t", "CANNOT_RESOLVE_STAR_EXPAND", {{"targetString", "`x`"}, {"columns", "`a`, `b`, `c`, `m`, `s`"}}},
      {"select * except (nope) from t", "UNRESOLVED_COLUMN.WITH_SUGGESTION", {{"objectName", "`nope`"}, {"proposal", "`a`, `b`, `c`, `s`, `m`"}}},
      {"select count(t.*) from t", "INVALID_USAGE_OF_STAR_WITH_TABLE_IDENTIFIER_IN_COUNT", {{"tableName", "`t`"}}},
  });
}

TEST_CASE("an element of a SELECT list sees the aliases before it") {
  check(std::vector<Answer>{
      {"select a + 1 as b1, b1 * 2 as c1 from t",
       "b1 int not null, c1 int not null"},
      {"select a as x, x + 1, x || 'z' from t",
       "x int not null, (lateralAliasReference(x) + 1) int not null, concat(lateralAliasReference(x), z) string not null"},
      {"select a as b, b from t",
       "b int not null, b string not null"},
      {"select sum(a) as total, total + 1 from t",
       "total bigint, (lateralAliasReference(total) + 1) bigint"},
  });
}

TEST_CASE("errors: an element of a SELECT list sees the aliases before it") {
  check(std::vector<Failure>{
      {"select a as x, b as x, x from t", "AMBIGUOUS_LATERAL_COLUMN_ALIAS", {{"name", "`x`"}, {"n", "2"}}},
      {"select a as x, sum(x) over (order by x) from t", "UNSUPPORTED_FEATURE.LATERAL_COLUMN_ALIAS_IN_WINDOW", {{"lca", "`x`"}, {"windowExpr", R"~("sum(lateralAliasReference(x)) OVER (ORDER BY lateralAliasReference(x) ASC NULLS FIRST unspecifiedframe$())")~"}}},
      {"select a as x, count(x) from t group by a", "UNSUPPORTED_FEATURE.LATERAL_COLUMN_ALIAS_IN_AGGREGATE_FUNC", {{"lca", "`x`"}, {"aggFunc", R"~("count(lateralAliasReference(x))")~"}}},
  });
}

TEST_CASE("operands meet in one type") {
  check(std::vector<Answer>{
      {"select 1 + 1.5, 1 + 1L, 2 / 3, 5 div 2, 7 % 3 from t",
       "(1 + 1.5) decimal(3,1), (1 + 1) bigint not null, (2 / 3) double, (5 div 2) bigint, (7 % 3) int"},
      {"select a = '1', a in (1, 2L), c > a from t",
       "(a = 1) boolean, (a IN (1, 2)) boolean not null, (c > a) boolean not null"},
      {"select coalesce(a, c), if(true, a, e) from t join u using (a)",
       "coalesce(a, c) double not null, (IF(true, a, e)) bigint not null"},
      {"select p + 1, p * p, p / 3, p - 0.5 from d",
       "(p + 1) decimal(11,2), (p * p) decimal(21,4), (p / 3) decimal(14,6), (p - 0.5) decimal(11,2)"},
      {"select day + 1, day + interval 1 day, at - at, day - day from d",
       "date_add(day, 1) date not null, date_add(day, extractansiintervaldays(INTERVAL '1' DAY)) date not null, (at - at) interval day to second not null, (day - day) interval day not null"},
      {"select case when a > 1 then 1 else 1.5 end from t",
       "CASE WHEN (a > 1) THEN 1 ELSE 1.5 END decimal(11,1) not null"},
      {"select a from u union all select c from t",
       "a double not null"},
      {"select b from t union select 1",
       "b bigint"},
      {"select array(1, 2L, 1.5), map(1, 'a', 2L, 'b') from t",
       "array(1, 2, 1.5) array<decimal(21,1)> not null, map(1, a, 2, b) map<bigint,string> not null"},
      {"select 'a' || 1, concat(b, 2), upper(b) from t",
       "concat(a, 1) string not null, concat(b, 2) string not null, upper(b) string not null"},
      {"select cast(a as string), cast('1' as int), a :: double from t",
       "a string not null, CAST(1 AS INT) int, a double not null"},
      {"select * from values (1, 'a'), (2L, null) v(x, y)",
       "x bigint not null, y string"},
      {"select sum(a), avg(a), min(b), max(c), sum(p), avg(p) from t, d",
       "sum(a) bigint, avg(a) double, min(b) string, max(c) double, sum(p) decimal(20,2), avg(p) decimal(14,6)"},
      {"select -a, +a, ~a, not true, a is null from t",
       "(- a) int not null, (+ a) int not null, ~a int not null, (NOT true) boolean not null, (a IS NULL) boolean not null"},
  });
}

TEST_CASE("a column without alias is called by its text") {
  check(std::vector<Answer>{
      {"select a + b from t",
       "(a + b) bigint"},
      {"select count(1), count(distinct a), sum(distinct a), first(a, true) from t",
       "count(1) bigint not null, count(DISTINCT a) bigint not null, sum(DISTINCT a) bigint, first(a) int"},
      {"select count(a) filter (where a > 1) from t",
       "count(a) FILTER (WHERE (a > 1)) bigint not null"},
      {"select row_number() over (partition by a order by b desc), rank() over (order by a) from t",
       "row_number() OVER (PARTITION BY a ORDER BY b DESC NULLS LAST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) int not null, RANK() OVER (ORDER BY a ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) int not null"},
      {"select sum(a) over (order by a rows between 1 preceding and current row) from t",
       "sum(a) OVER (ORDER BY a ASC NULLS FIRST ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) bigint"},
      {"select lag(a) over (order by a), lead(a, 2, 0) over (order by a nulls last) from t",
       "lag(a, 1, NULL) OVER (ORDER BY a ASC NULLS FIRST ROWS BETWEEN -1 FOLLOWING AND -1 FOLLOWING) int, lead(a, 2, 0) OVER (ORDER BY a ASC NULLS LAST ROWS BETWEEN 2 FOLLOWING AND 2 FOLLOWING) int not null"},
      {"select case a when 1 then 'x' end, a between 1 and 2, b like 'x%', a <=> 1 from t",
       "CASE WHEN (a = 1) THEN x END string, between(a, 1, 2) boolean not null, b LIKE x% boolean not null, (a <=> 1) boolean not null"},
      {"select explode(s.y), a from t",
       "col int not null, a int not null"},
      {"select posexplode(s.y) as (i, v) from t",
       "i int not null, v int not null"},
      {"select transform(s.y, x -> x + 1), filter(s.y, e -> e > 0), aggregate(s.y, 0, (acc, x) -> acc + x) from t",
       "transform(s.y, lambdafunction((namedlambdavariable() + 1), namedlambdavariable())) array<int> not null, filter(s.y, lambdafunction((namedlambdavariable() > 0), namedlambdavariable())) array<int> not null, aggregate(s.y, 0, lambdafunction((namedlambdavariable() + namedlambdavariable()), namedlambdavariable(), namedlambdavariable()), lambdafunction(namedlambdavariable(), namedlambdavariable())) int"},
      {"select date '2024-01-01', timestamp_ntz '2024-01-01 00:00:00', interval 1 month, x'1f', 1.0, 1e0, 'it''s' from t",
       "DATE '2024-01-01' date not null, TIMESTAMP_NTZ '2024-01-01 00:00:00' timestamp_ntz not null, INTERVAL '1' MONTH interval month not null, X'1F' binary not null, 1.0 decimal(2,1) not null, 1.0 double not null, it's string not null"},
      {"select current_date is null, substring(b, 1, 2), trim(b), extract(year from day) from t, d",
       "(current_date() IS NULL) boolean not null, substring(b, 1, 2) string not null, trim(b) string not null, extract(year FROM day) int not null"},
      {"select named_struct('x', 1).x, array(1)[0], map('a', 1)['a'] from t",
       "named_struct(x, 1).x int not null, array(1)[0] int not null, map(a, 1)[a] int"},
      {"select a, b, sum(c) from t group by a, b",
       "a int not null, b string not null, sum(c) double"},
      {"select a + 1, count(*) from t group by a + 1",
       "(a + 1) int not null, count(1) bigint not null"},
      {"select a k, count(*) n from t group by k having n > 1 order by n desc",
       "k int not null, n bigint not null"},
      {"select a, grouping(a), grouping_id() from t group by rollup (a, b)",
       "a int, grouping(a) tinyint not null, grouping_id() bigint not null"},
      {"select * from u pivot (sum(e) for a in (1 as one, 2))",
       "d string not null, one bigint, 2 bigint"},
      {"select * from (select a, e from u) unpivot (v for n in (a, e))",
       "n string not null, v bigint not null"},
  });
}

TEST_CASE("what looks wrong and is not") {
  check(std::vector<Answer>{
      {"select explode(s.y), explode(s.y) from t",
       "col int not null, col int not null"},
      {"select w.x from t, lateral (select t.a + 1 as x) w",
       "x int not null"},
  });
}

TEST_CASE("what is wrong is said by condition and parameters") {
  check(std::vector<Failure>{
      {"select a, sum(c) from t", "MISSING_GROUP_BY", {}},
      {"select a, b from t group by a", "MISSING_AGGREGATION", {{"expression", R"~("b")~"}, {"expressionAnyValue", R"~("any_value(b)")~"}}},
      {"select a from t group by sum(c)", "GROUP_BY_AGGREGATE", {{"sqlExpr", "sum(t.c)"}}},
      {"select sum(sum(a)) from t", "NESTED_AGGREGATE_FUNCTION", {}},
      {"select a from t where sum(a) > 1", "INVALID_WHERE_CONDITION", {{"condition", R"~("(sum(a) > 1)")~"}, {"expressionList", "sum(t.a)"}}},
      {"select a from t where row_number() over (order by a) = 1", "WINDOW_FUNCTION_NOT_ALLOWED_IN_CLAUSE", {{"clauseName", "WHERE"}}},
      {"select row_number() from t", "WINDOW_FUNCTION_WITHOUT_OVER_CLAUSE", {{"funcName", R"~("row_number()")~"}}},
      {"select rank() over (partition by a) from t", "WINDOW_FUNCTION_FRAME_NOT_ORDERED", {{"wf_name", "rank"}, {"wf_expr", "RANK()"}}},
      {"select explode(s.y) + 1 from t", "UNSUPPORTED_GENERATOR.NESTED_IN_EXPRESSIONS", {{"expression", R"~("(explode(s.y) + 1)")~"}}},
      {"select nofunc(a) from t", "UNRESOLVED_ROUTINE", {{"routineName", "`nofunc`"}, {"searchPath", "[`system`.`builtin`, `system`.`session`, `spark_catalog`.`default`]"}}},
      {"select upper(a, b) from t", "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", {{"functionName", "`upper`"}, {"expectedNum", "1"}, {"actualNum", "2"}, {"docroot", "https://spark.apache.org/docs/latest"}}},
      {"select a + array(1) from t", "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES", {{"left", R"~("INT")~"}, {"right", R"~("ARRAY<INT>")~"}, {"sqlExpr", R"~("(a + array(1))")~"}}},
      {"select s + 1 from t", "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES", {{"left", R"~("STRUCT<x: INT NOT NULL, y: ARRAY<INT> NOT NULL>")~"}, {"right", R"~("INT")~"}, {"sqlExpr", R"~("(s + 1)")~"}}},
      {"select * from nosuch", "TABLE_OR_VIEW_NOT_FOUND", {{"relationName", "`nosuch`"}, {"searchPath", "[`system`.`builtin`, `system`.`session`, `spark_catalog`.`default`]"}}},
      {"select a from t union select a, d from u", "NUM_COLUMNS_MISMATCH", {{"operator", "UNION"}, {"firstNumColumns", "1"}, {"invalidOrdinalNum", "second"}, {"invalidNumColumns", "2"}}},
      {"select a from t order by 3", "ORDER_BY_POS_OUT_OF_RANGE", {{"index", "3"}, {"size", "1"}}},
      {"select a from t group by 3", "GROUP_BY_POS_OUT_OF_RANGE", {{"index", "3"}, {"size", "1"}}},
      {"select a from t limit a", "INVALID_LIMIT_LIKE_EXPRESSION.IS_UNFOLDABLE", {{"name", "limit"}, {"expr", R"~("a")~"}}},
      {"select a from t limit -1", "INVALID_LIMIT_LIKE_EXPRESSION.IS_NEGATIVE", {{"name", "limit"}, {"expr", R"~("-1")~"}, {"v", "-1"}}},
      {"select (select a, d from u) from t", "INVALID_SUBQUERY_EXPRESSION.SCALAR_SUBQUERY_RETURN_MORE_THAN_ONE_OUTPUT_COLUMN", {{"number", "2"}}},
      {"select a from t where b", "DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN", {{"sqlExpr", R"~("b")~"}, {"filter", R"~("b")~"}, {"type", R"~("STRING")~"}}},
      {"select a from t join u on 1", "JOIN_CONDITION_IS_NOT_BOOLEAN_TYPE", {{"joinCondition", R"~("1")~"}, {"conditionType", R"~("INT")~"}}},
      {"select cast(s as int) from t", "DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION", {{"srcType", R"~("STRUCT<x: INT NOT NULL, y: ARRAY<INT> NOT NULL>")~"}, {"targetType", R"~("INT")~"}, {"sqlExpr", R"~("CAST(s AS INT)")~"}}},
      {"select cast(array(1) as map<int, int>) from t", "DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION", {{"srcType", R"~("ARRAY<INT>")~"}, {"targetType", R"~("MAP<INT, INT>")~"}}},
      {"select if(a, 1, 2) from t", "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", {{"sqlExpr", R"~("(IF(a, 1, 2))")~"}, {"paramIndex", "first"}, {"inputSql", R"~("a")~"}, {"inputType", R"~("INT")~"}, {"requiredType", R"~("BOOLEAN")~"}}},
      {"select a from t having a > 1", "MISSING_GROUP_BY", {}},
      {"select a from t qualify a > 1", "QUALIFY_REQUIRES_WINDOW_FUNCTION", {}},
      {"select * from t join u using (nope)", "UNRESOLVED_USING_COLUMN_FOR_JOIN", {{"colName", "`nope`"}, {"side", "left"}, {"suggestion", "`a`, `b`, `c`, `m`, `s`"}}},
      {"select a as x, x.y from t", "INVALID_EXTRACT_BASE_FIELD_TYPE", {{"base", R"~("x")~"}, {"other", R"~("INT")~"}}},
      {"select max(a) over () from t group by b", "MISSING_AGGREGATION", {{"expression", R"~("a")~"}, {"expressionAnyValue", R"~("any_value(a)")~"}}},
      {"select count(*) from t where exists (select 1 from u where sum(t.a) = 1)", "INVALID_WHERE_CONDITION", {{"condition", R"~("(sum(outer(t.a)) = 1)")~"}, {"expressionList", "sum(outer(t.a))"}}},
      {"select lambda(x -> x) from t", "UNRESOLVED_ROUTINE", {{"routineName", "`lambda`"}, {"searchPath", "[`system`.`builtin`, `system`.`session`, `spark_catalog`.`default`]"}}},
      {"select a from t lateral view explode(a) e as v", "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", {{"sqlExpr", R"~("explode(a)")~"}, {"paramIndex", "first"}, {"inputSql", R"~("a")~"}, {"inputType", R"~("INT")~"}, {"requiredType", R"~(("ARRAY" or "MAP"))~"}}},
      {"select v.* from t lateral view explode(s.y) e as v", "_LEGACY_ERROR_TEMP_1050", {{"attributes", "List(v)"}}},
  });
}
