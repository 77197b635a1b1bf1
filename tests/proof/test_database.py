"""A journal that is full, locked, cut off or crashing, at every kind of transaction that a rollout has."""

from __future__ import annotations

import pytest

from tests.proof.cases import IMPATIENT
from tests.proof.conftest import References
from tests.proof.databases import in_trouble

pytestmark = [pytest.mark.proof(sample=3, among="databases"), pytest.mark.timeout(3600)]


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
@pytest.mark.parametrize("trouble", ["full", "locked"])
def test_given_up(engine: str, trouble: str, references: References) -> None:
    """A runner that cannot write sends nothing, ends as resumable, and says what to do; the same command continues."""
    site, reference = references(engine, IMPATIENT.name)
    outcome = in_trouble(site, reference, trouble, lasting=True)
    assert not outcome.problems, outcome


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
@pytest.mark.parametrize("trouble", ["full", "locked"])
def test_waited_for(engine: str, trouble: str, references: References) -> None:
    """What passes while the lease is trusted is waited for, and nobody outside notices."""
    site, reference = references(engine, IMPATIENT.name)
    outcome = in_trouble(site, reference, trouble, lasting=False)
    assert not outcome.problems, outcome


@pytest.mark.parametrize("trouble", ["cut before", "cut after", "restart"])
def test_a_connection_that_ends(trouble: str, references: References) -> None:
    """A COMMIT that never arrived is sent again, one whose answer never came is not; a crash is waited for."""
    site, reference = references("postgres", IMPATIENT.name)
    outcome = in_trouble(site, reference, trouble, lasting=False)
    assert not outcome.problems, outcome
