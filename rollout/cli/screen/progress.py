"""How far a rollout is: a bar for all nodes that must go, or one for each group."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from rollout.cli.screen.format import count
from rollout.model.machine import Stage

if TYPE_CHECKING:
    from rollout.model.plan import Node
    from rollout.model.record import Record

#: Characters of a bar.
_LENGTH = 20


def bar(part: int, whole: int) -> str:
    """Return how much of a whole is done, as a bar that any terminal shows; it is full only when all is."""
    full = part * _LENGTH // whole if whole else 0
    return f"[{'#' * full}{'.' * (_LENGTH - full)}]"


def by_group(record: Record) -> list[str]:
    """Return a line for each group with nodes that must go."""
    grouped = groupby(sorted(record.to_go, key=_group), _group)
    return [_line(nodes, f" in {group}") for group, nodes in grouped]


def in_all(record: Record) -> str:
    """Return one line for all groups."""
    return _line(record.to_go)


def _line(nodes: Iterable[Node], where: str = "") -> str:
    gone: Sequence[bool] = [node.stage is Stage.GONE for node in nodes]
    return f"{bar(sum(gone), len(gone))} {sum(gone)} of {count(len(gone), 'node')} gone{where}"


def _group(node: Node) -> str:
    return node.group
