"""`rollout list`: all rollouts of a journal, newest first."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import typer

from rollout.cli import options, output, screen, why
from rollout.cli.screen import at_work
from rollout.cli.screen.format import instant, table
from rollout.commands import rollout
from rollout.journal import read_journal
from rollout.model.machine import terminal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rollout.ports import Summary, Worker

_HEAD = ("ID", "STATE", "CLUSTER", "AMI", "BEGUN", "ENDED", "WORKER", "KEY")


def listing(
    config: options.WhoseJournal = None, database: options.Database = None, *, as_json: options.AsJson = False
) -> None:
    """List all rollouts, newest first, and who runs each."""
    with closing(read_journal(options.journal_url(config, database))) as journal:
        known = journal.summaries()
        workers = {one.id: journal.worker(one.scope) for one in known if not terminal(one.phase)}
        reasons = {one.id: why.halted(journal.events(one.id)) for one in known if one.halted}
    if as_json:
        rollouts = [_fields(one, workers.get(one.id), reasons.get(one.id)) for one in known]
        typer.echo(output.as_json({"rollouts": rollouts}, indent=2))
        return
    for line in table(
        _HEAD, [_row(one, at_work.short(workers[one.id]) if one.id in workers else "-", reasons) for one in known]
    ):
        screen.say(line)
    paused = {one.id: one.pause for one in known}
    for one, worker in workers.items():
        if worker is None or not worker.works:
            then = rollout("status", one) if one in reasons else None
            screen.say("\n".join(at_work.lines(one, worker, then, pause=paused[one])))


def _row(one: Summary, worker: str, reasons: Mapping[str, str | None]) -> tuple[str, ...]:
    halted = f"halted: {reasons[one.id]}" if reasons.get(one.id) else "halted"
    told = ["aborting"] * (one.direction == "back" and not terminal(one.phase))
    told += ["paused"] * bool(one.pause) + [halted] * bool(one.halted)
    state = f"{one.phase.value} ({', '.join(told)})" if told else one.phase.value
    ended = instant(one.ended) if one.ended else "-"
    return one.id, state, one.cluster, one.ami, instant(one.begun), ended, worker, one.key or "-"


def _fields(one: Summary, worker: Worker | None, reason: str | None) -> dict[str, Any]:
    return {
        "id": one.id,
        "key": one.key,
        "cluster": one.cluster,
        "groups": list(one.groups),
        "ami": one.ami,
        "phase": one.phase.value,
        "direction": one.direction,
        "paused": at_work.paused_fields(one.pause),
        "halted": one.halted,
        "halted_reason": reason,
        "begun": instant(one.begun),
        "ended": instant(one.ended) if one.ended else None,
        "worker": at_work.as_fields(worker),
    }
