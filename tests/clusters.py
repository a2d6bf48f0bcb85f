"""What the tests with real clients share: the program, clusters and their fixtures."""
import logging
import os
import signal
import subprocess
import sys

import pytest

logging.disable(logging.CRITICAL)
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


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
        # The client asks the active session for settings, also in F.col(…): it must not be one of a server that a test has killed.
        SparkSession._active_session.session = SparkSession._default_session = spark
        self.sessions.append(spark)
        return spark

    def kill(self):
        """As a crash or the operating system ends it."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

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


# The client keeps retrying the last ReleaseExecute of servers that tests have killed, for minutes, and the interpreter would wait for it.
def pytest_sessionfinish(session, exitstatus):
    session.config.tarn_exit_status = int(exitstatus)


def pytest_unconfigure(config):
    status = getattr(config, "tarn_exit_status", None)
    if status is not None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
