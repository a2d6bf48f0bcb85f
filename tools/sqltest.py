#!/usr/bin/env python3
"""Plain-text SQL tests: statements in, rows or an error condition out. The expected side comes from Apache Spark.

    sqltest.py run    --remote sc://host:port [FILE.test|DIR]...    run against a server; prints failures, closes with `N passed, N failed`
    sqltest.py record --remote sc://host:port [FILE.test|DIR]...    rewrite the expected side from the server: run it against Apache Spark only

A file is a list of blocks separated by blank lines:

    # comment
    conf spark.sql.ansi.enabled=false        a setting for the rest of the file
    statement                                SQL that must succeed; its answer is not compared
    create temp view v as select 1

    query                                    SQL whose answer is compared; `query ordered` compares the order of rows too
    select a from v
    ----
    struct<a:int>
    [1]

Expected: the schema as Spark's simple string, then each row as a JSON array; or `error CONDITION SQLSTATE`. ${DATA} in a statement is the
folder tests/sql/data. Each file has its own session in the zone America/Los_Angeles.
"""
from __future__ import annotations

import argparse
import datetime
import decimal
import json
import logging
import math
import os
import re
import sys
import time
import warnings

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)  # the client logs every error it raises
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DATA = os.path.join(ROOT, "tests", "sql", "data")


def canon(v):
    """A JSON value for a Python value of a collected row."""
    if v is None or isinstance(v, (bool, int)):
        return v
    if isinstance(v, float):
        return "NaN" if math.isnan(v) else repr(v) if math.isinf(v) else float(f"{v:.12g}")
    if isinstance(v, decimal.Decimal):
        return f"{v:f}"
    if isinstance(v, (bytes, bytearray)):
        return "x'" + bytes(v).hex() + "'"
    if isinstance(v, datetime.datetime):
        return v.isoformat(sep=" ")
    if isinstance(v, (datetime.date, datetime.time)):
        return v.isoformat()
    if isinstance(v, datetime.timedelta):
        return f"{(v.days * 86400 + v.seconds) * 1000000 + v.microseconds}us"
    if isinstance(v, dict):
        return sorted(([canon(k), canon(x)] for k, x in v.items()), key=json.dumps)
    if isinstance(v, (list, tuple)):
        return [canon(x) for x in v]
    return v if isinstance(v, str) else str(v)


def collect(df) -> list[tuple]:
    """The rows; dates and timestamps beyond Python's years come as their text."""
    try:
        return df.collect()
    except (OverflowError, ValueError):
        from pyspark.sql import functions as F
        return [("python cannot hold it",) + tuple(r) for r in df.select(*[F.col(f"`{c}`").cast("string") for c in df.columns]).collect()]


def answer(spark, sql: str) -> list[str]:
    """The block's expected side as this server gives it."""
    from pyspark.errors import PySparkException
    try:
        df = spark.sql(sql.replace("${DATA}", DATA))
        schema = re.sub(r"[\x00-\x1f]", lambda m: f"\\u{ord(m.group()):04x}", df.schema.simpleString())
        rows = collect(df)
    except PySparkException as e:
        condition = e.getCondition() if hasattr(e, "getCondition") else None
        return [f"error {condition or '-'} {e.getSqlState() or '-'}"]
    return [schema] + [json.dumps([canon(v) for v in r], ensure_ascii=False) for r in rows]


def blocks(path: str):
    """(kind, sql, expected, first line number) of each block; kind is conf, statement, query or comment."""
    with open(path, encoding="utf-8") as f:
        lines = f.read().split("\n")
    i = 0
    while i < len(lines):
        line = lines[i]
        if not line.strip():
            i += 1
        elif line.startswith("#"):
            yield "comment", line, [], i + 1
            i += 1
        elif line.startswith("conf "):
            yield "conf", line[5:], [], i + 1
            i += 1
        else:
            kind, start = line.strip(), i + 1
            i += 1
            sql, expected, side = [], [], 0
            while i < len(lines) and lines[i].strip():
                if lines[i] == "----":
                    side = 1
                elif side:
                    expected.append(lines[i])
                else:
                    sql.append(lines[i])
                i += 1
            if kind not in ("statement", "query", "query ordered"):
                sys.exit(f"{path}:{start}: expected conf, statement or query, found {kind!r}")
            yield kind, "\n".join(sql), expected, start


def connect(remote: str):
    from pyspark.sql.connect.session import SparkSession
    spark = SparkSession.builder.remote(remote).create()
    spark.conf.set("spark.sql.session.timeZone", "America/Los_Angeles")
    return spark


def same(kind: str, got: list[str], want: list[str]) -> bool:
    if got == want:
        return True
    return kind == "query" and got[:1] == want[:1] and sorted(got[1:]) == sorted(want[1:])


def run_file(path: str, remote: str, show: int, gaps: set[str], failing: list[str]) -> tuple[int, int, int]:
    """(passed, failed, known gaps) of a file; failing gets every case that did not give Spark's answer."""
    spark, passed, failed, known = connect(remote), 0, 0, 0
    name = os.path.relpath(path, ROOT)
    try:
        for kind, sql, expected, line in blocks(path):
            if kind == "conf":
                spark.conf.set(*sql.split("=", 1))
            elif kind == "statement":
                got = answer(spark, sql)
                if got[0].startswith("error "):
                    failed += 1
                    print(f"{name}:{line}: {sql}\n    {got[0]}")
            elif kind != "comment":
                got = answer(spark, sql)
                case = f"{name}: " + " ".join(sql.split())
                if same(kind, got, expected):
                    if case in gaps:
                        failed += 1
                        print(f"{name}:{line}: {sql}\n    passes now: take it out of the known gaps", flush=True)
                    else:
                        passed += 1
                else:
                    failing.append(case)
                    if case in gaps:
                        known += 1
                        continue
                    failed += 1
                    if failed <= show:
                        print(f"{name}:{line}: {sql}\n    expected {expected[:6]}\n    got      {got[:6]}", flush=True)
    finally:
        spark.stop()
    return passed, failed, known


def record_file(path: str, remote: str) -> None:
    spark, out, before = connect(remote), [], None
    try:
        for kind, sql, _, _ in blocks(path):
            if kind in ("conf", "comment"):
                if before not in (None, kind):
                    out.append("")
                out.append(sql if kind == "comment" else "conf " + sql)
                if kind == "conf":
                    spark.conf.set(*sql.split("=", 1))
            else:
                got = answer(spark, sql)
                out += ([""] if out else []) + [kind] + sql.split("\n")
                if kind != "statement":
                    out += ["----"] + got
            before = kind
    finally:
        spark.stop()
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(out) + "\n")


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("mode", choices=["run", "record"])
    p.add_argument("paths", nargs="*", default=[os.path.join(ROOT, "tests", "sql")])
    p.add_argument("--remote", required=True)
    p.add_argument("--expect", metavar="FILE", help="known gaps, one `file: statement` a line: they must fail; one that passes, or another that fails, fails the run")
    p.add_argument("--write-gaps", metavar="FILE", help="write the failing cases in that form")
    p.add_argument("--show", type=int, default=10, help="failures printed per file")
    a = p.parse_intermixed_args()
    os.environ["TZ"] = "America/Los_Angeles"
    time.tzset()
    files = []
    for path in a.paths:
        if os.path.isdir(path):
            files += sorted(os.path.join(d, f) for d, _, fs in os.walk(path) for f in fs if f.endswith(".test"))
        else:
            files.append(path)
    if not files:
        sys.exit("no .test file found below " + ", ".join(a.paths))
    gaps, failing = set(), []
    if a.expect and os.path.exists(a.expect):
        with open(a.expect, encoding="utf-8") as f:
            gaps = {line.rstrip("\n") for line in f if line.strip() and not line.startswith("#")}
    passed = failed = known = 0
    for path in files:
        if a.mode == "record":
            record_file(path, a.remote)
            print("recorded", os.path.relpath(path, ROOT), flush=True)
        else:
            ok, bad, gap = run_file(path, a.remote, a.show, gaps, failing)
            passed, failed, known = passed + ok, failed + bad, known + gap
            print(f"{os.path.relpath(path, ROOT)}: {ok} of {ok + bad + gap}" + (f", {gap} known gaps" if gap else ""), flush=True)
    if a.write_gaps:
        with open(a.write_gaps, "w", encoding="utf-8") as f:
            f.write("# Cases that do not give Apache Spark's answer yet. `make test` fails when one of them passes (take it out) or another fails.\n")
            f.writelines(g + "\n" for g in failing)
    if a.mode == "run":
        if known:
            print(f"{known} known gaps")
        print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
