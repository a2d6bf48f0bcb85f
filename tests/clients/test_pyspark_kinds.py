"""Kinds of behaviour that PySpark's own Connect tests found missing. Expected values come from Apache Spark 4.2.0."""
import pytest
from pyspark.errors import AnalysisException, IllegalArgumentException
from pyspark.errors.exceptions.base import PySparkException
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType
from pyspark.sql.window import Window


def one(spark, sql):
    return spark.sql(sql).collect()[0][0]


# ---- sketches: the bytes of Apache DataSketches

@pytest.mark.parametrize("sql, expected", [
    ("SELECT hex(theta_sketch_agg(c)) FROM VALUES (1) t(c)", "01030300003ACC9315F97DCBBD86A105"),
    ("SELECT hex(theta_sketch_agg(c)) FROM VALUES (1),(2),(3),(1) t(c)", "0104033E011ACC930316861AF72DF7E4558FBE9C3477E9EAEFB2E5966BADAA3DC0"),
    ("SELECT hex(theta_sketch_agg(c)) FROM VALUES (CAST(NULL AS INT)) t(c)", "01030300001E0000"),
    ("SELECT hex(theta_sketch_agg(c)) FROM VALUES ('a'),('b'),('') t(c)", "0104033F011ACC930269CB8F136C80FF0B186CFFEE6F750648"),
    ("SELECT hex(theta_sketch_agg(c)) FROM VALUES (array(1,2)),(array(3)) t(c)", "0104033D011ACC930248A04E8B14F8955F7176726E71B55380"),
    ("SELECT hex(tuple_sketch_agg_double(k,v)) FROM VALUES (1,1.5D),(2,2.5D),(1,0.5D) t(k,v)",
     "02030901000ACC93020000000000000015F97DCBBD86A105000000000000004000C397FC1281709D1E000000000000044000"),
    ("SELECT hex(tuple_sketch_agg_integer(k,v)) FROM VALUES (1,10) t(k,v)", "01030901000ACC9315F97DCBBD86A1050A00000000"),
    ("SELECT hex(kll_sketch_agg_bigint(c)) FROM VALUES (1) t(c)", "02020F04C80008000100000000000000"),
    ("SELECT hex(kll_sketch_agg_float(c)) FROM VALUES (1F),(2F),(3F) t(c)",
     "05010F00C80008000300000000000000C8000100C50000000000803F000040400000803F0000004000004040"),
    ("SELECT hex(kll_sketch_agg_bigint(c)) FROM VALUES (CAST(NULL AS INT)) t(c)", "02010F01C8000800"),
    ("SELECT theta_sketch_estimate(theta_sketch_agg(id)) FROM range(100000)", 98046),
    ("SELECT theta_sketch_estimate(theta_sketch_agg(id, 5)) FROM range(100000)", 104987),
    ("SELECT hex(theta_intersection(a,b)) FROM (SELECT theta_sketch_agg(id, 4) a FROM range(10)), (SELECT theta_sketch_agg(id, 4) b FROM range(50,55))",
     "01030300001E0000"),
    ("SELECT kll_sketch_get_quantile_bigint(kll_sketch_agg_bigint(c), array(0D,0.25D,0.5D,0.75D,1D)) FROM VALUES (1),(2),(3),(4),(5) t(c)", [1, 2, 3, 4, 5]),
    ("SELECT kll_sketch_get_rank_bigint(kll_sketch_agg_bigint(c), array(0L,1L,5L,9L)) FROM VALUES (1),(2),(3),(4),(5) t(c)", [0.0, 0.2, 1.0, 1.0]),
])
def test_sketches_have_the_bytes_and_answers_of_datasketches(spark, sql, expected):
    assert one(spark, sql) == expected


@pytest.mark.parametrize("sql, condition", [
    ("SELECT theta_sketch_estimate(X'00')", "THETA_INVALID_INPUT_SKETCH_BUFFER"),
    ("SELECT theta_sketch_agg(true)", "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE"),
    ("SELECT theta_sketch_agg(1, 3)", "SKETCH_INVALID_LG_NOM_ENTRIES"),
    ("SELECT kll_sketch_agg_bigint(1, 5)", "DATATYPE_MISMATCH.TYPE_CHECK_FAILURE_WITH_HINT"),
    ("SELECT kll_sketch_get_n_bigint(X'00')", "KLL_INVALID_INPUT_SKETCH_BUFFER"),
    ("SELECT kll_sketch_get_quantile_bigint(kll_sketch_agg_bigint(1), 2D)", "KLL_SKETCH_INVALID_QUANTILE_RANGE"),
    ("SELECT tuple_sketch_agg_double(1, 1D, 10, 'foo')", "DATATYPE_MISMATCH.TYPE_CHECK_FAILURE_WITH_HINT"),
    ("SELECT tuple_sketch_estimate_double(X'00')", "TUPLE_INVALID_INPUT_SKETCH_BUFFER"),
])
def test_sketches_refuse_what_is_none(spark, sql, condition):
    with pytest.raises(PySparkException) as e:
        spark.sql(sql).collect()
    assert e.value.getCondition() == condition


# ---- variant

@pytest.mark.parametrize("sql, expected", [
    ("""SELECT to_json(parse_json('{ "a" : 1, "b": [1.50, "x", null] }'))""", '{"a":1,"b":[1.5,"x",null]}'),
    ("""SELECT to_json(try_parse_json('{ a : 1 }'))""", None),
    ("""SELECT variant_get(parse_json('{"a": {"b": [1, 2.5]}}'), '$.a.b[0]', 'double')""", 1.0),
    ("""SELECT try_variant_get(parse_json('{"a": "x"}'), '$.a', 'int')""", None),
    ("""SELECT variant_get(parse_json('{"a": 1}'), '$.b', 'int')""", None),
    ("""SELECT schema_of_variant(parse_json('{"a": 1, "b": true}'))""", "OBJECT<a: BIGINT, b: BOOLEAN>"),
    ("""SELECT schema_of_variant_agg(parse_json(j)) FROM VALUES ('{"a": 1}'), ('{"b": true}'), ('{"c": 1.23}') AS tab(j)""", "OBJECT<a: BIGINT, b: BOOLEAN, c: DECIMAL(3,2)>"),
    ("SELECT is_variant_null(parse_json('null'))", True),
    ("SELECT to_json(to_variant_object(named_struct('a', 1)))", '{"a":1}'),
])
def test_variants(spark, sql, expected):
    assert one(spark, sql) == expected


def test_a_variant_that_is_no_binary_says_so(spark):
    with pytest.raises(PySparkException) as e:
        one(spark, """SELECT variant_get(parse_json('{"a": 1}'), '$.a', 'binary')""")
    assert e.value.getCondition() == "INVALID_VARIANT_CAST"
    assert e.value.getMessageParameters() == {"value": "1", "dataType": '"BINARY"'}


# ---- random numbers

def test_seeded_random_numbers_are_sparks_and_come_again(spark):
    expected = [(0.6363787615254752, 1.6845611254444919, "ceV0P", 7), (0.5993846534021868, 1.2276070094376463, "XaR2I", 5), (0.134842710012538, 0.7360632906893385, "lBhHi", 1)]
    for _ in range(2):
        assert [tuple(r) for r in spark.sql("SELECT rand(1), randn(1), randstr(5, 0), uniform(1, 10, 0) FROM range(3)").collect()] == expected


def test_the_same_random_column_twice_in_a_row_is_equal(spark):
    r, n, s = F.rand(), F.randn(), F.shuffle(F.array([F.lit(i) for i in range(10)]))
    for row in spark.range(100).select(r, r, n, n, s, s).collect():
        assert row[0] == row[1] and row[2] == row[3] and row[4] == row[5]


# ---- columns of DataFrames

def test_a_replaced_column_is_not_found_by_its_name(spark):
    df = spark.sql("SELECT 1 AS c")
    with pytest.raises(AnalysisException):
        df.select(df.c.cast("string").alias("c")).select(df.c).collect()
    spark.conf.set("spark.sql.analyzer.strictDataFrameColumnResolution", "false")
    assert df.select(df.c.cast("string").alias("c")).select(df.c).collect()[0].c == "1"


def test_columns_are_found_through_views_and_intersections_and_dropped_only_where_they_are(spark):
    df = spark.sql("SELECT 1 AS c")
    df.createOrReplaceTempView("kinds_view")
    assert spark.table("kinds_view").select(df.c).collect()[0].c == 1
    assert df.intersect(spark.sql("SELECT 1 AS c")).select(df.c).collect()[0].c == 1
    assert df.withColumn("c", F.lit("x")).drop(df.c).columns == ["c"]


def test_renaming_may_make_a_name_twice(spark):
    df = spark.sql("SELECT 1 AS a, 2 AS b")
    assert df.withColumnsRenamed({"a": "b"}).columns == ["b", "b"]


# ---- smaller kinds

def test_group_by_constants_and_positions(spark):
    spark.sql("SELECT * FROM VALUES (1, 1), (1, 2) t(a, b)").createOrReplaceTempView("kinds_group")
    assert [tuple(r) for r in spark.sql("SELECT 1, 2, sum(b) FROM kinds_group GROUP BY 1, 2").collect()] == [(1, 2, 3)]


def test_nth_value_may_skip_nulls(spark):
    df = spark.createDataFrame([(0, None), (1, "x"), (2, "y")], "o int, v string")
    w = Window.orderBy("o")
    rows = df.select(F.nth_value("v", 2).over(w), F.nth_value("v", 2, True).over(w)).collect()
    assert [tuple(r) for r in rows] == [(None, None), ("x", None), ("x", "y")]


def test_the_header_of_show_is_not_cut(spark):
    html = spark.createDataFrame([(22222, "22222")], ("key", "value"))
    assert html._show_string(20, 3).splitlines()[1] == "|key|value|"


def test_struct_fields_of_the_same_name_arrive(spark):
    schema = StructType().add("s", StructType([StructField("x", StringType()), StructField("x", StringType())]))
    df = spark.createDataFrame([(("a", "b"),)], schema)
    assert df.schema == schema
    assert [tuple(r.s) for r in df.collect()] == [("a", "b")]


def test_implicit_cross_joins_can_be_forbidden(spark):
    a, b = spark.range(1).toDF("a"), spark.range(1).toDF("b")
    spark.conf.set("spark.sql.crossJoin.enabled", "false")
    with pytest.raises(AnalysisException):
        a.join(b).collect()
    assert a.crossJoin(b).count() == 1
    assert a.join(b).filter("a = b").count() == 1


def test_samples_refuse_impossible_fractions(spark):
    with pytest.raises(IllegalArgumentException):
        spark.range(1).sample(-1.0).count()


def test_unpivot_keeps_types_apart(spark):
    df = spark.createDataFrame([(1, 10, "one")], ["id", "int", "str"])
    with pytest.raises(AnalysisException) as e:
        df.unpivot("id", ["int", "str"], "var", "val").collect()
    assert e.value.getCondition() == "UNPIVOT_VALUE_DATA_TYPE_MISMATCH"


def test_rows_are_numbered(spark):
    assert [r["index"] for r in spark.createDataFrame([("a",), ("b",)], ["x"]).zipWithIndex().collect()] == [0, 1]


def test_time_windows_are_called_window(spark):
    df = spark.sql("SELECT timestamp'2016-03-11 09:00:07' AS date, 1 AS val")
    w = df.groupBy(F.window("date", "5 seconds", "5 seconds")).agg(F.sum("val").alias("sum"))
    assert w.select(w.window.end.cast("string"), F.window_time(w.window).cast("string")).collect()[0][:] == ("2016-03-11 09:00:10", "2016-03-11 09:00:09.999999")


@pytest.mark.parametrize("sql", [
    "SELECT if(id > 1, raise_error('no'), id) FROM range(3)",
    "SELECT coalesce(nullif(id, 2), raise_error('no')) FROM range(3)",
    "SELECT CASE WHEN id = 2 THEN raise_error('no') ELSE 'x' END FROM range(3)",
    "SELECT struct(if(id > 1, assert_true(id < 2, 'no'), array(id))) FROM range(3)",
])
def test_an_error_raised_in_a_branch_is_raised(spark, sql):
    with pytest.raises(PySparkException, match="no") as caught:
        spark.sql(sql).collect()
    assert caught.value.getCondition() == "USER_RAISED_EXCEPTION"


def test_transpose_mixes_no_types(spark):
    frame = spark.createDataFrame([("x", "y", 1), ("z", "w", 2)], "a string, b string, c bigint")
    assert frame.select("a", "b").transpose().collect() == [("b", "y", "w")]
    assert frame.select("a", "c").transpose().schema.simpleString() == "struct<key:string,x:bigint,z:bigint>"
    with pytest.raises(AnalysisException) as error:
        frame.transpose().collect()
    assert error.value.getCondition() == "TRANSPOSE_NO_LEAST_COMMON_TYPE"
