"""What the role of this process may not read or do, as far as AWS and Kubernetes can be asked."""

from __future__ import annotations

from collections.abc import Iterator

from rollout.errors import Blocker
from rollout.preflight.survey import Request, Survey

_GRANT = "grant it to the role of this process (docs/rights.md)"


def unread(found: Survey, request: Request) -> Iterator[Blocker]:
    """A read is refused. What it would have shown is not checked."""
    for answer in dict.fromkeys(found.unread.values()):
        yield Blocker(f"we may not read what a rollout must know: {answer}", _GRANT)


def denied(found: Survey, request: Request) -> Iterator[Blocker]:
    """AWS would refuse to create a template version, to move its default, or to launch from it (asked by DryRun).

    Auto Scaling gives a group another version only for a caller who may launch its instances, with their role and
    tags.
    """
    for answer in found.denied:
        yield Blocker(f"AWS would not let us: {answer}", _GRANT)


def lacking(found: Survey, request: Request) -> Iterator[Blocker]:
    """Kubernetes does not grant a right that a rollout needs (asked by SelfSubjectAccessReview)."""
    for right in found.lacking:
        yield Blocker(f"Kubernetes would not let us: {right}", _GRANT)
