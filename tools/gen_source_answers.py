#!/usr/bin/env python3
"""Runs tests/sources/cases.py in Apache Spark and writes tests/sources/answers.json. Needs a full `pyspark` (with its JVM)."""

import json
import os
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "sources"))
import cases  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402


def main():
    os.environ["TZ"] = "UTC"
    spark = (
        SparkSession.builder.master("local[1]").config("spark.sql.session.timeZone", "UTC").config("spark.ui.enabled", "false").getOrCreate()
    )
    spark.sparkContext.setLogLevel("OFF")
    answers = {"spark": spark.version, "reads": {}, "writes": {}}
    for kind, run, items in (("reads", cases.run_read, cases.READS), ("writes", cases.run_write, cases.WRITES)):
        for case in items:
            with tempfile.TemporaryDirectory() as directory:
                answers[kind][case[0]] = run(spark, directory, case)
    with open(os.path.join(ROOT, "tests", "sources", "answers.json"), "w") as f:
        json.dump(answers, f, indent=1, sort_keys=True, ensure_ascii=True)
        f.write("\n")


if __name__ == "__main__":
    main()
