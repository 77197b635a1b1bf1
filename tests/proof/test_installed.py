"""The installed command, killed while a request is under way, and run again: nothing of the proof's own is in it."""

from __future__ import annotations

import pytest

from tests.proof import chunks
from tests.proof.cases import PLAIN
from tests.proof.conftest import ENGINES, References

CHUNKS = 8

pytestmark = [pytest.mark.proof, pytest.mark.timeout(1800), pytest.mark.parametrize("engine", ENGINES)]


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_killed_in_any_request_it_ends_as_if_it_had_not_been(engine: str, chunk: int, references: References) -> None:
    """Killed while any mutating request is under way, applied or not, it applies the changes of an undisturbed run."""
    site, reference = references(engine, PLAIN.name)
    assert chunks.failed("request", chunks.requests(site, reference, chunk, CHUNKS)) == []
