"""What was fixed for good, and the nodes that must go. All frozen.

Times are aware UTC datetimes, durations are seconds. `record.py` adds what changes from tick to tick.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from rollout.model.machine import Stage
from rollout.model.windows import Window

OnDeadline = Literal["pod", "job", "halt"]
OnBlocked = Literal["halt", "force"]
Unprotected = Literal["protect", "evict", "refuse"]
Role = Literal["old", "new", "surplus"]
#: Which version stays: the new one, or, once the rollout was aborted, the one that was there before.
Direction = Literal["forward", "back"]

#: A hundred years in seconds. An earlier rollout planned with any length of time; no calendar has room for all of them.
FOR_EVER = 100 * 365 * 86400.0


def duration(seconds: float) -> timedelta:
    """Return a length of time that a plan gives; one beyond `FOR_EVER` is that, so that a moment can be worked out."""
    return timedelta(seconds=min(seconds, FOR_EVER))


def listed(names: Sequence[str], most: int) -> str:
    """Name the first, and count the others."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def spelled(seconds: float) -> str:
    """Return a length of time as the configuration writes it, such as 1d2h, 2h15m or 90s."""
    whole, parts = int(seconds), []
    if whole % 60 and whole < 600:  # noqa: PLR2004  as people say it
        return f"{whole}s"
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, whole = divmod(whole, length)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


@dataclass(frozen=True, slots=True)
class Sizes:
    """MinSize, DesiredCapacity and MaxSize of an Auto Scaling group, in instances."""

    minimum: int
    desired: int
    maximum: int

    def raised(self, desired: int) -> Sizes:
        """Return the sizes with this desired capacity, and as much MaxSize as it needs."""
        return replace(self, desired=desired, maximum=max(self.maximum, desired))

    def __str__(self) -> str:
        """As an operator reads them."""
        return f"MinSize {self.minimum}, DesiredCapacity {self.desired}, MaxSize {self.maximum}"


@dataclass(frozen=True, slots=True)
class Preset:
    """The pods of a well-known kind of workload, as they were known when the rollout began.

    `kinds`: of their controllers, each KIND.GROUP; `labels`: keys, one of which marks a pod without a controller.
    """

    name: str
    kinds: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Protected:
    """The selection, whose pods hold a node: no `namespaces` means all, no `prefixes` any name; `labels`: all of them.

    `kinds`: each KIND, of any API group, or KIND.GROUP. `presets` count too, in every namespace.
    """

    namespaces: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    kinds: tuple[str, ...] = ("Job",)
    presets: tuple[Preset, ...] = ()


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """The cluster-autoscaler's Deployment."""

    namespace: str
    name: str

    @property
    def setting(self) -> str:
        """The line of the configuration that names it."""
        return f"autoscaler: {{namespace: {self.namespace}, name: {self.name}}}"


@dataclass(frozen=True, slots=True)
class Surge:
    """How many instances are launched beside the old ones at a time: so many, or so many percent of the group."""

    amount: int
    percent: bool = False

    def of(self, size: int) -> int:
        """Return the number of instances for a group of this size: at least one, at most as many again."""
        wanted = math.ceil(size * self.amount / 100) if self.percent else self.amount
        return min(size, max(wanted, 1))


@dataclass(frozen=True, slots=True)
class Steady:
    """When the cluster counts as unsteady, and when as steady again.

    Both `nodes` and `share` (0 to 1) of those that were Ready turn `within` seconds; steady again after `seconds`.
    """

    share: float = 0.25
    nodes: int = 2
    within: float = 60.0
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Settings:
    """The part of the configuration that a rollout lives by from its first tick to its last.

    `unprotected`: what becomes of a pod that nobody replaces, or that runs to its end, outside of `protected`.
    `max_autoscaler_off_seconds`: for how long cluster-autoscaler may be off before people are warned.
    `windows`: when it may begin, begin to drain a node, and end Jobs; none is always.
    """

    protected: Protected
    unprotected: Unprotected
    autoscaler: Autoscaler | None
    node_selector: Mapping[str, str]
    taint_key: str
    taint_early: bool
    processes: tuple[str, ...]
    surge: Surge
    max_draining: int
    on_deadline: OnDeadline
    on_blocked: OnBlocked
    in_service_seconds: float
    ready_seconds: float
    drain_seconds: float
    blocked_seconds: float
    patience_seconds: float
    poll_seconds: float
    parallel: int
    steady: Steady = Steady()
    max_autoscaler_off_seconds: float = 21600.0
    windows: tuple[Window, ...] = ()

    def surged(self, sizes: Sizes, old: int) -> Sizes:
        """Return the sizes at the peak of a group with these sizes, and that many old instances.

        More old ones may live than are desired, while AWS evens out zones: the surge comes on top of all of them.
        """
        return sizes.raised(max(sizes.desired, old) + self.surge.of(sizes.desired))


@dataclass(frozen=True, slots=True)
class TemplateUse:
    """One place where a group names a launch template. `reference`: "$Latest", "$Default" or a number as text.

    `slot`: "" for the group's own specification (or that of its MixedInstancesPolicy), "override 2" for its second
    override, if that names a template of its own.
    """

    slot: str
    template_id: str
    template_name: str = field(compare=False)  # told to people; the id says which it is
    reference: str

    @property
    def label(self) -> str:
        """The use in words."""
        return f"{self.template_name} {self.reference}" + (f" ({self.slot})" if self.slot else "")


@dataclass(frozen=True, slots=True)
class Source:
    """A use of a template as it was found, and the number that its reference meant then: what the group launched."""

    use: TemplateUse
    version: int

    @property
    def pair(self) -> tuple[str, int]:
        """Template and source version: for each such pair one new version is made."""
        return self.use.template_id, self.version


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """One Auto Scaling group as it was found, with every use of a template that it makes: its own first.

    `mixed`: it had a MixedInstancesPolicy; None where a rollout of an older format does not say.
    """

    name: str
    sources: tuple[Source, ...]
    mixed: bool | None = None


@dataclass(frozen=True, slots=True)
class Baseline:
    """One group's values before our first effect on it, to be restored."""

    group: str
    sizes: Sizes
    protect_new: bool
    capacity_rebalance: bool
    suspended: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """A group as the plan said that a rollout was started with; `instances`: the ids of those that were to go."""

    group: str
    sizes: Sizes
    protect_new: bool
    capacity_rebalance: bool
    suspended: tuple[str, ...]
    instances: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NewVersion:
    """The one version that this rollout made of (template, source): with the new AMI, or as a copy of the source."""

    template_id: str
    source_version: int
    number: int


@dataclass(frozen=True, slots=True)
class ClusterId:
    """Which cluster it is: a name is used in several accounts and regions, and by a cluster that was made again.

    `arn`: partition, region, account and name. `uid`: of the namespace kube-system; "" where we may not read it.
    """

    arn: str
    uid: str

    def differs(self, other: ClusterId) -> str:
        """Say what the other one is that this is not; "" where both are one cluster, as far as is known."""
        if self.arn != other.arn:
            return f"{other.arn}, not {self.arn}"
        if self.uid and other.uid and self.uid != other.uid:
            return f"another cluster under the same name (kube-system has uid {other.uid}, not {self.uid})"
        return ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is fixed: its first half when the rollout begins, `baselines` and `versions` later, each once.

    `autoscaler_replicas`: None where the cluster has no autoscaler of ours to stop.
    `cluster_id`: None until a rollout of an older format is gone on with for the first time.
    `direction`: which version stays; it changes once, with an abort. `copies`: of the versions before ours, made by an
    abort where $Latest must mean them again. `planned`: what must still be there when the baselines are taken, of a
    rollout that was started with a plan; nothing after that.
    """

    cluster: str
    region: str
    ami: str
    description: str
    settings: Settings
    groups: tuple[NodeGroup, ...]
    autoscaler_replicas: int | None
    baselines: tuple[Baseline, ...] = ()
    versions: tuple[NewVersion, ...] = ()
    cluster_id: ClusterId | None = None
    direction: Direction = "forward"
    copies: tuple[NewVersion, ...] = ()
    planned: tuple[Planned, ...] = ()

    @property
    def goes_back(self) -> bool:
        """The rollout was aborted: what was there before stays, and what it launched goes."""
        return self.direction == "back"

    @property
    def leaving(self) -> Role:
        """The role of the nodes that this rollout is there to replace, or, once aborted, to take away again."""
        return "new" if self.goes_back else "old"

    @property
    def staying(self) -> Role:
        """The role of the nodes that are there in their place."""
        return "old" if self.goes_back else "new"

    @property
    def scope(self) -> str:
        """By what leases and the rule of one active rollout know the cluster; older formats knew the name alone."""
        return self.cluster_id.arn if self.cluster_id else self.cluster

    def group(self, name: str) -> NodeGroup:
        """Return the plan's group of that name; KeyError if there is none."""
        return _named(self.groups, name)

    def baseline(self, group: str) -> Baseline:
        """Return the baseline of a group; KeyError before sizes were committed."""
        for baseline in self.baselines:
            if baseline.group == group:
                return baseline
        raise KeyError(group)

    def surge(self, group: str) -> int:
        """Return how many instances are launched beside the old ones at a time; 0 for a group of size 0."""
        return self.settings.surge.of(self.baseline(group).sizes.desired)

    def version(self, source: Source) -> NewVersion | None:
        """Return the version that replaces this source, None until there is one."""
        return _made_of(self.versions, source)

    def pinned(self, group: NodeGroup) -> tuple[TemplateUse, ...]:
        """Return the group's uses with numbers of versions that stay; KeyError before ours were committed."""
        return tuple(replace(source.use, reference=str(self.number(source))) for source in group.sources)

    def number(self, source: Source) -> int:
        """Return the number of the version that stays: it replaces this source, or after an abort is as good as it.

        KeyError before ours was committed.
        """
        if self.goes_back:  # a copy is for $Latest alone: another group's $Default of the template stays where it is
            copy = _made_of(self.copies, source) if source.use.reference == "$Latest" else None
            return copy.number if copy else source.version
        version = _made_of(self.versions, source)
        if version is None:
            raise KeyError(source.pair)
        return version.number

    def is_new(self, template_id: str, number: int) -> bool:
        """Tell whether this is a version with the new AMI, made by this rollout."""
        return any((one.template_id, one.number) == (template_id, number) for one in self.versions)

    def was_there(self, template_id: str, number: int) -> bool:
        """Tell whether groups launched this version when the rollout began, or it is a copy of one."""
        found = {source.pair for group in self.groups for source in group.sources}
        return (template_id, number) in found.union((one.template_id, one.number) for one in self.copies)


def _made_of(versions: tuple[NewVersion, ...], source: Source) -> NewVersion | None:
    return next((one for one in versions if (one.template_id, one.source_version) == source.pair), None)


def _named(groups: tuple[NodeGroup, ...], name: str) -> NodeGroup:
    for group in groups:
        if group.name == name:
            return group
    raise KeyError(name)


@dataclass(frozen=True, slots=True)
class Node:
    """One instance that must go. `name` and `uid` are None for an instance that never joined.

    `drain_attempt`: how often it went back to WAITING. `reason`: why it is GONE, empty when we terminated it.
    `forced_at`: when somebody asked that it goes now, None where nobody did; `forced_by`: who, and why.
    """

    instance_id: str
    group: str
    role: Role
    stage: Stage
    since: datetime
    name: str | None = None
    uid: str | None = None
    waits_for: str = ""
    drain_attempt: int = 0
    reason: str = ""
    forced_at: datetime | None = None
    forced_by: str = ""
