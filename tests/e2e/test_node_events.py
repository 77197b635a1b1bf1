"""Events on nodes through the real command line: after a crash each is there once, and a rollout goes without them."""

from __future__ import annotations

from collections import Counter

from tests.e2e.conftest import Worlds
from tests.e2e.proving import is_proven
from tests.e2e.simulated import Simulated
from tests.e2e.test_identity import kube

IN_DRAIN = {"match": {"operation": "TerminateInstanceInAutoScalingGroup", "nth": 2}, "hang": {"when": "after"}}


def with_events(simulated: Simulated) -> None:
    """Ask for Events."""
    config = simulated.directory / "rollout.yaml"
    config.write_text(f"{config.read_text(encoding='utf-8')}node_events: true\n", encoding="utf-8")


def test_a_killed_run_tells_nothing_twice(world: Worlds) -> None:
    """Each node that goes has one Event that it drains, and one that it is empty; all promises are kept."""
    simulated = world("proof-plain")
    with_events(simulated)
    simulated.post("/faults", IN_DRAIN)
    simulated.kill_at(simulated.spawn(*simulated.start_arguments))
    ended = simulated.start()
    assert ended.code == 0, ended
    is_proven(simulated)
    found = kube(simulated, "GET", "/api/v1/namespaces/default/events")["items"]
    ours = [one for one in found if one["source"]["component"] == "eks-rollout"]
    told = Counter((one["involvedObject"]["name"], one["reason"]) for one in ours)
    assert sorted(reason for _, reason in told if reason == "Drained") == ["Drained"] * 4
    assert {told[one] for one in told if one[1] in {"Draining", "Drained"}} == {1}
    assert any(one["message"].startswith(f"rollout {ended.rollout_id}: waits for pod demo/") for one in ours)


def test_without_the_right_it_goes_on(world: Worlds) -> None:
    """One warning, and the rollout ends as any other."""
    simulated = world("proof-plain")
    with_events(simulated)
    error = {"status": 403, "code": "Forbidden"}
    simulated.post("/faults", {"match": {"service": "kube", "operation": "POST events"}, "error": error})
    ended = simulated.start()
    assert ended.code == 0, ended
    assert ended.err.count("an Event on a node is not written") == 1, ended
    is_proven(simulated)
