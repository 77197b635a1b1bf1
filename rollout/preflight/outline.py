"""What a rollout would change, and for what it would wait: for who wants to know before it begins. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from rollout.model.observation import GroupSeen, PodSeen
from rollout.model.plan import NodeGroup, Plan, Settings, Sizes, Source, duration
from rollout.preflight.protection import on_old_nodes
from rollout.preflight.survey import Survey
from rollout.stages.pods import is_protected, reason_in_words

#: What becomes of a group's reference at the end.
_REFERENCES = {
    "$Latest": "stays, and means the new version then",
    "$Default": "stays, and the template's default becomes the new version",
}
_NUMBER = "becomes the new version's number"


@dataclass(frozen=True, slots=True)
class TemplateOutline:
    """A use of a template. `source`: it, and the version that it means now. `image`: of that version.

    `then`: what becomes of its reference. All else of the new version is copied from that one.
    """

    source: Source
    image: str | None
    then: str


@dataclass(frozen=True, slots=True)
class GroupOutline:
    """A group: how many old instances go, its sizes now and at the peak, and the processes that are suspended."""

    name: str
    old: int
    before: Sizes
    peak: Sizes
    templates: tuple[TemplateOutline, ...]
    suspends: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Workload:
    """Pods of one controller on nodes that must go; a bare pod is one by itself.

    `why`: why it is protected, or is not. `created`: when the oldest pod was made. `ends`: when the last one ends by
    its own or its Job's activeDeadlineSeconds, None where one of them has none. `at_risk`: it is protected, and may run
    beyond the drain deadline by that; None where it does not say.
    """

    namespace: str
    kind: str
    name: str
    pods: int
    nodes: tuple[str, ...]
    protected: bool
    why: str
    created: datetime | None
    ends: datetime | None
    at_risk: bool | None

    @property
    def key(self) -> tuple[str, str, str]:
        """Namespace, kind and name: which workload it is."""
        return self.namespace, self.kind, self.name


def groups(found: Survey, plan: Plan) -> tuple[GroupOutline, ...]:
    """Return what happens to each group."""
    seen = {group.name: group for group in found.groups}
    return tuple(_group(group, seen[group.name], plan.settings, found) for group in plan.groups)


def _group(group: NodeGroup, seen: GroupSeen, settings: Settings, found: Survey) -> GroupOutline:
    images = {(one.id, version.number): version.image_id for one in found.templates for version in one.versions}
    templates = tuple(
        TemplateOutline(source, images.get(source.pair), _REFERENCES.get(source.use.reference, _NUMBER))
        for source in group.sources
    )
    old = len(seen.living)
    works = seen.sizes.desired > 0
    peak = settings.surged(seen.sizes, old) if works else seen.sizes
    if works and old:  # DRAIN raises it before the first of them is terminated, when all of the surge are there
        peak = replace(peak, minimum=max(peak.minimum, peak.desired - 1))
    suspends = tuple(name for name in settings.processes if name not in seen.suspended) if works else ()
    return GroupOutline(group.name, old, seen.sizes, peak, templates, suspends)


def workloads(found: Survey, settings: Settings, now: datetime, jobs: Mapping[str, datetime]) -> tuple[Workload, ...]:
    """Return what runs on the nodes that must go, protected pods first; `jobs`: when Jobs end at the latest, by uid."""
    by_name: dict[tuple[str, str, str, bool, str], list[PodSeen]] = {}
    for pod in on_old_nodes(found):
        kind, name = (pod.owner.full_kind, pod.owner.name) if pod.owner else ("Pod", pod.name)
        protected = is_protected(pod, settings, now)
        key = (pod.namespace, kind, name, protected, reason_in_words(pod, settings, now))
        by_name.setdefault(key, []).append(pod)
    made = (_workload(key, pods, settings, now, jobs) for key, pods in by_name.items())
    return tuple(sorted(made, key=lambda one: (not one.protected, one.namespace, one.kind, one.name)))


def _workload(
    key: tuple[str, str, str, bool, str],
    pods: list[PodSeen],
    settings: Settings,
    now: datetime,
    jobs: Mapping[str, datetime],
) -> Workload:
    namespace, kind, name, protected, why = key
    ends = [pod.ends_by(jobs) for pod in pods]
    known = [end for end in ends if end]
    last = max(known) if len(known) == len(ends) else None
    # The drain cannot begin before now, so its deadline is not earlier than this.
    deadline = now + duration(settings.drain_seconds)
    at_risk = False if not protected else None if last is None else last > deadline
    made = [pod.created for pod in pods if pod.created]
    nodes = tuple(sorted({pod.node for pod in pods if pod.node}))
    return Workload(namespace, kind, name, len(pods), nodes, protected, why, min(made, default=None), last, at_risk)


def old_images(outlined: tuple[GroupOutline, ...]) -> Iterator[str]:
    """Yield each image that the groups launch now, once."""
    yield from dict.fromkeys(one.image for group in outlined for one in group.templates if one.image)
