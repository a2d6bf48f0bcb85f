"""Fixtures of the tests with real clients: clusters, and a proxy that can break connections."""
import logging
import os
import sys
import signal
import socket
import subprocess
import threading

import pytest

logging.disable(logging.CRITICAL)
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def tarn_binary() -> str:
    for candidate in (os.environ.get("TARN_BIN"), f"{ROOT}/build/release/bin/tarn", f"{ROOT}/build/dev/bin/tarn"):
        if candidate and os.path.exists(candidate):
            return candidate
    pytest.exit("no tarn program: run `make build` or set TARN_BIN", 1)


class Cluster:
    """A `tarn cluster` process."""

    def __init__(self, home, *options, listen="127.0.0.1:0"):
        os.makedirs(home, exist_ok=True)
        self.home = str(home)
        self.log = open(os.path.join(home, "stderr.log"), "ab")
        self.process = subprocess.Popen([tarn_binary(), "cluster", "--listen", listen, "--home", self.home, *options],
                                        stdout=subprocess.PIPE, stderr=self.log, text=True,
                                        env={"PYSPARK_PYTHON": sys.executable, **os.environ})
        line = self.process.stdout.readline().strip()
        assert line.startswith("tarn cluster ready sc://"), f"said {line!r}: {open(self.log.name).read()[-500:]}"
        self.remote = line.split()[-1]
        self.port = int(self.remote.rsplit(":", 1)[1])
        self.sessions = []

    def session(self, remote=None, **conf):
        from pyspark.sql.connect.session import SparkSession

        builder = SparkSession.builder.remote(remote or self.remote)
        for key, value in conf.items():
            builder = builder.config(key.replace("__", "."), value)
        spark = builder.create()
        self.sessions.append(spark)
        return spark

    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> int:
        """Ends it as a user would; its exit status."""
        if self.alive():
            for spark in self.sessions:
                try:
                    spark.stop()
                except Exception:
                    pass
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(45)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise
        return self.process.returncode


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    c = Cluster(tmp_path_factory.mktemp("home"))
    yield c
    c.stop()


@pytest.fixture
def spark(cluster):
    spark = cluster.session()
    yield spark
    spark.stop()


@pytest.fixture
def cluster_at():
    """start(home, *options): a cluster that is stopped when the test ends."""
    started = []

    def start(home, *options, **more):
        started.append(Cluster(str(home), *options, **more))
        return started[-1]

    yield start
    for c in started:
        c.stop()


class Proxy:
    """Passes TCP on to a port and can cut every connection after so many bytes of answers."""

    def __init__(self, port):
        self.target, self.cut_after, self.cuts = port, None, 0
        self.passed = 0
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            upstream = socket.create_connection(("127.0.0.1", self.target))
            for a, b, answers in ((client, upstream, False), (upstream, client, True)):
                threading.Thread(target=self._pump, args=(a, b, answers), daemon=True).start()

    def _pump(self, source, sink, answers):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
                if answers:
                    self.passed += len(data)
                    if self.cut_after is not None and self.passed > self.cut_after:
                        self.passed, self.cuts = 0, self.cuts + 1
                        break
        except OSError:
            pass
        for s in (source, sink):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.server.close()


@pytest.fixture
def proxy(cluster):
    p = Proxy(cluster.port)
    yield p
    p.close()


def endless(spark):
    """A query that runs until somebody ends it."""
    return spark.range(10**13).selectExpr("max(id)")


# The client keeps retrying the last ReleaseExecute of servers that tests have killed, for minutes, and the interpreter would wait for it.
def pytest_sessionfinish(session, exitstatus):
    session.config.tarn_exit_status = int(exitstatus)


def pytest_unconfigure(config):
    status = getattr(config, "tarn_exit_status", None)
    if status is not None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
