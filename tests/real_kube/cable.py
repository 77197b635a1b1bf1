"""A cable to a server that can be cut: connections end, and new ones are refused, until it is whole again."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Cable:
    """Listens on one loopback port as long as it is whole."""

    def __init__(self, host: str, port: int) -> None:
        self._to = host, port
        self._listener: socket.socket | None = None
        self._ends: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.port = 0
        self.mend()

    def mend(self) -> None:
        """Let connections through from now on."""
        listener = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        """End every connection, and refuse new ones."""
        with self._lock:
            if self._listener is not None:
                with contextlib.suppress(OSError):
                    self._listener.shutdown(socket.SHUT_RDWR)
                self._listener.close()
                self._listener = None
            for end in self._ends:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        with near, contextlib.suppress(OSError), socket.create_connection(self._to, 10) as far:
            far.settimeout(None)
            with self._lock:
                if self._listener is None:
                    return
                self._ends |= {near, far}
            try:
                _pump(near, far)
            finally:
                with self._lock:
                    self._ends -= {near, far}


def _pump(near: socket.socket, far: socket.socket) -> None:
    """Carry bytes both ways until one side ends."""
    other = {near: far, far: near}
    while True:
        ready, _, _ = select.select([near, far], [], [])
        for end in ready:
            data = end.recv(65536)
            if not data:
                return
            other[end].sendall(data)


@contextmanager
def cable(host: str, port: int) -> Iterator[Cable]:
    """Such a cable, inside the block."""
    one = Cable(host, port)
    try:
        yield one
    finally:
        one.cut()
