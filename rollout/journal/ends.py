"""In SQL: whether a phase, or a stage, is one out of which no move leads. The machine's tables say which those are."""

from __future__ import annotations

from collections.abc import Sequence

from rollout.model.machine import Phase, Stage


def ended(column: str, ends: Sequence[Phase | Stage]) -> str:
    """Return the condition that a column stands at an end."""
    return f"{column} IN ({_listed(ends)})" if len(ends) > 1 else f"{column} = {_listed(ends)}"


def going_on(column: str, ends: Sequence[Phase | Stage]) -> str:
    """Return the condition that it does not."""
    return f"{column} NOT IN ({_listed(ends)})" if len(ends) > 1 else f"{column} <> {_listed(ends)}"


def _listed(ends: Sequence[Phase | Stage]) -> str:
    return ", ".join(f"'{end.value}'" for end in ends)
