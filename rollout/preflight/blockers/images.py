"""The new image, and the instance types that launch it."""

from __future__ import annotations

from collections.abc import Iterator

from rollout.commands import aws
from rollout.errors import Blocker
from rollout.preflight.launching import Launch, launches
from rollout.preflight.survey import Request, Survey


def missing(found: Survey, request: Request) -> Iterator[Blocker]:
    """The AMI does not exist in the region, or is not shared with the account."""
    if found.image is None:
        look = aws("ec2", "describe-images", "--image-ids", request.ami)
        hint = f"check the id, the region, and that the image is shared with this account ({look})"
        yield Blocker(f"{request.ami} does not exist in {request.region}, or this account cannot see it", hint)


def not_available(found: Survey, request: Request) -> Iterator[Blocker]:
    """The AMI is pending, failed, or otherwise not available."""
    if found.image and found.image.state != "available":
        hint = f"wait for it, then start again: aws ec2 wait image-available --image-ids {request.ami}"
        yield Blocker(f"{request.ami} is {found.image.state}, not available", hint)


def unknown_type(found: Survey, request: Request) -> Iterator[Blocker]:
    """A group launches an instance type that the region does not have."""
    for group, launch in _launches(found):
        if launch.instance_type and launch.instance_type not in found.architectures:
            hint = f"give {group} a type that the region has (aws ec2 describe-instance-type-offerings)"
            yield Blocker(f"{request.region} has no instance type {launch.instance_type}, which {group} launches", hint)


def another_architecture(found: Survey, request: Request) -> Iterator[Blocker]:
    """The AMI was built for another architecture than an instance type of a group."""
    for group, launch in _launches(found):
        runs = found.architectures.get(launch.instance_type or "")
        if found.image and runs and found.image.architecture not in runs:
            built, wanted = found.image.architecture, " or ".join(sorted(runs))
            hint = f"start with an image for {wanted}, or without {group} in `groups`"
            yield Blocker(f"{request.ami} is built for {built}, but {group} launches {launch.instance_type}", hint)


def small_root(found: Survey, request: Request) -> Iterator[Blocker]:
    """A launch template gives the root volume less than the AMI's snapshot needs. EC2 would refuse each launch."""
    if found.image is None or found.image.root_gib is None:
        return
    device, needed = found.image.root_device, found.image.root_gib
    for _, launch in _launches(found):
        given = launch.version.volumes.get(device)
        if given is not None and given < needed:
            version = f"version {launch.version.number} of {launch.template.name}"
            hint = f"make a version of it whose root volume has at least {needed} GiB, and let the group launch that"
            what = f"{version} gives the root volume {device} {given} GiB"
            yield Blocker(f"{what}, the snapshot of {request.ami} needs {needed} GiB", hint)


def _launches(found: Survey) -> Iterator[tuple[str, Launch]]:
    """Yield what our groups launch, each with its group's name."""
    return ((group.name, launch) for group in found.ours() for launch in launches(group, found.templates))
