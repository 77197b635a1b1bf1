"""A journal that is away at any moment of a tick: no effect without its intent, no effect twice, the same end."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event

from rollout.engine.runner import Ended
from rollout.errors import UserError
from rollout.fence import Fence
from rollout.journal import SqlJournal, lease_acquire, sqlite
from rollout.journal.lease_row import Holder
from rollout.journal.lease_session import LeaseSession
from tests.core.build import ID
from tests.core.running import RESTORED, Apply, Ran, again, begin
from tests.core.toy import Asked, Toy

if TYPE_CHECKING:
    from sqlalchemy import Connection

HOLDER = Holder("agent-7", 4711, "0123456789ab")

#: Every so many-th writing transaction is met; another share of them in each test.
STEP = 31


class Locker:
    """Somebody else's process, which locks the journal just before our transaction number `at`."""

    def __init__(self, journal: SqlJournal, at: int | None = None) -> None:
        path = journal.database.backend.path
        assert path
        self._other = sqlite3.connect(path, isolation_level=None)
        self.at = at
        self.begun = 0
        event.listen(journal.database._engine, "engine_connect", self._begins)

    def _begins(self, connection: Connection) -> None:
        if connection.get_execution_options().get("rollout_reading"):
            return
        self.begun += 1
        if self.begun == self.at:
            self._other.execute("BEGIN IMMEDIATE")

    def free(self) -> bool:
        """Let the journal go."""
        if self._other.in_transaction:
            self._other.execute("ROLLBACK")
        return True

    def close(self) -> None:
        """End."""
        self._other.close()


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a lock in SQLite itself."""
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.0)


def held(journal: SqlJournal, toy: Toy, retry_journal: Callable[[], bool]) -> AbstractContextManager[LeaseSession]:
    return lease_acquire.acquire(journal, "c", HOLDER, toy.now, Fence(lambda: (toy.now_.timestamp(),)), retry_journal)


@contextmanager
def world(fresh_journal: Callable[[], SqlJournal], at: int | None) -> Iterator[tuple[SqlJournal, Toy, Locker]]:
    """A rollout that was begun, and who will lock its journal."""
    toy = Toy.in_use()
    with closing(fresh_journal()) as journal:
        begin(journal, toy)
        with closing(Locker(journal, at)) as locker:
            yield journal, toy, locker


@pytest.fixture(scope="module")
def transactions(fresh_journal: Callable[[], SqlJournal]) -> int:
    """How many writing transactions a rollout takes under a lease."""
    with world(fresh_journal, None) as (journal, toy, locker), held(journal, toy, lambda: False):
        assert again(journal, toy).run() is Ended.DONE
        return locker.begun


def same(toy: Toy, ran: Ran) -> bool:
    return Counter(map(repr, toy.applied)) == Counter(map(repr, ran.toy.applied)) and toy.group_["g"] == RESTORED


def test_waited_for_at_any_transaction(fresh_journal: Callable[[], SqlJournal], ran: Ran, transactions: int) -> None:
    """What could not be written is written a moment later; nobody outside notices."""
    for at in range(2, transactions, STEP):
        with world(fresh_journal, at) as (journal, toy, locker), held(journal, toy, locker.free):
            assert again(journal, toy).run() is Ended.DONE, at
            assert toy.asked == ran.toy.asked, at


def intended(journal: SqlJournal) -> Callable[[Asked, Apply], None]:
    """Let pass what stands in the journal as intended."""

    def watch(_: Asked, apply: Apply) -> None:
        assert any(row.state == "intended" for row in journal.load(ID).unsettled)
        apply()

    return watch


def test_given_up_at_any_transaction(fresh_journal: Callable[[], SqlJournal], ran: Ran, transactions: int) -> None:
    """The run ends as resumable, nothing was asked for without its intent, and the next run comes to the same end."""
    for at in range(STEP // 2, transactions, STEP):
        with world(fresh_journal, at) as (journal, toy, locker):
            toy.disturb = intended(journal)
            with pytest.raises(UserError) as trouble, held(journal, toy, lambda: False):
                again(journal, toy).run()
            assert trouble.value.exit_code == 75
            locker.free()
            with held(journal, toy, lambda: False):
                assert again(journal, toy).run() is Ended.DONE, at
            assert same(toy, ran), at
            assert journal.verify(ID)[1] == ()
