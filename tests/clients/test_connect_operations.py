"""Operations: interrupts, broken connections, releases, slow and vanished clients."""
import subprocess
import sys
import threading
import time
import uuid

import grpc
import pandas as pd
import pytest
from pyspark.errors import PySparkException
from pyspark.sql.connect.proto import base_pb2 as pb2
from pyspark.sql.connect.proto.base_pb2_grpc import SparkConnectServiceStub

from conftest import endless


def in_background(f):
    """Runs f in a thread; wait() returns what it raised."""
    result = {}

    def run():
        try:
            result["value"] = f()
        except Exception as e:  # noqa: BLE001
            result["error"] = e

    thread = threading.Thread(target=run)
    thread.start()

    def wait(timeout=20):
        thread.join(timeout)
        assert not thread.is_alive(), "it still runs"
        return result.get("error", result.get("value"))

    return wait


def interrupted(call):
    """Repeats the interrupt until the operation is there."""
    for _ in range(100):
        if ids := call():
            return ids
        time.sleep(0.05)
    raise AssertionError("nothing was interrupted")


def assert_cancelled(error):
    assert isinstance(error, PySparkException), error
    assert error.getCondition() == "OPERATION_CANCELED" and error.getSqlState() == "HY008"


def test_interrupt_all(spark):
    wait = in_background(lambda: endless(spark).collect())
    assert len(interrupted(spark.interruptAll)) == 1
    assert_cancelled(wait())
    assert spark.interruptAll() == []
    assert spark.range(3).count() == 3


def test_interrupt_by_tag(spark):
    def tagged(tag):
        def run():
            spark.addTag(tag)
            return endless(spark).collect()
        return run

    first, second = in_background(tagged("one")), in_background(tagged("two"))
    assert len(interrupted(lambda: spark.interruptTag("one"))) == 1
    assert_cancelled(first())
    assert spark.interruptTag("one") == []
    assert len(interrupted(lambda: spark.interruptTag("two"))) == 1
    assert_cancelled(second())


def test_interrupt_by_operation_id(spark):
    spark.sql("select 1").collect()  # the server knows the session before it is asked for its operations
    wait = in_background(lambda: endless(spark).collect())
    ids = interrupted(lambda: _running(spark))
    assert spark.interruptOperation(ids[0]) == ids
    assert_cancelled(wait())
    assert spark.interruptOperation(str(uuid.uuid4())) == []


def _stub(spark, remote_port=None):
    channel = spark.client._channel if remote_port is None else grpc.insecure_channel(f"127.0.0.1:{remote_port}")
    return SparkConnectServiceStub(channel)


def _status(spark, *ids):
    request = pb2.GetStatusRequest(session_id=spark.session_id, user_context=pb2.UserContext(user_id=spark.client._user_id or ""),
                                   operation_status=pb2.GetStatusRequest.OperationStatusRequest(operation_ids=ids))
    return {s.operation_id: s.state for s in _stub(spark).GetStatus(request).operation_statuses}


def _running(spark):
    return [i for i, s in _status(spark).items() if s == pb2.GetStatusResponse.OperationStatus.OPERATION_STATE_RUNNING]


def test_get_status(spark):
    states = pb2.GetStatusResponse.OperationStatus
    spark.range(1).collect()
    unknown = str(uuid.uuid4())
    assert _status(spark, unknown) == {unknown: states.OPERATION_STATE_UNKNOWN}
    wait = in_background(lambda: endless(spark).collect())
    operation = interrupted(lambda: _running(spark))[0]
    spark.interruptOperation(operation)
    wait()
    for _ in range(50):
        if _status(spark, operation)[operation] == states.OPERATION_STATE_CANCELLED:
            break
        time.sleep(0.1)
    assert _status(spark, operation) == {operation: states.OPERATION_STATE_CANCELLED}


def test_a_broken_connection_is_taken_up_again(cluster, proxy):
    spark = cluster.session(f"sc://127.0.0.1:{proxy.port}")
    spark.range(1).collect()
    proxy.cut_after = 9_000_000
    got = spark.range(6_000_000).toPandas()
    proxy.cut_after = None
    assert proxy.cuts >= 3
    assert len(got) == 6_000_000 and got.id.is_monotonic_increasing and got.id.sum() == 6_000_000 * 5_999_999 // 2


def test_a_second_execute_of_the_same_operation_runs_nothing_twice(spark):
    plan = spark.range(5)._plan.to_proto(spark.client)
    operation = str(uuid.uuid4())
    request = pb2.ExecutePlanRequest(session_id=spark.session_id, user_context=pb2.UserContext(user_id=spark.client._user_id or ""),
                                     operation_id=operation, plan=plan)
    request.request_options.add().reattach_options.reattachable = True
    stub = _stub(spark)
    first = [r.response_id for r in stub.ExecutePlan(request)]
    again = [r.response_id for r in stub.ExecutePlan(request)]
    assert first == again and len(set(first)) == len(first)

    other = pb2.ExecutePlanRequest()
    other.CopyFrom(request)
    other.plan.CopyFrom(spark.range(6)._plan.to_proto(spark.client))
    with pytest.raises(grpc.RpcError) as e:
        list(stub.ExecutePlan(other))
    assert "INVALID_HANDLE.OPERATION_ALREADY_EXISTS" in e.value.details()

    reattach = pb2.ReattachExecuteRequest(session_id=spark.session_id, user_context=request.user_context, operation_id=operation,
                                          last_response_id=first[1])
    assert [r.response_id for r in stub.ReattachExecute(reattach)] == first[2:]
    release = pb2.ReleaseExecuteRequest(session_id=spark.session_id, user_context=request.user_context, operation_id=operation)
    release.release_until.response_id = first[0]
    assert stub.ReleaseExecute(release).operation_id == operation
    assert [r.response_id for r in stub.ReattachExecute(reattach)] == first[2:]
    release.release_all.SetInParent()
    assert stub.ReleaseExecute(release).operation_id == operation
    assert not stub.ReleaseExecute(release).HasField("operation_id")  # nothing left to release is no error
    with pytest.raises(grpc.RpcError) as e:
        list(stub.ReattachExecute(reattach))
    assert "INVALID_HANDLE.OPERATION_NOT_FOUND" in e.value.details()
    with pytest.raises(grpc.RpcError) as e:
        list(stub.ExecutePlan(request))
    assert "INVALID_HANDLE.OPERATION_ABANDONED" in e.value.details()


def test_a_newer_stream_takes_over(spark):
    operation = str(uuid.uuid4())
    request = pb2.ExecutePlanRequest(session_id=spark.session_id, user_context=pb2.UserContext(user_id=spark.client._user_id or ""),
                                     operation_id=operation, plan=endless(spark)._plan.to_proto(spark.client))
    request.request_options.add().reattach_options.reattachable = True
    stub = _stub(spark)
    wait = in_background(lambda: list(stub.ExecutePlan(request)))
    interrupted(lambda: _running(spark))
    second = in_background(lambda: list(stub.ReattachExecute(pb2.ReattachExecuteRequest(
        session_id=spark.session_id, user_context=request.user_context, operation_id=operation))))
    assert "INVALID_CURSOR.DISCONNECTED" in wait().details()
    spark.interruptAll()
    assert "OPERATION_CANCELED" in second().details()


def test_messages_that_are_no_plan(spark, cluster):
    def execute(data):
        channel = grpc.insecure_channel(f"127.0.0.1:{cluster.port}")
        call = channel.unary_stream("/spark.connect.SparkConnectService/ExecutePlan")
        with pytest.raises(grpc.RpcError) as e:
            list(call(data))
        return e.value.details()

    assert "CONNECT_INVALID_PLAN.CANNOT_PARSE" in execute(b"\xff\xff garbage")
    assert "INVALID_HANDLE.FORMAT" in execute(b"")
    empty = pb2.ExecutePlanRequest(session_id=str(uuid.uuid4()))
    assert "CONNECT_INVALID_PLAN.INVALID_ONE_OF_FIELD_NOT_SET" in execute(empty.SerializeToString())
    assert spark.range(2).count() == 2


def test_a_client_killed_in_the_middle_of_a_result_leaves_the_others_alone(cluster, spark, tmp_path):
    script = tmp_path / "client.py"
    script.write_text("import sys\nfrom pyspark.sql.connect.session import SparkSession\n"
                      "s = SparkSession.builder.remote(sys.argv[1]).create()\n"
                      "for n, row in enumerate(s.range(200_000_000).toLocalIterator()):\n"
                      "    if n == 100_000: print('reading', flush=True)\n")
    client = subprocess.Popen([sys.executable, "-W", "ignore", str(script), cluster.remote], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert client.stdout.readline().strip() == "reading"
    client.kill()
    client.wait()
    assert spark.range(1000).count() == 1000 and cluster.alive()


def test_a_slow_client_does_not_fill_the_servers_memory(cluster, spark):
    def resident():
        with open(f"/proc/{cluster.process.pid}/status") as f:
            return int(next(line for line in f if line.startswith("VmRSS")).split()[1]) >> 10

    before = resident()
    rows = spark.range(300_000_000).toLocalIterator()  # 2.4 GB
    next(rows)
    time.sleep(3)
    assert resident() - before < 400
    del rows
    spark.interruptAll()


def test_many_sessions_at_once(cluster):
    def work(n):
        spark = cluster.session()
        got = [spark.range(n * 1000 + i).count() for i in range(10)]
        spark.stop()
        return got == [n * 1000 + i for i in range(10)]

    waits = [in_background(lambda n=n: work(n)) for n in range(12)]
    assert all(w(60) is True for w in waits)


def test_a_result_without_rows_still_has_its_columns(spark):
    got = spark.range(0).toPandas()
    assert isinstance(got, pd.DataFrame) and list(got.columns) == ["id"] and len(got) == 0


def test_progress_reaches_the_client(spark):
    spark.conf.set("spark.connect.progress.reportInterval", "200ms")
    seen = []
    spark.registerProgressHandler(lambda stages, inflight_tasks, operation_id, done: seen.append(done))
    wait = in_background(lambda: endless(spark).collect())
    time.sleep(2)
    spark.interruptAll()
    wait()
    spark.clearProgressHandlers()
    assert len(seen) >= 2


def test_a_small_result_needs_two_messages(spark):
    stub = _stub(spark)
    plan = spark.range(3)._plan.to_proto(spark.client)
    request = pb2.ExecutePlanRequest(session_id=spark.session_id, user_context=pb2.UserContext(user_id=spark.client._user_id or ""),
                                     operation_id=str(uuid.uuid4()), plan=plan)
    request.request_options.add().reattach_options.reattachable = True
    data, end = list(stub.ExecutePlan(request))
    # The client acknowledges each with a call: what belongs together comes together, in the order that clients read the fields.
    assert data.HasField("schema") and data.arrow_batch.row_count == 3 and data.HasField("metrics")
    assert data.response_id and data.operation_id == request.operation_id and data.session_id == spark.session_id
    assert end.HasField("result_complete")
