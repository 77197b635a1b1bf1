"""Runs that are killed with SIGKILL, and the undisturbed one that they are measured by."""

from __future__ import annotations

import os
import shlex
import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.proving import applied, broken, end_state
from tests.proof.cases import Case
from tests.proof.crash_points import Point, same_state
from tests.proof.engines import Engine
from tests.proof.forkserver import Forkserver
from tests.proof.outcome import Outcome, Reference
from tests.proof.world import ProofWorld, proof_world

#: Simulated seconds after which a lease has ended, and what its holder sent has arrived. An autoscaler that is back
#: already ends idle nodes after ten minutes: that is no time to wait for.
LATER = 420.0


@dataclass(frozen=True, slots=True)
class Site:
    """Where runs take place."""

    engine: Engine
    forkserver: Forkserver
    folder: Path

    def world(self, case: Case) -> AbstractContextManager[ProofWorld]:
        """Run a case's simulator inside the block, with an empty journal."""
        return proof_world(case, self.engine, self.forkserver, self.folder)

    @contextmanager
    def trial(self, case: Case, *how: object) -> Iterator[tuple[Outcome, ProofWorld]]:
        """Run a case's simulator inside the block; the block fills the outcome, whose time is measured.

        `how`: what `python -m tests.proof` is told to repeat it; without, the whole test repeats it.
        """
        began = time.monotonic()
        command = ("python", "-m", "tests.proof", self.engine.name, case.name, *map(str, how)) if how else _this_test()
        outcome = Outcome(case.name, self.engine.name, shlex.join(command))
        with self.world(case) as world:
            yield outcome, world
        outcome.seconds = time.monotonic() - began


def _this_test() -> tuple[str, ...]:
    name, _, _ = os.environ["PYTEST_CURRENT_TEST"].rpartition(" ")
    return ("pytest", "-n0", "-m", "", name)


def undisturbed(site: Site, case: Case) -> Reference:
    """Run a case to its end, watching its points; what it applied is the measure of all runs that are killed."""
    with site.world(case) as world:
        child = world.watched()
        result = child.finish()
        assert result.code == 0, result
        assert broken(world, world.url) == {}
        writes = sum(client["writes"] for client in world.get("/requests").values())
        changes, state = applied(world, result.rollout_id), end_state(world, result.rollout_id)
        return Reference(case, child.points(), writes, changes, state)


def killed(site: Site, reference: Reference, *places: str) -> Outcome:
    """Kill a run at the first of these points of its own, the next run at the second, and so on; then let it end.

    A run that ends before its point is not killed; then nor are those after it. With a journal on a server, one rollout
    in four is started again at once, waits for the dead runner's lease and keeps the takeover delay; the others
    minutes later.
    """
    with site.trial(reference.case, *places) as (outcome, world):
        for at in places:
            child = world.watched(at)
            if child.finish().code != -signal.SIGKILL:
                break
            outcome.died.append(child.points()[-1])
            if site.engine.name == "postgres" and sum(point.number for point in outcome.died) % 4:
                world.pass_time(LATER)
        outcome.judge(world, world.fork(world.start_arguments).finish(), reference)
    outcome.problems += _elsewhere(outcome, reference, places[0])
    return outcome


def killed_in_request(site: Site, reference: Reference, number: int, when: str) -> Outcome:
    """Kill the installed command while its mutating request of that number is under way, and run it again.

    `when`: before or after the request was applied.
    """
    with site.trial(reference.case, number, when) as (outcome, world):
        world.post("/faults", {"match": {"mutating": True, "nth": number}, "hang": {"when": when}})
        hung = world.kill_at(world.spawn(*world.start_arguments))
        outcome.died.append(Point(number, when, "request", hung["operation"], hung["target"]))
        outcome.judge(world, world.start(), reference)
    return outcome


def _elsewhere(outcome: Outcome, reference: Reference, at: str) -> Iterator[str]:
    """Tell when the first kill was not where the undisturbed run has that point."""
    expected, found = reference.point(at), outcome.died[0] if outcome.died else None
    if not ((found and same_state(expected, found)) or reference.case.pool or reference.case.long):
        yield f"the undisturbed run's point {at} is another: {expected}"
