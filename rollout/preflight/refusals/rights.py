"""What AWS and Kubernetes would not let us read or do, as far as they can be asked."""

from __future__ import annotations

from collections.abc import Iterator

from rollout.errors import Refusal
from rollout.preflight.survey import Request, Survey

_GRANT = "grant it to the role that we act in: README, the tables of rights"


def unread(found: Survey, request: Request) -> Iterator[Refusal]:
    """A read is refused: whatever it would have shown was not looked at."""
    for answer in dict.fromkeys(found.unread.values()):
        yield Refusal(f"we may not read what a rollout must know: {answer}", _GRANT)


def denied(found: Survey, request: Request) -> Iterator[Refusal]:
    """AWS would refuse to create a template version or to move its default (asked by DryRun)."""
    for answer in found.denied:
        yield Refusal(f"AWS would not let us: {answer}", _GRANT)


def lacking(found: Survey, request: Request) -> Iterator[Refusal]:
    """Kubernetes does not grant a right that a rollout needs (asked by SelfSubjectAccessReview)."""
    for right in found.lacking:
        yield Refusal(f"Kubernetes would not let us: {right}", _GRANT)
