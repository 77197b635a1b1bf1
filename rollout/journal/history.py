"""All that the journal knows of one rollout, read in one transaction: what a report is made of.

The record says how a rollout stands. This says how it went: each change with its answers, who worked it, what people
asked for, and whether its events can be trusted.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from rollout.errors import UserError
from rollout.formats.codec import effect_of
from rollout.journal import audit, chain, lease_reading, reading, requests
from rollout.journal.models import attempts, effects, events, leases, rollouts
from rollout.journal.record_cache import RecordCache
from rollout.model.effects import Effect
from rollout.model.record import Record
from rollout.ports import Event, KilledJob, Worker

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from rollout.journal.database import Database


@dataclass(frozen=True, slots=True)
class Change:
    """One effect: `sent` times, first saved at `intended`, seen at `settled`; `answers`: the outcome of each attempt.

    `sent` is 0 for what a rebuilt journal took for done. `detail`: the last answer.
    """

    effect: Effect
    state: str
    sent: int
    detail: str
    intended: datetime
    settled: datetime | None
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asked the rollout for while it ran. `data`: what else was said, by name."""

    kind: str
    at: datetime
    by: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Lease:
    """One process that wrote to the rollout: from when to when it did, and how its lease ended.

    `assumed_dead`: who said that the process was dead.
    """

    epoch: int
    host: str
    pid: int
    run_id: str
    build_url: str | None
    acquired: datetime
    last: datetime
    released: datetime | None
    taken: datetime | None
    assumed_dead: str | None


@dataclass(frozen=True, slots=True)
class History:
    """Everything of one rollout. `broken`: what is wrong with its events and with what they tell of, one sentence each.

    `worker`: who works the cluster now, or did last.
    """

    record: Record
    begun: datetime
    ended: datetime | None
    worker: Worker | None
    events: tuple[Event, ...]
    changes: tuple[Change, ...]
    asked: tuple[Asked, ...]
    leases: tuple[Lease, ...]
    killed: tuple[KilledJob, ...]
    broken: tuple[str, ...]


def read(database: Database, rollout_id: str) -> History:
    """Read a rollout; `UserError` if there is none of that id, or its version cannot be read (exit 77)."""
    with database.reading() as connection:
        row = connection.execute(select(rollouts).where(rollouts.c.id == rollout_id)).first()
        if row is None:
            problem = f"there is no rollout {rollout_id} in {database.backend.name}"
            raise UserError(problem, hint="rollout list")
        return History(
            record=RecordCache(database.backend.name).record(connection, row),
            begun=row.created_at,
            ended=row.ended_at,
            worker=lease_reading.worker(connection, row.scope, database.backend.path),
            events=_events(connection, rollout_id),
            changes=_changes(connection, row),
            asked=_asked(connection, rollout_id),
            leases=_leases(connection, row),
            killed=reading.killed(connection, rollout_id),
            broken=audit.problems(connection, rollout_id)[1],
        )


def _events(connection: Connection, rollout_id: str) -> tuple[Event, ...]:
    # As they are stored: what was changed after it was written is to be told, not to end the reading.
    return tuple(
        Event(
            row["seq"],
            datetime.fromisoformat(row["at"]),
            row["kind"],
            row["actor"],
            row["text"],
            row["hash"],
            json.loads(row["data"]),
        )
        for row in chain.rows(connection, rollout_id)
    )


def _changes(connection: Connection, row: Row[Any]) -> tuple[Change, ...]:
    ours = effects.c.rollout_id == row.id
    answers: dict[int, list[str]] = defaultdict(list)
    tries = select(attempts.c.effect_id, attempts.c.outcome).join(effects).where(ours)
    for one in connection.execute(tries.order_by(attempts.c.effect_id, attempts.c.number)):
        answers[one.effect_id].append(one.outcome)
    found = connection.execute(select(effects).where(ours).order_by(effects.c.id))
    return tuple(
        Change(
            effect_of(one.request, row.journal_version),
            one.state,
            one.sent,
            one.detail,
            one.intended_at,
            one.settled_at,
            tuple(answers[one.id]),
        )
        for one in found
    )


def _asked(connection: Connection, rollout_id: str) -> tuple[Asked, ...]:
    rows = requests.rows(connection, rollout_id)
    return tuple(Asked(row.kind, row.at, row.requester, json.loads(row.data)) for row in rows)


def _leases(connection: Connection, row: Row[Any]) -> tuple[Lease, ...]:
    """Return the leases under which an event of the rollout was written, with the moment of the last one."""
    query = select(events.c.epoch, events.c.at).where(events.c.rollout_id == row.id, events.c.epoch.is_not(None))
    last = {one.epoch: one.at for one in connection.execute(query.order_by(events.c.seq))}
    # Older ones know the cluster by its name.
    of_cluster = leases.c.cluster.in_((row.scope, row.cluster))
    found = connection.execute(select(leases).where(of_cluster, leases.c.epoch.in_(last)).order_by(leases.c.epoch))
    return tuple(
        Lease(
            one.epoch,
            one.host,
            one.pid,
            one.run_id,
            one.build_url,
            one.acquired_at,
            last[one.epoch],
            one.released_at,
            one.taken_at,
            one.assumed_dead,
        )
        for one in found
    )
