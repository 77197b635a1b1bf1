"""`rollout simulator --list`: what there is to try."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rollout.simulator import scenario
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


def test_what_an_operator_names_is_refused_in_words(tmp_path: Path) -> None:
    """A scenario that is no text, a name that no disk takes, and a folder that is a file are exit 2."""
    (tmp_path / "latin.yaml").write_bytes(b"description: caf\xe9\n")
    (tmp_path / "odd.yaml").write_text("base: plain\nseed: 2026-13-45\n")
    for words in (
        ("--scenario", "latin.yaml"),
        ("--scenario", "odd.yaml"),
        ("--scenario", "a" * 300),
        ("--scenario", "plain", "--directory", "latin.yaml"),
        ("--scenario", "plain", "--directory", "/dev/null/x"),
    ):
        ended = rollout("simulator", *words, cwd=tmp_path)
        assert (ended.code, "this is a bug" in ended.err) == (2, False), ended.err


@pytest.mark.parametrize("name", ["-batch;x", "wor'kers", "a" * 64, ""])
def test_a_group_whose_name_is_no_label(name: str) -> None:
    """The loader refuses it, with its line; nodes could not carry it."""
    group = f"{{name: {json.dumps(name)}, template: eks_worker_lt-demo, min: 1, desired: 2, max: 4}}"
    text = f"base: plain\ngroups: [{group}]\n"
    with pytest.raises(scenario.ScenarioError, match="is no label's value"):
        scenario.parse(text, "x")


def test_a_cluster_and_real_time_belong_together(tmp_path: Path) -> None:
    """One without the other, a pace, and a kubeconfig that is none are exit 2, in words."""
    for words, said in (
        (("--real-time",), "belong together"),
        (("--kubernetes", "none"), "belong together"),
        (("--real-time", "--kubernetes", "none", "--pace", "5"), "keeps no pace"),
        (("--real-time", "--kubernetes", "none"), "the kubeconfig none cannot be used"),
    ):
        refused = rollout("simulator", "--scenario", "minutes", "--directory", "here", *words, cwd=tmp_path)
        assert refused.code == 2, refused
        assert said in refused.err
