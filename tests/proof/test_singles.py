"""A rollout that is killed once, at any point, and started again by the same command."""

from __future__ import annotations

import pytest

from tests.proof import chunks
from tests.proof.conftest import References
from tests.proof.runs import OTHERS, PLAIN

ENGINES = ("sqlite", "postgres")
CHUNKS = 16
#: Runs of the CI's sample, for each other case on each engine.
SAMPLE = 12


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.parametrize("engine", ENGINES)
def test_killed_at_any_point_it_ends_as_if_it_had_not_been(engine: str, chunk: int, references: References) -> None:
    """Killed before or after any effect or any commit, it applies the same changes and keeps every promise."""
    site, reference = references(engine, PLAIN.name)
    assert chunks.all_killed("single", site, reference, chunks.singles(reference, chunk, CHUNKS)) == []


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("case", [case.name for case in OTHERS])
@pytest.mark.parametrize("engine", ENGINES)
def test_so_it_does_when_something_else_goes_wrong_too(engine: str, case: str, references: References) -> None:
    """A sample of the points of worlds in which a Job outlives the deadline, a node vanishes, a reply is lost."""
    site, reference = references(engine, case)
    assert chunks.all_killed("single", site, reference, chunks.sample(reference, engine, SAMPLE)) == []


@pytest.mark.proof_all
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.parametrize("case", [case.name for case in OTHERS])
@pytest.mark.parametrize("engine", ENGINES)
def test_at_every_point_of_the_other_worlds(engine: str, case: str, chunk: int, references: References) -> None:
    """What the sample shows of those worlds holds at all of their points."""
    site, reference = references(engine, case)
    assert chunks.all_killed("single", site, reference, chunks.singles(reference, chunk, CHUNKS)) == []
