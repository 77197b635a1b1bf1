"""EC2: instances, shown and ended; what instance types offer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eks_simulator.aws.call import keep, page, tag_list
from eks_simulator.aws.ec2_images import known
from eks_simulator.cloud.errors import AwsError
from eks_simulator.cloud.types import TYPES, architecture

if TYPE_CHECKING:
    from collections.abc import Callable

    from eks_simulator.aws.call import Call, Fields
    from eks_simulator.cloud.cloud import Cloud
    from eks_simulator.cloud.model import Instance

#: Codes of the instance states (EC2 API reference, InstanceState).
CODES: Final = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48}

_NO_INSTANCE = ("InvalidInstanceID.NotFound", "The instance ID '{}' does not exist")


def describe_instances(call: Call) -> dict[str, Any]:
    """DescribeInstances, each in a reservation of its own; those terminated within the last hour too."""
    fields: Fields[Instance] = {
        "availability-zone": lambda one: one.zone,
        "image-id": lambda one: one.image,
        "instance-id": lambda one: one.id,
        "instance-state-name": lambda one: one.state,
        "instance-type": lambda one: one.type,
        "private-dns-name": lambda one: one.dns,
        "private-ip-address": lambda one: one.ip,
    }
    instances = known(call.get("InstanceIds"), call.cloud.instances, *_NO_INSTANCE)
    kept = keep(instances, call.get("Filters", ()), fields, lambda one: _tags(call.cloud, one))
    shown, token = page(call, kept, "MaxResults", 1000)
    return {"Reservations": [_reservation(call.cloud, one) for one in shown], "NextToken": token}


def _tags(cloud: Cloud, instance: Instance) -> dict[str, str]:
    group = cloud.groups[instance.group]
    version = cloud.templates[instance.template].version(instance.version)
    given = [spec.get("Tags", ()) for spec in version.data.get("TagSpecifications", ()) if _for_instances(spec)]
    return {
        "aws:autoscaling:groupName": instance.group,
        "aws:ec2launchtemplate:id": instance.template,
        "aws:ec2launchtemplate:version": str(instance.version),
        **{tag["Key"]: tag.get("Value", "") for tags in given for tag in tags},
        **{key: tag.value for key, tag in group.tags.items() if tag.propagate},
    }


def _for_instances(specification: dict[str, Any]) -> bool:
    return specification.get("ResourceType") == "instance"


def _reservation(cloud: Cloud, instance: Instance) -> dict[str, Any]:
    return {
        "ReservationId": f"r-{instance.id.removeprefix('i-')}",
        "OwnerId": cloud.account,
        "Instances": [_instance(cloud, instance)],
    }


def _instance(cloud: Cloud, instance: Instance) -> dict[str, Any]:
    gone = instance.state == "terminated"
    return {
        "InstanceId": instance.id,
        "ImageId": instance.image,
        "InstanceType": instance.type,
        "Architecture": architecture(instance.type),
        "LaunchTime": instance.launched,
        "State": _state(instance.state),
        "StateTransitionReason": instance.reason,
        "StateReason": {"Code": instance.reason, "Message": instance.reason} if instance.reason else None,
        "Placement": {"AvailabilityZone": instance.zone, "Tenancy": "default"},
        "PrivateDnsName": "" if gone else instance.dns,
        "PrivateIpAddress": None if gone else instance.ip,
        "InstanceLifecycle": "spot" if instance.spot else None,
        "Tags": tag_list(_tags(cloud, instance)),
    }


def _state(name: str) -> dict[str, Any]:
    return {"Code": CODES[name], "Name": name}


def terminate_instances(call: Call) -> dict[str, Any]:
    """TerminateInstances: behind their groups' backs, scale-in protection or not."""
    instances = known(call["InstanceIds"], call.cloud.instances, *_NO_INSTANCE)
    before = [instance.state for instance in instances]
    for instance in instances:
        call.cloud.terminate_from_outside(instance.id)
    changes = [
        {"InstanceId": one.id, "PreviousState": _state(state), "CurrentState": _state(one.state)}
        for one, state in zip(instances, before, strict=True)
    ]
    return {"TerminatingInstances": changes}


def run_instances(call: Call) -> dict[str, Any]:
    """RunInstances, which is only tried out (DryRun): instances here come from Auto Scaling groups."""
    del call
    raise AwsError("NotImplemented", "The simulator runs instances for groups only; RunInstances knows DryRun.", 501)


def describe_types(call: Call) -> dict[str, Any]:
    """DescribeInstanceTypes, of the few that the simulator knows."""
    for wanted in call.get("InstanceTypes", ()):
        if wanted not in TYPES:
            raise AwsError("InvalidInstanceType", f"The following supplied instance types do not exist: [{wanted}]")
    fields: Fields[str] = {
        "instance-type": lambda one: one,
        "processor-info.supported-architecture": architecture,
    }
    names = keep(call.get("InstanceTypes") or list(TYPES), call.get("Filters", ()), fields, lambda _: {})
    shown, token = page(call, names, "MaxResults", 100)
    return {"InstanceTypes": [_type(name) for name in shown], "NextToken": token}


def _type(name: str) -> dict[str, Any]:
    cpus, memory = TYPES[name]
    return {
        "InstanceType": name,
        "CurrentGeneration": True,
        "VCpuInfo": {"DefaultVCpus": cpus},
        "MemoryInfo": {"SizeInMiB": memory},
        "ProcessorInfo": {"SupportedArchitectures": [architecture(name)]},
        "SupportedUsageClasses": ["on-demand", "spot"],
    }


OPERATIONS: dict[str, Callable[[Call], dict[str, Any]]] = {
    "DescribeInstanceTypes": describe_types,
    "DescribeInstances": describe_instances,
    "RunInstances": run_instances,
    "TerminateInstances": terminate_instances,
}
