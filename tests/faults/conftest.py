"""Fixtures of the fault tests: clusters that a test may kill, starve or fill."""
import logging
import os
import signal
import subprocess
import sys
import tempfile

import pytest

logging.disable(logging.CRITICAL)
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def tarn_binary() -> str:
    for candidate in (os.environ.get("TARN_BIN"), f"{ROOT}/build/release/bin/tarn", f"{ROOT}/build/dev/bin/tarn"):
        if candidate and os.path.exists(candidate):
            return candidate
    pytest.exit("no tarn program: run `make build` or set TARN_BIN", 1)


class Cluster:
    """A `tarn cluster` process of one test."""

    def __init__(self, home, *options):
        os.makedirs(home, exist_ok=True)
        self.home, self.log = str(home), open(os.path.join(home, "stderr.log"), "ab")
        self.process = subprocess.Popen([tarn_binary(), "cluster", "--listen", "127.0.0.1:0", "--home", self.home, *options],
                                        stdout=subprocess.PIPE, stderr=self.log, text=True,
                                        env={"PYSPARK_PYTHON": sys.executable, **os.environ})
        line = self.process.stdout.readline().strip()
        assert line.startswith("tarn cluster ready sc://"), f"said {line!r}"
        self.remote = line.split()[-1]
        self.sessions = []

    def session(self):
        from pyspark.sql.connect.session import SparkSession
        spark = SparkSession.builder.remote(self.remote).create()
        self.sessions.append(spark)
        return spark

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self):
        if self.alive():
            for s in self.sessions:
                try:
                    s.stop()
                except Exception:
                    pass
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise


@pytest.fixture
def cluster_at():
    """start(home, *options): a cluster that is stopped when the test ends."""
    started = []

    def start(home, *options):
        started.append(Cluster(str(home), *options))
        return started[-1]

    yield start
    for c in started:
        c.stop()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    c = Cluster(str(tmp_path_factory.mktemp("home")))
    yield c
    c.stop()


@pytest.fixture
def spark(cluster):
    return cluster.session()


def run_python(code: str, *args: str, **options) -> subprocess.Popen:
    """The program as a file: pyspark looks for SPARK_HOME when it is run with -c."""
    with tempfile.NamedTemporaryFile("w", suffix=".py", delete=False) as f:
        f.write(code)
    return subprocess.Popen([sys.executable, f.name, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)


# The client keeps retrying the last ReleaseExecute of servers that tests have killed, for minutes, and the interpreter would wait for it.
def pytest_sessionfinish(session, exitstatus):
    session.config.tarn_exit_status = int(exitstatus)


def pytest_unconfigure(config):
    status = getattr(config, "tarn_exit_status", None)
    if status is not None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
