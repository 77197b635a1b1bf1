"""Which images there are, and what needs each of them: (images, what was read) → words. Pure.

An image is needed by all that may launch it or was launched from it: by groups, by the default and the latest version
of every launch template, by Karpenter's node classes, by instances, and by unfinished rollouts, both the image that
they bring and the one that they may have to go back to. Where it cannot be told what a rollout needs, `unread` says so.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from rollout.ami.images import AMI, Image, Permissions, Snapshot
from rollout.commands import aws
from rollout.errors import Blocker
from rollout.model.observation import TemplateSeen
from rollout.model.plan import TemplateUse
from rollout.model.preflight_observation import GroupProbed
from rollout.model.record import Record

# What every launch that names no number gets.
_REFERENCES = ("$Default", "$Latest")


@dataclass(frozen=True, slots=True)
class Launched:
    """An instance that has not ended, a stopped one too. `group`: its Auto Scaling group, "" if it has none."""

    id: str
    image: str
    group: str


@dataclass(frozen=True, slots=True)
class AccountUsage:
    """What one account has in the images' region that may need an image.

    `templates`: all of them, with the versions that are referred to. `configured`: by launch configuration, whether a
    group has it or not, its image. `launched`: of the images that were asked for. `mapped`: by snapshot, whose block
    device mappings name it: versions of templates, all of them if they were asked for, and launch configurations.
    """

    account: str
    groups: tuple[GroupProbed, ...] = ()
    templates: tuple[TemplateSeen, ...] = ()
    configured: Mapping[str, str] = field(default_factory=dict)
    launched: tuple[Launched, ...] = ()
    mapped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def template(self, template_id: str) -> TemplateSeen | None:
        """Return the template of that id, None if the account has none."""
        return next((one for one in self.templates if one.id == template_id), None)


@dataclass(frozen=True, slots=True)
class NodeClasses:
    """By what Karpenter launches nodes in one cluster. `used`: by image or snapshot, the classes that name it.

    `silent`: why it is not known what they launch, "" where all of it is.
    """

    cluster: str
    used: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    silent: str = ""

    def naming(self, thing: str) -> Iterator[str]:
        """Yield in words which classes name an image or a snapshot."""
        yield from (f"Karpenter's node class {name} of cluster {self.cluster}" for name in self.used.get(thing, ()))


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything that was read at one moment.

    `account`, `region`: the images'. `images`: all images that the account owns, newest first. `shared`: who may use
    the images and snapshots that are asked about, by id; `unasked`: by id, why AWS did not say so. `made`: the
    snapshots of these images, and those that AWS made for images, also for those that are gone by now. `usages`: of the
    accounts that were looked into; `rollouts`: the unfinished ones of the region. `binned`: the images in the Recycle
    Bin, None if we may not ask. `classes`: of each cluster that was looked into.
    """

    account: str
    region: str
    images: tuple[Image, ...]
    shared: Mapping[str, Permissions] = field(default_factory=dict)
    unasked: Mapping[str, str] = field(default_factory=dict)
    made: tuple[Snapshot, ...] = ()
    usages: tuple[AccountUsage, ...] = ()
    rollouts: tuple[Record, ...] = ()
    binned: frozenset[str] | None = frozenset()
    classes: tuple[NodeClasses, ...] = ()

    def named(self, prefix: str) -> tuple[Image, ...]:
        """Return the images whose names begin so, newest first."""
        return tuple(image for image in self.images if image.name.startswith(prefix))

    def sharing(self, thing: str) -> tuple[str, ...]:
        """Return who may use an image or a snapshot of another owner: account ids, then what is no single account."""
        found = self.shared.get(thing, Permissions())
        return (*sorted(found.accounts), *sorted(found.others))

    def shared_outside(self, thing: str) -> Iterator[str]:
        """Yield in words who may use an image or a snapshot where nobody looked, and that this is not known."""
        covered = {usage.account for usage in self.usages}
        yield from (f"shared with {who}, where nobody looked" for who in self.sharing(thing) if who not in covered)
        if thing in self.unasked:
            yield f"AWS does not say with whom it is shared ({self.unasked[thing]})"

    def naming(self, snapshot: str) -> Iterator[str]:
        """Yield in words whose block device mappings name a snapshot: its image may go, it may not."""
        for usage in self.usages:
            where = f" in account {usage.account}" if len(self.usages) > 1 else ""
            yield from (f"named by {who}{where}" for who in usage.mapped.get(snapshot, ()))
        yield from (f"named by {who}" for one in self.classes for who in one.naming(snapshot))

    def silent(self) -> Iterator[str]:
        """Yield in words in which clusters it is not known what Karpenter would launch: it may be any image."""
        yield from (
            f"what Karpenter launches in cluster {one.cluster} is not known ({one.silent})"
            for one in self.classes
            if one.silent
        )


def needs(inventory: Inventory) -> dict[str, tuple[str, ...]]:
    """Return by image id what needs it, in words, each once."""
    found: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for usage in inventory.usages:
        where = f" in account {usage.account}" if len(inventory.usages) > 1 else ""
        for image, who in _of_account(usage):
            found[image][f"{who}{where}"] = None
    for rollout in inventory.rollouts:
        for image, who in _of_rollout(rollout, inventory.usages):
            found[image][who] = None
    for one in inventory.classes:
        for image in filter(AMI.fullmatch, one.used):
            found[image] |= dict.fromkeys(one.naming(image))
    return {image: tuple(who) for image, who in found.items()}


def unread(inventory: Inventory) -> tuple[Blocker, ...]:
    """Return what may be needed and is not known, with what would tell it."""
    return (*_rollouts_elsewhere(inventory), *_unresolved(inventory))


def _rollouts_elsewhere(inventory: Inventory) -> Iterator[Blocker]:
    """Yield the unfinished rollouts whose templates no account has that was looked into."""
    known = {template.id for usage in inventory.usages for template in usage.templates}
    for rollout in inventory.rollouts:
        if {source.use.template_id for group in rollout.plan.groups for source in group.sources} - known:
            problem = (
                f"rollout {rollout.id} on cluster {rollout.plan.cluster} is unfinished, and its launch templates are "
                f"in no account that was looked into"
            )
            yield Blocker(problem, "add --config FILE of that cluster")


def _unresolved(inventory: Inventory) -> Iterator[Blocker]:
    """Yield what names its image by a parameter of which AWS did not say which image that is."""
    for image, who in needs(inventory).items():
        if not image.startswith("ami-"):
            problem = f"AWS does not say which image {image} is, which {', '.join(who)} would launch"
            command = aws("ssm", "get-parameter", "--name", image.split(":")[-1])
            yield Blocker(problem, f"is there such a parameter? {command}")


def _of_account(usage: AccountUsage) -> Iterator[tuple[str, str]]:
    """Yield image and user for all that an account launches, or has launched."""
    for group in usage.groups:
        for use in group.templates:
            yield from _by(usage, use, f"group {group.name} ({use.label})")
        for override in group.overrides:
            if override.image_id:
                yield override.image_id, f"group {group.name} (an override's own image)"
    for name, image in usage.configured.items():
        yield image, f"launch configuration {name}"
    yield from _by_reference(usage)
    grouped = Counter((one.image, one.group) for one in usage.launched if one.group)
    for (image, name), count in grouped.items():
        yield image, f"{count} {'instance' if count == 1 else 'instances'} of group {name}"
    yield from ((one.image, f"instance {one.id}") for one in usage.launched if not one.group)


def _by_reference(usage: AccountUsage) -> Iterator[tuple[str, str]]:
    """Yield what templates launch by $Default and $Latest, but for the versions that a group names already."""
    uses = [(usage.template(use.template_id), use.reference) for group in usage.groups for use in group.templates]
    said = {(template.id, template.resolve(reference)) for template, reference in uses if template}
    for template in usage.templates:
        for number in dict.fromkeys(map(template.resolve, _REFERENCES)):
            image = _image(template, number)
            if image and (template.id, number) not in said:
                references = (one for one in _REFERENCES if template.resolve(one) == number)
                yield image, f"template {template.name} {' and '.join(references)}"


def _by(usage: AccountUsage, use: TemplateUse, who: str) -> Iterator[tuple[str, str]]:
    """Yield the image that a template's version has; none where the version is gone: nothing can be launched by it."""
    template = usage.template(use.template_id)
    image = template and _image(template, template.resolve(use.reference))
    if image:
        yield image, who


def _image(template: TemplateSeen, number: int) -> str | None:
    return next((version.image_id for version in template.versions if version.number == number), None)


def _of_rollout(rollout: Record, usages: tuple[AccountUsage, ...]) -> Iterator[tuple[str, str]]:
    """Yield the image that a rollout brings, and those that its groups launched before."""
    yield rollout.plan.ami, f"rollout {rollout.id}"
    for group in rollout.plan.groups:
        for source in group.sources:
            for usage in usages:
                template = usage.template(source.use.template_id)
                image = template and _image(template, source.version)
                if image:
                    yield image, f"rollout {rollout.id} (what {group.name} had before)"
