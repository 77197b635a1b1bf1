"""What the guides in docs/ show is a configuration that loads, and a command that calculates what they say."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from rollout import config
from tests.test_docs import ROOT

#: Pages of their own, written by hand; docs/configuration.md is written from the code.
PAGES = [path for path in sorted((ROOT / "docs").glob("*.md")) if path.name != "configuration.md"]


def settings() -> list[tuple[str, str]]:
    """Each YAML block of a page that has settings of ours: the page's name and the text."""
    found = []
    for page in PAGES:
        for block in re.findall(r"^```yaml\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            keys = YAML(typ="safe").load(block).keys()
            if keys & config.Config.model_fields.keys() and "fleet" not in keys:  # a fleet's file has tests of its own
                found.append((page.name, block))
    return found


@pytest.mark.parametrize(("page", "block"), settings())
def test_settings_that_a_page_shows_load(page: str, block: str, tmp_path: Path) -> None:
    """Beside the three that must be given, each block is a configuration."""
    given = "".join(
        f"{key}: {value}\n"
        for key, value in {"cluster": "c", "region": "eu-west-1", "groups": "[g]"}.items()
        if not re.search(rf"^{key}:", block, re.MULTILINE)
    )
    (tmp_path / "rollout.yaml").write_text(given + block, encoding="utf-8")
    config.load(tmp_path / "rollout.yaml", {})


def test_several_pages_show_settings() -> None:
    """So that the test above has something to judge."""
    assert {"karpenter.md", "long-jobs.md", "trial.md"} <= {page for page, _ in settings()}


def at(hour: int, minute: int) -> str:
    return f"2026-01-05T{hour:02}:{minute:02}:00Z"


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_the_extra_node_hours_are_those_beyond_the_baseline(tmp_path: Path) -> None:
    """Two more for an hour, then one more for half an hour; in another group three more for twenty minutes."""
    (command,) = re.findall(r"```console\n(rollout report .*?)```", (ROOT / "docs/cost.md").read_text(), re.DOTALL)
    steps = [[(8, 0, 2), (8, 30, 4), (9, 30, 3), (10, 0, 2)], [(8, 10, 3), (8, 20, 6), (8, 40, 3)]]
    groups = [
        {"baseline": {"desired": group[0][2]}, "desired": [{"at": at(*when), "count": count} for *when, count in group]}
        for group in steps
    ]
    (tmp_path / "said").write_text(json.dumps({"groups": groups}))
    (tmp_path / "rollout").write_text(f"#!/bin/sh\ncat {tmp_path}/said\n")
    (tmp_path / "rollout").chmod(0o755)
    around = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ended = subprocess.run(
        ["/bin/sh", "-ec", command], cwd=tmp_path, env=around, capture_output=True, text=True, check=True
    )
    assert float(ended.stdout) == pytest.approx(2.5 + 1)
