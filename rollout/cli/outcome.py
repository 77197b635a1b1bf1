"""How a run ended: in words for people, and as an exit code for the caller."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rollout.cli import standing
from rollout.cli.screen.format import count, instant, span
from rollout.cli.screen.lines import head
from rollout.commands import resume
from rollout.engine.runner import Ended
from rollout.errors import DONE, FOR_A_PERSON, RESUMABLE
from rollout.model.machine import Phase, Stage

if TYPE_CHECKING:
    from rollout.model.record import Record
    from rollout.ports import Event, Journal

_CODES = {Ended.HALTED: FOR_A_PERSON, Ended.INTERRUPTED: RESUMABLE}


def exit_code(ended: Ended, wanted: Ended = Ended.DONE) -> int:
    """Return the process's exit code; the README documents them. `wanted`: how the command was to let it end.

    Who started a rollout that somebody aborted since has not got what it wanted.
    """
    return DONE if ended is wanted else _CODES.get(ended, FOR_A_PERSON)


def over(phase: Phase) -> str:
    """Say what is true of a rollout that stands at this last phase."""
    return "was aborted" if phase is Phase.ABORTED else "is done already"


def lines(ended: Ended, record: Record, journal: Journal) -> Iterator[str]:
    """Yield what the operator must know: what was done, who was killed, what differs, and what to type next."""
    for job in journal.killed(record.id):
        when = "killed" if job.forced_by else "killed at the deadline"
        yield f"{when}: {job.loser} (pod {job.pod} on {job.where}), {instant(job.at)}"
    if ended is Ended.INTERRUPTED:
        yield f"nothing is lost; the rollout stands in {record.phase.value}"
        yield from standing.paused(record)
        yield from standing.now(record)
        yield f"  next{', to lift the pause' * bool(record.pause)}: {resume(record.id)}"
        return
    # A halted one that is to go back, and is paused: no other command than a resume leads on.
    if ended is Ended.PAUSED or (ended is Ended.HALTED and record.pause and record.abort):
        yield from standing.paused(record)
        yield from standing.now(record)
        yield f"  next: {resume(record.id)}"
        return
    events = journal.events(record.id)
    yield from _fewer(events)
    yield from standing.halted(record, events) if ended is Ended.HALTED else _done(record, events)


def _fewer(events: Sequence[Event]) -> Iterator[str]:
    """Yield which services had fewer Ready replicas when DRAIN ended, or at a halt in it that stands."""
    resumed = max((number for number, event in enumerate(events) if event.kind == "resumed"), default=0)
    counted = [event for event in events[resumed:] if event.kind == "replicas"]
    for event in counted:
        if event.at == counted[-1].at:
            yield f"fewer replicas than before the first was evicted, at {instant(event.at)}: {event.text}"


def _done(record: Record, events: Sequence[Event]) -> Iterator[str]:
    yield from standing.left(events)
    if events[-1].kind != "phase":  # reports come after the phase's end, whose head does not stand for them
        yield head(events[-1])
    yield result(record, events[0].at)


def result(record: Record, begun: datetime) -> str:
    """Return what a rollout at its end has done, in a sentence."""
    took = span(record.since - begun)
    without = ", ".join(group.name for group in record.plan.groups if group.name in record.deleted)
    there = (node for node in record.nodes if node.group not in record.deleted)
    gone = [node.role for node in there if node.stage is Stage.GONE]
    if record.plan.goes_back:
        again = f", {count(gone.count('old'), 'old node')} had gone and {_were(gone.count('old'))} launched again"
        taken = f"{count(gone.count('new'), 'new node')} taken away{again if 'old' in gone else ''}"
        but = f" but {without}, which somebody deleted," if without else ""
        return f"aborted: the groups{but} run what they ran before {record.plan.ami}; {taken}, in {took}"
    but = f", without {without}, which somebody deleted," if without else ""
    return f"done: {count(gone.count('old'), 'node')} replaced by {record.plan.ami}{but} in {took}"


def _were(number: int) -> str:
    return "was" if number == 1 else "were"
