// Expected trees follow Spark's AstBuilder: what each construct becomes there, in the function names that PySpark uses.
#include <doctest/doctest.h>

#include "base/spark_error.h"
#include "sql/parser.h"
#include "sql/show_tree.h"

using tarn::SparkError;
using tarn::sql::ParseOptions;
using tarn::sql::testing::show;

namespace {
std::string expr(std::string_view sql, const ParseOptions& options = {}) { return show(tarn::sql::parse_expression(sql, options)); }
std::string condition(std::string_view sql, const ParseOptions& options = {}) {
  try {
    tarn::sql::parse_expression(sql, options);
  } catch (const SparkError& e) {
    return e.condition();
  }
  return "OK";
}
}  // namespace

TEST_CASE("operators bind as Spark's grammar says") {
  CHECK(expr("1 + 2 * 3") == "+(1, *(2, 3))");
  CHECK(expr("(1 + 2) * 3") == "*(+(1, 2), 3)");
  CHECK(expr("a - b - c") == "-(-(a, b), c)");
  CHECK(expr("a | b & c ^ d") == "|(a, ^(&(b, c), d))");
  CHECK(expr("a << 1 + 2") == "<<(a, +(1, 2))");
  CHECK(expr("a >> 1") == ">>(a, 1)");
  CHECK(expr("a >>> 1 > 2") == ">(>>>(a, 1), 2)");
  CHECK(expr("a || b = c") == "==(concat(a, b), c)");
  CHECK(expr("7 div 2 % 3") == "%(div(7, 2), 3)");
  CHECK(expr("-a * b") == "*(negative(a), b)");
  CHECK(expr("- -1") == "negative(-1)");
  CHECK(expr("~a + +b") == "+(~(a), positive(b))");
  CHECK(expr("a <=> b") == "<=>(a, b)");
  CHECK(expr("a <> b") == "not(==(a, b))");
  CHECK(expr("a == b") == "==(a, b)");
  CHECK(expr("a !> b") == "<=(a, b)");
}

TEST_CASE("AND and OR chains are balanced") {
  CHECK(expr("a AND b OR c") == "or(and(a, b), c)");
  CHECK(expr("NOT a AND b") == "and(not(a), b)");
  CHECK(expr("!a") == "not(a)");
  CHECK(expr("a OR b OR c OR d") == "or(or(a, b), or(c, d))");
}

TEST_CASE("predicates") {
  CHECK(expr("a BETWEEN 1 AND 2 AND b") == "and(between(a, 1, 2), b)");
  CHECK(expr("a NOT BETWEEN 1 AND 2") == "not(between(a, 1, 2))");
  CHECK(expr("a IN (1, 2)") == "in(a, 1, 2)");
  CHECK(expr("a NOT IN (1)") == "not(in(a, 1))");
  CHECK(condition("a IN ()") == "INVALID_SQL_SYNTAX.EMPTY_IN_PREDICATE");
  CHECK(expr("a LIKE 'x%'") == "like(a, 'x%')");
  CHECK(expr("a NOT ILIKE 'x' ESCAPE '#'") == "not(ilike(a, 'x', '#'))");
  CHECK(condition("a LIKE 'x' ESCAPE '##'") == "INVALID_ESC");
  CHECK(expr("a LIKE ALL ('x', 'y')") == "and(like(a, 'x'), like(a, 'y'))");
  CHECK(expr("a NOT LIKE ANY ('x', 'y')") == "or(not(like(a, 'x')), not(like(a, 'y')))");
  CHECK(expr("a LIKE ANY ('x', b)") == "or(like(a, 'x'), like(a, b))");
  CHECK(expr("a RLIKE 'x'") == "rlike(a, 'x')");
  CHECK(expr("a REGEXP 'x'") == "rlike(a, 'x')");
  CHECK(expr("a IS NULL") == "isnull(a)");
  CHECK(expr("a IS NOT NULL") == "isnotnull(a)");
  CHECK(expr("a IS NOT TRUE") == "not(<=>(a, true))");
  CHECK(expr("a IS UNKNOWN") == "is_unknown(a)");
  CHECK(expr("a IS DISTINCT FROM b") == "not(<=>(a, b))");
  CHECK(expr("a IS NOT DISTINCT FROM b") == "<=>(a, b)");
  CHECK(condition("a ! IN (1)") == "SYNTAX_DISCONTINUED.BANG_EQUALS_NOT");
}

TEST_CASE("numbers get the narrowest type that Spark gives them") {
  CHECK(expr("1") == "1");
  CHECK(expr("-2147483648") == "-2147483648");
  CHECK(expr("2147483648") == "2147483648L");
  CHECK(expr("-9223372036854775808") == "-9223372036854775808L");
  CHECK(expr("9223372036854775808") == "9223372036854775808:19,0");
  CHECK(expr("1L") == "1L");
  CHECK(expr("1S") == "1S");
  CHECK(expr("1Y") == "1Y");
  CHECK(expr("1.50") == "1.50:3,2");
  CHECK(expr(".5") == "0.5:1,1");
  CHECK(expr("0.001") == "0.001:3,3");
  CHECK(expr("1.") == "1:1,0");
  CHECK(expr("1.5BD") == "1.5:2,1");
  CHECK(expr("1e3BD") == "1000:4,0");
  CHECK(expr("1e2") == "100.000000D");
  CHECK(expr("1.5D") == "1.500000D");
  CHECK(expr("1.5F") == "1.500000F");
  CHECK(condition("128Y") == "INVALID_NUMERIC_LITERAL_RANGE");
  CHECK(condition("1e400") == "INVALID_NUMERIC_LITERAL_RANGE");
  CHECK(condition("1.123456789012345678901234567890123456789") == "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION");
  CHECK(expr("1a") == "`1a`");
  CHECK(expr("t.1a") == "t.`1a`");
}

TEST_CASE("strings: escapes, raw, adjacent") {
  CHECK(expr("'a' 'b' \"c\"") == "'abc'");
  CHECK(expr("'it''s'") == "'it's'");
  CHECK(expr(R"('a\tb\\c\'d')") == "'a\tb\\c'd'");
  CHECK(expr(R"('\u0041\U0001F600\101')") == "'A\xF0\x9F\x98\x80" "A'");
  CHECK(expr(R"('\%\_')") == "'\\%\\_'");
  CHECK(expr(R"(r'a\nb')") == "'a\\nb'");
  ParseOptions dq;
  dq.double_quoted_identifiers = true;
  CHECK(expr("\"a\"\"b\"", dq) == "`a\"b`");
}

TEST_CASE("typed literals") {
  CHECK(expr("DATE '1970-01-02'") == "date 1");
  CHECK(expr("date'2020-02-29'") == "date 18321");
  CHECK(condition("DATE '2021-02-29'") == "INVALID_TYPED_LITERAL");
  CHECK(expr("TIMESTAMP '1970-01-01 00:00:01Z'") == "ts 1000000");
  CHECK(expr("TIMESTAMP '1970-01-01 00:00:00+01:00'") == "ts -3600000000");
  CHECK(expr("TIMESTAMP '1970-01-01 00:00:01.5'") == "zoned 1500000 ''");
  CHECK(expr("TIMESTAMP '1970-01-01 00:00:00 Europe/Berlin'") == "zoned 0 'Europe/Berlin'");
  CHECK(expr("TIMESTAMP_NTZ '1970-01-02'") == "ntz 86400000000");
  CHECK(expr("TIMESTAMP 'epoch'") == "ts 0");
  CHECK(expr("DATE 'tomorrow'") == "special 4");
  CHECK(expr("TIME '01:02:03.5'") == "time 3723500000000");
  CHECK(expr("TIME '12:00 AM'") == "time 0");
  CHECK(expr("X'1F0'") == "bin2");
  CHECK(condition("X'1G'") == "INVALID_TYPED_LITERAL");
  CHECK(condition("GEO 'x'") == "UNSUPPORTED_TYPED_LITERAL");
  ParseOptions ntz;
  ntz.timestamp_ntz = true;
  CHECK(expr("TIMESTAMP '1970-01-01 00:00:01'", ntz) == "ntz 1000000");
  CHECK(expr("TIMESTAMP '1970-01-01 00:00:01Z'", ntz) == "ts 1000000");
}

TEST_CASE("interval literals") {
  CHECK(expr("INTERVAL 1 DAY") == "dt 86400000000 0-0");
  CHECK(expr("INTERVAL '1' DAY '2' HOURS") == "dt 93600000000 0-1");
  CHECK(expr("INTERVAL -1 YEAR 2 MONTHS") == "ym -10 0-1");
  CHECK(expr("INTERVAL '1-2' YEAR TO MONTH") == "ym 14 0-1");
  CHECK(expr("INTERVAL -'1 02:03:04.5' DAY TO SECOND") == "dt -93784500000 0-3");
  CHECK(expr("INTERVAL '10:11' HOUR TO MINUTE") == "dt 36660000000 1-2");
  CHECK(expr("INTERVAL '1 week 3 days'") == "dt 864000000000 0-0");
  CHECK(expr("INTERVAL 1.5 SECONDS") == "dt 1500000 3-3");
  CHECK(condition("INTERVAL 1 MONTH 1 DAY") == "_LEGACY_ERROR_TEMP_0029");
  CHECK(condition("INTERVAL '1' YEAR TO DAY") == "INVALID_INTERVAL_FORMAT.UNSUPPORTED_FROM_TO_EXPRESSION");
  CHECK(condition("INTERVAL '1-13' YEAR TO MONTH") == "INVALID_INTERVAL_FORMAT.INTERVAL_PARSING");
  CHECK(condition("INTERVAL '1' NANOSECONDS") == "INVALID_INTERVAL_FORMAT.INVALID_UNIT");
  CHECK(expr("interval + 1") == "+(interval, 1)");
  ParseOptions legacy;
  legacy.legacy_interval = true;
  CHECK(expr("INTERVAL 1 MONTH 1 DAY", legacy) == "cal 1 1 0");
}

TEST_CASE("calls and their clauses") {
  CHECK(expr("f(a, b)") == "f(a, b)");
  CHECK(expr("count(*)") == "count(1)");
  CHECK(expr("count(DISTINCT a, b)") == "count(distinct a, b)");
  CHECK(expr("db.f(1)") == "call db.f(1)");
  CHECK(expr("f(x => 1, 2)") == "f(x => 1, 2)");
  CHECK(expr("sum(a) FILTER (WHERE b > 1)") == "sum(a) filter >(b, 1)");
  CHECK(expr("listagg(a, ',') WITHIN GROUP (ORDER BY a DESC)") == "listagg(a, ',') within (a desc last)");
  CHECK(expr("first(a IGNORE NULLS)") == "first(a) ignore nulls");
  CHECK(expr("lag(a) RESPECT NULLS OVER w") == "lag(a) respect nulls over w");
  CHECK(expr("sum(a) OVER (PARTITION BY b, c ORDER BY d NULLS LAST ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)") ==
        "sum(a) over by [b, c] order [d last] rows negative(1)..current");
  CHECK(expr("rank() OVER (ORDER BY a RANGE UNBOUNDED PRECEDING)") == "rank() over order [a] range unbounded..current");
  CHECK(expr("extract(YEAR FROM d)") == "extract('YEAR', d)");
  CHECK(expr("position('a' IN b)") == "locate('a', b)");
  CHECK(expr("position('a', b)") == "position('a', b)");
  CHECK(expr("substring(a FROM 2 FOR 3)") == "substring(a, 2, 3)");
  CHECK(expr("trim(BOTH 'x' FROM a)") == "trim('x', a)");
  CHECK(expr("trim(TRAILING FROM a)") == "rtrim(a)");
  CHECK(expr("trim(a)") == "trim(a)");
  CHECK(expr("overlay(a PLACING b FROM 1)") == "overlay(a, b, 1)");
  CHECK(expr("dateadd(DAY, 1, d)") == "timestampadd('DAY', 1, d)");
  CHECK(expr("date_add(d, 1)") == "date_add(d, 1)");
  CHECK(condition("dateadd('DAY', 1, d)") == "INVALID_PARAMETER_VALUE.DATETIME_UNIT");
  CHECK(expr("transform(xs, (x, i) -> x + i + y)") == "transform(xs, (x, i) -> +(+($x, $i), y))");
  CHECK(expr("exists(xs, x -> x.a > 1)") == "exists(xs, (x) -> >($x.a, 1))");
  CHECK(expr("CASE a WHEN 1 THEN 'x' ELSE 'y' END") == "when(==(a, 1), 'x', 'y')");
  CHECK(expr("CASE WHEN a THEN 1 END") == "when(a, 1)");
  CHECK(expr("CAST(a AS DECIMAL(10, 2))") == "cast(a as decimal(10,2))");
  CHECK(expr("TRY_CAST(a AS INT)") == "try_cast(a as int)");
  CHECK(expr("a::int::string") == "cast(cast(a as int) as string)");
  CHECK(expr("a COLLATE UTF8_LCASE") == "collate(a, 'UTF8_LCASE')");
  CHECK(expr("(a, b)") == "struct(a, b)");
  CHECK(expr("struct(a AS x, b)") == "struct(a as x, b)");
  CHECK(expr("f(a)[0].b") == "f(a)[0]['b']");
  CHECK(expr("v:a.b[0]") == "v:$.a.b[0] as b");
  CHECK(expr("current_date") == "current_date");
  CHECK(expr("IDENTIFIER('a.b')") == "a.b");
  CHECK(expr("IDENTIFIER('f')(1)") == "f(1)");
  CHECK(expr("IDENTIFIER(concat('a', 'b'))") == "IDENTIFIER(concat('a', 'b'))");
}

TEST_CASE("names") {
  CHECK(expr("a.`b c`.d") == "a.`b c`.d");
  CHECK(expr("`a``b`") == "`a``b`");
  CHECK(expr("date") == "date");
  CHECK(expr("select") == "select");
  CHECK(expr("a AS b") == "a as b");
  CHECK(expr("f(a) AS (x, y)") == "f(a) as (x, y)");
  CHECK(expr("a limit") == "a as limit");
  CHECK(condition("a b c") == "PARSE_SYNTAX_ERROR");
  CHECK(condition("a-b AS c-d") == "INVALID_IDENTIFIER");
  CHECK(condition("gr\xC3\xBC" "n") == "INVALID_IDENTIFIER");
  ParseOptions reserved;
  reserved.enforce_reserved_keywords = true;
  CHECK(condition("select", reserved) == "PARSE_SYNTAX_ERROR");
  CHECK(expr("left(a, 1)", reserved) == "left(a, 1)");
  CHECK(expr("current_date", reserved) == "current_date()");
}

TEST_CASE("parameter markers stay or are replaced") {
  CHECK(expr("? + :a + ?") == "+(+(?0, :a), ?1)");
  std::map<std::string, spark::connect::Expression> named;
  named["a"].mutable_literal()->set_integer(7);
  named["fmt"].mutable_literal()->set_string("x");
  ParseOptions options;
  options.named_arguments = &named;
  CHECK(expr(":a + :b", options) == "+(7, :b)");
  CHECK(expr("a LIKE 'b' ESCAPE :fmt", options) == "like(a, 'b', 'x')");
  CHECK(condition("a LIKE 'b' ESCAPE :other", options) == "UNBOUND_SQL_PARAMETER");
}

TEST_CASE("nesting is bounded and long chains are not deep") {
  std::string nested(300, '('), closed(300, ')');
  CHECK(expr(nested + "1" + closed) == "1");
  CHECK(condition(std::string(100000, '(')) == "FAILED_TO_PARSE_TOO_COMPLEX");
  std::string nots;
  for (int i = 0; i < 100000; ++i) nots += "NOT ";
  CHECK(condition(nots + "a") == "FAILED_TO_PARSE_TOO_COMPLEX");
  std::string chain = "a0 = 0";
  for (int i = 1; i < 20000; ++i) chain += " OR a" + std::to_string(i) + " = 0";
  CHECK(condition(chain) == "OK");
  std::string list = "a IN (0";
  for (int i = 1; i < 50000; ++i) list += ", " + std::to_string(i);
  CHECK(condition(list + ")") == "OK");
}

TEST_CASE("every node knows its place") {
  std::string sql = "SELECT 1,\n  a + foo(b)";
  auto e = tarn::sql::parse_expression("a + foo(b, 'é') - 1");
  CHECK(e.common().origin().jvm_origin().sql_text() == "a + foo(b, 'é') - 1");
  auto whole = tarn::sql::query_context(e.common().origin(), "a + foo(b, 'é') - 1");
  REQUIRE(whole);
  CHECK(whole->fragment == "a + foo(b, 'é') - 1");
  CHECK(whole->stop_index == 18);
  const auto& plus = e.unresolved_function().arguments(0);
  const auto& call = plus.unresolved_function().arguments(1);
  CHECK(tarn::sql::query_context(call.common().origin(), "a + foo(b, 'é') - 1")->fragment == "foo(b, 'é')");
  try {
    tarn::sql::parse_statement("SELECT\n  DATE 'x'");
    CHECK(false);
  } catch (const SparkError& error) {
    REQUIRE(error.context());
    CHECK(error.context()->line == 2);
    CHECK(error.context()->column == 2);
    CHECK(error.context()->fragment == "DATE 'x'");
  }
}

TEST_CASE("syntax errors read as Spark's") {
  try {
    tarn::sql::parse_statement("SELEC 1");
    CHECK(false);
  } catch (const SparkError& e) {
    CHECK(e.condition() == "PARSE_SYNTAX_ERROR");
    CHECK(e.params().at("error") == "'SELEC'");
    CHECK(e.message() == "\n[PARSE_SYNTAX_ERROR] Syntax error at or near 'SELEC'. SQLSTATE: 42601 (line 1, pos 0)\n\n== SQL ==\nSELEC 1\n^^^\n");
  }
  CHECK_THROWS_WITH_AS(tarn::sql::parse_statement("  "), doctest::Contains("PARSE_EMPTY_STATEMENT"), SparkError);
  CHECK_THROWS_WITH_AS(tarn::sql::parse_statement("SELECT 1 /* x"), doctest::Contains("UNCLOSED_BRACKETED_COMMENT"), SparkError);
  CHECK_THROWS_WITH_AS(tarn::sql::parse_statement("SELECT 1 FROM t WHERE a >"), doctest::Contains("at or near end of input"), SparkError);
}
