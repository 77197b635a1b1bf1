"""The records that decisions are made from: what they find, and what they refuse to make up."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rollout.model.machine import Phase
from rollout.model.observation import Observation
from rollout.model.plan import Surge
from tests.core.build import found, instance, node, node_group, plan, pod, record, seen, template

BEGUN = record(Phase.PLANNED)


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda: plan().group("x"), id="a group that is not in the plan"),
        pytest.param(lambda: plan(Phase.PLANNED).baseline("g"), id="a baseline before it was committed"),
        pytest.param(lambda: plan(Phase.PLANNED).surge("g"), id="a surge before the baseline"),
        pytest.param(lambda: plan(Phase.PLANNED).pinned(node_group()), id="our version before it was made"),
        pytest.param(lambda: seen(found()).group("x"), id="a group that was not looked at"),
        pytest.param(lambda: seen().template("lt"), id="a template that was not looked at"),
    ],
)
def test_what_is_not_there_is_not_made_up(ask: Callable[[], object]) -> None:
    """Asking too early, or for something else, is a mistake of ours and is not hidden."""
    with pytest.raises(KeyError):
        ask()


def test_what_is_found_by_name() -> None:
    """Groups, versions, instances and nodes are found where they are, and None where they are not."""
    world: Observation = seen(found(), node("x", instance_id=None), pod("a", "o1"), pod("b", None))
    assert plan().group("g") == node_group()
    assert plan(Phase.PLANNED).version(node_group().sources[0]) is None
    assert plan().version(node_group(source=11).sources[0]) is None
    assert found().use("override 1") is None
    assert (world.instance("i-x"), world.node_of("i-x")) == (None, None)
    assert [one.name for one in world.pods_on("o1")] == ["a"]
    assert world.pods_on("x") == ()
    assert BEGUN.row("cordon:o1:") is None


@pytest.mark.parametrize(
    ("surge", "sizes"),
    [
        pytest.param(Surge(100, percent=True), {0: 0, 1: 1, 2: 2, 7: 7}, id="all at once"),
        pytest.param(Surge(50, percent=True), {0: 0, 1: 1, 2: 1, 3: 2, 7: 4}, id="half, rounded up"),
        pytest.param(Surge(1, percent=True), {0: 0, 1: 1, 7: 1, 101: 2}, id="at least one"),
        pytest.param(Surge(3), {0: 0, 1: 1, 2: 2, 3: 3, 7: 3}, id="a number, at most as many again"),
    ],
)
def test_surge(surge: Surge, sizes: dict[int, int]) -> None:
    """As many as asked for, but at least one, and never more than the group has."""
    assert {size: surge.of(size) for size in sizes} == sizes


@pytest.mark.parametrize(("reference", "means"), [("$Latest", 2), ("$Default", 1), ("7", 7)])
def test_references(reference: str, means: int) -> None:
    """A name means what the template says now, a number itself."""
    assert template(default=1).resolve(reference) == means


@pytest.mark.parametrize(
    ("lifecycle", "living", "in_service"),
    [
        ("Pending", True, False),
        ("Pending:Wait", True, False),
        ("InService", True, True),
        ("Terminating", False, False),
        ("Terminating:Proceed", False, False),
        ("Terminating:Retained", False, False),
        ("Terminated", False, False),
        ("Standby", False, False),
        ("Detached", False, False),
    ],
)
def test_lifecycles(lifecycle: str, living: bool, in_service: bool) -> None:  # noqa: FBT001 - columns of a table
    """Living is what is here or on its way; AWS takes protection only for what is in service."""
    one = instance("i-o1", 1, lifecycle=lifecycle)
    assert (one.living, one.in_service) == (living, in_service)
    assert bool(found(one).living) is living


def test_nodes_of_a_group_are_those_of_its_living_instances() -> None:
    """A node outlives its instance for a moment, and a living instance may have none yet."""
    group = found(instance("i-a", 1), instance("i-b", 1, lifecycle="Terminating"), instance("i-c", 1))
    world = seen(group, node("a"), node("b"), unjoined=("c",))
    assert [one.name for one in world.nodes_of(group)] == ["a"]


def test_all_nodes_of_an_instance_are_seen_the_living_one_first() -> None:
    """A stale Node object counts beside the living one, and one that also claims another instance for both."""
    stale, living = node("a", ready=False), node("z", instance_id="i-a")
    odd = node("m", instance_id="i-x", claims=frozenset({"i-a"}), ready=False)
    group = found(instance("i-a", 1))
    world = seen(group, stale, living, odd)
    assert world.node_of("i-a") == living
    assert world.nodes_on("i-a") == (living, stale, odd)
    assert world.nodes_on("i-x") == (odd,)
    assert world.nodes_of(group) == (living, stale)
    assert node("s", instance_id=None, claims=frozenset({"i-a"})).instances == {"i-a"}


def test_a_stale_node_without_labels_does_not_make_selector_and_groups_disagree() -> None:
    """The labels of an instance are those of its living node."""
    labels = {"role": "worker"}
    world = seen(found(instance("i-a", 1)), node("z", instance_id="i-a", labels=labels), node("a", ready=False))
    assert world.selected_otherwise(labels) == ()
    assert world.selected_otherwise({"role": "x"}) == ("z",)
