"""Facts of what holds, parks, renews and takes back instances. Each names where it is documented."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from eks_simulator.cloud.model import Group, Hook, Reference, WarmPool

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulator.aws.conftest import Account, Served

LONG = 600.0
LAUNCHING, TERMINATING = "autoscaling:EC2_INSTANCE_LAUNCHING", "autoscaling:EC2_INSTANCE_TERMINATING"


def asg(served: Served, operation: str, **params: Any) -> Any:
    return getattr(served.client("autoscaling"), operation)(AutoScalingGroupName="workers", **params)


def group(served: Served) -> Any:
    return served.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"][0]


def lifecycles(served: Served) -> list[str]:
    return [one["LifecycleState"] for one in group(served)["Instances"]]


def put(served: Served, transition: str, name: str = "hook", **params: Any) -> None:
    asg(served, "put_lifecycle_hook", LifecycleHookName=name, LifecycleTransition=transition, **params)


def complete(served: Served, result: str, name: str = "hook") -> None:
    waiting = next(one for one in served.account.group.instances.values() if one.lifecycle.endswith(":Wait"))
    asg(
        served,
        "complete_lifecycle_action",
        LifecycleHookName=name,
        LifecycleActionResult=result,
        InstanceId=waiting.id,
    )


def terminate(served: Served, position: int = 0) -> str:
    instance = list(served.account.group.instances)[position]
    served.client("autoscaling").terminate_instance_in_auto_scaling_group(
        InstanceId=instance, ShouldDecrementDesiredCapacity=True
    )
    return instance


# ---- lifecycle hooks


def test_a_new_instance_waits_until_its_hook_is_completed(served: Served) -> None:
    """Pending, Pending:Wait, Pending:Proceed, InService (user guide: How lifecycle hooks work)."""
    put(served, LAUNCHING)
    asg(served, "set_desired_capacity", DesiredCapacity=3)
    served.account.run(LONG)
    assert lifecycles(served)[-1] == "Pending:Wait"
    complete(served, "CONTINUE")
    assert lifecycles(served)[-1] == "Pending:Proceed"
    served.account.run(10)
    assert lifecycles(served)[-1] == "InService"


def test_an_ending_instance_runs_on_while_its_hook_waits(served: Served) -> None:
    """Terminating:Wait, and EC2 ends it only at Terminating:Proceed (user guide: How lifecycle hooks work)."""
    put(served, TERMINATING)
    instance = served.account.cloud.instances[terminate(served)]
    assert (instance.lifecycle, instance.state) == ("Terminating:Wait", "running")
    assert group(served)["DesiredCapacity"] == 1
    complete(served, "CONTINUE")
    assert (instance.lifecycle, instance.state) == ("Terminating:Proceed", "shutting-down")
    served.account.run(LONG)
    assert instance.id not in served.account.group.instances


def test_a_waiting_instance_counts_as_launched_or_as_gone(served: Served) -> None:
    """Nothing is launched in its place while it is Pending:Wait; it counts no more in Terminating:Wait (same)."""
    put(served, LAUNCHING, "in")
    put(served, TERMINATING, "out")
    asg(served, "set_desired_capacity", DesiredCapacity=3)
    served.account.run(LONG)
    terminate(served)
    served.account.run(LONG)
    assert Counter(lifecycles(served)) == {"Terminating:Wait": 1, "InService": 1, "Pending:Wait": 1}


@pytest.mark.parametrize(("result", "end"), [("CONTINUE", "InService"), ("ABANDON", "replaced")])
def test_a_heartbeat_that_ends_gives_the_default_result(served: Served, result: str, end: str) -> None:
    """After HeartbeatTimeout the hook's DefaultResult counts (API_LifecycleHook)."""
    put(served, LAUNCHING, HeartbeatTimeout=120, DefaultResult=result)
    asg(served, "set_desired_capacity", DesiredCapacity=3)
    served.account.run(70)
    first = list(served.account.group.instances)[-1]
    assert lifecycles(served)[-1] == "Pending:Wait"
    served.account.run(130)
    state = served.account.cloud.instances[first].lifecycle
    assert (state == "InService") == (end == "InService")
    assert state.startswith("Terminating") == (end == "replaced")


def test_an_abandoned_launch_is_replaced(served: Served) -> None:
    """ABANDON on the way in ends the instance, and another is launched (user guide: How lifecycle hooks work)."""
    put(served, LAUNCHING)
    asg(served, "set_desired_capacity", DesiredCapacity=3)
    served.account.run(LONG)
    complete(served, "ABANDON")
    served.account.run(LONG)
    assert served.account.group.launches == 4


def test_a_recorded_heartbeat_begins_the_timeout_anew(served: Served) -> None:
    """RecordLifecycleActionHeartbeat extends the wait by HeartbeatTimeout (its API reference)."""
    put(served, TERMINATING, HeartbeatTimeout=100)
    instance = terminate(served)
    served.account.run(90)
    asg(served, "record_lifecycle_action_heartbeat", LifecycleHookName="hook", InstanceId=instance)
    served.account.run(90)
    assert lifecycles(served)[0] == "Terminating:Wait"
    served.account.run(20)
    assert lifecycles(served)[0] == "Terminating:Proceed"


def test_all_hooks_must_be_done_but_one_abandon_ends_the_wait(served: Served) -> None:
    """CONTINUE waits for the others, ABANDON for none (user guide: How lifecycle hooks work)."""
    put(served, TERMINATING, "one")
    put(served, TERMINATING, "two")
    terminate(served)
    complete(served, "CONTINUE", "one")
    assert lifecycles(served)[0] == "Terminating:Wait"
    complete(served, "ABANDON", "two")
    assert lifecycles(served)[0] == "Terminating:Proceed"


def test_hooks_are_described_changed_and_deleted(served: Served) -> None:
    """What was put is shown; what a later put does not name stays (API_PutLifecycleHook, API_LifecycleHook)."""
    put(served, LAUNCHING, HeartbeatTimeout=300, DefaultResult="CONTINUE")
    asg(served, "put_lifecycle_hook", LifecycleHookName="hook", HeartbeatTimeout=600)
    (shown,) = asg(served, "describe_lifecycle_hooks")["LifecycleHooks"]
    assert shown == {
        "LifecycleHookName": "hook",
        "AutoScalingGroupName": "workers",
        "LifecycleTransition": LAUNCHING,
        "HeartbeatTimeout": 600,
        "GlobalTimeout": 60000,
        "DefaultResult": "CONTINUE",
    }
    asg(served, "delete_lifecycle_hook", LifecycleHookName="hook")
    assert asg(served, "describe_lifecycle_hooks", LifecycleHookNames=["hook"])["LifecycleHooks"] == []


def test_somebody_completes_a_hook_within_its_range(account: Account) -> None:
    """What a Lambda or a node termination handler does for a scenario's hook, after a while of its own."""
    account.group.hooks["drain"] = Hook("drain", "terminating", completes=(30.0, 60.0))
    account.cloud.terminate_in_group(next(iter(account.group.instances)), decrement=True)
    account.run(29)
    assert account.lifecycles()[0] == "Terminating:Wait"
    account.run(32)
    assert account.lifecycles()[0] == "Terminating:Proceed"


# ---- Standby


def test_standby_counts_no_more_and_runs_on(served: Served) -> None:
    """EnteringStandby, Standby; desired falls with it, nothing is launched (API_EnterStandby)."""
    first = next(iter(served.account.group.instances))
    done = asg(served, "enter_standby", InstanceIds=[first], ShouldDecrementDesiredCapacity=True)["Activities"]
    assert [one["Description"] for one in done] == [f"Moving EC2 instance: {first} to Standby"]
    assert lifecycles(served) == ["EnteringStandby", "InService"]
    served.account.run(LONG)
    assert lifecycles(served) == ["Standby", "InService"]
    assert (group(served)["DesiredCapacity"], served.account.cloud.instances[first].state) == (1, "running")


def test_standby_without_decrement_is_filled_up(served: Served) -> None:
    """Another instance is launched in its place (API_EnterStandby)."""
    first = next(iter(served.account.group.instances))
    asg(served, "enter_standby", InstanceIds=[first], ShouldDecrementDesiredCapacity=False)
    served.account.run(LONG)
    assert lifecycles(served) == ["Standby", "InService", "InService"]


def test_back_from_standby_desired_grows(served: Served) -> None:
    """Pending, then InService, and desired is incremented (API_ExitStandby)."""
    first = next(iter(served.account.group.instances))
    asg(served, "enter_standby", InstanceIds=[first], ShouldDecrementDesiredCapacity=True)
    served.account.run(LONG)
    asg(served, "exit_standby", InstanceIds=[first])
    assert lifecycles(served) == ["Pending", "InService"]
    served.account.run(LONG)
    assert (group(served)["DesiredCapacity"], lifecycles(served)) == (2, ["InService"] * 2)


def below_min_size(served: Served) -> None:
    served.account.cloud.update_group("workers", MinSize=2)
    standby(served, next(iter(served.account.group.instances)))


def standby(served: Served, instance: str) -> None:
    asg(served, "enter_standby", InstanceIds=[instance], ShouldDecrementDesiredCapacity=True)


def second_refresh(served: Served) -> None:
    for _ in range(2):
        asg(served, "start_instance_refresh")


REFUSALS: list[tuple[str, Callable[[Served], Any], str]] = [
    (
        "Standby below MinSize, API_EnterStandby",
        below_min_size,
        "workers has min-size=2, max-size=10, and desired-size=2. To place into standby 1 instance, please update",
    ),
    (
        "Standby of an unknown instance, API_EnterStandby",
        lambda served: standby(served, "i-0123456789abcdef0"),
        "is not part of Auto Scaling group workers",
    ),
    (
        "back from where it is not, API_ExitStandby",
        lambda served: asg(served, "exit_standby", InstanceIds=list(served.account.group.instances)[:1]),
        "is not in Standby",
    ),
    (
        "no action under way, convox/rack #2432",
        lambda served: asg(
            served,
            "complete_lifecycle_action",
            LifecycleHookName="hook",
            LifecycleActionResult="CONTINUE",
            InstanceId="i-0123456789abcdef0",
        ),
        "No active Lifecycle Action found with instance ID i-0123456789abcdef0",
    ),
    (
        "no result, API_CompleteLifecycleAction",
        lambda served: asg(
            served, "complete_lifecycle_action", LifecycleHookName="hook", LifecycleActionResult="MAYBE"
        ),
        "CONTINUE or ABANDON",
    ),
    (
        "a hook without a transition, API_PutLifecycleHook",
        lambda served: asg(served, "put_lifecycle_hook", LifecycleHookName="hook"),
        "LifecycleTransition is required",
    ),
    (
        "a hook that does not exist, API_DeleteLifecycleHook",
        lambda served: asg(served, "delete_lifecycle_hook", LifecycleHookName="hook"),
        "No Lifecycle Hook found",
    ),
    ("a second refresh, API_StartInstanceRefresh", second_refresh, "InstanceRefreshInProgress"),
    (
        "no refresh to cancel, API_CancelInstanceRefresh",
        lambda served: asg(served, "cancel_instance_refresh"),
        "ActiveInstanceRefreshNotFound",
    ),
]


@pytest.mark.parametrize(("ask", "words"), [fact[1:] for fact in REFUSALS], ids=[fact[0] for fact in REFUSALS])
def test_aws_refuses(served: Served, ask: Callable[[Served], Any], words: str) -> None:
    """AWS refuses this request with these words."""
    with pytest.raises(ClientError, match=words):
        ask(served)


# ---- instance refreshes and warm pools


def test_a_refresh_replaces_every_older_instance(served: Served) -> None:
    """One after the other, until it is Successful (user guide: How an instance refresh works)."""
    before = set(served.account.group.instances)
    asg(served, "start_instance_refresh")
    (shown,) = asg(served, "describe_instance_refreshes")["InstanceRefreshes"]
    assert (shown["Status"], shown["PercentageComplete"], shown["InstancesToUpdate"]) == ("InProgress", 0, 2)
    served.account.run(2 * LONG)
    (shown,) = asg(served, "describe_instance_refreshes")["InstanceRefreshes"]
    assert (shown["Status"], shown["PercentageComplete"], shown["InstancesToUpdate"]) == ("Successful", 100, 0)
    assert lifecycles(served) == ["InService"] * 2
    assert not before & set(served.account.group.instances)


def test_a_suspended_refresh_stands_still(served: Served) -> None:
    """InstanceRefresh is a process that can be suspended (user guide: Suspend and resume processes)."""
    before = list(served.account.group.instances)
    asg(served, "suspend_processes", ScalingProcesses=["InstanceRefresh"])
    asg(served, "start_instance_refresh")
    served.account.run(LONG)
    assert list(served.account.group.instances) == before
    asg(served, "resume_processes", ScalingProcesses=["InstanceRefresh"])
    served.account.run(2 * LONG)
    assert not set(before) & set(served.account.group.instances)


def test_a_refresh_waits_for_the_protected_and_can_be_cancelled(served: Served) -> None:
    """ScaleInProtectedInstances: Wait is the default (API_RefreshPreferences, API_CancelInstanceRefresh)."""
    before = list(served.account.group.instances)
    served.account.cloud.set_protection("workers", before, protected=True)
    asg(served, "start_instance_refresh")
    served.account.run(LONG)
    assert list(served.account.group.instances) == before
    asg(served, "cancel_instance_refresh")
    assert asg(served, "describe_instance_refreshes")["InstanceRefreshes"][0]["Status"] == "Cancelled"


def test_a_warm_pool_is_shown_with_its_instances(served: Served) -> None:
    """Configuration and instances, beside those of the group (API_DescribeWarmPool, API_AutoScalingGroup)."""
    served.account.group.warm_pool = WarmPool(size=2)
    shown = asg(served, "describe_warm_pool")
    assert shown["WarmPoolConfiguration"] == {"MinSize": 0, "PoolState": "Stopped"}
    assert [one["LifecycleState"] for one in shown["Instances"]] == ["Warmed:Stopped"] * 2
    assert (group(served)["WarmPoolSize"], len(group(served)["Instances"])) == (2, 2)


# ---- spot, shortage, schedules


def test_capacity_rebalancing_launches_before_it_terminates(account: Account) -> None:
    """Warned of a loss the group launches another, then ends the one at risk (user guide: Capacity Rebalancing)."""
    account.group.capacity_rebalance = True
    first = next(iter(account.group.instances))
    account.cloud.set_protection("workers", [first], protected=True)
    account.cloud.spot_warning(first, after=600)
    account.run(10)
    assert account.lifecycles() == ["InService", "InService", "Pending"]
    account.run(70)
    assert account.lifecycles() == ["Terminating", "InService", "InService"]
    account.run(LONG)
    assert (account.group.desired, account.lifecycles()) == (2, ["InService"] * 2)


def test_without_capacity_rebalancing_the_loss_comes_first(account: Account) -> None:
    """EC2 takes the instance two minutes after its warning, and only then it is replaced (EC2 guide: Interruptions)."""
    first = next(iter(account.group.instances))
    account.cloud.spot_warning(first)
    account.run(119)
    assert account.lifecycles() == ["InService"] * 2
    account.run(2)
    assert account.cloud.instances[first].state == "shutting-down"
    account.run(LONG)
    assert account.group.launches == 3


def test_one_full_subnet_sends_launches_to_the_other_zones(account: Account) -> None:
    """A launch that fails in one zone is tried in another (user guide: Distribution across Availability Zones)."""
    account.cloud.shortage("workers", zones=["eu-west-1a"], subnet=True)
    account.cloud.set_desired("workers", 4)
    account.run(LONG)
    assert Counter(one.zone for one in account.group.living) == {"eu-west-1a": 1, "eu-west-1b": 3}
    failed = [one for one in account.cloud.activities.of("workers") if one.status == "Failed"]
    assert failed[0].message == (
        "There are not enough free addresses in subnet 'subnet-eu-west-1a' to satisfy the requested number of "
        "instances. Launching EC2 instance failed."  # PrairieLearn #3271
    )


def test_a_scheduled_action_is_skipped_while_suspended(account: Account) -> None:
    """ScheduledActions is a process that can be suspended (user guide: Suspend and resume processes)."""
    account.cloud.suspend("workers", ["ScheduledActions"])
    assert not account.cloud.scheduled_action("workers", {"DesiredCapacity": 4})
    account.cloud.resume("workers", ["ScheduledActions"])
    assert account.cloud.scheduled_action("workers", {"DesiredCapacity": 4})
    assert account.group.desired == 4


def test_what_desired_counts_is_shown_where_it_is_not_instances(served: Served) -> None:
    """DesiredCapacityType: vcpu, memory-mib or units (API_AutoScalingGroup)."""
    assert "DesiredCapacityType" not in group(served)
    served.account.group.capacity_type = "vcpu"
    assert group(served)["DesiredCapacityType"] == "vcpu"


def test_a_group_of_size_zero_has_no_instances(account: Account) -> None:
    """Zero is a size like any other (API_CreateAutoScalingGroup)."""
    made = account.cloud.add_group(Group("empty", Reference("worker"), 0, 0, 3, ("eu-west-1a",)))
    account.cloud.set_desired("empty", 1)
    account.run(LONG)
    assert [one.lifecycle for one in made.living] == ["InService"]


@pytest.mark.parametrize(("broken", "left"), [("", 2), ("ignore-protection", 1)])
def test_a_broken_cloud_ends_the_protected(make: type[Account], broken: str, left: int) -> None:
    """Scale-in passes the protected by, unless the mutation "ignore-protection" is on."""
    account = make(broken=frozenset({broken}))
    account.cloud.set_protection("workers", list(account.group.instances), protected=True)
    account.cloud.set_desired("workers", 1)
    account.run(LONG)
    assert len(account.group.living) == left


def test_a_broken_cloud_lowers_desired_twice(make: type[Account]) -> None:
    """The mutation "decrement-twice" costs another instance with each terminate."""
    account = make(size=4, broken=frozenset({"decrement-twice"}))
    account.cloud.terminate_in_group(next(iter(account.group.instances)), decrement=True)
    assert account.group.desired == 2


def test_a_hook_is_a_value(account: Account) -> None:
    """Changing a hook leaves the actions that are under way as they began."""
    account.group.hooks["hook"] = hook = Hook("hook", "terminating", heartbeat=100.0)
    account.cloud.terminate_in_group(next(iter(account.group.instances)), decrement=True)
    account.group.hooks["hook"] = replace(hook, heartbeat=1.0)
    account.run(90)
    assert account.lifecycles()[0] == "Terminating:Wait"
