"""A plan that was kept: what a person saw before a start, to be compared with what is there when it starts. Pure.

It holds what decides what a rollout does: which cluster, image, settings and groups, what these launch, and which
instances go. What changes by itself from minute to minute is not in it: pods, Jobs, budgets, how nodes are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rollout.model.observation import GroupSeen
from rollout.model.plan import ClusterId, NodeGroup, Plan, Planned, Preset, Settings, Sizes, Surge, listed, spelled
from rollout.preflight.launching import launches
from rollout.preflight.survey import Survey

#: Instances that one line lists at most.
_LISTED = 5


@dataclass(frozen=True, slots=True)
class SavedTemplate:
    """A use of a launch template: `version` is what its `reference` meant, `image` that version's."""

    slot: str
    id: str
    reference: str
    version: int
    image: str | None


@dataclass(frozen=True, slots=True)
class SavedGroup:
    """A group: `old` are the ids of the instances that go, `types` and `subnets` what it launches, and where."""

    name: str
    minimum: int
    desired: int
    maximum: int
    old: tuple[str, ...]
    suspended: tuple[str, ...]
    protect_new: bool
    capacity_rebalance: bool
    mixed: bool
    templates: tuple[SavedTemplate, ...]
    types: tuple[str, ...]
    subnets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan as it was at a moment. `cluster`: its ARN. `settings`: by their names in the configuration, in words."""

    made: datetime
    cluster: str
    cluster_uid: str
    ami: str
    description: str
    autoscaler_replicas: int | None
    settings: Mapping[str, str]
    groups: tuple[SavedGroup, ...]


def save(found: Survey, plan: Plan, cluster: ClusterId, now: datetime) -> SavedPlan:
    """Return what is to be kept of a plan."""
    seen = {group.name: group for group in found.groups}
    groups = (_group(group, seen[group.name], found) for group in plan.groups)
    return SavedPlan(
        made=now,
        cluster=cluster.arn,
        cluster_uid=cluster.uid,
        ami=plan.ami,
        description=plan.description,
        autoscaler_replicas=plan.autoscaler_replicas,
        settings=in_words(plan.settings),
        groups=tuple(sorted(groups, key=lambda one: one.name)),
    )


def planned(saved: SavedPlan) -> tuple[Planned, ...]:
    """Return what must still be there when the rollout takes its baselines."""
    return tuple(
        Planned(
            group=one.name,
            sizes=Sizes(one.minimum, one.desired, one.maximum),
            protect_new=one.protect_new,
            capacity_rebalance=one.capacity_rebalance,
            suspended=one.suspended,
            instances=one.old,
        )
        for one in saved.groups
    )


def _group(group: NodeGroup, seen: GroupSeen, found: Survey) -> SavedGroup:
    images = {(one.id, version.number): version.image_id for one in found.templates for version in one.versions}
    probed = found.probed.get(group.name)
    types = {one.instance_type or "by requirements" for one in launches(probed, found.templates)} if probed else ()
    return SavedGroup(
        name=group.name,
        minimum=seen.sizes.minimum,
        desired=seen.sizes.desired,
        maximum=seen.sizes.maximum,
        old=tuple(sorted(one.id for one in seen.living)),
        suspended=tuple(sorted(seen.suspended)),
        protect_new=seen.protect_new,
        capacity_rebalance=seen.capacity_rebalance,
        mixed=seen.mixed,
        templates=tuple(
            SavedTemplate(one.use.slot, one.use.template_id, one.use.reference, one.version, images.get(one.pair))
            for one in group.sources
        ),
        types=tuple(sorted(types)),
        subnets=tuple(sorted(probed.subnets)) if probed else (),
    )


# ---- settings -------------------------------------------------------------------------------------------------------


def in_words(settings: Settings) -> dict[str, str]:
    """Return each setting by its name in the configuration, as a person would write it."""
    named, steady = settings.protected, settings.steady
    return {
        "protected.namespaces": _list(named.namespaces),
        "protected.prefixes": _list(named.prefixes),
        "protected.labels": _pairs(named.labels),
        "protected.kinds": _list(named.kinds),
        "protected.presets": "; ".join(map(_preset, named.presets)) or "none",
        "unprotected": settings.unprotected,
        "autoscaler": f"{settings.autoscaler.namespace}/{settings.autoscaler.name}" if settings.autoscaler else "none",
        "max_autoscaler_off": _time(settings.max_autoscaler_off_seconds),
        "windows": "; ".join(map(str, settings.windows)) or "none",
        "node_selector": _pairs(settings.node_selector),
        "taint.key": settings.taint_key,
        "taint.early": _yes(settings.taint_early),
        "processes": _list(settings.processes),
        "surge": _surge(settings.surge),
        "drain.max_draining": str(settings.max_draining),
        "drain.unready_share": f"{steady.share * 100:g}",
        "drain.unready_nodes": str(steady.nodes),
        "drain.unready_within": _time(steady.within),
        "drain.steady_for": _time(steady.seconds),
        "drain.on_deadline": settings.on_deadline,
        "drain.on_blocked": settings.on_blocked,
        "deadlines.in_service": _time(settings.in_service_seconds),
        "deadlines.ready": _time(settings.ready_seconds),
        "deadlines.drain": _time(settings.drain_seconds),
        "deadlines.blocked": _time(settings.blocked_seconds),
        "patience": _time(settings.patience_seconds),
        "poll": _time(settings.poll_seconds),
        "parallel": str(settings.parallel),
    }


def _list(names: Sequence[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _pairs(labels: Mapping[str, str]) -> str:
    return _list([f"{key}={value}" for key, value in labels.items()])


def _preset(preset: Preset) -> str:
    return f"{preset.name} ({_list((*preset.kinds, *preset.labels))})"


def _surge(surge: Surge) -> str:
    return f"{surge.amount}%" if surge.percent else str(surge.amount)


def _time(seconds: float) -> str:
    return spelled(seconds) if seconds == int(seconds) else f"{seconds:g}s"


def _yes(value: bool) -> str:  # noqa: FBT001  a value to be told
    return "true" if value else "false"


# ---- what has moved -------------------------------------------------------------------------------------------------


def moved(before: SavedPlan, now: SavedPlan) -> tuple[str, ...]:
    """Say each thing that is another one now; of another cluster, only that."""
    if other := ClusterId(before.cluster, before.cluster_uid).differs(ClusterId(now.cluster, now.cluster_uid)):
        return (f"the cluster is {other}",)
    return tuple(_moved(before, now))


def same_groups(before: SavedPlan, now: SavedPlan) -> bool:
    """Tell whether both are about the same groups of one cluster."""
    other = ClusterId(before.cluster, before.cluster_uid).differs(ClusterId(now.cluster, now.cluster_uid))
    return not other and {one.name for one in before.groups} == {one.name for one in now.groups}


def _moved(before: SavedPlan, now: SavedPlan) -> Iterator[str]:
    yield from _other("the image", before.ami, now.ami)
    yield from _other("the description", before.description, now.description)
    yield from _other("replicas of cluster-autoscaler", before.autoscaler_replicas, now.autoscaler_replicas)
    for name in dict.fromkeys((*before.settings, *now.settings)):
        yield from _other(f"setting {name}", before.settings.get(name), now.settings.get(name))
    then, today = ({group.name: group for group in one.groups} for one in (before, now))
    for name in sorted(then.keys() | today.keys()):
        if name not in today:
            yield f"group {name} is in the plan, and is not asked for now"
        elif name not in then:
            yield f"group {name} is asked for now, and is not in the plan"
        else:
            yield from _moved_group(then[name], today[name])


def _moved_group(before: SavedGroup, now: SavedGroup) -> Iterator[str]:
    name = f"group {before.name}"
    yield from _other(name, *(Sizes(one.minimum, one.desired, one.maximum) for one in (before, now)))
    yield from _moved_nodes(before, now)
    yield from _other(f"{name}: suspended", _list(before.suspended), _list(now.suspended))
    yield from _other(f"{name}: scale-in protection of new instances", before.protect_new, now.protect_new)
    yield from _other(f"{name}: Capacity Rebalancing", before.capacity_rebalance, now.capacity_rebalance)
    yield from _other(f"{name}: mixed instances policy", before.mixed, now.mixed)
    yield from _other(f"{name}: instance types", _list(before.types), _list(now.types))
    yield from _other(f"{name}: subnets", _list(before.subnets), _list(now.subnets))
    yield from _other(f"{name}: launch templates", *map(_templates, (before, now)))


def _moved_nodes(before: SavedGroup, now: SavedGroup) -> Iterator[str]:
    gone, came = sorted({*before.old} - {*now.old}), sorted({*now.old} - {*before.old})
    told = []
    if gone:
        told.append(f"of the plan's old instances {listed(gone, _LISTED)} left")
    if came:
        told.append(f"{listed(came, _LISTED)} came, and would have to go too")
    if told:
        yield f"group {before.name}: {'; '.join(told)}"


def _templates(group: SavedGroup) -> str:
    uses = (
        f"{one.id} {one.reference}{f' ({one.slot})' if one.slot else ''}, version {one.version} with {one.image}"
        for one in group.templates
    )
    return "; ".join(uses)


def _other(what: str, before: object, now: object) -> Iterator[str]:
    if before != now:
        yield f"{what}: {_told(before)} in the plan, {_told(now)} now"


def _told(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "none" if value is None or value == "" else str(value)
