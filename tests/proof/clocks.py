"""Runs on machines whose clocks are set in mid-run, stand still, or differ from the database's."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple

from rollout.journal import read_journal
from tests.e2e.simulated import Result
from tests.proof.cases import Case
from tests.proof.clock_skew import SET
from tests.proof.crash_points import passed
from tests.proof.outcome import Outcome, Reference
from tests.proof.runs import Site
from tests.proof.world import Prepared, ProofWorld
from tests.proof.zombies import stopped

#: Simulated seconds for which a machine is suspended.
SUSPENDED = 600.0
#: Simulated seconds for which nothing is terminated after a kill, at least: a lease was renewed within the trust in it,
#: lasts 60 s, and what was sent under it may arrive 330 s later.
TAKEOVER_DELAY = 60.0 - 45.0 + 330.0


class Drain(NamedTuple):
    """When a rollout stored its drain deadline, and the deadline."""

    stored: datetime
    deadline: datetime


@cache
def _undisturbed(site: Site, case: Case) -> tuple[datetime, Drain]:
    """Return when a run began whose clocks are right, and its drain."""
    with site.world(case) as world:
        began = datetime.fromtimestamp(world.get("/time")["now"], UTC)
        return began, _drain(world, world.fork(world.start_arguments).finish())


def _drain(world: ProofWorld, result: Result) -> Drain:
    journal = read_journal(world.url)
    stored = next(one.at for one in journal.events(result.rollout_id) if one.text.startswith("READY → DRAIN"))
    deadline = journal.load(result.rollout_id).drain_deadline
    journal.close()
    assert deadline
    return Drain(stored, deadline)


def wall_clock_set(site: Site, reference: Reference, seconds: float, *, late: bool) -> Outcome:
    """Set the wall clock of the runner's machine ahead, or back.

    `late`: that this is after the drain deadline, which a Job outlives; else it is before the deadline is stored.
    """
    began, undisturbed = _undisturbed(site, reference.case)
    at = undisturbed.deadline if late else began + (undisturbed.stored - began) / 2
    with site.trial(reference.case) as (outcome, world):
        result = world.fork(world.start_arguments, _wall(seconds, at.timestamp())).finish()
        outcome.judge(world, result, reference)
        drain = _drain(world, result)
        outcome.problems += _set_elsewhen(world, drain, late=late)
        if drain.deadline != undisturbed.deadline:
            outcome.problems.append(f"the drain deadline is {drain.deadline}, undisturbed {undisturbed.deadline}")
    return outcome


def _set_elsewhen(world: ProofWorld, drain: Drain, *, late: bool) -> Iterator[str]:
    """Tell if the clock was set at another moment than the run is about."""
    mark = world.directory / SET
    if not mark.exists():
        yield "it ended before the clock was set"
        return
    moment = datetime.fromtimestamp(float(mark.read_text()), UTC)
    if moment < drain.deadline if late else moment >= drain.stored:
        yield f"the clock was set at {moment}; the drain deadline {drain.deadline} was stored at {drain.stored}"


def another_host(site: Site, reference: Reference, at: str, seconds: float) -> Outcome:
    """Kill the runner at this point of its own, and go on with it on a machine whose clock is so far ahead."""
    with site.trial(reference.case) as (outcome, world):
        child = world.watched(at)
        child.finish()
        outcome.died += child.points()[-1:]
        result = world.fork(world.start_arguments, _wall(seconds, 0)).finish()
        outcome.judge(world, result, reference, but=("pod/",))
    if seconds > 0:  # intents are written by the machine's clock, and what they lead to is logged by the world's
        outcome.excuse(9, "without an earlier intent")
    return outcome


def suspended(site: Site, reference: Reference, at: str) -> Outcome:
    """Suspend the runner's machine for ten minutes at this point of its own; no other runner comes in that time."""
    with site.trial(reference.case) as (outcome, world):
        child = stopped(world, at, outcome)
        world.pass_time(SUSPENDED)
        os.kill(child.pid, signal.SIGCONT)
        result = child.finish()
        if result.code == 75:  # its connection ended in that time, and its trust
            result = world.fork(world.start_arguments).finish()
        outcome.judge(world, result, reference, but=("pod/",))
    return outcome


def database_elsewhen(site: Site, reference: Reference, at: str, seconds: float) -> Outcome:
    """Kill the runner at this point of its own, and start it again, on a database whose clock is so far ahead."""
    ahead: Prepared = ("tests.proof.clock_skew:database", {"seconds": seconds})
    with site.trial(reference.case) as (outcome, world):
        trail = world.directory / "first.points"
        watching = {"path": str(trail), "at": at, "number": signal.SIGKILL}
        world.fork(world.start_arguments, ahead, ("tests.proof.crash_points:install", watching)).finish()
        outcome.died += passed(trail)[-1:]
        killed = world.get("/time")["now"]
        outcome.judge(world, world.fork(world.start_arguments, ahead).finish(), reference, but=("pod/",))
        outcome.problems += _too_early(world, killed)
    return outcome


def _wall(seconds: float, at: float) -> Prepared:
    return "tests.proof.clock_skew:wall", {"seconds": seconds, "at": at}


def _too_early(world: ProofWorld, killed: float) -> Iterator[str]:
    """Tell what was terminated in the takeover delay after a kill; something must be terminated after it."""
    changes = [one for one in world.get("/log?actor=client:") if one["verb"] == "TerminateInstanceInAutoScalingGroup"]
    first = min((one["at"] for one in changes if one["at"] > killed), default=killed)
    if first < killed + TAKEOVER_DELAY:
        yield f"terminated {first - killed:.0f} s after the kill"
