"""EC2 and KMS through the port `Images`: the AMIs of one account and region, their snapshots, these snapshots' keys.

No cluster is held while images are changed, so there is no lease to ask; each change is one absolute request, which
may be sent again, and is made by a client that never does so by itself.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar

import botocore.session
from botocore.exceptions import ClientError

from rollout.adapters import image_records as records
from rollout.adapters.access import own_account, quieten
from rollout.adapters.aws_errors import code_of, translated
from rollout.adapters.paging import entries
from rollout.ami.images import REGION, newest_first
from rollout.errors import EdgeError, Refused, UserError
from rollout.fence import Fence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rollout.adapters.access import Account
    from rollout.ami.images import Grant, Image, Images, Key, Permissions, Snapshot

T = TypeVar("T")

# Values that one filter of EC2 takes (user guide, "List and filter").
_VALUES = 200
_NO_IMAGE = frozenset({"InvalidAMIID.NotFound", "InvalidAMIID.Malformed", "InvalidAMIID.Unavailable"})
_GONE = frozenset({"InvalidAMIID.NotFound", "InvalidAMIID.Unavailable", "InvalidSnapshot.NotFound"})
# How EC2 describes the snapshots that it makes for images, at CreateImage and at CopyImage.
_MADE_FOR_IMAGES = ("Created by CreateImage(*", "Copied for DestinationAmi *")


@dataclass(frozen=True, slots=True)
class Builder:
    """The account and region in which images are built, and the images in it; `identity`: who we are there."""

    images: Images
    account: str
    region: str
    identity: Account


def builder(region: str | None, role: str | None, run_id: str) -> Builder:
    """Connect to where images are built, by AWS's own settings: environment, profile, instance role.

    `region` and `role` (an ARN, assumed first) go before these. Nothing is changed by it. Raises `UserError` where no
    region is known, and `EdgeError` where AWS does not say who we are.
    """
    quieten()
    # botocore reads AWS_DEFAULT_REGION and the profile; all newer SDKs and the AWS CLI look at AWS_REGION first.
    where = region or os.environ.get("AWS_REGION") or botocore.session.Session().get_config_variable("region")
    if not where:
        raise UserError("no AWS region is given", hint="add --region REGION, or set AWS_REGION")
    if not REGION.fullmatch(where):
        raise UserError(f'"{where}" is not an AWS region', hint="add --region, such as eu-west-1, or set AWS_REGION so")
    with translated(mutating=False):
        account = own_account(where, run_id, None, unfenced())
        account = account.assume(role) if role else account
    number, _arn = account.caller()
    return Builder(AwsImages(account), number, where, account)


def unfenced() -> Fence:
    """A fence without clocks: no trust ends by one, and no lease is asked for."""
    fence = Fence(tuple)
    fence.renewed(())
    return fence


class AwsImages:
    """The images of one account and region."""

    def __init__(self, account: Account) -> None:
        self._read = account.reading("ec2")
        self._write = account.mutating("ec2")
        self._read_keys = account.reading("kms")
        self._write_keys = account.mutating("kms")

    # ---- reads

    def image(self, ami: str) -> Image | None:
        try:
            with translated(mutating=False):
                found = self._describe(ami)
                return records.image(found[0]) if found else None
        except _MissingError:
            return None

    def _describe(self, ami: str) -> list[dict[str, Any]]:
        try:
            return list(self._read.describe_images(ImageIds=[ami])["Images"])
        except ClientError as error:
            if code_of(error) in _NO_IMAGE:
                raise _MissingError(code_of(error)) from error
            raise

    def named(self, prefix: str) -> tuple[Image, ...]:
        # A disabled image is hidden otherwise, and its snapshots would look as if nobody had them.
        asked = {"Owners": ["self"], "Filters": _filter("name", [f"{prefix}*"]), "IncludeDisabled": True}
        found = _listed(self._read, "describe_images", "Images", asked, records.image)
        # A filter knows wildcards, a prefix is meant as it stands.
        begin_so = [one for one in found if one.name.startswith(prefix)]
        return newest_first(begin_so)

    def snapshots(self, ids: Sequence[str]) -> tuple[Snapshot, ...]:
        # By a filter: one id that does not exist would fail the call for all.
        batches = [list(ids[start : start + _VALUES]) for start in range(0, len(ids), _VALUES)]
        return tuple(one for batch in batches for one in self._snapshots("snapshot-id", batch))

    def made_for_images(self) -> tuple[Snapshot, ...]:
        return tuple(self._snapshots("description", list(_MADE_FOR_IMAGES)))

    def _snapshots(self, name: str, values: list[str]) -> Iterator[Snapshot]:
        asked = {"OwnerIds": ["self"], "Filters": _filter(name, values)}
        yield from _listed(self._read, "describe_snapshots", "Snapshots", asked, records.snapshot)

    def in_recycle_bin(self) -> frozenset[str] | None:
        try:
            return frozenset(_listed(self._read, "list_images_in_recycle_bin", "Images", {}, itemgetter("ImageId")))
        except Refused:
            return None

    def permissions(self, thing: str) -> Permissions:
        with translated(mutating=False):
            return records.permissions(self._permissions(thing))

    def _permissions(self, thing: str) -> list[dict[str, str]]:
        if _is_image(thing):
            answer = self._read.describe_image_attribute(ImageId=thing, Attribute="launchPermission")
            return list(answer["LaunchPermissions"])
        answer = self._read.describe_snapshot_attribute(SnapshotId=thing, Attribute="createVolumePermission")
        return list(answer["CreateVolumePermissions"])

    def key(self, key: str) -> Key:
        with translated(mutating=False):
            return records.key(self._read_keys.describe_key(KeyId=key)["KeyMetadata"])

    def grants(self, key: str) -> tuple[Grant, ...]:
        return tuple(_listed(self._read_keys, "list_grants", "Grants", {"KeyId": key}, records.grant))

    # ---- mutating verbs

    def permit(self, thing: str, account: str, *, allowed: bool) -> None:
        change = {"OperationType": "add" if allowed else "remove", "UserIds": [account]}
        if _is_image(thing):
            change |= {"ImageId": thing, "Attribute": "launchPermission"}
            _send(self._write.modify_image_attribute, **change)
        else:
            change |= {"SnapshotId": thing, "Attribute": "createVolumePermission"}
            _send(self._write.modify_snapshot_attribute, **change)

    def grant(self, key: str, name: str, grantee: str, operations: Sequence[str]) -> None:
        fields = {"GranteePrincipal": grantee, "Operations": list(operations), "Name": name}
        _send(self._write_keys.create_grant, KeyId=key, **fields)

    def revoke(self, key: str, grant: str) -> None:
        _send(self._write_keys.revoke_grant, KeyId=key, GrantId=grant)

    def deregister(self, ami: str) -> None:
        _remove(self._write.deregister_image, ImageId=ami)

    def delete_snapshot(self, snapshot: str) -> None:
        _remove(self._write.delete_snapshot, SnapshotId=snapshot)


class _MissingError(EdgeError):
    """AWS knows no image of the id that was asked for."""


def _is_image(thing: str) -> bool:
    return thing.startswith("ami-")


def _filter(name: str, values: list[str]) -> list[dict[str, Any]]:
    return [{"Name": name, "Values": values}]


def _listed(
    client: Any, operation: str, key: str, asked: dict[str, Any], record: Callable[[dict[str, Any]], T]
) -> list[T]:
    """Read all pages of a list, each of its entries as a record."""
    with translated(mutating=False):
        return [record(raw) for raw in entries(client, operation, key, **asked)]


def _send(operation: Callable[..., Any], **fields: Any) -> None:
    """Send one mutating request, once."""
    with translated(mutating=True):
        operation(**fields)


def _remove(operation: Callable[..., Any], **fields: Any) -> None:
    """Send one request that removes a thing, once; that it is gone is what was wanted."""
    with translated(mutating=True):
        try:
            operation(**fields)
        except ClientError as error:
            if code_of(error) not in _GONE:
                raise
