"""The virtual clock: time is a number that moves only when somebody runs it.

Actions run in the order of their time, and of their booking where times are equal; so the same bookings always give
the same history. All times are POSIX seconds (UTC) of the simulated world, never of the machine.
"""

from __future__ import annotations

import heapq
import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Face = list[float] | memoryview[float]


def iso(seconds: float) -> str:
    """Return the moment as Kubernetes and AWS write it, in whole seconds: `2026-01-05T08:00:00Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def never() -> bool:
    """The stop condition of a run that nothing ends early."""
    return False


class Timer:
    """An action booked for a moment; a cancelled one stays in the heap until its time and then does nothing."""

    __slots__ = ("_action", "when")

    def __init__(self, when: float, action: Callable[[], None]) -> None:
        self.when = when
        self._action: Callable[[], None] | None = action

    @property
    def pending(self) -> bool:
        """Whether the action is still to run."""
        return self._action is not None

    def cancel(self) -> None:
        """Make sure that the action never runs (again); harmless after it has run."""
        self._action = None

    def fire(self) -> None:
        """Run the action, once."""
        action, self._action = self._action, None
        if action is not None:
            action()


class VirtualClock:
    """Simulated time, with everything that the world has booked for later."""

    def __init__(self, now: float) -> None:
        self._face: Face = [now]
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()

    @property
    def now(self) -> float:
        """The present moment, in seconds."""
        return self._face[0]

    def show_on(self, face: Face) -> None:
        """Keep the present moment in the first place of `face` from now on."""
        face[0] = self.now
        self._face = face

    def at(self, when: float, action: Callable[[], None]) -> Timer:
        """Book `action` for the moment `when` (seconds); a moment that has passed means: as soon as time runs."""
        timer = Timer(max(when, self.now), action)
        heapq.heappush(self._heap, (timer.when, next(self._order), timer))
        return timer

    def after(self, seconds: float, action: Callable[[], None]) -> Timer:
        """Book `action` for `seconds` from now."""
        return self.at(self.now + seconds, action)

    def run_until(self, when: float, stop: Callable[[], bool] = never) -> None:
        """Run what is due up to `when` and leave `now` there.

        `stop` is asked after each action; True ends the run early, with `now` at that action's time. A `when`
        in the past runs nothing and moves nothing. Actions that are booked while it runs are run too, if due.
        """
        while self._heap and self._heap[0][0] <= when:
            moment, _, timer = heapq.heappop(self._heap)
            if not timer.pending:
                continue
            self._face[0] = max(self.now, moment)
            timer.fire()
            if stop():
                return
        self._face[0] = max(self.now, when)
