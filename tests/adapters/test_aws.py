"""AWS through its port: what is read, what each mutating verb changes, and that each is sent once, whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from rollout.adapters import Edge
from rollout.adapters.aws_errors import CONTENDED, THROTTLED
from rollout.errors import Bug, Refused, Retry, Unknown
from rollout.observation import GroupSeen, TemplateSeen
from rollout.plan import Sizes
from rollout.ports import Fleet, GroupChange
from tests.adapters.living import Living

AMI = "ami-00000000000000bbb"
NUMBERS = count(1)


@pytest.fixture
def fleet(edge: Edge) -> Fleet:
    return edge.fleet


def workers(fleet: Fleet) -> GroupSeen:
    return fleet.groups(["workers"])[0]


def template(fleet: Fleet) -> TemplateSeen:
    (found,) = fleet.templates([workers(fleet).uses[0].template_id])
    return found


# ---- reads


def test_groups_come_in_the_order_asked_for(fleet: Fleet) -> None:
    """A group that does not exist is left out, the rest comes in the caller's order, however AWS sorts."""
    assert [group.name for group in fleet.groups(["workers", "nowhere", "floor"])] == ["workers", "floor"]


def test_many_groups_cost_one_request(fleet: Fleet, world: Living) -> None:
    """Reading several groups with their instances is one request."""
    before = world.arrived(mutating=False)
    fleet.groups(["workers", "floor"])
    assert world.arrived(mutating=False) == before + 1


def test_a_group_is_seen_with_sizes_reference_and_instances(fleet: Fleet) -> None:
    """Sizes, template reference as written, and each instance with its own version as a number."""
    floor, several = fleet.groups(["floor", "workers"])
    assert (floor.sizes, floor.nodegroup) == (Sizes(1, 1, 2), None)
    assert [use.label for use in floor.uses] == ["worker-lt 1"]
    assert [use.label for use in several.uses] == ["worker-lt $Latest"]
    assert {instance.version for instance in several.instances} == {2}
    assert all(instance.in_service and instance.healthy for instance in several.instances)


def test_a_policy_shows_every_use_of_a_template(fleet: Fleet) -> None:
    """Its own first, then those of overrides that name one, each with its place."""
    (mixed,) = fleet.groups(["mixed"])
    names = ["worker-lt $Latest", "worker-lt 1 (override 2)", "worker-lt $Default (override 3)"]
    assert [use.label for use in mixed.uses] == names


def test_instances_that_live_are_told_from_those_that_nobody_knows(fleet: Fleet) -> None:
    """However many are asked for: an id that does not exist spoils nothing, and there is no group to ask by."""
    there = {instance.id for group in fleet.groups(["workers", "floor"]) for instance in group.instances}
    nobody = {f"i-{number:017x}" for number in range(300)}
    assert fleet.living(there | nobody) == there
    ended = min(there)
    fleet.terminate(ended)
    assert ended not in fleet.living(there)


@pytest.mark.parametrize("slots", [("", "override 2", "override 3"), ("override 3",), ("",)], ids=str)
def test_references_of_a_policy_change_in_one_request_and_nothing_else_does(
    fleet: Fleet, world: Living, slots: tuple[str, ...]
) -> None:
    """Those named change, those not named stay, and so do instance types, their order and the distribution."""
    (found,) = fleet.groups(["mixed"])
    before = policy(world)
    chosen = [use for use in found.uses if use.slot in slots]
    uses = tuple(replace(use, reference="1" if use.reference == "2" else "2") for use in chosen)
    sent = world.arrived()
    assert fleet.update_group("mixed", GroupChange(uses=uses))
    assert world.arrived() == sent + 1
    wanted = {use.slot: use for use in uses}
    assert fleet.groups(["mixed"])[0].uses == tuple(wanted.get(use.slot, use) for use in found.uses)
    assert policy(world) == before


def policy(world: Living) -> Any:
    """What a MixedInstancesPolicy says besides which template it launches."""
    mixed = world.do(lambda: world.simulator.world.cloud.groups["mixed"].mixed)
    assert mixed
    types = [one["InstanceType"] for one in mixed["Overrides"]]
    return types, mixed["InstancesDistribution"]


def test_a_slot_that_names_another_template_is_left(fleet: Fleet, world: Living) -> None:
    """Nothing is sent: the world has to be looked at again."""
    (use, *_) = workers(fleet).uses
    sent = world.arrived()
    for other in (replace(use, template_id="lt-0"), replace(use, slot="override 1")):
        with pytest.raises(Retry, match="workers names other templates by now"):
            fleet.update_group("workers", GroupChange(uses=(other,)))
    with pytest.raises(Retry):
        fleet.update_group("nowhere", GroupChange(uses=(use,)))
    assert world.arrived() == sent


def test_templates_that_do_not_exist_are_left_out(fleet: Fleet) -> None:
    """One wrong id does not take the others with it."""
    known = workers(fleet).uses[0].template_id
    found = fleet.templates(["lt-00000000000000000", known, "lt-1"])
    assert [one.id for one in found] == [known]
    assert fleet.templates([]) == ()


def test_a_template_shows_its_versions_newest_first(fleet: Fleet) -> None:
    """Number, image and description of every version."""
    versions = template(fleet).versions
    assert [version.number for version in versions] == sorted((v.number for v in versions), reverse=True)
    assert (versions[-2].number, versions[-2].description) == (2, "second")


def test_an_image_that_cannot_be_seen_is_none(fleet: Fleet) -> None:
    """Unknown and malformed ids are no errors; a known one tells its state."""
    found = fleet.image(AMI)
    assert found is not None
    assert (found.name, found.state) == ("eks-worker-new", "available")
    assert fleet.image("ami-00000000000000000") is None
    assert fleet.image("nonsense") is None


def test_the_newest_trouble_of_a_group_is_told(fleet: Fleet, world: Living) -> None:
    """A launch that AWS cannot serve is told in AWS's words; a group without trouble says nothing."""
    assert fleet.trouble("workers") == ""
    world.do(lambda: world.simulator.do({"do": "break", "kind": "shortage", "group": "floor"}))
    fleet.update_group("floor", GroupChange(desired=2))
    world.pass_by(600)
    assert "capacity" in fleet.trouble("floor")
    world.do(lambda: world.simulator.do({"do": "mend"}))


@pytest.mark.parametrize(
    "fault",
    [
        {"drop": {"when": "before"}},
        {"garble": {}},
        {"error": {"status": 503, "code": "ServiceUnavailable"}},
        {"error": {"status": 400, "code": "Throttling"}},
    ],
    ids=lambda fault: next(iter(fault)),
)
def test_a_read_survives_a_passing_fault_or_says_retry(fleet: Fleet, world: Living, fault: dict[str, Any]) -> None:
    """Reads are repeated; where that does not help, they never say anything worse than `Retry`."""
    world.fault(fault, operation="DescribeAutoScalingGroups", times=1)
    try:
        found = fleet.groups(["workers"])
    except Retry:
        found = fleet.groups(["workers"])
    assert found[0].name == "workers"


# ---- mutating verbs


def create_version(fleet: Fleet) -> Callable[[], bool]:
    number = next(NUMBERS)
    fleet.create_version(template(fleet).id, 1, AMI, f"made-{number}.", f"token-{number}")
    return lambda: template(fleet).described(f"made-{number}.") is not None


def set_default_version(fleet: Fleet) -> Callable[[], bool]:
    found = template(fleet)
    number = 1 if found.default == 2 else 2
    fleet.set_default_version(found.id, number)
    return lambda: template(fleet).default == number


def update_group(fleet: Fleet) -> Callable[[], bool]:
    found = workers(fleet)
    maximum = found.sizes.maximum + 1
    uses = (replace(found.uses[0], reference="2"),)
    change = GroupChange(maximum=maximum, protect_new=True, capacity_rebalance=True, uses=uses)
    fleet.update_group("workers", change)

    def shows() -> bool:
        now = workers(fleet)
        flags = (now.protect_new, now.capacity_rebalance, now.uses)
        return now.sizes.maximum == maximum and now.sizes.desired == found.sizes.desired and flags == (True, True, uses)

    return shows


def protect(fleet: Fleet) -> Callable[[], bool]:
    victim = next(i for i in workers(fleet).instances if i.in_service)
    fleet.protect("workers", [victim.id], protected=not victim.protected)
    return lambda: next(i for i in workers(fleet).instances if i.id == victim.id).protected is not victim.protected


def suspend(fleet: Fleet) -> Callable[[], bool]:
    fleet.suspend("workers", ["AZRebalance", "ScheduledActions"])
    return lambda: workers(fleet).suspended == {"AZRebalance", "ScheduledActions"}


def resume(fleet: Fleet) -> Callable[[], bool]:
    fleet.resume("workers", ["ScheduledActions"])
    return lambda: "ScheduledActions" not in workers(fleet).suspended


def terminate(fleet: Fleet) -> Callable[[], bool]:
    found = workers(fleet)
    victim = next(i.id for i in found.instances if i.in_service)
    fleet.terminate(victim)

    def shows() -> bool:
        now = workers(fleet)
        gone = all(i.id != victim for i in now.living)
        return gone and now.sizes.desired == found.sizes.desired - 1

    return shows


VERBS = (create_version, set_default_version, update_group, protect, suspend, resume, terminate)
each_verb = pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__)


@each_verb
def test_a_verb_changes_what_it_names(fleet: Fleet, verb: Callable[[Fleet], Callable[[], bool]]) -> None:
    """After a yes the world shows exactly what was asked for."""
    assert verb(fleet)()


@each_verb
@pytest.mark.parametrize(
    "fault",
    [
        {"drop": {"when": "before"}},
        {"drop": {"when": "after"}},
        {"garble": {}},
        {"error": {"status": 500, "code": "InternalFailure"}},
        {"error": {"status": 503, "code": "ServiceUnavailable", "applied": True}},
        {"error": {"status": 403, "code": "", "body": "<html><b>403</b></html>", "applied": True}},
        {"error": {"status": 400, "code": "", "body": "", "applied": True}},
        {"error": {"status": 404, "code": "", "body": "not found"}},
    ],
    ids=["lost", "reply-lost", "garbled", "500", "503", "html-403", "empty-400", "text-404"],
)
def test_what_may_have_been_applied_is_unknown_and_sent_once(
    fleet: Fleet, world: Living, verb: Callable[[Fleet], Callable[[], bool]], fault: dict[str, Any]
) -> None:
    """A lost or unreadable reply and a server's error are `Unknown`; the request arrived exactly once."""
    world.fault(fault, mutating=True)
    before = world.arrived()
    with pytest.raises(Unknown):
        verb(fleet)
    assert world.arrived() == before + 1


PASSING = [
    *((503 if "Limit" in code else 400, code) for code in sorted(THROTTLED)),
    *((500, code) for code in sorted(CONTENDED)),
    (403, "RequestExpired"),
]


@pytest.mark.parametrize(("status", "code"), PASSING)
def test_throttling_and_contention_were_certainly_not_applied(
    fleet: Fleet, world: Living, status: int, code: str
) -> None:
    """The code decides before the status does, and the request is sent once."""
    world.fault({"error": {"status": status, "code": code}}, mutating=True)
    before = world.arrived()
    with pytest.raises(Retry, match=code) as caught:
        fleet.suspend("workers", ["AZRebalance"])
    assert world.arrived() == before + 1
    assert caught.value.request_id


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "AccessDenied"), (400, "ValidationError"), (400, "LimitExceeded"), (403, "ExpiredToken")],
)
def test_a_clear_no_is_refused_with_its_request_id(fleet: Fleet, world: Living, status: int, code: str) -> None:
    """Operation, code and message of AWS reach the operator in one line."""
    world.fault({"error": {"status": status, "code": code, "message": "not\n you"}}, mutating=True)
    with pytest.raises(Refused, match=f"ResumeProcesses: {code}: not you") as caught:
        fleet.resume("workers", ["AZRebalance"])
    assert caught.value.request_id


def test_aws_itself_refuses_to_go_below_the_minimum(fleet: Fleet) -> None:
    """A terminate that would violate MinSize is a refusal, and changes nothing."""
    before = fleet.groups(["floor"])[0]
    fleet.update_group("floor", GroupChange(minimum=before.sizes.desired))
    with pytest.raises(Refused, match="ValidationError"):
        fleet.terminate(before.instances[0].id)
    assert fleet.groups(["floor"])[0].living == before.living


@pytest.mark.parametrize("verb", ["suspend", "resume"])
def test_processes_are_never_sent_without_names(fleet: Fleet, world: Living, verb: str) -> None:
    """Without names AWS would take all processes: nothing is sent."""
    before = world.arrived()
    with pytest.raises(Bug):
        getattr(fleet, verb)("workers", [])
    assert world.arrived() == before
