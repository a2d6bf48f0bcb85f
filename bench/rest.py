#!/usr/bin/env python3
"""The workspace's HTTP figures: latency at a fixed rate of requests, and the memory of idle connections.

    rest.py --tarn build/release/bin/tarn [--database URL] [--rate 200] [--seconds 20] [--connections 1000] [--out FILE]

Requests are sent on a schedule, not after the answer to the one before: a slow answer does not slow the load (no coordinated omission). Latency
counts from the moment a request was due. The mix: four reads and one write, over keep-alive connections, with a token.
"""
import argparse
import http.client
import json
import os
import queue
import signal
import socket
import subprocess
import tempfile
import threading
import time


def start(tarn, home, *options):
    process = subprocess.Popen([tarn, "server", "--listen", "127.0.0.1:0", "--home", home, "--log-level", "warn", *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    line = process.stdout.readline()
    assert line.startswith("tarn server ready"), line
    return process, int(line.strip().rsplit(":", 1)[1]), open(os.path.join(home, "admin-token")).read().strip()


def resident_mb(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) / 1024


def mix(i):
    return [("GET", "/api/2.0/preview/scim/v2/Me", None), ("GET", "/api/2.1/clusters/list", None), ("GET", "/api/2.0/secrets/scopes/list", None),
            ("GET", "/api/2.0/workspace/list?path=/", None), ("POST", "/api/2.0/workspace/mkdirs", {"path": f"/Shared/bench/{i % 1000}"})][i % 5]


def latency(port, token, rate, seconds, clients=32):
    due, times, errors = queue.Queue(), [], []

    def client():
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while (item := due.get()) is not None:
            i, at = item
            method, path, body = mix(i)
            try:
                connection.request(method, path, json.dumps(body) if body else None, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    errors.append(answer.status)
            except (OSError, http.client.HTTPException) as e:
                errors.append(repr(e))
                connection.close()  # the next request connects anew
            times.append(time.perf_counter() - at)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for t in threads:
        t.start()
    begin = time.perf_counter()
    for i in range(int(rate * seconds)):
        at = begin + i / rate
        if (wait := at - time.perf_counter()) > 0:
            time.sleep(wait)
        due.put((i, at))
    for _ in threads:
        due.put(None)
    for t in threads:
        t.join()
    times.sort()
    at = lambda q: times[min(len(times) - 1, int(len(times) * q))] * 1000  # noqa: E731
    return {"requests": len(times), "errors": len(errors), "p50_ms": at(0.5), "p90_ms": at(0.9), "p99_ms": at(0.99), "max_ms": times[-1] * 1000}


def idle(pid, port, n):
    before = resident_mb(pid)
    sockets = []
    for _ in range(n):
        s = socket.create_connection(("127.0.0.1", port))
        s.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        sockets.append(s)
    for s in sockets:
        assert s.recv(4096).startswith(b"HTTP/1.1 200")
    time.sleep(1)
    after = resident_mb(pid)
    for s in sockets:
        s.close()
    return {"connections": n, "more_mb": after - before}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tarn", required=True)
    p.add_argument("--database", help="PostgreSQL for the metadata; tools/with_postgres.py starts one")
    p.add_argument("--rate", type=float, default=200)
    p.add_argument("--seconds", type=float, default=20)
    p.add_argument("--connections", type=int, default=1000)
    p.add_argument("--out")
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as home:
        process, port, token = start(a.tarn, home, *(["--database", a.database] if a.database else []))
        try:
            latency(port, token, a.rate, 2)
            l = latency(port, token, a.rate, a.seconds)
            m = idle(process.pid, port, a.connections)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    text = (f"| figure | value | goal |\n|---|---|---|\n| REST at {a.rate:.0f} requests/s: p50 / p90 / p99 / greatest, ms | {l['p50_ms']:.1f} / {l['p90_ms']:.1f} / {l['p99_ms']:.1f} / {l['max_ms']:.1f} | p99 ≤ 10 |\n"
            f"| failed of {l['requests']} requests | {l['errors']} | 0 |\n| memory of {m['connections']} idle connections, MB | {m['more_mb']:.1f} | ≤ 100 |\n")
    print(text, end="")
    if a.out:
        os.makedirs(os.path.dirname(a.out) or ".", exist_ok=True)
        with open(a.out, "w") as f:
            f.write(text)


if __name__ == "__main__":
    main()
