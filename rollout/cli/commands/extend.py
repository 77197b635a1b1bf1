"""`rollout extend`: Jobs on the nodes that must go have more time. Any process may run the rollout, on any host."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from rollout import commands
from rollout.cli import options, output, screen, select_rollout, typed, world_time
from rollout.cli.screen import at_work
from rollout.cli.screen.format import instant
from rollout.cli.session import actor
from rollout.commands import rollout
from rollout.errors import UserError
from rollout.journal import read_journal
from rollout.model.machine import DRAINING
from rollout.model.plan import spelled

if TYPE_CHECKING:
    from datetime import datetime

    from rollout.model.record import Record


def extend(
    rollout_id: options.RolloutId = None,
    *,
    by: Annotated[
        str,
        typer.Option("--by", metavar="TIME", help="How much more time, such as 1h or 90m.", callback=typed.duration),
    ],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the history.")] = "",
    config: options.WhoseJournal = None,
    database: options.Database = None,
) -> None:
    """Give Jobs more time before their nodes go; default: the only unfinished rollout.

    The drain deadline moves by that time, counted from now if it is past. It is never earlier again. The process that
    runs the rollout obeys before it ends another pod. Only the journal is read and written, so any host will do.
    """
    output.works()
    with closing(read_journal(options.journal_url(config, database))) as journal:
        found = select_rollout.to_resume(rollout_id, journal.summaries(), lambda one: _again(one, by, reason))
        record = journal.load(found.id)
        before = _deadline(record, by, reason)
        asked = journal.ask_extension(record.id, typed.length(by), actor(), reason, world_time.now(config))
        screen.say(f"rollout {record.id}: Jobs may run until {instant(asked.until)}; it was {instant(before)}")
        screen.say("\n".join(at_work.lines(record.id, journal.worker(found.scope), pause=record.pause)))


def _again(rollout_id: str, by: str, reason: str) -> str:
    """Return the command as it was typed, for the rollout of this id."""
    return commands.extend(rollout_id, "--by", by, *(["--reason", reason] if reason else []))


def _deadline(record: Record, by: str, reason: str) -> datetime:
    """Return the drain deadline. Raises `UserError` where there is none that could be moved."""
    if record.phase in DRAINING and record.drain_deadline:
        return record.drain_deadline
    what, hint = select_rollout.over(record.id, record.phase), rollout("status", record.id)
    if not what:
        where, span = f"rollout {record.id} is in {record.phase.value}", spelled(record.plan.settings.drain_seconds)
        what = f"{where}: Jobs have {span} from the begin of DRAIN on, and nothing ends one before"
        hint = f"wait until it is in DRAIN ({hint}), then: {_again(record.id, by, reason)}"
    raise UserError(f"{what}; no drain deadline was moved", hint=hint)
