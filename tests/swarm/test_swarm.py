"""The parts of the swarm that need no world: that a seed is a scenario, and that its judge and its shrinking see."""

from __future__ import annotations

import json
import shlex
from math import inf
from pathlib import Path
from typing import Any

import pytest

from eks_simulator import scenario
from tests.swarm import generating, person
from tests.swarm.case import Case, read
from tests.swarm.comparing import Compared
from tests.swarm.jobs import ended
from tests.swarm.operating import Asked, Deadlines, while_paused
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
    changes = [one | {"request": 1} for one in (bound, _change(*end))]
    assert bool([*ended(changes, state, state, Deadlines(said, [], 1))]) == found


@pytest.mark.parametrize(
    ("asked", "due"),
    [
        pytest.param([], 60, id="what was told"),
        pytest.param([Asked("extend", 50, 7, seconds=30)], 90, id="more time"),
        pytest.param([Asked("extend", 80, 7, seconds=30)], 110, id="more time, once it was over"),
        pytest.param([Asked("extend", 50, 9, seconds=30)], 60, id="asked for when the request was under way"),
        pytest.param([Asked("abort", 50, 7)], 900, id="the way back has its own"),
        pytest.param([Asked("abort", 50, 7), Asked("extend", 60, 8, seconds=9)], 909, id="which moves, too"),
        pytest.param([Asked("abort", 50, 7, keeps=True)], inf, id="no Job is killed"),
    ],
)
def test_more_time_and_the_way_back_move_the_deadline(asked: list[Asked], due: float) -> None:
    """For each request that was not under way when it was asked for."""
    said = ["old ones drain until 1970-01-01T00:01:00Z", "new ones drain until 1970-01-01T00:15:00Z"]
    assert Deadlines(said, asked, 1).of({"request": 10}) == due


def test_only_the_node_that_was_forced_may_lose_its_jobs_early() -> None:
    """From then on, and no other one; after an abort it stays, and has the deadline of the way back."""
    said = ["old ones drain until 1970-01-01T01:00:00Z", "new ones drain until 1970-01-01T02:00:00Z"]
    force = Asked("force", 50, 7, node="n1")
    deadlines = Deadlines(said, [force], 1)
    assert [deadlines.of({"request": 10}, node) for node in ("n1", "n2", None)] == [50, 3600, 3600]
    assert Deadlines(said, [force, Asked("abort", 60, 8)], 1).of({"request": 10}, "n1") == 7200


def test_what_is_changed_in_a_pause_is_found() -> None:
    """But for the marker, what was under way, what others did, and what came after its end."""
    pod = _change("pod/demo/job-a", "metadata.deletionTimestamp", "now", "client:r") | {"request": 6}
    others = [
        pod | {"request": 5},
        pod | {"request": 9},
        pod | {"actor": "world", "request": 0},
        pod | {"object": "configmap/kube-system/eks-rollout", "request": 7},
    ]
    pause = Asked("pause", 1, 5, lifted=8)
    assert [*while_paused([*others, pod], [pause], 1)] == []
    assert len([*while_paused([*others, pod, pod | {"request": 8}], [pause], 1)]) == 1


def test_a_way_back_is_compared_with_what_was_there_before() -> None:
    """No instance runs the new image, and a version by its number stays."""
    found: dict[str, list[str]] = {}
    pinned = _GROUP | {"LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "1"}}
    ours = {"object": "template/lt-1", "field": "versions.2", "actor": "client:r", "at": 1, "after": {}, "before": None}
    for image in ("ami-old", "ami-new"):
        instance = {"LifecycleState": "InService", "Node": "n1", "ImageId": image, "ProtectedFromScaleIn": False}
        before, after = (_EMPTY | {"groups": {"g": pinned | {"Instances": there}}} for there in ({}, {"i-1": instance}))
        made = ours | {"verb": "CreateLaunchTemplateVersion"}
        launched = ours | {"object": "instance/i-1", "field": "exists", "verb": "", "at": 0}
        compared = Compared(before, after, [launched, made], [], set(), "ami-new", back=True)
        found[image] = [kind for kind, _ in compared.differences()]
    assert found == {"ami-old": [], "ami-new": ["old instance"]}


def test_a_version_is_made_again_as_a_halt_says() -> None:
    """From an image that is read off an instance; what the shell keeps of one command is in the next."""
    text = (
        "halted: …; next: give it another one, with the image from before (IMAGE=$(aws ec2 describe-instances --region "
        "r --instance-ids i-1 --query Q --output text); VERSION=$(aws ec2 create-launch-template-version --region r "
        """--launch-template-id lt-1 --source-version 2 --launch-template-data '{"ImageId": "'"$IMAGE"'"}' --query V """
        """--output text); aws ec2 modify-launch-template --launch-template-id lt-1 --default-version "$VERSION"; """
        "aws autoscaling update-auto-scaling-group --auto-scaling-group-name g --launch-template "
        """LaunchTemplateId=lt-1,Version=''"$VERSION"''), then: rollout resume 1"""
    )
    template = {"Name": "lt", "LatestVersionNumber": 1, "Images": ["ami-a", "ami-b"]}
    state = {"groups": {"g": {"Instances": {"i-1": {"ImageId": "ami-a"}}}}, "templates": {"lt-1": template}}
    reference = {"LaunchTemplateId": "lt-1", "Version": "3"}
    assert [one.action for one in person.told(text, state)] == [
        {"do": "new_version", "template": "lt", "image": "ami-a"},
        {"do": "set_default", "template": "lt", "version": "3"},
        {"do": "update_group", "group": "g", "fields": {"LaunchTemplate": reference}},
    ]


def test_another_template_is_taken_as_a_halt_says() -> None:
    """With the image that the halt names."""
    text = (
        "halted: …; next: give it a version that exists, with image ami-b (aws autoscaling update-auto-scaling-group "
        "--auto-scaling-group-name g --launch-template 'LaunchTemplateId=ID,Version=$Default'), then: rollout resume 1"
    )
    spare = {"Name": person.SPARE, "LatestVersionNumber": 1, "Images": ["ami-a"]}
    reference = {"LaunchTemplateId": "lt-9", "Version": "$Default"}
    assert [one.action for one in person.told(text, {"groups": {}, "templates": {"lt-9": spare}})] == [
        {"do": "new_version", "template": person.SPARE, "image": "ami-b"},
        {"do": "set_default", "template": person.SPARE, "version": "2"},
        {"do": "update_group", "group": "g", "fields": {"LaunchTemplate": reference}},
    ]
