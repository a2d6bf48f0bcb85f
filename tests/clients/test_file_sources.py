"""Reads and writes of files by a real client against the answers of Apache Spark (tests/sources)."""

import json
import os
import sys

import pytest

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
