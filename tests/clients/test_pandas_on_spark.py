"""The pandas API on Spark: default indexes, readers, and the functions that only it calls. Expected: pandas, and Spark where it differs."""
import os
import warnings

import numpy as np
import pandas as pd
import pytest
from pyspark.errors.exceptions.base import PySparkException
from pyspark.sql import functions as F
from pyspark.sql.internal import InternalFunction as SF
from pyspark.sql.window import Window

os.environ.setdefault("PYARROW_IGNORE_TIMEZONE", "1")
warnings.filterwarnings("ignore")


@pytest.fixture
def ps(spark):
    import pyspark.pandas

    yield pyspark.pandas
    pyspark.pandas.reset_option("compute.default_index_type")
    pyspark.pandas.reset_option("compute.ops_on_diff_frames")


def one(spark, values, column, type="double"):
    df = spark.createDataFrame([(v,) for v in values], f"x {type}")
    return df.select(column.alias("r")).first()[0]


# ---- default indexes

@pytest.mark.parametrize("kind", ["sequence", "distributed-sequence", "distributed"])
def test_default_indexes_number_the_rows(spark, ps, tmp_path, kind):
    pd.DataFrame({"a": range(100_000)}).to_parquet(tmp_path / "a.parquet", row_group_size=7000)
    ps.set_option("compute.default_index_type", kind)
    df = ps.read_parquet(str(tmp_path / "a.parquet")).to_pandas()
    if kind == "distributed":
        assert df.index.is_unique and df.index.is_monotonic_increasing and df.index.min() == 0
    else:
        assert df.index.tolist() == list(range(100_000)) and df["a"].tolist() == list(range(100_000))


def test_ids_can_be_filtered_and_counted_on(spark):
    df = spark.range(10).select(SF.distributed_sequence_id().alias("i"), "*").where("id % 3 = 0")
    assert [tuple(r) for r in df.collect()] == [(0, 0), (3, 3), (6, 6), (9, 9)]
    assert spark.range(5).select(F.monotonically_increasing_id()).distinct().count() == 5


# ---- what comes in

def test_readers_and_sql(spark, ps, tmp_path):
    frame = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_json(tmp_path / "a.json", orient="records", lines=True)
    frame.to_parquet(tmp_path / "a.parquet", index=False)
    ps.from_pandas(frame).to_delta(str(tmp_path / "delta"))
    for read in (lambda: ps.read_csv(str(tmp_path / "a.csv")), lambda: ps.read_json(str(tmp_path / "a.json")),
                 lambda: ps.read_parquet(str(tmp_path / "a.parquet")), lambda: ps.read_delta(str(tmp_path / "delta")).sort_values("a", ignore_index=True),
                 lambda: ps.read_spark_io(str(tmp_path / "a.parquet"), format="parquet")):
        pd.testing.assert_frame_equal(read().to_pandas(), frame, check_dtype=False)
    ps.from_pandas(frame).to_table("ps_table", mode="overwrite")
    try:
        assert sorted(ps.read_table("ps_table")["b"].to_pandas()) == ["x", "y", "z"]
    finally:
        spark.sql("DROP TABLE ps_table")
    left = ps.from_pandas(frame)
    assert ps.sql("SELECT sum(a) AS s FROM {left} WHERE b > {least}", left=left, least="x")["s"].to_pandas().tolist() == [5]
    assert ps.range(2, 5).to_pandas()["id"].tolist() == [2, 3, 4]


# ---- the functions of pandas

VALUES = [2.0, None, -3.5, 8.25, 1.0, 8.25]


@pytest.mark.parametrize("ddof", [0, 1, 2])
def test_variance_and_covariance_with_degrees_of_freedom(spark, ddof):
    x = pd.Series(VALUES, dtype="float64")
    assert one(spark, VALUES, SF.var(F.col("x"), ddof)) == pytest.approx(x.var(ddof=ddof))
    assert one(spark, VALUES, SF.stddev(F.col("x"), ddof)) == pytest.approx(x.std(ddof=ddof))
    assert one(spark, VALUES, SF.covar(F.col("x"), F.col("x") * 2, ddof)) == pytest.approx(2 * x.var(ddof=ddof))
    assert one(spark, [3.0] * ddof, SF.var(F.col("x"), ddof)) is None


def test_skewness_and_kurtosis(spark):
    x = pd.Series(VALUES, dtype="float64")
    assert one(spark, VALUES, SF.skew(F.col("x"))) == pytest.approx(x.skew())
    assert one(spark, VALUES, SF.kurt(F.col("x"))) == pytest.approx(x.kurt())
    for function, fewest in ((SF.skew, 3), (SF.kurt, 4)):
        assert one(spark, [1.0] * (fewest - 1), function(F.col("x"))) is None
        assert one(spark, [1.1] * fewest, function(F.col("x"))) == 0.0


def test_products(spark):
    assert one(spark, VALUES, SF.product(F.col("x"), True)) == pytest.approx(2 * -3.5 * 8.25 * 8.25)
    assert one(spark, VALUES, SF.product(F.col("x"), False)) is None
    assert one(spark, [1e300, 1e300, 1e-300, 1e-300], SF.product(F.col("x"), True)) == pytest.approx(1.0)  # inf in pandas
    assert one(spark, [0.0, -1.0], SF.product(F.col("x"), True)) == 0.0
    assert one(spark, [], SF.product(F.col("x"), True)) == 1.0
    whole = [3, None, 1_000_000_007, 1_000_000_009]
    assert one(spark, whole, SF.product(F.col("x"), True), "bigint") == 3 * 1_000_000_007 * 1_000_000_009
    with pytest.raises(PySparkException, match="ARITHMETIC_OVERFLOW"):
        one(spark, whole + [10], SF.product(F.col("x"), True), "bigint")


def test_modes_and_the_largest(spark):
    assert sorted(one(spark, [3, 1, 3, 1, 2, None, None], SF.mode(F.col("x"), True), "int")) == [1, 3]
    assert set(one(spark, [3, 1, 3, None, None], SF.mode(F.col("x"), False), "int")) == {3, None}
    assert one(spark, [], SF.mode(F.col("x"), True), "int") == []
    assert one(spark, [3, None, 9, 5, 9], SF.collect_top_k(F.col("x"), 3, False), "int") == [9, 9, 5]
    assert one(spark, [3, None, 9, 5, 9], SF.collect_top_k(F.col("x"), 3, True), "int") == [3, 5, 9]
    assert one(spark, [None], SF.collect_top_k(F.col("x"), 3, False), "int") == []


def running(spark, values, column):
    df = spark.createDataFrame(list(enumerate(values)), "i int, x double")
    window = Window.orderBy("i").rowsBetween(Window.unboundedPreceding, Window.currentRow)
    return [r[0] for r in df.select(column.over(window).alias("r")).collect()]


@pytest.mark.parametrize("ignore_na", [False, True])
@pytest.mark.parametrize("alpha", [0.3, 1.0])
def test_exponentially_weighted_means(spark, ignore_na, alpha):
    values = [None, 1.0, None, None, 4.5, -2.0, None, 3.0] * 300
    expected = pd.Series(values, dtype="float64").ewm(alpha=alpha, ignore_na=ignore_na).mean()
    actual = pd.Series(running(spark, values, SF.ewm(F.col("x"), alpha, ignore_na)), dtype="float64")
    pd.testing.assert_series_equal(actual, expected)


def test_runs_of_nulls_and_running_products(spark):
    values = [None, 1.0, 2.0, 3.0, None, None, None, 5.0, None, None]
    assert running(spark, values, SF.null_index(F.col("x"))) == [1, 0, 0, 0, 1, 2, 3, 0, 1, 2]
    assert running(spark, [None] * 3000, SF.null_index(F.col("x"))) == list(range(1, 3001))
    assert running(spark, [2.0, None, 3.0], SF.product(F.col("x"), True)) == pytest.approx([2.0, 2.0, 6.0])


def test_binary_search_and_whole_seconds(spark):
    search = lambda values, x: one(spark, [0.0], SF.array_binary_search(F.lit(values), F.lit(x)))
    assert [search([1.0, 2.5, 4.0], x) for x in (1.0, 4.0, 3.0, 0.0, 9.0)] == [0, 2, -3, -1, -4]
    assert search(["a", "c"], "b") == -2
    seconds = F.expr("TIMESTAMP_NTZ '1969-12-31 23:59:58.5'")
    assert one(spark, [0.0], SF.timestamp_ntz_to_long(seconds)) == -2


# ---- the API itself, held against pandas

def both(ps, frame, program):
    expected, actual = program(frame, pd), program(ps.from_pandas(frame), ps)
    if hasattr(actual, "to_pandas"):
        actual = actual.to_pandas()
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(actual, expected, check_dtype=False, check_index_type=False, check_column_type=False)
    elif isinstance(expected, pd.Series):
        pd.testing.assert_series_equal(actual, expected, check_dtype=False, check_index_type=False)
    else:
        assert actual == pytest.approx(expected)


FRAME = pd.DataFrame({"k": ["a", "b", "a", "c", "b", "a"], "x": [1, 5, 2, 7, 3, 9], "y": [0.5, np.nan, 2.5, 1.0, np.nan, 4.0],
                      "t": pd.date_range("2024-01-30", periods=6, freq="D")})

PROGRAMS = {
    "groupby": lambda d, m: d.groupby("k").agg({"x": "sum", "y": ["mean", "std"]}).sort_index(),
    "groupby apply": lambda d, m: d.groupby("k")[["x"]].apply(lambda g: g.max()).sort_index(),
    "transform": lambda d, m: d.groupby("k")["x"].transform(lambda s: s - s.min()).sort_index(),
    "merge": lambda d, m: d.merge(d.groupby("k")["x"].max().rename("top").reset_index(), on="k", how="left").sort_values(["k", "x"], ignore_index=True),
    "rolling": lambda d, m: d[["x", "y"]].rolling(3, min_periods=1).mean().sort_index(),
    "expanding": lambda d, m: d["x"].expanding(2).sum().sort_index(),
    "shift and diff": lambda d, m: (d["x"].shift(1).fillna(0) + d["x"].diff().fillna(0)).sort_index(),
    "cumulative": lambda d, m: d[["x", "y"]].cumsum().sort_index(),
    "fill": lambda d, m: d["y"].ffill().bfill().sort_index(),
    "interpolate": lambda d, m: d["y"].interpolate().sort_index(),
    "resample": lambda d, m: d.set_index("t")["x"].resample("2D").sum().sort_index().rename_axis("t").reset_index(),
    "pivot": lambda d, m: d.pivot_table(index=["t"], columns="k", values="x", aggfunc="sum").sort_index(),
    "melt": lambda d, m: d.melt(id_vars="k", value_vars=["x", "y"]).sort_values(["k", "variable", "value"], ignore_index=True),
    "categories": lambda d, m: d["k"].astype("category").cat.codes.sort_index(),
    "dummies": lambda d, m: m.get_dummies(d["k"]).astype(int).sort_index(),
    "describe": lambda d, m: d[["x", "y"]].describe().loc[["count", "mean", "std", "min", "max"]],
    "strings": lambda d, m: (d["k"].str.upper() + "-" + d["x"].astype(str).str.zfill(3)).sort_index(),
    "dates": lambda d, m: d["t"].dt.month * 100 + d["t"].dt.day,
    "rank": lambda d, m: d["x"].rank(ascending=False).sort_index(),
    "quantile": lambda d, m: d["x"][d["x"] > 1].quantile(0.5),  # Spark gives a value that is there
    "corr": lambda d, m: d[["x", "y"]].corr().sort_index(),
    "value counts": lambda d, m: d["k"].value_counts().sort_index(),
    "where and mask": lambda d, m: d["x"].where(d["x"] > 3, -1).sort_index(),
    "nlargest": lambda d, m: d.nlargest(2, "x")[["k", "x"]],
    "iloc and loc": lambda d, m: d.loc[2:4, ["x"]].sort_index(),
    "stack": lambda d, m: d.fillna({"y": 0.0})[["x", "y"]].stack().sort_index(),  # Spark keeps what is null
    "concat": lambda d, m: m.concat([d[["x"]], d[["x"]]]).sort_values("x", ignore_index=True),
    "mode": lambda d, m: d["k"].mode().sort_values(ignore_index=True),
    "ewm": lambda d, m: d["x"].ewm(alpha=0.5).mean().sort_index(),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_of_pandas(ps, name):
    both(ps, FRAME, PROGRAMS[name])


def test_the_tolerance_of_an_as_of_join_is_not_negative(ps):
    left, right = pd.DataFrame({"a": [1, 5, 10]}), pd.DataFrame({"a": [1, 2, 9], "v": [1, 2, 9]})
    actual = ps.merge_asof(ps.from_pandas(left), ps.from_pandas(right), on="a", tolerance=2).to_pandas().sort_values("a", ignore_index=True)
    pd.testing.assert_frame_equal(actual, pd.merge_asof(left, right, on="a", tolerance=2), check_dtype=False)
    with pytest.raises(PySparkException, match="AS_OF_JOIN.TOLERANCE_IS_NON_NEGATIVE"):
        ps.merge_asof(ps.from_pandas(left), ps.from_pandas(right), on="a", tolerance=-1)


def test_two_frames_meet_only_when_asked_to(ps):
    a, b = ps.Series([1, 2, 3], name="a"), ps.Series([10, 20, 30], name="b")
    with pytest.raises(ValueError, match="Cannot combine"):
        ps.set_option("compute.ops_on_diff_frames", False)
        a + b
    ps.set_option("compute.ops_on_diff_frames", True)
    assert (a + b).sort_index().to_pandas().tolist() == [11, 22, 33]
