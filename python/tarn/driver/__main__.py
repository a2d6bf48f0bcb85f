"""python -m tarn.driver FD: runs the code that comes through the socket FD until the other end closes.

From the server, in this order: hello {host, token, remote, facts, parameters}; any number of execute {id, language, code}.
To the server: ready {pid}; for each execute any number of output {id, kind, …} and one done {id, status, …}. kind is stream (name, text), value
and text (data), html (data), image (mime, data) or table (schema, rows, truncated). status is ok, error and interrupted (error: name, message,
traceback), exit (value) or restart (the process wants to be replaced). SIGINT interrupts the code that runs.
"""
from __future__ import annotations

import os
import signal
import sys
import threading

from tarn.driver.channel import Channel
from tarn.driver.output import Capture, Stream


def main() -> int:
    channel = Channel(int(sys.argv[1]))
    running: str | None = None       # the id of the execute that runs
    signal.signal(signal.SIGINT, lambda *_: channel.interrupt() if running else None)
    hello = channel.receive()
    if hello is None:
        return 0
    # Here and not in the environment that the process was started with, which others of the same machine may read.
    os.environ["DATABRICKS_HOST"], os.environ["DATABRICKS_TOKEN"] = hello["host"], hello["token"]
    sys.argv = ["driver"]

    def emit(name: str, text: str) -> None:
        channel.send({"type": "output", "id": running, "kind": "stream", "name": name, "text": text})

    capture = Capture(emit)
    sys.stdout, sys.stderr = Stream(capture, "stdout", 1), Stream(capture, "stderr", 2)  # type: ignore[assignment]

    def send(message: dict) -> None:
        capture.drain()
        channel.send({**message, "id": running})

    from tarn.driver.repl import Cell, Repl

    try:
        repl = Repl(hello, send)
    except BaseException as e:  # noqa: BLE001: said to the server, which says it to the user
        capture.drain()
        channel.send({"type": "failed", "message": f"{type(e).__name__}: {e}"})
        return 1
    channel.send({"type": "ready", "pid": os.getpid()})
    while (message := channel.receive()) is not None:
        if message.get("type") != "execute":
            continue
        running = message["id"]
        try:
            cell = repl.run(message["language"], message["code"])
        except KeyboardInterrupt:
            cell = Cell("interrupted", error={"name": "KeyboardInterrupt", "message": "the command was cancelled", "traceback": ""})
        while True:   # an interrupt may still be on its way; it has nothing more to end
            try:
                if cell.message["status"] == "interrupted":
                    threading.Thread(target=repl.cancel_queries, daemon=True).start()
                for stream in (sys.stdout, sys.stderr):
                    stream.flush()
                capture.drain()
                break
            except KeyboardInterrupt:
                continue
            except Exception:  # noqa: BLE001: code may have put something of its own in the place of sys.stdout
                capture.drain()
                break
        done, running = running, None
        channel.forget_interrupt()
        channel.send({"type": "done", "id": done, **cell.message})
        if cell.message["status"] == "restart":
            break
    sys.stdout = sys.stderr = open(os.devnull, "w")
    os._exit(0)   # threads of the code do not keep the process


if __name__ == "__main__":
    sys.exit(main())
