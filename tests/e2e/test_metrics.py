"""Metrics of whole rollouts, through the real command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.conftest import Worlds
from tests.e2e.simulated import Simulated, finish, says

SMALL = "short"
READ_OF_AWS = {"match": {"operation": "DescribeAutoScalingGroups", "nth": 12}, "hang": {"when": "before"}}


def with_metrics(world: Simulated, settings: str) -> None:
    config = world.directory / "rollout.yaml"
    config.write_text(f"{config.read_text(encoding='utf-8')}metrics: {settings}\n", encoding="utf-8")


def phase(file: Path) -> str:
    """The phase that the file says."""
    families = text_string_to_metric_families(file.read_text(encoding="utf-8"))
    samples = [one for family in families for one in family.samples if one.name == "eks_rollout_phase"]
    (here,) = [one.labels["phase"] for one in samples if one.value]
    return here


def test_the_last_state_of_a_run_stays_in_the_file(world: Worlds) -> None:
    """Of one that is killed, the phase in which it was; of the one that ends the rollout, DONE."""
    simulated = world(SMALL)
    file = simulated.directory / "rollout.prom"
    with_metrics(simulated, f"{{textfile: {file}}}")
    simulated.post("/faults", READ_OF_AWS)
    simulated.kill_at(simulated.spawn(*simulated.start_arguments))
    assert phase(file) not in {"DONE", "ABORTED"}
    ended = simulated.start()
    assert ended.code == 0, ended
    assert phase(file) == "DONE"


def test_who_only_follows_publishes_nothing(world: Worlds) -> None:
    """The state of a rollout is told by the process that runs it: another one would say that it lives."""
    simulated = world(SMALL)
    simulated.post("/faults", READ_OF_AWS)
    runner = simulated.spawn(*simulated.start_arguments)
    simulated.get("/hung")
    file = simulated.directory / "rollout.prom"
    with_metrics(simulated, f"{{textfile: {file}}}")
    follower = simulated.spawn(*simulated.start_arguments)
    says(follower, "it is followed from here")
    simulated.release()
    assert finish(runner).code == 0
    assert finish(follower).code == 0
    assert not file.exists()


@pytest.mark.parametrize(
    "settings",
    ["{textfile: nowhere/rollout.prom}", pytest.param("{listen: '192.0.2.1:9464'}", marks=pytest.mark.exhaustive)],
)
def test_a_rollout_goes_on_without_its_metrics(world: Worlds, settings: str) -> None:
    """A file that cannot be written, and an address that is not ours: one warning, exit code 0."""
    simulated = world(SMALL)
    with_metrics(simulated, settings)
    ended = simulated.start()
    assert ended.code == 0, ended
    assert ended.err.count("metrics") == 1, ended
