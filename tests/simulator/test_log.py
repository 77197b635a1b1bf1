"""The log holds what was applied, when, and by whom."""

from __future__ import annotations

import asyncio

import pytest

from eks_simulator.clock import VirtualClock
from eks_simulator.log import Change, ChangeLog


@pytest.fixture
def clock() -> VirtualClock:
    """A clock that stands at a round moment."""
    return VirtualClock(1000.0)


@pytest.fixture
def log(clock: VirtualClock) -> ChangeLog:
    """An empty log."""
    return ChangeLog(clock)


def test_a_change_is_written_with_its_moment_and_its_author(clock: VirtualClock, log: ChangeLog) -> None:
    """Inside acting the client is the author, outside of it the world."""
    with log.acting("client:a", "UpdateAutoScalingGroup", 7):
        log.applied("asg/workers", "DesiredCapacity", 2, 4)
    clock.run_until(1005)
    log.applied("asg/workers", "DesiredCapacity", 4, 3)
    assert log.changes == [
        Change(1, 1000.0, "client:a", "UpdateAutoScalingGroup", 7, "asg/workers", "DesiredCapacity", 2, 4),
        Change(2, 1005.0, "world", "", 0, "asg/workers", "DesiredCapacity", 4, 3),
    ]


def test_what_alters_nothing_is_no_change(log: ChangeLog) -> None:
    """An absolute write of the value that is there already leaves no line."""
    log.applied("node/a", "spec.unschedulable", before=True, after=True)
    assert log.changes == []


def test_a_line_does_not_change_with_its_object(log: ChangeLog) -> None:
    """What was written stays, even if the list that was handed in is altered later."""
    taints = ["ours"]
    log.applied("node/a", "spec.taints", [], taints)
    taints.append("theirs")
    assert log.changes[0].after == ["ours"]


def test_overlapping_requests_keep_their_own_names(log: ChangeLog) -> None:
    """Two requests that take turns on the loop are each named for their own changes."""

    async def request(client: str) -> None:
        with log.acting(f"client:{client}", "PATCH", 1):
            for step in range(2):
                await asyncio.sleep(0)
                log.applied(f"node/{client}", "step", step, step + 1)

    async def both() -> None:
        await asyncio.gather(request("a"), request("b"))

    asyncio.run(both())
    assert {(change.actor, change.object) for change in log.changes} == {("client:a", "node/a"), ("client:b", "node/b")}


def test_a_timer_that_a_request_booked_acts_for_the_world(clock: VirtualClock, log: ChangeLog) -> None:
    """What follows later from a request is the world's doing, not the client's."""
    with log.acting("client:a", "DELETE pods", 1):
        clock.after(30, lambda: log.applied("pod/ns/a", "exists", before=True, after=False))
    clock.run_until(1030)
    assert log.changes[0].actor == "world"


def test_observers_hear_of_each_change_at_once(log: ChangeLog) -> None:
    """An observer is called while the change is being made, not later."""
    heard: list[Change] = []
    log.subscribe(heard.append)
    log.applied("node/a", "exists", before=False, after=True)
    assert heard == log.changes
