"""The cluster-autoscaler, which is off during the rollout: for how long, and which other groups are not scaled."""

from __future__ import annotations

from collections.abc import Iterator

from rollout.model.plan import Settings, duration, listed, spelled
from rollout.model.preflight_observation import GroupProbed
from rollout.model.windows import shortest
from rollout.preflight.survey import Request, Survey

#: How the tag begins by which cluster-autoscaler finds the groups of a cluster (its README for AWS, "Auto-discovery").
_FOUND_BY = "k8s.io/cluster-autoscaler/"
#: Groups that one line lists at most.
_LISTED = 10


def other_groups(found: Survey, request: Request) -> Iterator[str]:
    """Other groups of the cluster are not scaled while cluster-autoscaler is off."""
    others = sorted(one.name for one in found.probed.values() if _is_other(one, request))
    if is_stopped(found, request.settings) and others:
        yield f"cluster-autoscaler is off during the rollout: nobody scales {listed(others, _LISTED)} either"


def too_long(found: Survey, request: Request) -> Iterator[str]:
    """The deadlines add up to more than `max_autoscaler_off`."""
    settings = request.settings
    if is_stopped(found, settings) and longest(settings) > settings.max_autoscaler_off_seconds:
        limit = spelled(settings.max_autoscaler_off_seconds)
        yield f"cluster-autoscaler may be off for longer than max_autoscaler_off ({limit}): {_span(settings)}"


def window_closes(found: Survey, request: Request) -> Iterator[str]:
    """The deadlines add up to more than a maintenance window. It may close while nodes are drained."""
    settings = request.settings
    if not settings.windows or duration(longest(settings)) <= shortest(settings.windows):
        return
    length, takes = spelled(shortest(settings.windows).total_seconds()), spelled(longest(settings))
    off = ", cluster-autoscaler stays off" * is_stopped(found, settings)
    yield (
        f"the shortest maintenance window is open for {length}, and by the deadlines a rollout takes up to {takes}: if "
        f"it closes in mid-drain{off} and the groups keep their extra instances until the next one opens"
    )


def told(found: Survey, settings: Settings) -> tuple[str, ...]:
    """Say for how long a rollout stops it, if it does."""
    return (f"cluster-autoscaler is off during the rollout: {_span(settings)}",) if is_stopped(found, settings) else ()


def is_stopped(found: Survey, settings: Settings) -> bool:
    """Tell whether there is one that works, and that the rollout stops."""
    return settings.autoscaler is not None and found.autoscaler is not None and found.autoscaler.replicas > 0


def longest(settings: Settings) -> float:
    """Return the seconds for which it may be off until every deadline has passed."""
    # It ends, instances come, are Ready; nodes are emptied; everything is given back.
    begin = 2 * settings.in_service_seconds + settings.ready_seconds
    return begin + settings.drain_seconds + settings.blocked_seconds + settings.in_service_seconds


def _span(settings: Settings) -> str:
    return f"up to {spelled(longest(settings))} by the deadlines, longer where many nodes leave after them or it halts"


def _is_other(group: GroupProbed, request: Request) -> bool:
    if group.name in request.groups:
        return False
    return f"{_FOUND_BY}{request.cluster}" in group.tags or request.cluster in group.clusters
