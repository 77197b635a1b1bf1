from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from rollout.errors import Lost, UserError
from rollout.journal import SqlJournal, lease_acquire, lease_row, open_journal, read_journal, sqlite_file
from rollout.journal.lease_acquire import Acquisition, LeaseHeld, acquire, open_session
from rollout.journal.lease_row import Holder, LeaseRow, database_time, simulated_time
from rollout.journal.lease_session import LeaseSession
from rollout.journal.models import stored
from tests.journal.samples import (
    ID,
    NOW,
    RESIZE,
    fence,
    intend,
    later,
    no_retry,
    on_postgres,
    on_sqlite,
    receipt,
    seize,
)

NEXT = Holder("agent-8", 1, "run")
HOLDER = Holder("agent-7", 4711, "0123456789ab", "https://ci/job/17")

RUNNER = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from rollout.journal import open_journal
from rollout.fence import Fence
from rollout.journal.lease_acquire import Acquisition, LeaseHeld, open_session, acquire
from rollout.journal.lease_row import Holder
journal = open_journal(sys.argv[1], actor="other")
holder = Holder("agent-1", 99, "ffffffffffff", "https://ci/job/16")
with acquire(journal, "eks-demo", holder, lambda: datetime.now(UTC), Fence(lambda: ()), lambda: False):
    print("held", flush=True)
    sys.stdin.read()
"""


WRITER = """
import sys
from datetime import UTC, datetime
from rollout.errors import Lost
from rollout.fence import Fence
from rollout.journal import open_journal
from rollout.journal.lease_acquire import acquire
from rollout.journal.lease_row import Holder
from tests.journal.samples import ID
journal, fence = open_journal(sys.argv[1], actor="writer"), Fence(lambda: (0.0,))
holder = Holder("agent-1", 99, "ffffffffffff")
with acquire(journal, "eks-demo", holder, lambda: datetime.now(UTC), fence, lambda: False):
    for line in sys.stdin:
        try:
            journal.note(ID, "note", line, datetime.now(UTC))
            print("written", flush=True)
        except Lost as lost:
            print(fence.trusted(), lost.detail.splitlines()[0], flush=True)
"""


def held(journal: SqlJournal, cluster: str = "eks-demo") -> AbstractContextManager[LeaseSession]:
    return acquire(journal, cluster, HOLDER, lambda: later(5), fence(), no_retry)


def history(journal: SqlJournal) -> list[tuple[object, ...]]:
    query = "SELECT epoch, host, released_at, ended FROM lease_history ORDER BY epoch"
    with journal.database.reading() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def test_epochs(journal: SqlJournal) -> None:
    """Each lease of a cluster has the next epoch; other clusters count for themselves."""
    with held(journal) as first:
        pass
    with held(journal) as second, held(journal, "eks-other") as other:
        assert [one.epoch for one in (first, second, other)] == [1, 2, 1]


def test_written_under_its_epoch(journal: SqlJournal) -> None:
    """What is written while a cluster is held carries the epoch: intents, answers and events."""
    with held(journal) as lease:
        intend(journal, RESIZE)
        journal.receive(ID, [receipt(RESIZE, "unknown", "reply lost")])
    journal.note(ID, "note", "after", NOW)
    with journal.database.reading() as connection:
        told = connection.exec_driver_sql("SELECT epoch FROM events ORDER BY seq").scalars().all()
        sent = connection.exec_driver_sql("SELECT e.epoch, a.epoch FROM effects e, attempts a").one()
    assert told == [None, lease.epoch, lease.epoch, None]
    assert tuple(sent) == (lease.epoch, lease.epoch)


def test_second_is_told(journal: SqlJournal) -> None:
    """Who comes second is told who holds the cluster, since when, and what to type; the first goes on undisturbed."""
    with held(journal):
        with pytest.raises(UserError, match="process 4711 on agent-7 for https://ci/job/17") as refusal, held(journal):
            pytest.fail("held twice")
        assert "since 2026-01-05T08:00:05Z" in refusal.value.problem
        assert (refusal.value.exit_code, "kill 4711" in refusal.value.hint) == (76, True)
    with held(journal) as lease:
        assert lease.epoch == 2


@on_sqlite
def test_second_in_the_same_moment(journal: SqlJournal, url: str) -> None:
    """Who comes between the first one's lock and its row is not told a name that is none."""
    refused = pytest.raises(UserError, match="eks-demo is in use by another process")
    with lease_acquire._locked(journal.database, "eks-demo", sqlite_file.path_of(url)), refused, held(journal):
        pytest.fail("held twice")


def test_freed_by_an_error(journal: SqlJournal) -> None:
    """A cluster is free again when the work fails, and the failure goes on."""
    with pytest.raises(ZeroDivisionError), held(journal):
        raise ZeroDivisionError
    with held(journal):
        assert history(journal)[0] == (1, "agent-7", "2026-01-05T08:00:05.000000Z", "released")


ARN, ANOTHER = (f"arn:aws:eks:eu-west-1:{account}:cluster/eks-demo" for account in ("123456789012", "210987654321"))


def test_epochs_of_an_arn_count_on_from_those_of_its_name(journal: SqlJournal) -> None:
    """A rollout that an older version began is gone on with under a higher epoch; no row of before is changed."""
    for _ in range(3):
        with held(journal):
            before = history(journal)
    with held(journal, ARN) as first, held(journal, ANOTHER) as other:
        assert (first.epoch, other.epoch) == (4, 4)
    with held(journal, ARN) as second:
        assert second.epoch == 5
    assert before[:2] == history(journal)[:2]


@on_postgres
def test_who_waited_across_the_upgrade_works_alone_or_not_at_all(journal: SqlJournal, url: str) -> None:
    """A process of an older version that takes the cluster by its name keeps us out, and we write nothing beside it."""
    with acquire(journal, "eks-demo", Holder("agent-1", 1, "old"), lambda: NOW, fence(), no_retry):
        refused = pytest.raises(LeaseHeld, match="eks-demo is in use by process 1 on agent-1, run old")
        with refused, held(journal, ARN):
            pytest.fail("held beside an older version")
    with held(journal, ARN):
        journal.note(ID, "note", "alone", NOW)
        lost = pytest.raises(Lost, match="was taken by a process of an older version of this tool: process 4711")
        with closing(open_journal(url, actor="old")) as old, held(old), lost:
            journal.note(ID, "note", "beside it", NOW)


@on_sqlite
def test_beside_a_file_who_waited_across_the_upgrade_is_kept_out_by_the_lock_of_the_name(
    journal: SqlJournal, url: str
) -> None:
    """Two clusters of one name share that lock, a process of an older version wants it for itself."""
    with held(journal), pytest.raises(LeaseHeld), held(journal, ARN):
        pytest.fail("held beside an older version")
    with held(journal, ARN), held(journal, ANOTHER), pytest.raises(LeaseHeld), held(journal):
        pytest.fail("an older version held it beside us")
    with held(journal):
        pass


@on_sqlite
def test_freed_by_sigkill(journal: SqlJournal, url: str) -> None:
    """A cluster held by another process is refused with its name, and free the moment that it is killed."""
    other = subprocess.Popen([sys.executable, "-c", RUNNER, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout
    assert other.stdout.readline() == b"held\n"
    with pytest.raises(UserError, match="process 99 on agent-1 for https://ci/job/16, run ffffffffffff"), held(journal):
        pytest.fail("held twice")
    other.send_signal(signal.SIGKILL)
    other.communicate()
    with held(journal):
        assert history(journal) == [(1, "agent-1", None, "killed"), (2, "agent-7", None, "held, or killed since")]


@on_sqlite
def test_any_name(journal: SqlJournal, url: str) -> None:
    """The lock of a cluster lies beside the journal, with any characters in the cluster's name."""
    with held(journal, "a/../b c"):
        locks = [path.name for path in sqlite_file.path_of(url).parent.glob("*.lock")]
    assert locks == ["rollout.db.a%2F..%2Fb%20c.lock"]


@on_sqlite
def test_a_journal_with_two_names_has_one_lock(journal: SqlJournal, url: str, tmp_path: Path) -> None:
    """A process that reaches the journal by a link to it is kept out too."""
    link = tmp_path / "link.db"
    link.symlink_to(sqlite_file.path_of(url))
    with closing_journal(f"sqlite:///{link}") as other, held(journal), pytest.raises(LeaseHeld), held(other):
        pytest.fail("held twice")


# ---- leases that end by the clock -----------------------------------------------------------------------------------


def ends(journal: SqlJournal) -> list[object]:
    with journal.database.reading() as connection:
        return list(connection.exec_driver_sql("SELECT expires_at FROM leases ORDER BY epoch").scalars())


def test_time_of_the_database(journal: SqlJournal) -> None:
    """The database's own clock gives instants as the journal stores them, as far ahead as is asked."""
    with journal.database.reading() as connection:
        now, then = connection.execute(select(database_time(0), database_time(60.5))).one()
    assert abs((datetime.now(UTC) - now).total_seconds()) < 30
    assert 60.49 <= (then - now).total_seconds() < 61.5


def test_renewed_by_every_transaction(journal: SqlJournal) -> None:
    """Every verb that writes renews the lease."""
    moment = [0.0]
    clock = simulated_time(lambda: later(moment[0]))
    with acquire(journal, "eks-demo", HOLDER, lambda: NOW, fence(), no_retry, clock):
        assert ends(journal) == [stored(later(60))]
        moment[0] = 10.0
        journal.note(ID, "note", "text", NOW)
        assert ends(journal) == [stored(later(70))]
        moment[0] = 20.0
        journal.receive(ID, [])
        assert ends(journal) == [stored(later(80))]


@on_postgres
def test_renewed_by_a_look(journal: SqlJournal) -> None:
    """On a server loading the record renews the lease too: a tick that writes nothing keeps it."""
    moment = [0.0]
    clock = simulated_time(lambda: later(moment[0]))
    with acquire(journal, "eks-demo", HOLDER, lambda: NOW, fence(), no_retry, clock):
        moment[0] = 10.0
        journal.load(ID)
        assert ends(journal) == [stored(later(70))]


@on_postgres
def test_taken_over_when_it_has_expired(journal: SqlJournal, url: str) -> None:
    """A lease that lasts keeps others out and says until when; then the next epoch begins."""
    with closing_journal(url) as other:
        seize(journal, HOLDER, 0)
        journal.use_lease(None)
        with pytest.raises(UserError, match="process 4711 on agent-7") as refusal:
            seize(other, HOLDER, 59.9)
        assert refusal.value.exit_code == 76
        assert refusal.value.hint.endswith("the same command continues after 08:01:00 UTC")
        assert seize(other, NEXT, 60).epoch == 2
        other.note(ID, "note", "of the second", NOW)


@on_postgres
def test_lost_writes_nothing(journal: SqlJournal, url: str) -> None:
    """A runner that was taken over is told at its next verb, writes nothing, and does not end the other's lease."""
    with closing_journal(url) as other:
        first = seize(journal, HOLDER, 0)
        seize(other, NEXT, 60)
        for verb in (lambda: intend(journal, RESIZE), lambda: journal.load(ID), lambda: journal.receive(ID, [])):
            with pytest.raises(Lost, match="eks-demo was taken over by process 1 on agent-8"):
                verb()
        first.release(later(70))
        other.note(ID, "note", "still mine", NOW)
        journal.use_lease(None)
        assert journal.load(ID).unsettled == ()
        assert [one[2] for one in history(journal)] == [None, None]


@on_postgres
def test_a_process_that_wakes_up_late(journal: SqlJournal, url: str) -> None:
    """Stopped, taken over and continued, it is told by whom, writes nothing more and leaves the other's lease alone."""
    command = [sys.executable, "-c", WRITER, url]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as writer:
        assert writer.stdin
        assert writer.stdout
        print("in time", file=writer.stdin, flush=True)
        assert writer.stdout.readline() == "written\n"
        writer.send_signal(signal.SIGSTOP)
        with journal.database.writing() as connection:  # as if a minute had passed
            connection.exec_driver_sql("UPDATE leases SET expires_at = '2026-01-05T08:00:00.000000Z'")
        with held(journal):
            print("too late", file=writer.stdin, flush=True)
            writer.send_signal(signal.SIGCONT)
            told = writer.stdout.readline()
            writer.stdin.close()
            writer.wait()
            journal.note(ID, "note", "still mine", NOW)
    assert told.startswith("False cluster eks-demo was taken over by process 4711 on agent-7 for https://ci/job/17")
    assert [one.text for one in journal.events(ID)][1:] == ["in time", "still mine"]


@on_postgres
def test_takeover_waits_for_the_holder_s_transaction(journal: SqlJournal, url: str) -> None:
    """Who would take over while the holder commits waits, and is refused: the transaction has renewed the lease."""
    first = seize(journal, HOLDER, 59)
    with closing_journal(url) as other, ThreadPoolExecutor(1) as pool:
        with journal.database.writing() as connection:
            first.row._time = simulated_time(lambda: later(110))
            first.row.renew(connection)
            attempt = pool.submit(seize, other, HOLDER, 121.0)
            with pytest.raises(TimeoutError):
                attempt.result(timeout=0.3)
        with pytest.raises(UserError, match="process 4711 on agent-7"):
            attempt.result(timeout=30)
    journal.note(ID, "note", "undisturbed", NOW)


@on_postgres
def test_two_at_once(journal: SqlJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two that see the cluster free at the same time, one gets it, and the other is told who."""
    seize(journal, HOLDER, 0)
    newest, looks = lease_row.newest, iter([True])
    monkeypatch.setattr(lease_row, "newest", lambda *given: None if next(looks, False) else newest(*given))
    with pytest.raises(UserError, match="process 4711 on agent-7"):
        seize(journal, HOLDER, 0)


# ---- after a takeover -----------------------------------------------------------------------------------------------


@on_postgres
def test_the_history_names_the_predecessor(journal: SqlJournal) -> None:
    """Who takes over knows from whom, when that one's lease ended, and until when its requests may come."""
    seize(journal, HOLDER, 0)
    lease = seize(journal, NEXT, 61)
    assert lease.predecessor == (
        "took over from process 4711 on agent-7 for https://ci/job/17, run 0123456789ab, since 2026-01-05T08:00:00Z,"
        " whose lease ended at 08:01:00 UTC; a request of an older runner may still be on its way:"
        " nothing is terminated and no Job killed before 08:06:30 UTC"
    )


def test_an_orderly_end_is_followed_by_no_takeover_delay(journal: SqlJournal) -> None:
    """Who released the cluster has heard the answers to all that it sent: nobody waits, nothing is told."""
    seize(journal, HOLDER, 0).release(later(5))
    lease = seize(journal, NEXT, 6)
    assert (lease.predecessor, lease.takeover_delay_until, journal.load(ID).takeover_delay_until) == (
        None,
        None,
        None,
    )
    assert journal.load(ID).epoch == 2


@on_postgres
def test_the_takeover_delay_outlasts_those_who_come_in_between(journal: SqlJournal) -> None:
    """Five and a half minutes after the newest lease that was taken over, no matter who held one since."""
    seize(journal, HOLDER, 0)
    seize(journal, NEXT, 70)
    assert journal.load(ID).takeover_delay_until == later(60 + 330)
    third = seize(journal, HOLDER, 140)
    assert third.takeover_delay_until == later(130 + 330)
    third.release(later(150))
    for seconds, takeover_delay_until in ((160, later(460)), (459, later(460)), (460, None)):
        lease = seize(journal, NEXT, seconds)
        assert lease.takeover_delay_until == takeover_delay_until
        lease.release(later(seconds))


@on_postgres
def test_the_takeover_delay_is_counted_by_the_database_s_clock(journal: SqlJournal) -> None:
    """The database says how long it still lasts; that is added to the runner's clock, even if that clock is wrong."""
    seize(journal, HOLDER, 0)
    hours = later(36_000)
    acquisition = Acquisition(journal.database, "eks-demo", NEXT, simulated_time(lambda: later(100)))
    assert open_session(acquisition, lambda: hours, fence(), no_retry).takeover_delay_until == hours + timedelta(
        seconds=60 + 330 - 100
    )


@on_postgres
def test_who_is_said_to_be_dead_is_not_waited_for(journal: SqlJournal) -> None:
    """Somebody's word ends the takeover delay for good, and stands in the lease's row and in the history."""
    seize(journal, HOLDER, 0)
    seize(journal, NEXT, 61).release(later(62))
    acquisition = Acquisition(journal.database, "eks-demo", HOLDER, simulated_time(lambda: later(70)), "kim@desk")
    lease = open_session(acquisition, lambda: later(70), fence(), no_retry)
    assert lease.predecessor == (
        "kim@desk says that it is dead: process 4711 on agent-7 for https://ci/job/17, run 0123456789ab,"
        " since 2026-01-05T08:00:00Z"
    )
    assert lease.takeover_delay_until is None
    lease.release(later(71))
    assert seize(journal, NEXT, 72).takeover_delay_until is None
    assert dead(journal) == ["kim@desk", None, None, None]


@on_postgres
def test_a_lease_that_lasts_is_not_taken_on_somebody_s_word(journal: SqlJournal) -> None:
    """Even then its end is waited for: who was said to be dead may be slow."""
    seize(journal, HOLDER, 0)
    acquisition = Acquisition(journal.database, "eks-demo", NEXT, simulated_time(lambda: later(59)), "kim@desk")
    with pytest.raises(LeaseHeld):
        open_session(acquisition, lambda: later(59), fence(), no_retry)
    assert dead(journal) == [None]


@on_sqlite
def test_beside_a_file_nobody_is_waited_for(journal: SqlJournal) -> None:
    """A free lock tells that the process is dead, at once; what it had not sent died with it."""
    seize(journal, HOLDER, 0)
    lease = seize(journal, NEXT, 1)
    assert str(lease.predecessor).endswith("since 2026-01-05T08:00:00Z, which died without releasing its lease")
    assert (lease.takeover_delay_until, dead(journal)) == (None, ["the kernel, which freed its lock", None])


def test_who_holds_it_is_told_to_whoever_would_follow(journal: SqlJournal) -> None:
    """In words, and until when the lease lasts unless it is renewed; beside a file it lasts as long as its process."""
    with held(journal), pytest.raises(LeaseHeld) as taken, held(journal):
        pytest.fail("held twice")
    assert taken.value.who.startswith("process 4711 on agent-7 for https://ci/job/17, run 0123456789ab")
    beside_a_file = journal.database.backend.path is not None
    assert (taken.value.expires_at is None) is beside_a_file


def test_an_older_copy_of_the_journal(journal: SqlJournal) -> None:
    """A runner whose lease is not in the journal any more writes nothing there."""
    seize(journal, HOLDER, 0)
    later_on = LeaseRow("eks-demo", 2, HOLDER.run_id, simulated_time(lambda: NOW))
    journal.use_lease(LeaseSession(journal.database, later_on, fence(), no_retry))
    with pytest.raises(Lost, match=r"this run's lease \(epoch 2.* is not in the journal any more"):
        journal.note(ID, "note", "text", NOW)


@on_sqlite
def test_a_lock_that_cannot_be_had(journal: SqlJournal) -> None:
    """A folder in which no lock can be made is named, with what to do."""
    path = journal.database.backend.path
    assert path
    path.with_name("rollout.db.eks-demo.lock").mkdir()
    with pytest.raises(UserError, match=r"eks-demo.lock cannot be written: Is a directory") as refusal, held(journal):
        pytest.fail("held without a lock")
    assert "under `database`" in refusal.value.hint


def dead(journal: SqlJournal) -> list[object]:
    with journal.database.reading() as connection:
        return list(connection.exec_driver_sql("SELECT assumed_dead FROM leases ORDER BY epoch").scalars())


def closing_journal(url: str) -> closing[SqlJournal]:
    return closing(open_journal(url, actor="other"))


def test_who_looks_sees_who_works(journal: SqlJournal, url: str) -> None:
    """Nobody ever; one at work, with its last sign of life; one that gave it up; one that died without a word."""
    with closing(read_journal(url)) as looker:
        assert looker.worker("eks-demo") is None
        with held(journal) as lease:
            lease.write(lambda _: None)
            [at_work, again] = [looker.worker("eks-demo") for _ in range(2)]
            assert at_work == again  # to look is in nobody's way
            assert at_work is not None
            assert (at_work.works, at_work.pid, at_work.ended) == (True, HOLDER.pid, None)
            assert at_work.last_sign is not None
            assert at_work.silent is (journal.database.backend.path is not None)
        stopped = looker.worker("eks-demo")
        assert stopped is not None
        assert (stopped.works, stopped.ended) == (False, later(5))
        seize(journal, Holder("agent-9", 9, "run-9"), 600)  # its lock is free, its lease over
        killed = looker.worker("eks-demo")
        assert killed is not None
        assert (killed.works, killed.pid, killed.ended) == (False, 9, None)
