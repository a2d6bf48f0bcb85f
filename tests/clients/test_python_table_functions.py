"""Table functions in Python: analyze(), TABLE arguments, lateral joins. Expected values are Spark's."""
from dataclasses import dataclass

import pyarrow as pa
import pytest
from pyspark.errors import AnalysisException, PythonException
from pyspark.errors.exceptions.connect import InvalidPlanInput, PickleException
from pyspark.sql import Row
from pyspark.sql import functions as F
from pyspark.sql.functions import arrow_udtf, lit, udtf
from pyspark.sql.types import IntegerType, LongType, StringType, StructType
from pyspark.sql.udtf import (AnalyzeArgument, AnalyzeResult, OrderingColumn, PartitioningColumn, SelectedColumn,
                              SkipRestOfInputTableException)


@pytest.fixture(scope="module")
def spark(cluster):
    session = cluster.session()
    session.sql("CREATE OR REPLACE TEMP VIEW t AS SELECT * FROM VALUES (1, 3), (0, 1), (1, 2), (0, 4), (NULL, 9) AS v(k, v)")
    return session


def rows(df):
    return sorted((tuple(r) for r in df.collect()), key=lambda r: tuple((x is not None, x) for x in r))


@pytest.mark.parametrize("use_arrow", [True, False])
def test_rows_come_from_eval_and_terminate(spark, use_arrow):
    class Count:
        def __init__(self):
            self.n = 0

        def eval(self, a, b):
            self.n += a + b
            yield a, str(b)
            yield b, None

        def terminate(self):
            yield self.n, "end"

    f = udtf(Count, returnType="a: int, b: string", useArrow=use_arrow)
    assert [tuple(r) for r in f(lit(1), lit(2)).collect()] == [(1, "2"), (2, None), (3, "end")]
    spark.udtf.register("count_two", f)
    assert [tuple(r) for r in spark.sql("SELECT a FROM count_two(b => 5, a => 1) WHERE b IS NOT NULL").collect()] == [(1,), (6,)]


@pytest.mark.parametrize("use_arrow", [True, False])
def test_a_lateral_call_sees_the_columns_beside_it(spark, use_arrow):
    @udtf(returnType="d: int", useArrow=use_arrow)
    class Repeat:
        def eval(self, n):
            for i in range(n):
                yield (i,)

    spark.udtf.register("repeated", Repeat.asDeterministic())
    assert rows(spark.sql("SELECT n, d FROM VALUES (0), (1), (3) AS x(n), LATERAL repeated(n)")) == [(1, 0), (3, 0), (3, 1), (3, 2)]
    assert rows(spark.sql("SELECT n, d, e FROM VALUES (2) AS x(n), LATERAL repeated(n), LATERAL repeated(d + 1) AS y(e)")) == [
        (2, 0, 0), (2, 1, 0), (2, 1, 1)]
    assert rows(spark.sql("SELECT n, z FROM VALUES (1), (2) AS x(n), LATERAL (SELECT d * 10 + n AS z FROM repeated(n) WHERE d < n)")) == [
        (1, 1), (2, 2), (2, 12)]
    df = spark.createDataFrame([(2,)], "n int")
    assert rows(df.lateralJoin(Repeat(F.col("n").outer())).select("n", "d")) == [(2, 0), (2, 1)]
    assert rows(spark.sql("SELECT n, d FROM VALUES (0), (1) AS x(n) LEFT JOIN LATERAL repeated(n)")) == [(0, None), (1, 0)]


def test_analyze_sees_types_values_and_names(spark):
    @udtf
    class Told:
        @staticmethod
        def analyze(a: AnalyzeArgument, b: AnalyzeArgument, **more: AnalyzeArgument) -> AnalyzeResult:
            assert not a.isTable and a.isConstantExpression
            schema = StructType().add("a", a.dataType).add(str(b.value), b.dataType)
            for name, argument in more.items():
                schema = schema.add(f"{name}_{argument.value}", argument.dataType)
            return AnalyzeResult(schema)

        def eval(self, a, b, **more):
            yield (a, b, *more.values())

    df = Told(lit(1), lit("x"), c=lit(2.5), d=F.array(lit(1), lit(2)))
    assert df.columns == ["a", "x", "c_2.5", "d_[1, 2]"] and [f.dataType.simpleString() for f in df.schema] == ["int", "string", "double", "array<int>"]
    assert [tuple(r) for r in df.collect()] == [(1, "x", 2.5, [1, 2])]
    spark.udtf.register("told", Told)
    got = spark.sql("SELECT * FROM told(DATE'2020-01-02', 1.50, t => TIMESTAMP'2020-01-01 00:00:00', s => named_struct('x', 1), m => map('k', 2L), n => NULL)")
    assert got.columns[1] == "1.50"
    assert got.columns[3:] == ["s_Row(x=1)", "m_{'k': 2}", "n_None"]


def test_table_arguments_are_rows(spark):
    @udtf(returnType="s: int")
    class Total:
        def __init__(self):
            self.sum = 0

        def eval(self, row: Row):
            self.sum += row["v"]

        def terminate(self):
            yield (self.sum,)

    spark.udtf.register("total", Total)
    assert rows(spark.sql("SELECT * FROM total(TABLE (t) WITH SINGLE PARTITION)")) == [(19,)]
    assert rows(spark.sql("SELECT * FROM total(TABLE (SELECT * FROM t WHERE v < 4) PARTITION BY k)")) == [(1,), (5,)]
    assert rows(spark.sql("SELECT * FROM total(row => TABLE (t) PARTITION BY k + 1)")) == [(5,), (5,), (9,)]
    df = spark.table("t")
    assert rows(Total(df.asTable().partitionBy("k"))) == [(5,), (5,), (9,)]
    assert rows(Total(df.asTable().withSinglePartition())) == [(19,)]
    assert rows(Total(df.asTable())) == [(19,)]


@pytest.mark.parametrize("use_arrow", [True, False])
def test_partitions_arrive_in_order(spark, use_arrow):
    @udtf(returnType="k: int, seen: string", useArrow=use_arrow)
    class Seen:
        def __init__(self):
            self.key, self.values = None, []

        def eval(self, row: Row, suffix):
            assert list(row.asDict()) == ["k", "v"]
            self.key = row.k
            self.values.append(f"{row.v}{suffix}")

        def terminate(self):
            yield self.key, " ".join(self.values)

    spark.udtf.register("seen", Seen)
    assert rows(spark.sql("SELECT * FROM seen(TABLE (t) PARTITION BY k ORDER BY (v DESC), '!')")) == [(None, "9!"), (0, "4! 1!"), (1, "3! 2!")]
    assert rows(spark.sql("SELECT * FROM seen(TABLE (t) WITH SINGLE PARTITION ORDER BY (k DESC NULLS FIRST, v), suffix => '')")) == [
        (0, "9 2 3 1 4")]
    df = spark.table("t")
    assert rows(Seen(df.asTable().partitionBy(df.k).orderBy(df.v.desc()), lit("?"))) == [(None, "9?"), (0, "4? 1?"), (1, "3? 2?")]


def test_analyze_chooses_partitions_order_and_columns(spark):
    @dataclass
    class WithPrefix(AnalyzeResult):
        prefix: str = ""

    @udtf
    class Chosen:
        def __init__(self, analyzed):
            self.prefix, self.values = analyzed.prefix, []

        @staticmethod
        def analyze(table, prefix):
            assert table.isTable and table.value is None and table.dataType.names == ["k", "v"]
            return WithPrefix(schema=StructType().add("r", StringType()), partitionBy=[PartitioningColumn("k")],
                              orderBy=[OrderingColumn("v", ascending=False)],
                              select=[SelectedColumn("v"), SelectedColumn("v * 10", alias="tens")], prefix=prefix.value)

        def eval(self, row, _):
            assert list(row.asDict()) == ["v", "tens"]
            self.values.append(f"{row.v}/{row.tens}")

        def terminate(self):
            yield (self.prefix + ",".join(self.values),)

    spark.udtf.register("chosen", Chosen)
    assert rows(spark.sql("SELECT * FROM chosen(TABLE (t), '> ')")) == [("> 3/30,2/20",), ("> 4/40,1/10",), ("> 9/90",)]
    with pytest.raises(AnalysisException, match="TABLE_VALUED_FUNCTION_REQUIRED_METADATA_INCOMPATIBLE_WITH_CALL"):
        spark.sql("SELECT * FROM chosen(TABLE (t) PARTITION BY (k), '> ')").collect()


def test_the_rest_of_a_partition_can_be_skipped(spark):
    @udtf(returnType="first: int")
    class First:
        def eval(self, row):
            yield (row.v,)
            raise SkipRestOfInputTableException("enough")

    spark.udtf.register("first_of", First)
    assert rows(spark.sql("SELECT * FROM first_of(TABLE (t) PARTITION BY k ORDER BY v)")) == [(1,), (2,), (9,)]


def test_functions_over_arrow(spark):
    @arrow_udtf(returnType="k int, s bigint")
    class Sums:
        def eval(self, batch: pa.RecordBatch):
            assert isinstance(batch, pa.RecordBatch) and batch.schema.names == ["k", "v"]
            yield pa.table({"k": pa.array([batch["k"][0].as_py()], pa.int32()), "s": pa.array([pa.compute.sum(batch["v"]).as_py()], pa.int64())})

    @arrow_udtf(returnType="x int")
    class Doubled:
        def eval(self, x: pa.Array):
            yield pa.table({"x": pa.compute.multiply(x, 2)})

    spark.udtf.register("sums", Sums)
    assert rows(spark.sql("SELECT * FROM sums(TABLE (t) PARTITION BY k)")) == [(None, 9), (0, 5), (1, 5)]
    assert rows(Doubled(lit(21))) == [(42,)]


@pytest.mark.parametrize("sql,condition", [
    ("SELECT * FROM bad(1)", "TABLE_VALUED_FUNCTION_FAILED_TO_ANALYZE_IN_PYTHON"),
    ("SELECT * FROM two(TABLE (t), TABLE (t))", "TABLE_VALUED_FUNCTION_TOO_MANY_TABLE_ARGUMENTS"),
    ("SELECT * FROM two(a => 1, a => 2)", "DUPLICATE_ROUTINE_PARAMETER_ASSIGNMENT.DOUBLE_NAMED_ARGUMENT_REFERENCE"),
    ("SELECT * FROM two(a => 1, 2)", "UNEXPECTED_POSITIONAL_ARGUMENT"),
    ("SELECT * FROM ordered(TABLE (t))", "TABLE_VALUED_FUNCTION_REQUIRED_METADATA_INVALID"),
    ("SELECT * FROM both(TABLE (t))", "TABLE_VALUED_FUNCTION_REQUIRED_METADATA_INVALID"),
    ("SELECT * FROM aliased(TABLE (t))", "UDTF_INVALID_ALIAS_IN_REQUESTED_ORDERING_STRING_FROM_ANALYZE_METHOD"),
    ("SELECT * FROM unnamed(TABLE (t))", "UDTF_INVALID_REQUESTED_SELECTED_EXPRESSION_FROM_ANALYZE_METHOD_REQUIRES_ALIAS"),
    ("SELECT * FROM no_such_function(1)", "UNRESOLVABLE_TABLE_VALUED_FUNCTION"),
    ("SELECT * FROM range(TABLE (t))", "UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.UNSUPPORTED_TABLE_ARGUMENT"),
])
def test_errors_of_calls(spark, sql, condition):
    one = StructType().add("x", IntegerType())

    def register(name, result):
        class Function:
            @staticmethod
            def analyze(*args, **kwargs):
                return result()

            def eval(self, *args, **kwargs):
                yield (1,)

        spark.udtf.register(name, udtf(Function))

    def fails():
        raise ValueError("no such thing")

    register("bad", fails)
    register("two", lambda: AnalyzeResult(one))
    register("ordered", lambda: AnalyzeResult(one, orderBy=[OrderingColumn("k")]))
    register("both", lambda: AnalyzeResult(one, withSinglePartition=True, partitionBy=[PartitioningColumn("k")]))
    register("aliased", lambda: AnalyzeResult(one, withSinglePartition=True, orderBy=[OrderingColumn("k ASC")]))
    register("unnamed", lambda: AnalyzeResult(one, select=[SelectedColumn("k + 1")]))
    with pytest.raises(AnalysisException) as error:
        spark.sql(sql).collect()
    assert error.value.getCondition() == condition


def test_errors_of_functions(spark):
    class Wrong:
        def eval(self):
            yield 1, 2

    class Fails:
        def eval(self):
            raise ValueError("the message")

    with pytest.raises(PythonException, match="UDTF_RETURN_SCHEMA_MISMATCH"):
        udtf(Wrong, returnType="x int")().collect()
    with pytest.raises(PythonException, match="UDTF_EXEC_ERROR.*the message"):
        udtf(Fails, returnType="x int")().collect()
    with pytest.raises(AnalysisException, match="signature"):
        class Signature:
            @staticmethod
            def analyze(a):
                return AnalyzeResult(StructType().add("x", LongType()))

            def eval(self, a):
                yield (a,)

        udtf(Signature)(lit(1), lit(2)).collect()


# ---- what may stand above a call in LATERAL

@pytest.fixture(scope="module")
def upto(cluster):
    session = cluster.session()

    @udtf(returnType="x int, y int")
    class UpTo:
        def eval(self, n: int):
            for i in range(n):
                yield i, i % 2

    session.udtf.register("up_to", UpTo.asDeterministic())
    session.createDataFrame([(1, 0), (2, 4), (3, 3)], "k int, n int").createOrReplaceTempView("calls")
    session.createDataFrame([(0, "even"), (1, "odd")], "y int, name string").createOrReplaceTempView("names")
    return session


@pytest.mark.parametrize("sql,rows", [
    ("SELECT k, s FROM calls, LATERAL (SELECT sum(x) s FROM up_to(n))", [(1, None), (2, 6), (3, 3)]),
    ("SELECT k, c FROM calls, LATERAL (SELECT count(*) c FROM up_to(n) WHERE x > k - 2)", [(1, 0), (2, 3), (3, 1)]),
    ("SELECT k, y, c FROM calls, LATERAL (SELECT y, count(*) c FROM up_to(n) GROUP BY y)", [(2, 0, 2), (2, 1, 2), (3, 0, 2), (3, 1, 1)]),
    ("SELECT k, x FROM calls, LATERAL (SELECT x FROM up_to(n) ORDER BY x DESC LIMIT 2)", [(2, 2), (2, 3), (3, 1), (3, 2)]),
    ("SELECT k, x FROM calls, LATERAL (SELECT x FROM up_to(n) ORDER BY x LIMIT 1 OFFSET 1)", [(2, 1), (3, 1)]),
    ("SELECT k, x, name FROM calls, LATERAL (SELECT x, name FROM up_to(n) u JOIN names ON u.y = names.y WHERE k = 3)",
     [(3, 0, "even"), (3, 1, "odd"), (3, 2, "even")]),
    ("SELECT k, y FROM calls, LATERAL (SELECT DISTINCT y FROM up_to(n))", [(2, 0), (2, 1), (3, 0), (3, 1)]),
    ("SELECT k, x, r FROM calls, LATERAL (SELECT x, row_number() OVER (PARTITION BY y ORDER BY x DESC) r FROM up_to(n)) WHERE r = 1",
     [(2, 2, 1), (2, 3, 1), (3, 1, 1), (3, 2, 1)]),
    ("SELECT k, x FROM calls LEFT JOIN LATERAL up_to(n) ON x > k", [(1, None), (2, 3), (3, None)]),
    ("SELECT k, z FROM calls LEFT JOIN LATERAL (SELECT x + 1 AS z FROM up_to(n)) ON true", [(1, None), (2, 1), (2, 2), (2, 3), (2, 4), (3, 1), (3, 2), (3, 3)]),
    ("SELECT k, one FROM calls LEFT JOIN LATERAL (SELECT 1 AS one FROM up_to(n) WHERE x = 3)", [(1, None), (2, 1), (3, None)]),
    ("SELECT k, s FROM calls LEFT JOIN LATERAL (SELECT sum(x) s FROM up_to(n) GROUP BY y HAVING sum(x) > 2)", [(1, None), (2, 4), (3, None)]),
    ("SELECT k, x FROM calls LEFT JOIN LATERAL (SELECT x FROM up_to(n) ORDER BY x DESC LIMIT 1)", [(1, None), (2, 3), (3, 2)]),
    ("SELECT k, name FROM calls LEFT JOIN LATERAL (SELECT name FROM up_to(n) u JOIN names ON u.y = names.y AND x > 2)", [(1, None), (2, "odd"), (3, None)]),
])
def test_shapes_of_lateral_queries(upto, sql, rows):
    assert sorted(map(tuple, upto.sql(sql).collect()), key=str) == sorted(rows, key=str)


def test_each_part_of_a_range_has_an_instance_of_its_own(spark):
    @udtf(returnType="what: string, n: bigint")
    class Count:
        def __init__(self):
            self.n = self.sum = 0

        def eval(self, x):
            x = x["id"] if isinstance(x, Row) else x
            self.n += 1
            self.sum += x
            yield "row", x

        def terminate(self):
            yield "count", self.n
            yield "sum", self.sum

    spark.udtf.register("counted", Count)
    ended = rows(spark.sql("SELECT id, what, n FROM range(0, 10, 1, 3), LATERAL counted(id) WHERE what != 'row'"))
    assert ended == [(2, "count", 3), (2, "sum", 3), (5, "count", 3), (5, "sum", 12), (9, "count", 4), (9, "sum", 30)]
    assert spark.sql("SELECT count(*) FROM range(0, 10, 1, 3), LATERAL counted(id)").collect()[0][0] == 16
    big = spark.sql("SELECT n FROM range(0, 50000, 1, 2), LATERAL counted(id) WHERE what = 'count'")  # a part is more than a batch
    assert [r.n for r in big.collect()] == [25000, 25000]
    assert rows(spark.sql("SELECT n FROM counted(TABLE(FROM range(0, 10, 1, 2))) WHERE what = 'count'")) == [(5,), (5,)]
    assert rows(spark.sql("SELECT n FROM counted(TABLE(FROM range(0, 10, 1, 2)) WITH SINGLE PARTITION) WHERE what = 'count'")) == [(10,)]


def test_what_the_unpickler_of_spark_refuses_is_no_exception_of_the_function(spark):
    @udtf(returnType="x: int", useArrow=False)
    class RowAsInt:
        def eval(self):
            yield Row(a=1),

    refused = r"net.razorvine.pickle.PickleException: expected zero arguments for construction of ClassDict \(for pyspark.sql.types._create_row\)"
    with pytest.raises(PickleException, match=refused):
        RowAsInt().collect()
    with pytest.raises(PickleException, match=refused):
        spark.range(1).select(F.udf(lambda x: [Row(a=1)], "array<string>", useArrow=False)("id")).collect()
    # Objects without arguments and values of another type are null or text.
    assert spark.range(1).select(F.udf(lambda x: "text", "int", useArrow=False)("id"), F.udf(lambda x: [1, 2], "string", useArrow=False)("id")).collect()[0][:] == (None, "[1, 2]")

    @udtf(returnType="int")
    class NoStruct:
        def eval(self, a):
            yield a,

    with pytest.raises(InvalidPlanInput, match="Invalid schema type. Expect a struct type, but got \"INT\"."):
        NoStruct(lit(1)).collect()
    with pytest.raises(InvalidPlanInput) as e:
        spark.range(1).dropDuplicates(["zz"]).collect()
    assert e.value.getCondition() == "CONNECT_INVALID_PLAN.UNRESOLVED_COLUMN_AMONG_FIELD_NAMES"


LEFT = "VALUES (0), (1), (3), (3), (NULL) AS x(n)"


@pytest.mark.parametrize("query, expected", [
    ("SELECT n, d FROM {}, LATERAL (SELECT d FROM rep(n) UNION ALL SELECT n * 10)",
     [(None, None), (0, 0), (1, 0), (1, 10), (3, 0), (3, 0), (3, 1), (3, 1), (3, 2), (3, 2), (3, 30), (3, 30)]),
    ("SELECT n, d FROM {}, LATERAL (SELECT d FROM rep(n) UNION SELECT 1)",
     [(None, 1), (0, 1), (1, 0), (1, 1), (3, 0), (3, 0), (3, 1), (3, 1), (3, 2), (3, 2)]),
    ("SELECT n, d FROM {}, LATERAL (SELECT d FROM rep(n) INTERSECT SELECT 1)", [(3, 1), (3, 1)]),
    ("SELECT n, d FROM {}, LATERAL (SELECT d FROM rep(n) EXCEPT SELECT 1)", [(1, 0), (3, 0), (3, 0), (3, 2), (3, 2)]),
    ("SELECT n, d FROM {} LEFT JOIN LATERAL (SELECT d FROM rep(n) UNION ALL SELECT d FROM rep(n - 1)) ON d > 0",
     [(None, None), (0, None), (1, None), (3, 1), (3, 1), (3, 1), (3, 1), (3, 2), (3, 2)]),
    ("SELECT n, d, e FROM {} LEFT JOIN LATERAL (SELECT a.d, b.d AS e FROM rep(n) a, LATERAL rep(a.d + 1) b)",
     [(None, None, None), (0, None, None), (1, 0, 0)] + 2 * [(3, 0, 0)] + 2 * [(3, 1, 0)] + 2 * [(3, 1, 1)] + 2 * [(3, 2, 0)] + 2 * [(3, 2, 1)] + 2 * [(3, 2, 2)]),
    ("SELECT n, d, e FROM {} LEFT JOIN LATERAL (SELECT a.d, b.d AS e FROM rep(n) a, LATERAL rep(a.d + 1) b) ON e = 1",
     [(None, None, None), (0, None, None), (1, None, None), (3, 1, 1), (3, 1, 1), (3, 2, 1), (3, 2, 1)]),
    ("SELECT n, d, e FROM {}, LATERAL (SELECT a.d, b.d AS e FROM rep(n) a JOIN rep(n + 1) b ON a.d = b.d)",
     [(1, 0, 0), (3, 0, 0), (3, 0, 0), (3, 1, 1), (3, 1, 1), (3, 2, 2), (3, 2, 2)]),
    ("SELECT n, c FROM {}, LATERAL (SELECT count(*) c FROM (SELECT d FROM rep(n) UNION ALL SELECT d FROM rep(n)))",
     [(None, 0), (0, 0), (1, 2), (3, 6), (3, 6)]),
])
def test_set_operations_and_several_calls_in_one_lateral_query(spark, query, expected):
    @udtf(returnType="d: int")
    class Rep:
        def eval(self, n):
            for i in range(n or 0):
                yield (i,)

    spark.udtf.register("rep", Rep.asDeterministic())
    assert rows(spark.sql(query.format(LEFT))) == expected
