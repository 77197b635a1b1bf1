"""The tool is killed with SIGKILL at points spread over the plain scenario, and the same `start` is run again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import Worlds
from tests.e2e.proving import applied, broken, end_state
from tests.e2e.simulated import Result, Simulated, simulator

#: How many crash points; every second one strikes after the request was applied, its reply lost with the process.
POINTS = 20


pytestmark = pytest.mark.exhaustive


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, object, int]:
    """Run the scenario undisturbed: what it applied, how it ended, how many requests may change things."""
    place: Path = tmp_path_factory.mktemp("undisturbed")
    with simulator("plain", place / "world") as world:
        result = world.start()
        assert result.code == 0, result
        counts = next(iter(world.get("/requests").values()))
        return applied(world, result.rollout_id), end_state(world, result.rollout_id), counts["writes"]


@pytest.mark.parametrize("point", range(POINTS))
def test_a_rollout_killed_anywhere_ends_as_if_it_had_not_been(
    point: int, world: Worlds, undisturbed: tuple[object, object, int]
) -> None:
    """Killed at any of the points and started again, a rollout applies the same changes and ends in the same state."""
    changes, state, writes = undisturbed
    simulated = world("plain")
    result = _killed_and_started_again(simulated, nth=1 + point * (writes - 1) // (POINTS - 1), when=point)
    assert result.code == 0, result
    assert broken(simulated) == {}
    assert end_state(simulated, result.rollout_id) == state
    assert applied(simulated, result.rollout_id) == changes


def _killed_and_started_again(simulated: Simulated, nth: int, when: int) -> Result:
    moment = "after" if when % 2 else "before"
    simulated.post("/faults", {"match": {"mutating": True, "nth": nth}, "hang": {"when": moment}})
    simulated.kill_at(simulated.spawn(*simulated.start_arguments))
    return simulated.start()
