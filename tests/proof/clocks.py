"""Runs on machines whose clocks are set in mid-run, stand still, or differ from the database's."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache

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


@cache
def undisturbed_deadline(site: Site, case: Case) -> datetime | None:
    """Return the drain deadline of a run whose clocks are right."""
    with site.world(case) as world:
        return _deadline(world, world.fork(world.start_arguments).finish())


def _deadline(world: ProofWorld, result: Result) -> datetime | None:
    journal = read_journal(world.url)
    found = journal.load(result.rollout_id).drain_deadline
    journal.close()
    return found


def wall_clock_set(site: Site, reference: Reference, seconds: float, at: int, *, late: bool) -> Outcome:
    """Set the wall clock of the runner's machine ahead, or back, at its wait of this number.

    `late`: that this is after the drain deadline; else it must be before the deadline is stored.
    """
    expected = undisturbed_deadline(site, reference.case)
    with site.trial(reference.case) as (outcome, world):
        result = world.fork(world.start_arguments, _wall(seconds, at)).finish()
        outcome.judge(world, result, reference)
        outcome.problems += _set_elsewhen(world, result, late=late)
        found = _deadline(world, result)
        if found != expected:
            outcome.problems.append(f"the drain deadline is {found}, undisturbed {expected}")
    return outcome


def _set_elsewhen(world: ProofWorld, result: Result, *, late: bool) -> Iterator[str]:
    """Tell if the clock was set at another moment than the run is about."""
    mark = world.directory / SET
    if not mark.exists():
        yield "it ended before the clock was set"
        return
    journal = read_journal(world.url)
    stored = next(one.at for one in journal.events(result.rollout_id) if one.text.startswith("READY → DRAIN"))
    deadline = journal.load(result.rollout_id).drain_deadline
    journal.close()
    moment = datetime.fromtimestamp(float(mark.read_text()), UTC)
    assert deadline
    if moment < deadline if late else moment >= stored:
        yield f"the clock was set at {moment}; the drain deadline {deadline} was stored at {stored}"


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
    """Suspend the runner's machine for ten minutes at this point of its own; nobody else comes meanwhile."""
    with site.trial(reference.case) as (outcome, world):
        child = stopped(world, at, outcome)
        world.pass_time(SUSPENDED)
        os.kill(child.pid, signal.SIGCONT)
        result = child.finish()
        if result.code == 75:  # its connection ended meanwhile, and its trust
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


def _wall(seconds: float, at: int) -> Prepared:
    return "tests.proof.clock_skew:wall", {"seconds": seconds, "at": at}


def _too_early(world: ProofWorld, killed: float) -> Iterator[str]:
    """Tell what was terminated in the takeover delay after a kill; something must be terminated after it."""
    changes = [one for one in world.get("/log?actor=client:") if one["verb"] == "TerminateInstanceInAutoScalingGroup"]
    first = min((one["at"] for one in changes if one["at"] > killed), default=killed)
    if first < killed + TAKEOVER_DELAY:
        yield f"terminated {first - killed:.0f} s after the kill"
