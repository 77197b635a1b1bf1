"""Which images may go, and why each other one stays: (what was read, how many) → verdicts, pure. Then their end.

An image goes only if nothing that was read needs it, it is none of the newest, and nobody outside of what was read may
launch it. Its snapshots go after it, by the same rules: what else names or may use one keeps both. The removal
looks again right before each image, and before the snapshots, which go last: until then it shows whether an image went
into the Recycle Bin, where it may come back from, but not without them. A run that was cut short leaves snapshots
without an image: the next one finds them by what AWS wrote into their description, and takes those whose Name begins as
the images' do.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from rollout.ami.images import Image, Images, Snapshot
from rollout.ami.listing import AccountUsage, Inventory, needs
from rollout.errors import Refused, Retry, Unknown

# The tag in which the Packer template writes down what it was told to begin names with.
_PREFIX_TAG = "ami_prefix"
_LEFT_ALONE = {
    "pending": "it is being made",
    "transient": "it is being made",
    "disabled": "somebody set it aside",
}

# The tags by which services mark what they made (AWS Backup, Data Lifecycle Manager and Image Builder user guides).
_SERVICES = {
    "aws:backup:source-resource": "AWS Backup",
    "aws:dlm:lifecycle-policy-id": "Data Lifecycle Manager",
    "Ec2ImageBuilderArn": "EC2 Image Builder",
}

# How often a removed thing is looked for before the removal counts as failed: AWS may show it for seconds.
_LOOKS = 10

# What EC2 writes into a snapshot that it makes for an image, at CreateImage and at CopyImage.
_MADE_FOR = re.compile(r"(?:Created by CreateImage\(.*\) for|Copied for DestinationAmi) (ami-[0-9a-f]+)\b")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of an image. `kept`: why it stays, nothing if it goes; `snapshots`: which then go with it."""

    image: Image
    kept: tuple[str, ...] = ()
    snapshots: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Orphan:
    """What becomes of a snapshot whose image `ami` is gone. `kept`: why it stays, nothing if it goes."""

    snapshot: Snapshot
    ami: str
    kept: tuple[str, ...] = ()


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
        snapshots = () if kept[image.id] or inventory.binned is None else _alone(image, left)
        found.append(Verdict(image, kept[image.id], snapshots))
    return tuple(reversed(found))


def _newest(images: tuple[Image, ...], keep: int) -> Iterator[str]:
    """Yield the newest available images, so many of each prefix that Packer tags: one may begin as another does."""
    counted = Counter[str | None]()
    for image in images:
        prefix = image.tags.get(_PREFIX_TAG)
        if image.available and counted[prefix] < keep:
            counted[prefix] += 1
            yield image.id


def _stays(image: Image, inventory: Inventory, newest: frozenset[str], keep: int) -> Iterator[str]:
    if image.id in newest:
        yield "the newest" if keep == 1 else f"one of the newest {keep}"
    if image.created is None:
        yield "EC2 does not say when it was made"
    if image.state in _LEFT_ALONE:
        yield f"{image.state}: {_LEFT_ALONE[image.state]}"
    if image.protected:
        yield "protected from deregistration"
    yield from _of_a_service(image.tags)
    yield from inventory.silent()
    yield from inventory.shared_outside(image.id)
    for snapshot in image.snapshots:
        yield from (f"{snapshot}: {why}" for why in _claims(snapshot, inventory))


def _of_a_service(tags: Mapping[str, str]) -> Iterator[str]:
    """Yield the service of AWS that made a thing, and that removes it by rules of its own."""
    for key, service in _SERVICES.items():
        if key in tags:
            yield f"made by {service}"


def _claims(snapshot: str, inventory: Inventory) -> Iterator[str]:
    """Yield why a snapshot stays, also if its image goes."""
    yield from inventory.naming(snapshot)
    yield from inventory.shared_outside(snapshot)
    for one in inventory.made:
        if one.id == snapshot:
            yield from _of_a_service(one.tags)


def _alone(image: Image, others: list[Image]) -> tuple[str, ...]:
    """Return the snapshots of an image that no other image is made of."""
    used = {snapshot for other in others for snapshot in other.snapshots}
    return tuple(snapshot for snapshot in image.snapshots if snapshot not in used)


def orphans(inventory: Inventory, prefix: str) -> tuple[Orphan, ...]:
    """Return the snapshots that were left behind: made for an image that is gone, with a Name of the prefix."""
    known = {image.id for image in inventory.images}
    used = {snapshot for image in inventory.images for snapshot in image.snapshots}
    return tuple(
        Orphan(one, ami, tuple(_bound(one.id, ami, inventory)))
        for one in inventory.made
        if (ami := _made_for(one)) and {ami, one.id}.isdisjoint(known | used) and _name(one).startswith(prefix)
    )


def _made_for(snapshot: Snapshot) -> str:
    found = _MADE_FOR.match(snapshot.description)
    return found[1] if found else ""


def _name(snapshot: Snapshot) -> str:
    return snapshot.tags.get("Name", "")


def _bound(snapshot: str, ami: str, inventory: Inventory) -> Iterator[str]:
    """Yield why a snapshot stays, now that its image is gone."""
    yield from (f"{image.id} is made of it" for image in inventory.images if snapshot in image.snapshots)
    if inventory.binned is None:
        yield f"whether {ami} may come back from the Recycle Bin is not known"
    elif ami in inventory.binned:
        yield f"{ami} is in the Recycle Bin, and may come back"
    yield from inventory.silent()
    yield from _claims(snapshot, inventory)


def _with_earlier(usage: AccountUsage, first: Inventory) -> AccountUsage:
    """Return what was read of an account now, and which snapshots older versions of its templates named at first."""
    before = next((one.mapped for one in first.usages if one.account == usage.account), {})
    return replace(usage, mapped={**before, **usage.mapped})


# ---- removing


@dataclass(frozen=True, slots=True)
class Told:
    """What was done, in a line; `left`: it could not be done, and a person or the next run must do it."""

    line: str
    left: bool = False


@dataclass(frozen=True, slots=True)
class Pruner:
    """Removes what `verdicts` let go. `look`: reads everything, or what is asked about one image; `pause`: waits."""

    images: Images
    look: Callable[[str | None], Inventory]
    pause: Callable[[], None]
    prefix: str
    keep: int

    def prune(self) -> Iterator[Told]:
        """Remove image after image, the oldest first, each after a look of its own; then their snapshots."""
        first = self.look(None)
        alone: dict[str, str] = {}
        for ami in [one.image.id for one in reversed(verdicts(first, self.prefix, self.keep)) if not one.kept]:
            verdict = self._verdict(ami, first)
            if verdict is None:
                yield Told(f"{ami} is gone already")
            elif verdict.kept:
                yield Told(f"{ami} stays: {', '.join(verdict.kept)}")
            else:
                told = self._image(verdict)
                yield told
                alone |= {} if told.left else dict.fromkeys(verdict.snapshots, ami)
        yield from self._snapshots(alone)

    def _verdict(self, ami: str, first: Inventory) -> Verdict | None:
        """Look again at what may need one image. Who may use the others was asked once: requests grow with images."""
        now = self.look(ami)
        image = next((one for one in now.named(self.prefix) if one.id == ami), None)
        if image is None:
            return None
        now = replace(now, usages=tuple(_with_earlier(usage, first) for usage in now.usages))
        kept = next(one.kept for one in verdicts(now, self.prefix, self.keep) if one.image.id == ami)
        others = [one for one in now.images if one.id != ami]
        return Verdict(image, kept, () if kept else _alone(image, others))

    def _image(self, verdict: Verdict) -> Told:
        ami = verdict.image.id
        told = self._remove(ami, self.images.deregister, self._registered)
        return Told(f"{ami} ({verdict.image.name}) {told.line or 'is deregistered'}", told.left)

    def _snapshots(self, alone: Mapping[str, str]) -> Iterator[Told]:
        """Delete the snapshots of the images that went, and what was left behind; `alone`: of which image each is."""
        now = self.look(None)
        behind = {one.snapshot.id: one.ami for one in orphans(now, self.prefix)}
        for snapshot, ami in {**alone, **behind}.items():
            whose = f"of {ami}" if snapshot in alone else f"left behind by {ami}"
            if kept := tuple(_bound(snapshot, ami, now)):
                yield Told(f"{snapshot} ({whose}) stays: {', '.join(kept)}")
            else:
                yield self._snapshot(snapshot, whose)

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
