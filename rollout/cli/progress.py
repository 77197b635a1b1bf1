"""What a person sees while the rollout works: a live page on a terminal, one line for each change elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from rollout.cli import screen, text

if TYPE_CHECKING:
    from rollout.ports import Event, Journal
    from rollout.runner import Progress

#: Events that are one line each on a plain screen. Single effects are not: `rollout events` has them.
SHOWN = frozenset(
    {
        "begun",
        "halted",
        "interrupted",
        "killed",
        "node",
        "note",
        "phase",
        "protected",
        "replicas",
        "report",
        "resumed",
        "wait",
    }
)

#: Terminals that cannot go back to a line.
_SIMPLE = frozenset({"", "dumb", "unknown"})


@contextmanager
def spectator(journal: Journal, rollout_id: str, now: Callable[[], datetime]) -> Iterator[Callable[[Progress], None]]:
    """Yield what the runner calls after each tick; what stands on the screen at the end stays there."""
    if sys.stdout.isatty() and os.environ.get("TERM", "dumb").lower() not in _SIMPLE:
        from rollout.cli.live import live

        with live(journal, rollout_id, now) as report:
            yield report
    else:
        lines = Lines(journal, rollout_id)
        try:
            yield lambda _progress: lines.show()
        finally:
            lines.show()


def head(event: Event) -> str:
    """Return the line that names the chain's head at a phase's end: noted elsewhere, it proves what stood till then."""
    return f"  head {event.hash}"


class Lines:
    """Prints each event of a rollout once, from the moment at which this is made."""

    def __init__(self, journal: Journal, rollout_id: str) -> None:
        self._journal = journal
        self._rollout_id = rollout_id
        self._last = max((event.seq for event in journal.events(rollout_id)), default=0)

    def show(self) -> None:
        """Print what was new since the last call."""
        for event in self.news():
            screen.say(f"{text.instant(event.at)}  {event.text}")
            if event.kind == "phase":
                screen.say(head(event))

    def news(self) -> Iterator[Event]:
        """Yield the events since the last call that are shown."""
        for event in self._journal.events(self._rollout_id, after=self._last):
            self._last = event.seq
            if event.kind in SHOWN:
                yield event
