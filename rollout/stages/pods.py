"""Which pods hold a node, and which must leave it before the instance goes."""

from __future__ import annotations

from collections.abc import Iterable

from rollout.plan import Protected
from rollout.seen import PodSeen


def holding(pods: Iterable[PodSeen], protected: Protected) -> tuple[PodSeen, ...]:
    """Return the pods for which a node waits: active, protected, and neither mirror nor DaemonSet pods.

    Succeeded and Failed pods never hold a node.
    """
    return tuple(pod for pod in leaving(pods) if pod.pinned or is_protected(pod, protected))


def leaving(pods: Iterable[PodSeen]) -> tuple[PodSeen, ...]:
    """Return the pods that must be gone before the instance goes (those that kubectl drain would evict too)."""
    return tuple(pod for pod in pods if not (pod.finished or pod.stays_with_node))


def is_protected(pod: PodSeen, protected: Protected) -> bool:
    """Tell whether a pod's controller is one of those that the settings protect."""
    return (
        pod.owner is not None
        and pod.owner.kind in protected.kinds
        and (not protected.namespaces or pod.namespace in protected.namespaces)
        and (not protected.prefixes or pod.owner.name.startswith(protected.prefixes))
        and all(pod.labels.get(name) == value for name, value in protected.labels.items())
    )


def in_words(pods: Iterable[PodSeen], most: int = 3) -> str:
    """Name the first pods, and count the others."""
    labels = [pod.label for pod in pods]
    more = f" and {len(labels) - most} more" if len(labels) > most else ""
    return ", ".join(labels[:most]) + more
