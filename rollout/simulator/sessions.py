"""Who may let time pass: the registered clients, and only while all of them sleep.

A client registers by a connection that it holds open; when the connection dies, so does its claim on time. A sleep ends
at the moment it asked for, or at the first event on one of that client's watches that it has not been told of: an event
that came while the client was busy ends its next sleep at once, so that nothing is ever slept over.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollout.simulator.clock import VirtualClock

# How many actions of the world run in one go before the loop may look at its sockets again.
ACTIONS_IN_ONE_GO = 300


class NotRegisteredError(LookupError):
    """A client that never registered wants to sleep: time would have to move for nobody knows whom."""

    def __init__(self, client: str) -> None:
        super().__init__(f"client {client!r} has no session: hold GET /session?client={client} open while it lives")


@dataclass(slots=True)
class _Client:
    connections: int = 0
    news: bool = False
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

    ``pace`` is how many virtual seconds may pass per real second of sleeping at most; None: as fast as possible.
    """

    def __init__(self, clock: VirtualClock, pace: float | None = None) -> None:
        self._clock = clock
        self._pace = pace
        self._held = 0
        self._clients: dict[str, _Client] = {}
        self._driver: asyncio.Task[None] | None = None
        self._actions = 0

    @property
    def registered(self) -> list[str]:
        """The clients without which time does not move."""
        return sorted(self._clients)

    @contextmanager
    def session(self, client: str) -> Iterator[None]:
        """Keep ``client`` registered inside the block; with its last session it is forgotten, its sleep ended."""
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
    def holding(self) -> Iterator[None]:
        """Make time stand still inside the block, whoever sleeps; requests still cost theirs."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            self._proceed()

    async def sleep(self, client: str, until: float) -> None:
        """Return when the clock has reached ``until`` (POSIX seconds), or earlier at an event the client must see.

        Raises:
            NotRegisteredError: the client holds no session.
        """
        entry = self._clients.get(client)
        if entry is None:
            raise NotRegisteredError(client)
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
        """An event was queued on a watch of ``client``: its sleep ends here, or its next one at once."""
        if entry := self._clients.get(client):
            entry.news = True
            entry.wake()

    def spend(self, seconds: float) -> None:
        """Let time pass because something costs it, whoever sleeps; sleeps that end meanwhile end."""
        self._clock.run_until(self._clock.now + seconds)
        self._wake_due()

    def _proceed(self) -> None:
        if self._may_move() and (self._driver is None or self._driver.done()):
            self._driver = asyncio.get_running_loop().create_task(self._drive())
            self._driver.add_done_callback(self._stopped)

    def _may_move(self) -> bool:
        return bool(self._clients) and all(entry.asleep for entry in self._clients.values()) and not self._held

    async def _drive(self) -> None:
        while self._may_move():
            self._actions = 0
            self._clock.run_until(min(entry.until for entry in self._clients.values()), self._pause)
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
