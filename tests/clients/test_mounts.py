"""dbutils.fs.mount end to end: kept sealed, seen by every cluster at once, by the dbfs API and by nobody's listings."""
import io
import json
import os
import subprocess
from datetime import timedelta

import pytest
from stores import BUCKET
from stores import s3  # noqa: F401
from test_commands import Context
from test_workspace import Server

from databricks.sdk.errors import DatabricksError, NotFound, PermissionDenied

SOURCE = "abfss://lake@tarnlake.dfs.core.windows.net"
KEY_NAME = "fs.azure.account.key.tarnlake.dfs.core.windows.net"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp("workspace"), "--allowed-hosts", "127.0.0.1")
    yield s
    assert s.stop() == 0


@pytest.fixture(scope="module")
def key(server):
    from azure.storage.filedatalake import DataLakeServiceClient

    key = json.load(open(f"{server.home}/storage-account.json"))["key1"]
    lake = DataLakeServiceClient(f"{server.url}/tarnlake", credential={"account_name": "tarnlake", "account_key": key}).create_file_system("lake")
    lake.get_file_client("raw/a.csv").upload_data(b"x,y\n1,one\n2,two\n", overwrite=True)
    return key


def make_cluster(server, name, **more):
    return server.w.clusters.create(cluster_name=name, spark_version="17.3.x-scala2.13", num_workers=0, **more).result(timeout=timedelta(seconds=90)).cluster_id


@pytest.fixture(scope="module")
def python(server):
    """A context on a cluster that ran before anything was mounted."""
    return Context(server.w, make_cluster(server, "before"))


def session(server, cluster):
    from pyspark.sql.connect.session import SparkSession

    return SparkSession.builder.remote(f"sc://localhost:{server.port}/;token={server.token};x-databricks-cluster-id={cluster}").create()


def test_a_running_cluster_reads_and_writes_through_a_new_mount(server, python, key):
    server.w.secrets.create_scope("mounts")
    server.w.secrets.put_secret("mounts", "key", string_value=key)
    assert python.text(f"dbutils.fs.mount('{SOURCE}/', '/mnt/lake', extra_configs={{'{KEY_NAME}': dbutils.secrets.get('mounts', 'key')}})") == "True"
    assert python.text("[(m.mountPoint, m.source, m.encryptionType) for m in dbutils.fs.mounts()]") == f"[('/mnt/lake', '{SOURCE}', '')]"
    assert python.text("[tuple(r) for r in spark.read.option('header', True).csv('/mnt/lake/raw').collect()]") == "[('1', 'one'), ('2', 'two')]"
    assert python.text("spark.range(5).write.format('delta').save('dbfs:/mnt/lake/table'); spark.read.format('delta').load('/mnt/lake/table').count()") == "5"
    # A name in the catalog whose data lie behind the mount, from a cluster that starts afterwards.
    python.text("spark.sql(\"create table named using delta location 'dbfs:/mnt/lake/table'\")")
    spark = session(server, make_cluster(server, "after"))
    assert spark.table("named").count() == 5
    assert spark.sql("select sum(id) from delta.`/mnt/lake/table`").first()[0] == 10
    spark.stop()
    assert python.text("dbutils.fs.refreshMounts()") == "True"


def test_the_dbfs_api_and_dbutils_go_through_mounts(server, python):
    w = server.w
    assert sorted(f.path for f in w.dbfs.list("/mnt/lake")) == ["/mnt/lake/raw", "/mnt/lake/table"]
    assert [f.path for f in w.dbfs.list("/mnt")] == ["/mnt/lake"] and "/mnt" in [f.path for f in w.dbfs.list("/")]
    assert w.dbfs.get_status("/mnt").is_dir and w.dbfs.get_status("/mnt/lake").is_dir and w.dbfs.get_status("dbfs:/mnt/lake/raw/a.csv").file_size == 16
    assert w.dbfs.download("/mnt/lake/raw/a.csv").read() == b"x,y\n1,one\n2,two\n"
    content = os.urandom(3 << 20)
    w.dbfs.upload("/mnt/lake/new/big.bin", io.BytesIO(content), overwrite=True)
    assert w.dbfs.download("/mnt/lake/new/big.bin").read() == content
    w.dbfs.move("/mnt/lake/new", "/mnt/lake/moved")
    assert [f.file_size for f in w.dbfs.list("/mnt/lake/moved")] == [len(content)]
    with pytest.raises(DatabricksError):
        w.dbfs.move("/mnt/lake/moved", "/elsewhere")
    for path in ("/mnt/lake", "/mnt"):
        with pytest.raises(DatabricksError):
            w.dbfs.delete(path, recursive=True)
    with pytest.raises(DatabricksError, match="not empty"):
        w.api_client.do("POST", "/api/2.0/dbfs/delete", body={"path": "/mnt/lake/moved", "recursive": False})
    w.dbfs.delete("/mnt/lake/moved", recursive=True)
    with pytest.raises(NotFound):
        w.dbfs.get_status("/mnt/lake/moved")
    assert python.text("[f.name for f in dbutils.fs.ls('/mnt/lake/')], dbutils.fs.head('dbfs:/mnt/lake/raw/a.csv')[:3]") == "(['raw/', 'table/'], 'x,y')"
    assert python.text("dbutils.fs.cp('/mnt/lake/raw', 'dbfs:/copied', True), dbutils.fs.put('/mnt/lake/put/t.txt', 'zażółć', True), dbutils.fs.head('/mnt/lake/put/t.txt')"
                       ).endswith("(True, True, 'zażółć')")
    assert python.text("dbutils.fs.rm('/mnt/lake/put', True), dbutils.fs.head('/copied/a.csv')[:3]") == "(True, 'x,y')"


def test_credentials_are_not_to_be_seen(server, python, key):
    assert key not in python.text("str(spark.sql('SET -v').collect()) + str(spark.sql('SET').collect()) + str(dbutils.fs.mounts())")
    commands = subprocess.run(["ps", "axeww", "-o", "args"], capture_output=True, text=True).stdout
    assert "--control" in commands and key not in commands
    for folder, _, names in os.walk(server.home):
        for name in names:
            path = os.path.join(folder, name)
            if name != "storage-account.json" and os.path.isfile(path):
                assert key.encode() not in open(path, "rb").read(), path
    assert key.encode() not in server.http("GET", "/api/2.0/dbfs/mounts/list", server.token)[2]


def test_who_has_the_right_mounts_and_everybody_reads(server, key):
    w = server.w
    sp = w.service_principals_v2.create(display_name="other", active=True)
    other = server.client(token=w.token_management.create_obo_token(sp.application_id, lifetime_seconds=600).token_value)
    mount = lambda: other.api_client.do("POST", "/api/2.0/dbfs/mounts/create", body={"source": SOURCE, "mount_point": "/mnt/theirs", "extra_configs": {KEY_NAME: key}})  # noqa: E731
    for call in (mount, lambda: other.api_client.do("POST", "/api/2.0/dbfs/mounts/delete", body={"mount_point": "/mnt/lake"})):
        with pytest.raises(PermissionDenied):
            call()
    assert other.dbfs.download("/mnt/lake/raw/a.csv").read().startswith(b"x,y")
    w.api_client.do("PATCH", "/api/2.0/permissions/mounts/workspace", body={"access_control_list": [{"service_principal_name": sp.application_id, "permission_level": "CAN_MANAGE"}]})
    mount()
    assert [f.path for f in w.dbfs.list("/mnt")] == ["/mnt/lake", "/mnt/theirs"]
    other.api_client.do("POST", "/api/2.0/dbfs/mounts/delete", body={"mount_point": "/mnt/theirs"})


@pytest.mark.parametrize("fields,says", [
    ({"mount_point": "/elsewhere"}, "below /mnt/"), ({"mount_point": "/mnt/../x"}, "not valid"), ({"mount_point": "/mnt/lake/inner"}, "cannot be in another"),
    ({"source": "file:///etc"}, "A source is"), ({"source": "dbfs:/x"}, "A source is"), ({"source": "abfss://nothing"}, "not valid"),
    ({"source": "abfss://c@169.254.169.254"}, "allowed"), ({"source": "abfss://c@evil.example.com"}, "allowed"), ({"extra_configs": {"fs.s3a.endpoint": "http://169.254.169.254"}}, "allowed"),
    ({"extra_configs": {"fs.azure.account.oauth2.client.endpoint": "https://evil.example.com/t"}}, "allowed"), ({"extra_configs": {"spark.executor.memory": "1g"}}, "not understood"),
    ({"extra_configs": {KEY_NAME: 5}}, "must be a string"), ({"encryption_type": "rot13"}, "encryption_type"), ({"mount_point": "/mnt/lake"}, "already mounted")])
def test_what_cannot_be_mounted_is_refused(server, key, fields, says):
    body = {"source": SOURCE, "mount_point": "/mnt/other", "extra_configs": {KEY_NAME: key}, **fields}
    with pytest.raises(DatabricksError, match=says):
        server.w.api_client.do("POST", "/api/2.0/dbfs/mounts/create", body=body)


def test_update_unmount_and_restart(server, python, key):
    assert "already mounted" in python.run(f"dbutils.fs.mount('{SOURCE}', '/mnt/lake')").results.summary
    python.text(f"dbutils.fs.updateMount('{SOURCE}/raw', '/mnt/lake', extra_configs={{'{KEY_NAME}': dbutils.secrets.get('mounts', 'key')}})")
    assert python.text("spark.read.text('/mnt/lake/a.csv').count(), [f.name for f in dbutils.fs.ls('/mnt/lake')]") == "(3, ['a.csv'])"
    # A wrong key reaches nothing, and its error does not show it.
    r = python.run(f"dbutils.fs.updateMount('{SOURCE}', '/mnt/lake', extra_configs={{'{KEY_NAME}': 'd3Jvbmcta2V5LW9mLW1pbmU='}})\nspark.read.text('/mnt/lake/raw/a.csv').count()")
    assert r.results.result_type.value == "error" and "d3Jvbmcta2V5" not in r.results.summary + r.results.cause.replace("'d3Jvbmcta2V5LW9mLW1pbmU='", "")
    with pytest.raises(DatabricksError):
        server.w.dbfs.read("/mnt/lake/raw/a.csv")
    python.text(f"dbutils.fs.updateMount('{SOURCE}/raw', '/mnt/lake', extra_configs={{'{KEY_NAME}': dbutils.secrets.get('mounts', 'key')}})")
    assert "unmounted" in python.text("dbutils.fs.unmount('/mnt/lake')")
    assert "not mounted" in python.run("dbutils.fs.unmount('/mnt/lake')").results.summary
    assert python.run("spark.read.text('dbfs:/mnt/lake/a.csv').count()").results.result_type.value == "error"
    with pytest.raises(NotFound):
        server.w.dbfs.get_status("/mnt/lake")


def test_a_mount_of_a_bucket(server, python, s3):  # noqa: F811
    conf = s3.conf()
    s3.client().put_object(Bucket=BUCKET, Key="mounted/a.txt", Body=b"one\ntwo\n")
    python.text(f"dbutils.fs.mount('s3a://{BUCKET}/mounted', '/mnt/bucket', extra_configs={conf!r})")
    assert python.text("spark.read.text('/mnt/bucket/a.txt').count(), dbutils.fs.head('/mnt/bucket/a.txt')") == "(2, 'one\\ntwo\\n')"
