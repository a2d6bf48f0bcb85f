"""Data sources written in Python (spark.dataSource.register). Expected values are Spark's."""
import decimal
import glob
import json
import os

import pyarrow as pa
import pytest
from pyspark.errors import AnalysisException, PythonException
from pyspark.sql import functions as F
from pyspark.sql.datasource import (DataSource, DataSourceReader, DataSourceWriter, EqualNullSafe, EqualTo, GreaterThan, GreaterThanOrEqual, In,
                                    InputPartition, IsNotNull, IsNull, LessThanOrEqual, Not, StringContains, StringEndsWith, StringStartsWith,
                                    WriterCommitMessage)
from pyspark.sql.types import IntegerType, StructField, StructType


@pytest.fixture
def spark(cluster):
    return cluster.session()


class Numbers(DataSource):
    @classmethod
    def name(cls):
        return "numbers"

    def schema(self):
        return "n bigint, text string"

    def reader(self, schema):
        return NumbersReader(int(self.options.get("count", 3)), int(self.options.get("parts", 1)), len(schema.names))


class NumbersReader(DataSourceReader):
    def __init__(self, count, parts, width):
        self.count, self.parts, self.width = count, parts, width

    def partitions(self):
        return [InputPartition(i) for i in range(self.parts)]

    def read(self, partition):
        for i in range(self.count):
            yield (i + 1000 * partition.value, f"p{partition.value}")[: self.width]


def by_value(module_class):
    """Workers do not have this module."""
    import sys

    from pyspark import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    return module_class


def test_every_partition_is_read_once(spark):
    spark.dataSource.register(by_value(Numbers))
    df = spark.read.format("numbers").option("parts", 5).load()
    assert df.dtypes == [("n", "bigint"), ("text", "string")]
    assert sorted(map(tuple, df.collect())) == [(i + 1000 * p, f"p{p}") for p in range(5) for i in range(3)]
    assert df.where("text = 'p4'").selectExpr("sum(n)").collect()[0][0] == 12003
    assert spark.read.format("numbers").option("count", 20_000).load().count() == 20_000


def test_a_schema_of_the_user_comes_first(spark):
    spark.dataSource.register(by_value(Numbers))
    assert [tuple(r) for r in spark.read.format("numbers").schema("a int").load().collect()] == [(0,), (1,), (2,)]


def test_batches_of_arrow(spark):
    class Batches(DataSource):
        @classmethod
        def name(cls):
            return "batches"

        def schema(self):
            return "x int"

        def reader(self, schema):
            class Reader(DataSourceReader):
                def read(self, partition):
                    for i in range(3):
                        yield pa.record_batch({"x": pa.array([i, None], pa.int32())})

            return Reader()

    spark.dataSource.register(Batches)
    assert sorted(r[0] for r in spark.read.format("batches").load().where("x IS NOT NULL").collect()) == [0, 1, 2]


def test_paths_are_options(spark):
    class Echo(DataSource):
        @classmethod
        def name(cls):
            return "echo"

        def schema(self):
            return "o string"

        def reader(self, schema):
            text = json.dumps(dict(sorted((k.lower(), v) for k, v in self.options.items())))

            class Reader(DataSourceReader):
                def read(self, partition):
                    yield (text,)

            return Reader()

    spark.dataSource.register(Echo)
    assert json.loads(spark.read.format("ECHO").option("A", 1).load("/x/y").collect()[0][0]) == {"a": "1", "path": "/x/y"}


def test_errors_name_what_failed(spark):
    class Broken(DataSource):
        @classmethod
        def name(cls):
            return "broken"

        def schema(self):
            if self.options.get("at") == "schema":
                raise ValueError("no schema")
            return "x int"

        def reader(self, schema):
            if self.options.get("at") == "reader":
                raise ValueError("no reader")

            class Reader(DataSourceReader):
                def read(self, partition):
                    raise ValueError("no rows")

            return Reader()

    spark.dataSource.register(Broken)
    for at, message in (("schema", "no schema"), ("reader", "no reader")):
        with pytest.raises(AnalysisException, match=f"PYTHON_DATA_SOURCE_ERROR.*(?s:.*){message}"):
            spark.read.format("broken").option("at", at).load().collect()
    with pytest.raises(PythonException, match="no rows"):
        spark.read.format("broken").load().collect()
    with pytest.raises(AnalysisException, match="DATA_SOURCE_ALREADY_EXISTS"):
        spark.dataSource.register(type("Csv", (Broken,), {"name": classmethod(lambda cls: "csv")}))
    with pytest.raises(Exception, match="DATA_SOURCE_NOT_FOUND"):
        spark.read.format("not_registered").load().collect()


class Message(WriterCommitMessage):
    def __init__(self, rows):
        self.rows = rows


class Lines(DataSource):
    @classmethod
    def name(cls):
        return "lines"

    def writer(self, schema, overwrite):
        return LinesWriter(self.options["path"], overwrite, schema.names)


class LinesWriter(DataSourceWriter):
    def __init__(self, path, overwrite, names):
        self.path, self.overwrite, self.names = path, overwrite, names

    def write(self, rows):
        n = 0
        import uuid

        with open(os.path.join(self.path, f"part-{uuid.uuid4()}.jsonl"), "w") as f:
            for r in rows:
                if r[0] == 13:
                    raise ValueError("unlucky")
                f.write(json.dumps(r.asDict()) + "\n")
                n += 1
        return Message(n)

    def commit(self, messages):
        with open(os.path.join(self.path, "_done"), "w") as f:
            json.dump({"rows": sum(m.rows for m in messages), "overwrite": self.overwrite}, f)

    def abort(self, messages):
        with open(os.path.join(self.path, "_aborted"), "w") as f:
            f.write(str(len(messages)))


def test_rows_are_written_and_committed(spark, tmp_path):
    spark.dataSource.register(by_value(Lines))
    os.chmod(tmp_path, 0o777)
    df = spark.range(10).selectExpr("id", "concat('v', id) AS v")
    df.write.format("lines").mode("append").save(str(tmp_path))
    written = [json.loads(line) for p in glob.glob(f"{tmp_path}/part-*") for line in open(p)]
    assert sorted(r["id"] for r in written) == list(range(10)) and {"id": 3, "v": "v3"} in written
    assert json.load(open(tmp_path / "_done")) == {"rows": 10, "overwrite": False}
    spark.range(1).write.format("lines").mode("overwrite").save(str(tmp_path))
    assert json.load(open(tmp_path / "_done")) == {"rows": 1, "overwrite": True}


def test_a_failed_write_is_aborted(spark, tmp_path):
    spark.dataSource.register(by_value(Lines))
    with pytest.raises(PythonException, match="unlucky"):
        spark.range(20).write.format("lines").mode("append").save(str(tmp_path))
    assert (tmp_path / "_aborted").exists() and not (tmp_path / "_done").exists()
    with pytest.raises(AnalysisException, match="UNSUPPORTED_DATA_SOURCE_SAVE_MODE"):
        spark.range(1).write.format("lines").save(str(tmp_path))


class Pushed(DataSource):
    """Says which predicates it was offered; takes those of the names in the option."""

    @classmethod
    def name(cls):
        return "pushed"

    def schema(self):
        return "x int, s string, b boolean, d decimal(10,2), t struct<y:int>, offered string"

    def reader(self, schema):
        return PushedReader(self.options.get("takes", "").split(","))


class PushedReader(DataSourceReader):
    def __init__(self, takes):
        self.takes, self.offered = takes, ""

    def pushFilters(self, filters):
        self.offered = repr(filters)
        return [f for f in filters if type(f).__name__ not in self.takes]

    def read(self, partition):
        for x in (None, 1, 2, 3):
            yield x, f"a{x}b", x == 2, x and decimal.Decimal(x), (x,), self.offered


@pytest.fixture
def pushed(spark):
    spark.conf.set("spark.sql.python.filterPushdown.enabled", True)
    spark.dataSource.register(by_value(Pushed))
    yield lambda takes="": spark.read.format("pushed").option("takes", takes).load()
    spark.conf.unset("spark.sql.python.filterPushdown.enabled")


@pytest.mark.parametrize("condition, offered, kept", [
    ("x = 2", [IsNotNull(("x",)), EqualTo(("x",), 2)], [2]),
    ("2 < x AND s LIKE 'a%'", [IsNotNull(("x",)), IsNotNull(("s",)), GreaterThan(("x",), 2), StringStartsWith(("s",), "a")], [3]),
    ("x <> 2", [IsNotNull(("x",)), Not(EqualTo(("x",), 2))], [1, 3]),
    ("NOT (x > 2 OR x < 2)", [IsNotNull(("x",)), LessThanOrEqual(("x",), 2), GreaterThanOrEqual(("x",), 2)], [2]),
    ("x IN (1, 3, 3)", [In(("x",), [1, 3])], [1, 3]),
    ("x <=> 1", [EqualNullSafe(("x",), 1)], [1]),
    ("x IS NULL OR x = 1", [], [None, 1]),
    ("x IS NULL", [IsNull(("x",))], [None]),
    ("b", [IsNotNull(("b",)), EqualTo(("b",), True)], [2]),
    ("s LIKE '%2%' AND NOT endswith(s, '1b')", [IsNotNull(("s",)), StringContains(("s",), "2"), Not(StringEndsWith(("s",), "1b"))], [2]),
    ("t.y >= 2", [IsNotNull(("t",)), GreaterThanOrEqual(("t", "y"), 2)], [2, 3]),
    ("x = 2L", [IsNotNull(("x",)), EqualTo(("x",), 2)], [2]),
    ("x % 2 = 1", [IsNotNull(("x",))], [1, 3]),
])
def test_predicates_are_offered_to_the_reader(pushed, condition, offered, kept):
    got = pushed().where(condition).collect()
    assert [r.x for r in got] == kept
    assert got[0].offered == (repr(offered) if offered else "")


def test_a_predicate_that_the_reader_takes_is_not_tested_again(pushed):
    df = pushed("EqualTo")
    assert [r.x for r in df.where("x = 2 AND s LIKE 'a%'").collect()] == [1, 2, 3]  # it lies; IsNotNull and the rest are tested
    assert df.filter(df.x == 2).count() == 3
    # Through projections, joins and unions.
    assert df.selectExpr("x + 0 AS z", "x AS y").where("y = 2").count() == 3
    assert df.where("x = 2").union(df).where("x = 1").count() == 6
    other = pushed().selectExpr("x AS z")
    joined = pushed().where("x IS NOT NULL").join(other, F.col("x") == F.col("z")).where("x = 3")
    assert [(r.x, r.offered) for r in joined.collect()] == [(3, repr([IsNotNull(("x",)), EqualTo(("x",), 3)]))]
    assert pushed("In,EqualTo").where("d IN (1.005, 2.005)").collect() == []  # no value of the column is one of these


def test_a_reader_that_would_take_predicates_must_be_allowed_to(spark):
    spark.dataSource.register(by_value(Pushed))
    df = spark.read.format("pushed").load()
    assert df.columns[0] == "x"
    with pytest.raises(AnalysisException, match="DATA_SOURCE_PUSHDOWN_DISABLED"):
        df.collect()


class Shelf(DataSource):
    """Files of repr() in the folder of its option."""

    @classmethod
    def name(cls):
        return "shelf"

    def schema(self):
        return "n bigint, text string"

    def reader(self, schema):
        return ShelfReader(self.options["folder"], len(schema.names), self.options.get("only"))

    def writer(self, schema, overwrite):
        return ShelfWriter(self.options["folder"], overwrite)


class ShelfReader(DataSourceReader):
    def __init__(self, folder, width, only):
        self.folder, self.width, self.only = folder, width, only

    def read(self, partition):
        for file in sorted(glob.glob(self.folder + "/*")):
            for row in eval(open(file).read()):
                if self.only is None or row[0] == int(self.only):
                    yield row[: self.width]


class ShelfWriter(DataSourceWriter):
    def __init__(self, folder, overwrite):
        self.folder, self.overwrite = folder, overwrite

    def write(self, rows):
        rows = [tuple(r) for r in rows]
        if any(n is not None and n < 0 for n, *_ in rows):
            raise ValueError("below zero")
        return Rows(rows)

    def commit(self, messages):
        if self.overwrite:
            for file in glob.glob(self.folder + "/*"):
                os.remove(file)
        open(f"{self.folder}/{len(os.listdir(self.folder))}", "w").write(repr([r for m in messages if m for r in m.rows]))


class Rows(WriterCommitMessage):
    def __init__(self, rows):
        self.rows = rows


@pytest.fixture
def shelf(spark, tmp_path):
    spark.dataSource.register(by_value(Shelf))
    spark.sql("CREATE SCHEMA IF NOT EXISTS shelves")
    spark.sql("USE shelves")
    yield str(tmp_path)
    spark.sql("USE default")
    spark.sql("DROP SCHEMA shelves CASCADE")


def all_of(spark, query):
    return sorted(map(tuple, spark.sql(query).collect()), key=str)


def test_a_table_of_a_source_in_python_is_read_and_written(spark, shelf):
    spark.sql(f"CREATE TABLE books USING shelf OPTIONS (folder '{shelf}')")
    assert spark.table("books").dtypes == [("n", "bigint"), ("text", "string")]
    spark.sql("INSERT INTO books VALUES (1, 'a'), (2, 'b')")
    spark.sql("INSERT INTO books (text, n) VALUES ('c', 3)")
    assert all_of(spark, "SELECT books.n, b.text FROM books JOIN shelves.books b USING (n)") == [(1, "a"), (2, "b"), (3, "c")]
    assert all_of(spark, "SELECT text FROM books WITH (only = 2)") == [("b",)]
    assert [r.n for r in spark.read.option("only", 3).table("books").collect()] == [3]
    spark.sql("INSERT OVERWRITE books VALUES (4, 'd')")
    spark.range(5, 6).selectExpr("id AS n", "'e' AS text").write.insertInto("books")
    spark.range(6, 7).selectExpr("'f' AS text", "id AS n").writeTo("books").append()
    assert all_of(spark, "SELECT * FROM books") == [(4, "d"), (5, "e"), (6, "f")]
    spark.createDataFrame([(7, "g")], "n bigint, text string").write.mode("append").format("shelf").saveAsTable("books")
    assert all_of(spark, "SELECT max(n), count(*) FROM books") == [(7, 4)]
    with pytest.raises(PythonException, match="below zero"):
        spark.sql("INSERT INTO books VALUES (-1, 'x')")
    spark.sql("DROP TABLE books")
    assert len(os.listdir(shelf)) > 0  # what it keeps is the source's


def test_a_table_is_made_of_a_query_by_the_source(spark, shelf):
    spark.sql(f"CREATE TABLE made USING shelf OPTIONS (folder '{shelf}') AS SELECT 1L AS n, 'q' AS text")
    assert all_of(spark, "SELECT * FROM made") == [(1, "q")]
    spark.range(2).selectExpr("id AS n", "'s' AS text").write.format("shelf").option("folder", shelf).mode("overwrite").saveAsTable("made")
    assert spark.table("made").count() == 3  # replaced, then appended to: the rows are the source's
    with pytest.raises(PythonException, match="below zero"):
        spark.sql(f"CREATE TABLE failed USING shelf OPTIONS (folder '{shelf}') AS SELECT -1L AS n")
    assert not spark.catalog.tableExists("failed")
    spark.catalog.createTable("typed", source="shelf", schema=StructType([StructField("n", IntegerType())]), folder=shelf)
    assert spark.table("typed").dtypes == [("n", "int")]


@pytest.mark.parametrize("statement, condition", [
    ("DELETE FROM books WHERE n = 1", "_LEGACY_ERROR_TEMP_1121"),
    ("TRUNCATE TABLE books", "_LEGACY_ERROR_TEMP_1121"),
    ("UPDATE books SET n = 1", "UNSUPPORTED_FEATURE.TABLE_OPERATION"),
    ("INSERT INTO books REPLACE WHERE n = 1 VALUES (1, 'a')", "UNSUPPORTED_FEATURE.TABLE_OPERATION"),
    ("SELECT * FROM shelf.`/tmp/x`", "UNSUPPORTED_DATASOURCE_FOR_DIRECT_QUERY"),
    ("CREATE TABLE t USING no_such_source", "DATA_SOURCE_NOT_FOUND"),
])
def test_what_a_table_of_a_source_in_python_cannot_do(spark, shelf, statement, condition):
    spark.sql(f"CREATE TABLE books USING shelf OPTIONS (folder '{shelf}')")
    with pytest.raises(Exception) as e:
        spark.sql(statement).collect()
    assert e.value.getCondition() == condition
