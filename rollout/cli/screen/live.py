"""The live page on a terminal: phases, a line for each node that must go with what it waits for, and the clock.

Above it stays a line for each phase that ended, with the head of the chain of events at that moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rollout.cli import output, screen, why
from rollout.cli.screen.format import count, instant, span
from rollout.cli.screen.lines import Lines, head
from rollout.model.machine import DRAINING, PHASE_MOVES, Phase, Stage, terminal

if TYPE_CHECKING:
    from rollout.engine.runner import Progress
    from rollout.model.record import Record
    from rollout.ports import Journal

#: Lines of the page beside the nodes' table.
_FRAME = 8
_COLOURS = {
    Stage.WAITING: "yellow",
    Stage.DRAINING: "cyan",
    Stage.RELEASED: "cyan",
    Stage.TERMINATING: "magenta",
    Stage.GONE: "dim",
    Stage.KEPT: "yellow",
}
_ORDER = list(Stage)


@contextmanager
def live(journal: Journal, rollout_id: str, now: Callable[[], datetime]) -> Iterator[Callable[[Progress], None]]:
    """Show the page until the block ends; the last state of it stays on the screen."""
    console = Console(highlight=False)
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as screen:
        ends = _Ends(journal, rollout_id)

        def show(record: Record, waiting: str) -> None:
            if output.lost():  # the terminal is gone: a page is nothing for who gets the words instead
                return
            ends.show(console, record.phase)
            screen.update(page(record, waiting, now(), console.height), refresh=True)

        yield lambda progress: show(progress.record, progress.waiting)
        show(journal.load(rollout_id), "")


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
                console.print(Text(screen.shown(f"{instant(event.at)}  {event.text}\n{head(event)}")), soft_wrap=True)


def page(record: Record, waiting: str, now: datetime, height: int) -> Group:
    """Return the page for a screen of that many lines."""
    plan = record.plan
    way = "back from" if plan.goes_back else "→"
    head = Text(screen.shown(f"rollout {record.id}  {plan.cluster} {way} {plan.ami}"), style="bold")
    clock = Text(f"{instant(now)}  {_deadline(record, now)}", style="dim")
    said = screen.shown(record.halted or waiting)
    rest = Text(said, style="bold red" if record.halted else "", overflow="ellipsis", no_wrap=True)
    return Group(head, clock, _phases(record), Text(), *_nodes(record, max(height - _FRAME, 3)), rest)


def _deadline(record: Record, now: datetime) -> str:
    until = record.drain_deadline if record.phase in DRAINING else record.deadline
    if until is None:
        return ""
    return f"deadline in {span(until - now)}" if until > now else "deadline passed"


def _phases(record: Record) -> Text:
    other_end = Phase.DONE if record.plan.goes_back else Phase.ABORTED
    names = [name for name in PHASE_MOVES if name is not other_end]
    line = Text()
    for name in names:
        past, here = names.index(name) < names.index(record.phase), name is record.phase
        style = "bold reverse" if here else "green" if past else "dim"
        line.append(name.value, style=style).append(" ")
    return line


def _nodes(record: Record, room: int) -> Iterator[Table | Text]:
    """Yield the table of nodes, those that are further on first; what has no room is counted."""
    if not record.nodes:
        return
    left = [node for node in record.nodes if not terminal(node.stage)]
    settled = [node for node in record.nodes if terminal(node.stage)]
    shown = [*sorted(left, key=lambda node: -_ORDER.index(node.stage)), *settled][:room]
    table = Table(box=None, pad_edge=False, show_header=False)
    for style, width in (("", 20), ("dim", 12), ("", len(Stage.TERMINATING.value)), ("", None)):
        table.add_column(style=style, min_width=width, no_wrap=True, overflow="ellipsis")
    for node in shown:
        # The first label of a node's name is unique in its cluster's network, and leaves room for what it waits for.
        name = (node.name or node.instance_id).partition(".")[0]
        stage = Text(node.stage.value, _COLOURS[node.stage])
        # As texts: a plain string of others would be read as markup.
        table.add_row(_cell(name), _cell(node.group), stage, _cell(why.words(node)))
    yield table
    hidden = len(record.nodes) - len(shown)
    gone = sum(node.stage is Stage.GONE for node in record.nodes)
    counted = f"{gone} of {count(len(record.to_go), 'node')} gone"
    yield Text(f"{counted}, {hidden} not shown" if hidden else counted)


def _cell(words: str) -> Text:
    return Text(" ".join(screen.shown(words).split()))
