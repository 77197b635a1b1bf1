"""Why a rollout halted, and its nodes wait, as its events tell it to programs and to people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rollout.model.machine import Stage
from rollout.model.reasons import tagged

if TYPE_CHECKING:
    from rollout.model.plan import Node
    from rollout.ports import Event


def halt(events: Sequence[Event]) -> Event | None:
    """Return the event of a rollout's last halt."""
    return next((event for event in reversed(events) if event.kind == "halted"), None)


def halted(events: Sequence[Event]) -> str | None:
    """Return the last halt's reason; None in journals of versions that had none."""
    last = halt(events)
    return last.reason if last else None


def waits(events: Sequence[Event]) -> dict[str, str | None]:
    """Return by instance the reason for which its node last waited."""
    return {str(event.data["instance"]): event.reason for event in events if event.kind == "wait"}


def words(node: Node, reason: str | None = None) -> str:
    """Return why a node is where it is: how it went, or what it waits for; `reason`: the same in one word."""
    if node.stage is Stage.GONE:
        return node.reason
    return tagged(f"waits for {node.waits_for}", reason) if node.waits_for else ""
