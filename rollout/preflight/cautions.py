"""What keeps no rollout from its start, and is told: each thing that was not checked, or looks like a slip."""

from __future__ import annotations

from collections.abc import Iterator

from rollout.preflight.rights import DISCOVERY, IDENTITY
from rollout.preflight.survey import Request, Survey

_GRANT = "deploy/kubernetes/access.yaml has the right, docs/rights-kubernetes.md says what it is for"


def cautions(found: Survey, request: Request, *, identified: bool) -> tuple[str, ...]:
    """Return every warning, in words; `identified`: it is known which cluster this is."""
    unknown = () if identified or IDENTITY in found.missing else (_unidentified(),)
    return (*_missing(found), *unknown, *_kinds(found), *_namespaces(found), *_autoscalers(found, request))


def _missing(found: Survey) -> Iterator[str]:
    """Rights are missing that a rollout can do without."""
    for need in found.missing:
        granted = " and ".join(str(right) for right in need.rights)
        yield f"it is not checked {need.unchecked}: we may not {granted} ({_GRANT})"


def _unidentified() -> str:
    """The cluster's uid could not be read, though we may."""
    return f"it is not checked {IDENTITY.unchecked}: namespace kube-system could not be read"


def _kinds(found: Survey) -> Iterator[str]:
    """The API server does not say which kinds it serves."""
    if found.kinds and found.kinds.unread:
        yield f"it is not checked {DISCOVERY.unchecked}: {found.kinds.unread}"


def _namespaces(found: Survey) -> Iterator[str]:
    """The settings name namespaces that do not exist: nothing is selected there."""
    for name in found.absent:
        yield f"`protected.namespaces` names {name}, a namespace that does not exist: `protected` selects no pod there"


def _autoscalers(found: Survey, request: Request) -> Iterator[str]:
    """The settings say that the cluster has no autoscaler, and it looks as if it had one."""
    for one in found.lookalikes if request.settings.autoscaler is None else ():
        yield (
            f"`autoscaler: none` is set, but Deployment {one.namespace}/{one.name} looks like cluster-autoscaler, "
            f"which ends nodes by itself; if it scales this cluster, write `{one.setting}`"
        )
