"""A rollout whose journal was lost is rebuilt: whole or not at all, under an epoch above the lost one's."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from rollout.doctor import Rebuilt
from rollout.errors import UserError
from rollout.journal import SqlJournal, rebuild
from rollout.journal.lease_acquire import LeaseHeld, acquire
from rollout.journal.lease_row import Holder, database_time
from rollout.journal.models import stored
from rollout.model.accepted import Accepted, Deleted, Raised
from rollout.model.decision import Halt
from rollout.model.effects import Resize, Terminate, Written
from rollout.model.machine import Phase, Stage
from rollout.model.plan import Node, Sizes
from rollout.model.reasons import Reason
from rollout.model.record import Record
from rollout.model.steering import Force, Pause, Skip
from tests.journal.samples import ID, NOW, OLD, PLAN, WHOLE, fence, later, no_retry

GONE = Node("i-0", "workers", "old", Stage.GONE, NOW, reason="left its group before the journal was rebuilt")
ENDING = Node("i-2", "workers", "old", Stage.TERMINATING, NOW, "ip-10-0-0-2", "uid-2")
TERMINATE = Terminate(group="workers", instance_id="i-2", desired_before=4)
ADOPTED = Resize(group="workers", before=Sizes(1, 4, 4), sizes=Sizes(2, 3, 4), occasion="adopted")
RECORD = Record(ID, "build-17", WHOLE, Phase.DRAIN, NOW, drain_deadline=later(7200), nodes=(GONE, OLD, ENDING))
FOUND = Rebuilt(RECORD, (TERMINATE, ADOPTED))
HOLDER = Holder("agent-7", 4711, "0123456789ab")


def rebuilt(journal: SqlJournal, found: Rebuilt = FOUND) -> None:
    journal.rebuild(found.record, found.adopted, later(900))


def test_what_is_rebuilt_is_read_back(empty: SqlJournal) -> None:
    """Plan, phase, deadlines and nodes stand, what was adopted is done, and its sizes are those written last."""
    rebuilt(empty)
    again = empty.load(ID)
    assert (again.key, again.plan, again.phase, again.nodes) == ("build-17", WHOLE, Phase.DRAIN, RECORD.nodes)
    assert (again.deadline, again.drain_deadline) == (later(900), later(7200))
    assert again.unsettled == ()
    assert again.done == {TERMINATE.key, ADOPTED.key}
    assert again.written == {"workers": Written(2, 3)}


def test_a_pause_is_read_back(empty: SqlJournal) -> None:
    """Who goes on with it finds it paused, by whom and since when, and tells that in an event of its own."""
    pause = Pause(later(-60), "alice", "an incident")
    rebuilt(empty, replace(FOUND, record=replace(RECORD, pause=pause)))
    again = empty.load(ID)
    assert (again.pause, again.untold) == (pause, pause)
    assert empty.verify(ID)[1] == ()


def test_what_was_asked_for_about_a_node_is_read_back(empty: SqlJournal) -> None:
    """Who goes on with it lets one stay, and tells of the one that goes now."""
    skip, force = Skip(ENDING.instance_id, later(-60), "alice"), Force(OLD.instance_id, later(-50), "bob")
    asked = replace(RECORD, skips={skip.instance_id: skip}, forces=(force,))
    rebuilt(empty, replace(FOUND, record=asked))
    again = empty.load(ID)
    assert (again.skips, again.forces) == (asked.skips, asked.forces)
    assert empty.verify(ID)[1] == ()


def test_what_a_resume_accepted_is_read_back(empty: SqlJournal) -> None:
    """Without a halt of its own, and also where it halts once more before a person resumes."""
    agreed: frozenset[Accepted] = frozenset({Raised("workers", None, 5), Deleted("batch")})
    rebuilt(empty, replace(FOUND, record=replace(RECORD, accepted=agreed)))
    assert empty.load(ID).accepted == agreed
    empty.halt(ID, Halt(Reason.DRIFT_SIZES, "raised", "", (Raised("workers", None, 6),)), later(60))
    assert empty.load(ID).accepted == agreed
    assert empty.verify(ID)[1] == ()


def test_the_history_begins_with_who_rebuilt_it(empty: SqlJournal) -> None:
    """And says of each effect that it was taken for done; the chain verifies."""
    rebuilt(empty)
    events = empty.events(ID)
    assert "rebuilt from the marker by tester, in DRAIN; its journal was lost" in events[0].text
    assert "done: resize workers: adopted by doctor --rebuild" in [one.text for one in events]
    assert empty.verify(ID) == (len(events), ())


def test_the_drain_deadline_is_told(empty: SqlJournal) -> None:
    """If somebody moves it afterwards, past the triggers, the history shows that; before DRAIN there is none."""
    rebuilt(empty)
    (begun, *_) = events(empty)
    assert f'"drain_deadline": "{stored(later(7200))}"' in begun
    early = replace(RECORD, id="early", key=None, plan=replace(WHOLE, cluster="other"), drain_deadline=None)
    rebuilt(empty, Rebuilt(early, ()))
    assert empty.verify("early")[1] == ()


def events(journal: SqlJournal) -> list[str]:
    with journal.database.reading() as connection:
        return list(connection.execute(text("SELECT data FROM events ORDER BY seq")).scalars())


def test_what_is_known_is_not_rebuilt(journal: SqlJournal) -> None:
    """Neither a rollout that the journal has, nor one beside another that is active; nothing of it stands then."""
    before = len(journal.events(ID))
    other = Rebuilt(Record("20260105-090000-aaaa", None, PLAN, Phase.DRAIN, NOW), ())
    for found in (FOUND, other):
        with pytest.raises(UserError, match="has an unfinished rollout") as caught:
            rebuilt(journal, found)
        assert caught.value.exit_code == 76
    assert [one.id for one in journal.summaries()] == [ID]
    assert len(journal.events(ID)) == before


def record_lost_lease(journal: SqlJournal, epoch: int) -> None:
    rebuild.record_lost_lease(journal.database, PLAN.cluster, epoch, NOW, database_time)


def test_the_next_epoch_is_far_above_the_lost_one(empty: SqlJournal) -> None:
    """A journal that turns up again stays below and is refused; the lost one's requests are waited for."""
    record_lost_lease(empty, 7)
    with acquire(empty, PLAN.cluster, HOLDER, lambda: NOW, fence(), no_retry) as lease:
        assert lease.epoch == 7 + rebuild.BEYOND + 1
        assert lease.takeover_delay_until is not None
        assert lease.takeover_delay_until > NOW + timedelta(minutes=5)
    assert empty.epoch(PLAN.cluster) == 7 + rebuild.BEYOND + 1


def test_on_somebodys_word_nothing_waits(empty: SqlJournal) -> None:
    """Who says that the lost runner is dead is in the lease's row."""
    record_lost_lease(empty, 7)
    with acquire(empty, PLAN.cluster, HOLDER, lambda: NOW, fence(), no_retry, assume_dead="kim@desk") as lease:
        assert lease.takeover_delay_until is None
    with empty.database.reading() as connection:
        assert connection.execute(text("SELECT assumed_dead FROM leases WHERE run_id = 'lost'")).scalar() == "kim@desk"


def test_a_second_try_counts_on(empty: SqlJournal) -> None:
    """Killed before or after it took the cluster: the same again does no harm, and epochs never go back."""
    record_lost_lease(empty, 7)
    record_lost_lease(empty, 7)
    first = empty.epoch(PLAN.cluster)
    with acquire(empty, PLAN.cluster, HOLDER, lambda: NOW, fence(), no_retry):
        record_lost_lease(empty, 7)
        assert empty.epoch(PLAN.cluster) == first + 1
    record_lost_lease(empty, 7)
    assert empty.epoch(PLAN.cluster) == first + 2


def test_a_journal_that_was_at_work_before_counts_on(empty: SqlJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own epochs may be above the marker's already, however far."""
    monkeypatch.setattr(rebuild, "BEYOND", 1)
    assert empty.epoch(PLAN.cluster) == 0
    for _ in range(2):
        with acquire(empty, PLAN.cluster, HOLDER, lambda: NOW, fence(), no_retry):
            pass
    record_lost_lease(empty, 1)
    assert empty.epoch(PLAN.cluster) == 3


def test_who_holds_the_cluster_is_not_passed_by(empty: SqlJournal) -> None:
    """While another process works on the cluster nothing is rebuilt."""
    with acquire(empty, PLAN.cluster, HOLDER, lambda: NOW, fence(), no_retry):
        record_lost_lease(empty, 7)
        with pytest.raises(LeaseHeld), acquire(empty, PLAN.cluster, HOLDER, lambda: NOW, fence(), no_retry):
            pass
