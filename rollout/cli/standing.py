"""How a rollout that a person or a machine must go on with stands: what is true of the cluster, and what waiting costs.

Four lines at most, and the last one is the whole command; where there is a way back, it is a fifth. They rest on the
journal alone: nothing is asked for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from rollout.cli import why
from rollout.cli.screen.format import count, instant
from rollout.commands import abort
from rollout.model.machine import DRAINING, PROTECTED, SIZED, TAINTED, Phase, Stage, can_turn
from rollout.model.reasons import Reason, tagged

if TYPE_CHECKING:
    from rollout.model.record import Record
    from rollout.ports import Event

#: Halts that say that groups, or cluster-autoscaler, are no longer as the rollout set them: the journal cannot tell how
#: they are. One halt names each drift, and has the reason of the first.
_GROUPS_CHANGED = frozenset(
    {Reason.DRIFT_LAUNCH_TEMPLATE, Reason.DRIFT_PROCESSES, Reason.DRIFT_SIZES, Reason.EFFECT_REVERTED}
)
_AUTOSCALER_CHANGED = frozenset({Reason.AUTOSCALER_SCALED_UP, Reason.EFFECT_REVERTED})


def halted(record: Record, events: Sequence[Event]) -> Iterator[str]:
    """Yield what happened, what is true now, what it costs to wait and until when nothing gets worse, the commands."""
    told = why.halt(events)
    if told:
        yield tagged("halted", told.reason) + f": {told.data['why']}"
        yield from now(record, told.reason)
        yield f"  next: {told.data['hint']}"
        if can_turn(record.phase) and not record.plan.goes_back:
            yield f"  or back to what was before: {abort(record.id)}"


def left(events: Sequence[Event]) -> Iterator[str]:
    """Yield what RESTORE did not restore, because somebody else had changed it."""
    for event in events:
        if event.kind == "report":
            yield f"left as it is: {event.text}"


def now(record: Record, halted_for: str | None = None) -> Iterator[str]:
    """Yield what is true of the cluster until somebody goes on, and what that costs; nothing that the halt denies."""
    yield f"  now: {'; '.join(_state(record, halted_for))}"
    yield f"  waiting: {'; '.join(_costs(record, halted_for))}"


def _state(record: Record, halted_for: str | None) -> Iterator[str]:
    if record.plan.goes_back:
        yield "it goes back to what was before"
    sizes = [f"{group} desires {wrote} ({before} before)" for group, wrote, before in _sizes(record)]
    if halted_for not in _GROUPS_CHANGED:
        yield f"sizes as the rollout set them: {', '.join(sizes)}" if sizes else "sizes are as they were found"
    if record.plan.settings.autoscaler and halted_for not in _AUTOSCALER_CHANGED:
        off = record.autoscaler_off
        yield f"cluster-autoscaler is at 0 since {instant(off)}" if off else "cluster-autoscaler is not stopped"
    leaving = record.plan.leaving
    still = sum(row.role == leaving and row.stage is not Stage.GONE for row in record.nodes)
    if record.phase in TAINTED:
        yield f"{count(still, f'{leaving} node')} left, with our taint"
    if record.phase in PROTECTED:
        yield "instances are protected from scale-in until their turn"
    yield "protected pods keep running"


def _costs(record: Record, halted_for: str | None) -> Iterator[str]:
    known = halted_for not in _GROUPS_CHANGED
    extra = sum(max(wrote - before, 0) for _, wrote, before in _sizes(record)) if known else 0
    at_most = "up to " if record.phase is Phase.SURGE else ""  # some may not have come: that is why it halts there
    costs = [f"{at_most}{count(extra, 'more instance')} paid for"] if extra else []
    off, limit = record.autoscaler_off, record.plan.settings.max_autoscaler_off_seconds
    if off and halted_for not in _AUTOSCALER_CHANGED:
        until = instant(off + timedelta(seconds=limit))
        costs.append(f"nobody scales the groups (for longer than max_autoscaler_off from {until} on)")
    nothing = "costs nothing" if known else "costs the instances that the groups have beyond those before"
    yield f"costs {', '.join(costs)}" if costs else nothing
    if record.phase in DRAINING and record.drain_deadline and record.plan.settings.on_deadline != "halt":
        at, which = instant(record.drain_deadline), record.plan.leaving
        yield f"nothing gets worse by itself; from {at} on a resume ends the protected pods still on {which} nodes"
    else:
        yield "nothing gets worse, however long it takes"


def _sizes(record: Record) -> Iterator[tuple[str, int, int]]:
    """Yield each group whose desired capacity is ours now: its name, that number, and the one before."""
    for baseline in record.plan.baselines if record.phase in SIZED else ():
        wrote, before = record.written.get(baseline.group), baseline.sizes.desired
        if wrote and wrote.desired is not None and wrote.desired != before:
            yield baseline.group, wrote.desired, before
