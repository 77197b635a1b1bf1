"""Whole rollouts where AWS cannot launch: no capacity, no address, for a while and for ever."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Worlds
from tests.e2e.proving import is_proven

pytestmark = pytest.mark.exhaustive


@pytest.mark.parametrize("scenario", ["capacity-hour", "subnet-full"])
def test_what_passes_is_waited_for(scenario: str, world: Worlds) -> None:
    """The rollout waits as long as its deadline allows, and then ends as any other."""
    simulated = world(scenario)
    result = simulated.start()
    assert result.code == 0, result
    assert "left as it is" not in result.out, result
    is_proven(simulated)


def test_what_does_not_pass_halts_in_aws_words_until_it_is_mended(world: Worlds) -> None:
    """At the deadline the rollout halts with what AWS says and the next command; mended, `resume` ends it."""
    simulated = world("capacity-never")
    halted = simulated.start()
    assert halted.code == 1, halted
    assert "We currently do not have sufficient m5.2xlarge capacity" in halted.out, halted
    assert f"rollout resume {halted.rollout_id}" in halted.out, halted
    simulated.post("/world", {"do": "mend"})
    resumed = simulated.resume()
    assert resumed.code == 0, resumed
    is_proven(simulated)
