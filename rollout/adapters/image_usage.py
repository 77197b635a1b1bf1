"""What an account has that may need an image, read for `rollout ami list` and `prune`: nothing is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollout.adapters import aws_records, probe_records
from rollout.adapters.aws_errors import translated
from rollout.adapters.connecting import cluster_account
from rollout.adapters.images import unfenced
from rollout.adapters.paging import entries
from rollout.ami.listing import AccountUsage, Launched

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from rollout.adapters.access import Account
    from rollout.config import Config
    from rollout.model.observation import TemplateSeen
    from rollout.model.preflight_observation import GroupProbed

# Values that one filter of EC2 takes (user guide, "List and filter").
_VALUES = 200
# Everything but instances that have ended, or are about to, for good.
_NOT_ENDED = ["pending", "running", "stopping", "stopped"]
_GROUP_TAG = "aws:autoscaling:groupName"


class Neighbour:
    """An account in one region, looked into as `identity`. `number`: the account's id."""

    def __init__(self, number: str, identity: Account) -> None:
        self.number = number
        self.identity = identity
        self._scaling = identity.reading("autoscaling")
        self._ec2 = identity.reading("ec2")

    def usage(self, images: Sequence[str], pinned: Collection[str], *, every_version: bool) -> AccountUsage:
        """Read what may need an image, and what was launched from `images`.

        `pinned`: ids of templates of which every version is read, if they are this account's. `every_version`: block
        devices are read in each version of each template, which takes a request for each template. All of it or
        nothing: raises `EdgeError` for the first request that is not answered.
        """
        with translated(mutating=False):
            raw = entries(self._scaling, "describe_auto_scaling_groups", "AutoScalingGroups")
            groups = tuple(map(probe_records.group, raw))
            heads = list(entries(self._ec2, "describe_launch_templates", "LaunchTemplates"))
            versions = _resolved(self._ec2, heads, {*pinned, *_numbered(groups)})
            older = _every(self._ec2, heads) if every_version else []
            configurations = list(entries(self._scaling, "describe_launch_configurations", "LaunchConfigurations"))
            return AccountUsage(
                account=self.number,
                groups=groups,
                templates=_templates(heads, versions),
                configured={one["LaunchConfigurationName"]: one["ImageId"] for one in configurations},
                launched=tuple(_launched(self._ec2, images)),
                mapped=_mapped([*versions, *older], configurations),
            )


def neighbour(config: Config, run_id: str) -> Neighbour:
    """Return the account of a configuration's cluster. Raises `UserError` where we are not in it."""
    account, number, _arn = cluster_account(config, run_id, unfenced())
    return Neighbour(number, account)


def _numbered(groups: Sequence[GroupProbed]) -> set[str]:
    """Return the templates of which a group names a version by its number."""
    return {use.template_id for group in groups for use in group.templates if not use.reference.startswith("$")}


def _resolved(ec2: Any, heads: Sequence[Mapping[str, Any]], whole: Collection[str]) -> list[dict[str, Any]]:
    """Return the default and the latest version of every template, and all of those in `whole`."""
    # An image may be given as a parameter of Systems Manager: then AWS says which image that is now.
    found = list(_versions(ec2, Versions=["$Latest", "$Default"], ResolveAlias=True))
    for head in heads:
        if (one := head["LaunchTemplateId"]) in whole:
            found += _versions(ec2, LaunchTemplateId=one, ResolveAlias=True)
    return found


def _every(ec2: Any, heads: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return all versions of all templates; an old one may name a parameter that is gone, so none is resolved."""
    return [raw for head in heads for raw in _versions(ec2, LaunchTemplateId=head["LaunchTemplateId"])]


def _versions(ec2: Any, **asked: Any) -> Iterator[dict[str, Any]]:
    return entries(ec2, "describe_launch_template_versions", "LaunchTemplateVersions", **asked)


def _templates(heads: Sequence[Mapping[str, Any]], versions: Sequence[Mapping[str, Any]]) -> tuple[TemplateSeen, ...]:
    by_template: dict[str, dict[int, Mapping[str, Any]]] = {one["LaunchTemplateId"]: {} for one in heads}
    for raw in versions:
        by_template.setdefault(raw["LaunchTemplateId"], {})[raw["VersionNumber"]] = raw
    return tuple(aws_records.template(head, by_template[head["LaunchTemplateId"]].values()) for head in heads)


def _mapped(
    versions: Sequence[Mapping[str, Any]], configurations: Sequence[Mapping[str, Any]]
) -> dict[str, tuple[str, ...]]:
    """Return by snapshot who names it in a block device mapping."""
    found: dict[str, dict[str, None]] = {}
    for raw in versions:
        name = f"template {raw.get('LaunchTemplateName', raw['LaunchTemplateId'])} {raw['VersionNumber']}"
        for snapshot in _snapshots(raw["LaunchTemplateData"].get("BlockDeviceMappings", ())):
            found.setdefault(snapshot, {})[name] = None
    for raw in configurations:
        for snapshot in _snapshots(raw.get("BlockDeviceMappings", ())):
            found.setdefault(snapshot, {})[f"launch configuration {raw['LaunchConfigurationName']}"] = None
    return {snapshot: tuple(who) for snapshot, who in found.items()}


def _snapshots(mappings: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    return (id_ for mapping in mappings if (id_ := mapping.get("Ebs", {}).get("SnapshotId")))


def _launched(ec2: Any, images: Sequence[str]) -> Iterator[Launched]:
    for batch in _batches(images, _VALUES):
        asked = [{"Name": "image-id", "Values": batch}, {"Name": "instance-state-name", "Values": _NOT_ENDED}]
        for reservation in entries(ec2, "describe_instances", "Reservations", Filters=asked):
            yield from (_instance(raw) for raw in reservation["Instances"])


def _instance(raw: Mapping[str, Any]) -> Launched:
    tags = {tag["Key"]: tag.get("Value", "") for tag in raw.get("Tags", ())}
    return Launched(raw["InstanceId"], raw["ImageId"], tags.get(_GROUP_TAG, ""))


def _batches(items: Sequence[str], size: int) -> Iterator[list[str]]:
    return (list(items[start : start + size]) for start in range(0, len(items), size))
