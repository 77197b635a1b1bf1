"""Transactions under a lease: it is renewed first, the fence is told of it, and a journal that is away is waited for.

A journal that is locked, full, restarting or out of reach has taken nothing of a transaction, which is begun again from
its start for as long as `retry_journal` says: so a transaction must change nothing but the journal. Where nobody said
whether a COMMIT was carried out, the journal is asked; before it has answered nothing is written again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection

from rollout.errors import RESUMABLE, Lost
from rollout.fence import Fence
from rollout.journal.database import Database
from rollout.journal.lease_row import LeaseRow
from rollout.journal.trouble import InDoubt, Trouble

_UNLOCKED = "the lock file was deleted or replaced, so another process may run the rollout; nothing was written"
_BOTH_GONE = "and its lock file were deleted or moved under this process; nothing more was written"

T = TypeVar("T")
Work = Callable[[Connection], T]


@dataclass(frozen=True, slots=True)
class LeaseSession:
    """One lease of a cluster, for the code that writes under it.

    `retry_journal`: waits for a moment and tells whether to try again. `takeover_delay_until`: see `Record`.
    `predecessor`: a sentence for the history on the lease before, where that did not end as it should; None if it did.
    `stands`: whether the file of the lock still has its name; one that was deleted keeps nobody else out.
    """

    database: Database
    row: LeaseRow
    fence: Fence
    retry_journal: Callable[[], bool]
    takeover_delay_until: datetime | None = None
    predecessor: str | None = None
    stands: Callable[[], bool] = lambda: True

    @property
    def epoch(self) -> int:
        """The number of this lease of the cluster."""
        return self.row.epoch

    def write(self, work: Work[T]) -> T:
        """Renew and do the work in one transaction; return what it returned.

        Raises `Lost` if another runner has taken over. When it is not to be retried: `Trouble` (exit 75) where nothing
        stands, `InDoubt` where nobody knows.
        """
        return self._retried(lambda: self._once(work), renews=True)

    def read(self, work: Work[T]) -> T:
        """Return what the work reads. Beside a file that is as good as a renewal: the lock holds, the disk answers."""
        return self._retried(lambda: self._read(work), renews=self._beside_a_file)

    def read_and_renew(self, work: Work[T]) -> T:
        """Return what the work reads, and keep the lease with it: a tick may write nothing."""
        return self.read(work) if self._beside_a_file else self.write(work)

    def release(self, now: datetime) -> None:
        """End the lease; nothing may change anything any more."""
        self.fence.shut()
        self.row.release(self.database, now)

    @property
    def _beside_a_file(self) -> bool:
        return self.database.backend.path is not None

    def _retried(self, attempt: Callable[[], T], *, renews: bool) -> T:
        while True:
            began = self.fence.clocks()
            try:
                self._require_lock()
                done = attempt()
            except Lost:
                self.fence.shut()
                raise
            except InDoubt:
                raise
            except Trouble as trouble:
                if not self.retry_journal():
                    # The journal answered a moment ago, and may again.
                    raise Trouble(trouble.problem, hint=trouble.hint, exit_code=RESUMABLE) from trouble
            else:
                if renews:
                    self.fence.renewed(began)
                return done

    def _require_lock(self) -> None:
        if not self.stands():
            path = self.database.backend.path
            if path and not path.exists():
                raise Lost(f"the journal {path} {_BOTH_GONE}\n  next: put both back; if they are lost: rollout doctor")
            raise Lost(f"{_UNLOCKED}\n  next: rollout events --follow")

    def _once(self, work: Work[T]) -> T:
        try:
            with self.database.writing() as connection:
                number = self.row.renew(connection)
                done = work(connection)
        except InDoubt as doubt:
            if not self._stands(number, doubt):
                raise Trouble(doubt.problem, hint=doubt.hint, exit_code=RESUMABLE) from doubt
        return done

    def _stands(self, number: int, doubt: InDoubt) -> bool:
        while True:
            try:
                return self.row.stands(self.database, number)
            except Trouble as trouble:
                if not self.retry_journal():
                    raise doubt from trouble

    def _read(self, work: Work[T]) -> T:
        with self.database.reading() as connection:
            return work(connection)
