"""Works a report out of a rollout's history. Pure: the same journal gives the same report."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from rollout.cli import outcome, standing
from rollout.cli import why as told
from rollout.cli.report.model import (
    DIED,
    CallsTold,
    ChainTold,
    CommandTold,
    GroupTold,
    HaltTold,
    NodeTold,
    OpenTold,
    OtherTold,
    PhaseTold,
    Report,
    RunTold,
    Span,
    StageTold,
    Standing,
    Step,
    TemplateTold,
    WaitTold,
)
from rollout.cli.screen.format import instant, span
from rollout.commands import abort, resume
from rollout.journal.chain import START
from rollout.journal.models import deadline_column, stored
from rollout.model.effects import OnGroup, TaintNode
from rollout.model.machine import Phase, Stage, terminal
from rollout.model.plan import spelled
from rollout.model.reasons import Reason, tagged

if TYPE_CHECKING:
    from rollout.journal.history import Asked, Change, History, Lease
    from rollout.model.plan import NodeGroup, Plan
    from rollout.model.record import Record
    from rollout.ports import Event

#: Halts for what somebody else did.
_BY_OTHERS = frozenset(
    {
        Reason.AUTOSCALER_SCALED_UP,
        Reason.DRIFT_LAUNCH_TEMPLATE,
        Reason.DRIFT_PROCESSES,
        Reason.DRIFT_SIZES,
        Reason.EFFECT_REVERTED,
        Reason.FOREIGN_MARKER,
        Reason.FOREIGN_TEMPLATE_VERSION,
        Reason.MARKER_DELETED,
        Reason.MARKER_GONE,
        Reason.SELECTOR_MISMATCH,
        Reason.TOO_MANY_INSTANCES,
    }
)
#: What an event tells of the phase that it leads into, behind why the one before is over.
_NEXT_DEADLINE = re.compile(r" \(deadline [^()]*\)$")


def report(history: History) -> Report:
    """Return what is told of a rollout."""
    record, events = history.record, history.events
    written = _written(history)
    stands = _standing(history)
    nodes = tuple(_nodes(record, events))
    return Report(
        id=record.id,
        key=record.key,
        cluster=record.plan.cluster,
        region=record.plan.region,
        ami=record.plan.ami,
        description=record.plan.description,
        phase=record.phase.value,
        direction=record.plan.direction,
        standing=stands,
        headline=_headline(history, stands),
        begun=history.begun,
        ended=history.ended,
        written=written,
        now=tuple(_now(history)) if stands in {"halted", "paused", "nobody"} else (),
        next=_next(history, stands),
        or_back=abort(record.id) if stands == "halted" and record.may_turn else None,
        killed=history.killed,
        phases=tuple(_phases(events)),
        halts=tuple(_halts(history)),
        runs=tuple(_run(one, history, stands, written) for one in history.leases),
        groups=tuple(_group(one, record.plan, history, nodes) for one in record.plan.groups),
        nodes=nodes,
        others=tuple(sorted(_others(history), key=lambda one: one.at)),
        calls=tuple(_calls(history.changes)),
        open=tuple(OpenTold(one.effect.key, one.state, one.sent, one.detail) for one in record.unsettled),
        commands=tuple(sorted(_commands(history), key=lambda one: one.at)),
        chain=ChainTold(len(events), events[-1].hash if events else START, history.broken),
        unknown=tuple(_unknown(history)),
    )


# ---- how it stands --------------------------------------------------------------------------------------------------


def _written(history: History) -> datetime:
    """Return the last moment that the journal knows of: its last event, or a later sign of life."""
    last = history.events[-1].at if history.events else history.begun
    worker = history.worker
    if worker and worker.works and worker.last_sign and not terminal(history.record.phase):
        return max(last, worker.last_sign)
    return last


def _standing(history: History) -> Standing:
    record = history.record
    if terminal(record.phase):
        return "aborted" if record.phase is Phase.ABORTED else "done"
    if record.halted:
        return "halted"
    if record.pause:
        return "paused"
    return "running" if history.worker and history.worker.works else "nobody"


def _headline(history: History, stands: Standing) -> str:
    record = history.record
    if history.ended:
        return outcome.result(record, history.begun)
    if record.halted:
        return tagged(f"halted in {record.phase.value}", told.halted(history.events)) + f": {record.halted}"
    since = f"{record.phase.value} since {instant(record.since)}"
    if record.pause:
        return f"{', '.join(standing.paused(record))} ({since})"
    if stands == "running" and history.worker:
        return f"{since}, run by {history.worker.who}"
    return f"not finished, and NOBODY runs it: {since}"


def _now(history: History) -> Iterator[str]:
    halt = told.halt(history.events) if history.record.halted else None
    yield from (line.strip() for line in standing.now(history.record, halt))


def _next(history: History, stands: Standing) -> str | None:
    """Return what somebody must type, with what comes before it where it halted."""
    if stands in {"paused", "nobody"}:
        return resume(history.record.id)
    last = told.halt(history.events) if history.record.halted else None
    return str(last.data["hint"]) if last else None


# ---- what happened, by time -----------------------------------------------------------------------------------------


def _phases(events: Sequence[Event]) -> Iterator[PhaseTold]:
    entered = [event for event in events if event.kind in {"begun", "phase"}]
    back = False
    for event, following in zip(entered, (*entered[1:], None), strict=True):
        back = back or event.data.get("direction") == "back"
        within = (one for one in events if one.seq >= event.seq and (following is None or one.seq < following.seq))
        *_, deadline = (None, *filter(None, map(_drain_deadline, within)))
        phase = str(event.data["to"])
        yield PhaseTold(
            phase,
            Span(event.at, event.at if terminal(Phase(phase)) else following.at if following else None),
            back,
            _NEXT_DEADLINE.sub("", following.text.partition(": ")[2]) if following else "",
            deadline,
        )


def _drain_deadline(event: Event) -> datetime | None:
    """Return the drain deadline that an event set, or moved."""
    deadline = event.data.get("abort_deadline") or event.data.get("drain_deadline")
    return datetime.fromisoformat(str(deadline)) if deadline else None


def _halts(history: History) -> Iterator[HaltTold]:
    events = history.events
    for number, event in enumerate(events):
        if event.kind != "halted":
            continue
        end = next((one for one in events[number:] if one.kind in {"resumed", "phase"}), None)
        why, hint = str(event.data.get("why", event.text)), str(event.data.get("hint", ""))
        abort = _abort_behind(end, history) if end else None
        by = abort.by if abort else end.actor if end else None
        yield HaltTold(Span(event.at, end.at if end else None), event.reason, why, hint, by)


def _abort_behind(end: Event, history: History) -> Asked | None:
    """Return the abort for which a halt ended, if it did for one: it turns then, and its events are the runner's."""
    moves = (one for one in history.events if one.seq >= end.seq and one.kind in {"halted", "phase"})
    turns = next((one for one in moves), None)
    if turns is None or "direction" not in turns.data:
        return None
    return next((one for one in history.asked if one.kind == "abort" and one.at <= end.at), None)


def _run(lease: Lease, history: History, stands: Standing, written: datetime) -> RunTold:
    """Tell of a process; what of its lease lies before the rollout, or after its last word, is not the rollout's.

    One that still holds the lease of a rollout that ended, or halted, is the one that writes this as its last act.
    """
    worker, end = history.worker, lease.released or lease.last
    ours = worker is not None and worker.works and worker.run_id == lease.run_id
    works = ours and stands in {"running", "paused"}
    begin = max(lease.acquired, history.begun)
    return RunTold(
        Span(begin, None if works else max(begin, min(end, written))),
        lease.host,
        lease.pid,
        lease.run_id,
        lease.build_url,
        "works" if works else "stopped" if lease.released or ours else DIED,
    )


def _nodes(record: Record, events: Sequence[Event]) -> Iterator[NodeTold]:
    of: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        if event.kind in {"node", "wait"}:
            of[str(event.data["instance"])].append(event)
    for row in record.nodes:
        history = of[row.instance_id]
        stages = [event for event in history if event.kind == "node"]
        yield NodeTold(
            row.instance_id,
            row.name,
            row.group,
            row.role,
            tuple(_stages(stages)) or (StageTold(row.stage.value, Span(row.since, None), row.reason),),
            tuple(_waits(history)),
        )


def _stages(events: Sequence[Event]) -> Iterator[StageTold]:
    for event, following in zip(events, (*events[1:], None), strict=True):
        stage = str(event.data["to"])
        end = event.at if stage == "GONE" else following.at if following else None
        yield StageTold(stage, Span(event.at, end), str(event.data.get("reason") or ""))


def _waits(events: Sequence[Event]) -> Iterator[WaitTold]:
    """Yield what a node waited for: each until it waits for something else, or is in another stage."""
    for event, following in zip(events, (*events[1:], None), strict=True):
        if event.kind == "wait" and event.data["waits_for"]:
            yield WaitTold(Span(event.at, following.at if following else None), event.data["waits_for"], event.reason)


# ---- groups ---------------------------------------------------------------------------------------------------------


def _group(group: NodeGroup, plan: Plan, history: History, nodes: Sequence[NodeTold]) -> GroupTold:
    baseline = next((one.sizes for one in plan.baselines if one.group == group.name), None)
    ours = [node for node in nodes if node.group == group.name]
    return GroupTold(
        group.name,
        tuple(_templates(group, plan)),
        baseline,
        tuple(_desired(group.name, baseline.desired, history)) if baseline else (),
        {role: tuple(_left(some)) for role, some in _by_role(ours).items()},
    )


def _templates(group: NodeGroup, plan: Plan) -> Iterator[TemplateTold]:
    for source in group.sources:
        made, use = plan.version(source), source.use
        yield TemplateTold(use.template_name, use.slot, use.reference, source.version, made.number if made else None)


def _desired(group: str, baseline: int, history: History) -> Iterator[Step]:
    """Yield DesiredCapacity: what was found, then what each change of ours left, when that was seen."""
    yield Step(history.begun, baseline)
    before = baseline
    for at, change in _settled(history.changes):
        left = change.effect.leaves() if isinstance(change.effect, OnGroup) and change.effect.group == group else None
        if left and left.desired is not None and left.desired != before:
            before = left.desired
            yield Step(at, before)


def _settled(changes: Iterable[Change]) -> list[tuple[datetime, Change]]:
    done = [(one.settled, one) for one in changes if one.state == "done" and one.settled]
    return sorted(done, key=lambda pair: pair[0])


def _by_role(nodes: Sequence[NodeTold]) -> Mapping[str, list[NodeTold]]:
    roles: dict[str, list[NodeTold]] = defaultdict(list)
    for node in nodes:
        roles[node.role].append(node)
    return dict(roles)


def _left(nodes: Sequence[NodeTold]) -> Iterator[Step]:
    """Yield how many were there: from when it was known that they must go, until they were gone."""
    moves: Counter[datetime] = Counter()
    for node in nodes:
        moves[node.stages[0].span.begin] += 1
        if node.stage == "GONE":
            moves[node.stages[-1].span.begin] -= 1
    count = 0
    for at in sorted(moves):
        count += moves[at]
        yield Step(at, count)


# ---- others ---------------------------------------------------------------------------------------------------------


def _others(history: History) -> Iterator[OtherTold]:
    for event in history.events:
        match event.kind:
            case "report":
                yield OtherTold(event.at, "left", event.text)
            case "replicas":
                yield OtherTold(event.at, "replicas", event.text)
            case "halted" if event.reason in _BY_OTHERS:
                yield OtherTold(event.at, "halt", tagged(str(event.data["why"]), event.reason))
            case "node" if event.data["to"] == "GONE" and event.data.get("reason"):
                yield OtherTold(event.at, "node", event.text)
            case _:
                pass
    for change in history.changes:
        if _undone(change):
            text = f"done again, for it was not there any more: {change.effect.describe()}"
            yield OtherTold(change.intended, "undone", text)


def _undone(change: Change) -> bool:
    """Tell whether an effect repeats one that somebody had undone; its key says so (`occasions`)."""
    occasion = change.effect.occasion
    lost = isinstance(change.effect, TaintNode) and occasion.startswith("drain.")
    return lost or occasion.endswith(".again") or occasion.startswith("standby.")


# ---- calls and commands ---------------------------------------------------------------------------------------------


def _calls(changes: Sequence[Change]) -> Iterator[CallsTold]:
    kinds: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        kinds[change.effect.kind].append(change)
    for kind, some in kinds.items():
        took = [one.settled - one.intended for one in some if one.state == "done" and one.settled and one.sent]
        yield CallsTold(
            kind,
            len(some),
            sum(one.sent for one in some),
            Counter(one.state for one in some),
            Counter(answer for one in some for answer in one.answers),
            max(took, default=None),
        )


def _commands(history: History) -> Iterator[CommandTold]:
    for asked in history.asked:
        yield _command(asked, _obeyed(asked, history.events))
    for event in history.events:
        if event.kind == "resumed" and _abort_behind(event, history) is None:
            # Each of them continues a halted rollout, and no event says which one was typed.
            yield CommandTold("resume or start", event.at, event.actor, None, (), event.at)
    for lease in history.leases:
        # A word of a person is told as user@host; the kernel's own, that it freed a lock, is nobody's.
        if lease.assumed_dead and "@" in lease.assumed_dead and lease.taken:
            details = (f"process {lease.pid} on {lease.host} is dead",)
            yield CommandTold("assume-dead", lease.taken, lease.assumed_dead, None, details, lease.taken)


def _obeyed(asked: Asked, events: Sequence[Event]) -> datetime | None:
    """Return when an event tells that the rollout did what was asked; None where none does."""
    match asked.kind:
        case "abort":
            tells = (one for one in events if one.kind == "phase" and "direction" in one.data)
        case "extend":
            tells = (one for one in events if one.kind == "extended" and _follows(one, asked.data))
        case "pause":
            tells = (one for one in events if one.data.get("paused_at") == stored(asked.at))
        case "resume":
            tells = (one for one in events if one.kind == "unpaused" and one.data["asked_at"] == stored(asked.at))
        case "force":
            tells = (one for one in events if one.kind == "forced" and one.data["forced_at"] == stored(asked.at))
        case "skip":
            kept = {"instance": asked.data["instance"], "to": Stage.KEPT.value}
            tells = (one for one in events if one.kind == "node" and kept.items() <= one.data.items())
        case _:
            return None
    return next((one.at for one in tells), None)


def _follows(event: Event, asked: Mapping[str, Any]) -> bool:
    """Tell whether an event moved the deadline of this direction as far as it was asked for, or further."""
    moved = event.data.get(deadline_column(asked["direction"]))
    return moved is not None and datetime.fromisoformat(moved) >= datetime.fromisoformat(asked["until"])


def _command(asked: Asked, obeyed: datetime | None) -> CommandTold:
    said = dict(asked.data)
    reason = said.pop("reason", None)
    details = tuple(_detail(name, value) for name, value in said.items() if value not in {None, False, "forward"})
    return CommandTold(asked.kind, asked.at, asked.by, str(reason) if reason else None, details, obeyed)


def _detail(name: str, value: Any) -> str:
    match name:
        case "drain_seconds":
            return f"deadline {spelled(float(value))}"
        case "until":
            return f"until {instant(datetime.fromisoformat(value))}"
        case "direction":
            return "on the way back"
    return name.replace("_", " ") + ("" if value is True else f" {value}")


# ---- what is not known ----------------------------------------------------------------------------------------------


def _unknown(history: History) -> Iterator[str]:
    record = history.record
    yield "which image the older template versions launched: the journal has their numbers only"
    yield "when each new instance came and was Ready: it has when all of them were, the end of SURGE and of READY"
    if record.plan.goes_back:
        yield "which instances of the older version the abort launched again, if it did"
    yield "when Jobs began and ended: it has when the rollout first saw that nothing held a node any more"
    yield "what others did to the groups and nodes, unless the rollout came upon it"
    yield "what was only read: it has changes"
    if any(change.sent == 0 for change in history.changes):
        yield "what happened before this journal was rebuilt from the marker"
    if not terminal(record.phase):
        yield f"what happened after {instant(_written(history))}, when it was last written"


def took(one: Span, until: datetime) -> str:
    """Return how long a span was, in words."""
    length = one.length(until)
    return "under 1s" if timedelta(0) < length < timedelta(seconds=1) else span(length)
