"""A report as one page of HTML that needs nothing else: no script, no picture, no font, no address.

It is read where a policy takes its styles away, as on Jenkins: so order, tables and words carry it, and pictures have
their colours in attributes. Text of others is escaped, and cannot steer anything.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rollout import __version__
from rollout.cli import screen
from rollout.cli.report import charts
from rollout.cli.report.building import took
from rollout.cli.screen.format import count, instant, span
from rollout.redaction import plain

if TYPE_CHECKING:
    from rollout.cli.report.charts import Axis, Bar
    from rollout.cli.report.model import GroupTold, NodeTold, Report, WaitTold

#: With more nodes than this each has a thin line and a row of a table, in place of a picture with all its waits.
FEW = 40
#: Characters of what a node waited for, where there are many.
SHORT = 120
_STAGES = ("WAITING", "DRAINING", "RELEASED", "TERMINATING", "KEPT")
_WAITS = (
    ("JobsRunning", "protected Jobs (JobsRunning)"),
    ("PodDisruptionBudgetBlocks", "a budget (PodDisruptionBudgetBlocks)"),
    ("other wait", "something else"),
)
_LINE = "line: DesiredCapacity as the rollout set it and saw it; dashed: the baseline"
_AREAS = {
    "old": "area: old nodes that are not gone",
    "new": "area: new nodes that must go and are not gone",
    "surplus": "area: surplus nodes that are not gone",
}
#: Of halts, processes and waits of one node so many are told; JSON has all.
MOST = 12


@dataclass(frozen=True, slots=True)
class Row:
    """A node as the page has it. `held`: what it waited for, and the longest of that."""

    node: NodeTold
    label: str
    stages: tuple[Bar, ...]
    waits: tuple[Bar, ...]
    held: tuple[WaitTold, ...]
    longest: WaitTold | None


@dataclass(frozen=True, slots=True)
class Held:
    """All waits for one reason. `longest`: the longest of them, and the node that waited."""

    reason: str
    nodes: int
    length: timedelta
    longest: WaitTold
    label: str


def text(report: Report) -> str:
    """Return the whole page."""
    axis = charts.Axis.of(report)
    rows = tuple(_rows(report.nodes, axis))
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            report=report,
            axis=axis,
            marks=axis.marks(),
            rows=rows,
            few=len(rows) <= FEW,
            held=_held(rows, axis),
            capacities=[(group, charts.capacity(group, axis), _steps(group, axis)) for group in report.groups],
            standing=Counter(row.node.stage for row in rows).items(),
            stages=[stage for stage in _STAGES if any(bar.kind == stage for row in rows for bar in row.stages)],
            waits=[pair for pair in _WAITS if any(bar.kind == pair[0] for row in rows for bar in row.waits)],
            areas=[("desired", _LINE), *((role, _AREAS[role]) for role in charts.ROLES if role in _roles(report))],
            colours=charts.COLOURS,
            version=__version__,
            most=MOST,
        )
    )


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"instant": instant, "short": short, "typed": screen.shown}
    made.globals |= {"count": count, "span": span, "took": took, "zip": zip}
    return made


def _harmless(value: Any) -> Any:
    """Let no control character of others into the page; what a macro has made is our own."""
    return plain(value) if type(value) is str else value


def short(text: str, most: int = SHORT) -> str:
    """Return a text that is cut where it is too long, and shows it."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def _roles(report: Report) -> set[str]:
    return {role for group in report.groups for role in group.left}


# ---- nodes ----------------------------------------------------------------------------------------------------------


def _rows(nodes: Sequence[NodeTold], axis: Axis) -> Iterator[Row]:
    """Yield the nodes as they went: the first that was out of the way first."""
    labels = Counter(node.label for node in nodes)
    for node in sorted(nodes, key=lambda one: (one.span.end or axis.end, one.group, one.label)):
        label = node.label if labels[node.label] == 1 else f"{node.name or node.label}"
        longest = max(node.waits, key=lambda wait: wait.span.length(axis.end), default=None)
        yield Row(node, label, charts.stages(node, axis), charts.waits(node, axis), node.waits, longest)


def _held(rows: Sequence[Row], axis: Axis) -> list[Held]:
    """Return what nodes waited for, the most time first."""
    of: dict[str, list[tuple[WaitTold, Row]]] = defaultdict(list)
    for row in rows:
        for wait in row.held:
            of[wait.reason or "no reason noted"].append((wait, row))
    found = []
    for reason, some in of.items():
        longest, row = max(some, key=lambda pair: pair[0].span.length(axis.end))
        length = sum((wait.span.length(axis.end) for wait, _ in some), timedelta())
        found.append(Held(reason, len({one.node.instance_id for _, one in some}), length, longest, row.label))
    return sorted(found, key=lambda one: one.length, reverse=True)


# ---- capacity -------------------------------------------------------------------------------------------------------


def _steps(group: GroupTold, axis: Axis) -> str:
    """Return how DesiredCapacity went, in words."""
    if len(group.desired) > MOST:
        values = [step.value for step in group.desired]
        last = group.desired[-1]
        ends = f"{min(values)} at least, {max(values)} at most, {last.value} since {axis.clock(last.at)}"
        return f"{count(len(values) - 1, 'change')}: {ends}"
    return " → ".join(
        f"{step.value} at {axis.clock(step.at)}" if number else str(step.value)
        for number, step in enumerate(group.desired)
    )
