"""What running code prints: by Python, by C code and by child processes, in order, as messages to the server."""
from __future__ import annotations

import codecs
import io
import os
import select
import threading
from typing import Callable


class Capture:
    """Takes over the file descriptors 1 and 2, and sys.stdout and sys.stderr. emit(name, text) gets everything."""

    def __init__(self, emit: Callable[[str, str], None]):
        self._emit = emit
        self._lock = threading.RLock()
        self._pipes: dict[int, tuple[str, codecs.IncrementalDecoder]] = {}
        for fd, name in ((1, "stdout"), (2, "stderr")):
            r, w = os.pipe()
            os.set_blocking(r, False)
            os.dup2(w, fd)
            os.close(w)
            self._pipes[r] = (name, codecs.getincrementaldecoder("utf8")("replace"))
        threading.Thread(target=self._watch, name="output", daemon=True).start()

    def drain(self) -> None:
        """Hands on what has been written to the descriptors so far."""
        with self._lock:
            for fd, (name, decoder) in self._pipes.items():
                while True:
                    try:
                        data = os.read(fd, 65536)
                    except BlockingIOError:
                        break
                    if not data:
                        break
                    if text := decoder.decode(data):
                        self._emit(name, text)

    def _watch(self) -> None:
        while True:
            try:
                select.select(list(self._pipes), [], [])
                self.drain()
            except OSError:
                return

    def write(self, name: str, text: str) -> None:
        with self._lock:
            self.drain()
            self._emit(name, text)


class Stream(io.TextIOBase):
    """sys.stdout or sys.stderr of the code that runs."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, capture: Capture, name: str, fd: int):
        self._capture, self._name, self._fd, self._pid = capture, name, fd, os.getpid()
        self.buffer = _Bytes(fd)

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if os.getpid() != self._pid:   # a forked child writes where its C code would
            os.write(self._fd, text.encode("utf8", "replace"))
        elif text:
            self._capture.write(self._name, text)
        return len(text)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return False


class _Bytes(io.RawIOBase):
    def __init__(self, fd: int):
        self._fd = fd

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:  # type: ignore[override]
        data = bytes(data)
        at = 0
        while at < len(data):
            at += os.write(self._fd, data[at:at + 32768])
        return len(data)
