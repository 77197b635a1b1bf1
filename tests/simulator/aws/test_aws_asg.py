"""The Auto Scaling reconciler over virtual time, without a network."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from eks_simulator.cloud.errors import AwsError
from eks_simulator.cloud.model import Group, Reference, Tag, TemplateVersion

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulator.aws.conftest import Account

OLD, NEW = "ami-00000000000000001", "ami-00000000000000002"
LONG = 600.0  # seconds in which everything that was begun has ended


def ids(account: Account) -> list[str]:
    return list(account.group.instances)


def zones(account: Account) -> Counter[str]:
    return Counter(one.zone for one in account.group.living)


def test_instance_walks_through_its_states_in_the_documented_times(account: Account) -> None:
    """A launched instance is InService after 20-60 s; an ended one is listed for 60-120 s more."""
    account.cloud.set_desired("workers", 3)
    account.run(4)
    assert account.lifecycles() == ["InService", "InService", "Pending"]
    account.run(16)
    assert account.lifecycles()[-1] == "Pending"
    account.run(44)
    assert account.lifecycles()[-1] == "InService"
    newest = ids(account)[-1]
    account.cloud.terminate_in_group(newest, decrement=True)
    account.run(59)
    assert account.lifecycles()[-1] == "Terminating"
    account.run(62)
    assert newest not in account.group.instances
    changed = [after for field, _, after in account.fields(f"instance/{newest}") if field == "LifecycleState"]
    assert changed == ["Pending", "InService", "Terminating", None]


def test_hooks_hear_of_each_instance_once(account: Account) -> None:
    """The world hears of an instance when EC2 runs it, and of its end if it ever ran."""
    heard: list[tuple[str, int]] = []
    account.cloud.on_launch.append(lambda one: heard.append(("runs", one.ordinal)))
    account.cloud.on_terminate.append(lambda one: heard.append(("ends", one.ordinal)))
    account.cloud.set_desired("workers", 3)
    account.run(5)
    assert heard == []
    account.run(LONG)
    account.cloud.terminate_in_group(ids(account)[0], decrement=True)
    assert heard == [("runs", 3), ("ends", 1)]


def test_instance_ended_before_it_ran_was_never_there_for_the_world(account: Account) -> None:
    """No hook is called for an instance that is ended while EC2 has not begun to run it."""
    heard: list[str] = []
    account.cloud.on_launch.append(lambda one: heard.append(one.id))
    account.cloud.on_terminate.append(lambda one: heard.append(one.id))
    account.cloud.set_desired("workers", 3)
    account.run(5)
    account.cloud.terminate_in_group(ids(account)[-1], decrement=True)
    account.run(LONG)
    assert heard == []


def test_initial_instances_are_in_service_and_announced(account: Account) -> None:
    """A group that is put into the account has its instances at once, and nothing of it is a change."""
    heard: list[str] = []
    account.cloud.on_launch.append(lambda one: heard.append(one.provider_id))
    group = account.cloud.add_group(Group("more", Reference("worker", "1"), 0, 3, 4, ("eu-west-1a", "eu-west-1b")))
    assert heard == [one.provider_id for one in group.living]
    assert {one.lifecycle for one in group.living} == {"InService"}
    assert account.log.changes == []


def test_template_version_is_fixed_at_launch(account: Account) -> None:
    """An instance keeps the version that $Latest meant when it was launched; a new version changes nobody."""
    account.template.versions.append(TemplateVersion({"ImageId": NEW}))
    account.cloud.set_desired("workers", 3)
    account.run(LONG)
    assert [(one.version, one.image) for one in account.group.living] == [(1, OLD), (1, OLD), (2, NEW)]


def test_same_seed_same_ids_and_times_whatever_happens_elsewhere(account: Account, make: type[Account]) -> None:
    """Ids and moments of a group's instances do not depend on what another group does at the same time."""
    other = make()
    other.cloud.add_group(Group("other", Reference("worker"), 0, 0, 5, ("eu-west-1a",)))
    other.cloud.set_desired("other", 4)
    for one in (account, other):
        one.cloud.set_desired("workers", 4)
        one.run(LONG)
    mine, its = (
        [(c.at, c.object, c.after) for c in one.log.changes if c.object in wanted(one)] for one in (account, other)
    )
    assert mine == its
    assert len(mine) == 4


def wanted(account: Account) -> set[str]:
    return {f"instance/{one}" for one in account.group.instances}


def test_launches_are_spread_over_the_zones(account: Account) -> None:
    """Each launch goes to the zone with the fewest living instances."""
    account.cloud.set_desired("workers", 7)
    account.run(LONG)
    assert sorted(zones(account).values()) == [3, 4]


def test_scale_in_takes_the_oldest_version_of_the_fullest_zone(account: Account) -> None:
    """Scale-in prefers the fullest zone, in it the oldest template version (default termination policy)."""
    account.template.versions.append(TemplateVersion({"ImageId": NEW}))
    account.cloud.set_desired("workers", 5)
    account.run(LONG)
    account.cloud.set_desired("workers", 3)
    account.run(LONG)
    assert [one.version for one in account.group.living] == [2, 2, 2]


def test_lower_desired_waits_until_something_is_unprotected(account: Account) -> None:
    """With all instances protected a lower desired is only a number; AWS acts when one is unprotected."""
    account.cloud.set_protection("workers", ids(account), protected=True)
    account.cloud.set_desired("workers", 1)
    account.run(LONG)
    assert account.group.desired == 1
    assert account.lifecycles() == ["InService", "InService"]
    account.cloud.set_protection("workers", ids(account)[1:], protected=False)
    account.run(5)
    assert account.lifecycles() == ["InService", "Terminating"]


def test_pending_instance_is_not_yet_protected(account: Account) -> None:
    """Protection starts at InService: one that is Pending can be taken, even if the group's flag is set."""
    account.cloud.set_protection("workers", ids(account), protected=True)
    account.cloud.update_group("workers", NewInstancesProtectedFromScaleIn=True, DesiredCapacity=3)
    account.run(5)
    newest = account.group.instances[ids(account)[-1]]
    assert (newest.lifecycle, newest.protected) == ("Pending", True)
    account.cloud.set_desired("workers", 2)
    account.run(5)
    assert newest.lifecycle == "Terminating"


def test_new_instances_inherit_the_flag_at_launch(account: Account) -> None:
    """NewInstancesProtectedFromScaleIn counts when an instance is launched, not later."""
    account.cloud.update_group("workers", NewInstancesProtectedFromScaleIn=True, DesiredCapacity=3)
    account.run(LONG)
    account.cloud.update_group("workers", NewInstancesProtectedFromScaleIn=False)
    assert [one.protected for one in account.group.living] == [False, False, True]


def test_terminate_without_decrement_is_replaced(account: Account) -> None:
    """Without decrement desired stays and a new instance is launched."""
    first = ids(account)[0]
    account.cloud.terminate_in_group(first, decrement=False)
    account.run(LONG)
    assert account.group.desired == len(account.group.living) == 2
    assert first not in account.group.instances


def test_terminate_ignores_protection(account: Account) -> None:
    """Scale-in protection does not stop TerminateInstanceInAutoScalingGroup."""
    account.cloud.set_protection("workers", ids(account), protected=True)
    account.cloud.terminate_in_group(ids(account)[0], decrement=True)
    assert account.lifecycles() == ["Terminating", "InService"]


def test_second_terminate_decrements_again(account: Account) -> None:
    """A repeated terminate costs another instance: AWS does not document it, so the worst is assumed."""
    first = ids(account)[0]
    account.cloud.terminate_in_group(first, decrement=True)
    account.cloud.terminate_in_group(first, decrement=True)
    account.run(5)
    assert account.group.desired == 0
    assert account.lifecycles() == ["Terminating", "Terminating"]


@pytest.mark.parametrize("times", [1, 2])
def test_min_size_refuses_a_terminate_and_its_repetition(account: Account, times: int) -> None:
    """With MinSize at desired - 1 the first terminate passes and AWS itself refuses the second."""
    account.cloud.update_group("workers", MinSize=3 - times)
    first = ids(account)[0]
    for _ in range(times - 1):
        account.cloud.terminate_in_group(first, decrement=True)
    with pytest.raises(AwsError, match="will violate group's min size constraint"):
        account.cloud.terminate_in_group(first, decrement=True)
    assert account.group.desired == 3 - times


def test_broken_cloud_ignores_min_size(make: type[Account]) -> None:
    """The mutation "ignore-min-size" lets a terminate go below MinSize, so that promises can be seen to fail."""
    account = make(broken=frozenset({"ignore-min-size"}))
    account.cloud.update_group("workers", MinSize=2)
    account.cloud.terminate_in_group(ids(account)[0], decrement=True)
    assert account.group.desired == 1


def test_shortage_fails_launches_until_it_ends(account: Account) -> None:
    """Without capacity each try leaves a Failed activity with EC2's words; once it ends the launch succeeds."""
    account.cloud.shortage("workers", account.clock.now + 300)
    account.cloud.set_desired("workers", 3)
    account.run(290)
    failed = [one for one in account.cloud.activities.of("workers") if one.status == "Failed"]
    assert 3 <= len(failed) <= 8
    assert failed[0].message.startswith("We currently do not have sufficient m5.large capacity in the Availability")
    assert len(account.group.living) == 2
    account.run(LONG)
    assert account.lifecycles() == ["InService"] * 3


def test_endless_shortage_can_be_mended(account: Account) -> None:
    """A shortage without an end lasts until somebody ends it."""
    account.cloud.shortage("workers", math.inf)
    account.cloud.set_desired("workers", 3)
    account.run(3600)
    assert len(account.group.living) == 2
    account.cloud.end_shortage("workers")
    account.run(70)
    assert account.lifecycles() == ["InService"] * 3


@pytest.mark.parametrize(("image", "words"), [("", "does not exist"), ("ami-00000000000000009", "does not exist")])
def test_launch_without_an_image_fails(account: Account, image: str, words: str) -> None:
    """A version whose image does not exist launches nothing and says so."""
    account.template.versions.append(TemplateVersion({"ImageId": image}))
    account.cloud.set_desired("workers", 3)
    account.run(30)
    assert words in account.cloud.activities.of("workers")[0].message


def test_instance_ended_from_outside_is_replaced(account: Account) -> None:
    """EC2 ends one: its group notices later, calls it Unhealthy and replaces it; desired stays, protected or not."""
    lost = account.group.instances[ids(account)[0]]
    account.cloud.set_protection("workers", ids(account), protected=True)
    account.cloud.spot_loss(lost.id)
    assert (lost.state, lost.lifecycle, lost.healthy) == ("shutting-down", "InService", True)
    account.run(100)
    assert (lost.lifecycle, lost.healthy) == ("Terminating", False)
    account.run(LONG)
    assert (account.group.desired, account.lifecycles()) == (2, ["InService"] * 2)
    assert "EC2 health check" in account.cloud.activities.of("workers")[1].cause


HELD: list[tuple[str, Callable[[Account], Any], int]] = [
    ("Launch", lambda account: account.cloud.set_desired("workers", 3), 2),
    ("Terminate", lambda account: account.cloud.set_desired("workers", 1), 2),
    ("HealthCheck", lambda account: account.cloud.spot_loss(ids(account)[0]), 2),
    ("ReplaceUnhealthy", lambda account: account.cloud.spot_loss(ids(account)[0]), 2),
]


@pytest.mark.parametrize(("process", "act", "size"), HELD, ids=[one[0] for one in HELD])
def test_suspended_process_does_nothing_until_resumed(
    account: Account, process: str, act: Callable[[Account], Any], size: int
) -> None:
    """What a suspended process would do is held back, and happens when it is resumed."""
    before = ids(account)
    account.cloud.suspend("workers", [process])
    act(account)
    account.run(LONG)
    assert (ids(account), len(account.group.living)) == (before, size)
    account.cloud.resume("workers", [process])
    account.run(LONG)
    assert ids(account) != before


def uneven(account: Account) -> None:
    """Make three instances in one zone and one in the other, with rebalancing suspended."""
    account.cloud.suspend("workers", ["AZRebalance"])
    account.cloud.set_desired("workers", 6)
    account.run(LONG)
    for one in [one for one in account.group.living if one.zone == "eu-west-1b"][:2]:
        account.cloud.terminate_in_group(one.id, decrement=True)
    account.run(LONG)
    assert zones(account) == {"eu-west-1a": 3, "eu-west-1b": 1}


def test_az_rebalance_launches_before_it_terminates(account: Account) -> None:
    """Once AZRebalance is resumed AWS evens out the zones, and ends unprotected instances for it."""
    uneven(account)
    account.cloud.resume("workers", ["AZRebalance"])
    account.run(5)
    assert len(account.group.living) == 5
    account.run(LONG)
    assert zones(account) == {"eu-west-1a": 2, "eu-west-1b": 2}
    assert account.group.desired == 4


def test_az_rebalance_spares_the_protected(account: Account) -> None:
    """Protected instances stay where they are, however uneven the zones."""
    uneven(account)
    account.cloud.set_protection("workers", [one.id for one in account.group.living], protected=True)
    account.cloud.resume("workers")
    account.run(LONG)
    assert zones(account) == {"eu-west-1a": 3, "eu-west-1b": 1}


def test_resume_without_a_list_resumes_all(account: Account) -> None:
    """ResumeProcesses without a list also resumes what others suspended."""
    account.cloud.suspend("workers", ["AlarmNotification", "AZRebalance"])
    account.cloud.resume("workers")
    assert [after for field, _, after in account.fields("asg/workers")] == [["AZRebalance", "AlarmNotification"], []]


SIZES: list[tuple[dict[str, int], tuple[int, int, int]]] = [
    ({"MaxSize": 1}, (0, 1, 1)),
    ({"MinSize": 3}, (3, 3, 10)),
    ({"MinSize": 3, "MaxSize": 3, "DesiredCapacity": 3}, (3, 3, 3)),
    ({"MaxSize": 20}, (0, 2, 20)),
]


@pytest.mark.parametrize(("fields", "sizes"), SIZES)
def test_new_bounds_take_desired_along(account: Account, fields: dict[str, int], sizes: tuple[int, int, int]) -> None:
    """MaxSize below desired lowers it, MinSize above it raises it (UpdateAutoScalingGroup, API reference)."""
    account.cloud.update_group("workers", **fields)
    group = account.group
    assert (group.min_size, group.desired, group.max_size) == sizes


def test_changes_are_logged_under_the_fields_names(account: Account) -> None:
    """Each changed field is one line of the log; what stays the same is none."""
    account.cloud.update_group(
        "workers", MinSize=0, MaxSize=12, DesiredCapacity=2, CapacityRebalance=True, LaunchTemplate=pinned(account)
    )
    latest = {**pinned(account), "LaunchTemplateName": "worker", "Version": "$Latest"}
    assert account.fields("asg/workers") == [
        ("MaxSize", 10, 12),
        ("CapacityRebalance", False, True),
        ("LaunchTemplate", latest, {**latest, "Version": "1"}),
    ]


def pinned(account: Account) -> dict[str, str]:
    return {"LaunchTemplateId": account.template.id, "Version": "1"}


def test_plain_update_leaves_the_mixed_instances_policy(account: Account) -> None:
    """An update that does not name the policy leaves it; one that names a part of it leaves the rest."""
    overrides = [{"InstanceType": "m5.xlarge"}]
    account.cloud.update_group(
        "workers",
        MixedInstancesPolicy={
            "LaunchTemplate": {"LaunchTemplateSpecification": pinned(account), "Overrides": overrides},
            "InstancesDistribution": {"SpotInstancePools": 2},
        },
    )
    account.cloud.update_group("workers", DesiredCapacity=3)
    account.cloud.update_group("workers", MixedInstancesPolicy={"InstancesDistribution": {"SpotInstancePools": 3}})
    assert account.group.mixed == {"Overrides": overrides, "InstancesDistribution": {"SpotInstancePools": 3}}
    assert account.group.reference.version == "1"


def test_activities_tell_newest_first_what_happened_and_why(account: Account) -> None:
    """A user's change of size is named in the cause of what follows from it."""
    account.cloud.set_desired("workers", 3)
    account.run(LONG)
    account.cloud.terminate_in_group(ids(account)[0], decrement=True)
    newest, launch = account.cloud.activities.of("workers")
    assert newest.status == "InProgress"
    assert newest.cause.endswith("in response to a user request, shrinking the capacity from 3 to 2.")
    assert (launch.status, launch.progress) == ("Successful", 100)
    assert "min: 0, max: 10, desired: 3 changing the desired capacity from 2 to 3." in launch.cause


def test_terminated_instance_is_forgotten_by_ec2_after_an_hour(account: Account) -> None:
    """EC2 still describes an instance that its group lists no more, for an hour."""
    first = ids(account)[0]
    account.cloud.terminate_in_group(first, decrement=True)
    account.run(LONG)
    assert account.cloud.instances[first].state == "terminated"
    account.run(3600)
    assert first not in account.cloud.instances


def test_tags_are_changed_by_key(account: Account) -> None:
    """A tag is set, overwritten and removed by its key, each a line of the log."""
    account.cloud.updates.tag(account.group, "team", Tag("a"))
    account.cloud.updates.tag(account.group, "team", Tag("b"))
    account.cloud.updates.tag(account.group, "team", None)
    assert account.fields("asg/workers") == [
        ("Tags.team", None, "a"),
        ("Tags.team", "a", "b"),
        ("Tags.team", "b", None),
    ]
