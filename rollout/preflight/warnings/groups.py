"""The groups: what is switched off in them, and a rollout would use."""

from __future__ import annotations

from collections.abc import Iterator

from rollout.commands import resume_processes
from rollout.preflight.survey import Request, Survey

_HEALTH = ("HealthCheck", "ReplaceUnhealthy")
_BALANCER = "AddToLoadBalancer"


def unwell(found: Survey, request: Request) -> Iterator[str]:
    """HealthCheck or ReplaceUnhealthy is suspended on a group.

    An instance that dies during the rollout is not replaced.
    """
    for group in found.groups:
        stopped = [name for name in _HEALTH if name in group.suspended]
        if stopped:
            what = f"{group.name} has {' and '.join(stopped)} suspended"
            then = "a new instance that dies is not replaced, and the rollout waits for it until a deadline"
            yield f"{what}: {then} (if nobody needs it so: {resume_processes(group.name, stopped)})"


def not_balanced(found: Survey, request: Request) -> Iterator[str]:
    """AddToLoadBalancer is suspended on a group. Its load balancer does not get the new instances, also not later."""
    for group in found.groups:
        if _BALANCER in group.suspended:
            then = "no load balancer of its own gets the new instances, not even once it is resumed"
            yield f"{group.name} has {_BALANCER} suspended: {then} ({resume_processes(group.name, [_BALANCER])})"
