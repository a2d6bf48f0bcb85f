"""transformWithState and its kin over batches. Expected values are those of Apache Spark 4.2.0."""
import datetime
import decimal
import sys

import pandas as pd
import pytest
from pyspark import cloudpickle
from pyspark.errors import AnalysisException, IllegalArgumentException, PythonException, UnsupportedOperationException
from pyspark.sql import Row
from pyspark.sql.streaming import StatefulProcessor
from pyspark.sql.types import StringType, StructField, StructType

OUT = "k string, what string"


@pytest.fixture(scope="module")
def spark(cluster):
    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers do not have this module
    return cluster.session()


@pytest.fixture(scope="module")
def data(spark):
    return spark.createDataFrame([("a", 1), ("b", 5), ("a", 2), ("a", 1), (None, 7)], "k string, v int")


def rows(df):
    return sorted((tuple(r) for r in df.collect()), key=str)


def run(df, processor, schema=OUT, mode="Append", time="None", **more):
    return df.groupBy("k").transformWithState(processor, schema, mode, time, **more)


class Running(StatefulProcessor):
    def init(self, handle):
        self.count = handle.getValueState("count", "n bigint, total double")
        self.seen = handle.getListState("seen", "v int")
        self.by_v = handle.getMapState("byV", "v int", "n bigint, name string")

    def handleInputRows(self, key, rows, timerValues):
        n, total = self.count.get() if self.count.exists() else (0, 0.0)
        for row in rows:
            for v in row["v"].tolist() if isinstance(row, pd.DataFrame) else [row.v]:
                n += 1
                total += float(v)
                self.seen.appendValue((v,))
                old = self.by_v.getValue((v,)) if self.by_v.containsKey((v,)) else (0, None)
                self.by_v.updateValue((v,), (old[0] + 1, "v%d" % v))
        self.count.update((n, total))
        yield self.row(dict(k=key[0], n=self.count.get()[0], total=self.count.get()[1], seen=str([x[0] for x in self.seen.get()]),
                            map=str(sorted((k[0], v[0], v[1]) for k, v in self.by_v.iterator()))))

    def row(self, out):
        return Row(**out)


class RunningPandas(Running):
    def row(self, out):
        return pd.DataFrame([out])


RUNNING = "k string, n bigint, total double, seen string, map string"
RAN = [("a", 3, 4.0, "[1, 2, 1]", "[(1, 2, 'v1'), (2, 1, 'v2')]"), ("b", 1, 5.0, "[5]", "[(5, 1, 'v5')]"), (None, 1, 7.0, "[7]", "[(7, 1, 'v7')]")]


def test_each_key_has_values_lists_and_maps_of_its_own(data):
    assert rows(run(data, Running(), RUNNING)) == RAN
    assert rows(data.groupBy("k").transformWithStateInPandas(RunningPandas(), RUNNING, "Append", "None")) == RAN
    assert run(data, Running(), RUNNING).schema.simpleString() == "struct<k:string,n:bigint,total:double,seen:string,map:string>"
    assert run(data.where("k = 'x'"), Running(), RUNNING).collect() == []


def test_many_keys_keep_apart(spark):
    df = spark.range(20000).selectExpr("cast(id % 2000 as string) k", "cast(id % 7 as int) v")
    got = run(df, Running(), RUNNING).selectExpr("count(*)", "sum(n)", "sum(total)", "count(distinct k)").collect()[0]
    assert tuple(got) == (2000, 20000, float(sum(i % 7 for i in range(20000))), 2000)


def test_every_output_mode_gives_each_row_once(data):
    for mode in ("Append", "update", "Complete"):
        assert len(run(data, Running(), RUNNING, mode).collect()) == 3
    with pytest.raises(IllegalArgumentException) as e:
        run(data, Running(), RUNNING, "Nope").collect()
    assert e.value.getCondition() == "STREAMING_OUTPUT_MODE.INVALID"
    with pytest.raises(IllegalArgumentException) as e:
        run(data, Running(), RUNNING, "Append", "Nope").collect()
    assert e.value.getCondition() == "STATEFUL_PROCESSOR_UNKNOWN_TIME_MODE"
    with pytest.raises(IllegalArgumentException, match="StatefulOpClusteredDistribution should not be Nil"):
        data.groupBy().transformWithState(Running(), RUNNING, "Append", "None").collect()


class Timers(StatefulProcessor):
    def init(self, handle):
        self.handle = handle
        self.s = handle.getValueState("s", "n int")

    def handleInputRows(self, key, rows, timerValues):
        now = timerValues.getCurrentProcessingTimeInMs()
        n = sum(1 for _ in rows)
        self.s.update((n,))
        for t in (1000, 5, now + 100_000_000):
            self.handle.registerTimer(t)
        self.handle.registerTimer(70)
        self.handle.deleteTimer(70)
        yield Row(k=key[0], what="rows %d now %s wm %d timers %d" % (
            n, now > 1_600_000_000_000, timerValues.getCurrentWatermarkInMs(), len(list(self.handle.listTimers()))))

    def handleExpiredTimer(self, key, timerValues, expiredTimerInfo):
        yield Row(k=key[0], what="expired %d state %s left %d" % (
            expiredTimerInfo.getExpiryTimeInMs(), self.s.get(), len(list(self.handle.listTimers()))))


def test_timers_that_have_expired_fire_after_the_rows(data):
    df = data.where("k IS NOT NULL")
    assert rows(run(df, Timers(), time="ProcessingTime")) == [
        (k, text % n) for k, n in (("a", 3), ("b", 1))
        for text in ("expired 1000 state (%d,) left 2", "expired 5 state (%d,) left 3", "rows %d now True wm -1 timers 3")]
    # A batch has no watermark: nothing expires.
    assert rows(run(df, Timers(), time="EventTime")) == [("a", "rows 3 now True wm -1 timers 3"), ("b", "rows 1 now True wm -1 timers 3")]
    with pytest.raises(AnalysisException) as e:
        run(df, Timers(), time="EventTime", eventTimeColumnName="what").collect()
    assert e.value.getCondition() == "CANNOT_ASSIGN_EVENT_TIME_COLUMN_WITHOUT_WATERMARK"


class Ttl(StatefulProcessor):
    def init(self, handle):
        self.v = handle.getValueState("v", "n int", 1000)
        self.l = handle.getListState("l", "n int", 1000)
        self.m = handle.getMapState("m", "a int", "b int", 1000)

    def handleInputRows(self, key, rows, timerValues):
        self.v.update((1,))
        self.l.put([(1,), (2,)])
        self.m.updateValue((1,), (2,))
        yield Row(k=key[0], what=str((self.v.get(), list(self.l.get()), list(self.m.iterator()), self.v.exists(), self.l.exists(), self.m.exists())))


def test_state_that_may_expire_outlives_the_batch(data):
    assert rows(run(data.where("k = 'a'"), Ttl(), time="ProcessingTime")) == [("a", "((1,), [(1,), (2,)], [((1,), (2,))], True, True, True)")]


class Initial(StatefulProcessor):
    def init(self, handle):
        self.s = handle.getValueState("s", "n int")

    def handleInitialState(self, key, initialState, timerValues):
        old = self.s.get()
        add = int(initialState["n"].iloc[0]) if isinstance(initialState, pd.DataFrame) else initialState.n
        self.s.update(((old[0] if old else 100) + add,))

    def handleInputRows(self, key, rows, timerValues):
        n = sum(len(r) if isinstance(r, pd.DataFrame) else 1 for r in rows)
        yield self.row(dict(k=key[0], what="%d rows, state %s" % (n, self.s.get())))

    def row(self, out):
        return Row(**out)


class InitialPandas(Initial):
    def row(self, out):
        return pd.DataFrame([out])


def test_an_initial_state_comes_before_the_rows(spark, data):
    state = spark.createDataFrame([("a", 1), ("z", 3), ("a", 10)], "k string, n int").groupBy("k")
    assert rows(run(data, Initial(), initialState=state)) == [("a", "3 rows, state (111,)"), ("b", "1 rows, state None"), (None, "1 rows, state None")]
    state = spark.createDataFrame([("a", 1), ("z", 3), ("b", 10)], "k string, n int").groupBy("k")
    assert rows(data.groupBy("k").transformWithStateInPandas(InitialPandas(), OUT, "Append", "None", initialState=state)) == [
        ("a", "3 rows, state (101,)"), ("b", "1 rows, state (110,)"), (None, "1 rows, state None")]


class Types(StatefulProcessor):
    def init(self, handle):
        self.s = handle.getValueState(
            "s", "a tinyint, b boolean, c float, d decimal(10,2), e date, f timestamp, g binary, h array<int>, i map<string,int>, "
                 "j struct<x:int,y:string>, k timestamp_ntz, l interval day to second, m string")
        self.m = handle.getMapState("m", "a int, b string", "c double")
        self.l = handle.getListState("l", StructType([StructField("x", StringType())]))

    def handleInputRows(self, key, rows, timerValues):
        out = [self.s.get()]
        self.s.update((1, True, 1.5, decimal.Decimal("2.345"), datetime.date(2020, 1, 2), datetime.datetime(2020, 1, 2, 3, 4, 5, 6), b"x\x00y", [1, None],
                       {"q": 1}, (1, "z"), datetime.datetime(2021, 1, 1), datetime.timedelta(days=1, seconds=2), "é"))
        out.append(self.s.get())
        self.s.update((300, 1, 2, decimal.Decimal("7"), None, None, None, None, None, None, None, None, None))
        out.append(self.s.get())
        for k in ((2, "b"), (1, None), (1, "a"), (-1, "zz")):
            self.m.updateValue(k, (0.5,))
        out.append(sorted(map(str, self.m.keys())))
        self.m.removeKey((2, "b"))
        out.append([tuple(v) for v in self.m.values()])
        out.append((self.m.getValue((1, "a")), self.m.getValue((9, "a")), self.m.containsKey((1, None)), self.m.exists()))
        self.m.clear()
        out.append((self.m.exists(), list(self.m.iterator())))
        self.l.put([("a",), ("b",), (None,)])
        self.l.appendList([("c",), ("d",)])
        out.append([x[0] for x in self.l.get()])
        it = iter(self.l.get())
        first = next(it)[0]
        self.l.appendValue(("e",))
        out.append((first, [x[0] for x in it], [x[0] for x in self.l.get()]))
        self.l.clear()
        out.append((self.l.exists(), list(self.l.get())))
        self.s.clear()
        out.append(self.s.exists())
        yield Row(k=key[0], what=str(out))


@pytest.mark.parametrize("records", [10000, 2])  # of one answer
def test_values_come_back_as_their_types_have_them(spark, data, records):
    spark.conf.set("spark.sql.execution.arrow.transformWithStateInPySpark.maxStateRecordsPerBatch", records)
    (got,) = rows(run(data.where("k = 'b'"), Types()))
    assert eval(got[1], {"Decimal": decimal.Decimal, "datetime": datetime, "Row": Row}) == [
        None,
        (1, True, 1.5, decimal.Decimal("2.35"), datetime.date(2020, 1, 2), datetime.datetime(2020, 1, 2, 3, 4, 5, 6), b"x\x00y", [1, None], {"q": 1},
         Row(x=1, y="z"), datetime.datetime(2021, 1, 1), datetime.timedelta(days=1, seconds=2), "é"),
        (44, None, None, decimal.Decimal("7.00"), None, None, None, None, None, None, None, None, None),
        ["(-1, 'zz')", "(1, 'a')", "(1, None)", "(2, 'b')"], [(0.5,), (0.5,), (0.5,)],
        (Row(c=0.5), None, True, True), (False, []), ["a", "b", None, "c", "d"], ("a", ["b", None, "c", "d"], ["a", "b", None, "c", "d", "e"]),
        (False, []), False]


class Fails(StatefulProcessor):
    def __init__(self, how):
        self.how = how

    def init(self, handle):
        self.handle = handle
        if self.how == "twice":
            handle.getValueState("s", "n int")
        if self.how == "timer in init":
            handle.registerTimer(1)
        if self.how == "ttl":
            handle.getValueState("t", "n int", 10)
        if self.how == "delete":
            handle.deleteIfExists("t")
            handle.getValueState("_t", "n int")
        self.s = handle.getValueState("s", "n int")
        self.l = handle.getListState("l", "n int")

    def handleInputRows(self, key, rows, timerValues):
        if self.how == "late":
            self.handle.getValueState("z", "n int")
        if self.how == "timer":
            self.handle.registerTimer(1)
        if self.how == "empty":
            self.l.put([])
        if self.how == "width":
            self.s.update((1, 2))
        if self.how == "type":
            self.s.update(("x",))
        if self.how == "raise":
            raise ValueError("own error")
        yield Row(k=key[0], what=str((self.s.get(), list(self.l.get()))))


@pytest.mark.parametrize("how, message", [
    ("twice", "PySparkRuntimeError: Error initializing value state: Value state s already exists"),
    ("timer in init", r"Error register timer: \[STATEFUL_PROCESSOR_CANNOT_PERFORM_OPERATION_WITH_INVALID_HANDLE_STATE\] "
                      "Failed to perform stateful processor operation=register_timer with invalid handle state=CREATED. SQLSTATE: 42802"),
    ("ttl", r"Error initializing value state: \[STATEFUL_PROCESSOR_INCORRECT_TIME_MODE_TO_ASSIGN_TTL\] "
            r"Cannot use TTL for state=t in timeMode=NoTime, use TimeMode.ProcessingTime\(\) instead. SQLSTATE: 42802"),
    ("late", r"\[STATEFUL_PROCESSOR_CANNOT_PERFORM_OPERATION_WITH_INVALID_HANDLE_STATE\] "
             "Failed to perform stateful processor operation=get_value_state with invalid handle state=INITIALIZED. SQLSTATE: 42802"),
    ("timer", r"\[STATEFUL_PROCESSOR_CANNOT_PERFORM_OPERATION_WITH_INVALID_TIME_MODE\] "
              "Failed to perform stateful processor operation=register_timer with invalid timeMode=NoTime SQLSTATE: 42802"),
    ("empty", r"Error updating value state: \[ILLEGAL_STATE_STORE_VALUE.EMPTY_LIST_VALUE\] Illegal value provided to the State Store "
              "Cannot write empty list values to State Store for StateName l. SQLSTATE: 42601"),
    ("width", r"Error updating value state: \[STRUCT_ARRAY_LENGTH_MISMATCH\] Input row doesn't have expected number of values required by the schema. "
              "1 fields are required while 2 values are provided. SQLSTATE: 2201E"),
    ("raise", "ValueError: own error"),
])
def test_what_a_handle_refuses_the_processor_is_told(data, how, message):
    with pytest.raises(PythonException, match=message):
        run(data.where("k = 'b'"), Fails(how), time="ProcessingTime" if how == "timer in init" else "None").collect()


def test_what_a_handle_takes(data):
    assert rows(run(data.where("k = 'b'"), Fails("delete"))) == [("b", "(None, [])")]
    assert rows(run(data.where("k = 'b'"), Fails("type"))) == [("b", "((None,), [])")]  # a text is no int


def test_apply_in_pandas_with_state_is_for_streams(data):
    df = data.groupBy("k").applyInPandasWithState(lambda key, pdfs, state: iter([]), "k string", "n int", "append", "NoTimeout")
    assert df.schema.simpleString() == "struct<k:string>"
    with pytest.raises(UnsupportedOperationException, match="applyInPandasWithState is unsupported in batch query. Use applyInPandas instead."):
        df.collect()
