"""Python functions of a real client: every kind, its types and nulls. Expected values are Spark's."""
import datetime
import decimal
import pickle
import threading
import types

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.errors import ParseException, PythonException
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql import Row, Window
from pyspark.sql import functions as F
from pyspark.sql.functions import arrow_udf, pandas_udf, udf
from pyspark.sql.types import (ArrayType, DateType, DecimalType, DoubleType, FloatType, IntegerType, LongType, MapType, StringType, StructField, StructType,
                               TimestampType)


@pytest.fixture(scope="module")
def spark(cluster):
    session = cluster.session()
    session.conf.set("spark.sql.session.timeZone", "America/New_York")
    return session


def values(df):
    return [tuple(r) for r in df.collect()]


@pytest.mark.parametrize("use_arrow", [True, False])
def test_a_function_of_rows(spark, use_arrow):
    plus = udf(lambda a, b: None if a is None else a + b, "bigint", useArrow=use_arrow)
    df = spark.createDataFrame([(1, 10), (None, 20), (3, 30)], "a bigint, b bigint")
    assert values(df.select("b", plus("a", "b"))) == [(10, 11), (20, None), (30, 33)]


@pytest.mark.parametrize("use_arrow", [True, False])
def test_many_rows_keep_their_order_and_values(spark, use_arrow):
    twice = udf(lambda v: v * 2, "bigint", useArrow=use_arrow)
    rows = spark.range(50_000).select("id", twice("id").alias("t")).toPandas()
    assert (rows["t"] == rows["id"] * 2).all() and (rows["id"].to_numpy() == range(50_000)).all()


@pytest.mark.parametrize("use_arrow", [True, False])
@pytest.mark.parametrize("type_,value", [
    ("boolean", True), ("tinyint", -7), ("smallint", 300), ("int", 70000), ("bigint", 1 << 40), ("float", 0.5), ("double", -1.25),
    ("string", "ä€😀"), ("binary", b"\x00\xff"), ("decimal(20,4)", decimal.Decimal("123456789.1234")), ("date", datetime.date(1969, 12, 31)),
    ("timestamp", datetime.datetime(2024, 3, 10, 3, 30, 0, 123456)), ("timestamp_ntz", datetime.datetime(2024, 3, 10, 2, 30)),
    ("array<int>", [1, None, 3]), ("map<string,int>", {"a": 1, "b": None}), ("struct<x:int,y:string>", Row(x=1, y=None)),
    ("array<struct<a:int>>", [Row(a=1), None]), ("interval day to second", datetime.timedelta(days=1, microseconds=3)),
])
def test_every_type_goes_in_and_comes_out(spark, use_arrow, type_, value):
    same = udf(lambda v: v, type_, useArrow=use_arrow)
    df = spark.createDataFrame([(value,), (None,)], f"v {type_}")
    assert values(df.select(same("v"))) == [(value,), (None,)]


def test_functions_see_the_types_that_spark_gives_them(spark):
    kind = udf(lambda *v: ",".join(type(x).__name__ for x in v), "string")
    row = spark.sql("SELECT 1 AS a, 1.5D AS b, 1.5 AS c, 'x' AS d, DATE'2020-01-01' AS e, TIMESTAMP'2020-01-01 00:00:00' AS f, array(1) AS g, "
                    "map('a', 1) AS h, named_struct('a', 1) AS i")
    assert values(row.select(kind(*row.columns))) == [("int,float,Decimal,str,date,datetime,list,dict,Row",)]


def test_a_pickled_function_of_another_type_than_declared_is_null(spark):
    df = spark.range(1)
    assert values(df.select(udf(lambda v: "x", "int", useArrow=False)("id"))) == [(None,)]
    assert values(df.select(udf(lambda v: 1, "string", useArrow=False)("id"))) == [("1",)]
    assert values(df.select(udf(lambda v: [1, True, None], "string", useArrow=False)("id"))) == [("[1, true, null]",)]
    assert values(df.select(udf(lambda v: 1, "double", useArrow=False)("id"))) == [(None,)]


@pytest.mark.parametrize("type_,given,expected", [
    ("tinyint", [1, 300, None, True], [1, 44, None, None]), ("int", [7, 1 << 31, 1.0], [7, -(1 << 31), None]),
    ("bigint", [-(1 << 63), 1 << 63, "1"], [-(1 << 63), None, None]), ("double", [0.5, 1, None], [0.5, None, None]),
    ("boolean", [True, 1, None], [True, None, None]), ("binary", [b"a", bytearray(b"b"), "c"], [b"a", b"b", b"c"]),
    ("date", [datetime.date(2020, 1, 2), datetime.datetime(2020, 1, 2, 3, 4), None], [datetime.date(2020, 1, 2)] * 2 + [None]),
])
def test_each_value_of_a_pickled_function_is_judged_by_itself(spark, type_, given, expected):
    pick = udf(lambda i: given[i], type_, useArrow=False)
    assert [v for v, in values(spark.range(len(given)).select(pick("id")))] == expected
    alone = [values(spark.range(i, i + 1).select(pick("id")))[0][0] for i in range(len(given))]
    assert alone == expected


def test_several_pickled_functions_are_called_row_by_row(spark):
    import uuid
    name = "log_" + uuid.uuid4().hex

    def note(letter):
        import builtins
        log = builtins.__dict__.setdefault(name, [])
        log.append(letter)
        return "".join(log)

    first, second, third = (udf(f, "string", useArrow=False) for f in (lambda v: note("a"), lambda v, w: note("b"), lambda: note("c")))
    rows = values(spark.range(0, 3, 1, 1).select(first("id"), second("id", F.col("id") + 1), third()))
    assert rows == [("abc" * i + "a", "abc" * i + "ab", "abc" * i + "abc") for i in range(3)]


@pytest.mark.parametrize("several", [False, True])
def test_a_pickled_function_that_raises_stop_iteration_fails(spark, several):
    from pyspark.errors import PythonException
    ends = udf(lambda v: next(iter([])) if v == 2 else v, "bigint", useArrow=False)
    other = udf(lambda v: v, "bigint", useArrow=False)
    with pytest.raises(PythonException, match="StopIteration"):
        spark.range(5).select(ends("id"), *([other("id")] if several else [])).collect()


def test_registered_functions_in_sql(spark):
    spark.udf.register("py_upper", lambda s: s.upper(), "string")
    spark.udf.register("py_len", pandas_udf(lambda s: s.str.len(), "bigint"))
    assert values(spark.sql("SELECT py_upper(v), py_len(v) FROM VALUES ('a'), ('bcd') AS t(v) WHERE py_len(v) > 0")) == [("A", 1), ("BCD", 3)]
    assert values(spark.sql("SELECT py_upper(v), count(*) FROM VALUES ('a'), ('A'), ('b') AS t(v) GROUP BY py_upper(v) ORDER BY 1")) == [("A", 2), ("B", 1)]
    assert values(spark.sql("SELECT py_upper(max(v)) FROM VALUES ('a'), ('b') AS t(v)")) == [("B",)]


def test_named_arguments(spark):
    minus = udf(lambda a, b: a - b, "int")
    assert values(spark.range(1).select(minus(b=F.lit(1), a=F.lit(10)))) == [(9,)]


def test_scalar_pandas_and_arrow_functions(spark):
    df = spark.range(5)

    @pandas_udf("bigint")
    def series(v: pd.Series) -> pd.Series:
        return v + 1

    @arrow_udf("bigint")
    def array(v: pa.Array) -> pa.Array:
        return pa.compute.multiply(v, 3)

    @pandas_udf("a bigint, b string")
    def frame(v: pd.Series) -> pd.DataFrame:
        return pd.DataFrame({"a": v, "b": v.astype(str)})

    assert values(df.select(series("id"), array("id"), series(series("id")))) == [(i + 1, 3 * i, i + 2) for i in range(5)]
    assert values(df.select(frame("id").alias("s")).select("s.*")) == [(i, str(i)) for i in range(5)]


def test_iterator_functions_see_every_batch(spark):
    from typing import Iterator

    @pandas_udf("bigint")
    def shifted(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        offset = 100
        for b in batches:
            yield b + offset

    assert values(spark.range(30_000).select(F.sum(shifted("id")))) == [(sum(range(30_000)) + 30_000 * 100,)]


def test_batches_have_the_configured_size(cluster):
    spark = cluster.session()
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "3")
    size = pandas_udf(lambda v: pd.Series([len(v)] * len(v)), "bigint")
    assert values(spark.range(0, 10, 1, 1).select("id", size("id"))) == [(i, 3 if i < 9 else 1) for i in range(10)]


def test_grouped_aggregates(spark):
    mean = pandas_udf(lambda v: float(v.mean()), "double")

    @pandas_udf("double")
    def weighted(v: pd.Series, w: pd.Series) -> float:
        return float((v * w).sum() / w.sum())

    df = spark.createDataFrame([(1, 1.0, 1.0), (1, 3.0, 3.0), (2, 5.0, 1.0), (None, 7.0, 1.0)], "k int, v double, w double")
    got = values(df.groupBy("k").agg(weighted("v", "w").alias("m"), weighted("w", "w")).orderBy("k"))
    assert got == [(None, 7.0, 1.0), (1, 2.5, 2.5), (2, 5.0, 1.0)]
    assert values(df.agg(weighted("v", "w"))) == [(22.0 / 6,)]
    assert values(df.groupBy((F.col("k") + 1).alias("n")).agg(weighted("v", "w") + 1).orderBy("n")) == [(None, 8.0), (2, 3.5), (3, 6.0)]
    spark.udf.register("py_weighted", weighted)
    assert values(spark.sql("SELECT k, py_weighted(v, w) FROM VALUES (1, 1.0D, 1.0D), (1, 3.0D, 1.0D) AS t(k, v, w) GROUP BY k")) == [(1, 2.0)]
    del mean


def test_aggregates_over_windows(spark):
    @pandas_udf("double")
    def mean(v: pd.Series) -> float:
        return float(v.mean())

    df = spark.createDataFrame([(1, 1.0), (1, 2.0), (1, 6.0), (2, 4.0)], "k int, v double")
    whole = Window.partitionBy("k")
    moving = Window.partitionBy("k").orderBy("v").rowsBetween(-1, 0)
    got = values(df.select("k", "v", mean("v").over(whole), mean("v").over(moving), F.sum("v").over(whole)).orderBy("k", "v"))
    assert got == [(1, 1.0, 3.0, 1.0, 9.0), (1, 2.0, 3.0, 1.5, 9.0), (1, 6.0, 3.0, 4.0, 9.0), (2, 4.0, 4.0, 4.0, 4.0)]


def test_map_in_pandas_and_arrow(spark):
    df = spark.range(10_000)

    def halves(frames):
        for f in frames:
            yield f[f["id"] % 2 == 0]

    def batches(it):
        for b in it:
            yield b.slice(0, b.num_rows)

    assert df.mapInPandas(halves, "id bigint").count() == 5000
    assert values(df.mapInArrow(batches, df.schema).agg(F.sum("id"))) == [(49_995_000,)]
    assert df.limit(0).mapInPandas(halves, "id bigint").count() == 0


def test_apply_in_pandas_and_arrow(spark):
    df = spark.createDataFrame([(1, 1.0), (1, 2.0), (2, 3.0), (None, 4.0)], "k bigint, v double")

    def centred(key, frame):
        return frame.assign(v=frame.v - frame.v.mean(), n=len(frame), key=key[0])

    got = df.groupBy("k").applyInPandas(centred, "k bigint, v double, n int").orderBy("k", "v")
    with pytest.raises(Exception, match="RESULT_COLUMN_NAMES_MISMATCH"):
        got.collect()
    got = df.groupBy("k").applyInPandas(lambda f: f.assign(v=f.v - f.v.mean()), "k bigint, v double")
    assert values(got.orderBy("k", "v")) == [(None, 0.0), (1, -0.5), (1, 0.5), (2, 0.0)]

    def total(table: pa.Table) -> pa.Table:
        return pa.table({"k": [table["k"][0]], "s": [pa.compute.sum(table["v"])]}, schema=pa.schema([("k", pa.int64()), ("s", pa.float64())]))

    assert values(df.groupBy("k").applyInArrow(total, "k bigint, s double").orderBy("k")) == [(None, 4.0), (1, 3.0), (2, 3.0)]
    assert values(df.groupBy((F.col("k") % 2).alias("odd")).applyInPandas(lambda k, f: pd.DataFrame({"o": [k[0]], "n": [len(f)]}), "o double, n int")
                  .filter("o = 1")) == [(1.0, 2)]
    many = spark.range(3000).withColumn("g", F.col("id") % 1000)
    assert values(many.groupBy("g").applyInPandas(lambda f: pd.DataFrame({"n": [len(f)]}), "n int").agg(F.sum("n"), F.count("*"))) == [(3000, 1000)]


def test_cogrouped_functions(spark):
    left = spark.createDataFrame([(1, "a"), (2, "b"), (2, "c")], "k int, v string")
    right = spark.createDataFrame([(2, 10), (3, 20)], "k int, w int")

    def merge(a, b):
        return pd.DataFrame({"l": ["".join(sorted(a.v))], "r": [int(b.w.sum())]})

    got = left.groupBy("k").cogroup(right.groupBy("k")).applyInPandas(merge, "l string, r int")
    assert sorted(values(got)) == [("", 20), ("a", 0), ("bc", 10)]


def test_sides_of_a_cogroup_have_as_many_keys(spark):
    from pyspark.errors import IllegalArgumentException

    df = spark.range(3).selectExpr("id AS a", "id AS b")
    with pytest.raises(IllegalArgumentException, match="requirement failed: Cogroup keys must have same size: 2 != 1"):
        df.groupBy("a", "b").cogroup(df.groupBy("a")).applyInPandas(lambda x, y: x, "a bigint, b bigint").collect()


def test_arguments_of_functions_are_checked(spark):
    from pyspark.errors import AnalysisException

    spark.udf.register("py_minus", lambda a, b: a - b, "bigint")
    random = udf(lambda v: v, "bigint").asNondeterministic()
    for sql, condition in (("SELECT py_minus(a => 1, a => 2)", "DUPLICATE_ROUTINE_PARAMETER_ASSIGNMENT.DOUBLE_NAMED_ARGUMENT_REFERENCE"),
                           ("SELECT py_minus(a => 1, 2)", "UNEXPECTED_POSITIONAL_ARGUMENT")):
        with pytest.raises(AnalysisException) as error:
            spark.sql(sql).collect()
        assert error.value.getCondition() == condition
    with pytest.raises(AnalysisException, match="AGGREGATE_FUNCTION_WITH_NONDETERMINISTIC_EXPRESSION"):
        spark.range(3).groupBy("id").agg(F.sum(random("id"))).collect()
    with pytest.raises(AnalysisException, match="Can not load class no.such.Class"):
        spark.udf.registerJavaFunction("py_java", "no.such.Class")


def test_little_data_is_one_call_of_an_iterator(spark):
    def count(batches):
        yield pd.DataFrame({"n": [sum(len(b) for b in batches)]})

    assert values(spark.range(1000).mapInPandas(count, "n bigint")) == [(1000,)]


def test_functions_in_filters_joins_and_subqueries(spark):
    even = udf(lambda v: v % 2 == 0, "boolean")
    same = udf(lambda a, b: a == b, "boolean")
    df = spark.range(6)
    assert values(df.filter(even("id") & (F.col("id") > 1))) == [(2,), (4,)]
    a, b = spark.range(3).alias("a"), spark.range(1, 4).alias("b")
    assert sorted(values(a.join(b, same(F.col("a.id"), F.col("b.id"))))) == [(1, 1), (2, 2)]
    df.createOrReplaceTempView("numbers")
    spark.udf.register("py_even", even)
    assert values(spark.sql("WITH e AS (SELECT id FROM numbers WHERE py_even(id)) SELECT sum(id) FROM e WHERE id IN (SELECT id FROM numbers WHERE py_even(id + 1 - 1))")) == [(6,)]
    assert values(spark.sql("SELECT id FROM numbers ORDER BY py_even(id) DESC, id LIMIT 4")) == [(0,), (2,), (4,), (1,)]


def test_nondeterministic_functions_run_once_a_row(spark):
    import random

    draw = udf(lambda: random.random(), "double").asNondeterministic()
    rows = values(spark.range(50).withColumn("r", draw()).select("r", F.col("r").alias("again"), F.col("r") + 0))
    assert all(a == b == c for a, b, c in rows) and len({a for a, _, _ in rows}) == 50


def test_an_exception_carries_the_users_traceback(spark):
    from pyspark.errors import PythonException

    def broken_here(v):
        raise ValueError(f"no {v}")

    with pytest.raises(PythonException) as e:
        spark.range(1).select(udf(broken_here, "int")("id")).collect()
    assert "broken_here" in str(e.value) and "ValueError: no 0" in str(e.value)
    assert values(spark.range(1)) == [(0,)]


def test_results_of_the_wrong_length_are_refused(spark):
    from pyspark.errors import PythonException

    with pytest.raises(PythonException, match="SCHEMA_MISMATCH_FOR_PANDAS_UDF|expected"):
        spark.range(3).select(pandas_udf(lambda v: v.head(1), "bigint")("id")).collect()


def test_files_of_the_session_are_visible(spark, tmp_path):
    module = tmp_path / "tarn_test_module.py"
    module.write_text("VALUE = 41\n")
    spark.addArtifacts(str(module), pyfile=True)

    def use(v):
        import tarn_test_module

        return tarn_test_module.VALUE + v

    assert values(spark.range(1, 2).select(udf(use, "bigint")("id"))) == [(42,)]


def test_archives_of_the_session_are_visible(cluster, tmp_path):
    import tarfile
    import zipfile

    spark = cluster.session()
    for name in ("zipped", "taken"):
        (tmp_path / f"{name}.txt").write_text(f"in {name}")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as z:
        z.write(tmp_path / "zipped.txt", "deep/zipped.txt")
    with tarfile.open(tmp_path / "b.tar.gz", "w:gz") as t:
        t.add(tmp_path / "taken.txt", "taken.txt")
    with zipfile.ZipFile(tmp_path / "tarn_zip_module.zip", "w") as z:
        z.writestr("tarn_zip_module.py", "VALUE = 5\n")
    with zipfile.ZipFile(tmp_path / "tarn_wheel-1.0-py3-none-any.whl", "w") as z:
        z.writestr("tarn_wheel/__init__.py", "VALUE = 7\n")
    (tmp_path / "data.txt").write_text("a file")
    spark.addArtifacts(f"{tmp_path}/a.zip#first", f"{tmp_path}/b.tar.gz", archive=True)
    spark.addArtifacts(f"{tmp_path}/tarn_zip_module.zip", pyfile=True)
    spark.addArtifacts(f"{tmp_path}/tarn_wheel-1.0-py3-none-any.whl", file=True)
    spark.addArtifacts(f"{tmp_path}/data.txt", file=True)

    def use(v):
        import os

        import tarn_zip_module

        text = [open(p).read() for p in ("first/deep/zipped.txt", "b.tar.gz/taken.txt", "data.txt")]
        return f"{tarn_zip_module.VALUE} {text} {os.path.isfile('tarn_wheel-1.0-py3-none-any.whl')}"

    assert values(spark.range(1).select(udf(use, "string")("id"))) == [("5 ['in zipped', 'in taken', 'a file'] True",)]


def test_the_profiler_sees_functions(cluster):
    spark = cluster.session()
    spark.conf.set("spark.sql.pyspark.udf.profiler", "perf")

    def looked_for(v):
        return sum(range(v))

    spark.range(10).select(udf(looked_for, "bigint")("id"), pandas_udf(lambda v: v + 1, "bigint")("id")).collect()
    profiles = spark._profiler_collector._perf_profile_results
    assert len(profiles) == 2
    assert any("looked_for" in str(key) for p in profiles.values() for key in p.stats)
    spark.conf.unset("spark.sql.pyspark.udf.profiler")


def test_a_limit_bounds_the_rows_that_functions_see(spark):
    size = pandas_udf(lambda v: pd.Series([len(v)] * len(v)), "bigint")
    assert values(spark.range(0, 100, 1, 1).select(size("id")).limit(3)) == [(3,)] * 3
    assert values(spark.range(0, 100, 1, 1).select("id", size("id")).offset(90).limit(2)) == [(90, 2), (91, 2)]


def test_limits_do_not_evaluate_everything(spark):
    slow = udf(lambda v: __import__("time").sleep(0.0005) or v, "bigint")
    assert len(spark.range(10_000_000).select(slow("id")).head(5)) == 5


def test_table_functions(spark):
    from pyspark.sql.functions import udtf

    class Doubled:  # here, so that it travels by value
        def eval(self, n: int):
            for i in range(n):
                yield i, str(i) * 2

    doubled = udtf(Doubled, returnType="a INT, b STRING")
    assert [tuple(r) for r in doubled(F.lit(3)).collect()] == [(0, "00"), (1, "11"), (2, "22")]
    spark.udtf.register("doubled", doubled)
    answer = spark.sql("SELECT b, a FROM doubled(2)")
    assert answer.columns == ["b", "a"] and [tuple(r) for r in answer.collect()] == [("00", 0), ("11", 1)]


# ---- places where no pass over the rows can be separated

def test_functions_over_columns_of_the_query_around(spark):
    spark.udf.register("add_up", udf(lambda a, b: a + b, "bigint"))
    spark.createDataFrame([(1, 10), (2, 20), (3, 30)], "k bigint, v bigint").createOrReplaceTempView("outside")
    spark.createDataFrame([(1, 1), (1, 2), (2, 5)], "k bigint, w bigint").createOrReplaceTempView("inside")
    scalar = "SELECT k, (SELECT max(w) FROM inside WHERE inside.k = outside.k AND add_up(inside.w, outside.v) <> 12) m FROM outside ORDER BY k"
    assert values(spark.sql(scalar)) == [(1, 1), (2, 5), (3, None)]
    exists = "SELECT k FROM outside WHERE EXISTS (SELECT 1 FROM inside WHERE add_up(inside.w, outside.v) = 25) ORDER BY k"
    assert values(spark.sql(exists)) == [(2,)]
    own = "SELECT k, (SELECT sum(add_up(w, w)) FROM inside WHERE inside.k = outside.k) s FROM outside ORDER BY k"
    assert values(spark.sql(own)) == [(1, 6), (2, 10), (3, None)]
    lateral = "SELECT k, x FROM outside, LATERAL (SELECT add_up(outside.v, w) AS x FROM inside WHERE inside.k <= outside.k) ORDER BY k, x"
    assert values(spark.sql(lateral)) == [(1, 11), (1, 12), (2, 21), (2, 22), (2, 25), (3, 31), (3, 32), (3, 35)]


@pytest.mark.parametrize("make", [
    lambda: udf(lambda v: v * 2, "bigint", useArrow=False), lambda: udf(lambda v: v * 2, "bigint", useArrow=True),
    lambda: pandas_udf(lambda v: v * 2, "bigint"), lambda: arrow_udf(lambda v: pa.compute.multiply(v, 2), "bigint")])
def test_functions_in_recursive_queries(spark, make):
    spark.udf.register("double_it", make())
    sql = "WITH RECURSIVE t(n, d) AS (SELECT 1L, double_it(1L) UNION ALL SELECT n + 1, double_it(d) FROM t WHERE n < 6) SELECT * FROM t ORDER BY n"
    assert values(spark.sql(sql)) == [(1, 2), (2, 4), (3, 8), (4, 16), (5, 32), (6, 64)]


def test_an_error_inside_a_subquery_is_the_functions(spark):
    def fails(v):
        raise ValueError("no such value")

    spark.udf.register("fails", udf(fails, "bigint"))
    with pytest.raises(Exception, match="no such value"):
        spark.sql("SELECT (SELECT max(b.id) FROM range(3) b WHERE fails(a.id + b.id) > 0) FROM range(2) a").collect()


def test_grouping_sets_of_python_aggregates(spark):
    @pandas_udf("double")
    def mean(v: pd.Series) -> float:
        return v.mean()

    spark.udf.register("py_mean", mean)
    spark.createDataFrame([("a", "x", 1.0), ("a", "y", 3.0), ("b", "x", 8.0)], "k string, l string, v double").createOrReplaceTempView("cells")
    sql = "SELECT k, l, {} (v) m, grouping(l) g, grouping_id() i FROM cells GROUP BY {} ORDER BY i, k, l"
    for clause in ("ROLLUP(k, l)", "CUBE(k, l)", "GROUPING SETS ((k), (l), ())", "k, ROLLUP(l)"):
        assert values(spark.sql(sql.format("py_mean", clause))) == values(spark.sql(sql.format("avg", clause))), clause


# ---- order

def test_windows_come_in_their_order(spark):
    rows = [(k, v) for v in range(9, -1, -1) for k in (4, 0, 3, 1, 2)]
    df = spark.createDataFrame(rows, "k int, v int")
    w = Window.partitionBy("k").orderBy("v")

    @pandas_udf("double")
    def mean(v: pd.Series) -> float:
        return v.mean()

    native, python = values(df.withColumn("m", F.avg("v").over(w))), values(df.withColumn("m", mean("v").over(w)))
    assert native == python and [r[:2] for r in native] == sorted(rows)
    assert values(df.withColumn("m", F.avg("v").over(w)).select("v").where("v < 2")) == [(0,), (1,)] * 5


def test_groups_and_branches_come_in_their_order(spark):
    df = spark.createDataFrame([(k, 1) for k in (9, 2, 5, None, 7, 2)], "k int, v int")
    assert values(df.groupBy("k").count()) == [(None, 1), (2, 2), (5, 1), (7, 1), (9, 1)]
    assert values(df.groupBy(df.k % 2).agg(F.sum("v").alias("s")).select("s")) == [(1,), (2,), (3,)]
    df.createOrReplaceTempView("groups_in_order")
    assert values(spark.sql("SELECT k, v, count(*) FROM groups_in_order GROUP BY k, v GROUPING SETS (v)")) == [(None, 1, 6)]
    left, right = spark.range(3).selectExpr("id", "'l' s"), spark.range(2).selectExpr("id", "'r' s")
    both = df.groupBy("k").count().unionAll(left.join(right, "id", "full").selectExpr("int(id)", "0L")).unionAll(spark.sql("SELECT 1, 2L"))
    for _ in range(5):
        assert [r[0] for r in both.limit(4).collect()] == [None, 2, 5, 7]
        assert both.collect()[-1][0] == 1


# Several matches of one row come as they stand on their side; Spark gives them the other way round.
@pytest.mark.parametrize("how,rows", [
    ("inner", [(3, "c", 1), (3, "c", 2), (1, "a", 0), (2, "b", 9)]), ("left", [(3, "c", 1), (3, "c", 2), (1, "a", 0), (5, "e", None), (2, "b", 9)]),
    ("right", [(2, "b", 9), (3, "c", 1), (7, None, 4), (1, "a", 0), (3, "c", 2)]), ("leftsemi", [(3, "c"), (1, "a"), (2, "b")]), ("leftanti", [(5, "e")])])
def test_joins_come_in_the_order_of_the_side_they_keep(spark, how, rows):
    left = spark.createDataFrame([(3, "c"), (1, "a"), (5, "e"), (2, "b")], "k int, s string")
    right = spark.createDataFrame([(2, 9), (3, 1), (7, 4), (1, 0), (3, 2)], "k int, v int")
    assert values(left.join(right, "k", how)) == rows


def test_rows_are_numbered_in_their_order_below_a_sort(spark):
    df = spark.createDataFrame([(2, "b"), (9, "z"), (1, "a"), (2, "a")], "k int, s string")
    ranked = df.withColumn("r", F.row_number().over(Window.partitionBy("k").orderBy("s"))).where("r = 1")
    numbered = ranked.withColumn("n", F.monotonically_increasing_id()).orderBy(F.desc("s"))
    assert values(numbered.orderBy("n").select("k", "n")) == [(1, 0), (2, 1), (9, 2)]


# ---- what travels with a batch

def test_metadata_of_columns_and_barriers(spark):
    def metadata(batches):
        for b in batches:
            text = b.schema.field("id").metadata[b"SPARK::metadata::json"].decode()
            yield pa.RecordBatch.from_arrays([pa.array([text] * b.num_rows)], names=["m"])

    assert values(spark.range(1).withMetadata("id", {"x": 1}).mapInArrow(metadata, "m string")) == [('{"x":1}',)]

    def gather(batches):
        from pyspark import BarrierTaskContext

        context = BarrierTaskContext.get()
        context.barrier()
        said = context.allGather("here")
        for b in batches:
            yield pd.DataFrame({"said": [",".join(said)], "n": [len(b)], "tasks": [len(context.getTaskInfos())]})

    assert values(spark.range(10).mapInPandas(gather, "said string, n int, tasks int", barrier=True)) == [("here", 10, 1)]


def test_models_predict_in_batches(spark):
    def sums():
        def predict(inputs: np.ndarray) -> np.ndarray:
            assert inputs.ndim == 2 and len(inputs) <= 3
            return inputs.sum(axis=1)
        return predict

    def pairs():
        return lambda a, b: [{"sum": x + y, "both": np.array([x, y])} for x, y in zip(a, b)]

    of_arrays = predict_batch_udf(sums, return_type=FloatType(), batch_size=3, input_tensor_shapes=[[2]])
    rows = spark.range(5).select(of_arrays(F.array(F.col("id").cast("float"), F.lit(0.5).cast("float"))).alias("p")).collect()
    assert [r.p for r in rows] == [0.5, 1.5, 2.5, 3.5, 4.5]
    of_columns = predict_batch_udf(pairs, return_type=StructType().add("sum", DoubleType()).add("both", ArrayType(DoubleType())), batch_size=2)
    rows = spark.range(3).select(of_columns(F.col("id").cast("double"), F.lit(1.0)).alias("p")).collect()
    assert [(r.p.sum, r.p.both) for r in rows] == [(1.0, [0.0, 1.0]), (2.0, [1.0, 1.0]), (3.0, [2.0, 1.0])]


@pytest.mark.parametrize("use_arrow", [False, True])
def test_another_python_at_the_client_is_named(spark, monkeypatch, use_arrow):
    with monkeypatch.context() as m:
        m.setattr("pyspark.sql.connect.udf.sys", types.SimpleNamespace(version_info=(3, 1, 4)))
        plan = spark.range(1).select(F.udf(lambda v: v, "bigint", useArrow=use_arrow)("id"))
    with pytest.raises(PythonException, match=r"\[PYTHON_VERSION_MISMATCH\] Python in worker has different version: 3\.\d+ than that in driver: 3\.1"):
        plan.collect()
    assert spark.range(1).select(F.udf(lambda v: v, "bigint", useArrow=use_arrow)("id")).first()[0] == 0


def test_functions_of_other_languages_are_refused_as_by_spark(spark):
    with pytest.raises(ParseException, match="Operation not allowed: Unsupported language for user defined functions: PYTHON"):
        spark.sql("CREATE FUNCTION plus_one(x INT) RETURNS INT LANGUAGE PYTHON RETURN x + 1")


def test_what_cannot_be_pickled_is_refused_by_the_client(spark):
    lock = threading.Lock()
    with pytest.raises(pickle.PicklingError, match="cannot pickle '_thread.lock' object"):
        spark.range(1).select(F.udf(lambda v: lock and v, "bigint")("id")).collect()
    assert spark.range(1).select(F.udf(lambda v: v, "bigint")("id")).first()[0] == 0


def test_small_groups_give_what_large_ones_do(spark):
    """Columns of plain numbers go a way of their own: nulls, NaN, other types in between and changes in place must not be told apart."""
    data = spark.createDataFrame([(k, k * 10 + i, None if i == 1 and k % 2 else i, float("nan") if i == 2 else i / 2, k == 3) for k in range(6) for i in range(3)],
                                 "k int, v bigint, n int, x double, last boolean")

    def changed(frame):
        frame["v"] += 1
        if frame["k"].iloc[0] == 2:
            return frame[["x", "v", "k"]].astype({"v": "float64"})     # another order, another type
        if frame["k"].iloc[0] == 4:
            return pd.DataFrame(columns=["k", "v", "x"])
        return frame[["k", "v", "x"]]

    for columns in (["k", "v", "x"], ["k", "v", "n", "x", "last"]):
        got = data.select(columns).groupBy("k").applyInPandas(changed, "k int, v bigint, x double").orderBy("v").collect()
        assert [(r.k, r.v, r.x) for r in got] == [(k, k * 10 + i + 1, None if i == 2 else i / 2) for k in (0, 1, 2, 3, 5) for i in range(3)]
    kinds = data.select("k", "v", "n", "x").groupBy("k").applyInPandas(
        lambda f: pd.DataFrame({"t": [" ".join(map(str, f.dtypes)) + " " + str(f.index) + " " + str(f["v"].values.flags.writeable)]}), "t string").distinct().collect()
    assert {r.t for r in kinds} == {f"int32 int64 {n} float64 RangeIndex(start=0, stop=3, step=1) True" for n in ("int32", "float64")}
    with pytest.raises(PythonException, match="RESULT_COLUMN_NAMES_MISMATCH"):
        data.select("k", "v").groupBy("k").applyInPandas(lambda f: f if f["k"].iloc[0] < 5 else f.rename(columns={"v": "w"}), "k int, v bigint").collect()
    with pytest.raises(PythonException, match="by zero"):
        data.select("k", "v").groupBy("k").applyInPandas(lambda f: f if f["k"].iloc[0] < 5 else 1 // 0, "k int, v bigint").collect()
