#!/usr/bin/env python3
"""Run PySpark's own Spark Connect test modules and doctests against any Spark Connect endpoint.

    pyspark_tests.py --spark-src SRC --remote sc://127.0.0.1:15002 --suite smoke|public|all|FILE [--only 'GLOB'] [--out report.json]

SRC holds the Python tests of the same version as the installed client:
  * a checkout of apache/spark (its python/ folder is read), or
  * pyspark.zip of the full PyPI package: pip download pyspark==4.2.0; the archive holds pyspark/python/lib/pyspark.zip
    (or the site-packages/pyspark folder of a venv in which pyspark is installed).
Run it with a Python that has pyspark-client (same version), pandas < 3, pyarrow. The tests are laid beside a copy of that client in a
work folder, so they run as Spark's own CI runs them: remote only, no JVM in the test process, SPARK_CONNECT_TESTING_REMOTE set.

One subprocess per module. A test that runs past --test-timeout fails and the module goes on; a subprocess that makes no progress is
killed and the rest of its module is run by a new one; a dead server is restarted with --server-cmd when given.
Counting: every test method is one test; for doctests every docstring with examples is one. The server must see the same files as the tests
and run in the same time zone; Spark's own CI also turns on spark.sql.timeType.enabled, so turn it on for a Spark that serves as baseline.
"""
from __future__ import annotations

import argparse
import fnmatch
import hashlib
import json
import os
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from urllib.parse import urlparse

HERE = os.path.dirname(os.path.abspath(__file__))
ROOTS = ("sql", "errors", "logger", "pandas", "ml", "resource", "pipelines")

# What a first version must pass.
SMOKE = """
pyspark.sql.tests.connect.test_parity_catalog
pyspark.sql.tests.connect.test_parity_collection
pyspark.sql.tests.connect.test_parity_column
pyspark.sql.tests.connect.test_parity_conf
pyspark.sql.tests.connect.test_parity_creation
pyspark.sql.tests.connect.test_parity_dataframe
pyspark.sql.tests.connect.test_parity_errors
pyspark.sql.tests.connect.test_parity_functions
pyspark.sql.tests.connect.test_parity_group
pyspark.sql.tests.connect.test_parity_readwriter
pyspark.sql.tests.connect.test_parity_sql
pyspark.sql.tests.connect.test_parity_stat
pyspark.sql.tests.connect.test_parity_subquery
pyspark.sql.tests.connect.test_parity_types
""".split()

DOCTESTS = """
pyspark.sql.connect.functions.builtin pyspark.sql.connect.functions.partitioning pyspark.sql.connect.catalog pyspark.sql.connect.column
pyspark.sql.connect.conf pyspark.sql.connect.dataframe pyspark.sql.connect.group pyspark.sql.connect.merge pyspark.sql.connect.observation
pyspark.sql.connect.readwriter pyspark.sql.connect.session pyspark.sql.connect.tvf pyspark.sql.connect.udf pyspark.sql.connect.udtf
pyspark.sql.connect.window pyspark.sql.connect.streaming.query pyspark.sql.connect.streaming.readwriter
pyspark.sql.connect.avro.functions pyspark.sql.connect.protobuf.functions
""".split()

# (glob on the module, reason): left out of every suite.
EXCLUDE = [
    ("*.connect.client.test_client*", "exercises the client alone"),
    ("*.connect.client.test_reattach*", "looks into the server's JVM"),
    ("*.connect.client.test_artifact_localcluster", "starts local-cluster mode of Spark's own build"),
    ("*.connect.test_connect_plan", "exercises the client alone"),
    ("*.connect.test_connect_channel", "exercises the client alone"),
    ("*.connect.test_connect_retry", "exercises the client alone"),
    ("*.connect.test_connect_basic", "compares with a JVM session in the same process"),
    ("*.connect.test_connect_collection", "compares with a JVM session in the same process"),
    ("*.connect.test_connect_column", "compares with a JVM session in the same process"),
    ("*.connect.test_connect_creation", "compares with a JVM session in the same process"),
    ("*.connect.test_connect_dataframe_property", "compares with a JVM session in the same process"),
    ("*.connect.test_connect_function", "compares with a JVM session in the same process"),
    ("*.connect.test_connect_local_server*", "starts a local server of Spark's own"),
    ("*.ml.*torch*", "needs torch and a JVM"),
    ("*.ml.*deepspeed*", "needs torch and a JVM"),
    ("*.connect.shell.*", "starts Spark's own shell"),
    ("doctest:*.avro.functions", "needs the spark-avro jar on the server"),
    ("doctest:*.protobuf.functions", "needs the spark-protobuf jar and descriptor files of Spark's build"),
]

# (text in the test's source, reason): single tests that need files of Spark's source tree; off when SRC is a checkout.
NEEDS_TREE = [
    ("test_support", "needs python/test_support of Spark's source tree"),
    ("search_jar", "needs jars of Spark's own build"),
]


# ---------------------------------------------------------------- tests and their place
def open_source(path: str):
    """Returns (list of (module file, reader)), folder with python/test_support or None."""
    for z in (path, os.path.join(path, "python/lib/pyspark.zip"), os.path.join(path, "lib/pyspark.zip")):
        if os.path.isfile(z) and zipfile.is_zipfile(z):
            zf = zipfile.ZipFile(z)
            if "pyspark/__init__.py" not in zf.namelist():
                inner = [n for n in zf.namelist() if n.endswith("python/lib/pyspark.zip")]
                if not inner:
                    continue
                zf = zipfile.ZipFile(zf.open(inner[0]))
            return [(n, lambda n=n: zf.read(n)) for n in zf.namelist() if n.endswith(".py")], None
    root = os.path.join(path, "python")
    if not os.path.isdir(os.path.join(root, "pyspark/sql/tests")):
        sys.exit(f"{path}: no checkout of Spark, no pyspark.zip and no installed full pyspark")
    files = [os.path.relpath(os.path.join(d, f), root) for d, _, fs in os.walk(os.path.join(root, "pyspark")) for f in fs]

    def read(n):
        with open(os.path.join(root, n), "rb") as f:
            return f.read()
    return [(n, lambda n=n: read(n)) for n in files if n.endswith(".py") or "/tests/" in n], root


def prepare(src: str, work: str) -> tuple[str, list[str]]:
    """Lays a copy of the installed client with the tests beside it. Returns (folder for PYTHONPATH, modules)."""
    import importlib.util
    spec = importlib.util.find_spec("pyspark")
    if spec is None:
        sys.exit("pyspark-client is not installed in this Python")
    client = os.path.dirname(spec.origin)
    files, root = open_source(src)
    dest, stamp = os.path.join(work, "pyspark"), os.path.join(work, ".ready")
    names = [n for n, _ in files if "/tests/" in n or n.startswith("pyspark/testing/")]
    if not os.path.exists(stamp):
        shutil.rmtree(dest, ignore_errors=True)
        shutil.copytree(client, dest, ignore=shutil.ignore_patterns("jars", "examples", "python", "R", "__pycache__", "core"))
        for n, read in files:
            if "/tests/" in n or n.startswith("pyspark/testing/") and not os.path.exists(os.path.join(work, n)):
                os.makedirs(os.path.dirname(os.path.join(work, n)), exist_ok=True)
                with open(os.path.join(work, n), "wb") as f:
                    f.write(read())
        home = os.path.join(work, "home", "python")
        os.makedirs(home, exist_ok=True)
        if root and os.path.isdir(os.path.join(root, "test_support")):
            shutil.copytree(os.path.join(root, "test_support"), os.path.join(home, "test_support"), dirs_exist_ok=True)
        open(stamp, "w").close()
    mods = [n[:-3].replace("/", ".") for n in names if n.split("/")[1] in ROOTS and "/connect/" in n and n.rsplit("/", 1)[1].startswith("test_")]
    return work, sorted(set(mods)) + ["doctest:" + d for d in DOCTESTS]


def excluded(module: str) -> str | None:
    return next((r for g, r in EXCLUDE if fnmatch.fnmatch(module, g)), None)


def choose(modules: list[str], args) -> list[str]:
    if args.suite == "smoke":
        picked = [m for m in SMOKE if m in modules]
    elif args.suite == "all":
        picked = modules
    else:
        path = os.path.join(HERE, "pyspark_tests-public.txt") if args.suite == "public" else args.suite
        with open(path) as f:
            want = [line.strip() for line in f if line.strip() and not line.startswith("#")]
        picked = [m for m in want if m in modules]
        for m in want:
            if m not in modules:
                print("not in this version:", m)
    if args.only:
        picked = [m for m in picked if any(fnmatch.fnmatch(m, g) for g in args.only.split(","))]
    return picked


# ---------------------------------------------------------------- the child: runs one module and tells what happens
class TestTimeout(BaseException):
    pass


def child(module: str, done: set[str], timeout: int, fd: int):
    import logging
    import unittest
    import warnings
    out = os.fdopen(fd, "w", buffering=1)
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")

    def emit(**kw):
        out.write(json.dumps(kw) + "\n")

    def on_alarm(*_):
        signal.alarm(20)  # once more if the exception was swallowed
        raise TestTimeout(f"no answer in {timeout} s")
    signal.signal(signal.SIGALRM, on_alarm)
    if module.startswith("doctest:"):
        return child_doctest(module[8:], done, timeout, emit)

    import importlib
    import inspect
    mod = importlib.import_module(module)

    def flatten(s):
        for t in s:
            yield from flatten(t) if isinstance(t, unittest.TestSuite) else [t]
    tests = list(flatten(unittest.defaultTestLoader.loadTestsFromModule(mod)))
    emit(plan=[t.id() for t in tests])
    have_tree = os.path.isdir(os.path.join(os.environ["SPARK_HOME"], "python/test_support"))
    run = unittest.TestSuite()
    for t in tests:
        if t.id() in done:
            continue
        try:
            text = inspect.getsource(getattr(type(t), t._testMethodName))
        except (OSError, TypeError, AttributeError):
            text = ""
        reason = None if have_tree else next((r for s, r in NEEDS_TREE if s in text), None)
        if reason:
            emit(id=t.id(), status="skip", text=reason)
        else:
            run.addTest(t)

    class Result(unittest.TestResult):
        def startTest(self, test):
            super().startTest(test)
            emit(start=test.id())
            self.state = ("pass", "")
            signal.alarm(timeout)

        def note(self, test, status, err=None, text=""):
            if err is not None:
                text = f"{err[0].__name__}: {err[1]}"
            if not isinstance(test, unittest.TestCase) and not hasattr(test, "_subDescription"):
                emit(setup=str(test), text=text[:600])
                return
            self.state = (status, text[:600])

        def addError(self, test, err):
            self.note(test, "error", err)

        def addFailure(self, test, err):
            self.note(test, "fail", err)

        def addSkip(self, test, reason):
            if not isinstance(test, unittest.TestCase):
                emit(setupskip=str(test), text=reason)
            self.note(test, "skip", None, reason)

        def addSubTest(self, test, subtest, err):
            if err is not None:
                self.state = ("fail", f"{err[0].__name__}: {err[1]}"[:600])

        def addExpectedFailure(self, test, err):
            self.state = ("pass", "")

        def addUnexpectedSuccess(self, test):
            self.state = ("fail", "unexpected success")

        def stopTest(self, test):
            super().stopTest(test)
            signal.alarm(timeout)
            emit(id=test.id(), status=self.state[0], text=self.state[1])
    signal.alarm(timeout)
    try:
        run.run(Result())
    except TestTimeout as e:
        emit(setup="suite", text=str(e))
    signal.alarm(0)
    emit(end=True)
    out.flush()
    os._exit(0)


def child_doctest(module: str, done: set[str], timeout: int, emit):
    """Runs the module's own _test() with doctest.testmod replaced by one that reports each docstring."""
    import doctest
    import importlib
    import runpy

    def testmod(m=None, globs=None, optionflags=0, **_):
        m = m or importlib.import_module(module)
        cases = [t for t in doctest.DocTestFinder().find(m, globs=globs) if t.examples]
        name = "doctest:" + module + ":"
        emit(plan=[name + t.name for t in cases])
        for t in cases:
            if name + t.name in done:
                continue
            emit(start=name + t.name)
            lines = []
            runner = doctest.DocTestRunner(optionflags=optionflags, verbose=False)
            signal.alarm(timeout)
            try:
                failed, _n = runner.run(t, out=lines.append, clear_globs=False)[:2]
                status, text = ("fail" if failed else "pass"), "".join(lines)[-600:] if failed else ""
            except TestTimeout as e:
                status, text = "error", str(e)
            signal.alarm(0)
            emit(id=name + t.name, status=status, text=text)
        return doctest.TestResults(0, len(cases))
    doctest.testmod = testmod
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=False)
    except SystemExit:
        pass
    except BaseException as e:
        emit(setup=module, text=f"{type(e).__name__}: {e}"[:600])
    emit(end=True)
    os._exit(0)


# ---------------------------------------------------------------- the parent
class Server:
    def __init__(self, args):
        u = urlparse(args.remote)
        self.addr, self.args, self.proc, self.starts = (u.hostname, u.port or 15002), args, None, 0

    def listening(self):
        try:
            socket.create_connection(self.addr, 2).close()
            return True
        except OSError:
            return False

    def ensure(self):
        if self.args.server_cmd and (self.proc is None or self.proc.poll() is not None or not self.listening()):
            self.stop()
            log = open(self.args.server_log, "ab")
            self.proc = subprocess.Popen(shlex.split(self.args.server_cmd), stdout=log, stderr=log, start_new_session=True)
            self.starts += 1
        end = time.time() + 90
        while not self.listening():
            if time.time() > end:
                sys.exit(f"no server at {self.args.remote}")
            time.sleep(0.3)

    def stop(self):
        if self.proc:
            try:
                os.killpg(self.proc.pid, signal.SIGKILL)
            except OSError:
                pass
            self.proc.wait()
            self.proc = None


def run_module(server: Server, work: str, module: str, args) -> dict:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYSPARK_", "SPARK_"))}
    env.update(PYTHONPATH=work, SPARK_HOME=os.path.join(work, "home"), SPARK_TESTING="1", SPARK_SKIP_CONNECT_COMPAT_TESTS="1",
               SPARK_CONNECT_TESTING_REMOTE=args.remote, PYTHONWARNINGS="ignore", PYARROW_IGNORE_TIMEZONE="1", PYTHONHASHSEED="0",
               PYSPARK_PYTHON=sys.executable, PYSPARK_DRIVER_PYTHON=sys.executable)
    results, plan, notes, start = {}, [], [], time.time()
    for attempt in range(args.restarts + 1):
        server.ensure()
        r, w = os.pipe()
        tmp = tempfile.mkdtemp(prefix="conformance-")
        cmd = [sys.executable, os.path.abspath(__file__), "--child", module, "--events", str(w), "--test-timeout", str(args.test_timeout),
               "--done", os.path.join(tmp, "done.json")]
        with open(os.path.join(tmp, "done.json"), "w") as f:
            json.dump(list(results), f)
        log = open(args.log, "ab") if args.log else open(os.devnull, "wb")
        p = subprocess.Popen(cmd, env=env, cwd=env["SPARK_HOME"], pass_fds=[w], stdout=log, stderr=log, start_new_session=True)
        os.close(w)
        buf, current, last, ended, why = b"", None, time.time(), False, ""
        while True:
            ready, _, _ = select.select([r], [], [], 2)
            if ready:
                data = os.read(r, 65536)
                if not data:
                    break
                last, buf = time.time(), buf + data
                *lines, buf = buf.split(b"\n")
                for line in lines:
                    e = json.loads(line)
                    if "plan" in e:
                        plan = e["plan"]
                    elif "start" in e:
                        current = e["start"]
                    elif "id" in e:
                        results[e["id"]] = (e["status"], e["text"])
                        current = None
                    elif "setup" in e:
                        notes.append(f"{e['setup']}: {e['text']}")
                    elif "setupskip" in e:
                        notes.append(f"skipped {e['setupskip']}: {e['text']}")
                    elif "end" in e:
                        ended = True
            idle = time.time() - last
            if idle > 6 and not server.listening():
                why = "the server went away"
            elif idle > args.test_timeout + 60 or time.time() - start > args.module_timeout:
                why = "no progress" if idle > args.test_timeout + 60 else f"the module ran past {args.module_timeout} s"
            if why:
                break
        try:
            os.killpg(p.pid, signal.SIGKILL)
        except OSError:
            pass
        p.wait()
        os.close(r)
        shutil.rmtree(tmp, ignore_errors=True)
        if ended and not why:
            break
        if current:
            results[current] = ("error", why or "the test process died")
        elif not plan and not why:
            notes.append("the test process died before its first test")
            break
        if time.time() - start > args.module_timeout:
            break
    skipped_classes = [n.split("(")[-1].split(")")[0] for n in notes if n.startswith("skipped setUpClass")]
    for t in plan:
        if t not in results:
            skip = any(c and c in t for c in skipped_classes)
            results[t] = ("skip", "class skipped") if skip else ("error", "not run: " + (notes[-1] if notes else "no result")[:300])
    count = lambda s: sum(v[0] == s for v in results.values())
    return {"tests": len(results), "passed": count("pass"), "failed": count("fail"), "errors": count("error") + (not plan), "skipped": count("skip"),
            "seconds": round(time.time() - start, 1), "notes": notes[:5], "passes": sorted(k for k, v in results.items() if v[0] == "pass"),
            "failures": {k: v[1] for k, v in results.items() if v[0] in ("fail", "error")},
            "skips": {k: v[1] for k, v in results.items() if v[0] == "skip"}}


def totals(mods: dict, base: dict) -> dict:
    t = {k: sum(m[k] for m in mods.values()) for k in ("tests", "passed", "failed", "errors", "skipped")}
    if base:
        both = [(m, base[m]) for m in mods if m in base]
        t["baseline_passed"] = sum(len(b["passes"]) for _, b in both)
        t["passed_of_baseline"] = sum(len(set(mods[m]["passes"]) & set(b["passes"])) for m, b in both)
    return t


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--spark-src")
    p.add_argument("--remote", default="sc://127.0.0.1:15002")
    p.add_argument("--suite", default="smoke", help="smoke, public, all or a file with module names")
    p.add_argument("--only", help="comma-separated globs on module names")
    p.add_argument("--out")
    p.add_argument("--update", action="store_true", help="keep the modules already in --out that this run does not cover")
    p.add_argument("--baseline", help="a report of Apache Spark itself: also count against what it passes")
    p.add_argument("--work", help="folder for the client copy with the tests (kept and reused)")
    p.add_argument("--test-timeout", type=int, default=90)
    p.add_argument("--module-timeout", type=float, default=900)
    p.add_argument("--max-seconds", type=float, default=0, help="stop starting new modules after this time")
    p.add_argument("--restarts", type=int, default=5, help="new test processes for the rest of a module after a crash or hang")
    p.add_argument("--server-cmd", help="command that starts the server; used at the beginning and again if it dies")
    p.add_argument("--server-log", default=os.devnull)
    p.add_argument("--log", help="file for what the test processes print")
    p.add_argument("--list", action="store_true", help="print the suite's modules and the exclusions, run nothing")
    p.add_argument("--child", help=argparse.SUPPRESS)
    p.add_argument("--events", type=int, help=argparse.SUPPRESS)
    p.add_argument("--done", help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.child:
        with open(args.done) as f:
            return child(args.child, set(json.load(f)), args.test_timeout, args.events)
    if not args.spark_src:
        p.error("--spark-src is required")
    key = hashlib.sha1((os.path.abspath(args.spark_src) + sys.executable).encode()).hexdigest()[:10]
    work = os.path.abspath(args.work or os.path.join(tempfile.gettempdir(), "pyspark-conformance-" + key))
    os.makedirs(work, exist_ok=True)
    work, modules = prepare(args.spark_src, work)
    picked = choose(modules, args)
    if args.list:
        for m in picked:
            print(m, "# left out: " + excluded(m) if excluded(m) else "")
        return
    base = json.load(open(args.baseline))["modules"] if args.baseline else {}
    server = Server(args)
    report = {"remote": args.remote, "suite": args.suite, "modules": {}, "excluded": {}}
    if args.update and args.out and os.path.exists(args.out):
        with open(args.out) as f:
            report["modules"] = json.load(f)["modules"]
    t0 = time.time()
    print(f"{'module':75s} tests  pass  fail error  skip seconds")
    try:
        for m in picked:
            if excluded(m):
                report["excluded"][m] = excluded(m)
                continue
            if args.max_seconds and time.time() - t0 > args.max_seconds:
                print("stopped: time is up before", m)
                report["stopped_before"] = m
                break
            r = report["modules"][m] = run_module(server, work, m, args)
            print(f"{m.replace('pyspark.', ''):75s} {r['tests']:5d} {r['passed']:5d} {r['failed']:5d} {r['errors']:5d} {r['skipped']:5d} {r['seconds']:7.1f}"
                  + ("  " + r["notes"][0][:150].replace("\n", " ") if r["notes"] and not r["passed"] else ""), flush=True)
            report["totals"] = totals(report["modules"], base)
            if args.out:
                with open(args.out, "w") as f:
                    json.dump(report, f, indent=1)
    finally:
        server.stop()
    t = report["totals"] = totals(report["modules"], base)
    if base:
        print(f"of the {t['baseline_passed']} that Apache Spark passes: {t['passed_of_baseline']} "
              f"({100 * t['passed_of_baseline'] / max(1, t['baseline_passed']):.1f} %)")
    print(f"{t['passed']} passed, {t['failed'] + t['errors']} failed, {t['skipped']} skipped")
    sys.exit(0 if t["failed"] + t["errors"] == 0 else 1)


if __name__ == "__main__":
    main()
