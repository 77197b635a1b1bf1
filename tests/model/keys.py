"""What of a state makes it another one: times as how long ago they are, as far as that is compared with anything."""

from __future__ import annotations

from datetime import datetime
from typing import Any

#: Seconds beyond which nothing is compared with how long ago something was: half-seen effects, and pods that left.
LONGEST = 960.0
#: The same for a deadline: budgets have their time after it.
PAST = 300.0
#: Requests of one effect, and yeses to one, beyond which nothing counts them.
MOST = 3

Memory = tuple[tuple[str, Any], ...]


def ago(moment: datetime | None, now: datetime, longest: float = LONGEST) -> float | None:
    """Return how long ago that was, where it matters how long."""
    return None if moment is None else min((now - moment).total_seconds(), longest)


def to_come(moment: datetime | None, now: datetime) -> float | None:
    """Return how long it is until then, as a number below 0; None where that is over."""
    return None if moment is None or moment <= now else (now - moment).total_seconds()


def world_key(values: tuple[Any, ...], now: datetime) -> tuple[Any, ...]:
    _, autoscaler, marker, launched, late, sleep, born, acted, groups, templates, nodes, pods, ended, _ = values
    return (
        autoscaler,
        marker and (marker.rollout_id, marker.uid, marker.checkpoint and marker.checkpoint.phase),
        launched,
        tuple((repr(one.asked), ago(one.until, now)) for one in late),
        ago(sleep, now),
        born,
        acted,
        groups["g"],
        (templates["lt"].default, len(templates["lt"].versions)),
        tuple(
            (
                one.name,
                one.uid,
                one.ready,
                one.unschedulable,
                one.taints,
                one.scale_down_disabled,
                one.scale_down_before,
            )
            for _, one in sorted(nodes.items())
        ),
        tuple((one.uid, one.finished, one.node) for _, one in sorted(pods.items())),
        tuple(sorted((one, count) for one, count in ended.items() if any(i.id == one for i in groups["g"].instances))),
    )


def memory_key(memory: Memory, now: datetime, done: set[str]) -> tuple[Any, ...]:
    values = dict(memory)
    said = values["_said"]
    return (
        ago(values["_blind"], now),
        values["_unheard"],
        ago(values["_denied"], now),
        *(
            tuple(
                (key, ago(first, now), ago(last, now))
                for key, (first, last) in values[name]._heard.items()
                if key not in done
            )
            for name in ("_refused", "_not_through")
        ),
        values["_hopeless"] is None,
        tuple((thing, ago(since, now)) for thing, since in values["_missed"].items()),
        repr(said.what),
        ago(said.since, now),
    )
