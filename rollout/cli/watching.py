"""`rollout status --watch`: the page of a rollout that any process runs, or nobody. Only the journal is read."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rollout.cli import outcome, select_rollout, standing, stopping, world_time
from rollout.cli.commands.events import FOLLOW_PAUSE, nobody_goes_on
from rollout.cli.screen import at_work
from rollout.cli.screen.spectator import can_go_back
from rollout.commands import rollout
from rollout.errors import UserError
from rollout.model.machine import terminal

if TYPE_CHECKING:
    from datetime import datetime

    from rollout.journal import SqlJournal
    from rollout.model.record import Record
    from rollout.ports import Summary, Worker


def refuse_what_is_no_terminal(rollout_id: str, *, as_json: bool) -> None:
    """Raise `UserError` where a page cannot be drawn again in its own place."""
    if as_json or not can_go_back():
        raise UserError(
            "--watch draws a page on a terminal, and there is none" if not as_json else "--watch prints no JSON",
            hint=rollout("events", rollout_id, "--follow", *["--json"] * as_json),
        )


def watch(journal: SqlJournal, rollout_id: str, config: Path | None) -> None:
    """Draw the page until the rollout is at its end, or the reader has seen enough of it.

    Raises `UserError` (exit 1) once it is halted or paused, and nobody runs it.
    """
    from rollout.cli.screen.live import drawn  # noqa: PLC0415  rich is for terminals only

    try:
        with drawn() as (_, draw):
            while True:
                chosen = select_rollout.to_show(rollout_id, journal.summaries())
                worker, record = journal.worker(chosen.scope), journal.load(chosen.id)
                now = world_time.now(config)
                draw(record, list(_said(chosen, record, worker, now)), now)
                if terminal(record.phase):
                    return
                stands = "halted" if record.halted else "paused" if record.pause else ""
                if stands and not (worker and worker.works):
                    raise nobody_goes_on(chosen.id, stands)
                time.sleep(FOLLOW_PAUSE)
    except stopping.Stopped as stopped:
        if stopped.number != signal.SIGINT:  # the way to end watching
            raise


def _said(chosen: Summary, record: Record, worker: Worker | None, now: datetime) -> Iterator[str]:
    """Yield what stands below the nodes: how it ended, or who runs it."""
    if terminal(record.phase):
        yield outcome.result(record, chosen.begun)
    else:
        yield from standing.closed(record, now)
        yield from at_work.lines(record.id, worker, then="" if record.halted else None, pause=record.pause)
