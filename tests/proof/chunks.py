"""The runs of the proof, cut into chunks: each chunk is one test, and each failed run is told with what repeats it."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from itertools import count

from tests.proof.outcome import Outcome, Reference
from tests.proof.runs import Site, killed, killed_in_request

#: Where the samples come from; another seed takes others.
SEED = 4


def failed(kind: str, outcomes: Iterable[Outcome]) -> list[str]:
    """Record each outcome as one of this kind, and return those that are not as they should be, a text for each."""
    wrong = []
    for outcome in outcomes:
        outcome.record(kind)
        if outcome.problems:
            wrong.append(str(outcome))
    return wrong


def every_step(site: Site, reference: Reference, chunk: int, chunks: int) -> Iterator[Outcome]:
    """Kill between any two steps, an effect or a commit each: this chunk's share, spread over the whole rollout.

    Nothing leaves and nothing is written between the point after a step and the point before the next: they are two
    ends of one state of the world and the journal. It is killed at one of them, in turn.
    """
    numbers = [1, *range(2, len(reference.points), 2), len(reference.points)]
    for place, number in list(enumerate(numbers))[chunk::chunks]:
        yield killed(site, reference, number + place // chunks % 2 * (1 < number < len(reference.points)))


def every_point(site: Site, reference: Reference, chunk: int, chunks: int) -> Iterator[Outcome]:
    """Kill at this chunk's share of all points, at both ends of each state."""
    for point in reference.points[chunk::chunks]:
        yield killed(site, reference, point.number)


def sample(site: Site, reference: Reference, runs: int) -> Iterator[Outcome]:
    """Kill at some of the points, by seed: as many in each part of the rollout as in any other."""
    chance = _chance("sample", site, reference)
    share = len(reference.points) / runs
    for part in range(runs):
        yield killed(site, reference, 1 + int(share * (part + chance.random())))


def pairs(site: Site, reference: Reference, chunk: int, runs: int) -> Iterator[Outcome]:
    """Kill at pairs of points, by seed: at any first, and at one of those that the run after it still has before it."""
    chance = _chance("pairs", site, reference, chunk)
    last = len(reference.points)
    for _ in range(runs):
        first = chance.randint(1, last)
        yield killed(site, reference, first, chance.randint(1, max(4, last - first)))


def all_pairs(site: Site, reference: Reference, chunk: int, chunks: int) -> Iterator[Outcome]:
    """Kill at this chunk's share of all points, and each time at every point of the run after it."""
    for point in reference.points[chunk::chunks]:
        for second in count(1):
            outcome = killed(site, reference, point.number, second)
            yield outcome
            if len(outcome.died) == 1:
                break


def requests(site: Site, reference: Reference, chunk: int, chunks: int) -> Iterator[Outcome]:
    """Kill the installed command in this chunk's share of its mutating requests, before and after they are applied."""
    for number in range(1 + chunk, 1 + reference.writes, chunks):
        yield killed_in_request(site, reference, number, ("before", "after")[number // chunks % 2])


def _chance(*seeds: object) -> random.Random:
    names = [seed.engine.name if isinstance(seed, Site) else seed for seed in seeds]
    names = [name.case.name if isinstance(name, Reference) else name for name in names]
    return random.Random(f"{SEED} {names}")  # noqa: S311  a sample
