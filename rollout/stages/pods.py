"""Which pods block a node, and which must leave it before the instance goes.

Too much protection costs time, too little costs work: what nobody replaces, or what runs to its end, blocks its node
even outside of the selection, unless the setting `unprotected` lets it go.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from rollout.model.observation import Owner, PodSeen
from rollout.model.plan import Preset, Protected, Settings, listed
from rollout.model.presets import PRESETS

#: Labels that KubeRay gives the pods of a RayService, which a RayCluster controls all the same; None for any value.
_OF_A_RAY_SERVICE = {"ray.io/originated-from-crd": "RayService", "ray.io/serve": None}
#: The controllers of virtual machines: a webhook refuses their eviction while they move to another node.
_MACHINES = ("VirtualMachineInstance.kubevirt.io",)


def blocking_pods(
    pods: Iterable[PodSeen], settings: Settings, at_work: Collection[str] = (), now: datetime | None = None
) -> tuple[PodSeen, ...]:
    """Return the pods for which a node waits: protected, and neither mirror nor DaemonSet pods.

    `at_work`: the controllers that finished pods are kept for; without any, no finished pod blocks a node.
    """
    there = (pod for pod in pods if _leaves(pod) or _is_result(pod, at_work))
    return tuple(pod for pod in there if is_protected(pod, settings, now))


def at_work(pods: Iterable[PodSeen]) -> frozenset[str]:
    """Return the uids of the controllers of which a pod has not finished."""
    return frozenset(pod.owner.uid for pod in pods if pod.owner and not pod.finished)


def _is_result(pod: PodSeen, at_work: Collection[str]) -> bool:
    """Tell whether a controller still needs a finished pod: its object goes with the node, and was the only proof.

    An operator then makes the pod again, or fails the whole. A Job of batch/v1 has counted its own (by a finalizer). A
    service makes others in place of those that failed, and they lie about: they are no proof of anything.
    """
    owner = pod.owner
    if not pod.finished or pod.deleting or owner is None or owner.is_job or pod.stays_with_node:
        return False
    return owner.uid in at_work and is_work(pod)


def leaving(pods: Iterable[PodSeen]) -> tuple[PodSeen, ...]:
    """Return the pods that must be gone before the instance goes (those that kubectl drain would evict too)."""
    return tuple(pod for pod in pods if _leaves(pod))


def _leaves(pod: PodSeen) -> bool:
    return not (pod.finished or pod.stays_with_node)


def is_protected(pod: PodSeen, settings: Settings, now: datetime | None = None) -> bool:
    """Tell whether a pod says itself that it must stay, is selected, or is protected for another reason.

    With `refuse` too: what turns up after the start cannot be refused any more.
    """
    kept = settings.unprotected != "evict" and is_unselected(pod, settings.protected)
    return pod.pins(now) or is_selected(pod, settings.protected) or kept


def reason_in_words(pod: PodSeen, settings: Settings, now: datetime | None = None) -> str:
    """Say why a pod is protected, or why it is not."""
    if pod.pins(now):
        return "its annotation says that it must stay"
    if preset := next((one for one in settings.protected.presets if _is_of_preset(pod, one)), None):
        return f"preset {preset.name}"
    if is_selected(pod, settings.protected):
        return "named by `protected`"
    if is_work(pod):
        return f"it runs to its end, or nobody replaces it (unprotected: {settings.unprotected})"
    return "its controller replaces it"


def is_selected(pod: PodSeen, protected: Protected) -> bool:
    """Tell whether the settings name a pod, by its controller, its namespace and its labels, or by a preset."""
    if any(_is_of_preset(pod, preset) for preset in protected.presets):
        return True
    return (
        pod.owner is not None
        and _is_one_of(pod.owner, protected.kinds)
        and (not protected.namespaces or pod.namespace in protected.namespaces)
        and (not protected.prefixes or pod.owner.name.startswith(protected.prefixes))
        and all(pod.labels.get(name) == value for name, value in protected.labels.items())
    )


def is_unselected(pod: PodSeen, protected: Protected) -> bool:
    """Tell whether a pod begins its work again once it is gone, or nobody replaces it, and the settings do not name it.

    What keeps replicas (ReplicaSet, StatefulSet, DaemonSet) takes no pods but those that are always restarted.
    """
    return is_work(pod) and not is_selected(pod, protected)


def is_work(pod: PodSeen) -> bool:
    """Tell whether a pod runs to its end, or nobody replaces it."""
    return not _serves(pod) and (pod.restarts != "Always" or _is_irreplaceable(pod.owner))


def may_be_forced(pod: PodSeen) -> bool:
    """Tell whether a pod may be killed past a no to its eviction, be it a budget's: only work that nobody moves."""
    return is_work(pod) and not (pod.owner and _is_one_of(pod.owner, _MACHINES))


def _serves(pod: PodSeen) -> bool:
    """Tell whether a pod is a service's, though its controller is of a kind that also keeps work."""
    asked = ((pod.labels[name], value) for name, value in _OF_A_RAY_SERVICE.items() if name in pod.labels)
    return any(value in {None, there} for there, value in asked)


def _is_irreplaceable(owner: Owner | None) -> bool:
    """An executor of Spark has its driver for a controller: a pod. Kinds that presets know are of work, all of them."""
    if owner is None or owner.is_job or (owner.kind == "Pod" and not owner.group):
        return True
    return any(_is_one_of(owner, preset.kinds) for preset in PRESETS.values())


def unnamed(pods: Iterable[PodSeen], protected: Protected) -> tuple[PodSeen, ...]:
    """Return the pods of which only the setting `unprotected` says what becomes of them."""
    return tuple(pod for pod in leaving(pods) if not pod.pinned and is_unselected(pod, protected))


def _is_one_of(owner: Owner, kinds: Iterable[str]) -> bool:
    return owner.kind in kinds or f"{owner.kind}.{owner.group}" in kinds


def _is_of_preset(pod: PodSeen, preset: Preset) -> bool:
    return _is_one_of(pod.owner, preset.kinds) if pod.owner else any(key in pod.labels for key in preset.labels)


def in_words(pods: Iterable[PodSeen], most: int = 3) -> str:
    """Name the first pods, and count the others; one that is finished says why it matters."""
    labels = [f"finished {pod.label} (whose other pods still run)" if pod.finished else pod.label for pod in pods]
    return listed(labels, most)
