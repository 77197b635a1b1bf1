"""What people ask a rollout for, from any host that reaches the journal.

Who asks holds no lease, and writes one row. The runner finds it before its next act that harms, and tells of it in an
event when it obeys: so the history stays the work of one process at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, bindparam, func, select

from rollout.journal.models import one_line, requests, stored
from rollout.model.record import Abort, Extension
from rollout.model.steering import Force, Lift, Pause, Skip

OfNode = TypeVar("OfNode", bound=Skip)

# Built once: they are asked at every tick.
_ALL = (
    select(requests.c.kind, requests.c.at, requests.c.requester, requests.c.data)
    .where(requests.c.rollout_id == bindparam("of"))
    .order_by(requests.c.id)
)
_COUNT = select(func.count()).where(requests.c.rollout_id == bindparam("of"))


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for. `abort`: the first one; `extensions`: all, with their direction; `count`: of everything.

    `steered`: what stands of pauses and the commands that lift them, None before the first; `once`: by what commands to
    resume are known that count only once. `skips`, `forces`: by instance, who asked first that it stays, or goes now.
    """

    abort: Abort | None
    extensions: tuple[tuple[str, Extension], ...]
    steered: Pause | Lift | None
    once: frozenset[str]
    skips: Mapping[str, Skip]
    forces: Mapping[str, Force]
    count: int

    @property
    def pause(self) -> Pause | None:
        """The pause that stands."""
        return self.steered if isinstance(self.steered, Pause) else None

    def untold(self, told: datetime | None) -> Pause | Lift | None:
        """Return what the history does not say yet, where it says of the pause of that moment that it stands."""
        stands = self.pause and self.pause.at
        return self.steered if stands != told else None

    def extension(self, direction: str, deadline: datetime | None) -> Extension | None:
        """Return what moves this drain deadline furthest; None where nothing does."""
        later = [one for way, one in self.extensions if way == direction and deadline and one.until > deadline]
        return max(later, key=lambda one: one.until, default=None)


def rows(connection: Connection, rollout_id: str) -> Sequence[Any]:
    """Return the rows of what was asked for so far, oldest first."""
    return connection.execute(_ALL, {"of": rollout_id}).all()


def read(connection: Connection, rollout_id: str) -> Asked:
    """Return what was asked for so far."""
    found = rows(connection, rollout_id)
    aborts = (_abort(row) for row in found if row.kind == "abort")
    known = (json.loads(row.data).get("once") for row in found if row.kind == "resume")
    return Asked(
        abort=next(aborts, None),
        extensions=tuple(_extensions(found)),
        steered=_steered(found),
        once=frozenset(filter(None, known)),
        skips=_of_nodes(Skip, "skip", found),
        forces=_of_nodes(Force, "force", found),
        count=len(found),
    )


def count(connection: Connection, rollout_id: str) -> int:
    """Return how often something was asked for."""
    return connection.execute(_COUNT, {"of": rollout_id}).scalar_one()


def _abort(row: Any) -> Abort:
    data = json.loads(row.data)
    return Abort(row.at, row.requester, data["drain_seconds"], data["keep_jobs"])


def _extensions(found: Iterable[Any]) -> Iterator[tuple[str, Extension]]:
    for row in found:
        if row.kind == "extend":
            data = json.loads(row.data)
            until = datetime.fromisoformat(data["until"])
            yield data["direction"], Extension(row.at, row.requester, until, data["reason"])


def _steered(found: Iterable[Any]) -> Pause | Lift | None:
    """Return the last pause that stood, or what lifted it; what was asked for once more changed nothing."""
    stands: Pause | Lift | None = None
    for row in found:
        data = json.loads(row.data)
        if row.kind == "pause" and not isinstance(stands, Pause):
            stands = Pause(row.at, row.requester, data["reason"])
        elif row.kind == "resume" and isinstance(stands, Pause):
            stands = Lift(row.at, row.requester, data["kill_now"])
    return stands


def _of_nodes(kind: type[OfNode], name: str, found: Iterable[Any]) -> dict[str, OfNode]:
    """Return by instance what was asked for about one node; what was asked for once more changes nothing."""
    first: dict[str, OfNode] = {}
    for row in found:
        if row.kind == name:
            data = json.loads(row.data)
            first.setdefault(data["instance"], kind(data["instance"], row.at, row.requester, data["reason"]))
    return first


def ask_abort(connection: Connection, rollout_id: str, asked: Abort) -> Abort:
    """Write down that an abort is asked for; return the one that counts, which is the first."""
    if before := read(connection, rollout_id).abort:
        return before
    data: dict[str, object] = {"drain_seconds": asked.drain_seconds, "keep_jobs": asked.keep_jobs}
    _write(connection, rollout_id, "abort", asked.at, asked.by, data)
    return asked


def ask_extension(connection: Connection, rollout_id: str, direction: str, asked: Extension) -> None:
    """Write down that the drain deadline of this direction is to be later."""
    data: dict[str, object] = {"direction": direction, "until": stored(asked.until), "reason": one_line(asked.reason)}
    _write(connection, rollout_id, "extend", asked.at, asked.by, data)


def ask_pause(connection: Connection, rollout_id: str, asked: Pause) -> Pause:
    """Write down that nothing is to be changed; return the pause that counts, which is the one that stands already."""
    if before := read(connection, rollout_id).pause:
        return before
    _write(connection, rollout_id, "pause", asked.at, asked.by, {"reason": one_line(asked.reason)})
    return asked


def ask_lift(connection: Connection, rollout_id: str, asked: Lift, once: str | None) -> Pause | None:
    """Write down that a paused rollout is to go on; return the pause that stands from now on.

    `once`: what the command is known by. One that was given before lifts nothing, nor what was asked for after it.
    """
    before = read(connection, rollout_id)
    if once in before.once if once else before.pause is None:
        return before.pause
    data: dict[str, object] = {"kill_now": asked.kill_now, "once": once}
    _write(connection, rollout_id, "resume", asked.at, asked.by, data)
    return None


def ask_skip(connection: Connection, rollout_id: str, asked: Skip) -> Skip:
    """Write down that a node is to stay; return the request that counts, which is the first of that node."""
    before = read(connection, rollout_id).skips.get(asked.instance_id)
    return before or _ask_of_node(connection, rollout_id, "skip", asked)


def ask_force(connection: Connection, rollout_id: str, asked: Force) -> Force:
    """Write down that a node is to go now; return the request that counts, which is the first of that node."""
    before = read(connection, rollout_id).forces.get(asked.instance_id)
    return before or _ask_of_node(connection, rollout_id, "force", asked)


def _ask_of_node(connection: Connection, rollout_id: str, kind: str, asked: OfNode) -> OfNode:
    data: dict[str, object] = {"instance": asked.instance_id, "reason": one_line(asked.reason)}
    _write(connection, rollout_id, kind, asked.at, asked.by, data)
    return asked


def _write(
    connection: Connection, rollout_id: str, kind: str, at: datetime, requester: str, data: dict[str, object]
) -> None:
    values = {"rollout_id": rollout_id, "kind": kind, "at": at, "requester": one_line(requester)}
    connection.execute(requests.insert(), values | {"data": json.dumps(data)})
