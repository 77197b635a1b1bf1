"""Whether a rollout's history can be trusted: its chain of events, and every table that tells of the same things.

The chain holds by itself. Of the other tables, what the events say must be what the rows say: so nobody changes one of
them, without rights to write, quietly. Not told in events, and so not proved: times of requests, and answers that said
yes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from sqlalchemy import Connection, Table, select

from rollout.journal import chain, columns, fleet_audit, triggers, views
from rollout.journal.chain import FLEETS, ROLLOUTS, Chain, digest
from rollout.journal.database import Database
from rollout.journal.models import attempts, effects, killed_jobs, leases, nodes, rollouts, stored

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What was found about one rollout, or fleet. `head`: hash of its newest event; `problems`: one sentence each.

    `at`: number of the event whose hash was asked for, None if there is none.
    """

    rollout_id: str
    count: int
    head: str
    problems: tuple[str, ...]
    at: int | None


def verify(database: Database, rollout_id: str | None = None, head: str = "") -> tuple[ChainReport, ...]:
    """Check one rollout, or all of the journal, oldest first, fleets last; nothing is written."""
    with database.reading() as connection:
        ids = [rollout_id] if rollout_id else chain.known(connection)
        fleets = [] if rollout_id else chain.known(connection, FLEETS)
        return (
            *(_verdict(connection, one, head) for one in ids),
            *(_verdict(connection, one, head, FLEETS) for one in fleets),
        )


def guards(database: Database) -> tuple[str, ...]:
    """Return what is wrong with triggers and views: without the ones nobody is kept out, and the others may lie."""
    with database.reading() as connection:
        return (*triggers.differences(connection), *views.differences(connection))


def whose(database: Database, head: str) -> tuple[str, int] | None:
    """Return the rollout, or fleet, and the number of the event that has this hash, None where none has it."""
    with database.reading() as connection:
        for one in (ROLLOUTS, FLEETS):
            table = one.events.c
            row = connection.execute(select(table[one.of], table.seq).where(table.hash == head)).first()
            if row:
                return _named(row[0], one), int(row.seq)
    return None


def problems(connection: Connection, rollout_id: str) -> tuple[int, tuple[str, ...]]:
    """Return how many events a rollout has, and what is wrong with them or with what they tell of."""
    count, broken = chain.verify(connection, rollout_id)
    # A chain that is broken proves nothing of anything else.
    return count, broken or tuple(f"{problem} ({rollout_id})" for problem in _differences(connection, rollout_id))


def _named(of: str, kind: Chain) -> str:
    """Return how a chain is called: a fleet's name might be taken for a rollout's id."""
    return of if kind is ROLLOUTS else f"fleet {of}"


def _verdict(connection: Connection, of: str, head: str, kind: Chain = ROLLOUTS) -> ChainReport:
    count, found = problems(connection, of) if kind is ROLLOUTS else fleet_audit.problems(connection, of)
    hashes = [row["hash"] for row in chain.rows(connection, of, kind)]
    at = hashes.index(head) + 1 if head in hashes else None
    return ChainReport(_named(of, kind), count, hashes[-1] if hashes else chain.START, found, at)


# ---- what the events tell -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Effect:
    state: str = ""
    sent: int = 0
    request: str | None = None


@dataclass(slots=True)
class _Told:
    """What a rollout's rows must say by its events. `rollout`: by column; a value that no event told is not there."""

    rollout: dict[str, Any] = field(default_factory=dict)
    plan: str | None = None
    effects: dict[str, _Effect] = field(default_factory=dict)
    refusals: Counter[tuple[str, str, str | None]] = field(default_factory=Counter)
    nodes: dict[str, str] = field(default_factory=dict)
    killed: set[tuple[str, ...]] = field(default_factory=set)
    epochs: set[int] = field(default_factory=set)
    leases: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)

    def hear(self, event: Row) -> None:
        """Take in the next event."""
        data = json.loads(event["data"])
        if event["epoch"] is not None:
            self.epochs.add(event["epoch"])
        if hears := _HEARS.get(event["kind"]):
            hears(self, event, data)

    def begun(self, event: Row, data: Row) -> None:
        """Take in what a rollout is."""
        self.rollout |= {"caller_key": data["key"], "ami": data["ami"], "cluster": data["cluster"]}
        self.rollout |= {"halted": None, "paused_at": None}
        self.rollout["scope"] = data.get("scope", data["cluster"])
        self.phase(event, data)

    def adopted(self, _event: Row, data: Row) -> None:
        """Take in which cluster a rollout of an older format is on."""
        self.rollout["scope"], self.plan = data["scope"], data["plan"]

    def acquired(self, _event: Row, data: Row) -> None:
        """Take in leases, with how they had ended by then: an end that was not told may be written later, once."""
        for one in data["leases"]:
            known = {name: value for name, value in one.items() if value is not None or name not in _ENDS}
            self.leases.setdefault((one["cluster"], one["epoch"]), {}).update(known)

    def phase(self, event: Row, data: Row) -> None:
        """Take in a phase that began, and what was fixed with it."""
        self.rollout |= {"phase": data["to"], "since": event["at"]}
        self.plan = data.get("plan", self.plan)
        told = {*_DEADLINES, "direction", "round"} & data.keys()
        self.rollout |= {name: data[name] for name in told}

    def extended(self, _event: Row, data: Row) -> None:
        """Take in a drain deadline that was moved."""
        self.rollout |= {name: data[name] for name in _DEADLINES & data.keys()}

    def paused(self, _event: Row, data: Row) -> None:
        """Take in a pause, or that none stands any more."""
        self.rollout["paused_at"] = data.get("paused_at")

    def halted(self, event: Row, data: Row) -> None:
        """Take in a halt."""
        self.rollout |= {"halted": data["why"], "halted_at": event["at"]}

    def resumed(self, _event: Row, data: Row) -> None:
        """Take in the end of a halt."""
        self.rollout |= {"halted": None, "halted_at": None, "round": data["round"]}

    def effect(self, _event: Row, data: Row) -> None:
        """Take in a step on an effect's way."""
        told = self.effects.setdefault(data["key"], _Effect())
        told.state, told.sent = data["state"], data.get("sent", told.sent)
        told.request = data.get("request", told.request)
        if "request_id" in data:
            self.refusals[data["key"], data["state"], data["request_id"]] += 1

    def node(self, _event: Row, data: Row) -> None:
        """Take in the stage of a node."""
        self.nodes[data["instance"]] = data["to"]

    def kill(self, event: Row, data: Row) -> None:
        """Take in an entry of the ledger."""
        self.killed.add((data["job"], data["pod"], data["pod_uid"], data["node"], event["at"]))


#: What is written into a lease's row when it has ended, or on somebody's word.
_DEADLINES = frozenset({"drain_deadline", "abort_deadline"})
_ENDS = frozenset({"released_at", "taken_at", "assumed_dead"})
_HEARS: Mapping[str, Callable[[_Told, Row, Row], None]] = {
    "begun": _Told.begun,
    "adopted": _Told.adopted,
    "acquired": _Told.acquired,
    "phase": _Told.phase,
    "halted": _Told.halted,
    "extended": _Told.extended,
    "resumed": _Told.resumed,
    "paused": _Told.paused,
    "unpaused": _Told.paused,
    "effect": _Told.effect,
    "node": _Told.node,
    "killed": _Told.kill,
}


# ---- what the tables say --------------------------------------------------------------------------------------------


def _differences(connection: Connection, rollout_id: str) -> Iterator[str]:
    told, told_of = _Told(), chain.rows(connection, rollout_id)
    for event in told_of:
        told.hear(event)
    row = connection.execute(select(rollouts).where(rollouts.c.id == rollout_id)).mappings().one()
    yield from _rollout(dict(row), told)
    yield from _effects(connection, rollout_id, told)
    yield from _nodes(connection, rollout_id, told)
    yield from _killed(connection, rollout_id, told)
    yield from _epochs(connection, {row["scope"], row["cluster"]}, told)
    yield from _leases(connection, told)
    yield from columns.differences(connection, dict(row), told_of, proved=told.plan is not None)


def _rollout(row: Row, told: _Told) -> Iterator[str]:
    for name, value in told.rollout.items():
        if (said := _plain(row[name])) != value:
            yield f"the rollout's {name} is {_shown(said)}, by its events {_shown(value)}"
    if told.plan is not None and digest(row["plan"]) != told.plan:
        yield "the rollout's plan is not the one that was committed"


def _effects(connection: Connection, rollout_id: str, told: _Told) -> Iterator[str]:
    rows = {row["key"]: row for row in _all(connection, effects, rollout_id)}
    yield from _unmatched("effect", rows.keys(), told.effects.keys())
    for key in sorted(rows.keys() & told.effects.keys()):
        row, said = rows[key], told.effects[key]
        if not _same(row["state"], said.state) or row["sent"] != said.sent:
            yield f"effect {key} is {row['state']}, sent {row['sent']}: by its events {said.state}, sent {said.sent}"
        if said.request is not None and digest(row["request"]) != said.request:
            yield f"the request of effect {key} is not the one that was sent"
    yield from _attempts(connection, rollout_id, told)


def _attempts(connection: Connection, rollout_id: str, told: _Told) -> Iterator[str]:
    asked = (effects.c.key, attempts.c.outcome, attempts.c.request_id)
    no_yes = attempts.c.outcome.not_in(("ok", "gone"))
    query = select(*asked).join(effects).where(effects.c.rollout_id == rollout_id, no_yes)
    rows = connection.execute(query)
    there = Counter((row.key, _OLD_OUTCOMES.get(row.outcome, row.outcome), row.request_id) for row in rows)
    for key, state, request_id in (there - told.refusals) + (told.refusals - there):
        attempt = f"attempt {request_id or 'without a request id'} ({state})"
        yield f"effect {key}: {attempt} is recorded in only one of the tables `attempts` and `events`"


#: Outcomes of attempts that formats 1 and 2 wrote, and the state that their events tell.
_OLD_OUTCOMES = {"retry": "refused"}


def _same(state: str, told: str) -> bool:
    """Tell whether a state is the one that was told; formats 1 and 2 had one word for all that was not applied."""
    return state == told or (told == "refused" and state in {"not_sent", "not_applied", "rejected"})


def _nodes(connection: Connection, rollout_id: str, told: _Told) -> Iterator[str]:
    stages = {row["instance_id"]: row["stage"].value for row in _all(connection, nodes, rollout_id)}
    yield from _unmatched("node", stages.keys(), told.nodes.keys())
    for instance in sorted(stages.keys() & told.nodes.keys()):
        if stages[instance] != told.nodes[instance]:
            yield f"node {instance} is in stage {stages[instance]}, by its events in {told.nodes[instance]}"


def _killed(connection: Connection, rollout_id: str, told: _Told) -> Iterator[str]:
    names = ("job", "pod", "pod_uid", "node", "at")
    rows = {tuple(_plain(row[name]) for name in names) for row in _all(connection, killed_jobs, rollout_id)}
    for job, pod, *_ in sorted(rows ^ told.killed):
        yield f"the ledger of killed Jobs and the events do not say the same of {job}, pod {pod}"


def _epochs(connection: Connection, scopes: set[str], told: _Told) -> Iterator[str]:
    there = set(connection.execute(select(leases.c.epoch).where(leases.c.cluster.in_(scopes))).scalars())
    for epoch in sorted(told.epochs - there):
        yield f"the lease of epoch {epoch} is gone"


def _leases(connection: Connection, told: _Told) -> Iterator[str]:
    names = {cluster for cluster, _ in told.leases}
    query = select(leases).where(leases.c.cluster.in_(names))
    there = {(row["cluster"], row["epoch"]): row for row in connection.execute(query).mappings()}
    for (cluster, epoch), said in sorted(told.leases.items()):
        row = there.get((cluster, epoch))
        if row is None:
            if epoch not in told.epochs:
                yield f"the lease of epoch {epoch} is gone"
            continue
        for name, value in said.items():
            if (found := _plain(row[name])) != value:
                yield f"the {name} of the lease of epoch {epoch} is {_shown(found)}, by its events {value}"


def _unmatched(thing: str, rows: AbstractSet[str], told: AbstractSet[str]) -> Iterator[str]:
    for name in sorted(rows - told):
        yield f"{thing} {name} stands in no event"
    for name in sorted(told - rows):
        yield f"{thing} {name} is gone from its table"


def _all(connection: Connection, table: Table, rollout_id: str) -> Iterator[Row]:
    for row in connection.execute(select(table).where(table.c.rollout_id == rollout_id)).mappings():
        yield dict(row)


def _plain(value: Any) -> Any:
    """Return a column's value as events tell it."""
    if isinstance(value, Enum):
        return value.value
    return stored(value) if isinstance(value, datetime) else value


def _shown(value: Any) -> str:
    return "empty" if value is None else str(value)
