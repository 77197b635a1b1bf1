"""Whether a request may leave: asked by the adapters at the very moment at which it would.

A runner believes that it holds its lease for less time than the lease lasts, by clocks of its own, and counts from the
moment at which its last renewal *began*: a process that was stopped, a machine that was suspended or a slow database
make the belief end early, never late. And who was asked to stop begins nothing new.
"""

from __future__ import annotations

from collections.abc import Callable

from rollout.errors import Retry

#: Seconds for which a renewal is believed. The lease itself lasts longer: what left at the end still arrives in it.
TRUST_SECONDS = 45.0

#: Seconds by each clock that trust goes by, such as (uptime with suspends, wall clock).
Readings = tuple[float, ...]


class Fence:
    """One runner's. `clocks`: reads the clocks; `stopping`: whether somebody asked us to stop.

    Closed to all that changes anything until a lease is held, and again when it ends.
    """

    def __init__(self, clocks: Callable[[], Readings], stopping: Callable[[], bool] = lambda: False) -> None:
        self.clocks = clocks
        self.stopping = stopping
        self._renewed: Readings | None = None

    def renewed(self, began: Readings) -> None:
        """Trust the lease from the moment at which its renewal began."""
        self._renewed = began

    def shut(self) -> None:
        """The lease has ended: nothing may change anything any more."""
        self._renewed = None

    def trusted(self) -> bool:
        """Tell whether the lease is still believed, by every clock."""
        if self._renewed is None:
            return False
        return all(now - then < TRUST_SECONDS for now, then in zip(self.clocks(), self._renewed, strict=True))

    def check_read(self) -> None:
        """Raise `Retry` if this process was told to stop; called just before a read is sent."""
        if self.stopping():
            raise Retry("not asked: this process was told to stop")

    def check_write(self) -> None:
        """Raise `Retry` if a mutating request may not leave; called just before it would: nothing was applied."""
        if self.stopping():
            raise Retry("not sent: this process was told to stop")
        if not self.trusted():
            raise Retry(f"not sent: the lease was not renewed in the last {TRUST_SECONDS:.0f} s", after=0.0)
