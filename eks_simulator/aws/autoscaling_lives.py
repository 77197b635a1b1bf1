"""Auto Scaling: what holds, parks and renews instances: lifecycle hooks, Standby, instance refreshes, warm pools."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from eks_simulator.aws.autoscaling import activity_shown, warm_pool
from eks_simulator.aws.call import page
from eks_simulator.cloud.errors import invalid
from eks_simulator.cloud.hooks import LONGEST, MOST_HEARTBEATS
from eks_simulator.cloud.model import Hook
from eks_simulator.seeded import uid

if TYPE_CHECKING:
    from eks_simulator.aws.call import Call
    from eks_simulator.cloud.model import Group, Refresh, Transition

_LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
_TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"
_TRANSITIONS: dict[str, Transition] = {_LAUNCHING: "launching", _TERMINATING: "terminating"}


def describe_hooks(call: Call) -> dict[str, Any]:
    """DescribeLifecycleHooks."""
    group, names = _group(call), call.get("LifecycleHookNames")
    hooks = [one for one in group.hooks.values() if not names or one.name in names]
    return {"LifecycleHooks": [_hook(group, one) for one in hooks]}


def _group(call: Call) -> Group:
    return call.cloud.group(call["AutoScalingGroupName"])


def _hook(group: Group, hook: Hook) -> dict[str, Any]:
    return {
        "LifecycleHookName": hook.name,
        "AutoScalingGroupName": group.name,
        "LifecycleTransition": _LAUNCHING if hook.transition == "launching" else _TERMINATING,
        "HeartbeatTimeout": int(hook.heartbeat),
        "GlobalTimeout": int(min(LONGEST, MOST_HEARTBEATS * hook.heartbeat)),
        "DefaultResult": hook.result,
    }


def put_hook(call: Call) -> dict[str, Any]:
    """PutLifecycleHook: made or changed; actions that are under way keep what they began with."""
    group, name = _group(call), call["LifecycleHookName"]
    transition = _TRANSITIONS.get(call.get("LifecycleTransition", ""))
    if transition is None and name not in group.hooks:
        raise invalid(f"LifecycleTransition is required and must be one of {_LAUNCHING}, {_TERMINATING}.")
    before = group.hooks.get(name) or Hook(name, transition or "launching")
    group.hooks[name] = replace(
        before,
        transition=transition or before.transition,
        heartbeat=float(call.get("HeartbeatTimeout", before.heartbeat)),
        result=call.get("DefaultResult", before.result),
    )
    return {}


def delete_hook(call: Call) -> dict[str, Any]:
    """DeleteLifecycleHook; `AwsError` where there is none of that name."""
    if _group(call).hooks.pop(call["LifecycleHookName"], None) is None:
        raise invalid(f"No Lifecycle Hook found with name {call['LifecycleHookName']}")
    return {}


def complete_action(call: Call) -> dict[str, Any]:
    """CompleteLifecycleAction."""
    result = call["LifecycleActionResult"]
    if result not in {"CONTINUE", "ABANDON"}:
        raise invalid(f"Lifecycle action result must be CONTINUE or ABANDON, it is {result}.")
    call.cloud.lives.hooks.complete(_group(call), call["LifecycleHookName"], *_whose(call), result)
    return {}


def record_heartbeat(call: Call) -> dict[str, Any]:
    """RecordLifecycleActionHeartbeat."""
    call.cloud.lives.hooks.heartbeat(_group(call), call["LifecycleHookName"], *_whose(call))
    return {}


def _whose(call: Call) -> tuple[str, str]:
    return call.get("InstanceId", ""), call.get("LifecycleActionToken", "")


def enter_standby(call: Call) -> dict[str, Any]:
    """EnterStandby."""
    ids, decrement = call.get("InstanceIds", ()), call["ShouldDecrementDesiredCapacity"]
    done = call.cloud.enter_standby(call["AutoScalingGroupName"], ids, decrement=decrement)
    return {"Activities": [activity_shown(call.cloud, one) for one in done]}


def exit_standby(call: Call) -> dict[str, Any]:
    """ExitStandby."""
    done = call.cloud.exit_standby(call["AutoScalingGroupName"], call.get("InstanceIds", ()))
    return {"Activities": [activity_shown(call.cloud, one) for one in done]}


def start_refresh(call: Call) -> dict[str, Any]:
    """StartInstanceRefresh."""
    return {"InstanceRefreshId": call.cloud.scaling.refreshes.start(_group(call)).id}


def cancel_refresh(call: Call) -> dict[str, Any]:
    """CancelInstanceRefresh."""
    return {"InstanceRefreshId": call.cloud.scaling.refreshes.cancel(_group(call)).id}


def describe_refreshes(call: Call) -> dict[str, Any]:
    """DescribeInstanceRefreshes, newest first."""
    group, ids = _group(call), call.get("InstanceRefreshIds")
    found = [one for one in group.refreshes[::-1] if not ids or one.id in ids]
    shown, token = page(call, found, "MaxRecords", 100, 50)
    return {"InstanceRefreshes": [_refresh(group, one) for one in shown], "NextToken": token}


def _refresh(group: Group, refresh: Refresh) -> dict[str, Any]:
    return {
        "InstanceRefreshId": refresh.id,
        "AutoScalingGroupName": group.name,
        "Status": refresh.status,
        "StartTime": refresh.started,
        "EndTime": refresh.ended,
        "PercentageComplete": refresh.percentage,
        "InstancesToUpdate": refresh.left,
    }


def describe_warm_pool(call: Call) -> dict[str, Any]:
    """DescribeWarmPool; where there is none the answer holds no configuration."""
    group = _group(call)
    size = group.warm_pool.size if group.warm_pool else 0
    instances = [_warm(call, group, number) for number in range(size)]
    shown, token = page(call, instances, "MaxRecords", 50, 50)
    return {"WarmPoolConfiguration": warm_pool(group), "Instances": list(shown), "NextToken": token}


def _warm(call: Call, group: Group, number: int) -> dict[str, Any]:
    state = group.warm_pool.state if group.warm_pool else ""
    return {
        "InstanceId": "i-0" + uid(call.cloud.seed, "warm", group.name, number).replace("-", "")[-16:],
        "AvailabilityZone": group.zones[number % len(group.zones)],
        "LifecycleState": f"Warmed:{state}",
        "HealthStatus": "Healthy",
        "ProtectedFromScaleIn": False,
    }


OPERATIONS = {
    "CancelInstanceRefresh": cancel_refresh,
    "CompleteLifecycleAction": complete_action,
    "DeleteLifecycleHook": delete_hook,
    "DescribeInstanceRefreshes": describe_refreshes,
    "DescribeLifecycleHooks": describe_hooks,
    "DescribeWarmPool": describe_warm_pool,
    "EnterStandby": enter_standby,
    "ExitStandby": exit_standby,
    "PutLifecycleHook": put_hook,
    "RecordLifecycleActionHeartbeat": record_heartbeat,
    "StartInstanceRefresh": start_refresh,
}
