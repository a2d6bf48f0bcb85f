"""Tables, views, schemas and spark.catalog through the real client. Expected values are Apache Spark's."""

import os
import subprocess
import sys
import tempfile

import pytest

pyspark = pytest.importorskip("pyspark.sql.connect.session")
from pyspark.errors import AnalysisException, PySparkException  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402

TARN = os.environ.get("TARN_BIN", os.path.join(os.path.dirname(__file__), "..", "..", "build", "dev", "bin", "tarn"))


class Server:
    """A `tarn cluster` on a home of its own."""

    def __init__(self, home):
        self.home = home
        self.start()

    def start(self):
        self.process = subprocess.Popen([TARN, "cluster", "--listen", "127.0.0.1:0", "--home", self.home], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline().split()
        assert line[:3] == ["tarn", "cluster", "ready"], line
        self.url = line[3]

    def stop(self, kill=False):
        (self.process.kill if kill else self.process.terminate)()
        self.process.wait(60)


@pytest.fixture(scope="module")
def server():
    with tempfile.TemporaryDirectory() as home:
        s = Server(home)
        yield s
        s.stop()


@pytest.fixture
def spark(server):
    session = SparkSession.builder.remote(server.url).create()
    yield session
    session.stop()


def rows(df):
    return [tuple(r) for r in df.collect()]


def condition(call):
    with pytest.raises(Exception) as caught:
        call()
    return caught.value.getCondition()


def test_a_new_session_is_in_spark_catalog_default(spark):
    assert spark.catalog.currentCatalog() == "spark_catalog"
    assert spark.catalog.currentDatabase() == "default"
    assert [d.name for d in spark.catalog.listDatabases()][:1] == ["default"]
    assert rows(spark.sql("SHOW CURRENT NAMESPACE")) == [("spark_catalog", "default")]


def test_ddl_answers_an_empty_frame(spark):
    df = spark.sql("CREATE TABLE ddl_answer (a INT) USING parquet")
    assert df.columns == [] and df.collect() == []
    spark.sql("DROP TABLE ddl_answer")


@pytest.mark.parametrize("fmt", ["parquet", "delta", "csv", "json"])
def test_insert_and_read_back(spark, fmt):
    spark.sql("DROP TABLE IF EXISTS t_rows")
    spark.sql(f"CREATE TABLE t_rows (id INT, name STRING) USING {fmt}")
    spark.sql("INSERT INTO t_rows VALUES (1, 'a'), (2, NULL)")
    spark.sql("INSERT INTO t_rows (name, id) VALUES ('c', 3)")
    assert sorted(rows(spark.table("t_rows"))) == [(1, "a"), (2, None), (3, "c")]
    spark.sql("INSERT OVERWRITE t_rows SELECT 9, 'z'")
    assert rows(spark.table("t_rows")) == [(9, "z")]
    spark.sql("DROP TABLE t_rows")
    assert not spark.catalog.tableExists("t_rows")


def test_names_of_tables_are_found_in_any_case(spark):
    spark.sql("CREATE TABLE MixedCase (A INT) USING parquet")
    assert spark.catalog.tableExists("mixedcase")
    assert [t.name for t in spark.catalog.listTables() if t.name == "mixedcase"] == ["mixedcase"]
    spark.sql("DROP TABLE MIXEDCASE")


def test_conditions_of_missing_and_taken_names(spark):
    spark.sql("CREATE TABLE taken (a INT) USING parquet")
    assert condition(lambda: spark.sql("CREATE TABLE taken (a INT) USING parquet")) == "TABLE_OR_VIEW_ALREADY_EXISTS"
    spark.sql("CREATE TABLE IF NOT EXISTS taken (a INT) USING parquet")
    assert condition(lambda: spark.sql("DROP TABLE nothing_here")) == "TABLE_OR_VIEW_NOT_FOUND"
    spark.sql("DROP TABLE IF EXISTS nothing_here")
    assert condition(lambda: spark.sql("DROP VIEW taken")) == "WRONG_COMMAND_FOR_OBJECT_TYPE"
    assert condition(lambda: spark.sql("CREATE SCHEMA default")) == "SCHEMA_ALREADY_EXISTS"
    assert condition(lambda: spark.sql("USE no_such_schema")) == "SCHEMA_NOT_FOUND"
    spark.sql("DROP TABLE taken")


def test_schema_with_tables_is_dropped_only_with_cascade(spark):
    spark.sql("CREATE SCHEMA s1")
    spark.sql("CREATE TABLE s1.t (a INT) USING parquet")
    assert condition(lambda: spark.sql("DROP SCHEMA s1")) == "SCHEMA_NOT_EMPTY"
    spark.sql("DROP SCHEMA s1 CASCADE")
    assert not spark.catalog.databaseExists("s1")


def test_temporary_views(spark):
    spark.range(3).createOrReplaceTempView("v")
    assert spark.sql("SELECT count(*) FROM v").collect()[0][0] == 3
    assert condition(lambda: spark.range(1).createTempView("v")) == "TEMP_TABLE_OR_VIEW_ALREADY_EXISTS"
    spark.range(2).createGlobalTempView("g")
    assert spark.table("global_temp.g").count() == 2
    assert spark.catalog.dropTempView("v") is True
    assert spark.catalog.dropTempView("v") is False
    assert spark.catalog.dropGlobalTempView("g") is True


def test_a_view_sees_what_is_inserted_later(spark):
    spark.sql("CREATE TABLE base (a INT) USING parquet")
    spark.sql("CREATE VIEW v_base AS SELECT a FROM base")
    spark.sql("CREATE TEMP VIEW tv_base AS SELECT a FROM base")
    spark.sql("INSERT INTO base VALUES (1)")
    assert rows(spark.table("v_base")) == [(1,)]
    assert rows(spark.table("tv_base")) == [(1,)]
    spark.sql("DROP VIEW v_base")
    spark.sql("DROP VIEW tv_base")
    spark.sql("DROP TABLE base")


def test_permanent_view_on_temporary_view_is_refused(spark):
    spark.range(1).createOrReplaceTempView("only_here")
    assert condition(lambda: spark.sql("CREATE VIEW forever AS SELECT * FROM only_here")) == "INVALID_TEMP_OBJ_REFERENCE"


def test_describe_table(spark):
    spark.sql("CREATE TABLE d (a INT COMMENT 'first', p STRING) USING parquet PARTITIONED BY (p) TBLPROPERTIES ('k' = 'v')")
    assert [tuple(r) for r in spark.sql("DESCRIBE d").collect()] == [
        ("a", "int", "first"), ("p", "string", None), ("# Partition Information", "", ""), ("# col_name", "data_type", "comment"), ("p", "string", None)]
    extended = {r[0]: r[1] for r in spark.sql("DESCRIBE EXTENDED d").collect()}
    assert extended["Type"] == "MANAGED" and extended["Provider"] == "parquet" and extended["Table Properties"] == "[k=v]"
    assert rows(spark.sql("SHOW TBLPROPERTIES d")) == [("k", "v")]
    assert spark.sql("SHOW CREATE TABLE d").collect()[0][0] == (
        "CREATE TABLE spark_catalog.default.d (\n  a INT COMMENT 'first',\n  p STRING COLLATE UTF8_BINARY)\nUSING parquet\n"
        "PARTITIONED BY (p)\nTBLPROPERTIES (\n  'k' = 'v')\n")
    spark.sql("DROP TABLE d")


def test_partitions_of_a_file_table(spark):
    spark.sql("CREATE TABLE part (a INT, p INT) USING parquet PARTITIONED BY (p)")
    spark.sql("INSERT INTO part VALUES (1, 10), (2, 20)")
    spark.sql("INSERT INTO part PARTITION (p = 30) VALUES (3)")
    assert rows(spark.sql("SHOW PARTITIONS part")) == [("p=10",), ("p=20",), ("p=30",)]
    spark.sql("INSERT OVERWRITE part PARTITION (p = 10) VALUES (7)")
    assert sorted(rows(spark.table("part"))) == [(2, 20), (3, 30), (7, 10)]
    spark.sql("ALTER TABLE part DROP PARTITION (p = 20)")
    assert sorted(rows(spark.table("part"))) == [(3, 30), (7, 10)]
    spark.sql("ALTER TABLE part PARTITION (p = 30) RENAME TO PARTITION (p = 40)")
    assert sorted(rows(spark.table("part"))) == [(3, 40), (7, 10)] and rows(spark.sql("SHOW PARTITIONS part")) == [("p=10",), ("p=40",)]
    assert condition(lambda: spark.sql("ALTER TABLE part PARTITION (p = 10) RENAME TO PARTITION (p = 40)")) == "PARTITIONS_ALREADY_EXIST"
    spark.sql("DROP TABLE part")


def test_a_partition_whose_files_cannot_be_moved_stays_what_it_was_and_a_rename_that_was_cut_off_can_be_finished(spark):
    spark.sql("CREATE TABLE moved (a INT, p INT) USING parquet PARTITIONED BY (p)")
    spark.sql("INSERT INTO moved VALUES (1, 10), (2, 20)")
    folder = next(r.data_type for r in spark.sql("DESCRIBE EXTENDED moved").collect() if r.col_name == "Location").removeprefix("file:")
    open(f"{folder}/p=11", "w").close()   # a file is in the folder's place
    with pytest.raises(PySparkException):
        spark.sql("ALTER TABLE moved PARTITION (p = 10) RENAME TO PARTITION (p = 11)")
    os.remove(f"{folder}/p=11")
    assert rows(spark.sql("SHOW PARTITIONS moved")) == [("p=10",), ("p=20",)] and sorted(rows(spark.table("moved"))) == [(1, 10), (2, 20)]
    os.rename(f"{folder}/p=20", f"{folder}/p=21")   # as an end between the two steps leaves it
    assert sorted(rows(spark.table("moved"))) == [(1, 10), (2, 21)]
    spark.sql("ALTER TABLE moved PARTITION (p = 20) RENAME TO PARTITION (p = 21)")
    assert rows(spark.sql("SHOW PARTITIONS moved")) == [("p=10",), ("p=21",)] and sorted(rows(spark.table("moved"))) == [(1, 10), (2, 21)]
    spark.sql("DROP TABLE moved")


def test_save_as_table_modes(spark):
    spark.sql("DROP TABLE IF EXISTS saved")
    spark.range(2).write.saveAsTable("saved")
    assert condition(lambda: spark.range(2).write.saveAsTable("saved")) == "TABLE_OR_VIEW_ALREADY_EXISTS"
    spark.range(2, 4).write.mode("append").saveAsTable("saved")
    assert sorted(r[0] for r in spark.table("saved").collect()) == [0, 1, 2, 3]
    spark.range(1).write.mode("overwrite").saveAsTable("saved")
    assert spark.table("saved").count() == 1
    spark.range(5).write.mode("ignore").saveAsTable("saved")
    assert spark.table("saved").count() == 1
    spark.range(5, 6).write.insertInto("saved")
    assert spark.table("saved").count() == 2
    spark.sql("DROP TABLE saved")


def test_delta_dml(spark):
    spark.sql("DROP TABLE IF EXISTS dml")
    spark.sql("CREATE TABLE dml (id INT, v STRING) USING delta")
    spark.sql("INSERT INTO dml VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    assert rows(spark.sql("UPDATE dml SET v = 'x' WHERE id = 2")) == [(1,)]
    assert rows(spark.sql("DELETE FROM dml WHERE id = 3")) == [(1,)]
    merged = spark.sql("MERGE INTO dml AS t USING (SELECT 1 AS id, 'm' AS v UNION ALL SELECT 9, 'n') AS s ON t.id = s.id "
                       "WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT *")
    assert rows(merged) == [(2, 1, 0, 1)]
    assert sorted(rows(spark.table("dml"))) == [(1, "m"), (2, "x"), (9, "n")]
    operations = [r.operation for r in spark.sql("DESCRIBE HISTORY dml").collect()]
    assert operations == ["MERGE", "DELETE", "UPDATE", "WRITE", "CREATE TABLE"]
    assert rows(spark.sql("SELECT * FROM dml VERSION AS OF 1 ORDER BY id")) == [(1, "a"), (2, "b"), (3, "c")]
    spark.sql("DROP TABLE dml")


def test_dml_on_a_file_table_is_refused(spark):
    spark.sql("CREATE TABLE plain (a INT) USING parquet")
    for statement in ("DELETE FROM plain", "UPDATE plain SET a = 1", "MERGE INTO plain USING (SELECT 1 AS a) s ON plain.a = s.a WHEN MATCHED THEN DELETE"):
        assert condition(lambda: spark.sql(statement)) == "UNSUPPORTED_FEATURE.TABLE_OPERATION"
    spark.sql("DROP TABLE plain")


def test_delta_columns_are_added_renamed_and_dropped(spark):
    spark.sql("CREATE TABLE evolve (a INT) USING delta TBLPROPERTIES ('delta.columnMapping.mode' = 'name')")
    spark.sql("INSERT INTO evolve VALUES (1)")
    spark.sql("ALTER TABLE evolve ADD COLUMNS (b STRING)")
    spark.sql("ALTER TABLE evolve RENAME COLUMN a TO c")
    spark.sql("INSERT INTO evolve VALUES (2, 'x')")
    assert sorted(rows(spark.table("evolve"))) == [(1, None), (2, "x")]
    assert spark.table("evolve").columns == ["c", "b"]
    spark.sql("ALTER TABLE evolve DROP COLUMN c")
    assert sorted(rows(spark.table("evolve")), key=str) == [("x",), (None,)]
    spark.sql("DROP TABLE evolve")


def test_check_constraint_of_a_delta_table(spark):
    spark.sql("CREATE TABLE checked (a INT) USING delta")
    spark.sql("INSERT INTO checked VALUES (1)")
    assert condition(lambda: spark.sql("ALTER TABLE checked ADD CONSTRAINT big CHECK (a > 5)")) == "DELTA_NEW_CHECK_CONSTRAINT_VIOLATION"
    spark.sql("ALTER TABLE checked ADD CONSTRAINT positive CHECK (a > 0)")
    assert condition(lambda: spark.sql("INSERT INTO checked VALUES (-1)")) == "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES"
    spark.sql("DROP TABLE checked")


def test_variables_and_execute_immediate(spark):
    spark.sql("DECLARE OR REPLACE VARIABLE x INT DEFAULT 5")
    spark.sql("SET VAR x = x + 1")
    assert rows(spark.sql("SELECT x")) == [(6,)]
    assert rows(spark.sql("EXECUTE IMMEDIATE 'SELECT ? + 1' USING x")) == [(7,)]
    spark.sql("EXECUTE IMMEDIATE 'SELECT 42' INTO x")
    assert rows(spark.sql("SELECT x")) == [(42,)]
    spark.sql("DROP TEMPORARY VARIABLE x")


def test_scripts(spark):
    script = """
    BEGIN
      DECLARE total INT DEFAULT 0;
      DECLARE i INT DEFAULT 0;
      l: WHILE i < 10 DO
        SET i = i + 1;
        IF i = 4 THEN ITERATE l; END IF;
        IF i > 6 THEN LEAVE l; END IF;
        SET total = total + i;
      END WHILE;
      SELECT total;
    END"""
    assert rows(spark.sql(script)) == [(17,)]
    handled = """
    BEGIN
      DECLARE EXIT HANDLER FOR DIVIDE_BY_ZERO BEGIN SELECT 'caught'; END;
      SELECT 1 / 0;
      SELECT 'not reached';
    END"""
    assert rows(spark.sql(handled)) == [("caught",)]


def test_sql_functions(spark):
    spark.sql("CREATE OR REPLACE FUNCTION area(w DOUBLE, h DOUBLE DEFAULT 2) RETURNS DOUBLE RETURN w * h")
    assert rows(spark.sql("SELECT area(3, 4), area(3)")) == [(12.0, 6.0)]
    assert spark.catalog.functionExists("area")
    spark.sql("DROP FUNCTION area")
    assert condition(lambda: spark.sql("DROP FUNCTION area")) == "ROUTINE_NOT_FOUND"


def test_everything_named_survives_kill_9(server):
    session = SparkSession.builder.remote(server.url).create()
    session.sql("CREATE SCHEMA lasting COMMENT 'stays'")
    session.sql("CREATE TABLE lasting.t (a INT) USING delta")
    session.sql("INSERT INTO lasting.t VALUES (1)")
    session.sql("CREATE VIEW lasting.v AS SELECT a FROM lasting.t")
    server.stop(kill=True)
    server.start()
    session = SparkSession.builder.remote(server.url).create()
    assert [tuple(r) for r in session.table("lasting.v").collect()] == [(1,)]
    session.sql("DROP SCHEMA lasting CASCADE")
    session.stop()


def test_insert_into_a_delta_table_by_path(spark, tmp_path):
    from deltalake import DeltaTable

    name = f"delta.`{tmp_path}/t`"
    spark.sql(f"create table {name} (a int, b string) using delta")
    spark.sql(f"insert into {name} values (1, 'x')")
    spark.sql(f"insert into {name} (b, a) values ('y', 2)")
    rows = DeltaTable(f"{tmp_path}/t").to_pyarrow_table().sort_by("a").to_pylist()
    assert rows == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    spark.sql(f"insert overwrite {name} select 3L, 'z'")
    assert DeltaTable(f"{tmp_path}/t").to_pyarrow_table().to_pylist() == [{"a": 3, "b": "z"}]
