"""What a group launches next: template version, instance type, image and market; and whether EC2 would launch it.

With a MixedInstancesPolicy the overrides take turns, so that as many instances live of each instance type: AWS's
allocation strategies look at prices and spare capacity, which are not simulated. Source: Amazon EC2 Auto Scaling user
guide, "Auto Scaling groups with multiple instance types and purchase options"; the refusals as users have quoted them.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eks_simulator.cloud import types
from eks_simulator.cloud.errors import AwsError
from eks_simulator.cloud.model import DEFAULT, Reference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eks_simulator.cloud.account import Account
    from eks_simulator.cloud.model import Group, Image, Shortage
    from eks_simulator.cloud.templates import Templates

#: The type where neither override nor template names one.
ANY_TYPE = "m5.large"


@dataclass(frozen=True, slots=True)
class Recipe:
    """One instance to be; `data` is the template version's, `weight` what it will count for in desired."""

    template: str
    version: int
    type: str
    image: str
    weight: int
    spot: bool
    data: Mapping[str, Any]


def next_of(templates: Templates, group: Group) -> Recipe:
    """Return what the group launches next. An override's image beats that of the template version."""
    override = _override(group)
    reference = own_reference(override) or group.reference
    version = templates.resolve(reference)
    source = templates[reference.template].version(version)
    return Recipe(
        reference.template,
        version,
        str(override.get("InstanceType") or source.data.get("InstanceType", ANY_TYPE)),
        str(override.get("ImageId", source.image)),
        int(override.get("WeightedCapacity", 1)),
        _is_spot(group),
        source.data,
    )


def own_reference(override: Mapping[str, Any]) -> Reference | None:
    """Return the template that the override names for itself, None where it takes the policy's."""
    named = override.get("LaunchTemplateSpecification")
    return Reference(named["LaunchTemplateId"], named.get("Version", DEFAULT)) if named else None


def _override(group: Group) -> Mapping[str, Any]:
    """Return the first of the overrides of whose type the fewest live."""
    held = Counter(instance.type for instance in group.living)
    return min(group.overrides, key=lambda one: held[one.get("InstanceType", "")], default={})


def _is_spot(group: Group) -> bool:
    """Tell whether the next one is a spot instance: On-Demand until base and percentage, rounded up, are met."""
    if group.mixed is None or group.spot:
        return group.spot
    distribution = group.mixed.get("InstancesDistribution", {})
    base = int(distribution.get("OnDemandBaseCapacity", 0))
    percentage = int(distribution.get("OnDemandPercentageAboveBaseCapacity", 100))
    above = max(group.capacity + 1 - base, 0)
    wanted = min(base, group.capacity + 1) + math.ceil(above * percentage / 100)
    return wanted <= sum(one.weight for one in group.living if not one.spot)


def check(account: Account, group: Group, recipe: Recipe, zone: str) -> None:
    """`AwsError` with EC2's words where it would launch nothing of this there now."""
    shortage = shortage_in(group, zone, account.clock.now)
    if shortage is not None:
        raise _short(recipe, zone, shortage)
    image = account.images.get(recipe.image)
    if image is None:
        raise AwsError("InvalidAMIID.NotFound", f"The image id '[{recipe.image}]' does not exist.")
    if image.state != "available":
        raise AwsError("InvalidAMIID.Unavailable", f"The image ID '{image.id}' is not available.")
    _check_architecture(recipe, image)
    _check_volume(account, recipe, image)


def shortage_in(group: Group, zone: str, now: float) -> Shortage | None:
    """Return what keeps EC2 from launching for the group in the zone now, None if nothing does."""
    shortage = group.short.get(zone)
    return shortage if shortage and now < shortage.until else None


def _short(recipe: Recipe, zone: str, shortage: Shortage) -> AwsError:
    if shortage.subnet:
        return AwsError(
            "InsufficientFreeAddressesInSubnet",
            f"There are not enough free addresses in subnet 'subnet-{zone}' to satisfy the requested number of "
            "instances.",
        )
    return AwsError(
        "InsufficientInstanceCapacity",
        f"We currently do not have sufficient {recipe.type} capacity in the Availability Zone you requested ({zone})."
        " Our system will be working on provisioning additional capacity.",
    )


def _check_architecture(recipe: Recipe, image: Image) -> None:
    offered = types.architecture(recipe.type)
    if offered != image.architecture:
        raise AwsError(
            "InvalidParameterValue",
            f"The architecture '{offered}' of the specified instance type does not match the architecture "
            f"'{image.architecture}' of the specified AMI. Specify an instance type and an AMI that have matching "
            "architectures, and try again. You can use 'describe-instance-types' or 'describe-images' to discover the "
            "architecture of the instance type or AMI.",
        )


def _check_volume(account: Account, recipe: Recipe, image: Image) -> None:
    snapshot = account.snapshots.get(image.snapshot)
    if snapshot is None:
        return
    for device in recipe.data.get("BlockDeviceMappings", ()):
        size = device.get("Ebs", {}).get("VolumeSize")
        if device.get("DeviceName") == image.root_device and size is not None and size < snapshot.size:
            raise AwsError(
                "InvalidBlockDeviceMapping",
                f"Volume of size {size}GB is smaller than snapshot '{snapshot.id}', expect size >= {snapshot.size}GB",
            )
