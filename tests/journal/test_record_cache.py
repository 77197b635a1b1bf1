"""A record that is updated with what was written since equals one that is read as a whole, after any writes."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError
from transitions import MachineError

from rollout.errors import EdgeError, UserError
from rollout.journal import SqlJournal
from rollout.journal.lease_row import Holder
from rollout.journal.lease_session import LeaseSession, T, Work
from rollout.journal.trouble import InDoubt
from rollout.model.decision import Advance, Halt, Move, NodeWait
from rollout.model.effects import Effect, Evict, Resize, StartAutoscaler, StopAutoscaler
from rollout.model.machine import Phase, Stage
from rollout.model.plan import Node, Sizes
from rollout.model.reasons import Reason
from rollout.model.record import Record
from rollout.ports import Outcome, Receipt, Settled
from tests.journal.samples import ID, NOW, PLAN, SETTINGS, WHOLE, acquire, later

HOLDER = Holder("agent-1", 101, "aaaaaaaaaaaa")
NODES = tuple(Node(f"i-{n}", "workers", "old", Stage.WAITING, NOW, f"n{n}", f"uid-{n}") for n in range(4))
EVICTIONS = tuple(
    Evict(namespace="demo", name=f"p{n}", uid=f"pod-{n}", node="n1", kills="Job demo/a") for n in range(4)
)
RESIZES = tuple(
    Resize(group=group, before=Sizes(1, 2, 3), sizes=Sizes(1, size, 5), protect_new=True, occasion=str(size))
    for size in (3, 4)
    for group in ("workers", "spares")
)
OUTCOMES: tuple[Outcome, ...] = ("ok", "gone", "unknown", "not_sent", "blocked", "rejected")
Verb = Callable[[SqlJournal, random.Random, datetime], None]


AUTOSCALER = (
    StopAutoscaler(namespace="kube-system", name="ca", rollout_id=ID, replicas_before=1),
    StartAutoscaler(namespace="kube-system", name="ca", rollout_id=ID, replicas=1),
)
EFFECTS: tuple[Effect, ...] = (*EVICTIONS, *RESIZES, *AUTOSCALER)


def _intend(journal: SqlJournal, chance: random.Random, now: datetime) -> None:
    some = chance.sample(EFFECTS, chance.randrange(1, 4))
    moves = [Move(chance.choice(NODES).instance_id, chance.choice(["drain", "release", "terminate", "gone"]))]
    waits = [NodeWait(chance.choice(NODES).instance_id, chance.choice(["", "Job demo/a"]), Reason.EFFECT_PENDING)]
    chosen = chance.randrange(3)
    journal.intend(ID, some if chosen else (), () if chosen else moves, waits if chosen == 1 else (), (), now)


def _receive(journal: SqlJournal, chance: random.Random, now: datetime) -> None:
    effect, retry_at = chance.choice(EFFECTS), chance.choice([None, now])
    journal.receive(ID, [Receipt(effect, chance.choice(OUTCOMES), now, now, "said", None, retry_at)])


def _settle(journal: SqlJournal, chance: random.Random, now: datetime) -> None:
    journal.settle(ID, [Settled(chance.choice(EFFECTS).key, chance.choice(["done", "not_applied"]), "seen")], now)


def _halt(journal: SqlJournal, _chance: random.Random, now: datetime) -> None:
    journal.halt(ID, Halt(Reason.INSTANCES_NOT_IN_SERVICE, "no capacity", "rollout resume"), now)


def _resume(journal: SqlJournal, _chance: random.Random, now: datetime) -> None:
    journal.resume(ID, now, now)


def _note(journal: SqlJournal, _chance: random.Random, now: datetime) -> None:
    journal.note(ID, "note", "something was seen", now)


def _by_another_hand(journal: SqlJournal, _chance: random.Random, now: datetime) -> None:
    """As `rollout audit note` of another process: under no lease, while ours lasts."""
    other = SqlJournal(journal.database, "somebody")
    other.note(ID, "note", "something was written", now)
    other.settle(ID, [Settled(EVICTIONS[0].key, "not_applied", "seen by somebody")], now)


VERBS: tuple[Verb, ...] = (_intend, _intend, _intend, _receive, _receive, _settle, _settle, _halt, _resume, _note)


def _whole(journal: SqlJournal) -> Record:
    return SqlJournal(journal.database, "reader").load(ID)


def _without_lease(record: Record) -> Record:
    return replace(record, epoch=None, takeover_delay_until=None)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_read_by_what_was_written_is_what_stands_there(empty: SqlJournal, seed: int) -> None:
    """After each of many verbs, those that fail among them, and with somebody else's writing in between."""
    chance = random.Random(seed)  # noqa: S311  a sample
    empty.begin(ID, None, PLAN, NOW)
    with acquire(empty, HOLDER):
        to = [
            Phase.AUTOSCALER_OFF,
            Phase.LAUNCH_TEMPLATE,
            Phase.TAINT,
            Phase.SURGE,
            Phase.PROTECT,
            Phase.READY,
            Phase.DRAIN,
        ]
        for number in range(120):
            now = later(number * chance.choice([1, 20]))
            verb = chance.choice([*VERBS, _by_another_hand])
            if not number % 15 and to:
                first = len(to) == 7
                step = Advance("on", to.pop(0), plan=WHOLE if first else None, nodes=NODES if first else ())
                empty.advance(ID, step, None, now)
            else:
                # What a machine or the journal forbids leaves nothing behind.
                with suppress(EdgeError, UserError, MachineError, IntegrityError):
                    verb(empty, chance, now)
            if chance.randrange(3):
                assert _without_lease(empty.load(ID)) == _whole(empty)
        assert _without_lease(empty.load(ID)) == _whole(empty)


def test_a_look_reads_no_row_that_was_not_written(empty: SqlJournal) -> None:
    """Of a thousand settled effects none is read again; of one that was written its own row is."""
    asked: list[str] = []
    empty.begin(ID, None, replace(PLAN, settings=SETTINGS), NOW)
    with acquire(empty, HOLDER):
        empty.intend(ID, EVICTIONS, (), (), NODES, NOW)
        empty.load(ID)
        event.listen(
            empty.database._engine, "before_cursor_execute", lambda _c, _u, statement, *_: asked.append(statement)
        )
        empty.load(ID)
        assert not [one for one in asked if "FROM effects" in one or "FROM nodes" in one]
        empty.settle(ID, [Settled(EVICTIONS[0].key, "done", "seen")], NOW)
        asked.clear()
        empty.load(ID)
        assert all(
            'effects."key" IN' in one.replace("effects.key", 'effects."key"') for one in asked if "FROM effects" in one
        )
        assert [one for one in asked if "FROM effects" in one]


def test_the_next_lease_reads_everything(empty: SqlJournal) -> None:
    """What was known under the one before is forgotten: a process may have been away while others worked."""
    empty.begin(ID, None, PLAN, NOW)
    with acquire(empty, HOLDER):
        empty.intend(ID, EVICTIONS[:1], (), (), (), NOW)
        empty.load(ID)
    other = SqlJournal(empty.database, "other")
    with acquire(other, Holder("agent-2", 202, "bbbbbbbbbbbb"), time=1):
        other.intend(ID, EVICTIONS[1:], (), (), (), NOW)
    with acquire(empty, HOLDER, time=2):
        assert len(empty.load(ID).unsettled) == len(EVICTIONS)


def test_what_may_have_been_written_is_read(empty: SqlJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A yes to a request has no event of its own: where its transaction's end is unknown, all is read again."""
    empty.begin(ID, None, PLAN, NOW)

    def committed(lease: LeaseSession, work: Work[T]) -> T:
        write(lease, work)
        raise InDoubt("the connection broke while it was committed", hint="")

    write = LeaseSession.write
    with acquire(empty, HOLDER):
        empty.intend(ID, EVICTIONS, (), (), (), NOW)
        empty.load(ID)
        monkeypatch.setattr(LeaseSession, "write", committed)
        with pytest.raises(InDoubt):
            empty.receive(ID, [Receipt(EVICTIONS[0], "ok", NOW, NOW, "said", None, None)])
        monkeypatch.undo()
        assert empty.load(ID).unsettled[0].answered == NOW
