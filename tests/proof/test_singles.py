"""A rollout that is killed once, at any point, and started again by the same command."""

from __future__ import annotations

import pytest

from tests.proof import sharding
from tests.proof.cases import OTHERS, PLAIN, POOL
from tests.proof.conftest import ENGINES, References

CHUNKS = 16
#: Runs of a sample, for each case on each engine. A server costs twice the time.
SAMPLE = {"sqlite": 4, "postgres": 2}

pytestmark = [pytest.mark.timeout(3600)]
engines = pytest.mark.parametrize("engine", ENGINES)


@pytest.mark.proof(sample=2)
@engines
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_killed_in_any_state_it_ends_as_if_it_had_not_been(engine: str, chunk: int, references: References) -> None:
    """Killed between any two of its effects and commits, it applies the same changes and keeps every promise."""
    site, reference = references(engine, PLAIN.name)
    assert sharding.failed("single", sharding.every_state(site, reference, chunk, CHUNKS)) == []


@engines
@pytest.mark.proof(sample=1, among="others")
@pytest.mark.parametrize("case", [case.name for case in OTHERS])
def test_so_it_does_when_something_else_goes_wrong_too(engine: str, case: str, references: References) -> None:
    """A sample of the points of worlds in which a Job outlives the deadline, a node vanishes, a reply is lost."""
    site, reference = references(engine, case)
    assert sharding.failed("single", sharding.sample(site, reference, SAMPLE[engine])) == []


@engines
@pytest.mark.proof(sample=1, among="others")
def test_so_it_does_when_effects_leave_side_by_side(engine: str, references: References) -> None:
    """A sample of the points of a run whose effects leave as many at once as the configuration's default allows."""
    site, reference = references(engine, POOL.name)
    assert sharding.failed("pool", sharding.sample(site, reference, SAMPLE[engine])) == []


@engines
@pytest.mark.proof_all
@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.parametrize("case", [case.name for case in (PLAIN, *OTHERS)])
def test_at_every_point_of_every_world(engine: str, case: str, chunk: int, references: References) -> None:
    """What is seen in every state, and in a sample of the other worlds, holds at all points of all worlds."""
    site, reference = references(engine, case)
    assert sharding.failed("single", sharding.every_point(site, reference, chunk, CHUNKS)) == []
