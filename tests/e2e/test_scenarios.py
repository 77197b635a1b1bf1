"""Whole rollouts through the real command line, in worlds where things go well and where they do not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Worlds
from tests.e2e.proving import is_proven
from tests.e2e.simulated import finish

#: What takes long: make exhaustive runs it, and CI a sixth.
exhaustive = pytest.mark.exhaustive

#: Scenarios at whose end nobody is missed, nothing differs, and nobody had to help. Of every day is the demo, which is
#: the first of them with a kill in its middle.
SMOOTH = ("plain", "lost-replies", "jobs", "budget", "throttled", "vanish", "autoscaler-back")


@exhaustive
@pytest.mark.parametrize("scenario", SMOOTH)
def test_a_rollout_ends_by_itself_and_keeps_every_promise(scenario: str, world: Worlds) -> None:
    """Every old node is replaced, no Job is killed and the baseline is back, in every scenario."""
    simulated = world(scenario)
    result = simulated.start()
    assert result.code == 0, result
    assert "left as it is" not in result.out, result
    is_proven(simulated)


@exhaustive
def test_replicas_without_a_budget_leave_one_at_a_time(world: Worlds) -> None:
    """Of a Deployment and of a StatefulSet, on two groups that drain side by side."""
    simulated = world(str(Path(__file__).parent / "worlds/replicas.yaml"))
    result = simulated.start()
    assert result.code == 0, result
    is_proven(simulated)


def test_a_job_past_the_deadline_is_killed_named_and_entered_in_the_ledger(world: Worlds) -> None:
    """After the drain deadline the Job that remains is killed, no other, and the output and the journal name it.

    The start has said who is protected and who is not.
    """
    simulated = world("overdue")
    result = simulated.start()
    assert result.code == 0, result
    _, first, second, *_ = result.out.splitlines()
    assert first.startswith("protected: ")
    assert "demo/Job/endless-0: 1" in first, result
    assert second.startswith("not protected, they are evicted: 6 running pods (demo/ReplicaSet/web-"), result
    killed = simulated.get("/report")["jobs"]["killed_by_us"]
    assert killed == ["demo/endless-0"]
    assert "killed at the deadline: Job demo/endless-0" in result.out, result
    status = json.loads(simulated.rollout("status", "--config", "rollout.yaml", "--json").out)
    assert [one["job"] for one in status["killed_jobs"]] == killed
    is_proven(simulated)


@exhaustive
def test_a_node_that_is_never_ready_halts_the_rollout_until_it_is_mended(world: Worlds) -> None:
    """It halts with the node's name and the next command, everything protected; after the repair, `resume` ends it."""
    simulated = world("never-ready")
    halted = simulated.start()
    assert halted.code == 1, halted
    assert "did not become Ready in time" in halted.out, halted
    assert f"rollout resume {halted.rollout_id}" in halted.out, halted
    assert simulated.rollout("status", "--config", "rollout.yaml").code == 0
    again = simulated.resume()
    assert again.code == 1, again
    simulated.post("/world", {"do": "mend"})
    resumed = simulated.resume(halted.rollout_id)
    assert resumed.code == 0, resumed
    is_proven(simulated)


@exhaustive
def test_an_autoscaler_that_comes_back_twice_halts_the_rollout(world: Worlds) -> None:
    """It is stopped once more by the tool, the second time by a person; resumed, the rollout ends and restores it."""
    simulated = world("autoscaler-back-twice")
    halted = simulated.start()
    assert halted.code == 1, halted
    assert halted.out.count("cluster-autoscaler came back (replicas: 1): it is stopped once more") == 1, halted
    assert "scaled back up twice" in halted.out, halted
    resumed = simulated.resume()
    assert resumed.code == 0, resumed
    is_proven(simulated)


@exhaustive
def test_somebody_elses_size_is_left_and_reported(world: Worlds) -> None:
    """MaxSize that was edited in mid-run stays as it was edited, and the output says so."""
    simulated = world("drift")
    result = simulated.start()
    assert result.code == 0, result
    assert "left as it is: MaxSize of eks_batch-demo" in result.out, result
    is_proven(simulated)


@exhaustive
def test_drift_of_the_desired_capacity_halts(world: Worlds) -> None:
    """Desired that was changed under the drain halts the rollout with both numbers; put back, `resume` ends it."""
    simulated = world("plain")
    simulated.post("/faults", {"match": {"operation": "POST pods/eviction", "nth": 1}, "hang": {"when": "before"}})
    process = simulated.spawn(*simulated.start_arguments)
    simulated.get("/hung")
    simulated.post("/world", {"do": "update_group", "group": "eks_worker-demo", "fields": {"DesiredCapacity": 3}})
    simulated.release()
    halted = finish(process)
    assert halted.code == 1, halted
    assert "DesiredCapacity of eks_worker-demo is 3, not 4" in halted.out, halted
    simulated.post("/world", {"do": "update_group", "group": "eks_worker-demo", "fields": {"DesiredCapacity": 4}})
    resumed = simulated.resume()
    assert resumed.code == 0, resumed


@exhaustive
def test_what_is_answered_yes_and_never_shows_halts_the_rollout(world: Worlds) -> None:
    """A webhook takes our taint out of every patch: the rollout halts and says so; without it, `resume` ends it."""
    simulated = world("proof-plain")
    simulated.post("/faults", {"match": {"service": "kube", "mutating": True}, "strip": {"field": "spec.taints"}})
    halted = simulated.start()
    assert halted.code == 1, halted
    assert "times, and does not show" in halted.out, str(halted)
    assert "mutatingwebhookconfigurations" in halted.out, halted
    simulated.release()
    resumed = simulated.resume(halted.rollout_id)
    assert resumed.code == 0, resumed
    is_proven(simulated)
