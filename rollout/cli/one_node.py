"""One node that somebody names: which it is, and what is said where nothing can be asked for about it any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rollout.cli import select_rollout
from rollout.commands import rollout
from rollout.errors import UserError
from rollout.model.machine import Stage

if TYPE_CHECKING:
    from datetime import datetime

    from rollout.model.plan import Node
    from rollout.model.record import Record

#: The option by which it is named where there must be one.
Name = Annotated[str, typer.Option("--node", metavar="NAME", help="Which one: its name, or its instance's id.")]


def named(name: str, record: Record) -> Node:
    """Return the node that is meant. Raises `UserError` where none of the rollout's has that name."""
    for row in record.nodes:
        if name in {row.name, (row.name or "").partition(".")[0], row.instance_id}:
            return row
    known = ", ".join(row.name or row.instance_id for row in record.nodes) or "none yet"
    raise UserError(
        f"rollout {record.id} has no node {name} that must go; it has: {known}", hint=rollout("why", record.id)
    )


def label(row: Node) -> str:
    """Return how a node is called, with its instance."""
    return f"{row.name} ({row.instance_id})" if row.name else row.instance_id


def forced(row: Node, record: Record) -> tuple[datetime, str] | None:
    """Return when somebody asked that a node goes now, and who, also where no process has obeyed yet; None: nobody."""
    if row.forced_at:
        return row.forced_at, row.forced_by
    return next(((one.at, one.label) for one in record.forces if one.instance_id == row.instance_id), None)


def asked(row: Node, record: Record) -> str:
    """Say what somebody asked for about a node that is still there; "" where nobody did, or it is too late."""
    if row.stage in {Stage.KEPT, Stage.TERMINATING, Stage.GONE}:
        return ""
    if skip := record.skips.get(row.instance_id):
        return f"asked to stay by {skip.label}"
    force = forced(row, record)
    return f"asked to go by {force[1]}" if force else ""


def over(row: Node, record: Record) -> str:
    """Say why nothing can be asked for about a node any more; "" where it can."""
    if over_all := select_rollout.over(record.id, record.phase):
        return over_all
    if row.group in record.deleted:
        return f"{label(row)} went with its group {row.group}, which somebody deleted"
    if row.stage is Stage.GONE:
        return f"{label(row)} is gone"
    if row.stage is Stage.TERMINATING:
        return f"{label(row)} is being terminated"
    return ""
