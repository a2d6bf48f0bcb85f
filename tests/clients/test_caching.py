"""cache(), persist(), CACHE TABLE and checkpoints keep the rows, give them back and are in step with the data. Expected: Apache Spark 4.2.0."""
import os
import time

import pytest
from pyspark import StorageLevel
from pyspark.errors import AnalysisException, IllegalArgumentException
from pyspark.errors.exceptions.base import PySparkException
from pyspark.sql import functions as F


class Counted:
    """A DataFrame whose rows leave a mark wherever they are computed."""

    def __init__(self, spark, folder, rows=10):
        self.file = str(folder / "computed")
        open(self.file, "w").close()
        file = self.file

        @F.udf("long")
        def mark(x):
            with open(file, "a") as f:
                f.write("x")
            return x * 10

        self.df = spark.range(rows).select("id", mark("id").alias("v"))

    def times(self):
        return os.path.getsize(self.file)


def test_rows_are_computed_once_by_the_first_action_and_again_after_unpersist(spark, tmp_path):
    c = Counted(spark, tmp_path)
    df = c.df.cache()
    assert df.is_cached and c.times() == 0
    assert df.count() == 10 and df.agg(F.sum("v")).first()[0] == 450 and c.times() == 10
    # Plans that contain it, also in a subquery, use it.
    df.createOrReplaceTempView("kept")
    assert spark.sql("SELECT max(id) FROM range(100) WHERE id IN (SELECT v FROM kept)").first()[0] == 90
    assert spark.sql("WITH k AS (SELECT * FROM kept WHERE id > 5) SELECT count(*) FROM k a JOIN k b USING (id)").first()[0] == 4
    assert c.times() == 10
    df.unpersist()
    assert not df.is_cached and df.storageLevel == StorageLevel.NONE
    assert df.count() == 10 and df.agg(F.sum("v")).first()[0] == 450 and c.times() > 10


def test_an_idle_projection_is_what_it_projects(spark, tmp_path):
    spark.range(6).selectExpr("id", "id % 2 AS odd").write.parquet(str(tmp_path / "p"))
    df = spark.read.parquet(str(tmp_path / "p")).where("odd = 1")
    again = df.select("*").select("id", "odd").cache()
    assert again.count() == 3 and df.is_cached and df.select("*").agg(F.sum("id")).first()[0] == 9
    df.unpersist()
    assert not again.is_cached


def test_the_storage_level_is_the_one_that_was_asked_for(spark):
    df = spark.range(3).selectExpr("id", "'level' AS s")
    assert df.persist().storageLevel == StorageLevel.MEMORY_AND_DISK_DESER
    df.persist(StorageLevel.DISK_ONLY)  # asked again: the first one stays
    assert df.storageLevel == StorageLevel.MEMORY_AND_DISK_DESER
    df.unpersist()
    for level in (StorageLevel.DISK_ONLY, StorageLevel.MEMORY_ONLY_2, StorageLevel.OFF_HEAP):
        assert df.persist(level).storageLevel == level and df.count() == 3
        df.unpersist()
    assert df.persist(StorageLevel.NONE).storageLevel == StorageLevel.NONE


def test_disk_only_rows_lie_in_a_file(cluster, spark):
    df = spark.range(1_000_000).selectExpr("id", "hash(id) AS h", "cast(id AS string) AS s", "array(id) AS a").persist(StorageLevel.DISK_ONLY)
    expected = df.selectExpr("sum(h)", "max(s)").first()
    assert os.path.getsize(os.path.join(cluster.home, "spill", "kept.db")) > 2_000_000
    assert df.selectExpr("sum(h)", "max(s)").first() == expected
    df.unpersist()


def test_cached_data_follows_writes_to_its_source(spark, tmp_path):
    path = str(tmp_path / "data")
    spark.range(5).write.parquet(path)
    df = spark.read.parquet(path).selectExpr("id * 2 AS d").cache()
    assert df.count() == 5
    spark.range(3).write.mode("append").parquet(path)
    assert df.is_cached and df.count() == 8
    delta = str(tmp_path / "delta")
    spark.range(5).write.format("delta").save(delta)
    df = spark.read.format("delta").load(delta).groupBy().count().cache()
    first = spark.read.format("delta").option("versionAsOf", 0).load(delta).groupBy().count()
    assert df.first()[0] == 5 and not first.is_cached
    spark.sql(f"DELETE FROM delta.`{delta}` WHERE id = 1")
    assert df.is_cached and df.first()[0] == 4 and first.first()[0] == 5


def test_tables_of_the_catalog(spark, tmp_path):
    spark.sql("CREATE TABLE cached_t USING parquet AS SELECT id FROM range(4)")
    try:
        catalog = spark.catalog
        assert not catalog.isCached("cached_t")
        catalog.cacheTable("cached_t")
        above = spark.table("cached_t").where("id > 1").cache()
        assert catalog.isCached("cached_t") and above.is_cached and above.count() == 2
        spark.sql("INSERT INTO cached_t VALUES (10), (11)")
        assert catalog.isCached("cached_t") and spark.table("cached_t").count() == 6 and above.count() == 4
        catalog.refreshTable("cached_t")
        assert catalog.isCached("cached_t") and above.is_cached
        # Of a table: with everything that was made of it.
        catalog.uncacheTable("cached_t")
        assert not catalog.isCached("cached_t") and not above.is_cached

        spark.sql("CACHE LAZY TABLE cached_t OPTIONS ('storageLevel' 'DISK_ONLY')")
        assert spark.table("cached_t").storageLevel == StorageLevel.DISK_ONLY
        spark.sql("UNCACHE TABLE cached_t")
        spark.sql("CACHE TABLE cached_t")
        assert spark.table("cached_t").storageLevel == StorageLevel.MEMORY_AND_DISK_DESER
        spark.sql("CLEAR CACHE")
        assert not catalog.isCached("cached_t")
        catalog.cacheTable("cached_t", StorageLevel.MEMORY_ONLY)
        assert spark.table("cached_t").storageLevel == StorageLevel.MEMORY_ONLY
        catalog.clearCache()
        assert not catalog.isCached("cached_t")
        with pytest.raises(IllegalArgumentException, match="Invalid StorageLevel: FOO"):
            spark.sql("CACHE TABLE cached_t OPTIONS ('storageLevel' 'foo')")
        with pytest.raises(AnalysisException):
            spark.sql("UNCACHE TABLE no_such_table")
        spark.sql("UNCACHE TABLE IF EXISTS no_such_table")
    finally:
        spark.sql("DROP TABLE cached_t")


def test_views(spark, tmp_path):
    c = Counted(spark, tmp_path)
    c.df.createOrReplaceTempView("counted")
    spark.sql("CACHE TABLE tens AS SELECT v FROM counted WHERE id < 5")
    computed = c.times()
    assert computed > 0 and spark.catalog.isCached("tens")
    assert spark.table("tens").count() == 5 and spark.sql("SELECT sum(v) FROM tens").first()[0] == 100 and c.times() == computed
    spark.sql("DROP VIEW tens")
    assert not spark.sql("SELECT v FROM counted WHERE id < 5").is_cached
    # What cannot be computed is not cached, and the view is gone again.
    with pytest.raises(PySparkException):
        spark.sql("CACHE TABLE broken AS SELECT 1 / 0 AS x")
    assert not spark.catalog.tableExists("broken")
    # A view of a DataFrame is another name of it: dropping one leaves what was made of it.
    above = spark.table("counted").select("v").cache()
    spark.catalog.dropTempView("counted")
    assert above.is_cached


def test_what_two_sessions_compute_differently_is_not_shared(cluster):
    a, b = cluster.session(), cluster.session()
    a.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    b.conf.set("spark.sql.session.timeZone", "UTC")
    text = "SELECT cast(timestamp_seconds(id) AS string) AS s FROM range(1)"
    plain = "SELECT id + 1 AS x FROM range(17)"
    for query in (text, plain):
        assert a.sql(query).cache().count() > 0
    assert a.sql(text).first()[0] == "1970-01-01 09:00:00" and b.sql(text).first()[0] == "1970-01-01 00:00:00"
    assert b.sql(plain).is_cached and not b.sql(text).is_cached
    a.stop()
    # Kept for sessions that are gone is kept for nobody.
    deadline = time.time() + 10
    while b.sql(plain).is_cached and time.time() < deadline:
        time.sleep(0.1)
    assert not b.sql(plain).is_cached
    b.stop()


@pytest.mark.parametrize("eager", [True, False])
@pytest.mark.parametrize("local", [True, False])
def test_checkpoints_keep_rows_now_or_at_the_first_use(spark, tmp_path, eager, local):
    c = Counted(spark, tmp_path)
    df = c.df.localCheckpoint(eager) if local else c.df.checkpoint(eager)
    assert c.times() == (10 if eager else 0)
    assert df.agg(F.sum("v")).first()[0] == 450 and df.count() == 10 and df.join(df, "id").count() == 10
    assert c.times() == 10


def resident_mb(cluster):
    for line in open(f"/proc/{cluster.process.pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) // 1024


def falls_below(cluster, limit_mb):
    deadline = time.time() + 15
    while resident_mb(cluster) > limit_mb and time.time() < deadline:
        time.sleep(0.2)
    return resident_mb(cluster) <= limit_mb


def test_memory_is_bounded_by_the_limit_and_given_back(cluster_at, tmp_path):
    cluster = cluster_at(tmp_path / "home", "--memory", "300M")
    spark = cluster.session()
    spark.range(1000).count()
    before = resident_mb(cluster)
    small = spark.range(10_000_000).selectExpr("id * 7 AS a", "hash(id) AS b").cache()
    assert small.count() == 10_000_000
    assert resident_mb(cluster) > before + 70
    # 480 MB of rows under a limit of 300 MB: the rest lies in the spill folder.
    large = spark.range(30_000_000).selectExpr("id * 3 AS a", "xxhash64(id) AS b").cache()
    assert large.count() == 30_000_000
    spill = os.path.join(cluster.home, "spill")
    assert sum(os.path.getsize(os.path.join(spill, f)) for f in os.listdir(spill)) > 100 << 20
    assert resident_mb(cluster) < before + 450
    assert large.selectExpr("max(a)").first()[0] == 3 * 29_999_999
    # The end of the session releases what it kept.
    spark.stop()
    other = cluster.session()
    assert falls_below(cluster, before + 150), resident_mb(cluster)
    assert other.range(10).count() == 10


def test_explain_says_what_is_read_from_kept_rows(cluster):
    spark = cluster.session()
    df = spark.range(3).selectExpr("id * 2 AS twice").persist(StorageLevel.MEMORY_ONLY)
    text = df.where("twice > 1")._explain_string()
    assert text.count("InMemoryTableScan [twice#") == 1 and ", StorageLevel(memory, 1 replicas)" in text
    df.unpersist()
    assert "InMemory" not in df.where("twice > 1")._explain_string()
