"""Which running pods a rollout waits for, told at its start: a slip in the selection shows before it costs work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from rollout.model.observation import Observation, PodSeen
from rollout.model.plan import Settings
from rollout.preflight.survey import Survey
from rollout.stages.pods import is_protected, leaving, unnamed

#: Workloads that one line lists at most.
_LISTED = 10
#: What becomes of pods that only the setting `unprotected` decides on: they hold their node, or go.
_UNNAMED = (
    "protected, though `protected` does not name them (unprotected: {})",
    "not protected, though nobody replaces them (unprotected: {})",
)


@dataclass(frozen=True, slots=True)
class Standing:
    """The running pods on the nodes that must go, but for those that belong to their node.

    `nodes`: how many nodes that are. `named`: pods that the settings select, or that say themselves that they must
    stay; `unnamed`: what only the setting `unprotected` decides on; `others`: they leave by eviction.
    """

    nodes: int
    named: tuple[PodSeen, ...]
    unnamed: tuple[PodSeen, ...]
    others: tuple[PodSeen, ...]


def standing(found: Survey, settings: Settings) -> Standing:
    """Return what runs on the nodes of the groups now."""
    pods = on_old_nodes(found)
    besides = unnamed(pods, settings.protected)
    taken = {pod.uid for pod in besides}
    rest = [(pod, is_protected(pod, settings)) for pod in pods if pod.uid not in taken]
    named, others = (tuple(pod for pod, held in rest if held is wanted) for wanted in (True, False))
    return Standing(len(_old_nodes(found)), named, besides, others)


def on_old_nodes(found: Survey) -> tuple[PodSeen, ...]:
    """Return the pods that must leave the nodes of the groups, by node."""
    seen = Observation(pods=found.pods)
    return leaving(pod for name in _old_nodes(found) for pod in seen.pods_on(name))


def controllers(found: Survey) -> frozenset[str]:
    """Return the kinds that control a pod anywhere in the cluster, each with its group and without."""
    owners = {pod.owner for pod in found.pods if pod.owner}
    return frozenset(name for one in owners for name in (one.kind, f"{one.kind}.{one.group}"))


def _old_nodes(found: Survey) -> list[str]:
    seen = Observation(groups=found.groups, nodes=found.nodes)
    ids = [instance.id for group in found.groups for instance in group.instances]
    return sorted({node.name for id_ in ids for node in seen.nodes_on(id_)})


def told(found: Survey, settings: Settings) -> tuple[str, ...]:
    """Say how many running pods are protected, by workload, and which are not."""
    there = standing(found, settings)
    where = "on the one node that must go" if there.nodes == 1 else f"on the {there.nodes} nodes that must go"
    lines = [f"protected: {_counted(there.named)} {where}{_listed(there.named)}"]
    if there.unnamed:
        what = _UNNAMED[settings.unprotected == "evict"].format(settings.unprotected)
        lines.append(f"{what}: {_counted(there.unnamed)}{_listed(there.unnamed)}")
    if there.others:
        lines.append(f"not protected, they are evicted: {_counted(there.others)}{_listed(there.others)}")
    return tuple(lines)


def workloads(pods: Iterable[PodSeen], most: int = _LISTED) -> str:
    """Name the workloads of pods as NAMESPACE/KIND/NAME with their number of pods, the largest first."""
    counts = Counter(_workload(pod) for pod in pods)
    first = sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:most]
    more = f", and {len(counts) - most} more" if len(counts) > most else ""
    return ", ".join(f"{name}: {count}" for name, count in first) + more


def _workload(pod: PodSeen) -> str:
    if pod.owner is None:
        return f"{pod.namespace}/Pod/{pod.name}"
    return f"{pod.namespace}/{pod.owner.full_kind}/{pod.owner.name}"


def _counted(pods: tuple[PodSeen, ...]) -> str:
    return f"{len(pods) or 'no'} running pod{'' if len(pods) == 1 else 's'}"


def _listed(pods: tuple[PodSeen, ...]) -> str:
    return f" ({workloads(pods)})" if pods else ""
