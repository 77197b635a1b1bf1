"""SIGTERM, as Jenkins sends it: the call in hand is finished, the lease released, exit 75, within fifteen seconds."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from typing import Any

import pytest

from rollout.adapters.clock import SimulatedClock
from tests.e2e.conftest import Worlds
from tests.e2e.proving import is_proven
from tests.e2e.simulated import Process, Result, Simulated, finish

#: Each takes as long as a timeout or a lease does: make exhaustive runs them, and CI a sixth.
pytestmark = pytest.mark.exhaustive

#: Seconds that Jenkins is told to wait before it kills.
LIMIT = 15.0
#: A request that is never answered, while most of the work is still to be done; the real timeout of a request ends it.
READ_OF_AWS = {"match": {"operation": "DescribeAutoScalingGroups", "nth": 12}, "hang": {"when": "before"}}
CHANGE_IN_KUBERNETES = {"match": {"operation": "PATCH nodes", "nth": 6}, "hang": {"when": "after"}}


@pytest.mark.parametrize("never_answered", [READ_OF_AWS, CHANGE_IN_KUBERNETES], ids=["read", "change"])
def test_a_call_in_hand_is_finished_though_nobody_answers(world: Worlds, never_answered: dict[str, Any]) -> None:
    """It ends by its timeout and is not sent again; a second signal changes nothing, and `resume` goes on."""
    simulated = world("proof-plain")
    simulated.post("/faults", never_answered)
    process = simulated.spawn(*simulated.start_arguments)
    simulated.get("/hung")
    stopped = _stopped(process, signal.SIGTERM, signal.SIGTERM, signal.SIGINT)
    assert stopped.code == 75, stopped
    assert f"rollout resume {stopped.rollout_id}" in stopped.out
    _is_left_in_order(simulated)
    simulated.release()
    assert simulated.resume().code == 0
    is_proven(simulated)


def test_a_wait_ends_at_once(world: Worlds) -> None:
    """A wait of however long: another client that never sleeps makes time stand still."""
    simulated = world("proof-plain")
    still = SimulatedClock(simulated._control, "still", "/j.db")
    process = simulated.spawn(*simulated.start_arguments)
    while not any(one["asleep_until"] for one in simulated.get("/clients").values()):
        assert process.poll() is None
    assert _stopped(process, signal.SIGTERM).code == 75
    still.close()
    _is_left_in_order(simulated)


def _stopped(process: Process, *signals: signal.Signals) -> Result:
    began = time.monotonic()
    for number in signals:
        process.send_signal(number)
    result = finish(process)
    assert time.monotonic() - began < LIMIT, result
    return result


def _is_left_in_order(simulated: Simulated) -> None:
    """Assert that the history says so, and that the next runner need not wait."""
    lines = simulated.rollout("events", "--config", "rollout.yaml", "--json").out.splitlines()
    kinds = [json.loads(line)["kind"] for line in lines]
    assert (kinds[-1], kinds.count("interrupted")) == ("interrupted", 1)
    assert "cannot observe" not in "".join(lines)
    journal = sqlite3.connect(simulated.directory / "rollout.db")
    assert journal.execute("SELECT ended FROM lease_history").fetchall() == [("released",)]
    journal.close()


def test_a_start_that_is_stopped_before_its_plan_says_that_nothing_began(world: Worlds) -> None:
    """Exit 75, the whole command once more, and nothing is left: neither a rollout nor anything changed."""
    simulated = world("proof-plain")
    simulated.post(
        "/faults", {"match": {"operation": "DescribeAutoScalingGroups", "nth": 1}, "hang": {"when": "before"}}
    )
    process = simulated.spawn(*simulated.start_arguments, "--description", "it's new")
    simulated.get("/hung")
    process.send_signal(signal.SIGINT)
    simulated.release()
    stopped = finish(process)
    assert (stopped.code, stopped.out) == (75, ""), stopped
    said, command = stopped.err.splitlines()[-2:]
    assert said == "rollout: interrupted before anything was begun: nothing was changed"
    assert command.startswith(f"  next: rollout start --config {simulated.directory / 'rollout.yaml'} --ami ")
    assert command.endswith("""--description 'it'"'"'s new'""")
    assert json.loads(simulated.rollout("list", "--config", "rollout.yaml", "--json").out)["rollouts"] == []
