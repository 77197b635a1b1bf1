"""The workloads: what would keep a node from being drained, or fill it again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rollout.model.observation import CORDON, PodSeen, Taint
from rollout.model.plan import Settings, listed, spelled
from rollout.preflight.protection import on_old_nodes, workloads
from rollout.preflight.survey import Request, Survey
from rollout.stages.pods import is_work, leaving, may_be_forced

#: Nodes and pods that one line lists at most.
_LISTED = 5


def blocked(found: Survey, request: Request) -> Iterator[str]:
    """A budget allows no eviction from the nodes that must go, now or ever.

    The warning names its pods, their nodes, and how it ends. A pod under two budgets has its own line (`two_budgets`).
    """
    replicas = [pod for pod in _replicas(found) if len(_budgets(found, pod)) == 1]
    for budget in found.budgets:
        pods = [pod for pod in replicas if budget.selects(pod.namespace, pod.labels)]
        if pods and not budget.allowed:
            yield f"{budget.told}; it holds {_named(pods)}: {_end(request.settings)}"


def two_budgets(found: Survey, request: Request) -> Iterator[str]:
    """Two budgets select one pod on the nodes that must go. Kubernetes never evicts such a pod."""
    for pod in _replicas(found):
        if len(names := _budgets(found, pod)) > 1:
            what = f"budgets {' and '.join(names)} each select {pod.label} on {pod.node}"
            yield f"{what}, which Kubernetes never evicts: let one of them select it ({_end(request.settings)})"


def tolerant(found: Survey, request: Request) -> Iterator[str]:
    """Jobs and similar workloads, protected or not, tolerate our taint. Their new pods start on nodes that must go."""
    key = request.settings.taint_key
    pods = [pod for pod in _tolerating(found, key) if is_work(pod) and not pod.tolerates(CORDON)]
    if pods:
        then = "new pods of them may begin on nodes that must go, and hold them, until these are cordoned"
        yield f"running pods tolerate our taint {key}; {then}: {workloads(pods)}"


def tolerant_of_all(found: Survey, request: Request) -> Iterator[str]:
    """Pods tolerate our taint and a cordon. They come back to nodes that are being drained."""
    pods = [pod for pod in _tolerating(found, request.settings.taint_key) if pod.tolerates(CORDON)]
    if pods:
        then = (
            "new pods of them may come to nodes that are being emptied; after three times, or where protected ones are "
            "made after the drain deadline, a person must act"
        )
        yield f"running pods tolerate our taint and a cordon; {then}: {workloads(pods)}"


def _tolerating(found: Survey, key: str) -> list[PodSeen]:
    # With the rollout's id for a value, which nobody can know: only who tolerates any value does.
    closed = Taint(key, "\0", "NoSchedule")
    return [pod for pod in leaving(found.pods) if pod.tolerates(closed)]


def _replicas(found: Survey) -> list[PodSeen]:
    """Return what leaves the nodes that must go by eviction alone; work is deleted past a budget at the deadline."""
    return [pod for pod in on_old_nodes(found) if not may_be_forced(pod)]


def _budgets(found: Survey, pod: PodSeen) -> list[str]:
    return [one.name for one in found.budgets if one.selects(pod.namespace, pod.labels)]


def _named(pods: Iterable[PodSeen]) -> str:
    return listed([f"{pod.label} on {pod.node}" for pod in pods], _LISTED)


def _end(settings: Settings) -> str:
    after = spelled(settings.drain_seconds + settings.blocked_seconds)
    end = "they are deleted" if settings.on_blocked == "force" else "the rollout halts"
    return f"unless that changes, {end} {after} after it begins to drain (drain.on_blocked: {settings.on_blocked})"
