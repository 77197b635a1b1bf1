"""EC2: subnets, one for each zone in which a group launches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eks_simulator.aws.call import keep, page
from eks_simulator.cloud.errors import AwsError
from eks_simulator.cloud.recipe import shortage_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from eks_simulator.aws.call import Call, Fields
    from eks_simulator.cloud.cloud import Cloud


def subnet_of(zone: str) -> str:
    """Return the id of a zone's subnet."""
    return f"subnet-{zone}"


def describe_subnets(call: Call) -> dict[str, Any]:
    """DescribeSubnets."""
    zones = {subnet_of(zone): zone for group in call.cloud.groups.values() for zone in group.zones}
    for wanted in call.get("SubnetIds", ()):
        if wanted not in zones:
            raise AwsError("InvalidSubnetID.NotFound", f"The subnet ID '{wanted}' does not exist")
    fields: Fields[str] = {"availability-zone": lambda one: zones[one], "subnet-id": lambda one: one}
    kept = keep(call.get("SubnetIds") or sorted(zones), call.get("Filters", ()), fields, lambda _: {})
    shown, token = page(call, kept, "MaxResults", 1000)
    return {"Subnets": [_subnet(call.cloud, one, zones[one]) for one in shown], "NextToken": token}


def _subnet(cloud: Cloud, subnet: str, zone: str) -> dict[str, Any]:
    return {
        "SubnetId": subnet,
        "AvailabilityZone": zone,
        "AvailableIpAddressCount": _free(cloud, zone),
        "OwnerId": cloud.account,
        "State": "available",
        "Tags": [],
    }


def _free(cloud: Cloud, zone: str) -> int:
    """Return how many addresses nobody has; none where a group finds none."""
    shortages = (shortage_in(group, zone, cloud.clock.now) for group in cloud.groups.values() if zone in group.zones)
    if any(one and one.subnet for one in shortages):
        return 0
    taken = sum(one.alive and one.zone == zone for one in cloud.instances.values())
    return max(cloud.addresses - taken, 0)


OPERATIONS: dict[str, Callable[[Call], dict[str, Any]]] = {"DescribeSubnets": describe_subnets}
