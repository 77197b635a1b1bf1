"""AWS through its port: what is read, what each mutating verb changes, and that each is sent once, even if it fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from rollout.adapters import Edge
from rollout.adapters.aws_errors import CONTENDED, THROTTLED
from rollout.errors import Bug, Refused, Retry, Unknown
from rollout.model.observation import GroupSeen, TemplateSeen
from rollout.model.plan import Sizes
from rollout.ports import AutoScaling, GroupChange
from tests.adapters.living import Living

AMI = "ami-00000000000000bbb"
NUMBERS = count(1)


@pytest.fixture
def autoscaling(edge: Edge) -> AutoScaling:
    return edge.autoscaling


def workers(autoscaling: AutoScaling) -> GroupSeen:
    return autoscaling.groups(["workers"])[0]


def template(autoscaling: AutoScaling) -> TemplateSeen:
    (found,) = autoscaling.templates([workers(autoscaling).uses[0].template_id])
    return found


# ---- reads


def test_groups_come_in_the_order_asked_for(autoscaling: AutoScaling) -> None:
    """A group that does not exist is left out, the rest comes in the caller's order, however AWS sorts."""
    assert [group.name for group in autoscaling.groups(["workers", "nowhere", "floor"])] == ["workers", "floor"]


def test_many_groups_cost_one_request(autoscaling: AutoScaling, world: Living) -> None:
    """Reading several groups with their instances is one request."""
    before = world.arrived(mutating=False)
    autoscaling.groups(["workers", "floor"])
    assert world.arrived(mutating=False) == before + 1


def test_a_template_whose_versions_are_gone_is_gone(autoscaling: AutoScaling, world: Living) -> None:
    """One list of AWS may still have a template that the other has not: it is as one that is in neither."""
    seen = template(autoscaling)
    fault = {"status": 400, "code": "InvalidLaunchTemplateId.NotFound", "message": "gone"}
    world.fault({"error": fault}, operation="DescribeLaunchTemplateVersions")
    assert autoscaling.templates([seen.id]) == ()
    world.mend()
    assert autoscaling.templates([seen.id]) == (seen,)


def test_a_group_is_seen_with_sizes_reference_and_instances(autoscaling: AutoScaling) -> None:
    """Sizes, template reference as written, and each instance with its own version as a number."""
    floor, several = autoscaling.groups(["floor", "workers"])
    assert (floor.sizes, floor.nodegroup) == (Sizes(1, 1, 2), None)
    assert [use.label for use in floor.uses] == ["worker-lt 1"]
    assert [use.label for use in several.uses] == ["worker-lt $Latest"]
    assert {instance.version for instance in several.instances} == {2}
    assert all(instance.in_service and instance.healthy for instance in several.instances)


def test_a_policy_shows_every_use_of_a_template(autoscaling: AutoScaling) -> None:
    """Its own first, then those of overrides that name one, each with its place."""
    (mixed,) = autoscaling.groups(["mixed"])
    names = ["worker-lt $Latest", "worker-lt 1 (override 2)", "worker-lt $Default (override 3)"]
    assert [use.label for use in mixed.uses] == names


def test_states_of_instances_and_none_of_those_that_nobody_knows(autoscaling: AutoScaling) -> None:
    """However many are asked for: an id that does not exist spoils nothing, and there is no group to ask by."""
    there = {instance.id for group in autoscaling.groups(["workers", "floor"]) for instance in group.instances}
    nobody = {f"i-{number:017x}" for number in range(300)}
    assert autoscaling.states(there | nobody) == dict.fromkeys(there, "running")
    ended = min(there)
    autoscaling.terminate(ended)
    assert autoscaling.states(there)[ended] in {"shutting-down", "terminated"}


@pytest.mark.parametrize("slots", [("", "override 2", "override 3"), ("override 3",), ("",)], ids=str)
def test_references_of_a_policy_change_in_one_request_and_nothing_else_does(
    autoscaling: AutoScaling, world: Living, slots: tuple[str, ...]
) -> None:
    """Those named change, those not named stay, and so do instance types, their order and the distribution."""
    (found,) = autoscaling.groups(["mixed"])
    before = policy(world)
    chosen = [use for use in found.uses if use.slot in slots]
    uses = tuple(replace(use, reference="1" if use.reference == "2" else "2") for use in chosen)
    sent = world.arrived()
    assert autoscaling.update_group("mixed", GroupChange(uses=uses))
    assert world.arrived() == sent + 1
    wanted = {use.slot: use for use in uses}
    assert autoscaling.groups(["mixed"])[0].uses == tuple(wanted.get(use.slot, use) for use in found.uses)
    assert policy(world) == before


def policy(world: Living) -> Any:
    """What a MixedInstancesPolicy says apart from the template that it launches."""
    mixed = world.do(lambda: world.simulator.world.cloud.groups["mixed"].mixed)
    assert mixed
    types = [one["InstanceType"] for one in mixed["Overrides"]]
    return types, mixed["InstancesDistribution"]


def test_a_slot_that_names_another_template_is_left(autoscaling: AutoScaling, world: Living) -> None:
    """Nothing is sent: the world has to be looked at again."""
    (use, *_) = workers(autoscaling).uses
    sent = world.arrived()
    for other in (replace(use, template_id="lt-0"), replace(use, slot="override 1")):
        with pytest.raises(Retry, match="workers names other templates by now"):
            autoscaling.update_group("workers", GroupChange(uses=(other,)))
    with pytest.raises(Retry):
        autoscaling.update_group("nowhere", GroupChange(uses=(use,)))
    assert world.arrived() == sent


def test_templates_that_do_not_exist_are_left_out(autoscaling: AutoScaling) -> None:
    """One wrong id does not take the others with it."""
    known = workers(autoscaling).uses[0].template_id
    found = autoscaling.templates(["lt-00000000000000000", known, "lt-1"])
    assert [one.id for one in found] == [known]
    assert autoscaling.templates([]) == ()


def test_a_template_shows_its_versions_newest_first(autoscaling: AutoScaling) -> None:
    """Number, image and description of every version."""
    versions = template(autoscaling).versions
    assert [version.number for version in versions] == sorted((v.number for v in versions), reverse=True)
    assert (versions[-2].number, versions[-2].description) == (2, "second")


def test_an_image_that_cannot_be_seen_is_none(autoscaling: AutoScaling) -> None:
    """Unknown and malformed ids are no errors; a known one tells its state."""
    found = autoscaling.image(AMI)
    assert found is not None
    assert (found.name, found.state, found.created is not None) == ("eks-worker-new", "available", True)
    assert autoscaling.image("ami-00000000000000000") is None
    assert autoscaling.image("nonsense") is None


def test_an_active_instance_refresh_is_told(autoscaling: AutoScaling, world: Living) -> None:
    """Id and status while it lasts, None before and after; of a group that does not exist AWS refuses to tell."""
    assert autoscaling.active_instance_refresh("floor") is None
    world.do(lambda: world.simulator.do({"do": "start_refresh", "group": "floor"}))
    active = autoscaling.active_instance_refresh("floor")
    assert active is not None
    assert (active.status in {"Pending", "InProgress"}, active.ends) == (True, False)
    assert active.label == f"{active.id}, {active.status}"
    world.do(lambda: world.simulator.do({"do": "cancel_refresh", "group": "floor"}))
    world.pass_by(3600)
    assert autoscaling.active_instance_refresh("floor") is None
    with pytest.raises(Refused):
        autoscaling.active_instance_refresh("nowhere")


def test_the_newest_trouble_of_a_group_is_told(autoscaling: AutoScaling, world: Living) -> None:
    """A launch that AWS cannot serve is told in AWS's words; a group without trouble says nothing."""
    assert autoscaling.trouble("workers") == ""
    world.do(lambda: world.simulator.do({"do": "break", "kind": "shortage", "group": "floor"}))
    autoscaling.update_group("floor", GroupChange(desired=2))
    world.pass_by(600)
    assert "capacity" in autoscaling.trouble("floor")
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
def test_a_read_survives_a_passing_fault_or_says_retry(
    autoscaling: AutoScaling, world: Living, fault: dict[str, Any]
) -> None:
    """Reads are repeated; where that does not help, they never say anything worse than `Retry`."""
    world.fault(fault, operation="DescribeAutoScalingGroups", times=1)
    try:
        found = autoscaling.groups(["workers"])
    except Retry:
        found = autoscaling.groups(["workers"])
    assert found[0].name == "workers"


# ---- mutating verbs


def create_version(autoscaling: AutoScaling) -> Callable[[], bool]:
    number = next(NUMBERS)
    autoscaling.create_version(template(autoscaling).id, 1, AMI, f"made-{number}.", f"token-{number}")
    return lambda: template(autoscaling).described(f"made-{number}.") is not None


def set_default_version(autoscaling: AutoScaling) -> Callable[[], bool]:
    found = template(autoscaling)
    number = 1 if found.default == 2 else 2
    autoscaling.set_default_version(found.id, number)
    return lambda: template(autoscaling).default == number


def update_group(autoscaling: AutoScaling) -> Callable[[], bool]:
    found = workers(autoscaling)
    maximum = found.sizes.maximum + 1
    uses = (replace(found.uses[0], reference="2"),)
    change = GroupChange(maximum=maximum, protect_new=True, capacity_rebalance=True, uses=uses)
    autoscaling.update_group("workers", change)

    def shows() -> bool:
        now = workers(autoscaling)
        flags = (now.protect_new, now.capacity_rebalance, now.uses)
        return now.sizes.maximum == maximum and now.sizes.desired == found.sizes.desired and flags == (True, True, uses)

    return shows


def protect(autoscaling: AutoScaling) -> Callable[[], bool]:
    victim = next(i for i in workers(autoscaling).instances if i.in_service)
    autoscaling.protect("workers", [victim.id], protected=not victim.protected)
    return lambda: (
        next(i for i in workers(autoscaling).instances if i.id == victim.id).protected is not victim.protected
    )


def suspend(autoscaling: AutoScaling) -> Callable[[], bool]:
    autoscaling.suspend("workers", ["AZRebalance", "ScheduledActions"])
    return lambda: workers(autoscaling).suspended == {"AZRebalance", "ScheduledActions"}


def resume(autoscaling: AutoScaling) -> Callable[[], bool]:
    autoscaling.resume("workers", ["ScheduledActions"])
    return lambda: "ScheduledActions" not in workers(autoscaling).suspended


def terminate(autoscaling: AutoScaling) -> Callable[[], bool]:
    found = workers(autoscaling)
    victim = next(i.id for i in found.instances if i.in_service)
    autoscaling.terminate(victim)

    def shows() -> bool:
        now = workers(autoscaling)
        gone = all(i.id != victim for i in now.living)
        return gone and now.sizes.desired == found.sizes.desired - 1

    return shows


VERBS = (create_version, set_default_version, update_group, protect, suspend, resume, terminate)
each_verb = pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__)


@each_verb
def test_a_verb_changes_what_it_names(
    autoscaling: AutoScaling, verb: Callable[[AutoScaling], Callable[[], bool]]
) -> None:
    """After a yes the world shows exactly what was asked for."""
    assert verb(autoscaling)()


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
    autoscaling: AutoScaling, world: Living, verb: Callable[[AutoScaling], Callable[[], bool]], fault: dict[str, Any]
) -> None:
    """A lost or unreadable reply and a server's error are `Unknown`; the request arrived exactly once."""
    world.fault(fault, mutating=True)
    before = world.arrived()
    with pytest.raises(Unknown):
        verb(autoscaling)
    assert world.arrived() == before + 1


PASSING = [
    *((503 if "Limit" in code else 400, code) for code in sorted(THROTTLED)),
    *((500, code) for code in sorted(CONTENDED)),
    (403, "RequestExpired"),
]


@pytest.mark.parametrize(("status", "code"), PASSING)
def test_throttling_and_contention_were_certainly_not_applied(
    autoscaling: AutoScaling, world: Living, status: int, code: str
) -> None:
    """The code decides before the status does, and the request is sent once."""
    world.fault({"error": {"status": status, "code": code}}, mutating=True)
    before = world.arrived()
    with pytest.raises(Retry, match=code) as caught:
        autoscaling.suspend("workers", ["AZRebalance"])
    assert world.arrived() == before + 1
    assert caught.value.request_id


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "AccessDenied"), (400, "ValidationError"), (400, "LimitExceeded"), (403, "ExpiredToken")],
)
def test_a_clear_no_is_refused_with_its_request_id(
    autoscaling: AutoScaling, world: Living, status: int, code: str
) -> None:
    """Operation, code and message of AWS reach the operator in one line."""
    world.fault({"error": {"status": status, "code": code, "message": "not\n you"}}, mutating=True)
    with pytest.raises(Refused, match=f"ResumeProcesses: {code}: not you") as caught:
        autoscaling.resume("workers", ["AZRebalance"])
    assert caught.value.request_id


def test_aws_itself_refuses_to_go_below_the_minimum(autoscaling: AutoScaling) -> None:
    """A terminate that would violate MinSize is a refusal, and changes nothing."""
    before = autoscaling.groups(["floor"])[0]
    autoscaling.update_group("floor", GroupChange(minimum=before.sizes.desired))
    with pytest.raises(Refused, match="ValidationError"):
        autoscaling.terminate(before.instances[0].id)
    assert autoscaling.groups(["floor"])[0].living == before.living


@pytest.mark.parametrize("verb", ["suspend", "resume"])
def test_processes_are_never_sent_without_names(autoscaling: AutoScaling, world: Living, verb: str) -> None:
    """Without names AWS would take all processes: nothing is sent."""
    before = world.arrived()
    with pytest.raises(Bug):
        getattr(autoscaling, verb)("workers", [])
    assert world.arrived() == before
