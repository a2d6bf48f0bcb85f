#!/usr/bin/env python3
"""Python functions through the stock PySpark client: Tarn against pysail and Apache Spark.

    python_functions.py --tarn BIN [--rows 1000000] [--groups 10000] [--frame-rows 10000000] [--runs 5] [--peers sail,spark]
                        [--only REGEX] [--out bench/results/python_functions.md]

1 M rows through a pickled, an Arrow, a pandas function and mapInArrow; applyInPandas with 10 k groups; groupby, merge and a scalar
expression of the pandas API on Spark over 10 M rows; the first function of a new session. --only runs the cases whose names match.
Engines take turns case by case within each run, so that a drift of the machine hits all alike; each figure is the median over the
runs, the load of the machine is printed beside. Every answer is checked. SAIL and SPARK_PYTHON name the peers as in tpch.py;
pysail needs pyspark where its Python looks (PYTHONPATH), Tarn in PYSPARK_PYTHON.
"""
import argparse
import logging
import os
import re
import statistics
import sys
import time
import warnings

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tpch  # noqa: E402

ROWS, GROUPS, FRAME_ROWS = 1_000_000, 10_000, 10_000_000


def pickled(spark):
    from pyspark.sql import functions as F
    plus = F.udf(lambda v: v + 1, "bigint", useArrow=False)
    return spark.range(ROWS).select(F.sum(plus("id"))).collect()[0][0], ROWS * (ROWS + 1) // 2


def arrow_rows(spark):
    from pyspark.sql import functions as F
    plus = F.udf(lambda v: v + 1, "bigint", useArrow=True)
    return spark.range(ROWS).select(F.sum(plus("id"))).collect()[0][0], ROWS * (ROWS + 1) // 2


def pandas_series(spark):
    from pyspark.sql import functions as F
    plus = F.pandas_udf(lambda v: v + 1, "bigint")
    return spark.range(ROWS).select(F.sum(plus("id"))).collect()[0][0], ROWS * (ROWS + 1) // 2


def map_in_arrow(spark):
    from pyspark.sql import functions as F

    def same(batches):
        yield from batches

    return spark.range(ROWS).mapInArrow(same, "id bigint").select(F.sum("id")).collect()[0][0], ROWS * (ROWS - 1) // 2


def grouped(spark):
    from pyspark.sql import functions as F

    def least(frame):
        return frame.head(1)

    rows = spark.range(ROWS).select((F.col("id") % GROUPS).alias("k"), F.col("id"))
    return rows.groupBy("k").applyInPandas(least, "k bigint, id bigint").count(), GROUPS


def frame(spark, rows, *columns):
    """A frame of the pandas API with the index that it gives to data without one."""
    spark.__class__._set_default_and_active_session(spark)  # what pyspark.pandas runs in
    return spark.range(rows).selectExpr(*columns).pandas_api()


def frame_groupby(spark):
    df = frame(spark, FRAME_ROWS, "id % 1000 AS k", "id AS v", "id % 7 AS w")
    out = df.groupby("k").agg({"v": "sum", "w": "mean"}).sort_index().to_pandas()
    return (len(out), int(out["v"].sum())), (1000, FRAME_ROWS * (FRAME_ROWS - 1) // 2)


def frame_merge(spark):
    left, right = frame(spark, FRAME_ROWS, "id % 100000 AS k", "id AS v"), frame(spark, 100_000, "id AS k", "id * 2 AS twice")
    out = left.merge(right, on="k")
    whole, rest = divmod(FRAME_ROWS, 100_000)
    return int((out["twice"] - out["k"]).sum()), whole * sum(range(100_000)) + sum(range(rest))


def frame_expression(spark):
    df = frame(spark, FRAME_ROWS, "id AS v", "id % 7 AS w")
    return int(df[df["w"] > 3]["v"].max()), max(i for i in range(FRAME_ROWS - 7, FRAME_ROWS) if i % 7 > 3)


CASES = {"udf (pickled)": pickled, "udf(useArrow)": arrow_rows, "pandas_udf": pandas_series, "mapInArrow": map_in_arrow,
         "applyInPandas, {groups} groups": grouped, "pandas API: groupby().agg, {frame_rows} rows": frame_groupby,
         "pandas API: merge, {frame_rows} rows": frame_merge, "pandas API: filter and max, {frame_rows} rows": frame_expression}
FIRST = "first function of a session"


def first(remote):
    """A new session's first function, from connecting to its answer."""
    from pyspark.sql import functions as F
    from pyspark.sql.connect.session import SparkSession
    begin = time.perf_counter()
    spark = SparkSession.builder.remote(remote).create()
    assert spark.range(10).select(F.udf(lambda v: v + 1, "bigint")("id")).collect()[9][0] == 10
    seconds = time.perf_counter() - begin
    spark.stop()
    return seconds


def main():
    global ROWS, GROUPS, FRAME_ROWS
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tarn", required=True)
    p.add_argument("--rows", type=int, default=ROWS)
    p.add_argument("--groups", type=int, default=GROUPS)
    p.add_argument("--frame-rows", type=int, default=FRAME_ROWS)
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--only", default="", help="a regular expression over the names of cases")
    p.add_argument("--peers", default="", help="sail, spark")
    p.add_argument("--out")
    a = p.parse_args()
    ROWS, GROUPS, FRAME_ROWS = a.rows, a.groups, a.frame_rows
    cases = {name: work for name, work in CASES.items() if re.search(a.only, name)}
    from pyspark.sql.connect.session import SparkSession
    work = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "build", "bench"))
    os.makedirs(work, exist_ok=True)
    processes, remotes, sessions = [], {}, {}
    times: dict = {}
    failures: dict = {}
    try:
        for name in ["tarn", *[x for x in a.peers.split(",") if x]]:
            process, remotes[name] = tpch.tarn(a.tarn, os.path.join(work, "home")) if name == "tarn" else getattr(tpch, name)()
            processes.append(process)
            sessions[name] = SparkSession.builder.remote(remotes[name]).create()
        loads = [os.getloadavg()[0]]
        for run in range(a.runs + 1):  # the first warms up
            for case, work_of in cases.items():
                for name, spark in sessions.items():
                    if (case, name) in failures:
                        continue
                    begin = time.perf_counter()
                    try:
                        got, expected = work_of(spark)
                        assert got == expected, (case, name, got, expected)
                    except Exception as e:
                        failures[case, name] = str(e).split("\n")[0][:80]
                        continue
                    if run:
                        times.setdefault((case, name), []).append(time.perf_counter() - begin)
            for name, remote in remotes.items() if re.search(a.only, FIRST) else ():
                if (FIRST, name) in failures:
                    continue
                try:
                    seconds = first(remote)
                except Exception as e:
                    failures[FIRST, name] = str(e).split("\n")[0][:80]
                    continue
                if run:
                    times.setdefault((FIRST, name), []).append(seconds)
            loads.append(os.getloadavg()[0])
    finally:
        for process in processes:
            tpch.stop(process)
    names = list(remotes)
    lines = [f"{os.cpu_count()} cores, {ROWS:,} rows, medians of {a.runs}; load average {min(loads):.1f} to {max(loads):.1f}", "",
             "| case | " + " | ".join(f"{n} s" for n in names) + "".join(f" | to {n}" for n in names[1:]) + " |", "|---" * (2 * len(names)) + "|"]
    for case in [*cases, *([FIRST] if re.search(a.only, FIRST) else [])]:
        medians = [statistics.median(times[case, n]) if (case, n) in times else None for n in names]
        cells = [f"{m:.3f}" if m is not None else failures.get((case, n), "") for m, n in zip(medians, names)]
        ratios = [f"{medians[0] / m:.2f}" if m and medians[0] else "" for m in medians[1:]]
        lines.append("| " + " | ".join([case.format(groups=f"{GROUPS:,}", frame_rows=f"{FRAME_ROWS:,}"), *cells, *ratios]) + " |")
    print("\n".join(lines))
    if a.out:
        os.makedirs(os.path.dirname(a.out), exist_ok=True)
        with open(a.out, "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")
    sys.exit(1 if any(n == "tarn" for _, n in failures) else 0)


if __name__ == "__main__":
    main()
