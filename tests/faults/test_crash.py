"""kill -9 at any moment: nothing acknowledged is lost, nothing half-written is seen, the next write works."""
import os
import random
import threading
import time

import pytest
from deltalake import DeltaTable
from pyspark.sql import functions as F


def quietly(work):
    """Runs work in a thread that may fail when its server dies."""
    def body():
        try:
            work()
        except Exception:
            pass
    t = threading.Thread(target=body, daemon=True)
    t.start()
    return t


@pytest.mark.parametrize("seed", range(4))
def test_kill_during_delta_writes(cluster_at, tmp_path, seed):
    table, acknowledged = str(tmp_path / "t"), []
    first = cluster_at(tmp_path / "home")
    spark = first.session()
    spark.range(1000).withColumn("batch", F.lit(-1)).write.format("delta").save(table)

    def writes():
        for i in range(10_000):
            spark.range(1000).withColumn("batch", F.lit(i)).write.format("delta").mode("append").save(table)
            acknowledged.append(i)

    t = quietly(writes)
    time.sleep(0.6 + random.Random(seed).random() * 0.7)
    first.kill()
    done = list(acknowledged)
    frame = DeltaTable(table).to_pandas()
    counts = frame.groupby("batch").size().to_dict()
    assert set(counts.values()) == {1000}, "a batch is there in part"
    assert set(done) | {-1} <= set(counts), "an acknowledged batch is lost"
    again = cluster_at(tmp_path / "home").session()
    again.range(1000).withColumn("batch", F.lit(77_777)).write.format("delta").mode("append").save(table)
    assert again.read.format("delta").load(table).count() == len(frame) + 1000
    t.join(0.1)


def test_kill_during_parquet_overwrite(cluster_at, tmp_path):
    target = str(tmp_path / "p")
    first = cluster_at(tmp_path / "home")
    spark = first.session()
    spark.range(500).write.parquet(target)
    quietly(lambda: spark.range(200_000_000).selectExpr("id", "sha2(cast(id as string), 256) as h").write.mode("append").parquet(target))
    time.sleep(1.5)
    first.kill()
    again = cluster_at(tmp_path / "home").session()
    assert again.read.parquet(target).count() == 500
    again.range(5).write.mode("append").parquet(target)
    assert again.read.parquet(target).count() == 505


def test_metastore_survives_kill(cluster_at, tmp_path):
    first = cluster_at(tmp_path / "home")
    spark = first.session()
    spark.sql("create schema s1")
    spark.sql("create table s1.t (a int, b string) using delta")
    spark.sql("insert into s1.t values (1, 'x')")
    first.kill()
    again = cluster_at(tmp_path / "home").session()
    assert [tuple(r) for r in again.table("s1.t").collect()] == [(1, "x")]


def test_two_clusters_append_to_one_table(cluster_at, tmp_path):
    table = str(tmp_path / "t")
    a, b = cluster_at(tmp_path / "a").session(), cluster_at(tmp_path / "b").session()
    a.range(0).write.format("delta").save(table)
    failures = []

    def append(spark, who):
        try:
            for _ in range(10):
                spark.range(10).withColumn("who", F.lit(who)).write.format("delta").mode("append").option("mergeSchema", "true").save(table)
        except Exception as e:
            failures.append(e)

    a.range(1).withColumn("who", F.lit("first")).write.format("delta").mode("append").option("mergeSchema", "true").save(table)
    threads = [threading.Thread(target=append, args=x) for x in ((a, "a"), (b, "b"))]
    [t.start() for t in threads]
    [t.join(120) for t in threads]
    assert not failures, failures
    assert DeltaTable(table).to_pandas().groupby("who").size().to_dict() == {"a": 100, "b": 100, "first": 1}


def test_client_killed_in_mid_result(cluster, tmp_path):
    from conftest import run_python
    code = """
import sys
from pyspark.sql.connect.session import SparkSession
spark = SparkSession.builder.remote(sys.argv[1]).create()
for i, row in enumerate(spark.range(2_000_000_000).toLocalIterator()):
    if i == 1000:
        print("streaming", flush=True)
"""
    client = run_python(code, cluster.remote)
    assert client.stdout.readline().strip() == "streaming"
    client.kill()
    client.wait()
    spark = cluster.session()
    assert spark.sql("select 1").collect()[0][0] == 1
    with open(f"/proc/{cluster.process.pid}/status") as f:
        rss = next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
    assert rss < 2_500_000, f"{rss} kB held for a client that is gone"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small tmpfs needs root")
def test_disk_full_during_a_write(cluster_at, tmp_path):
    import subprocess
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(small)], capture_output=True).returncode:
        pytest.skip("this machine does not let a test mount a tmpfs")
    try:
        spark = cluster_at(tmp_path / "home").session()
        spark.range(1000).write.format("delta").save(str(small / "t"))
        with pytest.raises(Exception) as e:
            spark.range(20_000_000).selectExpr("id", "sha2(cast(id as string), 256) as h", "1 as x").write.format("delta").mode("append").option("mergeSchema", "true").save(str(small / "t"))
        assert "No space" in str(e.value) or "space" in str(e.value).lower()
        assert spark.read.format("delta").load(str(small / "t")).count() == 1000
        assert DeltaTable(str(small / "t")).version() == 0
    finally:
        subprocess.run(["umount", "-l", str(small)])


def test_sort_and_aggregate_beyond_memory(cluster_at, tmp_path):
    spark = cluster_at(tmp_path / "home", "--memory", "300MB").session()
    df = spark.range(8_000_000).selectExpr("hash(id) as k", "concat('row number ', cast(id as string)) as v")
    assert df.groupBy("k").agg(F.max("v")).count() > 7_900_000
    first = df.orderBy("v").limit(1).collect()[0]
    assert first["v"] == "row number 0"
