"""The workspace's REST APIs with the stock SDK, and PySpark through its port."""
import base64
import io
import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
import zipfile
from datetime import timedelta

import pytest
from conftest import tarn_binary
from databases import database_options

from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config
from databricks.sdk.errors import DatabricksError, PermissionDenied
from databricks.sdk.service import iam, workspace as ws


class Server:
    def __init__(self, home, *options, database=None, env=None):
        self.home = str(home)
        os.makedirs(self.home, exist_ok=True)
        self.log = open(os.path.join(self.home, "stderr.log"), "ab")
        self.process = subprocess.Popen([tarn_binary(), "server", "--listen", "127.0.0.1:0", "--home", self.home, *(database or database_options(self.home)), *options],
                                        stdout=subprocess.PIPE, stderr=self.log, text=True, env={**os.environ, **(env or {})})
        line = self.process.stdout.readline().strip()
        assert line.startswith("tarn server ready http"), f"said {line!r}: {open(self.log.name).read()[-500:]}"
        self.url = line.split()[-1]
        self.port = int(self.url.rsplit(":", 1)[1])
        self.token = open(os.path.join(self.home, "admin-token")).read().strip()
        self.w = self.client(token=self.token)

    def client(self, **kw):
        return WorkspaceClient(config=Config(host=self.url, retry_timeout_seconds=10, http_timeout_seconds=30, **kw))

    def http(self, method, path, token=None, body=None, headers=None):
        """Status, headers and body of a raw call."""
        request = urllib.request.Request(self.url + path, method=method, data=body, headers=headers or {})
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=30) as r:
                return r.status, r.headers, r.read()
        except urllib.error.HTTPError as e:
            return e.code, e.headers, e.read()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp("workspace"))
    yield s
    assert s.stop() == 0


@pytest.fixture(scope="module")
def stranger(server):
    """A service principal without rights: its client, its name, its token."""
    sp = server.w.service_principals_v2.create(display_name="stranger", active=True)
    t = server.w.token_management.create_obo_token(sp.application_id, lifetime_seconds=3600)
    return server.client(token=t.token_value), sp.application_id, t.token_value


SOURCE = "# Databricks notebook source\nx = 1\n\n# COMMAND ----------\n\n# MAGIC %md\n# MAGIC # Title\n# MAGIC\n# MAGIC body"


def put(client, path, text=SOURCE, **kw):
    client.workspace.import_(path, content=base64.b64encode(text.encode()).decode(), format=ws.ImportFormat.SOURCE, language=ws.Language.PYTHON, **kw)


def error_of(call):
    with pytest.raises(DatabricksError) as e:
        call()
    return e.value.error_code


def test_nothing_but_health_answers_without_a_token(server):
    assert server.http("GET", "/health")[0] == 200
    for path in ("/metrics", "/api/2.0/clusters/list", "/api/2.0/secrets/scopes/list", "/api/2.0/preview/scim/v2/Me", "/api/2.0/nothing", "/", "/admin-token"):
        status, _, body = server.http("GET", path)
        # SCIM has an error form of its own (RFC 7644, 3.12).
        assert status == 401 and (b'"status":"401"' if "/scim/" in path else b"UNAUTHENTICATED") in body, path


def test_the_admins_token_is_private_and_works(server):
    assert os.stat(f"{server.home}/admin-token").st_mode & 0o777 == 0o600
    assert os.stat(f"{server.home}/master.key").st_mode & 0o777 == 0o600
    me = server.w.current_user.me()
    assert "admins" in [g.display for g in me.groups]
    assert server.http("GET", "/metrics", server.token)[2].startswith(b"# HELP tarn_http_requests_total")


def test_tokens_are_stored_as_digests_and_can_be_revoked(server):
    t = server.w.tokens.create(comment="x", lifetime_seconds=600)
    assert server.http("GET", "/api/2.0/token/list", t.token_value)[0] == 200
    server.w.tokens.delete(t.token_info.token_id)
    assert server.http("GET", "/api/2.0/token/list", t.token_value)[0] == 401
    for name in ("workspace.db", "workspace.db-wal", "logs/audit.log", "logs/server.log", "stderr.log"):
        path = f"{server.home}/{name}"
        if os.path.exists(path):
            content = open(path, "rb").read()
            assert t.token_value.encode() not in content and server.token.encode() not in content, name


def test_a_principal_without_rights_gets_403(server, stranger):
    w, name, token = stranger
    assert w.current_user.me().user_name == name
    for method, path, body in (("POST", "/api/2.0/preview/scim/v2/Users", {"userName": "a@b.c"}), ("GET", "/api/2.0/token-management/tokens", None),
                               ("POST", "/api/2.0/policies/clusters/create", {"name": "p", "definition": "{}"})):
        assert server.http(method, path, token, json.dumps(body).encode() if body else None)[0] == 403


def test_client_credentials_make_an_access_token_and_wrong_ones_are_slowed_down(server):
    sp = server.w.service_principals_v2.create(display_name="robot", active=True)
    secret = server.w.service_principal_secrets_proxy.create(sp.id).secret
    assert server.client(client_id=sp.application_id, client_secret=secret, auth_type="oauth-m2m").current_user.me().user_name == sp.application_id
    login = lambda s: server.http("POST", "/oidc/v1/token", None, b"grant_type=client_credentials&scope=all-apis",
                                  {"Authorization": "Basic " + base64.b64encode(f"{sp.application_id}:{s}".encode()).decode(),
                                   "Content-Type": "application/x-www-form-urlencoded"})
    statuses = [login("wrong")[0] for _ in range(12)]
    assert statuses[0] == 401 and statuses[-1] == 429
    assert login(secret)[0] == 429  # until the minute is over


def test_notebooks_round_trip_in_every_format(server):
    server.w.workspace.mkdirs("/Shared/rt")
    put(server.w, "/Shared/rt/n")
    for fmt in ("SOURCE", "JUPYTER", "HTML"):
        content = server.w.workspace.export("/Shared/rt/n", format=ws.ExportFormat(fmt)).content
        server.w.workspace.import_(f"/Shared/rt/{fmt}", content=content, format=ws.ImportFormat(fmt), language=ws.Language.PYTHON)
        assert base64.b64decode(server.w.workspace.export(f"/Shared/rt/{fmt}").content).decode() == SOURCE
    archive = server.w.workspace.export("/Shared/rt", format=ws.ExportFormat.DBC).content
    assert "rt/n.python" in zipfile.ZipFile(io.BytesIO(base64.b64decode(archive))).namelist()
    server.w.workspace.import_("/Shared/again", content=archive, format=ws.ImportFormat.DBC)
    assert base64.b64decode(server.w.workspace.export("/Shared/again/rt/n").content).decode() == SOURCE


def test_home_folders_are_private(server, stranger):
    w = stranger[0]
    path = f"/Users/{server.w.current_user.me().user_name}/private"
    put(server.w, path)
    assert error_of(lambda: w.workspace.export(path)) == "RESOURCE_DOES_NOT_EXIST"
    assert path not in [o.path for o in w.workspace.list("/Users", recursive=False)]
    oid = str(server.w.workspace.get_status(path).object_id)
    server.w.permissions.update("notebooks", oid, access_control_list=[iam.AccessControlRequest(service_principal_name=stranger[1], permission_level=iam.PermissionLevel.CAN_READ)])
    assert base64.b64decode(w.workspace.export(path).content).decode() == SOURCE
    with pytest.raises(PermissionDenied):
        put(w, path, overwrite=True)


def test_paths_and_archives_cannot_leave_their_roots(server):
    for method, path in (("GET", "/api/2.0/workspace/export?path=/Shared/../../etc/passwd"), ("GET", "/api/2.0/dbfs/read?path=/tmp/../../../etc/passwd"),
                         ("POST", "/api/2.0/workspace-files/import-file/..%2f..%2fx"), ("POST", "/api/2.0/workspace-files/import-file/a/../../x")):
        status, _, body = server.http(method, path, server.token, b"x" if method == "POST" else None)
        assert 400 <= status < 500 and b"root:" not in body, path
    os.symlink("/etc", f"{server.home}/dbfs/link")
    status, _, body = server.http("GET", "/api/2.0/dbfs/read?path=/link/passwd", server.token)
    assert status == 404 and b"cm9vd" not in body
    f = io.BytesIO()
    with zipfile.ZipFile(f, "w") as z:
        z.writestr("../../evil.python", "{}")
    assert error_of(lambda: server.w.workspace.import_("/Shared/evil", content=base64.b64encode(f.getvalue()).decode(), format=ws.ImportFormat.DBC)) == "INVALID_PARAMETER_VALUE"


def test_broken_requests_are_client_errors(server):
    post = lambda body, **h: server.http("POST", "/api/2.0/workspace/mkdirs", server.token, body, {"Content-Type": "application/json", **h})
    assert post(b'{"path": "/Shared')[0] == 400
    assert post(b"[" * 100_000)[0] == 400
    assert post(b'{"path": 7.5}')[0] == 400
    assert post(b'{"path": "/Shared/\\ud800"}')[0] == 400
    assert post(b"x" * (5 << 20))[0] == 413
    assert server.http("GET", "/api/2.0/workspace/list?path=%zz", server.token)[0] == 400
    assert server.http("POST", "/api/2.0/dbfs/put", server.token, b"--b\r\nrubbish", {"Content-Type": "multipart/form-data; boundary=b"})[0] == 400
    assert server.http("GET", "/health")[0] == 200


def test_secrets_are_sealed_and_their_reading_is_audited(server, stranger):
    value = "Sup3r-" + base64.b16encode(os.urandom(8)).decode()
    server.w.secrets.create_scope("vault")
    server.w.secrets.put_secret("vault", "k", string_value=value)
    assert base64.b64decode(server.w.secrets.get_secret("VAULT", "k").value).decode() == value
    assert error_of(lambda: stranger[0].secrets.get_secret("vault", "k")) == "PERMISSION_DENIED"
    server.w.secrets.put_acl("vault", stranger[1], ws.AclPermission.READ)
    assert base64.b64decode(stranger[0].secrets.get_secret("vault", "k").value).decode() == value
    for folder, _, names in os.walk(server.home):
        for name in names:
            if os.path.isfile(f"{folder}/{name}"):
                assert value.encode() not in open(f"{folder}/{name}", "rb").read(), name
    entries = [json.loads(line) for line in open(f"{server.home}/logs/audit.log")]
    reads = [e for e in entries if e["action"].endswith("/secrets/get") and e.get("on", {}).get("key") == "k"]
    assert [e["status"] for e in reads] == [200, 403, 200] and reads[1]["user"] == stranger[1]


def new_cluster(server, **kw):
    args = dict(cluster_name="c", spark_version=server.w.clusters.spark_versions().versions[0].key, node_type_id="tarn.small", num_workers=0, autotermination_minutes=60)
    args.update(kw)
    return server.w.clusters.create(**args)


def test_a_cluster_runs_dies_and_comes_back(server):
    t0 = time.time()
    wait = new_cluster(server)
    cid = wait.cluster_id
    assert wait.result(timeout=timedelta(seconds=60)).state.value == "RUNNING"
    assert time.time() - t0 < 30
    pid = int(re.search(r"\d+", subprocess.run(["pgrep", "-f", f"cluster.*{cid}"], capture_output=True, text=True).stdout).group())
    os.kill(pid, signal.SIGKILL)
    for _ in range(100):
        if server.w.clusters.get(cid).state.value == "ERROR":
            break
        time.sleep(0.1)
    assert server.w.clusters.get(cid).state.value == "ERROR"
    assert "signal 9" in server.w.clusters.get(cid).state_message
    from databricks.sdk.service.compute import ListClustersFilterBy

    pinned = lambda: [c.cluster_id for c in server.w.clusters.list(filter_by=ListClustersFilterBy(is_pinned=True))]  # noqa: E731
    assert cid not in pinned()
    server.w.clusters.pin(cid)
    assert pinned() == [cid]
    assert "DRIVER_NOT_RESPONDING" in [e.type.value for e in server.w.clusters.events(cid)]
    server.w.clusters.start(cid).result(timeout=timedelta(seconds=60))
    server.w.clusters.delete(cid).result(timeout=timedelta(seconds=60))
    assert server.w.clusters.get(cid).termination_reason.code.value == "USER_REQUEST"
    server.w.clusters.permanent_delete(cid)
    assert not os.path.exists(f"{server.home}/clusters/{cid}")


def test_pyspark_connects_through_the_port_and_starts_the_cluster(server, stranger):
    from pyspark.sql.connect.session import SparkSession

    server.w.secrets.create_scope("conf")
    server.w.secrets.put_secret("conf", "p", string_value="7")
    cid = new_cluster(server, spark_conf={"spark.sql.shuffle.partitions": "{{secrets/conf/p}}"}).cluster_id
    server.w.clusters.wait_get_cluster_running(cid)
    server.w.clusters.delete(cid).result(timeout=timedelta(seconds=60))
    spark = SparkSession.builder.remote(f"sc://localhost:{server.port}/;token={server.token};x-databricks-cluster-id={cid}").create()
    try:
        assert spark.range(1000).count() == 1000
        assert spark.conf.get("spark.sql.shuffle.partitions") == "7"
        assert spark.createDataFrame([(i, "x" * 1000) for i in range(5000)], "a int, b string").toPandas().shape == (5000, 2)
        assert server.w.clusters.get(cid).state.value == "RUNNING"
    finally:
        spark.stop()
    refused = SparkSession.builder.remote(f"sc://localhost:{server.port}/;token={stranger[2]};x-databricks-cluster-id={cid}").create()
    with pytest.raises(Exception, match="CAN_ATTACH_TO|PERMISSION_DENIED"):
        refused.range(1).count()
    server.w.clusters.permanent_delete(cid)


def test_catalogs_volumes_grants_and_the_clusters_metastore(server, stranger):
    from databricks.sdk.service import catalog
    from pyspark.sql.connect.session import SparkSession

    w = server.w
    w.catalogs.create("uc")
    w.schemas.create("s", "uc")
    w.volumes.create("uc", "s", "v", catalog.VolumeType.MANAGED)
    w.files.upload("/Volumes/uc/s/v/a/b.txt", io.BytesIO(b"hello"))
    assert w.files.download("/Volumes/uc/s/v/a/b.txt").contents.read() == b"hello"
    theirs = stranger[0]
    with pytest.raises(DatabricksError):
        theirs.files.download("/Volumes/uc/s/v/a/b.txt")
    for kind, name, privileges in (("CATALOG", "uc", ["USE_CATALOG"]), ("SCHEMA", "uc.s", ["USE_SCHEMA"]), ("VOLUME", "uc.s.v", ["READ_VOLUME"])):
        w.grants.update(kind, name, changes=[catalog.PermissionsChange(principal=stranger[1], add=[catalog.Privilege(p) for p in privileges])])
    assert theirs.files.download("/Volumes/uc/s/v/a/b.txt").contents.read() == b"hello"
    with pytest.raises(DatabricksError):
        theirs.files.upload("/Volumes/uc/s/v/c.txt", io.BytesIO(b"x"))
    for path in ("/Volumes/uc/s/v/../../../../admin-token", "/Volumes/uc/s/v/%2e%2e/%2e%2e/admin-token"):
        assert server.http("GET", "/api/2.0/fs/files" + path, server.token)[0] in (400, 404)

    cid = new_cluster(server).cluster_id
    spark = SparkSession.builder.remote(f"sc://localhost:{server.port}/;token={server.token};x-databricks-cluster-id={cid}").create()
    try:
        spark.sql("CREATE TABLE uc.s.made_by_sql USING delta AS SELECT 1 AS a, 'x' AS b")
        assert [c.name for c in w.tables.get("uc.s.made_by_sql").columns] == ["a", "b"]
        assert [t.name for t in w.tables.list("uc", "s")] == ["made_by_sql"]
    finally:
        spark.stop()
    w.clusters.permanent_delete(cid)
    w.catalogs.delete("uc", force=True)


def test_a_restart_keeps_everything(tmp_path):
    s = Server(tmp_path)
    s.w.workspace.mkdirs("/Shared/keep")
    s.w.secrets.create_scope("keep")
    s.w.secrets.put_secret("keep", "k", string_value="v")
    cid = new_cluster(s).result(timeout=timedelta(seconds=60)).cluster_id
    org = s.w.get_workspace_id()
    token = s.token
    assert s.stop() == 0
    s = Server(tmp_path)
    try:
        assert s.token == token and s.w.get_workspace_id() == org
        assert s.w.workspace.get_status("/Shared/keep").object_type.value == "DIRECTORY"
        assert base64.b64decode(s.w.secrets.get_secret("keep", "k").value) == b"v"
        assert s.w.clusters.wait_get_cluster_running(cid, timeout=timedelta(seconds=60)).state.value == "RUNNING"
    finally:
        assert s.stop() == 0
