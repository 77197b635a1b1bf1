"""`--log-format json`: each line that is printed is a JSON object (docs/json.md)."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from rollout.cli import output

if TYPE_CHECKING:
    from rollout.ports import Event

_BAD = frozenset({"interrupted", "killed", "replicas", "report"})


class Format(StrEnum):
    """How `start` and `resume` print lines."""

    TEXT = "text"
    JSON = "json"


class _Log:
    """Of which rollout the lines tell."""

    rollout: str | None = None


def choose(wanted: Format) -> Format:
    """Print lines in this form from now on."""
    _Log.rollout = None
    output.in_json(wanted is Format.JSON)
    if on():
        from rollout.cli import json_log  # noqa: PLC0415  help and text need no logging

        json_log.listen()
    return wanted


def on() -> bool:
    """Tell whether lines are JSON."""
    return output.is_json()


def about(rollout_id: str) -> None:
    """Say of which rollout all further lines tell."""
    _Log.rollout = rollout_id


def write(message: str, kind: str, *, err: bool, **fields: object) -> None:
    """Print one line."""
    level = "error" if kind == "error" else "warning" if err else "info"
    _tell(level, message, {"kind": kind, "err": err} | fields)


def event(told: Event, message: str, then: str | None, phase: str, node: str | None) -> None:
    """Print an event of the rollout, with the time that it has in the journal.

    `message`, `then`: its text and what to do next, with whole commands.
    """
    bad = told.kind in _BAD or told.text.startswith("warning:")
    level = "error" if told.kind == "halted" else "warning" if bad else "info"
    fields = {"phase": phase, "node": node, "reason": told.reason, "hash": told.hash, "next": then}
    _tell(level, message, {"kind": told.kind, "err": False, "at": told.at} | fields)


def _tell(level: str, message: str, fields: dict[str, object]) -> None:
    from rollout.cli import json_log  # noqa: PLC0415  as above

    json_log.tell(level, message, {"rollout": _Log.rollout} | fields)
