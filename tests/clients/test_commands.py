"""Execution contexts (API 1.2) and dbutils, with the stock SDK."""
import json
import os
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from conftest import ROOT
from test_workspace import server, stranger  # noqa: F401

from databricks.sdk.errors import DatabricksError
from databricks.sdk.service import compute, iam
from databricks.sdk.service.compute import CommandStatus, Language, ResultType


@pytest.fixture(scope="module")
def cluster_id(server):  # noqa: F811
    w = server.w
    w.secrets.create_scope("commands")
    w.secrets.put_secret("commands", "password", string_value="s3cr3t-VALUE")
    w.secrets.put_secret("commands", "number", string_value="918273645")
    return w.clusters.create(cluster_name="c", spark_version=w.clusters.spark_versions().versions[0].key, num_workers=0,
                             spark_env_vars={"BLUE": "navy", "HIDDEN": "{{secrets/commands/password}}"}).result(timeout=timedelta(seconds=90)).cluster_id


class Context:
    def __init__(self, w, cluster, language=Language.PYTHON):
        self.w, self.cluster = w, cluster
        self.id = w.command_execution.create_and_wait(cluster_id=cluster, language=language, timeout=timedelta(seconds=90)).id
        self.language = language

    def run(self, code, language=None):
        return self.w.command_execution.execute_and_wait(cluster_id=self.cluster, context_id=self.id, language=language or self.language, command=code,
                                                         timeout=timedelta(seconds=90))

    def text(self, code):
        r = self.run(code)
        assert r.results.result_type == ResultType.TEXT, r.results
        return r.results.data.strip()


@pytest.fixture(scope="module")
def python(server, cluster_id):  # noqa: F811
    return Context(server.w, cluster_id)


def test_text_is_what_was_printed_in_order_and_the_last_value(python):
    assert python.text("import os\nprint('a')\nos.system('echo b')\nprint('c')\n6 * 7") == "a\nb\nc\n42"
    assert python.text("\n        x = 'zażółć ✓'\n        print(x)\n        ") == "zażółć ✓"
    assert python.text("x") == "'zażółć ✓'"
    assert python.text("y = 1") == ""


def test_tables_have_a_schema_and_values_of_every_type(python, server, cluster_id):  # noqa: F811
    query = ("select 1 as i, 9007199254740993L as l, 1.50 as d, 'x' as s, true as b, null as n, date'2024-02-29' as day, timestamp'2024-02-29 01:02:03.5' as t, "
             "array(1, 2) as a, map('k', 1) as m, named_struct('f', 'g') as st, x'00ff' as bin, double('NaN') as nan")
    r = python.run(f'spark.conf.set("spark.sql.session.timeZone", "UTC")\ndisplay(spark.sql("""{query}"""))').results
    assert r.result_type == ResultType.TABLE and r.is_json_schema and not r.truncated
    assert [(c["name"], json.loads(c["type"])) for c in r.schema][:6] == [("i", "integer"), ("l", "long"), ("d", "decimal(3,2)"), ("s", "string"), ("b", "boolean"), ("n", "void")]
    row = r.data[0]
    assert row[:7] == [1, 9007199254740993, "1.50", "x", True, None, "2024-02-29"]
    assert row[7].startswith("2024-02-29T01:02:03.500") and row[8:] == [[1, 2], {"k": 1}, {"f": "g"}, "AP8=", "NaN"]
    sql = Context(server.w, cluster_id, Language.SQL)
    r = sql.run("create or replace temp view v as select id from range(3); -- two; statements\nselect sum(id) as s, ';' as c from v").results
    assert (r.result_type, [c["name"] for c in r.schema], r.data) == (ResultType.TABLE, ["s", "c"], [[3, ";"]])
    assert python.run("%sql\nselect id from range(20000)").results.truncated
    assert len(python.run("%sql select id from range(20000)").results.data) == 10_000


def test_errors_have_a_class_a_message_and_the_line(python):
    r = python.run("def f():\n    raise ValueError('bad thing')\nprint('before')\nf()")
    assert (r.status, r.results.result_type) == (CommandStatus.FINISHED, ResultType.ERROR)
    assert r.results.summary == "ValueError: bad thing"
    assert "line 2, in f" in r.results.cause and "raise ValueError" in r.results.cause and "tarn/driver" not in r.results.cause
    assert python.run("select 1").results.summary.startswith("SyntaxError")
    r = python.run("%sql select nope from range(1)").results
    assert r.result_type == ResultType.ERROR and "UNRESOLVED_COLUMN" in r.summary


def test_pictures_come_as_data_urls(python):
    r = python.run("class P:\n    def _repr_png_(self): return b'\\x89PNG'\ndisplay(P())").results
    assert r.result_type == ResultType.IMAGE and r.file_name == "data:image/png;base64,iVBORw=="


def test_a_context_of_another_language_is_refused(server, cluster_id):  # noqa: F811
    for language in (Language.SCALA, Language.R):
        with pytest.raises(DatabricksError, match="not supported"):
            server.w.command_execution.create(cluster_id=cluster_id, language=language)


def cancel(python, code):
    w = python.w
    wait = w.command_execution.execute(cluster_id=python.cluster, context_id=python.id, language=Language.PYTHON, command=code)
    time.sleep(0.7)
    w.command_execution.cancel(cluster_id=python.cluster, context_id=python.id, command_id=wait.command_id)
    start = time.time()
    while (s := w.command_execution.command_status(python.cluster, python.id, wait.command_id)).status in (CommandStatus.RUNNING, CommandStatus.CANCELLING, CommandStatus.QUEUED):
        assert time.time() - start < 30
        time.sleep(0.05)
    return s.status, time.time() - start


def test_cancel_interrupts_python_and_queries_and_keeps_the_variables(python):
    python.run("kept = 1")
    status, seconds = cancel(python, "import time\ntime.sleep(100)")
    assert status == CommandStatus.CANCELLED and seconds < 3
    status, seconds = cancel(python, "spark.range(10**13).selectExpr('max(id)').collect()")
    assert status == CommandStatus.CANCELLED and seconds < 6
    assert python.text("kept") == "1"


def test_code_that_does_not_heed_the_interrupt_is_killed(python):
    status, seconds = cancel(python, "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\ntime.sleep(100)")
    assert status == CommandStatus.CANCELLED and seconds < 10
    assert python.text("print('alive', 'kept' in globals())") == "alive False"


def test_a_crash_of_the_process_is_an_error_and_the_next_command_works(python, server):  # noqa: F811
    r = python.run("import os, signal\nprint('last words')\nos.kill(os.getpid(), signal.SIGSEGV)")
    assert (r.status, r.results.result_type) == (CommandStatus.FINISHED, ResultType.ERROR)
    assert "signal 11" in r.results.summary
    assert python.text("spark.range(3).count()") == "3"
    assert server.http("GET", "/health")[0] == 200


def test_values_of_secrets_never_come_back(python):
    assert python.text("p = dbutils.secrets.get('commands', 'password')\nprint(p, len(p), p[::-1])") == "[REDACTED] 12 EULAV-t3rc3s"
    assert python.text("p") == "'[REDACTED]'"
    n = "dbutils.secrets.get('commands', 'number')"
    r = python.run(f"display(spark.createDataFrame([(p, int({n}), 'ok')], ['a', 'b', 'c']))").results
    assert r.data == [["[REDACTED]", "[REDACTED]", "ok"]]
    r = python.run("raise ValueError('it is ' + p)").results
    assert "s3cr3t" not in r.summary + r.cause and "[REDACTED]" in r.summary
    # A secret in the cluster's configuration is one to all its users, also to those who never read it.
    assert python.text("import os\nprint(os.environ['BLUE'], os.environ['HIDDEN'])") == "navy [REDACTED]"
    assert python.text("print(os.environ['DATABRICKS_TOKEN'])") == "[REDACTED]"


def test_tokens_are_in_no_list_of_processes_and_no_log(python, server):  # noqa: F811
    token = python.text("t = os.environ['DATABRICKS_TOKEN']; print(t[:8] + ' ' + t[8:])").replace(" ", "")
    assert len(token) > 40
    pid = int(python.text("os.getpid()"))
    processes = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True).stdout
    assert "tarn.driver" in processes
    for secret in (token, server.token, "s3cr3t-VALUE"):
        assert secret not in processes
    environment = open(f"/proc/{pid}/environ", "rb").read()
    assert token.encode() not in environment and server.token.encode() not in environment
    for folder, _, names in os.walk(server.home):
        for name in names:
            if name.endswith((".log", ".db", ".db-wal")):
                content = open(os.path.join(folder, name), "rb").read()
                assert token.encode() not in content and b"s3cr3t-VALUE" not in content, name


def attach(server, name, cluster_id):  # noqa: F811
    server.w.permissions.update("clusters", cluster_id, access_control_list=[
        iam.AccessControlRequest(service_principal_name=name, permission_level=iam.PermissionLevel.CAN_ATTACH_TO)])


def test_a_context_is_its_owners_alone(python, server, stranger, cluster_id):  # noqa: F811
    w, name, token = stranger
    with pytest.raises(DatabricksError):
        w.command_execution.create(cluster_id=cluster_id, language=Language.PYTHON)
    attach(server, name, cluster_id)
    with pytest.raises(DatabricksError):
        w.command_execution.execute(cluster_id=cluster_id, context_id=python.id, language=Language.PYTHON, command="1")
    theirs = Context(w, cluster_id)
    assert theirs.text("spark.sql('select current_user()').first()[0]") == repr(name)
    assert theirs.text("from databricks.sdk import WorkspaceClient\nWorkspaceClient().current_user.me().user_name") == repr(name)
    assert theirs.run("dbutils.secrets.get('commands', 'password')").results.result_type == ResultType.ERROR
    # What is not told to them is no secret of theirs: showing a text must not say whether it is one.
    assert theirs.text("print('918273645')") == "918273645"


def test_two_users_of_a_cluster_have_sessions_of_their_own_whatever_they_claim(server, stranger, cluster_id):  # noqa: F811
    from pyspark.sql.connect.session import SparkSession

    w, name, token = stranger
    attach(server, name, cluster_id)
    session = "5f3c7e0a-7e6f-4c57-9d0e-5ad4b4b6a111"
    me = server.w.current_user.me().user_name

    def connect(token, claimed):
        return SparkSession.builder.remote(f"sc://localhost:{server.port}/;token={token};x-databricks-cluster-id={cluster_id};user_id={claimed};session_id={session}").create()

    mine = connect(server.token, "anybody")
    mine.range(7).createOrReplaceTempView("private")
    mine.conf.set("spark.app.name", "mine")
    theirs = connect(token, me)   # claims to be the other, in the other's session
    assert theirs.sql("select current_user()").first()[0] == name
    assert mine.sql("select current_user()").first()[0] == me
    with pytest.raises(Exception, match="TABLE_OR_VIEW_NOT_FOUND"):
        theirs.table("private").count()
    assert mine.table("private").count() == 7
    theirs.stop()
    assert mine.table("private").count() == 7


def test_dbutils_of_the_sdk_reaches_the_cluster(server, cluster_id):  # noqa: F811
    w = server.client(token=server.token, cluster_id=cluster_id)
    w.dbutils.fs.put("/tmp/remote.txt", "hello", True)
    assert w.dbutils.fs.head("/tmp/remote.txt") == "hello"
    assert w.dbutils.secrets.get("commands", "password") == "s3cr3t-VALUE"
    assert w.dbutils.data.summarize is not None
    with pytest.raises(DatabricksError, match="not built|WorkflowException|ENDPOINT_NOT_FOUND|No API"):
        w.dbutils.notebook.run("/nowhere", 10)


def test_fs_of_dbutils(python):
    code = """
fs = dbutils.fs
fs.rm("/tmp/fs", True)
fs.mkdirs("dbfs:/tmp/fs/sub")
fs.put("/tmp/fs/a.txt", "żółw\\n" * 100000, True)
fs.cp("/tmp/fs/a.txt", "/tmp/fs/sub")
fs.cp("dbfs:/tmp/fs", "file:/tmp/tarn-fs-test", True)
fs.cp("file:/tmp/tarn-fs-test/sub", "/tmp/fs/back", True)
fs.mv("/tmp/fs/back/a.txt", "/tmp/fs/b.txt")
print([(f.name, f.size, f.path) for f in fs.ls("/tmp/fs")])
print(fs.head("/tmp/fs/b.txt", 8), fs.rm("/tmp/fs/none"))
fs.rm("file:/tmp/tarn-fs-test", True)
try:
    fs.ls("/tmp/fs/nothing")
except Exception as e:
    print("java.io.FileNotFoundException" in str(e))
"""
    assert python.text(code).splitlines() == [
        "Wrote 800000 bytes.",
        "[('a.txt', 800000, 'dbfs:/tmp/fs/a.txt'), ('b.txt', 800000, 'dbfs:/tmp/fs/b.txt'), ('back/', 0, 'dbfs:/tmp/fs/back/'), ('sub/', 0, 'dbfs:/tmp/fs/sub/')]",
        "[Truncated to first 8 bytes]", "żółw", " False", "True"]


def test_widgets_context_values_and_help(python):
    assert python.text("""
dbutils.widgets.dropdown("env", "dev", ["dev", "prod"])
dbutils.widgets.multiselect("m", "a", ["a", "b"])
print(dbutils.widgets.get("env"), dbutils.widgets.getArgument("none", "x"), sorted(dbutils.widgets.getAll()))
try:
    dbutils.widgets.get("none")
except Exception as e:
    print("InputWidgetNotDefined" in str(e))
""").splitlines() == ["dev x ['env', 'm']", "True"]
    assert python.run("%sql create widget text limit default '2'").results.result_type != ResultType.ERROR
    assert python.run("%sql select :env as e, '${env}' as t, id from range(${limit})").results.data == [["dev", "dev", 0], ["dev", "dev", 1]]
    assert python.text("c = dbutils.notebook.entry_point.getDbutils().notebook().getContext()\nprint(c.tags().get('user').get(), c.clusterId().get(), c.notebookPath().isDefined())") \
        == f"admin@localhost {python.cluster} False"
    assert python.text("dbutils.jobs.taskValues.get('t', 'k', debugValue=5)") == "5"
    help = python.text("dbutils.help(); dbutils.fs.help(); dbutils.fs.help('mount')")
    assert "secrets:" in help and "refreshMounts" in help and "mount_point" in help


def test_summarize_shows_every_column(python):
    r = python.run("dbutils.data.summarize(spark.sql('select id, cast(id as string) as s, array(id) as a from range(10)'), True)").results
    assert r.result_type == ResultType.TABLE
    rows = {row[0]: row[1:] for row in r.data}
    assert rows["count"] == ["10", "10", "10"] and rows["mean"][:2] == ["4.5", None] and rows["max"] == ["9", "9", None] and rows["distinct"] == ["10", "10", None]


def test_exit_and_restart(python):
    r = python.run("print('shown')\ndbutils.notebook.exit('the value')\nprint('never')")
    assert (r.results.result_type, r.results.data) == (ResultType.TEXT, "the value")
    python.run("gone = 1")
    python.run("dbutils.library.restartPython()")
    assert python.text("print('gone' in globals(), spark.range(2).count())") == "False 2"


def test_dbutils_in_a_process_outside(server):  # noqa: F811
    code = ("from databricks.sdk.runtime import dbutils as r\nfrom databricks.sdk import WorkspaceClient\nfrom tarn.dbutils import dbutils\n"
            "assert WorkspaceClient().dbutils is r\ndbutils.fs.put('/tmp/outside', 'x', True)\n"
            "print(r.fs.head('/tmp/outside'), r.secrets.get('commands', 'password'), [s.name for s in dbutils.secrets.listScopes()])")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
                         env={**os.environ, "PYTHONPATH": f"{ROOT}/python", "DATABRICKS_HOST": server.url, "DATABRICKS_TOKEN": server.token})
    assert out.stdout.splitlines()[-1] == "x s3cr3t-VALUE ['commands']", out.stderr[-500:]


def test_contexts_end_with_their_cluster_and_their_tokens_too(server, cluster_id):  # noqa: F811
    w = server.w
    other = w.clusters.create(cluster_name="short", spark_version=w.clusters.spark_versions().versions[0].key, num_workers=0).result(timeout=timedelta(seconds=90)).cluster_id
    c = Context(w, other)
    token = c.text("import os\nt = os.environ['DATABRICKS_TOKEN']; print(t[:8] + ' ' + t[8:])").replace(" ", "")
    pid = int(c.text("os.getpid()"))
    assert server.http("GET", "/api/2.0/clusters/list", token)[0] == 200
    running = w.command_execution.execute(cluster_id=other, context_id=c.id, language=Language.PYTHON, command="import time; time.sleep(60)")
    w.clusters.delete(other).result(timeout=timedelta(seconds=60))
    assert not os.path.exists(f"/proc/{pid}")
    assert server.http("GET", "/api/2.0/clusters/list", token)[0] == 401
    for call in (lambda: w.command_execution.context_status(other, c.id), lambda: w.command_execution.command_status(other, c.id, running.command_id),
                 lambda: w.command_execution.create(cluster_id=other, language=Language.PYTHON)):
        with pytest.raises(DatabricksError):
            call()


def test_libraries_are_installed_for_python_and_for_functions_and_go_at_a_restart(server, tmp_path):  # noqa: F811
    w = server.w
    package = tmp_path / "tiny_wheel"
    wheel = make_wheel(package, "tinywheel", "1.2.3", "VALUE = 41\ndef plus_one(x):\n    return x + 1\n")
    with open(wheel, "rb") as f:
        w.dbfs.upload("/FileStore/jars/" + os.path.basename(wheel), f, overwrite=True)
    cluster = w.clusters.create(cluster_name="libs", spark_version=w.clusters.spark_versions().versions[0].key, num_workers=0).result(timeout=timedelta(seconds=90)).cluster_id
    lib = compute.Library(whl="dbfs:/FileStore/jars/" + os.path.basename(wheel))
    w.libraries.install(cluster, [lib])
    status = wait_for(lambda: next(iter(w.libraries.cluster_status(cluster))), lambda s: s.status.value in ("INSTALLED", "FAILED"))
    assert status.status.value == "INSTALLED", status.messages
    c = Context(w, cluster)
    assert c.text("import tinywheel\ntinywheel.plus_one(tinywheel.VALUE)") == "42"
    assert c.text("from pyspark.sql.functions import udf\n@udf('int')\ndef f(x):\n    import tinywheel\n    return tinywheel.VALUE\nspark.range(1).select(f('id')).first()[0]") == "41"
    w.libraries.uninstall(cluster, [lib])
    assert next(iter(w.libraries.cluster_status(cluster))).status.value == "UNINSTALL_ON_RESTART"
    w.clusters.restart(cluster).result(timeout=timedelta(seconds=90))
    assert list(w.libraries.cluster_status(cluster)) == []
    assert "No module named" in Context(w, cluster).run("import tinywheel").results.summary
    for bad in (compute.Library(jar="dbfs:/x.jar"), compute.Library(pypi=compute.PythonPyPiLibrary(package="--index-url=http://evil")),
                compute.Library(pypi=compute.PythonPyPiLibrary(package="x @ http://evil/x.whl")), compute.Library(pypi=compute.PythonPyPiLibrary(package="x", repo="http://169.254.169.254/")),
                compute.Library(whl="/etc/passwd"), compute.Library(whl="dbfs:/nothing.whl"), compute.Library(whl="dbfs:/../../x.whl")):
        with pytest.raises(DatabricksError):
            w.libraries.install(cluster, [bad])
    assert list(w.libraries.cluster_status(cluster)) == []


def wait_for(get, done, seconds=120):
    end = time.time() + seconds
    while not done(x := get()):
        assert time.time() < end, x
        time.sleep(0.2)
    return x


def make_wheel(folder, name, version, text):
    """A wheel of one module, made without a network."""
    import base64
    import hashlib
    import zipfile

    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"{name}-{version}-py3-none-any.whl")
    info = f"{name}-{version}.dist-info"
    files = {f"{name}.py": text, f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
             f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    record = "".join(f"{n},sha256={base64.urlsafe_b64encode(hashlib.sha256(t.encode()).digest()).rstrip(b'=').decode()},{len(t.encode())}\n" for n, t in files.items())
    with zipfile.ZipFile(path, "w") as z:
        for n, t in {**files, f"{info}/RECORD": record + f"{info}/RECORD,,\n"}.items():
            z.writestr(n, t)
    return path


def test_functions_of_the_api_and_of_sql_are_the_same(server, python):  # noqa: F811
    from databricks.sdk.service import catalog as k

    w = server.w
    w.catalogs.create(name="fun")
    w.schemas.create(name="s", catalog_name="fun")

    def create(name, definition, full_type="INT", **more):
        p = k.FunctionParameterInfo(name="x", type_text="int", type_name=k.ColumnTypeName.INT, position=0, comment="it's", parameter_default="41")
        fields = dict(data_type=k.ColumnTypeName.INT, full_data_type=full_type, input_params=k.FunctionParameterInfos(parameters=[p]), routine_body=k.CreateFunctionRoutineBody.SQL,
                      routine_definition=definition, parameter_style=k.CreateFunctionParameterStyle.S, is_deterministic=True,
                      sql_data_access=k.CreateFunctionSqlDataAccess.CONTAINS_SQL, is_null_call=False, security_type=k.CreateFunctionSecurityType.DEFINER, specific_name=name)
        return w.functions.create(function_info=k.CreateFunction(name=name, catalog_name="fun", schema_name="s", **{**fields, **more}))

    made = create("plus1", "x + 1", comment="adds 'one'")
    assert (made.comment, made.input_params.parameters[0].parameter_default, made.input_params.parameters[0].comment) == ("adds 'one'", "41", "it's")
    assert python.run("%sql select fun.s.plus1(1), fun.s.plus1()").results.data == [[2, 42]]
    assert python.run("%sql create function fun.s.pair(a string, b array<int>) returns table(k string, n bigint) return select a, explode(b)").results.result_type != ResultType.ERROR
    f = w.functions.get("fun.s.pair")
    assert [p.type_text for p in f.input_params.parameters] == ["string", "array<int>"] and f.data_type == k.ColumnTypeName.TABLE_TYPE
    assert [(p.name, p.type_text) for p in f.return_params.parameters] == [("k", "string"), ("n", "bigint")] and f.routine_definition.startswith("select a")
    assert sorted(x.name for x in w.functions.list("fun", "s")) == ["pair", "plus1"]
    for arguments in (("bad", "x +"), ("bad", "1; drop table t"), ("bad", "x", "INT RETURN 1 --"), ("plus1", "x"), ("bad", "")):
        with pytest.raises(DatabricksError):
            create(*arguments)
    with pytest.raises(DatabricksError, match="routine_body"):
        create("bad", "return 1", routine_body=k.CreateFunctionRoutineBody.EXTERNAL)
    w.functions.delete("fun.s.plus1")
    assert "UNRESOLVED_ROUTINE" in python.run("%sql select fun.s.plus1(1)").results.summary


def test_code_reaches_a_workspace_with_tls(tmp_path):
    """Its connection inside the machine is of its own, without TLS: certificates are made for the name that others use."""
    from test_workspace import Server

    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=workspace.example.com", "-addext", "subjectAltName=DNS:localhost",
                    "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"], check=True, capture_output=True)
    os.chmod(tmp_path / "key.pem", 0o600)
    before = os.environ.get("REQUESTS_CA_BUNDLE")
    os.environ["REQUESTS_CA_BUNDLE"] = str(tmp_path / "cert.pem")
    try:
        s = Server(tmp_path / "home", "--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem"))
        s.url = s.url.replace("127.0.0.1", "localhost")
        w = s.client(token=s.token)
        cluster = w.clusters.create(cluster_name="c", spark_version=w.clusters.spark_versions().versions[0].key, num_workers=0).result(timeout=timedelta(seconds=90)).cluster_id
        c = Context(w, cluster)
        assert c.text("print(spark.range(4).count(), dbutils.fs.mkdirs('/tmp/tls'))") == "4 True"
        assert s.stop() == 0
    finally:
        os.environ.pop("REQUESTS_CA_BUNDLE")
        if before is not None:
            os.environ["REQUESTS_CA_BUNDLE"] = before
