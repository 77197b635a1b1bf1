"""The runs of the proof, cut into chunks: each chunk is one test, and each failed run is told with what repeats it."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from itertools import count

from tests.proof.crash_points import states
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


def every_state(site: Site, reference: Reference, chunk: int, chunks: int) -> Iterator[Outcome]:
    """Kill in every state in which a kill may leave world and journal: this chunk's share, from the whole rollout.

    Of the points that leave the same state it is killed at one: at the first, at the second, and so on in turn.
    """
    for place, points in list(enumerate(states(reference.points)))[chunk::chunks]:
        yield killed(site, reference, points[place // chunks % len(points)].at)


def every_point(site: Site, reference: Reference, chunk: int, chunks: int) -> Iterator[Outcome]:
    """Kill at this chunk's share of all points."""
    for point in reference.points[chunk::chunks]:
        yield killed(site, reference, point.at)


def sample(site: Site, reference: Reference, runs: int) -> Iterator[Outcome]:
    """Kill at some of the points, by seed: as many in each part of the rollout as in any other."""
    chance = _chance("sample", site, reference)
    share = len(reference.points) / runs
    for part in range(runs):
        yield killed(site, reference, reference.points[int(share * (part + chance.random()))].at)


def pairs(site: Site, reference: Reference, chunk: int, runs: int) -> Iterator[Outcome]:
    """Kill at pairs of points, by seed: at any first, and at one of those that the run after it still has before it."""
    chance = _chance("pairs", site, reference, chunk)
    last = reference.points[-1].number
    for _ in range(runs):
        first = chance.choice(reference.points)
        yield killed(site, reference, first.at, str(chance.randint(1, max(4, last - first.number))))


def all_pairs(site: Site, reference: Reference, chunk: int, chunks: int) -> Iterator[Outcome]:
    """Kill at this chunk's share of all points, and each time at every point of the run after it but renewals."""
    for point in reference.points[chunk::chunks]:
        for second in count(1):
            outcome = killed(site, reference, point.at, str(second))
            yield outcome
            if len(outcome.died) == 1:
                break


def requests(site: Site, reference: Reference, chunk: int, chunks: int, one_in: int = 1) -> Iterator[Outcome]:
    """Kill the installed command in its mutating requests, before and after they are applied: this chunk's share.

    `one_in`: take only one of so many.
    """
    moments = [(number, when) for number in range(1, 1 + reference.writes) for when in ("before", "after")]
    for number, when in moments[::one_in][chunk::chunks]:
        yield killed_in_request(site, reference, number, when)


def _chance(*seeds: object) -> random.Random:
    names = [seed.engine.name if isinstance(seed, Site) else seed for seed in seeds]
    names = [name.case.name if isinstance(name, Reference) else name for name in names]
    return random.Random(f"{SEED} {names}")  # noqa: S311  a sample
