"""The events of a rollout: append-only, numbered without gaps, each hashed together with the one before it.

`hash` is SHA-256, in hex, of the JSON array [prev_hash, rollout_id, seq, at, kind, actor, epoch, text, data] as the
columns store them, without spaces and not escaped to ASCII. The first `prev_hash` is 64 zeros. Changing, removing or
adding a row anywhere breaks the chain, and `rollouts.last_seq` tells where it ends.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, String, and_, bindparam, select, type_coerce

from rollout.journal.models import events, one_line, rollouts, stored

#: What the first event has in place of the hash of the one before it.
START = "0" * 64
_TOLD = ("rollout_id", "seq", "at", "kind", "actor", "epoch", "text", "data")
# Where a chain ends; built once, because each writing transaction asks it. Locks the rollout's row where the engine
# locks rows: two writers would give one number twice.
_END = (
    select(rollouts.c.last_seq, rollouts.c.journal_version, events.c.hash)
    .select_from(rollouts)
    .outerjoin(events, and_(events.c.rollout_id == rollouts.c.id, events.c.seq == rollouts.c.last_seq))
    .where(rollouts.c.id == bindparam("of"))
    .with_for_update(of=rollouts)
)


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes: the actor in words, and the epoch of the lease held, None without one."""

    actor: str
    epoch: int | None = None


class Page:
    """One writing transaction on one rollout: its connection, who writes, and the events that tell of it.

    `version`: of the format in which the rollout was begun. `began`: the number of the last event before it, `seq`: of
    the last one with it. `effects` and `nodes`: keys and instances whose rows it may have changed, all of them where
    `touched_all` says so. Raises `LookupError` where there is no such rollout.
    """

    def __init__(self, connection: Connection, rollout_id: str, author: Author) -> None:
        self.connection = connection
        self.rollout_id = rollout_id
        self.author = author
        end = connection.execute(_END, {"of": rollout_id}).first()
        if end is None:
            raise LookupError(rollout_id)
        self.began = self.seq = end.last_seq
        self.version, self._hash = end.journal_version, end.hash or START
        self.effects: set[str] = set()
        self.nodes: set[str] = set()
        self.touched_all = False
        self._rows: list[dict[str, Any]] = []

    def tell(self, at: datetime, kind: str, text: str, **data: object) -> None:
        """Append an event; its text becomes one line."""
        self.seq += 1
        row: dict[str, Any] = {
            "rollout_id": self.rollout_id,
            "seq": self.seq,
            "at": at,
            "kind": kind,
            "actor": self.author.actor,
            "epoch": self.author.epoch,
            "text": one_line(text),
            "data": json.dumps(data, ensure_ascii=False),
            "prev_hash": self._hash,
        }
        self._hash = row["hash"] = _hash(self._hash, row | {"at": stored(at)})
        self._rows.append(row)

    def close(self) -> None:
        """Write the events, as the last thing in the transaction of what they tell of."""
        if not self._rows:
            return
        self.connection.execute(events.insert(), self._rows)
        self.change(last_seq=self.seq, updated_at=self._rows[-1]["at"])

    def change(self, **values: Any) -> None:
        """Write columns of the rollout's own row."""
        self.connection.execute(rollouts.update().where(rollouts.c.id == self.rollout_id).values(**values))


def verify(connection: Connection, rollout_id: str) -> tuple[int, tuple[str, ...]]:
    """Check the chain of a rollout; return how many events it has, and what is wrong with it, one sentence each."""
    told = rows(connection, rollout_id)
    problems: list[str] = []
    expected = START
    for number, row in enumerate(told, start=1):
        if row["seq"] != number:
            return len(told), (*problems, f"event {number} of {rollout_id} is missing")
        if row["prev_hash"] != expected or row["hash"] != _hash(expected, row):
            problems.append(f"event {number} of {rollout_id} was changed after it was written: {row['text']}")
        expected = row["hash"]
    ends = connection.execute(select(rollouts.c.last_seq).where(rollouts.c.id == rollout_id)).scalar()
    if ends is None:
        problems.append(f"{rollout_id} is gone from the table of rollouts")
    elif ends != len(told):
        problems.append(f"{rollout_id} had {ends} events when it was last written, now it has {len(told)}")
    return len(told), tuple(problems)


def known(connection: Connection) -> list[str]:
    """Return the ids of all rollouts that there are, or of which there are events, oldest first."""
    begun = list(connection.execute(select(rollouts.c.id).order_by(rollouts.c.created_at, rollouts.c.id)).scalars())
    told = connection.execute(select(events.c.rollout_id).distinct()).scalars()
    return begun + sorted(set(told) - set(begun))


def rows(connection: Connection, rollout_id: str) -> list[Mapping[str, Any]]:
    """Return the rows as they are stored: `at` is hashed as text, and must not be made right by being read."""
    columns = [*(events.c[name] for name in _TOLD if name != "at"), events.c.prev_hash, events.c.hash]
    query = select(*columns, type_coerce(events.c.at, String).label("at")).where(events.c.rollout_id == rollout_id)
    return [dict(row) for row in connection.execute(query.order_by(events.c.seq)).mappings()]


def digest(text: str) -> str:
    """Return the SHA-256 of a text, in hex: events tell by it what is too long for them."""
    return hashlib.sha256(text.encode()).hexdigest()


def _hash(prev_hash: str, row: Mapping[str, Any]) -> str:
    told = [prev_hash, *(row[name] for name in _TOLD)]
    return digest(json.dumps(told, ensure_ascii=False, separators=(",", ":")))
