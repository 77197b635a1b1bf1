"""What the configuration protects: kinds that do not exist, and pods that nobody replaces and that it does not name."""

from __future__ import annotations

from collections.abc import Iterator

from rollout.errors import Blocker
from rollout.model.presets import names, through
from rollout.preflight.protection import controllers, standing, workloads
from rollout.preflight.survey import Request, Survey


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
    """The settings name a well-known kind that controls no pods itself, so that it selects nothing.

    Such kinds are Deployment, CronJob, JobSet and LeaderWorkerSet (docs/protection.md lists them). This is no
    blocker if the settings also name the kind that controls the pods, or if a kind of that name controls a pod.
    """
    protected = request.settings.protected
    named = (*protected.kinds, *(kind for preset in protected.presets for kind in preset.kinds))
    for kind in protected.kinds:
        direct = through(kind)
        if direct and not names(named, direct) and kind not in controllers(found):
            meant = direct if "." in kind else direct.partition(".")[0]
            problem = f"`protected.kinds` names {kind}, which controls no pods itself: {meant} does"
            yield Blocker(problem, f"write {meant} in `protected.kinds`")


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
