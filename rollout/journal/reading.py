"""What is read of the journal: one tick's record, the list of rollouts, all intents.

A record is read at every tick, so its cost must hardly grow with what is long settled: of settled effects only the keys
are read, and the requests that changed a group, each of which is parsed once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection, Row, bindparam, case, func, select

from rollout.fence import TRUST_SECONDS
from rollout.formats import versions
from rollout.formats.codec import effect_of, plan_of
from rollout.journal import node_rows
from rollout.journal.models import attempts, effects, node_groups, rollouts
from rollout.model.effects import (
    DEPARTING,
    WRITING,
    Departure,
    Effect,
    OnGroup,
    StartAutoscaler,
    StopAutoscaler,
    Written,
    kind_of,
)
from rollout.model.machine import DRAINING
from rollout.model.record import LATE_SECONDS, LEFT_WITHIN, EffectRow, Late, Left, Record
from rollout.ports import Summary
from rollout.stages.steadiness import BLIND_AFTER

#: Seconds after a look within which what it led to has left. What is about to be sent rests on a look that is no older
#: than that, and the lease may have been renewed just then: the fence lets through what was stopped for as long as it
#: is trusted. (An act of effects that harm nobody may take longer, where AWS is slow.)
LEFT_SECONDS = BLIND_AFTER + TRUST_SECONDS


class Try(NamedTuple):
    """What one request brought, and when."""

    outcome: str
    started: datetime
    ended: datetime


# Built once: each is asked at every tick.
_OF = effects.c.rollout_id == bindparam("of")
_COLUMNS = ("id", "request", "state", "sent", "sent_at", "answered_at", "retry_at", "detail", "blocked_since")
_UNSETTLED = (
    select(*(effects.c[name] for name in _COLUMNS)).where(_OF, effects.c.state != "done").order_by(effects.c.id)
)
_YES = case((attempts.c.outcome == "ok", attempts.c.ended_at))
_TRIES = (
    select(attempts.c.effect_id, func.count(_YES), func.min(_YES), func.min(attempts.c.ended_at))
    .join(effects)
    .where(_OF, effects.c.state != "done")
    .group_by(attempts.c.effect_id)
)
_DONE = select(effects.c.key).where(_OF, effects.c.state == "done")
_WRITTEN = (
    select(effects.c.request).where(_OF, effects.c.kind.in_(WRITING), effects.c.state == "done").order_by(effects.c.id)
)
_ANSWERED = (
    select(func.count())
    .where(attempts.c.effect_id == effects.c.id, attempts.c.outcome != "unknown")
    .correlate(effects)
    .scalar_subquery()
)
# An effect that was sent once and shows has arrived; of one that was sent again, an earlier request may not have.
# Of one whose requests were all answered nothing is late, however many they are: it is not read.
_LATE = (
    select(
        *(effects.c[name] for name in ("id", "request", "sent", "sent_at")),
        *(attempts.c[name] for name in ("number", "outcome", "started_at", "ended_at")),
    )
    .select_from(effects.outerjoin(attempts))
    .where(_OF, (effects.c.state != "done") | (effects.c.sent > 1), effects.c.sent > _ANSWERED)
    .order_by(effects.c.id, attempts.c.number)
)

#: The states of an eviction or deletion that may have taken its pod: what does not show, and is to be sent again, may
#: arrive late all the same.
MAY_HAVE_LEFT = ("intended", "unknown", "not_applied", "done")
_LEAVING = (_OF, effects.c.kind.in_(DEPARTING), effects.c.state.in_(MAY_HAVE_LEFT))
_NEWEST_LEFT = select(func.max(effects.c.sent_at)).where(*_LEAVING)
_ALL_LEFT = select(effects.c.request, effects.c.sent_at).where(*_LEAVING).order_by(effects.c.id)
_LEFT = _ALL_LEFT.where(effects.c.sent_at > bindparam("since"))


def record(connection: Connection, row: Row[Any], journal: str = "") -> Record:
    """Return the record of the rollout in `row`; `UserError` (exit 77) if it is of a version that is not readable.

    `journal`: how messages call the database.
    """
    versions.require(row.id, row.journal_version, row.begun_by)
    done = _done(connection, row.id)
    return Record(
        id=row.id,
        key=row.caller_key,
        plan=plan_of(row.plan, row.journal_version),
        phase=row.phase,
        since=row.since,
        deadline=row.deadline,
        drain_deadline=row.drain_deadline,
        halted=row.halted,
        round=row.round,
        nodes=node_rows.read(connection, row.id),
        unsettled=_unsettled(connection, row.id, row.journal_version),
        done=done,
        written=_written(connection, row.id, row.journal_version),
        late=_late(connection, row.id, row.journal_version),
        left=_left(connection, row.id, row.journal_version) if row.phase in DRAINING else (),
        journal=journal,
        autoscaler_off=_autoscaler_off(connection, row.id, done),
    )


def summaries(connection: Connection) -> tuple[Summary, ...]:
    """Return all rollouts, newest first."""
    groups: dict[str, list[str]] = {}
    for group in connection.execute(select(node_groups).order_by(node_groups.c.position)):
        groups.setdefault(group.rollout_id, []).append(group.name)
    rows = connection.execute(select(rollouts).order_by(rollouts.c.created_at.desc(), rollouts.c.id.desc()))
    return tuple(_summary(row, tuple(groups.get(row.id, ()))) for row in rows)


def intents(connection: Connection, rollout_id: str) -> tuple[tuple[datetime, Effect], ...]:
    """Return every effect of a rollout with the instant at which it was first saved, in that order."""
    columns = (effects.c.intended_at, effects.c.request, rollouts.c.journal_version)
    query = select(*columns).join(rollouts).where(effects.c.rollout_id == rollout_id).order_by(effects.c.id)
    rows = connection.execute(query)
    return tuple((row.intended_at, effect_of(row.request, row.journal_version)) for row in rows)


def _summary(row: Row[Any], groups: tuple[str, ...]) -> Summary:
    return Summary(
        id=row.id,
        key=row.caller_key,
        cluster=row.cluster,
        scope=row.scope,
        ami=row.ami,
        groups=groups,
        phase=row.phase,
        halted=row.halted,
        begun=row.created_at,
        ended=row.ended_at,
    )


def _unsettled(connection: Connection, rollout_id: str, version: int) -> tuple[EffectRow, ...]:
    rows = connection.execute(_UNSETTLED, {"of": rollout_id}).all()
    counted = connection.execute(_TRIES, {"of": rollout_id}) if rows else ()
    tries = {effect_id: told for effect_id, *told in counted}
    return tuple(_row(row, version, *tries.get(row.id, (0, None, None))) for row in rows)


def _row(row: Row[Any], version: int, yeses: int, first_yes: datetime | None, tried: datetime | None) -> EffectRow:
    return EffectRow(
        effect=effect_of(row.request, version),
        state=row.state,
        intended=row.sent_at,
        sent=row.sent,
        answered=row.answered_at,
        retry_at=row.retry_at,
        detail=row.detail,
        blocked_since=row.blocked_since,
        yeses=yeses,
        first_yes=first_yes,
        tried=tried,
    )


def _late(connection: Connection, rollout_id: str, version: int) -> tuple[Late, ...]:
    """Return each effect that has requests without an answer, with the instant until which the last may arrive."""
    found = []
    for _, rows in groupby(connection.execute(_LATE, {"of": rollout_id}), key=lambda row: row.id):
        of_one = list(rows)
        effect = of_one[0]
        tries = {row.number: Try(row.outcome, row.started_at, row.ended_at) for row in of_one if row.number is not None}
        if until := late_until(effect.sent, effect.sent_at, tries):
            found.append(Late(effect_of(effect.request, version), until))
    return tuple(found)


def late_until(sent: int, sent_at: datetime, tries: Mapping[int, Try]) -> datetime | None:
    """Return until when a request of an effect may arrive, None where all were answered.

    `sent`: how often it was sent; `sent_at`: when the last was intended; `tries`: by number, those that were told of.
    """
    times = list(_unanswered(sent, sent_at, tries))
    return max(times) + timedelta(seconds=LATE_SECONDS) if times else None


def _unanswered(sent: int, sent_at: datetime, tries: Mapping[int, Try]) -> Iterator[datetime]:
    """Yield when each request that was not answered had left, as late as that may have been."""
    left_by = sent_at + timedelta(seconds=LEFT_SECONDS)
    for number in range(sent, 0, -1):
        one = tries.get(number)
        if one is None:
            yield left_by
            continue
        if one.outcome == "unknown":
            yield one.ended
        left_by = one.started


def _left(connection: Connection, rollout_id: str, version: int) -> tuple[Left, ...]:
    """Return the pods that left lately, which may be none of late."""
    newest = connection.execute(_NEWEST_LEFT, {"of": rollout_id}).scalar()
    if newest is None:
        return ()
    since = newest - timedelta(seconds=LEFT_WITHIN)
    return _evicted(connection.execute(_LEFT, {"of": rollout_id, "since": since}), version)


def evicted(connection: Connection, rollout_id: str, version: int) -> tuple[Left, ...]:
    """Return all pods that left because the rollout asked for it, oldest first."""
    return _evicted(connection.execute(_ALL_LEFT, {"of": rollout_id}), version)


def _evicted(rows: Iterable[Row[Any]], version: int) -> tuple[Left, ...]:
    found = ((effect_of(row.request, version), row.sent_at) for row in rows)
    return tuple(Left(effect, at) for effect, at in found if isinstance(effect, Departure))


def _done(connection: Connection, rollout_id: str) -> frozenset[str]:
    return frozenset(connection.execute(_DONE, {"of": rollout_id}).scalars().all())


def _autoscaler_off(connection: Connection, rollout_id: str, done: frozenset[str]) -> datetime | None:
    """Return when we first asked that cluster-autoscaler stop; None before, and once it is started again."""
    stopped = [key for key in done if key.startswith(f"{kind_of(StopAutoscaler)}:")]
    if not stopped or any(key.startswith(f"{kind_of(StartAutoscaler)}:") for key in done):
        return None
    asked = select(func.min(effects.c.intended_at)).where(
        effects.c.rollout_id == rollout_id, effects.c.key.in_(stopped)
    )
    return connection.execute(asked).scalar()


def _written(connection: Connection, rollout_id: str, version: int) -> dict[str, Written]:
    """Return what our settled effects left; sizes of one group are never changed side by side.

    Their order is that in which they were intended, not that of their times: the next host's clock may be behind.
    """
    found: defaultdict[str, Written] = defaultdict(Written)
    for request in connection.execute(_WRITTEN, {"of": rollout_id}).scalars():
        group, left = _left_by(request, version)
        found[group] = found[group].then(left)
    return dict(found)


@lru_cache(maxsize=10_000)  # they are many, none changes any more, and all are asked for at every tick
def _left_by(request: str, version: int) -> tuple[str, Written]:
    effect = cast("OnGroup", effect_of(request, version))
    return effect.group, effect.leaves()
