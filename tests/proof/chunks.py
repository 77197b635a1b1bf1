"""The runs of the proof, cut into chunks: each chunk is one test, and each failed run is told with what repeats it."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from tests.proof.results import record
from tests.proof.runs import Outcome, Reference, Site, killed

#: Where the samples come from; another seed takes others.
SEED = 4


def all_killed(kind: str, site: Site, reference: Reference, runs: Iterable[Sequence[int]]) -> list[str]:
    """Kill a run at each of these points, or pairs of points; record each, and return what was wrong, a text for each.

    `kind`: as the results call these runs.
    """
    wrong = []
    for numbers in runs:
        outcome = killed(site, reference, *numbers)
        _record(kind, outcome)
        if outcome.problems:
            wrong.append(str(outcome))
    return wrong


def _record(kind: str, outcome: Outcome) -> None:
    facts = {"engine": outcome.engine, "case": outcome.case, "points": [asdict(point) for point in outcome.died]}
    passed = not outcome.problems
    record(kind, passed=passed, **facts, sent_again=outcome.sent_again, seconds=round(outcome.seconds, 2))


def singles(reference: Reference, chunk: int, chunks: int) -> list[tuple[int]]:
    """Return this chunk's share of all points; each share is spread over the whole rollout."""
    return [(point.number,) for point in reference.points[chunk::chunks]]


def sample(reference: Reference, engine: str, runs: int) -> list[tuple[int]]:
    """Return some of the points, by seed: as many from each part of the rollout as from any other."""
    chance = random.Random(f"{SEED} {reference.case.name} {engine}")  # noqa: S311  a sample
    share = len(reference.points) / runs
    return [(1 + int(share * (part + chance.random())),) for part in range(runs)]


def pairs(reference: Reference, engine: str, chunk: int, runs: int) -> list[tuple[int, int]]:
    """Return pairs of points by seed: the second counts from where the second run begins, as far as that may go."""
    chance = random.Random(f"{SEED} pairs {engine} {chunk}")  # noqa: S311  a sample
    total = len(reference.points)
    firsts = [chance.randint(1, total) for _ in range(runs)]
    return [(first, chance.randint(1, max(4, total - first))) for first in firsts]
