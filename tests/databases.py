"""Where the workspaces of the tests keep their metadata: SQLite in their homes, or with TARN_TEST_ON=postgresql a database of their own in the
PostgreSQL that tools/with_postgres.py has started (TARN_TEST_DATABASE)."""
import hashlib
import os
import sqlite3
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tools"))
from with_postgres import Postgres, program  # noqa: E402,F401


def database_options(home) -> list:
    """Options of `tarn server` for this home: the same database each time it is started."""
    if os.environ.get("TARN_TEST_ON") != "postgresql":
        return []
    server = os.environ["TARN_TEST_DATABASE"]
    name = "home_" + hashlib.sha256(os.path.realpath(home).encode()).hexdigest()[:16]
    psql = [program("psql"), "-X", "-q", "-A", "-t", server, "-c"]
    if not subprocess.run([*psql, f"SELECT 1 FROM pg_database WHERE datname = '{name}'"], check=True, stdout=subprocess.PIPE).stdout.strip():
        subprocess.run([*psql, f"CREATE DATABASE {name}"], check=True)
    return ["--database", server.rsplit("/", 1)[0] + "/" + name]


def metadata_number(home, sql: str) -> int:
    """The number that this statement finds in the metadata of a workspace that runs."""
    if options := database_options(home):
        return int(subprocess.run([program("psql"), "-X", "-q", "-A", "-t", options[1], "-c", sql], check=True, stdout=subprocess.PIPE).stdout)
    return sqlite3.connect(os.path.join(home, "workspace.db")).execute(sql).fetchone()[0]
