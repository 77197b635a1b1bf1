"""A real PgBouncer between a runner and its journal: paused, restarted, set up wrongly."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest

from rollout.errors import UserError
from rollout.journal import SqlJournal, lease_acquire, open_journal, wire
from rollout.journal.lease_row import Holder, simulated_time
from rollout.journal.trouble import Trouble
from tests.journal.bouncer import Bouncer, bouncing
from tests.journal.samples import ID, NOW, PLAN, fence
from tests.postgres import PASSWORD, Server

#: They need a program that `make tools` fetches; make exhaustive runs them, and CI a sixth.
pytestmark = pytest.mark.exhaustive


@pytest.fixture
def engine() -> str:
    """All tests here are Postgres's own."""
    return "postgres"


def through(url: str, postgres: Server, bouncer: Bouncer) -> str:
    return url.replace(f":{postgres.port}/", f":{bouncer.port}/")


@pytest.mark.parametrize("trouble", ["paused", "restarted"])
def test_waited_for(
    empty: SqlJournal, url: str, postgres: Server, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """With one connection that is shared per transaction, paused or restarted in mid-run: each verb is done once."""
    empty.close()
    monkeypatch.setattr(wire, "ANSWER_SECONDS", 1.0)
    with bouncing(postgres) as bouncer:
        begin: dict[str, Callable[[], object]] = {"paused": lambda: bouncer.order("PAUSE"), "restarted": bouncer.kill}
        end: dict[str, Callable[[], object]] = {"paused": lambda: bouncer.order("RESUME"), "restarted": bouncer.start}
        waits: list[str | None] = []

        def retry_journal() -> bool:
            waits.append(journal.database.news())
            end[trouble]()
            return True

        holder, time = Holder("agent", 7, "run"), simulated_time(lambda: NOW)
        with closing(open_journal(through(url, postgres, bouncer), actor="tester")) as journal:
            journal.begin(ID, "build-17", PLAN, NOW)
            with lease_acquire.acquire(journal, PLAN.cluster, holder, lambda: NOW, fence(), retry_journal, time):
                journal.note(ID, "note", "before", NOW)
                begin[trouble]()
                journal.note(ID, "note", "after", NOW)
                assert [one.text for one in journal.events(ID)][-2:] == ["before", "after"]
    assert len(waits) == 1


def test_paused_for_good(empty: SqlJournal, url: str, postgres: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PgBouncer that stays paused lets nobody wait for ever: exit 75, and it is named."""
    empty.close()
    monkeypatch.setattr(wire, "ANSWER_SECONDS", 1.0)
    with bouncing(postgres) as bouncer:
        bouncer.order("PAUSE")
        with pytest.raises(Trouble, match="the server is silent") as silent:
            open_journal(through(url, postgres, bouncer), actor="tester")
    assert (silent.value.exit_code, "pooler" in silent.value.hint) == (75, True)


@pytest.mark.parametrize(
    ("mode", "wrong", "words"),
    [
        ("statement", "", "per statement"),
        ("transaction", "password", "the server refuses"),
        ("transaction", "database", "there is no such database"),
    ],
)
def test_refused(empty: SqlJournal, url: str, postgres: Server, mode: str, wrong: str, words: str) -> None:
    """What can never work is exit 2, in words, before anything begins."""
    empty.close()
    with bouncing(postgres, mode) as bouncer:
        there = through(url, postgres, bouncer)
        there = there.replace(PASSWORD, "another") if wrong == "password" else there
        there = f"{there}_not" if wrong == "database" else there
        with pytest.raises(UserError, match=words) as refused:
            open_journal(there, actor="tester")
    assert (refused.value.exit_code, bool(refused.value.hint)) == (2, True)
