"""Hand-made faults in what makes a rollout durable: each is noticed by the tests that are named for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proof import results
from tests.proof.forkserver import Forkserver
from tests.proof.mutants import inside
from tests.proof.mutants.mutant import Mutant
from tests.proof.mutants.shadow import PROJECT, shadow
from tests.proof.mutants.table import MUTANTS
from tests.proof.mutants.trial import trial

each = pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)


@pytest.fixture(scope="module")
def bare() -> Iterator[Forkserver]:
    """A forkserver that has loaded the packages of others, and nothing of ours."""
    forkserver = Forkserver(f"{inside.__name__}:packages")
    yield forkserver
    forkserver.close()


@each
def test_fits(mutant: Mutant) -> None:
    """The text that a mutant changes stands exactly once where it is said to stand: this is asked on every day."""
    assert mutant.text(PROJECT)


def test_names() -> None:
    """Each mutant has a name of its own."""
    names = [mutant.name for mutant in MUTANTS]
    assert sorted(names) == sorted(set(names))


@pytest.mark.proof
@pytest.mark.timeout(600)
def test_killers_pass(bare: Forkserver, tmp_path: Path) -> None:
    """Without a fault all tests that are named for one pass, on a shadow of the project too."""
    killers = tuple(sorted({killer for mutant in MUTANTS for killer in mutant.killers}))
    file = MUTANTS[0].file
    shadow(tmp_path, file, (PROJECT / file).read_text(encoding="utf-8"))
    found = trial(bare, tmp_path, killers)
    assert {killer: found.of(killer) for killer in killers} == {killer: {"passed"} for killer in killers}, found.printed
    assert found.code == 0


@pytest.mark.proof
@pytest.mark.timeout(600)
@each
def test_killed(mutant: Mutant, bare: Forkserver, tmp_path: Path) -> None:
    """With the fault in it each test that is named for it fails: by what it tests, and in its time."""
    began = time.monotonic()
    shadow(tmp_path, mutant.file, mutant.text(PROJECT))
    found = trial(bare, tmp_path, mutant.killers)
    survived = [killer for killer in mutant.killers if "failed" not in found.of(killer)]
    died = not survived and found.code == 1 and {"hung", "broken"}.isdisjoint(found.ends.values())
    results.record("mutant", passed=died, seconds=round(time.monotonic() - began, 1), **_told(mutant))
    assert died, f"{mutant.name} survives {', '.join(survived) or 'in part'}:\n{found.printed}"


def _told(mutant: Mutant) -> dict[str, str]:
    """Return a row of docs/durability.md, by its columns."""
    killers = (killer.removeprefix("tests/").partition("[")[0] for killer in mutant.killers)
    return {"fault": mutant.name, "what it takes away": mutant.breaks, "noticed by": ", ".join(killers)}
