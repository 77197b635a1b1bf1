"""A small rollout with its journal on a real Postgres, through the command line, as runners on several hosts do."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from rollout.model.record import LATE_SECONDS
from tests.e2e.conftest import Worlds
from tests.e2e.proving import broken
from tests.e2e.simulated import Simulated, empty_database, finish
from tests.postgres import PASSWORD, Server

#: A terminate of the drain, while the answer is under way.
IN_DRAIN = {"match": {"operation": "TerminateInstanceInAutoScalingGroup", "nth": 1}, "hang": {"when": "after"}}

#: When the first lease ended, when the second runner sent its first terminate, and who said that the first one is dead.
WHEN = """
    SELECT expires_at, (SELECT MIN(sent_at) FROM effects WHERE kind = 'terminate' AND epoch = 2), assumed_dead
    FROM leases WHERE epoch = 1
"""


@pytest.fixture
def upgraded(world: Worlds, postgres: Server) -> tuple[Simulated, str]:
    """A brief world, and a journal that was made ready as was said; its password is in ~/.pgpass, in no argument."""
    simulated = world("proof-plain")
    url = empty_database(simulated, postgres)
    refused = simulated.start("--database", url)
    assert refused.code == 2, refused
    assert "next: rollout db upgrade --config " in refused.err, refused
    assert f" --database {url}\n" in refused.err, refused
    upgraded = simulated.rollout("db", "upgrade", "--database", url)
    assert upgraded.code == 0, upgraded
    return simulated, url


@pytest.fixture
def brief(world: Worlds, postgres: Server) -> tuple[Simulated, str]:
    """A brief world that stops in the drain, and a journal that is ready for it."""
    simulated = world("proof-plain")
    url = empty_database(simulated, postgres)
    assert simulated.rollout("db", "upgrade", "--database", url).code == 0
    simulated.post("/faults", IN_DRAIN)
    return simulated, url


@pytest.mark.exhaustive
def test_a_pause_outlives_a_crash(brief: tuple[Simulated, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for beside the runner's lease: the next process stays paused, and the resume comes to the end."""
    simulated, url = brief
    start = (*simulated.start_arguments, "--database", url)
    runner = simulated.spawn(*start)
    simulated.get("/hung")
    paused = simulated.rollout("pause", "--database", url, "--reason", "an incident")
    assert paused.code == 0, paused
    simulated.kill_at(runner)
    retry = simulated.rollout(*start)
    assert (retry.code, ": an incident\n  now: " in retry.out) == (1, True), retry
    resumed = simulated.resume("--database", url, "--kill-now")
    assert resumed.code == 0, resumed
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert broken(simulated, url).keys() <= {10}  # it took an hour more
    assert simulated.rollout("audit", "verify", "--database", url).code == 0


def test_a_skip_outlives_a_crash(brief: tuple[Simulated, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for beside the runner's lease, while a terminate is under way: the next process lets the node stay."""
    simulated, url = brief
    start = (*simulated.start_arguments, "--database", url)
    runner = simulated.spawn(*start)
    simulated.get("/hung")
    nodes = json.loads(simulated.rollout("status", "--json", "--database", url).out)["nodes"]
    node = next(one for one in nodes if one["stage"] not in {"TERMINATING", "GONE"})
    skipped = simulated.rollout("skip", "--database", url, "--node", node["name"], "--reason", "its disk is looked at")
    assert skipped.code == 0, skipped
    simulated.kill_at(runner)
    result = simulated.rollout(*start)
    assert result.code == 0, result
    assert f"every old node is gone but {node['name']}, which stays" in result.out, result
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert broken(simulated, url) == {}
    assert simulated.rollout("audit", "verify", "--database", url).code == 0


def test_killed_in_the_drain_and_started_again(
    upgraded: tuple[Simulated, str], postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed by SIGKILL in the drain: the same command waits until its lease ends, takes over and comes to the end."""
    simulated, url = upgraded
    start = (*simulated.start_arguments, "--database", url)
    simulated.post("/faults", IN_DRAIN)
    simulated.kill_at(simulated.spawn(*start))
    result = simulated.rollout(*start)
    assert result.code == 0, result
    assert "whose lease ended at" in result.out
    events = simulated.rollout("events", "--database", url)
    assert "RESTORE → DONE" in events.out
    assert PASSWORD not in f"{result}{events}"
    assert not (simulated.directory / "rollout.db").exists()
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert broken(simulated, url) == {}
    ends = postgres.execute("SELECT ended FROM lease_history ORDER BY epoch", url.rpartition("/")[2])
    assert ends == [("killed",), ("released",)]


@pytest.mark.exhaustive
@pytest.mark.parametrize("says", [(), ("--assume-dead",)], ids=str)
def test_terminates_wait_for_requests_of_the_dead(
    brief: tuple[Simulated, str], postgres: Server, monkeypatch: pytest.MonkeyPatch, says: tuple[str, ...]
) -> None:
    """Until those have expired; unless somebody says that their sender is dead, which stands in the history."""
    simulated, url = brief
    killed = simulated.spawn(*simulated.start_arguments, "--database", url)
    simulated.kill_at(killed)
    result = simulated.resume("--database", url, *says)
    assert result.code == 0, result
    assert (f"says that it is dead: process {killed.pid}" in result.out) == bool(says)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert broken(simulated, url) == {}
    ((ended, sent, sayer),) = postgres.execute(WHEN, url.rpartition("/")[2])
    waited = datetime.fromisoformat(sent) - datetime.fromisoformat(ended)
    assert (waited >= timedelta(seconds=LATE_SECONDS)) == (not says)
    assert (sayer is not None) == bool(says)


@pytest.mark.exhaustive
@pytest.mark.parametrize("whole", [False, True], ids=["its process", "the server"])
def test_stopped_beside_a_silent_server(
    brief: tuple[Simulated, str], postgres: Server, monkeypatch: pytest.MonkeyPatch, *, whole: bool
) -> None:
    """SIGTERM ends a runner within 15 s that waits for a server which is there and says nothing; `resume` goes on."""
    simulated, url = brief
    process = simulated.spawn(*simulated.start_arguments, "--database", url)
    simulated.get("/hung")
    with _silent(postgres, url.rpartition("/")[2], whole=whole):
        simulated.release()
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        stopped = finish(process)
        took = time.monotonic() - began
    assert (stopped.code, took < 15) == (75, True), f"{stopped} after {took} s"
    # A process that is stopped is left for another; where nobody answers, that is said.
    assert ("is silent" in stopped.err) == whole, stopped
    assert simulated.resume("--database", url).code == 0
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert broken(simulated, url) == {}


@contextmanager
def _silent(postgres: Server, database: str, *, whole: bool) -> Iterator[None]:
    """Stop the server's processes that serve a database, and the one that takes connections too."""
    query = f"SELECT pid FROM pg_stat_activity WHERE datname = '{database}'"  # noqa: S608  our own name
    pids = [int(row[0]) for row in postgres.execute(query)]
    if whole:
        status = Path(f"/proc/{pids[0]}/status").read_text(encoding="ascii")
        pids.append(int(status.partition("PPid:")[2].split()[0]))
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
