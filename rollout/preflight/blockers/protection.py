"""What the configuration protects: kinds that do not exist, and pods that nobody replaces and that it does not name."""

from __future__ import annotations

from collections.abc import Iterator

from rollout.errors import Blocker
from rollout.preflight.protection import standing, workloads
from rollout.preflight.survey import Request, Survey

#: Kinds of Kubernetes that control other kinds, and these the pods.
_DIRECT = {
    "CronJob": "Job",
    "CronJob.batch": "Job.batch",
    "Deployment": "ReplicaSet",
    "Deployment.apps": "ReplicaSet.apps",
}


def unserved(found: Survey, request: Request) -> Iterator[Blocker]:
    """The settings name kinds that the API server does not serve.

    If it does not say what it serves, this is not checked.
    """
    if found.kinds is None or found.kinds.unread:
        return
    for kind in found.kinds.missing(request.settings.protected.kinds):
        near = found.kinds.nearest(kind)
        hint = f"write {near} in `protected.kinds`" if near else "kubectl api-resources lists the kinds that there are"
        yield Blocker(f"`protected.kinds` names {kind}, a kind that the API server does not serve", hint)


def indirect(found: Survey, request: Request) -> Iterator[Blocker]:
    """The settings name Deployment or CronJob, which control no pods themselves, so that nothing would be selected.

    If the controller of a pod is of such a kind of another API, this is no blocker.
    """
    controllers = {name for pod in found.pods if pod.owner for name in (pod.owner.kind, pod.owner.full_kind)}
    for kind in request.settings.protected.kinds:
        direct = _DIRECT.get(kind)
        if direct and kind not in controllers:
            hint = f"write {direct} in `protected.kinds`"
            yield Blocker(f"`protected.kinds` names {kind}, which controls no pods itself: {direct} does", hint)


def unnamed(found: Survey, request: Request) -> Iterator[Blocker]:
    """With `unprotected: refuse`, pods run that `protected` does not name.

    Nobody replaces these pods, or they run to their end.
    """
    pods = standing(found, request.settings).unnamed
    if pods and request.settings.unprotected == "refuse":
        hint = (
            "name them in `protected` (docs/protection.md), or wait until they end; or set `unprotected: protect` "
            "(their nodes wait for them too) or `unprotected: evict` (the rollout ends them)"
        )
        which = "1 pod" if len(pods) == 1 else f"{len(pods)} pods"
        what = f"{which} that `protected` does not name, which end or which nobody replaces: {workloads(pods)}"
        yield Blocker(f"on nodes that must go run {what}", hint)
