from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import AbstractContextManager

import pytest

from rollout.errors import UserError
from rollout.journal import SqlJournal, lease
from rollout.journal.lease import Holder, hold
from tests.journal.samples import ID, NOW, RESIZE, intend, later, receipt

HOLDER = Holder("agent-7", 4711, "0123456789ab", "https://ci/job/17")

RUNNER = """
import sys
from datetime import UTC, datetime
from rollout.journal import open_journal
from rollout.journal.lease import Holder, hold
journal = open_journal(sys.argv[1], actor="other")
with hold(journal, "eks-demo", Holder("agent-1", 99, "ffffffffffff", "https://ci/job/16"), lambda: datetime.now(UTC)):
    print("held", flush=True)
    sys.stdin.read()
"""


def held(journal: SqlJournal, cluster: str = "eks-demo") -> AbstractContextManager[int]:
    return hold(journal, cluster, HOLDER, lambda: later(5))


def history(journal: SqlJournal) -> list[tuple[object, ...]]:
    query = "SELECT epoch, host, released_at, ended FROM lease_history ORDER BY epoch"
    with journal.database.reading() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def test_epochs(journal: SqlJournal) -> None:
    """Each hold of a cluster has the next epoch; other clusters count for themselves."""
    with held(journal) as first:
        pass
    with held(journal) as second, held(journal, "eks-other") as other:
        assert (first, second, other) == (1, 2, 1)


def test_written_under_its_epoch(journal: SqlJournal) -> None:
    """What is written while a cluster is held carries the epoch: intents, answers and events."""
    with held(journal) as epoch:
        intend(journal, RESIZE)
        journal.receive(ID, [receipt(RESIZE, "unknown", "reply lost")])
    journal.note(ID, "note", "after", NOW)
    with journal.database.reading() as connection:
        told = connection.exec_driver_sql("SELECT epoch FROM events ORDER BY seq").scalars().all()
        sent = connection.exec_driver_sql("SELECT e.epoch, a.epoch FROM effects e, attempts a").one()
    assert told == [None, epoch, epoch, None]
    assert tuple(sent) == (epoch, epoch)


def test_second_is_told(journal: SqlJournal) -> None:
    """Who comes second is told who holds the cluster, since when, and what to type; the first goes on undisturbed."""
    with held(journal):
        with pytest.raises(UserError, match="process 4711 on agent-7 for https://ci/job/17") as refusal, held(journal):
            pytest.fail("held twice")
        assert "since 2026-01-05 08:00:05 UTC" in refusal.value.problem
        assert (refusal.value.exit_code, "kill 4711" in refusal.value.hint) == (76, True)
    with held(journal) as epoch:
        assert epoch == 2


def test_second_in_the_same_moment(journal: SqlJournal) -> None:
    """Who comes between the first one's lock and its row is not told a name that is none."""
    refused = pytest.raises(UserError, match="eks-demo is being worked by another process")
    with lease._locked(journal.database, "eks-demo"), refused, held(journal):
        pytest.fail("held twice")


def test_freed_by_an_error(journal: SqlJournal) -> None:
    """A cluster is free again when the work fails, and the failure goes on."""
    with pytest.raises(ZeroDivisionError), held(journal):
        raise ZeroDivisionError
    with held(journal):
        assert history(journal)[0] == (1, "agent-7", "2026-01-05T08:00:05.000000Z", "released")


def test_freed_by_sigkill(journal: SqlJournal, url: str) -> None:
    """A cluster held by another process is refused with its name, and free the moment that it is killed."""
    other = subprocess.Popen([sys.executable, "-c", RUNNER, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout
    assert other.stdout.readline() == b"held\n"
    with pytest.raises(UserError, match="process 99 on agent-1 for https://ci/job/16, run ffffffffffff"), held(journal):
        pytest.fail("held twice")
    other.send_signal(signal.SIGKILL)
    other.communicate()
    with held(journal):
        assert history(journal) == [(1, "agent-1", None, "killed"), (2, "agent-7", None, "held, or killed since")]


def test_any_name(journal: SqlJournal) -> None:
    """Whatever a cluster is called, its lock lies beside the journal."""
    with held(journal, "a/../b c"):
        locks = [path.name for path in journal.database.path.parent.glob("*.lock")]
    assert locks == ["rollout.db.a%2F..%2Fb%20c.lock"]
