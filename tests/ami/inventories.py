"""Images, what needs them, and an account that loses images, for tests of listing and pruning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from rollout.ami.images import Disk, Grant, Image, Key, Permissions, Snapshot, newest_first
from rollout.ami.listing import AccountUsage, Inventory, Launched
from rollout.errors import Refused
from rollout.model.observation import TemplateSeen, VersionSeen
from rollout.model.plan import TemplateUse
from rollout.model.preflight_observation import GroupProbed, Override

PREFIX = "eks-model"
ACCOUNT, OTHER = "111111111111", "222222222222"
NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)


def image(number: int, **changes: Any) -> Image:
    """An image with one snapshot; the higher its number, the newer."""
    ami, created = f"ami-{number:08x}", NOW + timedelta(days=number)
    disk = Disk("/dev/xvda", f"snap-{number:08x}", 40, encrypted=True)
    made = Image(ami, f"{PREFIX}-{number}", ACCOUNT, "available", "x86_64", created, "/dev/xvda", (disk,))
    return replace(made, **changes)


def snapshot(number: int, **changes: Any) -> Snapshot:
    """The snapshot of that image, as Packer tags it."""
    made_for = f"Created by CreateImage(i-0abc) for ami-{number:08x}"
    return replace(Snapshot(f"snap-{number:08x}", "completed", 40, NOW, made_for, None, {"Name": PREFIX}), **changes)


def template(*images: int, default: int = 1, name: str = "lt") -> TemplateSeen:
    """A template whose versions have these images, the first one number 1."""
    versions = [VersionSeen(index, f"ami-{one:08x}", "") for index, one in enumerate(images, start=1)]
    return TemplateSeen(f"id-{name}", name, default, len(versions), tuple(reversed(versions)))


def use(reference: str = "$Latest", name: str = "lt", slot: str = "") -> TemplateUse:
    """A group's use of a template."""
    return TemplateUse(slot, f"id-{name}", name, reference)


def group(*overrides: Override, name: str = "workers", of: TemplateUse | None = None) -> GroupProbed:
    """A group; without a use named, that of the template `lt` by $Latest."""
    return GroupProbed(name, of or use(), overrides)


def launched(instance: int, number: int, group_name: str = "") -> Launched:
    """An instance of that image."""
    return Launched(f"i-{instance}", f"ami-{number:08x}", group_name)


def inventory(*images: Image, **changes: Any) -> Inventory:
    """What was read: these images, newest first, and an account in which nothing needs them."""
    return replace(Inventory(ACCOUNT, "eu-west-1", newest_first(images), usages=(AccountUsage(ACCOUNT),)), **changes)


@dataclass
class Account:
    """The port `Images` on two lists. `failing`: what it raises when a thing is to be removed.

    `retained`: images that the Recycle Bin takes; `binned`: those in it, None if nobody may ask.
    """

    images: list[Image]
    made: list[Snapshot]
    failing: dict[str, Exception] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    retained: frozenset[str] = frozenset()
    binned: frozenset[str] | None = frozenset()

    def image(self, ami: str) -> Image | None:
        return next((one for one in self.images if one.id == ami), None)

    def named(self, prefix: str) -> tuple[Image, ...]:
        return tuple(one for one in self.images if one.name.startswith(prefix))

    def in_recycle_bin(self) -> frozenset[str] | None:
        return self.binned

    def snapshots(self, ids: Sequence[str]) -> tuple[Snapshot, ...]:
        return tuple(one for one in self.made if one.id in ids)

    def made_for_images(self) -> tuple[Snapshot, ...]:
        return tuple(self.made)

    def deregister(self, ami: str) -> None:
        self._remove(ami)
        if self.binned is not None and ami in self.retained:
            self.binned |= {ami}
        self.images = [one for one in self.images if one.id != ami]

    def delete_snapshot(self, snapshot: str) -> None:
        if any(snapshot in one.snapshots for one in self.images):
            raise Refused(f"DeleteSnapshot: InvalidSnapshot.InUse: {snapshot}")
        self._remove(snapshot)
        self.made = [one for one in self.made if one.id != snapshot]

    def _remove(self, thing: str) -> None:
        if thing in self.failing:
            raise self.failing[thing]
        self.removed.append(thing)

    # What prune never calls.

    def permissions(self, thing: str) -> Permissions:
        raise NotImplementedError

    def permit(self, thing: str, account: str, *, allowed: bool) -> None:
        raise NotImplementedError

    def key(self, key: str) -> Key:
        raise NotImplementedError

    def grants(self, key: str) -> tuple[Grant, ...]:
        raise NotImplementedError

    def grant(self, key: str, name: str, grantee: str, operations: Sequence[str]) -> None:
        raise NotImplementedError

    def revoke(self, key: str, grant: str) -> None:
        raise NotImplementedError
