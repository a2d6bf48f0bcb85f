#!/usr/bin/env python3
"""Starts a fresh cluster, runs a command with {remote} replaced by its address, and stops the cluster.

    with_cluster.py [--keep-home DIR] [--memory M] TARN -- COMMAND...
"""
import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("tarn")
    p.add_argument("--keep-home")
    p.add_argument("--memory")
    p.add_argument("command", nargs=argparse.REMAINDER)
    a = p.parse_args()
    command = a.command[1:] if a.command[:1] == ["--"] else a.command
    home = a.keep_home or tempfile.mkdtemp(prefix="tarn-home-")
    args = [a.tarn, "cluster", "--listen", "127.0.0.1:0", "--home", home] + (["--memory", a.memory] if a.memory else [])
    log = open(os.path.join(home, "stderr.log"), "wb")
    server = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=log, text=True, env={"PYSPARK_PYTHON": sys.executable, **os.environ})
    try:
        line = server.stdout.readline().strip()
        if not line.startswith("tarn cluster ready "):
            print(f"the cluster did not start (said {line!r}); see {home}/stderr.log", file=sys.stderr)
            return 1
        remote = line.split()[-1]
        rc = subprocess.run([c.replace("{remote}", remote) for c in command]).returncode
        if server.poll() is not None:
            print(f"the cluster died with status {server.returncode}", file=sys.stderr)
            rc = rc or 1
        return rc
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(40)
            except subprocess.TimeoutExpired:
                server.kill()
        if not a.keep_home:
            shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
