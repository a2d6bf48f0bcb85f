"""The oldest and the middle of the supported clients: the same small program through pyspark-client 4.0 and 4.1."""
import os
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = """
import sys, pyspark
from pyspark.sql import SparkSession, functions as F
from pyspark.errors import AnalysisException
spark = SparkSession.builder.remote(sys.argv[1]).getOrCreate()
assert spark.version.startswith("4.2")
df = spark.createDataFrame([(1, "a", None), (2, "b", 2.5)], "id int, name string, x double")
assert [tuple(r) for r in df.orderBy(F.desc("id")).collect()] == [(2, "b", 2.5), (1, "a", None)]
assert df.groupBy("name").agg(F.sum("x").alias("s")).where("s > 1").count() == 1
assert df.join(spark.range(2), ["id"]).columns == ["id", "name", "x"]
assert spark.sql("select upper('é') as u").first().u == "É"
assert df.toPandas().shape == (2, 3)
try:
    df.select("nope").collect()
    raise SystemExit("no error")
except AnalysisException as e:
    assert "UNRESOLVED_COLUMN" in str(e)
spark.stop()
print("ok", pyspark.__version__)
"""


@pytest.mark.parametrize("version", ["4.0.1", "4.1.1"])
def test_older_client(version, cluster, tmp_path):
    site = os.path.join(ROOT, "build", "clients", version)
    if not os.path.isdir(os.path.join(site, "pyspark")):
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--target", site, f"pyspark-client=={version}"], check=True)
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", PROGRAM, cluster.remote], env={**os.environ, "PYTHONPATH": site}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout.strip() == f"ok {version}", done.stdout + done.stderr[-2000:]
