"""docs/rights.md explains every policy, statement and placeholder of deploy/iam."""

from __future__ import annotations

import json
import re
import shlex
import subprocess

import pytest

from tests.deploy import policies

PAGE = (policies.FOLDER.parents[1] / "docs" / "rights.md").read_text(encoding="utf-8")
FILES = sorted(file.stem for file in policies.FOLDER.glob("*.json"))


def section(policy: str) -> str:
    """What the page says under the heading that names a policy."""
    (found,) = re.findall(rf"^## [^\n]*\b{policy}\.json.*?(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.mark.parametrize("policy", FILES)
def test_every_statement_is_explained(policy: str) -> None:
    """By its name, under the heading of its file; a table of statements has no other."""
    sids = [statement["Sid"] for statement in json.loads(policies.text(policy))["Statement"]]
    assert [sid for sid in sids if f"`{sid}`" not in section(policy)] == []
    assert set(re.findall(r"^\| `(\w+)` \|", section(policy), re.MULTILINE)) <= set(sids)


def test_every_statement_of_a_rollout_is_said_to_be_required_or_optional() -> None:
    """Each statement of redeploy.json says whether a rollout can go without it, or with which setting it cannot."""
    sids = [statement["Sid"] for statement in json.loads(policies.text("redeploy"))["Statement"]]
    needed = dict(
        re.findall(r"^\| `(\w+)` \| (required|optional)(?: with `[\w.: ]+`)? \|", section("redeploy"), re.MULTILINE)
    )
    assert sorted(needed) == sorted(sids)


def test_every_file_is_listed() -> None:
    """In the first table, with a link."""
    assert sorted(re.findall(r"^\| \[([\w-]+)\.json\]", PAGE, re.MULTILINE)) == FILES


def test_every_placeholder_is_explained() -> None:
    """In the second table; none that no policy has."""
    rows = re.findall(r"^\| (`[A-Z_]+`(?:, `[A-Z_]+`)*) \|", PAGE, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"\w+", row)} == set(policies.VALUES)


def test_a_shell_can_fill_every_placeholder_in() -> None:
    """None is the name of a variable that the shell keeps for itself, as GROUPS is in bash."""
    given = " ".join(f"{name}={shlex.quote(value)}" for name, value in policies.VALUES.items())
    shown = subprocess.run(["bash", "-c", f"export {given}; env"], capture_output=True, text=True, check=True).stdout  # noqa: S607  any bash will do
    assert {f"{name}={value}" for name, value in policies.VALUES.items()} <= set(shown.splitlines())


def test_the_page_fills_in_what_the_policy_that_it_shows_needs() -> None:
    """All of it, and nothing else."""
    lines = " ".join(re.findall(r"^export (.*)$", PAGE, re.MULTILINE))
    exported = {word.partition("=")[0] for word in shlex.split(lines)}
    assert exported == policies.placeholders("redeploy")
