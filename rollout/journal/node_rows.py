"""The rows of nodes that must go and of the groups they belong to, inside a transaction of `store`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from rollout.errors import Bug
from rollout.journal.chain import Page
from rollout.journal.models import node_groups, nodes, one_line, stored
from rollout.model.decision import Move, NodeWait
from rollout.model.machine import Stage, step
from rollout.model.plan import Node, NodeGroup, Plan
from rollout.model.reasons import tagged
from rollout.model.steering import Force

# Built once: it is asked at every tick. Its columns are the fields of `Node`, in their order.
_ALL = (
    select(*(nodes.c[field.name] for field in fields(Node)))
    .where(nodes.c.rollout_id == bindparam("of"))
    .order_by(nodes.c.id)
)
_SOME = _ALL.where(nodes.c.instance_id.in_(bindparam("instances", expanding=True)))


def read(connection: Connection, rollout_id: str, instances: Sequence[str] | None) -> dict[str, Node]:
    """Return by instance the nodes that must go, those named or all, in the order in which they were added."""
    if instances is None:
        found = connection.execute(_ALL, {"of": rollout_id}).all()
    elif instances:
        found = connection.execute(_SOME, {"of": rollout_id, "instances": instances}).all()
    else:
        return {}
    return {node.instance_id: node for node in (Node(*row) for row in found)}


def add(page: Page, added: Sequence[Node], now: datetime) -> None:
    """Add nodes to those that must go, or note the Node by which one's kubelet reports now.

    Raises `Bug` for an instance that is there already with that Node.
    """
    for node in added:
        known = _find(page, node.instance_id)
        if known:
            _join(page, known, node, now)
            continue
        page.connection.execute(nodes.insert(), {"rollout_id": page.rollout_id} | asdict(node))
        text = f"{_label(node)} of {node.group} must go ({node.role})"
        page.tell(now, "node", text, instance=node.instance_id, to=node.stage.value, role=node.role)


def _join(page: Page, row: Row[Any], node: Node, now: datetime) -> None:
    if row.uid == node.uid:
        raise Bug(f"{node.instance_id} is among the nodes of {page.rollout_id} already")
    _change(page, row, name=node.name, uid=node.uid)
    text = f"{_label(node)} of {node.group} has registered as {node.name}, uid {node.uid}"
    page.tell(now, "joined", text, instance=node.instance_id, name=node.name, uid=node.uid)


def move(page: Page, moved: Move, now: datetime) -> None:
    """Step one node's stage machine; what it waited for is over."""
    row = _known(page, moved.instance_id)
    before, after = row.stage, step(row.stage, moved.trigger)
    back = 1 if after is Stage.WAITING else 0
    attempt = row.drain_attempt + back
    _change(page, row, stage=after, since=now, waits_for="", reason=moved.because, drain_attempt=attempt)
    because = f": {moved.because}" if moved.because else ""
    stages = {"from": before.value, "to": after.value, "reason": moved.because}
    text = f"{_label(row)} {before.value} → {after.value}{because}"
    page.tell(now, "node", text, instance=moved.instance_id, **stages)


def wait(page: Page, waits: NodeWait, now: datetime) -> None:
    """Note what a node waits for; the same again writes nothing."""
    row = _known(page, waits.instance_id)
    if row.waits_for == waits.waits_for:
        return
    _change(page, row, waits_for=waits.waits_for)
    text = tagged(f"{_label(row)} waits for {waits.waits_for or 'nothing more'}", waits.reason)
    page.tell(now, "wait", text, instance=waits.instance_id, waits_for=waits.waits_for, reason=waits.reason)


def force(page: Page, asked: Force, now: datetime) -> None:
    """Note that somebody asked that a node goes now."""
    row, by = _known(page, asked.instance_id), one_line(asked.label)
    _change(page, row, forced_at=asked.at, forced_by=by)
    told = {"instance": asked.instance_id, "forced_at": stored(asked.at), "forced_by": by}
    page.tell(now, "forced", f"{_label(row)} goes now, with its Jobs: forced by {by}", **told)


def add_groups(page: Page, plan: Plan) -> None:
    """Write the plan's groups."""
    for row in of_plan(plan):
        page.connection.execute(node_groups.insert(), {"rollout_id": page.rollout_id} | row)


def of_plan(plan: Plan) -> list[dict[str, Any]]:
    """Return the rows of a plan's groups."""
    return [
        {"position": position, "name": group.name} | _template(group) | _later(plan, group)
        for position, group in enumerate(plan.groups)
    ]


def update_groups(page: Page, plan: Plan) -> None:
    """Write what a later half of the plan adds to its groups."""
    for group in plan.groups:
        where = (node_groups.c.rollout_id == page.rollout_id, node_groups.c.name == group.name)
        page.connection.execute(node_groups.update().where(*where).values(**_later(plan, group)))


def _template(group: NodeGroup) -> dict[str, Any]:
    use = asdict(group.sources[0].use)
    return {name: use[name] for name in ("template_id", "template_name", "reference")} | {
        "source_version": group.sources[0].version
    }


def _later(plan: Plan, group: NodeGroup) -> dict[str, Any]:
    version = plan.version(group.sources[0])
    sizes = next((baseline.sizes for baseline in plan.baselines if baseline.group == group.name), None)
    return {
        "new_version": version.number if version else None,
        "baseline_minimum": sizes.minimum if sizes else None,
        "baseline_desired": sizes.desired if sizes else None,
        "baseline_maximum": sizes.maximum if sizes else None,
    }


def _label(node: Node | Row[Any]) -> str:
    return f"{node.name} ({node.instance_id})" if node.name else str(node.instance_id)


def _find(page: Page, instance_id: str) -> Row[Any] | None:
    page.nodes.add(instance_id)
    query = select(nodes).where(nodes.c.rollout_id == page.rollout_id, nodes.c.instance_id == instance_id)
    return page.connection.execute(query).first()


def _known(page: Page, instance_id: str) -> Row[Any]:
    row = _find(page, instance_id)
    if row is None:
        raise Bug(f"{instance_id} is not among the nodes of {page.rollout_id}")
    return row


def _change(page: Page, row: Row[Any], **values: Any) -> None:
    page.connection.execute(nodes.update().where(nodes.c.id == row.id).values(**values))
