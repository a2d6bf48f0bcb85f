"""The command line as scripts rely on it."""
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request

import pytest
from conftest import endless, tarn_binary
from pyspark import StorageLevel


def tarn(*arguments, env=None, **options):
    return subprocess.run([tarn_binary(), *arguments], capture_output=True, text=True, timeout=60, env={**os.environ, **(env or {})}, **options)


def last(text):
    return text.strip().splitlines()[-1] if text.strip() else ""


def test_every_command_explains_itself():
    top = tarn("--help")
    assert top.returncode == 0
    commands = re.findall(r"^  (\w+) ", top.stdout, re.M)
    assert {"cluster", "server", "start", "stop", "status", "logs", "sql", "config", "version"} <= set(commands)
    for c in commands:
        done = tarn(c, "--help")
        assert done.returncode == 0 and done.stdout.startswith(f"Usage: tarn {c} ")


@pytest.mark.parametrize("arguments", [["nonsense"], ["cluster", "--nonsense"], ["cluster", "--listen"], ["cluster", "--threads", "x"], ["cluster", "--memory", "lots"],
                                       ["cluster", "--listen", "no-port"], ["sql", "-c", "select 1", "--output", "xml"], ["sql", "--remote", "http://x", "-c", "select 1"]])
def test_wrong_usage_is_status_2_and_one_line(arguments, tmp_path):
    home = ["--home", str(tmp_path)] if arguments[0] == "cluster" else []
    done = tarn(*arguments, *home)
    assert done.returncode == 2 and done.stdout == "" and last(done.stderr).startswith("tarn: ")


def test_a_port_in_use_is_status_1(tmp_path, cluster):
    done = tarn("cluster", "--listen", f"127.0.0.1:{cluster.port}", "--home", str(tmp_path))
    assert done.returncode == 1 and last(done.stderr).startswith(f"tarn: cannot listen on 127.0.0.1:{cluster.port}")


def test_a_home_that_cannot_be_written_is_status_1():
    done = tarn("cluster", "--listen", "127.0.0.1:0", "--home", "/proc/tarn")
    assert done.returncode == 1 and last(done.stderr).startswith("tarn: cannot write to the home /proc/tarn")


def test_one_cluster_a_home(tmp_path, cluster_at):
    c = cluster_at(tmp_path)
    done = tarn("cluster", "--listen", "127.0.0.1:0", "--home", str(tmp_path))
    assert done.returncode == 1 and f"pid {c.process.pid}" in done.stderr


def test_ready_soon_and_small(tmp_path, cluster_at):
    start = time.time()
    c = cluster_at(tmp_path)
    assert time.time() - start < 2  # half a second on a quiet machine
    with open(f"/proc/{c.process.pid}/status") as f:
        assert int(next(line for line in f if line.startswith("VmRSS")).split()[1]) < 150 << 10


def test_sigterm_waits_for_running_queries_and_a_second_one_does_not(tmp_path, cluster_at):
    import threading
    c = cluster_at(tmp_path)
    spark = c.session()
    errors = []

    def run():
        try:
            endless(spark).collect()
        except Exception as e:
            errors.append(str(e))

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(1)
    c.process.send_signal(signal.SIGTERM)
    time.sleep(1.5)
    assert c.alive()
    c.process.send_signal(signal.SIGTERM)
    assert c.process.wait(10) == 0
    thread.join(90)
    assert errors


def test_health_and_metrics(tmp_path, cluster_at):
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    c = cluster_at(tmp_path, "--metrics-listen", f"127.0.0.1:{port}")
    c.session().range(1).collect()
    assert json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/health")) == {"status": "ok"}
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    values = dict(line.split() for line in text.splitlines() if not line.startswith("#"))
    assert int(values["tarn_sessions"]) == 1 and int(values["tarn_operations_started_total"]) >= 1
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/other")

    def cached():
        text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
        return {k[5:]: int(v) for k, v in (line.split() for line in text.splitlines() if line.startswith(("tarn_cached", "tarn_checkpoints")))}

    spark = c.session()
    df = spark.range(100_000).selectExpr("id", "id % 7 AS k").cache()
    assert cached()["cached_relations"] == 1 and cached()["cached_relations_materialized"] == 0
    df.count()
    values = cached()
    assert (values["cached_relations_materialized"], values["cached_rows"], values["cached_disk_bytes"]) == (1, 100_000, 0)
    assert values["cached_memory_bytes"] > 100_000
    point = spark.range(10).localCheckpoint()
    assert (cached()["checkpoints"], cached()["cached_rows"]) == (1, 100_010)
    on_disk = spark.range(5).persist(StorageLevel.DISK_ONLY)
    assert on_disk.count() == 5 and cached()["cached_disk_bytes"] > 0
    df.unpersist()
    on_disk.unpersist()
    assert point.count() == 10 and cached()["cached_rows"] == 10 and cached()["cached_relations"] == 0


def test_status_shows_what_a_cluster_keeps_also_where_the_homes_name_is_long(tmp_path, cluster_at):
    from pyspark.sql import functions as F

    c = cluster_at(tmp_path / ("x" * 120))
    spark = c.session()
    said = lambda: tarn("status", "--home", c.home).stdout  # noqa: E731
    assert "cached relations 0 (0 with rows)" in said()
    frame = spark.range(100_000).withColumn("s", F.repeat(F.lit("x"), 100)).persist()
    assert frame.count() == 100_000
    assert re.search(r"sessions 1, plans running \d+, waiting 0, peak memory [\d.]+ MB\n  cached relations 1 \(1 with rows\), checkpoints 0, rows 100000: [\d.]+ [KM]B in memory, 0 B on disk", said())
    assert os.stat(f"{c.home}/cluster.sock").st_mode & 0o777 == 0o600
    frame.unpersist()
    assert "cached relations 0 (0 with rows)" in said()


def test_start_status_logs_stop(tmp_path):
    home = ["--home", str(tmp_path)]
    assert tarn("status", *home).returncode == 1
    started = tarn("start", *home, "cluster", "--", "--listen", "127.0.0.1:0")
    try:
        assert started.returncode == 0, started.stderr
        pid, remote = re.search(r"pid (\d+) (sc://\S+)", started.stdout).groups()
        assert f"pid {pid} {remote}" in tarn("status", *home).stdout
        assert "already runs" in tarn("start", *home).stdout
        assert json.loads(last(tarn("logs", *home).stdout))["event"] == "cluster_ready"
    finally:
        stopped = tarn("stop", *home)
    assert stopped.returncode == 0 and "stopped" in stopped.stdout
    assert tarn("status", *home).returncode == 1
    assert tarn("stop", *home).stdout == "cluster does not run\n"


def test_stop_never_kills_a_process_that_is_not_ours(tmp_path):
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        (tmp_path / "cluster.pid").write_text(f"{bystander.pid} sc://127.0.0.1:1\n")
        assert tarn("stop", "--home", str(tmp_path)).stdout == "cluster does not run\n"
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_start_that_fails_says_why(tmp_path, cluster):
    done = tarn("start", "--home", str(tmp_path), "cluster", "--", "--listen", f"127.0.0.1:{cluster.port}")
    assert done.returncode == 1 and "cannot listen" in done.stderr


def test_settings_and_where_they_come_from(tmp_path):
    (tmp_path / "tarn.toml").write_text('# mine\nlog-level = "warn"\n[cluster]\nthreads = 3 # few\nlisten = "127.0.0.1:1"\n')
    done = tarn("config", "--home", str(tmp_path), env={"TARN_CLUSTER_LISTEN": "127.0.0.1:2"})
    assert done.returncode == 0
    cluster = done.stdout.split("[cluster]")[1]
    assert 'listen = "127.0.0.1:2"  # environment TARN_CLUSTER_LISTEN' in cluster
    assert f'threads = "3"  # {tmp_path}/tarn.toml:4' in cluster
    assert f'log-level = "warn"  # {tmp_path}/tarn.toml:2' in cluster
    assert 'memory = ""  # default' in cluster
    for text, why in (("[cluster]\nspeed = 9\n", "unknown key cluster.speed"), ("[cluster\n", "expected [section]"), ("[cluster]\nlisten = here\n", "must be a")):
        (tmp_path / "tarn.toml").write_text(text)
        done = tarn("config", "--home", str(tmp_path))
        assert done.returncode == 1 and why in done.stderr


def test_the_workspace_serves_health_and_ends_cleanly(tmp_path):
    server = subprocess.Popen([tarn_binary(), "server", "--listen", "127.0.0.1:0", "--home", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        line = server.stdout.readline().strip()
        assert line.startswith("tarn server ready http://127.0.0.1:")
        assert json.load(urllib.request.urlopen(line.split()[-1] + "/health")) == {"status": "ok"}
        assert re.search(r"server runs: pid \d+ http://", tarn("status", "--home", str(tmp_path)).stdout)
        assert oct((tmp_path / "admin-token").stat().st_mode & 0o777) == "0o600"
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(45) == 0
    assert tarn("status", "--home", str(tmp_path)).returncode == 1


def sql(cluster, *arguments, **options):
    return tarn("sql", "--remote", cluster.remote, *arguments, **options)


def test_sql_prints_tables_csv_and_json(cluster):
    query = "select 1 as n, 'a,\"b' as s, cast(null as string) as z, array(1, 2) as l"
    table = sql(cluster, "-c", query)
    assert table.returncode == 0, table.stderr
    assert table.stdout.splitlines() == ["+---+------+------+--------+", "| n | s    | z    | l      |", "+---+------+------+--------+",
                                         "| 1 | a,\"b | NULL | [1, 2] |", "+---+------+------+--------+"]
    assert sql(cluster, "-c", query, "--output", "csv").stdout == 'n,s,z,l\n1,"a,""b",,"[1, 2]"\n'
    assert json.loads(sql(cluster, "-c", query, "--output", "json").stdout) == {"n": 1, "s": 'a,"b', "z": None, "l": [1, 2]}


def test_sql_runs_several_statements_from_a_file_and_stops_at_the_first_error(cluster, tmp_path):
    script = tmp_path / "s.sql"
    script.write_text("select 1 as a; -- one; two\nselect 'x;y' as b;\nselect nope;\nselect 3 as c;\n")
    done = sql(cluster, "-f", str(script), "--output", "csv")
    assert done.returncode == 1 and done.stdout == "a\n1\nb\nx;y\n"
    assert done.stderr.startswith("tarn: [UNRESOLVED_COLUMN") and len(done.stderr.splitlines()) == 1
    assert sql(cluster, "-f", "-", "--output", "csv", input="select 5 as d").stdout == "d\n5\n"


def test_sql_without_a_cluster_says_so():
    done = tarn("sql", "--remote", "sc://127.0.0.1:1", "-c", "select 1")
    assert done.returncode == 1 and done.stderr == "tarn: no cluster answers at 127.0.0.1:1: is it running?\n"
