"""What is said and concluded of a rollout that somebody else works."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rollout.cli.follow import Following
from rollout.engine.runner import Ended, Progress
from rollout.journal import SqlJournal
from rollout.journal.lease_acquire import LeaseHeld
from tests.cli import samples

ON_SERVER = LeaseHeld(
    "eks-demo", "process 12 on ci-3", datetime(2026, 1, 5, 9, tzinfo=UTC), "to stop it: kill 12 on ci-3"
)
BESIDE_FILE = LeaseHeld("eks-demo", "process 13 on ci-3", None, "to stop it: kill 13")


@pytest.fixture
def journal(tmp_path: Path) -> SqlJournal:
    return samples.draining(tmp_path)


@pytest.fixture
def shown() -> list[Progress]:
    return []


@pytest.fixture
def following(journal: SqlJournal, shown: list[Progress]) -> Following:
    return Following(journal, samples.ID, shown.append)


def test_who_works_is_said_once(
    following: Following, shown: list[Progress], capsys: pytest.CaptureFixture[str]
) -> None:
    """With how to get past them; again only if it is another one by then. What happens is shown at every look."""
    assert [following.look(ON_SERVER), following.look(ON_SERVER)] == [None, None]
    said = capsys.readouterr().out
    assert said.count("is being run by process 12 on ci-3") == 1
    assert "to stop it: kill 12 on ci-3" in said
    assert "--assume-dead" in said
    following.look(BESIDE_FILE)
    said = capsys.readouterr().out
    assert "process 13" in said
    assert "--assume-dead" not in said
    assert [one.waiting for one in shown] == [f"run by process {pid} on ci-3" for pid in (12, 12, 13)]


def test_a_lease_that_ends_while_the_rollout_does_not_is_taken(
    following: Following, capsys: pytest.CaptureFixture[str]
) -> None:
    """A process that followed says that it continues the rollout; one that never had to follow says nothing."""
    assert following.over() is None
    assert capsys.readouterr().out == ""
    following.look(ON_SERVER)
    assert following.over() is None
    assert "process 12 on ci-3 no longer holds the lease; this process continues the rollout" in capsys.readouterr().out


def test_a_rollout_that_is_done_by_another_is_done(following: Following, journal: SqlJournal) -> None:
    """Whether its lease still lasts or not."""
    following.look(ON_SERVER)
    samples.finish(journal)
    assert following.look(ON_SERVER) is Ended.DONE
    assert following.over() is Ended.DONE


def test_a_halt_of_another_is_a_halt(following: Following, journal: SqlJournal) -> None:
    """A process that followed does not clear it, even if the lease is free by then."""
    following.look(ON_SERVER)
    journal.halt(samples.ID, samples.HALT, samples.after(9))
    assert following.look(ON_SERVER) is Ended.HALTED
    assert following.over() is Ended.HALTED


def test_a_halt_that_is_being_resumed_is_none(journal: SqlJournal) -> None:
    """A rollout that was halted already is being resumed by its runner; if it halts again, that halt counts."""
    journal.halt(samples.ID, samples.HALT, samples.after(9))
    following = Following(journal, samples.ID, lambda _progress: None)
    assert following.look(ON_SERVER) is None
    journal.resume(samples.ID, None, samples.after(10))
    assert following.look(ON_SERVER) is None
    journal.halt(samples.ID, samples.HALT, samples.after(11))
    assert following.look(ON_SERVER) is Ended.HALTED


def test_who_is_told_to_stop_says_how_to_look_on(following: Following) -> None:
    """Exit 75: the same command may be run again."""
    following.look(ON_SERVER)
    left = following.left()
    assert (left.exit_code, left.hint) == (75, f"rollout events --follow {samples.ID}")
    assert "process 12 on ci-3" in left.problem
