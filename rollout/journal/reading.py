"""What is read of the journal beside records: the list of rollouts, all intents, all pods that left, killed Jobs."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from rollout.formats.codec import accepted_of, effect_of
from rollout.journal import requests
from rollout.journal.effect_index import MAY_HAVE_LEFT
from rollout.journal.models import effects, events, killed_jobs, node_groups, rollouts
from rollout.model.accepted import Accepted
from rollout.model.effects import DEPARTING, Departure, Effect
from rollout.model.machine import terminal
from rollout.model.record import Left
from rollout.model.steering import Pause
from rollout.ports import KilledJob, Summary

_ALL_LEFT = (
    select(effects.c.request, effects.c.sent_at)
    .where(
        effects.c.rollout_id == bindparam("of"),
        effects.c.kind.in_(DEPARTING),
        effects.c.state.in_(MAY_HAVE_LEFT),
    )
    .order_by(effects.c.id)
)

_AGREED = (
    select(events.c.data)
    .where(events.c.rollout_id == bindparam("of"), events.c.kind.in_(("begun", "halted")))
    .order_by(events.c.seq)
)


def summaries(connection: Connection) -> tuple[Summary, ...]:
    """Return all rollouts, newest first."""
    groups: dict[str, list[str]] = {}
    for group in connection.execute(select(node_groups).order_by(node_groups.c.position)):
        groups.setdefault(group.rollout_id, []).append(group.name)
    rows = connection.execute(select(rollouts).order_by(rollouts.c.created_at.desc(), rollouts.c.id.desc()))
    found = [(row, requests.read(connection, row.id).pause if not terminal(row.phase) else None) for row in rows.all()]
    return tuple(_summary(row, tuple(groups.get(row.id, ())), pause) for row, pause in found)


def intents(connection: Connection, rollout_id: str) -> tuple[tuple[datetime, Effect], ...]:
    """Return every effect of a rollout with the instant at which it was first saved, in that order."""
    columns = (effects.c.intended_at, effects.c.request, rollouts.c.journal_version)
    query = select(*columns).join(rollouts).where(effects.c.rollout_id == rollout_id).order_by(effects.c.id)
    rows = connection.execute(query)
    return tuple((row.intended_at, effect_of(row.request, row.journal_version)) for row in rows)


def killed(connection: Connection, rollout_id: str) -> tuple[KilledJob, ...]:
    """Return the ledger of killed Jobs."""
    columns = (killed_jobs.c.job, killed_jobs.c.pod, killed_jobs.c.node, killed_jobs.c.at, killed_jobs.c.forced_by)
    query = select(*columns).where(killed_jobs.c.rollout_id == rollout_id).order_by(killed_jobs.c.id)
    return tuple(KilledJob(*row) for row in connection.execute(query))


def _summary(row: Row[Any], groups: tuple[str, ...], pause: Pause | None) -> Summary:
    return Summary(
        id=row.id,
        key=row.caller_key,
        cluster=row.cluster,
        scope=row.scope,
        ami=row.ami,
        groups=groups,
        phase=row.phase,
        direction=row.direction,
        halted=row.halted,
        begun=row.created_at,
        ended=row.ended_at,
        pause=pause,
    )


def evicted(connection: Connection, rollout_id: str, version: int) -> tuple[Left, ...]:
    """Return all pods that left because the rollout asked for it, oldest first."""
    rows = connection.execute(_ALL_LEFT, {"of": rollout_id})
    found = ((effect_of(row.request, version), row.sent_at) for row in rows)
    return tuple(Left(effect, at) for effect, at in found if isinstance(effect, Departure))


def accepted(connection: Connection, rollout_id: str, *, halted: bool) -> frozenset[Accepted]:
    """Return what people agreed to by resuming after halts; `halted`: nobody has resumed after the last one.

    A journal that was rebuilt begins with what they had agreed to before.
    """
    rows = connection.execute(_AGREED, {"of": rollout_id}).all()
    told = [json.loads(row.data).get("accepts", ()) for row in rows]
    return accepted_of(value for values in (told[:-1] if halted else told) for value in values)
