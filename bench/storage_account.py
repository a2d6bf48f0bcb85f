#!/usr/bin/env python3
"""A file to the workspace's storage account and back through the dfs protocol with the stock client, beside the rate of the disk.

    storage_account.py --tarn build/release/bin/tarn [--megabytes 1024] [--runs 5] [--directory DIR] [--out bench/results/storage_account.md]

The disk's rates are those of one process that writes the same bytes in one piece after the other and makes them durable, and that reads them;
the page cache is told to forget the file before every read, the account's file included. DIR (the default: the system's temporary directory) is
where all of it lies. Taken in turns, the medians; the memory is what the server's resident set grows by at its highest.
"""
import argparse
import json
import os
import signal
import statistics
import subprocess
import tempfile
import time

PIECE = 8 << 20


def forget(path):
    """The page cache holds nothing of the file any more (what is not durable yet is written first)."""
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


def timed(work):
    start = time.monotonic()
    work()
    return time.monotonic() - start


def disk_write(source, path):
    with open(source, "rb", buffering=0) as i, open(path, "wb", buffering=0) as o:
        while piece := i.read(PIECE):
            o.write(piece)
        os.fdatasync(o.fileno())


def disk_read(path):
    with open(path, "rb", buffering=0) as f:
        while f.read(PIECE):
            pass


class Account:
    def __init__(self, tarn, home):
        self.process = subprocess.Popen([tarn, "server", "--listen", "127.0.0.1:0", "--home", home, "--log-level", "warn"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("tarn server ready"), line
        keys = json.load(open(os.path.join(home, "storage-account.json"), encoding="utf-8"))
        from azure.storage.filedatalake import DataLakeServiceClient

        url = f"http://127.0.0.1:{line.strip().rsplit(':', 1)[1]}/{keys['account']}"
        service = DataLakeServiceClient(url, credential={"account_name": keys["account"], "account_key": keys["key1"]})
        self.system = service.create_file_system("bench")
        self.file = os.path.join(home, "storage", keys["account"], "data", "bench", "file")

    def upload(self, source, connections):
        with open(source, "rb") as f:
            self.system.get_file_client("file").upload_data(f, os.path.getsize(source), overwrite=True, chunk_size=PIECE, max_concurrency=connections)

    def download(self, connections):
        with open(os.devnull, "wb", buffering=0) as nowhere:
            got = self.system.get_file_client("file").download_file(max_concurrency=connections).readinto(nowhere)
        assert got == os.path.getsize(self.file)

    def memory(self, name):
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith(name)) / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tarn", required=True)
    p.add_argument("--megabytes", type=int, default=1024)
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--connections", type=int, default=2)
    p.add_argument("--directory")
    p.add_argument("--out")
    a = p.parse_args()
    with tempfile.TemporaryDirectory(dir=a.directory) as work:
        source, copy = f"{work}/source", f"{work}/copy"
        with open(source, "wb") as f:
            for _ in range(a.megabytes * (1 << 20) // PIECE):
                f.write(os.urandom(PIECE))
        size = os.path.getsize(source) / (1 << 20)
        account = Account(os.path.abspath(a.tarn), f"{work}/home")
        try:
            account.upload(source, a.connections)
            before = account.memory("VmRSS")
            with open(f"/proc/{account.process.pid}/clear_refs", "w") as f:
                f.write("5")  # the highest so far is now
            times = {"disk, write": [], "upload": [], "disk, read": [], "download": []}
            for _ in range(a.runs):
                disk_read(source)  # in memory: the source costs neither of the two anything
                times["disk, write"].append(timed(lambda: disk_write(source, copy)))
                times["upload"].append(timed(lambda: account.upload(source, a.connections)))
                forget(copy)
                times["disk, read"].append(timed(lambda: disk_read(copy)))
                forget(account.file)
                times["download"].append(timed(lambda: account.download(a.connections)))
            with open(source, "rb") as x, open(account.file, "rb") as y:
                while piece := x.read(PIECE):
                    assert piece == y.read(PIECE), "the account's file differs"
            grown = account.memory("VmHWM") - before
        finally:
            account.stop()
    rate = {n: size / statistics.median(t) for n, t in times.items()}
    lines = [f"{size:.0f} MB through `dfs` with the stock client ({a.connections} connections), {a.runs} runs, {os.cpu_count()} cores", "",
             "| | MB/s | of the disk's rate |", "|---|---|---|"]
    for name, base in (("disk, write", None), ("upload", "disk, write"), ("disk, read", None), ("download", "disk, read")):
        lines.append(f"| {name} | {rate[name]:.0f} | {'' if base is None else format(rate[name] / rate[base], '.2f')} |")
    lines += ["", f"The server's memory grew by {grown:.0f} MB (from {before:.0f} MB)."]
    print("\n".join(lines))
    if a.out:
        os.makedirs(os.path.dirname(a.out) or ".", exist_ok=True)
        with open(a.out, "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
