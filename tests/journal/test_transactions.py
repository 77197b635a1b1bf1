"""What one verb of the journal is to the database: one transaction, in which time passes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import event, select

from rollout.journal import SqlJournal
from rollout.journal.lease_row import Holder, database_time
from rollout.model.decision import Advance, Halt, NodeWait
from rollout.model.machine import Phase
from rollout.model.reasons import Reason
from rollout.ports import Settled
from tests.journal.samples import EVICT, ID, NOW, OLD, acquire, intend, later, on_postgres, receipt

HOLDER = Holder("agent-7", 4711, "0123456789ab")

SEEN = Advance("seen", Phase.AUTOSCALER_OFF, report=("left as it is",))

VERBS: dict[str, Callable[[SqlJournal], object]] = {
    "intend": lambda journal: journal.intend(ID, [EVICT], (), [NodeWait("i-1", "pod demo/web")], (), NOW),
    "receive": lambda journal: journal.receive(ID, [receipt(EVICT, "unknown")]),
    "settle": lambda journal: journal.settle(ID, [Settled(EVICT.key, "done", "seen")], NOW),
    "advance": lambda journal: journal.advance(ID, SEEN, None, NOW),
    "halt": lambda journal: journal.halt(ID, Halt(Reason.EFFECT_REJECTED, "no rights", "give them"), NOW),
    "resume": lambda journal: journal.resume(ID, later(900), NOW),
    "note": lambda journal: journal.note(ID, "note", "text", NOW),
}


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_is_one_transaction(journal: SqlJournal, verb: str) -> None:
    """What a verb changes, the events that tell of it and the renewal of the lease are committed together."""
    with acquire(journal, HOLDER):
        journal.intend(ID, (), (), (), [OLD], NOW)
        if verb in {"receive", "settle"}:
            intend(journal, EVICT)
        told = len(journal.events(ID))
        commits: list[object] = []
        event.listen(journal.database._engine, "commit", commits.append)
        VERBS[verb](journal)
        assert len(commits) == 1
        assert len(journal.events(ID)) > told


@on_postgres
def test_time_passes_inside_of_a_transaction(journal: SqlJournal) -> None:
    """A transaction that waited for a lock measures leases by the moment after its wait, not by its beginning."""
    with journal.database.writing() as connection:
        one, other = (connection.execute(select(database_time(0))).scalar_one() for _ in range(2))
    assert one < other
