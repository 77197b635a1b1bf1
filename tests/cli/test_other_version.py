"""A rollout that a version began which is not this one: nothing is written, and what can be told is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli import samples
from tests.cli.run import rollout
from tests.journal.samples import tamper

CONFIG = "cluster: eks-demo\nregion: eu-west-1\ngroups: [workers]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a configuration, and the journal of a rollout in a format to come."""
    (tmp_path / "rollout.yaml").write_text(CONFIG + f"database: {samples.url(tmp_path)}\n")
    journal = samples.draining(tmp_path)
    tamper(journal, "UPDATE rollouts SET journal_version = 9, begun_by = '7.0.0'")
    journal.close()
    return tmp_path


@pytest.mark.parametrize(
    "command", [("resume",), ("start", "--ami", "ami-0000000b", "--key", "build-7")], ids=["resume", "start"]
)
def test_is_not_gone_on_with(folder: Path, command: tuple[str, ...]) -> None:
    """Exit 77, the version that goes on is named, and the journal stays as it is."""
    before = (folder / "rollout.db").read_bytes()
    ended = rollout(*command, cwd=folder)
    assert ended.code == 77
    assert f"rollout {samples.ID} was begun by rollout 7.0.0 (journal version 9)" in ended.err
    assert f"next: pip install eks-rollout==7.0.0, then: rollout resume {samples.ID}" in ended.err
    assert (folder / "rollout.db").read_bytes() == before


def test_is_told_all_the_same(folder: Path) -> None:
    """Status tells what needs no plan, and why there is no more; list, events and audit tell everything."""
    status = rollout("status", cwd=folder)
    assert (status.code, status.err) == (0, "")
    assert status.out.splitlines()[:5] == [
        f"rollout {samples.ID}  (key build-7)",
        "  cluster   eks-demo",
        "  groups    workers",
        "  image     ami-0000000b",
        "  phase     DRAIN",
    ]
    assert "pip install eks-rollout==7.0.0" in status.out
    assert samples.ID in rollout("list", cwd=folder).out
    assert "begun" in rollout("events", cwd=folder).out
    assert rollout("audit", "verify", cwd=folder).code == 0
    assert '"type": "rollout"' in rollout("audit", "export", cwd=folder).out


def test_programs_are_told_by_the_exit_code(folder: Path) -> None:
    """JSON is whole or is not there."""
    ended = rollout("status", "--json", cwd=folder)
    assert (ended.code, ended.out) == (77, "")
