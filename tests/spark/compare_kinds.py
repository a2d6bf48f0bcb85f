#!/usr/bin/env python3
"""Runs the main job on a cluster of either kind of one workspace and compares every table, read by deltalake; then each kind reads what the other wrote,
by path and by name.

    compare_kinds.py --host URL --token TOKEN --home WORKSPACE_HOME --spark-home SPARK [--master local|standalone|yarn]
"""
import argparse
import datetime
import os
import subprocess
import sys
import tempfile
import time
import urllib.parse

from masters import MASTERS

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LAYERS = {"bronze": ("flights", "weather", "planes", "airports", "airlines"), "silver": ("flights", "weather"), "gold": ("daily", "carriers")}
OWN = {"ingested_at", "source_file"}   # differ by nature


def table(directory: str, layer: str, name: str, version: int | None = None):
    from deltalake import DeltaTable

    return DeltaTable(os.path.join(directory, "lake", layer, name), version=version).to_pandas()


def differences(what: str, left, right) -> list[str]:
    import numpy as np

    columns = sorted(set(left.columns) - OWN)
    if columns != sorted(set(right.columns) - OWN):
        return [f"{what}: columns {columns} and {sorted(right.columns)}"]
    if len(left) != len(right):
        return [f"{what}: {len(left)} and {len(right)} rows"]
    # Sums of doubles depend on the order of adding: sort by the other columns first.
    order = sorted(columns, key=lambda c: (left[c].dtype.kind == "f", c))
    left, right = (df[columns].sort_values(order, ignore_index=True, key=lambda s: s.astype(str) if s.dtype == object else s) for df in (left, right))
    out = []
    for c in columns:
        if str(left[c].dtype) != str(right[c].dtype):
            out.append(f"{what}.{c}: type {left[c].dtype} and {right[c].dtype}")
        elif left[c].dtype.kind == "f":
            if not np.allclose(left[c], right[c], rtol=1e-9, atol=1e-9, equal_nan=True):
                out.append(f"{what}.{c}: values")
        elif not left[c].equals(right[c]):
            at = (left[c].astype(str) != right[c].astype(str)).idxmax()
            out.append(f"{what}.{c}: {left[c][at]!r} and {right[c][at]!r}")
    return out


def soon(work, seconds: float = 30):
    """What work() gives as soon as it is not None and raises nothing; None if that takes longer."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        try:
            if (result := work()) is not None:
                return result
        except Exception:  # noqa: BLE001: the name is not there yet
            pass
        time.sleep(0.5)
    return None


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("host", "token", "home", "spark-home"):
        p.add_argument("--" + name, required=True)
    p.add_argument("--master", choices=MASTERS, default="local")
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as work, MASTERS[a.master](a.spark_home, work) as (conf, environment):
        return compare(a, conf, environment)


def compare(a, conf: dict[str, str], environment: dict[str, str]) -> int:
    from databricks.sdk import WorkspaceClient
    from pyspark.sql.connect.session import SparkSession

    w = WorkspaceClient(host=a.host, token=a.token)
    port = urllib.parse.urlsplit(a.host).port
    kinds = {"tarn": {}, "spark": {"tarn.cluster.kind": "spark", "tarn.spark.home": a.spark_home, **conf}}
    clusters, directories = {}, {}
    for kind, conf in kinds.items():
        print(f"== a cluster of the kind {kind}" + (f" on {conf['spark.master']}" if "spark.master" in conf else ""), flush=True)
        clusters[kind] = w.clusters.create(cluster_name=kind, spark_version="17.3.x-scala2.13", num_workers=0, spark_conf=conf,
                                         spark_env_vars=environment if kind == "spark" else {}).result(timeout=datetime.timedelta(minutes=6)).cluster_id

    def remote(kind):
        return f"sc://localhost:{port}/;token={a.token};x-databricks-cluster-id={clusters[kind]}"

    def session(kind):
        spark = SparkSession.builder.remote(remote(kind)).create()
        spark.clearProgressHandlers()
        return spark

    bad, compared = [], 0
    for kind in kinds:
        print(f"== the main job on {kind}", flush=True)
        directories[kind] = os.path.join(a.home, "job", kind)
        subprocess.run([sys.executable, os.path.join(ROOT, "examples", "workshop", "run.py"), "--remote", remote(kind), "--dir", directories[kind]], check=True)
        other = session("spark" if kind == "tarn" else "tarn")
        bad += [f"{kind}'s {layer}.{name} has another count of rows on the other kind" for layer, names in LAYERS.items() for name in names
                if soon(lambda: other.table(f"{layer}.{name}").count()) != len(table(directories[kind], layer, name))]
        spark = session(kind)
        for layer in LAYERS:   # the next job has the same names
            spark.sql(f"DROP SCHEMA {layer} CASCADE")
        if soon(lambda: not {r[0] for r in other.sql("SHOW SCHEMAS").collect()} & LAYERS.keys() or None) is None:
            bad.append(f"schemas that {kind} dropped are still there")
        print("   its tables are known by name to the other kind, and gone when it drops them", flush=True)
        for s in (spark, other):
            s.stop()
    for layer, names in LAYERS.items():
        for name in names:
            found = differences(f"{layer}.{name}", *(table(directories[kind], layer, name) for kind in kinds))
            bad += found
            compared += 1
            print(f"   {layer}.{name}: {'; '.join(found) if found else 'the same'}", flush=True)
    for kind, other in (("tarn", "spark"), ("spark", "tarn")):
        spark = session(kind)
        for layer, names in LAYERS.items():
            for name in names:
                path = os.path.join(directories[other], "lake", layer, name)
                got, want = spark.read.format("delta").load(path).count(), len(table(directories[other], layer, name))
                if got != want:
                    bad.append(f"{kind} counts {got} rows in {other}'s {layer}.{name}, there are {want}")
        spark.sql(f"CREATE TABLE of_{kind} USING delta AS SELECT id, 'x' AS t FROM range(7)")
        spark.stop()
    for kind, other in (("tarn", "spark"), ("spark", "tarn")):   # managed tables, by name
        spark = session(kind)
        soon(lambda: spark.table(f"of_{other}").count())
        spark.sql(f"INSERT INTO of_{other} VALUES (100, 'from {kind}')")
        if spark.table(f"of_{other}").count() != 8:
            bad.append(f"{kind} does not add to the table of {other}")
        spark.stop()
    print(f"{compared} tables compared, {len(bad)} differences")
    for b in bad:
        print("  " + b, file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
