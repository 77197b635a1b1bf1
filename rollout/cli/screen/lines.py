"""One line for each change of a rollout: what a person sees who has no terminal, and what a log keeps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rollout.cli import screen
from rollout.cli.screen.format import instant

if TYPE_CHECKING:
    from rollout.ports import Event, Journal

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
            screen.say(f"{instant(event.at)}  {event.text}")
            if event.kind == "phase":
                screen.say(head(event))

    def news(self) -> Iterator[Event]:
        """Yield the events since the last call that are shown."""
        for event in self._journal.events(self._rollout_id, after=self._last):
            self._last = event.seq
            if event.kind in SHOWN:
                yield event
