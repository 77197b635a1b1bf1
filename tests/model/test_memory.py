"""The journal in memory passes the tests of the SQL journal that are about the port, and not about texts or tables."""

from __future__ import annotations

import pytest

from tests.journal import test_store as sql
from tests.journal.samples import ID, NOW, PLAN
from tests.model.memory import MemoryJournal

#: Those tests. The others ask for other rollouts, the history's texts, the ledger or a second connection.
SHARED = (
    sql.test_drain_deadline_stays,
    sql.test_yes_is_not_done,
    sql.test_each_yes_is_counted,
    sql.test_the_first_no_of_a_budget_is_remembered,
    sql.test_done_is_done,
    sql.test_what_may_arrive_late,
    sql.test_what_a_process_sent_before_it_died_may_arrive_late,
    sql.test_doubt_keeps_its_request,
    sql.test_never_intended,
    sql.test_written_sizes,
    sql.test_written_sizes_of_resizes_and_terminates,
    sql.test_written_flags_and_processes,
    sql.test_since_when_the_autoscaler_is_off,
    sql.test_who_left_lately_is_known_while_pods_leave,
    sql.test_nobody_has_left_before_somebody_did,
    sql.test_no_such_move,
)


@pytest.mark.parametrize("test", SHARED, ids=lambda test: str(test.__name__))
def test_like_the_sql_journal(test: object) -> None:
    """One port, one behaviour."""
    journal = MemoryJournal()
    journal.begin(ID, None, PLAN, NOW)
    test(journal)  # type: ignore[operator]  # they are written for the SQL journal
