"""A child whose machine's clock, or whose database's, is not the world's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from rollout.adapters import clock, connecting
from rollout.adapters.clock import SimulatedClock, SystemClock
from rollout.journal import lease_row
from rollout.ports import nobody_asked

if TYPE_CHECKING:
    from rollout.fence import Readings

#: Appears in a child's folder when its wall clock was set, and says when: the world's seconds since the epoch.
SET = Path("the-clock-was-set")


def database(seconds: float) -> None:
    """Let the database's clock be so many seconds ahead of the world's; leases go by it."""
    of_the_world = lease_row.simulated_time
    lease_row.simulated_time = lambda now: of_the_world(lambda: now() + timedelta(seconds=seconds))


def wall(seconds: float, at: float) -> None:
    """Set the machine's wall clock ahead by so many seconds.

    `at`: the world's seconds since the epoch; it is set at the first wait then or later. 0: before the run begins.
    """
    name = SimulatedClock.__name__
    assert hasattr(connecting, name)
    setattr(connecting, name, lambda url, client, journal: ShiftedClock(url, client, journal, seconds, at))


class ShiftedClock(SimulatedClock):
    """This machine's clock, read by the product's own `SystemClock`, on a machine whose uptime is the world's time."""

    def __init__(self, url: str, client: str, journal: str, seconds: float, at: float) -> None:
        super().__init__(url, client, journal)
        self._seconds = seconds
        self._at = at
        self._is_set = not at
        machine = SimpleNamespace(clock_gettime=lambda _clock: self._world(), time=self._wall)
        for name, ours in (("time", machine), ("datetime", self._datetime())):
            assert hasattr(clock, name)
            setattr(clock, name, ours)
        self._system = SystemClock()

    def now(self) -> datetime:
        return self._system.now()

    def readings(self) -> Readings:
        return self._system.readings()

    def wait(self, until: datetime, asked: Callable[[], bool] = nobody_asked) -> None:
        if not self._is_set and self._world() >= self._at:
            self._is_set = True
            SET.write_text(str(self._world()))
        super().wait(until, asked)

    def _sleep(self, until: datetime) -> bool:
        return super()._sleep(self._in_the_world(until))

    def _in_the_world(self, moment: datetime) -> datetime:
        return moment - timedelta(seconds=self.now().timestamp() - self._world())

    def _world(self) -> float:
        return float(self._face[0])

    def _wall(self) -> float:
        return self._world() + (self._seconds if self._is_set else 0.0)

    def _datetime(self) -> type[datetime]:
        wall = self._wall

        class Datetime(datetime):
            """What the wall clock shows."""

            @classmethod
            def now(cls, tz: tzinfo | None = UTC) -> datetime:  # type: ignore[override]
                return datetime.fromtimestamp(wall(), tz)

        return Datetime
