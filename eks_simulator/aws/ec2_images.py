"""EC2: images and snapshots, shown, shared with other accounts, deregistered and deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eks_simulator.aws.call import keep, page, tag_list
from eks_simulator.clock import iso
from eks_simulator.cloud.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from eks_simulator.aws.call import Call, Fields, T
    from eks_simulator.cloud.cloud import Cloud
    from eks_simulator.cloud.model import Image, Snapshot


def describe_images(call: Call) -> dict[str, Any]:
    """DescribeImages; every image of the simulated region may be launched by everybody."""
    images = known(
        call.get("ImageIds"), call.cloud.images, "InvalidAMIID.NotFound", "The image id '[{}]' does not exist"
    )
    images = [one for one in images if _owned(call.cloud, one.owner, call.get("Owners"))]
    fields: Fields[Image] = {
        "architecture": lambda one: one.architecture,
        "image-id": lambda one: one.id,
        "is-public": lambda one: str(one.public).lower(),
        "name": lambda one: one.name,
        "owner-id": lambda one: _owner_id(call.cloud, one.owner),
        "root-device-type": lambda _: "ebs",
        "state": lambda one: one.state,
        "virtualization-type": lambda _: "hvm",
    }
    kept = keep(images, call.get("Filters", ()), fields, lambda one: one.tags)
    shown, token = page(call, kept, "MaxResults", 1000)
    return {"Images": [_image(call.cloud, one) for one in shown], "NextToken": token}


def known(ids: Sequence[str] | None, everything: Mapping[str, T], code: str, text: str) -> list[T]:
    """Return the things of these ids, all of them without ids; `AwsError` naming the first that does not exist."""
    for one in ids or ():
        if one not in everything:
            raise AwsError(code, text.format(one))
    return [everything[one] for one in dict.fromkeys(ids)] if ids else list(everything.values())


def _owner_id(cloud: Cloud, owner: str) -> str:
    return {"": cloud.account, "amazon": "137112412989"}.get(owner, owner)


def _owned(cloud: Cloud, owner: str, wanted: Sequence[str] | None) -> bool:
    named = {_owner_id(cloud, "" if one == "self" else one) for one in wanted or ()}
    return not named or _owner_id(cloud, owner) in named


def _image(cloud: Cloud, image: Image) -> dict[str, Any]:
    snapshot = cloud.snapshots.get(image.snapshot)
    ebs = {
        "SnapshotId": image.snapshot,
        "VolumeSize": snapshot.size if snapshot else None,
        "Encrypted": snapshot.encrypted if snapshot else None,
        "DeleteOnTermination": True,
        "VolumeType": "gp3",
    }
    return {
        "ImageId": image.id,
        "Name": image.name,
        "Description": image.description or None,
        "OwnerId": _owner_id(cloud, image.owner),
        "ImageOwnerAlias": image.owner if image.owner == "amazon" else None,
        "ImageLocation": f"{_owner_id(cloud, image.owner)}/{image.name}",
        "State": image.state,
        "CreationDate": iso(image.created).replace("Z", ".000Z"),
        "Public": image.public,
        "Architecture": image.architecture,
        "ImageType": "machine",
        "Hypervisor": "xen",
        "VirtualizationType": "hvm",
        "EnaSupport": True,
        "RootDeviceName": image.root_device,
        "RootDeviceType": "ebs",
        "BlockDeviceMappings": [{"DeviceName": image.root_device, "Ebs": ebs}] if image.snapshot else [],
        "DeregistrationProtection": "enabled-without-cooldown" if image.protected else "disabled",
        "Tags": tag_list(image.tags),
    }


def describe_snapshots(call: Call) -> dict[str, Any]:
    """DescribeSnapshots."""
    text = "The snapshot '{}' does not exist."
    snapshots = known(call.get("SnapshotIds"), call.cloud.snapshots, "InvalidSnapshot.NotFound", text)
    snapshots = [one for one in snapshots if _owned(call.cloud, one.owner, call.get("OwnerIds"))]
    fields: Fields[Snapshot] = {
        "description": lambda one: one.description,
        "encrypted": lambda one: str(one.encrypted).lower(),
        "owner-id": lambda one: _owner_id(call.cloud, one.owner),
        "snapshot-id": lambda one: one.id,
        "status": lambda one: one.state,
    }
    kept = keep(snapshots, call.get("Filters", ()), fields, lambda one: one.tags)
    shown, token = page(call, kept, "MaxResults", 1000)
    return {"Snapshots": [_snapshot(call.cloud, one) for one in shown], "NextToken": token}


def _snapshot(cloud: Cloud, snapshot: Snapshot) -> dict[str, Any]:
    return {
        "SnapshotId": snapshot.id,
        "OwnerId": _owner_id(cloud, snapshot.owner),
        "State": snapshot.state,
        "Progress": "100%" if snapshot.state == "completed" else "0%",
        "StartTime": snapshot.started,
        "VolumeSize": snapshot.size,
        "Encrypted": snapshot.encrypted,
        "KmsKeyId": snapshot.key or None,
        "Description": snapshot.description,
        "Tags": tag_list(snapshot.tags),
    }


def describe_image_attribute(call: Call) -> dict[str, Any]:
    """DescribeImageAttribute: launchPermission."""
    _only(call, "launchPermission")
    image = call.cloud.shelf.image(call["ImageId"])
    return {"ImageId": image.id, "LaunchPermissions": _permits(call, image.id)}


def describe_snapshot_attribute(call: Call) -> dict[str, Any]:
    """DescribeSnapshotAttribute: createVolumePermission."""
    _only(call, "createVolumePermission")
    snapshot = call.cloud.shelf.snapshot(call["SnapshotId"])
    return {"SnapshotId": snapshot.id, "CreateVolumePermissions": _permits(call, snapshot.id)}


def modify_image_attribute(call: Call) -> dict[str, Any]:
    """ModifyImageAttribute: launchPermission, for accounts."""
    _only(call, "launchPermission")
    image = call.cloud.shelf.image(call["ImageId"])
    call.cloud.shelf.permit_image(image, call["UserIds"], allowed=_allowed(call))
    return {}


def modify_snapshot_attribute(call: Call) -> dict[str, Any]:
    """ModifySnapshotAttribute: createVolumePermission, for accounts."""
    _only(call, "createVolumePermission")
    snapshot = call.cloud.shelf.snapshot(call["SnapshotId"])
    call.cloud.shelf.permit_snapshot(snapshot, call["UserIds"], allowed=_allowed(call))
    return {}


def _only(call: Call, attribute: str) -> None:
    """Refuse what is not simulated, here and in `_allowed`."""
    if call.get("Attribute") != attribute:
        text = f"The simulator knows the attribute {attribute} only, given by Attribute, OperationType and UserIds."
        raise AwsError("NotImplemented", text, 501)


def _allowed(call: Call) -> bool:
    if "UserIds" not in call.params or "OperationType" not in call.params:
        raise AwsError("NotImplemented", "The simulator wants Attribute, OperationType and UserIds.", 501)
    return bool(call["OperationType"] == "add")


def _permits(call: Call, thing: str) -> list[dict[str, str]]:
    return [{"UserId": one} for one in call.cloud.shelf.permits.get(thing, ())]


def deregister_image(call: Call) -> dict[str, Any]:
    """DeregisterImage; its snapshot stays."""
    call.cloud.shelf.deregister(call.cloud.shelf.image(call["ImageId"]))
    return {}


def list_images_in_recycle_bin(call: Call) -> dict[str, Any]:
    """ListImagesInRecycleBin."""
    shown, token = page(call, list(call.cloud.shelf.binned.values()), "MaxResults", 1000)
    return {"Images": [{"ImageId": one.id, "Name": one.name} for one in shown], "NextToken": token}


def delete_snapshot(call: Call) -> dict[str, Any]:
    """DeleteSnapshot."""
    call.cloud.shelf.delete_snapshot(call.cloud.shelf.snapshot(call["SnapshotId"]))
    return {}


OPERATIONS: dict[str, Callable[[Call], dict[str, Any]]] = {
    "DeleteSnapshot": delete_snapshot,
    "DeregisterImage": deregister_image,
    "DescribeImageAttribute": describe_image_attribute,
    "DescribeSnapshotAttribute": describe_snapshot_attribute,
    "ModifyImageAttribute": modify_image_attribute,
    "ModifySnapshotAttribute": modify_snapshot_attribute,
    "DescribeImages": describe_images,
    "DescribeSnapshots": describe_snapshots,
    "ListImagesInRecycleBin": list_images_in_recycle_bin,
}
