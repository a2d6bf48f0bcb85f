#!/usr/bin/env python3
"""More data than memory: an aggregation and a sort of 10 GB of Parquet on a cluster that may use 2 GB.

    big_input.py --tarn BIN [--gigabytes 10] [--memory 2GB] [--out bench/results/big_input.md]

Makes the input with DuckDB in a temporary folder (random keys and texts, not compressed), groups it by a key of five million
values, then sorts it by another and writes the sorted rows as Parquet; each on a fresh server, then in DuckDB with the same limit in
a process of its own. The answers are checked: counts and sums of the groups, number and order of the rows written. Needs about four
times the input in the folder, which is deleted afterwards.
"""
import argparse
import glob
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import warnings

warnings.filterwarnings("ignore")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tpch  # noqa: E402

PART_ROWS = 2_000_000


def make_input(folder: str, size: int) -> int:
    """Parquet files of `size` bytes together; returns the number of rows."""
    import duckdb
    db = duckdb.connect(config={"memory_limit": "2GB", "threads": os.cpu_count()})
    os.makedirs(folder)
    done, parts = 0, 0
    while done < size:
        path = f"{folder}/part-{parts:04d}.parquet"
        first = parts * PART_ROWS
        db.execute(f"""copy (select range as id, hash(range) % 1000000000 as sort_key, md5(cast(range as varchar)) as text_key,
                               hash(range, 5) % 5000000 as group_key, hash(range, 3) / 1e3 as amount,
                               md5(cast(-range as varchar)) || md5(cast(range * 3 as varchar)) || md5(cast(range * 5 as varchar)) as payload
                        from range({first}, {first + PART_ROWS})) to '{path}' (format parquet, compression uncompressed)""")
        done += os.path.getsize(path)
        parts += 1
    db.close()
    return parts * PART_ROWS


class PeakMemory(threading.Thread):
    """The greatest resident memory of a process while it is watched, in MB."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.peak, self.ended = pid, 0.0, threading.Event()

    def run(self):
        while not self.ended.wait(0.2):
            try:
                with open(f"/proc/{self.pid}/status", encoding="ascii") as f:
                    self.peak = max(self.peak, next(int(line.split()[1]) / 1024 for line in f if line.startswith("VmRSS")))
            except (OSError, StopIteration):
                return


def tarn(binary, home, memory):
    os.makedirs(home)
    p = subprocess.Popen([binary, "cluster", "--listen", "127.0.0.1:0", "--home", home, "--memory", memory], stdout=subprocess.PIPE,
                         stderr=open(home + "/stderr.log", "wb"), text=True)
    return p, p.stdout.readline().split()[-1]


def in_duckdb(statement: str, spill: str, memory: str):
    """Seconds and peak memory in MB of a statement in a process of its own."""
    program = ("import duckdb, resource, sys, time\n"
               "db = duckdb.connect(config={'memory_limit': sys.argv[3], 'temp_directory': sys.argv[2]})\n"
               "begin = time.perf_counter(); db.execute(sys.argv[1]).fetchall()\n"
               "print(time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)")
    seconds, peak = subprocess.run([sys.executable, "-c", program, statement, spill, memory], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    return float(seconds), float(peak)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tarn", required=True)
    p.add_argument("--gigabytes", type=float, default=10)
    p.add_argument("--memory", default="2GB")
    p.add_argument("--folder", help="where the temporary folder is made")
    p.add_argument("--out")
    a = p.parse_args()
    import duckdb
    from pyspark.sql.connect.session import SparkSession
    work = tempfile.mkdtemp(prefix="tarn-big-", dir=a.folder)
    server = spark = None
    try:
        begin = time.perf_counter()
        rows = make_input(work + "/in", int(a.gigabytes * 1e9))
        size = sum(os.path.getsize(f) for f in glob.glob(work + "/in/*.parquet"))
        print(f"{size / 1e9:.1f} GB, {rows:,} rows made in {time.perf_counter() - begin:.0f} s", file=sys.stderr, flush=True)
        lines = [f"{size / 1e9:.1f} GB of Parquet ({rows:,} rows), limit {a.memory}, {os.cpu_count()} cores", "",
                 "| work | Tarn | peak resident memory | DuckDB | peak resident memory |", "|---|---|---|---|---|"]
        groups = "select group_key, count(*) n, sum(id) ids, max(text_key) t, sum(amount) s from {} group by group_key"

        def measured(name, work_of, statement):
            nonlocal server, spark
            server, remote = tarn(a.tarn, f"{work}/home{len(lines)}", a.memory)
            spark = SparkSession.builder.remote(remote).create()
            spark.read.parquet(work + "/in").createOrReplaceTempView("big")
            watch = PeakMemory(server.pid)
            watch.start()
            begin = time.perf_counter()
            answer = work_of()
            seconds = time.perf_counter() - begin
            watch.ended.set()
            spark.stop()
            tpch.stop(server)
            server = spark = None
            peer_seconds, peer_peak = in_duckdb(statement, work + "/spill", a.memory)
            lines.append(f"| {name} | {seconds:.0f} s | {watch.peak:,.0f} MB | {peer_seconds:.0f} s | {peer_peak:,.0f} MB |")
            print(lines[-1], file=sys.stderr, flush=True)
            return answer

        counts = f"select count(*), sum(n), sum(ids), count(t) from ({groups})"
        files = f"read_parquet('{work}/in/*.parquet')"
        got = measured("aggregation into 5 M groups: counts, sums, greatest text", lambda: spark.sql(counts.format("big")).collect()[0], counts.format(files))
        assert got[1] == rows and got[2] == rows * (rows - 1) // 2 and got[3] == got[0], got
        measured("sort of all rows, written as Parquet", lambda: spark.sql("select * from big order by sort_key, id").write.parquet(work + "/out"),
                 f"copy (select * from {files} order by sort_key, id) to '{work}/peer.parquet' (format parquet)")
        os.remove(work + "/peer.parquet")
        # Files are numbered in the order of their rows.
        db = duckdb.connect(config={"memory_limit": "2GB"})
        last, count = None, 0
        for f in sorted(glob.glob(work + "/out/*.parquet")):
            n, low, high, broken = db.execute(f"""select count(*), arg_min(sort_key, file_row_number), arg_max(sort_key, file_row_number), count(*) filter (sort_key < previous)
                from (select sort_key, file_row_number, lag(sort_key) over (order by file_row_number) as previous from read_parquet('{f}', file_row_number = true))""").fetchone()
            assert broken == 0 and (last is None or low >= last), f
            last, count = high, count + n
        assert count == rows, (count, rows)
    finally:
        if spark:
            spark.stop()
        tpch.stop(server)
        shutil.rmtree(work, ignore_errors=True)
    text = "\n".join(lines + ["", "Answers: checked"]) + "\n"
    print(text)
    if a.out:
        os.makedirs(os.path.dirname(os.path.abspath(a.out)), exist_ok=True)
        with open(a.out, "w", encoding="utf-8") as f:
            f.write(text)


if __name__ == "__main__":
    main()
