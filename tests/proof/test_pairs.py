"""A rollout that is killed twice: the second time while it recovers from the first."""

from __future__ import annotations

import pytest

from tests.proof import sharding
from tests.proof.cases import PLAIN
from tests.proof.conftest import ENGINES, References

#: Chunks of seeded pairs on each engine, 300 pairs in all, and pairs in a chunk. A server costs twice the time.
CHUNKS, PAIRS = {"sqlite": 24, "postgres": 6}, 10
#: Chunks of all pairs.
ALL = 64

pytestmark = pytest.mark.timeout(6 * 3600)


@pytest.mark.proof(sample=1)
@pytest.mark.parametrize(("engine", "chunk"), [(name, chunk) for name in ENGINES for chunk in range(CHUNKS[name])])
def test_killed_again_in_its_recovery_it_ends_all_the_same(engine: str, chunk: int, references: References) -> None:
    """Killed at any point, and again at any point of the run after it, it applies the changes of an undisturbed run."""
    site, reference = references(engine, PLAIN.name)
    assert sharding.failed("pair", sharding.pairs(site, reference, chunk, PAIRS)) == []


@pytest.mark.proof_all
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("chunk", range(ALL))
def test_at_all_pairs_of_points(engine: str, chunk: int, references: References) -> None:
    """What the sample shows holds at all pairs of points of the plain world."""
    site, reference = references(engine, PLAIN.name)
    assert sharding.failed("pair", sharding.all_pairs(site, reference, chunk, ALL)) == []
