"""A start or resume that comes while another process works the rollout: it follows, and takes over when it can."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.conftest import Worlds
from tests.e2e.proving import broken
from tests.e2e.simulated import Process, Result, Simulated, empty_database, finish, says, warned
from tests.postgres import PASSWORD

#: Each takes as long as a timeout or a lease does: make exhaustive runs them, and CI a sixth.
pytestmark = pytest.mark.exhaustive

FOLLOWED = "it is followed from here"
#: A terminate of the drain, before it is applied.
IN_DRAIN = {"match": {"operation": "TerminateInstanceInAutoScalingGroup", "nth": 1}, "hang": {"when": "before"}}

#: A look of a start that has found no rollout to go on with.
IN_SURVEY = {"match": {"operation": "DescribeImages", "nth": 1}, "hang": {"when": "before"}}


@dataclass(frozen=True)
class Place:
    """A world and a journal."""

    world: Simulated
    url: str

    def spawn(self, *more: str) -> Process:
        return self.world.spawn(*self.world.start_arguments, "--database", self.url, *more)

    def events(self) -> str:
        return self.world.rollout("events", "--database", self.url).out

    def worked(self) -> Process:
        """Start a runner and return when it stands in the drain: it is stopped, and time with it, until SIGCONT."""
        return self.stopped_at(IN_DRAIN)

    def stopped_at(self, fault: Mapping[str, Any], *arguments: str) -> Process:
        """Start a runner and stop it in the request that this fault makes hang."""
        self.world.post("/faults", fault)
        runner = self.spawn(*arguments)
        self.world.get("/hung")
        runner.send_signal(signal.SIGSTOP)
        self.world.release()
        return runner

    def followed(self) -> Process:
        """Start another one and return when it follows."""
        follower = self.spawn()
        says(follower, FOLLOWED)
        return follower


#: Where the two kinds of lease differ.
BOTH = pytest.mark.parametrize("place", ["sqlite", "postgres"], indirect=True)


@pytest.fixture
def place(request: pytest.FixtureRequest, world: Worlds, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A brief world, and a journal in a file or on a server."""
    simulated = world("proof-plain")
    if getattr(request, "param", "sqlite") == "sqlite":
        return Place(simulated, simulated.database)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    url = empty_database(simulated, request.getfixturevalue("postgres"))
    assert simulated.rollout("db", "upgrade", "--database", url).code == 0
    return Place(simulated, url)


@BOTH
def test_who_works_is_followed_to_the_end(place: Place) -> None:
    """The second says who works, shows what happens, and ends as the first does: 0, done, nothing done twice."""
    first = place.worked()
    second = place.spawn()
    says(second, f"process {first.pid} on {os.uname().nodename}")
    first.send_signal(signal.SIGCONT)
    assert finish(first).code == 0
    followed = finish(second)
    assert followed.code == 0, followed
    assert "DRAIN → RESTORE" in followed.out
    assert "done: 4 nodes replaced" in followed.out
    assert broken(place.world, place.url) == {}


@BOTH
def test_who_dies_while_being_followed_is_taken_over_from(place: Place) -> None:
    """At once beside a file, at the lease's end on a server; who it was stands on the screen and in the history."""
    first = place.worked()
    second = place.followed()
    first.kill()
    finish(first)
    took_over = finish(second)
    assert took_over.code == 0, took_over
    assert "this process continues the rollout" in took_over.out
    assert f"took over from process {first.pid} on " in took_over.out
    assert f"took over from process {first.pid} on " in place.events()
    assert broken(place.world, place.url) == {}


def test_a_halt_under_another_runner_is_not_cleared_by_following(place: Place) -> None:
    """Both end with exit 1 and the halt's words; the halt is for a person to see."""
    first = place.worked()
    second = place.followed()
    refused = {"status": 403, "code": "AccessDenied"}
    place.world.post("/faults", {"match": {"operation": "TerminateInstanceInAutoScalingGroup"}, "error": refused})
    first.send_signal(signal.SIGCONT)
    ends = finish(first), finish(second)
    assert [end.code for end in ends] == [1, 1], ends
    assert all("): terminate of" in end.out for end in ends)
    assert "resumed, round" not in place.events()


def test_who_follows_can_be_stopped(place: Place) -> None:
    """SIGTERM: exit 75 and how to look on; the one that works is left alone."""
    first = place.worked()
    second = place.followed()
    second.send_signal(signal.SIGTERM)
    left = finish(second)
    assert (left.code, f"is still running under process {first.pid}" in left.err) == (75, True), left
    first.send_signal(signal.SIGCONT)
    assert finish(first).code == 0
    assert "interrupted" not in place.events()


@BOTH
def test_the_same_command_twice_at_once_is_one_rollout(place: Place) -> None:
    """One begins and works it, the other, which came before that, follows: one id, and both end with 0.

    Who holds a lease on a server and stands still for as long as it lasts has lost it: 76, and the other begins.
    """
    first, second = _at_once(place)
    assert second.code == 0, second
    assert first.code == 0 or (first.code == 76 and "was taken over by" in first.err), (first, second)
    assert first.out == "" or first.rollout_id == second.rollout_id
    assert broken(place.world, place.url) == {}


@BOTH
def test_a_start_that_looks_for_longer_than_a_lease_lasts_keeps_it(place: Place) -> None:
    """Where AWS takes 20 s for each answer, who waits for the one that looks goes on waiting, and follows it then."""
    place.world.post("/faults", IN_SURVEY)
    place.world.post("/faults", {"match": {"service": "ec2", "times": 8}, "delay": {"seconds": 20}})
    first = place.spawn()
    place.world.get("/hung")
    second = place.spawn()
    warned(second, "has begun no rollout yet: this start waits for it")
    place.world.release()
    ends = finish(first), finish(second)
    assert [end.code for end in ends] == [0, 0], ends
    assert f"process {first.pid} " in ends[1].out
    assert broken(place.world, place.url) == {}


def test_another_rollout_at_once_is_refused(place: Place) -> None:
    """One begins; the other, whose key means another rollout and which came before that, waits and gets exit 76."""
    first, second = _at_once(place, "--key", "another")
    assert (first.code, second.code) == (0, 76), (first, second)
    assert f"rollout resume {first.rollout_id}" in second.err


def _at_once(place: Place, *arguments: str) -> tuple[Result, Result]:
    """Start one, which is stopped before it has begun a rollout, and another, with arguments, which waits for it."""
    first = place.stopped_at(IN_SURVEY)
    second = place.spawn(*arguments)
    warned(second, "has begun no rollout yet: this start waits for it")
    first.send_signal(signal.SIGCONT)
    return finish(first), finish(second)
