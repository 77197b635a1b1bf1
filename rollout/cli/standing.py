"""How a rollout that a person or a machine must go on with stands: what is true of the cluster, and what waiting costs.

Four lines at most, and the last one is the whole command; where there is a way back, it is a fifth. They rest on the
journal alone: nothing is asked for them. A halt has what was seen at it. Where nothing was seen, or nobody halted,
only what the rollout last wrote is known, and it is told as that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from rollout.cli import why
from rollout.cli.screen import at_work
from rollout.cli.screen.format import count, instant
from rollout.commands import abort
from rollout.formats.codec import sight_of
from rollout.model.effects import Resize, StartAutoscaler, Written
from rollout.model.effects.occasions import ADOPTED
from rollout.model.machine import DRAINING, PROTECTED, SIZED, SURGED, TAINTED, Phase, Stage
from rollout.model.reasons import Reason, tagged
from rollout.model.windows import open_until, to_open
from rollout.phases.shared import surged

if TYPE_CHECKING:
    from datetime import datetime

    from rollout.model.plan import Sizes
    from rollout.model.record import Record
    from rollout.model.sight import Sight
    from rollout.ports import Event


def halted(record: Record, events: Sequence[Event]) -> Iterator[str]:
    """Yield what happened, what is true now, what it costs to wait and until when nothing gets worse, the commands."""
    told = why.halt(events)
    if told:
        yield tagged("halted", told.reason) + f": {told.data['why']}"
        yield from now(record, told)
        yield f"  next: {told.data['hint']}"
        if record.may_turn:
            yield f"  or back to what was before: {abort(record.id)}"


def paused(record: Record) -> Iterator[str]:
    """Yield since when a rollout is paused, by whom and why, where it is."""
    if record.pause:
        yield at_work.paused(record.pause)


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


def now(record: Record, halt: Event | None = None) -> Iterator[str]:
    """Yield how the cluster stands until somebody goes on, and what that costs.

    `halt`: the event of a halt that stands, None where nobody halted.
    """
    sight = sight_of(halt.data.get("seen")) if halt else None
    if sight:
        yield f"  now: {'; '.join(_seen(record, sight))}"
    else:
        unseen = "not seen at this halt; " if halt else ""
        yield f"  now: {unseen}as the rollout last wrote it: {'; '.join(_written(record))}"
    yield f"  waiting: {'; '.join(_costs(record, halt.reason if halt else None, sight))}"


def _seen(record: Record, sight: Sight) -> Iterator[str]:
    """Yield what a halt saw."""
    if record.plan.goes_back:
        yield "it goes back to what was before"
    yield from (f"{one.name} is deleted" for one in sight.groups if one.sizes is None)
    yield from _sizes_seen(record, sight)
    if record.plan.settings.autoscaler:
        yield f"cluster-autoscaler {_autoscaler_seen(record, sight.autoscaler)}"
    yield from _pending(record)
    if record.phase in TAINTED:
        yield _left_seen(sight, f"{record.plan.leaving} node")
        yield _protection_seen(sight)
    yield "the rollout ends no protected pod"


def _sizes_seen(record: Record, sight: Sight) -> Iterator[str]:
    before = {baseline.group: baseline.sizes for baseline in record.plan.baselines}
    there = [(one.name, one.sizes, before.get(one.name)) for one in sight.groups if one.sizes]
    told = [f"{name} {text}" for name, sizes, was in there if was and (text := _changed(sizes, was))]
    told += [f"{name} desires {sizes.desired}" for name, sizes, was in there if was is None]
    if told:
        yield f"sizes: {', '.join(told)}"
    elif there:
        yield "sizes are as they were found"


def _changed(sizes: Sizes, was: Sizes) -> str:
    fields = (
        ("desires", sizes.desired, was.desired),
        ("has MinSize", sizes.minimum, was.minimum),
        ("has MaxSize", sizes.maximum, was.maximum),
    )
    return " and ".join(f"{name} {now} ({before} before)" for name, now, before in fields if now != before)


def _autoscaler_seen(record: Record, replicas: int | None) -> str:
    if replicas is None:
        return "is not there"
    return _autoscaler(record) if replicas == 0 and record.autoscaler_off else f"has {count(replicas, 'replica')}"


def _left_seen(sight: Sight, which: str) -> str:
    if not sight.left:
        return f"no {which} is left"
    some = "" if sight.tainted in {0, sight.left} else f"{sight.tainted} of them "
    return f"{count(sight.left, which)} left, {some}{'with' if sight.tainted else 'without'} our taint"


def _protection_seen(sight: Sight) -> str:
    if bare := sum(one.unprotected for one in sight.groups):
        could = sum(one.in_service for one in sight.groups)
        return f"{bare} of {count(could, 'instance')} not protected from scale-in: Auto Scaling may end them"
    return "instances are protected from scale-in until their turn"


def _pending(record: Record) -> Iterator[str]:
    if pending := sum(row.under_way for row in record.unsettled):
        yield f"{count(pending, 'change')} of ours not seen yet"


def _written(record: Record) -> Iterator[str]:
    """Yield what the journal says that the rollout wrote."""
    if record.plan.goes_back:
        yield "it goes back to what was before"
    if sizes := [f"{group} {wrote}" for group, wrote, _ in _sizes(record)]:
        yield f"sizes: {', '.join(sizes)}"
    elif not any(isinstance(row.effect, Resize) for row in record.unsettled if row.under_way):
        yield "sizes are as they were found"
    if record.plan.settings.autoscaler:
        yield f"cluster-autoscaler {_autoscaler(record)}"
    yield from _pending(record)
    if record.phase in TAINTED:
        still, which = _still(record, Stage.GONE), f"{record.plan.leaving} node"
        yield f"{count(still, which)} left, with our taint" if still else f"no {which} is left"
    if record.phase in PROTECTED:
        yield "instances are protected from scale-in until their turn"
    yield "the rollout ends no protected pod"


def _autoscaler(record: Record) -> str:
    off = record.autoscaler_off
    if off:
        adopted = any(key.startswith("stop-autoscaler:") and key.endswith(ADOPTED) for key in record.done)
        return f"is at 0 since {instant(off)}{' or longer' * adopted}"
    if record.did(StartAutoscaler):
        return "is started again"
    return "was found at 0" if record.plan.autoscaler_replicas == 0 else "is not stopped"


def _still(record: Record, *stages: Stage) -> int:
    """Count the nodes that must go and are in none of these stages; those of a deleted group went with it."""
    there = (row for row in record.nodes if row.group not in record.deleted)
    return sum(row.role == record.plan.leaving and row.stage not in stages for row in there)


def _more(record: Record, sight: Sight | None) -> tuple[int, bool, int]:
    """Return how many more instances there are than before, whether some may not have come, how many AWS is ending."""
    if sight is None:
        # Desired counts one no more once its terminate is sent; it runs until AWS has ended it.
        ending = sum(row.stage is Stage.TERMINATING for row in record.nodes)
        return sum(more for _, _, more in _sizes(record)), record.phase is Phase.SURGE, ending
    before = {baseline.group: baseline.sizes.desired for baseline in record.plan.baselines}
    there = [(one, one.sizes.desired) for one in sight.groups if one.sizes and one.name in before]
    more = sum(max(max(desired, one.living) - before[one.name], 0) for one, desired in there)
    return more, any(desired > one.living for one, desired in there), sum(one.ending for one in sight.groups)


def _costs(record: Record, halted_for: str | None, sight: Sight | None) -> Iterator[str]:
    extra, coming, ending = _more(record, sight)
    at_most = "up to " if coming else ""
    off, limit = record.autoscaler_off, record.plan.settings.max_autoscaler_off_seconds
    # Its pod may be told to end, and still scale.
    stopped = off and halted_for != Reason.AUTOSCALER_PODS_RUNNING and (sight is None or sight.autoscaler == 0)
    costs = [f"{at_most}{count(extra, 'more instance')}"] * bool(extra)
    costs += [f"{count(ending, 'instance')} that AWS has not ended"] * bool(ending)
    if costs:
        yield f"costs {', and '.join(costs)}"
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
    there = (one for one in record.plan.baselines if one.group not in record.deleted)
    for baseline in there if record.phase in SIZED or record.plan.goes_back else ():
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
