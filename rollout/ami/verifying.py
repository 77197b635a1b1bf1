"""Whether an AMI is what the nodes are to run: a function of the image, of what is expected, and of the time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from rollout.ami.images import Image


@dataclass(frozen=True, slots=True)
class Expected:
    """What is asked of an image; None and nothing: not asked.

    `root_size`: GiB, at least; `encrypted`: all its disks, or none of them; `tags`: keys with values, None for any.
    """

    architecture: str | None = None
    root_size: int | None = None
    encrypted: bool | None = None
    tags: tuple[tuple[str, str | None], ...] = ()
    max_age: timedelta | None = None


def complaints(image: Image, expected: Expected, now: datetime) -> tuple[str, ...]:
    """Return all that speaks against an image, each in a sentence; `now` is aware, UTC."""
    found = [
        _state(image),
        _architecture(image, expected.architecture),
        _root(image, expected.root_size),
        _encryption(image, encrypted=expected.encrypted),
        *(_tag(image, key, value) for key, value in expected.tags),
        _age(image, expected.max_age, now),
    ]
    return tuple(one for one in found if one)


def _state(image: Image) -> str | None:
    if image.available:
        return None
    return f"it is {image.state}, not available" + (f": {image.trouble}" if image.trouble else "")


def _architecture(image: Image, wanted: str | None) -> str | None:
    if wanted in {None, image.architecture}:
        return None
    return f"its architecture is {image.architecture}, not {wanted}"


def _root(image: Image, least: int | None) -> str | None:
    if least is None:
        return None
    if image.root is None:
        return f"its root device {image.root_device} is not on EBS, so that it has no size of its own"
    return f"its root volume has {image.root.size} GiB, not {least}" if image.root.size < least else None


def _encryption(image: Image, *, encrypted: bool | None) -> str | None:
    if encrypted is None:
        return None
    if not image.disks:
        return "it has no disk on EBS, so nothing says whether it is encrypted"
    wrong = [f"{disk.device} ({disk.snapshot or 'empty'})" for disk in image.disks if disk.encrypted is not encrypted]
    if not wrong:
        return None
    return f"{'not encrypted' if encrypted else 'encrypted'}: {', '.join(wrong)}"


def _tag(image: Image, key: str, wanted: str | None) -> str | None:
    found = image.tags.get(key)
    if found is None:
        return f"it has no tag {key}"
    return f"its tag {key} is {found}, not {wanted}" if wanted not in {None, found} else None


def _age(image: Image, most: timedelta | None, now: datetime) -> str | None:
    if most is None:
        return None
    if image.created is None:
        return "EC2 does not say when it was made"
    if now - image.created <= most:
        return None
    return f"it was made at {image.created:%Y-%m-%dT%H:%M:%SZ}, which is longer ago than is allowed"
