#!/usr/bin/env python3
"""Small figures: start-up, idle memory, latency of `select 1`, ingestion of CSV.GZ and JSON, download of 10 M rows, each beside DuckDB in process.

    micro.py --tarn BIN [--out bench/results/micro.md]
"""
import argparse
import gzip
import json
import logging
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tpch  # noqa: E402


def timed(work, runs=5):
    """Median seconds after one warm-up."""
    work()
    out = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        out.append(time.perf_counter() - start)
    return statistics.median(out)


DOWNLOAD = {
    "tarn": """
from pyspark.sql.connect.session import SparkSession
spark = SparkSession.builder.remote(sys.argv[1]).create()
work = lambda: spark.range(10_000_000).selectExpr("id", "id * 2 as b", "cast(id as double) as c").toArrow()""",
    "duckdb": """
import duckdb
db = duckdb.connect()
work = lambda: db.execute("select range as id, range * 2 as b, range::double as c from range(10000000)").to_arrow_table()""",
}


def downloads(remote):
    """Seconds of ten downloads of 10 M rows by engine, as (Tarn, DuckDB). Each client is a process of its own, in turn: one that
    downloads after another finds the memory that the first one gave back and saves its page faults."""
    out = {name: [] for name in DOWNLOAD}
    for _ in range(2):
        for name, code in DOWNLOAD.items():
            text = ("import logging, sys, time\nlogging.disable(logging.CRITICAL)" + code +
                    "\nfor i in range(6):\n    t = time.perf_counter(); n = work().num_rows; t = time.perf_counter() - t\n    assert n == 10_000_000\n"
                    "    if i: print(t, flush=True)\nif 'spark' in globals(): spark.stop()")
            with tempfile.NamedTemporaryFile("w", suffix=".py") as program:  # PySpark takes `python -c` for its own shell
                program.write(text)
                program.flush()
                done = subprocess.run([sys.executable, "-W", "ignore", program.name, remote], stdout=subprocess.PIPE, text=True, check=True)
            out[name] += [float(line) for line in done.stdout.split()]
    return tuple(statistics.median(out[name]) for name in DOWNLOAD)


def resident_mb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) / 1024 for line in f if line.startswith("VmRSS"))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tarn", required=True)
    p.add_argument("--rows", type=int, default=2_000_000, help="rows of the ingestion files")
    p.add_argument("--out")
    a = p.parse_args()
    import duckdb
    from pyspark.sql.connect.session import SparkSession
    work = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "build", "bench"))
    os.makedirs(work, exist_ok=True)
    lines = [f"{os.cpu_count()} cores, medians of 5", "", "| figure | Tarn | DuckDB in process | ratio |", "|---|---|---|---|"]

    starts = []
    for _ in range(5):
        begin = time.perf_counter()
        server, remote = tpch.tarn(a.tarn, os.path.join(work, "home"))
        starts.append(time.perf_counter() - begin)
        tpch.stop(server)
    lines.append(f"| `tarn cluster` ready after start | {statistics.median(starts) * 1000:.0f} ms | | |")
    server, remote = tpch.tarn(a.tarn, os.path.join(work, "home"))
    time.sleep(1)
    lines.append(f"| idle resident memory | {resident_mb(server.pid):.0f} MB | | |")
    spark = SparkSession.builder.remote(remote).create()
    db = duckdb.connect()
    try:
        samples = []
        for _ in range(220):
            begin = time.perf_counter()
            spark.sql("select 1").collect()
            samples.append(time.perf_counter() - begin)
        samples = sorted(samples[20:])
        lines.append(f"| `select 1` collect, p50 / p99 | {samples[100] * 1000:.2f} / {samples[197] * 1000:.2f} ms | | |")

        csv, js = os.path.join(work, "ingest.csv.gz"), os.path.join(work, "ingest.json")
        if not (os.path.exists(csv) and os.path.exists(js)):
            with gzip.open(csv, "wt", compresslevel=3) as f, open(js, "w", encoding="utf-8") as g:
                f.write("id,name,amount,day\n")
                for i in range(a.rows):
                    f.write(f"{i},name {i % 1000},{i * 0.25},2020-01-{i % 28 + 1:02d}\n")
                    g.write(json.dumps({"id": i, "name": f"name {i % 1000}", "amount": i * 0.25, "tags": ["a", "b"]}) + "\n")
        schema = "id bigint, name string, amount double, day date"
        t = timed(lambda: spark.read.csv(csv, header=True, schema=schema).agg({"id": "sum", "amount": "sum"}).collect(), 3)
        d = timed(lambda: db.execute(f"select sum(id), sum(amount) from read_csv('{csv}', columns={{'id':'BIGINT','name':'VARCHAR','amount':'DOUBLE','day':'DATE'}}, header=true)").fetchall(), 3)
        lines.append(f"| CSV.GZ, {a.rows:,} rows, two sums | {t:.2f} s | {d:.2f} s | {t / d:.2f} |")
        t = timed(lambda: spark.read.json(js, schema="id bigint, name string, amount double, tags array<string>").agg({"id": "sum", "amount": "sum"}).collect(), 3)
        d = timed(lambda: db.execute(f"select sum(id), sum(amount) from read_json('{js}', columns={{'id':'BIGINT','name':'VARCHAR','amount':'DOUBLE','tags':'VARCHAR[]'}})").fetchall(), 3)
        lines.append(f"| JSON, {a.rows:,} rows, two sums | {t:.2f} s | {d:.2f} s | {t / d:.2f} |")
        t, d = downloads(remote)
        lines.append(f"| download of 10 M rows x 3 columns to Arrow | {t:.2f} s | {d:.2f} s | {t / d:.2f} |")
    finally:
        spark.stop()
        tpch.stop(server)
        shutil.rmtree(os.path.join(work, "home"), ignore_errors=True)
    text = "\n".join(lines) + "\n"
    print(text)
    if a.out:
        os.makedirs(os.path.dirname(os.path.abspath(a.out)), exist_ok=True)
        with open(a.out, "w", encoding="utf-8") as f:
            f.write(text)


if __name__ == "__main__":
    main()
