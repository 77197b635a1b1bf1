"""One line for each change of a rollout: what a person sees who has no terminal, and what a log keeps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rollout.cli import log, screen
from rollout.cli.screen.format import instant

if TYPE_CHECKING:
    from rollout.ports import Event, Journal

#: Events that are one line each on a plain screen. Single effects are not: `rollout events` has them.
SHOWN = frozenset(
    {
        "begun",
        "extended",
        "halted",
        "interrupted",
        "forced",
        "killed",
        "node",
        "note",
        "paused",
        "phase",
        "protected",
        "replicas",
        "report",
        "resumed",
        "unpaused",
        "wait",
    }
)

#: Events that say which phase is entered.
ENTERING = frozenset({"begun", "phase"})


def head(event: Event) -> str:
    """Return the line that names the chain's head at a phase's end: noted elsewhere, it proves what stood till then."""
    return f"  head {event.hash}"


class Lines:
    """Prints each event of a rollout once, from the moment at which this is made."""

    def __init__(self, journal: Journal, rollout_id: str) -> None:
        self._journal = journal
        self._rollout_id = rollout_id
        known = journal.events(rollout_id)
        self._last = max((event.seq for event in known), default=0)
        self._phase = next((event.data["to"] for event in reversed(known) if event.kind in ENTERING), "")

    def show(self) -> None:
        """Print what was new since the last call."""
        if log.on():
            self._log(tuple(self.news()))
            return
        for event in self.news():
            screen.say(f"{instant(event.at)}  {event.text}")
            if event.kind == "phase":
                screen.say(head(event))

    def _log(self, news: Sequence[Event]) -> None:
        nodes = self._journal.load(self._rollout_id).nodes if any("instance" in event.data for event in news) else ()
        names: dict[str | None, str | None] = {row.instance_id: row.name for row in nodes}
        for event in news:
            self._phase = event.data["to"] if event.kind in ENTERING else self._phase
            instance = event.data.get("instance")
            then = screen.shown(event.data.get("hint") or "") or None
            node = event.data.get("node") or names.get(instance) or instance
            log.event(event, screen.shown(event.text), then, self._phase, node)

    def news(self) -> Iterator[Event]:
        """Yield the events since the last call that are shown."""
        for event in self._journal.events(self._rollout_id, after=self._last):
            self._last = event.seq
            if event.kind in SHOWN:
                yield event
