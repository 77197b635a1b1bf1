"""Messages about whole rollouts, through the real command line."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.channel import SECRET, VARIABLE, Channel, listening
from tests.e2e.conftest import Worlds
from tests.e2e.proving import is_proven
from tests.e2e.simulated import Simulated, finish

BAD_IMAGE = Path(__file__).parent / "worlds/bad-image.yaml"
IN_DRAIN = {"match": {"operation": "TerminateInstanceInAutoScalingGroup", "nth": 2}, "hang": {"when": "after"}}
READ_OF_AWS = {"match": {"operation": "DescribeAutoScalingGroups", "nth": 12}, "hang": {"when": "before"}}


@pytest.fixture
def channel() -> Iterator[Channel]:
    """A service that takes messages."""
    with listening() as made:
        yield made


def with_messages(world: Simulated, urls: str) -> None:
    world.environment = {**world.environment, VARIABLE: urls}
    config = world.directory / "rollout.yaml"
    config.write_text(f"{config.read_text(encoding='utf-8')}notify: {{variable: {VARIABLE}}}\n", encoding="utf-8")


def test_a_killed_run_tells_nothing_twice(world: Worlds, channel: Channel) -> None:
    """Begin, Jobs at risk, end: each is told once by the two runs, and nothing else is; every promise is kept."""
    simulated = world("proof-deadline")
    with_messages(simulated, channel.url)
    simulated.post("/faults", IN_DRAIN)
    simulated.kill_at(simulated.spawn(*simulated.start_arguments))
    ended = simulated.start()
    assert ended.code == 0, ended
    is_proven(simulated)
    titles = [one["title"].partition(" of cluster ")[2].partition(" ")[2] for one in channel.taken]
    assert titles == ["has begun", "kills Jobs soon", "is done"]
    last = channel.taken[-1]["message"]
    assert "killed at the deadline: Job " in last
    assert f"next: rollout report --config {simulated.directory / 'rollout.yaml'} --markdown {ended.rollout_id}" in last
    assert SECRET not in ended.out + ended.err


def test_a_rollout_that_goes_back_by_itself_calls_nobody(world: Worlds, channel: Channel) -> None:
    """Its halt is answered at once: no person must act, and nobody is told to."""
    simulated = world(str(BAD_IMAGE))
    with_messages(simulated, channel.url)
    config = simulated.directory / "rollout.yaml"
    config.write_text(f"{config.read_text(encoding='utf-8')}on_not_ready: abort\n", encoding="utf-8")
    ended = simulated.start()
    assert (ended.code, "halted (NodesNotReady)" in ended.out) == (1, True), ended
    titles = [one["title"].partition(" of cluster ")[2].partition(" ")[2] for one in channel.taken]
    assert titles == ["has begun", "goes back to what was before", "was aborted"]


def test_a_wrong_url_is_refused_before_anything_begins(world: Worlds) -> None:
    """Exit code 2, which URL it is, and no rollout in the list; `rollout plan` says the same."""
    simulated = world("short")
    with_messages(simulated, f"slack://{SECRET}")
    refused = simulated.start()
    assert refused.code == 2, refused
    assert f"URL 1 of the environment variable {VARIABLE} is none that Apprise" in refused.err
    assert SECRET not in refused.err
    planned = simulated.rollout("plan", *simulated.start_arguments[1:])
    assert (planned.code, planned.err) == (2, refused.err)
    assert len(simulated.rollout("list", "--config", "rollout.yaml").out.splitlines()) == 1


def test_a_silent_service_keeps_no_stop_waiting(world: Worlds, channel: Channel) -> None:
    """A rollout that is told to stop ends within 15 seconds, with 75, and a resume without the variable goes on."""
    simulated = world("short")
    with_messages(simulated, channel.url)
    channel.open.clear()
    simulated.post("/faults", READ_OF_AWS)
    process = simulated.spawn(*simulated.start_arguments)
    simulated.get("/hung")
    simulated.release()
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    stopped = finish(process)
    assert time.monotonic() - began < 15
    assert stopped.code == 75, stopped
    simulated.environment = {**simulated.environment, VARIABLE: ""}
    resumed = simulated.resume()
    assert resumed.code == 0, resumed
    assert f"warning: no messages are sent: the environment variable {VARIABLE}" in resumed.err
