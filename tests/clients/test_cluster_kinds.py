"""Clusters of the kind spark: an endpoint that runs elsewhere, and one that the workspace starts with spark-submit. What stands in for Spark here
speaks the same protocol; the real one is for `make test-spark`."""
import os
import stat
import time
from datetime import timedelta

import grpc
import pytest
from conftest import Cluster, tarn_binary
from test_commands import Context
from test_workspace import Server

from pyspark.sql.connect.proto import base_pb2, base_pb2_grpc

from databricks.sdk.errors import DatabricksError
from databricks.sdk.service.compute import State

VERSION = "17.3.x-scala2.13"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp("workspace"), "--allowed-hosts", "127.0.0.1")
    yield s
    assert s.stop() == 0


@pytest.fixture
def elsewhere(cluster_at, tmp_path):
    return cluster_at(tmp_path / "elsewhere")


def create(server, conf, wait=True, **more):
    made = server.w.clusters.create(cluster_name="spark", spark_version=VERSION, num_workers=0, spark_conf={"tarn.cluster.kind": "spark", **conf}, **more)
    return made.result(timeout=timedelta(seconds=60)).cluster_id if wait else made.cluster_id


def session(server, cluster):
    from pyspark.sql.connect.session import SparkSession

    spark = SparkSession.builder.remote(f"sc://localhost:{server.port}/;token={server.token};x-databricks-cluster-id={cluster}").create()
    # The client asks the active session for settings: not one whose cluster a test has ended.
    SparkSession._active_session.session = SparkSession._default_session = spark
    return spark


def ends_in(server, cluster, *states, seconds=30):
    limit = time.time() + seconds
    while (c := server.w.clusters.get(cluster)).state not in states:
        assert time.time() < limit, c.state
        time.sleep(0.1)
    return c


def test_an_endpoint_elsewhere_is_a_cluster(server, elsewhere):
    w = server.w
    cluster = create(server, {"tarn.spark.remote": elsewhere.remote.replace("localhost", "127.0.0.1")})
    spark = session(server, cluster)
    assert spark.range(10).selectExpr("sum(id)").first()[0] == 45
    assert Context(w, cluster).text("spark.range(3).count()") == "3"
    w.clusters.delete(cluster).result(timeout=timedelta(seconds=30))
    assert elsewhere.alive()   # it is not ours to end
    assert spark.range(4).count() == 4   # a call starts the cluster again
    assert [e.type.value for e in w.clusters.events(cluster)][-2:] == ["RUNNING", "CREATING"]
    spark.stop()


def test_its_token_comes_from_a_secret(server, cluster_at, tmp_path):
    (tmp_path / "tokens").write_text("t0ken-of-spark\n")
    (tmp_path / "tokens").chmod(0o600)
    elsewhere = cluster_at(tmp_path / "e", "--token-file", str(tmp_path / "tokens"))
    server.w.secrets.create_scope("kinds")
    server.w.secrets.put_secret("kinds", "token", string_value="t0ken-of-spark")
    cluster = create(server, {"tarn.spark.remote": f"sc://127.0.0.1:{elsewhere.port}/;token={{{{secrets/kinds/token}}}}"})
    assert session(server, cluster).range(2).count() == 2
    assert "t0ken" not in str(server.w.clusters.get(cluster).as_dict())


def test_one_that_does_not_answer_or_goes_is_an_error(server, elsewhere):
    cluster = create(server, {"tarn.spark.remote": "sc://127.0.0.1:1"}, wait=False)
    c = ends_in(server, cluster, State.ERROR)
    assert (c.termination_reason.code.value, "No Spark Connect server answers at 127.0.0.1:1" in c.state_message) == ("SPARK_STARTUP_FAILURE", True)
    cluster = create(server, {"tarn.spark.remote": f"sc://127.0.0.1:{elsewhere.port}"})
    elsewhere.kill()
    c = ends_in(server, cluster, State.ERROR)
    assert c.termination_reason.code.value == "DRIVER_UNREACHABLE"
    # PySpark would try again for minutes.
    channel = grpc.insecure_channel(f"127.0.0.1:{server.port}")
    with pytest.raises(grpc.RpcError) as e:
        base_pb2_grpc.SparkConnectServiceStub(channel).Config(base_pb2.ConfigRequest(), timeout=30, metadata=[("authorization", f"Bearer {server.token}"), ("x-databricks-cluster-id", cluster)])
    channel.close()
    assert e.value.code() == grpc.StatusCode.UNAVAILABLE and "No Spark Connect server answers" in e.value.details()


def test_the_server_goes_to_allowed_hosts_only(server):
    c = ends_in(server, create(server, {"tarn.spark.remote": "sc://169.254.169.254:80"}, wait=False), State.ERROR)
    assert "allowed" in c.state_message.lower()


@pytest.mark.parametrize("conf", [{"tarn.cluster.kind": "flink"}, {"tarn.cluster.kind": "tarn", "tarn.spark.remote": "sc://127.0.0.1:1"}, {"tarn.spark.remote": "http://127.0.0.1"},
                                  {"tarn.spark.remote": "sc://127.0.0.1:99999"}, {"tarn.spark.remote": "sc://a@b"}, {"tarn.spark.remote": "sc://h/;user_id=x"},
                                  {"tarn.spark.remote": "sc://h", "spark.master": "local[1]"}])
def test_what_no_kind_understands_is_refused(server, conf):
    with pytest.raises(DatabricksError) as e:
        create(server, conf, wait=False)
    assert e.value.error_code == "INVALID_PARAMETER_VALUE"


@pytest.fixture(scope="module")
def distribution(tmp_path_factory):
    """A folder that looks like Spark's. Its spark-submit notes how it was called and serves Spark Connect where it was told to."""
    home = tmp_path_factory.mktemp("spark")
    (home / "jars").mkdir()
    (home / "bin").mkdir()
    submit = home / "bin" / "spark-submit"
    submit.write_text(f"""#!/bin/bash
umask 077
printf '%s\\n' "$@" > {home}/arguments
env > {home}/environment
cp "$2" {home}/properties; stat -c %a "$2" > {home}/mode
[ -e {home}/broken ] && {{ echo "java: no such class"; exit 3; }}
[ -e {home}/slow ] && exec sleep 60
port=$(sed -n 's/^spark.connect.grpc.binding.port=//p' "$2")
echo "$SPARK_CONNECT_AUTHENTICATE_TOKEN" > {home}/token
exec {tarn_binary()} cluster --listen 127.0.0.1:$port --home {home}/home --token-file {home}/token
""")
    submit.chmod(submit.stat().st_mode | stat.S_IXUSR)
    return home


def test_spark_is_submitted_watched_and_ended(server, distribution):
    w = server.w
    w.secrets.create_scope("submit")
    w.secrets.put_secret("submit", "key", string_value="s3cret-of-store")
    cluster = create(server, {"tarn.spark.home": str(distribution), "spark.master": "local[1]", "spark.hadoop.fs.azure.account.key": "{{secrets/submit/key}}",
                              "a.key: odd": "a\\b value"}, spark_env_vars={"BLUE": "navy"})
    arguments, properties = (distribution / "arguments").read_text(), (distribution / "properties").read_text()
    assert "SparkConnectServer" in arguments and "s3cret" not in arguments
    assert (distribution / "mode").read_text().strip() == "600" and not os.path.exists(arguments.split("\n")[1])
    for line in ("spark.master=local[1]", "spark.hadoop.fs.azure.account.key=s3cret-of-store", f"spark.sql.warehouse.dir=file:{server.home}/warehouse",
                 "spark.sql.catalog.spark_catalog=org.apache.spark.sql.delta.catalog.DeltaCatalog", "a.key\\:\\ odd=a\\\\b value"):
        assert line in properties.split("\n"), line
    assert "tarn.cluster" not in properties and "delta-spark" in properties
    environment = (distribution / "environment").read_text()
    assert "BLUE=navy" in environment and "PYSPARK_PYTHON=" + f"{server.home}/clusters/{cluster}/python" in environment
    spark = session(server, cluster)
    assert spark.range(7).count() == 7
    w.clusters.restart(cluster).result(timeout=timedelta(seconds=60))
    assert session(server, cluster).range(8).count() == 8
    w.clusters.delete(cluster).result(timeout=timedelta(seconds=30))
    assert "home" in os.listdir(distribution)   # nothing of Spark's is removed


def test_names_are_the_same_on_both_kinds(server, distribution, tmp_path):
    w = server.w
    tarn = session(server, w.clusters.create(cluster_name="tarn", spark_version=VERSION, num_workers=0).result(timeout=timedelta(seconds=60)).cluster_id)
    tarn.sql("CREATE SCHEMA ours")
    tarn.sql("CREATE TABLE ours.managed USING delta AS SELECT id FROM range(5)")
    tarn.sql(f"CREATE TABLE ours.files USING parquet LOCATION '{tmp_path}/files' AS SELECT id FROM range(6)")
    cluster = create(server, {"tarn.spark.home": str(distribution)})
    spark = session(server, cluster)
    assert (spark.table("ours.managed").count(), spark.table("ours.files").count()) == (5, 6)   # known from its start
    spark.sql("CREATE SCHEMA theirs")
    spark.sql("CREATE TABLE theirs.managed USING delta AS SELECT id, named_struct('x', 1) AS s FROM range(7)")
    spark.sql(f"CREATE TABLE theirs.ext USING delta LOCATION '{tmp_path}/ext' AS SELECT 1 AS one")

    def tables(session, schema):
        return {r[1] for r in session.sql(f"SHOW TABLES IN {schema}").collect()} if schema in {r[0] for r in session.sql("SHOW SCHEMAS").collect()} else None

    def soon(what, wanted):
        limit = time.time() + 20
        while (got := what()) != wanted:
            assert time.time() < limit, got
            time.sleep(0.2)

    soon(lambda: tables(tarn, "theirs"), {"managed", "ext"})
    assert tarn.table("theirs.managed").select("s.x").first()[0] == 1
    tarn.sql("DROP TABLE theirs.ext")
    soon(lambda: tables(spark, "theirs"), {"managed"})
    tarn.sql("DROP TABLE ours.files")
    soon(lambda: tables(spark, "ours"), {"managed"})
    # What the workspace manages is not dropped by a name that goes elsewhere.
    spark.sql("DROP TABLE ours.managed")
    spark.sql("DROP SCHEMA theirs CASCADE")
    soon(lambda: tables(tarn, "theirs"), None)
    assert tables(tarn, "ours") == {"managed"} and tarn.table("ours.managed").count() == 5
    assert os.listdir(tmp_path / "ext") and os.listdir(tmp_path / "files")
    w.clusters.delete(cluster).result(timeout=timedelta(seconds=30))
    assert not [p for p in os.listdir("/proc") if p.isdigit() and f"{server.home}/clusters/{cluster}/python/bin/python -m tarn.spark_names" in cmdline(p)]


def cmdline(pid):
    try:
        return open(f"/proc/{pid}/cmdline").read().replace("\0", " ")
    except OSError:
        return ""


def test_what_spark_says_when_it_fails_is_in_the_reason(server, distribution):
    (distribution / "broken").touch()
    try:
        c = ends_in(server, create(server, {"tarn.spark.home": str(distribution)}, wait=False), State.ERROR)
    finally:
        (distribution / "broken").unlink()
    assert "status 3" in c.state_message and "java: no such class" in c.state_message
    c = ends_in(server, create(server, {"tarn.spark.home": "/nowhere"}, wait=False), State.ERROR)
    assert "no Spark at /nowhere" in c.state_message


def test_a_start_that_nobody_wants_any_more_ends(server, distribution):
    (distribution / "slow").touch()
    try:
        cluster = create(server, {"tarn.spark.home": str(distribution)}, wait=False)
        time.sleep(1)
        server.w.clusters.delete(cluster)
        ends_in(server, cluster, State.TERMINATED, seconds=10)
    finally:
        (distribution / "slow").unlink()
