"""The installed command, killed while a request is under way, and run again: nothing of the proof's own is in it."""

from __future__ import annotations

import pytest

from tests.proof import sharding
from tests.proof.cases import PLAIN
from tests.proof.conftest import ENGINES, References

CHUNKS = 8
#: Of so many kills CI tries one: together a tenth of its runs. Odd, so that both moments of a request are among them.
ONE_IN = 3

pytestmark = [pytest.mark.timeout(3600), pytest.mark.parametrize("engine", ENGINES)]


@pytest.mark.proof(sample=1)
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_killed_in_a_request_it_ends_as_if_it_had_not_been(engine: str, chunk: int, references: References) -> None:
    """Killed while a mutating request is under way, applied or not, it applies the changes of an undisturbed run."""
    site, reference = references(engine, PLAIN.name)
    assert sharding.failed("request", sharding.requests(site, reference, chunk, CHUNKS, ONE_IN)) == []


@pytest.mark.proof_all
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_so_it_does_in_all_requests(engine: str, chunk: int, references: References) -> None:
    """What the sample shows holds for each mutating request, before and after it is applied."""
    site, reference = references(engine, PLAIN.name)
    assert sharding.failed("request", sharding.requests(site, reference, chunk, CHUNKS)) == []
