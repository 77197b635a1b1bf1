"""One runner is stopped, cut off, late or simply not alone, and another one runs its rollout in that time."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest

from tests.postgres import Server
from tests.proof import zombies
from tests.proof.cases import PLAIN
from tests.proof.conftest import ENGINES, References
from tests.proof.crash_points import Point
from tests.proof.outcome import Reference
from tests.proof.sharding import SEED, failed

pytestmark = [pytest.mark.timeout(3600)]

CHUNKS = 8
#: How far, in points, a rollout goes at most under the second runner before the first one wakes.
FURTHEST = 150


def spread(reference: Reference, chunk: int, runs: int) -> list[tuple[str, int]]:
    """Return where the first runner is stopped and how far the second goes, by seed, from the whole rollout."""
    share = len(reference.points) / (CHUNKS * runs)
    chance = random.Random(f"{SEED} zombies {chunk}")  # noqa: S311  a sample
    parts = range(chunk, CHUNKS * runs, CHUNKS)
    points = [reference.points[int(share * (part + chance.random()))] for part in parts]
    return [(point.at, chance.randint(1, FURTHEST)) for point in points]


def sent(reference: Reference) -> list[Point]:
    """Return the points right after each effect."""
    return [point for point in reference.points if (point.when, point.what) == ("after", "effect")]


def some(things: Sequence[Point], runs: int) -> Iterator[Point]:
    """Yield some of them, alike far from each other."""
    yield from things[len(things) // (2 * runs) :: -(-len(things) // runs)]


@pytest.mark.proof(sample=1)
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_who_wakes_up_late_changes_nothing(chunk: int, references: References) -> None:
    """A runner that was taken over while it was stopped ends as soon as it wakes, and names the one at work."""
    site, reference = references("postgres", PLAIN.name)
    runs = (zombies.woken(site, reference, *where) for where in spread(reference, chunk, 4))
    assert failed("stopped and woken", runs) == []


@pytest.mark.proof(sample=1, among="zombies")
def test_who_waits_for_an_answer_meanwhile_changes_nothing(references: References) -> None:
    """So does one that was stopped while its request was applied and not answered yet."""
    site, reference = references("postgres", PLAIN.name)
    numbers = range(3, reference.writes, -(-reference.writes // 8))
    runs = (zombies.woken_in_request(site, reference, number, number * 7 % FURTHEST) for number in numbers)
    assert failed("stopped in a request", runs) == []


@pytest.mark.proof(sample=1, among="zombies")
def test_a_request_that_arrives_late_does_no_harm(references: References) -> None:
    """What a dead runner had sent arrives under the next one's lease, who takes it into account."""
    site, reference = references("postgres", PLAIN.name)
    runs = (zombies.arriving_late(site, reference, point) for point in some(sent(reference), 6))
    assert failed("request arrives late", runs) == []


@pytest.mark.proof(sample=1, among="zombies")
def test_who_is_cut_off_from_the_journal_sends_nothing(postgres: Server, references: References) -> None:
    """A runner that has lost its journal, but not AWS, gives up as resumable; the next one goes on."""
    site, reference = references("postgres", PLAIN.name)
    points = some(reference.points[:-2], 6)
    runs = (zombies.cut_off(site, reference, point.at, postgres.port) for point in points)
    assert failed("cut off from the journal", runs) == []


@pytest.mark.proof(sample=1, among="zombies")
def test_a_lock_outlasts_any_stop(references: References) -> None:
    """Beside a file nobody takes over from a process that lives, however long it stood still."""
    site, reference = references("sqlite", PLAIN.name)
    runs = (zombies.waited_for(site, reference, point.at) for point in some(reference.points, 4))
    assert failed("stopped and waited for", runs) == []


@pytest.mark.proof(sample=1, among="zombies")
@pytest.mark.parametrize("engine", ENGINES)
def test_two_at_once_are_one_rollout(engine: str, references: References) -> None:
    """Of two that are started at once one works and the other follows; both end well, with the same rollout."""
    site, reference = references(engine, PLAIN.name)
    assert failed("two at once", (zombies.two_at_once(site, reference) for _ in range(2))) == []


@pytest.mark.proof_all
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_at_every_point(chunk: int, references: References) -> None:
    """What the sample shows holds wherever the runner was stopped."""
    site, reference = references("postgres", PLAIN.name)
    points = reference.points[chunk::CHUNKS]
    runs = (zombies.woken(site, reference, point.at, point.number * 7 % FURTHEST) for point in points)
    assert failed("stopped and woken", runs) == []


@pytest.mark.proof_all
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_request_late(chunk: int, references: References) -> None:
    """What the sample shows holds for every effect."""
    site, reference = references("postgres", PLAIN.name)
    runs = (zombies.arriving_late(site, reference, point) for point in sent(reference)[chunk::CHUNKS])
    assert failed("request arrives late", runs) == []


@pytest.mark.proof_all
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_cut_off_anywhere(chunk: int, postgres: Server, references: References) -> None:
    """What the sample shows holds wherever the runner was cut off."""
    site, reference = references("postgres", PLAIN.name)
    points = reference.points[:-2][chunk::CHUNKS]
    runs = (zombies.cut_off(site, reference, point.at, postgres.port) for point in points)
    assert failed("cut off from the journal", runs) == []
