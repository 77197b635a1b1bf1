"""A journal in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.journal import SqlJournal, open_journal
from tests.journal.samples import ID, NOW, PLAN


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A place where no journal is yet."""
    return f"sqlite:///{tmp_path}/state/rollout.db"


@pytest.fixture
def empty(url: str) -> Iterator[SqlJournal]:
    """A journal without a rollout."""
    journal = open_journal(url, actor="tester")
    yield journal
    journal.close()


@pytest.fixture
def journal(empty: SqlJournal) -> SqlJournal:
    """A journal with one rollout that has just begun."""
    empty.begin(ID, "build-17", PLAN, NOW)
    return empty
