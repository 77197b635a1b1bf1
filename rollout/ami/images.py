"""AMIs, their snapshots and the keys of these, as records of ours, and the port through which they are reached.

They live in one account and region: the builder's. That may be another account than the cluster's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

#: What an image's id and a region's name look like.
AMI = re.compile(r"ami-[0-9a-f]{8,17}")
REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")
_UNDATED = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Disk:
    """One EBS volume that instances of an image get; `size` in GiB. `snapshot`: what it is made of, "" for none."""

    device: str
    snapshot: str
    size: int
    encrypted: bool


@dataclass(frozen=True, slots=True)
class Image:
    """An AMI. `owner`: the account it belongs to; `trouble`: why it failed, if it did.

    `created` is aware, UTC; None where EC2 does not say it. `protected`: EC2 refuses to deregister it, until somebody
    takes that protection off.
    """

    id: str
    name: str
    owner: str
    state: str
    architecture: str
    created: datetime | None
    root_device: str
    disks: tuple[Disk, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    trouble: str = ""
    protected: bool = False

    @property
    def available(self) -> bool:
        """It can be launched. Of an image in another state EC2 does not say who may launch it: nobody can."""
        return self.state == "available"

    @property
    def root(self) -> Disk | None:
        """Return the disk that it boots from; None where that is not on EBS."""
        return next((disk for disk in self.disks if disk.device == self.root_device), None)

    @property
    def snapshots(self) -> tuple[str, ...]:
        """Return the snapshots that its disks are made of, each once."""
        return tuple(dict.fromkeys(disk.snapshot for disk in self.disks if disk.snapshot))


def newest_first(images: Iterable[Image]) -> tuple[Image, ...]:
    """Return the images by their age, and by their ids where that is the same; those without a date last."""
    return tuple(sorted(images, key=lambda one: (one.created or _UNDATED, one.id), reverse=True))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An EBS snapshot of this account; `size` in GiB; `key`: ARN of the KMS key that it is encrypted under, if it is.

    `description`: AWS writes into it which image it was made for.
    """

    id: str
    state: str
    size: int
    created: datetime
    description: str = ""
    key: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Permissions:
    """Who, other than its owner, may launch an image or make volumes of a snapshot.

    `accounts`: account ids; `others`: what is no single account, such as "all" (everybody) or an organization's ARN.
    """

    accounts: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Key:
    """A KMS key. `managed`: AWS made and keeps it, such as aws/ebs; `state`: "Enabled" where it can be used."""

    arn: str
    managed: bool
    state: str


@dataclass(frozen=True, slots=True)
class Grant:
    """What a KMS key lets somebody do. `name`: what its maker called it, if anything; `grantee`: a principal's ARN."""

    id: str
    name: str
    grantee: str


class Images(Protocol):
    """Images, snapshots and keys of one account and region. A thing is an image's or a snapshot's id.

    Reads show what AWS shows: a change may take seconds to be seen. Verbs that change something send ONE request.
    """

    def image(self, ami: str) -> Image | None:
        """Return an image of any owner, as far as we may see it; None if there is none."""

    def named(self, prefix: str) -> tuple[Image, ...]:
        """Return this account's images whose names begin so, newest first."""

    def snapshots(self, ids: Sequence[str]) -> tuple[Snapshot, ...]:
        """Return those of these snapshots that this account has."""

    def made_for_images(self) -> tuple[Snapshot, ...]:
        """Return this account's snapshots that AWS made when an image was made or copied."""

    def in_recycle_bin(self) -> frozenset[str] | None:
        """Return the ids of the images in the Recycle Bin, from where they may come back; None if we may not ask."""

    def permissions(self, thing: str) -> Permissions:
        """Return who may use an image or snapshot of this account."""

    def permit(self, thing: str, account: str, *, allowed: bool) -> None:
        """Let an account use an image or snapshot, or no longer."""

    def key(self, key: str) -> Key:
        """Return a KMS key by ARN."""

    def grants(self, key: str) -> tuple[Grant, ...]:
        """Return all grants of a KMS key."""

    def grant(self, key: str, name: str, grantee: str, operations: Sequence[str]) -> None:
        """Make a grant; the same one again, by its name, changes nothing."""

    def revoke(self, key: str, grant: str) -> None:
        """Take back a grant by its id."""

    def deregister(self, ami: str) -> None:
        """Deregister an image; its snapshots stay. One that is gone already is no error."""

    def delete_snapshot(self, snapshot: str) -> None:
        """Delete a snapshot; `Refused` while an image is made of it. One that is gone already is no error."""
