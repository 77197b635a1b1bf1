"""What an account has that may need an image, read for `rollout ami list` and `prune`: nothing is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollout.adapters import aws_records, scout_records
from rollout.adapters.aws_errors import translated
from rollout.adapters.connecting import cluster_account
from rollout.adapters.images import ungated
from rollout.ami.listing import Launched, Place

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from rollout.adapters.access import Account
    from rollout.config import Config
    from rollout.scouted import GroupScouted
    from rollout.seen import TemplateSeen

# Values that one filter of EC2 takes (user guide, "List and filter"), and names that Auto Scaling takes.
_VALUES, _NAMES = 200, 50
# Everything but instances that have ended, or are about to, for good.
_NOT_ENDED = ["pending", "running", "stopping", "stopped"]
_GROUP_TAG = "aws:autoscaling:groupName"


class Neighbour:
    """An account in one region, looked into as `identity`. `number`: the account's id."""

    def __init__(self, number: str, identity: Account) -> None:
        self.number = number
        self._scaling = identity.reading("autoscaling")
        self._ec2 = identity.reading("ec2")

    def place(self, images: Sequence[str], pinned: Collection[str]) -> Place:
        """Read what may need an image, and what was launched from `images`.

        `pinned`: ids of templates of which every version is read, if they are this account's. All of it or nothing:
        raises `EdgeError` for the first request that is not answered.
        """
        raw = list(_pages(self._scaling, "describe_auto_scaling_groups", "AutoScalingGroups"))
        groups = tuple(map(scout_records.group, raw))
        configured = {one["AutoScalingGroupName"]: name for one in raw if (name := one.get("LaunchConfigurationName"))}
        return Place(
            account=self.number,
            groups=groups,
            templates=_templates(self._ec2, {*pinned, *_numbered(groups)}),
            configured=_configured(self._scaling, configured),
            launched=tuple(_launched(self._ec2, images)),
        )


def neighbour(config: Config, run_id: str) -> Neighbour:
    """Return the account of a configuration's cluster. Raises `UserError` where we are not in it."""
    account, number, _arn = cluster_account(config, run_id, ungated())
    return Neighbour(number, account)


def _numbered(groups: Sequence[GroupScouted]) -> set[str]:
    """Return the templates of which a group names a version by its number."""
    return {use.template_id for group in groups for use in group.templates if not use.reference.startswith("$")}


def _templates(ec2: Any, whole: Collection[str]) -> tuple[TemplateSeen, ...]:
    """Return every template with the versions that are its default and its latest; those in `whole` with all."""
    # An image may be given as a parameter of Systems Manager: then AWS says which image that is now.
    heads = {raw["LaunchTemplateId"]: raw for raw in _pages(ec2, "describe_launch_templates", "LaunchTemplates")}
    asked: list[dict[str, Any]] = [{"Versions": ["$Latest", "$Default"]}]
    asked += [{"LaunchTemplateId": one} for one in heads if one in whole]
    versions = [
        raw
        for one in asked
        for raw in _pages(ec2, "describe_launch_template_versions", "LaunchTemplateVersions", ResolveAlias=True, **one)
    ]
    by_template: dict[str, dict[int, Mapping[str, Any]]] = {one: {} for one in heads}
    for raw in versions:
        by_template.setdefault(raw["LaunchTemplateId"], {})[raw["VersionNumber"]] = raw
    return tuple(aws_records.template(head, by_template[one].values()) for one, head in heads.items())


def _configured(scaling: Any, by_group: Mapping[str, str]) -> dict[str, str]:
    """Return by group the image of its launch configuration."""
    images: dict[str, str] = {}
    for names in _batches(sorted(set(by_group.values())), _NAMES):
        asked = {"LaunchConfigurationNames": names}
        found = _pages(scaling, "describe_launch_configurations", "LaunchConfigurations", **asked)
        images |= {raw["LaunchConfigurationName"]: raw["ImageId"] for raw in found}
    return {group: images[name] for group, name in by_group.items() if name in images}


def _launched(ec2: Any, images: Sequence[str]) -> Iterator[Launched]:
    for batch in _batches(images, _VALUES):
        asked = [{"Name": "image-id", "Values": batch}, {"Name": "instance-state-name", "Values": _NOT_ENDED}]
        for reservation in _pages(ec2, "describe_instances", "Reservations", Filters=asked):
            yield from (_instance(raw) for raw in reservation["Instances"])


def _instance(raw: Mapping[str, Any]) -> Launched:
    tags = {tag["Key"]: tag.get("Value", "") for tag in raw.get("Tags", ())}
    return Launched(raw["InstanceId"], raw["ImageId"], tags.get(_GROUP_TAG, ""))


def _batches(items: Sequence[str], size: int) -> Iterator[list[str]]:
    return (list(items[start : start + size]) for start in range(0, len(items), size))


def _pages(client: Any, operation: str, key: str, **asked: Any) -> Iterator[dict[str, Any]]:
    """Read all pages of a list."""
    with translated(mutating=False):
        for page in client.get_paginator(operation).paginate(**asked):
            yield from page[key]
