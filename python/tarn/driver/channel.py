"""The connection to the server: JSON messages, each after its length (4 bytes, big endian), on one socket."""
from __future__ import annotations

import json
import os
import socket
import struct
import threading
from typing import Any

MAX_MESSAGE = 64 << 20


class Channel:
    """Messages from and to the server. send() may be called from any thread; an interrupt never cuts a message in two."""

    def __init__(self, fd: int):
        os.set_inheritable(fd, False)
        self._socket = socket.socket(fileno=fd)
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._main = threading.main_thread()
        self._busy = False          # the main thread is in the middle of a message
        self._pending = False       # an interrupt came meanwhile

    def send(self, message: dict[str, Any]) -> None:
        if os.getpid() != self._pid:    # a forked child has no voice of its own
            return
        data = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf8", "replace")
        frame = struct.pack(">I", len(data)) + data
        main = threading.current_thread() is self._main
        if main:
            self._busy = True
        try:
            with self._lock:
                self._socket.sendall(frame)
        finally:
            if main:
                self._busy = False
                if self._pending:
                    self._pending = False
                    raise KeyboardInterrupt

    def receive(self) -> dict[str, Any] | None:
        """The next message; None when the server is gone."""
        head = self._read(4)
        if head is None:
            return None
        (size,) = struct.unpack(">I", head)
        if size > MAX_MESSAGE:
            return None
        data = self._read(size)
        return None if data is None else json.loads(data)

    def _read(self, size: int) -> bytes | None:
        parts = bytearray()
        while len(parts) < size:
            piece = self._socket.recv(size - len(parts))
            if not piece:
                return None
            parts += piece
        return bytes(parts)

    def interrupt(self) -> None:
        """Called by the signal handler in the main thread while code runs."""
        if self._busy:
            self._pending = True
        else:
            raise KeyboardInterrupt

    def forget_interrupt(self) -> None:
        self._pending = False
