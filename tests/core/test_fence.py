from __future__ import annotations

from dataclasses import dataclass

import pytest

from rollout.errors import Retry
from rollout.fence import TRUST_SECONDS, Fence, Readings


@dataclass
class Clocks:
    """Two clocks that are set by hand."""

    uptime: float = 1000.0
    wall: float = 5000.0

    def __call__(self) -> Readings:
        return self.uptime, self.wall


def test_nothing_changes_anything_before_a_lease_is_held_and_after_it_ended() -> None:
    """A fence is closed to mutating requests but while a lease is held; reads pass."""
    clocks = Clocks()
    fence = Fence(clocks)
    fence.check_read()
    with pytest.raises(Retry):
        fence.check_write()
    fence.renewed(clocks())
    fence.check_write()
    fence.shut()
    with pytest.raises(Retry):
        fence.check_write()


@pytest.mark.parametrize("clock", ["uptime", "wall"])
def test_trust_ends_by_whichever_clock_ends_it_first(clock: str) -> None:
    """45 s after the renewal began, by either clock, mutating requests stay; the next renewal lets them pass."""
    clocks = Clocks()
    fence = Fence(clocks)
    fence.renewed(clocks())
    setattr(clocks, clock, getattr(clocks, clock) + TRUST_SECONDS - 0.001)
    fence.check_write()
    setattr(clocks, clock, getattr(clocks, clock) + 0.001)
    with pytest.raises(Retry, match="not renewed in the last 45 s"):
        fence.check_write()
    fence.renewed(clocks())
    fence.check_write()


def test_a_wall_clock_that_is_set_back_prolongs_nothing() -> None:
    """The uptime ends trust, no matter what the wall clock says."""
    clocks = Clocks()
    fence = Fence(clocks)
    fence.renewed(clocks())
    clocks.wall -= 86_400
    clocks.uptime += TRUST_SECONDS
    assert not fence.trusted()


def test_trust_counts_from_the_beginning_of_a_renewal() -> None:
    """A renewal that took 40 s to be answered is believed for 5 s more."""
    clocks = Clocks()
    fence = Fence(clocks)
    began = clocks()
    clocks.uptime += 40
    clocks.wall += 40
    fence.renewed(began)
    assert fence.trusted()
    clocks.uptime += 5
    assert not fence.trusted()


def test_who_is_told_to_stop_asks_and_sends_nothing_more() -> None:
    """Reads and writes alike are held back as certainly not applied."""
    clocks = Clocks()
    fence = Fence(clocks, stopping=lambda: True)
    fence.renewed(clocks())
    for ask in (fence.check_read, fence.check_write):
        with pytest.raises(Retry, match="told to stop"):
            ask()
