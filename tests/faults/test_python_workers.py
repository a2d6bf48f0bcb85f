"""Python functions that misbehave end their query, and nothing else."""
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from pyspark import cloudpickle
from pyspark.errors import PythonException
from pyspark.sql import Row
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf, udf
from pyspark.sql.streaming import StatefulProcessor

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers do not have this module


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    import conftest

    c = conftest.Cluster(tmp_path_factory.mktemp("home"))
    yield c
    c.stop()


@pytest.fixture
def spark(cluster):
    spark = cluster.session()
    yield spark
    spark.stop()


def works(spark):
    return spark.range(3).select(udf(lambda v: v + 1, "bigint")("id")).toPandas().iloc[:, 0].tolist() == [1, 2, 3]


def descendants(pid):
    out = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True).stdout.split()
    parents = dict(zip(map(int, out[::2]), map(int, out[1::2])))
    found = {pid}
    while True:
        more = {p for p, parent in parents.items() if parent in found} - found
        if not more:
            return found - {pid}
        found |= more


def running(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def exits(v):
    os._exit(3)


def segfault(v):
    import ctypes

    ctypes.string_at(0)


def killed(v):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("function,says", [(exits, "status 3"), (segfault, "signal 11"), (killed, "signal 9")])
def test_a_worker_that_ends_fails_its_query(cluster, spark, function, says):
    with pytest.raises(PythonException, match=f"exited unexpectedly.*{says}"):
        spark.range(5).select(udf(function, "int")("id")).collect()
    assert works(spark) and cluster.alive()


def test_too_much_memory_is_the_functions_error(cluster, spark):
    with pytest.raises(PythonException, match="MemoryError"):
        spark.range(1).select(udf(lambda v: len(bytearray(4 << 30)), "bigint")("id")).collect()
    assert works(spark) and cluster.alive()


def test_garbage_on_the_socket_fails_the_query(cluster, spark):
    def garbage(v):
        import gc
        import socket

        for s in gc.get_objects():
            if isinstance(s, socket.socket):
                s.send(b"garbage" * 1000)
        return v

    with pytest.raises(PythonException):
        spark.range(5).select(udf(garbage, "bigint")("id")).collect()
    assert works(spark) and cluster.alive()


def test_a_huge_message_arrives_cut_or_whole(cluster, spark):
    def huge(v):
        raise ValueError("x" * 5_000_000)

    with pytest.raises(PythonException, match="ValueError: xxx"):
        spark.range(1).select(udf(huge, "int")("id")).collect()
    assert works(spark) and cluster.alive()


def test_a_missing_module_is_named(spark):
    def missing(v):
        import no_such_module_anywhere  # noqa: F401

    with pytest.raises(PythonException, match="No module named 'no_such_module_anywhere'"):
        spark.range(1).select(udf(missing, "int")("id")).collect()


def test_wrong_results_are_refused(spark):
    with pytest.raises(PythonException):
        spark.range(3).select(pandas_udf(lambda v: 5, "bigint")("id")).collect()
    with pytest.raises(PythonException):
        spark.range(3).mapInPandas(lambda it: 5, "id bigint").collect()
    with pytest.raises(PythonException):
        spark.range(3).mapInArrow(lambda it: iter([5]), "id bigint").collect()
    with pytest.raises(PythonException):
        spark.range(3).select(udf(lambda v: "text", "int")("id")).collect()


def test_nested_results_of_another_layout_harm_nobody(cluster, spark):
    import pyarrow as pa

    def returns(array):
        def function(batches):
            for _ in batches:
                yield pa.record_batch([array], names=["x"])

        return function

    two = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], names=["a", "b"])
    none = pa.array([{}], pa.struct([]))
    for array, declared in ((two, "x struct<b:bigint>"), (none, "x struct<a:bigint>"), (pa.array([1]), "x struct<a:bigint>"), (pa.array([1]), "x array<bigint>"),
                            (pa.array(["a"]), "x map<string,int>"), (two, "x array<bigint>"), (pa.array([[two[0].as_py()]]), "x array<struct<a:bigint>>")):
        with pytest.raises(Exception, match="ARROW_TYPE_MISMATCH"):
            spark.range(1).mapInArrow(returns(array), declared).collect()
    assert works(spark) and cluster.alive()


def test_an_endless_loop_is_interrupted_and_its_process_ends(cluster, spark):
    def endless(v):
        while True:
            pass

    before = descendants(cluster.process.pid)
    spark.addTag("loop")
    errors = []

    def run():
        try:
            spark.range(1).select(udf(endless, "int")("id")).collect()
        except Exception as e:
            errors.append(e)

    spark.clearTags()
    t = threading.Thread(target=run)
    t.start()
    time.sleep(2.5)
    started = time.time()
    spark.interruptAll()
    t.join(20)
    assert not t.is_alive() and time.time() - started < 5
    assert errors
    time.sleep(0.5)
    busy = [p for p in descendants(cluster.process.pid) - before if running(p) and cpu(p) > 1.5]
    assert not busy
    assert works(spark)


def cpu(pid):
    with open(f"/proc/{pid}/stat") as f:
        parts = f.read().rsplit(")", 1)[1].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


def test_no_process_outlives_a_killed_server(cluster_at, tmp_path):
    c = cluster_at(tmp_path / "home")
    # A client of its own: one in this process would go on asking for the server that is gone.
    program = ("import sys; from pyspark.sql.connect.session import SparkSession; from pyspark.sql.functions import udf\n"
               "spark = SparkSession.builder.remote(sys.argv[1]).create()\n"
               "print(len(spark.range(1).select(udf(lambda v: v, 'int')('id')).collect()), flush=True)\n"
               "spark.range(1).select(udf(lambda v: __import__('time').sleep(600), 'int')('id')).collect()")
    (tmp_path / "client.py").write_text(program)
    client = subprocess.Popen([sys.executable, str(tmp_path / "client.py"), c.remote], stdout=subprocess.PIPE, text=True)
    assert client.stdout.readline().strip() == "1"
    time.sleep(1)
    children = descendants(c.process.pid)
    assert len(children) >= 2
    c.kill()
    client.kill()
    client.wait()
    deadline = time.time() + 10
    while time.time() < deadline and any(running(p) for p in children):
        time.sleep(0.1)
    assert not [p for p in children if running(p)]


def bomb(v):
    while True:
        os.fork()


def sleepers(v):
    for _ in range(300):
        if os.fork() == 0:
            time.sleep(600)
    time.sleep(600)


def many_threads(v):
    threading.stack_size(64 << 10)   # else the memory of a small worker is the first thing to end
    for _ in range(1500):
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    time.sleep(600)


@pytest.mark.parametrize("function,says", [(bomb, "128 processes"), (sleepers, "128 processes"), (many_threads, "1024 threads")])
def test_too_many_processes_end_their_worker(cluster, spark, function, says):
    with pytest.raises(PythonException, match=says):
        spark.range(1).select(udf(function, "int")("id")).collect()
    deadline = time.time() + 10
    while time.time() < deadline and len([p for p in descendants(cluster.process.pid) if running(p)]) > 20:
        time.sleep(0.2)
    assert len([p for p in descendants(cluster.process.pid) if running(p)]) <= 20
    assert works(spark) and cluster.alive()


def test_what_a_function_leaves_behind_ends_with_its_session(cluster):
    def leaves(v):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execvp("sleep", ["sleep", "654.25"])
            os._exit(0)
        return 1

    def left():
        return subprocess.run(["pgrep", "-f", "^sleep 654.25"], capture_output=True, text=True).stdout.split()

    spark = cluster.session()
    assert spark.range(1).select(udf(leaves, "int")("id")).collect()[0][0] == 1
    spark.stop()
    deadline = time.time() + 10
    while time.time() < deadline and left():
        time.sleep(0.2)
    assert not left()


def test_a_table_functions_analyze_can_fail_and_die(cluster, spark):
    from pyspark.sql.functions import udtf

    class Dies:
        @staticmethod
        def analyze():
            os._exit(7)

        def eval(self):
            yield (1,)

    with pytest.raises(PythonException, match="exited unexpectedly.*status 7"):
        udtf(Dies)().collect()
    assert works(spark) and cluster.alive()


def test_many_sessions_at_once(cluster):
    results = []

    def one(i):
        spark = cluster.session()
        plus = udf(lambda v: v + i, "bigint")
        results.append(spark.range(100).select(F.sum(plus("id"))).collect()[0][0] == 4950 + 100 * i)
        spark.stop()

    threads = [threading.Thread(target=one, args=(i,)) for i in range(100)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
    assert results == [True] * 100 and cluster.alive()


def test_an_interpreter_without_pyspark_is_named(cluster_at, tmp_path):
    c = cluster_at(tmp_path / "home", "--python", "/bin/false")
    spark = c.session()
    with pytest.raises(Exception, match="Python functions cannot run.*/bin/false"):
        spark.range(1).select(udf(lambda v: v, "bigint")("id")).collect()
    assert spark.range(1).count() == 1


def test_cpu_time_is_limited_per_task(cluster, spark):
    @udf("bigint")
    def burns(v):
        while v >= 0:
            v += 1
        return v

    @udf("bigint")
    def rests(v):
        time.sleep(3)
        return v

    spark.conf.set("spark.tarn.python.cpuSeconds", "1")
    try:
        with pytest.raises(Exception, match="used more CPU time than spark.tarn.python.cpuSeconds allows"):
            spark.range(1).select(burns("id")).collect()
        # Time that passes is no CPU time, and each task has its own.
        for _ in range(2):
            assert spark.range(1).select(rests("id")).collect()[0][0] == 0
        spark.conf.set("spark.tarn.python.cpuSeconds", "much")
        with pytest.raises(Exception, match="should be a number of seconds"):
            works(spark)
    finally:
        spark.conf.unset("spark.tarn.python.cpuSeconds")
    works(spark)


class Misbehaves(StatefulProcessor):
    def __init__(self, how):
        self.how = how

    def init(self, handle):
        self.client = handle._statefulProcessorApiClient
        self.state = handle.getValueState("n", "n bigint")

    def handleInputRows(self, key, rows, timerValues):
        self.state.update((1,))
        if self.how == "exits":
            os._exit(3)
        if self.how in ("garbage", "size", "silence"):
            self.client.sockfile.write({"garbage": b"\xff" * 100, "size": b"\0\0\0\0\x7f\xff\xff\xff", "silence": b""}[self.how])
            self.client.sockfile.flush()
            if self.how == "silence":
                self.client._client_socket.shutdown(2)
        if self.how == "pickle":
            self.client._serialize_to_bytes = lambda schema, data: b"\x80\x05" + b"(" * 1000
        if self.how == "loop":
            while True:
                self.state.get()
        if self.how == "intruder":
            child = "import socket; s = socket.socket(socket.AF_UNIX); s.connect(%r); print(s.recv(1))" % self.client._client_socket.getpeername().decode()
            said = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, timeout=20)
            yield Row(k=0, what=said.stdout + said.stderr[-200:])
            return
        self.state.update((2,))
        yield Row(k=key[0], what=str(self.state.get()))


def stateful(spark, how):
    return spark.range(3).selectExpr("id AS k").groupBy("k").transformWithState(Misbehaves(how), "k bigint, what string", "Append", "None")


@pytest.mark.parametrize("how, says", [("exits", "status 3"), ("garbage", ""), ("size", ""), ("silence", ""), ("pickle", "PickleException: ")])
def test_what_a_stateful_processor_does_to_its_socket_fails_its_query_alone(cluster, spark, how, says):
    with pytest.raises(PythonException, match=says):
        stateful(spark, how).collect()
    assert sorted(map(tuple, stateful(spark, "well").collect())) == [(k, "(2,)") for k in range(3)]
    assert works(spark) and cluster.alive()


def test_a_stateful_processor_that_asks_for_ever_is_interrupted(cluster, spark):
    errors = []

    def run():
        try:
            stateful(spark, "loop").collect()
        except Exception as e:
            errors.append(e)

    t = threading.Thread(target=run)
    t.start()
    time.sleep(2)
    spark.interruptAll()
    t.join(10)
    assert not t.is_alive() and errors
    assert works(spark) and cluster.alive()


def test_only_the_worker_itself_reaches_its_state(cluster, spark):
    said = {r.what for r in stateful(spark, "intruder").collect()}
    # The server listens no longer, or lets nobody else in.
    assert all("ConnectionRefusedError" in s or s.startswith("b''") or "ConnectionResetError" in s for s in said), said
