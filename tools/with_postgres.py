#!/usr/bin/env python3
"""Starts a PostgreSQL of its own on 127.0.0.1, runs a command with {database} replaced by its URL (also in TARN_TEST_DATABASE), and ends it.

    with_postgres.py -- COMMAND...
"""
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time


def program(name: str) -> str:
    """A program of the newest PostgreSQL that is installed."""
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), key=lambda p: float(p.split("/")[4])) + [p for p in [shutil.which(name)] if p]
    if not found:
        raise FileNotFoundError(f"no {name}: install PostgreSQL (tools/setup.sh --tests)")
    return found[-1]


class Postgres:
    """A server with a data directory of its own. It refuses to run as root: then it runs as the user that the system's package has made."""

    def __init__(self, folder=None, *settings):
        self.folder = folder or tempfile.mkdtemp(prefix="tarn-postgres-")
        os.makedirs(self.folder, exist_ok=True)
        self.data = os.path.join(self.folder, "data")
        self.settings = settings
        self.as_user = {}
        if os.getuid() == 0:
            entry = pwd.getpwnam("postgres")
            self.as_user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
            os.chmod(self.folder, 0o755)
            os.makedirs(self.data, mode=0o700, exist_ok=True)
            os.chown(self.data, entry.pw_uid, entry.pw_gid)
        if not os.path.exists(os.path.join(self.data, "PG_VERSION")):
            subprocess.run([program("initdb"), "-D", self.data, "-U", "tarn", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"], check=True,
                           cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **self.as_user)
        with socket.create_server(("127.0.0.1", 0)) as s:
            self.port = s.getsockname()[1]
        self.url = f"postgresql://tarn@127.0.0.1:{self.port}/postgres"
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen([program("postgres"), "-D", self.data, "-p", str(self.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
                                         "-c", "shared_buffers=32MB", "-c", "deadlock_timeout=100ms", *[x for s in self.settings for x in ("-c", s)]],
                                        cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, **self.as_user)
        end = time.monotonic() + 60
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"PostgreSQL did not start in {self.data}")
            time.sleep(0.05)

    def ready(self) -> bool:
        return subprocess.run([program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]).returncode == 0

    def sql(self, text: str, database="postgres") -> str:
        """What psql prints: columns with | between them, one row a line."""
        return subprocess.run([program("psql"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "tarn", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", text, database],
                              check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def create(self, name: str) -> str:
        """The URL of a new database."""
        self.sql(f"CREATE DATABASE {name}")
        return self.url.rsplit("/", 1)[0] + "/" + name

    def kill(self):
        """As a crash of the machine ends it: every process at once."""
        family = [self.process.pid]
        for path in glob.glob("/proc/[0-9]*/stat"):
            try:
                with open(path, encoding="latin-1") as f:
                    if int(f.read().rsplit(")", 1)[1].split()[1]) == self.process.pid:   # its parent
                        family.append(int(path.split("/")[2]))
            except (OSError, ValueError):
                pass   # it has ended
        for pid in family:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait(30)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)   # "fast": sessions are ended
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def main() -> int:
    command = sys.argv[2:] if sys.argv[1:2] == ["--"] else sys.argv[1:]
    if not command or command[0] in ("-h", "--help"):
        print(__doc__)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))   # it ends with us
    postgres = Postgres()
    try:
        return subprocess.run([c.replace("{database}", postgres.url) for c in command], env={**os.environ, "TARN_TEST_DATABASE": postgres.url}).returncode
    finally:
        postgres.remove()


if __name__ == "__main__":
    sys.exit(main())
