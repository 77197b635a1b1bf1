"""The parts of the swarm that need no world: that a seed is a scenario, and that its judge and its shrinking see."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from eks_simulator import scenario
from tests.swarm import generating, person
from tests.swarm.case import Case, read
from tests.swarm.comparing import Compared
from tests.swarm.jobs import ended
from tests.swarm.shrinking import candidates, shrunk

_GROUP: dict[str, Any] = {
    "MinSize": 1,
    "MaxSize": 4,
    "DesiredCapacity": 2,
    "SuspendedProcesses": [],
    "Instances": {},
    "NewInstancesProtectedFromScaleIn": False,
    "CapacityRebalance": False,
    "MixedInstancesPolicy": None,
    "LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "$Latest"},
}
_EMPTY: dict[str, Any] = {"templates": {}, "nodes": {}, "deployments": {}, "configmaps": {}}


def test_every_seed_is_a_scenario_that_its_file_says_whole(tmp_path: Path) -> None:
    """What is printed is read by the simulator, and by the swarm as the same case; a seed is always the same case."""
    path = tmp_path / "case.yaml"
    for seed in range(20):
        case = generating.case(seed)
        path.write_text(case.text(), "utf-8")
        scenario.load(path)
        assert read(path).text() == case.text() == generating.case(seed).text()


@pytest.mark.parametrize(
    ("field", "now", "changes", "report", "kinds"),
    [
        pytest.param("MaxSize", 4, [], [], [], id="as it was"),
        pytest.param("MaxSize", 6, [], [], ["MaxSize"], id="not as it was"),
        pytest.param("MaxSize", 6, [("world", 6, 0)], [], [], id="as a person set it"),
        pytest.param(
            "MaxSize", 4, [("world", 6, 0), ("client:r", 4, 31)], [], ["MaxSize"], id="a person's wish undone"
        ),
        pytest.param("MaxSize", 4, [("world", 6, 0), ("client:r", 4, 30)], [], [], id="which we may not have seen"),
        pytest.param(
            "MaxSize",
            4,
            [("client:r", 8, 0), ("world", 6, 50), ("world", 8, 99), ("client:r", 4, 200)],
            [],
            [],
            id="which was as we had written it",
        ),
        pytest.param("MaxSize", 6, [], ["left as it is: MaxSize of g was 4, stays 6"], [], id="reported"),
        pytest.param("MaxSize", 6, [], ["left as it is: MinSize of g was 1, stays 6"], ["MaxSize"], id="another's"),
    ],
)
def test_a_field_is_as_it_was_or_as_somebody_left_it_or_reported(
    field: str, now: int, changes: list[tuple[str, int, int]], report: list[str], kinds: list[str]
) -> None:
    """Nothing else is accepted."""
    thing = {"object": "asg/g", "field": field, "verb": "", "before": 4}
    log = [thing | {"actor": who, "after": to, "at": at} for who, to, at in changes]
    before, after = ({"groups": {"g": group}, **_EMPTY} for group in (_GROUP, _GROUP | {field: now}))
    found = Compared(before, after, log, report, set(), "ami-new").differences()
    assert [kind for kind, _ in found] == kinds


def test_a_node_that_goes_with_its_instance_and_a_policy_that_somebody_took_away() -> None:
    """What is on that node goes, too; what the policy launched, the group launches by itself."""
    node = {"metadata": {"annotations": {"eks-rollout/x": ""}}, "spec": {}}
    state = _EMPTY | {"nodes": {"n1": node}}
    kinds = {}
    for lifecycle in ("InService", "Terminating"):
        there = {
            "i-1": {"LifecycleState": lifecycle, "Node": "n1", "ImageId": "ami-new", "ProtectedFromScaleIn": False}
        }
        mixed = {"LaunchTemplate": {"LaunchTemplateSpecification": _GROUP["LaunchTemplate"]}}
        before = state | {"groups": {"g": _GROUP | {"LaunchTemplate": None, "MixedInstancesPolicy": mixed}}}
        gone = {
            "object": "asg/g",
            "field": "MixedInstancesPolicy",
            "actor": "world",
            "verb": "it",
            "after": None,
            "at": 1,
        }
        after = state | {"groups": {"g": _GROUP | {"Instances": there}}}
        found = Compared(before, after, [gone | {"before": mixed}], [], set(), "ami-new").differences()
        kinds[lifecycle] = [kind for kind, _ in found]
    assert kinds == {"InService": ["our annotation"], "Terminating": []}


def test_a_halt_is_done_as_it_says() -> None:
    """Its commands of Auto Scaling become acts of the world, and the fields are ours again."""
    policy = {"LaunchTemplate": {"LaunchTemplateSpecification": {"Version": "2"}}}
    text = (
        "halted: drift: …; next: put it back (aws autoscaling update-auto-scaling-group --region eu-west-1 "
        "--auto-scaling-group-name 'a b' --min-size 1 --launch-template LaunchTemplateId=lt-1,Version=2; "
        "aws autoscaling update-auto-scaling-group --auto-scaling-group-name h --mixed-instances-policy "
        f"{shlex.quote(json.dumps(policy))}; "
        "aws autoscaling suspend-processes --auto-scaling-group-name g --scaling-processes AZRebalance Launch; "
        "aws autoscaling cancel-instance-refresh --region eu-west-1 --auto-scaling-group-name g), "
        "then: rollout resume 1"
    )
    found = list(person.told(text, {"groups": {}}))
    template = {"LaunchTemplateId": "lt-1", "Version": "2"}
    assert [one.action for one in found] == [
        {"do": "update_group", "group": "a b", "fields": {"MinSize": 1, "LaunchTemplate": template}},
        {"do": "update_group", "group": "h", "fields": {"MixedInstancesPolicy": policy}},
        {"do": "processes", "group": "g", "processes": ["AZRebalance", "Launch"], "on": False},
        {"do": "cancel_refresh", "group": "g"},
    ]
    assert found[2].touched == (("asg/g", "SuspendedProcesses"),)


def test_a_desired_capacity_that_is_too_high_costs_an_idle_instance() -> None:
    """One on which nothing but its own pods runs, through its group; never the number alone."""
    text = (
        "halted: drift: DesiredCapacity of g is 3, not 2; next: put it back (aws autoscaling "
        "terminate-instance-in-auto-scaling-group --instance-id ID …, for each), then:"
    )
    instances = {one: {"LifecycleState": "InService", "Node": f"node-{one}"} for one in ("i-1", "i-2", "i-3")}
    pods = {"a": _pod("node-i-1", "Job"), "b": _pod("node-i-2", "DaemonSet"), "c": _pod("node-i-3", "Job")}
    found = person.told(text, {"groups": {"g": {"Instances": instances}}, "pods": pods, "nodes": {}})
    assert [one.action for one in found] == [{"do": "terminate_in_group", "group": "g", "id": "i-2"}]


def test_an_instance_that_ended_is_replaced_as_a_halt_says() -> None:
    """Through its group, whose desired capacity stays."""
    text = (
        "halted: …; next: let more nodes serve: i-1 ended in EC2 (its group replaces it by: aws autoscaling "
        "terminate-instance-in-auto-scaling-group --region r --instance-id i-1 --no-should-decrement-desired-capacity)"
    )
    found = person.told(text, {"groups": {"g": {"Instances": {"i-1": {}}}}, "pods": {}, "nodes": {}})
    assert [one.action for one in found] == [
        {"do": "terminate_in_group", "group": "g", "id": "i-1", "decrement": False}
    ]


def test_a_node_is_opened_as_a_halt_says() -> None:
    """By the command itself, or by who looks at the nodes and finds one closed, but not by a rollout."""
    nodes = {
        "a": {"spec": {"unschedulable": True}},
        "b": {"spec": {"taints": [{"key": "maintenance"}]}},
        "c": {"spec": {"unschedulable": True, "taints": [{"key": "eks-rollout/replacing"}]}},
    }
    state = {"groups": {"g": {"Instances": {f"i-{one}": {"Node": one} for one in nodes}}}, "nodes": nodes}
    closed = "(kubectl uncordon a; kubectl taint node b maintenance:NoSchedule-)"
    for hint in (closed, "(kubectl uncordon a; kubectl describe node b)", "(kubectl --context c get nodes)"):
        found = person.told(f"halted: it does not serve; next: open it {hint}, then: rollout resume 1", state)
        assert [one.action for one in found] == [
            {"do": "cordon", "on": False, "group": "g", "id": "i-a"},
            {"do": "untaint", "group": "g", "id": "i-b", "key": "maintenance"},
        ]


def _pod(node: str, owner: str) -> dict[str, Any]:
    return {"metadata": {"ownerReferences": [{"kind": owner}]}, "spec": {"nodeName": node}}


def test_what_does_not_matter_is_taken_away() -> None:
    """A case that fails because of one event alone is left with that event, one rollout and nothing else to drop."""

    def fails(case: Case) -> bool:
        return any(event["do"] == "cordon" for event in case.world["events"])

    seed = next(number for number in range(1000) if fails(generating.case(number)))
    small = shrunk(generating.case(seed), fails, 60)
    assert [event["do"] for event in small.world["events"]] == ["cordon"]
    assert (small.images, small.acts, small.world["request_faults"]) == ((generating.NEW,), (), [])
    assert not any(map(fails, candidates(small)))


def _change(thing: str, field: str, after: Any, actor: str = "world") -> dict[str, Any]:
    return {"object": thing, "field": field, "after": after, "actor": actor, "verb": "it", "at": 100.0}


@pytest.mark.parametrize(
    ("end", "said", "found"),
    [
        pytest.param(("pod/demo/job-a", "metadata.deletionTimestamp", "now", "client:r"), [], True, id="by us"),
        pytest.param(("pod/demo/job-a", "metadata.deletionTimestamp", "now"), [], False, id="by others"),
        pytest.param(("pod/demo/job-a", "metadata.deletionTimestamp", "now", "client:r"),
                     ["old ones drain until 1970-01-01T00:01:00Z"], False, id="past the deadline"),
        pytest.param(("instance/i-1", "LifecycleState", "Terminating", "client:r"), [], True, id="with its instance"),
        pytest.param(("instance/i-2", "LifecycleState", "Terminating", "client:r"), [], False, id="with another"),
    ],
)  # fmt: skip
def test_a_protected_pod_that_we_end_too_early_is_found(end: tuple[str, ...], said: list[str], *, found: bool) -> None:
    """By its deletion, or with its instance, before the deadline that our own output names."""
    state = {"at": 0, "groups": {"g": {"Instances": {"i-1": {"Node": "n1"}, "i-2": {"Node": "n2"}}}}}
    bound = _change("pod/demo/job-a", "spec.nodeName", "n1")
    assert bool([*ended([bound, _change(*end)], state, state, said)]) == found
