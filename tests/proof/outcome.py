"""What came of a run that was killed: the promises, and what an undisturbed run applied and left behind."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from rollout.journal import read_journal
from rollout.model.record import LATE_SECONDS
from tests.e2e.proving import Applied, applied, broken, end_state
from tests.e2e.simulated import Result
from tests.proof.cases import Case
from tests.proof.crash_points import Point
from tests.proof.results import record
from tests.proof.world import ProofWorld

#: Simulated seconds that a rollout may take undisturbed, and that each further process adds: the end of what the one
#: before it sent, and a steady minute.
UNDISTURBED, EACH_RUN = 2400, LATE_SECONDS + 60
#: Characters of a problem, at most: a marker holds the whole plan.
_LONGEST = 1000
_TOOK = re.compile(r"promise 10 is broken: the rollout took (\d+) s, ")


@dataclass(frozen=True, slots=True)
class Reference:
    """What an undisturbed run passed, applied and left behind. `writes`: its requests that may change something."""

    case: Case
    points: tuple[Point, ...]
    writes: int
    applied: Applied
    end_state: Any

    def point(self, at: str) -> Point:
        """Return the undisturbed run's point there; the one before, where it has fewer renewals."""
        number, _, renewal = at.partition("+")
        up_to = (int(number), int(renewal or 0))
        return next(one for one in reversed(self.points) if (one.number, one.renewal) <= up_to)


@dataclass(slots=True)
class Outcome:
    """Where a run was killed, and what is wrong with it. `again`: the command that repeats it."""

    case: str
    engine: str
    again: str
    died: list[Point] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    sent_again: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        where = ", then ".join(f"{point.at} {point}" for point in self.died)
        problems = "".join(f"    {problem}\n" for problem in self.problems)
        return f"{self.engine} {self.case}: killed at {where or 'no point'}\n{problems}    again: {self.again}\n"

    def judge(self, world: ProofWorld, result: Result, reference: Reference, but: tuple[str, ...] = ()) -> None:
        """Ask the world, and the journal, what is wrong after the last run of the command line.

        `but`: changes of objects whose names begin so are not compared with the undisturbed run's: time decides them.
        """
        self.problems += _problems(world, result, reference, but)
        world.kept = bool(self.problems)
        self.sent_again = _sent_again(world, result)

    def excuse(self, promise: int, ending: str) -> None:
        """Forget those violations of a promise whose text ends so: what is done to the run causes them."""
        ours = f"promise {promise} is broken: "
        self.problems = [one for one in self.problems if not (one.startswith(ours) and one.endswith(ending))]

    def allow(self, seconds: float) -> None:
        """Judge promise 10 by this bound, in place of the world's: what is done to the run makes it wait."""
        took = [(one, float(found[1])) for one in self.problems if (found := _TOOK.match(one))]
        self.problems = [one for one in self.problems if not _TOOK.match(one)]
        self.problems += [f"{one}; {seconds:.0f} s are allowed here" for one, time in took if time > seconds]

    def record(self, kind: str) -> None:
        """Add it to the proof's results; `kind`: as they call runs of its sort."""
        points = [asdict(point) for point in self.died]
        facts = {"engine": self.engine, "case": self.case, "points": points, "sent_again": self.sent_again}
        record(kind, passed=not self.problems, **facts, seconds=round(self.seconds, 2))


def _problems(world: ProofWorld, result: Result, reference: Reference, but: tuple[str, ...]) -> Iterator[str]:
    if result.code != 0:
        yield str(result)
        return
    for number, violations in broken(world, world.url).items():
        yield from (f"promise {number} is broken: {violation}" for violation in violations)
    if not reference.case.timed:
        yield from _differences(applied(world, result.rollout_id), reference.applied, but)
    state, expected = end_state(world, result.rollout_id), reference.end_state
    if reference.case.timed:
        state, expected = _timeless(state), _timeless(expected)
    for part in state:
        if state[part] != expected[part]:
            yield _short(f"it ended with {part} {state[part]}, undisturbed with {expected[part]}")


def _timeless(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return what no moment decides of the world's report."""
    parts = {name: state[name] for name in ("nodes", "versions", "missed")}
    return parts | {"killed Jobs": state["jobs"]["killed_by_us"]}


def _differences(found: Applied, expected: Applied, but: tuple[str, ...]) -> Iterator[str]:
    for what, changes in (("not applied", expected - found), ("applied in addition", found - expected)):
        for change, times in changes.items():
            if not change[0].startswith(but):
                yield _short(f"{what}, {times} times: {change}")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _sent_again(world: ProofWorld, result: Result) -> int:
    journal = read_journal(world.url)
    told = journal.events(result.rollout_id) if result.out else ()
    journal.close()
    return sum(one.text.startswith("sent again") for one in told)
