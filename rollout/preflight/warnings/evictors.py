"""Other tools that evict pods from a node because it has our taint."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rollout.commands import kubectl
from rollout.model.observation import PodSeen
from rollout.preflight.survey import Request, Survey

_DESCHEDULER = "descheduler"
#: Labels of pods that say what runs in them: of its Helm chart, and of its plain manifests.
_NAMING = ("app.kubernetes.io/name", "app", "k8s-app")
#: How a CronJob names its Jobs: with the time after its own name, in minutes; a Deployment: with a hash.
_OF_CRON_JOB, _OF_DEPLOYMENT = re.compile(r"(.+)-\d{8,10}"), re.compile(r"(.+)-[a-z0-9]+")
_SUSPENDED = '{"spec":{"suspend":true}}'


def descheduler(found: Survey, request: Request) -> Iterator[str]:
    """A pod looks like descheduler, which evicts Jobs from nodes with a taint such as ours.

    Finished pods of a CronJob count too, because it runs again. The check reads neither its policy nor whether it
    is suspended.
    """
    key = request.settings.taint_key
    for name, pause in sorted({_workload(pod) for pod in found.pods if _acts(pod)}):
        yield (
            f"{name} looks like descheduler, which evicts pods, those of Jobs too, from nodes with a NoSchedule taint "
            f"(RemovePodsViolatingNodeTaints): it would evict Jobs from the old nodes when they carry the taint {key}; "
            f"pause it for the rollout{f' ({pause})' if pause else ''}, or name {key} in excludedTaints of its policy"
        )


def _acts(pod: PodSeen) -> bool:
    """Tell whether it looks like one that runs, or that a CronJob runs again."""
    names = (pod.name, pod.owner.name if pod.owner else "")
    alike = any(pod.labels.get(label) == _DESCHEDULER for label in _NAMING)
    alike = alike or any(name.startswith(_DESCHEDULER) for name in names)
    return alike and (not pod.finished or _parent(pod)[0] == "CronJob")


def _workload(pod: PodSeen) -> tuple[str, str]:
    """Return what runs it, in words, and the command that pauses that; "" where none is known."""
    kind, name = _parent(pod)
    if kind == "CronJob":
        pause = kubectl("-n", pod.namespace, "patch", "cronjob", name, "-p", _SUSPENDED)
    elif kind in {"Deployment", "StatefulSet"}:
        pause = kubectl("-n", pod.namespace, "scale", kind.lower(), name, "--replicas=0")
    else:
        pause = ""
    return f"{kind} {pod.namespace}/{name}", pause


def _parent(pod: PodSeen) -> tuple[str, str]:
    """Return kind and name of what a person changes: the controller, or by its name the controller's own."""
    owner = pod.owner
    if owner is None:
        return "pod", pod.name
    if owner.is_job and (job := _OF_CRON_JOB.fullmatch(owner.name)):
        return "CronJob", job[1]
    if owner.kind == "ReplicaSet" and (replicas := _OF_DEPLOYMENT.fullmatch(owner.name)):
        return "Deployment", replicas[1]
    return owner.kind, owner.name
