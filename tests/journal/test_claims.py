"""Messages are claimed in the journal, under the lease: of several processes one sends each, on either engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from rollout.cli.monitoring import telling
from rollout.config import Metrics, Notify
from rollout.engine.runner import Progress
from rollout.journal import SqlJournal, open_journal
from rollout.journal.lease_row import Holder
from tests.cli.channel import VARIABLE, Channel, listening
from tests.journal.samples import ID, later, seize


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Channel]:
    """A service whose URL the variable has."""
    with listening() as made:
        monkeypatch.setenv(VARIABLE, made.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield made


def tell(journal: SqlJournal, seconds: float) -> None:
    """Tell monitoring of the rollout, as the process that runs it."""
    wanted = telling.Wanted(Metrics(), Notify(variable=VARIABLE, events=("begin",)))
    with telling.told(wanted, journal, ID, lambda: later(seconds), lambda _: None) as told:
        told(Progress(journal.load(ID), ""))


def test_who_took_over_sends_what_nobody_claimed(journal: SqlJournal, url: str, channel: Channel) -> None:
    """A process whose lease is another's can claim nothing more and sends nothing; the other one sends."""
    record = journal.load(ID)
    seize(journal, Holder("agent-1", 101, "aaaaaaaaaaaa"), 0)
    wanted = telling.Wanted(Metrics(), Notify(variable=VARIABLE, events=("begin",)))
    with closing(open_journal(url, actor="second")) as other:
        seize(other, Holder("agent-2", 202, "bbbbbbbbbbbb"), 121)
        with telling.told(wanted, journal, ID, lambda: later(122), lambda _: None) as told:
            told(Progress(record, ""))
        assert channel.taken == []
        tell(other, 123)
    assert channel.titles == ["has begun"]


def test_who_goes_on_sends_nothing_twice(journal: SqlJournal, url: str, channel: Channel) -> None:
    """What the first process claimed the second one finds claimed, and the chain holds."""
    seize(journal, Holder("agent-1", 101, "aaaaaaaaaaaa"), 0)
    tell(journal, 1)
    with closing(open_journal(url, actor="second")) as other:
        seize(other, Holder("agent-2", 202, "bbbbbbbbbbbb"), 121)
        tell(other, 122)
        assert other.verify(ID)[1] == ()
    assert channel.titles == ["has begun"]
