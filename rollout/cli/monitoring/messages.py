"""What a message says: what happened, to which cluster, what is true now, and the whole next command.

It rests on the journal alone. There is at most one message for an event; that Jobs are at risk is no event, so that
message belongs to the event that set the deadline.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from rollout import commands
from rollout.cli import outcome, screen, standing, why
from rollout.cli.screen.format import count, instant, span
from rollout.model.machine import DRAINING, Phase, Stage
from rollout.model.reasons import Reason
from rollout.redaction import redacted

if TYPE_CHECKING:
    from rollout.config import Occasion
    from rollout.journal import SqlJournal
    from rollout.model.plan import Node
    from rollout.model.record import Record
    from rollout.ports import Event

#: So long before the drain deadline it is told which Jobs are at risk.
AT_RISK = timedelta(minutes=15)
#: What is older is no news: a process that continues a rollout does not tell all that came before.
FRESH = timedelta(minutes=15)
#: So many nodes are named; the rest is counted.
_NAMED = 10
_END = frozenset({Phase.DONE.value, Phase.ABORTED.value})
#: What happens at the drain deadline to Jobs that still run, by `drain.on_deadline`.
_THEN = {
    "pod": "at the deadline their pods are ended",
    "job": "at the deadline these Jobs are deleted",
    "halt": "at the deadline the rollout halts, and no Job is killed",
}

Kind = Literal["info", "success", "warning", "failure"]
_KINDS: dict[Occasion, Kind] = {
    "begin": "info",
    "halt": "failure",
    "jobs-at-risk": "warning",
    "extend": "info",
    "abort": "warning",
    "end": "success",
}
_TITLES: dict[Occasion, str] = {
    "begin": "has begun",
    "halt": "is halted: a person must act",
    "jobs-at-risk": "kills Jobs soon",
    "extend": "gives Jobs more time",
    "abort": "goes back to what was before",
    "end": "is done",
}


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `kind` as Apprise has it."""

    title: str
    body: str
    kind: Kind


def occasion(event: Event) -> Occasion | None:
    """Return what a message about an event is for; None where there is none."""
    match event.kind:
        case "begun":
            return "begin"
        case "halted":
            return "halt"
        case "extended":
            return "extend"
        case "phase" if event.data.get("to") in _END:
            return "end"
        case "phase" if event.data.get("direction") == "back":
            return "abort"
    return None


def at_risk(record: Record, waits: Mapping[str, str | None], now: datetime) -> tuple[Node, ...]:
    """Return the nodes whose Jobs still run shortly before the drain deadline; `waits`: why each waits, by instance."""
    until = record.drain_deadline
    if record.halted or record.phase not in DRAINING or until is None or not until - AT_RISK <= now < until:
        return ()
    return tuple(
        node
        for node in record.nodes
        if node.role == record.plan.leaving
        and node.stage is Stage.WAITING
        and waits.get(node.instance_id) == Reason.JOBS_RUNNING
    )


def message(about: Occasion, record: Record, journal: SqlJournal, now: datetime) -> Message:
    """Return the message about a rollout as it stands now."""
    events = journal.events(record.id)
    lines = [screen.shown(line.strip()) for line in _lines(about, record, journal, events, now)]
    title = f"Rollout {record.id} of cluster {record.plan.cluster} {_title(about, record)}"
    kind = "warning" if about == "end" and journal.killed(record.id) else _KINDS[about]
    return Message(redacted(title), "\n".join(map(redacted, lines)), kind)


def _title(about: Occasion, record: Record) -> str:
    if about == "end" and record.phase is Phase.ABORTED:
        return "was aborted"
    if about == "jobs-at-risk" and record.plan.settings.on_deadline == "halt":
        return "halts soon: Jobs still run"
    return _TITLES[about]


def _lines(
    about: Occasion, record: Record, journal: SqlJournal, events: Sequence[Event], now: datetime
) -> Iterator[str]:
    match about:
        case "halt":
            yield from standing.halted(record, events)
        case "jobs-at-risk":
            yield from _at_risk(record, events, now)
            yield f"next, for more time: {commands.extend(record.id, '--by', '1h')}"
        case "end":
            for job in journal.killed(record.id):
                yield f"killed at the deadline: {job.loser} (pod {job.pod} on {job.node}), {instant(job.at)}"
            yield from standing.left(events)
            yield outcome.result(record, events[0].at)
            yield f"next: {commands.rollout('report', '--markdown', record.id)}"
        case "begin" | "extend" | "abort":
            yield next(event.text for event in reversed(events) if occasion(event) == about)
            yield next(standing.now(record))
            yield f"next: {commands.rollout('status', record.id)}"


def _at_risk(record: Record, events: Sequence[Event], now: datetime) -> Iterator[str]:
    until, waiting = record.drain_deadline or now, at_risk(record, why.waits(events), now)
    wait = "still waits" if len(waiting) == 1 else "still wait"
    yield f"{count(len(waiting), 'node')} {wait} for Jobs"
    yield f"the drain deadline is {instant(until)}, in {span(until - now)}"
    for node in waiting[:_NAMED]:
        yield f"{node.name or node.instance_id} {why.words(node)}"
    if len(waiting) > _NAMED:
        yield f"and {len(waiting) - _NAMED} more"
    yield _THEN[record.plan.settings.on_deadline]
