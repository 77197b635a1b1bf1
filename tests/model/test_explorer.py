"""Every state that the real runner reaches in a small world: the promises hold, and each state leads to an end."""

from __future__ import annotations

import pytest

from tests.model.explorer import Explorer, Found
from tests.model.mutants import MUTANTS, Mutant

#: A walk takes up to a minute of a processor of its own.
pytestmark = pytest.mark.timeout(600)


def sound(found: Found) -> None:
    """All states are known, no promise is broken, and from everywhere a way leads to DONE or to a halt."""
    print(found)  # noqa: T201  who runs it with -s reads how many states there are
    assert not found.broken, found
    assert not found.stuck, found
    assert found.exhausted, found


@pytest.mark.parametrize(
    ("faults", "acts", "only"),
    [
        pytest.param(0, 0, "", id="nothing goes wrong"),
        pytest.param(1, 0, "", id="one request or process is disturbed"),
        pytest.param(0, 1, "created again", id="a node or a pod is created again under its name"),
    ],
)
def test_every_state(faults: int, acts: int, only: str) -> None:
    """Promises 1 to 6 and 12 hold in each of them, and 10: from each a way leads to an end without more faults."""
    sound(Explorer(faults, acts, only=only).walk(300))


def test_a_job_that_appears() -> None:
    """A new Job is waited for too, wherever it begins."""
    sound(Explorer(0, 0, jobs=1).walk(120))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: str(mutant.name))
def test_a_safeguard_that_is_gone_is_missed(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    """The explorer finds the promise that it held, and the way to its breach."""
    explorer = Explorer(mutant.faults, mutant.acts, server=mutant.server, only=mutant.only)
    mutant.patch(monkeypatch, explorer)
    found = explorer.walk(120)
    assert [text.split(":")[0] for text, _ in found.broken] == [mutant.promise], found
