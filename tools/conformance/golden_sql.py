#!/usr/bin/env python3
"""Run Apache Spark's own SQL golden tests (SQLQueryTestSuite) against any Spark Connect endpoint.

    golden_sql.py --spark-src SRC --remote sc://127.0.0.1:15002 [--suite public|all|heldout] [--files 'cte*'] [--out report.json]

SRC is one of
  * a checkout of apache/spark (or its sql/core/src/test/resources folder),
  * a git directory of apache/spark (bare or not), read at --tag (default v4.2.0),
  * the published test archive of Spark SQL, spark-sql_2.13-4.2.0-tests.jar, which holds the same files:
        mvn dependency:get -Dartifact=org.apache.spark:spark-sql_2.13:4.2.0:jar:tests -Dtransitive=false
Nothing is copied out of it: inputs and golden results are read at run time.
Needs pyspark-client (or pyspark[connect]) with pandas and pyarrow; the server may be anything that speaks Spark Connect.

What counts as a pass, per query of a golden file:
  rows   the schema string equals the golden one and the rows, printed in Hive form, equal the golden rows (long floats: to 11 digits). Order matters when the
         golden rows are not in sorted order (the suite sorts what it takes for unsorted) or the query ends in a top-level ORDER BY.
  error  the same error condition and SQLSTATE; message, parameters and query context are not compared.
         A golden error without a condition is matched by any error that the server raises.
Queries are skipped by rule, with the reason in the report: see SKIP_FILES and skip_reason().
A query that runs past --query-timeout is interrupted and fails; a dead server is restarted with --server-cmd when given, else waited for.
"""
from __future__ import annotations

import argparse
import base64
import datetime as dt
import decimal
import fnmatch
import json
import logging
import os
import re
import shlex
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import warnings
import zipfile
from urllib.parse import urlparse
from zoneinfo import ZoneInfo

RESOURCES = "sql/core/src/test/resources/"
HERE = os.path.dirname(os.path.abspath(__file__))
ZONE = "America/Los_Angeles"  # the suite's fixed time zone
TENK_SCHEMA = ("unique1 int, unique2 int, two int, four int, ten int, twenty int, hundred int, thousand int, twothousand int, "
               "fivethous int, tenthous int, odd int, even int, stringu1 string, stringu2 string, string4 string")
BASE_TABLES = ("testdata", "arraydata", "mapdata", "aggtest", "onek", "tenk1")

# On by default only inside Spark's test build.
TEST_BUILD_FLAGS = ("spark.sql.timeType.enabled", "spark.sql.collation.schemaLevel.enabled", "spark.sql.geospatial.enabled")

# (glob, reason). These need classes that exist only in Spark's build, or print Spark's own plans.
SKIP_FILES = [
    ("ignored.sql", "the suite itself ignores it"),
    ("udf/*", "needs the suite's polymorphic JVM function `udf`"),
    ("udtf/*", "needs the suite's table functions registered inside the JVM"),
    ("udaf/udaf.sql", "needs an aggregate class of Spark's test build"),
    ("explain*.sql", "prints Spark's physical plan"),
]

LEAVES_OBJECTS = re.compile(r"\bCREATE\s+(?!(OR\s+REPLACE\s+)?(GLOBAL\s+)?TEMP)|EXECUTE\s+IMMEDIATE", re.I)


# ---------------------------------------------------------------- golden files
class Source:
    """Reads test resources from a checkout, a git directory or the tests jar."""

    def __init__(self, path: str, tag: str):
        self.path, self.tag, self.zip, self.git = path, tag, None, None
        if os.path.isfile(path):
            self.zip = zipfile.ZipFile(path)
            self.names = self.zip.namelist()
            return
        for root in (os.path.join(path, RESOURCES), path):
            if os.path.isdir(os.path.join(root, "sql-tests")):
                self.root = root
                self.names = [os.path.relpath(os.path.join(d, f), root).replace(os.sep, "/")
                              for top in ("sql-tests", "test-data/postgresql")
                              for d, _, fs in os.walk(os.path.join(root, top)) for f in fs]
                return
        self.git = ["git", "--git-dir", path]
        out = subprocess.run(self.git + ["ls-tree", "-r", "--name-only", tag, RESOURCES], capture_output=True, text=True)
        if out.returncode:
            sys.exit(f"{path}: neither a Spark checkout, nor a git directory with {tag}, nor a tests jar")
        self.names = [n[len(RESOURCES):] for n in out.stdout.splitlines()]

    def text(self, name: str) -> str:
        if self.zip:
            data = self.zip.read(name)
        elif self.git:
            data = subprocess.run(self.git + ["show", f"{self.tag}:{RESOURCES}{name}"], capture_output=True, check=True).stdout
        else:
            with open(os.path.join(self.root, name), "rb") as f:
                data = f.read()
        return data.decode("utf-8", "replace")

    def inputs(self) -> list[str]:
        pre = "sql-tests/inputs/"
        return sorted(n[len(pre):] for n in self.names if n.startswith(pre) and n.endswith(".sql"))


class Golden:
    """One query of a golden file: its text and the outputs that are accepted (one per Java flavour)."""

    def __init__(self, sql: str, schema: str, output: str):
        # The Python client prints an explicit UTF8_BINARY collation as plain string.
        self.sql, self.schema, self.outputs = sql.strip(), re.sub(r" collate UTF8_BINARY(?!_)", "", schema.strip()), [normalize(output)]

    def error(self):
        """(condition, sqlstate) of a golden error, (None, None) for an error without condition, or None for rows."""
        head, _, body = self.outputs[0].partition("\n")
        if self.schema != "struct<>" or not re.fullmatch(r"(org|java|scala|com)\.[\w.$]+(Exception|Error)", head.strip()):
            return None
        try:
            j = json.loads(body)
            return j.get("errorClass") or j.get("condition"), j.get("sqlState")
        except (ValueError, AttributeError):
            return None, None


def normalize(text: str) -> str:
    """Drops Python tracebacks and trailing white space, as the suite does."""
    out, inside = [], False
    for line in text.split("\n"):
        if line == "Traceback (most recent call last):":
            inside = True
        elif not line.startswith(" "):
            inside = False
        if not inside:
            out.append(line)
    return re.sub(r"\s+$", "", "\n".join(out))


def read_golden(src: Source, name: str) -> list[Golden]:
    def parse(path):
        seg = re.split(r"-- !query.*\n", src.text(path))[1:]
        return [Golden(*seg[i:i + 3]) for i in range(0, len(seg) - len(seg) % 3, 3)]
    base = f"sql-tests/results/{name}.out"
    queries = parse(base)
    if base + ".java21" in src.names:  # shortest float printing etc.: either is right
        for q, alt in zip(queries, parse(base + ".java21")):
            q.outputs += [o for o in alt.outputs if o not in q.outputs]
    return queries


def settings_of(text: str, all_dims: bool) -> list[list[tuple[str, str]]]:
    """The config sets to run with: --SET lines, times one set of each --CONFIG_DIM (only the first of each unless all_dims)."""
    def pairs(s):
        return [tuple(x.strip() for x in kv.split("=", 1)) for kv in s.split(",") if "=" in kv]
    base, dims = [], {}
    for line in text.split("\n"):
        line = line.strip()
        if line.startswith("--SET "):
            base += pairs(line[6:])
        m = re.match(r"--CONFIG_DIM(\S*) (.*)", line)
        if m:
            dims.setdefault(m[1], []).append(pairs(m[2]))
    runs = [base]
    for options in dims.values():
        runs = [r + o for o in (options if all_dims else options[:1]) for r in runs]
    return runs


def skip_reason(q: Golden) -> str | None:
    sql = re.sub(r"^(\s|--[^\n]*\n|/\*.*?\*/)+", "", q.sql, flags=re.S)
    if re.match(r"EXPLAIN\b", sql, re.I):
        return "prints Spark's plan"
    if re.search(r"'(test\.)?org\.apache\.(spark|hadoop|hive)\.[\w.$]+'", q.sql):
        return "names a JVM class"
    return None


# ---------------------------------------------------------------- Hive form of a result
def java_float(x, width=64) -> str:
    if x != x:
        return "NaN"
    if x in (float("inf"), float("-inf")):
        return "Infinity" if x > 0 else "-Infinity"
    if width == 32:
        import numpy as np
        text = str(np.float32(x))
    else:
        text = repr(float(x))
    sign, digits, exp = decimal.Decimal(text).as_tuple()
    neg = "-" if sign else ""
    s = "".join(map(str, digits)).lstrip("0")
    if not s:
        return neg + "0.0"
    e = len(s) + exp - 1
    s = s.rstrip("0") or "0"
    if -3 <= e < 7:
        whole = s[:e + 1].ljust(e + 1, "0") if e >= 0 else "0"
        frac = s[e + 1:] if e >= 0 else "0" * (-e - 1) + s
        return f"{neg}{whole}.{frac or '0'}"
    return f"{neg}{s[0]}.{s[1:] or '0'}E{e}"


def civil(days: int):
    """Proleptic Gregorian date of a day number relative to 1970-01-01, any year."""
    z = days + 719468
    era, doe = divmod(z, 146097)
    yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    mp = (5 * doy + 2) // 153
    m = mp + 3 if mp < 10 else mp - 9
    return yoe + era * 400 + (m <= 2), m, doy - (153 * mp + 2) // 5 + 1


def date_text(days: int) -> str:
    y, m, d = civil(days)
    year = f"-{-y:04d}" if y < 0 else f"+{y}" if y > 9999 else f"{y:04d}"
    return f"{year}-{m:02d}-{d:02d}"


def clock_text(nanos: int) -> str:
    s, frac = divmod(nanos, 10**9)
    text = f"{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}"
    return text + ("." + f"{frac:09d}".rstrip("0") if frac else "")


def timestamp_text(micros: int, zone: str | None) -> str:
    if zone:
        secs = micros // 10**6
        shift = 0
        if secs > 253370764800:  # year 9999: reuse a year of the same 400-year cycle
            shift = -(-(secs - 253370764800) // 12622780800) * 12622780800
        probe = max(secs - shift, -62135510400)
        try:
            tz = ZoneInfo(zone)
            off = (dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc) + dt.timedelta(seconds=probe)).astimezone(tz).utcoffset()
            micros += int(off.total_seconds()) * 10**6
        except Exception:
            m = re.fullmatch(r"(?:UTC|GMT|UT)?([+-])(\d{1,2}):?(\d{2})?(?::?(\d{2}))?", zone)
            if m:
                off = int(m[2]) * 3600 + int(m[3] or 0) * 60 + int(m[4] or 0)
                micros += (off if m[1] == "+" else -off) * 10**6
    days, rest = divmod(micros, 86400 * 10**6)
    return f"{date_text(days)} {clock_text(rest * 1000)}"


def day_time_text(micros: int) -> str:
    sign, v = ("-", -micros) if micros < 0 else ("", micros)
    d, v = divmod(v, 86400 * 10**6)
    h, v = divmod(v, 3600 * 10**6)
    m, v = divmod(v, 60 * 10**6)
    s, v = divmod(v, 10**6)
    return f"{sign}{d} {h:02d}:{m:02d}:{s:02d}.{v * 1000:09d}"


def year_month_text(text: str) -> str:
    """Turns INTERVAL '1-2' YEAR TO MONTH (any field range) into the Hive form 1-2."""
    def one(m):
        body, unit = m[1], m[2].upper()
        sign, body = ("-", body[1:]) if body[0] == "-" else ("", body)
        if "TO" in unit:
            return f"{sign}{body}"
        n = int(body)
        return f"{sign}{n}-0" if unit == "YEAR" else f"{sign}{n // 12}-{n % 12}"
    return re.sub(r"INTERVAL '([+-]?[\d-]+)' (YEAR TO MONTH|YEAR|MONTH)", one, text)


def calendar_text(v) -> str:
    months, days, nanos = v
    out = []

    def add(n, unit):
        if n:
            out.append(f"{n} {unit}")
    sign = -1 if months < 0 else 1
    add(sign * (abs(months) // 12), "years")
    add(sign * (abs(months) % 12), "months")
    add(days, "days")
    micros = abs(nanos) // 1000
    s = -1 if nanos < 0 else 1
    add(s * (micros // 3600000000), "hours")
    add(s * (micros // 60000000 % 60), "minutes")
    rest = micros % 60000000
    if rest:
        t = decimal.Decimal(rest).scaleb(-6).normalize()
        out.append(f"{'-' if s < 0 else ''}{t:f} seconds")
    return " ".join(out) or "0 seconds"


def wkt(data: bytes) -> str:
    """Two-dimensional WKB as WKT."""
    names = ("POINT", "LINESTRING", "POLYGON", "MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON", "GEOMETRYCOLLECTION")
    pos = 0

    def read(fmt):
        nonlocal pos
        v = struct.unpack_from(order + fmt, data, pos)
        pos += struct.calcsize(order + fmt)
        return v

    def points():
        return "(" + ", ".join(point() for _ in range(read("I")[0])) + ")"

    def point():
        x, y = read("dd")
        return "EMPTY" if x != x else f"{x:.17g} {y:.17g}"

    def shape(tagged=True):
        nonlocal pos, order
        order = "<" if data[pos] else ">"
        pos += 1
        kind = read("I")[0]
        if kind == 1:
            body = point()
            body = body if body == "EMPTY" else f"({body})"
        elif kind == 2:
            body = points()
        elif kind == 3:
            body = "(" + ", ".join(points() for _ in range(read("I")[0])) + ")"
        else:
            body = "(" + ", ".join(shape(kind == 7) for _ in range(read("I")[0])) + ")"
        if body == "()":
            body = "EMPTY"
        return (names[kind - 1] + (" " if body == "EMPTY" else "") + body) if tagged else body
    order = "<"
    return shape()


class Printer:
    """Prints Arrow columns as Spark's HiveResult does."""

    def __init__(self, zone: str, binary: str):
        self.zone, self.binary = zone, binary or "UTF-8"

    def bytes_text(self, b: bytes) -> str:
        style = self.binary.upper()
        if style == "BASIC":
            return "[" + ", ".join(str(x - 256 if x > 127 else x) for x in b) + "]"
        if style == "BASE64":
            return base64.b64encode(b).decode().rstrip("=")
        if style == "HEX":
            return b.hex().upper()
        if style == "HEX_DISCRETE":
            return "[" + " ".join(f"{x:02X}" for x in b) + "]"
        return b.decode("utf-8", "replace")

    def column(self, arr, typ, nested=False) -> list[str]:
        import pyarrow as pa
        from pyspark.sql import types as T
        if isinstance(arr, pa.ChunkedArray):
            return [s for c in arr.chunks for s in self.column(c, typ, nested)]
        if isinstance(arr, pa.ExtensionArray):
            arr = arr.storage
        if pa.types.is_dictionary(arr.type):
            arr = arr.dictionary_decode()
        n = len(arr)
        ok = arr.is_valid().to_pylist()
        null = "null" if nested else "NULL"
        t = arr.type

        def apply(values, f):
            return [f(v) if k else null for v, k in zip(values, ok)]
        if isinstance(typ, T.YearMonthIntervalType) and not pa.types.is_null(t):
            return apply(arr.to_pylist(), year_month_text)
        if type(typ).__name__ in ("GeometryType", "GeographyType"):
            quote = '"' if nested else ""
            return apply(arr.to_pylist(), lambda v: quote + (f"SRID={v['srid']};" if v["srid"] else "") + wkt(v["wkb"]) + quote)
        if isinstance(typ, T.VariantType):
            return apply(arr.to_pylist(), lambda v: str(T.VariantVal(v["value"], v["metadata"])))
        if pa.types.is_map(t):
            ks, vs = self.column(arr.keys, typ.keyType, True), self.column(arr.items, typ.valueType, True)
            off = arr.offsets.to_pylist()
            return ["{" + ",".join(sorted(f"{ks[j]}:{vs[j]}" for j in range(off[i], off[i + 1]))) + "}" if ok[i] else null
                    for i in range(n)]
        if pa.types.is_list(t) or pa.types.is_large_list(t):
            elem = getattr(typ, "elementType", None)
            vs, off = self.column(arr.values, elem, True), arr.offsets.to_pylist()
            return ["[" + ",".join(vs[off[i]:off[i + 1]]) + "]" if ok[i] else null for i in range(n)]
        if pa.types.is_struct(t):
            fields = typ.fields if isinstance(typ, T.StructType) else []
            cols = [self.column(arr.field(i), fields[i].dataType if fields else None, True) for i in range(t.num_fields)]
            names = [fields[i].name if fields else t.field(i).name for i in range(t.num_fields)]
            return ["{" + ",".join(f'"{k}":{c[i]}' for k, c in zip(names, cols)) + "}" if ok[i] else null for i in range(n)]
        if pa.types.is_timestamp(t):
            ints = arr.cast(pa.timestamp("us", t.tz)).view(pa.int64()).to_pylist()
            return apply(ints, lambda v: timestamp_text(v, self.zone if t.tz else None))
        if pa.types.is_date32(t):
            return apply(arr.view(pa.int32()).to_pylist(), date_text)
        if pa.types.is_time64(t):
            mul = 1 if t.unit == "ns" else 1000
            return apply(arr.view(pa.int64()).to_pylist(), lambda v: clock_text(v * mul))
        if pa.types.is_duration(t):
            unit = (86400, 3600, 60)[typ.endField] * 10**6 if getattr(typ, "endField", 3) in (0, 1, 2) else 1
            return apply(arr.cast(pa.duration("us")).view(pa.int64()).to_pylist(),
                         lambda v: day_time_text(v - (v % unit if v >= 0 else -(-v % unit))))
        if pa.types.is_interval(t):
            return apply(arr.to_pylist(), calendar_text)
        values = arr.to_pylist()
        if pa.types.is_boolean(t):
            return apply(values, lambda v: "true" if v else "false")
        if pa.types.is_float32(t):
            return apply(values, lambda v: java_float(v, 32))
        if pa.types.is_float64(t):
            return apply(values, java_float)
        if pa.types.is_decimal(t):
            return apply(values, lambda v: format(v, "f"))
        if pa.types.is_string(t) or pa.types.is_large_string(t):
            return apply(values, lambda v: f'"{v}"' if nested else v)
        if pa.types.is_binary(t) or pa.types.is_large_binary(t):
            return apply(values, self.bytes_text)
        return apply(values, str)

    def rows(self, table, schema) -> list[str]:
        if table.num_columns == 0:
            return [""] * table.num_rows
        cols = [self.column(table.column(i), schema.fields[i].dataType if schema else None) for i in range(table.num_columns)]
        return ["\t".join(r) for r in zip(*cols)]


def mask(line: str) -> str:
    """The suite's masking of what differs between runs, plus a path mask that does not know its class name."""
    no = "[not included in comparison]"
    for pat, rep in ((r"#\d+", "#x"), (r"plan_id=\d+", "plan_id=x"), (r"(?m)^Location.*/(?=[^/]*$)", f"Location {no}/{{warehouse_dir}}/"),
                     (r"file:[^\s,']*/(?=[^/\s,']*)", f"file:{no}/{{warehouse_dir}}/"), (r"Created By.*", f"Created By {no}"),
                     (r"Created Time.*", f"Created Time {no}"), (r"Last Access.*", f"Last Access {no}"), (r"Owner.*", f"Owner {no}"),
                     (r"Partition Statistics\t\d+", f"Partition Statistics\t{no}"), (r"CTERelationDef \d+,", "CTERelationDef xxxx,"),
                     (r"CTERelationRef \d+,", "CTERelationRef xxxx,"), (r"UnionLoop \d+", "UnionLoop xxxx"),
                     (r"UnionLoopRef \d+,", "UnionLoopRef xxxx,"), (r"Loop id: \d+", "Loop id: xxxx"), (r"@\w*,", "@xxxxxxxx,"),
                     (r"\*\(\d+\) ", "*"), (r'"location":\s*"[^"]*/(?=[^/"]*")', f'"location": "{no}/{{warehouse_dir}}/'),
                     (r'"created_by":".*?"', f'"created_by {no}":"None"'), (r'"created_time":".*?"', f'"created_time {no}":"None"'),
                     (r"transient_lastDdlTime=\d+", f"transient_lastDdlTime={no}"),
                     (r'"transient_lastDdlTime":"\d+"', f'"transient_lastDdlTime {no}":"None"'),
                     (r'"last_access":".*?"', f'"last_access {no}":"None"'), (r'"owner":".*?"', f'"owner {no}":"None"'),
                     (r'"partition_statistics":"\d+"', f'"partition_statistics {no}":"None"')):
        line = re.sub(pat, rep, line)
    return line


def ordered_query(sql: str) -> bool:
    """True if the query has ORDER BY outside of all parentheses, quotes and comments, or is DESCRIBE."""
    text = re.sub(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|`[^`]*`|--[^\n]*|/\*.*?\*/", " ", sql, flags=re.S)
    depth, flat = 0, []
    for ch in text:
        depth += ch == "("
        if depth == 0:
            flat.append(ch)
        depth -= ch == ")" and depth > 0
    flat = "".join(flat)
    return bool(re.search(r"\bORDER\s+BY\b", flat, re.I) 
                or re.match(r"\s*DESC(RIBE)?\s+(?!FUNCTION|SCHEMA|DATABASE|NAMESPACE|CATALOG)", flat, re.I))


# ---------------------------------------------------------------- the endpoint
class Gone(Exception):
    """The server cannot be reached."""


class Endpoint:
    def __init__(self, args, src: Source):
        self.args, self.src, self.proc = args, src, None
        u = urlparse(args.remote)
        self.addr = (u.hostname, u.port or 15002)
        self.restarts = 0

    def listening(self) -> bool:
        try:
            socket.create_connection(self.addr, 2).close()
            return True
        except OSError:
            return False

    def ensure(self):
        """Returns once the server accepts connections; (re)starts it if we own it."""
        if self.args.server_cmd and (self.proc is None or self.proc.poll() is not None or not self.listening()):
            self.stop()
            log = open(self.args.server_log, "ab")
            self.proc = subprocess.Popen(shlex.split(self.args.server_cmd), stdout=log, stderr=log, start_new_session=True)
            self.restarts += 1
        end = time.time() + self.args.start_timeout
        while not self.listening():
            if time.time() > end:
                raise Gone("no server at " + self.args.remote)
            time.sleep(0.3)

    def stop(self):
        if self.proc:
            try:
                os.killpg(self.proc.pid, signal.SIGKILL)
            except OSError:
                pass
            self.proc.wait()
            self.proc = None

    def session(self):
        from pyspark.sql.connect.client.retries import DefaultPolicy
        from pyspark.sql.connect.session import SparkSession
        s = SparkSession.builder.remote(self.args.remote).create()
        s.client.set_retry_policies([DefaultPolicy(max_retries=3, max_backoff=1000)])
        if self.args.plain_execute:
            s.client.disable_reattachable_execute()
        SparkSession._set_default_and_active_session(s)
        return s

    def create_tables(self):
        """The suite's six tables, sent as local data so that the server needs no access to our files."""
        import pandas as pd
        s = self.session()

        def table(name, schema, rows):
            sdf = s.createDataFrame(rows, schema)
            s.sql(f"DROP TABLE IF EXISTS {name}").collect()
            sdf.coalesce(1).write.format("parquet").mode("overwrite").saveAsTable(name)
        data = "test-data/postgresql/"

        def tsv(path):
            return [line.split("\t") for line in self.src.text(data + path).split("\n") if line]

        def tenk(path):
            return [[int(x) for x in r[:13]] + r[13:] for r in tsv(path)]
        jobs = [
            ("testdata", "key int, value string", [(i, str(i)) for i in range(1, 101)]),
            ("arraydata", "arraycol array<int>, nestedarraycol array<array<int>>", [([1, 2, 3], [[1, 2, 3]]), ([2, 3, 4], [[2, 3, 4]])]),
            ("mapdata", "mapcol map<int,string>", [({i + 1: c + str(n) for i, c in enumerate("abcde"[:6 - n])},) for n in range(1, 6)]),
            ("aggtest", "a int, b float", [(int(a), float(b)) for a, b in tsv("agg.data")]),
            ("onek", TENK_SCHEMA, tenk("onek.data")),
            ("tenk1", TENK_SCHEMA, tenk("tenk.data")),
        ]
        problems = []
        for name, schema, rows in jobs:
            if quietly(lambda: s.table(name).count()) == len(rows):
                continue
            try:
                table(name, schema, pd.DataFrame(rows, columns=[c.split()[0] for c in schema.split(", ")])
                      if name in ("onek", "tenk1") else rows)
            except Exception as e:
                problems.append(f"{name}: {str(e)[:200]}")
        close(s)
        return problems

    def drop_tables(self):
        def work():
            s = self.session()
            for name in BASE_TABLES:
                quietly(lambda: s.sql(f"DROP TABLE IF EXISTS {name}").collect())
            close(s)
        t = threading.Thread(target=lambda: quietly(work), daemon=True)
        t.start()
        t.join(30)


def close(session):
    for f in (lambda: session.client.release_session(), lambda: session.client.close()):
        t = threading.Thread(target=lambda f=f: quietly(f), daemon=True)
        t.start()
        t.join(5)


def quietly(f):
    try:
        return f()
    except Exception:
        return None


class FileRun:
    """Runs the queries of one golden file in one session of its own."""

    def __init__(self, ep: Endpoint, name: str, conf: list[tuple[str, str]]):
        self.ep, self.name, self.conf, self.session, self.history = ep, name, conf, None, []
        self.zone, self.binary = ZONE, dict(conf).get("spark.sql.binaryOutputStyle", "UTF-8")

    def open(self):
        self.ep.ensure()
        s = self.session = self.ep.session()
        conf = [("spark.sql.session.timeZone", ZONE), ("spark.sql.shuffle.partitions", "4")]
        conf += [(k, "true") for k in TEST_BUILD_FLAGS]
        if self.name.startswith("postgreSQL/"):
            conf += [("spark.sql.ansi.enabled", "true"), ("spark.sql.legacy.interval.enabled", "true")]
        elif self.name.startswith("nonansi/"):
            conf += [("spark.sql.ansi.enabled", "false")]
        elif self.name.startswith("timestampNTZ/"):
            conf += [("spark.sql.timestampType", "TIMESTAMP_NTZ")]
        self.conf_errors = []
        for k, v in conf + self.conf:
            try:
                s.conf.set(k, v)
            except Exception as e:
                self.conf_errors.append(f"{k}={v}: {str(e)[:120]}")
        if self.name.startswith(("postgreSQL/", "udaf/")):
            try:
                self.register()
            except Exception as e:
                self.conf_errors.append(f"helper functions: {str(e)[:300]}")

    def register(self):
        """The helper functions that the suite registers for these folders."""
        s = self.session
        if self.name.startswith("udaf/"):
            from pyspark.sql.functions import pandas_udf
            from pyspark.sql.types import IntegerType
            from pyspark.util import PythonEvalType
            s.udf.register("udaf", pandas_udf(lambda x: x.agg("count"), IntegerType(), PythonEvalType.SQL_GROUPED_AGG_PANDAS_UDF))
        else:
            from pyspark.sql.types import BooleanType, StringType
            s.udf.register("booleq", lambda a, b: a == b, BooleanType())
            s.udf.register("boolne", lambda a, b: a != b, BooleanType())
            s.udf.register("vol", lambda x: x, StringType())

    def execute(self, sql: str):
        """(schema string, rows in Hive form) of a statement."""
        df = self.session.sql(sql)
        try:
            table, schema, _ = self.session.client.to_table(df._plan.to_proto(self.session.client), {})
            if schema is None:
                schema = df.schema
            rows = Printer(self.zone, self.binary).rows(table, schema)
        except Exception as e:
            from pyspark.errors import PySparkException
            unsupported = "YearMonth" in str(e) or "month" in str(e).lower() and not hasattr(e, "getSqlState")
            if not unsupported and (isinstance(e, PySparkException) and e.getSqlState() or "StatusCode" in str(e)):
                raise
            schema = df.schema
            if "interval year" not in schema.simpleString() and "interval month" not in schema.simpleString():
                raise
            rows = self.execute_cast(df, schema)
        text = schema.simpleString()
        if re.match(r"\s*DESC", sql, re.I) and text == "struct<col_name:string,data_type:string,comment:string>":
            rows = ["\t".join(f"{'' if x == 'NULL' else x:<20}" for x in r.split("\t")) for r in rows]
        elif re.match(r"\s*SHOW\b", sql, re.I) and re.match(r"struct<\w+:string,(tableName|viewName):string,isTemporary:boolean>", text):
            rows = [r.split("\t")[1] for r in rows]
        return text, [mask(r) for r in rows]

    def execute_cast(self, df, schema):
        """Year-month intervals have no Arrow type in Python: ask for them as strings."""
        from pyspark.sql import types as T

        def has(t):
            return re.search(r"interval (year|month)", t.simpleString())

        def conv(e, t, depth=0):
            x = f"x{depth}"
            if not has(t):
                return e
            if isinstance(t, T.ArrayType):
                return f"transform({e}, {x} -> {conv(x, t.elementType, depth + 1)})"
            if isinstance(t, T.MapType):
                keys, values = f"map_keys({e})", f"map_values({e})"
                return (f"map_from_arrays(transform({keys}, {x} -> {conv(x, t.keyType, depth + 1)}), "
                        f"transform({values}, {x} -> {conv(x, t.valueType, depth + 1)}))")
            if isinstance(t, T.StructType):
                parts = ", ".join(f"'{f.name}', {conv(f'{e}.`{f.name}`', f.dataType, depth)}" for f in t.fields)
                return f"if({e} is null, null, named_struct({parts}))"
            return f"cast({e} as string)"
        names = [f"c{i}" for i in range(len(schema.fields))]
        df = df.toDF(*names).selectExpr(*[f"{conv(n, f.dataType)} as {n}" for n, f in zip(names, schema.fields)])
        table, _, _ = self.session.client.to_table(df._plan.to_proto(self.session.client), {})
        return Printer(self.zone, self.binary).rows(table, schema)

    def bounded(self, f, seconds):
        """Runs f in a thread. Returns ('ok', value), ('error', exception) or ('timeout', still_running)."""
        box = {}

        def work():
            try:
                box["r"] = ("ok", f())
            except BaseException as e:
                box["r"] = ("error", e)
        t = threading.Thread(target=work, daemon=True)
        t.start()
        t.join(seconds)
        if "r" in box:
            return box["r"]
        i = threading.Thread(target=lambda: quietly(self.session.client.interrupt_all), daemon=True)
        i.start()
        t.join(8)
        return "timeout", "r" not in box

    def run(self, sql: str):
        """('rows', schema, rows) | ('error', condition, sqlstate, message) | ('timeout'|'crash', text)."""
        if self.session is None:
            kind, value = self.bounded(self.open, max(60, self.ep.args.query_timeout))
            if kind != "ok":
                self.session = None
                if isinstance(value, Gone):
                    raise value
                return "crash", f"no session: {'no answer' if kind == 'timeout' else str(value)[:200]}"
            for s in self.history:
                self.bounded(lambda: self.session.sql(s), 20)
        kind, value = self.bounded(lambda: self.execute(sql), self.ep.args.query_timeout)
        if kind == "ok":
            self.remember(sql)
            return ("rows", *value)
        if kind == "timeout":
            if value:  # did not react to the interrupt: leave that session behind
                self.session = None
            return "timeout", f"no answer in {self.ep.args.query_timeout} s"
        text = str(value)
        dead = ("UNAVAILABLE" in text or "RETRIES_EXCEEDED" in text or "Connection reset" in text or "Socket closed" in text
                or "INVALID_HANDLE.SESSION" in text)
        if dead:
            time.sleep(0.5)
            self.session = None
            return "crash", text[:300]
        cond = quietly(lambda: value.getCondition()) or quietly(lambda: value.getErrorClass())
        return "error", cond, quietly(lambda: value.getSqlState()), f"{type(value).__name__}: {text}"

    def remember(self, sql):
        if not re.match(r"\s*(SELECT|WITH|VALUES|FROM|TABLE|EXPLAIN|SHOW|DESC|\()", sql, re.I):
            self.history.append(sql)
        if re.search(r"time\s*zone", sql, re.I) and re.match(r"\s*(SET|RESET)\b", sql, re.I):
            self.zone = quietly(lambda: self.session.conf.get("spark.sql.session.timeZone")) or self.zone


def compare(q: Golden, got) -> tuple[str, str] | None:
    """None if the answer is right, else (category, what differs)."""
    if got[0] in ("timeout", "crash"):
        return got[0], got[1]
    want = q.error()
    if want is not None:
        if got[0] == "rows":
            return "no-error", f"expected {want[0] or 'an error'}, got {len(got[2])} rows"
        if want[0] is None or (want[0] == got[1] and want[1] in (got[2], None)):
            return None
        what = "sqlstate" if want[0] == got[1] else "other-error" if got[1] else "untyped-error"
        return what, f"expected {want[0]} {want[1]}, got {got[1]} {got[2]}: {got[3][:200]}"
    if got[0] == "error":
        return "error", f"{got[1]} {got[2]}: {got[3][:240]}"
    _, schema, rows = got
    text, by_row = normalize("\n".join(rows)), normalize("\n".join(sorted(rows)))
    masked = [[mask(x).rstrip() for x in o.split("\n")] for o in q.outputs]
    in_order = [[x.rstrip() for x in text.split("\n")]]
    by_line = [sorted(x.rstrip() for x in by_row.split("\n"))]
    if schema != q.schema:
        same = any(sorted(m) in by_line for m in masked)
        return ("schema" if same else "schema+rows"), f"expected {q.schema[:200]}, got {schema[:200]}"
    if any(m in in_order for m in masked):
        return None
    for m in masked:
        if sorted(m) in by_line:
            # The suite's order is known only if its rows are not sorted; sorted rows mean either.
            suite_sorted = m == [x.rstrip() for x in by_row.split("\n")] or m == sorted(m)
            return None if suite_sorted and not ordered_query(q.sql) else ("order", "same rows in another order")
    if re.search(r":(array<|map<|struct<)*(double|float)", schema) and any(nearly(sorted(m), by_line[0]) for m in masked):
        return None
    w = q.outputs[0].split("\n")
    g = text.split("\n")
    i = next((i for i, (x, y) in enumerate(zip(sorted(w), sorted(g))) if x.rstrip() != y.rstrip()), min(len(w), len(g)))
    pick = lambda l: sorted(l)[i][:160] if i < len(l) else "<none>"
    return "rows", f"{len(w)} lines expected, {len(g)} got; first difference: {pick(w)!r} vs {pick(g)!r}"


def nearly(a: list[str], b: list[str]) -> bool:
    """Equal but for the last digits of long floating-point numbers, which depend on the order of a sum."""
    number = re.compile(r"-?\d+\.\d+(?:E-?\d+)?")
    for x, y in zip(a, b):
        if x == y:
            continue
        if number.sub("#", x) != number.sub("#", y):
            return False
        for u, v in zip(number.findall(x), number.findall(y)):
            if u != v and (max(len(u), len(v)) < 14 or abs(float(u) - float(v)) > 1e-11 * max(abs(float(u)), abs(float(v)))):
                return False
    return len(a) == len(b)


def clean_up(ep: Endpoint):
    """Drops what a file left behind: the suite shares one catalog."""
    def work():
        s = ep.session()
        quietly(lambda: s.sql("USE default").collect())
        for r in quietly(lambda: s.sql("SHOW TABLES IN default").collect()) or []:
            n, temp = r[1], r[2]
            if n and n.lower() not in BASE_TABLES and not temp:
                if quietly(lambda: s.sql(f"DROP TABLE IF EXISTS default.`{n}`").collect()) is None:
                    quietly(lambda: s.sql(f"DROP VIEW IF EXISTS default.`{n}`").collect())
        for r in quietly(lambda: s.sql("SHOW DATABASES").collect()) or []:
            if r[0] not in ("default", "information_schema", "global_temp", "system"):
                quietly(lambda: s.sql(f"DROP DATABASE IF EXISTS `{r[0]}` CASCADE").collect())
        close(s)
    t = threading.Thread(target=lambda: quietly(work), daemon=True)
    t.start()
    t.join(60)


def run_file(ep: Endpoint, src: Source, name: str, args) -> dict:
    res = {"passed": 0, "failed": 0, "skipped": 0, "seconds": 0.0, "marks": "", "failures": []}
    reason = next((r for g, r in SKIP_FILES if fnmatch.fnmatch(name, g)), None)
    if f"sql-tests/results/{name}.out" not in src.names:
        reason = reason or "has no golden file"
        res.update(skipped=1, marks="s", reason=reason)
        return res
    queries = read_golden(src, name)
    if reason:
        res.update(skipped=len(queries), marks="s" * len(queries), reason=reason)
        return res
    start = time.time()
    marks = ["?"] * len(queries)
    dead = None  # set once no session can be had: the rest of the file fails at once
    for conf in settings_of(src.text("sql-tests/inputs/" + name), args.all_dims):
        run = FileRun(ep, name, conf)
        for i, q in enumerate(queries):
            if dead:
                bad = dead
            elif time.time() - start > args.file_timeout:
                bad = ("timeout", f"the file ran past {args.file_timeout} s")
            elif skip_reason(q):
                marks[i] = "s" if marks[i] == "?" else marks[i]
                continue
            else:
                bad = None
                for attempt in (1, 2):  # one more try if the server had died before this query
                    try:
                        got = run.run(q.sql)
                    except Gone as e:
                        got = ("crash", str(e))
                    if got[0] == "crash" and attempt == 1:
                        fresh = run.session is None and quietly(lambda: (ep.ensure(), True)) is not None
                        if fresh and ep.proc is not None:
                            ep.create_tables()
                        if fresh:
                            continue
                    break
                bad = compare(q, got)
                if bad and bad[1].startswith("no session"):
                    dead = bad
            if bad is None:
                marks[i] = "." if marks[i] in "?." else marks[i]
            elif marks[i] != "F":
                marks[i] = "F"
                res["failures"].append({"query": i, "sql": q.sql[:300], "category": bad[0], "detail": bad[1]})
        if run.session is not None:
            close(run.session)
        if getattr(run, "conf_errors", None):
            res["settings_refused"] = run.conf_errors
    if any(LEAVES_OBJECTS.search(q.sql) for q in queries):
        clean_up(ep)
    res["marks"] = "".join(marks)
    res.update(passed=marks.count("."), failed=marks.count("F"), skipped=marks.count("s"), seconds=round(time.time() - start, 1))
    return res


def choose(src: Source, args) -> list[str]:
    names = src.inputs()
    lists = {"public": os.path.join(HERE, "golden_sql-public.txt")}
    if args.suite == "heldout" and not args.list:
        sys.exit("--suite heldout needs --list FILE")
    listed = args.list or lists.get(args.suite)
    if listed:
        with open(listed) as f:
            want = [line.strip() for line in f if line.strip() and not line.startswith("#")]
        names = [n for n in want if n in names]
    if args.files:
        globs = args.files.split(",")
        names = [n for n in names if any(fnmatch.fnmatch(n, g) for g in globs)]
    return names


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--spark-src", required=True)
    p.add_argument("--tag", default="v4.2.0")
    p.add_argument("--remote", default="sc://127.0.0.1:15002")
    p.add_argument("--suite", default="public", choices=["public", "heldout", "all"])
    p.add_argument("--list", help="a file with input names, one a line, instead of the suite's own list")
    p.add_argument("--files", help="comma-separated globs on names below inputs/, e.g. 'cte*.sql,nonansi/*'")
    p.add_argument("--out")
    p.add_argument("--update", action="store_true", help="keep the files already in --out that this run does not cover")
    p.add_argument("--baseline", help="a report of Apache Spark itself: also count against what it passes")
    p.add_argument("--query-timeout", type=float, default=60)
    p.add_argument("--file-timeout", type=float, default=900)
    p.add_argument("--start-timeout", type=float, default=60)
    p.add_argument("--server-cmd", help="command that starts the server; used at the beginning and again if it dies")
    p.add_argument("--server-log", default=os.devnull)
    p.add_argument("--keep-tables", action="store_true", help="leave the suite's six tables behind")
    p.add_argument("--plain-execute", action="store_true", help="do not ask for reattachable execution (fewer calls, faster)")
    p.add_argument("--all-dims", action="store_true", help="run every combination of --CONFIG_DIM lines, not only the first")
    p.add_argument("--max-seconds", type=float, default=0, help="stop starting new files after this time")
    p.add_argument("--show", type=int, default=0, help="print the first N failures of each file")
    args = p.parse_args()

    logging.disable(logging.CRITICAL)  # the client logs every error that it receives
    warnings.simplefilter("ignore")
    src = Source(args.spark_src, args.tag)
    names = choose(src, args)
    base = json.load(open(args.baseline))["files"] if args.baseline else {}
    ep = Endpoint(args, src)
    report = {"remote": args.remote, "suite": args.suite, "files": {}, "setup_problems": []}
    if args.update and args.out and os.path.exists(args.out):
        with open(args.out) as f:
            report["files"] = json.load(f)["files"]
    start = time.time()
    try:
        ep.ensure()
        box = []
        t = threading.Thread(target=lambda: box.append(ep.create_tables()), daemon=True)
        t.start()
        t.join(180)
        report["setup_problems"] = box[0] if box else ["the test tables could not be created"]
        for x in report["setup_problems"]:
            print("set-up:", x, flush=True)
        for name in names:
            if args.max_seconds and time.time() - start > args.max_seconds:
                report["stopped_before"] = name
                print("stopped: time is up before", name)
                break
            r = report["files"][name] = run_file(ep, src, name, args)
            print(f"{name:70s} {r['passed']:5d} passed {r['failed']:5d} failed {r['skipped']:5d} skipped {r['seconds']:7.1f} s", flush=True)
            for f in r["failures"][:args.show]:
                print(f"    #{f['query']} [{f['category']}] {f['sql'][:150]!r}\n        {f['detail']}")
            if args.out:
                save(report, args, base, ep, start)
        if not args.keep_tables:
            ep.drop_tables()
    except Gone as e:
        print("server gone:", e)
    finally:
        ep.stop()
    t = save(report, args, base, ep, start)
    print("categories:", ", ".join(f"{k} {v}" for k, v in sorted(t["categories"].items(), key=lambda x: -x[1])))
    if base:
        print(f"of the {t['baseline_passed']} that Apache Spark passes: {t['passed_of_baseline']} "
              f"({100 * t['passed_of_baseline'] / max(1, t['baseline_passed']):.1f} %)")
    print(f"{t['passed']} passed, {t['failed']} failed, {t['skipped']} skipped")
    sys.stdout.flush()
    os._exit(0 if t["failed"] == 0 else 1)


def save(report, args, base, ep, start):
    fs = report["files"]
    cats = {}
    for r in fs.values():
        for f in r["failures"]:
            cats[f["category"]] = cats.get(f["category"], 0) + 1
    t = report["totals"] = {k: sum(r[k] for r in fs.values()) for k in ("passed", "failed", "skipped")}
    t.update(files=len(fs), files_all_passed=sum(r["failed"] == 0 and r["passed"] > 0 for r in fs.values()), categories=cats,
             seconds=round(time.time() - start, 1), server_starts=ep.restarts)
    if base:
        t["baseline_passed"] = sum(base[n]["marks"].count(".") for n in fs if n in base)
        t["passed_of_baseline"] = sum(a == "." == b for n in fs if n in base for a, b in zip(fs[n]["marks"], base[n]["marks"]))
    if args.out:
        with open(args.out, "w") as f:
            json.dump(report, f, indent=1)
    return t


if __name__ == "__main__":
    main()
