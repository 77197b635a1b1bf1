"""The events of a rollout, or of a fleet: append-only, numbered without gaps, each hashed with the one before it.

`hash` is SHA-256, in hex, of the JSON array [prev_hash, rollout_id, seq, at, kind, actor, epoch, text, data] as the
columns store them, without spaces and not escaped to ASCII. The first `prev_hash` is 64 zeros. Changing, removing or
adding a row anywhere breaks the chain, and `rollouts.last_seq` tells where it ends. A fleet's chain has `fleet_id` in
place of `rollout_id`, and `fleets.last_seq`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, String, Table, and_, bindparam, select, type_coerce

from rollout.journal.models import events, fleet_events, fleets, one_line, rollouts, stored

#: What the first event has in place of the hash of the one before it.
START = "0" * 64
_TOLD = ("seq", "at", "kind", "actor", "epoch", "text", "data")


@dataclass(frozen=True, slots=True)
class Chain:
    """Where chains of one kind stand: the events, whose they are by the column `of`, and what is told of."""

    events: Table
    owners: Table
    of: str

    def end(self) -> Select[Any]:
        """Return the query for where a chain ends.

        It locks the owner's row where the engine locks rows: two writers would give one number twice.
        """
        newest = and_(self.events.c[self.of] == self.owners.c.id, self.events.c.seq == self.owners.c.last_seq)
        return (
            select(self.owners.c.last_seq, self.owners.c.journal_version, self.events.c.hash)
            .select_from(self.owners)
            .outerjoin(self.events, newest)
            .where(self.owners.c.id == bindparam("of"))
            .with_for_update(of=self.owners)
        )


ROLLOUTS = Chain(events, rollouts, "rollout_id")
FLEETS = Chain(fleet_events, fleets, "fleet_id")
# Built once, because each writing transaction asks it.
_ENDS = {chain.of: chain.end() for chain in (ROLLOUTS, FLEETS)}


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes: the actor in words, and the epoch of the lease held, None without one."""

    actor: str
    epoch: int | None = None


class Page:
    """One writing transaction on one rollout, or fleet: its connection, who writes, and the events that tell of it.

    `version`: of the format in which the rollout was begun. `began`: the number of the last event before it, `seq`: of
    the last one with it. `effects` and `nodes`: keys and instances whose rows it may have changed, all of them where
    `touched_all` says so. Raises `LookupError` where there is no such rollout.
    """

    def __init__(self, connection: Connection, rollout_id: str, author: Author, chain: Chain = ROLLOUTS) -> None:
        self.connection = connection
        self.rollout_id = rollout_id
        self.author = author
        self._chain = chain
        end = connection.execute(_ENDS[chain.of], {"of": rollout_id}).first()
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
            self._chain.of: self.rollout_id,
            "seq": self.seq,
            "at": at,
            "kind": kind,
            "actor": self.author.actor,
            "epoch": self.author.epoch,
            "text": one_line(text),
            "data": json.dumps(data, ensure_ascii=False),
            "prev_hash": self._hash,
        }
        self._hash = row["hash"] = _hash(self._chain, self._hash, row | {"at": stored(at)})
        self._rows.append(row)

    def close(self) -> None:
        """Write the events, as the last thing in the transaction of what they tell of."""
        if not self._rows:
            return
        self.connection.execute(self._chain.events.insert(), self._rows)
        self.change(last_seq=self.seq, updated_at=self._rows[-1]["at"])

    def change(self, **values: Any) -> None:
        """Write columns of the own row of what is told of."""
        owners = self._chain.owners
        self.connection.execute(owners.update().where(owners.c.id == self.rollout_id).values(**values))


def verify(connection: Connection, of: str, chain: Chain = ROLLOUTS) -> tuple[int, tuple[str, ...]]:
    """Check one chain; return how many events it has, and what is wrong with it, one sentence each."""
    told = rows(connection, of, chain)
    problems: list[str] = []
    expected = START
    for number, row in enumerate(told, start=1):
        if row["seq"] != number:
            return len(told), (*problems, f"event {number} of {of} is missing")
        if row["prev_hash"] != expected or row["hash"] != _hash(chain, expected, row):
            problems.append(f"event {number} of {of} was changed after it was written: {row['text']}")
        expected = row["hash"]
    owners = chain.owners
    ends = connection.execute(select(owners.c.last_seq).where(owners.c.id == of)).scalar()
    if ends is None:
        problems.append(f"{of} is gone from the table of {owners.name}")
    elif ends != len(told):
        problems.append(f"{of} had {ends} events when it was last written, now it has {len(told)}")
    return len(told), tuple(problems)


def known(connection: Connection, chain: Chain = ROLLOUTS) -> list[str]:
    """Return the ids of all rollouts, or fleets, that there are, or of which there are events, oldest first."""
    owners, of = chain.owners, chain.events.c[chain.of]
    begun = list(connection.execute(select(owners.c.id).order_by(owners.c.created_at, owners.c.id)).scalars())
    told = connection.execute(select(of).distinct()).scalars()
    return begun + sorted(set(told) - set(begun))


def rows(connection: Connection, of: str, chain: Chain = ROLLOUTS) -> list[Mapping[str, Any]]:
    """Return the rows as they are stored: `at` is hashed as text, and must not be made right by being read."""
    table = chain.events.c
    columns = [*(table[name] for name in (chain.of, *_TOLD) if name != "at"), table.prev_hash, table.hash]
    query = select(*columns, type_coerce(table.at, String).label("at")).where(table[chain.of] == of)
    return [dict(row) for row in connection.execute(query.order_by(table.seq)).mappings()]


def digest(text: str) -> str:
    """Return the SHA-256 of a text, in hex: events tell by it what is too long for them."""
    return hashlib.sha256(text.encode()).hexdigest()


def _hash(chain: Chain, prev_hash: str, row: Mapping[str, Any]) -> str:
    told = [prev_hash, row[chain.of], *(row[name] for name in _TOLD)]
    return digest(json.dumps(told, ensure_ascii=False, separators=(",", ":")))
