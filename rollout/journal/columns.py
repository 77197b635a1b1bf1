"""Columns that auditors and views read beside the history: what events, plans and requests say of them.

Those three are proved (see `audit`). Each column here repeats something of them, so a row that says something else was
changed afterwards, though its chain is whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from rollout.errors import UserError
from rollout.formats import versions
from rollout.formats.codec import effect_of, plan_of
from rollout.journal import node_rows
from rollout.journal.models import attempts, effects, killed_jobs, node_groups, nodes, one_line, stored
from rollout.model.machine import ENDS

Row = Mapping[str, Any]
#: Column by column, what a row must say.
Columns = dict[str, Any]
_DEADLINE = re.compile(r" \(deadline (\S+ \S+) UTC\)$")


@dataclass(slots=True)
class Told:
    """What the events say of columns; a column that they do not tell is not there."""

    rollout: Columns = field(default_factory=dict)
    effects: dict[str, Columns] = field(default_factory=dict)
    nodes: dict[str, Columns] = field(default_factory=dict)
    registered: dict[str, str] = field(default_factory=dict)
    attempts: set[tuple[str, str]] = field(default_factory=set)
    ledger: set[tuple[str, str, str]] = field(default_factory=set)

    def hear(self, event: Row) -> None:
        """Take in the next event."""
        data = json.loads(event["data"])
        self.rollout["updated_at"] = event["at"]
        match event["kind"]:
            case "begun":
                self.rollout |= {"created_at": event["at"], "ended_at": None}
            case "phase":
                self._phase(event, data)
            case "halted":
                self.rollout["hint"] = data["hint"]
            case "resumed":
                self.rollout |= {"hint": None, "deadline": _deadline(event)}
            case "unpaused":
                self.rollout["deadline"] = _deadline(event)
            case "effect":
                self._effect(event, data)
            case "node" | "joined" | "wait" | "forced":
                self._node(event, data)
            case "killed" if "key" in data:
                self.ledger.add((data["pod_uid"], data["key"], data.get("forced_by", "")))
            case _:
                pass

    def _phase(self, event: Row, data: Row) -> None:
        ended = data["to"] in {end.value for end in ENDS}
        self.rollout |= {"ended_at": event["at"] if ended else None, "deadline": _deadline(event)}

    def _effect(self, event: Row, data: Row) -> None:
        at, first = event["at"], {"epoch": event["epoch"], "intended_at": event["at"], "sent_at": event["at"]}
        told = self.effects.setdefault(data["key"], first | {"settled_at": None, "blocked_since": None})
        if "sent" in data:
            told["sent_at"] = at
        if data["state"] == "done":
            told["settled_at"] = at
        if "request_id" in data:
            self.attempts.add((data["key"], at))
            if data["state"] == "blocked":
                told["blocked_since"] = told["blocked_since"] or at

    def _node(self, event: Row, data: Row) -> None:
        told = self.nodes.setdefault(data["instance"], {})
        if event["kind"] == "joined":
            told |= {"name": data["name"], "uid": data["uid"]}
        elif event["kind"] == "wait":
            told["waits_for"] = data["waits_for"]
        elif event["kind"] == "forced":
            told |= {"forced_at": data["forced_at"], "forced_by": data["forced_by"]}
        elif "from" in data:
            told |= {"since": event["at"], "waits_for": "", "reason": data["reason"]}
        else:
            self.registered[data["instance"]] = event["text"]
            told |= {"role": data["role"], "forced_at": None, "forced_by": ""}


def _deadline(event: Row) -> str | None:
    found = _DEADLINE.search(event["text"])
    return found[1] if found else None


def differences(connection: Connection, rollout: Row, events: Sequence[Row], *, proved: bool) -> Iterator[str]:
    """Yield what a rollout's rows say in another way than its events, one sentence each.

    `proved`: whether events carry the SHA-256 of plan and requests, which formats before 2 did not.
    """
    told = Told()
    for event in events:
        told.hear(event)
    yield from _differing("the rollout", _rollout(rollout), told.rollout)
    proved = proved and versions.readable(rollout["journal_version"])
    if proved:
        yield from _groups(connection, rollout)
    yield from _effects(connection, rollout, told, proved=proved)
    yield from _attempts(connection, rollout["id"], told)
    yield from _nodes(connection, rollout["id"], told)
    yield from _ledger(connection, rollout["id"], told)


def _rollout(row: Row) -> Columns:
    deadline = row["deadline"]
    return dict(row) | {"deadline": f"{deadline:%Y-%m-%d %H:%M:%S}" if deadline else None}


def _groups(connection: Connection, rollout: Row) -> Iterator[str]:
    try:
        plan = plan_of(rollout["plan"], rollout["journal_version"])
    except UserError:
        return  # it is not the one that was committed, which is told
    wanted = {row["position"]: row for row in node_rows.of_plan(plan)}
    there = {row["position"]: row for row in _all(connection, select(node_groups), node_groups, rollout["id"])}
    for position in sorted(wanted.keys() | there.keys()):
        if position not in there or position not in wanted:
            yield f"group {position + 1} of the plan is not the one in the table of groups"
        else:
            yield from _differing(f"group {wanted[position]['name']}", there[position], wanted[position], by="the plan")


def _effects(connection: Connection, rollout: Row, told: Told, *, proved: bool) -> Iterator[str]:
    for row in _all(connection, select(effects), effects, rollout["id"]):
        wanted = dict(told.effects.get(row["key"], {}))
        if proved:
            wanted |= _requested(row, rollout["journal_version"])
        yield from _differing(f"effect {row['key']}", row, wanted)


def _requested(row: Row, version: int) -> Columns:
    try:
        effect = effect_of(row["request"], version)
    except UserError:
        return {}  # its request is not the one that was sent, which is told
    return {"kind": effect.kind, "target": effect.target}


def _attempts(connection: Connection, rollout_id: str, told: Told) -> Iterator[str]:
    columns = (effects.c.key, attempts.c.outcome, attempts.c.ended_at)
    query = select(*columns).join(effects).where(attempts.c.outcome.not_in(("ok", "gone")))
    for row in _all(connection, query, effects, rollout_id):
        if (row["key"], stored(row["ended_at"])) not in told.attempts:
            yield f"effect {row['key']}: no event tells of an attempt that ended at {stored(row['ended_at'])}"


def _nodes(connection: Connection, rollout_id: str, told: Told) -> Iterator[str]:
    for row in _all(connection, select(nodes), nodes, rollout_id):
        yield from _differing(f"node {row['instance_id']}", row, told.nodes.get(row["instance_id"], {}))
        text = told.registered.get(row["instance_id"], "")
        named = "name" not in told.nodes.get(row["instance_id"], {}) and row["name"]
        if text and not text.endswith(one_line(f" of {row['node_group']} must go ({row['role']})")):
            yield f"node {row['instance_id']}: its group is {row['node_group']}, by its events: {text}"
        elif named and text and not text.startswith(one_line(f"{row['name']} (")):
            yield f"node {row['instance_id']}: its name is {row['name']}, by its events: {text}"


def _ledger(connection: Connection, rollout_id: str, told: Told) -> Iterator[str]:
    query = select(killed_jobs.c.pod_uid, killed_jobs.c.pod, killed_jobs.c.forced_by, effects.c.key).join(effects)
    known = {uid: (key, by) for uid, key, by in told.ledger}
    for row in _all(connection, query, killed_jobs, rollout_id):
        key, by = known.get(row["pod_uid"], (row["key"], row["forced_by"]))
        if key != row["key"]:
            yield f"pod {row['pod']} was killed by {key}, in the ledger by {row['key']}"
        if by != row["forced_by"]:
            said = row["forced_by"] or "nobody"
            yield f"pod {row['pod']}: its node was forced by {by or 'nobody'}, in the ledger by {said}"


def _differing(what: str, row: Row, told: Columns, by: str = "its events") -> Iterator[str]:
    for name, value in told.items():
        if (said := _plain(row[name])) != value:
            yield f"{what}: its {name} is {_shown(said)}, by {by} {_shown(value)}"


def _plain(value: Any) -> Any:
    return stored(value) if isinstance(value, datetime) else value


def _shown(value: Any) -> str:
    return "empty" if value in {None, ""} else str(value)


def _all(connection: Connection, query: Any, table: Any, rollout_id: str) -> list[Row]:
    return [dict(row) for row in connection.execute(query.where(table.c.rollout_id == rollout_id)).mappings()]
