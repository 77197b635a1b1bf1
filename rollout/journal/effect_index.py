"""The effects of one rollout as a record asks for them, kept up to date by the rows that were written since.

A row that is taken in again replaces what was known of that effect. All of it follows from rows alone, so an index that
was fed row by row equals one that was fed with all rows at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection, Row, bindparam, select

from rollout.fence import TRUST_SECONDS
from rollout.formats.codec import effect_of
from rollout.journal.models import attempts, effects
from rollout.model.effects import (
    DEPARTING,
    WRITING,
    Departure,
    OnGroup,
    StartAutoscaler,
    StopAutoscaler,
    Written,
    kind_of,
)
from rollout.model.record import LATE_SECONDS, LEFT_WITHIN, EffectRow, Late, Left
from rollout.stages.steadiness import BLIND_AFTER

#: Seconds after a look within which what it led to has left. What is about to be sent rests on a look that is no older
#: than that, and the lease may have been renewed just then: the fence lets through what was stopped for as long as it
#: is trusted. (An act of effects that harm nobody may take longer, where AWS is slow.)
LEFT_SECONDS = BLIND_AFTER + TRUST_SECONDS

#: The states of an eviction or deletion that may have taken its pod: what does not show, and is to be sent again, may
#: arrive late all the same.
MAY_HAVE_LEFT = ("intended", "unknown", "not_applied", "done")

_STOPPED, _STARTED = kind_of(StopAutoscaler), kind_of(StartAutoscaler)
_OF = effects.c.rollout_id == bindparam("of")
_SOME = effects.c.key.in_(bindparam("keys", expanding=True))
_COLUMNS = (
    *("id", "key", "kind", "request", "state", "sent", "intended_at", "sent_at", "answered_at", "retry_at", "detail"),
    "blocked_since",
)
# Built once: they are asked at every tick.
_ALL = select(*(effects.c[name] for name in _COLUMNS)).where(_OF).order_by(effects.c.id)
_TRIES = (
    select(attempts.c.effect_id, attempts.c.number, attempts.c.outcome, attempts.c.started_at, attempts.c.ended_at)
    .join(effects)
    .where(_OF)
    .order_by(attempts.c.effect_id, attempts.c.number)
)
_ALL_OF, _TRIES_OF = _ALL.where(_SOME), _TRIES.where(_SOME)
# Keys that one question names at most: engines bound the parameters of a statement.
_MOST = 500


class Try(NamedTuple):
    """What one request brought, and when."""

    outcome: str
    started: datetime
    ended: datetime


Tries = Mapping[int, Try]


class EffectIndex:
    """Every effect of one rollout. `version`: of the format in which the rollout was begun."""

    def __init__(self, version: int) -> None:
        self._version = version
        self._unsettled: dict[int, EffectRow] = {}
        self._done: set[str] = set()
        self._late: dict[int, Late] = {}
        self._left: dict[int, Left] = {}
        self._writing: dict[int, tuple[str, Written]] = {}
        self._written: dict[str, Written] | None = None
        self._autoscaler: dict[str, dict[int, datetime]] = {_STOPPED: {}, _STARTED: {}}

    def read(self, connection: Connection, rollout_id: str, keys: Sequence[str] | None) -> None:
        """Take in the effects of these keys; None: all."""
        if keys is None:
            return self._take(
                connection.execute(_ALL, {"of": rollout_id}), connection.execute(_TRIES, {"of": rollout_id})
            )
        for start in range(0, len(keys), _MOST):
            some = {"of": rollout_id, "keys": keys[start : start + _MOST]}
            self._take(connection.execute(_ALL_OF, some), connection.execute(_TRIES_OF, some))
        return None

    def _take(self, rows: Iterable[Row[Any]], tried: Iterable[Row[Any]]) -> None:
        found = list(rows)
        tries: defaultdict[int, dict[int, Try]] = defaultdict(dict)
        for one in tried:
            tries[one.effect_id][one.number] = Try(one.outcome, one.started_at, one.ended_at)
        for row in found:
            self._put(row, tries.get(row.id, {}))

    def _put(self, row: Row[Any], tries: Tries) -> None:
        done = row.state == "done"
        for known in (self._unsettled, self._late, self._left):
            cast("dict[int, Any]", known).pop(row.id, None)
        if done:
            self._done.add(row.key)
            if row.kind in WRITING:
                self._writing[row.id] = _left_by(row.request, self._version)
                self._written = None
            if row.kind in self._autoscaler:
                self._autoscaler[row.kind][row.id] = row.intended_at
        else:
            self._unsettled[row.id] = _unsettled(row, self._version, tries)
        # One that was sent once and shows has arrived; of one that was sent again, an earlier request may not have.
        if (not done or row.sent > 1) and (until := late_until(row.sent, row.sent_at, tries)):
            self._late[row.id] = Late(effect_of(row.request, self._version), until)
        if row.kind in DEPARTING and row.state in MAY_HAVE_LEFT:
            self._left[row.id] = Left(cast("Departure", effect_of(row.request, self._version)), row.sent_at)

    @property
    def unsettled(self) -> tuple[EffectRow, ...]:
        """Every effect that is not done, in the order in which they were intended first."""
        return _in_order(self._unsettled)

    @property
    def done(self) -> frozenset[str]:
        """The keys of all that are done."""
        return frozenset(self._done)

    @property
    def late(self) -> tuple[Late, ...]:
        """Each effect that has requests without an answer, with the instant until which the last may arrive."""
        return _in_order(self._late)

    @property
    def left(self) -> tuple[Left, ...]:
        """The pods that left lately, which may be none of late."""
        newest = max((one.at for one in self._left.values()), default=None)
        if newest is None:
            return ()
        since = newest - timedelta(seconds=LEFT_WITHIN)
        return _in_order({id_: one for id_, one in self._left.items() if one.at > since})

    @property
    def written(self) -> dict[str, Written]:
        """By group, what our settled effects left; sizes of one group are never changed side by side.

        Their order is that in which they were intended, not that of their times: the next host's clock may be behind.
        """
        if self._written is None:
            found: defaultdict[str, Written] = defaultdict(Written)
            for group, left in _in_order(self._writing):
                found[group] = found[group].then(left)
            self._written = dict(found)
        return self._written

    @property
    def autoscaler_off(self) -> datetime | None:
        """When we first asked that cluster-autoscaler stop; None before, and once it is started again."""
        started, stopped = self._autoscaler[_STARTED], self._autoscaler[_STOPPED]
        return None if started else min(stopped.values(), default=None)


def _in_order(known: Mapping[int, Any]) -> tuple[Any, ...]:
    return tuple(known[id_] for id_ in sorted(known))


def _unsettled(row: Row[Any], version: int, tries: Tries) -> EffectRow:
    yeses = [one.ended for one in tries.values() if one.outcome == "ok"]
    return EffectRow(
        effect=effect_of(row.request, version),
        state=row.state,
        intended=row.sent_at,
        sent=row.sent,
        answered=row.answered_at,
        retry_at=row.retry_at,
        detail=row.detail,
        blocked_since=row.blocked_since,
        yeses=len(yeses),
        first_yes=min(yeses, default=None),
        tried=min((one.ended for one in tries.values()), default=None),
    )


def late_until(sent: int, sent_at: datetime, tries: Tries) -> datetime | None:
    """Return until when a request of an effect may arrive, None where all were answered.

    `sent`: how often it was sent; `sent_at`: when the last was intended; `tries`: by number, those that were told of.
    """
    times = list(_unanswered(sent, sent_at, tries))
    return max(times) + timedelta(seconds=LATE_SECONDS) if times else None


def _unanswered(sent: int, sent_at: datetime, tries: Tries) -> Iterator[datetime]:
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


@lru_cache(maxsize=10_000)  # they are many, and none changes any more
def _left_by(request: str, version: int) -> tuple[str, Written]:
    effect = cast("OnGroup", effect_of(request, version))
    return effect.group, effect.leaves()
