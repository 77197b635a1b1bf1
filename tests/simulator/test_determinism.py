"""The same scenario and seed have the same history, twice."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from eks_simulator import scenario
from eks_simulator.world.world import World, build
from tests.simulator.worlds import Client, passes, small

HOURS = 3 * 3600.0


def history(world: World) -> list[dict[str, Any]]:
    return [asdict(change) for change in world.log.changes]


@pytest.mark.parametrize("name", [name for name in scenario.names() if not name.startswith("scale-")])
def test_a_scenario_left_alone_has_one_history(name: str) -> None:
    """Every applied change of three hours, with its moment, actor and values, is the same a second time."""
    first, second = (build(scenario.load(name)) for _ in range(2))
    for one in (first, second):
        passes(one, HOURS)
    assert history(first) == history(second)
    assert first.missed == second.missed


def test_the_same_acts_on_the_same_world_have_one_history() -> None:
    """A whole rollout by hand, with what the world makes of it, is the same a second time."""
    jobs = {"jobs": [{"name": "job", "runtime": "5m..9m", "count": 3}], "deployments": [{"name": "web", "replicas": 2}]}
    worlds = [build(small(workloads=jobs)) for _ in range(2)]
    for one in worlds:
        Client(one).rollout()
    assert history(worlds[0]) == history(worlds[1])


def test_another_seed_has_another_history() -> None:
    """What is drawn is drawn from the seed."""
    first, second = (build(scenario.load("plain").model_copy(update={"seed": seed})) for seed in (1, 2))
    assert history(first) != history(second)
