from __future__ import annotations

from dataclasses import dataclass

import pytest

from rollout.errors import Retry
from rollout.gate import TRUST_SECONDS, Gate, Readings


@dataclass
class Clocks:
    """Two clocks that are set by hand."""

    uptime: float = 1000.0
    wall: float = 5000.0

    def __call__(self) -> Readings:
        return self.uptime, self.wall


def test_nothing_changes_anything_before_a_lease_is_held_and_after_it_ended() -> None:
    """A gate is closed to mutating requests but while a lease is held; reads pass."""
    clocks = Clocks()
    gate = Gate(clocks)
    gate.check_read()
    with pytest.raises(Retry):
        gate.check_write()
    gate.renewed(clocks())
    gate.check_write()
    gate.shut()
    with pytest.raises(Retry):
        gate.check_write()


@pytest.mark.parametrize("clock", ["uptime", "wall"])
def test_trust_ends_by_whichever_clock_ends_it_first(clock: str) -> None:
    """45 s after the renewal began, by either clock, mutating requests stay; the next renewal lets them pass."""
    clocks = Clocks()
    gate = Gate(clocks)
    gate.renewed(clocks())
    setattr(clocks, clock, getattr(clocks, clock) + TRUST_SECONDS - 0.001)
    gate.check_write()
    setattr(clocks, clock, getattr(clocks, clock) + 0.001)
    with pytest.raises(Retry, match="not renewed in the last 45 s"):
        gate.check_write()
    gate.renewed(clocks())
    gate.check_write()


def test_a_wall_clock_that_is_set_back_prolongs_nothing() -> None:
    """The uptime ends trust, whatever the wall clock says."""
    clocks = Clocks()
    gate = Gate(clocks)
    gate.renewed(clocks())
    clocks.wall -= 86_400
    clocks.uptime += TRUST_SECONDS
    assert not gate.trusted()


def test_trust_counts_from_the_beginning_of_a_renewal() -> None:
    """A renewal that took 40 s to be answered is believed for 5 s more."""
    clocks = Clocks()
    gate = Gate(clocks)
    began = clocks()
    clocks.uptime += 40
    clocks.wall += 40
    gate.renewed(began)
    assert gate.trusted()
    clocks.uptime += 5
    assert not gate.trusted()


def test_who_is_told_to_stop_asks_and_sends_nothing_more() -> None:
    """Reads and writes alike are held back as certainly not applied."""
    clocks = Clocks()
    gate = Gate(clocks, stopping=lambda: True)
    gate.renewed(clocks())
    for ask in (gate.check_read, gate.check_write):
        with pytest.raises(Retry, match="told to stop"):
            ask()
