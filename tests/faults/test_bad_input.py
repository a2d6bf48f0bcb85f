"""Input that is broken gives Spark's condition, names the file, and leaves the server as it was."""
import gzip
import json
import os

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import functions as F


def condition(work) -> str:
    with pytest.raises(PySparkException) as e:
        work()
    return e.value.getCondition()


def message(work) -> str:
    with pytest.raises(PySparkException) as e:
        work()
    return str(e.value)


def test_truncated_gzip(spark, tmp_path):
    whole = gzip.compress(b"a,b\n" + b"".join(b"%d,%d\n" % (i, i * i) for i in range(100_000)))
    (tmp_path / "cut.csv.gz").write_bytes(whole[: len(whole) // 2])
    text = message(lambda: spark.read.csv(str(tmp_path / "cut.csv.gz"), header=True, schema="a int, b bigint").agg(F.sum("b")).collect())
    assert "FAILED_READ_FILE" in text and "cut.csv.gz" in text


def test_truncated_gzip_ignored_when_asked(spark, tmp_path):
    whole = gzip.compress(b"a\n" + b"".join(b"%d\n" % i for i in range(100_000)))
    (tmp_path / "cut.csv.gz").write_bytes(whole[: len(whole) // 2])
    n = spark.read.option("ignoreCorruptFiles", True).csv(str(tmp_path / "cut.csv.gz"), header=True, schema="a int").count()
    assert 0 <= n < 100_000


def test_broken_json_line(spark, tmp_path):
    (tmp_path / "x.json").write_text('{"a":1}\n{"a":\n{"a":3}\n')
    read = spark.read.schema("a int, _corrupt_record string")
    assert [tuple(r) for r in read.json(str(tmp_path / "x.json")).collect()] == [(1, None), (None, '{"a":'), (3, None)]
    assert spark.read.schema("a int").option("mode", "DROPMALFORMED").json(str(tmp_path / "x.json")).count() == 2
    failing = spark.read.schema("a int").option("mode", "FAILFAST").json(str(tmp_path / "x.json"))
    assert condition(failing.collect) == "FAILED_READ_FILE.NO_HINT"
    text = message(failing.collect)  # the file, and as its cause the record
    assert "x.json" in text and "Caused by" in text and "MALFORMED_RECORD_IN_PARSING" in text


def test_csv_header_that_is_not_the_schema(spark, tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    read = spark.read.schema("a int, c int").option("enforceSchema", False).option("header", True)
    text = message(read.csv(str(tmp_path / "x.csv")).collect)
    assert "FAILED_READ_FILE.NO_HINT" in text and "CSV header does not conform to the schema" in text
    assert read.option("ignoreCorruptFiles", True).csv(str(tmp_path / "x.csv")).collect() == []


def test_csv_with_too_many_columns(spark, tmp_path):
    (tmp_path / "x.csv").write_text("1,2\n3,4,5\n6\n")
    read = spark.read.schema("a int, b int, _corrupt_record string")
    assert [tuple(r) for r in read.csv(str(tmp_path / "x.csv")).collect()] == [(1, 2, None), (3, 4, "3,4,5"), (6, None, "6")]


def test_missing_path(spark, tmp_path):
    assert condition(lambda: spark.read.parquet(str(tmp_path / "nothing")).collect()) == "PATH_NOT_FOUND"
    assert condition(lambda: spark.read.csv(str(tmp_path / "nothing*.csv")).collect()) == "PATH_NOT_FOUND"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_directory_without_rights(spark, tmp_path):
    (tmp_path / "closed").mkdir()
    os.chmod(tmp_path / "closed", 0)
    assert "closed" in message(lambda: spark.read.csv(str(tmp_path / "closed")).collect())


def test_parquet_cut_in_half(spark, tmp_path):
    spark.range(10_000).write.parquet(str(tmp_path / "t"))
    part = next(p for p in (tmp_path / "t").iterdir() if p.suffix == ".parquet")
    part.write_bytes(part.read_bytes()[: part.stat().st_size // 2])
    text = message(lambda: spark.read.schema("id bigint").parquet(str(tmp_path / "t")).collect())
    assert part.name in text


def test_delta_log_with_a_hole(spark, tmp_path):
    for _ in range(3):
        spark.range(3).write.format("delta").mode("append").save(str(tmp_path / "t"))
    os.remove(tmp_path / "t" / "_delta_log" / f"{1:020d}.json")
    assert "DELTA_VERSIONS_NOT_CONTIGUOUS" in message(lambda: spark.read.format("delta").load(str(tmp_path / "t")).collect())


def test_delta_unknown_reader_feature_is_named(spark, tmp_path):
    spark.range(3).write.format("delta").save(str(tmp_path / "t"))
    protocol = {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["telepathy"], "writerFeatures": ["telepathy"]}}
    (tmp_path / "t" / "_delta_log" / f"{1:020d}.json").write_text(json.dumps(protocol) + "\n")
    text = message(lambda: spark.read.format("delta").load(str(tmp_path / "t")).collect())
    assert "DELTA_UNSUPPORTED_FEATURES_FOR_READ" in text and "telepathy" in text


@pytest.mark.parametrize("sql,expected", [
    ("selec 1", "PARSE_SYNTAX_ERROR"), ("select nope from range(1)", "UNRESOLVED_COLUMN.WITH_SUGGESTION"),
    ("select * from no_such_table", "TABLE_OR_VIEW_NOT_FOUND"), ("select 1 + array(1)", "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES"),
    ("select 2147483647 + 1", "ARITHMETIC_OVERFLOW"), ("select 1 / 0", "DIVIDE_BY_ZERO"), ("select nofunc(1)", "UNRESOLVED_ROUTINE"),
    ("select sum(id) from range(2) where id = 9223372036854775807 + id", "ARITHMETIC_OVERFLOW")])
def test_bad_sql(spark, sql, expected):
    assert condition(lambda: spark.sql(sql).collect()) == expected


def test_syntax_error_marks_the_place(spark):
    text = message(lambda: spark.sql("select 1\nfrom range(1) whera x").collect())
    assert "PARSE_SYNTAX_ERROR" in text and "line 2, pos 20" in text and "^^^" in text


def test_plan_of_10000_nodes(spark, cluster):
    df = spark.range(5)
    for _ in range(10):
        df = df.union(df)  # 2^10 - 1 unions, shared in the client but not on the wire
    assert df.count() == 5 * 1024
    big = "select 1 as x" + " union all select 1" * 9_999
    try:
        assert spark.sql(f"select count(*) from ({big})").collect()[0][0] == 10_000
    except PySparkException as e:
        assert e.getCondition(), "a plan that is too large must say so"
    assert cluster.alive()


def test_expression_nested_5000_deep(spark, cluster):
    try:
        assert spark.sql("select " + "(" * 5000 + "1" + ")" * 5000).collect()[0][0] == 1
    except PySparkException as e:
        assert e.getCondition()
    try:
        assert spark.sql("select 0" + " + 1" * 5000).collect()[0][0] == 5000
    except PySparkException as e:
        assert e.getCondition()
    assert cluster.alive() and spark.sql("select 1").collect()[0][0] == 1
