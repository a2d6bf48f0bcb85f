#!/usr/bin/env python3
"""The main job: the data path of a one-day lakehouse workshop, through the stock PySpark client.

    run.py [--tarn build/release/bin/tarn | --remote sc://host:port] [--dir DIR] [--store URI --conf KEY=VALUE ...]

Lays out real data as a landing zone, builds bronze, silver and gold as Delta tables, applies a late correction with MERGE, asks SQL, looks
at history and an older version, updates and deletes, and holds every table against pandas through an independent Delta reader.
With --store, landing zone and lake lie on an object store (abfss:, wasbs: or s3a: URI; credentials by --conf: docs/storage.md).
Ends with status 0 and a summary, or 1 and the line that differs.
"""
import argparse
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import check  # noqa: E402
import landing  # noqa: E402
from pipeline import Lakehouse  # noqa: E402
from store import Store, store_of  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Steps:
    """Runs the steps one by one, prints each as it begins and ends, and remembers the seconds."""

    def __init__(self):
        self.times, self.rows = [], {}

    def __call__(self, title, work):
        print(f"  {title:<58}", end="", flush=True)
        start = time.monotonic()
        try:
            result = work()
        except BaseException:
            print("failed", flush=True)
            raise
        seconds = time.monotonic() - start
        self.times.append((title, seconds))
        print(f"{seconds:7.2f} s", flush=True)
        return result


def make_empty(directory: str) -> None:
    """A new directory, or an older one of this job without what was in it. RuntimeError for any other."""
    mark = os.path.join(directory, ".workshop")
    if os.path.isdir(directory):
        if not os.path.exists(mark) and os.listdir(directory):
            raise RuntimeError(f"{directory} is not empty and was not made by this job; name another with --dir")
        shutil.rmtree(directory)
    os.makedirs(directory)
    open(mark, "w").close()


def print_rows(step: Steps) -> None:
    print("\nRows")
    for part, counts in step.rows.items():
        print(f"  {part:<20}" + ", ".join(f"{k} {v:,}" for k, v in counts.items()))


def start_cluster(tarn: str, home: str) -> tuple[subprocess.Popen, str]:
    os.makedirs(home, exist_ok=True)
    log = open(os.path.join(home, "stderr.log"), "wb")
    server = subprocess.Popen([tarn, "cluster", "--listen", "127.0.0.1:0", "--home", home], stdout=subprocess.PIPE, stderr=log, text=True)
    line = server.stdout.readline().strip()
    if not line.startswith("tarn cluster ready "):
        server.wait(10)
        raise RuntimeError(f"the cluster did not start, its log is {home}/stderr.log")
    return server, line.split()[-1]


def job(spark, directory: str, store: Store, step: Steps) -> None:
    zone, root = os.path.join(directory, "landing"), store.uri or directory
    house = Lakehouse(spark, f"{store.mount or root}/landing", f"{root}/lake", store)
    step.rows["landing"] = step("landing zone: flights, weather, planes, airports, airlines", lambda: landing.lay_out(zone))
    if store.uri:
        step("landing zone to the store", lambda: store.upload(zone, house.landing))
    step("schemas bronze, silver, gold", house.schemas)
    step.rows["bronze"] = step("bronze: CSV.GZ and JSON to Delta", house.bronze)
    step.rows["silver"] = step("silver: typed, cleaned, deduplicated, joined", house.silver)
    step.rows["late corrections"] = step("silver: late corrections with MERGE INTO", house.correct)
    step.rows["gold"] = step("gold: daily and per carrier", house.gold)
    held = step("every table against pandas, read by deltalake", lambda: check.layers(house))

    def sql():
        print()
        spark.sql("SELECT carrier, airline, flights, avg_arr_delay, p90_dep_delay FROM gold.carriers ORDER BY flights DESC LIMIT 5").show(truncate=False)
        worst = spark.sql("""SELECT origin, date_format(date, 'MMMM') AS month, sum(cancelled) AS cancelled FROM gold.daily
                             GROUP BY ALL HAVING sum(cancelled) > 100 ORDER BY cancelled DESC LIMIT 3""")
        worst.show()

    step("SQL over gold", sql)

    def history():
        df = spark.sql("DESCRIBE HISTORY silver.flights").select("version", "operation", "operationMetrics")
        print()
        df.select("version", "operation").show(truncate=False)
        return df.collect()

    versions = step("DESCRIBE HISTORY silver.flights", history)
    if [r["operation"] for r in versions][:2] != ["MERGE", "WRITE"]:
        raise AssertionError(f"history: expected MERGE on WRITE, found {[r['operation'] for r in versions]}")

    def travel():
        before = spark.sql("SELECT sum(arr_delay) AS s FROM silver.flights VERSION AS OF 0").first()["s"]
        after = spark.table("silver.flights").agg({"arr_delay": "sum"}).first()[0]
        by_option = spark.read.format("delta").option("versionAsOf", 0).load(house.path("silver", "flights")).agg({"arr_delay": "sum"}).first()[0]
        if before != by_option or before == after:
            raise AssertionError(f"time travel: version 0 says {before} in SQL and {by_option} by option, the newest {after}")

    step("time travel: silver.flights before the corrections", travel)

    def update_delete():
        rows = spark.table("gold.carriers").count()
        updated = spark.sql("UPDATE gold.carriers SET airline = upper(airline) WHERE carrier = 'AA'").first()["num_affected_rows"]
        deleted = spark.sql("DELETE FROM gold.carriers WHERE flights < 100").first()["num_affected_rows"]
        got = check.table(house, "gold", "carriers")
        check.same("gold.carriers after DELETE: rows", len(got), rows - deleted)
        check.same("gold.carriers after UPDATE", got.set_index("carrier").loc["AA"].airline, "AMERICAN AIRLINES INC.")
        check.same("gold.carriers: rows updated", updated, 1)
        step.rows["gold after changes"] = {"carriers": len(got), "updated": updated, "deleted": deleted}

    step("UPDATE and DELETE on gold", update_delete)
    step.rows["checks"] = {"equal to pandas": len(held)}


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tarn", default=os.path.join(ROOT, "build", "release", "bin", "tarn"))
    p.add_argument("--remote", help="use this Spark Connect server instead of starting one; it must see DIR")
    p.add_argument("--dir", default=os.path.join(ROOT, "build", "workshop"), help="where landing zone, lake and home go (emptied first)")
    p.add_argument("--store", metavar="URI", help="where landing zone and lake lie instead, an empty folder of an object store")
    p.add_argument("--conf", metavar="KEY=VALUE", action="append", default=[], help="a setting of the session")
    a = p.parse_args()
    directory = os.path.abspath(a.dir)
    conf = dict(c.split("=", 1) for c in a.conf)
    from pyspark.sql.connect.session import SparkSession

    step, server = Steps(), None
    print(f"The workshop's main job in {a.store or directory}\n")
    try:
        make_empty(directory)
        store = store_of(a.store, conf)
        remote = a.remote
        if not remote:
            server, remote = step("start the cluster", lambda: start_cluster(a.tarn, os.path.join(directory, "home")))
        spark = SparkSession.builder.remote(remote).create()
        try:
            spark.clearProgressHandlers()
            for key, value in conf.items():
                spark.conf.set(key, value)
            job(spark, directory, store, step)
        finally:
            spark.stop()
    except Exception as e:
        print(f"workshop: {type(e).__name__}: {str(e).strip().splitlines()[0] if str(e).strip() else ''}", file=sys.stderr)
        if os.environ.get("WORKSHOP_TRACE"):
            raise
        return 1
    finally:
        if server and server.poll() is None:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(40)
            except subprocess.TimeoutExpired:
                server.kill()
    print_rows(step)
    print(f"\nTotal {sum(t for _, t in step.times):.1f} s. Landing zone, Delta tables and the metastore are below {' and '.join(filter(None, (a.store, directory)))}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
