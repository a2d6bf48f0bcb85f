#!/usr/bin/env python3
"""Keeps a room (a folder of src/) from including headers of a room above it. Exit status 1 and one line per offence."""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# From the floor upward.
ROOMS = ["base", "storage", "delta", "catalog", "python", "sql", "plan", "engine", "ml", "streaming", "connect",
         "http", "account", "identity", "secrets", "vault", "clusters", "workspace", "unity", "warehouse", "mlflow", "jobs", "server"]
# catalog, delta and storage do not know each other upward; sql knows neither.
FORBIDDEN = {("sql", "delta"), ("sql", "catalog"), ("sql", "storage"), ("catalog", "delta"), ("catalog", "storage")}
# The control plane talks to engines over the wire, never in the process.
FORBIDDEN |= {(room, other) for room in ("http", "account", "identity", "secrets", "vault", "clusters", "workspace", "unity")
              for other in ("sql", "plan", "engine", "python", "ml", "streaming", "connect")}
# Rooms whose files may include these headers; everybody else stays free of them.
ONLY = [(r'"duckdb', {"engine", "ml", "streaming"}), (r"<grpcpp/", {"connect", "server", "clusters"}), (r"<boost/", {"http"}), (r"<libpq", {"base"})]


def main() -> int:
    bad = 0
    for folder, _, files in os.walk(os.path.join(ROOT, "src")):
        room = os.path.relpath(folder, os.path.join(ROOT, "src")).split(os.sep)[0]
        if room not in ROOMS:
            continue
        for name in files:
            if not name.endswith((".h", ".cc")):
                continue
            path = os.path.join(folder, name)
            with open(path, encoding="utf-8") as f:
                for number, line in enumerate(f, 1):
                    m = re.match(r'#include\s+(["<][^">]+[">])', line)
                    if not m:
                        continue
                    target = re.match(r'"(\w+)/', m.group(1))
                    other = target.group(1) if target else None
                    if other in ROOMS and (ROOMS.index(other) > ROOMS.index(room) or (room, other) in FORBIDDEN):
                        print(f"{os.path.relpath(path, ROOT)}:{number}: room {room} includes room {other} above it")
                        bad += 1
                    for pattern, rooms in ONLY:
                        if re.match(pattern, m.group(1)) and room not in rooms:
                            print(f"{os.path.relpath(path, ROOT)}:{number}: {m.group(1)} does not belong in room {room}")
                            bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
