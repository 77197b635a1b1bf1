"""A plan that was kept, and what is there when it is to be begun: what has moved, and what has not."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from rollout.model.machine import Phase
from rollout.model.plan import ClusterId, Planned, Preset, Protected, Settings, Sizes, Steady, Surge
from rollout.model.preflight_observation import GroupProbed, Override
from rollout.model.windows import window
from rollout.preflight import Survey
from rollout.preflight.saved import SavedPlan, in_words, moved, same_groups, save
from rollout.preflight.saved import planned as still_to_be_there
from tests.core.build import NOW, ON, SETTINGS, at, found, node, node_group, old, pod, template, use
from tests.core.build import plan as planned

CLUSTER = ClusterId("arn:aws:eks:eu-west-1:1:cluster/c", "uid-1")
PROBED = GroupProbed("g", use("$Latest"), subnets=("subnet-a", "subnet-b"))
SURVEY = Survey(
    groups=(found(),), templates=(template(),), probed={"g": PROBED}, nodes=(node("o1"), node("o2")), autoscaler=ON
)
USED = "lt $Latest, version 1 with ami-old"
#: Each setting with another value.
OTHERS: dict[str, Any] = {
    "protected": Protected(("ns",)),
    "unprotected": "refuse",
    "autoscaler": None,
    "node_selector": {"pool": "g"},
    "taint_key": "other/key",
    "taint_early": True,
    "processes": (),
    "surge": Surge(50, percent=True),
    "max_draining": 2,
    "on_deadline": "halt",
    "on_blocked": "force",
    "in_service_seconds": 60.5,
    "ready_seconds": 60,
    "drain_seconds": 60,
    "blocked_seconds": 60,
    "patience_seconds": 60,
    "poll_seconds": 5,
    "parallel": 3,
    "steady": Steady(),
    "max_autoscaler_off_seconds": 60,
    "windows": (window("Mon 22:00-06:00 UTC"),),
}


def saved(survey: Survey = SURVEY, cluster: ClusterId = CLUSTER, **changes: Any) -> SavedPlan:
    """What is kept of a plan; `changes`: of the plan."""
    return save(survey, planned(Phase.PLANNED, **changes), cluster, NOW)


def group(**changes: Any) -> Survey:
    """The survey with another group."""
    return replace(SURVEY, groups=(found(**changes),))


def probe(**changes: Any) -> Survey:
    return replace(SURVEY, probed={"g": replace(PROBED, **changes)})


BEFORE = saved()


def test_what_must_still_be_there_later_is_what_was_seen() -> None:
    """The rollout compares it once more, where it takes what it gives back."""
    [kept] = still_to_be_there(saved(group(suspended=frozenset({"Launch"}), protect_new=True)))
    assert kept == Planned(
        "g",
        found().sizes,
        protect_new=True,
        capacity_rebalance=False,
        suspended=("Launch",),
        instances=("i-o1", "i-o2"),
    )


def test_what_changes_by_itself_has_not_moved() -> None:
    """Jobs begin and end, nodes are not Ready for a while, and time passes."""
    busy = replace(SURVEY, pods=(pod(), pod("other")), nodes=(node("o1", ready=False), node("o2")))
    later = replace(saved(busy), made=at(3600))
    assert moved(BEFORE, later) == ()
    assert same_groups(BEFORE, later)


@pytest.mark.parametrize("name", [field.name for field in fields(Settings)])
def test_every_setting_counts(name: str) -> None:
    """None is left out: another value of each is a difference, by its name in the configuration."""
    (first, *_) = moved(BEFORE, saved(settings=replace(SETTINGS, **{name: OTHERS[name]})))
    assert first.startswith("setting ")


@pytest.mark.parametrize("part", [field.name for part in (Protected, Steady) for field in fields(part)])
def test_every_part_of_a_setting_counts(part: str) -> None:
    """Each field of the selection, and of what is steady."""
    others = {
        "namespaces": ("ns",),
        "prefixes": ("p",),
        "labels": {"a": "b"},
        "kinds": ("Pod",),
        "presets": (Preset("argo", ("Workflow.argoproj.io",)),),
        "share": 0.5,
        "nodes": 9,
        "within": 9.0,
        "seconds": 9.0,
    }
    name = "protected" if part in {field.name for field in fields(Protected)} else "steady"
    other = replace(getattr(SETTINGS, name), **{part: others[part]})
    assert in_words(SETTINGS) != in_words(replace(SETTINGS, **{name: other}))


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (saved(ami="ami-other"), "the image: ami-new in the plan, ami-other now"),
        (saved(description="why"), "the description: none in the plan, why now"),
        (saved(autoscaler_replicas=2), "replicas of cluster-autoscaler: 1 in the plan, 2 now"),
        (
            saved(settings=replace(SETTINGS, drain_seconds=5400)),
            "setting deadlines.drain: 2h in the plan, 1h30m now",
        ),
        (
            saved(group(sizes=Sizes(1, 2, 5))),
            "group g: MinSize 1, DesiredCapacity 2, MaxSize 3 in the plan, MinSize 1, DesiredCapacity 2, MaxSize 5 now",
        ),
        (
            saved(replace(SURVEY, groups=(found(old("o2"), old("o3")),))),
            "group g: of the plan's old instances i-o1 left; i-o3 came, and would have to go too",
        ),
        (
            saved(replace(SURVEY, groups=(found(old("o1"), old("o2", lifecycle="Terminating:Wait")),))),
            "group g: of the plan's old instances i-o2 left",
        ),
        (saved(group(suspended=frozenset({"Launch"}))), "group g: suspended: none in the plan, Launch now"),
        (saved(group(protect_new=True)), "group g: scale-in protection of new instances: off in the plan, on now"),
        (saved(group(capacity_rebalance=True)), "group g: Capacity Rebalancing: off in the plan, on now"),
        (saved(group(mixed=True)), "group g: mixed instances policy: off in the plan, on now"),
        (saved(probe(subnets=("subnet-a",))), "group g: subnets: subnet-a, subnet-b in the plan, subnet-a now"),
        (
            saved(probe(overrides=(Override(None, "c5.large", None, None),))),
            "group g: instance types: by requirements in the plan, c5.large now",
        ),
        (
            saved(groups=(node_group(source=2),)),
            f"group g: launch templates: {USED} in the plan, lt $Latest, version 2 with ami-new now",
        ),
        (
            saved(groups=(node_group("g", "1"),)),
            f"group g: launch templates: {USED} in the plan, lt 1, version 1 with ami-old now",
        ),
        (saved(groups=()), "group g is in the plan, and is not asked for now"),
    ],
)
def test_what_has_moved_is_told_with_both_values(now: SavedPlan, says: str) -> None:
    """One line for each thing that is another one, and no other line."""
    assert moved(BEFORE, now) == (says,)


def test_a_group_that_came_is_told() -> None:
    """It is not in the plan."""
    assert moved(saved(groups=()), BEFORE) == ("group g is asked for now, and is not in the plan",)
    assert not same_groups(saved(groups=()), BEFORE)


def test_of_another_cluster_nothing_else_is_told() -> None:
    """By its ARN, and by the uid where both are known."""
    arn, uid = replace(CLUSTER, arn="arn:2"), replace(CLUSTER, uid="uid-2")
    assert moved(BEFORE, saved(cluster=arn, ami="x")) == (
        "the cluster is arn:2, not arn:aws:eks:eu-west-1:1:cluster/c",
    )
    (same_name,) = moved(BEFORE, saved(cluster=uid))
    assert same_name.endswith("(kube-system has uid uid-2, not uid-1)")
    assert not same_groups(BEFORE, saved(cluster=uid))
    assert moved(BEFORE, saved(cluster=replace(CLUSTER, uid=""))) == ()


def test_a_group_that_was_not_probed_has_no_types() -> None:
    """Somebody made it between two reads."""
    assert saved(replace(SURVEY, probed={})).groups[0].types == ()
