"""The pictures of a report: where each thing lies on the axis of time, in percent of its width.

Percentages, and no coordinates: so a browser draws bars as wide as the screen has room, and text keeps its size. Every
picture stands beside the same facts in words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from rollout.cli.report.building import took

if TYPE_CHECKING:
    from rollout.cli.report.model import GroupTold, NodeTold, Report, Span, Step

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
#: Seconds between two marks of an axis: as clocks and calendars are read.
_STEPS = (
    *(1, 5, 10, 30),
    *(_MINUTE * minutes for minutes in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * hours for hours in (1, 2, 3, 6, 12)),
    *(_DAY * days for days in (1, 2, 7, 30, 90, 365)),
)
#: Marks of an axis at most: as many as a phone has room for.
_MARKS = 6
#: Percent of the width that a label needs to either side.
_MARGIN = 4.0
#: Percent of the width that the label of a level has, also on a phone.
_LABEL = 20
#: Colours that are told apart on white and on black, and by people who see fewer of them.
COLOURS: Mapping[str, str] = {
    "WAITING": "#7ba6d6",
    "DRAINING": "#e3a02f",
    "RELEASED": "#a98bd3",
    "TERMINATING": "#8b939e",
    "KEPT": "#4fa37a",
    "forward": "#5b8fd0",
    "back": "#c98a2b",
    "run": "#6f9f86",
    "run again": "#9cbfae",
    "halted": "#cf4a3c",
    "deadline": "#cf4a3c",
    "JobsRunning": "#2f66a8",
    "PodDisruptionBudgetBlocks": "#cf4a3c",
    "other wait": "#8b939e",
    "old": "#7ba6d6",
    "new": "#4fa37a",
    "surplus": "#e3a02f",
    "desired": "#4a7fc4",
}
#: Pixels of a chart of capacity, and of its room above and below.
CAPACITY_HEIGHT, _ABOVE, _BELOW = 130, 16, 4
ROLES = ("old", "new", "surplus")


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment on the axis with its label; `anchor`: which end of the label stands there."""

    x: str
    label: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of time. `kind`: one of `COLOURS`; `title`: what it is, in words."""

    x: str
    width: str
    kind: str
    title: str = ""

    @property
    def fill(self) -> str:
        """Its colour."""
        return COLOURS[self.kind]


@dataclass(frozen=True, slots=True)
class Axis:
    """Time from left to right; both ends are moments of the rollout."""

    begin: datetime
    end: datetime

    @classmethod
    def of(cls, report: Report) -> Axis:
        """Return the axis of a rollout; one that has just begun has a second."""
        span = report.span
        return cls(span.begin, max(report.written, span.end or report.written, span.begin + timedelta(seconds=1)))

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.end - self.begin).total_seconds()

    def share(self, at: datetime) -> float:
        """Return where a moment lies, in percent; what lies outside is at an end."""
        return min(max((at - self.begin).total_seconds() / self.seconds * 100, 0.0), 100.0)

    def x(self, at: datetime) -> str:
        """Return the same as SVG has it."""
        return _percent(self.share(at))

    def bar(self, span: Span, kind: str, title: str = "") -> Bar:
        """Return the bar of a span; one that lasts ends with the axis."""
        left, right = self.share(span.begin), self.share(span.end or self.end)
        return Bar(_percent(left), _percent(right - left), kind, title)

    def has(self, at: datetime) -> bool:
        """Tell whether a moment lies on it."""
        return self.begin <= at <= self.end

    @property
    def one_day(self) -> bool:
        """Tell whether all of it lies on one day, in UTC."""
        return self.begin.date() == self.end.date()

    def clock(self, at: datetime) -> str:
        """Return a moment as lists beside the picture name it: without the day where there is only one."""
        return f"{at:%H:%M:%S}" if self.one_day else f"{at:%m-%d %H:%M:%S}"

    def marks(self) -> tuple[Mark, ...]:
        """Return its marks, at round moments."""
        return tuple(self._marks())

    def _marks(self) -> Iterator[Mark]:
        step = next((one for one in _STEPS if self.seconds / one <= _MARKS), round(self.seconds / _MARKS))
        number = int((self.begin - _EPOCH).total_seconds() // step) + 1
        while (at := _EPOCH + timedelta(seconds=number * step)) <= self.end:
            share = self.share(at)
            anchor = "start" if share < _MARGIN else "end" if share > 100 - _MARGIN else "middle"
            yield Mark(_percent(share), _label(at, step), anchor)
            number += 1


def _label(at: datetime, step: int) -> str:
    if step >= _DAY or (at.hour, at.minute, at.second) == (0, 0, 0):
        return f"{at:%m-%d}"
    return f"{at:%H:%M}" if step >= _MINUTE else f"{at:%H:%M:%S}"


def _percent(share: float) -> str:
    return f"{share:.3f}".rstrip("0").rstrip(".") + "%"


# ---- nodes ----------------------------------------------------------------------------------------------------------


def stages(node: NodeTold, axis: Axis) -> tuple[Bar, ...]:
    """Return a node's way through its stages; one that is gone has no bar any more."""
    return tuple(
        axis.bar(one.span, one.stage, f"{node.label}: {one.stage} {took(one.span, axis.end)}")
        for one in node.stages
        if one.stage in COLOURS and one.span.end != one.span.begin
    )


def waits(node: NodeTold, axis: Axis) -> tuple[Bar, ...]:
    """Return when a node waited, and for which kind of thing."""
    return tuple(
        axis.bar(one.span, one.reason if one.reason in COLOURS else "other wait", one.reason or "")  # type: ignore[arg-type]
        for one in node.waits
    )


# ---- capacity -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Box:
    """A part of an area: in percent across, in pixels down."""

    x: str
    width: str
    y: float
    height: float
    fill: str


@dataclass(frozen=True, slots=True)
class Line:
    """A piece of a line: level or upright."""

    x1: str
    x2: str
    y1: float
    y2: float


@dataclass(frozen=True, slots=True)
class Level:
    """A number on the upright axis; `label`: with what it means."""

    y: float
    label: str


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many instances a group was to have, and how many of those that must go were there.

    `labels`: where those of the levels begin.
    """

    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    levels: tuple[Level, ...]
    labels: str
    baseline: float
    roles: tuple[str, ...]


def capacity(group: GroupTold, axis: Axis) -> Capacity | None:
    """Return a group's chart; None where its sizes were not committed yet."""
    if group.baseline is None:
        return None
    roles = tuple(role for role in ROLES if role in group.left)
    stacked = _stacked([group.left[role] for role in roles])
    highest = max((step.value for step in group.desired), default=0)
    top = max(highest, group.baseline.desired, 1, *(sum(counts) for _, counts in stacked))

    def y(value: int) -> float:
        return round(_ABOVE + (CAPACITY_HEIGHT - _ABOVE - _BELOW) * (1 - value / top), 1)

    labels = {0: "0", top: str(top), highest: f"{highest} at most"}
    labels[group.baseline.desired] = f"{group.baseline.desired} baseline"
    return Capacity(
        tuple(_boxes(stacked, roles, axis, y)),
        tuple(_lines(group.desired, axis, y)),
        tuple(Level(y(value), label) for value, label in sorted(labels.items())),
        _percent(_free(group.desired, axis)),
        y(group.baseline.desired),
        roles,
    )


def _free(steps: Sequence[Step], axis: Axis) -> float:
    """Return from where on, in percent, labels are crossed least by the upright pieces of a line."""
    edges = [(axis.share(after.at), abs(after.value - before.value)) for before, after in pairwise(steps)]

    def crossed(place: int) -> int:
        return sum(height for at, height in edges if place <= at <= place + _LABEL)

    return min(range(0, 100 - _LABEL, 2), key=crossed)


def _stacked(series: Sequence[Sequence[Step]]) -> list[tuple[datetime, tuple[int, ...]]]:
    """Return the values of all series at each moment at which one of them changes."""
    moves = sorted((step.at, number, step.value) for number, steps in enumerate(series) for step in steps)
    now, found = [0] * len(series), dict[datetime, tuple[int, ...]]()
    for at, number, value in moves:
        now[number] = value
        found[at] = tuple(now)
    return list(found.items())


def _boxes(
    stacked: Sequence[tuple[datetime, tuple[int, ...]]], roles: Sequence[str], axis: Axis, y: Callable[[int], float]
) -> Iterator[Box]:
    for (at, counts), following in zip(stacked, (*(one for one, _ in stacked[1:]), axis.end), strict=True):
        left, right = axis.share(at), axis.share(following)
        below = 0
        for role, number in zip(roles, counts, strict=True):
            if number:
                height = round(y(below) - y(below + number), 1)
                yield Box(_percent(left), _percent(right - left), y(below + number), height, COLOURS[role])
            below += number


def _lines(steps: Sequence[Step], axis: Axis, y: Callable[[int], float]) -> Iterator[Line]:
    for step, following in zip(steps, (*steps[1:], None), strict=True):
        end = axis.x(following.at if following else axis.end)
        yield Line(axis.x(step.at), end, y(step.value), y(step.value))
        if following:
            yield Line(end, end, y(step.value), y(following.value))
