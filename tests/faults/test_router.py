"""The relay between clients and clusters under load: cancelled calls, clients that vanish, long streams in both directions."""
import os
import random
import re
import signal
import sys
import threading
import time
import uuid
from datetime import timedelta

import grpc
import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "clients"))
from test_workspace import Server  # noqa: E402


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp("workspace"))
    yield s
    assert s.stop() == 0


@pytest.fixture(scope="module")
def cluster_id(server):
    w = server.w
    return w.clusters.create(cluster_name="soak", spark_version=w.clusters.spark_versions().versions[0].key, num_workers=0).result(timeout=timedelta(seconds=90)).cluster_id


def session(server, cluster):
    from pyspark.sql.connect.session import SparkSession

    return SparkSession.builder.remote(f"sc://localhost:{server.port}/;token={server.token};x-databricks-cluster-id={cluster}").create()


def metric(server, name):
    return int(re.search(rf"^{name} (\d+)", server.http("GET", "/metrics", server.token)[2].decode(), re.M).group(1))


def stub(server, cluster):
    from pyspark.sql.connect.proto import base_pb2_grpc

    channel = grpc.insecure_channel(f"127.0.0.1:{server.port}", options=[("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)])
    return channel, base_pb2_grpc.SparkConnectServiceStub(channel), [("authorization", f"Bearer {server.token}"), ("x-databricks-cluster-id", cluster)]


def artifact_stream(session_id, size, go_on=lambda: True):
    from pyspark.sql.connect.proto import base_pb2 as pb

    piece = os.urandom(32 << 10)
    name = f"files/{uuid.uuid4().hex}"

    def request(**kw):
        return pb.AddArtifactsRequest(session_id=session_id, user_context=pb.UserContext(user_id="x"), **kw)

    import zlib

    chunks = size // len(piece)
    chunk = pb.AddArtifactsRequest.ArtifactChunk(data=piece, crc=zlib.crc32(piece))
    yield request(begin_chunk=pb.AddArtifactsRequest.BeginChunkedArtifact(name=name, total_bytes=size, num_chunks=chunks, initial_chunk=chunk))
    for _ in range(chunks - 1):
        if not go_on():
            return
        yield request(chunk=chunk)


def test_calls_end_whatever_clients_do(server, cluster_id):
    end = time.time() + 15
    done, errors = {}, []

    def count(what):
        done[what] = done.get(what, 0) + 1

    def forever(body, seed):
        def work():
            rng = random.Random(seed)
            while time.time() < end:
                try:
                    body(rng)
                except Exception as e:  # noqa: BLE001
                    errors.append(f"{body.__name__}: {type(e).__name__}: {e}"[:300])
        t = threading.Thread(target=work, daemon=True)
        t.start()
        return t

    shared = session(server, cluster_id)

    def short_queries(rng):
        n = rng.randrange(1, 1000)
        assert shared.range(n).count() == n
        count("short")

    def large_results(rng):
        assert len(shared.range(300_000).selectExpr("id", "cast(id as string) s").toArrow()) == 300_000
        count("large")

    def interrupted(rng):
        s = session(server, cluster_id)
        ended = threading.Event()

        def interrupt():   # again: the first may come before the query
            while not ended.wait(0.05 + rng.random() * 0.3):
                s.interruptAll()

        threading.Thread(target=interrupt, daemon=True).start()
        try:
            with pytest.raises(Exception, match="(?i)cancel|interrupt"):
                s.range(10**13).selectExpr("max(id)").collect()
        finally:
            ended.set()
        s.stop()
        count("interrupted")

    def vanishing(rng):   # the connection goes in the middle of a result
        from pyspark.sql.connect.proto import base_pb2 as pb
        from pyspark.sql.connect.proto import relations_pb2 as rel

        channel, service, metadata = stub(server, cluster_id)
        plan = pb.Plan(root=rel.Relation(sql=rel.SQL(query="select id, repeat('x', 200) s from range(5000000)")))
        call = service.ExecutePlan(pb.ExecutePlanRequest(session_id=str(uuid.uuid4()), user_context=pb.UserContext(user_id="x"), plan=plan), metadata=metadata)
        for _ in range(rng.randrange(0, 3)):
            next(call, None)
        if rng.random() < 0.5:
            call.cancel()
        channel.close()
        count("vanishing")

    def uploads(rng):
        channel, service, metadata = stub(server, cluster_id)
        answer = service.AddArtifacts(artifact_stream(str(uuid.uuid4()), 8 << 20), metadata=metadata, timeout=60)
        assert answer.artifacts[0].is_crc_successful
        channel.close()
        count("upload")

    def broken_uploads(rng):   # cancelled in the middle, or given up by the client
        channel, service, metadata = stub(server, cluster_id)
        call = service.AddArtifacts.future(artifact_stream(str(uuid.uuid4()), 64 << 20), metadata=metadata)
        time.sleep(rng.random() * 0.1)
        call.cancel() if rng.random() < 0.5 else channel.close()
        channel.close()
        count("broken upload")

    def refused(rng):   # the cluster answers before the client has said everything
        channel, service, metadata = stub(server, cluster_id)
        with pytest.raises(grpc.RpcError):
            service.AddArtifacts(artifact_stream("no uuid", 4 << 20), metadata=metadata, timeout=30)
        with pytest.raises(grpc.RpcError) as e:
            service.AddArtifacts(artifact_stream(str(uuid.uuid4()), 4 << 20), metadata=[("authorization", "Bearer no"), metadata[1]], timeout=30)
        assert e.value.code() == grpc.StatusCode.UNAUTHENTICATED
        channel.close()
        count("refused")

    threads = [forever(body, i) for i, body in enumerate((short_queries, large_results, interrupted, vanishing, vanishing, uploads, broken_uploads, refused))]
    for t in threads:
        t.join(90)
        assert not t.is_alive(), "a client hangs"
    assert not errors, errors[:5]
    assert set(done) == {"short", "large", "interrupted", "vanishing", "upload", "broken upload", "refused"}, done
    assert shared.range(5).count() == 5
    shared.stop()
    limit = time.time() + 20
    while metric(server, "tarn_grpc_calls_open") > 0:
        assert time.time() < limit, f"{metric(server, 'tarn_grpc_calls_open')} calls are still open"
        time.sleep(0.1)
    assert server.process.poll() is None
    assert server.w.clusters.get(cluster_id).state.value == "RUNNING"


def test_a_silent_client_stream_is_answered_when_the_cluster_is_done(server, cluster_id):
    """The client neither sends nor ends its half: the cluster's answer reaches it all the same."""
    channel, service, metadata = stub(server, cluster_id)
    release = threading.Event()

    def requests():
        yield from artifact_stream("no uuid", 64 << 10)
        release.wait(30)

    call = service.AddArtifacts.future(requests(), metadata=metadata, timeout=20)
    start = time.time()
    with pytest.raises(grpc.RpcError) as e:
        call.result()
    release.set()
    channel.close()
    assert e.value.code() != grpc.StatusCode.DEADLINE_EXCEEDED and time.time() - start < 10


def test_a_cluster_that_dies_ends_its_calls(server, cluster_id):
    from pyspark.sql.connect.proto import base_pb2 as pb
    from pyspark.sql.connect.proto import relations_pb2 as rel

    channel, service, metadata = stub(server, cluster_id)
    plan = pb.Plan(root=rel.Relation(sql=rel.SQL(query="select max(id) from range(10000000000000)")))
    call = service.ExecutePlan(pb.ExecutePlanRequest(session_id=str(uuid.uuid4()), user_context=pb.UserContext(user_id="x"), plan=plan), metadata=metadata)
    pid = int(re.findall(rf'"cluster_running","cluster":"{cluster_id}","pid":"(\d+)"', open(f"{server.home}/stderr.log").read())[-1])
    threading.Timer(1, lambda: os.kill(pid, signal.SIGKILL)).start()
    with pytest.raises(grpc.RpcError):
        for _ in call:
            pass
    channel.close()
    limit = time.time() + 20
    while server.w.clusters.get(cluster_id).state.value != "ERROR" and time.time() < limit:
        time.sleep(0.1)
    assert server.w.clusters.get(cluster_id).termination_reason.code.value == "DRIVER_UNREACHABLE"
    while metric(server, "tarn_grpc_calls_open") > 0 and time.time() < limit:
        time.sleep(0.1)
    assert metric(server, "tarn_grpc_calls_open") == 0


def test_a_cluster_that_is_terminated_does_not_wait_for_its_queries(server):
    from pyspark.sql.connect.proto import base_pb2 as pb
    from pyspark.sql.connect.proto import relations_pb2 as rel

    w = server.w
    cluster = w.clusters.create(cluster_name="short", spark_version=w.clusters.spark_versions().versions[0].key, num_workers=0).result(timeout=timedelta(seconds=90)).cluster_id
    channel, service, metadata = stub(server, cluster)
    plan = pb.Plan(root=rel.Relation(sql=rel.SQL(query="select max(id) from range(10000000000000)")))
    call = service.ExecutePlan(pb.ExecutePlanRequest(session_id=str(uuid.uuid4()), user_context=pb.UserContext(user_id="x"), plan=plan), metadata=metadata)
    time.sleep(1)
    start = time.time()
    w.clusters.delete(cluster).result(timeout=timedelta(seconds=60))
    assert time.time() - start < 12
    with pytest.raises(grpc.RpcError):
        for _ in call:
            pass
    channel.close()


def test_calls_about_a_session_do_not_start_a_cluster(server):
    from databricks.sdk.service.compute import State
    from pyspark.sql.connect.proto import base_pb2 as pb

    w = server.w
    cluster = w.clusters.create(cluster_name="ended", spark_version=w.clusters.spark_versions().versions[0].key, num_workers=0).result(timeout=timedelta(seconds=60)).cluster_id
    spark = session(server, cluster)
    assert spark.range(3).count() == 3
    w.clusters.delete(cluster).result(timeout=timedelta(seconds=60))
    of = {"session_id": spark.session_id, "user_context": pb.UserContext(user_id="x")}
    operation = str(uuid.uuid4())
    channel, calls, metadata = stub(server, cluster)
    for call in (lambda: calls.ReleaseExecute(pb.ReleaseExecuteRequest(operation_id=operation, release_all=pb.ReleaseExecuteRequest.ReleaseAll(), **of), metadata=metadata),
                 lambda: list(calls.ReattachExecute(pb.ReattachExecuteRequest(operation_id=operation, **of), metadata=metadata)),
                 lambda: calls.Interrupt(pb.InterruptRequest(interrupt_type=pb.InterruptRequest.INTERRUPT_TYPE_ALL, **of), metadata=metadata),
                 lambda: calls.ReleaseSession(pb.ReleaseSessionRequest(**of), metadata=metadata)):
        with pytest.raises(grpc.RpcError) as e:
            call()
        assert e.value.code() == grpc.StatusCode.INTERNAL and "[INVALID_HANDLE.SESSION_NOT_FOUND]" in e.value.details() and cluster in e.value.details()
    channel.close()
    assert w.clusters.get(cluster).state == State.TERMINATED
    spark.stop()
    assert w.clusters.get(cluster).state == State.TERMINATED
    again = session(server, cluster)
    assert again.range(4).count() == 4   # this one does
    again.stop()
