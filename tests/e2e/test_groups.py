"""Whole rollouts of every kind of group: mixed policies, shared templates, small surges, zones, hooks, spot, size 0."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Worlds
from tests.e2e.proving import is_proven
from tests.e2e.simulated import Simulated

Json = dict[str, object]

#: What takes long: make exhaustive runs it, and CI a sixth.
exhaustive = pytest.mark.exhaustive

#: Scenarios at whose end all is as it was, or as it was meant; `mixed` is another one.
QUIET = ("shared-template", "size-zero", "surge-half", "hooks", "capacity-rebalance-spot")


@exhaustive
@pytest.mark.parametrize("scenario", QUIET)
def test_groups_of_every_kind_are_replaced_and_restored(scenario: str, world: Worlds) -> None:
    """Every old node is replaced, no Job is killed, and every field of every group is back."""
    _is_replaced_and_restored(world(scenario))


@exhaustive
@pytest.mark.parametrize(
    ("scenario", "line", "field"),
    [
        ("multi-az", "eks_batch-demo keeps AZRebalance suspended, its zones differ", "SuspendedProcesses"),
        ("default-moved", "eks_batch-demo stays at 3: $Default of eks_batch_lt-demo is 2 now", "LaunchTemplate"),
        ("latest-not-ours", "eks_worker-demo stays at 2: $Latest of eks_worker_lt-demo is 3 now", "LaunchTemplate"),
    ],
)
def test_what_cannot_be_given_back_is_left_and_reported(scenario: str, line: str, field: str, world: Worlds) -> None:
    """Every old node is replaced, and the one thing that stays different is named, with the reason."""
    simulated = world(scenario)
    result = simulated.start()
    assert result.code == 0, result
    assert f"left as it is: {line}" in result.out, result
    is_proven(simulated)
    assert [one["field"] for one in _baseline(simulated) if not one["restored"]] == [field]


@exhaustive
def test_a_policy_is_pinned_and_given_back_in_one_update_each(world: Worlds) -> None:
    """Three templates of one policy change together, twice; all else that the policy says never changes."""
    simulated = world("mixed")
    _is_replaced_and_restored(simulated)
    found = [one for one in simulated.get("/log") if one["field"] == "MixedInstancesPolicy"]
    versions = [
        [one["before"]["LaunchTemplate"]["LaunchTemplateSpecification"]["Version"] for one in found],
        [one["after"]["LaunchTemplate"]["LaunchTemplateSpecification"]["Version"] for one in found],
    ]
    assert versions == [["$Latest", "2"], ["2", "$Latest"]]
    assert all(one["before"]["InstancesDistribution"] == one["after"]["InstancesDistribution"] for one in found)
    types = [[each["InstanceType"] for each in one["after"]["LaunchTemplate"]["Overrides"]] for one in found]
    assert types == [["c5.2xlarge", "c6i.2xlarge", "c5a.2xlarge"]] * 2


@exhaustive
def test_a_small_surge_never_has_more_nodes_than_it_may(world: Worlds) -> None:
    """Half a surge: desired never passes N plus half of it, and never falls below N."""
    simulated = world("surge-half")
    assert simulated.start().code == 0
    log = simulated.get("/log")
    for group, size, most in (("eks_worker-demo", 4, 6), ("eks_batch-demo", 3, 5)):
        desired = [one["after"] for one in log if (one["object"], one["field"]) == (f"asg/{group}", "DesiredCapacity")]
        assert (min(desired), max(desired), desired[-1]) == (size, most, size)
        assert desired.count(most) > 1, "it was topped up"


def _is_replaced_and_restored(simulated: Simulated) -> None:
    result = simulated.start()
    assert result.code == 0, result
    assert "left as it is" not in result.out, result
    is_proven(simulated)
    assert [one for one in _baseline(simulated) if not one["restored"]] == []


def _baseline(simulated: Simulated) -> list[Json]:
    found: list[Json] = simulated.get("/report")["baseline"]
    return found
