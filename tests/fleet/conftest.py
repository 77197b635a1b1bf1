"""A journal of its own for each test, on each engine."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rollout.journal import SqlJournal, open_journal, schema


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a journal is, without a rollout and without a fleet."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/fleet.db"
        return
    server, name = request.getfixturevalue("postgres"), f"fleet_{secrets.token_hex(6)}"
    server.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    schema.upgrade(server.url(name))
    yield server.url(name)
    server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def journal(url: str) -> Iterator[SqlJournal]:
    """A journal without a rollout and without a fleet."""
    with closing(open_journal(url, actor="tester")) as opened:
        yield opened
