"""The rows of nodes that must go and of the groups they belong to, inside a transaction of `store`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from rollout.decision import Move, NodeWait
from rollout.errors import Bug
from rollout.journal.chain import Chain
from rollout.journal.models import node_groups, nodes
from rollout.machine import Stage, step
from rollout.plan import Node, NodeGroup, Plan

_FIELDS = tuple(field.name for field in fields(Node))


def read(connection: Connection, rollout_id: str) -> tuple[Node, ...]:
    """Return the nodes that must go, in the order in which they were added."""
    query = select(*(nodes.c[name] for name in _FIELDS)).where(nodes.c.rollout_id == rollout_id).order_by(nodes.c.id)
    return tuple(Node(*row) for row in connection.execute(query))


def add(connection: Connection, chain: Chain, rollout_id: str, added: Sequence[Node], now: datetime) -> None:
    """Add nodes to those that must go; `Bug` for an instance that is there already."""
    for node in added:
        if _find(connection, rollout_id, node.instance_id):
            raise Bug(f"{node.instance_id} is among the nodes of {rollout_id} already")
        connection.execute(nodes.insert().values(rollout_id=rollout_id, **asdict(node)))
        text = f"{_label(node)} of {node.group} must go ({node.role})"
        chain.append(now, "node", text, instance=node.instance_id, to=node.stage.value, role=node.role)


def move(connection: Connection, chain: Chain, rollout_id: str, moved: Move, now: datetime) -> None:
    """Step one node's stage machine; what it waited for is over."""
    row = _known(connection, rollout_id, moved.instance_id)
    stage = step(row.stage, moved.trigger)
    values = {"stage": stage, "since": now, "waits_for": "", "reason": moved.reason or row.reason}
    back = 1 if stage is Stage.WAITING else 0
    connection.execute(nodes.update().where(nodes.c.id == row.id).values(**values, round=row.round + back))
    because = f": {moved.reason}" if moved.reason else ""
    text = f"{_label(row)} {row.stage.value} → {stage.value}{because}"
    stages = {"from": row.stage.value, "to": stage.value}
    chain.append(now, "node", text, instance=moved.instance_id, **stages, reason=moved.reason)


def wait(connection: Connection, chain: Chain, rollout_id: str, waits: NodeWait, now: datetime) -> None:
    """Note what a node waits for; the same again writes nothing."""
    row = _known(connection, rollout_id, waits.instance_id)
    if row.waits_for == waits.waits_for:
        return
    connection.execute(nodes.update().where(nodes.c.id == row.id).values(waits_for=waits.waits_for))
    if waits.waits_for:
        text = f"{_label(row)} waits for {waits.waits_for}"
        chain.append(now, "wait", text, instance=waits.instance_id, waits_for=waits.waits_for)


def add_groups(connection: Connection, rollout_id: str, plan: Plan) -> None:
    """Write the plan's groups."""
    for position, group in enumerate(plan.groups):
        connection.execute(
            node_groups.insert().values(
                rollout_id=rollout_id, position=position, **asdict(group), **_found(plan, group)
            )
        )


def update_groups(connection: Connection, rollout_id: str, plan: Plan) -> None:
    """Write what a later half of the plan adds to its groups."""
    for group in plan.groups:
        where = (node_groups.c.rollout_id == rollout_id, node_groups.c.name == group.name)
        connection.execute(node_groups.update().where(*where).values(**_found(plan, group)))


def _found(plan: Plan, group: NodeGroup) -> dict[str, int | None]:
    version = plan.version(group)
    sizes = next((baseline.sizes for baseline in plan.baselines if baseline.group == group.name), None)
    return {
        "new_version": version.number if version else None,
        "baseline_minimum": sizes.minimum if sizes else None,
        "baseline_desired": sizes.desired if sizes else None,
        "baseline_maximum": sizes.maximum if sizes else None,
    }


def _label(node: Node | Row[Any]) -> str:
    return f"{node.name} ({node.instance_id})" if node.name else str(node.instance_id)


def _find(connection: Connection, rollout_id: str, instance_id: str) -> Row[Any] | None:
    query = select(nodes).where(nodes.c.rollout_id == rollout_id, nodes.c.instance_id == instance_id)
    return connection.execute(query).first()


def _known(connection: Connection, rollout_id: str, instance_id: str) -> Row[Any]:
    row = _find(connection, rollout_id, instance_id)
    if row is None:
        raise Bug(f"{instance_id} is not among the nodes of {rollout_id}")
    return row
