"""What processes that the workspace starts see of its environment: nothing that somebody could want to hide."""
import os
import re
import time
from datetime import timedelta

import pytest
from test_commands import Context, make_wheel
from test_workspace import Server

from databricks.sdk.service import compute

HIDDEN = {"AWS_SECRET_ACCESS_KEY": "hidden-of-aws", "AZURE_CLIENT_SECRET": "hidden-of-azure", "TARN_MASTER_KEY": "5ec7e7" + "0" * 58, "DATABRICKS_TOKEN": "hidden-of-databricks",
          "PIP_PASSWORD": "hidden-of-pip", "PGPASSWORD": "hidden-of-postgres"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    before = dict(os.environ)
    os.environ.update(HIDDEN)
    try:
        s = Server(tmp_path_factory.mktemp("workspace"))
    finally:
        os.environ.clear()
        os.environ.update(before)
    yield s
    assert s.stop() == 0


@pytest.fixture(scope="module")
def python(server):
    w = server.w
    cluster = w.clusters.create(cluster_name="c", spark_version="17.3.x-scala2.13", num_workers=0, spark_env_vars={"BLUE": "navy", "HTTP_PROXY": "http://127.0.0.1:1"}
                                ).result(timeout=timedelta(seconds=90)).cluster_id
    return Context(w, cluster)


def bare(environment):
    """Names and values of HIDDEN that are in it."""
    text = environment if isinstance(environment, str) else repr(environment)
    return [x for name, value in HIDDEN.items() for x in (name + "=", f"'{name}'", value) if x in text]


def children(pid):
    """pid and all that it started: pid -> (command line, environment)."""
    parents, out = {}, {}
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            parents[int(p)] = int(open(f"/proc/{p}/stat").read().rsplit(")", 1)[1].split()[1])
        except OSError:
            pass
    for p in parents:
        at = p
        while at in parents and at != pid:
            at = parents[at]
        if at == pid and p != pid:
            try:
                out[p] = (open(f"/proc/{p}/cmdline").read().replace("\0", " "), open(f"/proc/{p}/environ", errors="replace").read())
            except OSError:
                pass
    return out


def test_engines_and_drivers_do_not_have_it(server, python):
    python.text("from pyspark.sql.functions import udf\nudf(lambda x: x)")
    assert python.text("spark.range(1).select(udf(lambda x: 'up')('id')).first()[0]") == "'up'"
    assert len(bare(open(f"/proc/{server.process.pid}/environ").read())) >= len(HIDDEN)   # the server itself has it
    found = children(server.process.pid)
    kinds = {k: [e for c, e in found.values() if k in c] for k in ("tarn cluster", "tarn.driver", " -s - 3")}
    assert all(kinds.values()), [c for c, _ in found.values()]   # the engine, the context's Python, the parent of the functions' workers
    for command, environment in found.values():
        assert bare(environment) == [], command
    assert all("BLUE=navy" in e and e.count("HTTP_PROXY=") == 1 for k in ("tarn cluster", "tarn.driver") for e in kinds[k])


def test_code_does_not_see_it(python):
    code = "import os\n"
    seen = python.text(code + "{k: v for k, v in os.environ.items() if k != 'DATABRICKS_TOKEN'}")
    assert "'BLUE': 'navy'" in seen and bare(seen) == []
    seen = python.text(code + "from pyspark.sql.functions import udf\nspark.range(1).select(udf(lambda x: str(dict(os.environ)))('id')).first()[0]")
    assert "navy" in seen and bare(seen) == []
    assert bare(python.text("%sh env | grep -v DATABRICKS_TOKEN")) == []


def test_pip_does_not_see_it(server, python, tmp_path):
    w = server.w
    site = f"{server.home}/clusters/{python.cluster}/python/lib"
    site = f"{site}/{os.listdir(site)[0]}/site-packages"
    seen = tmp_path / "seen"
    seen.mkdir()
    # Every start of this interpreter leaves what it sees.
    with open(f"{site}/spy.pth", "w") as f:
        f.write(f"import os, sys; open('{seen}/' + str(os.getpid()), 'w').write(repr((sys.orig_argv, dict(os.environ))))\n")
    wheel = make_wheel(tmp_path / "w", "tinyenv", "1.0", "VALUE = 1\n")
    with open(wheel, "rb") as f:
        w.dbfs.upload("/" + os.path.basename(wheel), f, overwrite=True)
    w.libraries.install(python.cluster, [compute.Library(whl="dbfs:/" + os.path.basename(wheel))])
    limit = time.time() + 60
    while (s := list(w.libraries.cluster_status(python.cluster))[0]).status not in (compute.LibraryInstallStatus.INSTALLED, compute.LibraryInstallStatus.FAILED):
        assert time.time() < limit
        time.sleep(0.1)
    assert s.status == compute.LibraryInstallStatus.INSTALLED, s.messages
    pips = [t for t in (p.read_text() for p in seen.iterdir()) if re.search(r"'pip', 'install'", t)]
    assert pips and all(bare(t) == [] for t in pips)
    os.remove(f"{site}/spy.pth")


def test_secrets_of_a_configuration_reach_their_cluster_alone(server, python):
    w = server.w
    w.secrets.create_scope("env")
    w.secrets.put_secret("env", "k", string_value="only-for-one")
    other = w.clusters.create(cluster_name="o", spark_version="17.3.x-scala2.13", num_workers=0, spark_env_vars={"ONE": "{{secrets/env/k}}"}).result(timeout=timedelta(seconds=90)).cluster_id
    having = [c for c, e in children(server.process.pid).values() if "only-for-one" in e]
    assert having and all(other in c for c in having), having
    assert not any("only-for-one" in c for c, _ in children(server.process.pid).values())
