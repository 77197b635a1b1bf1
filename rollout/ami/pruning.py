"""Which images may go, and why each other one stays: (what was read, how many) → verdicts, pure. Then their end.

An image goes only if nothing that was read needs it, it is none of the newest, and nobody outside of what was read may
launch it. Whoever removes looks again right before each. A run that was cut short leaves snapshots without an image:
the next one finds them by what AWS wrote into their description, and takes those whose Name begins as the images' do.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rollout.ami.images import Image, Images, Snapshot
from rollout.ami.listing import Inventory, needs
from rollout.errors import Refused, Retry, Unknown

# Nothing can be launched from an image in another state; in these it is not for us to remove.
_AVAILABLE = "available"
# The tag in which the Packer template writes down what it was told to begin names with.
_PREFIX_TAG = "ami_prefix"
_LEFT_ALONE = {
    "pending": "it is being made",
    "transient": "it is being made",
    "disabled": "somebody set it aside",
}

# How often a removed thing is looked for before whoever removes it gives up: AWS may show it for seconds.
_LOOKS = 10

# What EC2 writes into a snapshot that it makes for an image, at CreateImage and at CopyImage.
_MADE_FOR = re.compile(r"(?:Created by CreateImage\(.*\) for|Copied for DestinationAmi) (ami-[0-9a-f]+)\b")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of an image. `kept`: why it stays, nothing if it goes; `snapshots`: which then go with it."""

    image: Image
    kept: tuple[str, ...] = ()
    snapshots: tuple[str, ...] = ()


def verdicts(inventory: Inventory, prefix: str, keep: int) -> tuple[Verdict, ...]:
    """Return for each image of the prefix, newest first, what becomes of it; `keep`: see `_newest`."""
    images = inventory.named(prefix)
    newest = frozenset(_newest(images, keep))
    needed = needs(inventory)
    kept = {one.id: (*_stays(one, inventory, newest, keep), *needed.get(one.id, ())) for one in images}
    left = list(inventory.images)
    found: list[Verdict] = []
    for image in reversed(images):  # in the order in which they go
        if not kept[image.id]:
            left.remove(image)
        snapshots = () if kept[image.id] else _alone(image, left)
        found.append(Verdict(image, kept[image.id], snapshots))
    return tuple(reversed(found))


def _newest(images: tuple[Image, ...], keep: int) -> Iterator[str]:
    """Yield the newest available images, so many of each prefix that Packer tags: one may begin as another does."""
    counted = Counter[str | None]()
    for image in images:
        prefix = image.tags.get(_PREFIX_TAG)
        if image.state == _AVAILABLE and counted[prefix] < keep:
            counted[prefix] += 1
            yield image.id


def _stays(image: Image, inventory: Inventory, newest: frozenset[str], keep: int) -> Iterator[str]:
    if image.id in newest:
        yield "the newest" if keep == 1 else f"one of the newest {keep}"
    if image.state in _LEFT_ALONE:
        yield f"{image.state}: {_LEFT_ALONE[image.state]}"
    covered = {place.account for place in inventory.places}
    for who in inventory.sharing(image):
        if who not in covered:
            yield f"shared with {who}, where nobody looked"


def _alone(image: Image, others: list[Image]) -> tuple[str, ...]:
    """Return the snapshots of an image that no other image is made of."""
    used = {snapshot for other in others for snapshot in other.snapshots}
    return tuple(snapshot for snapshot in image.snapshots if snapshot not in used)


def orphans(inventory: Inventory, prefix: str) -> tuple[Snapshot, ...]:
    """Return the snapshots that were left behind: made for an image that is gone, with a Name of the prefix."""
    used = {snapshot for image in inventory.images for snapshot in image.snapshots}
    known = {image.id for image in inventory.images}
    return tuple(
        one
        for one in inventory.made
        if one.id not in used and one.tags.get("Name", "").startswith(prefix) and _made_for(one) not in {None, *known}
    )


def _made_for(snapshot: Snapshot) -> str | None:
    found = _MADE_FOR.match(snapshot.description)
    return found[1] if found else None


# ---- removing


@dataclass(frozen=True, slots=True)
class Told:
    """What was done, in a line; `left`: it could not be, and a person or the next run must see to it."""

    line: str
    left: bool = False


@dataclass(frozen=True, slots=True)
class Pruner:
    """Removes what `verdicts` let go. `look`: reads everything again; `pause`: waits before one more look."""

    images: Images
    look: Callable[[], Inventory]
    pause: Callable[[], None]
    prefix: str
    keep: int

    def prune(self) -> Iterator[Told]:
        """Remove image after image, the oldest first, each after a look of its own, and what was left behind."""
        found = verdicts(self.look(), self.prefix, self.keep)
        for ami in [one.image.id for one in reversed(found) if not one.kept]:
            now = verdicts(self.look(), self.prefix, self.keep)
            verdict = next((one for one in now if one.image.id == ami), None)
            if verdict is None:
                yield Told(f"{ami} is gone already")
            elif verdict.kept:
                yield Told(f"{ami} stays: {', '.join(verdict.kept)}")
            else:
                yield from self._image(verdict)
        for snapshot in orphans(self.look(), self.prefix):
            yield self._snapshot(snapshot.id, f"left behind by {_made_for(snapshot)}")

    def _image(self, verdict: Verdict) -> Iterator[Told]:
        ami = verdict.image.id
        told = self._remove(ami, self.images.deregister, self._registered)
        yield Told(f"{ami} ({verdict.image.name}) {told.line or 'is deregistered'}", told.left)
        if not told.left:
            yield from (self._snapshot(snapshot, f"of {ami}") for snapshot in verdict.snapshots)

    def _snapshot(self, snapshot: str, whose: str) -> Told:
        told = self._remove(snapshot, self.images.delete_snapshot, lambda one: bool(self.images.snapshots([one])))
        return Told(f"{snapshot} ({whose}) {told.line or 'is deleted'}", told.left)

    def _registered(self, ami: str) -> bool:
        image = self.images.image(ami)
        return image is not None and image.state != "deregistered"

    def _remove(self, thing: str, remove: Callable[[str], None], there: Callable[[str], bool]) -> Told:
        """Send one request and look until the thing is gone; an empty line says that it is."""
        try:
            remove(thing)
        except Unknown:
            pass  # perhaps removed: what is seen decides
        except (Refused, Retry) as error:
            return Told(f"stays: {error.detail}", left=True)
        for _ in range(_LOOKS):
            if not there(thing):
                return Told("")
            self.pause()
        return Told("is still there: run the same command again", left=True)
