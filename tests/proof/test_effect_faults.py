"""Every effect meets every fault that a request can meet, once, with and without a crash right after it."""

from __future__ import annotations

import pytest

from tests.proof import faults
from tests.proof.conftest import References
from tests.proof.faults import FAULTS, RequestFault

pytestmark = [pytest.mark.proof, pytest.mark.timeout(3600)]


@pytest.mark.parametrize("crash", [False, True], ids=["", "crash"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_of_every_effect(fault: RequestFault, crash: bool, references: References) -> None:
    """Whatever befalls an effect's request, the rollout keeps every promise and ends as if nothing had."""
    site, reference = references("sqlite", faults.EVERY_EFFECT.name)
    outcome = faults.disturbing(site, reference, fault, crash=crash)
    assert not outcome.problems, outcome
