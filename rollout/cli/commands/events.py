"""`rollout events`: a rollout's history, as the journal's chain of events tells it."""

from __future__ import annotations

import contextlib
import signal
import time
from typing import TYPE_CHECKING, Annotated

import typer

from rollout.cli import options, output, screen, select_rollout, stopping
from rollout.cli.screen.format import instant
from rollout.journal import read_journal
from rollout.model.machine import terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollout.ports import Event, Journal

#: Seconds between two looks at the journal while following.
FOLLOW_PAUSE = 1.0


def events(
    rollout_id: options.RolloutId = None,
    *,
    config: options.WhoseJournal = None,
    database: options.Database = None,
    as_json: options.AsJson = False,
    follow: Annotated[bool, typer.Option("--follow", help="Wait for more, until the rollout is done.")] = False,
) -> None:
    """Print a rollout's events; default: the newest unfinished.

    If none is unfinished, the newest.
    """
    show = _json if as_json else _line
    with contextlib.closing(read_journal(options.journal_url(config, database))) as journal:
        chosen = select_rollout.to_show(rollout_id, journal.summaries()).id
        try:
            for event in _followed(journal, chosen) if follow else journal.events(chosen):
                typer.echo(show(event))
                if output.unread():
                    return
        except stopping.Stopped as stopped:
            if not follow or stopped.number != signal.SIGINT:  # the way to end following
                raise


def _followed(journal: Journal, rollout_id: str) -> Iterator[Event]:
    """Yield events as they come; ends after the last one of a rollout at its end."""
    last = 0
    while True:
        # Asked before reading: what is at its end now has written its last event.
        ended = terminal(select_rollout.to_show(rollout_id, journal.summaries()).phase)
        for event in journal.events(rollout_id, after=last):
            last = event.seq
            yield event
        if ended:
            return
        time.sleep(FOLLOW_PAUSE)


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
