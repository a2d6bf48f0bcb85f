#!/usr/bin/env python3
"""A file to the workspace's storage account and back through the dfs protocol with the stock client, beside the rate of the disk.

    storage_account.py --tarn build/release/bin/tarn [--megabytes 1024] [--runs 5] [--directory DIR] [--out bench/results/storage_account.md]

"The client alone" is the same client against a server that does nothing but move the bytes: sendfile(2) from a file in memory, and recv(2) to
nowhere, a process a connection, no authentication. What the stock client's own work leaves possible is that rate; ours can be near it, not above.

The disk's rates are those of one process that writes the same bytes in one piece after the other and makes them durable, and that reads them;
the page cache is told to forget the file before every read, the account's file included. DIR (the default: the system's temporary directory) is
where all of it lies. Taken in turns, the medians; the memory is what the server's resident set grows by at its highest. Processor times, which a busy machine
changes little, are of the whole server and of the client's process.
"""
import argparse
import json
import os
import re
import signal
import socket
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


def serve_nothing(connection, path):
    """One connection of the null server: GET is answered with the file's range, what has a body is read and thrown away."""
    size, waste, kept = os.path.getsize(path), bytearray(1 << 20), b""
    with open(path, "rb", buffering=0) as f:
        while True:
            while b"\r\n\r\n" not in kept:
                piece = connection.recv(65536)
                if not piece:
                    return
                kept += piece
            head, _, kept = kept.partition(b"\r\n\r\n")
            method = head[:head.index(b" ")]
            fields = {k.strip().lower(): v.strip() for k, _, v in (line.partition(b":") for line in head.split(b"\r\n")[1:])}
            left = int(fields.get(b"content-length", 0)) - len(kept)
            kept = b""
            while left > 0:
                left -= connection.recv_into(waste, min(left, len(waste)))
            common = b'ETag: "0x1"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nx-ms-version: 2024-08-04\r\nx-ms-blob-type: BlockBlob\r\nx-ms-request-server-encrypted: true\r\n'
            wanted = re.fullmatch(rb"bytes=(\d+)-(\d*)", fields.get(b"x-ms-range", fields.get(b"range", b"")))
            if method == b"GET" and wanted:
                start, end = int(wanted[1]), min(int(wanted[2] or size - 1), size - 1)
                connection.sendall(b"HTTP/1.1 206 Partial Content\r\n%bContent-Range: bytes %d-%d/%d\r\nContent-Length: %d\r\n\r\n" % (common, start, end, size, end + 1 - start))
                while start <= end:
                    start += os.sendfile(connection.fileno(), f.fileno(), start, end + 1 - start)
            else:
                status = b"201 Created" if method == b"PUT" else b"202 Accepted" if b"action=append" in head.split(b" ", 2)[1] else b"200 OK"
                connection.sendall(b"HTTP/1.1 %b\r\n%bContent-Length: 0\r\n\r\n" % (status, common))


class NullServer:
    """A process that forks one more for each connection."""

    def __init__(self, path):
        listening = socket.create_server(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        self.pid = os.fork()
        if self.pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            os.setpgid(0, 0)
            while True:
                connection, _ = listening.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if os.fork() == 0:
                    try:
                        serve_nothing(connection, path)
                    except OSError:
                        pass
                    finally:
                        os._exit(0)
                connection.close()
        listening.close()

    def stop(self):
        os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


class Transfers:
    """Upload and download of one file by the stock client."""

    def connect(self, url, account, key):
        from azure.storage.filedatalake import DataLakeServiceClient

        self.system = DataLakeServiceClient(url, credential={"account_name": account, "account_key": key}).get_file_system_client("bench")

    def upload(self, source, connections):
        with open(source, "rb") as f:
            self.system.get_file_client("file").upload_data(f, os.path.getsize(source), overwrite=True, chunk_size=PIECE, max_concurrency=connections)

    def download(self, size, connections):
        with open(os.devnull, "wb", buffering=0) as nowhere:
            got = self.system.get_file_client("file").download_file(max_concurrency=connections).readinto(nowhere)
        assert got == size


class ClientAlone(Transfers):
    def __init__(self, path):
        self.server = NullServer(path)
        self.connect(f"http://127.0.0.1:{self.server.port}/null", "null", "a2V5")

    def stop(self):
        self.server.stop()


class Account(Transfers):
    def __init__(self, tarn, home):
        self.process = subprocess.Popen([tarn, "server", "--listen", "127.0.0.1:0", "--home", home, "--log-level", "warn"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("tarn server ready"), line
        keys = json.load(open(os.path.join(home, "storage-account.json"), encoding="utf-8"))
        self.connect(f"http://127.0.0.1:{line.strip().rsplit(':', 1)[1]}/{keys['account']}", keys["account"], keys["key1"])
        self.system.create_file_system()
        self.file = os.path.join(home, "storage", keys["account"], "data", "bench", "file")

    def processor_time(self):
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

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
        alone = ClientAlone(source)   # before any thread
        account = Account(os.path.abspath(a.tarn), f"{work}/home")
        try:
            account.upload(source, a.connections)
            before = account.memory("VmRSS")
            with open(f"/proc/{account.process.pid}/clear_refs", "w") as f:
                f.write("5")  # the highest so far is now
            times = {n: [] for n in ("disk, write", "client alone, upload", "upload", "disk, read", "client alone, download", "download")}
            spent = {}   # processor time: of the server, of the client
            def work(way, f):
                before = account.processor_time(), time.process_time()
                times[way].append(timed(f))
                spent.setdefault(way, []).append((account.processor_time() - before[0], time.process_time() - before[1]))

            for _ in range(a.runs):
                disk_read(source)  # in memory: the source costs neither of the two anything
                times["disk, write"].append(timed(lambda: disk_write(source, copy)))
                times["client alone, upload"].append(timed(lambda: alone.upload(source, a.connections)))
                work("upload", lambda: account.upload(source, a.connections))
                forget(copy)
                times["disk, read"].append(timed(lambda: disk_read(copy)))
                times["client alone, download"].append(timed(lambda: alone.download(os.path.getsize(source), a.connections)))
                forget(account.file)
                work("download", lambda: account.download(os.path.getsize(source), a.connections))
            with open(source, "rb") as x, open(account.file, "rb") as y:
                while piece := x.read(PIECE):
                    assert piece == y.read(PIECE), "the account's file differs"
            grown = account.memory("VmHWM") - before
        finally:
            account.stop()
            alone.stop()
    rate = {n: size / statistics.median(t) for n, t in times.items()}
    lines = [f"{size:.0f} MB through `dfs` with the stock client ({a.connections} connections), {a.runs} runs, {os.cpu_count()} cores", "",
             "| | MB/s | of the disk's rate | of the client's own |", "|---|---|---|---|"]
    for way, disk in (("upload", "disk, write"), ("download", "disk, read")):
        alone = f"client alone, {way}"
        lines.append(f"| {disk} | {rate[disk]:.0f} | | |")
        for name in (alone, way):
            lines.append(f"| {name} | {rate[name]:.0f} | {rate[name] / rate[disk]:.2f} | {'' if name == alone else format(rate[name] / rate[alone], '.2f')} |")
    for way, pairs in spent.items():
        server, client = (statistics.median(p[i] for p in pairs) * 1024 / size for i in (0, 1))
        lines += ["", f"Processor time of a GB, {way}: {server:.2f} s of the server, {client:.2f} s of the client."]
    lines += ["", f"The server's memory grew by {grown:.0f} MB (from {before:.0f} MB)."]
    print("\n".join(lines))
    if a.out:
        os.makedirs(os.path.dirname(a.out) or ".", exist_ok=True)
        with open(a.out, "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
