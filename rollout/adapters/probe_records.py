"""AWS's replies as the records that only a survey needs, and a right as Kubernetes asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollout.adapters import aws_records
from rollout.model.preflight_observation import GroupProbed, Override

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rollout.model.plan import TemplateUse

# The tag by which a cluster's nodes and groups are known (EKS user guide, "Launch self-managed nodes").
_CLUSTER_TAG = "kubernetes.io/cluster/"


def group(raw: Mapping[str, Any]) -> GroupProbed:
    """Return an Auto Scaling group as described by DescribeAutoScalingGroups."""
    policy = raw.get("MixedInstancesPolicy", {})
    mixed = policy.get("LaunchTemplate", {})
    shares = policy.get("InstancesDistribution", {})
    uses = {use.slot: use for use in aws_records.uses(raw)}
    tags = {tag["Key"]: tag.get("Value", "") for tag in raw.get("Tags", ())}
    subnets = (name.strip() for name in raw.get("VPCZoneIdentifier", "").split(","))
    return GroupProbed(
        name=raw["AutoScalingGroupName"],
        template=uses.get(""),
        overrides=tuple(
            _override(one, uses.get(aws_records.slot_of(index))) for index, one in enumerate(mixed.get("Overrides", ()))
        ),
        # What is left out means units, no base and all on demand (API reference, InstancesDistribution).
        units=raw.get("DesiredCapacityType") or "units",
        on_demand_base=shares.get("OnDemandBaseCapacity", 0),
        on_demand_percent=shares.get("OnDemandPercentageAboveBaseCapacity", 100),
        warm_pool="WarmPoolConfiguration" in raw,
        clusters=frozenset(key.removeprefix(_CLUSTER_TAG) for key in tags if key.startswith(_CLUSTER_TAG)),
        subnets=tuple(name for name in subnets if name),
        tags=tags,
    )


def _override(raw: Mapping[str, Any], own: TemplateUse | None) -> Override:
    return Override(
        template=own,
        instance_type=raw.get("InstanceType"),
        image_id=raw.get("ImageId"),
        weight=raw.get("WeightedCapacity"),
    )
