"""AWS's replies about images, snapshots and keys as our own records."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rollout.adapters.wording import one_line
from rollout.ami.images import Disk, Grant, Image, Key, Permissions, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def image(raw: Mapping[str, Any]) -> Image:
    """Return an image as described by DescribeImages."""
    return Image(
        id=raw["ImageId"],
        name=raw.get("Name", ""),
        owner=raw.get("OwnerId", ""),
        state=raw["State"],
        architecture=raw.get("Architecture", ""),
        created=datetime.fromisoformat(said).astimezone(UTC) if (said := raw.get("CreationDate")) else None,
        root_device=raw.get("RootDeviceName", ""),
        disks=tuple(_disks(raw.get("BlockDeviceMappings", ()))),
        tags=_tags(raw),
        protected=raw.get("DeregistrationProtection", "disabled") not in {"", "disabled"},
        trouble=one_line(raw.get("StateReason", {}).get("Message", "")),
    )


def _disks(mappings: Iterable[Mapping[str, Any]]) -> Iterable[Disk]:
    """Yield the mappings that are on EBS: instance stores hold nothing of an image."""
    for mapping in mappings:
        ebs = mapping.get("Ebs", {})
        if ebs:
            snapshot, size = ebs.get("SnapshotId", ""), ebs.get("VolumeSize", 0)
            yield Disk(mapping["DeviceName"], snapshot, size, ebs.get("Encrypted", False))


def snapshot(raw: Mapping[str, Any]) -> Snapshot:
    """Return a snapshot as described by DescribeSnapshots."""
    return Snapshot(
        id=raw["SnapshotId"],
        state=raw["State"],
        size=raw["VolumeSize"],
        created=raw["StartTime"],
        description=raw.get("Description", ""),
        key=_key_arn(raw["KmsKeyId"]) if raw.get("KmsKeyId") else None,
        tags=_tags(raw),
    )


def permissions(raw: Iterable[Mapping[str, str]]) -> Permissions:
    """Return the entries of a launch permission or a create-volume permission."""
    entries = [dict(one) for one in raw]
    accounts = frozenset(one["UserId"] for one in entries if one.get("UserId"))
    others = (value for one in entries if not one.get("UserId") for value in one.values())
    return Permissions(accounts, frozenset(others))


def key(raw: Mapping[str, Any]) -> Key:
    """Return the metadata of a key as DescribeKey gives it."""
    return Key(_key_arn(raw["Arn"]), managed=raw.get("KeyManager") == "AWS", state=raw["KeyState"])


def _key_arn(text: str) -> str:
    """Return the ARN of a key; region and partition are read out of it. Raises `ValueError` for what is none."""
    if not re.fullmatch(r"arn:[^:\s]+:kms:[^:\s]+:[0-9]{12}:\S+", text):
        raise ValueError(f"{text!r} is no key's ARN")
    return text


def grant(raw: Mapping[str, Any]) -> Grant:
    """Return one of the grants that ListGrants gives."""
    return Grant(raw["GrantId"], raw.get("Name", ""), raw.get("GranteePrincipal", ""))


def _tags(raw: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value", "") for tag in raw.get("Tags", ())}
