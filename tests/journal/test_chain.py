from __future__ import annotations

import pytest

from rollout.journal import SqlJournal
from tests.journal.samples import ID, story, tamper


@pytest.fixture
def told(empty: SqlJournal) -> SqlJournal:
    """A journal whose one rollout has a long history."""
    story(empty)
    return empty


def test_unbroken(told: SqlJournal) -> None:
    """A chain that nobody touched verifies, with the number of events that it has."""
    count, problems = told.verify(ID)
    assert count == len(told.events(ID)) > 20
    assert problems == ()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE events SET text = 'nothing happened' WHERE seq = 4",
        "UPDATE events SET at = '2026-01-05T08:00:00.000001Z' WHERE seq = 4",
        "UPDATE events SET actor = 'somebody else' WHERE seq = 4",
        "UPDATE events SET epoch = 9 WHERE seq = 4",
        "UPDATE events SET kind = 'note' WHERE seq = 4",
        "UPDATE events SET data = '{}' WHERE seq = 4",
        "UPDATE events SET prev_hash = hash WHERE seq = 4",
        "UPDATE events SET hash = prev_hash WHERE seq = 4",
    ],
)
def test_changed_row(told: SqlJournal, change: str) -> None:
    """A change of any column of one event is found, and the event is named."""
    tamper(told, change)
    _, problems = told.verify(ID)
    assert problems
    assert problems[0].startswith(f"event 4 of {ID} was changed")


def test_removed_row(told: SqlJournal) -> None:
    """An event that is missing in the middle is found."""
    tamper(told, "DELETE FROM events WHERE seq = 4")
    assert told.verify(ID)[1] == (f"event 4 of {ID} is missing",)


def test_cut_end(told: SqlJournal) -> None:
    """A chain that was cut short at its end is found, although what is left of it is unbroken."""
    count, _ = told.verify(ID)
    tamper(told, "DELETE FROM events WHERE seq > 10")
    assert told.verify(ID)[1] == (f"{ID} had {count} events when it was last written, now it has 10",)
