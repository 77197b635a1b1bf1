"""`rollout force`: one node goes now, with its Jobs. Any process may run the rollout, on any host."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from rollout import commands
from rollout.cli import one_node, options, output, screen, select_rollout, stopping, world_time
from rollout.cli.commands import why
from rollout.cli.screen import at_work
from rollout.cli.screen.format import instant
from rollout.cli.session import actor
from rollout.commands import rollout
from rollout.errors import UserError
from rollout.journal import read_journal
from rollout.model.machine import DRAINING, Stage
from rollout.model.steering import Force
from rollout.model.windows import may_end_from

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from rollout.journal import SqlJournal
    from rollout.model.plan import Node
    from rollout.model.record import Record


def force(
    rollout_id: options.RolloutId = None,
    *,
    node: one_node.Name,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the history.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: options.WhoseJournal = None,
    database: options.Database = None,
) -> None:
    """Let one node go now, and end its Jobs; default: of the only unfinished rollout.

    Its Jobs are killed as at the drain deadline, and stand in the ledger with your name. Everything else is waited for
    as ever: nodes that serve, budgets, the other replicas of a service. It names the pods and asks, unless you give
    --yes. The cluster is looked at if there is a configuration, and is not changed from here.
    """
    output.works()
    given = (*("--node", node), *(("--reason", reason) if reason else ()))
    with closing(read_journal(options.journal_url(config, database))) as journal:
        found = select_rollout.to_resume(
            rollout_id, journal.summaries(), lambda one: commands.force(one, *given, *(("--yes",) if yes else ()))
        )
        record = journal.load(found.id)
        row = one_node.named(node, record)
        _refuse(row, record)
        if row.forced_at:
            screen.say(f"{one_node.label(row)} is forced already, since {instant(row.forced_at)} by {row.forced_by}")
        else:
            _confirm(row, record, _ends(row, journal, record, config, database), given, yes=yes)
            now = world_time.now(config)
            counts = journal.ask_force(record.id, Force(row.instance_id, now, actor(), reason))
            screen.say(f"{one_node.label(row)} {_goes(record, now)}: forced by {counts.label}")
        screen.say("\n".join(at_work.lines(record.id, journal.worker(found.scope), pause=record.pause)))


def _goes(record: Record, now: datetime) -> str:
    """Say from when on its Jobs are ended: not in a pause, nor outside of a window, nor in its notice."""
    begins = may_end_from(record.plan.settings.windows, now)
    window = "" if begins == now else f"from {instant(begins)} on, when a maintenance window lets Jobs be ended"
    if record.pause:
        return "goes once somebody lifts the pause" + f", and {window}" * bool(window)
    return f"goes {window or 'now'}"


def _refuse(row: Node, record: Record) -> None:
    """Raise `UserError` where the node is no longer, or not yet, waited for."""
    name, hint = one_node.label(row), rollout("status", record.id)
    problem = one_node.over(row, record)
    if not problem and row.stage is Stage.KEPT:
        problem = f"{name} stays ({row.reason})"
    elif not problem and (skipped := record.skips.get(row.instance_id)):
        problem = f"{name} is skipped, since {instant(skipped.at)} by {skipped.label}: it stays"
    elif not problem and record.phase not in DRAINING:
        problem = f"rollout {record.id} is in {record.phase.value}: no node goes before DRAIN"
        hint = f"wait until it is in DRAIN ({hint})"
    elif not problem and row.role == "surplus":
        problem = f"{name} is surplus, and nobody is killed for it: it goes when it is empty, or stays"
    if problem:
        raise UserError(f"{problem}; it was not forced", hint=hint)


def _ends(row: Node, journal: SqlJournal, record: Record, config: Path | None, database: str | None) -> tuple[str, ...]:
    """Return in words which pods would be ended, as the cluster shows them, else as the rollout last wrote it."""
    page = why.look(journal, record, config, database)
    if page.unlooked:
        last = f"it last waited for {row.waits_for}" if row.waits_for else "nothing is known to keep it"
        return (f"{last}; the cluster was not looked at: {page.unlooked}",)
    pods = [one for held in page.holding if held.row.instance_id == row.instance_id for one in held.pods]
    return tuple(one.pod.label + (", protected" if one.protected else "") for one in pods) or ("no pod keeps it now",)


def _confirm(row: Node, record: Record, ends: Sequence[str], given: Sequence[str], *, yes: bool) -> None:
    """Name what ends, and ask. Raises `UserError` where nobody says yes."""
    screen.say("\n".join((f"what would end on {one_node.label(row)}:", *(f"  {line}" for line in ends))))
    if yes:
        return
    again = commands.force(record.id, *given, "--yes")
    if not sys.stdin.isatty():
        raise UserError(f"nobody was asked: this is no terminal; {one_node.label(row)} was not forced", hint=again)
    try:
        agreed = typer.confirm(f"let it go{'' if record.pause else ' now'}?")
    except typer.Abort:  # Ctrl-D
        agreed = False
    except stopping.Stopped:
        screen.say(f"\n{one_node.label(row)} was not forced", err=True)
        raise
    if not agreed:
        raise UserError(f"{one_node.label(row)} was not forced", hint=rollout("why", record.id))
