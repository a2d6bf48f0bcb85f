// Expected trees follow Spark's AstBuilder.
#include <doctest/doctest.h>

#include "base/spark_error.h"
#include "sql/parser.h"
#include "sql/show_tree.h"

using tarn::SparkError;
using tarn::sql::ParseOptions;
using tarn::sql::testing::show;

namespace {
std::string query(std::string_view sql, const ParseOptions& options = {}) { return show(tarn::sql::parse_query(sql, options)); }
std::string condition(std::string_view sql, const ParseOptions& options = {}) {
  try {
    tarn::sql::parse_statement(sql, options);
  } catch (const SparkError& e) {
    return e.condition();
  }
  return "OK";
}
}  // namespace

TEST_CASE("select blocks") {
  CHECK(query("SELECT 1") == "project [1] (one_row)");
  CHECK(query("SELECT a, b AS c FROM t WHERE a > 1") == "project [a, b as c] (filter >(a, 1) (t))");
  CHECK(query("SELECT DISTINCT a FROM db.t x") == "distinct (project [a] (x: (db.t)))");
  CHECK(query("SELECT t.*, * EXCEPT (a, b.c) FROM t") == "project [t.*, * except (a, b.c)] (t)");
  CHECK(query("SELECT a, sum(b) FROM t GROUP BY a HAVING sum(b) > 1 ORDER BY 2 DESC LIMIT 3 OFFSET 1") ==
        "limit 3 (offset 1 (sort [2 desc last] (having >(sum(b), 1) (aggregate [a] [a, sum(b)] (t)))))");
  CHECK(query("SELECT count(*) FROM t HAVING count(*) > 1") == "having >(count(1), 1) (aggregate [] [count(1)] (t))");
  CHECK(query("SELECT a FROM t GROUP BY ALL") == "aggregate [ALL ALL] [a] (t)");
  CHECK(query("SELECT a FROM t GROUP BY a, CUBE(b, (c, d))") == "aggregate [a, cube((b), (c, d))] [a] (t)");
  CHECK(query("SELECT a FROM t GROUP BY a, b WITH ROLLUP") == "aggregate [rollup((a), (b))] [a] (t)");
  CHECK(query("SELECT a FROM t GROUP BY a, b GROUPING SETS ((a), ())") == "aggregate [sets((a), ()) of a, b] [a] (t)");
  CHECK(query("SELECT a FROM t GROUP BY GROUPING SETS (ROLLUP(a), b)") == "aggregate [sets(rollup((a)), (b))] [a] (t)");
  CHECK(query("SELECT /*+ BROADCAST(t), COALESCE(3) */ * FROM t") == "hint BROADCAST(t) (hint COALESCE(3) (project [*] (t)))");
  CHECK(query("SELECT sum(a) OVER w FROM t WINDOW w AS (PARTITION BY b)") == "windows w = by [b] (project [sum(a) over w] (t))");
  CHECK(query("SELECT a FROM t QUALIFY row_number() OVER (ORDER BY a) = 1") == "qualify ==(row_number() over order [a], 1) (project [a] (t))");
  CHECK(query("SELECT a FROM t DISTRIBUTE BY a SORT BY b") == "sort local [b] (repartition [a] (project [a] (t)))");
  CHECK(query("SELECT a FROM t LIMIT ALL") == "limit all (project [a] (t))");
  CHECK(query("SELECT a FROM t LIMIT 1 + 1") == "limit +(1, 1) (project [a] (t))");
  CHECK(query("FROM t SELECT a WHERE b") == "project [a] (filter b (t))");
  CHECK(query("TABLE t") == "t");
  CHECK(query("VALUES (1, 'a'), (2, 'b') AS x(id, s)") == "x: (values (1, 'a') (2, 'b') as id s)");
  CHECK(query("VALUES 1, 2") == "values (1) (2) as col1");
  CHECK(condition("VALUES (1, 2), (3)") == "INVALID_INLINE_TABLE.NUM_COLUMNS_MISMATCH");
  CHECK(condition("SELECT a FROM t ORDER BY a SORT BY b") == "UNSUPPORTED_FEATURE.COMBINATION_QUERY_RESULT_CLAUSES");
  CHECK(condition("SELECT a FROM t WINDOW w AS w2") == "INVALID_SQL_SYNTAX.UNRESOLVED_WINDOW_REFERENCE");
}

TEST_CASE("set operations: INTERSECT binds tighter, the others from the left") {
  CHECK(query("TABLE a UNION TABLE b INTERSECT TABLE c") == "union(a, intersect(b, c))");
  CHECK(query("TABLE a EXCEPT TABLE b UNION ALL TABLE c") == "union all(except(a, b), c)");
  CHECK(query("(TABLE a UNION ALL TABLE b) MINUS TABLE c ORDER BY 1") == "sort [1] (except(union all(a, b), c))");
  CHECK(query("((SELECT 1) UNION (SELECT 2))") == "union(project [1] (one_row), project [2] (one_row))");
}

TEST_CASE("joins") {
  CHECK(query("SELECT * FROM a JOIN b ON a.x = b.x LEFT JOIN c USING (y)") == "project [*] (left(inner(a, b on ==(a.x, b.x)), c using y))");
  CHECK(query("SELECT * FROM a, b JOIN c ON p") == "project [*] (inner(inner(a, b), c on p))");
  ParseOptions standard;
  standard.ansi_relation_precedence = true;
  CHECK(query("SELECT * FROM a, b JOIN c ON p", standard) == "project [*] (inner(a, inner(b, c on p)))");
  CHECK(query("SELECT * FROM a NATURAL FULL OUTER JOIN b") == "project [*] (natural full(a, b))");
  CHECK(query("SELECT * FROM a CROSS JOIN b LEFT SEMI JOIN c ON x ANTI JOIN d ON y") == "project [*] (anti(semi(cross(a, b), c on x), d on y))");
  CHECK(query("SELECT * FROM a, LATERAL (SELECT a.x) l") == "project [*] (lateral inner(a, l: (project [a.x] (one_row))))");
  CHECK(query("SELECT * FROM a LEFT JOIN LATERAL explode(a.xs) AS e(x) ON true") ==
        "project [*] (lateral left(a, e: ([x](explode(a.xs))) on true))");
  CHECK(query("SELECT * FROM (a JOIN b) x") == "project [*] (x: (inner(a, b)))");
  CHECK(query("SELECT * FROM (SELECT 1)") == "project [*] (__auto_generated_subquery_name: (project [1] (one_row)))");
  CHECK(query("SELECT * FROM t AS x(a, b)") == "project [*] (x: ([a,b](t)))");
  CHECK(condition("SELECT * FROM a NATURAL CROSS JOIN b") == "INCOMPATIBLE_JOIN_TYPES");
  CHECK(condition("SELECT * FROM a, LATERAL b") == "INVALID_SQL_SYNTAX.LATERAL_WITHOUT_SUBQUERY_OR_TABLE_VALUED_FUNC");
}

TEST_CASE("relations with options") {
  CHECK(query("SELECT * FROM t VERSION AS OF 3 AS x") == "project [*] (x: (t@3))");
  CHECK(query("SELECT * FROM t FOR SYSTEM_TIME AS OF '2020-01-01'") == "project [*] (t@'2020-01-01')");
  CHECK(query("SELECT * FROM t WITH (k = 'v')") == "project [*] (t k=v)");
  CHECK(query("SELECT * FROM t TABLESAMPLE (10 PERCENT) REPEATABLE (5) x") == "project [*] (sample 0.100000 seed 5 (x: (t)))");
  CHECK(query("SELECT * FROM t TABLESAMPLE (5 ROWS)") == "project [*] (rows 5 (t))");
  CHECK(query("SELECT * FROM range(10) r") == "project [*] (r: (range(10)))");
  CHECK(query("SELECT * FROM IDENTIFIER('db.t')") == "project [*] (db.t)");
  CHECK(query("SELECT * FROM IDENTIFIER(:t)") == "project [*] (IDENTIFIER(:t))");
  CHECK(query("SELECT * FROM STREAM t") == "project [*] (stream t)");
  CHECK(query("SELECT * FROM delta.`/a/b`") == "project [*] (delta.`/a/b`)");
  CHECK(query("SELECT * FROM t LATERAL VIEW OUTER explode(xs) v AS a, b") == "project [*] (view outer explode(xs) v.a.b (t))");
  CHECK(query("SELECT * FROM t PIVOT (sum(e) AS s FOR y IN (2012 AS a, 2013))") == "project [*] (pivot [sum(e) as s] for [y] in [2012 as a, 2013] (t))");
  CHECK(query("SELECT * FROM t UNPIVOT INCLUDE NULLS (v FOR n IN (a AS x, b)) u") == "project [*] (u: (unpivot nulls v for n in (a) as x (b) (t)))");
  CHECK(condition("SELECT * FROM t TIMESTAMP AS OF a") == "_LEGACY_ERROR_TEMP_0056");
  CHECK(condition("SELECT * FROM t TABLESAMPLE (200 PERCENT)") == "_LEGACY_ERROR_TEMP_0064");
}

TEST_CASE("CTEs and subqueries") {
  CHECK(query("WITH a AS (SELECT 1), b(x) AS (TABLE a) SELECT * FROM b") == "with a = {project [1] (one_row)} b.x = {a} in project [*] (b)");
  CHECK(query("WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT 2) TABLE r") ==
        "with recursive r = {union all(project [1] (one_row), project [2] (one_row))} in r");
  CHECK(condition("WITH a AS (SELECT 1), A AS (SELECT 2) SELECT 1") == "DUPLICATED_CTE_NAMES");
  CHECK(query("SELECT (SELECT max(x) FROM t) AS m") == "with_relations (project [scalar#-1 as m] (one_row)) [#-1 project [max(x)] (t)]");
  CHECK(query("SELECT * FROM t WHERE a IN (TABLE u) AND EXISTS (SELECT 1)") ==
        "with_relations (project [*] (filter and(in#-1(a), exists#-2) (t))) [#-1 u] [#-2 project [1] (one_row)]");
  CHECK(query("SELECT * FROM t WHERE (a, b) NOT IN (TABLE u)") == "with_relations (project [*] (filter not(in#-1(a, b)) (t))) [#-1 u]");
  CHECK(query("SELECT ((SELECT 1) + 1)") == "with_relations (project [+(scalar#-1, 1)] (one_row)) [#-1 project [1] (one_row)]");
  // A subquery is found at the query that it stands in, so that it sees the CTEs there.
  CHECK(query("WITH c AS (SELECT 1) SELECT * FROM (SELECT (TABLE c) x)") ==
        "with c = {project [1] (one_row)} in project [*] (__auto_generated_subquery_name: (with_relations (project [scalar#-1 as x] (one_row)) [#-1 c]))");
  CHECK(query("SELECT * FROM f(TABLE (t) PARTITION BY a)") == "with_relations (project [*] (f(table#-1))) [#-1 t]");
}

TEST_CASE("pipes") {
  CHECK(query("FROM t |> WHERE a |> SELECT b + 1 AS c") == "project [pipe(+(b, 1)) as c] (filter a (|>(t)))");
  CHECK(query("TABLE t |> EXTEND a + 1 AS b |> DROP a") == "drop [a] (project [*, pipe(+(a, 1)) as b] (t))");
  CHECK(query("TABLE t |> SET a = 1, b = a") == "set a = 1 b = a (t)");
  CHECK(query("TABLE t |> AGGREGATE sum(a) AS s GROUP BY b |> ORDER BY s |> LIMIT 2") ==
        "limit 2 (|>(sort [s] (|>(aggregate [b] [pipe(sum(a)) as s] (t)))))");
  CHECK(query("TABLE t |> AS x |> JOIN u ON p |> UNION ALL TABLE v") == "union all(inner(x: (t), u on p), v)");
  CHECK(query("TABLE t | WHERE a | b") == "filter |(a, b) (|>(t))");
  CHECK(condition("TABLE t |> AGGREGATE") == "_LEGACY_ERROR_TEMP_0035");
  CHECK(condition("TABLE t |> ORDER BY a LIMIT 1") == "MULTIPLE_QUERY_RESULT_CLAUSES_WITH_PIPE_OPERATORS");
  ParseOptions off;
  off.operator_pipe = false;
  CHECK(condition("TABLE t |> WHERE a", off) == "_LEGACY_ERROR_TEMP_0035");
}

TEST_CASE("deep and long queries") {
  std::string sql = "SELECT 1";
  for (int i = 0; i < 150; ++i) sql = "SELECT * FROM (" + sql + ")";
  CHECK(condition(sql) == "OK");
  std::string ctes = "WITH c0 AS (SELECT 1)";
  for (int i = 1; i < 2000; ++i) ctes += ", c" + std::to_string(i) + " AS (TABLE c" + std::to_string(i - 1) + ")";
  CHECK(condition(ctes + " TABLE c1999") == "OK");
  std::string deep = "SELECT 1";
  for (int i = 0; i < 5000; ++i) deep = "SELECT * FROM (" + deep + ")";
  CHECK(condition(deep) == "FAILED_TO_PARSE_TOO_COMPLEX");
}

TEST_CASE("relations are placed where Spark places them") {
  std::string sql = "SELECT a, sum(b) FROM t WHERE c GROUP BY a HAVING d";
  auto r = tarn::sql::parse_query(sql);
  auto fragment = [&](const spark::connect::Relation& x) { return tarn::sql::query_context(x.common().origin(), sql)->fragment; };
  tarn::sql::Rel having, aggregate;
  REQUIRE(tarn::sql::unpack(r, &having));
  CHECK(fragment(r) == sql);
  REQUIRE(tarn::sql::unpack(having.having().input(), &aggregate));
  CHECK(fragment(having.having().input()) == "GROUP BY a");
  CHECK(fragment(aggregate.aggregate().input()) == sql);
  CHECK(fragment(aggregate.aggregate().input().filter().input()) == "t");
}

TEST_CASE("script transform") {
  CHECK(query("SELECT TRANSFORM(a, b) USING 'cat' AS (x INT, y STRING) FROM t") == "transform [a, b] using cat (t)");
  CHECK(query("SELECT transform(xs, x -> x) FROM t") == "project [transform(xs, (x) -> $x)] (t)");
}
