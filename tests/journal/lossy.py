"""A way to a server on which the answer to a COMMIT, or the COMMIT itself, is lost."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

_COMMIT = b"COMMIT\0"


class Lossy:
    """A proxy on loopback. `lose`: the next COMMIT is not delivered ("before"), or its answer is not ("after").

    `away_after_loss`: from then on the server cannot be reached any more, until `back` is called.
    """

    def __init__(self, server: int) -> None:
        self.lose: Literal["before", "after"] | None = None
        self.away_after_loss = False
        self._away = False
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = [self._listener]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """End every connection."""
        for one in self._open:
            _end(one)

    def away(self) -> None:
        """End every connection, and accept none from now on."""
        self._away = True
        for one in self._open[1:]:
            _end(one)

    def back(self) -> None:
        """Let the server be reached again."""
        self._away = self.away_after_loss = False

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._away:
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self._server))
                self._open += [client, server]
                threading.Thread(target=self._ask, args=(client, server), daemon=True).start()
                threading.Thread(target=_pass_on, args=(server, client), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                lose = self.lose if _COMMIT in data else None
                if lose:
                    self.lose = None
                    self._away = self.away_after_loss
                    # Our client hears no more; what was delivered is carried out.
                    _end(client)
                if lose != "before":
                    server.sendall(data)
                if lose:
                    break
            server.shutdown(socket.SHUT_WR)


def _pass_on(server: socket.socket, client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := server.recv(65536):
            client.sendall(data)
    _end(client)


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


@contextmanager
def lossy(server: int) -> Iterator[Lossy]:
    """Run a proxy to the server's port inside the block."""
    proxy = Lossy(server)
    try:
        yield proxy
    finally:
        proxy.close()
