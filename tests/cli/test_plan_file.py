"""A plan in a file: what is written is read again, and what is no such file is refused with the reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rollout.cli import plan_file
from rollout.errors import USAGE, UserError
from rollout.preflight.saved import SavedGroup, SavedPlan, SavedTemplate
from tests.cli.run import rollout

AMI = "ami-0123456789abcdef0"
TEMPLATE = SavedTemplate("override 2", "lt-1", "$Latest", 3, None)
GROUP = SavedGroup("g", 1, 2, 3, ("i-1",), ("Launch",), True, False, True, (TEMPLATE,), ("m5.large",), ("subnet-a",))
PLAN = SavedPlan(datetime(2026, 1, 5, tzinfo=UTC), "arn", "uid", AMI, "naïve", None, {"surge": "100%"}, (GROUP,))


def changed(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda found: found.update(changes)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """Field by field, in place of what was there."""
    path = tmp_path / "plan.json"
    for plan in (PLAN, replace(PLAN, groups=(), autoscaler_replicas=2)):
        plan_file.write(plan, path, None)
        assert plan_file.read(path) == plan


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (changed(version=2, tool="9.9"), "rollout 9.9 wrote it in version 2, and rollout"),
        (changed(version=True), "in version True"),
        (changed(version=None, tool=7), "another version of rollout wrote it in version None"),
        (changed(kind="report"), "this tool wrote no such plan"),
        (changed(more=1), "(more: "),
        (lambda found: found.pop("ami"), "(ami: "),
        (lambda found: found["groups"][0].update(old=3), "(groups.0.old: "),
        (lambda found: found["groups"][0].update(more=3), "(groups.0.more: "),
        (changed(ami="web"), '"web" is not the id of an image'),
    ],
)
def test_what_cannot_be_read_whole_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], says: str
) -> None:
    """Another version, and fields that are unknown, missing or wrong, each by its name."""
    path = tmp_path / "plan.json"
    found = plan_file.fields(PLAN)
    change(found)
    path.write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(UserError) as refused:
        plan_file.read(path)
    assert says in refused.value.problem
    assert refused.value.problem.startswith("nothing was begun: ")
    assert (refused.value.exit_code, "--out FILE" in refused.value.hint) == (USAGE, True)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", "it is not JSON"),
        (b"[]", "this tool wrote no such plan"),
        (b"\xff", "it is not text"),
        (b"[" * 10**6, "it is not JSON"),
    ],
)
def test_what_is_no_plan_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    """A file of something else, or a part of one."""
    path = tmp_path / "plan.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=says):
        plan_file.read(path)


def test_a_place_that_is_no_file_is_told(tmp_path: Path) -> None:
    """A folder is neither read nor written, and no file is there at first."""
    with pytest.raises(UserError, match="Is a directory"):
        plan_file.read(tmp_path)
    with pytest.raises(UserError, match="is a folder"):
        plan_file.write(PLAN, tmp_path, None)
    with pytest.raises(UserError, match="there is no plan at"):
        plan_file.read(tmp_path / "none.json")


def test_a_start_takes_the_image_from_its_plan_alone(tmp_path: Path) -> None:
    """Said twice, or with a plan that is not there, it is refused before anybody is asked."""
    (tmp_path / "rollout.yaml").write_text("cluster: c\nregion: eu-west-1\ngroups: [workers]\n")
    for twice in (("--ami", AMI), ("--ami-from", "packer.json"), ("--description", "why")):
        refused = rollout("start", "--plan", "plan.json", *twice, cwd=tmp_path)
        assert (refused.code, refused.out) == (2, "")
        assert "--plan plan.json says which image is meant" in refused.err
    missing = rollout("start", "--plan", "plan.json", cwd=tmp_path)
    assert (missing.code, f"there is no plan at {tmp_path}/plan.json" in missing.err) == (2, True)
    again = f"rollout plan --config {tmp_path}/rollout.yaml --ami AMI --out FILE"
    (tmp_path / "plan.json").write_text("[]")
    other = rollout("start", "--plan", "plan.json", cwd=tmp_path)
    assert f"{tmp_path}/plan.json is no plan to start with: this tool wrote no such plan\n" in other.err
    (tmp_path / "plan.json").unlink()
    for refused in (missing, other):
        assert refused.err.endswith(f"  next: make a plan, look at it, then start with it: {again}\n")
    assert [one.name for one in tmp_path.iterdir()] == ["rollout.yaml"]
