"""The page of a rollout on a terminal: no line is longer than the terminal is wide, and all of it has room.

What has no room ends in "…", or is counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Group
from rich.text import Text

from rollout.cli import screen, why
from rollout.cli.screen import progress
from rollout.cli.screen.format import count, instant, span
from rollout.model.machine import DRAINING, PHASE_MOVES, Phase, Stage, terminal

if TYPE_CHECKING:
    from rich.console import Console

    from rollout.model.plan import Node
    from rollout.model.record import Record

#: Lines of the page above the nodes, one for those that are not shown, and two that stay free.
_FRAME = 7
#: Of so many lines one may be for what is said below the nodes.
_ONE_IN = 5
#: Of so many lines one may be for the bar of a group.
_LINES_FOR_A_BAR = 10
#: On a narrower terminal nodes stand without their group, and no bar is drawn.
_NARROW = 60
_GAP = "  "
_INDENT = "    "
_MORE = "…"
_COLOURS = {
    Stage.WAITING: "yellow",
    Stage.DRAINING: "cyan",
    Stage.RELEASED: "cyan",
    Stage.TERMINATING: "magenta",
    Stage.GONE: "dim",
    Stage.KEPT: "yellow",
}
_ORDER = list(Stage)


def page(record: Record, said: Sequence[str], now: datetime, console: Console) -> Group:
    """Return the page for this console as it is now; `said`: what stands below the nodes, after a halt."""
    plan, width = record.plan, console.width
    way = "back from" if plan.goes_back else "→"
    halted = [record.halted] if record.halted else []
    below = list(_below([*halted, *said], console, "bold red" if halted else ""))
    bars = _bars(record, console)
    room = max(console.height - _FRAME - len(bars) - len(below), 1)
    return Group(
        _line(f"rollout {record.id}  {plan.cluster} {way} {plan.ami}", width, "bold"),
        _line(f"{instant(now)}  {_deadline(record, now)}", width, "dim"),
        _phases(record, width),
        Text(),
        *(_nodes(record, width, room) if record.nodes else ()),
        *(_line(bar, width) for bar in bars),
        *([_line(f"{count(len(record.nodes) - room, 'node')} not shown", width)] if len(record.nodes) > room else ()),
        *below,
    )


def _bars(record: Record, console: Console) -> Sequence[str]:
    """Return how far it is: for each group, where there is room for that; on a narrow terminal without a bar."""
    groups = progress.by_group(record)
    if console.width < _NARROW:
        return [progress.in_all(record).partition("] ")[2]] if groups else []
    return groups if len(groups) <= console.height // _LINES_FOR_A_BAR else [progress.in_all(record)]


def _line(words: str, width: int, style: str = "", *, pad: bool = False) -> Text:
    """Return words of anybody on one line; as a text, since a plain string would be read as markup."""
    text = Text(re.sub(r"[^\S ]+", " ", screen.shown(words)), style=style, no_wrap=True)
    text.truncate(width, overflow="ellipsis", pad=pad)
    return text


def _below(said: Sequence[str], console: Console, style: str) -> Iterator[Text]:
    """Yield what is said, in as many lines as there is room for."""
    room = max(console.height // _ONE_IN, 1)
    lines = [line for words in said for line in Text(screen.shown(words), style=style).wrap(console, console.width)]
    if len(lines) > room:
        lines[room - 1].truncate(console.width - cell_len(_MORE))
        lines[room - 1].append(_MORE)
    yield from lines[:room]


def _deadline(record: Record, now: datetime) -> str:
    until = record.drain_deadline if record.phase in DRAINING else record.deadline
    if until is None or terminal(record.phase):
        return ""
    return f"deadline in {span(until - now)}" if until > now else "deadline passed"


def _phases(record: Record, width: int) -> Text:
    """Return all phases, or as many of them around the rollout's own as have room."""
    other_end = Phase.DONE if record.plan.goes_back else Phase.ABORTED
    names = [name for name in PHASE_MOVES if name is not other_end]
    here, first, last = names.index(record.phase), 0, len(names)
    while len(line := _row(names, here, first, last)) > width and last - first > 1:
        # Those that are over go first.
        first, last = (first + 1, last) if first < here else (first, last - 1)
    return _fitting(line, width)


def _row(names: Sequence[Phase], here: int, first: int, last: int) -> Text:
    words = [
        Text(name.value, "bold reverse" if number == here else "green" if number < here else "dim")
        for number, name in enumerate(names[first:last], first)
    ]
    before, after = [Text(_MORE, "dim")] * (first > 0), [Text(_MORE, "dim")] * (last < len(names))
    return Text(" ", no_wrap=True).join([*before, *words, *after])


def _nodes(record: Record, width: int, room: int) -> Iterator[Text]:
    """Yield a line for each node, those that are further on first, as many as there is room for."""
    left = [node for node in record.nodes if not terminal(node.stage)]
    settled = [node for node in record.nodes if terminal(node.stage)]
    shown = [*sorted(left, key=lambda node: -_ORDER.index(node.stage)), *settled][:room]
    # Not narrower than usual names, so that columns stay where they are while nodes come and go.
    names = min(max(20, *(cell_len(_name(node)) for node in shown)), max(20, width // 4))
    groups = min(max(12, *(cell_len(node.group) for node in shown)), max(12, width // 6)) if width >= _NARROW else 0
    spare = room - len(shown)
    for node in shown:
        line, words = _node(node, names, groups), why.words(node)
        beside = width - line.cell_len
        # Whole in a line of its own, as long as there are lines for it.
        if spare and cell_len(words) > beside:
            spare -= 1
            yield from (_fitting(line, width), _line(_INDENT + words, width))
        else:
            yield _fitting(line.append_text(_line(words, max(beside, 1))), width)


def _name(node: Node) -> str:
    # The first label of a node's name is unique in its cluster's network, and leaves room for what it waits for.
    return (node.name or node.instance_id).partition(".")[0]


def _node(node: Node, names: int, groups: int) -> Text:
    """Return the columns of a node, before what it waits for."""
    cells = [_line(_name(node), names, pad=True)]
    if groups:
        cells.append(_line(node.group, groups, "dim", pad=True))
    cells.append(_line(node.stage.value, len(Stage.TERMINATING.value), _COLOURS[node.stage], pad=True))
    return Text(_GAP, no_wrap=True).join([*cells, Text()])


def _fitting(line: Text, width: int) -> Text:
    line.truncate(width, overflow="ellipsis")
    return line
