"""Whether AWS has room for the surge: what is asked, what is short, and what is not checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from rollout.errors import Denied, Retry
from rollout.model.machine import Phase
from rollout.model.observation import VersionSeen
from rollout.model.plan import Sizes
from rollout.model.preflight_observation import GroupProbed, Override
from rollout.preflight import Survey, room
from rollout.preflight.room import Addresses, Quota, Room
from tests.core.build import found, node_group, old, template, use
from tests.core.build import plan as planned

STANDARD, SPOT = "L-1216C47A", "L-34B43A08"
PROBED = GroupProbed("g", use("$Latest"), subnets=("subnet-a", "subnet-b"))
VERSIONS = template(VersionSeen(1, "ami-old", "", "m5.large"))
SURVEY = Survey(groups=(found(),), templates=(VERSIONS,), probed={"g": PROBED})


@dataclass
class Asked:
    """AWS; `wrong`: by verb, what it raises."""

    free: Mapping[str, int] = field(default_factory=lambda: {"subnet-a": 5, "subnet-b": 1})
    sizes: Mapping[str, int] = field(default_factory=lambda: {"m5.large": 2, "c5.xlarge": 4, "g5.xlarge": 4})
    runs: Mapping[tuple[str, bool], int] = field(default_factory=lambda: {("m5.large", False): 2})
    limits: Mapping[str, float] = field(default_factory=lambda: {STANDARD: 64.0})
    wrong: Mapping[str, Exception] = field(default_factory=dict)

    def answer(self, verb: str, value: Any) -> Any:
        if verb in self.wrong:
            raise self.wrong[verb]
        return value

    def addresses(self, subnets: Sequence[str]) -> Any:
        return self.answer("addresses", {name: self.free[name] for name in subnets if name in self.free})

    def vcpus(self, types: Sequence[str]) -> Any:
        return self.answer("vcpus", {name: self.sizes[name] for name in types if name in self.sizes})

    def running(self) -> Any:
        return self.answer("running", self.runs)

    def quota(self, code: str) -> Any:
        return self.answer("quota", self.limits.get(code))


def look(probe: Asked | None = None, survey: Survey = SURVEY, **changes: Any) -> Room:
    """What there is room for; `changes`: of the plan."""
    return room.look(survey, planned(Phase.PLANNED, **changes), probe or Asked())


def probed(**changes: Any) -> Survey:
    return replace(SURVEY, probed={"g": replace(PROBED, **changes)})


def types(*names: str) -> tuple[Override, ...]:
    return tuple(Override(None, name, None, None) for name in names)


def test_the_surge_is_compared_with_what_is_free_and_allowed() -> None:
    """Two more instances of two vCPUs each, beside the two that run."""
    there = look()
    assert there == Room(
        (Addresses("g", 2, {"subnet-a": 5, "subnet-b": 1}),),
        (Quota(STANDARD, "Standard On-Demand instances", 4, 4, 64.0),),
    )
    assert list(room.warnings(there)) == []
    assert list(room.lines(there)) == [
        "group g: 2 more at a time, 6 free addresses (subnet-a 5, subnet-b 1)",
        "vCPUs of Standard On-Demand instances: 4 more at a time, 4 run now, 64 are allowed (L-1216C47A)",
    ]


@pytest.mark.parametrize(
    ("probe", "says"),
    [
        (Asked(free={"subnet-a": 1, "subnet-b": 0}), "its subnets have 1 free addresses (subnet-a 1, subnet-b 0)"),
        (Asked(limits={STANDARD: 7}), "allows 7, 4 run now, and 4 more are launched at a time"),
    ],
)
def test_what_is_short_is_warned_of(probe: Asked, says: str) -> None:
    """With both numbers, what comes of it, and what helps."""
    (warning,) = room.warnings(look(probe))
    assert says in warning
    assert "halts when deadlines.in_service is over" in warning
    assert "lower `surge`" in warning


@pytest.mark.parametrize("free", [2, 3])
def test_as_many_as_are_launched_are_enough(free: int) -> None:
    """The border of both."""
    assert not any(one.short for one in look(Asked(free={"subnet-a": free})).addresses)
    assert not any(one.short for one in look(Asked(limits={STANDARD: 6 + free})).quotas)


def test_groups_that_share_subnets_need_room_for_all_of_them() -> None:
    """Enough for each, and not for both, is told once; groups with subnets of their own are none of them."""
    other, third = replace(PROBED, name="h"), replace(PROBED, name="i", subnets=("subnet-c",))
    survey = replace(
        SURVEY,
        groups=(found(), found(old("o3"), old("o4"), name="h"), found(old("o5"), name="i")),
        probed={"g": PROBED, "h": other, "i": third},
    )
    groups = (node_group(), node_group("h"), node_group("i"))
    free = {"subnet-a": 2, "subnet-b": 1, "subnet-c": 9}
    (warning,) = room.warnings(look(Asked(free=free), survey, groups=groups))
    assert warning.startswith("groups g and h launch 4 instances at a time together, and share 3 free addresses")
    assert list(room.warnings(look(Asked(free=free | {"subnet-b": 2}), survey, groups=groups))) == []


def test_each_market_and_kind_has_its_own_quota() -> None:
    """Of several types the one with the most vCPUs counts; half On-Demand is rounded up; a Mac has no quota."""
    mixed = probed(overrides=types("m5.large", "c5.xlarge", "g5.xlarge", "mac2.metal"), on_demand_percent=50)
    runs = {("m5.large", True): 3, ("g5.xlarge", False): 1, ("unknown.large", False): 4}
    there = look(Asked(runs=runs, limits={STANDARD: 9, SPOT: 9}), mixed)
    assert {(one.code, one.more, one.used, one.limit) for one in there.quotas} == {
        (STANDARD, 4, 0, 9),
        (SPOT, 4, 6, 9),
        ("L-DB2E81BA", 4, 4, None),
        ("L-3819A6DF", 4, 0, None),
    }
    assert "how many are allowed is not known" in "".join(room.lines(there))
    no_spot = look(
        survey=probed(overrides=types("hpc6a.48xlarge"), on_demand_percent=0), probe=Asked(sizes={"hpc6a.48xlarge": 96})
    )
    assert no_spot.quotas == ()


@pytest.mark.parametrize(
    ("verb", "right"),
    [
        ("addresses", "ec2:DescribeSubnets"),
        ("running", "ec2:DescribeInstances"),
        ("vcpus", "ec2:DescribeInstanceTypes"),
        ("quota", "servicequotas:GetServiceQuota"),
    ],
)
@pytest.mark.parametrize("error", [Denied("UnauthorizedOperation"), Retry("Throttling")])
def test_what_is_not_answered_is_not_checked_and_keeps_nobody(verb: str, right: str, error: Exception) -> None:
    """The right is named, everything else is told, and nothing counts as short."""
    there = look(Asked(free={"subnet-a": 0} if verb == "quota" else {"subnet-a": 9}, wrong={verb: error}))
    (unchecked,) = there.unchecked
    assert unchecked.startswith("it is not checked whether ")
    assert error.args[0] in unchecked
    assert right in unchecked
    assert unchecked in list(room.warnings(there))
    assert not any(one.short for one in there.quotas)
    assert "not known" in "".join(room.lines(there)) or verb == "vcpus"


def test_who_does_not_answer_is_asked_once() -> None:
    """A service that cannot be reached costs seconds each time."""
    two = probed(overrides=types("m5.large", "g5.xlarge"))
    there = look(Asked(wrong={"quota": Retry("EndpointConnectionError")}), two)
    assert (len(there.quotas), len(there.unchecked)) == (2, 1)


def test_what_launches_nothing_needs_no_room() -> None:
    """A group of size 0, and one that AWS gives a type by requirements."""
    empty = replace(SURVEY, groups=(replace(found(sizes=Sizes(0, 0, 3)), instances=()),))
    assert look(survey=empty) == Room()
    by_requirements = replace(SURVEY, templates=(template(VersionSeen(1, "ami-old", "")),))
    assert look(survey=by_requirements).quotas == ()
    assert look(survey=replace(SURVEY, probed={})) == Room()


def test_where_the_template_says_in_which_subnet_nothing_is_compared() -> None:
    """The group names none."""
    there = look(survey=probed(subnets=()))
    assert next(iter(room.lines(there))) == "group g: 2 more at a time, free addresses not known"
    assert list(room.warnings(there)) == []
