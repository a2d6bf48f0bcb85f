"""A workspace whose metadata is in PostgreSQL: what happens when the database, the server or both go away."""
import base64
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
import uuid
from datetime import timedelta

import pytest
from conftest import tarn_binary

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "clients"))
from databases import Postgres  # noqa: E402
from test_workspace import Server  # noqa: E402


@pytest.fixture(scope="module")
def postgres():
    p = Postgres()
    yield p
    p.remove()


@pytest.fixture
def url(postgres):
    return postgres.create("w" + uuid.uuid4().hex[:12])


def command(home, *options, env=None):
    """`tarn server` that is not to start: its exit status and what it says."""
    p = subprocess.run([tarn_binary(), "server", "--listen", "127.0.0.1:0", "--home", str(home), *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                       timeout=60, env={**os.environ, **(env or {})})
    return p.returncode, p.stderr


def import_file(server, path, text):
    """The HTTP status; 0 if there was no answer."""
    body = {"path": path, "format": "AUTO", "content": base64.b64encode(text.encode()).decode()}
    try:
        return server.http("POST", "/api/2.0/workspace/import", server.token, json.dumps(body).encode(), {"Content-Type": "application/json"})[0]
    except OSError:
        return 0


class Load:
    """Threads that write files, and know which were acknowledged."""

    def __init__(self, server, threads=4):
        self.server, self.stopping, self.acknowledged, self.statuses = server, False, [], {}
        self.threads = [threading.Thread(target=self.work, args=(t,), daemon=True) for t in range(threads)]
        for t in self.threads:
            t.start()

    def work(self, t):
        i = 0
        while not self.stopping:
            path = f"/Shared/load-{t}-{i}"
            status = import_file(self.server, path, path)
            self.statuses[status] = self.statuses.get(status, 0) + 1
            if status == 200:
                self.acknowledged.append(path)
                i += 1
            else:
                i += 1000   # whether that one was written nobody knows
                time.sleep(0.02)

    def stop(self):
        self.stopping = True
        for t in self.threads:
            t.join(60)


def check_files(server, acknowledged):
    found = {o.path: o for o in server.w.workspace.list("/Shared")}
    assert set(acknowledged) <= set(found), "an acknowledged file is lost"
    for path in found:   # no object without its content
        assert base64.b64decode(server.w.workspace.export(path).content).decode() == path


def test_the_database_is_killed_and_comes_back_under_load(postgres, url, tmp_path):
    s = Server(tmp_path / "home", database=["--database", url])
    try:
        cluster = s.w.clusters.create(cluster_name="c", spark_version="17.3.x-scala2.13", num_workers=0).result(timeout=timedelta(seconds=60)).cluster_id
        load = Load(s)
        time.sleep(1)
        before = len(load.acknowledged)
        postgres.kill()
        time.sleep(1.5)
        assert s.http("GET", "/health")[0] == 200
        status, headers, body = s.http("GET", "/api/2.0/workspace/list?path=/", s.token)
        assert status == 503 and b"TEMPORARILY_UNAVAILABLE" in body and headers["Retry-After"] == "1" and b"SELECT" not in body
        postgres.start()
        end = time.monotonic() + 20
        while len(load.acknowledged) < before + 20 and time.monotonic() < end:
            time.sleep(0.1)
        load.stop()
        assert before > 5 and len(load.acknowledged) >= before + 20, load.statuses
        assert set(load.statuses) <= {200, 503}, load.statuses
        check_files(s, load.acknowledged)
        assert s.w.clusters.get(cluster).state.value == "RUNNING"
        s.w.clusters.delete(cluster).result(timeout=timedelta(seconds=60))
    finally:
        assert s.stop() == 0


def test_a_cluster_that_ends_while_the_database_is_away_is_in_error_afterwards(postgres, url, tmp_path):
    s = Server(tmp_path / "home", database=["--database", url])
    try:
        cluster = s.w.clusters.create(cluster_name="c", spark_version="17.3.x-scala2.13", num_workers=0).result(timeout=timedelta(seconds=60)).cluster_id
        with open(f"{s.home}/logs/server.log") as f:
            pid = next(int(line["pid"]) for line in map(json.loads, f) if line.get("event") == "cluster_running")
        postgres.kill()
        os.kill(pid, signal.SIGKILL)
        time.sleep(1)
        assert s.process.poll() is None
        postgres.start()
        end = time.monotonic() + 20
        while (state := s.w.clusters.get(cluster).state.value) != "ERROR" and time.monotonic() < end:
            time.sleep(0.2)
        assert state == "ERROR"
    finally:
        assert s.stop() == 0


@pytest.mark.parametrize("seed", range(2))
def test_kill_9_of_the_server_in_its_transactions(url, tmp_path, seed):
    s = Server(tmp_path / "home", database=["--database", url])
    load = Load(s)
    time.sleep(0.7 + 0.3 * seed)
    s.process.kill()
    s.process.wait(10)
    load.stop()
    s = Server(tmp_path / "home", database=["--database", url])   # its own lease: at once
    try:
        assert len(load.acknowledged) > 5
        check_files(s, load.acknowledged)
        assert import_file(s, "/Shared/after", "/Shared/after") == 200
    finally:
        assert s.stop() == 0


def test_one_user_made_many_times_at_once_is_one_user(url, tmp_path):
    s = Server(tmp_path / "home", database=["--database", url])
    try:
        statuses = []
        body = b'{"userName": "Ada@example.com"}'
        threads = [threading.Thread(target=lambda: statuses.append(s.http("POST", "/api/2.0/preview/scim/v2/Users", s.token, body, {"Content-Type": "application/json"})[0]))
                   for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(30)
        assert sorted(statuses) == [201] + [409] * 7
        assert [u.user_name for u in s.w.users.list(filter='userName eq "ada@EXAMPLE.com"')] == ["Ada@example.com"]
    finally:
        assert s.stop() == 0


def test_one_server_at_a_time(postgres, url, tmp_path):
    s = Server(tmp_path / "home", database=["--database", url])
    try:
        status, said = command(tmp_path / "other", "--database", url)
        assert status == 1 and "belongs to the workspace of another home" in said and s.home in said
        status, said = command(s.home, "--database", url)
        assert status == 1 and "already runs for this home" in said
        # The same home as another machine has it, whose lock says nothing there.
        os.makedirs(tmp_path / "mounted")
        shutil.copy(f"{s.home}/home.id", tmp_path / "mounted")
        status, said = command(tmp_path / "mounted", "--database", url)
        assert status == 1 and "one server at a time" in said and s.url in said
    finally:
        assert s.stop() == 0
    assert postgres.sql("SELECT holder FROM server_lease", url.rsplit("/", 1)[1]) == ""


def test_a_standby_takes_over_from_a_server_that_died(url, tmp_path):
    s = Server(tmp_path / "home", database=["--database", url])
    s.w.workspace.mkdirs("/Shared/kept")
    second = subprocess.Popen([tarn_binary(), "server", "--listen", "127.0.0.1:0", "--home", s.home, "--database", url, "--standby"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        time.sleep(1.5)
        assert second.poll() is None
        s.process.kill()
        s.process.wait(10)
        line = second.stdout.readline()
        assert line.startswith("tarn server ready ")
        s.url = line.split()[-1]
        assert s.client(token=s.token).workspace.get_status("/Shared/kept").path == "/Shared/kept"
    finally:
        second.send_signal(signal.SIGTERM)
        assert second.wait(60) == 0


def test_a_server_that_lost_its_lease_ends_and_writes_nothing(postgres, url, tmp_path):
    s = Server(tmp_path / "home", database=["--database", url])
    database = url.rsplit("/", 1)[1]
    assert import_file(s, "/Shared/before", "x") == 200
    # As its successor does it: the row first, then the sessions.
    old = postgres.sql("SELECT holder FROM server_lease", database)
    postgres.sql("UPDATE server_lease SET holder = 'successor'", database)
    postgres.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tarn {old}'", database)
    assert import_file(s, "/Shared/after", "x") in (503, 0)
    assert s.process.wait(30) == 1
    assert "has taken this database over" in open(f"{s.home}/stderr.log").read()
    assert postgres.sql("SELECT count(*) FROM objects WHERE name = 'after'", database) == "0"
    assert postgres.sql("SELECT holder FROM server_lease", database) == "successor"


def test_the_password_is_nowhere_to_be_seen(url, tmp_path):
    secret = "pw-" + uuid.uuid4().hex
    with_password = url.replace("tarn@", f"tarn:{secret}@")
    status, said = command(tmp_path / "home", "--database", with_password)
    assert status == 2 and "password on the command line" in said and secret not in said
    env = {"TARN_SERVER_DATABASE": with_password}
    s = Server(tmp_path / "home", database=["--log-level", "debug"], env=env)
    try:
        with open(f"/proc/{s.process.pid}/environ", "rb") as f, open(f"/proc/{s.process.pid}/cmdline", "rb") as g:
            assert secret.encode() not in f.read() + g.read()
        shown = subprocess.run([tarn_binary(), "config", "--home", s.home], stdout=subprocess.PIPE, text=True, env={**os.environ, **env}).stdout
        assert 'database = "(not shown)"' in shown and secret not in shown
    finally:
        assert s.stop() == 0
    file = tmp_path / "url"
    file.write_text(with_password + "\n")
    os.chmod(file, 0o644)
    status, said = command(tmp_path / "home", "--database-file", str(file))
    assert status == 1 and "chmod 600" in said
    os.chmod(file, stat.S_IRUSR | stat.S_IWUSR)
    s = Server(tmp_path / "home", database=["--database-file", str(file)])
    assert s.stop() == 0
    unreachable = with_password.rsplit(":", 1)[0] + ":1/postgres"
    file.write_text(unreachable)
    status, said = command(tmp_path / "home", "--database-file", str(file))
    assert status == 1 and "PostgreSQL" in said and secret not in said
    for folder, _, names in os.walk(s.home):
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                assert secret.encode() not in f.read(), name


def test_a_database_of_a_newer_program_is_left_alone(postgres, url, tmp_path):
    s = Server(tmp_path / "home", database=["--database", url])
    assert s.stop() == 0
    postgres.sql("UPDATE schema_version SET version = version + 1 WHERE room = 'clusters'", url.rsplit("/", 1)[1])
    status, said = command(tmp_path / "home", "--database", url)
    assert status == 1 and "newer program" in said
