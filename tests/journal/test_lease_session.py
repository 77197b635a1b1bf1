"""A journal that is away under a lease: waited for, never written blindly, and nothing of it lost."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from rollout.errors import Lost
from rollout.fence import Fence
from rollout.journal import SqlJournal, lease_acquire, open_journal, postgres, schema, sqlite
from rollout.journal.database import Database
from rollout.journal.lease_row import Holder, simulated_time
from rollout.journal.lease_session import LeaseSession
from rollout.journal.trouble import InDoubt, Trouble
from rollout.model.decision import Advance, Halt, Move, NodeWait
from rollout.model.machine import Phase
from rollout.model.reasons import Reason
from tests.journal.lossy import Lossy
from tests.journal.samples import (
    EVICT,
    ID,
    NOW,
    OLD,
    PLAN,
    RESIZE,
    intend,
    later,
    on_postgres,
    on_sqlite,
    receipt,
    seize,
    settle,
)
from tests.postgres import Server, install

if TYPE_CHECKING:
    from sqlalchemy import Connection

HOLDER = Holder("agent-7", 4711, "0123456789ab")
NEXT = Holder("agent-8", 8, "ba9876543210", "https://ci/job/18")

Lose = Literal["before", "after"]


class Clock:
    """The runner's clock, set by hand, and its fence."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.fence = Fence(lambda: (self.seconds,))


class Retries:
    """Waits so many times; `then`: what happens during each wait, one after the other."""

    def __init__(self, times: int, *then: Callable[[], object]) -> None:
        self.left = times
        self.then = list(then)

    def __call__(self) -> bool:
        self.left -= 1
        if self.left >= 0 and self.then:
            self.then.pop(0)()
        return self.left >= 0


def held(
    journal: SqlJournal, retry_journal: Callable[[], bool], clock: Clock | None = None
) -> AbstractContextManager[LeaseSession]:
    fence = (clock or Clock()).fence
    return lease_acquire.acquire(
        journal, PLAN.cluster, HOLDER, lambda: NOW, fence, retry_journal, simulated_time(lambda: NOW)
    )


@pytest.fixture
def lock(journal: SqlJournal, url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Locked]:
    """Somebody else who can lock the journal."""
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.01)
    monkeypatch.setattr(postgres, "_BEGIN", "SET LOCAL lock_timeout = '20ms'")
    journal.close()  # its connections were made with other timeouts
    with closing(Database(url, create=False)) as other:
        yield Locked(other)


class Locked:
    """Somebody else's transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._open: AbstractContextManager[Connection] | None = None

    def take(self) -> None:
        """Keep the journal locked from now on."""
        self._open = self._database.writing()
        self._open.__enter__().exec_driver_sql("UPDATE leases SET pid = pid")

    def __call__(self) -> None:
        """Let it go."""
        assert self._open
        self._open.__exit__(None, None, None)


def texts(journal: SqlJournal) -> list[str]:
    return [one.text for one in journal.events(ID)]


# ---- waited for -----------------------------------------------------------------------------------------------------


def test_a_locked_journal_is_waited_for(journal: SqlJournal, lock: Locked) -> None:
    """What was to be written is written, once, as soon as the journal takes it."""
    with held(journal, Retries(3, lambda: None, lock)):
        lock.take()
        journal.note(ID, "note", "after a while", NOW)
        assert texts(journal)[1:] == ["after a while"]


def test_retries_end(journal: SqlJournal, lock: Locked) -> None:
    """Then nothing stands, and the process ends as one that may be started again as it is."""
    with held(journal, Retries(2)):
        lock.take()
        with pytest.raises(Trouble, match="kept it locked") as trouble:
            intend(journal, RESIZE)
        assert trouble.value.exit_code == 75
        lock()
        assert journal.load(ID).unsettled == ()
    assert journal.verify(ID)[1] == ()


@on_sqlite
def test_a_full_disk_is_waited_for(journal: SqlJournal) -> None:
    """If somebody makes room while the runner waits, nothing is lost."""

    def limit(pages: int) -> None:
        with journal.database.reading() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    with held(journal, Retries(1, lambda: limit(1_000_000))):
        limit(1)  # never less than there are: there is no room for one more
        journal.note(ID, "note", "x" * 100_000, NOW)
        assert len(texts(journal)[-1]) == 100_000


@on_sqlite
def test_a_disk_that_turns_read_only_ends_as_resumable(journal: SqlJournal) -> None:
    """It could be written a moment ago: once it can be again, the same command may be started."""
    with held(journal, Retries(0)):
        with journal.database.reading() as connection:
            connection.exec_driver_sql("PRAGMA query_only = ON")
        with pytest.raises(Trouble, match="it may not be written") as trouble:
            journal.note(ID, "note", "text", NOW)
        assert trouble.value.exit_code == 75


@on_sqlite
@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_is_moved_away(journal: SqlJournal, replaced: bool) -> None:  # noqa: FBT001  a column
    """Nothing is written to a file that has lost its name, or to the one that has it now; put back, it goes on."""
    path = journal.database.backend.path
    assert path
    away = path.with_name("away.db")

    def move() -> None:
        # As an operator moves a journal: nothing is left in the log.
        with closing(sqlite3.connect(path)) as shell:
            shell.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        path.rename(away)
        if replaced:
            path.write_bytes(away.read_bytes())

    with held(journal, Retries(1, lambda: away.replace(path))) as lease:
        move()
        journal.note(ID, "note", "put back", NOW)
        assert texts(journal)[1:] == ["put back"]
        move()
        with pytest.raises(Trouble, match="deleted, moved or replaced") as trouble:
            journal.note(ID, "note", "lost", NOW)
        assert (trouble.value.exit_code, lease.fence.trusted()) == (75, True)
        away.replace(path)
    assert texts(journal)[1:] == ["put back"]


def test_a_server_that_crashes_in_mid_transaction() -> None:
    """When it is up again, the transaction is done, once; what was committed before stands."""
    with tempfile.TemporaryDirectory(prefix="rollout-postgres-") as folder, ExitStack() as crash, ExitStack() as again:
        Path(folder).chmod(0o755)
        installation = install(Path(folder))
        url = crash.enter_context(installation.serving("QUIT")).url("postgres")
        schema.upgrade(url)
        journal = again.enter_context(closing(open_journal(url, actor="tester")))
        journal.begin(ID, None, PLAN, NOW)
        times: list[int] = []

        def work(connection: Connection) -> None:
            times.append(1)
            connection.exec_driver_sql("UPDATE rollouts SET hint = COALESCE(hint, '') || 'x'")
            crash.close()
            connection.exec_driver_sql("UPDATE rollouts SET round = round + 1")

        with held(journal, Retries(1, lambda: again.enter_context(installation.serving()))) as lease:
            journal.note(ID, "note", "before", NOW)
            lease.write(work)
            journal.note(ID, "note", "after", NOW)
            assert (texts(journal)[1:], journal.load(ID).resume_count, len(times)) == (["before", "after"], 1, 2)


@on_postgres
def test_a_killed_connection_is_made_anew(journal: SqlJournal, postgres: Server, url: str) -> None:
    """An administrator who ends our connection in mid-transaction delays it: it begins again from its start."""
    name = url.rpartition("/")[2]
    end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"  # noqa: S608  our own name
    times: list[int] = []

    def work(connection: Connection) -> str:
        times.append(1)
        if len(times) == 1:
            postgres.execute(end)
        connection.exec_driver_sql("UPDATE rollouts SET hint = COALESCE(hint, '') || 'x'")
        return "worked"

    with held(journal, Retries(1)) as lease:
        assert lease.write(work) == "worked"
        with journal.database.reading() as connection:
            assert connection.exec_driver_sql("SELECT hint FROM rollouts").scalar() == "x"


# ---- trust ----------------------------------------------------------------------------------------------------------


def test_trust_is_renewed_from_the_beginning_of_a_transaction(journal: SqlJournal) -> None:
    """What took long is believed for less; what failed renews nothing; the end of the lease ends it."""
    clock = Clock()
    with held(journal, Retries(0), clock) as lease:
        clock.seconds = 30

        def slow(_: Connection) -> None:
            clock.seconds = 50

        lease.write(slow)
        clock.seconds = 74.9
        assert clock.fence.trusted()
        with pytest.raises(ZeroDivisionError):
            lease.write(lambda _: 1 / 0)
        clock.seconds = 75
        assert not clock.fence.trusted()
        journal.load(ID)
        assert clock.fence.trusted()
    assert not clock.fence.trusted()


@on_postgres
def test_a_mere_look_renews_nothing_on_a_server(journal: SqlJournal) -> None:
    """Only what renewed the row is believed."""
    clock = Clock()
    with held(journal, Retries(0), clock):
        clock.seconds = 60
        journal.summaries()
        journal.events(ID)
        assert not clock.fence.trusted()


@on_postgres
def test_whoever_was_taken_over_is_not_trusted(journal: SqlJournal, url: str) -> None:
    """It learns it at its next verb, with the name of the new holder, and its fence is shut from then on."""
    clock = Clock()
    with held(journal, Retries(9), clock), closing(open_journal(url, actor="other")) as other:
        seize(other, NEXT, 61)
        with pytest.raises(Lost, match="taken over by process 8 on agent-8 for https://ci/job/18"):
            intend(journal, RESIZE)
        assert not clock.fence.trusted()
    assert journal.load(ID).unsettled == ()


# ---- COMMITs without an answer --------------------------------------------------------------------------------------


@pytest.fixture
def far(journal: SqlJournal, url: str, proxy: Lossy, postgres: Server) -> Iterator[SqlJournal]:
    """The journal, reached over that way."""
    opened = open_journal(url.replace(f":{postgres.port}/", f":{proxy.port}/"), actor="tester")
    yield opened
    opened.close()


VERBS: list[Callable[[SqlJournal], object]] = [
    lambda journal: journal.intend(ID, [RESIZE, EVICT], (), [], [OLD], NOW),
    lambda journal: journal.intend(ID, (), [Move("i-1", "drain")], [NodeWait("i-1", "a pod")], (), NOW),
    lambda journal: journal.receive(ID, [receipt(RESIZE), receipt(EVICT, "blocked", "blocked", later(3))]),
    lambda journal: settle(journal, RESIZE),
    lambda journal: journal.halt(ID, Halt(Reason.INSTANCES_NOT_IN_SERVICE, "no capacity", "rollout resume"), NOW),
    lambda journal: journal.resume(ID, later(900), NOW),
    lambda journal: journal.advance(ID, Advance("the marker is ours", Phase.AUTOSCALER_OFF, nodes=()), later(600), NOW),
    lambda journal: journal.note(ID, "note", "text", NOW),
    lambda journal: journal.load(ID),
]


@on_postgres
@pytest.mark.parametrize("lose", ["before", "after"])
def test_every_verb_is_done_once(far: SqlJournal, journal: SqlJournal, proxy: Lossy, lose: Lose) -> None:
    """Whether a COMMIT was lost or its answer, each verb has done its work once, and the history tells it once."""
    with held(far, Retries(len(VERBS))):
        for verb in VERBS:
            proxy.lose = lose
            verb(far)
            assert proxy.lose is None
    told = texts(journal)
    assert (len(told), len(set(told))) == (12, 12)
    record = journal.load(ID)
    assert [(row.effect, row.sent, row.detail) for row in record.unsettled] == [(EVICT, 1, "blocked")]
    assert (record.resume_count, set(record.done), len(record.nodes)) == (1, {RESIZE.key}, 1)
    assert journal.verify(ID)[1] == ()


@on_postgres
@pytest.mark.parametrize("lose", ["before", "after"])
def test_doubt_ends_when_the_server_is_back(far: SqlJournal, proxy: Lossy, lose: Lose) -> None:
    """A server that is away right after the COMMIT is asked until it answers; nothing is written before."""
    retry_journal = Retries(9, lambda: None, lambda: None, proxy.back)
    with held(far, retry_journal):
        proxy.lose, proxy.away_after_loss = lose, True
        intend(far, RESIZE)
        assert [row.sent for row in far.load(ID).unsettled] == [1]


@on_postgres
@pytest.mark.parametrize(("lose", "count"), [("before", 0), ("after", 1)])
def test_doubt_that_lasts(far: SqlJournal, proxy: Lossy, lose: Lose, count: int) -> None:
    """When the retries end while nobody knows, the process ends as resumable; the next one finds what stands."""
    with held(far, Retries(2)):
        proxy.lose, proxy.away_after_loss = lose, True
        with pytest.raises(InDoubt) as doubt:
            intend(far, RESIZE)
        assert (doubt.value.exit_code, "the same command again" in doubt.value.hint) == (75, True)
        proxy.back()
        assert len(far.load(ID).unsettled) == count


@on_postgres
@pytest.mark.parametrize("lose", ["before", "after"])
def test_a_lease_whose_beginning_is_in_doubt(far: SqlJournal, proxy: Lossy, lose: Lose) -> None:
    """Whether its COMMIT was lost or the answer, the cluster is held, once."""
    proxy.lose = lose
    with held(far, Retries(0)) as lease:
        assert (lease.epoch, lease.predecessor) == (1, None)
        far.note(ID, "note", "held", NOW)


@on_postgres
def test_a_server_that_is_gone_for_a_while(far: SqlJournal, proxy: Lossy) -> None:
    """It is waited for, and what was to be written is written; gone for good, the process ends as resumable."""
    with held(far, Retries(3, lambda: None, proxy.back)):
        proxy.away()
        far.receive(ID, [])
        far.note(ID, "note", "back", NOW)
        proxy.away()
        with pytest.raises(Trouble, match="the server cannot be reached") as trouble:
            far.note(ID, "note", "gone for good", NOW)
        assert trouble.value.exit_code == 75
    proxy.back()
    assert texts(far)[1:] == ["back"]


@on_sqlite
def test_journal_and_lock_file_deleted_together(journal: SqlJournal) -> None:
    """The journal is gone: nobody is told to read it, but to put it back, or to ask the doctor."""
    path = journal.database.backend.path
    assert path is not None
    with held(journal, Retries(0)) as lease:
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()
        with pytest.raises(
            Lost, match=r"and its lock file were deleted or moved.*\n  next: put both back.*rollout doctor"
        ):
            lease.write(lambda _: None)
