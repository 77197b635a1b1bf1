"""No content of a reply leads to a fault of ours or to a wrong act: whole rollouts with spoilt replies."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.proving import broken
from tests.e2e.simulated import Result
from tests.proof.cases import NONSENSE, NONSENSE_POOL
from tests.proof.results import record
from tests.proof.runs import Site
from tests.proof.world import ProofWorld

pytestmark = [pytest.mark.proof(sample=60), pytest.mark.timeout(900)]

#: How many replies of one run are spoilt at most, and how many runs may follow until the rollout is done.
MOST, RUNS = 25, 6
#: Done; halted; refused before the first effect; resumable.
ENDS = {0, 1, 2, 75}


@pytest.mark.parametrize("seed", range(500))
def test_spoilt_replies(seed: int, sites: Callable[[str], Site]) -> None:
    """Every run ends in words, every promise holds, and runs without spoilt replies bring the rollout to its end."""
    site = sites("sqlite")
    with site.world(NONSENSE_POOL if seed % 2 else NONSENSE) as world:
        world.kept = True
        results = [_spoilt(world, seed)]
        while results[-1].code and len(results) < RUNS:
            results.append(world.fork(world.start_arguments).finish())
        for result in results:
            assert result.code in ENDS, f"{result}\n{_crashes(world)}"
            assert "Traceback" not in result.err + result.out, str(result)
        assert broken(world, world.url) == {}
        assert results[-1].code == 0, str(results[-1])
        world.kept = False
    record("mutated replies", passed=True, seed=seed, runs=len(results))


def _spoilt(world: ProofWorld, seed: int) -> Result:
    options = {"path": str(world.directory / "spoilt"), "seed": seed, "most": MOST}
    return world.fork(world.start_arguments, ("tests.proof.mutate_replies:install", options)).finish()


def _crashes(world: ProofWorld) -> str:
    return "\n".join(file.read_text() for file in world.directory.rglob("crashes/*.txt"))
