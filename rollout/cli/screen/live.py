"""The live page on a terminal: phases, a line for each node that must go with what it waits for, and the clock.

Above it stays a line for each phase that ended. Heads of the chain are for logs; `rollout audit verify` has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.text import Text

from rollout.cli import output, screen
from rollout.cli.screen.format import instant
from rollout.cli.screen.lines import Lines
from rollout.cli.screen.page import page
from rollout.model.machine import Phase

if TYPE_CHECKING:
    from rollout.engine.runner import Progress
    from rollout.model.record import Record
    from rollout.ports import Journal


@contextmanager
def live(journal: Journal, rollout_id: str, now: Callable[[], datetime]) -> Iterator[Callable[[Progress], None]]:
    """Show the page until the block ends; the last state of it stays on the screen."""
    with drawn() as (console, draw):
        ends = _Ends(journal, rollout_id)

        def show(record: Record, waiting: str) -> None:
            if output.lost():  # the terminal is gone: a page is nothing for who gets the words instead
                return
            ends.show(console, record.phase)
            draw(record, [waiting] if waiting and not record.halted else [], now())

        yield lambda progress: show(progress.record, progress.waiting)
        show(journal.load(rollout_id), "")


@contextmanager
def drawn() -> Iterator[tuple[Console, Callable[[Record, Sequence[str], datetime], None]]]:
    """Yield the console, and what draws a page there in place of the one before; the last one stays."""
    console = Console(highlight=False)
    with Live(console=console, auto_refresh=False, vertical_overflow="ellipsis") as place:
        yield console, lambda record, said, now: place.update(page(record, said, now, console), refresh=True)


class _Ends:
    """Prints once how each phase ended."""

    def __init__(self, journal: Journal, rollout_id: str) -> None:
        self._lines = Lines(journal, rollout_id)
        self._phase: Phase | None = None

    def show(self, console: Console, phase: Phase) -> None:
        """Print what ended since the last call; the journal is asked only if the phase is another one."""
        if phase is self._phase:
            return
        self._phase = phase
        for event in self._lines.news():
            if event.kind == "phase":
                console.print(Text(screen.shown(f"{instant(event.at)}  {event.text}")), soft_wrap=True)
