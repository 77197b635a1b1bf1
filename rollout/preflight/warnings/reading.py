"""What was not checked, and what looks like a mistake in the configuration."""

from __future__ import annotations

from collections.abc import Iterator

from rollout.model.presets import controls_pods, through
from rollout.preflight.protection import controllers
from rollout.preflight.rights import DISCOVERY
from rollout.preflight.survey import Request, Survey

_GRANT = "deploy/kubernetes/access.yaml has the right, docs/rights-kubernetes.md says what it is for"


def missing(found: Survey, request: Request) -> Iterator[str]:
    """Optional rights are missing."""
    for need in found.missing:
        granted = " and ".join(str(right) for right in need.rights)
        yield f"it is not checked {need.unchecked}: we may not {granted} ({_GRANT})"


def kinds(found: Survey, request: Request) -> Iterator[str]:
    """The API server does not say which kinds it serves."""
    if found.kinds and found.kinds.unread:
        yield f"it is not checked {DISCOVERY.unchecked}: {found.kinds.unread}"


def no_pods(found: Survey, request: Request) -> Iterator[str]:
    """The settings name a kind that controls no pod of the cluster now, and that is not known to control pods."""
    for kind in request.settings.protected.kinds:
        if not (through(kind) or controls_pods(kind) or kind in controllers(found)):
            yield (
                f"`protected.kinds` names {kind}, which controls no pod now: if it makes pods through another kind, "
                "write that one (kubectl get pod NAME -o yaml: the ownerReference with `controller: true`)"
            )


def namespaces(found: Survey, request: Request) -> Iterator[str]:
    """The settings name namespaces that do not exist. Nothing is selected there."""
    for name in found.absent:
        yield f"`protected.namespaces` names {name}, a namespace that does not exist: `protected` selects no pod there"


def autoscalers(found: Survey, request: Request) -> Iterator[str]:
    """The settings say that the cluster has no autoscaler, but it seems to have one."""
    for one in found.lookalikes if request.settings.autoscaler is None else ():
        yield (
            f"`autoscaler: none` is set, but Deployment {one.namespace}/{one.name} looks like cluster-autoscaler, "
            f"which ends nodes by itself; if it scales this cluster, write `{one.setting}`"
        )
