"""A rollout that was killed at any point and is aborted, and an abort that is killed at any point and typed again."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Iterator, Sequence

import pytest

from rollout.model.machine import Phase, can_turn
from tests.e2e.proving import broken
from tests.e2e.simulated import Result
from tests.proof import sharding
from tests.proof.cases import BAD_IMAGE, CASES, PLAIN, Case
from tests.proof.conftest import ENGINES, References
from tests.proof.crash_points import Point, states
from tests.proof.outcome import Outcome
from tests.proof.runs import LATER, Site
from tests.proof.world import ProofWorld

CHUNKS = 16
#: Points of the rollout, or of the abort, at which each test of a chunk kills on each engine.
RUNS = {"sqlite": 6, "postgres": 3}

pytestmark = [pytest.mark.timeout(3600)]
engines = pytest.mark.parametrize("engine", ENGINES)
#: What an early abort never came to is not put to the test.
_UNTRIED = {"0 checks", "never put to the test: 0 checks"}


def wrong(world: ProofWorld, result: Result) -> Iterator[str]:
    """Yield what is not as it was before the rollout, and which promise is broken."""
    if result.code != 0:
        yield str(result)
        return
    for number, violations in broken(world, world.url).items():
        yield from (f"promise {number} is broken: {one}" for one in violations if one not in _UNTRIED)
    report = world.get("/report")
    if report["nodes"]["new"] or report["jobs"]["killed_by_us"]:
        yield f"it ended with nodes {report['nodes']}, killed {report['jobs']['killed_by_us']}"
    yield from (f"not as it was: {one}" for one in report["baseline"] if not one["restored"])


def judge(outcome: Outcome, world: ProofWorld, result: Result) -> None:
    """Enter what is wrong into the outcome; the world's files stay where something is."""
    outcome.problems += wrong(world, result)
    world.kept = bool(outcome.problems)


def stands(world: ProofWorld) -> Phase | None:
    """Return the phase in which a rollout stands, None before it began."""
    told = world.fork(("status", "--json", "--database", world.url)).finish()
    return Phase(json.loads(told.out)["phase"]) if told.code == 0 else None


def share(points: Sequence[Point], engine: str, chunk: int) -> list[Point]:
    """Return this chunk's sample: points of different states, from the whole of the run."""
    groups = states(points)[chunk::CHUNKS]
    chance = random.Random(f"aborted {engine} {chunk}")  # noqa: S311  a sample
    picked = sorted(chance.sample(range(len(groups)), min(RUNS[engine], len(groups))))
    return [chance.choice(groups[index]) for index in picked]


def aborted_at(site: Site, case: Case, point: Point) -> Outcome:
    """Kill a rollout at that point, and abort it: what RESTORE has begun to give back goes to its end."""
    with site.trial(case) as (outcome, world):
        if world.watched(point.at).finish().code == -signal.SIGKILL:
            outcome.died.append(point)
        phase = stands(world)
        if phase is not None and (can_turn(phase) or phase is Phase.ABORTED):
            judge(outcome, world, world.fork(world.abort_arguments).finish())
        elif phase is not None:
            refused = world.fork((*world.abort_arguments, "--", status_id(world))).finish()
            outcome.problems += [] if refused.code == 2 else [str(refused)]
    return outcome


def status_id(world: ProofWorld) -> str:
    """Return the id of the world's only rollout."""
    told = world.fork(("status", "--json", "--database", world.url)).finish()
    return str(json.loads(told.out)["id"])


def begun(world: ProofWorld, case: Case, at: str) -> None:
    """Bring a rollout to where it is aborted: to its halt, or to the point at which it is killed."""
    result = world.watched(at).finish()
    assert result.code == (1 if case is BAD_IMAGE else -signal.SIGKILL), result


def killed_going_back(site: Site, case: Case, at: str, point: Point) -> Outcome:
    """Kill an abort at that point of its own, and type it again, at once or when the dead one's lease has ended."""
    with site.trial(case) as (outcome, world):
        begun(world, case, at)
        if world.watched(point.at, arguments=world.abort_arguments).finish().code == -signal.SIGKILL:
            outcome.died.append(point)
        if site.engine.name == "postgres" and point.number % 4:
            world.pass_time(LATER)
        # By its id: the killed one may have come to its end.
        again = (*world.abort_arguments, "--", status_id(world))
        judge(outcome, world, world.fork(again).finish())
    return outcome


@pytest.mark.proof(sample=1)
@engines
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_aborted_in_any_state_it_goes_back(engine: str, chunk: int, references: References) -> None:
    """Killed between any two of its effects and commits, the next process takes it back to what was before."""
    site, reference = references(engine, PLAIN.name)
    outcomes = (aborted_at(site, PLAIN, point) for point in share(reference.points, engine, chunk))
    assert sharding.failed("aborted", outcomes) == []


@pytest.mark.proof(sample=1)
@engines
@pytest.mark.parametrize("case", [BAD_IMAGE.name, PLAIN.name])
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_killed_in_any_state_of_the_way_back_it_ends_there(
    engine: str, chunk: int, case: str, references: References
) -> None:
    """Halted with a bad image, or in DRAIN with an old node gone: no effect is lost, and none is doubled."""
    site, reference = references(engine, PLAIN.name)
    ends = [one for one in reference.points if (one.when, one.kind) == ("after", "terminate")]
    at = "" if case == BAD_IMAGE.name else ends[1].at
    with site.world(CASES[case]) as world:
        begun(world, CASES[case], at)
        whole = world.watched(arguments=world.abort_arguments)
        assert list(wrong(world, whole.finish())) == []
        points = whole.points()
    outcomes = (killed_going_back(site, CASES[case], at, point) for point in share(points, engine, chunk))
    assert sharding.failed("aborting", outcomes) == []
