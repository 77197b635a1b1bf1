"""docs/iac.md's command lets a pipeline apply only when the journal says that no rollout is unfinished on its group."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli import samples
from tests.cli.run import rollout

PAGE = Path(__file__).parent.parent / "docs/iac.md"

#: The question of the page's filter, for where jq is not there; nothing to read is no error to it, as to jq 1.6.
OLD_JQ = f"""#!{sys.executable}
import json, sys
text = sys.stdin.read()
known = json.loads(text)["rollouts"] if text.strip() else []
sys.exit(any(one["ended"] is None and "workers" in one["groups"] for one in known))
"""


def command() -> str:
    """The command that a pipeline asks first, as the page has it."""
    (block,) = (one for one in re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
    return str(block)


def program(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    file.chmod(0o755)


def asked(folder: Path, shell: str, jq: str, said: str, code: int) -> int:
    """Run the page's command where `rollout` prints this and ends so; return its exit code."""
    (folder / "said").write_text(said, encoding="utf-8")
    program(folder / "rollout", f"#!/bin/sh\ncat {folder / 'said'}\nexit {code}\n")
    if jq == "old":
        program(folder / "jq", OLD_JQ)
    elif not shutil.which("jq"):
        pytest.skip("jq is not there")
    environment = {"PATH": f"{folder}:{os.environ['PATH']}"}
    ran = subprocess.run([shell, "-c", command()], cwd=folder, env=environment, capture_output=True, check=False)
    return ran.returncode


@pytest.mark.parametrize("jq", ["old", "real"])
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_pipeline_applies_only_where_nothing_is_unfinished(tmp_path: Path, jq: str, shell: str) -> None:
    """A list that was not printed is no list without rollouts: an error of `rollout list` is one of the command."""
    listed = {}
    for name, make in (("unfinished", samples.draining), ("done", samples.done)):
        folder = tmp_path / name
        folder.mkdir()
        make(folder).close()
        listed[name] = rollout("list", "--json", "--database", samples.url(folder), cwd=folder).out
    assert asked(tmp_path, shell, jq, listed["done"], 0) == 0
    assert asked(tmp_path, shell, jq, listed["unfinished"], 0) != 0
    assert 0 not in {asked(tmp_path, shell, jq, "", code) for code in (2, 70, 75, 77)}
