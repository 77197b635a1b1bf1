"""Auto Scaling: what groups are and do, shown; what callers may ask of them, passed on to the cloud."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eks_simulator.aws.call import keep, page
from eks_simulator.aws.ec2_subnets import subnet_of
from eks_simulator.clock import iso
from eks_simulator.cloud.errors import invalid
from eks_simulator.cloud.model import Tag
from eks_simulator.cloud.update import shown_template

if TYPE_CHECKING:
    from eks_simulator.aws.call import Call
    from eks_simulator.cloud.cloud import Cloud
    from eks_simulator.cloud.model import Activity, Group, Instance


def describe_groups(call: Call) -> dict[str, Any]:
    """DescribeAutoScalingGroups; names that do not exist are left out without a word, as AWS does."""
    known = {name: group for name, group in call.cloud.groups.items() if not group.deleted}
    groups = [known[name] for name in call.get("AutoScalingGroupNames") or known if name in known]
    kept = keep(groups, call.get("Filters", ()), {}, _tags)
    shown, token = page(call, kept, "MaxRecords", 100, 50)
    instances = call.get("IncludeInstances", True)
    return {
        "AutoScalingGroups": [_group(call.cloud, group, instances=instances) for group in shown],
        "NextToken": token,
    }


def _tags(group: Group) -> dict[str, str]:
    return {key: tag.value for key, tag in group.tags.items()}


def _arn(cloud: Cloud, group: Group) -> str:
    return (
        f"arn:aws:autoscaling:{cloud.region}:{cloud.account}:autoScalingGroup:"
        f"{group.number:08d}-0000-4000-a000-000000000000:autoScalingGroupName/{group.name}"
    )


def _group(cloud: Cloud, group: Group, *, instances: bool) -> dict[str, Any]:
    return {
        "AutoScalingGroupName": group.name,
        "AutoScalingGroupARN": _arn(cloud, group),
        **shown_template(cloud, group),
        "MinSize": group.min_size,
        "MaxSize": group.max_size,
        "DesiredCapacity": group.desired,
        "DefaultCooldown": group.cooldown,
        "AvailabilityZones": list(group.zones),
        "LoadBalancerNames": [],
        "TargetGroupARNs": [],
        "HealthCheckType": "EC2",
        "HealthCheckGracePeriod": 0,
        "Instances": [_instance(cloud, one) for one in group.instances.values()] if instances else [],
        "CreatedTime": group.created,
        "Status": "Delete in progress" if group.deleting else None,
        "SuspendedProcesses": [_suspended(name, since) for name, since in sorted(group.suspended.items())],
        "VPCZoneIdentifier": ",".join(map(subnet_of, group.zones)),
        "EnabledMetrics": [],
        "Tags": [_tag(group, key, tag) for key, tag in group.tags.items()],
        "TerminationPolicies": ["Default"],
        "NewInstancesProtectedFromScaleIn": group.protect_new,
        "CapacityRebalance": group.capacity_rebalance,
        "DesiredCapacityType": group.capacity_type if group.capacity_type != "units" else None,
        "WarmPoolConfiguration": warm_pool(group),
        "WarmPoolSize": group.warm_pool.size if group.warm_pool else None,
        "TrafficSources": [],
    }


def warm_pool(group: Group) -> dict[str, Any] | None:
    """Return the configuration of its warm pool, None where it has none."""
    pool = group.warm_pool
    return {"MinSize": pool.min_size, "PoolState": pool.state} if pool else None


def _suspended(name: str, since: float) -> dict[str, str]:
    return {"ProcessName": name, "SuspensionReason": f"User suspended at {iso(since)}"}


def _tag(group: Group, key: str, tag: Tag) -> dict[str, Any]:
    return {
        "ResourceId": group.name,
        "ResourceType": "auto-scaling-group",
        "Key": key,
        "Value": tag.value,
        "PropagateAtLaunch": tag.propagate,
    }


def _instance(cloud: Cloud, instance: Instance) -> dict[str, Any]:
    return {
        "InstanceId": instance.id,
        "InstanceType": instance.type,
        "AvailabilityZone": instance.zone,
        "LifecycleState": instance.lifecycle,
        "HealthStatus": "Healthy" if instance.healthy else "Unhealthy",
        "LaunchTemplate": {
            "LaunchTemplateId": instance.template,
            "LaunchTemplateName": cloud.templates[instance.template].name,
            "Version": str(instance.version),
        },
        "ProtectedFromScaleIn": instance.protected,
        "WeightedCapacity": str(instance.weight) if _weighted(cloud, instance) else None,
    }


def _weighted(cloud: Cloud, instance: Instance) -> bool:
    return any("WeightedCapacity" in one for one in cloud.groups[instance.group].overrides)


def describe_instances(call: Call) -> dict[str, Any]:
    """DescribeAutoScalingInstances; the health status is upper case here (its API reference), mixed case in groups."""
    wanted = call.get("InstanceIds")
    everyone = [one for group in call.cloud.groups.values() for one in group.instances.values()]
    shown, token = page(call, [one for one in everyone if not wanted or one.id in wanted], "MaxRecords", 50, 50)
    return {"AutoScalingInstances": [_alone(call.cloud, one) for one in shown], "NextToken": token}


def _alone(cloud: Cloud, instance: Instance) -> dict[str, Any]:
    shown = _instance(cloud, instance)
    return {**shown, "AutoScalingGroupName": instance.group, "HealthStatus": shown["HealthStatus"].upper()}


def describe_activities(call: Call) -> dict[str, Any]:
    """DescribeScalingActivities, newest first."""
    name, ids = call.get("AutoScalingGroupName"), call.get("ActivityIds")
    found = call.cloud.activities.of(call.cloud.group(name).name) if name else call.cloud.activities.everywhere()
    shown, token = page(call, [one for one in found if not ids or one.id in ids], "MaxRecords", 100, 100)
    return {"Activities": [activity_shown(call.cloud, one) for one in shown], "NextToken": token}


def activity_shown(cloud: Cloud, activity: Activity) -> dict[str, Any]:
    """Return a scaling activity in the API's form."""
    return {
        "ActivityId": activity.id,
        "AutoScalingGroupName": activity.group,
        "AutoScalingGroupARN": _arn(cloud, cloud.groups[activity.group]),
        "Description": activity.description,
        "Cause": activity.cause,
        "StartTime": activity.started,
        "EndTime": activity.ended,
        "StatusCode": activity.status,
        "StatusMessage": activity.message or None,
        "Progress": activity.progress,
        "Details": activity.details,
    }


def update_group(call: Call) -> dict[str, Any]:
    """UpdateAutoScalingGroup."""
    fields = {name: value for name, value in call.params.items() if name != "AutoScalingGroupName"}
    call.cloud.update_group(call["AutoScalingGroupName"], **fields)
    return {}


def set_desired(call: Call) -> dict[str, Any]:
    """SetDesiredCapacity; no cooldown is ever running here, so HonorCooldown changes nothing."""
    call.cloud.set_desired(call["AutoScalingGroupName"], call["DesiredCapacity"])
    return {}


def set_protection(call: Call) -> dict[str, Any]:
    """SetInstanceProtection."""
    call.cloud.set_protection(call["AutoScalingGroupName"], call["InstanceIds"], protected=call["ProtectedFromScaleIn"])
    return {}


def terminate(call: Call) -> dict[str, Any]:
    """TerminateInstanceInAutoScalingGroup."""
    activity = call.cloud.terminate_in_group(call["InstanceId"], decrement=call["ShouldDecrementDesiredCapacity"])
    return {"Activity": activity_shown(call.cloud, activity)}


def suspend(call: Call) -> dict[str, Any]:
    """SuspendProcesses."""
    call.cloud.suspend(call["AutoScalingGroupName"], call.get("ScalingProcesses", ()))
    return {}


def resume(call: Call) -> dict[str, Any]:
    """ResumeProcesses."""
    call.cloud.resume(call["AutoScalingGroupName"], call.get("ScalingProcesses", ()))
    return {}


def set_tags(call: Call) -> dict[str, Any]:
    """CreateOrUpdateTags."""
    groups = [_tagged(call.cloud, tag) for tag in call["Tags"]]
    for group, tag in zip(groups, call["Tags"], strict=True):
        call.cloud.updates.tag(group, tag["Key"], Tag(tag.get("Value", ""), tag.get("PropagateAtLaunch", False)))
    return {}


def delete_tags(call: Call) -> dict[str, Any]:
    """DeleteTags."""
    groups = [_tagged(call.cloud, tag) for tag in call["Tags"]]
    for group, tag in zip(groups, call["Tags"], strict=True):
        call.cloud.updates.tag(group, tag["Key"], None)
    return {}


def _tagged(cloud: Cloud, tag: dict[str, Any]) -> Group:
    if tag.get("ResourceType", "auto-scaling-group") != "auto-scaling-group":
        raise invalid(f"{tag['ResourceType']} is not a valid resource type; auto-scaling-group is the only one.")
    return cloud.group(tag.get("ResourceId", ""))


def describe_configurations(_call: Call) -> dict[str, Any]:
    """DescribeLaunchConfigurations: the simulated account has none."""
    return {"LaunchConfigurations": []}


OPERATIONS = {
    "CreateOrUpdateTags": set_tags,
    "DeleteTags": delete_tags,
    "DescribeAutoScalingGroups": describe_groups,
    "DescribeAutoScalingInstances": describe_instances,
    "DescribeLaunchConfigurations": describe_configurations,
    "DescribeScalingActivities": describe_activities,
    "ResumeProcesses": resume,
    "SetDesiredCapacity": set_desired,
    "SetInstanceProtection": set_protection,
    "SuspendProcesses": suspend,
    "TerminateInstanceInAutoScalingGroup": terminate,
    "UpdateAutoScalingGroup": update_group,
}
