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
from rollout.model.effects import Resize, StartAutoscaler, StopAutoscaler, Written
from rollout.model.effects.occasions import ADOPTED
from rollout.model.machine import AUTOSCALER_OFF, DRAINING, PROTECTED, SIZED, SURGED, TAINTED, Phase, Stage
from rollout.model.reasons import Reason, tagged
from rollout.model.windows import open_until, to_open
from rollout.phases.shared import surged

if TYPE_CHECKING:
    from datetime import datetime

    from rollout.model.record import Record
    from rollout.ports import Event

#: Halts that say that groups, or cluster-autoscaler, are no longer as the rollout set them: the journal cannot tell how
#: they are. One halt names each drift, and has the reason of the first.
_GROUPS_CHANGED = frozenset(
    {
        Reason.DRIFT_LAUNCH_TEMPLATE,
        Reason.DRIFT_PROCESSES,
        Reason.DRIFT_SIZES,
        Reason.GROUP_DELETED,
        Reason.TOO_MANY_INSTANCES,
    }
)
_AUTOSCALER_CHANGED = frozenset({Reason.AUTOSCALER_SCALED_UP})
#: Halts for a write of ours that is not there: of groups, of cluster-autoscaler, or of nodes.
_WRITE_MISSING = frozenset(
    {
        Reason.EFFECT_FAILS,
        Reason.EFFECT_NOT_VISIBLE,
        Reason.EFFECT_REJECTED,
        Reason.EFFECT_REVERTED,
        Reason.EFFECT_UNCLEAR,
    }
)
#: Halts by which this journal may know nothing of what is there now.
_UNSEEN = frozenset({Reason.FOREIGN_MARKER, Reason.JOURNAL_OUTDATED, Reason.MARKER_GONE, Reason.OBSERVATION_DENIED})


def halted(record: Record, events: Sequence[Event]) -> Iterator[str]:
    """Yield what happened, what is true now, what it costs to wait and until when nothing gets worse, the commands."""
    told = why.halt(events)
    if told:
        yield tagged("halted", told.reason) + f": {told.data['why']}"
        yield from now(record, told.reason)
        yield f"  next: {told.data['hint']}"
        if record.may_turn:
            yield f"  or back to what was before: {abort(record.id)}"


def paused(record: Record) -> Iterator[str]:
    """Yield since when a rollout is paused, by whom and why, where it is."""
    if record.pause:
        yield f"paused since {instant(record.pause.at)} {record.pause.label}"


def closed(record: Record, now: datetime) -> Iterator[str]:
    """Yield what waits for a maintenance window, and until when; nothing where one is open, or nothing waits for it."""
    windows = record.plan.settings.windows
    held = {Phase.PLANNED: "nothing is begun", Phase.DRAIN: "no further node is drained and no Job is ended"}
    if record.phase in held and not open_until(windows, now):
        yield tagged(f"{held[record.phase]} outside of {to_open(windows, now)}", Reason.WINDOW_CLOSED)


def left(events: Sequence[Event]) -> Iterator[str]:
    """Yield what RESTORE did not restore, because somebody else had changed it."""
    for event in events:
        if event.kind == "report":
            yield f"left as it is: {event.text}"


def now(record: Record, halted_for: str | None = None) -> Iterator[str]:
    """Yield what is true of the cluster until somebody goes on, and what that costs; nothing that the halt denies."""
    seen = ", as the rollout last wrote it" if halted_for in _UNSEEN else ""
    yield f"  now{seen}: {'; '.join(_state(record, halted_for))}"
    yield f"  waiting: {'; '.join(_costs(record, halted_for))}"


def _state(record: Record, halted_for: str | None) -> Iterator[str]:
    if record.plan.goes_back:
        yield "it goes back to what was before"
    sizes = [f"{group} {wrote}" for group, wrote, _ in _sizes(record)]
    pending = [row.effect for row in record.unsettled if row.under_way]
    if halted_for not in _GROUPS_CHANGED | _WRITE_MISSING:
        if sizes:
            yield f"sizes as the rollout set them: {', '.join(sizes)}"
        elif not any(isinstance(effect, Resize) for effect in pending):
            yield "sizes are as they were found"
    if record.plan.settings.autoscaler and not _autoscaler_unknown(record, halted_for):
        yield f"cluster-autoscaler {_autoscaler(record)}"
    if pending:
        yield f"{count(len(pending), 'change')} of ours not seen yet"
    written = halted_for not in _WRITE_MISSING
    if record.phase in TAINTED:
        still, which = _still(record, Stage.GONE), f"{record.plan.leaving} node"
        yield f"{count(still, which)} left{', with our taint' * written}" if still else f"no {which} is left"
    if record.phase in PROTECTED and written and halted_for not in _GROUPS_CHANGED:
        yield "instances are protected from scale-in until their turn"
    yield "protected pods keep running"


def _autoscaler_unknown(record: Record, halted_for: str | None) -> bool:
    """Tell whether the halt may be about cluster-autoscaler; where it was seen at 0, only for a write of its own."""
    if halted_for in _WRITE_MISSING and record.phase in AUTOSCALER_OFF:
        return any(isinstance(row.effect, StopAutoscaler) for row in record.unsettled)
    return halted_for in _AUTOSCALER_CHANGED | _WRITE_MISSING


def _autoscaler(record: Record) -> str:
    off = record.autoscaler_off
    if off:
        adopted = any(key.startswith("stop-autoscaler:") and key.endswith(ADOPTED) for key in record.done)
        return f"is at 0 since {instant(off)}{' or longer' * adopted}"
    if record.did(StartAutoscaler):
        return "is started again"
    return "was found at 0" if record.plan.autoscaler_replicas == 0 else "is not stopped"


def _still(record: Record, *stages: Stage) -> int:
    """Count the nodes that must go and are in none of these stages."""
    return sum(row.role == record.plan.leaving and row.stage not in stages for row in record.nodes)


def _costs(record: Record, halted_for: str | None) -> Iterator[str]:
    known = halted_for not in _GROUPS_CHANGED | _WRITE_MISSING
    extra = sum(more for _, _, more in _sizes(record)) if known else 0
    at_most = "up to " if record.phase is Phase.SURGE else ""  # some may not have come: that is why it halts there
    off, limit = record.autoscaler_off, record.plan.settings.max_autoscaler_off_seconds
    # Its pod may be told to end, and still scale.
    stopped = off and halted_for != Reason.AUTOSCALER_PODS_RUNNING and not _autoscaler_unknown(record, halted_for)
    # Desired counts it no more once its terminate is sent; it runs until AWS has ended it.
    ending = sum(row.stage is Stage.TERMINATING for row in record.nodes) if known else 0
    costs = [f"{at_most}{count(extra, 'more instance')}"] * bool(extra)
    costs += [f"{count(ending, 'instance')} that AWS has not ended"] * bool(ending)
    if costs:
        yield f"costs {', and '.join(costs)}"
    elif not known:
        yield "costs the instances that the groups have beyond those before"
    elif not stopped:
        yield "costs nothing"
    if off and stopped:
        until = instant(off + timedelta(seconds=limit))
        yield f"nobody scales the groups (for longer than max_autoscaler_off from {until} on)"
    ends = record.phase in DRAINING and record.plan.settings.on_deadline != "halt"
    if ends and record.drain_deadline and _still(record, Stage.TERMINATING, Stage.GONE):
        at, which = instant(record.drain_deadline), record.plan.leaving
        ends_it = "asks before it ends" if record.pause else "ends"
        yield (
            f"nothing gets worse by itself; from {at} on a resume {ends_it} the protected pods on {which} nodes that "
            "are older"
        )
    elif halted_for == Reason.LAUNCH_TEMPLATE_NOT_FOUND:
        yield "no instance that ends is replaced"
    else:
        yield "nothing gets worse, however long it takes"


def _sizes(record: Record) -> Iterator[tuple[str, str, int]]:
    """Yield each group whose sizes are ours now: its name, those sizes in words, and how many instances more it has."""
    # A way back begins before SURGE, with the sizes that the groups had where it turned.
    for baseline in record.plan.baselines if record.phase in SIZED or record.plan.goes_back else ():
        wrote, before = record.written.get(baseline.group, Written()), baseline.sizes
        desired = before.desired if wrote.desired is None else wrote.desired
        if wrote.desired is None and record.phase in SURGED and before.desired:  # as a journal that was rebuilt has it
            desired = surged(record, record.plan.group(baseline.group)).desired
        fields = (
            ("desires", desired, before.desired),
            ("has MinSize", wrote.minimum, before.minimum),
            ("has MaxSize", wrote.maximum, before.maximum),
        )
        words = [f"{name} {now} ({was} before)" for name, now, was in fields if now is not None and now != was]
        if words:
            yield baseline.group, " and ".join(words), max(desired - before.desired, 0)
