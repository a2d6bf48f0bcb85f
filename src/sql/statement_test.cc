#include <doctest/doctest.h>

#include "base/spark_error.h"
#include "sql/parser.h"
#include "sql/show_tree.h"

using namespace tarn::sql;
using tarn::SparkError;
using tarn::sql::testing::show;

namespace {
Statement parse(std::string_view sql, const ParseOptions& options = {}) {
  auto plan = parse_statement(sql, options);
  Statement s;
  REQUIRE(unpack(plan.command(), &s));
  return s;
}
std::string condition(std::string_view sql, const ParseOptions& options = {}) {
  try {
    parse_statement(sql, options);
  } catch (const SparkError& e) {
    return e.condition();
  }
  return "OK";
}
std::string name(const Name& n) {
  std::string out;
  for (const auto& p : n.parts()) out += (out.empty() ? "" : ".") + p;
  return out;
}
}  // namespace

TEST_CASE("CREATE TABLE keeps every clause") {
  auto s = parse(
      "CREATE TABLE IF NOT EXISTS c.s.t (id BIGINT GENERATED ALWAYS AS IDENTITY (START WITH 10 INCREMENT BY 2), a INT NOT NULL DEFAULT 1 + 1 COMMENT 'x', "
      "d DATE GENERATED ALWAYS AS (CAST(ts AS DATE)), CONSTRAINT pk PRIMARY KEY (id) RELY, CHECK (a > 0)) USING delta "
      "PARTITIONED BY (d, bucket(4, a)) COMMENT 'c' TBLPROPERTIES ('k' = 'v', delta.x = 1) LOCATION '/x' OPTIONS (o = 'p')");
  const auto& t = s.create_table();
  CHECK(name(t.name()) == "c.s.t");
  CHECK(t.if_not_exists());
  REQUIRE(t.columns_size() == 3);
  CHECK(t.columns(0).identity().start() == 10);
  CHECK(t.columns(0).identity().step() == 2);
  CHECK(t.columns(0).not_null());  // of the primary key
  CHECK(t.columns(1).default_value().text() == "1 + 1");
  CHECK(t.columns(1).not_null());
  CHECK(t.columns(2).generated().text() == "CAST(ts AS DATE)");
  CHECK(t.constraints(0).kind() == Constraint::PRIMARY_KEY);
  CHECK(t.constraints(1).check().text() == "a > 0");
  CHECK(t.provider() == "delta");
  CHECK(t.partitioning(0).name() == "identity");
  CHECK(t.partitioning(1).name() == "bucket");
  CHECK(t.properties(1).key() == "delta.x");
  CHECK(t.location() == "/x");
  CHECK(t.options(0).value() == "p");
}

TEST_CASE("CREATE TABLE variants and their errors") {
  CHECK(show(parse("CREATE OR REPLACE TABLE t USING delta AS SELECT 1 AS a").create_table().query()) == "project [1 as a] (one_row)");
  CHECK(parse("CREATE TABLE t CLUSTER BY (a, b.c) AS TABLE u").create_table().cluster_by_size() == 2);
  CHECK(name(parse("CREATE TABLE t LIKE u").create_table_like().source()) == "u");
  auto clone = parse("CREATE TABLE t SHALLOW CLONE u VERSION AS OF 3");
  CHECK(clone.clone_table().version() == "3");
  CHECK(clone.clone_table().shallow());
  CHECK(condition("CREATE TABLE t (a INT) AS SELECT 1") == "_LEGACY_ERROR_TEMP_0035");
  CHECK(condition("CREATE TABLE t (a INT) COMMENT 'x' COMMENT 'y'") == "DUPLICATE_CLAUSES");
  CHECK(condition("CREATE TABLE t (a INT NOT NULL NOT NULL)") == "CREATE_TABLE_COLUMN_DESCRIPTOR_DUPLICATE");
  CHECK(condition("CREATE TABLE t (a INT) TBLPROPERTIES ('provider' = 'x')") == "UNSUPPORTED_FEATURE.SET_TABLE_PROPERTY");
  CHECK(condition("CREATE TABLE t (a INT PRIMARY KEY, b INT PRIMARY KEY)") == "MULTIPLE_PRIMARY_KEYS");
  CHECK(condition("CREATE TEMPORARY TABLE t (a INT) USING parquet") == "INVALID_SQL_SYNTAX.CREATE_TEMP_TABLE_USING_PROVIDER");
  CHECK(condition("CREATE TABLE t (a INT) garbage") == "PARSE_SYNTAX_ERROR");
}

TEST_CASE("views and functions keep their text") {
  auto v = parse("CREATE OR REPLACE VIEW v (a COMMENT 'x', b) COMMENT 'y' AS SELECT 1,  2").create_view();
  CHECK(v.query().text() == "SELECT 1,  2");
  CHECK(v.columns(0).comment() == "x");
  CHECK(v.or_replace());
  auto tv = parse("CREATE TEMP VIEW v USING parquet OPTIONS (path '/x')").create_temp_view_using();
  CHECK(tv.options(0).key() == "path");
  CHECK(tv.options(0).value() == "/x");
  CHECK(condition("CREATE TEMPORARY VIEW a.v AS SELECT 1") == "INVALID_TEMP_OBJ_QUALIFIER");
  CHECK(condition("CREATE OR REPLACE VIEW IF NOT EXISTS v AS SELECT 1") == "CREATE_VIEW_WITH_IF_NOT_EXISTS_AND_REPLACE");
  auto f = parse("CREATE FUNCTION f(x INT DEFAULT 1, y STRING) RETURNS INT DETERMINISTIC RETURN x + 1").create_sql_function();
  CHECK(f.parameters(0).default_value().text() == "1");
  CHECK(f.parameters_text() == "x INT DEFAULT 1, y STRING");
  CHECK(f.return_type_text() == "INT");
  CHECK(f.expression().text() == "x + 1");
  auto g = parse("CREATE FUNCTION g() RETURNS TABLE (a INT) RETURN SELECT 1").create_sql_function();
  CHECK(g.returns_table());
  CHECK(g.query().text() == "SELECT 1");
  CHECK(parse("DROP TEMPORARY FUNCTION IF EXISTS f").drop_function().if_exists());
}

TEST_CASE("INSERT, UPDATE, DELETE, MERGE") {
  auto i = parse("INSERT OVERWRITE t PARTITION (a = 1, b) (x, y) SELECT 1, 2").insert();
  CHECK(i.mode() == Insert::OVERWRITE);
  CHECK(i.partition().entries(0).text() == "1");
  CHECK_FALSE(i.partition().entries(1).has_value());
  CHECK(i.columns_size() == 2);
  CHECK(parse("INSERT INTO t BY NAME SELECT 1").insert().by_name());
  CHECK(parse("INSERT INTO t REPLACE WHERE a > 1 TABLE u").insert().mode() == Insert::REPLACE_WHERE);
  CHECK(parse("INSERT INTO t REPLACE USING (a) TABLE u").insert().using_columns(0) == "a");
  CHECK(show(parse("INSERT INTO t VALUES (1, DEFAULT)").insert().query()) == "values (1, DEFAULT) as col1 col2");
  CHECK(parse("FROM s INSERT INTO a SELECT x INSERT INTO b SELECT y").multi_insert().inserts_size() == 2);
  CHECK(show(parse("WITH c AS (SELECT 1) INSERT INTO t TABLE c").insert().query()) == "with c = {project [1] (one_row)} in c");
  auto d = parse("DELETE FROM t x WHERE a IN (TABLE u)");
  CHECK(d.delete_().alias() == "x");
  CHECK(show(d.delete_().condition()) == "in#-1(a)");
  CHECK(show(d.subqueries(0)) == "#-1 u");
  auto u = parse("UPDATE t SET a = 1, b.c = DEFAULT WHERE d").update();
  CHECK(show(u.assignments(1).key()) == "b.c");
  auto m = parse(
               "MERGE WITH SCHEMA EVOLUTION INTO t USING (SELECT 1) s ON t.a = s.a WHEN MATCHED AND s.b THEN DELETE WHEN MATCHED THEN UPDATE SET * "
               "WHEN NOT MATCHED THEN INSERT (a, b) VALUES (1, 2) WHEN NOT MATCHED BY SOURCE THEN UPDATE SET a = 0")
               .merge();
  CHECK(m.with_schema_evolution());
  CHECK(m.matched(0).action_type() == spark::connect::MergeAction::ACTION_TYPE_DELETE);
  CHECK(m.matched(1).action_type() == spark::connect::MergeAction::ACTION_TYPE_UPDATE_STAR);
  CHECK(m.not_matched(0).assignments_size() == 2);
  CHECK(m.not_matched_by_source_size() == 1);
  CHECK(condition("MERGE INTO t USING s ON a") == "MERGE_WITHOUT_WHEN");
  CHECK(condition("MERGE INTO t USING s ON a WHEN MATCHED THEN DELETE WHEN MATCHED THEN DELETE") == "NON_LAST_MATCHED_CLAUSE_OMIT_CONDITION");
  CHECK(condition("MERGE INTO t USING s ON a WHEN NOT MATCHED THEN INSERT (a) VALUES (1, 2)") == "MERGE_INSERT_VALUE_COUNT_MISMATCH");
  CHECK(condition("INSERT INTO t PARTITION (a = 1) IF NOT EXISTS SELECT 1") == "INVALID_STATEMENT_OR_CLAUSE");
  CHECK(condition("DELETE FROM t AS x(a)") == "COLUMN_ALIASES_NOT_ALLOWED");
}

TEST_CASE("ALTER TABLE") {
  CHECK(parse("ALTER TABLE t ADD COLUMNS (a INT FIRST, b.c STRING AFTER d)").alter_table().add_columns().columns(1).position().after() == "d");
  CHECK(parse("ALTER TABLE t RENAME COLUMN a TO b").alter_table().rename_column().to() == "b");
  CHECK(parse("ALTER TABLE t ALTER COLUMN a TYPE BIGINT, b SET NOT NULL").alter_table().alter_columns().columns_size() == 2);
  CHECK(parse("ALTER TABLE t ALTER COLUMN a DROP DEFAULT").alter_table().alter_columns().columns(0).drop_default());
  CHECK(parse("ALTER TABLE t CHANGE COLUMN a a INT COMMENT 'x'").alter_table().alter_columns().columns(0).comment() == "x");
  CHECK(parse("ALTER TABLE t SET TBLPROPERTIES ('a' = 'b')").alter_table().set_properties().properties_size() == 1);
  CHECK(parse("ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)").alter_table().add_constraint().name() == "c");
  CHECK(parse("ALTER TABLE t DROP FEATURE deletionVectors TRUNCATE HISTORY").alter_table().drop_feature().truncate_history());
  CHECK(parse("ALTER TABLE t CLUSTER BY NONE").alter_table().has_cluster_by());
  CHECK(parse("ALTER TABLE t PARTITION (a = 1) RENAME TO PARTITION (a = 2)").alter_table().has_rename_partition());
  CHECK(condition("ALTER TABLE t CHANGE COLUMN a b INT") == "_LEGACY_ERROR_TEMP_0034");
  CHECK(condition("ALTER TABLE t ALTER COLUMN a") == "_LEGACY_ERROR_TEMP_0035");
  CHECK(condition("ALTER TABLE t TOUCH") == "INVALID_STATEMENT_OR_CLAUSE");
}

TEST_CASE("session statements") {
  auto kv = parse("SET spark.sql.x = 'a b' -- c;").set_config();
  CHECK(kv.key() == "spark.sql.x");
  CHECK(kv.value() == "'a b' -- c");
  CHECK_FALSE(parse("SET").set_config().has_key());
  CHECK(parse("SET -v").set_config().verbose());
  CHECK(parse("SET `a b` = 1").set_config().key() == "a b");
  CHECK(condition("SET a b = 1") == "INVALID_SET_SYNTAX");
  CHECK(parse("SET TIME ZONE 'Europe/Paris'").set_time_zone().zone() == "Europe/Paris");
  CHECK(parse("SET TIME ZONE INTERVAL '-3:30' HOUR TO MINUTE").set_time_zone().has_interval());
  CHECK(parse("SET VAR a = 1, b = DEFAULT").set_variable().assignments_size() == 2);
  CHECK(parse("SET VAR (a, b) = (SELECT 1, 2)").set_variable().targets_size() == 2);
  CHECK(parse("DECLARE OR REPLACE VARIABLE v INT DEFAULT 5").declare_variable().default_value().text() == "5");
  CHECK(parse("RESET spark.x").reset_config().key() == "spark.x");
  CHECK(parse("EXECUTE IMMEDIATE 'SELECT ?' INTO x USING 1, 2 AS p").execute_immediate().arguments_size() == 2);
  CHECK(parse("EXPLAIN FORMATTED SELECT 1").explain().mode() == Explain::FORMATTED);
  CHECK(parse("ADD JAR s3://b/x.jar 'y z.jar'").manage_resource().paths(1) == "y z.jar");
  CHECK(name(parse("USE SCHEMA a.b").use_namespace().name()) == "a.b");
  CHECK(condition("GRANT SELECT ON t TO u") == "INVALID_STATEMENT_OR_CLAUSE");
}

TEST_CASE("SHOW and DESCRIBE") {
  CHECK(parse("SHOW TABLES IN a.b LIKE 'x*'").show_tables().pattern() == "x*");
  CHECK(parse("SHOW TABLE EXTENDED LIKE 'x'").show_tables().extended());
  CHECK(parse("SHOW USER FUNCTIONS").show_functions().scope() == ShowFunctions::USER);
  CHECK(parse("SHOW CREATE TABLE t AS SERDE").show_create_table().as_serde());
  CHECK(parse("DESCRIBE EXTENDED t PARTITION (a = 1)").describe_relation().extended());
  CHECK(parse("DESC t a.b").describe_relation().column_size() == 2);
  CHECK(parse("DESCRIBE EXTENDED t AS JSON").describe_relation().as_json());
  CHECK(parse("DESCRIBE QUERY SELECT 1").describe_query().query().text() == "SELECT 1");
  CHECK(parse("DESCRIBE SELECT 1").has_describe_query());
  CHECK(name(parse("DESCRIBE FUNCTION EXTENDED <=>").describe_function().name()) == "<=>");
  CHECK(name(parse("DESCRIBE TABLE t").describe_relation().name()) == "t");
  CHECK(name(parse("DESCRIBE history").describe_relation().name()) == "history");
}

TEST_CASE("Delta's statements") {
  auto o = parse("OPTIMIZE t WHERE d > 1 ZORDER BY (a, b)").optimize();
  CHECK(o.where().text() == "d > 1");
  CHECK(o.zorder_by_size() == 2);
  auto v = parse("VACUUM '/x' RETAIN 0.5 HOURS DRY RUN").vacuum();
  CHECK(v.target().path() == "/x");
  CHECK(v.retain_hours() == 0.5);
  CHECK(v.dry_run());
  CHECK(parse("RESTORE TABLE t TO TIMESTAMP AS OF '2020-01-01'").restore().timestamp() == "2020-01-01");
  CHECK(parse("DESCRIBE HISTORY delta.`/x` LIMIT 5").describe_history().limit() == 5);
  CHECK(name(parse("DESCRIBE DETAIL t").describe_detail().target().name()) == "t");
  CHECK(parse("CONVERT TO DELTA parquet.`/x` PARTITIONED BY (a INT)").convert_to_delta().partition_columns_size() == 1);
  CHECK(parse("REORG TABLE t APPLY (PURGE)").reorg_table().purge());
  CHECK(parse("GENERATE symlink_format_manifest FOR TABLE t").generate_manifest().mode() == "symlink_format_manifest");
}

TEST_CASE("scripts") {
  auto c = parse(
               "BEGIN DECLARE x INT = 1; DECLARE cond CONDITION FOR SQLSTATE '12345'; DECLARE EXIT HANDLER FOR cond BEGIN SELECT 2; END; "
               "lbl: WHILE x < 10 DO SET x = x + 1; IF x = 5 THEN LEAVE lbl; ELSE ITERATE lbl; END IF; END WHILE lbl; "
               "FOR r AS SELECT 1 DO SELECT r.a; END FOR; CASE x WHEN 1 THEN SELECT 1; ELSE SELECT 2; END CASE; END")
               .compound();
  REQUIRE(c.items_size() == 6);
  CHECK(c.items(1).condition().sqlstate() == "12345");
  CHECK(c.items(2).handler().exit());
  CHECK(c.items(3).loop().label() == "lbl");
  CHECK(c.items(3).loop().condition().text() == "x < 10");
  CHECK(c.items(4).loop().variable() == "r");
  CHECK(c.items(5).case_().branches_size() == 1);
  CHECK(condition("BEGIN LEAVE x; END") == "INVALID_LABEL_USAGE.DOES_NOT_EXIST");
  CHECK(condition("BEGIN a: BEGIN SELECT 1; END b; END") == "LABELS_MISMATCH");
  CHECK(condition("BEGIN SELECT 1; DECLARE x INT; END") == "INVALID_VARIABLE_DECLARATION.ONLY_AT_BEGINNING");
  CHECK(condition("BEGIN IF true THEN DECLARE x INT; END IF; END") == "INVALID_VARIABLE_DECLARATION.NOT_ALLOWED_IN_SCOPE");
  CHECK(condition("BEGIN SELECT 1 END") == "PARSE_SYNTAX_ERROR");
  ParseOptions off;
  off.scripting = false;
  CHECK(condition("BEGIN SELECT 1; END", off) == "UNSUPPORTED_FEATURE.SQL_SCRIPTING");
}

TEST_CASE("script files are cut at semicolons outside strings, comments and BEGIN ... END") {
  auto parts = split_statements("SELECT ';' ; -- a;b\n/* ; */ BEGIN IF CASE WHEN a THEN b END THEN SELECT 1; END IF; SELECT 2; END; \n SELECT 3");
  REQUIRE(parts.size() == 3);
  CHECK(parts[0].text == "SELECT ';'");
  CHECK(parts[1].text.substr(0, 5) == "BEGIN");
  CHECK(parts[1].text.substr(parts[1].text.size() - 3) == "END");
  CHECK(parts[2].text == "SELECT 3");
  CHECK_FALSE(parts[2].terminated);
  CHECK(split_statements(" ;; -- x\n ;").empty());
}

TEST_CASE("variables are substituted as Spark does before parsing") {
  auto setting = [](const std::string& key) -> std::optional<std::string> {
    if (key == "a") return "x${b}";
    if (key == "b") return "y";
    return std::nullopt;
  };
  CHECK(substitute_variables("SELECT ${a}, ${hivevar:b}, ${env:PATH}, ${none}!", setting) == "SELECT xy, y, ${env:PATH}, !");
}

TEST_CASE("a statement's extension survives nesting beyond protobuf's default limit") {
  std::string sql = "SELECT 1 AS a";
  for (int i = 0; i < 60; ++i) sql = "SELECT f(f(f(a))) AS a FROM (" + sql + ")";
  auto plan = parse_statement("CREATE TABLE t AS " + sql);
  Statement s;
  REQUIRE(unpack(plan.command(), &s));
  CHECK(s.create_table().query().has_project());
  CHECK(s.origin().jvm_origin().sql_text().substr(0, 6) == "CREATE");
}
