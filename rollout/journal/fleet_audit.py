"""Whether a fleet's history can be trusted: its chain of events, and that its rows say what the events say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from rollout.journal import chain
from rollout.journal.chain import FLEETS, digest
from rollout.journal.models import fleet_members, fleets, stored


def problems(connection: Connection, fleet_id: str) -> tuple[int, tuple[str, ...]]:
    """Return how many events a fleet has, and what is wrong with them or with what they tell of."""
    count, broken = chain.verify(connection, fleet_id, FLEETS)
    return count, broken or tuple(f"{problem} (fleet {fleet_id})" for problem in _differences(connection, fleet_id))


def _differences(connection: Connection, fleet_id: str) -> Iterator[str]:
    told: dict[str, Any] = {}
    members: dict[str, dict[str, Any]] = {}
    plan = ""
    for event in chain.rows(connection, fleet_id, FLEETS):
        data = json.loads(event["data"])
        plan = data.get("plan", plan)
        told |= data.get("fleet", {})
        for name, changes in data.get("members", {}).items():
            members.setdefault(name, {}).update(changes)
    row = connection.execute(select(fleets).where(fleets.c.id == fleet_id)).mappings().one()
    if digest(row["plan"]) != plan:
        yield "the plan is not the one that it began with"
        return
    yield from _differing("the fleet", dict(row), told)
    query = select(fleet_members).where(fleet_members.c.fleet_id == fleet_id)
    rows = {one["name"]: dict(one) for one in connection.execute(query).mappings()}
    for name in sorted({one["name"] for one in json.loads(row["plan"])["members"]} ^ rows.keys()):
        yield f"member {name} stands in only one of the plan and the table of members"
    for name, one in sorted(rows.items()):
        yield from _differing(f"member {name}", one, {"state": "waiting"} | members.get(name, {}))


def _differing(what: str, row: dict[str, Any], told: dict[str, Any]) -> Iterator[str]:
    for column, value in told.items():
        said = stored(row[column]) if isinstance(row[column], datetime) else row[column]
        if said != value:
            yield f"{what}: its {column} is {said}, by its events {value}"
