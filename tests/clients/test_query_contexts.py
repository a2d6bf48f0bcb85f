"""Errors of running queries say where in the user's text or program they came from, as Spark's do."""
import pytest
from pyspark.errors import PySparkException
from pyspark.errors.exceptions.base import QueryContextType
from pyspark.sql import functions as F


def context_of(action):
    with pytest.raises(PySparkException) as caught:
        action()
    contexts = caught.value.getQueryContext()
    return caught.value, contexts[0] if contexts else None


@pytest.mark.parametrize(
    "sql, condition, start, stop, fragment",
    [
        ("select 1/0", "DIVIDE_BY_ZERO", 7, 9, "1/0"),
        ("select id, 10 / (id - 1) from range(3)", "DIVIDE_BY_ZERO", 11, 23, "10 / (id - 1)"),
        ("select cast('x' as int), 1/1", "CAST_INVALID_INPUT", 7, 22, "cast('x' as int)"),
        ("select 2147483647 + id from (select cast(id as int) id from range(2))", "ARITHMETIC_OVERFLOW", 7, 21, "2147483647 + id"),
        ("select array(1, 2)[id] from (select cast(id as int) id from range(9))", "INVALID_ARRAY_INDEX", 7, 21, "array(1, 2)[id]"),
        ("select element_at(array(1), 5)", "INVALID_ARRAY_INDEX_IN_ELEMENT_AT", 7, 29, "element_at(array(1), 5)"),
        # Two divisions: the one that failed.
        ("select id / 1, id / 0, id % 2 from range(3)", "DIVIDE_BY_ZERO", 15, 20, "id / 0"),
    ],
)
def test_sql_errors_point_into_the_text(spark, sql, condition, start, stop, fragment):
    error, context = context_of(lambda: spark.sql(sql).collect())
    assert error.getCondition() == condition
    assert context is not None
    assert context.contextType() == QueryContextType.SQL
    assert (context.startIndex(), context.stopIndex(), context.fragment()) == (start, stop, fragment)
    assert "== SQL (line 1, position %d) ==" % (start + 1) in str(error)


def test_an_error_that_two_calls_could_have_raised_has_no_wrong_context(spark):
    error, context = context_of(lambda: spark.sql("select id / 0, id / (id - id) from range(3)").collect())
    assert error.getCondition() == "DIVIDE_BY_ZERO"
    assert context is None


def test_dataframe_errors_name_the_method_and_the_line(spark):
    df = spark.range(3)
    error, context = context_of(lambda: df.withColumn("d", df.id / 0).collect())
    assert error.getCondition() == "DIVIDE_BY_ZERO"
    assert context is not None
    assert context.contextType() == QueryContextType.DataFrame
    assert context.fragment() == "__truediv__"
    assert "test_query_contexts.py" in context.callSite()


def test_a_view_is_named(spark):
    spark.sql("create or replace temp view qc as select id, 1 / id as r from range(2)")
    error, context = context_of(lambda: spark.sql("select r from qc").collect())
    assert context.objectType() == "VIEW"
    assert context.fragment() == "1 / id"
    spark.catalog.dropTempView("qc")


def test_time_windows_keep_their_metadata(spark):
    df = spark.sql("select timestamp'2021-01-01 00:00:00' ts, 1 v")
    counted = df.groupBy(F.window("ts", "10 minutes", "5 minutes")).count()
    assert counted.schema["window"].metadata == {"spark.timeWindow": True}
    assert counted.select(F.window_time("window")).count() == 2
    sessions = df.groupBy(F.session_window("ts", "5 minutes")).agg(F.sum("v"))
    assert sessions.schema["session_window"].metadata == {"spark.sessionWindow": True}
