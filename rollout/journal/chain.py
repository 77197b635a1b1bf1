"""The events of a rollout: append-only, numbered without gaps, each hashed together with the one before it.

`hash` is SHA-256, in hex, of the JSON array [prev_hash, rollout_id, seq, at, kind, actor, epoch, text, data] as the
columns store them, without spaces and not escaped to ASCII. The first `prev_hash` is 64 zeros. Changing, removing or
adding a row anywhere breaks the chain, and `rollouts.journal_version` tells where it ends.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, String, select, type_coerce

from rollout.journal.models import events, rollouts, stored

_START = "0" * 64
_COLUMNS = ("rollout_id", "seq", "at", "kind", "actor", "epoch", "text", "data")


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes: the actor in words, and the epoch of the lease held, None without one."""

    actor: str
    epoch: int | None = None


class Chain:
    """The events that one transaction appends to one rollout; `close` writes them."""

    def __init__(self, connection: Connection, rollout_id: str, author: Author) -> None:
        self._connection = connection
        self._rollout_id = rollout_id
        self._author = author
        self._seq = self._last_seq()
        self._hash = self._last_hash()
        self._rows: list[dict[str, Any]] = []

    def append(self, at: datetime, kind: str, text: str, **data: object) -> None:
        """Add an event; its text becomes one line."""
        self._seq += 1
        row: dict[str, Any] = {
            "rollout_id": self._rollout_id,
            "seq": self._seq,
            "at": at,
            "kind": kind,
            "actor": self._author.actor,
            "epoch": self._author.epoch,
            "text": " ".join(text.split()),
            "data": json.dumps(data, ensure_ascii=False),
            "prev_hash": self._hash,
        }
        self._hash = row["hash"] = _hash(self._hash, row | {"at": stored(at)})
        self._rows.append(row)

    def close(self) -> None:
        """Write the events, in the transaction of what they tell of."""
        if not self._rows:
            return
        self._connection.execute(events.insert(), self._rows)
        self._connection.execute(
            rollouts.update()
            .where(rollouts.c.id == self._rollout_id)
            .values(journal_version=self._seq, updated_at=self._rows[-1]["at"])
        )

    def _last_seq(self) -> int:
        # Locks the row where the engine locks rows: two writers would give one number twice.
        query = select(rollouts.c.journal_version).where(rollouts.c.id == self._rollout_id).with_for_update()
        return int(self._connection.execute(query).scalar_one())

    def _last_hash(self) -> str:
        query = select(events.c.hash).where(events.c.rollout_id == self._rollout_id, events.c.seq == self._seq)
        return self._connection.execute(query).scalar() or _START


def verify(connection: Connection, rollout_id: str) -> tuple[int, tuple[str, ...]]:
    """Check the chain of a rollout; return how many events it has, and what is wrong with it, one sentence each."""
    rows = _stored(connection, rollout_id)
    ends = connection.execute(select(rollouts.c.journal_version).where(rollouts.c.id == rollout_id)).scalar_one()
    problems: list[str] = []
    expected = _START
    for number, row in enumerate(rows, start=1):
        if row.seq != number:
            return len(rows), (*problems, f"event {number} of {rollout_id} is missing")
        if row.prev_hash != expected or row.hash != _hash(row.prev_hash, row._mapping):  # noqa: SLF001  public, in spite of its name
            problems.append(f"event {number} of {rollout_id} was changed after it was written: {row.text}")
        expected = row.hash
    if ends != len(rows):
        problems.append(f"{rollout_id} had {ends} events when it was last written, {len(rows)} are left")
    return len(rows), tuple(problems)


def _stored(connection: Connection, rollout_id: str) -> list[Row[Any]]:
    columns = [type_coerce(events.c[name], String).label(name) if name == "at" else events.c[name] for name in _COLUMNS]
    query = select(*columns, events.c.prev_hash, events.c.hash).where(events.c.rollout_id == rollout_id)
    return list(connection.execute(query.order_by(events.c.seq)))


def _hash(prev_hash: str, row: Any) -> str:
    told = [prev_hash, *(row[name] for name in _COLUMNS)]
    return hashlib.sha256(json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()
