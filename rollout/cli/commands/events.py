"""`rollout events`: a rollout's history, as the journal's chain of events tells it."""

from __future__ import annotations

import contextlib
import signal
import time
from typing import TYPE_CHECKING, Annotated

import typer

from rollout.cli import options, output, screen, select_rollout, stopping
from rollout.cli.screen.format import instant
from rollout.commands import rollout
from rollout.errors import FOR_A_PERSON, UserError
from rollout.journal import read_journal
from rollout.model.machine import terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollout.journal import SqlJournal
    from rollout.ports import Event, Summary

#: Seconds between two looks at the journal while following.
FOLLOW_PAUSE = 1.0


def events(
    rollout_id: options.RolloutId = None,
    *,
    config: options.WhoseJournal = None,
    database: options.Database = None,
    as_json: options.AsJson = False,
    follow: Annotated[bool, typer.Option("--follow", help="Wait for more, until the rollout ends or halts.")] = False,
) -> None:
    """Print a rollout's events; default: the newest unfinished.

    If none is unfinished, the newest. With --follow, exit code 1 says that the rollout is halted or paused, and nobody
    runs it.
    """
    show = _json if as_json else _line
    with contextlib.closing(read_journal(options.journal_url(config, database))) as journal:
        chosen = select_rollout.to_show(rollout_id, journal.summaries())
        try:
            for event in _followed(journal, chosen) if follow else journal.events(chosen.id):
                typer.echo(show(event))
                if output.unread():
                    return
        except stopping.Stopped as stopped:
            if not follow or stopped.number != signal.SIGINT:  # the way to end following
                raise


def _followed(journal: SqlJournal, chosen: Summary) -> Iterator[Event]:
    """Yield events as they come; ends after the last one of a rollout at its end.

    Raises `UserError` (exit 1) after that of a halt or a pause, once nobody runs the rollout.
    """
    last = 0
    while True:
        # Asked before reading: what is at its end now has written its last event.
        now = select_rollout.to_show(chosen.id, journal.summaries())
        stands = "halted" if now.halted else "paused" if now.pause else ""
        over = stands and not ((worker := journal.worker(chosen.scope)) and worker.works)
        for event in journal.events(chosen.id, after=last):
            last = event.seq
            yield event
        if terminal(now.phase):
            return
        if over:
            raise nobody_goes_on(chosen.id, stands)
        time.sleep(FOLLOW_PAUSE)


def nobody_goes_on(rollout_id: str, stands: str) -> UserError:
    """Return the error (exit 1) for who follows a rollout that is halted or paused, and that nobody runs."""
    return UserError(
        f"rollout {rollout_id} is {stands}, and nobody runs it: no event comes before somebody resumes it",
        hint=rollout("status", rollout_id),
        exit_code=FOR_A_PERSON,
    )


def _line(event: Event) -> str:
    return screen.shown(f"{instant(event.at)}  {event.kind:<11}  {event.text}")


def _json(event: Event) -> str:
    fields = {
        "seq": event.seq,
        "at": instant(event.at),
        "kind": event.kind,
        "actor": event.actor,
        "text": event.text,
        "hash": event.hash,
        "reason": event.reason,
    }
    return output.as_json(fields)
