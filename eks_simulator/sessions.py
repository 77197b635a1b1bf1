"""Who may let time pass: the registered clients, and only while all of them sleep.

A client registers by a connection that it holds open; when the connection dies, so does its claim on time. A sleep ends
at the moment it asked for, or at the first event on one of that client's watches that it has not been told of: an event
that came while the client was busy ends its next sleep at once, so that nothing is ever slept over.

A client that is stopped keeps its connection and would hold time for ever. Its stopper says that it is absent:
then time does not wait for it, nor for a request of its that hangs, until it speaks again.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eks_simulator.clock import VirtualClock

# How many actions of the world run in one go before the loop may look at its sockets again.
ACTIONS_IN_ONE_GO = 300


class NotRegisteredError(LookupError):
    """The client never registered: time would have to move for nobody knows whom."""

    def __init__(self, client: str) -> None:
        super().__init__(f"client {client!r} has no session: hold GET /session?client={client} open while it lives")


@dataclass(slots=True)
class _Client:
    connections: int = 0
    news: bool = False
    absent: bool = False
    until: float = 0.0
    woken: asyncio.Future[None] | None = None

    @property
    def asleep(self) -> bool:
        return self.woken is not None and not self.woken.done()

    def wake(self) -> None:
        if self.woken is not None and not self.woken.done():
            self.woken.set_result(None)


class Sessions:
    """The registered clients and their sleeps, on one virtual clock.

    `pace` is how many virtual seconds may pass per real second of sleeping at most; None: as fast as possible.
    """

    def __init__(self, clock: VirtualClock, pace: float | None = None) -> None:
        self._clock = clock
        self._pace = pace
        self._holders: list[str] = []
        self._clients: dict[str, _Client] = {}
        self._driver: asyncio.Task[None] | None = None
        self._actions = 0

    @property
    def registered(self) -> list[str]:
        """The clients without which time does not move."""
        return sorted(self._clients)

    def states(self) -> dict[str, dict[str, Any]]:
        """Return each client: until when it sleeps (POSIX seconds; None: it is awake), and whether it is absent."""
        return {
            client: {"asleep_until": entry.until if entry.asleep else None, "absent": entry.absent}
            for client, entry in sorted(self._clients.items())
        }

    def leave(self, client: str) -> None:
        """Time waits for the client no more, until it speaks again.

        Raises `NotRegisteredError`: the client holds no session.
        """
        self._entry(client).absent = True
        self._proceed()

    def speaks(self, client: str) -> None:
        """The client asks for something: if it was absent, it is back."""
        if entry := self._clients.get(client):
            entry.absent = False

    def _entry(self, client: str) -> _Client:
        if client not in self._clients:
            raise NotRegisteredError(client)
        return self._clients[client]

    @contextmanager
    def session(self, client: str) -> Iterator[None]:
        """Keep `client` registered inside the block; with its last session it is forgotten, its sleep ended."""
        entry = self._clients.setdefault(client, _Client())
        entry.connections += 1
        try:
            yield
        finally:
            entry.connections -= 1
            if not entry.connections:
                del self._clients[client]
                entry.wake()
                self._proceed()

    @contextmanager
    def holding(self, client: str) -> Iterator[None]:
        """Make time stand still inside the block, also for those who sleep, unless `client` is absent.

        Requests still cost theirs.
        """
        self._holders.append(client)
        try:
            yield
        finally:
            self._holders.remove(client)
            self._proceed()

    async def sleep(self, client: str, until: float) -> None:
        """Return when the clock has reached `until` (POSIX seconds), or earlier at an event the client must see.

        Raises `NotRegisteredError`: the client holds no session.
        """
        entry = self._entry(client)
        entry.absent = False
        began = self._clock.now
        if not entry.news and until > began:
            await self._fall_asleep(entry, until)
        if self._pace is not None:
            await asyncio.sleep((self._clock.now - began) / self._pace)

    async def _fall_asleep(self, entry: _Client, until: float) -> None:
        entry.wake()
        entry.until = until
        entry.woken = woken = asyncio.get_running_loop().create_future()
        self._proceed()
        try:
            await woken
        finally:
            if entry.woken is woken:
                entry.woken = None

    def told(self, client: str) -> None:
        """The client has been told of everything up to now: earlier events do not end its next sleep."""
        if client in self._clients:
            self._clients[client].news = False

    def on_event(self, client: str) -> None:
        """An event was queued on a watch of `client`: its sleep ends here, or its next one at once."""
        if entry := self._clients.get(client):
            entry.news = True
            entry.wake()

    def spend(self, seconds: float) -> None:
        """Let time pass because something costs it, also while others sleep; sleeps that end in that time end."""
        self._clock.run_until(self._clock.now + seconds)
        self._wake_due()

    async def delay(self, seconds: float) -> None:
        """Hold a request up for that long."""
        self.spend(seconds)

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Have something happen in that many virtual seconds."""
        self._clock.after(seconds, action)

    def _proceed(self) -> None:
        if self._may_move() and (self._driver is None or self._driver.done()):
            self._driver = asyncio.get_running_loop().create_task(self._drive())
            self._driver.add_done_callback(self._stopped)

    def _may_move(self) -> bool:
        present = [entry for entry in self._clients.values() if not entry.absent]
        return bool(present) and all(entry.asleep for entry in present) and not any(map(self._holds, self._holders))

    def _holds(self, client: str) -> bool:
        entry = self._clients.get(client)
        return entry is None or not entry.absent

    async def _drive(self) -> None:
        while self._may_move():
            self._actions = 0
            self._clock.run_until(min(one.until for one in self._clients.values() if not one.absent), self._pause)
            self._wake_due()
            await asyncio.sleep(0)

    def _stopped(self, driver: asyncio.Task[None]) -> None:
        """An error in the world must reach those who sleep: they would wait for ever for time to move."""
        if driver.cancelled() or (error := driver.exception()) is None:
            return
        for entry in self._clients.values():
            if entry.woken is not None and not entry.woken.done():
                entry.woken.set_exception(error)

    def _pause(self) -> bool:
        self._actions += 1
        return self._actions >= ACTIONS_IN_ONE_GO or not self._may_move()

    def _wake_due(self) -> None:
        for entry in self._clients.values():
            if entry.until <= self._clock.now:
                entry.wake()


class RealTime(Sessions):
    """Where the clock shows this machine's time, and requests cost what they cost."""

    def spend(self, seconds: float) -> None:  # noqa: ARG002 - it took what it took
        """Set the clock: no change is logged as older than its request, however busy the machine is."""
        self._clock.run_until(time.time())

    async def delay(self, seconds: float) -> None:
        """Hold a request up for that long."""
        await asyncio.sleep(seconds)

    def _may_move(self) -> bool:
        return False
