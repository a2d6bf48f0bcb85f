"""Reads and writes of files by a real client against the answers of Apache Spark (tests/sources)."""

import json
import os
import sys

import pytest
from pyspark.errors import AnalysisException

SOURCES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "sources")
sys.path.insert(0, SOURCES)
import cases  # noqa: E402

with open(os.path.join(SOURCES, "answers.json")) as f:
    ANSWERS = json.load(f)


@pytest.fixture(scope="module")
def spark(cluster):
    session = cluster.session()
    session.conf.set("spark.sql.session.timeZone", "UTC")
    return session


def comparable(answer):
    # Plain Java exceptions have no condition: that there is an error is what counts.
    if answer.get("error", "").startswith("plain:"):
        return {"error": "any"}
    return answer


def check(expected, got):
    if comparable(expected) == {"error": "any"}:
        assert "error" in got, f"Spark fails ({expected['error']}), here: {got}"
    else:
        assert got == expected


@pytest.mark.parametrize("case", cases.READS, ids=lambda c: c[0])
def test_reading_answers_as_spark(spark, tmp_path, case):
    check(ANSWERS["reads"][case[0]], cases.run_read(spark, str(tmp_path), case))


@pytest.mark.parametrize("case", cases.WRITES, ids=lambda c: c[0])
def test_writing_lays_down_what_spark_does(spark, tmp_path, case):
    check(ANSWERS["writes"][case[0]], cases.run_write(spark, str(tmp_path), case))


@pytest.mark.parametrize("source, shown", [("json", "JSON"), ("csv", "CSV")])
def test_calendar_intervals_are_in_no_file(spark, tmp_path, source, shown):
    (tmp_path / "a").write_text('{"i": "1 day"}\n' if source == "json" else "1 day\n")
    with pytest.raises(AnalysisException) as error:
        spark.read.schema("i interval").format(source).load(str(tmp_path)).collect()
    assert error.value.getCondition() == "UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE"
    assert error.value.getMessageParameters() == {"columnName": "`i`", "columnType": '"INTERVAL"', "format": shown}


@pytest.mark.parametrize("source, text", [("json", '{"d": "1 02:03:04", "y": "1-2"}\n'), ("csv", "1 02:03:04,1-2\n")])
def test_ansi_intervals_are_read_from_text(spark, tmp_path, source, text):
    (tmp_path / "a").write_text(text)
    read = spark.read.schema("d interval day to second, y interval year to month").format(source).load(str(tmp_path))
    assert read.selectExpr("d = interval '1 02:03:04' day to second", "y = interval '1-2' year to month").collect() == [(True, True)]
