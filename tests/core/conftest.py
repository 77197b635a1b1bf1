"""A journal in a file of its own, and a toy world beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.journal import SqlJournal, open_journal
from rollout.machine import Phase
from tests.core.build import ID, NOW, plan
from tests.core.toy import Toy


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A journal without a rollout: migrated once, copied for each test."""
    path = tmp_path_factory.mktemp("blank") / "rollout.db"
    open_journal(f"sqlite:///{path}", actor="tester").close()
    return path.read_bytes()


@pytest.fixture
def journal(blank: bytes, tmp_path: Path) -> Iterator[SqlJournal]:
    """A journal with one rollout that has just begun."""
    path = tmp_path / "rollout.db"
    path.write_bytes(blank)
    path.chmod(0o600)
    opened = open_journal(f"sqlite:///{path}", actor="tester")
    opened.begin(ID, None, plan(Phase.PLANNED), NOW)
    yield opened
    opened.close()


@pytest.fixture
def toy() -> Toy:
    """One group of two old nodes."""
    return Toy()
