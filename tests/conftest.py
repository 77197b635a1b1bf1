"""What holds for all tests: how chance is treated, and one Postgres server for those of a run that want one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.postgres import Server, running

settings.register_profile("patient", deadline=None)  # a machine that is busy with other work is no fault of ours
settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Do not count as covered what only chance reaches: the gate would open on one day and not on the next."""
    for item in items:
        if isinstance(item, pytest.Function) and getattr(item.obj, "is_hypothesis_test", False):
            item.add_marker("no_cover")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A running server. It is never skipped: a journal on Postgres that was not tried is not known to work."""
    with tempfile.TemporaryDirectory(prefix="rollout-postgres-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the server's user passes through it
        with running(folder) as server:
            yield server
