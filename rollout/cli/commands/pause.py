"""`rollout pause`: nothing is changed until a person resumes the rollout. Any process may run it, on any host."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from rollout import commands
from rollout.cli import options, output, screen, select_rollout, world_time
from rollout.cli.screen import at_work
from rollout.cli.screen.format import instant
from rollout.cli.session import actor
from rollout.commands import resume, rollout
from rollout.errors import UserError
from rollout.journal import read_journal
from rollout.model.steering import Pause


def pause(
    rollout_id: options.RolloutId = None,
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the history.")] = "",
    config: options.WhoseJournal = None,
    database: options.Database = None,
) -> None:
    """Change nothing until somebody types `rollout resume`; default: the only unfinished rollout.

    From then on nothing is launched, drained, evicted or ended, also when the drain deadline passes. The process that
    runs the rollout waits for an hour, and then ends with exit code 1. No retry lifts a pause. Only the journal is read
    and written, so any host will do.
    """
    output.works()
    with closing(read_journal(options.journal_url(config, database))) as journal:
        found = select_rollout.to_resume(rollout_id, journal.summaries(), lambda one: _again(one, reason))
        if over := select_rollout.over(found.id, found.phase):
            raise UserError(f"{over}; it was not paused", hint=rollout("status", found.id))
        asked = Pause(world_time.now(config), actor(), reason)
        counts = journal.ask_pause(found.id, asked)
        if counts == asked:
            screen.say(f"rollout {found.id} is paused: nothing is changed until: {resume(found.id)}")
        else:
            screen.say(f"rollout {found.id} is paused already, since {instant(counts.at)} {counts.label}")
            screen.say(f"nothing is changed until: {resume(found.id)}")
        screen.say("\n".join(at_work.lines(found.id, journal.worker(found.scope), then="", pause=None)))


def _again(rollout_id: str, reason: str) -> str:
    """Return the command as it was typed, for the rollout of this id."""
    return commands.pause(rollout_id, *(["--reason", reason] if reason else []))
