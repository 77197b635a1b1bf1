"""Runs that are killed, and what is asked of them afterwards: the promises, and what an undisturbed run did."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rollout.journal import read_journal
from tests.e2e.proving import Applied, applied, broken, end_state
from tests.e2e.simulated import Result
from tests.proof.engines import Engine
from tests.proof.nursery import Nursery
from tests.proof.points import Point
from tests.proof.world import ProofWorld, proof_world

#: Runs that a rollout may need after a kill: one, and as many as find the dead runner's lease still lasting.
TRIES = 3


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of world that is killed everywhere. `fault`: a request fault from the start on."""

    name: str
    scenario: str
    fault: Mapping[str, Any] | None = None


_REPLY_LOST: Mapping[str, Any] = {
    "match": {"operation": "TerminateInstanceInAutoScalingGroup", "nth": 2},
    "drop": {"when": "after"},
}
PLAIN = Case("plain", "proof-plain")
OTHERS = (
    Case("deadline", "proof-deadline"),
    Case("vanish", "proof-vanish"),
    Case("reply-lost", "proof-plain", _REPLY_LOST),
    Case("surplus", "proof-surplus"),
)
CASES = {case.name: case for case in (PLAIN, *OTHERS)}


@dataclass(frozen=True, slots=True)
class Site:
    """Where runs take place."""

    engine: Engine
    nursery: Nursery
    folder: Path


@dataclass(frozen=True, slots=True)
class Reference:
    """What an undisturbed run passed, applied and left behind."""

    case: Case
    points: tuple[Point, ...]
    applied: Applied
    end_state: Any


@dataclass(slots=True)
class Outcome:
    """What came of a run: where it was killed, and what is wrong with it. `asked`: the numbers of the points."""

    case: str
    engine: str
    asked: tuple[int, ...]
    died: list[Point] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    sent_again: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        where = ", then ".join(f"{point.number} {point}" for point in self.died)
        numbers = " ".join(map(str, self.asked))
        return (
            f"{self.engine} {self.case}: killed at {where or 'no point'}\n"
            + "".join(f"    {problem}\n" for problem in self.problems)
            + f"    again: python -m tests.proof {self.engine} {self.case} {numbers}\n"
        )


def undisturbed(site: Site, case: Case) -> Reference:
    """Run a case to its end, watching its points; what it applied is the measure of all runs that are killed."""
    with _world(site, case) as world:
        child = world.watched()
        result = child.finish()
        assert result.code == 0, result
        assert broken(world, world.url) == {}
        changes, state = applied(world, result.rollout_id), end_state(world, result.rollout_id)
        return Reference(case, child.points(), changes, state)


def killed(site: Site, reference: Reference, *numbers: int) -> Outcome:
    """Kill a run at its point of the first number, the next run at its point of the second, and so on; then let it end.

    A run that ends before its point is not killed; then nor are those after it.
    """
    began = time.monotonic()
    outcome = Outcome(reference.case.name, site.engine.name, numbers)
    with _world(site, reference.case) as world:
        for number in numbers:
            child = world.watched(number)
            if child.finish().code != -signal.SIGKILL:
                break
            outcome.died.append(child.points()[-1])
        result = to_the_end(world)
        outcome.problems += _problems(world, result, reference)
        outcome.sent_again = _sent_again(world, result)
    outcome.problems += _elsewhere(outcome, reference)
    outcome.seconds = time.monotonic() - began
    return outcome


def to_the_end(world: ProofWorld) -> Result:
    """Run the same command again until it ends otherwise than by finding another runner's lease."""
    for _ in range(TRIES):
        result = world.bear(world.start_arguments).finish()
        if result.code != 76:
            break
        world.pass_time(60)
    return result


def _world(site: Site, case: Case) -> Any:
    return proof_world(case.scenario, site.engine, site.nursery, site.folder, case.fault)


def _problems(world: ProofWorld, result: Result, reference: Reference) -> Iterator[str]:
    if result.code != 0:
        yield str(result)
        return
    for number, violations in broken(world, world.url).items():
        yield f"promise {number} is broken: {'; '.join(violations)}"
    changes = applied(world, result.rollout_id)
    for change, times in (reference.applied - changes).items():
        yield f"not applied, {times} times: {change}"
    for change, times in (changes - reference.applied).items():
        yield f"applied besides, {times} times: {change}"
    state = end_state(world, result.rollout_id)
    if state != reference.end_state:
        yield f"it ended as {state}, undisturbed as {reference.end_state}"


def _sent_again(world: ProofWorld, result: Result) -> int:
    journal = read_journal(world.url)
    told = journal.events(result.rollout_id)
    journal.close()
    return sum(one.text.startswith("sent again") for one in told)


def _elsewhere(outcome: Outcome, reference: Reference) -> Iterator[str]:
    """Tell when the first kill was not where the undisturbed run has that point."""
    expected = reference.points[outcome.asked[0] - 1] if outcome.asked else None
    found = outcome.died[0] if outcome.died else None
    if expected != found:
        yield f"killed at another point than the undisturbed run's: {expected}"
