"""The page about a rollout that a run writes at its end."""

from __future__ import annotations

import pytest

from tests.cli import pages
from tests.e2e.conftest import Worlds
from tests.e2e.simulated import Simulated

SMALL = "short"


def started(world: Simulated, report: str) -> tuple[int, str, str]:
    """Run a rollout to its end with a file that gets the report."""
    config = world.directory / "rollout.yaml"
    config.write_text(f"{config.read_text(encoding='utf-8')}report: {report}\n", encoding="utf-8")
    ended = world.start()
    return ended.code, ended.out, ended.err


def test_the_end_of_a_run_writes_the_page(world: Worlds) -> None:
    """Where the configuration names a file it has the whole rollout, with the head that the run printed last."""
    simulated = world(SMALL)
    code, out, _ = started(simulated, "kept.html")
    assert code == 0, out
    assert out.endswith(f"report: {simulated.directory / 'kept.html'}\n")
    seen = pages.read((simulated.directory / "kept.html").read_text(encoding="utf-8"))
    assert seen.faults == []
    assert "No Job was killed." in seen.text
    head = next(line.split()[1] for line in reversed(out.splitlines()) if line.startswith("  head "))
    assert head in seen.text
    assert "works" not in seen.text.partition("run by")[2].partition("Nodes")[0]


@pytest.mark.parametrize("report", ["/dev/full", pytest.param("nowhere/kept.html", marks=pytest.mark.exhaustive)])
def test_a_page_that_cannot_be_written_changes_nothing(world: Worlds, report: str) -> None:
    """The rollout is done, with exit code 0; a line says why there is no page, and what writes one."""
    code, out, err = started(world(SMALL), report)
    assert code == 0, out
    assert "no report was written" in err
    assert "rollout report 2" in err
    assert out.splitlines()[-1].startswith("done: ")
