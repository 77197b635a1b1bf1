"""A journal as records that need no database: each row as its columns store it, in an order that stays.

Leases first, by cluster and epoch. Then each rollout, oldest first: its own row, its groups and nodes in the order in
which they were added, each effect with its attempts after it, what people asked for, the ledger of killed Jobs, and the
events from the first to the last. Fleets come last: its own row, its members, what people asked for, and the events.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, String, Table, or_, select, type_coerce

from rollout.journal import chain
from rollout.journal.database import Database
from rollout.journal.models import (
    attempts,
    effects,
    events,
    fleet_events,
    fleet_members,
    fleet_requests,
    fleets,
    killed_jobs,
    leases,
    node_groups,
    nodes,
    requests,
    rollouts,
)

Record = dict[str, Any]


def records(database: Database, rollout_id: str | None = None) -> Iterator[Record]:
    """Yield the rows of one rollout and of all leases of its cluster, or all of the journal's."""
    with database.reading() as connection:
        ids = [rollout_id] if rollout_id else chain.known(connection)
        yield from _leases(connection, rollout_id)
        for one in ids:
            yield from _rollout(connection, one)
        for one in [] if rollout_id else chain.known(connection, chain.FLEETS):
            yield from _fleet(connection, one)


def _leases(connection: Connection, rollout_id: str | None) -> Iterator[Record]:
    scopes = [select(column).where(rollouts.c.id == rollout_id) for column in (rollouts.c.scope, rollouts.c.cluster)]
    where = [or_(*(leases.c.cluster.in_(scope) for scope in scopes))] if rollout_id else []
    yield from _rows(connection, leases, "lease", leases.c.cluster, leases.c.epoch, where=where)


def _rollout(connection: Connection, rollout_id: str) -> Iterator[Record]:
    def of(table: Table) -> list[ColumnElement[bool]]:
        return [table.c.rollout_id == rollout_id]

    yield from _rows(connection, rollouts, "rollout", rollouts.c.id, where=[rollouts.c.id == rollout_id])
    yield from _rows(connection, node_groups, "node_group", node_groups.c.position, where=of(node_groups))
    yield from _rows(connection, nodes, "node", nodes.c.id, where=of(nodes))
    for effect in _rows(connection, effects, "effect", effects.c.id, where=of(effects)):
        yield effect
        sent = [attempts.c.effect_id == effect["id"]]
        yield from _rows(connection, attempts, "attempt", attempts.c.number, where=sent)
    yield from _rows(connection, requests, "request", requests.c.id, where=of(requests))
    yield from _rows(connection, killed_jobs, "killed_job", killed_jobs.c.id, where=of(killed_jobs))
    yield from _rows(connection, events, "event", events.c.seq, where=of(events))


def _fleet(connection: Connection, fleet_id: str) -> Iterator[Record]:
    yield from _rows(connection, fleets, "fleet", fleets.c.id, where=[fleets.c.id == fleet_id])
    for table, kind, order in (
        (fleet_members, "fleet_member", fleet_members.c.position),
        (fleet_requests, "fleet_request", fleet_requests.c.id),
        (fleet_events, "fleet_event", fleet_events.c.seq),
    ):
        yield from _rows(connection, table, kind, order, where=[table.c.fleet_id == fleet_id])


def _rows(
    connection: Connection, table: Table, kind: str, *order: ColumnElement[Any], where: Sequence[ColumnElement[bool]]
) -> Iterator[Record]:
    # As text, all that is no number: what was hashed must not be made right by being read.
    columns = [one if isinstance(one.type, Integer) else type_coerce(one, String).label(one.name) for one in table.c]
    for row in connection.execute(select(*columns).where(*where).order_by(*order)).mappings().all():
        yield {"type": kind} | dict(row)
