"""A journal in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.journal import SqlJournal, open_journal, place
from tests.journal.samples import ID, NOW, PLAN


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A place where no journal is yet."""
    return f"sqlite:///{tmp_path}/state/rollout.db"


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a journal without a rollout: migrated once, copied for each test."""
    path = tmp_path_factory.mktemp("blank") / "rollout.db"
    open_journal(f"sqlite:///{path}", actor="tester").close()
    return path


@pytest.fixture
def empty(url: str, blank: Path) -> Iterator[SqlJournal]:
    """A journal without a rollout."""
    path = place.path_of(url)
    place.create(path)
    path.write_bytes(blank.read_bytes())
    journal = open_journal(url, actor="tester")
    yield journal
    journal.close()


@pytest.fixture
def journal(empty: SqlJournal) -> SqlJournal:
    """A journal with one rollout that has just begun."""
    empty.begin(ID, "build-17", PLAN, NOW)
    return empty
