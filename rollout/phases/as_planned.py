"""A rollout that was started with a plan: what moved since is seen before anything of a group is changed.

The start compares, too; from then until the baselines are taken groups may still change.
"""

from __future__ import annotations

from collections.abc import Iterator

from rollout.model.accepted import Moved
from rollout.model.decision import Halt
from rollout.model.observation import GroupSeen, Observation
from rollout.model.plan import Planned, listed
from rollout.model.reasons import Reason
from rollout.model.record import Record

#: Instances that one line lists at most.
_LISTED = 5


def not_as_planned(seen: Observation, record: Record, replicas: int | None) -> Halt | None:
    """Halt where a group is not as the plan said, unless a person agreed to just that; `replicas`: to be given back."""
    moved = tuple(_moved(seen, record, replicas))
    if not moved or Moved(moved) in record.accepted:
        return None
    why = f"no group was changed; not as in the plan that it was started with: {'; '.join(moved)}"
    return Halt(Reason.PLAN_MOVED, why, "a resume accepts what is there now", (Moved(moved),))


def _moved(seen: Observation, record: Record, replicas: int | None) -> Iterator[str]:
    for planned in record.plan.planned:
        if not (current := seen.group(planned.group)).gone:
            yield from _of_group(planned, current)
    if record.plan.planned:
        yield from _other("replicas of cluster-autoscaler", record.plan.autoscaler_replicas, replicas)


def _of_group(planned: Planned, current: GroupSeen) -> Iterator[str]:
    name = planned.group
    yield from _other(name, planned.sizes, current.sizes)
    there = {one.id for one in current.living}
    if gone := sorted({*planned.instances} - there):
        yield f"of the instances of {name} that were to go {listed(gone, _LISTED)} left"
    if came := sorted(there - {*planned.instances}):
        yield f"{listed(came, _LISTED)} of {name} came, and would have to go too"
    yield from _other(f"suspended in {name}", _names(planned.suspended), _names(current.suspended))
    flag = f"scale-in protection of new instances of {name}"
    yield from _other(flag, _switch(on=planned.protect_new), _switch(on=current.protect_new))
    rebalance = f"Capacity Rebalancing of {name}"
    yield from _other(rebalance, _switch(on=planned.capacity_rebalance), _switch(on=current.capacity_rebalance))


def _other(what: str, before: object, now: object) -> Iterator[str]:
    if before != now:
        yield f"{what}: {before} in the plan, {now} now"


def _names(processes: tuple[str, ...] | frozenset[str]) -> str:
    return ", ".join(sorted(processes)) or "none"


def _switch(*, on: bool) -> str:
    return "on" if on else "off"
