"""The drain deadline: an instant that is stored once and that nothing moves but what a person asks for."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import rollout
from rollout.engine.runner import Ended
from rollout.journal import SqlJournal
from rollout.model.machine import Stage
from rollout.model.observation import GroupSeen
from rollout.model.plan import Steady, duration
from rollout.stages import decide
from rollout.stages.steadiness import Steadiness, unsteady
from tests.core.build import ID, NEVER_JOINED, NOW, at, looked, record, seen, surged
from tests.core.running import Apply, again, begin
from tests.core.toy import Asked, Toy


def test_the_stored_instant_counts() -> None:
    """Neither when the phase began nor the setting moves it: a journal may be resumed with another code."""
    for seconds, overdue in ((299, False), (300, True)):
        it = looked(Stage.WAITING, now=at(seconds), drain_deadline=at(300), since=NOW - timedelta(hours=3))
        assert it.is_overdue is overdue


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


FOR_EVER = dict.fromkeys(
    ("drain_seconds", "blocked_seconds", "in_service_seconds", "ready_seconds", "patience_seconds"), 3_000_000 * 86400.0
)


@pytest.mark.parametrize("many", [1, 1e290])
def test_a_plan_with_longer_deadlines_than_the_calendar_has_room_for(
    journal: SqlJournal, toy: Toy, many: float
) -> None:
    """A rollout that an earlier version planned so comes to its end."""
    lengths: dict[str, Any] = {name: seconds * many for name, seconds in FOR_EVER.items()}
    assert begin(journal, toy, **lengths).run() is Ended.DONE
    deadline = journal.load(ID).drain_deadline
    assert deadline is not None
    assert deadline > NOW + timedelta(days=90 * 365)


@pytest.mark.parametrize("many", [1, 1e290])
def test_what_is_told_of_one_node_under_such_a_plan(many: float) -> None:
    """No moment that a decision works out is beyond the calendar, also of a node that never joined or a storm."""
    lengths: dict[str, Any] = {name: seconds * many for name, seconds in FOR_EVER.items()}
    never = Steady(within=1e300, seconds=1e300)
    journal = record(**lengths, steady=never, drain_deadline=NOW + duration(lengths["drain_seconds"]))
    world = seen(surged())
    steadiness = Steadiness().after(world, journal, at(-9), blind=False).after(world, journal, NOW, blind=False)
    assert unsteady(steadiness, journal, at(9))
    assert not looked(
        Stage.WAITING, drain_deadline=journal.drain_deadline, **lengths, **NEVER_JOINED
    ).past_blocked_deadline
    assert decide(looked(Stage.WAITING, drain_deadline=journal.drain_deadline, **lengths, **NEVER_JOINED)).waits_for


def test_every_length_of_a_plan_goes_through_the_clamp() -> None:
    """No module makes a length of time of a setting by itself."""
    made = re.compile(r"timedelta\(seconds=[^)]*(settings|steady)\.")
    assert [
        path.name for path in Path(rollout.__file__).parent.rglob("*.py") if made.search(path.read_text("utf-8"))
    ] == []
