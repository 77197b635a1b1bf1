"""A real PgBouncer before the server of the tests: one connection, which all clients share."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.postgres import PASSWORD, PATIENCE, USER, Server
from tests.tools import FOLDER, tool

_SETTINGS = """\
[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = {mode}
default_pool_size = 1
admin_users = {user}
"""


class Bouncer:
    """A PgBouncer that can be paused, and killed and started again."""

    def __init__(self, folder: Path, server: Server, mode: str) -> None:
        self.port = _free_port()
        users, self._settings = folder / "users", folder / "pgbouncer.ini"
        users.write_text(f'"{USER}" "{PASSWORD}"\n')
        self._settings.write_text(
            _SETTINGS.format(server=server.port, port=self.port, users=users, mode=mode, user=USER)
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        as_whom = ["-u", "nobody"] if os.getuid() == 0 else []
        program = [str(tool("pgbouncer")), "-q", *as_whom, str(self._settings)]
        self._process = subprocess.Popen(program, env={"LD_LIBRARY_PATH": str(FOLDER.with_name("lib"))})
        until = time.monotonic() + PATIENCE
        while True:
            try:
                self.order("SHOW VERSION")
            except psycopg.OperationalError:
                assert self._process.poll() is None, "PgBouncer ended"
                assert time.monotonic() < until, "PgBouncer does not answer"
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        """End it, and every connection with it."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def order(self, command: str) -> None:
        """Give an order of its administrator, such as PAUSE or RESUME."""
        login: dict[str, Any] = {"host": "127.0.0.1", "port": self.port, "user": USER, "password": PASSWORD}
        with psycopg.connect(**login, dbname="pgbouncer", autocommit=True, connect_timeout=2) as connection:
            psycopg.ClientCursor(connection).execute(command.encode())


@contextmanager
def bouncing(server: Server, mode: str = "transaction") -> Iterator[Bouncer]:
    """Run a PgBouncer before the server inside the block."""
    with tempfile.TemporaryDirectory(prefix="rollout-pgbouncer-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        bouncer = Bouncer(folder, server, mode)
        try:
            bouncer.start()
            yield bouncer
        finally:
            bouncer.kill()


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
