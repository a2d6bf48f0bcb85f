"""Sessions: cloning, closing, restarts of the server, artifacts, tokens and TLS."""
import os
import subprocess
import sys
import uuid
import zlib

import grpc
import pytest
from pyspark.errors import PySparkException
from pyspark.sql.connect.proto import base_pb2 as pb2
from pyspark.sql.connect.proto.base_pb2_grpc import SparkConnectServiceStub


def test_a_clone_has_a_copy_of_the_configuration(spark):
    spark.conf.set("spark.sql.shuffle.partitions", "11")
    clone = spark.cloneSession()
    assert clone.session_id != spark.session_id
    assert clone.conf.get("spark.sql.shuffle.partitions") == "11"
    clone.conf.set("spark.sql.shuffle.partitions", "12")
    assert spark.conf.get("spark.sql.shuffle.partitions") == "11"


@pytest.mark.parametrize("target, condition", [("no-uuid", "TARGET_SESSION_ID_FORMAT"), (None, "TARGET_SESSION_ID_ALREADY_EXISTS")])
def test_a_clone_needs_a_free_id(spark, target, condition):
    spark.range(1).collect()
    with pytest.raises(grpc.RpcError) as e:
        spark.client.clone(target or spark.session_id)
    assert "INVALID_CLONE_SESSION_REQUEST." + condition in e.value.details()


def test_a_session_that_was_closed_does_not_come_back(cluster):
    spark = cluster.session()
    spark.range(1).collect()
    session = spark.session_id
    spark.stop()
    request = pb2.ConfigRequest(session_id=session, user_context=pb2.UserContext(user_id=spark.client._user_id or ""))
    request.operation.get_all.SetInParent()
    with grpc.insecure_channel(f"127.0.0.1:{cluster.port}") as channel, pytest.raises(grpc.RpcError) as e:
        SparkConnectServiceStub(channel).Config(request)
    assert "INVALID_HANDLE.SESSION_CLOSED" in e.value.details()


def test_after_a_restart_the_old_client_is_told_and_a_new_session_works(tmp_path, cluster_at):
    first = cluster_at(tmp_path)
    spark = first.session()
    spark.range(1).collect()
    first.sessions.clear()
    first.process.kill()
    first.process.wait()
    second = cluster_at(tmp_path, listen=f"127.0.0.1:{first.port}")
    with pytest.raises(PySparkException) as e:
        spark.range(1).collect()
    assert "INVALID_HANDLE.SESSION_CHANGED" in str(e.value)
    assert second.session().range(3).count() == 3


def test_session_ids_are_checked(cluster):
    request = pb2.ConfigRequest(session_id="not a uuid")
    request.operation.get_all.SetInParent()
    with grpc.insecure_channel(f"127.0.0.1:{cluster.port}") as channel, pytest.raises(grpc.RpcError) as e:
        SparkConnectServiceStub(channel).Config(request)
    assert "INVALID_HANDLE.FORMAT" in e.value.details()


def chunk(data, crc=None):
    return pb2.AddArtifactsRequest.ArtifactChunk(data=data, crc=zlib.crc32(data) if crc is None else crc)


def add(spark, *artifacts):
    request = pb2.AddArtifactsRequest(session_id=spark.session_id, user_context=pb2.UserContext(user_id=spark.client._user_id or ""))
    for name, data, crc in artifacts:
        request.batch.artifacts.add(name=name, data=chunk(data, crc))
    return SparkConnectServiceStub(spark.client._channel).AddArtifacts(iter([request]))


def test_artifacts_small_and_in_chunks(spark, tmp_path):
    small, large = tmp_path / "small.py", tmp_path / "large.py"
    small.write_text("x = 1\n")
    large.write_bytes(b"#" + os.urandom(200_000).hex().encode() + b"\n")
    spark.addArtifacts(str(small), str(large), pyfile=True)
    spark.addArtifacts(str(small), pyfile=True)  # the same again is no error
    small.write_text("x = 2\n")
    with pytest.raises(PySparkException) as e:
        spark.addArtifacts(str(small), pyfile=True)
    assert e.value.getCondition() == "ARTIFACT_ALREADY_EXISTS"


def is_cached(spark, digest):
    request = pb2.ArtifactStatusesRequest(session_id=spark.session_id, user_context=pb2.UserContext(user_id=spark.client._user_id or ""),
                                          names=["cache/" + digest])
    return SparkConnectServiceStub(spark.client._channel).ArtifactStatus(request).statuses["cache/" + digest].exists


def test_cached_artifacts_are_known_afterwards(spark):
    digest = "ab" * 32
    assert not is_cached(spark, digest)
    assert add(spark, ("cache/" + digest, b"data", None)).artifacts[0].is_crc_successful
    assert is_cached(spark, digest)


def test_a_wrong_checksum_is_reported_and_nothing_is_kept(spark):
    digest = "cd" * 32
    assert not add(spark, ("cache/" + digest, b"data", 12345)).artifacts[0].is_crc_successful
    assert not is_cached(spark, digest)


@pytest.mark.parametrize("name", ["../x", "/etc/x", "pyfiles/../../x", "files/.."])
def test_names_that_leave_the_session_are_refused(spark, name):
    with pytest.raises(grpc.RpcError) as e:
        add(spark, (name, b"data", None))
    assert "INVALID_ARTIFACT_PATH" in e.value.details()


def test_the_servers_own_disk_is_closed_unless_the_session_opens_it(spark, tmp_path):
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_text("hello")
    with pytest.raises(Exception, match="local file system"):
        spark.copyFromLocalToFs(str(source), str(target))
    spark.conf.set("spark.sql.artifact.copyFromLocalToFs.allowDestLocal", "true")
    spark.copyFromLocalToFs(str(source), str(target))
    assert target.read_text() == "hello"


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "tokens"
    path.write_text("s3cret\nother-t0ken alice\n")
    path.chmod(0o600)
    return str(path)


def test_a_token_is_needed_where_one_is_configured(tmp_path, cluster_at, token_file):
    c = cluster_at(tmp_path / "home", "--token-file", token_file)
    assert c.session(f"sc://localhost:{c.port}/;token=s3cret").range(3).count() == 3
    for parameters in ("", "/;token=wrong", "/;token=s3cre"):
        with pytest.raises(Exception) as e:
            c.session(f"sc://localhost:{c.port}{parameters}").range(3).count()
        assert "UNAUTHENTICATED" in str(e.value) or "authentication token" in str(e.value)
    with open(os.path.join(c.home, "logs", "cluster.log")) as log:
        assert "s3cret" not in log.read()


def test_a_token_with_a_user_decides_who_it_is(tmp_path, cluster_at, token_file):
    c = cluster_at(tmp_path / "home", "--token-file", token_file)
    with grpc.insecure_channel(f"127.0.0.1:{c.port}") as channel:
        stub, session = SparkConnectServiceStub(channel), str(uuid.uuid4())

        def config(user, token):
            request = pb2.ConfigRequest(session_id=session, user_context=pb2.UserContext(user_id=user))
            request.operation.get_all.SetInParent()
            return stub.Config(request, metadata=[("authorization", "Bearer " + token)]).server_side_session_id

        assert config("bob", "other-t0ken") == config("mallory", "other-t0ken") == config("alice", "s3cret") != config("bob", "s3cret")


def test_tls(tmp_path, cluster_at, token_file):
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    c = cluster_at(tmp_path / "home", "--token-file", token_file, "--tls-cert", cert, "--tls-key", key)
    script = tmp_path / "client.py"
    script.write_text("import sys\nfrom pyspark.sql.connect.session import SparkSession\n"
                      "s = SparkSession.builder.remote(sys.argv[1]).create()\nprint(s.range(4).count())\ns.stop()\n")
    done = subprocess.run([sys.executable, "-W", "ignore", str(script), f"sc://127.0.0.1:{c.port}/;token=s3cret;use_ssl=true"],
                          env={**os.environ, "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": cert}, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "4", done.stderr[-2000:]


def test_without_a_token_only_loopback(tmp_path):
    from conftest import tarn_binary
    done = subprocess.run([tarn_binary(), "cluster", "--listen", "0.0.0.0:0", "--home", str(tmp_path)], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.strip().splitlines()[-1].startswith("tarn: listening on 0.0.0.0 without a token")
