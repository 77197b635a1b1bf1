"""A server of Postgres that lets nobody in, or goes away when it has."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_CLEARTEXT = b"R" + struct.pack("!ii", 8, 3)
_OK = b"R" + struct.pack("!ii", 8, 0)
_PROTOCOL = 196608  # 3.0; a request for encryption has another major version


def refusal(code: str, text: str) -> bytes:
    """Return the message by which a server refuses."""
    fields = b"".join(one.encode() + b"\0" for one in ("SFATAL", "VFATAL", f"C{code}", f"M{text}")) + b"\0"
    return b"E" + struct.pack("!i", len(fields) + 4) + fields


@contextmanager
def refusing(says: bytes) -> Iterator[int]:
    """Serve on a port: ask for a password, take it, say so, and close."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener, says), daemon=True).start()
        yield int(listener.getsockname()[1])
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket, says: bytes) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            with client:
                while not _asks_for_a_session(client):
                    client.sendall(b"N")
                client.sendall(_CLEARTEXT)
                client.recv(1024)
                client.sendall(_OK + says)


def _asks_for_a_session(client: socket.socket) -> bool:
    _, version = struct.unpack("!ii", client.recv(8, socket.MSG_PEEK))
    wanted = version >= _PROTOCOL and version >> 16 == 3
    client.recv(1024)
    return bool(wanted)
