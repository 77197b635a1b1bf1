"""AWS's replies as our own records, and our changes as AWS's fields."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rollout.adapters.understanding import number, text
from rollout.adapters.wording import one_line
from rollout.model.observation import GroupSeen, ImageSeen, InstanceSeen, RefreshSeen, TemplateSeen, VersionSeen
from rollout.model.plan import Sizes, TemplateUse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rollout.ports import GroupChange

#: The tag by which EKS marks the groups of its managed node groups.
_NODEGROUP = "eks:nodegroup-name"


def group(raw: Mapping[str, Any]) -> GroupSeen:
    """Return an Auto Scaling group as described by DescribeAutoScalingGroups."""
    tags = {tag["Key"]: tag.get("Value", "") for tag in raw.get("Tags", ())}
    return GroupSeen(
        name=raw["AutoScalingGroupName"],
        sizes=_sizes(raw),
        uses=uses(raw),
        protect_new=raw.get("NewInstancesProtectedFromScaleIn", False),
        capacity_rebalance=raw.get("CapacityRebalance", False),
        suspended=frozenset(process["ProcessName"] for process in raw.get("SuspendedProcesses", ())),
        zones=tuple(raw.get("AvailabilityZones", ())),
        instances=tuple(_instance(one) for one in raw["Instances"]),
        nodegroup=tags.get(_NODEGROUP),
        mixed="MixedInstancesPolicy" in raw,
        gone=bool(raw.get("Status")),  # set while the group is being deleted, and only then
    )


def _sizes(raw: Mapping[str, Any]) -> Sizes:
    sizes = Sizes(number(raw["MinSize"]), number(raw["DesiredCapacity"]), number(raw["MaxSize"]))
    if not sizes.minimum <= sizes.desired <= sizes.maximum:
        raise ValueError(f"sizes {sizes} are none that Auto Scaling lets a group have")
    return sizes


def uses(raw: Mapping[str, Any]) -> tuple[TemplateUse, ...]:
    """Return every use of a template that a group makes, its own first."""
    return tuple(_use(slot, specification) for slot, specification in _specifications(raw).items())


def _specifications(raw: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return by slot every LaunchTemplateSpecification of a group, in the order in which AWS lists them."""
    template = raw.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    own = template.get("LaunchTemplateSpecification") or raw.get("LaunchTemplate")
    overrides = (override.get("LaunchTemplateSpecification") for override in template.get("Overrides", ()))
    named = {"": own} | {slot_of(index): specification for index, specification in enumerate(overrides)}
    return {slot: specification for slot, specification in named.items() if specification}


def slot_of(index: int) -> str:
    """Return how a use says that it is that of an override, by its index from 0."""
    return f"override {index + 1}"


def _use(slot: str, raw: Mapping[str, Any]) -> TemplateUse:
    # A specification without a version means the default one (API reference, LaunchTemplateSpecification).
    reference = text(raw.get("Version", "$Default"))
    if reference not in {"$Latest", "$Default"}:
        _number(reference)
    return TemplateUse(slot, text(raw["LaunchTemplateId"]), raw.get("LaunchTemplateName", ""), reference)


def _number(said: object) -> int:
    """Return the number of a version, which the API gives as a text."""
    if not (text(said).isascii() and text(said).isdecimal()):
        raise ValueError(f"{said} is no version of a template")
    return int(text(said))


def _instance(raw: Mapping[str, Any]) -> InstanceSeen:
    # One that was attached may have no template. Half of one would make a new instance an old one, which is to go.
    template = raw.get("LaunchTemplate")
    return InstanceSeen(
        id=text(raw["InstanceId"]),
        lifecycle=text(raw["LifecycleState"]),
        healthy=raw.get("HealthStatus", "Healthy").lower() == "healthy",
        zone=raw["AvailabilityZone"],
        template_id=text(template["LaunchTemplateId"]) if template else None,
        version=_number(template["Version"]) if template else None,
        protected=raw["ProtectedFromScaleIn"],
    )


def template(raw: Mapping[str, Any], versions: Iterable[Mapping[str, Any]]) -> TemplateSeen:
    """Return a launch template with its versions, newest first."""
    numbered = sorted((_version(one) for one in versions), key=lambda version: version.number, reverse=True)
    return TemplateSeen(
        id=text(raw["LaunchTemplateId"]),
        name=text(raw["LaunchTemplateName"]),
        default=number(raw["DefaultVersionNumber"]),
        latest=number(raw["LatestVersionNumber"]),
        versions=tuple(numbered),
        tags={tag["Key"]: tag.get("Value", "") for tag in raw.get("Tags", ())},
    )


def _version(raw: Mapping[str, Any]) -> VersionSeen:
    data = raw.get("LaunchTemplateData", {})
    return VersionSeen(
        number=number(raw["VersionNumber"]),
        image_id=data.get("ImageId"),
        description=raw.get("VersionDescription", ""),
        instance_type=data.get("InstanceType"),
        volumes=_volumes(data),
    )


def _volumes(raw: Mapping[str, Any]) -> dict[str, int]:
    """Return by device name the size in GiB of each volume for which one is given."""
    mapped = ((one.get("DeviceName", ""), one.get("Ebs", {})) for one in raw.get("BlockDeviceMappings", ()))
    return {device: ebs["VolumeSize"] for device, ebs in mapped if "VolumeSize" in ebs}


def image(raw: Mapping[str, Any]) -> ImageSeen:
    """Return an AMI."""
    root = raw.get("RootDeviceName", "")
    return ImageSeen(
        id=raw["ImageId"],
        name=raw.get("Name", ""),
        state=raw["State"],
        architecture=raw.get("Architecture", ""),
        root_device=root,
        # An AMI's own mapping says how large the volume of its snapshot is.
        root_gib=_volumes(raw).get(root),
        created=datetime.fromisoformat(said).astimezone(UTC) if (said := raw.get("CreationDate")) else None,
    )


def refresh(raw: Mapping[str, Any]) -> RefreshSeen:
    """Return an instance refresh as described by DescribeInstanceRefreshes."""
    return RefreshSeen(text(raw["InstanceRefreshId"]), text(raw["Status"]))


def trouble(raw: Mapping[str, Any]) -> str:
    """Return what a failed scaling activity says, in one line."""
    return one_line(raw.get("StatusMessage") or raw.get("Description") or raw["Cause"])


def update(change: GroupChange) -> dict[str, Any]:
    """Return the fields of UpdateAutoScalingGroup that a change writes, but for its references."""
    fields = {
        "MinSize": change.minimum,
        "DesiredCapacity": change.desired,
        "MaxSize": change.maximum,
        "NewInstancesProtectedFromScaleIn": change.protect_new,
        "CapacityRebalance": change.capacity_rebalance,
    }
    return {name: value for name, value in fields.items() if value is not None}


def references(raw: Mapping[str, Any], uses: Sequence[TemplateUse]) -> dict[str, Any] | None:
    """Return the field that writes these uses into the group as it is described in `raw`; None if they do not fit it.

    A MixedInstancesPolicy stays one: optional parts that are not given are left unchanged, overrides are replaced as a
    whole (API reference, UpdateAutoScalingGroup and LaunchTemplate).
    """
    found = _specifications(raw)
    wanted = {use.slot: use for use in uses}
    if any(found.get(slot, {}).get("LaunchTemplateId") != use.template_id for slot, use in wanted.items()):
        return None
    policy = raw.get("MixedInstancesPolicy")
    own = _rewritten(found[""], wanted.get(""))
    if policy is None:
        return {"LaunchTemplate": own}
    written: dict[str, Any] = {"LaunchTemplateSpecification": own}
    if wanted.keys() - {""}:
        overrides = policy["LaunchTemplate"]["Overrides"]
        written["Overrides"] = [_override(one, wanted.get(slot_of(index))) for index, one in enumerate(overrides)]
    return {"MixedInstancesPolicy": {"LaunchTemplate": written}}


def _override(raw: Mapping[str, Any], use: TemplateUse | None) -> dict[str, Any]:
    own = raw.get("LaunchTemplateSpecification")
    return {**raw, "LaunchTemplateSpecification": _rewritten(own, use)} if own else dict(raw)


def _rewritten(raw: Mapping[str, Any], use: TemplateUse | None) -> dict[str, Any]:
    # AWS tells id and name, and takes only one of them.
    version = {"Version": use.reference} if use else {key: raw[key] for key in raw if key == "Version"}
    return {"LaunchTemplateId": raw["LaunchTemplateId"], **version}
