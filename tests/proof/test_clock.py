"""Clocks that are set, stand still or differ: no deadline moves, no Job is killed early, no lease overlaps another."""

from __future__ import annotations

import pytest

from tests.proof import clocks
from tests.proof.cases import CASES, PLAIN
from tests.proof.conftest import ENGINES, References
from tests.proof.outcome import Reference
from tests.proof.sharding import failed

pytestmark = [pytest.mark.proof(sample=2, among="clocks"), pytest.mark.timeout(3600)]

#: Seconds by which a clock is wrong.
WRONG = (10.0, 3600.0, 86400.0)
#: Whether it is set after the drain deadline, or before it is stored.
LATE = {"sqlite": False, "postgres": True}


def in_drain(reference: Reference) -> str:
    """Return the point at which the first nodes begin to drain: none is terminated yet."""
    return next(point.at for point in reference.points if "WAITING → DRAINING" in point.name)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_wall_clock_that_is_set_at_a_wait(engine: str, references: References) -> None:
    """However far it is set, ahead or back, deadlines are what they were, and no Job is killed at another time."""
    site, reference = references(engine, CASES["deadline"].name)
    by = [sign * seconds for seconds in WRONG for sign in (1, -1)]
    runs = (clocks.wall_clock_set(site, reference, seconds, late=LATE[engine]) for seconds in by)
    assert failed("wall clock set", runs) == []


@pytest.mark.parametrize("seconds", [10.0, -10.0])
def test_another_host_whose_clock_differs(seconds: float, references: References) -> None:
    """Hosts that differ by seconds may follow each other."""
    site, reference = references("sqlite", PLAIN.name)
    assert failed("host's clock differs", [clocks.another_host(site, reference, in_drain(reference), seconds)]) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_a_machine_that_was_suspended(engine: str, references: References) -> None:
    """Ten minutes later nothing leaves on the trust of before: the lease is renewed first, and the rollout goes on."""
    site, reference = references(engine, PLAIN.name)
    effects = [point.at for point in reference.points if (point.when, point.what) == ("before", "effect")]
    points = (effects[4], effects[len(effects) // 2], in_drain(reference))
    assert failed("suspended", (clocks.suspended(site, reference, at) for at in points)) == []


@pytest.mark.parametrize("seconds", [3600.0, -3600.0])
def test_a_database_whose_clock_differs(seconds: float, references: References) -> None:
    """Leases go by the database's clock alone: the next runner waits as long as ever, and keeps the takeover delay."""
    site, reference = references("postgres", PLAIN.name)
    runs = [clocks.database_elsewhen(site, reference, in_drain(reference), seconds)]
    assert failed("database's clock differs", runs) == []
