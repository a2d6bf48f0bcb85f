"""Fixtures of the tests with real clients: clusters, and a proxy that can break connections."""
import os
import socket
import sys
import threading

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from clusters import ROOT, Cluster, cluster, cluster_at, pytest_sessionfinish, pytest_unconfigure, spark, tarn_binary  # noqa: E402,F401


class Proxy:
    """Passes TCP on to a port and can cut every connection after so many bytes of answers."""

    def __init__(self, port):
        self.target, self.cut_after, self.cuts = port, None, 0
        self.passed = 0
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            upstream = socket.create_connection(("127.0.0.1", self.target))
            for a, b, answers in ((client, upstream, False), (upstream, client, True)):
                threading.Thread(target=self._pump, args=(a, b, answers), daemon=True).start()

    def _pump(self, source, sink, answers):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
                if answers:
                    self.passed += len(data)
                    if self.cut_after is not None and self.passed > self.cut_after:
                        self.passed, self.cuts = 0, self.cuts + 1
                        break
        except OSError:
            pass
        for s in (source, sink):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.server.close()


@pytest.fixture
def proxy(cluster):
    p = Proxy(cluster.port)
    yield p
    p.close()


def endless(spark):
    """A query that runs until somebody ends it."""
    return spark.range(10**13).selectExpr("max(id)")
