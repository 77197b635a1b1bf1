"""The plain scenario with its journal on a real Postgres, through the command line, as runners on several hosts do."""

from __future__ import annotations

import os
import secrets
from datetime import timedelta

import pytest

from rollout.adapters.clock import SimulatedClock
from rollout.journal.term import TTL_SECONDS
from tests.e2e.conftest import Worlds
from tests.e2e.proving import broken
from tests.e2e.simulated import Simulated, finish
from tests.postgres import PASSWORD, Server

#: A terminate of the drain, while the answer is under way.
IN_DRAIN = {"match": {"operation": "TerminateInstanceInAutoScalingGroup", "nth": 1}, "hang": {"when": "after"}}


@pytest.fixture
def plain(world: Worlds, postgres: Server) -> tuple[Simulated, str]:
    """The plain scenario, and a journal that is ready for it; its password is in ~/.pgpass, in no argument."""
    simulated = world("plain")
    name = f"rollout_{secrets.token_hex(4)}"
    postgres.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    passfile = simulated.directory / ".pgpass"
    passfile.touch(0o600)
    passfile.write_text(f"127.0.0.1:{postgres.port}:*:*:{PASSWORD}\n")
    url = postgres.url(name, password=None)
    refused = simulated.start("--database", url)
    assert (refused.code, f"rollout db upgrade --database {url}" in refused.err) == (2, True), refused
    upgraded = simulated.rollout("db", "upgrade", "--database", url)
    assert upgraded.code == 0, upgraded
    return simulated, url


def test_killed_in_the_drain_and_resumed(
    plain: tuple[Simulated, str], postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed by SIGKILL in the drain: others are kept out until its lease ends, then the same command goes on."""
    simulated, url = plain
    start = (*simulated.start_arguments, "--database", url)
    simulated.post("/faults", IN_DRAIN)
    simulated.kill_at(simulated.spawn(*start))
    early = simulated.rollout(*start)
    assert (early.code, "the same command goes on after" in early.err) == (76, True), early
    pass_time(simulated, TTL_SECONDS)
    result = simulated.rollout(*start)
    assert result.code == 0, result
    events = simulated.rollout("events", "--database", url)
    assert "RESTORE → DONE" in events.out
    assert PASSWORD not in f"{early}{result}{events}"
    assert not (simulated.directory / "rollout.db").exists()
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert broken(simulated, url) == {}
    ends = postgres.execute("SELECT ended FROM lease_history ORDER BY epoch", url.rpartition("/")[2])
    assert ends == [("killed",), ("released",)]


def test_a_second_runner_is_refused_while_the_first_lives(
    plain: tuple[Simulated, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one process works the rollout, a second gets exit 76 and the first one's process id; the first goes on."""
    simulated, url = plain
    start = (*simulated.start_arguments, "--database", url)
    simulated.post("/faults", IN_DRAIN)
    first = simulated.spawn(*start)
    simulated.get("/hung")
    second = simulated.rollout(*start)
    assert (second.code, f"process {first.pid} on {os.uname().nodename}" in second.err) == (76, True), second
    simulated.release()
    ended = finish(first)
    assert ended.code == 0, ended
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert broken(simulated, url) == {}


def pass_time(simulated: Simulated, seconds: float) -> None:
    """Let simulated time pass, which stands still while nobody sleeps."""
    clock = SimulatedClock(simulated._control, "patience")
    clock.wait(clock.now() + timedelta(seconds=seconds))
    clock.close()
