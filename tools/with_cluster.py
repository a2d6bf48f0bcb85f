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


def run_with(kind: str, arguments: list, home: str, keep_home: bool, command_of, environment=None) -> int:
    """Starts `tarn KIND` by its arguments, runs the command that command_of(address) gives, and ends both. The command's status; 1 if the
    program did not start, died, or ended badly. Its log is home/stderr.log."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))   # it ends with us
    log = os.path.join(home, "stderr.log")
    with open(log, "wb") as err:
        server = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=err, text=True, env={"PYSPARK_PYTHON": sys.executable, **os.environ})
    rc = 1
    try:
        line = server.stdout.readline().strip()
        if not line.startswith(f"tarn {kind} ready "):
            print(f"the {kind} did not start (said {line!r}); see {log}", file=sys.stderr)
            return rc
        rc = subprocess.run(command_of(line.split()[-1]), env=environment).returncode
        if server.poll() is not None:
            print(f"the {kind} died with status {server.returncode}", file=sys.stderr)
            rc = rc or 1
        return rc
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGTERM)
            try:
                if server.wait(60):
                    print(f"the {kind} ended with status {server.returncode}", file=sys.stderr)
            except subprocess.TimeoutExpired:
                server.kill()
        if not keep_home:
            shutil.rmtree(home, ignore_errors=True)


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("tarn")
    p.add_argument("--keep-home")
    p.add_argument("--memory")
    p.add_argument("command", nargs=argparse.REMAINDER)
    a = p.parse_args()
    command = a.command[1:] if a.command[:1] == ["--"] else a.command
    home = a.keep_home or tempfile.mkdtemp(prefix="tarn-home-")
    arguments = [a.tarn, "cluster", "--listen", "127.0.0.1:0", "--home", home] + (["--memory", a.memory] if a.memory else [])
    return run_with("cluster", arguments, home, bool(a.keep_home), lambda remote: [c.replace("{remote}", remote) for c in command])


if __name__ == "__main__":
    sys.exit(main())
