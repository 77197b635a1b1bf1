"""AWS through the port `AutoScaling`: Auto Scaling groups, launch templates and images of one account and region.

Reads go through clients that retry; every mutating verb is one request through a client that does not, answered or
given up within ten seconds.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from rollout.adapters import aws_records as records
from rollout.adapters.aws_errors import code_of, translated
from rollout.adapters.paging import entries
from rollout.errors import Bug, EdgeError, Retry

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import datetime

    from rollout.adapters.access import Account
    from rollout.model.observation import GroupSeen, ImageSeen, RefreshSeen, TemplateSeen
    from rollout.model.plan import TemplateUse
    from rollout.ports import GroupChange

# Largest page that DescribeAutoScalingGroups and DescribeScalingActivities hand out.
_PAGE = 100
# Values that one filter of EC2 takes at most.
_VALUES = 200
# Statuses of an instance refresh at work (API reference, InstanceRefresh); the newest come first.
_AT_WORK = frozenset({"Pending", "InProgress", "Cancelling", "RollbackInProgress", "Baking"})
#: How long a failed scaling activity is news.
_NEWS = timedelta(hours=1)

_NO_TEMPLATE = frozenset({"InvalidLaunchTemplateId.NotFound", "InvalidLaunchTemplateId.Malformed"})
_NO_IMAGE = frozenset({"InvalidAMIID.NotFound", "InvalidAMIID.Malformed", "InvalidAMIID.Unavailable"})


class AwsAutoScaling:
    """The Auto Scaling groups of one account and region. `now`: the clock by which scaling activities are old."""

    def __init__(self, account: Account, now: Callable[[], datetime]) -> None:
        self._now = now
        self._read_groups = account.reading("autoscaling")
        self._read_ec2 = account.reading("ec2")
        self._write_groups = account.mutating("autoscaling")
        self._write_ec2 = account.mutating("ec2")

    # ---- reads

    @translated(mutating=False)
    def groups(self, names: Sequence[str]) -> tuple[GroupSeen, ...]:
        groups = {raw["AutoScalingGroupName"]: records.group(raw) for raw in self._groups(names)}
        return tuple(groups[name] for name in names if name in groups)

    def _groups(self, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        asked = {"AutoScalingGroupNames": list(names), "PaginationConfig": {"PageSize": _PAGE}}
        return _pages(self._read_groups, "describe_auto_scaling_groups", "AutoScalingGroups", asked)

    @translated(mutating=False)
    def templates(self, ids: Sequence[str]) -> tuple[TemplateSeen, ...]:
        found = {raw["LaunchTemplateId"]: raw for raw in self._templates(list(ids))}
        read = (self._template(found[one]) for one in ids if one in found)
        return tuple(template for template in read if template)

    def _template(self, raw: dict[str, Any]) -> TemplateSeen | None:
        try:
            return records.template(raw, self._versions(raw["LaunchTemplateId"]))
        except _MissingError:  # one list of AWS may know before the other that it is gone
            return None

    def _templates(self, ids: list[str]) -> list[dict[str, Any]]:
        try:
            asked = {"LaunchTemplateIds": ids}
            return list(_pages(self._read_ec2, "describe_launch_templates", "LaunchTemplates", asked)) if ids else []
        except _MissingError:
            # One id that does not exist fails the call for all.
            return [raw for one in ids for raw in self._templates([one])] if len(ids) > 1 else []

    def _versions(self, template_id: str) -> Iterator[dict[str, Any]]:
        asked = {"LaunchTemplateId": template_id}
        return _pages(self._read_ec2, "describe_launch_template_versions", "LaunchTemplateVersions", asked)

    @translated(mutating=False)
    def image(self, ami: str) -> ImageSeen | None:
        try:
            found = list(_pages(self._read_ec2, "describe_images", "Images", {"ImageIds": [ami]}))
        except _MissingError:
            return None
        if any(raw["ImageId"] != ami for raw in found):
            raise ValueError(f"it is not about {ami}")
        return records.image(found[0]) if found else None

    @translated(mutating=False)
    def trouble(self, group: str) -> str:
        asked = {"AutoScalingGroupName": group, "PaginationConfig": {"MaxItems": _PAGE, "PageSize": _PAGE}}
        found = _pages(self._read_groups, "describe_scaling_activities", "Activities", asked)
        since = self._now() - _NEWS
        failed = [raw for raw in found if raw["StatusCode"] == "Failed" and raw["StartTime"] >= since]
        return records.trouble(max(failed, key=lambda raw: raw["StartTime"])) if failed else ""

    @translated(mutating=False)
    def active_instance_refresh(self, group: str) -> RefreshSeen | None:
        found = self._read_groups.describe_instance_refreshes(AutoScalingGroupName=group)["InstanceRefreshes"]
        return next((records.refresh(raw) for raw in found if raw["Status"] in _AT_WORK), None)

    @translated(mutating=False)
    def states(self, ids: Collection[str]) -> dict[str, str]:
        wanted = sorted(ids)
        found: dict[str, str] = {}
        for start in range(0, len(wanted), _VALUES):
            # By a filter: an id in `InstanceIds` that does not exist fails the call for all.
            batch = [{"Name": "instance-id", "Values": wanted[start : start + _VALUES]}]
            for raw in _pages(self._read_ec2, "describe_instances", "Reservations", {"Filters": batch}):
                found |= {one["InstanceId"]: one["State"]["Name"] for one in raw["Instances"]}
        return found

    # ---- mutating verbs

    def create_version(self, template_id: str, source: int, ami: str, description: str, token: str) -> str | None:
        return _send(
            self._write_ec2.create_launch_template_version,
            LaunchTemplateId=template_id,
            SourceVersion=str(source),
            VersionDescription=description,
            ClientToken=token,
            LaunchTemplateData={"ImageId": ami},
        )

    def set_default_version(self, template_id: str, number: int) -> str | None:
        return _send(self._write_ec2.modify_launch_template, LaunchTemplateId=template_id, DefaultVersion=str(number))

    def update_group(self, group: str, change: GroupChange) -> str | None:
        fields = records.update(change)
        if change.uses:
            fields |= self._references(group, change.uses)
        return _send(self._write_groups.update_auto_scaling_group, AutoScalingGroupName=group, **fields)

    @translated(mutating=False)
    def _references(self, group: str, uses: Sequence[TemplateUse]) -> dict[str, Any]:
        """Read the group and return the field that changes these references and nothing else."""
        raw = next(self._groups([group]), None)
        fields = records.references(raw, uses) if raw else None
        if fields is None:
            raise Retry(f"{group} names other templates by now")
        return fields

    def protect(self, group: str, instance_ids: Sequence[str], *, protected: bool) -> str | None:
        return _send(
            self._write_groups.set_instance_protection,
            AutoScalingGroupName=group,
            InstanceIds=list(instance_ids),
            ProtectedFromScaleIn=protected,
        )

    def suspend(self, group: str, processes: Sequence[str]) -> str | None:
        return _send(self._write_groups.suspend_processes, **_processes(group, processes))

    def resume(self, group: str, processes: Sequence[str]) -> str | None:
        return _send(self._write_groups.resume_processes, **_processes(group, processes))

    def terminate(self, instance_id: str) -> str | None:
        return _send(
            self._write_groups.terminate_instance_in_auto_scaling_group,
            InstanceId=instance_id,
            ShouldDecrementDesiredCapacity=True,
        )


class _MissingError(EdgeError):
    """AWS knows no thing of an id that was asked for."""


def _pages(client: Any, operation: str, key: str, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Read all pages of a list; `_MissingError` where an id in `asked` does not exist."""
    with translated(mutating=False):
        try:
            yield from entries(client, operation, key, **asked)
        except ClientError as error:
            if code_of(error) in _NO_TEMPLATE | _NO_IMAGE:
                raise _MissingError(code_of(error)) from error
            raise


def _send(operation: Callable[..., dict[str, Any]], **fields: Any) -> str | None:
    """Send one mutating request, once; return AWS's request id."""
    with translated(mutating=True):
        request_id: str | None = operation(**fields)["ResponseMetadata"].get("RequestId")
        return request_id


def _processes(group: str, processes: Sequence[str]) -> dict[str, Any]:
    if not processes:
        # Without names AWS takes all of them, those that others have suspended too.
        raise Bug(f"scaling processes of {group}: none named")
    return {"AutoScalingGroupName": group, "ScalingProcesses": list(processes)}
