"""The drain deadline: an instant that was stored once, whatever happens between it and now."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from rollout.journal import SqlJournal
from rollout.machine import Stage
from rollout.runner import Ended
from rollout.seen import GroupSeen
from tests.core.build import ID, NOW, at, looked
from tests.core.running import Apply, again, begin
from tests.core.toy import Asked, Toy


def test_the_stored_instant_counts() -> None:
    """Neither when the phase began nor the setting moves it: a journal may be resumed with another code."""
    for seconds, overdue in ((299, False), (300, True)):
        it = looked(Stage.WAITING, now=at(seconds), drain_deadline=at(300), since=NOW - timedelta(hours=3))
        assert it.overdue is overdue


def test_a_halt_does_not_move_it(journal: SqlJournal, toy: Toy) -> None:
    """Halted in the drain and resumed when it has passed: the Job that still runs is ended at once, none before."""
    toy.ends.clear()

    def meddle(asked: Asked, apply: Apply) -> None:
        apply()
        if asked[0] == "evict" and not before:
            before.append(toy.group_["g"])
            toy.group_["g"] = replace(toy.group_["g"], suspended=frozenset())

    before: list[GroupSeen] = []
    toy.disturb = meddle
    assert begin(journal, toy, drain_seconds=600).run() is Ended.HALTED
    stored = journal.load(ID).drain_deadline
    assert stored
    assert stored > toy.now_
    toy.group_["g"] = replace(toy.group_["g"], suspended=before[0].suspended)
    toy.now_ = stored + timedelta(hours=1)
    runner = again(journal, toy)
    runner.unhalt()
    assert journal.load(ID).drain_deadline == stored
    assert runner.run() is Ended.DONE
    (killed,) = journal.killed(ID)
    assert timedelta(hours=1) <= killed.at - stored < timedelta(hours=1, minutes=2)
