"""Every effect meets every fault that a request can meet, with and without a crash right after it."""

from __future__ import annotations

import pytest

from tests.proof.cases import EFFECTS, LATE_EFFECTS
from tests.proof.conftest import References
from tests.proof.faults import FAULTS, RequestFault, disturbing

pytestmark = [pytest.mark.proof(sample=5), pytest.mark.timeout(3600)]


@pytest.mark.parametrize("crash", [False, True], ids=["alive", "crash"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
@pytest.mark.parametrize("case", [EFFECTS.name, LATE_EFFECTS.name])
def test_a_fault_of_every_effect(case: str, fault: RequestFault, *, crash: bool, references: References) -> None:
    """With any fault of an effect's request, the rollout keeps every promise and ends as if there were none."""
    site, reference = references("sqlite", case)
    outcome = disturbing(site, reference, fault, crash=crash)
    assert not outcome.problems, outcome
