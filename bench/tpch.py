#!/usr/bin/env python3
"""TPC-H through the stock PySpark client: Tarn on Parquet and on Delta, against DuckDB in process, pysail and Apache Spark on the same files.

    tpch.py --tarn BIN [--scale 1] [--runs 5] [--peers duckdb,sail,spark] [--queries 1,6] [--out bench/results/tpch.md]

Engines take turns query by query within each run, so that a drift of the machine hits all alike. Each figure is the median over the runs
of the wall time from sql() to the fetched Arrow table. Answers are compared with DuckDB's (floats to 9 digits). Needs bench/requirements.txt;
`spark` needs a Python with pyspark[connect] named by SPARK_PYTHON.
"""
import argparse
import decimal
import glob
import logging
import math
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
import warnings

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
HERE = os.path.dirname(os.path.abspath(__file__))
TABLES = ("region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem")


def queries(which):
    out = {}
    for f in sorted(glob.glob(os.path.join(HERE, "tpch", "q*.sql"))):
        n = int(os.path.basename(f)[1:3])
        if not which or n in which:
            with open(f, encoding="utf-8") as h:
                out[n] = "\n".join(line for line in h.read().split("\n") if not line.startswith("--"))
    return out


def data(scale: str, folder: str) -> str:
    path = os.path.join(folder, f"tpch-{scale}")
    if not os.path.exists(os.path.join(path, ".done")):
        os.makedirs(path, exist_ok=True)
        subprocess.run([os.path.join(os.path.dirname(sys.executable), "tpchgen-cli"), "parquet", "-s", scale, "--output-dir", path], check=True)
        open(os.path.join(path, ".done"), "w").close()
    return path


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Client:
    """A Spark Connect server, reached by the stock client; views over the files, or Delta tables written by the server itself."""

    def __init__(self, name, remote, process, path, delta_dir=None):
        from pyspark.sql.connect.session import SparkSession
        self.name, self.process = name, process
        self.spark = SparkSession.builder.remote(remote).create()
        for t in TABLES:
            df = self.spark.read.parquet(f"{path}/{t}.parquet")
            if delta_dir:
                df.write.format("delta").mode("overwrite").save(f"{delta_dir}/{t}")
                df = self.spark.read.format("delta").load(f"{delta_dir}/{t}")
            df.createOrReplaceTempView(t)

    def run(self, sql):
        return self.spark.sql(sql).toArrow()

    def stop(self):
        self.spark.stop()


class DuckDB:
    name = "duckdb"

    def __init__(self, path):
        import duckdb
        self.db = duckdb.connect()
        for t in TABLES:
            self.db.execute(f"create view {t} as select * from read_parquet('{path}/{t}.parquet')")

    def run(self, sql):
        return self.db.execute(sql).to_arrow_table()

    def stop(self):
        self.db.close()


def stop(process):
    if process and process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()


def tarn(binary, home):
    shutil.rmtree(home, ignore_errors=True)
    os.makedirs(home)
    p = subprocess.Popen([binary, "cluster", "--listen", "127.0.0.1:0", "--home", home], stdout=subprocess.PIPE, stderr=open(home + "/stderr.log", "wb"), text=True)
    return p, p.stdout.readline().split()[-1]


def wait(port, process):
    for _ in range(600):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            sys.exit("a peer's server ended while starting")
        time.sleep(0.1)


def sail():
    port = free_port()
    command = os.environ.get("SAIL", os.path.join(os.path.dirname(sys.executable), "sail"))
    p = subprocess.Popen([command, "spark", "server", "--ip", "127.0.0.1", "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait(port, p)
    return p, f"sc://127.0.0.1:{port}"


def spark():
    port, python = free_port(), os.environ["SPARK_PYTHON"]
    home = subprocess.run([python, "-c", "import pyspark,os;print(os.path.dirname(pyspark.__file__))"], capture_output=True, text=True, check=True).stdout.strip()
    p = subprocess.Popen([home + "/bin/spark-submit", "--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "--master", "local[*]", "--driver-memory", "8g",
                          "--conf", "spark.connect.grpc.binding.address=127.0.0.1", "--conf", f"spark.connect.grpc.binding.port={port}", "--conf", "spark.ui.enabled=false"],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "SPARK_HOME": home})
    wait(port, p)
    return p, f"sc://127.0.0.1:{port}"


def rows(table):
    def norm(v):
        if isinstance(v, (float, decimal.Decimal)):
            f = float(v)
            return "nan" if math.isnan(f) else float(f"{f:.9g}")
        return v
    return [tuple(norm(v) for v in r.values()) for r in table.to_pylist()]


def equal(a, b):
    if len(a) != len(b):
        return False
    return all(len(x) == len(y) and all(u == v or (isinstance(u, float) and isinstance(v, float) and math.isclose(u, v, rel_tol=1e-6, abs_tol=0.006)) for u, v in zip(x, y))
               for x, y in zip(a, b))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tarn", required=True)
    p.add_argument("--scale", default="1")
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--peers", default="duckdb,sail,spark")
    p.add_argument("--queries", default="")
    p.add_argument("--no-delta", action="store_true")
    p.add_argument("--data", default=os.path.join(HERE, "..", "build", "bench"))
    p.add_argument("--out")
    a = p.parse_args()
    work = os.path.abspath(a.data)
    path = data(a.scale, work)
    which = queries({int(q) for q in a.queries.split(",") if q})
    process, remote = tarn(a.tarn, os.path.join(work, "home"))
    engines = [DuckDB(path), Client("tarn", remote, process, path)]
    if not a.no_delta:
        engines.append(Client("tarn on delta", remote, None, path, os.path.join(work, f"delta-{a.scale}")))
    for peer in a.peers.split(","):
        if peer in ("sail", "spark"):
            server, address = {"sail": sail, "spark": spark}[peer]()
            engines.append(Client(peer, address, server, path))
    times, wrong = {e.name: {q: [] for q in which} for e in engines}, []
    try:
        for run in range(a.runs + 1):
            for q, sql in which.items():
                answer = None
                for e in engines:
                    start = time.perf_counter()
                    try:
                        table = e.run(sql)
                    except Exception as ex:
                        if run == 0:
                            wrong.append(f"q{q:02d} {e.name}: {str(ex).splitlines()[0][:160]}")
                        continue
                    seconds = time.perf_counter() - start
                    if run:
                        times[e.name][q].append(seconds)
                    else:
                        got = rows(table)
                        if answer is None:
                            answer = got
                        elif not equal(answer, got):
                            wrong.append(f"q{q:02d} {e.name}: another answer than {engines[0].name}")
            print(f"run {run} of {a.runs}" + (" (warm-up)" if run == 0 else ""), file=sys.stderr, flush=True)
    finally:
        # Sessions end before the servers that two of them may share.
        for e in engines:
            e.stop()
        for e in engines:
            stop(getattr(e, "process", None))
    names = [e.name for e in engines]
    lines = [f"TPC-H scale {a.scale}, median of {a.runs} runs, {os.cpu_count()} cores, seconds", "", "| query | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    med = {n: {q: statistics.median(t) for q, t in times[n].items() if t} for n in names}
    for q in which:
        lines.append(f"| {q} | " + " | ".join(f"{med[n][q]:.3f}" if q in med[n] else "-" for n in names) + " |")

    def ratio(x, y):
        both = [q for q in which if q in med[x] and q in med[y]]
        return math.exp(statistics.fmean(math.log(med[x][q] / med[y][q]) for q in both)) if both else float("nan")

    lines += ["", "Geometric mean of the ratios:"]
    for n in names[1:]:
        if n.startswith("tarn"):
            lines += [f"- {n} / {o}: {ratio(n, o):.3f}" for o in names if o != n]
    lines += ["", "Answers: " + ("all equal" if not wrong else "")] + [f"- {w}" for w in wrong]
    text = "\n".join(lines) + "\n"
    print(text)
    if a.out:
        os.makedirs(os.path.dirname(os.path.abspath(a.out)), exist_ok=True)
        with open(a.out, "w", encoding="utf-8") as f:
            f.write(text)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
