"""The two clocks behind the port `Clock`: this machine's, and that of a simulated world.

A wait ends at its moment, or at once when a signal handler or another thread calls `wake`; a wake-up that comes before
the wait is not lost. They travel through a socket pair: that is safe in a signal handler, where taking a lock is not.
"""

from __future__ import annotations

import contextlib
import http
import http.client
import json
import mmap
import select
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from rollout.adapters.wording import one_line
from rollout.errors import RESUMABLE, Bug, UserError
from rollout.ports import nobody_asked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rollout.fence import Readings

T = TypeVar("T")

# Longest wait in one piece, in seconds: a machine that was suspended may have slept through its end, and somebody may
# have asked for something.
_PIECE = 5.0
# What goes on while the machine is suspended, where there is such a clock.
_UPTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
# On a busy cluster the watches bring news all the time; they end a wait not before this many seconds.
_MIN_WAIT = 3.0

_TIMEOUT = 30.0


def uptime() -> float:
    """Return the seconds since some moment, those that the machine was suspended for included."""
    return time.clock_gettime(_UPTIME)


class _Bell:
    """Wake-ups that wait in a socket until somebody listens."""

    def __init__(self) -> None:
        self.ear, self._hand = socket.socketpair()
        for end in (self.ear, self._hand):
            end.setblocking(False)  # noqa: FBT003 - the socket's own signature

    def ring(self) -> None:
        """Wake who listens, now or later. A full socket has wake-ups enough; after `close` nobody listens."""
        with contextlib.suppress(OSError):
            self._hand.send(b"!")

    def hush(self) -> None:
        """Forget what was rung."""
        with contextlib.suppress(BlockingIOError):
            self.ear.recv(4096)

    def close(self) -> None:
        """Close both ends."""
        self.ear.close()
        self._hand.close()


def _listen(seconds: float | None, *bells: _Bell, also: Sequence[socket.socket] = ()) -> bool:
    """Tell whether a bell was rung, before that many seconds are over or one of `also` can be read."""
    ready, _, _ = select.select([*(bell.ear for bell in bells), *also], [], [], seconds)
    rung = [bell for bell in bells if bell.ear in ready]
    for bell in rung:
        bell.hush()
    return bool(rung)


class SystemClock:
    """The wall clock as it stood when this was made, going on by the machine's uptime.

    A wall clock that is set in mid-run moves no deadline: Jobs would be killed by an hour that never passed.
    """

    def __init__(self) -> None:
        self._began = datetime.now(UTC)
        self._uptime = uptime()
        self._signals = _Bell()
        self._news = _Bell()

    def now(self) -> datetime:
        return self._began + timedelta(seconds=uptime() - self._uptime)

    def readings(self) -> Readings:
        """What trust in a lease goes by: the uptime with suspends, and the wall clock as it stands, set or not."""
        return uptime(), time.time()

    def wait(self, until: datetime, asked: Callable[[], bool] = nobody_asked) -> None:
        if _listen(min(_MIN_WAIT, self._left(until)), self._signals):
            return
        while left := self._left(until):
            if asked() or _listen(min(_PIECE, left), self._signals, self._news):
                return

    def pause(self, until: datetime) -> None:
        """Return at `until`, or earlier when a signal came: news of the world end no pause."""
        while left := self._left(until):
            if _listen(min(_PIECE, left), self._signals):
                return

    def _left(self, until: datetime) -> float:
        return max(0.0, (until - self.now()).total_seconds())

    def wake(self) -> None:
        self._signals.ring()

    def news(self) -> None:
        """Say that the world moved: a wait ends, but not in its first seconds."""
        self._news.ring()

    def close(self) -> None:
        """Release the sockets."""
        self._signals.close()
        self._news.close()


class SimulatedClock:
    """The clock of the embedded simulator, at `url`. While this object lives and does not wait, its time stands still.

    The world ends a wait by itself at the first watch event for this client, so `wake` is for signals only.
    `journal`: how messages call it. Raises `UserError` where the simulator is not there (any more).
    """

    def __init__(self, url: str, client: str, journal: str) -> None:
        self._client = client
        # Held open for as long as this process lives: with its end our claim on time ends.
        self._session = _Line(url, client, journal)
        self._face = self._session.hold(f"/session?client={client}", _mapped)
        self._asking = _Line(url, client, journal)
        self._sleeping = _Line(url, client, journal)
        self._asks = threading.Lock()
        self._signals = _Bell()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._face[0], UTC)

    def readings(self) -> Readings:
        """What trust in a lease goes by: the world's time, by which the lease itself goes."""
        return (self._face[0],)

    def bookmark(self) -> int:
        """Have this client's open watches bookmarked; return the number of the bookmark."""
        with self._asks:
            return int(self._asking.ask("GET", f"/time?client={self._client}")["bookmark"])

    def wait(self, until: datetime, asked: Callable[[], bool] = nobody_asked) -> None:
        while True:
            piece = min(until, self.now() + timedelta(seconds=_PIECE))
            self._sleep(piece)
            if self.now() < piece or piece == until or asked():
                return

    def pause(self, until: datetime) -> None:
        """Return at `until`, or earlier when a signal came: news of the world end no pause."""
        while self.now() < until:
            if not self._sleep(until):
                return

    def _sleep(self, until: datetime) -> bool:
        """Sleep until then, or until the world has news; tell whether no signal came."""
        asleep = {"client": self._client, "until": until.timestamp()}
        return not _listen(0.0, self._signals) and bool(self._sleeping.ask("POST", "/sleep", asleep, self._undisturbed))

    def _undisturbed(self, answer: socket.socket) -> bool:
        return not _listen(None, self._signals, also=[answer])

    def wake(self) -> None:
        self._signals.ring()

    def close(self) -> None:
        """End the session: for this client time need not stand still any more."""
        for line in (self._session, self._sleeping, self._asking):
            line.close()
        self._signals.close()


def _mapped(session: dict[str, Any]) -> memoryview[float]:
    """The face of the simulator's clock: memory that it shares with us, so that looking at the time costs nothing."""
    with Path(session["face"]).open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)).cast("d")


class _Line:
    """One connection to the simulator, used again and again; opened again where it was closed while idle."""

    def __init__(self, url: str, client: str, journal: str) -> None:
        parts = urlsplit(url)
        self._url = url
        self._journal = journal
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT)
        self._headers = {"User-Agent": f"eks-rollout-run/{client}", "Content-Type": "application/json"}
        self._held: http.client.HTTPResponse | None = None

    def hold(self, path: str, use: Callable[[dict[str, Any]], T]) -> T:
        """Ask for a stream and keep it open until `close`; return what `use` makes of its first line."""
        try:
            self._connection.request("GET", path, headers=self._headers)
            self._held = self._connection.getresponse()
            return use(json.loads(self._held.readline()))
        except (http.client.HTTPException, OSError) as error:
            self.close()
            raise self._gone(error) from error

    def ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        wait: Callable[[socket.socket], bool] = lambda _answer: True,
    ) -> dict[str, Any]:
        """Return the reply; {} where `wait`, called with the socket that it will come through, gives up on it.

        Every question may be asked twice: none changes anything, a sleep to a fixed moment included.
        """
        try:
            return self._ask_once(method, path, body, wait)
        except (http.client.HTTPException, OSError):
            self._connection.close()
        try:
            return self._ask_once(method, path, body, wait)
        except (http.client.HTTPException, OSError) as error:
            raise self._gone(error) from error

    def _ask_once(
        self, method: str, path: str, body: dict[str, Any] | None, wait: Callable[[socket.socket], bool]
    ) -> dict[str, Any]:
        self._connection.request(method, path, json.dumps(body) if body else None, self._headers)
        if not wait(self._connection.sock):
            # The simulator sees the connection end, and ends the sleep.
            self._connection.close()
            return {}
        response = self._connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
        if response.status != http.HTTPStatus.OK:
            raise Bug(one_line(f"simulator: {method} {path}: {answer}"))
        return answer

    def _gone(self, error: Exception) -> UserError:
        return UserError(
            one_line(f"the simulator at {self._url} does not answer ({type(error).__name__}: {error})"),
            hint="if it still runs, run the same command again; if it has ended, its world is gone, with its rollout: "
            f"delete the journal ({self._journal}), then: rollout simulator",
            exit_code=RESUMABLE,
        )

    def close(self) -> None:
        """Close the connection, and a stream that is held."""
        if self._held is not None:
            self._held.close()
        self._connection.close()
