"""The way to a Postgres server: connections on which no wait lasts for ever, and what it means when none comes about.

A server may be silent while its TCP connection stands: a bouncer that pauses, a process that was stopped, a COMMIT that
waits for a standby. Its own timeouts do not help then, and TCP's neither: we close the connection and go on from there.
"""

from __future__ import annotations

import re
from time import monotonic, sleep
from typing import Any

import psycopg
from psycopg import DatabaseError, Error, OperationalError, ProgrammingError, errors, pq
from psycopg._conninfo_attempts import conninfo_attempts

from rollout.errors import RESUMABLE, USAGE

__all__ = ["Connection", "Error", "Line", "OperationalError", "Silent", "of_the_server", "unknown", "why"]

#: Seconds to wait for a connection, and for the answer to one statement or COMMIT.
CONNECT_SECONDS = 5
ANSWER_SECONDS = 8.0
#: Seconds to wait for either while the server is silent: until a transaction has ended. A process that is told
#: to stop meets an answer that does not come, asks what stands, and releases the lease: that is 15 s at most.
SILENT_SECONDS = 2
#: Seconds between two tries to connect to a server that has no room for a moment.
PAUSE_SECONDS = 0.25

# libpq tells no SQLSTATE of a connection that did not come about. Only what is known to be final is final.
_FULL = re.compile(
    r"too many (clients|connections)|connection slots are reserved|starting up|shutting down|"
    r"not yet accepting connections|in recovery mode|no more connections allowed"
)
# Gone after it took the password, or before: it restarts, or a balancer before it leads elsewhere.
_FOR_A_MOMENT = re.compile(rf"{_FULL.pattern}|closed the connection unexpectedly")
_REFUSED = re.compile(
    r"authentication failed|no pg_hba.conf entry|pg_hba.conf rejects|permission denied for database|"
    r"is not permitted to log in|role \S+ does not exist|no such user|SASL: |auth failed"
)
_NO_DATABASE = re.compile(r"database .+ does not exist|no such database")
_TLS = re.compile(r"SSL was required|sslmode|sslnegotiation|certificate|private key|SSL error|channel binding|GSSAPI")
_SILENT = "timeout expired"
_BROKEN = re.compile(r"SYSCALL|unexpected eof|closed the connection")
_WRONG = re.compile(r"invalid .*(value|option|port number)|definition of service .* not found|could not match \d+")

Meaning = tuple[str, str, int]


class Silent(OperationalError):
    """The server did not answer in time, so the connection was closed."""


class Line:
    """The way to one database; `silent`: the last answer, or connection, did not come in time.

    `_in_vain`: the last try to connect was, so that the next one waits for less.
    """

    def __init__(self) -> None:
        self.silent = False
        self._in_vain = False

    def connect(self, parameters: dict[str, Any]) -> Connection:
        """Connect, and try again for some seconds where the server has no room, or left, for the moment; `Error`."""
        seconds = SILENT_SECONDS if self.silent or self._in_vain else CONNECT_SECONDS
        self._in_vain = True
        until = monotonic() + seconds
        while True:
            try:
                connection = self._once(parameters, seconds)
            except OperationalError as error:
                self.silent = self.silent or _SILENT in str(error)
                if not _FOR_A_MOMENT.search(str(error)) or monotonic() >= until:
                    raise
            else:
                self._in_vain = False
                return connection
            sleep(PAUSE_SECONDS)

    def _once(self, parameters: dict[str, Any], seconds: int) -> Connection:
        # Each address of each host has its time; psycopg gives none less than two seconds.
        addresses = len(conninfo_attempts({name: str(value) for name, value in parameters.items()}))
        connection = Connection.connect(**parameters | {"connect_timeout": seconds // addresses or 1})
        connection.line = self
        return connection


class Connection(psycopg.Connection[Any]):
    """Closed, with `Silent`, when an answer does not come in time; `patient`: it waits for ever."""

    line: Line | None = None
    patient = False

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        seconds = timeout or self._seconds()
        try:
            return super().wait(gen, interval, seconds)
        except errors._WaitTimeout:  # noqa: SLF001  psycopg has no other name for it
            if timeout:
                raise
            self.pgconn.finish()
            if self.line:
                self.line.silent = True
            raise Silent(f"no answer for {seconds} s") from None

    def commit(self) -> None:
        super().commit()
        if self.line:
            self.line.silent = False

    def _seconds(self) -> float | None:
        if self.patient:
            return None
        # Outside of a transaction nothing is asked but whether the connection stands.
        quick = self.autocommit or (self.line is not None and self.line.silent)
        return SILENT_SECONDS if quick else ANSWER_SECONDS


def of_the_server(error: Error) -> bool:
    """Tell whether it is the server that failed, or something before it, and not what was asked of it."""
    return isinstance(error, OperationalError) or str(error.sqlstate)[:2] == "XX" or type(error) is DatabaseError


def unknown(names: set[str]) -> list[str]:
    """Return those names that are no parameters of a connection."""
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    return sorted(names - known)


def why(error: Error) -> Meaning:
    """Say why no connection came about: cause, what to do, exit code. What is not known to be final may pass."""
    said, tried = str(error), error.pgconn
    if tried is not None and tried.needs_password:
        return "it asks for a password", "set PGPASSWORD, or write a passfile (~/.pgpass)", USAGE
    if isinstance(error, errors.ConnectionTimeout):
        return "the server is silent", "look at the server, and at a pooler before it, then {again}", RESUMABLE
    if isinstance(error, ProgrammingError) or _WRONG.search(said):
        return "its address cannot be used", "correct the address under `database`, then {again}", USAGE
    if _FULL.search(said):
        return (
            "the server takes no connection now",
            "look at its connections (pg_stat_activity), then {again}",
            RESUMABLE,
        )
    if _NO_DATABASE.search(said):
        return (
            "there is no such database",
            "create it ({create}), then: {upgrade}",
            USAGE,
        )
    if _REFUSED.search(said):
        return (
            "the server refuses",
            "correct password (PGPASSWORD, or a passfile), role or database under `database`, then {again}",
            USAGE,
        )
    if _TLS.search(said) and not _BROKEN.search(said):
        return (
            "TLS is not set up as the server needs it",
            "correct sslmode and its files in the address, then {again}",
            USAGE,
        )
    return "the server cannot be reached", "look whether it is up ({ready}), then {again}", RESUMABLE
