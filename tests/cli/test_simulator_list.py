"""`rollout simulator --list`: what there is to try."""

from __future__ import annotations

from pathlib import Path

from rollout.simulator.scenario import load, names
from tests.cli.run import rollout


def test_every_shipped_scenario_has_a_line_with_its_description(tmp_path: Path) -> None:
    """Name and one line, in order, and nothing is started."""
    shown = rollout("simulator", "--list", cwd=tmp_path)
    assert shown.code == 0, shown
    lines = [line.split(maxsplit=1) for line in shown.out.splitlines()]
    assert lines == [[name, load(name).description] for name in names()]


def test_without_a_scenario_it_says_how_to_find_one(tmp_path: Path) -> None:
    """Exit 2, with the command that lists them."""
    refused = rollout("simulator", cwd=tmp_path)
    assert refused.code == 2
    assert "rollout simulator --list" in refused.err
